//! `cargo xtask bench client`: client libraries side by side against the same broker.
//!
//! Each figure is the difference between a long and a short run of the same program, so that
//! start, connecting and leaving are in none. Allocations are counted by a preloaded library and
//! instructions by callgrind: both say nearly the same on a busy machine and on a quiet one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};

use super::peer::{Kind, Running};
use super::table;
use crate::process::{cargo, command, find, fresh_dir, output_within, quiet};
use crate::provision;

/// How the command is used.
pub(crate) const USAGE: &str = "\
cargo xtask bench client [--rounds 3] [--only TEXT]... [--no-build] [--write]
                                               client libraries side by side; --write:
                                               docs/client-benchmarks.md";

const CLIENTS: [&str; 3] = ["columba", "rumqttc", "paho"];

/// How long a run may take; under valgrind everything is fifty times slower.
const PATIENCE: Duration = Duration::from_secs(100);

/// What every client does.
struct Workload {
    name: &'static str,
    mode: &'static str,
    qos: u8,
    payload_bytes: usize,
}

const fn workload(
    name: &'static str,
    mode: &'static str,
    qos: u8,
    payload_bytes: usize,
) -> Workload {
    Workload {
        name,
        mode,
        qos,
        payload_bytes,
    }
}

const WORKLOADS: [Workload; 16] = [
    workload("publish, QoS 0, 64 B", "publish", 0, 64),
    workload("publish, QoS 1, 64 B", "publish", 1, 64),
    workload("publish, QoS 2, 64 B", "publish", 2, 64),
    workload("publish, QoS 0, 1 KiB", "publish", 0, 1024),
    workload("publish, QoS 1, 1 KiB", "publish", 1, 1024),
    workload("publish, QoS 2, 1 KiB", "publish", 2, 1024),
    workload("receive, QoS 0, 64 B", "receive", 0, 64),
    workload("receive, QoS 1, 64 B", "receive", 1, 64),
    workload("receive, QoS 2, 64 B", "receive", 2, 64),
    workload("receive, QoS 0, 1 KiB", "receive", 0, 1024),
    workload("receive, QoS 1, 1 KiB", "receive", 1, 1024),
    workload("receive, QoS 2, 1 KiB", "receive", 2, 1024),
    workload("one by one, QoS 1, 64 B", "single", 1, 64),
    workload("one by one, QoS 2, 64 B", "single", 2, 64),
    workload("there and back, QoS 0, 64 B", "echo", 0, 64),
    workload("there and back, QoS 1, 64 B", "echo", 1, 64),
];

impl Workload {
    /// Messages of the short run, of the long run, and of the one that is counted and not timed.
    fn counts(&self) -> [u64; 3] {
        match (self.mode, self.qos) {
            // With clients that leave Nagle's algorithm on, each takes 44 ms: see the page.
            ("echo", 1) => [50, 550, 150],
            ("single" | "echo", _) => [500, 5_500, 1_500],
            ("receive", _) => [1_000, 21_000, 3_000],
            _ => [1_000, 51_000, 3_000],
        }
    }
}

/// What was measured of a client in a workload, for each message.
#[derive(Clone, Debug, Default)]
struct Figures {
    cpu_us: Vec<f64>,
    per_sec: Vec<f64>,
    allocations: f64,
    instructions: f64,
    failure: Option<String>,
}

/// What to run.
struct Options {
    rounds: usize,
    only: Vec<String>,
    builds: bool,
    writes: bool,
}

/// The programs and what is put before them.
struct Programs {
    dir: PathBuf,
    counts_file: PathBuf,
}

/// `words` follow `bench client`.
pub(crate) fn run(root: &Path, words: &[&str]) -> anyhow::Result<bool> {
    let options = Options::parse(words)?;
    provision::programs(&[provision::VALGRIND])?;
    let broker_options = super::Options::for_clients(options.builds);
    let columba = super::release_binary(root, &broker_options)?;
    let programs = Programs::build(root, options.builds)?;
    let dir = fresh_dir(root.join("target/bench/broker"))?;
    let kind = Kind::Columba { shards: 1 };
    let broker = kind.find(&columba).context("the broker")?;
    let Running { server, v3, .. } = broker.start(&dir)?;
    let is_wanted = |workload: &&Workload| {
        options.only.is_empty() || options.only.iter().any(|text| workload.name.contains(text))
    };
    let workloads: Vec<&Workload> = WORKLOADS.iter().filter(is_wanted).collect();
    if workloads.iter().any(|workload| workload.mode == "receive") {
        programs.fill(v3)?;
    }
    let mut cells = BTreeMap::new();
    for (row, workload) in workloads.iter().enumerate() {
        for (column, client) in CLIENTS.iter().enumerate() {
            let mut figures = Figures::default();
            if let Err(error) = programs.measure(client, workload, v3, options.rounds, &mut figures)
            {
                figures.failure = Some(format!("{error:#}"));
            }
            println!("{}, {client}: {figures:.3?}", workload.name);
            cells.insert((row, column), figures);
        }
    }
    drop(server);
    let page = render(&workloads, &cells, &options, &programs, root)?;
    println!("\n{page}");
    if options.writes {
        let path = root.join("docs/client-benchmarks.md");
        fs::write(&path, page)?;
        println!("written to {}", path.display());
    }
    Ok(cells.values().all(|figures| figures.failure.is_none()))
}

impl Options {
    fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self {
            rounds: 3,
            only: Vec::new(),
            builds: true,
            writes: false,
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} what?"));
            match word {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--only" => options.only.push(value()?.to_owned()),
                "--no-build" => options.builds = false,
                "--write" => options.writes = true,
                _ => bail!("no such option: {word}\n{USAGE}"),
            }
        }
        ensure!(options.rounds > 0, "--rounds must be at least 1");
        Ok(options)
    }
}

impl Programs {
    fn build(root: &Path, builds: bool) -> anyhow::Result<Self> {
        let source = root.join("tests/clients/bench");
        let dir = root.join("target/clients/bench");
        let programs = Self {
            counts_file: dir.join("counts"),
            dir,
        };
        if builds {
            if find("cc").is_none() || !Path::new("/usr/include/MQTTAsync.h").is_file() {
                bail!(
                    "missing: a C compiler or Paho C; on Debian: sudo apt-get install -y gcc \
                     libc6-dev libpaho-mqtt-dev"
                );
            }
            let mut rust = cargo(["build", "--release", "--quiet", "--locked"]);
            rust.current_dir(&source)
                .env("CARGO_TARGET_DIR", &programs.dir);
            quiet(rust)?;
            let compile = |arguments: &str, file: &str, out: &str| {
                let mut cc = command("cc -std=gnu11 -O2 -Wall -Wextra");
                cc.arg("-o").arg(programs.dir.join(out));
                cc.arg(source.join(file)).args(arguments.split(' '));
                quiet(cc)
            };
            compile("-pthread -lpaho-mqtt3a", "paho.c", "release/paho")?;
            compile("-shared -fPIC", "counts.c", "times.so")?;
            compile("-shared -fPIC -DALLOCATIONS", "counts.c", "allocations.so")?;
        }
        Ok(programs)
    }

    /// Stores what the receiving clients are to take.
    fn fill(&self, port: u16) -> anyhow::Result<()> {
        let receive = workload("", "receive", 0, 0);
        for payload_bytes in [64, 1024] {
            for count in receive.counts() {
                let job = Job {
                    mode: "fill",
                    port,
                    topic: format!("bench/{payload_bytes}/{count}"),
                    // The most that a subscription may ask for.
                    qos: 2,
                    payload_bytes,
                    count,
                };
                self.counted("columba", &job, "times.so")?;
            }
        }
        Ok(())
    }

    fn measure(
        &self,
        client: &str,
        workload: &Workload,
        port: u16,
        rounds: usize,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let [few, many, some] = workload.counts();
        let job = |count| workload.job(port, count);
        for _ in 0..rounds {
            let [life_few, cpu_few, _] = self.counted(client, &job(few), "times.so")?;
            let [life_many, cpu_many, _] = self.counted(client, &job(many), "times.so")?;
            let messages = (many - few) as f64;
            figures.cpu_us.push((cpu_many - cpu_few) / messages);
            figures
                .per_sec
                .push(1e6 * messages / (life_many - life_few));
        }
        let messages = (some - few) as f64;
        let [_, _, calls_few] = self.counted(client, &job(few), "allocations.so")?;
        let [_, _, calls_some] = self.counted(client, &job(some), "allocations.so")?;
        figures.allocations = (calls_some - calls_few) / messages;
        let counted = |count| self.instructions(client, &job(count));
        figures.instructions = (counted(some)? - counted(few)?) / messages;
        Ok(())
    }

    /// Microseconds that the program lived, microseconds of its processor time, and allocations.
    fn counted(&self, client: &str, job: &Job, library: &str) -> anyhow::Result<[f64; 3]> {
        let mut run = Command::new(self.dir.join("release").join(client));
        job.put(&mut run);
        run.env("LD_PRELOAD", self.dir.join(library));
        run.env("COLUMBA_COUNTS", &self.counts_file);
        let _ = fs::remove_file(&self.counts_file);
        output_within(run, PATIENCE)?;
        let text = fs::read_to_string(&self.counts_file)
            .with_context(|| format!("{client} failed or took too long: {job:?}"))?;
        let numbers: Vec<f64> = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| text.clone())?;
        let numbers = <[f64; 3]>::try_from(numbers);
        numbers.map_err(|_| anyhow!("not three numbers: {text}"))
    }

    fn instructions(&self, client: &str, job: &Job) -> anyhow::Result<f64> {
        let profile = self.dir.join("profile");
        let _ = fs::remove_file(&profile);
        let mut run = command("valgrind --tool=callgrind --quiet");
        run.arg(format!("--callgrind-out-file={}", profile.display()));
        run.arg(self.dir.join("release").join(client));
        job.put(&mut run);
        output_within(run, PATIENCE)?;
        let text = fs::read_to_string(&profile)
            .with_context(|| format!("{client} took too long under valgrind: {job:?}"))?;
        let sum = text
            .lines()
            .find_map(|line| line.strip_prefix("summary:"))
            .context("a profile without a sum")?;
        Ok(sum.trim().parse()?)
    }
}

/// A run of a program.
#[derive(Debug)]
struct Job {
    mode: &'static str,
    port: u16,
    topic: String,
    qos: u8,
    payload_bytes: usize,
    count: u64,
}

impl Workload {
    fn job(&self, port: u16, count: u64) -> Job {
        let topic = match self.mode {
            "receive" => format!("bench/{}/{count}/#", self.payload_bytes),
            _ => "plant/3/line/7/temperature".to_owned(),
        };
        Job {
            mode: self.mode,
            port,
            topic,
            qos: self.qos,
            payload_bytes: self.payload_bytes,
            count,
        }
    }
}

impl Job {
    fn put(&self, run: &mut Command) {
        run.arg(self.mode).arg(self.port.to_string());
        run.arg(&self.topic).arg(self.qos.to_string());
        run.arg(self.payload_bytes.to_string());
        run.arg(self.count.to_string());
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn render(
    workloads: &[&Workload],
    cells: &BTreeMap<(usize, usize), Figures>,
    options: &Options,
    programs: &Programs,
    root: &Path,
) -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "{}\n", table::machine_line()?);
    let _ = writeln!(page, "Times are medians of {} rounds.\n", options.rounds);
    let lock = fs::read_to_string(root.join("tests/clients/bench/Cargo.lock"))?;
    let _ = writeln!(
        page,
        "Columba's client {}, rumqttc {}, Paho C {} (Debian's library).",
        env!("CARGO_PKG_VERSION"),
        version_in(&lock, "rumqttc").unwrap_or("of unknown version"),
        paho_version(programs)
    );
    type Figure = fn(&Figures) -> String;
    let tables: [(&str, Figure); 4] = [
        (CPU, |figures| format!("{:.2}", median(&figures.cpu_us))),
        (RATE, |figures| grouped(median(&figures.per_sec))),
        (ALLOCATIONS, |figures| format!("{:.1}", figures.allocations)),
        (INSTRUCTIONS, |figures| grouped(figures.instructions)),
    ];
    for (title, figure) in tables {
        let _ = write!(page, "\n## {title}\n\n| |");
        for client in CLIENTS {
            let _ = write!(page, " {client} |");
        }
        page.push_str("\n|---|---:|---:|---:|\n");
        for (row, workload) in workloads.iter().enumerate() {
            let _ = write!(page, "| {} |", workload.name);
            for column in 0..CLIENTS.len() {
                let text = match cells.get(&(row, column)) {
                    Some(figures) if figures.failure.is_none() => figure(figures),
                    _ => "failed".to_owned(),
                };
                let _ = write!(page, " {text} |");
            }
            page.push('\n');
        }
    }
    Ok(page)
}

fn grouped(number: f64) -> String {
    crate::instructions::grouped(number.max(0.0).round() as u64)
}

/// The version of a package in a lock file.
fn version_in<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

fn paho_version(programs: &Programs) -> String {
    let mut ask = Command::new(programs.dir.join("release/paho"));
    ask.arg("version");
    let told = output_within(ask, PATIENCE).unwrap_or_default();
    told.trim().to_owned()
}

const HEAD: &str = "\
# Client libraries side by side

`cargo xtask bench client --write` writes this page. Three libraries do the same work over TCP on
loopback with the same broker (Columba, one shard, in memory), with MQTT 5 and at most 64 messages in
flight, each in the way that its documentation shows: Columba's and rumqttc's asynchronous clients on
tokio's current-thread runtime, Paho C's asynchronous one with its threads. The programs are in
`tests/clients/bench`; every message is accounted for, or the run fails. Publishing makes a new
topic and payload for each message; what arrives is retained messages, each with a topic of its own,
that the broker sends as fast as they are taken. \"One by one\" waits for each message's answer
before the next; \"there and back\" for the message itself.

\"There and back\" at QoS 1 is slow with rumqttc and Paho C, as they come: what a client writes behind
its PUBACK waits for the server's TCP to acknowledge that (Nagle's algorithm, 40 ms on Linux), unless
it sets TCP_NODELAY. Columba's client does; rumqttc has an option for it, Paho C's library has none.

Where one message goes at a time, client and broker sleep and wake for each, and the times of one
client differ by a factor of up to six from run to run, with the processor that the kernel puts them on:
compare the instructions there.

Each figure is the difference between a long and a short run, divided by the messages between them.
Less is better, except for messages a second.

";
const CPU: &str = "Microseconds of the client's processor time for each message, user and system";
const RATE: &str = "Messages a second";
const ALLOCATIONS: &str = "Allocations for each message (malloc, calloc, realloc, aligned)";
const INSTRUCTIONS: &str = "Instructions for each message, without the kernel's (callgrind)";

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_version_is_found_in_a_lock_file() {
        let lock =
            "name = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"ab\"\nversion = \"4\"\n";
        assert_eq!(version_in(lock, "a"), Some("1.2.3"));
        assert_eq!(version_in(lock, "ab"), Some("4"));
        assert_eq!(version_in(lock, "b"), None);
    }
}
