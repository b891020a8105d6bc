//! Groups of shared subscriptions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use columba_broker::query::{Answer, GroupKey, GroupRow, GroupsQuery, Page, Request};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use super::extract::Params;
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::unexpected;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A shared group on one filter.
#[derive(Debug, Serialize, ToSchema)]
struct GroupView {
    /// The share name.
    name: Arc<str>,
    /// The filter.
    filter: Arc<str>,
    /// As it is subscribed: `$share/NAME/FILTER`.
    subscription: String,
    /// Its members; `/subscriptions?group=NAME&filter=FILTER` names them.
    members: usize,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filters {
    /// Only those of this name.
    name: Option<String>,
}

/// Shared groups
#[utoipa::path(
    get, path = "/shared-groups", tag = "subscriptions", params(PageParams, Filters),
    responses((status = 200, description = "A page of shared groups", body = Listed<GroupView>)),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filters): Params<Filters>,
) -> Result<Json<Listed<GroupView>>, Problem> {
    let rows_max = params.rows_max()?;
    let after: Option<(Arc<str>, Arc<str>)> = params.after()?;
    let request = Request::Groups(GroupsQuery {
        after: after.map(|(name, filter)| GroupKey { name, filter }),
        rows_max,
        name: filters.name.map(Arc::from),
    });
    let answers = app.asker.ask_all(&request).await?;
    let pages: Vec<Page<GroupRow, GroupKey>> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Groups(page) => Ok(page),
            other => Err(unexpected(&other)),
        })
        .collect::<Result<_, _>>()?;
    let cursor = |key: &GroupKey| (Arc::clone(&key.name), Arc::clone(&key.filter));
    let view = |row: GroupRow| GroupView {
        subscription: format!("$share/{}/{}", row.key.name, row.key.filter),
        name: row.key.name,
        filter: row.key.filter,
        members: row.members,
    };
    Ok(Json(Listed::merge(
        &params,
        pages,
        rows_max,
        |row| &row.key,
        cursor,
        view,
    )))
}
