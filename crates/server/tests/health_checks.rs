//! A load balancer that looks whether a port is open is nothing to warn of.
//!
//! A program of its own, since the log belongs to the whole process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "sockets/bed.rs"]
mod bed;
#[allow(dead_code, reason = "each test uses its own part")]
#[path = "sockets/secure.rs"]
mod secure;

use std::io::Write as _;
use std::net::Shutdown;

use bed::{broker_with, connect_packet, loopback, read_to_end, settings, socket, tcp};
use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use columba_server::listener::{ListenerConfig, ListenerKind};
use columba_server::log::{LogSettings, init};
use secure::Authority;

#[test]
fn a_health_check_is_counted_and_no_warning() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let log = init(&LogSettings {
        file: Some(file.clone()),
        ..LogSettings::default()
    });
    let log = log.unwrap();
    let authority = Authority::new();
    let tls = ListenerConfig {
        kind: ListenerKind::Tls {
            bind: loopback(),
            tls: authority.files(directory.path(), None),
        },
        settings: settings("tls"),
    };
    let broker = broker_with(1, Limits::default(), vec![tcp(), tls]);
    let probes = || broker.refused_count(Outcome::ConnectProbe);

    // TCP, opened and closed.
    for (listener, count) in [(0, 1), (1, 2)] {
        let mut stream = socket(&broker, listener);
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream);
        assert_eq!(probes(), count);
    }
    // A whole handshake, with a goodbye of TLS and without.
    for (says_goodbye, count) in [(true, 3), (false, 4)] {
        let mut stream = authority.client(socket(&broker, 1), None);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        if says_goodbye {
            stream.conn.send_close_notify();
            stream.conn.write_tls(&mut stream.sock).unwrap();
        }
        stream.sock.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream.sock);
        assert_eq!(probes(), count);
    }
    // The controls: whoever has begun to speak is none, and what is wrong is in the log.
    let mut stream = socket(&broker, 1);
    stream.write_all(b"\x16\x03\x01").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut stream);
    let mut stream = socket(&broker, 1);
    stream.write_all(&connect_packet("lost")).unwrap();
    read_to_end(&mut stream);
    assert_eq!(probes(), 4);
    assert_eq!(broker.refused_count(Outcome::ConnectHandshake), 0);
    broker.shutdown();
    drop(log);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("connect.wrong_protocol"), "{text}");
    assert!(!text.contains("connect.probe"), "{text}");
    assert_eq!(text.matches("refused").count(), 1, "{text}");
}
