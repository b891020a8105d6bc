//! What ended the session in which a message waited.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask};
use bed::exchange::QOS_1;
use bed::{Bed, ConnectOptions, V5};
use columba_broker::outcome::Outcome;
use columba_codec::{PropertyId, Value};
use columba_diagnosis::{Code, Confidence, diagnose};
use columba_speech::Language;

const TOPIC: &str = "home/kitchen/temp";

/// Offline, with a message in its session.
fn away() -> Bed {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let expiry = (PropertyId::SessionExpiryInterval, Value::U32(60));
    let options = ConnectOptions::new(V5, "hub").property(expiry.0, expiry.1);
    let subscriber = bed.connect_with(&options);
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.drop_connection(subscriber);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    bed
}

fn fixes(asked: &Asked) -> Vec<String> {
    let fixes = asked.report.fixes.iter();
    fixes.map(|fix| fix.to_string(Language::English)).collect()
}

/// Each has its own sentence, and advice that helps against it alone.
#[test]
fn s03_tells_what_ended_the_session_that_a_message_waited_in() {
    let mut expired = away();
    expired.advance(61_000);
    let mut wiped = away();
    wiped.connect(V5, "hub");
    for (bed, says, advice) in [
        (
            &mut expired,
            "it expired before hub came back",
            "Raise the Session Expiry Interval of hub",
        ),
        (
            &mut wiped,
            "hub connected with a clean start",
            "Connect hub with clean start off",
        ),
    ] {
        let asked = ask(bed, TOPIC, Some("esp"), Some("hub"));
        asked.is(Code::S03, Confidence::Certain);
        asked.says(says);
        let fixes = fixes(&asked);
        assert!(
            fixes.len() == 1 && fixes[0].starts_with(advice),
            "{fixes:?}"
        );
        // Not followed, it is told by the event alone.
        let mut evidence = asked::evidence(bed, Some(TOPIC), None, Some("hub"), 0);
        evidence.events.retain(|event| {
            event.message == 0 || event.tape != columba_broker::recorder::TapeName::Ledger
        });
        evidence
            .events
            .retain(|event| event.outcome != Outcome::PublishAccepted);
        let asked = Asked {
            report: diagnose(&evidence),
        };
        asked.is(Code::S03, Confidence::Certain);
        asked.says(says);
    }
}
