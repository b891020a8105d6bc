//! What the table tests ask of one packet: it is accepted whole, or refused at one byte.
#![allow(
    dead_code,
    reason = "every test binary uses its own part of this module"
)]

use columba_codec::{DecodeError, Decoded, Fault, Packet, PacketType, ReasonCode, Version, decode};

pub(crate) const LIMIT: u32 = 1024;

/// A packet from its first byte and its body of at most 127 bytes.
pub(crate) fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    assert!(body.len() < 0x80, "the helper writes one length byte");
    [&[first, body.len() as u8], body.as_slice()].concat()
}

/// A string or binary field of at most 255 bytes.
pub(crate) fn field(content: &[u8]) -> Vec<u8> {
    [&[0, content.len() as u8], content].concat()
}

/// The packet is read to its end, its encoding reads as the same packet, and none of its
/// beginnings is taken for a packet or refused.
#[track_caller]
pub(crate) fn accepts(version: Version, bytes: &[u8]) -> Packet<'_> {
    let packet = match decode(bytes, version, LIMIT) {
        Ok(Decoded::Packet(packet, len)) if len == bytes.len() => packet,
        other => panic!("{version} {bytes:02x?}: {other:?}"),
    };
    let mut again = Vec::new();
    packet
        .encode(version, &mut again)
        .expect("what was read can be written");
    assert_eq!(
        decode(&again, version, LIMIT),
        Ok(Decoded::Packet(packet, again.len())),
        "{version} {bytes:02x?} became {again:02x?}"
    );
    for len in 0..bytes.len() {
        match decode(&bytes[..len], version, LIMIT) {
            Ok(Decoded::Incomplete { needed }) => assert!(
                len < needed && needed <= bytes.len(),
                "{version} {bytes:02x?} at {len} needs {needed}"
            ),
            other => panic!("{version} {len} of {bytes:02x?}: {other:?}"),
        }
    }
    packet
}

/// All of `versions` accept the packet.
#[track_caller]
pub(crate) fn all_accept(versions: &[Version], bytes: &[u8]) {
    for version in versions {
        accepts(*version, bytes);
    }
}

/// The packet is refused with this fault at this byte, and no beginning of it is taken for a
/// packet or refused for another reason.
#[track_caller]
pub(crate) fn refuses(version: Version, bytes: &[u8], at: u32, fault: Fault, reason: ReasonCode) {
    let expected = DecodeError {
        packet: PacketType::from_first_byte(bytes[0]),
        at,
        fault,
    };
    let error = decode(bytes, version, LIMIT).expect_err("must not be accepted");
    assert_eq!(error, expected, "{version} {bytes:02x?}");
    assert_eq!(error.reason(), reason, "{version} {bytes:02x?}");
    for len in 0..bytes.len() {
        match decode(&bytes[..len], version, LIMIT) {
            Ok(Decoded::Incomplete { needed }) => assert!(needed > len),
            other => assert_eq!(other, Err(expected), "{version} {len} of {bytes:02x?}"),
        }
    }
}

/// All of `versions` refuse the packet as [`refuses`] says.
#[track_caller]
pub(crate) fn all_refuse(
    versions: &[Version],
    bytes: &[u8],
    at: u32,
    fault: Fault,
    reason: ReasonCode,
) {
    for version in versions {
        refuses(*version, bytes, at, fault, reason);
    }
}
