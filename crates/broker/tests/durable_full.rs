//! What goes through on a full disk, where batches that only release pass those with records, and what
//! is there if the broker dies then.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS};
use bed::{Bed, V5};
use columba_broker::event::Command;
use columba_broker::journal::StoreEvent;

fn end(bed: &mut Bed, client_id: &str) {
    bed.command(Command::Disconnect {
        client_id: client_id.into(),
        end_session: true,
    });
}

/// What a client has that comes back.
fn payloads_of(bed: &mut Bed, name: &str) -> Vec<String> {
    let client = bed.resume(V5, name);
    let arrived = bed.finish(client).into_iter().map(|of| of.payload);
    let arrived = arrived.collect();
    bed.disconnect(client);
    arrived
}

/// The record with its new owner has no room; the one that says that its old owner had it is needed
/// by nobody else any more.
#[test]
fn a_copy_that_changed_hands_is_there_when_all_others_of_its_message_are_acknowledged() {
    for (shards, qos) in SHARDS.into_iter().flat_map(|of| [(of, QOS_1), (of, QOS_2)]) {
        let mut bed = Bed::durable(shards);
        // On one shard at least two of these are, which share a record.
        let others = ["other 1", "other 2", "other 3", "other 4", "other 5"];
        for name in others {
            let other = bed.connect_keeping(V5, name);
            bed.subscribe(other, "s", qos);
            bed.disconnect(other);
        }
        let first = bed.connect_keeping(V5, "first");
        bed.subscribe(first, "$share/g/s", qos);
        bed.disconnect(first);
        let publisher = bed.connect(V5, "publisher");
        if qos == QOS_1 {
            bed.publish(publisher, "s", b"shared", qos);
        } else {
            bed.publish_exactly_once(publisher, "s", b"shared");
        }
        let last = bed.connect_keeping(V5, "last");
        bed.subscribe(last, "$share/g/s", qos);
        bed.disconnect(last);
        // What is settled is noted, as far as there is room.
        let others: Vec<_> = others.map(|name| bed.resume(V5, name)).into();
        bed.store.is_held = true;
        end(&mut bed, "first");
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Full);
        }
        for other in others {
            for one in bed.finish(other) {
                assert_eq!(one.payload, "shared");
            }
        }
        bed.commit_on_full_disk();
        bed.crash(shards);
        bed.release_store();
        let mut arrived = payloads_of(&mut bed, "first");
        arrived.extend(payloads_of(&mut bed, "last"));
        assert_eq!(arrived, ["shared"], "{shards} shards, {qos:?}");
    }
}

/// The end of the session that had it makes room, and goes through.
#[test]
fn a_copy_that_changed_hands_is_there_when_the_session_that_had_it_has_ended() {
    let mut bed = Bed::with(1, |limits| limits.queue_memory_bytes_max = 0).with_store();
    let first = bed.connect_keeping(V5, "first");
    bed.subscribe(first, "$share/g/s", QOS_1);
    bed.disconnect(first);
    let publisher = bed.connect(V5, "publisher");
    bed.publish(publisher, "s", b"shared", QOS_1);
    let last = bed.connect_keeping(V5, "last");
    bed.subscribe(last, "$share/g/s", QOS_1);
    bed.disconnect(last);
    bed.store.is_reading_held = true;
    let first = bed.resume(V5, "first");
    bed.drop_connection(first);
    bed.store.is_held = true;
    bed.release_reading();
    assert_eq!(bed.store.waiting(), 1);
    end(&mut bed, "first");
    bed.commit_on_full_disk();
    bed.crash(1);
    bed.release_store();
    let mut arrived = payloads_of(&mut bed, "first");
    arrived.extend(payloads_of(&mut bed, "last"));
    assert_eq!(arrived, ["shared"]);
}

/// What a session has left behind is needed until all of its copies are with others.
#[test]
fn what_a_session_has_left_behind_stays_while_a_copy_has_no_room_with_its_new_owner() {
    let mut bed = Bed::with(1, |limits| limits.queue_memory_bytes_max = 0).with_store();
    let first = bed.connect_keeping(V5, "first");
    bed.subscribe(first, "$share/g/s", QOS_1);
    bed.disconnect(first);
    let publisher = bed.connect(V5, "publisher");
    bed.publish(publisher, "s", b"one", QOS_1);
    bed.publish(publisher, "s", b"two", QOS_1);
    let last = bed.connect_keeping(V5, "last");
    bed.subscribe(last, "$share/g/s", QOS_1);
    bed.disconnect(last);
    bed.store.is_reading_held = true;
    end(&mut bed, "first");
    assert!(bed.knows_left_behind());
    bed.store.is_held = true;
    assert!(bed.read_one());
    let member = bed.connect(V5, "member");
    assert_eq!(bed.store.waiting(), 1);
    // The second goes to one who is in memory alone, and needs no record.
    bed.subscribe(member, "$share/g/s", QOS_1);
    bed.release_reading();
    assert_eq!(bed.payloads(member), ["two"]);
    bed.commit_on_full_disk();
    bed.crash(1);
    bed.release_store();
    let mut arrived = payloads_of(&mut bed, "first");
    arrived.extend(payloads_of(&mut bed, "last"));
    assert!(arrived.contains(&"one".to_owned()), "{arrived:?}");
}
