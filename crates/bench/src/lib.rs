//! A load generator for any MQTT broker, the engine of `columba bench`.
//!
//! A [`Plan`] says what to do; [`run()`] does it and hands back a [`Report`]. Clients are spread over
//! threads, each with a readiness loop of its own, and speak MQTT on templates that are encoded once
//! and patched. Every payload says which message it is and when it was due, so loss, duplicates,
//! order and latency are read off what arrives.
//!
//! Start reading at [`Plan`], then `run.rs`, which leads the threads through the stages, then
//! `worker.rs`, which is one of them.
#![forbid(unsafe_code)]

mod clock;
mod connection;
mod fleet;
mod inflight;
mod payload;
pub mod plan;
mod process;
mod publisher;
pub mod report;
mod run;
mod schedule;
mod stage;
mod subscriber;
mod tally;
pub mod threshold;
pub mod trouble;
mod verify;
mod worker;

pub use plan::{Amount, Credentials, Kind, Plan, PlanFault};
pub use report::Report;
pub use run::{Progress, Watch, run};
pub use threshold::{Threshold, ThresholdFault};
pub use trouble::Trouble;
