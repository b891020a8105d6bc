//! The file of a session on the disk, its lock, and its name.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the driver has files"
)]

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{SessionFileError, failed};
use crate::journal::{self, FileId};

/// Bytes behind the last snapshot from which on a new one is written, if the snapshot itself is
/// not larger.
const GROWTH_BYTES: usize = 1024 * 1024;

/// The file itself.
#[derive(Debug)]
pub(in crate::driver) struct Journal {
    path: PathBuf,
    /// Held, not used.
    _lock: File,
    file: Option<File>,
    id: FileId,
    next_batch: u64,
    bytes: usize,
    snapshot_bytes: usize,
}

impl Journal {
    pub(super) fn new(path: PathBuf, lock: File) -> Self {
        Self {
            path,
            _lock: lock,
            file: None,
            id: FileId::default(),
            next_batch: 0,
            bytes: 0,
            snapshot_bytes: 0,
        }
    }

    /// Whether nothing has been written so far.
    pub(super) fn is_new(&self) -> bool {
        self.file.is_none()
    }

    /// Writes to another file from here on, one that fails.
    #[cfg(test)]
    pub(in crate::driver) fn go_on_in(&mut self, file: File) {
        self.file = Some(file);
    }

    /// Whether the next batch should be a snapshot for [`Self::replace`].
    pub(in crate::driver) fn has_outgrown(&self) -> bool {
        self.bytes - self.snapshot_bytes > self.snapshot_bytes.max(GROWTH_BYTES)
    }

    /// Appends records and returns when they are on the disk. After an error the file takes no more.
    pub(in crate::driver) fn append(&mut self, records: &[u8]) -> Result<(), SessionFileError> {
        let mut batch = Vec::with_capacity(journal::batch_bytes(records.len()));
        journal::put_batch(self.id, self.next_batch, records, &mut batch);
        let Some(mut file) = self.file.take() else {
            let error = io::Error::other("an earlier write has failed");
            return Err(failed(&self.path, "write to it".to_owned(), error));
        };
        file.write_all(&batch)
            .and_then(|()| file.sync_data())
            .map_err(|error| {
                failed(
                    &self.path,
                    format!("write {} bytes at byte {}", batch.len(), self.bytes),
                    error,
                )
            })?;
        self.file = Some(file);
        self.next_batch += 1;
        self.bytes += batch.len();
        Ok(())
    }

    /// Puts a file with these records alone in the place of the old one.
    pub(in crate::driver) fn replace(&mut self, records: &[u8]) -> Result<(), SessionFileError> {
        let fresh = with_suffix(&self.path, ".new");
        self.file = None;
        let id = draw_id().map_err(|error| failed(&fresh, "begin it".to_owned(), error))?;
        let mut bytes = Vec::new();
        journal::put_header(id, &mut bytes);
        journal::put_batch(id, 0, records, &mut bytes);
        let file = write_whole(&fresh, &bytes)
            .map_err(|error| failed(&fresh, format!("write {} bytes", bytes.len()), error))?;
        fs::rename(&fresh, &self.path)
            .and_then(|()| sync_directory(&self.path))
            .map_err(|error| {
                failed(&self.path, "put the new one in its place".to_owned(), error)
            })?;
        self.file = Some(file);
        self.id = id;
        self.next_batch = 1;
        self.bytes = bytes.len();
        self.snapshot_bytes = bytes.len();
        Ok(())
    }
}

/// The one name of a file that has many: by relative paths, by links to it or to directories on the
/// way. The file need not be there.
pub(super) fn one_name(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let parent = fs::canonicalize(directory_of(&path))?;
        match fs::read_link(&path) {
            Ok(target) => path = parent.join(target),
            Err(_) => {
                let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
                return Ok(parent.join(name));
            }
        }
    }
    Err(io::Error::other("links that lead to one another"))
}

pub(super) fn lock(path: &Path) -> Result<File, SessionFileError> {
    let name = with_suffix(path, ".lock");
    let file = private().append(true).create(true).open(&name);
    let file = file.map_err(|error| failed(&name, "open it".to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SessionFileError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&name, "lock it".to_owned(), error)),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = private().append(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Messages are nobody else's business.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new name is on the disk once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory_of(path))?.sync_all()?;
    }
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

fn draw_id() -> io::Result<FileId> {
    let mut id = FileId::default();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let drawn = provider.secure_random.fill(&mut id.0);
    drawn.map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(id)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
