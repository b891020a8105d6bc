//! Verdicts about what the broker itself publishes.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{ask, ask_all};
use bed::exchange::QOS_0;
use bed::{Bed, V5};
use columba_diagnosis::{Code, Confidence};

const UPTIME: &str = "$SYS/broker/uptime";

/// Nothing of it is recorded, so nobody can say that it was not published.
#[test]
fn what_the_broker_publishes_is_not_missed_in_the_record() {
    let mut bed = Bed::new(2);
    let esp = bed.connect(V5, "esp");
    for (client, filter) in [
        ("sys", UPTIME),
        ("all", "#"),
        ("typo", "$SYS/broker/uptim"),
        ("far", "x"),
    ] {
        let client = bed.connect(V5, client);
        bed.subscribe(client, filter, QOS_0);
    }
    bed.pass(10);
    let of = |bed: &mut Bed, client| ask(bed, UPTIME, None, Some(client));
    let asked = of(&mut bed, "sys");
    asked.is(Code::U01, Confidence::Certain);
    asked.says("sys is subscribed to $SYS/broker/uptime");
    let asked = of(&mut bed, "all");
    asked.is(Code::R07, Confidence::Certain);
    assert_eq!(asked.fix(0), "Subscribe to $SYS/#");
    of(&mut bed, "typo").is(Code::R02, Confidence::Certain);
    of(&mut bed, "far").is(Code::R01, Confidence::Certain);
    of(&mut bed, "nobody").is(Code::U03, Confidence::Certain);
    ask(&mut bed, UPTIME, None, None).is(Code::U01, Confidence::Certain);
    let asked = ask_all(&mut bed, None, None, Some("sys"));
    asked.is(Code::U02, Confidence::Certain);
    asked.says("What the broker itself publishes below $SYS is not recorded");
    // Another topic that begins with $ is as any.
    ask(&mut bed, "$SYSTEM/x", None, Some("sys")).is(Code::P05, Confidence::Certain);
    bed.publish(esp, "$other/x", b"1", QOS_0);
    ask(&mut bed, "$other/x", None, Some("all")).is(Code::R07, Confidence::Certain);
}
