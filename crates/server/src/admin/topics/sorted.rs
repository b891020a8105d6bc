//! Topics in another order than that of their names.
//!
//! Every shard counts what its own clients publish, so a topic of many publishers has its sums in parts,
//! and the first of one shard need not be the first of all: the sums are put together before the first
//! rows are chosen. What the shards remember is bounded by their tables. Topics that are only retained,
//! as many as there are, come behind all others in the order of their names, page by page.

use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::sync::Arc;

use columba_broker::query::{Answer, Request, TopicRow, TopicTraffic, TopicsQuery};
use serde::{Deserialize, Serialize};

use super::{add_row, merged, pages};
use crate::admin::app::App;
use crate::admin::page::Sort;
use crate::admin::problem::Problem;
use crate::admin::sessions::unexpected;

/// What topics are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopicOrder {
    Messages,
    PayloadBytes,
    Unmatched,
    First,
    Last,
    Rate,
}

/// The keys by their names; `topic` is the order of the shards themselves.
pub(super) const KEYS: &[(&str, TopicOrder)] = &[
    ("messages", TopicOrder::Messages),
    ("payload_bytes", TopicOrder::PayloadBytes),
    ("unmatched", TopicOrder::Unmatched),
    ("first_unix_ms", TopicOrder::First),
    ("last_unix_ms", TopicOrder::Last),
    ("rate", TopicOrder::Rate),
];

/// Where a page has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What the list is sorted by.
    pub(super) sort: String,
    /// When its first page was made, by the clock that never goes back: rates are those up to then, so
    /// that what is not published to stays in its place.
    at_ms: u64,
    /// Where the last row stands among those that were published to; none if it was not.
    rank: Option<u64>,
    /// The last topic.
    topic: Option<Arc<str>>,
}

/// The rows behind a mark, and where they end.
pub(super) async fn page(
    app: &App,
    filter: &Arc<str>,
    sort: Sort<TopicOrder>,
    after: Option<Mark>,
    rows_max: usize,
) -> Result<(Vec<TopicRow>, Option<Mark>), Problem> {
    let mark = after.unwrap_or_else(|| Mark {
        sort: sort.to_text(KEYS),
        at_ms: app.now().mono_ms,
        rank: Some(0),
        topic: None,
    });
    let mut rows = Vec::new();
    let mut quiet_after = mark.topic.clone();
    if let Some(rank) = mark.rank {
        let after = mark.topic.clone().map(|topic| (rank, topic));
        let all = traffic(app, filter).await?;
        let ranked = all.into_iter().map(|(topic, traffic)| {
            let rank = rank_of(&traffic, sort, mark.at_ms);
            ((rank, topic), traffic)
        });
        let (first, has_more) = first_behind(ranked, after, rows_max);
        let last = first.last().map(|(key, _)| key.clone());
        rows.extend(first.into_iter().map(|((_, topic), traffic)| TopicRow {
            topic,
            traffic: Some(traffic),
            retained_bytes: None,
        }));
        if let Some((rank, topic)) = last.filter(|_| has_more) {
            let (rank, topic) = (Some(rank), Some(topic));
            return Ok((
                rows,
                Some(Mark {
                    rank,
                    topic,
                    ..mark
                }),
            ));
        }
        quiet_after = None;
    }
    let end = |topic| Mark {
        rank: None,
        topic,
        ..mark.clone()
    };
    let rest = rows_max - rows.len();
    if rest == 0 {
        return Ok((rows, Some(end(None))));
    }
    let request = Request::Topics(TopicsQuery {
        filter: Arc::clone(filter),
        after: quiet_after,
        rows_max: rest,
    });
    let pages = pages(app, &request, |answer| match answer {
        Answer::Topics(page) => Ok(page),
        other => Err(other),
    });
    let (quiet, next) = merged(pages.await?, rest, |row| &row.topic, add_row);
    rows.extend(quiet.into_iter().filter(|row| row.traffic.is_none()));
    Ok((rows, next.map(|topic| end(Some(topic)))))
}

/// What was published to each topic, of all shards together.
async fn traffic(app: &App, filter: &Arc<str>) -> Result<HashMap<Arc<str>, TopicTraffic>, Problem> {
    let filter = Arc::clone(filter);
    let mut all: HashMap<Arc<str>, TopicTraffic> = HashMap::new();
    for answer in app.asker.ask_all(&Request::TopicTraffic { filter }).await? {
        let rows = match answer {
            Answer::TopicTraffic(rows) => rows,
            other => return Err(unexpected(&other)),
        };
        for (topic, more) in rows {
            match all.entry(topic) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(more);
                }
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    super::add_traffic(known.get_mut(), more);
                }
            }
        }
    }
    Ok(all)
}

/// Lower comes first.
fn rank_of(traffic: &TopicTraffic, sort: Sort<TopicOrder>, at_ms: u64) -> u64 {
    let value = match sort.key {
        TopicOrder::Messages => traffic.messages,
        TopicOrder::PayloadBytes => traffic.payload_bytes,
        TopicOrder::Unmatched => traffic.unmatched,
        TopicOrder::First => traffic.first_ms,
        TopicOrder::Last => traffic.last_ms,
        TopicOrder::Rate => {
            let ms = u128::from(at_ms.saturating_sub(traffic.first_ms).max(1));
            let per_day = u128::from(traffic.messages) * 86_400_000 / ms;
            u64::try_from(per_day).unwrap_or(u64::MAX)
        }
    };
    if sort.is_descending { !value } else { value }
}

/// The first rows behind a key, in order, and whether there are more; nothing else is sorted or held.
fn first_behind<K: Ord, V>(
    rows: impl Iterator<Item = (K, V)>,
    after: Option<K>,
    rows_max: usize,
) -> (Vec<(K, V)>, bool) {
    struct Row<K, V>(K, V);
    impl<K: Ord, V> PartialEq for Row<K, V> {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl<K: Ord, V> Eq for Row<K, V> {}
    impl<K: Ord, V> PartialOrd for Row<K, V> {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl<K: Ord, V> Ord for Row<K, V> {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let mut first: BinaryHeap<Row<K, V>> = BinaryHeap::new();
    let mut has_more = false;
    for (key, value) in rows {
        if after.as_ref().is_some_and(|after| key <= *after) {
            continue;
        }
        first.push(Row(key, value));
        if first.len() > rows_max {
            first.pop();
            has_more = true;
        }
    }
    let rows = first.into_sorted_vec().into_iter();
    (rows.map(|Row(key, value)| (key, value)).collect(), has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_behind_a_key_are_chosen_from_all() {
        let rows = || [5, 1, 9, 3, 7].into_iter().map(|key| (key, key * 10));
        let (first, has_more) = first_behind(rows(), None, 2);
        assert_eq!((first, has_more), (vec![(1, 10), (3, 30)], true));
        let (next, has_more) = first_behind(rows(), Some(3), 2);
        assert_eq!((next, has_more), (vec![(5, 50), (7, 70)], true));
        let (last, has_more) = first_behind(rows(), Some(7), 2);
        assert_eq!((last, has_more), (vec![(9, 90)], false));
    }

    #[test]
    fn a_rate_is_that_up_to_the_first_page_whatever_time_it_is_by_now() {
        let traffic = |messages, first_ms| TopicTraffic {
            messages,
            payload_bytes: 0,
            unmatched: 0,
            first_unix_ms: 0,
            last_unix_ms: 0,
            first_ms,
            last_ms: first_ms,
            last_publisher: None,
        };
        let sort = Sort {
            key: TopicOrder::Rate,
            is_descending: true,
        };
        let rank = |messages, first_ms| rank_of(&traffic(messages, first_ms), sort, 10_000);
        assert!(rank(10, 9_000) < rank(10, 5_000));
        assert!(rank(100, 5_000) < rank(10, 9_000));
        // One that has come since has a rate as well.
        assert!(rank(1, 20_000) < rank(1, 9_000));
    }
}
