//! The page: machine, brokers, tables, and how to do it again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::peer::{Kind, Peer};
use super::workload::{Measure, Pace, Workload};
use super::{Cell, Cells, Sample};

/// What a page is made of.
pub(super) struct Page<'a> {
    pub(super) columba: &'a Path,
    pub(super) peers: &'a [Peer],
    pub(super) missing: &'a [Kind],
    pub(super) workloads: &'a [&'a Workload],
    pub(super) cells: &'a Cells,
    pub(super) rounds: usize,
    pub(super) secs: u32,
}

/// The median of a figure over the samples that have it.
pub(super) fn median(cell: &Cell, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let mut figures: Vec<f64> = cell.samples.iter().filter_map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// The whole page as Markdown.
pub(super) fn render(page: &Page<'_>) -> anyhow::Result<String> {
    let mut out = String::from(INTRODUCTION);
    let _ = writeln!(
        out,
        "{} rounds, {} s for each measurement that does not end by itself; a cell is the median \
         of its rounds.\n",
        page.rounds, page.secs
    );
    machine(&mut out, page)?;
    let tables: [(&str, &str, Measure, usize); 8] = [
        ("Processor time per message", CPU, Measure::Throughput, 0),
        ("Messages per second", RATE, Measure::Throughput, 1),
        ("Latency: 99 %", P99, Measure::Latency, 1),
        ("Latency: 99.9 %", P999, Measure::Latency, 2),
        (
            "Processor time per message at a given rate",
            OPEN_CPU,
            Measure::Latency,
            0,
        ),
        (
            "Many subscriptions: processor time",
            MATCH_CPU,
            Measure::Matching,
            0,
        ),
        (
            "Many subscriptions: messages per second",
            MATCH_RATE,
            Measure::Matching,
            1,
        ),
        (
            "Processor time per connection",
            CONNECT,
            Measure::Connections,
            0,
        ),
    ];
    for (title, about, measure, figure) in tables {
        table(&mut out, page, title, about, measure, figure);
    }
    kept(&mut out, page);
    memory(&mut out, page);
    broken(&mut out, page);
    commands(&mut out, page);
    Ok(out)
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench --write`. Brokers are measured one after the other on the same
machine, in memory, over plain TCP on loopback, by `columba bench` in a process of its own, which
checks every message for loss, duplicates and order. What counts is the ratio within a row: rates
depend on the machine and on what else runs there, and the cost of loopback is part of every
figure. [bench.md](bench.md) says how the generator measures.

";
const CPU: &str = "Microseconds of the broker's processor time (user and system) for each delivery, as fast as the\nbroker takes and delivers. Less is better.";
const RATE: &str = "Deliveries a second in the same runs; a `*` marks runs in which the generator, and not the broker,\nset the pace. More is better.";
const P99: &str = "Microseconds from the time a message was due to its arrival that 99 % of the messages did not\nexceed, at a given rate (open loop); half load is half of the broker's own rate in \"20 pairs, QoS 1\"\nabove. A `*` marks runs in which the generator itself was late or busy.";
const P999: &str = "The same for 99.9 %.";
const MATCH_CPU: &str = "Microseconds of the broker's processor time for each message published (not delivered), as fast as\nthe broker takes and delivers, while 100 clients have 20,000 subscriptions, three of five with\nwildcards.";
const MATCH_RATE: &str = "Messages published a second in the same runs. More is better.";
const CONNECT: &str = "Microseconds from TCP's handshake to CONNACK.";
const OPEN_CPU: &str = "Microseconds of the broker's processor time for each delivery in these runs: mostly the cost of\nwaking up for a single message.";

/// A sentence that says what a page was measured on.
pub(super) fn machine_line() -> anyhow::Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']))
        .collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "Machine: {} processors, {}; Linux {}; load at the end {}.",
        models.len(),
        models.first().unwrap_or(&"model unknown"),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    ))
}

fn machine(out: &mut String, page: &Page<'_>) -> anyhow::Result<()> {
    let _ = writeln!(out, "{}\n", machine_line()?);
    let _ = writeln!(out, "| broker | version | from |\n|---|---|---|");
    for peer in page.peers {
        let (name, source) = (peer.kind.name(), peer.kind.source());
        let _ = writeln!(out, "| {name} | {} | `{source}` |", peer.version());
    }
    for kind in page.missing {
        let (name, source) = (kind.name(), kind.source());
        let _ = writeln!(out, "| {name} | not installed, not measured | `{source}` |");
    }
    let megabytes = fs::metadata(page.columba)?.len() as f64 / 1e6;
    let _ = writeln!(out, "\nColumba's binary, all in one: {megabytes:.1} MB.");
    Ok(())
}

fn table(
    out: &mut String,
    page: &Page<'_>,
    title: &str,
    about: &str,
    measure: Measure,
    figure: usize,
) {
    let rows: Vec<usize> = (0..page.workloads.len())
        .filter(|row| page.workloads[*row].measure == measure)
        .collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {title}\n\n{about}\n");
    header(out, page);
    for row in rows {
        let workload = page.workloads[row];
        let _ = write!(out, "| {} |", workload.name);
        for column in 0..page.peers.len() {
            let cell = page.cells.get(&(row, column));
            let _ = write!(out, " {} |", shown(workload, cell, figure));
        }
        out.push('\n');
    }
}

fn header(out: &mut String, page: &Page<'_>) {
    let names: Vec<&str> = page.peers.iter().map(|peer| peer.kind.name()).collect();
    let rule = "---|".repeat(names.len());
    let _ = writeln!(out, "| | {} |\n|---|{rule}", names.join(" | "));
}

fn shown(workload: &Workload, cell: Option<&Cell>, figure: usize) -> String {
    let Some(cell) = cell else {
        return String::new();
    };
    let Some(figures) = workload.figures(cell) else {
        // Why is in the list of what was broken.
        let is_skipped = cell.failure.as_deref() == Some("–");
        return if is_skipped { "–" } else { "failed" }.to_owned();
    };
    let Some(value) = figures.get(figure).copied().flatten() else {
        return "–".to_owned();
    };
    // Processor time does not depend on who set the pace.
    let is_limit = cell.samples.iter().any(|sample| sample.is_generator_limit);
    let mark = if figure > 0 && is_limit { "*" } else { "" };
    format!("{}{mark}", number(value))
}

/// Three digits, thousands apart.
pub(super) fn number(value: f64) -> String {
    match value {
        v if v < 1.0 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => {
            let digits = format!("{v:.0}");
            let mut out = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
    }
}

fn kept(out: &mut String, page: &Page<'_>) {
    let rows = page.workloads.iter().enumerate();
    let rows: Vec<_> = rows.filter_map(|(row, w)| Some((row, w.keeps?))).collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Memory for each\n\nResident bytes gained, divided by what the broker was given to keep. \
         Messages have 64 bytes.\n"
    );
    header(out, page);
    for (row, name) in rows {
        let _ = write!(out, "| {name} |");
        for column in 0..page.peers.len() {
            let cell = page.cells.get(&(row, column));
            let each = cell.and_then(|cell| median(cell, |sample| sample.bytes_per_kept));
            let _ = write!(out, " {} |", each.map_or_else(|| "–".to_owned(), number));
        }
        out.push('\n');
    }
}

fn memory(out: &mut String, page: &Page<'_>) {
    let _ = writeln!(
        out,
        "\n## Memory at the peak\n\nMegabytes, the broker's own start included.\n"
    );
    header(out, page);
    for (row, workload) in page.workloads.iter().enumerate() {
        let _ = write!(out, "| {} |", workload.name);
        for column in 0..page.peers.len() {
            let peak = page
                .cells
                .get(&(row, column))
                .and_then(|cell| median(cell, |sample| Some(sample.rss_bytes_peak / 1e6)));
            let _ = write!(out, " {} |", peak.map_or_else(|| "–".to_owned(), number));
        }
        out.push('\n');
    }
}

/// Promises of MQTT that were not kept, and runs that failed.
fn broken(out: &mut String, page: &Page<'_>) {
    let _ = writeln!(out, "\n## Lost, duplicated, reordered\n");
    let mut is_clean = true;
    for ((row, column), cell) in page.cells {
        let (workload, peer) = (page.workloads[*row], &page.peers[*column]);
        let mut sum = [0; 4];
        for sample in &cell.samples {
            for (all, one) in sum.iter_mut().zip(sample.broken) {
                *all += one;
            }
        }
        if sum != [0; 4] {
            let [lost, duplicated, reordered, open] = sum;
            is_clean = false;
            let _ = writeln!(
                out,
                "- {}, {}: {lost} lost, {duplicated} duplicated, {reordered} reordered, {open} not \
                 acknowledged in {} runs",
                peer.kind.name(),
                workload.name,
                cell.samples.len()
            );
        }
        if let Some(why) = cell.failure.as_deref().filter(|why| *why != "–") {
            is_clean = false;
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(out, "- {}, {}: {why}", peer.kind.name(), workload.name);
        }
    }
    if is_clean {
        let _ = writeln!(out, "Nothing, in any run of any broker.");
    }
}

fn commands(out: &mut String, page: &Page<'_>) {
    let _ = writeln!(
        out,
        "\n## How to do it again\n\n\
         `cargo xtask bench --write` builds Columba and measures all brokers that are installed;\n\
         `COLUMBA_BENCH_PEERS` may name a directory with their programs. One cell by hand: start\n\
         the broker with the configuration below and run\n\
         `columba bench ARGUMENTS -V 3.1.1 --duration {}s --warmup 200ms --broker-pid PID`:\n\n\
         | workload | arguments |\n|---|---|",
        page.secs
    );
    for workload in page.workloads {
        let rate = match workload.pace {
            Pace::HalfOf(name) => format!(" --rate HALF, half of the broker's own \"{name}\""),
            Pace::Given => String::new(),
        };
        let _ = writeln!(
            out,
            "| {} | `{}`{rate} |",
            workload.name, workload.arguments
        );
    }
    for peer in page.peers {
        let _ = writeln!(
            out,
            "\n{}:\n\n```\n{}\n```",
            peer.kind.name(),
            peer.settings().trim_end()
        );
    }
}
