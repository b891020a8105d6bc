//! Acknowledged means on disk: what waits for the store, and what is there after a crash.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS, id, keeping, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5, V311};
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_broker::recovery::{ExpiredCounts, RecoveredCounts};
use columba_codec::{Packet, PacketType, Properties, PropertyId, QoS, Value};

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

/// A bed with a publisher and a subscriber that is away and keeps its session.
fn with_absent(shards: u16, qos: QoS) -> (Bed, ClientIx) {
    let mut bed = Bed::durable(shards);
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "t/#", qos);
    bed.disconnect(absent);
    let publisher = bed.connect_keeping(V5, "publisher");
    (bed, publisher)
}

#[test]
fn an_acknowledgement_waits_for_the_disk_if_the_message_has_to() {
    for shards in SHARDS {
        for (qos, answer) in [(QOS_1, PacketType::PubAck), (QOS_2, PacketType::PubRec)] {
            let (mut bed, publisher) = with_absent(shards, qos);
            bed.store.is_held = true;
            bed.publish(publisher, "t/1", b"x", qos);
            bed.publish(publisher, "other", b"x", QOS_1);
            // The second concerns nobody, but answers keep the order of their messages.
            assert_eq!(types(&mut bed, publisher), []);
            let other = bed.connect(V5, "another publisher");
            bed.publish(other, "other", b"x", QOS_1);
            assert_eq!(types(&mut bed, other), [PacketType::PubAck]);
            bed.release_store();
            assert_eq!(types(&mut bed, publisher), [answer, PacketType::PubAck]);
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_in_order_and_what_was_not_is_not() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let (mut bed, publisher) = with_absent(shards, qos);
            for payload in [b"1", b"2", b"3"] {
                let packet_id = bed.publish(publisher, "t/x", payload, qos).expect("an id");
                if qos == QOS_2 {
                    bed.pubrel(publisher, packet_id);
                }
            }
            bed.store.is_held = true;
            bed.publish(publisher, "t/x", b"not acknowledged", qos);
            let counts = bed.crash(shards);
            bed.release_store();
            assert_eq!((counts.sessions, counts.queued), (2, 3));
            bed.check_books();
            bed.check_gauges();
            let subscriber = bed.resume(V5, "absent");
            let arrived = bed.finish(subscriber);
            let payloads: Vec<_> = arrived.iter().map(|of| of.payload.as_str()).collect();
            assert_eq!(payloads, ["1", "2", "3"]);
            // The subscription is there too.
            let publisher = bed.resume(V5, "publisher");
            bed.publish(publisher, "t/y", b"4", QOS_1);
            assert_eq!(bed.finish(subscriber)[0].payload, "4");
            bed.check_books();
        }
    }
}

#[test]
fn a_qos_2_message_is_sent_when_the_store_knows_its_packet_id_and_again_with_the_same() {
    // MQTT-4.3.3-1, MQTT-4.4.0-1
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_2);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        bed.publish(publisher, "t", b"1", QOS_2);
        bed.publish(publisher, "t", b"2", QOS_2);
        assert!(bed.arrivals(subscriber).is_empty());
        bed.release_store();
        let first = bed.arrivals(subscriber);
        assert_eq!(first.len(), 2);
        assert!(first.iter().all(|of| !of.dup));
        bed.crash(shards);
        let subscriber = bed.resume(V5, "subscriber");
        let again = bed.arrivals(subscriber);
        let ids = |of: &[bed::exchange::Arrived]| -> Vec<_> {
            of.iter()
                .map(|of| (of.payload.clone(), of.packet_id))
                .collect()
        };
        assert_eq!(ids(&again), ids(&first));
        assert!(again.iter().all(|of| of.dup));
    }
}

#[test]
fn a_released_message_is_never_published_again() {
    // MQTT-4.3.3-5, MQTT-4.3.3-6
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_2);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "t", b"1", QOS_2);
        let packet_id = bed.take(subscriber).one_publish().packet_id.expect("an id");
        bed.store.is_held = true;
        bed.pubrec(subscriber, packet_id);
        assert_eq!(types(&mut bed, subscriber), []);
        bed.release_store();
        assert_eq!(types(&mut bed, subscriber), [PacketType::PubRel]);
        bed.crash(shards);
        let subscriber = bed.resume(V5, "subscriber");
        assert_eq!(types(&mut bed, subscriber), [PacketType::PubRel]);
        bed.pubcomp(subscriber, packet_id);
        bed.check_books();
        bed.crash(shards);
        let subscriber = bed.resume(V5, "subscriber");
        assert_eq!(types(&mut bed, subscriber), []);
    }
}

#[test]
fn a_qos_2_message_that_comes_again_after_a_crash_is_not_published_twice() {
    // MQTT-4.3.3-10
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_2);
        bed.publish(publisher, "t/1", b"once", QOS_2);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubRec]);
        bed.crash(shards);
        let publisher = bed.resume(V5, "publisher");
        bed.publish_as(publisher, "t/1", b"once", id(1));
        assert_eq!(types(&mut bed, publisher), [PacketType::PubRec]);
        // The id is free when the disk knows, not before.
        bed.store.is_held = true;
        bed.pubrel(publisher, id(1));
        assert_eq!(types(&mut bed, publisher), []);
        bed.release_store();
        assert_eq!(types(&mut bed, publisher), [PacketType::PubComp]);
        bed.crash(shards);
        let publisher = bed.resume(V5, "publisher");
        bed.publish_as(publisher, "t/1", b"another", id(1));
        bed.pubrel(publisher, id(1));
        let subscriber = bed.resume(V5, "absent");
        let arrived = bed.finish(subscriber);
        let payloads: Vec<_> = arrived.iter().map(|of| of.payload.as_str()).collect();
        assert_eq!(payloads, ["once", "another"]);
    }
}

#[test]
fn a_message_that_comes_again_while_it_is_written_is_answered_once_it_is() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_2);
        bed.store.is_held = true;
        bed.publish(publisher, "t/1", b"once", QOS_2);
        bed.drop_connection(publisher);
        let publisher = bed.resume(V5, "publisher");
        bed.publish_as(publisher, "t/1", b"once", id(1));
        assert_eq!(types(&mut bed, publisher), []);
        bed.release_store();
        assert_eq!(types(&mut bed, publisher), [PacketType::PubRec]);
        let subscriber = bed.resume(V5, "absent");
        assert_eq!(bed.finish(subscriber).len(), 1);
    }
}

#[test]
fn retained_messages_are_set_replaced_and_cleared_for_good() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let publisher = bed.connect(V311, "publisher");
        bed.store.is_held = true;
        bed.retain(publisher, "a", b"old", QOS_1);
        assert_eq!(types(&mut bed, publisher), []);
        bed.release_store();
        bed.retain(publisher, "a", b"new", QOS_1);
        bed.retain(publisher, "b", b"gone", QoS::AtMostOnce);
        bed.retain(publisher, "c", b"kept", QoS::AtMostOnce);
        bed.take(publisher);
        bed.store.is_held = true;
        bed.retain(publisher, "b", b"", QOS_1);
        assert_eq!(types(&mut bed, publisher), []);
        bed.release_store();
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck]);
        let counts = bed.crash(shards);
        assert_eq!(counts.retained, 2);
        bed.check_gauges();
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_1);
        let mut payloads = bed.payloads(subscriber);
        payloads.sort();
        assert_eq!(payloads, ["kept", "new"]);
        let publisher = bed.connect(V5, "publisher");
        for topic in ["a", "c"] {
            bed.retain(publisher, topic, b"", QOS_1);
        }
        bed.disconnect(publisher);
        bed.disconnect(subscriber);
        bed.check_nothing_is_stored();
    }
}

#[test]
fn what_has_an_end_ends_while_the_broker_is_down() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let expiry = |secs| {
            ConnectOptions::new(V5, "")
                .property(PropertyId::SessionExpiryInterval, Value::U32(secs))
        };
        for (name, secs) in [("short", 60), ("long", 6000), ("connected", 60)] {
            let client = bed.connect_with(&ConnectOptions {
                client_id: name,
                ..expiry(secs)
            });
            bed.subscribe(client, "t", QOS_1);
            if name != "connected" {
                bed.drop_connection(client);
            }
        }
        let publisher = bed.connect(V5, "publisher");
        let list = [(PropertyId::MessageExpiryInterval, Value::U32(30))];
        let list = properties(&list);
        bed.publish_with(publisher, "t", b"30 s", QOS_1, false, list.as_properties());
        bed.publish(publisher, "t", b"for ever", QOS_1);
        bed.publish_with(publisher, "r", b"30 s", QOS_1, true, list.as_properties());
        bed.retain(publisher, "s", b"for ever", QOS_1);
        bed.disconnect(publisher);
        bed.pass(61_000);
        let counts = bed.crash(shards);
        let expected = RecoveredCounts {
            sessions: 2,
            subscriptions: 2,
            queued: 2,
            retained: 1,
            expired: ExpiredCounts {
                sessions: 1,
                queued: 4,
                retained: 1,
            },
            unusable: 0,
        };
        assert_eq!(counts, expected);
        bed.advance(0);
        // Whoever was connected when the broker died has its time from the start on.
        assert_eq!(bed.stats().sessions, 2);
        assert_eq!(bed.outcome(Outcome::SessionExpired), 1);
        let long = bed.resume(V5, "long");
        assert_eq!(bed.payloads(long), ["for ever"]);
        assert_eq!(bed.outcome(Outcome::DeliverExpired), 1);
        bed.advance(60_000);
        assert_eq!(bed.stats().sessions, 1);
        bed.check_books();
    }
}

#[test]
fn the_will_of_a_client_that_was_connected_is_published_after_the_crash() {
    // MQTT-3.1.2-8
    for shards in SHARDS {
        let (mut bed, _) = with_absent(shards, QOS_1);
        let will = |options: ConnectOptions<'static>| options.will("t/will", b"gone", QOS_1, false);
        bed.connect_with(&will(keeping(V5, "at once")));
        let later = will(keeping(V5, "later"));
        let later = later.will_property(PropertyId::WillDelayInterval, Value::U32(10));
        bed.connect_with(&later);
        let cancelled = will(keeping(V5, "cancelled"));
        let cancelled = cancelled.will_property(PropertyId::WillDelayInterval, Value::U32(10));
        bed.connect_with(&cancelled);
        let goodbye = bed.connect_with(&will(keeping(V5, "goodbye")));
        bed.disconnect(goodbye);
        bed.crash(shards);
        bed.advance(0);
        assert_eq!(bed.outcome(Outcome::WillPublished), 1);
        bed.resume(V5, "cancelled");
        bed.advance(10_000);
        assert_eq!(bed.outcome(Outcome::WillPublished), 2);
        // Once, also if the broker dies again.
        bed.crash(shards);
        bed.advance(20_000);
        assert_eq!(bed.outcome(Outcome::WillPublished), 0);
        let absent = bed.resume(V5, "absent");
        assert_eq!(bed.finish(absent).len(), 2);
    }
}

#[test]
fn another_number_of_shards_finds_everything() {
    for (before, after) in [(1, 3), (3, 1), (3, 2)] {
        let mut bed = Bed::durable(before);
        for number in 0..9 {
            let name = format!("client {number}");
            let client = bed.connect_keeping(V5, &name);
            bed.subscribe(client, "t/+", QOS_2);
            bed.subscribe(client, "$share/group/s", QOS_1);
            if number % 3 > 0 {
                bed.disconnect(client);
            }
        }
        let publisher = bed.connect(V5, "publisher");
        for payload in [b"1", b"2", b"3"] {
            bed.publish_exactly_once(publisher, "t/x", payload);
            bed.publish(publisher, "s", payload, QOS_1);
        }
        bed.retain(publisher, "r", b"r", QOS_1);
        let counts = bed.crash(after);
        assert_eq!((counts.sessions, counts.subscriptions), (9, 18));
        assert_eq!((counts.queued, counts.retained), (30, 1));
        // And once more, now that records were written anew.
        assert_eq!(bed.crash(after), counts);
        bed.check_books();
        bed.check_gauges();
        let mut shared = 0;
        for number in 0..9 {
            let client = bed.resume(V5, &format!("client {number}"));
            let arrived = bed.finish(client);
            let own: Vec<_> = arrived.iter().filter(|of| of.topic == "t/x").collect();
            let payloads: Vec<_> = own.iter().map(|of| of.payload.as_str()).collect();
            assert_eq!(payloads, ["1", "2", "3"], "client {number}");
            shared += arrived.len() - own.len();
        }
        assert_eq!(shared, 3);
        bed.check_books();
    }
}

/// What has to be written anew stands behind all others in the store, but not for its clients.
#[test]
fn another_number_of_shards_keeps_the_order_of_what_waits() {
    // MQTT-4.6.0-6
    for (before, after) in [(1, 2), (1, 3), (2, 3), (3, 2)] {
        for rewrites in [0, 1, 3, 5] {
            let mut bed = Bed::durable(before);
            for number in 0..6 {
                let client = bed.connect_keeping(V5, &format!("client {number}"));
                bed.subscribe(client, "all", QOS_1);
                bed.subscribe(client, &format!("only/{number}"), QOS_1);
                bed.disconnect(client);
            }
            let publisher = bed.connect(V5, "publisher");
            for payload in 0..36 {
                let topic = match payload % 6 {
                    0..4 => format!("only/{}", (payload + payload / 6) % 6),
                    _ => "all".to_owned(),
                };
                let payload = format!("{payload:02}");
                bed.publish(publisher, &topic, payload.as_bytes(), QOS_1);
            }
            bed.crash_at_start(rewrites, after);
            // What was written anew once is once more.
            bed.crash_at_start(rewrites, before);
            bed.crash(after);
            let mut count = 0;
            for number in 0..6 {
                let client = bed.resume(V5, &format!("client {number}"));
                let arrived = bed.finish(client).into_iter();
                let payloads: Vec<_> = arrived.map(|of| of.payload).collect();
                let case = format!("{before} to {after}, {rewrites}, client {number}");
                assert!(payloads.is_sorted(), "{case}: {payloads:?}");
                count += payloads.len();
            }
            assert_eq!(count, 6 * 12 + 24);
            bed.check_books();
            bed.check_gauges();
        }
    }
}

#[test]
fn a_copy_that_changes_hands_is_never_lost_and_never_doubled() {
    // MQTT-4.8.2-4
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let clients = ["a", "b", "c"].map(|name| {
            let client = bed.connect_keeping(V5, name);
            bed.subscribe(client, "$share/group/s", QOS_1);
            client
        });
        let publisher = bed.connect(V5, "publisher");
        for number in 0..6 {
            bed.publish(publisher, "s", &[b'0' + number], QOS_1);
        }
        // Two go without having acknowledged anything: what they had goes to the third.
        bed.drop_connection(clients[0]);
        bed.drop_connection(clients[1]);
        let counts = bed.crash(shards);
        assert_eq!((counts.sessions, counts.queued), (3, 6));
        let last = bed.resume(V5, "c");
        let mut payloads: Vec<_> = bed.finish(last).into_iter().map(|of| of.payload).collect();
        payloads.sort();
        assert_eq!(payloads, ["0", "1", "2", "3", "4", "5"]);
        bed.check_books();
    }
}

#[test]
fn nothing_stays_in_the_store_that_nobody_needs() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let names = ["a", "b", "c", "d"];
        for name in names {
            let client = bed.connect_keeping(V5, name);
            bed.subscribe(client, "t", QOS_2);
            bed.subscribe(client, "+", QOS_1);
            bed.subscribe(client, "$share/g/t", QOS_2);
            bed.unsubscribe(client, "+");
        }
        let publisher = bed.connect_keeping(V5, "publisher");
        for _ in 0..5 {
            bed.publish_exactly_once(publisher, "t", b"x");
            bed.publish(publisher, "t", b"y", QOS_1);
        }
        bed.crash(shards);
        for (turn, name) in names.into_iter().enumerate() {
            let client = bed.resume(V5, name);
            if turn < 2 {
                bed.finish(client);
            }
            bed.advance(1_500);
        }
        for name in names.into_iter().chain(["publisher"]) {
            let client = bed.connect(V5, name);
            bed.disconnect(client);
        }
        assert_eq!(bed.stats().sessions, 0);
        bed.check_books();
        bed.check_nothing_is_stored();
    }
}

#[test]
fn a_subscription_is_granted_when_the_disk_has_it() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let client = bed.connect_keeping(V5, "client");
        bed.store.is_held = true;
        bed.send_subscribe(
            client,
            id(1),
            &[("t", bed::exchange::options(QOS_1))],
            Properties::EMPTY,
        );
        assert_eq!(types(&mut bed, client), []);
        bed.release_store();
        assert_eq!(types(&mut bed, client), [PacketType::SubAck]);
        bed.store.is_held = true;
        bed.send_unsubscribe(client, id(2), &["t"]);
        assert_eq!(types(&mut bed, client), []);
        bed.release_store();
        assert_eq!(types(&mut bed, client), [PacketType::UnsubAck]);
        // Nobody keeps the subscriptions of a session that ends with its connection.
        let other = bed.connect(V5, "other");
        bed.store.is_held = true;
        bed.subscribe(other, "t", QOS_1);
    }
}

/// The shard of the publisher does not know of the subscription yet, but sends the message there for
/// others: its packet id and the copy would not be written in one step.
#[test]
fn a_qos_2_message_that_meets_a_subscription_under_way_comes_once_whatever_happens() {
    // MQTT-4.3.3-1, MQTT-4.3.3-12
    for shards in SHARDS {
        for number in 0..8 {
            let mut bed = Bed::durable(shards);
            for other in 0..8 {
                let other = bed.connect(V5, &format!("other {other}"));
                bed.subscribe(other, "#", QoS::AtMostOnce);
            }
            let publisher = bed.connect_keeping(V5, "publisher");
            let name = format!("subscriber {number}");
            let subscriber = bed.connect_keeping(V5, &name);
            bed.is_mail_held = true;
            let list = [("t", bed::exchange::options(QOS_2))];
            bed.send_subscribe(subscriber, id(1), &list, Properties::EMPTY);
            bed.publish_as(publisher, "t", b"x", id(7));
            bed.release_mail();
            let mut arrived = bed.finish(subscriber).len();
            bed.crash(shards);
            let publisher = bed.resume(V5, "publisher");
            bed.publish_as(publisher, "t", b"x", id(7));
            let subscriber = bed.resume(V5, &name);
            arrived += bed.finish(subscriber).len();
            assert_eq!(arrived, 1, "{name} of {shards} shards");
            bed.check_books();
            bed.check_gauges();
        }
    }
}

#[test]
fn a_full_disk_holds_up_who_fills_it_and_not_who_empties_it() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_1);
        let publisher = bed.connect(V5, "publisher");
        bed.publish(publisher, "t", b"1", QOS_1);
        bed.take(publisher);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Full);
        }
        bed.publish(publisher, "t", b"2", QOS_1);
        bed.publish(publisher, "t", b"3", QOS_1);
        assert_eq!(types(&mut bed, publisher), []);
        assert_eq!(bed.outcome(Outcome::PublishStoreWait), 1);
        // What needs no disk goes on.
        let other = bed.connect(V5, "other");
        bed.publish(other, "t", b"0", QoS::AtMostOnce);
        let arrived = bed.finish(subscriber);
        assert_eq!(
            (arrived[0].payload.as_str(), arrived[1].payload.as_str()),
            ("1", "0")
        );
        assert_eq!(bed.outcome(Outcome::DeliverAcked), 1);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Room);
        }
        assert_eq!(types(&mut bed, publisher), [PacketType::PubAck; 2]);
        assert_eq!(bed.finish(subscriber).len(), 2);
    }
}

#[test]
fn after_a_failure_nothing_is_acknowledged_any_more() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        bed.store.is_held = true;
        bed.publish(publisher, "t/1", b"x", QOS_1);
        for shard in 0..usize::from(shards) {
            bed.store_event(shard, StoreEvent::Failed);
            bed.store_event(shard, StoreEvent::Room);
        }
        bed.publish(publisher, "t/2", b"x", QOS_1);
        bed.publish(publisher, "other", b"x", QOS_1);
        bed.advance(3_600_000);
        assert_eq!(types(&mut bed, publisher), []);
        assert!(!bed.is_closed(publisher));
    }
}

#[test]
fn a_store_that_is_behind_holds_up_publishers_within_a_bound() {
    let limits =
        |limits: &mut columba_broker::limits::Limits| limits.store_waiting_bytes_max = 4096;
    for shards in SHARDS {
        let mut bed = Bed::with(shards, limits).with_store();
        let absent = bed.connect_keeping(V5, "absent");
        bed.subscribe(absent, "t", QOS_1);
        bed.disconnect(absent);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        for _ in 0..100 {
            bed.publish(publisher, "t", &[0; 1000], QOS_1);
        }
        let accepted = bed.outcome(Outcome::PublishAccepted);
        assert!((4..8).contains(&accepted), "{accepted}");
        assert!(bed.store.waiting() > 0);
        bed.release_store();
        assert_eq!(bed.outcome(Outcome::PublishAccepted), 100);
        assert_eq!(types(&mut bed, publisher).len(), 100);
    }
}

#[test]
fn keep_alive_does_not_end_who_waits_for_the_store() {
    let mut bed = Bed::durable(1);
    let options = ConnectOptions::new(V5, "client").keep_alive(10);
    let client = bed.connect_with(&options);
    bed.store_event(0, StoreEvent::Full);
    bed.retain(client, "t", b"x", QOS_1);
    bed.advance(60_000);
    assert!(!bed.is_closed(client));
    bed.store_event(0, StoreEvent::Room);
    bed.advance(14_000);
    assert!(!bed.is_closed(client));
    bed.advance(2_000);
    bed.take(client);
    assert!(bed.is_closed(client));
}

#[test]
fn packet_ids_that_went_round_come_back_in_the_order_of_their_messages() {
    // MQTT-4.6.0-1
    let mut bed = Bed::durable(1);
    let subscriber = bed.connect_keeping(V5, "subscriber");
    bed.subscribe(subscriber, "t", QOS_2);
    let publisher = bed.connect(V5, "publisher");
    for _ in 0..65_533 {
        bed.publish_exactly_once(publisher, "t", b"");
        let id = bed.take(subscriber).one_publish().packet_id.expect("an id");
        bed.pubrec(subscriber, id);
        bed.pubcomp(subscriber, id);
        bed.take(subscriber);
    }
    bed.take(publisher);
    for payload in [b"1", b"2", b"3", b"4"] {
        bed.publish_exactly_once(publisher, "t", payload);
    }
    let before = bed.arrivals(subscriber);
    assert_eq!(before[1].packet_id, Some(65_535));
    assert_eq!(before[2].packet_id, Some(1));
    bed.pubrec(subscriber, id(1));
    bed.crash(1);
    let subscriber = bed.resume(V5, "subscriber");
    let after: Vec<_> = bed
        .finish(subscriber)
        .into_iter()
        .map(|of| of.payload)
        .collect();
    assert_eq!(after, ["1", "2", "4"]);
}

#[test]
fn a_value_that_is_cleared_before_it_is_on_disk_stays_cleared() {
    // With several shards the one that retains the topic does not wait for the one that writes.
    for shards in [1] {
        let mut bed = Bed::durable(shards);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        bed.retain(publisher, "a", b"set", QOS_1);
        bed.retain(publisher, "a", b"", QOS_1);
        // Batch by batch, until both are acknowledged: then it is cleared, whatever happens.
        let mut answers = 0;
        while answers < 2 {
            assert!(bed.commit_one());
            bed.pass(0);
            bed.turn();
            answers += types(&mut bed, publisher).len();
        }
        bed.crash(shards);
        bed.release_store();
        assert_eq!(bed.stats().retained_messages, 0);
    }
}

#[test]
fn a_retained_message_that_goes_before_a_newer_one_is_stored_for_itself() {
    // MQTT-4.6.0-5
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_max = 1).with_store();
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t/1", b"old 1", QOS_1);
        bed.retain(publisher, "t/2", b"old 2", QOS_1);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t/+", QOS_1);
        bed.publish(publisher, "t/1", b"new 1", QOS_1);
        bed.publish(publisher, "t/2", b"new 2", QOS_1);
        bed.crash(shards);
        let subscriber = bed.resume(V5, "subscriber");
        let arrived = bed.finish(subscriber);
        let of = |topic: &str| -> Vec<String> {
            let own = arrived.iter().filter(|of| of.topic == topic);
            own.map(|of| of.payload.clone()).collect()
        };
        assert_eq!(of("t/1"), ["old 1", "new 1"]);
        assert_eq!(of("t/2"), ["old 2", "new 2"]);
        bed.check_books();
    }
}
