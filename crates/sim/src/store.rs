//! The store of a run: a real log on a disk in memory, and what its driver does. Records of all
//! shards go into one log; they are committed some time later, and reported some time after that.

use std::collections::VecDeque;

use columba_broker::event::Input;
use columba_broker::journal::{Fetched, Records, StoreEvent};
use columba_broker::limits::Promise;
use columba_broker::recovery::{Recovered, Recovery, Rewrite};
use columba_store::{
    Batch, Damage, Error, Faults, Inline, Log, Options, Port, Position, Report, SimDisk, Ticket,
};

use crate::event::{DiskFault, Event};
use crate::oracle::About;
use crate::planted::{Planted, forget};
use crate::swarm::Storage;
use crate::world::{Mode, World};

/// The store of a run.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) disk: SimDisk,
    /// None between a crash and the next start.
    port: Option<Inline<SimDisk>>,
    options: Options,
    /// By shard, in the order of tickets.
    lanes: Vec<Lane>,
    is_commit_due: bool,
    pub(crate) has_failed: bool,
    is_full: bool,
    /// Whether the disk takes no more.
    has_no_room: bool,
    planted: Option<Planted>,
    /// A copy of the disk, made between the last death and the next start.
    copy: Option<SimDisk>,
}

/// What one shard has handed over.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Handed>,
    is_tick_due: bool,
    is_told_full: bool,
    /// When its last report arrives; later ones never overtake it.
    last_at_ms: u64,
}

#[derive(Debug)]
struct Handed {
    records: Records,
    /// Whether it outlives the process, though not a loss of power.
    is_written: bool,
    /// The position of its first record, once it is committed.
    first: Option<u64>,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Done,
    Full,
    Failed,
}

impl Store {
    pub(crate) fn new(seed: u64, storage: &Storage, planted: Option<Planted>) -> Self {
        let mut options = Options::new(seed);
        options.segment_bytes = storage.segment_bytes;
        options.step_bytes = 2_048;
        options.is_synced = storage.is_synced && planted.is_none_or(Planted::syncs);
        Self {
            disk: SimDisk::new(seed),
            port: None,
            options,
            lanes: Vec::new(),
            is_commit_due: false,
            has_failed: false,
            is_full: false,
            has_no_room: false,
            planted,
            copy: None,
        }
    }

    /// The process is gone, and what it had not handed to the disk.
    pub(crate) fn die(&mut self) {
        self.port = None;
        self.copy = None;
        self.lanes.clear();
        self.is_commit_due = false;
        self.has_failed = false;
        self.is_full = false;
        self.has_no_room = false;
    }

    /// Opens the log; returns what is damaged.
    pub(crate) fn open(&mut self, shards: u16) -> Result<Vec<Damage>, String> {
        self.lanes = (0..shards).map(|_| Lane::default()).collect();
        let opened = Log::open(self.disk.clone(), self.options.clone(), &mut |_| {});
        let (log, found) = opened.map_err(|error| error.to_string())?;
        self.port = Some(Inline::new(log, usize::MAX));
        self.check_copy()?;
        Ok(found.damage)
    }

    /// Reads all live records.
    pub(crate) fn read(&mut self, recovery: &mut Recovery) -> Result<Vec<Damage>, Error> {
        let Some(port) = &mut self.port else {
            return Ok(Vec::new());
        };
        let mut from = Some(Position::new(0));
        while let Some(position) = from {
            from = port.log().replay(position, 64, |position, record| {
                recovery.take(position.value(), record);
            })?;
        }
        Ok(port.log().take_damage())
    }

    /// Commits what recovery has to change; whether it is there.
    pub(crate) fn repair(&mut self, recovered: &Recovered) -> bool {
        let Some(port) = &mut self.port else {
            return false;
        };
        if recovered.repair.ends.is_empty() && recovered.repair.releases.is_empty() {
            return true;
        }
        // There is nobody else to hand anything over.
        let _ = port.submit(Ticket(0), batch_of(&recovered.repair, 0));
        port.work();
        let mut reports = Vec::new();
        port.take_reports(&mut reports);
        reports
            .iter()
            .any(|report| matches!(report, Report::Durable { .. }))
    }

    /// Writes a message anew, for other shards.
    pub(crate) fn rewrite(&mut self, rewrite: Rewrite) -> Result<(), String> {
        let Some(port) = &mut self.port else {
            return Ok(());
        };
        let record = port.log().fetch(Position::new(rewrite.position));
        let record = record.map_err(|error| error.to_string())?;
        let mut records = Records::default();
        rewrite.write(&record, &mut records);
        let _ = port.submit(Ticket(0), batch_of(&records, 0));
        port.work();
        let mut reports = Vec::new();
        port.take_reports(&mut reports);
        let is_durable = |report: &Report| matches!(report, Report::Durable { .. });
        let is_there = reports.iter().any(is_durable);
        is_there
            .then_some(())
            .ok_or_else(|| "the rewriting was refused".to_owned())
    }

    /// Reads records.
    fn fetch(&mut self, positions: &[u64]) -> Vec<Fetched> {
        let Some(port) = &mut self.port else {
            return Vec::new();
        };
        let positions: Vec<Position> = positions.iter().copied().map(Position::new).collect();
        port.fetch(Ticket(0), &positions);
        let mut reports = Vec::new();
        port.take_reports(&mut reports);
        let answers = reports.into_iter().filter_map(|report| match report {
            Report::Fetched {
                position, record, ..
            } => Some(Fetched {
                position: position.value(),
                record: record.map_err(|error| error.to_string()),
            }),
            _ => None,
        });
        answers.collect()
    }

    /// The log, unless the broker is dead.
    pub(crate) fn log(&mut self) -> Option<&mut Log<SimDisk>> {
        self.port.as_mut().map(Inline::log)
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// The broker is dead, and somebody copies what it has left.
    pub(crate) fn copy_remains(&mut self) -> Result<(), String> {
        self.copy = Some(self.back_up()?);
        Ok(())
    }

    /// What was copied is what the broker finds.
    fn check_copy(&mut self) -> Result<(), String> {
        let copy = self.copy.take();
        copy.map_or(Ok(()), |copy| self.compare(&copy))
    }

    /// Live records.
    pub(crate) fn records(&mut self) -> u64 {
        self.port
            .as_mut()
            .map_or(0, |port| port.log().stats().records)
    }

    /// Batches that are written and not committed.
    pub(crate) fn written(&self) -> u64 {
        let all = self.lanes.iter().flat_map(|lane| &lane.waiting);
        all.filter(|of| of.is_written && of.first.is_none()).count() as u64
    }

    /// Commits up to so many batches, of those that are written or of all. Of a shard whose batch found
    /// no room none that keeps its turn may overtake that.
    fn commit(&mut self, most: u64, has_others: bool) -> Commit {
        let Some(port) = &mut self.port else {
            return Commit::Done;
        };
        let mut submitted = Vec::new();
        for (shard, lane) in self.lanes.iter().enumerate() {
            let mut is_blocked = false;
            for (at, handed) in lane.waiting.iter().enumerate() {
                if handed.first.is_some() || !(handed.is_written || has_others) {
                    continue;
                }
                let has_turn = handed.records.keeps_turn || !handed.records.ends.is_empty();
                if (has_turn && is_blocked) || submitted.len() as u64 >= most {
                    continue;
                }
                is_blocked |= has_turn && self.is_full;
                let ticket = Ticket(submitted.len() as u64);
                let planted = self.planted;
                let ahead = planted.map_or(0, |of| of.commit_half(&handed.records, port));
                submitted.push((shard, at, ahead));
                let _ = port.submit(ticket, batch_of(&handed.records, ahead));
            }
        }
        port.work();
        let mut reports = Vec::new();
        port.take_reports(&mut reports);
        let mut result = Commit::Done;
        let mut lost = Vec::new();
        let mut half = None;
        for report in reports {
            match report {
                Report::Durable { ticket, first } => {
                    let Some(&(shard, at, ahead)) = submitted.get(ticket.0 as usize) else {
                        half = Some(first.value());
                        continue;
                    };
                    half = None;
                    let first = first.value().saturating_sub(ahead as u64);
                    let handed = &mut self.lanes[shard].waiting[at];
                    handed.first = Some(first);
                    lost.extend(self.planted.map(|of| of.lost(&handed.records, first)));
                }
                Report::Refused {
                    ticket,
                    error: Error::Full { .. },
                    ..
                } => {
                    result = Commit::Full;
                    // What was committed ahead of it is handed over once more, with it.
                    if let Some(&(_, _, ahead)) = submitted.get(ticket.0 as usize)
                        && let Some(first) = half.take()
                    {
                        lost.push((first..first + ahead as u64).collect());
                    }
                }
                Report::Refused { .. } => {
                    self.has_failed = true;
                    return Commit::Failed;
                }
                _ => {}
            }
        }
        forget(port, lost.concat());
        self.is_full = result == Commit::Full;
        result
    }
}

/// What is to be committed, but for so many records that are committed already.
fn batch_of(records: &Records, ahead: usize) -> Batch {
    let mut batch = Batch::new();
    let (done, ends) = records.ends.split_at(ahead);
    let mut start = done.last().copied().unwrap_or(0);
    for end in ends {
        batch.append(&records.bytes[start..*end]);
        start = *end;
    }
    for position in &records.releases {
        batch.release(Position::new(*position));
    }
    if records.keeps_turn {
        batch.keep_turn();
    }
    batch
}

impl World {
    /// A shard has done something: what it has for the store is taken now or some time later.
    pub(crate) fn end_tick(&mut self, shard: usize) {
        let Some(storage) = &self.swarm.store else {
            return;
        };
        let prompt_percent = storage.prompt_percent;
        if self.mode != Mode::Faulty || self.chance.percent(prompt_percent) {
            return self.gather(shard);
        }
        let Some(store) = &mut self.store else { return };
        if !std::mem::replace(&mut store.lanes[shard].is_tick_due, true) {
            let delay_ms = self.chance.range(0, 3);
            self.put(delay_ms, Event::Tick { shard });
        }
    }

    pub(crate) fn on_tick(&mut self, shard: usize) {
        if let Some(store) = &mut self.store {
            store.lanes[shard].is_tick_due = false;
        }
        self.gather(shard);
    }

    fn gather(&mut self, shard: usize) {
        let Some(mut records) = self.shards[shard].core.poll_records() else {
            return;
        };
        let Some(store) = &mut self.store else { return };
        self.trace.line(
            self.now_ms,
            format_args!(
                "  shard {shard} hands over batch {}: {} records, {} releases",
                records.ticket,
                records.ends.len(),
                records.releases.len()
            ),
        );
        self.trace.bytes(&records.bytes);
        if self.trace.is_printed() {
            self.trace.note(self.now_ms, format_args!("{records:?}"));
        }
        self.oracle.taken(shard, records.ticket);
        if let (Some(planted), Some(port)) = (store.planted, &mut store.port) {
            planted.hand_over(&mut records, port);
        }
        let handed = Handed {
            records,
            is_written: false,
            first: None,
        };
        store.lanes[shard].waiting.push_back(handed);
        self.plan_commit(0);
    }

    fn plan_commit(&mut self, after_ms: u64) {
        let storage = self.swarm.store.as_ref();
        let (most_ms, is_synced) = storage.map_or((0, true), |of| (of.commit_ms_max, of.is_synced));
        let Some(store) = &mut self.store else { return };
        if store.has_failed || std::mem::replace(&mut store.is_commit_due, true) {
            return;
        }
        let delay_ms = after_ms + self.delay(most_ms);
        // Where there is no sync, there is nothing to be told before it.
        let has_two_steps = is_synced && self.swarm.listeners.contains(&Promise::Written);
        if has_two_steps && self.chance.percent(70) {
            let written_ms = self.chance.range(0, delay_ms);
            self.put(written_ms, Event::Written);
        }
        self.put(delay_ms, Event::Commit);
    }

    pub(crate) fn on_commit(&mut self) {
        let group_max = self.swarm.store.as_ref().map_or(1, |of| of.group_max);
        if self.dies_here() {
            return;
        }
        let Some(store) = &mut self.store else { return };
        store.is_commit_due = false;
        if store.has_failed {
            return;
        }
        let most = self.chance.range(1, group_max);
        self.may_die_in_commit();
        let Some(store) = &mut self.store else { return };
        let result = store.commit(most, true);
        self.trace
            .line(self.now_ms, format_args!("commit: {result:?}"));
        if store.disk.is_down() {
            self.is_dead = true;
            return;
        }
        self.note_committed();
        if self.dies_here() {
            return;
        }
        match result {
            Commit::Done => self.report_commits(),
            Commit::Full => {
                self.report_commits();
                self.tell_full();
                self.plan_commit(20);
            }
            Commit::Failed => self.tell_failed(),
        }
        let Some(store) = &mut self.store else { return };
        let is_waiting = |lane: &Lane| lane.waiting.iter().any(|of| of.first.is_none());
        if store.lanes.iter().any(is_waiting) {
            self.plan_commit(0);
        }
    }

    fn note_committed(&mut self) {
        let Some(store) = &self.store else { return };
        for (shard, lane) in store.lanes.iter().enumerate() {
            // One that has passed others says nothing of those.
            for handed in lane.waiting.iter().take_while(|of| of.first.is_some()) {
                self.oracle.committed(shard, handed.records.ticket);
            }
        }
    }

    /// What waits is written, and whoever has asked for that is told.
    pub(crate) fn on_written(&mut self) {
        let most_ms = self.swarm.store.as_ref().map_or(0, |of| of.report_ms_max);
        for shard in 0..self.shards.len() {
            let delay_ms = self.delay(most_ms);
            let Some(store) = &mut self.store else { return };
            if store.has_failed || store.is_full || store.has_no_room {
                return;
            }
            let lane = &mut store.lanes[shard];
            if lane.is_told_full {
                continue;
            }
            let mut asked = None;
            for handed in lane.waiting.iter_mut().filter(|of| of.first.is_none()) {
                handed.is_written = true;
                if handed.records.tells_written {
                    asked = Some(handed.records.ticket);
                }
            }
            if let Some(ticket) = asked {
                lane.last_at_ms = lane.last_at_ms.max(self.now_ms + delay_ms);
                let event = StoreEvent::Written { ticket };
                let event = Event::Stored { shard, event };
                self.agenda.put(lane.last_at_ms, event);
            }
        }
    }

    /// Commits batches that are written.
    pub(crate) fn commit_written(&mut self, most: u64) -> Commit {
        let Some(store) = &mut self.store else {
            return Commit::Done;
        };
        let result = store.commit(most, false);
        self.note_committed();
        result
    }

    /// Reports what is committed, each shard's batches in order.
    fn report_commits(&mut self) {
        let most_ms = self.swarm.store.as_ref().map_or(0, |of| of.report_ms_max);
        for shard in 0..self.shards.len() {
            let delay_ms = self.delay(most_ms);
            let Some(store) = &mut self.store else { return };
            let lane = &mut store.lanes[shard];
            lane.last_at_ms = lane.last_at_ms.max(self.now_ms + delay_ms);
            while let Some(first) = lane.waiting.front().and_then(|handed| handed.first) {
                let Some(handed) = lane.waiting.pop_front() else {
                    break;
                };
                let event = StoreEvent::Durable {
                    ticket: handed.records.ticket,
                    first,
                };
                let event = Event::Stored { shard, event };
                self.agenda.put(lane.last_at_ms, event);
            }
        }
        self.tell_room();
    }

    /// There is room for one when there is for all.
    fn tell_room(&mut self) {
        let Some(store) = &mut self.store else { return };
        if store.lanes.iter().any(|lane| !lane.waiting.is_empty()) {
            return;
        }
        for (shard, lane) in store.lanes.iter_mut().enumerate() {
            if std::mem::take(&mut lane.is_told_full) {
                let event = StoreEvent::Room;
                self.agenda
                    .put(lane.last_at_ms, Event::Stored { shard, event });
            }
        }
    }

    fn tell_full(&mut self) {
        let Some(store) = &mut self.store else { return };
        if store.lanes.iter().all(|lane| lane.waiting.is_empty()) {
            return;
        }
        // All of them: their clients may wait for what another one has to store.
        for (shard, lane) in store.lanes.iter_mut().enumerate() {
            if !std::mem::replace(&mut lane.is_told_full, true) {
                let at_ms = lane.last_at_ms.max(self.now_ms);
                lane.last_at_ms = at_ms;
                let event = StoreEvent::Full;
                self.agenda.put(at_ms, Event::Stored { shard, event });
            }
        }
    }

    /// Nothing is certain any more: some time later somebody starts the broker anew.
    fn tell_failed(&mut self) {
        let Some(store) = &mut self.store else { return };
        store.has_failed = true;
        for shard in 0..self.shards.len() {
            let event = StoreEvent::Failed;
            self.put(0, Event::Stored { shard, event });
        }
        let delay_ms = self.chance.pick(&[10, 300, 1_500]);
        self.crash_in = None;
        self.put(delay_ms, Event::Crash);
    }

    pub(crate) fn on_stored(&mut self, shard: usize, event: StoreEvent) {
        if let StoreEvent::Durable { ticket, .. } = event {
            self.oracle.reported(shard, ticket);
        }
        self.input(shard, Input::Store(event), About::Store(event));
        self.feed_held(shard);
    }

    /// What a shard has asked for is read, some of it with an error.
    pub(crate) fn on_fetch(&mut self, shard: usize, positions: &[u64]) {
        let per_mille = match self.mode {
            Mode::Faulty => self
                .swarm
                .store
                .as_ref()
                .map_or(0, |of| of.unreadable_per_mille),
            Mode::Healing | Mode::Ending | Mode::Leaving => 0,
        };
        let Some(store) = &mut self.store else { return };
        let mut fetched = store.fetch(positions);
        if store.disk.is_down() {
            self.is_dead = true;
            return;
        }
        for Fetched { record, .. } in &mut fetched {
            if per_mille > 0 && self.chance.below(1_000) < per_mille {
                *record = Err("input/output error".to_owned());
            }
        }
        let about = About::Fetched(fetched.len());
        self.input(shard, Input::Fetched(fetched), about);
        self.feed_held(shard);
    }

    pub(crate) fn on_disk(&mut self, fault: DiskFault) {
        // What is written has its room already.
        if fault == DiskFault::Full && self.store.as_ref().is_some_and(|of| of.written() > 0) {
            match self.commit_written(u64::MAX) {
                Commit::Done => self.report_commits(),
                Commit::Failed => self.tell_failed(),
                Commit::Full => self
                    .oracle
                    .fail("store", "what was written found no room".to_owned()),
            }
        }
        let Some(store) = &mut self.store else { return };
        store.has_no_room = fault == DiskFault::Full;
        let disk = store.disk.clone();
        let segment_bytes = u64::from(store.options.segment_bytes);
        let faults = match fault {
            // There may be room for less than a segment.
            DiskFault::Full if self.chance.percent(50) => Faults {
                capacity: Some(disk.used_bytes() + self.chance.below(segment_bytes)),
                ..Faults::default()
            },
            DiskFault::Full => Faults {
                capacity: Some(0),
                ..Faults::default()
            },
            DiskFault::FailedSync => Faults {
                fail_sync_at: Some(disk.syncs()),
                ..Faults::default()
            },
            DiskFault::Room => Faults::default(),
        };
        disk.set_faults(faults);
        self.note(format_args!("disk: {fault:?}"));
    }
}
