//! Copies of shared groups that change hands while the store is behind, and after a crash.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS};
use bed::{Bed, V5};

/// A copy that was never sent because one before it waits for the store stays in its place when its
/// member leaves the group; whether it is answered or not decides who gets it, as with those that
/// were sent.
#[test]
fn a_copy_behind_one_that_waits_for_the_store_goes_to_the_group_if_its_member_goes() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let leaving = bed.connect_keeping(V5, "leaving");
        bed.subscribe(leaving, "t", QOS_2);
        bed.subscribe(leaving, "$share/g/s", QOS_1);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        bed.publish(publisher, "t", b"before", QOS_2);
        bed.publish(publisher, "s", b"shared", QOS_1);
        let other = bed.connect(V5, "other");
        bed.subscribe(other, "$share/g/s", QOS_1);
        bed.send_unsubscribe(leaving, bed::exchange::id(9), &["$share/g/s"]);
        bed.release_store();
        assert_eq!(bed.payloads(leaving), ["before", "shared"]);
        assert!(bed.payloads(other).is_empty());
        bed.disconnect(leaving);
        assert_eq!(bed.payloads(other), ["shared"]);
        bed.check_books();
        bed.check_gauges();
    }
}
