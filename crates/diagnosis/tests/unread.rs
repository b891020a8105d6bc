//! A PUBLISH that was refused before its topic was read may be the message that is missed: it is told, and
//! nobody says for certain that none came.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all, evidence};
use bed::exchange::QOS_1;
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::event::AuthVerdict;
use columba_diagnosis::evidence::UNREAD_MAX;
use columba_diagnosis::{Code, Confidence};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// PUBLISH packets of MQTT 3.1.1 that are not taken, and what `why` says of them.
const REFUSED: &[(&[u8], Code, Confidence)] = &[
    // Larger than the bed takes.
    (b"\x30\xFF\xFF\xFF\x7F", Code::P08, Confidence::Certain),
    // `a/+`, and no topic at all.
    (b"\x30\x06\0\x03a/+1", Code::P06, Confidence::Certain),
    (b"\x30\x03\0\0x", Code::P06, Confidence::Certain),
    // `温` in GBK, and a packet id 0.
    (b"\x30\x05\0\x02\xCE\xC2x", Code::P04, Confidence::Likely),
    (b"\x32\x06\0\x01a\0\0x", Code::P04, Confidence::Likely),
];

fn refused(bytes: &[u8]) -> Bed {
    let mut bed = Bed::with(2, |limits| limits.packet_bytes_max = 1 << 20);
    let publisher = bed.connect(V311, "esp");
    bed.publish(publisher, "home/other/x", b"1", QOS_1);
    bed.finish(publisher);
    bed.pass(10);
    bed.send_raw(publisher, bytes);
    bed.pass(10);
    bed
}

/// Causes 22, 33 and 57.
#[test]
fn a_publisher_whose_message_was_not_read_is_not_said_to_have_published_nothing() {
    for (bytes, code, sure) in REFUSED {
        let mut bed = refused(bytes);
        let asked = ask_all(&mut bed, None, Some("esp"), None);
        asked.is(*code, *sure);
        assert_ne!(asked.also(), [Code::P05], "{bytes:?}");
    }
}

#[test]
fn what_was_not_read_may_be_what_is_missed() {
    for (bytes, code, _) in REFUSED {
        let mut bed = refused(bytes);
        let asked = ask(&mut bed, TOPIC, None, None);
        // It may be about any topic, and that nothing came is about this one.
        asked.is(Code::P05, Confidence::Possible);
        assert_eq!(asked.also(), [*code]);
        assert_eq!(asked.report.also[0].confidence, Confidence::Possible);
        let said = asked.report.also[0].text.to_string(Language::English);
        assert!(said.contains("esp"), "{said}");
        // So it is where a topic is known that is nearly this one.
        let publisher = bed.connect(V5, "other");
        bed.publish(publisher, "home/Kitchen/temp", b"1", QOS_1);
        bed.finish(publisher);
        let asked = ask(&mut bed, TOPIC, None, None);
        asked.is(Code::P05, Confidence::Possible);
        assert_eq!(asked.also(), [*code]);
    }
}

/// Nobody can have published to it, so it is no news that nobody did.
#[test]
fn a_topic_that_nobody_can_publish_to_did_not_stay_away() {
    let mut bed = refused(b"\x30\x06\0\x03a/+1");
    let asked = ask(&mut bed, "a/+", None, None);
    asked.is(Code::P06, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P05; 0]);
}

/// Cause 49: it was there, published, and was not let in again.
#[test]
fn a_publisher_that_is_kept_out_is_told_so_though_it_was_connected() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V311, "esp");
    bed.pass(10);
    bed.drop_connection(publisher);
    bed.authenticate = |_| AuthVerdict::BadCredentials;
    bed.connect_raw(&ConnectOptions::new(V311, "esp").login("u", b"wrong"));
    bed.pass(10);
    for topic in [None, Some(TOPIC)] {
        let asked = ask_all(&mut bed, topic, Some("esp"), None);
        asked.is(Code::P02, Confidence::Likely);
        assert_eq!(asked.also(), [Code::P05; 0]);
    }
    // Nobody published, and it may be for that reason.
    let asked = ask(&mut bed, TOPIC, None, None);
    asked.is(Code::P05, Confidence::Certain);
    assert_eq!(asked.also(), [Code::P02]);
    assert_eq!(asked.report.also[0].confidence, Confidence::Possible);
}

/// A connection that ended so is over for who has published since.
#[test]
fn a_broken_connection_of_before_is_not_told_of_somebody_who_publishes() {
    let mut bed = refused(b"\x32\x06\0\x01a\0\0x");
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    ask_all(&mut bed, None, Some("esp"), None).is(Code::R01, Confidence::Certain);
}

/// What peers can fill has a bound: the last of them are remembered.
#[test]
fn of_many_that_were_not_read_the_last_ones_are_remembered() {
    let mut bed = Bed::new(1);
    let count = 2 * UNREAD_MAX + 50;
    for number in 0..count {
        let client_id = format!("esp {number}");
        let publisher = bed.connect(V311, &client_id);
        bed.send_raw(publisher, b"\x30\x06\0\x03a/+1");
        bed.pass(10);
    }
    let from_ms = 0;
    let evidence = evidence(&mut bed, Some(TOPIC), None, None, from_ms);
    assert_eq!(evidence.unread.len(), UNREAD_MAX);
    let last = evidence.unread.last().expect("one");
    assert_eq!(last.client, format!("esp {}", count - 1));
    let asked = ask(&mut bed, TOPIC, None, None);
    asked.is(Code::P05, Confidence::Possible);
    assert_eq!(asked.also(), [Code::P06]);
}
