//! The figures to report: build time, binary size, memory per connection, CPU per message.
//!
//! Each figure of the broker stands beside Debian's mosquitto, measured in the same run on the same
//! machine, because absolute times mean little on a machine that others share.

mod flow;
mod peer;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use columba_codec::QoS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::matrix::broker::Kind;
use crate::process::{cargo, fresh_dir, quiet};
use crate::provision;
use flow::{Cost, Flow};
use peer::Peer;

const IDLE_CONNECTIONS: u64 = 10_000;
/// Connected before the first reading, so that what a broker sets up once does not count.
const WARM_CONNECTIONS: u64 = 100;
const REPETITIONS: usize = 3;

const FLOWS: [Flow; 4] = [
    Flow {
        name: "1 to 1, QoS 0",
        qos: QoS::AtMostOnce,
        subscribers: 1,
        messages: 200_000,
    },
    Flow {
        name: "1 to 1, QoS 1",
        qos: QoS::AtLeastOnce,
        subscribers: 1,
        messages: 100_000,
    },
    Flow {
        name: "1 to 1, QoS 2",
        qos: QoS::ExactlyOnce,
        subscribers: 1,
        messages: 50_000,
    },
    Flow {
        name: "1 to 100, QoS 0",
        qos: QoS::AtMostOnce,
        subscribers: 100,
        messages: 4_000,
    },
];

/// Prints all figures; without `builds`, those of a binary that is already built.
pub(crate) fn run(root: &Path, builds: bool) -> anyhow::Result<bool> {
    provision::programs(&[provision::MOSQUITTO])?;
    let binary = release_binary(root, builds)?;
    println!(
        "binary: {:.1} MB",
        fs::metadata(&binary)?.len() as f64 / 1e6
    );
    let kinds = [Kind::Columba { binary, shards: 1 }, Kind::Mosquitto];
    for kind in &kinds {
        let bytes = idle_bytes(root, kind)?;
        println!(
            "{}: {bytes} resident bytes per idle connection at {IDLE_CONNECTIONS}",
            kind.name()
        );
    }
    for flow in FLOWS {
        let mut costs = [Vec::new(), Vec::new()];
        // In turn, so that a change of the machine's mood hits both.
        for _ in 0..REPETITIONS {
            for (kind, costs) in kinds.iter().zip(&mut costs) {
                let dir = fresh_dir(root.join("target/figures/broker"))?;
                let broker = kind.start(&dir, None)?;
                costs.push(flow::run(flow, broker.tcp, broker.server.id())?);
            }
        }
        for (kind, costs) in kinds.iter().zip(costs) {
            let Cost { cpu_us, rate } = median(costs).context("no repetition")?;
            let name = kind.name();
            println!(
                "{}: {name}: {cpu_us:.2} us CPU per message, {rate:.0} messages/s",
                flow.name
            );
        }
    }
    Ok(true)
}

fn median(mut costs: Vec<Cost>) -> Option<Cost> {
    costs.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    costs.get(costs.len() / 2).copied()
}

fn release_binary(root: &Path, builds: bool) -> anyhow::Result<PathBuf> {
    let target = root.join("target/figures/build");
    let binary = target.join("release/columba");
    if builds {
        fresh_dir(target.clone())?;
        let start = Instant::now();
        let mut build = cargo(["build", "--release", "--locked", "--package", "columba-cli"]);
        build.current_dir(root).env("CARGO_TARGET_DIR", &target);
        quiet(build)?;
        println!(
            "release build from clean: {:.0} s",
            start.elapsed().as_secs_f64()
        );
    }
    ensure!(
        binary.is_file(),
        "{} is missing: run without --no-build",
        binary.display()
    );
    Ok(binary)
}

/// Resident bytes that each further idle connection costs.
fn idle_bytes(root: &Path, kind: &Kind) -> anyhow::Result<u64> {
    // Child processes inherit the limit.
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    let dir = fresh_dir(root.join("target/figures/broker"))?;
    let broker = kind.start(&dir, None)?;
    let connect = |from: u64, to: u64| -> anyhow::Result<Vec<Peer>> {
        (from..to)
            .map(|n| Peer::connect(broker.tcp, &format!("idle-{n}")))
            .collect()
    };
    let warm = connect(0, WARM_CONNECTIONS)?;
    let before = resident_bytes(broker.server.id())?;
    let rest = connect(WARM_CONNECTIONS, IDLE_CONNECTIONS)?;
    let after = resident_bytes(broker.server.id())?;
    drop((warm, rest));
    Ok(after.saturating_sub(before) / (IDLE_CONNECTIONS - WARM_CONNECTIONS))
}

fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
