//! What `$SYS` knows of connections that never became clients.

use std::io::{Read as _, Write as _};

use crate::bed::{Broker, subscribe_packet};

#[test]
fn refusals_before_the_first_packet_are_counted_in_sys() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "[limits]\nsys_interval = \"1s\"\n";
    let mut broker = Broker::start(dir.path(), config, |_| ());
    let _stderr = broker.take_stderr();
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\0"] {
        let mut stranger = broker.open();
        stranger.write_all(first).expect("a request");
        let mut answer = Vec::new();
        stranger.read_to_end(&mut answer).expect("an answer");
        assert!(!answer.is_empty());
    }
    let mut watcher = broker.connect("watcher");
    let topic = "$SYS/columba/outcomes/connect.wrong_protocol";
    let subscribe = subscribe_packet(topic);
    watcher.write_all(&subscribe).expect("SUBSCRIBE");
    let mut suback = [0; 5];
    watcher.read_exact(&mut suback).expect("SUBACK");
    // Fixed header of two bytes, length of the topic, topic, value.
    let mut publish = vec![0; 2 + 2 + topic.len() + 1];
    while publish.last() != Some(&b'2') {
        watcher.read_exact(&mut publish).expect("PUBLISH");
    }
}
