//! The two clocks of a shard.

/// The time, read once per tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the broker started; never goes back. All timers go by it.
    pub mono_ms: u64,
    /// Milliseconds since 1970; may jump. For people only.
    pub unix_ms: u64,
}

impl Now {
    /// This time, or another one of the same broker if that is later.
    #[inline]
    pub(crate) const fn or_later(self, other: Self) -> Self {
        if other.mono_ms > self.mono_ms {
            other
        } else {
            self
        }
    }
}
