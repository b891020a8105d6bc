//! Finding and sending retained messages among many: each iteration is a SUBSCRIBE, what it
//! brings, and an UNSUBSCRIBE.
#![allow(missing_docs, reason = "criterion's macro makes a function")]

mod driver;

use std::time::Duration;

use columba_codec::{PacketId, QoS, Version};
use criterion::{Criterion, criterion_group, criterion_main};
use driver::Driver;
use driver::packets::{publish_with, subscribe, unsubscribe};

const VERSION: Version = Version::V311;
/// Topics below each second level.
const GROUP: usize = 100;

fn finding(criterion: &mut Criterion) {
    let count = if driver::is_smoke_test() {
        1_000
    } else {
        1_000_000
    };
    let mut driver = Driver::new(1);
    let publisher = driver.connect(VERSION, "publisher");
    let id = PacketId::MIN;
    for number in 0..count {
        let topic = format!("bench/{}/{}", number / GROUP, number % GROUP);
        let bytes = publish_with(VERSION, &topic, &[b'x'; 64], QoS::AtMostOnce, id, true);
        driver.send(publisher, &bytes);
    }
    let subscriber = driver.connect(VERSION, "subscriber");
    let mut group = criterion.benchmark_group(format!("retained of {count}"));
    let middle = count / GROUP / 2;
    let cases = [
        ("exact, 1", format!("bench/{middle}/7")),
        ("+ last, 100", format!("bench/{middle}/+")),
        ("#, 100", format!("bench/{middle}/#")),
        ("+ in the middle, 1 in 100", "bench/+/7".to_owned()),
        ("none", format!("bench/{middle}/none/+")),
    ];
    for (name, filter) in cases {
        let filters = [filter];
        let there = subscribe(VERSION, &filters, QoS::AtMostOnce, 0);
        let back = unsubscribe(VERSION, &filters[0]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                driver.send(subscriber, &there);
                driver.send(subscriber, &back);
            });
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = retained;
    config = short();
    targets = finding
}
criterion_main!(retained);
