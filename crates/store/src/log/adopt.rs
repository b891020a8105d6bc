//! Takes over the records of another log, at the positions that they have there.

use super::Log;
use super::commit::BATCH_BYTES_MAX;
use crate::batch::Position;
use crate::error::Error;
use crate::files::Files;
use crate::log::clean::Move;

/// The greatest position that is taken over. No log has given out as many; it leaves as many for the
/// records that follow.
const ADOPTED_MAX: u64 = Position::MAX / 2;

impl<F: Files> Log<F> {
    /// Makes records durable that another log held, as one step. Their positions grow and are
    /// greater than all that this log has given out; it goes on behind them.
    ///
    /// # Errors
    /// If the positions do not grow or leave none behind them, the disk has no room or fails, or there
    /// is more than a batch may hold. Nothing is kept then.
    pub fn adopt(&mut self, records: &[(Position, &[u8])]) -> Result<(), Error> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let mut next = self.next_position;
        let mut moves = Vec::new();
        for (position, record) in records {
            if position.value() < next || position.value() > ADOPTED_MAX {
                return Err(Error::OutOfOrder(*position));
            }
            next = position.value() + 1;
            moves.push(Move {
                position: position.value(),
                record: record.to_vec(),
            });
        }
        let size = moves.iter().map(Move::bytes).sum();
        if size > BATCH_BYTES_MAX {
            let limit = BATCH_BYTES_MAX;
            return Err(Error::TooLarge { size, limit });
        }
        self.make_spare(size)?;
        self.make_room(size, true)??;
        self.write_group(&[], &moves, &[], &mut || ())??;
        self.next_position = next;
        Ok(())
    }
}
