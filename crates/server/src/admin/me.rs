//! Who makes the request.

use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::Somebody;
use crate::auth::tokens::Scope;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Who makes the request.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// As the audit names it: `token grafana`, `user ann`, `socket, uid 0`.
    name: Arc<str>,
    /// The user; null for tokens and the socket.
    user: Option<Arc<str>>,
    /// What it may do: some of `read`, `publish`, `operate` and `admin`.
    may: Vec<&'static str>,
}

/// Who am I
///
/// What a token or a user is good for. Every user may ask this.
#[utoipa::path(
    get, path = "/me", tag = "access",
    responses((status = 200, description = "Who makes the request", body = Me)),
)]
async fn read(Somebody(caller): Somebody) -> Json<Me> {
    let all = Scope::ALL.into_iter();
    Json(Me {
        may: all
            .filter(|scope| caller.scopes.allow(*scope))
            .map(Scope::name)
            .collect(),
        name: caller.name,
        user: caller.user,
    })
}
