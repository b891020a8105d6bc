//! A store in memory: what was committed outlives a crash of the shards.
//!
//! With `COLUMBA_BED_STORE` in the environment every bed has one, so that all behaviours are tested
//! with one and without.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use columba_broker::Shard;
use columba_broker::access::AccessRules;
use columba_broker::event::{Command, Input};
use columba_broker::journal::{Fetched, Records, StoreEvent};
use columba_broker::limits::Promise;
use columba_broker::recovery::{
    LostSession, Recovered, RecoveredCounts, Recovery, Rewrite, StartNotes,
};

use super::Bed;

/// Records by position, and batches that are not committed.
#[derive(Debug, Default)]
pub struct Store {
    /// Whether the shards have one.
    pub is_on: bool,
    /// Nothing is committed until this is cleared.
    pub is_held: bool,
    pub live: BTreeMap<u64, Vec<u8>>,
    waiting: VecDeque<(usize, Records)>,
    next: u64,
    /// What was committed, behind the position of its first record, where somebody wants to have that.
    pub history: Option<Vec<(u64, Records)>>,
    /// Batches committed so far.
    pub commits: u64,
    /// No record is read before this is cleared.
    pub is_reading_held: bool,
    /// Positions that shards have asked for, in order.
    reading: VecDeque<(usize, u64)>,
    /// Positions that cannot be read.
    pub unreadable: BTreeSet<u64>,
    /// Records read so far.
    pub reads: u64,
    /// Whether starts are told that damage has cost records.
    pub is_damaged: bool,
    /// Sessions that the last start has found to be lost.
    pub lost: Vec<LostSession>,
    /// What starts note that they found.
    pub notes: StartNotes,
}

impl Store {
    /// Whether beds have one by default.
    #[allow(
        clippy::disallowed_methods,
        reason = "tests are run once with a store and once without; crates above allow it anyway"
    )]
    pub fn is_wanted() -> bool {
        std::env::var_os("COLUMBA_BED_STORE").is_some()
    }

    /// Adds records that an earlier process left.
    pub fn put(&mut self, records: &Records) {
        self.commit(records);
    }

    fn commit(&mut self, records: &Records) -> u64 {
        let first = self.next;
        let mut start = 0;
        for end in &records.ends {
            self.live
                .insert(self.next, records.bytes[start..*end].to_vec());
            self.next += 1;
            start = *end;
        }
        for position in &records.releases {
            let was_live = self.live.remove(position).is_some();
            assert!(was_live, "{position} is released twice or never was");
        }
        self.commits += 1;
        if let Some(history) = &mut self.history {
            let records = Records {
                bytes: records.bytes.clone(),
                ends: records.ends.clone(),
                releases: records.releases.clone(),
                ..*records
            };
            history.push((first, records));
        }
        first
    }

    /// Has what an earlier process left, and nothing else.
    pub fn begin_with(&mut self, live: BTreeMap<u64, Vec<u8>>) {
        self.next = live.last_key_value().map_or(0, |(last, _)| last + 1);
        self.live = live;
        self.waiting.clear();
    }

    /// Batches that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl Bed {
    /// The same bed with a store.
    pub fn durable(shards: u16) -> Self {
        Self::new(shards).with_store()
    }

    /// Gives the shards a store. To be called before anything happens.
    pub fn with_store(mut self) -> Self {
        let (make, now) = (self.config, self.now);
        self.config = Box::new(move |number| columba_broker::ShardConfig {
            is_durable: true,
            ..make(number)
        });
        for number in 0..self.shards.len() as u16 {
            self.shards[usize::from(number)] = Shard::new((self.config)(number), now);
        }
        self
    }

    /// A bed with a store whose listener promises this.
    pub fn promising(mut self, promise: Promise) -> Self {
        let make = self.config;
        self.config = Box::new(move |number| {
            let config = make(number);
            let mut listeners = config.listeners.to_vec();
            listeners[0].promise = promise;
            columba_broker::ShardConfig {
                listeners: listeners.into(),
                ..config
            }
        });
        self.with_store()
    }

    /// From now on the listener promises something else to those who come.
    pub fn promise(&mut self, promise: Promise) {
        let mut listeners = (self.config)(0).listeners.to_vec();
        listeners[0].promise = promise;
        self.command(Command::SetListeners(listeners.into()));
    }

    /// The next process begins with these rules.
    pub fn with_rules_at_start(mut self, access: AccessRules) -> Self {
        let make = self.config;
        let access = Arc::new(access);
        self.config = Box::new(move |number| columba_broker::ShardConfig {
            access: Arc::clone(&access),
            ..make(number)
        });
        self
    }

    /// Commits the next batch, if it may; returns whether there was one.
    pub(super) fn serve_store(&mut self) -> bool {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            if let Some(records) = shard.poll_records() {
                self.store.waiting.push_back((number, records));
            }
        }
        (!self.store.is_held && self.commit_one())
            || (!self.store.is_reading_held && self.read_one())
    }

    pub(super) fn ask_store(&mut self, shard: usize, positions: &[u64]) {
        let asked = positions.iter().map(|position| (shard, *position));
        self.store.reading.extend(asked);
    }

    /// Reads one record that was asked for.
    pub fn read_one(&mut self) -> bool {
        let Some((shard, position)) = self.store.reading.pop_front() else {
            return false;
        };
        self.store.reads += 1;
        let record = match self.store.live.get(&position) {
            Some(record) if !self.store.unreadable.contains(&position) => Ok(record.clone()),
            Some(_) => Err(format!("00000001.log is damaged at offset {position}")),
            None => Err("it is not there".to_owned()),
        };
        let fetched = vec![Fetched { position, record }];
        self.give(shard, Input::Fetched(fetched));
        true
    }

    /// Records that shards have asked for and not got.
    pub fn reading(&self) -> usize {
        self.store.reading.len()
    }

    /// Reads what was asked for, and goes on.
    pub fn release_reading(&mut self) {
        self.store.is_reading_held = false;
        self.settle();
    }

    /// Writes the batches that wait, without making them durable: those who asked are told.
    pub fn write_waiting(&mut self) {
        let asked: Vec<(usize, u64)> = self
            .store
            .waiting
            .iter()
            .filter(|(_, of)| of.tells_written)
            .map(|(shard, of)| (*shard, of.ticket))
            .collect();
        for (shard, ticket) in asked {
            self.store_event(shard, StoreEvent::Written { ticket });
        }
        self.settle();
    }

    /// Commits one batch that waits.
    pub fn commit_one(&mut self) -> bool {
        let Some((shard, records)) = self.store.waiting.pop_front() else {
            return false;
        };
        let first = self.store.commit(&records);
        let ticket = records.ticket;
        let event = StoreEvent::Durable { ticket, first };
        self.give(shard, Input::Store(event));
        true
    }

    /// Commits the first batch of a shard that waits, and carries out what follows but for other
    /// batches.
    pub fn commit_of(&mut self, shard: usize) -> bool {
        let mut waiting = self.store.waiting.iter();
        let Some(at) = waiting.position(|(of, _)| *of == shard) else {
            return false;
        };
        if let Some(first) = self.store.waiting.remove(at) {
            self.store.waiting.push_front(first);
        }
        self.commit_next()
    }

    /// Commits one batch that waits, and carries out what follows but for other batches.
    pub fn commit_next(&mut self) -> bool {
        let is_one = self.commit_one();
        self.settle();
        is_one
    }

    /// The disk has no room: of the batches that wait those go through that only release and do not
    /// keep their turn. They are reported after the others.
    pub fn commit_on_full_disk(&mut self) {
        let waiting = std::mem::take(&mut self.store.waiting);
        for (shard, mut records) in waiting {
            if records.ends.is_empty() && !records.keeps_turn {
                self.store.commit(&records);
                records.releases.clear();
            }
            self.store.waiting.push_back((shard, records));
        }
    }

    /// Commits what waits, and goes on.
    pub fn release_store(&mut self) {
        self.store.is_held = false;
        self.settle();
    }

    /// Tells a shard something about the store.
    pub fn store_event(&mut self, shard: usize, event: StoreEvent) {
        self.input(shard, Input::Store(event));
    }

    /// The same where the machine lives on: what was handed over is there as well.
    pub fn kill(&mut self, shards: u16) -> RecoveredCounts {
        for (_, records) in std::mem::take(&mut self.store.waiting) {
            self.store.commit(&records);
        }
        self.crash(shards)
    }

    /// The process dies and another one starts with so many shards: all that is left is what was
    /// committed. Every client finds its connection gone.
    pub fn crash(&mut self, shards: u16) -> RecoveredCounts {
        let was_held = std::mem::take(&mut self.store.is_held);
        self.store.waiting.clear();
        self.store.reading.clear();
        self.mail.clear();
        self.unanswered.clear();
        for client in &mut self.clients {
            client.at = None;
            client.inbox.bytes.clear();
        }
        // Another clock, and some time later.
        self.now.unix_ms += 5;
        self.now.mono_ms = 10;
        self.owners = vec![Vec::new(); usize::from(shards)];
        self.generations = vec![Vec::new(); usize::from(shards)];
        let recovered = self.recover(shards);
        let make = &self.config;
        self.shards = (0..shards)
            .map(|number| {
                let config = columba_broker::ShardConfig {
                    shards,
                    ..make(number)
                };
                Shard::with_notes(config, self.now, &self.store.notes)
            })
            .collect();
        for (shard, mut part) in self.shards.iter_mut().zip(recovered.shards) {
            part.change_users(|user| self.users_at_start.get(user).cloned());
            shard.restore(self.now, part);
        }
        self.store.lost = recovered.lost;
        self.store.is_held = was_held;
        self.settle();
        recovered.counts
    }

    /// The same, but the next process dies as well, when it has written so many records anew.
    pub fn crash_at_start(&mut self, rewrites: usize, shards: u16) -> RecoveredCounts {
        let recovered = self.read_store(shards);
        self.rewrite(recovered.rewrites.into_iter().take(rewrites));
        self.crash(shards)
    }

    fn recover(&mut self, shards: u16) -> Recovered {
        for _ in 0..2 {
            let mut recovered = self.read_store(shards);
            if recovered.rewrites.is_empty() {
                return recovered;
            }
            self.rewrite(recovered.rewrites.drain(..));
        }
        panic!("recovery repairs without end");
    }

    fn read_store(&mut self, shards: u16) -> Recovered {
        let recovered = self.recovery().finish(shards, 42);
        self.store.commit(&recovered.repair);
        recovered
    }

    fn recovery(&self) -> Recovery {
        let mut recovery = Recovery::new(self.now);
        for (position, record) in &self.store.live {
            recovery.take(*position, record);
        }
        if self.store.is_damaged {
            recovery.expect_lost();
        }
        recovery
    }

    /// An operator lets go of lost sessions while no broker runs.
    pub fn discard_lost(&mut self) -> Vec<LostSession> {
        let discarded = self.recovery().discard_lost();
        self.store.commit(&discarded.repair);
        discarded.lost
    }

    /// Damage costs the record of a client's session.
    pub fn lose_session(&mut self, client_id: &str) {
        let id = client_id.as_bytes();
        let is_it = |record: &[u8]| record[0] == 2 && record.get(3..3 + id.len()) == Some(id);
        let before = self.store.live.len();
        self.store.live.retain(|_, record| !is_it(record));
        assert_eq!(self.store.live.len() + 1, before);
        self.store.is_damaged = true;
    }

    fn rewrite(&mut self, rewrites: impl Iterator<Item = Rewrite>) {
        for rewrite in rewrites {
            let record = self.store.live[&rewrite.position].clone();
            let mut batch = Records::default();
            rewrite.write(&record, &mut batch);
            self.store.commit(&batch);
        }
    }

    /// Where the record is that has a payload.
    pub fn position_of(&self, payload: &[u8]) -> u64 {
        let has = |record: &[u8]| record.windows(payload.len()).any(|part| part == payload);
        let mut found = self.store.live.iter().filter(|(_, record)| has(record));
        *found.next().unwrap().0
    }

    /// Whether the store knows of an ended session whose copies are being handed over.
    pub fn knows_left_behind(&self) -> bool {
        // A session; its number and the length of its client id have one byte each.
        let is_it = |record: &Vec<u8>| record[0] == 2 && record.get(3) == Some(&0);
        self.store.live.values().any(is_it)
    }

    /// With every session ended and nothing retained, nothing is left in the store but its seed,
    /// and the shards know of no record.
    pub fn check_nothing_is_stored(&self) {
        for shard in &self.shards {
            assert_eq!(shard.kept_counts(), (0, 0));
        }
        assert!(self.store.live.len() <= 1, "{:?}", self.store.live);
    }
}
