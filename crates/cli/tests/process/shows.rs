//! What `columba sub`, `pub` and `rr` can do beyond Mosquitto's clients.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::{Broker, columba};

/// A broker with one shard, so that messages come in the order in which they were published.
fn broker(dir: &Path) -> Broker {
    let mut broker = Broker::start(&dir.join("broker"), "[broker]\nshards = 1\n", |_| ());
    // Nobody reads it, and it must not fill up.
    drop(broker.take_stderr());
    broker
}

fn command(broker: &Broker, tool: &str, words: &[&str]) -> Command {
    let mut command = columba();
    command.args([
        tool,
        "-o",
        "/dev/null",
        "-h",
        "127.0.0.1",
        "-p",
        broker.port(),
    ]);
    command.args(words).stdin(Stdio::null());
    command
}

fn run(broker: &Broker, tool: &str, words: &[&str]) -> Output {
    let output = command(broker, tool, words).output();
    output.expect("the binary")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Leaves these bytes on the topic.
fn retain(broker: &Broker, dir: &Path, topic: &str, payload: &[u8]) {
    let file = dir.join("payload");
    std::fs::write(&file, payload).expect("a file");
    let path = file.to_str().expect("a path");
    let output = run(broker, "pub", &["-r", "-q", "1", "-t", topic, "-f", path]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn payloads_are_decoded_and_what_does_not_decode_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let check = |topic: &str, payload: &[u8], words: &[&str], shown: &str, said: &str| {
        retain(&broker, dir.path(), topic, payload);
        let output = run(&broker, "sub", &[&["-t", topic, "-C", "1"], words].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stdout), shown);
        assert!(text(&output.stderr).contains(said), "{output:?}");
        assert_eq!(output.stderr.is_empty(), said.is_empty(), "{output:?}");
    };
    let cbor = b"\xa1\x61t\xf9\x4d\x60";
    check("d/cbor", cbor, &["--decode", "auto"], "{\"t\":21.5}\n", "");
    check(
        "spBv1.0/g/NDATA/n",
        b"\x08\x01\x18\x02",
        &["-v", "--decode", "auto"],
        "spBv1.0/g/NDATA/n {\"timestamp\":1,\"seq\":2}\n",
        "",
    );
    check(
        "d/broken",
        b"\xa1\x61t",
        &["-v", "--decode", "cbor"],
        "d/broken\n00000000  a1 61 74                                          |.at|\n",
        "is no CBOR: the payload ends 1 byte too early, at byte 3 of 3",
    );
    check("d/text", b"ab", &["--decode", "base64"], "YWI=\n", "");
    let colours = ["--decode", "json", "--color", "always"];
    let coloured = "{\x1b[34m\"a\"\x1b[0m: \x1b[33m1\x1b[0m}\n";
    check("d/json", b"{\"a\":1}", &colours, coloured, "");
}

#[test]
fn a_response_is_decoded_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let words = [
        "-t",
        "a",
        "-e",
        "a",
        "-m",
        "{\"a\":1}",
        "--decode",
        "msgpack",
    ];
    let output = run(&broker, "rr", &words);
    assert!(output.status.success(), "{output:?}");
    // 0x7b is a number in MessagePack, and the rest is too much.
    assert!(text(&output.stderr).contains("6 more bytes behind the end, at byte 1 of 7"));
    assert!(text(&output.stdout).starts_with("00000000  7b 22"));
}
