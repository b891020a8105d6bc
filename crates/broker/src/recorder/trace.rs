//! Traces: what becomes of the messages that a filter matches, one by one, for a time and on tapes of
//! their own, whatever the pace of the ledger leaves out.
//!
//! A trace is bounded in time, in bytes and in bytes a second. Without one, a message costs a look at a
//! flag that says so.

use std::sync::Arc;

use columba_codec::topic::matches;

use super::entry::Facts;
use super::repeats::Known;
use super::tape::{Tape, TapeName};
use super::{Recording, TraceId};
use crate::hash::Hashing;
use crate::id::ShardId;
use crate::now::Now;
use crate::outcome::Outcome;

/// Traces at a time, those included that have ended and are still to be read.
pub const TRACES_MAX: usize = 8;

/// How long a trace may go on, in seconds.
pub const TRACE_SECS_MAX: u64 = 3600;

/// In so many seconds a trace writes its whole tape at most.
const SECS_OF_TAPE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Traces {
    all: Vec<Trace>,
    /// Whether any of them still goes on.
    is_on: bool,
}

#[derive(Debug)]
struct Trace {
    id: TraceId,
    filter: Arc<str>,
    ends_mono_ms: u64,
    tape: Tape,
    second: u64,
    used_bytes: usize,
    /// Half of it is for the copies of messages that are followed.
    bytes_per_sec: usize,
    /// Messages and copies since the last line.
    left_out: u64,
}

impl Traces {
    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Begins one, with so many bytes at most; `false`: there are too many.
    pub(super) fn begin(
        &mut self,
        now: Now,
        (id, filter): (TraceId, Arc<str>),
        secs: u64,
        (shard, bytes_max, hashing): (ShardId, usize, Hashing),
    ) -> bool {
        if self.all.len() >= TRACES_MAX {
            return false;
        }
        self.is_on = true;
        self.all.push(Trace {
            id,
            filter,
            ends_mono_ms: now.mono_ms + secs.min(TRACE_SECS_MAX) * 1000,
            tape: Tape::new(TapeName::Ledger, shard, bytes_max, hashing),
            second: 0,
            used_bytes: 0,
            bytes_per_sec: bytes_max / SECS_OF_TAPE,
            left_out: 0,
        });
        true
    }

    /// Forgets one; `false`: there is none.
    pub(super) fn end(&mut self, id: TraceId) -> bool {
        let before = self.all.len();
        self.all.retain(|trace| trace.id != id);
        self.is_on &= !self.all.is_empty();
        self.all.len() < before
    }

    /// Whether a message is to be followed for one of them, and there is room for it.
    pub(super) fn wants(&mut self, now: Now, topic: &str) -> bool {
        let mut is_wanted = false;
        for trace in self.active(now) {
            if matches(&trace.filter, topic) {
                match trace.has_room(now, trace.bytes_per_sec / 2) {
                    true => is_wanted = true,
                    false => trace.left_out += 1,
                }
            }
        }
        is_wanted
    }

    /// Writes a line to those that it belongs to.
    pub(super) fn note(&mut self, now: Now, outcome: Outcome, facts: &Facts<'_>) {
        for trace in self.active(now) {
            if matches(&trace.filter, facts.topic) {
                trace.note(now, outcome, facts);
            }
        }
    }

    /// What one has seen.
    pub(super) fn recording(&self, id: TraceId, shard: ShardId) -> Option<Recording> {
        let trace = self.all.iter().find(|trace| trace.id == id)?;
        let mut chunks = Vec::new();
        trace.tape.read(0, &mut chunks);
        Some(Recording {
            shard: shard.0,
            epoch: 0,
            chunks,
            overwritten: trace.tape.overwritten(),
            left_out: trace.tape.left_out() + trace.left_out,
            holes: Vec::new(),
            off: Vec::new(),
            is_off: false,
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.all.iter().map(|trace| trace.tape.memory_bytes()).sum()
    }

    /// Those that go on. The flag goes down when there are none.
    fn active(&mut self, now: Now) -> impl Iterator<Item = &mut Trace> {
        let goes_on = move |trace: &Trace| now.mono_ms < trace.ends_mono_ms;
        self.is_on = self.all.iter().any(goes_on);
        self.all.iter_mut().filter(move |trace| goes_on(trace))
    }
}

impl Trace {
    fn has_room(&mut self, now: Now, bytes: usize) -> bool {
        let second = now.mono_ms / 1000;
        if self.second != second {
            self.second = second;
            self.used_bytes = 0;
        }
        self.used_bytes < bytes
    }

    fn note(&mut self, now: Now, outcome: Outcome, facts: &Facts<'_>) {
        if !self.has_room(now, self.bytes_per_sec) {
            self.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            self.used_bytes += self.tape.gap(now, left_out);
        }
        self.used_bytes += self.tape.append(now, outcome, facts, Known::once(now));
    }
}
