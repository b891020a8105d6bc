//! The end of connections and sessions, and the Wills that follow from it.

use std::sync::Arc;

use columba_codec::packet::Disconnect;
use columba_codec::{
    DecodeError, Fault, Packet, PacketType, PropertiesBuf, PropertyId, ReasonCode, Value,
};

use super::Shard;
use super::faults::Whose;
use super::handing::Handed;
use super::note::Subject;
use super::share::group_of;
use crate::access::{Action, Client};
use crate::connection::State;
use crate::event::{Effect, ReportEvent};
use crate::hash::hash_of;
use crate::id::ConnectionId;
use crate::mail::Letter;
use crate::message::{Message, MessageParts};
use crate::outcome::Outcome;
use crate::query::InflightStep;
use crate::recorder::{Facts, flag};
use crate::session::queue::Delivery;
use crate::session::{Identity, Session, Will};
use crate::shard::publish::expires_at_ms;
use crate::timer::Timer;

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
struct Cause<'a> {
    outcome: Outcome,
    detail: &'a str,
    /// The operator who ends it, if one does: recorded, and not told to the client.
    operator: &'a str,
}

impl<'a> Cause<'a> {
    const fn new(outcome: Outcome, detail: &'a str) -> Self {
        let operator = "";
        Self {
            outcome,
            detail,
            operator,
        }
    }
}

/// What becomes of the Will when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WillFate {
    /// The client said goodbye (`MQTT-3.14.4-3`).
    Discard,
    /// It is published, now or when its delay is over (`MQTT-3.1.2-8`).
    Publish,
}

impl Shard {
    /// Closes an open connection: tells the client why, if its version can, and sends no more.
    pub(super) fn close(
        &mut self,
        id: ConnectionId,
        outcome: Outcome,
        reason: ReasonCode,
        detail: &str,
    ) {
        self.close_for(id, Cause::new(outcome, detail), reason);
    }

    /// The same for an operator.
    pub(super) fn close_by_operator(&mut self, id: ConnectionId, detail: &str, operator: &str) {
        let outcome = Outcome::DisconnectAdmin;
        let cause = Cause {
            outcome,
            detail,
            operator,
        };
        self.close_for(id, cause, ReasonCode::AdministrativeAction);
    }

    fn close_for(&mut self, id: ConnectionId, cause: Cause<'_>, reason: ReasonCode) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        if connection.state != State::Open {
            return;
        }
        if connection.version.has_server_disconnect() {
            let mut properties = PropertiesBuf::new();
            if connection.wants_problem_information {
                let _ = properties.push(PropertyId::ReasonString, Value::String(cause.detail));
            }
            let properties = properties.as_properties();
            self.write_packet(id, &Packet::Disconnect(Disconnect { reason, properties }));
        }
        self.part(id, cause, WillFate::Publish);
    }

    /// An open connection is over for the reason given; its session goes on without it, or ends.
    pub(super) fn lose_connection(&mut self, id: ConnectionId, outcome: Outcome, detail: &str) {
        self.part(id, Cause::new(outcome, detail), WillFate::Publish);
    }

    /// The driver reports that an open connection is gone: there is nothing left to close.
    pub(super) fn connection_is_gone(&mut self, id: ConnectionId, outcome: Outcome, detail: &str) {
        self.leave_session(id, Cause::new(outcome, detail), WillFate::Publish);
    }

    fn part(&mut self, id: ConnectionId, cause: Cause<'_>, fate: WillFate) {
        if self.connection(id).is_some() {
            self.effects.push_back(Effect::Close { conn: id });
            self.leave_session(id, cause, fate);
        }
    }

    fn leave_session(&mut self, id: ConnectionId, cause: Cause<'_>, fate: WillFate) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let slot = connection.session;
        let Cause {
            outcome,
            detail,
            operator,
        } = cause;
        self.stats.count(outcome);
        let facts = Facts {
            by: operator,
            detail,
            ..Facts::default()
        };
        self.note_session(slot, outcome, facts);
        let event = ReportEvent::Disconnected {
            outcome,
            detail: detail.to_owned(),
        };
        self.report_connection(slot, event);
        if let Some(connection) = self.connection_mut(id) {
            connection.state = State::Closing;
            connection.session = u32::MAX;
            connection.aliases = None;
            connection.partial = Vec::new();
        }
        self.hurry_rival(slot);
        self.detach(slot, fate);
    }

    /// The session lost its connection.
    fn detach(&mut self, slot: u32, fate: WillFate) {
        let now_ms = self.now.mono_ms;
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        session.connection = None;
        session.since_ms = now_ms as i64;
        let is_persistent = session.is_persistent();
        let serial = session.me.serial;
        let discarded = match fate {
            WillFate::Discard => self.replace_will(slot, None),
            WillFate::Publish => None,
        };
        self.stats.clients_connected -= 1;
        if let Some(will) = discarded {
            self.stats.count(Outcome::WillDiscarded);
            self.note_will_of(slot, &will, Outcome::WillDiscarded);
        }
        if !is_persistent {
            return self.end_session(slot, Outcome::SessionEndedWithConnection);
        }
        if let Some(at_ms) = self.session(slot).and_then(Session::expires_at_ms) {
            self.set_connection_timer(at_ms, Timer::SessionExpiry { slot, serial });
        }
        self.save_session(slot);
        self.tell_groups(slot);
        self.give_back_all(slot);
        match self.session(slot).and_then(Session::will_due_at_ms) {
            None => {}
            Some(at_ms) if at_ms <= now_ms => self.publish_will_of(slot),
            Some(at_ms) => self.set_connection_timer(at_ms, Timer::WillDelay { slot, serial }),
        }
    }

    /// DISCONNECT from the client.
    pub(super) fn on_disconnect(
        &mut self,
        id: ConnectionId,
        slot: u32,
        disconnect: &Disconnect<'_>,
    ) {
        let asked = disconnect.properties.u32(PropertyId::SessionExpiryInterval);
        let limit = self.limits.session_expiry_secs_max;
        let expiry_secs = self.session(slot).map_or(0, |session| session.expiry_secs);
        if let Some(asked) = asked {
            // Where the broker keeps no session, 0 does not tell what CONNECT asked for.
            if expiry_secs == 0 && asked > 0 && limit > 0 {
                return self.close(
                    id,
                    Outcome::DisconnectProtocol,
                    ReasonCode::ProtocolError,
                    "a Session Expiry Interval of 0 in CONNECT cannot be raised by DISCONNECT",
                );
            }
            if let Some(session) = self.session_mut(slot) {
                session.expiry_secs = asked.min(limit);
            }
        }
        if disconnect.reason == ReasonCode::Success {
            let detail = "the client disconnected";
            let cause = Cause::new(Outcome::DisconnectByClient, detail);
            self.part(id, cause, WillFate::Discard);
        } else {
            let mut detail = format!("the client disconnected: {}", disconnect.reason);
            if let Some(text) = disconnect.properties.string(PropertyId::ReasonString) {
                detail = format!("{detail}, {text:?}");
            }
            let cause = Cause::new(Outcome::DisconnectWithWill, &detail);
            self.part(id, cause, WillFate::Publish);
        }
    }

    /// Bytes on an open connection that are no packet (`MQTT-4.13.1-1`).
    pub(super) fn on_undecodable(&mut self, id: ConnectionId, error: DecodeError) {
        let reason = error.reason();
        let outcome = match reason {
            ReasonCode::MalformedPacket => Outcome::DisconnectMalformed,
            _ => Outcome::DisconnectProtocol,
        };
        let detail = error.to_string();
        let lost = match (error.packet, error.fault) {
            (PacketType::Publish, Fault::TooLarge { .. }) => Some(Outcome::PublishTooLarge),
            (PacketType::Publish, Fault::Topic(_)) => Some(Outcome::PublishBadTopic),
            _ => None,
        };
        if let Some(lost) = lost {
            self.stats.count(lost);
            let slot = self.connection(id).map(|connection| connection.session);
            let facts = Facts {
                detail: &detail,
                ..Facts::default()
            };
            if let Some(slot) = slot {
                self.note_session_fault(slot, lost, facts);
            }
        }
        self.close(id, outcome, reason, &detail);
    }

    pub(super) fn on_keep_alive(&mut self, id: ConnectionId) {
        let now_ms = self.now.mono_ms;
        let Some(connection) = self.connection(id) else {
            return;
        };
        if connection.state != State::Open || connection.keep_alive_secs == 0 {
            return;
        }
        let silence_max_ms = connection.silence_max_ms();
        let mut deadline_ms = connection.last_received_ms + silence_max_ms;
        if connection.is_input_held {
            // Who waits for the broker is not silent.
            deadline_ms = now_ms + silence_max_ms;
        }
        if deadline_ms > now_ms {
            let timer = Timer::KeepAlive {
                index: id.index,
                generation: id.generation,
            };
            return self.set_connection_timer(deadline_ms, timer);
        }
        // MQTT-3.1.2-22
        let silence_secs = silence_max_ms / 1000;
        let detail = format!("nothing came for {silence_secs} s, 1.5 times the keep alive");
        self.close(
            id,
            Outcome::DisconnectKeepAlive,
            ReasonCode::KeepAliveTimeout,
            &detail,
        );
    }

    /// The client came back on another connection (`MQTT-3.1.4-3`).
    pub(super) fn take_over(&mut self, slot: u32, by: ConnectionId) {
        let Some(old) = self.session(slot).and_then(|session| session.connection) else {
            return;
        };
        let by = self
            .connection(by)
            .map(|connection| connection.peer.to_string());
        let detail = format!(
            "taken over by {}",
            by.as_deref().unwrap_or("another connection")
        );
        if let Some(client_id) = self.session(slot).map(|of| Arc::clone(&of.client_id)) {
            self.count_takeover(&client_id);
        }
        self.close(
            old,
            Outcome::DisconnectTakenOver,
            ReasonCode::SessionTakenOver,
            &detail,
        );
    }

    pub(super) fn on_session_expiry(&mut self, slot: u32, serial: u32) {
        let now_ms = self.now.mono_ms;
        let Some(session) = self.session(slot) else {
            return;
        };
        let is_due = session.me.serial == serial
            && session.expires_at_ms().is_some_and(|at_ms| at_ms <= now_ms);
        if is_due {
            self.end_session(slot, Outcome::SessionExpired);
        }
    }

    pub(super) fn on_will_delay(&mut self, slot: u32, serial: u32) {
        let now_ms = self.now.mono_ms;
        let Some(session) = self.session(slot) else {
            return;
        };
        let is_due = session.me.serial == serial
            && session
                .will_due_at_ms()
                .is_some_and(|at_ms| at_ms <= now_ms);
        if is_due {
            self.publish_will_of(slot);
        }
    }

    /// Ends a session that has no connection: everything in it is settled, and a Will that waits
    /// is published (`MQTT-3.1.2-8`).
    pub(super) fn end_session(&mut self, slot: u32, outcome: Outcome) {
        self.end_session_by(slot, outcome, "");
    }

    fn end_session_by(&mut self, slot: u32, outcome: Outcome, operator: &str) {
        self.stats.count(outcome);
        if let Some(session) = self.session(slot) {
            let subscriptions = session.subscriptions.as_ref();
            let ended = subscriptions.map_or(0, |map| map.len());
            self.note_session_end(slot, ended, outcome, operator);
        }
        self.dissolve(slot);
    }

    /// The same without a reason.
    pub(super) fn dissolve(&mut self, slot: u32) {
        let subscriptions = self.session_mut(slot).and_then(|s| s.subscriptions.take());
        // While they are removed none of its own moves: a session is in a filter's list once.
        for (filter_id, position) in subscriptions.into_iter().flat_map(|map| *map) {
            self.remove_subscription(filter_id, position);
        }
        let will = self.replace_will(slot, None);
        let Some(mut session) = self.sessions.try_remove(slot as usize) else {
            return;
        };
        self.stats.subscription_bytes -= u64::from(session.subscription_bytes);
        if let Ok(entry) = self
            .by_client
            .find_entry(session.hash, |other| *other == slot)
        {
            entry.remove();
        }
        self.stats.sessions -= 1;
        let copies = self.settle_ended(&mut session);
        self.leave_behind(&mut session, &copies);
        self.forget_session(&mut session);
        self.hand_on(session.me, copies);
        if let Some(will) = will {
            self.publish_will(&session.client_id, &session.identity, session.addr, *will);
        }
    }

    /// Settles the copies of a session that has ended, but for those that came by a shared group and
    /// go to its other members.
    fn settle_ended(&mut self, session: &mut Session) -> Vec<Handed> {
        for membership in session.memberships.iter() {
            self.stats.subscriptions -= 1;
            self.stats.shared_subscriptions -= 1;
            let letter = Letter::Leave {
                group: group_of(membership),
                session: session.me,
            };
            self.post(membership.owner, letter);
        }
        let mut handed = Vec::new();
        if let Some(mut window) = session.window.take() {
            self.stats.inflight_messages -= window.len() as u64;
            for left in window.take_left() {
                session.memberships.put(left, self.hashing);
            }
            for (mut delivery, step) in window.drain() {
                let was_sent = match step {
                    InflightStep::Held => false,
                    InflightStep::Sent => true,
                    InflightStep::Released => {
                        self.take_back(&mut delivery);
                        self.settle_received(session, &delivery);
                        continue;
                    }
                };
                handed.extend(self.settle_orphan(session, delivery, was_sent));
            }
        }
        if let Some(mut queue) = session.queue.take() {
            self.stats.queued_messages -= queue.len() as u64;
            self.stats.queued_bytes -= queue.bytes() as u64;
            while let Some(delivery) = queue.pop() {
                handed.extend(self.settle_orphan(session, delivery, false));
            }
        }
        handed
    }

    /// The client has the message, as its PUBREC has said; what was left of the exchange goes with the
    /// session.
    fn settle_received(&mut self, session: &Session, delivery: &Delivery) {
        let outcome = Outcome::DeliverAcked;
        self.stats.count(outcome);
        self.note_received_copy(&session.client_id, Subject::from(delivery.message()));
        self.settle_copy(delivery);
    }

    /// The client has not got the message. Gives it back if somebody else may have it.
    fn settle_orphan(
        &mut self,
        session: &Session,
        mut delivery: Delivery,
        was_sent: bool,
    ) -> Option<Handed> {
        let membership = session.membership(delivery.membership);
        if let Some(membership) = membership.filter(|_| delivery.may_go_to_others(was_sent)) {
            return Some(Handed {
                delivery,
                owner: membership.owner,
                group: group_of(membership),
            });
        }
        self.take_back(&mut delivery);
        self.stats.count(Outcome::DeliverSessionEnded);
        let client = (&*session.client_id, session.hash);
        self.note_lost_with_session(client, Subject::from(delivery.message()), was_sent);
        self.settle_copy(&delivery);
        None
    }

    /// Puts a Will in place of a session's present one, and gives that back.
    pub(super) fn replace_will(&mut self, slot: u32, will: Option<Box<Will>>) -> Option<Box<Will>> {
        let session = self.session_mut(slot)?;
        let size = |will: &Option<Box<Will>>| will.as_ref().map_or(0, |will| will.size_bytes());
        let new = size(&will);
        let old = std::mem::replace(&mut session.will, will);
        self.stats.will_bytes = self.stats.will_bytes + new as u64 - size(&old) as u64;
        old
    }

    fn publish_will_of(&mut self, slot: u32) {
        let Some(will) = self.replace_will(slot, None) else {
            return;
        };
        let Some(session) = self.session(slot) else {
            return;
        };
        let client_id = Arc::clone(&session.client_id);
        let identity = Arc::clone(&session.identity);
        let addr = session.addr;
        self.save_session(slot);
        self.publish_will(&client_id, &identity, addr, *will);
    }

    fn publish_will(
        &mut self,
        client_id: &Arc<str>,
        identity: &Identity,
        addr: Option<std::net::IpAddr>,
        will: Will,
    ) {
        let topic = will.message.topic();
        let client = Client {
            client_id,
            user: identity.user.as_deref(),
            groups: &identity.groups,
            addr,
        };
        let decision = self.access.decide(&client, Action::Publish, topic);
        self.count_decision(Action::Publish, decision);
        let withheld = match self.topic_fault(topic) {
            Some(fault) => Some((Outcome::PublishBadTopic, fault)),
            None if decision.is_allowed => None,
            None => Some((Outcome::PublishDeniedAcl, self.explain(decision))),
        };
        if let Some((outcome, why)) = withheld {
            return self.withhold_will(client_id, topic, outcome, &why);
        }
        self.stats.count(Outcome::WillPublished);
        self.note_will(client_id, &will, Outcome::WillPublished);
        let topic_hash = hash_of(&self.hashing, topic);
        // Its lifetime starts now.
        let parts = MessageParts {
            topic,
            properties: &[will.message.properties()],
            payload: will.message.payload(),
            qos: will.message.head().qos,
            retain: will.message.head().retain,
            expires_at_ms: expires_at_ms(will.expiry_secs, self.now.mono_ms),
            publisher: will.message.head().publisher,
            number: self.recorder.follow(self.now, topic, topic_hash),
        };
        let message = Message::new(parts);
        let filters = self.publish_message(&message, self.slot_of(client_id));
        self.conclude_publication(
            (client_id, None),
            (&parts, topic_hash),
            filters,
            (flag::IS_WILL, 0),
        );
    }

    /// The Will of a session may not be published any more, whoever asks.
    pub(super) fn withhold_will_of(&mut self, slot: u32, why: &str) {
        let Some(will) = self.replace_will(slot, None) else {
            return;
        };
        let Some(session) = self.session(slot) else {
            return;
        };
        let client_id = Arc::clone(&session.client_id);
        let topic = will.message.topic();
        self.save_session(slot);
        self.withhold_will(&client_id, topic, Outcome::PublishDeniedAcl, why);
    }

    fn withhold_will(&mut self, client_id: &Arc<str>, topic: &str, outcome: Outcome, why: &str) {
        self.stats.count(outcome);
        let detail = format!("the Will was not published: {why}");
        let facts = Facts {
            client: client_id,
            topic,
            detail: &detail,
            flags: flag::IS_WILL,
            ..Facts::default()
        };
        let hash = hash_of(&self.hashing, &**client_id);
        let topic_hash = hash_of(&self.hashing, topic);
        self.recorder
            .note_fault(self.now, outcome, hash, topic_hash, &facts);
        if self.may_report(Whose::client(hash, client_id)) {
            let event = ReportEvent::Withheld {
                outcome,
                topic: topic.to_owned(),
                detail,
            };
            self.report(Some(Arc::clone(client_id)), None, event);
        }
    }

    /// Returns whether there was such a session.
    pub(super) fn on_admin_disconnect(
        &mut self,
        client_id: &str,
        end_session: bool,
        operator: &str,
    ) -> bool {
        let Some(slot) = self.slot_of(client_id) else {
            return false;
        };
        let id = self.session(slot).and_then(|session| session.connection);
        if let Some(id) = id {
            self.close_by_operator(id, "closed by an operator", operator);
        }
        // The session may have ended with its connection.
        if end_session && let Some(slot) = self.slot_of(client_id) {
            self.end_session_by(slot, Outcome::SessionEndedByAdmin, operator);
        }
        true
    }

    /// First step of a shutdown: nobody comes in any more, and every Will is published while
    /// others can still receive it.
    pub(super) fn on_publish_wills(&mut self) {
        self.is_stopping = true;
        self.note_broker(Outcome::BrokerStopping, "");
        let slots: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.will.is_some())
            .map(|(slot, _)| slot as u32)
            .collect();
        for slot in slots {
            self.publish_will_of(slot);
        }
    }

    /// Second step: everybody is told and let go.
    pub(super) fn on_shutdown(&mut self) {
        self.is_stopping = true;
        // What was acknowledged just now is not to come again after the restart.
        self.kept.save(&mut self.journal, u64::MAX, true);
        let open: Vec<(ConnectionId, State)> = self
            .connections
            .iter()
            .zip(0..)
            .filter_map(|(connection, index)| {
                let connection = connection.as_ref()?;
                let generation = connection.generation;
                Some((ConnectionId { index, generation }, connection.state))
            })
            .collect();
        for (id, state) in open {
            match state {
                State::Open => self.close(
                    id,
                    Outcome::DisconnectShuttingDown,
                    ReasonCode::ServerShuttingDown,
                    "the broker is shutting down",
                ),
                State::AwaitConnect | State::Authenticating => {
                    if let Some(connection) = self.connection_mut(id) {
                        connection.state = State::Closing;
                    }
                    self.stats.count(Outcome::ConnectShuttingDown);
                    self.effects.push_back(Effect::Close { conn: id });
                }
                State::Closing => {}
            }
        }
    }
}
