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
    /// A batch is on the disk. Those that were handed over earlier have been reported before.
    Durable {
        /// Which batch.
        ticket: Ticket,
        /// The position of its first record; the others follow it.
        first: Position,
    },
    /// Nothing of a batch was kept; or, if the error is [`Error::Failed`], it is not known
    /// whether it was, and will be when the store has been opened again.
    Refused {
        /// Which batch.
        ticket: Ticket,
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

    /// Asks for records. Each is answered by a [`Report::Fetched`].
    fn fetch(&mut self, ticket: Ticket, positions: &[Position]);

    /// Moves what the store has to say to the end of `reports`.
    fn take_reports(&mut self, reports: &mut Vec<Report>);
}

/// A store that works on its user's thread and only when told to: for the simulator, and for tests.
#[derive(Debug)]
pub struct Inline<F> {
    log: Log<F>,
    queue: Vec<(Ticket, Batch)>,
    reports: Vec<Report>,
    queue_max: usize,
}

impl<F: Files> Inline<F> {
    /// A port to `log` whose queue holds up to `queue_max` batches.
    #[must_use]
    pub const fn new(log: Log<F>, queue_max: usize) -> Self {
        Self {
            log,
            queue: Vec::new(),
            reports: Vec::new(),
            queue_max,
        }
    }

    /// Commits what was handed over, and reports it.
    pub fn work(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        answer(&mut self.log, &queue, |_, report| self.reports.push(report));
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
        self.queue.push((ticket, batch));
        Ok(())
    }

    fn fetch(&mut self, ticket: Ticket, positions: &[Position]) {
        for position in positions {
            self.reports.push(Report::Fetched {
                ticket,
                position: *position,
                record: self.log.fetch(*position),
            });
        }
    }

    fn take_reports(&mut self, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports);
    }
}

/// Commits batches and reports what became of each, with its place in the list.
pub(crate) fn answer<F: Files>(
    log: &mut Log<F>,
    batches: &[(Ticket, Batch)],
    mut report: impl FnMut(usize, Report),
) {
    let committed = log.commit(batches.iter().map(|(_, batch)| batch));
    let results = match committed {
        Ok(committed) => committed.batches,
        // Some of a long list may have become durable before the disk failed. It is safe to say
        // less than what is true.
        Err(error) => batches.iter().map(|_| Err(error.clone())).collect(),
    };
    for (at, ((ticket, _), result)) in batches.iter().zip(results).enumerate() {
        let ticket = *ticket;
        report(
            at,
            match result {
                Ok(first) => Report::Durable { ticket, first },
                Err(error) => Report::Refused { ticket, error },
            },
        );
    }
    for damage in log.take_damage() {
        report(0, Report::Damaged(damage));
    }
}
