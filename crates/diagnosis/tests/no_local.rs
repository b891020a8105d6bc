//! No Local holds a client's own message back from it, as long as none of its other filters brings it.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, evidence};
use bed::exchange::{QOS_1, options};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_codec::Properties;
use columba_codec::packet::SubscribeOptions;
use columba_diagnosis::{Code, Confidence, Evidence, diagnose};

const TOPIC: &str = "home/kitchen/temp";

/// A client with a filter that is No Local, and perhaps another one, which publishes to itself.
fn publishing_to_itself(other: Option<&str>) -> Bed {
    let mut bed = Bed::new(1);
    let client = bed.connect(V5, "hub");
    let no_local = SubscribeOptions {
        no_local: true,
        ..options(QOS_1)
    };
    bed.subscribe_with(client, "home/#", no_local, Properties::EMPTY);
    if let Some(other) = other {
        bed.subscribe(client, other, QOS_1);
    }
    // So that the message is not known to have matched nothing.
    let gate = bed.connect(V5, "gate");
    bed.subscribe(gate, "home/#", QOS_1);
    bed.pass(1_000);
    bed.publish(client, TOPIC, b"1", QOS_1);
    bed.finish(client);
    bed.pass(10);
    bed
}

/// As if the ledger had left out what became of the message.
fn ask(bed: &mut Bed, change: impl FnOnce(&mut Evidence)) -> Asked {
    let mut evidence = evidence(bed, Some(TOPIC), Some("hub"), Some("hub"), 0);
    let is_copy = |outcome: Outcome| outcome.name().starts_with("deliver.");
    evidence.events.retain(|event| !is_copy(event.outcome));
    evidence.coverage.left_out = 1;
    evidence.coverage.left_out_since = 1;
    change(&mut evidence);
    Asked {
        report: diagnose(&evidence),
    }
}

/// [MQTT-3.8.3-3]
#[test]
fn what_another_filter_brings_is_not_held_back() {
    for (other, code) in [
        (None, Code::R06),
        (Some("garden/#"), Code::R06),
        // It comes before the other one in the alphabet, or behind it.
        (Some("#"), Code::U01),
        (Some("home/kitchen/+"), Code::U01),
    ] {
        let mut bed = publishing_to_itself(other);
        ask(&mut bed, |_| {}).is(code, Confidence::Certain);
    }
}

/// The client may have subscribed anew, without No Local, in what is not there.
#[test]
fn no_local_is_not_certain_over_a_hole_since_the_client_subscribed() {
    for (from_secs, to_secs, sure) in [
        (-60, -30, Confidence::Certain),
        (0, 1, Confidence::Possible),
        (60, 90, Confidence::Certain),
    ] {
        let mut bed = publishing_to_itself(None);
        let asked = ask(&mut bed, |evidence| {
            let mut events = evidence.events.iter();
            let granted = events.find(|event| event.outcome == Outcome::SubscribeGranted);
            let at_ms = granted.unwrap().unix_ms;
            let at = |secs: i64| at_ms.saturating_add_signed(secs * 1_000);
            evidence.holes.push((at(from_secs), at(to_secs)));
        });
        asked.is(Code::R06, sure);
        // The same where the record begins after the subscription.
        let asked = ask(&mut bed, |evidence| {
            let mut events = evidence.events.iter();
            let granted = events.find(|event| event.outcome == Outcome::SubscribeGranted);
            evidence.coverage.from_ms = granted.unwrap().unix_ms + 1;
        });
        asked.is(Code::R06, Confidence::Possible);
    }
}

/// That another member of its group got the message is no reason why its own copy did not come.
#[test]
fn who_subscribed_beside_a_group_is_due_a_copy_of_its_own() {
    for (is_beside, code) in [(false, Code::R05), (true, Code::U01)] {
        let mut bed = Bed::new(1);
        let publisher = bed.connect(V5, "esp");
        let members = ["gate", "hub"].map(|name| bed.connect(V5, name));
        for member in members {
            bed.subscribe(member, "$share/all/home/#", QOS_1);
        }
        if is_beside {
            bed.subscribe(members[1], "home/#", QOS_1);
        }
        bed.pass(1_000);
        for _ in 0..2 {
            bed.publish(publisher, TOPIC, b"1", QOS_1);
            for member in members {
                bed.finish(member);
            }
        }
        bed.pass(10);
        let mut evidence = evidence(&mut bed, Some(TOPIC), Some("esp"), Some("hub"), 0);
        // The message that the other member got.
        let mut copies = evidence.events.iter();
        let other = copies.find(|event| event.client == "gate" && event.message != 0);
        let message = other.unwrap().message;
        evidence.events.retain(|event| {
            let is_copy = event.outcome.name().starts_with("deliver.");
            event.message == 0 || event.message == message && !(is_copy && event.client == "hub")
        });
        evidence.coverage.left_out = 1;
        evidence.coverage.left_out_since = 1;
        evidence.subscriber = columba_diagnosis::Presence::Unknown;
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(code, Confidence::Certain);
    }
}
