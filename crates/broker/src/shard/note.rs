//! What a shard tells its flight recorder.

use std::net::SocketAddr;
use std::sync::Arc;

use columba_codec::{PacketId, QoS};

use super::Shard;
use crate::connection::Connection;
use crate::hash::hash_of;
use crate::id::{ConnectionId, ShardId};
use crate::message::{Message, MessageParts, NEVER_MS};
use crate::now::Now;
use crate::outcome::Outcome;
use crate::recorder::{Facts, PayloadKind, Recorder, Recording, Taken, flag, followed_for_ms};
use crate::session::Will;
use crate::session::queue::Delivery;
use crate::stats::Stats;

/// A client that is not known, and its hash.
pub(super) const NOBODY: (&str, u64) = ("", 0);

/// A message or a copy of one, as the recorder knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) topic: &'a str,
    number: u64,
    size_bytes: usize,
    qos: QoS,
    retain: bool,
}

impl<'a> From<&MessageParts<'a>> for Subject<'a> {
    fn from(parts: &MessageParts<'a>) -> Self {
        Self {
            topic: parts.topic,
            number: parts.number,
            size_bytes: parts.payload.len(),
            qos: parts.qos,
            retain: parts.retain,
        }
    }
}

impl<'a> From<&'a Message> for Subject<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            topic: message.topic(),
            number: message.head().number,
            size_bytes: message.payload().len(),
            qos: message.head().qos,
            retain: message.head().retain,
        }
    }
}

impl<'a> Subject<'a> {
    /// Whether the ledger or a trace follows it.
    pub(super) const fn is_followed(&self) -> bool {
        self.number != 0
    }

    const fn facts(&self) -> Facts<'a> {
        Facts {
            client: "",
            by: "",
            topic: self.topic,
            detail: "",
            peer: None,
            message: self.number,
            qos: Some(self.qos),
            flags: if self.retain { flag::RETAIN } else { 0 },
            packet_id: 0,
            size_bytes: self.size_bytes as u64,
            count: 0,
            secs: 0,
            payload: None,
        }
    }
}

impl Shard {
    /// What the flight recorder holds, for another thread to read.
    pub fn recording(&mut self) -> Recording {
        self.recorder.recording(self.now)
    }

    /// The counters, with what is looked up only when somebody asks.
    pub(super) fn stats_asked(&self) -> Stats {
        Stats {
            recorder_bytes: self.recorder.memory_bytes() as u64,
            recorder_events: self.recorder.written(),
            recorder_overwritten: self.recorder.overwritten(),
            topics: self.recorder.topics().len() as u64,
            topics_forgotten: self.recorder.topics().forgotten(),
            connections_held: self.held_for_store(),
            takeover_loops: self.rivals.loops(self.now.mono_ms) as u64,
            ..self.stats.clone()
        }
    }

    /// A PUBLISH or a Will went on its way to the subscriptions of so many filters. `client` is empty
    /// if nobody in particular published it, or if the session that did has a slot and nobody follows
    /// the message. The packet id is 0 for none.
    pub(super) fn conclude_publication(
        &mut self,
        (client, slot): (&str, Option<u32>),
        (parts, topic_hash): (&MessageParts<'_>, u64),
        filters: usize,
        (flags, packet_id): (u16, u16),
    ) {
        let outcome = if filters > 0 {
            Outcome::PublishAccepted
        } else {
            Outcome::PublishNoMatch
        };
        self.stats.count(outcome);
        let seen = Taken {
            topic: parts.topic,
            topic_hash,
            payload_bytes: parts.payload.len(),
            publisher: parts.publisher,
            is_matched: filters > 0,
        };
        let Self {
            recorder, sessions, ..
        } = self;
        recorder.note_topic(self.now, &seen, || {
            let session = slot.and_then(|slot| sessions.get(slot as usize));
            let known = session.map(|session| Arc::clone(&session.client_id));
            known.or_else(|| (!client.is_empty()).then(|| client.into()))
        });
        if parts.number != 0 {
            let shape = (flags, packet_id);
            self.note_publication(client, parts, filters, outcome, shape);
        }
    }

    fn note_publication(
        &mut self,
        client: &str,
        parts: &MessageParts<'_>,
        filters: usize,
        outcome: Outcome,
        (flags, packet_id): (u16, u16),
    ) {
        let expires_ms = parts.expires_at_ms.saturating_sub(self.now.mono_ms);
        let subject = Subject::from(parts);
        let facts = subject.facts();
        let facts = Facts {
            client,
            flags: facts.flags | flags,
            packet_id,
            count: filters as u64,
            secs: if parts.expires_at_ms == NEVER_MS {
                0
            } else {
                expires_ms / 1000
            },
            payload: Some(PayloadKind::of(parts.payload)),
            ..facts
        };
        self.recorder.note_in_ledger(self.now, outcome, &facts);
        let is_clearing = parts.retain && parts.payload.is_empty();
        if outcome == Outcome::PublishNoMatch && !is_clearing {
            let client_hash = parts.publisher;
            let topic_hash = hash_of(&self.hashing, parts.topic);
            let facts = Facts {
                message: 0,
                count: 0,
                ..facts
            };
            self.recorder
                .note_fault(self.now, outcome, client_hash, topic_hash, &facts);
        }
    }

    /// A copy was handed to the subscriber's connection.
    #[inline]
    pub(super) fn note_sent(
        &mut self,
        slot: u32,
        subject: Subject<'_>,
        outcome: Outcome,
        how: Sent,
    ) {
        if subject.number != 0 {
            self.note_sent_copy(slot, &subject, outcome, how);
        }
    }

    /// The same of a copy with QoS 0, which has arrived as far as anybody will know.
    #[inline]
    pub(super) fn note_sent_at_most_once(
        &mut self,
        slot: u32,
        subject: Subject<'_>,
        membership: u32,
        retain: bool,
    ) {
        if subject.number != 0 {
            let how = Sent {
                membership,
                ..Sent::AT_MOST_ONCE
            };
            self.note_sent_copy(slot, &subject, Outcome::DeliverSent, how);
            self.measure(subject.number, QoS::AtMostOnce, retain);
        }
    }

    /// Counts how long a copy took, unless it is of a retained message, which may be as old as it
    /// likes, or of one that waited for this process to begin.
    fn measure(&mut self, number: u64, qos: QoS, retain: bool) {
        if let Some(took_ms) = followed_for_ms(number, self.now)
            && !retain
        {
            self.stats.delivery_times.count(qos, took_ms);
        }
    }

    fn note_sent_copy(&mut self, slot: u32, subject: &Subject<'_>, outcome: Outcome, how: Sent) {
        let Self {
            sessions,
            connections,
            recorder,
            ..
        } = self;
        let Some(session) = sessions.get(slot as usize) else {
            return;
        };
        // What is acknowledged has arrived, wherever it stood among the bytes.
        let ends_at = match session
            .connection
            .filter(|_| outcome != Outcome::DeliverAcked)
        {
            Some(id) => connections.get(id.index as usize).and_then(Option::as_ref),
            None => None,
        };
        let group = session.membership(how.membership);
        let group = group.map(|of| ["$share/", &*of.group, "/", &*of.filter].concat());
        let facts = Facts {
            client: &session.client_id,
            detail: group.as_deref().unwrap_or_default(),
            qos: Some(how.qos),
            flags: how.flags,
            packet_id: how.packet_id.map_or(0, PacketId::get),
            count: ends_at.map_or(0, Connection::written_bytes),
            ..subject.facts()
        };
        recorder.note_in_ledger(self.now, outcome, &facts);
    }

    /// A copy waits, behind so many others of its session.
    pub(super) fn note_waiting(
        &mut self,
        slot: u32,
        subject: Subject<'_>,
        qos: QoS,
        outcome: Outcome,
        before: u64,
    ) {
        if subject.number == 0 && before > 0 {
            return;
        }
        let Self {
            sessions, recorder, ..
        } = self;
        let Some(session) = sessions.get(slot as usize) else {
            return;
        };
        let facts = Facts {
            client: &session.client_id,
            qos: Some(qos),
            count: before,
            ..subject.facts()
        };
        recorder.note_in_ledger(self.now, outcome, &facts);
        if before == 0 {
            // From here on messages wait for it: that they do is an event of the session.
            let facts = Facts {
                message: 0,
                ..facts
            };
            recorder.note_fault(self.now, outcome, session.hash, 0, &facts);
        }
    }

    /// A copy of QoS 1 or 2 was settled by the client.
    #[inline]
    pub(super) fn note_acknowledged(&mut self, slot: u32, delivery: &Delivery, id: PacketId) {
        if delivery.message().head().number != 0 {
            let how = Sent {
                qos: delivery.qos,
                packet_id: Some(id),
                membership: 0,
                flags: 0,
            };
            let subject = Subject::from(delivery.message());
            self.note_sent_copy(slot, &subject, Outcome::DeliverAcked, how);
            let number = delivery.message().head().number;
            self.measure(number, delivery.qos, delivery.retain);
        }
    }

    /// A copy of QoS 2 is with a client whose session has ended.
    pub(super) fn note_received_copy(&mut self, client: &str, subject: Subject<'_>) {
        let facts = Facts {
            client,
            ..subject.facts()
        };
        let outcome = Outcome::DeliverAcked;
        self.recorder.note_in_ledger(self.now, outcome, &facts);
    }

    /// A copy was dropped or handed on.
    pub(super) fn note_lost(
        &mut self,
        client: (&str, u64),
        subject: Subject<'_>,
        outcome: Outcome,
        detail: &str,
    ) {
        let (client, client_hash) = client;
        let facts = Facts {
            client,
            detail,
            ..subject.facts()
        };
        self.note_loss(client_hash, outcome, &facts);
    }

    /// A copy that went with its session. Those that had been sent are told apart from those that had
    /// not: their client may have them.
    pub(super) fn note_lost_with_session(
        &mut self,
        (client, client_hash): (&str, u64),
        subject: Subject<'_>,
        was_sent: bool,
    ) {
        let mut facts = Facts {
            client,
            ..subject.facts()
        };
        if was_sent {
            facts.flags |= flag::WAS_SENT;
        }
        self.note_loss(client_hash, Outcome::DeliverSessionEnded, &facts);
    }

    fn note_loss(&mut self, client_hash: u64, outcome: Outcome, facts: &Facts<'_>) {
        self.recorder.note_in_ledger(self.now, outcome, facts);
        // Repetitions are counted with the first of their kind.
        let was_sent = facts.flags & flag::WAS_SENT;
        let kind = hash_of(&self.hashing, facts.topic) ^ u64::from(was_sent);
        self.recorder
            .note_fault(self.now, outcome, client_hash, kind, facts);
    }

    /// Whether the same was lost before by the same session, and is only counted.
    pub(super) fn count_lost(&mut self, slot: u32, topic: &str, outcome: Outcome) -> bool {
        let topic_hash = hash_of(&self.hashing, topic);
        let Self {
            sessions, recorder, ..
        } = self;
        sessions
            .get(slot as usize)
            .is_none_or(|of| recorder.count_fault(self.now, outcome, of.hash, topic_hash))
    }

    /// The same for a shared group. `place` is a hash of the group and the topic.
    pub(super) fn count_lost_by_group(&mut self, place: u64, outcome: Outcome) -> bool {
        let (_, nobody) = NOBODY;
        self.recorder.count_fault(self.now, outcome, nobody, place)
    }

    /// No member of a shared group got a copy; the event of that is counted already, or is to be written.
    pub(super) fn note_lost_by_group(
        &mut self,
        counted: (u64, bool),
        subject: Subject<'_>,
        outcome: Outcome,
        detail: &str,
    ) {
        self.note_lost_counted(NOBODY, counted, subject, outcome, detail);
    }

    /// The same for somebody in particular, and a hash of what was lost.
    pub(super) fn note_lost_counted(
        &mut self,
        (client, client_hash): (&str, u64),
        (place, is_counted): (u64, bool),
        subject: Subject<'_>,
        outcome: Outcome,
        detail: &str,
    ) {
        let facts = Facts {
            client,
            detail,
            ..subject.facts()
        };
        self.recorder.note_in_ledger(self.now, outcome, &facts);
        if !is_counted {
            self.recorder
                .note_fault(self.now, outcome, client_hash, place, &facts);
        }
    }

    /// What became of a copy goes to the ledger alone: the event is written, or counted.
    pub(super) fn note_copy(
        &mut self,
        slot: u32,
        subject: Subject<'_>,
        outcome: Outcome,
        detail: &str,
    ) {
        let Self {
            sessions, recorder, ..
        } = self;
        if let Some(session) = sessions.get(slot as usize) {
            let facts = Facts {
                client: &session.client_id,
                detail,
                ..subject.facts()
            };
            recorder.note_in_ledger(self.now, outcome, &facts);
        }
    }

    /// A session lost a copy.
    pub(super) fn note_lost_by(
        &mut self,
        slot: u32,
        subject: Subject<'_>,
        outcome: Outcome,
        detail: &str,
    ) {
        let session = self.session(slot);
        if let Some((client_id, hash)) = session.map(|of| (Arc::clone(&of.client_id), of.hash)) {
            self.note_lost((&client_id, hash), subject, outcome, detail);
        }
    }

    /// A session ended, with so many subscriptions beside the shared ones.
    pub(super) fn note_session_end(
        &mut self,
        slot: u32,
        subscriptions: usize,
        outcome: Outcome,
        operator: &str,
    ) {
        let Self {
            sessions,
            recorder,
            now,
            ..
        } = self;
        let Some(session) = sessions.get(slot as usize) else {
            return;
        };
        let offline_ms = now.mono_ms as i64 - session.since_ms;
        let facts = Facts {
            client: &session.client_id,
            by: operator,
            count: (subscriptions + session.memberships.len()) as u64,
            size_bytes: session.pending_copies() as u64,
            secs: u64::try_from(offline_ms / 1000).unwrap_or_default(),
            ..Facts::default()
        };
        recorder.note_event(*now, outcome, session.hash, &facts);
    }

    /// Something became of the Will of a session.
    pub(super) fn note_will_of(&mut self, slot: u32, will: &Will, outcome: Outcome) {
        let client_id = self.session(slot).map(|of| Arc::clone(&of.client_id));
        if let Some(client_id) = client_id {
            self.note_will(&client_id, will, outcome);
        }
    }

    /// The same for a session that may have ended.
    pub(super) fn note_will(&mut self, client_id: &str, will: &Will, outcome: Outcome) {
        let facts = Facts {
            client: client_id,
            flags: flag::IS_WILL,
            ..Subject::from(&will.message).facts()
        };
        let hash = hash_of(&self.hashing, client_id);
        self.recorder.note_event(self.now, outcome, hash, &facts);
    }

    /// Something happened to a client that has a session here. `facts` need not name it.
    pub(super) fn note_session(&mut self, slot: u32, outcome: Outcome, facts: Facts<'_>) {
        self.with_session(slot, facts, |recorder, now, hash, facts| {
            recorder.note_event(now, outcome, hash, facts);
        });
    }

    /// The same for what may come again and again.
    pub(super) fn note_session_fault(&mut self, slot: u32, outcome: Outcome, facts: Facts<'_>) {
        let topic_hash = hash_of(&self.hashing, facts.topic);
        self.with_session(slot, facts, |recorder, now, hash, facts| {
            recorder.note_fault(now, outcome, hash, topic_hash, facts);
        });
    }

    /// The acknowledgement of a PUBLISH waits: each by its packet id.
    pub(super) fn note_answer_held(&mut self, slot: u32, facts: Facts<'_>) {
        let place = u64::from(facts.packet_id);
        self.with_session(slot, facts, |recorder, now, hash, facts| {
            recorder.note_fault(now, Outcome::PublishAnswerWait, hash, place, facts);
        });
    }

    /// Puts the client of a session and its address to facts.
    fn with_session(
        &mut self,
        slot: u32,
        facts: Facts<'_>,
        note: impl FnOnce(&mut Recorder, Now, u64, &Facts<'_>),
    ) {
        let connection = self.connection_of(slot);
        let peer = connection.and_then(|connection| connection.peer.addr);
        let Self {
            sessions, recorder, ..
        } = self;
        if let Some(session) = sessions.get(slot as usize) {
            let facts = Facts {
                client: &session.client_id,
                peer,
                ..facts
            };
            note(recorder, self.now, session.hash, &facts);
        }
    }

    /// A connection was refused before it had a session.
    pub(super) fn note_refused(
        &mut self,
        client_id: Option<&str>,
        addr: Option<SocketAddr>,
        (outcome, detail, operator): (Outcome, &str, &str),
    ) {
        let who = match client_id {
            Some(client_id) => hash_of(&self.hashing, client_id),
            // Whoever knocks from one address shares an allowance, whatever the port.
            None => hash_of(&self.hashing, &addr.map(|addr| addr.ip())),
        };
        let facts = Facts {
            client: client_id.unwrap_or_default(),
            by: operator,
            peer: addr,
            detail,
            ..Facts::default()
        };
        self.recorder.note_fault(self.now, outcome, who, 0, &facts);
    }

    /// An operator cleared what was retained on a topic.
    pub(super) fn note_cleared_by_operator(&mut self, topic: &str, operator: &str) {
        let topic_hash = hash_of(&self.hashing, topic);
        let facts = Facts {
            by: operator,
            topic,
            flags: flag::BY_OPERATOR,
            ..Facts::default()
        };
        let (_, nobody) = NOBODY;
        self.recorder.note_fault(
            self.now,
            Outcome::RetainedCleared,
            nobody,
            topic_hash,
            &facts,
        );
    }

    /// Something happened to the broker.
    pub(super) fn note_broker(&mut self, outcome: Outcome, detail: &str) {
        // All shards are told, and it happened once.
        if self.id == ShardId(0) {
            self.stats.count(outcome);
        }
        let facts = Facts {
            detail,
            ..Facts::default()
        };
        self.recorder.note_event(self.now, outcome, 0, &facts);
    }

    /// A session has a connection now.
    pub(super) fn note_connected(&mut self, slot: u32, id: ConnectionId, login: Login) {
        let Self {
            sessions,
            connections,
            recorder,
            ..
        } = self;
        let connection = connections.get(id.index as usize).and_then(Option::as_ref);
        let (Some(session), Some(connection)) = (sessions.get(slot as usize), connection) else {
            return;
        };
        let version = match connection.version {
            columba_codec::Version::V31 => flag::V31,
            columba_codec::Version::V311 => 0,
            columba_codec::Version::V5 => flag::V5,
        };
        let facts = Facts {
            client: &session.client_id,
            by: session.identity.user.as_deref().unwrap_or_default(),
            peer: connection.peer.addr,
            flags: version | login.flags,
            count: u64::from(login.keep_alive_secs),
            secs: u64::from(session.expiry_secs),
            size_bytes: u64::from(connection.packet_bytes_max_out),
            ..Facts::default()
        };
        recorder.note_event(self.now, Outcome::ConnectAccepted, session.hash, &facts);
    }
}

/// What a CONNECT has said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login {
    pub(super) flags: u16,
    pub(super) keep_alive_secs: u16,
}

/// How a copy went out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) qos: QoS,
    pub(super) packet_id: Option<PacketId>,
    /// The shared subscription it came by; 0 for none.
    pub(super) membership: u32,
    pub(super) flags: u16,
}

impl Sent {
    pub(super) const AT_MOST_ONCE: Self = Self {
        qos: QoS::AtMostOnce,
        packet_id: None,
        membership: 0,
        flags: 0,
    };
}
