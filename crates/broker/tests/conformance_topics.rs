//! Topic names and filters (section 4.7), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, SHARDS, options};
use bed::{Bed, V5, V31, V311, raw};
use columba_codec::{Properties, ReasonCode, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

/// Which filters match a topic, by subscribers that live all over the shards.
fn check(version: Version, topic: &str, filters: &[(&str, bool)]) {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(version, "publisher");
        let clients: Vec<_> = filters
            .iter()
            .enumerate()
            .map(|(number, (filter, _))| {
                let client = bed.connect(version, &format!("client{number}"));
                bed.subscribe(client, filter, QOS_0);
                client
            })
            .collect();
        // Twice: the second time from the cache.
        for _ in 0..2 {
            bed.publish(publisher, topic, b"x", QOS_0);
            for (client, (filter, is_match)) in clients.iter().zip(filters) {
                let arrived = bed.arrivals(*client);
                assert_eq!(arrived.len(), usize::from(*is_match), "{filter} {topic}");
                assert!(arrived.iter().all(|one| one.topic == topic));
            }
        }
    }
}

#[test]
fn wildcards_match_whole_levels() {
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-v311-4.7.1-2] [MQTT-v311-4.7.1-3]
    // [MQTT-3.3.2-3] [MQTT-v311-3.3.2-3]
    for version in VERSIONS {
        let sport = [
            ("sport/tennis/player1", true),
            ("sport/tennis/player1/#", true),
            ("sport/#", true),
            ("#", true),
            ("sport/+/player1", true),
            ("+/+/+", true),
            ("+/tennis/#", true),
            ("sport/tennis/+", true),
            ("sport/+", false),
            ("sport/tennis", false),
            ("+", false),
            ("+/+", false),
            ("+/+/+/+", false),
            ("sport/tennis/player1/+", false),
            ("sport/tennis/player", false),
            ("Sport/#", false),
        ];
        check(version, "sport/tennis/player1", &sport);
        check(
            version,
            "sport",
            &[("sport/#", true), ("sport/+", false), ("+", true)],
        );
        check(
            version,
            "sport/",
            &[("sport/#", true), ("sport/+", true), ("sport", false)],
        );
        let slash = [
            ("/finance", true),
            ("+/+", true),
            ("/+", true),
            ("+", false),
        ];
        check(version, "/finance", &slash);
        check(
            version,
            "/",
            &[("/", true), ("+/+", true), ("/#", true), ("+", false)],
        );
        check(
            version,
            "a//b",
            &[("a/+/b", true), ("a//b", true), ("a/b", false)],
        );
    }
}

#[test]
fn wildcards_in_the_first_level_match_no_dollar_topics() {
    // [MQTT-4.7.2-1] [MQTT-v311-4.7.2-1]
    for version in VERSIONS {
        let filters = [
            ("#", false),
            ("+/monitor/Clients", false),
            ("+/#", false),
            ("$own/#", true),
            ("$own/monitor/+", true),
            ("$own/+/Clients", true),
        ];
        check(version, "$own/monitor/Clients", &filters);
        check(
            version,
            "a/$own",
            &[("#", true), ("a/+", true), ("+/$own", true)],
        );
    }
}

#[test]
fn retained_dollar_topics_are_not_for_wildcards_either() {
    // [MQTT-4.7.2-1] [MQTT-v311-4.7.2-1]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        bed.retain(client, "$own/a", b"own", QOS_0);
        bed.retain(client, "a/a", b"any", QOS_0);
        bed.subscribe(client, "#", QOS_0);
        assert_eq!(bed.payloads(client), ["any"]);
        bed.subscribe(client, "+/a", QOS_0);
        assert_eq!(bed.payloads(client), ["any"]);
        bed.subscribe(client, "$own/+", QOS_0);
        assert_eq!(bed.payloads(client), ["own"]);
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-v311-4.7.1-2] [MQTT-v311-4.7.1-3] [MQTT-4.7.3-1]
    // [MQTT-v311-4.7.3-1]
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let failure = if version == V5 {
                ReasonCode::TopicFilterInvalid as u8
            } else {
                0x80
            };
            for filter in ["", "a#", "a/#/b", "#/a", "a/b#", "a+", "+a/b", "a/+b", "##"] {
                let codes = bed.subscribe_with(client, filter, options(QOS_1), Properties::EMPTY);
                assert_eq!(codes, [failure], "{filter:?}");
            }
            assert_eq!(bed.stats().subscriptions, 0);
            bed.subscribe(client, "ok", QOS_1);
        }
    }
}

#[test]
fn a_topic_has_at_least_one_character() {
    // [MQTT-4.7.3-1] [MQTT-v311-4.7.3-1]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let mut body = raw::field(b"");
            if version == V5 {
                body.push(0);
            }
            bed.send_raw(client, &raw::packet(0x30, &body));
            assert!(bed.is_closed(client), "{version}");
        }
        check(V5, " ", &[(" ", true), ("+", true)]);
    }
}

#[test]
fn there_is_no_u_0000_in_topics_and_filters() {
    // [MQTT-4.7.3-2] [MQTT-v311-4.7.3-2]
    for shards in SHARDS {
        for version in VERSIONS {
            for (first, is_filter) in [(0x30, false), (0x82, true), (0xA2, true)] {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                let mut body = Vec::new();
                if is_filter {
                    body.extend_from_slice(&[0, 1]);
                    if version == V5 {
                        body.push(0);
                    }
                }
                body.extend(raw::field(b"a\0b"));
                if first == 0x82 {
                    body.push(0);
                }
                if !is_filter && version == V5 {
                    body.push(0);
                }
                bed.send_raw(client, &raw::packet(first, &body));
                bed.assert_closed(client, ReasonCode::MalformedPacket, &format!("{first:x}"));
            }
        }
    }
}

#[test]
fn topics_and_filters_of_65_535_bytes_work() {
    // [MQTT-4.7.3-3] [MQTT-v311-4.7.3-3]
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::with(shards, |limits| limits.topic_levels_max = usize::MAX);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            for longest in ["x".repeat(65_535), format!("{}x", "a/".repeat(32_767))] {
                bed.subscribe(subscriber, &longest, QOS_1);
                bed.publish(publisher, &longest, b"x", QOS_1);
                let arrived = bed.finish(subscriber);
                assert_eq!(arrived.len(), 1);
                assert!(arrived[0].topic == longest);
            }
        }
    }
}

#[test]
fn names_are_not_normalised() {
    // [MQTT-4.7.3-4] [MQTT-v311-4.7.3-4]
    let composed = "\u{C5}";
    let decomposed = "A\u{30A}";
    for version in VERSIONS {
        check(version, composed, &[(composed, true), (decomposed, false)]);
        check(
            version,
            decomposed,
            &[(composed, false), (decomposed, true)],
        );
        check(
            version,
            "ACCOUNTS",
            &[("ACCOUNTS", true), ("Accounts", false)],
        );
        check(version, "\u{FEFF}a", &[("\u{FEFF}a", true), ("a", false)]);
        check(version, "a/b/", &[("a/b/", true), ("a/b", false)]);
        check(
            version,
            "/a/b",
            &[("/a/b", true), ("a/b", false), ("//a/b", false)],
        );
    }
}

#[test]
fn mqtt_3_1_is_not_told_of_a_filter_that_is_none() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V31, "client");
        let codes = bed.subscribe_with(client, "a/#/b", options(QOS_1), Properties::EMPTY);
        assert_eq!(codes, [0]);
        assert_eq!(bed.stats().subscriptions, 0);
    }
}
