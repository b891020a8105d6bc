//! A client written against the codec alone: what it remembers, what it answers.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::packet::{
    Acknowledgement, Connect, Disconnect, Publish, Subscribe, SubscribeFilters, SubscribeOptions,
    Unsubscribe, UnsubscribeFilters, Will,
};
use columba_codec::{
    Decoded, Packet, PacketId, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value,
    Version, decode,
};

use crate::event::{LinkId, Owed};
use crate::guard::USER;
use crate::persona::Persona;

/// A QoS 1 or 2 message that the broker has not acknowledged to the end.
#[derive(Clone, Debug)]
struct Outgoing {
    packet_id: PacketId,
    message: Outbound,
    is_released: bool,
}

/// A message to publish.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expiry_secs: Option<u32>,
}

/// What came of bytes that a client read.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    /// To be sent at once.
    pub(crate) send: Vec<u8>,
    /// To be acknowledged when the client sees fit.
    pub(crate) owed: Vec<Owed>,
    /// Payloads of new messages, with the QoS.
    pub(crate) messages: Vec<(Vec<u8>, QoS)>,
    /// The broker refused the connection or ended it in words.
    pub(crate) is_over: bool,
    /// The broker broke a rule.
    pub(crate) fault: Option<String>,
}

/// One client id: its state lives across connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) persona: Persona,
    pub(crate) link: Option<LinkId>,
    pub(crate) is_connected: bool,
    /// Acknowledgements kept back until the faults stop.
    pub(crate) kept_back: Vec<Owed>,
    pub(crate) subscribed: BTreeSet<String>,
    /// Payloads of retained messages that a probe got.
    pub(crate) taken: Vec<Vec<u8>>,
    outgoing: BTreeMap<u64, Outgoing>,
    next_outgoing: u64,
    next_packet_id: u16,
    requests: BTreeSet<PacketId>,
    /// QoS 2 messages received and not released.
    received: BTreeSet<PacketId>,
    buffer: Vec<u8>,
    receive_maximum: u16,
    alias_maximum: u16,
    aliases: Vec<String>,
    is_clean: bool,
    /// The session of the broker that its memories belong to.
    session: u64,
}

/// Packet ids go around after so many, so that they are used again often.
const PACKET_ID_MAX: u16 = 60;

impl Client {
    pub(crate) const fn new(persona: Persona) -> Self {
        Self {
            persona,
            link: None,
            is_connected: false,
            kept_back: Vec::new(),
            subscribed: BTreeSet::new(),
            taken: Vec::new(),
            outgoing: BTreeMap::new(),
            next_outgoing: 0,
            next_packet_id: 0,
            requests: BTreeSet::new(),
            received: BTreeSet::new(),
            buffer: Vec::new(),
            receive_maximum: u16::MAX,
            alias_maximum: 0,
            aliases: Vec::new(),
            is_clean: false,
            session: 0,
        }
    }

    /// Forgets what belongs to a connection.
    pub(crate) fn disconnected(&mut self) {
        self.link = None;
        self.is_connected = false;
        self.kept_back.clear();
        self.requests.clear();
        self.buffer.clear();
        self.aliases.clear();
    }

    /// The CONNECT for a new link.
    pub(crate) fn connect(
        &mut self,
        link: LinkId,
        is_clean: bool,
        expiry_secs: u32,
        will: Option<(&Outbound, u32)>,
    ) -> Vec<u8> {
        self.disconnected();
        self.link = Some(link);
        self.is_clean = is_clean;
        let persona = &self.persona;
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if persona.version == Version::V5 {
            let mut put = |id, value| properties.push(id, value).expect("a valid property");
            if expiry_secs > 0 {
                put(PropertyId::SessionExpiryInterval, Value::U32(expiry_secs));
            }
            if let Some(most) = persona.receive_maximum {
                put(PropertyId::ReceiveMaximum, Value::U16(most));
            }
            if let Some(most) = persona.packet_bytes_max {
                put(PropertyId::MaximumPacketSize, Value::U32(most));
            }
            if persona.alias_maximum > 0 {
                put(
                    PropertyId::TopicAliasMaximum,
                    Value::U16(persona.alias_maximum),
                );
            }
            if let Some((_, delay_secs)) = will {
                will_properties
                    .push(PropertyId::WillDelayInterval, Value::U32(delay_secs))
                    .expect("a valid property");
            }
        }
        let will = will.map(|(message, _)| Will {
            qos: message.qos,
            retain: message.retain,
            properties: will_properties.as_properties(),
            topic: &message.topic,
            payload: &message.payload,
        });
        encode(
            &Packet::Connect(Connect {
                version: persona.version,
                is_bridge: false,
                clean_start: is_clean,
                keep_alive_secs: persona.keep_alive_secs,
                properties: properties.as_properties(),
                client_id: &persona.client_id,
                will,
                user_name: persona.has_login.then_some(USER),
                password: persona.has_login.then_some(b"secret".as_slice()),
            }),
            persona.version,
        )
    }

    /// Whether another QoS 1 or 2 message may go out.
    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < usize::from(self.receive_maximum.min(20))
    }

    /// The PUBLISH for a message; with an alias if there is one and it is wanted.
    pub(crate) fn publish(&mut self, message: Outbound, wants_alias: bool) -> Vec<u8> {
        let packet_id = (message.qos != QoS::AtMostOnce).then(|| self.new_packet_id());
        let bytes = self.encode_publish(&message, packet_id, false, wants_alias);
        if let Some(packet_id) = packet_id {
            self.next_outgoing += 1;
            let outgoing = Outgoing {
                packet_id,
                message,
                is_released: false,
            };
            self.outgoing.insert(self.next_outgoing, outgoing);
        }
        bytes
    }

    fn encode_publish(
        &mut self,
        message: &Outbound,
        packet_id: Option<PacketId>,
        dup: bool,
        wants_alias: bool,
    ) -> Vec<u8> {
        let mut properties = PropertiesBuf::new();
        let mut topic = message.topic.as_str();
        if self.persona.version == Version::V5 {
            if let Some(secs) = message.expiry_secs {
                let value = Value::U32(secs);
                properties
                    .push(PropertyId::MessageExpiryInterval, value)
                    .expect("a valid property");
            }
            let known = self.aliases.iter().position(|alias| alias == topic);
            let has_room = self.aliases.len() < usize::from(self.alias_maximum);
            let alias = match known {
                Some(position) if wants_alias => {
                    topic = "";
                    Some(position + 1)
                }
                None if wants_alias && has_room => {
                    self.aliases.push(message.topic.clone());
                    Some(self.aliases.len())
                }
                _ => None,
            };
            if let Some(alias) = alias {
                properties
                    .push(PropertyId::TopicAlias, Value::U16(alias as u16))
                    .expect("a valid property");
            }
        }
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic,
            packet_id,
            properties: properties.as_properties(),
            payload: &message.payload,
        };
        encode(&Packet::Publish(publish), self.persona.version)
    }

    pub(crate) fn subscribe(&mut self, filters: &[(String, SubscribeOptions)]) -> Vec<u8> {
        let packet_id = self.new_packet_id();
        self.requests.insert(packet_id);
        let mut bytes = Vec::new();
        for (filter, options) in filters {
            SubscribeFilters::put(&mut bytes, filter, *options).expect("a short filter");
            self.subscribed.insert(filter.clone());
        }
        let version = self.persona.version;
        let filters = SubscribeFilters::from_bytes(&bytes, version).expect("valid filters");
        let properties = Properties::EMPTY;
        let subscribe = Subscribe {
            packet_id,
            properties,
            filters,
        };
        encode(&Packet::Subscribe(subscribe), version)
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let packet_id = self.new_packet_id();
        self.requests.insert(packet_id);
        self.subscribed.remove(filter);
        let mut bytes = Vec::new();
        UnsubscribeFilters::put(&mut bytes, filter).expect("a short filter");
        let filters = UnsubscribeFilters::from_bytes(&bytes).expect("a valid filter");
        let properties = Properties::EMPTY;
        let unsubscribe = Unsubscribe {
            packet_id,
            properties,
            filters,
        };
        encode(&Packet::Unsubscribe(unsubscribe), self.persona.version)
    }

    pub(crate) fn ping(&self) -> Vec<u8> {
        encode(&Packet::PingReq, self.persona.version)
    }

    /// DISCONNECT, with or without the Will where the version has a choice.
    pub(crate) fn disconnect(&self, with_will: bool) -> Vec<u8> {
        let reason = if with_will && self.persona.version == Version::V5 {
            ReasonCode::DisconnectWithWill
        } else {
            ReasonCode::Success
        };
        let properties = Properties::EMPTY;
        let disconnect = Packet::Disconnect(Disconnect { reason, properties });
        encode(&disconnect, self.persona.version)
    }

    /// The packet of an acknowledgement.
    pub(crate) fn acknowledge(&self, owed: Owed, is_refused: bool) -> Vec<u8> {
        let packet = match owed {
            Owed::Acknowledged(packet_id) if is_refused && self.persona.version == Version::V5 => {
                Packet::PubAck(Acknowledgement {
                    packet_id,
                    reason: ReasonCode::UnspecifiedError,
                    properties: Properties::EMPTY,
                })
            }
            Owed::Acknowledged(packet_id) => Packet::PubAck(Acknowledgement::success(packet_id)),
            Owed::Received(packet_id) => Packet::PubRec(Acknowledgement::success(packet_id)),
            Owed::Completed(packet_id) => Packet::PubComp(Acknowledgement::success(packet_id)),
        };
        encode(&packet, self.persona.version)
    }

    /// Takes in bytes from the link, which belongs to this session of the broker.
    ///
    /// Session Present does not tell a client all it has to know: MQTT 3.1 lacks it, and where the
    /// CONNACK of a new session was lost, the next one says that a session is present.
    pub(crate) fn read(&mut self, bytes: &[u8], session: u64) -> Reaction {
        let mut reaction = Reaction::default();
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while !reaction.is_over {
            match decode(rest, self.persona.version, u32::MAX) {
                Ok(Decoded::Packet(packet, len)) => {
                    self.on_packet(packet, session, &mut reaction);
                    rest = &rest[len..];
                }
                Ok(Decoded::Incomplete { .. }) => break,
                Err(error) => {
                    reaction.fault = Some(format!("the client cannot read: {error}"));
                    break;
                }
            }
        }
        self.buffer = rest.to_vec();
        reaction
    }

    fn on_packet(&mut self, packet: Packet<'_>, session: u64, reaction: &mut Reaction) {
        match packet {
            Packet::ConnAck(ack) if ack.reason == ReasonCode::Success => {
                let u16_of = |id| ack.properties.u16(id);
                self.receive_maximum = u16_of(PropertyId::ReceiveMaximum).unwrap_or(u16::MAX);
                self.alias_maximum = u16_of(PropertyId::TopicAliasMaximum).unwrap_or(0);
                self.on_connected(ack.session_present, session, reaction);
            }
            Packet::ConnAck(_) | Packet::Disconnect(_) => reaction.is_over = true,
            Packet::Publish(publish) => self.on_publish(&publish, reaction),
            Packet::PubAck(ack) => self.settle(ack.packet_id),
            Packet::PubRec(ack) if ack.reason.is_error() => self.settle(ack.packet_id),
            Packet::PubRec(ack) => {
                if let Some(outgoing) = self.outgoing_mut(ack.packet_id) {
                    outgoing.is_released = true;
                }
                let pubrel = Packet::PubRel(Acknowledgement::success(ack.packet_id));
                reaction.send.extend(encode(&pubrel, self.persona.version));
            }
            Packet::PubComp(ack) => self.settle(ack.packet_id),
            Packet::PubRel(ack) => {
                self.received.remove(&ack.packet_id);
                reaction.owed.push(Owed::Completed(ack.packet_id));
            }
            Packet::SubAck(ack) => {
                self.requests.remove(&ack.packet_id);
            }
            Packet::UnsubAck(ack) => {
                self.requests.remove(&ack.packet_id);
            }
            Packet::PingResp => {}
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => {
                reaction.fault = Some(format!("a server sent {}", packet.packet_type()));
            }
        }
    }

    fn on_connected(&mut self, session_present: bool, session: u64, reaction: &mut Reaction) {
        self.is_connected = true;
        if session_present && self.is_clean {
            reaction.fault = Some("Session Present after a clean start".to_owned());
        }
        if std::mem::replace(&mut self.session, session) != session {
            self.outgoing.clear();
            self.received.clear();
            self.subscribed.clear();
        }
        let again: Vec<Outgoing> = self.outgoing.values().cloned().collect();
        for outgoing in again {
            let bytes = if outgoing.is_released {
                let pubrel = Packet::PubRel(Acknowledgement::success(outgoing.packet_id));
                encode(&pubrel, self.persona.version)
            } else {
                self.encode_publish(&outgoing.message, Some(outgoing.packet_id), true, false)
            };
            reaction.send.extend(bytes);
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>, reaction: &mut Reaction) {
        let mut is_new = true;
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                reaction.owed.push(Owed::Acknowledged(packet_id))
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                is_new = self.received.insert(packet_id);
                reaction.owed.push(Owed::Received(packet_id));
            }
            _ => {}
        }
        if is_new {
            reaction
                .messages
                .push((publish.payload.to_vec(), publish.qos));
        }
    }

    fn outgoing_mut(&mut self, packet_id: PacketId) -> Option<&mut Outgoing> {
        self.outgoing
            .values_mut()
            .find(|outgoing| outgoing.packet_id == packet_id)
    }

    fn settle(&mut self, packet_id: PacketId) {
        self.outgoing
            .retain(|_, outgoing| outgoing.packet_id != packet_id);
    }

    fn new_packet_id(&mut self) -> PacketId {
        loop {
            self.next_packet_id = self.next_packet_id % PACKET_ID_MAX + 1;
            let id = PacketId::new(self.next_packet_id).expect("counted from 1");
            let is_taken = self.requests.contains(&id)
                || self.outgoing.values().any(|known| known.packet_id == id);
            if !is_taken {
                return id;
            }
        }
    }

    /// Whether it waits for a SUBACK or UNSUBACK too many.
    pub(crate) fn has_many_requests(&self) -> bool {
        self.requests.len() > 20
    }
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(version, &mut bytes)
        .expect("a packet that has an encoding");
    bytes
}
