//! Certificates that rustls alone does not take, and that half of all brokers have: those which
//! Mosquitto's manual page `mosquitto-tls` has made with the `openssl` program.
//!
//! - X.509 **version 1**, which `openssl x509 -req` makes without a file of extensions;
//! - a host name as the **common name** of the subject, without subjectAltName;
//! - a **self-signed certificate** that may sign others (`CA:TRUE`), used as a server's.
//!
//! rustls judges first, and what it takes is taken. What it refuses for one of these three reasons is
//! judged here, by more rules and not by fewer: such a certificate must be signed by a trusted
//! certificate itself, without others in between. Everything else stays refused: a wrong signature, an
//! unknown authority, a wrong name, a time that has passed. No IO and no clock.
#![forbid(unsafe_code)]

mod certificate;
mod client;
mod direct;
mod fault;
mod key;
mod name;
mod server;

pub use client::ClientVerifier;
pub use fault::Fault;
pub use key::certified_key;
pub use server::{Names, ServerVerifier};
