//! Errors and warnings in Chinese, from one end to the other.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::{Broker, columba};
use crate::mosquitto::read_packet;

/// Runs a command line; `PORT` in it stands for a port.
fn run(mut command: Command, line: &str, port: &str, dir: &Path) -> Output {
    let line = line.replace("PORT", port);
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command
        .current_dir(dir)
        .env("XDG_CONFIG_HOME", dir)
        .env("COLUMBA_LANG", "zh")
        .stdin(Stdio::null());
    command.output().expect("the binary")
}

/// Words in a row that only an English sentence has. Names, options and commands stand alone, and so
/// does what is in the command line.
fn english(said: &str, line: &str) -> Option<String> {
    let mut row: Vec<&str> = Vec::new();
    // A command that is to be typed is a name.
    for word in said.split('`').step_by(2).flat_map(str::split_whitespace) {
        let is_word = word
            .chars()
            .all(|c| c.is_ascii_lowercase() || ",;.'".contains(c))
            && word.chars().filter(char::is_ascii_lowercase).count() > 1;
        if is_word && !line.contains(word) && word != "columba" && word != "context" {
            row.push(word);
        } else {
            row.clear();
        }
        if row.len() > 1 {
            return Some(row.join(" "));
        }
    }
    None
}

fn check(output: &Output, line: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("错误：") || said.starts_with("警告："),
        "{line}: {said}"
    );
    assert_eq!(english(&said, line), None, "{line}: {said}");
}

#[test]
fn what_goes_wrong_before_there_is_a_connection_is_told_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    // Nobody listens on a port whose listener is gone.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    drop(listener);
    for line in [
        "pub -h 127.0.0.1 -p PORT -t a -m x",
        "sub -h 127.0.0.1 -p PORT -t a",
        "rr -h 127.0.0.1 -p PORT -t a -e b -m x",
        "simulate -s smart-home -h 127.0.0.1 -p PORT",
        "pub --unix /nonexistent/socket -t a -m x",
        "pub -L mqtt://127.0.0.1 -m x",
        "sub -L mqtt://127.0.0.1",
        "pub -L http://127.0.0.1/a -m x",
        "pub -L mqtt://127.0.0.1:x/a -m x",
        "pub -t a -f /nonexistent",
        "pub -t a -s",
        "pub -t a -m x -c",
        "pub -t a -m x --repeat-delay -1",
        "pub -t a -m x --api http://127.0.0.1",
        "sub -t a --token secret",
        "pub -t a -m x -D connect receive-maximum many",
        "pub -t a -m x -D publish payload-format-indicator 2",
        "pub -t a -m x -D publish colour red",
        "pub -t a -m x -D puback colour red",
        "pub -t a -m x --psk 00",
        "pub -t a -m x -S",
        "pub -t a -m x --tls-engine pkcs11",
        "pub -t a -m x --cert x --key y --keyform engine",
        "simulate -s nonexistent",
        "simulate -s ./nonexistent.toml",
        "simulate -s smart-home -i me",
        "simulate -s smart-home --will-topic gone",
        "pub --context nonexistent -t a -m x",
        "context use nonexistent",
        "context use .bad",
        "context show",
        "context add empty",
        "context add wrong --url http://127.0.0.1",
        "context add wrong --url mqtt://127.0.0.1/topic",
    ] {
        let output = run(columba(), line, &port, dir.path());
        assert_ne!(output.status.code(), Some(0), "{line}");
        check(&output, line);
    }
}

#[test]
fn what_a_broker_makes_of_messages_is_told_in_chinese() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[broker]\nshards = 1\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    for line in [
        "pub -h 127.0.0.1 -p PORT -q 1 -t a -m x",
        "pub -h 127.0.0.1 -p PORT -t a/# -m x",
        "sub -h 127.0.0.1 -p PORT -t a/#/b",
        "sub -h 127.0.0.1 -p PORT -t a -W 1",
        "rr -h 127.0.0.1 -p PORT -t a -e b -m x -W 1",
        "pub -h 127.0.0.1 -p PORT -t a -m x -D publish content-type x -V 311",
        "pub -h 127.0.0.1 -p PORT -t a -m x -D connect receive-maximum 2 -V 311",
        "pub -h 127.0.0.1 -p PORT -t a -m x -P secret -V 311",
    ] {
        let output = run(columba(), line, broker.port(), dir.path());
        check(&output, line);
    }
}

/// What a server says after it has read as many packets.
struct Script(&'static str, &'static [&'static [u8]]);

/// Plays a server to a command.
fn refused(Script(line, says): &Script, command: Command) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let says = *says;
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        for packet in says {
            read_packet(&mut socket);
            socket.write_all(packet).expect("a packet");
        }
        socket
    });
    let output = run(command, line, &port, Path::new("/"));
    drop(server.join().expect("the server"));
    output
}

const REFUSALS: &[Script] = &[
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x87\0"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x8a\0"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 311 -t a -m x",
        &[b"\x20\x02\0\x05"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 311 -t a -m x",
        &[b"\x20\x02\0\x02"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\x40\x03\0\x01\x87"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\x40\x03\0\x01\x97"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -q 1 -t a -m x",
        &[b"\x20\x03\0\0\0", b"\xff\xff\xff\xff\xff"],
    ),
    Script(
        "pub -h 127.0.0.1 -p PORT -V 5 -r -t a -m x",
        &[b"\x20\x05\0\0\x02\x25\0"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 5 -t a",
        &[b"\x20\x03\0\0\0", b"\x90\x04\0\x01\0\x87"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 311 -t a",
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\x80"],
    ),
    Script(
        "sub -h 127.0.0.1 -p PORT -V 5 -t a",
        &[b"\x20\x03\0\0\0", b"\xe0\x01\x8e"],
    ),
    Script(
        "rr -h 127.0.0.1 -p PORT -V 5 -t a -e b -m x",
        &[b"\x20\x03\0\0\0", b"\xe0\x01\x98"],
    ),
];

#[test]
fn what_a_server_refuses_is_told_in_chinese() {
    for script in REFUSALS {
        let output = refused(script, columba());
        assert_ne!(output.status.code(), Some(0), "{}", script.0);
        if script.1.last() == Some(&&b"\xff\xff\xff\xff\xff"[..]) {
            // What is wrong with bytes is for those who know MQTT's.
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("不是 MQTT 5"), "{said}");
        } else {
            check(&output, script.0);
        }
    }
}

#[test]
fn mosquittos_clients_speak_english_everywhere() {
    let script = Script(
        "-h 127.0.0.1 -p PORT -V 5 -t a -m x",
        &[b"\x20\x03\0\x87\0"],
    );
    let mut command = columba();
    command.arg0("mosquitto_pub");
    let said = refused(&script, command).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("the server refused the connection: Not authorized"),
        "{said}"
    );
}
