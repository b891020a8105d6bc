//! What `columba sub`, `pub` and `rr` can do beyond Mosquitto's clients.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
fn aliases_of_sparkplug_have_the_names_of_the_birth() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let (birth, data) = ("spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n");
    // A metric `rpm` with alias 3 and type Int32; then only the alias, and -5.
    retain(
        &broker,
        dir.path(),
        birth,
        b"\x12\x09\x0a\x03rpm\x10\x03\x20\x03",
    );
    retain(
        &broker,
        dir.path(),
        data,
        b"\x12\x08\x10\x03\x50\xfb\xff\xff\xff\x0f",
    );
    let output = run(
        &broker,
        "sub",
        &["-t", birth, "-t", data, "-C", "2", "--decode", "sparkplug"],
    );
    assert_eq!(
        text(&output.stdout),
        "{\"metrics\":[{\"name\":\"rpm\",\"alias\":3,\"datatype\":\"Int32\"}]}\n\
         {\"metrics\":[{\"name\":\"rpm\",\"alias\":3,\"value\":-5}]}\n"
    );
    assert_eq!(text(&output.stderr), "");
    let words = [
        "-t",
        data,
        "-t",
        "spBv1.0/+/NDATA/#",
        "-C",
        "2",
        "--decode",
        "auto",
    ];
    let output = run(&broker, "sub", &words);
    let shown = "{\"metrics\":[{\"alias\":3,\"value\":4294967291}]}\n";
    assert_eq!(text(&output.stdout), shown.repeat(2));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("no NBIRTH that names it has come yet"),
        "{said}"
    );
    assert!(said.contains("Node Control/Rebirth"), "{said}");
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

#[test]
fn every_line_of_stdin_is_a_request() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let lines = dir.path().join("lines");
    std::fs::write(&lines, "one\ntwo\n").expect("a file");
    let mut rr = command(&broker, "rr", &["-t", "a", "-e", "a", "-v", "-l"]);
    rr.stdin(std::fs::File::open(lines).expect("the file"));
    let output = rr.output().expect("the binary");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "a one\na two\n");
}

/// `sub` that has subscribed already; its messages are those published from now on.
fn subscriber(broker: &Broker, id: &str, words: &[&str]) -> Child {
    let subscription = ["-c", "-q", "1", "-t", "r/#", "--retain-handling", "never"];
    let words = [&subscription[..], &["-i", id], words].concat();
    // The session keeps what comes before the second run is connected.
    let first = run(broker, "sub", &[&words[..], &["-E"]].concat());
    assert!(first.status.success(), "{first:?}");
    let mut sub = command(broker, "sub", &words);
    sub.stdout(Stdio::piped()).stderr(Stdio::piped());
    sub.spawn().expect("the binary")
}

fn publish(broker: &Broker, words: &[&str]) {
    let output = run(broker, "pub", &[&["-q", "1"], words].concat());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_was_recorded_is_replayed_with_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let path = dir.path().join("recorded");
    let file = path.to_str().expect("a path");
    let binary = dir.path().join("binary");
    std::fs::write(&binary, b"\xff\x00").expect("a file");
    let binary = binary.to_str().expect("a path");
    let record = [
        "-C",
        "3",
        "--retain-as-published",
        "--json",
        "--record",
        file,
    ];
    let sub = subscriber(&broker, "first", &record);
    publish(&broker, &["-t", "r/a", "-m", "one"]);
    let property = ["-D", "publish", "user-property", "k", "v"];
    publish(
        &broker,
        &[&["-t", "r/b", "-r", "-f", binary], &property[..]].concat(),
    );
    publish(&broker, &["-t", "r/c", "-m", "three"]);
    let recorded = sub.wait_with_output().expect("an end");
    assert!(recorded.status.success(), "{recorded:?}");
    let lines = std::fs::read_to_string(&path).expect("the file");
    // Without the times, which are those of two clocks.
    let without_time = |lines: &str| -> Vec<serde_json::Value> {
        let values = lines.lines().map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value.as_object_mut().expect("an object").remove("time");
            value
        });
        values.collect()
    };
    let expected = [
        r#"{"topic":"r/a","qos":1,"retain":false,"payload":"one","encoding":"utf-8"}"#,
        r#"{"topic":"r/b","qos":1,"retain":true,"payload":"/wA=","encoding":"base64","properties":{"user_properties":[{"name":"k","value":"v"}]}}"#,
        r#"{"topic":"r/c","qos":1,"retain":false,"payload":"three","encoding":"utf-8"}"#,
    ];
    let expected = without_time(&expected.join("\n"));
    assert_eq!(without_time(&lines), expected);
    assert_eq!(without_time(&text(&recorded.stdout)), expected);

    let again = ["-C", "3", "--retain-as-published", "--json"];
    let sub = subscriber(&broker, "second", &again);
    let output = run(&broker, "pub", &["--replay", file, "--speed", "max"]);
    assert!(output.status.success(), "{output:?}");
    let replayed = sub.wait_with_output().expect("an end");
    assert!(replayed.status.success(), "{replayed:?}");
    assert_eq!(without_time(&text(&replayed.stdout)), expected);
}

#[test]
fn a_replay_names_the_line_that_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let path = dir.path().join("recorded");
    let good = r#"{"time":"2026-11-28T09:00:00Z","topic":"r/a","qos":0,"payload":"x"}"#;
    std::fs::write(&path, format!("{good}\n{{\"time\":1}}\n")).expect("a file");
    let file = path.to_str().expect("a path");
    let output = run(&broker, "pub", &["--replay", file]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("recorded, line 2: no recorded message (invalid type: integer `1`"),
        "{said}"
    );
}

#[test]
fn messages_are_counted_by_topic() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let sub = subscriber(&broker, "counts", &["-C", "3", "--count-by-topic"]);
    publish(&broker, &["-t", "r/a", "-m", "12345", "--repeat", "2"]);
    publish(&broker, &["-t", "r/主题", "-m", "1"]);
    let output = sub.wait_with_output().expect("an end");
    assert!(output.status.success(), "{output:?}");
    let expected = "MESSAGES  BYTES     TOPIC\n       \
                    2  10 bytes  r/a\n       \
                    1  1 byte    r/主题\n       \
                    3  11 bytes  (all, of 2 topics)\n";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn rates_are_printed_every_second_and_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let mut sub = subscriber(&broker, "rates", &["-W", "3", "--message-rate"]);
    let numbers = BufReader::new(sub.stdout.take().expect("a pipe")).lines();
    publish(&broker, &["-t", "r/a", "-m", "x", "--repeat", "3"]);
    // The messages may fall into two seconds.
    let seen: u64 = numbers
        .map(|line| line.expect("text").parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(seen, 3);
    let output = sub.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(27), "{output:?}");

    let sub = subscriber(&broker, "rate", &["-C", "2", "--rate"]);
    publish(&broker, &["-t", "r/a", "-m", "x", "--repeat", "2"]);
    let output = sub.wait_with_output().expect("an end");
    let shown = text(&output.stdout);
    assert!(shown.contains("messages/s"), "{shown}");
    assert!(shown.contains(": 2 messages, 2 bytes in "), "{shown}");
}

#[test]
fn topics_that_are_watched_keep_their_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let sub = subscriber(&broker, "watch", &["-C", "3", "-v", "-w"]);
    publish(&broker, &["-t", "r/a", "-m", "1"]);
    publish(&broker, &["-t", "r/b", "-m", "2"]);
    publish(&broker, &["-t", "r/a", "-m", "3"]);
    let output = sub.wait_with_output().expect("an end");
    // As mosquitto_sub 2.1 does it.
    let expected = "\x1b[2;1Hr/a 1\n\x1b[2;1H\n\
                    \x1b[3;1Hr/b 2\n\x1b[3;1H\n\
                    \x1b[2;1Hr/a 3\n\x1b[3;1H\n";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_tree_that_nobody_watches_is_printed_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let sub = subscriber(&broker, "tree", &["-C", "3", "--tree"]);
    publish(&broker, &["-t", "r/主题", "-m", "1", "--repeat", "2"]);
    publish(&broker, &["-t", "r", "-m", "{\"a\":1}"]);
    let output = sub.wait_with_output().expect("an end");
    assert!(output.status.success(), "{output:?}");
    let expected = "r  1 message  {\"a\": 1}\n  主题  2 messages  1\n";
    assert_eq!(text(&output.stdout), expected);
}

/// More than the connection takes at once, of removals and of messages.
#[test]
fn thousands_of_retained_messages_are_removed() {
    const TOPICS: usize = 2_000;
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let file = dir.path().join("retained.ndjson");
    let lines: String = (0..TOPICS)
        .map(|number| {
            format!(
                "{{\"time\":\"2026-11-28T09:00:00Z\",\"topic\":\"m/{number}\",\"qos\":1,\
                 \"retain\":true,\"payload\":\"on\",\"encoding\":\"utf-8\"}}\n"
            )
        })
        .collect();
    std::fs::write(&file, lines).expect("a file");
    let path = file.to_str().expect("a path");
    let output = run(&broker, "pub", &["--replay", path, "--speed", "max"]);
    assert!(output.status.success(), "{output:?}");
    let count = TOPICS.to_string();
    // Its own removals would come to it too.
    let words = [
        "-t",
        "m/#",
        "--remove-retained",
        "--no-local",
        "-C",
        &count,
        "-W",
        "60",
    ];
    let output = run(&broker, "sub", &words);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout).lines().count(), TOPICS);
    // The last removal is answered before it leaves, so this message is the only one.
    retain(&broker, dir.path(), "m/last", b"last");
    let words = ["-t", "m/#", "-v", "-C", "1", "-W", "60"];
    let output = run(&broker, "sub", &words);
    assert_eq!(text(&output.stdout), "m/last last\n");
}

#[test]
fn a_recording_without_messages_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path());
    let file = dir.path().join("empty.ndjson");
    std::fs::write(&file, "\n").expect("a file");
    let path = file.to_str().expect("a path");
    let output = run(&broker, "pub", &["--replay", path, "--lang", "en"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("empty.ndjson holds no messages"), "{said}");
}

#[test]
fn a_message_that_cannot_be_replayed_is_named_and_the_others_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\npacket_bytes_max = \"128B\"\n";
    let mut broker = Broker::start(&dir.path().join("broker"), config, |_| ());
    drop(broker.take_stderr());
    let file = dir.path().join("recorded.ndjson");
    let line = |topic: &str, payload: &str| {
        format!(
            "{{\"time\":\"2026-11-28T09:00:00Z\",\"topic\":\"{topic}\",\"qos\":1,\
             \"retain\":true,\"payload\":\"{payload}\",\"encoding\":\"utf-8\"}}\n"
        )
    };
    let lines = [
        line("a", "on"),
        line("b", &"x".repeat(200)),
        line("c", "on"),
    ];
    std::fs::write(&file, lines.concat()).expect("a file");
    let path = file.to_str().expect("a path");
    let output = run(&broker, "pub", &["--replay", path, "--speed", "max"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("'b' was not published"), "{said}");
    let words = ["-t", "c", "-v", "-C", "1", "-W", "60"];
    assert_eq!(text(&run(&broker, "sub", &words).stdout), "c on\n");
}

#[test]
fn pub_says_once_that_nobody_subscribes_at_either_qos_that_is_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    for qos in ["1", "2"] {
        let words = [
            "-V", "5", "-q", qos, "-t", "alone/t", "-m", "1", "--repeat", "3",
        ];
        let output = run(&broker, "pub", &words);
        assert!(output.status.success(), "{output:?}");
        let said = text(&output.stderr);
        let times = said.matches("nobody subscribes to alone/t").count();
        assert_eq!(times, 1, "QoS {qos}: {said}");
    }
    // MQTT 3.1.1 has no word for it.
    let output = run(
        &broker,
        "pub",
        &["-V", "311", "-q", "2", "-t", "alone/t", "-m", "1"],
    );
    assert_eq!(text(&output.stderr), "");
}
