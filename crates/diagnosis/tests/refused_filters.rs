//! A filter that SUBACK refused is told where a topic is named, with what helps against that refusal.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all};
use bed::exchange::{QOS_1, options};
use bed::raw::{field, packet};
use bed::{Bed, V5, V311};
use columba_broker::access::Action;
use columba_codec::Properties;
use columba_diagnosis::{Code, Confidence};

fn publish(bed: &mut Bed, topic: &str) {
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, topic, b"1", QOS_1);
    bed.finish(publisher);
    bed.pass(10);
}

/// Cause 4.
#[test]
fn a_filter_that_is_none_is_told_with_its_mistake() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V311, "hub");
    let body = [&[0, 9][..], &field(b"bf/#/b"), &[1]].concat();
    bed.send_raw(subscriber, &packet(0x82, &body));
    bed.take(subscriber);
    bed.pass(10);
    publish(&mut bed, "bf/x/b");
    for (asked, sure) in [
        (
            ask(&mut bed, "bf/x/b", None, Some("hub")),
            Confidence::Likely,
        ),
        (
            ask_all(&mut bed, None, None, Some("hub")),
            Confidence::Certain,
        ),
    ] {
        asked.is(Code::S05, sure);
        asked.says("hub asked for bf/#/b");
        assert!(
            asked.fix(0).starts_with("Correct bf/#/b"),
            "{}",
            asked.fix(0)
        );
        let fixes = asked.report.fixes.iter();
        let english = columba_speech::Language::English;
        let mut fixes = fixes.map(|fix| fix.to_string(english));
        assert!(!fixes.any(|fix| fix.contains("access rules")));
    }
    // It has nothing to do with another topic.
    publish(&mut bed, "other/x");
    ask(&mut bed, "other/x", None, Some("hub")).is(Code::R01, Confidence::Certain);
}

#[test]
fn who_was_refused_the_topic_is_named_without_being_asked_about() {
    let mut bed = Bed::denying(
        1,
        &[(Action::Subscribe, "private/#"), (Action::Subscribe, "#")],
    );
    let subscriber = bed.connect(V5, "dev-3");
    bed.subscribe_with(subscriber, "private/#", options(QOS_1), Properties::EMPTY);
    bed.take(subscriber);
    bed.pass(10);
    publish(&mut bed, "private/a");
    let asked = ask(&mut bed, "private/a", None, None);
    asked.is(Code::S05, Confidence::Certain);
    asked.says("dev-3 asked for private/#");
    // Who wanted everything misses nothing in particular.
    let looker = bed.connect(V5, "looker");
    bed.subscribe_with(looker, "#", options(QOS_1), Properties::EMPTY);
    bed.take(looker);
    bed.pass(10);
    publish(&mut bed, "open/a");
    let asked = ask(&mut bed, "open/a", None, None);
    asked.is(Code::R01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S05]);
}
