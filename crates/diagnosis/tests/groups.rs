//! Verdicts about shared groups, from a broker in which their cause really happened.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence};

const TOPIC: &str = "home/kitchen/temp";

/// A publisher and a member, apart in time.
fn pair(filter: &str) -> (Bed, usize) {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let member = bed.connect(V5, "hub");
    bed.subscribe(member, filter, QOS_1);
    bed.pass(10);
    (bed, publisher)
}

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

#[test]
fn r05_another_member_got_it() {
    let (mut bed, publisher) = pair("$share/g/home/#");
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "$share/g/home/#", QOS_1);
    bed.pass(10);
    for _ in 0..2 {
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
    }
    for client in [1, other] {
        bed.finish(client);
    }
    let asked = whole(&mut bed);
    asked.is(Code::R05, Confidence::Certain);
    asked.says("$share/g/home/# gave the message to other");
}

/// What the last member of a group leaves behind goes back to the group, which is gone by then.
#[test]
fn r05_is_not_said_of_a_group_that_has_nobody_left() {
    for has_other in [false, true] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect_keeping(V5, "hub");
        bed.subscribe(subscriber, "$share/g/home/#", QOS_1);
        bed.disconnect(subscriber);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
        if has_other {
            let other = bed.connect(V5, "other");
            bed.subscribe(other, "$share/g/home/#", QOS_1);
            bed.pass(10);
        }
        bed.connect(V5, "hub");
        let asked = whole(&mut bed);
        if has_other {
            asked.is(Code::R05, Confidence::Certain);
            asked.says("$share/g/home/# gave the message to other");
        } else {
            asked.is(Code::S03, Confidence::Certain);
            asked.says("the session ended");
        }
    }
}

/// Each of two groups has its own copy; of the one that was left out nothing is known.
#[test]
fn r05_is_not_said_for_the_copy_of_another_group() {
    let (mut bed, publisher) = pair("$share/g/home/#");
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "$share/g/home/+/temp", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(1);
    let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
        let is_copy = |name: &str| name.starts_with("deliver.");
        evidence
            .events
            .retain(|event| event.client != "hub" || !is_copy(event.outcome.name()));
        evidence.coverage.left_out = 1;
    });
    asked.is(Code::U01, Confidence::Certain);
}

/// The group that a copy goes back to is told apart from another one, and from whoever subscribes for
/// itself.
#[test]
fn a_copy_that_was_handed_on_is_not_taken_for_that_of_others() {
    for has_other in [false, true] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let logger = bed.connect_keeping(V5, "logger");
        bed.subscribe(logger, "#", QOS_1);
        bed.disconnect(logger);
        let second = bed.connect_keeping(V5, "second");
        bed.subscribe(second, "$share/h/home/#", QOS_1);
        bed.disconnect(second);
        let member = bed.connect_keeping(V5, "hub");
        bed.subscribe(member, "$share/g/home/#", QOS_1);
        bed.disconnect(member);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
        let other = has_other.then(|| {
            let other = bed.connect(V5, "other");
            bed.subscribe(other, "$share/g/home/#", QOS_1);
            bed.pass(10);
            other
        });
        // A clean start ends the session that was to get it.
        bed.connect(V5, "hub");
        bed.pass(10);
        if let Some(other) = other {
            bed.finish(other);
        }
        // Later the other group has nobody left, and who was away comes back.
        bed.connect(V5, "second");
        bed.pass(10);
        let logger = bed.resume(V5, "logger");
        bed.finish(logger);
        let asked = whole(&mut bed);
        if has_other {
            asked.is(Code::R05, Confidence::Certain);
            asked.says("$share/g/home/# gave the message to other");
        } else {
            asked.is(Code::S03, Confidence::Certain);
            asked.says("the session ended");
        }
        // It may have been sent to hub before that, in a line that is not there.
        let code = asked.report.verdict.code;
        let asked = asked::ask_with(&mut bed, TOPIC, |evidence| {
            (evidence.coverage.left_out, evidence.coverage.left_out_since) = (1, 1);
        });
        asked.is(code, Confidence::Possible);
    }
}

/// Both sides are told what to change; who shares a subscription goes on to share it.
#[test]
fn a_shared_filter_that_nearly_matches_is_a_near_miss() {
    for (filter, publish, subscribe) in [
        (
            "$share/g/home/Kitchen/+",
            Some("home/Kitchen/temp"),
            "$share/g/home/kitchen/temp",
        ),
        (
            "$share/g/Home/#",
            Some("Home/kitchen/temp"),
            "$share/g/home/kitchen/temp",
        ),
        (
            "home/kitchen/tmep",
            Some("home/kitchen/tmep"),
            "home/kitchen/temp",
        ),
        // Which topic of one level less it should be, nobody can tell.
        ("$share/g/home/+", None, "$share/g/home/+/+"),
    ] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.subscribe(subscriber, filter, QOS_1);
        bed.pass(10);
        bed.publish(publisher, "home/kitchen/temp", b"1", QOS_1);
        for client in [Some("hub"), None] {
            let asked = ask(&mut bed, "home/kitchen/temp", None, client);
            asked.is(Code::R02, Confidence::Certain);
            asked.says(filter);
            let fixes: Vec<_> = (0..2).map(|at| asked.fix(at)).collect();
            let publish = publish.map(|topic| format!("Publish to {topic}"));
            let subscribe = format!("Subscribe to {subscribe}");
            let wanted: Vec<_> = publish.into_iter().chain([subscribe]).collect();
            assert_eq!(fixes[..wanted.len()], wanted, "{filter}");
        }
    }
}
