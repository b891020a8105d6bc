//! Flow control and the bounds of queues and outputs (section 3.3.4 and 4.9), on one shard and on
//! three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, SHARDS, handling, id, keeping, options, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5, V311};
use columba_broker::event::Command;
use columba_broker::limits::{Limits, QueuePolicy};
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Acknowledgement, Publish, RetainHandling};
use columba_codec::{Packet, Properties, PropertyId, QoS, ReasonCode, Value};

/// Connects with a Receive Maximum to a session that stays.
fn connect_receiving(
    bed: &mut Bed,
    client_id: &str,
    receive_maximum: u16,
    clean: bool,
) -> ClientIx {
    let options = keeping(V5, client_id)
        .clean(clean)
        .property(PropertyId::ReceiveMaximum, Value::U16(receive_maximum));
    bed.connect_with(&options)
}

fn publish_with_id(bed: &mut Bed, client: ClientIx, packet_id: u16, qos: QoS) {
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: "t",
        packet_id: Some(id(packet_id)),
        properties: Properties::EMPTY,
        payload: b"x",
    };
    bed.send(client, &Packet::Publish(publish));
}

#[test]
fn no_more_is_unacknowledged_than_the_receive_maximum() {
    // [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
    for shards in SHARDS {
        for receive_maximum in [1, 2, 5] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let client = connect_receiving(&mut bed, "client", receive_maximum, true);
            bed.subscribe(client, "t", QOS_2);
            for number in 0..12 {
                let qos = if number % 2 == 0 { QOS_1 } else { QOS_2 };
                bed.publish(publisher, "t", number.to_string().as_bytes(), qos);
            }
            let mut open = bed.arrivals(client);
            assert_eq!(
                open.len(),
                usize::from(receive_maximum),
                "the quota is used"
            );
            let mut seen = Vec::new();
            while !open.is_empty() {
                let one = open.remove(0);
                let packet_id = id(one.packet_id.expect("an id"));
                if one.qos == 1 {
                    bed.puback(client, packet_id);
                } else {
                    bed.pubrec(client, packet_id);
                    let ack = Acknowledgement::success(packet_id);
                    // PUBREC frees nothing yet.
                    assert_eq!(bed.take(client).one(), Packet::PubRel(ack));
                    bed.pubcomp(client, packet_id);
                }
                seen.push(one.payload);
                open.extend(bed.arrivals(client));
                assert!(open.len() <= usize::from(receive_maximum));
            }
            let all: Vec<_> = (0..12).map(|number: u32| number.to_string()).collect();
            assert_eq!(seen, all);
            bed.check_books();
        }
    }
}

#[test]
fn a_refusal_gives_quota_back() {
    // [MQTT-4.9.0-2]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_receiving(&mut bed, "client", 1, true);
        bed.subscribe(client, "t", QOS_2);
        for payload in [b"1", b"2"] {
            bed.publish(publisher, "t", payload, QOS_2);
        }
        let first = bed.arrivals(client);
        assert_eq!(first.len(), 1);
        let packet_id = id(first[0].packet_id.expect("an id"));
        let ack = bed::exchange::with_reason(packet_id, ReasonCode::UnspecifiedError);
        bed.send(client, &Packet::PubRec(ack));
        assert_eq!(bed.payloads(client), ["2"]);
    }
}

#[test]
fn everything_else_goes_on_when_the_quota_is_used_up() {
    // [MQTT-3.3.4-10] [MQTT-4.9.0-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_receiving(&mut bed, "client", 1, true);
        bed.subscribe(client, "t", QOS_2);
        bed.publish(publisher, "t", b"1", QOS_2);
        bed.publish(publisher, "t", b"2", QOS_2);
        let open = bed.arrivals(client);
        assert_eq!(open.len(), 1);
        bed.publish(publisher, "t", b"qos 0", QOS_0);
        assert_eq!(bed.payloads(client), ["qos 0"]);
        bed.send(client, &Packet::PingReq);
        assert_eq!(bed.take(client).one(), Packet::PingResp);
        bed.subscribe(client, "u", QOS_0);
        bed.unsubscribe(client, "u");
        publish_with_id(&mut bed, client, 50, QOS_1);
        let acks = bed.take(client);
        assert!(
            matches!(acks.packets()[..], [Packet::PubAck(_)]),
            "{:?}",
            acks.packets()
        );
        let packet_id = id(open[0].packet_id.expect("an id"));
        bed.pubrec(client, packet_id);
        assert!(matches!(bed.take(client).one(), Packet::PubRel(_)));
        assert_eq!(bed.outcome(Outcome::DeliverInflightFull), 2);
    }
}

#[test]
fn the_brokers_own_bound_holds_where_the_client_names_none() {
    // inflight_max
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::with(shards, |limits| limits.inflight_max = 3);
            let publisher = bed.connect(V5, "publisher");
            let client = bed.connect(version, "client");
            bed.subscribe(client, "t", QOS_1);
            for _ in 0..10 {
                bed.publish(publisher, "t", b"x", QOS_1);
            }
            let open = bed.arrivals(client);
            assert_eq!(open.len(), 3);
            assert_eq!(bed.stats().queued_messages, 7);
            bed.puback(client, id(open[1].packet_id.expect("an id")));
            assert_eq!(bed.arrivals(client).len(), 1);
        }
    }
}

#[test]
fn unacknowledged_messages_are_bounded_in_bytes_too() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.inflight_bytes_max = 2_000);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QOS_1);
        for len in [900, 900, 900, 5_000, 10] {
            bed.publish(publisher, "t", &vec![b'x'; len], QOS_1);
        }
        let mut open = bed.arrivals(client);
        assert_eq!(open.len(), 3, "the third one reaches the bound");
        let mut lens = Vec::new();
        while !open.is_empty() {
            let one = open.remove(0);
            lens.push(one.payload.len());
            bed.puback(client, id(one.packet_id.expect("an id")));
            open.extend(bed.arrivals(client));
        }
        assert_eq!(lens, [900, 900, 900, 5_000, 10]);
        bed.check_books();
    }
}

#[test]
fn a_lower_receive_maximum_on_resume_is_kept_and_the_order_with_it() {
    // [MQTT-4.4.0-1] [MQTT-4.9.0-1] [MQTT-3.3.4-9]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_receiving(&mut bed, "client", 6, true);
        bed.subscribe(client, "t", QOS_1);
        for number in 0..9 {
            bed.publish(publisher, "t", number.to_string().as_bytes(), QOS_1);
        }
        let first = bed.arrivals(client);
        // Acknowledged out of order, then gone.
        for position in [4, 1] {
            bed.puback(client, id(first[position].packet_id.expect("an id")));
        }
        let second = bed.arrivals(client);
        let sent: Vec<_> = first.iter().chain(&second).collect();
        assert_eq!(sent.len(), 8);
        bed.drop_connection(client);
        let client = connect_receiving(&mut bed, "client", 2, false);
        let mut seen = Vec::new();
        let mut open = bed.arrivals(client);
        while !open.is_empty() {
            assert!(open.len() <= 2);
            let one = open.remove(0);
            bed.puback(client, id(one.packet_id.expect("an id")));
            seen.push(one);
            open.extend(bed.arrivals(client));
        }
        let payloads: Vec<_> = seen.iter().map(|one| one.payload.as_str()).collect();
        assert_eq!(payloads, ["0", "2", "3", "5", "6", "7", "8"]);
        for one in &seen {
            let before = sent.iter().find(|sent| sent.payload == one.payload);
            assert_eq!(one.dup, before.is_some(), "{one:?}");
            if let Some(before) = before {
                assert_eq!(one.packet_id, before.packet_id);
            }
        }
        bed.check_books();
    }
}

#[test]
fn pubrels_are_not_held_back_by_a_low_receive_maximum_on_resume() {
    // [MQTT-3.3.4-10] [MQTT-4.9.0-3] [MQTT-4.4.0-1]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_receiving(&mut bed, "client", 10, true);
        bed.subscribe(client, "t", QOS_2);
        for payload in ["1", "2", "3", "4"] {
            bed.publish(publisher, "t", payload.as_bytes(), QOS_2);
        }
        let open = bed.arrivals(client);
        let ids: Vec<_> = open
            .iter()
            .map(|one| id(one.packet_id.expect("an id")))
            .collect();
        bed.pubrec(client, ids[1]);
        bed.pubrec(client, ids[3]);
        bed.drop_connection(client);
        let client = connect_receiving(&mut bed, "client", 1, false);
        let inbox = bed.take(client);
        let released: Vec<_> = inbox
            .packets()
            .iter()
            .filter_map(|packet| match packet {
                Packet::PubRel(ack) => Some(ack.packet_id),
                _ => None,
            })
            .collect();
        assert_eq!(released, [ids[1], ids[3]]);
        assert_eq!(inbox.payloads(), ["1"]);
        bed.pubcomp(client, ids[1]);
        bed.pubcomp(client, ids[3]);
        assert!(
            bed.take(client).bytes.is_empty(),
            "PUBCOMP raised the quota above its maximum"
        );
        bed.pubrec(client, ids[0]);
        bed.take(client);
        bed.pubcomp(client, ids[0]);
        let rest = bed.finish(client);
        assert_eq!(rest.len(), 1);
        assert_eq!((rest[0].payload.as_str(), rest[0].dup), ("3", true));
        assert_eq!(bed.outcome(Outcome::DeliverAcked), 4);
        bed.check_books();
    }
}

#[test]
fn a_client_beyond_the_brokers_receive_maximum_is_disconnected() {
    // [MQTT-3.3.4-7]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.receive_maximum = 3);
        let client = bed.connect(V5, "client");
        for packet_id in 1..=3 {
            publish_with_id(&mut bed, client, packet_id, QOS_2);
        }
        // QoS 1 is acknowledged at once and never exceeds it; released ids are free again.
        for packet_id in 10..20 {
            publish_with_id(&mut bed, client, packet_id, QOS_1);
        }
        bed.pubrel(client, id(2));
        publish_with_id(&mut bed, client, 4, QOS_2);
        assert!(!bed.is_closed(client));
        publish_with_id(&mut bed, client, 5, QOS_2);
        bed.assert_closed_after(client, ReasonCode::ReceiveMaximumExceeded);
        assert_eq!(bed.outcome(Outcome::PublishReceiveMaximum), 1);
    }
}

#[test]
fn mqtt_3_knows_no_receive_maximum() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.receive_maximum = 3);
        let client = bed.connect(V311, "client");
        for packet_id in 1..=10 {
            publish_with_id(&mut bed, client, packet_id, QOS_2);
        }
        assert!(!bed.is_closed(client));
        assert_eq!(bed.take(client).packets().len(), 10);
    }
}

#[test]
fn what_was_announced_at_connect_holds_when_the_limits_are_lowered() {
    // [MQTT-3.3.2-12] [MQTT-4.9.0-1]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        let limits = Limits {
            receive_maximum: 1,
            topic_alias_maximum: 1,
            sys_interval_ms: 0,
            ..Limits::default()
        };
        bed.command(Command::SetLimits(std::sync::Arc::new(limits)));
        for packet_id in 1..=5 {
            publish_with_id(&mut bed, client, packet_id, QOS_2);
        }
        let alias = properties(&[(PropertyId::TopicAlias, Value::U16(32))]);
        bed.publish_with(client, "t", b"x", QOS_0, false, alias.as_properties());
        assert!(!bed.is_closed(client));
        // The next connection is told the new ones and held to them.
        let (next, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "next"));
        let Packet::ConnAck(ack) = inbox.one() else {
            panic!("{:?}", inbox.packets());
        };
        assert_eq!(ack.properties.u16(PropertyId::ReceiveMaximum), Some(1));
        assert_eq!(ack.properties.u16(PropertyId::TopicAliasMaximum), Some(1));
        bed.publish_with(next, "t", b"x", QOS_0, false, alias.as_properties());
        assert!(bed.is_closed(next));
    }
}

/// Publishes numbered messages to an offline session and gives back what it kept.
fn kept(
    shards: u16,
    change: impl FnOnce(&mut Limits),
    payloads: &[(&str, QoS)],
) -> (Vec<String>, u64) {
    let mut bed = Bed::with(shards, change);
    let publisher = bed.connect(V5, "publisher");
    let client = bed.connect_keeping(V5, "client");
    bed.subscribe(client, "t", QOS_2);
    bed.drop_connection(client);
    for (payload, qos) in payloads {
        bed.publish(publisher, "t", payload.as_bytes(), *qos);
    }
    bed.check_books();
    let dropped = bed.outcome(Outcome::DeliverQueueFull);
    let client = bed.resume(V5, "client");
    let kept = bed
        .finish(client)
        .into_iter()
        .map(|one| one.payload)
        .collect();
    assert_eq!(
        (bed.stats().queued_messages, bed.stats().queued_bytes),
        (0, 0)
    );
    bed.check_books();
    (kept, dropped)
}

#[test]
fn a_full_queue_drops_what_its_policy_says() {
    let four = [("1", QOS_1), ("2", QOS_1), ("3", QOS_2), ("4", QOS_1)];
    for shards in SHARDS {
        let oldest = |limits: &mut Limits| limits.queue_messages_max = 2;
        assert_eq!(
            kept(shards, oldest, &four),
            (vec!["3".into(), "4".into()], 2)
        );
        let newest = |limits: &mut Limits| {
            limits.queue_messages_max = 2;
            limits.queue_policy = QueuePolicy::DropNewest;
        };
        assert_eq!(
            kept(shards, newest, &four),
            (vec!["1".into(), "2".into()], 2)
        );
    }
}

#[test]
fn a_queue_is_bounded_in_bytes_too() {
    // A message counts with its topic: "t" and payload.
    let some = [
        ("12345678", QOS_1),
        ("1", QOS_1),
        ("123456", QOS_1),
        ("1234567890", QOS_1),
    ];
    for shards in SHARDS {
        let oldest = |limits: &mut Limits| limits.queue_bytes_max = 10;
        assert_eq!(
            kept(shards, oldest, &some),
            (vec![], 4),
            "the last fits nowhere"
        );
        let newest = |limits: &mut Limits| {
            limits.queue_bytes_max = 11;
            limits.queue_policy = QueuePolicy::DropNewest;
        };
        let (kept, dropped) = kept(shards, newest, &some);
        assert_eq!((kept, dropped), (vec!["12345678".into(), "1".into()], 2));
    }
}

#[test]
fn qos_0_waits_for_clients_that_are_away_only_if_the_limits_say_so() {
    let some = [("0", QOS_0), ("1", QOS_1)];
    for shards in SHARDS {
        assert_eq!(kept(shards, |_| {}, &some).0, ["1"]);
        assert_eq!(
            kept(shards, |limits| limits.queue_qos0 = true, &some).0,
            ["0", "1"]
        );
    }
}

#[test]
fn a_client_that_never_reads_holds_a_bounded_output() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.output_bytes_max = 10_000;
            limits.queue_messages_max = 20;
        });
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t/+", QOS_1);
        bed.reading[client] = false;
        let payload = [b'x'; 1000];
        for _ in 0..100 {
            bed.publish(publisher, "t/0", &payload, QOS_0);
        }
        // Ten fill it up, the rest is gone.
        let sent = bed.outcome(Outcome::DeliverSent);
        assert!((9..=11).contains(&sent), "{sent}");
        assert_eq!(bed.outcome(Outcome::DeliverSocketCongested), 100 - sent);
        for number in 0..30 {
            bed.publish(
                publisher,
                "t/1",
                format!("{number:01000}").as_bytes(),
                QOS_1,
            );
        }
        assert_eq!(bed.outcome(Outcome::DeliverSocketFull), 30);
        assert_eq!(bed.outcome(Outcome::DeliverQueueFull), 10);
        bed.check_books();
        // It reads again: what waited comes, in order, and is acknowledged.
        bed.read_all(client);
        let arrived = bed.finish(client);
        assert_eq!(arrived.len() as u64, sent + 20);
        let numbers: Vec<u32> = arrived
            .iter()
            .filter(|one| one.qos == 1)
            .map(|one| one.payload.parse().expect("a number"))
            .collect();
        assert_eq!(numbers, (10..30).collect::<Vec<_>>());
        bed.check_books();
    }
}

#[test]
fn retained_messages_and_resumed_ones_wait_for_a_client_that_does_not_read() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.output_bytes_max = 5_000);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..50 {
            bed.retain(publisher, &format!("r/{number}"), &[b'x'; 900], QOS_0);
        }
        let client = bed.connect_keeping(V5, "client");
        bed.reading[client] = false;
        let send = handling(QOS_1, RetainHandling::Send);
        bed.send_subscribe(client, id(1), &[("r/+", send)], Properties::EMPTY);
        bed.read_all(client);
        let arrived = bed.finish(client);
        assert_eq!(arrived.len(), 50, "none is dropped for a slow reader");
        bed.subscribe_with(
            client,
            "t",
            handling(QOS_1, RetainHandling::DoNotSend),
            Properties::EMPTY,
        );
        for _ in 0..50 {
            bed.publish(publisher, "t", &[b'y'; 900], QOS_1);
        }
        assert_eq!(bed.arrivals(client).len(), 50);
        bed.drop_connection(client);
        let client = bed.open(V5);
        bed.reading[client] = false;
        bed.send_raw(client, &keeping(V5, "client").clean(false).bytes());
        bed.read_all(client);
        let again = bed.finish(client);
        assert_eq!(again.len(), 50);
        assert!(again.iter().all(|one| one.dup));
        bed.check_books();
    }
}

#[test]
fn a_client_that_asks_and_never_reads_is_disconnected() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.output_bytes_max = 1_000;
            limits.packet_bytes_max = 2_000;
        });
        let client = bed.connect(V311, "client");
        bed.reading[client] = false;
        for _ in 0..5_000 {
            bed.send(client, &Packet::PingReq);
        }
        assert!(bed.is_closed(client));
        assert_eq!(bed.outcome(Outcome::DisconnectSlow), 1);
        assert!(bed.take(client).bytes.len() <= 4_100);
    }
}

#[test]
fn a_message_that_is_too_large_for_its_receiver_is_dropped_and_the_next_one_is_not() {
    for shards in SHARDS {
        for qos in [QOS_0, QOS_1, QOS_2] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V311, "publisher");
            let connect =
                keeping(V5, "client").property(PropertyId::MaximumPacketSize, Value::U32(64));
            let client = bed.connect_with(&connect);
            bed.subscribe(client, "t", qos);
            // First byte, length, topic, packet id, property length.
            let overhead = 1 + 1 + 3 + if qos == QOS_0 { 0 } else { 2 } + 1;
            bed.publish(publisher, "t", &vec![b'x'; 64 - overhead + 1], qos);
            bed.publish(publisher, "t", &vec![b'y'; 64 - overhead], qos);
            bed.publish(publisher, "t", &vec![b'z'; 10_000], qos);
            let arrived = bed.finish(client);
            assert_eq!(arrived.len(), 1);
            assert!(arrived[0].payload.starts_with('y'));
            assert_eq!(bed.outcome(Outcome::DeliverTooLarge), 2);
            bed.check_books();
        }
    }
}

#[test]
fn a_resumed_message_that_is_too_large_now_does_not_hold_up_the_others() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V311, "publisher");
            let client = bed.connect_keeping(V5, "client");
            bed.subscribe(client, "t", qos);
            for len in [10, 1000, 11] {
                bed.publish(publisher, "t", &vec![b'x'; len], qos);
            }
            assert_eq!(bed.arrivals(client).len(), 3);
            bed.drop_connection(client);
            let connect = keeping(V5, "client")
                .clean(false)
                .property(PropertyId::MaximumPacketSize, Value::U32(64));
            let client = bed.connect_with(&connect);
            let lens: Vec<_> = bed
                .finish(client)
                .iter()
                .map(|one| one.payload.len())
                .collect();
            assert_eq!(lens, [10, 11]);
            assert_eq!(bed.outcome(Outcome::DeliverTooLarge), 1);
            bed.check_books();
        }
    }
}

#[test]
fn the_expiry_is_counted_down_while_a_message_waits() {
    // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect_keeping(V5, "client");
        let online = bed.connect(V5, "online");
        bed.subscribe(client, "t", QOS_1);
        bed.subscribe(online, "t", QOS_1);
        bed.drop_connection(client);
        for secs in [10, 60, 0] {
            let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(secs))]);
            let text = secs.to_string();
            let expiry = expiry.as_properties();
            bed.publish_with(publisher, "t", text.as_bytes(), QOS_1, false, expiry);
        }
        let inbox = bed.take(online);
        let left =
            |publish: &Publish<'_>| publish.properties.u32(PropertyId::MessageExpiryInterval);
        let lefts: Vec<_> = inbox.publishes().iter().map(left).collect();
        assert_eq!(lefts, [Some(10), Some(60), Some(0)], "no time has passed");
        bed.advance(20_000);
        let client = bed.resume(V5, "client");
        let inbox = bed.take(client);
        assert_eq!(inbox.payloads(), ["60"]);
        assert_eq!(left(&inbox.one_publish()), Some(40));
        assert_eq!(bed.outcome(Outcome::DeliverExpired), 2);
        bed.check_books();
    }
}

#[test]
fn acknowledgements_do_not_wake_what_another_filter_holds() {
    // A session whose shared subscription goes away keeps the rest flowing.
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_receiving(&mut bed, "client", 1, true);
        bed.subscribe_with(client, "$share/g/s", options(QOS_1), Properties::EMPTY);
        bed.subscribe(client, "t", QOS_1);
        bed.publish(publisher, "s", b"shared", QOS_1);
        bed.publish(publisher, "t", b"plain", QOS_1);
        let begun = bed.arrivals(client);
        assert_eq!(begun.len(), 1);
        bed.unsubscribe(client, "$share/g/s");
        bed.puback(client, id(begun[0].packet_id.expect("an id")));
        assert_eq!(bed.finish(client).len(), 1);
        bed.check_books();
    }
}
