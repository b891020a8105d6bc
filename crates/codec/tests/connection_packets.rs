//! CONNECT, CONNACK, DISCONNECT and AUTH: what each version accepts, and what it refuses where.

mod verdict;

use columba_codec::{Fault, Packet, PacketType, PropertyId, ReasonCode, TopicFault, Version};
use verdict::{accepts, all_accept, all_refuse, field, packet, refuses};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::ProtocolError;
const STRICT: &[Version] = &[Version::V311, Version::V5];
const V3: &[Version] = &[Version::V31, Version::V311];

/// CONNECT with these flags; `payload` stands behind keep alive (and no properties).
fn connect(version: Version, flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let name = field(version.protocol_name().as_bytes());
    let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    let head = [&name[..], &[version.level(), flags, 0, 60], none].concat();
    packet(0x10, &[&head, &payload.concat()])
}

/// Where the connect flags stand.
fn flags_at(version: Version) -> u32 {
    5 + version.protocol_name().len() as u32
}

/// Where the payload begins.
fn payload_at(version: Version) -> u32 {
    flags_at(version) + 3 + u32::from(version == Version::V5)
}

#[test]
fn connect_carries_each_combination_of_fields() {
    // MQTT-3.1.2-9, MQTT-3.1.2-17, MQTT-3.1.2-19, MQTT-3.1.3-1
    for version in Version::ALL {
        let id = field(b"id");
        let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let will = [none, &field(b"will/topic"), &field(b"gone")].concat();
        accepts(version, &connect(version, 0x02, &[&id]));
        accepts(version, &connect(version, 0x00, &[&id]));
        accepts(version, &connect(version, 0x82, &[&id, &field(b"user")]));
        for flags in [0x06, 0x0E, 0x16, 0x26, 0x36] {
            accepts(version, &connect(version, flags, &[&id, &will]));
        }
        let all = connect(
            version,
            0xF6,
            &[&id, &will, &field(b"user"), &field(&[0, 255])],
        );
        let Packet::Connect(packet) = accepts(version, &all) else {
            panic!("CONNECT")
        };
        assert_eq!(packet.version, version);
        assert_eq!(packet.client_id, "id");
        assert_eq!(packet.user_name, Some("user"));
        assert_eq!(packet.password, Some(&[0, 255][..]));
        let will = packet.will.expect("the Will Flag is set");
        assert_eq!((will.topic, will.payload), ("will/topic", &b"gone"[..]));
        assert_eq!((will.qos.as_u8(), will.retain), (2, true));
    }
}

#[test]
fn connect_with_another_name_or_level_is_refused() {
    // MQTT-3.1.2-1, MQTT-3.1.2-2
    let reason = ReasonCode::UnsupportedProtocolVersion;
    let check = |name: &[u8], level: u8, at: u32, fault: Fault| {
        let bytes = packet(
            0x10,
            &[&field(name), &[level, 2, 0, 60, 0], &field(b"client")],
        );
        all_refuse(&Version::ALL, &bytes, at, fault, reason);
    };
    check(b"mqtt", 4, 2, Fault::ProtocolName);
    check(b"", 4, 2, Fault::ProtocolName);
    check(b"MQTT", 3, 8, Fault::ProtocolLevel(3));
    check(b"MQTT", 6, 8, Fault::ProtocolLevel(6));
    check(b"MQTT", 0x85, 8, Fault::ProtocolLevel(0x85));
    check(b"MQIsdp", 4, 10, Fault::ProtocolLevel(4));
}

#[test]
fn connect_says_that_it_is_a_bridge_with_the_level() {
    for version in [Version::V31, Version::V311] {
        let mut bytes = connect(version, 0x02, &[&field(b"id")]);
        let level_at = flags_at(version) as usize - 1;
        bytes[level_at] |= 0x80;
        let Packet::Connect(packet) = accepts(version, &bytes) else {
            panic!("CONNECT")
        };
        assert!(packet.is_bridge);
        assert_eq!(packet.version, version);
    }
}

#[test]
fn connect_flags_that_contradict_each_other_are_refused() {
    let check = |version: Version, flags: u8, fault: Fault| {
        let bytes = connect(version, flags, &[&field(b"id"), &field(b""), &field(b"")]);
        refuses(version, &bytes, flags_at(version), fault, MALFORMED);
    };
    for version in STRICT.iter().copied() {
        // MQTT-3.1.2-3
        check(version, 0x03, Fault::ReservedBits("the connect flags"));
        // MQTT-3.1.2-11, MQTT-3.1.2-13 (3.1.1: also MQTT-v311-3.1.2-15)
        check(version, 0x0A, Fault::WillFlags);
        check(version, 0x12, Fault::WillFlags);
        check(version, 0x1A, Fault::WillFlags);
        check(version, 0x22, Fault::WillFlags);
        // MQTT-3.1.2-12 (3.1.1: MQTT-v311-3.1.2-14)
        check(version, 0x1E, Fault::QosThree);
    }
    check(Version::V31, 0x1E, Fault::QosThree);
    // MQTT-v311-3.1.2-22; "it is not valid to supply a password without supplying a user
    // name" of 3.1
    for version in V3.iter().copied() {
        check(version, 0x42, Fault::PasswordWithoutUserName);
    }
    accepts(
        Version::V5,
        &connect(Version::V5, 0x42, &[&field(b"id"), &field(b"token")]),
    );
}

#[test]
fn connect_flags_without_a_meaning_are_disregarded_in_3_1() {
    // 3.1, section 3.1: Will QoS and Will Retain without a Will "disregarded", bit 0 "not used"
    for flags in [0x03, 0x0A, 0x1A, 0x22] {
        let bytes = connect(Version::V31, flags, &[&field(b"id")]);
        let Packet::Connect(packet) = accepts(Version::V31, &bytes) else {
            panic!("CONNECT")
        };
        assert_eq!(packet.will, None);
    }
}

#[test]
fn user_name_and_password_may_be_missing_in_3_1_despite_their_flags() {
    // 3.1, section 3.1: "the Remaining Length field takes precedence over the User Name flag"
    let id = field(b"id");
    let bytes = connect(Version::V31, 0xC2, &[&id]);
    let Packet::Connect(packet) = columba_packet(&bytes) else {
        panic!("CONNECT")
    };
    assert_eq!((packet.user_name, packet.password), (None, None));
    let bytes = connect(Version::V31, 0xC2, &[&id, &field(b"user")]);
    let Packet::Connect(packet) = columba_packet(&bytes) else {
        panic!("CONNECT")
    };
    assert_eq!((packet.user_name, packet.password), (Some("user"), None));
    // MQTT-3.1.2-17, MQTT-3.1.2-19 (3.1.1: MQTT-v311-3.1.2-19, MQTT-v311-3.1.2-21)
    for version in STRICT.iter().copied() {
        let bytes = connect(version, 0xC2, &[&id]);
        let end = bytes.len() as u32;
        refuses(version, &bytes, end, Fault::Truncated, MALFORMED);
    }
}

fn columba_packet(bytes: &[u8]) -> Packet<'_> {
    accepts(Version::V31, bytes)
}

#[test]
fn connect_fields_keep_the_rules_of_strings_and_topics() {
    for version in Version::ALL {
        let at = payload_at(version);
        let check = |flags: u8, payload: &[&[u8]], at: u32, fault: Fault, reason: ReasonCode| {
            refuses(
                version,
                &connect(version, flags, payload),
                at,
                fault,
                reason,
            );
        };
        let id = field(b"id");
        let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        // MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-3.1.3-3, MQTT-3.1.3-4
        check(2, &[&field(b"a\xFF")], at + 3, Fault::NotUtf8, MALFORMED);
        check(2, &[&field(b"\0")], at + 2, Fault::NulInString, MALFORMED);
        check(2, &[&[0, 5, b'a']], at + 3, Fault::Truncated, MALFORMED);
        check(2, &[&[0]], at + 1, Fault::Truncated, MALFORMED);
        check(2, &[], at, Fault::Truncated, MALFORMED);
        check(2, &[&id, &[0]], at + 4, Fault::TrailingBytes, MALFORMED);
        // MQTT-3.1.3-11, MQTT-3.3.2-2, MQTT-4.7.3-1
        let topic_at = at + 4 + none.len() as u32;
        let will = |topic: &[u8]| [none, &field(topic), &field(b"gone")].concat();
        let name = Fault::Topic(TopicFault::WildcardInName);
        check(6, &[&id, &will(b"a/#")], topic_at, name, PROTOCOL_ERROR);
        let empty = Fault::Topic(TopicFault::Empty);
        check(6, &[&id, &will(b"")], topic_at, empty, PROTOCOL_ERROR);
        check(
            6,
            &[&id, &will(b"\xC3")],
            topic_at + 2,
            Fault::NotUtf8,
            MALFORMED,
        );
        // MQTT-3.1.3-12
        check(
            0x82,
            &[&id, &field(b"\xED\xA0\x80")],
            at + 6,
            Fault::NotUtf8,
            MALFORMED,
        );
    }
}

#[test]
fn connack_carries_the_codes_of_its_version() {
    // MQTT-3.2.2-8; 3.1.1: section 3.2.2.3
    for code in 0..=5 {
        all_accept(V3, &packet(0x20, &[&[0, code]]));
    }
    all_refuse(
        V3,
        &packet(0x20, &[&[0, 6]]),
        3,
        Fault::ReasonCode(6),
        PROTOCOL_ERROR,
    );
    let codes = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
        0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    ];
    for code in 0..=255 {
        let bytes = packet(0x20, &[&[0, code, 0]]);
        if codes.contains(&code) {
            accepts(Version::V5, &bytes);
        } else {
            let fault = Fault::ReasonCode(code);
            refuses(Version::V5, &bytes, 3, fault, PROTOCOL_ERROR);
        }
    }
}

#[test]
fn connack_flags_are_session_present_and_nothing_else() {
    // MQTT-3.2.2-1; 3.1.1: section 3.2.2.1
    let reserved = Fault::ReservedBits("the connect acknowledge flags");
    refuses(
        Version::V5,
        &packet(0x20, &[&[2, 0, 0]]),
        2,
        reserved,
        MALFORMED,
    );
    refuses(
        Version::V311,
        &packet(0x20, &[&[0x81, 0]]),
        2,
        reserved,
        MALFORMED,
    );
    // 3.1 has no flags there: "reserved values, not used"
    let bytes = packet(0x20, &[&[0x81, 0]]);
    let Packet::ConnAck(connack) = accepts(Version::V31, &bytes) else {
        panic!("CONNACK")
    };
    assert!(!connack.session_present);
    all_accept(&[Version::V311], &packet(0x20, &[&[1, 0]]));
    all_accept(&[Version::V5], &packet(0x20, &[&[1, 0, 0]]));
}

#[test]
fn connack_with_a_refusal_has_no_session_present() {
    // MQTT-3.2.2-6; 3.1.1: MQTT-v311-3.2.2-4
    let fault = Fault::SessionPresentOnRefusal;
    refuses(
        Version::V5,
        &packet(0x20, &[&[1, 0x87, 0]]),
        2,
        fault,
        PROTOCOL_ERROR,
    );
    refuses(
        Version::V311,
        &packet(0x20, &[&[1, 5]]),
        2,
        fault,
        PROTOCOL_ERROR,
    );
}

#[test]
fn disconnect_carries_a_reason_and_properties_in_mqtt_5_only() {
    // MQTT-3.14.2-1, section 3.14.2.2.1: below a remaining length of 2 there are no properties
    all_accept(&Version::ALL, &[0xE0, 0x00]);
    all_refuse(
        V3,
        &packet(0xE0, &[&[0]]),
        2,
        Fault::TrailingBytes,
        MALFORMED,
    );
    let codes = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93,
        0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ];
    for code in 0..=255 {
        for body in [&[code][..], &[code, 0]] {
            let bytes = packet(0xE0, &[body]);
            if codes.contains(&code) {
                accepts(Version::V5, &bytes);
            } else {
                let fault = Fault::ReasonCode(code);
                refuses(Version::V5, &bytes, 2, fault, PROTOCOL_ERROR);
            }
        }
    }
    refuses(
        Version::V5,
        &packet(0xE0, &[&[0, 0, 0]]),
        4,
        Fault::TrailingBytes,
        MALFORMED,
    );
}

#[test]
fn auth_has_a_method_unless_it_is_empty() {
    // MQTT-3.15.2-1, sections 3.15.2.1 and 3.15.2.2.2
    let check = |body: &[u8], at: u32, fault: Fault, reason: ReasonCode| {
        refuses(Version::V5, &packet(0xF0, &[body]), at, fault, reason);
    };
    accepts(Version::V5, &[0xF0, 0x00]);
    for code in [0x00, 0x18, 0x19] {
        accepts(Version::V5, &packet(0xF0, &[&[code, 4, 0x15, 0, 1, b'm']]));
        let missing = Fault::AuthenticationMethodMissing;
        check(&[code], 3, missing, PROTOCOL_ERROR);
        check(&[code, 0], 4, missing, PROTOCOL_ERROR);
    }
    check(&[0x01, 0], 2, Fault::ReasonCode(1), PROTOCOL_ERROR);
    check(
        &[0x18, 4, 0x16, 0, 1, 7],
        4,
        Fault::AuthenticationDataWithoutMethod,
        PROTOCOL_ERROR,
    );
    check(
        &[0x18, 8, 0x15, 0, 1, b'm', 0x15, 0, 1, b'm'],
        8,
        Fault::PropertyTwice(PropertyId::AuthenticationMethod),
        PROTOCOL_ERROR,
    );
}

#[test]
fn reasons_of_faults_are_codes_that_connack_or_disconnect_may_carry() {
    // MQTT-4.13.1-1
    let faults = [
        Fault::Truncated,
        Fault::ProtocolName,
        Fault::TopicAliasZero,
        Fault::MaximumQosThree,
        Fault::NoFilters,
        Fault::TooLarge { size: 2, limit: 1 },
    ];
    for fault in faults {
        let reason = fault.reason();
        assert!(
            reason.is_allowed_in(PacketType::ConnAck)
                || reason.is_allowed_in(PacketType::Disconnect),
            "{fault}"
        );
    }
}
