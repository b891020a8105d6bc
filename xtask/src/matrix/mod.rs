//! Client libraries from elsewhere against a running broker: the drivers in `tests/clients`.

pub(crate) mod broker;
pub(crate) mod certificates;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::process::{fresh_dir, output_within};
use crate::provision::Drivers;
use broker::{Broker, Kind};
use certificates::Certificates;

/// Drivers mostly wait, so more of them than cores run at a time.
const AT_ONCE: usize = 4;
const DRIVER_TIME_MAX: Duration = Duration::from_secs(90);

/// Of one group; a broker that is down fails them all in the same words.
const FAILURES_SHOWN_MAX: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Ws,
    Tls,
    Wss,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ws => "ws",
            Self::Tls => "tls",
            Self::Wss => "wss",
        }
    }
}

/// One run of one driver.
struct Group {
    name: String,
    command: Command,
}

/// What the features of a group came to.
struct Verdict {
    name: String,
    passed: usize,
    failed: Vec<String>,
}

/// The sums of a run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Features that work.
    pub(crate) passed: usize,
    /// Features that do not.
    pub(crate) failed: usize,
}

/// Runs every group whose name contains `only` against each broker.
pub(crate) fn run(
    root: &Path,
    drivers: &Drivers,
    brokers: &[Kind],
    only: &str,
) -> anyhow::Result<Sums> {
    let dir = fresh_dir(root.join("target/matrix"))?;
    let certificates = certificates::make(&dir)?;
    let mut sums = Sums::default();
    for (number, kind) in brokers.iter().enumerate() {
        println!("matrix: {}", kind.name());
        let start = Instant::now();
        let dir = fresh_dir(dir.join(number.to_string()))?;
        let mut broker = kind.start(&dir, Some(&certificates))?;
        let groups = groups(root, drivers, &broker, &certificates);
        let groups = groups
            .into_iter()
            .filter(|g| g.name.contains(only))
            .collect();
        let verdicts = drive(groups)?;
        for verdict in &verdicts {
            sums.passed += verdict.passed;
            sums.failed += verdict.failed.len();
            for line in verdict.failed.iter().take(FAILURES_SHOWN_MAX) {
                println!("matrix FAILED: {} {line}", verdict.name);
            }
        }
        if !broker.server.is_running() {
            println!(
                "matrix FAILED: the broker ended; its log is {}",
                dir.join("broker.log").display()
            );
            sums.failed += 1;
        }
        println!(
            "matrix: {} took {:.1} s",
            kind.name(),
            start.elapsed().as_secs_f64()
        );
    }
    println!("{} passed, {} failed", sums.passed, sums.failed);
    Ok(sums)
}

/// A name, its driver, the versions of MQTT and the transports.
type Library<'a> = (&'a str, Vec<PathBuf>, &'a [&'a str], &'a [Transport]);

fn groups(
    root: &Path,
    drivers: &Drivers,
    broker: &Broker,
    certificates: &Certificates,
) -> Vec<Group> {
    use Transport::{Tcp, Tls, Ws, Wss};
    let dir = root.join("tests/clients");
    let python = |file: &str| vec![drivers.python.clone(), dir.join(file)];
    let all_versions = &["31", "311", "5"][..];
    let newer = &["311", "5"][..];
    // Slow ones first, so that none of them is left over at the end.
    let libraries: [Library<'_>; 7] = [
        (
            "mqtt.js",
            vec!["node".into(), dir.join("node/mqtt_js.mjs")],
            all_versions,
            &[Tcp, Ws, Tls, Wss],
        ),
        (
            "paho-mqtt",
            python("paho_py.py"),
            all_versions,
            &[Tcp, Ws, Tls, Wss],
        ),
        (
            "rumqttc",
            vec![drivers.rumqttc.clone()],
            newer,
            &[Tcp, Ws, Tls, Wss],
        ),
        ("gmqtt", python("gmqtt_py.py"), newer, &[Tcp, Tls]),
        ("aiomqtt", python("aiomqtt_py.py"), newer, &[Tcp, Ws, Tls]),
        (
            "paho-c",
            vec![dir.join("paho_c.sh")],
            all_versions,
            &[Tcp, Ws, Tls],
        ),
        (
            "mosquitto",
            vec![dir.join("mosquitto.sh")],
            all_versions,
            &[Tcp, Tls],
        ),
    ];
    let mut groups = Vec::new();
    for (library, program, versions, transports) in libraries {
        for transport in transports {
            for version in versions {
                // MQTT 3.1 differs in its CONNECT alone, so one transport is enough.
                if *version == "31" && *transport != Tcp {
                    continue;
                }
                let Some((url, ca)) = address(broker, *transport, certificates) else {
                    continue;
                };
                let mut command = Command::new(&program[0]);
                command
                    .args(&program[1..])
                    .arg(url)
                    .arg(version)
                    .args(ca)
                    .current_dir(&dir);
                let name = format!("{library} v{version} {}", transport.name());
                groups.push(Group { name, command });
            }
        }
    }
    groups
}

fn address(
    broker: &Broker,
    transport: Transport,
    certificates: &Certificates,
) -> Option<(String, Option<PathBuf>)> {
    let (tcp, ws) = (broker.tcp, broker.ws);
    let ca = Some(certificates.ca.clone());
    Some(match transport {
        Transport::Tcp => (format!("mqtt://127.0.0.1:{tcp}"), None),
        Transport::Ws => (format!("ws://127.0.0.1:{ws}/mqtt"), None),
        Transport::Tls => (format!("mqtts://127.0.0.1:{}", broker.secure?.0), ca),
        Transport::Wss => (format!("wss://127.0.0.1:{}/mqtt", broker.secure?.1), ca),
    })
}

/// Runs the groups, some at a time, and prints a line for each as it ends.
fn drive(groups: VecDeque<Group>) -> anyhow::Result<Vec<Verdict>> {
    let queue = Mutex::new(groups);
    let verdicts = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().ok().and_then(|mut q| q.pop_front());
            let Some(group) = next else { return };
            let start = Instant::now();
            let output = output_within(group.command, DRIVER_TIME_MAX).unwrap_or_default();
            let verdict = judge(group.name, &output);
            let secs = start.elapsed().as_secs_f64();
            let (name, passed) = (&verdict.name, verdict.passed);
            let failed = if verdict.failed.is_empty() {
                ""
            } else {
                "  FAILED"
            };
            println!("  {name:<22} {passed:>2} ok {secs:>5.1} s{failed}");
            if let Ok(mut all) = verdicts.lock() {
                all.push(verdict);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    ensure!(!verdicts.is_empty(), "no group of that name");
    Ok(verdicts)
}

/// Sorts the lines of a driver.
fn judge(name: String, output: &str) -> Verdict {
    let mut verdict = Verdict {
        name,
        passed: 0,
        failed: Vec::new(),
    };
    for line in output.lines() {
        if line.ends_with(" ok") {
            verdict.passed += 1;
        } else if line.contains(" FAIL") {
            verdict.failed.push(line.to_owned());
        }
    }
    if verdict.passed + verdict.failed.len() == 0 {
        verdict.failed.push("the driver said nothing".into());
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn lines_of_a_driver_are_counted() {
        let verdict = judge("mqtt.js v5 ws".into(), "qos0 ok\nwill FAIL y\nnoise\n");
        assert_eq!((verdict.passed, verdict.failed.len()), (1, 1));
    }

    #[test]
    fn a_silent_driver_fails() {
        assert_eq!(judge("paho-c v5 tcp".into(), "").failed.len(), 1);
    }
}
