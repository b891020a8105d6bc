//! What was published to which topic lately, as sums: the topic table.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::now::Now;

/// A longer topic has no entry: it would take the places of many others.
const TOPIC_BYTES_MAX: usize = 1024;

/// Bytes of an entry beside its topic: its place in the lists and the index, and what the allocator adds.
const ENTRY_BYTES: usize =
    size_of::<Sums>() + size_of::<Option<Names>>() + 2 * size_of::<u32>() + 24;

/// A longer client id is not kept.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// Entries that a new topic looks at for one that was not used since it was looked at last.
const LOOKS_MAX: usize = 16;

/// Values of a topic's hash for which the slot of the last topic is known without a look into the index.
const RECENT: usize = 4096;

/// No slot.
const NONE: u32 = u32::MAX;

/// Sums of the messages to a topic, by the hash of the topic.
///
/// Bounded in bytes: a new topic takes the place of one that was quiet. An entry stays in its slot, so
/// that a list that is made slot by slot sees what is there all the time.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    bytes_max: usize,
    bytes: usize,
    /// What a message changes, by slot.
    sums: Vec<Sums>,
    /// What stays, by slot; `None` in one that is free.
    names: Vec<Option<Names>>,
    free: Vec<u32>,
    /// Hashes are seeded and 64 bits long: two topics with the same one are not told apart.
    index: HashTable<u32>,
    /// Slots of topics that were used lately, by the lower bits of their hashes. A slot that stands here is
    /// in use.
    recent: Vec<u32>,
    /// What the last topic has got within this millisecond, and its sums do not show yet.
    run: Run,
    /// The slot that is looked at next for one to forget.
    hand: usize,
    forgotten: u64,
}

/// Messages to one topic within one millisecond, as one read from a socket brings them.
#[derive(Debug)]
struct Run {
    /// The topic's slot, or [`NONE`].
    at: u32,
    topic_hash: u64,
    now_ms: u64,
    messages: u64,
    payload_bytes: u64,
    unmatched: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            at: NONE,
            topic_hash: 0,
            now_ms: 0,
            messages: 0,
            payload_bytes: 0,
            unmatched: 0,
        }
    }
}

/// The part of an entry that each message changes: one line of the processor's cache.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Sums {
    hash: u64,
    traffic: Traffic,
    /// The hash of the publisher's id.
    publisher_hash: u64,
    was_used: bool,
}

/// The texts of an entry.
#[derive(Debug)]
struct Names {
    topic: Box<str>,
    publisher: Option<Arc<str>>,
}

impl Names {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.topic.len() + self.publisher.as_ref().map_or(0, |id| id.len())
    }
}

/// The messages to one topic that this shard has taken in.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) topic: &'a str,
    pub(crate) traffic: Traffic,
    /// The client that sent the last message, or another one in the same millisecond; `None` if it was
    /// nobody, or its id is too long.
    pub(crate) publisher: Option<&'a Arc<str>>,
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

    /// With what came since.
    const fn with(self, run: &Run) -> Self {
        Self {
            messages: self.messages + run.messages,
            payload_bytes: self.payload_bytes + run.payload_bytes,
            unmatched: self.unmatched + run.unmatched,
            ..self
        }
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
        let run = &mut self.run;
        if run.topic_hash == seen.topic_hash && run.now_ms == now.mono_ms && run.at != NONE {
            // Many that publish to one topic at full speed would each be named for nobody to see.
            run.messages += 1;
            run.payload_bytes += seen.payload_bytes as u64;
            run.unmatched += u64::from(!seen.is_matched);
        } else {
            self.begin_run(now, seen, publisher);
        }
    }

    /// Counts a message to another topic than the last one, or in another millisecond.
    #[inline]
    fn begin_run(
        &mut self,
        now: Now,
        seen: &Taken<'_>,
        publisher: impl FnOnce() -> Option<Arc<str>>,
    ) {
        if self.run.messages > 0 {
            self.end_run();
        }
        let Some(at) = self.find(seen.topic_hash) else {
            return self.begin(now, seen, publisher());
        };
        let Some(sums) = self.sums.get_mut(at as usize) else {
            return;
        };
        let is_new_instant = sums.traffic.last_ms != now.mono_ms;
        sums.traffic.add(now, seen);
        sums.was_used = true;
        self.run.at = at;
        self.run.topic_hash = seen.topic_hash;
        self.run.now_ms = now.mono_ms;
        if is_new_instant && sums.publisher_hash != seen.publisher {
            sums.publisher_hash = seen.publisher;
            self.rename(at, publisher());
        }
    }

    #[inline(never)]
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if let Some(sums) = self.sums.get_mut(run.at as usize) {
            sums.traffic = sums.traffic.with(&run);
        }
    }

    /// The slot of a topic.
    #[inline]
    fn find(&mut self, hash: u64) -> Option<u32> {
        let recent = self.recent.get(hash as usize % RECENT).copied()?;
        let is_it = |of: &Sums| of.hash == hash;
        if self.sums.get(recent as usize).is_some_and(is_it) {
            return Some(recent);
        }
        self.look_up(hash)
    }

    /// The same by the index; the slot is remembered.
    #[inline(never)]
    fn look_up(&mut self, hash: u64) -> Option<u32> {
        let Self { sums, index, .. } = self;
        let is_it = |at: &u32| sums.get(*at as usize).is_some_and(|of| of.hash == hash);
        let at = *index.find(hash, is_it)?;
        self.remember(hash, at);
        Some(at)
    }

    fn remember(&mut self, hash: u64, at: u32) {
        if self.recent.is_empty() {
            self.recent = vec![NONE; RECENT];
        }
        if let Some(recent) = self.recent.get_mut(hash as usize % RECENT) {
            *recent = at;
        }
    }

    /// A topic has another publisher.
    #[cold]
    fn rename(&mut self, at: u32, publisher: Option<Arc<str>>) {
        let names = self.names.get_mut(at as usize);
        let Some(names) = names.and_then(Option::as_mut) else {
            return;
        };
        self.bytes -= names.bytes();
        names.publisher = short(publisher);
        self.bytes += names.bytes();
        self.keep_within_bytes();
    }

    fn keep_within_bytes(&mut self) {
        while self.bytes > self.bytes_max {
            self.forget_one();
        }
    }

    #[cold]
    #[inline(never)]
    fn begin(&mut self, now: Now, seen: &Taken<'_>, publisher: Option<Arc<str>>) {
        if seen.topic.len() > TOPIC_BYTES_MAX {
            self.forgotten += 1;
            return;
        }
        let names = Names {
            topic: seen.topic.into(),
            publisher: short(publisher),
        };
        if names.bytes() > self.bytes_max {
            self.forgotten += 1;
            return;
        }
        self.bytes += names.bytes();
        self.keep_within_bytes();
        let mut sums = Sums {
            hash: seen.topic_hash,
            traffic: Traffic {
                first_ms: now.mono_ms,
                ..Traffic::default()
            },
            publisher_hash: seen.publisher,
            was_used: false,
        };
        sums.traffic.add(now, seen);
        let at = self.place(sums, names);
        let Self { sums, index, .. } = self;
        let hash_at = |at: &u32| sums.get(*at as usize).map_or(0, |of| of.hash);
        index.insert_unique(seen.topic_hash, at, hash_at);
        self.remember(seen.topic_hash, at);
    }

    /// Puts an entry into a slot that is free.
    fn place(&mut self, sums: Sums, names: Names) -> u32 {
        let names = Some(names);
        let at = self.free.pop().unwrap_or(self.sums.len() as u32);
        let (of_sums, of_names) = (
            self.sums.get_mut(at as usize),
            self.names.get_mut(at as usize),
        );
        match of_sums.zip(of_names) {
            Some((of_sums, of_names)) => (*of_sums, *of_names) = (sums, names),
            None => {
                self.sums.push(sums);
                self.names.push(names);
            }
        }
        at
    }

    /// Forgets a topic that was not used since it was looked at last, or the last one of some that were.
    /// There is one at least.
    fn forget_one(&mut self) {
        let mut looks = 0;
        loop {
            if self.hand >= self.names.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand += 1;
            let (names, sums) = (self.names.get_mut(at), self.sums.get_mut(at));
            let Some((slot, sums)) = names.zip(sums) else {
                return;
            };
            if slot.is_none() {
                continue;
            }
            looks += 1;
            if std::mem::take(&mut sums.was_used) && looks < LOOKS_MAX {
                continue;
            }
            self.clear(at);
            self.forgotten += 1;
            return;
        }
    }

    /// Takes the entry out of a slot.
    fn clear(&mut self, at: usize) {
        let (names, sums) = (self.names.get_mut(at), self.sums.get_mut(at));
        let Some((slot, sums)) = names.zip(sums) else {
            return;
        };
        let Some(names) = slot.take() else { return };
        self.bytes -= names.bytes();
        let hash = std::mem::take(sums).hash;
        let at = at as u32;
        if let Ok(found) = self.index.find_entry(hash, |it| *it == at) {
            found.remove();
        }
        let recent = self.recent.get_mut(hash as usize % RECENT);
        if let Some(recent) = recent.filter(|recent| **recent == at) {
            *recent = NONE;
        }
        if self.run.at == at {
            // Nobody looks at what is left in it.
            self.run = Run::default();
        }
        self.free.push(at);
    }

    /// Takes out topics that must not be there.
    pub(super) fn remove_if(&mut self, is_unwanted: impl Fn(&str) -> bool) {
        for at in 0..self.names.len() {
            if self.get(at).is_some_and(|entry| is_unwanted(entry.topic)) {
                self.clear(at);
            }
        }
    }

    /// Slots, free ones included.
    pub(crate) const fn slots(&self) -> usize {
        self.names.len()
    }

    /// What stands in a slot.
    pub(crate) fn get(&self, slot: usize) -> Option<Entry<'_>> {
        let names = self.names.get(slot)?.as_ref()?;
        let sums = self.sums.get(slot)?;
        let is_running = self.run.at as usize == slot;
        Some(Entry {
            topic: &names.topic,
            traffic: match is_running {
                true => sums.traffic.with(&self.run),
                false => sums.traffic,
            },
            publisher: names.publisher.as_ref(),
        })
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
            + self.sums.capacity() * size_of::<Sums>()
            + self.names.capacity() * size_of::<Option<Names>>()
            + (self.free.capacity() + self.index.capacity() + self.recent.capacity())
                * size_of::<u32>()
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
        let mut topics: Vec<_> = entries.map(|entry| entry.topic).collect();
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
            (traffic.unmatched, entry.publisher.map(|id| &**id)),
            (2, Some("3"))
        );
        assert_eq!((table.len(), table.forgotten()), (1, 0));
    }

    #[test]
    fn messages_of_one_read_are_there_at_once() {
        let mut table = TopicTable::new(1024);
        for topic in ["a", "a", "a", "b", "a", "a"] {
            note(&mut table, 2, topic);
        }
        let sums = |table: &TopicTable, slot| {
            let traffic = table.get(slot).unwrap().traffic;
            (traffic.messages, traffic.payload_bytes, traffic.unmatched)
        };
        assert_eq!(sums(&table, 0), (5, 15, 0));
        assert_eq!(sums(&table, 1), (1, 3, 0));
        for _ in 0..3 {
            note(&mut table, 3, "b");
        }
        assert_eq!(sums(&table, 1), (4, 12, 3));
        assert_eq!(table.get(1).unwrap().traffic.last_ms, 3000);
    }

    #[test]
    fn a_topic_that_is_forgotten_between_two_messages_of_one_read_begins_anew() {
        let mut table = TopicTable::new(2 * (ENTRY_BYTES + 2));
        for topic in ["a", "a", "b", "c", "d"] {
            note(&mut table, 1, topic);
        }
        assert_eq!(topics(&table), ["c", "d"]);
        note(&mut table, 1, "a");
        let entries = (0..table.slots()).filter_map(|slot| table.get(slot));
        for entry in entries {
            assert_eq!(entry.traffic.messages, 1, "{}", entry.topic);
        }
        assert!(topics(&table).contains(&"a"));
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
        let publishers = [0, 1].map(|slot| table.get(slot).unwrap().publisher.map(|id| &**id));
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
