//! Runs a log on a thread of its own: what arrives while one commit is being synced makes up the
//! next.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::batch::{Batch, Position};
use crate::files::Files;
use crate::log::{Log, Stats};
use crate::port::{Order, Port, Report, Ticket, Told, Waiting, attempt};

/// How much may wait for the disk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of batches that wait, of all handles together. A batch is taken as long as they are
    /// fewer.
    pub waiting_bytes_max: usize,
    /// Batches that wait, of all handles together.
    pub waiting_batches_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_bytes_max: 64 << 20,
            waiting_batches_max: 1 << 16,
        }
    }
}

/// Emptied batches of one handle that are kept for it, and how much memory each may have.
const SPARES_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 1 << 20;

/// Records that are read in one go, before what has arrived meanwhile is committed.
const FETCHES_MAX: usize = 256;

/// A log that runs on a thread of its own, until it is [closed](Self::close) or dropped.
pub struct Engine<F> {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Log<F>>>,
}

/// One user's access to an [`Engine`]: what it hands over and what it is told.
pub struct Handle {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    /// How many refusals have been taken.
    known: u64,
    /// Batches that are durable, emptied.
    spares: Vec<Batch>,
}

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<(Arc<Outbox>, Waiting)>,
    waiting_bytes: usize,
    fetches: VecDeque<(Arc<Outbox>, Ticket, Vec<Position>)>,
    stats: Stats,
    is_closing: bool,
}

struct Outbox {
    inside: Mutex<Inside>,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inside {
    reports: Vec<Report>,
    spares: Vec<Batch>,
    order: Order,
}

impl<F: Files + 'static> Engine<F> {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread.
    pub fn start(log: Log<F>, limits: Limits) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            limits,
            state: Mutex::new(State {
                stats: log.stats(),
                ..State::default()
            }),
            arrived: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let builder = thread::Builder::new().name("store".to_owned());
        let thread = builder.spawn(move || run(log, &of_thread))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Access for one more user. `wake` is called on the store's thread whenever there are new
    /// reports; it must not wait.
    pub fn handle(&self, wake: impl Fn() + Send + Sync + 'static) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
            outbox: Arc::new(Outbox {
                inside: Mutex::default(),
                wake: Box::new(wake),
            }),
            known: 0,
            spares: Vec::new(),
        }
    }

    /// What the log took and had done after its last commit.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.state).stats
    }

    /// Commits what has been handed over, ends the thread and gives the log back. What was committed
    /// is on the disk then, also if commits do not wait for it, unless the log
    /// [failed](Log::failure).
    #[must_use]
    pub fn close(mut self) -> Option<Log<F>> {
        self.end()
    }
}

impl<F> Engine<F> {
    fn end(&mut self) -> Option<Log<F>> {
        lock(&self.shared.state).is_closing = true;
        self.shared.arrived.notify_all();
        self.thread.take()?.join().ok()
    }
}

impl<F> Drop for Engine<F> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<F> fmt::Debug for Engine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// What the log took and had done after its last commit.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.state).stats
    }
}

impl Port for Handle {
    fn submit(&mut self, ticket: Ticket, batch: Batch) -> Result<(), Batch> {
        let mut state = lock(&self.shared.state);
        let limits = self.shared.limits;
        let is_full = state.waiting_bytes >= limits.waiting_bytes_max
            || state.batches.len() >= limits.waiting_batches_max;
        if is_full || state.is_closing {
            return Err(batch);
        }
        state.waiting_bytes += batch.bytes();
        let outbox = Arc::clone(&self.outbox);
        let is_first = state.batches.is_empty();
        let known = self.known;
        let waiting = Waiting {
            ticket,
            batch,
            known,
        };
        state.batches.push_back((outbox, waiting));
        drop(state);
        if is_first {
            self.shared.arrived.notify_one();
        }
        Ok(())
    }

    fn fetch(&mut self, ticket: Ticket, positions: &[Position]) {
        let mut state = lock(&self.shared.state);
        let outbox = Arc::clone(&self.outbox);
        state
            .fetches
            .push_back((outbox, ticket, positions.to_vec()));
        drop(state);
        self.shared.arrived.notify_one();
    }

    fn take_reports(&mut self, reports: &mut Vec<Report>) {
        let mut inside = lock(&self.outbox.inside);
        reports.append(&mut inside.reports);
        self.known = inside.order.refusals;
        if self.spares.is_empty() {
            std::mem::swap(&mut self.spares, &mut inside.spares);
        }
    }

    fn take_spare(&mut self) -> Option<Batch> {
        self.spares.pop()
    }
}

fn run<F: Files>(mut log: Log<F>, shared: &Shared) -> Log<F> {
    let mut fetches = Vec::new();
    let mut outboxes = Vec::new();
    let mut batches = Vec::new();
    loop {
        let mut state = lock(&shared.state);
        state.stats = log.stats();
        while state.batches.is_empty() && state.fetches.is_empty() && !log.is_work_due() {
            if state.is_closing {
                drop(state);
                return end(log);
            }
            let woken = shared.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let is_ending = state.is_closing && state.batches.is_empty() && state.fetches.is_empty();
        // What is left waits until what there is to commit has had its turn.
        let mut records = 0;
        while records < FETCHES_MAX
            && let Some(fetch) = state.fetches.pop_front()
        {
            records += fetch.2.len();
            fetches.push(fetch);
        }
        for (outbox, waiting) in state.batches.drain(..) {
            outboxes.push(outbox);
            batches.push(waiting);
        }
        state.waiting_bytes = 0;
        drop(state);
        if is_ending {
            return end(log);
        }
        for (outbox, ticket, positions) in fetches.drain(..) {
            let mut reports = Vec::with_capacity(positions.len());
            log.fetch_all(&positions, |position, record| {
                reports.push(Report::Fetched {
                    ticket,
                    position,
                    record,
                });
            });
            lock(&outbox.inside).reports.append(&mut reports);
            (outbox.wake)();
        }
        commit(&mut log, std::mem::take(&mut batches), &outboxes);
        outboxes.clear();
    }
}

fn end<F: Files>(mut log: Log<F>) -> Log<F> {
    // A failure stays with the log.
    let _ = log.sync();
    log
}

fn commit<F: Files>(log: &mut Log<F>, batches: Vec<Waiting>, outboxes: &[Arc<Outbox>]) {
    let check = |at: usize, waiting: &Waiting| match outboxes.get(at) {
        Some(outbox) => lock(&outbox.inside).order.check(waiting),
        None => Ok(()),
    };
    let results = attempt(log, &batches, check, |told| match told {
        Told::Written(at) => {
            if let (Some(outbox), Some(waiting)) = (outboxes.get(at), batches.get(at)) {
                tell_written(outbox, waiting);
            }
        }
        Told::Damaged(damage) => {
            if let Some(outbox) = outboxes.first() {
                let report = Report::Damaged(damage);
                lock(&outbox.inside).reports.push(report);
            }
        }
    });
    for ((waiting, result), outbox) in batches.into_iter().zip(results).zip(outboxes) {
        let mut inside = lock(&outbox.inside);
        if let Err(error) = &result {
            inside.order.note(&waiting, error);
        }
        let (report, spare) = waiting.answer(result);
        inside.reports.push(report);
        if let Some(spare) = spare
            && inside.spares.len() < SPARES_MAX
            && (1..=SPARE_BYTES_MAX).contains(&spare.capacity())
        {
            inside.spares.push(spare);
        }
    }
    // Each once, however many batches it has handed over.
    for (at, outbox) in outboxes.iter().enumerate() {
        let rest = outboxes.get(at + 1..).unwrap_or_default();
        if !rest.iter().take(64).any(|later| Arc::ptr_eq(later, outbox)) {
            (outbox.wake)();
        }
    }
}

/// Tells that a batch is written, at once: the disk may take its time to keep it.
fn tell_written(outbox: &Outbox, waiting: &Waiting) {
    let mut inside = lock(&outbox.inside);
    if inside.order.is_in_turn(waiting) {
        inside.reports.push(waiting.written());
        drop(inside);
        (outbox.wake)();
    }
}

/// Locks; a user that panicked while it held the lock has at most not added something.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
