//! Whole examinations of real brokers and of peers that are made to fail in one way each.
#![expect(
    clippy::unwrap_used,
    reason = "the bed of a test has no better answer to a failure than to stop"
)]

mod bed;
mod brokers;
mod faulty_broker;
mod foreign;
mod golden;
mod not_mqtt;
mod secure;

use bed::PATIENCE;
