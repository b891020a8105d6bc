//! `columba store`: look at what a broker has on disk, compact it, move it, copy it.

mod copy;
mod lines;
mod meaning;
mod meter;
mod sum;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use columba_broker::event::Now;
use columba_server::config::Durability;
use columba_server::instance::{Instance, Location, Overrides};
use columba_server::store::{StoreError, discard_lost, is_loss, mark_lost, of_damage};
use columba_speech::width::{pad, width};
use columba_speech::{Param, Text};
use columba_store::{DiskFiles, Error, Files as _, LockError, Log, Name, Options, Recovered};

use crate::failure::{Failure, count_of, end, note, of_store, print, show_faults, tell};
use crate::language::spoken;
use crate::words::store as words;
use meter::Meter;
pub(crate) use meter::size;

/// Look at what a broker has on disk, compact it, move it, copy it
///
/// `check`, `stats`, `export` and `backup` work while the broker runs; they show the store as it was
/// at one moment. `compact`, `discard` and `import` need it stopped: a store belongs to one process at a time.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum StoreCommand {
    Check(CheckArgs),
    Stats(StatsArgs),
    Compact(CompactArgs),
    Discard(DiscardArgs),
    Export(ExportArgs),
    Import(ImportArgs),
    Backup(BackupArgs),
}

/// Which store.
#[derive(Args, Clone, Debug)]
struct Place {
    /// Directory of the instance
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Configuration file, in place of DIR/etc/columba.toml
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Directory of the store itself, such as that of a backup, in place of an instance
    #[arg(long, value_name = "STORE", conflicts_with_all = ["dir", "config"])]
    store: Option<PathBuf>,
}

/// Read everything and report what is damaged, with file, offset and cost; change nothing
///
/// Exits with 0 if nothing is damaged, with 1 if something is or the store cannot be read.
#[derive(Args, Clone, Debug)]
struct CheckArgs {
    #[command(flatten)]
    place: Place,
}

/// Show how much there is and how much space it takes; change nothing
#[derive(Args, Clone, Debug)]
struct StatsArgs {
    #[command(flatten)]
    place: Place,
}

/// Write what is live once more, one behind the other, and free the rest of the space
///
/// A running broker frees space by itself and takes at most about twice what is live, and five
/// segments of 32 MiB. This needs room for one segment and can be stopped at any time. Where nine parts
/// in ten are live, there is nothing worth freeing. Damage is left behind: what can be read is moved out
/// of the files that have it, and no start reports it again.
#[derive(Args, Clone, Debug)]
struct CompactArgs {
    #[command(flatten)]
    place: Place,
}

/// Let go of what is kept of sessions whose own records were damaged
///
/// Which client such a session belonged to is not known any more, so its subscriptions and messages
/// are nobody's. A broker that starts says how many there are and keeps them; `columba store export`
/// shows them.
#[derive(Args, Clone, Debug)]
struct DiscardArgs {
    #[command(flatten)]
    place: Place,
}

/// Write all records as lines of JSON; change nothing
///
/// One object a line: {"position":N,"record":"BASE64"}, and what the record means, where this
/// program knows; the last line has their number and a checksum. `columba store import` reads it. Exits with 1 if something is damaged; what can be
/// read is written all the same.
///
/// A broker that runs meanwhile may free the space of records before they are written here. The
/// export then ends with an error; export a backup.
#[derive(Args, Clone, Debug)]
struct ExportArgs {
    #[command(flatten)]
    place: Place,
    /// File to write, in place of the standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Make a store from the lines of an export
///
/// Only where there is none yet. Records refer to each other by position, so they keep theirs.
#[derive(Args, Clone, Debug)]
struct ImportArgs {
    #[command(flatten)]
    place: Place,
    /// File to read, in place of the standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Take lines without a last one that says how many there are: what is missing is not noticed
    #[arg(long)]
    unchecked: bool,
}

/// Copy the store to another directory, also while the broker runs
///
/// The copy is the store as it was at one moment near the end of the copying, and the bans. It is
/// checked when it is done. To restore it, stop the broker and put the files of the copy in the place
/// of those of the store; bans.json goes into the data directory.
#[derive(Args, Clone, Debug)]
struct BackupArgs {
    #[command(flatten)]
    place: Place,
    /// Directory to copy to; it is made, or empty
    #[arg(long, value_name = "TARGET")]
    to: PathBuf,
}

/// Runs a command.
pub fn run(args: &StoreArgs) -> ExitCode {
    end(match &args.command {
        StoreCommand::Check(args) => args.place.find_made().and_then(|store| check(&store)),
        StoreCommand::Stats(args) => args.place.find_made().and_then(|store| show_stats(&store)),
        StoreCommand::Compact(args) => args.place.find_made().and_then(|store| compact(&store)),
        StoreCommand::Discard(args) => args.place.find_made().and_then(|store| discard(&store)),
        StoreCommand::Export(args) => {
            let store = args.place.find_made();
            store.and_then(|store| lines::export(&store, args.to.as_deref()))
        }
        StoreCommand::Import(args) => {
            let store = args.place.find();
            store.and_then(|store| lines::import(&store, args.from.as_deref(), args.unchecked))
        }
        StoreCommand::Backup(args) => {
            let places = args.place.check_made();
            let places = places.and_then(|()| args.place.find_with_data());
            places.and_then(|(store, data)| copy::backup(&store, &data, &args.to))
        }
    })
}

/// Where an instance has what.
struct Located {
    store: PathBuf,
    data: PathBuf,
    /// Whether its broker keeps a store at all.
    is_kept: bool,
}

impl Place {
    /// The directory of a store that is to be there.
    fn find_made(&self) -> Result<PathBuf, Failure> {
        let places = self.check_made().and_then(|()| self.find_with_data());
        places.map(|(store, _)| store)
    }

    /// Fails where no instance has been made: nobody who looks for a store wants a new one.
    fn check_made(&self) -> Result<(), Failure> {
        let is_named = self.store.is_some() || self.config.is_some();
        let there = Location::of_directory(&self.dir).config_file.try_exists();
        match there {
            Ok(false) if !is_named => Err(no_store(&self.dir)),
            // What cannot be read is told with the instance.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The directory of the store.
    fn find(&self) -> Result<PathBuf, Failure> {
        self.locate().map(|located| located.store)
    }

    /// The directory of a store that is to be there, and the data directory that goes with it.
    fn find_with_data(&self) -> Result<(PathBuf, PathBuf), Failure> {
        let Located {
            store,
            data,
            is_kept,
        } = self.locate()?;
        if !is_kept && !has_records(&store) {
            return Err(Failure::new(words::keeps_none()).fix(words::keep_one()));
        }
        Ok((store, data))
    }

    fn locate(&self) -> Result<Located, Failure> {
        if let Some(store) = &self.store {
            return Ok(Located {
                store: store.clone(),
                data: store.clone(),
                is_kept: true,
            });
        }
        let location = match &self.config {
            Some(file) => Location::of_file(file),
            None => Location::of_directory(&self.dir),
        };
        match Instance::load(&location, &Overrides::default(), std::env::vars()) {
            Ok(Instance { config, .. }) => Ok(Located {
                store: config.store.directory,
                data: config.data_dir,
                is_kept: config.store.durability != Durability::Memory,
            }),
            Err(faults) => {
                show_faults(&faults);
                let what = words::faulty_instance(count_of(&faults));
                let fix = words::correct_or_name_store();
                Err(Failure::new(what).fix(fix).faulty())
            }
        }
    }
}

/// Whether a store is in a directory, or something that is to be told of. A broker that keeps none still
/// locks its directory.
fn has_records(store: &Path) -> bool {
    match DiskFiles::open_read_only(store).and_then(|mut files| files.list()) {
        Ok(names) => names.iter().any(|name| *name != Name::Lock),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Moves the files of a store. The newest segment goes first: it names the others, so that one that
/// is missing is missed.
fn move_files(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = DiskFiles::open_read_only(from)?.list()?;
    names.sort_by_key(|name| std::cmp::Reverse(*name));
    for name in names.into_iter().filter(|name| *name != Name::Lock) {
        let name = name.to_string();
        fs::rename(from.join(&name), to.join(&name))?;
    }
    Ok(())
}

/// Why a store cannot be used by one of these commands.
fn failed(store: &Path, error: Error) -> Failure {
    if matches!(error, Error::NoStore) && copy::unfinished(store).exists() {
        let what = words::unfinished_backup(store.display().to_string());
        return Failure::new(what).fix(words::backup_again());
    }
    if matches!(error, Error::NoStore) {
        return no_store(store);
    }
    let fix = match &error {
        Error::Locked(LockError::InUse { pid: Some(_), .. }) => Some(words::stop_it()),
        Error::NotEmpty => Some(words::other_directory()),
        _ => None,
    };
    let error = StoreError::new(store.display().to_string(), error);
    match fix {
        Some(fix) => Failure::new(error.text()).fix(fix),
        None => of_store(&error),
    }
}

fn no_store(store: &Path) -> Failure {
    Failure::new(words::no_store(store.display().to_string())).fix(words::name_store())
}

/// Why a directory cannot be read that is to hold a store.
fn failed_to_look(store: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_store(store),
        _ => failed_to_open(store, error),
    }
}

fn failed_to_open(store: &Path, error: io::Error) -> Failure {
    of_store(&StoreError::of_directory(
        store.display().to_string(),
        error,
    ))
}

/// A store that is looked at.
struct Look {
    log: Log<DiskFiles>,
    found: Recovered,
    /// The process that uses it meanwhile.
    user: Option<u32>,
}

/// Opens a store to look at it, also if a process uses it.
fn look(store: &Path) -> Result<Look, Failure> {
    let files = || DiskFiles::open_read_only(store).map_err(|error| failed_to_look(store, error));
    let mut meter = Meter::new(words::reading());
    let mut progress = |at: columba_store::Progress| meter.step(at.bytes, at.bytes_total);
    let (opened, user) = match Log::open_read_only(files()?, &mut progress) {
        Err(Error::Locked(LockError::InUse { pid: Some(pid), .. })) => {
            (Log::open_in_use(files()?, &mut progress), Some(pid))
        }
        opened => (opened, None),
    };
    let (log, found) = opened.map_err(|error| failed(store, error))?;
    Ok(Look { log, found, user })
}

/// That a process uses it, where one does.
fn used_by(user: Option<u32>, commit: u64) -> Option<Text> {
    Some(words::used_by(user?.to_string(), commit))
}

/// Opens a store that no process uses and that is there, to change it.
fn open(store: &Path) -> Result<(Log<DiskFiles>, Recovered), Failure> {
    let look = DiskFiles::open_read_only(store).and_then(|mut files| files.list());
    let there = look.map_err(|error| failed_to_look(store, error))?;
    if there.iter().all(|name| *name == Name::Lock) {
        return Err(failed(store, Error::NoStore));
    }
    let files = DiskFiles::open(store).map_err(|error| failed_to_open(store, error))?;
    let mut meter = Meter::new(words::reading());
    let mut progress = |at: columba_store::Progress| meter.step(at.bytes, at.bytes_total);
    let opened = Log::open(files, Options::new(0), &mut progress);
    let (log, found) = opened.map_err(|error| failed(store, error))?;
    show_damage(&found);
    Ok((log, found))
}

/// Says what is damaged, and whether something is.
fn show_damage(found: &Recovered) -> bool {
    for damage in &found.damage {
        note(of_damage(damage));
    }
    !found.damage.is_empty()
}

fn check(store: &Path) -> Result<(), Failure> {
    let Look { log, found, user } = look(store)?;
    used_by(user, found.commit).into_iter().for_each(tell);
    if found.torn_bytes > 0 {
        tell(words::torn(size(found.torn_bytes)));
    }
    let is_damaged = show_damage(&found);
    let stats = log.stats();
    let contents = words::contents(
        words::records(stats.records),
        words::segments(stats.segments),
        size(stats.disk_bytes),
        found.commit,
    );
    let place = store.display().to_string();
    if is_damaged {
        let places = words::places(found.damage.len());
        let failure = Failure::new(words::damaged(place, places, contents));
        let fix = if found.damage.iter().any(is_loss) {
            words::starts_with_rest()
        } else {
            words::nothing_lost()
        };
        return Err(failure.fix(fix));
    }
    tell(words::sound(place, contents));
    Ok(())
}

fn show_stats(store: &Path) -> Result<(), Failure> {
    let Look { log, found, user } = look(store)?;
    used_by(user, found.commit).into_iter().for_each(tell);
    let stats = log.stats();
    let share = 100 * stats.live_bytes / stats.disk_bytes.max(1);
    let damaged = match found.damage.len() {
        0 => words::nothing(),
        count => words::see_check(words::places(count)),
    };
    let rows = [
        (words::label_records(), Param::from(stats.records)),
        (words::label_live(), size(stats.live_bytes)),
        (
            words::label_disk(),
            words::share_live(size(stats.disk_bytes), share).into(),
        ),
        (words::label_segments(), stats.segments.into()),
        (words::label_commit(), found.commit.into()),
        (words::label_damaged(), damaged.into()),
    ];
    let language = spoken();
    let rows = rows.map(|(label, value)| [label.to_string(language), value.to_string(language)]);
    let widest = rows.iter().map(|[label, _]| width(label)).max();
    for [label, value] in rows {
        print(&format!(
            "{}  {value}\n",
            pad(&label, widest.unwrap_or_default())
        ));
    }
    Ok(())
}

fn compact(store: &Path) -> Result<(), Failure> {
    let (mut log, found) = open(store)?;
    let before = log.stats();
    let lost = mark_lost(&mut log, &found.damage, now());
    let lost = lost.map_err(|error| failed(store, error))?;
    let mut meter = Meter::new(words::compacting());
    let done = log.compact(&mut |stats| meter.step(stats.moved_bytes, before.live_bytes));
    done.map_err(|error| failed(store, error))?;
    let after = log.stats();
    if after.is_cleaning_stopped {
        let failure = Failure::new(words::unreadable_record());
        return Err(failure.fix(words::look_at_check()));
    }
    let place = store.display().to_string();
    let (live, records) = (size(after.live_bytes), words::records(after.records));
    if after.moved_bytes == 0 && after.disk_bytes >= before.disk_bytes {
        tell(words::nothing_to_free(
            place,
            size(after.disk_bytes),
            live,
            records,
        ));
        return Ok(());
    }
    let (before, after) = (size(before.disk_bytes), size(after.disk_bytes));
    tell(words::compacted(place, before, after, live, records));
    if !found.damage.is_empty() {
        tell(words::damage_left(words::places(found.damage.len())));
    }
    if lost > 0 {
        tell(words::lost_stays(words::sessions(lost)));
    }
    Ok(())
}

fn discard(store: &Path) -> Result<(), Failure> {
    let (mut log, found) = open(store)?;
    let lost = discard_lost(&mut log, &found.damage, now());
    let lost = lost.map_err(|error| failed(store, error))?;
    let place = store.display().to_string();
    if lost.is_empty() {
        tell(words::nothing_to_discard(place));
        return Ok(());
    }
    let subscriptions = lost.iter().map(|of| of.subscriptions.len()).sum::<usize>();
    let messages = lost.iter().map(|of| of.messages).sum::<u64>();
    tell(words::discarded(
        place,
        words::sessions(lost.len()),
        words::subscriptions(subscriptions),
        words::messages(messages),
    ));
    Ok(())
}

/// No clock runs on from it.
fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        mono_ms: 0,
        unix_ms: unix.map_or(0, |unix| unix.as_millis() as u64),
    }
}
