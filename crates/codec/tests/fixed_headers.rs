//! Fixed headers: types, flags, remaining lengths and the limit.

mod verdict;

use columba_codec::{Fault, PacketType, ReasonCode, Version, fixed_header};
use verdict::{accepts, all_accept, all_refuse, field, packet, refuses};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const V3: &[Version] = &[Version::V31, Version::V311];
const STRICT: &[Version] = &[Version::V311, Version::V5];

/// A packet of each type without its first byte's flags, valid where the flags are.
fn body(packet: PacketType, version: Version) -> Vec<u8> {
    let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    match packet {
        PacketType::Reserved | PacketType::PingReq | PacketType::PingResp => vec![],
        PacketType::Disconnect | PacketType::Auth => vec![],
        PacketType::Connect => {
            let name = field(version.protocol_name().as_bytes());
            [&name[..], &[version.level(), 2, 0, 0], none, &field(b"c")].concat()
        }
        PacketType::ConnAck => [&[0, 0][..], none].concat(),
        PacketType::Publish => [&field(b"t")[..], &[0, 1], none].concat(),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            vec![0, 1]
        }
        PacketType::Subscribe => [&[0, 1][..], none, &field(b"f"), &[1]].concat(),
        PacketType::SubAck => [&[0, 1][..], none, &[0]].concat(),
        PacketType::Unsubscribe => [&[0, 1][..], none, &field(b"f")].concat(),
        PacketType::UnsubAck if version == Version::V5 => vec![0, 1, 0, 0],
        PacketType::UnsubAck => vec![0, 1],
    }
}

#[test]
fn flags_other_than_the_listed_ones_are_refused_on_every_packet() {
    // MQTT-2.1.3-1; 3.1.1: MQTT-v311-2.2.2-1, MQTT-v311-2.2.2-2, MQTT-v311-3.6.1-1,
    // MQTT-v311-3.8.1-1, MQTT-v311-3.10.1-1
    for version in Version::ALL {
        for packet_type in PacketType::ALL {
            let Some(listed) = packet_type.fixed_flags() else {
                continue;
            };
            let missing = packet_type == PacketType::Reserved
                || packet_type == PacketType::Auth && version != Version::V5;
            if missing {
                continue;
            }
            for flags in 0..16 {
                let first = (packet_type as u8) << 4 | flags;
                let bytes = packet(first, &[&body(packet_type, version)]);
                // PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP, in MQTT 3.1.
                let is_dup = version == Version::V31 && listed == 0b0010 && flags == 0b1010;
                if flags == listed || is_dup {
                    accepts(version, &bytes);
                } else {
                    refuses(
                        version,
                        &bytes,
                        0,
                        Fault::FixedHeaderFlags(flags),
                        MALFORMED,
                    );
                }
            }
        }
    }
}

#[test]
fn type_zero_is_refused() {
    all_refuse(
        &Version::ALL,
        &[0x00, 0x00],
        0,
        Fault::UnknownPacketType(0),
        MALFORMED,
    );
}

#[test]
fn auth_does_not_exist_before_mqtt_5_and_is_refused_before_its_body() {
    // 3.1.1: MQTT-v311-4.8.0-1
    all_refuse(
        V3,
        &packet(0xF0, &[&[0x00, 0x00]]),
        0,
        Fault::UnknownPacketType(15),
        MALFORMED,
    );
    all_refuse(
        V3,
        &[0xF0, 0x20],
        0,
        Fault::UnknownPacketType(15),
        MALFORMED,
    );
}

#[test]
fn qos_three_is_refused_before_the_body() {
    // MQTT-3.3.1-4
    for first in [0x36, 0x37, 0x3E, 0x3F] {
        all_refuse(&Version::ALL, &[first], 0, Fault::QosThree, MALFORMED);
    }
}

#[test]
fn dup_at_qos_zero_is_refused_since_3_1_1() {
    // MQTT-3.3.1-2
    for first in [0x38, 0x39] {
        let protocol_error = ReasonCode::ProtocolError;
        all_refuse(
            STRICT,
            &[first, 0x7F],
            0,
            Fault::DupAtQosZero,
            protocol_error,
        );
        accepts(Version::V31, &packet(first, &[&field(b"t")]));
    }
}

#[test]
fn remaining_length_is_in_its_shortest_form_in_mqtt_5_only() {
    // MQTT-1.5.5-1. 3.1 and 3.1.1 describe the encoding and forbid no form of it.
    for padded in [
        &[0xC0, 0x80, 0x00][..],
        &[0xC0, 0x80, 0x80, 0x00],
        &[0xC0, 0x80, 0x80, 0x80, 0x00],
    ] {
        refuses(Version::V5, padded, 1, Fault::VarintNotShortest, MALFORMED);
        all_accept(V3, padded);
    }
    for version in Version::ALL {
        let body = body(PacketType::Connect, version);
        let connect = [&[0x10, body.len() as u8 | 0x80, 0x00], body.as_slice()].concat();
        if version == Version::V5 {
            // The version stands in the body, so the fault shows once the body is there.
            refuses(version, &connect, 1, Fault::VarintNotShortest, MALFORMED);
        } else {
            accepts(version, &connect);
        }
    }
}

#[test]
fn remaining_length_has_at_most_four_bytes() {
    // Section 2.1.4; 3.1.1: section 2.2.3
    all_refuse(
        &Version::ALL,
        &[0xC0, 0x80, 0x80, 0x80, 0x80, 0x01],
        1,
        Fault::VarintTooLong,
        MALFORMED,
    );
}

#[test]
fn a_packet_above_the_limit_is_refused_before_its_body() {
    let fault = Fault::TooLarge {
        size: 1025,
        limit: 1024,
    };
    // 1022 bytes of body and 3 of header.
    let too_large = ReasonCode::PacketTooLarge;
    all_refuse(&Version::ALL, &[0x30, 0xFE, 0x07], 1, fault, too_large);
    let error = fixed_header(&[0x30, 0xFE, 0x07], 1024).expect_err("above the limit");
    assert_eq!(error.fault, fault);
    let fits = fixed_header(&[0x30, 0xFD, 0x07], 1024).expect("at the limit");
    assert_eq!(fits.map(|header| header.total_len), Some(1024));
}

#[test]
fn the_longest_packet_is_not_refused_by_the_highest_limit() {
    let header = fixed_header(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], u32::MAX)
        .expect("a valid length")
        .expect("whole");
    assert_eq!(header.total_len, 268_435_460);
    assert_eq!(header.header_len, 5);
}

#[test]
fn pings_have_no_body() {
    for first in [0xC0, 0xD0] {
        all_accept(&Version::ALL, &[first, 0x00]);
        all_refuse(
            &Version::ALL,
            &packet(first, &[&[0]]),
            2,
            Fault::TrailingBytes,
            MALFORMED,
        );
    }
}
