//! A broker that is asked to stop before it is ready.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use columba_store::{Batch, DiskFiles, Log, Options};
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::columba;

/// Makes a store of so many segments of a MiB.
fn fill(directory: &Path, segments: u64) {
    let mut options = Options::new(7);
    options.segment_bytes = 1 << 20;
    let files = DiskFiles::open(directory).expect("a directory");
    let (mut log, _) = Log::open(files, options, &mut |_| ()).expect("a store");
    let mut batch = Batch::new();
    (0..120).for_each(|_| batch.append(&[0xff; 8_000]));
    while log.stats().segments < segments {
        log.commit([&batch]).expect("a disk");
    }
}

/// Starts a broker, sends it the signal when it begins to read its store, and returns what it says.
fn stop_while_reading(dir: &Path, signal: Signal) -> (ExitStatus, String, String) {
    let mut command = columba();
    command
        .args(["run", "--listen", "127.0.0.1:0"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child: Child = command.spawn().expect("the binary");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut logged = String::new();
    while !logged.contains("reading the store") {
        let len = log.read_line(&mut logged).expect("text");
        assert!(len > 0, "{logged}");
    }
    kill_process(Pid::from_child(&child), signal).expect("a signal");
    log.read_to_string(&mut logged).expect("text");
    let mut shown = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut shown).expect("text");
    (child.wait().expect("an end"), logged, shown)
}

#[test]
fn a_broker_stops_while_it_reads_its_store() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("etc")).expect("a directory");
    std::fs::write(dir.path().join("etc/columba.toml"), "").expect("a file");
    let data = dir.path().join("data");
    for signal in [Signal::TERM, Signal::INT] {
        let mut segments = 64;
        loop {
            fill(&data, segments);
            let (status, logged, shown) = stop_while_reading(dir.path(), signal);
            assert!(status.success(), "{logged}");
            let is_early = logged.contains("asked to stop while reading the store");
            assert_ne!(is_early, shown.contains("mqtt://"), "{logged}{shown}");
            if is_early {
                assert!(!logged.contains("recovered"), "{logged}");
                break;
            }
            // It was quicker than the signal: it gets more to read.
            segments *= 2;
            assert!(segments < 2048, "it never stops early: {logged}");
        }
    }
}
