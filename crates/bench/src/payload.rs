//! What a payload says: which run and stream it is of, its number there, and when it was due.

/// Bytes at the start of a payload that the generator needs; the rest is filling.
pub(crate) const STAMP_BYTES: usize = 24;

/// The start of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The clock that `due_ns` is read from.
    pub(crate) clock: u32,
    /// The run.
    pub(crate) run: u32,
    /// One publisher's messages on one topic.
    pub(crate) stream: u32,
    /// The number of the message in its stream, from 0.
    pub(crate) sequence: u32,
    /// When the message was due to be sent.
    pub(crate) due_ns: u64,
}

impl Stamp {
    /// Reads a stamp; a payload that is too short has none.
    #[inline]
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let stamp: &[u8; STAMP_BYTES] = payload.first_chunk()?;
        let word = |at: usize| {
            u32::from_le_bytes([stamp[at], stamp[at + 1], stamp[at + 2], stamp[at + 3]])
        };
        Some(Self {
            clock: word(0),
            run: word(4),
            stream: word(8),
            sequence: word(12),
            due_ns: u64::from(word(16)) | u64::from(word(20)) << 32,
        })
    }
}

/// A payload of which all but stream, number and time is fixed.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    /// `payload_bytes` of them, stamped with clock and run if there is room.
    pub(crate) fn new(clock: u32, run: u32, payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(payload_bytes);
        bytes.extend_from_slice(&clock.to_le_bytes());
        bytes.extend_from_slice(&run.to_le_bytes());
        bytes.resize(STAMP_BYTES, 0);
        let letters = (b'a'..=b'z').cycle();
        bytes.extend(letters.take(payload_bytes.saturating_sub(STAMP_BYTES)));
        bytes.truncate(payload_bytes);
        Self { bytes }
    }

    /// Its length.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the payload of one message.
    #[inline]
    pub(crate) fn append(&self, stream: u32, sequence: u32, due_ns: u64, out: &mut Vec<u8>) {
        let Some((fixed, rest)) = self.bytes.split_at_checked(STAMP_BYTES) else {
            out.extend_from_slice(&self.bytes);
            return;
        };
        let mut stamp = [0; STAMP_BYTES];
        stamp.copy_from_slice(fixed);
        stamp[8..12].copy_from_slice(&stream.to_le_bytes());
        stamp[12..16].copy_from_slice(&sequence.to_le_bytes());
        stamp[16..24].copy_from_slice(&due_ns.to_le_bytes());
        out.extend_from_slice(&stamp);
        out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for payload_bytes in [24, 25, 64, 1000] {
            let payload = Payload::new(7, 8, payload_bytes);
            let mut out = vec![1];
            payload.append(9, 10, u64::MAX - 11, &mut out);
            assert_eq!(out.len(), 1 + payload_bytes);
            let stamp = Stamp {
                clock: 7,
                run: 8,
                stream: 9,
                sequence: 10,
                due_ns: u64::MAX - 11,
            };
            assert_eq!(Stamp::read(&out[1..]), Some(stamp));
        }
    }

    #[test]
    fn a_short_payload_has_no_stamp() {
        let mut out = Vec::new();
        Payload::new(7, 8, 23).append(9, 10, 11, &mut out);
        assert_eq!(out.len(), 23);
        assert_eq!(Stamp::read(&out), None);
    }
}
