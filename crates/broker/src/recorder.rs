//! The flight recorder: what happened to clients and messages lately, without anybody having asked
//! for it before.
//!
//! It keeps three tapes a shard. *Events* are what went wrong and what changed: connections, sessions,
//! subscriptions, retained messages, refusals, drops. What one client does in excess goes to a tape of
//! its own ([`TapeName::Excess`]), so that a device that flaps pushes out nobody else's history. The
//! *ledger* has every message and every copy of it one by one, as long as that fits: each second it
//! takes so many bytes that it reaches back [`LEDGER_SECS`] at least, and counts what it leaves out.
//! A topic that was quiet gets its place even then. Beside the tapes, a table has the sums of what was
//! published to each topic lately.
//!
//! The cost is bounded by construction: above the pace of the ledger a message costs a comparison, and
//! the same fault of the same client is written once and counted after that. Nothing of a payload is
//! kept but its size and what it looks like.

mod entry;
mod fair;
mod payload;
mod private;
mod repeats;
mod tape;
mod topics;
mod trace;

use std::sync::Arc;

use crate::hash::{Hashing, hash_of};
use crate::id::ShardId;
use crate::now::Now;
use crate::outcome::{Effectively, Outcome};

pub use entry::{Entry, Facts, address_of, flag};
pub use fair::{BURST, REFILL_SECS};
pub use payload::PayloadKind;
pub use tape::{Chunk, Damaged, Entries, Line, TapeName};
pub use trace::{TRACE_SECS_MAX, TRACES_MAX};

use fair::Fairness;
use private::PrivateTopics;
use repeats::{Known, Repeats};
use tape::Tape;
use topics::TopicTable;
pub(crate) use topics::{Taken, Traffic};
use trace::Traces;

/// So many times that it was off are told apart.
const HOLES_MAX: usize = 16;
/// How far back the ledger reaches at least, in seconds, at any load.
pub const LEDGER_SECS: u64 = 60;

/// What the tables of repeated faults, allowances and quiet topics take at most, all together.
const TABLES_BYTES: usize = 160 * 1024;

/// Topics that are told apart, by hash, to know the quiet ones.
const QUIET_SLOTS: usize = 2048;

/// In the number of a message: it is followed for a trace alone, and is not in the ledger.
const TRACED_ONLY: u64 = 1 << 47;

/// In the number of a message: it was found in the store, so that the number does not tell its age.
const FOUND: u64 = 1 << 46;

/// Names a trace, as whoever begins it numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u64);

/// The recorder of one shard.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Bytes of all tapes at most; 0 turns it off.
    bytes_max: usize,
    shard: ShardId,
    hashing: Hashing,
    events: Tape,
    excess: Tape,
    ledger: Tape,
    repeats: Repeats,
    fairness: Fairness,
    pace: Pace,
    traces: Traces,
    topics: TopicTable,
    private: PrivateTopics,
    /// How often the tapes were begun anew.
    epoch: u64,
    /// Since when it has been off, if it is, in milliseconds since 1970.
    off_ms: Option<u64>,
    /// When it was off before.
    holes: Vec<(u64, u64)>,
    /// The last message that got a number.
    messages: u64,
    clock: Clock,
}

/// How long ago a message was accepted that has a number; `None` if another process accepted it. On a
/// shard that follows more messages in a millisecond than that has numbers for, the last of them seem to
/// come later, and never to take less than no time.
pub(crate) const fn followed_for_ms(number: u64, now: Now) -> Option<u64> {
    if is_found(number) {
        return None;
    }
    let of_shard = number & (FOUND - 1);
    let since_ms = of_shard >> NUMBERS_PER_MS_BITS;
    Some(now.mono_ms.saturating_sub(since_ms))
}

/// Whether a message with this number was taken in by an earlier process than the one that gave it.
pub const fn is_found(number: u64) -> bool {
    number & FOUND != 0
}

/// The numbers of a millisecond, as a power of 2.
const NUMBERS_PER_MS_BITS: u32 = 8;

/// Where the shard stands in a number. The time below it, [`TRACED_ONLY`] and [`FOUND`] lasts for
/// 8 years.
const SHARD_SHIFT: u32 = 48;

/// The wall clock, as far ahead of the one that never goes back as it was at first: two tapes must not
/// disagree by the millisecond that is lost when each clock is rounded.
#[derive(Debug, Default)]
struct Clock {
    ahead_ms: Option<i64>,
}

/// The wall clock was set if it is off by more than this.
const CLOCK_DRIFT_MS: i64 = 500;

impl Clock {
    fn of(&mut self, now: Now) -> Now {
        let ahead_ms = now.unix_ms as i64 - now.mono_ms as i64;
        let known_ms = *self.ahead_ms.get_or_insert(ahead_ms);
        if (ahead_ms - known_ms).abs() > CLOCK_DRIFT_MS {
            self.ahead_ms = Some(ahead_ms);
            return now;
        }
        Now {
            unix_ms: u64::try_from(now.mono_ms as i64 + known_ms).unwrap_or_default(),
            ..now
        }
    }
}

/// The tape of what everybody did, and that of what some did in excess.
struct EventTapes<'a> {
    private: &'a PrivateTopics,
    fairness: &'a mut Fairness,
    events: &'a mut Tape,
    excess: &'a mut Tape,
}

impl EventTapes<'_> {
    /// Writes to the one that has room for this client.
    fn append(
        &mut self,
        now: Now,
        client_hash: u64,
        outcome: Outcome,
        facts: &Facts<'_>,
        known: Known,
    ) {
        let tape = match self.fairness.admits(client_hash, now) {
            true => &mut *self.events,
            false => &mut *self.excess,
        };
        tape.append(now, outcome, &self.private.cover(facts), known);
    }
}

/// How much of the present second's share of the ledger is used.
#[derive(Debug)]
struct Pace {
    second: u64,
    used_bytes: usize,
    /// All that may be used. Half of it is for topics that were quiet, and for the copies of messages
    /// that are followed already.
    bytes_per_sec: usize,
    /// When a topic was last followed, in seconds, by the lower bits of its hash.
    quiet: Vec<u32>,
    /// Messages that were not followed since the last one that was.
    left_out: u64,
    /// The topic, by hash, of the last message that was left out, and when that was.
    skipped: (u64, u64),
}

/// The first entry of each tape that somebody has not got yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the events.
    pub events: u64,
    /// Of what is in excess.
    pub excess: u64,
    /// Of the ledger.
    pub ledger: u64,
}

/// What a recorder holds: parts of it at the time of asking, to be read by another thread.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Which shard's.
    pub shard: u16,
    /// How often its tapes were begun anew, as they are when their size is changed.
    pub epoch: u64,
    /// The chunks of all tapes, each tape in order.
    pub chunks: Vec<Arc<Chunk>>,
    /// Entries that were pushed out of the events so far.
    pub overwritten: u64,
    /// Messages that the ledger has left out so far.
    pub left_out: u64,
    /// From when to when nothing is known, in milliseconds since 1970: around the end of a process that
    /// was killed, and while the recorder was off.
    pub holes: Vec<(u64, u64)>,
    /// Those of them in which the recorder was off.
    pub off: Vec<(u64, u64)>,
    /// Whether it is off now.
    pub is_off: bool,
}

impl Recorder {
    pub(crate) fn new(shard: ShardId, bytes_max: usize, hashing: Hashing) -> Self {
        // The tables beside the tapes have one size, however small the tapes are. The table of topics
        // has room for as much again as it fills, since what it is kept in grows by doubling.
        let share = (bytes_max - TABLES_BYTES.min(bytes_max / 4)) / 16;
        let (events, excess, ledger, topics) = (share * 5, share, share * 8, share);
        Self {
            bytes_max,
            shard,
            hashing,
            events: Tape::new(TapeName::Events, shard, events, hashing),
            excess: Tape::new(TapeName::Excess, shard, excess, hashing),
            ledger: Tape::new(TapeName::Ledger, shard, ledger, hashing),
            repeats: Repeats::default(),
            fairness: Fairness::default(),
            pace: Pace {
                second: 0,
                used_bytes: 0,
                bytes_per_sec: ledger / LEDGER_SECS as usize,
                quiet: Vec::new(),
                left_out: 0,
                skipped: (0, u64::MAX),
            },
            traces: Traces::default(),
            topics: TopicTable::new(topics),
            private: PrivateTopics::default(),
            epoch: 0,
            off_ms: (bytes_max == 0).then_some(0),
            holes: Vec::new(),
            messages: 0,
            clock: Clock::default(),
        }
    }

    /// Takes the wall clock to be as far ahead as it is now.
    pub(crate) fn set_clock(&mut self, now: Now) {
        self.clock = Clock::default();
        self.clock.of(now);
    }

    /// Uses so many bytes from now on.
    pub(crate) fn resize(&mut self, now: Now, bytes_max: usize, hashing: Hashing) {
        if bytes_max != self.bytes_max {
            let now_ms = self.clock.of(now).unix_ms;
            let mut holes = std::mem::take(&mut self.holes);
            holes.extend(self.off_ms.map(|since_ms| (since_ms, now_ms)));
            if holes.len() > HOLES_MAX {
                // The two oldest become one.
                let oldest = holes.remove(0);
                holes
                    .first_mut()
                    .into_iter()
                    .for_each(|next| next.0 = oldest.0);
            }
            let new = Self::new(self.shard, bytes_max, hashing);
            let again = |old: &Tape, new: &Tape| old.emptied(new.bytes_max(), hashing);
            *self = Self {
                epoch: self.epoch + 1,
                off_ms: (bytes_max == 0).then_some(now_ms),
                holes,
                events: again(&self.events, &new.events),
                excess: again(&self.excess, &new.excess),
                ledger: again(&self.ledger, &new.ledger),
                messages: self.messages,
                traces: std::mem::take(&mut self.traces),
                clock: std::mem::take(&mut self.clock),
                private: std::mem::take(&mut self.private),
                ..new
            };
        }
    }

    /// Keeps the names of topics that these filters match out of the record from now on, and lists none of
    /// them any more.
    pub(crate) fn keep_private(&mut self, filters: &Arc<[Box<str>]>) {
        self.private = PrivateTopics::new(filters);
        let private = &self.private;
        self.topics
            .remove_if(|topic| private.covering(topic).is_some());
    }

    /// Begins a trace of messages whose topics match a filter, with so many bytes at most; `false`: there
    /// are [`TRACES_MAX`] already.
    pub(crate) fn begin_trace(
        &mut self,
        now: Now,
        what: (TraceId, Arc<str>),
        secs: u64,
        (bytes_max, hashing): (usize, Hashing),
    ) -> bool {
        let room = (self.shard, bytes_max, hashing);
        self.traces.begin(now, what, secs, room)
    }

    /// Forgets a trace; `false`: there is none.
    pub(crate) fn end_trace(&mut self, id: TraceId) -> bool {
        self.traces.end(id)
    }

    /// What a trace has seen, as [`recording`](Self::recording) does.
    pub(crate) fn recording_of(&self, id: TraceId) -> Option<Recording> {
        self.traces.recording(id, self.shard)
    }

    /// The number of a message if the ledger or a trace is to follow it, or 0. Numbers are not used
    /// twice by one process, on no shard.
    #[inline]
    pub(crate) fn follow(&mut self, now: Now, topic: &str, topic_hash: u64) -> u64 {
        let number = if self.bytes_max == 0 {
            0
        } else if self.pace.skipped == (topic_hash, now.mono_ms) {
            // Within a second there is not more room later.
            self.pace.left_out += 1;
            0
        } else {
            self.follow_in_ledger(now, topic_hash)
        };
        if number == 0 && self.traces.is_on() && self.traces.wants(now, topic) {
            return self.next_number(now) | TRACED_ONLY;
        }
        number
    }

    /// The same for a message that an earlier process took in.
    pub(crate) fn follow_found(&mut self, now: Now, topic: &str, topic_hash: u64) -> u64 {
        match self.follow(now, topic, topic_hash) {
            0 => 0,
            number => number | FOUND,
        }
    }

    #[inline]
    fn follow_in_ledger(&mut self, now: Now, topic_hash: u64) -> u64 {
        let second = now.mono_ms / 1000;
        if self.pace.second != second {
            self.pace.second = second;
            self.pace.used_bytes = 0;
        }
        if self.pace.used_bytes >= self.pace.bytes_per_sec / 2 && !self.pace.is_quiet(topic_hash) {
            self.pace.left_out += 1;
            self.pace.skipped = (topic_hash, now.mono_ms);
            return 0;
        }
        self.follow_topic(now, topic_hash)
    }

    #[inline(never)]
    fn follow_topic(&mut self, now: Now, topic_hash: u64) -> u64 {
        self.pace.note(topic_hash);
        self.next_number(now)
    }

    /// Numbers grow with the time, so that they tell it, see [`followed_for_ms`].
    const fn next_number(&mut self, now: Now) -> u64 {
        self.messages += 1;
        let earliest = now.mono_ms << NUMBERS_PER_MS_BITS;
        if self.messages < earliest {
            self.messages = earliest;
        }
        (self.shard.0 as u64) << SHARD_SHIFT | self.messages
    }

    /// Writes a line about a message that the ledger or a trace follows, or a copy of one.
    pub(crate) fn note_in_ledger(&mut self, now: Now, outcome: Outcome, facts: &Facts<'_>) {
        if facts.message == 0 {
            return;
        }
        let facts = &self.private.cover(facts);
        if self.traces.is_on() {
            let now = self.clock.of(now);
            self.traces.note(now, outcome, facts);
        }
        if facts.message & TRACED_ONLY != 0 {
            return;
        }
        if self.pace.used_bytes >= self.pace.bytes_per_sec {
            self.pace.left_out += 1;
            return;
        }
        let now = self.clock.of(now);
        let left_out = std::mem::take(&mut self.pace.left_out);
        let mut bytes = 0;
        if left_out > 0 {
            bytes += self.ledger.gap(now, left_out);
        }
        bytes += self.ledger.append(now, outcome, facts, Known::once(now));
        self.pace.used_bytes += bytes;
    }

    /// Writes an event of a client, or of nobody known. `client_hash` tells clients apart.
    pub(crate) fn note_event(
        &mut self,
        now: Now,
        outcome: Outcome,
        client_hash: u64,
        facts: &Facts<'_>,
    ) {
        if self.bytes_max == 0 {
            return;
        }
        let now = self.clock.of(now);
        let facts = &without_trace(facts);
        self.tapes()
            .append(now, client_hash, outcome, facts, Known::once(now));
    }

    fn tapes(&mut self) -> EventTapes<'_> {
        EventTapes {
            private: &self.private,
            fairness: &mut self.fairness,
            events: &mut self.events,
            excess: &mut self.excess,
        }
    }

    /// The same for a fault that may come again and again: the first of them is written, the others
    /// are counted, and what was counted is written at last. A denial by another rule is another fault.
    /// What happens to nobody in particular is told apart by the hash alone.
    pub(crate) fn note_fault(
        &mut self,
        now: Now,
        outcome: Outcome,
        client_hash: u64,
        topic_hash: u64,
        facts: &Facts<'_>,
    ) {
        if self.traces.is_on() && facts.message == 0 && is_refused_publish(outcome) {
            // It never became a message that has a number.
            let now = self.clock.of(now);
            self.traces.note(now, outcome, &self.private.cover(facts));
        }
        if self.bytes_max == 0 {
            return;
        }
        let now = self.clock.of(now);
        let covered = &without_trace(&self.private.cover(facts));
        let detail = tells_by_whom(outcome, covered.client).then_some(covered.detail);
        let by = detail.map_or(0, |detail| hash_of(&self.hashing, detail));
        let fault = fault_of(outcome, client_hash, topic_hash).wrapping_add(by);
        if self.repeats.count(fault, detail, covered.peer, now) {
            return;
        }
        let begun = self
            .repeats
            .begin((fault, client_hash), outcome, covered, now);
        if let Some(before) = begun {
            before.tell(|client_hash, outcome, facts, known| {
                self.tapes().append(now, client_hash, outcome, facts, known);
            });
        }
        self.note_event(now, outcome, client_hash, facts);
    }

    /// Counts a fault that was written before; `false`: it was not, and has to be.
    pub(crate) fn count_fault(
        &mut self,
        now: Now,
        outcome: Outcome,
        client_hash: u64,
        topic_hash: u64,
    ) -> bool {
        self.bytes_max == 0
            || self
                .repeats
                .count(fault_of(outcome, client_hash, topic_hash), None, None, now)
    }

    /// What there is, for another thread to read: chunks that are full are shared, those that are being
    /// written are copied.
    pub(crate) fn recording(&mut self, now: Now) -> Recording {
        self.recording_since(now, Seen::default())
    }

    /// The same without chunks of which every entry was seen.
    pub(crate) fn recording_since(&mut self, now: Now, seen: Seen) -> Recording {
        let now = self.clock.of(now);
        if self.bytes_max != 0 && self.pace.left_out > 0 {
            let left_out = std::mem::take(&mut self.pace.left_out);
            self.pace.used_bytes += self.ledger.gap(now, left_out);
        }
        let Self {
            repeats,
            private,
            fairness,
            events,
            excess,
            ..
        } = self;
        let mut tapes = EventTapes {
            private,
            fairness,
            events,
            excess,
        };
        repeats.tell_all(|client_hash, outcome, facts, known| {
            tapes.append(now, client_hash, outcome, facts, known);
        });
        let is_off = self.off_ms.map(|since_ms| (since_ms, now.unix_ms));
        let holes: Vec<_> = self.holes.iter().copied().chain(is_off).collect();
        let mut chunks = Vec::new();
        self.events.read(seen.events, &mut chunks);
        self.excess.read(seen.excess, &mut chunks);
        self.ledger.read(seen.ledger, &mut chunks);
        Recording {
            shard: self.shard.0,
            epoch: self.epoch,
            chunks,
            overwritten: self.overwritten(),
            left_out: self.pace.left_out + self.ledger.left_out(),
            off: holes.clone(),
            holes,
            is_off: is_off.is_some(),
        }
    }

    /// Counts a message that was accepted, for the list of topics. `publisher` gives the client's id.
    #[inline]
    pub(crate) fn note_topic(
        &mut self,
        now: Now,
        seen: &Taken<'_>,
        publisher: impl FnOnce() -> Option<Arc<str>>,
    ) {
        let is_private = || self.private.covering(seen.topic).is_some();
        if self.bytes_max != 0 && (self.private.is_empty() || !is_private()) {
            self.topics.note(now, seen, publisher);
        }
    }

    /// What was published to which topic lately.
    pub(crate) const fn topics(&self) -> &TopicTable {
        &self.topics
    }

    /// Events that were written so far, those that were pushed out since included.
    pub(crate) const fn written(&self) -> u64 {
        self.events.written() + self.excess.written()
    }

    /// Events that were pushed out so far.
    pub(crate) const fn overwritten(&self) -> u64 {
        self.events.overwritten() + self.excess.overwritten()
    }

    /// Bytes of all tapes and tables.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.events.memory_bytes()
            + self.excess.memory_bytes()
            + self.ledger.memory_bytes()
            + self.repeats.memory_bytes()
            + self.fairness.memory_bytes()
            + self.pace.quiet.capacity() * size_of::<u32>()
            + self.traces.memory_bytes()
            + self.topics.memory_bytes()
    }
}

/// Facts for the events, where a message has a number only if the ledger follows it.
fn without_trace<'a>(facts: &Facts<'a>) -> Facts<'a> {
    let is_known = facts.message & TRACED_ONLY == 0;
    Facts {
        message: if is_known { facts.message } else { 0 },
        ..*facts
    }
}

/// Whether it says that a PUBLISH or a Will went nowhere.
fn is_refused_publish(outcome: Outcome) -> bool {
    outcome.effectively() == Effectively::Denied && outcome.name().starts_with("publish.")
}

/// Whether the detail of a fault names who denied it, or what was wrong with a connection: one of few, or
/// one for each that an address spends its allowance on. What else happens to nobody is told apart by its
/// hash.
fn tells_by_whom(outcome: Outcome, client: &str) -> bool {
    match outcome {
        Outcome::PublishDeniedAcl | Outcome::SubscribeDeniedAcl | Outcome::DeliverDeniedRead => {
            !client.is_empty()
        }
        Outcome::ConnectHandshake | Outcome::ConnectWrongProtocol => true,
        // Whoever comes from one address may be several, each with a fault of its own.
        _ => client.is_empty() && outcome.name().starts_with("connect."),
    }
}

/// A hash that tells faults apart.
fn fault_of(outcome: Outcome, client_hash: u64, topic_hash: u64) -> u64 {
    client_hash
        .rotate_left(17)
        .wrapping_add(topic_hash)
        .wrapping_add((outcome as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Pace {
    /// Whether a topic was not followed in this second, and there is room for such topics.
    fn is_quiet(&self, topic_hash: u64) -> bool {
        if self.used_bytes >= self.bytes_per_sec {
            return false;
        }
        let slot = topic_hash as usize % QUIET_SLOTS;
        let last = self.quiet.get(slot).copied().unwrap_or_default();
        u64::from(last) != self.second + 1
    }

    fn note(&mut self, topic_hash: u64) {
        if self.quiet.is_empty() {
            self.quiet = vec![0; QUIET_SLOTS];
        }
        let slot = topic_hash as usize % QUIET_SLOTS;
        if let Some(last) = self.quiet.get_mut(slot) {
            *last = (self.second + 1) as u32;
        }
    }
}

#[cfg(test)]
mod tests;
