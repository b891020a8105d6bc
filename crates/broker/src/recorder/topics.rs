//! What was published to which topic lately, as sums: the topic table.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::event::Now;

/// A longer topic has no entry: it would take the places of many others.
const TOPIC_BYTES_MAX: usize = 1024;

/// Bytes of an entry beside its topic: its place in the list and the index, and what the allocator adds.
const ENTRY_BYTES: usize = size_of::<Option<Entry>>() + 2 * size_of::<u32>() + 24;

/// A longer client id is not kept.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// Entries that a new topic looks at for one that was not used since it was looked at last.
const LOOKS_MAX: usize = 16;

/// Sums of the messages to a topic, by the hash of the topic.
///
/// Bounded in bytes: a new topic takes the place of one that was quiet. An entry stays in its slot, so
/// that a list that is made slot by slot sees what is there all the time.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    bytes_max: usize,
    bytes: usize,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Hashes are seeded and 64 bits long: two topics with the same one are not told apart.
    index: HashTable<u32>,
    /// The slot of the last message's topic, if that has one.
    last: u32,
    /// The slot that is looked at next for one to forget.
    hand: usize,
    forgotten: u64,
}

/// The messages to one topic that this shard has taken in.
#[derive(Debug)]
pub(crate) struct Entry {
    hash: u64,
    pub(crate) topic: Box<str>,
    pub(crate) traffic: Traffic,
    /// The client that sent the last message, or another one in the same millisecond; `None` if it was
    /// nobody, or its id is too long.
    pub(crate) publisher: Option<Arc<str>>,
    /// The hash of its id.
    publisher_hash: u64,
    was_used: bool,
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.topic.len() + self.publisher.as_ref().map_or(0, |id| id.len())
    }
}

/// Sums over the messages to one topic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// How many there were.
    pub(crate) messages: u64,
    /// Bytes of their payloads.
    pub(crate) payload_bytes: u64,
    /// Those of them that no subscription matched.
    pub(crate) unmatched: u64,
    /// When the first and the last came, by the clock that never goes back.
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
}

/// A message, as the table sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) topic: &'a str,
    pub(crate) topic_hash: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) publisher: u64,
    pub(crate) is_matched: bool,
}

impl Traffic {
    const fn add(&mut self, now: Now, seen: &Taken<'_>) {
        self.messages += 1;
        self.payload_bytes += seen.payload_bytes as u64;
        self.unmatched += !seen.is_matched as u64;
        self.last_ms = now.mono_ms;
    }
}

impl TopicTable {
    /// A table of so many bytes; 0 keeps nothing.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    /// Counts a message that was accepted. `publisher` gives the client's id, and is asked only if the
    /// message before was another one's and came in another millisecond.
    #[inline]
    pub(super) fn note(
        &mut self,
        now: Now,
        seen: &Taken<'_>,
        publisher: impl FnOnce() -> Option<Arc<str>>,
    ) {
        // A client that sends much sends it to the same topic.
        if !self.is_at(self.last, seen.topic_hash) {
            let Self { slots, index, .. } = self;
            let is_it = |at: &u32| {
                let entry = slots.get(*at as usize).and_then(Option::as_ref);
                entry.is_some_and(|entry| entry.hash == seen.topic_hash)
            };
            match index.find(seen.topic_hash, is_it) {
                Some(at) => self.last = *at,
                None => return self.begin(now, seen, publisher),
            }
        }
        let slot = self.slots.get_mut(self.last as usize);
        let Some(entry) = slot.and_then(Option::as_mut) else {
            return;
        };
        let is_new_instant = entry.traffic.last_ms != now.mono_ms;
        entry.traffic.add(now, seen);
        entry.was_used = true;
        // Many that publish to one topic at full speed would each be named for nobody to see.
        if is_new_instant && entry.publisher_hash != seen.publisher {
            self.rename(seen.publisher, publisher());
        }
    }

    fn is_at(&self, at: u32, hash: u64) -> bool {
        let entry = self.slots.get(at as usize).and_then(Option::as_ref);
        entry.is_some_and(|entry| entry.hash == hash)
    }

    /// The last topic has another publisher.
    #[cold]
    fn rename(&mut self, hash: u64, publisher: Option<Arc<str>>) {
        let slot = self.slots.get_mut(self.last as usize);
        let Some(entry) = slot.and_then(Option::as_mut) else {
            return;
        };
        entry.publisher_hash = hash;
        self.bytes -= entry.bytes();
        entry.publisher = short(publisher);
        self.bytes += entry.bytes();
        self.keep_within_bytes();
    }

    fn keep_within_bytes(&mut self) {
        while self.bytes > self.bytes_max {
            self.forget_one();
        }
    }

    #[cold]
    fn begin(&mut self, now: Now, seen: &Taken<'_>, publisher: impl FnOnce() -> Option<Arc<str>>) {
        let mut traffic = Traffic {
            first_ms: now.mono_ms,
            ..Traffic::default()
        };
        traffic.add(now, seen);
        if seen.topic.len() > TOPIC_BYTES_MAX {
            self.forgotten += 1;
            return;
        }
        let entry = Entry {
            hash: seen.topic_hash,
            topic: seen.topic.into(),
            traffic,
            publisher: short(publisher()),
            publisher_hash: seen.publisher,
            was_used: false,
        };
        if entry.bytes() > self.bytes_max {
            self.forgotten += 1;
            return;
        }
        self.bytes += entry.bytes();
        self.keep_within_bytes();
        let entry = Some(entry);
        let at = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(at as usize) {
            Some(slot) => *slot = entry,
            None => self.slots.push(entry),
        }
        let Self { slots, index, .. } = self;
        let hash_at = |at: &u32| {
            let entry = slots.get(*at as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| entry.hash)
        };
        index.insert_unique(seen.topic_hash, at, hash_at);
    }

    /// Forgets a topic that was not used since it was looked at last, or the last one of some that were.
    /// There is one at least.
    fn forget_one(&mut self) {
        let mut looks = 0;
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand += 1;
            let Some(slot) = self.slots.get_mut(at) else {
                return;
            };
            let Some(entry) = slot else { continue };
            looks += 1;
            if std::mem::take(&mut entry.was_used) && looks < LOOKS_MAX {
                continue;
            }
            self.clear(at);
            self.forgotten += 1;
            return;
        }
    }

    fn clear(&mut self, at: usize) {
        let Some(entry) = self.slots.get_mut(at).and_then(Option::take) else {
            return;
        };
        self.bytes -= entry.bytes();
        if let Ok(found) = self.index.find_entry(entry.hash, |it| *it == at as u32) {
            found.remove();
        }
        self.free.push(at as u32);
    }

    /// Takes out topics that must not be there.
    pub(super) fn remove_if(&mut self, is_unwanted: impl Fn(&str) -> bool) {
        for at in 0..self.slots.len() {
            if self.get(at).is_some_and(|entry| is_unwanted(&entry.topic)) {
                self.clear(at);
            }
        }
    }

    /// Slots, free ones included.
    pub(crate) const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// What stands in a slot.
    pub(crate) fn get(&self, slot: usize) -> Option<&Entry> {
        self.slots.get(slot)?.as_ref()
    }

    /// Topics that had to make room for others so far, and messages to topics that are too long.
    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Topics in the table.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let texts = self.bytes - self.len() * ENTRY_BYTES;
        texts
            + self.slots.capacity() * size_of::<Option<Entry>>()
            + (self.free.capacity() + self.index.capacity()) * size_of::<u32>()
    }
}

fn short(client_id: Option<Arc<str>>) -> Option<Arc<str>> {
    client_id.filter(|id| id.len() <= CLIENT_ID_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Hashing, hash_of};

    fn at(secs: u64) -> Now {
        Now {
            mono_ms: secs * 1000,
            unix_ms: 0,
        }
    }

    fn note(table: &mut TopicTable, secs: u64, topic: &str) {
        let seen = Taken {
            topic,
            topic_hash: hash_of(&Hashing::with_seed(1), topic),
            payload_bytes: 3,
            publisher: secs,
            is_matched: secs.is_multiple_of(2),
        };
        table.note(at(secs), &seen, || Some(secs.to_string().into()));
    }

    fn topics(table: &TopicTable) -> Vec<&str> {
        let entries = (0..table.slots()).filter_map(|slot| table.get(slot));
        let mut topics: Vec<_> = entries.map(|entry| &*entry.topic).collect();
        topics.sort_unstable();
        topics
    }

    #[test]
    fn messages_to_a_topic_are_summed_up() {
        let mut table = TopicTable::new(1024);
        for secs in 1..=3 {
            note(&mut table, secs, "a");
        }
        let entry = table.get(0).unwrap();
        let traffic = entry.traffic;
        assert_eq!((traffic.messages, traffic.payload_bytes), (3, 9));
        assert_eq!((traffic.first_ms, traffic.last_ms), (1000, 3000));
        assert_eq!(
            (traffic.unmatched, entry.publisher.as_deref()),
            (2, Some("3"))
        );
        assert_eq!((table.len(), table.forgotten()), (1, 0));
    }

    #[test]
    fn many_publishers_at_once_are_not_each_named() {
        let mut table = TopicTable::new(1024);
        let mut asked = 0;
        for publisher in 0..100 {
            let topic = ["a", "b"][publisher % 2];
            let seen = Taken {
                topic,
                topic_hash: hash_of(&Hashing::with_seed(1), topic),
                payload_bytes: 0,
                publisher: publisher as u64,
                is_matched: true,
            };
            table.note(at(publisher as u64 / 50), &seen, || {
                asked += 1;
                Some(publisher.to_string().into())
            });
        }
        assert_eq!(asked, 4);
        let publishers = [0, 1].map(|slot| table.get(slot).unwrap().publisher.as_deref());
        assert_eq!(publishers, [Some("50"), Some("51")]);
        assert_eq!(table.get(1).unwrap().traffic.messages, 50);
    }

    #[test]
    fn a_full_table_forgets_the_quiet_and_keeps_within_its_bytes() {
        let mut table = TopicTable::new(10 * (ENTRY_BYTES + 9));
        for n in 0..1000 {
            note(&mut table, n, "steady");
            note(&mut table, n, &format!("{n:06}"));
            assert!(table.bytes <= table.bytes_max && table.len() <= 10);
        }
        assert!(topics(&table).contains(&"steady"));
        assert_eq!(table.get(0).unwrap().traffic.messages, 1000);
        assert_eq!((table.len(), table.forgotten()), (10, 991));
        // Slots are used again.
        assert_eq!(table.slots(), 10);
    }

    #[test]
    fn ids_of_publishers_count_for_the_bytes_and_are_asked_for_when_they_change() {
        let mut table = TopicTable::new(4 * (ENTRY_BYTES + 1 + CLIENT_ID_BYTES_MAX));
        let long = |len: usize| Some(Arc::from("x".repeat(len)));
        let mut secs = 0;
        let mut send = |topic: &str, publisher: u64, id: Option<Arc<str>>| {
            secs += 1;
            let seen = Taken {
                topic,
                topic_hash: hash_of(&Hashing::with_seed(1), topic),
                payload_bytes: 0,
                publisher,
                is_matched: true,
            };
            let mut was_asked = false;
            table.note(at(secs), &seen, || {
                was_asked = true;
                id
            });
            assert!(table.bytes <= table.bytes_max);
            (was_asked, table.len())
        };
        for topic in ["a", "b", "c", "d", "e"] {
            assert!(send(topic, 1, None).0);
        }
        assert_eq!(send("a", 1, None), (false, 5));
        assert_eq!(send("a", 2, long(CLIENT_ID_BYTES_MAX + 1)), (true, 5));
        for topic in ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"] {
            send(topic, 3, long(CLIENT_ID_BYTES_MAX));
        }
        assert_eq!(send("e", 3, None), (false, 4));
    }

    #[test]
    fn a_long_topic_takes_the_place_of_several_and_one_that_is_too_long_of_none() {
        let mut table = TopicTable::new(20 * ENTRY_BYTES);
        for n in 0..15 {
            note(&mut table, n, &n.to_string());
        }
        let before = table.len();
        note(&mut table, 20, &"l".repeat(TOPIC_BYTES_MAX + 1));
        assert_eq!((table.len(), table.forgotten()), (before, 1));
        note(&mut table, 21, &"l".repeat(TOPIC_BYTES_MAX));
        assert!(table.len() < before && table.bytes <= table.bytes_max);
        let mut off = TopicTable::new(0);
        note(&mut off, 1, "a");
        assert_eq!((off.len(), off.memory_bytes()), (0, 0));
    }
}
