//! Connections do not take the file descriptors that the store needs.
//!
//! A program of its own, since the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "sockets/bed.rs"]
mod bed;

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};

use bed::{Client, broker, connected, read_to_end, socket, unconnected};
use rustix::process::{Resource, Rlimit, setrlimit};

#[test]
fn connections_leave_descriptors_to_the_store() {
    let sockets: Vec<OwnedFd> = (0..400).map(|_| unconnected()).collect();
    let next = File::open("/dev/null").unwrap().as_raw_fd();
    let limit = Some(u64::try_from(next).unwrap() + 100);
    let both = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Nofile, both).unwrap();
    let broker = broker(2);
    let mut early = Client::connect(socket(&broker, 0), "early");

    let mut streams: Vec<TcpStream> = sockets
        .into_iter()
        .map(|descriptor| connected(&broker, descriptor))
        .collect();
    // The first few are taken in; all behind them are hung up.
    for stream in streams.iter_mut().skip(100) {
        assert!(read_to_end(stream).is_empty());
    }
    let files: Vec<File> = (0..32).map(|_| File::open("/dev/null").unwrap()).collect();
    drop(files);
    early.ping();

    drop(streams);
    bed::until("the others are counted out", || broker.connections(0) == 1);
    Client::connect(socket(&broker, 0), "later").ping();
    broker.shutdown();
}
