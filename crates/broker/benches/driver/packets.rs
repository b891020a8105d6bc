//! Packets of a client, as bytes.

use columba_codec::packet::{
    Connect, Publish, Subscribe, SubscribeFilters, SubscribeOptions, Unsubscribe,
    UnsubscribeFilters,
};
use columba_codec::{Packet, PacketId, Properties, PropertiesBuf, PropertyId, QoS, Value, Version};

/// What a client says in its CONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greeting<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    /// Whether the session starts afresh and ends with the connection.
    pub(crate) is_clean: bool,
    /// Topic aliases that the client takes (MQTT 5).
    pub(crate) topic_alias_maximum: u16,
}

impl Greeting<'_> {
    /// The CONNECT.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut properties = PropertiesBuf::new();
        let mut push = |id, value| properties.push(id, value).expect("a valid property");
        if self.version.has_properties() && !self.is_clean {
            push(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX));
        }
        if self.topic_alias_maximum > 0 {
            push(
                PropertyId::TopicAliasMaximum,
                Value::U16(self.topic_alias_maximum),
            );
        }
        encode(
            self.version,
            &Packet::Connect(Connect {
                version: self.version,
                is_bridge: false,
                clean_start: self.is_clean,
                keep_alive_secs: 0,
                properties: properties.as_properties(),
                client_id: self.client_id,
                will: None,
                user_name: None,
                password: None,
            }),
        )
    }
}

/// A PUBLISH without RETAIN.
pub(crate) fn publish(
    version: Version,
    topic: &str,
    payload: &[u8],
    qos: QoS,
    id: PacketId,
) -> Vec<u8> {
    publish_with(version, topic, payload, qos, id, false)
}

/// A PUBLISH with or without RETAIN.
pub(crate) fn publish_with(
    version: Version,
    topic: &str,
    payload: &[u8],
    qos: QoS,
    id: PacketId,
    retain: bool,
) -> Vec<u8> {
    let packet = Packet::Publish(Publish {
        dup: false,
        qos,
        retain,
        topic,
        packet_id: (qos != QoS::AtMostOnce).then_some(id),
        properties: Properties::EMPTY,
        payload,
    });
    encode(version, &packet)
}

/// A SUBSCRIBE to some filters, with a Subscription Identifier unless it is 0.
pub(crate) fn subscribe(
    version: Version,
    filters: &[String],
    qos: QoS,
    identifier: u32,
) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    if identifier > 0 {
        let id = PropertyId::SubscriptionIdentifier;
        let pushed = properties.push(id, Value::U32(identifier));
        pushed.expect("a valid identifier");
    }
    let mut bytes = Vec::new();
    for filter in filters {
        let put = SubscribeFilters::put(&mut bytes, filter, SubscribeOptions::from_qos(qos));
        put.expect("a valid filter");
    }
    let filters = SubscribeFilters::from_bytes(&bytes, version).expect("valid filters");
    encode(
        version,
        &Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties: properties.as_properties(),
            filters,
        }),
    )
}

/// An UNSUBSCRIBE from one filter.
pub(crate) fn unsubscribe(version: Version, filter: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    UnsubscribeFilters::put(&mut bytes, filter).expect("a valid filter");
    let packet = Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: UnsubscribeFilters::from_bytes(&bytes).expect("valid filters"),
    });
    encode(version, &packet)
}

/// The bytes of a packet.
pub(crate) fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("a valid packet");
    out
}
