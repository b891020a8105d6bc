//! Clients that come and go, messages that wait for them, retained messages.

use columba_codec::{PacketId, QoS, Version};

use crate::driver::Driver;
use crate::driver::packets::{Greeting, publish, publish_with, subscribe, unsubscribe};
use crate::{Meter, counted};

const VERSION: Version = Version::V311;
const DISCONNECT: [u8; 2] = [0xE0, 0];
const PINGREQ: [u8; 2] = [0xC0, 0];
const PAYLOAD: [u8; 64] = [b'x'; 64];

pub(crate) fn run(meter: &Meter) {
    connecting(meter, "CONNECT to DISCONNECT, 3.1.1", Version::V311, true);
    connecting(meter, "CONNECT to DISCONNECT, 5.0", Version::V5, true);
    connecting(
        meter,
        "CONNECT to DISCONNECT, 3.1.1, session resumed",
        Version::V311,
        false,
    );
    pinging(meter);
    waiting(meter);
    retaining(meter);
}

fn connecting(meter: &Meter, name: &str, version: Version, is_clean: bool) {
    let mut driver = counted(1);
    let ids: Vec<String> = (0..meter.scaled(1_000))
        .map(|number| format!("client-{number}"))
        .collect();
    let greetings: Vec<_> = ids
        .iter()
        .map(|client_id| {
            let greeting = Greeting {
                version,
                client_id,
                is_clean,
                topic_alias_maximum: 0,
            };
            (driver.new_client(version), greeting.bytes())
        })
        .collect();
    let round = |driver: &mut Driver| {
        for (client, connect) in &greetings {
            driver.open(*client);
            driver.send(*client, connect);
            driver.send(*client, &DISCONNECT);
        }
    };
    round(&mut driver);
    meter.measure(&mut driver, name, "connection", ids.len(), round);
}

fn pinging(meter: &Meter) {
    let mut driver = counted(1);
    let client = driver.connect(VERSION, "client");
    let count = meter.scaled(1_000);
    driver.send(client, &PINGREQ);
    meter.measure(&mut driver, "PINGREQ", "packet", count, |driver| {
        for _ in 0..count {
            driver.send(client, &PINGREQ);
        }
    });
}

/// Messages for a client that is away, and their delivery when it is back.
fn waiting(meter: &Meter) {
    let mut driver = counted(1);
    let greeting = Greeting {
        version: VERSION,
        client_id: "subscriber",
        is_clean: false,
        topic_alias_maximum: 0,
    };
    let subscriber = driver.connect_with(greeting);
    driver.subscribe(subscriber, &["t".to_owned()], QoS::AtLeastOnce);
    driver.cut(subscriber);
    let publisher = driver.connect(VERSION, "publisher");
    let id = PacketId::MIN;
    let bytes = publish(VERSION, "t", &PAYLOAD, QoS::AtLeastOnce, id);
    let count = meter.scaled(10_000);
    let name = "queued while away, QoS 1";
    meter.measure(&mut driver, name, "message", count, |driver| {
        for _ in 0..count {
            driver.send(publisher, &bytes);
        }
    });
    let before = driver.received(subscriber);
    driver.open(subscriber);
    let connect = greeting.bytes();
    let name = "sent when back, QoS 1";
    meter.measure(&mut driver, name, "message", count, |driver| {
        driver.send(subscriber, &connect);
    });
    assert_eq!(driver.received(subscriber) - before, count as u64);
}

fn retaining(meter: &Meter) {
    let mut driver = counted(1);
    let publisher = driver.connect(VERSION, "publisher");
    let count = meter.scaled(10_000);
    let id = PacketId::MIN;
    let packets: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            let topic = format!("bench/retained/{number}");
            publish_with(VERSION, &topic, &PAYLOAD, QoS::AtMostOnce, id, true)
        })
        .collect();
    for name in ["retain, new topic", "retain, known topic"] {
        meter.measure(&mut driver, name, "message", count, |driver| {
            for packet in &packets {
                driver.send(publisher, packet);
            }
        });
    }
    let subscriber = driver.connect(VERSION, "subscriber");
    let exact = format!("bench/retained/{}", count / 2);
    let cases = [
        ("exact filter", &*exact, 1),
        ("+", "bench/retained/+", count),
        ("#", "bench/#", count),
        ("no match", "bench/other/#", 0),
    ];
    for (name, filter, found) in cases {
        let before = driver.received(subscriber);
        let filters = [filter.to_owned()];
        let (name, unit, messages) = if found > 1 {
            (
                format!("retained message sent for {name}"),
                "message",
                found,
            )
        } else {
            let name = format!("SUBSCRIBE with {found} retained of {count}, {name}");
            (name, "packet", 1)
        };
        let bytes = subscribe(VERSION, &filters, QoS::AtMostOnce, 0);
        meter.measure(&mut driver, &name, unit, messages, |driver| {
            driver.send(subscriber, &bytes);
        });
        assert_eq!(driver.received(subscriber) - before, found as u64, "{name}");
        driver.send(subscriber, &unsubscribe(VERSION, filter));
    }
}
