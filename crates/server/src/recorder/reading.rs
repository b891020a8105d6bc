//! Puts together what files and memory have of the tapes, and finds out what is missing in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_broker::recorder::{Chunk, Line, Recording, TapeName};

use super::INTERVAL;
use super::frame::{CHUNK, END, OFF, START, take_frame};

/// What is gathered while files are read.
#[derive(Default)]
pub(super) struct Reading {
    shards: BTreeMap<u16, Recording>,
    /// How far each tape of the present process is read.
    tapes: BTreeMap<(u16, TapeName), Reached>,
    /// When the present process began, if that is known.
    began_ms: Option<u64>,
    /// When the last entry was, if its process has not ended in order since.
    unfinished_ms: Option<u64>,
    /// When the last entry was that is read.
    latest_ms: u64,
    /// The same, if what stood behind it cannot be read and nothing has come since.
    lost_ms: Option<u64>,
    /// From when to when something is missing, all shards and tapes together.
    pub(super) holes: Vec<(u64, u64)>,
    /// Those of them in which the recorders were off.
    off: Vec<(u64, u64)>,
    /// Since when a process keeps no files, until the next one begins.
    without_ms: Option<u64>,
}

/// How far a tape is read.
#[derive(Clone, Copy)]
struct Reached {
    /// Where the last chunk stands in its shard's.
    at: usize,
    /// The number of its first entry.
    begin: u64,
    /// The number of the entry that follows.
    end: u64,
    /// When the last entry was.
    last_ms: u64,
}

impl Reading {
    /// A file, each after those with lower numbers; whether all of it could be read.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        let is_empty = bytes.is_empty();
        while let Some((kind, body)) = take_frame(&mut bytes) {
            match kind {
                CHUNK => {
                    if let Ok(chunk) = Chunk::read(body) {
                        self.add(Arc::new(chunk));
                    }
                }
                START => {
                    if let Some((ms, _)) = body.split_first_chunk() {
                        self.start(u64::from_be_bytes(*ms));
                    }
                }
                END => self.unfinished_ms = None,
                OFF => self.put_off(body),
                _ => {}
            }
        }
        !is_empty && bytes.is_empty()
    }

    /// A file, or the rest of one, cannot be read. A beginning or an end of a process may have been in it,
    /// so that nothing is sure before the next one begins; and what comes next may be of another one.
    pub(super) fn lose(&mut self) {
        self.unfinished_ms.get_or_insert(self.latest_ms);
        self.lost_ms = Some(self.latest_ms);
    }

    /// Something is missing from the last entry that is known to the next one.
    fn miss(&mut self, from_ms: u64, to_ms: u64) {
        self.holes.push((from_ms.min(to_ms), to_ms));
        if from_ms > to_ms {
            // The clock was set back meanwhile; by the former one it went on for a while.
            self.holes
                .push((to_ms, from_ms + INTERVAL.as_millis() as u64));
        }
    }

    fn put_off(&mut self, body: &[u8]) {
        let Some((from_ms, rest)) = body.split_first_chunk() else {
            return;
        };
        let Some((to_ms, _)) = rest.split_first_chunk() else {
            return;
        };
        let hole = (u64::from_be_bytes(*from_ms), u64::from_be_bytes(*to_ms));
        if hole.1 == u64::MAX {
            self.without_ms = Some(hole.0);
        } else {
            self.holes.push(hole);
            self.off.push(hole);
        }
    }

    /// When the last process began that is read, if that is known.
    pub(super) const fn began_ms(&self) -> Option<u64> {
        self.began_ms
    }

    fn start(&mut self, at_ms: u64) {
        if let Some(since_ms) = self.without_ms.take() {
            self.off.push((since_ms, at_ms));
        }
        self.lost_ms = None;
        if let Some(last_ms) = self.unfinished_ms.take() {
            self.miss(last_ms, at_ms);
        }
        self.unfinished_ms = Some(at_ms);
        self.latest_ms = at_ms;
        self.began_ms = Some(at_ms);
        self.tapes.clear();
    }

    /// A chunk, each after those before it on its tape. It may come twice: what was open once has been
    /// filled since, and what memory has may be on the disk.
    pub(super) fn add(&mut self, chunk: Arc<Chunk>) {
        let key = (chunk.shard(), chunk.tape());
        let (end, last_ms) = extent(&chunk);
        if let Some(since_ms) = self.lost_ms.take() {
            self.miss(since_ms, chunk.unix_ms());
        }
        self.latest_ms = last_ms.max(self.latest_ms);
        // What was open at the end of a process is read behind its end.
        if let Some(unfinished_ms) = &mut self.unfinished_ms {
            *unfinished_ms = last_ms.max(*unfinished_ms);
        }
        let shard = self
            .shards
            .entry(chunk.shard())
            .or_insert_with(|| Recording {
                shard: chunk.shard(),
                ..Recording::default()
            });
        let begin = chunk.sequence();
        let mut at = shard.chunks.len();
        match self.tapes.get(&key) {
            Some(reached) if begin == reached.begin && chunk.unix_ms() <= reached.last_ms => {
                at = reached.at;
                if end <= reached.end {
                    return;
                }
            }
            Some(reached) if begin < reached.end && chunk.unix_ms() <= reached.last_ms => return,
            // It is of another process, whose beginning cannot be read.
            Some(reached) if begin < reached.end => {
                self.holes.push((reached.last_ms, chunk.unix_ms()));
            }
            reached => {
                let (expected, since_ms) = match (reached, self.began_ms) {
                    (Some(reached), _) => (reached.end, reached.last_ms),
                    (None, Some(began_ms)) => (0, began_ms),
                    (None, None) => (begin, 0),
                };
                if begin > expected {
                    lack(shard, key.1, begin - expected);
                    if key.1 != TapeName::Excess {
                        self.holes.push((since_ms, chunk.unix_ms()));
                    }
                }
            }
        }
        let reached = Reached {
            at,
            begin,
            end,
            last_ms,
        };
        self.tapes.insert(key, reached);
        match shard.chunks.get_mut(at) {
            Some(shorter) => *shorter = chunk,
            None => shard.chunks.push(chunk),
        }
    }

    /// All of it. `is_cut`: there were files before the first one that was read.
    pub(super) fn finish(self, is_cut: bool) -> BTreeMap<u16, Recording> {
        let Self {
            mut shards,
            holes,
            off,
            ..
        } = self;
        for recording in shards.values_mut() {
            recording.holes.clone_from(&holes);
            recording.off.clone_from(&off);
            // How much there was in files that are gone is not known: something.
            recording.overwritten += u64::from(is_cut);
        }
        shards
    }
}

/// Entries of a tape that nobody has any more. Messages that the ledger leaves out are counted there.
fn lack(shard: &mut Recording, tape: TapeName, entries: u64) {
    if tape != TapeName::Ledger {
        shard.overwritten += entries;
    }
}

/// The number of the entry that follows a chunk, and when its last one was.
fn extent(chunk: &Chunk) -> (u64, u64) {
    let mut last_ms = chunk.unix_ms();
    let mut entries = chunk.entries();
    for line in entries.by_ref() {
        let at_ms = match line {
            Ok(Line::Entry(entry)) => entry.unix_ms,
            Ok(Line::Gap { unix_ms, .. }) => unix_ms,
            Err(_) => continue,
        };
        last_ms = at_ms.max(last_ms);
    }
    (entries.next_sequence(), last_ms)
}
