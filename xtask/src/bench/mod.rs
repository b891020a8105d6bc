//! `cargo xtask bench`: brokers side by side under the same loads, written as `docs/benchmarks.md`.
//!
//! Each round runs each workload against each broker in turn, so that a change of the machine's
//! mood hits all; a cell is the median of its rounds. The load comes from `columba bench` in a
//! process of its own, which checks every message for loss, duplicates and order.

pub(crate) mod clients;
pub(crate) mod durable;
mod peer;
mod table;
mod workload;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use crate::process::{cargo, fresh_dir, quiet};
use peer::{Peer, Running};
use workload::{Measure, Pace, WORKLOADS, Workload};

/// What to run.
pub(crate) struct Options {
    rounds: usize,
    /// Seconds of each measurement that does not end by itself.
    secs: u32,
    /// Only brokers and workloads whose name contains one of these texts.
    brokers: Vec<String>,
    workloads: Vec<String>,
    builds: bool,
    /// Whether the build starts from nothing, and its time is told.
    is_clean: bool,
    /// Whether `docs/benchmarks.md` is written.
    writes: bool,
    /// Whether the broker is compared with itself without the flight recorder, and not with others.
    is_of_recorder: bool,
}

/// How the command is used.
pub(crate) const USAGE: &str = "\
cargo xtask bench [--rounds 3] [--secs 2] [--brokers a,b] [--only text,text] [--no-build | --clean]
                  [--write | --recorder]       brokers side by side; --write: docs/benchmarks.md;
                                               --recorder: with the flight recorder off and on";

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self {
            rounds: 3,
            secs: 2,
            brokers: Vec::new(),
            workloads: Vec::new(),
            builds: true,
            is_clean: false,
            writes: false,
            is_of_recorder: false,
        };
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} what?"));
            match word {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--secs" => options.secs = value()?.parse().context("--secs")?,
                "--brokers" => options.brokers = list(value()?),
                "--only" => options.workloads = list(value()?),
                "--no-build" => options.builds = false,
                "--clean" => options.is_clean = true,
                "--write" => options.writes = true,
                "--recorder" => options.is_of_recorder = true,
                _ => bail!("no such option: {word}\n{USAGE}"),
            }
        }
        ensure!(options.rounds > 0, "--rounds must be at least 1");
        ensure!(
            !(options.writes && options.is_of_recorder),
            "docs/benchmarks.md is of brokers side by side: --write goes without --recorder"
        );
        Ok(options)
    }

    /// Only the broker, for clients to be measured with.
    fn for_clients(builds: bool) -> Self {
        Self {
            rounds: 1,
            secs: 1,
            brokers: Vec::new(),
            workloads: Vec::new(),
            builds,
            is_clean: false,
            writes: false,
            is_of_recorder: false,
        }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
struct Sample {
    cpu_us: f64,
    per_sec: f64,
    p99_us: Option<f64>,
    p999_us: Option<f64>,
    sent_per_sec: f64,
    /// Memory for each thing that the broker keeps.
    bytes_per_kept: Option<f64>,
    rss_bytes_peak: f64,
    /// Lost, duplicated and reordered messages, and messages without their handshake's end.
    broken: [u64; 4],
    is_generator_limit: bool,
}

/// All measurements of a cell, or why there are none.
#[derive(Clone, Debug, Default)]
struct Cell {
    samples: Vec<Sample>,
    failure: Option<String>,
}

/// Cells by workload and broker, as numbered in the two lists.
type Cells = BTreeMap<(usize, usize), Cell>;

/// Runs everything that is asked for and prints the tables.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let columba = release_binary(root, options)?;
    raise_file_limit()?;
    let is_wanted = |wanted: &[String], name: &str| {
        wanted.is_empty() || wanted.iter().any(|w| name.contains(w))
    };
    let kinds: &[peer::Kind] = match options.is_of_recorder {
        true => &peer::RECORDER_KINDS,
        false => &peer::KINDS,
    };
    let kinds = kinds
        .iter()
        .copied()
        .filter(|kind| is_wanted(&options.brokers, kind.name()));
    let mut peers = Vec::new();
    let mut missing = Vec::new();
    for kind in kinds {
        match kind.find(&columba) {
            Some(peer) => peers.push(peer),
            None => missing.push(kind),
        }
    }
    for kind in &missing {
        println!("{} is not installed: {}", kind.name(), kind.source());
    }
    let workloads: Vec<&Workload> = WORKLOADS
        .iter()
        .filter(|workload| is_wanted(&options.workloads, workload.name))
        .collect();
    let mut cells = Cells::new();
    for round in 1..=options.rounds {
        for (row, workload) in workloads.iter().enumerate() {
            for (column, peer) in peers.iter().enumerate() {
                let rate = half_rate(workload, &workloads, &cells, column);
                let sample = measure(root, &columba, peer, workload, rate, options);
                let cell = cells.entry((row, column)).or_default();
                match sample {
                    Ok(Some(sample)) => {
                        println!(
                            "round {round}, {}, {}: {:.2} us, {:.0}/s",
                            workload.name,
                            peer.kind.name(),
                            sample.cpu_us,
                            sample.per_sec
                        );
                        cell.samples.push(sample);
                    }
                    Ok(None) => cell.failure = Some("–".to_owned()),
                    Err(error) => {
                        println!("{}, {}: {error:#}", workload.name, peer.kind.name());
                        cell.failure = Some(format!("{error:#}"));
                    }
                }
            }
        }
    }
    let text = table::render(&table::Page {
        columba: &columba,
        peers: &peers,
        missing: &missing,
        workloads: &workloads,
        cells: &cells,
        rounds: options.rounds,
        secs: options.secs,
    })?;
    println!("\n{text}");
    if options.writes {
        let page = root.join("docs/benchmarks.md");
        fs::write(&page, text)?;
        println!("written to {}", page.display());
    }
    Ok(true)
}

/// Messages a second that a workload with [`Pace::HalfOf`] runs at.
fn half_rate(
    workload: &Workload,
    workloads: &[&Workload],
    cells: &Cells,
    column: usize,
) -> Option<f64> {
    let Pace::HalfOf(name) = workload.pace else {
        return None;
    };
    let row = workloads.iter().position(|other| other.name == name)?;
    let cell = cells.get(&(row, column))?;
    let rate = table::median(cell, |sample| Some(sample.per_sec))?;
    Some((rate / 2.0).round())
}

/// Starts a broker, runs one workload against it and stops it. `None`: it does not speak the
/// version, or the rate that this one depends on is not known.
fn measure(
    root: &Path,
    columba: &Path,
    peer: &Peer,
    workload: &Workload,
    rate: Option<f64>,
    options: &Options,
) -> anyhow::Result<Option<Sample>> {
    let dir = fresh_dir(root.join("target/bench/broker"))?;
    let Running { server, v3, v5 } = peer.start(&dir)?;
    let port = if workload.needs_v5 { v5 } else { Some(v3) };
    let Some(port) = port else { return Ok(None) };
    let mut command = Command::new(columba);
    command.arg("bench").args(workload.arguments.split(' '));
    if !workload.needs_v5 {
        command.args(["-V", "3.1.1"]);
    }
    if let Pace::HalfOf(_) = workload.pace {
        let Some(rate) = rate else { return Ok(None) };
        command.args(["--rate", &rate.to_string()]);
    }
    if !workload.is_counted() {
        let duration = format!("{}s", options.secs);
        command.args(["--duration", &duration, "--warmup", "200ms"]);
    }
    command
        .args(["--port", &port.to_string()])
        .args(["--broker-pid", &server.id().to_string()])
        .args(["--stall-timeout", "5s", "--json", "--quiet"]);
    sample(&report(command)?).map(Some)
}

/// Runs `columba bench` and reads what it reports.
fn report(mut command: Command) -> anyhow::Result<Value> {
    command.stdin(Stdio::null());
    let output = command.output().context("columba bench")?;
    if output.stdout.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("{}", why.trim().trim_start_matches("error: "));
    }
    serde_json::from_slice(&output.stdout).context("its report")
}

fn sample(report: &Value) -> anyhow::Result<Sample> {
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64);
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let needed = |path: &str| number(path).with_context(|| format!("no {path} in the report"));
    let per_sec = match number("/received_per_sec") {
        Some(rate) if rate > 0.0 => rate,
        _ => needed("/stages/0/per_sec")?,
    };
    Ok(Sample {
        cpu_us: needed("/broker_use/cpu_us_per_item")?,
        per_sec,
        p99_us: number("/latency/p99_us"),
        p999_us: number("/latency/p999_us"),
        sent_per_sec: number("/sent_per_sec").unwrap_or(0.0),
        bytes_per_kept: number("/broker_use/rss_bytes_per_connection")
            .or_else(|| number("/broker_use/rss_bytes_per_kept")),
        rss_bytes_peak: needed("/broker_use/rss_bytes_peak")?,
        broken: ["/lost", "/duplicated", "/reordered", "/unacknowledged"].map(count),
        is_generator_limit: report.pointer("/generator/is_limit") == Some(&Value::Bool(true)),
    })
}

/// Child processes inherit the limit.
fn raise_file_limit() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Builds the release unless told not to, and tells how large it is.
pub(crate) fn release_binary(root: &Path, options: &Options) -> anyhow::Result<PathBuf> {
    let mut target = root.join("target");
    if options.is_clean {
        target = fresh_dir(target.join("bench/build"))?;
    }
    let binary = target.join("release/columba");
    if options.builds {
        let start = Instant::now();
        let mut build = cargo(["build", "--release", "--locked", "--package", "columba-cli"]);
        build.current_dir(root).env("CARGO_TARGET_DIR", &target);
        quiet(build)?;
        if options.is_clean {
            let secs = start.elapsed().as_secs_f64();
            println!("release build from clean: {secs:.0} s");
        }
    }
    ensure!(
        binary.is_file(),
        "{} is missing: run without --no-build",
        binary.display()
    );
    let megabytes = fs::metadata(&binary)?.len() as f64 / 1e6;
    println!("binary: {megabytes:.1} MB");
    Ok(binary)
}

impl Workload {
    /// What its cells show, from one sample.
    fn figures(&self, cell: &Cell) -> Option<[Option<f64>; 3]> {
        let cpu = table::median(cell, |sample| Some(sample.cpu_us))?;
        let [second, third] = match self.measure {
            Measure::Throughput => [table::median(cell, |sample| Some(sample.per_sec)), None],
            Measure::Latency => [
                table::median(cell, |sample| sample.p99_us),
                table::median(cell, |sample| sample.p999_us),
            ],
            Measure::Matching => [
                table::median(cell, |sample| Some(sample.sent_per_sec)),
                None,
            ],
            Measure::Connections | Measure::Memory => [None, None],
        };
        Some([Some(cpu), second, third])
    }
}
