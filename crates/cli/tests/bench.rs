//! `columba bench` against the broker of this program.

mod binary;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A broker of its own, which ends with the test.
struct Broker {
    child: Child,
    port: String,
    dir: TempDir,
}

impl Broker {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let args = ["run", "--listen", "127.0.0.1:0", "--log-level", "error"];
        let mut child = command(dir.path(), &args).spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("mqtt://127.0.0.1:")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        let port = port.expect("an address");
        Self { child, port, dir }
    }

    fn bench(&self, args: &str) -> Output {
        let mut all = vec!["bench"];
        all.extend(args.split_whitespace());
        all.extend(["-p", &self.port]);
        let mut command = command(self.dir.path(), &all);
        command.output().expect("an end")
    }

    /// A run that has to go well, as JSON.
    fn report(&self, args: &str) -> Value {
        let output = self.bench(&format!("{args} --json"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{args}: {}{text}", err(&output));
        let report: Value = serde_json::from_str(&text).expect("JSON");
        for fault in [
            "lost",
            "duplicated",
            "reordered",
            "refused",
            "failed_clients",
        ] {
            assert_eq!(report[fault], 0, "{args}: {report:#}");
        }
        assert_eq!(report["is_complete"], true, "{args}: {report:#}");
        assert_eq!(report["received"], report["expected"], "{args}: {report:#}");
        report
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // One that is gone already is what the test was about.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = binary::columba();
    command
        .current_dir(dir)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a kind at both versions and these QoS, and checks what is sent and what arrives.
fn check(broker: &Broker, args: &str, all_qos: &[u8], sent: u64, received: u64) {
    for version in ["3.1.1", "5"] {
        for qos in all_qos {
            let args = format!("{args} -V {version} -q {qos}");
            let report = broker.report(&args);
            assert_eq!(report["sent"], sent, "{args}: {report:#}");
            assert_eq!(report["received"], received, "{args}: {report:#}");
        }
    }
}

#[test]
fn lasting_sessions_are_there_during_a_run_and_gone_after_it() {
    let broker = Broker::start();
    for (kind, version) in [("pair", "5"), ("fanout", "5"), ("pair", "3.1.1")] {
        for qos in [1, 2] {
            let args = format!("{kind} -c 3 -n 300 -q {qos} -V {version} -x 60 -I lasting-%i");
            let report = broker.report(&args);
            assert_eq!(report["acknowledgement"]["count"], report["sent"], "{args}");
        }
    }
    // With the same ids: had a session stayed, it would get these as well.
    let report = broker.report("pub -c 3 -n 30 -q 1 -x 60 -I lasting-%i -t bench/%i");
    assert_eq!(report["received"], 0);
}

#[test]
fn pairs_get_every_message_once_and_in_order() {
    let broker = Broker::start();
    check(&broker, "pair -n 300 -c 3", &[0, 1, 2], 300, 300);
    check(
        &broker,
        "pair -n 300 -c 3 --topics 7 --threads 2",
        &[0, 2],
        300,
        300,
    );
}

#[test]
fn one_subscriber_gets_the_messages_of_all_publishers() {
    let broker = Broker::start();
    check(&broker, "fanin -n 300 -c 5", &[0, 1, 2], 300, 300);
    check(&broker, "fan-in -n 300 -c 5 --threads 3", &[1], 300, 300);
}

#[test]
fn all_subscribers_get_the_messages_of_one_publisher() {
    let broker = Broker::start();
    check(&broker, "fanout -n 100 -c 5", &[0, 1, 2], 100, 500);
}

#[test]
fn messages_reach_the_subscriptions_that_match_them_among_many() {
    let broker = Broker::start();
    let args = "filters -n 300 -c 10 --subscriptions 200";
    for (matching, received) in [("1", 300), ("4", 1200), ("4 --exact", 1200), ("0", 0)] {
        let args = format!("{args} --match {matching}");
        check(&broker, &args, &[0, 1], 300, received);
    }
    let pid = broker.child.id();
    let report = broker.report(&format!("{args} --broker-pid {pid}"));
    assert!(report["broker_use"]["rss_bytes_per_kept"].is_number());
    assert_eq!(report["stages"][0]["count"], 200, "{report:#}");
}

#[test]
fn publishing_counts_what_was_acknowledged() {
    let broker = Broker::start();
    check(&broker, "pub -n 300 -c 3", &[0, 1, 2], 300, 0);
    let report = broker.report("pub -n 300 -q 1");
    assert_eq!(report["latency"]["count"], 300);
}

#[test]
fn a_listener_checks_messages_of_another_run() {
    let broker = Broker::start();
    // Retained, they are there whenever the listener comes.
    broker.report("retained -n 50 -c 1 --keep");
    let report = broker.report("sub -n 100 -c 2 -t bench/#");
    assert_eq!(report["received"], 100, "{report:#}");
    assert_eq!(report["latency"]["count"], 100, "{report:#}");
}

#[test]
fn connections_are_opened_and_held() {
    let broker = Broker::start();
    for version in ["3.1", "3.1.1", "5"] {
        let report = broker.report(&format!("conn -c 40 --hold 10ms -V {version}"));
        assert_eq!(report["connected"], 40);
        assert_eq!(report["latency"]["count"], 40);
    }
}

#[test]
fn retained_messages_are_stored_replayed_and_cleared() {
    let broker = Broker::start();
    check(&broker, "retained -n 100 -c 3", &[0, 1, 2], 100, 300);
    // Nothing is left for a subscriber that comes now.
    let output = broker.bench("sub -d 200ms --json");
    let report: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(report["received"], 0, "{report:#}");
}

#[test]
fn sessions_drain_what_was_kept_for_them() {
    let broker = Broker::start();
    check(&broker, "offline -n 200 -c 4", &[1, 2], 200, 200);
}

#[test]
fn a_mixed_fleet_delivers_reports_and_commands() {
    let broker = Broker::start();
    for version in ["3.1.1", "5"] {
        let report = broker.report(&format!("mixed -n 500 -c 20 -V {version}"));
        assert_eq!(report["sent"], 500);
        assert_eq!(report["connections"], 24);
    }
}

#[test]
fn an_open_loop_with_warmup_reports_its_own_lateness() {
    let broker = Broker::start();
    let report = broker.report("pair -c 2 -n 200 --rate 2000 --warmup 100 -q 1");
    assert_eq!(report["sent"], 200);
    assert_eq!(report["latency"]["count"], 200);
    assert!(report["generator"]["lag_p99_us"].is_number(), "{report:#}");
}

#[test]
fn a_condition_that_holds_is_exit_code_10() {
    let broker = Broker::start();
    let passed = broker.bench("pair -n 50 --fail-if loss>0 --fail-if received<50");
    assert_eq!(passed.status.code(), Some(0), "{}", err(&passed));
    let hit = broker.bench("pair -n 50 --fail-if loss>0 --fail-if received>=50");
    assert_eq!(hit.status.code(), Some(10));
    assert_eq!(err(&hit), "failed: received>=50, found 50\n");
    let missing = broker.bench("conn -c 1 --hold 0s --fail-if loss>0");
    assert_eq!(missing.status.code(), Some(10));
    assert!(
        err(&missing).contains("does not measure"),
        "{}",
        err(&missing)
    );
}

#[test]
fn the_summary_names_what_people_look_for() {
    let broker = Broker::start();
    let pid = broker.child.id();
    let output = broker.bench(&format!("pair -n 1000 -q 1 --broker-pid {pid}"));
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    for part in [
        "pair on 127.0.0.1:",
        "QoS 1, 64 bytes, closed loop",
        "1,000 deliveries",
        "duplicated",
        "publish to arrival, 1,000 times",
        "p99.9",
        "  broker  ",
        "at its peak",
        "  generator  ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn csv_has_as_many_names_as_values() {
    let broker = Broker::start();
    let text = out(&broker.bench("pair -n 50 --csv"));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    assert!(lines[1].starts_with("pair,127.0.0.1:"), "{text}");
}

#[test]
fn the_distribution_goes_to_a_file() {
    let broker = Broker::start();
    let output = broker.bench("pair -n 50 --histogram times.hgrm");
    assert!(output.status.success(), "{}", err(&output));
    let path = broker.dir.path().join("times.hgrm");
    let text = std::fs::read_to_string(path).expect("the file");
    assert!(text.contains("Percentile"), "{text}");
    let nowhere = broker.bench("pair -n 50 --histogram no/such/dir/times");
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn faulty_command_lines_are_exit_code_2() {
    let dir = tempfile::tempdir().expect("a directory");
    for args in [
        "bench",
        "bench pair -s 10",
        "bench pair -q 3",
        "bench pair --fail-if p99",
        "bench pair -c 2 -t same",
        "bench pair -c 0",
        "bench offline -q 0",
        "bench offline -d 5s",
        "bench pair -n 5 -d 5s",
        "bench sub --rate 5",
    ] {
        let args: Vec<_> = args.split(' ').collect();
        let output = command(dir.path(), &args).output().expect("an end");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
    }
}

#[test]
fn a_broker_that_is_not_there_is_named_with_advice() {
    let mut broker = Broker::start();
    broker.child.kill().expect("a signal");
    broker.child.wait().expect("an end");
    let output = broker.bench("pair -n 5");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        format!(
            "error: cannot connect to 127.0.0.1:{}: connection refused\n  = is a broker running \
             there? Name it with -h HOST -p PORT\n",
            broker.port
        )
    );
}

#[test]
fn report_conditions_and_troubles_are_told_in_chinese() {
    let mut broker = Broker::start();
    let output = broker.bench("pair -n 50 -q 1 --fail-if p99>0us --lang zh");
    assert_eq!(output.status.code(), Some(10), "{}", err(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for text in [
        "2 个连接，QoS 1，64 字节，闭环",
        "发布 ",
        "次投递",
        "已收到  丢失",
        "从发布到到达，50 次",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    for english in [
        "publish",
        "deliver",
        "lost",
        "generator",
        "loop",
        "bytes",
        "thread",
    ] {
        assert!(!shown.contains(english), "{english}: {shown}");
    }
    assert!(
        err(&output).starts_with("不合格：p99>0us，实际为 "),
        "{}",
        err(&output)
    );
    // Programs read the same in any language.
    let json = broker.bench("pair -n 50 --json --lang zh");
    let report: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(report["latency"]["of"], "publish to arrival");
    assert_eq!(report["stages"][0]["name"], "publishing");

    let output = broker.bench("sub -n 1 --stall-timeout 100ms --json --lang zh");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let trouble = report["troubles"][0].as_str().expect("a sentence");
    assert!(
        trouble.ends_with("s while 1 of 1 messages were missing"),
        "{trouble}"
    );
    assert!(
        err(&output).contains("1 条消息中还缺 1 条"),
        "{}",
        err(&output)
    );

    broker.child.kill().expect("a signal");
    broker.child.wait().expect("an end");
    let output = broker.bench("pair -n 5 --lang zh");
    assert_eq!(
        err(&output),
        format!(
            "错误：无法连接 127.0.0.1:{}：连接被拒绝\n  = 那里有 Broker 在运行吗？请用 -h 主机 -p 端口 指定\n",
            broker.port
        )
    );
    let faulty = broker.bench("pair -c 0 --lang zh");
    assert_eq!(err(&faulty), "错误：客户端数必须大于 0\n");
}
