//! What the keeping of a session must not do is noticed: each fault fails one of some forty seeds, which
//! passes without it.

use std::borrow::Cow;

use crate::world::World;

/// Kinds of records, as they stand in the file.
const HEAD: u8 = 1;
const TAKEN: u8 = 2;
const SENT: u8 = 3;
const RELEASED: u8 = 5;
const DONE: u8 = 6;
const ARRIVED: u8 = 7;
const RECEIVED: u8 = 8;
const INCOMING_ENDED: u8 = 9;

/// A fault that is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// What was said leaves, and its records are not on the disk.
    Unsynced,
    /// Batches lack their last record.
    LastRecord,
    /// Records of a kind are not written.
    RecordsOf(u8),
    /// Nor are they in snapshots, which is where a session goes on from.
    SnapshotsWithout(u8),
    /// Bytes are on the wire before their records are on the disk.
    EarlyBytes,
    /// The application hears of what is not yet on the disk.
    EarlyOutputs,
    /// Of a batch that was not completed the records count that are there.
    PartOfABatch,
}

impl Planted {
    /// What of a batch is written, if it is.
    pub(crate) fn spoil_batch(fault: Option<Self>, records: &[u8]) -> Option<Cow<'_, [u8]>> {
        match fault {
            Some(Self::Unsynced) => None,
            Some(Self::LastRecord) => {
                let kept = &records[..records.len() - split(records).last()?.len()];
                Some(Cow::Borrowed(kept))
            }
            Some(Self::RecordsOf(kind)) => Some(without(kind, records)),
            Some(
                Self::SnapshotsWithout(_)
                | Self::EarlyBytes
                | Self::EarlyOutputs
                | Self::PartOfABatch,
            )
            | None => Some(Cow::Borrowed(records)),
        }
    }

    /// What of a snapshot is written.
    pub(crate) fn spoil_snapshot(fault: Option<Self>, records: &[u8]) -> Cow<'_, [u8]> {
        match fault {
            Some(Self::SnapshotsWithout(kind)) => without(kind, records),
            _ => Cow::Borrowed(records),
        }
    }

    /// What is read of a batch of these records of which `len` bytes were written.
    pub(crate) fn whole_records(records: &[u8], len: usize) -> &[u8] {
        let mut end = 0;
        for record in split(records) {
            if end + record.len() > len {
                break;
            }
            end += record.len();
        }
        &records[..end]
    }
}

fn without(kind: u8, records: &[u8]) -> Cow<'_, [u8]> {
    let others = split(records).into_iter().filter(|r| r[0] != kind);
    Cow::Owned(others.flatten().copied().collect())
}

fn split(mut records: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [kind, ..] = records {
        let len_at = |at: usize| {
            let len = records[at..at + 4].try_into().expect("four bytes");
            at + 4 + usize::try_from(u32::from_be_bytes(len)).expect("small")
        };
        let len = match *kind {
            HEAD => len_at(26),
            TAKEN => len_at(9),
            SENT | RELEASED | ARRIVED => 11,
            DONE => 9,
            RECEIVED | INCOMING_ENDED => 3,
            // The broker of these runs forgets no session.
            other => panic!("a record of the kind {other}"),
        };
        let (record, rest) = records.split_at(len);
        all.push(record);
        records = rest;
    }
    all
}

fn is_found(planted: Planted) {
    let fails =
        |seed, planted| std::panic::catch_unwind(|| World::new(seed, planted).run()).is_err();
    for seed in 0..40 {
        if fails(seed, Some(planted)) {
            assert!(!fails(seed, None), "seed {seed} fails without a fault");
            return;
        }
    }
    panic!("{planted:?} fails no seed");
}

#[test]
fn what_is_not_synced() {
    is_found(Planted::Unsynced);
}

#[test]
fn a_batch_without_its_last_record() {
    is_found(Planted::LastRecord);
}

#[test]
fn records_of_a_kind_that_are_not_written() {
    for kind in [
        TAKEN,
        SENT,
        RELEASED,
        DONE,
        ARRIVED,
        RECEIVED,
        INCOMING_ENDED,
    ] {
        is_found(Planted::RecordsOf(kind));
    }
}

#[test]
fn records_of_a_kind_that_snapshots_lack() {
    for kind in [HEAD, TAKEN, SENT, RELEASED, ARRIVED, RECEIVED] {
        is_found(Planted::SnapshotsWithout(kind));
    }
}

#[test]
fn bytes_that_leave_before_their_records_are_safe() {
    is_found(Planted::EarlyBytes);
}

#[test]
fn answers_that_come_before_their_records_are_safe() {
    is_found(Planted::EarlyOutputs);
}

#[test]
fn a_batch_of_which_a_part_counts() {
    is_found(Planted::PartOfABatch);
}
