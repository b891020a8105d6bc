//! Reads records back, those that lie close together in one go.

use super::{Log, damaged_record, record_in};
use crate::batch::Position;
use crate::error::Error;
use crate::files::{Files, Name};
use crate::format::FRAME_HEADER_BYTES;
use crate::index::Place;

/// The most that is read in one go, if no single record is larger.
const SPAN_BYTES: u64 = 256 << 10;
/// Bytes between two records that are read to no purpose rather than reading twice.
const GAP_BYTES: u64 = 16 << 10;

/// A piece of a segment.
#[derive(Default)]
struct Span {
    segment: u32,
    start: u64,
    bytes: Vec<u8>,
}

impl<F: Files> Log<F> {
    /// Reads records and hands each to `each`, in the order asked for. Quickest if positions that
    /// follow each other in the log do so here.
    ///
    /// An error says that the record is not live, cannot be read, or is not what was written.
    pub fn fetch_all(
        &mut self,
        positions: &[Position],
        mut each: impl FnMut(Position, Result<Vec<u8>, Error>),
    ) {
        let places: Vec<Option<Place>> = positions
            .iter()
            .map(|position| self.index.get(position.value()))
            .collect();
        let mut span = Span::default();
        for (at, position) in positions.iter().enumerate() {
            let Some(Some(place)) = places.get(at).copied() else {
                each(*position, Err(Error::NotLive(*position)));
                continue;
            };
            let next = places.get(at + 1..).unwrap_or_default();
            each(*position, self.fetch_one(*position, place, next, &mut span));
        }
    }

    fn fetch_one(
        &mut self,
        position: Position,
        place: Place,
        next: &[Option<Place>],
        span: &mut Span,
    ) -> Result<Vec<u8>, Error> {
        if !span.has(place) {
            let file = Name::Segment(place.segment);
            let offset = u64::from(place.offset);
            let end = end_of_span(place, next);
            span.segment = place.segment;
            span.start = offset;
            span.bytes.resize((end - offset) as usize, 0);
            let read = self.files.read_at(file, offset, &mut span.bytes);
            let read = read.or_else(|_| {
                // What the disk cannot read may lie behind this record.
                span.bytes.truncate((end_of(place) - offset) as usize);
                self.files.read_at(file, offset, &mut span.bytes)
            });
            span.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read.map_err(|source| Error::unreadable(file, source))?;
        }
        let salt = self.salt(place.segment);
        let record = record_in(span.frame(place), salt, position.value(), place);
        let record = record.map(<[u8]>::to_vec);
        record.ok_or_else(|| damaged_record(position.value(), place).into())
    }
}

impl Span {
    fn has(&self, place: Place) -> bool {
        self.segment == place.segment
            && self.start <= u64::from(place.offset)
            && end_of(place) <= self.start + self.bytes.len() as u64
    }

    fn frame(&self, place: Place) -> &[u8] {
        let from = (u64::from(place.offset) - self.start) as usize;
        let to = (end_of(place) - self.start) as usize;
        let to = to.min(self.bytes.len());
        self.bytes.get(from..to).unwrap_or_default()
    }
}

/// Where the frame of a record ends, but for its padding.
fn end_of(place: Place) -> u64 {
    u64::from(place.offset) + FRAME_HEADER_BYTES as u64 + u64::from(place.length)
}

/// How far to read from a record on, so that those that follow come along.
fn end_of_span(first: Place, next: &[Option<Place>]) -> u64 {
    let mut end = end_of(first);
    for place in next.iter().flatten() {
        let offset = u64::from(place.offset);
        let is_close = place.segment == first.segment
            && offset >= end
            && offset - end <= GAP_BYTES
            && end_of(*place) - u64::from(first.offset) <= SPAN_BYTES;
        if !is_close {
            break;
        }
        end = end_of(*place);
    }
    end
}
