//! Records that are read back while the log goes on.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::collections::BTreeMap;

use columba_store::{Batch, Damage, Error, Faults, Log, Loss, Name, Options, Position, SimDisk};
use model::{Model, Random, open};

fn fetch(
    log: &mut Log<SimDisk>,
    positions: &[Position],
) -> Vec<(Position, Result<Vec<u8>, Error>)> {
    let mut found = Vec::new();
    log.fetch_all(positions, |position, record| found.push((position, record)));
    found
}

/// A log of ten records of 4,000 bytes, and their positions.
fn with_ten() -> (SimDisk, Log<SimDisk>, Vec<Position>) {
    let disk = SimDisk::new(1);
    let (mut log, _) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
    let mut batch = Batch::new();
    for n in 0..10 {
        batch.append(&[n; 4000]);
    }
    let first = log.commit([&batch]).unwrap().batches.remove(0).unwrap();
    let positions = (0..10).map(|n| Position::new(first.value() + n));
    let positions = positions.collect();
    (disk, log, positions)
}

#[test]
fn records_are_found_in_any_order_wherever_they_were_moved() {
    for seed in 0..5 {
        let disk = SimDisk::new(seed);
        let (mut log, _) = open(&disk).unwrap();
        let (mut random, mut model) = (Random(seed), Model::default());
        for step in 0..3000 {
            let batch = model.batch(&mut random, 40);
            let first = log.commit([&batch]).unwrap().batches.remove(0).unwrap();
            model.apply(&batch, first.value());
            if step % 100 > 0 {
                continue;
            }
            let live: BTreeMap<u64, Vec<u8>> = model.content().into_iter().collect();
            let mut positions: Vec<u64> = live.keys().copied().collect();
            if step % 200 > 0 {
                positions.reverse();
                let half = positions.len() / 2;
                positions.rotate_left(half);
            }
            let asked: Vec<Position> = positions.iter().copied().map(Position::new).collect();
            for (position, record) in fetch(&mut log, &asked) {
                assert_eq!(record.unwrap(), live[&position.value()]);
            }
        }
        assert!(log.stats().moved_bytes > 0);
    }
}

#[test]
fn what_cannot_be_read_costs_no_record_beside_it() {
    let (disk, mut log, positions) = with_ten();
    disk.set_faults(Faults {
        unreadable: Some((Name::Segment(1), 9000, 9001)),
        ..Faults::default()
    });
    let found = fetch(&mut log, &positions);
    for (n, (position, record)) in found.into_iter().enumerate() {
        assert_eq!(position, positions[n]);
        match record {
            Ok(record) => assert_eq!(record, [n as u8; 4000]),
            Err(error) => {
                assert_eq!(n, 2);
                let text = error.to_string();
                assert_eq!(text, "cannot read 00000001.log: input/output error");
            }
        }
    }
    assert!(log.fetch(positions[2]).is_err());
}

#[test]
fn what_is_damaged_or_gone_is_told_with_its_place() {
    let (disk, mut log, positions) = with_ten();
    disk.damage(Name::Segment(1), |bytes| {
        let at = bytes.windows(9).position(|part| part == [5; 9]).unwrap();
        bytes[at] ^= 1;
    });
    let mut batch = Batch::new();
    batch.release(positions[7]);
    log.commit([&batch]).unwrap();
    for (n, (position, record)) in fetch(&mut log, &positions).into_iter().enumerate() {
        match (n, record) {
            (5, Err(Error::Damaged(Damage { file, loss, .. }))) => {
                assert_eq!(file, Name::Segment(1));
                assert_eq!(loss, Loss::Record(position));
            }
            (7, Err(Error::NotLive(found))) => assert_eq!(found, position),
            (_, record) => assert_eq!(record.unwrap(), [n as u8; 4000]),
        }
    }
}
