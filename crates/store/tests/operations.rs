//! What operators do with a store: look without touching, compact, copy, move, run without syncs.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use columba_store::{
    Batch, DiskFiles, Engine, Error, Faults, Files, Limits, Log, Name, Options, Position,
    Recovered, SimDisk, backup,
};
use model::{Model, Random, content, open, small_options};

fn commit(log: &mut Log<SimDisk>, batch: &Batch) -> Position {
    log.commit([batch]).unwrap().batches.remove(0).unwrap()
}

/// A store with some work behind it, and what it holds.
fn worked_on(seed: u64, steps: u64) -> (SimDisk, Model) {
    let mut random = Random(seed);
    let disk = SimDisk::new(seed);
    let (mut log, _) = open(&disk).unwrap();
    let mut model = Model::default();
    for _ in 0..steps {
        let batch = model.batch(&mut random, 40);
        let first = commit(&mut log, &batch);
        model.apply(&batch, first.value());
    }
    (disk, model)
}

#[test]
fn without_syncs_everything_survives_the_end_of_the_process() {
    let disk = SimDisk::new(3);
    let mut options = small_options(3);
    options.is_synced = false;
    let (mut log, _) = Log::open(disk.clone(), options.clone(), &mut |_| ()).unwrap();
    let (mut random, mut model) = (Random(3), Model::default());
    let before = disk.syncs();
    for _ in 0..200 {
        let batch = model.batch(&mut random, 40);
        let first = commit(&mut log, &batch);
        model.apply(&batch, first.value());
    }
    let segments = log.stats().segments + log.stats().segments_removed;
    // One for a segment that is full, and one before some are removed.
    assert!(disk.syncs() - before <= 2 * segments, "{}", disk.syncs());
    drop(log);
    disk.restart_process();
    let (mut log, found) = Log::open(disk.clone(), options, &mut |_| ()).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(content(&mut log), model.content());
}

#[test]
fn without_syncs_power_may_cost_what_is_in_the_last_segment_and_that_is_told() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = SimDisk::new(seed);
        let mut options = small_options(seed);
        options.is_synced = false;
        let (mut log, _) = Log::open(disk.clone(), options.clone(), &mut |_| ()).unwrap();
        let mut random = Random(seed);
        let mut commits = 0;
        // The last segment is not the first.
        while log.stats().segments < 3 || random.below(10) > 0 {
            let mut batch = Batch::new();
            batch.append(&[commits as u8; 200]);
            commit(&mut log, &batch);
            commits += 1;
        }
        drop(log);
        disk.restart();
        let (mut log, found) = Log::open(disk.clone(), options, &mut |_| ()).unwrap();
        let there = content(&mut log);
        for (position, record) in &there {
            assert_eq!(record, &[*position as u8; 200]);
        }
        // A segment of 4 KiB holds at most 16 of them.
        assert!(there.len() as u64 + 16 >= commits, "seed {seed}");
        lost += u64::from((there.len() as u64) < commits);
        // The mark was not synced either: it tells of what is missing if it is there itself.
        if found.damage.is_empty() {
            assert!(found.commit <= commits);
        }
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn closing_an_engine_without_syncs_leaves_everything_on_the_disk() {
    let disk = SimDisk::new(3);
    let mut options = small_options(3);
    options.is_synced = false;
    let (mut log, _) = Log::open(disk.clone(), options, &mut |_| ()).unwrap();
    let mut batch = Batch::new();
    batch.append(b"kept");
    commit(&mut log, &batch);
    let engine = Engine::start(log, Limits::default()).unwrap();
    assert!(engine.close().is_some());
    disk.restart();
    assert_eq!(content(&mut open(&disk).unwrap().0).len(), 1);
}

/// New room has to be entered into the file system with the first syncs, written room does not.
#[test]
fn where_records_come_and_go_the_same_files_are_written_again() {
    let disk = SimDisk::new(7);
    let (mut log, _) = open(&disk).unwrap();
    let (mut old, mut heads) = (None, Vec::new());
    while log.stats().segments_removed < 20 {
        let mut batch = Batch::new();
        batch.append(&[7; 200]);
        old.into_iter().for_each(|old| batch.release(old));
        old = Some(commit(&mut log, &batch));
        let names = disk.names();
        let head = names.into_iter().rfind(|n| matches!(n, Name::Segment(_)));
        let head = head.unwrap();
        if heads.last().is_none_or(|(last, _)| *last != head) {
            // Nothing of its own stands there yet.
            let content = disk.content(head).unwrap();
            heads.push((head, content[2048..3072].iter().any(|byte| *byte != 0)));
        }
    }
    let new = heads.iter().filter(|(_, was_written)| !was_written);
    assert_eq!(new.count(), 2, "{heads:?}");
}

#[test]
fn a_look_changes_nothing() {
    let (disk, model) = worked_on(5, 70);
    let names = disk.names();
    // A group that was never finished.
    let last = *names
        .iter()
        .rfind(|n| matches!(n, Name::Segment(_)))
        .unwrap();
    disk.damage(last, |bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bytes.truncate(end.next_multiple_of(4));
    });
    let before: Vec<_> = names.iter().map(|name| disk.content(*name)).collect();
    let operations = disk.operations();
    let (mut log, found) = Log::open_read_only(disk.clone(), &mut |_| ()).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(content(&mut log), model.content());
    assert!(matches!(log.commit([&Batch::new()]), Err(Error::ReadOnly)));
    assert!(matches!(log.compact(&mut |_| ()), Err(Error::ReadOnly)));
    assert_eq!(disk.operations(), operations);
    assert_eq!(disk.names(), names);
    let after: Vec<_> = names.iter().map(|name| disk.content(*name)).collect();
    assert!(before == after);
    let nothing = Log::open_read_only(SimDisk::new(1), &mut |_| ());
    assert!(matches!(nothing, Err(Error::NoStore)));
}

#[test]
fn a_look_at_real_files_needs_no_lock_file_and_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let files = DiskFiles::open(&path).unwrap();
    let (mut log, _) = Log::open(files, Options::new(1), &mut |_| ()).unwrap();
    let mut batch = Batch::new();
    batch.append(b"kept");
    log.commit([&batch]).unwrap();
    let look = || Log::open_read_only(DiskFiles::open_read_only(&path).unwrap(), &mut |_| ());
    assert!(matches!(look(), Err(Error::Locked(_))));
    drop(log);
    std::fs::remove_file(path.join("lock")).unwrap();
    assert_eq!(look().unwrap().1.records, 1);
    assert!(!path.join("lock").exists());
    let mut files = DiskFiles::open_read_only(&path).unwrap();
    assert!(files.create(Name::Spare).is_err());
    assert!(files.remove(Name::Segment(1)).is_err());
    assert!(files.write_at(Name::Segment(1), 0, b"x").is_err());
    // A file in the place of a directory.
    let file = path.join("00000001.log");
    for error in [
        DiskFiles::open(&file).unwrap_err(),
        DiskFiles::open_read_only(&file).unwrap_err(),
    ] {
        assert_eq!(error.kind(), std::io::ErrorKind::NotADirectory);
    }
}

/// A store on a real disk.
fn on_disk(path: &Path) -> Result<(Log<DiskFiles>, Recovered), Error> {
    let mut options = Options::new(1);
    options.segment_bytes = 4096;
    Log::open(DiskFiles::open(path).unwrap(), options, &mut |_| ())
}

/// The lock file of a store in use is no stale one, whatever somebody takes it for.
#[test]
fn a_store_stays_locked_without_its_lock_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (log, _) = on_disk(&path).unwrap();
    std::fs::remove_file(path.join("lock")).unwrap();
    assert!(matches!(on_disk(&path), Err(Error::Locked(_))));
    let look = || Log::open_read_only(DiskFiles::open_read_only(&path).unwrap(), &mut |_| ());
    assert!(matches!(look(), Err(Error::Locked(_))));
    drop(log);
    assert!(look().is_ok() && on_disk(&path).is_ok());
}

/// What is written into files that nobody will find again is not acknowledged.
#[test]
fn a_store_whose_directory_or_lock_is_gone_fails_at_the_next_segment() {
    let removed = |path: &Path| std::fs::remove_dir_all(path).unwrap();
    let moved = |path: &Path| {
        std::fs::rename(path, path.with_extension("old")).unwrap();
        drop(on_disk(path).unwrap());
    };
    let unlocked = |path: &Path| std::fs::remove_file(path.join("lock")).unwrap();
    let ways: [fn(&Path); 3] = [removed, moved, unlocked];
    for lose in ways {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let (mut log, _) = on_disk(&path).unwrap();
        let mut batch = Batch::new();
        batch.append(&[1; 1500]);
        log.commit([&batch]).unwrap();
        lose(&path);
        let failed = (0..3).find_map(|_| log.commit([&batch]).err());
        assert!(matches!(failed, Some(Error::Failed { .. })), "{failed:?}");
    }
}

/// Somebody has put a copy in the place of a store while its process runs: what is there is not that one's.
#[test]
fn a_segment_of_another_store_that_stands_there_now_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (mut log, _) = on_disk(&path).unwrap();
    let mut batch = Batch::new();
    batch.append(&[1; 1500]);
    let mut kept = Vec::new();
    // So many that there is room for the next segment.
    for _ in 0..6 {
        kept.extend(log.commit([&batch]).unwrap().batches);
    }
    assert!(path.join("spare").exists());
    std::fs::rename(&path, path.with_extension("old")).unwrap();
    std::fs::create_dir(&path).unwrap();
    for entry in std::fs::read_dir(path.with_extension("old")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    let mut releases = Batch::new();
    kept.into_iter()
        .for_each(|of| releases.release(of.unwrap()));
    let failed = log.commit([&releases]).and_then(|_| log.commit([]));
    assert!(matches!(failed, Err(Error::Failed { .. })), "{failed:?}");
    drop(log);
    assert_eq!(on_disk(&path).unwrap().1.records, 6);
}

/// A segment may take long to be full.
#[test]
fn a_directory_that_is_gone_is_noticed_after_few_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let files = DiskFiles::open(&path).unwrap();
    let (mut log, _) = Log::open(files, Options::new(1), &mut |_| ()).unwrap();
    let mut batch = Batch::new();
    batch.append(b"small");
    log.commit([&batch]).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let failed = (0..17).find_map(|_| log.commit([&batch]).err());
    assert!(matches!(failed, Some(Error::Failed { .. })), "{failed:?}");
}

#[test]
fn a_compact_log_takes_little_more_than_what_lives() {
    for seed in 0..30 {
        let (disk, mut model) = worked_on(seed, 150);
        let (mut log, _) = open(&disk).unwrap();
        // Most of it goes, here and there.
        let mut batch = Batch::new();
        let mut random = Random(seed);
        for position in model.live.keys().filter(|_| random.below(3) > 0) {
            batch.release(Position::new(*position));
        }
        let first = commit(&mut log, &batch);
        model.apply(&batch, first.value());
        log.compact(&mut |_| ()).unwrap();
        let stats = log.stats();
        assert!(
            stats.disk_bytes <= stats.live_bytes * 10 / 9 + (64 << 10) + 8192,
            "seed {seed}: {stats:?}"
        );
        assert!(!disk.names().contains(&Name::Spare));
        let mut batch = Batch::new();
        batch.append(b"goes on");
        let first = commit(&mut log, &batch);
        model.apply(&batch, first.value());
        drop(log);
        disk.restart();
        let (mut log, found) = open(&disk).unwrap();
        assert_eq!(found.damage, []);
        assert_eq!(content(&mut log), model.content());
    }
}

/// However much lives in it: a place that stays is reported by every start.
#[test]
fn what_is_damaged_is_left_behind() {
    for seed in 0..10 {
        let (disk, _) = worked_on(seed, 50);
        let (mut log, _) = open(&disk).unwrap();
        let mut batch = Batch::new();
        (0..3).for_each(|n| batch.append(format!("record {n}").as_bytes()));
        let first = commit(&mut log, &batch);
        // A last commit that is not whole would never have been acknowledged.
        let mut last = Batch::new();
        last.append(b"behind it");
        commit(&mut log, &last);
        let mut wanted = content(&mut log);
        drop(log);
        disk.restart_process();
        let segments = disk.names().into_iter();
        for name in segments.filter(|name| matches!(name, Name::Segment(_))) {
            disk.damage(name, |bytes| {
                let at = bytes.windows(8).position(|part| part == b"record 1");
                at.into_iter().for_each(|at| bytes[at] ^= 1);
            });
        }
        let (mut log, found) = open(&disk).unwrap();
        assert_eq!(found.damage.len(), 1, "seed {seed}");
        log.compact(&mut |_| ()).unwrap();
        let written = log.stats().written_bytes;
        log.compact(&mut |_| ()).unwrap();
        assert_eq!(log.stats().written_bytes, written);
        drop(log);
        disk.restart();
        let (mut log, found) = open(&disk).unwrap();
        assert_eq!(found.damage, [], "seed {seed}");
        wanted.retain(|(position, _)| *position != first.value() + 1);
        assert_eq!(content(&mut log), wanted, "seed {seed}");
    }
}

#[test]
fn a_large_log_with_little_alive_becomes_small() {
    let disk = SimDisk::new(1);
    let mut options = Options::new(1);
    options.segment_bytes = 1 << 20;
    let (mut log, _) = Log::open(disk.clone(), options.clone(), &mut |_| ()).unwrap();
    for n in 0..400_u64 {
        let mut batch = Batch::new();
        batch.append(&[n as u8; 10_000]);
        if n >= 30 && n % 10 != 0 {
            batch.release(Position::new(n - 30));
        }
        commit(&mut log, &batch);
    }
    let before = log.stats();
    assert!(before.disk_bytes > 2 * before.live_bytes);
    let mut steps = 0;
    log.compact(&mut |_| steps += 1).unwrap();
    let after = log.stats();
    assert!(steps > 0 && after.records == before.records);
    assert!(after.disk_bytes < after.live_bytes + 10_000, "{after:?}");
    // Once is enough.
    let written = after.written_bytes;
    log.compact(&mut |_| ()).unwrap();
    assert_eq!(log.stats().written_bytes, written);
    let wanted = content(&mut log);
    drop(log);
    disk.restart();
    let (mut log, _) = Log::open(disk, options, &mut |_| ()).unwrap();
    assert!(content(&mut log) == wanted);
}

#[test]
fn a_compaction_without_room_ends_with_a_reason_and_loses_nothing() {
    let (disk, model) = worked_on(9, 200);
    let (mut log, _) = open(&disk).unwrap();
    let mut batch = Batch::new();
    for _ in 0..100 {
        batch.append(&[1; 4000]);
    }
    commit(&mut log, &batch);
    let mut release = Batch::new();
    for position in model.next..model.next + 90 {
        release.release(Position::new(position));
    }
    commit(&mut log, &release);
    let wanted = content(&mut log);
    disk.set_faults(Faults {
        capacity: Some(1000),
        ..Faults::default()
    });
    let done = log.compact(&mut |_| ());
    assert!(matches!(done, Err(Error::Full { .. })), "{done:?}");
    assert_eq!(content(&mut log), wanted);
    disk.set_faults(Faults::default());
    log.compact(&mut |_| ()).unwrap();
    assert_eq!(content(&mut log), wanted);
}

#[test]
fn records_are_taken_over_at_their_positions() {
    let (disk, model) = worked_on(11, 120);
    let (mut log, _) = open(&disk).unwrap();
    let wanted = content(&mut log);
    let other = SimDisk::new(12);
    let (mut taken, _) = Log::open(other.clone(), small_options(99), &mut |_| ()).unwrap();
    for part in wanted.chunks(7) {
        let part: Vec<_> = part
            .iter()
            .map(|(position, record)| (Position::new(*position), &record[..]))
            .collect();
        taken.adopt(&part).unwrap();
    }
    let again = [(Position::new(wanted[0].0), &b"x"[..])];
    assert!(matches!(taken.adopt(&again), Err(Error::OutOfOrder(_))));
    // Nor where none would be left for what comes after.
    for far in [u64::MAX, (1 << 56) - 2] {
        let far = [(Position::new(far), &b"x"[..])];
        assert!(matches!(taken.adopt(&far), Err(Error::OutOfOrder(_))));
    }
    drop(taken);
    other.restart();
    let (mut taken, found) = Log::open(other, small_options(1), &mut |_| ()).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(content(&mut taken), wanted);
    // It goes on behind them.
    let mut batch = Batch::new();
    batch.append(b"new");
    let first = commit(&mut taken, &batch);
    assert_eq!(first.value(), wanted.last().unwrap().0 + 1);
    assert_eq!(wanted, model.content());
}

/// Everything that a copy holds; it has to be sound.
fn content_of_copy(target: &SimDisk) -> Vec<(u64, Vec<u8>)> {
    let (mut log, found) = Log::open_read_only(target.clone(), &mut |_| ()).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(found.torn_bytes, 0);
    let looked = content(&mut log);
    target.restart();
    let (mut log, found) = open(target).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(content(&mut log), looked);
    looked
}

#[test]
fn a_copy_of_a_store_at_rest_is_the_store() {
    for seed in 0..20 {
        let (disk, model) = worked_on(seed, 5 * seed);
        let target = SimDisk::new(seed);
        let done = backup(&mut disk.clone(), &mut target.clone(), &mut |_| ()).unwrap();
        assert_eq!(content_of_copy(&target), model.content());
        assert_eq!(done.commit, open(&disk).unwrap().1.commit);
        let again = backup(&mut disk.clone(), &mut target.clone(), &mut |_| ());
        assert!(matches!(again, Err(Error::NotEmpty)));
    }
    let nothing = backup(&mut SimDisk::new(1), &mut SimDisk::new(2), &mut |_| ());
    assert!(matches!(nothing, Err(Error::NoStore)));
}

/// The mark is not synced: an older one may be there, or none.
#[test]
fn a_copy_made_after_a_loss_of_power_has_all_that_was_committed() {
    let mut has_older_mark = false;
    for seed in 0..40 {
        let (disk, model) = worked_on(seed, 30);
        let mark = disk.content(Name::Mark);
        disk.restart();
        has_older_mark |= disk.content(Name::Mark) != mark;
        for is_marked in [true, false] {
            if !is_marked {
                disk.lose(Name::Mark);
            }
            let target = SimDisk::new(seed);
            let done = backup(&mut disk.clone(), &mut target.clone(), &mut |_| ()).unwrap();
            assert_eq!(content_of_copy(&target), model.content(), "seed {seed}");
            let (_, found) = Log::open_in_use(disk.clone(), &mut |_| ()).unwrap();
            assert_eq!(found.commit, done.commit, "seed {seed}");
            assert_eq!(found.records, model.content().len() as u64, "seed {seed}");
        }
        assert_eq!(content(&mut open(&disk).unwrap().0), model.content());
    }
    assert!(has_older_mark);
}

/// The room ahead in the last segment is taken from the disk as well.
#[test]
fn a_store_in_use_takes_what_its_owner_says_it_takes() {
    let (disk, _) = worked_on(1, 30);
    disk.restart_process();
    let (mut log, _) = open(&disk).unwrap();
    let mut batch = Batch::new();
    batch.append(b"a record");
    log.commit([&batch]).unwrap();
    let (looked, _) = Log::open_in_use(disk.clone(), &mut |_| ()).unwrap();
    let (seen, told) = (looked.stats(), log.stats());
    assert_eq!(seen.disk_bytes, told.disk_bytes);
    assert_eq!(seen.live_bytes, told.live_bytes);
    assert_eq!(seen.segments, told.segments);
}

/// On a full disk the file of the next segment goes again, and another one gets its name when there is room.
#[test]
fn a_copy_has_what_is_in_a_file_that_took_the_name_of_one_that_had_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (mut log, _) = on_disk(&path).unwrap();
    let mut batch = Batch::new();
    batch.append(&[1; 1500]);
    log.commit([&batch]).unwrap();
    // As it is until the disk has said that it has no room for it.
    let next = path.join("00000002.log");
    std::fs::write(&next, "").unwrap();
    let mut source = DiskFiles::open_read_only(&path).unwrap();
    assert!(source.list().unwrap().contains(&Name::Segment(2)));
    assert_eq!(source.length(Name::Segment(2)).unwrap(), 0);
    std::fs::remove_file(&next).unwrap();
    for _ in 0..3 {
        log.commit([&batch]).unwrap();
    }
    assert!(next.exists());
    let target = SimDisk::new(1);
    let done = backup(&mut source, &mut target.clone(), &mut |_| ()).unwrap();
    assert_eq!(done.commit, log.stats().commit);
    assert_eq!(content_of_copy(&target).len(), 4);
}

#[test]
fn a_copy_of_a_store_in_use_is_what_it_was_at_one_commit() {
    for seed in 0..40 {
        let (disk, mut model) = worked_on(seed, 60);
        disk.restart_process();
        let (mut log, _) = open(&disk).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, mut source) = (Arc::clone(&is_over), disk.clone());
        // By the number of the commit: what was live.
        let mut states = BTreeMap::new();
        states.insert(log.stats().commit, model.content());
        let copying = std::thread::spawn(move || {
            let target = SimDisk::new(seed);
            let done = backup(&mut source, &mut target.clone(), &mut |_| ());
            over.store(true, Ordering::Release);
            (target, done)
        });
        let mut random = Random(seed);
        while !is_over.load(Ordering::Acquire) {
            let batch = model.batch(&mut random, 40);
            let first = commit(&mut log, &batch);
            model.apply(&batch, first.value());
            states.insert(log.stats().commit, model.content());
            std::thread::yield_now();
        }
        let (target, done) = copying.join().unwrap();
        let commit = done.unwrap().commit;
        assert_eq!(
            Some(&content_of_copy(&target)),
            states.get(&commit),
            "seed {seed}"
        );
    }
}

#[test]
fn a_look_at_a_store_in_use_shows_what_it_was_at_one_commit() {
    for seed in 0..40 {
        let (disk, mut model) = worked_on(seed, 60);
        disk.restart_process();
        let (mut log, _) = open(&disk).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, source) = (Arc::clone(&is_over), disk.clone());
        let mut states = BTreeMap::new();
        states.insert(log.stats().commit, model.content());
        let looking = std::thread::spawn(move || {
            let looked = Log::open_in_use(source, &mut |_| ());
            over.store(true, Ordering::Release);
            looked
        });
        let mut random = Random(seed);
        while !is_over.load(Ordering::Acquire) {
            let batch = model.batch(&mut random, 40);
            let first = commit(&mut log, &batch);
            model.apply(&batch, first.value());
            states.insert(log.stats().commit, model.content());
            std::thread::yield_now();
        }
        let (mut looked, found) = looking.join().unwrap().unwrap();
        assert_eq!(found.damage, [], "seed {seed}");
        let state = &states[&found.commit];
        assert_eq!(found.records, state.len() as u64, "seed {seed}");
        let live = |position: &u64| looked.is_live(Position::new(*position));
        assert!(
            state.iter().map(|(position, _)| position).all(live),
            "seed {seed}"
        );
        // The store may have freed some of it since.
        if looked.is_all_there().unwrap() {
            assert_eq!(&content(&mut looked), state, "seed {seed}");
        }
    }
}

#[test]
fn opening_ends_when_it_is_no_longer_wanted_and_starts_anew_later() {
    let (disk, model) = worked_on(3, 60);
    disk.restart_process();
    let mut left = 2;
    let stopped = Log::open_unless(disk.clone(), small_options(7), &mut |_| {
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    let (mut log, found) = open(&disk).unwrap();
    assert_eq!(found.damage, []);
    assert_eq!(content(&mut log), model.content());
}
