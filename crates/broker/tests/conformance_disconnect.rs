//! DISCONNECT and PINGREQ (sections 3.12, 3.14 and 4.13): how connections end.

mod bed;

use bed::{Bed, ClientIx, ConnectOptions, Inbox, V5, V31, V311, raw};
use columba_broker::event::{AuthVerdict, Command};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Disconnect;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

/// The DISCONNECT that must be the last packet; nothing before MQTT 5.
fn farewell(inbox: &Inbox) -> Option<Disconnect<'_>> {
    let packets = inbox.packets();
    match packets.split_last() {
        Some((Packet::Disconnect(disconnect), rest)) => {
            assert!(!rest.iter().any(|p| matches!(p, Packet::Disconnect(_))));
            Some(*disconnect)
        }
        _ => None,
    }
}

/// Ends the connection of a client.
type End = fn(&mut Bed, ClientIx);

/// Every way in which the broker ends an open connection, and the reason that it tells.
const ENDS: [(End, ReasonCode, Outcome); 9] = [
    (
        |bed, client| bed.send_raw(client, &[0x83, 0]),
        ReasonCode::MalformedPacket,
        Outcome::DisconnectMalformed,
    ),
    (
        |bed, client| bed.send_raw(client, &[0xD0, 0]),
        ReasonCode::ProtocolError,
        Outcome::DisconnectProtocol,
    ),
    (
        |bed, client| bed.send_raw(client, &ConnectOptions::new(V5, "client").bytes()),
        ReasonCode::ProtocolError,
        Outcome::DisconnectProtocol,
    ),
    (
        |bed, client| bed.send_raw(client, &[0x30, 0xFF, 0xFF, 0x7F]),
        ReasonCode::PacketTooLarge,
        Outcome::DisconnectProtocol,
    ),
    (
        // Topic Alias 9.
        |bed, client| bed.send_raw(client, b"\x30\x06\x00\x00\x03\x23\x00\x09"),
        ReasonCode::TopicAliasInvalid,
        Outcome::DisconnectProtocol,
    ),
    (
        |bed, _| bed.advance(15_000),
        ReasonCode::KeepAliveTimeout,
        Outcome::DisconnectKeepAlive,
    ),
    (
        |bed, _| {
            bed.connect(V311, "client");
        },
        ReasonCode::SessionTakenOver,
        Outcome::DisconnectTakenOver,
    ),
    (
        |bed, _| {
            bed.command(Command::Disconnect {
                client_id: "client".into(),
                end_session: true,
            });
        },
        ReasonCode::AdministrativeAction,
        Outcome::DisconnectAdmin,
    ),
    (
        |bed, _| bed.command(Command::Shutdown),
        ReasonCode::ServerShuttingDown,
        Outcome::DisconnectShuttingDown,
    ),
];

fn client_in(bed: &mut Bed, version: Version, packet_bytes_max: Option<u32>) -> ClientIx {
    let mut options = ConnectOptions::new(version, "client").keep_alive(10);
    if version == V5 {
        let value = Value::U32(100);
        options = options.property(PropertyId::SessionExpiryInterval, value);
        if let Some(most) = packet_bytes_max {
            options = options.property(PropertyId::MaximumPacketSize, Value::U32(most));
        }
    }
    bed.connect_with(&options)
}

#[test]
fn pingreq_is_answered_by_pingresp() {
    // MQTT-3.12.4-1, MQTT-v311-3.12.4-1
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            for _ in 0..3 {
                bed.send_raw(client, &[0xC0, 0]);
                assert_eq!(bed.take(client).bytes, [0xD0, 0]);
            }
            bed.send_raw(client, &[0xC0, 0, 0xC0, 0, 0xC0]);
            assert_eq!(bed.take(client).bytes, [0xD0, 0, 0xD0, 0]);
            bed.send_raw(client, &[0]);
            assert_eq!(bed.take(client).bytes, [0xD0, 0]);
        }
    }
}

#[test]
fn the_broker_says_why_it_ends_a_connection_and_then_ends_it() {
    // MQTT-3.14.2-2, MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-4.13.1-1, MQTT-4.13.2-1, MQTT-v311-4.8.0-1
    for shards in SHARDS {
        for (end, reason, outcome) in ENDS {
            for version in VERSIONS {
                if version != V5 && reason == ReasonCode::TopicAliasInvalid {
                    continue;
                }
                let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 1000);
                let publisher = bed.connect(V311, "publisher");
                let client = client_in(&mut bed, version, None);
                bed.subscribe(client, "#", QoS::AtMostOnce);
                end(&mut bed, client);
                let inbox = bed.take(client);
                if version == V5 {
                    let told = farewell(&inbox).expect("a DISCONNECT");
                    assert_eq!(told.reason, reason);
                    let expiry = told.properties.find(PropertyId::SessionExpiryInterval);
                    assert_eq!(expiry, None);
                    let words = told.properties.string(PropertyId::ReasonString);
                    assert!(words.is_some_and(|words| words.len() > 10));
                } else {
                    assert!(inbox.bytes.is_empty(), "{:?}", inbox.packets());
                }
                assert!(bed.is_closed(client));
                assert!(bed.outcome(outcome) >= 1, "{outcome}");
                bed.publish(publisher, "t", b"", QoS::AtMostOnce);
                assert!(bed.take(client).bytes.is_empty());
                bed.check_books();
            }
        }
    }
}

#[test]
fn disconnect_keeps_to_the_packet_size_of_the_client() {
    // MQTT-3.1.2-24, MQTT-3.14.2-3, MQTT-3.14.2-4
    for shards in SHARDS {
        for (end, reason, _) in ENDS {
            // The shortest CONNACK has 5 bytes, with a Maximum Packet Size 10.
            for (most, packet_bytes_max) in [(5, u32::MAX), (10, 1000), (45, 1000)] {
                if reason == ReasonCode::PacketTooLarge && packet_bytes_max > 1000 {
                    continue;
                }
                let mut bed = Bed::with(shards, |limits| {
                    limits.packet_bytes_max = packet_bytes_max;
                    limits.topic_alias_maximum = 0;
                });
                let options = ConnectOptions::new(V5, "client")
                    .keep_alive(10)
                    .property(PropertyId::MaximumPacketSize, Value::U32(most));
                let client = bed.connect_with(&options);
                end(&mut bed, client);
                let inbox = bed.take(client);
                assert!(inbox.bytes.len() <= most as usize, "{inbox:?}");
                assert_eq!(farewell(&inbox).expect("a DISCONNECT").reason, reason);
                assert!(bed.is_closed(client));
            }
        }
    }
}

#[test]
fn nothing_behind_disconnect_is_read() {
    // MQTT-3.14.4-1, MQTT-3.14.4-2
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let watcher = bed.connect(V5, "watcher");
            bed.subscribe(watcher, "#", QoS::AtMostOnce);
            let client = bed.connect(version, "client");
            let publish: &[u8] = match version {
                V5 => b"\x30\x04\x00\x01t\x00",
                V31 | V311 => b"\x30\x04\x00\x01tx",
            };
            let mut bytes = publish.to_vec();
            bytes.extend_from_slice(&[0xE0, 0]);
            bytes.extend_from_slice(publish);
            bytes.extend_from_slice(&[0xC0, 0]);
            bed.send_raw(client, &bytes);
            bed.send_raw(client, publish);
            assert!(bed.is_closed(client));
            assert!(bed.take(client).bytes.is_empty());
            assert_eq!(bed.take(watcher).publishes().len(), 1);
            assert_eq!(bed.outcome(Outcome::DisconnectByClient), 1);
            assert_eq!(bed.stats().clients_connected, 1);
        }
    }
}

#[test]
fn flags_on_disconnect_are_malformed() {
    // MQTT-3.14.1-1, MQTT-v311-3.14.1-1
    for shards in SHARDS {
        for version in VERSIONS {
            for flags in [1, 2, 4] {
                let mut bed = Bed::new(shards);
                let watcher = bed.connect(V5, "watcher");
                bed.subscribe(watcher, "#", QoS::AtMostOnce);
                let options = ConnectOptions::new(version, "client");
                let options = options.will("w", b"", QoS::AtMostOnce, false);
                let client = bed.connect_with(&options);
                bed.send_raw(client, &[0xE0 | flags, 0]);
                assert!(bed.is_closed(client));
                let inbox = bed.take(client);
                let told = farewell(&inbox).map(|told| told.reason);
                assert_eq!(told, (version == V5).then_some(ReasonCode::MalformedPacket));
                // It was no goodbye.
                assert_eq!(bed.take(watcher).one_publish().topic, "w");
                assert_eq!(bed.outcome(Outcome::DisconnectMalformed), 1);
            }
        }
    }
}

#[test]
fn no_disconnect_comes_before_connack() {
    // MQTT-3.14.0-1
    let unreachable = |_: &_| AuthVerdict::Unavailable;
    let method = ConnectOptions::new(V5, "c")
        .property(PropertyId::AuthenticationMethod, Value::String("m"))
        .bytes();
    let firsts: [Vec<u8>; 9] = [
        vec![0xE0, 0],
        vec![0xC0, 0],
        vec![0xF0, 0],
        vec![0x00, 0],
        b"\x30\x04\x00\x01t\x00".to_vec(),
        raw::connect_of(5, 0b11, &[b"a"]),
        raw::connect(b"MQTT", 6, 2, &[0, 0, 1, b'a']),
        ConnectOptions::new(V5, "c").login("u", b"p").bytes(),
        method,
    ];
    for shards in SHARDS {
        for first in &firsts {
            let mut bed = Bed::new(shards);
            bed.authenticate = unreachable;
            let client = bed.open(V5);
            bed.send_raw(client, first);
            let inbox = bed.take(client);
            assert!(bed.is_closed(client));
            for packet in inbox.packets() {
                let is_refusal = matches!(packet, Packet::ConnAck(ack) if ack.reason.is_error());
                assert!(is_refusal, "{packet:?}");
            }
        }
        // Nor to those who have not said anything when the broker stops.
        let mut bed = Bed::new(shards);
        let client = bed.open(V5);
        bed.command(Command::Shutdown);
        assert!(bed.is_closed(client));
        assert!(bed.take(client).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::ConnectShuttingDown), 1);
    }
}
