//! Messages as an application sees them: owned, with typed properties.

use columba_codec::packet::Publish;
use columba_codec::property::ValueError;
use columba_codec::{PacketId, Properties, PropertiesBuf, PropertyId, QoS, Value};

use crate::session::Receipt;

/// A message to publish, or one that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// What the application sends.
    pub payload: Vec<u8>,
    /// How surely it is delivered.
    pub qos: QoS,
    /// To the server: keep it for later subscribers. From the server: it was kept, or, with Retain
    /// As Published, the publisher asked to keep it.
    pub retain: bool,
    /// Properties; they need MQTT 5 unless they are all absent.
    pub properties: MessageProperties,
}

/// The properties that travel with a message from publisher to subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageProperties {
    /// Payload Format Indicator: whether the payload says to be UTF-8.
    pub payload_is_utf8: Option<bool>,
    /// Message Expiry Interval in seconds.
    pub message_expiry_secs: Option<u32>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Correlation Data.
    pub correlation_data: Option<Vec<u8>>,
    /// User Properties in order.
    pub user_properties: Vec<(String, String)>,
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The message, with its topic in full even if it came under an alias.
    pub message: Message,
    /// DUP: the server has tried to send this packet before.
    pub dup: bool,
    /// The packet id, at QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// The numbers of the subscriptions that matched (MQTT 5, if they have numbers).
    pub subscription_identifiers: Vec<u32>,
    /// The topic alias that the packet carried.
    pub topic_alias: Option<u16>,
    /// What to acknowledge it with, if that was left to the application.
    pub receipt: Option<Receipt>,
}

/// The message that the server publishes when the client is gone without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The message.
    pub message: Message,
    /// Will Delay Interval in seconds (MQTT 5).
    pub delay_secs: Option<u32>,
}

impl Message {
    /// A message at QoS 0, not retained, without properties.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: MessageProperties::default(),
        }
    }

    /// The same message at another QoS.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same message, to be retained.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }
}

impl MessageProperties {
    /// Whether no property is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn put(&self, out: &mut PropertiesBuf) -> Result<(), ValueError> {
        if let Some(value) = self.payload_is_utf8 {
            out.push(PropertyId::PayloadFormatIndicator, Value::Flag(value))?;
        }
        if let Some(value) = self.message_expiry_secs {
            out.push(PropertyId::MessageExpiryInterval, Value::U32(value))?;
        }
        if let Some(value) = &self.content_type {
            out.push(PropertyId::ContentType, Value::String(value))?;
        }
        if let Some(value) = &self.response_topic {
            out.push(PropertyId::ResponseTopic, Value::String(value))?;
        }
        if let Some(value) = &self.correlation_data {
            out.push(PropertyId::CorrelationData, Value::Binary(value))?;
        }
        put_user_properties(&self.user_properties, out)
    }

    fn from_codec(properties: Properties<'_>) -> Self {
        if properties.is_empty() {
            return Self::default();
        }
        let text = |id| properties.string(id).map(str::to_owned);
        Self {
            payload_is_utf8: properties.flag(PropertyId::PayloadFormatIndicator),
            message_expiry_secs: properties.u32(PropertyId::MessageExpiryInterval),
            content_type: text(PropertyId::ContentType),
            response_topic: text(PropertyId::ResponseTopic),
            correlation_data: properties
                .binary(PropertyId::CorrelationData)
                .map(<[u8]>::to_vec),
            user_properties: user_properties(properties),
        }
    }
}

impl Incoming {
    /// The answer to a request: a message to its Response Topic with its Correlation Data, at the
    /// same QoS. `None` if the message is no request.
    pub fn answer(&self, payload: impl Into<Vec<u8>>) -> Option<Message> {
        let topic = self.message.properties.response_topic.clone()?;
        let mut answer = Message::new(topic, payload).with_qos(self.message.qos);
        let correlation_data = &self.message.properties.correlation_data;
        answer
            .properties
            .correlation_data
            .clone_from(correlation_data);
        Some(answer)
    }

    /// The memory that it takes, which may be many times its bytes on the network: a User Property of
    /// five bytes makes two texts.
    #[cfg(feature = "tokio")]
    pub(crate) fn held_bytes(&self) -> usize {
        let message = &self.message;
        let properties = &message.properties;
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let correlation_data = properties.correlation_data.as_ref();
        let pairs = &properties.user_properties;
        size_of::<Self>()
            + message.topic.capacity()
            + message.payload.capacity()
            + text(&properties.content_type)
            + text(&properties.response_topic)
            + correlation_data.map_or(0, Vec::capacity)
            + pairs.capacity() * size_of::<(String, String)>()
            + pairs
                .iter()
                .map(|(name, value)| name.capacity() + value.capacity())
                .sum::<usize>()
            + self.subscription_identifiers.capacity() * size_of::<u32>()
    }

    /// Copies a PUBLISH whose topic, if it came as an alias, is `topic`.
    pub(crate) fn from_codec(
        publish: &Publish<'_>,
        topic: String,
        receipt: Option<Receipt>,
    ) -> Self {
        Self {
            message: Message {
                topic,
                payload: publish.payload.to_vec(),
                qos: publish.qos,
                retain: publish.retain,
                properties: MessageProperties::from_codec(publish.properties),
            },
            dup: publish.dup,
            packet_id: publish.packet_id,
            subscription_identifiers: publish.properties.subscription_identifiers().collect(),
            topic_alias: publish.properties.u16(PropertyId::TopicAlias),
            receipt,
        }
    }
}

pub(crate) fn put_user_properties(
    pairs: &[(String, String)],
    out: &mut PropertiesBuf,
) -> Result<(), ValueError> {
    pairs
        .iter()
        .try_for_each(|(name, value)| out.push(PropertyId::UserProperty, Value::Pair(name, value)))
}

pub(crate) fn user_properties(properties: Properties<'_>) -> Vec<(String, String)> {
    properties
        .user_properties()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
