//! The management API over real sockets, with a broker of two shards behind it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod bed;
mod changes;
mod damage;
mod doors;
mod event_stream;
mod full_disk;
mod lists;
mod logins;
mod metrics;
mod slow_disk;
mod topics;
mod traces;
mod why;
