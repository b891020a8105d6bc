//! What waits for the store, in the order in which it was asked for.

use std::collections::VecDeque;

use super::exchange::Then;
use crate::journal::Journal;
use crate::limits::Promise;

/// What follows when something is as safe as was promised.
#[derive(Debug)]
pub(super) struct Committing {
    /// The batch that has to be.
    pub(super) ticket: u64,
    /// The last of what it says has ended and is released later, 0 for none: see [`Journal::end`].
    pub(super) ending: u64,
    pub(super) then: Then,
}

/// What waits for one promise.
#[derive(Debug)]
pub(super) struct Line {
    promise: Promise,
    /// In the order of tickets.
    committing: VecDeque<Committing>,
    /// What has to wait longer than for its ticket: for what has ended to be released, or for what
    /// does so on the same connection.
    put_off: VecDeque<Committing>,
    /// So many of these have only the ticket of a release to wait for, or nothing.
    released: usize,
}

impl Line {
    pub(super) const fn new(promise: Promise) -> Self {
        Self {
            promise,
            committing: VecDeque::new(),
            put_off: VecDeque::new(),
            released: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.committing.len() + self.put_off.len()
    }

    /// What follows, in no order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Then> {
        let all = self.committing.iter().chain(&self.put_off);
        all.map(|waiting| &waiting.then)
    }

    pub(super) fn push(&mut self, waiting: Committing) {
        self.committing.push_back(waiting);
    }

    pub(super) fn put_off(&mut self, waiting: Committing) {
        self.put_off.push_back(waiting);
    }

    /// The next whose batch is as safe as promised.
    pub(super) fn next(&mut self, journal: &Journal) -> Option<Committing> {
        let reached = journal.reached(self.promise);
        self.committing
            .pop_front_if(|waiting| waiting.ticket <= reached)
    }

    /// The next that was put off and need not wait any more.
    pub(super) fn next_put_off(&mut self, journal: &mut Journal) -> Option<Committing> {
        // What ended later is released later, so no one is looked at twice.
        while let Some(waiting) = self.put_off.get_mut(self.released)
            && journal.has_ended(waiting.ending)
        {
            self.released += 1;
            if waiting.ending > 0 {
                (waiting.ending, waiting.ticket) = (0, journal.ticket());
                journal.tell_written(self.promise, waiting.ticket);
            }
        }
        let reached = journal.reached(self.promise);
        let is_over = |waiting: &mut Committing| waiting.ending == 0 && waiting.ticket <= reached;
        let next = self.put_off.pop_front_if(is_over)?;
        self.released -= 1;
        Some(next)
    }
}
