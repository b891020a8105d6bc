//! The log as whoever reads it gets it.

use std::io::{BufRead as _, BufReader, Write as _};

use rustix::process::Signal;

use crate::bed::{Broker, DISCONNECT};

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\nreports_per_sec_max = 1000000\n[log]\nbuffer_bytes_max = \"16KiB\"\n";
    let mut broker = Broker::start(dir.path(), config, |_| ());
    // A pipe holds 64 KiB.
    for _ in 0..1000 {
        let mut client = broker.connect("client");
        client.write_all(&DISCONNECT).expect("DISCONNECT");
    }
    // Now somebody reads: what was lost is told, what comes then is not lost.
    let mut lines = BufReader::new(broker.take_stderr()).lines();
    let mut lines = std::iter::from_fn(|| lines.next().map(|line| line.expect("text")));
    let lost = lines.find(|line| line.contains("lines of the log were lost"));
    let lost = lost.expect("a line about it");
    let (_, count) = lost.split_once("lines=").expect("a count");
    assert!(count.parse::<u32>().expect("a number") > 100, "{lost}");
    broker.signal(Signal::TERM);
    let last = lines.last().expect("a last line");
    assert!(last.ends_with(" stopped"), "{last}");
    assert!(broker.wait().success());
}

#[test]
fn a_log_that_nobody_ever_reads_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\nreports_per_sec_max = 1000000\n[log]\nbuffer_bytes_max = \"16KiB\"\n";
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let _unread = broker.take_stderr();
    for _ in 0..1000 {
        let mut client = broker.connect("client");
        client.write_all(&DISCONNECT).expect("DISCONNECT");
    }
    broker.signal(Signal::TERM);
    assert!(broker.wait().success());
}
