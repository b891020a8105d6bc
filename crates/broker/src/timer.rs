//! Deadlines of one shard.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is due.
///
/// Owners are named by slot and serial, so that a deadline that outlives its owner is noticed when
/// it fires. Nothing is cancelled: whoever is called looks whether it is still due, and asks again
/// for later if not. A keep alive thus costs nothing per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A new connection must have sent its CONNECT.
    Connect { index: u32, generation: u32 },
    /// A connection must have sent something.
    KeepAlive { index: u32, generation: u32 },
    /// A session without a connection ends.
    SessionExpiry { slot: u32, serial: u32 },
    /// A Will is published.
    WillDelay { slot: u32, serial: u32 },
    /// The oldest retained message with an expiry ends.
    RetainedExpiry,
    /// `$SYS` is brought up to date.
    Sys,
    /// What was left out of the log is told.
    Reports,
    /// The store is told which copies of messages are settled while others are not.
    SaveSettled,
    /// A connection has waited to take over.
    Takeover { index: u32, generation: u32 },
}

/// A heap of deadlines, earliest first; equal ones in the order of [`Timer`].
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at_ms: u64, timer: Timer) {
        self.heap.push(Reverse((at_ms, timer)));
    }

    /// The earliest deadline.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// Takes the earliest timer if it is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops timers that nobody waits for.
    pub(crate) fn retain(&mut self, keep: impl Fn(u64, Timer) -> bool) {
        self.heap
            .retain(|Reverse((at_ms, timer))| keep(*at_ms, *timer));
    }
}
