//! Reads a segment group by group, past whatever is damaged.

use std::ops::Range;

use crate::format::{ALIGNMENT, Frame, GroupHeader, Kind, SEGMENT_HEADER_BYTES, Salt, read_frame};

/// What was written and synced in one piece, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The number of its commit, unless its first frame is damaged.
    pub(crate) sequence: Option<u64>,
    /// The next free position when it was written.
    pub(crate) next_position: u64,
    /// Its frames in order, the damaged ones included where their header can be read.
    pub(crate) frames: Vec<Frame>,
    /// Bytes that hold no frame that can be read.
    pub(crate) gaps: Vec<Range<usize>>,
    /// Whether all of it is there.
    pub(crate) is_whole: bool,
}

/// Walks through the bytes of a segment.
pub(crate) struct Groups<'a> {
    bytes: &'a [u8],
    salt: Salt,
    at: usize,
}

impl<'a> Groups<'a> {
    pub(crate) const fn new(bytes: &'a [u8], salt: Salt) -> Self {
        Self {
            bytes,
            salt,
            at: SEGMENT_HEADER_BYTES,
        }
    }

    /// Reads the next group into `group`, and says whether there was one.
    pub(crate) fn next(&mut self, group: &mut Group) -> bool {
        group.frames.clear();
        group.gaps.clear();
        group.start = self.at;
        group.sequence = None;
        group.next_position = 0;
        group.is_whole = false;
        let Some(first) = self.seek(self.at, self.bytes.len()) else {
            return false;
        };
        if first.offset == self.at
            && first.kind == Kind::Group
            && let Some(header) = self.header(&first)
        {
            group.sequence = Some(header.sequence);
            group.next_position = first.position;
            let end = first.offset.saturating_add(header.bytes as usize);
            self.frames(group, first.end(), end.min(self.bytes.len()), false);
            group.is_whole = end <= self.bytes.len()
                && group.gaps.is_empty()
                && group.frames.len() == header.frames as usize
                && group.frames.iter().all(|frame| frame.is_sound);
        } else {
            // The group's first frame is not there. What follows may still be read, up to the next.
            self.frames(group, self.at, self.bytes.len(), true);
        }
        self.at = group.end;
        true
    }

    /// Whether a group starts at a frame, and what it says.
    fn header(&self, frame: &Frame) -> Option<GroupHeader> {
        let body = self.bytes.get(frame.body.clone())?;
        GroupHeader::read(body).filter(|_| frame.is_sound)
    }

    /// Collects the frames from `at` to `end`, or to the next group.
    fn frames(&self, group: &mut Group, mut at: usize, end: usize, is_headless: bool) {
        while at < end {
            let Some(frame) = self.seek(at, end) else {
                // In a group without its first frame nobody knows where it ended.
                if !is_headless {
                    group.gaps.push(at..end);
                    at = end;
                }
                break;
            };
            if frame.offset > at {
                group.gaps.push(at..frame.offset);
                at = frame.offset;
            }
            if frame.kind == Kind::Group && self.header(&frame).is_some() {
                break;
            }
            at = frame.end().min(end);
            group.frames.push(frame);
        }
        group.end = at;
    }

    /// The first frame at or behind `at` whose header can be read.
    fn seek(&self, at: usize, end: usize) -> Option<Frame> {
        (at..end)
            .step_by(ALIGNMENT)
            .find_map(|offset| read_frame(self.bytes, 0, offset, self.salt))
    }
}
