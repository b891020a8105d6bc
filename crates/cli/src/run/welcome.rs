//! What a broker that has started says first.

use std::path::Path;

use columba_broker::limits::Anonymous;
use columba_server::Broker;
use columba_server::admin::Admin;
use columba_server::config::{Config, Listener};
use columba_server::listener::BoundAddress;
use columba_server::store::BootReport;
use columba_speech::Text;
use columba_speech::width::{pad, width};

use crate::create::quoted;
use crate::language::spoken;
use crate::words::start as words;

/// One box with the addresses and the next command.
pub(super) fn text(
    base: &Path,
    config: &Config,
    broker: &Broker,
    report: Option<&BootReport>,
    admin: Option<&Admin>,
) -> String {
    let addresses = broker.addresses();
    let language = spoken();
    let said = |text: Text| text.to_string(language);
    let running = words::running(env!("CARGO_PKG_VERSION"), base.display().to_string());
    let mut lines = vec![said(running), String::new()];
    let shown: Vec<_> = config
        .listeners
        .iter()
        .zip(addresses)
        .map(|(listener, address)| (url(listener, address), listener))
        .collect();
    let widest = shown.iter().map(|(url, _)| width(url)).max();
    for (url, listener) in &shown {
        let who = said(match listener.settings.anonymous {
            Anonymous::Never => words::by_password(),
            Anonymous::Loopback => words::by_password_or_here(),
            Anonymous::Always => words::open_to_all(),
        });
        lines.push(format!("{}  {who}", pad(url, widest.unwrap_or_default())));
    }
    lines.push(String::new());
    let mut rows = vec![(
        words::store(),
        said(report.map_or_else(words::no_store, BootReport::text)),
    )];
    if let Some(admin) = admin {
        rows.push(match admin.url() {
            Some(url) => (words::api(), format!("{url}/api/v1")),
            None => (
                words::api(),
                format!("unix:{}", config.admin.socket.display()),
            ),
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
        rows.push((words::listen_in(), format!("columba sub{port} -t '#' -v")));
    }
    let add = format!("columba passwd {} {}", quoted(base), said(words::name()));
    rows.push((words::add_user(), add));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(label, value)| (said(label), value))
        .collect();
    let widest = rows.iter().map(|(label, _)| width(label)).max();
    let row = |(label, value): &(String, String)| {
        format!("{}  {value}", pad(label, widest.unwrap_or_default()))
    };
    lines.extend(rows.iter().map(row));
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
    let widest = lines.iter().map(|line| width(line)).max();
    let widest = widest.unwrap_or_default();
    let edge = "─".repeat(widest + 2);
    let mut text = format!("╭{edge}╮\n");
    for line in lines {
        text.push_str(&format!("│ {} │\n", pad(line, widest)));
    }
    text.push_str(&format!("╰{edge}╯\n"));
    text
}
