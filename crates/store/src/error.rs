//! What can go wrong, by whose fault it is: the disk's, the operator's, the caller's.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::Name;
use crate::batch::Position;
use crate::files::LockError;

/// Why an operation was refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk has no room. Nothing of the batch is kept; what was acknowledged before is safe,
    /// batches that only release are still taken, and so are others once there is room again.
    #[error("no room on the disk: {during} {file}: {source}")]
    Full {
        /// The file that could not grow.
        file: Name,
        /// What was being done.
        during: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The process or the system has no file descriptor or memory left for a step that changes no byte
    /// of the log. As with [`Full`](Self::Full), nothing is in doubt, and it may be tried again.
    #[error("no file descriptor or memory left: {during} {file}: {source}")]
    Exhausted {
        /// The file that could not be made.
        file: Name,
        /// What was being done.
        during: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The disk failed. What it holds after that is not known, so nothing is acknowledged until
    /// the store has been opened again.
    #[error("the store stopped after a failure: {during} {file}: {source}")]
    Failed {
        /// The file concerned.
        file: Name,
        /// What was being done.
        during: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A file could not be read now.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// The file concerned.
        file: Name,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another process uses the directory, or it cannot be locked.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A file was written by a version of the store that this one does not know.
    #[error("{file} has format version {found}, and this program reads up to {known}")]
    Version {
        /// The file concerned.
        file: Name,
        /// The version in its header.
        found: u16,
        /// The newest version that can be read.
        known: u16,
    },
    /// A segment belongs to another store: files of two directories were mixed.
    #[error("{file} belongs to store {found:016x}, and the others to {wanted:016x}")]
    Mixed {
        /// The file concerned.
        file: Name,
        /// The store's number in its header.
        found: u64,
        /// The store's number in the files before it.
        wanted: u64,
    },
    /// The batch cannot be stored in one piece.
    #[error("a batch of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// What the batch would take on disk.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// Whoever had the log opened wants it no more.
    #[error("stopped while the store was being read")]
    Stopped,
    /// The log was opened to be read only.
    #[error("the store was opened to be read only")]
    ReadOnly,
    /// There is nothing to read.
    #[error("there is no store in this directory")]
    NoStore,
    /// Something would be written where a store is already.
    #[error("there is a store in this directory already")]
    NotEmpty,
    /// A record would get a position that has been given out, or that is too great.
    #[error("position {0} is not behind those before it, or too great")]
    OutOfOrder(Position),
    /// The record was released, or never was.
    #[error("no live record at position {0}")]
    NotLive(Position),
    /// The record's bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl Error {
    /// Whether the same may be tried again: nothing was kept, and nothing is wrong with what is there.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Exhausted { .. })
    }

    pub(crate) fn unreadable(file: Name, error: io::Error) -> Self {
        Self::Unreadable {
            file,
            source: Arc::new(error),
        }
    }

    pub(crate) fn failed(file: Name, during: &'static str, error: io::Error) -> Self {
        Self::Failed {
            file,
            during,
            source: Arc::new(error),
        }
    }
}

/// Bytes that are not what was written, and what they cost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", InWords(self))]
pub struct Damage {
    /// The file concerned; the directory if no segment is left in it.
    pub file: Name,
    /// The first byte that cannot be trusted.
    pub offset: u64,
    /// How many bytes cannot be trusted; 0 if they are missing.
    pub bytes: u64,
    /// What was lost.
    pub loss: Loss,
}

/// A piece of damage as a sentence.
struct InWords<'a>(&'a Damage);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            file,
            offset,
            bytes,
            loss,
        } = self.0;
        match file {
            Name::Directory => write!(f, "no segment file is there any more: {loss}"),
            _ => write!(
                f,
                "{file} is damaged at offset {offset} ({bytes} bytes): {loss}"
            ),
        }
    }
}

/// What a piece of damage costs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// The header of a segment; its records can be read without it.
    #[error("the header, which is not needed to read the rest")]
    Header,
    /// Frames whose content is not known: records, releases or what the log notes for itself.
    #[error(
        "what these bytes held; what they had released (cleared, ended, acknowledged) may be there again"
    )]
    Frames,
    /// The record at a position.
    #[error("the record at position {0}")]
    Record(Position),
    /// Whatever the disk cannot read.
    #[error("the disk cannot read it")]
    Unreadable,
    /// Nothing: the record at this position had been released.
    #[error("nothing, the record at position {0} had been released")]
    Released(Position),
    /// Commits that were durable and are not there.
    #[error("the commits {first} to {last}")]
    Commits {
        /// The first commit that is missing.
        first: u64,
        /// The last commit that is missing.
        last: u64,
    },
    /// A whole segment that nobody removed.
    #[error("the whole file, which is missing")]
    File,
    /// A whole segment: the file is there, and nothing of the segment is in it.
    #[error("the whole file, which holds nothing of what was in it")]
    Segment,
}
