//! A disk that has no room for a whole segment, while much of what the log takes there is dead.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use columba_store::{Batch, Error, Faults, Log, Position, SimDisk};
use model::{Model, Random, content, open};

/// As in `model::small_options`.
const SEGMENT_BYTES: u64 = 4096;
/// The mark has two places, a sector of its own for each.
const MARK_BYTES: u64 = 2 * 4096;

fn faults(capacity: u64, crash_at: Option<u64>) -> Faults {
    Faults {
        capacity: Some(MARK_BYTES + capacity),
        crash_at,
        ..Faults::default()
    }
}

fn record(bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.append(&vec![7; bytes]);
    batch
}

fn commit(log: &mut Log<SimDisk>, batch: &Batch) -> Result<Position, Error> {
    log.commit([batch]).unwrap().batches.remove(0)
}

/// Writes records until the disk is full.
fn fill(log: &mut Log<SimDisk>) -> Vec<Position> {
    std::iter::from_fn(|| commit(log, &record(100)).ok()).collect()
}

fn release(log: &mut Log<SimDisk>, positions: &[Position]) {
    let mut batch = Batch::new();
    positions.iter().for_each(|of| batch.release(*of));
    commit(log, &batch).unwrap();
}

/// There is a single segment, which is written on and so cannot go: it took a restart.
#[test]
fn a_segment_that_is_written_is_emptied_as_well_when_there_is_no_room_for_another() {
    for room in [2 * SEGMENT_BYTES / 5, SEGMENT_BYTES - 1] {
        let disk = SimDisk::new(room);
        let (mut log, _) = open(&disk).unwrap();
        disk.set_faults(faults(SEGMENT_BYTES + 100 + room, None));
        let kept = fill(&mut log);
        assert!(kept.len() > 15, "{}", kept.len());
        let (last, most) = kept.split_last().unwrap();
        release(&mut log, most);
        for _ in 0..10 {
            commit(&mut log, &record(100)).unwrap();
        }
        assert!(log.is_live(*last));
        drop(log);
        disk.restart();
        let (mut log, found) = open(&disk).unwrap();
        assert_eq!((found.damage, content(&mut log).len()), (vec![], 11));
    }
}

/// So little is dead that nobody would look at it while there is room.
#[test]
fn what_is_dead_in_a_few_segments_makes_room_on_a_full_disk() {
    for is_opened_anew in [false, true] {
        let disk = SimDisk::new(1);
        let (mut log, _) = open(&disk).unwrap();
        disk.set_faults(faults(4 * SEGMENT_BYTES - 1, None));
        let kept = fill(&mut log);
        assert!(log.stats().segments <= 4);
        // One in ten stays, in all of them.
        let released: Vec<Position> = (0..)
            .zip(&kept)
            .filter(|(number, _)| number % 10 > 0)
            .map(|(_, position)| *position)
            .collect();
        for positions in released.chunks(20) {
            release(&mut log, positions);
        }
        if is_opened_anew {
            drop(log);
            disk.restart_process();
            disk.set_faults(faults(4 * SEGMENT_BYTES - 1, None));
            log = open(&disk).unwrap().0;
        }
        let more = fill(&mut log);
        assert!(more.len() > kept.len() / 2, "{} {}", more.len(), kept.len());
        let live = kept.len() - released.len() + more.len();
        drop(log);
        disk.restart();
        let (mut log, found) = open(&disk).unwrap();
        assert_eq!((found.damage, content(&mut log).len()), (vec![], live));
    }
}

#[test]
fn a_disk_that_is_full_of_what_lives_is_left_as_it_is() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    disk.set_faults(faults(40_000, None));
    let kept = fill(&mut log);
    let before = log.stats();
    for _ in 0..20 {
        commit(&mut log, &record(100)).unwrap_err();
    }
    let after = log.stats();
    assert_eq!(
        (after.moved_bytes, after.written_bytes, after.segments),
        (before.moved_bytes, before.written_bytes, before.segments)
    );
    for positions in kept.chunks(20) {
        release(&mut log, positions);
    }
    commit(&mut log, &record(100)).unwrap();
}

/// Fills a small disk again and again, releases most of it, and dies at some operation of that.
fn die_while_pressed(seed: u64) {
    let mut random = Random(seed);
    let disk = SimDisk::new(seed ^ 0x9e55);
    let (mut log, _) = open(&disk).unwrap();
    let mut model = Model::default();
    let capacity = SEGMENT_BYTES + random.below(4 * SEGMENT_BYTES);
    let crash_at = Some(disk.operations() + 20 + random.below(200));
    disk.set_faults(faults(capacity, crash_at));
    let on_their_way = loop {
        let batch = model.batch(&mut random, 150);
        match log.commit([&batch]).map(|mut done| done.batches.remove(0)) {
            Ok(Ok(first)) => model.apply(&batch, first.value()),
            Ok(Err(Error::Full { .. })) => {}
            Ok(Err(other)) => panic!("seed {seed}: {other}"),
            Err(_) => break [batch],
        }
    };
    drop(log);
    if random.below(2) == 0 {
        disk.restart();
    } else {
        disk.restart_process();
    }
    let (mut log, found) = open(&disk).unwrap();
    assert_eq!(found.damage, [], "seed {seed}");
    // What was not acknowledged may be there or not, as a whole.
    let shown = content(&mut log);
    model.resume(&shown, &on_their_way);
}

#[test]
fn nothing_is_lost_if_the_process_ends_or_power_goes_while_room_is_made() {
    (0..3_000).for_each(die_while_pressed);
}
