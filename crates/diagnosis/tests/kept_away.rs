//! A subscriber that was not let in is told so, and not that it forgot to subscribe.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all};
use bed::exchange::{QOS_1, keeping};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::event::{AuthVerdict, Input};
use columba_broker::outcome::Outcome;
use columba_codec::{PropertyId, Value};
use columba_diagnosis::{Code, Confidence};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

fn refuses(bed: &mut Bed, client: &str) {
    let lets_in = bed.authenticate;
    bed.authenticate = |_| AuthVerdict::BadCredentials;
    bed.connect_raw(&ConnectOptions::new(V311, client).login("u", b"wrong"));
    bed.authenticate = lets_in;
}

/// A broker with a publisher, and a subscriber that has the wrong password.
fn kept_away() -> Bed {
    let mut bed = Bed::new(2);
    bed.connect(V5, "esp");
    refuses(&mut bed, "hub");
    bed.pass(10);
    bed
}

fn publish(bed: &mut Bed) {
    let publisher = bed.connect(V5, "esp2");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(publisher);
    bed.pass(10);
}

/// Cause 39.
#[test]
fn who_was_refused_is_not_told_to_subscribe() {
    let mut bed = kept_away();
    publish(&mut bed);
    for publisher in [None, Some("esp2")] {
        let asked = ask(&mut bed, TOPIC, publisher, Some("hub"));
        asked.is(Code::S15, Confidence::Certain);
        asked.says("hub was refused 1 time");
        assert!(asked.fix(0).starts_with("Correct what the refusal names"));
        assert_eq!(asked.also(), [Code::R01]);
    }
}

/// A session that it never had did not end.
#[test]
fn who_was_refused_is_told_so_without_a_topic() {
    let mut bed = kept_away();
    let asked = ask_all(&mut bed, None, None, Some("hub"));
    asked.is(Code::S15, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S15; 0]);
    // Nothing was published: that counts, and who would not have got it is noticed.
    let asked = ask(&mut bed, TOPIC, None, Some("hub"));
    asked.is(Code::P05, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S15]);
}

#[test]
fn a_session_that_ended_before_the_refusal_is_noticed() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V311, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.drop_connection(subscriber);
    refuses(&mut bed, "hub");
    bed.pass(10);
    publish(&mut bed);
    let asked = ask(&mut bed, TOPIC, None, Some("hub"));
    asked.is(Code::S15, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S01]);
}

/// Within a millisecond there is no order: it may have had a connection when the message came.
#[test]
fn who_was_refused_in_the_millisecond_in_which_its_connection_ended_was_not_kept_away_for_certain()
{
    for (is_tie, code) in [(true, Code::S03), (false, Code::S15)] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let one = (PropertyId::ReceiveMaximum, Value::U16(1));
        let subscriber = bed.connect_with(&ConnectOptions::new(V5, "hub").property(one.0, one.1));
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(10);
        // The second one waits for the first to be acknowledged.
        if is_tie {
            bed.publish(publisher, TOPIC, b"1", QOS_1);
            bed.publish(publisher, TOPIC, b"2", QOS_1);
        }
        bed.drop_connection(subscriber);
        refuses(&mut bed, "hub");
        if !is_tie {
            bed.pass(1);
            bed.publish(publisher, TOPIC, b"1", QOS_1);
        }
        bed.pass(10);
        let asked = ask(&mut bed, TOPIC, None, Some("hub"));
        asked.is(code, Confidence::Certain);
        assert_eq!(asked.also().contains(&Code::S15), is_tie);
    }
}

/// The first attempt came after the message: that it would have been refused before is likely.
#[test]
fn who_came_after_the_message_and_was_refused_would_have_been_before() {
    let mut bed = Bed::new(1);
    publish(&mut bed);
    bed.pass(1_000);
    refuses(&mut bed, "hub");
    ask(&mut bed, TOPIC, None, Some("hub")).is(Code::S15, Confidence::Likely);
}

#[test]
fn a_refusal_that_is_over_or_of_another_program_is_no_reason() {
    // It was let in later, and did not subscribe.
    let mut bed = kept_away();
    bed.connect(V5, "hub");
    publish(&mut bed);
    ask(&mut bed, TOPIC, None, Some("hub")).is(Code::R01, Confidence::Certain);
    // Another program with its name was refused while it was there.
    let mut bed = Bed::new(1);
    bed.connect(V5, "hub");
    refuses(&mut bed, "hub");
    publish(&mut bed);
    let asked = ask(&mut bed, TOPIC, None, Some("hub"));
    asked.is(Code::R01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S15; 0]);
}

/// What its session keeps is not lost.
#[test]
fn what_waits_for_somebody_who_is_refused_waits() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect_with(&keeping(V5, "hub"));
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    refuses(&mut bed, "hub");
    publish(&mut bed);
    let asked = ask(&mut bed, TOPIC, None, Some("hub"));
    asked.is(Code::S13, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S15]);
}

/// Cause 37: who speaks plain MQTT to a port for TLS is refused before the core sees it, and has said who it
/// is all the same. The home shard of the client may be another than the one whose port it was.
#[test]
fn who_spoke_plain_mqtt_to_a_port_for_tls_is_told_so_by_name() {
    for shard in 0..2 {
        let mut bed = Bed::new(2);
        let now = bed.now();
        for client_id in [Some("hub"), Some("esp2"), None] {
            let refused = Input::Refused {
                addr: Some(([10, 0, 0, 7], 4711).into()),
                client_id,
                outcome: Outcome::ConnectWrongProtocol,
                detail: "the client speaks plain MQTT on port 8883, which is for MQTT over TLS (mqtts)",
            };
            bed.shards[shard].handle(now, refused);
        }
        bed.pass(10);
        let asked = ask(&mut bed, TOPIC, Some("esp2"), None);
        asked.is(Code::P02, Confidence::Certain);
        asked.says("esp2 was refused 1 time: the client speaks plain MQTT on port 8883");
        let asked = ask_all(&mut bed, None, None, Some("hub"));
        asked.is(Code::S15, Confidence::Certain);
        asked.says("hub was refused 1 time: the client speaks plain MQTT on port 8883");
        // Nobody of that name was seen.
        ask(&mut bed, TOPIC, Some("other"), None).is(Code::P01, Confidence::Certain);
        publish(&mut bed);
        ask(&mut bed, TOPIC, None, Some("hub")).is(Code::S15, Confidence::Certain);
    }
}

/// Several devices behind one address, each with a fault of its own in its first packet.
#[test]
fn what_strangers_of_one_address_did_wrong_is_told_kind_by_kind() {
    let mut bed = Bed::new(1);
    let first_packets: [&[u8]; 5] = [
        b"\xc0\0",
        b"\xc0\0",
        b"\x82\x06\0\x01\0\x01a\0",
        b"\x10\x0d\0\x04MQTT\x09\x02\0\0\0\x01a",
        b"\xc0\0",
    ];
    for (port, bytes) in (50_001_u16..).zip(first_packets) {
        let client = bed.open_from(V311, Some(([10, 0, 0, 7], port).into()));
        bed.send_raw(client, bytes);
    }
    bed.pass(10);
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::P01, Confidence::Certain);
    let also = asked.report.also.iter();
    let nameless = also.filter(|found| found.code == Code::P02);
    let texts: Vec<_> = nameless
        .map(|found| found.text.to_string(Language::English))
        .collect();
    let [text] = &texts[..] else {
        panic!("{texts:?}");
    };
    // The last ones first; of several connections the port of one says nothing.
    for part in [
        "3 connections that had not told a client id were refused (the first packet was PINGREQ, not CONNECT). \
         The last one came from 10.0.0.7;",
        "1 was refused (protocol level 9 is not supported: use 3, 4 or 5). It came from 10.0.0.7:50004.",
        "1 was refused (the first packet was SUBSCRIBE, not CONNECT). It came from 10.0.0.7:50003.",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// Health checks of a load balancer come all the time: they say nothing of a client that is known, and of one
/// that never came less than a refusal does.
#[test]
fn a_health_check_is_no_reason_why_a_known_client_got_nothing() {
    let mut bed = Bed::new(1);
    bed.connect(V5, "hub");
    bed.connect(V5, "esp");
    let note = |bed: &mut Bed, outcome, detail| {
        let refused = Input::Refused {
            addr: Some(([10, 0, 0, 7], 4711).into()),
            client_id: None,
            outcome,
            detail,
        };
        let now = bed.now();
        bed.shards[0].handle(now, refused);
    };
    for _ in 0..3 {
        note(
            &mut bed,
            Outcome::ConnectProbe,
            "TLS: it closed before its CONNECT",
        );
    }
    bed.pass(10);
    let asked = ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
    asked.is(Code::P05, Confidence::Certain);
    let asked = ask_all(&mut bed, None, None, Some("hub"));
    asked.is(Code::R01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S15; 0]);
    let noticed = |bed: &mut Bed| {
        let asked = ask(bed, TOPIC, Some("strange"), None);
        asked.is(Code::P01, Confidence::Certain);
        let also = asked.report.also.iter();
        let mut found = also.filter(|found| found.code == Code::P02);
        let found = found.next().expect("it is noticed");
        assert_eq!(found.confidence, Confidence::Possible);
        found.text.to_string(Language::English)
    };
    let text = noticed(&mut bed);
    assert!(
        text.starts_with("3 connections closed before they had told a client id (TLS"),
        "{text}"
    );
    note(
        &mut bed,
        Outcome::ConnectHandshake,
        "TLS: the client showed no certificate",
    );
    for _ in 0..2 {
        note(
            &mut bed,
            Outcome::ConnectProbe,
            "TLS: it closed before its CONNECT",
        );
    }
    let text = noticed(&mut bed);
    assert!(
        text.starts_with("1 connection that had not told a client id was refused"),
        "{text}"
    );
    assert!(
        text.contains("Besides, 5 closed before they had told one"),
        "{text}"
    );
}
