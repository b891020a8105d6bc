//! Parameters of the query that the description of the API does not have are refused: with a misspelt
//! `dry_run` a change would be made, and with a misspelt filter everything be listed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use super::problem::Problem;
use crate::config::fault::closest;

/// The parameters of each operation, by path and method.
#[derive(Debug)]
pub(super) struct Known(HashMap<(String, Method), Vec<String>>);

impl Known {
    /// Those that a description names.
    pub(super) fn of(api: &OpenApi) -> Arc<Self> {
        let mut known = HashMap::new();
        for (path, item) in &api.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    known.insert((path.clone(), method), names(operation));
                }
            }
        }
        Arc::new(Self(known))
    }

    fn check(&self, path: &str, method: &Method, uri: &Uri) -> Result<(), Problem> {
        let Some(known) = self.0.get(&(path.to_owned(), method.clone())) else {
            return Ok(());
        };
        // What cannot be read as a query is the handler's to refuse.
        let Ok(Query(given)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Ok(());
        };
        let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name)) else {
            return Ok(());
        };
        let close = closest(name, known.iter().map(String::as_str));
        let hint = match (close, known.is_empty()) {
            (Some(close), _) => format!("did you mean `{close}`?"),
            (None, true) => "there are none here".to_owned(),
            (None, false) => format!("there are {}", known.join(", ")),
        };
        let what = format!("no parameter of the query is called {name:?}: {hint}");
        Err(Problem::invalid(what))
    }
}

fn names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let of_query = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
            Some(parameter.name.clone())
        }
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    of_query.collect()
}

/// Refuses a request with a parameter that is not known. A layer around routes.
pub(super) async fn check(
    State(known): State<Arc<Known>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    match known.check(path.as_str(), request.method(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
