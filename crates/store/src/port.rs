//! What a broker's shard sees of a store: batches go in, reports come out, nothing waits.

use crate::batch::{Batch, Position};
use crate::error::{Damage, Error};
use crate::files::Files;
use crate::log::Log;

/// A number by which the caller knows what a report answers. Opaque to the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What a store has to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Report {
    /// A batch that [asked for it](Batch::tell_written) and all that were handed over before it are
    /// written, and not on the disk yet: they outlive the process, but not the machine. Not told
    /// where commits do not wait for the disk, nor while the user does not know of a refusal, so
    /// nobody may wait for this alone.
    Written {
        /// Which batch.
        ticket: Ticket,
    },
    /// A batch is on the disk. Those that were handed over earlier have been reported before.
    Durable {
        /// Which batch.
        ticket: Ticket,
        /// The position of its first record; the others follow it.
        first: Position,
    },
    /// Nothing of a batch was kept; or, if the error is [`Error::Failed`], it is not known
    /// whether it was, and will be when the store has been opened again.
    ///
    /// If the disk is full, or the error [passes](Error::is_passing) otherwise, all batches that [keep their turn](Batch::keeps_turn) and that the user
    /// handed over behind this one, before it took this report, are refused as well, so that they can
    /// be handed over again in their order.
    Refused {
        /// Which batch.
        ticket: Ticket,
        /// The batch itself.
        batch: Batch,
        /// Why.
        error: Error,
    },
    /// A record was read, or could not be.
    Fetched {
        /// Which request.
        ticket: Ticket,
        /// Where the record stands.
        position: Position,
        /// The record.
        record: Result<Vec<u8>, Error>,
    },
    /// Damage was found in passing.
    Damaged(Damage),
}

/// Access to a store for one user of it.
pub trait Port {
    /// Hands over a batch. A [`Report::Durable`] or [`Report::Refused`] answers it later, in the
    /// order of this user's batches.
    ///
    /// # Errors
    /// Gives the batch back if the store is so far behind that its queue is full. The user stops
    /// taking in what leads to more.
    fn submit(&mut self, ticket: Ticket, batch: Batch) -> Result<(), Batch>;

    /// Asks for records. Each is answered by a [`Report::Fetched`]. A record that is released before
    /// it has been read may be answered as not live.
    fn fetch(&mut self, ticket: Ticket, positions: &[Position]);

    /// Moves what the store has to say to the end of `reports`.
    fn take_reports(&mut self, reports: &mut Vec<Report>);

    /// A batch that was made durable, for the memory that it has; what it holds means nothing.
    fn take_spare(&mut self) -> Option<Batch> {
        None
    }
}

/// A store that works on its user's thread and only when told to: for the simulator, and for tests.
#[derive(Debug)]
pub struct Inline<F> {
    log: Log<F>,
    queue: Vec<Waiting>,
    reports: Vec<Report>,
    queue_max: usize,
    order: Order,
    taken: u64,
}

/// A batch on its way to the log.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) batch: Batch,
    /// How many refusals its user knew of.
    pub(crate) known: u64,
}

/// Sees to it that no batch of a user overtakes one that was refused for want of room.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// How many times the user was refused.
    pub(crate) refusals: u64,
    /// What the last refusal said.
    full: Option<Error>,
}

impl Order {
    /// Why a batch is refused without having been tried.
    pub(crate) fn check(&self, waiting: &Waiting) -> Result<(), Error> {
        match &self.full {
            Some(full) if waiting.known < self.refusals && waiting.batch.keeps_turn() => {
                Err(full.clone())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether no batch handed over before this one was refused without its user's knowledge.
    pub(crate) const fn is_in_turn(&self, waiting: &Waiting) -> bool {
        waiting.known == self.refusals
    }

    /// Notes why a batch was refused.
    pub(crate) fn note(&mut self, waiting: &Waiting, error: &Error) {
        if error.is_passing() && waiting.known == self.refusals {
            self.refusals += 1;
            self.full = Some(error.clone());
        }
    }
}

impl<F: Files> Inline<F> {
    /// A port to `log` whose queue holds up to `queue_max` batches.
    #[must_use]
    pub fn new(log: Log<F>, queue_max: usize) -> Self {
        Self {
            log,
            queue: Vec::new(),
            reports: Vec::new(),
            queue_max,
            order: Order::default(),
            taken: 0,
        }
    }

    /// Commits what was handed over, and reports it.
    pub fn work(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        let reports = &mut self.reports;
        let tried = |_, waiting: &Waiting| self.order.check(waiting);
        let results = attempt(&mut self.log, &queue, tried, |told| {
            reports.extend(match told {
                Told::Written(at) => queue
                    .get(at)
                    .filter(|waiting| self.order.is_in_turn(waiting))
                    .map(Waiting::written),
                Told::Damaged(damage) => Some(Report::Damaged(damage)),
            });
        });
        for (waiting, result) in queue.into_iter().zip(results) {
            if let Err(error) = &result {
                self.order.note(&waiting, error);
            }
            self.reports.push(waiting.answer(result).0);
        }
    }

    /// The log itself.
    pub const fn log(&mut self) -> &mut Log<F> {
        &mut self.log
    }

    /// The log, without what has not been committed.
    #[must_use]
    pub fn into_log(self) -> Log<F> {
        self.log
    }
}

impl<F: Files> Port for Inline<F> {
    fn submit(&mut self, ticket: Ticket, batch: Batch) -> Result<(), Batch> {
        if self.queue.len() >= self.queue_max {
            return Err(batch);
        }
        self.queue.push(Waiting {
            ticket,
            batch,
            known: self.taken,
        });
        Ok(())
    }

    fn fetch(&mut self, ticket: Ticket, positions: &[Position]) {
        let reports = &mut self.reports;
        self.log.fetch_all(positions, |position, record| {
            reports.push(Report::Fetched {
                ticket,
                position,
                record,
            });
        });
    }

    fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
        self.taken = self.order.refusals;
    }
}

impl Waiting {
    /// That it is written.
    pub(crate) const fn written(&self) -> Report {
        Report::Written {
            ticket: self.ticket,
        }
    }

    /// What its user is told, and the batch if it is not needed any more.
    pub(crate) fn answer(self, result: Result<Position, Error>) -> (Report, Option<Batch>) {
        let Self { ticket, batch, .. } = self;
        match result {
            Ok(first) => (Report::Durable { ticket, first }, Some(batch)),
            Err(error) => {
                let refused = Report::Refused {
                    ticket,
                    batch,
                    error,
                };
                (refused, None)
            }
        }
    }
}

/// What is told in the course of a commit.
pub(crate) enum Told {
    /// The batch at this place of the queue is written.
    Written(usize),
    /// Damage was found in passing.
    Damaged(Damage),
}

/// Commits those batches that `check` lets pass, and says what became of each.
pub(crate) fn attempt<F: Files>(
    log: &mut Log<F>,
    queue: &[Waiting],
    check: impl Fn(usize, &Waiting) -> Result<(), Error>,
    mut tell: impl FnMut(Told),
) -> Vec<Result<Position, Error>> {
    let checked: Vec<Result<(), Error>> = queue
        .iter()
        .enumerate()
        .map(|(at, w)| check(at, w))
        .collect();
    let passed = queue
        .iter()
        .zip(&checked)
        .filter(|(_, check)| check.is_ok());
    let passed: Vec<&Batch> = passed.map(|(waiting, _)| &waiting.batch).collect();
    // From the first that may not be tried on, places differ, and some pass others.
    let in_turn = checked.iter().take_while(|check| check.is_ok()).count();
    let mut written = |at: usize| {
        let is_asked = queue.get(at).is_some_and(|of| of.batch.tells_written());
        if at < in_turn && is_asked {
            tell(Told::Written(at));
        }
    };
    let committed = log.commit_telling(passed.iter().copied(), &mut written);
    let mut committed = match committed {
        Ok(committed) => committed.batches,
        // Some of a long list may have become durable before the disk failed. It is safe to say
        // less than what is true.
        Err(error) => passed.iter().map(|_| Err(error.clone())).collect(),
    }
    .into_iter();
    let results = checked.into_iter().map(|check| {
        check.and_then(|()| {
            let result = committed.next();
            result.unwrap_or_else(|| unreachable!("each batch has a result"))
        })
    });
    let results = results.collect();
    // Without anybody to tell, it waits for the next batch.
    if !queue.is_empty() {
        for damage in log.take_damage() {
            tell(Told::Damaged(damage));
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::files::Name;

    fn waiting(known: u64, batch: Batch) -> Waiting {
        Waiting {
            ticket: Ticket(0),
            batch,
            known,
        }
    }

    #[test]
    fn a_refused_batch_without_records_holds_back_those_behind_it() {
        let releases = || Batch::from_parts(vec![], vec![], vec![1]);
        let in_turn = || {
            let mut batch = releases();
            batch.keep_turn();
            batch
        };
        let records = || Batch::from_parts(vec![1], vec![1], vec![]);
        let full = Error::Full {
            file: Name::Segment(1),
            during: "writing",
            source: Arc::new(io::ErrorKind::StorageFull.into()),
        };
        let mut order = Order::default();
        order.note(&waiting(0, releases()), &full);
        // Handed over before its user knew of that.
        for late in [records(), in_turn()] {
            let late = waiting(0, late);
            assert!(matches!(order.check(&late), Err(Error::Full { .. })));
            assert!(!order.is_in_turn(&late));
            // A refusal for the sake of the order is none of its own.
            order.note(&late, &full);
        }
        assert!(order.check(&waiting(0, releases())).is_ok());
        assert!(!order.is_in_turn(&waiting(0, releases())));
        // And after.
        assert!(order.check(&waiting(1, records())).is_ok());
        assert!(order.is_in_turn(&waiting(1, records())));
    }
}
