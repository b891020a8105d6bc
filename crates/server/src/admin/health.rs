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
use crate::driver::DiskState;

/// How long shards may take to answer. One that takes longer serves nobody.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn routes() -> Router<App> {
    // Who cannot log in may ask this: what restarts processes knows no tokens.
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(is_ready))
}

/// Whether all shards answer, and what is said to be stored can be. A full disk is no reason to send
/// nobody: who fetches what waits makes room.
async fn is_ready(State(app): State<App>) -> Response {
    match timeout(ANSWER_WITHIN, stats_of(&app)).await {
        Ok(Ok(_)) => match app.asker.facts.alarm.state() {
            DiskState::Working => "ready\n".into_response(),
            DiskState::Full => "ready, but the disk is full\n".into_response(),
            DiskState::Failed => Problem::busy("the disk has failed").into_response(),
        },
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::busy("a shard does not answer").into_response(),
    }
}
