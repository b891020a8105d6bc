//! What goes on while the store takes nothing: a packet that would have nothing to store.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, keeping, options, properties};
use bed::{Bed, ClientIx, V5, V311};
use columba_broker::Shard;
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Condition, PublishRequest, Request};
use columba_codec::packet::Publish;
use columba_codec::{
    Packet, PacketType, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value,
};

/// What keeps the store from taking more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Full,
    Failed,
    Slow,
}

const DISKS: [Disk; 3] = [Disk::Full, Disk::Failed, Disk::Slow];

const WAITING_BYTES_MAX: usize = 4096;

/// Somebody who lasts and is away has `kept/#`, somebody who does not has `live/#`. To tell them apart
/// takes the trie: both filters have wildcards.
fn bed(shards: u16) -> (Bed, ClientIx) {
    let small = |limits: &mut columba_broker::limits::Limits| {
        limits.store_waiting_bytes_max = WAITING_BYTES_MAX;
    };
    let mut bed = Bed::with(shards, small).with_store();
    let away = bed.connect_keeping(V5, "away");
    bed.subscribe(away, "kept/#", QOS_1);
    bed.disconnect(away);
    let reader = bed.connect(V5, "reader");
    bed.subscribe(reader, "live/#", QOS_2);
    (bed, reader)
}

/// From now on the store takes nothing.
fn stall(bed: &mut Bed, disk: Disk) {
    bed.store.is_held = true;
    match disk {
        Disk::Full => tell(bed, StoreEvent::Full),
        Disk::Failed => tell(bed, StoreEvent::Failed),
        Disk::Slow => {
            // Somebody on each shard publishes more than may wait there.
            for number in 0..16 {
                let filler = bed.connect(V5, &format!("filler {number}"));
                for _ in 0..8 {
                    bed.publish(filler, "kept/x", &[b'x'; 1000], QOS_1);
                }
            }
            let bytes = bed.shards.iter().map(|of| of.store_waiting().bytes);
            assert!(bytes.min() > Some(WAITING_BYTES_MAX), "a shard has room");
        }
    }
}

/// It takes everything again.
fn relieve(bed: &mut Bed, disk: Disk) {
    assert_ne!(disk, Disk::Failed);
    bed.release_store();
    if disk == Disk::Full {
        tell(bed, StoreEvent::Room);
    }
}

fn tell(bed: &mut Bed, event: StoreEvent) {
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, event);
    }
}

fn held(bed: &Bed) -> u64 {
    bed.outcome(Outcome::PublishStoreWait)
}

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

fn check(bed: &Bed, shards: u16, disk: Disk) {
    bed.check_books();
    bed.check_gauges();
    let waiting: usize = bed
        .shards
        .iter()
        .map(|of: &Shard| of.store_waiting().bytes)
        .sum();
    assert!(
        waiting < usize::from(shards) * 2 * WAITING_BYTES_MAX,
        "{disk:?}"
    );
}

#[test]
fn a_message_that_nobody_keeps_does_not_wait_for_a_disk_that_takes_nothing() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, reader) = bed(shards);
        let lasting = bed.connect_keeping(V5, "lasting");
        stall(&mut bed, disk);
        let before = held(&bed);
        let (new, old) = (bed.connect(V5, "new"), bed.connect(V311, "old"));
        for publisher in [new, old, lasting] {
            bed.publish(publisher, "live/1", b"one", QOS_1);
            assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
            bed.publish_exactly_once(publisher, "live/2", b"two");
            let answers = [PacketType::PubRec, PacketType::PubComp];
            assert_eq!(types(&mut bed, publisher), answers);
            let arrived = bed.finish(reader).into_iter();
            let arrived: Vec<String> = arrived.map(|of| of.payload).collect();
            assert_eq!(arrived, ["one", "two"], "{disk:?}, {shards} shards");
            // Nobody has it at all.
            bed.publish(publisher, "nowhere", b"", QOS_1);
            assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        }
        assert_eq!(held(&bed), before);
        check(&bed, shards, disk);
    }
}

/// What an alias stands for is looked up for a packet that is not taken yet; one that was not set has no topic.
#[test]
fn the_topic_of_an_alias_decides_whether_a_message_waits() {
    let alias = |number| properties(&[(PropertyId::TopicAlias, Value::U16(number))]);
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, reader) = bed(shards);
        let publisher = bed.connect(V5, "publisher");
        let send = |bed: &mut Bed, topic: &str, number| {
            let alias = alias(number);
            bed.publish_with(publisher, topic, b"", QOS_1, false, alias.as_properties());
        };
        send(&mut bed, "live/1", 1);
        send(&mut bed, "kept/1", 2);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck; 2]);
        stall(&mut bed, disk);
        let before = held(&bed);
        send(&mut bed, "", 1);
        send(&mut bed, "live/3", 2);
        send(&mut bed, "", 2);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck; 3]);
        assert_eq!(bed.finish(reader).len(), 4);
        send(&mut bed, "kept/1", 1);
        assert_eq!(types(&mut bed, publisher), []);
        assert_eq!(held(&bed), before + 1, "{disk:?}, {shards} shards");

        let stranger = bed.connect(V5, "stranger");
        let unset = alias(7);
        bed.publish_with(stranger, "", b"", QOS_1, false, unset.as_properties());
        bed.assert_closed_after(stranger, ReasonCode::TopicAliasInvalid);
        check(&bed, shards, disk);
    }
}

#[test]
fn whoever_does_not_last_subscribes_and_unsubscribes_although_the_disk_takes_nothing() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, _) = bed(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "live/state", b"retained", QOS_1);
        bed.take(publisher);
        stall(&mut bed, disk);
        let before = held(&bed);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "live/+", QOS_1);
        assert_eq!(bed.finish(client)[0].payload, "retained");
        bed.publish(publisher, "live/1", b"new", QOS_1);
        assert_eq!(bed.finish(client)[0].payload, "new");
        assert_eq!(bed.unsubscribe(client, "live/+"), [0]);
        bed.publish(publisher, "live/1", b"newer", QOS_1);
        assert_eq!(bed.finish(client), []);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck; 2]);
        // Somebody who lasts has it as well: what they are sent is stored.
        bed.subscribe(client, "kept/+", QOS_1);
        bed.publish(publisher, "kept/1", b"kept", QOS_1);
        assert_eq!(types(&mut bed, client), []);
        assert_eq!(held(&bed), before + 1, "{disk:?}, {shards} shards");
        check(&bed, shards, disk);
    }
}

/// A packet that waits, and what answers it.
type Waiting = (&'static str, fn(&mut Bed, ClientIx), PacketType);

#[test]
fn what_has_to_be_stored_waits_for_a_disk_that_takes_nothing() {
    let cases: [Waiting; 7] = [
        (
            "QoS 1",
            |bed, client| {
                bed.publish(client, "kept/1", b"", QOS_1);
            },
            PacketType::PubAck,
        ),
        (
            "QoS 2",
            |bed, client| {
                bed.publish(client, "kept/1", b"", QOS_2);
            },
            PacketType::PubRec,
        ),
        (
            "retained",
            |bed, client| bed.retain(client, "live/1", b"x", QOS_1),
            PacketType::PubAck,
        ),
        (
            "cleared",
            |bed, client| bed.retain(client, "live/state", b"", QOS_1),
            PacketType::PubAck,
        ),
        (
            "retained at QoS 0",
            |bed, client| bed.retain(client, "live/1", b"x", QOS_0),
            PacketType::PubAck,
        ),
        (
            "SUBSCRIBE",
            |bed, client| {
                let filters = [("live/#", options(QOS_0))];
                bed.send_subscribe(client, id(5), &filters, Properties::EMPTY);
            },
            PacketType::SubAck,
        ),
        (
            "UNSUBSCRIBE",
            |bed, client| bed.send_unsubscribe(client, id(5), &["nothing"]),
            PacketType::UnsubAck,
        ),
    ];
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, reader) = bed(shards);
        let other = bed.connect(V5, "other");
        bed.retain(other, "live/state", b"retained", QOS_1);
        bed.finish(reader);
        let clients = cases.map(|(name, ..)| bed.connect_keeping(V5, name));
        stall(&mut bed, disk);
        for ((name, send, _), client) in cases.iter().zip(clients) {
            let before = held(&bed);
            send(&mut bed, client);
            assert_eq!(held(&bed), before + 1, "{name}, {disk:?}, {shards} shards");
            // Everything behind it on its connection waits too.
            bed.publish(client, "live/2", b"behind", QOS_1);
            assert_eq!(types(&mut bed, client), [], "{name}");
        }
        assert_eq!(bed.finish(reader), []);
        if disk == Disk::Failed {
            continue;
        }
        relieve(&mut bed, disk);
        for ((name, _, answer), client) in cases.iter().zip(clients) {
            let answers = types(&mut bed, client);
            assert!(answers.contains(answer), "{name}: {answers:?}");
            assert!(answers.contains(&PacketType::PubAck), "{name}: {answers:?}");
        }
        let behind = bed.finish(reader).into_iter();
        let behind = behind.filter(|of| of.payload == "behind");
        assert_eq!(behind.count(), cases.len());
        check(&bed, shards, disk);
    }
}

/// So many that all shards have some.
const MEMBERS: usize = 8;

/// Members of `$share/g/jobs/#` and publishers, each of them on several shards if there are several.
fn with_group(bed: &mut Bed) -> (Vec<ClientIx>, Vec<ClientIx>) {
    let named = |bed: &mut Bed, what: &str| -> Vec<ClientIx> {
        let names = (0..MEMBERS).map(|number| format!("{what} {number}"));
        names.map(|name| bed.connect(V5, &name)).collect()
    };
    let members = named(bed, "member");
    for member in &members {
        bed.subscribe(*member, "$share/g/jobs/#", QOS_2);
    }
    (members, named(bed, "publisher"))
}

#[test]
fn a_message_for_a_group_without_a_member_who_lasts_goes_on() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, _) = bed(shards);
        let (members, publishers) = with_group(&mut bed);
        stall(&mut bed, disk);
        for publisher in publishers {
            bed.publish(publisher, "jobs/1", b"", QOS_1);
            assert_eq!(types(&mut bed, publisher), [PacketType::PubAck], "{disk:?}");
            bed.publish_exactly_once(publisher, "jobs/2", b"");
            let answers = [PacketType::PubRec, PacketType::PubComp];
            assert_eq!(types(&mut bed, publisher), answers, "{shards} shards");
        }
        let arrived = members.iter().map(|member| bed.finish(*member).len());
        assert_eq!(arrived.sum::<usize>(), 2 * MEMBERS);
        check(&bed, shards, disk);
    }
}

/// A member who lasts may be given the message, wherever it and the publisher are.
#[test]
fn a_message_for_a_group_with_a_member_who_lasts_waits() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, _) = bed(shards);
        let (members, publishers) = with_group(&mut bed);
        let lasting = bed.connect_keeping(V5, "lasting");
        bed.subscribe(lasting, "$share/g/jobs/#", QOS_2);
        stall(&mut bed, disk);
        let before = held(&bed);
        for publisher in &publishers {
            bed.publish(*publisher, "jobs/1", b"", QOS_1);
            assert_eq!(types(&mut bed, *publisher), [], "{disk:?}, {shards} shards");
        }
        assert_eq!(held(&bed), before + MEMBERS as u64);
        if disk == Disk::Failed {
            continue;
        }
        relieve(&mut bed, disk);
        for publisher in &publishers {
            assert_eq!(types(&mut bed, *publisher), [PacketType::PubAck]);
        }
        let arrived = members.iter().map(|member| bed.finish(*member).len());
        let arrived = arrived.sum::<usize>() + bed.finish(lasting).len();
        assert_eq!(arrived, MEMBERS);
        check(&bed, shards, disk);
    }
}

/// After a start the shards know of it as before.
#[test]
fn a_group_with_a_member_who_lasts_has_one_after_a_start() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, _) = bed(shards);
        let lasting = bed.connect_keeping(V5, "lasting");
        bed.subscribe(lasting, "$share/g/jobs/#", QOS_2);
        bed.crash(shards);
        let (_, publishers) = with_group(&mut bed);
        stall(&mut bed, disk);
        for publisher in publishers {
            bed.publish(publisher, "jobs/1", b"", QOS_1);
            assert_eq!(types(&mut bed, publisher), [], "{disk:?}, {shards} shards");
        }
    }
}

/// [MQTT-v311-4.6.0-2]
#[test]
fn what_goes_on_is_answered_behind_what_waits_for_its_answer() {
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, reader) = bed(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        let first = bed.publish(publisher, "kept/1", b"kept", QOS_1);
        stall(&mut bed, disk);
        let second = bed.publish(publisher, "live/1", b"live", QOS_1);
        assert_eq!(bed.finish(reader)[0].payload, "live");
        assert_eq!(types(&mut bed, publisher), [], "{disk:?}, {shards} shards");
        if disk == Disk::Failed {
            // Nor ever; but whoever comes anew is answered.
            let again = bed.connect(V5, "again");
            bed.publish(again, "live/1", b"live", QOS_1);
            assert_eq!(types(&mut bed, again), [PacketType::PubAck]);
            continue;
        }
        relieve(&mut bed, disk);
        let inbox = bed.take(publisher);
        let ids: Vec<_> = inbox
            .packets()
            .iter()
            .map(|packet| match packet {
                Packet::PubAck(ack) => Some(ack.packet_id),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, [first, second]);
        check(&bed, shards, disk);
    }
}

/// Whoever waits for one answer could have as many more of them kept as there may be in all.
#[test]
fn answers_behind_one_that_waits_have_a_bound_for_each_connection() {
    const COUNT: usize = 1_000;
    for shards in SHARDS {
        let (mut bed, reader) = bed(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        bed.publish(publisher, "kept/1", b"kept", QOS_1);
        stall(&mut bed, Disk::Full);
        let publish = Packet::Publish(Publish {
            dup: false,
            qos: QOS_1,
            retain: false,
            topic: "live/1",
            packet_id: Some(id(9)),
            properties: Properties::EMPTY,
            payload: b"",
        });
        let mut bytes = Vec::new();
        publish.encode(V5, &mut bytes).expect("short");
        bed.send_raw(publisher, &bytes.repeat(COUNT));
        let taken = bed.finish(reader).len();
        assert!((32..=64).contains(&taken), "{taken} of {shards} shards");
        let other = bed.connect(V5, "other");
        bed.publish(other, "live/1", b"", QOS_1);
        assert_eq!(types(&mut bed, other), [PacketType::PubAck]);
        relieve(&mut bed, Disk::Full);
        assert_eq!(types(&mut bed, publisher).len(), COUNT + 1);
        assert_eq!(bed.finish(reader).len(), COUNT + 1 - taken);
        check(&bed, shards, Disk::Full);
    }
}

/// Its SUBACK would say that the subscription survives, as would the PUBACKs of what is sent to it.
#[test]
fn a_session_that_lasts_and_begins_when_the_disk_has_failed_is_promised_nothing() {
    for shards in SHARDS {
        let (mut bed, _) = bed(shards);
        stall(&mut bed, Disk::Failed);
        let lasting = bed.connect_keeping(V5, "lasting");
        let filters = [("late/#", options(QOS_1))];
        bed.send_subscribe(lasting, id(5), &filters, Properties::EMPTY);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "late/1", b"", QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        assert_eq!(types(&mut bed, lasting), []);
        // Nor does a session become one that lasts with what it was granted before.
        let fleeting = bed.connect(V5, "fleeting");
        bed.subscribe(fleeting, "late/#", QOS_1);
        let resumed = bed.connect_with(&keeping(V5, "fleeting").clean(false));
        bed.publish(publisher, "late/2", b"", QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        assert_eq!(types(&mut bed, resumed), []);
        check(&bed, shards, Disk::Failed);
    }
}

#[test]
fn operators_publish_what_nobody_keeps_although_the_disk_takes_nothing() {
    let publish = |topic: &str, qos, retain| {
        Request::Publish(Box::new(PublishRequest {
            topic: topic.into(),
            payload: b"x"[..].into(),
            qos,
            retain,
            expiry_secs: None,
            properties: PropertiesBuf::new(),
            condition: Condition::None,
        }))
    };
    for (shards, disk) in SHARDS
        .into_iter()
        .flat_map(|of| DISKS.map(|disk| (of, disk)))
    {
        let (mut bed, reader) = bed(shards);
        stall(&mut bed, disk);
        let requests = [
            ("live/1", QOS_1, false, true),
            ("live/1", QOS_2, false, true),
            ("live/1", QOS_1, true, false),
            ("live/1", QOS_0, true, false),
            ("kept/1", QOS_1, false, false),
        ];
        for (topic, qos, retain, goes_on) in requests {
            let answer = bed.request_home(topic, publish(topic, qos, retain));
            let is_right = match answer {
                Answer::Published { is_matched } => goes_on && is_matched,
                Answer::Busy => !goes_on,
                _ => false,
            };
            assert!(is_right, "{topic}, {disk:?}, {shards} shards: {answer:?}");
        }
        assert_eq!(bed.finish(reader).len(), 2);
        check(&bed, shards, disk);
    }
}

/// What a session that lasts gets at QoS 0 is never stored.
#[test]
fn a_subscription_at_qos_0_keeps_nothing() {
    for disk in DISKS {
        let (mut bed, reader) = bed(1);
        let lasting = bed.connect_keeping(V5, "lasting");
        bed.subscribe(lasting, "live/#", QoS::AtMostOnce);
        stall(&mut bed, disk);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "live/1", b"", QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck], "{disk:?}");
        assert_eq!(bed.finish(reader).len() + bed.finish(lasting).len(), 2);
    }
}

/// The filter's other subscribers stay.
#[test]
fn a_message_goes_on_when_the_last_one_who_lasts_has_left() {
    for disk in DISKS {
        let (mut bed, reader) = bed(1);
        let lasting = bed.connect_keeping(V5, "lasting");
        bed.subscribe(lasting, "live/#", QOS_1);
        bed.unsubscribe(lasting, "live/#");
        stall(&mut bed, disk);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "live/1", b"", QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck], "{disk:?}");
        assert_eq!(bed.finish(reader).len(), 1);
    }
}

/// To look for one who lasts among many who do not takes time that others are to have.
#[test]
fn looking_for_one_who_lasts_counts_as_work() {
    const COUNT: usize = 50;
    let mut bed = Bed::with(1, |limits| limits.match_steps_max = 100).with_store();
    let lasting = bed.connect_keeping(V5, "lasting");
    bed.subscribe(lasting, "live", QoS::AtMostOnce);
    for number in 0..200 {
        let reader = bed.connect(V5, &format!("reader {number}"));
        bed.subscribe(reader, "live", QoS::AtMostOnce);
    }
    let publisher = bed.connect(V5, "publisher");
    stall(&mut bed, Disk::Full);
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QOS_1,
        retain: false,
        topic: "live",
        packet_id: Some(id(9)),
        properties: Properties::EMPTY,
        payload: b"",
    });
    let mut bytes = Vec::new();
    publish.encode(V5, &mut bytes).expect("short");
    bed.is_work_held = true;
    bed.send_raw(publisher, &bytes.repeat(COUNT));
    for taken in 1..=COUNT {
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck], "{taken}");
        assert_eq!(bed.turn(), taken < COUNT);
    }
}
