//! What a shard gathers for a store that takes nothing has a bound, whatever clients do.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, keeping};
use bed::{Bed, ClientIx, ConnectOptions, V5};
use columba_broker::Shard;
use columba_broker::event::Command;
use columba_broker::journal::StoreEvent;
use columba_broker::limits::{Limits, QueuePolicy};
use columba_broker::outcome::Outcome;
use columba_broker::stats::StoreWaiting;
use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{Packet, PacketType, Properties, ReasonCode};

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

fn tell(bed: &mut Bed, event: StoreEvent) {
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, event);
    }
}

/// What all shards together have that waits for the store.
fn waiting(bed: &Bed) -> StoreWaiting {
    let mut all = StoreWaiting::default();
    for of in bed.shards.iter().map(Shard::store_waiting) {
        all.answers += of.answers;
        all.bytes += of.bytes;
        all.sessions += of.sessions;
        all.connections += of.connections;
        all.ended += of.ended;
        all.copies += of.copies;
    }
    all
}

/// Records and messages that the shards know of.
fn kept_by(bed: &Bed) -> Vec<(usize, usize)> {
    bed.shards.iter().map(Shard::kept_counts).collect()
}

/// So many times the same packet.
fn repeat(bed: &mut Bed, client: ClientIx, packet: &Packet<'_>, count: usize) {
    let mut bytes = Vec::new();
    packet.encode(V5, &mut bytes).expect("short");
    bed.send_raw(client, &bytes.repeat(count));
}

#[test]
fn after_a_failure_what_is_kept_has_a_bound_whatever_clients_do() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.queue_messages_max = 20).with_store();
        let absent = bed.connect_keeping(V5, "absent");
        bed.subscribe(absent, "#", QOS_2);
        bed.disconnect(absent);
        for member in ["member", "another"] {
            let member = bed.connect_keeping(V5, member);
            bed.subscribe(member, "$share/g/#", QOS_2);
            bed.disconnect(member);
        }
        let publisher = bed.connect_keeping(V5, "publisher");
        bed.publish_as(publisher, "t", b"x", id(7));
        bed.finish(publisher);
        bed.store.is_held = true;
        bed.publish(publisher, "t", b"x", QOS_1);
        tell(&mut bed, StoreEvent::Failed);
        let mut before = None;
        for round in 0..120 {
            for number in 0..6 {
                // Sessions that last, with a Will for those that are away, that come and go, and end.
                let name = format!("client {number}");
                let options = keeping(V5, &name).clean(round % 3 == 0);
                let qos = if number % 3 == 0 { QOS_1 } else { QOS_2 };
                let payload: &[u8] = if round % 2 == 0 { b"" } else { b"gone" };
                let topic = format!("w/{}", number % 2);
                let options = options.will(&topic, payload, qos, number < 4);
                let client = bed.connect_with(&options);
                bed.publish(client, "t", b"x", QOS_1);
                bed.drop_connection(client);
            }
            let one = bed.resume(V5, "member");
            bed.pubrel(publisher, id(7));
            bed.drop_connection(one);
            bed.advance(1_000);
            if round == 61 {
                before = Some(kept_by(&bed));
            }
        }
        let bounded = StoreWaiting {
            sessions: waiting(&bed).sessions,
            connections: waiting(&bed).connections,
            ..StoreWaiting::default()
        };
        assert!(bounded.sessions <= 2);
        assert_eq!(waiting(&bed), bounded, "{shards} shards");
        assert!(bounded.connections < 2 * 64 * usize::from(shards));
        assert_eq!(before, Some(kept_by(&bed)));
        // Each session's own bound is reached, and it is said of what was dropped.
        assert!(bed.outcome(Outcome::DeliverQueueFull) > 100);
        assert!(bed.outcome(Outcome::DeliverStoreLost) > 0);
        assert_eq!(types(&mut bed, publisher), []);
        bed.check_books();
        bed.check_gauges();
    }
}

/// What had begun when the disk failed is not known to be there, nor is anything behind it.
#[test]
fn what_waits_for_another_shard_when_the_disk_fails_is_never_acknowledged() {
    let mut bed = Bed::durable(3);
    for number in 0..6 {
        let absent = bed.connect_keeping(V5, &format!("absent {number}"));
        bed.subscribe(absent, "t/#", QOS_2);
        bed.disconnect(absent);
    }
    let publisher = bed.connect_keeping(V5, "publisher");
    let others: Vec<ClientIx> = (0..12)
        .map(|number| bed.connect(V5, &format!("other {number}")))
        .collect();
    bed.is_mail_held = true;
    bed.store.is_held = true;
    bed.publish_as(publisher, "t/1", b"1", id(9));
    for (number, other) in others.iter().enumerate() {
        // Most are kept by another shard alone.
        bed.retain(*other, &format!("r/{number}"), b"x", QOS_1);
    }
    tell(&mut bed, StoreEvent::Failed);
    bed.release_mail();
    bed.pubrel(publisher, id(10));
    for client in others.into_iter().chain([publisher]) {
        assert_eq!(types(&mut bed, client), []);
    }
    // What needs no disk goes on.
    let other = bed.connect(V5, "other");
    bed.send(other, &Packet::PingReq);
    assert_eq!(types(&mut bed, other), [PacketType::PingResp]);
}

/// A full disk, and clients that do what they can to fill memory instead.
#[test]
fn while_the_disk_is_full_what_is_kept_has_a_bound_and_then_everything_goes_on() {
    let small = |limits: &mut Limits| {
        limits.store_waiting_bytes_max = 8192;
        limits.queue_messages_max = 20;
    };
    for shards in SHARDS {
        let mut bed = Bed::with(shards, small).with_store();
        let absent = bed.connect_keeping(V5, "absent");
        bed.subscribe(absent, "#", QOS_2);
        bed.disconnect(absent);
        let member = bed.connect_keeping(V5, "member");
        bed.subscribe(member, "$share/g/#", QOS_2);
        bed.disconnect(member);
        let publisher = bed.connect_keeping(V5, "publisher");
        bed.store.is_held = true;
        tell(&mut bed, StoreEvent::Full);
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..2_000 {
            let name = format!("client {}", round % 60);
            let options = keeping(V5, &name).clean(round % 60 < round / 60);
            let options = options.will("w", b"gone", QOS_2, round % 2 == 0);
            let (client, inbox) = bed.connect_raw(&options);
            match inbox.packets().first() {
                Some(Packet::ConnAck(ack)) if ack.reason == ReasonCode::Success => accepted += 1,
                Some(Packet::ConnAck(ack)) => {
                    assert_eq!(ack.reason, ReasonCode::ServerBusy);
                    refused += 1;
                }
                // The session before has to be gone from the disk.
                None => {}
                other => panic!("{other:?}"),
            }
            bed.drop_connection(client);
            // One that leaves nothing comes, has its input held, and goes.
            let fleeting = bed.connect(V5, "fleeting");
            bed.publish(fleeting, "t", b"x", QOS_1);
            bed.drop_connection(fleeting);
            // What others leave are Wills, which are retained: some by another shard than their own.
            let name = format!("mayfly {}", round % 8);
            let mayfly = ConnectOptions::new(V5, &name).will("w", &[b'x'; 500], QOS_0, true);
            let (mayfly, inbox) = bed.connect_raw(&mayfly);
            if let Some(Packet::ConnAck(ack)) = inbox.packets().first()
                && ack.reason == ReasonCode::ServerBusy
            {
                refused += 1;
            }
            bed.drop_connection(mayfly);
            bed.advance(1);
        }
        assert!(accepted > 20 && refused > 1_000, "{accepted}, {refused}");
        assert_eq!(bed.outcome(Outcome::ConnectStoreBusy), refused);
        let waits = waiting(&bed);
        let shards = usize::from(shards);
        assert!(waits.bytes < shards * (2 * 8192 + 1_000), "{waits:?}");
        assert!(waits.connections < 70 * shards, "{waits:?}");
        assert!(
            waits.sessions + waits.ended + waits.answers < 1_000,
            "{waits:?}"
        );
        bed.publish(publisher, "t", b"held", QOS_1);
        assert_eq!(types(&mut bed, publisher), []);

        bed.release_store();
        tell(&mut bed, StoreEvent::Room);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        let client = bed.resume(V5, "client 1");
        bed.subscribe(client, "t", QOS_2);
        bed.publish_exactly_once(publisher, "t", b"new");
        assert!(
            bed.finish(client)
                .iter()
                .any(|arrived| arrived.payload == "new")
        );
        bed.check_books();
        bed.check_gauges();
    }
}

/// Each repetition calls for an answer that waits for the disk.
#[test]
fn steps_that_come_again_wait_when_too_many_answers_do() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_2);
        let publisher = bed.connect_keeping(V5, "publisher");
        bed.publish_exactly_once(publisher, "t", b"x");
        bed.finish(publisher);
        let sent = id(bed.arrivals(subscriber)[0].packet_id.unwrap());
        bed.store.is_held = true;
        tell(&mut bed, StoreEvent::Full);
        // Something has to be on its way for them to wait for.
        bed.pubrec(subscriber, sent);
        let away = bed.connect_keeping(V5, "away");
        bed.drop_connection(away);
        for _ in 0..40 {
            let again = Packet::PubRec(Acknowledgement::success(sent));
            repeat(&mut bed, subscriber, &again, 5_000);
            let again = Packet::PubRel(Acknowledgement::success(id(9)));
            repeat(&mut bed, publisher, &again, 5_000);
        }
        let waits = waiting(&bed);
        assert!(waits.answers < usize::from(shards) * 65_700, "{waits:?}");
        assert_eq!(types(&mut bed, subscriber), []);

        bed.release_store();
        tell(&mut bed, StoreEvent::Room);
        let answers = types(&mut bed, subscriber);
        assert_eq!(answers, vec![PacketType::PubRel; 200_001]);
        bed.pubcomp(subscriber, sent);
        bed.publish_exactly_once(publisher, "t", b"y");
        let arrived = bed.finish(subscriber);
        assert_eq!(arrived[0].payload, "y");
        bed.check_books();
        bed.check_gauges();
    }
}

/// Whatever has a session look for what it may send, it waits once.
#[test]
fn a_session_that_holds_messages_back_waits_once() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let names = ["one", "two"];
        let subscribers = names.map(|name| bed.connect_keeping(V5, name));
        for subscriber in subscribers {
            bed.subscribe(subscriber, "t", QOS_2);
        }
        let publisher = bed.connect(V5, "publisher");
        for _ in 0..50 {
            bed.publish(publisher, "t", b"x", QOS_1);
        }
        let ids = subscribers.map(|subscriber| {
            let arrived = bed.arrivals(subscriber).into_iter();
            let ids = arrived.map(|of| id(of.packet_id.unwrap()));
            ids.collect::<Vec<_>>()
        });
        bed.store.is_held = true;
        bed.publish_as(publisher, "t", b"held", id(999));
        for at in 0..50 {
            for (subscriber, ids) in subscribers.iter().zip(&ids) {
                bed.puback(*subscriber, ids[at]);
            }
        }
        assert_eq!(waiting(&bed).sessions, 2, "{shards} shards");
        bed.release_store();
        for subscriber in subscribers {
            assert_eq!(bed.finish(subscriber)[0].payload, "held");
        }
    }
}

/// A session whose copies go to others, one after the other, would have each of them written anew.
#[test]
fn copies_that_change_hands_while_the_disk_is_full_are_written_within_a_bound() {
    let small = |limits: &mut Limits| limits.store_waiting_bytes_max = 8192;
    for shards in SHARDS {
        let mut bed = Bed::with(shards, small).with_store();
        let names: Vec<String> = (0..12).map(|number| format!("member {number}")).collect();
        for name in &names {
            let member = bed.connect_keeping(V5, name);
            bed.subscribe(member, "$share/g/s", QOS_1);
            bed.disconnect(member);
        }
        let publisher = bed.connect(V5, "publisher");
        for _ in 0..24 {
            bed.publish(publisher, "s", &[b'x'; 3000], QOS_1);
        }
        bed.store.is_held = true;
        tell(&mut bed, StoreEvent::Full);
        for name in names.iter().skip(1) {
            bed.command(Command::Disconnect {
                client_id: name.as_str().into(),
                end_session: true,
            });
        }
        let waits = waiting(&bed);
        let bytes_max = usize::from(shards) * (2 * 8192 + 6_000);
        assert!(waits.bytes < bytes_max && waits.copies > 0, "{waits:?}");
        bed.release_store();
        tell(&mut bed, StoreEvent::Room);
        let last = bed.resume(V5, &names[0]);
        assert_eq!(bed.finish(last).len(), 24, "{shards} shards");
        assert_eq!(waiting(&bed), StoreWaiting::default());
        bed.check_books();
        bed.check_gauges();
    }
}

/// Which copies are settled while others are not is noted when there is room: it makes none.
#[test]
fn what_makes_no_room_is_not_noted_while_the_disk_is_full() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let names: Vec<String> = (0..8).map(|number| format!("client {number}")).collect();
        let clients: Vec<ClientIx> = names
            .iter()
            .map(|name| {
                let client = bed.connect_keeping(V5, name);
                bed.subscribe(client, "t", QOS_1);
                client
            })
            .collect();
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "t", b"x", QOS_1);
        tell(&mut bed, StoreEvent::Full);
        let commits = bed.store.commits;
        for client in clients.iter().skip(1) {
            assert_eq!(bed.finish(*client).len(), 1);
            bed.advance(500);
        }
        // A message has a record on each shard, and what was the last copy there frees it.
        let released = bed.store.commits - commits;
        assert!(released < u64::from(shards), "{released}");
        tell(&mut bed, StoreEvent::Room);
        bed.advance(1_500);
        bed.crash(shards);
        let arrived: usize = names
            .iter()
            .map(|name| {
                let client = bed.resume(V5, name);
                bed.finish(client).len()
            })
            .sum();
        assert_eq!(arrived, 1, "{shards} shards");
    }
}

/// The bound on answers may be reached by those of other shards alone. When they have come nothing need be
/// written, so that the store has nothing to tell; whoever was held goes on all the same.
#[test]
fn who_was_held_for_the_answers_of_other_shards_goes_on_when_they_have_come() {
    let mut bed = Bed::with(3, |limits| {
        limits.queue_messages_max = 1;
        limits.queue_policy = QueuePolicy::DropNewest;
        limits.store_waiting_bytes_max = 1 << 30;
    })
    .with_store();
    let publishers = ["one", "two", "three", "four"].map(|name| bed.connect(V5, name));
    flood_with_answers(&mut bed, &publishers, 70_000);
    let held = bed.outcome(Outcome::PublishStoreWait);
    assert!(held > 0, "nobody was held");
    bed.release_mail();
    let answers = publishers.map(|publisher| types(&mut bed, publisher).len());
    assert_eq!(answers, [70_000; 4]);
}

/// Mail is held, and the shards of publishers wait for so many answers of others, none of which will be
/// written, for each of them.
fn flood_with_answers(bed: &mut Bed, publishers: &[ClientIx], count: usize) {
    // Whoever subscribes lives on another shard than one of these at least.
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "t", QOS_1);
    bed.disconnect(absent);
    // Its queue is full: what comes now is dropped, and answered without a record.
    bed.publish(publishers[0], "t", b"first", QOS_1);
    bed.take(publishers[0]);
    bed.is_mail_held = true;
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QOS_1,
        retain: false,
        topic: "t",
        packet_id: Some(id(9)),
        properties: Properties::default(),
        payload: b"x",
    });
    for publisher in publishers {
        for sent in (0..count).step_by(1_000) {
            repeat(bed, *publisher, &publish, 1_000.min(count - sent));
        }
    }
}

/// The same for copies that change hands: read back while too many answers were to come, they wait.
#[test]
fn copies_that_wait_for_the_answers_of_other_shards_change_hands_when_they_have_come() {
    const SHARDS: u16 = 3;
    let mut bed = Bed::with(SHARDS, |limits| {
        limits.queue_messages_max = 1;
        limits.queue_policy = QueuePolicy::DropNewest;
        limits.store_waiting_bytes_max = 1 << 30;
        limits.queue_memory_bytes_max = 0;
    })
    .with_store();
    let home = |name: &str| columba_broker::home_of(42, name, SHARDS);
    let near = |name: &str| home(name) == home("absent");
    let names: Vec<String> = (0..9).map(|number| format!("client {number}")).collect();
    let mut far = names.iter().filter(|name| !near(name));
    let first = far.next().expect("a client of another shard");
    let member = far.find(|name| home(name) == home(first));
    let member = member.expect("another one beside it");
    let publisher = bed.connect(V5, first);
    let leaver = bed.connect_keeping(V5, member);
    bed.subscribe(leaver, "$share/g/s", QOS_1);
    bed.disconnect(leaver);
    bed.publish(publisher, "s", b"shared", QOS_1);
    let other = bed.connect_keeping(V5, "other");
    bed.subscribe(other, "$share/g/s", QOS_1);
    // One more than may wait: nobody is held.
    flood_with_answers(&mut bed, &[publisher], (1 << 16) + 1);
    assert_eq!(bed.outcome(Outcome::PublishStoreWait), 0);
    bed.command(Command::Disconnect {
        client_id: member.as_str().into(),
        end_session: true,
    });
    assert_eq!(waiting(&bed).copies, 1);
    bed.release_mail();
    assert_eq!(waiting(&bed), StoreWaiting::default());
    assert_eq!(bed.payloads(other), ["shared"]);
    bed.check_books();
    bed.check_gauges();
}

/// Only the shard that keeps a retained message would write it: it may be another one than its publisher's.
#[test]
fn who_publishes_retained_messages_is_held_wherever_they_are_kept() {
    const COUNT: usize = 600;
    for shards in SHARDS {
        let small = |limits: &mut Limits| limits.store_waiting_bytes_max = 8192;
        let mut bed = Bed::with(shards, small).with_store();
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        for number in 0..COUNT {
            // What is cleared while it is on its way leaves a record as well.
            let payload: &[u8] = if number % 3 == 0 { b"" } else { &[b'x'; 100] };
            bed.retain(publisher, &format!("t/{}", number / 2), payload, QOS_0);
        }
        let waits = waiting(&bed);
        assert!(waits.bytes < 8192 + 1_000, "{waits:?}");
        assert_eq!(waits.connections, 1, "{shards} shards");

        bed.release_store();
        assert_eq!(waiting(&bed), StoreWaiting::default());
        bed.crash(shards);
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "t/#", QOS_0);
        let kept = (0..COUNT / 2).filter(|number| (number * 2 + 1) % 3 != 0);
        assert_eq!(bed.payloads(subscriber).len(), kept.count());
    }
}

/// Nobody waits for what has no answer, and whatever comes behind it need not either.
#[test]
fn a_retained_message_that_is_cleared_at_qos_0_holds_up_nobody() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..6 {
            bed.retain(publisher, &format!("t/{number}"), b"x", QOS_1);
        }
        bed.take(publisher);
        bed.store.is_held = true;
        for number in 0..6 {
            bed.retain(publisher, &format!("t/{number}"), b"", QOS_0);
        }
        assert_eq!(waiting(&bed).answers, 0, "{shards} shards");
        bed.publish(publisher, "to nobody", b"x", QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
    }
}
