//! Examines the way to an MQTT broker, any broker, step by step: address, DNS, TCP, what the port
//! speaks, TLS, CONNECT, login, subscriptions, and messages of every kind. Every finding says what
//! was seen; every failure names its likely cause and the fix, in English and Chinese.
//!
//! Each check is two halves in a file of its own: `look` touches the network and returns what it
//! saw as plain data, `judge` makes a [`Finding`] of that and touches nothing.
#![forbid(unsafe_code)]

pub mod address;
pub mod certificate;
mod connect;
pub mod examination;
pub mod filter;
mod idle;
mod line;
pub mod listeners;
mod login;
pub mod lookup;
mod loopback;
mod offline;
mod pair;
mod payload;
pub mod port;
pub mod render;
pub mod report;
mod retained;
mod subscribe;
pub mod system;
pub mod target;
pub mod tcp;
pub mod text;
pub mod tls;
mod twin;
mod will;
mod within;

pub use examination::{Visit, examine};
pub use report::{Check, Finding, Mark, Report};

/// A number that no other examination has.
pub(crate) fn nonce() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // The standard library's only random source: its hashers are seeded anew each time.
    RandomState::new().build_hasher().finish()
}

/// A client id for the doctor: short enough for MQTT 3.1, with a suffix too.
pub fn fresh_client_id() -> String {
    format!("doctor-{:08x}", nonce() as u32)
}

/// The id of another connection of the same examination.
pub(crate) fn derived_id(client_id: &str, suffix: char) -> String {
    if client_id.is_empty() {
        return fresh_client_id();
    }
    format!("{client_id}-{suffix}")
}
