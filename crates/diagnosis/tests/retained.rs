//! Retained messages that were gone when somebody subscribed.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::evidence;
use bed::exchange::{QOS_0, QOS_1, keeping, properties};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_broker::recorder::TapeName;
use columba_codec::{PropertyId, Value};
use columba_diagnosis::{Code, Confidence, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

#[test]
fn the_end_of_a_retained_message_by_its_expiry_is_recorded_by_topic() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(30))]);
    let expiry = expiry.as_properties();
    bed.publish_with(publisher, TOPIC, b"1", QOS_1, true, expiry);
    bed.publish_with(publisher, "home/other", b"1", QOS_1, true, expiry);
    bed.advance(31_000);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    let asked = asked::ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
    asked.is(Code::R04, Confidence::Certain);
    asked.says("expired");
    let timeline = asked.report.timeline.iter();
    let mut expired = timeline.filter(|event| event.outcome == Outcome::RetainedExpired);
    assert_eq!(expired.next().map(|event| &*event.topic), Some(TOPIC));
    assert!(expired.next().is_none());
    assert_eq!(bed.outcome(Outcome::RetainedExpired), 2);
}

/// MQTT 5.0, 4.8.2: another Retain Handling would change nothing.
#[test]
fn a_shared_subscription_is_not_told_to_ask_for_what_is_retained() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    bed.retain(publisher, TOPIC, b"1", QOS_1);
    bed.pass(1_000);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "$share/g/home/#", QOS_1);
    let asked = asked::ask(&mut bed, TOPIC, Some("esp"), Some("hub"));
    asked.is(Code::R04, Confidence::Certain);
    asked.says("retained messages are not sent to shared subscriptions");
    let fixes = asked.report.fixes.iter();
    let fixes: Vec<_> = fixes.map(|fix| fix.to_string(Language::English)).collect();
    let wanted = "Have hub subscribe to home/# as well, without $share, to get what is retained";
    assert_eq!(fixes, [wanted]);
}

/// Where messages are not followed, only the event of its loss is known of a copy; what is retained is sent
/// to whoever subscribes again.
#[test]
fn what_was_lost_and_retained_may_have_come_with_a_subscription_since() {
    for (subscribes, sure) in [(false, Confidence::Certain), (true, Confidence::Possible)] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect_with(&keeping(V5, "hub"));
        bed.subscribe(subscriber, TOPIC, QOS_1);
        bed.drop_connection(subscriber);
        bed.pass(10);
        bed.retain(publisher, TOPIC, b"1", QOS_0);
        bed.pass(10);
        let subscriber = bed.connect_with(&keeping(V5, "hub").clean(false));
        if subscribes {
            bed.subscribe(subscriber, TOPIC, QOS_1);
        }
        bed.pass(10);
        let mut evidence = evidence(&mut bed, Some(TOPIC), None, Some("hub"), 0);
        evidence
            .events
            .retain(|event| event.tape != TapeName::Ledger);
        evidence
            .events
            .iter_mut()
            .for_each(|event| event.message = 0);
        evidence.coverage.left_out = 1;
        evidence.coverage.left_out_since = 1;
        let verdict = diagnose(&evidence).verdict;
        assert_eq!(
            (verdict.code, verdict.confidence),
            (Code::S02, sure),
            "{subscribes}"
        );
    }
}
