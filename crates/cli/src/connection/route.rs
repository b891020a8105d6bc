//! The options about the way to the server: from which address, through which proxy.

use clap::Args;
use columba_client::driver::{Proxy, Route};

use super::SERVER;
use super::url::{percent_decoded, split_port};
use crate::words::{self, Said, value};

/// The port of SOCKS, if the URL names none.
const SOCKS_PORT: u16 = 1080;

/// See the [module](self).
#[derive(Args, Clone, Debug)]
pub(super) struct RouteArgs {
    /// Name or IP address of this machine to connect from
    #[arg(short = 'A', long, value_name = "ADDRESS", help_heading = SERVER)]
    bind_address: Option<String>,
    /// SOCKS5 proxy to go through: socks5h://[USER[:PASSWORD]@]HOST[:PORT]
    #[arg(long, value_name = "URL", value_parser = parse_proxy, help_heading = SERVER)]
    proxy: Option<Proxy>,
    /// Path of the WebSocket [default: that of the URL, or /mqtt]
    #[arg(long, value_name = "PATH", help_heading = SERVER)]
    path: Option<String>,
}

impl RouteArgs {
    /// The path of a WebSocket that would have another one without `--path`.
    pub(super) fn websocket_path(&self, otherwise: &str) -> String {
        let path = self.path.as_deref().unwrap_or(otherwise);
        format!("/{}", path.strip_prefix('/').unwrap_or(path))
    }

    pub(super) fn route(&self) -> Route {
        Route {
            local_address: self.bind_address.clone(),
            proxy: self.proxy.clone(),
        }
    }
}

fn parse_proxy(text: &str) -> Result<Proxy, Said> {
    let Some(rest) = text.strip_prefix("socks5h://") else {
        return Err(value::proxy_scheme().into());
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (credentials, authority) = match rest.rsplit_once('@') {
        Some((credentials, authority)) => (Some(credentials), authority),
        None => (None, rest),
    };
    let decoded = |part: &str| percent_decoded(part).ok_or_else(words::url_percent);
    let credentials = match credentials {
        None => None,
        Some(credentials) => {
            let (user_name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            Some((decoded(user_name)?, decoded(password)?))
        }
    };
    let (host, port) = split_port(authority);
    if host.is_empty() {
        return Err(words::url_no_host().into());
    }
    let port = match port {
        None => SOCKS_PORT,
        Some(port) => port.parse().map_err(|_| words::url_port())?,
    };
    Ok(Proxy {
        host: host.to_owned(),
        port,
        credentials,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_have_a_port_and_credentials() {
        let proxy = |host: &str, port, credentials: Option<(&str, &str)>| Proxy {
            host: host.to_owned(),
            port,
            credentials: credentials.map(|(user, password)| (user.to_owned(), password.to_owned())),
        };
        let check = |text: &str, expected| assert_eq!(parse_proxy(text), Ok(expected), "{text}");
        check("socks5h://p", proxy("p", 1080, None));
        check("socks5h://p:9/", proxy("p", 9, None));
        check("socks5h://[::1]:9", proxy("::1", 9, None));
        check("socks5h://u@p", proxy("p", 1080, Some(("u", ""))));
        check("socks5h://u:a%40b@p", proxy("p", 1080, Some(("u", "a@b"))));
    }

    #[test]
    fn a_path_of_its_own_goes_before_that_of_the_url() {
        let path = |path: Option<&str>, otherwise: &str| {
            let args = RouteArgs {
                bind_address: None,
                proxy: None,
                path: path.map(str::to_owned),
            };
            args.websocket_path(otherwise)
        };
        assert_eq!(path(None, "/mqtt"), "/mqtt");
        assert_eq!(path(Some("/a/b"), "/mqtt"), "/a/b");
        assert_eq!(path(Some("a"), "/mqtt"), "/a");
        assert_eq!(path(Some("/"), "/mqtt"), "/");
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for text in [
            "p:1080",
            "http://p",
            "socks5h://",
            "socks5h://p:x",
            "socks5h://%@p",
        ] {
            assert!(parse_proxy(text).is_err(), "{text}");
        }
    }
}
