//! One client id for two programs: each ends the session of the other, and the subscriptions with it.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_all};
use bed::exchange::QOS_1;
use bed::{Bed, V5, V311};
use columba_diagnosis::{Code, Confidence};

const TOPIC: &str = "home/kitchen/temp";

/// As `mosquitto_sub -i same` and `mosquitto_pub -i same`: the publisher takes over, publishes, and leaves.
fn publishes_as_its_subscriber(bed: &mut Bed, times: usize) {
    for _ in 0..times {
        let publisher = bed.connect(V311, "same");
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.disconnect(publisher);
        bed.pass(100);
    }
}

fn subscribes(bed: &mut Bed, client: &str) {
    let subscriber = bed.connect(V311, client);
    bed.subscribe(subscriber, TOPIC, QOS_1);
    bed.pass(1_000);
}

fn names_two_programs(asked: &Asked, confidence: Confidence) {
    asked.is(Code::S04, confidence);
    asked.says("came from same itself. Its client id was taken over");
    asked.says("taken over by 127.0.0.1:");
    assert_eq!(asked.fix(0), "Give each program a client id of its own");
    assert!(!asked.also().contains(&Code::S01), "{:?}", asked.also());
}

#[test]
fn a_publisher_with_the_client_id_of_its_subscriber_is_told_so_at_once() {
    let mut bed = Bed::new(2);
    subscribes(&mut bed, "same");
    publishes_as_its_subscriber(&mut bed, 1);
    for publisher in [None, Some("same")] {
        for subscriber in [None, Some("same")] {
            let asked = ask(&mut bed, TOPIC, publisher, subscriber);
            names_two_programs(&asked, Confidence::Possible);
        }
    }
    ask_all(&mut bed, None, None, Some("same"));
}

/// It is not back yet when the next ones come: its session ended at the first one.
#[test]
fn the_takeover_counts_that_ended_the_subscription_not_what_came_after_it() {
    let mut bed = Bed::new(2);
    subscribes(&mut bed, "same");
    publishes_as_its_subscriber(&mut bed, 3);
    for subscriber in [None, Some("same")] {
        let asked = ask(&mut bed, TOPIC, None, subscriber);
        names_two_programs(&asked, Confidence::Possible);
        asked.says("200 ms before");
    }
    // Each time that it comes back is one more sign.
    for confidence in [Confidence::Likely, Confidence::Certain] {
        subscribes(&mut bed, "same");
        publishes_as_its_subscriber(&mut bed, 1);
        for subscriber in [None, Some("same")] {
            names_two_programs(&ask(&mut bed, TOPIC, None, subscriber), confidence);
        }
    }
}

/// Somebody else's message was missed because the client id was taken over, once.
#[test]
fn a_single_takeover_that_ended_the_session_stands_in_the_sentence_and_in_the_advice() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    subscribes(&mut bed, "hub");
    bed.connect(V311, "hub");
    bed.pass(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for subscriber in [None, Some("hub")] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), subscriber);
        asked.is(Code::S03, Confidence::Certain);
        asked.says("another connection took over its client id (taken over by 127.0.0.1:");
        assert!(asked.fix(0).contains("each a client id of its own"));
        assert!(asked.fix(1).contains("Subscribe after each CONNACK"));
    }
}

/// Who unsubscribed, and whose session ended later, had unsubscribed.
#[test]
fn what_ended_the_subscription_first_is_why_it_was_not_there() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let hub = bed.connect(V311, "hub");
    bed.subscribe(hub, TOPIC, QOS_1);
    bed.pass(1_000);
    bed.unsubscribe(hub, TOPIC);
    bed.pass(1_000);
    bed.disconnect(hub);
    bed.connect(V311, "hub");
    bed.pass(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
    asked.is(Code::S12, Confidence::Certain);
    asked.says("2 s before");
}
