//! All filters that a shard knows: its own subscribers' and, as shard masks, the other shards'.

use std::sync::Arc;

use columba_codec::QoS;
use columba_codec::topic::has_wildcard;
use hashbrown::HashTable;

use super::cache::MatchCache;
use super::share::Group;
use super::trie::Trie;
use crate::hash::{Hashing, hash_of};
use crate::id::ShardId;
use crate::indexed::Indexed;

/// A filter of a [`FilterTable`]; used again after its filter is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FilterId(pub(crate) u32);

/// A subscription as routing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    /// Slot of the session.
    pub(crate) session: u32,
    /// Subscription Identifier; 0 for none.
    pub(crate) identifier: u32,
    /// Granted QoS.
    pub(crate) qos: QoS,
    /// No Local.
    pub(crate) no_local: bool,
    /// Retain As Published.
    pub(crate) retain_as_published: bool,
    /// When it was last subscribed, by the clock that never goes back; 0 if from before the start.
    pub(crate) since_ms: u64,
    /// What its filter had matched before it; the table fills it in.
    pub(crate) matched_before: u64,
}

/// One filter and who wants it.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Its text, without `$share/NAME/`.
    pub(crate) text: Arc<str>,
    /// This shard's subscribers, in no order; a session is in it once.
    pub(crate) local: Vec<Subscriber>,
    /// A bit for every other shard that has subscribers.
    pub(crate) remote: u64,
    /// A bit for those of them that may have to store what they get.
    pub(crate) remote_durable: u64,
    /// Whether the other shards were told that this one may have to.
    pub(crate) is_told_durable: bool,
    /// Shared groups on this filter.
    pub(crate) groups: Indexed<Group>,
    /// Messages that it matched, and when the last one came, by the clock that never goes back.
    matched: u64,
    last_matched_ms: u64,
}

impl Filter {
    /// Messages that matched it while a subscriber was there, and when the last one came.
    pub(crate) const fn matched_of(&self, subscriber: &Subscriber) -> (u64, u64) {
        let matched = self.matched - subscriber.matched_before;
        (matched, self.last_matched_ms)
    }
}

/// A change of the table that other shards must learn, or that the caller must fix up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    /// The filter.
    pub(crate) id: FilterId,
    /// Where the subscriber stands in its list.
    pub(crate) position: u32,
    /// Whether it is the first subscriber here.
    pub(crate) is_first: bool,
}

/// What removing a subscriber changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The session that stands at the freed position now, if one moved there.
    pub(crate) moved_session: Option<u32>,
    /// Whether the removed subscriber was the last one here.
    pub(crate) is_last: bool,
}

/// Exact filters in a hash table, wildcard filters in a trie as well, matches in a cache.
#[derive(Debug)]
pub(crate) struct FilterTable {
    filters: Vec<Option<Filter>>,
    free: Vec<u32>,
    by_text: HashTable<u32>,
    trie: Trie,
    cache: MatchCache,
    hashing: Hashing,
    /// Counts up whenever the set of wildcard filters changes, or any filter while there are some.
    generation: u64,
}

impl FilterTable {
    pub(crate) fn new(hashing: Hashing, match_cache_max: usize) -> Self {
        Self {
            filters: Vec::new(),
            free: Vec::new(),
            by_text: HashTable::new(),
            trie: Trie::new(hashing),
            cache: MatchCache::new(match_cache_max),
            hashing,
            generation: 0,
        }
    }

    /// The filter with an id.
    pub(crate) fn get(&self, id: FilterId) -> Option<&Filter> {
        self.filters.get(id.0 as usize)?.as_ref()
    }

    /// The filter with an id, to change its groups or its remote mask.
    pub(crate) fn get_mut(&mut self, id: FilterId) -> Option<&mut Filter> {
        self.filters.get_mut(id.0 as usize)?.as_mut()
    }

    /// How many ids there are, free ones included.
    pub(crate) const fn slots(&self) -> usize {
        self.filters.len()
    }

    /// The id of a filter's text.
    pub(crate) fn id_of(&self, text: &str) -> Option<FilterId> {
        let hash = hash_of(&self.hashing, text);
        self.id_by_hash(hash, text)
    }

    fn id_by_hash(&self, hash: u64, text: &str) -> Option<FilterId> {
        let is_it = |at: &u32| {
            self.get(FilterId(*at))
                .is_some_and(|filter| *filter.text == *text)
        };
        self.by_text.find(hash, is_it).map(|at| FilterId(*at))
    }

    /// Filters in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_text.len()
    }

    /// Appends the ids of all filters that match a topic, each once. Returns how many levels of
    /// wildcard filters it had to look at.
    pub(crate) fn find(&mut self, hash: u64, topic: &str, found: &mut Vec<FilterId>) -> usize {
        if self.trie.is_empty() {
            found.extend(self.id_by_hash(hash, topic));
            return 0;
        }
        if let Some(filters) = self.cache.find(hash, topic, self.generation) {
            found.extend_from_slice(filters);
            return 0;
        }
        let start = found.len();
        found.extend(self.id_by_hash(hash, topic));
        let visited = self.trie.find(topic, found);
        self.cache.put(
            hash,
            topic,
            self.generation,
            found.get(start..).unwrap_or_default(),
        );
        visited
    }

    /// The same without a trace in the cache, for a topic that nobody may publish to again.
    pub(crate) fn find_once(&mut self, topic: &str, found: &mut Vec<FilterId>) -> usize {
        let hash = hash_of(&self.hashing, topic);
        found.extend(self.id_by_hash(hash, topic));
        self.trie.find(topic, found)
    }

    /// Counts a message that a filter matched.
    #[inline]
    pub(crate) fn count(&mut self, id: FilterId, now_ms: u64) {
        if let Some(filter) = self.get_mut(id) {
            filter.matched += 1;
            filter.last_matched_ms = now_ms;
        }
    }

    /// Finds a filter or adds it without subscribers.
    pub(crate) fn id_or_new(&mut self, text: &str) -> FilterId {
        let hash = hash_of(&self.hashing, text);
        if let Some(id) = self.id_by_hash(hash, text) {
            return id;
        }
        let filter = Filter {
            text: text.into(),
            local: Vec::new(),
            remote: 0,
            remote_durable: 0,
            is_told_durable: false,
            groups: Indexed::default(),
            matched: 0,
            last_matched_ms: 0,
        };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(slot) = self.filters.get_mut(at as usize) {
                    *slot = Some(filter);
                }
                at
            }
            None => {
                self.filters.push(Some(filter));
                (self.filters.len() - 1) as u32
            }
        };
        let Self {
            filters,
            by_text,
            hashing,
            ..
        } = self;
        by_text.insert_unique(hash, at, |at| match filters.get(*at as usize) {
            Some(Some(filter)) => hash_of(hashing, &*filter.text),
            _ => 0,
        });
        if has_wildcard(text) {
            self.trie.insert(text, FilterId(at));
        }
        self.generation += 1;
        FilterId(at)
    }

    /// Forgets a filter that nobody wants any more.
    pub(crate) fn forget_if_unused(&mut self, id: FilterId) {
        let Some(filter) = self.get(id) else { return };
        if !filter.local.is_empty() || filter.remote != 0 || !filter.groups.is_empty() {
            return;
        }
        let text = Arc::clone(&filter.text);
        let hash = hash_of(&self.hashing, &*text);
        if let Ok(entry) = self.by_text.find_entry(hash, |at| *at == id.0) {
            entry.remove();
        }
        if has_wildcard(&text) {
            self.trie.remove(&text);
        }
        if let Some(slot) = self.filters.get_mut(id.0 as usize) {
            *slot = None;
        }
        self.free.push(id.0);
        self.generation += 1;
    }

    /// Adds a subscriber of this shard; its session has none on this filter yet.
    pub(crate) fn add(&mut self, text: &str, subscriber: Subscriber) -> Added {
        let id = self.id_or_new(text);
        let mut added = Added {
            id,
            position: 0,
            is_first: false,
        };
        if let Some(filter) = self.get_mut(id) {
            added.is_first = filter.local.is_empty();
            added.position = filter.local.len() as u32;
            if added.is_first {
                // Most filters have one subscriber.
                filter.local.reserve_exact(1);
            }
            filter.local.push(Subscriber {
                matched_before: filter.matched,
                ..subscriber
            });
        }
        added
    }

    /// Replaces the options of the subscriber at a position.
    pub(crate) fn replace(&mut self, id: FilterId, position: u32, subscriber: Subscriber) {
        let place = self
            .get_mut(id)
            .and_then(|filter| filter.local.get_mut(position as usize));
        if let Some(place) = place {
            *place = Subscriber {
                matched_before: place.matched_before,
                ..subscriber
            };
        }
    }

    /// Removes the subscriber at a position. The caller forgets the filter when it is done with it.
    pub(crate) fn remove(&mut self, id: FilterId, position: u32) -> Removed {
        let mut removed = Removed {
            moved_session: None,
            is_last: false,
        };
        let Some(filter) = self.get_mut(id) else {
            return removed;
        };
        if (position as usize) < filter.local.len() {
            filter.local.swap_remove(position as usize);
            removed.moved_session = filter
                .local
                .get(position as usize)
                .map(|moved| moved.session);
            removed.is_last = filter.local.is_empty();
            filter.is_told_durable &= !removed.is_last;
        }
        removed
    }

    /// Sets or clears another shard's bits.
    pub(crate) fn set_remote(
        &mut self,
        text: &str,
        shard: ShardId,
        is_interested: bool,
        is_durable: bool,
    ) {
        let bit = 1u64 << (shard.0 & 63);
        if is_interested {
            let id = self.id_or_new(text);
            if let Some(filter) = self.get_mut(id) {
                filter.remote |= bit;
                if is_durable {
                    filter.remote_durable |= bit;
                }
            }
        } else if let Some(id) = self.id_of(text) {
            if let Some(filter) = self.get_mut(id) {
                filter.remote &= !bit;
                filter.remote_durable &= !bit;
            }
            self.forget_if_unused(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(session: u32) -> Subscriber {
        Subscriber {
            session,
            identifier: 0,
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            since_ms: 0,
            matched_before: 0,
        }
    }

    fn find(table: &mut FilterTable, topic: &str) -> Vec<String> {
        let mut found = Vec::new();
        table.find(hash_of(&table.hashing, topic), topic, &mut found);
        let mut texts: Vec<String> = found
            .iter()
            .filter_map(|id| table.get(*id))
            .map(|filter| filter.text.to_string())
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn cached_matches_follow_every_change_of_the_filters() {
        let mut table = FilterTable::new(Hashing::with_seed(1), 16);
        let wild = table.add("a/+", subscriber(1));
        for _ in 0..2 {
            assert_eq!(find(&mut table, "a/b"), ["a/+"]);
        }
        let exact = table.add("a/b", subscriber(2));
        assert_eq!(find(&mut table, "a/b"), ["a/+", "a/b"]);
        table.remove(wild.id, wild.position);
        table.forget_if_unused(wild.id);
        assert_eq!(find(&mut table, "a/b"), ["a/b"]);
        table.remove(exact.id, exact.position);
        table.forget_if_unused(exact.id);
        assert!(find(&mut table, "a/b").is_empty());
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn removing_a_subscriber_tells_who_moved() {
        let mut table = FilterTable::new(Hashing::with_seed(1), 16);
        let first = table.add("a", subscriber(1));
        table.add("a", subscriber(2));
        table.add("a", subscriber(3));
        assert_eq!(
            table.remove(first.id, 0),
            Removed {
                moved_session: Some(3),
                is_last: false
            }
        );
        assert_eq!(
            table.remove(first.id, 1),
            Removed {
                moved_session: None,
                is_last: false
            }
        );
        assert_eq!(
            table.remove(first.id, 0),
            Removed {
                moved_session: None,
                is_last: true
            }
        );
    }
}
