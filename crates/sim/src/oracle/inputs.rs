//! Packets of clients in the model.

use std::collections::BTreeSet;

use columba_broker::access::Action;
use columba_codec::packet::{Connect, Publish, RetainHandling, Subscribe};
use columba_codec::{Decoded, Packet, PropertyId, QoS, ReasonCode, TopicFilter, Version, decode};

use super::model::Connecting;
use super::model::Publishing;
use super::truth::What;
use super::{Message, Oracle, Phase, Said, Subscribing, Subscription, Will};
use crate::checks::acknowledgement::Answer;
use crate::checks::delivery;
use crate::event::LinkId;
use crate::guard::USER;

impl Oracle {
    /// Takes whole packets off a connection's input, as far as the broker handles them now.
    pub(crate) fn take_input(&mut self, link: LinkId) {
        self.turn.link = link;
        let input = std::mem::take(&mut self.conns[link].input);
        let mut rest = input.as_slice();
        loop {
            let conn = &self.conns[link];
            // What comes behind CONNECT waits for the CONNACK.
            let may_take = match conn.phase {
                Phase::Await => conn.connect.is_none(),
                Phase::Open => !conn.is_garbage,
                Phase::Closed => return,
            };
            if !may_take {
                break;
            }
            match decode(rest, conn.version, u32::MAX) {
                Ok(Decoded::Packet(packet, len)) => {
                    rest = &rest[len..];
                    self.on_packet(link, packet);
                }
                Ok(Decoded::Incomplete { .. }) => break,
                Err(_) => self.conns[link].is_garbage = true,
            }
            // CONNACK of the same input was taken before its CONNECT was.
            if self.conns[link].phase == Phase::Await && self.conns[link].connect.is_some() {
                self.take_connack(link);
            }
        }
        self.conns[link].input = rest.to_vec();
    }

    fn on_packet(&mut self, link: LinkId, packet: Packet<'_>) {
        let answers = &mut self.conns[link].answers;
        match packet {
            Packet::Connect(connect) => self.on_connect(link, &connect),
            Packet::Publish(publish) => self.on_publish(link, &publish),
            Packet::PubAck(ack) => self.settle(link, ack.packet_id.get()),
            Packet::PubRec(ack) if ack.reason.is_error() => {
                self.settle(link, ack.packet_id.get());
            }
            Packet::PubRec(ack) => {
                answers.push_back(Answer::PubRel(ack.packet_id));
                let client_id = self.conns[link].client_id.clone();
                let session = self.sessions.get_mut(&client_id);
                self.truth
                    .answered(&client_id, self.now_ms, ack.packet_id.get());
                let sent = session.and_then(|s| s.unsettled.get_mut(&ack.packet_id.get()));
                if let Some(sent) = sent {
                    sent.is_released = true;
                }
            }
            Packet::PubComp(ack) => self.settle(link, ack.packet_id.get()),
            Packet::PubRel(ack) => {
                answers.push_back(Answer::PubComp(ack.packet_id));
                let client_id = self.conns[link].client_id.clone();
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.received.remove(&ack.packet_id.get());
                    session.received_perhaps.remove(&ack.packet_id.get());
                }
            }
            Packet::Subscribe(subscribe) => self.on_subscribe(link, &subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                answers.push_back(Answer::UnsubAck(unsubscribe.packet_id));
                let filters: Vec<&str> = unsubscribe.filters.iter().collect();
                let all = filters.iter().map(|filter| (*filter).to_owned()).collect();
                let packet_id = unsubscribe.packet_id.get();
                self.conns[link].unsubscribing.insert(packet_id, all);
                for filter in filters {
                    self.on_unsubscribe(link, filter);
                }
            }
            Packet::PingReq => answers.push_back(Answer::PingResp),
            Packet::Disconnect(disconnect) => {
                self.detach(link, disconnect.reason != ReasonCode::Success);
            }
            Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Auth(_) => self.conns[link].is_garbage = true,
        }
    }

    fn on_connect(&mut self, link: LinkId, connect: &Connect<'_>) {
        let properties = connect.properties;
        let will = connect.will.map(|will| Will {
            topic: will.topic.to_owned(),
            payload: will.payload.to_vec(),
            qos: will.qos,
            retain: will.retain,
            delay_secs: will
                .properties
                .u32(PropertyId::WillDelayInterval)
                .unwrap_or(0),
        });
        self.conns[link].connect = Some(Connecting {
            client_id: connect.client_id.to_owned(),
            user: connect.user_name.is_some().then_some(USER),
            is_v5: connect.version == Version::V5,
            clean_start: connect.clean_start,
            expiry_secs: properties
                .u32(PropertyId::SessionExpiryInterval)
                .unwrap_or(0),
            keep_alive_secs: connect.keep_alive_secs,
            receive_maximum: properties
                .u16(PropertyId::ReceiveMaximum)
                .unwrap_or(u16::MAX),
            packet_bytes_max: properties
                .u32(PropertyId::MaximumPacketSize)
                .map_or(usize::MAX, |most| most as usize),
            alias_maximum: properties.u16(PropertyId::TopicAliasMaximum).unwrap_or(0),
            will,
        });
    }

    fn on_publish(&mut self, link: LinkId, publish: &Publish<'_>) {
        let conn = &mut self.conns[link];
        let mut topic = publish.topic.to_owned();
        if let Some(alias) = publish.properties.u16(PropertyId::TopicAlias) {
            if topic.is_empty() {
                topic = conn.aliases_in.get(&alias).cloned().unwrap_or_default();
            } else {
                conn.aliases_in.insert(alias, topic.clone());
            }
        }
        let publisher = conn.client_id.clone();
        // The broker may have it from before a crash, or not.
        let mut is_perhaps = false;
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                conn.answers.push_back(Answer::PubAck(packet_id));
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                conn.answers.push_back(Answer::PubRec(packet_id));
                if let Some(session) = self.sessions.get_mut(&publisher) {
                    if !session.received.insert(packet_id.get()) {
                        return self.publish_again(link, packet_id.get(), publish.payload);
                    }
                    is_perhaps = session.received_perhaps.remove(&packet_id.get());
                }
            }
            _ => {}
        }
        let expiry_secs = publish.properties.u32(PropertyId::MessageExpiryInterval);
        let message = Message {
            topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos,
            retain: publish.retain,
            publisher,
            is_will: false,
            expires_ms: expiry_secs.map(|secs| self.now_ms + u64::from(secs) * 1000),
            first: 0,
            last: 0,
            times: 0,
            owed_to: BTreeSet::new(),
            extra: 0,
            acknowledged: Said::Nothing,
            is_expiry_open: false,
        };
        if !self.may_publish(link, &message.topic) {
            return self.deny(link, publish, &message, !is_perhaps);
        }
        let id = super::id_of(&message.payload);
        let topic = message.topic.clone();
        let retained = if is_perhaps {
            self.accept_perhaps(message)
        } else {
            self.accept(message)
        };
        if let Some(packet_id) = publish.packet_id {
            let publishing = Publishing {
                id,
                topic,
                retained,
            };
            let conn = &mut self.conns[link];
            conn.publishing.insert(packet_id.get(), publishing);
        }
    }

    /// A message that the broker knows comes again: its answer says as much as the first one.
    fn publish_again(&mut self, link: LinkId, packet_id: u16, payload: &[u8]) {
        let conn = &mut self.conns[link];
        let publishing = Publishing {
            id: super::id_of(payload),
            topic: String::new(),
            retained: None,
        };
        conn.publishing.entry(packet_id).or_insert(publishing);
    }

    fn on_subscribe(&mut self, link: LinkId, subscribe: &Subscribe<'_>) {
        let conn = &self.conns[link];
        let (client_id, user) = (conn.client_id.clone(), conn.user);
        let filters = subscribe.filters.iter().map(|(filter, _)| {
            let may = self.may(&client_id, user, Action::Subscribe, filter);
            (filter.to_owned(), !may)
        });
        let filters: Vec<(String, bool)> = filters.collect();
        let denied: BTreeSet<String> = filters
            .iter()
            .filter(|(_, is_denied)| *is_denied)
            .map(|(filter, _)| filter.clone())
            .collect();
        self.serial += 1;
        let number = self.serial;
        let waiting = Subscribing { number, filters };
        let conn = &mut self.conns[link];
        conn.subscribing.insert(subscribe.packet_id.get(), waiting);
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return;
        };
        for filter in &denied {
            let what = What::Denied(filter.clone());
            self.truth.note(&client_id, self.now_ms, what);
        }
        let granted = subscribe.filters.iter();
        for (text, options) in granted.filter(|(text, _)| !denied.contains(*text)) {
            let is_shared = text.starts_with("$share/");
            self.stored.note(text, session.has_lasted);
            let has_retained = !is_shared && options.retain_handling != RetainHandling::DoNotSend;
            session.history.push((text.to_owned(), has_retained));
            let asked = What::Subscribed(text.to_owned());
            self.truth.note(&client_id, self.now_ms, asked);
            if !options.no_local {
                session.local.insert(text.to_owned());
            }
            let new = Subscription {
                options,
                number,
                last: number,
                is_acknowledged: false,
                sure: Said::Nothing,
                settled: Said::Nothing,
            };
            session.unsure.remove(text);
            session.leaving.remove(text);
            session.left.remove(text);
            if is_shared {
                self.groups.asked(text, &client_id);
                let known = session.shared.entry(text.to_owned()).or_insert(new);
                known.options = options;
                known.last = number;
                known.settled = Said::Nothing;
                continue;
            }
            match session.subscriptions.get_mut(text) {
                Some(known) => {
                    let is_same = known.options.qos == options.qos
                        && known.options.no_local == options.no_local;
                    known.options = options;
                    known.last = number;
                    known.settled = Said::Nothing;
                    if !is_same {
                        delivery::release(&client_id, session, text, &mut self.messages);
                    }
                }
                None => {
                    session.subscriptions.insert(text.to_owned(), new);
                }
            }
        }
    }

    fn on_unsubscribe(&mut self, link: LinkId, filter: &str) {
        let client_id = self.conns[link].client_id.clone();
        let Some(session) = self.sessions.get(&client_id) else {
            return;
        };
        let is_known =
            session.subscriptions.contains_key(filter) || session.shared.contains_key(filter);
        // What a session had that came back after its end is not known: any that it ever had.
        let left = match (is_known, session.is_loose) {
            (true, false) => Some(What::Unsubscribed(filter.to_owned())),
            (_, true) => Some(What::PerhapsUnsubscribed(filter.to_owned())),
            (false, false) if session.unsure.contains(filter) => {
                Some(What::PerhapsUnsubscribed(filter.to_owned()))
            }
            (false, false) => None,
        };
        if let Some(left) = left {
            self.truth.note(&client_id, self.now_ms, left);
        }
        self.unsubscribe(&client_id, filter);
    }

    /// The broker says that it has ended a subscription of a session, perhaps of one that has come back
    /// from before a crash, with what the model does not know of.
    pub(crate) fn end_subscription(
        &mut self,
        client_id: &str,
        filter: &str,
        how: impl FnOnce(String) -> What,
    ) {
        self.truth
            .note(client_id, self.now_ms, how(filter.to_owned()));
        self.unsubscribe(client_id, filter);
    }

    /// A subscription ends, whoever wants it.
    fn unsubscribe(&mut self, client_id: &str, filter: &str) {
        let Some(session) = self.sessions.get_mut(client_id) else {
            return;
        };
        let is_shared = TopicFilter::parse(filter).is_ok_and(|parsed| parsed.share().is_some());
        let is_known =
            session.subscriptions.contains_key(filter) || session.shared.contains_key(filter);
        if session.unsure.remove(filter) || is_known {
            session.leaving.insert(filter.to_owned());
        }
        if is_shared {
            if session.shared.remove(filter).is_some() {
                self.groups.left(filter, client_id, &self.sessions);
            }
        } else if session.subscriptions.remove(filter).is_some() {
            delivery::release(client_id, session, filter, &mut self.messages);
        }
    }

    /// The client has answered a message to the end.
    fn settle(&mut self, link: LinkId, packet_id: u16) {
        let conn = &mut self.conns[link];
        conn.on_air.remove(&packet_id);
        self.truth.answered(&conn.client_id, self.now_ms, packet_id);
        if let Some(session) = self.sessions.get_mut(&conn.client_id)
            && let Some(sent) = session.unsettled.remove(&packet_id)
            && sent.qos == QoS::ExactlyOnce
            && self.is_durable
        {
            // Until the store knows of it.
            session.perhaps.insert(packet_id, sent);
        }
    }
}
