//! A broker without file descriptors turns new connections away, and recovers.
//!
//! A program of its own, since the limit is the whole process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "sockets/bed.rs"]
mod bed;

use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};

use bed::{Client, broker, connected, read_to_end, socket, unconnected};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn survives_running_out_of_descriptors() {
    let broker = broker(2);
    let mut early = Client::connect(socket(&broker, 0), "early");
    let sockets: Vec<OwnedFd> = (0..40).map(|_| unconnected()).collect();
    let later = unconnected();

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let limit = Some(u64::try_from(next).unwrap() + 8);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit,
            maximum,
        },
    )
    .unwrap();

    let mut streams: Vec<TcpStream> = sockets
        .into_iter()
        .map(|descriptor| connected(&broker, descriptor))
        .collect();
    // The first few got the last descriptors; all behind them are accepted and hung up.
    for stream in streams.iter_mut().skip(10) {
        assert!(read_to_end(stream).is_empty());
    }
    early.ping();

    streams.clear();
    bed::until("the others are counted out", || broker.connections(0) == 1);
    Client::connect(connected(&broker, later), "later").ping();
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    broker.shutdown();
}
