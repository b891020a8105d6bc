//! Bounds-checked reading and writing of the wire types (section 1.5 of the standard).

use crate::error::Fault;

/// The largest value of a variable byte integer, and so of a remaining length.
pub const VARINT_MAX: u32 = 268_435_455;

/// The longest packet in bytes: a first byte, a remaining length of four bytes, and a body.
pub const PACKET_BYTES_MAX: u32 = VARINT_MAX + 5;

/// The longest string or binary field in bytes.
pub const FIELD_BYTES_MAX: usize = 65_535;

/// A fault and the offset, from the start of what is being read, at which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Offset in bytes.
    pub at: u32,
    /// What is wrong there.
    pub fault: Fault,
}

/// Reads wire types from a slice, never past its end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next unread byte.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// An error at the current offset.
    pub fn fault<T>(&self, fault: Fault) -> Result<T, ReadError> {
        self.fault_at(self.at, fault)
    }

    /// An error at an earlier offset.
    pub fn fault_at<T>(&self, at: usize, fault: Fault) -> Result<T, ReadError> {
        Err(ReadError {
            at: u32::try_from(at).unwrap_or(u32::MAX),
            fault,
        })
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..len)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => self.fault_at(self.bytes.len(), Fault::Truncated),
        }
    }

    /// Everything that is left.
    #[inline]
    pub fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => self.fault(Fault::Truncated),
        }
    }

    /// A two byte integer, big endian.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, ReadError> {
        let bytes = self.take(2)?;
        Ok(bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    /// A four byte integer, big endian.
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    /// A variable byte integer in its shortest form (`MQTT-1.5.5-1`).
    pub fn varint(&mut self) -> Result<u32, ReadError> {
        let start = self.at;
        let mut value = 0u32;
        for position in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                if position > 0 && byte == 0 {
                    return self.fault_at(start, Fault::VarintNotShortest);
                }
                return Ok(value);
            }
        }
        self.fault_at(start, Fault::VarintTooLong)
    }

    /// Binary data: a length of two bytes and that many bytes.
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], ReadError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 string without U+0000 (`MQTT-1.5.4-1`, `MQTT-1.5.4-2`; 3.1.1: `MQTT-1.5.3-1`,
    /// `MQTT-1.5.3-2`). A byte order mark is data and stays (`MQTT-1.5.4-3`).
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, ReadError> {
        let start = self.at + 2;
        let bytes = self.binary()?;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return self.fault_at(start + error.valid_up_to(), Fault::NotUtf8),
        };
        // Looked for without leaving the loop early, which lets the compiler take many bytes at once.
        if bytes.iter().fold(false, |found, byte| found | (*byte == 0)) {
            let before = bytes.iter().take_while(|byte| **byte != 0).count();
            return self.fault_at(start + before, Fault::NulInString);
        }
        Ok(text)
    }
}

/// The bytes that a variable byte integer takes.
pub const fn varint_len(value: u32) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// A variable byte integer and how many of the bytes it takes. The caller has checked that it is
/// at most [`VARINT_MAX`].
#[inline]
pub(crate) fn varint(value: u32) -> ([u8; 4], usize) {
    let len = varint_len(value);
    let more = |position: usize| if position + 1 < len { 0x80 } else { 0 };
    let bytes = [
        (value & 0x7F) as u8 | more(0),
        (value >> 7 & 0x7F) as u8 | more(1),
        (value >> 14 & 0x7F) as u8 | more(2),
        (value >> 21 & 0x7F) as u8,
    ];
    (bytes, len)
}

/// Appends a variable byte integer. The caller has checked that it is at most [`VARINT_MAX`].
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length of two bytes and the data. The caller has checked the length against
/// [`FIELD_BYTES_MAX`]; what is longer is cut, so that the output stays parseable.
#[inline]
pub fn put_binary(out: &mut Vec<u8>, data: &[u8]) {
    let data = data.get(..FIELD_BYTES_MAX).unwrap_or(data);
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_round_trips_at_every_width() {
        for value in [
            0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARINT_MAX,
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value));
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
    }

    #[test]
    fn varint_must_be_shortest() {
        // MQTT-1.5.5-1
        let error = Reader::new(&[0x81, 0x00])
            .varint()
            .expect_err("two bytes for one");
        assert_eq!(error.fault, Fault::VarintNotShortest);
        let error = Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x01])
            .varint()
            .expect_err("five bytes");
        assert_eq!(error.fault, Fault::VarintTooLong);
    }

    #[test]
    fn string_refuses_what_is_not_text() {
        // MQTT-1.5.4-1, MQTT-1.5.4-2
        let check = |bytes: &[u8], at: u32, fault: Fault| {
            assert_eq!(
                Reader::new(bytes).string(),
                Err(ReadError { at, fault }),
                "{bytes:?}"
            );
        };
        check(&[0, 3, b'a', 0xED, 0xA0], 3, Fault::NotUtf8);
        check(&[0, 3, 0xED, 0xA0, 0x80], 2, Fault::NotUtf8);
        check(&[0, 2, b'a', 0], 3, Fault::NulInString);
        check(&[0, 2, b'a'], 3, Fault::Truncated);
        check(&[0], 1, Fault::Truncated);
    }

    #[test]
    fn string_keeps_a_byte_order_mark() {
        // MQTT-1.5.4-3
        let bytes = [0, 4, 0xEF, 0xBB, 0xBF, b'a'];
        assert_eq!(Reader::new(&bytes).string(), Ok("\u{FEFF}a"));
    }
}
