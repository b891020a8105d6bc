//! Subscriptions: of all clients, of one, and their end.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use columba_broker::query::{
    Answer, Page, Request, SubscriptionKey, SubscriptionRow, SubscriptionsQuery,
};
use columba_codec::topic::{TopicFilter, TopicName};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Operate, Read};
use super::extract::{Params, PathOf};
use super::page::{Listed, PageParams};
use super::paged::Paged;
use super::problem::Problem;
use super::sessions::unexpected;
use super::view::SubscriptionView;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(of_client))
        .routes(routes!(end))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filters {
    /// Only those of this client.
    client: Option<String>,
    /// Only those whose filter is this, without `$share/NAME/`.
    filter: Option<String>,
    /// Only those that get what is published to this topic.
    topic: Option<String>,
    /// Only those of shared groups of this name.
    group: Option<String>,
}

/// Subscriptions
///
/// With `topic`: who gets what is published to it.
#[utoipa::path(
    get, path = "/subscriptions", tag = "subscriptions", params(PageParams, Filters),
    responses(
        (status = 200, description = "A page of subscriptions", body = Listed<SubscriptionView>),
    ),
)]
async fn list(
    _: May<Read>,
    State(app): State<App>,
    params: Paged,
    Params(filters): Params<Filters>,
) -> Result<Json<Listed<SubscriptionView>>, Problem> {
    page_of(&app, filters, &params).await.map(Json)
}

/// Subscriptions of one client
#[utoipa::path(
    get, path = "/clients/{id}/subscriptions", tag = "subscriptions",
    params(("id" = String, Path, description = "Client id, percent-encoded"), PageParams),
    responses(
        (status = 200, description = "A page of subscriptions", body = Listed<SubscriptionView>),
    ),
)]
async fn of_client(
    _: May<Read>,
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    params: Paged,
) -> Result<Json<Listed<SubscriptionView>>, Problem> {
    let filters = Filters {
        client: Some(id),
        ..Filters::default()
    };
    page_of(&app, filters, &params).await.map(Json)
}

/// Client id, filter and share name.
type Cursor = (Arc<str>, Arc<str>, Option<Arc<str>>);

async fn page_of(
    app: &App,
    filters: Filters,
    params: &Paged,
) -> Result<Listed<SubscriptionView>, Problem> {
    if let Some(topic) = &filters.topic {
        let checked = TopicName::parse(topic);
        checked.map_err(|fault| Problem::invalid(format!("topic: {fault}")))?;
    }
    let rows_max = params.rows_max()?;
    let after: Option<Cursor> = params.after()?;
    let client = filters.client.clone();
    let request = Request::Subscriptions(SubscriptionsQuery {
        after: after.map(|(client_id, filter, group)| SubscriptionKey {
            client_id,
            filter,
            group,
        }),
        rows_max,
        client_id: filters.client.map(Arc::from),
        filter: filters.filter.map(Arc::from),
        topic: filters.topic.map(Arc::from),
        group: filters.group.map(Arc::from),
    });
    let answers = match client {
        Some(client) => vec![app.asker.ask_home(&client, request).await?],
        None => app.asker.ask_all(&request).await?,
    };
    let pages: Vec<Page<SubscriptionRow, SubscriptionKey>> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Subscriptions(page) => Ok(page),
            other => Err(unexpected(&other)),
        })
        .collect::<Result<_, _>>()?;
    let cursor = |key: &SubscriptionKey| -> Cursor {
        let SubscriptionKey {
            client_id,
            filter,
            group,
        } = key.clone();
        (client_id, filter, group)
    };
    let view = SubscriptionView::from;
    Ok(Listed::merge(
        params,
        pages,
        rows_max,
        |row| &row.key,
        cursor,
        view,
    ))
}

/// End a subscription
///
/// As if the client had unsubscribed. The client is not told, because MQTT has no words for it, and
/// may subscribe again: change the access rules if it should not.
#[utoipa::path(
    delete, path = "/clients/{id}/subscriptions/{subscription}", tag = "subscriptions",
    params(
        ("id" = String, Path, description = "Client id, percent-encoded"),
        (
            "subscription" = String, Path,
            description = "The filter with `$share/NAME/` if it is shared, percent-encoded",
        ),
    ),
    responses((status = 204, description = "It has ended")),
)]
async fn end(
    may: May<Operate>,
    State(app): State<App>,
    PathOf((id, filter)): PathOf<(String, String)>,
) -> Result<StatusCode, Problem> {
    let parsed = TopicFilter::parse(&filter);
    parsed.map_err(|fault| Problem::invalid(format!("{filter:?}: {fault}")))?;
    let request = Request::Unsubscribe {
        client_id: id.as_str().into(),
        filter: filter.as_str().into(),
        operator: may.caller.recorded(),
    };
    match app.asker.ask_home(&id, request).await? {
        Answer::Done => Ok(StatusCode::NO_CONTENT),
        Answer::Missing => Err(Problem::missing(format!(
            "client {id:?} has no subscription {filter:?}"
        ))),
        other => Err(unexpected(&other)),
    }
}
