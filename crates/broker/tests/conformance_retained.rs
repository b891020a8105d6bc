//! Retained messages (sections 3.3.1.3 and 3.8.3.1), on one shard and on three.

mod bed;

use bed::exchange::{Arrived, QOS_0, QOS_1, QOS_2, SHARDS, handling, id, options, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5, V31, V311};
use columba_broker::access::Action;
use columba_broker::outcome::Outcome;
use columba_codec::packet::{RetainHandling, SubscribeOptions};
use columba_codec::{Packet, Properties, PropertyId, ReasonCode, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];

/// What a client that just subscribes gets: topic, payload, QoS and RETAIN, by topic.
fn retained(bed: &mut Bed, version: Version, filter: &str) -> Vec<(String, String, u8, bool)> {
    let client = bed.connect(version, "looker");
    bed.subscribe(client, filter, QOS_2);
    let mut found: Vec<_> = bed
        .finish(client)
        .into_iter()
        .map(|one| (one.topic, one.payload, one.qos, one.retain))
        .collect();
    bed.disconnect(client);
    found.sort();
    found
}

fn entry(topic: &str, payload: &str, qos: u8) -> (String, String, u8, bool) {
    (topic.to_owned(), payload.to_owned(), qos, true)
}

#[test]
fn the_last_retained_message_of_each_matching_topic_is_kept_with_its_qos() {
    // [MQTT-3.3.1-5] [MQTT-v311-3.3.1-5] [MQTT-v311-3.3.1-6] [MQTT-v311-3.3.1-7]
    // [MQTT-v311-3.3.1-8] [MQTT-3.3.1-9]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            bed.retain(publisher, "a/1", b"old", QOS_2);
            bed.retain(publisher, "a/1", b"new", QOS_0);
            bed.retain(publisher, "a/2", b"two", QOS_1);
            bed.retain(publisher, "a/3", b"three", QOS_2);
            bed.retain(publisher, "b/1", b"other", QOS_1);
            let all = [
                entry("a/1", "new", 0),
                entry("a/2", "two", 1),
                entry("a/3", "three", 2),
            ];
            assert_eq!(retained(&mut bed, version, "a/+"), all);
            assert_eq!(retained(&mut bed, version, "a/#"), all);
            assert_eq!(retained(&mut bed, version, "a/2"), all[1..2]);
            assert_eq!(retained(&mut bed, version, "c"), []);
            assert_eq!(bed.stats().retained_messages, 4);
            assert_eq!(bed.outcome(Outcome::RetainedSet), 5);
            bed.check_books();
        }
    }
}

#[test]
fn an_empty_retained_message_is_delivered_and_removes_the_stored_one() {
    // [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-v311-3.3.1-10] [MQTT-v311-3.3.1-11]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(version, "subscriber");
            bed.subscribe(subscriber, "t", QOS_1);
            bed.retain(publisher, "t", b"x", QOS_1);
            bed.retain(publisher, "t", b"", QOS_1);
            bed.retain(publisher, "t", b"", QOS_1);
            assert_eq!(bed.payloads(subscriber), ["x", "", ""]);
            assert_eq!(retained(&mut bed, version, "t"), []);
            assert_eq!(
                (bed.stats().retained_messages, bed.stats().retained_bytes),
                (0, 0)
            );
            assert_eq!(bed.outcome(Outcome::RetainedCleared), 1);
        }
    }
}

#[test]
fn a_publish_without_retain_leaves_the_retained_message() {
    // [MQTT-3.3.1-8] [MQTT-v311-3.3.1-12]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(version, "publisher");
            bed.publish(publisher, "t", b"none", QOS_1);
            assert_eq!(retained(&mut bed, version, "#"), []);
            bed.retain(publisher, "t", b"kept", QOS_1);
            bed.publish(publisher, "t", b"", QOS_1);
            bed.publish(publisher, "t", b"other", QOS_1);
            assert_eq!(retained(&mut bed, version, "#"), [entry("t", "kept", 1)]);
        }
    }
}

/// Subscribes to `t` with a Retain Handling and gives back what comes.
fn subscribe(bed: &mut Bed, client: ClientIx, retain_handling: RetainHandling) -> Vec<String> {
    let options = handling(QOS_1, retain_handling);
    let codes = bed.subscribe_with(client, "t", options, Properties::EMPTY);
    assert_eq!(codes, [1]);
    bed.finish(client)
        .into_iter()
        .map(|one| one.payload)
        .collect()
}

#[test]
fn retain_handling_says_when_retained_messages_are_sent() {
    // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
    use RetainHandling::{DoNotSend, Send, SendIfNew};
    let nothing: [&str; 0] = [];
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t", b"x", QOS_1);
        let client = bed.connect_keeping(V5, "client");
        assert_eq!(subscribe(&mut bed, client, DoNotSend), nothing);
        assert_eq!(
            subscribe(&mut bed, client, SendIfNew),
            nothing,
            "it is there"
        );
        assert_eq!(subscribe(&mut bed, client, Send), ["x"]);
        assert_eq!(subscribe(&mut bed, client, Send), ["x"], "again");
        bed.unsubscribe(client, "t");
        assert_eq!(subscribe(&mut bed, client, SendIfNew), ["x"], "new again");
        // A subscription of a session that is resumed is not new.
        bed.drop_connection(client);
        let client = bed.resume(V5, "client");
        assert_eq!(subscribe(&mut bed, client, SendIfNew), nothing);
        bed.check_books();
    }
}

#[test]
fn mqtt_3_gets_retained_messages_at_every_subscribe() {
    // [MQTT-v311-3.8.4-3]
    for shards in SHARDS {
        for version in [V31, V311] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            bed.retain(publisher, "t", b"x", QOS_1);
            let client = bed.connect(version, "client");
            for _ in 0..2 {
                bed.subscribe(client, "t", QOS_1);
                let arrived = bed.finish(client);
                assert_eq!(arrived.len(), 1);
                assert!(arrived[0].retain);
            }
        }
    }
}

#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t", b"x", QOS_1);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "$share/g/t", QOS_1);
        assert!(bed.take(client).bytes.is_empty());
    }
}

#[test]
fn retain_as_published_says_what_becomes_of_the_flag() {
    // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-v311-3.3.1-9]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let mut flags = |name: &str, version, filter: &str, retain_as_published| {
            let client = bed.connect(version, name);
            let options = SubscribeOptions {
                retain_as_published,
                ..handling(QOS_1, RetainHandling::DoNotSend)
            };
            let options = if version == V5 {
                options
            } else {
                self::options(QOS_1)
            };
            bed.subscribe_with(client, filter, options, Properties::EMPTY);
            bed.finish(client);
            bed.retain(publisher, "t", b"r", QOS_1);
            bed.publish(publisher, "t", b"p", QOS_1);
            let arrived = bed.finish(client);
            let flags: Vec<bool> = arrived.iter().map(|one| one.retain).collect();
            bed.disconnect(client);
            flags
        };
        assert_eq!(flags("a", V5, "t", false), [false, false]);
        assert_eq!(flags("b", V5, "t", true), [true, false]);
        assert_eq!(flags("c", V5, "$share/g/t", true), [true, false]);
        assert_eq!(flags("d", V5, "$share/g/t", false), [false, false]);
        assert_eq!(flags("e", V311, "t", false), [false, false]);
        assert_eq!(flags("f", V31, "t", false), [false, false]);
    }
}

#[test]
fn a_bridge_of_mqtt_3_gets_the_flag_as_published_and_not_its_own_messages() {
    for shards in SHARDS {
        for version in [V31, V311] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let mut options = ConnectOptions::new(version, "bridge");
            options.is_bridge = true;
            let bridge = bed.connect_with(&options);
            bed.subscribe(bridge, "t", QOS_1);
            bed.retain(publisher, "t", b"r", QOS_1);
            bed.publish(bridge, "t", b"own", QOS_0);
            let arrived = bed.finish(bridge);
            assert_eq!(arrived.len(), 1, "{arrived:?}");
            assert!(arrived[0].retain);
            assert_eq!(bed.outcome(Outcome::DeliverNoLocal), 1);
        }
    }
}

#[test]
fn retained_messages_come_at_the_lower_qos_with_the_subscription_identifier() {
    // [MQTT-3.8.4-8] [MQTT-v311-3.8.4-6]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t", b"x", QOS_2);
        for qos in [QOS_0, QOS_1, QOS_2] {
            let client = bed.connect(V5, &format!("client{}", qos.as_u8()));
            bed.subscribe_identified(client, "+", qos, 268_435_455);
            let inbox = bed.take(client);
            let publish = inbox.one_publish();
            assert_eq!(publish.qos, qos);
            let identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
            assert_eq!(identifiers, [268_435_455]);
        }
    }
}

#[test]
fn the_expiry_of_a_retained_message_counts_down_and_ends_it() {
    // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(10))]);
        let expiry = expiry.as_properties();
        bed.publish_with(publisher, "t", b"x", QOS_1, true, expiry);
        bed.retain(publisher, "u", b"stays", QOS_1);
        bed.advance(4_000);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QOS_1);
        let inbox = bed.take(client);
        let left = inbox.one_publish().properties;
        assert_eq!(left.u32(PropertyId::MessageExpiryInterval), Some(6));
        bed.advance(5_999);
        assert_eq!(retained(&mut bed, V311, "#").len(), 2);
        bed.advance(1);
        assert_eq!(retained(&mut bed, V311, "#"), [entry("u", "stays", 1)]);
        assert_eq!(bed.outcome(Outcome::RetainedExpired), 1);
        assert_eq!(bed.stats().retained_messages, 1);
        bed.check_books();
    }
}

#[test]
fn a_retained_message_that_the_client_may_not_receive_is_withheld() {
    for shards in SHARDS {
        let mut bed = Bed::denying(shards, &[(Action::Receive, "home/secret")]);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "home/secret", b"x", QOS_1);
        bed.retain(publisher, "home/lamp", b"on", QOS_1);
        assert_eq!(
            retained(&mut bed, V5, "home/#"),
            [entry("home/lamp", "on", 1)]
        );
        assert_eq!(bed.outcome(Outcome::DeliverDeniedRead), 1);
        bed.check_books();
    }
}

/// The code of the answer to a retained QoS 1 PUBLISH.
fn retain_code(bed: &mut Bed, client: ClientIx, topic: &str, payload: &[u8]) -> ReasonCode {
    bed.retain(client, topic, payload, QOS_1);
    match bed.take(client).one() {
        Packet::PubAck(ack) => ack.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_more_retained_messages_than_the_limit_are_kept() {
    let mut bed = Bed::with(1, |limits| limits.retained_messages_max = 2);
    let publisher = bed.connect(V5, "publisher");
    let none = ReasonCode::NoMatchingSubscribers;
    assert_eq!(retain_code(&mut bed, publisher, "1", b"x"), none);
    assert_eq!(retain_code(&mut bed, publisher, "2", b"x"), none);
    assert_eq!(
        retain_code(&mut bed, publisher, "3", b"x"),
        ReasonCode::QuotaExceeded
    );
    assert_eq!(
        retain_code(&mut bed, publisher, "2", b"y"),
        none,
        "replacing needs no room"
    );
    assert_eq!(retain_code(&mut bed, publisher, "1", b""), none);
    assert_eq!(retain_code(&mut bed, publisher, "3", b"x"), none);
    assert_eq!(bed.outcome(Outcome::PublishRetainQuota), 1);
    assert_eq!(bed.stats().retained_messages, 2);
}

#[test]
fn who_cannot_be_told_of_the_limit_loses_the_retaining_and_not_the_message() {
    for shards in SHARDS {
        for (version, qos) in [(V5, QOS_0), (V311, QOS_0), (V311, QOS_1), (V31, QOS_2)] {
            let mut bed = Bed::with(shards, |limits| limits.retained_messages_max = 0);
            let publisher = bed.connect(version, "publisher");
            let subscriber = bed.connect(V5, "subscriber");
            bed.subscribe(subscriber, "t", QOS_2);
            bed.retain(publisher, "t", b"x", qos);
            assert_eq!(bed.payloads(subscriber), ["x"]);
            assert_eq!(bed.outcome(Outcome::PublishRetainQuota), 1);
            assert_eq!(bed.stats().retained_messages, 0);
        }
    }
}

#[test]
fn no_more_retained_bytes_than_the_limit_are_kept() {
    let mut bed = Bed::with(1, |limits| limits.retained_bytes_max = 20);
    let publisher = bed.connect(V5, "publisher");
    let none = ReasonCode::NoMatchingSubscribers;
    assert_eq!(retain_code(&mut bed, publisher, "1", &[0; 19]), none);
    assert_eq!(bed.stats().retained_bytes, 20);
    assert_eq!(
        retain_code(&mut bed, publisher, "1", &[0; 20]),
        ReasonCode::QuotaExceeded
    );
    assert_eq!(
        retain_code(&mut bed, publisher, "2", b""),
        none,
        "nothing to keep"
    );
    assert_eq!(
        retain_code(&mut bed, publisher, "2", b"x"),
        ReasonCode::QuotaExceeded
    );
    assert_eq!(retain_code(&mut bed, publisher, "1", &[0; 10]), none);
    assert_eq!(retain_code(&mut bed, publisher, "2", b"x"), none);
    assert_eq!(bed.stats().retained_bytes, 13);
}

#[test]
fn every_shard_keeps_to_the_limit_of_retained_messages() {
    let mut bed = Bed::with(3, |limits| limits.retained_messages_max = 5);
    let publisher = bed.connect(V5, "publisher");
    for number in 0..100 {
        retain_code(&mut bed, publisher, &format!("t/{number}"), b"x");
    }
    assert_eq!(bed.stats().retained_messages, 15);
    assert_eq!(bed.outcome(Outcome::PublishRetainQuota), 85);
    assert_eq!(retained(&mut bed, V5, "#").len(), 15);
}

#[test]
fn retained_messages_wait_for_the_clients_receive_maximum() {
    // [MQTT-3.3.4-9]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..200 {
            bed.retain(publisher, &format!("t/{number}"), b"x", QOS_1);
        }
        let options =
            ConnectOptions::new(V5, "client").property(PropertyId::ReceiveMaximum, Value::U16(7));
        let client = bed.connect_with(&options);
        bed.subscribe(client, "t/#", QOS_2);
        let mut seen = std::collections::BTreeSet::new();
        let mut waiting: Vec<Arrived> = bed.arrivals(client);
        while !waiting.is_empty() {
            assert!(waiting.len() <= 7);
            for one in std::mem::take(&mut waiting) {
                assert!(seen.insert(one.topic), "twice");
                bed.puback(client, id(one.packet_id.expect("an id")));
                let more = bed.arrivals(client);
                waiting.extend(more);
            }
        }
        assert_eq!(seen.len(), 200);
        bed.check_books();
    }
}

#[test]
fn a_newer_message_never_comes_before_the_retained_one_it_follows() {
    // [MQTT-4.6.0-5] [MQTT-v311-4.6.0-6]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..6 {
            bed.retain(publisher, &format!("t/{number}"), b"old", QOS_1);
        }
        let options =
            ConnectOptions::new(V5, "client").property(PropertyId::ReceiveMaximum, Value::U16(1));
        let client = bed.connect_with(&options);
        bed.subscribe(client, "t/#", QOS_1);
        for number in 0..6 {
            bed.retain(publisher, &format!("t/{number}"), b"new", QOS_1);
        }
        let mut last = std::collections::BTreeMap::new();
        for one in bed.finish(client) {
            if one.payload == "old" {
                assert_eq!(last.get(&one.topic), None, "{} went back", one.topic);
            }
            last.insert(one.topic, one.payload);
        }
        assert_eq!(last.len(), 6);
        assert!(last.values().all(|payload| payload == "new"), "{last:?}");
        bed.check_books();
    }
}

#[test]
fn a_retained_message_never_comes_after_the_one_that_replaced_it_to_a_client_that_reads_slowly() {
    // [MQTT-4.6.0-5] [MQTT-v311-4.6.0-6]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.output_bytes_max = 4096);
        let publisher = bed.connect(V5, "publisher");
        let topics: Vec<String> = (0..60).map(|number| format!("t/{number:02}")).collect();
        for topic in &topics {
            bed.retain(publisher, topic, &[b'o'; 200], QOS_0);
        }
        let client = bed.connect(V5, "client");
        bed.reading[client] = false;
        let wanted = [("t/#", options(QOS_1))];
        bed.send_subscribe(client, id(1), &wanted, Properties::EMPTY);
        for topic in &topics {
            bed.retain(publisher, topic, b"new", QOS_1);
        }
        bed.read_all(client);
        let arrived = bed.finish(client);
        for topic in &topics {
            let last = arrived.iter().rfind(|one| one.topic == *topic);
            let last = last.map(|one| one.payload.as_str());
            assert_eq!(last, Some("new"), "{topic}");
        }
        bed.check_books();
    }
}
