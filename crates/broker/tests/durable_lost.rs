//! Damage has cost the record of a session: what names the session is kept and told, until an operator
//! lets go of it.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS};
use bed::{Bed, V5};

/// A bed where `ph` and `other` are away, with what waits for one of them and for both.
fn waiting(shards: u16) -> Bed {
    let mut bed = Bed::durable(shards);
    let ph = bed.connect_keeping(V5, "ph");
    bed.subscribe(ph, "h/#", QOS_2);
    bed.subscribe(ph, "$share/all/h/+", QOS_1);
    let other = bed.connect_keeping(V5, "other");
    bed.subscribe(other, "h/both", QOS_1);
    bed.disconnect(ph);
    bed.disconnect(other);
    let publisher = bed.connect(V5, "publisher");
    for payload in [b"1", b"2", b"3"] {
        bed.publish(publisher, "h/1/x", payload, QOS_1);
    }
    let released = bed.publish(publisher, "h/2/x", b"4", QOS_2).expect("an id");
    bed.pubrel(publisher, released);
    bed
}

fn payloads(bed: &mut Bed, client_id: &str) -> Vec<String> {
    let client = bed.resume(V5, client_id);
    let arrived = bed.finish(client).into_iter().map(|of| of.payload);
    arrived.collect()
}

#[test]
fn what_a_lost_session_had_is_told_and_stays_until_it_is_discarded() {
    for shards in SHARDS {
        let mut bed = waiting(shards);
        bed.lose_session("ph");
        let before = bed.store.live.clone();
        let counts = bed.crash(shards);
        assert_eq!((counts.sessions, counts.queued), (1, 0), "{shards} shards");
        let lost = bed.store.lost.clone();
        assert_eq!(lost.len(), 1);
        assert!(lost[0].subscriptions.iter().eq(["$share/all/h/+", "h/#"]));
        assert_eq!(lost[0].messages, 4);
        assert!(before.iter().all(|(at, _)| bed.store.live.contains_key(at)));
        // Its client begins anew, under another number, and ends that again.
        let again = bed.connect_keeping(V5, "ph");
        bed.subscribe(again, "h/#", QOS_1);
        bed.disconnect(again);
        // Damage that is gone by then, and another number of shards, change nothing.
        bed.store.is_damaged = false;
        for shards in [3, 1, shards] {
            bed.crash(shards);
            assert_eq!(bed.store.lost, lost, "{shards} shards");
        }
        bed.check_books();
        bed.check_gauges();
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "h/1/x", b"5", QOS_1);
        assert_eq!(payloads(&mut bed, "ph"), ["5"]);

        let discarded = bed.discard_lost();
        assert_eq!((discarded.len(), discarded[0].messages), (1, 4));
        assert_eq!(discarded[0].subscriptions, lost[0].subscriptions);
        assert!(bed.discard_lost().is_empty());
        bed.crash(shards);
        assert_eq!(bed.store.lost, []);
        for client in ["ph", "other"] {
            bed.connect(V5, client);
        }
        bed.check_nothing_is_stored();
    }
}

/// The record that both have would go with the copy of the one that is there.
#[test]
fn a_message_that_another_session_has_as_well_stays_for_the_lost_one_when_that_is_done() {
    for shards in SHARDS {
        let mut bed = waiting(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "h/both", b"of both", QOS_1);
        bed.lose_session("ph");
        let counts = bed.crash(shards);
        assert_eq!((counts.sessions, counts.queued), (1, 1), "{shards} shards");
        // The filter and the group.
        assert_eq!(bed.store.lost[0].messages, 6);
        assert_eq!(payloads(&mut bed, "other"), ["of both"]);
        bed.pass(200);
        bed.crash(shards);
        assert_eq!(bed.store.lost[0].messages, 6, "{shards} shards");
        bed.position_of(b"of both");
        assert_eq!(payloads(&mut bed, "other"), [""; 0]);
        bed.discard_lost();
        bed.crash(shards);
        bed.connect(V5, "other");
        bed.check_nothing_is_stored();
    }
}

/// What was settled before is nobody's loss, and what an unfinished end of a session leaves in a sound
/// store is released.
#[test]
fn only_what_damage_may_have_cost_is_kept() {
    for shards in SHARDS {
        let mut bed = waiting(shards);
        let ph = bed.resume(V5, "ph");
        assert_eq!(bed.finish(ph).len(), 4);
        bed.disconnect(ph);
        bed.pass(200);
        bed.lose_session("ph");
        bed.crash(shards);
        assert_eq!(bed.store.lost[0].messages, 0, "{shards} shards");
        let mut bed = waiting(shards);
        bed.lose_session("ph");
        bed.store.is_damaged = false;
        bed.crash(shards);
        assert_eq!(bed.store.lost, []);
        bed.connect(V5, "other");
        bed.check_nothing_is_stored();
    }
}
