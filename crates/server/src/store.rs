//! The store of a broker: opened, read and made ready before the first client comes.

mod words;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use columba_broker::event::Now;
use columba_broker::journal::Records;
use columba_broker::recovery::{
    LostSession, Recovered, RecoveredCounts, RecoveredShard, Recovery, Rewrite, StartNotes,
};
use columba_speech::{Language, Text, system};
use columba_store::{
    Batch, Damage, DiskFiles, Error, Files, LockError, Log, Loss, Options, Position,
};

use crate::runtime::service_manager;
pub use words::{of_damage, of_lost};

/// Where a broker keeps what is to outlive its process.
pub struct StoreConfig {
    /// The files.
    pub files: Box<dyn Files>,
    /// Where they are, for people.
    pub place: String,
    /// Whether what is told to be taken outlives the machine, too.
    pub is_synced: bool,
}

impl StoreConfig {
    /// In a directory, which is made if need be.
    ///
    /// # Errors
    /// If it cannot be made or opened.
    pub fn in_directory(directory: &Path, is_synced: bool) -> Result<Self, StoreError> {
        let place = directory.display().to_string();
        match DiskFiles::open(directory) {
            Ok(files) => Ok(Self {
                files: Box::new(files),
                place,
                is_synced,
            }),
            Err(error) => Err(StoreError {
                place,
                cause: Cause::Directory(error),
            }),
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("place", &self.place)
            .field("is_synced", &self.is_synced)
            .finish_non_exhaustive()
    }
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the store in {place}: {cause}")]
pub struct StoreError {
    place: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the directory cannot be used: {0}")]
    Directory(io::Error),
    #[error(transparent)]
    Store(Error),
}

impl StoreError {
    /// What a store said about the directory `place`.
    pub fn new(place: impl Into<String>, error: Error) -> Self {
        Self {
            place: place.into(),
            cause: Cause::Store(error),
        }
    }

    /// What the system said about the directory `place` itself.
    pub fn of_directory(place: impl Into<String>, error: io::Error) -> Self {
        Self {
            place: place.into(),
            cause: Cause::Directory(error),
        }
    }

    /// Whether nothing is wrong with the store but that reading it was to be stopped.
    pub const fn is_stopped(&self) -> bool {
        matches!(self.cause, Cause::Store(Error::Stopped))
    }

    /// The same in words.
    pub fn text(&self) -> Text {
        let cause = match &self.cause {
            Cause::Directory(error) => words::directory(system(error)).into(),
            Cause::Store(error) => words::of_error(error),
        };
        words::of_store(&*self.place, cause)
    }

    /// What to do about it, if anything can be said.
    pub fn fix(&self) -> Option<Text> {
        let place = &*self.place;
        Some(match &self.cause {
            Cause::Directory(error) => words::fix_of(error, place),
            Cause::Store(Error::Locked(LockError::InUse { pid, .. })) => match pid {
                Some(pid) => words::stop_process(pid.to_string()),
                None => words::wait_for_program(),
            },
            Cause::Store(Error::Locked(LockError::Failed { source, .. })) => {
                words::fix_of_lock(source, place)
            }
            Cause::Store(Error::Version { .. }) => words::newer_version(place),
            Cause::Store(Error::Mixed { .. }) => words::take_out(),
            Cause::Store(
                Error::Failed { source, .. }
                | Error::Unreadable { source, .. }
                | Error::Full { source, .. }
                | Error::Exhausted { source, .. },
            ) => words::fix_of(source, place),
            Cause::Store(_) => return None,
        })
    }
}

/// What was found in the store when the broker started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootReport {
    /// What the records say.
    pub counts: RecoveredCounts,
    /// Live records.
    pub records: u64,
    /// Damage, also what cost nothing.
    pub damage: Vec<Damage>,
    /// Sessions whose records are gone, of which the rest is kept.
    pub lost: Vec<LostSession>,
    /// Whether commits wait for the disk.
    pub is_synced: bool,
    /// How long all of it took.
    pub took: Duration,
}

impl BootReport {
    /// What was found, in words.
    pub fn text(&self) -> Text {
        let unusable = self.counts.unusable;
        let text = self.recovered_text();
        let text = match self.lost.len() {
            0 => text,
            lost => words::and_lost(text, lost),
        };
        match unusable {
            0 => text,
            records => words::and_unusable(text, records),
        }
    }

    /// What was recovered, and whether anything is damaged.
    fn recovered_text(&self) -> Text {
        let RecoveredCounts {
            sessions,
            queued,
            retained,
            expired,
            ..
        } = self.counts;
        let losses = self.losses().count();
        let costless = self.damage.len() - losses;
        let damage = match (losses, costless, self.is_synced) {
            (0, 0, true) => words::none_lost(),
            (0, 0, false) => words::nothing_damaged(),
            (0, places, true) => words::and_costless(words::none_lost(), places),
            (0, places, false) => words::costless_damaged(places),
            (places, 0, _) => words::places_damaged(places),
            (places, costless, _) => words::and_costless(words::places_damaged(places), costless),
        };
        let damage = match expired.is_empty() {
            true => damage,
            false => {
                words::expired_then(expired.sessions, expired.queued, expired.retained, damage)
            }
        };
        let secs = format!("{:.3}", self.took.as_secs_f64());
        words::recovered(sessions, queued, retained, secs, damage)
    }

    /// Damage that cost something.
    fn losses(&self) -> impl Iterator<Item = &Damage> {
        self.damage.iter().filter(|damage| is_loss(damage))
    }

    /// What the flight recorder is told: no name of a client's, since it need not keep them. Damage that
    /// cost nothing explains nothing.
    pub(crate) fn notes(&self) -> StartNotes {
        let places = self.losses().map(of_damage);
        let lost = self.lost.iter().map(words::of_lost_counted);
        let damage = places.take(DAMAGE_NOTED_MAX);
        let damage = damage.chain(lost.take(DAMAGE_NOTED_MAX));
        StartNotes {
            recovered: self.recovered_text().to_string(Language::English),
            damage: damage
                .map(|text| text.to_string(Language::English))
                .collect(),
        }
    }
}

impl fmt::Display for BootReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().to_string(Language::English))
    }
}

/// A store that has been read.
pub(crate) struct Reading {
    log: Log<Box<dyn Files>>,
    recovery: Recovery,
    place: String,
    report: BootReport,
    began: Instant,
}

/// What a broker goes on with.
pub(crate) struct Ready {
    pub(crate) log: Log<Box<dyn Files>>,
    pub(crate) seed: u64,
    /// By shard.
    pub(crate) shards: Vec<RecoveredShard>,
    pub(crate) report: BootReport,
}

impl Reading {
    /// Opens a store, or makes one, and reads all that lives in it, until `stop` is set. `number` is
    /// random, for a new store. Tells in the log how far it is, and what is damaged.
    pub(crate) fn new(
        config: StoreConfig,
        number: u64,
        now: Now,
        stop: &AtomicBool,
    ) -> Result<Self, StoreError> {
        let StoreConfig {
            files,
            place,
            is_synced,
        } = config;
        let began = Instant::now();
        tracing::info!(directory = place, "reading the store");
        let mut progress = Steps::new(began, &place, stop);
        let mut options = Options::new(number);
        options.is_synced = is_synced;
        let failed = |error| StoreError::new(place.clone(), error);
        let opened = Log::open_unless(files, options, &mut |at| {
            progress.step(at.bytes, at.bytes_total, "bytes")
        });
        let (mut log, found) = opened.map_err(failed)?;
        if found.torn_bytes > 0 {
            let bytes = found.torn_bytes;
            tracing::info!(bytes, "cut off a commit that was never acknowledged");
        }
        let recovery = read_all(&mut log, now, &mut |at| progress.records(at)).map_err(failed)?;
        let mut damage = found.damage;
        damage.extend(log.take_damage());
        for damage in &damage {
            report_damage(&place, damage);
        }
        Ok(Self {
            log,
            recovery,
            report: BootReport {
                counts: RecoveredCounts::default(),
                records: found.records,
                damage,
                lost: Vec::new(),
                is_synced,
                took: Duration::ZERO,
            },
            place,
            began,
        })
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Deals out what was found. `seed` is for a store that has none yet.
    pub(crate) fn finish(
        self,
        shards: u16,
        seed: u64,
        now: Now,
        stop: &AtomicBool,
    ) -> Result<Ready, StoreError> {
        let Self {
            mut log,
            mut recovery,
            place,
            mut report,
            began,
        } = self;
        let is_damaged = report.damage.iter().any(is_loss);
        if is_damaged {
            recovery.expect_lost();
        }
        let seed = recovery.seed().unwrap_or(seed);
        let failed = |error| StoreError::new(place.clone(), error);
        let mut recovered = recovery.finish(shards, seed);
        for _ in 0..REPAIRS_MAX {
            repair(&mut log, &mut recovered).map_err(failed)?;
            let rewrites = std::mem::take(&mut recovered.rewrites);
            if rewrites.is_empty() {
                break;
            }
            // There is another number of shards: some messages lie in other records now.
            rewrite(&mut log, rewrites).map_err(failed)?;
            let mut progress = Steps::new(Instant::now(), &place, stop);
            let mut recovery =
                read_all(&mut log, now, &mut |at| progress.records(at)).map_err(failed)?;
            if is_damaged {
                recovery.expect_lost();
            }
            recovered = recovery.finish(shards, seed);
        }
        let Recovered {
            shards,
            counts,
            lost,
            ..
        } = recovered;
        for lost in &lost {
            let text = of_lost(lost).to_string(Language::English);
            tracing::error!(directory = place, "{text}");
        }
        (report.counts, report.lost) = (counts, lost);
        report.took = began.elapsed();
        tracing::info!(
            directory = place,
            records = report.records,
            bytes = log.stats().disk_bytes,
            "{report}"
        );
        Ok(Ready {
            log,
            seed,
            shards,
            report,
        })
    }
}

/// Lets go of what earlier starts have kept in a store of sessions whose records were lost, and tells
/// what that was. `damage` is what was found when it was opened.
///
/// # Errors
/// If the store cannot be read or written.
pub fn discard_lost<F: Files>(
    log: &mut Log<F>,
    damage: &[Damage],
    now: Now,
) -> Result<Vec<LostSession>, Error> {
    let mut recovery = read_all(log, now, &mut |_| ControlFlow::Continue(()))?;
    let found_since = log.take_damage();
    if damage.iter().chain(&found_since).any(is_loss) {
        // What damage has cost since the last start is not known to anybody yet.
        recovery.expect_lost();
    }
    let discarded = recovery.discard_lost();
    if !discarded.lost.is_empty() {
        commit(log, discarded.repair)?;
    }
    Ok(discarded.lost)
}

/// Notes in a store which sessions damage has cost, so that a start keeps the rest of them when the damage
/// is out of it. How many these are.
///
/// # Errors
/// If the store cannot be read or written.
pub fn mark_lost<F: Files>(log: &mut Log<F>, damage: &[Damage], now: Now) -> Result<usize, Error> {
    if !damage.iter().any(is_loss) {
        return Ok(0);
    }
    let recovery = read_all(log, now, &mut |_| ControlFlow::Continue(()))?;
    let (lost, marks) = recovery.mark_lost();
    commit(log, marks)?;
    Ok(lost)
}

/// Reads all that lives in a store. `now` is the time from which clocks run on. `step` is told how many
/// records of how many are read.
fn read_all<F: Files>(
    log: &mut Log<F>,
    now: Now,
    step: &mut dyn FnMut((u64, u64)) -> ControlFlow<()>,
) -> Result<Recovery, Error> {
    let records = log.stats().records;
    let mut recovery = Recovery::new(now);
    let (mut from, mut taken) = (Position::new(0), 0);
    loop {
        let next = log.replay(from, REPLAY_RECORDS, |position, record| {
            recovery.take(position.value(), record);
            taken += 1;
        })?;
        let Some(next) = next else {
            return Ok(recovery);
        };
        from = next;
        if step((taken, records)).is_break() {
            return Err(Error::Stopped);
        }
    }
}

/// Writes records anew, so many at a time that memory is no matter.
fn rewrite(log: &mut Log<Box<dyn Files>>, rewrites: Vec<Rewrite>) -> Result<(), Error> {
    let mut batch = Records::default();
    for rewrite in rewrites {
        match log.fetch(Position::new(rewrite.position)) {
            Ok(record) => rewrite.write(&record, &mut batch),
            // Told when it is read once more.
            Err(Error::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        if batch.bytes.len() >= REWRITE_BYTES {
            commit(log, std::mem::take(&mut batch))?;
        }
    }
    commit(log, batch)
}

/// Releases what nobody needs. A disk that is full has no room for that: then a shard does it when there
/// is some, since nobody could make any if the broker did not start.
fn repair(log: &mut Log<Box<dyn Files>>, recovered: &mut Recovered) -> Result<(), Error> {
    let repair = std::mem::take(&mut recovered.repair);
    let is_release = repair.ends.is_empty();
    let releases = repair.releases.clone();
    match (commit(log, repair), recovered.shards.first_mut()) {
        (Err(Error::Full { .. }), Some(first)) if is_release => {
            first.release(releases);
            Ok(())
        }
        (done, _) => done,
    }
}

fn commit<F: Files>(log: &mut Log<F>, records: Records) -> Result<(), Error> {
    let batch = batch_of(records);
    if !batch.is_empty() {
        let done = log.commit([&batch])?;
        let _: Vec<Position> = done.batches.into_iter().collect::<Result<_, _>>()?;
    }
    Ok(())
}

/// A random number, for a new store.
///
/// # Errors
/// If the system has none.
pub fn random_number() -> io::Result<u64> {
    let mut number = [0; 8];
    aws_lc_rs::rand::fill(&mut number).map_err(|_| io::Error::other("no random bytes"))?;
    Ok(u64::from_le_bytes(number))
}

/// The same for the store.
pub(crate) fn batch_of(records: Records) -> Batch {
    let mut batch = Batch::from_parts(records.bytes, records.ends, records.releases);
    if records.tells_written {
        batch.tell_written();
    }
    if records.keeps_turn {
        batch.keep_turn();
    }
    batch
}

/// Tells what is damaged, and what it costs.
pub(crate) fn report_damage(place: &str, damage: &Damage) {
    if is_loss(damage) {
        tracing::error!(directory = place, "{damage}");
    } else {
        tracing::warn!(directory = place, "{damage}");
    }
}

/// Whether damage costs anything.
pub fn is_loss(damage: &Damage) -> bool {
    !matches!(damage.loss, Loss::Header | Loss::Released(_))
}

/// Says about every second how far a long recovery is.
struct Steps<'a> {
    told_at: Instant,
    place: &'a str,
    stop: &'a AtomicBool,
}

impl<'a> Steps<'a> {
    const fn new(now: Instant, place: &'a str, stop: &'a AtomicBool) -> Self {
        Self {
            told_at: now,
            place,
            stop,
        }
    }

    fn records(&mut self, (done, of): (u64, u64)) -> ControlFlow<()> {
        self.step(done, of, "records")
    }

    /// So much is done of so much; whether to go on.
    fn step(&mut self, done: u64, of: u64, what: &str) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        let now = Instant::now();
        if now.duration_since(self.told_at) < STEP {
            return ControlFlow::Continue(());
        }
        self.told_at = now;
        let percent = done * 100 / of.max(1);
        tracing::info!(
            directory = self.place,
            "reading the store: {done} of {of} {what}, {percent} %"
        );
        service_manager::notify_recovering(percent);
        ControlFlow::Continue(())
    }
}

/// How often progress is told.
const STEP: Duration = Duration::from_secs(1);
/// Places, and sessions, of which the flight recorder is told.
const DAMAGE_NOTED_MAX: usize = 100;
/// How much is written anew in one piece.
const REWRITE_BYTES: usize = 8 << 20;
/// Records are written anew once, if at all.
const REPAIRS_MAX: usize = 2;
/// Records that are read in one go.
const REPLAY_RECORDS: usize = 4096;

#[cfg(test)]
mod tests;
