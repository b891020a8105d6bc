//! The order in which unacknowledged messages come again after a restart.

mod bed;

use bed::exchange::{Arrived, QOS_1, QOS_2, id, keeping, properties};
use bed::{Bed, ClientIx, V5, V311};
use columba_broker::home_of;
use columba_broker::outcome::Outcome;
use columba_broker::recovery::ExpiredCounts;
use columba_codec::{PropertyId, Value};

const SHARDS: [u16; 2] = [1, 2];

/// Messages of QoS 1 and 2 in turn.
fn publish_eight(bed: &mut Bed) {
    let publisher = bed.connect(V5, "publisher");
    for number in 1..=8 {
        let payload = number.to_string();
        if number % 2 == 0 {
            bed.publish_exactly_once(publisher, "t", payload.as_bytes());
        } else {
            bed.publish(publisher, "t", payload.as_bytes(), QOS_1);
        }
    }
}

fn of(arrived: &[Arrived]) -> Vec<(&str, bool)> {
    let all = arrived.iter();
    all.map(|one| (one.payload.as_str(), one.dup)).collect()
}

fn qos_1_and_2(bed: &mut Bed, client: ClientIx) -> Vec<Arrived> {
    bed.subscribe(client, "t", QOS_2);
    publish_eight(bed);
    let sent = bed.arrivals(client);
    assert_eq!(sent.len(), 8);
    sent
}

#[test]
fn all_that_was_sent_comes_again_in_the_order_in_which_it_was_sent() {
    // MQTT-4.6.0-1
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::durable(shards);
            let client = bed.connect_keeping(version, "subscriber");
            qos_1_and_2(&mut bed, client);
            bed.crash(shards);
            let client = bed.resume(version, "subscriber");
            let again = bed.arrivals(client);
            let expected = ["1", "2", "3", "4", "5", "6", "7", "8"].map(|of| (of, true));
            assert_eq!(of(&again), expected);
            // Each id is used once.
            let mut ids: Vec<_> = again.iter().map(|one| one.packet_id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 8);
            // They are settled as ever.
            for one in &again {
                let own = id(one.packet_id.expect("an id"));
                match one.qos {
                    1 => bed.puback(client, own),
                    _ => {
                        bed.pubrec(client, own);
                        bed.pubcomp(client, own);
                    }
                }
            }
            bed.take(client);
            assert_eq!(bed.stats().inflight_messages, 0);
            bed.check_books();
            bed.check_gauges();
            bed.crash(shards);
            let client = bed.resume(version, "subscriber");
            assert!(bed.finish(client).is_empty());
        }
    }
}

#[test]
fn what_was_settled_in_between_leaves_its_place() {
    // MQTT-4.6.0-1
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let client = bed.connect_keeping(V5, "subscriber");
        let sent = qos_1_and_2(&mut bed, client);
        let sent_id = |at: usize| id(sent[at].packet_id.expect("an id"));
        bed.puback(client, sent_id(0));
        bed.pubrec(client, sent_id(3));
        bed.pubcomp(client, sent_id(3));
        bed.pubrec(client, sent_id(5));
        bed.crash(shards);
        let client = bed.resume(V5, "subscriber");
        let again = bed.finish(client);
        let expected = ["2", "3", "5", "7", "8"].map(|of| (of, true));
        assert_eq!(of(&again), expected);
        bed.check_books();
        bed.check_gauges();
    }
}

#[test]
fn what_was_not_sent_comes_behind_it_in_order() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let options = keeping(V5, "subscriber").property(PropertyId::ReceiveMaximum, Value::U16(4));
        let client = bed.connect_with(&options);
        bed.subscribe(client, "t", QOS_2);
        publish_eight(&mut bed);
        assert_eq!(bed.arrivals(client).len(), 4);
        bed.crash(shards);
        let client = bed.connect_with(&options.clean(false));
        let again = bed.finish(client);
        let payloads: Vec<_> = again.iter().map(|one| one.payload.as_str()).collect();
        assert_eq!(payloads, ["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert!(again.iter().take(4).all(|one| one.dup));
        assert!(again.iter().skip(4).all(|one| !one.dup));
        bed.check_books();
        bed.check_gauges();
    }
}

/// What was sent before it expired is sent again, and counts as recovered.
#[test]
fn what_was_sent_and_has_expired_since_comes_again() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards);
        let client = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(client, "t", QOS_2);
        let publisher = bed.connect(V5, "publisher");
        let list = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(30))]);
        let expiry = list.as_properties();
        bed.publish_with(publisher, "t", b"sent", QOS_1, false, expiry);
        bed.publish_exactly_once(publisher, "t", b"begun");
        assert_eq!(bed.arrivals(client).len(), 2);
        bed.drop_connection(client);
        bed.publish_with(publisher, "t", b"waits", QOS_1, false, expiry);
        bed.pass(31_000);
        let counts = bed.crash(shards);
        let expired = ExpiredCounts {
            queued: 1,
            ..ExpiredCounts::default()
        };
        assert_eq!((counts.queued, counts.expired), (2, expired));
        let client = bed.resume(V5, "subscriber");
        let again = bed.arrivals(client);
        assert_eq!(of(&again), [("sent", true), ("begun", true)]);
        bed.check_books();
    }
}

/// The record of a message comes with the batch of its publisher's shard and may have a packet id in it.
/// The ids of what had waited before come with the batch of the subscriber's.
#[test]
fn what_had_waited_comes_before_what_came_since_whichever_shard_is_further() {
    // MQTT-4.6.0-6
    for shards in SHARDS {
        for (order, commits) in (0..shards).flat_map(|of| (0..8).map(move |count| (of, count))) {
            let mut bed = Bed::durable(shards);
            let home = |name: &str| home_of(42, name, shards).index();
            let other = (0..64).map(|number| format!("publisher {number}"));
            let mut other = other.filter(|name| shards == 1 || home(name) != home("subscriber"));
            let publisher = bed.connect(V5, &other.next().expect("a name of another shard"));
            let client = bed.connect_keeping(V5, "subscriber");
            bed.subscribe(client, "t", QOS_2);
            bed.drop_connection(client);
            for old in ["1", "2"] {
                bed.publish_exactly_once(publisher, "t", old.as_bytes());
            }
            bed.store.is_held = true;
            bed.resume(V5, "subscriber");
            bed.publish(publisher, "t", b"3", QOS_2);
            for _ in 0..commits {
                let first = bed.commit_of(usize::from(order));
                let _ = first || bed.commit_of(usize::from((order + 1) % shards));
            }
            bed.store.is_held = false;
            bed.crash(shards);
            let client = bed.resume(V5, "subscriber");
            let arrived = bed.arrivals(client);
            let payloads: Vec<_> = arrived.iter().map(|one| one.payload.as_str()).collect();
            let expected = ["1", "2", "3"];
            assert!(
                payloads == expected || payloads == expected[..2],
                "{shards} shards, {order} first, {commits} commits: {payloads:?}"
            );
            for one in &arrived {
                let own = id(one.packet_id.expect("an id"));
                bed.pubrec(client, own);
                bed.pubcomp(client, own);
            }
            bed.check_books();
            bed.crash(shards);
            let client = bed.resume(V5, "subscriber");
            assert_eq!(bed.arrivals(client).len(), 0);
        }
    }
}

/// Its id was on its way to the store when the broker died.
#[test]
fn what_waited_at_qos_2_and_has_expired_is_not_sent() {
    // MQTT-3.3.2-5
    for away_ms in [0, 31_000] {
        let shards = 2;
        let mut bed = Bed::durable(shards);
        let home = |name: &str| home_of(42, name, shards).index();
        let mut other = (0..64).map(|number| format!("publisher {number}"));
        let other = other.find(|name| home(name) != home("subscriber"));
        let publisher = bed.connect(V5, &other.expect("a name of another shard"));
        let client = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(client, "t", QOS_2);
        bed.drop_connection(client);
        let list = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(30))]);
        let expiry = list.as_properties();
        let old = bed.publish_with(publisher, "t", b"old", QOS_2, false, expiry);
        bed.pubrel(publisher, old.expect("an id"));
        bed.store.is_held = true;
        bed.resume(V5, "subscriber");
        bed.publish(publisher, "t", b"new", QOS_2);
        assert!(bed.commit_of(1 - home("subscriber")));
        bed.store.is_held = false;
        bed.pass(31_000 - away_ms);
        let counts = bed.crash(shards);
        assert_eq!(counts.queued + counts.expired.queued, 2);
        bed.advance(away_ms);
        let client = bed.resume(V5, "subscriber");
        assert_eq!(of(&bed.arrivals(client)), [("new", true)]);
        assert_eq!(bed.outcome(Outcome::DeliverExpired), 1);
        bed.check_books();
        bed.check_gauges();
    }
}
