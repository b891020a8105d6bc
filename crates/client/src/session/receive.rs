//! Packets of the server, one handler each.

use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish, SubAck, UnsubAck};
use columba_codec::{PacketId, Properties, PropertyId, QoS, ReasonCode, Version};

use super::request::{Asked, Request};
use super::window::{Found, Published, Released};
use super::{Limits, Output, Receipt, Session, State, Subscription, Token};
use crate::message::{Incoming, user_properties};
use crate::outcome::{Accepted, Answer, CloseCause, FilterAnswer, Violation};

impl Session {
    pub(super) fn on_packet(&mut self, packet: &Packet<'_>) -> Result<(), Violation> {
        if let State::Connecting { clean_start, .. } = self.state {
            return match packet {
                Packet::ConnAck(connack) => self.on_connack(connack, clean_start),
                Packet::Auth(auth) => self.on_auth(auth),
                _ => Err(Violation::UnexpectedPacket),
            };
        }
        match packet {
            Packet::Publish(publish) => self.on_publish(publish),
            Packet::PubAck(puback) => self.on_puback(puback),
            Packet::PubRec(pubrec) => self.on_pubrec(pubrec),
            Packet::PubRel(pubrel) => {
                self.on_pubrel(pubrel.packet_id);
                Ok(())
            }
            Packet::PubComp(pubcomp) => self.on_pubcomp(pubcomp),
            Packet::SubAck(suback) => self.on_suback(suback),
            Packet::UnsubAck(unsuback) => self.on_unsuback(unsuback),
            Packet::Auth(auth) => self.on_auth(auth),
            Packet::PingResp => {
                self.timers.ping_millis = None;
                Ok(())
            }
            Packet::Disconnect(disconnect) if self.options.version.has_server_disconnect() => {
                let answer = answer(disconnect.reason, disconnect.properties);
                self.close(CloseCause::ByServer(answer));
                Ok(())
            }
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect(_) => Err(Violation::UnexpectedPacket),
        }
    }

    fn on_connack(&mut self, connack: &ConnAck<'_>, clean_start: bool) -> Result<(), Violation> {
        if connack.reason.is_error() {
            let answer = answer(connack.reason, connack.properties);
            self.close(CloseCause::Refused {
                answer,
                version: self.options.version,
            });
            return Ok(());
        }
        if connack.session_present && clean_start {
            return Err(Violation::SessionPresent);
        }
        let accepted = self.accepted(connack, clean_start);
        // The session on the server goes by this name from now on. A client that has one keeps it,
        // whatever the server says (`MQTT-3.2.2-16`).
        if self.options.client_id.is_empty() {
            self.options.client_id.clone_from(&accepted.client_id);
        }
        let limits = Limits::new(&self.options, &accepted);
        self.state = State::Open(limits);
        self.timers.keep_alive(accepted.keep_alive_secs);
        let aliases = accepted
            .topic_alias_maximum
            .min(self.options.outgoing_topic_aliases_max);
        self.outgoing_aliases.reset(aliases);
        let session_present = accepted.session_present;
        self.check_method(connack.properties)?;
        self.outputs
            .push_back(Output::Connected(Box::new(accepted)));
        self.on_authenticated(connack.properties);
        if session_present {
            self.received_ids.resume();
            let released: Vec<_> = self.window.resume().collect();
            for packet_id in released {
                self.send(&Packet::PubRel(Acknowledgement::success(packet_id)));
            }
        } else {
            self.drop_session();
        }
        self.subscribe_to_due();
        Ok(())
    }

    fn accepted(&self, connack: &ConnAck<'_>, clean_start: bool) -> Accepted {
        let properties = connack.properties;
        let text = |id| properties.string(id).map(str::to_owned);
        let flag = |id| properties.flag(id).unwrap_or(true);
        Accepted {
            session_present: match self.options.version {
                Version::V31 => !clean_start,
                Version::V311 | Version::V5 => connack.session_present,
            },
            client_id: text(PropertyId::AssignedClientIdentifier)
                .unwrap_or_else(|| self.options.client_id.clone()),
            keep_alive_secs: properties
                .u16(PropertyId::ServerKeepAlive)
                .unwrap_or(self.options.keep_alive_secs),
            session_expiry_secs: properties.u32(PropertyId::SessionExpiryInterval),
            receive_maximum: properties
                .u16(PropertyId::ReceiveMaximum)
                .unwrap_or(u16::MAX),
            maximum_qos: match properties.flag(PropertyId::MaximumQos) {
                Some(false) => QoS::AtMostOnce,
                Some(true) => QoS::AtLeastOnce,
                None => QoS::ExactlyOnce,
            },
            retain_available: flag(PropertyId::RetainAvailable),
            packet_bytes_max: properties
                .u32(PropertyId::MaximumPacketSize)
                .unwrap_or(u32::MAX),
            topic_alias_maximum: properties.u16(PropertyId::TopicAliasMaximum).unwrap_or(0),
            wildcards_available: flag(PropertyId::WildcardSubscriptionAvailable),
            subscription_identifiers_available: flag(PropertyId::SubscriptionIdentifierAvailable),
            shared_subscriptions_available: flag(PropertyId::SharedSubscriptionAvailable),
            response_information: text(PropertyId::ResponseInformation),
            reason_string: text(PropertyId::ReasonString),
            user_properties: user_properties(properties),
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        let topic = self.incoming_aliases.resolve(
            publish.topic,
            publish.properties.u16(PropertyId::TopicAlias),
            self.options.properties.topic_alias_maximum.unwrap_or(0),
        )?;
        match (publish.qos, publish.packet_id) {
            (QoS::AtMostOnce, _) | (_, None) => self.deliver(publish, topic, None),
            (qos, Some(packet_id)) if self.options.acknowledges_by_hand => {
                if qos == QoS::AtLeastOnce
                    || self
                        .received_ids
                        .insert(packet_id, self.receive_maximum())?
                {
                    let number = match qos {
                        QoS::ExactlyOnce => Some(self.keep_arrived(packet_id, publish.dup)),
                        QoS::AtMostOnce | QoS::AtLeastOnce => None,
                    };
                    let receipt = self.owe(packet_id, qos, number);
                    if receipt.is_err() {
                        // It was not handed over, so it may come again.
                        self.received_ids.release(packet_id);
                    }
                    self.deliver(publish, topic, Some(receipt?));
                } else if !self.owes(packet_id) {
                    self.owe_again(packet_id)?;
                }
            }
            (QoS::AtLeastOnce, Some(packet_id)) => {
                self.deliver(publish, topic, None);
                let puback = Acknowledgement::success(packet_id);
                self.send_acknowledgement(&Packet::PubAck(puback));
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                if self
                    .received_ids
                    .insert(packet_id, self.receive_maximum())?
                {
                    self.keep_received(packet_id);
                    self.deliver(publish, topic, None);
                }
                let pubrec = Acknowledgement::success(packet_id);
                self.send_acknowledgement(&Packet::PubRec(pubrec));
            }
        }
        Ok(())
    }

    fn deliver(&mut self, publish: &Publish<'_>, topic: String, receipt: Option<Receipt>) {
        let incoming = Incoming::from_codec(publish, topic, receipt);
        self.outputs.push_back(Output::Message(Box::new(incoming)));
    }

    /// PUBREL is always answered, or the server would send it again for ever (`MQTT-4.3.3-11`).
    fn on_pubrel(&mut self, packet_id: PacketId) {
        let known = self.received_ids.release(packet_id);
        if known {
            self.owe_no_more(packet_id);
            self.keep_incoming_ended(packet_id);
        }
        let reason = if known || !self.options.version.has_reason_codes() {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let properties = Properties::EMPTY;
        self.send(&Packet::PubComp(Acknowledgement {
            packet_id,
            reason,
            properties,
        }));
    }

    fn on_puback(&mut self, puback: &Acknowledgement<'_>) -> Result<(), Violation> {
        match self.window.on_puback(puback.packet_id) {
            Found::It(Published {
                packet_id, token, ..
            }) => {
                self.packet_ids.free(packet_id);
                self.keep_done(token);
                let answer = answer(puback.reason, puback.properties);
                self.outputs.push_back(Output::Published { token, answer });
                Ok(())
            }
            Found::OtherKind => Err(Violation::WrongAcknowledgement),
            // An answer to a message of a session that this client has dropped.
            Found::Nothing => Ok(()),
        }
    }

    fn on_pubrec(&mut self, pubrec: &Acknowledgement<'_>) -> Result<(), Violation> {
        self.has_pubrec = true;
        let packet_id = pubrec.packet_id;
        let refused = pubrec.reason.is_error();
        let mut reason = ReasonCode::Success;
        match self.window.on_pubrec(packet_id, pubrec.reason) {
            // PUBREC with an error ends the exchange: no PUBREL follows, the id is free at once.
            Found::It(token) if refused => {
                self.packet_ids.free(packet_id);
                self.keep_done(token);
                let answer = answer(pubrec.reason, pubrec.properties);
                self.outputs.push_back(Output::Published { token, answer });
                return Ok(());
            }
            Found::It(token) => self.keep_released(token, packet_id),
            Found::OtherKind => return Err(Violation::WrongAcknowledgement),
            Found::Nothing if refused => return Ok(()),
            Found::Nothing if self.options.version.has_reason_codes() => {
                reason = ReasonCode::PacketIdentifierNotFound;
            }
            Found::Nothing => {}
        }
        let properties = Properties::EMPTY;
        self.send(&Packet::PubRel(Acknowledgement {
            packet_id,
            reason,
            properties,
        }));
        Ok(())
    }

    fn on_pubcomp(&mut self, pubcomp: &Acknowledgement<'_>) -> Result<(), Violation> {
        match self.window.on_pubcomp(pubcomp.packet_id) {
            Found::It(Released { token, reason, .. }) => {
                self.packet_ids.free(pubcomp.packet_id);
                self.keep_done(token);
                // "Packet Identifier not found" says that the server has finished the exchange
                // before; the message is delivered all the same. Whether anybody subscribes to it
                // PUBREC has said.
                let answer = Answer {
                    reason,
                    ..answer(pubcomp.reason, pubcomp.properties)
                };
                self.outputs.push_back(Output::Published { token, answer });
                Ok(())
            }
            Found::OtherKind => Err(Violation::WrongAcknowledgement),
            Found::Nothing => Ok(()),
        }
    }

    fn on_suback(&mut self, suback: &SubAck<'_>) -> Result<(), Violation> {
        let answer = filter_answer(suback.codes, suback.properties);
        match self.requests.remove(&suback.packet_id) {
            Some(Request {
                token,
                asked: Asked::Subscribe(subscription),
            }) if suback.codes.len() == subscription.filters.len()
                && answer.codes.len() == subscription.filters.len() =>
            {
                self.packet_ids.free(suback.packet_id);
                self.on_subscribed(token, subscription, answer);
                Ok(())
            }
            Some(request) => Err(self.wrong_answer(suback.packet_id, request, true)),
            None => Ok(()),
        }
    }

    fn on_subscribed(
        &mut self,
        token: Option<Token>,
        subscription: Subscription,
        answer: FilterAnswer,
    ) {
        if self.options.recovers_lost_session {
            self.subscriptions.on_answer(&subscription, &answer.codes);
        }
        self.outputs.push_back(match token {
            Some(token) => Output::Subscribed { token, answer },
            None => Output::Resubscribed {
                filters: subscription.into_filter_names(),
                answer,
            },
        });
    }

    fn on_unsuback(&mut self, unsuback: &UnsubAck<'_>) -> Result<(), Violation> {
        let mut answer = filter_answer(unsuback.codes, unsuback.properties);
        match self.requests.remove(&unsuback.packet_id) {
            Some(Request {
                token,
                asked: Asked::Unsubscribe(filters),
            }) if !self.options.version.has_reason_codes()
                || answer.codes.len() == filters.len() =>
            {
                self.packet_ids.free(unsuback.packet_id);
                if !self.options.version.has_reason_codes() {
                    answer.codes = vec![ReasonCode::Success; filters.len()];
                }
                // A SUBSCRIBE to the same filter may have been answered in between.
                self.subscriptions.forget(&filters);
                if let Some(token) = token {
                    self.outputs
                        .push_back(Output::Unsubscribed { token, answer });
                }
                Ok(())
            }
            Some(request) => Err(self.wrong_answer(unsuback.packet_id, request, false)),
            None => Ok(()),
        }
    }

    /// Puts the request back to its place, so that closing the connection reports it.
    fn wrong_answer(
        &mut self,
        packet_id: PacketId,
        request: Request,
        is_suback: bool,
    ) -> Violation {
        let is_its_kind = matches!(request.asked, Asked::Subscribe(_)) == is_suback;
        self.requests.insert(packet_id, request);
        if is_its_kind {
            Violation::CodeCount
        } else {
            Violation::WrongAcknowledgement
        }
    }
}

fn answer(reason: ReasonCode, properties: Properties<'_>) -> Answer {
    let text = |id| properties.string(id).map(str::to_owned);
    Answer {
        reason,
        reason_string: text(PropertyId::ReasonString),
        server_reference: text(PropertyId::ServerReference),
        user_properties: user_properties(properties),
    }
}

fn filter_answer(codes: &[u8], properties: Properties<'_>) -> FilterAnswer {
    FilterAnswer {
        codes: codes
            .iter()
            .filter_map(|code| ReasonCode::from_u8(*code))
            .collect(),
        reason_string: properties
            .string(PropertyId::ReasonString)
            .map(str::to_owned),
        user_properties: user_properties(properties),
    }
}
