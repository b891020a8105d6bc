//! What the store tells, and who waits for it.

use columba_codec::{Packet, QoS};

use super::Shard;
use super::exchange::HeldInput;
use crate::connection::Connection;
use crate::id::ConnectionId;
use crate::journal::{RecordId, Settled, StoreEvent};
use crate::outcome::Outcome;
use crate::recorder::Facts;
use crate::stats::StoreWaiting;

/// Answers that wait for other shards or for the disk; then clients whose packets call for more of
/// them have to wait.
const ANSWERS_MAX: usize = 1 << 16;
/// Those of one connection that may be among them all the same, if they make room.
const ANSWERS_OF_ONE_MAX: u32 = 64;
/// So many times what publishers may have wait for the store may wait with sessions that begin, and
/// with copies of shared groups that change hands.
const OVER: usize = 2;

/// Input that is looked through for acknowledgements behind a packet that waits for the store.
const HELD_BYTES_MAX: usize = 64 * 1024;
/// However many wait: some acknowledgements have room.
const HELD_BYTES_MIN: usize = 256;
/// The longest list of records of other shards that is kept for the next batch.
const SPARE_SETTLED_MAX: usize = 1 << 14;

/// Connections that may wait in vain before anybody looks which are gone.
const HELD_SMALL: usize = 64;

impl Shard {
    pub(super) fn is_store_behind(&self) -> bool {
        self.journal.is_behind(self.limits.store_waiting_bytes_max) || self.has_answers_enough()
    }

    /// Whether so much waits for the store that nothing is begun that may add to it. Never if the
    /// store has failed: then nothing is added.
    pub(super) fn is_store_overfull(&self) -> bool {
        let bytes_max = self.limits.store_waiting_bytes_max.saturating_mul(OVER);
        self.journal.is_over(bytes_max) || self.exchanges.waiting() > ANSWERS_MAX * OVER
    }

    /// Whether a packet has to wait because the store does not keep up.
    pub(super) fn must_wait_for_store(&mut self, id: ConnectionId, packet: &Packet<'_>) -> bool {
        self.is_store_behind() && self.must_wait_behind(id, packet)
    }

    /// Only a packet that needs the store does, and one whose answer would be one too many of those that
    /// wait.
    #[cold]
    fn must_wait_behind(&mut self, id: ConnectionId, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::Publish(publish) if publish.qos == QoS::AtMostOnce => publish.retain,
            Packet::Publish(_) => {
                self.has_answers_enough()
                    || self.has_enough_of_one(id)
                    || self.needs_store(id, packet)
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                self.has_answers_enough() || self.needs_store(id, packet)
            }
            // The same may come again without end.
            Packet::PubRec(_) | Packet::PubRel(_) => {
                self.has_answers_enough() && self.has_enough_of_one(id)
            }
            _ => false,
        }
    }

    /// Whether so many answers wait that nothing is taken that may call for more of them.
    pub(super) fn has_answers_enough(&self) -> bool {
        self.exchanges.waiting() > ANSWERS_MAX
    }

    /// Whether a connection has its share of them. What needs no store is answered behind those.
    fn has_enough_of_one(&self, id: ConnectionId) -> bool {
        let answers = self.connection(id).map(Connection::answers);
        answers.is_some_and(|answers| answers.waiting + answers.asked >= ANSWERS_OF_ONE_MAX)
    }

    /// Input of a connection waits until the store keeps up.
    #[cold]
    pub(super) fn hold_for_store(&mut self, id: ConnectionId, packet: &Packet<'_>, len: usize) {
        self.stats.count(Outcome::PublishStoreWait);
        self.note_held(id, packet);
        // It may have as many that are gone as there are.
        if self.exchanges.held.len() > 2 * self.stats.connections as usize + HELD_SMALL {
            let mut held = std::mem::take(&mut self.exchanges.held);
            held.retain(|id| self.connection(*id).is_some());
            self.exchanges.held = held;
        }
        if let Some(connection) = self.connection_mut(id) {
            connection.is_input_held = true;
            self.exchanges.held.push(id);
            let held = HeldInput {
                first_bytes: len,
                looked_at_bytes: 0,
            };
            self.exchanges.held_inputs.insert(id.index, held);
        }
    }

    fn note_held(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        let Some(slot) = self.connection(id).map(|connection| connection.session) else {
            return;
        };
        let (topic, qos, size_bytes) = match packet {
            Packet::Publish(publish) => (publish.topic, Some(publish.qos), publish.payload.len()),
            _ => ("", None, 0),
        };
        let detail = if self.journal.has_failed() {
            "the disk has failed"
        } else if self.journal.is_full() {
            "the disk is full"
        } else {
            "the disk does not keep up"
        };
        let facts = Facts {
            topic,
            detail,
            qos,
            size_bytes: size_bytes as u64,
            ..Facts::default()
        };
        self.note_session_fault(slot, Outcome::PublishStoreWait, facts);
    }

    /// Whether what a connection has sent waits for the store.
    pub(super) fn is_held_for_store(&self, id: ConnectionId) -> bool {
        self.exchanges.held_inputs.contains_key(&id.index)
    }

    /// Whether an answer to a client waits for a disk that takes nothing. While the disk works, answers wait
    /// for a moment all the time.
    pub(super) fn is_answer_held(&self, connection: &Connection) -> bool {
        if !self.journal.is_full() && !self.journal.has_failed() {
            return false;
        }
        let answers = connection.answers();
        answers.waiting > 0 || answers.asked > 0
    }

    /// How many clients wait for the store: with what they send, or for an answer.
    pub(super) fn held_for_store(&self) -> u64 {
        let held = &self.exchanges.held_inputs;
        if !self.journal.is_full() && !self.journal.has_failed() {
            return held.len() as u64;
        }
        let all = (0u32..).zip(&self.connections);
        let waiting = all.filter(|(index, connection)| {
            let is_answer_held = |of: &Connection| self.is_answer_held(of);
            held.contains_key(index) || connection.as_ref().is_some_and(is_answer_held)
        });
        waiting.count() as u64
    }

    /// Bytes of input that one connection may have behind the packet that waits for the store.
    pub(super) fn held_bytes_max(&self) -> usize {
        let share = self.limits.store_waiting_bytes_max / self.exchanges.held.len().max(1);
        share.clamp(HELD_BYTES_MIN, HELD_BYTES_MAX)
    }

    pub(super) fn on_store(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Written { ticket } => {
                self.journal.on_written(ticket);
                self.follow_commits();
            }
            StoreEvent::Durable { ticket, first } => self.on_durable(ticket, first),
            StoreEvent::Full => {
                self.note_disk(Outcome::BrokerDiskFull);
                self.journal.on_full();
                let unacknowledged = self.unacknowledged();
                self.note_answers_held(&unacknowledged);
            }
            StoreEvent::Room => {
                self.note_disk(Outcome::BrokerDiskRoom);
                self.journal.on_room();
            }
            StoreEvent::Failed => {
                self.note_disk(Outcome::BrokerDiskFailed);
                let was_full = self.journal.is_full();
                let unacknowledged = self.unacknowledged();
                let holding = std::mem::take(&mut self.exchanges.holding);
                self.give_up_store();
                for me in holding {
                    self.lose_moving(me);
                }
                self.resume_handings();
                if !was_full {
                    self.note_answers_held(&unacknowledged);
                }
            }
        }
        if !self.is_store_behind() {
            self.resume_handings();
        }
    }

    /// Each shard hears how the disk is, and counts that.
    fn note_disk(&mut self, outcome: Outcome) {
        self.stats.count(outcome);
        self.recorder
            .note_event(self.now, outcome, 0, &Facts::default());
    }

    /// Whether connections whose input waits for the store can go on. The last thing that held them may
    /// have been an answer of another shard, after which the store has nothing to tell.
    pub(super) fn has_input_to_go_on(&self) -> bool {
        !self.exchanges.held.is_empty() && !self.is_store_behind()
    }

    /// Lets them go on, each in its turn.
    pub(super) fn go_on_with_input(&mut self) {
        if self.has_input_to_go_on() {
            self.held.extend(self.exchanges.held.drain(..));
        }
    }

    /// Whether sessions may be sent what they held back until another one had it no more.
    pub(super) const fn has_moved(&self) -> bool {
        self.exchanges.has_moved
    }

    /// Has them go on.
    pub(super) fn go_on_with_moved(&mut self) {
        if std::mem::take(&mut self.exchanges.has_moved) {
            self.pump_holding();
            if !self.is_store_behind() {
                self.resume_handings();
            }
        }
    }

    fn on_durable(&mut self, ticket: u64, first: u64) {
        let mut others = std::mem::take(&mut self.exchanges.settled);
        self.journal.on_durable(ticket, first, &mut others);
        self.tell_stored(&others);
        if others.capacity() <= SPARE_SETTLED_MAX {
            others.clear();
            self.exchanges.settled = others;
        }
        self.follow_commits();
        self.pump_holding();
        self.put_out();
    }

    /// Tells other shards where records are that were written for them.
    fn tell_stored(&mut self, others: &[Settled]) {
        for settled in others {
            if let Some(outbox) = self.outbox.get_mut(settled.shard.index()) {
                outbox.push_stored(settled.record, settled.position);
                self.has_mail = true;
            }
        }
    }

    pub(super) fn on_stored(&mut self, records: &[(RecordId, u64)]) {
        for (record, position) in records {
            self.journal.settle(*record, *position);
        }
        self.follow_commits();
        self.pump_holding();
        self.put_out();
        if !self.is_store_behind() {
            self.resume_handings();
        }
    }

    /// Sends what waited for the store, as far as it has come.
    fn pump_holding(&mut self) {
        for me in std::mem::take(&mut self.exchanges.holding) {
            let session = self.session_mut(me.slot);
            if let Some(session) = session.filter(|session| session.me == me) {
                if let Some(window) = &mut session.window {
                    window.go_on();
                }
                self.pump(me.slot);
            }
        }
    }

    /// What waits for the store: what tests check against growth without end.
    pub fn store_waiting(&self) -> StoreWaiting {
        let exchanges = &self.exchanges;
        let (copies, _) = self.handings.size();
        StoreWaiting {
            answers: exchanges.waiting(),
            bytes: self.journal.waiting_bytes(),
            sessions: exchanges.holding.len(),
            connections: exchanges.held.len(),
            ended: self.leaving.len(),
            copies: copies as usize,
        }
    }

    /// Records that are live or on their way, and messages that are kept: what tests check against
    /// leaks.
    pub fn kept_counts(&self) -> (usize, usize) {
        (self.journal.len(), self.kept.len())
    }
}
