//! Faults of a store that do not happen: each breaks a promise that the broker relies on, to show
//! that the oracle would notice.

use columba_broker::journal::Records;
use columba_store::{Batch, Inline, Port, Position, SimDisk, Ticket};

/// A fault of the store or of its driver, from the start of a run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Batches are reported durable that the disk was never asked to keep.
    Unsynced,
    /// What is told to be written is gone with the process.
    Unwritten,
    /// The last record of a batch is lost, if there are several.
    LastRecord,
    /// All records of a kind are lost. The number is the first byte of the record.
    RecordsOf(u8),
    /// The records of a batch are committed in two steps.
    Halves,
    /// What a batch releases is gone before the records that take its place are there.
    EarlyRelease,
    /// What a batch releases stays, if it has records too.
    LateRelease,
    /// What a batch releases stays, if it has no records.
    LostRelease,
    /// A batch without records passes those that found no room, also if what it releases waited for one of
    /// them.
    LostTurn,
}

impl Planted {
    /// Whether the log syncs what it commits.
    pub(crate) const fn syncs(self) -> bool {
        !matches!(self, Self::Unsynced)
    }

    /// A batch is handed over. What the fault makes of it happens to `port` at once.
    pub(crate) fn hand_over(self, records: &mut Records, port: &mut Inline<SimDisk>) {
        let has_records = !records.ends.is_empty();
        match self {
            Self::EarlyRelease if has_records => {
                forget(port, std::mem::take(&mut records.releases));
            }
            Self::LateRelease if has_records => records.releases.clear(),
            Self::LostRelease if !has_records => records.releases.clear(),
            Self::LostTurn => records.keeps_turn = false,
            _ => {}
        }
    }

    /// Commits the first records of a batch before the others; says how many.
    pub(crate) fn commit_half(self, records: &Records, port: &mut Inline<SimDisk>) -> usize {
        if self != Self::Halves {
            return 0;
        }
        let (ends, _) = records.ends.split_at(records.ends.len() / 2);
        let mut half = Batch::new();
        let mut start = 0;
        for end in ends {
            half.append(&records.bytes[start..*end]);
            start = *end;
        }
        if !ends.is_empty() {
            let _ = port.submit(NOBODY, half);
            port.work();
        }
        ends.len()
    }

    /// Positions of the records of a batch that are lost once it is committed.
    pub(crate) fn lost(self, records: &Records, first: u64) -> Vec<u64> {
        let positions = first..first + records.ends.len() as u64;
        match self {
            Self::LastRecord if records.ends.len() > 1 => positions.last().into_iter().collect(),
            Self::RecordsOf(kind) => {
                let starts = [0].into_iter().chain(records.ends.iter().copied());
                let kinds = starts.map(|start| records.bytes.get(start).copied());
                let all = positions.zip(kinds);
                all.filter_map(|(position, of)| (of == Some(kind)).then_some(position))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The ticket of what no shard has handed over.
const NOBODY: Ticket = Ticket(u64::MAX);

/// Takes records out of the log that nobody has released.
pub(crate) fn forget(port: &mut Inline<SimDisk>, positions: Vec<u64>) {
    if positions.is_empty() {
        return;
    }
    let mut batch = Batch::new();
    for position in positions {
        batch.release(Position::new(position));
    }
    // What becomes of it is of no interest: the fault may be less of one.
    let _ = port.submit(NOBODY, batch);
    port.work();
    port.take_reports(&mut Vec::new());
}
