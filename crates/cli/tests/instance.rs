//! The commands around an instance, as a newcomer runs them.

mod binary;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the binary with an input and without settings of the environment.
fn columba(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = command(dir, args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("the input is taken");
    drop(stdin);
    child.wait_with_output().expect("an end")
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

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_new_instance_is_made_once_and_checks_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = columba(dir.path(), &["create", "inst"], "");
    assert!(made.status.success(), "{}", err(&made));
    assert!(out(&made).contains("columba run inst"), "{}", out(&made));
    let checked = columba(dir.path(), &["check", "inst"], "");
    assert!(checked.status.success(), "{}", err(&checked));
    let again = columba(dir.path(), &["create", "inst"], "");
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(
        err(&again),
        "error: cannot make an instance: inst is not empty\n  = name a directory that is empty or \
         new\n"
    );
}

#[test]
fn check_tells_all_faults_with_exit_code_2() {
    let dir = tempfile::tempdir().expect("a directory");
    columba(dir.path(), &["create", "inst"], "");
    let etc = dir.path().join("inst/etc");
    std::fs::write(
        etc.join("columba.toml"),
        "[limit]\n[access]\nusers = \"etc/users\"\n",
    )
    .expect("a file");
    std::fs::write(etc.join("users"), "ann:secret\n").expect("a file");
    let checked = columba(dir.path(), &["check", "inst"], "");
    assert_eq!(checked.status.code(), Some(2));
    assert_eq!(
        err(&checked),
        "\
error: unknown section `limit`
  --> etc/columba.toml:1:2
  |
1 | [limit]
  |  ^^^^^
  = did you mean `limits`?

error: the password of `ann` is not hashed
  --> etc/users:1:1
  |
1 | ann:...
  | ^^^^^^^
  = set it with `columba passwd DIR ann`

inst: 2 errors, 0 warnings.
"
    );
    assert!(!err(&checked).contains("secret"));
    let run = columba(dir.path(), &["run", "inst"], "");
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn users_are_added_changed_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    columba(dir.path(), &["create", "inst"], "");
    let users = || std::fs::read_to_string(dir.path().join("inst/etc/users")).expect("the file");
    let line = |name: &str| {
        let users = users();
        users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))
            .map(str::to_owned)
    };
    let passwd = |args: &[&str], input: &str| {
        let mut all = vec!["passwd", "inst"];
        all.extend(args);
        columba(dir.path(), &all, input)
    };
    assert!(
        passwd(&["ann", "--password-stdin"], "secret\n")
            .status
            .success()
    );
    let first = line("ann").expect("ann");
    assert!(passwd(&["ann", "--groups", "a,b"], "").status.success());
    assert_eq!(line("ann"), Some(format!("{first}:a,b")));
    assert!(
        passwd(&["ann", "--password-stdin"], "other\n")
            .status
            .success()
    );
    let second = line("ann").expect("ann");
    assert!(
        second.ends_with(":a,b") && !second.starts_with(&first),
        "{second}"
    );
    let made = passwd(&["bob", "--generate"], "");
    assert!(out(&made).contains("password  "), "{}", out(&made));
    assert!(passwd(&["bob", "--delete"], "").status.success());
    assert_eq!(line("bob"), None);

    let check = |args: &[&str], input: &str, expected: &str| {
        let output = passwd(args, input);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            err(&output).contains(expected),
            "{args:?}: {}",
            err(&output)
        );
    };
    check(&["bob", "--delete"], "", "the users are: admin, ann");
    check(&["ann"], "", "add --password-stdin or --generate");
    check(&["ann", "--password-stdin"], "\n", "the password is empty");
    check(
        &["a:b", "--password-stdin"],
        "x\n",
        "a user name has no ':'",
    );
    check(&["ann", "--groups", "a:b"], "", "a group has no ':'");
}

#[test]
fn a_broker_runs_until_it_is_asked_to_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = ["run", "--listen", "127.0.0.1:0", "--log-level", "error"];
    let mut child = command(dir.path(), &args).spawn().expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let address = lines.find_map(|line| {
        let line = line.expect("text");
        let (_, rest) = line.split_once("mqtt://")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    let mut client = TcpStream::connect(address.expect("an address")).expect("a connection");
    // CONNECT of MQTT 3.1.1 with client id "a", clean session and no credentials.
    client
        .write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")
        .expect("CONNECT");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer, [0x20, 2, 0, 0]);
    // The instance is locked while its broker runs.
    let second = columba(dir.path(), &["run", "--listen", "127.0.0.1:0"], "");
    assert_eq!(second.status.code(), Some(1));
    assert!(
        err(&second).contains(&format!("is in use by process {}", child.id())),
        "{}",
        err(&second)
    );
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
    assert!(child.wait().expect("an end").success());
}
