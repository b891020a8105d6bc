//! The broker over real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;
mod certificate_reload;
mod graceful_shutdown;
mod http_and_tls_on_the_plain_port;
mod letters_between_shards;
mod logins;
mod secure;
mod serves_every_transport;
mod slow_and_hasty_peers;
