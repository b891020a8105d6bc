//! Work that one input may cause: it is cut into turns, and others come in between.

mod bed;

use bed::exchange::{QOS_0, QOS_1, SHARDS, handling, id, keeping, options, properties};
use bed::{Bed, ConnectOptions, V5};
use columba_broker::outcome::Outcome;
use columba_codec::packet::{Publish, RetainHandling};
use columba_codec::{Packet, Properties, PropertyId, Value};

/// Topics, of which the last in order matches `+/x`.
fn fill(bed: &mut Bed, count: usize) {
    let publisher = bed.connect(V5, "filler");
    for number in 0..count {
        bed.retain(publisher, &format!("a{number:06}/b"), b"no", QOS_0);
    }
    bed.retain(publisher, "z/x", b"yes", QOS_0);
    bed.disconnect(publisher);
}

#[test]
fn a_long_scan_of_retained_messages_lets_others_come_in_between() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        fill(&mut bed, 20_000);
        let client = bed.connect(V5, "client");
        let other = bed.connect(V5, "other");
        bed.is_work_held = true;
        bed.subscribe(client, "+/x", QOS_0);
        assert!(bed.take(client).bytes.is_empty(), "the scan was not cut");
        let mut turns = 0;
        let mut found = Vec::new();
        while bed.turn() {
            turns += 1;
            bed.publish(other, "t", b"x", QOS_1);
            assert!(!bed.take(other).bytes.is_empty(), "the other one waits");
            found.extend(bed.payloads(client));
        }
        assert_eq!(found, ["yes"]);
        assert!(turns > 5, "{turns} turns");
        bed.check_books();
    }
}

#[test]
fn a_subscribe_of_many_filters_is_bounded_in_all_not_filter_by_filter() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = 50);
        fill(&mut bed, 300);
        let client = bed.connect(V5, "client");
        bed.is_work_held = true;
        let filters: Vec<String> = (0..100).map(|number| format!("+/x{number}")).collect();
        let wanted: Vec<_> = filters
            .iter()
            .map(|filter| (filter.as_str(), options(QOS_0)))
            .collect();
        bed.send_subscribe(client, id(9), &wanted, Properties::EMPTY);
        bed.take(client);
        let mut turns = 0;
        while bed.turn() {
            turns += 1;
        }
        // Each filter looks at 300 topics, and three shards share them.
        assert!(turns > 100 * 300 / 50 / 3, "{turns} turns");
        assert!(bed.payloads(client).is_empty());
    }
}

#[test]
fn what_is_published_during_a_scan_comes_once_and_never_older_after_newer() {
    // [MQTT-4.6.0-5] [MQTT-v311-4.6.0-6]
    for shards in SHARDS {
        for steps in [1, 2, 7, 40] {
            let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = steps);
            let publisher = bed.connect(V5, "publisher");
            let topics: Vec<String> = (0..40).map(|number| format!("t{number:02}/x")).collect();
            for topic in &topics {
                bed.retain(publisher, topic, b"0", QOS_1);
                bed.retain(publisher, &topic.replace('x', "y"), b"no", QOS_1);
            }
            let client = bed.connect(V5, "client");
            bed.is_work_held = true;
            bed.subscribe(client, "+/x", QOS_0);
            let mut arrived = bed.arrivals(client);
            let mut count = 0;
            while bed.turn() {
                // Both what was scanned already and what was not is replaced.
                for topic in [&topics[count * 7 % 40], &topics[count * 11 % 40]] {
                    count += 1;
                    bed.is_mail_held = count % 3 == 0;
                    bed.retain(publisher, topic, count.to_string().as_bytes(), QOS_1);
                }
                arrived.extend(bed.arrivals(client));
            }
            bed.release_mail();
            while bed.turn() {}
            arrived.extend(bed.arrivals(client));
            for topic in &topics {
                let values: Vec<u32> = arrived
                    .iter()
                    .filter(|one| one.topic == *topic)
                    .map(|one| one.payload.parse().expect("a number"))
                    .collect();
                assert!(!values.is_empty(), "{topic} is lost");
                assert!(values.is_sorted(), "{topic} goes back: {values:?}");
            }
            bed.check_books();
        }
    }
}

#[test]
fn an_unsubscribe_while_a_page_is_on_its_way_does_not_hold_up_the_next_replay() {
    // [MQTT-3.10.4-2]
    for wait in 0..40 {
        let mut bed = Bed::with(3, |limits| limits.retained_steps_max = 10);
        fill(&mut bed, 300);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "q/1", b"found", QOS_0);
        let client = bed.connect(V5, "client");
        bed.is_work_held = true;
        bed.subscribe(client, "+/nothing", QOS_0);
        bed.subscribe(client, "q/+", QOS_0);
        for _ in 0..wait {
            bed.turn();
        }
        bed.is_mail_held = true;
        bed.turn();
        bed.send_unsubscribe(client, id(9), &["+/nothing"]);
        bed.release_mail();
        while bed.turn() {}
        assert_eq!(bed.payloads(client), ["found"], "after {wait} turns");
    }
}

#[test]
fn a_scan_ends_with_its_subscription_and_with_its_session() {
    // [MQTT-3.10.4-2] [MQTT-v311-3.10.4-2]
    for shards in SHARDS {
        for leaves in [true, false] {
            let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = 10);
            fill(&mut bed, 3000);
            let client = bed.connect(V5, "client");
            bed.is_work_held = true;
            bed.subscribe(client, "+/x", QOS_0);
            assert!(bed.turn() && bed.turn());
            if leaves {
                bed.disconnect(client);
            } else {
                assert_eq!(bed.unsubscribe(client, "+/x"), [0]);
            }
            let mut turns = 0;
            while bed.turn() {
                turns += 1;
            }
            assert!(turns <= 3, "{turns} turns for nobody");
            assert!(bed.payloads(client).is_empty());
        }
    }
}

#[test]
fn a_client_that_takes_no_more_does_not_keep_the_shard_busy() {
    // [MQTT-3.3.4-9]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = 10);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..200 {
            bed.retain(publisher, &format!("t/{number}"), b"x", QOS_1);
        }
        let options =
            ConnectOptions::new(V5, "client").property(PropertyId::ReceiveMaximum, Value::U16(7));
        let client = bed.connect_with(&options);
        bed.is_work_held = true;
        bed.subscribe(client, "t/#", QOS_1);
        let mut turns = 0;
        while bed.turn() {
            turns += 1;
            assert!(turns < 1000, "it spins");
        }
        bed.is_work_held = false;
        assert_eq!(bed.finish(client).len(), 200);
    }
}

/// All filters of so many levels that are `a` or `+`.
fn combinations(levels: usize) -> impl Iterator<Item = String> {
    (1..1usize << levels).map(move |number| {
        let level = |at| if number >> at & 1 == 1 { "+" } else { "a" };
        (0..levels).map(level).collect::<Vec<_>>().join("/")
    })
}

/// As many PUBLISH packets of QoS 1 to a topic that they all match.
fn costly_messages(levels: usize, count: u16) -> Vec<u8> {
    let topic = vec!["a"; levels].join("/");
    let mut bytes = Vec::new();
    for number in 1..=count {
        let payload = number.to_string();
        let publish = Publish {
            dup: false,
            qos: QOS_1,
            retain: false,
            topic: &topic,
            packet_id: Some(id(number)),
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        };
        Packet::Publish(publish)
            .encode(V5, &mut bytes)
            .expect("it encodes");
    }
    bytes
}

#[test]
fn messages_that_match_very_many_filters_let_others_come_in_between() {
    // [MQTT-4.6.0-5]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let client = bed.connect(V5, "client");
        for filter in combinations(11) {
            bed.subscribe(client, &filter, QOS_0);
        }
        let sender = bed.connect(V5, "sender");
        let other = bed.connect(V5, "other");
        bed.is_work_held = true;
        bed.send_raw(sender, &costly_messages(11, 100));
        // What comes behind them waits for them.
        bed.send(sender, &Packet::PingReq);
        let mut answers = bed.take(sender).packets().len();
        assert!((1..10).contains(&answers), "{answers} at once");
        let mut turns = 0;
        while bed.turn() {
            turns += 1;
            bed.publish(other, "t", b"x", QOS_1);
            assert!(!bed.take(other).bytes.is_empty(), "the other one waits");
            answers += bed.take(sender).packets().len();
        }
        assert!(turns > 10, "{turns} turns");
        assert_eq!(answers, 101);
        let expected: Vec<_> = (1..=100).map(|number: u16| number.to_string()).collect();
        assert_eq!(bed.payloads(client), expected);
        bed.check_books();
    }
}

#[test]
fn a_client_that_goes_while_its_messages_wait_leaves_nothing_behind() {
    // [MQTT-3.14.4-3]
    for shards in SHARDS {
        for disconnects in [true, false] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(V5, "client");
            for filter in combinations(11) {
                bed.subscribe(client, &filter, QOS_0);
            }
            let options = ConnectOptions::new(V5, "sender").will("w", b"", QOS_0, false);
            let sender = bed.connect_with(&options);
            bed.is_work_held = true;
            bed.send_raw(sender, &costly_messages(11, 100));
            if disconnects {
                bed.disconnect(sender);
            } else {
                bed.drop_connection(sender);
            }
            while bed.turn() {}
            // A DISCONNECT has its place behind them; a connection that is lost takes them along.
            assert_eq!(bed.payloads(client).len() == 100, disconnects);
            let wills = bed.outcome(Outcome::WillPublished);
            assert_eq!(wills, u64::from(!disconnects));
            bed.check_books();
            bed.check_gauges();
        }
    }
}

#[test]
fn a_member_of_many_groups_comes_and_goes_with_a_letter_a_shard() {
    let mut bed = Bed::with(3, |limits| limits.takeover_delay_ms_max = 0);
    let options = keeping(V5, "member").clean(false);
    let mut member = bed.connect_with(&options);
    for number in 0..500 {
        bed.subscribe(member, &format!("$share/g{number}/t{number}"), QOS_1);
    }
    bed.is_mail_held = true;
    for takeovers in 1..=10 {
        member = bed.connect_with(&options);
        let letters = bed.letters_held();
        // To two other shards: that it went, and that it came.
        assert!(letters <= takeovers * 4, "{letters} letters");
    }
    bed.release_mail();
    let publisher = bed.connect(V5, "publisher");
    for number in 0..500 {
        bed.publish(publisher, &format!("t{number}"), b"x", QOS_0);
    }
    assert_eq!(bed.finish(member).len(), 500);
    bed.check_books();
}

#[test]
fn a_member_that_left_some_of_its_groups_is_known_to_be_away_in_the_others() {
    // [MQTT-4.8.2-4]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let options = keeping(V5, "away").clean(false);
        let away = bed.connect_with(&options);
        let stays = bed.connect(V5, "stays");
        for number in 0..30 {
            let filter = format!("$share/g{number}/t{number}");
            bed.subscribe(away, &filter, QOS_0);
            bed.subscribe(stays, &filter, QOS_0);
            if number % 2 == 0 {
                bed.unsubscribe(away, &filter);
                bed.subscribe(away, &filter, QOS_0);
            } else if number % 3 == 0 {
                bed.unsubscribe(away, &filter);
            }
        }
        bed.drop_connection(away);
        let publisher = bed.connect(V5, "publisher");
        for number in 0..30 {
            for _ in 0..2 {
                bed.publish(publisher, &format!("t{number}"), b"x", QOS_0);
            }
        }
        assert_eq!(bed.payloads(stays).len(), 60);
        let away = bed.connect_with(&options);
        for _ in 0..2 {
            bed.publish(publisher, "t2", b"x", QOS_0);
        }
        assert_eq!(bed.payloads(away).len(), 1, "it is back");
        bed.check_books();
    }
}

#[test]
fn what_an_unsubscribe_ends_before_the_suback_gets_no_retained_messages() {
    // [MQTT-3.10.4-2] [MQTT-v311-3.10.4-2]
    let resubscribes = [
        (None, 0),
        (Some(RetainHandling::DoNotSend), 0),
        (Some(RetainHandling::Send), 1),
    ];
    for (resubscribe, expected) in resubscribes {
        let mut bed = Bed::new(3);
        let publisher = bed.connect(V5, "publisher");
        bed.retain(publisher, "t/1", b"kept", QOS_0);
        bed.retain(publisher, "other", b"too", QOS_0);
        let client = bed.connect(V5, "client");
        bed.is_mail_held = true;
        let wanted = [("t/+", options(QOS_0)), ("other", options(QOS_0))];
        bed.send_subscribe(client, id(1), &wanted, Properties::EMPTY);
        bed.send_unsubscribe(client, id(2), &["t/+"]);
        if let Some(retain_handling) = resubscribe {
            let wanted = [("t/+", handling(QOS_0, retain_handling))];
            bed.send_subscribe(client, id(3), &wanted, Properties::EMPTY);
        }
        bed.release_mail();
        let mut payloads = bed.payloads(client);
        payloads.sort();
        let kept = ["kept"].iter().take(expected);
        let all: Vec<_> = kept.chain(&["too"]).copied().collect();
        assert_eq!(payloads, all, "{resubscribe:?}");
        // The next one starts anew.
        bed.unsubscribe(client, "t/+");
        bed.subscribe(client, "t/+", QOS_0);
        assert_eq!(bed.payloads(client), ["kept"]);
    }
}

#[test]
fn subscribing_and_unsubscribing_during_a_scan_piles_up_no_work() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = 10);
        fill(&mut bed, 500);
        let client = bed.connect(V5, "client");
        bed.is_work_held = true;
        for _ in 0..300 {
            bed.subscribe(client, "+/x", QOS_0);
            bed.unsubscribe(client, "+/x");
        }
        let mut turns = 0;
        while bed.turn() {
            turns += 1;
        }
        assert!(turns <= 5, "{turns} turns for nobody");
    }
}

#[test]
fn retained_messages_that_expire_together_leave_in_turns() {
    // [MQTT-3.3.2-5]
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| limits.retained_steps_max = 10);
        let publisher = bed.connect(V5, "publisher");
        let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(5))]);
        for number in 0..200 {
            let topic = format!("t/{number}");
            let expiry = expiry.as_properties();
            bed.publish_with(publisher, &topic, b"x", QOS_0, true, expiry);
        }
        bed.retain(publisher, "t/stays", b"x", QOS_0);
        bed.is_work_held = true;
        bed.advance(4_999);
        assert_eq!(bed.stats().retained_messages, 201);
        bed.pass(1);
        let mut turns = 0;
        while bed.turn() {
            turns += 1;
            let left = bed.stats().retained_messages;
            assert!(
                left + turns * 10 * u64::from(shards) >= 201,
                "{left} left after {turns}"
            );
        }
        assert!(turns >= 200 / 10 / u64::from(shards));
        assert_eq!(bed.stats().retained_messages, 1);
        assert_eq!(bed.outcome(Outcome::RetainedExpired), 200);
    }
}
