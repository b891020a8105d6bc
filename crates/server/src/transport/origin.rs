//! Which web pages may connect over WebSocket.
//!
//! A browser lets every page connect to every host, and only tells the server where the page came
//! from. Without this check any page could use what the machine of its reader may reach.

use tungstenite::handshake::server::Request;
use tungstenite::http::Uri;
use tungstenite::http::header::{HOST, ORIGIN};
use tungstenite::http::uri::Authority;

/// Which web pages may connect. A client that sends no `Origin` is no page and may always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Those that came from the host that they connect to, over whatever port.
    #[default]
    SameHost,
    /// Those of these origins, such as `https://app.example:8443`.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl AllowedOrigins {
    /// Those of a list in which `*` means all.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        let origins: Vec<_> = origins.into_iter().collect();
        if origins.iter().any(|origin| origin == "*") {
            Self::Any
        } else {
            Self::Listed(origins)
        }
    }

    /// The origin of a request that may not connect.
    pub(super) fn refused(&self, request: &Request) -> Option<String> {
        let host = request.headers().get(HOST);
        let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let origins = request.headers().get_all(ORIGIN);
        let mut origins = origins
            .iter()
            .map(|origin| String::from_utf8_lossy(origin.as_bytes()));
        origins
            .find(|origin| !self.has(origin, host.as_ref()))
            .map(|origin| origin.into_owned())
    }

    fn has(&self, origin: &str, host: Option<&Authority>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.iter().any(|one| one.eq_ignore_ascii_case(origin)),
            Self::SameHost => {
                let origin = origin.parse::<Uri>().unwrap_or_default();
                // `null` and the like have no scheme.
                let from = origin.scheme().and_then(|_| origin.host());
                from.zip(host)
                    .is_some_and(|(from, host)| from.eq_ignore_ascii_case(host.host()))
            }
        }
    }
}

/// Whether a text is an origin as browsers send it: a scheme, a host and perhaps a port, or `null`.
pub(crate) fn is_origin(text: &str) -> bool {
    text == "null"
        || text.parse::<Uri>().is_ok_and(|uri| {
            let authority = uri.authority().map(Authority::as_str);
            uri.scheme_str()
                .zip(authority)
                .is_some_and(|(scheme, authority)| format!("{scheme}://{authority}") == text)
        })
}
