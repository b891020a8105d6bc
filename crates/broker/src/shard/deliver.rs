//! One copy of a message for one subscriber: sent, queued, or dropped with a reason.

use columba_codec::encode::TemplateParts;
use columba_codec::wire::put_varint;
use columba_codec::{PacketId, PacketType, PropertyId, QoS};

use super::Shard;
use super::exchange::{Also, Then};
use super::note::{Sent, Subject};
use super::publish::{Publication, parts_of};
use crate::access::Action;
use crate::connection::{Connection, State};
use crate::event::ReportEvent;
use crate::id::ConnectionId;
use crate::message::{Message, MessageParts, NEVER_MS};
use crate::outcome::Outcome;
use crate::output::SHARED_PAYLOAD_BYTES_MIN;
use crate::recorder::flag;
use crate::routing::Subscriber;
use crate::session::Session;
use crate::session::alias::Outgoing;
use crate::session::queue::{Delivery, Identifiers, Queue, QueueLimits};
use crate::session::window::{Resend, Window};
use crate::stats::Stats;

/// A session that gets a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) session: u32,
    /// Granted QoS.
    pub(super) qos: QoS,
    pub(super) retain_as_published: bool,
    /// First of its Subscription Identifiers in the list of links.
    pub(super) identifiers: u32,
}

impl From<Subscriber> for Target {
    fn from(subscriber: Subscriber) -> Self {
        Self {
            session: subscriber.session,
            qos: subscriber.qos,
            retain_as_published: subscriber.retain_as_published,
            identifiers: u32::MAX,
        }
    }
}

/// A PUBLISH that is encoded but for what differs from connection to connection.
#[derive(Clone, Copy, Debug)]
struct Prepared {
    template: usize,
    /// The alias that this packet sets.
    new_alias: Option<u16>,
    is_payload_shared: bool,
}

/// How a PUBLISH goes out on one connection.
#[derive(Clone, Copy, Debug)]
struct Flags {
    dup: bool,
    qos: QoS,
    retain: bool,
    packet_id: Option<PacketId>,
}

/// The template that is made anew for each use.
const OWN_TEMPLATE: usize = 4;

impl Shard {
    /// Makes a copy for a subscriber. The copy ends here as sent or dropped, or waits in the
    /// session.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        publication: &mut Publication<'_>,
        target: Target,
        identifiers: &[u32],
    ) {
        let slot = target.session;
        let qos = publication.parts.qos.min(target.qos);
        if self.is_before_subscription(slot, qos) {
            return;
        }
        self.stats.copies += 1;
        if self.access.has_receive_rules()
            && !self
                .judge(slot, Action::Receive, publication.parts.topic)
                .is_allowed
        {
            let subject = Subject::from(&publication.parts);
            return self.drop_copy(slot, Outcome::DeliverDeniedRead, subject);
        }
        let retain = publication.parts.retain && target.retain_as_published;
        let has_replays = |session: &Session| session.replays.is_some();
        if self.session(slot).is_some_and(has_replays) {
            self.replay_before(slot, publication.parts.topic, publication.parts.retain);
        }
        if qos == QoS::AtMostOnce && self.session(slot).is_some_and(takes_at_most_once) {
            return self.send_at_most_once(publication, slot, retain, identifiers);
        }
        let delivery = |publication: &mut Publication<'_>| Delivery {
            identifiers: Identifiers::from_slice(identifiers),
            ..Delivery::new(publication.message().clone(), qos, retain)
        };
        if qos == QoS::AtMostOnce {
            return self.wait_or_drop_at_most_once(slot, delivery(publication));
        }
        match self.room_of(slot) {
            Room::Now(id) => {
                let mut delivery = delivery(publication);
                self.keep(slot, &mut delivery);
                if self.must_hold(slot, &delivery) {
                    return self.hold(slot, delivery);
                }
                self.send_reliably(id, slot, delivery, Some(publication));
            }
            Room::Later(outcome) => {
                let mut delivery = delivery(publication);
                self.keep(slot, &mut delivery);
                self.enqueue(slot, delivery, outcome);
            }
        }
    }

    /// A copy of a retained message, or by way of a shared group of another shard.
    pub(super) fn deliver_kept(&mut self, slot: u32, delivery: Delivery) {
        if self.durable_number(slot).is_none() {
            return self.deliver_part(slot, delivery);
        }
        let outer = self.open_keeping(None);
        self.deliver_part(slot, delivery);
        self.close_keeping(outer, Also::Nothing, Then::Nothing);
    }

    /// A copy of the message that is being routed.
    pub(super) fn deliver_part(&mut self, slot: u32, delivery: Delivery) {
        self.stats.copies += 1;
        if self.access.has_receive_rules() {
            let topic = delivery.message().topic();
            if !self.judge(slot, Action::Receive, topic).is_allowed {
                let message = delivery.message().clone();
                return self.drop_delivery_of(
                    slot,
                    &delivery,
                    Outcome::DeliverDeniedRead,
                    &message,
                );
            }
        }
        self.place(slot, delivery);
    }

    /// Sends a delivery or lets it wait.
    fn place(&mut self, slot: u32, mut delivery: Delivery) {
        self.keep(slot, &mut delivery);
        match (delivery.qos, self.room_of(slot)) {
            (QoS::AtMostOnce, Room::Now(_)) => self.send_kept_at_most_once(slot, &delivery),
            (QoS::AtMostOnce, Room::Later(_)) => {
                if self.session(slot).is_some_and(takes_at_most_once) {
                    self.send_kept_at_most_once(slot, &delivery);
                } else {
                    self.wait_or_drop_at_most_once(slot, delivery);
                }
            }
            (_, Room::Now(_)) if self.must_hold(slot, &delivery) => self.hold(slot, delivery),
            (_, Room::Now(id)) => self.send_reliably(id, slot, delivery, None),
            (_, Room::Later(outcome)) => self.enqueue(slot, delivery, outcome),
        }
    }

    fn send_at_most_once(
        &mut self,
        publication: &mut Publication<'_>,
        slot: u32,
        retain: bool,
        identifiers: &[u32],
    ) {
        let topic = publication.parts.topic;
        let Some(id) = self.session(slot).and_then(|session| session.connection) else {
            return;
        };
        let is_full = self
            .connection(id)
            .is_none_or(|connection| connection.output_len() >= self.limits.output_bytes_max);
        if is_full {
            self.wait_for_output(id);
            let subject = Subject::from(&publication.parts);
            return self.drop_copy(slot, Outcome::DeliverSocketCongested, subject);
        }
        match self.prepare(id, &publication.parts, identifiers, false, true) {
            Some(prepared) => {
                let flags = Flags {
                    dup: false,
                    qos: QoS::AtMostOnce,
                    retain,
                    packet_id: None,
                };
                let message = prepared
                    .is_payload_shared
                    .then(|| publication.message().clone());
                let payload_len = publication.parts.payload.len();
                self.write_publish(id, prepared, flags, topic, payload_len, message);
                self.stats.count(Outcome::DeliverSent);
                let subject = Subject::from(&publication.parts);
                self.note_sent_at_most_once(slot, subject, 0, retain);
            }
            None => {
                let subject = Subject::from(&publication.parts);
                self.drop_copy(slot, Outcome::DeliverTooLarge, subject);
            }
        }
    }

    pub(super) fn send_kept_at_most_once(&mut self, slot: u32, delivery: &Delivery) {
        let message = delivery.message().clone();
        let properties = [message.properties()];
        let parts = parts_of(&message, &properties);
        let Some(id) = self.session(slot).and_then(|session| session.connection) else {
            return;
        };
        let is_full = self
            .connection(id)
            .is_none_or(|connection| connection.output_len() >= self.limits.output_bytes_max);
        if is_full {
            self.wait_for_output(id);
            let outcome = Outcome::DeliverSocketCongested;
            return self.drop_delivery_of(slot, delivery, outcome, &message);
        }
        let identifiers = delivery.identifiers.as_slice();
        match self.prepare(id, &parts, identifiers, false, false) {
            Some(prepared) => {
                let retain = delivery.retain;
                let flags = Flags {
                    dup: false,
                    qos: QoS::AtMostOnce,
                    retain,
                    packet_id: None,
                };
                let shared = prepared.is_payload_shared.then(|| message.clone());
                let payload_len = parts.payload.len();
                self.write_publish(id, prepared, flags, parts.topic, payload_len, shared);
                self.stats.count(Outcome::DeliverSent);
                let subject = Subject::from(&message);
                self.note_sent_at_most_once(slot, subject, delivery.membership, retain);
                self.settle(slot, delivery);
            }
            None => self.drop_delivery_of(slot, delivery, Outcome::DeliverTooLarge, &message),
        }
    }

    fn wait_or_drop_at_most_once(&mut self, slot: u32, delivery: Delivery) {
        if self.session(slot).is_some_and(Session::is_online) {
            return self.enqueue(slot, delivery, Outcome::DeliverInflightFull);
        }
        if self.limits.queue_qos0 {
            return self.enqueue(slot, delivery, Outcome::DeliverOffline);
        }
        let message = delivery.message().clone();
        self.drop_delivery_of(slot, &delivery, Outcome::DeliverQos0Offline, &message);
    }

    /// Sends a QoS 1 or 2 message for the first time. The caller has seen that there is room.
    pub(super) fn send_reliably(
        &mut self,
        id: ConnectionId,
        slot: u32,
        delivery: Delivery,
        publication: Option<&Publication<'_>>,
    ) {
        let properties = [delivery.message().properties()];
        let parts = match publication {
            Some(publication) => publication.parts,
            None => parts_of(delivery.message(), &properties),
        };
        let is_fan_out = publication.is_some();
        let identifiers = delivery.identifiers.as_slice();
        let Some(prepared) = self.prepare(id, &parts, identifiers, true, is_fan_out) else {
            // MQTT-3.1.2-25: as if it were delivered.
            let message = delivery.message().clone();
            return self.drop_delivery_of(slot, &delivery, Outcome::DeliverTooLarge, &message);
        };
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let window = session
            .window
            .get_or_insert_with(|| Box::new(Window::default()));
        let flags = Flags {
            dup: false,
            qos: delivery.qos,
            retain: delivery.retain,
            packet_id: Some(window.next_id()),
        };
        let shared = prepared
            .is_payload_shared
            .then(|| delivery.message().clone());
        let payload_len = parts.payload.len();
        self.write_publish(id, prepared, flags, parts.topic, payload_len, shared);
        self.stats.count(Outcome::DeliverInFlight);
        let how = Sent {
            qos: delivery.qos,
            packet_id: flags.packet_id,
            membership: delivery.membership,
            flags: if delivery.retain { flag::RETAIN } else { 0 },
        };
        let subject = Subject::from(&parts);
        self.note_sent(slot, subject, Outcome::DeliverInFlight, how);
        if let Some(window) = self.session_mut(slot).and_then(|of| of.window.as_mut()) {
            window.push(delivery);
            self.stats.inflight_messages += 1;
        }
    }

    /// Whether a QoS 1 or 2 message can go out now.
    fn room_of(&self, slot: u32) -> Room {
        let Some(session) = self.session(slot) else {
            return Room::Later(Outcome::DeliverOffline);
        };
        let Some(id) = session.connection else {
            return Room::Later(Outcome::DeliverOffline);
        };
        let Some(connection) = self.connection(id) else {
            return Room::Later(Outcome::DeliverOffline);
        };
        if connection.output_len() >= self.limits.output_bytes_max {
            return Room::Later(Outcome::DeliverSocketFull);
        }
        let has_waiting = session
            .queue
            .as_ref()
            .is_some_and(|queue| !queue.is_empty());
        let has_room = session.window.as_ref().is_none_or(|window| {
            window.has_room(connection.receive_maximum, self.limits.inflight_bytes_max)
        });
        if has_waiting || !has_room {
            return Room::Later(Outcome::DeliverInflightFull);
        }
        Room::Now(id)
    }

    fn enqueue(&mut self, slot: u32, mut delivery: Delivery, outcome: Outcome) {
        self.stats.count(outcome);
        if outcome == Outcome::DeliverSocketFull
            && let Some(id) = self.session(slot).and_then(|session| session.connection)
        {
            self.wait_for_output(id);
        }
        let before = self
            .session(slot)
            .and_then(|session| session.queue.as_ref())
            .map_or(0, |queue| queue.len() as u64);
        if before == 0 || delivery.message().head().number != 0 {
            let subject = Subject::from(delivery.message());
            self.note_waiting(slot, subject, delivery.qos, outcome, before);
        }
        self.lean(slot, &mut delivery);
        let limits = QueueLimits {
            messages_max: self.limits.queue_messages_max,
            bytes_max: self.limits.queue_bytes_max,
            policy: self.limits.queue_policy,
        };
        let Some(session) = self.session_mut(slot) else {
            return self.stats.count(Outcome::DeliverSessionEnded);
        };
        let queue = session
            .queue
            .get_or_insert_with(|| Box::new(Queue::default()));
        let before = (queue.len() as u64, queue.bytes() as u64);
        let mut dropped = Vec::new();
        queue.push(delivery, limits, |gone| dropped.push(gone));
        let after = (queue.len() as u64, queue.bytes() as u64);
        self.stats.queued_messages = self.stats.queued_messages + after.0 - before.0;
        self.stats.queued_bytes = self.stats.queued_bytes + after.1 - before.1;
        for mut gone in dropped {
            self.take_back(&mut gone);
            let message = gone.message().clone();
            self.drop_delivery_of(slot, &gone, Outcome::DeliverQueueFull, &message);
        }
    }

    pub(super) fn pop_queue(&mut self, slot: u32) -> Option<Delivery> {
        let session = self.session_mut(slot)?;
        let queue = session.queue.as_mut()?;
        let mut delivery = queue.pop()?;
        self.stats.queued_messages -= 1;
        self.stats.queued_bytes -= delivery.size_bytes() as u64;
        self.take_back(&mut delivery);
        Some(delivery)
    }

    /// Sends what waits for a client, as far as it takes it: first what is to be sent again, then
    /// the queue, then retained messages.
    pub(super) fn pump(&mut self, slot: u32) {
        let Some(session) = self.session(slot) else {
            return;
        };
        let Some(id) = session.connection else { return };
        if session.window.is_some() {
            self.pump_resend(id, slot);
        }
        let is_read_needed = self.pump_queue(slot);
        if self.kept.has_out() {
            self.read_ahead(slot, is_read_needed);
        }
        let has_replays = self
            .session(slot)
            .is_some_and(|session| session.replays.is_some());
        if has_replays {
            self.pump_replays(slot);
        }
        self.free_queue(slot);
    }

    /// While messages are on their way the queue is about to be used again and is kept; when the
    /// last one is settled its memory goes.
    fn free_queue(&mut self, slot: u32) {
        if let Some(session) = self.session_mut(slot)
            && session.queue.as_ref().is_some_and(|queue| queue.is_empty())
            && session.window.as_ref().is_none_or(|of| of.len() == 0)
        {
            session.queue = None;
        }
    }

    fn pump_resend(&mut self, id: ConnectionId, slot: u32) {
        loop {
            let Some(connection) = self.connection(id) else {
                return;
            };
            let receive_maximum = connection.receive_maximum;
            if connection.output_len() >= self.limits.output_bytes_max {
                return self.wait_for_output(id);
            }
            match self.resend_next(slot, receive_maximum) {
                None => return,
                Some(Resend::Wait) => return self.wait_for_store(slot),
                Some(Resend::Read) => return self.read_window(slot),
                Some(Resend::PubRel(packet_id)) => {
                    self.write_success(id, PacketType::PubRel, packet_id);
                }
                Some(Resend::Publish(packet_id, mut delivery)) => {
                    self.take_back_sent(slot, packet_id, &mut delivery);
                    self.resend(id, slot, packet_id, &delivery, true);
                }
                Some(Resend::First(packet_id, mut delivery)) => {
                    self.take_back_sent(slot, packet_id, &mut delivery);
                    self.forget_mark(slot, packet_id, &delivery);
                    if delivery.message().is_expired(self.now.mono_ms) {
                        self.drop_held(slot, packet_id);
                        continue;
                    }
                    self.resend(id, slot, packet_id, &delivery, false);
                }
            }
        }
    }

    /// What was held back has expired before it could be sent (`MQTT-3.3.2-5`).
    fn drop_held(&mut self, slot: u32, packet_id: PacketId) {
        let window = self.session_mut(slot).and_then(|of| of.window.as_mut());
        if let Some(delivery) = window.and_then(|window| window.lose(packet_id).ok()) {
            self.stats.inflight_messages -= 1;
            let message = delivery.message().clone();
            self.drop_delivery_of(slot, &delivery, Outcome::DeliverExpired, &message);
        }
    }

    fn resend_next(&mut self, slot: u32, receive_maximum: u16) -> Option<Resend> {
        let Self {
            sessions,
            journal,
            kept,
            ..
        } = self;
        let window = sessions.get_mut(slot as usize)?.window.as_mut()?;
        let is_stored = |delivery: &Delivery| {
            let record = match (delivery.exchange, delivery.kept) {
                _ if delivery.qos != QoS::ExactlyOnce => return true,
                (Some(exchange), _) => Some(exchange),
                (None, Some(of)) => kept.record(of.message),
                (None, None) => return true,
            };
            record.is_some_and(|record| journal.is_durable(record))
        };
        window.resend_next(receive_maximum, is_stored, |delivery| kept.has(delivery))
    }

    fn resend(
        &mut self,
        id: ConnectionId,
        slot: u32,
        packet_id: PacketId,
        delivery: &Delivery,
        dup: bool,
    ) {
        let message = delivery.message().clone();
        let properties = [message.properties()];
        let parts = parts_of(&message, &properties);
        let identifiers = delivery.identifiers.as_slice();
        let Some(prepared) = self.prepare(id, &parts, identifiers, true, false) else {
            // The client takes smaller packets than on its last connection.
            let settled = self
                .session_mut(slot)
                .and_then(|session| session.window.as_mut());
            let settled = settled.map(|window| match delivery.qos {
                QoS::ExactlyOnce => window.refuse(packet_id),
                QoS::AtLeastOnce | QoS::AtMostOnce => window.acknowledge(packet_id),
            });
            if settled.is_some_and(|settled| settled.is_ok()) {
                self.stats.inflight_messages -= 1;
                self.drop_delivery_of(slot, delivery, Outcome::DeliverTooLarge, &message);
            }
            return;
        };
        let packet_id = Some(packet_id);
        let flags = Flags {
            dup,
            qos: delivery.qos,
            retain: delivery.retain,
            packet_id,
        };
        let shared = prepared.is_payload_shared.then(|| message.clone());
        self.write_publish(
            id,
            prepared,
            flags,
            parts.topic,
            parts.payload.len(),
            shared,
        );
        let how = Sent {
            qos: delivery.qos,
            packet_id,
            membership: delivery.membership,
            flags: if dup { flag::AGAIN } else { 0 },
        };
        let subject = Subject::from(&message);
        self.note_sent(slot, subject, Outcome::DeliverInFlight, how);
    }

    /// Has [`Self::pump`] called again when the driver has sent enough.
    pub(super) fn wait_for_output(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id)
            && !connection.is_output_full
        {
            connection.is_output_full = true;
            self.stats.connections_stalled += 1;
        }
    }

    /// Counts a copy as dropped, and says so.
    pub(super) fn drop_copy(&mut self, slot: u32, outcome: Outcome, subject: Subject<'_>) {
        let topic = subject.topic;
        self.stats.count(outcome);
        // What the client asked for, or what its own choices mean, is no news.
        let is_expected = matches!(
            outcome,
            Outcome::DeliverNoLocal | Outcome::DeliverQos0Offline | Outcome::DeliverSessionEnded
        );
        let may_report = !is_expected && self.may_report_of(slot);
        // Another denial may be by another rule: only its words tell.
        let is_counted =
            outcome != Outcome::DeliverDeniedRead && self.count_lost(slot, topic, outcome);
        if is_counted && !may_report && !subject.is_followed() {
            return;
        }
        let detail = self.detail_of_drop(slot, outcome, topic);
        if is_counted {
            self.note_copy(slot, subject, outcome, &detail);
        } else {
            self.note_lost_by(slot, subject, outcome, &detail);
        }
        if may_report {
            let topic = topic.to_owned();
            self.report_session(
                slot,
                ReportEvent::Withheld {
                    outcome,
                    topic,
                    detail,
                },
            );
        }
    }

    /// The facts behind a dropped copy, for people.
    fn detail_of_drop(&self, slot: u32, outcome: Outcome, topic: &str) -> String {
        let connection = self.connection_of(slot);
        match outcome {
            Outcome::DeliverDeniedRead => self.explain(self.decide(slot, Action::Receive, topic)),
            Outcome::DeliverQueueFull => format!(
                "the client's queue is at its limit of {} messages or {} bytes",
                self.limits.queue_messages_max, self.limits.queue_bytes_max
            ),
            Outcome::DeliverTooLarge => {
                let limit = connection.map_or(0, |connection| connection.packet_bytes_max_out);
                format!("larger than the client's Maximum Packet Size of {limit} bytes")
            }
            Outcome::DeliverSocketCongested => {
                let waiting = connection.map_or(0, Connection::output_len);
                format!("{waiting} bytes wait already for the client to read them")
            }
            Outcome::DeliverExpired => {
                "its Message Expiry Interval passed while it waited".to_owned()
            }
            _ => String::new(),
        }
    }

    /// Drops a copy that was kept; its shared group learns that it is off the member's hands.
    pub(super) fn drop_delivery_of(
        &mut self,
        slot: u32,
        delivery: &Delivery,
        outcome: Outcome,
        message: &Message,
    ) {
        self.drop_copy(slot, outcome, Subject::from(message));
        self.settle(slot, delivery);
    }

    /// Encodes a PUBLISH for a connection. `None`: larger than the client takes.
    ///
    /// In a fan-out the copies for connections of one kind share a template.
    fn prepare(
        &mut self,
        id: ConnectionId,
        parts: &MessageParts<'_>,
        identifiers: &[u32],
        has_packet_id: bool,
        is_fan_out: bool,
    ) -> Option<Prepared> {
        let Self {
            connections,
            scratch,
            now,
            ..
        } = self;
        let super::Scratch {
            templates,
            is_made,
            properties,
            ..
        } = scratch;
        let connection = connections.get(id.index as usize)?.as_ref()?;
        let version = connection.version;
        let is_v5 = version.has_properties();
        let is_payload_shared = parts.payload.len() >= SHARED_PAYLOAD_BYTES_MIN;
        let aliases = connection
            .aliases
            .as_ref()
            .filter(|aliases| is_v5 && aliases.has_outgoing());
        let limit = connection.packet_bytes_max_out as usize;
        let mut alias = aliases.map_or(Outgoing::Plain, |aliases| aliases.outgoing(parts.topic));
        let is_like_others =
            is_fan_out && (!is_v5 || identifiers.is_empty()) && alias == Outgoing::Plain;
        let variant = usize::from(is_v5) * 2 + usize::from(has_packet_id);
        let template = if is_like_others {
            variant
        } else {
            OWN_TEMPLATE
        };
        let place = templates.get_mut(template)?;
        let is_ready = is_like_others && is_made.get(variant).copied().unwrap_or(false);
        if !is_ready {
            let mut encode = |alias| {
                properties.clear();
                if is_v5 {
                    put_own_properties(properties, parts, identifiers, now.mono_ms);
                    put_alias(properties, alias);
                }
                // The pieces that the message brought, then the ones of this copy.
                let forwarded = parts.properties.first().copied().unwrap_or_default();
                let is_named = !matches!(alias, Outgoing::Use(_));
                place.encode(TemplateParts {
                    version,
                    has_packet_id,
                    topic: if is_named { parts.topic } else { "" },
                    properties: &[forwarded, properties],
                    payload: parts.payload,
                    payload_inline: !is_payload_shared,
                });
                place.packet_len()
            };
            if encode(alias) > limit && matches!(alias, Outgoing::Set(_)) {
                // Setting the alias takes bytes that this packet has not left.
                alias = Outgoing::Plain;
                encode(alias);
            }
            if is_like_others && let Some(made) = is_made.get_mut(variant) {
                *made = true;
            }
        }
        let new_alias = match alias {
            Outgoing::Set(alias) => Some(alias),
            Outgoing::Plain | Outgoing::Use(_) => None,
        };
        (place.packet_len() <= limit).then_some(Prepared {
            template,
            new_alias,
            is_payload_shared,
        })
    }

    fn write_publish(
        &mut self,
        id: ConnectionId,
        prepared: Prepared,
        flags: Flags,
        topic: &str,
        payload_len: usize,
        shared: Option<Message>,
    ) {
        let Self {
            connections,
            scratch,
            spare_outputs,
            effects,
            stats,
            ..
        } = self;
        let Some(Some(connection)) = connections.get_mut(id.index as usize) else {
            return;
        };
        if connection.generation != id.generation || connection.state == State::Closing {
            return;
        }
        if let (Some(alias), Some(aliases)) = (prepared.new_alias, &mut connection.aliases) {
            aliases.remember(topic, alias);
        }
        let output = connection
            .output
            .get_or_insert_with(|| spare_outputs.pop().unwrap_or_default());
        if let Some(template) = scratch.templates.get(prepared.template) {
            let Flags {
                dup,
                qos,
                retain,
                packet_id,
            } = flags;
            template.write(dup, qos, retain, packet_id, output.buffer());
        }
        if let Some(message) = shared {
            output.push_payload(message);
        }
        if !connection.is_transmit_told {
            connection.is_transmit_told = true;
            effects.push_back(crate::event::Effect::Transmit { conn: id });
        }
        Stats::count_qos(&mut stats.publishes_sent, flags.qos);
        stats.publish_bytes_sent += payload_len as u64;
    }
}

/// Whether a QoS 0 message can go out at once. Not if older ones wait: those that came while the
/// client was away and stand behind messages that its Receive Maximum holds up.
fn takes_at_most_once(session: &Session) -> bool {
    let queue = session.queue.as_ref();
    session.is_online() && !queue.is_some_and(|queue| queue.has_at_most_once())
}

enum Room {
    Now(ConnectionId),
    Later(Outcome),
}

/// The properties that differ from copy to copy: what is left of the expiry (`MQTT-3.3.2-6`) and
/// the Subscription Identifiers.
fn put_own_properties(
    out: &mut Vec<u8>,
    parts: &MessageParts<'_>,
    identifiers: &[u32],
    now_ms: u64,
) {
    if parts.expires_at_ms != NEVER_MS {
        let left_secs = parts.expires_at_ms.saturating_sub(now_ms).div_ceil(1000);
        out.push(PropertyId::MessageExpiryInterval as u8);
        let left_secs = u32::try_from(left_secs).unwrap_or(u32::MAX);
        out.extend_from_slice(&left_secs.to_be_bytes());
    }
    for identifier in identifiers {
        out.push(PropertyId::SubscriptionIdentifier as u8);
        put_varint(out, *identifier);
    }
}

fn put_alias(out: &mut Vec<u8>, alias: Outgoing) {
    if let Outgoing::Set(alias) | Outgoing::Use(alias) = alias {
        out.push(PropertyId::TopicAlias as u8);
        out.extend_from_slice(&alias.to_be_bytes());
    }
}
