//! Thousands of connections that say nothing are closed in time and leave nothing behind.
//!
//! A program of its own, since it uses up most descriptors of the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "sockets/bed.rs"]
mod bed;

use bed::{Client, broker_with, read_to_end, socket, tcp, until};
use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use rustix::process::{Resource, getrlimit};

#[test]
fn many_silent_connections_are_closed() {
    let limits = Limits {
        connect_timeout_ms: 2000,
        ..Limits::default()
    };
    let broker = broker_with(2, limits, vec![tcp()]);
    // Both ends are in this process. The broker has raised the limit.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = usize::try_from(limit.saturating_sub(200) / 2)
        .unwrap()
        .min(10_000);
    let mut client = Client::connect(socket(&broker, 0), "busy");
    let mut silent: Vec<_> = (0..count).map(|_| socket(&broker, 0)).collect();
    client.ping();
    for stream in &mut silent {
        assert!(read_to_end(stream).is_empty());
    }
    until("all are counted out", || broker.connections(0) == 1);
    assert_eq!(broker.refused_count(Outcome::ConnectTimeout), count as u64);
    client.ping();
    broker.shutdown();
}
