//! The bytes of a file that keeps a session: batches of records that are there as a whole or not at all.
//!
//! ```text
//! "COLUMBA-SESSION1"  then batches, each:
//! magic 4   number 8   length 4   CRC-32C 4 (of number, length and records)   records
//! ```
//!
//! Numbers are big endian; batches are numbered from 0 without a gap. Only the last batch can be
//! incomplete after a crash, as each is on the disk before the next is written. Whatever follows the
//! last good batch is cut off, unless a later batch stands in it: then something else has damaged
//! the file.

/// What a file of this format begins with.
pub const HEADER: &[u8; 16] = b"COLUMBA-SESSION1";

const MAGIC: [u8; 4] = [0xC0, 0x1B, 0xA7, 0xC4];
const FRAME_BYTES: usize = 20;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// All records, in order.
    pub records: Vec<u8>,
    /// The number of the next batch.
    pub next_batch: u64,
    /// Where it goes, in bytes from the start of the file. What stands behind was never completed.
    pub end: usize,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// No such file at all, or one of a later version.
    #[error("it is not a session file of this version: its first 16 bytes say otherwise")]
    NotAJournal,
    /// A batch in the midst is damaged, and what it said is lost.
    #[error(
        "it is damaged at byte {at}, and whole again at byte {next}; \
         something other than a crash has changed it. Restore it from a copy, or remove it to start \
         with an empty session, in which unfinished messages are lost"
    )]
    Batch {
        /// Where the damaged batch begins.
        at: usize,
        /// Where a later one begins.
        next: usize,
    },
}

/// Appends one batch to `out`.
pub fn put_batch(number: u64, records: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(records.len());
    assert!(len.is_ok(), "a batch is far smaller than 4 GiB");
    let len = len.unwrap_or_default();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&checksum(number, len, records).to_be_bytes());
    out.extend_from_slice(records);
}

/// Reads a whole file.
///
/// # Errors
/// [`Damage`].
pub fn read(file: &[u8]) -> Result<Contents, Damage> {
    let mut rest = file.strip_prefix(HEADER).ok_or(Damage::NotAJournal)?;
    let mut contents = Contents::default();
    while let Some((number, records, after)) = batch(rest)
        && number == contents.next_batch
    {
        contents.records.extend_from_slice(records);
        contents.next_batch += 1;
        rest = after;
    }
    contents.end = file.len() - rest.len();
    let is_later =
        |bytes: &[u8]| batch(bytes).is_some_and(|(number, ..)| number >= contents.next_batch);
    // The length in a damaged batch is worth nothing, so its end may be anywhere.
    let later = (0..rest.len()).find(|at| rest.get(*at..).is_some_and(is_later));
    match later {
        Some(offset) => Err(Damage::Batch {
            at: contents.end,
            next: contents.end + offset,
        }),
        // A file gets its first batch before it gets its name.
        None if contents.next_batch == 0 => Err(Damage::NotAJournal),
        None => Ok(contents),
    }
}

/// The whole batch that `bytes` begin with: its number, its records, and what follows.
fn batch(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (number, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (number, len) = (u64::from_be_bytes(*number), u32::from_be_bytes(*len));
    let (records, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let is_whole = checksum(number, len, records) == u32::from_be_bytes(*sum);
    is_whole.then_some((number, records, after))
}

fn checksum(number: u64, len: u32, records: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&number.to_be_bytes());
    let sum = crc32c::crc32c_append(sum, &len.to_be_bytes());
    crc32c::crc32c_append(sum, records)
}

/// Bytes that a batch of `records_bytes` takes in the file.
pub fn batch_bytes(records_bytes: usize) -> usize {
    FRAME_BYTES + records_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(batches: &[&[u8]]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for (number, records) in (0..).zip(batches) {
            put_batch(number, records, &mut out);
        }
        out
    }

    #[test]
    fn whatever_is_left_of_the_last_batch_the_others_are_read() {
        let whole = file(&[b"first", b"second", b"the third"]);
        let two = file(&[b"first", b"second"]);
        for len in two.len()..whole.len() {
            let read = read(&whole[..len]).expect("a torn tail is no damage");
            assert_eq!(read.records, b"firstsecond", "{len} bytes");
            assert_eq!((read.next_batch, read.end), (2, two.len()), "{len} bytes");
        }
        assert_eq!(
            read(&whole).expect("whole").records,
            b"firstsecondthe third"
        );
    }

    #[test]
    fn zeros_or_noise_in_place_of_the_last_batch_are_cut_off() {
        let two = file(&[b"first", b"second"]);
        for byte in [0, 0xC0, 0xFF] {
            let mut torn = two.clone();
            torn.extend([byte; 4096]);
            let read = read(&torn).expect("a torn tail is no damage");
            assert_eq!((read.next_batch, read.end), (2, two.len()));
        }
    }

    #[test]
    fn a_changed_bit_is_damage_with_its_place_or_a_torn_tail_and_never_another_record() {
        let whole = file(&[b"first", b"second", b"the third"]);
        let starts = [16, 16 + 25, 16 + 25 + 26];
        for at in 16..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let damaged = starts.iter().rposition(|start| *start <= at);
                match (damaged, read(&changed)) {
                    (Some(2), Ok(read)) => assert_eq!(read.records, b"firstsecond"),
                    (Some(batch), Err(Damage::Batch { at, next })) => {
                        assert_eq!((at, next), (starts[batch], starts[batch + 1]));
                    }
                    other => panic!("byte {at}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn other_files_are_not_taken_for_a_session() {
        for other in [&b""[..], b"COLUMBA", b"#!/bin/sh\necho hello\n", HEADER] {
            assert_eq!(read(other), Err(Damage::NotAJournal));
        }
    }
}
