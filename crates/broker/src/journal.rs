//! What a shard wants kept on disk: records to append and records to forget, gathered into batches,
//! and what waits until a batch is there.
//!
//! The core knows a store only by this. It writes records of its own making (see `record.rs`), hears
//! later at which position a batch begins, and names positions when it has no more use for them.

/// Records to append and positions to release as one step: after a crash all of it is there, or
/// nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// By which [`StoreEvent::Durable`] names this batch. Tickets of a shard count up.
    pub ticket: u64,
    /// The records, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    pub ends: Vec<usize>,
    /// Positions of records that are no longer needed.
    pub releases: Vec<u64>,
}

/// What the store tells a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// A batch is as safe as the store promises, and so are all before it. Batches without records
    /// may be reported or not.
    Durable {
        /// Which batch.
        ticket: u64,
        /// The position of its first record; the others follow it.
        first: u64,
    },
    /// The disk has no room for what was handed over. The driver keeps it and tries again; batches
    /// that only release may pass it.
    Full,
    /// There is room again: what was kept is durable, as reported before this.
    Room,
    /// The disk failed: nothing will ever be reported durable any more.
    Failed,
}
