//! Peers that send too slowly, too much, or never read.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use columba_broker::limits::{Limits, ListenerSettings};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, QoS};
use columba_server::listener::{ListenerConfig, ListenerKind, WebSocketSettings};

use crate::bed::{
    Client, broker, broker_with, connect_packet, encoded, loopback, publish_packet, read_to_end,
    resident_bytes, settings, socket, subscribe_packet, tcp, until,
};
use crate::secure::{Authority, Frames};

#[test]
fn connect_may_come_one_byte_at_a_time() {
    let broker = broker(3);
    let mut client = Client::new(socket(&broker, 0));
    for byte in connect_packet("slow") {
        client.send(&[byte]);
    }
    client.expect_connack();
    client.ping();
    broker.shutdown();
}

#[test]
fn a_peer_that_stops_sending_still_gets_its_answers() {
    let broker = broker(3);
    let mut stream = socket(&broker, 0);
    let mut bytes = connect_packet("half closed");
    bytes.extend(subscribe_packet("a", QoS::AtMostOnce));
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answers = read_to_end(&mut stream);
    assert_eq!(answers.first(), Some(&0x20), "a CONNACK");
    broker.shutdown();
}

#[test]
fn packets_sent_right_behind_connect_are_not_lost_on_the_way_to_the_home_shard() {
    let broker = broker(3);
    for number in 0..30 {
        let mut bytes = connect_packet(&format!("client {number}"));
        bytes.extend(subscribe_packet("own", QoS::AtMostOnce));
        // More than one read takes.
        bytes.extend(publish_packet("own", &vec![number; 200_000], None));
        bytes.extend(encoded(&Packet::PingReq));
        let mut stream = socket(&broker, 0);
        let mut other_end = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || other_end.write_all(&bytes).unwrap());
        let mut client = Client::new(stream.try_clone().unwrap());
        client.expect_connack();
        let mut has_message = false;
        let mut has_answer = false;
        while !(has_message && has_answer) {
            client.next(|packet| match packet {
                Some(Packet::SubAck(_)) => {}
                Some(Packet::Publish(publish)) => {
                    assert_eq!(publish.payload, vec![number; 200_000]);
                    has_message = true;
                }
                Some(Packet::PingResp) => has_answer = true,
                other => panic!("{other:?}"),
            });
        }
        writer.join().unwrap();
        stream.flush().unwrap();
    }
    broker.shutdown();
}

/// Opens connections that say CONNECT and goodbye in one write, most of them on the way to another
/// shard; the sockets stay open.
fn check_goodbyes<S>(listener: ListenerConfig, open: impl Fn(TcpStream, Vec<u8>) -> S) {
    let broker = broker_with(3, Limits::default(), vec![listener]);
    let sockets: Vec<S> = (0..12)
        .map(|number| {
            let connect = connect_packet(&format!("client {number}"));
            open(socket(&broker, 0), connect)
        })
        .collect();
    until("all have been let go", || broker.connections(0) == 0);
    drop(sockets);
    broker.shutdown();
}

#[test]
fn a_websocket_close_right_behind_connect_is_noticed_at_the_home_shard() {
    let listener = ListenerConfig {
        kind: ListenerKind::Ws {
            bind: loopback(),
            websocket: WebSocketSettings::default(),
        },
        settings: settings("ws"),
    };
    check_goodbyes(listener, |stream, connect| {
        let mut stream = Frames::open(stream).socket.into_inner();
        // With a mask of zeros the payload stays as it is.
        let mut bytes = vec![0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0];
        bytes.extend(connect);
        bytes.extend([0x88, 0x80, 0, 0, 0, 0]);
        stream.write_all(&bytes).unwrap();
        stream
    });
}

#[test]
fn a_close_notify_right_behind_connect_is_noticed_at_the_home_shard() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let listener = ListenerConfig {
        kind: ListenerKind::Tls {
            bind: loopback(),
            tls: authority.files(directory.path(), None),
        },
        settings: settings("tls"),
    };
    check_goodbyes(listener, |stream, connect| {
        let mut client = authority.client(stream, None);
        while client.conn.is_handshaking() {
            client.conn.complete_io(&mut client.sock).unwrap();
        }
        client.conn.writer().write_all(&connect).unwrap();
        client.conn.send_close_notify();
        let mut bytes = Vec::new();
        while client.conn.wants_write() {
            client.conn.write_tls(&mut bytes).unwrap();
        }
        client.sock.write_all(&bytes).unwrap();
        client
    });
}

#[test]
fn a_silent_peer_is_closed_by_the_connect_timeout() {
    let limits = Limits {
        connect_timeout_ms: 100,
        ..Limits::default()
    };
    let broker = broker_with(1, limits, vec![tcp()]);
    let mut stream = socket(&broker, 0);
    assert!(read_to_end(&mut stream).is_empty());
    assert_eq!(broker.refused_count(Outcome::ConnectTimeout), 1);
    until("the connection is counted out", || {
        broker.connections(0) == 0
    });
    broker.shutdown();
}

#[test]
fn a_listener_holds_no_more_connections_than_it_may() {
    let settings = ListenerSettings {
        connections_max: 2,
        ..settings("small")
    };
    let listener = ListenerConfig { settings, ..tcp() };
    let broker = broker_with(2, Limits::default(), vec![listener]);
    let first = Client::connect(socket(&broker, 0), "first");
    let mut second = Client::connect(socket(&broker, 0), "second");
    let mut third = socket(&broker, 0);
    assert!(read_to_end(&mut third).is_empty());
    assert_eq!(broker.refused_count(Outcome::ConnectQuota), 1);
    drop(first);
    until("the first is counted out", || broker.connections(0) == 1);
    Client::connect(socket(&broker, 0), "fourth").ping();
    second.ping();
    broker.shutdown();
}

#[test]
fn a_client_that_never_reads_is_bounded() {
    let broker = broker(2);
    let mut deaf = Client::connect(socket(&broker, 0), "deaf");
    deaf.subscribe("flood", QoS::AtMostOnce);
    let mut publisher = Client::connect(socket(&broker, 0), "publisher");
    let payload = vec![7; 1024 * 1024];
    publisher.send(&publish_packet("flood", &payload, None));
    publisher.ping();
    let before = resident_bytes();
    for _ in 0..200 {
        publisher.send(&publish_packet("flood", &payload, None));
    }
    publisher.ping();
    let grown = resident_bytes().saturating_sub(before);
    assert!(
        grown < 100 * 1024 * 1024,
        "200 MiB published and {grown} bytes kept"
    );
    drop(deaf);
    broker.shutdown();
}

#[test]
fn no_message_is_lost_or_turned_around_between_shards_under_load() {
    // MQTT-4.6.0-6
    const EACH: u32 = 3000;
    let broker = broker(3);
    let subscribers: Vec<_> = (0..3)
        .map(|number| {
            let mut client = Client::connect(socket(&broker, 0), &format!("subscriber {number}"));
            client.subscribe("load/+", QoS::AtLeastOnce);
            std::thread::spawn(move || {
                let mut next = [0; 3];
                while next != [EACH; 3] {
                    let id = client.next(|packet| match packet {
                        Some(Packet::Publish(publish)) => {
                            let publisher = usize::from(publish.topic.as_bytes()[5] - b'0');
                            assert_eq!(publish.payload, next[publisher].to_be_bytes());
                            next[publisher] += 1;
                            publish.packet_id.unwrap().get()
                        }
                        other => panic!("instead of PUBLISH: {other:?}"),
                    });
                    let [high, low] = id.to_be_bytes();
                    client.send(&[0x40, 2, high, low]);
                }
            })
        })
        .collect();
    let publishers: Vec<_> = (0..3)
        .map(|number| {
            let mut client = Client::connect(socket(&broker, 0), &format!("publisher {number}"));
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                for count in 0..EACH {
                    let id = Some(count as u16 + 1);
                    let topic = format!("load/{number}");
                    bytes.extend(publish_packet(&topic, &count.to_be_bytes(), id));
                }
                client.send(&bytes);
                for _ in 0..EACH {
                    client.next(|packet| assert!(matches!(packet, Some(Packet::PubAck(_)))));
                }
            })
        })
        .collect();
    for thread in publishers.into_iter().chain(subscribers) {
        thread.join().unwrap();
    }
    broker.shutdown();
}
