//! Packets to bytes, and the template that lets one encoded PUBLISH serve many subscribers.

use crate::packet::{Packet, PacketId, PacketType, QoS};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{
    FIELD_BYTES_MAX, PACKET_BYTES_MAX, VARINT_MAX, put_binary, put_varint, varint, varint_len,
};

/// A packet that has no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field of more than 65,535 bytes.
    #[error("a field is longer than 65,535 bytes")]
    FieldTooLong,
    /// A packet above the 256 MiB that a remaining length can say.
    #[error("the packet is longer than 268,435,455 bytes")]
    PacketTooLong,
    /// A packet or code that this version of MQTT does not have.
    #[error("this version of MQTT has no such packet or code")]
    NotInThisVersion,
    /// A packet id at QoS 0, or none above.
    #[error("a packet id goes with QoS 1 and 2, and only with them")]
    PacketIdAndQos,
    /// DUP at QoS 0 (`MQTT-3.3.1-2`).
    #[error("DUP goes with QoS 1 and 2, and only with them")]
    DupAtQosZero,
    /// A string with U+0000 (`MQTT-1.5.4-2`).
    #[error("a string holds the character U+0000")]
    NulInString,
    /// A reason code that the standard does not list for this packet.
    #[error("{packet} may not carry the reason code {reason}")]
    ReasonCode {
        /// The packet.
        packet: PacketType,
        /// The code.
        reason: ReasonCode,
    },
    /// CONNACK with a refusal and Session Present (`MQTT-3.2.2-6`).
    #[error("a refusal cannot say that a session is present")]
    SessionPresentOnRefusal,
}

/// Appends the body of a packet.
pub(crate) struct BodyWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl BodyWriter<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn binary(&mut self, data: &[u8]) -> Result<(), EncodeError> {
        if data.len() > FIELD_BYTES_MAX {
            return Err(EncodeError::FieldTooLong);
        }
        put_binary(self.out, data);
        Ok(())
    }

    pub(crate) fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        if text.as_bytes().contains(&0) {
            return Err(EncodeError::NulInString);
        }
        self.binary(text.as_bytes())
    }

    pub(crate) fn reason(
        &mut self,
        reason: ReasonCode,
        packet: PacketType,
    ) -> Result<(), EncodeError> {
        if !reason.is_allowed_in(packet) {
            return Err(EncodeError::ReasonCode { packet, reason });
        }
        self.out.push(reason as u8);
        Ok(())
    }

    /// Length and properties for MQTT 5, nothing before (`MQTT-2.2.2-1`).
    pub(crate) fn properties(
        &mut self,
        version: Version,
        properties: Properties<'_>,
    ) -> Result<(), EncodeError> {
        if !version.has_properties() {
            return Ok(());
        }
        let bytes = properties.bytes();
        match u32::try_from(bytes.len()) {
            Ok(len) if len <= VARINT_MAX => put_varint(self.out, len),
            _ => return Err(EncodeError::PacketTooLong),
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl Packet<'_> {
    /// Appends the packet as `version` writes it, and returns its size in bytes.
    ///
    /// # Errors
    /// [`EncodeError`]; `out` is as it was then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let start = out.len();
        let written = self.encode_at(start, version, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn encode_at(
        &self,
        start: usize,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<usize, EncodeError> {
        let packet_type = self.packet_type();
        let flags = match self {
            Self::Publish(publish) => publish.flags(),
            _ => packet_type.fixed_flags().unwrap_or(0),
        };
        out.push((packet_type as u8) << 4 | flags);
        // Most packets fit one length byte; for longer ones the body moves over once.
        out.push(0);
        self.write_body(version, &mut BodyWriter { out })?;
        let body_len = out.len() - start - 2;
        let len = match u32::try_from(body_len) {
            Ok(len) if len <= VARINT_MAX => len,
            _ => return Err(EncodeError::PacketTooLong),
        };
        let (length, length_len) = varint(len);
        out.splice(start + 1..start + 2, length.into_iter().take(length_len));
        Ok(out.len() - start)
    }

    fn write_body(&self, version: Version, out: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.write(out),
            Self::ConnAck(packet) => packet.write(version, out),
            Self::Publish(packet) => packet.write(version, out),
            Self::PubAck(packet)
            | Self::PubRec(packet)
            | Self::PubRel(packet)
            | Self::PubComp(packet) => packet.write(self.packet_type(), version, out),
            Self::Subscribe(packet) => packet.write(version, out),
            Self::SubAck(packet) => packet.write(version, out),
            Self::Unsubscribe(packet) => packet.write(version, out),
            Self::UnsubAck(packet) => packet.write(version, out),
            Self::PingReq | Self::PingResp => Ok(()),
            Self::Disconnect(packet) => packet.write(version, out),
            Self::Auth(packet) => packet.write(version, out),
        }
    }
}

/// A PUBLISH encoded once and written many times; only the first byte and the packet id differ
/// from subscriber to subscriber.
///
/// One template is one variant: version, QoS above 0 or not, properties. Its buffer is kept from
/// message to message. A payload that is passed on by reference is left out of the bytes but
/// counted in the length; the caller sends it behind them.
#[derive(Clone, Debug, Default)]
pub struct PublishTemplate {
    bytes: Vec<u8>,
    /// Where the packet id stands, for QoS above 0.
    packet_id_at: Option<usize>,
    packet_len: usize,
}

/// What a [`PublishTemplate`] is made from.
#[derive(Clone, Copy, Debug)]
pub struct TemplateParts<'a> {
    /// The version of the receiver.
    pub version: Version,
    /// Whether there is a packet id to patch.
    pub has_packet_id: bool,
    /// Topic, or empty if an alias stands for it.
    pub topic: &'a str,
    /// Encoded properties in pieces, joined in order; ignored before MQTT 5.
    pub properties: &'a [&'a [u8]],
    /// The payload.
    pub payload: &'a [u8],
    /// Whether the payload is part of the bytes.
    pub payload_inline: bool,
}

impl PublishTemplate {
    /// Encodes a variant. The topic came in a packet, so it fits.
    pub fn encode(&mut self, parts: TemplateParts<'_>) {
        let properties_len: usize = parts.properties.iter().map(|piece| piece.len()).sum();
        let mut body_len = 2 + parts.topic.len() + parts.payload.len();
        body_len += if parts.has_packet_id { 2 } else { 0 };
        if parts.version.has_properties() {
            body_len += varint_len(properties_len as u32) + properties_len;
        }
        let out = &mut self.bytes;
        out.clear();
        out.push((PacketType::Publish as u8) << 4);
        put_varint(out, body_len as u32);
        let header_len = out.len();
        put_binary(out, parts.topic.as_bytes());
        self.packet_id_at = parts.has_packet_id.then_some(out.len());
        if parts.has_packet_id {
            out.extend_from_slice(&[0, 0]);
        }
        if parts.version.has_properties() {
            put_varint(out, properties_len as u32);
            for piece in parts.properties {
                out.extend_from_slice(piece);
            }
        }
        if parts.payload_inline {
            out.extend_from_slice(parts.payload);
        }
        self.packet_len = header_len + body_len;
    }

    /// Size of the whole packet in bytes, the payload included.
    pub const fn packet_len(&self) -> usize {
        self.packet_len
    }

    /// Appends the packet for one subscriber.
    ///
    /// # Panics
    /// If the packet id is not there for a template that has one, or is there for one that has
    /// not; if a packet id or DUP comes with QoS 0, or no packet id with a higher one; if the
    /// packet is longer than [`PACKET_BYTES_MAX`]. The caller compares [`Self::packet_len`] with
    /// the receiver's Maximum Packet Size, which is never above that.
    #[inline]
    pub fn write(
        &self,
        dup: bool,
        qos: QoS,
        retain: bool,
        packet_id: Option<PacketId>,
        out: &mut Vec<u8>,
    ) {
        assert!(
            self.packet_id_at.is_some() == packet_id.is_some()
                && (qos != QoS::AtMostOnce) == packet_id.is_some()
                && (!dup || packet_id.is_some())
                && self.packet_len <= PACKET_BYTES_MAX as usize,
            "template and packet do not fit: {qos:?}, dup {dup}, packet id {packet_id:?}, \
             {} bytes",
            self.packet_len
        );
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(first) = out.get_mut(start) {
            *first |= u8::from(dup) << 3 | qos.as_u8() << 1 | u8::from(retain);
        }
        if let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id)
            && let Some(place) = out.get_mut(start + at..start + at + 2)
        {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
    }
}
