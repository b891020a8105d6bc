//! Reclaims space: moves what lives in the oldest segment, removes segments without live records.
//!
//! Segments are emptied from the oldest on, a step with each commit. A segment is removed when
//! nothing in it lives and nothing that it buries is left, so a record that was released never
//! comes back, and a note of a release is never copied.

use super::{Committed, Log, Stats};
use crate::error::Error;
use crate::files::{Files, Name};
use crate::format::{FRAME_HEADER_BYTES, frame_bytes};
use crate::index::Place;

/// How many entries of the index one step looks at.
const STEP_ENTRIES: usize = 16 << 10;
/// How many segments one step removes.
const STEP_REMOVALS: usize = 4;
/// Bytes that are not worth the work of freeing them.
const DEAD_BYTES_FREE: u64 = 64 << 10;
/// Segments that are never worth the work of emptying them.
const SEGMENTS_FREE: u64 = 16;

/// How far the emptying of a segment has come.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    segment: u32,
    /// The position from which on its records have not been looked for.
    from: u64,
    /// Segments up to this one are emptied however much lives in them.
    until: u32,
    /// A file could not be read, so nothing is emptied until the log is opened again.
    is_stopped: bool,
}

impl Cleaning {
    pub(super) const fn has_stopped(&self) -> bool {
        self.is_stopped
    }
}

/// A record to be written again.
pub(super) struct Move {
    pub(super) position: u64,
    pub(super) record: Vec<u8>,
}

impl Move {
    pub(super) const fn bytes(&self) -> u64 {
        frame_bytes(self.record.len()) as u64
    }
}

impl<F: Files> Log<F> {
    /// Whether there is space to reclaim. Whoever has nothing to commit then commits nothing, and
    /// a step of it is done.
    #[must_use]
    pub fn is_work_due(&self) -> bool {
        self.failed.is_none()
            && self.full.is_none()
            && (self.victim().is_some() || self.dead_segments().next().is_some())
    }

    /// Writes everything that lives once more, one behind the other, and frees the rest of the
    /// space, that reserved for what comes next included. Nothing is done about a log of which nine
    /// parts in ten live, unless it was damaged when it was opened: then all that can be read leaves
    /// the segments with the damage, and these go. What was done stays if it ends early.
    ///
    /// # Errors
    /// If the disk failed or has no room.
    pub fn compact(&mut self, progress: &mut dyn FnMut(Stats)) -> Result<(), Error> {
        self.trim()?;
        let dead = self.disk_bytes().saturating_sub(self.live_bytes());
        let is_worth = dead > self.live_bytes() / 9 + DEAD_BYTES_FREE;
        if !is_worth && !self.has_damage {
            return Ok(());
        }
        let last = self.segments.keys().next_back();
        self.cleaning.until = last.copied().unwrap_or(0);
        let step = self.options.group_bytes_max;
        let step = std::mem::replace(&mut self.options.step_bytes, step);
        self.full = None;
        let done = self.empty_segments(progress);
        self.options.step_bytes = step;
        self.cleaning.until = 0;
        done?;
        self.has_damage = self.cleaning.is_stopped;
        self.trim()
    }

    fn empty_segments(&mut self, progress: &mut dyn FnMut(Stats)) -> Result<(), Error> {
        while self.is_work_due() {
            self.commit_group(&[], &mut Committed::default(), &mut |_| ())?;
            progress(self.stats());
        }
        self.full.clone().map_or(Ok(()), Err)
    }

    /// Gives back the room that is reserved.
    fn trim(&mut self) -> Result<(), Error> {
        self.sync()?;
        if let Some(head) = self.head.take_if(|head| head.end > 0) {
            let file = Name::Segment(head.segment);
            let cut = self.files.truncate(file, u64::from(head.end));
            if let Err(error) = cut.and_then(|()| self.files.sync_data(file)) {
                return Err(self.fail(file, "cutting", error));
            }
            if let Some(segment) = self.segments.get_mut(&head.segment) {
                segment.file_bytes = u64::from(head.end);
            }
        }
        self.has_spare = false;
        self.remove_file(Name::Spare)
    }

    /// The segment to empty, if the log takes too much space.
    fn victim(&self) -> Option<u32> {
        let live = self.live_bytes();
        let segment = u64::from(self.options.segment_bytes);
        let is_due = self.disk_bytes() > 2 * live + 4 * segment
            || self.segments.len() as u64 > SEGMENTS_FREE + 2 * live / segment;
        let head = self.head.map(|head| head.segment);
        let mut filled = self.segments.iter().filter(|(_, s)| s.live_records > 0);
        let oldest = filled.next().map(|(number, _)| *number);
        let is_due = |oldest: u32| is_due || oldest <= self.cleaning.until;
        oldest
            .filter(|oldest| is_due(*oldest) && !self.cleaning.is_stopped && Some(*oldest) != head)
    }

    /// Segments that can go.
    fn dead_segments(&self) -> impl Iterator<Item = u32> {
        let head = self.head.map(|head| head.segment);
        let dead = self.segments.iter().filter(move |(number, segment)| {
            segment.live_records == 0
                && Some(**number) != head
                && !segment.buries.iter().any(|s| self.segments.contains_key(s))
        });
        dead.map(|(number, _)| *number)
    }

    /// Live records to move with a commit of `bytes`.
    ///
    /// The more is written, the more is moved, or the log would outgrow what it may take: with
    /// half of the space live, four bytes looked at free two, and one of them is for the commit.
    pub(super) fn plan_moves(&mut self, bytes: u64) -> Vec<Move> {
        let Some(victim) = self.victim() else {
            return Vec::new();
        };
        if self.cleaning.segment != victim {
            self.cleaning.segment = victim;
            self.cleaning.from = 0;
        }
        let most = u64::from(self.options.group_bytes_max);
        let budget = u64::from(self.options.step_bytes) + 2 * bytes.min(most);
        let mut found = Vec::new();
        let (mut planned, mut from) = (0, None);
        for (position, place) in self.index.from(self.cleaning.from).take(STEP_ENTRIES) {
            if planned >= budget {
                break;
            }
            from = Some(position + 1);
            if place.segment == victim {
                planned += frame_bytes(place.length as usize) as u64;
                found.push((position, place));
            }
        }
        // At the end of the index it starts anew, for what a full disk has kept back.
        self.cleaning.from = from.unwrap_or(0);
        self.read_moves(found)
    }

    /// Reads what is to be moved. What is damaged is dropped: there is nothing to move, and its segment
    /// must not stay for it.
    pub(super) fn read_moves(&mut self, found: Vec<(u64, Place)>) -> Vec<Move> {
        let mut moves = Vec::with_capacity(found.len());
        let mut bytes = Vec::new();
        for (position, place) in found {
            match self.read(position, place, &mut bytes) {
                Ok(()) => {
                    self.stats.moved_bytes += frame_bytes(place.length as usize) as u64;
                    moves.push(Move {
                        position,
                        record: bytes.get(FRAME_HEADER_BYTES..).unwrap_or_default().to_vec(),
                    });
                }
                Err(Error::Damaged(damage)) => {
                    self.damage.push(damage);
                    self.index.remove(position);
                    self.uncount(place);
                }
                Err(_) => self.cleaning.is_stopped = true,
            }
        }
        moves
    }

    /// Segments to be announced as removed with the next commit, and to be removed after it.
    pub(super) fn plan_removals(&self) -> Vec<u32> {
        self.dead_segments().take(STEP_REMOVALS).collect()
    }

    /// Removes segments, or keeps one as room for the next.
    pub(super) fn remove_segments(&mut self, numbers: &[u32]) -> Result<(), Error> {
        if numbers.is_empty() {
            return Ok(());
        }
        // What was moved has to be there before the place where it was goes.
        self.sync()?;
        for number in numbers {
            let file = Name::Segment(*number);
            let bytes = self.segments.get(number).map_or(0, |s| s.file_bytes);
            let is_reusable = !self.has_spare && bytes == u64::from(self.options.segment_bytes);
            let done = if is_reusable {
                self.files.rename(file, Name::Spare)
            } else {
                self.files.remove(file)
            };
            if let Err(error) = done {
                return Err(self.fail(file, "removing", error));
            }
            self.has_spare |= is_reusable;
        }
        // Only then may what buries their records go, too.
        if let Err(error) = self.files.sync_directory() {
            return Err(self.fail(Name::Directory, "syncing", error));
        }
        for number in numbers {
            self.segments.remove(number);
            self.stats.segments_removed += 1;
        }
        for segment in self.segments.values_mut() {
            segment.buries.retain(|buried| !numbers.contains(buried));
        }
        self.full = None;
        Ok(())
    }
}
