//! CONNECT.

use super::{PacketType, QoS};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties};
use crate::topic::TopicName;
use crate::version::Version;
use crate::wire::{ReadError, Reader};

const FLAG_RESERVED: u8 = 1;
const FLAG_CLEAN_START: u8 = 1 << 1;
const FLAG_WILL: u8 = 1 << 2;
const FLAG_WILL_RETAIN: u8 = 1 << 5;
const FLAG_PASSWORD: u8 = 1 << 6;
const FLAG_USER_NAME: u8 = 1 << 7;
/// Will QoS and Will Retain, which are 0 without a Will.
const FLAGS_OF_WILL: u8 = 0b11 << 3 | FLAG_WILL_RETAIN;

/// Some bridges set this bit in the protocol level to say that they are one.
const LEVEL_BRIDGE: u8 = 0x80;

/// A request to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that the client speaks.
    pub version: Version,
    /// Whether the peer says that it is a bridge (upper bit of the protocol level, MQTT 3 only; an
    /// extension that Mosquitto's bridges use): it gets no copy of its own messages, and
    /// forwarded messages keep RETAIN.
    pub is_bridge: bool,
    /// Clean Start; Clean Session before MQTT 5.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive_secs: u16,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// The client id, empty if the server is to make one up.
    pub client_id: &'a str,
    /// The Will, if the Will Flag is set.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

/// The message that the server publishes when the client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// QoS to publish it with.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Will Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// Where to.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Connect<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, ReadError> {
        let (version, is_bridge) = read_version(reader)?;
        let flags_at = reader.at();
        let flags = reader.u8()?;
        let has_will = flags & FLAG_WILL != 0;
        let has_password = flags & FLAG_PASSWORD != 0;
        let has_user_name = flags & FLAG_USER_NAME != 0;
        if version.has_reserved_flags() {
            if flags & FLAG_RESERVED != 0 {
                return reader.fault_at(flags_at, Fault::ReservedBits("the connect flags"));
            }
            if !has_will && flags & FLAGS_OF_WILL != 0 {
                return reader.fault_at(flags_at, Fault::WillFlags);
            }
        }
        if has_password && !has_user_name && !version.has_password_without_user_name() {
            return reader.fault_at(flags_at, Fault::PasswordWithoutUserName);
        }
        let will_qos = match QoS::from_u8(flags >> 3 & 0b11) {
            Some(qos) => qos,
            None if has_will => return reader.fault_at(flags_at, Fault::QosThree),
            None => QoS::AtMostOnce,
        };
        let keep_alive_secs = reader.u16()?;
        let properties = read_properties(reader, version, Place::Packet(PacketType::Connect))?;
        let client_id = reader.string()?;
        let will = if has_will {
            Some(Will::read(
                reader,
                version,
                will_qos,
                flags & FLAG_WILL_RETAIN != 0,
            )?)
        } else {
            None
        };
        // In 3.1 "the Remaining Length field takes precedence over the User Name flag": the flag
        // may be set and the string missing.
        let may_be_missing = !version.has_reserved_flags();
        let user_name = if has_user_name && !(may_be_missing && reader.is_empty()) {
            Some(reader.string()?)
        } else {
            None
        };
        let password = if has_password && !(may_be_missing && reader.is_empty()) {
            Some(reader.binary()?)
        } else {
            None
        };
        Ok(Self {
            version,
            is_bridge,
            clean_start: flags & FLAG_CLEAN_START != 0,
            keep_alive_secs,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    pub(crate) fn write(&self, out: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        if self.password.is_some()
            && self.user_name.is_none()
            && !self.version.has_password_without_user_name()
        {
            return Err(EncodeError::NotInThisVersion);
        }
        out.string(self.version.protocol_name())?;
        out.u8(self.version.level() | if self.is_bridge { LEVEL_BRIDGE } else { 0 });
        let mut flags = if self.clean_start {
            FLAG_CLEAN_START
        } else {
            0
        };
        if let Some(will) = &self.will {
            flags |= FLAG_WILL | will.qos.as_u8() << 3;
            flags |= if will.retain { FLAG_WILL_RETAIN } else { 0 };
        }
        flags |= if self.user_name.is_some() {
            FLAG_USER_NAME
        } else {
            0
        };
        flags |= if self.password.is_some() {
            FLAG_PASSWORD
        } else {
            0
        };
        out.u8(flags);
        out.u16(self.keep_alive_secs);
        out.properties(self.version, self.properties)?;
        out.string(self.client_id)?;
        if let Some(will) = &self.will {
            out.properties(self.version, will.properties)?;
            out.string(will.topic)?;
            out.binary(will.payload)?;
        }
        if let Some(user_name) = self.user_name {
            out.string(user_name)?;
        }
        if let Some(password) = self.password {
            out.binary(password)?;
        }
        Ok(())
    }
}

impl<'a> Will<'a> {
    fn read(
        reader: &mut Reader<'a>,
        version: Version,
        qos: QoS,
        retain: bool,
    ) -> Result<Self, ReadError> {
        let properties = read_properties(reader, version, Place::Will)?;
        let topic_at = reader.at();
        let topic = reader.string()?;
        if let Err(fault) = TopicName::from_field(topic) {
            return reader.fault_at(topic_at, fault.into());
        }
        Ok(Self {
            qos,
            retain,
            properties,
            topic,
            payload: reader.binary()?,
        })
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<(Version, bool), ReadError> {
    let name_at = reader.at();
    let name = reader.string()?;
    if !Version::ALL
        .iter()
        .any(|version| version.protocol_name() == name)
    {
        return reader.fault_at(name_at, Fault::ProtocolName);
    }
    let level_at = reader.at();
    let level = reader.u8()?;
    if let Some(version) = Version::from_name_and_level(name, level) {
        return Ok((version, false));
    }
    match Version::from_name_and_level(name, level & !LEVEL_BRIDGE) {
        Some(version @ (Version::V31 | Version::V311)) => Ok((version, true)),
        _ => reader.fault_at(level_at, Fault::ProtocolLevel(level)),
    }
}

fn read_properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    place: Place,
) -> Result<Properties<'a>, ReadError> {
    if version.has_properties() {
        Properties::read(reader, place)
    } else {
        Ok(Properties::EMPTY)
    }
}
