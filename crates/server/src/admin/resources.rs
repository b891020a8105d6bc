//! All resources together: the router and the description of the API.

use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;

use super::app::App;
use super::problem::{Problem, ProblemBody};
use super::{
    acl, audit, bans, broker, clients, config, events, groups, guard, health, listeners, me,
    metrics, params, publish, retained, rules, sessions, subscriptions, tokens, topics, traces,
    users, why,
};

/// Bytes of a request, unless a resource says something else.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What is below `/api/v1`; a new resource is one more line.
fn resources() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(broker::routes())
        .merge(listeners::routes())
        .merge(clients::routes())
        .merge(sessions::routes())
        .merge(subscriptions::routes())
        .merge(groups::routes())
        .merge(topics::routes())
        .merge(retained::routes())
        .merge(publish::routes())
        .merge(acl::routes())
        .merge(rules::routes())
        .merge(bans::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(config::routes())
        .merge(audit::routes())
        .merge(events::routes())
        .merge(traces::routes())
        .merge(why::routes())
        .merge(me::routes())
}

/// The description of the API: OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    described().1
}

fn described() -> (Router<App>, OpenApi) {
    let (router, found) = OpenApiRouter::new()
        .nest("/api/v1", resources())
        .split_for_parts();
    let info = InfoBuilder::new()
        .title("Columba")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The management API of a Columba broker."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").build()))
        .build();
    let mut api = OpenApiBuilder::from(found)
        .info(info)
        .security(Some([
            SecurityRequirement::new("token", Vec::<String>::new()),
            SecurityRequirement::new("password", Vec::<String>::new()),
        ]))
        .build();
    let components = api.components.get_or_insert_default();
    let scheme = |scheme, text| {
        let http = HttpBuilder::new().scheme(scheme).description(Some(text));
        SecurityScheme::Http(http.build())
    };
    let token = "A token that `columba token add` or this API made";
    components.add_security_scheme("token", scheme(HttpAuthScheme::Bearer, token));
    let password = "A user in the group `admin` and its password";
    components.add_security_scheme("password", scheme(HttpAuthScheme::Basic, password));
    let name = ProblemBody::name().to_string();
    components.schemas.insert(name, ProblemBody::schema());
    // Whatever else can be said stands in the code of the problem.
    for (path, item) in &mut api.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(operation_id(method, path));
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), RefOr::T(problem_response()));
        }
    }
    (router, api)
}

/// The name of an operation, which generators of clients make functions of: handlers in several files
/// are called the same.
fn operation_id(method: &str, path: &str) -> String {
    let below = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = below.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn problem_response() -> utoipa::openapi::Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ProblemBody::name())))
        .build();
    ResponseBuilder::new()
        .description("It was not done: the code says why")
        .content("application/problem+json", content)
        .build()
}

/// Everything that is served.
pub(super) fn router(app: App) -> Router {
    let (api, description) = described();
    let known = params::Known::of(&description);
    let api = api.route_layer(middleware::from_fn_with_state(known, params::check));
    // Made once: the description of a running broker does not change.
    let description = get(async move || Json(description.clone()).into_response());
    Router::new()
        .merge(api)
        .route("/api/v1/openapi.json", description)
        .merge(health::routes())
        .merge(metrics::routes())
        .fallback(async || Problem::missing("there is no such path: see /api/v1/openapi.json"))
        .method_not_allowed_fallback(async || {
            Problem::bad_method("the methods of each path are in /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), audit::note))
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let api = openapi();
        let mut names = BTreeSet::new();
        let items = api.paths.paths.values();
        for operation in items.flat_map(|item| [&item.get, &item.put, &item.post, &item.delete]) {
            let Some(operation) = operation else { continue };
            let name = operation.operation_id.clone().expect("a name");
            assert!(names.insert(name.clone()), "{name} twice");
        }
        assert!(names.contains("get_users_name") && names.len() > 40);
    }
}
