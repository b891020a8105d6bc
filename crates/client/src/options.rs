//! What a session is told before it connects, and the CONNECT that this makes.

use std::sync::Arc;
use std::time::Duration;

use columba_codec::packet::{Connect, Packet, Will as CodecWill};
use columba_codec::property::ValueError;
use columba_codec::topic::TopicName;
use columba_codec::{PropertiesBuf, PropertyId, Value, Version};

use crate::message::{Will, put_user_properties};
use crate::outcome::Failure;
use crate::session::PacketWatcher;

/// How a client introduces itself, and the bounds it keeps.
///
/// The fields that only MQTT 5 can say are refused with an older version, except those that the
/// client itself acts on (`inflight_messages_max`, `backlog_messages_max`, ...).
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The version to speak.
    pub version: Version,
    /// The client id; empty asks the server to make one up (not in MQTT 3.1). With MQTT 5 the server
    /// says which, and the session uses it from then on. Before MQTT 5 it does not, so that such a
    /// session ends with its connection.
    pub client_id: String,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive_secs: u16,
    /// The user name.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<Vec<u8>>,
    /// The Will.
    pub will: Option<Will>,
    /// What only MQTT 5 has.
    pub properties: ConnectProperties,
    /// What goes with the DISCONNECT that the application asks for (MQTT 5).
    pub disconnect_properties: DisconnectProperties,
    /// Most messages at QoS 1 and 2 that are sent and not yet acknowledged. The server's Receive
    /// Maximum lowers it.
    pub inflight_messages_max: u16,
    /// Most messages at QoS 1 and 2 that wait behind those in flight.
    pub backlog_messages_max: usize,
    /// Most topics that have a topic alias when this client publishes; 0 uses none. The server's
    /// Topic Alias Maximum lowers it, and is 0 unless the server says otherwise. Topics that are
    /// published to keep their alias; one that has long been idle loses it to another.
    pub outgoing_topic_aliases_max: u16,
    /// Whether messages at QoS 1 and 2 are acknowledged when the application says so
    /// ([`crate::Input::Acknowledge`]) and not by themselves. What is unacknowledged when a
    /// connection ends comes again, at QoS 2 too; the server sends no more than Receive Maximum
    /// (MQTT 5) at a time.
    pub acknowledges_by_hand: bool,
    /// How long the server may take to answer CONNECT, and PINGREQ.
    pub response_timeout: Duration,
    /// Whether the session makes good what a server forgets: subscriptions are asked for again, and
    /// messages at QoS 1 without an answer are published again (at least once allows it). At QoS 2
    /// nobody knows whether such a message had arrived, so its outcome stays
    /// [`Failure::SessionLost`]. Also lets SUBSCRIBE wait for a connection.
    pub recovers_lost_session: bool,
    /// Most topic filters that are remembered for that.
    pub subscriptions_max: usize,
    /// Most bytes of unfinished messages that a session which outlives its process holds
    /// ([`crate::Session::kept`]).
    pub kept_bytes_max: usize,
    /// Who sees every packet that is sent and received, for a trace of what is said. Costs next to nothing
    /// without one.
    pub watcher: Option<Arc<dyn PacketWatcher>>,
}

/// Properties of CONNECT (MQTT 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectProperties {
    /// Session Expiry Interval in seconds.
    pub session_expiry_secs: Option<u32>,
    /// Receive Maximum: unacknowledged messages at QoS 1 and 2 that this client takes.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size in bytes that this client takes. Enforced with every version.
    pub packet_bytes_max: Option<u32>,
    /// Topic Alias Maximum: aliases that the server may use.
    pub topic_alias_maximum: Option<u16>,
    /// Request Response Information.
    pub request_response_information: Option<bool>,
    /// Request Problem Information.
    pub request_problem_information: Option<bool>,
    /// Authentication Method. What the server asks further comes as
    /// [`crate::Output::Challenged`].
    pub authentication_method: Option<String>,
    /// Authentication Data.
    pub authentication_data: Option<Vec<u8>>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

/// Properties of DISCONNECT (MQTT 5). Left out if they make it larger than the server takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisconnectProperties {
    /// Session Expiry Interval in seconds, in place of that of CONNECT. A server takes no other for one
    /// that was 0 (`MQTT-3.1.2-23`).
    pub session_expiry_secs: Option<u32>,
    /// Reason String.
    pub reason_string: Option<String>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

impl DisconnectProperties {
    pub(crate) fn encode(&self) -> Result<PropertiesBuf, Failure> {
        let mut properties = PropertiesBuf::new();
        if let Some(secs) = self.session_expiry_secs {
            properties.push(PropertyId::SessionExpiryInterval, Value::U32(secs))?;
        }
        if let Some(text) = &self.reason_string {
            properties.push(PropertyId::ReasonString, Value::String(text))?;
        }
        put_user_properties(&self.user_properties, &mut properties)?;
        Ok(properties)
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            version: Version::V5,
            client_id: String::new(),
            keep_alive_secs: 60,
            user_name: None,
            password: None,
            will: None,
            properties: ConnectProperties::default(),
            disconnect_properties: DisconnectProperties::default(),
            inflight_messages_max: 64,
            backlog_messages_max: 1_000,
            outgoing_topic_aliases_max: 16,
            acknowledges_by_hand: false,
            response_timeout: Duration::from_secs(30),
            recovers_lost_session: false,
            subscriptions_max: 10_000,
            kept_bytes_max: 64 * 1024 * 1024,
            watcher: None,
        }
    }
}

impl SessionOptions {
    /// The largest packet that this client reads, in bytes.
    pub(crate) fn packet_bytes_max(&self) -> u32 {
        self.properties.packet_bytes_max.unwrap_or(u32::MAX)
    }

    /// Says what in these options no CONNECT or DISCONNECT can carry.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(&self) -> Result<(), Failure> {
        self.disconnect_properties.encode()?;
        self.encode_connect(true, &mut Vec::new())
    }

    /// Appends the CONNECT.
    pub(crate) fn encode_connect(
        &self,
        clean_start: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let version = self.version;
        if !version.has_properties() && self.has_version_5_parts() {
            return Err(Failure::NeedsVersion5(
                "a property of CONNECT or of the Will",
            ));
        }
        if self.password.is_some()
            && self.user_name.is_none()
            && !version.has_password_without_user_name()
        {
            return Err(Failure::NeedsVersion5("a password without a user name"));
        }
        let properties = self.properties.encode(version)?;
        let will_properties = self.will_properties(version)?;
        if let Some(will) = &self.will {
            TopicName::parse(&will.message.topic).map_err(Failure::Topic)?;
        }
        let connect = Connect {
            version,
            is_bridge: false,
            clean_start,
            keep_alive_secs: self.keep_alive_secs,
            properties: properties.as_properties(),
            client_id: &self.client_id,
            will: self.will.as_ref().map(|will| CodecWill {
                qos: will.message.qos,
                retain: will.message.retain,
                properties: will_properties.as_properties(),
                topic: &will.message.topic,
                payload: &will.message.payload,
            }),
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
        };
        Packet::Connect(connect).encode(version, out)?;
        Ok(())
    }

    fn has_version_5_parts(&self) -> bool {
        let ours = ConnectProperties {
            packet_bytes_max: self.properties.packet_bytes_max,
            ..ConnectProperties::default()
        };
        let will_has =
            |will: &Will| will.delay_secs.is_some() || !will.message.properties.is_empty();
        self.properties != ours
            || self.disconnect_properties != DisconnectProperties::default()
            || self.will.as_ref().is_some_and(will_has)
    }

    fn will_properties(&self, version: Version) -> Result<PropertiesBuf, ValueError> {
        let mut out = PropertiesBuf::new();
        if let Some(will) = self.will.as_ref().filter(|_| version.has_properties()) {
            if let Some(delay_secs) = will.delay_secs {
                out.push(PropertyId::WillDelayInterval, Value::U32(delay_secs))?;
            }
            will.message.properties.put(&mut out)?;
        }
        Ok(out)
    }
}

impl ConnectProperties {
    fn encode(&self, version: Version) -> Result<PropertiesBuf, ValueError> {
        let mut out = PropertiesBuf::new();
        if !version.has_properties() {
            return Ok(out);
        }
        if let Some(value) = self.session_expiry_secs {
            out.push(PropertyId::SessionExpiryInterval, Value::U32(value))?;
        }
        if let Some(value) = self.receive_maximum {
            out.push(PropertyId::ReceiveMaximum, Value::U16(value))?;
        }
        if let Some(value) = self.packet_bytes_max {
            out.push(PropertyId::MaximumPacketSize, Value::U32(value))?;
        }
        if let Some(value) = self.topic_alias_maximum {
            out.push(PropertyId::TopicAliasMaximum, Value::U16(value))?;
        }
        if let Some(value) = self.request_response_information {
            out.push(PropertyId::RequestResponseInformation, Value::Flag(value))?;
        }
        if let Some(value) = self.request_problem_information {
            out.push(PropertyId::RequestProblemInformation, Value::Flag(value))?;
        }
        if let Some(value) = &self.authentication_method {
            out.push(PropertyId::AuthenticationMethod, Value::String(value))?;
        }
        if let Some(value) = &self.authentication_data {
            if self.authentication_method.is_none() {
                return Err(ValueError(PropertyId::AuthenticationData));
            }
            out.push(PropertyId::AuthenticationData, Value::Binary(value))?;
        }
        put_user_properties(&self.user_properties, &mut out)?;
        Ok(out)
    }
}
