//! Between the write and the sync of a commit: what is told, and what it is worth.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use columba_store::{
    Batch, Engine, Faults, Inline, Limits, Port, Position, Report, SimDisk, Ticket,
};
use model::{content, open};

fn asking(record: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.append(record);
    batch.tell_written();
    batch
}

/// Commits `a`, then ends when `b` was told to be written, before it is synced.
fn end_between_write_and_sync(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    let (mut log, _) = open(&disk).unwrap();
    let done = log.commit([&asking(b"a")]).unwrap();
    assert!(done.batches[0].is_ok());
    let mut told = Vec::new();
    let failed = log.commit_telling([&asking(b"b")], &mut |at| {
        told.push(at);
        disk.set_faults(Faults {
            crash_at: Some(disk.operations()),
            ..Faults::default()
        });
    });
    assert!(failed.is_err());
    assert_eq!(told, [0]);
    disk
}

fn records(disk: &SimDisk) -> Vec<Vec<u8>> {
    let (mut log, found) = open(disk).unwrap();
    assert_eq!(found.damage, []);
    let content = content(&mut log).into_iter();
    content.map(|(_, record)| record).collect()
}

#[test]
fn what_is_written_outlives_the_process() {
    for seed in 0..200 {
        let disk = end_between_write_and_sync(seed);
        disk.restart_process();
        assert_eq!(records(&disk), [b"a", b"b"]);
    }
}

#[test]
fn what_is_written_may_be_lost_with_the_power_and_what_is_durable_not() {
    let mut lost = 0;
    for seed in 0..200 {
        let disk = end_between_write_and_sync(seed);
        disk.restart();
        let there = records(&disk);
        assert_eq!(there[0], b"a");
        lost += usize::from(there.len() == 1);
    }
    assert!((1..200).contains(&lost), "{lost}");
}

#[test]
fn only_who_asks_is_told_and_before_the_batch_is_durable() {
    let disk = SimDisk::new(1);
    let mut port = Inline::new(open(&disk).unwrap().0, 100);
    let mut silent = Batch::new();
    silent.append(b"silent");
    port.submit(Ticket(1), silent).unwrap();
    port.submit(Ticket(2), asking(b"asks")).unwrap();
    port.work();
    let mut reports = Vec::new();
    port.take_reports(&mut reports);
    assert!(
        matches!(
            reports[..],
            [
                Report::Written { ticket: Ticket(2) },
                Report::Durable {
                    ticket: Ticket(1),
                    ..
                },
                Report::Durable {
                    ticket: Ticket(2),
                    ..
                },
            ]
        ),
        "{reports:?}"
    );
}

#[test]
fn a_release_that_passes_what_found_no_room_is_not_told_to_be_written() {
    let disk = SimDisk::new(1);
    let mut port = Inline::new(open(&disk).unwrap().0, 100);
    port.submit(Ticket(1), asking(b"kept")).unwrap();
    port.work();
    disk.set_faults(Faults {
        capacity: Some(16_000),
        ..Faults::default()
    });
    let release = || {
        let mut release = Batch::new();
        release.release(Position::new(0));
        release.tell_written();
        release
    };
    port.submit(Ticket(2), asking(&[b'x'; 20_000])).unwrap();
    // In one commit with what is refused, and in one after it.
    port.submit(Ticket(3), release()).unwrap();
    port.work();
    port.submit(Ticket(4), release()).unwrap();
    port.work();
    let mut reports = Vec::new();
    port.take_reports(&mut reports);
    let written: Vec<u64> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Written { ticket } => Some(ticket.0),
            _ => None,
        })
        .collect();
    assert_eq!(written, [1]);
    assert!(matches!(
        reports.last(),
        Some(Report::Durable {
            ticket: Ticket(4),
            ..
        })
    ));
}

#[test]
fn the_engine_tells_on_its_thread() {
    let disk = SimDisk::new(1);
    let engine = Engine::start(open(&disk).unwrap().0, Limits::default()).unwrap();
    let (wake, woken) = std::sync::mpsc::channel();
    let mut handle = engine.handle(move || {
        let _ = wake.send(());
    });
    handle.submit(Ticket(7), asking(b"x")).unwrap();
    let mut reports = Vec::new();
    while reports.len() < 2 {
        woken.recv().unwrap();
        handle.take_reports(&mut reports);
    }
    assert!(matches!(reports[0], Report::Written { ticket: Ticket(7) }));
    assert!(matches!(
        reports[1],
        Report::Durable {
            ticket: Ticket(7),
            ..
        }
    ));
}
