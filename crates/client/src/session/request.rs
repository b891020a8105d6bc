//! Requests of the application: PUBLISH, SUBSCRIBE and UNSUBSCRIBE on their way out.

use columba_codec::packet::{
    Packet, Publish, Subscribe, SubscribeFilters, Unsubscribe, UnsubscribeFilters,
};
use columba_codec::topic::{TopicFilter, TopicName};
use columba_codec::{PacketId, PropertiesBuf, PropertyId, QoS, Value};

use super::aliases::Naming;
use super::window::Published;
use super::{Limits, Output, Session, State, Subscription, Token};
use crate::message::{Message, put_user_properties};
use crate::outcome::{Answer, Failure};

/// A SUBSCRIBE or UNSUBSCRIBE without its answer.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Who waits for the answer; nobody if the session asks by itself.
    pub(super) token: Option<Token>,
    pub(super) asked: Asked,
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Subscribe(Subscription),
    Unsubscribe(Vec<String>),
}

impl Session {
    pub(super) fn publish(&mut self, token: Token, message: Message) {
        if let Err(failure) = self.try_publish(token, message) {
            self.fail_request(token, failure);
        }
    }

    fn try_publish(&mut self, token: Token, message: Message) -> Result<(), Failure> {
        TopicName::parse(&message.topic).map_err(Failure::Topic)?;
        if let Some(control) = message.topic.chars().find(|c| c.is_control()) {
            return Err(Failure::ControlCharacter(control));
        }
        if !self.options.version.has_properties() && !message.properties.is_empty() {
            return Err(Failure::NeedsVersion5("a message property"));
        }
        if let State::Open(limits) = self.state {
            limits.admit(&message)?;
            if message.qos == QoS::AtMostOnce {
                self.encode_publish(&message, None, false, limits)?;
                self.outputs.push_back(Output::Published {
                    token,
                    answer: Answer::SUCCESS,
                });
                return Ok(());
            }
        } else if message.qos == QoS::AtMostOnce {
            return Err(Failure::NotConnected);
        }
        let sends_now = self.can_send_now();
        if sends_now.is_none() && self.backlog.len() >= self.options.backlog_messages_max {
            return Err(Failure::BacklogFull(self.backlog.len()));
        }
        self.keep_taken(token, &message)?;
        if let Some(limits) = sends_now {
            return self.send_first_time(token, message, limits);
        }
        self.backlog.push_back((token, message));
        Ok(())
    }

    /// Whether a new message at QoS 1 or 2 goes out at once (`MQTT-3.3.4-9`).
    pub(super) fn can_send_now(&self) -> Option<Limits> {
        match self.state {
            State::Open(limits)
                if self.backlog.is_empty()
                    && !self.window.is_resending()
                    && self.window.in_use() < limits.inflight_messages_max =>
            {
                Some(limits)
            }
            _ => None,
        }
    }

    /// Sends what the window has room for: first what an earlier connection left, then what waits.
    pub(super) fn pump(&mut self) {
        let State::Open(limits) = self.state else {
            return;
        };
        while self.window.in_use() < limits.inflight_messages_max && self.resend_one(limits) {}
        while !self.window.is_resending() && self.window.in_use() < limits.inflight_messages_max {
            let Some((token, message)) = self.backlog.pop_front() else {
                return;
            };
            let sent = limits
                .admit(&message)
                .and_then(|()| self.send_first_time(token, message, limits));
            if let Err(failure) = sent {
                self.fail_request(token, failure);
            }
        }
    }

    /// Sends the next message of an earlier connection again, in first-sent order
    /// (`MQTT-4.4.0-1`, `MQTT-4.6.0-1`), and says whether there was one.
    fn resend_one(&mut self, limits: Limits) -> bool {
        let Some(published) = self.window.next_resend() else {
            return false;
        };
        let message = published.message.clone();
        let packet_id = published.packet_id;
        let sent = limits
            .admit(&message)
            .and_then(|()| self.encode_publish(&message, Some(packet_id), true, limits));
        match sent {
            Ok(()) => self.window.resent(),
            Err(failure) => {
                if let Some(dropped) = self.window.drop_resend() {
                    self.packet_ids.free(dropped.packet_id);
                    self.fail_request(dropped.token, failure);
                }
            }
        }
        true
    }

    fn send_first_time(
        &mut self,
        token: Token,
        message: Message,
        limits: Limits,
    ) -> Result<(), Failure> {
        let packet_id = self.packet_ids.take().ok_or(Failure::NoPacketId)?;
        if let Err(failure) = self.encode_publish(&message, Some(packet_id), false, limits) {
            self.packet_ids.free(packet_id);
            return Err(failure);
        }
        self.keep_sent(token, packet_id);
        self.window.push(Published {
            packet_id,
            token,
            message,
        });
        Ok(())
    }

    fn encode_publish(
        &mut self,
        message: &Message,
        packet_id: Option<PacketId>,
        dup: bool,
        limits: Limits,
    ) -> Result<(), Failure> {
        let mut properties = std::mem::take(&mut self.properties);
        properties.clear();
        let naming = self.outgoing_aliases.name(&message.topic);
        let sent = put_properties(message, naming, &mut properties).and_then(|()| {
            let publish = Publish {
                dup,
                qos: message.qos,
                retain: message.retain,
                topic: match naming {
                    Naming::Alias(_) => "",
                    Naming::Introduce(_) | Naming::Topic => &message.topic,
                },
                packet_id,
                properties: properties.as_properties(),
                payload: &message.payload,
            };
            self.send_within(&Packet::Publish(publish), limits)
        });
        self.properties = properties;
        sent?;
        self.outgoing_aliases.sent(&message.topic, naming);
        Ok(())
    }

    /// Sends a packet with contents of the application, if the server takes its size.
    pub(super) fn send_within(
        &mut self,
        packet: &Packet<'_>,
        limits: Limits,
    ) -> Result<(), Failure> {
        let start = self.outgoing.len();
        let size = packet.encode(self.options.version, &mut self.outgoing)?;
        if let Err(failure) = limits.admit_size(size) {
            self.outgoing.truncate(start);
            return Err(failure);
        }
        self.timers.last_sent_millis = self.timers.now_millis;
        Ok(())
    }

    pub(super) fn subscribe(&mut self, token: Token, subscription: Subscription) {
        let recovers = self.options.recovers_lost_session;
        let asked = if recovers && !self.has_room_for(&subscription) {
            Err(Failure::TooManySubscriptions(self.subscriptions.len()))
        } else if recovers && !self.is_open() {
            self.subscriptions.put_due(Some(token), subscription);
            Ok(())
        } else {
            self.try_subscribe(Some(token), &subscription)
        };
        if let Err(failure) = asked {
            self.fail_request(token, failure);
        }
    }

    fn has_room_for(&self, subscription: &Subscription) -> bool {
        let asked = self.requests.values().map(|request| match &request.asked {
            Asked::Subscribe(subscription) => subscription.filters.len(),
            Asked::Unsubscribe(_) => 0,
        });
        let new = subscription
            .filters
            .iter()
            .filter(|(filter, _)| !self.subscriptions.has_granted(filter))
            .count();
        self.subscriptions.len() + asked.sum::<usize>() + new <= self.options.subscriptions_max
    }

    /// Asks for what was wanted without a connection, and for what the server has lost.
    pub(super) fn subscribe_to_due(&mut self) {
        for (token, subscription) in self.subscriptions.take_due() {
            let Err(failure) = self.try_subscribe(token, &subscription) else {
                continue;
            };
            match token {
                Some(token) => self.fail_request(token, failure),
                None => {
                    let filters = subscription.into_filter_names();
                    self.outputs
                        .push_back(Output::NotResubscribed { filters, failure });
                }
            }
        }
    }

    fn try_subscribe(
        &mut self,
        token: Option<Token>,
        subscription: &Subscription,
    ) -> Result<(), Failure> {
        let State::Open(limits) = self.state else {
            return Err(Failure::NotConnected);
        };
        if subscription.filters.is_empty() {
            return Err(Failure::NoFilters);
        }
        let has_version_5 = self.options.version.has_properties();
        let mut filters = Vec::new();
        for (filter, options) in &subscription.filters {
            limits.admit_filter(filter)?;
            if !has_version_5 && options.as_u8() != options.qos.as_u8() {
                return Err(Failure::NeedsVersion5(
                    "a subscription option other than the QoS",
                ));
            }
            SubscribeFilters::put(&mut filters, filter, *options)?;
        }
        let mut properties = PropertiesBuf::new();
        if let Some(identifier) = subscription.identifier {
            if !limits.subscription_identifiers_available {
                return Err(Failure::NotAvailable(
                    PropertyId::SubscriptionIdentifierAvailable,
                ));
            }
            properties.push(PropertyId::SubscriptionIdentifier, Value::U32(identifier))?;
        }
        put_user_properties(&subscription.user_properties, &mut properties)?;
        if !has_version_5 && !properties.as_properties().is_empty() {
            return Err(Failure::NeedsVersion5("a property of SUBSCRIBE"));
        }
        let filters = SubscribeFilters::from_bytes(&filters, self.options.version)
            .map_err(|_| Failure::NoFilters)?;
        let request = Request {
            token,
            asked: Asked::Subscribe(subscription.clone()),
        };
        self.send_request(request, limits, |packet_id| {
            let properties = properties.as_properties();
            Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters,
            })
        })
    }

    pub(super) fn unsubscribe(
        &mut self,
        token: Token,
        filters: &[String],
        user_properties: &[(String, String)],
    ) {
        if let Err(failure) = self.try_unsubscribe(token, filters, user_properties) {
            self.fail_request(token, failure);
        }
    }

    fn try_unsubscribe(
        &mut self,
        token: Token,
        filters: &[String],
        user_properties: &[(String, String)],
    ) -> Result<(), Failure> {
        let State::Open(limits) = self.state else {
            return Err(Failure::NotConnected);
        };
        if !self.options.version.has_properties() && !user_properties.is_empty() {
            return Err(Failure::NeedsVersion5("a property of UNSUBSCRIBE"));
        }
        let mut bytes = Vec::new();
        for filter in filters {
            TopicFilter::parse(filter).map_err(Failure::Topic)?;
            UnsubscribeFilters::put(&mut bytes, filter)?;
        }
        let mut properties = PropertiesBuf::new();
        put_user_properties(user_properties, &mut properties)?;
        let request = Request {
            token: Some(token),
            asked: Asked::Unsubscribe(filters.to_vec()),
        };
        self.subscriptions.forget(filters);
        let filters = UnsubscribeFilters::from_bytes(&bytes).map_err(|_| Failure::NoFilters)?;
        self.send_request(request, limits, |packet_id| {
            let properties = properties.as_properties();
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters,
            })
        })
    }

    fn send_request<'a>(
        &mut self,
        request: Request,
        limits: Limits,
        packet: impl FnOnce(PacketId) -> Packet<'a>,
    ) -> Result<(), Failure> {
        let packet_id = self.packet_ids.take().ok_or(Failure::NoPacketId)?;
        if let Err(failure) = self.send_within(&packet(packet_id), limits) {
            self.packet_ids.free(packet_id);
            return Err(failure);
        }
        self.requests.insert(packet_id, request);
        Ok(())
    }
}

fn put_properties(
    message: &Message,
    naming: Naming,
    out: &mut PropertiesBuf,
) -> Result<(), Failure> {
    match naming {
        Naming::Introduce(alias) | Naming::Alias(alias) => {
            out.push(PropertyId::TopicAlias, Value::U16(alias))?;
        }
        Naming::Topic => {}
    }
    Ok(message.properties.put(out)?)
}

impl Subscription {
    pub(super) fn into_filter_names(self) -> Vec<String> {
        self.filters.into_iter().map(|(filter, _)| filter).collect()
    }
}

impl Limits {
    fn admit_filter(&self, filter: &str) -> Result<(), Failure> {
        let parsed = TopicFilter::parse(filter).map_err(Failure::Topic)?;
        if parsed.share().is_some() && !self.shared_subscriptions_available {
            return Err(Failure::NotAvailable(
                PropertyId::SharedSubscriptionAvailable,
            ));
        }
        if parsed.has_wildcard() && !self.wildcards_available {
            return Err(Failure::NotAvailable(
                PropertyId::WildcardSubscriptionAvailable,
            ));
        }
        Ok(())
    }
}
