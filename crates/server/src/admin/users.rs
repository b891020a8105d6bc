//! Users: who may log in.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May};
use super::condition::{Condition, DryRun, tag_of};
use super::extract::{Body, Params, PathOf};
use super::files::edit_checked;
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::{FaultView, Problem};
use super::rules::tagged;
use crate::auth::Users;
use crate::auth::password::{PasswordHash, generate};
use crate::auth::users::{User, check_name, with_user, without_user};
use crate::instance::file::SECRET_MODE;

/// Users in all that can be made from here.
const USERS_MAX: usize = 100_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, put, delete))
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
    /// Changes with the user, its password included: for `If-Match`.
    etag: String,
}

impl UserView {
    fn new(name: &str, user: &User) -> Self {
        Self {
            name: name.to_owned(),
            groups: user.groups.to_vec(),
            has_password: user.password.is_some(),
            etag: tag_of_user(name, user),
        }
    }
}

/// The tag of a user. The hash of a password is in it, as a hash.
fn tag_of_user(name: &str, user: &User) -> String {
    let hash = user.password.as_ref().map(ToString::to_string);
    tag_of(&format!(
        "{name}:{}:{}",
        hash.as_deref().unwrap_or("*"),
        user.groups.join(",")
    ))
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

/// What a change of a user has come to, or would.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedUser {
    /// The password that was made for a new user. It is told this once and kept nowhere.
    password: Option<String>,
    /// Whether it was only checked.
    dry_run: bool,
    /// What is not wrong, but perhaps not wanted.
    warnings: Vec<FaultView>,
}

/// Users
#[utoipa::path(
    get, path = "/users", tag = "users", params(PageParams),
    responses((status = 200, description = "A page of users", body = Listed<UserView>)),
)]
async fn list(
    _: May<Admin>,
    State(app): State<App>,
    params: Paged,
) -> Result<Json<Listed<UserView>>, Problem> {
    let users = app.authenticator.users();
    let rows = users.names().filter_map(|name| {
        let (_, user) = users.user(name)?;
        Some((name.to_owned(), UserView::new(name, user)))
    });
    Listed::cut(rows, &params).map(Json)
}

/// One user
///
/// With its ETag.
#[utoipa::path(
    get, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "User name, percent-encoded")),
    responses((status = 200, description = "The user", body = UserView)),
)]
async fn read(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
) -> Result<Response, Problem> {
    let users = app.authenticator.users();
    let (_, user) = users.user(&name).ok_or_else(|| nobody(&name))?;
    let view = UserView::new(&name, user);
    let tag = view.etag.clone();
    Ok(tagged(Json(view), &tag))
}

fn nobody(name: &str) -> Problem {
    Problem::missing(format!("there is no user {name:?}"))
}

/// Add or change a user
///
/// A client that is connected as this user is disconnected if the password is another one. With
/// `If-Match` only if the user is as it was read (`*`: if it is there), with `If-None-Match: *` only if it
/// is not there. With `dry_run` it is checked only, and no password is made.
#[utoipa::path(
    put, path = "/users/{name}", tag = "users",
    params(
        ("name" = String, Path, description = "User name, percent-encoded"),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "An ETag, or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`"),
    ),
    request_body = NewUser,
    responses(
        (status = 200, description = "It is changed, or would be changed or added", body = ChangedUser),
        (status = 201, description = "It is added", body = ChangedUser),
    ),
)]
async fn put(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
    Body(new): Body<NewUser>,
) -> Result<Response, Problem> {
    check(&name, &new)?;
    let condition = Condition::of(&headers)?;
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
    let mode = (SECRET_MODE, dry_run);
    let has_made = made.is_some();
    let edited = edit_checked(&app, path, mode, |text| {
        let (known, _) = Users::read("", text);
        let user = known.user(&name).map(|(_, user)| user);
        let tag = user.map(|user| tag_of_user(&name, user));
        condition.check(tag.as_deref())?;
        if user.is_some() && has_made {
            // It was not there a moment ago, and keeps the password that it has.
            return Err(Problem::conflict("the user has just been added: try again"));
        }
        if user.is_none() {
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
        Ok((text, user.is_none()))
    })
    .await?;
    let status = match edited.result && !dry_run {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let (users, _) = Users::read("", &edited.text);
    let tag = users.user(&name).map(|(_, user)| tag_of_user(&name, user));
    let body = Json(ChangedUser {
        password: made.filter(|_| !dry_run),
        dry_run,
        warnings: edited.warnings,
    });
    Ok(tagged((status, body), tag.as_deref().unwrap_or_default()))
}

fn check(name: &str, new: &NewUser) -> Result<(), Problem> {
    check_name(name, "user name").map_err(Problem::invalid)?;
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
    Ok(())
}

/// Remove a user
///
/// Clients that are connected as this user are disconnected. With `If-Match` only if it is as it was
/// read. With `dry_run` it is checked only.
#[utoipa::path(
    delete, path = "/users/{name}", tag = "users",
    params(
        ("name" = String, Path, description = "User name, percent-encoded"),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "An ETag, or `*`"),
    ),
    responses(
        (status = 204, description = "It is removed"),
        (status = 200, description = "It would be removed", body = ChangedUser),
    ),
)]
async fn delete(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let condition = Condition::of(&headers)?;
    let path = users_file(&app)?;
    let mode = (SECRET_MODE, dry_run);
    let edited = edit_checked(&app, path, mode, |text| {
        let (known, _) = Users::read("", text);
        let tag = known.user(&name).map(|(_, user)| tag_of_user(&name, user));
        let without = without_user(text, &name).ok_or_else(|| nobody(&name))?;
        condition.check(tag.as_deref())?;
        Ok((without, ()))
    })
    .await?;
    if !dry_run {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(ChangedUser {
        password: None,
        dry_run,
        warnings: edited.warnings,
    })
    .into_response())
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
