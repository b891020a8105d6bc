//! Bytes that a shard holds for each session, subscription and message.
//!
//! `cargo xtask instructions` runs each case in a process of its own. `list` prints the names,
//! `measure NAME` three numbers for each thing: resident bytes, bytes asked of the allocator,
//! blocks. Anything else runs every case at a small size, which shows that it works.
#![allow(
    clippy::print_stdout,
    reason = "the lines are for the program that started this one"
)]

#[path = "../driver/mod.rs"]
mod driver;

use std::alloc::System;

use columba_codec::{PacketId, QoS, Version};
use driver::packets::{Greeting, publish, publish_with};
use driver::{ClientIx, Driver};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const VERSION: Version = Version::V311;
const COUNT: usize = 1_000_000;
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Subscriptions of one client.
const CLIENT_SUBSCRIPTIONS: usize = 1_000;

/// Brings a shard into the state from which memory counts, and gives back what fills it.
type Case = fn(&mut Driver, usize) -> Box<dyn FnMut(&mut Driver)>;

const CASES: [(&str, Case); 10] = [
    ("connection with its session, idle", connections),
    ("session without a connection", sessions),
    ("subscription, no wildcard", |driver, count| {
        subscriptions(driver, count, |number| {
            format!("site/{}/device/{number}/state", number / 100)
        })
    }),
    ("subscription with `+`", |driver, count| {
        subscriptions(driver, count, |number| {
            format!("site/{}/device/{number}/+", number / 100)
        })
    }),
    ("subscription with `#`", |driver, count| {
        subscriptions(driver, count, |number| {
            format!("site/{}/device/{number}/#", number / 100)
        })
    }),
    (
        "subscription, 10 clients a filter, no wildcard",
        |driver, count| {
            subscriptions(driver, count, |number| {
                format!("site/{}/device/{}/state", number / 100, number / 10)
            })
        },
    ),
    (
        "first subscription of a client, no wildcard",
        first_subscriptions,
    ),
    ("retained message, 64 B", retained),
    ("queued message, 64 B", queued),
    ("queued copy of a message to 1,000 clients", queued_copies),
];

fn main() {
    let arguments = driver::arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for (name, _) in CASES {
                println!("{name}");
            }
        }
        ["measure", name] => {
            let (_, case) = CASES
                .into_iter()
                .find(|(other, _)| *other == name)
                .expect("the name of a case");
            let (resident, allocated, blocks) = measure(case, COUNT);
            println!("{resident} {allocated} {blocks}");
        }
        _ => {
            for (name, case) in CASES {
                println!("{name}: {:?}", measure(case, 1_000));
            }
        }
    }
}

/// Resident bytes, allocated bytes and blocks for each of `count` things.
fn measure(case: Case, count: usize) -> (f64, f64, f64) {
    let mut driver = Driver::new(1);
    let mut fill = case(&mut driver, count);
    let resident = resident_bytes();
    let before = ALLOCATOR.stats();
    fill(&mut driver);
    drop(fill);
    let after = ALLOCATOR.stats();
    let grown = resident_bytes().saturating_sub(resident);
    let each = |sum: f64| sum / count as f64;
    let (bytes, blocks) = (
        in_use(&after) - in_use(&before),
        held(&after) - held(&before),
    );
    // The state must live until here.
    assert!(driver.stats().sessions > 0);
    (each(grown as f64), each(bytes as f64), each(blocks as f64))
}

fn in_use(stats: &Stats) -> i64 {
    // What a realloc added or took away is in the first two as well.
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn held(stats: &Stats) -> i64 {
    stats.allocations as i64 - stats.deallocations as i64
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the bench looks at its own process, which the core may not"
    )]
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let pages: u64 = pages.expect("the second field of statm is a number");
    pages * PAGE_BYTES
}

const PAGE_BYTES: u64 = 4096;

/// Connects `count` clients. The bench's own list of them is made before.
fn connect(driver: &mut Driver, clients: &[ClientIx], is_clean: bool) {
    for (number, client) in clients.iter().enumerate() {
        driver.open(*client);
        let client_id = format!("client-{number}");
        let greeting = Greeting {
            version: VERSION,
            client_id: &client_id,
            is_clean,
            topic_alias_maximum: 0,
        };
        driver.send(*client, &greeting.bytes());
    }
}

fn new_clients(driver: &mut Driver, count: usize) -> Vec<ClientIx> {
    (0..count).map(|_| driver.new_client(VERSION)).collect()
}

fn connections(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    let clients = new_clients(driver, count);
    Box::new(move |driver| connect(driver, &clients, true))
}

fn sessions(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    let clients = new_clients(driver, 1);
    Box::new(move |driver| {
        // One connection after the other, so that connections take no memory.
        for number in 0..count {
            driver.open(clients[0]);
            let client_id = format!("client-{number}");
            let greeting = Greeting {
                version: VERSION,
                client_id: &client_id,
                is_clean: false,
                topic_alias_maximum: 0,
            };
            driver.send(clients[0], &greeting.bytes());
            driver.cut(clients[0]);
        }
    })
}

fn subscriptions(
    driver: &mut Driver,
    count: usize,
    filter: fn(usize) -> String,
) -> Box<dyn FnMut(&mut Driver)> {
    let clients = new_clients(driver, (count / CLIENT_SUBSCRIPTIONS).max(10));
    connect(driver, &clients, true);
    Box::new(move |driver| {
        for number in 0..count {
            // Neighbours go to different clients, so that each has a filter once.
            let client = clients[number % clients.len()];
            driver.subscribe(client, &[filter(number)], QoS::AtLeastOnce);
        }
    })
}

fn first_subscriptions(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    let clients = new_clients(driver, count);
    connect(driver, &clients, true);
    Box::new(move |driver| {
        for (number, client) in clients.iter().enumerate() {
            let filter = format!("site/{}/device/{number}/state", number / 100);
            driver.subscribe(*client, &[filter], QoS::AtLeastOnce);
        }
    })
}

fn retained(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    let publisher = driver.connect(VERSION, "publisher");
    Box::new(move |driver| {
        for number in 0..count {
            let topic = format!("bench/retained/{number}");
            let id = PacketId::MIN;
            let bytes = publish_with(VERSION, &topic, &PAYLOAD, QoS::AtMostOnce, id, true);
            driver.send(publisher, &bytes);
        }
    })
}

/// Clients of lasting sessions that subscribe to a topic each, and leave.
fn leave_subscribed(driver: &mut Driver, count: usize, topic: fn(usize) -> String) {
    let clients = new_clients(driver, count);
    connect(driver, &clients, false);
    for (number, client) in clients.into_iter().enumerate() {
        driver.subscribe(client, &[topic(number)], QoS::AtLeastOnce);
        driver.cut(client);
    }
}

fn queued(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    leave_subscribed(driver, QUEUES, |number| format!("queue/{number}"));
    let publisher = driver.connect(VERSION, "publisher");
    Box::new(move |driver| {
        for number in 0..count {
            let topic = format!("queue/{}", number % QUEUES);
            let bytes = publish(VERSION, &topic, &PAYLOAD, QoS::AtLeastOnce, PacketId::MIN);
            driver.send(publisher, &bytes);
        }
    })
}

fn queued_copies(driver: &mut Driver, count: usize) -> Box<dyn FnMut(&mut Driver)> {
    leave_subscribed(driver, QUEUES, |_| "queue/all".to_owned());
    let publisher = driver.connect(VERSION, "publisher");
    let bytes = publish(
        VERSION,
        "queue/all",
        &PAYLOAD,
        QoS::AtLeastOnce,
        PacketId::MIN,
    );
    Box::new(move |driver| {
        for _ in 0..count / QUEUES {
            driver.send(publisher, &bytes);
        }
    })
}

/// Sessions in which messages wait.
const QUEUES: usize = 1_000;
