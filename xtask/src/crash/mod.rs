//! `cargo xtask crash`: a real broker under load from real clients, killed again and again. What it
//! acknowledged has to arrive, QoS 2 exactly once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process::{Server, fresh_dir};

/// Trials between two checks of everything.
const TRIALS_PER_CHECK: usize = 10;

/// What to do.
pub(crate) struct Options {
    /// How often the broker is killed.
    trials: usize,
    shards: Vec<usize>,
    seed: u64,
}

pub(crate) const USAGE: &str = "\
cargo xtask crash [--trials N] [--shards N] [--seed N]
                                               a broker under load, killed with SIGKILL N times";

impl Options {
    pub(crate) fn parse(options: &[&str]) -> anyhow::Result<Self> {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis() as u64;
        let mut parsed = Self {
            trials: 50,
            shards: vec![1, 2],
            seed: now,
        };
        for option in options.chunks(2) {
            match option {
                ["--trials", count] => parsed.trials = count.parse().context("--trials")?,
                ["--shards", count] => parsed.shards = vec![count.parse().context("--shards")?],
                ["--seed", seed] => parsed.seed = seed.parse().context("--seed")?,
                _ => bail!("no such option: {}\n{USAGE}", option.join(" ")),
            }
        }
        Ok(parsed)
    }
}

/// Kills a broker of ours `trials` times, shared out among the numbers of shards. Whether nothing
/// was lost.
pub(crate) fn run(
    root: &Path,
    binary: &Path,
    python: &Path,
    options: &Options,
) -> anyhow::Result<bool> {
    let mut is_fine = true;
    for shards in &options.shards {
        let trials = options.trials.div_ceil(options.shards.len());
        println!(
            "crash: {trials} times SIGKILL, {shards} shard(s), seed {}",
            options.seed
        );
        let dir = fresh_dir(root.join(format!("target/crash/{shards}")))?;
        let mut trial = Trial::start(root, binary, python, dir, *shards, options.seed)?;
        is_fine &= trial.run(trials)?;
    }
    Ok(is_fine)
}

struct Trial {
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
    server: Server,
    clients: Clients,
    chance: u64,
    slowest_start: Duration,
}

impl Trial {
    fn start(
        root: &Path,
        binary: &Path,
        python: &Path,
        dir: PathBuf,
        shards: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?
            .local_addr()?
            .port();
        let config = format!(
            "[broker]\nshards = {shards}\n\n[store]\ndurability = \"sync\"\n\n[limits]\n\
             queue_messages_max = 1000000\nqueue_bytes_max = \"1GiB\"\n\n[[listener]]\n\
             name = \"tcp\"\nkind = \"tcp\"\nbind = \"127.0.0.1:{port}\"\nanonymous = \"loopback\"\n"
        );
        std::fs::write(dir.join("broker.toml"), config)?;
        let mut server = launch(binary, &dir)?;
        server.wait_for(port)?;
        let clients = Clients::start(root, python, port)?;
        Ok(Self {
            binary: binary.to_path_buf(),
            dir,
            port,
            server,
            clients,
            chance: seed,
            slowest_start: Duration::ZERO,
        })
    }

    fn run(&mut self, trials: usize) -> anyhow::Result<bool> {
        let mut done = 0;
        while done < trials {
            self.clients.ask("load")?;
            for _ in 0..TRIALS_PER_CHECK.min(trials - done) {
                std::thread::sleep(self.pause());
                self.kill()?;
                done += 1;
            }
            let report = self.clients.ask("check")?;
            let count = |name: &str| report[name].as_u64().unwrap_or(0);
            println!(
                "crash: {done} kills; {} published, {} delivered, {} of them again (QoS 1); slowest \
                 start {:.0?}",
                count("published"),
                count("delivered"),
                count("repeated"),
                self.slowest_start
            );
            let faults = report["faults"].as_array().context("no report")?;
            for fault in faults {
                println!("crash: FAULT {}", fault.as_str().unwrap_or_default());
            }
            if !faults.is_empty() {
                println!("crash: the broker's files are in {}", self.dir.display());
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How long the next broker lives: some are killed while they recover.
    fn pause(&mut self) -> Duration {
        // An LCG: the moments are to differ, no more.
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let chance = self.chance >> 33;
        Duration::from_millis(if chance.is_multiple_of(8) {
            chance / 8 % 30
        } else {
            50 + chance % 400
        })
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        self.server.kill()?;
        self.server = launch(&self.binary, &self.dir)?;
        self.server.wait_for(self.port).with_context(|| {
            let log = std::fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default();
            format!("the broker did not come back:\n{log}")
        })?;
        self.slowest_start = self.slowest_start.max(start.elapsed());
        Ok(())
    }
}

fn launch(binary: &Path, dir: &Path) -> anyhow::Result<Server> {
    let mut command = Command::new(binary);
    command
        .arg("run")
        .arg("--config")
        .arg(dir.join("broker.toml"))
        .current_dir(dir);
    Server::start(command, &dir.join("broker.log"))
}

/// The clients, in a process of their own that outlives every broker.
struct Clients {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Clients {
    fn start(root: &Path, python: &Path, port: u16) -> anyhow::Result<Self> {
        let mut child = Command::new(python)
            .arg(root.join("tests/clients/crash_paho.py"))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = child.stdout.take().context("no standard output")?;
        let mut clients = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        clients.answer()?;
        Ok(clients)
    }

    fn ask(&mut self, order: &str) -> anyhow::Result<Value> {
        writeln!(self.orders, "{order}")?;
        self.orders.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the clients ended: see above");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
