//! Topic aliases in both directions (section 3.3.2.3.4), on one shard and on three.

mod bed;

use bed::exchange::{QOS_0, QOS_1, SHARDS, keeping, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5, raw};
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PropertyId, ReasonCode, Value};

fn publish_alias(bed: &mut Bed, client: ClientIx, topic: &str, alias: u16, payload: &str) {
    let alias = properties(&[(PropertyId::TopicAlias, Value::U16(alias))]);
    let alias = alias.as_properties();
    bed.publish_with(client, topic, payload.as_bytes(), QOS_0, false, alias);
}

/// Topic and payload of what came, aliases resolved by the client's own table; the aliases beside.
fn resolved(
    bed: &mut Bed,
    client: ClientIx,
    table: &mut Vec<String>,
) -> Vec<(String, Option<u16>)> {
    let inbox = bed.take(client);
    let resolve = |publish: &columba_codec::packet::Publish<'_>| {
        let alias = publish.properties.u16(PropertyId::TopicAlias);
        let mut topic = publish.topic.to_owned();
        if let Some(alias) = alias {
            let place = usize::from(alias) - 1;
            if topic.is_empty() {
                topic = table[place].clone();
            } else {
                table.resize(table.len().max(place + 1), String::new());
                table[place] = topic.clone();
            }
        }
        (topic, alias)
    };
    inbox.publishes().iter().map(resolve).collect()
}

/// Connects with a Topic Alias Maximum.
fn connect_aliased(bed: &mut Bed, client_id: &str, maximum: u16) -> ClientIx {
    let options =
        keeping(V5, client_id).property(PropertyId::TopicAliasMaximum, Value::U16(maximum));
    bed.connect_with(&options.clean(false))
}

#[test]
fn every_alias_up_to_the_announced_maximum_is_accepted() {
    // [MQTT-3.3.2-12]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.topic_alias_maximum = 5);
        let (publisher, inbox) = bed.connect_raw(&ConnectOptions::new(V5, "publisher"));
        let Packet::ConnAck(ack) = inbox.one() else {
            panic!("{:?}", inbox.packets());
        };
        assert_eq!(ack.properties.u16(PropertyId::TopicAliasMaximum), Some(5));
        let subscriber = bed.connect(V5, "subscriber");
        bed.subscribe(subscriber, "#", QOS_0);
        for alias in 1..=5 {
            publish_alias(&mut bed, publisher, &format!("t/{alias}"), alias, "set");
        }
        for alias in [3, 1, 5] {
            publish_alias(&mut bed, publisher, "", alias, "used");
        }
        publish_alias(&mut bed, publisher, "other", 3, "set anew");
        publish_alias(&mut bed, publisher, "", 3, "used");
        let arrived = bed.arrivals(subscriber);
        let topics: Vec<_> = arrived.iter().map(|one| one.topic.as_str()).collect();
        let expected = [
            "t/1", "t/2", "t/3", "t/4", "t/5", "t/3", "t/1", "t/5", "other", "other",
        ];
        assert_eq!(topics, expected);
    }
}

#[test]
fn an_alias_that_cannot_be_closes_the_connection() {
    // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
    for shards in SHARDS {
        for (maximum, alias, topic) in [(5, 0, "t"), (5, 6, "t"), (5, 2, ""), (0, 1, "t")] {
            let mut bed = Bed::with(shards, |limits| limits.topic_alias_maximum = maximum);
            let publisher = bed.connect(V5, "publisher");
            let subscriber = bed.connect(V5, "subscriber");
            bed.subscribe(subscriber, "#", QOS_0);
            let mut body = raw::field(topic.as_bytes());
            body.extend_from_slice(&[3, PropertyId::TopicAlias as u8, 0, alias]);
            bed.send_raw(publisher, &raw::packet(0x30, &body));
            let context = format!("alias {alias} of {maximum}, topic {topic:?}");
            bed.assert_closed(publisher, ReasonCode::TopicAliasInvalid, &context);
            assert!(bed.take(subscriber).bytes.is_empty());
            let counted = bed.outcome(Outcome::PublishAliasInvalid);
            assert!(alias == 0 || counted == 1, "{context}");
        }
    }
}

#[test]
fn aliases_of_a_client_end_with_its_connection() {
    // [MQTT-3.3.2-7]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect_keeping(V5, "client");
        publish_alias(&mut bed, client, "t", 1, "x");
        bed.drop_connection(client);
        let client = bed.resume(V5, "client");
        publish_alias(&mut bed, client, "", 1, "x");
        bed.assert_closed(client, ReasonCode::TopicAliasInvalid, "an alias of before");
    }
}

#[test]
fn the_broker_sets_no_more_aliases_than_the_client_takes() {
    // [MQTT-3.3.2-11] [MQTT-3.3.2-8]
    for shards in SHARDS {
        for (client_maximum, broker_maximum, expected) in [(3, 32, 3), (0, 32, 0), (100, 2, 2)] {
            let mut bed = Bed::with(shards, |limits| limits.topic_alias_out_max = broker_maximum);
            let publisher = bed.connect(V5, "publisher");
            let client = connect_aliased(&mut bed, "client", client_maximum);
            bed.subscribe(client, "#", QOS_1);
            let mut table = Vec::new();
            let mut used = std::collections::BTreeSet::new();
            for round in 0..3 {
                for number in 0..5 {
                    let topic = format!("t/{number}");
                    bed.publish(publisher, &topic, b"x", QOS_1);
                    let arrived = resolved(&mut bed, client, &mut table);
                    assert_eq!(arrived.len(), 1);
                    assert_eq!(arrived[0].0, topic, "round {round}");
                    used.extend(arrived[0].1);
                }
            }
            assert!(
                used.iter().all(|alias| (1..=expected).contains(alias)),
                "{used:?}"
            );
            assert_eq!(used.len(), usize::from(expected));
        }
    }
}

#[test]
fn aliases_of_the_broker_end_with_the_connection() {
    // [MQTT-3.3.2-7] [MQTT-3.3.1-1]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = connect_aliased(&mut bed, "client", 10);
        bed.subscribe(client, "#", QOS_1);
        bed.publish(publisher, "t", b"1", QOS_1);
        bed.publish(publisher, "t", b"2", QOS_1);
        let mut table = Vec::new();
        let topics = resolved(&mut bed, client, &mut table);
        assert_eq!(
            topics,
            [("t".to_owned(), Some(1)), ("t".to_owned(), Some(1))]
        );
        // On the next connection everything is named again, also what is sent again.
        bed.drop_connection(client);
        let client = connect_aliased(&mut bed, "client", 10);
        let mut table = Vec::new();
        let topics = resolved(&mut bed, client, &mut table);
        assert_eq!(
            topics,
            [("t".to_owned(), Some(1)), ("t".to_owned(), Some(1))]
        );
        bed.drop_connection(client);
        let client = connect_aliased(&mut bed, "client", 0);
        let arrived = bed.arrivals(client);
        assert!(
            arrived.iter().all(|one| one.topic == "t" && one.dup),
            "{arrived:?}"
        );
    }
}

#[test]
fn a_new_alias_does_not_make_a_packet_too_large() {
    for shards in SHARDS {
        for len in 50..60 {
            let mut bed = Bed::new(shards);
            let publisher = bed.connect(V5, "publisher");
            let options = ConnectOptions::new(V5, "client")
                .property(PropertyId::TopicAliasMaximum, Value::U16(10))
                .property(PropertyId::MaximumPacketSize, Value::U32(64));
            let client = bed.connect_with(&options);
            bed.subscribe(client, "t", QOS_0);
            bed.publish(publisher, "t", &vec![b'x'; len], QOS_0);
            // First byte, length, topic, property length.
            let fits = 1 + 1 + 3 + 1 + len <= 64;
            let inbox = bed.take(client);
            assert!(inbox.bytes.len() <= 64);
            assert_eq!(inbox.publishes().len(), usize::from(fits), "{len} bytes");
            bed.check_books();
        }
    }
}

#[test]
fn an_alias_is_not_passed_on() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QOS_0);
        publish_alias(&mut bed, publisher, "t", 7, "x");
        let inbox = bed.take(client);
        let publish = inbox.one_publish();
        assert_eq!(publish.topic, "t");
        assert!(publish.properties.is_empty());
    }
}
