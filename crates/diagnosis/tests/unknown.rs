//! What the record does not show is not told for certain, however the clients stand now.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_with, evidence};
use bed::exchange::{QOS_0, QOS_1};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_diagnosis::{Code, Confidence, Evidence, diagnose};

const TOPIC: &str = "home/kitchen/temp";

/// A publisher, and somebody who has acknowledged its message.
fn acknowledged() -> Bed {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    bed.finish(subscriber);
    bed
}

/// As if the ledger had left out the copies, and whatever else.
fn leave_out(evidence: &mut Evidence, others: impl Fn(Outcome) -> bool) {
    evidence.coverage.left_out = 1;
    evidence.coverage.left_out_since = 1;
    evidence.events.retain(|event| {
        let is_other = event.client == "hub" && others(event.outcome);
        !is_other && !event.outcome.name().starts_with("deliver.")
    });
}

/// A SUBSCRIBE that other shards do not know of yet is there, and matches nothing of theirs.
#[test]
fn what_no_filter_matched_was_not_acknowledged() {
    let mut bed = acknowledged();
    let asked = ask_with(&mut bed, TOPIC, |evidence| leave_out(evidence, |_| false));
    asked.is(Code::D01, Confidence::Likely);
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        leave_out(evidence, |_| false);
        for event in &mut evidence.events {
            if event.outcome == Outcome::PublishAccepted {
                event.outcome = Outcome::PublishNoMatch;
            }
        }
    });
    asked.is(Code::U01, Confidence::Certain);
}

/// Within a millisecond there is no order.
#[test]
fn a_subscription_of_the_same_millisecond_may_have_come_later() {
    let mut bed = acknowledged();
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        leave_out(evidence, |_| false);
        let mut events = evidence.events.iter();
        let is_publication = |outcome| outcome == Outcome::PublishAccepted;
        let publication = events.find(|event| is_publication(event.outcome));
        let at_ms = publication.expect("a line").unix_ms;
        for event in &mut evidence.events {
            if event.outcome == Outcome::SubscribeGranted {
                (event.unix_ms, event.first_unix_ms) = (at_ms, at_ms);
            }
        }
    });
    assert_eq!(asked.report.verdict.code, Code::U01);
}

/// The window begins after that.
#[test]
fn what_was_left_out_before_the_window_may_be_the_acknowledgement_of_a_message_from_before_it() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let sent_ms = bed.now().unix_ms;
    bed.pass(1_000);
    let from_ms = bed.now().unix_ms;
    for (until_ms, sure) in [
        (0, Confidence::Certain),
        (sent_ms - 1, Confidence::Certain),
        (sent_ms + 10, Confidence::Possible),
    ] {
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("esp"), Some("hub"), from_ms);
        evidence.coverage.left_out_until_ms = until_ms;
        let report = diagnose(&evidence);
        Asked { report }.is(Code::D03, sure);
    }
    // So it is read.
    let mut bed = Bed::with(1, |limits| limits.recorder_bytes_max = 1 << 20);
    let publisher = bed.connect(V5, "esp");
    for _ in 0..20_000 {
        bed.publish(publisher, TOPIC, b"1", QOS_0);
    }
    let left_ms = bed.now().unix_ms;
    let _ = bed.recordings();
    bed.pass(10_000);
    let from_ms = bed.now().unix_ms - 1_000;
    let coverage = evidence(&mut bed, Some(TOPIC), None, None, from_ms).coverage;
    assert_eq!(
        (coverage.left_out, coverage.left_out_until_ms),
        (0, left_ms)
    );
}

/// It is recorded when it is answered, and there before that.
#[test]
fn a_subscription_that_is_not_answered_yet_says_nothing_of_an_earlier_message() {
    let mut bed = acknowledged();
    let is_grant = |outcome| outcome == Outcome::SubscribeGranted;
    let asked = ask_with(&mut bed, TOPIC, |evidence| leave_out(evidence, is_grant));
    asked.is(Code::D01, Confidence::Likely);
    let now_ms = bed.now().unix_ms;
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        leave_out(evidence, is_grant);
        for row in evidence
            .subscriptions
            .iter_mut()
            .chain(&mut evidence.matching)
        {
            row.subscribed_unix_ms = Some(now_ms);
        }
    });
    asked.is(Code::R01, Confidence::Certain);
}

/// A client whose session is older than the record may have had another subscription that matched.
#[test]
fn a_later_subscription_is_not_the_reason_for_certain_if_an_earlier_one_may_have_been_there() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let other = bed.connect(V5, "other");
    bed.subscribe(other, "home/#", QOS_1);
    let subscriber = bed.connect(V5, "hub");
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(other);
    bed.pass(10);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    ask(&mut bed, TOPIC, Some("esp"), Some("hub")).is(Code::R03, Confidence::Certain);
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        leave_out(evidence, |outcome| outcome == Outcome::ConnectAccepted);
    });
    asked.is(Code::R03, Confidence::Possible);
}

/// With which QoS it was subscribed before is not known by how it is subscribed now.
#[test]
fn a_subscription_whose_qos_was_another_one_then_says_nothing_of_acknowledgements() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_0);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.take(subscriber);
    bed.pass(10);
    let again_ms = bed.now().unix_ms;
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        leave_out(evidence, |outcome| outcome == Outcome::ConnectAccepted);
        evidence.events.retain(|event| {
            event.outcome != Outcome::SubscribeGranted || event.unix_ms >= again_ms
        });
    });
    asked.is(Code::U01, Confidence::Certain);
}

/// A message on its way from one shard to another finds no subscription any more.
#[test]
fn who_had_a_session_from_before_the_record_that_has_ended_since_perhaps_subscribed() {
    for (outcome, sure) in [
        (Outcome::PublishAccepted, Confidence::Possible),
        // No shard knew of one.
        (Outcome::PublishNoMatch, Confidence::Certain),
    ] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, "hub");
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(1_000);
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
        bed.disconnect(subscriber);
        let asked = ask_with(&mut bed, TOPIC, |evidence| {
            let mut events = evidence.events.iter();
            let publication = events.find(|event| event.outcome == Outcome::PublishAccepted);
            let at_ms = publication.expect("a line").unix_ms;
            evidence.coverage.from_ms = at_ms - 10;
            let is_copy = |outcome: Outcome| outcome.name().starts_with("deliver.");
            evidence.events.retain(|event| {
                !is_copy(event.outcome) && (event.client != "hub" || event.unix_ms > at_ms)
            });
            for event in &mut evidence.events {
                if event.outcome == Outcome::PublishAccepted {
                    event.outcome = outcome;
                }
            }
        });
        asked.is(Code::R01, sure);
    }
}

/// A letter takes its time between shards. What its session has not been given yet, it does not hold.
#[test]
fn what_may_be_on_its_way_to_another_shard_is_not_told_to_be_acknowledged() {
    let home_of = |client: &str| columba_broker::home_of(42, client, 2);
    let names = ["hub", "gate", "wall", "roof", "yard"];
    let is_away = |client: &&str| home_of(client) != home_of("esp");
    let elsewhere = names.into_iter().find(is_away).unwrap();
    let beside = names.into_iter().find(|client| !is_away(client)).unwrap();
    for (client, wait_ms, code) in [
        (elsewhere, 0, Code::U01),
        (elsewhere, 2_000, Code::D01),
        (beside, 0, Code::D01),
    ] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, "esp");
        let subscriber = bed.connect(V5, client);
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.pass(10);
        bed.is_mail_held = wait_ms == 0;
        bed.publish(publisher, TOPIC, b"1", QOS_1);
        bed.pass(10);
        bed.finish(subscriber);
        bed.pass(wait_ms);
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("esp"), Some(client), 0);
        leave_out(&mut evidence, |_| true);
        let asked = Asked {
            report: diagnose(&evidence),
        };
        let sure = match code {
            Code::D01 => Confidence::Likely,
            _ => Confidence::Certain,
        };
        asked.is(code, sure);
    }
}
