//! The configuration in force, and where each value comes from.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May, Read};
use super::problem::Problem;
use crate::config::fault::Place;
use crate::config::key::Applies;
use crate::config::settings::{Effective, Settings};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
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
    /// Where the value comes from: `default`, `etc/columba.toml:12`, or a variable of the
    /// environment.
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
}

/// The configuration
///
/// Every key with its value and where that comes from.
#[utoipa::path(
    get, path = "/config", tag = "config",
    responses((status = 200, description = "All keys", body = ConfigView)),
)]
async fn read(_: May<Read>, State(app): State<App>) -> Json<ConfigView> {
    let (config, started) = (app.config(), app.running.at_start());
    let pending = pending(&started.settings, &config.settings);
    let view = |key: Effective| KeyView {
        waits_for_restart: pending.contains(&key.path),
        key: key.path,
        value: key.value,
        default: key.default,
        source: match key.place {
            None => "default".to_owned(),
            Some(Place::Text { file, line, .. }) => format!("{file}:{line}"),
            Some(Place::File(file)) => file,
            Some(Place::Variable { name, .. }) => format!("variable {name}"),
        },
        is_after_restart: key.applies == Applies::AfterRestart,
        doc: key.doc,
    };
    let keys = config.settings.effective().into_iter();
    Json(ConfigView {
        data: keys.map(view).collect(),
    })
}

/// The keys that have changed since the start and wait for the next one.
fn pending(started: &Settings, now: &Settings) -> Vec<String> {
    let changed = started.differences(now).into_iter();
    changed
        .filter(|difference| difference.applies == Applies::AfterRestart)
        .map(|difference| difference.key)
        .collect()
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
