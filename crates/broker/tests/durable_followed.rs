//! What the flight recorder says of messages that an earlier process took in.

mod bed;

use std::collections::BTreeSet;

use bed::exchange::{QOS_1, QOS_2, SHARDS};
use bed::{Bed, V5};
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request};
use columba_broker::recorder::{Line, TapeName};
use columba_broker::stats::DeliveryTimes;

/// Outcome and number of each line of the ledger about copies for a client on a topic.
fn ledger(bed: &mut Bed, client: &str, topic: &str) -> Vec<(Outcome, u64)> {
    let mut found = Vec::new();
    for recording in bed.recordings() {
        for chunk in &recording.chunks {
            for line in chunk.entries() {
                if let Line::Entry(entry) = line.expect("a line")
                    && chunk.tape() == TapeName::Ledger
                    && entry.facts.client == client
                    && entry.facts.topic == topic
                {
                    found.push((entry.outcome, entry.facts.message));
                }
            }
        }
    }
    found
}

#[test]
fn a_message_from_before_a_crash_is_followed_from_when_it_is_sent() {
    for shards in SHARDS {
        for qos in [QOS_1, QOS_2] {
            let mut bed = Bed::durable(shards);
            let absent = bed.connect_keeping(V5, "absent");
            bed.subscribe(absent, "t/#", qos);
            bed.disconnect(absent);
            let publisher = bed.connect_keeping(V5, "publisher");
            for topic in ["t/1", "t/2"] {
                let packet_id = bed.publish(publisher, topic, b"x", qos).expect("an id");
                if qos == QOS_2 {
                    bed.pubrel(publisher, packet_id);
                }
            }
            bed.crash(shards);
            assert_eq!(ledger(&mut bed, "absent", "t/1"), []);
            let absent = bed.resume(V5, "absent");
            bed.finish(absent);
            let mut numbers = BTreeSet::new();
            for topic in ["t/1", "t/2"] {
                let lines = ledger(&mut bed, "absent", topic);
                let outcomes: Vec<Outcome> = lines.iter().map(|(outcome, _)| *outcome).collect();
                let expected = [Outcome::DeliverInFlight, Outcome::DeliverAcked];
                assert_eq!(outcomes, expected, "{qos:?} {topic}");
                assert_eq!(lines[0].1, lines[1].1);
                numbers.insert(lines[0].1);
            }
            assert_eq!(numbers.len(), 2);
            // How long they took from one process to the next is not known.
            assert_eq!(bed.stats().delivery_times, DeliveryTimes::default());
        }
    }
}

#[test]
fn a_session_tells_of_a_message_that_it_is_from_before_the_start() {
    let mut bed = Bed::durable(1);
    let absent = bed.connect_keeping(V5, "absent");
    bed.subscribe(absent, "t", QOS_1);
    bed.disconnect(absent);
    let publisher = bed.connect_keeping(V5, "publisher");
    bed.publish(publisher, "t", b"x", QOS_1);
    bed.crash(1);
    let is_found = |bed: &mut Bed| {
        let client_id = "absent".into();
        let Answer::Session(Some(detail)) = bed.request(0, Request::Session { client_id }) else {
            panic!("no session");
        };
        let sent = detail.inflight.into_iter().map(|row| row.message);
        let rows: Vec<_> = detail.oldest.into_iter().chain(sent).collect();
        rows.iter().map(|row| row.is_found).collect::<Vec<_>>()
    };
    assert_eq!(is_found(&mut bed), [true]);
    // Sent and not acknowledged, it is the same message still.
    let absent = bed.resume(V5, "absent");
    assert_eq!(is_found(&mut bed), [true]);
    bed.finish(absent);
    bed.disconnect(absent);
    let publisher = bed.connect_keeping(V5, "publisher");
    bed.publish(publisher, "t", b"y", QOS_1);
    assert_eq!(is_found(&mut bed), [false]);
}
