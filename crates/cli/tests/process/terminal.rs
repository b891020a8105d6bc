//! What a person at a terminal sees.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use columba_diagnosis::Code;
use columba_speech::width::width;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::bed::{Broker, columba};

/// Runs the binary at a terminal of its own, waits for each question and types its answer. What
/// the terminal showed, and whether all went well.
fn at_a_terminal(dir: &std::path::Path, args: &[&str], talk: &[(&str, &str)]) -> (String, bool) {
    at_a_terminal_of(120, dir, args, talk)
}

/// The same at a terminal with so many columns.
fn at_a_terminal_of(
    columns: u16,
    dir: &std::path::Path,
    args: &[&str],
    talk: &[(&str, &str)],
) -> (String, bool) {
    at_a_terminal_with(columns, &[], dir, args, talk)
}

/// The same with variables of the environment.
pub(crate) fn at_a_terminal_with(
    columns: u16,
    variables: &[(&str, &str)],
    dir: &std::path::Path,
    args: &[&str],
    talk: &[(&str, &str)],
) -> (String, bool) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("the permission");
    unlockpt(&terminal).expect("the lock");
    let name = ptsname(&terminal, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let end = rustix::fs::open(&*name, flags, Mode::empty()).expect("its other end");
    let size = Winsize {
        ws_col: columns,
        ws_row: 40,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).expect("a size");
    let before = tcgetattr(&terminal).expect("its modes");
    let copy = |end: &OwnedFd| Stdio::from(end.try_clone().expect("a copy"));
    // A session of its own, so that the terminal is what /dev/tty names. A shell leads it: when the
    // leader ends, the terminal forgets what was not read yet. So it waits until all has been.
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", "--wait", "sh", "-c", LEADER, "sh"])
        .arg(env!("CARGO_BIN_EXE_columba"))
        .args(args)
        .env("COLUMBA_RUNTIME_DIR", "/nonexistent/run")
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .current_dir(dir)
        .stdin(copy(&end))
        .stdout(copy(&end))
        .stderr(Stdio::from(end));
    let mut child = command.spawn().expect("setsid, of util-linux");
    // The copies of the command keep the terminal open.
    drop(command);
    let mut terminal = File::from(terminal);
    let mut shown = Vec::new();
    let mut bytes = [0; 256];
    let mut talk = talk.iter();
    let mut next = talk.next();
    let is_done = loop {
        let len = terminal.read(&mut bytes).expect("the leader waits");
        shown.extend(&bytes[..len]);
        if let Some(status) = shown.strip_suffix(b"\x04\r\n")
            && let Some(before) = status.iter().rposition(|byte| *byte == b'\x04')
        {
            let is_done = status[before + 1..] == *b"0";
            shown.truncate(before);
            break is_done;
        }
        if let Some((question, answer)) = next
            && shown.ends_with(question.as_bytes())
        {
            terminal.write_all(answer.as_bytes()).expect("typing");
            next = talk.next();
        }
    };
    assert!(next.is_none(), "never asked: {next:?}");
    let after = tcgetattr(&terminal).expect("its modes");
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.input_modes, before.input_modes);
    terminal.write_all(b"\n").expect("typing");
    child.wait().expect("an end");
    let text = String::from_utf8_lossy(&shown).replace("\r\n", "\n");
    (text, is_done)
}

/// Runs a command, tells its exit status between two bytes that no command here shows, and waits for a line.
/// Ctrl-C is for the command alone.
const LEADER: &str = r#"trap : INT; "$@"; printf '\004%s\004\n' $?; read -r line"#;

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let users = dir.path().join("inst/etc/users");
    let (shown, is_done) = at_a_terminal(dir.path(), &["create", "inst"], &[]);
    assert!(is_done, "{shown}");
    let before = std::fs::read_to_string(&users).expect("the file");

    let args = ["passwd", "inst", "ann"];
    let (first, second) = ("New password of `ann`: ", "The same again: ");
    let talk = [(first, "lamp oil\n"), (second, "lamp oil\n")];
    let (shown, is_done) = at_a_terminal(dir.path(), &args, &talk);
    assert!(is_done, "{shown}");
    assert!(!shown.contains("lamp oil"), "{shown}");
    let after = std::fs::read_to_string(&users).expect("the file");
    assert!(after.lines().any(|line| line.starts_with("ann:$argon2id$")));

    let talk = [
        ("New password of `bob`: ", "lamp oil\n"),
        (second, "lamp\n"),
    ];
    let args = ["passwd", "inst", "bob"];
    let (shown, is_done) = at_a_terminal(dir.path(), &args, &talk);
    assert!(!is_done, "{shown}");
    let same = std::fs::read_to_string(&users).expect("the file");
    assert_eq!(same, after);
    assert_ne!(same, before);
}

#[test]
fn a_tree_is_live_and_gives_the_terminal_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    let server = ["-o", "/dev/null", "-h", "127.0.0.1", "-p", broker.port()];
    let mut publish = columba();
    publish.arg("pub").args(server);
    publish.args(["-q", "1", "-r", "-t", "t/x", "-m", "21"]);
    assert!(publish.status().expect("the binary").success());

    let line = [
        &["sub"],
        &server[..],
        &["-t", "#", "--tree", "--color", "never"],
    ]
    .concat();
    // The value in its row, and behind it a foot without text and the end of a frame. The terminal
    // puts a return before every line feed.
    let frame = "  21\x1b[K\r\r\n\x1b[K\x1b[J\x1b[?2026l";
    for end in ["q", "\x03"] {
        let (shown, is_done) = at_a_terminal(dir.path(), &line, &[(frame, end)]);
        assert!(is_done, "{shown}");
        assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "{shown}");
        assert!(shown.ends_with("\x1b[?25h\x1b[?1049l"), "{shown}");
    }
}

/// The shell of an editor shows a command to the terminal as characters.
#[test]
fn a_terminal_that_is_dumb_gets_text_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    let server = ["-o", "/dev/null", "-h", "127.0.0.1", "-p", broker.port()];
    let mut publish = columba();
    publish.arg("pub").args(server);
    publish.args(["-q", "1", "-r", "-t", "t/x", "-m", "{\"a\":21}"]);
    assert!(publish.status().expect("the binary").success());
    for how in ["--tree", "--count-by-topic", "--decode=auto"] {
        let line = [&["sub"], &server[..], &["-t", "#", "-C", "1", how]].concat();
        let dumb = [("TERM", "dumb")];
        let (shown, is_done) = at_a_terminal_with(120, &dumb, dir.path(), &line, &[]);
        assert!(is_done, "{how}: {shown}");
        assert!(!shown.contains('\x1b'), "{how}: {shown:?}");
    }
}

/// The second Ctrl-C comes before the first can have been looked at.
#[test]
fn top_gives_the_terminal_back_however_often_it_is_interrupted() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    let line = ["top", "--dir", "broker", "--every", "1s"];
    for end in ["\x03", "\x03\x03\x03"] {
        let (shown, is_done) = at_a_terminal(dir.path(), &line, &[("\x1b[J", end)]);
        assert!(is_done, "{shown}");
        assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "{shown}");
        assert!(shown.ends_with("\x1b[?25h\x1b[?1049l"), "{shown}");
    }
}

/// Whether a text has a Chinese character.
fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn every_verdict_is_explained_within_the_width_of_the_terminal_in_both_languages() {
    let dir = tempfile::tempdir().expect("a directory");
    for columns in [60, 80, 120] {
        for language in ["en", "zh"] {
            let explain = |more: &[&str]| {
                let args = [&["explain", "--lang", language], more].concat();
                let (shown, is_done) = at_a_terminal_of(columns, dir.path(), &args, &[]);
                assert!(is_done, "{more:?}: {shown}");
                for line in shown.lines() {
                    assert!(width(line) <= usize::from(columns), "{columns}: {line}");
                    assert!(!line.contains(['{', '}', '\u{FFFD}']), "{line}");
                }
                shown
            };
            let list = explain(&[]);
            for code in Code::ALL.iter().map(|code| code.name()) {
                assert!(list.contains(&format!("{code}  ")), "{code} in {list}");
            }
            // The pages take the same way to the terminal: the longest and the shortest of them.
            let page = |code: &&Code| columba_diagnosis::explain(**code, LANGUAGES[0], 80).len();
            let longest = Code::ALL.iter().max_by_key(page).expect("a code");
            let shortest = Code::ALL.iter().min_by_key(page).expect("a code");
            for code in [longest, shortest] {
                let shown = explain(&[code.name()]);
                assert_eq!(is_chinese(&shown), language == "zh", "{shown}");
            }
        }
    }
}

const LANGUAGES: [columba_speech::Language; 2] = columba_speech::Language::ALL;
