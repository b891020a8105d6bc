//! From the records of a store back to what the shards knew.
//!
//! The driver hands in every live record in the order of positions, then takes one part for each
//! shard. How many shards wrote the records does not matter.

use crate::event::Now;
use crate::journal::Records;

/// Gathers records.
#[derive(Debug, Default)]
pub struct Recovery {}

/// What was found, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveredCounts {
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions, shared ones included.
    pub subscriptions: u64,
    /// Copies of messages that wait in sessions, unfinished deliveries included.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
    /// Records that mean nothing to this program, or refer to others that are gone.
    pub unusable: u64,
}

/// What one shard starts with; see [`Shard::restore`](crate::Shard::restore).
#[derive(Debug)]
pub struct RecoveredShard {}

/// All that was found.
#[derive(Debug)]
pub struct Recovered {
    /// By shard.
    pub shards: Vec<RecoveredShard>,
    /// For the report.
    pub counts: RecoveredCounts,
    /// To be committed before the shards start: the seed of a new store, records that had to be
    /// written anew, because there is another number of shards, and positions that nobody needs any more. The positions of what
    /// it appends are not needed. Empty most of the time.
    pub repair: Records,
}

impl Recovery {
    /// Nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a record. What it cannot read is counted as unusable and left alone.
    pub fn take(&mut self, position: u64, record: &[u8]) {
        let _ = (position, record);
    }

    /// The seed that the shards of this store were made with. Shards that are made with it again
    /// find their own messages; with another one they are found too, but many are written anew.
    pub fn seed(&self) -> Option<u64> {
        None
    }

    /// Deals out what was found to shards that are made with this seed, which is noted in the store.
    pub fn finish(self, shards: u16, seed: u64, now: Now) -> Recovered {
        let _ = (seed, now);
        Recovered {
            shards: (0..shards).map(|_| RecoveredShard {}).collect(),
            counts: RecoveredCounts::default(),
            repair: Records::default(),
        }
    }
}
