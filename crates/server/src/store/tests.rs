//! Stores that are fine, damaged, foreign, or not to be had.

use std::sync::Arc;

use columba_broker::recovery::ExpiredCounts;
use columba_store::{Faults, Name, SimDisk};
use rustix::io::Errno;

use super::*;

/// Nobody wants it stopped.
static GO_ON: AtomicBool = AtomicBool::new(false);

fn now() -> Now {
    Now {
        mono_ms: 5,
        unix_ms: 1_700_000_000_000,
    }
}

fn on(disk: &SimDisk, is_synced: bool) -> StoreConfig {
    StoreConfig {
        files: Box::new(disk.clone()),
        place: "data".to_owned(),
        is_synced,
    }
}

/// A store with records that no broker has written.
fn foreign(records: &[&[u8]]) -> SimDisk {
    let disk = SimDisk::new(1);
    let (mut log, _) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
    for record in records {
        let mut batch = Batch::new();
        batch.append(record);
        log.commit([&batch]).unwrap();
    }
    drop(log);
    disk.restart_process();
    disk
}

#[test]
fn a_store_that_is_new_has_nothing_and_lost_nothing() {
    let disk = SimDisk::new(1);
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    let ready = ready.finish(3, 42, now(), &GO_ON).unwrap();
    assert_eq!(ready.seed, 42);
    assert_eq!(ready.shards.len(), 3);
    let mut report = ready.report;
    assert_eq!((report.records, report.damage.len()), (0, 0));
    report.took = Duration::from_millis(1234);
    assert_eq!(
        report.to_string(),
        "recovered 0 sessions, 0 queued, 0 retained in 1.234 s; 0 acknowledged messages lost"
    );
    report.counts.expired = ExpiredCounts {
        sessions: 1,
        queued: 2,
        retained: 0,
    };
    assert_eq!(
        report.to_string(),
        "recovered 0 sessions, 0 queued, 0 retained in 1.234 s; 1 session, 2 queued, 0 retained had \
         expired meanwhile; 0 acknowledged messages lost"
    );
    report.counts.expired = ExpiredCounts::default();
    report.is_synced = false;
    (report.counts.sessions, report.counts.unusable) = (1, 1);
    assert_eq!(
        report.to_string(),
        "recovered 1 session, 0 queued, 0 retained in 1.234 s; nothing is damaged; 1 record means \
         nothing to this version"
    );
    (report.counts.sessions, report.counts.unusable) = (0, 3);
    assert_eq!(
        report.to_string(),
        "recovered 0 sessions, 0 queued, 0 retained in 1.234 s; nothing is damaged; 3 records mean \
         nothing to this version"
    );
}

#[test]
fn records_that_mean_nothing_are_left_alone() {
    // More than are read in one go.
    let records = vec![&b"\xffwhat is this"[..]; REPLAY_RECORDS + 10];
    let disk = foreign(&records);
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    let ready = ready.finish(2, 42, now(), &GO_ON).unwrap();
    assert_eq!(ready.report.records, records.len() as u64);
    let log = ready.log;
    assert!((0..records.len()).all(|at| log.is_live(Position::new(at as u64))));
}

#[test]
fn what_is_damaged_is_told_in_the_report() {
    let disk = foreign(&[b"one record", b"another record"]);
    damage(&disk, b"one");
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    let report = ready.finish(1, 42, now(), &GO_ON).unwrap().report;
    assert_eq!((report.records, report.damage.len()), (1, 1));
    let text = report.to_string();
    assert!(
        text.contains("1 place is damaged, what it held is lost: see the log"),
        "{text}"
    );
}

/// Changes a byte of the only record with these bytes.
/// `columba store check` finds it damaged, so a start does not say that nothing is.
#[test]
fn damage_that_costs_nothing_is_told_and_is_no_loss() {
    let disk = foreign(&[b"one record", b"another record"]);
    disk.damage(Name::Segment(1), |bytes| bytes[20] ^= 1);
    for is_synced in [true, false] {
        let ready = Reading::new(on(&disk, is_synced), 7, now(), &GO_ON).unwrap();
        let mut report = ready.finish(1, 42, now(), &GO_ON).unwrap().report;
        let losses: Vec<Loss> = report.damage.iter().map(|of| of.loss.clone()).collect();
        assert_eq!(losses, [Loss::Header]);
        let told = "1 place is damaged that held nothing needed: see the log";
        let wanted = if is_synced {
            format!("; 0 acknowledged messages lost; {told}")
        } else {
            format!(" s; {told}")
        };
        let text = report.recovered_text().to_string(Language::English);
        assert!(text.ends_with(&wanted), "{text}");
        // It explains no message that did not arrive.
        assert_eq!(report.notes().damage, [""; 0]);
        let lost = Damage {
            loss: Loss::Record(Position::new(1)),
            ..report.damage[0].clone()
        };
        report.damage.push(lost);
        let text = report.recovered_text().to_string(Language::English);
        let wanted = format!("; 1 place is damaged, what it held is lost: see the log; {told}");
        assert!(text.ends_with(&wanted), "{text}");
        assert_eq!(report.notes().damage.len(), 1);
    }
}

/// One, as a start finds it.
fn lost_session() -> LostSession {
    let disk = foreign(&OF_A_SESSION);
    damage(&disk, b"the session");
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    let mut lost = ready.finish(1, 42, now(), &GO_ON).unwrap().report.lost;
    lost.remove(0)
}

#[test]
fn of_a_lost_session_so_many_filters_are_named_and_all_are_counted() {
    let mut lost = lost_session();
    let mut told = |count: usize| {
        lost.subscriptions = (0..count).map(|n| format!("f/{n:02}")).collect();
        of_lost(&lost).to_string(Language::English)
    };
    let all = told(16);
    assert!(all.contains("subscriptions: 16 (f/00, f/01, "), "{all}");
    assert!(all.ends_with(", f/15), messages: 1"), "{all}");
    let some = told(17);
    assert!(some.contains("subscriptions: 17 (f/00, f/01, "), "{some}");
    assert!(some.ends_with(", f/15, ...), messages: 1"), "{some}");
    assert!(told(0).ends_with("subscriptions: 0, messages: 1"));
}

/// A disk that is worn out may have a place in every record: the recorder has room for other things.
#[test]
fn the_record_is_told_of_so_many_places_and_sessions_and_no_more() {
    let damage = |position| Damage {
        file: Name::Segment(1),
        offset: position,
        bytes: 1,
        loss: Loss::Record(Position::new(position)),
    };
    let one = lost_session();
    let lost = |number| {
        let mut lost = one.clone();
        lost.number = number;
        lost
    };
    for (count, wanted) in [(DAMAGE_NOTED_MAX, 100), (DAMAGE_NOTED_MAX + 1, 100)] {
        let report = BootReport {
            damage: (0..count as u64).map(damage).collect(),
            lost: (0..count as u64).map(lost).collect(),
            ..BootReport::default()
        };
        let told = report.notes().damage;
        let is_place = |text: &&String| text.contains("is damaged at offset");
        assert_eq!(told.iter().filter(is_place).count(), wanted);
        // Neither takes the room of the other.
        let is_session = |text: &&String| text.starts_with("the record of session");
        assert_eq!(told.iter().filter(is_session).count(), wanted);
        assert!(told[wanted - 1].contains("position 99"), "{told:?}");
        // What is told in one line has all of them.
        let text = report.to_string();
        assert!(
            text.contains(&format!("; {count} places are damaged")),
            "{text}"
        );
        assert!(
            text.contains(&format!("; {count} sessions have lost")),
            "{text}"
        );
    }
}

fn damage(disk: &SimDisk, text: &[u8]) {
    disk.damage(Name::Segment(1), |bytes| {
        let at = bytes.windows(text.len()).position(|part| part == text);
        bytes[at.unwrap()] ^= 1;
    });
}

/// The records of session 2, which is subscribed to h/#, and a message that waits in it.
const OF_A_SESSION: [&[u8]; 3] = [
    b"\x02the session",
    b"\x03\x02\x03h/#\x01\x00\x00",
    b"\x04\x01publishr\x03h/1\x00\x01x\x01\x01\x02\x00",
];

#[test]
fn what_a_session_without_its_record_had_is_told_and_kept_until_it_is_discarded() {
    let disk = foreign(&OF_A_SESSION);
    damage(&disk, b"the session");
    for _ in 0..2 {
        let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
        let ready = ready.finish(2, 42, now(), &GO_ON).unwrap();
        let lost = &ready.report.lost[..];
        assert_eq!((lost.len(), lost[0].number, lost[0].messages), (1, 2, 1));
        assert!(lost[0].subscriptions.iter().eq(["h/#"]));
        let text = ready.report.to_string();
        let told = "; 1 session has lost its record, the rest of it is kept: see the log";
        assert!(
            text.contains("1 place is damaged") && text.ends_with(told),
            "{text}"
        );
        let notes = ready.report.notes();
        let recovered = &notes.recovered;
        assert!(recovered.ends_with("is lost: see the log"), "{recovered}");
        let told = [
            "00000001.log is damaged at offset 120 (32 bytes): the record at position 0",
            "the record of session 2 is lost; kept until `columba store discard`: subscriptions: 1, \
             messages: 1",
        ];
        assert_eq!(notes.damage, told);
        assert!((1..3).all(|at| ready.log.is_live(Position::new(at))));
        drop(ready);
        disk.restart_process();
    }
    let (mut log, found) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
    let lost = discard_lost(&mut log, &found.damage, now()).unwrap();
    assert_eq!((lost.len(), lost[0].messages), (1, 1));
    assert_eq!(discard_lost(&mut log, &found.damage, now()).unwrap(), []);
    // The seed is left.
    assert_eq!(log.stats().records, 1);
}

/// A full disk has no room even for what is left over of a session that has ended: the start leaves that
/// to a shard, since acknowledgements make room where a broker runs.
#[test]
fn a_start_on_a_full_disk_needs_no_room() {
    let disk = foreign(&[b"\x01the seed", OF_A_SESSION[1], OF_A_SESSION[2]]);
    disk.set_faults(Faults {
        capacity: Some(0),
        ..Faults::default()
    });
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    let ready = ready.finish(1, 42, now(), &GO_ON).unwrap();
    assert!((0..3).all(|at| ready.log.is_live(Position::new(at))));
    let first = format!("{:?}", ready.shards[0]);
    assert!(first.contains("releases: [1, 2]"), "{first}");
}

/// Damage of after the last start is nobody's to discard yet.
#[test]
fn what_no_start_has_told_is_not_discarded() {
    let disk = foreign(&OF_A_SESSION);
    damage(&disk, b"the session");
    let (mut log, found) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
    assert_eq!(discard_lost(&mut log, &found.damage, now()).unwrap(), []);
    assert_eq!(log.stats().records, 2);
}

#[test]
fn why_a_store_cannot_be_used_comes_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = StoreConfig::in_directory(&file, true).unwrap_err();
    let place = file.display();
    assert!(
        error.to_string().starts_with(&format!(
            "the store in {place}: the directory cannot be used: "
        )),
        "{error}"
    );
    let fix = |error: &StoreError| error.fix().unwrap().to_string(Language::English);
    assert_eq!(
        fix(&error),
        format!("{place} is a file: move it away, or set [store] directory")
    );

    let disk = foreign(&[b"one record"]);
    disk.damage(Name::Segment(1), |bytes| {
        bytes[8] = 9;
        let sum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&sum);
    });
    let Err(error) = Reading::new(on(&disk, true), 7, now(), &GO_ON) else {
        panic!("a newer version was read");
    };
    assert_eq!(
        error.to_string(),
        "the store in data: 00000001.log has format version 9, and this program reads up to 1"
    );
    assert!(fix(&error).contains("a newer Columba wrote it"));

    let check = |kind: io::ErrorKind, expected: &str| {
        let fix = fix(&StoreError::of_directory("data", kind.into()));
        assert!(fix.contains(expected), "{fix}");
    };
    check(io::ErrorKind::PermissionDenied, "chown -R USER data");
    check(
        io::ErrorKind::ReadOnlyFilesystem,
        "the file system is read only",
    );
    check(io::ErrorKind::StorageFull, "make room");
    check(io::ErrorKind::Other, "restore a backup");
}

#[test]
fn a_directory_that_cannot_be_locked_comes_with_what_to_do_about_the_cause() {
    let check = |errno: Errno, sentence: &str, expected: &str| {
        let directory = "data".to_owned();
        let source = Arc::new(io::Error::from(errno));
        let error = Error::Locked(LockError::Failed { directory, source });
        let error = StoreError::new("data", error);
        let text = error.text().to_string(Language::English);
        assert!(
            text.contains(&format!("cannot lock data: {sentence}")),
            "{text}"
        );
        let fix = error.fix().unwrap().to_string(Language::English);
        assert!(fix.contains(expected), "{errno}: {fix}");
        assert_eq!(
            fix.contains("chown"),
            errno == Errno::ACCESS || errno == Errno::PERM
        );
    };
    check(Errno::ACCESS, "Permission denied", "chmod -R u+rwX data");
    check(Errno::PERM, "Operation not permitted", "chown -R USER data");
    check(
        Errno::ROFS,
        "Read-only file system",
        "the file system is read only",
    );
    check(Errno::NOSPC, "No space left", "make room on the disk");
    check(
        Errno::FBIG,
        "File too large",
        "raise the limit of file sizes",
    );
    check(Errno::DQUOT, "", "make room on the disk");
    check(Errno::MFILE, "", "raise the limit of open files");
    check(Errno::NFILE, "", "raise the limit of open files");
    check(Errno::NOLCK, "", "no locks");
    check(Errno::OPNOTSUPP, "", "no locks");
    check(Errno::IO, "", "see the kernel's log");
}

#[test]
fn reading_ends_when_it_is_to_be_stopped() {
    let disk = foreign(&[b"one record"]);
    let stop = AtomicBool::new(true);
    let Err(error) = Reading::new(on(&disk, true), 7, now(), &stop) else {
        panic!("it went on");
    };
    assert!(error.is_stopped(), "{error}");
    let ready = Reading::new(on(&disk, true), 7, now(), &GO_ON).unwrap();
    assert_eq!(ready.report.records, 1);
}
