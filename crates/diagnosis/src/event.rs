//! An entry of the recorder on its own, and where it stands among others.

use std::net::SocketAddr;

use columba_broker::outcome::Outcome;
use columba_broker::recorder::{Entry, PayloadKind, TapeName, address_of};
use columba_codec::QoS;

/// An entry of the recorder, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose tape.
    pub shard: u16,
    /// Which tape.
    pub tape: TapeName,
    /// Counts the entries of a tape.
    pub sequence: u64,
    /// When; of several times the last one.
    pub unix_ms: u64,
    /// The first of these times.
    pub first_unix_ms: u64,
    /// How often.
    pub times: u64,
    /// What.
    pub outcome: Outcome,
    /// See [`columba_broker::recorder::Facts`], for this and all below.
    pub client: String,
    /// Somebody else who is part of it.
    pub by: String,
    /// A topic, or a filter.
    pub topic: String,
    /// In words.
    pub detail: String,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The number of the message; 0 for none.
    pub message: u64,
    /// Quality of service.
    pub qos: Option<QoS>,
    /// See [`columba_broker::recorder::flag`].
    pub flags: u16,
    /// Of a copy.
    pub packet_id: u16,
    /// Bytes.
    pub size_bytes: u64,
    /// How many.
    pub count: u64,
    /// How long.
    pub secs: u64,
    /// What the payload looks like.
    pub payload: Option<PayloadKind>,
}

/// So long a letter may take to another shard: a message to its subscribers, or word of a subscription. What
/// comes of a letter has no earlier stamp than what it tells; what another shard does before it has come may
/// have a later one.
pub const BETWEEN_SHARDS_MS: u64 = 1_000;

impl Event {
    /// Whether another shard noted this at about the time of something else: word of the one may not have
    /// come there when the other happened, whatever the stamps say.
    pub fn may_be_simultaneous_with(&self, other: &Self) -> bool {
        self.shard != other.shard && self.unix_ms.abs_diff(other.unix_ms) <= BETWEEN_SHARDS_MS
    }

    /// The client's address for people, without a port if it stands for several.
    pub fn address(&self) -> Option<String> {
        self.peer.map(address_of)
    }
}

/// The order of events. Within a millisecond tapes have none among each other, and the line of a
/// publication is written after those of its copies.
pub fn order(event: &Event) -> (u64, u8, u16, TapeName, u64) {
    let rank = match event.outcome {
        Outcome::PublishAccepted | Outcome::PublishNoMatch => 1,
        outcome if outcome.name().starts_with("deliver.") => 2,
        _ => 0,
    };
    (event.unix_ms, rank, event.shard, event.tape, event.sequence)
}

/// An entry with what it borrows.
pub(crate) fn owned(shard: u16, tape: TapeName, entry: &Entry<'_>) -> Event {
    let facts = &entry.facts;
    Event {
        shard,
        tape,
        sequence: entry.sequence,
        unix_ms: entry.unix_ms,
        first_unix_ms: entry.first_unix_ms,
        times: entry.times,
        outcome: entry.outcome,
        client: facts.client.to_owned(),
        by: facts.by.to_owned(),
        topic: facts.topic.to_owned(),
        detail: facts.detail.to_owned(),
        peer: facts.peer,
        message: facts.message,
        qos: facts.qos,
        flags: facts.flags,
        packet_id: facts.packet_id,
        size_bytes: facts.size_bytes,
        count: facts.count,
        secs: facts.secs,
        payload: facts.payload,
    }
}
