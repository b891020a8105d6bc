//! Counters of one shard.

mod times;

use columba_codec::{PacketType, QoS, Version};

use crate::access::Action;
use crate::outcome::Outcome;

pub use times::{DELIVERY_MS, DeliveryTimes};

/// One counter for each type of packet, by its number.
pub type ByType = [u64; 16];

/// One counter for each QoS.
pub type ByQoS = [u64; 3];

/// Versions of MQTT that are told apart: 3.1, 3.1.1 and 5.
pub const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Plain counters and gauges; read by `$SYS`, metrics and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How often each [`Outcome`] happened, by its number.
    pub outcomes: [u64; Outcome::COUNT],
    /// Copies of messages made for subscribers. Each ends as delivered or dropped, or waits.
    pub copies: u64,
    /// Packets received and decoded, but for PUBLISH.
    pub received: ByType,
    /// Packets written to connections, but for PUBLISH.
    pub sent: ByType,
    /// PUBLISH packets received.
    pub publishes_received: ByQoS,
    /// PUBLISH packets written to connections.
    pub publishes_sent: ByQoS,
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
    /// What came of CONNECT packets, by version and [`Outcome`]: those whose version was known.
    pub connects: [[u64; Outcome::COUNT]; VERSIONS.len()],
    /// Clients let in by their credentials.
    pub logins_accepted: u64,
    /// Clients let in without credentials.
    pub anonymous_accepted: u64,
    /// Questions to the access rules, by [`Action`]: how many were denied, and how many allowed.
    pub access_checks: [[u64; 2]; 3],
    /// How long copies took that the flight recorder followed.
    pub delivery_times: DeliveryTimes,
    /// Connections now, established or not.
    pub connections: u64,
    /// Those of them that read too slowly: messages wait for room in their sockets, or were dropped.
    pub connections_stalled: u64,
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
    /// Retained messages, without those of the broker itself below `$SYS`.
    pub retained_messages: u64,
    /// Bytes of these.
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
    /// Events that the flight recorder has written.
    pub recorder_events: u64,
    /// Events that were pushed out of the flight recorder.
    pub recorder_overwritten: u64,
    /// Topics in the recorder's table of topics; 0 as the two above, as is the next.
    pub topics: u64,
    /// Topics that had to make room for others in that table, and messages to topics that are too long
    /// for it.
    pub topics_forgotten: u64,
    /// Connections whose input waits for the disk, or the answer to it if the disk takes nothing; 0 as those
    /// above.
    pub connections_held: u64,
    /// Client ids that change hands so often that the next to come has to wait; 0 as those above.
    pub takeover_loops: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            outcomes: [0; Outcome::COUNT],
            copies: 0,
            received: [0; 16],
            sent: [0; 16],
            publishes_received: [0; 3],
            publishes_sent: [0; 3],
            publish_bytes_received: 0,
            publish_bytes_sent: 0,
            bytes_received: 0,
            bytes_sent: 0,
            sockets_opened: 0,
            connects: [[0; Outcome::COUNT]; VERSIONS.len()],
            logins_accepted: 0,
            anonymous_accepted: 0,
            access_checks: [[0; 2]; 3],
            delivery_times: DeliveryTimes::default(),
            connections: 0,
            connections_stalled: 0,
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
            recorder_events: 0,
            recorder_overwritten: 0,
            topics: 0,
            topics_forgotten: 0,
            connections_held: 0,
            takeover_loops: 0,
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

    /// Counts what came of a CONNECT.
    pub(crate) fn count_connect(&mut self, version: Version, outcome: Outcome) {
        let of_version = VERSIONS.iter().position(|of| *of == version);
        let of_version = of_version.and_then(|at| self.connects.get_mut(at));
        if let Some(counter) = of_version.and_then(|of| of.get_mut(outcome as usize)) {
            *counter += 1;
        }
    }

    /// Counts an answer of the access rules.
    #[inline]
    pub(crate) fn count_access_check(&mut self, action: Action, is_allowed: bool) {
        let of_action = self.access_checks.get_mut(action as usize);
        if let Some(counter) = of_action.and_then(|of| of.get_mut(usize::from(is_allowed))) {
            *counter += 1;
        }
    }

    /// How often the access rules denied an action, and how often they allowed it.
    pub fn access_checks_of(&self, action: Action) -> [u64; 2] {
        let of_action = self.access_checks.get(action as usize);
        of_action.copied().unwrap_or_default()
    }

    /// Counts a packet from a client that is no PUBLISH.
    #[inline]
    pub(crate) fn count_received(&mut self, packet: PacketType) {
        if let Some(counter) = self.received.get_mut(packet as usize) {
            *counter += 1;
        }
    }

    /// Counts a packet to a client that is no PUBLISH, by its first byte.
    #[inline]
    pub(crate) fn count_sent(&mut self, first_byte: u8) {
        if let Some(counter) = self.sent.get_mut(usize::from(first_byte >> 4)) {
            *counter += 1;
        }
    }

    /// Counts the QoS of a PUBLISH.
    #[inline]
    pub(crate) fn count_qos(counters: &mut ByQoS, qos: QoS) {
        if let Some(counter) = counters.get_mut(qos as usize) {
            *counter += 1;
        }
    }

    /// Packets received and decoded, of all types.
    pub fn packets_received(&self) -> u64 {
        self.received.iter().sum::<u64>() + self.publish_received()
    }

    /// Packets written to connections, of all types.
    pub fn packets_sent(&self) -> u64 {
        self.sent.iter().sum::<u64>() + self.publish_sent()
    }

    /// PUBLISH packets received.
    pub fn publish_received(&self) -> u64 {
        self.publishes_received.iter().sum()
    }

    /// PUBLISH packets written to connections.
    pub fn publish_sent(&self) -> u64 {
        self.publishes_sent.iter().sum()
    }

    /// CONNECT packets received.
    pub fn connects_received(&self) -> u64 {
        self.received_of(PacketType::Connect)
    }

    /// Packets of a type that were received and decoded.
    pub fn received_of(&self, packet: PacketType) -> u64 {
        match packet {
            PacketType::Publish => self.publish_received(),
            _ => of_type(&self.received, packet),
        }
    }

    /// Packets of a type that were written to connections.
    pub fn sent_of(&self, packet: PacketType) -> u64 {
        match packet {
            PacketType::Publish => self.publish_sent(),
            _ => of_type(&self.sent, packet),
        }
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
        add_each(&mut self.outcomes, &other.outcomes);
        self.copies += other.copies;
        add_each(&mut self.received, &other.received);
        add_each(&mut self.sent, &other.sent);
        add_each(&mut self.publishes_received, &other.publishes_received);
        add_each(&mut self.publishes_sent, &other.publishes_sent);
        self.publish_bytes_received += other.publish_bytes_received;
        self.publish_bytes_sent += other.publish_bytes_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.sockets_opened += other.sockets_opened;
        for (mine, theirs) in self.connects.iter_mut().zip(&other.connects) {
            add_each(mine, theirs);
        }
        self.logins_accepted += other.logins_accepted;
        self.anonymous_accepted += other.anonymous_accepted;
        for (mine, theirs) in self.access_checks.iter_mut().zip(&other.access_checks) {
            add_each(mine, theirs);
        }
        self.delivery_times.add(&other.delivery_times);
        self.connections += other.connections;
        self.connections_stalled += other.connections_stalled;
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
        self.recorder_events += other.recorder_events;
        self.recorder_overwritten += other.recorder_overwritten;
        self.topics += other.topics;
        self.topics_forgotten += other.topics_forgotten;
        self.connections_held += other.connections_held;
        self.takeover_loops += other.takeover_loops;
    }
}

fn of_type(counts: &ByType, packet: PacketType) -> u64 {
    counts.get(packet as usize).copied().unwrap_or_default()
}

fn add_each(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
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
