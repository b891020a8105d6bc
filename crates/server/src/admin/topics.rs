//! Topics: what was published lately and what is retained, as a list by filter and as a tree.

mod sorted;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use columba_broker::query::{
    Answer, Page, Request, TopicNode, TopicRow, TopicStanding, TopicTraffic, TopicTreeQuery,
    TopicsQuery,
};
use columba_codec::topic::{TopicFilter, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use super::extract::Params;
use super::page::{Next, PageParams, Sort, no_such_sort, sort_text};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::unexpected;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(tree))
}

/// A page of topics or of levels.
#[derive(Debug, Serialize, ToSchema)]
struct Topics<T> {
    /// The rows.
    data: Vec<T>,
    /// How to go on.
    page: Next,
    /// Topics that had to make room for others in the broker's table since its start, and messages to
    /// topics that are too long for it: if it is not 0, the list may lack what is quiet and not retained.
    forgotten: u64,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
struct TopicView {
    /// The topic.
    topic: Arc<str>,
    /// Messages that were accepted since the broker has begun to remember the topic.
    messages: u64,
    /// Bytes of their payloads.
    payload_bytes: u64,
    /// Those of them that no subscription matched.
    unmatched: u64,
    /// When the first of them came, in milliseconds since 1970; null if there was none.
    first_unix_ms: Option<u64>,
    /// When the last of them came.
    last_unix_ms: Option<u64>,
    /// The client that sent the last, or another one in the same millisecond; null if it was an
    /// operator, or has an id of more than 128 bytes.
    last_publisher: Option<Arc<str>>,
    /// Whether a message is retained.
    is_retained: bool,
    /// Bytes of its payload.
    retained_bytes: Option<usize>,
    /// Subscriptions that match now, shared ones included.
    subscriptions: usize,
}

/// A level below a topic, with everything below it.
#[derive(Debug, Serialize, ToSchema)]
struct NodeView {
    /// The level; it may be empty.
    level: Arc<str>,
    /// The topic that ends with it.
    topic: String,
    /// Whether something was published to that topic, or is retained.
    is_topic: bool,
    /// Whether there are topics below it.
    has_children: bool,
    /// Messages that were accepted for this topic and those below it since the broker has begun to
    /// remember them.
    messages: u64,
    /// Bytes of their payloads.
    payload_bytes: u64,
    /// Those of them that no subscription matched.
    unmatched: u64,
    /// When the last of them came, in milliseconds since 1970; null if there was none.
    last_unix_ms: Option<u64>,
    /// Messages that are retained at this topic and below it.
    retained: u64,
    /// Whether one is retained at this topic.
    is_retained: bool,
    /// Subscriptions that match this topic now, shared ones included.
    subscriptions: usize,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those that match this topic filter; without, all but those that start with `$`.
    topic: Option<String>,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Order {
    /// What they are sorted by, with `-` before it the highest first: `topic` (without `-`), `messages`,
    /// `payload_bytes`, `unmatched`, `first_unix_ms`, `last_unix_ms`, `rate` (messages by the time since the
    /// first). Topics that are only retained come last. By `topic` if nothing is said; a cursor remembers it.
    #[param(
        pattern = "^(topic|-?(messages|payload_bytes|unmatched|first_unix_ms|last_unix_ms|rate))$"
    )]
    sort: Option<String>,
}

/// Where a page has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Mark {
    /// In the order of the topics.
    Topic(Arc<str>),
    /// In another order.
    Sorted(sorted::Mark),
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Below {
    /// The topic whose next levels are asked for; without, the first levels of all topics.
    prefix: Option<String>,
}

/// Topics
///
/// Those that were published to lately, and those that have a retained message, in the order of their
/// names or by their numbers. What the broker says below `$SYS` itself is there as retained messages only.
#[utoipa::path(
    get, path = "/topics", tag = "topics", params(PageParams, Filter, Order),
    responses((status = 200, description = "A page of topics", body = Topics<TopicView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filter): Params<Filter>,
    Params(order): Params<Order>,
) -> Result<Json<Topics<TopicView>>, Problem> {
    let filter = filter.topic.as_deref().unwrap_or("#");
    match TopicFilter::parse(filter) {
        Ok(parsed) if parsed.share().is_none() => {}
        Ok(_) => return Err(Problem::invalid("topic: a shared filter says nothing here")),
        Err(fault) => return Err(Problem::invalid(format!("topic: {fault}"))),
    }
    let rows_max = params.rows_max()?;
    let (rows, next) = rows(&app, &filter.into(), &order, params.after()?, rows_max).await?;
    let topics = rows.iter().map(|row| Arc::clone(&row.topic)).collect();
    let standings = standings(&app, topics).await?;
    let view = |(row, standing): (TopicRow, TopicStanding)| {
        let traffic = row.traffic.as_ref();
        let retained_bytes = row.retained_bytes.or(standing.retained_bytes);
        TopicView {
            messages: traffic.map_or(0, |of| of.messages),
            payload_bytes: traffic.map_or(0, |of| of.payload_bytes),
            unmatched: traffic.map_or(0, |of| of.unmatched),
            first_unix_ms: traffic.map(|of| of.first_unix_ms),
            last_unix_ms: traffic.map(|of| of.last_unix_ms),
            last_publisher: traffic.and_then(|of| of.last_publisher.clone()),
            is_retained: retained_bytes.is_some(),
            retained_bytes,
            topic: row.topic,
            subscriptions: standing.subscriptions,
        }
    };
    Ok(Json(Topics {
        data: rows.into_iter().zip(standings).map(view).collect(),
        page: params.next(next.as_ref()),
        forgotten: forgotten(&app).await?,
    }))
}

/// The rows behind a mark, and where they end.
async fn rows(
    app: &App,
    filter: &Arc<str>,
    order: &Order,
    after: Option<Mark>,
    rows_max: usize,
) -> Result<(Vec<TopicRow>, Option<Mark>), Problem> {
    let remembered = after.as_ref().map(|mark| match mark {
        Mark::Topic(_) => "topic",
        Mark::Sorted(mark) => mark.sort.as_str(),
    });
    let sort = sort_text(order.sort.as_deref(), remembered)?.unwrap_or("topic");
    if sort != "topic" {
        let sort = Sort::parse(sort, sorted::KEYS)
            .ok_or_else(|| no_such_sort(sort, sorted::KEYS, &["topic"]))?;
        let after = after.and_then(|mark| match mark {
            Mark::Topic(_) => None,
            Mark::Sorted(mark) => Some(mark),
        });
        let room = app.sorting.acquire().await;
        let _room = room.map_err(|_| Problem::busy("the broker is stopping"))?;
        let (rows, next) = sorted::page(app, filter, sort, after, rows_max).await?;
        return Ok((rows, next.map(Mark::Sorted)));
    }
    let request = Request::Topics(TopicsQuery {
        filter: Arc::clone(filter),
        after: after.and_then(|mark| match mark {
            Mark::Topic(topic) => Some(topic),
            Mark::Sorted(_) => None,
        }),
        rows_max,
    });
    let pages = pages(app, &request, |answer| match answer {
        Answer::Topics(page) => Ok(page),
        other => Err(other),
    });
    let (rows, next) = merged(pages.await?, rows_max, |row| &row.topic, add_row);
    Ok((rows, next.map(Mark::Topic)))
}

/// Topics, level by level
///
/// The levels that follow a topic, each with the sums of everything below it, in the order of their
/// names.
#[utoipa::path(
    get, path = "/topics/tree", tag = "topics", params(PageParams, Below),
    responses((status = 200, description = "A page of levels", body = Topics<NodeView>)),
)]
async fn tree(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(below): Params<Below>,
) -> Result<Json<Topics<NodeView>>, Problem> {
    let prefix: Arc<str> = match &below.prefix {
        None => "".into(),
        Some(topic) => {
            // The level before the first `/` may be empty, and a topic may not.
            let checked = (!topic.is_empty()).then(|| TopicName::parse(topic));
            if let Some(Err(fault)) = checked {
                return Err(Problem::invalid(format!("prefix: {fault}")));
            }
            format!("{topic}/").into()
        }
    };
    let rows_max = params.rows_max()?;
    let request = Request::TopicTree(TopicTreeQuery {
        prefix: Arc::clone(&prefix),
        after: params.after()?,
        rows_max,
    });
    let pages = pages(&app, &request, |answer| match answer {
        Answer::TopicTree(page) => Ok(page),
        other => Err(other),
    });
    let (nodes, next) = merged(pages.await?, rows_max, |node| &node.level, add_node);
    let topic_of = |node: &TopicNode| format!("{prefix}{}", node.level);
    let topics = nodes.iter().map(|node| topic_of(node).into()).collect();
    let standings = standings(&app, topics).await?;
    let view = |(node, standing): (TopicNode, TopicStanding)| NodeView {
        topic: topic_of(&node),
        level: node.level,
        is_topic: node.is_topic,
        has_children: node.has_children,
        messages: node.messages,
        payload_bytes: node.payload_bytes,
        unmatched: node.unmatched,
        last_unix_ms: node.last_unix_ms,
        retained: node.retained,
        is_retained: node.is_retained,
        subscriptions: standing.subscriptions,
    };
    Ok(Json(Topics {
        data: nodes.into_iter().zip(standings).map(view).collect(),
        page: params.next(next.as_ref()),
        forgotten: forgotten(&app).await?,
    }))
}

/// Asks all shards for a page.
async fn pages<T>(
    app: &App,
    request: &Request,
    page_of: impl Fn(Answer) -> Result<Page<T, Arc<str>>, Answer>,
) -> Result<Vec<Page<T, Arc<str>>>, Problem> {
    let answers = app.asker.ask_all(request).await?;
    let page = |answer| page_of(answer).map_err(|other| unexpected(&other));
    answers.into_iter().map(page).collect()
}

/// The first rows of all shards, those with the same key put together, and the key to go on behind.
fn merged<T>(
    pages: Vec<Page<T, Arc<str>>>,
    rows_max: usize,
    key_of: impl Fn(&T) -> &Arc<str>,
    add: impl Fn(&mut T, T),
) -> (Vec<T>, Option<Arc<str>>) {
    // Behind the end of a page that is not the last of its shard, rows may be missing.
    let mut end = pages.iter().filter_map(|page| page.next.clone()).min();
    let mut all: BTreeMap<Arc<str>, T> = BTreeMap::new();
    for row in pages.into_iter().flat_map(|page| page.rows) {
        let key = key_of(&row);
        if end.as_ref().is_some_and(|end| key > end) {
            continue;
        }
        match all.get_mut(key) {
            Some(known) => add(known, row),
            None => drop(all.insert(Arc::clone(key), row)),
        }
    }
    if all.len() > rows_max {
        end = all.keys().nth(rows_max.saturating_sub(1)).cloned();
    }
    let rows = all.into_values().take(rows_max);
    (rows.collect(), end)
}

fn add_row(row: &mut TopicRow, more: TopicRow) {
    row.retained_bytes = row.retained_bytes.or(more.retained_bytes);
    match (&mut row.traffic, more.traffic) {
        (Some(known), Some(more)) => add_traffic(known, more),
        (known, more) => *known = known.take().or(more),
    }
}

fn add_traffic(known: &mut TopicTraffic, more: TopicTraffic) {
    let last_publisher = if more.last_ms > known.last_ms {
        more.last_publisher
    } else {
        known.last_publisher.take()
    };
    *known = TopicTraffic {
        messages: known.messages + more.messages,
        payload_bytes: known.payload_bytes + more.payload_bytes,
        unmatched: known.unmatched + more.unmatched,
        first_unix_ms: known.first_unix_ms.min(more.first_unix_ms),
        last_unix_ms: known.last_unix_ms.max(more.last_unix_ms),
        first_ms: known.first_ms.min(more.first_ms),
        last_ms: known.last_ms.max(more.last_ms),
        last_publisher,
    };
}

fn add_node(node: &mut TopicNode, more: TopicNode) {
    *node = TopicNode {
        level: more.level,
        messages: node.messages + more.messages,
        payload_bytes: node.payload_bytes + more.payload_bytes,
        unmatched: node.unmatched + more.unmatched,
        last_unix_ms: node.last_unix_ms.max(more.last_unix_ms),
        retained: node.retained + more.retained,
        is_topic: node.is_topic | more.is_topic,
        is_retained: node.is_retained | more.is_retained,
        has_children: node.has_children | more.has_children,
    };
}

/// How each of some topics stands, of all shards together.
async fn standings(app: &App, topics: Arc<[Arc<str>]>) -> Result<Vec<TopicStanding>, Problem> {
    let mut sums = vec![TopicStanding::default(); topics.len()];
    if topics.is_empty() {
        return Ok(sums);
    }
    let request = Request::TopicStandings(topics);
    for answer in app.asker.ask_all(&request).await? {
        let standings = match answer {
            Answer::TopicStandings(standings) => standings,
            other => return Err(unexpected(&other)),
        };
        for (sum, standing) in sums.iter_mut().zip(standings) {
            sum.subscriptions += standing.subscriptions;
            sum.retained_bytes = sum.retained_bytes.or(standing.retained_bytes);
        }
    }
    Ok(sums)
}

async fn forgotten(app: &App) -> Result<u64, Problem> {
    let mut forgotten = 0;
    for answer in app.asker.ask_all(&Request::Stats).await? {
        match answer {
            Answer::Stats(stats) => forgotten += stats.topics_forgotten,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_know_the_same_topic_are_put_together() {
        let row = |topic: &str, messages: u64, last_unix_ms: u64, publisher: &str| TopicRow {
            topic: topic.into(),
            traffic: Some(TopicTraffic {
                messages,
                payload_bytes: 10 * messages,
                unmatched: 1,
                first_unix_ms: last_unix_ms - 5,
                last_unix_ms,
                first_ms: last_unix_ms - 5,
                last_ms: last_unix_ms,
                last_publisher: Some(publisher.into()),
            }),
            retained_bytes: None,
        };
        let kept = TopicRow {
            topic: "b".into(),
            traffic: None,
            retained_bytes: Some(3),
        };
        let first = Page {
            rows: vec![row("a", 1, 100, "x"), kept, row("d", 1, 1000, "x")],
            next: Some("d".into()),
        };
        let second = Page {
            rows: vec![row("b", 2, 200, "y"), row("c", 2, 50, "y")],
            next: None,
        };
        let third = Page {
            rows: vec![row("a", 4, 90, "z"), row("e", 2, 50, "y")],
            next: None,
        };
        let all = vec![first, second, third];
        let (rows, next) = merged(all.clone(), 9, |row| &row.topic, add_row);
        let topics: Vec<_> = rows.iter().map(|row| &*row.topic).collect();
        // The first shard may have more between d and e.
        assert_eq!(
            (topics, next.as_deref()),
            (vec!["a", "b", "c", "d"], Some("d"))
        );
        let a = rows[0].traffic.clone().unwrap();
        assert_eq!((a.messages, a.payload_bytes, a.unmatched), (5, 50, 2));
        assert_eq!((a.first_unix_ms, a.last_unix_ms), (85, 100));
        assert_eq!(a.last_publisher.as_deref(), Some("x"));
        assert_eq!(rows[1].retained_bytes, Some(3));
        assert_eq!(rows[1].traffic.as_ref().map(|of| of.messages), Some(2));
        let (rows, next) = merged(all, 2, |row| &row.topic, add_row);
        assert_eq!((rows.len(), next.as_deref()), (2, Some("b")));
    }
}
