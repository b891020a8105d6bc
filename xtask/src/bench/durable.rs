//! `cargo xtask bench durable`: what it costs that acknowledged means on disk.
//!
//! The same loads against the same broker with each `durability`, beside mosquitto with its database.
//! Each round runs each load against each broker in turn; a cell is the median of its rounds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::peer::{DURABLE_KINDS, Durability, Kind, Peer};
use super::table::{machine_line, number};
use super::{Options, raise_file_limit, release_binary, report};
use crate::process::fresh_dir;

/// How the command is used.
pub(crate) const USAGE: &str = "\
cargo xtask bench durable [--rounds 3] [--secs 2] [--brokers a,b] [--only text,text] [--no-build] [--write]
                                               what durability costs; --write: the figures in
                                               docs/durable-benchmarks.md";

const PAGE: &str = "docs/durable-benchmarks.md";
/// Between these lines of the page stands what this writes.
const BEGIN: &str = "<!-- cargo xtask bench durable --write -->\n";
const END: &str = "<!-- until here -->\n";
/// How long a session outlives its connection: publishers' as well, so that both sides of QoS 2 are on
/// disk.
const EXPIRY_SECS: &str = "60";
/// Messages on their way, of each of 100 publishers.
const WINDOW_OF_MANY: &str = "100";
/// Messages a second of a broker that has next to nothing to do.
const IDLE_PER_SEC: &str = "200";
/// What one write has in the measurement of the disk, as much as a small commit.
const WRITE_BYTES: usize = 4096;
const SYNCS: usize = 400;

/// How the messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Course {
    /// To subscribers that are there, as fast as they go.
    Online,
    /// To sessions that come back later.
    Offline,
    /// To a subscriber that is there, a few a second.
    Idle,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    course: Course,
    qos: u8,
    pairs: u32,
    payload_bytes: u32,
}

/// What a run showed, or a median of several.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    /// Deliveries; to sessions that are away, messages into the store.
    per_sec: f64,
    /// Messages that sessions got when they came back.
    out_per_sec: f64,
    /// Processor time of the broker for each of the first.
    cpu_us: f64,
    /// From publishing to the end of the handshake.
    p50_us: f64,
    p99_us: f64,
    /// From the start to the end of the load, if there is a store of ours.
    commits_per_sec: Option<f64>,
}

/// By load and broker, as numbered in the lists.
type Cells = BTreeMap<(usize, usize), Vec<Figures>>;

impl Load {
    fn all() -> Vec<Self> {
        let mut loads = Vec::new();
        for course in [Course::Online, Course::Offline] {
            for payload_bytes in [64, 1024] {
                for (qos, pairs) in [(1, 1), (1, 100), (2, 1), (2, 100)] {
                    loads.push(Self {
                        course,
                        qos,
                        pairs,
                        payload_bytes,
                    });
                }
            }
        }
        loads.extend([1, 2].map(|qos| Self {
            course: Course::Idle,
            qos,
            pairs: 1,
            payload_bytes: 64,
        }));
        loads
    }

    fn name(self) -> String {
        let size = match self.payload_bytes {
            1024 => "1 KiB".to_owned(),
            bytes => format!("{bytes} B"),
        };
        let (qos, pairs) = (self.qos, self.pairs);
        match self.course {
            Course::Idle => format!(
                "QoS {qos}, {}",
                ["PUBACK", "PUBCOMP"][usize::from(qos == 2)]
            ),
            Course::Online | Course::Offline => format!("QoS {qos}, {pairs} to {pairs}, {size}"),
        }
    }

    /// What `columba bench` is called with.
    fn arguments(self, secs: u32) -> String {
        let (qos, bytes) = (self.qos, self.payload_bytes);
        let common = format!("-q {qos} -x {EXPIRY_SECS} -s {bytes}");
        let many = match (self.pairs, self.course) {
            (1, _) => String::new(),
            (pairs, Course::Offline) => format!(" -c {pairs}"),
            (pairs, _) => format!(" -c {pairs} -w {WINDOW_OF_MANY}"),
        };
        match self.course {
            Course::Online => format!("pair {common}{many} -d {secs}s"),
            Course::Offline => {
                let count = if bytes > 64 { 100_000 } else { 300_000 };
                format!("offline {common}{many} -n {count}")
            }
            Course::Idle => format!("pair {common} --rate {IDLE_PER_SEC} -d {secs}s"),
        }
    }
}

/// Runs everything that is asked for, prints the tables and writes them into the page.
pub(crate) fn run(root: &Path, words: &[&str]) -> anyhow::Result<bool> {
    let options = Options::parse(words)?;
    ensure!(!options.is_of_recorder, "{USAGE}");
    ensure!(
        !options.writes || options.workloads.is_empty() && options.brokers.is_empty(),
        "the page has all of it: --write goes without --only and --brokers"
    );
    let columba = release_binary(root, &options)?;
    raise_file_limit()?;
    let is_wanted = |wanted: &[String], name: &str| {
        wanted.is_empty() || wanted.iter().any(|text| name.contains(text))
    };
    let peers: Vec<Peer> = DURABLE_KINDS
        .iter()
        .filter(|kind| is_wanted(&options.brokers, kind.name()))
        .filter_map(|kind| kind.find(&columba))
        .collect();
    let is_asked = |load: &Load| {
        let name = format!("{:?}, {}", load.course, load.name());
        is_wanted(&options.workloads, &name)
    };
    let loads: Vec<Load> = Load::all().into_iter().filter(is_asked).collect();
    let disk_before = disk(root)?;
    let mut cells = Cells::new();
    let mut broken = Vec::new();
    for round in 1..=options.rounds {
        for (row, load) in loads.iter().enumerate() {
            for (column, peer) in peers.iter().enumerate() {
                let (name, load_name) = (peer.kind.name(), load.name());
                match measure(root, &columba, peer, *load, options.secs) {
                    Ok((figures, promises)) => {
                        println!("round {round}, {load_name}, {name}: {figures:.2?}");
                        cells.entry((row, column)).or_default().push(figures);
                        broken.extend(promises.map(|what| format!("{name}, {load_name}: {what}")));
                    }
                    Err(error) => broken.push(format!("{name}, {load_name}: {error:#}")),
                }
            }
        }
    }
    let disks = [disk_before, disk(root)?];
    let text = render(&options, &peers, &loads, &cells, &broken, disks)?;
    println!("\n{text}");
    if options.writes {
        write(&root.join(PAGE), &text)?;
    }
    Ok(true)
}

/// Starts a broker, runs a load against it and stops it; and what it broke.
fn measure(
    root: &Path,
    columba: &Path,
    peer: &Peer,
    load: Load,
    secs: u32,
) -> anyhow::Result<(Figures, Option<String>)> {
    let dir = fresh_dir(root.join("target/bench/broker"))?;
    let running = peer.start(&dir)?;
    let mut command = Command::new(columba);
    command
        .arg("bench")
        .args(load.arguments(secs).split(' '))
        .args(["--port", &running.v3.to_string()])
        .args(["--broker-pid", &running.server.id().to_string()])
        .args(["--stall-timeout", "10s", "--json", "--quiet"]);
    let start = Instant::now();
    let report = report(command)?;
    let secs = start.elapsed().as_secs_f64();
    let commits = commits(&dir)?.map(|commits| commits / secs);
    let promises = report["broken_promises"].as_array();
    let broken = promises.filter(|all| !all.is_empty()).map(|all| {
        let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
        all.join("; ")
    });
    let figures = Figures {
        commits_per_sec: commits,
        ..figures(load, &report)?
    };
    Ok((figures, broken))
}

/// The commits of a broker in this directory, as its metrics have them.
fn commits(dir: &Path) -> anyhow::Result<Option<f64>> {
    let Ok(mut admin) = UnixStream::connect(dir.join("data/admin.sock")) else {
        return Ok(None);
    };
    admin.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    admin.read_to_string(&mut answer)?;
    let mut lines = answer.lines();
    let found = lines.find_map(|line| line.strip_prefix("columba_storage_commits_total "));
    Ok(found.map(str::parse).transpose()?)
}

fn figures(load: Load, report: &Value) -> anyhow::Result<Figures> {
    let needed = |path: &str| {
        let found = report.pointer(path).and_then(Value::as_f64);
        found.with_context(|| format!("no {path} in the report"))
    };
    let online = Figures {
        p50_us: needed("/acknowledgement/p50_us")?,
        p99_us: needed("/acknowledgement/p99_us")?,
        ..Figures::default()
    };
    Ok(match load.course {
        Course::Offline => Figures {
            per_sec: needed("/stages/0/per_sec")?,
            out_per_sec: needed("/stages/1/per_sec")?,
            cpu_us: needed("/stages/0/broker_cpu_us_per_item")?,
            ..online
        },
        Course::Online | Course::Idle => Figures {
            per_sec: needed("/received_per_sec")?,
            cpu_us: needed("/broker_use/cpu_us_per_item")?,
            ..online
        },
    })
}

/// Microseconds, p50 and p99, of writing into a file with its room reserved and syncing its data.
fn disk(root: &Path) -> anyhow::Result<[f64; 2]> {
    let path = fresh_dir(root.join("target/bench/disk"))?.join("file");
    let mut file = fs::File::create(&path)?;
    file.write_all(&vec![0; WRITE_BYTES * SYNCS])?;
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[1; WRITE_BYTES])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(SYNCS * share / 100).copied().unwrap_or_default();
    Ok([at(50), at(99)])
}

/// One of the figures.
type Figure = fn(&Figures) -> Option<f64>;

const PER_SEC: Figure = |of| Some(of.per_sec);

fn median(cells: &Cells, place: (usize, usize), figure: Figure) -> Option<f64> {
    let samples = cells.get(&place)?;
    let mut values: Vec<f64> = samples.iter().filter_map(figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn render(
    options: &Options,
    peers: &[Peer],
    loads: &[Load],
    cells: &Cells,
    broken: &[String],
    disks: [[f64; 2]; 2],
) -> anyhow::Result<String> {
    let [[before, before_p99], [after, after_p99]] = disks;
    let rounds = match (options.rounds, options.secs) {
        (1, secs) => format!("One round of {secs} s."),
        (rounds, secs) => {
            format!("{rounds} rounds of {secs} s; a cell is the median of its rounds.")
        }
    };
    let mut out = format!(
        "{}\n\nOne `fdatasync` after a write of 4 KiB into a file with its room reserved took {before:.0} µs \
         before and {after:.0} µs after (p50; p99 {before_p99:.0} and {after_p99:.0}). {}\n",
        machine_line()?,
        rounds
    );
    let names: Vec<&str> = peers.iter().map(|peer| peer.kind.name()).collect();
    let mut table =
        |title: &str, course: Course, shown: &dyn Fn(usize, usize) -> Option<String>| {
            let rows = loads
                .iter()
                .enumerate()
                .filter(|(_, load)| load.course == course);
            let mut rows = rows.peekable();
            if rows.peek().is_none() {
                return;
            }
            let rule = "---|".repeat(names.len());
            let _ = writeln!(out, "\n{title}\n\n| | {} |\n|---|{rule}", names.join(" | "));
            for (row, load) in rows {
                let _ = write!(out, "| {} |", load.name());
                for column in 0..names.len() {
                    let text = shown(row, column).unwrap_or_else(|| "–".to_owned());
                    let _ = write!(out, " {text} |");
                }
                out.push('\n');
            }
        };
    let plain = |figure: Figure| {
        move |row: usize, column: usize| median(cells, (row, column), figure).map(number)
    };
    let per_cent = |row: usize, column: usize| {
        let other = memory_of(peers, column)?;
        let share = median(cells, (row, column), PER_SEC)? / median(cells, (row, other), PER_SEC)?;
        Some(format!("{:.0} %", share * 100.0))
    };
    let pair = |scale: f64| {
        move |row: usize, column: usize| {
            let at = |figure| Some(number(median(cells, (row, column), figure)? / scale));
            let p50 = at(|of| Some(of.p50_us))?;
            Some(format!("{p50} / {}", at(|of| Some(of.p99_us))?))
        }
    };
    let cpu = plain(|of| Some(of.cpu_us));
    let commits = plain(|of| of.commits_per_sec);
    table(ONLINE, Course::Online, &plain(PER_SEC));
    table(SHARE, Course::Online, &per_cent);
    table(CPU, Course::Online, &cpu);
    table(TIME, Course::Online, &pair(1e3));
    table(COMMITS, Course::Online, &commits);
    table(OFFLINE_IN, Course::Offline, &plain(PER_SEC));
    table(SHARE, Course::Offline, &per_cent);
    table(OFFLINE_CPU, Course::Offline, &cpu);
    table(TIME, Course::Offline, &pair(1e3));
    table(
        OFFLINE_OUT,
        Course::Offline,
        &plain(|of| Some(of.out_per_sec)),
    );
    table(COMMITS, Course::Offline, &commits);
    table(IDLE, Course::Idle, &pair(1.0));
    table(CPU, Course::Idle, &cpu);
    table(COMMITS, Course::Idle, &commits);
    if broken.is_empty() {
        out.push_str("\nNo message was lost in any run, and no promise of MQTT was broken.\n");
    } else {
        let _ = writeln!(out, "\nWhat was broken:\n\n- {}", broken.join("\n- "));
    }
    commands(&mut out, options, peers, loads);
    Ok(out)
}

const ONLINE: &str = "### Subscribers online\n\nDeliveries a second, as fast as they go:";
const SHARE: &str = "As a share of the memory mode with as many shards:";
const CPU: &str = "Processor time of the broker for each delivery, microseconds:";
const TIME: &str = "Publish to PUBACK or PUBCOMP, milliseconds, p50 / p99. At full load this is the length of the queue\n(with 100 publishers 10,000 messages are on their way):";
const OFFLINE_IN: &str = "### Subscribers offline\n\nSessions are away while the messages are published, then come back. Messages a second in, by\nacknowledgement:";
const OFFLINE_CPU: &str = "Processor time of the broker for each message in, microseconds:";
const COMMITS: &str = "Commits a second, those of clients that connect and subscribe included:";
const OFFLINE_OUT: &str = "Messages a second out again:";
const IDLE: &str = "### When idle\n\n200 messages a second, one publisher to one subscriber. From publishing to the end of the handshake,\nmicroseconds, p50 / p99:";

/// The column of the memory mode that this one is compared with.
fn memory_of(peers: &[Peer], column: usize) -> Option<usize> {
    let Kind::Stored { shards, .. } = peers.get(column)?.kind else {
        return None;
    };
    let durability = Durability::Memory;
    let memory = Kind::Stored { durability, shards };
    let found = peers.iter().position(|peer| peer.kind == memory);
    found.filter(|found| *found != column)
}

fn commands(out: &mut String, options: &Options, peers: &[Peer], loads: &[Load]) {
    out.push_str(
        "\n### One cell by hand\n\nStart the broker with the configuration below and run `columba bench \
         ARGUMENTS --port PORT --broker-pid PID`:\n\n| load | arguments |\n|---|---|\n",
    );
    for load in loads {
        let arguments = load.arguments(options.secs);
        let _ = writeln!(
            out,
            "| {:?}, {} | `{arguments}` |",
            load.course,
            load.name()
        );
    }
    let shown = |peer: &&Peer| {
        let (durability, shards) = (Durability::Sync, 1);
        peer.kind == Kind::Stored { durability, shards } || peer.kind == Kind::MosquittoStored
    };
    for peer in peers.iter().filter(shown) {
        let (name, settings) = (peer.kind.name(), peer.settings());
        let _ = writeln!(out, "\n{name}:\n\n```\n{}\n```", settings.trim_end());
    }
}

/// Replaces what stands between the two lines of the page.
fn write(page: &Path, text: &str) -> anyhow::Result<()> {
    let old = fs::read_to_string(page)?;
    let Some((head, rest)) = old.split_once(BEGIN) else {
        bail!("{} has no line {BEGIN:?}", page.display());
    };
    let Some((_, tail)) = rest.split_once(END) else {
        bail!("{} has no line {END:?}", page.display());
    };
    fs::write(page, format!("{head}{BEGIN}\n{text}\n{END}{tail}"))?;
    println!("written to {}", page.display());
    Ok(())
}
