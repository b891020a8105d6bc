//! Properties of a PUBLISH on their way (section 3.3.2.3), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, properties};
use bed::{Bed, V5, V311, raw};
use columba_codec::{Packet, PropertiesBuf, PropertyId, QoS, ReasonCode, Value};

/// Everything that is passed on, in an order of no system.
fn all() -> PropertiesBuf {
    properties(&[
        (PropertyId::UserProperty, Value::Pair("b", "2")),
        (PropertyId::ResponseTopic, Value::String("answers/here")),
        (PropertyId::UserProperty, Value::Pair("a", "1")),
        (PropertyId::PayloadFormatIndicator, Value::Flag(true)),
        (PropertyId::CorrelationData, Value::Binary(b"\0\xFF\x01")),
        (PropertyId::UserProperty, Value::Pair("a", "1")),
        (
            PropertyId::ContentType,
            Value::String("text/plain; charset=\u{FEFF}utf-8"),
        ),
        (PropertyId::UserProperty, Value::Pair("", "")),
    ])
}

#[test]
fn properties_are_forwarded_unchanged_and_in_order() {
    // [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    // [MQTT-3.3.2-20]
    for shards in SHARDS {
        for qos in [QOS_0, QOS_1, QOS_2] {
            let mut bed = Bed::with(shards, |limits| limits.queue_qos0 = true);
            let publisher = bed.connect(V5, "publisher");
            let online = bed.connect(V5, "online");
            let offline = bed.connect_keeping(V5, "offline");
            let old = bed.connect(V311, "old");
            for client in [online, offline, old] {
                bed.subscribe(client, "t", qos);
            }
            bed.subscribe(online, "$share/g/t", qos);
            bed.drop_connection(offline);
            let sent = all();
            bed.publish_with(publisher, "t", b"x", qos, true, sent.as_properties());
            let inbox = bed.take(online);
            assert_eq!(inbox.publishes().len(), 2);
            for publish in inbox.publishes() {
                assert_eq!(publish.properties.bytes(), sent.as_properties().bytes());
            }
            let offline = bed.resume(V5, "offline");
            let inbox = bed.take(offline);
            let publish = inbox.one_publish();
            assert_eq!(publish.properties.bytes(), sent.as_properties().bytes());
            let inbox = bed.take(old);
            assert!(inbox.one_publish().properties.is_empty());
            // As a retained message, and with what differs from copy to copy.
            let late = bed.connect(V5, "late");
            bed.subscribe_identified(late, "t", qos, 77);
            let inbox = bed.take(late);
            let got = inbox.one_publish().properties;
            let got: Vec<_> = got
                .iter()
                .filter(|property| property.id != PropertyId::SubscriptionIdentifier)
                .map(|property| (property.id, property.value))
                .collect();
            let sent: Vec<_> = sent
                .as_properties()
                .iter()
                .map(|property| (property.id, property.value))
                .collect();
            assert_eq!(got, sent);
        }
    }
}

#[test]
fn an_expiry_among_other_properties_leaves_them_in_order() {
    // [MQTT-3.3.2-6] [MQTT-3.3.2-18]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QOS_1);
        let sent = properties(&[
            (PropertyId::UserProperty, Value::Pair("x", "1")),
            (PropertyId::MessageExpiryInterval, Value::U32(u32::MAX)),
            (PropertyId::UserProperty, Value::Pair("w", "2")),
            (PropertyId::TopicAlias, Value::U16(3)),
            (PropertyId::UserProperty, Value::Pair("x", "3")),
        ]);
        bed.publish_with(publisher, "t", b"x", QOS_1, false, sent.as_properties());
        let inbox = bed.take(client);
        let got = inbox.one_publish().properties;
        let pairs: Vec<_> = got.user_properties().collect();
        assert_eq!(pairs, [("x", "1"), ("w", "2"), ("x", "3")]);
        assert_eq!(got.u32(PropertyId::MessageExpiryInterval), Some(u32::MAX));
        assert_eq!(got.u16(PropertyId::TopicAlias), None);
    }
}

#[test]
fn ill_formed_properties_close_the_connection() {
    // [MQTT-3.3.2-13] [MQTT-3.3.2-14] [MQTT-3.3.2-19]
    let malformed = ReasonCode::MalformedPacket;
    let protocol = ReasonCode::ProtocolError;
    let cases: [(&str, PropertyId, &[u8], ReasonCode); 6] = [
        (
            "response topic",
            PropertyId::ResponseTopic,
            b"\xFF",
            malformed,
        ),
        (
            "response topic",
            PropertyId::ResponseTopic,
            b"a/+",
            protocol,
        ),
        ("response topic", PropertyId::ResponseTopic, b"#", protocol),
        (
            "content type",
            PropertyId::ContentType,
            b"\xED\xA0\x80",
            malformed,
        ),
        ("content type", PropertyId::ContentType, b"a\0", malformed),
        (
            "content type",
            PropertyId::ContentType,
            b"\xC0\x80",
            malformed,
        ),
    ];
    for shards in SHARDS {
        for (name, id, value, reason) in cases {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let subscriber = bed.connect(V5, "subscriber");
            bed.subscribe(subscriber, "#", QOS_1);
            let mut property = vec![id as u8];
            property.extend(raw::field(value));
            let mut body = raw::field(b"t");
            body.push(property.len() as u8);
            body.extend(property);
            bed.send_raw(publisher, &raw::packet(0x30, &body));
            bed.assert_closed(publisher, reason, &format!("{name} {value:?}"));
            assert!(bed.take(subscriber).bytes.is_empty());
        }
    }
}

#[test]
fn clients_of_all_kinds_share_a_message_without_mixing_their_copies() {
    // One fan-out makes copies of every shape: versions, QoS, RETAIN, identifiers, aliases.
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let mut clients = Vec::new();
        for number in 0..24u32 {
            let version = if number % 2 == 0 { V5 } else { V311 };
            let qos = QoS::from_u8((number % 3) as u8).expect("a QoS");
            let mut options = bed::ConnectOptions::new(version, "x");
            let name = format!("client{number}");
            options.client_id = &name;
            if number % 4 == 0 {
                options = options.property(PropertyId::TopicAliasMaximum, Value::U16(5));
            }
            let client = bed.connect_with(&options);
            let identifier = if number % 6 == 0 { number + 1 } else { 0 };
            if identifier > 0 {
                bed.subscribe_identified(client, "t", qos, identifier);
            } else {
                bed.subscribe(client, "t", qos);
            }
            clients.push((client, version, qos, identifier, number % 4 == 0));
        }
        let sent = all();
        for payload in [vec![b'x'; 10], vec![b'y'; 5000]] {
            bed.publish_with(publisher, "t", &payload, QOS_2, true, sent.as_properties());
            for (client, version, qos, identifier, has_alias) in &clients {
                let inbox = bed.take(*client);
                let packets = inbox.packets();
                let Some(Packet::Publish(publish)) = packets.first() else {
                    panic!("{packets:?}");
                };
                assert_eq!(publish.payload, payload);
                assert_eq!(
                    (publish.qos, publish.retain, publish.dup),
                    (*qos, false, false)
                );
                let identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
                let expected = (*identifier > 0).then_some(*identifier);
                assert_eq!(identifiers, Vec::from_iter(expected));
                let alias = publish.properties.u16(PropertyId::TopicAlias);
                assert_eq!(alias.is_some(), *has_alias);
                let users = publish.properties.user_properties().count();
                assert_eq!(users, if *version == V5 { 4 } else { 0 });
                assert!(publish.topic == "t" || alias.is_some());
            }
        }
    }
}
