//! Opens a log: reads what is there, cuts a torn end off, reports what is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, Range};

use super::clean::Cleaning;
use super::{Log, Options, Progress, Recovered, Segment, Stats};
use crate::batch::Position;
use crate::error::{Damage, Error, Loss};
use crate::files::{Files, Name};
use crate::format::{
    Frame, Kind, MARK_SLOT_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION, read_u32, read_u64,
};
use crate::index::{Index, Place};
use crate::scan::{Group, Groups};
use crate::walk::read_mark;

impl<F: Files> Log<F> {
    /// Opens the log in a directory, or makes one there, and says what it found.
    ///
    /// Takes time in proportion to the size of the log, which is at most about twice what is live.
    /// The directory is locked until the log is dropped.
    ///
    /// # Errors
    /// If another process has the directory, a file cannot be read or changed, or the files are
    /// not of one store of a known version. Damage is no error.
    pub fn open(
        files: F,
        options: Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, Recovered), Error> {
        Self::open_unless(files, options, &mut |at| {
            progress(at);
            ControlFlow::Continue(())
        })
    }

    /// The same, until `progress` says that it is no longer wanted. What was begun is finished when
    /// the log is opened the next time.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Error::Stopped`].
    pub fn open_unless(
        mut files: F,
        options: Options,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Self, Recovered), Error> {
        files.lock()?;
        Recovery::new(files, options, false).run(progress)
    }

    /// Opens the log in a directory that no process uses, and changes nothing there: neither is a
    /// torn end cut off, nor can anything be committed ([`Error::ReadOnly`]).
    ///
    /// # Errors
    /// If there is none, another process has the directory, a file cannot be read, or the files are
    /// not of one store of a known version. Damage is no error.
    pub fn open_read_only(
        mut files: F,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, Recovered), Error> {
        files.lock()?;
        Recovery::new(files, Options::new(0), true).run(&mut |at| {
            progress(at);
            ControlFlow::Continue(())
        })
    }
}

impl<F: Files> Recovery<F> {
    pub(super) fn new(files: F, options: Options, is_read_only: bool) -> Self {
        let log = Log {
            files,
            options,
            segments: BTreeMap::new(),
            index: Index::default(),
            head: None,
            has_spare: false,
            next_segment: 1,
            next_position: 0,
            commit: 0,
            failed: is_read_only.then_some(Error::ReadOnly),
            full: None,
            cleaning: Cleaning::default(),
            has_damage: false,
            damage: Vec::new(),
            stats: Stats::default(),
            out: Vec::new(),
            staged: Vec::new(),
        };
        Self {
            log,
            is_read_only,
            found: Recovered::default(),
            lost: BTreeMap::new(),
            inventory: BTreeSet::new(),
            hollow: BTreeSet::new(),
            marked: 0,
            is_gap_known: true,
        }
    }
}

/// What is given up at once if a disk cannot read it.
const SECTOR_BYTES: usize = 4096;

pub(super) struct Recovery<F> {
    pub(super) log: Log<F>,
    is_read_only: bool,
    pub(super) found: Recovered,
    /// Records whose bytes are damaged and that no later frame has moved or released.
    pub(super) lost: BTreeMap<u64, Damage>,
    /// Segments that should be there.
    inventory: BTreeSet<u32>,
    /// Segments that are there, before the last one, and of which nothing can be read.
    hollow: BTreeSet<u32>,
    /// The last commit that the mark says is durable.
    pub(super) marked: u64,
    /// Whether it is known why the next commit may have any number: a segment was removed there, or
    /// what is there is damaged.
    is_gap_known: bool,
}

/// What is to be done with the end of the last segment.
struct End {
    /// Where the last commit ends.
    cut: usize,
    /// Whether something that was never durable follows.
    is_torn: bool,
    /// The first commit of which the mark does not say that it is durable.
    unproved: Option<usize>,
}

impl<F: Files> Recovery<F> {
    fn run(
        mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Log<F>, Recovered), Error> {
        let names = self.log.files.list();
        let names = names.map_err(|e| Error::unreadable(Name::Directory, e))?;
        let mut numbers = Vec::new();
        for name in &names {
            if let Name::Segment(number) = name {
                numbers.push(*number);
            }
        }
        if self.is_read_only && numbers.is_empty() && !names.contains(&Name::Mark) {
            return Err(Error::NoStore);
        }
        self.identify(&numbers)?;
        let total = self.total_bytes(&numbers)?;
        let mut done = 0;
        let mut bytes = Vec::new();
        let last = self.last_begun(&numbers, &mut bytes)?;
        for number in &numbers {
            self.load(*number, &mut bytes)?;
            // What follows has only just been made.
            let is_last = *number >= last;
            self.segment(*number, &bytes, is_last)?;
            done += bytes.len() as u64;
            let at = Progress {
                bytes: done,
                bytes_total: total,
                records: self.log.index.len(),
            };
            if progress(at).is_break() {
                return Err(Error::Stopped);
            }
        }
        self.finish(&numbers)?;
        Ok((self.log, self.found))
    }

    /// The last segment that anything was written to. The name of one that found no room on the disk,
    /// and was removed, may be there after a loss of power: nothing can be concluded from it.
    fn last_begun(&mut self, numbers: &[u32], bytes: &mut Vec<u8>) -> Result<u32, Error> {
        for number in numbers.iter().rev() {
            let mut header = [0; SEGMENT_HEADER_BYTES];
            let read = self
                .log
                .files
                .read_at(Name::Segment(*number), 0, &mut header);
            let header = read.ok().and_then(|_| SegmentHeader::read(&header));
            let store = self.log.options.store;
            if header.is_some_and(|h| h.segment == *number && h.store == store) {
                return Ok(*number);
            }
            // What cannot be read is reported when the segment is.
            let reported = self.found.damage.len();
            self.load(*number, bytes)?;
            self.found.damage.truncate(reported);
            if Groups::new(bytes, self.log.salt(*number)).next(&mut Group::default()) {
                return Ok(*number);
            }
        }
        Ok(0)
    }

    /// Finds out which store this is, and how far it got.
    pub(super) fn identify(&mut self, numbers: &[u32]) -> Result<(), Error> {
        let mut store = None;
        if let Some(mark) = read_mark(&mut self.log.files)? {
            self.marked = mark.sequence;
            store = Some(mark.store);
        }
        for number in numbers {
            let file = Name::Segment(*number);
            let mut bytes = [0; SEGMENT_HEADER_BYTES];
            if self.log.files.read_at(file, 0, &mut bytes).is_err() {
                continue;
            }
            // A file that was used again still has the header of what it was.
            let header = SegmentHeader::read(&bytes).filter(|h| h.segment == *number);
            let Some(header) = header else {
                continue;
            };
            if header.version != VERSION {
                return Err(Error::Version {
                    file,
                    found: header.version,
                    known: VERSION,
                });
            }
            match store {
                Some(wanted) if wanted != header.store => {
                    return Err(Error::Mixed {
                        file,
                        found: header.store,
                        wanted,
                    });
                }
                Some(_) | None => store = Some(header.store),
            }
        }
        if let Some(store) = store {
            self.log.options.store = store;
        }
        Ok(())
    }

    fn total_bytes(&mut self, numbers: &[u32]) -> Result<u64, Error> {
        let mut total = 0;
        for number in numbers {
            let file = Name::Segment(*number);
            total += self
                .log
                .files
                .length(file)
                .map_err(|e| Error::unreadable(file, e))?;
        }
        Ok(total)
    }

    fn load(&mut self, number: u32, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let file = Name::Segment(number);
        let length = self.log.files.length(file);
        let length = length.map_err(|e| Error::unreadable(file, e))?;
        bytes.clear();
        bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        if let Ok(read) = self.log.files.read_at(file, 0, bytes) {
            bytes.truncate(read);
            return Ok(());
        }
        // A sector that cannot be read costs what it held, like one that was changed.
        for (at, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
            let offset = at * SECTOR_BYTES;
            if self.log.files.read_at(file, offset as u64, sector).is_err() {
                sector.fill(0);
                let gone = offset..offset + sector.len();
                self.found
                    .damage
                    .push(damage(number, gone, Loss::Unreadable));
            }
        }
        Ok(())
    }

    pub(super) fn segment(
        &mut self,
        number: u32,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), Error> {
        let salt = self.log.salt(number);
        let segment = Segment::new(bytes.len() as u64);
        self.log.segments.insert(number, segment);
        self.is_gap_known |= self.log.next_segment != number;
        self.log.next_segment = number + 1;
        let mut end = End {
            cut: 0,
            is_torn: false,
            unproved: None,
        };
        let mut groups = Groups::new(bytes, salt);
        let (mut group, mut next) = (Group::default(), Group::default());
        let mut has_group = groups.next(&mut group);
        while has_group {
            let has_next = groups.next(&mut next);
            let sequence = group.sequence.unwrap_or(self.found.commit + 1);
            // A group is begun only when the one before it has been synced.
            let is_proved = !is_last || has_next || sequence <= self.marked;
            if !group.is_whole && !is_proved {
                self.found.torn_bytes = (group.end - group.start) as u64;
                end.is_torn = true;
                break;
            }
            self.group(number, bytes, &group, sequence);
            end.cut = group.end;
            if is_last && sequence > self.marked && end.unproved.is_none() {
                end.unproved = Some(group.start);
            }
            std::mem::swap(&mut group, &mut next);
            has_group = has_next;
        }
        let header = SegmentHeader::read(bytes).filter(|h| h.segment == number);
        if header.is_none() && end.cut > 0 {
            self.report(number, 0..SEGMENT_HEADER_BYTES, Loss::Header);
        }
        if end.cut == 0 && !is_last {
            self.hollow.insert(number);
        }
        if is_last {
            self.settle_end(number, bytes, &end)?;
        }
        Ok(())
    }

    fn group(&mut self, number: u32, bytes: &[u8], group: &Group, sequence: u64) {
        if sequence > self.found.commit + 1 && !self.is_gap_known {
            self.missing(number, group.start, sequence - 1);
        }
        self.found.commit = self.found.commit.max(sequence);
        self.is_gap_known = !group.is_whole;
        self.log.next_position = self.log.next_position.max(group.next_position);
        for gap in &group.gaps {
            self.report(number, gap.clone(), Loss::Frames);
        }
        if group.sequence.is_none() && group.gaps.is_empty() {
            // Its first frame has a header that can be read and is among the frames.
            self.is_gap_known = true;
        }
        for frame in &group.frames {
            self.frame(number, bytes, frame);
        }
    }

    fn frame(&mut self, number: u32, bytes: &[u8], frame: &Frame) {
        let body = bytes.get(frame.body.clone()).unwrap_or_default();
        match (frame.kind, frame.is_sound) {
            (Kind::Record | Kind::Moved, is_sound) => {
                self.log.next_position = self.log.next_position.max(frame.position + 1);
                if is_sound {
                    let place = Place {
                        segment: number,
                        offset: frame.offset as u32,
                        length: frame.length(),
                    };
                    self.log.settle(frame.position, place);
                    self.lost.remove(&frame.position);
                } else if !self.log.is_live(Position::new(frame.position)) {
                    let loss = Loss::Record(Position::new(frame.position));
                    self.lost
                        .insert(frame.position, damage(number, range(frame), loss));
                } else {
                    // It was moved, and the place where it was is still there.
                    self.report(number, range(frame), Loss::Frames);
                }
            }
            (Kind::Released, true) => {
                for position in body.chunks_exact(8).filter_map(|p| read_u64(p, 0)) {
                    self.log.unsettle(position, number);
                    if let Some(dead) = self.lost.remove(&position) {
                        if let Name::Segment(dead) = dead.file {
                            self.log.bury(number, dead);
                        }
                        let loss = Loss::Released(Position::new(position));
                        self.found.damage.push(Damage { loss, ..dead });
                    }
                }
            }
            (Kind::Inventory, true) => {
                self.inventory = body
                    .chunks_exact(4)
                    .filter_map(|n| read_u32(n, 0))
                    .collect();
            }
            (Kind::Removed, true) => {
                for removed in body.chunks_exact(4).filter_map(|n| read_u32(n, 0)) {
                    self.inventory.remove(&removed);
                }
            }
            (Kind::Group, _) | (Kind::Released | Kind::Inventory | Kind::Removed, false) => {
                self.report(number, range(frame), Loss::Frames);
            }
        }
    }

    fn report(&mut self, number: u32, bytes: Range<usize>, loss: Loss) {
        self.found.damage.push(damage(number, bytes, loss));
    }

    /// Reports that the commits up to `last` are not there.
    fn missing(&mut self, number: u32, offset: usize, last: u64) {
        let first = self.found.commit + 1;
        self.report(number, offset..offset, Loss::Commits { first, last });
    }

    /// Cuts off what was never durable, and makes sure of what is there.
    fn settle_end(&mut self, number: u32, bytes: &[u8], end: &End) -> Result<(), Error> {
        let file = Name::Segment(number);
        if end.cut == 0 && self.marked <= self.found.commit {
            // A segment that had only just been made.
            self.log.segments.remove(&number);
            self.log.next_segment = number;
            if self.is_read_only {
                return Ok(());
            }
            let removed = self.log.files.remove(file);
            removed.map_err(|e| Error::failed(file, "removing", e))?;
            let synced = self.log.files.sync_directory();
            return synced.map_err(|e| Error::failed(Name::Directory, "syncing", e));
        }
        if self.is_read_only {
            return Ok(());
        }
        if let Some(from) = end.unproved {
            // After a sync that failed, the system may show bytes that are not on the disk and
            // take them for written. Writing them again makes it write them.
            let from = if from == SEGMENT_HEADER_BYTES {
                0
            } else {
                from
            };
            for piece in self.readable(file, from..end.cut) {
                let rest = bytes.get(piece.clone()).unwrap_or_default();
                let written = self.log.files.write_at(file, piece.start as u64, rest);
                written.map_err(|e| Error::failed(file, "writing", e))?;
            }
        }
        // What was durable and cannot be read is left to those who know how to read it.
        let is_lost = self.marked > self.found.commit && !end.is_torn;
        if bytes.len() > end.cut && !is_lost {
            let cut = self.log.files.truncate(file, end.cut as u64);
            cut.map_err(|e| Error::failed(file, "cutting", e))?;
            if let Some(segment) = self.log.segments.get_mut(&number) {
                segment.file_bytes = end.cut as u64;
            }
        }
        let synced = self.log.files.sync_data(file);
        synced.map_err(|e| Error::failed(file, "syncing", e))?;
        // The name may be as new as the bytes.
        let synced = self.log.files.sync_directory();
        synced.map_err(|e| Error::failed(Name::Directory, "syncing", e))
    }

    /// What of a range of a file could be read. For the rest there is nothing to write: zeros would take
    /// the place of what a disk may be able to read another time.
    fn readable(&self, file: Name, range: Range<usize>) -> Vec<Range<usize>> {
        let (mut pieces, mut from) = (Vec::new(), range.start);
        // In the order in which they were met.
        for gone in &self.found.damage {
            if gone.file != file || gone.loss != Loss::Unreadable {
                continue;
            }
            let start = (gone.offset as usize).min(range.end);
            if from < start {
                pieces.push(from..start);
            }
            from = from.max((gone.offset + gone.bytes) as usize);
        }
        if from < range.end {
            pieces.push(from..range.end);
        }
        pieces
    }

    pub(super) fn finish(&mut self, numbers: &[u32]) -> Result<(), Error> {
        if self.marked > self.found.commit {
            let (first, last) = (self.found.commit + 1, self.marked);
            let segment = numbers.last().copied();
            let at = segment.and_then(|number| self.log.segments.get(&number));
            self.found.damage.push(Damage {
                file: segment.map_or(Name::Directory, Name::Segment),
                offset: at.map_or(0, |s| s.file_bytes),
                bytes: 0,
                loss: Loss::Commits { first, last },
            });
        }
        for missing in &self.inventory {
            if !numbers.contains(missing) {
                let gone = damage(*missing, 0..0, Loss::File);
                self.found.damage.push(gone);
            } else if self.hollow.contains(missing) {
                let segment = self.log.segments.get(missing);
                let bytes = segment.map_or(0, |s| s.file_bytes) as usize;
                let gone = damage(*missing, 0..bytes, Loss::Segment);
                self.found.damage.push(gone);
            }
        }
        self.found.damage.extend(self.lost.values().cloned());
        self.log.has_damage = !self.found.damage.is_empty();
        self.found.records = self.log.index.len();
        self.log.commit = self.found.commit.max(self.marked);
        if self.is_read_only {
            return Ok(());
        }
        self.prepare_files()
    }

    /// Makes the files that have to be there before the first commit.
    fn prepare_files(&mut self) -> Result<(), Error> {
        let files = &mut self.log.files;
        // Its length and content are of no account: what it holds may be what it was before.
        match files.remove(Name::Spare) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Error::failed(Name::Spare, "removing", e));
            }
            Ok(()) | Err(_) => {}
        }
        if files.length(Name::Mark).is_err() {
            let made = files.create(Name::Mark);
            made.map_err(|e| Error::failed(Name::Mark, "making", e))?;
        }
        // What has its room needs none of a disk that is full.
        if files.length(Name::Mark).unwrap_or(0) < 2 * MARK_SLOT_BYTES {
            let room = files.allocate(Name::Mark, 2 * MARK_SLOT_BYTES);
            room.map_err(|e| Error::failed(Name::Mark, "reserving room for", e))?;
        }
        self.log.write_mark()?;
        let files = &mut self.log.files;
        let synced = files.sync_data(Name::Mark);
        synced.map_err(|e| Error::failed(Name::Mark, "syncing", e))?;
        let synced = files.sync_directory();
        synced.map_err(|e| Error::failed(Name::Directory, "syncing", e))
    }
}

fn range(frame: &Frame) -> Range<usize> {
    frame.offset..frame.end()
}

fn damage(number: u32, bytes: Range<usize>, loss: Loss) -> Damage {
    Damage {
        file: Name::Segment(number),
        offset: bytes.start as u64,
        bytes: bytes.len() as u64,
        loss,
    }
}
