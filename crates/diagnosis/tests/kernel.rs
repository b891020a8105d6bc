//! What the kernel says of the subscriber's connection, and what may be concluded from it.

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use asked::{Asked, ask_with};
use bed::exchange::{QOS_0, QOS_1};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_codec::QoS;
use columba_diagnosis::{Code, Confidence, KernelFacts};

const TOPIC: &str = "home/kitchen/temp";

/// A subscriber that was sent one message, and where its bytes end.
fn sent(qos: QoS) -> (Bed, u64) {
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.pass(10);
    bed.publish(publisher, TOPIC, b"21", qos);
    let evidence = asked::evidence(&mut bed, Some(TOPIC), None, Some("hub"), 0);
    let mut events = evidence.events.iter();
    let outcome = match qos {
        QoS::AtMostOnce => Outcome::DeliverSent,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Outcome::DeliverInFlight,
    };
    let copy = events.find(|event| event.outcome == outcome);
    let ends_at = copy.map_or(0, |copy| copy.count);
    // CONNACK, SUBACK and PUBLISH.
    assert!(ends_at > 30, "{ends_at}");
    (bed, ends_at)
}

fn with(bed: &mut Bed, facts: KernelFacts) -> Asked {
    ask_with(bed, TOPIC, |evidence| evidence.kernel = Some(facts))
}

/// The other end has so many bytes and takes no more, and so many wait.
fn acknowledged(bytes: u64, send_queue_bytes: u64) -> KernelFacts {
    KernelFacts {
        acknowledged_bytes: Some(bytes),
        send_queue_bytes,
        unsent_in_queue_bytes: send_queue_bytes,
        ..KernelFacts::default()
    }
}

#[test]
fn a_copy_is_there_when_its_last_byte_is() {
    let (mut bed, ends_at) = sent(QOS_0);
    let asked = with(&mut bed, acknowledged(ends_at, 1000));
    asked.is(Code::D02, Confidence::Certain);
    asked.says("has acknowledged every byte of it");
    let asked = with(&mut bed, acknowledged(ends_at - 1, 1));
    asked.is(Code::D06, Confidence::Certain);
    asked.says("among 1 B");
    assert_eq!(asked.report.exit_code(), 12);
    assert_eq!(asked.report.kernel, Some(acknowledged(ends_at - 1, 1)));
}

#[test]
fn a_copy_that_waits_in_the_broker_is_not_there() {
    let (mut bed, ends_at) = sent(QOS_0);
    let facts = KernelFacts {
        unsent_bytes: 10,
        ..acknowledged(ends_at - 10, 0)
    };
    with(&mut bed, facts).is(Code::D06, Confidence::Certain);
}

#[test]
fn what_was_sent_a_moment_ago_is_no_reason_to_worry() {
    let (mut bed, ends_at) = sent(QOS_0);
    let under_way = KernelFacts {
        unsent_in_queue_bytes: 0,
        ..acknowledged(ends_at - 20, 20)
    };
    let asked = with(&mut bed, under_way);
    asked.is(Code::D02, Confidence::Likely);
    asked.says("is under way");
    // Behind others that are, it has not left.
    let behind = KernelFacts {
        unsent_in_queue_bytes: 1,
        ..under_way
    };
    let asked = with(&mut bed, behind);
    asked.is(Code::D06, Confidence::Certain);
    asked.says("for their turn");
}

#[test]
fn who_does_not_read_and_who_is_gone_are_told_apart() {
    let (mut bed, ends_at) = sent(QOS_0);
    with(&mut bed, acknowledged(ends_at - 1, 1)).says("does not read");
    let silent = KernelFacts {
        unsent_in_queue_bytes: 0,
        retransmits: 3,
        ..acknowledged(ends_at - 20, 20)
    };
    let asked = with(&mut bed, silent);
    asked.is(Code::D06, Confidence::Certain);
    asked.says("3 times in a row");
}

#[test]
fn an_acknowledgement_that_has_not_come_is_told_from_a_message_that_has_not_left() {
    let (mut bed, ends_at) = sent(QOS_1);
    let asked = with(&mut bed, acknowledged(ends_at, 0));
    asked.is(Code::D03, Confidence::Certain);
    asked.says("has acknowledged every byte of it");
    with(&mut bed, acknowledged(ends_at - 1, 1)).is(Code::D06, Confidence::Certain);
}

#[test]
fn behind_encryption_the_bytes_that_wait_may_be_those_of_the_copy() {
    let (mut bed, _) = sent(QOS_0);
    let facts = KernelFacts {
        acknowledged_bytes: None,
        send_queue_bytes: 100,
        ..KernelFacts::default()
    };
    let asked = with(&mut bed, facts);
    asked.is(Code::D02, Confidence::Possible);
    asked.says("may be among 100 B");
}

#[test]
fn what_is_known_of_another_connection_is_no_evidence() {
    // It has never been given so many bytes.
    let (mut bed, ends_at) = sent(QOS_0);
    with(&mut bed, acknowledged(ends_at - 1, 0)).is(Code::D02, Confidence::Likely);
    // The client has connected again since, and got more than before.
    bed.pass(10);
    bed.connect(V5, "hub");
    let asked = with(&mut bed, acknowledged(ends_at + 1000, 0));
    assert_ne!(asked.report.verdict.confidence, Confidence::Certain);
    // In the same millisecond nobody can tell which came first.
    let mut bed = Bed::new(1);
    let publisher = bed.connect(V5, "esp");
    let subscriber = bed.connect(V5, "hub");
    bed.subscribe(subscriber, "home/#", QOS_0);
    bed.publish(publisher, TOPIC, b"21", QOS_0);
    with(&mut bed, acknowledged(1000, 0)).is(Code::D02, Confidence::Likely);
}
