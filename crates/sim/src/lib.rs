//! A simulator of the whole broker: shards, mailboxes, network, clock and clients on one thread,
//! driven by one seeded generator of chance, and watched by a small model that knows what the
//! standard promises.
//!
//! [`run`] plays one seed. Everything that happens comes from a queue ordered by time and sequence,
//! so a seed replays to the byte; the hash of all effects and bytes in its [`Report`] shows it.
//! Start reading at `world.rs`; what is watched stands in `oracle.rs` and `checks/`. `why.rs` asks what
//! became of messages, as an operator does, and no verdict may contradict the model.
#![forbid(unsafe_code)]

mod ask_clients;
mod backup;
mod chance;
mod checks;
mod client;
mod crash;
mod driver;
mod event;
mod guard;
mod net;
mod operator;
mod oracle;
mod persona;
mod planted;
mod run;
mod store;
mod swarm;
mod trace;
mod why;
mod workload;
mod world;

pub use planted::Planted;
pub use run::{Options, Report, run};
pub use why::Verdicts;
