//! Subscribing, and finding who wants a topic, with many subscriptions of others around.

use columba_codec::{PacketId, QoS, Version};

use crate::driver::crowd::{self, device};
use crate::driver::packets::{publish, subscribe, unsubscribe};
use crate::driver::{ClientIx, Driver};
use crate::{Meter, counted};

const VERSION: Version = Version::V311;
/// Topics of one measurement of matches.
const TOPICS: usize = 200;
/// PUBLISH packets of one read.
const BATCH: usize = 10;

/// Makes a filter from a number.
type Numbered = fn(usize) -> String;

/// Ten filters that match `ten/ANYTHING/x/y`.
const TEN: [&str; 10] = [
    "ten/#",
    "ten/+/#",
    "ten/+/x/#",
    "ten/+/+/#",
    "ten/+/x/y",
    "ten/+/+/y",
    "ten/+/x/+",
    "ten/+/+/+",
    "ten/+/x/y/#",
    "ten/+/+/+/#",
];

/// Subscribing and matches with a table of one size.
pub(crate) fn run(meter: &Meter, count: usize) {
    let mut driver = counted(1);
    crowd::subscribe(&mut driver, meter.scaled(count));
    let client = driver.connect(VERSION, "subscriber");
    subscribing(meter, &mut driver, client);
    matching(meter, &mut driver, meter.scaled(count));
}

/// The same with tables of several sizes, one a call.
pub(crate) fn scale(meter: &mut Meter, count: usize) {
    meter.group = match count {
        1_000 => "1,000 subscriptions",
        100_000 => "100,000 subscriptions",
        _ => "1,000,000 subscriptions",
    };
    let mut driver = counted(1);
    crowd::subscribe(&mut driver, count);
    let client = driver.connect(VERSION, "subscriber");
    subscribing(meter, &mut driver, client);
    matching(meter, &mut driver, count);
}

fn subscribing(meter: &Meter, driver: &mut Driver, client: ClientIx) {
    let kinds: [(&str, Numbered); 3] = [
        ("exact", |number| format!("mine/{number}/state")),
        ("with +", |number| format!("mine/{number}/+")),
        ("with #", |number| format!("mine/{number}/#")),
    ];
    for (kind, filter) in kinds {
        let filters: Vec<String> = (0..meter.scaled(1_000)).map(filter).collect();
        let count = filters.len();
        let packet = |filter: &String| {
            let filters = std::slice::from_ref(filter);
            subscribe(VERSION, filters, QoS::AtMostOnce, 0)
        };
        let packets: Vec<Vec<u8>> = filters.iter().map(packet).collect();
        let name = format!("SUBSCRIBE, {kind}");
        meter.measure(driver, &name, "packet", count, |driver| {
            for packet in &packets {
                driver.send(client, packet);
            }
        });
        let packets: Vec<Vec<u8>> = filters
            .iter()
            .map(|filter| unsubscribe(VERSION, filter))
            .collect();
        let name = format!("UNSUBSCRIBE, {kind}");
        meter.measure(driver, &name, "packet", count, |driver| {
            for packet in &packets {
                driver.send(client, packet);
            }
        });
    }
}

/// PUBLISH packets of QoS 0 to topics that nobody, one or ten subscribers want.
fn matching(meter: &Meter, driver: &mut Driver, count: usize) {
    let publisher = driver.connect(VERSION, "publisher");
    for (number, filter) in TEN.iter().enumerate() {
        let client = driver.connect(VERSION, &format!("ten-{number}"));
        let mut filters = vec![(*filter).to_owned()];
        filters.extend((0..TOPICS).map(|topic| format!("exact/{topic}/x/y")));
        driver.subscribe(client, &filters, QoS::AtMostOnce);
    }
    // Spread over the whole table; the remainder by 4 chooses the kind of filter.
    let spread = |topic: usize, kind: usize| topic * (count / 4) / TOPICS * 4 + kind;
    let topics = |topic: &dyn Fn(usize) -> String| -> Vec<String> {
        // Few devices stand for all topics in a smoke test; a topic twice would be known.
        let mut topics: Vec<String> = (0..TOPICS).map(topic).collect();
        topics.dedup();
        topics
    };
    let of_device =
        |kind: usize, end: &str| topics(&|topic| format!("{}/{end}", device(spread(topic, kind))));
    let kinds = [
        ("0 matches", 0, of_device(0, "none")),
        ("1 match, exact", 1, of_device(1, "state")),
        ("1 match, wildcard", 1, of_device(2, "load")),
        (
            "10 matches, exact",
            10,
            topics(&|topic| format!("exact/{topic}/x/y")),
        ),
        (
            "10 matches, wildcard",
            10,
            topics(&|topic| format!("ten/{topic}/x/y")),
        ),
    ];
    // Every buffer gets the size that it keeps.
    for topic in of_device(0, "state") {
        let bytes = publish(VERSION, &topic, &[b'x'; 64], QoS::AtMostOnce, PacketId::MIN);
        driver.receive(publisher, &bytes);
    }
    driver.settle();
    for (name, matches, topics) in kinds {
        let id = PacketId::MIN;
        let one = |topic: &String| publish(VERSION, topic, &[b'x'; 64], QoS::AtMostOnce, id);
        let reads: Vec<Vec<u8>> = topics
            .chunks(BATCH)
            .map(|topics| topics.iter().flat_map(one).collect())
            .collect();
        let published = topics.len();
        let before = driver.received_by_all();
        for seen in ["new topic", "known topic"] {
            let name = format!("PUBLISH, {name}, {seen}");
            meter.measure(driver, &name, "packet", published, |driver| {
                for read in &reads {
                    driver.send(publisher, read);
                }
            });
        }
        let received = driver.received_by_all() - before;
        assert_eq!(received, 2 * published as u64 * matches, "{name}");
    }
}
