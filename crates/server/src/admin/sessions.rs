//! Sessions: the list, and their end.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use columba_broker::query::{
    Answer, Page, Request, SessionKey, SessionOrder, SessionRow, SessionsQuery,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Caller, May, Operate, Read};
use super::extract::{Params, PathOf};
use super::page::{Listed, PageParams, Sort, no_such_sort, sort_text};
use super::paged::Paged;
use super::problem::Problem;
use super::view::{SessionView, waiting_on};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(end))
}

/// What sessions and clients are sorted by.
const KEYS: &[(&str, SessionOrder)] = &[
    ("id", SessionOrder::ClientId),
    ("queued", SessionOrder::Queued),
    ("queued_bytes", SessionOrder::QueuedBytes),
    ("inflight", SessionOrder::Inflight),
    ("since", SessionOrder::Since),
    ("subscriptions", SessionOrder::Subscriptions),
    ("output_bytes", SessionOrder::OutputBytes),
    ("silent", SessionOrder::Silent),
];

/// Where a page has ended: what the list is sorted by, and the last row.
type Mark = (String, u64, Arc<str>);

/// Which sessions, or clients.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Only client ids that contain this.
    client: Option<String>,
    /// Only those of this user.
    user: Option<String>,
    /// Only those from this address.
    #[param(value_type = Option<String>)]
    address: Option<String>,
    /// Only those whose messages wait for this: `nothing`, `client`, `acknowledgement`, `socket`,
    /// `disk` or `broker`.
    waiting_on: Option<String>,
    /// What they are sorted by, with `-` before it the highest first: `id`, `queued`, `queued_bytes`,
    /// `inflight`, `since` (when they came, or went), `subscriptions`, `output_bytes`, `silent` (how long
    /// ago they sent something). By `id` if nothing is said; a cursor remembers it.
    #[param(
        pattern = "^-?(id|queued|queued_bytes|inflight|since|subscriptions|output_bytes|silent)$"
    )]
    sort: Option<String>,
}

impl Filters {
    fn query(self, params: &Paged, is_online: Option<bool>) -> Result<SessionsQuery, Problem> {
        let after: Option<Mark> = params.after()?;
        let remembered = after.as_ref().map(|(sort, _, _)| sort.as_str());
        let sort = sort_text(self.sort.as_deref(), remembered)?.unwrap_or("id");
        let Sort { key, is_descending } =
            Sort::parse(sort, KEYS).ok_or_else(|| no_such_sort(sort, KEYS, &[]))?;
        let addr = self.address.map(|text| {
            let addr = text.parse::<IpAddr>();
            addr.map_err(|_| Problem::invalid(format!("{text:?} is no IP address")))
        });
        let waiting_on = self.waiting_on.map(|word| {
            waiting_on(&word).ok_or_else(|| {
                Problem::invalid(format!("waiting_on is {word:?}, which means nothing"))
            })
        });
        Ok(SessionsQuery {
            after: after.map(|(_, rank, client_id)| SessionKey {
                rank,
                client_id,
                is_reversed: is_descending && key == SessionOrder::ClientId,
            }),
            rows_max: params.rows_max()?,
            order: key,
            is_descending,
            is_online,
            client_id_part: self.client.map(Arc::from),
            user: self.user.map(Arc::from),
            addr: addr.transpose()?,
            waiting_on: waiting_on.transpose()?,
        })
    }
}

/// A page of all shards' sessions.
pub(super) async fn page_of<T>(
    app: &App,
    filters: Filters,
    params: &Paged,
    is_online: Option<bool>,
    view: impl Fn(SessionRow) -> T,
) -> Result<Listed<T>, Problem> {
    let query = filters.query(params, is_online)?;
    let rows_max = query.rows_max;
    let sort = Sort {
        key: query.order,
        is_descending: query.is_descending,
    };
    let sort = sort.to_text(KEYS);
    let answers = app.asker.ask_all(&Request::Sessions(query)).await?;
    let pages: Vec<Page<SessionRow, SessionKey>> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Sessions(page) => Ok(page),
            other => Err(unexpected(&other)),
        })
        .collect::<Result<_, _>>()?;
    let cursor =
        |key: &SessionKey| -> Mark { (sort.clone(), key.rank, Arc::clone(&key.client_id)) };
    Ok(Listed::merge(
        params,
        pages,
        rows_max,
        |row| &row.key,
        cursor,
        view,
    ))
}

/// What to say to an answer that is none to what was asked.
pub(super) fn unexpected(answer: &Answer) -> Problem {
    match answer {
        Answer::Busy => {
            let what = "too many lists are being made, or the disk does not keep up, is full or has \
                        failed: try again, and see store.disk of /broker";
            Problem::busy(what).after_secs(1)
        }
        Answer::Missing => Problem::missing("it is not there"),
        Answer::Changed => Problem::changed("it has changed since: read it again"),
        Answer::Refused { outcome, detail } => Problem::refused(format!("{outcome}: {detail}")),
        _ => Problem::failed("a shard has answered something else than was asked"),
    }
}

/// Whether sessions are connected.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    /// Connected.
    Online,
    /// Not connected.
    Offline,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StateParams {
    /// Only those that are connected, `online`, or not, `offline`.
    #[param(inline)]
    state: Option<Wanted>,
}

/// Sessions
///
/// All sessions, connected or not.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(PageParams, Filters, StateParams),
    responses((status = 200, description = "A page of sessions", body = Listed<SessionView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filters): Params<Filters>,
    Params(state): Params<StateParams>,
) -> Result<Json<Listed<SessionView>>, Problem> {
    let is_online = state.state.map(|state| matches!(state, Wanted::Online));
    let listed = page_of(&app, filters, &params, is_online, SessionView::from).await?;
    Ok(Json(listed))
}

/// End a session
///
/// Disconnects its client, if it is connected, and forgets its subscriptions and everything that
/// waits for it.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "Client id, percent-encoded")),
    responses((status = 204, description = "It has ended")),
)]
async fn end(
    may: May<Operate>,
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    disconnect(&app, &id, true, &may.caller).await
}

/// Ends the connection of a client, and perhaps its session.
pub(super) async fn disconnect(
    app: &App,
    client_id: &str,
    end_session: bool,
    caller: &Caller,
) -> Result<StatusCode, Problem> {
    let request = Request::Disconnect {
        client_id: client_id.into(),
        end_session,
        operator: caller.recorded(),
    };
    match app.asker.ask_home(client_id, request).await? {
        Answer::Done => Ok(StatusCode::NO_CONTENT),
        Answer::Missing => Err(no_client(client_id)),
        other => Err(unexpected(&other)),
    }
}

/// There is no such client.
pub(super) fn no_client(client_id: &str) -> Problem {
    Problem::missing(format!("there is no session of a client {client_id:?}"))
}
