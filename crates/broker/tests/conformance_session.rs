//! Sessions (sections 3.1.2.4, 3.1.2.11, 4.1): what is kept, for how long, and for whom.

mod bed;

use bed::{Bed, ClientIx, ConnectOptions, Inbox, V5, V31, V311};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Disconnect;
use columba_codec::{Packet, PropertiesBuf, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

/// A client whose session outlives its connection, by 60 s in MQTT 5.
fn lasting(version: Version, client_id: &str) -> ConnectOptions<'_> {
    expiring(version, client_id, 60)
}

fn expiring(version: Version, client_id: &str, secs: u32) -> ConnectOptions<'_> {
    let options = ConnectOptions::new(version, client_id).clean(false);
    match version {
        V5 => options.property(PropertyId::SessionExpiryInterval, Value::U32(secs)),
        V31 | V311 => options,
    }
}

fn session_present(inbox: &Inbox) -> bool {
    match inbox.packets().first() {
        Some(Packet::ConnAck(ack)) => ack.session_present,
        other => panic!("no CONNACK but {other:?}"),
    }
}

/// Reconnects; whether there was a session, as CONNACK and the counters tell it.
fn resumes(bed: &mut Bed, options: &ConnectOptions<'_>) -> bool {
    let before = bed.stats().sessions;
    let (client, inbox) = bed.connect_raw(options);
    assert!(!bed.is_closed(client));
    let is_known = bed.stats().sessions == before;
    if options.version != V31 {
        assert_eq!(session_present(&inbox), is_known);
    }
    is_known
}

fn disconnect_with_expiry(bed: &mut Bed, client: ClientIx, secs: u32) {
    let mut properties = PropertiesBuf::new();
    let value = Value::U32(secs);
    properties
        .push(PropertyId::SessionExpiryInterval, value)
        .expect("fits");
    let properties = properties.as_properties();
    let reason = ReasonCode::Success;
    bed.send(
        client,
        &Packet::Disconnect(Disconnect { reason, properties }),
    );
}

#[test]
fn a_clean_start_begins_with_nothing() {
    // MQTT-3.1.2-4, MQTT-3.1.4-4, MQTT-3.2.2-2, MQTT-v311-3.1.2-6, MQTT-v311-3.1.4-3,
    // MQTT-v311-3.2.2-1
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let options = lasting(version, "client");
            let client = bed.connect_with(&options);
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            bed.publish(publisher, "t", b"unacknowledged", QoS::AtLeastOnce);
            bed.drop_connection(client);
            bed.publish(publisher, "t", b"queued", QoS::AtLeastOnce);
            let (client, inbox) = bed.connect_raw(&options.clone().clean(true));
            assert!(!session_present(&inbox));
            assert_eq!(inbox.packets().len(), 1, "{:?}", inbox.packets());
            bed.publish(publisher, "t", b"not subscribed", QoS::AtLeastOnce);
            assert!(bed.take(client).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::SessionReplaced), 1);
            assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), 2);
            assert_eq!(bed.stats().subscriptions, 0);
            bed.check_books();
        }
    }
}

#[test]
fn a_session_is_resumed_with_subscriptions_and_messages() {
    // MQTT-3.1.2-5, MQTT-3.1.2-23, MQTT-3.1.3-2, MQTT-3.2.2-3, MQTT-v311-3.1.2-4,
    // MQTT-v311-3.1.2-5, MQTT-v311-3.1.3-2, MQTT-v311-3.2.2-2, MQTT-v311-4.1.0-1
    for shards in SHARDS {
        for version in VERSIONS {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut bed = Bed::new(shards);
                let publisher = bed.connect(V5, "publisher");
                let options = lasting(version, "client");
                let client = bed.connect_with(&options);
                let other = bed.connect_with(&lasting(version, "other"));
                bed.subscribe(client, "t", qos);
                bed.drop_connection(client);
                bed.drop_connection(other);
                bed.publish(publisher, "t", b"1", qos);
                bed.publish(publisher, "t", b"2", qos);
                // Another client id is another session.
                let (_, inbox) = bed.connect_raw(&lasting(version, "other"));
                assert_eq!(session_present(&inbox), version != V31);
                assert_eq!(inbox.packets().len(), 1);
                let (client, inbox) = bed.connect_raw(&options);
                assert_eq!(session_present(&inbox), version != V31);
                assert_eq!(inbox.payloads(), ["1", "2"]);
                bed.publish(publisher, "t", b"3", qos);
                assert_eq!(bed.take(client).payloads(), ["3"]);
                bed.check_books();
            }
        }
    }
}

#[test]
fn without_a_session_one_is_made() {
    // MQTT-3.1.2-6, MQTT-3.2.2-3, MQTT-v311-3.1.2-4, MQTT-v311-3.2.2-3
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let (client, inbox) = bed.connect_raw(&lasting(version, "client"));
            assert!(!session_present(&inbox));
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            bed.publish(client, "t", b"here", QoS::AtMostOnce);
            assert_eq!(bed.take(client).payloads(), ["here"]);
            assert_eq!(bed.stats().sessions, 1);
        }
    }
}

#[test]
fn a_session_ends_when_its_expiry_interval_has_passed() {
    // MQTT-3.1.2-23, MQTT-4.1.0-2
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let options = expiring(V5, "client", 60);
        let client = bed.connect_with(&options);
        bed.subscribe(client, "t", QoS::AtLeastOnce);
        bed.drop_connection(client);
        bed.publish(publisher, "t", b"waits", QoS::AtLeastOnce);
        bed.advance(59_999);
        assert_eq!(bed.stats().sessions, 2);
        // The time counts anew from each end of a connection.
        assert!(resumes(&mut bed, &options));
        let (client, _) = bed.connect_raw(&options);
        bed.advance(59_999);
        bed.drop_connection(client);
        bed.advance(59_999);
        assert_eq!(bed.stats().sessions, 2);
        bed.advance(1);
        assert_eq!(bed.stats().sessions, 1);
        assert_eq!(bed.outcome(Outcome::SessionExpired), 1);
        assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), 1);
        bed.check_books();
        assert!(!resumes(&mut bed, &options));
        assert_eq!(bed.stats().subscriptions, 0);
    }
}

#[test]
fn a_session_lasts_as_long_as_its_connection() {
    // MQTT-4.1.0-1, MQTT-v311-4.1.0-2
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| limits.session_expiry_v3_secs = 1);
            let publisher = bed.connect(V5, "publisher");
            for options in [
                ConnectOptions::new(version, "clean"),
                expiring(version, "client", 1),
            ] {
                let client = bed.connect_with(&options);
                bed.subscribe(client, "t", QoS::AtLeastOnce);
                bed.advance(100 * 24 * 3600 * 1000);
                bed.publish(publisher, "t", b"still here", QoS::AtLeastOnce);
                assert_eq!(bed.take(client).payloads(), ["still here"]);
                bed.disconnect(client);
            }
        }
    }
}

#[test]
fn without_expiry_interval_a_session_ends_with_its_connection() {
    // MQTT-4.1.0-2, MQTT-v311-3.1.2-6
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let options = ConnectOptions::new(version, "client");
            let client = bed.connect_with(&options);
            bed.subscribe(client, "t", QoS::AtLeastOnce);
            bed.publish(publisher, "t", b"unacknowledged", QoS::AtLeastOnce);
            bed.drop_connection(client);
            assert_eq!(bed.stats().sessions, 1);
            assert_eq!(bed.outcome(Outcome::SessionEndedWithConnection), 1);
            // What was made by a clean session is not used by one that is not clean.
            let (_, inbox) = bed.connect_raw(&options.clean(false));
            assert!(!session_present(&inbox));
            assert_eq!(inbox.packets().len(), 1);
            bed.check_books();
        }
    }
}

#[test]
fn mqtt_3_sessions_are_kept_as_long_as_configured() {
    for shards in SHARDS {
        for version in [V31, V311] {
            let mut bed = Bed::with(shards, |limits| limits.session_expiry_v3_secs = 100);
            let options = lasting(version, "client");
            let client = bed.connect_with(&options);
            bed.drop_connection(client);
            bed.advance(99_999);
            assert!(resumes(&mut bed, &options));
            let client = bed.connect_with(&options);
            // DISCONNECT ends the connection, not the session (MQTT-3.1.2-4 of 3.1.1).
            bed.disconnect(client);
            bed.advance(100_000);
            assert!(!resumes(&mut bed, &options));
        }
        let mut bed = Bed::with(shards, |limits| limits.session_expiry_v3_secs = u32::MAX);
        let options = lasting(V311, "client");
        let client = bed.connect_with(&options);
        bed.drop_connection(client);
        bed.advance(10 * 365 * 24 * 3600 * 1000);
        assert!(resumes(&mut bed, &options));
    }
}

#[test]
fn the_longest_expiry_interval_is_for_ever() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options = expiring(V5, "client", u32::MAX);
        let client = bed.connect_with(&options);
        bed.drop_connection(client);
        bed.advance(200 * 365 * 24 * 3600 * 1000);
        assert!(resumes(&mut bed, &options));
    }
}

#[test]
fn the_longest_session_is_for_the_broker_to_choose() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.session_expiry_secs_max = 10);
        let options = expiring(V5, "client", 60);
        let (client, inbox) = bed.connect_raw(&options);
        let Packet::ConnAck(ack) = inbox.one() else {
            panic!("{:?}", inbox.packets());
        };
        let told = ack.properties.u32(PropertyId::SessionExpiryInterval);
        assert_eq!(told, Some(10));
        bed.drop_connection(client);
        bed.advance(9_999);
        assert_eq!(bed.stats().sessions, 1);
        bed.advance(1);
        assert_eq!(bed.stats().sessions, 0);
        // DISCONNECT cannot go beyond either.
        let client = bed.connect_with(&options);
        disconnect_with_expiry(&mut bed, client, 1000);
        bed.advance(10_000);
        assert_eq!(bed.stats().sessions, 0);
    }
}

#[test]
fn disconnect_can_change_the_expiry_interval() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&expiring(V5, "client", 60));
        disconnect_with_expiry(&mut bed, client, 120);
        bed.advance(119_999);
        assert_eq!(bed.stats().sessions, 1);
        bed.advance(1);
        assert_eq!(bed.stats().sessions, 0);
        let client = bed.connect_with(&expiring(V5, "client", 60));
        disconnect_with_expiry(&mut bed, client, 0);
        assert_eq!(bed.stats().sessions, 0);
        assert_eq!(bed.outcome(Outcome::DisconnectByClient), 2);
    }
}

#[test]
fn disconnect_cannot_give_an_expiry_interval_to_a_session_without_one() {
    // Section 3.14.2.2.2; MQTT-4.13.1-1
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = bed.connect(V5, "watcher");
        bed.subscribe(watcher, "#", QoS::AtMostOnce);
        let options = ConnectOptions::new(V5, "client").will("w", b"", QoS::AtMostOnce, false);
        let client = bed.connect_with(&options);
        disconnect_with_expiry(&mut bed, client, 60);
        let inbox = bed.take(client);
        let Packet::Disconnect(disconnect) = inbox.one() else {
            panic!("{:?}", inbox.packets());
        };
        assert_eq!(disconnect.reason, ReasonCode::ProtocolError);
        assert!(bed.is_closed(client));
        assert_eq!(bed.stats().sessions, 1, "the watcher's");
        // It was no DISCONNECT that discards the Will.
        assert_eq!(bed.take(watcher).one_publish().topic, "w");
    }
}

#[test]
fn a_broker_that_keeps_no_sessions_takes_a_goodbye_that_asks_for_one() {
    // Section 3.14.2.2.2: what counts is whether CONNECT asked for none.
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.session_expiry_secs_max = 0);
        let options = expiring(V5, "client", 60).will("w", b"", QoS::AtMostOnce, false);
        let client = bed.connect_with(&options);
        disconnect_with_expiry(&mut bed, client, 60);
        assert!(bed.take(client).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::DisconnectByClient), 1);
        assert_eq!(bed.outcome(Outcome::WillDiscarded), 1);
        assert_eq!(bed.stats().sessions, 0);
    }
}

#[test]
fn a_reconnect_brings_its_own_expiry_interval() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&expiring(V5, "client", 3600));
        bed.drop_connection(client);
        let client = bed.connect_with(&expiring(V5, "client", 5));
        bed.drop_connection(client);
        bed.advance(5_000);
        assert_eq!(bed.stats().sessions, 0);
        let client = bed.connect_with(&expiring(V5, "client", 5));
        bed.drop_connection(client);
        let client = bed.connect_with(&expiring(V5, "client", 3600));
        bed.drop_connection(client);
        bed.advance(3_599_999);
        assert_eq!(bed.stats().sessions, 1);
        // A session can change its version.
        assert!(resumes(&mut bed, &lasting(V311, "client")));
    }
}

#[test]
fn retained_messages_outlive_the_session_that_published_them() {
    // MQTT-v311-3.1.2-7
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            bed.retain(client, "t", b"kept", QoS::AtLeastOnce);
            bed.disconnect(client);
            assert_eq!(bed.stats().sessions, 0);
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QoS::AtMostOnce);
            assert_eq!(bed.take(client).payloads(), ["kept"]);
        }
    }
}

#[test]
fn the_newer_connection_of_a_client_id_wins() {
    // MQTT-3.1.4-3, MQTT-v311-3.1.4-2
    for shards in SHARDS {
        for old_version in VERSIONS {
            for new_version in VERSIONS {
                let mut bed = Bed::new(shards);
                let old = bed.connect_with(&lasting(old_version, "client"));
                bed.subscribe(old, "t", QoS::AtLeastOnce);
                let (new, inbox) = bed.connect_raw(&lasting(new_version, "client"));
                assert!(bed.is_closed(old) && !bed.is_closed(new));
                let farewell = bed.take(old);
                match (old_version, &farewell.packets()[..]) {
                    (V5, [Packet::Disconnect(disconnect)]) => {
                        assert_eq!(disconnect.reason, ReasonCode::SessionTakenOver);
                    }
                    (V31 | V311, []) => {}
                    (_, packets) => panic!("{packets:?}"),
                }
                assert_eq!(session_present(&inbox), new_version != V31);
                assert_eq!(bed.outcome(Outcome::DisconnectTakenOver), 1);
                assert_eq!(bed.stats().clients_connected, 1);
                bed.publish(new, "t", b"once", QoS::AtLeastOnce);
                assert_eq!(bed.take(new).payloads(), ["once"]);
                assert!(bed.take(old).bytes.is_empty());
            }
        }
    }
}

#[test]
fn a_session_that_ends_with_its_connection_is_not_taken_over() {
    // MQTT-3.1.4-3, MQTT-3.2.2-3, MQTT-v311-3.1.2-6
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let old = bed.connect(version, "client");
            bed.subscribe(old, "t", QoS::AtLeastOnce);
            let (_, inbox) = bed.connect_raw(&lasting(version, "client"));
            assert!(bed.is_closed(old));
            assert!(!session_present(&inbox));
            assert_eq!(bed.stats().subscriptions, 0);
            assert_eq!(bed.outcome(Outcome::SessionEndedWithConnection), 1);
        }
    }
}

#[test]
fn messages_too_large_for_the_client_are_dropped_and_done_with() {
    // MQTT-3.1.2-24, MQTT-3.1.2-25
    for shards in SHARDS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V311, "publisher");
            let options = lasting(V5, "client")
                .property(PropertyId::MaximumPacketSize, Value::U32(60))
                .property(PropertyId::ReceiveMaximum, Value::U16(1));
            let client = bed.connect_with(&options);
            bed.subscribe(client, "t", qos);
            for _ in 0..3 {
                bed.publish(publisher, "t", &[b'x'; 60], qos);
            }
            // A quota of one message is not used up by what was not sent.
            bed.publish(publisher, "t", b"small", qos);
            assert_eq!(bed.take(client).payloads(), ["small"]);
            assert_eq!(bed.outcome(Outcome::DeliverTooLarge), 3);
            bed.drop_connection(client);
            bed.publish(publisher, "t", &[b'x'; 60], QoS::AtLeastOnce);
            let (_, inbox) = bed.connect_raw(&options);
            assert!(
                inbox
                    .publishes()
                    .iter()
                    .all(|publish| publish.payload == b"small")
            );
            bed.check_books();
        }
    }
}

#[test]
fn the_size_that_counts_is_that_of_the_whole_packet() {
    // MQTT-3.1.2-24
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V311, "publisher");
    let options =
        ConnectOptions::new(V5, "client").property(PropertyId::MaximumPacketSize, Value::U32(60));
    let client = bed.connect_with(&options);
    bed.subscribe(client, "t", QoS::AtMostOnce);
    // Fixed header 2, topic 3, property length 1.
    bed.publish(publisher, "t", &[b'x'; 54], QoS::AtMostOnce);
    assert_eq!(bed.take(client).bytes.len(), 60);
    bed.publish(publisher, "t", &[b'x'; 55], QoS::AtMostOnce);
    assert!(bed.take(client).bytes.is_empty());
}

#[test]
fn topic_aliases_are_used_only_as_far_as_the_client_allows() {
    // MQTT-3.1.2-26, MQTT-3.1.2-27
    for shards in SHARDS {
        for maximum in [None, Some(0), Some(2)] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let mut options = ConnectOptions::new(V5, "client");
            if let Some(maximum) = maximum {
                options = options.property(PropertyId::TopicAliasMaximum, Value::U16(maximum));
            }
            let client = bed.connect_with(&options);
            bed.subscribe(client, "#", QoS::AtMostOnce);
            let mut topics = vec![String::new(); 3];
            let mut aliased = 0;
            for round in 0..20 {
                let topic = format!("some/topic/{}", round % 5);
                bed.publish(publisher, &topic, b"", QoS::AtMostOnce);
                let inbox = bed.take(client);
                let publish = inbox.one_publish();
                let Some(alias) = publish.properties.u16(PropertyId::TopicAlias) else {
                    assert_eq!(publish.topic, topic);
                    continue;
                };
                aliased += 1;
                assert!((1..=maximum.unwrap_or(0)).contains(&alias));
                if !publish.topic.is_empty() {
                    topics[usize::from(alias)] = publish.topic.to_owned();
                }
                assert_eq!(topics[usize::from(alias)], topic);
            }
            assert_eq!(aliased > 0, maximum == Some(2));
        }
    }
}
