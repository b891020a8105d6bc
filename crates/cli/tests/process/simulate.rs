//! A few devices of each scenario against a broker.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bed::{Broker, columba};

const CONFIG: &str =
    "[broker]\nshards = 1\n[store]\ndurability = \"memory\"\n[admin]\nenabled = false\n";

fn simulate(broker: &Broker, args: &[&str]) -> Command {
    let mut command = columba();
    command
        .args(["simulate", "-h", "127.0.0.1", "-p", broker.port()])
        .args(args)
        .stdin(Stdio::null());
    command
}

fn run(broker: &Broker, args: &[&str]) -> Output {
    simulate(broker, args).output().expect("the binary")
}

/// The summary of a simulation that works.
fn summary(broker: &Broker, args: &[&str]) -> Value {
    let output = run(broker, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A subscriber that prints so many messages.
struct Subscriber(Child);

impl Subscriber {
    /// One whose subscription counts.
    fn start(broker: &Broker, filter: &str, count: usize, format: &str) -> Self {
        let mut child = columba()
            .args([
                "sub",
                "-h",
                "127.0.0.1",
                "-p",
                broker.port(),
                "-d",
                "-q",
                "2",
            ])
            .args(["-t", filter, "-F", format, "-C", &count.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let is_subscribed = |line: &str| line.starts_with("Subscribed");
        assert!(said.any(|line| is_subscribed(&line.expect("text"))));
        // What it says at the end must find a reader.
        std::thread::spawn(move || said.for_each(drop));
        Self(child)
    }

    fn lines(mut self) -> Vec<String> {
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut text).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(dir: &Path, text: &str) -> String {
    let path = dir.join("my.toml");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn the_built_in_scenarios_run_and_are_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    for name in ["smart-home", "fleet", "factory"] {
        let args = ["-s", name, "-n", "20", "--count", "60", "--rate", "20"];
        let told = summary(&broker, &args);
        assert_eq!(told["sent"], 60, "{told:#}");
        assert_eq!(told["acknowledged"], told["sent_qos_1_and_2"], "{told:#}");
        assert_eq!(told["refused"]["count"], 0, "{told:#}");
        assert_eq!(told["failed_to_connect"]["count"], 0, "{told:#}");
        assert_eq!(told["ended_by_the_other_side"]["count"], 0, "{told:#}");
    }
}

#[test]
fn flaky_devices_throw_each_other_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let args = [
        "-s",
        "flaky",
        "--count",
        "200",
        "--rate",
        "10",
        "--connect-rate",
        "1000",
    ];
    let told = summary(&broker, &args);
    let lost = &told["ended_by_the_other_side"];
    assert!(lost["count"].as_u64() >= Some(1), "{told:#}");
    assert!(lost.to_string().contains("taken over"), "{told:#}");
    assert!(
        told["acknowledged_without_subscriber"].as_u64() >= Some(1),
        "{told:#}"
    );
}

#[test]
fn an_edge_node_is_born_counts_and_dies_as_sparkplug_wants_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let subscriber = Subscriber::start(&broker, "spBv1.0/#", 8, "%t %x");
    summary(
        &broker,
        &["-s", "factory", "-n", "1", "--count", "7", "--rate", "20"],
    );
    let lines = subscriber.lines();
    let (topics, payloads): (Vec<_>, Vec<_>) =
        lines.iter().filter_map(|line| line.split_once(' ')).unzip();
    let expected = [
        "NBIRTH/line-1",
        "DBIRTH/line-1/press",
        "DBIRTH/line-1/oven",
        "NDATA/line-1",
        "DDATA/line-1/press",
        "DDATA/line-1/oven",
        "NDATA/line-1",
        "NDEATH/line-1",
    ];
    assert_eq!(
        topics,
        expected.map(|topic| format!("spBv1.0/factory/{topic}"))
    );
    for (seq, payload) in payloads.iter().take(7).enumerate() {
        assert!(
            payload.ends_with(&format!("18{seq:02x}")),
            "{seq}: {payload}"
        );
    }
    let hex = |text: &str| {
        text.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert!(payloads[0].contains(&hex("Node Control/Rebirth")));
    // bdSeq 0 in birth and death: long_value 0 of a metric of type Int64.
    for payload in [payloads[0], payloads[7]] {
        let (_, behind) = payload.split_once(&hex("bdSeq")).expect("a bdSeq");
        assert_eq!(behind.get(14..22), Some("20045800"), "{payload}");
    }
}

#[test]
fn an_edge_node_is_born_again_when_it_is_asked_and_a_signal_ends_the_simulation() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let mut subscriber = Subscriber::start(&broker, "spBv1.0/+/NBIRTH/#", 2, "%t");
    let simulation = simulate(&broker, &["-s", "factory", "-n", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut births = BufReader::new(subscriber.0.stdout.take().expect("a pipe")).lines();
    let mut born = || births.next().expect("a line").expect("text");
    assert_eq!(born(), "spBv1.0/factory/NBIRTH/line-1");
    // metrics { name: "Node Control/Rebirth", datatype: Boolean, boolean_value: true }
    let command = [
        b"\x12\x1a\x0a\x14Node Control/Rebirth".as_slice(),
        b"\x20\x0b\x70\x01",
    ];
    let path = dir.path().join("command");
    std::fs::write(&path, command.concat()).expect("a file");
    let sent = columba()
        .args(["pub", "-h", "127.0.0.1", "-p", broker.port(), "-q", "1"])
        .args(["-t", "spBv1.0/factory/NCMD/line-1", "-f"])
        .arg(&path)
        .status();
    assert!(sent.expect("an end").success());
    assert_eq!(born(), "spBv1.0/factory/NBIRTH/line-1");
    kill_process(Pid::from_child(&simulation), Signal::INT).expect("a signal");
    let output = simulation.wait_with_output().expect("an end");
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["received"], 1, "{told:#}");
}

#[test]
fn the_same_seed_makes_the_same_values() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let scenario = "[[device]]\nname = \"d\"\nclient_id = \"d-{index}\"\n[[device.message]]\ntopic = \
                    \"v/{index}\"\npayload = '{\"n\":{counter},\"v\":{walk(0.00, 100.00, 9)},\"c\":\"\
                    {choice(a, b)}{hex(8)}\"}'\nevery = \"1s\"\nqos = 1\n";
    let path = write(dir.path(), scenario);
    let values = |seed: &str| {
        let subscriber = Subscriber::start(&broker, "v/#", 6, "%t %p");
        let args = ["-s", &path, "--seed", seed, "--count", "6", "--rate", "100"];
        summary(&broker, &args);
        subscriber.lines()
    };
    let first = values("7");
    assert_eq!(first.len(), 6);
    assert!(first[5].starts_with("v/1 {\"n\":5,\"v\":"), "{first:?}");
    assert_eq!(values("7"), first);
    assert_ne!(values("8"), first);
}

#[test]
fn refusals_are_counted_with_their_reasons() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!("{CONFIG}[access]\nacl = \"etc/acl.toml\"\n");
    std::fs::create_dir_all(dir.path().join("etc")).expect("a directory");
    let rule = "[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = \"elsewhere/#\"\n";
    std::fs::write(dir.path().join("etc/acl.toml"), rule).expect("a file");
    let broker = Broker::start(dir.path(), &config, |_| {});
    let scenario = "[[device]]\nname = \"d\"\nclient_id = \"d\"\n[[device.subscribe]]\nfilter = \"x\"\n\
                    [[device.message]]\ntopic = \"x\"\npayload = \"1\"\nevery = \"1s\"\nqos = 1\n";
    let path = write(dir.path(), scenario);
    let args = ["-s", &path, "--count", "5", "--rate", "100"];
    let told = summary(&broker, &args);
    assert_eq!(told["refused"]["count"], 6, "{told:#}");
    let output = run(&broker, &[&args[..], &["--lang", "zh"]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("被拒绝") && text.contains("PUBLISH: Not authorized (0x87)"),
        "{text}"
    );
    assert!(text.contains("SUBSCRIBE: Not authorized (0x87)"), "{text}");
}

#[test]
fn faults_are_told_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let output = run(&broker, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let error = String::from_utf8(output.stderr).expect("text");
        for word in words {
            assert!(error.contains(word), "{args:?}: {word}: {error}");
        }
    };
    let path = write(
        dir.path(),
        "[[device]]\nname = \"d\"\nclient_id = \"d-{indx}\"\n",
    );
    check(
        &["-s", &path],
        2,
        &[
            "my.toml:3:16",
            "{indx}",
            "^^^^^^",
            "did you mean index?",
            "1 error",
        ],
    );
    check(&["-s", "flakey"], 2, &["smart-home, fleet, factory, flaky"]);
    check(&["-s", "no/such.toml"], 2, &["cannot read no/such.toml"]);
    check(&["-s", "fleet", "-i", "x"], 3, &["-I PREFIX"]);
    check(&["-s", "fleet", "--will-topic", "x"], 3, &["--will-topic"]);
    check(&["-s", "fleet", "-n", "50001"], 2, &["50001"]);
}

#[test]
fn without_a_broker_it_ends_at_once() {
    let output = columba()
        .args(["simulate", "-s", "fleet", "--unix", "/nonexistent/socket"])
        .output()
        .expect("the binary");
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("cannot connect to /nonexistent/socket"),
        "{error}"
    );
}

#[test]
fn a_scenario_that_is_shown_can_be_run_and_ends_with_its_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = Broker::start(dir.path(), CONFIG, |_| {});
    let shown = columba()
        .args(["simulate", "--show", "smart-home"])
        .output();
    let shown = String::from_utf8(shown.expect("an end").stdout).expect("text");
    let path = write(dir.path(), &shown);
    let output = run(
        &broker,
        &[
            "-s",
            &path,
            "--duration",
            "300ms",
            "-I",
            "x-",
            "--lang",
            "en",
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("my: 13 clients, "), "{text}");
    assert!(text.contains("13, 0 of them reconnects"), "{text}");
    let output = run(&broker, &[&path, "--count", "1", "--lang", "en"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(b"my: 13 clients, "), "{output:?}");
    let output = run(&broker, &[&path, "-s", &path]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let listed = columba()
        .args(["simulate", "--list", "--lang", "zh"])
        .output();
    let listed = String::from_utf8(listed.expect("an end").stdout).expect("text");
    assert!(listed.contains("smart-home  智能家居"), "{listed}");
}
