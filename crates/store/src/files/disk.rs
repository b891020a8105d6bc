//! Files on a real disk: the only place of the store that opens any.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirEntryExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, test_kill_process};

use crate::files::{Files, LockError, Name, is_full};

/// Permissions of all files: what clients say is nobody else's business.
const FILE_MODE: u32 = 0o600;
/// How many writes to a directory that is gone go unnoticed at most; a commit is two.
const LOOK_EVERY_WRITES: u32 = 32;

/// A directory on a disk. Keeps every segment open that it has touched, until it is looked which are there
/// and it is not, or another file has its name.
#[derive(Debug)]
pub struct DiskFiles {
    path: PathBuf,
    directory: File,
    open: BTreeMap<Name, File>,
    lock: Option<File>,
    is_read_only: bool,
    /// Writes since it was last looked whether the directory is still this one.
    unlooked: u32,
}

impl DiskFiles {
    /// Opens the directory `path` and makes it if it is missing, readable for its owner alone.
    ///
    /// # Errors
    /// If it cannot be made or opened.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = path.into();
        if !path.is_dir() {
            if path.exists() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)?;
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self {
            directory: File::open(&path)?,
            path,
            open: BTreeMap::new(),
            lock: None,
            is_read_only: false,
            unlooked: 0,
        })
    }

    /// Opens the directory `path`, which has to be there, and changes nothing in it. It is locked
    /// against processes that change something, if it has a lock file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open_read_only(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        Ok(Self {
            // Reading a file as a directory says so.
            directory: fs::read_dir(&path).and_then(|_| File::open(&path))?,
            path,
            open: BTreeMap::new(),
            lock: None,
            is_read_only: true,
            unlooked: 0,
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn path_of(&self, name: Name) -> PathBuf {
        self.path.join(name.to_string())
    }

    fn file(&mut self, name: Name) -> io::Result<&File> {
        if !self.open.contains_key(&name) {
            let path = self.path_of(name);
            let is_written = !self.is_read_only;
            let file = OpenOptions::new().read(true).write(is_written).open(path)?;
            self.open.insert(name, file);
        }
        self.open
            .get(&name)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Fails if nothing may be changed.
    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    /// Fails if the directory or its lock has been removed, moved away or replaced: what is written then
    /// is lost, or written beside another process. Only where there is a lock.
    fn check_place(&mut self) -> io::Result<()> {
        self.unlooked = 0;
        let Some(lock) = &self.lock else {
            return Ok(());
        };
        let pairs = [
            (&self.directory, self.path.clone()),
            (lock, self.path_of(Name::Lock)),
        ];
        for (open, path) in pairs {
            let there = fs::metadata(&path);
            let same = there.and_then(|there| {
                let open = open.metadata()?;
                Ok((there.dev(), there.ino()) == (open.dev(), open.ino()))
            });
            match same {
                Ok(true) => {}
                Ok(false) => return Err(gone(&path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone(&path)),
                // It says nothing of what is there.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The same, from time to time.
    fn check_place_if_due(&mut self) -> io::Result<()> {
        self.unlooked += 1;
        if self.unlooked < LOOK_EVERY_WRITES {
            return Ok(());
        }
        self.check_place()
    }

    /// Locks the directory itself: its lock file may be taken for a stale one and removed. Whether
    /// nobody else has it. A file system that cannot lock a directory has the file alone.
    fn lock_directory(&self, how: FlockOperation) -> bool {
        rustix::fs::flock(&self.directory, how) != Err(Errno::WOULDBLOCK)
    }

    /// Locks, and hands out the locked file; or the process that has it, if its file says.
    fn try_lock(&self) -> io::Result<Result<Option<File>, Option<u32>>> {
        let is_written = !self.is_read_only;
        let how = if self.is_read_only {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        if !self.lock_directory(how) {
            let pid = fs::read_to_string(self.path_of(Name::Lock)).unwrap_or_default();
            return Ok(Err(pid.trim().parse().ok().filter(|pid| is_running(*pid))));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(is_written)
            .create(is_written)
            .truncate(false)
            .mode(FILE_MODE)
            .open(self.path_of(Name::Lock));
        let mut file = match file {
            Err(error) if self.is_read_only && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Ok(None));
            }
            file => file?,
        };
        match rustix::fs::flock(&file, how) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid)?;
                // Whoever only reads does not say so there.
                return Ok(Err(pid.trim().parse().ok().filter(|pid| is_running(*pid))));
            }
            Err(errno) => return Err(errno.into()),
        }
        if is_written {
            note_holder(&file)?;
        }
        Ok(Ok(Some(file)))
    }
}

fn gone(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} was removed or replaced while it was in use"
    ))
}

/// Writes which process this is into a lock file, where those read it that find it locked. The lock
/// holds without, so a disk that is full does not stand in the way.
fn note_holder(file: &File) -> io::Result<()> {
    // As long for every process: what is there is written over, for which a full disk has room.
    let text = format!("{:<10}\n", process::id());
    match file.write_all_at(text.as_bytes(), 0) {
        Err(error) if is_full(&error) => {
            // Nobody is to be told of a process that had it before.
            drop(file.set_len(0));
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => file.set_len(text.len() as u64),
    }
}

fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

impl Files for DiskFiles {
    fn lock(&mut self) -> Result<(), LockError> {
        let directory = self.path.display().to_string();
        match self.try_lock() {
            Ok(Ok(file)) => {
                self.lock = file;
                Ok(())
            }
            Ok(Err(pid)) => Err(LockError::InUse { directory, pid }),
            Err(error) => Err(LockError::Failed {
                directory,
                source: Arc::new(error),
            }),
        }
    }

    fn list(&mut self) -> io::Result<Vec<Name>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(Name::parse);
            found.extend(name.map(|name| (name, entry.ino())));
        }
        // Another process may have removed one, and have given its name to another.
        self.open.retain(|name, file| {
            let open = file.metadata().map(|of| of.ino()).ok();
            open.is_some() && open == found.get(name).copied()
        });
        Ok(found.into_keys().collect())
    }

    fn create(&mut self, name: Name) -> io::Result<()> {
        self.check_writable()?;
        self.check_place()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(self.path_of(name))?;
        self.open.insert(name, file);
        Ok(())
    }

    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        let file = self.file(name)?;
        // A signal may end the call on some file systems (tmpfs), and says nothing of the disk.
        let allocated =
            retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes));
        match allocated {
            Ok(()) => Ok(()),
            // A file system without the call: written zeros reserve the room as well.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let zeros = vec![0; 1 << 20];
                let mut offset = file.metadata()?.len();
                while offset < bytes {
                    let length = (bytes - offset).min(1 << 20);
                    let chunk = usize::try_from(length).unwrap_or(zeros.len());
                    file.write_all_at(zeros.get(..chunk).unwrap_or(&zeros), offset)?;
                    offset += length;
                }
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn length(&mut self, name: Name) -> io::Result<u64> {
        Ok(self.file(name)?.metadata()?.len())
    }

    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_place_if_due()?;
        self.file(name)?.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        self.file(name)?.set_len(length)
    }

    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        self.check_writable()?;
        self.check_place()?;
        fs::rename(self.path_of(from), self.path_of(to))?;
        self.open.remove(&to);
        if let Some(file) = self.open.remove(&from) {
            self.open.insert(to, file);
        }
        Ok(())
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.check_writable()?;
        self.check_place()?;
        self.open.remove(&name);
        fs::remove_file(self.path_of(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker has to start on a full disk: acknowledgements make room there.
    #[test]
    fn a_full_disk_has_no_room_for_the_name_of_the_holder_and_locks_all_the_same() {
        let mut options = OpenOptions::new();
        let full = options.read(true).write(true).open("/dev/full").unwrap();
        note_holder(&full).unwrap();
    }

    #[test]
    fn the_name_of_the_next_holder_takes_no_more_room_than_that_of_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        for before in ["", "4711\n", "4711      \n"] {
            fs::write(&path, before).unwrap();
            let mut options = OpenOptions::new();
            note_holder(&options.read(true).write(true).open(&path).unwrap()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.trim().parse(), Ok(process::id()));
            assert_eq!(text.len(), 11);
        }
    }
}
