//! SUBSCRIBE and SUBACK (section 3.8 and 3.9), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, id, keeping, options, properties};
use bed::{Bed, ConnectOptions, V5, V31, V311, raw};
use columba_broker::access::Action;
use columba_broker::outcome::Outcome;
use columba_codec::packet::SubscribeOptions;
use columba_codec::{Packet, Properties, PropertyId, QoS, ReasonCode, Value, Version};

const VERSIONS: [Version; 3] = [V31, V311, V5];
const ALL_QOS: [QoS; 3] = [QOS_0, QOS_1, QOS_2];

/// Filters and options as they stand in the packet.
type Filters<'a> = &'a [(&'a [u8], u8)];

/// The body of a SUBSCRIBE with packet id 1.
fn body(version: Version, filters: Filters<'_>) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == V5 {
        body.push(0);
    }
    for (filter, options) in filters {
        body.extend(raw::field(filter));
        body.push(*options);
    }
    body
}

#[test]
fn subscribe_has_its_flags() {
    // [MQTT-3.8.1-1] [MQTT-v311-3.8.1-1]
    for shards in SHARDS {
        for version in [V311, V5] {
            for first in [0x80, 0x81, 0x83, 0x8A] {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                bed.send_raw(client, &raw::packet(first, &body(version, &[(b"t", 0)])));
                bed.assert_closed(client, ReasonCode::MalformedPacket, &format!("{first:x}"));
                assert_eq!(bed.stats().subscriptions, 0);
            }
        }
    }
}

#[test]
fn a_subscribe_that_is_wrong_closes_the_connection() {
    // [MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.8.3-5] [MQTT-v311-3.8.3-1] [MQTT-v311-3.8.3-3]
    // [MQTT-v311-3.8.3-4]
    let malformed = ReasonCode::MalformedPacket;
    let protocol = ReasonCode::ProtocolError;
    for shards in SHARDS {
        for version in VERSIONS {
            let mut cases: Vec<(Filters<'_>, ReasonCode)> = vec![
                (&[(b"\xFF", 0)], malformed),
                (&[(b"a\xED\xBF\xBF", 0)], malformed),
                (&[], protocol),
                (&[(b"t", 0x40)], malformed),
                (&[(b"t", 0x80)], malformed),
                (&[(b"ok", 0), (b"t", 0x80)], malformed),
            ];
            if version == V5 {
                cases.push((&[(b"t", 0x30)], protocol));
                cases.push((&[(b"t", 3)], protocol));
            } else {
                cases.push((&[(b"t", 3)], malformed));
                cases.push((&[(b"t", 0x04)], malformed));
                cases.push((&[(b"t", 0x08)], malformed));
                cases.push((&[(b"t", 0x10)], malformed));
                cases.push((&[(b"t", 0x20)], malformed));
            }
            for (filters, reason) in cases {
                let mut bed = Bed::new(shards);
                let client = bed.connect(version, "client");
                bed.send_raw(client, &raw::packet(0x82, &body(version, filters)));
                bed.assert_closed(client, reason, &format!("{version} {filters:?}"));
                assert_eq!(bed.stats().subscriptions, 0);
            }
        }
    }
}

#[test]
fn several_filters_get_one_answer_with_a_code_each_in_order() {
    // [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
    // [MQTT-3.9.3-2] [MQTT-v311-3.8.4-1] [MQTT-v311-3.8.4-2] [MQTT-v311-3.8.4-4]
    // [MQTT-v311-3.8.4-5] [MQTT-v311-3.9.3-1] [MQTT-v311-3.9.3-2]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::denying(shards, &[(Action::Subscribe, "secret/#")]);
            let client = bed.connect(version, "client");
            let list = [
                ("a", options(QOS_2)),
                ("a/#/b", options(QOS_1)),
                ("b/+", options(QOS_0)),
                ("secret/x", options(QOS_1)),
                ("$share/g/c", options(QOS_1)),
                ("a", options(QOS_1)),
                ("$share/g", options(QOS_1)),
            ];
            bed.send_subscribe(client, id(0xBEEF), &list, Properties::EMPTY);
            let inbox = bed.take(client);
            let Packet::SubAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.packet_id, id(0xBEEF));
            let codes: &[u8] = match version {
                Version::V31 => &[2, 0, 0, 0, 1, 1, 0],
                Version::V311 => &[2, 0x80, 0, 0x80, 1, 1, 0x80],
                Version::V5 => &[2, 0x8F, 0, 0x87, 1, 1, 0x8F],
            };
            assert_eq!(ack.codes, codes);
            assert_eq!(bed.stats().subscriptions, 3);
            assert_eq!(bed.stats().shared_subscriptions, 1);
            assert_eq!(bed.outcome(Outcome::SubscribeGranted), 4);
            assert_eq!(bed.outcome(Outcome::SubscribeBadFilter), 2);
            assert_eq!(bed.outcome(Outcome::SubscribeDeniedAcl), 1);
            // As if they had come one after the other: the last options of `a` hold.
            let publisher = bed.connect(V5, "publisher");
            bed.publish(publisher, "a", b"x", QOS_2);
            bed.publish(publisher, "secret/x", b"x", QOS_2);
            let arrived = bed.finish(client);
            assert_eq!(arrived.len(), 1);
            assert_eq!(arrived[0].qos, 1);
        }
    }
}

#[test]
fn the_reason_of_a_refusal_is_told_if_wanted_and_if_it_fits() {
    // [MQTT-3.9.2-1]
    for shards in SHARDS {
        let told = |problem_information: bool, packet_bytes_max: u32| {
            let mut bed = Bed::denying(shards, &[(Action::Subscribe, "secret")]);
            let options = ConnectOptions::new(V5, "client")
                .property(PropertyId::MaximumPacketSize, Value::U32(packet_bytes_max))
                .property(
                    PropertyId::RequestProblemInformation,
                    Value::Flag(problem_information),
                );
            let client = bed.open(V5);
            bed.send_raw(client, &options.bytes());
            bed.take(client);
            let list = [("secret", self::options(QOS_0))];
            bed.send_subscribe(client, id(1), &list, Properties::EMPTY);
            let inbox = bed.take(client);
            let Packet::SubAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.codes, [ReasonCode::NotAuthorized as u8]);
            assert_eq!(ack.properties.user_properties().count(), 0);
            ack.properties
                .string(PropertyId::ReasonString)
                .map(str::to_owned)
        };
        assert!(told(true, 1000).expect("a reason").contains("secret"));
        assert_eq!(told(false, 1000), None);
        assert_eq!(told(true, 20), None);
    }
}

#[test]
fn no_local_leaves_out_what_the_client_itself_publishes() {
    // [MQTT-3.8.3-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_keeping(V5, "client");
        let other = bed.connect(V5, "other");
        let no_local = SubscribeOptions {
            no_local: true,
            ..options(QOS_1)
        };
        bed.subscribe_with(client, "t", no_local, Properties::EMPTY);
        bed.subscribe(other, "t", QOS_1);
        for qos in ALL_QOS {
            bed.publish(client, "t", b"own", qos);
        }
        bed.take(client);
        bed.publish(other, "t", b"other", QOS_1);
        assert_eq!(bed.payloads(client), ["other"]);
        assert_eq!(bed.payloads(other).len(), 4);
        assert_eq!(bed.outcome(Outcome::DeliverNoLocal), 3);
        // The client id counts, not the connection.
        bed.drop_connection(client);
        let client = bed.resume(V5, "client");
        bed.finish(client);
        bed.publish(client, "t", b"own", QOS_0);
        assert!(bed.take(client).bytes.is_empty());
        // Another subscription without it still gets the message, once.
        bed.subscribe(client, "+", QOS_0);
        bed.publish(client, "t", b"own", QOS_0);
        assert_eq!(bed.payloads(client), ["own"]);
        bed.check_books();
    }
}

#[test]
fn overlapping_no_local_subscriptions_leave_out_own_messages_too() {
    // [MQTT-3.8.3-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let no_local = SubscribeOptions {
            no_local: true,
            ..options(QOS_2)
        };
        for (filter, identifier) in [("a/b", 1), ("a/#", 2)] {
            let number = [(PropertyId::SubscriptionIdentifier, Value::U32(identifier))];
            let number = properties(&number);
            bed.subscribe_with(client, filter, no_local, number.as_properties());
        }
        bed.publish(client, "a/b", b"own", QOS_0);
        assert!(bed.take(client).bytes.is_empty());
        assert_eq!(bed.outcome(Outcome::DeliverNoLocal), 1);
        // A subscription that takes own messages is the only one that such a message matches.
        bed.subscribe_identified(client, "#", QOS_0, 3);
        bed.publish(client, "a/b", b"own", QOS_0);
        let inbox = bed.take(client);
        let publish = inbox.one_publish();
        let identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
        assert_eq!((publish.qos, identifiers), (QOS_0, vec![3]));
        bed.check_books();
    }
}

#[test]
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    // [MQTT-3.8.3-4]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let filters: &[(&[u8], u8)] = &[(b"ok", 0), (b"$share/g/t", 0x04)];
        bed.send_raw(client, &raw::packet(0x82, &body(V5, filters)));
        bed.assert_closed(client, ReasonCode::ProtocolError, "No Local");
        assert_eq!(bed.stats().subscriptions, 0);
    }
}

#[test]
fn a_will_counts_as_the_clients_own_message() {
    // [MQTT-3.8.3-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options = keeping(V5, "client").will("t", b"will", QOS_1, false);
        let client = bed.connect_with(&options);
        let no_local = SubscribeOptions {
            no_local: true,
            ..self::options(QOS_1)
        };
        bed.subscribe_with(client, "t", no_local, Properties::EMPTY);
        let other = bed.connect(V5, "other");
        bed.subscribe(other, "t", QOS_1);
        bed.drop_connection(client);
        assert_eq!(bed.payloads(other), ["will"]);
        let client = bed.resume(V5, "client");
        assert!(bed.take(client).bytes.is_empty());
        bed.check_books();
    }
}

#[test]
fn the_same_filter_again_replaces_the_subscription() {
    // [MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT-v311-3.8.4-3]
    for shards in SHARDS {
        for version in VERSIONS {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect_keeping(version, "client");
            bed.retain(publisher, "t", b"retained", QOS_0);
            bed.subscribe(client, "t", QOS_2);
            bed.finish(client);
            bed.drop_connection(client);
            bed.publish(publisher, "t", b"waiting", QOS_1);
            let client = bed.resume(version, "client");
            let waiting = bed.finish(client);
            assert_eq!(waiting.len(), 1, "nothing is lost");
            bed.subscribe(client, "t", QOS_0);
            let arrived = bed.finish(client);
            assert_eq!(arrived.len(), 1);
            assert!(arrived[0].retain, "retained messages are sent again");
            bed.publish(publisher, "t", b"x", QOS_2);
            let arrived = bed.finish(client);
            assert_eq!(arrived.len(), 1, "one subscription, one copy");
            assert_eq!(arrived[0].qos, 0);
            assert_eq!(bed.stats().subscriptions, 1);
        }
    }
}

#[test]
fn the_lower_qos_holds() {
    // [MQTT-3.8.4-8] [MQTT-v311-3.8.4-6] [MQTT-3.8.4-7]
    for shards in SHARDS {
        for version in VERSIONS {
            for granted in ALL_QOS {
                for published in ALL_QOS {
                    let mut bed = Bed::new(shards);
                    let publisher = bed.connect(V311, "publisher");
                    let client = bed.connect(version, "client");
                    bed.subscribe(client, "t", granted);
                    bed.publish(publisher, "t", b"x", published);
                    let arrived = bed.finish(client);
                    assert_eq!(arrived.len(), 1);
                    assert_eq!(arrived[0].qos, granted.min(published).as_u8());
                    bed.check_books();
                }
            }
        }
    }
}

#[test]
fn overlapping_subscriptions_get_one_copy_at_the_highest_qos_with_all_identifiers() {
    // [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-v311-3.3.5-1]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe_identified(client, "a/b", QOS_0, 1);
        bed.subscribe_identified(client, "a/+", QOS_2, 200);
        bed.subscribe_identified(client, "#", QOS_1, 1);
        bed.subscribe(client, "a/#", QOS_1);
        let old = bed.connect(V311, "old");
        bed.subscribe(old, "a/b", QOS_0);
        bed.subscribe(old, "a/#", QOS_1);
        for (published, highest) in [(QOS_2, 2), (QOS_1, 1), (QOS_0, 0)] {
            bed.publish(publisher, "a/b", b"x", published);
            let inbox = bed.take(client);
            let publish = inbox.one_publish();
            assert_eq!(publish.qos.as_u8(), highest);
            let mut identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
            identifiers.sort_unstable();
            assert_eq!(identifiers, [1, 1, 200]);
            bed.answer(client, &Packet::Publish(publish));
            bed.finish(client);
            let arrived = bed.finish(old);
            assert_eq!(arrived.len(), 1);
            assert_eq!(arrived[0].qos, highest.min(1));
        }
        // Only what matches is named.
        bed.publish(publisher, "a/c", b"x", QOS_0);
        let inbox = bed.take(client);
        let identifiers: Vec<_> = inbox
            .one_publish()
            .properties
            .subscription_identifiers()
            .collect();
        assert_eq!(identifiers.len(), 2);
        bed.check_books();
    }
}

#[test]
fn identifiers_survive_waiting_and_follow_the_latest_subscribe() {
    // [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.8.4-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect_keeping(V5, "client");
        bed.subscribe_identified(client, "t", QOS_1, 5);
        bed.subscribe_identified(client, "+", QOS_1, 6);
        bed.drop_connection(client);
        bed.publish(publisher, "t", b"x", QOS_1);
        let client = bed.resume(V5, "client");
        let inbox = bed.take(client);
        let publish = inbox.one_publish();
        let mut identifiers: Vec<_> = publish.properties.subscription_identifiers().collect();
        identifiers.sort_unstable();
        assert_eq!(identifiers, [5, 6]);
        bed.answer(client, &Packet::Publish(publish));
        bed.subscribe(client, "t", QOS_1);
        bed.subscribe_identified(client, "+", QOS_1, 7);
        bed.publish(publisher, "t", b"x", QOS_1);
        let inbox = bed.take(client);
        let publish = inbox.one_publish();
        assert_eq!(
            publish
                .properties
                .subscription_identifiers()
                .collect::<Vec<_>>(),
            [7]
        );
    }
}

#[test]
fn a_shared_and_a_plain_subscription_get_a_copy_each_with_its_own_identifier() {
    // [MQTT-3.3.4-5]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe_identified(client, "t", QOS_1, 1);
        bed.subscribe_identified(client, "$share/g/t", QOS_1, 2);
        bed.subscribe_identified(client, "$share/h/t", QOS_1, 3);
        bed.publish(publisher, "t", b"x", QOS_1);
        let inbox = bed.take(client);
        let mut identifiers: Vec<Vec<u32>> = inbox
            .publishes()
            .iter()
            .map(|publish| publish.properties.subscription_identifiers().collect())
            .collect();
        identifiers.sort();
        assert_eq!(identifiers, [[1], [2], [3]]);
    }
}

#[test]
fn a_subscription_identifier_of_0_is_a_protocol_error() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let mut body = vec![0, 1, 2, PropertyId::SubscriptionIdentifier as u8, 0];
        body.extend(raw::field(b"t"));
        body.push(0);
        bed.send_raw(client, &raw::packet(0x82, &body));
        bed.assert_closed(client, ReasonCode::ProtocolError, "0");
    }
}

#[test]
fn no_more_subscriptions_than_the_limit_are_granted() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.subscriptions_max = 3);
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "1", QOS_0);
        bed.subscribe(client, "$share/g/2", QOS_0);
        bed.subscribe(client, "3", QOS_0);
        let quota = [ReasonCode::QuotaExceeded as u8];
        for filter in ["4", "$share/g/5"] {
            let codes = bed.subscribe_with(client, filter, options(QOS_0), Properties::EMPTY);
            assert_eq!(codes, quota);
        }
        assert_eq!(bed.outcome(Outcome::SubscribeQuota), 2);
        // Those that are there may change, and one that goes makes room.
        bed.subscribe(client, "3", QOS_1);
        bed.subscribe(client, "$share/g/2", QOS_1);
        bed.unsubscribe(client, "1");
        bed.subscribe(client, "4", QOS_0);
        assert_eq!(bed.stats().subscriptions, 3);
        let other = bed.connect(V311, "other");
        bed.subscribe(other, "1", QOS_0);
    }
}

#[test]
fn a_filter_of_too_many_levels_is_refused() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.topic_levels_max = 3);
        let client = bed.connect(V5, "client");
        for filter in ["a/+/c", "+/+/#", "$share/g/a/b/c", "//"] {
            bed.subscribe(client, filter, QOS_0);
        }
        for filter in ["a/b/c/d", "///", "$share/g/a/b/c/#"] {
            let codes = bed.subscribe_with(client, filter, options(QOS_0), Properties::EMPTY);
            assert_eq!(codes, [ReasonCode::TopicFilterInvalid as u8], "{filter}");
        }
    }
}

#[test]
fn what_the_rules_deny_is_held_back_from_wider_filters() {
    for shards in SHARDS {
        for denied in [Action::Subscribe, Action::Receive] {
            let mut bed = Bed::denying(shards, &[(denied, "home/secret")]);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect(V5, "client");
            bed.subscribe(client, "home/+", QOS_1);
            bed.subscribe(client, "$share/g/home/#", QOS_1);
            for qos in ALL_QOS {
                bed.publish(publisher, "home/secret", b"x", qos);
            }
            assert!(bed.take(client).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::DeliverDeniedRead), 6);
            bed.publish(publisher, "home/lamp", b"x", QOS_1);
            assert_eq!(bed.finish(client).len(), 2);
            bed.check_books();
        }
    }
}

#[test]
fn suback_waits_until_every_shard_knows_of_the_subscription() {
    // [MQTT-4.5.0-1] [MQTT-v311-4.5.0-1]
    let mut bed = Bed::new(3);
    let clients: Vec<_> = (0..12)
        .map(|n| bed.connect(V5, &format!("client{n}")))
        .collect();
    bed.is_mail_held = true;
    for client in &clients {
        bed.send_subscribe(*client, id(1), &[("t", options(QOS_1))], Properties::EMPTY);
    }
    for client in &clients {
        assert!(
            bed.take(*client).bytes.is_empty(),
            "SUBACK before a shard knows"
        );
    }
    bed.release_mail();
    for client in &clients {
        assert!(matches!(bed.take(*client).one(), Packet::SubAck(_)));
    }
    // From now on nobody has to wait for what all know.
    let late = bed.connect(V5, "client0b");
    bed.is_mail_held = true;
    let before = bed.take(late);
    assert!(before.bytes.is_empty());
    bed.release_mail();
    bed.subscribe(late, "t", QOS_1);
}

#[test]
fn retained_messages_for_the_same_filter_again_and_again_take_no_more_memory() {
    // The second subscription's answer covers what the first one's still had to send.
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 1);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..3 {
            bed.retain(publisher, &format!("t/{number}"), b"x", QOS_1);
        }
        let client = bed.connect(V5, "client");
        for number in 1..=50 {
            bed.send_subscribe(
                client,
                id(number),
                &[("t/+", options(QOS_1))],
                Properties::EMPTY,
            );
        }
        let arrived = bed.finish(client);
        let topics: std::collections::BTreeSet<_> =
            arrived.iter().map(|one| one.topic.as_str()).collect();
        assert_eq!(topics.len(), 3);
        assert!(arrived.len() <= 4, "{} copies", arrived.len());
        bed.check_books();
    }
}

#[test]
fn a_subscribe_property_reaches_every_filter_of_the_packet() {
    // [MQTT-3.3.4-3] [MQTT-3.8.4-5]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let nine = properties(&[(PropertyId::SubscriptionIdentifier, Value::U32(9))]);
        let list = [("a", options(QOS_0)), ("b", options(QOS_0))];
        bed.send_subscribe(client, id(1), &list, nine.as_properties());
        bed.take(client);
        for topic in ["a", "b"] {
            bed.publish(client, topic, b"x", QOS_0);
            let inbox = bed.take(client);
            let publish = inbox.one_publish();
            assert_eq!(
                publish
                    .properties
                    .subscription_identifiers()
                    .collect::<Vec<_>>(),
                [9]
            );
        }
    }
}
