//! `columba store`: look at what a broker has on disk, compact it, move it, copy it.

mod copy;
mod lines;
mod meaning;
mod meter;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use columba_server::instance::{Instance, Location, Overrides};
use columba_server::store::StoreError;
use columba_store::{
    DiskFiles, Error, Files as _, LockError, Log, Name, Options, Recovered, Stats,
};

use crate::failure::{Failure, count_of, end, of_store, print, say, show_faults};
pub(crate) use meter::size;
use meter::{Meter, counted};

/// Look at what a broker has on disk, compact it, move it, copy it
///
/// `check`, `stats`, `export` and `backup` work while the broker runs; they show the store as it was
/// at one moment. `compact` and `import` need it stopped: a store belongs to one process at a time.
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
/// segments of 32 MiB. This needs room for one segment and can be stopped at any time.
#[derive(Args, Clone, Debug)]
struct CompactArgs {
    #[command(flatten)]
    place: Place,
}

/// Write all records as lines of JSON; change nothing
///
/// One object a line: {"position":N,"record":"BASE64"}, and what the record means, where this
/// program knows. `columba store import` reads it. Exits with 1 if something is damaged; what can be
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
}

/// Copy the store to another directory, also while the broker runs
///
/// The copy is the store as it was at one moment near the end of the copying. It is checked when it
/// is done. To restore it, stop the broker and put the files of the copy in the place of those of
/// the store.
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
        StoreCommand::Check(args) => args.place.find().and_then(|store| check(&store)),
        StoreCommand::Stats(args) => args.place.find().and_then(|store| show_stats(&store)),
        StoreCommand::Compact(args) => args.place.find().and_then(|store| compact(&store)),
        StoreCommand::Export(args) => {
            let store = args.place.find();
            store.and_then(|store| lines::export(&store, args.to.as_deref()))
        }
        StoreCommand::Import(args) => {
            let store = args.place.find();
            store.and_then(|store| lines::import(&store, args.from.as_deref()))
        }
        StoreCommand::Backup(args) => {
            let store = args.place.find();
            store.and_then(|store| copy::backup(&store, &args.to))
        }
    })
}

impl Place {
    /// The directory of the store.
    fn find(&self) -> Result<PathBuf, Failure> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let location = match &self.config {
            Some(file) => Location::of_file(file),
            None => Location::of_directory(&self.dir),
        };
        match Instance::load(&location, &Overrides::default(), std::env::vars()) {
            Ok(instance) => Ok(instance.config.store.directory),
            Err(faults) => {
                show_faults(&faults);
                let what = format!("the instance has faults: {}", count_of(&faults));
                let fix = "correct them, or name the directory of the store with --store";
                Err(Failure::new(what).fix(fix).faulty())
            }
        }
    }
}

/// Why a store cannot be used by one of these commands.
fn failed(store: &Path, error: Error) -> Failure {
    let fix = match &error {
        Error::Locked(LockError::InUse { pid: Some(_), .. }) => Some(
            "stop that process first; only `check`, `stats`, `export` and `backup` work while it runs",
        ),
        Error::NoStore => Some("a broker that has run there once has made one"),
        Error::NotEmpty => Some("take another directory, or move what is there away"),
        _ => None,
    };
    match fix {
        Some(fix) => {
            let error = StoreError::new(store.display().to_string(), error);
            Failure::new(error.to_string()).fix(fix)
        }
        None => of_store(&StoreError::new(store.display().to_string(), error)),
    }
}

fn failed_to_open(store: &Path, error: std::io::Error) -> Failure {
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
    let files = || DiskFiles::open_read_only(store).map_err(|error| failed_to_open(store, error));
    let mut meter = Meter::new("reading");
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
fn used_by(user: Option<u32>, commit: u64) -> String {
    match user {
        Some(pid) => format!("Process {pid} is using it; this is how it was at commit {commit}.\n"),
        None => String::new(),
    }
}

/// Opens a store that no process uses and that is there, to change it.
fn open(store: &Path) -> Result<Log<DiskFiles>, Failure> {
    let look = DiskFiles::open_read_only(store).and_then(|mut files| files.list());
    let there = look.map_err(|error| failed_to_open(store, error))?;
    if there.iter().all(|name| *name == Name::Lock) {
        return Err(failed(store, Error::NoStore));
    }
    let files = DiskFiles::open(store).map_err(|error| failed_to_open(store, error))?;
    let mut meter = Meter::new("reading");
    let mut progress = |at: columba_store::Progress| meter.step(at.bytes, at.bytes_total);
    let opened = Log::open(files, Options::new(0), &mut progress);
    let (log, found) = opened.map_err(|error| failed(store, error))?;
    show_damage(&found);
    Ok(log)
}

/// Says what is damaged, and whether something is.
fn show_damage(found: &Recovered) -> bool {
    for damage in &found.damage {
        say(&format!("{damage}\n"));
    }
    !found.damage.is_empty()
}

fn check(store: &Path) -> Result<(), Failure> {
    let Look { log, found, user } = look(store)?;
    let place = store.display();
    print(&used_by(user, found.commit));
    if found.torn_bytes > 0 {
        print(&format!(
            "The last {} are of a commit that was never acknowledged; the broker cuts them off.\n",
            size(found.torn_bytes)
        ));
    }
    let is_damaged = show_damage(&found);
    let Stats {
        records, segments, ..
    } = log.stats();
    let what = format!(
        "{} in {}, {}, last commit {}",
        counted(records, "record"),
        counted(segments, "segment"),
        size(log.stats().disk_bytes),
        found.commit
    );
    if is_damaged {
        let places = counted(found.damage.len() as u64, "place");
        let failure = Failure::new(format!("{place}: {places} damaged. {what} can be read."));
        return Err(
            failure.fix("the broker starts with what can be read; a backup may hold the rest")
        );
    }
    print(&format!("{place}: sound. {what}.\n"));
    Ok(())
}

fn show_stats(store: &Path) -> Result<(), Failure> {
    let Look { log, found, user } = look(store)?;
    print(&used_by(user, found.commit));
    let stats = log.stats();
    let share = 100 * stats.live_bytes / stats.disk_bytes.max(1);
    print(&format!(
        "\
records      {}
live         {}
on disk      {}, {share} % of it live
segments     {}
last commit  {}
damaged      {}
",
        stats.records,
        size(stats.live_bytes),
        size(stats.disk_bytes),
        stats.segments,
        found.commit,
        match found.damage.len() {
            0 => "nothing".to_owned(),
            count => format!(
                "{}: see `columba store check`",
                counted(count as u64, "place")
            ),
        }
    ));
    Ok(())
}

fn compact(store: &Path) -> Result<(), Failure> {
    let mut log = open(store)?;
    let before = log.stats();
    let mut meter = Meter::new("compacting");
    let done = log.compact(&mut |stats| meter.step(stats.moved_bytes, before.live_bytes));
    done.map_err(|error| failed(store, error))?;
    let after = log.stats();
    if after.is_cleaning_stopped {
        let what = "a record cannot be read, so its segment stays";
        return Err(Failure::new(what).fix("see `columba store check`"));
    }
    print(&format!(
        "{}: {} before, {} now, for {} of {}.\n",
        store.display(),
        size(before.disk_bytes),
        size(after.disk_bytes),
        size(after.live_bytes),
        counted(after.records, "record"),
    ));
    Ok(())
}
