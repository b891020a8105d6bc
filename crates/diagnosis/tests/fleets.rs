//! A client that is not known: others with nearly its name, and connections of nobody in particular.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_all};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

fn noticed(asked: &Asked, code: Code) -> String {
    let found = asked.report.also.iter().find(|other| other.code == code);
    let found = found.unwrap_or_else(|| panic!("{code:?} is not noticed: {:?}", asked.also()));
    assert_eq!(found.confidence, Confidence::Possible);
    found.text.to_string(Language::English)
}

/// Bytes of other protocols that came to the port.
fn strangers(bed: &mut Bed) {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xC0\0",
    ] {
        let stranger = bed.open(V5);
        bed.send_raw(stranger, bytes);
        bed.pass(10);
    }
}

/// Cause 36.
#[test]
fn another_device_of_a_fleet_is_no_typing_mistake() {
    let mut bed = Bed::new(1);
    bed.connect(V5, "sensor-11");
    strangers(&mut bed);
    for topic in [None, Some(TOPIC)] {
        let asked = ask_all(&mut bed, topic, Some("sensor-12"), None);
        asked.is(Code::P01, Confidence::Certain);
        noticed(&asked, Code::P02);
        // A letter is one, and hides nothing.
        let asked = ask_all(&mut bed, topic, Some("senser-11"), None);
        asked.is(Code::U03, Confidence::Certain);
        asked.says("Did you mean sensor-11?");
        noticed(&asked, Code::P02);
    }
    let asked = ask_all(&mut bed, None, None, Some("sensor-1"));
    asked.is(Code::U03, Confidence::Certain);
    assert_eq!(asked.report.verdict.text.code(), "u03");
}

/// Cause 36: each kind of refusal may be the one, of a subscriber as well.
#[test]
fn all_kinds_of_nameless_refusals_are_told() {
    let mut bed = Bed::new(1);
    strangers(&mut bed);
    bed.pass(1_000);
    strangers(&mut bed);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    for (asked, code, whose) in [
        (
            ask_all(&mut bed, None, Some("web"), None),
            Code::P02,
            "publisher",
        ),
        (
            ask_all(&mut bed, None, None, Some("web")),
            Code::S15,
            "subscriber",
        ),
        (
            ask(&mut bed, TOPIC, None, Some("web")),
            Code::S15,
            "subscriber",
        ),
    ] {
        let text = noticed(&asked, code);
        for part in ["PINGREQ", "SSH", "HTTP", whose] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.starts_with("2 connections"), "{text}");
    }
    // Who has been here is not suspected of it.
    assert_eq!(
        ask(&mut bed, TOPIC, None, Some("esp")).also(),
        [Code::S15; 0]
    );
}

#[test]
fn of_many_kinds_of_nameless_refusals_the_last_four_are_told() {
    let mut bed = Bed::new(1);
    strangers(&mut bed);
    for bytes in [
        &b"AMQP\0\0\x09\x01"[..],
        b"\x16\x03\x01\0\xA5\x01\0\0\xA1\x03\x03",
    ] {
        let stranger = bed.open(V5);
        bed.send_raw(stranger, bytes);
        bed.pass(10);
    }
    let text = noticed(&ask_all(&mut bed, None, Some("web"), None), Code::P02);
    for part in ["TLS", "AMQP", "PINGREQ", "HTTP"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("SSH"), "{text}");
}
