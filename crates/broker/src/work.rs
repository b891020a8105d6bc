//! Work that is done in turns: how much at a time, and what is to be gone on with.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hash::{Hashing, Map};
use crate::routing::share::SessionRef;

/// Steps of work that are left in one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps(usize);

/// So many bytes of a topic are looked at in one step; a longer topic takes more steps.
const STEP_BYTES: usize = 256;

impl Steps {
    pub(crate) const fn new(steps: usize) -> Self {
        Self(steps)
    }

    /// Takes away what a topic or a look-up of so many bytes costs.
    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(1 + bytes / STEP_BYTES);
    }

    /// Whether no step is left.
    pub(crate) const fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Something to go on with.
#[derive(Debug)]
pub(crate) enum Work {
    /// A session of this shard gets more retained messages.
    Replay,
    /// A session of another shard has asked for some.
    Find(Find),
}

/// A page of retained messages that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) filter: Arc<str>,
    /// The last topic that was looked at before.
    pub(crate) after: Option<Arc<str>>,
    /// The replay that it is for.
    pub(crate) number: u32,
}

/// Sessions with work to go on with, in turn. A session stands in it once: when it asks again, what
/// it asked before is of no use to it any more.
#[derive(Debug)]
pub(crate) struct WorkQueue {
    order: VecDeque<SessionRef>,
    of: Map<SessionRef, Work>,
}

impl WorkQueue {
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self {
            order: VecDeque::new(),
            of: Map::with_hasher(hashing),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Puts a session at the end, or leaves it where it is with other work.
    pub(crate) fn put(&mut self, session: SessionRef, work: Work) {
        if self.of.insert(session, work).is_none() {
            self.order.push_back(session);
        }
    }

    /// Takes the work of the session that is next.
    pub(crate) fn take(&mut self) -> Option<(SessionRef, Work)> {
        let session = self.order.pop_front()?;
        let work = self.of.remove(&session)?;
        Some((session, work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ShardId;

    #[test]
    fn a_session_that_asks_again_and_again_stands_in_the_queue_once() {
        let session = |slot| SessionRef {
            shard: ShardId(1),
            slot,
            serial: 7,
        };
        let mut queue = WorkQueue::new(Hashing::with_seed(1));
        for number in 0..1000 {
            let find = Find {
                filter: "#".into(),
                after: None,
                number,
            };
            queue.put(session(number % 2), Work::Find(find));
        }
        let mut numbers = Vec::new();
        while let Some((_, Work::Find(find))) = queue.take() {
            numbers.push(find.number);
        }
        assert_eq!(numbers, [998, 999]);
        assert!(queue.is_empty() && queue.of.is_empty());
    }
}
