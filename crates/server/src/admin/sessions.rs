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
use super::caller::{May, Operate, Read};
use super::extract::{Params, PathOf};
use super::page::{Listed, PageParams};
use super::problem::Problem;
use super::view::{SessionView, waiting_on};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(end))
}

/// How sessions and clients are sorted.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(super) enum Sort {
    /// By client id: rows never move while pages are turned.
    #[default]
    #[serde(rename = "id")]
    Id,
    /// The most queued messages first.
    #[serde(rename = "-queued")]
    Queued,
    /// The most queued bytes first.
    #[serde(rename = "-queued_bytes")]
    QueuedBytes,
    /// The most messages in flight first.
    #[serde(rename = "-inflight")]
    Inflight,
    /// Who came or went last first.
    #[serde(rename = "-since")]
    Since,
}

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
    /// What they are sorted by: `id`, `-queued`, `-queued_bytes`, `-inflight` or `-since`.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
}

impl Filters {
    fn query(self, params: &PageParams, is_online: Option<bool>) -> Result<SessionsQuery, Problem> {
        let order = match self.sort {
            Sort::Id => SessionOrder::ClientId,
            Sort::Queued => SessionOrder::Queued,
            Sort::QueuedBytes => SessionOrder::QueuedBytes,
            Sort::Inflight => SessionOrder::Inflight,
            Sort::Since => SessionOrder::Since,
        };
        let after: Option<(u64, Arc<str>)> = params.after()?;
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
            after: after.map(|(rank, client_id)| SessionKey { rank, client_id }),
            rows_max: params.rows_max()?,
            order,
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
    params: &PageParams,
    is_online: Option<bool>,
    view: impl Fn(SessionRow) -> T,
) -> Result<Listed<T>, Problem> {
    let query = filters.query(params, is_online)?;
    let rows_max = query.rows_max;
    let answers = app.asker.ask_all(&Request::Sessions(query)).await?;
    let pages: Vec<Page<SessionRow, SessionKey>> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Sessions(page) => Ok(page),
            other => Err(unexpected(&other)),
        })
        .collect::<Result<_, _>>()?;
    let cursor = |key: &SessionKey| (key.rank, Arc::clone(&key.client_id));
    Ok(Listed::merge(pages, rows_max, |row| &row.key, cursor, view))
}

/// What to say to an answer that is none to what was asked.
pub(super) fn unexpected(answer: &Answer) -> Problem {
    match answer {
        Answer::Busy => {
            Problem::busy("too many lists are being made, or the disk does not keep up: try again")
                .after_secs(1)
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
    Params(params): Params<PageParams>,
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
    _: May<Operate>,
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    disconnect(&app, &id, true).await
}

/// Ends the connection of a client, and perhaps its session.
pub(super) async fn disconnect(
    app: &App,
    client_id: &str,
    end_session: bool,
) -> Result<StatusCode, Problem> {
    let request = Request::Disconnect {
        client_id: client_id.into(),
        end_session,
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
