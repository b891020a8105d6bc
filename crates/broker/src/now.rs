//! The two clocks of a shard.

/// The time, read once per tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the broker started; never goes back. All timers go by it.
    pub mono_ms: u64,
    /// Milliseconds since 1970; may jump. For people only.
    pub unix_ms: u64,
}
