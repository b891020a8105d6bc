//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

mod verdict;

use columba_codec::packet::{RetainHandling, SubAck};
use columba_codec::{Fault, Packet, PacketId, Properties, ReasonCode, Version};
use verdict::{accepts, all_refuse, field, packet, refuses};

const MALFORMED: ReasonCode = ReasonCode::MalformedPacket;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::ProtocolError;
const V3: &[Version] = &[Version::V31, Version::V311];

/// Packet id 9 and no properties.
fn head(version: Version) -> &'static [u8] {
    if version == Version::V5 {
        &[0, 9, 0]
    } else {
        &[0, 9]
    }
}

#[test]
fn subscribe_options_are_those_of_the_version() {
    // MQTT-3.8.3-5, section 3.8.3.1; 3.1.1: MQTT-v311-3.8.3-4
    let reserved = Fault::ReservedBits("the subscription options");
    for version in Version::ALL {
        for options in 0..=255u8 {
            let bytes = packet(0x82, &[head(version), &field(b"a/+"), &[options]]);
            let at = bytes.len() as u32 - 1;
            let is_reserved = if version == Version::V5 {
                options & 0xC0 != 0
            } else {
                options & 0xFC != 0
            };
            if is_reserved {
                refuses(version, &bytes, at, reserved, MALFORMED);
            } else if options & 0x30 == 0x30 {
                refuses(
                    version,
                    &bytes,
                    at,
                    Fault::RetainHandlingThree,
                    PROTOCOL_ERROR,
                );
            } else if options & 0x03 == 0x03 {
                refuses(version, &bytes, at, Fault::MaximumQosThree, PROTOCOL_ERROR);
            } else {
                let Packet::Subscribe(subscribe) = accepts(version, &bytes) else {
                    panic!("SUBSCRIBE")
                };
                let (filter, read) = subscribe.filters.iter().next().expect("one filter");
                assert_eq!((filter, read.as_u8()), ("a/+", options));
            }
        }
    }
}

#[test]
fn subscribe_keeps_filters_in_order() {
    // MQTT-3.8.4-5, MQTT-3.9.3-1. What is no valid filter is for the server's SUBACK to say.
    let bytes = packet(
        0x82,
        &[&[0, 9, 0], &field(b"a#"), &[0x2E], &field(b"b"), &[0x11]],
    );
    let Packet::Subscribe(subscribe) = accepts(Version::V5, &bytes) else {
        panic!("SUBSCRIBE")
    };
    let filters: Vec<_> = subscribe.filters.iter().collect();
    assert_eq!(filters.len(), 2);
    let (filter, options) = filters[0];
    assert_eq!((filter, options.qos.as_u8()), ("a#", 2));
    assert!(options.no_local && options.retain_as_published);
    assert_eq!(options.retain_handling, RetainHandling::DoNotSend);
    let (filter, options) = filters[1];
    assert_eq!((filter, options.qos.as_u8()), ("b", 1));
    assert_eq!(options.retain_handling, RetainHandling::SendIfNew);
}

#[test]
fn requests_have_at_least_one_filter_of_text_and_a_packet_id() {
    // MQTT-3.8.3-1, MQTT-3.8.3-2, MQTT-3.10.3-1, MQTT-3.10.3-2, section 2.2.1; 3.1.1:
    // MQTT-v311-3.8.3-3
    for version in Version::ALL {
        for (first, options) in [(0x82, &[0u8][..]), (0xA2, &[])] {
            let head = head(version);
            let end = 2 + head.len() as u32;
            let check = |body: &[&[u8]], at: u32, fault: Fault, reason: ReasonCode| {
                let bytes = packet(first, body);
                refuses(version, &bytes, at, fault, reason);
            };
            check(&[head], end, Fault::NoFilters, PROTOCOL_ERROR);
            let zero = [&[0, 0], &head[2..]].concat();
            let fault = Fault::PacketIdZero;
            check(&[&zero, &field(b"f"), options], 2, fault, PROTOCOL_ERROR);
            let not_text = field(b"\x80");
            let fault = Fault::NotUtf8;
            check(&[head, &not_text, options], end + 2, fault, MALFORMED);
            let nul = field(b"a\0");
            let fault = Fault::NulInString;
            check(&[head, &nul, options], end + 3, fault, MALFORMED);
            let cut = [0, 5, b'a'];
            check(&[head, &cut], end + 3, Fault::Truncated, MALFORMED);
            check(
                &[head, &field(b"f"), options, &[0]],
                end + 3 + options.len() as u32 + 1,
                Fault::Truncated,
                MALFORMED,
            );
        }
        let bytes = packet(0x82, &[head(version), &field(b"f")]);
        let end = bytes.len() as u32;
        refuses(version, &bytes, end, Fault::Truncated, MALFORMED);
    }
}

#[test]
fn suback_carries_the_codes_of_its_version() {
    // MQTT-3.9.3-2 (3.1.1: MQTT-v311-3.9.3-2)
    let v5 = [
        0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
    ];
    for version in Version::ALL {
        for code in 0..=255u8 {
            let bytes = packet(0x90, &[head(version), &[0x01, code]]);
            let at = bytes.len() as u32 - 1;
            let is_listed = match version {
                Version::V5 => v5.contains(&code),
                Version::V31 => code <= 2,
                Version::V311 => matches!(code, 0..=2 | 0x80),
            };
            if is_listed {
                accepts(version, &bytes);
            } else {
                refuses(version, &bytes, at, Fault::ReasonCode(code), PROTOCOL_ERROR);
            }
        }
        let bytes = packet(0x90, &[head(version)]);
        let end = bytes.len() as u32;
        refuses(version, &bytes, end, Fault::Truncated, MALFORMED);
    }
}

#[test]
fn suback_failure_is_0x80_in_3_1_1_and_a_positive_acknowledgement_in_3_1() {
    // 3.1.1: MQTT-v311-3.9.3-2
    // 3.1, section 3.8: "it must therefore make a positive acknowledgement"
    let suback = Packet::SubAck(SubAck {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        codes: &[0x02, 0x87],
    });
    let check = |version: Version, expected: &[u8]| {
        let mut out = Vec::new();
        suback.encode(version, &mut out).expect("fits");
        assert_eq!(out, expected, "{version}");
    };
    check(Version::V31, &[0x90, 4, 0, 1, 0x02, 0x00]);
    check(Version::V311, &[0x90, 4, 0, 1, 0x02, 0x80]);
    check(Version::V5, &[0x90, 5, 0, 1, 0, 0x02, 0x87]);
}

#[test]
fn unsuback_carries_codes_in_mqtt_5_only() {
    // MQTT-3.11.3-2; 3.1.1: section 3.11.3
    let codes = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
    for code in 0..=255u8 {
        let bytes = packet(0xB0, &[&[0, 9, 0, 0x11, code]]);
        if codes.contains(&code) {
            accepts(Version::V5, &bytes);
        } else {
            let fault = Fault::ReasonCode(code);
            refuses(Version::V5, &bytes, 6, fault, PROTOCOL_ERROR);
        }
    }
    let bytes = packet(0xB0, &[&[0, 9, 0]]);
    refuses(Version::V5, &bytes, 5, Fault::Truncated, MALFORMED);
    for version in V3 {
        accepts(*version, &packet(0xB0, &[&[0, 9]]));
    }
    let bytes = packet(0xB0, &[&[0, 9, 0]]);
    all_refuse(V3, &bytes, 4, Fault::TrailingBytes, MALFORMED);
}
