//! Questions to the access rules.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use columba_broker::access::Action;
use columba_broker::query::{AccessIdentity, AccessQuery, Answer, Request};
use columba_codec::topic::{TopicFilter, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::caller::{May, Read};
use super::extract::Body;
use super::problem::Problem;
use super::sessions::unexpected;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(check))
}

/// What is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The client id.
    client: String,
    /// What it wants to do.
    action: ActionName,
    /// A topic, or for `subscribe` a filter.
    topic: String,
    /// The user. Without it and `address`, who the client's session says; if it has none, somebody
    /// who has not logged in.
    user: Option<String>,
    /// The groups of the user; without them, those of the users file.
    groups: Option<Vec<String>>,
    /// The address; without it this machine.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    /// Publish to a topic.
    Publish,
    /// Subscribe to a filter.
    Subscribe,
    /// Get a message on a topic that a filter has matched.
    Receive,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    /// Whether it may.
    is_allowed: bool,
    /// Where the rule stands that decided; null if none did and the default counted.
    rule: Option<String>,
    /// The user that was asked about.
    user: Option<Arc<str>>,
    /// Its groups.
    groups: Vec<Arc<str>>,
    /// The address that was asked about.
    address: Option<String>,
    /// Whether user, groups and address are those of the client's session.
    is_from_session: bool,
}

/// Ask the access rules
///
/// Whether a client may do something, and which rule decides. Nothing is done or counted.
#[utoipa::path(
    post, path = "/acl/check", tag = "access", request_body = Question,
    responses((status = 200, description = "The answer", body = Verdict)),
)]
async fn check(
    _: May<Read>,
    State(app): State<App>,
    Body(question): Body<Question>,
) -> Result<Json<Verdict>, Problem> {
    let (action, checked) = match question.action {
        ActionName::Publish => (Action::Publish, TopicName::parse(&question.topic).err()),
        ActionName::Receive => (Action::Receive, TopicName::parse(&question.topic).err()),
        ActionName::Subscribe => (Action::Subscribe, TopicFilter::parse(&question.topic).err()),
    };
    if let Some(fault) = checked {
        return Err(Problem::invalid(format!("topic: {fault}")));
    }
    let is_other =
        question.user.is_some() || question.groups.is_some() || question.address.is_some();
    let identity = is_other.then(|| {
        let user = question.user.as_deref();
        let groups = match question.groups {
            Some(groups) => groups.into_iter().map(Arc::from).collect(),
            None => {
                let users = app.authenticator.users();
                let found = user.and_then(|user| users.user(user));
                found.map_or_else(Vec::new, |(_, user)| user.groups.to_vec())
            }
        };
        AccessIdentity {
            user: question.user.map(Arc::from),
            groups,
            addr: question.address,
        }
    });
    let query = AccessQuery {
        client_id: question.client.as_str().into(),
        action,
        topic: question.topic.into(),
        identity,
    };
    let request = Request::Access(Box::new(query));
    match app.asker.ask_home(&question.client, request).await? {
        Answer::Access(answer) => Ok(Json(Verdict {
            is_allowed: answer.is_allowed,
            rule: answer.rule,
            user: answer.identity.user,
            groups: answer.identity.groups,
            address: answer.identity.addr.map(|addr| addr.to_string()),
            is_from_session: answer.is_from_session,
        })),
        other => Err(unexpected(&other)),
    }
}
