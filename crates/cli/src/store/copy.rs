//! Backups of a store that may be in use.

use std::fs::{self, OpenOptions};
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use columba_server::instance::BANS;
use columba_store::{BackedUp, DiskFiles, Error, Files as _, Log, Name, Recovered};

use super::meter::{Meter, size};
use super::{failed, failed_to_look, failed_to_open, move_files, show_damage};
use crate::failure::{Failure, tell};
use crate::words::{store as words, system, unreadable};

/// What is copied stands here, in the directory of the backup, until all of it is there: half of a
/// store must not pass for one.
const UNFINISHED: &str = "unfinished-backup";

/// `data` is the data directory that goes with the store.
pub(super) fn backup(store: &Path, data: &Path, target: &Path) -> Result<(), Failure> {
    let source = DiskFiles::open_read_only(store);
    let mut source = source.map_err(|error| failed_to_look(store, error))?;
    // Locked to the end.
    let mut files = DiskFiles::open(target).map_err(|error| failed_to_open(target, error))?;
    let locked = files.lock();
    locked.map_err(|error| failed(target, error.into()))?;
    let there = files.list();
    let there = there.map_err(|error| failed_to_open(target, error))?;
    if there.iter().any(|name| *name != Name::Lock) || target.join(BANS).exists() {
        return Err(failed(target, Error::NotEmpty));
    }
    let aside = unfinished(target);
    let done = clear(&aside).and_then(|()| copy(store, &mut source, &aside));
    let done = done.and_then(|done| copy_bans(data, &aside).map(|()| done));
    let moved = done.and_then(|done| {
        let moved = move_bans(&aside, target);
        let moved = moved.and_then(|()| move_files(&aside, target));
        let moved = moved.and_then(|()| files.sync_directory());
        let moved = moved.map_err(|error| failed_to_open(target, error));
        moved.map(|()| done)
    });
    drop(fs::remove_dir_all(&aside));
    let (BackedUp { commit, bytes, .. }, found) = moved?;
    if show_damage(&found) {
        let what = words::copy_damaged(target.display().to_string());
        return Err(Failure::new(what).fix(words::store_too()));
    }
    tell(words::copied(
        target.display().to_string(),
        words::records(found.records),
        size(bytes),
        commit,
    ));
    Ok(())
}

/// Where a backup in `target` is until it is whole.
pub(super) fn unfinished(target: &Path) -> PathBuf {
    target.join(UNFINISHED)
}

/// Removes what is left of one that was stopped.
fn clear(aside: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to_open(aside, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies the store, and reads the copy.
fn copy(
    store: &Path,
    source: &mut DiskFiles,
    aside: &Path,
) -> Result<(BackedUp, Recovered), Failure> {
    let files = DiskFiles::open(aside);
    let mut files = files.map_err(|error| failed_to_open(aside, error))?;
    let mut meter = Meter::new(words::copying());
    let done = columba_store::backup(source, &mut files, &mut |bytes| meter.bytes(bytes));
    let done = done.map_err(|error| match error {
        Error::NoStore | Error::Unreadable { .. } => failed(store, error),
        error => failed(aside, error),
    })?;
    drop(files);
    // What is wrong with the copy is wrong with the store.
    let files = DiskFiles::open_read_only(aside);
    let files = files.map_err(|error| failed_to_open(aside, error))?;
    let opened = Log::open_read_only(files, &mut |_| ());
    let (_, found) = opened.map_err(|error| failed(store, error))?;
    Ok((done, found))
}

/// Copies the bans, which are always written as a whole: whoever restores without them lets in who is
/// not to come in.
fn copy_bans(data: &Path, aside: &Path) -> Result<(), Failure> {
    let bans = match fs::read(data.join(BANS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let file = data.join(BANS).display().to_string();
            return Err(Failure::new(unreadable(file, system(&error))));
        }
        Ok(bans) => bans,
    };
    let copy = aside.join(BANS);
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&copy);
    let made = made.and_then(|mut file| {
        file.write_all(&bans)?;
        file.sync_all()
    });
    made.map_err(|error| Failure::new(words::unmade(copy.display().to_string(), system(&error))))
}

fn move_bans(aside: &Path, target: &Path) -> io::Result<()> {
    match fs::rename(aside.join(BANS), target.join(BANS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}
