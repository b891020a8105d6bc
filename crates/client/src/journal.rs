//! The bytes of a file that keeps a session: batches of records that are there as a whole or not at all.
//!
//! ```text
//! "COLUMBA-SESSION2"  id 12   CRC-32C 4 (of the id)   then batches, each:
//! magic 4   number 8   length 8   CRC-32C 4 (of id, number, length)
//! CRC-32C 4 (of id, number, length, records)   records
//! ```
//!
//! Numbers are big endian; batches are numbered from 0 without a gap. Only the last batch can be
//! incomplete after a crash, as each is on the disk before the next is written. Whatever follows the
//! last good batch is cut off, unless a later batch stands in it: then something else has damaged
//! the file. The id is random, so that no payload holds what looks like a later batch of this file, nor
//! anything that is costly to tell from one.
//!
//! Version 1 is still read:
//!
//! ```text
//! "COLUMBA-SESSION1"  then batches, each:
//! magic 4   number 8   length 4   CRC-32C 4 (of number, length and records)   records
//! ```

const NAME: &[u8; 15] = b"COLUMBA-SESSION";
const MAGIC: [u8; 4] = [0xC0, 0x1B, 0xA7, 0xC4];
const FRAME_BYTES: usize = 28;

/// Tells a file from every other. To be drawn by chance for each file that is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileId(pub [u8; 12]);

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
    /// No such file at all.
    #[error("it is not a session file: its first 15 bytes say otherwise. Name another file")]
    NotAJournal,
    /// A version of the format that this program does not know.
    #[error(
        "it is a session file of version '{}', and this program reads 1 and 2. \
         Use the program that wrote it, or a later one", char::from(*.0)
    )]
    OtherVersion(
        /// What stands where the version does.
        u8,
    ),
    /// Its beginning is damaged, and nothing whole comes after it.
    #[error(
        "its beginning is damaged, which no crash does: a file has a whole first batch before it has \
         its name. Restore it from a copy, or remove it to start with an empty session, in which \
         unfinished messages are lost"
    )]
    Beginning,
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

/// Appends what a file begins with to `out`.
pub fn put_header(id: FileId, out: &mut Vec<u8>) {
    out.extend_from_slice(NAME);
    out.push(b'2');
    out.extend_from_slice(&id.0);
    out.extend_from_slice(&crc32c::crc32c(&id.0).to_be_bytes());
}

/// Appends one batch of the file with this id to `out`.
pub fn put_batch(id: FileId, number: u64, records: &[u8], out: &mut Vec<u8>) {
    put_frame(id, number, records.len() as u64, out, |head| {
        crc32c::crc32c_append(head, records)
    });
    out.extend_from_slice(records);
}

/// All of a batch but its records, whose checksum `sum` makes of that of what is before them.
fn put_frame(id: FileId, number: u64, len: u64, out: &mut Vec<u8>, sum: impl Fn(u32) -> u32) {
    let head = head_sum(id, number, len);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&head.to_be_bytes());
    out.extend_from_slice(&sum(head).to_be_bytes());
}

fn head_sum(id: FileId, number: u64, len: u64) -> u32 {
    let sum = crc32c::crc32c(&id.0);
    let sum = crc32c::crc32c_append(sum, &number.to_be_bytes());
    crc32c::crc32c_append(sum, &len.to_be_bytes())
}

/// Bytes that a batch of `records_bytes` takes in the file.
pub fn batch_bytes(records_bytes: usize) -> usize {
    FRAME_BYTES.saturating_add(records_bytes)
}

/// Reads a whole file.
///
/// # Errors
/// [`Damage`].
pub fn read(file: &[u8]) -> Result<Contents, Damage> {
    let (format, mut rest) = Format::of(file)?;
    let mut contents = Contents::default();
    while let Some(batch) = format.batch(rest)
        && batch.number == contents.next_batch
    {
        contents.records.extend_from_slice(batch.records);
        contents.next_batch += 1;
        rest = batch.after;
    }
    contents.end = file.len() - rest.len();
    let is_later = |bytes: &[u8]| {
        let batch = format.batch(bytes);
        batch.is_some_and(|batch| batch.number >= contents.next_batch)
    };
    // The length in a damaged batch is worth nothing, so its end may be anywhere.
    let later = (0..rest.len()).find(|at| rest.get(*at..).is_some_and(is_later));
    match later {
        Some(offset) => Err(Damage::Batch {
            at: contents.end,
            next: contents.end + offset,
        }),
        None if contents.next_batch == 0 => Err(Damage::Beginning),
        None => Ok(contents),
    }
}

/// How the batches of a file are written.
#[derive(Clone, Copy)]
enum Format {
    First,
    Second(FileId),
}

/// A whole batch.
struct Batch<'a> {
    number: u64,
    records: &'a [u8],
    after: &'a [u8],
}

impl Format {
    /// By the header of a file; with what follows it.
    fn of(file: &[u8]) -> Result<(Self, &[u8]), Damage> {
        let rest = file.strip_prefix(NAME).ok_or(Damage::NotAJournal)?;
        match rest.split_first() {
            Some((b'1', rest)) => Ok((Self::First, rest)),
            Some((b'2', rest)) => {
                let (id, rest) = rest.split_first_chunk().ok_or(Damage::Beginning)?;
                let (sum, rest) = rest.split_first_chunk().ok_or(Damage::Beginning)?;
                if crc32c::crc32c(id) != u32::from_be_bytes(*sum) {
                    return Err(Damage::Beginning);
                }
                Ok((Self::Second(FileId(*id)), rest))
            }
            Some((other, _)) => Err(Damage::OtherVersion(*other)),
            None => Err(Damage::NotAJournal),
        }
    }

    /// The whole batch that `bytes` begin with.
    fn batch(self, bytes: &[u8]) -> Option<Batch<'_>> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (number, rest) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let (len, head, rest) = match self {
            Self::First => {
                let (len, rest) = rest.split_first_chunk()?;
                let head = crc32c::crc32c(&number.to_be_bytes());
                let head = crc32c::crc32c_append(head, len);
                (u64::from(u32::from_be_bytes(*len)), head, rest)
            }
            Self::Second(id) => {
                let (len, rest) = rest.split_first_chunk()?;
                let (sum, rest) = rest.split_first_chunk()?;
                let len = u64::from_be_bytes(*len);
                let head = head_sum(id, number, len);
                // Before the records are looked at, as their length may be anything.
                if head != u32::from_be_bytes(*sum) {
                    return None;
                }
                (len, head, rest)
            }
        };
        let (sum, rest) = rest.split_first_chunk()?;
        let (records, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        let is_whole = crc32c::crc32c_append(head, records) == u32::from_be_bytes(*sum);
        is_whole.then_some(Batch {
            number,
            records,
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: FileId = FileId(*b"one of these");
    const HEADER_BYTES: usize = 32;

    fn file_of(id: FileId, batches: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(id, &mut out);
        for (number, records) in (0..).zip(batches) {
            put_batch(id, number, records, &mut out);
        }
        out
    }

    fn file(batches: &[&[u8]]) -> Vec<u8> {
        file_of(ID, batches)
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
        let starts = [
            HEADER_BYTES,
            HEADER_BYTES + batch_bytes(5),
            HEADER_BYTES + batch_bytes(5) + batch_bytes(6),
        ];
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let damaged = starts.iter().rposition(|start| *start <= at);
                match (damaged, read(&changed)) {
                    (Some(2), Ok(read)) => assert_eq!(read.records, b"firstsecond"),
                    (Some(batch), Err(Damage::Batch { at, next })) => {
                        assert_eq!((at, next), (starts[batch], starts[batch + 1]));
                    }
                    (None, Err(Damage::NotAJournal)) => assert!(at < 15),
                    // Among them the two that make it a file of version 1, without batches of it.
                    (None, Err(Damage::OtherVersion(_))) => assert_eq!(at, 15),
                    (None, Err(Damage::Beginning)) => assert!(at >= 15),
                    other => panic!("byte {at}: {other:?}"),
                }
            }
        }
    }

    /// Session files are sent as messages too, and whoever sends a message may make one up.
    #[test]
    fn a_torn_batch_is_cut_off_although_a_message_in_it_holds_batches_of_another_file() {
        let other = file_of(FileId(*b"quite others"), &[b"0", b"1", b"2", b"3", b"4"]);
        let earlier = file(&[b"first", b"second"]);
        for payload in [other, earlier.clone()] {
            let whole = file(&[b"first", b"second", &payload]);
            let torn = &whole[..whole.len() - 1];
            let read = read(torn).expect("a torn tail is no damage");
            assert_eq!((read.next_batch, read.end), (2, earlier.len()));
        }
    }

    /// Of a batch that does not fit into this test, all that is not its records.
    #[test]
    fn a_batch_may_be_larger_than_4_gib() {
        let (len, records) = ((5 << 30) + 7, b"1234567");
        let mut frame = Vec::new();
        put_frame(ID, 3, len, &mut frame, |head| {
            crc32c::crc32c_append(head, records)
        });
        assert_eq!(frame.len(), batch_bytes(0));
        assert_eq!(frame[12..20], len.to_be_bytes());
        // What is there of it is not taken for all of it.
        frame.extend_from_slice(records);
        assert!(Format::Second(ID).batch(&frame).is_none());
    }

    #[test]
    fn other_files_are_not_taken_for_a_session() {
        for other in [&b""[..], b"COLUMBA", b"#!/bin/sh\necho hello\n", NAME] {
            assert_eq!(read(other), Err(Damage::NotAJournal));
        }
        assert_eq!(read(b"COLUMBA-SESSION1"), Err(Damage::Beginning));
        assert_eq!(read(b"COLUMBA-SESSION2"), Err(Damage::Beginning));
        assert_eq!(read(&file(&[])), Err(Damage::Beginning));
        let later = read(b"COLUMBA-SESSION3 and more").expect_err("unknown");
        assert_eq!(later, Damage::OtherVersion(b'3'));
        assert!(later.to_string().contains("version '3'"), "{later}");
    }
}
