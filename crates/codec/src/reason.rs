//! Reason codes of MQTT 5 (a superset of all others), which packet may carry which, and what is
//! left of them in MQTT 3.

use crate::packet::PacketType;

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, [$($packet:ident)*];)*) => {
        /// A reason code. Values of 0x80 and above are failures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(clippy::zero_prefixed_literal, reason = "the table writes codes as the standard does")]
        pub enum ReasonCode { $($(#[$doc])* $name = $code,)* }

        impl ReasonCode {
            /// All codes in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code with this number, if the standard has one.
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The standard's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether this packet may carry the code (`MQTT-3.2.2-8`, `MQTT-3.4.2-1`,
            /// `MQTT-3.5.2-1`, `MQTT-3.6.2-1`, `MQTT-3.7.2-1`, `MQTT-3.9.3-2`, `MQTT-3.11.3-2`,
            /// `MQTT-3.14.2-1`, `MQTT-3.15.2-1`).
            pub const fn is_allowed_in(self, packet: PacketType) -> bool {
                match self { $(Self::$name => matches!(packet, $(PacketType::$packet)|*),)* }
            }
        }
    };
}

reason_codes! {
    /// Success; as a DISCONNECT a normal disconnection, as a SUBACK granted QoS 0.
    Success = 0x00, "Success", [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Disconnect Auth];
    /// Granted QoS 1.
    GrantedQos1 = 0x01, "Granted QoS 1", [SubAck];
    /// Granted QoS 2.
    GrantedQos2 = 0x02, "Granted QoS 2", [SubAck];
    /// The client leaves and wants its Will published.
    DisconnectWithWill = 0x04, "Disconnect with Will Message", [Disconnect];
    /// Accepted, but nobody subscribes.
    NoMatchingSubscribers = 0x10, "No matching subscribers", [PubAck PubRec];
    /// Nothing to unsubscribe.
    NoSubscriptionExisted = 0x11, "No subscription existed", [UnsubAck];
    /// Continue the authentication.
    ContinueAuthentication = 0x18, "Continue authentication", [Auth];
    /// Start another authentication.
    ReAuthenticate = 0x19, "Re-authenticate", [Auth];
    /// Not to be told more closely.
    UnspecifiedError = 0x80, "Unspecified error", [ConnAck PubAck PubRec SubAck UnsubAck Disconnect];
    /// The bytes do not form a packet.
    MalformedPacket = 0x81, "Malformed Packet", [ConnAck Disconnect];
    /// A packet that breaks a rule.
    ProtocolError = 0x82, "Protocol Error", [ConnAck Disconnect];
    /// Valid, but not accepted by this server.
    ImplementationSpecificError = 0x83, "Implementation specific error", [ConnAck PubAck PubRec SubAck UnsubAck Disconnect];
    /// No such version here.
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version", [ConnAck];
    /// The client id is refused.
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid", [ConnAck];
    /// Wrong credentials.
    BadUserNameOrPassword = 0x86, "Bad User Name or Password", [ConnAck];
    /// Not allowed to.
    NotAuthorized = 0x87, "Not authorized", [ConnAck PubAck PubRec SubAck UnsubAck Disconnect];
    /// The server cannot now.
    ServerUnavailable = 0x88, "Server unavailable", [ConnAck];
    /// Too busy.
    ServerBusy = 0x89, "Server busy", [ConnAck Disconnect];
    /// Banned by an administrator.
    Banned = 0x8A, "Banned", [ConnAck];
    /// The server stops.
    ServerShuttingDown = 0x8B, "Server shutting down", [Disconnect];
    /// The authentication method is unknown or not the current one.
    BadAuthenticationMethod = 0x8C, "Bad authentication method", [ConnAck Disconnect];
    /// Silent for longer than 1.5 times the keep alive.
    KeepAliveTimeout = 0x8D, "Keep Alive timeout", [Disconnect];
    /// Another connection uses the client id.
    SessionTakenOver = 0x8E, "Session taken over", [Disconnect];
    /// The filter is well-formed but not accepted.
    TopicFilterInvalid = 0x8F, "Topic Filter invalid", [SubAck UnsubAck Disconnect];
    /// The topic is well-formed but not accepted.
    TopicNameInvalid = 0x90, "Topic Name invalid", [ConnAck PubAck PubRec Disconnect];
    /// The packet id is taken.
    PacketIdentifierInUse = 0x91, "Packet Identifier in use", [PubAck PubRec SubAck UnsubAck];
    /// The packet id is unknown.
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found", [PubRel PubComp];
    /// More unacknowledged messages than the receive maximum.
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded", [Disconnect];
    /// An alias of 0, above the maximum, or not set.
    TopicAliasInvalid = 0x94, "Topic Alias invalid", [Disconnect];
    /// Larger than the maximum packet size.
    PacketTooLarge = 0x95, "Packet too large", [ConnAck Disconnect];
    /// Too many messages in too short a time.
    MessageRateTooHigh = 0x96, "Message rate too high", [Disconnect];
    /// A limit set by the administrator is reached.
    QuotaExceeded = 0x97, "Quota exceeded", [ConnAck PubAck PubRec SubAck Disconnect];
    /// Closed by an administrator.
    AdministrativeAction = 0x98, "Administrative action", [Disconnect];
    /// The payload is not what its format indicator says.
    PayloadFormatInvalid = 0x99, "Payload format invalid", [ConnAck PubAck PubRec Disconnect];
    /// Retained messages are not supported.
    RetainNotSupported = 0x9A, "Retain not supported", [ConnAck Disconnect];
    /// QoS above the maximum.
    QosNotSupported = 0x9B, "QoS not supported", [ConnAck Disconnect];
    /// Use another server for now.
    UseAnotherServer = 0x9C, "Use another server", [ConnAck Disconnect];
    /// Use another server from now on.
    ServerMoved = 0x9D, "Server moved", [ConnAck Disconnect];
    /// Shared subscriptions are not supported.
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported", [SubAck Disconnect];
    /// Too many connections in too short a time.
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded", [ConnAck Disconnect];
    /// Connected for longer than allowed.
    MaximumConnectTime = 0xA0, "Maximum connect time", [Disconnect];
    /// Subscription identifiers are not supported.
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported", [SubAck Disconnect];
    /// Wildcard subscriptions are not supported.
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported", [SubAck Disconnect];
}

impl ReasonCode {
    /// Whether the code is a failure.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// The CONNACK return code of MQTT 3, or `None` where 3.1.1 has no fitting one and the
    /// connection is closed without CONNACK (`MQTT-3.2.2-6` of 3.1.1).
    pub const fn to_v3_connack(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::ServerUnavailable
            | Self::ServerBusy
            | Self::QuotaExceeded
            | Self::ConnectionRateExceeded
            | Self::UseAnotherServer
            | Self::ServerMoved => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => Some(5),
            _ => None,
        }
    }

    /// The code of MQTT 5 that means the same as a CONNACK return code of MQTT 3.
    pub const fn from_v3_connack(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:#04x})", self.name(), *self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_u8(*code as u8), Some(*code));
        }
        assert_eq!(ReasonCode::from_u8(0x03), None);
        assert_eq!(ReasonCode::from_u8(0xA3), None);
    }

    #[test]
    fn v3_return_codes_translate_both_ways() {
        for code in 0..=5 {
            let reason = ReasonCode::from_v3_connack(code).expect("a code of 3.1.1");
            assert_eq!(reason.to_v3_connack(), Some(code));
        }
    }
}
