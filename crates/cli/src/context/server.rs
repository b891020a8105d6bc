//! The server of `context add`: a URL, a Unix socket, or host and port as `pub` and `sub` take them.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use clap::Args;
use columba_speech::Text;

use super::file::check_server_url;
use super::texts;
use crate::connection::Url;

/// The port at which a server speaks TLS without being asked to.
const TLS_PORT: u16 = 8883;
/// That of a server without TLS.
const PORT: u16 = 1883;

/// Which server.
#[derive(Args, Clone, Debug)]
pub(super) struct ServerArgs {
    /// Host of the server; a URL is made of it, mqtts:// with options of TLS or port 8883
    #[arg(short = 'h', long, value_name = "HOST", conflicts_with_all = ["url", "unix"])]
    host: Option<String>,
    /// Port of the server [default: 1883, or 8883 with TLS]
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["url", "unix"])]
    port: Option<u16>,
    /// The server: mqtt[s]|ws[s]://HOST[:PORT][/PATH], a path with ws and wss only
    #[arg(short = 'L', long, value_name = "URL")]
    url: Option<String>,
    /// Unix socket of the server
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    pub(super) unix: Option<PathBuf>,
}

impl ServerArgs {
    /// The URL that was given, or that of host and port.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn url(&self, asks_for_tls: bool) -> Result<Option<String>, Text> {
        if let Some(url) = &self.url {
            check_server_url(url)?;
            return Ok(Some(url.clone()));
        }
        if self.host.is_none() && self.port.is_none() {
            return Ok(None);
        }
        let host = self.host.as_deref().unwrap_or("localhost");
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let is_tls = asks_for_tls || self.port == Some(TLS_PORT);
        let usual = if is_tls { TLS_PORT } else { PORT };
        let scheme = if is_tls { "mqtts" } else { "mqtt" };
        let authority = if is_address_6(host) {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let port = self.port.filter(|port| *port != usual);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = format!("{scheme}://{authority}{port}");
        // What stands for something else in a URL is no part of a host.
        let is_host = !host.contains(['[', ']'])
            && Url::parse(&url).is_ok_and(|read| read.host == host && read.topic.is_none());
        if is_host {
            Ok(Some(url))
        } else {
            Err(texts::no_host(host))
        }
    }
}

/// Whether this is an address of IPv6, perhaps with a zone.
fn is_address_6(host: &str) -> bool {
    let (address, _) = host.split_once('%').unwrap_or((host, ""));
    address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: Option<&str>, port: Option<u16>, asks_for_tls: bool) -> Result<String, Text> {
        let args = ServerArgs {
            host: host.map(str::to_owned),
            port,
            url: None,
            unix: None,
        };
        let url = args.url(asks_for_tls)?;
        Ok(url.unwrap_or_default())
    }

    #[test]
    fn host_and_port_become_a_url() {
        for (host, port, asks_for_tls, expected) in [
            (Some("h"), None, false, "mqtt://h"),
            (Some("h"), Some(1884), false, "mqtt://h:1884"),
            (Some("h"), Some(8883), false, "mqtts://h"),
            (Some("h"), None, true, "mqtts://h"),
            (Some("h"), Some(1883), true, "mqtts://h:1883"),
            (Some("::1"), Some(7), false, "mqtt://[::1]:7"),
            (Some("[::1]"), None, false, "mqtt://[::1]"),
            (Some("fe80::1%eth0"), None, true, "mqtts://[fe80::1%eth0]"),
            (None, Some(7), false, "mqtt://localhost:7"),
            (None, None, true, ""),
        ] {
            let made = url(host, port, asks_for_tls);
            assert_eq!(made.as_deref(), Ok(expected), "{host:?} {port:?}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in ["", "h:1884", "ann@h", "h/a", "mqtt://h", "[h", "[]"] {
            assert!(url(Some(host), None, false).is_err(), "{host}");
        }
    }
}
