//! What handlers take from a request. Whatever is wrong with it is told as a [`Problem`].

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use super::problem::Problem;

/// The parameters of the query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::from_request_parts(parts, state).await?;
        Ok(Self(params))
    }
}

/// The variable parts of the path, percent-decoded.
pub(super) struct PathOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(path) = Path::from_request_parts(parts, state).await?;
        Ok(Self(path))
    }
}

/// The body, as JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let what = "send the header Content-Type: application/json";
            return Err(Problem::bad_media(what));
        }
        let bytes = Bytes::from_request(request, state).await?;
        // A list of values in the order of the fields is not what the description says.
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Err(Problem::invalid("the body is no JSON object"));
        }
        let Json(body) = Json::from_bytes(&bytes)?;
        Ok(Self(body))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

/// Bytes of a body that is read without waiting for room.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// Room for a body. To be taken before [`Body`], and after whoever asks is known: so large bodies of
/// many callers do not fill the memory.
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl FromRequestParts<App> for Room {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let len = parts.headers.get(CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
        if len.is_some_and(|len| len <= SMALL_BODY_BYTES) {
            return Ok(Self { _permit: None });
        }
        let permit = Arc::clone(&app.bodies).acquire_owned().await;
        let permit = permit.map_err(|_| Problem::busy("the broker is stopping"))?;
        Ok(Self {
            _permit: Some(permit),
        })
    }
}
