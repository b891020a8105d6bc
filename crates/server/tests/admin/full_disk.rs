//! A full disk: who waits for it is counted and told, whichever shard has what is to be stored.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use columba_codec::{Packet, QoS};
use columba_store::{Faults, SimDisk};

use crate::bed::{Bed, Client};

/// So many that both shards have some.
const PUBLISHERS: usize = 12;
/// Long enough on a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the store says so, and each shard has told once how the disk is.
fn until(bed: &Bed, clients_waiting: usize, disk: &str, outcome: &str) {
    let begun = Instant::now();
    loop {
        let store = &bed.get("/api/v1/broker")["store"];
        let told = &bed.get("/api/v1/metrics")["outcomes"][outcome];
        if store["clients_waiting"] == clients_waiting && store["disk"] == disk && *told == 2 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{store} {told}");
    }
}

#[test]
fn a_disk_that_one_shard_finds_full_is_full_for_clients_of_all_until_there_is_room() {
    let disk = SimDisk::new(1);
    let bed = Bed::on_disk(disk.clone(), "");
    let mut absent = bed.connect_keeping("absent", None);
    absent.subscribe("t", QoS::AtLeastOnce);
    drop(absent);
    let names = (0..PUBLISHERS).map(|n| format!("publisher {n}"));
    let names: BTreeSet<String> = names.collect();
    let mut publishers: Vec<Client> = names.iter().map(|name| bed.connect(name)).collect();
    disk.set_faults(Faults {
        full_at: Some(disk.operations()),
        capacity: Some(0),
        ..Faults::default()
    });
    // The other shard has nothing to store, and hears of it.
    publishers[0].publish_qos_1("t", b"x");
    until(&bed, 1, "full", "broker.disk_full");
    for publisher in &mut publishers[1..] {
        publisher.publish_qos_1("t", b"x");
    }
    until(&bed, PUBLISHERS, "full", "broker.disk_full");
    // What came first was taken before anybody knew, and waits for its acknowledgement.
    let outcomes = &bed.get("/api/v1/metrics")["outcomes"];
    assert_eq!(outcomes["publish.answer_wait"], 1);
    assert_eq!(outcomes["publish.store_wait"], PUBLISHERS - 1);
    let first = bed.all("/api/v1/events?outcome=publish.answer_wait", 100);
    let [first] = &first[..] else {
        panic!("{first:?}");
    };
    assert_eq!(first["client"], "publisher 0");
    assert_eq!(first["topic"], "t");
    assert_eq!(first["detail"], "the disk is full");
    let waiting = bed.all("/api/v1/events?outcome=publish.store_wait", 100);
    let waiting = waiting.iter().chain([first]).map(|event| {
        assert_eq!(event["detail"], "the disk is full");
        event["client"].as_str().unwrap().to_owned()
    });
    assert_eq!(waiting.collect::<BTreeSet<_>>(), names);
    // Nobody who lasts has this.
    for name in &names {
        let mut live = bed.connect(&format!("live {name}"));
        live.subscribe("live", QoS::AtMostOnce);
        live.publish_qos_1("live", b"x");
        let mut types = BTreeSet::new();
        while types.len() < 2 {
            live.receive(|packet| types.insert(packet.packet_type() as u8));
        }
        drop(live);
    }
    assert_eq!(
        bed.get("/api/v1/metrics")["outcomes"]["publish.store_wait"],
        PUBLISHERS - 1
    );

    disk.set_faults(Faults::default());
    for publisher in &mut publishers {
        publisher.receive(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"));
    }
    until(&bed, 0, "working", "broker.disk_room");
}
