//! What a log must hold, by a model that is too simple to be wrong, and random work for it.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "a module of several tests")]

use std::collections::BTreeMap;

use columba_store::{Batch, Error, Log, Options, Position, Recovered, SimDisk};

/// splitmix64
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Segments so small that every run goes through many.
pub fn small_options(store: u64) -> Options {
    let mut options = Options::new(store);
    options.segment_bytes = 4096;
    options.group_bytes_max = 2048;
    options.step_bytes = 300;
    options
}

pub fn open(disk: &SimDisk) -> Result<(Log<SimDisk>, Recovered), Error> {
    Log::open(disk.clone(), small_options(7), &mut |_| ())
}

/// Everything that is live, in order.
pub fn content(log: &mut Log<SimDisk>) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut from = Position::new(0);
    while let Some(next) = log
        .replay(from, 50, |position, record| {
            found.push((position.value(), record.to_vec()));
        })
        .unwrap()
    {
        from = next;
    }
    found
}

/// What is live.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Model {
    pub live: BTreeMap<u64, Vec<u8>>,
    /// The next position that the log will give out.
    pub next: u64,
    serial: u64,
}

impl Model {
    /// A batch of a few records and releases. About as much is released as is added, around
    /// `live_max` records.
    pub fn batch(&mut self, random: &mut Random, live_max: u64) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..random.below(4) {
            self.serial += 1;
            let length = match random.below(40) {
                0 => 0,
                1 => 5000,
                _ => random.below(300),
            };
            let mut record = format!("{}:", self.serial).into_bytes();
            record.resize(record.len() + length as usize, self.serial as u8);
            batch.append(&record);
        }
        let releases = if self.live.len() as u64 > live_max {
            6
        } else {
            2
        };
        for _ in 0..random.below(releases) {
            // Mostly the oldest, as a queue does.
            let nth = if random.below(4) == 0 {
                random.below(self.live.len() as u64 + 1)
            } else {
                random.below(3)
            };
            if let Some(position) = self.live.keys().nth(nth as usize) {
                batch.release(Position::new(*position));
            }
        }
        batch
    }

    pub fn apply(&mut self, batch: &Batch, first: u64) {
        assert!(first >= self.next, "a position was given out twice");
        self.next = first;
        for record in batch.records() {
            self.live.insert(self.next, record.to_vec());
            self.next += 1;
        }
        for position in batch.releases() {
            self.live.remove(&position.value());
        }
    }

    pub fn content(&self) -> Vec<(u64, Vec<u8>)> {
        self.live.iter().map(|(p, r)| (*p, r.clone())).collect()
    }

    /// Takes the state of a log that was opened after a crash. It has to be what was durable, and
    /// the first so many of the batches that were on their way, each as a whole.
    pub fn resume(&mut self, found: &[(u64, Vec<u8>)], on_their_way: &[Batch]) {
        let mut state = self.clone();
        for batch in on_their_way {
            if state.content() == found {
                *self = state;
                return;
            }
            state.apply(batch, state.next);
        }
        assert_eq!(shown(&state.content()), shown(found));
        *self = state;
    }
}

/// A state in few words.
pub fn shown(content: &[(u64, Vec<u8>)]) -> Vec<(u64, String)> {
    let show = |(p, r): &(u64, Vec<u8>)| {
        let text = String::from_utf8_lossy(r);
        let head = text.split(':').next().unwrap_or_default();
        (*p, format!("{head} in {} bytes", r.len()))
    };
    content.iter().map(show).collect()
}
