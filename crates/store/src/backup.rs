//! Copies a store while a process writes to it.
//!
//! A segment that is not the last one never changes; one that is removed gets another name first,
//! and its number never comes back. So a copy is good if the name is still there when it is done.
//! What has to be copied in one go is only the last segment, up to the commit that the mark named
//! before: what follows may be half written.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::error::Error;
use crate::files::{Files, Name};
use crate::format::{MARK_BYTES, MARK_SLOT_BYTES, Mark, SEGMENT_HEADER_BYTES, Salt, SegmentHeader};
use crate::scan::{Group, Groups};

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackedUp {
    /// The last commit that is in the copy.
    pub commit: u64,
    /// Bytes of the copy.
    pub bytes: u64,
}

/// Copies the store in `source`, which may be in use, into `target`, which holds none: all that was
/// committed when the last segment was copied. `progress` is told how many bytes have been copied
/// so far.
///
/// # Errors
/// If there is no store in `source` or one in `target`, or a file cannot be read or written.
pub fn backup<S: Files, T: Files>(
    source: &mut S,
    target: &mut T,
    progress: &mut dyn FnMut(u64),
) -> Result<BackedUp, Error> {
    target.lock()?;
    let there = target.list();
    let there = there.map_err(|error| failed(Name::Directory, "listing", error))?;
    if there.iter().any(|name| *name != Name::Lock) {
        return Err(Error::NotEmpty);
    }
    let mut backup = Backup {
        source,
        target,
        copied: BTreeSet::new(),
        bytes: 0,
    };
    let done = loop {
        if let Some(done) = backup.round(progress)? {
            break done;
        }
    };
    backup
        .target
        .sync_directory()
        .map_err(|error| failed(Name::Directory, "syncing", error))?;
    Ok(done)
}

struct Backup<'a, S, T> {
    source: &'a mut S,
    target: &'a mut T,
    /// Segments that the target has as a whole.
    copied: BTreeSet<u32>,
    bytes: u64,
}

impl<S: Files, T: Files> Backup<'_, S, T> {
    /// Copies what is missing. Nothing is returned if the source has changed too much meanwhile.
    fn round(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Option<BackedUp>, Error> {
        let segments = self.segments()?;
        let Some((last, closed)) = segments.split_last() else {
            let mark = self.mark()?.ok_or(Error::NoStore)?;
            return self.end(mark).map(Some);
        };
        let mut is_stable = true;
        for number in closed {
            if self.copied.contains(number) {
                continue;
            }
            is_stable = false;
            if let Some(bytes) = self.read(*number)? {
                self.write(*number, &bytes)?;
                self.copied.insert(*number);
                progress(self.bytes);
            }
        }
        // Those that are gone buried others, or were buried: all of them go, or none.
        for number in self.copied.clone() {
            if !segments.contains(&number) {
                self.copied.remove(&number);
                let file = Name::Segment(number);
                let removed = self.target.remove(file);
                removed.map_err(|error| failed(file, "removing", error))?;
            }
        }
        if !is_stable {
            return Ok(None);
        }
        // A removal is done only when the mark is behind the commit that announced it.
        let mark = self.mark()?.ok_or(Error::NoStore)?;
        let Some(mut bytes) = self.read(*last)? else {
            return Ok(None);
        };
        if !self.segments()?.contains(last) {
            return Ok(None);
        }
        bytes.truncate(end_of(&bytes, *last, mark));
        if bytes.len() > SEGMENT_HEADER_BYTES {
            self.write(*last, &bytes)?;
        }
        progress(self.bytes);
        self.end(mark).map(Some)
    }

    fn end(&mut self, mark: Mark) -> Result<BackedUp, Error> {
        let file = Name::Mark;
        let slot = mark.sequence % 2 * MARK_SLOT_BYTES;
        let written = self.target.create(file);
        let written = written.and_then(|()| self.target.allocate(file, 2 * MARK_SLOT_BYTES));
        let written = written.and_then(|()| self.target.write_at(file, slot, &mark.write()));
        let written = written.and_then(|()| self.target.sync_data(file));
        written.map_err(|error| failed(file, "writing", error))?;
        Ok(BackedUp {
            commit: mark.sequence,
            bytes: self.bytes,
        })
    }

    fn segments(&mut self) -> Result<Vec<u32>, Error> {
        let names = self.source.list();
        let names = names.map_err(|source| unreadable(Name::Directory, source))?;
        let number = |name: &Name| match name {
            Name::Segment(number) => Some(*number),
            Name::Lock | Name::Mark | Name::Spare | Name::Directory => None,
        };
        Ok(names.iter().filter_map(number).collect())
    }

    fn mark(&mut self) -> Result<Option<Mark>, Error> {
        let mut bytes = vec![0; MARK_SLOT_BYTES as usize + MARK_BYTES];
        match self.source.read_at(Name::Mark, 0, &mut bytes) {
            Ok(read) => bytes.truncate(read),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(Name::Mark, error)),
        }
        let second = bytes.get(MARK_SLOT_BYTES as usize..).unwrap_or_default();
        let marks = [Mark::read(&bytes), Mark::read(second)];
        Ok(marks.into_iter().flatten().max_by_key(|mark| mark.sequence))
    }

    /// A segment, unless it has gone meanwhile.
    fn read(&mut self, number: u32) -> Result<Option<Vec<u8>>, Error> {
        let file = Name::Segment(number);
        let length = match self.source.length(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            length => length.map_err(|error| unreadable(file, error))?,
        };
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        match self.source.read_at(file, 0, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => bytes.truncate(read.map_err(|error| unreadable(file, error))?),
        }
        // Its file may have been used again while it was read.
        Ok(self.segments()?.contains(&number).then_some(bytes))
    }

    fn write(&mut self, number: u32, bytes: &[u8]) -> Result<(), Error> {
        let file = Name::Segment(number);
        let written = self.target.create(file);
        let written = written.and_then(|()| self.target.write_at(file, 0, bytes));
        let written = written.and_then(|()| self.target.sync_data(file));
        written.map_err(|error| failed(file, "writing", error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Where the last commit ends that the mark covers.
fn end_of(bytes: &[u8], number: u32, mark: Mark) -> usize {
    let header = SegmentHeader::read(bytes).filter(|header| header.segment == number);
    let store = header.map_or(mark.store, |header| header.store);
    let mut groups = Groups::new(bytes, Salt::new(store, number));
    let (mut group, mut end) = (Group::default(), 0);
    while groups.next(&mut group) {
        // One that does not say its number is half written, unless one that counts follows.
        match group.sequence {
            Some(sequence) if sequence > mark.sequence => break,
            Some(_) => end = group.end,
            None => {}
        }
    }
    end
}

fn unreadable(file: Name, error: io::Error) -> Error {
    Error::Unreadable {
        file,
        source: Arc::new(error),
    }
}

fn failed(file: Name, during: &'static str, error: io::Error) -> Error {
    Error::Failed {
        file,
        during,
        source: Arc::new(error),
    }
}
