//! PUBACK, PUBREC, PUBREL and PUBCOMP, which have one layout.

use super::publish::read_packet_id;
use super::{PacketId, PacketType};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// One step of a QoS 1 or QoS 2 handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// The id of the PUBLISH (`MQTT-2.2.1-5`).
    pub packet_id: PacketId,
    /// Success before MQTT 5.
    pub reason: ReasonCode,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
}

impl<'a> Acknowledgement<'a> {
    /// Success without properties.
    pub const fn success(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    pub(crate) fn read(
        reader: &mut Reader<'a>,
        packet: PacketType,
        version: Version,
    ) -> Result<Self, ReadError> {
        let packet_id = read_packet_id(reader)?;
        if !version.has_reason_codes() || reader.is_empty() {
            return Ok(Self::success(packet_id));
        }
        let code_at = reader.at();
        let code = reader.u8()?;
        let Some(reason) = ReasonCode::from_u8(code).filter(|code| code.is_allowed_in(packet))
        else {
            return reader.fault_at(code_at, Fault::ReasonCode(code));
        };
        let properties = if reader.is_empty() {
            Properties::EMPTY
        } else {
            Properties::read(reader, Place::Packet(packet))?
        };
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }

    pub(crate) fn write(
        &self,
        packet: PacketType,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        out.u16(self.packet_id.get());
        let is_plain = self.reason == ReasonCode::Success && self.properties.is_empty();
        if !version.has_reason_codes() || is_plain {
            return Ok(());
        }
        out.reason(self.reason, packet)?;
        if self.properties.is_empty() {
            Ok(())
        } else {
            out.properties(version, self.properties)
        }
    }
}
