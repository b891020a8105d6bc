//! Messages through a whole shard, from the publisher's bytes to the last acknowledgement, with
//! clients that answer. What the clients do is in the figures.
#![allow(missing_docs, reason = "criterion's macro makes a function")]

mod driver;

use std::time::Duration;

use columba_codec::{PacketId, QoS, Version};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use driver::Driver;
use driver::packets::{Greeting, publish, subscribe};

const TOPIC: &str = "site/7/line/3/machine/42/temperature";
const BATCH: usize = 100;

const QOS: [(&str, QoS); 3] = [
    ("QoS 0", QoS::AtMostOnce),
    ("QoS 1", QoS::AtLeastOnce),
    ("QoS 2", QoS::ExactlyOnce),
];

/// How messages go out.
#[derive(Clone, Copy)]
struct Way {
    version: Version,
    qos: QoS,
    subscribers: usize,
    topic_alias_maximum: u16,
    identifier: u32,
    payload_bytes: usize,
}

const PLAIN: Way = Way {
    version: Version::V311,
    qos: QoS::AtMostOnce,
    subscribers: 1,
    topic_alias_maximum: 0,
    identifier: 0,
    payload_bytes: 64,
};

impl Way {
    fn bench(self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
        let mut driver = Driver::new(1);
        for number in 0..self.subscribers {
            let client_id = format!("subscriber-{number}");
            let subscriber = driver.connect_with(Greeting {
                version: self.version,
                client_id: &client_id,
                is_clean: true,
                topic_alias_maximum: self.topic_alias_maximum,
            });
            let filters = [TOPIC.to_owned()];
            let bytes = subscribe(self.version, &filters, self.qos, self.identifier);
            driver.send(subscriber, &bytes);
        }
        let publisher = driver.connect(self.version, "publisher");
        let payload = vec![b'x'; self.payload_bytes];
        let one = |id: usize| {
            let id = PacketId::new(id as u16).expect("not 0");
            publish(self.version, TOPIC, &payload, self.qos, id)
        };
        let batch: Vec<u8> = (1..=BATCH).flat_map(one).collect();
        group.throughput(Throughput::Elements((BATCH * self.subscribers) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| driver.send(publisher, &batch));
        });
    }
}

fn flows(criterion: &mut Criterion) {
    for (name, qos) in QOS {
        let mut group = criterion.benchmark_group(format!("deliver, {name}"));
        for subscribers in [1, 10, 100] {
            let way = Way {
                qos,
                subscribers,
                ..PLAIN
            };
            way.bench(&mut group, &format!("1 to {subscribers}"));
        }
        for payload_bytes in [1024, 16 * 1024] {
            let way = Way {
                qos,
                payload_bytes,
                ..PLAIN
            };
            way.bench(&mut group, &format!("1 to 1, {payload_bytes} B"));
        }
        group.finish();
    }
}

fn encodings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let version = Version::V5;
    PLAIN.bench(&mut group, "3.1.1");
    let plain = Way { version, ..PLAIN };
    plain.bench(&mut group, "5.0");
    let with_alias = Way {
        topic_alias_maximum: 10,
        ..plain
    };
    with_alias.bench(&mut group, "5.0 with a topic alias");
    let with_identifier = Way {
        identifier: 7,
        ..plain
    };
    with_identifier.bench(&mut group, "5.0 with a subscription identifier");
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = delivery;
    config = short();
    targets = flows, encodings
}
criterion_main!(delivery);
