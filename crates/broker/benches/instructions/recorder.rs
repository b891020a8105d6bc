//! The same messages with the flight recorder off and on.

use columba_codec::{PacketId, QoS, Version};

use crate::driver::packets::publish;
use crate::driver::{ClientIx, Driver};
use crate::{Meter, counted_with};

const VERSION: Version = Version::V311;

/// Messages a second at which the ledger leaves out nearly all.
const BUSY: u64 = 200_000;
/// Messages a second of which the ledger has each.
const CALM: u64 = 500;

/// Publishers, each with a topic and subscribers of its own.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    publishers: usize,
    /// How many follow one publisher.
    subscribers: usize,
    shards: u16,
    qos: QoS,
    /// Messages that one read of a publisher's socket brings.
    batch: usize,
    per_sec: u64,
}

const PIPE: Load = Load {
    name: "pipe, QoS 0",
    publishers: 1,
    subscribers: 1,
    shards: 1,
    qos: QoS::AtMostOnce,
    batch: 100,
    per_sec: BUSY,
};

const PAIRS: Load = Load {
    name: "100 pairs, QoS 0",
    publishers: 100,
    batch: 1,
    ..PIPE
};

const LOADS: [Load; 11] = [
    PIPE,
    Load {
        name: "pipe, QoS 1",
        qos: QoS::AtLeastOnce,
        ..PIPE
    },
    PAIRS,
    Load {
        name: "100 pairs, QoS 1",
        qos: QoS::AtLeastOnce,
        ..PAIRS
    },
    Load {
        name: "100 pairs, QoS 2",
        qos: QoS::ExactlyOnce,
        ..PAIRS
    },
    Load {
        name: "1 to 100, QoS 0, a copy",
        subscribers: 100,
        batch: 10,
        ..PIPE
    },
    Load {
        name: "1 to 100, QoS 1, a copy",
        subscribers: 100,
        batch: 10,
        qos: QoS::AtLeastOnce,
        ..PIPE
    },
    Load {
        name: "10 publishers nobody subscribes to, QoS 0",
        publishers: 10,
        subscribers: 0,
        ..PIPE
    },
    Load {
        name: "pipe between 2 shards, QoS 1",
        shards: 2,
        qos: QoS::AtLeastOnce,
        ..PIPE
    },
    Load {
        name: "100 pairs, QoS 0, 500/s",
        per_sec: CALM,
        ..PAIRS
    },
    Load {
        name: "100 pairs, QoS 1, 500/s",
        per_sec: CALM,
        qos: QoS::AtLeastOnce,
        ..PAIRS
    },
];

pub(crate) fn run(meter: &mut Meter) {
    for (group, recorder_bytes_max) in [("Recorder off", 0), ("Recorder on", 16 * 1024 * 1024)] {
        meter.group = group;
        for load in LOADS {
            load.run(meter, recorder_bytes_max);
        }
    }
}

impl Load {
    fn run(self, meter: &Meter, recorder_bytes_max: usize) {
        let mut driver = counted_with(self.shards, |limits| {
            limits.recorder_bytes_max = recorder_bytes_max;
        });
        let mut number = 0;
        let mut publishers: Vec<(ClientIx, Vec<u8>)> = Vec::new();
        for publisher in 0..self.publishers {
            let topic = format!("site/{publisher}/line/3/temperature");
            let client = driver.connect(VERSION, &format!("publisher-{publisher}"));
            let mut subscribers = 0;
            while subscribers < self.subscribers {
                number += 1;
                let subscriber = driver.connect(VERSION, &format!("subscriber-{number}"));
                // With several shards, all messages cross from one to another.
                if self.shards > 1 && driver.home(subscriber) == driver.home(client) {
                    continue;
                }
                subscribers += 1;
                driver.subscribe(subscriber, std::slice::from_ref(&topic), self.qos);
            }
            publishers.push((client, self.batch_to(&topic)));
        }
        let copies = self.subscribers.max(1);
        let round = self.publishers * self.batch * copies;
        // A whole number of seconds: the ledger takes the first messages of each.
        let secs = if self.per_sec == BUSY { 1 } else { 10 };
        let messages = meter.scaled((self.per_sec * secs) as usize);
        let rounds = (messages / copies / (self.publishers * self.batch)).max(1);
        let mut due_us = 0;
        let mut send = |driver: &mut Driver, rounds| {
            for _ in 0..rounds {
                for (publisher, bytes) in &publishers {
                    driver.send(*publisher, bytes);
                    due_us += 1_000_000 * (self.batch * copies) as u64 / self.per_sec;
                    driver.advance(due_us / 1000);
                    due_us %= 1000;
                }
            }
        };
        send(&mut driver, rounds);
        let before = driver.received_by_all();
        let count = rounds * round;
        meter.measure(&mut driver, self.name, "message", count, |driver| {
            send(driver, rounds);
        });
        let expected = if self.subscribers == 0 { 0 } else { count };
        let received = driver.received_by_all() - before;
        assert_eq!(received, expected as u64, "{}", self.name);
    }

    /// What one read brings.
    fn batch_to(&self, topic: &str) -> Vec<u8> {
        let one = |id: usize| {
            let id = PacketId::new(id as u16).expect("not 0");
            publish(VERSION, topic, &[b'x'; 64], self.qos, id)
        };
        (1..=self.batch).flat_map(one).collect()
    }
}
