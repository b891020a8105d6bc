//! Packet ids (section 2.2.1 of MQTT 5.0, 2.3.1 of 3.1.1): which packets have one, and whose it is.

mod bed;

use bed::{Bed, V5, V31, V311, raw};
use columba_codec::packet::Acknowledgement;
use columba_codec::{Packet, PacketId, QoS, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];
const IDS: [u16; 4] = [1, 2, 0x1234, u16::MAX];

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not 0")
}

/// What follows a packet id before MQTT 5 and in it: no properties.
fn with_properties(version: Version, before: &[u8], after: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if version == V5 { &[0] } else { &[] };
    [before, properties, after].concat()
}

#[test]
fn acknowledgements_repeat_the_id_of_the_publish() {
    // MQTT-2.2.1-5, MQTT-v311-2.3.1-6
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            // Somebody subscribes, so the answer of MQTT 5 is plain success.
            let subscriber = bed.connect(V311, "subscriber");
            bed.subscribe(subscriber, "t", QoS::AtMostOnce);
            for number in IDS {
                let [high, low] = number.to_be_bytes();
                let body = with_properties(version, &[0, 1, b't', high, low], b"x");
                let ack = Acknowledgement::success(id(number));
                bed.send_raw(client, &raw::packet(0x32, &body));
                assert_eq!(bed.take(client).one(), Packet::PubAck(ack));
                bed.send_raw(client, &raw::packet(0x34, &body));
                assert_eq!(bed.take(client).one(), Packet::PubRec(ack));
                bed.send(client, &Packet::PubRel(ack));
                assert_eq!(bed.take(client).one(), Packet::PubComp(ack));
            }
        }
    }
}

#[test]
fn pubrel_repeats_the_id_of_the_publish_that_the_broker_sent() {
    // MQTT-2.2.1-5, MQTT-v311-2.3.1-6
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V311, "publisher");
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QoS::ExactlyOnce);
            for _ in 0..5 {
                bed.publish(publisher, "t", b"", QoS::ExactlyOnce);
            }
            let inbox = bed.take(client);
            // Not in the order in which they came.
            for publish in inbox.publishes().iter().rev() {
                let ack = Acknowledgement::success(publish.packet_id.expect("an id"));
                bed.send(client, &Packet::PubRec(ack));
                assert_eq!(bed.take(client).one(), Packet::PubRel(ack));
            }
        }
    }
}

#[test]
fn suback_and_unsuback_repeat_the_id_of_the_request() {
    // MQTT-2.2.1-6, MQTT-v311-2.3.1-7
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            for number in IDS {
                let request = number.to_be_bytes();
                let body = with_properties(version, &request, &[0, 1, b'f', 0]);
                bed.send_raw(client, &raw::packet(0x82, &body));
                match bed.take(client).one() {
                    Packet::SubAck(ack) => assert_eq!(ack.packet_id, id(number)),
                    other => panic!("{other:?}"),
                }
                let body = with_properties(version, &request, &[0, 1, b'f']);
                bed.send_raw(client, &raw::packet(0xA2, &body));
                match bed.take(client).one() {
                    Packet::UnsubAck(ack) => assert_eq!(ack.packet_id, id(number)),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn each_message_in_flight_has_an_id_of_its_own() {
    // MQTT-2.2.1-2, MQTT-2.2.1-4, MQTT-v311-2.3.1-4, MQTT-v311-2.3.1-5
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| limits.inflight_max = 50);
            let publisher = bed.connect(V311, "publisher");
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QoS::ExactlyOnce);
            let mut in_flight = std::collections::BTreeMap::new();
            // More messages than there are ids, so that they are used again; the first message
            // is acknowledged last.
            for number in 0..70_000_u32 {
                let qos = match number % 10 {
                    0 if number > 0 => QoS::AtMostOnce,
                    5 => QoS::ExactlyOnce,
                    _ => QoS::AtLeastOnce,
                };
                bed.publish(publisher, "t", b"", qos);
                bed.take(publisher);
                let inbox = bed.take(client);
                let publish = inbox.one_publish();
                assert_eq!(publish.packet_id.is_some(), qos != QoS::AtMostOnce);
                let Some(packet_id) = publish.packet_id else {
                    continue;
                };
                let before = in_flight.insert(packet_id, (number, qos));
                assert_eq!(before, None, "{packet_id:?} is in use");
                if in_flight.len() < 20 {
                    continue;
                }
                let oldest = in_flight.iter().filter(|(_, (number, _))| *number > 0);
                let (&done, &(_, qos)) = oldest.min_by_key(|(_, (n, _))| *n).expect("some");
                in_flight.remove(&done);
                let ack = Acknowledgement::success(done);
                if qos == QoS::AtLeastOnce {
                    bed.puback(client, done);
                    continue;
                }
                bed.send(client, &Packet::PubRec(ack));
                assert_eq!(bed.take(client).one(), Packet::PubRel(ack));
                bed.send(client, &Packet::PubComp(ack));
            }
            bed.check_books();
        }
    }
}
