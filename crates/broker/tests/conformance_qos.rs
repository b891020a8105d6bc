//! Delivery protocols and their resumption (section 4.3 and 4.4), on one shard and on three.

mod bed;

use bed::exchange::{Arrived, QOS_1, QOS_2, SHARDS, id, keeping, properties, with_reason};
use bed::{Bed, ClientIx, V5, V31, V311, raw};
use columba_broker::access::Action;
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{Packet, PacketId, Properties, PropertyId, QoS, ReasonCode, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];
const HOUR_MS: u64 = 3_600_000;

/// A publisher and a subscriber of `t` whose session stays.
fn pair(shards: u16, version: Version, qos: QoS) -> (Bed, ClientIx, ClientIx) {
    let mut bed = Bed::new(shards);
    let publisher = bed.connect(version, "publisher");
    let subscriber = bed.connect_keeping(version, "subscriber");
    bed.subscribe(subscriber, "t", qos);
    (bed, publisher, subscriber)
}

fn send(bed: &mut Bed, client: ClientIx, packet_id: PacketId, payload: &[u8], qos: QoS, dup: bool) {
    let publish = Publish {
        dup,
        qos,
        retain: false,
        topic: "t",
        packet_id: Some(packet_id),
        properties: Properties::EMPTY,
        payload,
    };
    bed.send(client, &Packet::Publish(publish));
}

fn brief(arrived: &[Arrived]) -> Vec<(&str, bool, Option<u16>)> {
    arrived
        .iter()
        .map(|one| (one.payload.as_str(), one.dup, one.packet_id))
        .collect()
}

#[test]
fn qos_1_is_open_until_its_puback_and_comes_again_on_resume_only() {
    // [MQTT-3.3.1-1] [MQTT-v311-3.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-v311-4.3.2-1]
    // [MQTT-4.4.0-1] [MQTT-v311-4.4.0-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let (mut bed, publisher, subscriber) = pair(shards, version, QOS_1);
            bed.publish(publisher, "t", b"1", QOS_1);
            let first = bed.arrivals(subscriber);
            assert_eq!(brief(&first), [("1", false, first[0].packet_id)]);
            bed.advance(HOUR_MS);
            assert!(
                bed.take(subscriber).bytes.is_empty(),
                "sent again while connected"
            );
            for _ in 0..2 {
                bed.drop_connection(subscriber);
            }
            let subscriber = bed.resume(version, "subscriber");
            let again = bed.arrivals(subscriber);
            assert_eq!(brief(&again), [("1", true, first[0].packet_id)]);
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(version, "subscriber");
            let again = bed.arrivals(subscriber);
            assert_eq!(brief(&again), [("1", true, first[0].packet_id)]);
            bed.puback(subscriber, id(first[0].packet_id.expect("an id")));
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(version, "subscriber");
            assert!(
                bed.take(subscriber).bytes.is_empty(),
                "sent again after PUBACK"
            );
            bed.check_books();
        }
    }
}

#[test]
fn a_packet_id_that_is_in_use_is_not_given_to_a_new_message() {
    // [MQTT-4.3.2-1] [MQTT-v311-4.3.2-1] [MQTT-4.3.3-1] [MQTT-v311-4.3.3-1] [MQTT-2.2.1-4]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 8);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_2);
        let mut open = std::collections::BTreeMap::new();
        for number in 0..200u32 {
            let qos = if number % 2 == 0 { QOS_1 } else { QOS_2 };
            bed.publish(publisher, "t", b"x", qos);
            for arrived in bed.arrivals(subscriber) {
                let packet_id = arrived.packet_id.expect("an id");
                assert!(
                    open.insert(packet_id, arrived.qos).is_none(),
                    "{packet_id} twice"
                );
            }
            // One is acknowledged now and then, from the middle.
            if number % 3 == 0 || open.len() == 8 {
                let (packet_id, qos) = open.iter().nth(open.len() / 2).expect("one");
                let (packet_id, qos) = (*packet_id, *qos);
                open.remove(&packet_id);
                if qos == 1 {
                    bed.puback(subscriber, id(packet_id));
                } else {
                    bed.pubrec(subscriber, id(packet_id));
                    let inbox = bed.take(subscriber);
                    let ack = Acknowledgement::success(id(packet_id));
                    assert_eq!(inbox.packets()[0], Packet::PubRel(ack));
                    bed.pubcomp(subscriber, id(packet_id));
                }
                for arrived in bed.arrivals(subscriber) {
                    let packet_id = arrived.packet_id.expect("an id");
                    assert!(
                        open.insert(packet_id, arrived.qos).is_none(),
                        "{packet_id} twice"
                    );
                }
            }
        }
        bed.check_books();
    }
}

#[test]
fn the_same_qos_1_id_after_puback_is_a_new_message() {
    // [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-v311-4.3.2-2]
    for shards in SHARDS {
        for version in VERSIONS {
            let (mut bed, publisher, subscriber) = pair(shards, version, QOS_1);
            for (payload, dup) in [(b"1", false), (b"2", false), (b"3", true)] {
                send(&mut bed, publisher, id(5), payload, QOS_1, dup);
                let ack = Acknowledgement::success(id(5));
                assert_eq!(bed.take(publisher).one(), Packet::PubAck(ack));
            }
            assert_eq!(bed.payloads(subscriber), ["1", "2", "3"]);
        }
    }
}

#[test]
fn qos_2_is_delivered_step_by_step() {
    // [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6]
    // [MQTT-v311-4.3.3-1] [MQTT-4.4.0-1] [MQTT-v311-4.4.0-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let (mut bed, publisher, subscriber) = pair(shards, version, QOS_2);
            bed.publish(publisher, "t", b"1", QOS_2);
            let first = bed.arrivals(subscriber);
            assert!(!first[0].dup);
            let packet_id = id(first[0].packet_id.expect("an id"));
            // Not received: the PUBLISH comes again.
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(version, "subscriber");
            let again = bed.arrivals(subscriber);
            assert_eq!(brief(&again), [("1", true, first[0].packet_id)]);
            bed.pubrec(subscriber, packet_id);
            let ack = Acknowledgement::success(packet_id);
            assert_eq!(bed.take(subscriber).one(), Packet::PubRel(ack));
            bed.advance(HOUR_MS);
            assert!(
                bed.take(subscriber).bytes.is_empty(),
                "sent again while connected"
            );
            // Received: from now on only the PUBREL comes again.
            for _ in 0..2 {
                bed.drop_connection(subscriber);
                let subscriber = bed.resume(version, "subscriber");
                assert_eq!(bed.take(subscriber).one(), Packet::PubRel(ack));
                bed.drop_connection(subscriber);
            }
            let subscriber = bed.resume(version, "subscriber");
            assert_eq!(bed.take(subscriber).one(), Packet::PubRel(ack));
            bed.pubcomp(subscriber, packet_id);
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(version, "subscriber");
            assert!(bed.take(subscriber).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 1);
            bed.check_books();
        }
    }
}

#[test]
fn qos_2_is_received_step_by_step_and_published_once() {
    // [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-v311-4.3.3-2]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect_keeping(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "t", QOS_2);
            let ack = Acknowledgement::success(id(9));
            send(&mut bed, publisher, id(9), b"1", QOS_2, false);
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            for dup in [true, false] {
                send(&mut bed, publisher, id(9), b"1", QOS_2, dup);
                assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            }
            bed.drop_connection(publisher);
            let publisher = bed.resume(version, "publisher");
            send(&mut bed, publisher, id(9), b"1", QOS_2, true);
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            assert_eq!(bed.payloads(subscriber), ["1"]);
            bed.pubrel(publisher, id(9));
            assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
            // Released: the id is another message's.
            send(&mut bed, publisher, id(9), b"2", QOS_2, false);
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            bed.pubrel(publisher, id(9));
            assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
            assert_eq!(bed.payloads(subscriber), ["2"]);
            assert_eq!(bed.outcome(Outcome::PublishDuplicate), 3);
        }
    }
}

#[test]
fn unknown_ids_are_answered_with_their_code() {
    // [MQTT-4.3.3-11] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let reason = if version == V5 {
                ReasonCode::PacketIdentifierNotFound
            } else {
                ReasonCode::Success
            };
            bed.pubrel(client, id(3));
            assert_eq!(
                bed.take(client).one(),
                Packet::PubComp(with_reason(id(3), reason))
            );
            bed.pubrec(client, id(4));
            assert_eq!(
                bed.take(client).one(),
                Packet::PubRel(with_reason(id(4), reason))
            );
            bed.puback(client, id(5));
            bed.pubcomp(client, id(6));
            assert!(bed.take(client).bytes.is_empty());
            assert!(!bed.is_closed(client));
        }
    }
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_protocol_error() {
    // [MQTT-v311-4.8.0-1]
    type Answer = fn(&mut Bed, ClientIx, PacketId);
    let wrong: [(QoS, Answer); 4] = [
        (QOS_1, Bed::pubrec),
        (QOS_1, Bed::pubcomp),
        (QOS_2, Bed::puback),
        (QOS_2, Bed::pubcomp),
    ];
    for shards in SHARDS {
        for version in VERSIONS {
            for (qos, answer) in wrong {
                let (mut bed, publisher, subscriber) = pair(shards, version, qos);
                bed.publish(publisher, "t", b"1", qos);
                let first = bed.arrivals(subscriber);
                answer(&mut bed, subscriber, id(first[0].packet_id.expect("an id")));
                bed.assert_closed(subscriber, ReasonCode::ProtocolError, "wrong answer");
                // The message is not lost by it.
                let subscriber = bed.resume(version, "subscriber");
                assert_eq!(bed.payloads(subscriber), ["1"]);
                bed.check_books();
            }
        }
    }
}

#[test]
fn a_begun_exchange_goes_on_when_the_message_has_expired() {
    // [MQTT-4.3.3-7] [MQTT-4.3.3-13]
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let (mut bed, publisher, subscriber) = pair(shards, V5, qos);
            let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(1))]);
            let expiry = expiry.as_properties();
            let sent = bed.publish_with(publisher, "t", b"1", qos, false, expiry);
            let first = bed.arrivals(subscriber);
            bed.take(publisher);
            bed.advance(5_000);
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(V5, "subscriber");
            let again = bed.arrivals(subscriber);
            assert_eq!(brief(&again), [("1", true, first[0].packet_id)]);
            let packet_id = id(first[0].packet_id.expect("an id"));
            if qos == QOS_1 {
                bed.puback(subscriber, packet_id);
            } else {
                bed.pubrec(subscriber, packet_id);
                let ack = Acknowledgement::success(packet_id);
                assert_eq!(bed.take(subscriber).one(), Packet::PubRel(ack));
                bed.pubcomp(subscriber, packet_id);
                let ack = Acknowledgement::success(sent.expect("an id"));
                bed.send(publisher, &Packet::PubRel(ack));
                assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
            }
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 1);
            assert_eq!(bed.outcome(Outcome::DeliverExpired), 0);
            bed.check_books();
        }
    }
}

#[test]
fn a_refused_delivery_is_over() {
    // [MQTT-4.4.0-2]
    for shards in SHARDS {
        for (qos, reason) in [
            (QOS_1, ReasonCode::QuotaExceeded),
            (QOS_1, ReasonCode::UnspecifiedError),
            (QOS_2, ReasonCode::NotAuthorized),
        ] {
            let (mut bed, publisher, subscriber) = pair(shards, V5, qos);
            bed.publish(publisher, "t", b"1", qos);
            let first = bed.arrivals(subscriber);
            let ack = with_reason(id(first[0].packet_id.expect("an id")), reason);
            let packet = match qos {
                QoS::ExactlyOnce => Packet::PubRec(ack),
                QoS::AtMostOnce | QoS::AtLeastOnce => Packet::PubAck(ack),
            };
            bed.send(subscriber, &packet);
            assert!(
                bed.take(subscriber).bytes.is_empty(),
                "no PUBREL after an error"
            );
            bed.drop_connection(subscriber);
            let subscriber = bed.resume(V5, "subscriber");
            assert!(bed.take(subscriber).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::DeliverRefused), 1);
            bed.check_books();
        }
    }
}

#[test]
fn a_refused_qos_2_id_names_a_new_message_at_once() {
    // [MQTT-4.3.3-9]
    for shards in SHARDS {
        let mut bed = Bed::denying(shards, &[(Action::Publish, "no")]);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_2);
        for topic in ["no", "yes"] {
            let publish = Publish {
                dup: false,
                qos: QOS_2,
                retain: false,
                topic,
                packet_id: Some(id(1)),
                properties: Properties::EMPTY,
                payload: b"x",
            };
            bed.send(publisher, &Packet::Publish(publish));
        }
        assert_eq!(bed.take(subscriber).one_publish().topic, "yes");
        // The refused exchange has no PUBREL; the accepted one has.
        bed.take(publisher);
        bed.pubrel(publisher, id(1));
        let ack = Acknowledgement::success(id(1));
        assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
    }
}

#[test]
fn pubrel_has_its_flags() {
    // [MQTT-3.6.1-1] [MQTT-v311-3.6.1-1]
    for shards in SHARDS {
        for version in [V311, V5] {
            for first in [0x60, 0x61, 0x6A, 0x66] {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                bed.publish(client, "t", b"x", QOS_2);
                bed.take(client);
                bed.send_raw(client, &raw::packet(first, &[0, 1]));
                bed.assert_closed(client, ReasonCode::MalformedPacket, &format!("{first:x}"));
            }
        }
    }
}

#[test]
fn mqtt_3_1_may_send_pubrel_again_with_dup() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V31, "client");
        bed.publish(client, "t", b"x", QOS_2);
        bed.take(client);
        for _ in 0..2 {
            bed.send_raw(client, &raw::packet(0x6A, &[0, 1]));
            let ack = Acknowledgement::success(id(1));
            assert_eq!(bed.take(client).one(), Packet::PubComp(ack));
        }
    }
}

#[test]
fn pubrels_and_acknowledgements_go_out_with_their_flags_and_ids() {
    // [MQTT-3.6.1-1] [MQTT-2.2.1-5]
    for shards in SHARDS {
        let (mut bed, publisher, subscriber) = pair(shards, V5, QOS_2);
        send(&mut bed, publisher, id(0x1234), b"x", QOS_2, false);
        assert_eq!(bed.take(publisher).bytes, [0x50, 2, 0x12, 0x34]);
        bed.pubrel(publisher, id(0x1234));
        assert_eq!(bed.take(publisher).bytes, [0x70, 2, 0x12, 0x34]);
        send(&mut bed, publisher, id(0x4321), b"x", QOS_1, false);
        assert_eq!(bed.take(publisher).bytes, [0x40, 2, 0x43, 0x21]);
        let first = bed.arrivals(subscriber)[0].packet_id.expect("an id");
        bed.pubrec(subscriber, id(first));
        let [high, low] = first.to_be_bytes();
        assert_eq!(bed.take(subscriber).bytes, [0x62, 2, high, low]);
    }
}

#[test]
fn a_clean_start_forgets_what_was_open() {
    for shards in SHARDS {
        for version in VERSIONS {
            let (mut bed, publisher, subscriber) = pair(shards, version, QOS_2);
            bed.publish(publisher, "t", b"1", QOS_1);
            bed.publish(publisher, "t", b"2", QOS_2);
            assert_eq!(bed.payloads(subscriber), ["1", "2"]);
            bed.drop_connection(subscriber);
            bed.publish(publisher, "t", b"3", QOS_2);
            let subscriber = bed.connect_with(&keeping(version, "subscriber").clean(true));
            assert!(bed.take(subscriber).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), 3);
            bed.check_books();
        }
    }
}
