//! Random lives of a publisher and subscribers: no verdict contradicts what arrived.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong stops")]

use std::sync::Arc;

mod asked;
#[path = "../../broker/tests/bed/mod.rs"]
mod bed;

use bed::exchange::{QOS_0, QOS_1, QOS_2, keeping};
use bed::{Bed, ConnectOptions, V5, V311};
use columba_broker::access::Action;
use columba_broker::event::Command;
use columba_broker::limits::Limits;
use columba_codec::QoS;
use columba_diagnosis::{Code, Fate, diagnose};

const TOPICS: [&str; 4] = ["a/b", "a/B", "secret/x", "$dev/x"];
const FILTERS: [&str; 7] = [
    "a/b",
    "a/+",
    "#",
    "+/x",
    "$dev/#",
    "$share/g/a/b",
    "secret/#",
];
const SUBSCRIBERS: [&str; 3] = ["one", "two", "three"];

/// A sequence of numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

struct Published {
    at_ms: u64,
    topic: &'static str,
}

struct Life {
    bed: Bed,
    dice: Dice,
    publisher: usize,
    clients: [Option<usize>; 3],
    published: Vec<Published>,
    /// Which message arrived at whom.
    arrived: Vec<(usize, usize)>,
    /// Those of them that may not have been acknowledged.
    unacknowledged: Vec<(usize, usize)>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let shards = 1 + (seed % 3) as u16;
        let denied = [
            (Action::Receive, "secret/x"),
            (Action::Subscribe, "secret/#"),
        ];
        let mut bed = Bed::denying(shards, &denied);
        // Clients take over all the time here, and each wants its CONNACK at once.
        bed.command(Command::SetLimits(Arc::new(Limits {
            sys_interval_ms: 0,
            takeover_delay_ms_max: 0,
            ..Limits::default()
        })));
        let publisher = bed.connect(V5, "publisher");
        Self {
            bed,
            dice: Dice(seed),
            publisher,
            clients: [None; 3],
            published: Vec::new(),
            arrived: Vec::new(),
            unacknowledged: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.bed.pass(10);
        let who = self.dice.below(3);
        let qos: QoS = self.dice.one_of(&[QOS_0, QOS_1, QOS_2]);
        match (self.dice.below(10), self.clients[who]) {
            (0..=3, _) => {
                let topic = self.dice.one_of(&TOPICS);
                let payload = self.published.len().to_string();
                self.bed
                    .publish(self.publisher, topic, payload.as_bytes(), qos);
                self.bed.finish(self.publisher);
                let at_ms = self.bed.now().unix_ms;
                self.published.push(Published { at_ms, topic });
            }
            (4 | 5, Some(client)) => {
                let options = bed::exchange::options(qos);
                let filter = self.dice.one_of(&FILTERS);
                self.read(who);
                self.bed
                    .subscribe_with(client, filter, options, columba_codec::Properties::EMPTY);
            }
            (6, Some(client)) => {
                let filter = self.dice.one_of(&FILTERS);
                self.read(who);
                self.bed.unsubscribe(client, filter);
            }
            (7, Some(client)) => {
                self.look(who);
                self.bed.drop_connection(client);
                self.clients[who] = None;
            }
            (8, Some(_)) => self.read(who),
            (4..=9, _) => {
                self.look(who);
                let id = SUBSCRIBERS[who];
                let options = match self.dice.below(4) {
                    0 => ConnectOptions::new(V311, id),
                    1 => keeping(V5, id),
                    _ => keeping(V5, id).clean(false),
                };
                self.clients[who] = Some(self.bed.connect_with(&options));
            }
            _ => {}
        }
        if self.dice.below(3) > 0 {
            self.read(who);
        }
    }

    /// A client has what was sent, and acknowledges nothing of it.
    fn look(&mut self, who: usize) {
        if let Some(client) = self.clients[who] {
            for arrived in self.bed.arrivals(client) {
                let number = arrived.payload.parse().unwrap();
                self.arrived.push((number, who));
                self.unacknowledged.push((number, who));
            }
        }
    }

    fn read(&mut self, who: usize) {
        if let Some(client) = self.clients[who] {
            for arrived in self.bed.finish(client) {
                self.arrived.push((arrived.payload.parse().unwrap(), who));
            }
        }
    }

    /// Asks about each message for each subscriber.
    fn check(&mut self, seed: u64, codes: &mut Vec<Code>) {
        // What is in a client's hands and not looked at yet has been sent.
        for who in 0..3 {
            self.read(who);
        }
        for (number, published) in self.published.iter().enumerate() {
            for (who, id) in SUBSCRIBERS.into_iter().enumerate() {
                let mut evidence = asked::evidence(
                    &mut self.bed,
                    Some(published.topic),
                    Some("publisher"),
                    Some(id),
                    published.at_ms,
                );
                evidence.question.to_ms = published.at_ms;
                let report = diagnose(&evidence);
                let has_arrived = self.arrived.contains(&(number, who));
                let is_unacknowledged = self.unacknowledged.contains(&(number, who));
                let said = report.verdict.fate();
                let is_right = match said {
                    Fate::Delivered => has_arrived,
                    Fate::NotDelivered => !has_arrived,
                    // What arrived unacknowledged is sent again.
                    Fate::Waiting => !has_arrived || is_unacknowledged,
                    // Somebody who never was here, or who had it and did not say so.
                    Fate::Unknown if report.verdict.code == Code::D07 => is_unacknowledged,
                    Fate::Unknown => !has_arrived && report.verdict.code == Code::U03,
                };
                let text = columba_diagnosis::render::text(&report, &Default::default());
                assert!(
                    is_right,
                    "seed {seed}, message {number} to {id}, arrived {has_arrived}\n{text}"
                );
                assert_ne!(
                    report.verdict.code,
                    Code::R08,
                    "seed {seed}, {number} to {id}\n{text}"
                );
                codes.push(report.verdict.code);
            }
        }
    }
}

#[test]
fn no_verdict_contradicts_what_arrived() {
    let mut codes = Vec::new();
    for seed in 1..=40 {
        let mut life = Life::new(seed);
        for _ in 0..60 {
            life.step();
        }
        life.check(seed, &mut codes);
    }
    codes.sort_unstable();
    codes.dedup();
    // The lives are rich enough to say something.
    for code in [
        Code::R01,
        Code::R02,
        Code::R03,
        Code::R05,
        Code::R07,
        Code::S01,
        Code::S02,
        Code::S03,
        Code::S05,
        Code::S06,
        Code::S12,
        Code::S13,
        Code::D01,
        Code::D02,
        Code::D07,
    ] {
        assert!(codes.contains(&code), "{code:?} is not among {codes:?}");
    }
}
