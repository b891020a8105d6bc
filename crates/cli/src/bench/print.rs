//! The report of a run for people, and as CSV.

use std::fmt::Write as _;

use columba_bench::report::{BrokerUse, Latency};
use columba_bench::{Progress, Report};
use columba_speech::width::{pad, width};
use columba_speech::{Language, Param, Text};

use crate::words::bench as words;

/// One line while a run goes on.
pub(super) fn progress(progress: &Progress, language: Language) -> String {
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
        words::told(progress.stage).to_string(language),
        grouped(progress.per_sec.round() as u64)
    );
    if let Some(p99) = progress.p99_us {
        let _ = write!(line, "  p99 {}", time(p99));
    }
    line
}

/// The report for people.
pub(super) fn summary(report: &Report, language: Language) -> String {
    let mut page = Page {
        report,
        language,
        text: String::new(),
    };
    page.headline();
    page.stages();
    page.messages();
    if let Some(latency) = &report.latency {
        page.latency_table(latency);
    }
    if let Some(times) = &report.acknowledgement
        && report.kind != "pub"
    {
        page.latency_table(times);
    }
    if let Some(broker) = &report.broker_use {
        page.broker_lines(broker);
    }
    page.generator_line();
    for note in &report.notes {
        page.line(words::note(words::told(note)));
    }
    page.text
}

/// The report, as it is written.
struct Page<'a> {
    report: &'a Report,
    language: Language,
    text: String,
}

impl Page<'_> {
    fn said(&self, text: impl Into<Param>) -> String {
        text.into().to_string(self.language)
    }

    fn line(&mut self, text: Text) {
        let text = self.said(text);
        let _ = writeln!(self.text, "  {text}");
    }

    fn headline(&mut self) {
        let report = self.report;
        let mut parts = words::load(
            report.kind,
            report.broker.as_str(),
            report.mqtt_version.as_str(),
            grouped(report.connections as u64),
        );
        if report.kind != "conn" {
            let (qos, subscribe_qos) = (report.qos.to_string(), report.subscribe_qos.to_string());
            let qos = match report.kind {
                "mixed" => words::mixed_qos().into(),
                "sub" => Param::from(format!("QoS {subscribe_qos}")),
                _ if qos == subscribe_qos || report.kind == "pub" => format!("QoS {qos}").into(),
                _ => words::qos_to(qos, subscribe_qos).into(),
            };
            parts = words::and(parts, qos);
        }
        if report.kind != "conn" && report.kind != "sub" {
            parts = words::and(parts, words::bytes(grouped(report.payload_bytes as u64)));
            let pace = match report.messages_per_sec {
                Some(rate) => words::open_loop(grouped(rate.round() as u64)),
                None => words::closed_loop(),
            };
            parts = words::and(parts, pace);
        }
        let parts = self.said(parts);
        let _ = write!(self.text, "\n{parts}\n\n");
    }

    fn stages(&mut self) {
        for stage in &self.report.stages {
            let us = stage.broker_cpu_us_per_item;
            let of_broker = us.map(|us| self.said(words::of_the_broker(format!("{us:>9.3}"))));
            let _ = writeln!(
                self.text,
                "  {} {:>14} {} {:>9.3} s {:>14}/s{}",
                pad(&self.said(words::told(stage.name)), 12),
                grouped(stage.count),
                pad(&self.said(words::told(stage.unit)), 11),
                stage.secs,
                grouped(stage.per_sec.round() as u64),
                of_broker.unwrap_or_default()
            );
        }
        self.text.push('\n');
    }

    fn messages(&mut self) {
        let report = self.report;
        let counts = &report.counts;
        if report.kind == "conn" {
            self.line(words::connected(
                grouped(counts.connected),
                grouped(counts.failed_clients),
            ));
            self.text.push('\n');
            return;
        }
        let mut cells = Vec::new();
        if report.kind != "sub" {
            cells.push((words::sent(), counts.sent));
        }
        if report.kind != "pub" {
            cells.push((words::received(), counts.received));
            cells.push((words::lost(), counts.lost));
            cells.push((words::duplicated(), counts.duplicated));
            cells.push((words::reordered(), counts.reordered));
        }
        if counts.refused > 0 || report.kind == "pub" {
            cells.push((words::refused(), counts.refused));
        }
        if counts.unacknowledged > 0 {
            cells.push((words::unacknowledged(), counts.unacknowledged));
        }
        let (mut titles, mut numbers) = (String::new(), String::new());
        for (title, number) in cells {
            let (title, number) = (self.said(title), grouped(number));
            let cells = width(&title).max(width(&number));
            let _ = write!(titles, " {} ", pad_left(&title, cells));
            let _ = write!(numbers, " {} ", pad_left(&number, cells));
        }
        let _ = writeln!(self.text, " {titles}\n {numbers}");
        if counts.lost > 0 && counts.expected > 0 {
            let share = counts.lost as f64 * 100.0 / counts.expected as f64;
            let expected = grouped(counts.expected);
            self.line(words::share_lost(format!("{share:.4}"), expected));
        }
        self.text.push('\n');
    }

    fn latency_table(&mut self, latency: &Latency) {
        let of = words::told(latency.of);
        self.line(words::times(of, grouped(latency.count)));
        let rows = [
            ("p50".into(), latency.p50_us),
            ("p90".into(), latency.p90_us),
            ("p99".into(), latency.p99_us),
            ("p99.9".into(), latency.p999_us),
            (Param::from(words::most()), latency.max_us),
        ];
        let (mut names, mut values) = (String::new(), String::new());
        for (name, value) in rows {
            let _ = write!(names, " {}", pad_left(&self.said(name), 10));
            let _ = write!(values, " {:>10}", time(value));
        }
        let _ = write!(self.text, " {names}\n {values}\n\n");
    }

    /// What stands before the lines about the broker and the generator.
    fn label(&self, text: Text) -> String {
        pad(&self.said(text), 10)
    }

    fn broker_lines(&mut self, broker: &BrokerUse) {
        let kept = match self.report.kind {
            "filters" => "filter",
            _ => "message",
        };
        let time = words::broker_time(
            format!("{:.2}", broker.cpu_us_per_item),
            words::told(item(self.report)),
            format!("{:.0}", broker.cores * 100.0),
        );
        let mut memory = words::memory(
            size(broker.rss_bytes_after as f64),
            size(broker.rss_bytes_peak as f64),
        );
        if let Some(each) = broker.rss_bytes_per_connection {
            memory = words::and(memory, words::a_connection(size(each)));
        }
        if let Some(each) = broker.rss_bytes_per_kept {
            memory = words::and(memory, words::kept(size(each), words::told(kept)));
        }
        let (label, time) = (self.label(words::broker()), self.said(time));
        let (below, memory) = (" ".repeat(10), self.said(memory));
        let _ = write!(self.text, "  {label} {time}\n  {below} {memory}\n");
    }

    fn generator_line(&mut self) {
        let generator = &self.report.generator;
        let mut used = words::generator_time(
            format!("{:.2}", generator.cpu_us_per_item),
            words::told(item(self.report)),
            format!("{:.0}", generator.busiest_thread * 100.0),
        );
        if let Some(lag) = generator.lag_p99_us {
            used = words::and(used, words::late(time(lag)));
        }
        let (label, used) = (self.label(words::generator()), self.said(used));
        let _ = writeln!(self.text, "  {label} {used}");
    }
}

/// A number of bytes in the unit that suits it, in words where that is the byte.
fn size(count: f64) -> Param {
    match count < KILOBYTES_FROM {
        true => words::bytes(format!("{count:.0}")).into(),
        false => bytes(count).into(),
    }
}

/// Blanks before a text, up to so many cells.
fn pad_left(text: &str, cells: usize) -> String {
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))))
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

/// Numbers of bytes from here on are shown in larger units.
const KILOBYTES_FROM: f64 = 10_000.0;

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        _ if bytes < KILOBYTES_FROM => format!("{bytes:.0} bytes"),
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
        let seen = Progress {
            stage: "publishing",
            elapsed: std::time::Duration::from_secs(3),
            sent: 1,
            received: 1,
            per_sec: 12_345.0,
            p99_us: Some(1234.0),
            done: Some(0.5),
        };
        assert_eq!(
            progress(&seen, Language::English),
            "    3s  ██████████░░░░░░░░░░  50 %  publishing  12,345/s  p99 1.23 ms"
        );
        assert_eq!(
            progress(&seen, Language::Chinese),
            "    3s  ██████████░░░░░░░░░░  50 %  发布  12,345/s  p99 1.23 ms"
        );
    }
}
