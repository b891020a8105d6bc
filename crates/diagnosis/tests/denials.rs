//! Denials: each names the rule that it came from, the second time as well.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, evidence};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::access::{AccessRules, Action, Actions, Rule};
use columba_broker::event::Command;
use columba_diagnosis::{Code, Confidence, diagnose, render};
use columba_speech::Language;

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

/// What comes again is counted, and stands in one line with the first and the last time.
#[test]
fn p07_a_denial_in_the_midst_of_others_is_one() {
    let mut bed = Bed::denying(1, &[(Action::Publish, "home/#")]);
    let publisher = bed.connect(V5, "esp");
    bed.connect(V5, "hub");
    let mut times_ms = Vec::new();
    for _ in 0..5 {
        bed.advance(1_000);
        times_ms.push(bed.now().unix_ms);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
    }
    let sures = [
        Confidence::Certain,
        Confidence::Certain,
        Confidence::Likely,
        Confidence::Likely,
        Confidence::Certain,
    ];
    for publisher in [Some("esp"), None] {
        for (at_ms, sure) in times_ms.iter().zip(sures) {
            let mut evidence = evidence(&mut bed, Some(TOPIC), publisher, Some("hub"), *at_ms);
            evidence.question.to_ms = *at_ms;
            let asked = Asked {
                report: diagnose(&evidence),
            };
            asked.is(Code::P07, sure);
            asked.says("rules:1");
        }
    }
    // Nobody else is meant.
    let mut evidence = evidence(&mut bed, Some(TOPIC), Some("hub"), None, times_ms[2]);
    evidence.question.to_ms = times_ms[2];
    assert_ne!(diagnose(&evidence).verdict.code, Code::P07);
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

/// What a client does in excess is forgotten sooner, and what was refused to it is among that.
#[test]
fn nothing_is_certain_of_a_publisher_where_denials_may_be_forgotten() {
    let mut bed = Bed::new(1);
    bed.connect(V5, "esp");
    bed.connect(V5, "hub");
    bed.advance(10_000);
    let from_ms = bed.now().unix_ms - 5_000;
    for (excess_from_ms, sure) in [
        (from_ms, Confidence::Certain),
        (from_ms + 1, Confidence::Possible),
    ] {
        for publisher in [Some("esp"), None] {
            let mut evidence = evidence(&mut bed, Some(TOPIC), publisher, Some("hub"), from_ms);
            evidence.coverage.excess_from_ms = excess_from_ms;
            let report = diagnose(&evidence);
            Asked { report }.is(Code::P05, sure);
        }
    }
    // Nor that it never came.
    let now_ms = bed.now().unix_ms;
    for (excess_from_ms, sure) in [
        (now_ms, Confidence::Certain),
        (now_ms + 1, Confidence::Possible),
    ] {
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("pump"), Some("hub"), now_ms);
        evidence.coverage.excess_from_ms = excess_from_ms;
        let report = diagnose(&evidence);
        Asked { report }.is(Code::P01, sure);
    }
    // Nor that its publisher was away.
    bed.advance(60_000);
    let publisher = bed.connect(V5, "esp");
    bed.disconnect(publisher);
    bed.advance(10_000);
    let from_ms = bed.now().unix_ms - 5_000;
    for (excess_from_ms, sure) in [
        (from_ms, Confidence::Certain),
        (from_ms + 1, Confidence::Possible),
    ] {
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("esp"), Some("hub"), from_ms);
        evidence.coverage.excess_from_ms = excess_from_ms;
        let report = diagnose(&evidence);
        Asked { report }.is(Code::P04, sure);
    }
}

/// Whoever copies an advised command asks about this client and topic, whatever the shell makes of blanks.
#[test]
fn what_is_advised_to_be_typed_is_quoted_where_a_shell_needs_it() {
    for (client, topic, command) in [
        (
            "esp",
            "home/kitchen",
            "columba can esp publish home/kitchen",
        ),
        (
            "the hub's",
            "home/living room/$x",
            r"columba can 'the hub'\''s' publish 'home/living room/$x'",
        ),
    ] {
        let mut bed = Bed::denying(1, &[(Action::Publish, "home/#")]);
        let publisher = bed.connect(V5, client);
        bed.publish(publisher, topic, b"1", QOS_1);
        let asked = ask(&mut bed, topic, Some(client), None);
        asked.is(Code::P07, Confidence::Certain);
        let fixes = asked.report.fixes.iter();
        let fixes: Vec<_> = fixes.map(|fix| fix.to_string(Language::English)).collect();
        assert!(fixes.iter().any(|fix| fix.ends_with(command)), "{fixes:?}");
        // Programs get the names as they are.
        let json = render::json(&asked.report, Language::English);
        let mut fixes = json["fixes"].as_array().expect("fixes").iter();
        assert!(
            fixes.any(|fix| fix["params"]["client"] == client && fix["params"]["topic"] == topic),
            "{json}"
        );
    }
}
