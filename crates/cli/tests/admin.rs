//! The commands that ask a running broker, against one.

mod binary;
#[path = "admin/empty_lists.rs"]
mod empty_lists;
#[path = "admin/own_user.rs"]
mod own_user;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = binary::columba();
    command
        .current_dir(dir)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A broker that runs in ./columba-data of a directory.
struct Running {
    dir: tempfile::TempDir,
    child: Child,
    port: String,
    url: String,
}

impl Running {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more in its configuration.
    fn start_with(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let made = command(dir.path(), &["create", "columba-data"]).output();
        assert!(made.expect("the binary").status.success());
        let config = "[broker]\nshards = 2\n[[listener]]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \
                      \"127.0.0.1:0\"\n[store]\ndurability = \"memory\"\n";
        let path = dir.path().join("columba-data/etc/columba.toml");
        std::fs::write(path, format!("{config}{more}")).expect("a file");
        let mut child = command(dir.path(), &["run"]).spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut found = |scheme: &str| loop {
            let line = lines.next().expect("a line").expect("text");
            if let Some(at) = line.find(scheme) {
                let rest = &line[at..];
                break rest.split([' ', '│']).next().unwrap_or_default().to_owned();
            }
        };
        let mqtt = found("mqtt://");
        let url = found("http://");
        let port = mqtt.rsplit(':').next().unwrap_or_default().to_owned();
        Self {
            dir,
            child,
            port,
            url: url.trim_end_matches("/api/v1").to_owned(),
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        command(self.dir.path(), args).output().expect("an end")
    }

    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Exit code and error of a command that fails.
    fn fails(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.run(args);
        let error = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), error)
    }

    fn retain(&self, topic: &str, payload: &str) {
        let port = ["-p", &self.port];
        self.out(
            &[
                &["pub"],
                &port[..],
                &["-t", topic, "-m", payload, "-r", "-q", "1"],
            ]
            .concat(),
        );
    }

    fn instance(&self) -> PathBuf {
        self.dir.path().join("columba-data")
    }

    /// Has the files read again, and waits for it.
    fn reload(&self) {
        let socket = self.instance().join("data/admin.sock");
        let mut stream = UnixStream::connect(socket).expect("the socket");
        let request =
            "POST /api/v1/config/reload HTTP/1.1\r\nHost: columba\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn on_the_same_machine_the_broker_is_found_by_its_directory_and_needs_no_token() {
    let broker = Running::start();
    broker.retain("home/温度", "21\t5");
    broker.retain("home/b", "on");
    let table = broker.out(&["retained"]);
    assert_eq!(
        table,
        "TOPIC      QOS  BYTES  PAYLOAD\nhome/b     1    2      on\nhome/温度  1    4      21\u{fffd}5\n"
    );
    let lines = broker.out(&["retained", "home/+", "-o", "jsonl"]);
    let topics: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["topic"].clone())
        .collect();
    assert_eq!(topics, ["home/b", "home/温度"]);
    assert_eq!(broker.out(&["retained", "nothing", "-o", "jsonl"]), "");
    let head = "CLIENT  USER  ADDRESS  SUBSCRIPTIONS  IN FLIGHT  QUEUED  WAITING ON\n";
    assert_eq!(broker.out(&["clients", "--dir", "columba-data"]), head);
    assert_eq!(
        broker.out(&["clients", "--sessions", "--sort", "queued"]),
        head
    );
    let (code, error) = broker.fails(&["clients", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("no session of a client \"nobody\""),
        "{error}"
    );
}

#[test]
fn a_client_is_shown_on_a_page_and_with_all_its_fields_as_json() {
    let broker = Running::start();
    let port = ["-p", &broker.port];
    // It leaves a session behind.
    let words = ["-i", "lamp", "-c", "-q", "1", "-t", "home/+", "-E"];
    broker.out(&[&["sub"], &port[..], &words].concat());
    broker.retain("home/a", "on");
    let page = broker.out(&["clients", "lamp"]);
    for part in [
        "lamp\n  offline        since ",
        ", last from 127.0.0.1\n",
        "  queued         1, 8 B, the oldest to home/a\n",
        "  subscriptions  1\n    home/+  QoS 1\n",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    let json = broker.out(&["clients", "lamp", "-o", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["session"]["id"], "lamp");
    assert_eq!(json["subscriptions"][0]["filter"], "home/+");
}

#[test]
fn elsewhere_a_token_is_needed_and_counts_until_it_is_revoked() {
    let broker = Running::start();
    let url = ["--url", &broker.url];
    let clients = |token: Option<&str>| {
        let mut command = command(broker.dir.path(), &["clients"]);
        command.args(url);
        token.into_iter().for_each(|token| {
            command.env("COLUMBA_TOKEN", token);
        });
        command.output().expect("an end").status.code()
    };
    assert_eq!(clients(None), Some(4));
    let token = broker.out(&["token", "add", "columba-data", "me", "--expires", "1h"]);
    let listed = broker.out(&["token", "list", "columba-data"]);
    assert!(
        listed.starts_with("me ") && listed.contains("read"),
        "{listed}"
    );
    let again = broker.fails(&["token", "add", "columba-data", "me"]);
    assert_eq!(again.0, Some(2), "{}", again.1);
    assert_eq!(clients(Some(token.trim())), Some(0));
    broker.out(&["token", "revoke", "columba-data", "me"]);
    assert_eq!(clients(Some(token.trim())), Some(4));
    assert_eq!(
        broker.fails(&["token", "revoke", "columba-data", "me"]).0,
        Some(2)
    );
    let bad = ["token", "add", "columba-data", "x", "--scopes", "write"];
    assert!(broker.fails(&bad).1.contains("`write` is no scope"));
}

/// Without the scope `read`, about clients of its own alone.
#[test]
fn a_user_asks_why_with_its_password_or_with_a_context() {
    let (broker, secret) = own_user::with_ann();
    let dir = broker.dir.path();
    let given = || std::fs::File::open(&secret).expect("the file");
    let as_ann = ["-u", "ann", "-P", "open-sesame"];
    let subscribed = ["-i", "hub", "-q", "1", "-t", "home/kitchen/+"];
    let mut hub = listens(&broker, &[&subscribed[..], &as_ann].concat());
    broker.retain("home/Kitchen/temp", "1");
    let ask = |words: &[&str]| {
        let why = ["why", "home/Kitchen/temp", "--url", &broker.url];
        let output = broker.run(&[&why[..], words].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("text"))
    };
    let (code, told) = ask(&[&["--to", "hub"][..], &as_ann].concat());
    assert!(code == Some(10) && told.contains("R02"), "{told}");
    // Of others it learns nothing.
    let (code, told) = ask(&[&["--to", "other"][..], &as_ann].concat());
    assert!(code == Some(4) && told.contains("user ann"), "{told}");
    let (code, told) = ask(&["--to", "hub", "-u", "ann", "-P", "wrong"]);
    assert_eq!(code, Some(4), "{told}");
    // What the options name goes before a token, and needs a password.
    assert_eq!(ask(&["-u", "ann", "--token", "x", "-P", "y"]).0, Some(2));
    assert_eq!(ask(&["-u", "ann"]).0, Some(2));
    // A context has the same, for messages and questions alike.
    let of_context = |words: &[&str]| {
        let mut command = command(dir, words);
        command.env("XDG_CONFIG_HOME", dir.join("config"));
        command.stdin(given()).output().expect("an end")
    };
    let server = format!("mqtt://127.0.0.1:{}", broker.port);
    let add = ["context", "add", "lab", "-L", &server, "--api", &broker.url];
    let add = [&add[..], &["-u", "ann", "--password-stdin"]].concat();
    assert!(of_context(&add).status.success());
    let asked = of_context(&["why", "--to", "hub", "--context", "lab"]);
    let told = String::from_utf8_lossy(&asked.stdout);
    assert!(
        asked.status.code() == Some(10) && told.contains("Subs   home/kitchen/+"),
        "{told}"
    );
    hub.kill().expect("a process");
    hub.wait().expect("an end");
}

#[test]
fn who_asks_where_no_broker_is_hears_what_to_do() {
    let broker = Running::start();
    let (code, error) = broker.fails(&["clients", "--dir", "elsewhere"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("there is no instance in elsewhere"),
        "{error}"
    );
    let stopped = broker.dir.path().join("stopped");
    let path = stopped.display().to_string();
    broker.out(&["create", &path]);
    let (code, error) = broker.fails(&["clients", "--dir", &path]);
    assert_eq!(code, Some(3));
    assert!(error.contains("columba run"), "{error}");
    let (code, error) = broker.fails(&["clients", "--url", "mqtt://x"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("https://HOST:61680"), "{error}");
    assert!(broker.instance().join("data/admin.sock").exists());
}

#[test]
fn events_are_shown_as_they_happen_until_the_broker_stops() {
    let mut broker = Running::start();
    let args = ["events", "--follow", "--client", "me", "-o", "jsonl"];
    let mut child = command(broker.dir.path(), &args)
        .spawn()
        .expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    for topic in ["home/a", "home/b"] {
        let port = ["-p", &broker.port, "-i", "me"];
        broker.out(&[&["pub"], &port[..], &["-t", topic, "-m", "x"]].concat());
        let mut event = next();
        while event["outcome"] != "publish.no_match" {
            assert_eq!(event["client"], "me");
            event = next();
        }
        assert_eq!(event["topic"], topic);
    }
    let term = Command::new("kill")
        .arg(broker.child.id().to_string())
        .status();
    assert!(term.expect("kill").success());
    broker.child.wait().expect("an end");
    let output = child.wait_with_output().expect("an end");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("the broker is stopping"), "{error}");
}

#[test]
fn a_watch_shows_what_becomes_of_the_next_message() {
    let broker = Running::start();
    let args = ["why", "home/lamp", "--watch", "-o", "json", "--lang", "zh"];
    let mut child = command(broker.dir.path(), &args)
        .spawn()
        .expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["verdict"]["code"], "P05");
    broker.retain("home/lamp", "on");
    assert_eq!(next()["verdict"]["code"], "R01");
    broker.retain("home/lamp", "off");
    let again = next();
    assert_eq!(again["verdict"]["code"], "R01");
    // It is about that message alone.
    assert_eq!(again["judged"]["messages"], 1);
    child.kill().expect("an end");
    child.wait().expect("an end");
}

#[test]
fn a_bundle_has_the_evidence_and_nothing_secret() {
    let broker = Running::start();
    broker.retain("home/lamp", "payload-that-is-nobodys-business");
    let args = ["why", "home/lamp", "--bundle", "report.json"];
    let output = broker.run(&args);
    assert_eq!(output.status.code(), Some(10));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("report.json has the verdict"), "{told}");
    let text = std::fs::read_to_string(broker.dir.path().join("report.json")).expect("a file");
    assert!(!text.contains("nobodys-business"));
    let bundle: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(bundle["schema"], "columba.bundle/1");
    assert_eq!(bundle["report"]["verdict"]["code"], "R01");
    let events = bundle["events"].as_array().expect("a list");
    assert!(events.iter().any(|event| event["topic"] == "home/lamp"));
    assert!(bundle["broker"]["version"].is_string());
    let (code, error) = broker.fails(&args);
    assert_eq!(code, Some(1));
    assert!(error.contains("cannot write report.json"), "{error}");
}

#[test]
fn a_trace_shows_messages_as_they_are_published_until_ctrl_c() {
    let broker = Running::start();
    let args = ["trace", "home/#", "--for", "1h", "--lang", "en"];
    let mut child = command(broker.dir.path(), &args)
        .spawn()
        .expect("the binary");
    let mut notes = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut note = || notes.next().expect("a line").expect("text");
    let told = note();
    assert!(told.starts_with("Tracing home/# for "), "{told}");
    broker.retain("other", "x");
    broker.retain("home/温度", "21");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let head = next();
    assert!(head.contains("  #1 home/温度  from "), "{head}");
    assert!(head.ends_with("  QoS 1  2 bytes, text  RETAIN"), "{head}");
    assert_eq!(next(), "   ✗ nobody subscribes to it");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("kill").success());
    assert_eq!(note(), "1 message.");
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    for _ in 0..2 {
        let output = broker.run(&["trace", "quiet", "--for", "1s", "--lang", "zh"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(10), "{told}");
        assert!(told.ends_with("共 0 条消息。\n"), "{told}");
    }
    let (code, error) = broker.fails(&["trace", "a/#/b"]);
    assert_eq!(code, Some(1), "{error}");
}

/// `sub` that stays, once it has its SUBACK.
fn listens(broker: &Running, args: &[&str]) -> Child {
    let port = ["sub", "-p", &broker.port, "-d"];
    let mut child = command(broker.dir.path(), &[&port[..], args].concat())
        .spawn()
        .expect("the binary");
    let mut notes = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut note = || notes.next().expect("a line").expect("text");
    while !note().starts_with("Subscribed to ") {}
    // What comes later is not read, and would stop nobody.
    std::thread::spawn(move || notes.for_each(drop));
    child
}

#[test]
fn a_publisher_hears_who_got_its_message_and_who_did_not() {
    let broker = Running::start();
    let publish = |args: &[&str]| {
        let fixed = ["pub", "-p", &broker.port, "-i", "esp", "-q", "1", "--why"];
        let output = broker.run(&[&fixed[..], args].concat());
        let told = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), told)
    };
    let mut ha = listens(&broker, &["-i", "ha", "-t", "home/kitchen/+", "-q", "1"]);
    // More of them than there can be traces at a time: each ends with its command.
    for _ in 0..9 {
        let (code, told) = publish(&["-t", "home/kitchen/hum", "-m", "48", "--lang", "en"]);
        assert_eq!(code, Some(0), "{told}");
        let (head, copies) = told.split_once('\n').expect("lines");
        assert!(
            head.ends_with("  home/kitchen/hum  from esp  QoS 1  2 bytes, text"),
            "{head}"
        );
        assert!(copies.starts_with("   → ha  ✓ acknowledged  +"), "{copies}");
        assert_eq!(copies.lines().count(), 1, "{copies}");
    }
    let port = ["sub", "-p", &broker.port];
    let leaves = [
        "-i",
        "phone",
        "-c",
        "-q",
        "1",
        "-E",
        "-t",
        "home/kitchen/hum",
    ];
    broker.out(&[&port[..], &leaves].concat());
    let (code, told) = publish(&["-t", "home/kitchen/hum", "-m", "48", "--lang", "zh"]);
    assert_eq!(code, Some(12), "{told}");
    assert!(told.contains("   → phone  … 等待：客户端未连接"), "{told}");
    assert!(
        told.contains("\nS13  ") && told.contains("\n     建议："),
        "{told}"
    );
    let (code, told) = publish(&["-t", "home/Kitchen/hum", "-m", "48", "--lang", "en"]);
    assert_eq!(code, Some(10), "{told}");
    assert!(
        told.contains("   ✗ nobody subscribes to it\nR02  "),
        "{told}"
    );
    assert!(told.contains("home/kitchen/+"), "{told}");
    ha.kill().expect("an end");
    ha.wait().expect("an end");
}

#[test]
fn a_publisher_whose_broker_cannot_be_asked_has_published_all_the_same() {
    let broker = Running::start();
    let port = ["pub", "-p", &broker.port, "-t", "a", "-q", "1"];
    let publish = |args: &[&str]| broker.fails(&[&port[..], &["-m", "x"], args].concat());
    let (code, error) = publish(&["--why", "--api", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(0), "{error}");
    let told = error
        .lines()
        .filter(|line| line.contains("cannot tell what becomes"));
    assert_eq!(told.count(), 1, "{error}");
    let (code, error) = publish(&["--why", "--dir", "elsewhere"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("broker elsewhere with --api"), "{error}");
    // Another broker than the one that was published to.
    let other = Running::start();
    let dir = other.instance().display().to_string();
    let output = broker.run(
        &[
            &port[..],
            &["-m", "x", "--why", "--dir", &dir, "--why-for", "1s"],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(11));
    let (code, error) = publish(&["--token", "x"]);
    assert_eq!(code, Some(3), "{error}");
    let (code, error) = publish(&["--why", "--repeat", "2"]);
    assert_eq!(code, Some(2), "{error}");
}

#[test]
fn a_subscriber_that_hears_nothing_says_what_the_broker_knows() {
    let broker = Running::start();
    broker.retain("home/Kitchen/hum", "48");
    let args = [
        "sub",
        "-p",
        &broker.port,
        "-t",
        "home/kitchen/+",
        "-i",
        "me",
    ];
    let explain = ["--explain", "1", "--lang", "en", "-W", "60"];
    let mut child = command(broker.dir.path(), &[&args[..], &explain].concat())
        .spawn()
        .expect("the binary");
    let mut notes = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut note = || notes.next().expect("a line").expect("text");
    assert_eq!(note(), "Nothing came for 1 s. The broker says:");
    let told = note();
    assert!(
        told.contains("Nobody has published to a topic that home/kitchen/+ matches"),
        "{told}"
    );
    let told = note();
    assert!(
        told.contains(" publishes to home/Kitchen/hum, which is nearly it: "),
        "{told}"
    );
    // Something comes: the next silence is told again, about that.
    broker.retain("home/kitchen/hum", "49");
    assert!(note().starts_with("Nothing came for "));
    let told = note();
    assert!(
        told.contains("The last message that home/kitchen/+ matches is that of "),
        "{told}"
    );
    child.kill().expect("an end");
    child.wait().expect("an end");
}

/// The first that `sub --explain` says of a silence.
fn explained(broker: &Running, args: &[&str]) -> String {
    let explain = ["--explain", "1", "--lang", "en", "-W", "60"];
    let mut child = command(broker.dir.path(), &[args, &explain].concat())
        .spawn()
        .expect("the binary");
    let mut notes = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut note = || notes.next().expect("a line").expect("text");
    assert_eq!(note(), "Nothing came for 1 s. The broker says:");
    let told = note();
    child.kill().expect("an end");
    child.wait().expect("an end");
    told
}

#[test]
fn of_a_private_topic_is_said_that_its_name_is_not_in_the_record() {
    let broker = Running::start_with("[limits]\nrecorder_private_topics = [\"patients/+/#\"]\n");
    let publish = |args: &[&str]| {
        let fixed = ["pub", "-p", &broker.port, "-i", "bed", "-q", "1", "-m", "x"];
        let output = broker.run(&[&fixed[..], args].concat());
        let told = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), told)
    };
    let why = ["--why", "--why-for", "1s"];
    for (language, says) in [
        ("en", "U01  The name of patients/7/pulse is kept out"),
        ("zh", "U01  按 recorder_private_topics 中 patients/+/#"),
    ] {
        let args = ["-t", "patients/7/pulse", "--lang", language];
        let (code, told) = publish(&[&args[..], &why].concat());
        assert!(code == Some(11) && told.starts_with(says), "{told}");
    }
    for (filter, says) in [
        (
            "patients/8/pulse",
            "  U01  The name of patients/8/pulse is kept",
        ),
        (
            "patients/+/pulse",
            "  The names of topics that patients/+/# covers",
        ),
    ] {
        let told = explained(&broker, &["sub", "-p", &broker.port, "-t", filter]);
        assert!(told.starts_with(says), "{told}");
    }
}

#[test]
fn top_shows_one_picture_where_no_terminal_is() {
    let broker = Running::start();
    broker.retain("home/lamp", "on");
    let picture = broker.out(&["top", "--once", "--every", "1s", "--lang", "en"]);
    let mut lines = picture.lines();
    let head = lines.next().expect("a line");
    assert!(
        head.starts_with("columba ") && head.contains("   2 shards   "),
        "{picture}"
    );
    // The broker's own below $SYS are among them.
    let counts = lines.next().expect("a line");
    let start = "clients 0   sessions 0   subscriptions 0   retained ";
    assert!(counts.starts_with(start), "{picture}");
    assert!(picture.contains("\nNo message waits.\n"), "{picture}");
    assert!(!picture.contains('\u{1b}'), "{picture}");
    let picture = broker.out(&["top", "--once", "--lang", "zh"]);
    assert!(picture.contains("保留消息 "), "{picture}");
}

#[test]
fn topics_are_shown_as_a_table_sorted_by_what_one_looks_for_and_as_a_tree() {
    let broker = Running::start();
    for (topic, payload) in [
        ("home/a", "1"),
        ("home/b/x", "22"),
        ("home/b/x", "3"),
        ("/", ""),
    ] {
        if payload.is_empty() {
            broker.out(&["pub", "-p", &broker.port, "-t", topic, "-m", "x"]);
        } else {
            broker.retain(topic, payload);
        }
    }
    let lines = broker.out(&["topics", "home/#", "--sort", "messages", "-o", "json"]);
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows[0]["topic"], "home/b/x");
    assert_eq!(
        (&rows[0]["messages"], &rows[0]["payload_bytes"]),
        (&2.into(), &3.into())
    );
    for (sort, first) in [
        ("+messages", "home/a"),
        ("payload_bytes", "home/b/x"),
        ("subscriptions", "home/a"),
    ] {
        let lines = broker.out(&["topics", "home/#", "--sort", sort, "-o", "json"]);
        assert!(
            lines.starts_with('{') && lines.lines().count() == 2,
            "{lines}"
        );
        let row: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
        assert_eq!(row["topic"], first, "{sort}");
    }
    let (code, error) = broker.fails(&["topics", "--sort", "size"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("write one of topic, messages, -messages"),
        "{error}"
    );
    let table = broker.out(&["topics", "home/+"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(
        lines[0].starts_with("TOPIC   MESSAGES  BYTES  UNMATCHED  LAST "),
        "{table}"
    );
    assert!(
        lines[1].starts_with("home/a  1 ") && lines[1].contains(" s ago "),
        "{table}"
    );
    let tree = broker.out(&["topics", "--tree", "home", "--depth", "1"]);
    let levels = |text: &str| -> Vec<String> {
        let words = text
            .lines()
            .skip(1)
            .map(|line| line.split("  ").next().map(str::to_owned));
        words.flatten().collect()
    };
    assert_eq!(levels(&tree), ["a", "b/"]);
    let all = broker.out(&["topics", "--tree", "--depth", "3", "-o", "jsonl"]);
    let topics: Vec<Value> = all
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["topic"].clone())
        .filter(|topic| !topic.as_str().expect("text").starts_with("$SYS"))
        .collect();
    assert_eq!(topics, ["", "/", "home", "home/a", "home/b", "home/b/x"]);
    let (code, error) = broker.fails(&["topics", "home/#/x"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("topic: "), "{error}");
}

#[test]
fn a_limit_that_is_changed_through_the_api_reaches_all_shards_at_once() {
    let broker = Running::start();
    // Client ids that are at home on both shards.
    let publish = |number: usize| {
        let client_id = format!("publisher-{number}");
        let connection = ["pub", "-p", &broker.port, "-V", "5", "-i", &client_id];
        let message = ["-t", "a/b/c/d", "-m", "x", "-q", "1"];
        broker.run(&[&connection[..], &message].concat())
    };
    let are_refused = |range: std::ops::Range<usize>| {
        let refused: Vec<bool> = range
            .map(|number| !publish(number).status.success())
            .collect();
        assert!(
            refused.windows(2).all(|pair| pair[0] == pair[1]),
            "{refused:?}"
        );
        refused[0]
    };
    assert!(!are_refused(0..8));
    let body = r#"{"value": "3"}"#;
    let request = format!(
        "PUT /api/v1/config/limits.topic_levels_max HTTP/1.1\r\nHost: columba\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let socket = broker.instance().join("data/admin.sock");
    let mut stream = UnixStream::connect(socket).expect("the door of this machine");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(are_refused(8..16));
}

#[test]
fn the_rules_show_what_they_decided_also_after_others_have_changed() {
    let broker = Running::start();
    let file = broker.instance().join("etc/acl.toml");
    let rules = "[[rule]]\ndeny = [\"publish\"]\ntopics = [\"secret/#\"]\n\n[[rule]]\nallow = [\"all\"]\n\
                 topics = [\"#\"]\n";
    let put = |text: &str| {
        let before = std::fs::read_to_string(&file).expect("the rules");
        assert_ne!(before, text);
        std::fs::write(&file, text).expect("a file");
        broker.reload();
    };
    let config = broker.instance().join("etc/columba.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let text = format!("{text}[access]\nacl = \"etc/acl.toml\"\n");
    std::fs::write(&config, text).expect("a file");
    put(rules);
    broker.retain("home/a", "x");
    let port = [
        "pub",
        "-p",
        &broker.port,
        "-V",
        "5",
        "-q",
        "1",
        "-m",
        "x",
        "-t",
    ];
    let denied = broker.run(&[&port[..], &["secret/a"]].concat());
    let warning = String::from_utf8_lossy(&denied.stderr);
    assert!(warning.contains("denied by etc/acl.toml:1"), "{warning}");
    let shown = |args: &[&str]| {
        let text = broker.out(&[&["acl"], args].concat());
        // How long ago it was is another matter.
        let cells = |line: &str| {
            let cells = line.split("  ").map(str::trim);
            let cells = cells.filter(|cell| !cell.is_empty() && !cell.ends_with(" ago"));
            cells.collect::<Vec<_>>().join("|")
        };
        text.lines().map(cells).collect::<Vec<_>>()
    };
    let table = [
        "RULE|SAYS|PUBLISH|SUBSCRIBE|RECEIVE|LAST",
        "etc/acl.toml:1|deny publish secret/#|1|0|0",
        "etc/acl.toml:5|allow all #|1|0|0",
        "(no rule)|allow receive; deny publish,subscribe|0|0|0|-",
    ];
    assert_eq!(shown(&[]), table);
    put(&format!(
        "# Other lines.\n{rules}\n[[rule]]\nallow = [\"receive\"]\ntopics = [\"x\"]\nusers = [\"ann\"]\n"
    ));
    let table = [
        "RULE|SAYS|PUBLISH|SUBSCRIBE|RECEIVE|LAST",
        "etc/acl.toml:2|deny publish secret/#|1|0|0",
        "etc/acl.toml:6|allow all #|1|0|0",
        "etc/acl.toml:10|allow receive x users=ann|0|0|0|-",
        "(no rule)|allow receive; deny publish,subscribe|0|0|0|-",
    ];
    assert_eq!(shown(&[]), table);
    assert_eq!(shown(&["--unused"]), [table[0], table[3]]);
    let lines = broker.out(&["acl", "-o", "jsonl"]);
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["publish"]["times"], 1);
}
