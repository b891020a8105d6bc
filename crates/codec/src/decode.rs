//! Bytes to packets.

use crate::error::{DecodeError, Fault};
use crate::packet::{
    Acknowledgement, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Publish, SubAck,
    Subscribe, UnsubAck, Unsubscribe,
};
use crate::version::Version;
use crate::wire::{ReadError, Reader, varint_len};

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

impl FixedHeader {
    /// The rules on which the versions differ.
    #[inline]
    fn check(self, version: Version) -> Result<(), DecodeError> {
        let error = |at: u32, fault: Fault| {
            Err(DecodeError {
                packet: self.packet,
                at,
                fault,
            })
        };
        if self.packet == PacketType::Auth && !version.has_auth() {
            return error(0, Fault::UnknownPacketType(self.packet as u8));
        }
        if self.flags & 0b1000 != 0 && version.has_reserved_flags() {
            match self.packet {
                PacketType::Publish if self.flags & 0b0110 != 0 => {}
                // MQTT-3.3.1-2. 3.1 says that DUP applies to QoS above 0 and forbids nothing.
                PacketType::Publish => return error(0, Fault::DupAtQosZero),
                _ => return error(0, Fault::FixedHeaderFlags(self.flags)),
            }
        }
        let body_len = (self.total_len - self.header_len) as u32;
        if self.header_len > 1 + varint_len(body_len) && version.has_shortest_varints() {
            return error(1, Fault::VarintNotShortest);
        }
        Ok(())
    }
}

/// Reads a fixed header, or `None` if it is not whole yet.
///
/// Type, flags and length are checked as soon as their bytes are there, so a packet that is going
/// to be refused is refused before its body arrives. The version is not known here; what one
/// version allows passes, and [`decode()`] looks again before it waits for the body.
///
/// # Errors
/// Reserved type, flags or QoS 3 that no version has, a length that is malformed or above
/// `packet_bytes_max`.
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
        Some(expected) if expected == flags || packet.may_be_dup(flags) => {}
        Some(_) => return error(0, Fault::FixedHeaderFlags(flags)),
        // MQTT-3.3.1-4
        None if flags & 0b0110 == 0b0110 => return error(0, Fault::QosThree),
        None => {}
    }
    let mut value = 0u32;
    for (position, byte) in rest.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
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
    // CONNECT says only in its body which version's rules it has to keep.
    if header.packet != PacketType::Connect {
        header.check(version)?;
    }
    let Some(body) = bytes.get(header.header_len..header.total_len) else {
        return Ok(Decoded::Incomplete {
            needed: header.total_len,
        });
    };
    match decode_body(body, header, version) {
        Ok(packet) => {
            if let Packet::Connect(connect) = &packet {
                header.check(connect.version)?;
            }
            Ok(Decoded::Packet(packet, header.total_len))
        }
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
        PacketType::Auth => Packet::Auth(Auth::read(reader)?),
        PacketType::Reserved => {
            return reader.fault(Fault::UnknownPacketType(packet_type as u8));
        }
    };
    if reader.is_empty() {
        Ok(packet)
    } else {
        reader.fault(Fault::TrailingBytes)
    }
}
