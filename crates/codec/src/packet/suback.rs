//! SUBACK and UNSUBACK, which have one layout.

use super::publish::read_packet_id;
use super::{PacketId, PacketType};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// The answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The id of the SUBSCRIBE (`MQTT-2.2.1-6`).
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// One reason code per filter, in order. Written to MQTT 3.1.1,
    /// every failure becomes 0x80; written to 3.1, which has no failure here, granted QoS 0.
    pub codes: &'a [u8],
}

/// The answer to UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The id of the UNSUBSCRIBE (`MQTT-2.2.1-6`).
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// One reason code per filter, in order; none before MQTT 5.
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let (packet_id, properties) = read_head(reader, PacketType::SubAck, version)?;
        let codes = if version.has_reason_codes() {
            read_codes(reader, PacketType::SubAck)?
        } else {
            read_v3_codes(reader, version)?
        };
        Ok(Self {
            packet_id,
            properties,
            codes,
        })
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.u16(self.packet_id.get());
        out.properties(version, self.properties)?;
        if version.has_reason_codes() {
            out.bytes(self.codes);
        } else {
            let failure = if version.has_subscribe_failure() {
                0x80
            } else {
                0
            };
            for code in self.codes {
                out.u8(if *code >= 0x80 { failure } else { *code });
            }
        }
        Ok(())
    }
}

impl<'a> UnsubAck<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let (packet_id, properties) = read_head(reader, PacketType::UnsubAck, version)?;
        let codes = if version.has_reason_codes() {
            read_codes(reader, PacketType::UnsubAck)?
        } else {
            &[]
        };
        Ok(Self {
            packet_id,
            properties,
            codes,
        })
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.u16(self.packet_id.get());
        out.properties(version, self.properties)?;
        if version.has_reason_codes() {
            out.bytes(self.codes);
        }
        Ok(())
    }
}

fn read_head<'a>(
    reader: &mut Reader<'a>,
    packet: PacketType,
    version: Version,
) -> Result<(PacketId, Properties<'a>), ReadError> {
    let packet_id = read_packet_id(reader)?;
    let properties = if version.has_properties() {
        Properties::read(reader, Place::Packet(packet))?
    } else {
        Properties::EMPTY
    };
    Ok((packet_id, properties))
}

fn read_codes<'a>(reader: &mut Reader<'a>, packet: PacketType) -> Result<&'a [u8], ReadError> {
    let start = reader.at();
    let codes = reader.take_rest();
    if codes.is_empty() {
        return reader.fault(Fault::Truncated);
    }
    for (position, code) in codes.iter().enumerate() {
        if !ReasonCode::from_u8(*code).is_some_and(|code| code.is_allowed_in(packet)) {
            return reader.fault_at(start + position, Fault::ReasonCode(*code));
        }
    }
    Ok(codes)
}

fn read_v3_codes<'a>(reader: &mut Reader<'a>, version: Version) -> Result<&'a [u8], ReadError> {
    let start = reader.at();
    let codes = reader.take_rest();
    if codes.is_empty() {
        return reader.fault(Fault::Truncated);
    }
    let is_listed = |code: &u8| *code <= 2 || *code == 0x80 && version.has_subscribe_failure();
    match codes.iter().position(|code| !is_listed(code)) {
        Some(position) => {
            let code = codes.get(position).copied().unwrap_or_default();
            reader.fault_at(start + position, Fault::ReasonCode(code))
        }
        None => Ok(codes),
    }
}
