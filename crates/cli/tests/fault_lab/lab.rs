//! The laboratory: a broker, clients of elsewhere, and `columba why`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const CONFIG: &str = r#"
[broker]
shards = 2
[[listener]]
bind = "127.0.0.1:0"
anonymous = "always"
[admin]
bind = "127.0.0.1:0"
[limits]
queue_messages_max = 3
packet_bytes_max = "10000B"
"#;

const RULES: &str = r##"
[[rule]]
deny = ["publish"]
topics = ["forbidden/#"]
[[rule]]
deny = ["subscribe"]
topics = ["secret/#"]
clients = ["nosy"]
[[rule]]
deny = ["receive"]
topics = ["hidden/#"]
clients = ["blind"]
[[rule]]
allow = ["publish", "subscribe"]
topics = ["#", "$other/#"]
anonymous = true
"##;

/// A broker with an instance of its own.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    broker: Child,
    pub(crate) port: String,
}

pub(crate) fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COLUMBA_")) {
        command.env_remove(name);
    }
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

const COLUMBA: &str = env!("CARGO_BIN_EXE_columba");

impl Lab {
    pub(crate) fn start() -> Self {
        Self::start_with("[store]\ndurability = \"memory\"\n")
    }

    pub(crate) fn start_with(store: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let run = |args: &[&str]| command(COLUMBA, dir.path()).args(args).output();
        let made = run(&["create", "columba-data"]).expect("the binary");
        assert!(made.status.success());
        let instance = dir.path().join("columba-data/etc");
        std::fs::write(instance.join("columba.toml"), CONFIG).expect("a file");
        std::fs::write(instance.join("acl.toml"), RULES).expect("a file");
        let config = instance.join("columba.toml");
        let text = std::fs::read_to_string(&config).expect("a file");
        let access = "[access]\nacl = \"etc/acl.toml\"\nusers = \"etc/users\"\n";
        std::fs::write(&config, format!("{text}{store}{access}")).expect("a file");
        let (broker, port) = Self::run(dir.path());
        Self { dir, broker, port }
    }

    /// Starts the broker of a directory; tells its port.
    fn run(dir: &Path) -> (Child, String) {
        let mut broker = command(COLUMBA, dir)
            .arg("run")
            .spawn()
            .expect("the binary");
        let mut lines = BufReader::new(broker.stdout.take().expect("a pipe")).lines();
        let port = loop {
            let line = lines.next().map(|line| line.expect("text"));
            let line = line.unwrap_or_else(|| {
                let mut error = String::new();
                let stderr = broker.stderr.take().expect("a pipe");
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    error.push_str(&line);
                }
                panic!("the broker did not start: {error}")
            });
            if let Some((_, rest)) = line.split_once("mqtt://127.0.0.1:") {
                let port = rest.split([' ', '│', '/']).next().unwrap_or_default();
                break port.to_owned();
            }
        };
        (broker, port)
    }

    /// Ends the broker by a signal and starts another one in its place.
    pub(crate) fn restart(&mut self, signal: &str) {
        let pid = self.broker.id().to_string();
        let killed = command("kill", self.dir.path())
            .args([&format!("-{signal}"), &*pid])
            .status();
        assert!(killed.expect("kill").success());
        drop(self.broker.wait());
        (self.broker, self.port) = Self::run(self.dir.path());
    }

    pub(crate) fn mosquitto(&self, program: &str, id: &str, args: &[&str]) -> Command {
        let mut command = command(program, self.dir.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port, "-i", id]);
        command.args(args);
        command
    }

    /// A subscriber that stays, once it has its SUBACK.
    pub(crate) fn listens(&self, id: &str, args: &[&str]) -> Listener {
        // Its output is for the terminal line by line only if it is one.
        let mut unbuffered = command("stdbuf", self.dir.path());
        unbuffered.args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &self.port]);
        let mut child = unbuffered
            .args(["-i", id, "-d"])
            .args(args)
            .spawn()
            .expect("stdbuf and mosquitto_sub");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut listener = Listener { child, lines };
        let mut seen = String::new();
        for line in &mut listener.lines {
            let line = line.expect("text");
            if line.contains("Subscribed (mid") || line.contains("received SUBACK") {
                return listener;
            }
            seen.push_str(&line);
        }
        panic!("{id} has no SUBACK: {seen}")
    }

    /// A subscriber that subscribes, and leaves.
    pub(crate) fn leaves(&self, id: &str, args: &[&str]) {
        let args = [args, &["-E"]].concat();
        let output = self.mosquitto("mosquitto_sub", id, &args).output();
        let output = output.expect("mosquitto_sub");
        assert!(output.status.success(), "{id}: {output:?}");
    }

    pub(crate) fn publishes(&self, id: &str, args: &[&str]) -> Output {
        let output = self.mosquitto("mosquitto_pub", id, args).output();
        output.expect("mosquitto_pub")
    }

    /// The exit code of `columba why`, and what it says.
    pub(crate) fn why(&self, args: &[&str]) -> (i32, Value) {
        let output = command(COLUMBA, self.dir.path())
            .args(["why", "-o", "json"])
            .args(args)
            .output()
            .expect("the binary");
        let error = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|_| panic!("{args:?}: {error}"));
        (output.status.code().unwrap_or(-1), report)
    }

    pub(crate) fn says(&self, args: &[&str], exit: i32, code: &str) -> Value {
        let (status, report) = self.why(args);
        let verdict = &report["verdict"];
        assert_eq!(
            (status, verdict["code"].as_str()),
            (exit, Some(code)),
            "{args:?}: {report:#}"
        );
        report
    }

    /// Asks until the answer is this one: for what others than the broker bring about.
    pub(crate) fn comes_to(&self, args: &[&str], exit: i32, code: &str, part: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..ASKED_MAX {
            let (status, report) = self.why(args);
            let verdict = &report["verdict"];
            let text = verdict["text"].as_str().unwrap_or_default();
            if status == exit && verdict["code"] == code && text.contains(part) {
                return report;
            }
            last = report;
        }
        panic!("{args:?} does not come to {code}: {last:#}")
    }
}

/// How often is asked for what comes about in its own time.
const ASKED_MAX: usize = 500;

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.broker.kill());
        drop(self.broker.wait());
    }
}

/// A subscriber that stays.
pub(crate) struct Listener {
    pub(crate) child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Listener {
    /// Waits until it has got a message and acknowledged it, if that is to be.
    pub(crate) fn gets(&mut self, what: &str) {
        for line in &mut self.lines {
            if line.expect("text").contains(what) {
                return;
            }
        }
        panic!("no line with {what}")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) const NOT_DELIVERED: i32 = 10;
pub(crate) const CANNOT_TELL: i32 = 11;
pub(crate) const WAITING: i32 = 12;
