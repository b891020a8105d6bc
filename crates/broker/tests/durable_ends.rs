//! Crashes in the middle of something: replays, answers that come again, ends that are on their way.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS, id};
use bed::{Bed, ClientIx, V5, V311};
use columba_broker::access::Action;
use columba_codec::packet::Publish;
use columba_codec::{Packet, PacketType, Properties, QoS};

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

#[test]
fn a_message_that_a_retained_one_goes_before_is_stored_as_itself() {
    let one_step = |limits: &mut columba_broker::limits::Limits| limits.retained_steps_max = 1;
    let topics = ["t/1", "t/2", "t/3", "t/4", "t/5"];
    for shards in SHARDS {
        let mut bed = Bed::with(shards, one_step).with_store();
        let publisher = bed.connect(V5, "publisher");
        for topic in topics {
            bed.retain(publisher, topic, b"retained", QOS_1);
        }
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.is_work_held = true;
        bed.subscribe(subscriber, "t/#", QOS_2);
        for topic in topics {
            bed.publish(publisher, topic, b"new", QOS_2);
        }
        bed.crash(shards);
        let subscriber = bed.resume(V5, "subscriber");
        let arrived = bed.finish(subscriber);
        let is_new = |of: &&bed::exchange::Arrived| of.payload == "new";
        let mut new: Vec<_> = arrived
            .iter()
            .filter(is_new)
            .map(|of| of.topic.as_str())
            .collect();
        new.sort_unstable();
        assert_eq!(new, topics, "{shards} shards");
    }
}

#[test]
fn answers_to_messages_that_come_again_keep_their_order() {
    // MQTT-4.6.0-3
    let mut bed = Bed::durable(3);
    for number in 0..6 {
        let absent = bed.connect_keeping(V5, &format!("absent {number}"));
        bed.subscribe(absent, "t/#", QOS_2);
        bed.disconnect(absent);
    }
    let publisher = bed.connect_keeping(V5, "publisher");
    bed.publish_as(publisher, "other", b"2", id(2));
    bed.publish(publisher, "t/0", b"0", QOS_1);
    bed.is_mail_held = true;
    bed.publish_as(publisher, "t/1", b"1", id(1));
    bed.drop_connection(publisher);
    let publisher = bed.resume(V5, "publisher");
    bed.publish_as(publisher, "t/1", b"1", id(1));
    bed.publish_as(publisher, "other", b"2", id(2));
    assert_eq!(types(&mut bed, publisher), []);
    bed.release_mail();
    let inbox = bed.take(publisher);
    let packets = inbox.packets();
    let ids: Vec<_> = packets
        .iter()
        .map(|packet| match packet {
            Packet::PubRec(ack) => ack.packet_id.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [1, 2]);
}

/// Commits batch by batch until a client has got so many packets; the next batch is not committed.
fn commit_until(bed: &mut Bed, client: ClientIx, count: usize) -> Vec<PacketType> {
    let mut arrived = types(bed, client);
    while arrived.len() < count {
        assert!(bed.commit_next(), "only {arrived:?} came");
        arrived.extend(types(bed, client));
    }
    arrived
}

#[test]
fn of_two_subscriptions_on_their_way_to_the_disk_the_last_one_counts() {
    for shards in SHARDS {
        for filter in ["t", "$share/g/t"] {
            let mut bed = Bed::durable(shards);
            let client = bed.connect_keeping(V5, "client");
            bed.store.is_held = true;
            for (number, qos) in [(1, QoS::AtMostOnce), (2, QOS_2)] {
                let list = [(filter, bed::exchange::options(qos))];
                let none = Properties::EMPTY;
                bed.send_subscribe(client, id(number), &list, none);
            }
            commit_until(&mut bed, client, 2);
            assert_eq!(bed.crash(shards).subscriptions, 1);
            bed.release_store();
            let publisher = bed.connect(V5, "publisher");
            bed.publish_exactly_once(publisher, "t", b"x");
            let client = bed.resume(V5, "client");
            let arrived = bed.finish(client);
            assert_eq!(arrived.len(), 1, "{filter}");
            bed.unsubscribe(client, filter);
            let client = bed.connect(V5, "client");
            bed.disconnect(client);
            bed.check_nothing_is_stored();
        }
    }
}

#[test]
fn what_is_ended_before_the_disk_has_it_is_ended_for_good_when_that_is_said() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let client = bed.connect_keeping(V5, "client");
        bed.store.is_held = true;
        for (number, filter) in ["t", "$share/g/t", "t/+"].into_iter().enumerate() {
            let id = |turn: usize| id((2 * number + turn) as u16);
            let list = [(filter, bed::exchange::options(QOS_1))];
            bed.send_subscribe(client, id(1), &list, Properties::EMPTY);
            bed.send_unsubscribe(client, id(2), &[filter]);
        }
        commit_until(&mut bed, client, 6);
        assert_eq!(bed.crash(shards).subscriptions, 0);

        for topic in ["a", "b", "c", "d"] {
            bed.release_store();
            let publisher = bed.connect(V5, "publisher");
            bed.store.is_held = true;
            bed.retain(publisher, topic, b"set", QOS_1);
            bed.retain(publisher, topic, b"", QOS_1);
            // Another one clears what is cleared already.
            let another = bed.connect(V5, "another");
            bed.retain(another, topic, b"", QOS_1);
            let answers = commit_until(&mut bed, another, 1);
            assert_eq!(answers, [PacketType::PubAck]);
            assert_eq!(bed.crash(shards).retained, 0);
        }
        bed.release_store();
        let client = bed.connect(V5, "client");
        bed.disconnect(client);
        bed.check_nothing_is_stored();
    }
}

#[test]
fn thousands_of_ends_on_their_way_to_the_disk_cost_no_more_than_so_many_of_one() {
    const COUNT: u16 = 3_000;
    let mut bed = Bed::durable(1);
    let client = bed.connect_keeping(V5, "client");
    bed.store.is_held = true;
    for number in 1..=COUNT {
        let list = [("t", bed::exchange::options(QOS_1))];
        bed.send_subscribe(client, id(number), &list, Properties::EMPTY);
        bed.send_unsubscribe(client, id(COUNT + number), &["t"]);
    }
    assert!(types(&mut bed, client).is_empty());
    bed.release_store();
    // If each looked at all others, this would take minutes.
    let mut subscribed = Vec::new();
    let mut unsubscribed = Vec::new();
    for packet in bed.take(client).packets() {
        match packet {
            Packet::SubAck(ack) => subscribed.push(ack.packet_id.get()),
            Packet::UnsubAck(ack) => unsubscribed.push(ack.packet_id.get() - COUNT),
            other => panic!("{other:?}"),
        }
    }
    let all: Vec<u16> = (1..=COUNT).collect();
    assert_eq!((&subscribed, &unsubscribed), (&all, &all));
}

#[test]
fn a_release_that_comes_again_is_answered_when_the_first_one_is_on_disk() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let reader = bed.connect_keeping(V5, "reader");
        bed.subscribe(reader, "t", QOS_2);
        let publisher = bed.connect_keeping(V5, "publisher");
        bed.publish_as(publisher, "t", b"first", id(7));
        bed.store.is_held = true;
        bed.pubrel(publisher, id(7));
        bed.drop_connection(publisher);
        let publisher = bed.resume(V5, "publisher");
        bed.pubrel(publisher, id(7));
        // Were it told now, it could use the packet id for another message.
        assert_eq!(types(&mut bed, publisher), []);
        bed.release_store();
        assert_eq!(types(&mut bed, publisher), [PacketType::PubComp]);
        bed.crash(shards);
        let publisher = bed.resume(V5, "publisher");
        bed.publish_as(publisher, "t", b"second", id(7));
        let reader = bed.resume(V5, "reader");
        let arrived = bed.finish(reader);
        assert!(
            arrived.iter().any(|of| of.payload == "second"),
            "{arrived:?}"
        );
    }
}

/// A refusal waits for what came before it.
#[test]
fn a_publish_that_is_refused_is_acknowledged_behind_those_before_it() {
    // [MQTT-v311-4.6.0-2] [MQTT-v311-4.6.0-3]
    for (version, qos) in [V311, V5]
        .into_iter()
        .flat_map(|version| [(version, QoS::AtLeastOnce), (version, QoS::ExactlyOnce)])
    {
        for shards in [1, 3] {
            let mut bed = Bed::denying(shards, &[(Action::Publish, "secret")]).with_store();
            let subscriber = bed.connect_keeping(version, "subscriber");
            bed.subscribe(subscriber, "t", qos);
            let publisher = bed.connect_keeping(version, "publisher");
            bed.store.is_held = true;
            let topics = ["t", "secret", "t", "secret"];
            for (topic, packet_id) in topics.into_iter().zip(1..) {
                let packet_id = Some(id(packet_id));
                let publish = Publish {
                    dup: false,
                    qos,
                    retain: false,
                    topic,
                    packet_id,
                    properties: Properties::EMPTY,
                    payload: b"x",
                };
                bed.send(publisher, &Packet::Publish(publish));
            }
            let early = bed.take(publisher);
            assert!(early.packets().is_empty(), "{version:?} {qos:?} {shards}");
            bed.release_store();
            let inbox = bed.take(publisher);
            let ids = inbox.packets().into_iter().map(|packet| match packet {
                Packet::PubAck(ack) | Packet::PubRec(ack) => ack.packet_id.get(),
                other => panic!("{other:?}"),
            });
            assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3, 4], "{version:?} {qos:?}");
        }
    }
}
