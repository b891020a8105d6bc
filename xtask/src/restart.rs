//! How long a broker with much in its store takes to start.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench;
use crate::process::{fresh_dir, output_of};

pub(crate) const USAGE: &str = "\
cargo xtask restart [--sessions N] [--messages N] [--shards N] [--no-build]
                                               how long a broker with a full store takes to start";

/// What is in the store, and how many shards start on it.
pub(crate) struct Options {
    sessions: u64,
    messages: u64,
    /// Both numbers that the figures are given for, unless told otherwise.
    shards: Vec<u16>,
    builds: bool,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self {
            sessions: 100_000,
            messages: 1_000_000,
            shards: vec![1, 2],
            builds: true,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "--no-build" {
                options.builds = false;
                continue;
            }
            match [*word, words.next().copied().unwrap_or_default()] {
                ["--sessions", count] => options.sessions = count.parse().context("--sessions")?,
                ["--messages", count] => options.messages = count.parse().context("--messages")?,
                ["--shards", count] => options.shards = vec![count.parse().context("--shards")?],
                [word, _] => bail!("no such option: {word}\n{USAGE}"),
            }
        }
        ensure!(options.sessions > 0, "--sessions has to be above 0");
        Ok(options)
    }
}

/// Fills a store, starts brokers on it, twice each, and tells how long they took.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let words: &[&str] = if options.builds { &[] } else { &["--no-build"] };
    let binary = &bench::release_binary(root, &bench::Options::parse(words)?)?;
    let dir = fresh_dir(root.join("target/restart"))?;
    let lines = dir.join("records.ndjson");
    write_records(&lines, options)?;
    let store = dir.join("data");
    let mut import = Command::new(binary);
    import
        .args(["store", "import", "--unchecked", "--store"])
        .arg(&store);
    output_of(import.arg("--from").arg(&lines))?;
    std::fs::remove_file(&lines)?;
    let mut stats = Command::new(binary);
    print!(
        "{}",
        output_of(stats.args(["store", "stats", "--store"]).arg(&store))?
    );
    std::fs::create_dir_all(dir.join("etc"))?;
    for shards in &options.shards {
        let config = format!(
            "[broker]\nshards = {shards}\n[limits]\nsessions_max = 1000000\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(dir.join("etc/columba.toml"), config)?;
        for start in ["first", "second"] {
            let Started {
                took,
                resident_mib,
                found,
            } = start_once(binary, &dir)?;
            println!(
                "{shards} shards, {start} start: ready after {:.2} s, {resident_mib} MiB resident; \
                 {found}",
                took.as_secs_f64()
            );
            let wanted = format!("{} queued", options.messages);
            ensure!(found.contains(&wanted), "not all of it was found");
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(true)
}

struct Started {
    took: Duration,
    resident_mib: u64,
    /// What the broker says that it found.
    found: String,
}

/// Starts a broker, waits until it serves clients, and stops it.
fn start_once(binary: &Path, dir: &Path) -> anyhow::Result<Started> {
    let began = Instant::now();
    let mut broker = Command::new(binary);
    broker.args(["run", "--listen", "127.0.0.1:0"]).arg(dir);
    let broker = broker.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut broker = Ended(broker);
    let stdout = broker.0.stdout.take().context("its standard output")?;
    let (mut took, mut found) = (None, String::new());
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        took = took.or_else(|| Some(began.elapsed()));
        if let Some(at) = line.find("recovered ") {
            found = line
                .get(at..)
                .unwrap_or_default()
                .trim_end_matches(['│', ' '])
                .to_owned();
        }
        if line.contains('╰') {
            break;
        }
    }
    let took = took.context("the broker ended at its start")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.0.id()))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kill_process(Pid::from_child(&broker.0), Signal::TERM)?;
    ensure!(broker.0.wait()?.success(), "the broker did not end well");
    Ok(Started {
        took,
        resident_mib: kib.context("VmRSS")? / 1024,
        found,
    })
}

/// Ends it if something fails before.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes sessions with five subscriptions each that are away, and messages of 100 bytes with QoS 1
/// that wait for them, as `docs/store-records.md` describes them.
fn write_records(file: &Path, options: &Options) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    let now_ms = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_millis();
    let now_ms = u64::try_from(now_ms)?;
    let mut position = 0_u64;
    let mut put = |record: &[u8]| {
        let record = STANDARD.encode(record);
        let line = writeln!(out, "{{\"position\":{position},\"record\":\"{record}\"}}");
        position += 1;
        line
    };
    put(&[&[1][..], &7_u64.to_le_bytes()].concat())?;
    let mut client_id = String::new();
    for session in 1..=options.sessions {
        client_id.clear();
        write!(client_id, "device-{session}")?;
        let mut record = vec![2];
        number(&mut record, session);
        bytes(&mut record, client_id.as_bytes());
        // No user, no groups, no address.
        record.extend([0, 0, 0]);
        number(&mut record, 7 * 24 * 3600);
        record.push(1);
        number(&mut record, now_ms);
        // No Will.
        record.push(0);
        put(&record)?;
        for at in 0..SUBSCRIPTIONS {
            let mut record = vec![3];
            number(&mut record, session);
            bytes(&mut record, format!("devices/{session}/{at}/#").as_bytes());
            // QoS 1, no identifier, no share.
            record.extend([1, 0, 0]);
            put(&record)?;
        }
    }
    for message in 0..options.messages {
        let session = 1 + message % options.sessions;
        // QoS 1.
        let mut record = vec![4, 1];
        record.extend(9_u64.to_le_bytes());
        let topic = format!("devices/{session}/{}/state", message % SUBSCRIPTIONS);
        bytes(&mut record, topic.as_bytes());
        bytes(&mut record, &[]);
        bytes(&mut record, &[b'x'; 100]);
        // One recipient, with QoS 1, to whom nothing has been sent.
        record.extend([1, 1]);
        number(&mut record, session);
        record.push(0);
        put(&record)?;
    }
    out.flush()?;
    Ok(())
}

const SUBSCRIPTIONS: u64 = 5;

/// Seven bits a byte, lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    number(out, content.len() as u64);
    out.extend_from_slice(content);
}
