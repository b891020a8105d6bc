//! `/metrics` for Prometheus. No label has a value that a client chooses.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::stats::Stats;

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
    of_recorder(&mut text, &stats);
    of_outcomes(&mut text, &stats);
    of_store(&mut text, &app, &stats);
    of_process(&mut text);
    Ok(([(CONTENT_TYPE, FORMAT)], text.0).into_response())
}

/// Metrics as text.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A metric with one value.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.metric(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    /// A value of the metric that was begun last.
    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.0, "{name}{{");
        for (at, (label, text)) in labels.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            let text = text.replace('\n', "\\n");
            let _ = write!(self.0, "{comma}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "}} {value}");
    }
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
    let lost = crate::log::lines_lost();
    let name = "columba_log_lines_lost_total";
    text.one(name, "counter", "Lines that never reached the log.", lost);
    let name = "columba_bans";
    text.one(name, "gauge", "Bans, over or not.", app.bans().len());
}

fn of_recorder(text: &mut Text, stats: &Stats) {
    let (name, help) = (
        "columba_recorder_memory_bytes",
        "Bytes of the flight recorder.",
    );
    text.one(name, "gauge", help, stats.recorder_bytes);
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
    let name = "columba_packets_total";
    text.metric(name, "counter", "MQTT packets.");
    let received = stats.packets_received + stats.connects_received;
    text.value(name, &[("direction", "received")], received);
    text.value(name, &[("direction", "sent")], stats.packets_sent);
    let counters = [
        ("received_bytes", "Bytes received.", stats.bytes_received),
        ("sent_bytes", "Bytes sent.", stats.bytes_sent),
        (
            "messages_received",
            "PUBLISH packets received.",
            stats.publish_received,
        ),
        ("messages_sent", "PUBLISH packets sent.", stats.publish_sent),
        (
            "message_received_bytes",
            "Bytes of payloads received.",
            stats.publish_bytes_received,
        ),
        (
            "message_sent_bytes",
            "Bytes of payloads sent.",
            stats.publish_bytes_sent,
        ),
        (
            "message_copies",
            "Copies made for subscribers.",
            stats.copies,
        ),
        (
            "sockets_opened",
            "Connections that listeners accepted.",
            stats.sockets_opened,
        ),
    ];
    for (name, help, value) in counters {
        text.one(&format!("columba_{name}_total"), "counter", help, value);
    }
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
                "connect" => text.value(&name, &[("result", reason)], count),
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
            "1 while the disk is full: what would have to be stored waits.",
            u64::from(disk == DiskState::Full),
        ),
        (
            "disk_failed",
            "1 if the disk has failed: nothing that would have to be stored is acknowledged.",
            u64::from(disk == DiskState::Failed),
        ),
        (
            "clients_waiting",
            "Clients whose packets wait for the disk.",
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
        let help = "Places that were found damaged at the start and have cost something.";
        text.one(name, "gauge", help, report.damaged);
        let name = "columba_storage_recovery_seconds";
        let help = "How long it took to read the store at the start.";
        text.one(name, "gauge", help, report.took.as_secs_f64());
    }
}

/// What every process tells of itself, where the operating system has `/proc`.
fn of_process(text: &mut Text) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    // The name of the program may hold spaces.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return;
    };
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let ticks_per_sec = rustix::param::clock_ticks_per_second() as f64;
    let cpu_secs = (field(14) + field(15)) as f64 / ticks_per_sec;
    let name = "process_cpu_seconds_total";
    text.one(name, "counter", "Processor time used.", cpu_secs);
    let resident = field(24) * rustix::param::page_size() as u64;
    let name = "process_resident_memory_bytes";
    text.one(name, "gauge", "Memory in use.", resident);
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let name = "process_open_fds";
        text.one(name, "gauge", "Open files and sockets.", open.count());
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
            assert_eq!(lines.count(), 1, "{outcome}");
        }
        let full = "columba_messages_dropped_total{stage=\"deliver\",reason=\"queue_full\"} ";
        assert!(text.0.contains(full), "{}", text.0);
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.value("m", &[("a", "x\"\\\n"), ("b", "")], 1);
        assert_eq!(text.0, "m{a=\"x\\\"\\\\\\n\",b=\"\"} 1\n");
    }
}
