//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::fault::{Fault, Severity};
use crate::runtime::NoAnswer;

/// Where the codes are explained.
const DOC: &str = "https://github.com/columba-mqtt/columba/blob/main/docs/api.md";

/// The media type.
const PROBLEM: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after_secs: Option<u64>,
    faults: Vec<FaultView>,
}

/// Something that is wrong in a file, or perhaps not wanted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(super) struct FaultView {
    /// Whether it is only a warning.
    is_warning: bool,
    /// Where: `etc/acl.toml:12:3`.
    place: String,
    /// What.
    what: String,
    /// What to do about it, if that is known.
    fix: Option<String>,
}

impl FaultView {
    pub(super) const fn warning(place: String, what: String) -> Self {
        Self {
            is_warning: true,
            place,
            what,
            fix: None,
        }
    }
}

impl From<Fault> for FaultView {
    fn from(fault: Fault) -> Self {
        Self {
            is_warning: fault.severity == Severity::Warning,
            place: fault.place.to_string(),
            what: fault.what,
            fix: fault.fix,
        }
    }
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// The HTTP status.
    status: u16,
    /// A stable name of what is wrong, for programs.
    code: &'static str,
    /// What is wrong, in a few words that are always the same.
    title: &'static str,
    /// What is wrong here, with the facts and what to do about it.
    detail: String,
    /// Where the code is explained.
    #[schema(format = "uri")]
    doc: String,
    /// What is wrong in files, if that is why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<FaultView>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        impl Problem {
            /// All codes with their statuses and titles.
            #[cfg(test)]
            pub(super) const ALL: &'static [(StatusCode, &'static str, &'static str)] =
                &[$((StatusCode::$status, $code, $title),)*];

            $($(#[$doc])* pub(super) fn $name(detail: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $code, $title, detail.into())
            })*
        }
    };
}

problems! {
    /// A parameter or a body that says nothing sensible.
    invalid = BAD_REQUEST, "invalid_request", "The request cannot be understood";
    /// A page that this broker never told of.
    bad_cursor = BAD_REQUEST, "invalid_cursor", "The cursor is not one of this list";
    /// Nobody is known.
    unauthorized = UNAUTHORIZED, "unauthorized", "A token or a user is needed";
    /// Somebody is known, but not allowed.
    forbidden = FORBIDDEN, "forbidden", "This token or user may not do this";
    /// A name that this door is not reached under, or a web page of another one.
    foreign = FORBIDDEN, "foreign_origin", "The request comes from elsewhere";
    /// There is no such thing.
    missing = NOT_FOUND, "not_found", "There is no such thing";
    /// A method that the path does not have.
    bad_method = METHOD_NOT_ALLOWED, "method_not_allowed", "The path has no such method";
    /// It is there already, or cannot be as things are.
    conflict = CONFLICT, "conflict", "This does not go together with what is there";
    /// It has changed since.
    changed = PRECONDITION_FAILED, "precondition_failed", "It is not as the condition says";
    /// A condition is needed.
    unconditional = PRECONDITION_REQUIRED, "precondition_required", "Say which version is meant";
    /// Too large.
    too_large = PAYLOAD_TOO_LARGE, "too_large", "The body is too large";
    /// A body of another kind.
    bad_media = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of another kind";
    /// Understood, but not accepted by the broker.
    refused = UNPROCESSABLE_ENTITY, "refused", "The broker does not accept this";
    /// Too many wrong passwords or tokens.
    throttled = TOO_MANY_REQUESTS, "throttled", "Too many failed logins";
    /// The broker itself could not do it.
    failed = INTERNAL_SERVER_ERROR, "failed", "The broker could not do this";
    /// The broker stops or has too much to do.
    busy = SERVICE_UNAVAILABLE, "busy", "The broker cannot do this now";
    /// It took too long.
    slow = GATEWAY_TIMEOUT, "timeout", "The answer took too long";
}

impl Problem {
    const fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: String,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail,
            retry_after_secs: None,
            faults: Vec::new(),
        }
    }

    /// What is wrong, with the facts and what to do about it.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong in files.
    pub(super) fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults.into_iter().map(FaultView::from).collect();
        self
    }

    /// When it is worth another try.
    pub(super) const fn after_secs(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// The whole answer to a connection that ends with it and of which no request is read.
    pub(super) fn into_last_words(self) -> Vec<u8> {
        let (status, secs) = (self.status, self.retry_after_secs.unwrap_or(1));
        let body = serde_json::to_string(&self.body()).unwrap_or_default();
        let len = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {PROBLEM}\r\nRetry-After: {secs}\r\n\
             Connection: close\r\nContent-Length: {len}\r\n\r\n"
        );
        (head + &body).into_bytes()
    }

    fn body(self) -> ProblemBody {
        let doc = format!("{DOC}#{}", self.code);
        ProblemBody {
            kind: doc.clone(),
            status: self.status.as_u16(),
            code: self.code,
            title: self.title,
            detail: self.detail,
            doc,
            faults: self.faults,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after_secs);
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if status == StatusCode::UNAUTHORIZED {
            // Not `Basic`: browsers would ask people for a password, and keep it for other pages.
            let how = HeaderValue::from_static("Bearer realm=\"columba\"");
            headers.insert(WWW_AUTHENTICATE, how);
        }
        if let Some(secs) = retry_after {
            headers.insert(RETRY_AFTER, secs.into());
        }
        response
    }
}

impl From<NoAnswer> for Problem {
    fn from(_: NoAnswer) -> Self {
        Self::busy("the broker is stopping")
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let text = rejection.body_text();
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(text),
            _ => Self::invalid(text),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_explained_in_the_manual() {
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        let mut codes: Vec<_> = Problem::ALL.iter().map(|(_, code, _)| *code).collect();
        for code in &codes {
            assert!(manual.contains(&format!("### {code}\n")), "{code}");
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Problem::ALL.len());
    }
}
