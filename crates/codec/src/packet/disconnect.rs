//! DISCONNECT.

use super::PacketType;
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// The last packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; Success before MQTT 5.
    pub reason: ReasonCode,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let mut packet = Self {
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        if !version.has_reason_codes() || reader.is_empty() {
            return Ok(packet);
        }
        let code = reader.u8()?;
        packet.reason = match ReasonCode::from_u8(code) {
            Some(reason) if reason.is_allowed_in(PacketType::Disconnect) => reason,
            _ => return reader.fault_at(0, Fault::ReasonCode(code)),
        };
        if !reader.is_empty() {
            packet.properties = Properties::read(reader, Place::Packet(PacketType::Disconnect))?;
        }
        Ok(packet)
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        let is_plain = self.reason == ReasonCode::Success && self.properties.is_empty();
        if !version.has_reason_codes() || is_plain {
            return Ok(());
        }
        out.reason(self.reason, PacketType::Disconnect)?;
        if self.properties.is_empty() {
            Ok(())
        } else {
            out.properties(version, self.properties)
        }
    }
}
