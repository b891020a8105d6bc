//! `columba-sim`: runs seeds and says how to run a failed one again.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool reports on standard output"
)]

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use columba_sim::{Options, Planted, Report, run};

/// Runs the whole broker against faults, one seed after the other.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every event; for use with --seed.
    #[arg(long)]
    trace: bool,
    /// Run seeds for so many minutes instead of a number of them.
    #[arg(long)]
    minutes: Option<u64>,
    /// Let the disk be full again and again, wherever there is one.
    #[arg(long)]
    tight: bool,
    /// What the store promises wherever there is one, instead of what the seed draws: sync, or os, which
    /// does not outlive a loss of power.
    #[arg(long, value_parser = ["sync", "os"])]
    durability: Option<String>,
    /// Plant a fault that is to be found: unsynced, unwritten, last-record, halves, early-release,
    /// late-release, lost-release, lost-turn, or the first byte of records that are lost.
    #[arg(long, value_parser = planted)]
    planted: Option<Planted>,
    /// Go on after a seed that fails.
    #[arg(long)]
    keep_going: bool,
}

impl Arguments {
    /// The options that make another run of a seed.
    fn of_run(&self) -> String {
        let tight = if self.tight { " --tight" } else { "" };
        let durability = self.durability.as_ref();
        let durability = durability.map(|of| format!(" --durability {of}"));
        let planted = self.planted.map(|of| format!(" --planted {}", name_of(of)));
        let (durability, planted) = (durability.unwrap_or_default(), planted.unwrap_or_default());
        format!("{tight}{durability}{planted}")
    }
}

/// What has a name of its own.
const PLANTED: [(&str, Planted); 8] = [
    ("unsynced", Planted::Unsynced),
    ("unwritten", Planted::Unwritten),
    ("last-record", Planted::LastRecord),
    ("halves", Planted::Halves),
    ("early-release", Planted::EarlyRelease),
    ("late-release", Planted::LateRelease),
    ("lost-release", Planted::LostRelease),
    ("lost-turn", Planted::LostTurn),
];

fn planted(text: &str) -> Result<Planted, String> {
    let named = PLANTED.iter().find(|(name, _)| *name == text);
    if let Some((_, planted)) = named {
        return Ok(*planted);
    }
    let kind = text.parse().map(Planted::RecordsOf);
    kind.map_err(|_| format!("{text} is no fault that is known"))
}

fn name_of(planted: Planted) -> String {
    if let Planted::RecordsOf(kind) = planted {
        return kind.to_string();
    }
    let named = PLANTED.iter().find(|(_, of)| *of == planted);
    named.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

/// The seed that is running, for the message of a panic.
static SEED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let usual = std::panic::take_hook();
    let of_run = arguments.of_run();
    let of_panic = of_run.clone();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        println!("{}", how_to_replay(SEED.load(Ordering::Relaxed), &of_panic));
    }));
    let options = Options {
        is_traced: arguments.trace,
        is_tight: arguments.tight,
        is_synced: arguments.durability.as_ref().map(|of| of == "sync"),
        planted: arguments.planted,
        ..Options::default()
    };
    let started = Instant::now();
    let limit = arguments
        .minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let seeds = match (arguments.seed, limit) {
        (Some(seed), _) => seed..=seed,
        (None, Some(_)) => arguments.start..=u64::MAX,
        (None, None) => arguments.start..=arguments.start + arguments.seeds.saturating_sub(1),
    };
    let (mut count, mut inputs, mut delivered, mut failed) = (0u64, 0, 0, 0u64);
    let (mut asked, mut covered, mut unsure) = (0, 0, 0);
    for seed in seeds {
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            break;
        }
        SEED.store(seed, Ordering::Relaxed);
        let report = run(seed, options);
        count += 1;
        inputs += report.inputs;
        delivered += report.delivered;
        asked += report.verdicts.asked;
        covered += report.verdicts.covered;
        unsure += report.verdicts.unsure;
        if arguments.seed.is_some() {
            let (hash, accepted) = (report.trace_hash, report.accepted);
            println!(
                "seed {seed}: trace {hash:016x}, {} inputs, {accepted} messages accepted",
                report.inputs
            );
        }
        if say(&report, &of_run) {
            failed += 1;
            if !arguments.keep_going {
                break;
            }
        }
    }
    let secs = started.elapsed().as_secs_f64();
    let per_minute = count as f64 / secs * 60.0;
    println!(
        "{count} seeds, {failed} failed, {inputs} inputs, {delivered} deliveries in {secs:.1} s: {per_minute:.0} seeds a minute"
    );
    println!("{asked} verdicts judged; of {covered} that the record covers {unsure} are not sure");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints a failure; whether it was one.
fn say(report: &Report, of_run: &str) -> bool {
    let Some((check, detail)) = &report.failure else {
        return false;
    };
    println!("seed {} fails {check}: {detail}", report.seed);
    println!("{}", how_to_replay(report.seed, of_run));
    true
}

/// `of_run` are the options without which the seed makes another run.
fn how_to_replay(seed: u64, of_run: &str) -> String {
    let commit = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!("commit {commit}; replay: cargo xtask sim --seed {seed}{of_run} [--trace]")
}
