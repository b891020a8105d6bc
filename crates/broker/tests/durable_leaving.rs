//! CONNACK of a new session waits until the one before it is gone from the disk.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS, id, keeping};
use bed::{Bed, ClientIx, ConnectOptions, V5, V311};
use columba_broker::event::Command;
use columba_broker::limits::Promise;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Condition, Request};
use columba_codec::{Packet, PacketType};

fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

/// Somebody who is away, with a subscription, a message that waits and a QoS 2 message of its own that
/// was not released.
fn with_absent(shards: u16) -> Bed {
    let mut bed = Bed::durable(shards);
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "t/#", QOS_2);
    bed.publish_as(absent, "t/own", b"own", id(7));
    bed.disconnect(absent);
    let publisher = bed.connect(V5, "publisher");
    bed.publish(publisher, "t/1", b"x", QOS_1);
    bed
}

/// Connects without a clean start and says whether a session was there.
fn finds_session(bed: &mut Bed) -> bool {
    let (_, inbox) = bed.connect_raw(&keeping(V5, "absent").clean(false));
    match inbox.packets().first() {
        Some(Packet::ConnAck(ack)) => ack.session_present,
        other => panic!("{other:?}"),
    }
}

fn end_by_operator(bed: &mut Bed) {
    bed.command(Command::Disconnect {
        client_id: "absent".into(),
        end_session: true,
    });
}

/// After a crash it might be there again.
#[test]
fn an_operator_is_told_that_there_is_nothing_to_end_once_that_is_on_the_disk() {
    for shards in SHARDS {
        let mut bed = with_absent(shards);
        let other = bed.connect_keeping(V5, "other");
        bed.subscribe(other, "o", QOS_1);
        bed.retain(other, "r", b"retained", QOS_1);
        bed.store.is_held = true;
        let requests = [
            (
                "absent",
                Request::Disconnect {
                    client_id: "absent".into(),
                    end_session: true,
                    operator: "user ann".into(),
                },
            ),
            (
                "other",
                Request::Unsubscribe {
                    client_id: "other".into(),
                    filter: "o".into(),
                    operator: "user ann".into(),
                },
            ),
            (
                "r",
                Request::ClearRetained {
                    topic: "r".into(),
                    condition: Condition::None,
                    operator: "user ann".into(),
                },
            ),
        ];
        let mut ask = |(name, request): &(&str, Request)| {
            let home = columba_broker::home_of(42, name, shards);
            bed.ask(home.index(), request.clone())
        };
        let first = requests.each_ref().map(&mut ask);
        let second = requests.each_ref().map(&mut ask);
        assert!(bed.answers.is_empty(), "{:?}", bed.answers);
        bed.release_store();
        let told = |id| bed.answers.iter().find(|(of, _)| *of == id);
        for (first, second) in first.into_iter().zip(second) {
            assert!(matches!(told(first), Some((_, Answer::Done))));
            assert!(matches!(told(second), Some((_, Answer::Missing))));
        }
    }
}

#[test]
fn a_session_that_was_left_behind_does_not_come_back() {
    // MQTT-3.1.2-4
    for shards in SHARDS {
        for version in [V311, V5] {
            let mut bed = with_absent(shards);
            bed.store.is_held = true;
            let (client, inbox) = bed.connect_raw(&ConnectOptions::new(version, "absent"));
            assert!(inbox.bytes.is_empty(), "{:?}", inbox.packets());
            // What comes behind the CONNECT waits with it.
            bed.publish(client, "t/2", b"y", QOS_1);
            assert_eq!(types(&mut bed, client), []);
            bed.release_store();
            let answers = [PacketType::ConnAck, PacketType::PubAck];
            assert_eq!(types(&mut bed, client), answers);
            bed.crash(shards);
            assert!(!finds_session(&mut bed));
            bed.check_books();
        }
    }
}

#[test]
fn a_packet_id_that_a_session_before_had_received_is_not_taken_for_a_repetition() {
    for shards in SHARDS {
        let mut bed = with_absent(shards);
        let reader = bed.connect_keeping(V5, "reader");
        bed.subscribe(reader, "t/#", QOS_2);
        bed.store.is_held = true;
        let (client, _) = bed.connect_raw(&keeping(V5, "absent"));
        // Commits no more than it takes for CONNACK.
        while types(&mut bed, client).is_empty() {
            assert!(bed.commit_next());
        }
        bed.crash(shards);
        bed.release_store();
        assert!(!finds_session(&mut bed));
        let client = bed.resume(V5, "absent");
        bed.publish_as(client, "t/new", b"new", id(7));
        let reader = bed.resume(V5, "reader");
        let arrived = bed.finish(reader);
        assert!(arrived.iter().any(|of| of.payload == "new"), "{arrived:?}");
    }
}

#[test]
fn a_session_that_has_ended_in_another_way_is_waited_for_as_well() {
    for shards in SHARDS {
        let mut bed = with_absent(shards);
        bed.store.is_held = true;
        end_by_operator(&mut bed);
        // It is gone, and CONNACK would say so.
        let (_, inbox) = bed.connect_raw(&keeping(V5, "absent").clean(false));
        assert!(inbox.bytes.is_empty());
        bed.crash(shards);
        bed.release_store();
        // Nobody was told, so it may be there.
        assert!(finds_session(&mut bed));
        bed.store.is_held = true;
        end_by_operator(&mut bed);
        let (client, _) = bed.connect_raw(&keeping(V5, "absent").clean(false));
        bed.release_store();
        assert_eq!(types(&mut bed, client), [PacketType::ConnAck]);
        assert_eq!(bed.outcome(Outcome::ConnectStoreWait), 1);
    }
}

/// Its client took it up again to end with the connection, and comes on another one.
#[test]
fn a_session_that_ends_because_its_connection_is_taken_over_is_waited_for_as_well() {
    for shards in SHARDS {
        let mut bed = with_absent(shards);
        let options = ConnectOptions::new(V5, "absent").clean(false);
        bed.connect_raw(&options);
        bed.store.is_held = true;
        let (client, inbox) = bed.connect_raw(&keeping(V5, "absent").clean(false));
        assert!(inbox.bytes.is_empty());
        bed.release_store();
        assert_eq!(types(&mut bed, client), [PacketType::ConnAck]);
        assert_eq!(bed.outcome(Outcome::ConnectStoreWait), 1);
        bed.check_books();
    }
}

/// Its record was written just before it ended, so that it goes later than the rest could.
#[test]
fn a_session_that_has_not_ended_on_disk_is_there_with_all_it_had() {
    for shards in SHARDS {
        let commits = {
            let mut bed = ending_while_behind(shards);
            std::iter::from_fn(|| bed.commit_next().then_some(())).count()
        };
        assert!(commits > 1, "{commits}");
        for survived in 0..=commits {
            let mut bed = ending_while_behind(shards);
            for _ in 0..survived {
                bed.commit_next();
            }
            let counts = bed.crash(shards);
            bed.release_store();
            let whole = (counts.sessions, counts.subscriptions);
            if counts.sessions < 2 {
                assert_eq!(whole, (1, 1), "after {survived} of {commits} commits");
                continue;
            }
            assert_eq!(whole, (2, 2), "after {survived} of {commits} commits");
            let absent = bed.resume(V5, "absent");
            bed.publish_as(absent, "t/own", b"own", id(7));
            let reader = bed.resume(V5, "reader");
            let arrived = bed.finish(reader);
            let own = arrived.iter().filter(|of| of.payload == "own").count();
            assert_eq!(own, 1, "after {survived} of {commits} commits");
        }
    }
}

/// A session ends while what was saved of it last is on its way to the disk.
fn ending_while_behind(shards: u16) -> Bed {
    let mut bed = Bed::durable(shards);
    let reader = bed.connect_keeping(V5, "reader");
    bed.subscribe(reader, "t/#", QOS_2);
    bed.disconnect(reader);
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "other", QOS_2);
    bed.publish_as(absent, "t/own", b"own", id(7));
    bed.store.is_held = true;
    bed.disconnect(absent);
    end_by_operator(&mut bed);
    bed
}

#[test]
fn of_two_connections_that_wait_the_newer_one_comes_in() {
    // MQTT-3.1.4-3
    let mut bed = with_absent(1);
    bed.store.is_held = true;
    let (older, _) = bed.connect_raw(&ConnectOptions::new(V5, "absent"));
    let (newer, _) = bed.connect_raw(&keeping(V5, "absent"));
    assert!(bed.is_closed(older) && !bed.is_closed(newer));
    assert_eq!(bed.outcome(Outcome::ConnectTakenOver), 1);
    bed.release_store();
    assert_eq!(types(&mut bed, newer), [PacketType::ConnAck]);
    // One that has gone meanwhile is not waited for, nor does it come in.
    bed.store.is_held = true;
    let (third, _) = bed.connect_raw(&keeping(V5, "absent"));
    bed.drop_connection(third);
    bed.release_store();
    assert!(!finds_session(&mut bed));
}

#[test]
fn who_waits_too_long_is_told_off_and_may_try_again() {
    let mut bed = with_absent(1);
    bed.store.is_held = true;
    let (client, _) = bed.connect_raw(&ConnectOptions::new(V5, "absent"));
    bed.advance(60_000);
    assert!(bed.is_closed(client));
    assert_eq!(bed.outcome(Outcome::ConnectTimeout), 1);
    bed.release_store();
    assert!(!finds_session(&mut bed));
}

/// Nothing that was acknowledged need be there after a crash; packet ids that nobody knows of must not.
#[test]
fn where_nothing_is_promised_what_was_left_behind_does_not_come_back_either() {
    for shards in SHARDS {
        for promise in [Promise::Nothing, Promise::Written] {
            let mut bed = with_absent(shards);
            bed.promise(promise);
            bed.store.is_held = true;
            let clean = ConnectOptions::new(V5, "absent");
            let (older, _) = bed.connect_raw(&clean);
            let (newer, inbox) = bed.connect_raw(&clean);
            assert!(inbox.packets().is_empty());
            assert!(bed.is_closed(older) && !bed.is_closed(newer));
            // Commits no more than it takes for CONNACK.
            while types(&mut bed, newer).is_empty() {
                assert!(bed.commit_next());
            }
            bed.crash(shards);
            bed.release_store();
            assert!(!finds_session(&mut bed));
        }
    }
}
