//! What a client may still say while a packet of it waits for a store that takes nothing.

mod bed;

use bed::exchange::{QOS_1, SHARDS, id, keeping, options};
use bed::{Bed, ClientIx, V5};
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_broker::recorder::Line;
use columba_codec::packet::{Acknowledgement, Disconnect, Publish};
use columba_codec::{Packet, PacketType, Properties, PropertyId, ReasonCode, Value};

/// Messages that wait for the client that comes back.
const BACKLOG: usize = 30;

/// A disk that is full, as far as shards notice, and a client that comes back to its messages.
fn full_disk(shards: u16) -> (Bed, ClientIx) {
    let mut bed = Bed::with(shards, |limits| limits.store_waiting_bytes_max = 65_536).with_store();
    let away = bed.connect_keeping(V5, "away");
    bed.subscribe(away, "t", QOS_1);
    bed.disconnect(away);
    let publishers = ["one", "two", "three", "four"].map(|name| bed.connect(V5, name));
    for number in 0..BACKLOG {
        publish(&mut bed, publishers[0], number as u16 + 1);
        bed.finish(publishers[0]);
    }
    bed.store.is_held = true;
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, StoreEvent::Full);
    }
    // Each is held as soon as its shard has more than it may.
    for number in 0..100 {
        for publisher in publishers {
            publish(&mut bed, publisher, number + 1);
        }
    }
    let four = Value::U16(4);
    let options = keeping(V5, "away").clean(false);
    let away = bed.connect_with(&options.property(PropertyId::ReceiveMaximum, four));
    (bed, away)
}

fn publish(bed: &mut Bed, client: ClientIx, packet_id: u16) {
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QOS_1,
        retain: false,
        topic: "t",
        packet_id: Some(id(packet_id)),
        properties: Properties::default(),
        payload: &[b'x'; 1000],
    });
    bed.send(client, &publish);
}

/// Answers all that comes; how many messages came, and the types of what calls for no answer.
fn take_all(bed: &mut Bed, client: ClientIx, is_in_crumbs: bool) -> (usize, Vec<PacketType>) {
    let (mut messages, mut others) = (0, Vec::new());
    loop {
        let inbox = bed.take(client);
        let packets = inbox.packets();
        if packets.is_empty() {
            return (messages, others);
        }
        let mut bytes = Vec::new();
        for packet in &packets {
            let packet_id = match packet {
                Packet::Publish(publish) => publish.packet_id,
                _ => None,
            };
            let Some(packet_id) = packet_id else {
                others.push(packet.packet_type());
                continue;
            };
            messages += 1;
            let answer = Packet::PubAck(Acknowledgement::success(packet_id));
            answer.encode(V5, &mut bytes).expect("short");
        }
        assert!(bed.takes_input(client));
        let len = if is_in_crumbs { 1 } else { bytes.len().max(1) };
        for part in bytes.chunks(len) {
            bed.send_raw(client, part);
        }
    }
}

/// Whether the flight recorder has something that happened to a client.
fn has_event(bed: &mut Bed, outcome: Outcome, client: &str) -> bool {
    let recordings = bed.recordings();
    let chunks = recordings.iter().flat_map(|of| &of.chunks);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    let mut entries = lines.filter_map(|line| match line.expect("a line") {
        Line::Entry(entry) => Some(entry),
        Line::Gap { .. } => None,
    });
    entries.any(|entry| entry.outcome == outcome && entry.facts.client == client)
}

fn has_room(bed: &mut Bed) {
    bed.release_store();
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, StoreEvent::Room);
    }
}

/// As nearly every client does when it connects again.
#[test]
fn who_subscribes_again_while_the_disk_is_full_gets_and_acknowledges_what_waits() {
    for shards in SHARDS {
        for is_in_crumbs in [false, true] {
            let (mut bed, away) = full_disk(shards);
            let held = bed.outcome(Outcome::PublishStoreWait);
            bed.send_subscribe(away, id(9), &[("t", options(QOS_1))], Properties::EMPTY);
            assert_eq!(bed.outcome(Outcome::PublishStoreWait), held + 1);
            assert!(has_event(&mut bed, Outcome::PublishStoreWait, "away"));
            assert!(has_event(&mut bed, Outcome::BrokerDiskFull, ""));
            bed.send(away, &Packet::PingReq);
            let (messages, others) = take_all(&mut bed, away, is_in_crumbs);
            assert!(messages >= BACKLOG, "{messages} of {shards} shards");
            assert_eq!(others, [PacketType::PingResp]);

            has_room(&mut bed);
            let (_, others) = take_all(&mut bed, away, is_in_crumbs);
            assert_eq!(others, [PacketType::SubAck]);
            assert!(has_event(&mut bed, Outcome::BrokerDiskRoom, ""));
            bed.check_books();
            bed.check_gauges();
        }
    }
}

/// Who publishes and subscribes on one connection; its packets keep their order.
#[test]
fn who_publishes_while_the_disk_is_full_acknowledges_what_it_gets() {
    for shards in SHARDS {
        let (mut bed, away) = full_disk(shards);
        for number in 1..=3 {
            publish(&mut bed, away, number);
            bed.send(away, &Packet::PingReq);
        }
        let (messages, others) = take_all(&mut bed, away, false);
        assert!(messages >= BACKLOG);
        assert_eq!(others, [PacketType::PingResp; 3]);
        has_room(&mut bed);
        let (_, others) = take_all(&mut bed, away, false);
        assert_eq!(others, [PacketType::PubAck; 3]);
        bed.check_books();
        bed.check_gauges();
    }
}

/// What is looked through has a bound; it is all there when it goes on.
#[test]
fn input_behind_what_waits_has_a_bound() {
    let (mut bed, away) = full_disk(1);
    let mut sent = 0;
    while bed.takes_input(away) {
        sent += 1;
        assert!(sent < 200, "there is no bound");
        publish(&mut bed, away, sent);
    }
    assert!(sent > 1, "{sent}");
    has_room(&mut bed);
    let (_, others) = take_all(&mut bed, away, false);
    assert_eq!(others, vec![PacketType::PubAck; usize::from(sent)]);
}

/// What it said before its end is served before.
#[test]
fn the_end_of_a_connection_does_not_overtake_what_waits() {
    let (mut bed, away) = full_disk(1);
    publish(&mut bed, away, 1);
    let disconnect = Packet::Disconnect(Disconnect {
        reason: ReasonCode::Success,
        properties: Properties::EMPTY,
    });
    bed.send(away, &disconnect);
    bed.send(away, &Packet::PingReq);
    let others = take_all(&mut bed, away, false).1;
    assert_eq!((others, bed.is_closed(away)), (vec![], false));
    let before = bed.outcome(Outcome::PublishAccepted);
    has_room(&mut bed);
    assert!(bed.is_closed(away));
    assert!(bed.outcome(Outcome::PublishAccepted) > before);
}
