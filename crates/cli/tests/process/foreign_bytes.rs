//! Bytes that are not UTF-8 on the command line, in options files and in payloads.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use crate::bed::columba;
use crate::mosquitto::Bench;

/// What scripts in GBK and Latin-1 hand over and read. Compared as bytes.
#[test]
fn bytes_that_are_not_utf_8_go_through_as_with_mosquitto() {
    const GBK: &[u8] = b"\xce\xc2\xb6\xc8";
    let bench = Bench::new();
    let run = |programs: &Path, tool: &str, words: &[&[u8]]| {
        let mut command = Command::new(programs.join(format!("mosquitto_{tool}")));
        command.args(["-h", "127.0.0.1", "-p", bench.broker.port()]);
        command.args(words.iter().map(|word| OsStr::from_bytes(word)));
        command.env("XDG_CONFIG_HOME", bench.dir.path());
        let output = command.output().expect("mosquitto-clients is installed");
        // The time behind `{"tst":"`, which differs.
        let time = output.stdout.starts_with(b"{\"tst\"").then_some(10..36);
        let mut shown = output.stdout;
        shown.drain(time.unwrap_or_default());
        (output.status.code(), shown, output.stderr)
    };
    let ours = bench.dir.path().join("ours");
    let theirs = Path::new("/usr/bin");
    let same = |tool: &str, words: &[&[u8]]| {
        let (expected, retained) = (run(theirs, tool, words), bench.retained());
        assert_eq!(expected.0, Some(0), "{words:?}: {expected:?}");
        assert_eq!(run(&ours, tool, words), expected, "{words:?}");
        assert_eq!(bench.retained(), retained, "{words:?}");
        expected.1
    };
    let json = [b"{\"a\": \"", GBK, b"\", \"b\\u00e9\": 1.0}"].concat();
    run(theirs, "pub", &[b"-r", b"-t", b"g/text", b"-m", GBK]);
    run(theirs, "pub", &[b"-r", b"-t", b"g/json", b"-m", &json]);
    let format = [GBK, b" %p"].concat();
    let shown = same("sub", &[b"-t", b"g/text", b"-C", b"1", b"-F", &format]);
    assert_eq!(shown, [GBK, b" ", GBK, b"\n"].concat());
    for topic in [&b"g/text"[..], b"g/json"] {
        let shown = same("sub", &[b"-t", topic, b"-C", b"1", b"-F", b"%j"]);
        assert!(shown.windows(4).any(|bytes| bytes == GBK), "{shown:?}");
    }
    same("sub", &[b"-t", b"g/json", b"-C", b"1", b"-F", b"%J"]);
    let words: &[&[u8]] = &[
        b"-r",
        b"-t",
        b"p/1",
        b"-m",
        b"x",
        b"-D",
        b"publish",
        b"correlation-data",
    ];
    same("pub", &[words, &[GBK]].concat());

    let file = [b"# ", GBK, b"\n-q 1\n-r\n-m ", GBK, b"\n"].concat();
    fs::write(bench.dir.path().join("mosquitto_pub"), file).expect("an options file");
    same("pub", &[b"-t", b"p/1"]);
}

/// Texts that MQTT sends as UTF-8 are refused, and it is said which and where.
#[test]
fn a_text_that_is_not_utf_8_is_told_by_its_option() {
    let bench = Bench::new();
    for (option, name) in [
        ("-t", "--topic"),
        ("-i", "--id"),
        ("-u", "--username"),
        ("--will-topic", "--will-topic"),
    ] {
        let mut command = Command::new(bench.dir.path().join("ours/mosquitto_pub"));
        command.args(["-t", "a", "-m", "x", "-p", bench.broker.port(), option]);
        let output = command.arg(OsStr::from_bytes(b"a\xce\xc2")).output();
        let output = output.expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!("malformed UTF-8 for MQTT: byte 2 of {name} is 0xce");
        assert!(said.contains(&expected), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    let mut command = columba();
    command.args([
        "pub",
        "-t",
        "a",
        "-m",
        "x",
        "--lang",
        "zh",
        "-D",
        "publish",
        "content-type",
    ]);
    let output = command.arg(OsStr::from_bytes(b"\xce\xc2")).output();
    let said = String::from_utf8_lossy(&output.expect("the binary").stderr).into_owned();
    assert!(
        said.contains("content-type 的值不是 UTF-8：第 1 个字节为 0xce"),
        "{said}"
    );
}
