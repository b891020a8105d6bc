//! Bytes that clients make the broker keep: each bound is reached, and holds.

mod bed;

use bed::exchange::{QOS_0, QOS_1, SHARDS, keeping, options};
use bed::{Bed, ConnectOptions, V5, V31, V311, WillOptions};
use columba_broker::event::ReportEvent;
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, Properties, PropertiesBuf, QoS, ReasonCode, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

#[test]
fn no_more_bytes_of_filters_than_the_limit_are_granted() {
    // subscription_bytes_max
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| limits.subscription_bytes_max = 30);
            let client = bed.connect(version, "client");
            bed.subscribe(client, "0123456789", QOS_0);
            // The share name counts as well.
            bed.subscribe(client, "$share/01234/01234", QOS_0);
            bed.subscribe(client, "01234567", QOS_0);
            let refused = match version {
                V5 => ReasonCode::QuotaExceeded as u8,
                V311 => 0x80,
                // It has no way to say no.
                V31 => 0,
            };
            for filter in ["abc", "$share/a/bc"] {
                let codes = bed.subscribe_with(client, filter, options(QOS_0), Properties::EMPTY);
                assert_eq!(codes, [refused], "{version} {filter}");
            }
            assert_eq!(bed.outcome(Outcome::SubscribeBytesQuota), 2);
            let is_told = |event: &ReportEvent| {
                matches!(event, ReportEvent::Withheld { outcome, .. }
                    if *outcome == Outcome::SubscribeBytesQuota)
            };
            let told = bed.reports.iter().filter(|report| is_told(&report.event));
            assert_eq!(told.count(), 2);
            // Options of what is there may change; what goes makes room, once.
            bed.subscribe(client, "0123456789", QOS_1);
            bed.subscribe(client, "$share/01234/01234", QOS_1);
            bed.subscribe(client, "ab", QOS_0);
            assert_eq!(bed.stats().subscription_bytes, 30);
            bed.unsubscribe(client, "$share/01234/01234");
            bed.unsubscribe(client, "ab");
            bed.unsubscribe(client, "ab");
            assert_eq!(bed.stats().subscription_bytes, 18);
            bed.subscribe(client, "abcdefghijkl", QOS_0);
            bed.check_gauges();
            bed.disconnect(client);
            assert_eq!(bed.stats().subscription_bytes, 0);
        }
    }
}

#[test]
fn subscription_identifiers_count_as_bytes_of_the_queue() {
    // queue_bytes_max
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.queue_bytes_max = 400);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect_with(&keeping(V5, "client"));
        for identifier in 1..=20 {
            let filter = "t/+/".to_owned() + &"+/".repeat(identifier) + "#";
            bed.subscribe_identified(client, &filter, QOS_1, identifier as u32);
        }
        bed.disconnect(client);
        let topic = "t/".to_owned() + &"/".repeat(20);
        // 22 bytes of topic, 1 of payload, and 20 identifiers of 4 bytes.
        for number in 0..9 {
            bed.publish(publisher, &topic, number.to_string().as_bytes(), QOS_1);
            assert!(bed.stats().queued_bytes <= 400);
        }
        assert_eq!(bed.stats().queued_messages, 400 / 103);
        assert_eq!(bed.stats().queued_bytes, 400 / 103 * 103);
        bed.check_gauges();
        let client = bed.resume(V5, "client");
        assert_eq!(bed.payloads(client), ["6", "7", "8"]);
        assert_eq!(bed.stats().queued_bytes, 0);
        bed.check_books();
    }
}

#[test]
fn subscription_identifiers_count_as_bytes_in_flight() {
    // inflight_bytes_max
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_bytes_max = 30);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        for (identifier, filter) in [(1, "a"), (2, "+"), (3, "#"), (4, "a/#"), (5, "+/#")] {
            bed.subscribe_identified(client, filter, QOS_1, identifier);
        }
        for payload in [b"1", b"2", b"3"] {
            bed.publish(publisher, "a", payload, QOS_1);
        }
        // 22 bytes each: the second goes out because the first leaves some room.
        assert_eq!(bed.payloads(client), ["1", "2"]);
    }
}

/// A client with a Will of so many bytes.
fn with_will(version: Version, client_id: &'static str, bytes: usize) -> ConnectOptions<'static> {
    const PAYLOAD: [u8; 1000] = [b'x'; 1000];
    let will = WillOptions {
        topic: "will",
        payload: &PAYLOAD[..bytes - 4],
        qos: QoS::AtMostOnce,
        retain: false,
        properties: PropertiesBuf::new(),
    };
    ConnectOptions {
        will: Some(will),
        ..ConnectOptions::new(version, client_id)
    }
}

/// The reason in CONNACK; `None` if the connection was closed without one.
fn connack(bed: &mut Bed, options: &ConnectOptions<'_>) -> (usize, Option<ReasonCode>) {
    let (client, inbox) = bed.connect_raw(options);
    let reason = inbox.packets().first().map(|packet| match packet {
        Packet::ConnAck(ack) => ack.reason,
        other => panic!("{other:?}"),
    });
    (client, reason)
}

#[test]
fn a_will_of_too_many_bytes_is_refused() {
    // will_bytes_max
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::with(shards, |limits| limits.will_bytes_max = 100);
            let (_, reason) = connack(&mut bed, &with_will(version, "fits", 100));
            assert_eq!(reason, Some(ReasonCode::Success));
            let (client, reason) = connack(&mut bed, &with_will(version, "large", 101));
            assert!(bed.is_closed(client));
            let expected = match version {
                V5 => Some(ReasonCode::QuotaExceeded),
                V31 | V311 => Some(ReasonCode::ServerUnavailable),
            };
            assert_eq!(reason, expected);
            assert_eq!(bed.outcome(Outcome::ConnectWillQuota), 1);
            assert_eq!((bed.stats().sessions, bed.stats().will_bytes), (1, 100));
        }
    }
}

#[test]
fn the_wills_of_all_have_a_limit_on_each_shard() {
    // wills_bytes_max
    for version in VERSIONS {
        let mut bed = Bed::with(1, |limits| limits.wills_bytes_max = 250);
        let (first, reason) = connack(&mut bed, &with_will(version, "1", 100));
        assert_eq!(reason, Some(ReasonCode::Success));
        let (second, _) = connack(&mut bed, &with_will(version, "2", 100));
        let (third, _) = connack(&mut bed, &with_will(version, "3", 51));
        assert!(bed.is_closed(third));
        assert_eq!(bed.outcome(Outcome::ConnectWillQuota), 1);
        assert_eq!(bed.stats().will_bytes, 200);
        // Nobody without a Will is refused, and a client may replace its own.
        bed.connect(version, "without");
        let (first_again, _) = connack(&mut bed, &with_will(version, "1", 150));
        assert!(bed.is_closed(first) && !bed.is_closed(first_again));
        assert_eq!(bed.stats().will_bytes, 250);
        // A refused client does not lose the session that is there.
        let (refused, _) = connack(&mut bed, &with_will(version, "2", 101));
        assert!(bed.is_closed(refused) && !bed.is_closed(second));
        // Wills that are published or discarded make room.
        bed.drop_connection(first_again);
        assert_eq!(bed.stats().will_bytes, 100);
        bed.disconnect(second);
        assert_eq!(bed.stats().will_bytes, 0);
        bed.check_gauges();
    }
}
