//! What an exchange wants to be written, and memory for it.

use crate::mail::{Draft, ExchangeRef};

/// The most memory of drafts that is kept for later ones, and the most that one of them may have.
const SPARES_BYTES_MAX: usize = 1024 * 1024;
const SPARE_BYTES_MAX: usize = 1024;

/// Records of an exchange in the order in which they are written. Most have one.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    first: Option<Draft>,
    more: Vec<Draft>,
}

impl Drafts {
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, draft: Draft) {
        if self.first.is_none() {
            self.first = Some(draft);
        } else {
            self.more.push(draft);
        }
    }

    pub(super) fn extend(&mut self, others: impl IntoIterator<Item = Draft>) {
        for draft in others {
            self.push(draft);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Draft> {
        self.into_iter().collect()
    }
}

impl IntoIterator for Drafts {
    type Item = Draft;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Draft>, std::vec::IntoIter<Draft>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

/// Emptied buffers of drafts. Thousands are taken before the first is given back, which is more
/// than an allocator keeps at hand.
#[derive(Debug, Default)]
pub(super) struct Spares {
    buffers: Vec<Vec<u8>>,
    capacity_bytes: usize,
}

impl Spares {
    /// A buffer with nothing in it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.capacity_bytes -= buffer.capacity();
        buffer
    }

    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity_bytes = self.capacity_bytes + buffer.capacity();
        if buffer.capacity() <= SPARE_BYTES_MAX && capacity_bytes <= SPARES_BYTES_MAX {
            self.capacity_bytes = capacity_bytes;
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// Where the record of a message goes that is being routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the batch: nothing has to be written before it.
    Batch,
    /// Into the mail for the shard that began, as all that there is to answer.
    Mail(ExchangeRef),
    /// Into a draft.
    Draft,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_drafts_is_kept_up_to_a_limit() {
        let mut spares = Spares::default();
        spares.give(vec![1; SPARE_BYTES_MAX + 1]);
        assert_eq!(spares.take().capacity(), 0);
        let fit = SPARES_BYTES_MAX / SPARE_BYTES_MAX;
        for _ in 0..=fit {
            spares.give(vec![1; SPARE_BYTES_MAX]);
        }
        assert_eq!(spares.capacity_bytes, SPARES_BYTES_MAX);
        let kept = (0..=fit).filter(|_| spares.take().capacity() > 0);
        assert_eq!(kept.count(), fit);
        assert_eq!(spares.capacity_bytes, 0);
    }
}
