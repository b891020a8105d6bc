//! What every request has to pass and every answer carries.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::caller::Origin;
use super::problem::Problem;

/// How long an answer may take. What comes after its head, such as a stream, may take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bounds the time of a request, and refuses those that a web page of elsewhere makes.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Origin>().copied();
    let is_socket = matches!(origin, Some(Origin::Socket { .. }));
    let checked = check_host(&app, request.headers(), request.uri(), is_socket)
        .and_then(|()| check_page(&request));
    let mut response = match checked {
        Err(problem) => problem.into_response(),
        Ok(()) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::slow("no answer within 30 s").into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // What a handler says goes first.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// A web page can give its own name the address of this machine, and then a browser lets it read
/// what is here: the name in the request has to be one of ours.
fn check_host(app: &App, headers: &HeaderMap, uri: &Uri, is_socket: bool) -> Result<(), Problem> {
    if is_socket {
        return Ok(());
    }
    let header = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = header.or_else(|| uri.authority().map(|of| of.as_str())) else {
        return Err(Problem::invalid("the header Host is missing"));
    };
    let name = name_of(host);
    let config = app.config();
    let mut hosts = config.admin.hosts.iter();
    let is_ours = name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.any(|host| host.eq_ignore_ascii_case(name));
    if is_ours {
        return Ok(());
    }
    Err(Problem::foreign(format!(
        "this door is not known as {name:?}: use its address, or add the name to `hosts` under \
         [admin]"
    )))
}

/// A host without its port and brackets.
fn name_of(host: &str) -> &str {
    if let Some((name, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return name;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A browser sends passwords that it knows along with whatever a page of elsewhere asks for.
fn check_page(request: &Request) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(page) = text(ORIGIN) else {
        return Ok(());
    };
    let from = page.split_once("://").map(|(_, host)| host);
    if from.is_some() && from == text(HOST) {
        return Ok(());
    }
    Err(Problem::foreign(format!(
        "changes cannot be made from a web page of {page:?}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_host_is_what_stands_before_the_port() {
        let check = |host, name| assert_eq!(name_of(host), name);
        check("127.0.0.1:61680", "127.0.0.1");
        check("localhost", "localhost");
        check("[::1]:61680", "::1");
        check("[::1]", "::1");
        check("evil.example:61680", "evil.example");
        check("", "");
    }
}
