//! From the core to the store and back: batches in order, whatever the disk does.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use columba_broker::Input;
use columba_broker::journal::{Fetched, Records, StoreEvent};
use columba_store::{Batch, Error, Handle, Port, Position, Report, Ticket};

use super::{Driver, ShardHandle};
use crate::store::{batch_of, report_damage};

/// One shard's access to the store.
///
/// Batches are handed over as they come. One that finds the disk full is given back, with all that
/// have records behind it; they wait here, and the first is tried again now and then. What only
/// releases does not wait, for it makes room.
#[derive(Debug)]
pub(crate) struct Storing<P> {
    port: P,
    alarm: Arc<Alarm>,
    /// Handed over and not answered, by ticket, and whether there are records.
    in_flight: VecDeque<(u64, bool)>,
    /// Not handed over, or given back; by ticket.
    waiting: VecDeque<(u64, Batch)>,
    /// Durable, with others before them that are not: what only releases and has passed them.
    early: Vec<u64>,
    state: State,
    /// Whether the core has heard that the disk is full, for this shard or for another, and not yet that
    /// it has room again.
    is_told_full: bool,
    reports: Vec<Report>,
    /// Records that were read and not passed on.
    fetched: Vec<Fetched>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Batches go as they come.
    Open,
    /// The disk is full.
    Full { retry_at_ms: u64 },
    /// The disk was full, and the first batch is tried again.
    Trying,
    /// The batch that was tried found room, and what waited up to this ticket is on its way.
    Draining { upto: u64 },
    /// The disk failed.
    Failed,
}

/// How the disk is that messages and sessions are stored on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskState {
    Working,
    /// What would have to be stored waits.
    Full,
    /// Nothing that would have to be stored is acknowledged any more.
    Failed,
}

impl DiskState {
    /// A word for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// Tells of a disk that is full or failed once, not once a shard, and all shards of it: clients of one
/// that has nothing to store wait for what another one stores.
#[derive(Debug)]
pub(crate) struct Alarm {
    place: String,
    /// Shards that wait for room.
    full: AtomicUsize,
    has_failed: AtomicBool,
    shards: OnceLock<Arc<[ShardHandle]>>,
}

impl Alarm {
    pub(crate) const fn new(place: String) -> Self {
        Self {
            place,
            full: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            shards: OnceLock::new(),
        }
    }

    /// Whom to wake when the disk is in another state.
    pub(crate) fn wakes(&self, shards: &Arc<[ShardHandle]>) {
        self.shards.get_or_init(|| Arc::clone(shards));
    }

    fn wake(&self) {
        for shard in self.shards.get().into_iter().flat_map(|of| of.iter()) {
            shard.wake();
        }
    }

    /// Whether a shard waits for room.
    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) > 0
    }

    /// How the disk is.
    pub(crate) fn state(&self) -> DiskState {
        if self.has_failed.load(Ordering::Relaxed) {
            DiskState::Failed
        } else if self.is_full() {
            DiskState::Full
        } else {
            DiskState::Working
        }
    }

    fn full(&self, error: &Error) {
        if self.full.fetch_add(1, Ordering::Relaxed) != 0 {
            return;
        }
        self.wake();
        if is_file_limit(error) {
            tracing::error!(
                directory = self.place,
                "a file of the store may not grow, and what would have to be stored is not acknowledged \
                 until it may: {error}; raise the limit of file sizes (LimitFSIZE= in the service, \
                 ulimit -f, or prlimit --fsize for a process that runs), the broker goes on by itself"
            );
        } else if matches!(error, Error::Exhausted { .. }) {
            tracing::error!(
                directory = self.place,
                "what would have to be stored is not acknowledged until there are file descriptors and \
                 memory for it: {error}; raise the limit of open files (LimitNOFILE= in the service, or \
                 ulimit -n) or have fewer connections, the broker goes on by itself"
            );
        } else {
            tracing::error!(
                directory = self.place,
                "the disk is full, and what would have to be stored is not acknowledged until there \
                 is room, what would not goes on: {error}; make room, the broker goes on by itself"
            );
        }
    }

    fn room(&self) {
        if self.full.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.wake();
            tracing::warn!(
                directory = self.place,
                "the disk has room again, what has to be stored is acknowledged"
            );
        }
    }

    fn failed(&self, error: &Error) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            self.wake();
            tracing::error!(
                directory = self.place,
                "nothing that would have to be stored is acknowledged any more until a restart, what \
                 would not goes on: {error}; see the kernel's log, repair or replace the disk, check it \
                 with `columba store check`, then start the broker again: everything that was \
                 acknowledged before is kept"
            );
        }
    }
}

/// Whether it is not the disk that has no room, but a file.
fn is_file_limit(error: &Error) -> bool {
    matches!(error, Error::Full { source, .. } if source.kind() == ErrorKind::FileTooLarge)
}

impl<P: Port> Storing<P> {
    pub(crate) const fn new(port: P, alarm: Arc<Alarm>) -> Self {
        Self {
            port,
            alarm,
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            early: Vec::new(),
            state: State::Open,
            is_told_full: false,
            reports: Vec::new(),
            fetched: Vec::new(),
        }
    }

    /// Asks for records.
    fn fetch(&mut self, positions: &[u64]) {
        let positions: Vec<Position> = positions.iter().copied().map(Position::new).collect();
        self.port.fetch(Ticket(0), &positions);
    }

    /// Takes what is to be kept, and hands it over as soon as may be.
    fn keep(&mut self, records: Records) {
        let ticket = records.ticket;
        let batch = batch_of(records);
        if batch.is_empty() || self.state == State::Failed {
            return;
        }
        match self.state {
            // It makes room. If not even that can be written, it is tried again with the others.
            State::Full { .. } | State::Trying if !batch.keeps_turn() => {
                self.submit(ticket, batch);
            }
            _ => self.waiting.push_back((ticket, batch)),
        }
        self.hand_over();
    }

    /// Memory for the next batches.
    fn take_spare(&mut self) -> Option<Records> {
        let (bytes, ends, releases) = self.port.take_spare()?.into_spare_parts();
        Some(Records {
            ticket: 0,
            bytes,
            ends,
            releases,
            tells_written: false,
            keeps_turn: false,
        })
    }

    /// Takes what the store has to say, and adds what the core has to know of it.
    fn look(&mut self, now_ms: u64, events: &mut Vec<StoreEvent>) {
        let mut reports = std::mem::take(&mut self.reports);
        self.port.take_reports(&mut reports);
        for report in reports.drain(..) {
            match report {
                Report::Written { ticket } => self.on_written(ticket.0, events),
                Report::Durable { ticket, first } => {
                    self.on_durable(ticket.0, first.value(), events);
                }
                Report::Refused {
                    ticket,
                    batch,
                    error,
                } => self.on_refused(ticket.0, batch, &error, now_ms, events),
                Report::Damaged(damage) => report_damage(&self.alarm.place, &damage),
                Report::Fetched {
                    position, record, ..
                } => self.fetched.push(Fetched {
                    position: position.value(),
                    record: record.map_err(|error| error.to_string()),
                }),
                _ => {}
            }
        }
        self.reports = reports;
        self.hand_over();
    }

    /// Tries again, if it is time.
    fn retry(&mut self, now_ms: u64) {
        match self.state {
            State::Full { retry_at_ms } if retry_at_ms <= now_ms => {
                // Or the answers to what is on its way are still missing.
                let retry_at_ms = now_ms + RETRY_MS;
                self.state = State::Full { retry_at_ms };
                self.try_first();
            }
            State::Open | State::Draining { .. } => self.hand_over(),
            State::Full { .. } | State::Trying | State::Failed => {}
        }
    }

    /// When to call [`retry`](Self::retry).
    fn retry_at_ms(&self, now_ms: u64) -> Option<u64> {
        match self.state {
            State::Full { retry_at_ms } => Some(retry_at_ms),
            // The store's queue may be full of what others handed over, so that no report comes.
            _ if self.is_behind() => Some(now_ms + BEHIND_MS),
            State::Open | State::Trying | State::Draining { .. } | State::Failed => None,
        }
    }

    /// Whether the store's queue takes no more for now, such as while a sync takes long.
    fn is_behind(&self) -> bool {
        matches!(self.state, State::Open | State::Draining { .. }) && !self.waiting.is_empty()
    }

    /// The last batch whose durability is not known yet, unless it may never be.
    fn unsettled(&self) -> Option<u64> {
        if !matches!(self.state, State::Open | State::Draining { .. }) {
            return None;
        }
        let waiting = self.waiting.back().map(|(ticket, _)| *ticket);
        waiting.max(self.in_flight.back().map(|(ticket, _)| *ticket))
    }

    /// Whether no batch up to this one is waited for.
    fn is_settled(&self, upto: u64) -> bool {
        let first = self.in_flight.front().map(|(ticket, _)| *ticket);
        let waiting = self.waiting.front().map(|(ticket, _)| *ticket);
        self.unsettled().is_none()
            || [first, waiting]
                .into_iter()
                .flatten()
                .all(|ticket| ticket > upto)
    }

    /// As long as the disk has room no batch passes another. Later, who waits for one hears when it
    /// is durable.
    fn on_written(&self, ticket: u64, events: &mut Vec<StoreEvent>) {
        if self.state == State::Open {
            events.push(StoreEvent::Written { ticket });
        }
    }

    fn on_durable(&mut self, ticket: u64, first: u64, events: &mut Vec<StoreEvent>) {
        let keeps_turn = self.answered(ticket);
        if self.is_first_unsettled(ticket) {
            events.push(StoreEvent::Durable { ticket, first });
            self.tell_early(events);
        } else {
            self.early.push(ticket);
        }
        let mut kept = self
            .waiting
            .iter()
            .rev()
            .filter(|(_, batch)| batch.keeps_turn());
        let last_kept = kept.next().map(|(ticket, _)| *ticket);
        match (self.state, keeps_turn) {
            (State::Full { .. } | State::Trying, true) => match last_kept {
                Some(upto) => self.state = State::Draining { upto },
                None => self.room(events),
            },
            (State::Full { .. }, false) if self.has_turn_in_flight() => {}
            (State::Full { .. }, false) => match last_kept {
                Some(_) => self.try_first(),
                None => self.room(events),
            },
            (State::Draining { upto }, true) if ticket >= upto => self.room(events),
            (State::Draining { .. } | State::Open | State::Trying | State::Failed, _) => {}
        }
    }

    /// Whether every batch before one is durable.
    fn is_first_unsettled(&self, ticket: u64) -> bool {
        let flying = self.in_flight.front().map(|(other, _)| *other);
        let waiting = self.waiting.front().map(|(other, _)| *other);
        flying
            .into_iter()
            .chain(waiting)
            .all(|other| other > ticket)
    }

    /// Tells of batches that were durable early and are in turn now.
    fn tell_early(&mut self, events: &mut Vec<StoreEvent>) {
        self.early.sort_unstable();
        let in_turn = self
            .early
            .partition_point(|ticket| self.is_first_unsettled(*ticket));
        let told = self.early.drain(..in_turn);
        events.extend(told.map(|ticket| StoreEvent::Durable { ticket, first: 0 }));
    }

    fn on_refused(
        &mut self,
        ticket: u64,
        batch: Batch,
        error: &Error,
        now_ms: u64,
        events: &mut Vec<StoreEvent>,
    ) {
        self.answered(ticket);
        if self.state == State::Failed {
            return;
        }
        if !error.is_passing() {
            self.alarm.failed(error);
            self.fail(events);
            return;
        }
        let at = self.waiting.partition_point(|(other, _)| *other < ticket);
        self.waiting.insert(at, (ticket, batch));
        if self.state == State::Open {
            self.alarm.full(error);
            self.tell_full(events);
        }
        self.state = State::Full {
            retry_at_ms: now_ms + RETRY_MS,
        };
    }

    /// Nothing of this shard will be durable any more, nor of any other.
    fn fail(&mut self, events: &mut Vec<StoreEvent>) {
        self.state = State::Failed;
        self.waiting.clear();
        events.push(StoreEvent::Failed);
    }

    /// Whether the disk is in another state than the core has heard, by what others met with.
    fn is_news_from_others(&self) -> bool {
        self.state != State::Failed
            && match self.alarm.state() {
                DiskState::Failed => true,
                DiskState::Full => !self.is_told_full,
                DiskState::Working => self.is_told_full,
            }
    }

    /// Tells it.
    fn hear_from_others(&mut self, events: &mut Vec<StoreEvent>) {
        if self.state == State::Failed {
            return;
        }
        match self.alarm.state() {
            DiskState::Failed => self.fail(events),
            DiskState::Full => self.tell_full(events),
            DiskState::Working => self.tell_room(events),
        }
    }

    fn tell_full(&mut self, events: &mut Vec<StoreEvent>) {
        if !std::mem::replace(&mut self.is_told_full, true) {
            events.push(StoreEvent::Full);
        }
    }

    fn tell_room(&mut self, events: &mut Vec<StoreEvent>) {
        if std::mem::take(&mut self.is_told_full) {
            events.push(StoreEvent::Room);
        }
    }

    /// What was kept is durable.
    fn room(&mut self, events: &mut Vec<StoreEvent>) {
        self.alarm.room();
        self.state = State::Open;
        // What others keep waits yet, and clients of this one with it.
        if !self.alarm.is_full() {
            self.tell_room(events);
        }
    }

    fn has_turn_in_flight(&self) -> bool {
        self.in_flight.iter().any(|(_, keeps_turn)| *keeps_turn)
    }

    /// Notes that a batch was answered, and says whether it has records.
    fn answered(&mut self, ticket: u64) -> bool {
        let at = self.in_flight.binary_search_by_key(&ticket, |(of, _)| *of);
        let flight = at.ok().and_then(|at| self.in_flight.remove(at));
        flight.is_some_and(|(_, keeps_turn)| keeps_turn)
    }

    /// Hands over what may go, in order.
    fn hand_over(&mut self) {
        if !matches!(self.state, State::Open | State::Draining { .. }) {
            return;
        }
        while let Some((ticket, batch)) = self.waiting.pop_front() {
            if !self.submit(ticket, batch) {
                return;
            }
        }
    }

    /// Tries the first batch with records, and what only releases before it.
    fn try_first(&mut self) {
        if self.has_turn_in_flight() {
            return;
        }
        while let Some((ticket, batch)) = self.waiting.pop_front() {
            let keeps_turn = batch.keeps_turn();
            if !self.submit(ticket, batch) {
                return;
            }
            if keeps_turn {
                self.state = State::Trying;
                return;
            }
        }
    }

    /// Hands a batch over; if its queue is full the batch waits in its place. Whether it went.
    fn submit(&mut self, ticket: u64, batch: Batch) -> bool {
        let keeps_turn = batch.keeps_turn();
        match self.port.submit(Ticket(ticket), batch) {
            Ok(()) => {
                // At the end, but for what was given back and goes a second time.
                let at = self.in_flight.partition_point(|(other, _)| *other < ticket);
                self.in_flight.insert(at, (ticket, keeps_turn));
                true
            }
            Err(batch) => {
                let at = self.waiting.partition_point(|(other, _)| *other < ticket);
                self.waiting.insert(at, (ticket, batch));
                false
            }
        }
    }
}

/// A shard's store, as its driver has it.
#[derive(Debug)]
pub(crate) struct Store {
    storing: Storing<Handle>,
    /// Whether there are reports to be taken.
    has_reports: Arc<AtomicBool>,
    events: Vec<StoreEvent>,
    /// Who wants to know when the batches up to one are settled.
    settlers: Vec<(u64, Sender<()>)>,
}

impl Store {
    /// `has_reports` is set by whatever wakes the shard.
    pub(crate) const fn new(storing: Storing<Handle>, has_reports: Arc<AtomicBool>) -> Self {
        Self {
            storing,
            has_reports,
            events: Vec::new(),
            settlers: Vec::new(),
        }
    }

    /// Whether nothing should be read that leads to more records.
    fn is_behind(&self) -> bool {
        self.storing.is_behind()
    }

    pub(super) fn retry_at_ms(&self, now_ms: u64) -> Option<u64> {
        self.storing.retry_at_ms(now_ms)
    }

    /// Has records read back; they come with the reports.
    pub(super) fn fetch(&mut self, positions: &[u64]) {
        self.storing.fetch(positions);
    }
}

impl Driver {
    /// Hands over what the core wants kept, unless the store takes no more for now: the core gathers it until
    /// then, and sees to it that this has a bound.
    pub(super) fn keep_records(&mut self) {
        if !self.store.as_ref().is_some_and(Store::is_behind) {
            self.keep_all_records();
        }
    }

    fn keep_all_records(&mut self) {
        let Some(store) = &mut self.store else { return };
        if let Some(records) = self.core.poll_records() {
            store.storing.keep(records);
        }
    }

    /// The same before the end of the tick, if there are many: the store begins with them now, and
    /// their memory stays small enough to be used again.
    pub(super) fn keep_many_records(&mut self) {
        if self.core.records_bytes() >= BATCH_PART_BYTES {
            self.keep_records();
        }
    }

    /// Tells the core what the store has to say.
    pub(super) fn take_reports(&mut self) {
        let Some(store) = &mut self.store else { return };
        store.storing.retry(self.now.mono_ms);
        let is_news = store.storing.is_news_from_others();
        if !store.has_reports.swap(false, Ordering::Acquire) && !is_news {
            return;
        }
        let mut events = std::mem::take(&mut store.events);
        store.storing.look(self.now.mono_ms, &mut events);
        // Another shard may wait for what this one was to write, or the other way round.
        store.storing.hear_from_others(&mut events);
        let fetched = std::mem::take(&mut store.storing.fetched);
        for event in events.drain(..) {
            self.core.handle(self.now, Input::Store(event));
            self.drain();
        }
        if !fetched.is_empty() {
            self.core.handle(self.now, Input::Fetched(fetched));
            self.drain();
        }
        if let Some(store) = &mut self.store {
            store.events = events;
            while let Some(spare) = store.storing.take_spare() {
                self.core.reuse_records(spare);
            }
        }
    }

    /// Tells `settled` when what has been handed over by the end of this tick is durable, or may
    /// never be.
    pub(super) fn settle(&mut self, settled: Sender<()>) {
        self.keep_all_records();
        if let Some(store) = &mut self.store
            && let Some(upto) = store.storing.unsettled()
        {
            store.settlers.push((upto, settled));
        }
        // Otherwise it is dropped, which says the same.
    }

    pub(super) fn answer_settlers(&mut self) {
        if let Some(store) = &mut self.store {
            let storing = &store.storing;
            store
                .settlers
                .retain(|(upto, _)| !storing.is_settled(*upto));
        }
    }

    /// Whether the thread may end: the store has all that can be handed over.
    pub(super) fn has_handed_over(&self) -> bool {
        let is_taken = |store: &Store| !store.is_behind() && self.core.records_bytes() == 0;
        self.store.as_ref().is_none_or(is_taken)
    }
}

/// How often a full disk is tried again.
const RETRY_MS: u64 = 200;
/// How often a store is tried again whose queue was full.
const BEHIND_MS: u64 = 10;
/// What one batch holds, apart from what a single input adds.
const BATCH_PART_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests;
