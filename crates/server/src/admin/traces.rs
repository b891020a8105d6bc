//! Traces: the messages of a filter, and what becomes of each copy, for a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use columba_broker::event::Now;
use columba_broker::query::{Answer, Request, TraceRequest};
use columba_broker::recorder::{Recording, TRACE_SECS_MAX, TRACES_MAX, TraceId};
use columba_codec::topic::TopicFilter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Operate, Read};
use super::event_stream::{self, Source};
use super::events::{EventView, Filters, Wanted, page_of};
use super::extract::{Body, Params, PathOf};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::unexpected;

/// Bytes of what is kept of a trace, all shards together.
const TRACE_BYTES: usize = 8 * 1024 * 1024;

/// How long a trace goes on, if nothing is said.
const SECS: u64 = 60;

/// How long what a trace has seen is kept after its end.
const KEPT: Duration = Duration::from_secs(600);

/// Why a stream of a trace ends by itself.
pub(super) const HAS_ENDED: &str = "the time of the trace is over";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, begin))
        .routes(routes!(one, end))
        .routes(routes!(events))
}

/// The traces that there are.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The last number that was given.
    last: u64,
    /// By number.
    all: Vec<Arc<Trace>>,
}

/// A trace.
#[derive(Debug)]
pub(super) struct Trace {
    id: u64,
    filter: Arc<str>,
    pub(super) began: Now,
    secs: u64,
    by: Arc<str>,
}

impl Trace {
    /// Whether nothing is added to it any more.
    pub(super) fn has_ended(&self, app: &App) -> bool {
        app.now().mono_ms >= self.ends_mono_ms()
    }

    const fn ends_mono_ms(&self) -> u64 {
        self.began.mono_ms + self.secs * 1000
    }

    /// What all shards have seen of it.
    pub(super) async fn recordings(&self, app: &App) -> Result<Vec<Recording>, Problem> {
        let answers = app.asker.ask_all(&Request::Trace(TraceId(self.id))).await?;
        let recording = |answer| match answer {
            Answer::Recording(recording) => Ok(*recording),
            Answer::Missing => Err(no_trace(self.id)),
            other => Err(unexpected(&other)),
        };
        answers.into_iter().map(recording).collect()
    }

    async fn forget(&self, app: &App) -> Result<(), Problem> {
        app.asker
            .ask_all(&Request::EndTrace(TraceId(self.id)))
            .await?;
        Ok(())
    }
}

fn no_trace(id: u64) -> Problem {
    Problem::missing(format!("there is no trace {id}, or it has been deleted"))
}

impl Traces {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Result<Arc<Trace>, Problem> {
        let known = self.known();
        let found = known.all.iter().find(|trace| trace.id == id);
        found.cloned().ok_or_else(|| no_trace(id))
    }

    /// Takes a number, and the place of the oldest one that has ended if there is none free.
    fn add(
        &self,
        app: &App,
        (filter, secs, by): (Arc<str>, u64, Arc<str>),
    ) -> Result<(Arc<Trace>, Option<Arc<Trace>>), Problem> {
        let mut known = self.known();
        let mut pushed_out = None;
        if known.all.len() >= TRACES_MAX {
            let ended = known.all.iter().position(|trace| trace.has_ended(app));
            let Some(ended) = ended else {
                let what = format!(
                    "{TRACES_MAX} traces go on already: delete one, or wait until one has ended"
                );
                return Err(Problem::conflict(what));
            };
            pushed_out = Some(known.all.remove(ended));
        }
        known.last += 1;
        let trace = Arc::new(Trace {
            id: known.last,
            filter,
            began: app.now(),
            secs,
            by,
        });
        known.all.push(Arc::clone(&trace));
        Ok((trace, pushed_out))
    }

    /// Takes one away.
    fn remove(&self, id: u64) -> Result<Arc<Trace>, Problem> {
        let mut known = self.known();
        let found = known.all.iter().position(|trace| trace.id == id);
        let found = found.ok_or_else(|| no_trace(id))?;
        Ok(known.all.remove(found))
    }
}

/// A trace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceView {
    /// Its number.
    id: u64,
    /// Messages whose topics this filter matches.
    filter: String,
    /// When it began, in milliseconds since 1970.
    began_unix_ms: u64,
    /// When it ends or has ended.
    ends_unix_ms: u64,
    /// Whether it goes on.
    is_on: bool,
    /// Who began it.
    by: String,
}

impl TraceView {
    pub(super) fn new(trace: &Trace, app: &App) -> Self {
        Self {
            id: trace.id,
            filter: trace.filter.to_string(),
            began_unix_ms: trace.began.unix_ms,
            ends_unix_ms: trace.began.unix_ms + trace.secs * 1000,
            is_on: !trace.has_ended(app),
            by: trace.by.to_string(),
        }
    }
}

/// A trace with what it has not got.
#[derive(Debug, Serialize, ToSchema)]
struct TraceDetail {
    #[serde(flatten)]
    trace: TraceView,
    /// Messages and copies that are not in it because there were too many in a second.
    left_out: u64,
    /// Lines that are not in it any more: its room is bounded, and the oldest go first.
    overwritten: u64,
}

/// A new trace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTrace {
    /// Messages whose topics this filter matches; `#` for all but those that begin with `$`.
    #[schema(min_length = 1)]
    filter: String,
    /// How long, in seconds: 1 to 3600, 60 if nothing is said.
    #[schema(minimum = 1, maximum = 3600)]
    for_secs: Option<u64>,
}

/// Traces
///
/// Those that go on, and those that have ended and can still be read.
#[utoipa::path(
    get, path = "/traces", tag = "traces", params(PageParams),
    responses((status = 200, description = "A page of traces", body = Listed<TraceView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
) -> Result<Json<Listed<TraceView>>, Problem> {
    let all = app.traces.known().all.clone();
    let rows = all
        .iter()
        .map(|trace| (trace.id, TraceView::new(trace, &app)));
    Listed::cut(rows, &params).map(Json)
}

/// Trace messages
///
/// From now on, every message whose topic a filter matches is followed, and every copy of it, whatever
/// the pace of the ledger would leave out: who published it, whom it went to, what became of each copy,
/// and refused messages with the reason. No payload is kept. There are 8 traces at a time, those
/// included that have ended; an ended one makes room for a new one, and is forgotten after ten minutes.
/// 8 MiB are kept of each, the oldest lines go first; it takes an eighth of that in a second, and counts
/// what it leaves out.
#[utoipa::path(
    post, path = "/traces", tag = "traces", request_body = NewTrace,
    responses((status = 201, description = "It goes on", body = TraceView)),
)]
async fn begin(
    may: May<Operate>,
    State(app): State<App>,
    Body(new): Body<NewTrace>,
) -> Result<(StatusCode, Json<TraceView>), Problem> {
    let parsed = TopicFilter::parse(&new.filter);
    let parsed =
        parsed.map_err(|fault| Problem::invalid(format!("filter is {:?}: {fault}", new.filter)))?;
    if parsed.share().is_some() {
        let what = "filter is of a shared subscription: leave $share and its name out";
        return Err(Problem::invalid(what));
    }
    let secs = new.for_secs.unwrap_or(SECS);
    if !(1..=TRACE_SECS_MAX).contains(&secs) {
        let what = format!("for_secs is 1 to {TRACE_SECS_MAX}");
        return Err(Problem::invalid(what));
    }
    let filter: Arc<str> = new.filter.into();
    let by = Arc::clone(&may.caller.name);
    let (trace, pushed_out) = app.traces.add(&app, (filter, secs, by))?;
    // Whoever asks may go away meanwhile; the shards are to know what is known here.
    let begun = tokio::spawn(begin_on_shards(app.clone(), Arc::clone(&trace), pushed_out));
    let begun = begun.await;
    begun.map_err(|_| Problem::failed("the trace could not be begun"))??;
    Ok((StatusCode::CREATED, Json(TraceView::new(&trace, &app))))
}

/// Tells all shards of a trace, after that they have forgotten the one whose place it takes.
async fn begin_on_shards(
    app: App,
    trace: Arc<Trace>,
    pushed_out: Option<Arc<Trace>>,
) -> Result<(), Problem> {
    if let Err(problem) = begin_and_forget(&app, &trace, pushed_out).await {
        drop(app.traces.remove(trace.id));
        drop(trace.forget(&app).await);
        return Err(problem);
    }
    if app.traces.find(trace.id).is_err() {
        // It was deleted before the shards knew of it.
        trace.forget(&app).await?;
    }
    forget_later(&app, &trace);
    Ok(())
}

async fn begin_and_forget(
    app: &App,
    trace: &Trace,
    pushed_out: Option<Arc<Trace>>,
) -> Result<(), Problem> {
    if let Some(ended) = pushed_out {
        ended.forget(app).await?;
    }
    let request = Request::BeginTrace(TraceRequest {
        id: TraceId(trace.id),
        filter: Arc::clone(&trace.filter),
        secs: trace.secs,
        bytes_max: TRACE_BYTES / usize::from(app.asker.shards()),
    });
    let answers = app.asker.ask_all(&request).await?;
    if answers.iter().any(|answer| !matches!(answer, Answer::Done)) {
        return Err(Problem::busy("another trace is being deleted: try again"));
    }
    Ok(())
}

/// Has it forgotten when nobody is to be expected to read it any more.
fn forget_later(app: &App, trace: &Arc<Trace>) {
    let (app, trace) = (app.clone(), Arc::clone(trace));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(trace.secs) + KEPT).await;
        if app.traces.remove(trace.id).is_ok() {
            // A broker that is stopping forgets everything.
            drop(trace.forget(&app).await);
        }
    });
}

/// A trace
#[utoipa::path(
    get, path = "/traces/{id}", tag = "traces",
    params(("id" = u64, Path, description = "Its number")),
    responses((status = 200, description = "The trace", body = TraceDetail)),
)]
async fn one(
    _: May<Read>,
    State(app): State<App>,
    PathOf(id): PathOf<u64>,
) -> Result<Json<TraceDetail>, Problem> {
    let trace = app.traces.find(id)?;
    let recordings = trace.recordings(&app).await?;
    Ok(Json(TraceDetail {
        trace: TraceView::new(&trace, &app),
        left_out: recordings.iter().map(|of| of.left_out).sum(),
        overwritten: recordings.iter().map(|of| of.overwritten).sum(),
    }))
}

/// What a trace has seen
///
/// Rows as those of `/events`, of which those with the same `message` belong together: `publish.*` for
/// the message, `deliver.*` for each copy and what became of it. With the header
/// `Accept: text/event-stream` they come as Server-Sent Events, from the beginning of the trace until it
/// has ended.
#[utoipa::path(
    get, path = "/traces/{id}/events", tag = "traces",
    params(("id" = u64, Path, description = "The number of the trace"), PageParams, Filters),
    responses((
        status = 200, description = "A page of events, or a stream of them",
        content((Listed<EventView> = "application/json"), (String = "text/event-stream")),
    )),
)]
async fn events(
    _: May<Read>,
    State(app): State<App>,
    PathOf(id): PathOf<u64>,
    params: Paged,
    Params(mut filters): Params<Filters>,
    parts: Parts,
) -> Result<Response, Problem> {
    let trace = app.traces.find(id)?;
    filters.ledger = true;
    if event_stream::is_wanted(&parts.headers) {
        return event_stream::open(app, Source::Trace(trace), &params.params, filters, parts).await;
    }
    let wanted = Wanted::new(&filters)?;
    let recordings = trace.recordings(&app).await?;
    Ok(Json(page_of(&recordings, &wanted, &params)?).into_response())
}

/// End and forget a trace
#[utoipa::path(
    delete, path = "/traces/{id}", tag = "traces",
    params(("id" = u64, Path, description = "Its number")),
    responses((status = 204, description = "It is gone")),
)]
async fn end(
    _: May<Operate>,
    State(app): State<App>,
    PathOf(id): PathOf<u64>,
) -> Result<StatusCode, Problem> {
    let trace = app.traces.remove(id)?;
    // Whoever asks may go away meanwhile.
    let forgotten = tokio::spawn(async move { trace.forget(&app).await }).await;
    forgotten.map_err(|_| Problem::failed("the trace could not be forgotten"))??;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests;
