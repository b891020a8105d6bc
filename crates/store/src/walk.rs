//! Reads the segments of a store while a process writes to it.
//!
//! A segment that is not the last one never changes; one that is removed gets another name first,
//! and its number never comes back. So what was read is good if the name is still there afterwards.
//! What has to be read in one go is only the last segment, up to the last group that is whole: what
//! follows may be half written. The mark alone does not tell: it is not synced, so where the power
//! has gone it may name an older commit than the last one that is on the disk.
//!
//! The last segment is the last that was begun. The file of another one may be there that finds no
//! room and goes again; nothing is in it, and the segment before it is written on.

use std::collections::BTreeSet;
use std::io;

use crate::error::Error;
use crate::files::{Files, Name};
use crate::format::{MARK_BYTES, MARK_SLOT_BYTES, Mark, SEGMENT_HEADER_BYTES, Salt, SegmentHeader};
use crate::scan::{Group, Groups};

/// Segments that a process may be writing, and what has been read of them.
pub(crate) struct Walk {
    /// Those that were read as a whole and were still there.
    read: BTreeSet<u32>,
    /// How often the last one was read while it was being written.
    torn: usize,
}

/// A last segment is read so often at most. What is torn then is damaged, and not being written.
const TORN_READS_MAX: usize = 8;

/// What comes next.
pub(crate) enum Step {
    /// A segment that does not change any more.
    Closed(u32, Vec<u8>),
    /// A segment that was read is gone: all that lived there lives in others that are still to come,
    /// or no more.
    Gone(u32),
    /// All has been read: the last segment up to its last group that is whole, if there is any, and
    /// the commit of that.
    End(Option<(u32, Vec<u8>)>, Mark),
}

impl Walk {
    pub(crate) const fn new() -> Self {
        Self {
            read: BTreeSet::new(),
            torn: 0,
        }
    }

    /// Reads on. To be called until it says [`Step::End`].
    pub(crate) fn next(&mut self, files: &mut impl Files) -> Result<Step, Error> {
        loop {
            let there = segments(files)?;
            if let Some(gone) = self.read.iter().find(|of| !there.contains(of)).copied() {
                self.read.remove(&gone);
                return Ok(Step::Gone(gone));
            }
            let last = last_begun(files, &there)?;
            let mut closed = there.iter().take_while(|of| Some(**of) != last);
            if let Some(number) = closed.find(|of| last.is_some() && !self.read.contains(of)) {
                if let Some(bytes) = read(files, *number)? {
                    self.read.insert(*number);
                    return Ok(Step::Closed(*number, bytes));
                }
                continue;
            }
            // A removal is done only when the mark is behind the commit that announced it.
            let mark = read_mark(files)?;
            // And it may speak of commits in a segment that was begun meanwhile.
            let there = segments(files)?;
            if last_begun(files, &there)? != last {
                continue;
            }
            let Some(last) = last else {
                return Ok(Step::End(None, mark.ok_or(Error::NoStore)?));
            };
            if let Some(mut bytes) = read(files, last)? {
                let found = end_of(&bytes, last, mark);
                // The part before was read before it was written, the one behind it after.
                if found.is_torn_inside && self.torn < TORN_READS_MAX {
                    self.torn += 1;
                    continue;
                }
                bytes.truncate(found.end);
                return Ok(Step::End(Some((last, bytes)), found.mark));
            }
        }
    }
}

/// The newest note of what is durable, if there is any.
pub(crate) fn read_mark(files: &mut impl Files) -> Result<Option<Mark>, Error> {
    let mut bytes = vec![0; MARK_SLOT_BYTES as usize + MARK_BYTES];
    match files.read_at(Name::Mark, 0, &mut bytes) {
        Ok(read) => bytes.truncate(read),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::unreadable(Name::Mark, error)),
    }
    let second = bytes.get(MARK_SLOT_BYTES as usize..).unwrap_or_default();
    let marks = [Mark::read(&bytes), Mark::read(second)];
    Ok(marks.into_iter().flatten().max_by_key(|mark| mark.sequence))
}

/// The numbers of the segments that are there, in order.
pub(crate) fn segments(files: &mut impl Files) -> Result<Vec<u32>, Error> {
    let names = files.list();
    let names = names.map_err(|error| Error::unreadable(Name::Directory, error))?;
    let number = |name: &Name| match name {
        Name::Segment(number) => Some(*number),
        Name::Lock | Name::Mark | Name::Spare | Name::Directory => None,
    };
    Ok(names.iter().filter_map(number).collect())
}

/// The last segment that something was written to.
fn last_begun(files: &mut impl Files, there: &[u32]) -> Result<Option<u32>, Error> {
    for number in there.iter().rev() {
        if is_begun(files, *number)? {
            return Ok(Some(*number));
        }
    }
    Ok(None)
}

/// Whether the header of a segment is there, or one that is damaged. A file that is used again has
/// that of what it was, and a new one zeros.
fn is_begun(files: &mut impl Files, number: u32) -> Result<bool, Error> {
    let file = Name::Segment(number);
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    match files.read_at(file, 0, &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::unreadable(file, error)),
        Ok(_) => {}
    }
    Ok(match SegmentHeader::read(&bytes) {
        Some(header) => header.segment == number,
        None => bytes.iter().any(|byte| *byte != 0),
    })
}

/// A segment, unless it has gone meanwhile.
fn read(files: &mut impl Files, number: u32) -> Result<Option<Vec<u8>>, Error> {
    let file = Name::Segment(number);
    let length = match files.length(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        length => length.map_err(|error| Error::unreadable(file, error))?,
    };
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    match files.read_at(file, 0, &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => bytes.truncate(read.map_err(|error| Error::unreadable(file, error))?),
    }
    // Its file may have been used again while it was read.
    Ok(segments(files)?.contains(&number).then_some(bytes))
}

/// What a last segment holds.
struct End {
    /// Where the last commit ends that the mark covers or that is whole.
    end: usize,
    /// The mark of that commit.
    mark: Mark,
    /// Whether a commit before that one, and behind what the mark covers, is not whole.
    is_torn_inside: bool,
}

fn end_of(bytes: &[u8], number: u32, mark: Option<Mark>) -> End {
    let header = SegmentHeader::read(bytes).filter(|header| header.segment == number);
    let store = header.map(|header| header.store);
    let mut last = mark.unwrap_or_else(|| Mark {
        store: store.unwrap_or_default(),
        sequence: 0,
    });
    let marked = last.sequence;
    let mut groups = Groups::new(bytes, Salt::new(store.unwrap_or(last.store), number));
    let (mut group, mut end) = (Group::default(), 0);
    let (mut seen, mut is_torn, mut is_torn_inside) = (0, false, false);
    while groups.next(&mut group) {
        // One that does not say its number is half written, unless one that counts follows.
        match group.sequence {
            Some(sequence) if sequence <= marked || group.is_whole => {
                is_torn_inside |= is_torn;
                end = group.end;
                seen = sequence;
                last.sequence = last.sequence.max(sequence);
            }
            Some(_) | None => is_torn |= seen >= marked,
        }
    }
    End {
        end,
        mark: last,
        is_torn_inside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::files::sim::SimDisk;
    use crate::log::{Log, Options};

    /// A reader may have the page of a commit from before it was written, and that of the next from after.
    #[test]
    fn a_commit_that_is_torn_before_a_whole_one_is_read_again_unless_the_mark_covers_it() {
        let mut disk = SimDisk::new(1);
        let (mut log, _) = Log::open(disk.clone(), Options::new(1), &mut |_| ()).unwrap();
        let mut marks = Vec::new();
        for byte in 1..=3 {
            let batch = Batch::from_parts(vec![byte; 100], vec![100], vec![]);
            log.commit([&batch]).unwrap();
            marks.push(read_mark(&mut disk).unwrap());
        }
        let number = segments(&mut disk).unwrap()[0];
        let bytes = read(&mut disk, number).unwrap().unwrap();
        let whole = end_of(&bytes, number, marks[2]);
        assert!(!whole.is_torn_inside);
        let payload_of = |byte: u8| {
            let mut runs = bytes.windows(100);
            runs.position(|run| run.iter().all(|of| *of == byte))
                .unwrap()
        };
        let first = payload_of(2);
        let mut torn = bytes.clone();
        torn[first] = 0;
        for (mark, is_torn) in marks.iter().zip([true, false, false]) {
            let found = end_of(&torn, number, *mark);
            assert_eq!(found.is_torn_inside, is_torn, "{mark:?}");
            assert_eq!(
                (found.end, found.mark.sequence),
                (whole.end, whole.mark.sequence)
            );
        }
        // Without what follows it is only half written.
        torn[payload_of(3)] = 0;
        let found = end_of(&torn, number, marks[0]);
        assert!(!found.is_torn_inside && found.end < first);
    }
}
