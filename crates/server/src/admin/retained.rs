//! Retained messages: the list by filter, one of them, and their change.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use columba_broker::event::ShardId;
use columba_broker::query::{Answer, Condition, Request, RetainedPage, RetainedQuery, RetainedRow};
use columba_codec::topic::TopicFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Operate, Publish, Read};
use super::extract::{Body, Params, PathOf, Room};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::publish::{BODY_BYTES_MAX, Message, send};
use super::sessions::unexpected;

/// Bytes of a payload that a list shows.
const PREVIEW_BYTES: usize = 256;
/// How often all shards are asked for one page, if they look at much that does not match.
const ROUNDS_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, clear_all))
        .routes(routes!(read, set, clear))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// A retained message.
#[derive(Debug, Serialize, ToSchema)]
struct RetainedView {
    /// Its topic.
    topic: String,
    /// The QoS it was published with.
    qos: u8,
    /// The payload if it is UTF-8; in a list its start.
    payload: Option<String>,
    /// The payload in Base64 if it is not UTF-8; in a list its start.
    payload_base64: Option<String>,
    /// Bytes of the payload.
    payload_bytes: usize,
    /// Whether only the start of the payload is shown.
    is_cut: bool,
    /// When it expires, in milliseconds since 1970.
    expires_unix_ms: Option<u64>,
    /// Changes with the message: for `If-Match`.
    etag: String,
}

impl RetainedView {
    fn new(row: &RetainedRow, bytes_max: usize) -> Self {
        let all = row.message.payload();
        let mut shown = all.get(..bytes_max).unwrap_or(all);
        let is_cut = shown.len() < all.len();
        if is_cut
            && let Err(error) = std::str::from_utf8(shown)
            && error.error_len().is_none()
        {
            // It was cut inside of a character.
            shown = shown.get(..error.valid_up_to()).unwrap_or_default();
        }
        let text = std::str::from_utf8(shown).ok();
        Self {
            topic: row.message.topic().to_owned(),
            qos: row.message.head().qos as u8,
            payload: text.map(str::to_owned),
            payload_base64: text.is_none().then(|| STANDARD.encode(shown)),
            payload_bytes: all.len(),
            is_cut,
            expires_unix_ms: row.expires_unix_ms,
            etag: etag(row.tag),
        }
    }
}

fn etag(tag: u64) -> String {
    format!("\"{tag:016x}\"")
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those whose topics match this topic filter; without, all but those that start with `$`.
    topic: Option<String>,
}

/// Retained messages
///
/// In the order of their topics, with the start of each payload.
#[utoipa::path(
    get, path = "/retained", tag = "retained", params(PageParams, Filter),
    responses((status = 200, description = "A page of messages", body = Listed<RetainedView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filter): Params<Filter>,
) -> Result<Json<Listed<RetainedView>>, Problem> {
    let filter = checked(filter.topic.as_deref().unwrap_or("#"))?;
    let rows_max = params.rows_max()?;
    let mut after: Option<Arc<str>> = params.after()?;
    let mut found = BTreeMap::new();
    // What a shard looks at in one step is bounded, so a page may take several.
    for _ in 0..ROUNDS_MAX {
        let request = Request::Retained(RetainedQuery {
            filter: Arc::clone(&filter),
            after: after.clone(),
            rows_max,
        });
        let mut end: Option<Arc<str>> = None;
        for answer in app.asker.ask_all(&request).await? {
            let page: RetainedPage = match answer {
                Answer::Retained(page) => page,
                other => return Err(unexpected(&other)),
            };
            for row in page.rows {
                found.insert(row.message.topic().to_owned(), row);
            }
            end = match (end, page.next) {
                (Some(end), Some(next)) => Some(end.min(next)),
                (end, next) => end.or(next),
            };
        }
        if let Some(end) = &end {
            // Behind that, shards may have more that they have not looked at.
            drop(found.split_off(&format!("{end}\0")));
        }
        after = end;
        if after.is_none() || found.len() >= rows_max {
            break;
        }
    }
    if found.len() > rows_max
        && let Some((last, _)) = found.iter().nth(rows_max - 1)
    {
        after = Some(last.as_str().into());
    }
    let rows = found.values().take(rows_max);
    let view = |row| RetainedView::new(row, PREVIEW_BYTES);
    Ok(Json(Listed {
        data: rows.map(view).collect(),
        page: params.next(after.as_ref()),
    }))
}

fn checked(filter: &str) -> Result<Arc<str>, Problem> {
    match TopicFilter::parse(filter) {
        Ok(parsed) if parsed.share().is_none() => Ok(filter.into()),
        Ok(_) => Err(Problem::invalid("topic: a shared filter says nothing here")),
        Err(fault) => Err(Problem::invalid(format!("topic: {fault}"))),
    }
}

/// One retained message
///
/// With its whole payload and its `ETag`.
#[utoipa::path(
    get, path = "/retained/{topic}", tag = "retained",
    params(("topic" = String, Path, description = "Topic, percent-encoded")),
    responses((status = 200, description = "The message", body = RetainedView)),
)]
async fn read(
    _: May<Read>,
    State(app): State<App>,
    PathOf(topic): PathOf<String>,
) -> Result<Response, Problem> {
    let request = Request::RetainedMessage {
        topic: topic.as_str().into(),
    };
    match app.asker.ask_home(&topic, request).await? {
        Answer::RetainedMessage(Some(row)) => {
            let mut response = Json(RetainedView::new(&row, usize::MAX)).into_response();
            if let Ok(tag) = HeaderValue::from_str(&etag(row.tag)) {
                response.headers_mut().insert(ETAG, tag);
            }
            Ok(response)
        }
        Answer::RetainedMessage(None) => Err(nothing(&topic)),
        other => Err(unexpected(&other)),
    }
}

fn nothing(topic: &str) -> Problem {
    Problem::missing(format!("no message is retained at {topic:?}"))
}

/// A message to be retained.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRetained {
    /// The payload as text.
    payload: Option<String>,
    /// The payload in Base64, in place of `payload`.
    payload_base64: Option<String>,
    /// QoS that it is published with: 0, 1 or 2.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2)]
    qos: u8,
    /// Seconds until it expires.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    expiry_secs: Option<u32>,
    /// What kind of payload it is, such as `application/json`.
    content_type: Option<String>,
}

/// Retain a message
///
/// Publishes it with RETAIN: subscribers get it as well. With `If-Match` only if the message that is
/// there has this ETag (`*`: any), with `If-None-Match: *` only if there is none.
#[utoipa::path(
    put, path = "/retained/{topic}", tag = "retained",
    params(
        ("topic" = String, Path, description = "Topic, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "An ETag, or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`"),
    ),
    request_body = NewRetained,
    responses((status = 204, description = "It is retained, and on the disk if there is a store")),
)]
async fn set(
    _: May<Publish>,
    State(app): State<App>,
    PathOf(topic): PathOf<String>,
    headers: HeaderMap,
    _: Room,
    Body(body): Body<NewRetained>,
) -> Result<StatusCode, Problem> {
    let message = Message {
        topic,
        payload: body.payload,
        payload_base64: body.payload_base64,
        qos: body.qos,
        retain: true,
        expiry_secs: body.expiry_secs,
        content_type: body.content_type,
        ..Message::default()
    };
    let mut request = message.request()?;
    if request.payload.is_empty() {
        let what = "an empty payload cannot be retained: delete the message to clear it";
        return Err(Problem::invalid(what));
    }
    // Whatever else would refuse the request goes before its conditions (RFC 9110, 13.2.1).
    request.condition = condition(&headers)?;
    send(&app, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Clear a retained message
///
/// Subscribers are not told. With `If-Match` only if it has this ETag.
#[utoipa::path(
    delete, path = "/retained/{topic}", tag = "retained",
    params(
        ("topic" = String, Path, description = "Topic, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "An ETag, or `*`"),
    ),
    responses((status = 204, description = "It is cleared")),
)]
async fn clear(
    may: May<Publish>,
    State(app): State<App>,
    PathOf(topic): PathOf<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let request = Request::ClearRetained {
        topic: topic.as_str().into(),
        condition: condition(&headers)?,
        operator: may.caller.recorded(),
    };
    match app.asker.ask_home(&topic, request).await? {
        Answer::Done => Ok(StatusCode::NO_CONTENT),
        Answer::Missing => Err(nothing(&topic)),
        other => Err(unexpected(&other)),
    }
}

fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.map(|value| value.to_str().unwrap_or_default().trim())
    };
    match (text(IF_MATCH), text(IF_NONE_MATCH)) {
        (None, None) => Ok(Condition::None),
        (Some("*"), None) => Ok(Condition::Present),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some(tag), None) => {
            let hex = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let tag = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            // An ETag of something else matches nothing.
            tag.map(Condition::Tag)
                .ok_or_else(|| Problem::changed("If-Match is no ETag of a retained message"))
        }
        (_, Some(_)) => Err(Problem::invalid(
            "If-None-Match can be `*` here, and not together with If-Match",
        )),
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ClearParams {
    /// Those whose topics match this topic filter.
    topic: String,
    /// Whether they are counted only.
    #[serde(default)]
    dry_run: bool,
}

/// What was cleared, or would be.
#[derive(Debug, Serialize, ToSchema)]
struct Cleared {
    /// How many messages.
    count: usize,
    /// Whether they were counted only.
    dry_run: bool,
}

/// Clear retained messages
///
/// All whose topics match a filter. Subscribers are not told; what the broker says below `$SYS`
/// stays.
#[utoipa::path(
    delete, path = "/retained", tag = "retained", params(ClearParams),
    responses((status = 200, description = "They are cleared", body = Cleared)),
)]
async fn clear_all(
    may: May<Operate>,
    State(app): State<App>,
    Params(params): Params<ClearParams>,
) -> Result<Json<Cleared>, Problem> {
    let filter = checked(&params.topic)?;
    let dry_run = params.dry_run;
    let mut count = 0;
    for shard in 0..app.asker.shards() {
        let mut after = None;
        loop {
            let filter = Arc::clone(&filter);
            let request = if dry_run {
                Request::Retained(RetainedQuery {
                    filter,
                    after,
                    rows_max: usize::MAX,
                })
            } else {
                Request::ClearAllRetained {
                    filter,
                    after,
                    operator: may.caller.recorded(),
                }
            };
            let next;
            (count, next) = match app.asker.ask(ShardId(shard), request).await? {
                Answer::Cleared { count: more, next } => (count + more, next),
                Answer::Retained(page) => {
                    let is_own = |row: &&RetainedRow| !row.message.topic().starts_with("$SYS/");
                    (count + page.rows.iter().filter(is_own).count(), page.next)
                }
                other => return Err(unexpected(&other)),
            };
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(Json(Cleared { count, dry_run }))
}
