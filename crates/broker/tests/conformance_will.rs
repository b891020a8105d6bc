//! Wills (sections 3.1.2.5 and 3.1.3.2): when they are published, and as what.

mod bed;

use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311};
use columba_broker::access::{AccessRules, Actions};
use columba_broker::event::Command;
use columba_broker::outcome::Outcome;
use columba_codec::packet::Disconnect;
use columba_codec::{Packet, Properties, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];
const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A client with a Will on "will".
fn with_will(version: Version) -> ConnectOptions<'static> {
    ConnectOptions::new(version, "client").will("will", b"gone", QoS::AtLeastOnce, false)
}

/// The same, with a session of 1000 s and a delay.
fn with_delayed_will(delay_secs: u32) -> ConnectOptions<'static> {
    with_will(V5)
        .clean(false)
        .property(PropertyId::SessionExpiryInterval, Value::U32(1000))
        .will_property(PropertyId::WillDelayInterval, Value::U32(delay_secs))
}

fn watcher(bed: &mut Bed) -> ClientIx {
    let watcher = bed.connect(V5, "watcher");
    bed.subscribe(watcher, "will", QoS::ExactlyOnce);
    watcher
}

/// How many Wills came since the last look.
fn wills(bed: &mut Bed, watcher: ClientIx) -> usize {
    let inbox = bed.take(watcher);
    for publish in inbox.publishes() {
        assert_eq!((publish.topic, publish.payload), ("will", &b"gone"[..]));
        if let Some(id) = publish.packet_id {
            bed.puback(watcher, id);
        }
    }
    inbox.publishes().len()
}

fn say_disconnect(bed: &mut Bed, client: ClientIx, reason: ReasonCode) {
    let properties = Properties::EMPTY;
    bed.send(
        client,
        &Packet::Disconnect(Disconnect { reason, properties }),
    );
}

#[test]
fn every_end_without_a_goodbye_publishes_the_will() {
    // MQTT-3.1.2-7, MQTT-3.1.2-8, MQTT-v311-3.1.2-8
    let ends: [fn(&mut Bed, ClientIx, Version); 8] = [
        |bed, client, _| bed.drop_connection(client),
        |bed, client, _| bed.close_socket(client),
        // Nothing for 1.5 times the keep alive.
        |bed, _, _| bed.advance(15_000),
        // Malformed, and a protocol error.
        |bed, client, _| bed.send_raw(client, &[0xF7, 0]),
        |bed, client, version| {
            bed.send_raw(client, &ConnectOptions::new(version, "client").bytes());
        },
        // Taken over.
        |bed, _, version| {
            bed.connect(version, "client");
        },
        |bed, _, _| {
            bed.command(Command::Disconnect {
                client_id: "client".into(),
                end_session: false,
            });
        },
        |bed, _, _| bed.command(Command::PublishWills),
    ];
    for shards in SHARDS {
        for version in VERSIONS {
            for end in ends {
                let mut bed = Bed::new(shards);
                let watcher = watcher(&mut bed);
                let client = bed.connect_with(&with_will(version).keep_alive(10));
                bed.advance(14_999);
                assert_eq!(wills(&mut bed, watcher), 0);
                bed.send(client, &Packet::PingReq);
                end(&mut bed, client, version);
                assert_eq!(wills(&mut bed, watcher), 1);
                assert_eq!(bed.outcome(Outcome::WillPublished), 1);
                bed.check_books();
            }
        }
    }
}

#[test]
fn a_goodbye_discards_the_will() {
    // MQTT-3.1.2-10, MQTT-3.14.4-3, MQTT-v311-3.1.2-10, MQTT-v311-3.14.4-3
    for shards in SHARDS {
        for version in VERSIONS {
            for is_clean in [true, false] {
                let mut bed = Bed::new(shards);
                let watcher = watcher(&mut bed);
                let options = match version {
                    V5 => with_delayed_will(if is_clean { 0 } else { 5 }),
                    V31 | V311 => with_will(version),
                };
                let client = bed.connect_with(&options.clean(is_clean));
                bed.disconnect(client);
                assert_eq!(bed.outcome(Outcome::WillDiscarded), 1);
                bed.drop_connection(client);
                bed.advance(10_000_000);
                assert_eq!(wills(&mut bed, watcher), 0);
                assert_eq!(bed.outcome(Outcome::WillPublished), 0);
            }
        }
    }
}

#[test]
fn a_goodbye_can_ask_for_the_will() {
    // MQTT-3.1.2-8, section 3.14.2.1
    for shards in SHARDS {
        for reason in [
            ReasonCode::DisconnectWithWill,
            ReasonCode::UnspecifiedError,
            ReasonCode::MalformedPacket,
        ] {
            let mut bed = Bed::new(shards);
            let watcher = watcher(&mut bed);
            let client = bed.connect_with(&with_will(V5));
            say_disconnect(&mut bed, client, reason);
            assert_eq!(wills(&mut bed, watcher), 1);
            assert_eq!(bed.outcome(Outcome::DisconnectWithWill), 1);
        }
    }
}

#[test]
fn without_the_will_flag_nothing_is_published() {
    // MQTT-v311-3.1.2-12
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let watcher = bed.connect(V5, "watcher");
            bed.subscribe(watcher, "#", QoS::AtLeastOnce);
            let client = bed.connect(version, "client");
            bed.drop_connection(client);
            assert!(bed.take(watcher).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::WillPublished), 0);
        }
    }
}

#[test]
fn a_published_will_is_gone() {
    // MQTT-3.1.2-10, MQTT-v311-3.1.2-10
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let watcher = watcher(&mut bed);
            let options = match version {
                V5 => with_delayed_will(0),
                V31 | V311 => with_will(version).clean(false),
            };
            let client = bed.connect_with(&options);
            bed.drop_connection(client);
            assert_eq!(wills(&mut bed, watcher), 1);
            // The session goes on without one, and each CONNECT brings its own or none.
            let mut without = options.clone();
            without.will = None;
            let client = bed.connect_with(&without);
            bed.drop_connection(client);
            bed.advance(2_000_000_000);
            assert_eq!(wills(&mut bed, watcher), 0);
        }
    }
}

#[test]
fn wills_published_before_a_shutdown_are_not_published_again() {
    // MQTT-3.1.2-10
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = watcher(&mut bed);
        bed.connect_with(&with_delayed_will(100));
        bed.command(Command::PublishWills);
        assert_eq!(wills(&mut bed, watcher), 1);
        bed.command(Command::Shutdown);
        assert_eq!(bed.outcome(Outcome::WillPublished), 1);
        assert!(bed.take(watcher).publishes().is_empty());
    }
}

#[test]
fn a_delayed_will_waits() {
    // MQTT-3.1.2-8
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = watcher(&mut bed);
        let client = bed.connect_with(&with_delayed_will(30));
        bed.drop_connection(client);
        bed.advance(29_999);
        assert_eq!(wills(&mut bed, watcher), 0);
        bed.advance(1);
        assert_eq!(wills(&mut bed, watcher), 1);
        assert_eq!(bed.stats().sessions, 2, "the session goes on");
    }
}

#[test]
fn a_client_that_is_back_in_time_has_its_will_cancelled() {
    // MQTT-3.1.3-9
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = watcher(&mut bed);
        let client = bed.connect_with(&with_delayed_will(30));
        bed.drop_connection(client);
        bed.advance(29_999);
        // By another connection after the end of the first, and by a takeover.
        let client = bed.connect_with(&with_delayed_will(30));
        bed.connect_with(&with_delayed_will(30));
        assert!(bed.is_closed(client));
        bed.advance(100_000);
        assert_eq!(wills(&mut bed, watcher), 0);
        assert_eq!(bed.outcome(Outcome::WillCancelled), 2);
    }
}

#[test]
fn the_end_of_the_session_publishes_a_delayed_will() {
    // MQTT-3.1.2-8
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = watcher(&mut bed);
        // It expires first.
        let client = bed.connect_with(&with_delayed_will(u32::MAX));
        bed.drop_connection(client);
        bed.advance(999_999);
        assert_eq!(wills(&mut bed, watcher), 0);
        bed.advance(1);
        assert_eq!(wills(&mut bed, watcher), 1);
        // It ends with the connection.
        let options = with_will(V5).will_property(PropertyId::WillDelayInterval, Value::U32(30));
        let client = bed.connect_with(&options);
        bed.drop_connection(client);
        assert_eq!(wills(&mut bed, watcher), 1);
        // The client wants a clean start.
        let client = bed.connect_with(&with_delayed_will(30));
        bed.drop_connection(client);
        bed.connect_with(&with_delayed_will(30).clean(true));
        assert_eq!(wills(&mut bed, watcher), 1);
        // An operator ends it.
        bed.command(Command::Disconnect {
            client_id: "client".into(),
            end_session: true,
        });
        assert_eq!(wills(&mut bed, watcher), 1);
        bed.advance(10_000_000);
        assert_eq!(wills(&mut bed, watcher), 0);
        bed.check_books();
    }
}

#[test]
fn will_retain_decides_whether_it_is_kept() {
    // MQTT-3.1.2-14, MQTT-3.1.2-15, MQTT-v311-3.1.2-16, MQTT-v311-3.1.2-17
    for shards in SHARDS {
        for version in VERSIONS {
            for is_retained in [false, true] {
                let mut bed = Bed::new(shards);
                let options = ConnectOptions::new(version, "client");
                let options = options.will("will", b"gone", QoS::AtLeastOnce, is_retained);
                let client = bed.connect_with(&options);
                bed.drop_connection(client);
                let late = bed.connect(V311, "late");
                bed.subscribe(late, "will", QoS::AtLeastOnce);
                let inbox = bed.take(late);
                assert_eq!(inbox.publishes().len(), usize::from(is_retained));
                assert!(inbox.publishes().iter().all(|publish| publish.retain));
            }
        }
    }
}

#[test]
fn an_empty_retained_will_clears_the_retained_message() {
    // MQTT-3.3.1-6
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options = ConnectOptions::new(V5, "client").will("will", b"", QoS::AtMostOnce, true);
        let client = bed.connect_with(&options);
        bed.retain(client, "will", b"online", QoS::AtMostOnce);
        bed.drop_connection(client);
        assert_eq!(bed.stats().retained_messages, 0);
    }
}

#[test]
fn a_will_is_published_at_its_qos() {
    for shards in SHARDS {
        for version in VERSIONS {
            for qos in ALL_QOS {
                let mut bed = Bed::new(shards);
                let watcher = watcher(&mut bed);
                let options = ConnectOptions::new(version, "client");
                let client = bed.connect_with(&options.will("will", b"gone", qos, false));
                bed.drop_connection(client);
                let inbox = bed.take(watcher);
                let will = inbox.one_publish();
                assert_eq!(will.qos, qos);
                assert!(!will.retain && !will.dup);
            }
        }
    }
}

#[test]
fn a_will_keeps_its_properties_in_their_order() {
    // MQTT-3.1.3-10
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = watcher(&mut bed);
        let mut options = with_delayed_will(7)
            .will_property(PropertyId::PayloadFormatIndicator, Value::Flag(true))
            .will_property(PropertyId::ContentType, Value::String("text/plain"))
            .will_property(PropertyId::ResponseTopic, Value::String("answer"))
            .will_property(PropertyId::CorrelationData, Value::Binary(b"\0\xFF"));
        let pairs = [("z", "1"), ("a", "2"), ("z", "1"), ("", "")];
        for (name, value) in pairs {
            options = options.will_property(PropertyId::UserProperty, Value::Pair(name, value));
        }
        let client = bed.connect_with(&options);
        bed.drop_connection(client);
        bed.advance(7_000);
        let inbox = bed.take(watcher);
        let told = inbox.one_publish().properties;
        assert!(told.user_properties().eq(pairs));
        assert_eq!(told.flag(PropertyId::PayloadFormatIndicator), Some(true));
        assert_eq!(told.string(PropertyId::ContentType), Some("text/plain"));
        assert_eq!(told.string(PropertyId::ResponseTopic), Some("answer"));
        assert_eq!(
            told.binary(PropertyId::CorrelationData),
            Some(&b"\0\xFF"[..])
        );
        assert_eq!(told.find(PropertyId::WillDelayInterval), None);
        assert_eq!(told.find(PropertyId::MessageExpiryInterval), None);
    }
}

#[test]
fn a_will_ages_from_its_publication() {
    // Section 3.1.3.2.4
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options =
            with_delayed_will(100).will_property(PropertyId::MessageExpiryInterval, Value::U32(50));
        let away = ConnectOptions::new(V5, "away")
            .clean(false)
            .property(PropertyId::SessionExpiryInterval, Value::U32(10_000));
        let watcher = bed.connect_with(&away);
        bed.subscribe(watcher, "will", QoS::AtLeastOnce);
        bed.drop_connection(watcher);
        let client = bed.connect_with(&options);
        bed.advance(1_000_000);
        bed.drop_connection(client);
        bed.advance(100_000);
        // Published; it waits for 20 s of its 50.
        bed.advance(20_000);
        let (_, inbox) = bed.connect_raw(&away);
        let publishes = inbox.publishes();
        let left = publishes[0]
            .properties
            .u32(PropertyId::MessageExpiryInterval);
        assert_eq!(left, Some(30));
    }
}

#[test]
fn a_will_keeps_to_the_rules_for_publishing() {
    for shards in SHARDS {
        let nothing = Actions {
            publish: false,
            ..Actions::ALL
        };
        let rules = AccessRules::new(Vec::new(), nothing);
        for (topic, outcome) in [
            ("will", Outcome::PublishDeniedAcl),
            ("$SYS/broker/version", Outcome::PublishBadTopic),
            ("a/b/c/d", Outcome::PublishBadTopic),
        ] {
            let mut bed = Bed::with(shards, |limits| limits.topic_levels_max = 3);
            let watcher = bed.connect(V5, "watcher");
            for filter in ["#", "$SYS/#"] {
                bed.subscribe(watcher, filter, QoS::AtLeastOnce);
            }
            let options = ConnectOptions::new(V311, "client");
            let client = bed.connect_with(&options.will(topic, b"", QoS::AtLeastOnce, true));
            if outcome == Outcome::PublishDeniedAcl {
                bed.command(Command::SetAccess(rules.clone().into()));
            }
            bed.drop_connection(client);
            assert!(bed.take(watcher).bytes.is_empty(), "{topic}");
            assert_eq!(bed.outcome(outcome), 1, "{topic}");
            assert_eq!(bed.outcome(Outcome::WillPublished), 0, "{topic}");
            assert_eq!(bed.stats().retained_messages, 0);
        }
    }
}

#[test]
fn a_will_reaches_sessions_that_are_away_and_its_own() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&with_delayed_will(0));
        bed.subscribe(client, "will", QoS::AtLeastOnce);
        bed.drop_connection(client);
        let (_, inbox) = bed.connect_raw(&with_delayed_will(0));
        assert_eq!(inbox.payloads(), ["gone"]);
        bed.check_books();
    }
}
