//! Copies of shared groups that go from a session in the store to one that lives in memory alone.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, keeping, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5};
use columba_broker::event::Command;
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_codec::{PropertyId, Value};

/// What the member in memory does while it has a copy that is not its alone yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Stays,
    Unsubscribes,
    Goes,
}

const ALL: [Meanwhile; 3] = [Meanwhile::Stays, Meanwhile::Unsubscribes, Meanwhile::Goes];

/// A member that is away has a message in the store, and another one that is away has none; then comes one
/// whose session ends with its connection, and has room for one message or for many.
fn members(shards: u16, is_narrow: bool) -> (Bed, ClientIx, ClientIx) {
    let mut bed = Bed::durable(shards);
    let publisher = bed.connect_keeping(V5, "publisher");
    let first = bed.connect_keeping(V5, "first");
    bed.subscribe(first, "$share/g/s", QOS_2);
    bed.disconnect(first);
    let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(60))]);
    let expiry = expiry.as_properties();
    let packet_id = bed.publish_with(publisher, "s", b"shared", QOS_2, false, expiry);
    bed.pubrel(publisher, packet_id.expect("QoS 2 has one"));
    bed.finish(publisher);
    let last = bed.connect_keeping(V5, "last");
    bed.subscribe(last, "$share/g/s", QOS_2);
    bed.disconnect(last);
    let room = Value::U16(if is_narrow { 1 } else { 9 });
    let options = ConnectOptions::new(V5, "in memory").property(PropertyId::ReceiveMaximum, room);
    let member = bed.connect_with(&options);
    bed.subscribe(member, "$share/g/s", QOS_2);
    bed.subscribe(member, "own", QOS_1);
    if is_narrow {
        // It does not acknowledge it.
        bed.publish(publisher, "own", b"own", QOS_1);
        bed.finish(publisher);
    }
    (bed, publisher, member)
}

fn end(bed: &mut Bed, client_id: &str) {
    bed.command(Command::Disconnect {
        client_id: client_id.into(),
        end_session: true,
    });
}

/// The member acknowledges whatever else it has.
fn take_all(bed: &mut Bed, member: ClientIx) -> Vec<String> {
    let arrived = bed.finish(member).into_iter().map(|of| of.payload);
    arrived.filter(|payload| payload != "own").collect()
}

/// Whenever the broker dies, no second member gets a message of QoS 2 that one has got.
#[test]
fn a_copy_that_goes_to_a_member_in_memory_arrives_once_whenever_the_broker_dies() {
    for (shards, meanwhile, is_narrow) in cases() {
        for order in 0..shards {
            for commits in 0..8 {
                let (mut bed, _, member) = members(shards, is_narrow);
                bed.store.is_held = true;
                end(&mut bed, "first");
                let mut arrived = Vec::new();
                match meanwhile {
                    Meanwhile::Stays => arrived.extend(take_all(&mut bed, member)),
                    Meanwhile::Unsubscribes => {
                        bed.send_unsubscribe(member, id(9), &["$share/g/s"]);
                    }
                    Meanwhile::Goes => bed.drop_connection(member),
                }
                for turn in 0..commits {
                    bed.commit_of(usize::from((order + turn) % shards));
                    arrived.extend(take_all(&mut bed, member));
                }
                bed.crash(shards);
                bed.release_store();
                for name in ["first", "last"] {
                    let client = bed.resume(V5, name);
                    arrived.extend(take_all(&mut bed, client));
                    bed.disconnect(client);
                }
                let context = format!(
                    "{shards} shards from {order}, {commits} commits, {meanwhile:?}, \
                     narrow: {is_narrow}"
                );
                // While it is in memory alone it may die with the broker.
                let is_lost = arrived.is_empty() && meanwhile != Meanwhile::Stays && commits > 0;
                assert!(arrived == ["shared"] || is_lost, "{context}: {arrived:?}");
                bed.check_books();
                bed.check_gauges();
            }
        }
    }
}

fn cases() -> impl Iterator<Item = (u16, Meanwhile, bool)> {
    let shards = SHARDS.into_iter();
    let ways = shards.flat_map(|shards| ALL.map(|meanwhile| (shards, meanwhile)));
    ways.flat_map(|(shards, meanwhile)| [false, true].map(|narrow| (shards, meanwhile, narrow)))
}

/// The disk fails while the copy is held back: it comes again after a restart, and only then.
#[test]
fn a_copy_that_goes_to_a_member_in_memory_is_lost_from_there_if_the_disk_fails() {
    for (shards, meanwhile, is_narrow) in cases() {
        let (mut bed, _, member) = members(shards, is_narrow);
        bed.store.is_held = true;
        end(&mut bed, "first");
        let failed = |bed: &mut Bed| {
            for shard in 0..usize::from(shards) {
                bed.store_event(shard, StoreEvent::Failed);
            }
        };
        match meanwhile {
            Meanwhile::Stays => {}
            Meanwhile::Unsubscribes => bed.send_unsubscribe(member, id(9), &["$share/g/s"]),
            Meanwhile::Goes => bed.drop_connection(member),
        }
        failed(&mut bed);
        let context = format!("{shards} shards, {meanwhile:?}, narrow: {is_narrow}");
        assert_eq!(take_all(&mut bed, member), [""; 0], "{context}");
        assert_eq!(bed.outcome(Outcome::DeliverStoreLost), 1, "{context}");
        bed.check_books();
        bed.check_gauges();
        if meanwhile == Meanwhile::Stays {
            // Nothing stands in the way of what needs no disk.
            let options = ConnectOptions::new(V5, "gone").will("own", b"goes on", QOS_1, false);
            let gone = bed.connect_with(&options);
            bed.drop_connection(gone);
            assert_eq!(take_all(&mut bed, member), ["goes on"], "{context}");
        }
        bed.crash(shards);
        bed.release_store();
        // Its end is not on disk either.
        let first = bed.resume(V5, "first");
        assert_eq!(take_all(&mut bed, first), ["shared"], "{context}");
    }
}

/// What comes later stands behind the copy, and nothing is left of what was waited for.
#[test]
fn what_a_member_in_memory_waits_for_leaves_nothing_behind() {
    for (shards, meanwhile, is_narrow) in cases() {
        let (mut bed, publisher, member) = members(shards, is_narrow);
        bed.store.is_held = true;
        end(&mut bed, "first");
        let context = format!("{shards} shards, {meanwhile:?}, narrow: {is_narrow}");
        match meanwhile {
            Meanwhile::Stays => {
                bed.publish(publisher, "s", b"later", QOS_0);
                bed.publish(publisher, "s", b"last", QOS_1);
                // The narrow one makes room when there is nothing to be waited for any more.
                let arrived = if is_narrow {
                    Vec::new()
                } else {
                    take_all(&mut bed, member)
                };
                assert!(arrived.iter().all(|of| of == "later"), "{context}");
            }
            Meanwhile::Unsubscribes => bed.send_unsubscribe(member, id(9), &["$share/g/s"]),
            Meanwhile::Goes => bed.drop_connection(member),
        }
        bed.release_store();
        if meanwhile == Meanwhile::Stays {
            let arrived = take_all(&mut bed, member);
            let reliable: Vec<_> = arrived.iter().filter(|of| *of != "later").collect();
            assert_eq!(reliable, ["shared", "last"], "{context}");
        }
        take_all(&mut bed, member);
        bed.disconnect(member);
        let last = bed.resume(V5, "last");
        bed.finish(last);
        bed.check_books();
        bed.check_gauges();
        for name in ["last", "publisher"] {
            end(&mut bed, name);
        }
        bed.check_nothing_is_stored();
    }
}

/// It is dropped before it could be sent.
#[test]
fn a_copy_that_expires_while_a_member_in_memory_waits_leaves_nothing_behind() {
    for shards in SHARDS {
        let (mut bed, _, member) = members(shards, true);
        bed.store.is_held = true;
        end(&mut bed, "first");
        bed.advance(61_000);
        assert_eq!(take_all(&mut bed, member), [""; 0]);
        assert_eq!(bed.outcome(Outcome::DeliverExpired), 1);
        bed.release_store();
        assert_eq!(take_all(&mut bed, member), [""; 0]);
        bed.check_books();
        bed.check_gauges();
        for name in ["last", "publisher", "in memory"] {
            end(&mut bed, name);
        }
        bed.check_nothing_is_stored();
    }
}

/// What has to be read back is not overtaken by what is in memory.
#[test]
fn copies_that_a_member_hands_over_twice_keep_their_order() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.queue_memory_bytes_max = 0).with_store();
        let publisher = bed.connect(V5, "publisher");
        let narrow = keeping(V5, "first").property(PropertyId::ReceiveMaximum, Value::U16(1));
        let first = bed.connect_with(&narrow);
        bed.subscribe(first, "own", QOS_1);
        bed.publish(publisher, "own", b"not acknowledged", QOS_1);
        bed.take(first);
        bed.subscribe(first, "$share/g/s", QOS_1);
        bed.publish(publisher, "s", b"old", QOS_1);
        let other = bed.connect_keeping(V5, "other");
        bed.subscribe(other, "$share/g/s", QOS_1);
        bed.disconnect(other);
        bed.store.is_reading_held = true;
        bed.unsubscribe(first, "$share/g/s");
        assert_eq!(bed.reading(), 1, "{shards} shards");
        bed.subscribe(first, "$share/g/s", QOS_1);
        bed.store.is_held = true;
        bed.publish(publisher, "s", b"new", QOS_1);
        bed.send_unsubscribe(first, id(99), &["$share/g/s"]);
        bed.release_reading();
        bed.release_store();
        let other = bed.resume(V5, "other");
        let arrived = bed.finish(other).into_iter().map(|of| of.payload);
        assert_eq!(
            arrived.collect::<Vec<_>>(),
            ["old", "new"],
            "{shards} shards"
        );
        bed.check_books();
        bed.check_gauges();
    }
}

/// What it holds back was looked at in vain, since it did not read, and nobody waited for the store when
/// that failed.
#[test]
fn a_member_that_did_not_read_when_the_disk_failed_goes_on_without_what_it_held_back() {
    for shards in SHARDS {
        let (mut bed, publisher, member) = members(shards, false);
        bed.store.is_held = true;
        for number in 0..8 {
            bed.connect_keeping(V5, &format!("client {number}"));
        }
        let before = bed.store.waiting();
        end(&mut bed, "first");
        let held = |bed: &Bed| {
            let waiting = bed.shards.iter().map(|of| of.store_waiting().sessions);
            waiting.sum::<usize>()
        };
        assert_eq!(held(&bed), 1, "{shards} shards");
        bed.reading[member] = false;
        bed.publish(publisher, "own", &vec![b'x'; 2 << 20], QOS_0);
        for _ in 0..before {
            bed.commit_next();
        }
        assert_eq!(held(&bed), 0, "{shards} shards");
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Failed);
        }
        bed.read_all(member);
        assert_eq!(bed.outcome(Outcome::DeliverStoreLost), 1, "{shards} shards");
        bed.take(member);
        let options = ConnectOptions::new(V5, "gone").will("own", b"goes on", QOS_1, false);
        let gone = bed.connect_with(&options);
        bed.drop_connection(gone);
        assert_eq!(take_all(&mut bed, member), ["goes on"], "{shards} shards");
        bed.check_books();
        bed.check_gauges();
    }
}
