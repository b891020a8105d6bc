//! Users: who may log in.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May};
use super::extract::{Body, Params, PathOf};
use super::files::edit;
use super::page::{Listed, PageParams};
use super::problem::Problem;
use crate::auth::Users;
use crate::auth::password::{PasswordHash, generate};
use crate::auth::users::{check_name, with_user, without_user};

/// Users in all that can be made from here.
const USERS_MAX: usize = 100_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put, delete))
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
struct UserView {
    /// The name.
    name: String,
    /// The groups that access rules know.
    groups: Vec<Arc<str>>,
    /// Whether it has a password; without one it comes in with a certificate.
    has_password: bool,
}

/// What a user is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// A new password. Without it a user that is there keeps its own, and a new one gets one that is
    /// made and told once.
    #[schema(min_length = 1, max_length = 65535)]
    password: Option<String>,
    /// Its groups; without them a user that is there keeps its own.
    groups: Option<Vec<String>>,
}

/// The password that was made for a new user.
#[derive(Debug, Serialize, ToSchema)]
struct MadePassword {
    /// It is told this once and kept nowhere.
    password: Option<String>,
}

/// Users
#[utoipa::path(
    get, path = "/users", tag = "users", params(PageParams),
    responses((status = 200, description = "A page of users", body = Listed<UserView>)),
)]
async fn list(
    _: May<Admin>,
    State(app): State<App>,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<UserView>>, Problem> {
    let users = app.authenticator.users();
    let rows = users.names().filter_map(|name| {
        let (_, user) = users.user(name)?;
        let view = UserView {
            name: name.to_owned(),
            groups: user.groups.to_vec(),
            has_password: user.password.is_some(),
        };
        Some((name.to_owned(), view))
    });
    Listed::cut(rows, &params).map(Json)
}

/// Add or change a user
///
/// A client that is connected as this user is disconnected if the password is another one.
#[utoipa::path(
    put, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "User name, percent-encoded")),
    request_body = NewUser,
    responses(
        (status = 200, description = "It is changed", body = MadePassword),
        (status = 201, description = "It is added", body = MadePassword),
    ),
)]
async fn put(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
    Body(new): Body<NewUser>,
) -> Result<Response, Problem> {
    check_name(&name, "user name").map_err(Problem::invalid)?;
    for group in new.groups.iter().flatten() {
        check_name(group, "group").map_err(Problem::invalid)?;
    }
    if new
        .password
        .as_ref()
        .is_some_and(|password| password.is_empty() || password.len() > usize::from(u16::MAX))
    {
        return Err(Problem::invalid("a password has 1 to 65535 bytes"));
    }
    let path = users_file(&app)?;
    let is_known = app.authenticator.users().user(&name).is_some();
    let made = match (&new.password, is_known) {
        (None, false) => Some(generate().map_err(|error| Problem::failed(error.to_string()))?),
        _ => None,
    };
    let hash = match made.clone().or(new.password) {
        None => None,
        Some(password) => Some(hashed(&app, password).await?),
    };
    edit(&app, path, |text| {
        let (known, _) = Users::read("", text);
        if known.user(&name).is_none() {
            if hash.is_none() {
                // It was there a moment ago.
                return Err(Problem::conflict("the user is being removed: try again"));
            }
            if known.len() >= USERS_MAX {
                return Err(Problem::conflict(format!(
                    "there are {USERS_MAX} users already"
                )));
            }
        }
        let text = with_user(text, &name, hash.as_ref(), new.groups.as_deref());
        Ok((Some(text), ()))
    })
    .await?;
    app.reload().await?;
    let status = if is_known {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(MadePassword { password: made })).into_response())
}

/// Remove a user
///
/// Clients that are connected as this user are disconnected.
#[utoipa::path(
    delete, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "User name, percent-encoded")),
    responses((status = 204, description = "It is removed")),
)]
async fn delete(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
) -> Result<StatusCode, Problem> {
    let path = users_file(&app)?;
    edit(&app, path, |text| match without_user(text, &name) {
        Some(text) => Ok((Some(text), ())),
        None => Err(Problem::missing(format!("there is no user {name:?}"))),
    })
    .await?;
    app.reload().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn users_file(app: &App) -> Result<PathBuf, Problem> {
    let path = app.config().users.clone();
    path.ok_or_else(|| {
        Problem::conflict("the configuration names no users file: write `users` under [access]")
    })
}

/// Takes tens of milliseconds and some memory, so one at a time with the checks of logins.
async fn hashed(app: &App, password: String) -> Result<PasswordHash, Problem> {
    let stopping = || Problem::busy("the broker is stopping");
    let _room = app.checks.acquire().await.map_err(|_| stopping())?;
    let hash = tokio::task::spawn_blocking(move || PasswordHash::new(password.as_bytes()));
    let hash = hash.await.map_err(|_| stopping())?;
    hash.map_err(|error| Problem::failed(error.to_string()))
}
