//! Peers that mistook the port learn so in their own words.

use std::io::Write;

use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
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
    assert!(read_to_end(&mut stream).is_empty());
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
