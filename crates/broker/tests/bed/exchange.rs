//! Longer exchanges: handshakes to their end, several filters at once, held mail.

use columba_broker::access::{AccessRules, Action, Actions, Rule, TopicPattern, Who};
use columba_broker::limits::{Anonymous, Limits};
use columba_codec::packet::{
    Acknowledgement, RetainHandling, Subscribe, SubscribeFilters, SubscribeOptions, Unsubscribe,
    UnsubscribeFilters,
};
use columba_codec::{
    Packet, PacketId, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value, Version,
};

use super::{Bed, ClientIx, Inbox};

/// Every behaviour of the core is the same on one shard and on several.
pub const SHARDS: [u16; 2] = [1, 3];
pub const QOS_0: QoS = QoS::AtMostOnce;
pub const QOS_1: QoS = QoS::AtLeastOnce;
pub const QOS_2: QoS = QoS::ExactlyOnce;

/// A PUBLISH as it came, on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrived {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: Option<u16>,
}

/// A packet id.
pub fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// Properties from a list.
pub fn properties(list: &[(PropertyId, Value<'_>)]) -> PropertiesBuf {
    let mut buf = PropertiesBuf::new();
    for (id, value) in list {
        buf.push(*id, *value).unwrap();
    }
    buf
}

/// Subscription options by their parts.
pub fn options(qos: QoS) -> SubscribeOptions {
    SubscribeOptions::from_qos(qos)
}

/// Options with a Retain Handling.
pub fn handling(qos: QoS, retain_handling: RetainHandling) -> SubscribeOptions {
    SubscribeOptions {
        retain_handling,
        ..options(qos)
    }
}

/// A rule for everybody.
pub fn rule(is_allow: bool, actions: &[Action], topic: &str) -> Rule {
    Rule {
        is_allow,
        actions: Actions {
            publish: actions.contains(&Action::Publish),
            subscribe: actions.contains(&Action::Subscribe),
            receive: actions.contains(&Action::Receive),
        },
        who: Who::default(),
        topics: vec![TopicPattern::parse(topic).unwrap()],
        place: "rules:1".to_owned(),
    }
}

/// Acknowledgement with a reason code.
pub fn with_reason(packet_id: PacketId, reason: ReasonCode) -> Acknowledgement<'static> {
    Acknowledgement {
        packet_id,
        reason,
        properties: Properties::EMPTY,
    }
}

impl Bed {
    /// A bed whose rules deny what is listed and allow the rest.
    pub fn denying(shards: u16, denied: &[(Action, &str)]) -> Self {
        let rules = denied
            .iter()
            .map(|(action, topic)| rule(false, &[*action], topic))
            .collect();
        let limits = Limits {
            sys_interval_ms: 0,
            ..Limits::default()
        };
        let access = AccessRules::new(rules, Actions::ALL);
        Self::build(shards, limits, access, Anonymous::Always)
    }

    /// A client with a session that outlives its connection.
    pub fn connect_keeping(&mut self, version: Version, client_id: &str) -> ClientIx {
        self.connect_with(&keeping(version, client_id))
    }

    /// The client comes back to its session; what came after CONNACK stays to be taken.
    pub fn resume(&mut self, version: Version, client_id: &str) -> ClientIx {
        self.connect_with(&keeping(version, client_id).clean(false))
    }

    /// The version that a client speaks.
    pub fn version_of(&self, client: ClientIx) -> Version {
        self.clients[client].version
    }

    pub fn pubrec(&mut self, client: ClientIx, packet_id: PacketId) {
        self.send(client, &Packet::PubRec(Acknowledgement::success(packet_id)));
    }

    pub fn pubrel(&mut self, client: ClientIx, packet_id: PacketId) {
        self.send(client, &Packet::PubRel(Acknowledgement::success(packet_id)));
    }

    pub fn pubcomp(&mut self, client: ClientIx, packet_id: PacketId) {
        let ack = Acknowledgement::success(packet_id);
        self.send(client, &Packet::PubComp(ack));
    }

    /// Takes everything that comes and acknowledges it to the end; gives back the messages.
    pub fn finish(&mut self, client: ClientIx) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        loop {
            let inbox = self.take(client);
            if inbox.bytes.is_empty() {
                return arrived;
            }
            arrived.extend(arrived_in(&inbox));
            for packet in inbox.packets() {
                self.answer(client, &packet);
            }
        }
    }

    /// The client's answer to one packet of a QoS 1 or 2 delivery, if it has one.
    pub fn answer(&mut self, client: ClientIx, packet: &Packet<'_>) {
        match packet {
            Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                (QoS::AtLeastOnce, Some(packet_id)) => self.puback(client, packet_id),
                (QoS::ExactlyOnce, Some(packet_id)) => self.pubrec(client, packet_id),
                _ => {}
            },
            Packet::PubRel(ack) => self.pubcomp(client, ack.packet_id),
            _ => {}
        }
    }

    /// Publishes QoS 2 to the end of its handshake.
    pub fn publish_exactly_once(&mut self, client: ClientIx, topic: &str, payload: &[u8]) {
        let packet_id = self.publish(client, topic, payload, QOS_2).unwrap();
        self.pubrel(client, packet_id);
    }

    /// Sends a SUBSCRIBE with several filters.
    pub fn send_subscribe(
        &mut self,
        client: ClientIx,
        packet_id: PacketId,
        list: &[(&str, SubscribeOptions)],
        properties: Properties<'_>,
    ) {
        let mut filters = Vec::new();
        for (filter, options) in list {
            SubscribeFilters::put(&mut filters, filter, *options).unwrap();
        }
        let filters = SubscribeFilters::from_bytes(&filters, Version::V5).unwrap();
        let subscribe = Subscribe {
            packet_id,
            properties,
            filters,
        };
        self.send(client, &Packet::Subscribe(subscribe));
    }

    /// Sends an UNSUBSCRIBE with several filters.
    pub fn send_unsubscribe(&mut self, client: ClientIx, packet_id: PacketId, list: &[&str]) {
        let mut filters = Vec::new();
        for filter in list {
            UnsubscribeFilters::put(&mut filters, filter).unwrap();
        }
        let unsubscribe = Unsubscribe {
            packet_id,
            properties: Properties::EMPTY,
            filters: UnsubscribeFilters::from_bytes(&filters).unwrap(),
        };
        self.send(client, &Packet::Unsubscribe(unsubscribe));
    }

    /// Subscribes with a Subscription Identifier.
    pub fn subscribe_identified(
        &mut self,
        client: ClientIx,
        filter: &str,
        qos: QoS,
        identifier: u32,
    ) {
        let list = [(PropertyId::SubscriptionIdentifier, Value::U32(identifier))];
        let properties = properties(&list);
        let codes = self.subscribe_with(client, filter, options(qos), properties.as_properties());
        assert_eq!(codes, [qos.as_u8()]);
    }

    /// Publishes QoS 2 with a packet id of one's own choice, as a client does that tries again.
    pub fn publish_as(&mut self, client: ClientIx, topic: &str, payload: &[u8], id: PacketId) {
        let publish = columba_codec::packet::Publish {
            dup: true,
            qos: QOS_2,
            retain: false,
            topic,
            packet_id: Some(id),
            properties: Properties::EMPTY,
            payload,
        };
        self.send(client, &Packet::Publish(publish));
    }

    /// PUBLISH of QoS 1 with properties.
    pub fn publish_expiring(
        &mut self,
        client: ClientIx,
        topic: &str,
        payload: &[u8],
        packet_id: PacketId,
        properties: &PropertiesBuf,
    ) {
        let packet = Packet::Publish(columba_codec::packet::Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            packet_id: Some(packet_id),
            properties: properties.as_properties(),
            payload,
        });
        self.send(client, &packet);
    }

    /// What came as PUBLISH since the last call, unanswered.
    pub fn arrivals(&mut self, client: ClientIx) -> Vec<Arrived> {
        let inbox = self.take(client);
        arrived_in(&inbox)
    }

    /// The payloads of what came since the last call, unanswered.
    pub fn payloads(&mut self, client: ClientIx) -> Vec<String> {
        self.take(client).payloads()
    }

    /// The gauges are what counting gives.
    pub fn check_gauges(&self) {
        let mut counted = columba_broker::stats::Stats::default();
        for shard in &self.shards {
            counted.add(&shard.recount());
        }
        let kept = self.stats();
        let gauges = |stats: &columba_broker::stats::Stats| {
            [
                ("connections", stats.connections),
                ("clients_connected", stats.clients_connected),
                ("sessions", stats.sessions),
                ("subscriptions", stats.subscriptions),
                ("shared_subscriptions", stats.shared_subscriptions),
                ("retained_messages", stats.retained_messages),
                ("retained_bytes", stats.retained_bytes),
                ("queued_messages", stats.queued_messages),
                ("queued_bytes", stats.queued_bytes),
                ("inflight_messages", stats.inflight_messages),
                ("queued_bytes_in_memory", stats.queued_bytes_in_memory),
                ("subscription_bytes", stats.subscription_bytes),
                ("will_bytes", stats.will_bytes),
            ]
        };
        assert_eq!(gauges(&kept), gauges(&counted));
    }

    /// The broker closed the connection after it had sent other packets, and told why.
    pub fn assert_closed_after(&mut self, client: ClientIx, reason: ReasonCode) {
        assert!(self.is_closed(client), "the connection is open");
        match self.take(client).packets().last() {
            Some(Packet::Disconnect(disconnect)) => assert_eq!(disconnect.reason, reason),
            other => panic!("{other:?}"),
        }
    }

    /// The broker closed the connection, and told MQTT 5 clients why.
    pub fn assert_closed(&mut self, client: ClientIx, reason: ReasonCode, context: &str) {
        assert!(self.is_closed(client), "{context}: the connection is open");
        let inbox = self.take(client);
        let told = inbox.packets().last().map(|packet| match packet {
            Packet::Disconnect(disconnect) => disconnect.reason,
            other => panic!("{context}: {other:?}"),
        });
        let is_told = inbox.version == Some(Version::V5);
        assert_eq!(told, is_told.then_some(reason), "{context}");
    }
}

/// A CONNECT for a session that outlives the connection.
pub fn keeping(version: Version, client_id: &str) -> super::ConnectOptions<'_> {
    let connect = super::ConnectOptions::new(version, client_id);
    if version == Version::V5 {
        connect.property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX))
    } else {
        connect.clean(false)
    }
}

fn arrived_in(inbox: &Inbox) -> Vec<Arrived> {
    let own = |publish: &columba_codec::packet::Publish<'_>| Arrived {
        topic: publish.topic.to_owned(),
        payload: String::from_utf8_lossy(publish.payload).into_owned(),
        qos: publish.qos.as_u8(),
        retain: publish.retain,
        dup: publish.dup,
        packet_id: publish.packet_id.map(PacketId::get),
    };
    inbox.publishes().iter().map(own).collect()
}
