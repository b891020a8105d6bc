//! `cargo xtask crash`: a real broker under load from real clients, killed again and again, on a disk
//! that loses power, fails or is full. What it acknowledged has to arrive, QoS 2 exactly once.

mod chance;
mod clients;
mod faults;
mod journal;
mod power;
mod shim;
mod trial;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::process::fresh_dir;
use shim::Disposition;
use trial::{Place, Trial};

/// Seconds after which what has not arrived is taken for lost.
const PATIENCE_SECS: u64 = 60;
/// The same where losses are wanted.
const SELF_TEST_PATIENCE_SECS: u64 = 5;
/// Trials in which a disk that lies has to be found out.
const SELF_TEST_TRIALS: usize = 20;

/// How the broker dies, or what its disk does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Kill,
    PowerLoss,
    Faults,
    SelfTest,
}

/// What to do.
pub(crate) struct Options {
    mode: Mode,
    /// How often the broker is killed.
    trials: Option<usize>,
    shards: Vec<usize>,
    seed: u64,
    /// What `[store] durability` says.
    durability: Durability,
}

/// What an acknowledgement of the broker says that it outlives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// A loss of power.
    Sync,
    /// The process.
    Os,
}

impl Durability {
    const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Os => "os",
        }
    }
}

pub(crate) const USAGE: &str = "\
cargo xtask crash [--power-loss | --faults | --self-test] [--trials N] [--shards N] [--seed N] [--durability os]
                                               a broker under load, killed with SIGKILL N times;
                                               --durability os: the same of one that does not sync;
                                               --power-loss: what was not synced is lost as well;
                                               --faults: its disk fails, or is full for a while;
                                               --self-test: its disk lies, which has to be noticed";

impl Options {
    pub(crate) fn parse(options: &[&str]) -> anyhow::Result<Self> {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis() as u64;
        let mut parsed = Self {
            mode: Mode::Kill,
            trials: None,
            shards: vec![1, 2],
            seed: now,
            durability: Durability::Sync,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let mut value = || options.next().with_context(|| (*option).to_owned());
            match *option {
                "--power-loss" => parsed.mode = Mode::PowerLoss,
                "--faults" => parsed.mode = Mode::Faults,
                "--self-test" => parsed.mode = Mode::SelfTest,
                "--trials" => parsed.trials = Some(value()?.parse().context("--trials")?),
                "--shards" => parsed.shards = vec![value()?.parse().context("--shards")?],
                "--durability" => {
                    parsed.durability = match value()? {
                        &"sync" => Durability::Sync,
                        &"os" => Durability::Os,
                        other => bail!("--durability {other}: sync or os\n{USAGE}"),
                    }
                }
                "--seed" => parsed.seed = value()?.parse().context("--seed")?,
                _ => bail!("no such option: {option}\n{USAGE}"),
            }
        }
        if parsed.durability == Durability::Os && parsed.mode != Mode::Kill {
            bail!("what is not synced outlives SIGKILL alone\n{USAGE}");
        }
        Ok(parsed)
    }
}

/// Does what the options say with a broker of ours, the trials shared out among the numbers of
/// shards. Whether nothing was lost.
pub(crate) fn run(
    root: &Path,
    binary: &Path,
    python: &Path,
    options: &Options,
) -> anyhow::Result<bool> {
    let mut is_fine = true;
    for shards in &options.shards {
        let trials = |default: usize| {
            let all = options.trials.unwrap_or(default);
            all.div_ceil(options.shards.len())
        };
        let place = |name: &str| -> anyhow::Result<Place<'_>> {
            Ok(Place {
                root,
                binary,
                python,
                dir: fresh_dir(root.join(format!("target/crash/{name}-{shards}")))?,
                shards: *shards,
                seed: options.seed,
                durability: options.durability.name(),
            })
        };
        let what =
            |what: String| println!("crash: {what}, {shards} shard(s), seed {}", options.seed);
        is_fine &= match options.mode {
            Mode::Kill => {
                let trials = trials(50);
                let durability = options.durability.name();
                what(format!("{trials} times SIGKILL, durability {durability}"));
                Trial::start(place("kill")?, None, PATIENCE_SECS)?.run(trials)?
            }
            Mode::PowerLoss => {
                let trials = trials(50);
                what(format!("{trials} times loss of power"));
                let disk = Some(Disposition::Sound);
                Trial::start(place("power")?, disk, PATIENCE_SECS)?.run(trials)?
            }
            Mode::Faults => {
                let trials = trials(12);
                what(format!("{trials} times a disk that fails or is full"));
                faults::run(place("faults")?, trials)?
            }
            Mode::SelfTest => {
                what("a disk that lies".to_owned());
                let disk = Some(Disposition::Lies);
                let mut trial = Trial::start(place("lies")?, disk, SELF_TEST_PATIENCE_SECS)?;
                let is_noticed = !trial.run(SELF_TEST_TRIALS)?;
                println!(
                    "crash: that the disk lies was {}",
                    if is_noticed { "noticed" } else { "NOT noticed" }
                );
                is_noticed
            }
        };
    }
    Ok(is_fine)
}
