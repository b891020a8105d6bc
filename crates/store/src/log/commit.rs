//! Writes batches: one group, one write, one sync.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Committed, Head, Log, Segment};
use crate::batch::{Batch, Position};
use crate::error::Error;
use crate::files::{Files, Name, is_full};
use crate::format::{
    FrameWriter, GROUP_FRAME_BYTES, GroupHeader, Kind, MARK_SLOT_BYTES, Mark, SEGMENT_HEADER_BYTES,
    SegmentHeader, VERSION, frame_bytes,
};
use crate::index::Place;
use crate::log::clean::Move;

/// A group with it has to fit into a segment, where places have 32 bits.
pub(super) const BATCH_BYTES_MAX: u64 = 7 << 29;
/// A segment for what frees space on a full disk has this part of a whole one, beside what is written
/// at once.
const SMALL_SEGMENT_PART: u64 = 64;
/// What of a group is for other things: the inventory, notes of removals and of releases.
const GROUP_RESERVE_BYTES: u64 = 64 << 20;

impl<F: Files> Log<F> {
    /// Makes batches durable, in order, with as few writes and syncs as their size allows. Does a
    /// step of reclaiming space as well if one is [due](Self::is_work_due), also without batches.
    ///
    /// Once a batch has found no room on the disk, none behind it that [keeps its
    /// turn](Batch::keeps_turn) is taken in the same call: what is durable has no gap. One that only
    /// releases is taken also then.
    ///
    /// # Errors
    /// If the disk failed. Nothing is known then about the batches that were handed over.
    pub fn commit<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> Result<Committed, Error> {
        self.commit_telling(batches, &mut |_| ())
    }

    /// The same. `written` is told the number of a batch, counted from 0, when it and all before it
    /// have been written and the disk has not been asked to keep them yet: they outlive the process
    /// from then on, but not the machine. Not told where commits do not wait for the disk.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_telling<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch>,
        written: &mut dyn FnMut(usize),
    ) -> Result<Committed, Error> {
        let mut done = Committed::default();
        let mut group = Vec::new();
        let mut group_bytes = 0;
        let group_bytes_max = u64::from(self.options.group_bytes_max).min(BATCH_BYTES_MAX);
        for batch in batches {
            let bytes = batch.bytes_on_disk();
            if !group.is_empty() && group_bytes + bytes > group_bytes_max {
                self.commit_group(&group, &mut done, written)?;
                group.clear();
                group_bytes = 0;
            }
            group_bytes += bytes;
            group.push(batch);
        }
        if !group.is_empty() || self.is_work_due() {
            self.commit_group(&group, &mut done, written)?;
        }
        Ok(done)
    }

    pub(super) fn commit_group(
        &mut self,
        batches: &[&Batch],
        done: &mut Committed,
        written: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let wanted: u64 = batches.iter().map(|b| b.bytes_on_disk()).sum();
        let mut moves = self.plan_moves(wanted);
        let moved: u64 = moves.iter().map(Move::bytes).sum();
        self.make_spare(wanted + moved)?;
        if wanted + moved + GROUP_RESERVE_BYTES > u64::from(u32::MAX) {
            // They are moved with a smaller one.
            moves.clear();
        }
        let mut removals = self.plan_removals();
        let fixed = frame_bytes(removals.len() * 4) as u64;
        let is_full = |done: &Result<Position, Error>| match done {
            Err(full) if full.is_passing() => Some(full.clone()),
            Err(_) | Ok(_) => None,
        };
        let full_before = done.batches.iter().find_map(is_full);
        let check = |batch: &&Batch| match &full_before {
            Some(full) if batch.keeps_turn() => Err(full.clone()),
            Some(_) | None => self.check_size(batch),
        };
        let mut fits: Vec<Result<(), Error>> = batches.iter().map(check).collect();
        let size = |fits: &[Result<(), Error>], moves: &[Move]| {
            let batches = batches.iter().zip(fits).filter(|(_, fit)| fit.is_ok());
            let moved: u64 = moves.iter().map(Move::bytes).sum();
            fixed + moved + batches.map(|(b, _)| b.bytes_on_disk()).sum::<u64>()
        };
        self.full = None;
        let mut room = self.make_room(size(&fits, &moves), true)?;
        if room.is_err() {
            moves.clear();
        }
        let mut waiting = fits.iter().zip(batches);
        if let Err(Error::Full { .. }) = room
            && waiting.any(|(fit, batch)| fit.is_ok() && batch.keeps_turn())
        {
            room = self.press(size(&fits, &moves), room)?;
            // It has let the oldest go.
            removals.retain(|number| self.segments.contains_key(number));
        }
        if let Err(full) = room {
            self.full = Some(full.clone());
            // What frees space still goes through.
            for (fit, batch) in fits.iter_mut().zip(batches) {
                if fit.is_ok() && batch.keeps_turn() {
                    *fit = Err(full.clone());
                }
            }
            if let Err(full) = self.make_room(size(&fits, &moves), false)? {
                done.batches
                    .extend(batches.iter().map(|_| Err(full.clone())));
                return Ok(());
            }
        }
        let has_work = !moves.is_empty() || !removals.is_empty();
        if !has_work && fits.iter().all(Result::is_err) {
            let refused = fits.into_iter().map(|fit| fit.map(|()| Position::new(0)));
            done.batches.extend(refused);
            return Ok(());
        }
        let accepted = || batches.iter().zip(&fits).filter(|(_, fit)| fit.is_ok());
        let accepted: Vec<&Batch> = accepted().map(|(batch, _)| *batch).collect();
        // Behind one that was refused, only what releases is written: it has passed others.
        let before = done.batches.len();
        let in_turn = match full_before {
            Some(_) => 0,
            None => fits.iter().take_while(|fit| fit.is_ok()).count(),
        };
        let mut tell = || (before..before + in_turn).for_each(&mut *written);
        match self.write_group(&accepted, &moves, &removals, &mut tell)? {
            Ok(mut next) => {
                for (batch, fit) in batches.iter().zip(fits) {
                    let first = Position::new(next);
                    next += if fit.is_ok() {
                        batch.records().len() as u64
                    } else {
                        0
                    };
                    done.batches.push(fit.map(|()| first));
                }
                self.remove_segments(&removals)
            }
            Err(full) => {
                self.full = Some(full.clone());
                done.batches
                    .extend(batches.iter().map(|_| Err(full.clone())));
                Ok(())
            }
        }
    }

    fn check_size(&self, batch: &Batch) -> Result<(), Error> {
        let size = batch.bytes_on_disk();
        let limit = u64::from(self.options.batch_bytes_max).min(BATCH_BYTES_MAX);
        if size > limit {
            return Err(Error::TooLarge { size, limit });
        }
        Ok(())
    }

    /// Writes a group at the head, tells `written`, syncs it and takes note of it. The position of
    /// the first record is returned, or why nothing fitted.
    pub(super) fn write_group(
        &mut self,
        batches: &[&Batch],
        moves: &[Move],
        removals: &[u32],
        written: &mut dyn FnMut(),
    ) -> Result<Result<u64, Error>, Error> {
        let Some(head) = self.head else {
            unreachable!("room was made before");
        };
        let first = self.next_position;
        self.encode(head, batches, moves, removals);
        let file = Name::Segment(head.segment);
        if let Err(error) = self.files.write_at(file, u64::from(head.end), &self.out) {
            return self.give_up_group(head, error).map(Err);
        }
        if self.options.is_synced {
            written();
            if let Err(error) = self.files.sync_data(file) {
                return Err(self.fail(file, "syncing", error));
            }
        }
        self.commit += 1;
        self.next_position = first
            + batches
                .iter()
                .map(|b| b.records().len() as u64)
                .sum::<u64>();
        self.head = Some(Head {
            end: head.end + self.out.len() as u32,
            ..head
        });
        self.stats.written_bytes += self.out.len() as u64;
        let staged = std::mem::take(&mut self.staged);
        self.settle_all(&staged);
        self.staged = staged;
        for batch in batches {
            self.unsettle_all(batch.releases(), head.segment);
        }
        self.write_mark()?;
        Ok(Ok(first))
    }

    fn encode(&mut self, head: Head, batches: &[&Batch], moves: &[Move], removals: &[u32]) {
        let salt = self.salt(head.segment);
        let (mut next, sequence) = (self.next_position, self.commit + 1);
        self.out.clear();
        self.staged.clear();
        if head.end == 0 {
            let header = SegmentHeader {
                version: VERSION,
                store: self.options.store,
                segment: head.segment,
            };
            self.out.extend_from_slice(&header.write());
        }
        let start = self.out.len();
        let mut writer = FrameWriter {
            out: &mut self.out,
            salt,
            base: head.end,
        };
        let empty = GroupHeader {
            sequence,
            bytes: 0,
            frames: 0,
        };
        writer.group(next, empty);
        let mut frames = 0;
        let mut body = Vec::new();
        if head.end == 0 {
            // One that was given up before its first group is no loss.
            let there = self.segments.iter();
            let there = there.filter(|(n, s)| **n != head.segment && s.file_bytes > 0);
            body.extend(there.flat_map(|(number, _)| number.to_le_bytes()));
            writer.frame(Kind::Inventory, next, &body);
            frames += 1;
        }
        if !removals.is_empty() {
            body.clear();
            body.extend(removals.iter().flat_map(|number| number.to_le_bytes()));
            writer.frame(Kind::Removed, next, &body);
            frames += 1;
        }
        let place = |offset, record: &[u8]| Place {
            segment: head.segment,
            offset,
            length: record.len() as u32,
        };
        // Before the releases: a record that is moved and released in one group is released.
        for Move { position, record } in moves {
            let offset = writer.frame(Kind::Moved, *position, record);
            self.staged.push((*position, place(offset, record)));
            frames += 1;
        }
        for batch in batches {
            for record in batch.records() {
                let offset = writer.frame(Kind::Record, next, record);
                self.staged.push((next, place(offset, record)));
                next += 1;
                frames += 1;
            }
            if !batch.releases().is_empty() {
                body.clear();
                let releases = batch.releases().iter();
                body.extend(releases.flat_map(|p| p.value().to_le_bytes()));
                writer.frame(Kind::Released, next, &body);
                frames += 1;
            }
        }
        let group = GroupHeader {
            sequence,
            bytes: (self.out.len() - start) as u32,
            frames,
        };
        let mut first = Vec::with_capacity(GROUP_FRAME_BYTES);
        FrameWriter {
            out: &mut first,
            salt,
            base: head.end + start as u32,
        }
        .group(self.next_position, group);
        if let Some(place) = self.out.get_mut(start..start + first.len()) {
            place.copy_from_slice(&first);
        }
    }

    /// A group could not be written. If the disk is full it is taken back, so that it can never
    /// appear later, and the log goes on in another segment.
    fn give_up_group(&mut self, head: Head, error: io::Error) -> Result<Error, Error> {
        let file = Name::Segment(head.segment);
        if !is_full(&error) {
            return Err(self.fail(file, "writing", error));
        }
        let cut = self.files.truncate(file, u64::from(head.end));
        if let Err(error) = cut.and_then(|()| self.files.sync_data(file)) {
            return Err(self.fail(file, "taking back a write to", error));
        }
        self.head = None;
        if let Some(segment) = self.segments.get_mut(&head.segment) {
            segment.file_bytes = u64::from(head.end);
        }
        Ok(full(file, "writing", error))
    }

    /// Notes which commit is durable. Without a sync: the note matters only if it is there.
    pub(super) fn write_mark(&mut self) -> Result<(), Error> {
        let mark = Mark {
            store: self.options.store,
            sequence: self.commit,
        };
        let slot = self.commit % 2 * MARK_SLOT_BYTES;
        match self.files.write_at(Name::Mark, slot, &mark.write()) {
            Err(error) if !is_full(&error) => Err(self.fail(Name::Mark, "writing", error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Sees to it that the head has room for `bytes`, in a new segment if need be. The inner error
    /// says that the disk is full.
    pub(super) fn make_room(
        &mut self,
        bytes: u64,
        has_records: bool,
    ) -> Result<Result<(), Error>, Error> {
        let bytes = bytes + GROUP_FRAME_BYTES as u64;
        let room = self.head.map_or(0, |head| self.room_in(head));
        // Without a spare the last of the room is for what frees space.
        let reserve = if has_records && !self.has_spare {
            u64::from(self.options.segment_bytes / 4)
        } else {
            0
        };
        if self.head.is_some() && bytes + reserve <= room {
            return Ok(Ok(()));
        }
        self.roll(bytes, has_records)
    }

    /// Starts a new segment with room for a group of `bytes`. On a disk that has no room for a whole one,
    /// what frees space gets a smaller one: without it a log that was opened there could free none.
    fn roll(&mut self, bytes: u64, has_records: bool) -> Result<Result<(), Error>, Error> {
        self.leave_head()?;
        let needed = self.bytes_of_new(bytes);
        let whole = u64::from(self.options.segment_bytes);
        let made = self.begin_segment(needed.max(whole))?;
        if made.is_ok() || has_records || !self.begin_small_segment(needed)? {
            return Ok(made);
        }
        Ok(Ok(()))
    }

    /// The head is to be followed by another one. A small one for which too much came is blank, and goes: it
    /// takes room, and a later inventory that names it would have it missed after a loss of power.
    fn leave_head(&mut self) -> Result<(), Error> {
        self.sync()?;
        if let Some(blank) = self.head.take_if(|head| head.end == 0) {
            self.remove_file(Name::Segment(blank.segment))?;
            self.segments.remove(&blank.segment);
        }
        Ok(())
    }

    /// Makes a segment the head that is no larger than what frees space needs; whether there is room for it.
    fn begin_small_segment(&mut self, needed: u64) -> Result<bool, Error> {
        let part = u64::from(self.options.segment_bytes) / SMALL_SEGMENT_PART;
        for capacity in [needed + part, needed] {
            if self.begin_segment(capacity)?.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same with room for a group of `bytes`, behind the one that is the head now.
    pub(super) fn roll_small(&mut self, bytes: u64) -> Result<bool, Error> {
        self.leave_head()?;
        let needed = self.bytes_of_new(bytes);
        self.begin_small_segment(needed)
    }

    /// What groups may take in a head.
    pub(super) fn room_in(&self, head: Head) -> u64 {
        let beginning = if head.end == 0 {
            self.bytes_of_new(0)
        } else {
            0
        };
        u64::from(head.capacity - head.end).saturating_sub(beginning)
    }

    /// What a new segment takes with a group of `bytes`.
    fn bytes_of_new(&self, bytes: u64) -> u64 {
        let inventory = frame_bytes(self.segments.len() * 4) as u64;
        SEGMENT_HEADER_BYTES as u64 + inventory + bytes
    }

    /// Makes a segment the head. The inner error says that the disk is full.
    fn begin_segment(&mut self, capacity: u64) -> Result<Result<(), Error>, Error> {
        let number = self.next_segment;
        let file = Name::Segment(number);
        let capacity_u32 = u32::try_from(capacity);
        let capacity_u32 = capacity_u32.unwrap_or_else(|_| unreachable!("batches are bounded"));
        let made = if self.has_spare {
            self.files.rename(Name::Spare, file)
        } else {
            self.files.create(file)
        };
        if let Err(error) = made {
            return self.refuse_or_fail(file, "making", error).map(Err);
        }
        if !self.has_spare || capacity > u64::from(self.options.segment_bytes) {
            self.has_spare = false;
            if let Err(error) = self.files.allocate(file, capacity) {
                if is_passing(&error) {
                    self.remove_file(file)?;
                }
                return self
                    .refuse_or_fail(file, "reserving room for", error)
                    .map(Err);
            }
        }
        self.has_spare = false;
        if let Err(error) = self.files.sync_directory() {
            return Err(self.fail(Name::Directory, "syncing", error));
        }
        self.next_segment += 1;
        let segment = Segment::new(capacity);
        self.segments.insert(number, segment);
        self.head = Some(Head {
            segment: number,
            end: 0,
            capacity: capacity_u32,
        });
        Ok(Ok(()))
    }

    /// Makes sure that what was committed is on the disk, where commits do not wait for it.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn sync(&mut self) -> Result<(), Error> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let Some(head) = self.head.filter(|_| !self.options.is_synced) else {
            return Ok(());
        };
        let file = Name::Segment(head.segment);
        match self.files.sync_data(file) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(file, "syncing", error)),
        }
    }

    /// Reserves room for the next segment, if there is none yet and the disk has some. Not before
    /// half of the head will be written with another `bytes`: until then a segment may have become
    /// free, which was written before and so is quicker to write than new room.
    pub(super) fn make_spare(&mut self, bytes: u64) -> Result<(), Error> {
        let is_early = self.head.is_some_and(|head| {
            u64::from(head.end) + bytes
                <= u64::from(head.capacity.min(self.options.segment_bytes) / 2)
        });
        if self.has_spare || is_early {
            return Ok(());
        }
        let bytes = u64::from(self.options.segment_bytes);
        let made = self
            .files
            .create(Name::Spare)
            .and_then(|()| self.files.allocate(Name::Spare, bytes));
        match made {
            Ok(()) => {
                self.has_spare = true;
                Ok(())
            }
            Err(error) if is_passing(&error) => self.remove_file(Name::Spare),
            Err(error) => Err(self.fail(Name::Spare, "making", error)),
        }
    }

    pub(super) fn remove_file(&mut self, file: Name) -> Result<(), Error> {
        match self.files.remove(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.fail(file, "removing", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Of a step that changes no bytes of the log: if it failed, nothing is in doubt.
    fn refuse_or_fail(
        &mut self,
        file: Name,
        during: &'static str,
        error: io::Error,
    ) -> Result<Error, Error> {
        if is_full(&error) {
            Ok(full(file, during, error))
        } else if is_exhausted(&error) {
            Ok(Error::Exhausted {
                file,
                during,
                source: Arc::new(error),
            })
        } else {
            Err(self.fail(file, during, error))
        }
    }

    /// The disk failed: from here on nothing is acknowledged.
    pub(super) fn fail(&mut self, file: Name, during: &'static str, error: io::Error) -> Error {
        let failed = Error::Failed {
            file,
            during,
            source: Arc::new(error),
        };
        self.failed = Some(failed.clone());
        failed
    }
}

/// The process or the system has no descriptor or no memory left. That says nothing of the disk, but
/// only where no byte was written: behind a write or a sync it is a failure like any other.
fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

fn is_passing(error: &io::Error) -> bool {
    is_full(error) || is_exhausted(error)
}

fn full(file: Name, during: &'static str, error: io::Error) -> Error {
    Error::Full {
        file,
        during,
        source: Arc::new(error),
    }
}
