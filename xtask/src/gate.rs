//! `cargo xtask test`: every check that a change must pass, in the order of what fails fastest.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use crate::matrix::{self, Sums, broker::Kind};
use crate::process::{cargo, find, tee};
use crate::{api, conformance, crash, provision, tidy};

/// Seeds that the simulator runs in the gate, besides those that its tests run.
const GATE_SEEDS: &str = "500";
const FUZZ_SECS: u32 = 30;
/// How brokers die in the gate.
const GATE_CRASHES: [(&str, &[&str]); 3] = [
    ("crash", &["--trials", "50"]),
    ("loss of power", &["--power-loss", "--trials", "20"]),
    ("disk faults", &["--faults", "--trials", "12"]),
];

/// What ran, and how it ended.
#[derive(Default)]
struct Ledger {
    lines: Vec<(String, bool, f64)>,
    tests: Sums,
}

impl Ledger {
    /// Runs one step; a step that cannot run has failed.
    fn step(&mut self, name: &str, run: impl FnOnce() -> anyhow::Result<Step>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let is_fine = match run() {
            Ok(step) => {
                self.tests.passed += step.tests.passed;
                self.tests.failed += step.tests.failed;
                step.is_fine
            }
            Err(error) => {
                println!("{name}: {error:#}");
                false
            }
        };
        self.lines
            .push((name.to_owned(), is_fine, start.elapsed().as_secs_f64()));
    }

    /// Prints the steps and the sums; whether all is well.
    fn close(&self) -> bool {
        println!();
        for (name, is_fine, secs) in &self.lines {
            let verdict = if *is_fine { "ok" } else { "FAILED" };
            println!("{name:<28} {verdict:<6} {secs:>6.1} s");
        }
        println!("{} passed, {} failed", self.tests.passed, self.tests.failed);
        self.lines.iter().all(|(_, is_fine, _)| *is_fine)
    }
}

struct Step {
    is_fine: bool,
    tests: Sums,
}

impl From<bool> for Step {
    fn from(is_fine: bool) -> Self {
        Self {
            is_fine,
            tests: Sums::default(),
        }
    }
}

/// Runs everything.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let mut ledger = Ledger::default();
    ledger.step("fmt", || shown(cargo(["fmt", "--all", "--check"])));
    ledger.step("tidy", || Ok(tidy::run(root)?.into()));
    ledger.step("clippy", || {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
        ];
        shown(with_flags(cargo(words), &["--", "-D", "warnings"]))
    });
    ledger.step("tests", || tests(root));
    ledger.step("core with a store", || {
        let words = ["test", "--package", "columba-broker", "--tests", "--locked"];
        let mut tests = with_flags(cargo(words), &["--no-fail-fast"]);
        tests.env("COLUMBA_BED_STORE", "1");
        let (is_fine, text) = tee(tests)?;
        let tests = count(&text);
        Ok(Step { is_fine, tests })
    });
    ledger.step("benches", || {
        // As tests: each bench runs once, at a small size.
        shown(cargo([
            "test",
            "--workspace",
            "--bench",
            "*",
            "--locked",
            "--quiet",
        ]))
    });
    ledger.step("conformance", || Ok(conformance::run(root, true)?.into()));
    if has_simulator(root) {
        ledger.step("simulator", simulate_gate);
    }
    ledger.step("docs", || {
        let mut docs = cargo([
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--locked",
        ]);
        docs.env("RUSTDOCFLAGS", "-D warnings");
        shown(docs)
    });
    ledger.step("foreign clients", || {
        let drivers = provision::drivers(root)?;
        let binary = quick_binary(root)?;
        let kinds = [1, 2].map(|shards| Kind::Columba {
            binary: binary.clone(),
            shards,
        });
        let tests = matrix::run(root, &drivers, &kinds, "")?;
        Ok(Step {
            is_fine: tests.failed == 0,
            tests,
        })
    });
    ledger.step("api", || {
        let (binary, python) = (quick_binary(root)?, provision::python(root)?);
        Ok(api::run(root, &binary, &python, api::Search::Same)?.into())
    });
    for (name, options) in GATE_CRASHES {
        ledger.step(name, || {
            let (binary, python) = (quick_binary(root)?, provision::python(root)?);
            let options = crash::Options::parse(options)?;
            Ok(crash::run(root, &binary, &python, &options)?.into())
        });
    }
    if find("cargo-deny").is_some() {
        ledger.step("cargo-deny", || {
            shown(cargo(["deny", "check", "licenses", "bans", "sources"]))
        });
    }
    if find("cargo-fuzz").is_some() && root.join("fuzz/Cargo.toml").is_file() {
        ledger.step("fuzz", || fuzz(root));
    } else {
        println!("\nno fuzzing: cargo install cargo-fuzz --locked");
    }
    Ok(ledger.close())
}

/// The cargo tests alone.
pub(crate) fn run_quick(root: &Path) -> anyhow::Result<bool> {
    let mut ledger = Ledger::default();
    ledger.step("tests", || tests(root));
    Ok(ledger.close())
}

/// The fault lab: it is among the cargo tests, and its clients are installed here.
pub(crate) fn run_fault_lab(root: &Path, only: &[&str]) -> anyhow::Result<bool> {
    provision::lab_clients(root)?;
    let lab = ["test", "--package", "columba-cli", "--test", "fault_lab"];
    let (is_fine, _) = tee(with_flags(cargo(lab), &[&["--"], only].concat()))?;
    Ok(is_fine)
}

/// The client library and the doctor against brokers from elsewhere, which are installed here. With a number of
/// seeds: so many runs through the network that cuts, delays and kills, instead of all tests.
pub(crate) fn run_brokers(root: &Path, options: &[&str]) -> anyhow::Result<bool> {
    let (mut seeds, mut start) = (None, 1);
    for option in options.chunks(2) {
        match option {
            ["--seeds", count] => seeds = Some(count.parse::<u64>().context("--seeds")?),
            ["--start", seed] => start = seed.parse::<u64>().context("--start")?,
            _ => bail!("no such option: {}", option.join(" ")),
        }
    }
    provision::brokers(root)?;
    let words = ["test", "--package", "columba-client", "--all-features"];
    let mut tests = with_flags(cargo(words), &["--test", "servers"]);
    if let Some(seeds) = seeds {
        tests.args(["--", "turmoil::", "--nocapture", "--test-threads", "1"]);
        tests.env("COLUMBA_TURMOIL_SEEDS", format!("{start} {seeds}"));
        return Ok(tee(tests)?.0);
    }
    let words = ["test", "--package", "columba-doctor", "--test", "peers"];
    let of_doctor = with_flags(cargo(words), &["--", "foreign::"]);
    let of_client = tee(tests)?.0;
    Ok(tee(of_doctor)?.0 && of_client)
}

fn shown(command: Command) -> anyhow::Result<Step> {
    Ok(tee(command)?.0.into())
}

fn with_flags(mut command: Command, flags: &[&str]) -> Command {
    command.args(flags);
    command
}

/// All cargo tests, by nextest where it is installed; it runs no doc tests, so cargo does.
fn tests(root: &Path) -> anyhow::Result<Step> {
    provision::node(&root.join("tests/differential"))?;
    provision::brokers(root)?;
    provision::shells()?;
    let all = [
        "--workspace",
        "--all-features",
        "--locked",
        "--no-fail-fast",
    ];
    if find("cargo-nextest").is_none() {
        let (is_fine, text) = tee(with_flags(cargo(["test"]), &all))?;
        return Ok(Step {
            is_fine,
            tests: count(&text),
        });
    }
    let (units_fine, units) = tee(with_flags(cargo(["nextest", "run"]), &all))?;
    let (docs_fine, docs) = tee(with_flags(cargo(["test", "--doc"]), &all))?;
    let (units, docs) = (count(&units), count(&docs));
    let passed = units.passed + docs.passed;
    let failed = units.failed + docs.failed;
    Ok(Step {
        is_fine: units_fine && docs_fine,
        tests: Sums { passed, failed },
    })
}

/// Adds up the closing lines of cargo test and nextest.
fn count(text: &str) -> Sums {
    let mut sums = Sums::default();
    for line in text.lines() {
        // Nextest shows what a test that failed has printed, indented: that one is in its own sum.
        if !(line.starts_with("test result:") || line.trim().starts_with("Summary [")) {
            continue;
        }
        for part in line.split([';', ',', ':', '.']) {
            match part.split_whitespace().collect::<Vec<_>>()[..] {
                [number, "passed", ..] => sums.passed += number.parse::<usize>().unwrap_or(0),
                [number, "failed"] => sums.failed += number.parse::<usize>().unwrap_or(0),
                _ => {}
            }
        }
    }
    sums
}

fn has_simulator(root: &Path) -> bool {
    root.join("crates/sim/src/bin/columba-sim.rs").is_file()
}

/// Runs seeds of the simulator; that it is deterministic is one of the cargo tests.
fn simulate(options: &[&str]) -> anyhow::Result<Step> {
    let run = [
        "run",
        "--profile",
        "quick",
        "--locked",
        "--package",
        "columba-sim",
        "--",
    ];
    shown(with_flags(cargo(run), options))
}

/// `cargo xtask sim`: with no option as many seeds as the gate runs.
pub(crate) fn run_simulator(options: &[&str]) -> anyhow::Result<bool> {
    if options.is_empty() {
        return Ok(simulate_gate()?.is_fine);
    }
    Ok(simulate(options)?.is_fine)
}

fn simulate_gate() -> anyhow::Result<Step> {
    simulate(&["--start", "1", "--seeds", GATE_SEEDS])
}

/// The broker, optimised but quick to link.
pub(crate) fn quick_binary(root: &Path) -> anyhow::Result<PathBuf> {
    let words = [
        "build",
        "--profile",
        "quick",
        "--locked",
        "--package",
        "columba-cli",
    ];
    let (is_fine, _) = tee(cargo(words))?;
    ensure!(is_fine, "the broker does not build");
    Ok(root.join("target/quick/columba"))
}

fn fuzz(root: &Path) -> anyhow::Result<Step> {
    let list = cargo(["fuzz", "list"]).current_dir(root).output()?;
    let mut is_fine = list.status.success();
    for target in String::from_utf8_lossy(&list.stdout).lines() {
        let limit = format!("-max_total_time={FUZZ_SECS}");
        let mut run = cargo(["fuzz", "run", target, "--", &limit]);
        // Stable Rust hides the flags that cargo-fuzz needs; this shows them.
        run.current_dir(root).env("RUSTC_BOOTSTRAP", "1");
        is_fine &= tee(run)?.0;
    }
    Ok(is_fine.into())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn closing_lines_of_both_runners_are_added_up() {
        let text = "test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n     \
                    Summary [   1.5s] 30 tests run: 28 passed (2 slow), 2 failed, 0 skipped\n";
        let sums = count(text);
        assert_eq!((sums.passed, sums.failed), (40, 3));
        let inner = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 35 filtered out\n";
        let sums = count(&format!("{inner}{text}"));
        assert_eq!((sums.passed, sums.failed), (40, 3));
    }
}
