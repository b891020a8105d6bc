//! Order of messages and of acknowledgements (section 4.6), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, keeping};
use bed::{Bed, ClientIx, V5, V31, V311};
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{Packet, Properties, PropertyId, QoS, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

fn publish_bytes(version: Version, packet_id: u16, qos: QoS) -> Vec<u8> {
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: "t",
        packet_id: Some(id(packet_id)),
        properties: Properties::EMPTY,
        payload: b"x",
    };
    let mut out = Vec::new();
    Packet::Publish(publish)
        .encode(version, &mut out)
        .expect("it encodes");
    out
}

#[test]
fn acknowledgements_go_out_in_the_order_of_the_messages() {
    // [MQTT-v311-4.6.0-2] [MQTT-v311-4.6.0-3]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let listener = bed.connect(V5, "listener");
            bed.subscribe(listener, "t", QOS_0);
            let ids = [9, 3, 200, 1, 65_535, 2];
            for qos in [QOS_1, QOS_2] {
                let bytes: Vec<u8> = ids
                    .iter()
                    .flat_map(|id| publish_bytes(version, *id, qos))
                    .collect();
                bed.send_raw(client, &bytes);
                let inbox = bed.take(client);
                let acknowledged: Vec<u16> = inbox
                    .packets()
                    .iter()
                    .map(|packet| match packet {
                        Packet::PubAck(ack) if qos == QOS_1 => ack.packet_id.get(),
                        Packet::PubRec(ack) if qos == QOS_2 => ack.packet_id.get(),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                assert_eq!(acknowledged, ids);
            }
        }
    }
}

#[test]
fn pubrels_go_out_in_the_order_of_the_pubrecs() {
    // [MQTT-v311-4.6.0-4]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QOS_2);
            for _ in 0..5 {
                bed.publish(publisher, "t", b"x", QOS_2);
            }
            let ids: Vec<_> = bed
                .arrivals(client)
                .iter()
                .map(|one| id(one.packet_id.expect("an id")))
                .collect();
            let order = [ids[3], ids[0], ids[4], ids[1], ids[2]];
            for packet_id in order {
                bed.pubrec(client, packet_id);
            }
            let expected: Vec<_> = order
                .map(|id| Packet::PubRel(Acknowledgement::success(id)))
                .to_vec();
            assert_eq!(bed.take(client).packets(), expected);
        }
    }
}

#[test]
fn messages_of_one_publisher_come_in_their_order_at_each_qos() {
    // [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT-v311-4.6.0-5] [MQTT-v311-4.6.0-6]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| {
                limits.inflight_max = 3;
                limits.output_bytes_max = 100_000;
            });
            let publisher = bed.connect(version, "publisher");
            let clients: Vec<ClientIx> = (0..4)
                .map(|number| {
                    let client = bed.connect_keeping(version, &format!("client{number}"));
                    bed.subscribe(client, "t/#", QOS_2);
                    bed.subscribe(client, "+/a", QOS_1);
                    client
                })
                .collect();
            bed.drop_connection(clients[0]);
            for number in 0..60 {
                let qos = QoS::from_u8((number % 3) as u8).expect("a QoS");
                let topic = if number % 2 == 0 { "t/a" } else { "t/b" };
                let text = format!("{number:03}");
                if qos == QOS_2 {
                    bed.publish_exactly_once(publisher, topic, text.as_bytes());
                } else {
                    bed.publish(publisher, topic, text.as_bytes(), qos);
                }
            }
            let back = bed.resume(version, "client0");
            for client in clients[1..].iter().copied().chain([back]) {
                let arrived = bed.finish(client);
                assert!(arrived.len() >= 40);
                for topic in ["t/a", "t/b"] {
                    for qos in 0..3 {
                        let payloads: Vec<_> = arrived
                            .iter()
                            .filter(|one| one.topic == topic && one.qos == qos)
                            .map(|one| &one.payload)
                            .collect();
                        assert!(payloads.is_sorted(), "{topic} QoS {qos}: {payloads:?}");
                    }
                }
            }
            bed.check_books();
        }
    }
}

#[test]
fn what_is_sent_again_is_sent_in_its_first_order_with_its_ids() {
    // [MQTT-v311-4.6.0-1] [MQTT-4.4.0-1] [MQTT-v311-4.4.0-1] [MQTT-3.3.1-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect_keeping(version, "client");
            bed.subscribe(client, "t", QOS_2);
            for number in 0..10 {
                let qos = if number % 2 == 0 { QOS_1 } else { QOS_2 };
                bed.publish(publisher, "t", number.to_string().as_bytes(), qos);
            }
            let first = bed.arrivals(client);
            let packet_id = |number: usize| id(first[number].packet_id.expect("an id"));
            bed.puback(client, packet_id(8));
            bed.puback(client, packet_id(2));
            bed.pubrec(client, packet_id(5));
            bed.pubrec(client, packet_id(1));
            bed.pubcomp(client, packet_id(1));
            for _ in 0..2 {
                bed.drop_connection(client);
                let client = bed.resume(version, "client");
                let inbox = bed.take(client);
                let again: Vec<_> = inbox
                    .packets()
                    .iter()
                    .map(|packet| match packet {
                        Packet::Publish(publish) => {
                            assert!(publish.dup);
                            publish.packet_id.expect("an id")
                        }
                        Packet::PubRel(ack) => {
                            assert_eq!(ack.packet_id, packet_id(5));
                            ack.packet_id
                        }
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let expected: Vec<_> = [0, 3, 4, 5, 6, 7, 9].map(packet_id).to_vec();
                assert_eq!(again, expected);
                bed.drop_connection(client);
            }
            bed.check_books();
        }
    }
}

#[test]
fn qos_0_that_waited_comes_before_qos_0_that_did_not() {
    // [MQTT-4.6.0-5] [MQTT-v311-4.6.0-6]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.queue_qos0 = true);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect_keeping(V5, "client");
        bed.subscribe(client, "t", QOS_1);
        bed.drop_connection(client);
        for (payload, qos) in [("a", QOS_1), ("b", QOS_1), ("1", QOS_0), ("2", QOS_0)] {
            bed.publish(publisher, "t", payload.as_bytes(), qos);
        }
        let options = keeping(V5, "client")
            .clean(false)
            .property(PropertyId::ReceiveMaximum, Value::U16(1));
        let client = bed.connect_with(&options);
        bed.publish(publisher, "t", b"3", QOS_0);
        let arrived = bed.finish(client);
        let at_most_once: Vec<_> = arrived
            .iter()
            .filter(|one| one.qos == 0)
            .map(|one| one.payload.as_str())
            .collect();
        assert_eq!(at_most_once, ["1", "2", "3"]);
        // Nothing waits any more: the next one goes out at once.
        bed.publish(publisher, "t", b"4", QOS_0);
        assert_eq!(bed.payloads(client), ["4"]);
        bed.check_books();
    }
}

#[test]
fn large_payloads_keep_their_place_among_small_ones() {
    // [MQTT-4.6.0-5] [MQTT-v311-4.6.0-6]
    let sizes = [1, 1_000_000, 2, 4095, 4096, 4097, 1_000_001, 3, 100_000, 0];
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::with(shards, |limits| limits.output_bytes_max = 64_000_000);
            let publisher = bed.connect(version, "publisher");
            let clients: Vec<_> = [QOS_0, QOS_1, QOS_2]
                .map(|qos| {
                    let client = bed.connect_keeping(version, &format!("client{}", qos.as_u8()));
                    bed.subscribe(client, "t", qos);
                    // All waits in the output, to be read in one go.
                    bed.reading[client] = false;
                    client
                })
                .to_vec();
            let payloads: Vec<Vec<u8>> = (0..)
                .zip(sizes)
                .map(|(number, size)| vec![b'0' + number; size])
                .collect();
            for payload in &payloads {
                bed.publish_exactly_once(publisher, "t", payload);
            }
            for client in clients {
                bed.read_all(client);
                let inbox = bed.take(client);
                let got: Vec<&[u8]> = inbox.publishes().iter().map(|one| one.payload).collect();
                assert!(
                    got == payloads,
                    "{version}: other payloads or another order"
                );
            }
            // Sent again, and out of a queue, they are the same.
            bed.drop_connection(2);
            bed.publish_exactly_once(publisher, "t", &payloads[1]);
            let client = bed.resume(version, "client1");
            let got = bed.arrivals(client);
            assert_eq!(got.len(), sizes.len() + 1);
            for (one, size) in got.iter().zip(sizes.iter().chain(&[1_000_000])) {
                assert_eq!(one.payload.len(), *size);
            }
            bed.check_books();
        }
    }
}

#[test]
fn every_matching_session_gets_an_accepted_message() {
    // [MQTT-4.5.0-1] [MQTT-v311-4.5.0-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let names: Vec<String> = (0..12).map(|number| format!("client{number}")).collect();
            for (number, name) in names.iter().enumerate() {
                let client = bed.connect_keeping(version, name);
                bed.subscribe(client, "t", QOS_1);
                if number % 2 == 0 {
                    bed.drop_connection(client);
                }
            }
            bed.publish(publisher, "t", b"x", QOS_1);
            assert!(matches!(bed.take(publisher).one(), Packet::PubAck(_)));
            for name in &names {
                let client = bed.resume(version, name);
                assert_eq!(bed.finish(client).len(), 1, "{name}");
            }
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 12);
            bed.check_books();
        }
    }
}
