//! A tape: entries in order, in chunks, the oldest chunk goes first.
//!
//! A chunk explains itself: it has the texts that its entries use (client ids, topics, the names of the
//! outcomes) and the times that its ages count from. So a full chunk is shared with whoever reads, or
//! written to a file, as it is.
//!
//! ```text
//! chunk := head line*
//! head  := "CREC" version:u8 tape:u8 shard:u16 sequence:u64 mono_ms:u64 unix_ms:u64     big-endian
//! line  := len:varint kind:u8 body            len counts kind and body
//! kind  := 0 a text: UTF-8    1 a gap: age_ms:varint left_out:varint    2 an entry (see `entry`)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::{self, Bytes, Entry, Facts, Repeated, take_varint};
use super::repeats::Known;
use crate::hash::{Hashing, hash_of};
use crate::id::ShardId;
use crate::now::Now;
use crate::outcome::Outcome;

/// Bytes of a chunk, more or less.
const CHUNK_BYTES: usize = 64 * 1024;

/// A tape has so many chunks at least, so that little is lost when one goes.
const CHUNKS_MIN: usize = 8;

/// What an entry takes with its texts, or less.
const ENTRY_BYTES: usize = 1024;

/// A longer text is cut.
const TEXT_BYTES_MAX: usize = 1024;

/// The wall clock may be off by so much against the one that never goes back; above that a new chunk
/// begins.
const CLOCK_DRIFT_MS: u64 = 500;

const MAGIC: &[u8; 4] = b"CREC";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 32;

const TEXT: u8 = 0;
const GAP: u8 = 1;
const ENTRY: u8 = 2;

/// Which tape of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TapeName {
    /// What went wrong and what changed.
    Events = 0,
    /// The same of clients that have had more than their share of it.
    Excess = 1,
    /// Messages and their copies, one by one.
    Ledger = 2,
}

/// Part of a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    head: Head,
    lines: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    tape: TapeName,
    shard: u16,
    /// Of its first entry.
    sequence: u64,
    mono_ms: u64,
    unix_ms: u64,
}

/// Bytes that are no chunk, or no line of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of a recorder chunk is damaged: {what}")]
pub struct Damaged {
    /// Where.
    pub at: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// A line of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Something that happened.
    Entry(Entry<'a>),
    /// Messages were left out here because there were too many.
    Gap {
        /// When, in milliseconds since 1970.
        unix_ms: u64,
        /// How many.
        left_out: u64,
    },
}

#[derive(Debug)]
pub(super) struct Tape {
    name: TapeName,
    shard: ShardId,
    hashing: Hashing,
    bytes_max: usize,
    chunk_bytes: usize,
    full: VecDeque<Arc<Chunk>>,
    full_bytes: usize,
    open: Option<Open>,
    /// Entries so far.
    sequence: u64,
    overwritten: u64,
    left_out: u64,
}

/// The chunk that is written.
#[derive(Debug)]
struct Open {
    chunk: Chunk,
    /// Indexes of `texts`.
    by_hash: HashTable<u32>,
    /// Where each text lies in the lines, and its hash.
    texts: Vec<(u32, u32, u64)>,
    /// The index of an outcome's name, plus one.
    outcomes: [u16; Outcome::COUNT],
    /// The last two texts of each field: the next entry is often about the same.
    recent: [[u32; 2]; 4],
    /// Room for an entry's bytes.
    head: Bytes,
    fields: Bytes,
}

impl Tape {
    pub(super) fn new(name: TapeName, shard: ShardId, bytes_max: usize, hashing: Hashing) -> Self {
        Self {
            name,
            shard,
            hashing,
            bytes_max,
            chunk_bytes: CHUNK_BYTES.min(bytes_max / CHUNKS_MIN),
            full: VecDeque::new(),
            full_bytes: 0,
            open: None,
            sequence: 0,
            overwritten: 0,
            left_out: 0,
        }
    }

    /// Writes an entry; returns how many bytes that took.
    pub(super) fn append(
        &mut self,
        now: Now,
        outcome: Outcome,
        facts: &Facts<'_>,
        known: Known,
    ) -> usize {
        let hashing = self.hashing;
        let open = self.open(now);
        let before = open.chunk.lines.len();
        let outcome = open.outcome(outcome, hashing);
        let texts = open.texts_of(facts, hashing);
        let repeated = (known.times > 1 || known.first_ms != known.last_ms).then_some(Repeated {
            times: known.times,
            span_ms: known.last_ms.saturating_sub(known.first_ms),
        });
        // What was counted may have happened before the chunk was begun.
        let age_ms = known.last_ms.wrapping_sub(open.chunk.head.mono_ms);
        let Open {
            chunk,
            head,
            fields,
            ..
        } = open;
        entry::write((head, fields), facts, repeated, age_ms, outcome, texts);
        put_line(&mut chunk.lines, ENTRY, head.as_slice(), fields.as_slice());
        let written = open.chunk.lines.len() - before;
        self.sequence += 1;
        written
    }

    /// Writes that messages were left out; returns how many bytes that took.
    pub(super) fn gap(&mut self, now: Now, left_out: u64) -> usize {
        self.left_out += left_out;
        let open = self.open(now);
        let before = open.chunk.lines.len();
        let mut body = Bytes::default();
        body.put_varint(now.mono_ms.saturating_sub(open.chunk.head.mono_ms));
        body.put_varint(left_out);
        put_line(&mut open.chunk.lines, GAP, body.as_slice(), &[]);
        open.chunk.lines.len() - before
    }

    /// The chunk to write into: a new one if the present one is full or the clock was set.
    fn open(&mut self, now: Now) -> &mut Open {
        let is_over = self.open.as_ref().is_some_and(|open| {
            let head = &open.chunk.head;
            let expected_ms = head.unix_ms + now.mono_ms.saturating_sub(head.mono_ms);
            open.chunk.lines.len() >= self.chunk_bytes
                || expected_ms.abs_diff(now.unix_ms) > CLOCK_DRIFT_MS
        });
        let spare = if is_over { self.close_open() } else { None };
        let (tape, shard, sequence) = (self.name, self.shard.0, self.sequence);
        let chunk_bytes = self.chunk_bytes;
        self.open.get_or_insert_with(|| {
            let mut lines = spare.unwrap_or_else(|| Vec::with_capacity(chunk_bytes + ENTRY_BYTES));
            lines.clear();
            Open {
                chunk: Chunk {
                    head: Head {
                        tape,
                        shard,
                        sequence,
                        mono_ms: now.mono_ms,
                        unix_ms: now.unix_ms,
                    },
                    lines,
                },
                by_hash: HashTable::new(),
                texts: Vec::new(),
                outcomes: [0; Outcome::COUNT],
                recent: [[0; 2]; 4],
                head: Bytes::default(),
                fields: Bytes::default(),
            }
        })
    }

    /// Puts the open chunk to the full ones, and lets go of the oldest above the bound; gives back the
    /// memory of one if nobody reads it.
    fn close_open(&mut self) -> Option<Vec<u8>> {
        let open = self.open.take()?;
        self.full_bytes += open.chunk.memory_bytes();
        self.full.push_back(Arc::new(open.chunk));
        let mut spare = None;
        while self.full_bytes + self.chunk_bytes * 2 > self.bytes_max
            && let Some(oldest) = self.full.pop_front()
        {
            self.full_bytes -= oldest.memory_bytes();
            let next = self.full.front().map(|chunk| chunk.head.sequence);
            self.overwritten += next.unwrap_or(self.sequence) - oldest.head.sequence;
            spare = Arc::into_inner(oldest).map(|chunk| chunk.lines);
        }
        spare
    }

    /// Adds all chunks to a list that have an entry from this number on, the oldest first.
    pub(super) fn read(&self, from: u64, chunks: &mut Vec<Arc<Chunk>>) {
        let open = self.open.as_ref();
        let begins_at = open.map_or(self.sequence, |open| open.chunk.head.sequence);
        let ends = self.full.iter().skip(1).map(|next| next.head.sequence);
        for (chunk, end) in self.full.iter().zip(ends.chain([begins_at])) {
            if end > from {
                chunks.push(Arc::clone(chunk));
            }
        }
        if self.sequence > from {
            chunks.extend(open.map(|open| Arc::new(open.chunk.clone())));
        }
    }

    /// The same tape, empty, with another bound: its entries are counted on.
    pub(super) fn emptied(&self, bytes_max: usize, hashing: Hashing) -> Self {
        Self {
            sequence: self.sequence,
            ..Self::new(self.name, self.shard, bytes_max, hashing)
        }
    }

    pub(super) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(super) const fn written(&self) -> u64 {
        self.sequence
    }

    pub(super) const fn overwritten(&self) -> u64 {
        self.overwritten
    }

    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| {
            open.chunk.memory_bytes()
                + open.texts.capacity() * size_of::<(u32, u32, u64)>()
                + open.by_hash.capacity() * size_of::<u32>() * 2
        });
        self.full_bytes + open
    }
}

impl Open {
    /// The indexes of the texts of an entry.
    fn texts_of(&mut self, facts: &Facts<'_>, hashing: Hashing) -> [u64; 4] {
        let mut recent = self.recent;
        let texts = [facts.client, facts.by, facts.topic, facts.detail];
        for ([last, before], text) in recent.iter_mut().zip(texts) {
            if text.is_empty() || self.is_text(*last, text) {
                continue;
            }
            let index = match self.is_text(*before, text) {
                true => *before,
                false => self.text(text, hashing) as u32,
            };
            (*last, *before) = (index, *last);
        }
        self.recent = recent;
        recent.map(|[last, _]| u64::from(last))
    }

    /// Whether a text stands at an index.
    fn is_text(&self, index: u32, text: &str) -> bool {
        self.texts.get(index as usize).is_some_and(|(at, len, _)| {
            let (at, len) = (*at as usize, *len as usize);
            self.chunk.lines.get(at..at + len) == Some(text.as_bytes())
        })
    }

    /// The index of an outcome's name.
    fn outcome(&mut self, outcome: Outcome, hashing: Hashing) -> u64 {
        if let Some(known @ 1..) = self.outcomes.get(outcome as usize) {
            return u64::from(known - 1);
        }
        let index = self.text(outcome.name(), hashing);
        if let Some(known) = self.outcomes.get_mut(outcome as usize) {
            *known = index as u16 + 1;
        }
        index
    }

    /// The index of a text, which is written first if the chunk has not had it yet.
    fn text(&mut self, text: &str, hashing: Hashing) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let text = text
            .get(..text.floor_char_boundary(TEXT_BYTES_MAX))
            .unwrap_or(text);
        let hash = hash_of(&hashing, text);
        let Self {
            chunk,
            by_hash,
            texts,
            ..
        } = self;
        let is_it = |index: &u32| {
            texts.get(*index as usize).is_some_and(|(at, len, of)| {
                let (at, len) = (*at as usize, *len as usize);
                *of == hash && chunk.lines.get(at..at + len) == Some(text.as_bytes())
            })
        };
        if let Some(index) = by_hash.find(hash, is_it) {
            return u64::from(*index);
        }
        put_line(&mut self.chunk.lines, TEXT, text.as_bytes(), &[]);
        let len = text.len() as u32;
        let at = self.chunk.lines.len() as u32 - len;
        let index = self.texts.len() as u32;
        self.texts.push((at, len, hash));
        let texts = &self.texts;
        let hash_at = |index: &u32| texts.get(*index as usize).map_or(0, |(_, _, hash)| *hash);
        self.by_hash.insert_unique(hash, index, hash_at);
        u64::from(index)
    }
}

/// Writes a line whose body has two parts.
fn put_line(lines: &mut Vec<u8>, kind: u8, head: &[u8], rest: &[u8]) {
    // Two groups of seven bits are enough: no body is longer than a text.
    let len = head.len() + rest.len() + 1;
    let (low, high) = (len as u8 & 0x7f, (len >> 7) as u8);
    if high == 0 {
        lines.extend_from_slice(&[low, kind]);
    } else {
        lines.extend_from_slice(&[low | 0x80, high, kind]);
    }
    lines.extend_from_slice(head);
    lines.extend_from_slice(rest);
}

impl Chunk {
    /// The tape that it is part of.
    pub const fn tape(&self) -> TapeName {
        self.head.tape
    }

    /// The shard that wrote it.
    pub const fn shard(&self) -> u16 {
        self.head.shard
    }

    /// The number of its first entry.
    pub const fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// When it was begun, in milliseconds since 1970.
    pub const fn unix_ms(&self) -> u64 {
        self.head.unix_ms
    }

    /// Bytes of its lines; a chunk that is being written grows.
    pub fn len_bytes(&self) -> usize {
        self.lines.len()
    }

    /// Its lines, in order.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            chunk: self,
            at: 0,
            sequence: self.head.sequence,
            texts: Vec::new(),
        }
    }

    /// The number of the entry that follows its last one. Reads all of it.
    pub fn end(&self) -> u64 {
        let mut entries = self.entries();
        entries.by_ref().for_each(drop);
        entries.next_sequence()
    }

    /// Appends it to a file.
    pub fn write(&self, out: &mut Vec<u8>) {
        let head = &self.head;
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, head.tape as u8]);
        out.extend_from_slice(&head.shard.to_be_bytes());
        for number in [head.sequence, head.mono_ms, head.unix_ms] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.lines);
    }

    /// Reads what [`write`](Self::write) wrote. Its lines may be damaged still: [`Entries`] tells.
    ///
    /// # Errors
    ///
    /// The head is none of this version.
    pub fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let damaged = |at, what| Damaged { at, what };
        let (head, lines) = bytes
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| damaged(bytes.len(), "the head of a chunk is cut"))?;
        let [m0, m1, m2, m3, version, tape, s0, s1, numbers @ ..] = head;
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return Err(damaged(0, "no chunk begins here"));
        }
        if *version != VERSION {
            return Err(damaged(4, "a version that is not known here"));
        }
        let tape = match tape {
            0 => TapeName::Events,
            1 => TapeName::Excess,
            2 => TapeName::Ledger,
            _ => return Err(damaged(5, "a tape that is not known here")),
        };
        let mut numbers = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .map(|n| u64::from_be_bytes(*n));
        let mut number = || numbers.next().unwrap_or_default();
        Ok(Self {
            head: Head {
                tape,
                shard: u16::from_be_bytes([*s0, *s1]),
                sequence: number(),
                mono_ms: number(),
                unix_ms: number(),
            },
            lines: lines.to_vec(),
        })
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.lines.capacity()
    }
}

/// Goes through the lines of a chunk.
#[derive(Debug)]
pub struct Entries<'a> {
    chunk: &'a Chunk,
    at: usize,
    sequence: u64,
    texts: Vec<&'a str>,
}

impl<'a> Entries<'a> {
    /// The number of the next entry; behind the last one, the chunk's end.
    pub const fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// The next line that is no text.
    fn take(&mut self) -> Result<Option<Line<'a>>, Damaged> {
        loop {
            let at = self.at;
            let damaged = |what| Damaged { at, what };
            let mut rest = self.chunk.lines.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let len = take_varint(&mut rest).ok_or_else(|| damaged("a line's length is cut"))?;
            let line = usize::try_from(len).ok().and_then(|len| rest.get(..len));
            let (kind, body) = line
                .and_then(<[u8]>::split_first)
                .ok_or_else(|| damaged("a line is cut"))?;
            self.at = self.chunk.lines.len() - rest.len() + 1 + body.len();
            match *kind {
                TEXT => {
                    let text = std::str::from_utf8(body);
                    self.texts
                        .push(text.map_err(|_| damaged("a text is not UTF-8"))?);
                }
                GAP => {
                    let rest = &mut &*body;
                    let (age_ms, left_out) = take_varint(rest)
                        .zip(take_varint(rest))
                        .ok_or_else(|| damaged("a gap is cut"))?;
                    let unix_ms = self.chunk.head.unix_ms.saturating_add(age_ms);
                    return Ok(Some(Line::Gap { unix_ms, left_out }));
                }
                ENTRY => {
                    let sequence = self.sequence;
                    self.sequence += 1;
                    let entry = self.entry(body, sequence);
                    match entry.ok_or_else(|| damaged("an entry does not read"))? {
                        Some(entry) => return Ok(Some(Line::Entry(entry))),
                        // An outcome of another version.
                        None => continue,
                    }
                }
                // A kind of line of another version.
                _ => continue,
            }
        }
    }

    fn entry(&self, body: &[u8], sequence: u64) -> Option<Option<Entry<'a>>> {
        let text = |index: u64| {
            let index = usize::try_from(index).ok()?;
            self.texts.get(index).copied()
        };
        let raw = entry::read(body, text)?;
        let Some(outcome) = Outcome::from_name(text(raw.outcome)?) else {
            return Some(None);
        };
        let head = &self.chunk.head;
        let unix_ms = head.unix_ms.wrapping_add(raw.age_ms);
        let (times, span_ms) = raw
            .repeated
            .map_or((1, 0), |repeated| (repeated.times, repeated.span_ms));
        Some(Some(Entry {
            sequence,
            unix_ms,
            mono_ms: head.mono_ms.wrapping_add(raw.age_ms),
            times,
            first_unix_ms: unix_ms.saturating_sub(span_ms),
            outcome,
            facts: raw.facts,
        }))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Line<'a>, Damaged>;

    /// The next entry or gap. After damage the rest of the chunk is not read.
    fn next(&mut self) -> Option<Self::Item> {
        let line = self.take().transpose();
        if matches!(line, Some(Err(_))) {
            self.at = self.chunk.lines.len();
        }
        line
    }
}
