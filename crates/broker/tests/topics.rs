//! Topics as operators see them: what was published lately and what is retained.

mod bed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::query::{
    Answer, Page, Request, TopicNode, TopicRow, TopicTreeQuery, TopicsQuery,
};
use columba_codec::QoS;

const SHARDS: [u16; 2] = [1, 3];

/// All rows of all shards with their pages put together, by key.
fn pages<T>(
    bed: &mut Bed,
    shards: u16,
    request: impl Fn(Option<Arc<str>>) -> Request,
    page_of: impl Fn(Answer) -> Option<Page<T, Arc<str>>>,
) -> Vec<T> {
    let mut all = Vec::new();
    for shard in 0..usize::from(shards) {
        let mut after = None;
        loop {
            let page = page_of(bed.request(shard, request(after.clone()))).expect("a page");
            all.extend(page.rows);
            assert!(page.next.is_none() || page.next > after, "{after:?}");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

fn topics(bed: &mut Bed, shards: u16, filter: &str, rows_max: usize) -> Vec<TopicRow> {
    let request = |after| {
        Request::Topics(TopicsQuery {
            filter: filter.into(),
            after,
            rows_max,
        })
    };
    let mut rows = pages(bed, shards, request, |answer| match answer {
        Answer::Topics(page) => Some(page),
        _ => None,
    });
    rows.sort_by(|a, b| a.topic.cmp(&b.topic));
    rows
}

fn tree(bed: &mut Bed, shards: u16, prefix: &str, rows_max: usize) -> BTreeMap<String, TopicNode> {
    let request = |after| {
        Request::TopicTree(TopicTreeQuery {
            prefix: prefix.into(),
            after,
            rows_max,
        })
    };
    let nodes = pages(bed, shards, request, |answer| match answer {
        Answer::TopicTree(page) => Some(page),
        _ => None,
    });
    let mut tree = BTreeMap::<String, TopicNode>::new();
    for node in nodes {
        let sum = tree.entry(node.level.to_string()).or_default();
        sum.messages += node.messages;
        sum.payload_bytes += node.payload_bytes;
        sum.retained += node.retained;
        sum.is_topic |= node.is_topic;
        sum.is_retained |= node.is_retained;
        sum.has_children |= node.has_children;
    }
    tree
}

#[test]
fn a_topic_has_the_messages_of_all_who_published_to_it() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let listener = bed.connect(V5, "listener");
        bed.subscribe(listener, "home/#", QoS::AtMostOnce);
        for id in ["a", "b", "c", "d"] {
            let client = bed.connect(V311, id);
            // Of several within a millisecond the first is named.
            bed.advance(1);
            bed.publish(client, "home/x", b"four", QoS::AtLeastOnce);
            bed.publish(client, "away", b"1", QoS::AtMostOnce);
        }
        let rows = topics(&mut bed, shards, "home/+", 10);
        let traffic: Vec<_> = rows.iter().flat_map(|row| &row.traffic).collect();
        assert!(rows.iter().all(|row| &*row.topic == "home/x"));
        assert_eq!(traffic.iter().map(|of| of.messages).sum::<u64>(), 4);
        assert_eq!(traffic.iter().map(|of| of.payload_bytes).sum::<u64>(), 16);
        assert_eq!(traffic.iter().map(|of| of.unmatched).sum::<u64>(), 0);
        let publishers: Vec<_> = traffic.iter().flat_map(|of| &of.last_publisher).collect();
        assert!(publishers.iter().any(|id| &***id == "d"), "{publishers:?}");
        let rows = topics(&mut bed, shards, "away", 10);
        let unmatched = rows.iter().flat_map(|row| &row.traffic);
        assert_eq!(unmatched.map(|of| of.unmatched).sum::<u64>(), 4);
        assert_eq!(bed.stats().topics_forgotten, 0);
    }
}

#[test]
fn pages_of_topics_have_each_once_retained_ones_too() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let mut expected = Vec::new();
        for n in 0..40 {
            let topic = format!("t/{n:02}");
            match n % 3 {
                0 => bed.retain(client, &topic, b"x", QoS::AtLeastOnce),
                _ => {
                    bed.publish(client, &topic, b"x", QoS::AtLeastOnce);
                }
            }
            expected.push(topic);
        }
        for rows_max in [1, 7, 1000] {
            let rows = topics(&mut bed, shards, "t/#", rows_max);
            let mut told: Vec<_> = rows.iter().map(|row| row.topic.to_string()).collect();
            // The shard of the publisher and that of the retained message both tell of it.
            told.dedup();
            assert_eq!(told, expected, "{rows_max}");
            let retained = rows.iter().filter(|row| row.retained_bytes == Some(1));
            assert_eq!(retained.count(), 14);
        }
        let dollar = topics(&mut bed, shards, "#", 1000);
        assert!(dollar.iter().all(|row| !row.topic.starts_with('$')));
    }
}

#[test]
fn the_tree_sums_up_level_by_level() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        for topic in ["home", "home/a", "home/a/1", "home/a/2", "home-2/a", "/x"] {
            bed.publish(client, topic, b"12", QoS::AtLeastOnce);
        }
        bed.retain(client, "home/a/2", b"kept", QoS::AtLeastOnce);
        bed.retain(client, "home/b", b"kept", QoS::AtLeastOnce);
        for rows_max in [1, 1000] {
            let root = tree(&mut bed, shards, "", rows_max);
            let levels: Vec<_> = root.keys().map(String::as_str).collect();
            assert_eq!(levels, ["", "home", "home-2"]);
            let home = &root["home"];
            assert_eq!((home.messages, home.payload_bytes), (6, 16));
            assert_eq!((home.retained, home.is_retained), (2, false));
            assert!(home.is_topic && home.has_children);
            let below = tree(&mut bed, shards, "home/", rows_max);
            let levels: Vec<_> = below.keys().map(String::as_str).collect();
            assert_eq!(levels, ["a", "b"]);
            assert_eq!((below["a"].messages, below["a"].retained), (4, 1));
            assert!(below["a"].has_children && below["a"].is_topic);
            assert!(below["b"].is_retained && !below["b"].has_children);
            assert!(tree(&mut bed, shards, "nothing/", rows_max).is_empty());
        }
    }
}

#[test]
fn subscriptions_that_match_topics_are_counted_by_those_who_have_them() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for id in ["a", "b", "c", "d"] {
            let client = bed.connect(V5, id);
            bed.subscribe(client, "home/#", QoS::AtLeastOnce);
            bed.subscribe(client, "$share/g/home/x", QoS::AtLeastOnce);
        }
        let one = bed.connect(V5, "one");
        bed.subscribe(one, "home/x", QoS::AtLeastOnce);
        let asked: Arc<[Arc<str>]> = ["home/x", "home/y", "away"].map(Arc::from).into();
        let mut sums = vec![0; 3];
        for shard in 0..usize::from(shards) {
            let request = Request::TopicStandings(Arc::clone(&asked));
            let Answer::TopicStandings(standings) = bed.request(shard, request) else {
                panic!("no standings");
            };
            for (sum, standing) in sums.iter_mut().zip(standings) {
                *sum += standing.subscriptions;
                assert_eq!(standing.retained_bytes, None);
            }
        }
        assert_eq!(sums, [9, 4, 0]);
    }
}

#[test]
fn a_topic_is_known_by_the_will_of_a_client_and_without_a_recorder_by_what_is_retained() {
    let mut bed = Bed::with(1, |limits| limits.recorder_bytes_max = 0);
    let options = ConnectOptions::new(V311, "client").will("gone", b"1", QoS::AtMostOnce, true);
    let client = bed.connect_with(&options);
    bed.publish(client, "seen", b"1", QoS::AtLeastOnce);
    bed.close_socket(client);
    let rows = topics(&mut bed, 1, "#", 10);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].traffic.is_none() && rows[0].retained_bytes == Some(1));
    let mut bed = Bed::new(1);
    let client = bed.connect_with(&options);
    bed.close_socket(client);
    let rows = topics(&mut bed, 1, "#", 10);
    let traffic = rows[0].traffic.as_ref().expect("it was published");
    assert_eq!((&*rows[0].topic, traffic.messages), ("gone", 1));
    // Its session is gone.
    assert_eq!(traffic.last_publisher.as_deref(), Some("client"));
}

#[test]
fn a_list_of_many_topics_lets_others_come_in_between() {
    let mut bed = Bed::with(1, |limits| limits.recorder_bytes_max = 64 * 1024 * 1024);
    let client = bed.connect(V5, "client");
    for n in 0..6000 {
        bed.publish(client, &format!("t/{n:04}"), b"1", QoS::AtMostOnce);
        if n % 2 == 0 {
            bed.retain(client, &format!("r/{n:04}"), b"1", QoS::AtMostOnce);
        }
    }
    for rows_max in [100, 1000] {
        let rows = topics(&mut bed, 1, "#", rows_max);
        assert_eq!(rows.len(), 9000);
    }
    let root = tree(&mut bed, 1, "", 10);
    assert_eq!((root["t"].messages, root["r"].retained), (6000, 3000));
}
