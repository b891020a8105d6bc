//! Copies of shared groups that change hands while the store is behind, and after a crash.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS};
use bed::{Bed, ClientIx, ConnectOptions, V5};
use columba_broker::event::Command;
use columba_broker::limits::Limits;

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

/// What a member of the group and whoever comes in its place take until both have all.
fn finish_both(bed: &mut Bed, names: [&str; 2]) -> Vec<String> {
    let mut arrived = Vec::new();
    for name in names {
        let client = bed.resume(V5, name);
        arrived.extend(bed.finish(client).into_iter().map(|of| of.payload));
        bed.disconnect(client);
    }
    arrived
}

/// Publishes with packet id 7, again if it was not answered.
fn publish_until_answered(bed: &mut Bed, publisher: ClientIx) {
    let id = bed::exchange::id(7);
    bed.publish_as(publisher, "s", b"shared", id);
    bed.finish(publisher);
    bed.pubrel(publisher, id);
    bed.finish(publisher);
}

/// Whenever the broker dies: QoS 2 arrives exactly once although it changes hands.
#[test]
fn a_copy_whose_member_ends_before_it_is_on_disk_arrives_exactly_once() {
    for shards in SHARDS {
        for order in 0..shards {
            for commits in 0..12 {
                let mut bed = Bed::durable(shards);
                for name in ["one", "two"] {
                    let member = bed.connect_keeping(V5, name);
                    bed.subscribe(member, "$share/g/s", QOS_2);
                    bed.disconnect(member);
                }
                let publisher = bed.connect_keeping(V5, "publisher");
                bed.store.is_held = true;
                bed.publish_as(publisher, "s", b"shared", bed::exchange::id(7));
                // Whoever has it comes, so that its record is written anew, and ends.
                for name in ["one", "two"] {
                    if bed.stats().queued_messages == 1 {
                        bed.resume(V5, name);
                        bed.command(Command::Disconnect {
                            client_id: name.into(),
                            end_session: true,
                        });
                        break;
                    }
                }
                for turn in 0..commits {
                    bed.commit_of(usize::from((order + turn) % shards));
                }
                bed.crash(shards);
                bed.release_store();
                let publisher = bed.resume(V5, "publisher");
                publish_until_answered(&mut bed, publisher);
                let arrived = finish_both(&mut bed, ["one", "two"]);
                assert_eq!(arrived, ["shared"], "{shards} shards, {commits} commits");
                bed.check_books();
                bed.check_gauges();
            }
        }
    }
}

/// Copies that are in the store alone and wait to be read back for another member.
#[test]
fn a_member_that_leaves_its_group_and_ends_leaves_its_copies_to_the_group_also_after_a_crash() {
    for shards in SHARDS {
        let spilling = |limits: &mut Limits| limits.queue_memory_bytes_max = 0;
        for again in [false, true] {
            let mut bed = Bed::with(shards, spilling).with_store();
            let leaving = bed.connect_keeping(V5, "leaving");
            bed.subscribe(leaving, "$share/g/s", QOS_2);
            bed.disconnect(leaving);
            let publisher = bed.connect(V5, "publisher");
            for payload in [b"1", b"2", b"3"] {
                bed.publish_exactly_once(publisher, "s", payload);
            }
            bed.finish(publisher);
            bed.store.is_reading_held = true;
            let leaving = bed.resume(V5, "leaving");
            bed.unsubscribe(leaving, "$share/g/s");
            if again {
                bed.subscribe(leaving, "$share/g/s", QOS_2);
                bed.disconnect(leaving);
                bed.publish_exactly_once(publisher, "s", b"4");
            }
            let staying = bed.connect_keeping(V5, "staying");
            bed.subscribe(staying, "$share/g/s", QOS_2);
            bed.disconnect(staying);
            // A new session in place of the old one, which it ends.
            bed.connect_with(&ConnectOptions::new(V5, "leaving"));
            assert!(bed.knows_left_behind());
            bed.crash(shards);
            bed.release_reading();
            let staying = bed.resume(V5, "staying");
            let arrived = bed.finish(staying).into_iter().map(|of| of.payload);
            let mut arrived: Vec<String> = arrived.collect();
            arrived.sort();
            let all = if again { "1234" } else { "123" };
            assert_eq!(arrived.concat(), all, "{shards} shards, again: {again}");
            bed.check_books();
            bed.check_gauges();
            assert!(!bed.knows_left_behind());
        }
    }
}
