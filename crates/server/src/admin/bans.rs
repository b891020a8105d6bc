//! Who is kept out.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use columba_broker::ban::{Ban, BanList, Banned};
use columba_broker::event::Command;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Operate, Read};
use super::extract::{Body, PathOf};
use super::files::{failed, unsynced};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use crate::instance::bans;
use crate::instance::file::Written;

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(lift))
}

/// What a ban is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A client id.
    Client,
    /// A user.
    User,
    /// An IP address.
    Address,
}

/// A ban.
#[derive(Debug, Serialize, ToSchema)]
struct BanView {
    /// What it is for.
    kind: Kind,
    /// The client id, the user or the address.
    value: String,
    /// When it ends, in milliseconds since 1970; null for never.
    until_unix_ms: Option<u64>,
    /// Why.
    reason: String,
    /// Who said so.
    by: String,
    /// When, in milliseconds since 1970.
    since_unix_ms: u64,
    /// Where it has just been made and the disk has not confirmed it: what that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// A ban was lifted, and the disk has not confirmed it.
#[derive(Debug, Serialize, ToSchema)]
struct Lifted {
    /// What that means.
    warning: String,
}

/// A new ban.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBan {
    /// What it is for.
    kind: Kind,
    /// The client id, the user or the address.
    #[schema(min_length = 1)]
    value: String,
    /// How long it lasts; for ever if nothing is said.
    #[schema(minimum = 1, maximum = 3_153_600_000_i64)]
    for_secs: Option<u64>,
    /// Why; the client is told.
    #[schema(max_length = 500)]
    #[serde(default)]
    reason: String,
}

/// Bans
///
/// Those that are in force.
#[utoipa::path(
    get, path = "/bans", tag = "bans", params(PageParams),
    responses((status = 200, description = "A page of bans", body = Listed<BanView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
) -> Result<Json<Listed<BanView>>, Problem> {
    let now_ms = app.now().unix_ms;
    let bans = app.bans();
    let held = bans.iter().filter(|(_, ban)| ban.holds_at(now_ms));
    let rows = held.map(|(whom, ban)| {
        let view = view(&whom, ban);
        ((view.kind as u8, view.value.clone()), view)
    });
    // Addresses sort in another way than their texts.
    let rows: std::collections::BTreeMap<_, _> = rows.collect();
    Listed::cut(rows.into_iter(), &params).map(Json)
}

/// Ban a client, a user or an address
///
/// Whoever is connected is disconnected and kept out with the reason `connect.banned` until the ban
/// ends. A ban for the same replaces an older one; bans outlive the broker. It is in force in any case; where
/// it could not be written, or the disk has not confirmed it, `warning` says so.
#[utoipa::path(
    post, path = "/bans", tag = "bans", request_body = NewBan,
    responses((status = 201, description = "It is in force", body = BanView)),
)]
async fn add(
    may: May<Operate>,
    State(app): State<App>,
    Body(new): Body<NewBan>,
) -> Result<(StatusCode, Json<BanView>), Problem> {
    let whom = whom(new.kind, &new.value)?;
    if new.reason.chars().count() > REASON_CHARS_MAX {
        let what = format!("the reason is longer than {REASON_CHARS_MAX} characters");
        return Err(Problem::invalid(what));
    }
    check_for_secs(new.for_secs)?;
    let now_ms = app.now().unix_ms;
    let until = new
        .for_secs
        .map(|secs| now_ms.saturating_add(secs.saturating_mul(1000)));
    let ban = Ban {
        until_unix_ms: until,
        reason: new.reason,
        by: may.caller.recorded().to_string(),
        since_unix_ms: now_ms,
    };
    let mut view = view(&whom, &ban);
    let add = |bans: &mut BanList| {
        bans.add(whom, ban)
            .map_err(|full| Problem::conflict(full.to_string()))
    };
    view.warning = change(&app, add, Unwritten::IsInForce).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Lift a ban
#[utoipa::path(
    delete, path = "/bans/{kind}/{value}", tag = "bans",
    params(
        ("kind" = inline(Kind), Path, description = "`client`, `user` or `address`"),
        ("value" = String, Path, description = "Client id, user or address, percent-encoded"),
    ),
    responses(
        (status = 204, description = "It is lifted"),
        (status = 200, description = "It is lifted, and the disk has not confirmed it", body = Lifted),
    ),
)]
async fn lift(
    _: May<Operate>,
    State(app): State<App>,
    PathOf((kind, value)): PathOf<(Kind, String)>,
) -> Result<Response, Problem> {
    let whom = whom(kind, &value)?;
    let lift = |bans: &mut BanList| match bans.remove(&whom) {
        Some(_) => Ok(()),
        None => Err(Problem::missing(format!("{whom} is not banned"))),
    };
    Ok(match change(&app, lift, Unwritten::IsRefused).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(warning) => Json(Lifted { warning }).into_response(),
    })
}

/// What becomes of a change that cannot be written.
#[derive(Clone, Copy, Debug)]
enum Unwritten {
    /// It is in force as long as the broker runs: whoever is to be kept out now cannot wait for a disk.
    IsInForce,
    /// Nothing is changed.
    IsRefused,
}

/// Changes the list, on the disk first, then for the shards. What it gives is a warning.
async fn change(
    app: &App,
    change: impl FnOnce(&mut BanList) -> Result<(), Problem>,
    unwritten: Unwritten,
) -> Result<Option<String>, Problem> {
    let _alone = app.editing.lock().await;
    let mut bans = BanList::clone(&app.bans());
    change(&mut bans)?;
    let bans = Arc::new(bans);
    let path = app.config().data_dir.join(bans::BANS);
    let (place, list, now_ms) = (path.clone(), Arc::clone(&bans), app.now().unix_ms);
    let written = tokio::task::spawn_blocking(move || bans::write(&path, &list, now_ms)).await;
    let written = written.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()));
    let warning = warning_of(&place, written, unwritten)?;
    app.set_bans(Arc::clone(&bans));
    app.asker.command(&Command::SetBans(bans));
    Ok(warning)
}

/// What an operator has to know of how a change was written, which the log has, too.
fn warning_of(
    place: &Path,
    written: io::Result<Written>,
    unwritten: Unwritten,
) -> Result<Option<String>, Problem> {
    let error = match (written, unwritten) {
        (Ok(Written::Safe), _) => return Ok(None),
        (Ok(Written::Unsynced(error)), _) => return Ok(Some(unsynced(place, &error))),
        (Err(error), Unwritten::IsRefused) => return Err(failed(place, &error)),
        (Err(error), Unwritten::IsInForce) => error,
    };
    let file = place.display();
    tracing::warn!(%file, %error, "a ban is in force until the broker ends, and cannot be written");
    Ok(Some(format!(
        "it is in force until the broker ends, and would not outlive that: {file} cannot be written: {error}; \
         the next change of the bans writes all of them"
    )))
}

/// A hundred years, as the schemas say.
const FOR_SECS_MAX: u64 = 3_153_600_000;
const FOR_SECS_END: u64 = FOR_SECS_MAX + 1;

/// Whether something can last so long.
pub(super) fn check_for_secs(secs: Option<u64>) -> Result<(), Problem> {
    match secs {
        Some(0 | FOR_SECS_END..) => Err(Problem::invalid(format!(
            "for_secs is 1 to {FOR_SECS_MAX}; without it there is no end"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn whom(kind: Kind, value: &str) -> Result<Banned, Problem> {
    if value.is_empty() || value.len() > usize::from(u16::MAX) {
        return Err(Problem::invalid("the value has 1 to 65535 bytes"));
    }
    Ok(match kind {
        Kind::Client => Banned::Client(value.into()),
        Kind::User => Banned::User(value.into()),
        Kind::Address => {
            let addr = value.parse::<IpAddr>();
            let addr = addr.map_err(|_| Problem::invalid("the value is no IP address"))?;
            Banned::Address(addr.to_canonical())
        }
    })
}

fn view(whom: &Banned, ban: &Ban) -> BanView {
    let (kind, value) = match whom {
        Banned::Client(id) => (Kind::Client, id.to_string()),
        Banned::User(name) => (Kind::User, name.to_string()),
        Banned::Address(addr) => (Kind::Address, addr.to_string()),
    };
    BanView {
        kind,
        value,
        until_unix_ms: ban.until_unix_ms,
        reason: ban.reason.clone(),
        by: ban.by.clone(),
        since_unix_ms: ban.since_unix_ms,
        warning: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_the_disk_does_not_confirm_is_in_force_with_a_warning() {
        let place = Path::new("data/bans.json");
        let error = || io::Error::other("the disk is ill");
        for unwritten in [Unwritten::IsInForce, Unwritten::IsRefused] {
            assert!(warning_of(place, Ok(Written::Safe), unwritten).is_ok_and(|of| of.is_none()));
            let unsynced = warning_of(place, Ok(Written::Unsynced(error())), unwritten);
            let warning = unsynced.ok().flatten().unwrap_or_default();
            for part in [
                "in force",
                "data/bans.json",
                "the disk is ill",
                "loss of power",
            ] {
                assert!(warning.contains(part), "{warning}");
            }
        }
        assert!(warning_of(place, Err(error()), Unwritten::IsRefused).is_err());
        let unwritten = warning_of(place, Err(error()), Unwritten::IsInForce);
        let warning = unwritten.ok().flatten().unwrap_or_default();
        assert!(warning.contains("until the broker ends"), "{warning}");
    }
}
