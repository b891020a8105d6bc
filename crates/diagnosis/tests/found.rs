//! A message from before a restart of the broker: it waits since then, or was delivered after it.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, evidence};
use bed::exchange::{QOS_1, QOS_2};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_broker::recorder::{Recording, TapeName};
use columba_codec::QoS;
use columba_diagnosis::evidence::HOLDERS_MAX;
use columba_diagnosis::{Code, Confidence, Event, Evidence, Fate, Presence, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// A subscriber that is offline, two messages for it, and a broker that dies and comes back; what the
/// process that died had recorded.
fn killed(qos: QoS) -> (Bed, Vec<Recording>) {
    let mut bed = Bed::durable(2);
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", qos);
    bed.disconnect(subscriber);
    let publisher = bed.connect(V5, "esp");
    bed.pass(10);
    for payload in [b"1", b"2"] {
        let packet_id = bed.publish(publisher, TOPIC, payload, qos).expect("an id");
        if qos == QOS_2 {
            bed.pubrel(publisher, packet_id);
        }
    }
    bed.pass(100);
    let mut recorded = bed.recordings();
    let last_ms = bed.now().unix_ms;
    bed.crash(2);
    for recording in &mut recorded {
        recording.holes.push((last_ms, bed.now().unix_ms));
    }
    bed.pass(1_000);
    (bed, recorded)
}

/// Asks, with what an earlier process has left.
fn ask(bed: &mut Bed, before: &[Recording], publisher: Option<&str>) -> Asked {
    ask_with(bed, before, publisher, |_| {})
}

fn ask_with(
    bed: &mut Bed,
    before: &[Recording],
    publisher: Option<&str>,
    change: impl FnOnce(&mut Evidence),
) -> Asked {
    let from_ms = bed.now().unix_ms - 900_000;
    let now_known = evidence(bed, Some(TOPIC), publisher, Some("hub"), from_ms);
    let mut all = bed.recordings();
    for (after, before) in all.iter_mut().zip(before) {
        after.chunks.splice(..0, before.chunks.iter().cloned());
        after.holes.extend_from_slice(&before.holes);
    }
    let question = now_known.question.clone();
    let recorded = Evidence::from_recordings(question, Vec::new(), bed.now(), &all);
    let mut evidence = Evidence {
        publisher: now_known.publisher,
        subscriber: now_known.subscriber,
        subscriptions: now_known.subscriptions,
        matching: now_known.matching,
        filters: now_known.filters,
        topic_rows: now_known.topic_rows,
        ..recorded
    };
    change(&mut evidence);
    Asked {
        report: diagnose(&evidence),
    }
}

/// As if the question named no subscriber.
fn of_anybody(evidence: &mut Evidence) {
    evidence.question.subscriber = None;
    evidence.subscriber = Presence::Unknown;
    evidence.subscriptions.clear();
}

#[test]
fn s13_since_before_the_broker_was_started_again() {
    for qos in [QOS_1, QOS_2] {
        let (mut bed, _) = killed(qos);
        let asked = ask(&mut bed, &[], None);
        asked.is(Code::S13, Confidence::Likely);
        asked.says("hub is offline; the message waits in its session, since before the broker was");
        // Who published it is not known any more.
        ask(&mut bed, &[], Some("esp")).is(Code::S13, Confidence::Possible);
        // What comes later waits behind it, and the question is about that.
        let publisher = bed.connect(V5, "esp");
        bed.publish(publisher, TOPIC, b"3", QOS_1);
        let asked = ask(&mut bed, &[], None);
        asked.is(Code::S13, Confidence::Certain);
        asked.says("the message waits in its session.");
    }
}

/// An operator's question does not ask every shard about thousands of sessions.
#[test]
fn so_many_sessions_are_looked_through_for_what_waits() {
    let mut bed = Bed::new(1);
    for number in 0..HOLDERS_MAX + 5 {
        let client = bed.connect_keeping(V5, &format!("hub {number}"));
        bed.subscribe(client, "home/#", QOS_1);
    }
    let evidence = evidence(&mut bed, Some(TOPIC), None, None, 0);
    assert_eq!(evidence.wanted_holders().len(), HOLDERS_MAX);
    assert_eq!(evidence.holders.len(), HOLDERS_MAX);
}

/// Who asks about the topic alone is told who it waits for.
#[test]
fn s13_since_before_the_broker_was_started_again_whoever_it_is_for() {
    let (mut bed, _) = killed(QOS_1);
    let other = bed.connect_keeping(V5, "other");
    bed.subscribe(other, "home/+/temp", QOS_1);
    bed.disconnect(other);
    let asked = asked::ask(&mut bed, TOPIC, None, None);
    asked.is(Code::S13, Confidence::Likely);
    asked.says("hub is offline; the message waits in its session, since before the broker was");
    let subscribers = asked.report.subscribers.iter();
    assert_eq!(
        subscribers.map(|of| &*of.client).collect::<Vec<_>>(),
        ["hub"]
    );
    // Nothing waits on another topic, and what comes now is told by the record.
    let elsewhere = asked::ask(&mut bed, "home/other/temp", None, None);
    assert_eq!(elsewhere.report.verdict.code.fate(), Fate::Unknown);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"3", QOS_1);
    let later = asked::ask(&mut bed, TOPIC, None, None);
    let text = later.report.verdict.text.to_string(Language::English);
    assert_eq!(later.report.verdict.code, Code::S13);
    assert!(!text.contains("since before"), "{text}");
}

/// A retained message from before the restart, for whoever subscribes after it: followed as others are, with
/// one number for all its copies.
#[test]
fn d01_of_a_retained_message_from_before_the_broker_was_started_again() {
    for shards in [1, 2] {
        let mut bed = Bed::durable(shards);
        let publisher = bed.connect(V5, "esp");
        bed.retain(publisher, TOPIC, b"1", QOS_1);
        bed.retain(publisher, "home/other", b"1", QOS_1);
        bed.pass(100);
        bed.crash(shards);
        bed.pass(1_000);
        for client in ["late", "later"] {
            let subscriber = bed.connect(V5, client);
            bed.subscribe(subscriber, TOPIC, QOS_1);
            bed.finish(subscriber);
            let asked = asked::ask(&mut bed, TOPIC, None, Some(client));
            asked.is(Code::D01, Confidence::Certain);
            asked.says("The retained message was published before the broker was started again");
        }
        let asked = asked::ask(&mut bed, TOPIC, None, None);
        assert_eq!(
            (asked.report.judged.messages, asked.report.judged.delivered),
            (2, 2)
        );
        assert_eq!(asked.report.subscribers.len(), 2);
        let numbers = evidence(&mut bed, Some(TOPIC), None, None, 0).events;
        let numbers = numbers
            .iter()
            .filter(|event| event.outcome == Outcome::DeliverAcked);
        let numbers: std::collections::BTreeSet<_> = numbers.map(|event| event.message).collect();
        assert_eq!(numbers.len(), 1);
        // One that is published now is none of those.
        let publisher = bed.connect(V5, "esp");
        bed.retain(publisher, TOPIC, b"2", QOS_1);
        let subscriber = bed.connect(V5, "last");
        bed.subscribe(subscriber, TOPIC, QOS_1);
        bed.finish(subscriber);
        let asked = asked::ask(&mut bed, TOPIC, None, Some("last"));
        asked.says("last acknowledged the message");
    }
}

#[test]
fn d01_after_the_broker_was_started_again() {
    for qos in [QOS_1, QOS_2] {
        let (mut bed, _) = killed(qos);
        let subscriber = bed.resume(V5, "hub");
        bed.finish(subscriber);
        let asked = ask(&mut bed, &[], None);
        asked.is(Code::D01, Confidence::Certain);
        asked.says("had waited while the broker was started again; hub acknowledged it");
        assert_eq!(asked.report.judged.delivered, 2);
        ask(&mut bed, &[], Some("esp")).is(Code::D01, Confidence::Possible);
        // What came later has not waited.
        bed.pass(10);
        let publisher = bed.connect(V5, "esp");
        bed.publish(publisher, TOPIC, b"3", QOS_1);
        bed.finish(subscriber);
        let asked = ask(&mut bed, &[], None);
        asked.is(Code::D01, Confidence::Certain);
        asked.says("hub acknowledged the message");
    }
}

/// The line of the message is there, and its copy waited when the process died.
#[test]
fn what_the_process_before_recorded_does_not_hide_what_became_of_it() {
    for qos in [QOS_1, QOS_2] {
        let (mut bed, before) = killed(qos);
        for publisher in [None, Some("esp")] {
            let asked = ask(&mut bed, &before, publisher);
            assert_eq!(asked.report.verdict.code, Code::S13);
            asked.says("hub is offline; the message waits in its session");
        }
        let subscriber = bed.resume(V5, "hub");
        bed.finish(subscriber);
        for publisher in [None, Some("esp")] {
            let asked = ask(&mut bed, &before, publisher);
            asked.is(Code::D01, Confidence::Likely);
            asked.says("had waited while the broker was started again; hub acknowledged it");
            assert_eq!(asked.report.judged.delivered, 2);
            assert_eq!(asked.report.judged.messages, 2);
        }
        // Without a look at the session as well, if it is as many as had waited.
        let asked = ask_with(&mut bed, &before, None, of_anybody);
        asked.is(Code::D01, Confidence::Possible);
        assert_eq!(asked.report.judged.delivered, 2);
        let asked = ask_with(&mut bed, &before, None, |evidence| {
            of_anybody(evidence);
            let is_end = |event: &Event| event.outcome == Outcome::DeliverAcked;
            let at = evidence.events.iter().rposition(is_end);
            evidence.events.remove(at.expect("a line"));
        });
        assert_eq!(asked.report.verdict.code.fate(), Fate::Waiting);
        assert_eq!(asked.report.judged.delivered, 1);
    }
}

/// Then it may be this message that was dropped.
#[test]
fn what_was_dropped_since_the_broker_was_started_again_leaves_it_open() {
    let (mut bed, before) = killed(QOS_1);
    let subscriber = bed.resume(V5, "hub");
    bed.finish(subscriber);
    let asked = ask_with(&mut bed, &before, None, |evidence| {
        let mut events = evidence.events.iter();
        let acknowledged = events.rfind(|event| event.outcome == Outcome::DeliverAcked);
        let dropped = Event {
            outcome: Outcome::DeliverStoreLost,
            message: 0,
            tape: TapeName::Events,
            ..acknowledged.expect("a line").clone()
        };
        evidence.events.push(dropped);
    });
    asked.is(Code::S14, Confidence::Certain);
    assert_eq!(asked.report.judged.not_delivered, 1);
    assert_eq!(
        (asked.report.judged.delivered, asked.report.judged.unknown),
        (2, 2)
    );
}

/// A subscriber that is offline with a message in its session, and a broker that is stopped and comes back
/// with a store that is not as it was; then the subscriber is there again, and has nothing left. All of it
/// is on record.
fn started_over(change: impl FnOnce(&mut Bed)) -> (Bed, Vec<Recording>) {
    let mut bed = Bed::durable(2);
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.disconnect(subscriber);
    let publisher = bed.connect(V5, "esp");
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"first", QOS_1);
    bed.pass(100);
    change(&mut bed);
    let recorded = bed.recordings();
    bed.kill(2);
    bed.pass(1_000);
    let subscriber = bed.resume(V5, "hub");
    bed.finish(subscriber);
    (bed, recorded)
}

fn lose(bed: &mut Bed, payload: &[u8]) {
    let position = bed.position_of(payload);
    bed.store.live.remove(&position);
}

/// An older backup was restored, or the files were deleted: nothing says that it was delivered.
#[test]
fn u01_of_a_message_that_the_store_had_no_more_when_the_broker_was_started_again() {
    let (mut bed, before) = started_over(|bed| lose(bed, b"first"));
    for publisher in [None, Some("esp")] {
        let asked = ask(&mut bed, &before, publisher);
        asked.is(Code::U01, Confidence::Certain);
        asked.says(
            "The message waited for hub when the broker was started again at 2023-11-14T22:13:20.115Z",
        );
        assert_eq!(asked.report.judged.delivered, 0);
    }
    // What the record does not follow may have been delivered.
    let asked = ask_with(&mut bed, &before, None, |evidence| {
        evidence.coverage.left_out_since = 1;
        evidence.coverage.left_out = 1;
    });
    asked.is(Code::D01, Confidence::Possible);
}

/// The copy came back from the store and was sent, and the record has no line of its end.
#[test]
fn a_message_that_the_store_had_and_that_was_sent_after_a_start_counts_as_delivered() {
    let (mut bed, before) = started_over(|_| ());
    ask(&mut bed, &before, None).is(Code::D01, Confidence::Certain);
    let without_its_end = |evidence: &mut Evidence| {
        let is_end = |event: &Event| event.outcome == Outcome::DeliverAcked;
        evidence.events.retain(|event| !is_end(event));
    };
    let judged = ask_with(&mut bed, &before, None, without_its_end)
        .report
        .judged;
    // The line of what was found, and that of the message.
    assert_eq!((judged.delivered, judged.unknown), (1, 1));
}

/// One of two messages was in what is damaged: which, nothing tells.
#[test]
fn what_waited_before_a_start_that_found_damage_is_not_called_delivered() {
    let damage = |bed: &mut Bed| {
        lose(bed, b"first");
        let place = "00000001.log is damaged at offset 120 (32 bytes): the record at position 3";
        bed.store.notes.damage.push(place.to_owned());
    };
    let (mut bed, before) = started_over(damage);
    let asked = ask(&mut bed, &before, None);
    asked.is(Code::U01, Confidence::Certain);
    asked.says("The start at 2023-11-14T22:13:20.115Z found the store damaged");
    let mut shown = asked.report.timeline.iter();
    assert!(shown.any(|event| event.outcome == Outcome::BrokerStoreDamaged));

    let (mut bed, before) = started_over(|bed| {
        let publisher = bed.connect(V5, "other");
        bed.publish(publisher, TOPIC, b"second", QOS_1);
        bed.pass(100);
        damage(bed);
    });
    ask(&mut bed, &before, None).is(Code::D01, Confidence::Possible);
}
