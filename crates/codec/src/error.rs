//! What can be wrong with received bytes, and the one place that says which reason code it is.

use crate::packet::PacketType;
use crate::property::PropertyId;
use crate::reason::ReasonCode;

/// A packet that cannot be accepted: which, where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{packet} refused at byte {at}: {fault}")]
pub struct DecodeError {
    /// The type that the fixed header names.
    pub packet: PacketType,
    /// Offset in bytes from the start of the packet.
    pub at: u32,
    /// What is wrong there.
    pub fault: Fault,
}

impl DecodeError {
    /// What the peer may be told (MQTT 5).
    pub const fn reason(&self) -> ReasonCode {
        self.fault.reason()
    }
}

/// One rule that received bytes broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The packet ends in the middle of a field.
    #[error("the packet ends in the middle of a field")]
    Truncated,
    /// Bytes follow the last field.
    #[error("bytes follow the last field of the packet")]
    TrailingBytes,
    /// Packet type 0, or AUTH before MQTT 5.
    #[error("packet type {0} does not exist in this version of MQTT")]
    UnknownPacketType(u8),
    /// Fixed header flags other than the listed ones (`MQTT-2.1.3-1`).
    #[error("fixed header flags {0:#06b} are not the ones the standard lists for this packet")]
    FixedHeaderFlags(u8),
    /// A variable byte integer of more than four bytes.
    #[error("a variable byte integer is longer than four bytes")]
    VarintTooLong,
    /// A variable byte integer with leading zeros (`MQTT-1.5.5-1`).
    #[error("a variable byte integer is not in its shortest form")]
    VarintNotShortest,
    /// Larger than this end accepts.
    #[error("the packet has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Size of the whole packet in bytes.
        size: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// A string that is not UTF-8 (`MQTT-1.5.4-1`).
    #[error("a string is not well-formed UTF-8")]
    NotUtf8,
    /// A string with U+0000 (`MQTT-1.5.4-2`).
    #[error("a string holds the character U+0000")]
    NulInString,
    /// QoS 3 in a PUBLISH or a Will (`MQTT-3.3.1-4`, `MQTT-3.1.2-12`).
    #[error("QoS 3 does not exist")]
    QosThree,
    /// DUP on a QoS 0 PUBLISH (`MQTT-3.3.1-2`).
    #[error("DUP is set on a QoS 0 PUBLISH")]
    DupAtQosZero,
    /// Packet id 0 (`MQTT-2.2.1-3`).
    #[error("the packet id is 0")]
    PacketIdZero,
    /// Reserved bits that are not 0.
    #[error("reserved bits are set in {0}")]
    ReservedBits(&'static str),
    /// CONNECT with a protocol name that is not MQTT.
    #[error("the protocol name is neither MQTT nor MQIsdp")]
    ProtocolName,
    /// CONNECT with a level that does not exist (`MQTT-3.1.2-2`).
    #[error("protocol level {0} is not supported: use 3, 4 or 5")]
    ProtocolLevel(u8),
    /// Will QoS or Will Retain without a Will (`MQTT-3.1.2-11`, `MQTT-3.1.2-13`).
    #[error("Will QoS or Will Retain is set but the Will Flag is not")]
    WillFlags,
    /// A password without a user name before MQTT 5 (`MQTT-3.1.2-22` of 3.1.1).
    #[error("a password came without a user name")]
    PasswordWithoutUserName,
    /// A property id that does not exist.
    #[error("property {0:#04x} does not exist")]
    UnknownProperty(u32),
    /// A property in a packet that may not carry it.
    #[error("property {0} is not allowed in this packet")]
    PropertyNotAllowed(PropertyId),
    /// A property twice.
    #[error("property {0} came twice")]
    PropertyTwice(PropertyId),
    /// A property with a value that the standard forbids.
    #[error("property {0} has a value that the standard forbids")]
    PropertyValue(PropertyId),
    /// Authentication Data without a method.
    #[error("Authentication Data came without an Authentication Method")]
    AuthenticationDataWithoutMethod,
    /// A reason code that this packet may not carry.
    #[error("reason code {0:#04x} is not allowed in this packet")]
    ReasonCode(u8),
    /// No topic and no alias, or an invalid topic.
    #[error("{0}")]
    Topic(#[from] crate::topic::TopicFault),
    /// Topic Alias 0 (`MQTT-3.3.2-8`).
    #[error("the topic alias is 0")]
    TopicAliasZero,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter (`MQTT-3.8.3-2`, `MQTT-3.10.3-2`).
    #[error("the packet has no topic filter")]
    NoFilters,
    /// CONNACK with a refusal and Session Present (`MQTT-3.2.2-6`; 3.1.1: `MQTT-3.2.2-4`).
    #[error("a refusal says that a session is present")]
    SessionPresentOnRefusal,
    /// AUTH with a reason code or properties but no Authentication Method (section 3.15.2.2.2).
    #[error("AUTH has no Authentication Method")]
    AuthenticationMethodMissing,
    /// QoS 3 in a subscription (section 3.8.3.1; 3.1.1: `MQTT-3.8.3-4`).
    #[error("a subscription asks for QoS 3, which does not exist")]
    MaximumQosThree,
    /// Retain Handling 3.
    #[error("Retain Handling 3 does not exist")]
    RetainHandlingThree,
}

impl Fault {
    /// The one translation of faults to reason codes.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::Truncated
            | Self::TrailingBytes
            | Self::UnknownPacketType(_)
            | Self::FixedHeaderFlags(_)
            | Self::VarintTooLong
            | Self::VarintNotShortest
            | Self::NotUtf8
            | Self::NulInString
            | Self::QosThree
            | Self::ReservedBits(_)
            | Self::WillFlags
            | Self::PasswordWithoutUserName
            | Self::UnknownProperty(_)
            | Self::PropertyNotAllowed(_) => ReasonCode::MalformedPacket,
            Self::DupAtQosZero
            | Self::PacketIdZero
            | Self::PropertyTwice(_)
            | Self::PropertyValue(_)
            | Self::AuthenticationDataWithoutMethod
            | Self::ReasonCode(_)
            | Self::Topic(_)
            | Self::NoFilters
            | Self::SessionPresentOnRefusal
            | Self::AuthenticationMethodMissing
            | Self::MaximumQosThree
            | Self::RetainHandlingThree => ReasonCode::ProtocolError,
            Self::TooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::ProtocolLevel(_) => ReasonCode::UnsupportedProtocolVersion,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
        }
    }
}
