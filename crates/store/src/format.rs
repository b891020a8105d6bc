//! The bytes on disk: segment headers, frames and the mark. `docs/store-format.md` describes them.

use std::ops::Range;

use crc32c::{crc32c, crc32c_append};

use crate::batch::Position;

/// The version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u16 = 1;
/// Where the first frame of a segment starts.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// What a frame has before its body.
pub(crate) const FRAME_HEADER_BYTES: usize = 20;
/// Frames start at multiples of this.
pub(crate) const ALIGNMENT: usize = 4;
/// The frame that starts a group, as a whole.
pub(crate) const GROUP_FRAME_BYTES: usize = FRAME_HEADER_BYTES + 16;
/// One of the two slots of the mark; each lies in a sector of its own.
pub(crate) const MARK_BYTES: usize = 32;
/// The distance of the two slots.
pub(crate) const MARK_SLOT_BYTES: u64 = 4096;

const SEGMENT_MAGIC: &[u8; 8] = b"COLUMBAS";
const MARK_MAGIC: &[u8; 8] = b"COLUMBAM";
const POSITION_BITS: u32 = 56;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The start of what is written and synced in one piece.
    Group,
    /// A record at its first place.
    Record,
    /// A record that was moved here.
    Moved,
    /// Positions that are released.
    Released,
    /// The segments that there are, at the start of each segment.
    Inventory,
    /// Segments that are about to be removed.
    Removed,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Group => 1,
            Self::Record => 2,
            Self::Moved => 3,
            Self::Released => 4,
            Self::Inventory => 5,
            Self::Removed => 6,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Group,
            2 => Self::Record,
            3 => Self::Moved,
            4 => Self::Released,
            5 => Self::Inventory,
            6 => Self::Removed,
            _ => return None,
        })
    }
}

/// What a checksum starts from, so that bytes of another store, of another segment or at another
/// offset are never taken for a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Salt(u32);

impl Salt {
    pub(crate) fn new(store: u64, segment: u32) -> Self {
        Self(crc32c_append(
            crc32c(&store.to_le_bytes()),
            &segment.to_le_bytes(),
        ))
    }

    fn header(self, offset: u32, rest: &[u8; 12]) -> u32 {
        let mut bytes = [0; 16];
        put(&mut bytes, 0, &offset.to_le_bytes());
        put(&mut bytes, 4, rest);
        crc32c_append(self.0, &bytes)
    }
}

/// A frame within the bytes of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) position: u64,
    pub(crate) offset: usize,
    /// Where its body lies.
    pub(crate) body: Range<usize>,
    /// Whether the body is what was written.
    pub(crate) is_sound: bool,
}

impl Frame {
    /// Where the next one starts.
    pub(crate) const fn end(&self) -> usize {
        self.body.end.next_multiple_of(ALIGNMENT)
    }

    pub(crate) const fn length(&self) -> u32 {
        (self.body.end - self.body.start) as u32
    }
}

/// How many bytes a frame with a body of `length` takes.
pub(crate) const fn frame_bytes(length: usize) -> usize {
    (FRAME_HEADER_BYTES + length).next_multiple_of(ALIGNMENT)
}

/// Adds frames to a buffer that will be written at one place of a segment.
pub(crate) struct FrameWriter<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) salt: Salt,
    /// Where in the segment `out` starts.
    pub(crate) base: u32,
}

impl FrameWriter<'_> {
    /// Adds a frame and says where in the segment it starts.
    pub(crate) fn frame(&mut self, kind: Kind, position: u64, body: &[u8]) -> u32 {
        assert!(position <= Position::MAX, "the positions are used up");
        let offset = self.base + self.out.len() as u32;
        let word = position | u64::from(kind.code()) << POSITION_BITS;
        let mut rest = [0; 12];
        put(&mut rest, 0, &(body.len() as u32).to_le_bytes());
        put(&mut rest, 4, &word.to_le_bytes());
        let check = self.salt.header(offset, &rest);
        let mut header = [0; FRAME_HEADER_BYTES];
        put(&mut header, 0, &check.to_le_bytes());
        put(&mut header, 4, &crc32c_append(check, body).to_le_bytes());
        put(&mut header, 8, &rest);
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(body);
        let padding = self.out.len().next_multiple_of(ALIGNMENT) - self.out.len();
        let zeros = &[0; ALIGNMENT];
        self.out
            .extend_from_slice(zeros.get(..padding).unwrap_or_default());
        offset
    }

    /// Adds the frame that starts a group.
    pub(crate) fn group(&mut self, next_position: u64, group: GroupHeader) {
        let mut body = [0; 16];
        let (sequence, rest) = body.split_at_mut(8);
        let (bytes, frames) = rest.split_at_mut(4);
        sequence.copy_from_slice(&group.sequence.to_le_bytes());
        bytes.copy_from_slice(&group.bytes.to_le_bytes());
        frames.copy_from_slice(&group.frames.to_le_bytes());
        self.frame(Kind::Group, next_position, &body);
    }
}

/// The body of a group's first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GroupHeader {
    /// The number of the commit.
    pub(crate) sequence: u64,
    /// How long the group is, this frame included.
    pub(crate) bytes: u32,
    /// How many frames follow.
    pub(crate) frames: u32,
}

impl GroupHeader {
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Some(Self {
            sequence: read_u64(body, 0)?,
            bytes: read_u32(body, 8)?,
            frames: read_u32(body, 12)?,
        })
    }
}

/// Reads the frame at `offset`, if there is the header of one. `segment` starts at offset `base`
/// of the segment.
pub(crate) fn read_frame(segment: &[u8], base: usize, offset: usize, salt: Salt) -> Option<Frame> {
    let header = segment.get(offset..offset.checked_add(FRAME_HEADER_BYTES)?)?;
    let word = read_u64(header, 12)?;
    let kind = Kind::from_code((word >> POSITION_BITS) as u8)?;
    let rest: &[u8; 12] = header.get(8..20)?.try_into().ok()?;
    let check = salt.header(u32::try_from(base + offset).ok()?, rest);
    if read_u32(header, 0)? != check {
        return None;
    }
    let start = offset + FRAME_HEADER_BYTES;
    let end = start.checked_add(read_u32(header, 8)? as usize)?;
    let body = segment.get(start..end);
    let sum = read_u32(header, 4)?;
    Some(Frame {
        kind,
        position: word & Position::MAX,
        offset,
        // A file that was cut off ends earlier than its last frame.
        body: start..end,
        is_sound: body.is_some_and(|body| crc32c_append(check, body) == sum),
    })
}

/// The first bytes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u16,
    pub(crate) store: u64,
    pub(crate) segment: u32,
}

impl SegmentHeader {
    pub(crate) fn write(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, SEGMENT_MAGIC);
        put(&mut bytes, 8, &self.version.to_le_bytes());
        put(&mut bytes, 12, &self.segment.to_le_bytes());
        put(&mut bytes, 16, &self.store.to_le_bytes());
        let sum = crc32c(bytes.get(..60).unwrap_or_default());
        put(&mut bytes, 60, &sum.to_le_bytes());
        bytes
    }

    /// The header, if its checksum is right.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let is_sound =
            bytes.starts_with(SEGMENT_MAGIC) && read_u32(bytes, 60)? == crc32c(bytes.get(..60)?);
        is_sound.then_some(Self {
            version: u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?),
            segment: read_u32(bytes, 12)?,
            store: read_u64(bytes, 16)?,
        })
    }
}

/// A note that a commit is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) store: u64,
    /// The number of the commit.
    pub(crate) sequence: u64,
}

impl Mark {
    pub(crate) fn write(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        put(&mut bytes, 0, MARK_MAGIC);
        put(&mut bytes, 8, &self.store.to_le_bytes());
        put(&mut bytes, 16, &self.sequence.to_le_bytes());
        put(&mut bytes, 24, &u32::from(VERSION).to_le_bytes());
        let sum = crc32c(bytes.get(..28).unwrap_or_default());
        put(&mut bytes, 28, &sum.to_le_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..MARK_BYTES)?;
        let is_sound =
            bytes.starts_with(MARK_MAGIC) && read_u32(bytes, 28)? == crc32c(bytes.get(..28)?);
        is_sound.then_some(Self {
            store: read_u64(bytes, 8)?,
            sequence: read_u64(bytes, 16)?,
        })
    }
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}
