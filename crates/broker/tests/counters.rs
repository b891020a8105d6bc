//! Counters that tell what goes on before anybody asks about a message.

#[path = "bed/mod.rs"]
mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request};
use columba_broker::stats::Stats;
use columba_codec::{PacketType, QoS};

/// The counters with what a shard looks up only when somebody asks.
fn asked(bed: &mut Bed) -> Stats {
    match bed.request(0, Request::Stats) {
        Answer::Stats(stats) => *stats,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_are_counted_by_type_and_messages_by_qos() {
    let mut bed = Bed::new(1);
    let subscriber = bed.connect(V5, "subscriber");
    bed.subscribe(subscriber, "t", QOS_2);
    let publisher = bed.connect(V311, "publisher");
    for qos in [QOS_0, QOS_1, QOS_2] {
        bed.publish(publisher, "t", b"x", qos);
    }
    let stats = asked(&mut bed);
    let received = |packet: PacketType| stats.received_of(packet);
    let sent = |packet: PacketType| stats.sent_of(packet);
    assert_eq!(received(PacketType::Connect), 2);
    assert_eq!(received(PacketType::Subscribe), 1);
    assert_eq!(received(PacketType::Publish), 3);
    assert_eq!(stats.publishes_received, [1, 1, 1]);
    assert_eq!(stats.publishes_sent, [1, 1, 1]);
    assert_eq!(sent(PacketType::ConnAck), 2);
    assert_eq!(sent(PacketType::SubAck), 1);
    assert_eq!(sent(PacketType::Publish), 3);
    assert_eq!(sent(PacketType::PubAck), 1);
    // CONNECT, SUBSCRIBE, PUBLISH, and what the QoS 2 exchange takes.
    assert_eq!(stats.packets_received(), 2 + 1 + 3);
    let accepted = Outcome::ConnectAccepted as usize;
    assert_eq!(stats.connects.map(|of| of[accepted]), [0, 1, 1]);
    assert_eq!(stats.anonymous_accepted, 2);
    assert_eq!(stats.access_checks, [[0, 3], [0, 1], [0, 0]]);
    assert!(stats.recorder_events >= 4, "{}", stats.recorder_events);
}

#[test]
fn a_connection_that_never_said_its_version_is_counted_under_none() {
    let mut bed = Bed::new(1);
    let stranger = bed.open(V311);
    bed.send_raw(stranger, b"GET / HTTP/1.1\r\n\r\n");
    let refused = Outcome::ConnectWrongProtocol;
    assert_eq!(bed.outcome(refused), 1);
    let by_version = bed.stats().connects.map(|of| of[refused as usize]);
    assert_eq!(by_version, [0; 3]);
}

#[test]
fn a_client_is_stalled_from_its_first_message_that_finds_no_room_until_it_reads() {
    for qos in [QOS_0, QOS_1] {
        let mut bed = Bed::with(1, |limits| limits.output_bytes_max = 4_000);
        let publisher = bed.connect(V5, "publisher");
        let client = bed.connect(V5, "client");
        bed.subscribe(client, "t", QOS_1);
        bed.reading[client] = false;
        let payload = [b'x'; 1_000];
        for _ in 0..3 {
            bed.publish(publisher, "t", &payload, qos);
        }
        assert_eq!(bed.stats().connections_stalled, 0, "there is room");
        for _ in 0..5 {
            bed.publish(publisher, "t", &payload, qos);
        }
        assert_eq!(bed.stats().connections_stalled, 1);
        bed.check_books();
        bed.read_all(client);
        assert_eq!(bed.stats().connections_stalled, 0, "it has read");
        bed.reading[client] = false;
        for _ in 0..8 {
            bed.publish(publisher, "t", &payload, qos);
        }
        assert_eq!(bed.stats().connections_stalled, 1);
        bed.drop_connection(client);
        assert_eq!(bed.stats().connections_stalled, 0, "it is gone");
    }
}

#[test]
fn a_client_id_that_two_programs_use_is_a_loop_until_they_keep_peace() {
    let mut bed = Bed::new(1);
    for takeovers in 0..=4 {
        bed.connect(V5, "esp");
        assert_eq!(asked(&mut bed).takeover_loops, 0, "{takeovers}");
    }
    bed.connect(V5, "esp");
    assert_eq!(asked(&mut bed).takeover_loops, 1);
    let _ = bed.connect_raw(&ConnectOptions::new(V5, "esp"));
    let stats = bed.stats();
    let waits = Outcome::ConnectTakeoverWait as usize;
    assert_eq!(stats.connects.map(|of| of[waits]), [0, 0, 1]);
    bed.advance(240_000);
    assert_eq!(asked(&mut bed).takeover_loops, 0);
}

#[test]
fn times_of_delivery_end_with_the_acknowledgement_on_whatever_shard_the_subscriber_is() {
    for shards in [1, 3] {
        let mut bed = Bed::new(shards);
        let publisher = bed.connect(V5, "publisher");
        let clients: Vec<_> = (0..6)
            .map(|number| bed.connect(V5, &format!("client-{number}")))
            .collect();
        bed.advance(100_000);
        for client in &clients {
            bed.subscribe(*client, "t", QOS_1);
        }
        bed.publish(publisher, "t", b"1", QOS_0);
        bed.publish(publisher, "t", b"2", QOS_1);
        bed.advance(40);
        for client in &clients {
            let inbox = bed.take(*client);
            let ids = inbox
                .packets()
                .into_iter()
                .filter_map(|packet| match packet {
                    columba_codec::Packet::Publish(publish) => publish.packet_id,
                    _ => None,
                });
            for id in ids.collect::<Vec<_>>() {
                bed.puback(*client, id);
            }
        }
        let times = bed.stats().delivery_times;
        assert_eq!(times.cumulative(QoS::AtMostOnce)[0], 6);
        let waited = times.cumulative(QoS::AtLeastOnce);
        // 40 ms are above 25 and below 50.
        assert_eq!((waited[4], waited[5], waited[14]), (0, 6, 6));
        assert_eq!(times.sum_ms(QoS::AtLeastOnce), 240);
        // A retained message is as old as it likes, and says nothing of the broker.
        bed.retain(publisher, "t", b"3", QOS_0);
        let before = bed.stats().delivery_times;
        bed.advance(1_000_000);
        let late = bed.connect(V5, "late");
        bed.subscribe(late, "t", QOS_0);
        assert_eq!(bed.payloads(late), ["3"]);
        assert_eq!(bed.stats().delivery_times, before);
    }
}
