//! PUBLISH and its refusals (section 3.3, 3.4 and 3.5), on one shard and on three.

mod bed;

use std::sync::Arc;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, properties};
use bed::{Bed, ConnectOptions, V5, V31, V311, raw};
use columba_broker::access::Action;
use columba_broker::event::Command;
use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{Packet, Properties, PropertyId, QoS, ReasonCode, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

/// The body of a PUBLISH up to the payload.
fn publish_body(topic: &[u8], packet_id: Option<u16>, version: Version) -> Vec<u8> {
    let mut body = raw::field(topic);
    body.extend(packet_id.iter().flat_map(|id| id.to_be_bytes()));
    if version == V5 {
        body.push(0);
    }
    body
}

#[test]
fn dup_of_an_incoming_publish_is_not_passed_on() {
    // [MQTT-3.3.1-3] [MQTT-v311-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
    for shards in SHARDS {
        for version in VERSIONS {
            for qos in [QOS_1, QOS_2] {
                let mut bed = Bed::new(shards);
                let publisher = bed.connect(version, "publisher");
                let subscriber = bed.connect(version, "subscriber");
                bed.subscribe(subscriber, "t", qos);
                let publish = Publish {
                    dup: true,
                    qos,
                    retain: false,
                    topic: "t",
                    packet_id: Some(id(7)),
                    properties: Properties::EMPTY,
                    payload: b"x",
                };
                bed.send(publisher, &Packet::Publish(publish));
                let arrived = bed.arrivals(subscriber);
                assert_eq!(arrived.len(), 1);
                assert!(!arrived[0].dup);
                assert_eq!(arrived[0].qos, qos.as_u8());
            }
        }
    }
}

#[test]
fn qos_0_goes_out_without_dup_and_packet_id() {
    // [MQTT-3.3.1-2] [MQTT-v311-3.3.1-2] [MQTT-4.3.1-1] [MQTT-v311-4.3.1-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "t", QOS_0);
            for qos in [QOS_0, QOS_1, QOS_2] {
                bed.publish(publisher, "t", b"x", qos);
                let mut body = publish_body(b"t", None, version);
                body.push(b'x');
                assert_eq!(bed.take(subscriber).bytes, raw::packet(0x30, &body));
            }
        }
    }
}

#[test]
fn dup_at_qos_0_is_a_protocol_error() {
    // [MQTT-3.3.1-2] [MQTT-v311-3.3.1-2]
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            bed.send_raw(
                publisher,
                &raw::packet(0x38, &publish_body(b"t", None, version)),
            );
            bed.assert_closed(publisher, ReasonCode::ProtocolError, "DUP at QoS 0");
        }
    }
}

#[test]
fn qos_3_is_malformed() {
    // [MQTT-3.3.1-4] [MQTT-v311-3.3.1-4]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "#", QOS_2);
            bed.send_raw(
                publisher,
                &raw::packet(0x36, &publish_body(b"t", Some(1), version)),
            );
            bed.assert_closed(publisher, ReasonCode::MalformedPacket, "QoS 3");
            assert!(bed.take(subscriber).bytes.is_empty());
        }
    }
}

#[test]
fn a_topic_with_a_wildcard_closes_the_connection() {
    // [MQTT-3.3.2-2] [MQTT-v311-3.3.2-2] [MQTT-4.7.0-1] [MQTT-v311-4.7.1-1]
    for shards in SHARDS {
        for version in VERSIONS {
            for topic in ["a/+", "+", "#", "a/#", "a+b", "a#"] {
                let mut bed = Bed::new(shards);
                let publisher = bed.connect(version, "publisher");
                let subscriber = bed.connect(version, "subscriber");
                bed.subscribe(subscriber, "#", QOS_2);
                let body = publish_body(topic.as_bytes(), None, version);
                bed.send_raw(publisher, &raw::packet(0x30, &body));
                bed.assert_closed(publisher, ReasonCode::ProtocolError, topic);
                assert!(bed.take(subscriber).bytes.is_empty());
            }
        }
    }
}

#[test]
fn the_topic_comes_first_and_is_utf_8() {
    // [MQTT-3.3.2-1] [MQTT-v311-3.3.2-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "#", QOS_1);
            bed.publish(publisher, "täglich/ü", b"p", QOS_1);
            let bytes = bed.take(subscriber).bytes;
            let mut body = raw::field("täglich/ü".as_bytes());
            let id_at = 2 + body.len();
            body.extend_from_slice(&bytes[id_at..id_at + 2]);
            if version == V5 {
                body.push(0);
            }
            body.push(b'p');
            assert_eq!(bytes, raw::packet(0x32, &body));
            for text in [b"\xC3\x28".as_slice(), b"\xED\xA0\x80", b"a\xFF"] {
                let publisher = bed.connect(version, "rude");
                bed.send_raw(
                    publisher,
                    &raw::packet(0x30, &publish_body(text, None, version)),
                );
                bed.assert_closed(publisher, ReasonCode::MalformedPacket, "not UTF-8");
            }
        }
    }
}

#[test]
fn the_answer_fits_the_qos() {
    // [MQTT-3.3.4-1] [MQTT-v311-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "t", QOS_0);
            bed.publish(publisher, "t", b"x", QOS_0);
            assert!(bed.take(publisher).bytes.is_empty());
            let packet_id = bed.publish(publisher, "t", b"x", QOS_1).expect("an id");
            let ack = Acknowledgement::success(packet_id);
            assert_eq!(bed.take(publisher).one(), Packet::PubAck(ack));
            let packet_id = bed.publish(publisher, "t", b"x", QOS_2).expect("an id");
            let ack = Acknowledgement::success(packet_id);
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            assert_eq!(bed.take(subscriber).publishes().len(), 3);
        }
    }
}

#[test]
fn a_subscription_identifier_from_a_client_is_a_protocol_error() {
    // [MQTT-3.3.4-6]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_1);
        let mut body = raw::field(b"t");
        body.extend_from_slice(&[2, PropertyId::SubscriptionIdentifier as u8, 1]);
        bed.send_raw(publisher, &raw::packet(0x30, &body));
        bed.assert_closed(
            publisher,
            ReasonCode::ProtocolError,
            "Subscription Identifier",
        );
        assert!(bed.take(subscriber).bytes.is_empty());
    }
}

#[test]
fn a_publish_that_the_rules_deny_is_refused_by_mqtt_5_codes() {
    // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-4.3.3-9]
    for shards in SHARDS {
        let mut bed = Bed::denying(shards, &[(Action::Publish, "secret/#")]);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_2);
        bed.publish(publisher, "secret/a", b"x", QOS_0);
        assert!(bed.take(publisher).bytes.is_empty());
        let packet_id = bed.publish(publisher, "secret/a", b"x", QOS_1);
        match bed.take(publisher).one() {
            Packet::PubAck(ack) => {
                assert_eq!(ack.reason, ReasonCode::NotAuthorized);
                assert_eq!(Some(ack.packet_id), packet_id);
            }
            other => panic!("{other:?}"),
        }
        let packet_id = bed.publish(publisher, "secret/a", b"x", QOS_2);
        match bed.take(publisher).one() {
            Packet::PubRec(ack) => {
                assert_eq!(ack.reason, ReasonCode::NotAuthorized);
                assert_eq!(Some(ack.packet_id), packet_id);
            }
            other => panic!("{other:?}"),
        }
        assert!(bed.take(subscriber).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::PublishDeniedAcl), 3);
        // The refused id is free: it names a new message.
        let publish = Publish {
            dup: false,
            qos: QOS_2,
            retain: false,
            topic: "open",
            packet_id,
            properties: Properties::EMPTY,
            payload: b"y",
        };
        bed.send(publisher, &Packet::Publish(publish));
        let ack = Acknowledgement::success(packet_id.expect("an id"));
        assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
        assert_eq!(bed.payloads(subscriber), ["y"]);
        bed.check_books();
    }
}

#[test]
fn a_publish_that_the_rules_deny_is_acknowledged_as_usual_in_mqtt_3() {
    // [MQTT-v311-3.3.5-2]
    for shards in SHARDS {
        for version in [V31, V311] {
            let mut bed = Bed::denying(shards, &[(Action::Publish, "secret")]);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(V5, "subscriber");
            bed.subscribe(subscriber, "#", QOS_2);
            bed.publish(publisher, "secret", b"x", QOS_0);
            let packet_id = bed.publish(publisher, "secret", b"x", QOS_1);
            let ack = Acknowledgement::success(packet_id.expect("an id"));
            assert_eq!(bed.take(publisher).one(), Packet::PubAck(ack));
            let packet_id = bed.publish(publisher, "secret", b"x", QOS_2);
            let ack = Acknowledgement::success(packet_id.expect("an id"));
            assert_eq!(bed.take(publisher).one(), Packet::PubRec(ack));
            bed.send(publisher, &Packet::PubRel(ack));
            assert_eq!(bed.take(publisher).one(), Packet::PubComp(ack));
            assert!(bed.take(subscriber).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::PublishDeniedAcl), 3);
            assert!(!bed.is_closed(publisher));
        }
    }
}

#[test]
fn a_publish_that_the_rules_deny_ends_the_connection_of_mqtt_3_if_that_is_wanted() {
    // [MQTT-v311-3.3.5-2]
    for qos in [QOS_0, QOS_1, QOS_2] {
        for version in [V31, V311, V5] {
            let mut bed = Bed::denying(1, &[(Action::Publish, "secret")]);
            bed.command(Command::SetLimits(Arc::new(Limits {
                denied_v3_disconnects: true,
                ..Limits::default()
            })));
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(V5, "subscriber");
            bed.subscribe(subscriber, "#", QOS_2);
            bed.publish(publisher, "secret", b"x", qos);
            let is_closed = version != V5;
            assert_eq!(bed.is_closed(publisher), is_closed, "{version:?} {qos:?}");
            assert_eq!(bed.outcome(Outcome::DisconnectDenied), u64::from(is_closed));
            assert_eq!(bed.outcome(Outcome::PublishDeniedAcl), 1);
            assert!(bed.take(subscriber).bytes.is_empty());
        }
    }
}

/// The reason and the Reason String of the only packet, a PUBACK or PUBREC.
fn refusal(bed: &mut Bed, client: usize) -> (ReasonCode, Option<String>) {
    match bed.take(client).one() {
        Packet::PubAck(ack) | Packet::PubRec(ack) => {
            let text = ack.properties.string(PropertyId::ReasonString);
            assert_eq!(ack.properties.user_properties().count(), 0);
            (ack.reason, text.map(str::to_owned))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn reason_strings_come_only_to_who_wants_problem_information() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::denying(shards, &[(Action::Publish, "secret")]);
            let curious = bed.connect(V5, "curious");
            bed.publish(curious, "secret", b"x", qos);
            let (reason, text) = refusal(&mut bed, curious);
            assert_eq!(reason, ReasonCode::NotAuthorized);
            assert!(text.expect("a reason").contains("rules:1"));
            let options = ConnectOptions::new(V5, "terse")
                .property(PropertyId::RequestProblemInformation, Value::Flag(false));
            let terse = bed.connect_with(&options);
            bed.publish(terse, "secret", b"x", qos);
            assert_eq!(refusal(&mut bed, terse), (ReasonCode::NotAuthorized, None));
        }
    }
}

#[test]
fn a_reason_string_that_does_not_fit_is_left_out() {
    // [MQTT-3.4.2-2] [MQTT-3.5.2-2]
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::denying(shards, &[(Action::Publish, "secret")]);
            let options = ConnectOptions::new(V5, "small")
                .property(PropertyId::MaximumPacketSize, Value::U32(20));
            let client = bed.open(V5);
            bed.send_raw(client, &options.bytes());
            bed.take(client);
            bed.publish(client, "secret", b"x", qos);
            assert_eq!(refusal(&mut bed, client), (ReasonCode::NotAuthorized, None));
        }
    }
}

#[test]
fn acknowledgements_with_codes_of_other_packets_are_protocol_errors() {
    // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
    for shards in SHARDS {
        for (first, code) in [(0x40, 0x92), (0x50, 0x92), (0x62, 0x10), (0x70, 0x10)] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(V5, "client");
            bed.send_raw(client, &raw::packet(first, &[0, 1, code]));
            bed.assert_closed(client, ReasonCode::ProtocolError, &format!("{first:x}"));
        }
    }
}

#[test]
fn a_payload_that_is_not_the_utf_8_it_claims_to_be_is_refused() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_1);
        let format = properties(&[(PropertyId::PayloadFormatIndicator, Value::Flag(true))]);
        let format = format.as_properties();
        bed.publish_with(publisher, "t", b"\xFF", QOS_1, false, format);
        let (reason, _) = refusal(&mut bed, publisher);
        assert_eq!(reason, ReasonCode::PayloadFormatInvalid);
        assert_eq!(bed.outcome(Outcome::PublishPayloadInvalid), 1);
        bed.publish_with(publisher, "t", "ü".as_bytes(), QOS_1, false, format);
        assert_eq!(bed.payloads(subscriber), ["ü"]);
    }
}

#[test]
fn a_topic_of_too_many_levels_or_of_the_broker_itself_is_refused() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.topic_levels_max = 4);
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_0);
        let subscribers: [(QoS, &str); 3] = [(QOS_1, "a/b/c/d"), (QOS_1, "///"), (QOS_1, "abcdef")];
        let publisher = bed.connect(V5, "publisher");
        for (qos, topic) in subscribers {
            bed.publish(publisher, topic, b"x", qos);
            assert_eq!(
                refusal(&mut bed, publisher).0,
                ReasonCode::Success,
                "{topic}"
            );
            assert_eq!(bed.take(subscriber).one_publish().topic, topic);
        }
        for topic in ["a/b/c/d/e", "////", "$SYS/broker/uptime", "$SYS"] {
            bed.publish(publisher, topic, b"x", QOS_1);
            assert_eq!(
                refusal(&mut bed, publisher).0,
                ReasonCode::TopicNameInvalid,
                "{topic}"
            );
        }
        let old = bed.connect(V311, "old");
        bed.publish(old, "a/b/c/d/e", b"x", QOS_1);
        assert!(matches!(bed.take(old).one(), Packet::PubAck(_)));
        assert!(bed.take(subscriber).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::PublishBadTopic), 5);
        // A topic that only starts like the broker's own is anybody's.
        bed.publish(publisher, "$SYSTEM", b"x", QOS_1);
        assert_eq!(
            refusal(&mut bed, publisher).0,
            ReasonCode::NoMatchingSubscribers
        );
    }
}
