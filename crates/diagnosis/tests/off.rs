//! While the recorder is off nothing is known, and nothing is claimed.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all};
use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::event::Command;
use columba_broker::limits::Limits;
use columba_diagnosis::{Beginning, Code, Confidence};

const TOPIC: &str = "home/kitchen/temp";

fn resize(bed: &mut Bed, recorder_bytes_max: usize) {
    let limits = Limits {
        recorder_bytes_max,
        sys_interval_ms: 0,
        ..Limits::default()
    };
    bed.command(Command::SetLimits(limits.into()));
    bed.pass(10);
}

#[test]
fn a_recorder_that_is_off_or_was_off_knows_nothing_of_that_time() {
    let size = Limits::default().recorder_bytes_max;
    let mut bed = Bed::new(2);
    resize(&mut bed, 0);
    let publisher = bed.connect(V5, "esp");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    for recorder_bytes_max in [0, size] {
        resize(&mut bed, recorder_bytes_max);
        let asked = ask(&mut bed, TOPIC, Some("esp"), None);
        asked.is(Code::U01, Confidence::Certain);
        let is_off = asked.report.coverage.beginning == Beginning::IsOff;
        assert_eq!(is_off, recorder_bytes_max == 0);
        if is_off {
            asked.says("The recorder is off");
            assert!(asked.fix(0).starts_with("Switch the recorder on"));
            ask_all(&mut bed, None, None, Some("hub")).says("The recorder is off");
        }
    }
    // What came since is known.
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, TOPIC, QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"2", QOS_1);
    bed.pass(10);
    bed.finish(subscriber);
    ask(&mut bed, TOPIC, Some("esp"), Some("hub")).is(Code::D01, Confidence::Certain);
}
