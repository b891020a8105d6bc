//! The files of one directory, as the log sees them.

pub mod disk;
pub mod sim;

use std::fmt;
use std::io;
use std::sync::Arc;

/// The files that a store consists of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// Held locked by the process that uses the directory, and holds its process id.
    Lock,
    /// Notes which commit is durable.
    Mark,
    /// Room for the next segment.
    Spare,
    /// A piece of the log.
    Segment(u32),
    /// The directory itself.
    Directory,
}

impl Name {
    /// The file that goes by this name, if it is one of a store's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "lock" => Some(Self::Lock),
            "mark" => Some(Self::Mark),
            "spare" => Some(Self::Spare),
            _ => {
                let digits = name.strip_suffix(".log")?;
                let number = u32::from_str_radix(digits, 16).ok()?;
                (Self::Segment(number).to_string() == name).then_some(Self::Segment(number))
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock => f.write_str("lock"),
            Self::Mark => f.write_str("mark"),
            Self::Spare => f.write_str("spare"),
            Self::Segment(number) => write!(f, "{number:08x}.log"),
            Self::Directory => f.write_str("the directory"),
        }
    }
}

/// Why a directory could not be locked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process uses it.
    #[error("{directory} is in use by process {}", pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string()))]
    InUse {
        /// The directory.
        directory: String,
        /// The process, if its lock file says.
        pid: Option<u32>,
    },
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {directory}: {source}")]
    Failed {
        /// The directory.
        directory: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// Access to the files of one directory.
///
/// What is written may be lost until [`sync_data`](Self::sync_data) has returned, and which names
/// there are until [`sync_directory`](Self::sync_directory) has. Changes of names keep their order
/// among each other, as they do in a journal.
pub trait Files: Send {
    /// Locks the directory against other processes until the value is dropped.
    ///
    /// # Errors
    /// If another process has it.
    fn lock(&mut self) -> Result<(), LockError>;

    /// The files that belong to a store, in the order of their names.
    ///
    /// # Errors
    /// As the system says.
    fn list(&mut self) -> io::Result<Vec<Name>>;

    /// Makes an empty file, in the place of one of that name.
    ///
    /// # Errors
    /// As the system says.
    fn create(&mut self, name: Name) -> io::Result<()>;

    /// Reserves room up to `bytes`, so that writing there cannot fail for want of it. The file
    /// then has that length.
    ///
    /// # Errors
    /// As the system says.
    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()>;

    /// The length of a file.
    ///
    /// # Errors
    /// As the system says.
    fn length(&mut self, name: Name) -> io::Result<u64>;

    /// Reads until `buffer` is full or the file ends, and says how much it was.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes`. After an error any part of them may be there.
    ///
    /// # Errors
    /// As the system says.
    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file off at `length`.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()>;

    /// Returns when what was written to a file, and its length, is on the disk.
    ///
    /// # Errors
    /// As the system says. What was written before must then be taken as lost.
    fn sync_data(&mut self, name: Name) -> io::Result<()>;

    /// Returns when all changes of names are on the disk.
    ///
    /// # Errors
    /// As the system says.
    fn sync_directory(&mut self) -> io::Result<()>;

    /// Gives a file another name, in the place of one that has it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&mut self, from: Name, to: Name) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&mut self, name: Name) -> io::Result<()>;
}

impl<T: Files + ?Sized> Files for Box<T> {
    fn lock(&mut self) -> Result<(), LockError> {
        (**self).lock()
    }

    fn list(&mut self) -> io::Result<Vec<Name>> {
        (**self).list()
    }

    fn create(&mut self, name: Name) -> io::Result<()> {
        (**self).create(name)
    }

    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        (**self).allocate(name, bytes)
    }

    fn length(&mut self, name: Name) -> io::Result<u64> {
        (**self).length(name)
    }

    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(name, offset, buffer)
    }

    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(name, offset, bytes)
    }

    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        (**self).truncate(name, length)
    }

    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        (**self).sync_data(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        (**self).sync_directory()
    }

    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        (**self).remove(name)
    }
}

/// Whether there is no room for what was to be written: on the disk, for this user, or in a file.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
