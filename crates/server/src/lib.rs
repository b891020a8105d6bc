//! The broker around the core: configuration, instances, sockets, threads.

pub mod access_file;
pub mod admin;
pub mod auth;
mod bell;
pub mod config;
mod driver;
pub mod instance;
pub mod listener;
pub mod log;
mod mailbox;
pub mod recorder;
pub mod reload;
pub mod runtime;
pub mod store;
mod transport;

pub use runtime::{Broker, RuntimeConfig, StartError};
pub use transport::TlsError;
