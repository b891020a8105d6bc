//! Whether the broker lives and serves.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::timeout;

use super::app::App;
use super::broker::stats_of;
use super::problem::Problem;

/// How long shards may take to answer. One that takes longer serves nobody.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn routes() -> Router<App> {
    // Who cannot log in may ask this: what restarts processes knows no tokens.
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(is_ready))
}

/// Whether all shards answer.
async fn is_ready(State(app): State<App>) -> Response {
    match timeout(ANSWER_WITHIN, stats_of(&app)).await {
        Ok(Ok(_)) => "ready\n".into_response(),
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::busy("a shard does not answer").into_response(),
    }
}
