//! What acknowledgements promise, by listener: nothing, to outlive the process, or more.

mod bed;

use bed::exchange::{QOS_1, QOS_2, SHARDS, id};
use bed::{Bed, ClientIx, V5};
use columba_broker::journal::StoreEvent;
use columba_broker::limits::Promise;
use columba_broker::outcome::Outcome;
use columba_codec::{Packet, PacketId, PacketType, Properties};

/// The types of the packets that came.
fn types(bed: &mut Bed, client: ClientIx) -> Vec<PacketType> {
    let inbox = bed.take(client);
    inbox.packets().iter().map(Packet::packet_type).collect()
}

/// The packet ids of the PUBACKs that came.
fn acknowledged(bed: &mut Bed, client: ClientIx) -> Vec<Option<PacketId>> {
    let inbox = bed.take(client);
    let ids = inbox.packets().into_iter().map(|packet| match packet {
        Packet::PubAck(ack) => Some(ack.packet_id),
        other => panic!("{other:?}"),
    });
    ids.collect()
}

/// A bed with a session that is away and two publishers: one who is told what is written, and one
/// who is told what is durable.
fn with_two_publishers(shards: u16) -> (Bed, ClientIx, ClientIx) {
    let mut bed = Bed::durable(shards);
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "t/#", QOS_2);
    bed.disconnect(absent);
    let strict = bed.connect_keeping(V5, "strict");
    bed.promise(Promise::Written);
    let quick = bed.connect_keeping(V5, "quick");
    bed.store.is_held = true;
    (bed, quick, strict)
}

#[test]
fn who_is_promised_that_it_is_written_does_not_wait_for_the_disk() {
    for shards in SHARDS {
        let (mut bed, quick, strict) = with_two_publishers(shards);
        for client in [quick, strict] {
            bed.publish(client, "t/1", b"x", QOS_1);
            bed.publish(client, "t/2", b"x", QOS_2);
            bed.send_unsubscribe(client, id(50), &["none"]);
        }
        assert_eq!(types(&mut bed, quick), []);
        bed.write_waiting();
        let answers = [PacketType::PubAck, PacketType::PubRec, PacketType::UnsubAck];
        assert_eq!(types(&mut bed, quick), answers);
        assert_eq!(types(&mut bed, strict), []);
        bed.release_store();
        assert_eq!(types(&mut bed, strict), answers);
        assert_eq!(types(&mut bed, quick), []);
        bed.check_books();
    }
}

#[test]
fn a_subscription_is_acknowledged_when_it_is_written() {
    for shards in SHARDS {
        let (mut bed, quick, strict) = with_two_publishers(shards);
        for client in [quick, strict] {
            let list = [("mine/#", bed::exchange::options(QOS_1))];
            bed.send_subscribe(client, id(9), &list, Properties::EMPTY);
        }
        assert_eq!(types(&mut bed, quick), []);
        bed.write_waiting();
        assert_eq!(types(&mut bed, quick), [PacketType::SubAck]);
        assert_eq!(types(&mut bed, strict), []);
        bed.release_store();
        assert_eq!(types(&mut bed, strict), [PacketType::SubAck]);
    }
}

#[test]
fn what_is_acknowledged_when_written_outlives_the_process_but_perhaps_not_the_power() {
    for shards in SHARDS {
        for is_power_lost in [false, true] {
            let (mut bed, quick, strict) = with_two_publishers(shards);
            bed.release_store();
            bed.publish(strict, "t/strict", b"x", QOS_1);
            assert_eq!(types(&mut bed, strict), [PacketType::PubAck]);
            bed.store.is_held = true;
            bed.publish(quick, "t/quick", b"x", QOS_1);
            bed.write_waiting();
            assert_eq!(types(&mut bed, quick), [PacketType::PubAck]);
            let counts = match is_power_lost {
                true => bed.crash(shards),
                false => bed.kill(shards),
            };
            assert_eq!(counts.queued, if is_power_lost { 1 } else { 2 });
        }
    }
}

#[test]
fn exactly_once_stays_with_a_publisher_who_is_told_what_is_written() {
    for shards in SHARDS {
        let (mut bed, quick, _) = with_two_publishers(shards);
        let packet_id = bed.publish(quick, "t/1", b"1", QOS_2).expect("an id");
        bed.write_waiting();
        assert_eq!(types(&mut bed, quick), [PacketType::PubRec]);
        // The id is free when that is on the disk.
        bed.pubrel(quick, packet_id);
        bed.write_waiting();
        assert_eq!(types(&mut bed, quick), []);
        // Nor does what comes later pass it as long as its beginning has no position.
        bed.publish(quick, "t/2", b"2", QOS_1);
        bed.write_waiting();
        assert_eq!(types(&mut bed, quick), []);
        while bed.commit_next() {}
        bed.write_waiting();
        let mut answers = types(&mut bed, quick);
        answers.sort();
        assert_eq!(answers, [PacketType::PubAck, PacketType::PubComp]);
        assert_eq!(bed.kill(shards).queued, 2);
        bed.release_store();
        let absent = bed.resume(V5, "absent");
        assert_eq!(bed.finish(absent).len(), 2);
    }
}

#[test]
fn deliveries_of_qos_2_wait_for_the_disk_whatever_the_listener_promises() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards).promising(Promise::Written);
        let subscriber = bed.connect_keeping(V5, "subscriber");
        bed.subscribe(subscriber, "t", QOS_2);
        let publisher = bed.connect(V5, "publisher");
        bed.store.is_held = true;
        bed.publish(publisher, "t", b"x", QOS_2);
        bed.write_waiting();
        assert_eq!(types(&mut bed, publisher), [PacketType::PubRec]);
        assert_eq!(types(&mut bed, subscriber), []);
        bed.release_store();
        assert_eq!(types(&mut bed, subscriber), [PacketType::Publish]);
        bed.store.is_held = true;
        bed.pubrec(subscriber, id(1));
        bed.write_waiting();
        assert_eq!(types(&mut bed, subscriber), []);
        bed.release_store();
        assert_eq!(types(&mut bed, subscriber), [PacketType::PubRel]);
    }
}

#[test]
fn what_is_durable_without_having_been_told_to_be_written_is_acknowledged() {
    for shards in SHARDS {
        let (mut bed, quick, _) = with_two_publishers(shards);
        bed.publish(quick, "t/1", b"x", QOS_1);
        bed.release_store();
        assert_eq!(types(&mut bed, quick), [PacketType::PubAck]);
    }
}

#[test]
fn so_many_answers_may_wait_and_no_more() {
    const ANSWERS_MAX: usize = 1 << 16;
    for is_written in [false, true] {
        let mut bed = Bed::durable(1);
        if is_written {
            bed.promise(Promise::Written);
        }
        let client = bed.connect_keeping(V5, "client");
        bed.store.is_held = true;
        for _ in 0..=ANSWERS_MAX {
            let list = [("t", bed::exchange::options(QOS_1))];
            bed.send_subscribe(client, id(1), &list, Properties::EMPTY);
            bed.send_unsubscribe(client, id(2), &["t"]);
            if bed.outcome(Outcome::PublishStoreWait) > 0 {
                break;
            }
        }
        // Nothing is answered, and the packet that would be one too many is not handled.
        assert_eq!(types(&mut bed, client), []);
        assert_eq!(bed.outcome(Outcome::PublishStoreWait), 1);
        let subscribed = bed.outcome(Outcome::SubscribeGranted);
        assert_eq!(subscribed, ANSWERS_MAX as u64 / 2 + 1);
        let another = bed.connect_keeping(V5, "another");
        bed.publish(another, "t", b"x", QOS_1);
        assert_eq!(types(&mut bed, another), []);
        bed.release_store();
        let answers = types(&mut bed, client).len();
        assert!(answers > ANSWERS_MAX, "{answers}");
        assert_eq!(types(&mut bed, another), [PacketType::PubAck]);
        bed.check_books();
    }
}

#[test]
fn clients_of_a_listener_that_promises_nothing_wait_for_nothing() {
    for shards in SHARDS {
        let mut bed = Bed::durable(shards).promising(Promise::Nothing);
        let absent = bed.connect_keeping(V5, "absent");
        bed.store.is_held = true;
        bed.subscribe(absent, "t", QOS_2);
        bed.disconnect(absent);
        let publisher = bed.connect_keeping(V5, "publisher");
        let packet_id = bed.publish(publisher, "t", b"x", QOS_2).expect("an id");
        assert_eq!(types(&mut bed, publisher), [PacketType::PubRec]);
        // It is stored all the same.
        bed.release_store();
        bed.pubrel(publisher, packet_id);
        assert_eq!(types(&mut bed, publisher), [PacketType::PubComp]);
        let counts = bed.crash(shards);
        assert_eq!((counts.sessions, counts.queued), (2, 1));
    }
}

/// [MQTT-v311-4.6.0-2]: what needs no store goes on when the disk has failed, and passes nothing. What waits
/// for another shard then is not known to be stored, and need not be.
#[test]
fn answers_that_promise_nothing_keep_their_order_when_the_disk_fails() {
    let mut bed = Bed::durable(3);
    bed.promise(Promise::Nothing);
    let publisher = bed.connect(V5, "publisher");
    bed.is_mail_held = true;
    // Most are kept by another shard than the publisher's.
    let kept = (0..6).map(|number| {
        let topic = format!("r/{number}");
        bed.publish_with(publisher, &topic, b"x", QOS_1, true, Properties::EMPTY)
    });
    let mut ids: Vec<_> = kept.collect();
    let mut answered = acknowledged(&mut bed, publisher);
    assert!(answered.len() < ids.len(), "none waits");
    for shard in 0..bed.shards.len() {
        bed.store_event(shard, StoreEvent::Failed);
    }
    ids.push(bed.publish(publisher, "live", b"x", QOS_1));
    bed.release_mail();
    answered.extend(acknowledged(&mut bed, publisher));
    assert_eq!(answered, ids);
}

/// What was acknowledged may be gone, but what comes later is no repetition of it.
#[test]
fn a_packet_id_that_pubcomp_has_freed_does_not_come_back_whatever_the_listener_promises() {
    for shards in SHARDS {
        for (promise, is_power_lost) in [
            (Promise::Nothing, false),
            (Promise::Nothing, true),
            (Promise::Written, true),
            (Promise::Durable, true),
        ] {
            let mut bed = Bed::durable(shards).promising(promise);
            let reader = bed.connect_keeping(V5, "reader");
            bed.subscribe(reader, "t", QOS_2);
            bed.disconnect(reader);
            let publisher = bed.connect_keeping(V5, "publisher");
            let packet_id = bed.publish(publisher, "t", b"1", QOS_2).expect("an id");
            bed.store.is_held = true;
            bed.pubrel(publisher, packet_id);
            bed.write_waiting();
            assert!(!types(&mut bed, publisher).contains(&PacketType::PubComp));
            while types(&mut bed, publisher).is_empty() {
                assert!(bed.commit_next());
            }
            match is_power_lost {
                true => bed.crash(shards),
                false => bed.kill(shards),
            };
            bed.release_store();
            let publisher = bed.resume(V5, "publisher");
            bed.publish_as(publisher, "t", b"2", packet_id);
            let reader = bed.resume(V5, "reader");
            let arrived = bed.finish(reader);
            assert_eq!(arrived.len(), 2, "{promise:?}: {arrived:?}");
        }
    }
}
