//! A client came back and did not subscribe again: online, and its subscriptions are gone.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all, evidence};
use bed::exchange::QOS_1;
use bed::{Bed, V5, V311};
use columba_diagnosis::{Code, Confidence, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// Who subscribes once, outside of the callback for CONNACK, and loses its connection.
fn back_without_subscribing() -> (Bed, usize) {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let gate = bed.connect(V311, "gate");
    bed.subscribe(gate, "home/#", QOS_1);
    bed.pass(100);
    bed.drop_connection(gate);
    bed.pass(1_000);
    bed.connect(V311, "gate");
    bed.pass(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    (bed, publisher)
}

#[test]
fn who_is_online_is_not_called_offline_whoever_is_asked_about() {
    let (mut bed, _) = back_without_subscribing();
    for (publisher, subscriber) in [
        (None, None),
        (Some("esp"), None),
        (None, Some("gate")),
        (Some("esp"), Some("gate")),
    ] {
        let asked = ask(&mut bed, TOPIC, publisher, subscriber);
        asked.is(Code::S03, Confidence::Certain);
        asked.says("ended with its connection 2 s before the publish; it has not subscribed again");
        assert!(asked.fix(0).contains("Subscribe after each CONNACK"));
    }
    ask_all(&mut bed, None, Some("esp"), None).is(Code::S03, Confidence::Certain);
}

/// Where the record has no line of its connections, nothing is said of them.
#[test]
fn whose_connections_are_not_known_is_not_called_offline() {
    let (mut bed, _) = back_without_subscribing();
    let mut evidence = evidence(&mut bed, Some(TOPIC), None, None, 0);
    evidence.events.retain(|event| {
        let name = event.outcome.name();
        !name.starts_with("connect.") && !name.starts_with("disconnect.")
    });
    let report = diagnose(&evidence);
    assert_eq!(report.verdict.code, Code::S03);
    let text = report.verdict.text.to_string(Language::English);
    assert!(!text.contains("offline"), "{text}");
}

/// The control: who has not come back is offline, and called so without being named.
#[test]
fn who_has_not_come_back_is_called_offline() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let gate = bed.connect(V311, "gate");
    bed.subscribe(gate, "home/#", QOS_1);
    bed.drop_connection(gate);
    bed.pass(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for subscriber in [None, Some("gate")] {
        let asked = ask(&mut bed, TOPIC, None, subscriber);
        asked.is(Code::S01, Confidence::Certain);
        asked.says("gate was offline");
    }
}
