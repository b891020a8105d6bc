//! The configuration in force, and where each value comes from.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May, Read};
use super::condition::{Condition, DryRun, tag_of};
use super::extract::{Body, Params, PathOf};
use super::files::edit_checked;
use super::problem::{FaultView, Problem};
use super::rules::tagged;
use crate::config::edit::{KeyFault, with_value};
use crate::config::fault::Place;
use crate::config::key::Applies;
use crate::config::settings::{Effective, Settings};
use crate::instance::file::PLAIN_MODE;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(change, reset))
        .routes(routes!(reload))
}

/// A key of the configuration.
#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    /// `limits.packet_bytes_max`, `listener.mqtt.bind`.
    key: String,
    /// Its value as one writes it in the file; null if it has none.
    value: Option<String>,
    /// The default; null if there is none.
    default: Option<String>,
    /// Where the value comes from: `default`, `etc/columba.toml:12`, `variable COLUMBA_...` of the
    /// environment, or `flag --listen` of the command line.
    source: String,
    /// Whether it takes a restart until a change counts.
    is_after_restart: bool,
    /// Whether the value has changed and waits for a restart.
    waits_for_restart: bool,
    /// What it does.
    doc: &'static str,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigView {
    /// In the order of the manual.
    data: Vec<KeyView>,
    /// Changes with the text of the file that the values were read from: for `If-Match`, which then does not
    /// hold if the file has been changed since and is not read again yet, or is at fault.
    etag: String,
}

/// A new value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    /// As one writes it in the file, with or without quotes: `16MiB`, `"16MiB"`, `500`, `["a", "b"]`.
    value: String,
}

/// What a change has come to, or would.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedKey {
    /// Whether it was only checked.
    dry_run: bool,
    /// The ETag of the configuration after the change.
    etag: String,
    /// What is not wrong, but perhaps not wanted.
    warnings: Vec<FaultView>,
}

/// The configuration
///
/// Every key with its value and where that comes from.
#[utoipa::path(
    get, path = "/config", tag = "config",
    responses((status = 200, description = "All keys", body = ConfigView)),
)]
async fn read(_: May<Read>, State(app): State<App>) -> Result<Response, Problem> {
    let (config, started) = (app.config(), app.running.at_start());
    let pending = pending(&started.settings, &config.settings);
    let flags = Flags::of(&app);
    let view = |key: Effective| KeyView {
        waits_for_restart: pending.contains(&key.path),
        source: flags
            .source_of(&key.path)
            .map_or_else(|| source(key.place), str::to_owned),
        value: flags.value_of(&key.path).or(key.value),
        key: key.path,
        default: key.default,
        is_after_restart: key.applies == Applies::AfterRestart,
        doc: key.doc,
    };
    let keys = config.settings.effective().into_iter();
    let keys = keys.filter(|key| flags.is_in_force(&key.path));
    let etag = tag_of(&config.text);
    let view = Json(ConfigView {
        data: keys.map(view).collect(),
        etag: etag.clone(),
    });
    Ok(tagged(view, &etag))
}

fn source(place: Option<Place>) -> String {
    match place {
        None => "default".to_owned(),
        Some(Place::Text { file, line, .. }) => format!("{file}:{line}"),
        Some(Place::File(file)) => file,
        Some(Place::Variable { name, .. }) => format!("variable {name}"),
    }
}

/// What the command line says in place of the file.
struct Flags {
    log_level: Option<String>,
    /// The name of the one listener that there is then, and where it listens.
    listen: Option<(String, SocketAddr)>,
}

impl Flags {
    fn of(app: &App) -> Self {
        let overrides = app.running.overrides();
        let config = app.config();
        let only = config.listeners.first();
        let named = |addr| only.map(|only| (only.settings.name.clone(), addr));
        Self {
            log_level: overrides.log_level.clone(),
            listen: overrides.listen.and_then(named),
        }
    }

    /// The part of a path behind `listener.` and the name of the one listener that there is.
    fn key_of_listener<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (name, _) = self.listen.as_ref()?;
        let below = path.strip_prefix("listener.")?;
        below.strip_prefix(name.as_str())?.strip_prefix('.')
    }

    fn is_in_force(&self, path: &str) -> bool {
        let is_other = self.listen.is_some() && path.starts_with("listener.");
        !is_other || self.key_of_listener(path).is_some()
    }

    fn source_of(&self, path: &str) -> Option<&'static str> {
        match (path, self.key_of_listener(path)) {
            ("log.level", _) if self.log_level.is_some() => Some("flag --log-level"),
            (_, Some("bind" | "kind")) => Some("flag --listen"),
            _ => None,
        }
    }

    fn value_of(&self, path: &str) -> Option<String> {
        let quoted = |text: &str| format!("\"{text}\"");
        match (path, self.key_of_listener(path)) {
            ("log.level", _) => self.log_level.as_deref().map(quoted),
            (_, Some("kind")) => Some(quoted("tcp")),
            (_, Some("bind")) => {
                let listen = self.listen.as_ref();
                listen.map(|(_, addr)| quoted(&addr.to_string()))
            }
            _ => None,
        }
    }
}

/// The keys that have changed since the start and wait for the next one.
fn pending(started: &Settings, now: &Settings) -> Vec<String> {
    let changed = started.differences(now).into_iter();
    changed
        .filter(|difference| difference.applies == Applies::AfterRestart)
        .map(|difference| difference.key)
        .collect()
}

/// Change a key
///
/// In the configuration file, which stays as it is but for this value; it counts at once. Keys that take a
/// restart are for the file. With `If-Match` only if the file is as it was read.
#[utoipa::path(
    put, path = "/config/{key}", tag = "config",
    params(
        ("key" = String, Path, description = "The key: `limits.packet_bytes_max`, `listener.NAME.anonymous`"),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "The ETag of the configuration"),
    ),
    request_body = NewValue,
    responses((status = 200, description = "It is changed, or would be", body = ChangedKey)),
)]
async fn change(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(key): PathOf<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
    Body(new): Body<NewValue>,
) -> Result<Response, Problem> {
    set(&app, &key, Some(&new.value), dry_run, &headers).await
}

/// Give a key its default
///
/// Takes it out of the configuration file, as `PUT` would change it.
#[utoipa::path(
    delete, path = "/config/{key}", tag = "config",
    params(
        ("key" = String, Path, description = "The key: `limits.packet_bytes_max`, `listener.NAME.anonymous`"),
        DryRun,
        ("If-Match" = Option<String>, Header, description = "The ETag of the configuration"),
    ),
    responses((status = 200, description = "It is changed, or would be", body = ChangedKey)),
)]
async fn reset(
    _: May<Admin>,
    State(app): State<App>,
    PathOf(key): PathOf<String>,
    Params(DryRun { dry_run }): Params<DryRun>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    set(&app, &key, None, dry_run, &headers).await
}

async fn set(
    app: &App,
    key: &str,
    value: Option<&str>,
    dry_run: bool,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let condition = Condition::of(headers)?;
    let known = app.config().settings.effective().into_iter();
    let place = known.into_iter().find(|known| known.path == key);
    let other = match place.and_then(|known| known.place) {
        Some(Place::Variable { name, .. }) => Some(format!("variable {name}")),
        _ => Flags::of(app).source_of(key).map(str::to_owned),
    };
    if let Some(other) = other {
        return Err(Problem::conflict(format!(
            "{key} comes from {other}, which goes before the file"
        )));
    }
    let path = app.running.config_file().to_owned();
    let edited = edit_checked(app, path, (PLAIN_MODE, dry_run), |text| {
        condition.check(Some(&tag_of(text)))?;
        let new = with_value(text, key, value).map_err(|fault| cannot(key, &fault))?;
        Ok((new, ()))
    })
    .await?;
    let etag = tag_of(&edited.text);
    let changed = Json(ChangedKey {
        dry_run,
        etag: etag.clone(),
        warnings: edited.warnings,
    });
    Ok(tagged(changed, &etag))
}

fn cannot(key: &str, fault: &KeyFault) -> Problem {
    let what = format!("{key}: {fault}");
    match fault {
        KeyFault::Unknown | KeyFault::NotSet => Problem::missing(what),
        KeyFault::AfterRestart | KeyFault::ByHand => Problem::conflict(what),
        KeyFault::Value(_) => Problem::refused(what),
    }
}

/// Read the files again
///
/// As the broker does by itself within two seconds after a file has changed; this tells what is
/// wrong with them. If anything is, everything stays as it was.
#[utoipa::path(
    post, path = "/config/reload", tag = "config",
    responses((status = 204, description = "They are read and in force")),
)]
async fn reload(_: May<Admin>, State(app): State<App>) -> Result<StatusCode, Problem> {
    app.reload().await?;
    Ok(StatusCode::NO_CONTENT)
}
