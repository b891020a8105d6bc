//! UNSUBSCRIBE and UNSUBACK (section 3.10 and 3.11), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, options};
use bed::{Bed, ConnectOptions, V5, V31, V311, raw};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Acknowledgement;
use columba_codec::{Packet, Properties, PropertyId, ReasonCode, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

#[test]
fn unsubscribe_has_its_flags() {
    // [MQTT-3.10.1-1] [MQTT-v311-3.10.1-1]
    for shards in SHARDS {
        for version in [V311, V5] {
            for first in [0xA0, 0xA1, 0xA3, 0xAA] {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                let mut body = vec![0, 1];
                if version == V5 {
                    body.push(0);
                }
                body.extend(raw::field(b"t"));
                bed.send_raw(client, &raw::packet(first, &body));
                bed.assert_closed(client, ReasonCode::MalformedPacket, &format!("{first:x}"));
            }
        }
    }
}

#[test]
fn filters_are_utf_8_and_there_is_at_least_one() {
    // [MQTT-3.10.3-1] [MQTT-3.10.3-2] [MQTT-v311-3.10.3-1] [MQTT-v311-3.10.3-2]
    for shards in SHARDS {
        for version in VERSIONS {
            for (filter, reason) in [
                (Some(b"\xFF".as_slice()), ReasonCode::MalformedPacket),
                (Some(b"a\0"), ReasonCode::MalformedPacket),
                (None, ReasonCode::ProtocolError),
            ] {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                let mut body = vec![0, 1];
                if version == V5 {
                    body.push(0);
                }
                body.extend(filter.into_iter().flat_map(raw::field));
                bed.send_raw(client, &raw::packet(0xA2, &body));
                bed.assert_closed(client, reason, &format!("{filter:?}"));
            }
        }
    }
}

#[test]
fn a_filter_is_compared_character_by_character() {
    // [MQTT-3.10.4-1] [MQTT-v311-3.10.4-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect(version, "client");
            bed.subscribe(client, "a/+", QOS_0);
            for other in ["a/b", "a/#", "+/+", "A/+", "a/+/", "#", "$share/g/a/+"] {
                let codes = bed.unsubscribe(client, other);
                if version == V5 {
                    assert_eq!(codes, [ReasonCode::NoSubscriptionExisted as u8]);
                }
            }
            bed.publish(publisher, "a/b", b"1", QOS_0);
            assert_eq!(bed.payloads(client), ["1"]);
            let codes = bed.unsubscribe(client, "a/+");
            if version == V5 {
                assert_eq!(codes, [0]);
            }
            bed.publish(publisher, "a/b", b"2", QOS_0);
            assert!(bed.take(client).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::UnsubscribeUnknown), 7);
            assert_eq!(bed.stats().subscriptions, 0);
        }
    }
}

#[test]
fn no_new_messages_come_and_begun_ones_are_finished() {
    // [MQTT-3.10.4-2] [MQTT-3.10.4-3] [MQTT-v311-3.10.4-2] [MQTT-v311-3.10.4-3]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect_keeping(version, "client");
            bed.subscribe(client, "t", QOS_2);
            bed.publish(publisher, "t", b"1", QOS_1);
            bed.publish(publisher, "t", b"2", QOS_2);
            let begun = bed.arrivals(client);
            bed.unsubscribe(client, "t");
            bed.publish(publisher, "t", b"3", QOS_2);
            assert!(bed.take(client).bytes.is_empty());
            // They survive even a reconnect.
            bed.drop_connection(client);
            let client = bed.resume(version, "client");
            let again = bed.arrivals(client);
            assert_eq!(again.len(), 2);
            for (one, begun) in again.iter().zip(&begun) {
                assert!(one.dup);
                assert_eq!(
                    (&one.payload, one.packet_id),
                    (&begun.payload, begun.packet_id)
                );
            }
            bed.puback(client, id(begun[0].packet_id.expect("an id")));
            let packet_id = id(begun[1].packet_id.expect("an id"));
            bed.pubrec(client, packet_id);
            let ack = Acknowledgement::success(packet_id);
            assert_eq!(bed.take(client).one(), Packet::PubRel(ack));
            bed.pubcomp(client, packet_id);
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 2);
            bed.check_books();
        }
    }
}

#[test]
fn several_filters_get_one_answer_with_a_code_each_in_order() {
    // [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
    // [MQTT-v311-3.10.4-4] [MQTT-v311-3.10.4-5] [MQTT-v311-3.10.4-6]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            for filter in ["a", "b/+", "$share/g/c"] {
                bed.subscribe(client, filter, QOS_1);
            }
            let list = ["x", "a", "a", "a/#/b", "$share/g/c", "b/+", "$share/h/c"];
            bed.send_unsubscribe(client, id(0x0102), &list);
            let inbox = bed.take(client);
            let Packet::UnsubAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.packet_id, id(0x0102));
            let codes: &[u8] = if version == V5 {
                &[0x11, 0, 0x11, 0x8F, 0, 0, 0x11]
            } else {
                &[]
            };
            assert_eq!(ack.codes, codes);
            assert_eq!(bed.stats().subscriptions, 0);
            assert_eq!(bed.stats().shared_subscriptions, 0);
        }
    }
}

#[test]
fn unsuback_carries_nothing_that_could_be_too_large() {
    // [MQTT-3.11.2-1] [MQTT-3.11.2-2]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options = ConnectOptions::new(V5, "client")
            .property(PropertyId::MaximumPacketSize, Value::U32(30));
        let client = bed.open(V5);
        bed.send_raw(client, &options.bytes());
        bed.take(client);
        bed.send_unsubscribe(client, id(1), &["a", "b/#/c"]);
        let bytes = bed.take(client).bytes;
        assert_eq!(bytes, [0xB0, 5, 0, 1, 0, 0x11, 0x8F]);
    }
}

#[test]
fn retained_messages_that_wait_are_not_sent_after_unsubscribe() {
    // [MQTT-3.10.4-2] [MQTT-v311-3.10.4-2]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 1);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..5 {
            bed.retain(publisher, &format!("t/{number}"), b"x", QOS_1);
        }
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t/+", QOS_1);
        let first = bed.arrivals(client);
        assert_eq!(first.len(), 1);
        bed.unsubscribe(client, "t/+");
        bed.puback(client, id(first[0].packet_id.expect("an id")));
        assert!(bed.take(client).bytes.is_empty());
        bed.check_books();
    }
}

#[test]
fn an_unsubscribe_right_behind_its_subscribe_leaves_nothing_to_send() {
    // [MQTT-3.10.4-2] [MQTT-v311-3.10.4-2]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t", b"x", QOS_1);
        let client = bed.connect(V5, "client");
        bed.is_mail_held = true;
        bed.send_subscribe(client, id(1), &[("t", options(QOS_1))], Properties::EMPTY);
        bed.send_unsubscribe(client, id(2), &["t"]);
        bed.release_mail();
        let inbox = bed.take(client);
        let kinds: Vec<_> = inbox.packets().iter().map(Packet::packet_type).collect();
        assert_eq!(kinds.len(), if shards == 1 { 3 } else { 2 }, "{kinds:?}");
        let after = kinds.iter().skip_while(|kind| !is_unsuback(**kind));
        assert_eq!(
            after.filter(|kind| is_publish(**kind)).count(),
            0,
            "{kinds:?}"
        );
        bed.publish(publisher, "t", b"y", QOS_1);
        assert!(bed.take(client).bytes.is_empty());
        bed.check_books();
    }
}

fn is_unsuback(kind: columba_codec::PacketType) -> bool {
    kind == columba_codec::PacketType::UnsubAck
}

fn is_publish(kind: columba_codec::PacketType) -> bool {
    kind == columba_codec::PacketType::Publish
}

#[test]
fn every_shard_learns_that_nobody_is_subscribed_any_more() {
    // [MQTT-3.10.4-2]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let clients: Vec<_> = (0..9)
            .map(|number| {
                let client = bed.connect(V5, &format!("client{number}"));
                bed.subscribe(client, "t", QOS_1);
                bed.subscribe(client, "+", QOS_1);
                client
            })
            .collect();
        for client in &clients {
            bed.unsubscribe(*client, "t");
            bed.unsubscribe(*client, "+");
        }
        for client in clients {
            bed.publish(client, "t", b"x", QOS_1);
            match bed.take(client).one() {
                Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn mqtt_3_1_may_send_unsubscribe_again_with_dup() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V31, "client");
        bed.subscribe(client, "t", QOS_1);
        let mut body = vec![0, 9];
        body.extend(raw::field(b"t"));
        for first in [0xA2, 0xAA] {
            bed.send_raw(client, &raw::packet(first, &body));
            assert_eq!(bed.take(client).bytes, [0xB0, 2, 0, 9]);
        }
    }
}
