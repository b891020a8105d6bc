//! What a broker that has started says first.

use std::path::Path;

use columba_broker::limits::Anonymous;
use columba_server::Broker;
use columba_server::admin::Admin;
use columba_server::config::{Config, Listener};
use columba_server::listener::BoundAddress;
use columba_server::store::BootReport;

use crate::create::quoted;

/// One box with the addresses and the next command.
pub(super) fn text(
    base: &Path,
    config: &Config,
    broker: &Broker,
    report: Option<&BootReport>,
    admin: Option<&Admin>,
) -> String {
    let addresses = broker.addresses();
    let mut lines = vec![
        format!(
            "Columba {} is running: {}",
            env!("CARGO_PKG_VERSION"),
            base.display()
        ),
        String::new(),
    ];
    let shown: Vec<_> = config
        .listeners
        .iter()
        .zip(addresses)
        .map(|(listener, address)| (url(listener, address), listener))
        .collect();
    let width = shown
        .iter()
        .map(|(url, _)| url.chars().count())
        .max()
        .unwrap_or_default();
    for (url, listener) in &shown {
        let who = match listener.settings.anonymous {
            Anonymous::Never => "with user and password",
            Anonymous::Loopback => "with user and password; from this machine without",
            Anonymous::Always => "everybody, without a password",
        };
        lines.push(format!("{url:width$}  {who}"));
    }
    lines.push(String::new());
    lines.push(match report {
        Some(report) => format!("Store       {report}"),
        None => "Store       none: a restart begins empty".to_owned(),
    });
    if let Some(admin) = admin {
        lines.push(match admin.url() {
            Some(url) => format!("API         {url}/api/v1"),
            None => format!("API         unix:{}", config.admin.socket.display()),
        });
    }
    let port = addresses
        .iter()
        .zip(&config.listeners)
        .find_map(|(address, listener)| {
            let BoundAddress::Ip(address) = address else {
                return None;
            };
            let is_plain = listener.kind == columba_server::config::ListenerKind::Tcp;
            is_plain.then(|| address.port())
        });
    if let Some(port) = port {
        let port = if port == 1883 {
            String::new()
        } else {
            format!(" -p {port}")
        };
        lines.push(format!("Listen in   columba sub{port} -t '#' -v"));
    }
    lines.push(format!("Add a user  columba passwd {} NAME", quoted(base)));
    boxed(&lines)
}

fn url(listener: &Listener, address: &BoundAddress) -> String {
    use columba_server::config::ListenerKind;
    let (scheme, path) = match listener.kind {
        ListenerKind::Tcp => ("mqtt", ""),
        ListenerKind::Tls => ("mqtts", ""),
        ListenerKind::Ws => ("ws", listener.websocket_path.as_str()),
        ListenerKind::Wss => ("wss", listener.websocket_path.as_str()),
        ListenerKind::Unix => ("unix", ""),
    };
    format!("{scheme}://{address}{path}")
}

fn boxed(lines: &[String]) -> String {
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    let edge = "─".repeat(width + 2);
    let mut text = format!("╭{edge}╮\n");
    for line in lines {
        // The width of a format counts characters, as here.
        text.push_str(&format!("│ {line:width$} │\n"));
    }
    text.push_str(&format!("╰{edge}╯\n"));
    text
}
