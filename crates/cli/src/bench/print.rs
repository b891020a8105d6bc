//! The report of a run for people, and as CSV.

use std::fmt::Write as _;

use columba_bench::report::{BrokerUse, Latency};
use columba_bench::{Progress, Report};

/// One line while a run goes on.
pub(super) fn progress(progress: &Progress) -> String {
    let mut line = format!("{:>5.0}s  ", progress.elapsed.as_secs_f64());
    if let Some(done) = progress.done {
        let filled = (done * 20.0) as usize;
        let bar: String = (0..20)
            .map(|i| if i < filled { '█' } else { '░' })
            .collect();
        let _ = write!(line, "{bar} {:>3.0} %  ", done * 100.0);
    }
    let _ = write!(
        line,
        "{}  {}/s",
        progress.stage,
        grouped(progress.per_sec.round() as u64)
    );
    if let Some(p99) = progress.p99_us {
        let _ = write!(line, "  p99 {}", time(p99));
    }
    line
}

/// The report for people.
pub(super) fn summary(report: &Report) -> String {
    let mut text = String::new();
    headline(report, &mut text);
    stages(report, &mut text);
    messages(report, &mut text);
    if let Some(latency) = &report.latency {
        latency_table(latency, &mut text);
    }
    if let Some(times) = &report.acknowledgement
        && report.kind != "pub"
    {
        latency_table(times, &mut text);
    }
    if let Some(broker) = &report.broker_use {
        let kept = if report.kind == "filters" {
            "filter"
        } else {
            "message"
        };
        broker_lines(broker, item(report), kept, &mut text);
    }
    generator_line(report, &mut text);
    for note in &report.notes {
        let _ = writeln!(text, "  note: {note}.");
    }
    text
}

fn headline(report: &Report, text: &mut String) {
    let _ = write!(
        text,
        "\n{} on {}, MQTT {}, {} connections",
        report.kind,
        report.broker,
        report.mqtt_version,
        grouped(report.connections as u64)
    );
    if report.kind != "conn" {
        let qos = match report.kind {
            "mixed" => "mixed QoS".to_owned(),
            "sub" => format!("QoS {}", report.subscribe_qos),
            _ if report.qos == report.subscribe_qos || report.kind == "pub" => {
                format!("QoS {}", report.qos)
            }
            _ => format!("QoS {} to {}", report.qos, report.subscribe_qos),
        };
        let _ = write!(text, ", {qos}");
    }
    if report.kind != "conn" && report.kind != "sub" {
        let _ = write!(text, ", {} bytes", grouped(report.payload_bytes as u64));
        match report.messages_per_sec {
            Some(rate) => {
                let _ = write!(text, ", open loop at {}/s", grouped(rate.round() as u64));
            }
            None => text.push_str(", closed loop"),
        }
    }
    text.push_str("\n\n");
}

fn stages(report: &Report, text: &mut String) {
    for stage in &report.stages {
        let _ = writeln!(
            text,
            "  {:<12} {:>14} {:<11} {:>9.3} s {:>14}/s{}",
            stage.name,
            grouped(stage.count),
            stage.unit,
            stage.secs,
            grouped(stage.per_sec.round() as u64),
            stage
                .broker_cpu_us_per_item
                .map_or_else(String::new, |us| format!("{us:>9.3} µs of the broker each"))
        );
    }
    text.push('\n');
}

fn messages(report: &Report, text: &mut String) {
    let counts = &report.counts;
    if report.kind == "conn" {
        let _ = writeln!(
            text,
            "  connected {}    failed {}\n",
            grouped(counts.connected),
            grouped(counts.failed_clients)
        );
        return;
    }
    let mut cells = Vec::new();
    if report.kind != "sub" {
        cells.push(("sent", counts.sent));
    }
    if report.kind != "pub" {
        cells.push(("received", counts.received));
        cells.push(("lost", counts.lost));
        cells.push(("duplicated", counts.duplicated));
        cells.push(("reordered", counts.reordered));
    }
    if counts.refused > 0 || report.kind == "pub" {
        cells.push(("refused", counts.refused));
    }
    if counts.unacknowledged > 0 {
        cells.push(("unacknowledged", counts.unacknowledged));
    }
    let width = |cell: &(&str, u64)| cell.0.len().max(grouped(cell.1).len());
    text.push(' ');
    for cell in &cells {
        let _ = write!(text, " {:>1$} ", cell.0, width(cell));
    }
    text.push_str("\n ");
    for cell in &cells {
        let _ = write!(text, " {:>1$} ", grouped(cell.1), width(cell));
    }
    text.push('\n');
    if counts.lost > 0 && counts.expected > 0 {
        let share = counts.lost as f64 * 100.0 / counts.expected as f64;
        let expected = grouped(counts.expected);
        let _ = writeln!(text, "  {share:.4} % of {expected} deliveries were lost");
    }
    text.push('\n');
}

fn latency_table(latency: &Latency, text: &mut String) {
    let _ = writeln!(text, "  {}, {} times", latency.of, grouped(latency.count));
    let rows = [
        ("p50", latency.p50_us),
        ("p90", latency.p90_us),
        ("p99", latency.p99_us),
        ("p99.9", latency.p999_us),
        ("max", latency.max_us),
    ];
    text.push(' ');
    for (name, _) in rows {
        let _ = write!(text, " {name:>10}");
    }
    text.push_str("\n ");
    for (_, value) in rows {
        let _ = write!(text, " {:>10}", time(value));
    }
    text.push_str("\n\n");
}

fn broker_lines(broker: &BrokerUse, item: &str, kept: &str, text: &mut String) {
    let _ = writeln!(
        text,
        "  broker     {:.2} µs of processor time a {item}, {:.0} % of a processor",
        broker.cpu_us_per_item,
        broker.cores * 100.0
    );
    let _ = write!(
        text,
        "             {} of memory, {} at its peak",
        bytes(broker.rss_bytes_after as f64),
        bytes(broker.rss_bytes_peak as f64)
    );
    if let Some(each) = broker.rss_bytes_per_connection {
        let _ = write!(text, ", {} a connection", bytes(each));
    }
    if let Some(each) = broker.rss_bytes_per_kept {
        let _ = write!(text, ", {} kept for each {kept}", bytes(each));
    }
    text.push('\n');
}

fn generator_line(report: &Report, text: &mut String) {
    let generator = &report.generator;
    let _ = write!(
        text,
        "  generator  {:.2} µs a {}, busiest thread {:.0} %",
        generator.cpu_us_per_item,
        item(report),
        generator.busiest_thread * 100.0
    );
    if let Some(lag) = generator.lag_p99_us {
        let _ = write!(text, ", late by {} at p99", time(lag));
    }
    text.push('\n');
}

fn item(report: &Report) -> &'static str {
    match report.kind {
        "conn" => "connection",
        "pub" | "filters" => "message",
        _ => "delivery",
    }
}

/// The report as two lines of CSV.
pub(super) fn csv(report: &Report) -> String {
    let counts = &report.counts;
    let latency = report.latency;
    let broker = report.broker_use;
    let time = |of: fn(&Latency) -> f64| latency.map(|l| format!("{:.1}", of(&l)));
    let acknowledged =
        |of: fn(&Latency) -> f64| report.acknowledgement.map(|l| format!("{:.1}", of(&l)));
    let used = |of: fn(&BrokerUse) -> String| broker.map(|b| of(&b));
    let cells: Vec<(&str, Option<String>)> = vec![
        ("kind", Some(report.kind.to_owned())),
        ("broker", Some(report.broker.clone())),
        ("mqtt_version", Some(report.mqtt_version.clone())),
        ("connections", Some(report.connections.to_string())),
        ("publishers", Some(report.publishers.to_string())),
        ("qos", Some(report.qos.to_string())),
        ("payload_bytes", Some(report.payload_bytes.to_string())),
        (
            "messages_per_sec",
            report.messages_per_sec.map(|r| r.to_string()),
        ),
        ("secs", Some(format!("{:.3}", counts.secs))),
        ("sent", Some(counts.sent.to_string())),
        ("expected", Some(counts.expected.to_string())),
        ("received", Some(counts.received.to_string())),
        (
            "received_per_sec",
            Some(format!("{:.0}", counts.received_per_sec)),
        ),
        ("sent_per_sec", Some(format!("{:.0}", counts.sent_per_sec))),
        ("lost", Some(counts.lost.to_string())),
        ("duplicated", Some(counts.duplicated.to_string())),
        ("reordered", Some(counts.reordered.to_string())),
        ("refused", Some(counts.refused.to_string())),
        ("connected", Some(counts.connected.to_string())),
        ("failed_clients", Some(counts.failed_clients.to_string())),
        ("p50_us", time(|l| l.p50_us)),
        ("p90_us", time(|l| l.p90_us)),
        ("p99_us", time(|l| l.p99_us)),
        ("p999_us", time(|l| l.p999_us)),
        ("max_us", time(|l| l.max_us)),
        ("ack_p50_us", acknowledged(|l| l.p50_us)),
        ("ack_p99_us", acknowledged(|l| l.p99_us)),
        (
            "broker_cpu_us",
            used(|b| format!("{:.3}", b.cpu_us_per_item)),
        ),
        ("broker_rss_peak", used(|b| b.rss_bytes_peak.to_string())),
        (
            "broker_rss_per_kept",
            broker
                .and_then(|b| b.rss_bytes_per_kept)
                .map(|each| format!("{each:.0}")),
        ),
        (
            "generator_cpu_us",
            Some(format!("{:.3}", report.generator.cpu_us_per_item)),
        ),
        (
            "generator_is_limit",
            Some(report.generator.is_limit.to_string()),
        ),
        ("is_complete", Some(report.is_complete.to_string())),
    ];
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = cells
        .into_iter()
        .map(|(_, value)| value.unwrap_or_default())
        .collect();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

/// A time in the unit that suits it.
fn time(us: f64) -> String {
    match us {
        _ if us < 1000.0 => format!("{us:.0} µs"),
        _ if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        _ if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        _ if bytes < 10_000.0 => format!("{bytes:.0} bytes"),
        _ if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        _ if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_suits_them() {
        assert_eq!(time(0.4), "0 µs");
        assert_eq!(time(999.0), "999 µs");
        assert_eq!(time(1234.0), "1.23 ms");
        assert_eq!(time(12_340.0), "12.3 ms");
        assert_eq!(time(1_234_000.0), "1.23 s");
        assert_eq!(bytes(733.0), "733 bytes");
        assert_eq!(bytes(2.5e6), "2.5 MB");
    }

    #[test]
    fn a_line_of_progress_names_stage_rate_and_tail() {
        let line = progress(&Progress {
            stage: "publishing",
            elapsed: std::time::Duration::from_secs(3),
            sent: 1,
            received: 1,
            per_sec: 12_345.0,
            p99_us: Some(1234.0),
            done: Some(0.5),
        });
        assert_eq!(
            line,
            "    3s  ██████████░░░░░░░░░░  50 %  publishing  12,345/s  p99 1.23 ms"
        );
    }
}
