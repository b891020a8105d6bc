//! Messages from publishers to subscribers that are connected.

use columba_codec::{PacketId, QoS, Version};

use crate::driver::packets::{Greeting, publish, subscribe};
use crate::driver::{ClientIx, Driver};
use crate::{Meter, counted};

const TOPIC: &str = "site/7/line/3/machine/42/temperature";
/// Messages that one read of the publisher's socket brings; fewer than a client may have in flight.
const BATCH: usize = 100;
const PAIRS: usize = 100;
const SUBSCRIBERS: usize = 100;

const QOS: [(&str, QoS); 3] = [
    ("QoS 0", QoS::AtMostOnce),
    ("QoS 1", QoS::AtLeastOnce),
    ("QoS 2", QoS::ExactlyOnce),
];

/// One publisher, one topic and those who subscribe to it.
struct Pipe {
    version: Version,
    qos: QoS,
    payload_bytes: usize,
    subscribers: usize,
    topic_alias_maximum: u16,
    identifier: u32,
    filter: &'static str,
    batch: usize,
    shards: u16,
}

const PIPE: Pipe = Pipe {
    version: Version::V311,
    qos: QoS::AtMostOnce,
    payload_bytes: 64,
    subscribers: 1,
    topic_alias_maximum: 0,
    identifier: 0,
    filter: TOPIC,
    batch: BATCH,
    shards: 1,
};

pub(crate) fn run(meter: &Meter) {
    for (name, qos) in QOS {
        Pipe { qos, ..PIPE }.run(meter, &format!("pipe, 64 B, 3.1.1, {name}"));
    }
    for (name, qos) in QOS {
        let version = Version::V5;
        let pipe = Pipe {
            qos,
            version,
            ..PIPE
        };
        pipe.run(meter, &format!("pipe, 64 B, 5.0, {name}"));
    }
    pipes_of_version_5(meter);
    for (name, qos) in QOS {
        for (size, payload_bytes) in [("1 KiB", 1024), ("16 KiB", 16 * 1024)] {
            let pipe = Pipe {
                qos,
                payload_bytes,
                batch: BATCH.min(64 * 1024 / payload_bytes),
                ..PIPE
            };
            pipe.run(meter, &format!("pipe, {size}, 3.1.1, {name}"));
        }
    }
    for (name, qos) in QOS {
        pairs(meter, name, qos);
    }
    for (name, qos) in QOS {
        let pipe = Pipe {
            qos,
            subscribers: SUBSCRIBERS,
            batch: 10,
            ..PIPE
        };
        pipe.run(
            meter,
            &format!("1 to {SUBSCRIBERS}, 64 B, 3.1.1, {name}, a copy"),
        );
    }
    for (name, qos) in QOS {
        let pipe = Pipe {
            qos,
            filter: "$share/group/site/#",
            subscribers: 4,
            batch: BATCH,
            ..PIPE
        };
        pipe.run(meter, &format!("shared by 4, 64 B, 3.1.1, {name}"));
    }
    for (name, qos) in QOS {
        let shards = 2;
        let pipe = Pipe {
            qos,
            shards,
            ..PIPE
        };
        pipe.run(meter, &format!("between 2 shards, 64 B, 3.1.1, {name}"));
    }
}

/// What only MQTT 5 has, and a wildcard.
fn pipes_of_version_5(meter: &Meter) {
    let version = Version::V5;
    let qos = QoS::AtLeastOnce;
    let with_alias = Pipe {
        version,
        qos,
        topic_alias_maximum: 10,
        ..PIPE
    };
    with_alias.run(meter, "pipe, 64 B, 5.0, QoS 1, topic alias out");
    let with_identifier = Pipe {
        version,
        qos,
        identifier: 7,
        ..PIPE
    };
    with_identifier.run(meter, "pipe, 64 B, 5.0, QoS 1, subscription identifier");
    let wildcard = Pipe {
        filter: "site/+/line/#",
        qos,
        ..PIPE
    };
    wildcard.run(meter, "pipe, 64 B, 3.1.1, QoS 1, wildcard filter");
}

impl Pipe {
    fn run(&self, meter: &Meter, name: &str) {
        let mut driver = counted(self.shards);
        let publisher = driver.connect(self.version, "publisher");
        let mut number = 0;
        let mut subscribers = 0;
        while subscribers < self.subscribers {
            number += 1;
            let client_id = format!("subscriber-{number}");
            let subscriber = driver.connect_with(Greeting {
                version: self.version,
                client_id: &client_id,
                is_clean: true,
                topic_alias_maximum: self.topic_alias_maximum,
            });
            // With several shards, all messages cross from one to another.
            if self.shards > 1 && driver.home(subscriber) == driver.home(publisher) {
                continue;
            }
            subscribers += 1;
            let filter = [self.filter.to_owned()];
            let bytes = subscribe(self.version, &filter, self.qos, self.identifier);
            driver.send(subscriber, &bytes);
        }
        let batch = self.batch();
        let send = |driver: &mut Driver, batches| {
            for _ in 0..batches {
                driver.send(publisher, &batch);
            }
        };
        let batches = meter.scaled(5_000 / (self.batch * self.subscribers).min(2_500));
        send(&mut driver, batches.min(100));
        let copies = if self.filter.starts_with("$share") {
            1
        } else {
            self.subscribers
        };
        let count = batches * self.batch * copies;
        let before = driver.received_by_all();
        meter.measure(&mut driver, name, "message", count, |driver| {
            send(driver, batches);
        });
        assert_eq!(driver.received_by_all() - before, count as u64, "{name}");
    }

    /// What one read brings.
    fn batch(&self) -> Vec<u8> {
        let payload = vec![b'x'; self.payload_bytes];
        let one = |id: usize| {
            let id = PacketId::new(id as u16).expect("not 0");
            publish(self.version, TOPIC, &payload, self.qos, id)
        };
        (1..=self.batch).flat_map(one).collect()
    }
}

/// Pairs of a publisher and a subscriber, each on a topic of its own; one message a read.
fn pairs(meter: &Meter, name: &str, qos: QoS) {
    let mut driver = counted(1);
    let version = Version::V311;
    let mut publishers: Vec<(ClientIx, Vec<u8>)> = Vec::new();
    for pair in 0..PAIRS {
        let topic = format!("pair/{pair}/topic");
        let subscriber = driver.connect(version, &format!("subscriber-{pair}"));
        driver.subscribe(subscriber, std::slice::from_ref(&topic), qos);
        let publisher = driver.connect(version, &format!("publisher-{pair}"));
        let bytes = publish(version, &topic, &[b'x'; 64], qos, PacketId::MIN);
        publishers.push((publisher, bytes));
    }
    let send = |driver: &mut Driver, rounds| {
        for _ in 0..rounds {
            for (publisher, bytes) in &publishers {
                driver.send(*publisher, bytes);
            }
        }
    };
    let rounds = meter.scaled(100);
    send(&mut driver, 10);
    let count = rounds * PAIRS;
    let before = driver.received_by_all();
    let name = format!("{PAIRS} pairs, 64 B, 3.1.1, {name}");
    meter.measure(&mut driver, &name, "message", count, |driver| {
        send(driver, rounds);
    });
    assert_eq!(driver.received_by_all() - before, count as u64, "{name}");
}
