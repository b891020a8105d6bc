//! Messages from publisher to subscriber, on one shard and on three.

mod bed;

use bed::{Bed, ConnectOptions, V5, V31, V311};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Acknowledgement;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value};

const SHARDS: [u16; 2] = [1, 3];
const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[test]
fn every_qos_goes_from_every_version_to_every_version() {
    for shards in SHARDS {
        for from in [V31, V311, V5] {
            for to in [V31, V311, V5] {
                for qos in ALL_QOS {
                    one_message(shards, from, to, qos);
                }
            }
        }
    }
}

fn one_message(shards: u16, from: columba_codec::Version, to: columba_codec::Version, qos: QoS) {
    let mut bed = Bed::new(shards);
    let publisher = bed.connect(from, "publisher");
    let subscriber = bed.connect(to, "subscriber");
    bed.subscribe(subscriber, "a/+", qos);
    let sent_id = bed.publish(publisher, "a/b", b"hello", qos);
    let inbox = bed.take(subscriber);
    let publish = inbox.one_publish();
    assert_eq!(
        (publish.topic, publish.payload, publish.qos),
        ("a/b", b"hello".as_slice(), qos)
    );
    assert!(!publish.dup && !publish.retain);
    match qos {
        QoS::AtMostOnce => assert_eq!(publish.packet_id, None),
        QoS::AtLeastOnce => {
            let id = publish.packet_id.expect("an id");
            bed.puback(subscriber, id);
            let ack = Acknowledgement::success(sent_id.expect("an id"));
            assert_eq!(bed.take(publisher).one(), Packet::PubAck(ack));
        }
        QoS::ExactlyOnce => {
            let ack = Acknowledgement::success(sent_id.expect("an id"));
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            bed.send(publisher, &Packet::PubRel(ack));
            assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
            let ack = Acknowledgement::success(publish.packet_id.expect("an id"));
            bed.send(subscriber, &Packet::PubRec(ack));
            assert_eq!(bed.take(subscriber).one(), Packet::PubRel(ack));
            bed.send(subscriber, &Packet::PubComp(ack));
        }
    }
    bed.check_books();
    let stats = bed.stats();
    assert_eq!(stats.copies, 1);
    assert_eq!(stats.settled_copies(), 1);
}

#[test]
fn a_session_keeps_messages_while_its_client_is_away() {
    // MQTT-4.5.0-1, MQTT-4.6.0-5
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let options = ConnectOptions::new(V5, "subscriber")
            .property(PropertyId::SessionExpiryInterval, Value::U32(60));
        let subscriber = bed.connect_with(&options);
        bed.subscribe(subscriber, "a/#", QoS::AtLeastOnce);
        bed.drop_connection(subscriber);
        for payload in ["1", "2", "3"] {
            bed.publish(publisher, "a", payload.as_bytes(), QoS::AtLeastOnce);
        }
        bed.check_books();
        let (subscriber, inbox) = bed.connect_raw(&options.clean(false));
        assert!(matches!(inbox.packets()[0], Packet::ConnAck(ack) if ack.session_present));
        assert_eq!(inbox.payloads(), ["1", "2", "3"]);
        for publish in inbox.publishes() {
            bed.puback(subscriber, publish.packet_id.expect("an id"));
        }
        bed.check_books();
        assert_eq!(bed.outcome(Outcome::DeliverAcked), 3);
    }
}

#[test]
fn nobody_subscribes_and_the_publisher_is_told() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "b", QoS::AtLeastOnce);
        bed.publish(publisher, "a", b"", QoS::AtLeastOnce);
        match bed.take(publisher).one() {
            Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
            other => panic!("{other:?}"),
        }
        bed.unsubscribe(subscriber, "b");
        bed.publish(publisher, "b", b"", QoS::AtLeastOnce);
        match bed.take(publisher).one() {
            Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn retained_messages_of_all_shards_reach_a_new_subscription() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 10);
        let publisher = bed.connect(V311, "publisher");
        for number in 0..500 {
            bed.retain(publisher, &format!("r/{number}"), b"x", QoS::AtLeastOnce);
        }
        let subscriber = bed.connect(V311, "subscriber");
        bed.subscribe(subscriber, "r/+", QoS::AtLeastOnce);
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let inbox = bed.take(subscriber);
            if inbox.bytes.is_empty() {
                break;
            }
            for publish in inbox.publishes() {
                assert!(publish.retain, "MQTT-3.3.1-8 of 3.1.1");
                assert!(
                    seen.insert(publish.topic.to_owned()),
                    "twice: {}",
                    publish.topic
                );
                bed.puback(subscriber, publish.packet_id.expect("an id"));
            }
        }
        assert_eq!(seen.len(), 500);
        bed.check_books();
    }
}

#[test]
fn shared_subscriptions_give_each_message_to_one_member() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let members: Vec<_> = (0..3)
            .map(|number| {
                let member = bed.connect(V5, &format!("member{number}"));
                bed.subscribe(member, "$share/g/t", QoS::AtLeastOnce);
                member
            })
            .collect();
        for _ in 0..30 {
            bed.publish(publisher, "t", b"x", QoS::AtLeastOnce);
        }
        let counts: Vec<_> = members
            .iter()
            .map(|m| bed.take(*m).publishes().len())
            .collect();
        assert_eq!(counts, [10, 10, 10], "{shards} shards");
        // A member leaves: what it has not acknowledged goes to the others.
        bed.drop_connection(members[0]);
        let counts: Vec<_> = members[1..]
            .iter()
            .map(|m| bed.take(*m).publishes().len())
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), 10, "{shards} shards");
        bed.check_books();
    }
}
