//! The deterministic core of Columba.
//!
//! A [`Shard`] is a state machine: the driver hands it an [`Input`], then drains
//! [`Effect`]s. There is no IO, no clock, no thread and no randomness of its own in
//! this crate, so the same code runs on a Raspberry Pi (one shard), a server (one shard a core)
//! and in a simulator that replays years of faults from one seed.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod access;
pub mod ban;
mod chunks;
mod connection;
pub mod event;
mod hash;
mod id;
mod indexed;
pub mod journal;
mod kept;
pub mod limits;
pub mod mail;
pub mod message;
mod now;
pub mod outcome;
pub mod output;
pub mod query;
pub mod record;
pub mod recorder;
pub mod recovery;
mod retained;
mod routing;
mod session;
pub mod shard;
pub mod stats;
mod timer;
mod work;

pub use event::{Effect, Input};
pub use hash::home_of;
pub use shard::{Shard, ShardConfig};
