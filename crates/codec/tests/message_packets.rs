//! PUBLISH and its acknowledgements, and the property table that all packets of MQTT 5 share.

mod verdict;

use columba_codec::property::{Kind, Place};
use columba_codec::{Fault, Packet, PacketType, PropertyId, ReasonCode, TopicFault, Version};
use verdict::{accepts, all_accept, all_refuse, field, packet, refuses};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::ProtocolError;
const V3: &[Version] = &[Version::V31, Version::V311];

#[test]
fn publish_has_a_packet_id_above_qos_zero_only() {
    // MQTT-2.2.1-2, section 2.2.1; 3.1.1: MQTT-v311-2.3.1-1, MQTT-v311-2.3.1-5
    for version in Version::ALL {
        let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let bytes = packet(0x31, &[&field(b"t"), none, b"payload"]);
        let Packet::Publish(publish) = accepts(version, &bytes) else {
            panic!("PUBLISH")
        };
        assert_eq!(
            (publish.packet_id, publish.payload),
            (None, &b"payload"[..])
        );
        assert!(publish.retain && !publish.dup);
        for first in [0x32, 0x34, 0x3A, 0x3D] {
            let bytes = packet(first, &[&field(b"t"), &[0xFF, 0xFE], none]);
            let Packet::Publish(publish) = accepts(version, &bytes) else {
                panic!("PUBLISH")
            };
            assert_eq!(publish.packet_id.map(u16::from), Some(0xFFFE));
            assert_eq!(publish.payload, b"");
            let bytes = packet(first, &[&field(b"t"), &[0, 0], none]);
            refuses(version, &bytes, 5, Fault::PacketIdZero, PROTOCOL_ERROR);
            let bytes = packet(first, &[&field(b"t"), &[0]]);
            refuses(version, &bytes, 6, Fault::Truncated, MALFORMED);
        }
    }
}

#[test]
fn publish_topic_is_a_topic_name() {
    // MQTT-3.3.2-1, MQTT-3.3.2-2, MQTT-4.7.3-1, MQTT-1.5.4-1, MQTT-1.5.4-2
    for version in Version::ALL {
        let check = |topic: &[u8], at: u32, fault: Fault, reason: ReasonCode| {
            let bytes = packet(0x30, &[topic, &[0]]);
            refuses(version, &bytes, at, fault, reason);
        };
        let wildcard = Fault::Topic(TopicFault::WildcardInName);
        check(&field(b"a/+"), 2, wildcard, PROTOCOL_ERROR);
        check(&field(b"a#b"), 2, wildcard, PROTOCOL_ERROR);
        let empty = Fault::Topic(TopicFault::Empty);
        check(&field(b""), 2, empty, PROTOCOL_ERROR);
        check(&field(b"a\xC0\x80"), 5, Fault::NotUtf8, MALFORMED);
        check(&field(b"a\xED\xBF\xBF"), 5, Fault::NotUtf8, MALFORMED);
        check(&field(b"a\0"), 5, Fault::NulInString, MALFORMED);
        let bytes = packet(0x30, &[&[0, 3, b'a']]);
        refuses(version, &bytes, 5, Fault::Truncated, MALFORMED);
        refuses(version, &packet(0x30, &[]), 2, Fault::Truncated, MALFORMED);
    }
}

#[test]
fn byte_order_mark_is_part_of_the_topic() {
    // MQTT-1.5.4-3
    let bytes = packet(0x30, &[&field(b"\xEF\xBB\xBFa")]);
    for version in V3 {
        let Packet::Publish(publish) = accepts(*version, &bytes) else {
            panic!("PUBLISH")
        };
        assert_eq!(publish.topic, "\u{FEFF}a");
    }
}

#[test]
fn topic_alias_stands_for_a_topic_and_is_not_zero() {
    // MQTT-3.3.2-8, section 3.3.2.1
    let v5 = Version::V5;
    accepts(v5, &packet(0x30, &[&field(b""), &[3, 0x23, 0, 1]]));
    accepts(v5, &packet(0x30, &[&field(b"t"), &[3, 0x23, 0, 1]]));
    refuses(
        v5,
        &packet(0x30, &[&field(b"t"), &[5, 1, 1, 0x23, 0, 0]]),
        8,
        Fault::TopicAliasZero,
        ReasonCode::TopicAliasInvalid,
    );
    refuses(
        v5,
        &packet(0x30, &[&field(b""), &[2, 1, 1]]),
        2,
        Fault::Topic(TopicFault::Empty),
        PROTOCOL_ERROR,
    );
}

#[test]
fn several_subscription_identifiers_are_for_publish_alone() {
    // MQTT-3.3.4-4, section 3.8.2.1.2
    let two = [0x0B, 1, 0x0B, 0xFF, 0xFF, 0xFF, 0x7F];
    let bytes = packet(0x30, &[&field(b"t"), &[7], &two]);
    let Packet::Publish(publish) = accepts(Version::V5, &bytes) else {
        panic!("PUBLISH")
    };
    let identifiers: Vec<u32> = publish.properties.subscription_identifiers().collect();
    assert_eq!(identifiers, [1, 268_435_455]);
    let bytes = packet(0x82, &[&[0, 1, 7], &two, &field(b"f"), &[0]]);
    let fault = Fault::PropertyTwice(PropertyId::SubscriptionIdentifier);
    refuses(Version::V5, &bytes, 7, fault, PROTOCOL_ERROR);
    for head in [
        packet(0x30, &[&field(b"t"), &[2, 0x0B, 0]]),
        packet(0x82, &[&[0, 1, 2, 0x0B, 0], &field(b"f"), &[0]]),
    ] {
        let at = head.iter().position(|byte| *byte == 0x0B).expect("there") as u32;
        let fault = Fault::PropertyValue(PropertyId::SubscriptionIdentifier);
        refuses(Version::V5, &head, at, fault, PROTOCOL_ERROR);
    }
}

#[test]
fn acknowledgements_carry_the_codes_of_their_lists() {
    // MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1
    let received = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let released = [0x00, 0x92];
    for (first, codes) in [
        (0x40, &received[..]),
        (0x50, &received[..]),
        (0x62, &released[..]),
        (0x70, &released[..]),
    ] {
        all_accept(&Version::ALL, &packet(first, &[&[0, 9]]));
        for code in 0..=255 {
            for tail in [&[][..], &[0]] {
                let bytes = packet(first, &[&[0, 9, code], tail]);
                all_refuse(V3, &bytes, 4, Fault::TrailingBytes, MALFORMED);
                if codes.contains(&code) {
                    accepts(Version::V5, &bytes);
                } else {
                    let fault = Fault::ReasonCode(code);
                    refuses(Version::V5, &bytes, 4, fault, PROTOCOL_ERROR);
                }
            }
        }
        let bytes = packet(first, &[&[0, 0]]);
        let fault = Fault::PacketIdZero;
        all_refuse(&Version::ALL, &bytes, 2, fault, PROTOCOL_ERROR);
        let bytes = packet(first, &[&[1]]);
        all_refuse(&Version::ALL, &bytes, 3, Fault::Truncated, MALFORMED);
        let bytes = packet(first, &[&[0, 9, 0, 1]]);
        refuses(Version::V5, &bytes, 6, Fault::Truncated, MALFORMED);
        let bytes = packet(first, &[&[0, 9, 0, 0, 0]]);
        refuses(Version::V5, &bytes, 6, Fault::TrailingBytes, MALFORMED);
    }
}

/// A valid value of each property, as bytes.
fn value(id: PropertyId) -> Vec<u8> {
    match id.kind() {
        Kind::Flag | Kind::VarintNotZero => vec![1],
        Kind::U16 | Kind::U16NotZero | Kind::Alias => vec![0, 1],
        Kind::U32 | Kind::U32NotZero => vec![0, 0, 0, 1],
        Kind::String | Kind::Topic | Kind::Binary => vec![0, 1, b'x'],
        Kind::Pair => vec![0, 1, b'k', 0, 1, b'v'],
    }
}

/// A packet with these properties, and the offset at which they begin.
fn with_properties(place: Place, properties: &[u8]) -> (Vec<u8>, u32) {
    let len = [properties.len() as u8];
    let connect = [&field(b"MQTT")[..], &[5, 2, 0, 0]].concat();
    let will = [&field(b"MQTT")[..], &[5, 6, 0, 0, 0], &field(b"c")].concat();
    let topic = field(b"t");
    let (first, head, tail): (u8, &[u8], &[u8]) = match place {
        Place::Will => (0x10, &will, &[0, 1, b't', 0, 0]),
        Place::Packet(PacketType::Connect) => (0x10, &connect, &[0, 1, b'c']),
        Place::Packet(PacketType::ConnAck) => (0x20, &[0, 0], &[]),
        Place::Packet(PacketType::Publish) => (0x30, &topic, &[]),
        Place::Packet(PacketType::PubAck) => (0x40, &[0, 1, 0], &[]),
        Place::Packet(PacketType::PubRec) => (0x50, &[0, 1, 0], &[]),
        Place::Packet(PacketType::PubRel) => (0x62, &[0, 1, 0], &[]),
        Place::Packet(PacketType::PubComp) => (0x70, &[0, 1, 0], &[]),
        Place::Packet(PacketType::Subscribe) => (0x82, &[0, 1], &[0, 1, b'f', 0]),
        Place::Packet(PacketType::SubAck) => (0x90, &[0, 1], &[0]),
        Place::Packet(PacketType::Unsubscribe) => (0xA2, &[0, 1], &[0, 1, b'f']),
        Place::Packet(PacketType::UnsubAck) => (0xB0, &[0, 1], &[0]),
        Place::Packet(PacketType::Disconnect) => (0xE0, &[0], &[]),
        Place::Packet(PacketType::Auth) => (0xF0, &[0x18], &[]),
        Place::Packet(PacketType::Reserved | PacketType::PingReq | PacketType::PingResp) => {
            panic!("no properties there")
        }
    };
    let at = 2 + head.len() as u32 + 1;
    (packet(first, &[head, &len, properties, tail]), at)
}

/// Table 2-4 of the standard, row by row, written a second time: identifier and packets, with W
/// for the Will and the types' numbers in hexadecimal.
const TABLE: &[(u8, &str)] = &[
    (0x01, "3W"),
    (0x02, "3W"),
    (0x03, "3W"),
    (0x08, "3W"),
    (0x09, "3W"),
    (0x0B, "38"),
    (0x11, "12E"),
    (0x12, "2"),
    (0x13, "2"),
    (0x15, "12F"),
    (0x16, "12F"),
    (0x17, "1"),
    (0x18, "W"),
    (0x19, "1"),
    (0x1A, "2"),
    (0x1C, "2E"),
    (0x1F, "245679BEF"),
    (0x21, "12"),
    (0x22, "12"),
    (0x23, "3"),
    (0x24, "2"),
    (0x25, "2"),
    (0x26, "123W456789ABEF"),
    (0x27, "12"),
    (0x28, "2"),
    (0x29, "2"),
    (0x2A, "2"),
];

fn places() -> impl Iterator<Item = (char, Place)> {
    let packets = PacketType::ALL.into_iter().filter(|packet| {
        !matches!(
            packet,
            PacketType::Reserved | PacketType::PingReq | PacketType::PingResp
        )
    });
    packets
        .map(|packet| (format!("{:X}", packet as u8), Place::Packet(packet)))
        .chain([("W".to_owned(), Place::Will)])
        .filter_map(|(letter, place)| Some((letter.chars().next()?, place)))
}

#[test]
fn properties_occur_where_the_table_of_the_standard_has_them() {
    // Section 2.2.2.2
    let ids: Vec<u8> = PropertyId::ALL.iter().map(|id| *id as u8).collect();
    let table: Vec<u8> = TABLE.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, table);
    for (id, letters) in TABLE {
        let id = PropertyId::from_u32(u32::from(*id)).expect("in the table");
        for (letter, place) in places() {
            let method: &[u8] = match (place, id) {
                (_, PropertyId::AuthenticationMethod) => &[],
                (Place::Packet(PacketType::Auth), _) | (_, PropertyId::AuthenticationData) => {
                    &[0x15, 0, 1, b'm']
                }
                _ => &[],
            };
            // Where the method itself may not stand, it would be the first fault.
            let method = if PropertyId::AuthenticationMethod.is_allowed_in(place) {
                method
            } else {
                &[]
            };
            let properties = [method, &[id as u8], &value(id)].concat();
            let (bytes, at) = with_properties(place, &properties);
            if letters.contains(letter) {
                accepts(Version::V5, &bytes);
                check_twice(id, place, method);
            } else {
                let at = at + method.len() as u32;
                let fault = Fault::PropertyNotAllowed(id);
                refuses(Version::V5, &bytes, at, fault, MALFORMED);
            }
        }
    }
}

/// Every property but two is a protocol error if it comes twice.
fn check_twice(id: PropertyId, place: Place, method: &[u8]) {
    let once = [&[id as u8], value(id).as_slice()].concat();
    let (bytes, at) = with_properties(place, &[method, &once, &once].concat());
    let is_publish = place == Place::Packet(PacketType::Publish);
    match id {
        PropertyId::UserProperty => drop(accepts(Version::V5, &bytes)),
        PropertyId::SubscriptionIdentifier if is_publish => drop(accepts(Version::V5, &bytes)),
        _ => refuses(
            Version::V5,
            &bytes,
            at + (method.len() + once.len()) as u32,
            Fault::PropertyTwice(id),
            PROTOCOL_ERROR,
        ),
    }
}

#[test]
fn property_values_that_the_standard_forbids_are_refused() {
    let check = |place: Place, property: &[u8], fault: Fault, reason: ReasonCode| {
        let (bytes, at) = with_properties(place, property);
        refuses(Version::V5, &bytes, at, fault, reason);
    };
    let value = Fault::PropertyValue;
    let connect = Place::Packet(PacketType::Connect);
    let connack = Place::Packet(PacketType::ConnAck);
    // Sections 3.1.2.11.3, 3.1.2.11.4, 3.1.2.11.6, 3.1.2.11.7
    let id = PropertyId::ReceiveMaximum;
    check(connect, &[0x21, 0, 0], value(id), PROTOCOL_ERROR);
    let id = PropertyId::MaximumPacketSize;
    check(connect, &[0x27, 0, 0, 0, 0], value(id), PROTOCOL_ERROR);
    let id = PropertyId::RequestResponseInformation;
    check(connect, &[0x19, 2], value(id), PROTOCOL_ERROR);
    let id = PropertyId::RequestProblemInformation;
    check(connect, &[0x17, 255], value(id), PROTOCOL_ERROR);
    // Sections 3.2.2.3.4, 3.2.2.3.5, 3.2.2.3.11 to 3.2.2.3.13
    for id in [0x24, 0x25, 0x28, 0x29, 0x2A] {
        let fault = value(PropertyId::from_u32(u32::from(id)).expect("in the table"));
        check(connack, &[id, 2], fault, PROTOCOL_ERROR);
    }
    // MQTT-3.3.2-14, MQTT-4.7.3-1
    let publish = Place::Packet(PacketType::Publish);
    let id = PropertyId::ResponseTopic;
    for topic in [&[8, 0, 1, b'#'][..], &[8, 0, 2, b'a', b'+'], &[8, 0, 0]] {
        check(publish, topic, value(id), PROTOCOL_ERROR);
        check(Place::Will, topic, value(id), PROTOCOL_ERROR);
    }
    let unknown = Fault::UnknownProperty(0x7F);
    check(publish, &[0x7F, 0], unknown, MALFORMED);
    check(publish, &[0], Fault::UnknownProperty(0), MALFORMED);
    // MQTT-1.5.5-1
    let padded = Fault::VarintNotShortest;
    check(publish, &[0x81, 0x00, 1], padded, MALFORMED);
    // Section 3.1.2.11.10
    let without = Fault::AuthenticationDataWithoutMethod;
    check(connect, &[0x16, 0, 1, 7], without, PROTOCOL_ERROR);
    check(connack, &[0x16, 0, 1, 7], without, PROTOCOL_ERROR);
}

#[test]
fn property_strings_keep_the_rules_of_strings() {
    // MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-1.5.7-1
    let publish = Place::Packet(PacketType::Publish);
    let check = |property: &[u8], offset: u32, fault: Fault| {
        let (bytes, at) = with_properties(publish, property);
        refuses(Version::V5, &bytes, at + offset, fault, MALFORMED);
    };
    check(&[0x26, 0, 1, 0xFF, 0, 0], 3, Fault::NotUtf8);
    check(&[0x26, 0, 0, 0, 2, b'a', 0xFF], 6, Fault::NotUtf8);
    check(&[0x26, 0, 1, 0, 0, 0], 3, Fault::NulInString);
    check(&[0x26, 0, 0, 0, 1, 0], 5, Fault::NulInString);
    check(&[3, 0, 1, 0], 3, Fault::NulInString);
    // A property never reads past the properties' length into what follows.
    check(&[0x26, 0, 1, b'a'], 4, Fault::Truncated);
    check(&[3, 0, 9, b'a'], 4, Fault::Truncated);
    check(&[2, 0, 0], 3, Fault::Truncated);
    check(&[1], 1, Fault::Truncated);
    check(&[0x0B, 0xFF], 2, Fault::Truncated);
    check(&[0x0B, 0x80, 0x80, 0x80, 0x80, 1], 1, Fault::VarintTooLong);
    check(&[0x0B, 0x81, 0x00], 1, Fault::VarintNotShortest);
}

#[test]
fn property_length_is_there_in_mqtt_5_and_stays_in_the_packet() {
    // MQTT-2.2.2-1
    let v5 = Version::V5;
    let bytes = packet(0x30, &[&field(b"t")]);
    refuses(v5, &bytes, 5, Fault::Truncated, MALFORMED);
    let bytes = packet(0x30, &[&field(b"t"), &[3, 1, 1]]);
    refuses(v5, &bytes, 8, Fault::Truncated, MALFORMED);
    let bytes = packet(0x30, &[&field(b"t"), &[0x80, 0x00]]);
    refuses(v5, &bytes, 5, Fault::VarintNotShortest, MALFORMED);
    let bytes = packet(0x20, &[&[0, 0]]);
    refuses(v5, &bytes, 4, Fault::Truncated, MALFORMED);
}
