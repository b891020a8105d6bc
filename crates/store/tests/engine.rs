//! The engine on its thread: who hears what, what waits, and what one sync is for.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

mod model;

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use columba_store::{
    Batch, Engine, Error, Faults, Files, Handle, Inline, Limits, LockError, Log, Name, Port,
    Position, Report, SimDisk, Ticket,
};
use model::{content, open, small_options};

fn record(text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.append(text.as_bytes());
    batch
}

/// A handle whose reports can be waited for.
struct User {
    handle: Handle,
    woken: Receiver<()>,
    reports: Vec<Report>,
}

impl User {
    fn new<F: Files + 'static>(engine: &Engine<F>) -> Self {
        let (wake, woken) = channel();
        Self {
            handle: engine.handle(move || {
                let _ = wake.send(());
            }),
            woken,
            reports: Vec::new(),
        }
    }

    fn reports(&mut self, count: usize) -> Vec<Report> {
        while self.reports.len() < count {
            self.woken.recv().unwrap();
            self.handle.take_reports(&mut self.reports);
        }
        std::mem::take(&mut self.reports)
    }
}

fn durable(report: &Report) -> (u64, u64) {
    match report {
        Report::Durable { ticket, first } => (ticket.0, first.value()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_user_hears_of_its_own_batches_in_order() {
    let disk = SimDisk::new(1);
    let engine = Engine::start(open(&disk).unwrap().0, Limits::default()).unwrap();
    let (mut first, mut second) = (User::new(&engine), User::new(&engine));
    for n in 0..50 {
        first.handle.submit(Ticket(n), record("first")).unwrap();
        second
            .handle
            .submit(Ticket(100 + n), record("second"))
            .unwrap();
    }
    let of_first: Vec<_> = first.reports(50).iter().map(durable).collect();
    let of_second: Vec<_> = second.reports(50).iter().map(durable).collect();
    assert!(of_first.iter().map(|(t, _)| *t).eq(0..50));
    assert!(of_second.iter().map(|(t, _)| *t).eq(100..150));
    assert!(of_first.is_sorted_by_key(|(_, p)| *p));
    let position = Position::new(of_second[7].1);
    first
        .handle
        .fetch(Ticket(9), &[position, Position::new(999)]);
    let fetched = first.reports(2);
    let Report::Fetched {
        ticket: Ticket(9),
        record: Ok(bytes),
        ..
    } = &fetched[0]
    else {
        panic!("{fetched:?}");
    };
    assert_eq!(bytes, b"second");
    let Report::Fetched {
        record: Err(Error::NotLive(_)),
        ..
    } = &fetched[1]
    else {
        panic!("{fetched:?}");
    };
    assert_eq!(content(&mut engine.close().unwrap()).len(), 100);
}

/// A disk whose syncs begin and end when the test says so.
struct Gated {
    disk: SimDisk,
    began: Sender<()>,
    go_on: Receiver<()>,
    is_gated: bool,
}

impl Files for Gated {
    fn sync_data(&mut self, name: Name) -> io::Result<()> {
        if self.is_gated {
            self.began.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        self.disk.sync_data(name)
    }
    fn lock(&mut self) -> Result<(), LockError> {
        self.disk.lock()
    }
    fn list(&mut self) -> io::Result<Vec<Name>> {
        let names = self.disk.list();
        // The log is being opened: what is synced from here on is for the test.
        self.is_gated = matches!(&names, Ok(names) if !names.is_empty());
        names
    }
    fn create(&mut self, name: Name) -> io::Result<()> {
        self.disk.create(name)
    }
    fn allocate(&mut self, name: Name, bytes: u64) -> io::Result<()> {
        // Only segments are gated: the mark has been synced before the first of them is made.
        self.is_gated |= name == Name::Spare;
        self.disk.allocate(name, bytes)
    }
    fn length(&mut self, name: Name) -> io::Result<u64> {
        self.disk.length(name)
    }
    fn read_at(&mut self, name: Name, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(name, offset, buffer)
    }
    fn write_at(&mut self, name: Name, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(name, offset, bytes)
    }
    fn truncate(&mut self, name: Name, length: u64) -> io::Result<()> {
        self.disk.truncate(name, length)
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn rename(&mut self, from: Name, to: Name) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.disk.remove(name)
    }
}

fn gated(limits: Limits) -> (Engine<Gated>, SimDisk, Receiver<()>, Sender<()>) {
    let disk = SimDisk::new(1);
    let (began, has_begun) = channel();
    let (let_go, go_on) = channel();
    let files = Gated {
        disk: disk.clone(),
        began,
        go_on,
        is_gated: false,
    };
    let (log, _) = Log::open(files, small_options(1), &mut |_| ()).unwrap();
    (Engine::start(log, limits).unwrap(), disk, has_begun, let_go)
}

#[test]
fn what_arrives_during_a_sync_shares_the_next_one() {
    let (engine, disk, began, let_go) = gated(Limits::default());
    let (mut first, mut second) = (User::new(&engine), User::new(&engine));
    let syncs = disk.syncs();
    first.handle.submit(Ticket(0), record("alone")).unwrap();
    // Nobody waits for company: the sync of the first begins at once.
    began.recv().unwrap();
    for n in 1..=10 {
        first.handle.submit(Ticket(n), record("first")).unwrap();
        second.handle.submit(Ticket(n), record("second")).unwrap();
    }
    first.handle.take_reports(&mut first.reports);
    assert!(first.reports.is_empty());
    let_go.send(()).unwrap();
    assert_eq!(durable(&first.reports(1)[0]), (0, 0));
    began.recv().unwrap();
    let_go.send(()).unwrap();
    first.reports(10);
    second.reports(10);
    assert_eq!(disk.syncs() - syncs, 2);
}

#[test]
fn a_queue_that_is_full_gives_the_batch_back() {
    let limits = Limits {
        waiting_bytes_max: 8,
        waiting_batches_max: 3,
    };
    let (engine, _disk, began, let_go) = gated(limits);
    let mut user = User::new(&engine);
    user.handle.submit(Ticket(0), record("")).unwrap();
    began.recv().unwrap();
    for n in 1..4 {
        user.handle.submit(Ticket(n), record("")).unwrap();
    }
    assert_eq!(user.handle.submit(Ticket(4), record("")), Err(record("")));
    let_go.send(()).unwrap();
    began.recv().unwrap();
    user.handle.submit(Ticket(5), record("12345678")).unwrap();
    assert_eq!(user.handle.submit(Ticket(6), record("")), Err(record("")));
    let_go.send(()).unwrap();
    began.recv().unwrap();
    let_go.send(()).unwrap();
    assert_eq!(user.reports(5).len(), 5);
}

#[test]
fn after_a_failed_sync_every_batch_is_refused_with_the_reason() {
    let disk = SimDisk::new(1);
    let (log, _) = open(&disk).unwrap();
    disk.set_faults(Faults {
        fail_sync_at: Some(disk.syncs()),
        ..Faults::default()
    });
    let engine = Engine::start(log, Limits::default()).unwrap();
    let mut user = User::new(&engine);
    for n in 0..3 {
        user.handle.submit(Ticket(n), record("x")).unwrap();
        let Report::Refused { ticket, error, .. } = user.reports(1).remove(0) else {
            panic!("acknowledged");
        };
        assert_eq!(ticket, Ticket(n));
        assert_eq!(
            error.to_string(),
            "the store stopped after a failure: syncing 00000001.log: input/output error"
        );
    }
}

#[test]
fn an_idle_engine_reclaims_space_by_itself() {
    let disk = SimDisk::new(1);
    let engine = Engine::start(open(&disk).unwrap().0, Limits::default()).unwrap();
    let mut user = User::new(&engine);
    for n in 0..200 {
        let batch = record(&"x".repeat(300));
        user.handle.submit(Ticket(n), batch).unwrap();
    }
    user.reports(200);
    let before = disk.names().len();
    let mut batch = Batch::new();
    for position in (0..200).filter(|n| n % 20 != 0) {
        batch.release(Position::new(position));
    }
    user.handle.submit(Ticket(200), batch).unwrap();
    user.reports(1);
    let mut log = engine.close().unwrap();
    // What the thread had not come to is done here.
    while log.is_work_due() {
        log.commit([]).unwrap();
    }
    assert!(log.stats().disk_bytes <= 2 * log.stats().live_bytes + 4 * 4096);
    assert!(disk.names().len() < before);
    assert_eq!(content(&mut log).len(), 10);
}

#[test]
fn a_batch_is_refused_if_it_is_too_large_and_the_others_are_taken() {
    let disk = SimDisk::new(1);
    let mut options = small_options(1);
    options.batch_bytes_max = 1000;
    let (log, _) = Log::open(disk.clone(), options, &mut |_| ()).unwrap();
    let mut port = Inline::new(log, 3);
    port.submit(Ticket(1), record("small")).unwrap();
    port.submit(Ticket(2), record(&"large".repeat(200)))
        .unwrap();
    port.submit(Ticket(3), record("also small")).unwrap();
    assert!(port.submit(Ticket(4), record("one too many")).is_err());
    port.work();
    let mut reports = Vec::new();
    port.take_reports(&mut reports);
    assert_eq!(durable(&reports[0]), (1, 0));
    assert!(matches!(
        reports[1],
        Report::Refused {
            ticket: Ticket(2),
            error: Error::TooLarge {
                size: 1020,
                limit: 1000
            },
            ..
        }
    ));
    assert_eq!(durable(&reports[2]), (3, 1));
    assert_eq!(content(&mut port_log(port)).len(), 2);
}

fn port_log(port: Inline<SimDisk>) -> Log<SimDisk> {
    port.into_log()
}

#[test]
fn what_comes_behind_a_batch_that_found_no_room_is_refused_until_its_user_knows() {
    let disk = SimDisk::new(1);
    let (log, _) = open(&disk).unwrap();
    let mut port = Inline::new(log, 100);
    port.submit(Ticket(1), record("kept")).unwrap();
    port.work();
    let mut reports = Vec::new();
    port.take_reports(&mut reports);
    assert_eq!(durable(&reports.remove(0)), (1, 0));
    disk.set_faults(Faults {
        capacity: Some(16_000),
        ..Faults::default()
    });
    let large = "x".repeat(20_000);
    port.submit(Ticket(2), record(&large)).unwrap();
    // Would fit, in a group of its own as well.
    port.submit(Ticket(3), record("later")).unwrap();
    port.work();
    port.submit(Ticket(4), record("later still")).unwrap();
    let mut release = Batch::new();
    release.release(Position::new(0));
    port.submit(Ticket(5), release).unwrap();
    port.work();
    port.take_reports(&mut reports);
    for (report, wanted) in reports.iter().zip([2, 3, 4]) {
        let Report::Refused { ticket, error, .. } = report else {
            panic!("{report:?}");
        };
        assert_eq!(ticket.0, wanted);
        assert!(matches!(error, Error::Full { .. }), "{error}");
    }
    assert!(matches!(
        reports[3],
        Report::Durable {
            ticket: Ticket(5),
            ..
        }
    ));
    // It knows now, and hands over again what was given back.
    disk.set_faults(Faults::default());
    for report in reports.drain(..3) {
        let Report::Refused { ticket, batch, .. } = report else {
            panic!("{report:?}");
        };
        port.submit(ticket, batch).unwrap();
    }
    reports.clear();
    port.work();
    port.take_reports(&mut reports);
    let positions: Vec<_> = reports.iter().map(durable).collect();
    assert_eq!(positions, [(2, 1), (3, 2), (4, 3)]);
    let there = content(&mut port_log(port));
    assert_eq!(there.len(), 3);
    assert_eq!(there[0].1, large.as_bytes());
}
