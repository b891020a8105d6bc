//! The disk of the broker is full or has failed: who waits for it is told so.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_all, ask_with};
use bed::exchange::{QOS_1, options};
use bed::{Bed, V5};
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_codec::Properties;
use columba_diagnosis::{Code, Confidence, render};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

fn tell(bed: &mut Bed, event: StoreEvent) {
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, event);
    }
}

/// A publisher and a subscriber of a broker that stores what they say.
fn pair() -> (Bed, usize, usize) {
    let mut bed = Bed::durable(2);
    let subscriber = bed.connect_keeping(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    let publisher = bed.connect_keeping(V5, "esp");
    bed.pass(10);
    (bed, publisher, subscriber)
}

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

#[test]
fn p14_a_full_disk_holds_up_a_publish_until_there_is_room() {
    let (mut bed, publisher, subscriber) = pair();
    tell(&mut bed, StoreEvent::Full);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    for asked in [
        whole(&mut bed),
        ask(&mut bed, TOPIC, None, None),
        ask_all(&mut bed, None, Some("esp"), None),
    ] {
        asked.is(Code::P14, Confidence::Certain);
        asked.says("The disk of the broker is full. What esp published to home/kitchen/temp waits");
        assert_eq!(asked.report.exit_code(), 12);
        assert!(asked.fix(0).contains("make room"), "{}", asked.fix(0));
        let kinds = asked.report.timeline.iter();
        let kinds: Vec<_> = kinds.map(|event| event.outcome.name()).collect();
        assert!(kinds.contains(&"broker.disk_full"), "{kinds:?}");
    }
    // What goes on is not told to wait.
    tell(&mut bed, StoreEvent::Room);
    bed.pass(10);
    bed.finish(subscriber);
    whole(&mut bed).is(Code::D01, Confidence::Certain);
}

/// It was not acknowledged, so its client has it still.
#[test]
fn p14_who_left_meanwhile_sends_it_again() {
    let (mut bed, publisher, _) = pair();
    tell(&mut bed, StoreEvent::Full);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.drop_connection(publisher);
    bed.pass(10);
    let asked = whole(&mut bed);
    asked.is(Code::P14, Confidence::Certain);
    asked.says("sends it again when it is back");
}

#[test]
fn p14_a_failed_disk_takes_nothing_before_a_restart() {
    let (mut bed, publisher, _) = pair();
    tell(&mut bed, StoreEvent::Failed);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    let asked = whole(&mut bed);
    asked.is(Code::P14, Confidence::Certain);
    asked.says("The disk of the broker has failed");
}

#[test]
fn p14_a_subscribe_waits_as_well() {
    let (mut bed, publisher, _) = pair();
    let late = bed.connect_keeping(V5, "late");
    tell(&mut bed, StoreEvent::Full);
    let list = [("home/#", options(QOS_1))];
    bed.send_subscribe(late, bed::exchange::id(1), &list, Properties::EMPTY);
    bed.pass(10);
    let asked = ask_all(&mut bed, None, None, Some("late"));
    asked.is(Code::P14, Confidence::Certain);
    asked.says("What late asked for with SUBSCRIBE");
    // Whoever asks about a topic hears it as well.
    bed.publish(publisher, "home/other", b"1", bed::exchange::QOS_0);
    let asked = ask(&mut bed, "home/other", None, Some("late"));
    assert!(asked.also().contains(&Code::P14), "{:?}", asked.also());
    tell(&mut bed, StoreEvent::Room);
    bed.pass(10);
    bed.take(late);
    let asked = ask(&mut bed, "home/other", None, Some("late"));
    assert!(!asked.also().contains(&Code::P14), "{:?}", asked.also());
}

/// What was sent before the disk was known to be full is taken, and not acknowledged.
#[test]
fn p14_who_waits_for_an_acknowledgement_is_told_of_its_message_alone() {
    let (mut bed, publisher, _) = pair();
    bed.publish(publisher, "home/hall/temp", b"1", QOS_1);
    bed.pass(10);
    bed.take(publisher);
    bed.store.is_held = true;
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    tell(&mut bed, StoreEvent::Full);
    bed.pass(10);
    for (from, to) in [
        (Some("esp"), Some("hub")),
        (Some("esp"), None),
        (None, None),
    ] {
        let asked = ask(&mut bed, TOPIC, from, to);
        assert_eq!(asked.also(), [Code::P14], "{from:?} {to:?}");
        let shown = render::text(&asked.report, &render::Style::default());
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            shown.contains(
                "What esp published to home/kitchen/temp was taken, and its acknowledgement waits \
                 for room: the disk of the broker is full."
            ),
            "{shown}"
        );
        let text = asked.report.also[0].text.to_string(Language::Chinese);
        assert!(text.contains("确认在等待空间"), "{text}");
        let kinds = asked.report.timeline.iter();
        let kinds: Vec<_> = kinds.map(|event| event.outcome).collect();
        let cited = [Outcome::BrokerDiskFull, Outcome::PublishAnswerWait];
        assert!(cited.iter().all(|of| kinds.contains(of)), "{kinds:?}");
    }
    // What was acknowledged before, by another client, or elsewhere waits for nothing.
    let other = ask(&mut bed, "home/hall/temp", Some("esp"), Some("hub"));
    assert!(!other.also().contains(&Code::P14), "{:?}", other.also());
    let other = ask(&mut bed, TOPIC, Some("hub"), None);
    assert!(!other.also().contains(&Code::P14), "{:?}", other.also());
    tell(&mut bed, StoreEvent::Room);
    bed.release_store();
    bed.pass(10);
    bed.take(publisher);
    assert!(!whole(&mut bed).also().contains(&Code::P14));
}

#[test]
fn p14_an_acknowledgement_that_a_failed_disk_prevents_is_told() {
    for has_left in [false, true] {
        let (mut bed, publisher, _) = pair();
        bed.store.is_held = true;
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        tell(&mut bed, StoreEvent::Failed);
        if has_left {
            bed.pass(10);
            bed.drop_connection(publisher);
        }
        bed.pass(10);
        let asked = whole(&mut bed);
        assert_eq!(asked.also(), [Code::P14]);
        let text = asked.report.also[0].text.to_string(Language::English);
        let part = match has_left {
            true => "and esp has left since",
            false => "the disk of the broker failed before it was stored",
        };
        assert!(text.contains(part), "{text}");
    }
}

/// Records of before have it as what waits itself, with other words: that is no SUBSCRIBE.
#[test]
fn an_answer_that_waits_in_an_older_record_is_not_taken_for_a_subscribe() {
    let (mut bed, publisher, _) = pair();
    bed.store.is_held = true;
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    tell(&mut bed, StoreEvent::Full);
    bed.pass(10);
    let mut is_found = false;
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        evidence.question.subscriber = Some("esp".to_owned());
        for event in &mut evidence.events {
            if event.outcome == Outcome::PublishAnswerWait {
                event.outcome = Outcome::PublishStoreWait;
                event.topic = String::new();
                event.detail = "its answer waits: the disk is full".to_owned();
                is_found = true;
            }
        }
    });
    assert!(is_found);
    assert!(!asked.also().contains(&Code::P14), "{:?}", asked.also());
}
