//! Shared subscriptions (section 4.8.2), on one shard and on three.

mod bed;

use std::sync::Arc;

use bed::exchange::{
    Arrived, QOS_0, QOS_1, QOS_2, SHARDS, id, keeping, options, properties, rule, with_reason,
};
use bed::{Bed, ClientIx, V5, V31, V311};
use columba_broker::access::{AccessRules, Action, Actions, ClientMatch, Who};
use columba_broker::event::{Command, ReportEvent};
use columba_broker::limits::{Anonymous, Limits, ShareStrategy};
use columba_broker::outcome::Outcome;
use columba_broker::recorder::{Chunk, Line, TapeName};
use columba_codec::packet::Acknowledgement;
use columba_codec::{Packet, Properties, PropertyId, QoS, ReasonCode, Value};

/// Members of `$share/g/t` with sessions that stay, and a publisher.
fn group(bed: &mut Bed, count: usize, qos: QoS, receive_maximum: u16) -> (ClientIx, Vec<ClientIx>) {
    let publisher = bed.connect(V5, "publisher");
    let members = (0..count)
        .map(|number| {
            let name = format!("member{number}");
            let options = keeping(V5, &name)
                .property(PropertyId::ReceiveMaximum, Value::U16(receive_maximum));
            let member = bed.connect_with(&options);
            bed.subscribe(member, "$share/g/t", qos);
            member
        })
        .collect();
    (publisher, members)
}

fn counts(bed: &mut Bed, members: &[ClientIx]) -> Vec<usize> {
    members
        .iter()
        .map(|member| bed.finish(*member).len())
        .collect()
}

fn packet_id(one: &Arrived) -> columba_codec::PacketId {
    id(one.packet_id.expect("an id"))
}

#[test]
fn a_share_name_has_a_character_and_no_wildcard_and_a_filter_follows() {
    // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = Bed::new(shards);
            let client = bed.connect(version, "client");
            let failure = if version == V5 {
                ReasonCode::TopicFilterInvalid as u8
            } else {
                0x80
            };
            for filter in [
                "$share/",
                "$share//t",
                "$share/g",
                "$share/g/",
                "$share/g+/t",
                "$share/+/t",
                "$share/#/t",
                "$share/a#/t",
                "$share/g/a#",
            ] {
                let codes = bed.subscribe_with(client, filter, options(QOS_1), Properties::EMPTY);
                assert_eq!(codes, [failure], "{filter}");
            }
            assert_eq!(bed.stats().shared_subscriptions, 0);
            for filter in ["$share/g/t", "$share/g//", "$share/g/#", "$share/ü/+/t"] {
                bed.subscribe(client, filter, QOS_1);
            }
            assert_eq!(bed.stats().shared_subscriptions, 4);
        }
    }
}

#[test]
fn the_granted_qos_of_the_member_holds() {
    // [MQTT-4.8.2-3]
    for shards in SHARDS {
        for version in [V31, V311, V5] {
            for granted in [QOS_0, QOS_1, QOS_2] {
                let mut bed = Bed::new(shards);
                let publisher = bed.connect(V5, "publisher");
                let member = bed.connect(version, "member");
                bed.subscribe(member, "$share/g/t", granted);
                for published in [QOS_0, QOS_1, QOS_2] {
                    bed.publish(publisher, "t", b"x", published);
                    let arrived = bed.finish(member);
                    assert_eq!(arrived.len(), 1);
                    assert_eq!(arrived[0].qos, granted.min(published).as_u8());
                }
                bed.check_books();
            }
        }
    }
}

#[test]
fn each_group_gets_each_message_once_beside_plain_subscriptions() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let (publisher, members) = group(&mut bed, 3, QOS_1, 100);
        let mut others = Vec::new();
        for (name, filter) in [("h", "$share/h/t"), ("w", "$share/g/+"), ("p", "t")] {
            let client = bed.connect(V5, name);
            bed.subscribe(client, filter, QOS_1);
            others.push(client);
        }
        for _ in 0..9 {
            bed.publish(publisher, "t", b"x", QOS_1);
        }
        assert_eq!(counts(&mut bed, &members), [3, 3, 3]);
        assert_eq!(counts(&mut bed, &others), [9, 9, 9]);
        bed.check_books();
    }
}

#[test]
fn every_strategy_gives_each_message_to_one_member_that_can_take_it() {
    for shards in SHARDS {
        for strategy in [
            ShareStrategy::RoundRobin,
            ShareStrategy::Random,
            ShareStrategy::LeastInflight,
            ShareStrategy::Sticky,
        ] {
            let mut bed = Bed::with(shards, |limits| limits.share_strategy = strategy);
            let (publisher, members) = group(&mut bed, 4, QOS_1, 10);
            bed.drop_connection(members[1]);
            for _ in 0..30 {
                bed.publish(publisher, "t", b"x", QOS_1);
            }
            // The three that are online have room for exactly these.
            let got: Vec<usize> = members
                .iter()
                .map(|member| bed.arrivals(*member).len())
                .collect();
            assert_eq!(got, [10, 0, 10, 10], "{strategy:?} on {shards}");
            assert_eq!(bed.outcome(Outcome::DeliverInflightFull), 0);
            // Full members are still better than one that is away.
            bed.publish(publisher, "t", b"x", QOS_1);
            assert_eq!(bed.outcome(Outcome::DeliverInflightFull), 1);
            assert_eq!(bed.outcome(Outcome::DeliverOffline), 0);
            bed.check_books();
        }
    }
}

#[test]
fn round_robin_goes_in_turn() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let (publisher, members) = group(&mut bed, 3, QOS_1, 100);
        for _ in 0..3 {
            bed.publish(publisher, "t", b"x", QOS_1);
            bed.publish(publisher, "t", b"x", QOS_1);
            bed.publish(publisher, "t", b"x", QOS_1);
            assert_eq!(counts(&mut bed, &members), [1, 1, 1]);
        }
    }
}

#[test]
fn chance_reaches_every_member() {
    for shards in SHARDS {
        let strategy = ShareStrategy::Random;
        let mut bed = Bed::with(shards, |limits| limits.share_strategy = strategy);
        let (publisher, members) = group(&mut bed, 3, QOS_0, 100);
        for _ in 0..300 {
            bed.publish(publisher, "t", b"x", QOS_0);
        }
        let counts = counts(&mut bed, &members);
        assert_eq!(counts.iter().sum::<usize>(), 300);
        assert!(
            counts.iter().all(|count| (60..140).contains(count)),
            "{counts:?}"
        );
    }
}

#[test]
fn the_member_with_the_least_in_flight_gets_the_next() {
    for shards in SHARDS {
        let strategy = ShareStrategy::LeastInflight;
        let mut bed = Bed::with(shards, |limits| limits.share_strategy = strategy);
        let (publisher, members) = group(&mut bed, 3, QOS_1, 100);
        for _ in 0..9 {
            bed.publish(publisher, "t", b"x", QOS_1);
        }
        let open: Vec<Vec<Arrived>> = members.iter().map(|member| bed.arrivals(*member)).collect();
        assert_eq!(open.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3]);
        // One has acknowledged everything, one a little.
        for one in &open[2] {
            bed.puback(members[2], packet_id(one));
        }
        bed.puback(members[0], packet_id(&open[0][1]));
        for _ in 0..3 {
            bed.publish(publisher, "t", b"x", QOS_1);
        }
        let got: Vec<usize> = members
            .iter()
            .map(|member| bed.arrivals(*member).len())
            .collect();
        assert_eq!(got[1], 0, "{got:?}");
        assert!(got[2] >= 2, "{got:?}");
    }
}

#[test]
fn a_publisher_sticks_to_its_member_while_it_can_take_more() {
    for shards in SHARDS {
        let strategy = ShareStrategy::Sticky;
        let mut bed = Bed::with(shards, |limits| limits.share_strategy = strategy);
        let (_, members) = group(&mut bed, 3, QOS_1, 5);
        let mut chosen = std::collections::BTreeSet::new();
        for number in 0..12 {
            let publisher = bed.connect(V5, &format!("publisher{number}"));
            for _ in 0..10 {
                bed.publish(publisher, "t", b"x", QOS_1);
                let got = counts(&mut bed, &members);
                let at = got.iter().position(|count| *count == 1).expect("one");
                chosen.insert((number, at));
            }
        }
        assert_eq!(chosen.len(), 12, "each has one member: {chosen:?}");
        let members_chosen: std::collections::BTreeSet<_> =
            chosen.iter().map(|(_, at)| at).collect();
        assert!(members_chosen.len() > 1, "publishers spread");
        // A full one passes on.
        let publisher = bed.connect(V5, "busy");
        for _ in 0..15 {
            bed.publish(publisher, "t", b"x", QOS_1);
        }
        let got: Vec<usize> = members
            .iter()
            .map(|member| bed.arrivals(*member).len())
            .collect();
        assert_eq!(got, [5, 5, 5]);
    }
}

#[test]
fn what_a_member_leaves_unacknowledged_goes_to_the_others() {
    for shards in SHARDS {
        for ends in [true, false] {
            let mut bed = Bed::new(shards);
            let (publisher, members) = group(&mut bed, 2, QOS_1, 3);
            for number in 0..10 {
                bed.publish(publisher, "t", number.to_string().as_bytes(), QOS_1);
            }
            let first = bed.arrivals(members[0]);
            assert_eq!(first.len(), 3);
            bed.puback(members[0], packet_id(&first[0]));
            let mut seen: Vec<String> = vec![first[0].payload.clone()];
            if ends {
                let clean = keeping(V5, "member0").clean(true);
                bed.drop_connection(members[0]);
                bed.connect_with(&clean);
            } else {
                bed.drop_connection(members[0]);
            }
            seen.extend(bed.finish(members[1]).into_iter().map(|one| one.payload));
            seen.sort();
            let all: Vec<String> = (0..10).map(|number| number.to_string()).collect();
            assert_eq!(seen, all, "ends: {ends}, {shards} shards");
            bed.check_books();
        }
    }
}

#[test]
fn messages_for_a_group_whose_members_are_all_away_wait_for_the_first_that_returns() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let (publisher, members) = group(&mut bed, 1, QOS_1, 10);
        bed.publish(publisher, "t", b"1", QOS_1);
        assert_eq!(bed.payloads(members[0]), ["1"]);
        bed.drop_connection(members[0]);
        bed.publish(publisher, "t", b"2", QOS_1);
        bed.check_books();
        let member = bed.resume(V5, "member0");
        let arrived: Vec<_> = bed
            .finish(member)
            .into_iter()
            .map(|one| one.payload)
            .collect();
        assert_eq!(arrived, ["1", "2"]);
        bed.check_books();
    }
}

#[test]
fn a_begun_qos_2_delivery_is_finished_with_its_member() {
    // [MQTT-4.8.2-4]
    for shards in SHARDS {
        for is_received in [false, true] {
            let mut bed = Bed::new(shards);
            let (publisher, members) = group(&mut bed, 2, QOS_2, 10);
            bed.publish(publisher, "t", b"1", QOS_2);
            bed.publish(publisher, "t", b"2", QOS_2);
            let first = bed.arrivals(members[0]);
            assert_eq!(first.len(), 1);
            bed.finish(members[1]);
            if is_received {
                bed.pubrec(members[0], packet_id(&first[0]));
            }
            bed.drop_connection(members[0]);
            assert!(
                bed.take(members[1]).bytes.is_empty(),
                "given to another member"
            );
            let member = bed.resume(V5, "member0");
            let inbox = bed.take(member);
            if is_received {
                let ack = Acknowledgement::success(packet_id(&first[0]));
                assert_eq!(inbox.one(), Packet::PubRel(ack));
            } else {
                let publish = inbox.one_publish();
                assert!(publish.dup);
                assert_eq!(publish.packet_id, Some(packet_id(&first[0])));
                bed.pubrec(member, packet_id(&first[0]));
                bed.take(member);
            }
            bed.pubcomp(member, packet_id(&first[0]));
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 2);
            bed.check_books();
        }
    }
}

#[test]
fn a_begun_qos_2_delivery_ends_with_its_session() {
    // [MQTT-4.8.2-5]
    for shards in SHARDS {
        for is_received in [false, true] {
            let mut bed = Bed::new(shards);
            let (publisher, members) = group(&mut bed, 2, QOS_2, 1);
            for payload in [b"1", b"2", b"3"] {
                bed.publish(publisher, "t", payload, QOS_2);
            }
            // One is begun with each member, one waits for the first.
            let first = bed.arrivals(members[0]);
            assert_eq!(first.len(), 1);
            if is_received {
                bed.pubrec(members[0], packet_id(&first[0]));
            }
            bed.drop_connection(members[0]);
            bed.connect_with(&keeping(V5, "member0").clean(true));
            let seen: Vec<_> = bed
                .finish(members[1])
                .into_iter()
                .map(|one| one.payload)
                .collect();
            assert_eq!(seen, ["2", "3"]);
            // A client that has sent PUBREC has the message.
            let lost = u64::from(!is_received);
            assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), lost);
            assert_eq!(bed.outcome(Outcome::DeliverAcked), 3 - lost);
            bed.check_books();
        }
    }
}

#[test]
fn what_a_member_refuses_is_not_given_to_another() {
    // [MQTT-4.8.2-6]
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::new(shards);
            let (publisher, members) = group(&mut bed, 2, qos, 10);
            bed.publish(publisher, "t", b"1", qos);
            let first = bed.arrivals(members[0]);
            let ack = with_reason(
                packet_id(&first[0]),
                ReasonCode::ImplementationSpecificError,
            );
            let packet = if qos == QOS_1 {
                Packet::PubAck(ack)
            } else {
                Packet::PubRec(ack)
            };
            bed.send(members[0], &packet);
            bed.drop_connection(members[0]);
            assert!(bed.take(members[1]).bytes.is_empty());
            let member = bed.resume(V5, "member0");
            assert!(bed.take(member).bytes.is_empty());
            assert_eq!(bed.outcome(Outcome::DeliverRefused), 1);
            bed.check_books();
        }
    }
}

#[test]
fn a_member_that_unsubscribes_finishes_what_it_was_sent() {
    // [MQTT-3.10.4-2] [MQTT-3.10.4-3]
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let (publisher, members) = group(&mut bed, 2, QOS_2, 2);
        for (number, qos) in [QOS_1, QOS_1, QOS_2, QOS_2, QOS_1, QOS_1]
            .into_iter()
            .enumerate()
        {
            bed.publish(publisher, "t", number.to_string().as_bytes(), qos);
        }
        // Two are begun with each, one waits for each.
        let begun = bed.arrivals(members[0]);
        let payloads: Vec<_> = begun.iter().map(|one| one.payload.as_str()).collect();
        assert_eq!(payloads, ["0", "2"]);
        bed.unsubscribe(members[0], "$share/g/t");
        let others: Vec<_> = bed
            .finish(members[1])
            .into_iter()
            .map(|one| one.payload)
            .collect();
        assert_eq!(
            others,
            ["1", "3", "5", "4"],
            "what waited for the first goes on"
        );
        bed.puback(members[0], packet_id(&begun[0]));
        bed.pubrec(members[0], packet_id(&begun[1]));
        bed.take(members[0]);
        bed.pubcomp(members[0], packet_id(&begun[1]));
        assert_eq!(bed.outcome(Outcome::DeliverAcked), 6);
        bed.publish(publisher, "t", b"x", QOS_1);
        assert!(bed.take(members[0]).bytes.is_empty());
        assert_eq!(bed.stats().shared_subscriptions, 1);
        bed.check_books();
    }
}

#[test]
fn a_member_that_unsubscribes_and_goes_leaves_its_open_messages_to_the_group() {
    for shards in SHARDS {
        for is_clean in [true, false] {
            let mut bed = Bed::new(shards);
            let (publisher, members) = group(&mut bed, 2, QOS_1, 10);
            for number in 0..4 {
                bed.publish(publisher, "t", number.to_string().as_bytes(), QOS_1);
            }
            let begun = bed.arrivals(members[0]);
            assert_eq!(begun.len(), 2);
            bed.unsubscribe(members[0], "$share/g/t");
            bed.puback(members[0], packet_id(&begun[0]));
            let mut seen: Vec<_> = bed
                .finish(members[1])
                .into_iter()
                .map(|one| one.payload)
                .collect();
            assert_eq!(seen, ["1", "3"]);
            if is_clean {
                let zero = properties(&[(PropertyId::SessionExpiryInterval, Value::U32(0))]);
                let disconnect = columba_codec::packet::Disconnect {
                    reason: ReasonCode::Success,
                    properties: zero.as_properties(),
                };
                bed.send(members[0], &Packet::Disconnect(disconnect));
            } else {
                bed.drop_connection(members[0]);
            }
            seen.extend(bed.finish(members[1]).into_iter().map(|one| one.payload));
            assert_eq!(seen, ["1", "3", "2"]);
            bed.check_books();
        }
    }
}

#[test]
fn a_group_without_members_is_gone() {
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let (publisher, members) = group(&mut bed, 2, QOS_1, 10);
        bed.unsubscribe(members[0], "$share/g/t");
        bed.disconnect(members[1]);
        bed.connect_with(&keeping(V5, "member1").clean(true));
        bed.publish(publisher, "t", b"x", QOS_1);
        match bed.take(publisher).one() {
            Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::NoMatchingSubscribers),
            other => panic!("{other:?}"),
        }
        assert_eq!(bed.stats().copies, 0);
        assert_eq!(bed.stats().shared_subscriptions, 0);
    }
}

/// A bed whose members with these names may not receive what their group gets.
fn bed_denying(shards: u16, strategy: ShareStrategy, denied: &[String]) -> Bed {
    let rules = denied.iter().map(|name| {
        let mut rule = rule(false, &[Action::Receive], "t");
        rule.who = Who {
            clients: vec![ClientMatch::Is(name.as_str().into())],
            ..Who::default()
        };
        rule
    });
    let access = AccessRules::new(rules.collect(), Actions::ALL);
    let limits = Limits {
        sys_interval_ms: 0,
        share_strategy: strategy,
        ..Limits::default()
    };
    Bed::build(shards, limits, access, Anonymous::Always)
}

#[test]
fn a_copy_goes_to_a_member_that_may_receive_it() {
    // [MQTT-4.8.2-4]
    let denied = ["member0".to_owned(), "member2".to_owned()];
    for shards in SHARDS {
        for strategy in [
            ShareStrategy::RoundRobin,
            ShareStrategy::Random,
            ShareStrategy::LeastInflight,
            ShareStrategy::Sticky,
        ] {
            let mut bed = bed_denying(shards, strategy, &denied);
            let (publisher, members) = group(&mut bed, 4, QOS_1, 1);
            for _ in 0..12 {
                bed.publish(publisher, "t", b"x", QOS_1);
            }
            let counts = counts(&mut bed, &members);
            assert_eq!((counts[0], counts[2]), (0, 0), "{strategy:?}");
            assert_eq!(counts[1] + counts[3], 12, "{strategy:?}");
            assert_eq!(bed.outcome(Outcome::DeliverDeniedRead), 0);
            bed.check_books();
            // What they did not take does not count against them.
            bed.command(Command::SetAccess(AccessRules::allow_all().into()));
            for _ in 0..4 {
                bed.publish(publisher, "t", b"x", QOS_1);
            }
            if strategy != ShareStrategy::Sticky {
                let each: Vec<usize> = members.iter().map(|m| bed.arrivals(*m).len()).collect();
                assert_eq!(each, [1; 4], "{strategy:?}");
            }
        }
    }
}

#[test]
fn a_copy_that_no_member_may_receive_is_dropped_once_and_told() {
    for shards in SHARDS {
        for count in [1, 3, 200] {
            let denied: Vec<String> = (0..count).map(|n| format!("member{n}")).collect();
            let mut bed = bed_denying(shards, ShareStrategy::RoundRobin, &denied);
            let (publisher, members) = group(&mut bed, count, QOS_1, 10);
            bed.publish(publisher, "t", b"x", QOS_1);
            bed.publish(publisher, "t", b"x", QOS_0);
            assert!(counts(&mut bed, &members).iter().all(|got| *got == 0));
            assert_eq!(bed.outcome(Outcome::DeliverDeniedRead), 2);
            assert_eq!(bed.stats().copies, 2);
            let is_told = |event: &ReportEvent| {
                matches!(event, ReportEvent::Withheld { outcome, topic, .. }
                    if *outcome == Outcome::DeliverDeniedRead && topic == "t")
            };
            let told = bed.reports.iter().filter(|report| is_told(&report.event));
            assert_eq!(told.count(), 2);
            bed.check_books();
        }
    }
}

#[test]
fn copies_that_no_member_of_two_groups_may_receive_are_written_once_for_each_and_counted() {
    for shards in SHARDS {
        let denied = ["one".to_owned(), "two".to_owned()];
        let mut bed = bed_denying(shards, ShareStrategy::RoundRobin, &denied);
        for member in &denied {
            let client = bed.connect(V5, member);
            bed.subscribe(client, &format!("$share/{member}/t"), QOS_1);
        }
        let publisher = bed.connect(V5, "publisher");
        for _ in 0..50 {
            bed.publish(publisher, "t", b"x", QOS_0);
        }
        assert_eq!(bed.outcome(Outcome::DeliverDeniedRead), 100);
        let mut events: Vec<(String, u64)> = Vec::new();
        for recording in bed.recordings() {
            let events_only = |chunk: &&Arc<Chunk>| chunk.tape() == TapeName::Events;
            for chunk in recording.chunks.iter().filter(events_only) {
                for line in chunk.entries() {
                    match line.expect("a line") {
                        Line::Entry(entry) if entry.outcome == Outcome::DeliverDeniedRead => {
                            events.push((entry.facts.detail.to_owned(), entry.times));
                        }
                        Line::Entry(_) | Line::Gap { .. } => {}
                    }
                }
            }
        }
        events.sort();
        let said =
            |group: &str| format!("$share/{group}/t has no member that may receive it (1 asked)");
        let expected = ["one", "two"].map(|group| [1, 49].map(|times| (said(group), times)));
        assert_eq!(events, expected.concat(), "{shards} shards");
    }
}
