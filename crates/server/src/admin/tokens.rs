//! Tokens of the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::bans::check_for_secs;
use super::caller::{Admin, May};
use super::extract::{Body, PathOf};
use super::files::edit;
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use crate::auth::tokens::{Scope, Scopes, Token, Tokens, with_token, without_token};
use crate::auth::users::check_name;

/// Tokens in all.
const TOKENS_MAX: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(revoke))
}

/// A token without its text.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// Its name.
    name: Arc<str>,
    /// What it is good for: `read`, `publish`, `operate`, `admin`.
    scopes: Vec<&'static str>,
    /// When it ends, in seconds since 1970; null for never.
    expires_unix_secs: Option<u64>,
    /// Whether it has ended.
    is_expired: bool,
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Its name.
    #[schema(min_length = 1)]
    name: String,
    /// What it is good for.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeName>,
    /// How long; for ever if nothing is said.
    #[schema(minimum = 1, maximum = 3_153_600_000_i64)]
    for_secs: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ScopeName {
    /// See everything except secrets.
    Read,
    /// Publish, and change what is retained.
    Publish,
    /// Disconnect, ban, unsubscribe, clear; see everything.
    Operate,
    /// Everything.
    Admin,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::Read,
            ScopeName::Publish => Self::Publish,
            ScopeName::Operate => Self::Operate,
            ScopeName::Admin => Self::Admin,
        }
    }
}

/// A token with its text.
#[derive(Debug, Serialize, ToSchema)]
struct TokenText {
    /// Its name.
    name: String,
    /// The text, which is told this once and kept nowhere.
    token: String,
}

/// Tokens
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", params(PageParams),
    responses((status = 200, description = "A page of tokens", body = Listed<TokenView>)),
)]
async fn list(
    _: May<Admin>,
    State(app): State<App>,
    params: Paged,
) -> Result<Json<Listed<TokenView>>, Problem> {
    let now_secs = app.now().unix_ms / 1000;
    let tokens = app.tokens.current();
    let rows = tokens.iter().map(|(name, token)| {
        let view = TokenView {
            name: Arc::clone(name),
            scopes: token.scopes.iter().map(Scope::name).collect(),
            expires_unix_secs: token.expires_unix_secs,
            is_expired: !token.is_good_at(now_secs),
        };
        (Arc::clone(name), view)
    });
    Listed::cut(rows, &params).map(Json)
}

/// Make a token
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token", body = TokenText)),
)]
async fn add(
    _: May<Admin>,
    State(app): State<App>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenText>), Problem> {
    check_name(&new.name, "token name").map_err(Problem::invalid)?;
    let scopes: Scopes = new.scopes.into_iter().map(Scope::from).collect();
    if scopes.is_empty() {
        return Err(Problem::invalid("a token has one scope at least"));
    }
    check_for_secs(new.for_secs)?;
    let now_secs = app.now().unix_ms / 1000;
    let until = new.for_secs.map(|secs| now_secs.saturating_add(secs));
    let made = Token::new(scopes, until);
    let (token, text) = made.map_err(|error| Problem::failed(error.to_string()))?;
    let name = new.name;
    edit(&app, app.tokens.path().to_owned(), |file| {
        let (known, _) = Tokens::read("", file);
        if known.named(&name).is_some() {
            let what = format!("there is a token {name:?}: revoke it first, or take another name");
            return Err(Problem::conflict(what));
        }
        if known.iter().count() >= TOKENS_MAX {
            let what = format!("there are {TOKENS_MAX} tokens already: revoke some first");
            return Err(Problem::conflict(what));
        }
        Ok((Some(with_token(file, &name, &token)), ()))
    })
    .await?;
    Ok((StatusCode::CREATED, Json(TokenText { name, token: text })))
}

/// Revoke a token
///
/// It is good for nothing at once.
#[utoipa::path(
    delete, path = "/tokens/{name}", tag = "tokens",
    params(("name" = String, Path, description = "Its name, percent-encoded")),
    responses((status = 204, description = "It is revoked")),
)]
async fn revoke(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(name): PathOf<String>,
) -> Result<StatusCode, Problem> {
    edit(
        &app,
        app.tokens.path().to_owned(),
        |file| match without_token(file, &name) {
            Some(text) => Ok((Some(text), ())),
            None => Err(Problem::missing(format!("there is no token {name:?}"))),
        },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
