//! The bytes of each released version of the format can be read, and the newest is what is
//! written. The files stay as they are; a new version gets a new one.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use columba_store::{Batch, Log, Name, Options, Position, SimDisk};
use model::content;

const VERSION_1: &str = include_str!("golden/version-1.hex");

fn options() -> Options {
    let mut options = Options::new(0x0123_4567_89ab_cdef);
    options.segment_bytes = 512;
    options.step_bytes = 64;
    options
}

/// A store that holds every kind of frame.
fn written() -> SimDisk {
    let disk = SimDisk::new(1);
    let (mut log, _) = Log::open(disk.clone(), options(), &mut |_| ()).unwrap();
    for n in 0..24_u64 {
        let mut batch = Batch::new();
        batch.append(format!("record {n}").as_bytes());
        batch.append(&vec![n as u8; 40 + n as usize % 3]);
        // Position 0 stays, and has to be moved.
        if n > 1 {
            batch.release(Position::new(2 * n - 2));
            batch.release(Position::new(2 * n - 1));
        }
        log.commit([&batch]).unwrap().batches.remove(0).unwrap();
    }
    assert!(log.stats().moved_bytes > 0 && log.stats().segments_removed > 0);
    disk
}

/// Each file as lines of 32 bytes; lines of zeros are left out.
fn to_hex(disk: &SimDisk) -> String {
    let mut text = String::new();
    for name in disk.names().into_iter().filter(|n| *n != Name::Spare) {
        let bytes = disk.content(name).unwrap();
        writeln!(text, "{name} {}", bytes.len()).unwrap();
        for (at, line) in bytes.chunks(32).enumerate() {
            if line.iter().any(|byte| *byte != 0) {
                let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(text, "{:04x} {hex}", at * 32).unwrap();
            }
        }
    }
    text
}

fn from_hex(text: &str) -> SimDisk {
    use columba_store::Files as _;
    let mut disk = SimDisk::new(1);
    let mut name = None;
    for line in text.lines() {
        let (first, second) = line.split_once(' ').unwrap();
        if let Some(file) = Name::parse(first) {
            disk.create(file).unwrap();
            disk.truncate(file, second.parse().unwrap()).unwrap();
            name = Some(file);
        } else {
            let byte = |at| u8::from_str_radix(&second[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..second.len()).step_by(2).map(byte).collect();
            let offset = u64::from_str_radix(first, 16).unwrap();
            disk.write_at(name.unwrap(), offset, &bytes).unwrap();
        }
    }
    disk
}

#[test]
fn version_1_is_written() {
    let now = to_hex(&written());
    if now != VERSION_1 {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("version-1.hex");
        fs::write(&path, now).unwrap();
        panic!(
            "other bytes are written than before: see {}",
            path.display()
        );
    }
}

#[test]
fn version_1_is_read() {
    let (mut log, found) = Log::open(from_hex(VERSION_1), options(), &mut |_| ()).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!((found.records, found.commit), (4, 24));
    let there = content(&mut log);
    let records: Vec<(u64, &[u8])> = there.iter().map(|(p, r)| (*p, &**r)).collect();
    assert_eq!(
        records,
        [
            (0, b"record 0".as_slice()),
            (1, &[0; 40]),
            (46, b"record 23"),
            (47, &[23; 42]),
        ]
    );
}
