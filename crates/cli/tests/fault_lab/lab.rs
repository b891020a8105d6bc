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
receive_maximum = 8
"#;

const MEMORY: &str = "[store]\ndurability = \"memory\"\n";

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
topics = ["#", "$other/#", "$SYS/#"]
anonymous = true
"##;

/// A broker with an instance of its own.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    broker: Child,
    pub(crate) port: String,
    /// When it was there for clients.
    since_unix_ms: u128,
}

pub(crate) fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COLUMBA_")) {
        command.env_remove(name);
    }
    // Its brokers are not to be found by whoever runs the tests.
    command.env("COLUMBA_RUNTIME_DIR", "/nonexistent/run");
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
        Self::start_with(MEMORY)
    }

    pub(crate) fn start_with(store: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), store)
    }

    /// The same where takeovers are not slowed down.
    pub(crate) fn start_hasty() -> Self {
        Self::start_with(&format!("takeover_delay_max = \"off\"\n{MEMORY}"))
    }

    fn start_in(dir: tempfile::TempDir, more: &str) -> Self {
        let run = |args: &[&str]| command(COLUMBA, dir.path()).args(args).output();
        let made = run(&["create", "columba-data"]).expect("the binary");
        assert!(made.status.success());
        let instance = dir.path().join("columba-data/etc");
        std::fs::write(instance.join("columba.toml"), CONFIG).expect("a file");
        std::fs::write(instance.join("acl.toml"), RULES).expect("a file");
        let config = instance.join("columba.toml");
        let text = std::fs::read_to_string(&config).expect("a file");
        let access = "[access]\nacl = \"etc/acl.toml\"\nusers = \"etc/users\"\n";
        std::fs::write(&config, format!("{text}{more}{access}")).expect("a file");
        let (broker, port) = Self::run(dir.path());
        let clock = || std::time::UNIX_EPOCH.elapsed().expect("a clock");
        let since = clock();
        // The broker's clock may be a millisecond behind: what happens from now on is not before that.
        while clock().as_millis() < since.as_millis() + 2 {
            std::thread::yield_now();
        }
        Self {
            dir,
            broker,
            port,
            since_unix_ms: since.as_millis(),
        }
    }

    /// The same with a listener for TLS with this certificate, made by [`certify`]. `more` is what it
    /// says besides.
    pub(crate) fn start_tls(dir: tempfile::TempDir, name: &str, more: &str) -> Self {
        let of = |name: String| dir.path().join(name).display().to_string();
        let listener = format!(
            "[[listener]]\nkind = \"tls\"\nbind = \"127.0.0.1:0\"\nanonymous = \"always\"\n\
             tls_certificate = \"{}\"\ntls_key = \"{}\"\n{more}",
            of(format!("{name}.pem")),
            of(format!("{name}.key"))
        );
        Self::start_in(dir, &format!("{MEMORY}{listener}"))
    }

    /// The port of the listener for TLS.
    pub(crate) fn tls_port(&self) -> String {
        self.port_where("kind", "tls")
    }

    /// The port of the first listener of which the API says this.
    pub(crate) fn port_where(&self, member: &str, value: &str) -> String {
        let listeners = self.api("GET", "/api/v1/listeners", "");
        let items = listeners["data"].as_array().expect("a list");
        let found = items.iter().find(|row| row[member] == value);
        let addr = found.expect("such a listener")["address"].to_string();
        let port = addr.trim_matches('"').rsplit(':').next();
        port.expect("a port").to_owned()
    }

    /// Asks the management API as the owner of the instance.
    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> Value {
        use std::io::{Read as _, Write as _};
        let socket = self.dir.path().join("columba-data/data/admin.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("a connection");
        let len = body.len();
        let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
        let request =
            format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {len}\r\n\r\n");
        stream
            .write_all(format!("{request}{body}").as_bytes())
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(
            answer.starts_with("HTTP/1.1 20"),
            "{method} {path}: {answer}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(body).unwrap_or_default()
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
        self.listens_at(&self.port, id, args)
    }

    /// The same at another listener.
    pub(crate) fn listens_at(&self, port: &str, id: &str, args: &[&str]) -> Listener {
        // Its output is for the terminal line by line only if it is one.
        let mut unbuffered = command("stdbuf", self.dir.path());
        unbuffered.args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", port]);
        unbuffered.args(["-i", id, "-d"]).args(args);
        Listener::start(unbuffered, "ubscribed (mid")
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

    #[track_caller]
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

    /// Waits until the broker has recorded something of a client.
    pub(crate) fn has_seen(&self, client: &str, outcome: &str) {
        for _ in 0..ASKED_MAX {
            let path = format!("/api/v1/events?client={client}");
            if self.api("GET", &path, "").to_string().contains(outcome) {
                return;
            }
        }
        panic!("no {outcome} of {client}")
    }

    /// The answer about all that was since the broker is there: of the time before, which `columba why`
    /// looks at too, it knows nothing. `who` as the API has it: `topic=a/b&from=c&to=d`.
    #[track_caller]
    pub(crate) fn answers(&self, who: &str, code: &str) -> Value {
        let since = self.since_unix_ms;
        let path = format!("/api/v1/why?{who}&since_unix_ms={since}");
        let mut answer = self.api("GET", &path, "");
        let report = answer["report"].take();
        assert_eq!(report["verdict"]["code"], code, "{who}: {report:#}");
        report
    }

    /// Has the next [answers](Self::answers) be about the time from now on.
    pub(crate) fn asks_since_now(&mut self) {
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock");
        self.since_unix_ms = now.as_millis() + 1;
    }

    /// What `columba events` lists.
    pub(crate) fn events(&self, args: &[&str]) -> Vec<Value> {
        let output = command(COLUMBA, self.dir.path())
            .args(["events", "-o", "jsonl"])
            .args(args)
            .output()
            .expect("the binary");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Asks until the answer is this one: for what others than the broker bring about.
    #[track_caller]
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

/// What is to be done, as a report says it.
#[track_caller]
pub(crate) fn advises(report: &Value, part: &str) {
    let fixes = report["fixes"].to_string();
    assert!(fixes.contains(part), "{part} is not in {report:#}");
}

/// Something that is noticed beside the verdict.
#[track_caller]
pub(crate) fn notices<'r>(report: &'r Value, code: &str) -> &'r Value {
    let also = report["also"].as_array().map_or(&[][..], Vec::as_slice);
    let found = also.iter().find(|also| also["code"] == code);
    found.unwrap_or_else(|| panic!("{code} is not noticed: {report:#}"))
}

/// What a verdict says of this case.
#[track_caller]
pub(crate) fn tells(verdict: &Value, parts: &[&str]) {
    let text = verdict["text"].as_str().unwrap_or_default();
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// How often is asked for what comes about in its own time.
pub(crate) const ASKED_MAX: usize = 500;

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
    /// Starts it, and waits until it says that it has its SUBACK.
    pub(crate) fn start(mut command: Command, suback: &str) -> Self {
        let started = command.spawn();
        let mut child = started.unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `cargo xtask faultlab` installs what is missing")
        });
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut listener = Self { child, lines };
        let mut seen = String::new();
        for line in &mut listener.lines {
            let line = line.expect("text");
            if line.contains(suback) || line.contains("received SUBACK") {
                return listener;
            }
            seen.push_str(&line);
        }
        panic!("{command:?} has no SUBACK: {seen}")
    }

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
