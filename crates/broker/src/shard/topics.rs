//! Topics for operators: what was published lately and what is retained, as a list and as a tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_codec::topic::matches;

use super::Shard;
use crate::query::{
    Answer, PAGE_ROWS_MAX, Page, TopicNode, TopicRow, TopicStanding, TopicTraffic, TopicTreeQuery,
    TopicsQuery,
};
use crate::recorder::Traffic;
use crate::work::Steps;

/// A list of topics or of levels that is being made: first of the recorder's table, then of what is
/// retained.
#[derive(Debug)]
pub(super) struct TopicScan {
    of: Of,
    /// The retained topic that was looked at last.
    retained: Option<Arc<str>>,
}

#[derive(Debug)]
enum Of {
    List(TopicsQuery, First<Found>),
    Tree(TopicTreeQuery, First<TopicNode>),
    /// All of the table.
    Traffic(Arc<str>, Vec<(Arc<str>, TopicTraffic)>),
}

/// A topic of a list.
#[derive(Clone, Debug, Default)]
struct Found {
    traffic: Option<Traffic>,
    publisher: Option<Arc<str>>,
    retained_bytes: Option<usize>,
}

/// The first rows behind a key, each of which may be met several times.
#[derive(Debug)]
struct First<V> {
    after: Option<Arc<str>>,
    rows_max: usize,
    rows: BTreeMap<Arc<str>, V>,
    has_more: bool,
}

impl<V: Default> First<V> {
    fn new(rows_max: usize, after: Option<Arc<str>>) -> Self {
        Self {
            after,
            rows_max: rows_max.clamp(1, PAGE_ROWS_MAX),
            rows: BTreeMap::new(),
            has_more: false,
        }
    }

    /// The row of a key, if it is one of the first. One that was pushed out does not come back: a full
    /// page only ever ends earlier.
    fn row(&mut self, key: &str) -> Option<&mut V> {
        if self.after.as_ref().is_some_and(|after| *key <= **after) {
            return None;
        }
        if !self.rows.contains_key(key) {
            let is_full = self.rows.len() >= self.rows_max;
            let last = self.rows.last_key_value();
            if is_full && last.is_some_and(|(last, _)| **last < *key) {
                self.has_more = true;
                return None;
            }
            self.rows.insert(key.into(), V::default());
            if is_full {
                self.rows.pop_last();
                self.has_more = true;
            }
        }
        self.rows.get_mut(key)
    }

    fn into_page<T>(self, row: impl Fn(Arc<str>, V) -> T) -> Page<T, Arc<str>> {
        let last = self.rows.last_key_value().filter(|_| self.has_more);
        let next = last.map(|(key, _)| Arc::clone(key));
        let rows = self.rows.into_iter();
        Page {
            rows: rows.map(|(key, value)| row(key, value)).collect(),
            next,
        }
    }
}

impl TopicScan {
    pub(super) fn of_list(query: TopicsQuery) -> Self {
        let first = First::new(query.rows_max, query.after.clone());
        Self {
            // Whatever is retained before that was on an earlier page.
            retained: query.after.clone(),
            of: Of::List(query, first),
        }
    }

    pub(super) fn of_tree(query: TopicTreeQuery) -> Self {
        let first = First::new(query.rows_max, query.after.clone());
        Self {
            retained: None,
            of: Of::Tree(query, first),
        }
    }

    pub(super) const fn of_traffic(filter: Arc<str>) -> Self {
        Self {
            retained: None,
            of: Of::Traffic(filter, Vec::new()),
        }
    }

    /// Looks at a slot of the recorder's table; returns what that takes beside the look.
    pub(super) fn look_at_table(&mut self, shard: &Shard, slot: usize) -> usize {
        let Some(entry) = shard.recorder.topics().get(slot) else {
            return 0;
        };
        match &mut self.of {
            Of::List(query, first) => {
                if matches(&query.filter, entry.topic)
                    && let Some(found) = first.row(entry.topic)
                {
                    found.traffic = Some(entry.traffic);
                    found.publisher = entry.publisher.map(Arc::clone);
                }
            }
            Of::Tree(query, first) => {
                let traffic = &entry.traffic;
                if let Some(node) = node_of(first, &query.prefix, entry.topic) {
                    let last = shard.unix_ms_of(traffic.last_ms as i64);
                    node.messages += traffic.messages;
                    node.payload_bytes += traffic.payload_bytes;
                    node.unmatched += traffic.unmatched;
                    node.last_unix_ms = node.last_unix_ms.max(Some(last));
                }
            }
            Of::Traffic(filter, rows) => {
                if matches(filter, entry.topic) {
                    let publisher = entry.publisher.map(Arc::clone);
                    let traffic = traffic_of(shard, &entry.traffic, publisher);
                    rows.push((entry.topic.into(), traffic));
                }
            }
        }
        1
    }

    /// Looks at retained messages for so many steps; returns whether that was all.
    pub(super) fn look_at_retained(&mut self, shard: &mut Shard, steps: usize) -> bool {
        let now_ms = shard.now.mono_ms;
        let mut steps = Steps::new(steps);
        match &mut self.of {
            Of::List(query, first) => {
                let mut found = Vec::new();
                let after = self.retained.as_deref();
                let rows_max = first.rows_max;
                let retained = &mut shard.retained;
                let next = retained.find(&query.filter, after, rows_max, &mut steps, &mut found);
                for message in found.iter().filter(|message| !message.is_expired(now_ms)) {
                    if let Some(found) = first.row(message.topic()) {
                        found.retained_bytes = Some(message.payload().len());
                    }
                }
                self.retained = next;
                // They come in order: those behind a full page are for the next one.
                let last = first.rows.last_key_value().map(|(last, _)| last);
                if first.rows.len() >= first.rows_max
                    && self.retained.as_ref().is_some_and(|at| last <= Some(at))
                {
                    first.has_more = true;
                    return true;
                }
            }
            Of::Tree(query, first) => {
                let after = self.retained.as_deref();
                let take = |message: &crate::message::Message| {
                    if message.is_expired(now_ms) {
                        return;
                    }
                    let topic = message.topic();
                    if let Some(node) = node_of(first, &query.prefix, topic) {
                        node.retained += 1;
                        node.is_retained |= topic.len() == query.prefix.len() + node.level.len();
                    }
                };
                let retained = &shard.retained;
                self.retained = retained.walk(&query.prefix, after, &mut steps, take);
            }
            Of::Traffic(..) => {}
        }
        self.retained.is_none()
    }

    pub(super) fn into_answer(self, shard: &Shard) -> Answer {
        match self.of {
            Of::List(_, first) => Answer::Topics(first.into_page(|topic, found| {
                TopicRow {
                    topic,
                    traffic: found
                        .traffic
                        .map(|traffic| traffic_of(shard, &traffic, found.publisher)),
                    retained_bytes: found.retained_bytes,
                }
            })),
            Of::Tree(_, first) => Answer::TopicTree(first.into_page(|_, node| node)),
            Of::Traffic(_, rows) => Answer::TopicTraffic(rows),
        }
    }
}

/// The node that a topic counts for, if it is below the prefix and among the first.
fn node_of<'a>(
    first: &'a mut First<TopicNode>,
    prefix: &str,
    topic: &str,
) -> Option<&'a mut TopicNode> {
    let below = topic.strip_prefix(prefix)?;
    let (level, is_topic) = match below.split_once('/') {
        Some((level, _)) => (level, false),
        None => (below, true),
    };
    let node = first.row(level)?;
    if *node.level != *level {
        node.level = level.into();
    }
    node.is_topic |= is_topic;
    node.has_children |= !is_topic;
    Some(node)
}

fn traffic_of(shard: &Shard, traffic: &Traffic, publisher: Option<Arc<str>>) -> TopicTraffic {
    TopicTraffic {
        messages: traffic.messages,
        payload_bytes: traffic.payload_bytes,
        unmatched: traffic.unmatched,
        first_unix_ms: shard.unix_ms_of(traffic.first_ms as i64),
        last_unix_ms: shard.unix_ms_of(traffic.last_ms as i64),
        first_ms: traffic.first_ms,
        last_ms: traffic.last_ms,
        last_publisher: publisher,
    }
}

/// How topics stand: being looked up.
#[derive(Debug)]
pub(super) struct Standings {
    topics: Arc<[Arc<str>]>,
    found: Vec<TopicStanding>,
}

impl Standings {
    pub(super) const fn new(topics: Arc<[Arc<str>]>) -> Self {
        Self {
            topics,
            found: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len().min(PAGE_ROWS_MAX)
    }

    /// Looks one topic up; returns what that takes beside the look.
    pub(super) fn look_at(&mut self, shard: &mut Shard, at: usize) -> usize {
        let Some(topic) = self.topics.get(at) else {
            return 0;
        };
        let mut found = Vec::new();
        let visited = shard.filters.find_once(topic, &mut found);
        let mut groups = 0;
        let mut subscriptions = 0;
        for filter in found.iter().filter_map(|id| shard.filters.get(*id)) {
            let owned = filter.groups.iter().filter(|group| group.owner == shard.id);
            groups += filter.groups.len();
            subscriptions +=
                filter.local.len() + owned.map(|group| group.members.len()).sum::<usize>();
        }
        let retained = shard.retained_now(topic);
        self.found.push(TopicStanding {
            subscriptions,
            retained_bytes: retained.map(|message| message.payload().len()),
        });
        visited + found.len() + groups
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::TopicStandings(self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rows_are_those_of_the_lowest_keys_and_whole() {
        let mut first = First::<usize>::new(2, Some("a".into()));
        for key in ["c", "a", "d", "b", "c", "b", "d", "c"] {
            if let Some(times) = first.row(key) {
                *times += 1;
            }
        }
        let page = first.into_page(|key, times| (key.to_string(), times));
        let expected = [("b".to_owned(), 2), ("c".to_owned(), 3)];
        assert_eq!(page.rows, expected);
        assert_eq!(page.next.as_deref(), Some("c"));
    }

    #[test]
    fn topics_count_for_the_level_below_the_prefix() {
        let mut first = First::new(9, None);
        for topic in ["/x", "a", "a/b", "a/b/c", "ab", "$SYS/a"] {
            node_of(&mut first, "", topic);
        }
        let told = |first: First<TopicNode>| {
            let nodes = first.into_page(|_, node| node).rows.into_iter();
            let of = |node: TopicNode| (node.level.to_string(), node.is_topic, node.has_children);
            nodes.map(of).collect::<Vec<_>>()
        };
        let node = |level: &str, is_topic, has_children| (level.to_owned(), is_topic, has_children);
        let root = [
            node("", false, true),
            node("$SYS", false, true),
            node("a", true, true),
            node("ab", true, false),
        ];
        assert_eq!(told(first), root);
        let mut first = First::new(9, None);
        for topic in ["/x", "a", "a/", "a/b", "a/b/c", "ab"] {
            node_of(&mut first, "a/", topic);
        }
        assert_eq!(told(first), [node("", true, false), node("b", true, true)]);
    }
}
