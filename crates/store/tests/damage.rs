//! Damaged bytes cost what they held and are reported; nothing else is lost and nothing comes back
//! wrong.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use columba_store::{Batch, Damage, Error, Faults, Log, Loss, Name, Options, Position, SimDisk};
use model::{Model, Random, content, open, small_options};

/// A store with some work behind it, and what it holds.
fn worked_on(seed: u64, steps: u64) -> (SimDisk, Model, Random) {
    let mut random = Random(seed);
    let disk = SimDisk::new(seed);
    let (mut log, _) = open(&disk).unwrap();
    let mut model = Model::default();
    for _ in 0..steps {
        let batch = model.batch(&mut random, 40);
        let first = log.commit([&batch]).unwrap().batches.remove(0).unwrap();
        model.apply(&batch, first.value());
    }
    drop(log);
    disk.restart_process();
    (disk, model, random)
}

fn a_segment(disk: &SimDisk, random: &mut Random) -> (Name, usize) {
    let names = disk.names();
    let is_segment = |name: &Name| matches!(name, Name::Segment(_));
    let mut segments: Vec<(Name, usize)> = names
        .into_iter()
        .filter(is_segment)
        .map(|name| (name, disk.content(name).unwrap().len()))
        .collect();
    segments.remove(random.below(segments.len() as u64) as usize)
}

fn flip(disk: &SimDisk, name: Name, at: usize, bits: u8) {
    disk.damage(name, |bytes| bytes[at] ^= bits);
}

/// Opens a log in which one byte was changed.
fn change_a_byte(seed: u64) {
    let steps = 30 + seed % 50;
    let (disk, model, mut random) = worked_on(seed, steps);
    let (file, length) = a_segment(&disk, &mut random);
    let at = random.below(length as u64);
    flip(&disk, file, at as usize, 1 << random.below(8));
    let (mut log, found) = open(&disk).unwrap();
    let there = content(&mut log);
    assert_eq!(log.take_damage(), []);
    let covers = |damage: &&Damage| {
        let end = damage.offset + damage.bytes;
        damage.file == file && damage.offset <= at && at < end
    };
    let reported = found.damage.iter().find(covers);
    // What is there is what was written.
    let mut extra = 0;
    for (position, record) in &there {
        match model.live.get(position) {
            Some(wanted) => assert_eq!(wanted, record, "position {position}"),
            None => extra += 1,
        }
    }
    let kept: Vec<u64> = there.iter().map(|(p, _)| *p).collect();
    let lost: Vec<u64> = model
        .live
        .keys()
        .copied()
        .filter(|p| !kept.contains(p))
        .collect();
    // One byte is in one frame, so it costs one record, or brings back what one frame released.
    assert!(lost.len() <= 1, "{lost:?} {:?}", found.damage);
    match reported.map(|damage| &damage.loss) {
        None => assert_eq!(
            (lost.len(), extra),
            (0, 0),
            "{file} at {at}: {:?}",
            found.damage
        ),
        Some(Loss::Record(position)) => assert_eq!((&*lost, extra), (&[position.value()][..], 0)),
        Some(Loss::Header | Loss::Released(_)) => assert_eq!((lost.len(), extra), (0, 0)),
        Some(_) => assert!(lost.is_empty() || extra == 0),
    }
    // The log goes on, and later damage does not add up to anything else.
    let mut batch = Batch::new();
    batch.append(b"more");
    let first = log.commit([&batch]).unwrap().batches.remove(0).unwrap();
    drop(log);
    disk.restart();
    let (mut log, _) = open(&disk).unwrap();
    let mut wanted = there;
    wanted.push((first.value(), b"more".to_vec()));
    assert_eq!(content(&mut log), wanted);
}

#[test]
fn a_changed_byte_costs_one_frame_and_is_reported_where_it_is() {
    for seed in 0..1500 {
        let test = std::panic::catch_unwind(|| change_a_byte(seed));
        if let Err(panic) = test {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A store of one segment with a commit for each record.
fn ten_records() -> (SimDisk, Vec<Position>) {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let mut positions = Vec::new();
    for n in 0..10 {
        let mut batch = Batch::new();
        batch.append(format!("record {n}").as_bytes());
        positions.push(log.commit([&batch]).unwrap().batches.remove(0).unwrap());
    }
    drop(log);
    disk.restart_process();
    (disk, positions)
}

fn place_of(disk: &SimDisk, text: &str) -> usize {
    let bytes = disk.content(Name::Segment(1)).unwrap();
    let found = bytes.windows(text.len()).position(|w| w == text.as_bytes());
    found.unwrap()
}

#[test]
fn a_damaged_record_is_named_and_the_others_stay() {
    let (disk, positions) = ten_records();
    let at = place_of(&disk, "record 4");
    flip(&disk, Name::Segment(1), at, 1);
    let (mut log, found) = open(&disk).unwrap();
    assert_eq!(
        found.damage,
        [Damage {
            file: Name::Segment(1),
            offset: at as u64 - 20,
            bytes: 28,
            loss: Loss::Record(positions[4]),
        }]
    );
    assert_eq!(
        found.damage[0].to_string(),
        format!(
            "00000001.log is damaged at offset {} (28 bytes): the record at position 4",
            at - 20
        )
    );
    assert_eq!(content(&mut log).len(), 9);
}

#[test]
fn the_last_commit_is_damaged_and_not_torn_if_it_was_durable() {
    let (disk, positions) = ten_records();
    flip(&disk, Name::Segment(1), place_of(&disk, "record 9"), 1);
    let (_, found) = open(&disk).unwrap();
    assert_eq!(found.damage[0].loss, Loss::Record(positions[9]));
    assert_eq!(found.torn_bytes, 0);
}

#[test]
fn a_file_that_ends_too_early_is_missed_by_the_mark() {
    let (disk, _) = ten_records();
    let at = place_of(&disk, "record 7") - 56;
    disk.damage(Name::Segment(1), |bytes| bytes.truncate(at));
    let (mut log, found) = open(&disk).unwrap();
    let commits = Loss::Commits { first: 8, last: 10 };
    assert_eq!(found.damage[0].loss, commits);
    assert_eq!(found.damage[0].offset, at as u64);
    assert_eq!(content(&mut log).len(), 7);
}

#[test]
fn a_missing_segment_is_reported() {
    let (disk, model, _) = worked_on(5, 60);
    let first = disk
        .names()
        .into_iter()
        .find(|n| matches!(n, Name::Segment(_)));
    disk.lose(first.unwrap());
    let (mut log, found) = open(&disk).unwrap();
    let missing: Vec<Name> = found
        .damage
        .iter()
        .filter(|d| d.loss == Loss::File)
        .map(|d| d.file)
        .collect();
    assert_eq!(missing, [first.unwrap()]);
    for (position, record) in content(&mut log) {
        assert_eq!(model.live.get(&position), Some(&record));
    }
}

#[test]
fn a_sector_that_cannot_be_read_costs_what_it_holds() {
    let disk = SimDisk::new(1);
    let (mut log, _) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
    for n in 0..100_u8 {
        let mut batch = Batch::new();
        batch.append(&[n; 400]);
        log.commit([&batch]).unwrap();
    }
    drop(log);
    let file = Name::Segment(1);
    disk.set_faults(Faults {
        unreadable: Some((file, 9000, 9001)),
        ..Faults::default()
    });
    let (mut log, found) = Log::open(disk, Options::new(1), &mut |_| ()).unwrap();
    assert_eq!(
        found.damage[0],
        Damage {
            file,
            offset: 8192,
            bytes: 4096,
            loss: Loss::Unreadable,
        }
    );
    let there = content(&mut log).len();
    assert!((88..=91).contains(&there), "{there}");
}

/// What is not known to be on the disk is written again, but nothing over what cannot be read now: somebody
/// may be able to read it, or the disk another time.
#[test]
fn a_sector_that_cannot_be_read_is_not_written_over() {
    for (from, to) in [(0, 1), (4095, 4097), (9000, 9001), (40_000, 99_999)] {
        let disk = SimDisk::new(1);
        let (mut log, _) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
        for n in 0..100_u8 {
            let mut batch = Batch::new();
            batch.append(&[n; 400]);
            log.commit([&batch]).unwrap();
        }
        let before = content(&mut log);
        drop(log);
        // After a loss of power it may be as old as it likes.
        disk.damage(Name::Mark, |mark| mark.fill(0));
        disk.set_faults(Faults {
            unreadable: Some((Name::Segment(1), from, to)),
            ..Faults::default()
        });
        let written = disk.content(Name::Segment(1)).unwrap();
        let (_, found) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
        assert!(found.records < 100, "{from}");
        let kept = disk.content(Name::Segment(1)).unwrap();
        assert!(kept == written.get(..kept.len()).unwrap(), "{from}");
        disk.set_faults(Faults::default());
        let (mut log, _) = Log::open(disk, Options::new(1), &mut |_| ()).unwrap();
        assert!(to > 50_000 || content(&mut log) == before, "{from}");
    }
}

#[test]
fn the_commits_of_an_only_segment_that_is_missing_are_missed_in_the_directory() {
    let (disk, _) = ten_records();
    disk.lose(Name::Segment(1));
    let (_, found) = open(&disk).unwrap();
    let [damage] = &found.damage[..] else {
        panic!("{:?}", found.damage);
    };
    assert_eq!(damage.file, Name::Directory);
    assert_eq!(damage.loss, Loss::Commits { first: 1, last: 10 });
    assert_eq!(
        damage.to_string(),
        "no segment file is there any more: the commits 1 to 10"
    );
}

/// What happens to a segment.
type Loses<'a> = &'a dyn Fn(&SimDisk, Name);

/// Whatever becomes of the first segment, nothing before it says what was in it: only the inventory
/// of a later one does.
#[test]
fn a_first_segment_of_which_nothing_is_left_is_a_lost_file() {
    let emptied = |disk: &SimDisk, first: Name| disk.damage(first, Vec::clear);
    let zeroed = |disk: &SimDisk, first: Name| disk.damage(first, |bytes| bytes.fill(0));
    let cut = |disk: &SimDisk, first: Name| disk.damage(first, |bytes| bytes.truncate(64));
    let swapped = |disk: &SimDisk, first: Name| {
        let segments = disk.names().into_iter();
        let other = segments.filter(|of| matches!(of, Name::Segment(_)) && *of != first);
        let other = other.min().unwrap();
        let content = disk.content(other).unwrap();
        disk.damage(first, |bytes| *bytes = content);
    };
    let ways: [Loses<'_>; 4] = [&emptied, &zeroed, &cut, &swapped];
    for seed in 0..40 {
        for (way, lose) in ways.iter().enumerate() {
            let (disk, _, _) = worked_on(seed, 80);
            let segments = disk.names().into_iter();
            let first = segments.filter(|of| matches!(of, Name::Segment(_))).min();
            let first = first.unwrap();
            lose(&disk, first);
            let (mut log, found) = open(&disk).unwrap();
            let lost = found.damage.iter().filter(|d| d.loss == Loss::Segment);
            let lost: Vec<Name> = lost.map(|d| d.file).collect();
            assert_eq!(lost, [first], "seed {seed}, way {way}: {:?}", found.damage);
            // It was told, and goes.
            let mut batch = Batch::new();
            batch.append(b"more");
            log.commit([&batch]).unwrap().batches.remove(0).unwrap();
            drop(log);
            disk.restart_process();
            let (_, found) = open(&disk).unwrap();
            assert!(found.damage.iter().all(|d| d.loss != Loss::Segment));
        }
    }
}

#[test]
fn bytes_that_rot_while_the_log_is_open_are_reported_when_they_are_read() {
    let (disk, positions) = ten_records();
    let (mut log, _) = open(&disk).unwrap();
    flip(&disk, Name::Segment(1), place_of(&disk, "record 4"), 1);
    let Err(Error::Damaged(damage)) = log.fetch(positions[4]) else {
        panic!("the record was read");
    };
    assert_eq!(damage.loss, Loss::Record(positions[4]));
    assert_eq!(log.fetch(positions[5]).unwrap(), b"record 5");
    assert_eq!(content(&mut log).len(), 9);
    assert_eq!(log.take_damage(), [damage]);
}

#[test]
fn a_newer_version_and_a_foreign_segment_are_refused_and_left_alone() {
    let (disk, _) = ten_records();
    let before = disk.content(Name::Segment(1)).unwrap();
    disk.damage(Name::Segment(1), |bytes| {
        bytes[8] = 9;
        let sum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&sum);
    });
    let Err(Error::Version { found: 9, .. }) = open(&disk) else {
        panic!("a newer version was opened");
    };
    let other = SimDisk::new(2);
    let (mut log, _) = Log::open(other.clone(), small_options(8), &mut |_| ()).unwrap();
    let mut batch = Batch::new();
    batch.append(b"theirs");
    log.commit([&batch]).unwrap();
    drop(log);
    let theirs = other.content(Name::Segment(1)).unwrap();
    disk.damage(Name::Segment(1), |bytes| *bytes = theirs.clone());
    assert!(matches!(open(&disk), Err(Error::Mixed { .. })));
    disk.damage(Name::Segment(1), |bytes| *bytes = before);
    assert_eq!(open(&disk).unwrap().1.records, 10);
}
