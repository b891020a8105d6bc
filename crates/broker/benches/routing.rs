//! Finding who wants a topic, subscribing and unsubscribing, with many subscriptions of others.
//!
//! Measured through a whole shard: a PUBLISH of QoS 0 is read, matched and written to one client,
//! whose subscriptions all of the matches are. With the match cache off each topic is looked up in
//! the table and the trie.
#![allow(missing_docs, reason = "criterion's macro makes a function")]

mod driver;

use std::time::Duration;

use columba_codec::{PacketId, QoS, Version};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driver::crowd::{self, device};
use driver::packets::{publish, subscribe, unsubscribe};
use driver::{ClientIx, Driver};

const VERSION: Version = Version::V311;
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// PUBLISH packets of one read.
const BATCH: usize = 100;
const MATCHES: [usize; 3] = [1, 10, 100];

/// Sizes of the table; a smoke test makes do with one.
fn sizes() -> &'static [usize] {
    if driver::is_smoke_test() {
        &[1_000]
    } else {
        &[1_000, 100_000, 1_000_000]
    }
}

fn matching(criterion: &mut Criterion) {
    for (cache, match_cache_max) in [("looked up", 0), ("cached", 65_536)] {
        for &size in sizes() {
            let change = |limits: &mut columba_broker::limits::Limits| {
                limits.match_cache_max = match_cache_max;
            };
            let mut driver = Driver::with(1, change);
            crowd::subscribe(&mut driver, size);
            let publisher = driver.connect(VERSION, "publisher");
            let mut group = criterion.benchmark_group(format!("match {cache}, {size}"));
            group.throughput(Throughput::Elements(BATCH as u64));
            let devices = |end: &'static str, kind: usize| {
                let numbers = (0..BATCH).map(move |topic| topic * (size / BATCH) / 4 * 4 + kind);
                numbers.map(move |number| format!("{}/{end}", device(number)))
            };
            let none = batch(devices("none", 0));
            group.bench_function("0", |bencher| {
                bencher.iter(|| driver.send(publisher, &none));
            });
            let exact = batch(devices("state", 0));
            group.bench_function("1 exact", |bencher| {
                bencher.iter(|| driver.send(publisher, &exact));
            });
            let many = batch((0..BATCH).map(|number| format!("many/{number}/a/b/c/d/e/f")));
            for count in MATCHES {
                let client_id = format!("subscriber-{count}");
                let subscriber = driver.connect(VERSION, &client_id);
                driver.subscribe(subscriber, &crowd::matching(count), QoS::AtMostOnce);
                group.bench_function(format!("{count} wildcard"), |bencher| {
                    bencher.iter(|| driver.send(publisher, &many));
                });
                driver.cut(subscriber);
            }
            group.finish();
        }
    }
}

fn batch(topics: impl Iterator<Item = String>) -> Vec<u8> {
    let id = PacketId::MIN;
    let one = |topic: String| publish(VERSION, &topic, &PAYLOAD, QoS::AtMostOnce, id);
    topics.flat_map(one).collect()
}

fn subscribing(criterion: &mut Criterion) {
    for &size in sizes() {
        let mut driver = Driver::new(1);
        crowd::subscribe(&mut driver, size);
        let client: ClientIx = driver.connect(VERSION, "subscriber");
        let mut group = criterion.benchmark_group(format!("subscribe and unsubscribe, {size}"));
        for filter in ["mine/new/state", "mine/new/+", "mine/new/#"] {
            let there = subscribe(VERSION, &[filter.to_owned()], QoS::AtMostOnce, 0);
            let back = unsubscribe(VERSION, filter);
            group.bench_function(filter, |bencher| {
                bencher.iter(|| {
                    driver.send(client, &there);
                    driver.send(client, &back);
                });
            });
        }
        group.finish();
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! {
    name = routing;
    config = short();
    targets = matching, subscribing
}
criterion_main!(routing);
