//! The broker as a whole: what it is and how it does.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::query::{Answer, Request};
use columba_broker::recovery::{ExpiredCounts, LostSession};
use columba_broker::stats::Stats;
use columba_store::{Damage, Name};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use super::problem::Problem;
use super::sessions::unexpected;
use crate::store::is_loss;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(metrics))
}

/// What the broker is and how it does.
#[derive(Debug, Serialize, ToSchema)]
struct BrokerView {
    /// `columba`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// When it started, in milliseconds since 1970.
    started_unix_ms: u64,
    /// How long ago that was.
    uptime_secs: u64,
    /// Threads that serve clients.
    shards: u16,
    /// Clients that are connected.
    clients: u64,
    /// Sessions, connected or not.
    sessions: u64,
    /// Subscriptions, shared ones included.
    subscriptions: u64,
    /// Retained messages.
    retained_messages: u64,
    /// Messages that wait for clients.
    queued_messages: u64,
    /// Messages that clients have not acknowledged.
    inflight_messages: u64,
    /// Messages whose way is not known: always 0, unless the broker is at fault.
    unaccounted_messages: i64,
    /// The store; null if nothing outlives the process.
    store: Option<StoreView>,
}

/// The store.
#[derive(Debug, Serialize, ToSchema)]
struct StoreView {
    /// How its disk is: `working`, `full` (what would have to be stored waits) or `failed` (nothing that
    /// would have to be stored is acknowledged any more).
    disk: &'static str,
    /// Clients that wait for it: with their packets, or, if the disk takes nothing, for the answer to them.
    clients_waiting: u64,
    /// What was found in it when the broker started.
    recovered: RecoveredView,
    /// Whether what clients are told was taken is on the disk by then.
    is_synced: bool,
    /// Records in it.
    records: u64,
    /// Bytes on disk.
    disk_bytes: u64,
    /// Places that were found damaged at the start.
    damaged: u64,
    /// The first 1,000 of these.
    damaged_places: Vec<DamagedView>,
    /// Sessions whose own records damage has cost, the first 1,000. Their subscriptions and messages are
    /// kept until `columba store discard`; `columba store export` shows them.
    lost_sessions: Vec<LostView>,
}

/// A place of the store that is damaged.
#[derive(Debug, Serialize, ToSchema)]
struct DamagedView {
    /// The file; null if none of the store's segments is left.
    file: Option<String>,
    /// The first byte.
    offset: u64,
    /// How many.
    bytes: u64,
    /// Whether something was in it that is needed.
    is_loss: bool,
    /// Where it is and what it costs, in a sentence.
    text: String,
}

impl DamagedView {
    fn new(damage: &Damage) -> Self {
        Self {
            file: (damage.file != Name::Directory).then(|| damage.file.to_string()),
            offset: damage.offset,
            bytes: damage.bytes,
            is_loss: is_loss(damage),
            text: damage.to_string(),
        }
    }
}

/// What is kept of a session whose own record is lost.
#[derive(Debug, Serialize, ToSchema)]
struct LostView {
    /// What an export calls it.
    session: u64,
    /// The filters of its subscriptions.
    subscriptions: Vec<String>,
    /// Messages that waited in it.
    messages: u64,
}

impl LostView {
    fn new(lost: &LostSession) -> Self {
        Self {
            session: lost.number,
            subscriptions: lost.subscriptions.iter().cloned().collect(),
            messages: lost.messages,
        }
    }
}

/// Places and sessions that are listed.
const LISTED_MAX: usize = 1_000;

/// What was found in the store when the broker started.
#[derive(Debug, Serialize, ToSchema)]
struct RecoveredView {
    /// All of it in a sentence.
    text: String,
    /// Sessions.
    sessions: u64,
    /// Messages that waited in them.
    queued_messages: u64,
    /// Retained messages.
    retained_messages: u64,
    /// What was there as well, but had expired while the broker was down.
    expired: ExpiredView,
    /// How long that took.
    milliseconds: u64,
}

/// What expired while the broker was down.
#[derive(Debug, Serialize, ToSchema)]
struct ExpiredView {
    /// Sessions.
    sessions: u64,
    /// Messages that waited, those in such sessions included.
    queued_messages: u64,
    /// Retained messages.
    retained_messages: u64,
}

impl From<ExpiredCounts> for ExpiredView {
    fn from(counts: ExpiredCounts) -> Self {
        Self {
            sessions: counts.sessions,
            queued_messages: counts.queued,
            retained_messages: counts.retained,
        }
    }
}

/// The broker
#[utoipa::path(
    get, path = "/broker", tag = "broker",
    responses((status = 200, description = "The broker", body = BrokerView)),
)]
async fn read(_: May<Read>, State(app): State<App>) -> Result<Json<BrokerView>, Problem> {
    let stats = stats_of(&app).await?;
    let facts = &app.asker.facts;
    let store = facts.boot_report.as_ref().zip(facts.store.as_ref());
    let held = stats.connections_held;
    Ok(Json(BrokerView {
        name: "columba",
        version: env!("CARGO_PKG_VERSION"),
        started_unix_ms: app.started.1.unix_ms,
        uptime_secs: app.started.0.elapsed().as_secs(),
        shards: app.asker.shards(),
        clients: stats.clients_connected,
        sessions: stats.sessions,
        subscriptions: stats.subscriptions,
        retained_messages: stats.retained_messages,
        queued_messages: stats.queued_messages,
        inflight_messages: stats.inflight_messages,
        unaccounted_messages: stats.unaccounted_copies(),
        store: store.map(|(report, handle)| {
            let stats = handle.stats();
            StoreView {
                disk: facts.alarm.state().name(),
                clients_waiting: held,
                recovered: RecoveredView {
                    text: report.to_string(),
                    sessions: report.counts.sessions,
                    queued_messages: report.counts.queued,
                    retained_messages: report.counts.retained,
                    expired: report.counts.expired.into(),
                    milliseconds: report.took.as_millis() as u64,
                },
                is_synced: report.is_synced,
                records: stats.records,
                disk_bytes: stats.disk_bytes,
                damaged: report.damage.len() as u64,
                damaged_places: listed(&report.damage, DamagedView::new),
                lost_sessions: listed(&report.lost, LostView::new),
            }
        }),
    }))
}

fn listed<T, V>(all: &[T], view: impl Fn(&T) -> V) -> Vec<V> {
    all.iter().take(LISTED_MAX).map(view).collect()
}

/// The counters of all shards together.
pub(super) async fn stats_of(app: &App) -> Result<Stats, Problem> {
    let mut all = Stats::default();
    for answer in app.asker.ask_all(&Request::Stats).await? {
        match answer {
            Answer::Stats(stats) => all.add(&stats),
            other => return Err(unexpected(&other)),
        }
    }
    Ok(all)
}

/// All counters and gauges.
#[derive(Debug, Serialize, ToSchema)]
struct MetricsView {
    /// How often each outcome has happened, by its name: `deliver.queue_full`. What each means for a
    /// message stands in the manual.
    outcomes: BTreeMap<&'static str, u64>,
    /// Copies of messages that were lost for their subscribers, by reason.
    dropped: BTreeMap<&'static str, u64>,
    /// Copies of messages made for subscribers.
    copies: u64,
    /// Copies whose way is not known: always 0, unless the broker is at fault.
    unaccounted: i64,
    /// MQTT packets received.
    packets_received: u64,
    /// MQTT packets sent.
    packets_sent: u64,
    /// PUBLISH packets among them.
    publish_received: u64,
    /// PUBLISH packets among them.
    publish_sent: u64,
    /// Bytes received.
    bytes_received: u64,
    /// Bytes sent.
    bytes_sent: u64,
    /// Bytes of retained messages.
    retained_bytes: u64,
    /// Bytes that wait in queues.
    queued_bytes: u64,
}

/// Counters and gauges
///
/// The same as `/metrics` has for Prometheus, as JSON. Counters start with the broker.
#[utoipa::path(
    get, path = "/metrics", tag = "broker",
    responses((status = 200, description = "All counters", body = MetricsView)),
)]
async fn metrics(_: May<Read>, State(app): State<App>) -> Result<Json<MetricsView>, Problem> {
    let stats = stats_of(&app).await?;
    let of = |wanted: fn(&Outcome) -> bool| {
        let outcomes = Outcome::ALL.iter().filter(move |outcome| wanted(outcome));
        outcomes
            .map(|outcome| (outcome.name(), stats.outcome(*outcome)))
            .collect()
    };
    Ok(Json(MetricsView {
        outcomes: of(|_| true),
        dropped: of(|outcome| {
            outcome.is_dropped_copy() && outcome.effectively() == Effectively::Dropped
        }),
        copies: stats.copies,
        unaccounted: stats.unaccounted_copies(),
        packets_received: stats.packets_received(),
        packets_sent: stats.packets_sent(),
        publish_received: stats.publish_received(),
        publish_sent: stats.publish_sent(),
        bytes_received: stats.bytes_received,
        bytes_sent: stats.bytes_sent,
        retained_bytes: stats.retained_bytes,
        queued_bytes: stats.queued_bytes,
    }))
}

#[cfg(test)]
mod tests {
    use columba_store::Loss;

    use super::*;

    #[test]
    fn so_many_places_and_sessions_are_listed_and_all_are_counted() {
        let damage: Vec<Damage> = (0..=LISTED_MAX as u64)
            .map(|offset| Damage {
                file: Name::Segment(1),
                offset,
                bytes: 1,
                loss: Loss::Frames,
            })
            .collect();
        let listed_places = listed(&damage, DamagedView::new);
        assert_eq!(listed_places.len(), 1_000);
        assert_eq!(listed_places.last().map(|place| place.offset), Some(999));
        assert_eq!(listed(&damage[..LISTED_MAX], DamagedView::new).len(), 1_000);
    }
}
