//! Bytes to packets.

use crate::error::{DecodeError, Fault};
use crate::packet::{
    Acknowledgement, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Publish, SubAck,
    Subscribe, UnsubAck, Unsubscribe,
};
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// The outcome of looking at the start of a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one call")]
pub enum Decoded<'a> {
    /// A whole packet, and how many bytes it took.
    Packet(Packet<'a>, usize),
    /// Not a whole packet yet. At least `needed` bytes must be there, counted from the packet's
    /// start, before another look makes sense.
    Incomplete {
        /// Bytes from the start of the packet.
        needed: usize,
    },
}

/// A fixed header: which packet, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// The type.
    pub packet: PacketType,
    /// The lower half of the first byte.
    pub flags: u8,
    /// Bytes of the fixed header itself.
    pub header_len: usize,
    /// Bytes of header and body.
    pub total_len: usize,
}

/// Reads a fixed header, or `None` if it is not whole yet.
///
/// Type, flags and length are checked as soon as their bytes are there, so a packet that is going
/// to be refused is refused before its body arrives.
///
/// # Errors
/// Reserved type, wrong flags, a length that is malformed or above `packet_bytes_max`.
#[inline]
pub fn fixed_header(
    bytes: &[u8],
    packet_bytes_max: u32,
) -> Result<Option<FixedHeader>, DecodeError> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let packet = PacketType::from_first_byte(*first);
    let flags = first & 0x0F;
    let error = |at: u32, fault: Fault| Err(DecodeError { packet, at, fault });
    if packet == PacketType::Reserved {
        return error(0, Fault::UnknownPacketType(0));
    }
    match packet.fixed_flags() {
        Some(expected) if expected != flags => return error(0, Fault::FixedHeaderFlags(flags)),
        _ => {}
    }
    let mut value = 0u32;
    for (position, byte) in rest.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            if position > 0 && *byte == 0 {
                return error(1, Fault::VarintNotShortest);
            }
            let header_len = 2 + position;
            let size = value.saturating_add(header_len as u32);
            if size > packet_bytes_max {
                return error(
                    1,
                    Fault::TooLarge {
                        size,
                        limit: packet_bytes_max,
                    },
                );
            }
            let total_len = header_len + value as usize;
            return Ok(Some(FixedHeader {
                packet,
                flags,
                header_len,
                total_len,
            }));
        }
    }
    if rest.len() >= 4 {
        error(1, Fault::VarintTooLong)
    } else {
        Ok(None)
    }
}

/// Decodes the packet at the start of `bytes`, as a peer of this `version` sent it.
///
/// CONNECT names its own version, so any will do for the first packet. Never panics, allocates
/// nothing, and looks at no byte past the packet.
///
/// # Errors
/// [`DecodeError`] with the packet type, the offset and the rule that was broken.
#[inline]
pub fn decode(
    bytes: &[u8],
    version: Version,
    packet_bytes_max: u32,
) -> Result<Decoded<'_>, DecodeError> {
    let Some(header) = fixed_header(bytes, packet_bytes_max)? else {
        return Ok(Decoded::Incomplete {
            needed: bytes.len() + 1,
        });
    };
    let Some(body) = bytes.get(header.header_len..header.total_len) else {
        return Ok(Decoded::Incomplete {
            needed: header.total_len,
        });
    };
    match decode_body(body, header, version) {
        Ok(packet) => Ok(Decoded::Packet(packet, header.total_len)),
        Err(ReadError { at, fault }) => {
            let at = at + header.header_len as u32;
            Err(DecodeError {
                packet: header.packet,
                at,
                fault,
            })
        }
    }
}

#[inline]
fn decode_body(
    body: &[u8],
    header: FixedHeader,
    version: Version,
) -> Result<Packet<'_>, ReadError> {
    let reader = &mut Reader::new(body);
    let packet_type = header.packet;
    let packet = match packet_type {
        PacketType::Publish => Packet::Publish(Publish::read(reader, header.flags, version)?),
        PacketType::PubAck => Packet::PubAck(Acknowledgement::read(reader, packet_type, version)?),
        PacketType::PubRec => Packet::PubRec(Acknowledgement::read(reader, packet_type, version)?),
        PacketType::PubRel => Packet::PubRel(Acknowledgement::read(reader, packet_type, version)?),
        PacketType::PubComp => {
            Packet::PubComp(Acknowledgement::read(reader, packet_type, version)?)
        }
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Connect => Packet::Connect(Connect::read(reader)?),
        PacketType::ConnAck => Packet::ConnAck(ConnAck::read(reader, version)?),
        PacketType::Subscribe => Packet::Subscribe(Subscribe::read(reader, version)?),
        PacketType::SubAck => Packet::SubAck(SubAck::read(reader, version)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::read(reader, version)?),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::read(reader, version)?),
        PacketType::Disconnect => Packet::Disconnect(Disconnect::read(reader, version)?),
        PacketType::Auth if version.has_auth() => Packet::Auth(Auth::read(reader)?),
        PacketType::Auth | PacketType::Reserved => {
            return reader.fault(Fault::UnknownPacketType(packet_type as u8));
        }
    };
    if reader.is_empty() {
        Ok(packet)
    } else {
        reader.fault(Fault::TrailingBytes)
    }
}
