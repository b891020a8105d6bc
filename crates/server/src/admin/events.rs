//! What the flight recorders hold, as a list.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::query::{Answer, Request};
use columba_broker::recorder::{Chunk, Entry, Line, Recording, TapeName, flag};
use columba_codec::topic::TopicFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use super::event_stream::{self, Source};
use super::extract::Params;
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::unexpected;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What the recorders of all shards hold.
pub(super) async fn present_recordings(app: &App) -> Result<Vec<Recording>, Problem> {
    let answers = app.asker.ask_all(&Request::Recording).await?;
    let recording = |answer| match answer {
        Answer::Recording(recording) => Ok(*recording),
        other => Err(unexpected(&other)),
    };
    answers.into_iter().map(recording).collect()
}

/// The same, and what is left of those of earlier processes.
pub(super) async fn recordings(app: &App) -> Result<Vec<Recording>, Problem> {
    let now = present_recordings(app).await?;
    let past = app.past.clone();
    let read = tokio::task::spawn_blocking(move || past.before(now)).await;
    read.map_err(|_| Problem::failed("the record could not be read"))
}

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Only those of this client id: as whom it happened to, or as another party of it.
    client: Option<String>,
    /// Only those of topics that this filter matches.
    topic: Option<String>,
    /// Only this outcome, `publish.denied_acl`, or all of a stage, `publish`.
    outcome: Option<String>,
    /// Only those at this time or later, in milliseconds since 1970.
    pub(super) since_unix_ms: Option<u64>,
    /// Whether every message and every copy comes as well, as far as the ledger has them.
    #[serde(default)]
    pub(super) ledger: bool,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    /// When, in milliseconds since 1970; the last time, if it happened several times.
    at_unix_ms: u64,
    /// How often.
    times: u64,
    /// The first of these times.
    first_unix_ms: u64,
    /// What, from the one vocabulary of reasons.
    outcome: &'static str,
    /// What that means: `accepted`, `denied`, `dropped`, `delayed` or `ended`.
    effect: &'static str,
    /// Whom it happened to.
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    /// Another party of it: the user of a login, the operator who did it.
    #[serde(skip_serializing_if = "String::is_empty")]
    by: String,
    /// Its topic or filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    topic: String,
    /// Whether its topic is private, and the filter that says so stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    /// In words, with the rule or limit.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// The client's address, without a port if it happened several times from several.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The number of the message, the same for its publication and all copies of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    /// QoS.
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<u8>,
    /// RETAIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    retain: Option<bool>,
    /// The packet id of a copy, or of a PUBLISH of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_id: Option<u16>,
    /// Bytes of a payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    /// What a payload looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'static str>,
    /// The shard that recorded it.
    shard: u16,
    /// Its tape there: 0 events, 1 events of clients beyond their share, 2 the ledger.
    tape: u8,
    /// Its number on the tape.
    sequence: u64,
}

/// The place of an event among those of all shards.
pub(super) type Key = (u64, u16, u8, u64);

impl EventView {
    pub(super) fn new((_, shard, tape, sequence): Key, entry: &Entry<'_>) -> Self {
        let facts = &entry.facts;
        let some = |number: u64| (number != 0).then_some(number);
        Self {
            at_unix_ms: entry.unix_ms,
            times: entry.times,
            first_unix_ms: entry.first_unix_ms,
            outcome: entry.outcome.name(),
            effect: match entry.outcome.effectively() {
                Effectively::Accepted => "accepted",
                Effectively::Denied => "denied",
                Effectively::Dropped => "dropped",
                Effectively::Delayed => "delayed",
                Effectively::Ended => "ended",
            },
            client: facts.client.to_owned(),
            by: facts.by.to_owned(),
            topic: facts.topic.to_owned(),
            private: (facts.flags & flag::PRIVATE != 0).then_some(true),
            detail: facts.detail.to_owned(),
            address: facts.address(),
            message: some(facts.message),
            qos: facts.qos.map(|qos| qos as u8),
            retain: facts.qos.map(|_| facts.flags & flag::RETAIN != 0),
            packet_id: (facts.packet_id != 0).then_some(facts.packet_id),
            size_bytes: facts.payload.map(|_| facts.size_bytes),
            payload: facts.payload.map(|kind| kind.name()),
            shard,
            tape,
            sequence,
        }
    }
}

/// What is looked for, checked.
pub(super) struct Wanted<'a> {
    client: Option<&'a str>,
    topic: Option<TopicFilter<'a>>,
    outcome: Option<&'a str>,
    since_unix_ms: u64,
    ledger: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(filters: &'a Filters) -> Result<Self, Problem> {
        let topic = filters.topic.as_deref().map(|text| {
            let parsed = TopicFilter::parse(text);
            parsed.map_err(|fault| Problem::invalid(format!("topic is {text:?}: {fault}")))
        });
        let outcome = filters.outcome.as_deref();
        let is_known = |text: &str| {
            let mut names = Outcome::ALL.iter().map(|outcome| outcome.name());
            names.any(|name| is_of(name, text))
        };
        if let Some(text) = outcome.filter(|text| !is_known(text)) {
            return Err(Problem::invalid(format!(
                "outcome is {text:?}, which nothing is called"
            )));
        }
        let since_unix_ms = filters.since_unix_ms.unwrap_or_default();
        if i64::try_from(since_unix_ms).is_err() {
            return Err(Problem::invalid("since_unix_ms is no time"));
        }
        Ok(Self {
            client: filters.client.as_deref(),
            topic: topic.transpose()?,
            outcome,
            since_unix_ms,
            ledger: filters.ledger,
        })
    }

    pub(super) fn wants_tape(&self, tape: TapeName) -> bool {
        self.ledger || tape != TapeName::Ledger
    }

    pub(super) fn wants(&self, entry: &Entry<'_>) -> bool {
        let facts = &entry.facts;
        let is_theirs = |client: &str| facts.client == client || facts.by == client;
        entry.unix_ms >= self.since_unix_ms
            && self.client.is_none_or(is_theirs)
            && self
                .outcome
                .is_none_or(|text| is_of(entry.outcome.name(), text))
            && (self.topic.as_ref()).is_none_or(|filter| filter.matches(facts.topic))
    }
}

/// Whether a name is the one given, or of the stage given.
fn is_of(name: &str, text: &str) -> bool {
    name == text
        || name
            .strip_prefix(text)
            .is_some_and(|rest| rest.starts_with('.'))
}

/// What happened
///
/// What the flight recorder holds, the oldest first: connections, sessions, subscriptions, refusals,
/// drops, and with `ledger=true` every message and every copy of it that it has followed.
///
/// With the header `Accept: text/event-stream` they come as Server-Sent Events and go on as they happen,
/// from now on, or from `since_unix_ms` as far as this process has recorded it: what earlier processes
/// have recorded is in the list alone. `Last-Event-ID`, or the same text as `cursor`, goes on where a
/// stream has ended. Besides the events, whose data is one of the rows of a page, there are `begin`
/// (since when this process has recorded), `missed` (the reader was slow or away, and so many entries of
/// the record are gone), `left_out` (messages that the ledger has not followed) and `end`. A comment
/// comes every 15 seconds.
#[utoipa::path(
    get, path = "/events", tag = "events", params(PageParams, Filters),
    responses((
        status = 200, description = "A page of events, or a stream of them",
        content((Listed<EventView> = "application/json"), (String = "text/event-stream")),
    )),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filters): Params<Filters>,
    parts: Parts,
) -> Result<Response, Problem> {
    if event_stream::is_wanted(&parts.headers) {
        return event_stream::open(app, Source::Record, &params.params, filters, parts).await;
    }
    let wanted = Wanted::new(&filters)?;
    let recordings = recordings(&app).await?;
    Ok(Json(page_of(&recordings, &wanted, &params)?).into_response())
}

/// A page of what recordings hold.
pub(super) fn page_of(
    recordings: &[Recording],
    wanted: &Wanted<'_>,
    params: &Paged,
) -> Result<Listed<EventView>, Problem> {
    let chunks: Vec<&Arc<Chunk>> = recordings.iter().flat_map(|of| &of.chunks).collect();
    let after: Option<Key> = params.after()?;
    let mut rows: Vec<(Key, Entry<'_>)> = Vec::new();
    for chunk in chunks
        .into_iter()
        .filter(|chunk| wanted.wants_tape(chunk.tape()))
    {
        let entries = chunk.entries().filter_map(|line| match line {
            Ok(Line::Entry(entry)) => Some(entry),
            Ok(Line::Gap { .. }) | Err(_) => None,
        });
        for entry in entries.filter(|entry| wanted.wants(entry)) {
            let tape = chunk.tape() as u8;
            let key = (entry.unix_ms, chunk.shard(), tape, entry.sequence);
            if after.is_none_or(|after| key > after) {
                rows.push((key, entry));
            }
        }
    }
    rows.sort_by_key(|(key, _)| *key);
    let views = rows
        .iter()
        .map(|(key, entry)| (*key, EventView::new(*key, entry)));
    Listed::cut(views, params)
}
