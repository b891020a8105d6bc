//! The log as whoever reads it gets it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use rustix::process::Signal;

use crate::bed::{Broker, DISCONNECT};

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\nreports_per_sec_max = 1000000\n[log]\nbuffer_bytes_max = \"16KiB\"\n";
    let mut broker = Broker::start(dir.path(), config, |_| ());
    // A pipe holds 64 KiB.
    for _ in 0..1000 {
        let mut client = broker.connect("client");
        client.write_all(&DISCONNECT).expect("DISCONNECT");
    }
    // Now somebody reads: what was lost is told, what comes then is not lost.
    let mut lines = BufReader::new(broker.take_stderr()).lines();
    let mut lines = std::iter::from_fn(|| lines.next().map(|line| line.expect("text")));
    let mut lost = 0;
    // The first few may have been lost before the pipe was full.
    while lost < 100 {
        let line = lines.next().expect("a line about it");
        if line.contains("lines of the log were lost") {
            let (_, count) = line.split_once("lines=").expect("a count");
            lost += count.parse::<u32>().expect("a number");
        }
    }
    broker.signal(Signal::TERM);
    let last = lines.last().expect("a last line");
    assert!(last.ends_with(" stopped"), "{last}");
    assert!(broker.wait().success());
}

#[test]
fn a_log_that_nobody_ever_reads_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\nreports_per_sec_max = 1000000\n[log]\nbuffer_bytes_max = \"16KiB\"\n";
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let _unread = broker.take_stderr();
    for _ in 0..1000 {
        let mut client = broker.connect("client");
        client.write_all(&DISCONNECT).expect("DISCONNECT");
    }
    broker.signal(Signal::TERM);
    assert!(broker.wait().success());
}

/// The lines of a broker that a few clients have visited, one of them with a name to remember.
fn lines_about_visitors(format: &str, client_id: &str) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!("[log]\nformat = \"{format}\"\n");
    let mut broker = Broker::start(dir.path(), &config, |_| ());
    let mut client = broker.connect(client_id);
    let address = client.local_addr().expect("an address").to_string();
    // PUBLISH with QoS 0 to a topic of the server.
    client.write_all(b"\x30\x08\0\x06$SYS/a").expect("PUBLISH");
    client.write_all(&DISCONNECT).expect("DISCONNECT");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the end");
    let mut stranger = broker.open();
    stranger
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("a request");
    stranger.read_to_end(&mut rest).expect("an answer");
    broker.signal(Signal::TERM);
    let lines = BufReader::new(broker.take_stderr()).lines();
    let lines: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(broker.wait().success());
    let about = lines.iter().filter(|line| line.contains(&address));
    assert_eq!(about.count(), 3, "{lines:#?}");
    lines
}

#[test]
fn every_json_line_about_a_client_has_its_id_and_address() {
    let lines = lines_about_visitors("json", "a \"lamp\" = x");
    let mut said = Vec::new();
    for line in &lines {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        assert!(text("timestamp").ends_with('Z'), "{line}");
        assert!(!text("level").is_empty(), "{line}");
        let Some(client) = line.get("client") else {
            continue;
        };
        assert_eq!(client, "a \"lamp\" = x", "{line}");
        assert!(text("peer").starts_with("127.0.0.1:"), "{line}");
        assert_eq!(text("listener"), "tcp", "{line}");
        said.push(text("message").split(':').next().map(str::to_owned));
    }
    assert_eq!(said.len(), 3, "{lines:#?}");
    assert_eq!(said[0].as_deref(), Some("connected"));
    assert_eq!(said[2].as_deref(), Some("disconnected"));
}

#[test]
fn a_client_id_cannot_forge_or_flood_lines_for_people() {
    let long = format!("x\" peer=1.2.3.4:5 \"{}", "y".repeat(60_000));
    let lines = lines_about_visitors("text", &long);
    let about: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("client="))
        .collect();
    assert_eq!(about.len(), 3, "{lines:#?}");
    for line in about {
        assert!(line.len() < 1000, "{} bytes", line.len());
        assert!(
            line.contains(r#"client="x\" peer=1.2.3.4:5 \"yyy"#),
            "{line}"
        );
        assert!(line.contains("y…(60019 bytes)\""), "{line}");
    }
}
