//! Copies of shared groups that change hands while the store is behind, and after a crash.

mod bed;

use bed::exchange::{Arrived, QOS_1, QOS_2, SHARDS};
use bed::{Bed, ClientIx, ConnectOptions, V5};
use columba_broker::event::Command;
use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use columba_codec::packet::Disconnect;
use columba_codec::{Packet, PropertyId, ReasonCode, Value};

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

/// How a session ends, or only its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// An operator ends the session.
    Ended,
    /// DISCONNECT with a Session Expiry Interval of 0.
    Expired,
    /// Another session in its place.
    Replaced,
    /// Its connection alone.
    Dropped,
}

const GOINGS: [Going; 4] = [
    Going::Ended,
    Going::Expired,
    Going::Replaced,
    Going::Dropped,
];

fn go(bed: &mut Bed, client: ClientIx, name: &str, going: Going) {
    match going {
        Going::Ended => bed.command(Command::Disconnect {
            client_id: name.into(),
            end_session: true,
        }),
        Going::Expired => {
            let list = [(PropertyId::SessionExpiryInterval, Value::U32(0))];
            let properties = bed::exchange::properties(&list);
            let disconnect = Disconnect {
                reason: ReasonCode::Success,
                properties: properties.as_properties(),
            };
            bed.send(client, &Packet::Disconnect(disconnect));
        }
        // It gets its CONNACK when the disk knows that the old one is gone.
        Going::Replaced => {
            bed.connect_raw(&ConnectOptions::new(V5, name));
        }
        Going::Dropped => bed.drop_connection(client),
    }
}

/// A connected member with room for a copy of QoS 2, and another one that is away.
fn two_members(shards: u16) -> (Bed, ClientIx, ClientIx) {
    let mut bed = Bed::durable(shards);
    let away = bed.connect_keeping(V5, "two");
    bed.subscribe(away, "$share/g/s", QOS_2);
    bed.disconnect(away);
    let member = bed.connect_keeping(V5, "one");
    bed.subscribe(member, "$share/g/s", QOS_2);
    bed.subscribe(member, "$share/g/other", QOS_2);
    let publisher = bed.connect_keeping(V5, "publisher");
    (bed, member, publisher)
}

/// A copy that is held back until it is on disk was never sent: it goes to the group as one does that
/// waits in a queue.
#[test]
fn a_copy_that_is_held_back_goes_to_another_member_if_its_member_goes() {
    for shards in SHARDS {
        for going in GOINGS {
            for leaves_group in [false, true] {
                let context = format!("{shards} shards, {going:?}, leaves: {leaves_group}");
                let (mut bed, member, publisher) = two_members(shards);
                bed.store.is_held = true;
                bed.publish_exactly_once(publisher, "s", b"1");
                bed.publish(publisher, "s", b"2", QOS_1);
                assert_eq!(bed.stats().inflight_messages, 2, "{context}");
                if leaves_group {
                    bed.send_unsubscribe(member, bed::exchange::id(9), &["$share/g/s"]);
                }
                go(&mut bed, member, "one", going);
                assert!(bed.payloads(member).is_empty(), "{context}");
                bed.release_store();
                bed.finish(publisher);
                let two = bed.resume(V5, "two");
                let arrived = bed.finish(two).into_iter().map(|of| of.payload);
                assert_eq!(arrived.collect::<Vec<_>>(), ["1", "2"], "{context}");
                assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), 0, "{context}");
                assert_eq!(bed.outcome(Outcome::DeliverOtherSharedMember), 2);
                let one = bed.resume(V5, "one");
                assert!(bed.finish(one).is_empty(), "{context}");
                bed.check_books();
                bed.check_gauges();
                assert!(!bed.knows_left_behind());
            }
        }
    }
}

/// Whenever the broker dies meanwhile, it arrives exactly once.
#[test]
fn a_copy_that_is_held_back_arrives_exactly_once_whoever_goes_and_whenever_the_broker_dies() {
    for shards in SHARDS {
        for going in GOINGS {
            for leaves_group in [false, true] {
                for order in 0..shards {
                    for commits in 0..12 {
                        let (mut bed, member, publisher) = two_members(shards);
                        bed.store.is_held = true;
                        bed.publish_as(publisher, "s", b"shared", bed::exchange::id(7));
                        if leaves_group {
                            bed.send_unsubscribe(member, bed::exchange::id(9), &["$share/g/s"]);
                        }
                        go(&mut bed, member, "one", going);
                        for turn in 0..commits {
                            bed.commit_of(usize::from((order + turn) % shards));
                        }
                        bed.crash(shards);
                        bed.release_store();
                        let publisher = bed.resume(V5, "publisher");
                        publish_until_answered(&mut bed, publisher);
                        let arrived = finish_both(&mut bed, ["one", "two"]);
                        let context = format!(
                            "{shards} shards from {order}, {commits} commits, {going:?}, \
                             leaves: {leaves_group}"
                        );
                        assert_eq!(arrived, ["shared"], "{context}");
                        bed.check_books();
                        bed.check_gauges();
                    }
                }
            }
        }
    }
}

/// What a client takes that has room for one message of QoS 1 or 2 at a time.
fn resume_narrow(bed: &mut Bed, name: &str) -> ClientIx {
    let list = (PropertyId::ReceiveMaximum, Value::U16(1));
    let options = bed::exchange::keeping(V5, name);
    bed.connect_with(&options.clean(false).property(list.0, list.1))
}

/// A member with a message that it does not acknowledge, so that the next one waits in its queue.
fn member_with_a_queue(shards: u16) -> (Bed, ClientIx, ClientIx) {
    let (mut bed, member, publisher) = two_members(shards);
    bed.disconnect(member);
    let member = resume_narrow(&mut bed, "one");
    bed.subscribe(member, "own", QOS_2);
    bed.publish_exactly_once(publisher, "own", b"own");
    bed.finish(publisher);
    assert_eq!(bed.payloads(member), ["own"]);
    (bed, member, publisher)
}

/// The copy that waits is its group's, also if the member has left that while it is in another one.
#[test]
fn a_copy_that_waits_goes_to_the_group_that_its_member_has_left() {
    for shards in SHARDS {
        for going in GOINGS {
            let context = format!("{shards} shards, {going:?}");
            let (mut bed, member, publisher) = member_with_a_queue(shards);
            bed.store.is_held = true;
            bed.publish_exactly_once(publisher, "s", b"shared");
            assert_eq!(bed.stats().queued_messages, 1, "{context}");
            bed.send_unsubscribe(member, bed::exchange::id(9), &["$share/g/s"]);
            go(&mut bed, member, "one", going);
            bed.release_store();
            let two = bed.resume(V5, "two");
            let arrived = bed.finish(two).into_iter().map(|of| of.payload);
            assert_eq!(arrived.collect::<Vec<_>>(), ["shared"], "{context}");
            bed.check_books();
            bed.check_gauges();
            assert!(!bed.knows_left_behind());
        }
    }
}

#[test]
fn a_copy_of_a_group_that_its_member_has_left_arrives_exactly_once_whenever_the_broker_dies() {
    for shards in SHARDS {
        for going in [Going::Dropped, Going::Ended] {
            for order in 0..shards {
                for commits in 0..12 {
                    let (mut bed, member, publisher) = member_with_a_queue(shards);
                    bed.store.is_held = true;
                    bed.publish_as(publisher, "s", b"shared", bed::exchange::id(7));
                    bed.send_unsubscribe(member, bed::exchange::id(9), &["$share/g/s"]);
                    go(&mut bed, member, "one", going);
                    for turn in 0..commits {
                        bed.commit_of(usize::from((order + turn) % shards));
                    }
                    bed.crash(shards);
                    bed.release_store();
                    let publisher = bed.resume(V5, "publisher");
                    publish_until_answered(&mut bed, publisher);
                    // It comes and goes without an answer: nothing may be lost with that.
                    let one = resume_narrow(&mut bed, "one");
                    bed.drop_connection(one);
                    let mut arrived = finish_both(&mut bed, ["one", "two"]);
                    arrived.retain(|payload| payload != "own");
                    let context =
                        format!("{shards} shards from {order}, {commits} commits, {going:?}");
                    assert_eq!(arrived, ["shared"], "{context}");
                    bed.check_books();
                    bed.check_gauges();
                }
            }
        }
    }
}

/// What was acknowledged goes to the group when a session ends, whether that is because its connection
/// ends or because the broker does.
#[test]
fn a_session_that_ends_with_the_broker_leaves_its_copies_to_the_group() {
    for shards in SHARDS {
        for shards_after in SHARDS {
            for dies in [false, true] {
                let mut bed = Bed::durable(shards);
                let first = bed.connect_keeping(V5, "first");
                bed.subscribe(first, "$share/g/s", QOS_2);
                bed.subscribe(first, "own", QOS_1);
                bed.disconnect(first);
                let publisher = bed.connect(V5, "publisher");
                for (topic, payload) in [("s", b"one"), ("own", b"own"), ("s", b"two")] {
                    bed.publish(publisher, topic, payload, QOS_1);
                }
                assert_eq!(bed.take(publisher).packets().len(), 3);
                let last = bed.connect_keeping(V5, "last");
                bed.subscribe(last, "$share/g/s", QOS_2);
                bed.disconnect(last);
                // It takes its session up again, which is to end with this connection.
                let options = ConnectOptions::new(V5, "first").clean(false);
                let (first, _) = bed.connect_raw(&options);
                if dies {
                    bed.crash(shards_after);
                } else {
                    bed.drop_connection(first);
                }
                let last = bed.resume(V5, "last");
                let arrived = bed.finish(last).into_iter().map(|of| of.payload);
                let arrived: Vec<String> = arrived.collect();
                assert_eq!(arrived, ["one", "two"], "{shards}, {shards_after}, {dies}");
                let first = bed.resume(V5, "first");
                assert!(bed.payloads(first).is_empty());
                bed.check_books();
                bed.check_gauges();
            }
        }
    }
}

/// The same for QoS 2: what such a session was sent goes to nobody else, whenever the broker dies.
#[test]
fn a_copy_of_a_session_that_ends_with_the_broker_arrives_exactly_once() {
    for shards in SHARDS {
        for commits in 0..6 {
            let mut bed = Bed::durable(shards);
            let first = bed.connect_keeping(V5, "first");
            bed.subscribe(first, "$share/g/s", QOS_2);
            bed.disconnect(first);
            let publisher = bed.connect(V5, "publisher");
            publish_until_answered(&mut bed, publisher);
            let last = bed.connect_keeping(V5, "last");
            bed.subscribe(last, "$share/g/s", QOS_2);
            bed.disconnect(last);
            bed.store.is_held = true;
            let options = ConnectOptions::new(V5, "first").clean(false);
            let (first, mut inbox) = bed.connect_raw(&options);
            let mut arrived = inbox.payloads();
            for turn in 0..commits {
                bed.commit_of(turn % usize::from(shards));
                inbox = bed.take(first);
                arrived.extend(inbox.payloads());
            }
            bed.crash(shards);
            bed.release_store();
            // Where it is not on the disk that its session is to end, it still has it.
            arrived.extend(finish_both(&mut bed, ["last", "first"]));
            assert_eq!(arrived, ["shared"], "{shards} shards, {commits} commits");
            bed.check_books();
            bed.check_gauges();
        }
    }
}

/// The end of the session is on disk, and what was its is not with its new owner yet.
#[test]
fn a_crash_between_the_end_of_a_member_and_its_copies_new_owner_loses_none() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::durable(shards);
            for number in 0..4 {
                let name = format!("member {number}");
                let member = bed.connect_keeping(V5, &name);
                bed.subscribe(member, "$share/g/s", qos);
                bed.disconnect(member);
            }
            let publisher = bed.connect(V5, "publisher");
            for payload in [b"1", b"2", b"3", b"4", b"5", b"6"] {
                bed.publish(publisher, "s", payload, qos);
            }
            bed.is_mail_held = true;
            for number in 0..3 {
                bed.command(Command::Disconnect {
                    client_id: format!("member {number}").into(),
                    end_session: true,
                });
            }
            bed.is_mail_held = false;
            bed.crash(shards);
            let member = bed.resume(V5, "member 3");
            let arrived = bed.finish(member).into_iter().map(|of| of.payload);
            let mut arrived: Vec<String> = arrived.collect();
            arrived.sort();
            assert_eq!(arrived.concat(), "123456", "{shards} shards, {qos:?}");
            bed.check_books();
            bed.check_gauges();
            assert!(!bed.knows_left_behind());
        }
    }
}

/// The same where its copies were on their way to another one already, since its connection ended first.
#[test]
fn a_crash_when_the_copies_of_a_member_that_ends_are_on_their_way_loses_none() {
    let cases = SHARDS
        .into_iter()
        .flat_map(|of| GOINGS.map(|going| (of, going)));
    let cases = cases.flat_map(|(of, going)| [false, true].map(|leaves| (of, going, leaves)));
    for (shards, going, is_leaving) in cases {
        let mut bed = Bed::durable(shards);
        let names = ["member 0", "member 1", "member 2", "member 3"];
        let members = names.map(|name| {
            let member = bed.connect_keeping(V5, name);
            bed.subscribe(member, "$share/g/s", QOS_1);
            member
        });
        let publisher = bed.connect(V5, "publisher");
        for payload in [b"1", b"2", b"3", b"4", b"5", b"6"] {
            bed.publish(publisher, "s", payload, QOS_1);
        }
        for member in members {
            // They do not acknowledge what they got.
            bed.take(member);
        }
        bed.drop_connection(members[3]);
        bed.is_mail_held = true;
        for (member, name) in members.into_iter().zip(names).take(3) {
            if is_leaving {
                // What it was sent stays with it as long as its connection.
                bed.send_unsubscribe(member, bed::exchange::id(9), &["$share/g/s"]);
            }
            go(&mut bed, member, name, going);
        }
        bed.is_mail_held = false;
        bed.crash(shards);
        let mut arrived = Vec::new();
        for name in names {
            let member = bed.resume(V5, name);
            arrived.extend(bed.finish(member).into_iter().map(|of| of.payload));
            bed.drop_connection(member);
        }
        arrived.sort();
        let context = format!("{shards} shards, {going:?}, leaving: {is_leaving}");
        assert_eq!(arrived.concat(), "123456", "{context}");
        bed.check_books();
        bed.check_gauges();
        assert!(!bed.knows_left_behind(), "{context}");
        for name in names {
            bed.connect(V5, name);
        }
        bed.check_nothing_is_stored();
    }
}

/// What its member has begun is not for others, whatever is left behind beside it.
#[test]
fn a_copy_that_was_sent_goes_to_nobody_else_whenever_the_broker_dies() {
    // MQTT-4.8.2-5
    for shards in SHARDS {
        for order in 0..shards {
            for commits in 0..12 {
                let (mut bed, member, publisher) = two_members(shards);
                // For somebody else as well, so that their records stay.
                let absent = bed.connect_keeping(V5, "absent");
                bed.subscribe(absent, "s", QOS_2);
                bed.disconnect(absent);
                for payload in [b"sent", b"fail"] {
                    bed.publish_exactly_once(publisher, "s", payload);
                }
                bed.finish(publisher);
                let arrived = bed.arrivals(member);
                assert_eq!(arrived.len(), 2);
                let refused = bed::exchange::id(arrived[1].packet_id.unwrap());
                let reason = ReasonCode::UnspecifiedError;
                let ack = bed::exchange::with_reason(refused, reason);
                bed.send(member, &Packet::PubRec(ack));
                bed.store.is_held = true;
                bed.publish_as(publisher, "s", b"held", bed::exchange::id(7));
                go(&mut bed, member, "one", Going::Ended);
                for turn in 0..commits {
                    bed.commit_of(usize::from((order + turn) % shards));
                }
                bed.crash(shards);
                bed.release_store();
                let publisher = bed.resume(V5, "publisher");
                publish_until_answered(&mut bed, publisher);
                let two = bed.resume(V5, "two");
                let arrived = bed.finish(two);
                let begun = ["sent", "fail"];
                let is_begun = |of: &Arrived| begun.contains(&of.payload.as_str());
                let context = format!("{shards} shards from {order}, {commits} commits");
                assert!(!arrived.iter().any(is_begun), "{context}: {arrived:?}");
                bed.check_books();
                bed.check_gauges();
            }
        }
    }
}
