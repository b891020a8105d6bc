//! A disk without room for another segment: what takes space in the log and does not live goes at once,
//! also where it is so little that it is left alone while there is room.

use super::Log;
use crate::error::Error;
use crate::files::Files;
use crate::format::{GROUP_FRAME_BYTES, frame_bytes};
use crate::log::clean::Move;

/// How many segments are emptied for one commit, so that a large log does not keep everybody waiting: the
/// next one goes on.
const SEGMENTS_MAX: usize = 8;

impl<F: Files> Log<F> {
    /// A group of `bytes` with records found no room, which `refused` says: empties segments, oldest first,
    /// until there is room for it. Nothing is begun without room for it to its end, and what is written is at
    /// most three times what becomes free, so this neither takes the room of releases nor goes round in
    /// circles on a disk that is full of what lives.
    pub(super) fn press(
        &mut self,
        bytes: u64,
        refused: Result<(), Error>,
    ) -> Result<Result<(), Error>, Error> {
        let mut room = refused;
        for _ in 0..self.segments.len().min(SEGMENTS_MAX) {
            if !self.empty_oldest()? {
                break;
            }
            room = self.make_room(bytes, true)?;
            if room.is_ok() {
                break;
            }
        }
        Ok(room)
    }

    /// Moves what lives in the oldest segment into the head, or into a new one, and lets the segment go.
    /// Whether that could be done and was worth it.
    fn empty_oldest(&mut self) -> Result<bool, Error> {
        let Some((&oldest, segment)) = self.segments.first_key_value() else {
            return Ok(false);
        };
        let (live, all) = (segment.live_bytes, segment.file_bytes);
        let is_worth = 4 * live <= 3 * all || self.disk_bytes() > 2 * self.live_bytes();
        // One that is larger than others has a batch that was.
        let is_usual = live <= u64::from(self.options.segment_bytes);
        if !is_worth || !is_usual || self.cleaning.has_stopped() {
            return Ok(false);
        }
        // The moves, and then the note that the segment is gone.
        let groups = 2 * GROUP_FRAME_BYTES as u64;
        let bytes = live + frame_bytes(size_of_val(&oldest)) as u64 + groups;
        let room = self
            .head
            .filter(|head| head.segment != oldest)
            .map_or(0, |head| self.room_in(head));
        if room < bytes && !self.roll_small(bytes)? {
            return Ok(false);
        }
        let all = self.index.from(0);
        let found = all.filter(|(_, place)| place.segment == oldest).collect();
        let moves = self.read_moves(found);
        if self.cleaning.has_stopped() {
            return Ok(false);
        }
        if !self.write_alone(&moves, &[])? || !self.write_alone(&[], &[oldest])? {
            return Ok(false);
        }
        self.remove_segments(&[oldest])?;
        Ok(true)
    }

    /// Writes a group without a batch; whether the disk took it.
    fn write_alone(&mut self, moves: &[Move], removals: &[u32]) -> Result<bool, Error> {
        let written = self.write_group(&[], moves, removals, &mut || ())?;
        Ok(written.is_ok())
    }
}
