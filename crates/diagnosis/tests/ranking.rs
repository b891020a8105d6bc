//! Which of several verdicts counts where no subscriber is named.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::ask;
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence};

const TOPIC: &str = "home/Kitchen/temp";

/// A program that looked on with `#` had a subscription to everything, and is the cause of nothing.
#[test]
fn who_looked_on_and_left_does_not_hide_a_near_miss() {
    for has_assistant in [true, false] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let tool = bed.connect(V5, "debugtool");
        bed.subscribe(tool, "#", QOS_1);
        bed.disconnect(tool);
        bed.pass(1_000);
        if has_assistant {
            let assistant = bed.connect(V5, "homeassistant");
            bed.subscribe(assistant, "home/kitchen/+", QOS_1);
        }
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        let asked = ask(&mut bed, TOPIC, None, None);
        let code = if has_assistant { Code::R02 } else { Code::R01 };
        asked.is(code, Confidence::Certain);
        assert_eq!(asked.also(), [Code::S01]);
        // Asked about by name, it had left.
        let asked = ask(&mut bed, TOPIC, None, Some("debugtool"));
        asked.is(Code::S01, Confidence::Certain);
    }
}

/// Who had asked for this very topic is likely who was to get it, unless somebody there nearly does.
#[test]
fn a_subscription_of_its_own_that_had_ended_counts_after_a_near_miss_alone() {
    for has_assistant in [true, false] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let hub = bed.connect(V5, "hub");
        bed.subscribe(hub, "home/Kitchen/#", QOS_1);
        bed.disconnect(hub);
        bed.pass(1_000);
        if has_assistant {
            let assistant = bed.connect(V5, "homeassistant");
            bed.subscribe(assistant, "home/kitchen/+", QOS_1);
        }
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        let asked = ask(&mut bed, TOPIC, None, None);
        let code = if has_assistant { Code::R02 } else { Code::S01 };
        asked.is(code, Confidence::Certain);
    }
}

/// Whoever came too late is who was to get it; what nearly matched is told beside.
#[test]
fn who_subscribed_later_counts_before_a_near_miss() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "home/kitchen/+", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    let hub = bed.connect(V5, "hub");
    bed.subscribe(hub, TOPIC, QOS_1);
    let asked = ask(&mut bed, TOPIC, None, None);
    asked.is(Code::R03, Confidence::Certain);
    assert_eq!(asked.also(), [Code::R02]);
}
