//! Who waits for an acknowledgement of what was taken before the disk was found full or failed.

mod bed;

use bed::exchange::{QOS_1, SHARDS};
use bed::{Bed, ClientIx, V5};
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request, SessionsQuery, WaitingOn};
use columba_broker::recorder::Line;
use columba_codec::packet::Publish;
use columba_codec::{Packet, PacketId, PacketType, Properties, QoS};

/// What was taken before the disk was found full waits for its answer, what comes later waits itself.
#[test]
fn who_waits_for_an_answer_on_a_full_disk_counts_among_those_that_wait() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_1);
        let idle = bed.connect(V5, "idle");
        let publishers = ["one", "two"].map(|name| bed.connect(V5, name));
        bed.store.is_held = true;
        bed.publish(publishers[0], "t", b"1", QOS_1);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Full);
        }
        assert_eq!(bed.outcome(Outcome::PublishAnswerWait), 1);
        assert_eq!(
            recorded_waits(&mut bed),
            [("one".to_owned(), "t: the disk is full".to_owned())]
        );
        bed.publish(publishers[1], "t", b"1", QOS_1);
        assert_eq!(bed.outcome(Outcome::PublishStoreWait), 1);
        assert_eq!(bed.outcome(Outcome::PublishAnswerWait), 1);
        assert_eq!(types(&mut bed, publishers[0]), []);
        assert_eq!(connections_held(&mut bed), 2);
        assert_eq!(waiting_on_disk(&mut bed), ["one", "two"]);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Room);
        }
        bed.release_store();
        for publisher in publishers {
            assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        }
        assert_eq!(connections_held(&mut bed), 0);
        bed.take(idle);
    }
}

/// The same where the disk fails at once, and once alone where it was full before.
#[test]
fn who_waits_for_an_answer_when_the_disk_fails_is_told_of() {
    for shards in SHARDS {
        for was_full in [false, true] {
            let mut bed = Bed::durable(shards);
            let subscriber = bed.connect_keeping(V5, "subscriber");
            bed.subscribe(subscriber, "t", QOS_1);
            let publisher = bed.connect(V5, "publisher");
            bed.store.is_held = true;
            bed.publish(publisher, "t", b"1", QOS_1);
            for event in [StoreEvent::Full, StoreEvent::Failed] {
                for shard in 0..usize::from(shards) {
                    if was_full || event == StoreEvent::Failed {
                        bed.store_event(shard, event);
                    }
                }
            }
            let detail = match was_full {
                true => "t: the disk is full",
                false => "t: the disk has failed",
            };
            let told = [("publisher".to_owned(), detail.to_owned())];
            assert_eq!(recorded_waits(&mut bed), told);
            assert_eq!(bed.outcome(Outcome::PublishAnswerWait), 1);
            assert_eq!(bed.outcome(Outcome::PublishStoreWait), 0);
            assert_eq!(connections_held(&mut bed), 1);
        }
    }
}

/// Several messages, each by its packet id, and the last one alone where a packet id was used before.
#[test]
fn each_message_whose_acknowledgement_waits_for_the_disk_is_named() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_1);
        let publisher = bed.connect(V5, "publisher");
        let send = |bed: &mut Bed, topic: &str, id: u16, qos| {
            let packet = Packet::Publish(Publish {
                dup: false,
                qos,
                retain: false,
                topic,
                packet_id: PacketId::new(id),
                properties: Properties::EMPTY,
                payload: b"1",
            });
            bed.send(publisher, &packet);
        };
        send(&mut bed, "before", 1, QOS_1);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        bed.store.is_held = true;
        send(&mut bed, "a", 1, QOS_1);
        send(&mut bed, "b", 2, QoS::ExactlyOnce);
        bed.publish(publisher, "c", b"0", QoS::AtMostOnce);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Full);
        }
        let told = ["a: the disk is full", "b: the disk is full"];
        let told = told.map(|text| ("publisher".to_owned(), text.to_owned()));
        assert_eq!(recorded_waits(&mut bed), told);
        assert_eq!(bed.outcome(Outcome::PublishAnswerWait), 2);
    }
}

/// A client that has very much on its way does not fill the record: the newest are named, all are counted.
#[test]
fn of_many_messages_of_one_client_whose_acknowledgements_wait_the_newest_are_named() {
    const SENT: u64 = 40;
    const NAMED: u64 = 16;
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_1);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        for number in 1..=SENT {
            bed.publish(publisher, &format!("t/{number}"), b"1", QOS_1);
        }
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Full);
        }
        let named = (SENT - NAMED + 1..=SENT).map(|number| format!("t/{number}: the disk is full"));
        let told: Vec<_> = named.map(|text| ("publisher".to_owned(), text)).collect();
        assert_eq!(recorded_waits(&mut bed), told);
        assert_eq!(bed.outcome(Outcome::PublishAnswerWait), SENT);
    }
}

/// Whose acknowledgement waits for the store by the record, of what, and for what.
fn recorded_waits(bed: &mut Bed) -> Vec<(String, String)> {
    let recordings = bed.recordings();
    let chunks = recordings.iter().flat_map(|of| &of.chunks);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    let waits = lines.filter_map(|line| match line.expect("a line") {
        Line::Entry(entry) if entry.outcome == Outcome::PublishAnswerWait => {
            let told = format!("{}: {}", entry.facts.topic, entry.facts.detail);
            Some((entry.facts.client.to_owned(), told))
        }
        Line::Entry(_) | Line::Gap { .. } => None,
    });
    waits.collect()
}

fn waiting_on_disk(bed: &mut Bed) -> Vec<String> {
    let mut waiting = Vec::new();
    for shard in 0..bed.shards.len() {
        let query = SessionsQuery {
            waiting_on: Some(WaitingOn::Disk),
            rows_max: 100,
            ..SessionsQuery::default()
        };
        let Answer::Sessions(page) = bed.request(shard, Request::Sessions(query)) else {
            panic!("no sessions");
        };
        let names = page.rows.iter().map(|row| row.key.client_id.to_string());
        waiting.extend(names);
    }
    waiting.sort();
    waiting
}

fn connections_held(bed: &mut Bed) -> u64 {
    let mut held = 0;
    for shard in 0..bed.shards.len() {
        let Answer::Stats(stats) = bed.request(shard, Request::Stats) else {
            panic!("no stats");
        };
        held += stats.connections_held;
    }
    held
}

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}
