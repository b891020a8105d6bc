//! When the broker was not there: restarts in the window.

use std::collections::BTreeMap;

use columba_broker::outcome::Outcome;

use crate::evidence::{Event, Question};

/// Restarts that are told at most, the last ones.
pub const RESTARTS_MAX: usize = 3;

/// What is written at a start has times that are as far apart at most.
pub(crate) const START_MS: u64 = 2_000;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was stopped, and noted when.
    Stopped,
    /// It was stopped, and its record ends whole a moment before.
    Whole,
    /// It was killed or crashed.
    Killed,
}

/// A process that ended, and the one that came after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// When the process ended, in milliseconds since 1970; if that was not noted, the last time before that
    /// is known of.
    pub stopped_ms: u64,
    /// How.
    pub end: End,
    /// When the next one started.
    pub started_ms: u64,
    /// What that one found in its store, as noted; empty without a store.
    pub recovered: String,
}

/// What a start has found damaged in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// When that was.
    pub found_ms: u64,
    /// Where it is and what it costs, as noted; empty if it is nobody's business who asks.
    pub what: String,
}

/// What was damaged at a start in the window, and at the last start before its end. What several starts
/// found is there once.
pub(crate) fn damage(question: &Question, events: &[Event]) -> Vec<Damage> {
    let known = || {
        let events = events.iter();
        events.filter(|event| event.unix_ms <= question.to_ms)
    };
    let last = known().rfind(|event| is_start(event));
    let from_ms = last.map_or(question.from_ms, |start| {
        start.unix_ms.min(question.from_ms)
    });
    let found = known()
        .filter(|event| event.outcome == Outcome::BrokerStoreDamaged && event.unix_ms >= from_ms);
    let latest: BTreeMap<&str, u64> = found.map(|event| (&*event.detail, event.unix_ms)).collect();
    let damage = latest.into_iter().map(|(what, found_ms)| Damage {
        found_ms,
        what: what.to_owned(),
    });
    damage.collect()
}

/// Whether this is the line of a start: each shard notes it, one is enough.
pub(crate) fn is_start(event: &Event) -> bool {
    event.outcome == Outcome::BrokerStarted && event.shard == 0
}

impl Restart {
    /// Whether an event is its end or its beginning.
    pub fn is_marked_by(&self, event: &Event) -> bool {
        is_mark(event) && (event.unix_ms == self.started_ms || event.unix_ms == self.stopped_ms)
    }
}

/// Each shard notes both; the first one stands for all.
fn is_mark(event: &Event) -> bool {
    let is_mark = matches!(
        event.outcome,
        Outcome::BrokerStarted | Outcome::BrokerStopping
    );
    is_mark && event.shard == 0
}

/// The last restarts in the window, the oldest first. `holes` are the times of which nothing is known: one
/// ends where the next process starts if the one before was killed. In some of them the recorder was off, and
/// processes may have come and gone: how those ended that were before is not known. `ends_ms` are the times of the last lines
/// of each part of the record, whatever they are about: the events have what concerns the question alone.
pub(crate) fn restarts(
    question: &Question,
    events: &[Event],
    holes: &[(u64, u64)],
    off: &[(u64, u64)],
    ends_ms: &[u64],
) -> Vec<Restart> {
    let window = question.from_ms..=question.to_ms;
    let mut stopped_ms = None;
    let mut restarts = Vec::new();
    let mut last_ms = None;
    let mut has_started = false;
    for event in events {
        if !is_mark(event) {
            last_ms = Some(event.unix_ms);
            continue;
        }
        if event.outcome == Outcome::BrokerStopping {
            stopped_ms = Some(event.unix_ms);
            continue;
        }
        let started_ms = event.unix_ms;
        let hole = holes
            .iter()
            .find(|hole| hole.1.abs_diff(started_ms) <= START_MS && !off.contains(hole));
        let ended = match (stopped_ms.take(), hole) {
            (Some(stopped_ms), _) => Some((stopped_ms, End::Stopped)),
            (None, Some((last_ms, _))) => Some((*last_ms, End::Killed)),
            // The first process that is on record is no other one's successor; what its shards note of
            // their start may be a moment before this.
            (None, None) => {
                let before = ends_ms
                    .iter()
                    .copied()
                    .filter(|end_ms| *end_ms < started_ms);
                last_ms
                    .max(before.max())
                    .filter(|last_ms| has_started || last_ms + START_MS < started_ms)
                    .map(|last_ms| (last_ms, End::Whole))
            }
        };
        (last_ms, has_started) = (Some(started_ms), true);
        if let Some((stopped_ms, end)) = ended.filter(|(stopped_ms, _)| {
            let is_between =
                |hole: &(u64, u64)| hole.1 > *stopped_ms && hole.1 <= started_ms + START_MS;
            window.contains(&started_ms) && !off.iter().any(is_between)
        }) {
            restarts.push(Restart {
                stopped_ms,
                end,
                started_ms,
                recovered: event.detail.clone(),
            });
        }
    }
    let start = restarts.len().saturating_sub(RESTARTS_MAX);
    restarts.split_off(start)
}
