//! The engine: one log in one directory, on the caller's thread.

mod adopt;
mod clean;
mod commit;
mod fetch;
mod live;
mod press;
mod recover;

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::Position;
use crate::error::{Damage, Error, Loss};
use crate::files::{Files, Name};
use crate::format::{
    FRAME_HEADER_BYTES, Kind, SEGMENT_HEADER_BYTES, Salt, frame_bytes, read_frame,
};
use crate::index::{Index, Place};

/// How a log is laid out and how hard it works on its space.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a segment is. A log takes at least two of them.
    pub segment_bytes: u32,
    /// The most that one batch may take on disk, up to 3.5 GiB.
    pub batch_bytes_max: u32,
    /// How much is written and synced in one piece, if no single batch is larger.
    pub group_bytes_max: u32,
    /// The least that is moved in one step while space is being reclaimed.
    pub step_bytes: u32,
    /// Whether a commit waits until the disk has it. Without, what is committed survives the end of
    /// the process, however it ends, but not that of the machine: a loss of power may cost the
    /// latest commits. Segments are synced all the same when they are full, and before one is
    /// removed, so that it costs no more than those.
    pub is_synced: bool,
    /// A random number that a new store is known by. Bytes of a store with another number are
    /// never taken for this one's.
    pub store: u64,
}

impl Options {
    /// The usual layout, for a new store known by the random number `store`.
    #[must_use]
    pub const fn new(store: u64) -> Self {
        Self {
            segment_bytes: 32 << 20,
            batch_bytes_max: 7 << 29,
            group_bytes_max: 8 << 20,
            step_bytes: 256 << 10,
            is_synced: true,
            store,
        }
    }
}

/// How far the opening of a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that have been read.
    pub bytes: u64,
    /// Bytes that there are.
    pub bytes_total: u64,
    /// Records found so far that are live.
    pub records: u64,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Live records.
    pub records: u64,
    /// The last commit that is there.
    pub commit: u64,
    /// Bytes of a commit that was never acknowledged, which were cut off.
    pub torn_bytes: u64,
    /// What is damaged, and what it costs.
    pub damage: Vec<Damage>,
}

/// What a commit did with each batch, in order.
#[derive(Debug, Default)]
pub struct Committed {
    /// The position of each batch's first record, or why the batch was refused. Further records
    /// have the positions after it. All of it is durable.
    pub batches: Vec<Result<Position, Error>>,
}

/// What a log takes and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Live records.
    pub records: u64,
    /// Bytes on disk of live records.
    pub live_bytes: u64,
    /// Bytes of all segments, the room ahead in the current one included.
    pub disk_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// The last durable commit.
    pub commit: u64,
    /// Bytes written since the log was opened.
    pub written_bytes: u64,
    /// Bytes of live records that were moved since the log was opened.
    pub moved_bytes: u64,
    /// Whether no more space is reclaimed until the log is opened again, because the disk could not
    /// read a record that was to be moved.
    pub is_cleaning_stopped: bool,
    /// Segments that were removed or used again since the log was opened.
    pub segments_removed: u64,
}

/// An append-only log of opaque records.
///
/// Nothing here waits except for the disk, and nothing depends on time: the same calls on the same
/// files write the same bytes.
#[derive(Debug)]
pub struct Log<F> {
    files: F,
    options: Options,
    segments: BTreeMap<u32, Segment>,
    index: Index,
    /// The segment that is being written.
    head: Option<Head>,
    /// Whether there is room for the next segment.
    has_spare: bool,
    next_segment: u32,
    next_position: u64,
    /// The last durable commit.
    commit: u64,
    failed: Option<Error>,
    /// The last commit found no room, so there is no point in trying on one's own account.
    full: Option<Error>,
    cleaning: clean::Cleaning,
    /// Whether there are segments with damage that was found when the log was opened.
    has_damage: bool,
    /// Damage that was found while the log was open.
    damage: Vec<Damage>,
    stats: Stats,
    out: Vec<u8>,
    staged: Vec<(u64, Place)>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    segment: u32,
    /// Where the next group starts; 0 in a segment without its header.
    end: u32,
    /// How much room there is.
    capacity: u32,
}

#[derive(Debug)]
struct Segment {
    file_bytes: u64,
    live_bytes: u64,
    live_records: u64,
    /// Segments that hold records which frames in this one release or supersede. This one has to
    /// stay until they are gone, or those records would come back.
    buries: BTreeSet<u32>,
}

impl Segment {
    const fn new(file_bytes: u64) -> Self {
        Self {
            file_bytes,
            live_bytes: 0,
            live_records: 0,
            buries: BTreeSet::new(),
        }
    }
}

impl<F: Files> Log<F> {
    /// Reads a record.
    ///
    /// # Errors
    /// If it is not live, cannot be read, or is not what was written.
    pub fn fetch(&mut self, position: Position) -> Result<Vec<u8>, Error> {
        let mut found = Err(Error::NotLive(position));
        self.fetch_all(&[position], |_, record| found = record);
        found
    }

    /// Hands out up to `limit` live records from position `from` on, in order, and returns the
    /// position to go on from. Records that are damaged are passed over and
    /// [reported](Self::take_damage).
    ///
    /// # Errors
    /// If a file cannot be read at all.
    pub fn replay(
        &mut self,
        from: Position,
        limit: usize,
        mut each: impl FnMut(Position, &[u8]),
    ) -> Result<Option<Position>, Error> {
        let from = from.value();
        let due: Vec<(u64, Place)> = self.index.from(from).take(limit.max(1)).collect();
        let mut windows = Windows::default();
        for (position, place) in &due {
            let salt = self.salt(place.segment);
            let frame = windows.frame(&mut self.files, *place)?;
            match record_in(frame, salt, *position, *place) {
                Some(record) => each(Position::new(*position), record),
                None => self.note_damage(*position, *place),
            }
        }
        Ok(due.last().map(|(last, _)| Position::new(last + 1)))
    }

    /// Whether a record is live.
    #[must_use]
    pub fn is_live(&self, position: Position) -> bool {
        self.index.get(position.value()).is_some()
    }

    /// Why nothing is acknowledged any more, if so.
    #[must_use]
    pub const fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// Damage that was found since the log was opened, or since the last call.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }

    /// What the log takes and has done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            records: self.index.len(),
            live_bytes: self.live_bytes(),
            disk_bytes: self.disk_bytes(),
            segments: self.segments.len() as u64,
            commit: self.commit,
            is_cleaning_stopped: self.cleaning.has_stopped(),
            ..self.stats
        }
    }

    /// Gives the files back, unlocked when they are dropped. What was reported durable is durable;
    /// there is nothing else to do at the end.
    #[must_use]
    pub fn close(self) -> F {
        self.files
    }

    fn live_bytes(&self) -> u64 {
        self.segments.values().map(|s| s.live_bytes).sum()
    }

    fn disk_bytes(&self) -> u64 {
        self.segments.values().map(|s| s.file_bytes).sum()
    }

    fn salt(&self, segment: u32) -> Salt {
        Salt::new(self.options.store, segment)
    }

    /// Reads the frame of a record, its header included.
    fn read(&mut self, position: u64, place: Place, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let file = Name::Segment(place.segment);
        bytes.clear();
        bytes.resize(FRAME_HEADER_BYTES + place.length as usize, 0);
        let read = self.files.read_at(file, u64::from(place.offset), bytes);
        let read = read.map_err(|source| Error::unreadable(file, source))?;
        bytes.truncate(read);
        let salt = self.salt(place.segment);
        match record_in(bytes, salt, position, place) {
            Some(_) => Ok(()),
            None => Err(damaged_record(position, place).into()),
        }
    }

    fn note_damage(&mut self, position: u64, place: Place) {
        let damage = damaged_record(position, place);
        if !self.damage.contains(&damage) {
            self.damage.push(damage);
        }
    }

    /// Takes a record out of the accounts of its segment.
    fn uncount(&mut self, place: Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.live_bytes -= frame_bytes(place.length as usize) as u64;
            segment.live_records -= 1;
        }
    }

    fn count(&mut self, place: Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.live_bytes += frame_bytes(place.length as usize) as u64;
            segment.live_records += 1;
        }
    }

    /// Notes that a record lies at `place` now.
    fn settle(&mut self, position: u64, place: Place) {
        self.count(place);
        if let Some(old) = self.index.insert(position, place) {
            self.uncount(old);
            self.bury(place.segment, old.segment);
        }
    }

    /// The same for many records that lie in one segment.
    fn settle_all(&mut self, records: &[(u64, Place)]) {
        let mut moved = Vec::new();
        self.index
            .insert_all(records, |place, old| moved.push((place, old)));
        if let Some((_, place)) = records.first()
            && let Some(segment) = self.segments.get_mut(&place.segment)
        {
            let bytes = |(_, place): &(u64, Place)| frame_bytes(place.length as usize) as u64;
            segment.live_bytes += records.iter().map(bytes).sum::<u64>();
            segment.live_records += records.len() as u64;
        }
        for (place, old) in moved {
            self.uncount(old);
            self.bury(place.segment, old.segment);
        }
    }

    /// Notes that a frame in segment `by` releases records, of which some may not be live.
    fn unsettle_all(&mut self, positions: &[Position], by: u32) {
        // By segment; most of what is released together was written together.
        let mut gone: Vec<(u32, u64, u64)> = Vec::new();
        self.index.remove_all(positions, |place| {
            let bytes = frame_bytes(place.length as usize) as u64;
            match gone.last_mut() {
                Some((segment, all_bytes, records)) if *segment == place.segment => {
                    *all_bytes += bytes;
                    *records += 1;
                }
                Some(_) | None => gone.push((place.segment, bytes, 1)),
            }
        });
        for (number, bytes, records) in gone {
            if let Some(segment) = self.segments.get_mut(&number) {
                segment.live_bytes -= bytes;
                segment.live_records -= records;
            }
            self.bury(by, number);
        }
    }

    /// Notes that a frame in segment `by` releases a record. Returns whether it was live.
    fn unsettle(&mut self, position: u64, by: u32) -> bool {
        let Some(place) = self.index.remove(position) else {
            return false;
        };
        self.uncount(place);
        self.bury(by, place.segment);
        true
    }

    fn bury(&mut self, by: u32, segment: u32) {
        if by != segment
            && let Some(by) = self.segments.get_mut(&by)
        {
            by.buries.insert(segment);
        }
    }
}

/// The record in a frame, if the frame is what was written there.
fn record_in(frame: &[u8], salt: Salt, position: u64, place: Place) -> Option<&[u8]> {
    let found = read_frame(frame, place.offset as usize, 0, salt)?;
    let is_it = found.is_sound
        && found.position == position
        && matches!(found.kind, Kind::Record | Kind::Moved);
    frame.get(found.body).filter(|_| is_it)
}

fn damaged_record(position: u64, place: Place) -> Damage {
    Damage {
        file: Name::Segment(place.segment),
        offset: u64::from(place.offset),
        bytes: frame_bytes(place.length as usize) as u64,
        loss: Loss::Record(Position::new(position)),
    }
}

/// Pieces of segments that were read ahead: records in order of position mostly follow each other,
/// and those that were moved follow each other elsewhere.
#[derive(Default)]
struct Windows {
    open: BTreeMap<u32, (u64, Vec<u8>)>,
}

impl Windows {
    const BYTES: usize = 256 << 10;
    const OPEN_MAX: usize = 8;

    /// The bytes of a frame, fewer if the file ends.
    fn frame<F: Files>(&mut self, files: &mut F, place: Place) -> Result<&[u8], Error> {
        let length = FRAME_HEADER_BYTES + place.length as usize;
        let offset = u64::from(place.offset);
        let is_there = self.open.get(&place.segment).is_some_and(|(start, bytes)| {
            *start <= offset && offset + length as u64 <= start + bytes.len() as u64
        });
        if !is_there {
            if self.open.len() >= Self::OPEN_MAX && !self.open.contains_key(&place.segment) {
                self.open.pop_first();
            }
            let (start, bytes) = self.open.entry(place.segment).or_default();
            *start = offset;
            bytes.resize(length.max(Self::BYTES), 0);
            let file = Name::Segment(place.segment);
            let read = files.read_at(file, offset, bytes).or_else(|_| {
                // What the disk cannot read may lie behind this record.
                bytes.truncate(length);
                files.read_at(file, offset, bytes)
            });
            if read.is_err() {
                bytes.clear();
            }
            bytes.truncate(read.map_err(|source| Error::unreadable(file, source))?);
        }
        let Some((start, bytes)) = self.open.get(&place.segment) else {
            return Ok(&[]);
        };
        let from = (offset - start) as usize;
        Ok(bytes
            .get(from..(from + length).min(bytes.len()))
            .unwrap_or_default())
    }
}

const _: () = assert!(SEGMENT_HEADER_BYTES.is_multiple_of(crate::format::ALIGNMENT));
