//! A shard's store in front of a disk that fills up, fails and falls behind.

use columba_store::{Faults, Inline, Log, Options, Position, SimDisk};

use super::*;

struct Bed {
    disk: SimDisk,
    storing: Storing<Inline<SimDisk>>,
    now_ms: u64,
    ticket: u64,
}

impl Bed {
    fn new(queue_max: usize) -> Self {
        let disk = SimDisk::new(1);
        let mut options = Options::new(1);
        options.segment_bytes = 4096;
        let (log, _) = Log::open(disk.clone(), options, &mut |_| ()).unwrap();
        let port = Inline::new(log, queue_max);
        let alarm = Arc::new(Alarm::new("data".to_owned()));
        Self {
            disk,
            storing: Storing::new(port, alarm),
            now_ms: 1000,
            ticket: 0,
        }
    }

    fn keep(&mut self, records: &[&[u8]], releases: &[u64]) -> u64 {
        self.ticket += 1;
        let mut kept = Records {
            ticket: self.ticket,
            releases: releases.to_vec(),
            ..Records::default()
        };
        for record in records {
            kept.bytes.extend_from_slice(record);
            kept.ends.push(kept.bytes.len());
        }
        self.storing.keep(kept);
        self.ticket
    }

    /// Lets the disk work, and says what the core hears.
    fn work(&mut self) -> Vec<StoreEvent> {
        self.storing.port.work();
        let mut events = Vec::new();
        self.storing.look(self.now_ms, &mut events);
        events
    }

    /// What the core hears by what others met with.
    fn hear(&mut self) -> Vec<StoreEvent> {
        let is_news = self.storing.is_news_from_others();
        let mut events = Vec::new();
        self.storing.hear_from_others(&mut events);
        assert_eq!(is_news, !events.is_empty());
        events
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.storing.retry(self.now_ms);
    }

    fn fill(&self, is_full: bool) {
        self.disk.set_faults(Faults {
            capacity: is_full.then_some(100),
            ..Faults::default()
        });
    }

    fn is_live(&mut self, position: u64) -> bool {
        self.storing.port.log().is_live(Position::new(position))
    }
}

const fn durable(ticket: u64, first: u64) -> StoreEvent {
    StoreEvent::Durable { ticket, first }
}

#[test]
fn batches_are_durable_in_order() {
    let mut bed = Bed::new(10);
    bed.keep(&[b"a", b"b"], &[]);
    bed.keep(&[b"c"], &[]);
    assert_eq!(bed.storing.unsettled(), Some(2));
    assert_eq!(bed.work(), [durable(1, 0), durable(2, 2)]);
    assert_eq!(bed.storing.unsettled(), None);
    bed.keep(&[], &[0]);
    bed.keep(&[b"d"], &[1]);
    assert_eq!(bed.work(), [durable(3, 3), durable(4, 3)]);
    assert!(!bed.is_live(0) && !bed.is_live(1) && bed.is_live(2));
}

#[test]
fn a_full_disk_keeps_everything_in_order_until_there_is_room() {
    let mut bed = Bed::new(10);
    let large = vec![b'x'; 9000];
    bed.keep(&[b"first"], &[]);
    assert_eq!(bed.work(), [durable(1, 0)]);
    bed.fill(true);
    bed.keep(&[&large], &[]);
    bed.keep(&[b"small"], &[]);
    assert_eq!(bed.work(), [StoreEvent::Full]);
    assert_eq!(bed.storing.alarm.state(), DiskState::Full);
    // It would have room, but not before the one that has none.
    bed.keep(&[b"small"], &[]);
    assert_eq!(bed.work(), []);
    assert_eq!(bed.storing.retry_at_ms(bed.now_ms), Some(1200));
    // Releases pass. Room for them was kept.
    bed.keep(&[], &[0]);
    assert_eq!(bed.work(), []);
    assert!(!bed.is_live(0));
    // That was a reason to try again, in vain.
    assert_eq!(bed.work(), []);
    bed.wait(200);
    assert_eq!(bed.work(), []);
    assert!(!bed.storing.is_behind());
    assert_eq!(bed.storing.unsettled(), None);
    bed.fill(false);
    // It is not time yet.
    bed.wait(100);
    assert_eq!(bed.work(), []);
    bed.wait(100);
    assert_eq!(bed.work(), [durable(2, 1)]);
    // Now that there is room, what comes goes behind what was kept.
    bed.keep(&[b"later"], &[]);
    let events = bed.work();
    // What only released was durable long before, and is told in turn.
    let wanted = [
        durable(3, 2),
        durable(4, 3),
        durable(5, 0),
        StoreEvent::Room,
        durable(6, 4),
    ];
    assert_eq!(events, wanted);
    assert_eq!(bed.storing.state, State::Open);
    assert_eq!(bed.storing.alarm.state(), DiskState::Working);
}

/// What it releases may be needed as long as the batch before it is not durable, whether the store
/// or its user knows of the full disk first.
#[test]
fn a_release_that_keeps_its_turn_passes_nothing_on_a_full_disk() {
    let mut bed = Bed::new(10);
    bed.keep(&[b"first", b"second"], &[]);
    assert_eq!(bed.work(), [durable(1, 0)]);
    bed.fill(true);
    bed.keep(&[&[b'x'; 9000]], &[]);
    let release = |bed: &mut Bed, position| {
        bed.ticket += 1;
        bed.storing.keep(Records {
            ticket: bed.ticket,
            releases: vec![position],
            keeps_turn: true,
            ..Records::default()
        });
    };
    release(&mut bed, 0);
    assert_eq!(bed.work(), [StoreEvent::Full]);
    release(&mut bed, 1);
    assert_eq!(bed.work(), []);
    assert!(bed.is_live(0) && bed.is_live(1));
    bed.fill(false);
    bed.wait(200);
    assert_eq!(bed.work(), [durable(2, 2)]);
    let told = bed.work();
    assert!(matches!(
        told[..],
        [
            StoreEvent::Durable { ticket: 3, .. },
            StoreEvent::Durable { ticket: 4, .. },
            StoreEvent::Room,
        ]
    ));
    assert!(!bed.is_live(0) && !bed.is_live(1));
}

#[test]
fn a_disk_that_is_full_again_at_once_is_no_news() {
    let mut bed = Bed::new(10);
    let large = vec![b'x'; 9000];
    bed.keep(&[b"first"], &[]);
    bed.work();
    bed.fill(true);
    bed.keep(&[&large], &[]);
    bed.keep(&[&large], &[]);
    assert_eq!(bed.work(), [StoreEvent::Full]);
    bed.fill(false);
    bed.wait(200);
    assert_eq!(bed.work(), [durable(2, 1)]);
    bed.fill(true);
    assert_eq!(bed.work(), []);
    bed.fill(false);
    bed.wait(200);
    assert_eq!(bed.work(), [durable(3, 2), StoreEvent::Room]);
}

#[test]
fn a_failed_disk_is_told_once_and_nothing_is_durable_after_it() {
    let mut bed = Bed::new(10);
    bed.keep(&[b"first"], &[]);
    assert_eq!(bed.work(), [durable(1, 0)]);
    bed.disk.set_faults(Faults {
        fail_sync_at: Some(bed.disk.syncs()),
        ..Faults::default()
    });
    bed.keep(&[b"lost"], &[]);
    bed.keep(&[b"lost"], &[]);
    assert_eq!(bed.work(), [StoreEvent::Failed]);
    assert_eq!(bed.storing.alarm.state(), DiskState::Failed);
    bed.keep(&[b"lost"], &[]);
    bed.wait(1000);
    assert_eq!(bed.work(), []);
    assert!(bed.storing.waiting.is_empty() && bed.storing.unsettled().is_none());
}

#[test]
fn a_store_that_is_behind_gets_everything_in_order() {
    let mut bed = Bed::new(2);
    for _ in 0..5 {
        bed.keep(&[b"x"], &[]);
    }
    assert!(bed.storing.is_behind());
    assert_eq!(bed.storing.unsettled(), Some(5));
    assert!(!bed.storing.is_settled(1) && bed.storing.is_settled(0));
    assert_eq!(bed.storing.retry_at_ms(bed.now_ms), Some(1010));
    assert_eq!(bed.work(), [durable(1, 0), durable(2, 1)]);
    assert!(bed.storing.is_behind() && bed.storing.is_settled(2));
    assert_eq!(bed.work(), [durable(3, 2), durable(4, 3)]);
    assert!(!bed.storing.is_behind());
    assert_eq!(bed.work(), [durable(5, 4)]);
}

#[test]
fn what_is_written_is_told_as_long_as_nothing_has_to_wait() {
    let mut bed = Bed::new(100);
    let ask = |bed: &mut Bed, record: &[u8]| {
        bed.ticket += 1;
        bed.storing.keep(Records {
            ticket: bed.ticket,
            bytes: record.to_vec(),
            ends: vec![record.len()],
            tells_written: true,
            ..Records::default()
        });
        bed.ticket
    };
    let ticket = ask(&mut bed, b"1");
    let told = [
        StoreEvent::Written { ticket },
        StoreEvent::Durable { ticket, first: 0 },
    ];
    assert_eq!(bed.work(), told);
    bed.fill(true);
    let ticket = ask(&mut bed, &[b'x'; 5000]);
    assert_eq!(bed.work(), [StoreEvent::Full]);
    bed.fill(false);
    bed.wait(RETRY_MS);
    // What comes after it may have passed it.
    let told = [StoreEvent::Durable { ticket, first: 1 }, StoreEvent::Room];
    assert_eq!(bed.work(), told);
}

/// One shard may wait for what another one was to write.
#[test]
fn a_disk_that_failed_for_one_shard_has_failed_for_all() {
    let mut bed = Bed::new(10);
    let mut other = Bed::new(10);
    other.storing.alarm = Arc::clone(&bed.storing.alarm);
    bed.disk.set_faults(Faults {
        fail_sync_at: Some(bed.disk.syncs()),
        ..Faults::default()
    });
    bed.keep(&[b"lost"], &[]);
    assert_eq!(other.hear(), []);
    assert_eq!(bed.work(), [StoreEvent::Failed]);
    assert_eq!(bed.hear(), []);
    assert_eq!(other.hear(), [StoreEvent::Failed]);
    assert_eq!(other.hear(), []);
}

/// Clients of a shard that has nothing to store wait for what another one stores.
#[test]
fn a_disk_that_is_full_for_one_shard_is_full_for_all_until_it_has_room_for_all() {
    let mut bed = Bed::new(10);
    let mut other = Bed::new(10);
    other.storing.alarm = Arc::clone(&bed.storing.alarm);
    let large = vec![b'x'; 9000];
    bed.fill(true);
    other.fill(true);
    bed.keep(&[&large], &[]);
    assert_eq!(other.hear(), []);
    assert_eq!(bed.work(), [StoreEvent::Full]);
    assert_eq!(bed.hear(), []);
    assert_eq!(other.hear(), [StoreEvent::Full]);
    assert_eq!(other.hear(), []);
    // It finds so itself: that is no news.
    other.keep(&[&large], &[]);
    assert_eq!(other.work(), []);
    // Room for one of them is not room for both.
    bed.fill(false);
    bed.wait(RETRY_MS);
    assert_eq!(bed.work(), [durable(1, 0)]);
    assert_eq!(bed.hear(), []);
    assert_eq!(bed.storing.state, State::Open);
    other.fill(false);
    other.wait(RETRY_MS);
    assert_eq!(other.work(), [durable(1, 0), StoreEvent::Room]);
    assert_eq!(bed.hear(), [StoreEvent::Room]);
    assert_eq!((bed.hear(), other.hear()), (vec![], vec![]));
    assert_eq!(bed.storing.alarm.state(), DiskState::Working);
}
