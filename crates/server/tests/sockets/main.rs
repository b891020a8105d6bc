//! The broker over real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;
mod certificate_reload;
mod graceful_shutdown;
mod letters_between_shards;
mod logins;
mod other_protocols;
mod secure;
mod serves_every_transport;
mod slow_and_hasty_peers;
