//! What is written is read again, whatever happened in between; and what cannot be is named as missing.

use columba_broker::recorder::{Chunk, Line, TapeName};

use super::frame::{CHUNK, END, FILES_MAX, START, frame, make_room};
use super::*;

const SHARD: u16 = 1;

/// A chunk with entries that nobody had before: an event a millisecond, `publish.no_match`.
fn chunk(tape: TapeName, sequence: u64, unix_ms: u64, entries: u64) -> Arc<Chunk> {
    let mut bytes = b"CREC\x01".to_vec();
    bytes.push(tape as u8);
    bytes.extend(SHARD.to_be_bytes());
    for number in [sequence, unix_ms.saturating_sub(1_000), unix_ms] {
        bytes.extend(number.to_be_bytes());
    }
    let text = b"publish.no_match";
    bytes.extend([text.len() as u8 + 1, 0]);
    bytes.extend(text);
    for age_ms in 0..entries {
        // A line of an entry: text 0, its age in one byte, and no field.
        bytes.extend([4, 2, 0, age_ms.min(127) as u8, 0]);
    }
    Arc::new(Chunk::read(&bytes).unwrap())
}

fn events(sequence: u64, unix_ms: u64, entries: u64) -> Arc<Chunk> {
    chunk(TapeName::Events, sequence, unix_ms, entries)
}

fn recording(chunks: &[&Arc<Chunk>]) -> Recording {
    Recording {
        shard: SHARD,
        chunks: chunks.iter().map(|chunk| Arc::clone(chunk)).collect(),
        // What memory has pushed out may be on the disk.
        overwritten: 1_000,
        ..Recording::default()
    }
}

fn seen(writer: &Writer) -> u64 {
    writer.seen(SHARD).events
}

/// The numbers of all entries of the events, in order.
fn sequences(recording: &Recording) -> Vec<u64> {
    let chunks = recording.chunks.iter();
    let chunks = chunks.filter(|chunk| chunk.tape() == TapeName::Events);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    lines
        .filter_map(|line| match line.unwrap() {
            Line::Entry(entry) => Some(entry.sequence),
            Line::Gap { .. } => None,
        })
        .collect()
}

fn all(dir: &Path, now: Vec<Recording>) -> Recording {
    let past = Past(Some(Arc::new(dir.to_owned())));
    let mut all = past.before(now);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn writer(dir: &Path) -> Writer {
    let mut writer = Writer::new(dir, put_open_away(dir).unwrap(), 1 << 20).unwrap();
    writer.start(1_000).unwrap();
    writer
}

#[test]
fn what_memory_has_pushed_out_is_read_back_from_the_files_of_this_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let (first, second) = (events(0, 2_000, 10), events(10, 3_000, 10));
    writer.write(&[recording(&[&first, &second])]).unwrap();
    assert_eq!(seen(&writer), 20);
    // The second one has grown; the first one is gone from memory.
    let second = events(10, 3_000, 15);
    let now = all(dir.path(), vec![recording(&[&second])]);
    assert_eq!(sequences(&now), (0..25).collect::<Vec<_>>());
    assert_eq!((now.overwritten, now.holes.len()), (0, 0));
}

#[test]
fn what_was_pushed_out_between_two_writes_is_named_as_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let first = events(0, 2_000, 10);
    writer.write(&[recording(&[&first])]).unwrap();
    // Entries 10 to 29 were in no chunk that is left, whether memory or a file says so.
    let third = events(30, 4_000, 5);
    for is_written in [false, true] {
        if is_written {
            writer.write(&[recording(&[&third])]).unwrap();
        }
        let now = all(dir.path(), vec![recording(&[&third])]);
        assert_eq!(now.holes, [(2_009, 4_000)]);
        assert_eq!(now.overwritten, 20);
    }
    // After a restart that is the same, and the end of the process leaves no other hole.
    writer.end().unwrap();
    let mut writer = self::writer(dir.path());
    writer.write(&[]).unwrap();
    let later = all(dir.path(), vec![recording(&[])]);
    assert_eq!(later.holes, [(2_009, 4_000)]);
    assert_eq!(sequences(&later).len(), 15);
}

#[test]
fn the_first_entries_of_a_process_may_be_missing_too() {
    let dir = tempfile::tempdir().unwrap();
    let _writer = writer(dir.path());
    let now = all(dir.path(), vec![recording(&[&events(7, 2_000, 5)])]);
    assert_eq!((now.holes, now.overwritten), (vec![(1_000, 2_000)], 7));
}

#[test]
fn what_is_missing_in_excess_is_counted_and_no_hole_for_all_others() {
    let dir = tempfile::tempdir().unwrap();
    let _writer = writer(dir.path());
    let excess = chunk(TapeName::Excess, 7, 2_000, 5);
    let now = all(dir.path(), vec![recording(&[&excess])]);
    assert_eq!((now.holes.len(), now.overwritten), (0, 7));
}

#[test]
fn an_idle_broker_writes_nothing_and_is_asked_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer
        .write(&[recording(&[&events(0, 2_000, 10)])])
        .unwrap();
    assert_eq!(seen(&writer), 10);
    let open = dir.path().join(OPEN);
    fs::remove_file(&open).unwrap();
    // Nothing new has come.
    writer.write(&[recording(&[])]).unwrap();
    assert!(!open.exists());
    // One tape has something, and the others stay in the file of what is open.
    let ledger = chunk(TapeName::Ledger, 0, 2_000, 3);
    writer.write(&[recording(&[&ledger])]).unwrap();
    writer.end().unwrap();
    let now = all_after_end(dir.path());
    assert_eq!(sequences(&now).len(), 10);
    assert_eq!(now.chunks.len(), 2);
}

/// What the next process finds.
fn all_after_end(dir: &Path) -> Recording {
    let _next = writer(dir);
    all(dir, vec![recording(&[])])
}

#[test]
fn what_was_open_at_the_end_stands_behind_the_end_and_is_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer
        .write(&[recording(&[&events(0, 2_000, 10)])])
        .unwrap();
    writer.end().unwrap();
    let later = all_after_end(dir.path());
    assert_eq!(sequences(&later).len(), 10);
    assert_eq!((later.holes.len(), later.overwritten), (0, 0));
}

#[test]
fn a_process_that_is_killed_leaves_a_hole_from_its_last_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer.write(&[recording(&[&events(0, 500, 10)])]).unwrap();
    drop(writer);
    let mut writer = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    writer.start(5_000).unwrap();
    let later = all(dir.path(), vec![recording(&[])]);
    assert_eq!(later.holes, [(1_000, 5_000)]);
}

#[test]
fn a_chunk_that_is_open_in_one_file_and_full_in_another_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer.write(&[recording(&[&events(0, 2_000, 5)])]).unwrap();
    let stale = fs::read(dir.path().join(OPEN)).unwrap();
    let (first, second) = (events(0, 2_000, 10), events(10, 3_000, 5));
    writer.write(&[recording(&[&first, &second])]).unwrap();
    // It was killed before the file of what is open had been replaced.
    fs::write(dir.path().join(OPEN), stale).unwrap();
    let later = all_after_end(dir.path());
    assert_eq!(sequences(&later), (0..10).collect::<Vec<_>>());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing_that_memory_still_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let (first, second) = (events(0, 2_000, 10), events(10, 3_000, 10));
    writer.write(&[recording(&[&first])]).unwrap();
    writer.fill_disk();
    let failed = writer.write(&[recording(&[&first, &second])]);
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    // It is asked for again, and again while nothing can be written.
    assert_eq!(seen(&writer), 0);
    // There is room again: it goes on behind the last whole frame.
    writer.write(&[recording(&[&first, &second])]).unwrap();
    assert_eq!(seen(&writer), 20);
    assert_eq!(numbers(dir.path()).unwrap(), [0]);
    writer.end().unwrap();
    let later = all_after_end(dir.path());
    assert_eq!(sequences(&later), (0..20).collect::<Vec<_>>());
    assert_eq!((later.holes.len(), later.overwritten), (0, 0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_stays_full_costs_none_of_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let (first, second) = (events(0, 2_000, 10), events(10, 3_000, 10));
    let third = events(20, 4_000, 10);
    writer.write(&[recording(&[&first, &second])]).unwrap();
    let before = fs::read(path_of(dir.path(), 0)).unwrap();
    for _ in 0..FILES_MAX + 1 {
        writer.fill_disk();
        assert!(writer.write(&[recording(&[&second, &third])]).is_err());
    }
    assert_eq!(numbers(dir.path()).unwrap(), [0]);
    assert_eq!(fs::read(path_of(dir.path(), 0)).unwrap(), before);
}

#[test]
fn what_is_put_away_while_it_is_read_is_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let (first, second) = (events(0, 2_000, 10), events(10, 3_000, 5));
    writer.write(&[recording(&[&first])]).unwrap();
    let mut is_written = false;
    let read = read_by(dir.path(), |path| {
        let bytes = fs::read(path);
        if !std::mem::replace(&mut is_written, true) {
            writer.write(&[recording(&[&first, &second])]).unwrap();
        }
        bytes
    });
    let (reading, is_cut) = read.unwrap();
    let all = joined(reading, is_cut, vec![recording(&[&second])]);
    assert_eq!(sequences(&all[0]), (0..15).collect::<Vec<_>>());
    assert_eq!((all[0].holes.len(), all[0].overwritten), (0, 0));
}

#[test]
fn a_directory_that_is_gone_is_an_error_and_written_again_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("recorder");
    fs::create_dir(&place).unwrap();
    let mut writer = writer(&place);
    fs::remove_dir_all(&place).unwrap();
    let only = recording(&[&events(0, 2_000, 10)]);
    assert!(writer.write(std::slice::from_ref(&only)).is_err());
    fs::create_dir(&place).unwrap();
    writer.write(&[only]).unwrap();
    assert!(place.join(OPEN).exists());
}

#[test]
fn all_files_together_stay_below_their_bound() {
    const BYTES_MAX: u64 = 64 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), 0, BYTES_MAX).unwrap();
    writer.start(1_000).unwrap();
    let mut largest = 0;
    for n in 0..500 {
        writer
            .write(&[recording(&[&events(n * 200, 2_000 + n * 300, 200)])])
            .unwrap();
        let files = fs::read_dir(dir.path()).unwrap();
        let bytes = files.map(|file| file.unwrap().metadata().unwrap().len());
        largest = largest.max(bytes.sum());
    }
    // The one that is open, and one frame that a file may be longer, come on top.
    let frame = 1_100;
    assert!(largest <= BYTES_MAX + 8 * frame + frame, "{largest}");
    assert!(largest > BYTES_MAX / 2, "{largest}");
    // The newest are left, without a hole, and it is known that there were others.
    let now = all(dir.path(), vec![recording(&[])]);
    let left = sequences(&now);
    assert_eq!(left.last(), Some(&(500 * 200 - 1)));
    assert!(left.first() > Some(&10_000));
    assert_eq!((now.holes.len(), now.overwritten), (0, 1));
}

#[test]
fn any_damage_to_a_file_costs_the_rest_of_it_at_most() {
    let chunk = frame(CHUNK, b"no chunk");
    let start = frame(START, &7_u64.to_be_bytes());
    let whole = [start, chunk, frame(END, &[])].concat();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let dir = tempfile::tempdir().unwrap();
        fs::write(path_of(dir.path(), 0), &bytes).unwrap();
        fs::write(path_of(dir.path(), 1), &whole[..at]).unwrap();
        assert_eq!(put_open_away(dir.path()).unwrap(), 2);
        let (reading, is_cut) = read(dir.path()).unwrap();
        assert!(!is_cut && reading.finish(is_cut).is_empty());
    }
}

#[test]
fn damage_in_the_middle_is_a_hole_between_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let chunks = [
        events(0, 2_000, 5),
        events(5, 3_000, 5),
        events(10, 4_000, 5),
    ];
    writer.write(&[recording(&chunks.each_ref())]).unwrap();
    writer.end().unwrap();
    let path = path_of(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    // A byte of the second chunk.
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let later = all_after_end(dir.path());
    assert_eq!(later.holes[0], (2_004, 4_000));
    assert_eq!((sequences(&later).len(), later.overwritten), (10, 5));
}

/// What somebody else has put there is neither read nor removed, and stands in the way of nothing.
#[test]
fn what_is_no_file_of_the_recorder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let names = [
        "1.rec",
        "+0000002.rec",
        "000000003.rec",
        "18446744073709551615.rec",
    ];
    for name in names {
        fs::write(place(name), b"something else").unwrap();
    }
    fs::create_dir(place("00000004.rec")).unwrap();
    for expected in [vec![5], vec![5, 6, 7]] {
        let mut writer = writer(dir.path());
        writer
            .write(&[recording(&[&events(0, 2_000, 10)])])
            .unwrap();
        writer.end().unwrap();
        assert_eq!(numbers(dir.path()).unwrap(), expected);
    }
    let now = all(dir.path(), vec![recording(&[])]);
    assert_eq!((sequences(&now).len(), now.holes), (20, vec![]));
    make_room(dir.path(), 8).unwrap();
    assert_eq!(numbers(dir.path()).unwrap(), [0_u64; 0]);
    assert!(names.iter().all(|name| place(name).exists()));
}

/// A loss of power may take the bytes of a file and leave its name, or leave zeros.
#[test]
fn a_process_whose_file_is_empty_is_a_hole_between_those_around_it() {
    let garbled: [&[u8]; 4] = [&[], &[0; 9], &[0; 4096], b"no frame of any kind"];
    for bytes in garbled {
        let dir = tempfile::tempdir().unwrap();
        let mut first = writer(dir.path());
        first.write(&[recording(&[&events(0, 2_000, 10)])]).unwrap();
        first.end().unwrap();
        let second = writer(dir.path());
        fs::write(path_of(dir.path(), second.number), bytes).unwrap();
        let mut third =
            Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
        third.start(9_000).unwrap();
        let now = all(dir.path(), vec![recording(&[&events(0, 9_000, 5)])]);
        assert_eq!(now.holes, [(2_009, 9_000)], "{bytes:?}");
        assert_eq!(sequences(&now).len(), 15);
    }
}

/// Its end is in the part that is lost, or there was none: nothing else tells that it was killed.
#[test]
fn a_killed_process_whose_beginning_cannot_be_read_leaves_a_hole_up_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = writer(dir.path());
    first.write(&[recording(&[&events(0, 2_000, 10)])]).unwrap();
    first.end().unwrap();
    let mut second = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    second.start(3_000).unwrap();
    second
        .write(&[recording(&[&chunk(TapeName::Ledger, 0, 3_500, 10)])])
        .unwrap();
    fs::write(path_of(dir.path(), second.number), b"").unwrap();
    let mut third = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    third.start(9_000).unwrap();
    let now = all(dir.path(), vec![recording(&[&events(0, 9_000, 5)])]);
    assert!(now.holes.contains(&(2_009, 3_500)), "{:?}", now.holes);
    assert!(now.holes.contains(&(3_509, 9_000)), "{:?}", now.holes);
}

/// By the clock of the one that was killed it went on for a while.
#[test]
fn a_clock_that_was_set_back_hides_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = writer(dir.path());
    first
        .write(&[recording(&[&events(0, 500_000, 10)])])
        .unwrap();
    drop(first);
    let mut second = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    second.start(400_000).unwrap();
    let now = all(dir.path(), vec![recording(&[&events(0, 400_000, 5)])]);
    assert_eq!(now.holes, [(400_000, 400_000), (400_000, 530_009)]);
    assert_eq!(sequences(&now).len(), 15);
}

/// One file that cannot be read costs what is in it, and is no reason to show nothing.
#[test]
fn a_file_that_cannot_be_read_is_a_hole_between_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), 0, 8 * 100).unwrap();
    writer.start(1_000).unwrap();
    let chunks: Vec<_> = (0..5)
        .map(|n| events(n * 40, 2_000 + n * 100, 40))
        .collect();
    writer
        .write(&[recording(&chunks.iter().collect::<Vec<_>>())])
        .unwrap();
    let numbers = numbers(dir.path()).unwrap();
    let (reading, _) = read_by(dir.path(), |path| {
        if *path == path_of(dir.path(), numbers[1]) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        fs::read(path)
    })
    .unwrap();
    let all = reading.finish(false);
    let left = sequences(&all[&SHARD]);
    assert!(!left.is_empty() && left.len() < 200);
    assert!(!all[&SHARD].holes.is_empty());
}

/// The bytes of `docs/recorder-format.md`, version 1. The file stays as it is; a new version gets a new
/// one beside it.
#[test]
fn files_of_version_1_can_be_read() {
    let hex = include_str!("golden/version-1.hex");
    let lines = hex.lines().filter(|line| !line.starts_with('#'));
    let digits: String = lines.flat_map(|line| line.split_whitespace()).collect();
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let dir = tempfile::tempdir().unwrap();
    fs::write(path_of(dir.path(), 0), &bytes).unwrap();
    let (reading, is_cut) = read(dir.path()).unwrap();
    let all = reading.finish(is_cut);
    let recording = &all[&3];
    assert_eq!(recording.holes, [(1_700_000_000_900, 1_700_000_100_000)]);
    let mut told = String::new();
    for chunk in &recording.chunks {
        for line in chunk.entries() {
            match line.unwrap() {
                Line::Entry(entry) => told.push_str(&format!("{:?} {entry:?}\n", chunk.tape())),
                Line::Gap { unix_ms, left_out } => {
                    told.push_str(&format!("{:?} gap {unix_ms} {left_out}\n", chunk.tape()));
                }
            }
        }
        // What is read is written again byte by byte.
        let mut body = Vec::new();
        chunk.write(&mut body);
        let whole = frame(CHUNK, &body);
        assert!(bytes.windows(whole.len()).any(|part| part == whole));
    }
    assert_eq!(told, include_str!("golden/version-1.txt"));
}

/// What a process without a recorder saw is missing, and nothing else: the end of the one before is whole.
#[test]
fn a_process_without_a_recorder_is_a_hole_that_says_so() {
    let off = |from_ms, to_ms| Recording {
        off: vec![(from_ms, to_ms)],
        holes: vec![(from_ms, to_ms)],
        ..recording(&[])
    };
    let dir = tempfile::tempdir().unwrap();
    // Nothing is there that another process would go on with.
    note_none_at(dir.path(), 500).unwrap();
    assert_eq!(numbers(dir.path()).unwrap(), [0_u64; 0]);
    let mut first = writer(dir.path());
    first.write(&[recording(&[&events(0, 2_000, 10)])]).unwrap();
    first.end().unwrap();
    // It keeps files, and records nothing from its beginning on; who asks meanwhile is told.
    let mut second = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    second.start(3_000).unwrap();
    let now = all(dir.path(), vec![off(0, 3_500)]);
    assert_eq!(
        (now.holes, now.off),
        (vec![(3_000, 3_500)], vec![(3_000, 3_500)])
    );
    second.write(&[off(0, 3_800)]).unwrap();
    second.write(&[off(0, 4_000)]).unwrap();
    second.end().unwrap();
    let later = all(dir.path(), vec![recording(&[])]);
    assert_eq!(
        (later.holes, later.off),
        (vec![(3_000, 4_000)], vec![(3_000, 4_000)])
    );
    // These keep no files at all: from the first of them on, until the next one that does.
    for unix_ms in [5_000, 6_000] {
        note_none_at(dir.path(), unix_ms).unwrap();
    }
    let mut last = Writer::new(dir.path(), put_open_away(dir.path()).unwrap(), 1 << 20).unwrap();
    last.start(7_000).unwrap();
    last.end().unwrap();
    let later = all(dir.path(), vec![recording(&[])]);
    assert_eq!(later.off, [(3_000, 4_000), (5_000, 7_000)]);
    assert_eq!(later.holes, later.off);
    assert_eq!(sequences(&later).len(), 10);
}
