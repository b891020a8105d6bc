//! Retained messages of one shard.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::journal::RecordId;
use crate::message::{Message, NEVER_MS};
use crate::work::Steps;

/// At most one message a topic, sorted by topic.
///
/// The order of the topics does the work of a trie: a filter is answered by seeking from one
/// candidate to the next, skipping whole ranges that cannot match, and a reader can stop anywhere
/// and go on later from the last topic. A message costs one pointer besides itself.
#[derive(Debug, Default)]
pub(crate) struct RetainedStore {
    messages: BTreeSet<ByTopic>,
    bytes: usize,
    /// What of them the broker says of itself.
    own: Own,
    /// Those of them that expire.
    expiries: BTreeSet<ByExpiry>,
    /// Where a search goes on; kept for its buffer.
    seek: String,
    /// The highest position of a record that was there at the start: what stands at it or below was taken
    /// in by an earlier process.
    found_up_to: Option<u64>,
}

/// Messages below `$SYS/`.
#[derive(Debug, Default)]
struct Own {
    messages: usize,
    bytes: usize,
}

/// A message and its record, if there is a store.
#[derive(Debug)]
struct ByTopic(Message, Option<RecordId>);

impl Borrow<[u8]> for ByTopic {
    fn borrow(&self) -> &[u8] {
        self.0.topic_bytes()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
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
        self.0.topic_bytes().cmp(other.0.topic_bytes())
    }
}

/// Earliest first.
#[derive(Debug)]
struct ByExpiry(Message);

impl ByExpiry {
    fn key(&self) -> (u64, &[u8]) {
        (self.0.head().expires_at_ms, self.0.topic_bytes())
    }
}

impl PartialEq for ByExpiry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByExpiry {}

impl PartialOrd for ByExpiry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByExpiry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// What a store may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetainedLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

impl RetainedStore {
    /// Messages in the store, without what the broker says of itself below `$SYS/`.
    pub(crate) fn len(&self) -> usize {
        self.messages.len() - self.own.messages
    }

    /// Bytes of their topics, properties and payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes - self.own.bytes
    }

    /// Whether a message would fit.
    pub(crate) fn has_room(&self, topic: &str, size_bytes: usize, limits: RetainedLimits) -> bool {
        let old = self.get(topic).map(Message::size_bytes);
        let count = self.messages.len() + usize::from(old.is_none());
        let bytes = self.bytes - old.unwrap_or(0) + size_bytes;
        count <= limits.messages_max && bytes <= limits.bytes_max
    }

    /// Stores a message in place of the topic's old one (`MQTT-3.3.1-5`); gives back the record of
    /// that.
    pub(crate) fn set(&mut self, message: Message, record: Option<RecordId>) -> Option<RecordId> {
        self.bytes += message.size_bytes();
        if is_own(message.topic_bytes()) {
            self.own.messages += 1;
            self.own.bytes += message.size_bytes();
        }
        let expires = (message.head().expires_at_ms != NEVER_MS).then(|| message.clone());
        let old = self.messages.replace(ByTopic(message, record));
        let old = old.and_then(|old| self.let_go(old));
        self.expiries.extend(expires.map(ByExpiry));
        old
    }

    /// The same for one that an earlier process took in, and whose record is at a position.
    pub(crate) fn restore(&mut self, message: Message, record: RecordId, position: u64) {
        self.found_up_to = self.found_up_to.max(Some(position));
        self.set(message, Some(record));
    }

    /// The record of a topic's message.
    pub(crate) fn record(&self, topic: &str) -> Option<RecordId> {
        self.messages.get(topic.as_bytes())?.1
    }

    /// Whether an earlier process took in what has its record at a position. What has been moved since to
    /// another position is not known to be of one.
    pub(crate) fn is_found(&self, position: u64) -> bool {
        Some(position) <= self.found_up_to
    }

    /// Removes a topic's message (`MQTT-3.3.1-6`); gives back its record. `None`: there was none.
    pub(crate) fn clear(&mut self, topic: &str) -> Option<Option<RecordId>> {
        let old = self.messages.take(topic.as_bytes())?;
        Some(self.let_go(old))
    }

    /// Settles what is kept about a message that is out of the set.
    fn let_go(&mut self, ByTopic(old, record): ByTopic) -> Option<RecordId> {
        self.bytes -= old.size_bytes();
        if is_own(old.topic_bytes()) {
            self.own.messages -= 1;
            self.own.bytes -= old.size_bytes();
        }
        if old.head().expires_at_ms != NEVER_MS {
            self.expiries.remove(&ByExpiry(old));
        }
        record
    }

    /// A topic's message.
    pub(crate) fn get(&self, topic: &str) -> Option<&Message> {
        self.messages.get(topic.as_bytes()).map(|found| &found.0)
    }

    /// Appends up to `count_max` messages that match a filter and whose topic comes after `after`,
    /// in the order of topics, until the steps are spent.
    ///
    /// Returns the last topic that was looked at, to go on behind it, or `None` if nothing can
    /// match behind it. Looks at one topic at least, so whoever goes on comes to an end.
    pub(crate) fn find(
        &mut self,
        filter: &str,
        after: Option<&str>,
        count_max: usize,
        steps: &mut Steps,
        found: &mut Vec<Message>,
    ) -> Option<Arc<str>> {
        if !columba_codec::topic::has_wildcard(filter) {
            steps.spend(filter.len());
            if after.is_none() {
                found.extend(self.get(filter).cloned());
            }
            return None;
        }
        let Self { messages, seek, .. } = self;
        let enough = found.len() + count_max;
        let prefix = literal_prefix(filter);
        let behind = after.filter(|after| *after >= prefix);
        seek.clear();
        seek.push_str(behind.unwrap_or(prefix));
        let mut is_behind = behind.is_some();
        let mut last = None;
        // Each turn looks at topics in a row until a range can be skipped.
        'seek: loop {
            steps.spend(seek.len());
            let bound = match is_behind {
                true => Bound::Excluded(seek.as_bytes()),
                false => Bound::Included(seek.as_bytes()),
            };
            for ByTopic(message, _) in messages.range::<[u8], _>((bound, Bound::Unbounded)) {
                let topic = message.topic();
                if !topic.starts_with(prefix) {
                    return None;
                }
                if let Some(last) = last
                    && (found.len() >= enough || steps.is_spent())
                {
                    return Some(Arc::from(last));
                }
                steps.spend(topic.len());
                last = Some(topic);
                match compare(filter, topic, seek) {
                    Compared::Matches => found.push(message.clone()),
                    Compared::Next => {}
                    Compared::Skip => {
                        is_behind = false;
                        continue 'seek;
                    }
                }
            }
            return None;
        }
    }

    /// Hands out the messages whose topics start with `prefix` and come after `after`, in the order of
    /// topics, until the steps are spent.
    ///
    /// Returns the last topic that was handed out, to go on behind it, or `None` at the end. Hands out
    /// one at least.
    pub(crate) fn walk(
        &self,
        prefix: &str,
        after: Option<&str>,
        steps: &mut Steps,
        mut take: impl FnMut(&Message),
    ) -> Option<Arc<str>> {
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after.as_bytes()),
            None => Bound::Included(prefix.as_bytes()),
        };
        let mut last: Option<&str> = None;
        for ByTopic(message, _) in self.messages.range::<[u8], _>((from, Bound::Unbounded)) {
            let topic = message.topic();
            if !topic.starts_with(prefix) {
                return None;
            }
            if steps.is_spent()
                && let Some(last) = last
            {
                return Some(last.into());
            }
            steps.spend(topic.len());
            last = Some(topic);
            take(message);
        }
        None
    }

    /// When the next message expires.
    pub(crate) fn next_expiry_ms(&self) -> Option<u64> {
        let first = self.expiries.first()?;
        Some(first.0.head().expires_at_ms)
    }

    /// Removes expired messages until the steps are spent; returns how many, and hands out their
    /// topics and records.
    pub(crate) fn expire(
        &mut self,
        now_ms: u64,
        steps: &mut Steps,
        mut gone: impl FnMut(&str, Option<RecordId>),
    ) -> usize {
        let mut count = 0;
        while !steps.is_spent() && self.next_expiry_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            let Some(ByExpiry(message)) = self.expiries.pop_first() else {
                break;
            };
            steps.spend(message.topic().len());
            if let Some(record) = self.clear(message.topic()) {
                count += 1;
                gone(message.topic(), record);
            }
        }
        count
    }
}

/// Whether a retained message is what the broker says of itself: each process says it anew.
pub(crate) fn is_own(topic: &[u8]) -> bool {
    topic.starts_with(b"$SYS/")
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
    /// No match, and none before the target either.
    Skip,
}

/// Compares a topic with a filter level by level and tells how far one can skip.
fn compare(filter: &str, topic: &str, target: &mut String) -> Compared {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        // `$` plus one: the first topic that does not start with $.
        target.clear();
        target.push('%');
        return Compared::Skip;
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
            target.clear();
            target.push_str(topic.get(..at).unwrap_or_default());
            target.push_str(filter_level);
            return skip_to_level(topic, target, plus_end);
        }
        at = end + 1;
    }
    match levels.next() {
        None => Compared::Matches,
        Some(_) => Compared::Next,
    }
}

/// Skips from a topic towards those that have the wanted levels: the target itself and everything
/// below it. Other levels may sort in between (`a-b` stands between `a` and `a/b`). Behind all of
/// them the search goes on below the next level that `+` can take.
fn skip_to_level(topic: &str, target: &mut String, plus_end: Option<usize>) -> Compared {
    if topic < target.as_str() {
        return Compared::Skip;
    }
    target.push('/');
    if topic < target.as_str() {
        return Compared::Skip;
    }
    let Some(plus_end) = plus_end else {
        return Compared::Next;
    };
    target.clear();
    target.push_str(topic.get(..plus_end).unwrap_or_default());
    // The byte after `/`: behind everything below that level.
    target.push('0');
    if topic < target.as_str() {
        Compared::Skip
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
            number: 0,
        })
    }

    fn topics(store: &mut RetainedStore, filter: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut steps = Steps::new(usize::MAX);
        let next = store.find(filter, None, usize::MAX / 2, &mut steps, &mut found);
        assert_eq!(next, None);
        found
            .iter()
            .map(|message| message.topic().to_owned())
            .collect()
    }

    #[test]
    fn set_replaces_and_clear_removes() {
        // MQTT-3.3.1-5, MQTT-3.3.1-6
        let mut store = RetainedStore::default();
        store.set(message("a", "1", NEVER_MS), None);
        store.set(message("a", "22", NEVER_MS), None);
        assert_eq!((store.len(), store.bytes()), (1, 3));
        assert!(store.clear("a").is_some());
        assert!(store.clear("a").is_none());
        assert_eq!((store.len(), store.bytes()), (0, 0));
    }

    #[test]
    fn what_the_broker_says_of_itself_is_not_counted() {
        let mut store = RetainedStore::default();
        store.set(message("$SYS/broker/uptime", "1 seconds", NEVER_MS), None);
        store.set(message("$SYS/broker/uptime", "10 seconds", NEVER_MS), None);
        store.set(message("$SYSTEM", "1", NEVER_MS), None);
        assert_eq!((store.len(), store.bytes()), (1, 8));
        assert!(store.clear("$SYS/broker/uptime").is_some());
        assert_eq!((store.len(), store.bytes()), (1, 8));
        assert_eq!(topics(&mut store, "$SYS/#"), [""; 0]);
    }

    #[test]
    fn expired_messages_leave_and_replaced_ones_do_not_take_their_heirs_along() {
        let mut store = RetainedStore::default();
        store.set(message("a", "1", 10), None);
        store.set(message("b", "1", 10), None);
        store.set(message("b", "2", 30), None);
        store.set(message("c", "1", 10), None);
        store.set(message("c", "2", NEVER_MS), None);
        assert_eq!(store.next_expiry_ms(), Some(10));
        assert_eq!(store.expire(20, &mut Steps::new(99), |_, _| {}), 1);
        assert_eq!(topics(&mut store, "#"), ["b", "c"]);
        assert_eq!(store.expire(30, &mut Steps::new(99), |_, _| {}), 1);
        assert_eq!(topics(&mut store, "#"), ["c"]);
    }

    #[test]
    fn a_replaced_message_is_freed_before_its_expiry() {
        let mut store = RetainedStore::default();
        let old = message("a", "1", 1_000);
        store.set(old.clone(), None);
        store.set(message("a", "2", 1_000), None);
        assert!(old.is_only_here());
    }

    #[test]
    fn replacing_does_not_pile_up_expiries() {
        let mut store = RetainedStore::default();
        for count in 0..10_000 {
            store.set(message("a", "1", 1_000_000 + count), None);
        }
        assert_eq!(store.expiries.len(), 1);
        assert_eq!(store.expire(1_009_999, &mut Steps::new(99), |_, _| {}), 1);
    }

    #[test]
    fn a_search_without_matches_ends_when_its_steps_are_spent() {
        let mut store = RetainedStore::default();
        for number in 0..1000 {
            store.set(message(&format!("a{number:04}/b"), "1", NEVER_MS), None);
        }
        let mut found = Vec::new();
        let mut steps = Steps::new(10);
        let next = store.find("+/x", None, 64, &mut steps, &mut found);
        assert!(steps.is_spent() && found.is_empty());
        assert!(
            next.is_some_and(|next| *next < *"a0011"),
            "ten steps went far"
        );
    }

    #[test]
    fn long_topics_take_more_steps() {
        let mut store = RetainedStore::default();
        let long = "l".repeat(50_000);
        for number in 0..100 {
            store.set(
                message(&format!("{long}/{number:04}/b"), "1", NEVER_MS),
                None,
            );
        }
        let mut found = Vec::new();
        let next = store.find("#", None, 64, &mut Steps::new(1000), &mut found);
        assert!(next.is_some() && found.len() < 10, "{}", found.len());
    }

    #[test]
    fn expiring_ends_when_its_steps_are_spent() {
        let mut store = RetainedStore::default();
        for number in 0..100 {
            store.set(message(&number.to_string(), "1", 10), None);
        }
        assert_eq!(store.expire(10, &mut Steps::new(30), |_, _| {}), 30);
        assert_eq!((store.len(), store.next_expiry_ms()), (70, Some(10)));
        assert_eq!(store.expire(10, &mut Steps::new(300), |_, _| {}), 70);
        assert_eq!((store.len(), store.next_expiry_ms()), (0, None));
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
            steps_max in 0usize..9,
        ) {
            let filter = filter.join("/") + if hash { "/#" } else { "" };
            prop_assume!(!filter.is_empty());
            let mut store = RetainedStore::default();
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                store.set(message(topic, "x", NEVER_MS), None);
            }
            let expected: Vec<String> = topics.iter()
                .filter(|topic| !topic.is_empty() && columba_codec::topic::matches(&filter, topic))
                .cloned().collect();
            let mut seen: Vec<String> = Vec::new();
            let mut after: Option<Arc<str>> = None;
            loop {
                let mut found = Vec::new();
                let mut steps = Steps::new(steps_max);
                let next = store.find(&filter, after.as_deref(), page, &mut steps, &mut found);
                prop_assert!(found.len() <= page.min(steps_max.max(1)));
                seen.extend(found.iter().map(|message| message.topic().to_owned()));
                if next.is_none() { break }
                prop_assert!(next > after, "{next:?} is not behind {after:?}");
                after = next;
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
