//! Durable storage of opaque records: an append-only log in segments, with group commit.
//!
//! A caller hands over a [`Batch`] of records to keep and of positions to release, and hears later
//! that it is durable: written and synced, all of it or nothing. A record stays until it is
//! released; what is live comes back in the order in which it was appended when the log is opened
//! again. Space comes back by removing whole segments, after the few records that still live in
//! the oldest have been moved in small steps.
//!
//! Start reading at [`Log`], which is the engine and runs on the caller's thread, then [`Port`],
//! which is what a broker's shard sees of it, and [`Engine`], which runs one log on a thread of its
//! own. All access to files goes through [`Files`]; [`SimDisk`] is one that fails on purpose.
//!
//! The promise, exactly:
//!
//! - What was reported durable is there after a crash, in order, and a release that was reported
//!   durable stays one.
//! - A batch is there as a whole or not at all.
//! - After a failed sync nothing is acknowledged any more ([`Error::Failed`]).
//! - A full disk refuses what does not fit and loses nothing ([`Error::Full`]).
//! - A damaged byte costs the record that holds it and is reported with its file and offset
//!   ([`Damage`]).
//!
//! The bytes on disk are described in `docs/store-format.md`.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod backup;
mod batch;
mod engine;
mod error;
pub mod files;
mod format;
mod index;
mod log;
mod port;
mod scan;
mod walk;

pub use backup::{BackedUp, backup};
pub use batch::{Batch, Position};
pub use engine::{Engine, Handle, Limits};
pub use error::{Damage, Error, Loss};
pub use files::disk::DiskFiles;
pub use files::sim::{Faults, SimDisk};
pub use files::{Files, LockError, Name};
pub use log::{Committed, Log, Options, Progress, Recovered, Stats};
pub use port::{Inline, Port, Report, Ticket};
