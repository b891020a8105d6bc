//! What `-d` shows under Mosquitto's names: the lines of Mosquitto's own clients, on standard output.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::bed::{Broker, columba};

/// Command lines, and whether the lines come in the same order: `sub` and `rr` acknowledge a message after
/// it is printed, Mosquitto's before, and it sends UNSUBSCRIBE before SUBACK has come.
const LINES: &[(&str, bool)] = &[
    ("pub -d -t d/0 -m hello", true),
    ("pub -d -t d/0 -m hello -V 5", true),
    ("pub -d -t d/1 -m hello -q 1 -r -i pub-id", true),
    ("pub -d -t d/1 -m hello -q 1 -r -V 5", true),
    ("pub -d -t d/2 -n -q 2 -V 5 -i pub-id", true),
    ("pub -d -t d/2 -m hello -q 2 -r", true),
    ("pub -d -t d/0 -m hello --quiet", true),
    ("pub -d -t d/0 -m hello --repeat 3", true),
    ("pub -d -t d/2 -m x -u nobody -P x", true),
    ("pub -d -t d/2 -m x -u nobody -P x -V 5", true),
    ("sub -d -t d/1 -E -q 1", true),
    ("sub -d -t d/1 -E --quiet", true),
    (
        "sub -d -t d/1 -t none/+ -E -V 5 -q 2 --retain-as-published -R",
        true,
    ),
    ("sub -d -t d/1 -C 1", true),
    ("sub -d -t d/1 -C 1 -q 1 -v -i sub-id", false),
    ("sub -d -t d/2 -C 1 -q 2 -V 5", false),
    ("sub -d -t d/+ -C 2 -q 2 -v", false),
    ("sub -d -t none -t none/+ -U a -W 1", false),
    ("rr -d -t d/echo -e d/echo -m x -W 5", false),
    ("rr -d -t d/echo -e d/echo -m x -W 5 -q 2 -V 311", false),
    ("rr -d -t d/ask -e d/answer -m x -W 1", false),
];

/// What a client shows, with a word for the client ids that a server makes up.
fn lines_of(output: &Output, is_ordered: bool) -> Vec<String> {
    let shown = String::from_utf8_lossy(&output.stdout);
    let nameless = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        match *words {
            ["Client", id, "sending" | "received", ..]
                if !["(null)", "pub-id", "sub-id"].contains(&id) =>
            {
                line.replacen(id, "ASSIGNED", 1)
            }
            _ => line.to_owned(),
        }
    };
    let mut lines: Vec<_> = shown.lines().map(nameless).collect();
    if !is_ordered {
        // Ours may leave without having seen the end of the last message at QoS 2, which it has printed, and
        // says goodbye where Mosquitto's `rr` just closes the connection.
        let ends = ["received PUBREL", "PUBCOMP", "sending DISCONNECT"];
        lines.retain(|line| !ends.iter().any(|end| line.contains(end)));
        lines.sort();
    }
    lines
}

#[test]
fn debug_lines_are_those_of_mosquitto() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut broker = Broker::start(&dir.path().join("broker"), "[broker]\nshards = 1\n", |_| ());
    // Nobody reads it, and it must not fill up.
    drop(broker.take_stderr());
    let ours = tempfile::tempdir().expect("a directory");
    let linked = columba().arg("link-mosquitto").arg(ours.path()).output();
    assert!(linked.expect("the binary").status.success());
    let run = |programs: PathBuf, line: &str| {
        let (tool, words) = line.split_once(' ').expect("a tool and words");
        let mut command = Command::new(programs.join(format!("mosquitto_{tool}")));
        command.args(["-h", "127.0.0.1", "-p", broker.port()]);
        command.args(words.split(' ')).stdin(Stdio::null());
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        command.output().expect("mosquitto-clients is installed")
    };
    for (line, is_ordered) in LINES {
        let theirs = run(PathBuf::from("/usr/bin"), line);
        let ours = run(ours.path().to_owned(), line);
        let shown = lines_of(&theirs, *is_ordered);
        assert!(shown.len() > 1, "{line} {theirs:?}");
        assert_eq!(shown, lines_of(&ours, *is_ordered), "{line}");
        assert_eq!(theirs.status.code(), ours.status.code(), "{line}");
        assert_eq!(
            theirs.stderr.is_empty(),
            ours.stderr.is_empty(),
            "{line} {ours:?}"
        );
    }
}

/// By the native names the words and their place stay what they are.
#[test]
fn native_debug_lines_go_to_standard_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut broker = Broker::start(&dir.path().join("broker"), "[broker]\nshards = 1\n", |_| ());
    drop(broker.take_stderr());
    let mut command = columba();
    command.args(["pub", "-o", "/dev/null", "-d", "-t", "d", "-m", "x"]);
    command.args(["-h", "127.0.0.1", "-p", broker.port()]);
    let output = command.output().expect("the binary");
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("Publishing 1 bytes to 'd' at QoS 0"),
        "{said}"
    );
}
