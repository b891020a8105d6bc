//! What came before a client subscribed does not hide what it got since.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_all};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// The question in each way in which somebody may ask it.
fn all_ways(bed: &mut Bed) -> Vec<Asked> {
    vec![
        ask(bed, TOPIC, None, Some("hub")),
        ask(bed, TOPIC, Some("esp"), Some("hub")),
        ask(bed, TOPIC, None, None),
        ask_all(bed, None, None, Some("hub")),
    ]
}

fn also_says(asked: &Asked, part: &str) {
    let also = asked.report.also.iter();
    let texts: Vec<String> = also
        .map(|other| other.text.to_string(Language::English))
        .collect();
    assert!(texts.iter().any(|text| text.contains(part)), "{texts:?}");
}

/// Two values before it subscribed, of which it gets the second one.
fn retained() -> (Bed, usize, usize) {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    for value in [b"20", b"21"] {
        bed.retain(publisher, TOPIC, value, QOS_1);
        bed.pass(1_000);
    }
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.finish(subscriber);
    bed.pass(1_000);
    (bed, publisher, subscriber)
}

#[test]
fn a_retained_value_that_was_replaced_before_is_no_loss_once_the_newest_has_come() {
    let (mut bed, publisher, subscriber) = retained();
    for is_live in [false, true] {
        if is_live {
            bed.retain(publisher, TOPIC, b"22", QOS_1);
            bed.finish(subscriber);
        }
        for asked in all_ways(&mut bed) {
            asked.is(Code::D01, Confidence::Certain);
            assert_eq!(asked.report.exit_code(), 0);
            assert_eq!(asked.also(), [Code::R04]);
            also_says(
                &asked,
                "a later value had taken the place of the one before it",
            );
        }
    }
}

#[test]
fn the_newest_value_waits_for_its_acknowledgement() {
    let (mut bed, publisher, _) = retained();
    bed.retain(publisher, TOPIC, b"22", QOS_1);
    for asked in all_ways(&mut bed) {
        asked.is(Code::D03, asked.report.verdict.confidence);
    }
}

/// What is not retained is gone for who comes later; and that is told beside.
#[test]
fn messages_from_before_the_subscription_do_not_hide_those_that_arrived_since() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    for _ in 0..3 {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(1_000);
    }
    ask(&mut bed, TOPIC, None, Some("hub")).is(Code::R01, Confidence::Certain);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(1_000);
    // As long as nothing has come since, that is why.
    for who in [None, Some("hub")] {
        ask(&mut bed, TOPIC, None, who).is(Code::R03, Confidence::Certain);
    }
    for _ in 0..9 {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.finish(subscriber);
        bed.pass(1_000);
    }
    for asked in all_ways(&mut bed) {
        asked.is(Code::D01, Confidence::Certain);
        assert_eq!(asked.report.exit_code(), 0);
        assert_eq!(asked.also(), [Code::R03]);
        also_says(&asked, "3 messages came before hub subscribed to home/#");
    }
    // A loss is one, whatever came before it.
    bed.drop_connection(subscriber);
    bed.pass(1_000);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    for who in [None, Some("hub")] {
        ask(&mut bed, TOPIC, None, who).is(Code::S01, Confidence::Certain);
    }
}

/// What one client got says nothing of another one that came too late.
#[test]
fn who_subscribed_too_late_is_not_served_by_what_others_got() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let early = bed.connect(V5, "early");
    bed.subscribe(early, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(early);
    bed.pass(10);
    let hub = bed.connect(V5, "hub");
    bed.subscribe(hub, "home/#", QOS_1);
    bed.pass(10);
    ask(&mut bed, TOPIC, None, Some("hub")).is(Code::R03, Confidence::Certain);
}
