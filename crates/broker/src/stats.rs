//! Counters of one shard.

use crate::outcome::Outcome;

/// Plain counters and gauges; read by `$SYS`, metrics and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How often each [`Outcome`] happened, by its number.
    pub outcomes: [u64; Outcome::COUNT],
    /// Copies of messages made for subscribers. Each ends as delivered or dropped, or waits.
    pub copies: u64,
    /// Packets received and decoded.
    pub packets_received: u64,
    /// Packets written to connections.
    pub packets_sent: u64,
    /// PUBLISH packets among them.
    pub publish_received: u64,
    /// PUBLISH packets among them.
    pub publish_sent: u64,
    /// Payload bytes of received PUBLISH packets.
    pub publish_bytes_received: u64,
    /// Payload bytes of sent PUBLISH packets.
    pub publish_bytes_sent: u64,
    /// Bytes received from connections.
    pub bytes_received: u64,
    /// Bytes handed to the driver and taken by it.
    pub bytes_sent: u64,
    /// Connections that listeners accepted.
    pub sockets_opened: u64,
    /// CONNECT packets received.
    pub connects_received: u64,
    /// Connections now, established or not.
    pub connections: u64,
    /// Clients connected now.
    pub clients_connected: u64,
    /// Sessions, connected or not.
    pub sessions: u64,
    /// Subscriptions, shared ones included.
    pub subscriptions: u64,
    /// Shared subscriptions.
    pub shared_subscriptions: u64,
    /// Bytes of the filters of all subscriptions, share names included.
    pub subscription_bytes: u64,
    /// Bytes of Wills.
    pub will_bytes: u64,
    /// Retained messages.
    pub retained_messages: u64,
    /// Bytes of retained messages.
    pub retained_bytes: u64,
    /// Messages that wait in queues.
    pub queued_messages: u64,
    /// Bytes that wait in queues.
    pub queued_bytes: u64,
    /// QoS 1 and 2 messages sent, or about to be, and not settled.
    pub inflight_messages: u64,
    /// Bytes (properties and payloads) of messages that wait in queues, are in the store, and are in
    /// memory as well. One message counts once, however many sessions wait for it.
    pub queued_bytes_in_memory: u64,
    /// Bytes of the flight recorder; 0 but in the answer to
    /// [`Request::Stats`](crate::query::Request::Stats), as is the next.
    pub recorder_bytes: u64,
    /// Events that were pushed out of the flight recorder.
    pub recorder_overwritten: u64,
    /// Topics in the recorder's table of topics; 0 as the two above, as is the next.
    pub topics: u64,
    /// Topics that had to make room for others in that table, and messages to topics that are too long
    /// for it.
    pub topics_forgotten: u64,
    /// Connections whose input waits for the disk; 0 as those above.
    pub connections_held: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            outcomes: [0; Outcome::COUNT],
            copies: 0,
            packets_received: 0,
            packets_sent: 0,
            publish_received: 0,
            publish_sent: 0,
            publish_bytes_received: 0,
            publish_bytes_sent: 0,
            bytes_received: 0,
            bytes_sent: 0,
            sockets_opened: 0,
            connects_received: 0,
            connections: 0,
            clients_connected: 0,
            sessions: 0,
            subscriptions: 0,
            shared_subscriptions: 0,
            subscription_bytes: 0,
            will_bytes: 0,
            retained_messages: 0,
            retained_bytes: 0,
            queued_messages: 0,
            queued_bytes: 0,
            inflight_messages: 0,
            queued_bytes_in_memory: 0,
            recorder_bytes: 0,
            recorder_overwritten: 0,
            topics: 0,
            topics_forgotten: 0,
            connections_held: 0,
        }
    }
}

impl Stats {
    /// Counts an outcome.
    #[inline]
    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.count_many(outcome, 1);
    }

    /// Counts an outcome several times.
    pub(crate) fn count_many(&mut self, outcome: Outcome, times: u64) {
        if let Some(counter) = self.outcomes.get_mut(outcome as usize) {
            *counter += times;
        }
    }

    /// How often an outcome happened.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes
            .get(outcome as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Copies that are no longer anybody's concern: delivered, handed to another member of the
    /// group, or dropped with a reason.
    pub fn settled_copies(&self) -> u64 {
        let accepted = [
            Outcome::DeliverSent,
            Outcome::DeliverAcked,
            Outcome::DeliverOtherSharedMember,
        ];
        let accepted: u64 = accepted
            .into_iter()
            .map(|outcome| self.outcome(outcome))
            .sum();
        accepted + self.dropped_copies()
    }

    /// Copies that were dropped, whatever the reason.
    pub fn dropped_copies(&self) -> u64 {
        let dropped = Outcome::ALL
            .iter()
            .filter(|outcome| outcome.is_dropped_copy());
        dropped.map(|outcome| self.outcome(*outcome)).sum()
    }

    /// Copies that are neither delivered, dropped, queued nor in flight: 0, or a message was lost
    /// without a reason, or counted twice.
    pub fn unaccounted_copies(&self) -> i64 {
        let known = self.settled_copies() + self.queued_messages + self.inflight_messages;
        self.copies.wrapping_sub(known).cast_signed()
    }

    /// Adds another shard's counters.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.outcomes.iter_mut().zip(&other.outcomes) {
            *mine += theirs;
        }
        self.copies += other.copies;
        self.packets_received += other.packets_received;
        self.packets_sent += other.packets_sent;
        self.publish_received += other.publish_received;
        self.publish_sent += other.publish_sent;
        self.publish_bytes_received += other.publish_bytes_received;
        self.publish_bytes_sent += other.publish_bytes_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.sockets_opened += other.sockets_opened;
        self.connects_received += other.connects_received;
        self.connections += other.connections;
        self.clients_connected += other.clients_connected;
        self.sessions += other.sessions;
        self.subscriptions += other.subscriptions;
        self.shared_subscriptions += other.shared_subscriptions;
        self.subscription_bytes += other.subscription_bytes;
        self.will_bytes += other.will_bytes;
        self.retained_messages += other.retained_messages;
        self.retained_bytes += other.retained_bytes;
        self.queued_messages += other.queued_messages;
        self.queued_bytes += other.queued_bytes;
        self.inflight_messages += other.inflight_messages;
        self.queued_bytes_in_memory += other.queued_bytes_in_memory;
        self.recorder_bytes += other.recorder_bytes;
        self.recorder_overwritten += other.recorder_overwritten;
        self.topics += other.topics;
        self.topics_forgotten += other.topics_forgotten;
        self.connections_held += other.connections_held;
    }
}

/// What a shard has that waits for the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreWaiting {
    /// Answers to clients and to other shards.
    pub answers: usize,
    /// Bytes of records and releases.
    pub bytes: usize,
    /// Sessions that hold messages back.
    pub sessions: usize,
    /// Connections whose input waits.
    pub connections: usize,
    /// Clients whose sessions have ended.
    pub ended: usize,
    /// Copies of shared groups that are to be handed on.
    pub copies: usize,
}
