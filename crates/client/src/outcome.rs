//! What became of a request and of a connection, each with a sentence that says so.

use columba_codec::property::ValueError;
use columba_codec::{DecodeError, EncodeError, PropertyId, QoS, ReasonCode, TopicFault, Version};

use crate::advice;

/// CONNACK accepted: what the server offers on this connection.
///
/// Where the server says nothing, the standard's default stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whether the server continues a session of this client id. MQTT 3.1 cannot say it; there it
    /// repeats what was asked for.
    pub session_present: bool,
    /// The client id that is in force: the server's if it made one up.
    pub client_id: String,
    /// The keep alive in seconds that is in force.
    pub keep_alive_secs: u16,
    /// Session Expiry Interval, if the server changed it.
    pub session_expiry_secs: Option<u32>,
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Maximum QoS.
    pub maximum_qos: QoS,
    /// Retain Available.
    pub retain_available: bool,
    /// Maximum Packet Size in bytes.
    pub packet_bytes_max: u32,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Wildcard Subscription Available.
    pub wildcards_available: bool,
    /// Subscription Identifier Available.
    pub subscription_identifiers_available: bool,
    /// Shared Subscription Available.
    pub shared_subscriptions_available: bool,
    /// Response Information.
    pub response_information: Option<String>,
    /// Reason String.
    pub reason_string: Option<String>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

/// The server's word on one request, connection or disconnection. It may be a refusal.
#[must_use = "it may be a refusal, which nothing else tells of: see `into_result`"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code; Success where the version has none.
    pub reason: ReasonCode,
    /// Reason String.
    pub reason_string: Option<String>,
    /// Server Reference: where else to go.
    pub server_reference: Option<String>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

/// The server's word on a SUBSCRIBE or UNSUBSCRIBE. It may refuse some filters or all.
#[must_use = "it may be a refusal, which nothing else tells of: see `into_result`"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterAnswer {
    /// One code per filter, in the order of the request. MQTT 3 answers UNSUBSCRIBE without codes;
    /// then every one is Success.
    pub codes: Vec<ReasonCode>,
    /// Reason String.
    pub reason_string: Option<String>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

/// The server's refusal as an error, made by [`Answer::into_result`] and [`FilterAnswer::into_result`]. Its text
/// is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Of a message.
    #[error("{}", advice::refused_message(.0))]
    Message(Box<Answer>),
    /// Of at least one topic filter.
    #[error("{}", advice::refused_filters(.0))]
    Filters(Box<FilterAnswer>),
}

/// Why a request was not carried out, if not by the server's refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// QoS 0, SUBSCRIBE and UNSUBSCRIBE need a connection.
    #[error("there is no connection")]
    NotConnected,
    /// The connection ended before the answer came.
    #[error("the connection ended before the server answered; whether it took effect is unknown")]
    ConnectionLost,
    /// The server has forgotten the session, and with it whether the message had arrived.
    #[error(
        "the server has no session of this client any more; whether the message arrived is unknown"
    )]
    SessionLost,
    /// As many messages wait as may.
    #[error("{0} messages already wait to be sent")]
    BacklogFull(usize),
    /// A session that outlives its process holds as many bytes as it may.
    #[error(
        "unfinished messages fill the {0} bytes that this session may keep; let some be answered or raise it"
    )]
    KeptFull(usize),
    /// As many topic filters are remembered as may be.
    #[error("this client already has {0} subscriptions, its own limit; unsubscribe or raise it")]
    TooManySubscriptions(usize),
    /// All 65,535 packet ids are taken.
    #[error("all 65,535 packet ids are in use")]
    NoPacketId,
    /// Not a topic name or topic filter.
    #[error("{0}")]
    Topic(TopicFault),
    /// A control character in the topic of a message: servers may take the packet for malformed and
    /// end the connection (MQTT 5, 1.5.4).
    #[error(
        "the topic holds the control character U+{:04X}, for which servers may end the connection; \
         take it out of the topic", u32::from(*.0)
    )]
    ControlCharacter(char),
    /// A SUBSCRIBE or UNSUBSCRIBE without a filter.
    #[error("there is no topic filter")]
    NoFilters,
    /// A field or packet that has no encoding.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// A property that is too long, or has a value that the standard forbids.
    #[error("{0}")]
    Property(#[from] ValueError),
    /// MQTT 3 has no such thing.
    #[error("{0} needs MQTT 5")]
    NeedsVersion5(&'static str),
    /// The connection was made without enhanced authentication.
    #[error("this connection has no authentication method")]
    NoAuthenticationMethod,
    /// Authenticating again is under way.
    #[error("authenticating again is already under way")]
    Reauthenticating,
    /// Larger than the server takes (`MQTT-3.2.2-15`).
    #[error("the packet has {size} bytes and the server takes {limit}")]
    PacketTooLarge {
        /// Size in bytes.
        size: usize,
        /// The server's Maximum Packet Size in bytes.
        limit: u32,
    },
    /// Above the server's Maximum QoS (`MQTT-3.2.2-11`).
    #[error("the server takes messages up to QoS {}", .0.as_u8())]
    QosAbove(QoS),
    /// The server keeps no retained messages (`MQTT-3.2.2-14`).
    #[error("the server keeps no retained messages")]
    RetainNotAvailable,
    /// The server said in CONNACK that it has no such subscriptions.
    #[error("the server said when connecting that {0} is not available")]
    NotAvailable(PropertyId),
}

/// A rule that the server broke with a packet that is well-formed in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A packet that only clients send, or that does not belong here.
    #[error("it sent a packet that has no place here")]
    UnexpectedPacket,
    /// Session Present after Clean Start (`MQTT-3.2.2-4`).
    #[error("it continues a session although a clean start was asked for")]
    SessionPresent,
    /// An acknowledgement of the wrong kind for its packet id.
    #[error("it acknowledged a packet id with the wrong kind of packet")]
    WrongAcknowledgement,
    /// SUBACK or UNSUBACK with another number of codes than filters (`MQTT-3.9.3-1`).
    #[error("it answered with another number of codes than there were filters")]
    CodeCount,
    /// More unacknowledged QoS 2 messages than the client's Receive Maximum (`MQTT-3.3.4-9`).
    #[error("it sent more unacknowledged messages than the client takes")]
    ReceiveMaximum,
    /// Another Authentication Method than CONNECT named (`MQTT-4.12.0-5`).
    #[error("it authenticates by another method than it was asked for")]
    AuthenticationMethod,
    /// A topic alias above the client's Topic Alias Maximum (`MQTT-3.3.2-10`).
    #[error("it used a topic alias above the client's maximum")]
    TopicAliasAboveMaximum,
    /// A topic alias that stands for nothing yet.
    #[error("it used a topic alias that stands for no topic")]
    TopicAliasUnknown,
}

impl Violation {
    /// What the server is told (MQTT 5).
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximum => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasAboveMaximum => ReasonCode::TopicAliasInvalid,
            Self::UnexpectedPacket
            | Self::SessionPresent
            | Self::WrongAcknowledgement
            | Self::AuthenticationMethod
            | Self::CodeCount
            | Self::TopicAliasUnknown => ReasonCode::ProtocolError,
        }
    }
}

/// A protocol that a server answered CONNECT in, which listens on that port for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtherProtocol {
    /// HTTP, as MQTT over WebSocket begins.
    #[error(
        "the server answered in HTTP, not in MQTT: the port is that of a web server or of MQTT over \
         WebSocket; connect over WebSocket (ws:// or wss://), or to its port for MQTT"
    )]
    Http,
    /// TLS, to a connection without it.
    #[error(
        "the server answered with an alert of TLS, not in MQTT: the port wants TLS; connect with TLS \
         (mqtts://), or to its port without"
    )]
    Tls,
}

impl OtherProtocol {
    /// By the first bytes of a server. No MQTT packet for a client begins like these.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"HTTP/") {
            Some(Self::Http)
        } else if bytes.starts_with(&[0x15, 0x03]) {
            Some(Self::Tls)
        } else {
            None
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseCause {
    /// The application asked for it.
    #[error("disconnected")]
    Requested,
    /// The options make no CONNECT; nothing was sent.
    #[error("cannot connect: {0}")]
    Options(Failure),
    /// CONNACK refused (MQTT 5 codes; those of MQTT 3 are translated).
    #[error("{}", advice::refused_connection(.answer, *.version))]
    Refused {
        /// What the server said.
        answer: Answer,
        /// The version that was asked for.
        version: Version,
    },
    /// The server's DISCONNECT.
    #[error("{}", advice::disconnected(.0))]
    ByServer(Answer),
    /// The transport ended before CONNACK.
    #[error(
        "the server closed the connection without an answer to CONNECT; \
         check that host and port are those of an MQTT server, of the same kind (TLS or not), \
         which has this version of MQTT"
    )]
    LostBeforeAccepted,
    /// The transport ended without a DISCONNECT.
    #[error("the connection was lost without a DISCONNECT from the server")]
    Lost,
    /// No CONNACK in time.
    #[error("the server did not answer CONNECT in time")]
    ConnectTimeout,
    /// No PINGRESP in time.
    #[error("the server no longer answers (no PINGRESP in time)")]
    PingTimeout,
    /// Bytes that are no packet.
    #[error("the server sent what is not MQTT {version}: {error}")]
    Malformed {
        /// What is wrong with them.
        error: DecodeError,
        /// The version in use.
        version: Version,
    },
    /// The answer to CONNECT was that of another protocol.
    #[error("{0}")]
    OtherProtocol(OtherProtocol),
    /// This client did not accept how the server authenticated, or had no answer to it.
    #[error("authentication failed on this side: {0}")]
    Authentication(String),
    /// The file that the session is kept in failed; nothing leaves that it does not know of.
    #[error("{0}")]
    SessionFile(String),
    /// A packet against the rules.
    #[error("the server broke the protocol: {0}")]
    Violation(Violation),
}

impl Answer {
    /// Success, and nothing else said.
    pub(crate) const SUCCESS: Self = Self {
        reason: ReasonCode::Success,
        reason_string: None,
        server_reference: None,
        user_properties: Vec::new(),
    };

    /// Whether the message was taken. [`Self::reason`] says more of one that was.
    ///
    /// # Errors
    /// [`Refusal`], whose text is a sentence for people.
    pub fn into_result(self) -> Result<(), Refusal> {
        if self.reason.is_error() {
            return Err(Refusal::Message(Box::new(self)));
        }
        Ok(())
    }
}

impl FilterAnswer {
    /// Whether no filter was refused. If one was, the others are in force all the same.
    ///
    /// # Errors
    /// [`Refusal`], whose text is a sentence for people.
    pub fn into_result(self) -> Result<(), Refusal> {
        if self.codes.iter().any(|code| code.is_error()) {
            return Err(Refusal::Filters(Box::new(self)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_an_error_with_the_sentence() {
        let refused = Answer {
            reason: ReasonCode::NotAuthorized,
            reason_string: Some("rule 7".to_owned()),
            ..Answer::SUCCESS
        };
        let error = refused.into_result().expect_err("a refusal").to_string();
        assert_eq!(
            error,
            "the server refused the message: Not authorized (0x87), it says: rule 7; \
             ask the administrator which topics this client may publish to"
        );
        let nobody = Answer {
            reason: ReasonCode::NoMatchingSubscribers,
            ..Answer::SUCCESS
        };
        assert_eq!(nobody.into_result(), Ok(()), "it was taken");
        let answer = |codes: &[ReasonCode]| FilterAnswer {
            codes: codes.to_vec(),
            reason_string: None,
            user_properties: Vec::new(),
        };
        let granted = answer(&[ReasonCode::Success, ReasonCode::GrantedQos2]);
        assert!(granted.into_result().is_ok());
        let codes = [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized];
        let error = answer(&codes).into_result().expect_err("a refusal");
        assert_eq!(
            error.to_string(),
            "the server refused topic filter 2 of 2: Not authorized (0x87); \
             ask the administrator which topics this client may subscribe to"
        );
    }
}
