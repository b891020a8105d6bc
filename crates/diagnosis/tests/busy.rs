//! What is known where so much was published that not every message was followed.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::Asked;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence, diagnose};

/// The pace of the ledger thins out messages, never connections.
#[test]
fn p01_does_not_depend_on_messages_that_were_left_out() {
    let mut bed = Bed::new(2);
    bed.connect(V5, "esp");
    for (publisher, code) in [("another-device", Code::P01), ("esp", Code::U01)] {
        let mut evidence = asked::evidence(&mut bed, Some("a/b"), Some(publisher), None, 0);
        evidence.question.from_ms = evidence.coverage.from_ms;
        evidence.coverage.left_out = 7_000_000;
        evidence.coverage.left_out_since = 7_000_000;
        let report = diagnose(&evidence);
        Asked { report }.is(code, Confidence::Certain);
    }
}
