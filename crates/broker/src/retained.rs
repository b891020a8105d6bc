//! Retained messages of one shard.

use std::borrow::Borrow;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

use crate::message::{Message, NEVER_MS};

/// At most one message a topic, sorted by topic.
///
/// The order of the topics does the work of a trie: a filter is answered by seeking from one
/// candidate to the next, skipping whole ranges that cannot match, and a reader can stop anywhere
/// and go on later from the last topic. A message costs one pointer besides itself.
#[derive(Debug, Default)]
pub(crate) struct RetainedStore {
    messages: BTreeSet<ByTopic>,
    bytes: usize,
    /// Expiries to come; entries of messages that were replaced are left in until they are due.
    expiries: BinaryHeap<Expiry>,
}

#[derive(Debug)]
struct ByTopic(Message);

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.0.topic()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic() == other.0.topic()
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.topic().cmp(other.0.topic())
    }
}

/// Earliest first in a heap that puts the greatest first.
///
/// Names the topic and not the message: what is replaced must not stay in memory.
#[derive(Debug)]
struct Expiry {
    at_ms: u64,
    topic: Box<str>,
}

impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Expiry {}

impl PartialOrd for Expiry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Expiry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at_ms, &other.topic).cmp(&(self.at_ms, &self.topic))
    }
}

/// What a store may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetainedLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

impl RetainedStore {
    /// Messages in the store.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of their topics, properties and payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a message would fit.
    pub(crate) fn has_room(&self, topic: &str, size_bytes: usize, limits: RetainedLimits) -> bool {
        let old = self.messages.get(topic).map(|old| old.0.size_bytes());
        let count = self.messages.len() + usize::from(old.is_none());
        let bytes = self.bytes - old.unwrap_or(0) + size_bytes;
        count <= limits.messages_max && bytes <= limits.bytes_max
    }

    /// Stores a message in place of the topic's old one (`MQTT-3.3.1-5`).
    pub(crate) fn set(&mut self, message: Message) {
        self.bytes += message.size_bytes();
        if message.head().expires_at_ms != NEVER_MS {
            self.expiries.push(Expiry {
                at_ms: message.head().expires_at_ms,
                topic: message.topic().into(),
            });
            if self.expiries.len() > 2 * self.messages.len() + 1024 {
                self.forget_replaced_expiries();
            }
        }
        if let Some(old) = self.messages.replace(ByTopic(message)) {
            self.bytes -= old.0.size_bytes();
        }
    }

    /// Removes a topic's message; tells whether there was one (`MQTT-3.3.1-6`).
    pub(crate) fn clear(&mut self, topic: &str) -> bool {
        match self.messages.take(topic) {
            Some(old) => {
                self.bytes -= old.0.size_bytes();
                true
            }
            None => false,
        }
    }

    /// A topic's message.
    pub(crate) fn get(&self, topic: &str) -> Option<&Message> {
        self.messages.get(topic).map(|found| &found.0)
    }

    /// Appends up to `count_max` messages that match a filter and whose topic comes after `after`,
    /// in the order of topics. Returns whether there may be more.
    pub(crate) fn find(
        &self,
        filter: &str,
        after: Option<&str>,
        count_max: usize,
        found: &mut Vec<Message>,
    ) -> bool {
        if !columba_codec::topic::has_wildcard(filter) {
            if after.is_none() {
                found.extend(self.get(filter).cloned());
            }
            return false;
        }
        let enough = found.len() + count_max;
        let prefix = literal_prefix(filter);
        let mut seek = match after {
            Some(after) if after >= prefix => Seek::After(after.to_owned()),
            _ => Seek::From(prefix.to_owned()),
        };
        // Each turn finds one message or skips one range.
        loop {
            let bound = match &seek {
                Seek::From(topic) => Bound::Included(topic.as_str()),
                Seek::After(topic) => Bound::Excluded(topic.as_str()),
            };
            let mut range = self.messages.range::<str, _>((bound, Bound::Unbounded));
            let next_seek = loop {
                let Some(ByTopic(message)) = range.next() else {
                    return false;
                };
                let topic = message.topic();
                if !topic.starts_with(prefix) {
                    return false;
                }
                match compare(filter, topic) {
                    Compared::Matches => {
                        if found.len() == enough {
                            return true;
                        }
                        found.push(message.clone());
                    }
                    Compared::Next => {}
                    Compared::SkipTo(target) => break Seek::From(target),
                }
            };
            seek = next_seek;
        }
    }

    /// When the next message expires.
    pub(crate) fn next_expiry_ms(&self) -> Option<u64> {
        self.expiries.peek().map(|expiry| expiry.at_ms)
    }

    /// Removes expired messages; returns how many.
    pub(crate) fn expire(&mut self, now_ms: u64) -> usize {
        let mut count = 0;
        while self.next_expiry_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            let Some(Expiry { topic, .. }) = self.expiries.pop() else {
                break;
            };
            let is_current = self
                .get(&topic)
                .is_some_and(|current| current.is_expired(now_ms));
            if is_current && self.clear(&topic) {
                count += 1;
            }
        }
        count
    }

    fn forget_replaced_expiries(&mut self) {
        let mut expiries = std::mem::take(&mut self.expiries).into_vec();
        expiries.retain(|expiry| {
            self.get(&expiry.topic)
                .is_some_and(|current| current.head().expires_at_ms == expiry.at_ms)
        });
        expiries.sort_unstable();
        expiries.dedup();
        self.expiries = expiries.into();
    }
}

enum Seek {
    From(String),
    After(String),
}

/// The part of a filter that every matching topic starts with.
fn literal_prefix(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    let prefix = filter.get(..end).unwrap_or_default();
    // `a/#` matches `a` as well.
    let is_hash = filter.get(end..).is_some_and(|rest| rest.starts_with('#'));
    if is_hash {
        prefix.strip_suffix('/').unwrap_or(prefix)
    } else {
        prefix
    }
}

enum Compared {
    Matches,
    /// No match; the next topic may be one.
    Next,
    /// No match, and none before this topic either.
    SkipTo(String),
}

/// Compares a topic with a filter level by level and tells how far one can skip.
fn compare(filter: &str, topic: &str) -> Compared {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        // `$` plus one: the first topic that does not start with $.
        return Compared::SkipTo("%".to_owned());
    }
    let mut at = 0;
    let mut levels = topic.split('/');
    // End of the last level that `+` took, to go on behind it.
    let mut plus_end = None;
    for filter_level in filter.split('/') {
        if filter_level == "#" {
            return Compared::Matches;
        }
        let Some(level) = levels.next() else {
            return Compared::Next;
        };
        let end = at + level.len();
        if filter_level == "+" {
            plus_end = Some(end);
        } else if level != filter_level {
            let before = topic.get(..at).unwrap_or_default();
            return skip_to_level(topic, &format!("{before}{filter_level}"), plus_end);
        }
        at = end + 1;
    }
    match (levels.next(), plus_end) {
        (None, _) => Compared::Matches,
        (Some(_), _) => Compared::Next,
    }
}

/// Skips from a topic towards those that have the wanted levels: `wanted` itself and everything
/// below `wanted/`. Other levels may sort in between (`a-b` stands between `a` and `a/b`). Behind
/// all of them the search goes on below the next level that `+` can take.
fn skip_to_level(topic: &str, wanted: &str, plus_end: Option<usize>) -> Compared {
    if topic < wanted {
        return Compared::SkipTo(wanted.to_owned());
    }
    let below = format!("{wanted}/");
    if topic < below.as_str() {
        return Compared::SkipTo(below);
    }
    match plus_end {
        Some(plus_end) => skip_behind(topic, plus_end),
        None => Compared::Next,
    }
}

/// Skips everything below the level that ends at `end`.
fn skip_behind(topic: &str, end: usize) -> Compared {
    let level = topic.get(..end).unwrap_or_default();
    // `0` is the byte after `/`.
    let target = format!("{level}0");
    if target.as_str() > topic {
        Compared::SkipTo(target)
    } else {
        Compared::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageParts;
    use columba_codec::QoS;
    use proptest::prelude::*;

    fn message(topic: &str, payload: &str, expires_at_ms: u64) -> Message {
        Message::new(MessageParts {
            topic,
            properties: &[],
            payload: payload.as_bytes(),
            qos: QoS::AtMostOnce,
            retain: true,
            expires_at_ms,
            publisher: 0,
        })
    }

    fn topics(store: &RetainedStore, filter: &str) -> Vec<String> {
        let mut found = Vec::new();
        assert!(!store.find(filter, None, usize::MAX / 2, &mut found));
        found
            .iter()
            .map(|message| message.topic().to_owned())
            .collect()
    }

    #[test]
    fn set_replaces_and_clear_removes() {
        // MQTT-3.3.1-5, MQTT-3.3.1-6
        let mut store = RetainedStore::default();
        store.set(message("a", "1", NEVER_MS));
        store.set(message("a", "22", NEVER_MS));
        assert_eq!((store.len(), store.bytes()), (1, 3));
        assert!(store.clear("a"));
        assert!(!store.clear("a"));
        assert_eq!((store.len(), store.bytes()), (0, 0));
    }

    #[test]
    fn expired_messages_leave_and_replaced_ones_do_not_take_their_heirs_along() {
        let mut store = RetainedStore::default();
        store.set(message("a", "1", 10));
        store.set(message("b", "1", 10));
        store.set(message("b", "2", 30));
        store.set(message("c", "1", 10));
        store.set(message("c", "2", NEVER_MS));
        assert_eq!(store.next_expiry_ms(), Some(10));
        assert_eq!(store.expire(20), 1);
        assert_eq!(topics(&store, "#"), ["b", "c"]);
        assert_eq!(store.expire(30), 1);
        assert_eq!(topics(&store, "#"), ["c"]);
    }

    #[test]
    fn a_replaced_message_is_freed_before_its_expiry() {
        let mut store = RetainedStore::default();
        let old = message("a", "1", 1_000);
        store.set(old.clone());
        store.set(message("a", "2", 1_000));
        assert!(old.is_only_here());
    }

    #[test]
    fn replacing_does_not_pile_up_expiries() {
        let mut store = RetainedStore::default();
        for count in 0..10_000 {
            store.set(message("a", "1", 1_000_000 + count));
        }
        assert!(
            store.expiries.len() <= 2 + 1024 + 1,
            "{}",
            store.expiries.len()
        );
        assert_eq!(store.expire(1_009_999), 1);
    }

    proptest! {
        #[test]
        fn finds_what_one_by_one_matching_finds_in_pages(
            topics in prop::collection::btree_set(
                prop::collection::vec(prop::sample::select(
                    vec!["a", "b", "", "a-b", "a0", "a!", "$x", "ab", "é"]), 1..5)
                    .prop_map(|levels| levels.join("/")), 0..60),
            filter in prop::collection::vec(prop::sample::select(
                vec!["a", "b", "", "+", "+", "$x", "a-b", "a!"]), 1..5),
            hash in any::<bool>(),
            page in 1usize..7,
        ) {
            let filter = filter.join("/") + if hash { "/#" } else { "" };
            prop_assume!(!filter.is_empty());
            let mut store = RetainedStore::default();
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                store.set(message(topic, "x", NEVER_MS));
            }
            let expected: Vec<String> = topics.iter()
                .filter(|topic| !topic.is_empty() && columba_codec::topic::matches(&filter, topic))
                .cloned().collect();
            let mut seen: Vec<String> = Vec::new();
            loop {
                let mut found = Vec::new();
                let more = store.find(&filter, seen.last().map(String::as_str), page, &mut found);
                seen.extend(found.iter().map(|message| message.topic().to_owned()));
                if !more { break }
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
