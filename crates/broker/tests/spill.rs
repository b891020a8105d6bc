//! A backlog larger than memory: what is put out, and how it comes back.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS, properties};
use bed::{Bed, ClientIx, ConnectOptions, V5};
use columba_broker::event::{Command, ReportEvent};
use columba_broker::outcome::Outcome;
use columba_codec::{PropertyId, QoS, Value};

/// What is in memory of what waits, in the beds of these tests.
const MEMORY_BYTES: usize = 1_000;
const PAYLOAD_BYTES: usize = 100;

/// A bed with a publisher and a subscriber that is away and keeps its session.
fn with_absent(shards: u16, qos: QoS) -> (Bed, ClientIx) {
    let mut bed = Bed::with(shards, |limits| {
        limits.queue_memory_bytes_max = MEMORY_BYTES
    });
    bed = bed.with_store();
    keep_absent(&mut bed, "absent", "t/#", qos);
    let publisher = bed.connect_keeping(V5, "publisher");
    (bed, publisher)
}

fn keep_absent(bed: &mut Bed, client_id: &str, filter: &str, qos: QoS) {
    let absent = bed.connect_keeping(V5, client_id);
    bed.subscribe(absent, filter, qos);
    bed.disconnect(absent);
}

fn text(n: usize) -> String {
    format!("{n:0>PAYLOAD_BYTES$}")
}

fn texts(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(text).collect()
}

fn publish(bed: &mut Bed, publisher: ClientIx, topic: &str, numbers: impl Iterator<Item = usize>) {
    for n in numbers {
        bed.publish(publisher, topic, text(n).as_bytes(), QOS_1);
    }
}

fn payloads(arrived: &[bed::exchange::Arrived]) -> Vec<String> {
    arrived.iter().map(|of| of.payload.clone()).collect()
}

/// What was said to be lost: topic and detail.
fn losses(bed: &Bed) -> Vec<(String, String)> {
    let lost = bed.reports.iter().filter_map(|report| match &report.event {
        ReportEvent::Withheld {
            outcome: Outcome::DeliverStoreLost,
            topic,
            detail,
        } => Some((topic.clone(), detail.clone())),
        _ => None,
    });
    lost.collect()
}

#[test]
fn a_backlog_is_in_memory_up_to_the_bound_and_arrives_whole_and_in_order() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let (mut bed, publisher) = with_absent(shards, qos);
            for n in 0..500 {
                let payload = text(n);
                if qos == QOS_2 {
                    bed.publish_exactly_once(publisher, "t/x", payload.as_bytes());
                } else {
                    bed.publish(publisher, "t/x", payload.as_bytes(), qos);
                }
                assert!(bed.stats().queued_bytes_in_memory <= MEMORY_BYTES as u64);
            }
            let stats = bed.stats();
            assert_eq!(stats.queued_messages, 500);
            assert!(stats.queued_bytes >= 500 * PAYLOAD_BYTES as u64);
            assert!(stats.queued_bytes_in_memory > (MEMORY_BYTES - PAYLOAD_BYTES) as u64);
            bed.check_gauges();
            let subscriber = bed.resume(V5, "absent");
            assert_eq!(payloads(&bed.finish(subscriber)), texts(0..500));
            // Ten were there.
            assert_eq!(bed.outcome(Outcome::DeliverFetching), 490);
            bed.check_books();
            bed.check_gauges();
            assert_eq!(bed.stats().queued_bytes_in_memory, 0);
        }
    }
}

#[test]
fn what_waits_for_many_sessions_is_in_memory_once_and_read_once_for_those_who_wait() {
    let (mut bed, publisher) = with_absent(1, QOS_1);
    for n in 0..9 {
        keep_absent(&mut bed, &format!("other {n}"), "t/#", QOS_1);
    }
    publish(&mut bed, publisher, "t/x", 0..5);
    assert_eq!(bed.stats().queued_messages, 50);
    assert_eq!(bed.stats().queued_bytes_in_memory, 5 * PAYLOAD_BYTES as u64);
    publish(&mut bed, publisher, "t/x", 5..20);
    bed.crash(1);
    assert_eq!(bed.stats().queued_bytes_in_memory, 0, "all are out");
    bed.store.is_reading_held = true;
    bed.store.reads = 0;
    let mut clients = vec![bed.resume(V5, "absent")];
    clients.extend((0..9).map(|n| bed.resume(V5, &format!("other {n}"))));
    assert_eq!(bed.reading(), 10, "as many as fit");
    while bed.reading() > 0 {
        bed.release_reading();
    }
    for client in clients {
        assert_eq!(payloads(&bed.finish(client)), texts(0..20));
    }
    assert!(bed.store.reads < 40, "{}", bed.store.reads);
    bed.check_books();
    bed.check_gauges();
}

#[test]
fn a_single_message_larger_than_the_bound_comes_back() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        let large = "x".repeat(5 * MEMORY_BYTES);
        for _ in 0..3 {
            bed.publish(publisher, "t/x", large.as_bytes(), QOS_1);
        }
        assert_eq!(bed.stats().queued_bytes_in_memory, 0);
        let subscriber = bed.resume(V5, "absent");
        assert_eq!(bed.finish(subscriber).len(), 3);
        bed.check_gauges();
    }
}

/// Whoever reads ahead would read anew what was put out for the one that needs a message, for ever.
#[test]
fn nobody_reads_ahead_while_somebody_waits_for_a_message_that_it_needs() {
    let (mut bed, publisher) = with_absent(1, QOS_1);
    keep_absent(&mut bed, "large", "large", QOS_1);
    publish(&mut bed, publisher, "t/x", 0..50);
    let large = vec![b'x'; 2 * MEMORY_BYTES];
    bed.publish(publisher, "large", &large, QOS_1);
    bed.crash(1);
    bed.store.is_reading_held = true;
    let one_at_a_time = ConnectOptions::new(V5, "absent").clean(false);
    let one_at_a_time = one_at_a_time
        .property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX))
        .property(PropertyId::ReceiveMaximum, Value::U16(1));
    let slow = bed.connect_with(&one_at_a_time);
    let reader = bed.resume(V5, "large");
    for _ in 0..100 {
        bed.read_one();
        bed.release_mail();
    }
    assert_eq!(bed.reading(), 0, "reading ends");
    assert_eq!(bed.payloads(reader).len(), 1);
    bed.release_reading();
    assert_eq!(payloads(&bed.finish(slow)), texts(0..50));
    bed.check_books();
    bed.check_gauges();
}

#[test]
fn live_messages_wait_behind_those_that_are_read_back() {
    // MQTT-4.6.0-5
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        publish(&mut bed, publisher, "t/x", 0..30);
        bed.store.is_reading_held = true;
        let subscriber = bed.resume(V5, "absent");
        publish(&mut bed, publisher, "t/x", 30..40);
        // Those that were in memory.
        assert_eq!(payloads(&bed.finish(subscriber)), texts(0..10));
        bed.release_reading();
        assert_eq!(payloads(&bed.finish(subscriber)), texts(10..40));
        bed.check_books();
    }
}

#[test]
fn a_message_that_expires_while_it_is_out_is_dropped_unread() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        let expiry = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(10))]);
        for n in 0..30 {
            let payload = text(n);
            if n % 2 == 0 {
                let packet = bed::exchange::id(n as u16 + 1);
                bed.publish_expiring(publisher, "t/x", payload.as_bytes(), packet, &expiry);
            } else {
                bed.publish(publisher, "t/x", payload.as_bytes(), QOS_1);
            }
        }
        bed.advance(11_000);
        let subscriber = bed.resume(V5, "absent");
        let odd = (0..30).filter(|n| n % 2 == 1);
        assert_eq!(payloads(&bed.finish(subscriber)), texts(odd));
        assert_eq!(bed.outcome(Outcome::DeliverExpired), 15);
        bed.check_books();
        bed.check_gauges();
    }
}

#[test]
fn what_cannot_be_read_is_dropped_with_its_place_and_the_rest_goes_on() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        publish(&mut bed, publisher, "t/x", 0..30);
        let broken: Vec<u64> = [15, 16, 29]
            .iter()
            .map(|n| bed.position_of(text(*n).as_bytes()))
            .collect();
        bed.store.unreadable.extend(&broken);
        let subscriber = bed.resume(V5, "absent");
        let sound = (0..30).filter(|n| ![15, 16, 29].contains(n));
        assert_eq!(payloads(&bed.finish(subscriber)), texts(sound));
        assert_eq!(bed.outcome(Outcome::DeliverStoreLost), 3);
        let losses = losses(&bed);
        assert_eq!(losses.len(), 3);
        for ((topic, detail), position) in losses.iter().zip(broken) {
            assert_eq!(topic, "t/x");
            let wanted = format!(
                "record {position} of the store cannot be read back: 00000001.log is damaged at \
                 offset {position}"
            );
            assert_eq!(*detail, wanted);
        }
        bed.check_books();
        bed.check_gauges();
    }
}

#[test]
fn a_session_ends_with_what_is_out_and_what_is_being_read() {
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        publish(&mut bed, publisher, "t/x", 0..50);
        bed.store.is_reading_held = true;
        bed.resume(V5, "absent");
        let anew = bed.connect_with(&ConnectOptions::new(V5, "absent"));
        bed.release_reading();
        assert!(bed.finish(anew).is_empty());
        assert_eq!(bed.outcome(Outcome::DeliverSessionEnded), 50);
        bed.disconnect(anew);
        bed.disconnect(publisher);
        bed.connect_with(&ConnectOptions::new(V5, "publisher"));
        bed.check_books();
        bed.check_gauges();
        bed.check_nothing_is_stored();
    }
}

#[test]
fn a_full_queue_drops_the_oldest_also_if_it_is_out() {
    for shards in SHARDS {
        let mut bed = Bed::with(shards, |limits| {
            limits.queue_memory_bytes_max = MEMORY_BYTES;
            limits.queue_messages_max = 20;
        });
        bed = bed.with_store();
        keep_absent(&mut bed, "absent", "t/#", QOS_1);
        let publisher = bed.connect_keeping(V5, "publisher");
        publish(&mut bed, publisher, "t/x", 0..50);
        assert_eq!(bed.outcome(Outcome::DeliverQueueFull), 30);
        let subscriber = bed.resume(V5, "absent");
        assert_eq!(payloads(&bed.finish(subscriber)), texts(30..50));
        bed.check_books();
        bed.check_gauges();
    }
}

#[test]
fn a_taken_over_session_goes_on_with_what_its_old_connection_asked_for() {
    // MQTT-3.1.4-3
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_1);
        publish(&mut bed, publisher, "t/x", 0..30);
        bed.store.is_reading_held = true;
        bed.resume(V5, "absent");
        let other = bed.resume(V5, "absent");
        bed.release_reading();
        let mut arrived = payloads(&bed.finish(other));
        arrived.dedup();
        assert_eq!(arrived, texts(0..30));
        bed.check_books();
    }
}

#[test]
fn qos_2_that_was_sent_before_a_crash_is_read_back_and_sent_again() {
    // MQTT-4.4.0-1
    for shards in SHARDS {
        let (mut bed, publisher) = with_absent(shards, QOS_2);
        for n in 0..5 {
            bed.publish_exactly_once(publisher, "t/x", text(n).as_bytes());
        }
        let subscriber = bed.resume(V5, "absent");
        let first = bed.arrivals(subscriber);
        assert_eq!(payloads(&first), texts(0..5));
        bed.crash(shards);
        let broken = bed.position_of(text(2).as_bytes());
        bed.store.unreadable.insert(broken);
        let subscriber = bed.resume(V5, "absent");
        let again = bed.finish(subscriber);
        assert_eq!(payloads(&again), texts([0, 1, 3, 4]));
        assert!(again.iter().all(|of| of.dup));
        assert_eq!(again[0].packet_id, first[0].packet_id);
        assert_eq!(bed.outcome(Outcome::DeliverStoreLost), 1);
        bed.check_books();
        bed.check_gauges();
    }
}

/// Two members of a group that are away: the first has some messages that are out.
fn with_group(shards: u16) -> (Bed, ClientIx) {
    let mut bed = Bed::with(shards, |limits| limits.queue_memory_bytes_max = 0);
    bed = bed.with_store();
    keep_absent(&mut bed, "first", "$share/g/t", QOS_1);
    let publisher = bed.connect_keeping(V5, "publisher");
    publish(&mut bed, publisher, "t", 0..40);
    keep_absent(&mut bed, "second", "$share/g/t", QOS_1);
    assert_eq!(bed.stats().queued_messages, 40);
    assert_eq!(bed.stats().queued_bytes_in_memory, 0);
    (bed, publisher)
}

fn end_session(bed: &mut Bed, client_id: &str) {
    bed.command(Command::Disconnect {
        client_id: client_id.into(),
        end_session: true,
    });
}

#[test]
fn what_is_out_is_read_back_for_the_other_members_of_a_group() {
    for shards in SHARDS {
        let (mut bed, _) = with_group(shards);
        bed.store.is_reading_held = true;
        end_session(&mut bed, "first");
        bed.check_books();
        bed.check_gauges();
        assert_eq!(bed.stats().queued_messages, 40, "they wait all the same");
        bed.release_reading();
        bed.check_books();
        bed.check_gauges();
        let second = bed.resume(V5, "second");
        assert_eq!(payloads(&bed.finish(second)), texts(0..40));
        bed.check_books();
        end_session(&mut bed, "second");
        end_session(&mut bed, "publisher");
        bed.check_nothing_is_stored();
    }
}

/// There is room for its own small messages, or for one of the large ones that it hands on: what it
/// reads ahead would put out what it needs, and the other way round, for ever.
#[test]
fn a_session_that_hands_on_what_is_out_reads_nothing_ahead_meanwhile() {
    let mut bed = Bed::with(1, |limits| limits.queue_memory_bytes_max = 104).with_store();
    let first = bed.connect_keeping(V5, "first");
    bed.subscribe(first, "own", QOS_1);
    bed.subscribe(first, "$share/g/t", QOS_1);
    bed.disconnect(first);
    let publisher = bed.connect_keeping(V5, "publisher");
    for _ in 0..100 {
        bed.publish(publisher, "own", b"small", QOS_1);
    }
    publish(&mut bed, publisher, "t", 0..10);
    keep_absent(&mut bed, "second", "$share/g/t", QOS_1);
    bed.crash(1);
    let one_at_a_time = ConnectOptions::new(V5, "first").clean(false);
    let one_at_a_time = one_at_a_time
        .property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX))
        .property(PropertyId::ReceiveMaximum, Value::U16(1));
    bed.store.is_reading_held = true;
    let first = bed.connect_with(&one_at_a_time);
    while bed.payloads(first).is_empty() {
        assert!(bed.read_one());
        bed.release_mail();
    }
    assert!(bed.reading() > 0, "more are on their way");
    bed.unsubscribe(first, "$share/g/t");
    for _ in 0..200 {
        bed.read_one();
        bed.release_mail();
    }
    assert_eq!(bed.reading(), 0, "reading ends");
    bed.release_reading();
    let second = bed.resume(V5, "second");
    assert_eq!(payloads(&bed.finish(second)), texts(0..10));
    bed.check_books();
    bed.check_gauges();
}

#[test]
fn a_crash_while_a_group_hands_over_loses_nothing() {
    for (shards, after) in [(1, 1), (1, 3), (3, 3), (3, 1)] {
        for read in [0, 1, 7] {
            let (mut bed, _) = with_group(shards);
            bed.store.is_reading_held = true;
            end_session(&mut bed, "first");
            for _ in 0..read {
                bed.read_one();
                bed.commit_next();
            }
            assert!(bed.knows_left_behind());
            let counts = bed.crash(after);
            assert_eq!(counts.sessions, 2, "the publisher and the second member");
            bed.release_reading();
            bed.check_books();
            bed.check_gauges();
            let second = bed.resume(V5, "second");
            let mut arrived = payloads(&bed.finish(second));
            arrived.sort();
            arrived.dedup();
            assert_eq!(arrived, texts(0..40));
            assert!(!bed.knows_left_behind());
        }
    }
}

#[test]
fn a_lower_bound_holds_at_once() {
    let (mut bed, publisher) = with_absent(1, QOS_1);
    publish(&mut bed, publisher, "t/x", 0..10);
    assert_eq!(bed.stats().queued_bytes_in_memory, 1_000);
    let limits = columba_broker::limits::Limits {
        sys_interval_ms: 0,
        queue_memory_bytes_max: 250,
        ..Default::default()
    };
    bed.command(Command::SetLimits(limits.into()));
    assert_eq!(bed.stats().queued_bytes_in_memory, 200);
    let subscriber = bed.resume(V5, "absent");
    assert_eq!(payloads(&bed.finish(subscriber)), texts(0..10));
}
