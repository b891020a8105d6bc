//! What a caller hands over: records to keep and positions to release, in one step.

use std::fmt;

use crate::format::frame_bytes;

/// Where a record stands in the order of all records of a store.
///
/// Opaque but ordered: a later record has a greater position. It stays the same when the record
/// is moved within the log and is never given out twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position(u64);

impl Position {
    /// The greatest position that the format can hold.
    pub(crate) const MAX: u64 = (1 << 56) - 1;

    /// The position that [`Position::value`] returned.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The position as a number, to be kept by the caller.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl From<Position> for u64 {
    fn from(position: Position) -> Self {
        position.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Records to append and positions to release, as one step: after a crash all of it is there or
/// nothing.
///
/// A keyed value is replaced by a batch that appends the new record and releases the old one.
/// The records lie in one buffer, so a batch that is [cleared](Self::clear) and used again
/// allocates nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    ends: Vec<usize>,
    releases: Vec<Position>,
    /// What the records take on disk.
    records_on_disk: u64,
    /// Whether its user wants to know when it is written, before it is durable.
    tells_written: bool,
    /// Whether it keeps its turn although it only releases.
    keeps_turn: bool,
}

impl Batch {
    /// A batch without content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of records that lie one behind the other in `bytes`, each up to its place in `ends`.
    /// Nothing is copied.
    ///
    /// # Panics
    /// If `ends` does not go up to the end of `bytes`.
    #[must_use]
    pub fn from_parts(bytes: Vec<u8>, ends: Vec<usize>, releases: Vec<u64>) -> Self {
        let mut start = 0;
        let mut records_on_disk = 0;
        for end in &ends {
            assert!(*end >= start, "records follow each other");
            records_on_disk += frame_bytes(end - start) as u64;
            start = *end;
        }
        assert!(start == bytes.len(), "every byte belongs to a record");
        Self {
            bytes,
            ends,
            releases: releases.into_iter().map(Position::new).collect(),
            records_on_disk,
            tells_written: false,
            keeps_turn: false,
        }
    }

    /// Asks for a [`Report::Written`](crate::Report::Written).
    pub const fn tell_written(&mut self) {
        self.tells_written = true;
    }

    /// Whether it was asked for.
    #[must_use]
    pub const fn tells_written(&self) -> bool {
        self.tells_written
    }

    /// Has it never pass a batch that its user handed over before, although it only releases: what
    /// it releases may be needed as long as that one is not durable.
    pub const fn keep_turn(&mut self) {
        self.keeps_turn = true;
    }

    /// Whether it never passes a batch that its user handed over before, because it has records or
    /// [was told so](Self::keep_turn).
    #[must_use]
    pub const fn keeps_turn(&self) -> bool {
        self.keeps_turn || !self.ends.is_empty()
    }

    /// The other way round: the memory of a batch, emptied, for the parts of another.
    #[must_use]
    pub fn into_spare_parts(mut self) -> (Vec<u8>, Vec<usize>, Vec<u64>) {
        self.clear();
        let releases = self.releases.into_iter().map(Position::value).collect();
        (self.bytes, self.ends, releases)
    }

    /// How many bytes of records fit without more memory.
    pub(crate) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a record. It gets the position after that of the record before it.
    pub fn append(&mut self, record: &[u8]) {
        self.append_with(|out| out.extend_from_slice(record));
    }

    /// Adds the record that `write` puts at the end of the buffer it is given.
    pub fn append_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        assert!(self.bytes.len() >= start, "a record may only be added");
        self.records_on_disk += frame_bytes(self.bytes.len() - start) as u64;
        self.ends.push(self.bytes.len());
    }

    /// Releases a record: it does not come back when the log is opened again, and its space is
    /// free. A position that is not live is passed over.
    pub fn release(&mut self, position: Position) {
        self.releases.push(position);
    }

    /// The records, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let record = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            record
        })
    }

    /// The positions to release.
    #[must_use]
    pub fn releases(&self) -> &[Position] {
        &self.releases
    }

    /// How many bytes the records have together.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes the batch takes on disk, apart from what each commit takes for itself.
    #[must_use]
    pub const fn bytes_on_disk(&self) -> u64 {
        let releases = self.releases.len();
        let releases = if releases > 0 {
            frame_bytes(releases * 8)
        } else {
            0
        };
        self.records_on_disk + releases as u64
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.releases.is_empty()
    }

    /// Removes the content and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.releases.clear();
        self.records_on_disk = 0;
        self.tells_written = false;
        self.keeps_turn = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_parts_is_one_that_was_filled() {
        let mut filled = Batch::new();
        filled.append(b"one");
        filled.append(b"");
        filled.append(b"three");
        filled.release(Position::new(7));
        let parts = Batch::from_parts(b"onethree".to_vec(), vec![3, 3, 8], vec![7]);
        assert_eq!(parts, filled);
        assert_eq!(parts.bytes_on_disk(), filled.bytes_on_disk());
        let mut releases = Batch::from_parts(vec![], vec![], vec![1]);
        assert!(parts.keeps_turn() && !releases.keeps_turn());
        releases.keep_turn();
        assert!(releases.keeps_turn());
    }

    #[test]
    #[should_panic = "every byte belongs to a record"]
    fn parts_that_do_not_fit_together_are_refused() {
        let _ = Batch::from_parts(b"onethree".to_vec(), vec![3], vec![]);
    }
}
