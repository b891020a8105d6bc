//! The same conversation over every transport, with one shard and with three.

use std::os::unix::net::UnixStream;

use columba_broker::limits::Limits;
use columba_codec::{PacketType, QoS};
use columba_server::listener::{ListenerConfig, ListenerKind, WebSocketSettings};

use crate::bed::{
    Client, PATIENCE, Wire, broker_with, connect_packet, loopback, publish_packet, settings,
    socket, subscribe_packet, tcp,
};
use crate::secure::{Authority, Frames};

/// Everything that a message can meet: a subscriber and publishers on all shards, small and large
/// payloads, QoS 0 and 1.
fn converse(open: impl Fn() -> Box<dyn Wire>) {
    let large: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut subscriber = Client::connect(open(), "subscriber");
    subscriber.subscribe("room/+", QoS::AtLeastOnce);
    for number in 0..4 {
        let mut publisher = Client::connect(open(), &format!("publisher {number}"));
        publisher.publish("room/1", b"small");
        subscriber.expect_publish("room/1", b"small");
        subscriber.send(&[0x40, 2, 0, number + 1]);
        publisher.send(&publish_packet("room/2", &large, None));
        subscriber.expect_publish("room/2", &large);
        publisher.ping();
        publisher.send(&[0xE0, 0]);
        publisher.expect_end();
    }
    subscriber.ping();
}

#[test]
fn over_tcp() {
    for shards in [1, 3] {
        let broker = broker_with(shards, Limits::default(), vec![tcp()]);
        converse(|| Box::new(socket(&broker, 0)));
        broker.shutdown();
    }
}

#[test]
fn over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    for shards in [1, 3] {
        // What a broker that was killed left behind does not stop the next one.
        drop(std::os::unix::net::UnixListener::bind(&path));
        let kind = ListenerKind::Unix {
            path: path.clone(),
            mode: 0o600,
        };
        let listener = ListenerConfig {
            kind,
            settings: settings("unix"),
        };
        let broker = broker_with(shards, Limits::default(), vec![listener]);
        converse(|| {
            let stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Box::new(stream)
        });
        broker.shutdown();
        assert!(!path.exists());
    }
}

#[test]
fn over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    for shards in [1, 3] {
        let tls = authority.files(directory.path(), None);
        let kind = ListenerKind::Tls {
            bind: loopback(),
            tls,
        };
        let listener = ListenerConfig {
            kind,
            settings: settings("tls"),
        };
        let broker = broker_with(shards, Limits::default(), vec![listener]);
        converse(|| Box::new(authority.client(socket(&broker, 0), None)));
        broker.shutdown();
    }
}

#[test]
fn over_websocket() {
    for shards in [1, 3] {
        let websocket = WebSocketSettings::default();
        let kind = ListenerKind::Ws {
            bind: loopback(),
            websocket,
        };
        let listener = ListenerConfig {
            kind,
            settings: settings("ws"),
        };
        let broker = broker_with(shards, Limits::default(), vec![listener]);
        converse(|| Box::new(Frames::open(socket(&broker, 0))));
        broker.shutdown();
    }
}

#[test]
fn over_websocket_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    for shards in [1, 3] {
        let tls = authority.files(directory.path(), None);
        let websocket = WebSocketSettings {
            path: Some("/mqtt".to_owned()),
            ..WebSocketSettings::default()
        };
        let kind = ListenerKind::Wss {
            bind: loopback(),
            tls,
            websocket,
        };
        let listener = ListenerConfig {
            kind,
            settings: settings("wss"),
        };
        let broker = broker_with(shards, Limits::default(), vec![listener]);
        converse(|| Box::new(Frames::open(authority.client(socket(&broker, 0), None))));
        broker.shutdown();
    }
}

#[test]
fn frames_may_cut_packets_anywhere() {
    // MQTT-6.0.0-2
    let kind = ListenerKind::Ws {
        bind: loopback(),
        websocket: WebSocketSettings::default(),
    };
    let listener = ListenerConfig {
        kind,
        settings: settings("ws"),
    };
    let broker = broker_with(3, Limits::default(), vec![listener]);
    let mut stream = connect_packet("cut");
    stream.extend(subscribe_packet("a", QoS::AtMostOnce));
    stream.extend(publish_packet("a", b"payload", None));
    for step in 1..stream.len() {
        let mut client = Client::new(Frames::open(socket(&broker, 0)));
        for piece in stream.chunks(step) {
            client.send(piece);
        }
        client.expect_connack();
        // The message may overtake the SUBACK, which waits for the other shards.
        let mut kinds = [(); 2].map(|()| client.next(|packet| packet.map(|p| p.packet_type())));
        kinds.sort_unstable();
        assert_eq!(kinds, [Some(PacketType::Publish), Some(PacketType::SubAck)]);
        client.send(&[0xE0, 0]);
        client.expect_end();
    }
    broker.shutdown();
}

#[test]
fn a_text_frame_closes_the_connection() {
    // MQTT-6.0.0-1
    let kind = ListenerKind::Ws {
        bind: loopback(),
        websocket: WebSocketSettings::default(),
    };
    let listener = ListenerConfig {
        kind,
        settings: settings("ws"),
    };
    let broker = broker_with(1, Limits::default(), vec![listener]);
    let mut frames = Frames::open(socket(&broker, 0));
    frames
        .socket
        .send(tungstenite::Message::text("hello"))
        .unwrap();
    Client::new(frames).expect_end();
    broker.shutdown();
}
