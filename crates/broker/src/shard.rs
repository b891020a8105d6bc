//! The only entrance to the core.

use std::sync::Arc;

use crate::access::AccessRules;
use crate::event::{ConnectionId, Effect, Input, Now, ShardId};
use crate::limits::{Limits, ListenerSettings};
use crate::output::Output;
use crate::stats::Stats;

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Which shard this is.
    pub id: ShardId,
    /// How many there are.
    pub shards: u16,
    /// Seeds hashing and choices. Secret in production, fixed in tests; the same for all shards.
    pub seed: u64,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// The listeners, by [`ListenerId`](crate::event::ListenerId).
    pub listeners: Arc<[ListenerSettings]>,
    /// Who may do what.
    pub access: Arc<AccessRules>,
}

/// One shard of the broker: a deterministic state machine.
#[derive(Debug)]
pub struct Shard {}

impl Shard {
    /// A shard without clients.
    pub fn new(_config: ShardConfig, _now: Now) -> Self {
        Self {}
    }

    /// Takes one input. Drain [`poll`](Self::poll) before waiting for the next.
    pub fn handle(&mut self, _now: Now, _input: Input<'_>) {}

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Effect> {
        None
    }

    /// When [`Input::DeadlineReached`] is due, in `mono_ms`.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// What waits to be sent to a connection, if anything does.
    pub fn output(&self, _conn: ConnectionId) -> Option<&Output> {
        None
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        unimplemented!()
    }
}
