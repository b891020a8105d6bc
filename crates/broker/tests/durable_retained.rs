//! Retained messages that are set, replaced, cleared and expire while their records are on their
//! way to the disk, written by several shards, in any order.

mod bed;

use bed::exchange::{QOS_1, SHARDS, properties};
use bed::{Bed, ClientIx, V5};
use columba_broker::journal::Records;
use columba_codec::{PacketType, PropertyId, Value};

const TOPIC: &str = "t";
/// So many that every one of three shards accepts what some of them publish.
const PUBLISHERS: usize = 6;

/// What can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Set(usize),
    SetExpiring(usize),
    Clear(usize),
    Commit(usize),
    Expire,
}

/// A value that the topic had, and whether its publisher knows.
#[derive(Debug)]
struct Known {
    payload: String,
    publisher: usize,
    is_acknowledged: bool,
}

struct Trial {
    bed: Bed,
    publishers: Vec<ClientIx>,
    values: Vec<Known>,
}

impl Trial {
    fn new(shards: u16) -> Self {
        let mut bed = Bed::durable(shards);
        let name = |number| format!("publisher {number}");
        let publishers = (0..PUBLISHERS).map(|number| bed.connect(V5, &name(number)));
        let publishers = publishers.collect();
        bed.store.is_held = true;
        let first = Known {
            payload: String::new(),
            publisher: usize::MAX,
            is_acknowledged: true,
        };
        let values = vec![first];
        Self {
            bed,
            publishers,
            values,
        }
    }

    fn publish(&mut self, publisher: usize, payload: String, expiry_secs: Option<u32>) {
        let list = [(
            PropertyId::MessageExpiryInterval,
            Value::U32(expiry_secs.unwrap_or(0)),
        )];
        let with = properties(&list);
        let none = properties(&[]);
        let properties = expiry_secs.map_or(none.as_properties(), |_| with.as_properties());
        let (bed, client) = (&mut self.bed, self.publishers[publisher]);
        bed.publish_with(client, TOPIC, payload.as_bytes(), QOS_1, true, properties);
        self.values.push(Known {
            payload,
            publisher,
            is_acknowledged: false,
        });
    }

    fn take(&mut self, step: Step) {
        let number = self.values.len();
        match step {
            Step::Set(publisher) => self.publish(publisher, format!("message {number}"), None),
            Step::SetExpiring(publisher) => {
                self.publish(publisher, format!("expires {number}"), Some(1));
            }
            Step::Clear(publisher) => self.publish(publisher, String::new(), None),
            Step::Commit(shard) => {
                self.bed.commit_of(shard);
            }
            Step::Expire => self.bed.advance(1_000),
        }
        for publisher in 0..PUBLISHERS {
            let inbox = self.bed.take(self.publishers[publisher]);
            for packet in inbox.packets() {
                assert_eq!(packet.packet_type(), PacketType::PubAck);
                // Answers come in the order of what they answer.
                let mut values = self.values.iter_mut();
                let next = values.find(|of| of.publisher == publisher && !of.is_acknowledged);
                next.expect("an answer to something").is_acknowledged = true;
            }
        }
    }

    /// The broker dies; what is there is the last value that was acknowledged, or a later one.
    fn crash(mut self, shards: u16, steps: &[Step]) {
        self.bed.crash(shards);
        self.bed.release_store();
        let reader = self.bed.connect(V5, "reader");
        self.bed.subscribe(reader, TOPIC, QOS_1);
        let found = self.bed.finish(reader).pop();
        let found = found.map_or_else(String::new, |of| of.payload);
        let last = self.values.iter().rposition(|of| of.is_acknowledged);
        let left = &self.values[last.expect("the first is acknowledged")..];
        let mut payloads = left.iter().map(|of| of.payload.as_str());
        let is_over = |payload: &str| {
            payload.is_empty() || (payload.starts_with("expires") && steps.contains(&Step::Expire))
        };
        let is_right = |payload: &str| payload == found || (found.is_empty() && is_over(payload));
        assert!(
            payloads.any(is_right),
            "found {found:?} of {:?} after {steps:?}",
            self.values
        );
        let publisher = self.bed.connect(V5, "publisher");
        self.bed.retain(publisher, TOPIC, b"", QOS_1);
        self.bed.advance(2_000);
        self.bed.check_nothing_is_stored();
    }
}

#[test]
fn what_was_cleared_stays_cleared_whichever_shard_writes_first() {
    // A linear congruential generator.
    let mut state = 1u64;
    let mut chance = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for shards in SHARDS {
        for _ in 0..300 {
            let mut trial = Trial::new(shards);
            let mut steps = Vec::new();
            for _ in 0..chance(14) + 2 {
                let publisher = chance(PUBLISHERS as u64) as usize;
                let step = match chance(20) {
                    0..5 => Step::Set(publisher),
                    5..6 => Step::SetExpiring(publisher),
                    6..11 => Step::Clear(publisher),
                    11..12 => Step::Expire,
                    _ => Step::Commit(chance(u64::from(shards)) as usize),
                };
                steps.push(step);
                trial.take(step);
            }
            trial.crash(shards, &steps);
        }
    }
}

/// Nothing that says that a topic is clear outlives what it is there for.
#[test]
fn nothing_is_left_of_what_was_cleared_on_its_way_to_the_disk() {
    for shards in SHARDS {
        let mut trial = Trial::new(shards);
        for round in 0..200 {
            trial.take(Step::Set(round % PUBLISHERS));
            trial.take(Step::Clear((round + 1) % PUBLISHERS));
            trial.take(Step::Clear((round + 2) % PUBLISHERS));
            if round % 3 == 0 {
                trial.take(Step::Commit(round % usize::from(shards)));
            }
        }
        trial.bed.release_store();
        trial.bed.check_nothing_is_stored();
    }
}

/// A store of an earlier time with a message and what outranks it.
#[test]
fn a_topic_that_is_clear_in_the_store_has_no_message() {
    let mut bed = Bed::durable(1);
    let publisher = bed.connect(V5, "publisher");
    bed.retain(publisher, TOPIC, b"old", QOS_1);
    // Of kind 11, version 1,000, topic "t".
    let mut batch = Records::default();
    batch.bytes.extend_from_slice(&[11, 0xe8, 7, 1, b't']);
    batch.ends.push(batch.bytes.len());
    bed.store.put(&batch);
    assert_eq!(bed.crash(1).retained, 0);
    assert_eq!(bed.store.live.len(), 1, "only the seed is left");
    // What comes later counts.
    let publisher = bed.connect(V5, "publisher");
    bed.retain(publisher, TOPIC, b"new", QOS_1);
    assert_eq!(bed.crash(1).retained, 1);
}
