//! What the store tells, and who waits for it.

use columba_codec::{Packet, QoS};

use super::Shard;
use crate::event::{ConnectionId, ShardId};
use crate::hash::Map;
use crate::journal::{RecordId, Settled, StoreEvent};
use crate::mail::Letter;
use crate::outcome::Outcome;

/// Answers that wait for other shards or for the disk; then clients whose packets call for more of
/// them have to wait.
const ANSWERS_MAX: usize = 1 << 16;

impl Shard {
    pub(super) fn is_store_behind(&self) -> bool {
        self.journal.is_behind(self.limits.store_waiting_bytes_max)
            || self.exchanges.waiting() > ANSWERS_MAX
    }

    /// Whether a packet has to wait because the store does not keep up.
    pub(super) fn must_wait_for_store(&self, packet: &Packet<'_>) -> bool {
        if !self.is_store_behind() {
            return false;
        }
        match packet {
            Packet::Publish(publish) => publish.qos != QoS::AtMostOnce || publish.retain,
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => true,
            _ => false,
        }
    }

    /// Input of a connection waits until the store keeps up.
    #[cold]
    pub(super) fn hold_for_store(&mut self, id: ConnectionId) {
        self.stats.count(Outcome::PublishStoreWait);
        if let Some(connection) = self.connection_mut(id) {
            connection.is_input_held = true;
            self.exchanges.held.push(id);
        }
    }

    pub(super) fn on_store(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Written { ticket } => {
                self.journal.on_written(ticket);
                self.follow_commits();
            }
            StoreEvent::Durable { ticket, first } => self.on_durable(ticket, first),
            StoreEvent::Full => self.journal.on_full(),
            StoreEvent::Room => self.journal.on_room(),
            StoreEvent::Failed => self.journal.on_failed(),
        }
        if !self.exchanges.held.is_empty() && !self.is_store_behind() {
            self.held.extend(self.exchanges.held.drain(..));
        }
        if !self.is_store_behind() {
            self.resume_handings();
        }
    }

    fn on_durable(&mut self, ticket: u64, first: u64) {
        let mut others = Vec::new();
        self.journal.on_durable(ticket, first, &mut others);
        self.tell_stored(&others);
        self.follow_commits();
        self.pump_holding();
        self.put_out();
    }

    fn tell_stored(&mut self, others: &[Settled]) {
        if others.is_empty() {
            return;
        }
        let mut by_shard: Map<ShardId, Vec<(RecordId, u64)>> = Map::with_hasher(self.hashing);
        for settled in others {
            let records = by_shard.entry(settled.shard).or_default();
            records.push((settled.record, settled.position));
        }
        for shard in self.others() {
            if let Some(records) = by_shard.remove(&shard) {
                self.post(shard, Letter::Stored { records });
            }
        }
    }

    pub(super) fn on_stored(&mut self, records: Vec<(RecordId, u64)>) {
        for (record, position) in records {
            self.journal.settle(record, position);
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
            if self
                .session(me.slot)
                .is_some_and(|session| session.me == me)
            {
                self.pump(me.slot);
            }
        }
    }

    /// Records that are live or on their way, and messages that are kept: what tests check against
    /// leaks.
    pub fn kept_counts(&self) -> (usize, usize) {
        (self.journal.len(), self.kept.len())
    }
}
