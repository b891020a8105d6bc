//! `/metrics` for Prometheus. No label has a value that a client chooses.

mod clients;
mod process;
mod text;
mod traffic;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::stats::Stats;

use self::text::Text;
use super::app::App;
use super::broker::stats_of;
use super::caller::Watcher;
use super::problem::Problem;
use crate::driver::DiskState;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics))
}

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn metrics(_: Watcher, State(app): State<App>) -> Result<Response, Problem> {
    let stats = stats_of(&app).await?;
    let mut text = Text::default();
    of_broker(&mut text, &app);
    of_stats(&mut text, &stats);
    traffic::of_traffic(&mut text, &stats);
    clients::of_clients(&mut text, &stats);
    of_recorder(&mut text, &stats);
    of_outcomes(&mut text, &stats);
    of_store(&mut text, &app, &stats);
    process::of_process(&mut text);
    Ok(([(CONTENT_TYPE, FORMAT)], text.0).into_response())
}

fn of_broker(text: &mut Text, app: &App) {
    let name = "columba_build_info";
    text.metric(name, "gauge", "The version that runs.");
    text.value(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let uptime = app.started.0.elapsed().as_secs();
    text.one(
        "columba_uptime_seconds",
        "gauge",
        "Time since the start.",
        uptime,
    );
    let shards = app.asker.shards();
    text.one(
        "columba_shards",
        "gauge",
        "Threads that serve clients.",
        shards,
    );
    let name = "columba_connections";
    text.metric(name, "gauge", "Connections, established or not.");
    for listener in app.asker.shared.listeners() {
        let labels = [
            ("listener", listener.name()),
            ("kind", listener.kind_name()),
        ];
        text.value(name, &labels, listener.connections());
    }
    of_certificates(text, app);
    let lost = crate::log::lines_lost();
    let name = "columba_log_lines_lost_total";
    text.one(name, "counter", "Lines that never reached the log.", lost);
    let name = "columba_bans";
    text.one(name, "gauge", "Bans, over or not.", app.bans().len());
}

/// When the certificates end that listeners show, so that somebody renews them in time.
fn of_certificates(text: &mut Text, app: &App) {
    let listeners = app.asker.shared.listeners().iter();
    let listeners = listeners.filter_map(|of| Some((of.name(), of.tls.as_ref()?)));
    let admin = app.tls.as_deref().map(|tls| ("[admin]", tls));
    let mut ends: Vec<_> = listeners
        .chain(admin)
        .filter_map(|(name, tls)| Some((name, tls.expires_at_secs()?)))
        .collect();
    ends.sort_unstable();
    let name = "columba_tls_cert_expiry_timestamp_seconds";
    text.metric(
        name,
        "gauge",
        "When the certificate of a listener ends, in seconds since 1970.",
    );
    for (listener, at_secs) in ends {
        text.value(name, &[("listener", listener)], at_secs);
    }
}

fn of_recorder(text: &mut Text, stats: &Stats) {
    let (name, help) = (
        "columba_recorder_memory_bytes",
        "Bytes of the flight recorder.",
    );
    text.one(name, "gauge", help, stats.recorder_bytes);
    let (name, help) = (
        "columba_recorder_events_total",
        "Events that the flight recorder has written.",
    );
    text.one(name, "counter", help, stats.recorder_events);
    let (name, help) = (
        "columba_recorder_overwritten_total",
        "Events that were pushed out of the flight recorder.",
    );
    text.one(name, "counter", help, stats.recorder_overwritten);
    let (name, help) = ("columba_topics", "Topics in the table of topics.");
    text.one(name, "gauge", help, stats.topics);
    let (name, help) = (
        "columba_topics_forgotten_total",
        "Topics that had to make room for others in that table.",
    );
    text.one(name, "counter", help, stats.topics_forgotten);
}

fn of_stats(text: &mut Text, stats: &Stats) {
    let gauges = [
        (
            "clients_connected",
            "Clients that are connected.",
            stats.clients_connected,
        ),
        (
            "retained_messages",
            "Retained messages.",
            stats.retained_messages,
        ),
        (
            "retained_bytes",
            "Bytes of retained messages.",
            stats.retained_bytes,
        ),
        (
            "queue_messages",
            "Messages that wait for clients.",
            stats.queued_messages,
        ),
        (
            "queue_bytes",
            "Bytes of messages that wait for clients.",
            stats.queued_bytes,
        ),
        (
            "inflight_messages",
            "QoS 1 and 2 messages that clients have not acknowledged.",
            stats.inflight_messages,
        ),
        ("will_bytes", "Bytes of Wills.", stats.will_bytes),
    ];
    for (name, help, value) in gauges {
        text.one(&format!("columba_{name}"), "gauge", help, value);
    }
    text.one(
        "columba_unaccounted_messages",
        "gauge",
        "Copies that are neither delivered, dropped, queued nor in flight. Anything but 0 is a \
         fault of the broker.",
        stats.unaccounted_copies(),
    );
    let name = "columba_sessions";
    text.metric(name, "gauge", "Sessions.");
    text.value(name, &[("state", "online")], stats.clients_connected);
    let offline = stats.sessions.saturating_sub(stats.clients_connected);
    text.value(name, &[("state", "offline")], offline);
    let name = "columba_subscriptions";
    text.metric(name, "gauge", "Subscriptions.");
    let plain = stats
        .subscriptions
        .saturating_sub(stats.shared_subscriptions);
    text.value(name, &[("kind", "plain")], plain);
    text.value(name, &[("kind", "shared")], stats.shared_subscriptions);
}

/// Everything that can happen, each kind under a name of its own, with the words of the vocabulary.
fn of_outcomes(text: &mut Text, stats: &Stats) {
    let mut metric = |name: &str, help: &str, wanted: &dyn Fn(Outcome) -> bool| {
        let name = format!("columba_{name}_total");
        text.metric(&name, "counter", help);
        for outcome in Outcome::ALL.iter().filter(|outcome| wanted(**outcome)) {
            let (stage, reason) = words(*outcome);
            let count = stats.outcome(*outcome);
            match stage {
                "connect" => clients::of_connect(text, &name, (*outcome, reason), stats),
                "disconnect" => {
                    let labels = [("initiator", initiator(*outcome)), ("reason", reason)];
                    text.value(&name, &labels, count);
                }
                _ => text.value(&name, &[("stage", stage), ("reason", reason)], count),
            }
        }
    };
    let stage = |outcome: Outcome| words(outcome).0;
    let is = |outcome: Outcome, what: Effectively| outcome.effectively() == what;
    let is_message = |outcome| matches!(stage(outcome), "publish" | "deliver");
    metric(
        "connects",
        "CONNECT packets, by what came of them.",
        &|of| stage(of) == "connect",
    );
    metric("disconnects", "Ends of connections.", &|of| {
        stage(of) == "disconnect"
    });
    metric("sessions_ended", "Ends of sessions.", &|of| {
        stage(of) == "session"
    });
    metric(
        "messages_dropped",
        "Messages and copies that were lost on purpose.",
        &|of| is_message(of) && is(of, Effectively::Dropped),
    );
    metric("messages_denied", "Messages that were refused.", &|of| {
        is_message(of) && is(of, Effectively::Denied)
    });
    metric(
        "messages_delayed",
        "Copies that had to wait, for an acknowledgement among others.",
        &|of| is_message(of) && is(of, Effectively::Delayed),
    );
    metric(
        "messages_accepted",
        "Messages and copies that went their way.",
        &|of| is_message(of) && is(of, Effectively::Accepted),
    );
    metric(
        "subscribes",
        "Filters of SUBSCRIBE and UNSUBSCRIBE.",
        &|of| matches!(stage(of), "subscribe" | "unsubscribe"),
    );
    metric("retained_changes", "Changes of retained messages.", &|of| {
        stage(of) == "retained"
    });
    metric("wills", "What became of Wills.", &|of| stage(of) == "will");
    metric(
        "broker_changes",
        "Starts, stops and changes of settings.",
        &|of| stage(of) == "broker",
    );
}

/// Stage and reason of an outcome.
fn words(outcome: Outcome) -> (&'static str, &'static str) {
    outcome
        .name()
        .split_once('.')
        .unwrap_or_else(|| (outcome.name(), ""))
}

/// Who ended a connection.
const fn initiator(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::DisconnectByClient
        | Outcome::DisconnectWithWill
        | Outcome::DisconnectPeerClosed => "client",
        Outcome::DisconnectTransport => "network",
        Outcome::DisconnectAdmin => "operator",
        _ => "broker",
    }
}

fn of_store(text: &mut Text, app: &App, of_shards: &Stats) {
    let Some(store) = &app.asker.facts.store else {
        return;
    };
    let stats = store.stats();
    let disk = app.asker.facts.alarm.state();
    let gauges = [
        (
            "disk_full",
            "1 while the disk is full: what would have to be stored waits until there is room.",
            u64::from(disk == DiskState::Full),
        ),
        (
            "disk_failed",
            "1 if the disk has failed: what would have to be stored waits until a restart.",
            u64::from(disk == DiskState::Failed),
        ),
        (
            "clients_waiting",
            "Clients that wait for the disk: with their packets, or for the answer to them if it takes nothing.",
            of_shards.connections_held,
        ),
        ("records", "Records in the store.", stats.records),
        ("live_bytes", "Bytes of these records.", stats.live_bytes),
        ("disk_bytes", "Bytes of all files.", stats.disk_bytes),
    ];
    for (name, help, value) in gauges {
        text.one(&format!("columba_storage_{name}"), "gauge", help, value);
    }
    let name = "columba_storage_commits_total";
    text.one(
        name,
        "counter",
        "Commits of the store so far.",
        stats.commit,
    );
    if let Some(report) = &app.asker.facts.boot_report {
        let name = "columba_storage_damaged";
        let help = "Places that were found damaged at the start, also those that cost nothing.";
        text.one(name, "gauge", help, report.damage.len());
        let name = "columba_storage_recovery_seconds";
        let help = "How long it took to read the store at the start.";
        text.one(name, "gauge", help, report.took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_in_one_metric_and_only_there() {
        let mut text = Text::default();
        let mut stats = Stats::default();
        for (at, count) in stats.outcomes.iter_mut().enumerate() {
            *count = 1_000 + at as u64;
        }
        of_outcomes(&mut text, &stats);
        for (at, outcome) in Outcome::ALL.iter().enumerate() {
            let count = format!(" {}", 1_000 + at);
            let lines = text.0.lines().filter(|line| line.ends_with(&count));
            let known = ["3.1", "3.1.1", "5.0"].map(|of| format!("version=\"{of}\""));
            let lines = lines.filter(|line| !known.iter().any(|of| line.contains(of)));
            assert_eq!(lines.count(), 1, "{outcome}");
        }
        let full = "columba_messages_dropped_total{stage=\"deliver\",reason=\"queue_full\"} ";
        assert!(text.0.contains(full), "{}", text.0);
    }
}
