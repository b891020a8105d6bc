//! Contexts: commands go where the named one leads, options go before it, and no secret is shown.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::bed::{Broker, columba};

/// A home with contexts, and a broker that lets nobody do anything but `ann`, whose password is
/// `pigeon-5150`.
struct Home {
    dir: tempfile::TempDir,
    broker: Broker,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let instance = dir.path().join("instance");
        let config = "[broker]\nshards = 1\n[access]\nusers = \"etc/users\"\nacl = \"etc/acl.toml\"\n\
                      [admin]\nbind = \"127.0.0.1:0\"\n[store]\ndurability = \"memory\"\n";
        let rule =
            "[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = \"#\"\nusers = \"*\"\n";
        std::fs::create_dir_all(instance.join("etc")).expect("a directory");
        std::fs::write(instance.join("etc/columba.toml"), config).expect("a file");
        std::fs::write(instance.join("etc/acl.toml"), rule).expect("a file");
        let home = dir.path().to_owned();
        let added = with_input(
            command(&home).args(["passwd", "instance", "ann", "--password-stdin"]),
            "pigeon-5150\n",
        );
        assert!(added.status.success(), "{added:?}");
        let broker = Broker::start(&instance, config, |_| {});
        Self { dir, broker }
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.broker.port())
    }

    fn run(&self, args: &[&str]) -> Output {
        command(self.dir.path())
            .args(args)
            .output()
            .expect("an end")
    }

    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Exit code and standard error of a command that fails.
    fn fails(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let error = String::from_utf8(output.stderr).expect("text");
        (output.status.code(), error)
    }

    /// Adds a context `lab` with user and password.
    fn add_lab(&self) {
        let url = self.url();
        let line = [
            "context",
            "add",
            "lab",
            "--url",
            &url,
            "-u",
            "ann",
            "--password-stdin",
        ];
        let added = with_input(command(self.dir.path()).args(line), "pigeon-5150\n");
        assert!(added.status.success(), "{added:?}");
        let said = String::from_utf8_lossy(&added.stdout);
        assert!(said.contains("--context lab"), "{said}");
        assert!(!said.contains("5150"), "{said}");
    }

    fn file(&self, name: &str) -> PathBuf {
        let dir = self.dir.path().join("config/columba/contexts");
        dir.join(format!("{name}.toml"))
    }
}

fn command(home: &Path) -> Command {
    let mut command = columba();
    command
        .current_dir(home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .stdin(Stdio::null());
    command
}

fn with_input(command: &mut Command, input: &str) -> Output {
    use std::io::Write as _;
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("a reader");
    drop(stdin);
    child.wait_with_output().expect("an end")
}

const PUBLISH: &[&str] = &["-t", "a", "-m", "x", "-q", "1"];

#[test]
fn a_context_says_where_to_and_as_whom() {
    let home = Home::new();
    home.add_lab();
    let (code, error) = home.fails(&[&["pub", "-L", &home.url()], PUBLISH].concat());
    assert_eq!(code, Some(0x87), "without a user nothing goes: {error}");
    home.out(&[&["pub", "--context", "lab"], PUBLISH].concat());
    let from_environment = command(home.dir.path())
        .env("COLUMBA_CONTEXT", "lab")
        .args([&["pub"], PUBLISH].concat())
        .output();
    assert!(from_environment.expect("an end").status.success());
    home.out(&["context", "use", "lab"]);
    home.out(&[&["pub"], PUBLISH].concat());
    home.out(&["sub", "-t", "a", "-E"]);
    home.out(&["bench", "pub", "-n", "10", "--quiet"]);
    let report = home.run(&["doctor", "-o", "json"]);
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    let shown = report.to_string();
    assert!(
        shown.contains(home.broker.port()) && !shown.contains("5150"),
        "{shown}"
    );
    assert!(home.out(&["context", "check"]).contains("mqtt  ok"));
    home.out(&["context", "use", "--none"]);
    let check = home.run(&["context", "check"]);
    assert_eq!(check.status.code(), Some(2));
}

#[test]
fn options_go_before_a_context_and_another_server_gets_nothing_of_it() {
    let home = Home::new();
    home.add_lab();
    // A context that leads nowhere: host and port of the command line count, user and password
    // are its own.
    let line = [
        "context",
        "add",
        "off",
        "--url",
        "mqtt://192.0.2.1:1",
        "-u",
        "ann",
    ];
    let line = [&line[..], &["--password-stdin", "--use"]].concat();
    let added = with_input(command(home.dir.path()).args(&line), "pigeon-5150\n");
    assert!(added.status.success(), "{added:?}");
    let here = ["-h", "127.0.0.1", "-p", home.broker.port()];
    home.out(&[&["pub", "--context", "off"], &here[..], PUBLISH].concat());
    let (code, error) = home.fails(&[&["pub"], &here[..], PUBLISH].concat());
    assert_eq!(code, Some(0x87), "the one in use has no say: {error}");
    let other = ["pub", "--context", "lab", "-u", "bob"];
    let (code, _) = home.fails(&[&other[..], PUBLISH].concat());
    assert_ne!(code, Some(0), "another user does not get ann's password");
    let with_user = format!("mqtt://ann:pigeon-5150@127.0.0.1:{}", home.broker.port());
    home.out(&["context", "add", "url", "--url", &with_user]);
    home.out(&[&["pub", "--context", "url"], PUBLISH].concat());
    let (code, _) = home.fails(&[&["pub", "--context", "url", "-u", "bob"], PUBLISH].concat());
    assert_ne!(code, Some(0), "nor that of a URL");
    let own = [&["pub", "--context", "off", "-L", &with_user], PUBLISH].concat();
    home.out(&own);
    let wrong = ["pub", "--context", "lab", "-P", "wrong"];
    assert_eq!(home.fails(&[&wrong[..], PUBLISH].concat()).0, Some(0x86));
}

#[test]
fn a_context_is_made_with_host_and_port_as_a_message_is_published() {
    let home = Home::new();
    let here = ["-h", "127.0.0.1", "-p", home.broker.port()];
    let line = [&["context", "add", "lab"], &here[..], &["-u", "ann"]].concat();
    let line = [&line[..], &["--password-stdin"]].concat();
    let added = with_input(command(home.dir.path()).args(&line), "pigeon-5150\n");
    assert!(added.status.success(), "{added:?}");
    let file = std::fs::read_to_string(home.file("lab")).expect("a context");
    assert!(
        file.contains(&format!("url = \"{}\"", home.url())),
        "{file}"
    );
    home.out(&[&["pub", "--context", "lab"], PUBLISH].concat());
    for other in [["--url", "mqtt://h"], ["--unix", "/x"]] {
        let line = [&["context", "add", "two"], &here[..], &other[..]].concat();
        let (code, error) = home.fails(&line);
        assert_eq!(code, Some(2), "{error}");
    }
    let (code, error) = home.fails(&["context", "add", "two", "-h", "127.0.0.1:1884"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("behind -p"), "{error}");
    // Nothing but the host has taken the place of the help.
    assert!(
        home.out(&["context", "add", "--help"])
            .contains("--host <HOST>")
    );
    assert!(home.out(&["context", "list", "-h"]).contains("--json"));
}

#[test]
fn an_options_file_yields_to_a_named_context() {
    let home = Home::new();
    home.add_lab();
    let options = home.dir.path().join("config/mosquitto_pub");
    std::fs::write(&options, "-h 192.0.2.1\n-p 1\n-u eve\n-q 1\n").expect("a file");
    home.out(&["pub", "--context", "lab", "-t", "a", "-m", "x"]);
}

#[test]
fn mosquittos_names_know_no_contexts() {
    let home = Home::new();
    home.out(&[
        "context",
        "add",
        "off",
        "--url",
        "mqtt://192.0.2.1:1",
        "--use",
    ]);
    let link = home.dir.path().join("mosquitto_pub");
    symlink(env!("CARGO_BIN_EXE_columba"), &link).expect("a link");
    let run = |args: &[&str]| {
        let mut command = Command::new(&link);
        command.env("XDG_CONFIG_HOME", home.dir.path().join("config"));
        command.env("COLUMBA_CONTEXT", "off");
        command.args(args).output().expect("an end")
    };
    let port = ["-p", home.broker.port()];
    let published = run(&[&port[..], PUBLISH].concat());
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let named = run(&[&["--context", "off"], PUBLISH].concat());
    assert_eq!(named.status.code(), Some(1), "{named:?}");
}

#[test]
fn secrets_are_in_the_file_alone() {
    let home = Home::new();
    home.add_lab();
    let url = "mqtts://bob:topsecret@broker.example";
    home.out(&["context", "add", "url", "--url", url]);
    let shown = [
        home.out(&["context", "show", "lab"]),
        home.out(&["context", "show", "url"]),
        home.out(&["context", "list"]),
        home.out(&["context", "list", "--json"]),
        home.fails(&["pub", "--context", "url", "-t", "a", "-m", "x", "-W"])
            .1,
    ]
    .concat();
    assert!(
        shown.contains("broker.example") && shown.contains("not shown"),
        "{shown}"
    );
    for secret in ["5150", "topsecret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let mode = std::fs::metadata(home.file("lab"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(home.file("lab"), Permissions::from_mode(0o644)).expect("a mode");
    let (code, error) = home.fails(&[&["pub", "--context", "lab"], PUBLISH].concat());
    assert_eq!(code, Some(3));
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn a_context_reaches_the_api() {
    let home = Home::new();
    let url = home.url();
    home.out(&["context", "add", "api", "--url", &url, "--dir", "instance"]);
    home.out(&["clients", "--context", "api"]);
    home.out(&["context", "use", "api"]);
    home.out(&["clients"]);
    let (_, said) = home.fails(&["clients", "--dir", "elsewhere"]);
    assert!(said.contains("elsewhere"), "{said}");
    home.out(&["context", "add", "bare", "--url", &url]);
    let (code, error) = home.fails(&["clients", "--context", "bare"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("names no management API"), "{error}");
    let works = home.out(&["context", "check", "api"]);
    assert!(
        works.contains("mqtt  ok") && works.contains("api   ok"),
        "{works}"
    );
    home.out(&["context", "add", "gone", "--url", &url, "--dir", "nowhere"]);
    let check = home.run(&["context", "check", "gone"]);
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(
        said.contains("mqtt  ok") && said.contains("api   fails"),
        "{said}"
    );
    assert_eq!(check.status.code(), Some(1));
}

#[test]
fn wrong_names_and_files_are_told() {
    let home = Home::new();
    home.add_lab();
    let (code, error) = home.fails(&["context", "use", "lba"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean `lab`?"), "{error}");
    let (_, error) = home.fails(&["context", "add", "../x", "--url", "mqtt://h"]);
    assert!(error.contains("no name of a context"), "{error}");
    let (_, error) = home.fails(&["context", "add", "lab", "--url", "mqtt://h"]);
    assert!(error.contains("--force"), "{error}");
    std::fs::write(home.file("lab"), "url = \"mqtt://h\"\nusr = \"x\"\n").expect("a file");
    let (_, error) = home.fails(&["context", "show", "lab"]);
    assert!(
        error.contains("lab.toml:2:1: unknown field `usr`"),
        "{error}"
    );
    assert!(
        home.out(&["context", "list"])
            .contains("unknown field `usr`")
    );
    home.out(&["context", "use", "--none"]);
    home.out(&["context", "remove", "lab"]);
    let (code, error) = home.fails(&["context", "remove", "lab"]);
    assert_eq!(code, Some(2));
    assert!(!error.contains("context add"), "{error}");
    std::fs::write(home.dir.path().join("config/columba/context"), "lab\n").expect("a file");
    let (_, error) = home.fails(&[&["pub"], PUBLISH].concat());
    assert!(
        error.contains("in use") && error.contains("context use"),
        "{error}"
    );
    let chinese = ["context", "list", "--lang", "zh"];
    let error = String::from_utf8(home.run(&chinese).stderr).expect("text");
    assert!(error.contains("还没有上下文"), "{error}");
}

#[test]
fn who_asks_for_a_password_without_a_terminal_is_told_what_needs_none() {
    let dir = tempfile::tempdir().expect("a directory");
    for (secret, language, said) in [
        (
            "--password",
            "en",
            "there is no terminal to ask for the password",
        ),
        ("--password", "zh", "没有可以询问密码的终端"),
        ("--token", "en", "there is no terminal to ask for the token"),
    ] {
        // A session of its own has no terminal.
        let output = Command::new("setsid")
            .args([
                "--wait",
                env!("CARGO_BIN_EXE_columba"),
                "context",
                "add",
                "p",
            ])
            .args(["--url", "mqtt://h", "-u", "ann", secret, "--lang", language])
            .current_dir(dir.path())
            .env("XDG_CONFIG_HOME", dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("setsid, of util-linux");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{error}");
        assert!(error.contains(&format!("{secret}-stdin")), "{error}");
    }
}
