//! Peers that mistook the port learn so in their own words.

use std::io::{Read as _, Write};
use std::path::Path;

use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use columba_codec::{Decoded, Packet, PropertyId, ReasonCode, Version, decode};
use columba_server::listener::{AllowedOrigins, ListenerConfig, ListenerKind, WebSocketSettings};

use crate::bed::{
    address, broker_with, connect_packet, loopback, read_to_end, settings, socket, tcp,
};
use crate::secure::Authority;

fn websocket() -> ListenerConfig {
    let websocket = WebSocketSettings {
        origins: AllowedOrigins::default(),
        path: Some("/mqtt".to_owned()),
    };
    ListenerConfig {
        kind: ListenerKind::Ws {
            bind: loopback(),
            websocket,
        },
        settings: settings("ws"),
    }
}

#[test]
fn http_is_told_where_websocket_is() {
    let broker = broker_with(1, Limits::default(), vec![tcp(), websocket()]);
    let mut stream = socket(&broker, 0);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(&format!("port {}, path /mqtt", address(&broker, 1).port())));
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 1);
    broker.shutdown();
}

#[test]
fn tls_gets_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.files(directory.path(), None);
    let broker = broker_with(1, Limits::default(), vec![tcp()]);
    let mut stream = authority.client(socket(&broker, 0), None);
    let error = stream.write_all(b"x").unwrap_err();
    assert!(error.to_string().contains("UnexpectedMessage"), "{error}");
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 1);
    broker.shutdown();
}

#[test]
fn plain_http_and_plain_mqtt_on_the_websocket_port() {
    let broker = broker_with(1, Limits::default(), vec![websocket()]);
    let mut stream = socket(&broker, 0);
    stream
        .write_all(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let mut stream = socket(&broker, 0);
    stream.write_all(&connect_packet("lost")).unwrap();
    let answer = read_to_end(&mut stream);
    assert_is_told(&answer, "over WebSocket");
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 2);
    broker.shutdown();
}

#[test]
fn a_web_page_from_elsewhere_is_refused_and_counted() {
    let broker = broker_with(1, Limits::default(), vec![websocket()]);
    let mut stream = socket(&broker, 0);
    let request = "GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Origin: http://evil.example\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(broker.refused_count(Outcome::ConnectOrigin), 1);
    broker.shutdown();
}

/// A CONNACK of MQTT 5 and nothing else, with a sentence that says what the port is for.
fn assert_is_told(answer: &[u8], what: &str) {
    let Ok(Decoded::Packet(Packet::ConnAck(ack), len)) = decode(answer, Version::V5, u32::MAX)
    else {
        panic!("{answer:02x?}");
    };
    assert_eq!(len, answer.len(), "nothing comes behind it");
    assert_eq!(ack.reason, ReasonCode::ServerUnavailable);
    let reason = ack.properties.string(PropertyId::ReasonString).unwrap();
    assert!(reason.contains(what), "{reason}");
}

fn secure(directory: &Path) -> (Authority, [ListenerConfig; 2]) {
    let authority = Authority::new();
    let tls = authority.files(directory, None);
    let (bind, websocket) = (loopback(), WebSocketSettings::default());
    let listeners = [
        ListenerConfig {
            kind: ListenerKind::Tls {
                bind,
                tls: tls.clone(),
            },
            settings: settings("tls"),
        },
        ListenerConfig {
            kind: ListenerKind::Wss {
                bind,
                tls,
                websocket,
            },
            settings: settings("wss"),
        },
    ];
    (authority, listeners)
}

#[test]
fn plain_mqtt_on_a_port_with_tls_is_told_so_in_mqtt_however_it_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (_, listeners) = secure(directory.path());
    let broker = broker_with(1, Limits::default(), listeners.to_vec());
    let connect = connect_packet("lost");
    for (listener, what) in [(0, "over TLS (mqtts)"), (1, "WebSocket with TLS (wss)")] {
        for cut in [1, 2, 5, connect.len() - 1] {
            let mut stream = socket(&broker, listener);
            let (first, rest) = connect.split_at(cut);
            stream.write_all(first).unwrap();
            stream.flush().unwrap();
            if cut < connect.len() - 1 {
                stream.write_all(rest).unwrap();
            }
            assert_is_told(&read_to_end(&mut stream), what);
        }
        let mut stream = socket(&broker, listener);
        // MQTT 3.1.1, which has but a number for it.
        stream
            .write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a")
            .unwrap();
        assert_eq!(read_to_end(&mut stream), b"\x20\x02\0\x03");
    }
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 10);
    broker.shutdown();
}

#[test]
fn http_on_a_port_with_tls_is_told_so_outside_of_tls_and_within() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, listeners) = secure(directory.path());
    let broker = broker_with(1, Limits::default(), listeners.to_vec());
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let hints = ["MQTT over TLS (mqtts)", "begins with wss:// or https://"];
    for (listener, hint) in hints.into_iter().enumerate() {
        let mut stream = socket(&broker, listener);
        stream.write_all(request).unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(hint), "{answer}");
    }
    // A browser that was given https:// and the port.
    for (listener, status) in [(0, "HTTP/1.1 400 "), (1, "HTTP/1.1 426 ")] {
        let mut stream = authority.client(socket(&broker, listener), None);
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(status), "{answer}");
        assert!(answer.contains("MQTT over"), "{answer}");
    }
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 4);
    broker.shutdown();
}

#[test]
fn mqtt_over_tls_on_a_port_for_secure_websocket_is_told_so_in_mqtt_however_it_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, [_, wss]) = secure(directory.path());
    let broker = broker_with(1, Limits::default(), vec![wss]);
    let connect = connect_packet("lost");
    for cut in [1, 5, connect.len()] {
        let mut stream = authority.client(socket(&broker, 0), None);
        let (first, rest) = connect.split_at(cut);
        stream.write_all(first).unwrap();
        stream.flush().unwrap();
        stream.write_all(rest).unwrap();
        stream.flush().unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_is_told(&answer, "WebSocket with TLS (wss)");
    }
    let mut stream = authority.client(socket(&broker, 0), None);
    stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(", not for SSH.\r\n"), "{answer}");
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 4);
    broker.shutdown();
}

#[test]
fn tls_on_a_websocket_port_gets_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, _) = secure(directory.path());
    let broker = broker_with(1, Limits::default(), vec![websocket()]);
    let mut stream = authority.client(socket(&broker, 0), None);
    let error = stream.write_all(b"x").unwrap_err();
    assert!(error.to_string().contains("UnexpectedMessage"), "{error}");
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 1);
    broker.shutdown();
}

#[test]
fn ssh_is_told_in_a_line_before_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let (_, [tls, wss]) = secure(directory.path());
    let broker = broker_with(1, Limits::default(), vec![tcp(), tls, websocket(), wss]);
    for listener in 0..4 {
        let mut stream = socket(&broker, listener);
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        assert!(answer.starts_with("This port is for "), "{answer}");
        assert!(answer.ends_with(", not for SSH.\r\n"), "{answer}");
    }
    assert_eq!(broker.refused_count(Outcome::ConnectWrongProtocol), 4);
    broker.shutdown();
}
