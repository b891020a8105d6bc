//! Connected clients: the list, one in detail, and its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use columba_broker::query::{Answer, InflightRow, InflightStep, QueuedRow, Request, SessionDetail};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Operate, Read};
use super::extract::{Params, PathOf};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::{Filters, disconnect, no_client, page_of, unexpected};
use super::view::{ClientView, SessionView, SubscriptionView};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(detail, end))
}

/// All about a client and its session.
#[derive(Debug, Serialize, ToSchema)]
struct ClientDetail {
    /// The session.
    session: SessionView,
    /// The connection; null while it is not connected.
    client: Option<ClientView>,
    /// The groups of its user.
    groups: Vec<Arc<str>>,
    /// The name in its client certificate.
    certificate: Option<Arc<str>>,
    /// Its first 100 subscriptions, in the order of their filters.
    subscriptions: Vec<SubscriptionView>,
    /// Its first 100 messages in flight, the oldest first.
    inflight: Vec<InflightView>,
    /// The message that waits longest.
    oldest: Option<MessageView>,
    /// QoS 2 messages that it has published and not released.
    unreleased: usize,
    /// Its Will.
    will: Option<WillView>,
    /// Whether the session outlives the process.
    is_durable: bool,
}

/// A message on its way to a client.
#[derive(Debug, Serialize, ToSchema)]
struct InflightView {
    /// Its packet id.
    packet_id: u16,
    /// `held`: sent as soon as the disk has it; `sent`: not acknowledged; `released`: PUBREC has
    /// come, PUBCOMP has not.
    step: &'static str,
    /// The message.
    message: MessageView,
}

/// A message without its payload.
#[derive(Debug, Serialize, ToSchema)]
struct MessageView {
    /// Its topic.
    topic: Arc<str>,
    /// The QoS it is delivered with.
    qos: u8,
    /// Bytes of topic, properties and payload.
    size_bytes: usize,
    /// When it expires, in milliseconds since 1970.
    expires_unix_ms: Option<u64>,
}

/// What is published when a client is lost.
#[derive(Debug, Serialize, ToSchema)]
struct WillView {
    /// Its topic.
    topic: Arc<str>,
    /// Its QoS.
    qos: u8,
    /// Its RETAIN.
    retain: bool,
    /// Bytes of its payload.
    payload_bytes: usize,
    /// How long after the end of the connection it is published.
    delay_secs: u32,
}

/// Connected clients
#[utoipa::path(
    get, path = "/clients", tag = "clients", params(PageParams, Filters),
    responses((status = 200, description = "A page of clients", body = Listed<ClientView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filters): Params<Filters>,
) -> Result<Json<Listed<ClientView>>, Problem> {
    let view = |row| ClientView::new(&app, &row);
    let listed = page_of(&app, filters, &params, Some(true), view).await?;
    // Who has gone since it was looked at is not there any more.
    Ok(Json(Listed {
        data: listed.data.into_iter().flatten().collect(),
        page: listed.page,
    }))
}

/// One client
///
/// Its session with its first subscriptions and messages in flight, whether it is connected or not.
#[utoipa::path(
    get, path = "/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "Client id, percent-encoded")),
    responses((status = 200, description = "The client", body = ClientDetail)),
)]
async fn detail(
    _: May<Read>,
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Result<Json<ClientDetail>, Problem> {
    let request = Request::Session {
        client_id: id.as_str().into(),
    };
    match app.asker.ask_home(&id, request).await? {
        Answer::Session(Some(found)) => Ok(Json(view(&app, *found))),
        Answer::Session(None) => Err(no_client(&id)),
        other => Err(unexpected(&other)),
    }
}

/// Disconnect a client
///
/// Its session stays if it outlives connections: nothing keeps the client from coming back. To keep
/// it out, ban it; to end its session as well, delete the session.
#[utoipa::path(
    delete, path = "/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "Client id, percent-encoded")),
    responses((status = 204, description = "It is disconnected")),
)]
async fn end(
    may: May<Operate>,
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    disconnect(&app, &id, false, &may.caller).await
}

fn view(app: &App, found: SessionDetail) -> ClientDetail {
    let subscriptions = found.subscriptions.into_iter();
    ClientDetail {
        client: ClientView::new(app, &found.row),
        session: found.row.into(),
        groups: found.groups,
        certificate: found.certificate,
        subscriptions: subscriptions.map(SubscriptionView::from).collect(),
        inflight: found.inflight.into_iter().map(inflight).collect(),
        oldest: found.oldest.map(message),
        unreleased: found.unreleased,
        will: found.will.map(|will| WillView {
            topic: will.topic,
            qos: will.qos as u8,
            retain: will.retain,
            payload_bytes: will.payload_bytes,
            delay_secs: will.delay_secs,
        }),
        is_durable: found.is_durable,
    }
}

fn inflight(row: InflightRow) -> InflightView {
    InflightView {
        packet_id: row.packet_id,
        step: match row.step {
            InflightStep::Held => "held",
            InflightStep::Sent => "sent",
            InflightStep::Released => "released",
        },
        message: message(row.message),
    }
}

fn message(row: QueuedRow) -> MessageView {
    MessageView {
        topic: row.topic,
        qos: row.qos as u8,
        size_bytes: row.size_bytes,
        expires_unix_ms: row.expires_unix_ms,
    }
}
