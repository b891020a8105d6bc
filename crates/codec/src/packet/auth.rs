//! AUTH (MQTT 5).

use super::PacketType;
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties, PropertyId};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// One step of an enhanced authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// Properties.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, ReadError> {
        let mut packet = Self {
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        if reader.is_empty() {
            return Ok(packet);
        }
        let code = reader.u8()?;
        packet.reason = match ReasonCode::from_u8(code) {
            Some(reason) if reason.is_allowed_in(PacketType::Auth) => reason,
            _ => return reader.fault_at(0, Fault::ReasonCode(code)),
        };
        if !reader.is_empty() {
            packet.properties = Properties::read(reader, Place::Packet(PacketType::Auth))?;
        }
        if packet
            .properties
            .find(PropertyId::AuthenticationMethod)
            .is_none()
        {
            return reader.fault(Fault::AuthenticationMethodMissing);
        }
        Ok(packet)
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        if !version.has_auth() {
            return Err(EncodeError::NotInThisVersion);
        }
        if self.reason == ReasonCode::Success && self.properties.is_empty() {
            return Ok(());
        }
        out.reason(self.reason, PacketType::Auth)?;
        out.properties(version, self.properties)
    }
}
