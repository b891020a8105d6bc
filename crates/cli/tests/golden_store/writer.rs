//! Makes a store with every kind of record, as the core hands them over: the same bytes each time, for
//! clock, seeds and clients are given.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use columba_broker::event::{AuthRequest, AuthVerdict, Command};
use columba_broker::journal::Records;
use columba_codec::packet::{RetainHandling, SubscribeOptions};
use columba_codec::{Properties, PropertyId, Value};
use columba_store::{Batch, Log, Name, Options, Position, SimDisk};

use crate::bed::exchange::{QOS_0, QOS_1, QOS_2, id, keeping, options, properties};
use crate::bed::{Bed, ClientIx, ConnectOptions, V5, V311};

/// Some 126 years: what is to be there whenever it is read expires after that.
const LONG_SECS: u32 = 4_000_000_000;

/// What stands beside the store, as the broker writes it.
const BANS: &str = r#"{
  "bans": [
    {
      "kind": "client",
      "value": "intruder",
      "until_unix_ms": null,
      "reason": "tries passwords",
      "by": "ann",
      "since_unix_ms": 1700000000000
    },
    {
      "kind": "address",
      "value": "2001:db8::8",
      "until_unix_ms": 5700000000000,
      "reason": "",
      "by": "ann",
      "since_unix_ms": 1700000000000
    }
  ]
}"#;

/// Writes the files of a store into a directory.
pub(crate) fn write_into(directory: &Path) {
    let disk = SimDisk::new(1);
    let mut bed = Bed::with(1, |limits| limits.session_expiry_v3_secs = LONG_SECS).with_store();
    bed.store.history = Some(Vec::new());
    bed.authenticate = ann;

    leave_a_session_to_be_lost(&mut bed);
    commit(&disk, history(&mut bed));
    let is_it = |record: &&Vec<u8>| record[0] == 2 && record[3..].starts_with(b"lost");
    let of_session = bed.store.live.values().find(is_it);
    damage(&disk, of_session.expect("it is away"));
    bed.lose_session("lost");
    bed.crash(1);
    bed.store.is_damaged = false;
    commit_damaged(&disk, history(&mut bed));

    let publisher = bed.connect_keeping(V5, "machine");
    subscribe(&mut bed);
    publish(&mut bed, publisher);
    retain(&mut bed, publisher);
    // What waits for sessions that are on several shards now is written anew.
    bed.crash(2);
    let publisher = bed.connect(V5, "publisher");
    deliver_in_part(&mut bed, publisher);
    die_in_between(&mut bed, publisher);
    commit(&disk, history(&mut bed));

    let kinds: BTreeSet<u8> = bed.store.live.values().map(|record| record[0]).collect();
    assert_eq!(kinds, (1..=12).collect(), "a kind is not there at the end");
    fs::create_dir_all(directory).expect("a directory");
    fs::write(directory.join("bans.json"), BANS).expect("a file");
    for name in disk.names() {
        if !matches!(name, Name::Spare | Name::Lock) {
            let bytes = disk.content(name).expect("a file");
            fs::write(directory.join(name.to_string()), bytes).expect("a file");
        }
    }
}

fn history(bed: &mut Bed) -> Vec<(u64, Records)> {
    std::mem::take(bed.store.history.as_mut().expect("it is kept"))
}

/// Commits what the broker has handed over to a store that is sound.
fn commit(disk: &SimDisk, history: Vec<(u64, Records)>) {
    let (mut log, damage) = open(disk);
    assert_eq!(damage, 0);
    append(&mut log, history);
}

/// Commits what the broker has handed over to one with a place that is damaged, and leaves that behind as
/// `columba store compact` does.
fn commit_damaged(disk: &SimDisk, history: Vec<(u64, Records)>) {
    let (mut log, damage) = open(disk);
    assert_eq!(damage, 1);
    append(&mut log, history);
    log.compact(&mut |_| ()).expect("a disk");
}

fn open(disk: &SimDisk) -> (Log<SimDisk>, usize) {
    disk.restart_process();
    let mut options = Options::new(0x0123_4567_89ab_cdef);
    options.segment_bytes = 4096;
    options.step_bytes = 256;
    let opened = Log::open(disk.clone(), options, &mut |_| ());
    let (log, found) = opened.expect("a store");
    (log, found.damage.len())
}

fn append(log: &mut Log<SimDisk>, history: Vec<(u64, Records)>) {
    for (first, records) in history {
        let mut batch = Batch::new();
        let mut start = 0;
        for end in &records.ends {
            batch.append(&records.bytes[start..*end]);
            start = *end;
        }
        for position in &records.releases {
            batch.release(Position::new(*position));
        }
        let mut done = log.commit([&batch]).expect("a disk");
        let there = done.batches.remove(0).expect("room");
        assert!(records.ends.is_empty() || there.value() == first);
    }
}

/// Changes a byte of the only record with these bytes.
fn damage(disk: &SimDisk, wanted: &[u8]) {
    for name in disk.names() {
        disk.damage(name, |bytes| {
            let at = bytes.windows(wanted.len()).position(|part| part == wanted);
            if let Some(at) = at {
                bytes[at] ^= 1;
            }
        });
    }
}

/// The only user there is.
pub(crate) fn ann(_: &AuthRequest) -> AuthVerdict {
    AuthVerdict::Allow {
        user: Some("ann".into()),
        groups: Arc::new(["crew".into(), "night".into()]),
    }
}

/// What is kept of a session whose own record is damaged.
fn leave_a_session_to_be_lost(bed: &mut Bed) {
    let lost = bed.connect_keeping(V5, "lost");
    bed.subscribe(lost, "gone/#", QOS_1);
    bed.disconnect(lost);
    let publisher = bed.connect(V5, "passer-by");
    bed.publish(publisher, "gone/1", b"for a session that is lost", QOS_1);
    bed.disconnect(publisher);
}

/// Sessions that are away, each another way to have one.
fn subscribe(bed: &mut Bed) {
    let press = ConnectOptions::new(V5, "press/1")
        .property(PropertyId::SessionExpiryInterval, Value::U32(u32::MAX))
        .login("ann", b"secret");
    let press = bed.connect_with(&press);
    let narrow = SubscribeOptions {
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
        ..options(QOS_1)
    };
    let seven = properties(&[(PropertyId::SubscriptionIdentifier, Value::U32(7))]);
    bed.subscribe_with(press, "plant/+/temperature", narrow, seven.as_properties());
    bed.subscribe_identified(press, "plant/#", QOS_2, 268_435_455);
    bed.subscribe_identified(press, "$share/line/jobs/#", QOS_2, 300);
    bed.drop_connection(press);

    let gate = keeping(V5, "gate")
        .will("gate/status", "离线".as_bytes(), QOS_1, true)
        .will_property(PropertyId::WillDelayInterval, Value::U32(LONG_SECS))
        .will_property(PropertyId::MessageExpiryInterval, Value::U32(300))
        .will_property(PropertyId::ContentType, Value::String("text/plain"));
    let gate = bed.connect_with(&gate);
    bed.drop_connection(gate);

    let panel = bed.connect_keeping(V311, "panel");
    bed.subscribe(panel, "plant/#", QOS_1);
    bed.subscribe(panel, "车间/#", QOS_2);
    bed.disconnect(panel);

    let addr = "[2001:db8::7]:1883".parse().expect("an address");
    let office = bed.open_from(V5, Some(addr));
    let connect = ConnectOptions::new(V5, "office")
        .property(PropertyId::SessionExpiryInterval, Value::U32(LONG_SECS));
    bed.send_raw(office, &connect.bytes());
    bed.take(office);
    bed.subscribe(office, "plant/+/temperature", QOS_1);
    bed.disconnect(office);

    let visitor = ConnectOptions::new(V5, "visitor")
        .property(PropertyId::SessionExpiryInterval, Value::U32(60));
    let visitor = bed.connect_with(&visitor);
    bed.subscribe(visitor, "plant/#", QOS_1);
    bed.disconnect(visitor);
}

/// Messages that wait for one session and for several, with all that can go with them.
fn publish(bed: &mut Bed, machine: ClientIx) {
    let all = properties(&[
        (PropertyId::PayloadFormatIndicator, Value::Flag(true)),
        (PropertyId::MessageExpiryInterval, Value::U32(LONG_SECS)),
        (PropertyId::ContentType, Value::String("text/plain")),
        (PropertyId::ResponseTopic, Value::String("plant/1/answer")),
        (PropertyId::CorrelationData, Value::Binary(&[0, 255, 7])),
        (PropertyId::UserProperty, Value::Pair("unit", "°C")),
        (PropertyId::UserProperty, Value::Pair("unit", "K")),
    ]);
    let all = all.as_properties();
    let topic = "plant/1/temperature";
    bed.publish_with(machine, topic, b"21.5", QOS_1, false, all);
    bed.publish_exactly_once(machine, topic, b"22");
    bed.publish_exactly_once(machine, "车间/一/温度", "二十二度".as_bytes());
    bed.publish(machine, "plant/1/empty", b"", QOS_1);
    bed.publish(machine, "plant/1/bytes", &[0xff; 1500], QOS_1);
    bed.publish_exactly_once(machine, "jobs/1", b"drill");
    let brief = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(60))]);
    let brief = brief.as_properties();
    bed.publish_with(machine, "plant/1/brief", b"soon over", QOS_1, false, brief);
    // The client has not released it.
    bed.publish(machine, "plant/1/unreleased", b"received once", QOS_2);
}

fn retain(bed: &mut Bed, machine: ClientIx) {
    bed.retain(machine, "retained/plain", b"at QoS 0", QOS_0);
    for payload in [&b"old"[..], b"new"] {
        bed.retain(machine, "retained/replaced", payload, QOS_1);
    }
    let long = properties(&[
        (PropertyId::MessageExpiryInterval, Value::U32(LONG_SECS)),
        (PropertyId::UserProperty, Value::Pair("kept", "yes")),
    ]);
    let retained = "retained/expiring";
    bed.publish_with(
        machine,
        retained,
        b"late",
        QOS_1,
        true,
        long.as_properties(),
    );
    let brief = properties(&[(PropertyId::MessageExpiryInterval, Value::U32(60))]);
    let retained = "retained/brief";
    bed.publish_with(
        machine,
        retained,
        b"soon",
        QOS_1,
        true,
        brief.as_properties(),
    );
    bed.retain(machine, "retained/cleared", b"was there", QOS_1);
    bed.publish_with(
        machine,
        "retained/cleared",
        b"",
        QOS_1,
        true,
        Properties::EMPTY,
    );
}

/// A delivery in each state, and a message that one of its sessions is done with.
fn deliver_in_part(bed: &mut Bed, publisher: ClientIx) {
    let orders = bed.connect_keeping(V5, "orders");
    bed.subscribe(orders, "orders/#", QOS_2);
    bed.subscribe(orders, "plant/1/settled", QOS_1);
    bed.disconnect(orders);
    for (topic, payload) in [("orders/1", b"released"), ("orders/2", b"was sent")] {
        bed.publish_exactly_once(publisher, topic, payload);
    }
    let orders = bed.resume(V5, "orders");
    bed.take(orders);
    bed.pubrec(orders, id(1));
    bed.publish(publisher, "plant/1/settled", b"for others", QOS_1);
    bed.take(orders);
    bed.puback(orders, id(3));
    bed.advance(500);
    bed.drop_connection(orders);
    bed.publish_exactly_once(publisher, "orders/3", b"queued");
    bed.publish(publisher, "orders/4", b"queued at QoS 1", QOS_1);
}

/// The broker dies when the disk has one half of two things: a retained message that is cleared again, and
/// a member of a shared group whose session ends with a message that another one is to have.
fn die_in_between(bed: &mut Bed, publisher: ClientIx) {
    let leaving = bed.connect_keeping(V5, "leaving");
    bed.subscribe(leaving, "$share/pair/parts/#", QOS_2);
    bed.disconnect(leaving);
    bed.publish_exactly_once(publisher, "parts/1", b"a bolt");
    let staying = bed.connect_keeping(V5, "staying");
    bed.subscribe(staying, "$share/pair/parts/#", QOS_2);
    bed.disconnect(staying);
    bed.store.is_held = true;
    bed.command(Command::Disconnect {
        client_id: "leaving".into(),
        end_session: true,
    });
    bed.retain(publisher, "retained/in between", b"for a moment", QOS_1);
    bed.retain(publisher, "retained/in between", b"", QOS_1);
    let is_cleared = |bed: &Bed| bed.store.live.values().any(|record| record[0] == 11);
    while !(is_cleared(bed) && bed.knows_left_behind()) {
        assert!(bed.commit_next(), "one of them is not there");
    }
}
