//! What a shard wants kept on disk: records to append and records to forget, gathered into batches,
//! and what waits until a batch is there.
//!
//! The core knows a store only by this. It writes records of its own making (see `record.rs`), hears
//! later at which position a batch begins, and names positions when it has no more use for them.

mod trails;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

use slab::Slab;

use crate::id::ShardId;
use crate::limits::Promise;
use trails::Trails;

/// Records to append and positions to release as one step: after a crash all of it is there, or
/// nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// By which [`StoreEvent::Durable`] names this batch. Tickets of a shard count up.
    pub ticket: u64,
    /// The records, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    pub ends: Vec<usize>,
    /// Positions of records that are no longer needed.
    pub releases: Vec<u64>,
    /// Whether somebody waits for [`StoreEvent::Written`].
    pub tells_written: bool,
    /// Whether it may not pass batches before it on a full disk, although it only releases.
    pub keeps_turn: bool,
}

/// What the store tells a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// A batch that asked for it and all before it outlive the process. Told at most, and before
    /// the next: whoever waits for this is also content with [`StoreEvent::Durable`].
    Written {
        /// Which batch.
        ticket: u64,
    },
    /// A batch is as safe as the store promises, and so are all before it. Told for every batch,
    /// in the order of tickets.
    Durable {
        /// Which batch.
        ticket: u64,
        /// The position of its first record; the others follow it. Means nothing if it has none.
        first: u64,
    },
    /// The disk has no room for what was handed over. The driver keeps it and tries again; batches
    /// that only release and do not keep their turn may pass it on their way to the store, but are
    /// reported after it.
    Full,
    /// There is room again: what was kept is durable, as reported before this.
    Room,
    /// The disk failed: nothing will ever be reported durable any more.
    Failed,
}

/// The answer to one position of an [`Effect::Fetch`](crate::Effect::Fetch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where the record is.
    pub position: u64,
    /// The record, or why it cannot be read and where, for people.
    pub record: Result<Vec<u8>, String>,
}

/// A record of this shard, on the disk or on its way there. Whoever has it releases it, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordId(NonZeroU32);

impl RecordId {
    /// The id as a number.
    pub(crate) const fn value(self) -> u32 {
        self.0.get()
    }

    fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.unwrap_or(NonZeroU32::MAX))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Whose record is at a place of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This shard's.
    Here(RecordId),
    /// Another shard's, which is to be told the position.
    There(ShardId, RecordId),
}

/// Where a record of this shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not known to be durable. When it is, another record is released.
    Pending(Option<RecordId>),
    /// The same, and nobody needs it any more.
    Unwanted(Option<RecordId>),
    /// Durable, at this position.
    At(u64),
    /// No record: a mark that has been reached.
    Reached,
}

/// Another shard's record that has become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) shard: ShardId,
    pub(crate) record: RecordId,
    pub(crate) position: u64,
}

/// Whether the store takes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Working,
    Full,
    Failed,
}

/// Emptied batches that are kept, and how large they may be.
const SPARES_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 1 << 20;
const SPARE_PLACES_MAX: usize = 1 << 14;

/// The records of one shard.
#[derive(Debug)]
pub(crate) struct Journal {
    is_on: bool,
    places: Slab<Place>,
    /// What is being gathered.
    batch: Records,
    owners: Vec<Owner>,
    /// Records that were ended before they were durable, where somebody waits for that: when each
    /// was, in numbers that count up.
    ending: BTreeMap<u32, u64>,
    /// The numbers of those, in order.
    endings: BTreeSet<u64>,
    next_ending: u64,
    /// What is to be released with a record that is not durable yet.
    behind: BTreeMap<u32, Vec<RecordId>>,
    /// Records of retained messages that are on their way to the disk and not needed any more.
    trails: Trails,
    /// Emptied batches and lists of owners, for the next ones.
    spare: Vec<Records>,
    spare_owners: Vec<Vec<Owner>>,
    /// Batches with the store, in order.
    flying: VecDeque<Flying>,
    flying_bytes: usize,
    /// The last batch that is durable, and with it all before.
    durable: u64,
    /// The last of which it is known that the process may end.
    written: u64,
    health: Health,
}

#[derive(Debug)]
struct Flying {
    ticket: u64,
    owners: Vec<Owner>,
    bytes: usize,
}

impl Journal {
    pub(crate) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            places: Slab::new(),
            batch: Records {
                ticket: 1,
                ..Records::default()
            },
            owners: Vec::new(),
            ending: BTreeMap::new(),
            endings: BTreeSet::new(),
            next_ending: 1,
            behind: BTreeMap::new(),
            trails: Trails::default(),
            spare: Vec::new(),
            spare_owners: Vec::new(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            durable: 0,
            written: 0,
            health: Health::Working,
        }
    }

    /// Whether there is a store.
    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// A record that is to be written by whoever gets its bytes.
    pub(crate) fn reserve(&mut self) -> RecordId {
        RecordId::at(self.places.insert(Place::Pending(None)))
    }

    /// A record that is there already.
    pub(crate) fn adopt(&mut self, position: u64) -> RecordId {
        RecordId::at(self.places.insert(Place::At(position)))
    }

    /// Adds the record that `write` appends to the batch.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> RecordId {
        let id = self.reserve();
        self.append_as(Owner::Here(id), write);
        id
    }

    /// The same for a record that has its owner.
    pub(crate) fn append_as(&mut self, owner: Owner, write: impl FnOnce(&mut Vec<u8>)) {
        if self.has_failed() {
            return;
        }
        write(&mut self.batch.bytes);
        self.batch.ends.push(self.batch.bytes.len());
        self.owners.push(owner);
    }

    /// Adds a record and releases the one that it takes the place of, in one step; or, if that is
    /// not durable itself yet, not before this one is.
    pub(crate) fn replace(&mut self, old: &mut Option<RecordId>, write: impl FnOnce(&mut Vec<u8>)) {
        let new = self.append(write);
        if let Some(old) = old.replace(new) {
            self.release(old);
        }
    }

    /// A record is not needed any more.
    pub(crate) fn release(&mut self, id: RecordId) {
        if self.has_failed() {
            self.places.try_remove(id.index());
            return;
        }
        let Some(place) = self.places.get_mut(id.index()) else {
            return;
        };
        match *place {
            Place::At(position) => {
                self.places.try_remove(id.index());
                self.batch.releases.push(position);
            }
            Place::Pending(older) => *place = Place::Unwanted(older),
            Place::Reached => {
                self.places.try_remove(id.index());
            }
            Place::Unwanted(_) => {}
        }
    }

    /// Something that a mark stands for is durable. A mark is reserved like a record, is never written,
    /// and is reached once; whoever waits for it releases it.
    pub(crate) fn reach(&mut self, mark: RecordId) {
        if self.has_failed() {
            return;
        }
        match self.places.get_mut(mark.index()) {
            Some(place @ Place::Pending(_)) => *place = Place::Reached,
            Some(Place::Unwanted(_)) => {
                self.places.try_remove(mark.index());
            }
            Some(Place::At(_) | Place::Reached) | None => {}
        }
    }

    /// The same, where somebody is told when it is gone for good: see [`Self::ending`].
    pub(crate) fn end(&mut self, id: RecordId) {
        self.release(id);
        if let Some(Place::Unwanted(_)) = self.places.get(id.index()) {
            self.await_ending(id);
        }
    }

    /// The same for a record and others that it makes no sense without: while it may be there after
    /// a crash, so are they.
    pub(crate) fn end_with(&mut self, head: RecordId, others: Vec<RecordId>) {
        self.end(head);
        match self.places.get(head.index()) {
            Some(Place::Unwanted(_)) => {
                for id in &others {
                    self.await_ending(*id);
                }
                self.behind.insert(head.value(), others);
            }
            Some(Place::Pending(_) | Place::At(_) | Place::Reached) | None => {
                others.into_iter().for_each(|id| self.end(id));
            }
        }
    }

    fn await_ending(&mut self, id: RecordId) {
        self.ending.insert(id.value(), self.next_ending);
        self.endings.insert(self.next_ending);
        self.next_ending += 1;
    }

    /// The last of those that were ended and cannot be released yet; 0 without any.
    pub(crate) fn ending(&self) -> u64 {
        self.endings.last().copied().unwrap_or(0)
    }

    /// Whether all up to one of them have been released, by the present batch at the latest.
    pub(crate) fn has_ended(&self, upto: u64) -> bool {
        self.endings.first().is_none_or(|first| *first > upto)
    }

    /// A record that was ended is released, or was never written.
    fn forget_ending(&mut self, id: RecordId) {
        if let Some(number) = self.ending.remove(&id.value()) {
            self.endings.remove(&number);
        }
        for other in self.behind.remove(&id.value()).unwrap_or_default() {
            self.release(other);
            if self.places.get(other.index()).is_none() {
                self.forget_ending(other);
            }
        }
    }

    /// A topic's retained message has another record, which may be in another batch than the old
    /// one. That is released as soon as the new one is durable.
    pub(crate) fn supersede(&mut self, topic: &str, old: RecordId, new: RecordId) {
        if self.has_failed() {
            return self.release(old);
        }
        if self.position(old).is_none() {
            self.trails.add_coming(topic, old);
        }
        match self.places.get_mut(new.index()) {
            Some(Place::Pending(older @ None)) => *older = Some(old),
            _ => self.release(old),
        }
    }

    /// A topic has no retained message any more; `record` was that one's, if there was one. Returns
    /// whether records of it may still come to the disk: then a record that outranks them has to
    /// say that it has none, and is handed to [`Self::outrank`].
    pub(crate) fn clear_topic(&mut self, topic: &str, record: Option<RecordId>) -> bool {
        if self.has_failed() {
            record.into_iter().for_each(|record| self.release(record));
            return false;
        }
        if let Some(record) = record {
            let is_durable = self.position(record).is_some();
            if is_durable && self.trails.has(topic) {
                self.trails.add_held(topic, record);
            } else {
                if !is_durable {
                    self.trails.add_coming(topic, record);
                }
                self.release(record);
            }
        }
        self.trails.has(topic)
    }

    /// A record that says that a topic has no retained message: it is released as soon as no older
    /// one can come to the disk.
    pub(crate) fn outrank(&mut self, topic: &str, record: RecordId) {
        self.trails.add_held(topic, record);
    }

    /// A record that another shard wrote for this one is durable.
    pub(crate) fn settle(&mut self, id: RecordId, position: u64) {
        // Its place may be another record's by now.
        if self.has_failed() {
            return;
        }
        let Some(place) = self.places.get_mut(id.index()) else {
            return;
        };
        let (is_unwanted, older) = match *place {
            Place::Pending(older) => (false, older),
            Place::Unwanted(older) => (true, older),
            Place::At(_) | Place::Reached => return,
        };
        *place = Place::At(position);
        let mut free = Vec::new();
        let stays = self.trails.came(id, is_unwanted, &mut free);
        if is_unwanted {
            self.forget_ending(id);
            // What made it unwanted may be in a batch that the disk had no room for.
            self.keep_turn();
        }
        if is_unwanted && !stays {
            self.release(id);
        }
        for other in older.into_iter().chain(free) {
            self.release(other);
        }
    }

    /// What the present batch releases is needed until those before it are durable: they may be batches
    /// that the disk has no room for.
    pub(crate) const fn keep_turn(&mut self) {
        self.batch.keeps_turn = true;
    }

    /// A reserved record will never be written.
    pub(crate) fn abandon(&mut self, id: RecordId) {
        self.forget_ending(id);
        self.places.try_remove(id.index());
    }

    /// The position of a record, once it is durable.
    pub(crate) fn position(&self, id: RecordId) -> Option<u64> {
        match self.places.get(id.index()) {
            Some(Place::At(position)) => Some(*position),
            Some(Place::Pending(_) | Place::Unwanted(_) | Place::Reached) | None => None,
        }
    }

    /// Whether a record is durable, or a mark reached.
    pub(crate) fn is_durable(&self, id: RecordId) -> bool {
        let place = self.places.get(id.index());
        matches!(place, Some(Place::At(_) | Place::Reached))
    }

    /// The ticket of the newest batch with anything in it: when that is durable, everything is
    /// that was appended and released so far.
    pub(crate) const fn ticket(&self) -> u64 {
        let is_empty = self.batch.ends.is_empty() && self.batch.releases.is_empty();
        if is_empty && !self.has_failed() {
            self.batch.ticket - 1
        } else {
            self.batch.ticket
        }
    }

    /// The ticket of the batch that is being gathered, also while nothing is in it.
    pub(crate) const fn gathered(&self) -> u64 {
        self.batch.ticket
    }

    /// The newest batch of which a promise holds.
    pub(crate) fn reached(&self, promise: Promise) -> u64 {
        match promise {
            Promise::Written => self.written.max(self.durable),
            Promise::Durable | Promise::Nothing => self.durable,
        }
    }

    /// Somebody waits for a batch. It is told when it is written if that is what was promised, and
    /// it has not been handed out: then it is told when it is durable.
    pub(crate) fn tell_written(&mut self, promise: Promise, ticket: u64) {
        self.batch.tells_written |= promise == Promise::Written && ticket == self.batch.ticket;
    }

    /// A batch is written, and all before it.
    pub(crate) fn on_written(&mut self, ticket: u64) {
        if self.has_failed() {
            return;
        }
        self.written = self.written.max(ticket);
    }

    /// Whether the store does not keep up: whoever has more for it has to wait.
    pub(crate) fn is_behind(&self, bytes_max: usize) -> bool {
        self.is_on && (self.health != Health::Working || self.is_over(bytes_max))
    }

    /// Whether more than so many bytes wait for the store.
    pub(crate) fn is_over(&self, bytes_max: usize) -> bool {
        self.waiting_bytes() > bytes_max
    }

    /// Bytes that are gathered and on their way.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.flying_bytes + self.batch_bytes()
    }

    /// Bytes that are gathered.
    pub(crate) fn batch_bytes(&self) -> usize {
        batch_bytes(&self.batch)
    }

    /// Whether anything waits to be handed out.
    pub(crate) const fn has_batch(&self) -> bool {
        self.ticket() == self.batch.ticket && !self.has_failed()
    }

    /// Hands out what was gathered.
    pub(crate) fn take_batch(&mut self) -> Option<Records> {
        if !self.has_batch() {
            return None;
        }
        let mut next = self.spare.pop().unwrap_or_default();
        next.ticket = self.batch.ticket + 1;
        let batch = std::mem::replace(&mut self.batch, next);
        let bytes = batch_bytes(&batch);
        self.flying_bytes += bytes;
        self.flying.push_back(Flying {
            ticket: batch.ticket,
            owners: std::mem::replace(
                &mut self.owners,
                self.spare_owners.pop().unwrap_or_default(),
            ),
            bytes,
        });
        Some(batch)
    }

    /// Keeps the memory of a batch for another one.
    pub(crate) fn reuse(&mut self, mut records: Records) {
        let is_small = records.bytes.capacity() <= SPARE_BYTES_MAX
            && records.ends.capacity() <= SPARE_PLACES_MAX
            && records.releases.capacity() <= SPARE_PLACES_MAX;
        if is_small && self.spare.len() < SPARES_MAX {
            records.bytes.clear();
            records.ends.clear();
            records.releases.clear();
            records.tells_written = false;
            records.keeps_turn = false;
            self.spare.push(records);
        }
    }

    /// A batch is durable: appends what other shards are to be told.
    pub(crate) fn on_durable(&mut self, ticket: u64, first: u64, others: &mut Vec<Settled>) {
        if self.has_failed() {
            return;
        }
        while let Some(batch) = self.flying.front()
            && batch.ticket <= ticket
            && let Some(batch) = self.flying.pop_front()
        {
            self.flying_bytes -= batch.bytes;
            let mut owners = batch.owners;
            for (position, owner) in (first..).zip(owners.drain(..)) {
                match owner {
                    Owner::Here(record) => self.settle(record, position),
                    Owner::There(shard, record) => others.push(Settled {
                        shard,
                        record,
                        position,
                    }),
                }
            }
            if self.spare_owners.len() < SPARES_MAX && owners.capacity() <= SPARE_PLACES_MAX {
                self.spare_owners.push(owners);
            }
        }
        self.durable = self.durable.max(ticket);
    }

    pub(crate) fn on_full(&mut self) {
        if self.health == Health::Working {
            self.health = Health::Full;
        }
    }

    pub(crate) fn on_room(&mut self) {
        if self.health == Health::Full {
            self.health = Health::Working;
        }
    }

    /// Nothing will be durable any more. What is gathered and on its way is let go, and from now on
    /// nothing is gathered, so that memory has a bound however long the process goes on: records are
    /// never durable, whoever waits for [`Self::ticket`] waits for ever.
    pub(crate) fn on_failed(&mut self) {
        *self = Self {
            is_on: self.is_on,
            places: std::mem::take(&mut self.places),
            durable: self.durable,
            written: self.written,
            health: Health::Failed,
            batch: Records {
                ticket: self.batch.ticket + 1,
                ..Records::default()
            },
            ..Self::new(self.is_on)
        };
    }

    /// Whether the disk has no room.
    pub(crate) const fn is_full(&self) -> bool {
        matches!(self.health, Health::Full)
    }

    /// Whether nothing will be durable any more.
    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self.health, Health::Failed)
    }

    /// Records that are live or on their way: what tests check against leaks.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

fn batch_bytes(batch: &Records) -> usize {
    batch.bytes.len() + size_of_val(&*batch.releases)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_with(records: &[&[u8]]) -> (Journal, Vec<RecordId>) {
        let mut journal = Journal::new(true);
        let ids = records
            .iter()
            .map(|record| journal.append(|out| out.extend_from_slice(record)))
            .collect();
        (journal, ids)
    }

    #[test]
    fn positions_are_known_once_a_batch_is_durable() {
        let (mut journal, ids) = journal_with(&[b"a", b"bc"]);
        assert_eq!((journal.ticket(), journal.batch_bytes()), (1, 3));
        let batch = journal.take_batch().unwrap();
        assert_eq!(journal.batch_bytes(), 0);
        assert_eq!((batch.bytes, batch.ends), (b"abc".to_vec(), vec![1, 3]));
        assert_eq!((journal.ticket(), journal.position(ids[0])), (1, None));
        journal.on_durable(1, 70, &mut Vec::new());
        assert_eq!(journal.position(ids[0]), Some(70));
        assert_eq!(journal.position(ids[1]), Some(71));
    }

    #[test]
    fn what_is_released_before_it_is_durable_is_released_as_soon_as_it_is() {
        let (mut journal, ids) = journal_with(&[b"a", b"b"]);
        journal.release(ids[0]);
        let batch = journal.take_batch().unwrap();
        assert!(batch.releases.is_empty());
        assert!(journal.take_batch().is_none());
        journal.on_durable(1, 5, &mut Vec::new());
        assert_eq!(journal.take_batch().unwrap().releases, [5]);
        journal.release(ids[1]);
        assert_eq!(journal.take_batch().unwrap().releases, [6]);
        assert_eq!(journal.len(), 0);
    }

    /// The batch with what was put in its place, or which releases what it belongs to, may have been
    /// refused by a full disk.
    #[test]
    fn a_release_that_waited_for_its_record_keeps_its_turn() {
        let (mut journal, ids) = journal_with(&[b"message", b"note"]);
        journal.take_batch().unwrap();
        journal.on_durable(1, 5, &mut Vec::new());
        journal.release(ids[0]);
        assert!(!journal.take_batch().unwrap().keeps_turn);
        let late = journal.append(|out| out.push(0));
        journal.take_batch().unwrap();
        journal.release(late);
        journal.on_durable(3, 7, &mut Vec::new());
        let batch = journal.take_batch().unwrap();
        assert!(batch.keeps_turn && batch.ends.is_empty());
        journal.reuse(batch);
        journal.release(ids[1]);
        journal.take_batch().unwrap();
        journal.append(|out| out.push(0));
        assert!(!journal.take_batch().unwrap().keeps_turn);
    }

    #[test]
    fn what_is_ended_before_it_is_durable_has_ended_with_a_later_batch() {
        let (mut journal, ids) = journal_with(&[b"a", b"b"]);
        journal.end(ids[0]);
        let ending = journal.ending();
        assert!(!journal.has_ended(ending));
        journal.take_batch().unwrap();
        // What is ended later is not waited for.
        let later = journal.append(|out| out.push(0));
        journal.end(later);
        journal.on_durable(1, 5, &mut Vec::new());
        assert!(journal.has_ended(ending) && !journal.has_ended(journal.ending()));
        journal.abandon(later);
        assert_eq!((journal.ending(), journal.ticket()), (0, 2));
        journal.end(ids[1]);
        assert_eq!(journal.ending(), 0);
        assert_eq!(journal.take_batch().unwrap().releases, [5, 6]);
    }

    #[test]
    fn memory_that_is_given_back_is_empty_when_it_is_used_again() {
        let (mut journal, _) = journal_with(&[b"a"]);
        let mut batch = journal.take_batch().unwrap();
        batch.releases.push(9);
        journal.reuse(batch);
        let huge = Records {
            bytes: Vec::with_capacity(SPARE_BYTES_MAX + 1),
            ..Records::default()
        };
        journal.reuse(huge);
        // The one that is being gathered was made before.
        journal.append(|out| out.extend_from_slice(b"b"));
        journal.take_batch().unwrap();
        assert!(!journal.has_batch());
        journal.append(|out| out.extend_from_slice(b"cd"));
        let batch = journal.take_batch().unwrap();
        assert_eq!(
            (batch.ticket, &*batch.bytes, &*batch.ends),
            (3, &b"cd"[..], &[2][..])
        );
        assert!(batch.releases.is_empty() && batch.bytes.capacity() <= SPARE_BYTES_MAX);
    }

    #[test]
    fn a_record_for_another_shard_is_told_to_it() {
        let mut theirs = Journal::new(true);
        let record = theirs.reserve();
        let (mut mine, _) = journal_with(&[b"a"]);
        mine.append_as(Owner::There(ShardId(1), record), |out| out.push(0));
        mine.take_batch().unwrap();
        let mut others = Vec::new();
        mine.on_durable(1, 8, &mut others);
        let settled = others[0];
        assert_eq!((settled.shard, settled.position), (ShardId(1), 9));
        theirs.settle(settled.record, settled.position);
        assert_eq!(theirs.position(record), Some(9));
    }

    #[test]
    fn an_older_record_stays_until_the_one_in_its_place_is_durable() {
        let (mut journal, ids) = journal_with(&[b"old"]);
        journal.take_batch().unwrap();
        journal.on_durable(1, 4, &mut Vec::new());
        let new = journal.reserve();
        journal.supersede("t", ids[0], new);
        assert!(!journal.has_batch());
        journal.release(new);
        journal.settle(new, 9);
        assert_eq!(journal.take_batch().unwrap().releases, [9, 4]);
    }

    #[test]
    fn a_store_that_is_behind_full_or_failed_takes_no_more() {
        let (mut journal, _) = journal_with(&[b"1234"]);
        assert!(!journal.is_behind(4) && journal.is_behind(3));
        journal.take_batch().unwrap();
        assert!(journal.is_behind(3));
        journal.on_durable(1, 0, &mut Vec::new());
        assert!(!journal.is_behind(3));
        journal.on_full();
        assert!(journal.is_behind(100));
        journal.on_room();
        assert!(!journal.is_behind(100));
        journal.on_failed();
        journal.on_room();
        assert!(journal.is_behind(100));
        assert!(!Journal::new(false).is_behind(0));
    }
}
