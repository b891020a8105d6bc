//! Denials: each names the rule that it came from, the second time as well.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::access::{AccessRules, Action, Actions, Rule};
use columba_broker::event::Command;
use columba_diagnosis::{Code, Confidence};

const TOPIC: &str = "home/kitchen/temp";

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

#[test]
fn s06_read_is_denied() {
    let mut bed = Bed::denying(1, &[(Action::Receive, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S06, Confidence::Certain);
    asked.says("rules:1");
}

/// Rules that forbid the same by another rule.
fn another_rule(action: Action) -> Command {
    let rule = Rule {
        place: "rules:2".to_owned(),
        ..bed::exchange::rule(false, &[action], "home/#")
    };
    Command::SetAccess(AccessRules::new(vec![rule], Actions::ALL).into())
}

#[test]
fn s06_a_denial_that_comes_again_names_its_own_rule() {
    let mut bed = Bed::denying(1, &[(Action::Receive, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    for _ in 0..2 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    for who in [Some("hub"), None] {
        let asked = ask(&mut bed, TOPIC, Some("esp"), who);
        asked.is(Code::S06, Confidence::Certain);
        asked.says("rules:1");
    }
    // Another rule denies it from now on.
    bed.command(another_rule(Action::Receive));
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    whole(&mut bed).says("rules:2");
}

#[test]
fn p07_a_denial_that_comes_again_names_its_own_rule() {
    let mut bed = Bed::denying(1, &[(Action::Publish, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    bed.connect(V5, "hub");
    for _ in 0..2 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    whole(&mut bed).says("rules:1");
    bed.command(another_rule(Action::Publish));
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    whole(&mut bed).says("rules:2");
}

#[test]
fn s06_no_member_of_a_group_may_receive() {
    let mut bed = Bed::denying(1, &[(Action::Receive, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "$share/g/home/#", QOS_1);
    for _ in 0..2 {
        bed.pass(10);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        for who in [Some("hub"), None] {
            let asked = ask(&mut bed, TOPIC, Some("esp"), who);
            asked.is(Code::S06, Confidence::Certain);
            asked.says("$share/g/home/# has no member that may receive it (1 asked)");
        }
    }
}
