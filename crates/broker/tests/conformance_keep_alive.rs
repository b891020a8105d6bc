//! Keep alive (sections 3.1.2.10 and 3.2.2.3.14): silence, and what ends it.

mod bed;

use bed::{Bed, ConnectOptions, V5, V31, V311};
use columba_broker::event::ReportEvent;
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

#[test]
fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    // MQTT-3.1.2-22, MQTT-3.2.2-22, MQTT-v311-3.1.2-24
    for shards in SHARDS {
        for version in VERSIONS {
            for secs in [1, 10, 65_535] {
                let mut bed = Bed::new(shards);
                let watcher = bed.connect(V5, "watcher");
                bed.subscribe(watcher, "#", QoS::AtMostOnce);
                let options = ConnectOptions::new(version, "client")
                    .keep_alive(secs)
                    .will("w", b"", QoS::AtMostOnce, false);
                let client = bed.connect_with(&options);
                let silence_ms = u64::from(secs) * 1500;
                bed.advance(silence_ms - 1);
                assert!(!bed.is_closed(client));
                bed.advance(1);
                assert!(bed.is_closed(client));
                assert_eq!(bed.outcome(Outcome::DisconnectKeepAlive), 1);
                // As if the network had failed.
                assert_eq!(bed.take(watcher).one_publish().topic, "w");
                let inbox = bed.take(client);
                match (version, &inbox.packets()[..]) {
                    (V5, [Packet::Disconnect(disconnect)]) => {
                        assert_eq!(disconnect.reason, ReasonCode::KeepAliveTimeout);
                    }
                    (V31 | V311, []) => {}
                    (_, packets) => panic!("{packets:?}"),
                }
            }
        }
    }
}

#[test]
fn every_packet_of_the_client_ends_the_silence() {
    // MQTT-3.1.2-22, MQTT-v311-3.1.2-24
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let talker = bed.connect(V311, "talker");
            let client = bed.connect_with(&ConnectOptions::new(version, "client").keep_alive(10));
            bed.subscribe(client, "to-client", QoS::AtMostOnce);
            for _ in 0..20 {
                bed.advance(14_999);
                bed.send(client, &Packet::PingReq);
                bed.advance(14_999);
                bed.publish(client, "t", b"", QoS::AtMostOnce);
            }
            assert!(!bed.is_closed(client));
            // What the broker sends does not count.
            for _ in 0..2 {
                bed.advance(7_500);
                bed.publish(talker, "to-client", b"", QoS::AtMostOnce);
            }
            assert!(bed.is_closed(client));
        }
    }
}

#[test]
fn no_keep_alive_means_no_limit() {
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            bed.advance(365 * 24 * 3600 * 1000);
            assert!(!bed.is_closed(client));
        }
    }
}

#[test]
fn the_keep_alive_of_the_server_is_told_and_kept() {
    // MQTT-3.1.2-22, MQTT-3.2.2-22; keep_alive_secs_max
    for shards in SHARDS {
        for (asked, in_force) in [(0, 30), (31, 30), (65_535, 30), (30, 30), (7, 7)] {
            let mut bed = Bed::with(shards, |limits| limits.keep_alive_secs_max = 30);
            let options = ConnectOptions::new(V5, "client").keep_alive(asked);
            let (client, inbox) = bed.connect_raw(&options);
            let Packet::ConnAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            let told = ack.properties.u16(PropertyId::ServerKeepAlive);
            assert_eq!(told, (asked != in_force).then_some(in_force));
            let is_reported = bed.reports.iter().any(|report| {
                matches!(report.event, ReportEvent::Connected { keep_alive_secs, .. }
                    if keep_alive_secs == in_force)
            });
            assert!(is_reported, "{:?}", bed.reports);
            bed.advance(u64::from(in_force) * 1500 - 1);
            assert!(!bed.is_closed(client));
            bed.advance(1);
            assert!(bed.is_closed(client));
        }
        // MQTT 3 cannot be told, so the client's own value counts.
        for version in [V31, V311] {
            let mut bed = Bed::with(shards, |limits| limits.keep_alive_secs_max = 30);
            let client = bed.connect_with(&ConnectOptions::new(version, "client").keep_alive(40));
            bed.advance(59_999);
            assert!(!bed.is_closed(client));
            bed.advance(1);
            assert!(bed.is_closed(client));
        }
    }
}

#[test]
fn a_connection_that_follows_has_its_own_keep_alive() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&ConnectOptions::new(V311, "client").keep_alive(10));
        bed.advance(14_000);
        bed.drop_connection(client);
        // The slot of the connection is used again.
        let client = bed.connect_with(&ConnectOptions::new(V311, "client").keep_alive(100));
        bed.advance(149_999);
        assert!(!bed.is_closed(client));
        bed.advance(1);
        assert!(bed.is_closed(client));
        assert_eq!(bed.outcome(Outcome::DisconnectKeepAlive), 1);
    }
}
