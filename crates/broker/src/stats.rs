//! Counters of one shard.

use crate::outcome::Outcome;

/// Plain counters; read by `$SYS`, metrics and tests.
#[derive(Clone, Debug)]
pub struct Stats {
    /// How often each [`Outcome`] happened, by its number.
    pub outcomes: [u64; Outcome::COUNT],
}
