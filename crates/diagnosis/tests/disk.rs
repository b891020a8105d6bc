//! The disk of the broker is full or has failed: who waits for it is told so.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_all};
use bed::exchange::{QOS_1, options};
use bed::{Bed, V5};
use columba_broker::journal::StoreEvent;
use columba_codec::Properties;
use columba_diagnosis::{Code, Confidence};

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
