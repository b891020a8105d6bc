//! A client id changes hands: what becomes of messages, and how the broker slows it down.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask, ask_with};
use bed::exchange::{QOS_1, keeping};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::outcome::Outcome;
use columba_codec::{PropertyId, Value};
use columba_diagnosis::evidence::{Event, Evidence};
use columba_diagnosis::{Code, Confidence};

const TOPIC: &str = "home/kitchen/temp";

fn whole(bed: &mut Bed) -> Asked {
    ask(bed, TOPIC, Some("esp"), Some("hub"))
}

#[test]
fn p03_two_programs_share_the_id_of_the_publisher() {
    let mut bed = Bed::new(1);
    for _ in 0..5 {
        bed.connect(V311, "esp");
        bed.pass(1_000);
    }
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::P03, Confidence::Certain);
    asked.says("esp changed hands 4 times within two minutes");
    assert_eq!(asked.also(), [Code::P05]);
    // More of them are slowed down, and the verdict says so.
    for pause_ms in [600, 100, 0] {
        bed.connect_raw(&ConnectOptions::new(V311, "esp"));
        bed.pass(pause_ms);
    }
    let asked = ask(&mut bed, TOPIC, Some("esp"), None);
    asked.is(Code::P03, Confidence::Certain);
    asked.says("within two minutes, between 127.0.0.1 (");
    asked.says("The broker slows them down: the client id has changed hands 6 times lately");
    asked.says("this one waits 900 ms, and 127.0.0.1:");
    // A takeover now and then is none.
    let mut bed = Bed::new(1);
    for _ in 0..5 {
        bed.connect(V311, "esp");
        bed.pass(100_000);
    }
    ask(&mut bed, TOPIC, Some("esp"), None).is(Code::P05, Confidence::Certain);
}

/// Each connection has another port: two machines are two.
#[test]
fn machines_that_fight_over_an_id_are_told_by_address_with_their_connections() {
    let mut bed = Bed::new(1);
    for port in 0..6 {
        let ip = [10, 0, 0, 1 + u8::from(port % 3 == 0)];
        let address = std::net::SocketAddr::from((ip, 50_000 + port));
        let client = bed.open_from(V311, Some(address));
        bed.send_raw(client, &ConnectOptions::new(V311, "esp").bytes());
        bed.pass(1_000);
    }
    let asked = asked::ask_all(&mut bed, None, None, Some("esp"));
    asked.says("between 10.0.0.1 (4 connections), 10.0.0.2 (2 connections)");
}

/// The lines of the message that nobody had subscribed to: one on each tape.
fn publications(evidence: &mut Evidence) -> impl Iterator<Item = &mut Event> {
    let events = evidence.events.iter_mut();
    events.filter(|event| event.outcome == Outcome::PublishNoMatch)
}

/// A shard stamps what it reads with the time at which it woke up: a session that ended on another one
/// before the message came may bear the later time.
#[test]
fn what_two_shards_saw_at_about_the_same_time_has_no_certain_order() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let mut subscriber = bed.connect(V5, "hub");
    bed.pass(5_000);
    for _ in 0..4 {
        subscriber = bed.connect(V5, "hub");
        bed.pass(20);
    }
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(20);
    bed.connect(V5, "hub");
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let shifted = |bed: &mut Bed, by_ms: u64, is_own: bool| {
        ask_with(bed, TOPIC, |evidence| {
            let mut events = evidence.events.iter_mut();
            let ended = Outcome::SessionEndedWithConnection;
            let home = events.rfind(|event| event.outcome == ended).unwrap().shard;
            for event in publications(evidence) {
                event.unix_ms -= by_ms;
                event.first_unix_ms -= by_ms;
                event.shard = if is_own { home } else { 1 - home };
            }
            evidence.events.sort_by_key(|event| event.unix_ms);
        })
    };
    shifted(&mut bed, 0, false).is(Code::S04, Confidence::Possible);
    let asked = shifted(&mut bed, 10, false);
    asked.is(Code::S04, Confidence::Possible);
    assert_eq!(asked.also(), [Code::S03]);
    // One shard knows the order of what it saw.
    shifted(&mut bed, 10, true).is(Code::R08, Confidence::Possible);
    // The subscription itself came at about this time.
    bed.pass(5_000);
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(20);
    let moved = |bed: &mut Bed, by_ms: u64, is_own: bool| {
        ask_with(bed, TOPIC, |evidence| {
            let mut events = evidence.events.iter_mut();
            let granted = Outcome::SubscribeGranted;
            let granted = events.rfind(|event| event.outcome == granted).unwrap();
            let (home, at_ms) = (granted.shard, granted.unix_ms + by_ms);
            for event in publications(evidence) {
                (event.unix_ms, event.first_unix_ms) = (at_ms, at_ms);
                event.shard = if is_own { home } else { 1 - home };
            }
            evidence.events.sort_by_key(|event| event.unix_ms);
        })
    };
    moved(&mut bed, 10, false).is(Code::R03, Confidence::Possible);
    moved(&mut bed, 10, true).is(Code::R08, Confidence::Possible);
    // A copy may be on its way to another shard.
    bed.pass(500);
    let asked = ask_with(&mut bed, TOPIC, |evidence| {
        let to_ms = evidence.question.to_ms;
        for event in publications(evidence) {
            event.outcome = Outcome::PublishAccepted;
            (event.unix_ms, event.first_unix_ms) = (to_ms - 500, to_ms - 500);
        }
        evidence.events.sort_by_key(|event| event.unix_ms);
    });
    asked.is(Code::U01, Confidence::Certain);
}

#[test]
fn s04_the_subscriber_flaps() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    for _ in 0..4 {
        bed.connect(V5, "hub");
        bed.pass(500);
    }
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    let asked = whole(&mut bed);
    asked.is(Code::S04, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S03]);
    // It ends in the millisecond of the message: perhaps that came before.
    bed.connect(V5, "hub");
    whole(&mut bed).is(Code::S04, Confidence::Possible);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(10);
    for pause_ms in [600, 100, 0] {
        bed.connect_raw(&ConnectOptions::new(V5, "hub"));
        bed.pass(pause_ms);
    }
    let asked = whole(&mut bed);
    asked.is(Code::S04, Confidence::Certain);
    asked.says("The broker slows them down: the client id has changed hands 6 times lately");
}

#[test]
fn s04_is_no_surer_than_that_a_copy_was_lost_with_its_session() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    // It may have one message unacknowledged, and another one waits behind that.
    let hub = || keeping(V5, "hub").property(PropertyId::ReceiveMaximum, Value::U16(1));
    let subscriber = bed.connect_with(&hub());
    bed.subscribe(subscriber, "home/#", QOS_1);
    for _ in 0..3 {
        bed.pass(500);
        bed.connect_with(&hub().clean(false));
    }
    bed.publish(publisher, "home/hall", b"1", QOS_1);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.pass(500);
    bed.connect_with(&hub());
    bed.pass(10);
    // What went out to whoever was on may have arrived.
    let asked = ask(&mut bed, "home/hall", Some("esp"), Some("hub"));
    asked.is(Code::D07, Confidence::Certain);
    assert_eq!(asked.also(), [Code::S04]);
    // That it was lost is not in the record; its acknowledgement may be missing as well.
    for (left_out_since, sure) in [(0, Confidence::Likely), (1, Confidence::Possible)] {
        let asked = ask_with(&mut bed, TOPIC, |evidence| {
            let is_loss = |outcome| outcome == Outcome::DeliverSessionEnded;
            evidence.events.retain(|event| !is_loss(event.outcome));
            evidence.coverage.left_out_since = left_out_since;
        });
        asked.is(Code::S04, sure);
    }
}

#[test]
fn d05_the_id_changed_hands() {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let mut subscriber = 0;
    for _ in 0..4 {
        subscriber = bed.connect_with(&keeping(V5, "hub").clean(false));
        bed.pass(500);
    }
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"1", QOS_1);
    bed.finish(subscriber);
    let asked = whole(&mut bed);
    asked.is(Code::D01, Confidence::Certain);
    assert_eq!(asked.also(), [Code::D05]);
}
