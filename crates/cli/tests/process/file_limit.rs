//! A limit of file sizes holds up what would have to be stored, and ends nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use rustix::process::{Resource, Signal};

use crate::bed::Broker;

/// PUBLISH of QoS 1 with RETAIN, to the topic `t`: it has to be stored.
const PUBLISH: &[u8] = b"\x33\x06\0\x01t\0\x01x";
const PUBACK: [u8; 4] = *b"\x40\x02\0\x01";

#[test]
fn a_broker_whose_files_may_not_grow_says_so_and_goes_on_when_they_may() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut broker = Broker::start(dir.path(), "[broker]\nshards = 1\n", |_| ());
    let mut log = BufReader::new(broker.take_stderr());
    let mut logged = |expected: &str| loop {
        let mut line = String::new();
        let length = log.read_line(&mut line).expect("text");
        assert!(length > 0, "the broker ended before {expected:?}");
        if line.contains(expected) {
            break line;
        }
    };
    let mut publisher = broker.connect("publisher");
    let mut answer = [0; 4];
    publisher.write_all(PUBLISH).expect("PUBLISH");
    publisher.read_exact(&mut answer).expect("PUBACK");
    assert_eq!(answer, PUBACK);

    let free = broker.limit(Resource::Fsize, Some(100));
    publisher.write_all(PUBLISH).expect("PUBLISH");
    let line = logged("a file of the store may not grow");
    assert!(line.contains("File too large"), "{line}");
    assert!(line.contains("LimitFSIZE="), "{line}");
    // It serves whoever needs no disk.
    broker.connect("another");
    broker.limit(Resource::Fsize, free);
    logged("the disk has room again");
    publisher.read_exact(&mut answer).expect("PUBACK");
    assert_eq!(answer, PUBACK);
    broker.signal(Signal::TERM);
    assert!(broker.wait().success());
}
