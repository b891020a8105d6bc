//! What operators have done: the last changes in memory, and all of them in the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{Admin, May, Origin};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use crate::log::peer_text::Detail;

/// Entries that are kept.
const ENTRIES_MAX: usize = 1000;

/// One change that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Entry {
    /// Counts from the start of the broker.
    number: u64,
    /// When, in milliseconds since 1970.
    at_unix_ms: u64,
    /// Who: a token, a user, or a user of the operating system.
    who: Arc<str>,
    /// From where; null for the Unix socket.
    address: Option<String>,
    /// The method of the request.
    method: String,
    /// Its path and query.
    path: String,
    /// The status of the answer.
    status: u16,
}

/// The last changes.
#[derive(Debug, Default)]
pub(super) struct Audit(Mutex<(u64, VecDeque<Entry>)>);

impl Audit {
    fn add(&self, mut entry: Entry) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, entries) = &mut *log;
        *count += 1;
        entry.number = *count;
        if entries.len() >= ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(entry);
    }
}

/// Filled in when it is known who makes a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Who(Arc<OnceLock<Arc<str>>>);

impl Who {
    pub(super) fn set(&self, name: &Arc<str>) {
        drop(self.0.set(Arc::clone(name)));
    }
}

/// Notes every request of somebody known that is not just a question. What nobody known asks for is
/// refused and changes nothing; a flood of it must not push out what has.
pub(super) async fn note(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return next.run(request).await;
    }
    let who = Who::default();
    request.extensions_mut().insert(who.clone());
    let origin = request.extensions().get::<Origin>().copied();
    let method = request.method().to_string();
    let uri = request.uri();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.chars().take(PATH_CHARS_MAX).collect();
    let response = next.run(request).await;
    if let Some(name) = who.0.get() {
        let entry = Entry {
            number: 0,
            at_unix_ms: app.now().unix_ms,
            who: Arc::clone(name),
            address: origin.and_then(Origin::addr).map(|addr| addr.to_string()),
            method,
            path,
            status: response.status().as_u16(),
        };
        tracing::info!(
            who = %Detail(name), address = entry.address, status = entry.status,
            "{} {}", entry.method, Detail(&entry.path)
        );
        app.audit.add(entry);
    }
    response
}

/// The longest path that is kept; that of a topic of 65,535 bytes would be three times as long.
const PATH_CHARS_MAX: usize = 1024;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What operators have done
///
/// The last changes that were asked for, the latest first. All of them are in the log as well.
#[utoipa::path(
    get, path = "/audit", tag = "audit", params(PageParams),
    responses((status = 200, description = "A page of changes", body = Listed<Entry>)),
)]
async fn list(_: May<Admin>, State(app): State<App>, params: Paged) -> Result<Response, Problem> {
    let entries = app.audit.0.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = entries.1.iter().rev();
    let listed = Listed::cut(rows.map(|row| (!row.number, row.clone())), &params)?;
    Ok(Json(listed).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_changes_are_kept_and_counted() {
        let audit = Audit::default();
        for status in 0..=ENTRIES_MAX {
            audit.add(Entry {
                number: 0,
                at_unix_ms: 0,
                who: "user ann".into(),
                address: None,
                method: "POST".to_owned(),
                path: String::new(),
                status: status as u16,
            });
        }
        let log = audit.0.lock().unwrap();
        let ends = [log.1.front(), log.1.back()].map(|entry| {
            let entry = entry.unwrap();
            (entry.number, entry.status)
        });
        assert_eq!(log.1.len(), ENTRIES_MAX);
        assert_eq!(ends, [(2, 1), (1001, 1000)]);
    }
}
