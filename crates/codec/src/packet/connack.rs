//! CONNACK.

use super::PacketType;
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// The server's answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Whether the server had a session for this client id. Not on the wire in MQTT 3.1.
    pub session_present: bool,
    /// Success or the reason of the refusal.
    pub reason: ReasonCode,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, ReadError> {
        let flags = reader.u8()?;
        if flags > 1 && version.has_session_present() {
            return reader.fault_at(0, Fault::ReservedBits("the connect acknowledge flags"));
        }
        let code_at = reader.at();
        let code = reader.u8()?;
        let reason = if version.has_reason_codes() {
            ReasonCode::from_u8(code).filter(|code| code.is_allowed_in(PacketType::ConnAck))
        } else {
            ReasonCode::from_v3_connack(code)
        };
        let Some(reason) = reason else {
            return reader.fault_at(code_at, Fault::ReasonCode(code));
        };
        let session_present = version.has_session_present() && flags == 1;
        if session_present && reason.is_error() {
            return reader.fault_at(0, Fault::SessionPresentOnRefusal);
        }
        let properties = if version.has_properties() {
            Properties::read(reader, Place::Packet(PacketType::ConnAck))?
        } else {
            Properties::EMPTY
        };
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        // MQTT-3.2.2-6; 3.1.1: MQTT-3.2.2-4
        if self.session_present && self.reason.is_error() {
            return Err(EncodeError::SessionPresentOnRefusal);
        }
        out.u8(u8::from(
            self.session_present && version.has_session_present(),
        ));
        if version.has_reason_codes() {
            out.reason(self.reason, PacketType::ConnAck)?;
        } else {
            out.u8(self
                .reason
                .to_v3_connack()
                .ok_or(EncodeError::NotInThisVersion)?);
        }
        out.properties(version, self.properties)
    }
}
