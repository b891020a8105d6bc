//! PUBLISH from a client, and the way of every message to those who want it.

use std::sync::Arc;

use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{
    Packet, PacketId, PacketType, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value,
};

use super::Shard;
use super::deliver::Target;
use super::exchange::{Also, Then};
use super::note::Subject;
use super::refuse::Refusal;
use crate::access::Action;
use crate::hash::{Map, hash_of, shard_of};
use crate::id::{ConnectionId, ShardId};
use crate::mail::{ExchangeRef, GroupRef, Letter};
use crate::message::{Head, Message, MessageParts, NEVER_MS};
use crate::outcome::Outcome;
use crate::output::SHARED_PAYLOAD_BYTES_MIN;
use crate::recorder::Facts;
use crate::retained::RetainedLimits;
use crate::routing::FilterId;
use crate::session::ReceivedId;
use crate::session::alias::Aliases;
use crate::stats::Stats;

/// A message on its way through a shard. It becomes a [`Message`] of its own only if somebody has
/// to keep it.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) parts: MessageParts<'a>,
    topic_hash: u64,
    message: Option<Message>,
}

impl<'a> Publication<'a> {
    pub(super) const fn new(parts: MessageParts<'a>, topic_hash: u64) -> Self {
        Self {
            parts,
            topic_hash,
            message: None,
        }
    }

    /// The message to keep.
    pub(super) fn message(&mut self) -> &Message {
        self.message.get_or_insert_with(|| Message::new(self.parts))
    }
}

/// Who a message is for, seen from the shard that routes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everybody: this shard's subscribers, the other shards, the shared groups.
    Everywhere,
    /// This shard's subscribers; another shard takes care of the rest.
    Here,
}

impl Shard {
    pub(super) fn on_publish(&mut self, id: ConnectionId, slot: u32, publish: &Publish<'_>) {
        Stats::count_qos(&mut self.stats.publishes_received, publish.qos);
        self.stats.publish_bytes_received += publish.payload.len() as u64;
        if publish.properties.is_empty() {
            return self.on_named_publish(id, slot, publish, publish.topic);
        }
        if publish
            .properties
            .find(PropertyId::SubscriptionIdentifier)
            .is_some()
        {
            // MQTT-3.3.4-6
            return self.close(
                id,
                Outcome::DisconnectProtocol,
                ReasonCode::ProtocolError,
                "a client's PUBLISH carries no Subscription Identifier",
            );
        }
        let Some(alias) = publish.properties.u16(PropertyId::TopicAlias) else {
            return self.on_named_publish(id, slot, publish, publish.topic);
        };
        match self.resolve_alias(id, alias, publish.topic) {
            Ok(topic) => self.on_named_publish(id, slot, publish, &topic),
            Err(detail) => {
                let outcome = Outcome::PublishAliasInvalid;
                self.stats.count(outcome);
                let facts = Facts {
                    topic: publish.topic,
                    detail: &detail,
                    ..Facts::default()
                };
                self.note_session_fault(slot, outcome, facts);
                let reason = ReasonCode::TopicAliasInvalid;
                self.close(id, Outcome::DisconnectProtocol, reason, &detail);
            }
        }
    }

    /// The topic of a PUBLISH with an alias; sets the alias if the topic came along.
    fn resolve_alias(
        &mut self,
        id: ConnectionId,
        alias: u16,
        topic: &str,
    ) -> Result<Arc<str>, String> {
        // What the client was told holds, whatever the limits are now (MQTT-3.3.2-12).
        let most = self
            .connection(id)
            .map_or(0, |connection| connection.topic_alias_maximum_in);
        if alias == 0 || alias > most {
            // MQTT-3.3.2-9
            return Err(format!("topic alias {alias} is not in 1..={most}"));
        }
        let hashing = self.hashing;
        let Some(connection) = self.connection_mut(id) else {
            return Err(String::new());
        };
        let aliases = connection
            .aliases
            .get_or_insert_with(|| Box::new(Aliases::new(hashing, 0)));
        if !topic.is_empty() {
            aliases.set_incoming(alias, topic);
        }
        aliases
            .incoming(alias)
            .ok_or_else(|| format!("topic alias {alias} was not set on this connection"))
    }

    /// A PUBLISH whose topic is known.
    fn on_named_publish(
        &mut self,
        id: ConnectionId,
        slot: u32,
        publish: &Publish<'_>,
        topic: &str,
    ) {
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id) {
            match self.receive_exactly_once(id, slot, packet_id) {
                Received::New => {}
                Received::Again(received) => {
                    // MQTT-4.3.3-10
                    self.stats.count(Outcome::PublishDuplicate);
                    let facts = Facts {
                        topic,
                        qos: Some(publish.qos),
                        packet_id: packet_id.get(),
                        ..Facts::default()
                    };
                    self.note_session_fault(slot, Outcome::PublishDuplicate, facts);
                    let then = Then::Acknowledge {
                        conn: id,
                        packet: PacketType::PubRec,
                        packet_id,
                        reason: ReasonCode::Success,
                    };
                    return self.acknowledge_again(id, received, then);
                }
                Received::TooMany => {
                    self.stats.count(Outcome::PublishReceiveMaximum);
                    let most = self
                        .connection(id)
                        .map_or(0, |connection| connection.receive_maximum_in);
                    let detail = format!("more than {most} QoS 2 messages were not released");
                    let facts = Facts {
                        topic,
                        detail: &detail,
                        ..Facts::default()
                    };
                    self.note_session_fault(slot, Outcome::PublishReceiveMaximum, facts);
                    let reason = ReasonCode::ReceiveMaximumExceeded;
                    return self.close(id, Outcome::DisconnectProtocol, reason, &detail);
                }
            }
        }
        if let Err(refused) = self.check_publish(slot, publish, topic) {
            return self.refuse_publish(id, slot, publish, topic, &refused);
        }
        if publish.qos == QoS::AtMostOnce && !publish.retain {
            // Nobody keeps it and nobody is told.
            self.accept_publish(slot, publish, topic);
            return;
        }
        let outer = self.open_keeping(None);
        let is_matched = self.accept_publish(slot, publish, topic);
        let also = self.note_received(slot, publish);
        let then = self.acknowledgement_of(id, publish, is_matched);
        self.close_keeping(outer, also, then);
    }

    /// What the store has to know with a QoS 2 message: its packet id.
    fn note_received(&mut self, slot: u32, publish: &Publish<'_>) -> Also {
        let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id) else {
            return Also::Nothing;
        };
        if self.durable_number(slot).is_none() {
            return Also::Nothing;
        }
        let exchange = self.next_exchange();
        let Some(session) = self.session_mut(slot) else {
            return Also::Nothing;
        };
        let received = session.received.as_mut();
        if let Some(of) = received.and_then(|received| received.get_mut(&packet_id.get())) {
            of.exchange = exchange;
        }
        Also::Received {
            session: session.me,
            packet_id,
        }
    }

    fn check_publish(
        &mut self,
        slot: u32,
        publish: &Publish<'_>,
        topic: &str,
    ) -> Result<(), Refusal> {
        if let Some(fault) = self.topic_fault(topic) {
            return Err(Refusal::new(
                ReasonCode::TopicNameInvalid,
                Outcome::PublishBadTopic,
                fault,
            ));
        }
        let decision = self.judge(slot, Action::Publish, topic);
        if !decision.is_allowed {
            return Err(Refusal::new(
                ReasonCode::NotAuthorized,
                Outcome::PublishDeniedAcl,
                self.explain(decision),
            ));
        }
        if publish.properties.flag(PropertyId::PayloadFormatIndicator) == Some(true)
            && std::str::from_utf8(publish.payload).is_err()
        {
            return Err(Refusal::new(
                ReasonCode::PayloadFormatInvalid,
                Outcome::PublishPayloadInvalid,
                "the payload is not the UTF-8 that its format indicator promises",
            ));
        }
        // Who cannot be told loses the retaining, not the message: the store counts it then.
        let can_be_told = publish.qos != QoS::AtMostOnce
            && self
                .connection_of(slot)
                .is_some_and(|connection| connection.version.has_reason_codes());
        if publish.retain && !publish.payload.is_empty() && can_be_told {
            self.check_retain(topic, publish)?;
        }
        Ok(())
    }

    /// Why nobody can publish to a topic, if so.
    pub(super) fn topic_fault(&self, topic: &str) -> Option<String> {
        if topic.starts_with('$') && (topic.starts_with("$SYS/") || topic == "$SYS") {
            return Some("topics below $SYS are the broker's own".to_owned());
        }
        // Counting bytes is enough for all topics but absurd ones.
        let levels_max = self.limits.topic_levels_max;
        if topic.len() >= levels_max && topic.split('/').count() > levels_max {
            return Some(format!("the topic has more than {levels_max} levels"));
        }
        None
    }

    fn check_retain(&self, topic: &str, publish: &Publish<'_>) -> Result<(), Refusal> {
        if self.retained_owner(topic) != self.id {
            // The owner counts what it cannot keep.
            return Ok(());
        }
        let limits = RetainedLimits {
            messages_max: self.limits.retained_messages_max,
            bytes_max: self.limits.retained_bytes_max,
        };
        let size = topic.len() + publish.payload.len() + publish.properties.bytes().len();
        if self.retained.has_room(topic, size, limits) {
            return Ok(());
        }
        Err(Refusal::new(
            ReasonCode::QuotaExceeded,
            Outcome::PublishRetainQuota,
            "there is no room for another retained message",
        ))
    }

    /// Retains and routes a PUBLISH. Returns whether anybody subscribes.
    fn accept_publish(&mut self, slot: u32, publish: &Publish<'_>, topic: &str) -> bool {
        let publisher = self.session(slot).map_or(0, |session| session.hash);
        let expiry_secs = publish.properties.u32(PropertyId::MessageExpiryInterval);
        let mut filtered = std::mem::take(&mut self.scratch.forwarded);
        let forwarded = [forwarded_properties(publish.properties, &mut filtered)];
        let topic_hash = hash_of(&self.hashing, topic);
        let number = self.recorder.follow(self.now, topic, topic_hash);
        let parts = MessageParts {
            topic,
            properties: &forwarded,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expires_at_ms: expires_at_ms(expiry_secs, self.now.mono_ms),
            publisher,
            number,
        };
        let mut publication = Publication::new(parts, topic_hash);
        if publish.retain {
            self.retain(&mut publication);
            if publish.payload.is_empty() {
                let facts = Facts {
                    topic,
                    ..Facts::default()
                };
                self.note_session_fault(slot, Outcome::RetainedCleared, facts);
            }
        }
        let filters = self.route(&mut publication, Scope::Everywhere, Some(slot));
        let publisher = self.session(slot).filter(|_| number != 0);
        let client_id = publisher.map(|session| Arc::clone(&session.client_id));
        let client_id = client_id.as_deref().unwrap_or_default();
        let packet_id = publish.packet_id.map_or(0, PacketId::get);
        let (from, of) = ((client_id, Some(slot)), (&parts, topic_hash));
        self.conclude_publication(from, of, filters, (0, packet_id));
        drop(publication);
        self.scratch.forwarded = filtered;
        filters > 0
    }

    fn acknowledgement_of(
        &self,
        id: ConnectionId,
        publish: &Publish<'_>,
        is_matched: bool,
    ) -> Then {
        let (packet, packet_id) = match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => (PacketType::PubAck, packet_id),
            (QoS::ExactlyOnce, Some(packet_id)) => (PacketType::PubRec, packet_id),
            _ => return Then::Nothing,
        };
        let has_codes = self
            .connection(id)
            .is_some_and(|connection| connection.version.has_reason_codes());
        let reason = if is_matched || !has_codes {
            ReasonCode::Success
        } else {
            ReasonCode::NoMatchingSubscribers
        };
        Then::Acknowledge {
            conn: id,
            packet,
            packet_id,
            reason,
        }
    }

    pub(super) fn write_ack(
        &mut self,
        id: ConnectionId,
        packet_type: PacketType,
        ack: Acknowledgement<'_>,
    ) {
        let packet = match packet_type {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        };
        self.write_packet(id, &packet);
    }

    /// Adds a Reason String if the client wants any (`MQTT-3.1.2-29`).
    pub(super) fn put_reason_string(
        &self,
        id: ConnectionId,
        properties: &mut PropertiesBuf,
        text: &str,
    ) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        if connection.version.has_properties() && connection.wants_problem_information {
            // A text that does not fit is left out.
            let _ = properties.push(PropertyId::ReasonString, Value::String(text));
        }
    }

    /// Notes the packet id of a QoS 2 PUBLISH.
    fn receive_exactly_once(
        &mut self,
        id: ConnectionId,
        slot: u32,
        packet_id: PacketId,
    ) -> Received {
        let most = match self.connection(id) {
            Some(connection) if connection.version.has_receive_maximum() => {
                usize::from(connection.receive_maximum_in)
            }
            _ => usize::from(u16::MAX),
        };
        let hashing = self.hashing;
        let Some(session) = self.session_mut(slot) else {
            return Received::Again(ReceivedId::default());
        };
        let received = session
            .received
            .get_or_insert_with(|| Box::new(Map::with_hasher(hashing)));
        if let Some(known) = received.get(&packet_id.get()) {
            return Received::Again(*known);
        }
        if received.len() >= most {
            return Received::TooMany;
        }
        received.insert(packet_id.get(), ReceivedId::default());
        Received::New
    }

    /// Brings a message to all who want it. `publisher` is the slot of the session that published
    /// it, if it lives here. Returns how many filters matched.
    pub(super) fn route(
        &mut self,
        publication: &mut Publication<'_>,
        scope: Scope,
        publisher: Option<u32>,
    ) -> usize {
        let mut found = std::mem::take(&mut self.scratch.filters);
        found.clear();
        let topic = publication.parts.topic;
        let visited = self.filters.find(publication.topic_hash, topic, &mut found);
        if visited > 0 {
            self.matched += visited;
        }
        self.scratch.is_made = [false; 4];
        match found.as_slice() {
            [] => {}
            [one] => {
                self.filters.count(*one, self.now.mono_ms);
                self.route_one(*one, publication, publisher);
            }
            many => {
                for id in many {
                    self.filters.count(*id, self.now.mono_ms);
                }
                self.matched += many.len();
                self.route_merged(many, publication, publisher);
            }
        }
        if scope == Scope::Everywhere {
            self.route_elsewhere(&found, publication);
        }
        let filters = found.len();
        self.scratch.filters = found;
        filters
    }

    /// One filter matched: its subscribers are all different sessions.
    fn route_one(
        &mut self,
        id: FilterId,
        publication: &mut Publication<'_>,
        publisher: Option<u32>,
    ) {
        let mut position = 0;
        loop {
            let Some(filter) = self.filters.get(id) else {
                return;
            };
            let Some(subscriber) = filter.local.get(position).copied() else {
                return;
            };
            position += 1;
            let target = Target::from(subscriber);
            if subscriber.no_local && publisher == Some(subscriber.session) {
                self.drop_own(subscriber.session, publication);
                continue;
            }
            let identifier = [subscriber.identifier];
            let identifiers: &[u32] = if identifier == [0] { &[] } else { &identifier };
            self.deliver(publication, target, identifiers);
        }
    }

    /// Several filters matched: a session gets one copy, at the highest QoS, with all identifiers
    /// (`MQTT-3.3.4-2`, `MQTT-3.3.4-3`, `MQTT-3.3.4-4`).
    fn route_merged(
        &mut self,
        found: &[FilterId],
        publication: &mut Publication<'_>,
        publisher: Option<u32>,
    ) {
        let mut targets = std::mem::take(&mut self.scratch.targets);
        let mut links = std::mem::take(&mut self.scratch.identifiers);
        targets.clear();
        links.clear();
        let is_own_skipped = self.merge_targets(found, publisher, &mut targets, &mut links);
        let mut identifiers = Vec::new();
        for target in &targets {
            identifiers.clear();
            let mut next = target.identifiers;
            while let Some((identifier, after)) = links.get(next as usize) {
                identifiers.push(*identifier);
                next = *after;
            }
            self.deliver(publication, *target, &identifiers);
        }
        if let Some(own) = publisher.filter(|_| is_own_skipped)
            && !targets.iter().any(|target| target.session == own)
        {
            self.drop_own(own, publication);
        }
        self.scratch.targets = targets;
        self.scratch.identifiers = links;
    }

    /// Returns whether No Local left a subscription of the publisher out.
    fn merge_targets(
        &mut self,
        found: &[FilterId],
        publisher: Option<u32>,
        targets: &mut Vec<Target>,
        links: &mut Vec<(u32, u32)>,
    ) -> bool {
        let mut is_own_skipped = false;
        let Self {
            filters,
            scratch,
            sessions,
            ..
        } = self;
        scratch.mark += 1;
        if scratch.marks.len() < sessions.capacity() {
            scratch.marks.resize(sessions.capacity(), (0, 0));
        }
        for subscriber in found
            .iter()
            .filter_map(|id| filters.get(*id))
            .flat_map(|f| &f.local)
        {
            if subscriber.no_local && publisher == Some(subscriber.session) {
                is_own_skipped = true;
                continue;
            }
            let Some(mark) = scratch.marks.get_mut(subscriber.session as usize) else {
                continue;
            };
            if mark.0 != scratch.mark {
                *mark = (scratch.mark, targets.len() as u32);
                targets.push(Target::from(*subscriber));
            }
            let Some(target) = targets.get_mut(mark.1 as usize) else {
                continue;
            };
            target.qos = target.qos.max(subscriber.qos);
            target.retain_as_published |= subscriber.retain_as_published;
            if subscriber.identifier != 0 {
                links.push((subscriber.identifier, target.identifiers));
                target.identifiers = (links.len() - 1) as u32;
            }
        }
        is_own_skipped
    }

    fn drop_own(&mut self, slot: u32, publication: &Publication<'_>) {
        self.stats.copies += 1;
        let subject = Subject::from(&publication.parts);
        self.drop_copy(slot, Outcome::DeliverNoLocal, subject);
    }

    /// Sends the message to the other shards that want it and to the groups' owners.
    fn route_elsewhere(&mut self, found: &[FilterId], publication: &mut Publication<'_>) {
        let (mut remote, mut durable) = (0u64, 0u64);
        let mut groups: Vec<(ShardId, bool, GroupRef)> = Vec::new();
        for filter in found.iter().filter_map(|id| self.filters.get(*id)) {
            remote |= filter.remote;
            durable |= filter.remote_durable;
            for group in filter.groups.iter() {
                let name = Arc::clone(&group.name);
                let group_ref = GroupRef {
                    filter: Arc::clone(&filter.text),
                    name,
                };
                groups.push((group.owner, group.is_durable, group_ref));
            }
        }
        while remote != 0 {
            let shard = ShardId(remote.trailing_zeros() as u16);
            remote &= remote - 1;
            let keeps = durable >> shard.0 & 1 == 1 && publication.parts.qos != QoS::AtMostOnce;
            let exchange = if keeps { self.expect_answer() } else { None };
            self.post_publication(shard, publication, exchange);
        }
        self.matched += groups.len();
        for (owner, is_durable, group) in groups {
            let message = publication.message().clone();
            let keeps = is_durable && owner != self.id && publication.parts.qos != QoS::AtMostOnce;
            let exchange = if keeps { self.expect_answer() } else { None };
            self.post(
                owner,
                Letter::Share {
                    group,
                    message,
                    not: None,
                    exchange,
                },
            );
        }
    }

    /// Sends a message to another shard: a kept or a large one by reference, others as a copy.
    fn post_publication(
        &mut self,
        to: ShardId,
        publication: &mut Publication<'_>,
        exchange: Option<ExchangeRef>,
    ) {
        let parts = &publication.parts;
        if publication.message.is_some() || parts.payload.len() >= SHARED_PAYLOAD_BYTES_MIN {
            let message = publication.message().clone();
            return self.post(to, Letter::Publish { message, exchange });
        }
        if let Some(outbox) = self.outbox.get_mut(to.index()) {
            let start = outbox.bytes.len();
            let head = Head::new(parts);
            parts.write(&mut outbox.bytes);
            let len_bytes = (outbox.bytes.len() - start) as u32;
            outbox.push(Letter::PublishCopied {
                head,
                len_bytes,
                exchange,
            });
            self.has_mail = true;
        }
    }

    /// Publishes a message that the broker itself has: a Will, or one of `$SYS`.
    /// `publisher` is the slot of the session that the Will belongs to, if it is still there.
    pub(super) fn publish_message(&mut self, message: &Message, publisher: Option<u32>) -> usize {
        let properties = [message.properties()];
        let mut publication = Publication {
            parts: parts_of(message, &properties),
            topic_hash: hash_of(&self.hashing, message.topic()),
            message: Some(message.clone()),
        };
        let outer = self.open_keeping(None);
        if message.head().retain {
            self.retain(&mut publication);
        }
        let filters = self.route(&mut publication, Scope::Everywhere, publisher);
        self.close_keeping(outer, Also::Nothing, Then::Nothing);
        filters
    }

    /// Routes a message that another shard accepted.
    pub(super) fn route_here(&mut self, message: &Message, exchange: Option<ExchangeRef>) {
        let properties = [message.properties()];
        let mut publication = Publication {
            parts: parts_of(message, &properties),
            topic_hash: hash_of(&self.hashing, message.topic()),
            message: Some(message.clone()),
        };
        self.route_part(&mut publication, exchange);
    }

    /// The same for a message that is not kept yet.
    pub(super) fn route_parts_here(
        &mut self,
        parts: MessageParts<'_>,
        exchange: Option<ExchangeRef>,
    ) {
        let topic_hash = hash_of(&self.hashing, parts.topic);
        self.route_part(&mut Publication::new(parts, topic_hash), exchange);
    }

    fn route_part(&mut self, publication: &mut Publication<'_>, exchange: Option<ExchangeRef>) {
        if publication.parts.qos == QoS::AtMostOnce {
            self.route(publication, Scope::Here, None);
            return;
        }
        let outer = self.open_keeping(exchange);
        self.note_part(exchange);
        self.route(publication, Scope::Here, None);
        self.close_keeping(outer, Also::Nothing, Then::Nothing);
    }

    /// The shard that keeps a topic's retained message.
    pub(super) fn retained_owner(&self, topic: &str) -> ShardId {
        if self.shards == 1 {
            self.id
        } else {
            shard_of(hash_of(&self.hashing, topic), self.shards)
        }
    }
}

enum Received {
    New,
    Again(ReceivedId),
    TooMany,
}

/// The parts of a message, borrowed from it.
pub(super) fn parts_of<'a>(
    message: &'a Message,
    properties: &'a [&'a [u8]; 1],
) -> MessageParts<'a> {
    message.head().parts(message.cut(), properties)
}

/// When a message with this Message Expiry Interval expires.
pub(super) fn expires_at_ms(expiry_secs: Option<u32>, now_ms: u64) -> u64 {
    match expiry_secs {
        Some(secs) => now_ms + u64::from(secs) * 1000,
        None => NEVER_MS,
    }
}

/// The properties that are passed on unchanged and in order (`MQTT-3.3.2-4`, `MQTT-3.3.2-15` to
/// `MQTT-3.3.2-20`); without the topic alias, which is the connection's, and the expiry, which is
/// counted down. Copies only if something is to be left out.
pub(super) fn forwarded_properties<'a>(
    properties: Properties<'a>,
    filtered: &'a mut Vec<u8>,
) -> &'a [u8] {
    let is_kept = |id: PropertyId| {
        !matches!(
            id,
            PropertyId::TopicAlias | PropertyId::MessageExpiryInterval
        )
    };
    if properties.is_empty() || properties.iter().all(|property| is_kept(property.id)) {
        return properties.bytes();
    }
    filtered.clear();
    for property in properties.iter().filter(|property| is_kept(property.id)) {
        filtered.extend_from_slice(property.bytes);
    }
    filtered
}
