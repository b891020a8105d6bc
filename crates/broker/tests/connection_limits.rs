//! The bounds of connections, sessions and reports: each is reached, and holds.

mod bed;

use std::sync::Arc;

use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311};
use columba_broker::access::AccessRules;
use columba_broker::event::{AuthVerdict, Command, ReportEvent};
use columba_broker::limits::{Anonymous, EARLY_BYTES_MAX, Limits, ListenerSettings, Promise};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, QoS, ReasonCode, Value, Version};

const SHARDS: [u16; 2] = [1, 3];
const VERSIONS: [Version; 3] = [V31, V311, V5];

fn connack_reason(bed: &mut Bed, client: ClientIx) -> ReasonCode {
    let inbox = bed.take(client);
    match inbox.packets()[..] {
        [Packet::ConnAck(ack)] => ack.reason,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_time() {
    // connect_timeout_ms
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.connect_timeout_ms = 3_000);
        let silent = bed.open(V311);
        let slow = bed.open(V311);
        // Bytes alone do not help.
        for byte in &ConnectOptions::new(V311, "client").bytes()[..5] {
            bed.advance(500);
            bed.send_raw(slow, &[*byte]);
        }
        bed.advance(499);
        assert!(!bed.is_closed(silent) && !bed.is_closed(slow));
        bed.advance(1);
        assert!(bed.is_closed(silent) && bed.is_closed(slow));
        assert_eq!(bed.outcome(Outcome::ConnectTimeout), 2);
        // Nor do credentials that nobody checks.
        bed.is_authentication_slow = true;
        let waiting = bed.open(V311);
        let options = ConnectOptions::new(V311, "client").login("user", b"password");
        bed.send_raw(waiting, &options.bytes());
        bed.advance(3_000);
        assert!(bed.is_closed(waiting));
        assert_eq!(bed.outcome(Outcome::ConnectTimeout), 3);
        bed.answer_credentials();
        assert!(bed.take(waiting).bytes.is_empty());
        assert_eq!(bed.stats().sessions, 0);
        assert_eq!(bed.stats().connections, 0);
        // Who is in has no such limit.
        let client = bed.connect(V311, "client");
        bed.advance(3_000_000);
        assert!(!bed.is_closed(client));
    }
}

#[test]
fn sessions_have_a_limit_on_each_shard() {
    // sessions_max
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| limits.sessions_max = 10);
            let most = 10 * u64::from(shards);
            let mut refused = 0;
            for number in 0..200 {
                let id = format!("client{number}");
                let (client, inbox) = bed.connect_raw(&ConnectOptions::new(version, &id));
                let Packet::ConnAck(ack) = inbox.one() else {
                    panic!("{:?}", inbox.packets());
                };
                assert_eq!(ack.reason.is_error(), bed.is_closed(client));
                refused += u64::from(ack.reason.is_error());
                match (ack.reason, version) {
                    (ReasonCode::Success, _)
                    | (ReasonCode::QuotaExceeded, V5)
                    | (ReasonCode::ServerUnavailable, V31 | V311) => {}
                    (other, _) => panic!("{other:?}"),
                }
            }
            assert_eq!(bed.stats().sessions, most);
            assert_eq!(bed.outcome(Outcome::ConnectQuota), refused);
            assert_eq!(refused, 200 - most);
            // Who has a session comes back all the same, with a clean start too.
            let (again, inbox) = bed.connect_raw(&ConnectOptions::new(version, "client0"));
            assert_eq!(inbox.packets().len(), 1);
            assert!(!bed.is_closed(again));
            // Whose session ends makes room.
            bed.disconnect(again);
            bed.connect(version, "client0");
        }
    }
}

#[test]
fn a_connect_has_a_limit_of_its_own() {
    // CONNECT_BYTES_MAX, 1 MiB
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = u32::MAX);
        let client = bed.open(V311);
        bed.send_raw(client, &[0x10, 0x80, 0x80, 0x40]);
        assert!(bed.is_closed(client));
        assert_eq!(bed.outcome(Outcome::ConnectMalformed), 1);
        // MQTT 5 is told, where the bytes say that it is MQTT 5.
        let client = bed.open(V5);
        bed.send_raw(client, b"\x10\x80\x80\x40\0\x04MQTT\x05");
        assert_eq!(connack_reason(&mut bed, client), ReasonCode::PacketTooLarge);
        assert!(bed.is_closed(client));
        // A large one below it is fine.
        let payload = vec![b'x'; 60_000];
        let options = ConnectOptions::new(V311, "client");
        bed.connect_with(&options.will("w", &payload, QoS::AtMostOnce, false));
        // The limit for all packets holds for CONNECT too.
        let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 1000);
        let options = ConnectOptions::new(V311, "client");
        let options = options.will("w", &payload, QoS::AtMostOnce, false);
        let (client, inbox) = bed.connect_raw(&options);
        assert!(bed.is_closed(client) && inbox.bytes.is_empty());
    }
}

#[test]
fn bytes_sent_before_the_verdict_have_a_limit() {
    // EARLY_BYTES_MAX
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            bed.is_authentication_slow = true;
            let client = bed.open(version);
            let connect = ConnectOptions::new(version, "client").login("user", b"password");
            let connect = connect.bytes();
            bed.send_raw(client, &connect);
            let pings = [0xC0, 0].repeat(EARLY_BYTES_MAX);
            for half in pings[..EARLY_BYTES_MAX].chunks(EARLY_BYTES_MAX / 2) {
                bed.send_raw(client, half);
            }
            assert!(!bed.is_closed(client));
            bed.send_raw(client, &[0xC0]);
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::ConnectQuota), 1);
            assert_eq!(bed.take(client).packets().len(), 1);
            bed.answer_credentials();
            assert_eq!(bed.stats().sessions, 0);

            // In one piece with CONNECT.
            let client = bed.open(version);
            let behind = |len| [&connect, &pings[..len]].concat();
            bed.send_raw(client, &behind(EARLY_BYTES_MAX));
            assert!(!bed.is_closed(client));
            let client = bed.open(version);
            bed.send_raw(client, &behind(EARLY_BYTES_MAX + 1));
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::ConnectQuota), 2);
        }
    }
}

#[test]
fn a_login_that_finds_the_queue_of_checks_full_is_told_to_come_again() {
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            bed.authenticate = |_| AuthVerdict::Busy;
            let login = ConnectOptions::new(version, "client").login("user", b"password");
            let (client, inbox) = bed.connect_raw(&login);
            let code = inbox.bytes.get(3).copied();
            let busy = if version == V5 { 0x89 } else { 3 };
            assert_eq!(code, Some(busy), "{version:?}");
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::ConnectAuthBusy), 1);
        }
    }
}

#[test]
fn a_listener_can_lower_the_packet_size() {
    for shards in SHARDS {
        for (own, in_force) in [(Some(500), 500), (Some(5000), 1000), (None, 1000)] {
            let mut bed = Bed::with(shards, |limits| limits.packet_bytes_max = 1000);
            bed.command(Command::SetListeners(
                [ListenerSettings {
                    name: "test".into(),
                    anonymous: Anonymous::Always,
                    connections_max: 0,
                    packet_bytes_max: own,
                    certificate_is_user: false,
                    promise: Promise::Durable,
                }]
                .into(),
            ));
            let (client, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "client"));
            let Packet::ConnAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            let told = ack.properties.u32(PropertyId::MaximumPacketSize);
            assert_eq!(told, Some(in_force));
            let overhead = 3 + 3 + 1;
            bed.publish(
                client,
                "t",
                &vec![0; in_force as usize - overhead],
                QoS::AtMostOnce,
            );
            assert!(!bed.is_closed(client));
            bed.publish(
                client,
                "t",
                &vec![0; in_force as usize - overhead + 1],
                QoS::AtMostOnce,
            );
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(Outcome::PublishTooLarge), 1);
        }
    }
}

#[test]
fn reports_are_limited_and_the_rest_is_counted() {
    // reports_per_sec_max
    let mut bed = Bed::with(1, |limits| limits.reports_per_sec_max = 5);
    let refused = |bed: &Bed| {
        let reports = bed.reports.iter();
        reports
            .filter(|report| matches!(report.event, ReportEvent::Refused { .. }))
            .count()
    };
    let suppressed = |bed: &Bed| {
        let reports = bed.reports.iter();
        reports
            .filter_map(|report| match report.event {
                ReportEvent::Suppressed { faults, .. } => Some(faults),
                _ => None,
            })
            .sum::<u64>()
    };
    let stranger = |bed: &mut Bed, number: u8| {
        let addr = std::net::SocketAddr::from(([192, 0, 2, number], 1_000));
        let client = bed.open_from(V311, Some(addr));
        bed.send_raw(client, b"GET / HTTP/1.1\r\n\r\n");
    };
    for number in 0..20 {
        stranger(&mut bed, number);
    }
    assert_eq!((refused(&bed), suppressed(&bed)), (5, 0));
    assert_eq!(bed.outcome(Outcome::ConnectWrongProtocol), 20);
    // The rest is told although nothing more happens.
    bed.advance(1_000);
    assert_eq!((refused(&bed), suppressed(&bed)), (5, 15));
    stranger(&mut bed, 21);
    assert_eq!((refused(&bed), suppressed(&bed)), (6, 15));
}

#[test]
fn a_client_that_is_denied_all_the_time_does_not_hide_the_first_denial_of_another() {
    // reports_per_sec_max
    let rules = AccessRules::deny_all();
    let mut bed = Bed::build(1, Limits::default(), rules, Anonymous::Always);
    let noisy = bed.connect(V5, "noisy");
    for _ in 0..1_000 {
        bed.publish(noisy, "secret", b"1", QoS::AtMostOnce);
    }
    let other = bed.connect(V5, "other");
    bed.publish(other, "secret", b"1", QoS::AtMostOnce);
    let denied = |bed: &Bed, client: &str| {
        let reports = bed.reports.iter().filter(|report| {
            matches!(report.event, ReportEvent::Withheld { .. })
                && report.client_id.as_deref() == Some(client)
        });
        reports.count()
    };
    assert_eq!((denied(&bed, "noisy"), denied(&bed, "other")), (5, 1));
    bed.advance(1_000);
    let last = bed.reports.last().map(|report| &report.event);
    let left_out = ReportEvent::Suppressed {
        connections: 0,
        faults: 995,
        most: Some((Arc::from("noisy"), 995)),
    };
    assert_eq!(last, Some(&left_out));
}

#[test]
fn clients_that_come_and_go_are_reported_up_to_a_limit() {
    // reports_per_sec_max
    let mut bed = Bed::with(1, |limits| limits.reports_per_sec_max = 5);
    let said = |bed: &Bed| {
        let reports = bed.reports.iter();
        let said = reports.filter(|report| {
            matches!(
                report.event,
                ReportEvent::Connected { .. } | ReportEvent::Disconnected { .. }
            )
        });
        said.count()
    };
    for _ in 0..20 {
        let client = bed.connect(V311, "client");
        bed.disconnect(client);
    }
    assert_eq!(said(&bed), 5);
    // They leave room for what goes wrong.
    let client = bed.open(V311);
    bed.send_raw(client, b"GET / HTTP/1.1\r\n\r\n");
    let last = bed.reports.last().expect("a report");
    assert!(
        matches!(last.event, ReportEvent::Refused { .. }),
        "{last:?}"
    );
    bed.advance(1_000);
    let last = bed.reports.last().map(|report| &report.event);
    let left_out = ReportEvent::Suppressed {
        connections: 35,
        faults: 0,
        most: None,
    };
    assert_eq!(last, Some(&left_out));
    assert_eq!(said(&bed), 5);
}

#[test]
fn timers_of_gone_connections_do_not_pile_up() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        for _ in 0..20_000 {
            bed.advance(1);
            let options = ConnectOptions::new(V5, "client")
                .keep_alive(60_000)
                .clean(false)
                .property(PropertyId::SessionExpiryInterval, Value::U32(100_000))
                .will("w", b"", QoS::AtMostOnce, false)
                .will_property(PropertyId::WillDelayInterval, Value::U32(50_000));
            let client = bed.connect_with(&options);
            bed.drop_connection(client);
        }
        let most = 2 * 1024 * usize::from(shards);
        assert!(bed.timers() < most, "{}", bed.timers());
        bed.advance(100_000_000);
        assert_eq!(bed.stats().sessions, 0);
        assert_eq!(bed.timers(), 0);
    }
}

#[test]
fn limits_can_change_while_clients_are_connected() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_with(&ConnectOptions::new(V5, "client").keep_alive(100));
        let limits = Limits {
            sessions_max: 0,
            keep_alive_secs_max: 10,
            sys_interval_ms: 0,
            ..Limits::default()
        };
        bed.command(Command::SetLimits(limits.into()));
        // What is there stays as it was told.
        bed.advance(149_999);
        assert!(!bed.is_closed(client));
        let (refused, _) = bed.connect_raw(&ConnectOptions::new(V5, "other"));
        assert!(bed.is_closed(refused));
        // It may come back, and is told the new keep alive.
        let (_, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "client").keep_alive(100));
        let Packet::ConnAck(ack) = inbox.one() else {
            panic!("{:?}", inbox.packets());
        };
        assert_eq!(ack.reason, ReasonCode::Success);
        assert_eq!(ack.properties.u16(PropertyId::ServerKeepAlive), Some(10));
    }
}

#[test]
fn a_packet_of_more_filters_than_a_client_may_have_closes_the_connection() {
    for shards in SHARDS {
        let subscribe = [&[0x82, 19, 0, 1, 0][..], &[0, 1, b'a', 0].repeat(4)].concat();
        let unsubscribe = [&[0xA2, 15, 0, 1, 0][..], &[0, 1, b'a'].repeat(4)].concat();
        for (bytes, outcome) in [
            (subscribe, Outcome::SubscribeQuota),
            (unsubscribe, Outcome::UnsubscribeQuota),
        ] {
            let mut bed = Bed::with(shards, |limits| limits.subscriptions_max = 3);
            let client = bed.connect(V5, "client");
            bed.send_raw(client, &bytes);
            match bed.take(client).one() {
                Packet::Disconnect(end) => assert_eq!(end.reason, ReasonCode::QuotaExceeded),
                other => panic!("{other:?}"),
            }
            assert!(bed.is_closed(client));
            assert_eq!(bed.outcome(outcome), 1);
        }
    }
}

#[test]
fn a_maximum_packet_size_beyond_what_mqtt_can_express_is_as_good_as_none() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.packet_bytes_max = 268_435_460;
            limits.output_bytes_max = 1 << 30;
        });
        let largest = ConnectOptions::new(V5, "subscriber")
            .property(PropertyId::MaximumPacketSize, Value::U32(u32::MAX));
        let subscriber = bed.connect_with(&largest);
        bed.subscribe(subscriber, "t", QoS::AtMostOnce);
        let publisher = bed.connect(V311, "publisher");
        // The largest packet of 3.1.1 has no room for the property length of MQTT 5.
        bed.publish(publisher, "t", &vec![0; 268_435_455 - 3], QoS::AtMostOnce);
        assert!(bed.take(subscriber).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::DeliverTooLarge), 1);
        bed.check_books();
    }
}
