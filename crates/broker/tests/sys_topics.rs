//! `$SYS/broker/#`: Mosquitto's names, and values that are true. `$SYS/columba/#`: our own.

mod bed;

use std::collections::BTreeMap;

use bed::{Bed, ClientIx, ConnectOptions, V5, V311};
use columba_broker::event::{Command, StoreFigures};
use columba_broker::limits::Limits;
use columba_broker::outcome::Outcome;
use columba_broker::recovery::ExpiredCounts;
use columba_codec::{Packet, QoS, ReasonCode};

const SHARDS: [u16; 2] = [1, 3];

/// What Mosquitto 2.1 publishes below `$SYS/broker/`, load averages apart.
const NAMES: [&str; 27] = [
    "bytes/received",
    "bytes/sent",
    "clients/active",
    "clients/connected",
    "clients/disconnected",
    "clients/expired",
    "clients/inactive",
    "clients/maximum",
    "clients/total",
    "connections/socket/count",
    "heap/current",
    "heap/maximum",
    "messages/received",
    "messages/sent",
    "messages/stored",
    "publish/bytes/received",
    "publish/bytes/sent",
    "publish/messages/dropped",
    "publish/messages/received",
    "publish/messages/sent",
    "retained messages/count",
    "shared_subscriptions/count",
    "store/messages/bytes",
    "store/messages/count",
    "subscriptions/count",
    "uptime",
    "version",
];

const LOADS: [&str; 9] = [
    "bytes/received",
    "bytes/sent",
    "connections",
    "messages/received",
    "messages/sent",
    "publish/dropped",
    "publish/received",
    "publish/sent",
    "sockets",
];

/// `$SYS` every 10 s. The first update has happened.
fn bed(shards: u16) -> Bed {
    let mut bed = Bed::with(shards, |limits| limits.sys_interval_ms = 10_000);
    bed.advance(0);
    bed
}

/// What a client was told since the last look, by the topic below `$SYS/broker/`.
fn told(bed: &mut Bed, client: ClientIx) -> BTreeMap<String, String> {
    let inbox = bed.take(client);
    let publishes = inbox.publishes();
    let values = publishes.iter().map(|publish| {
        let topic = publish.topic.strip_prefix("$SYS/broker/").expect("below");
        let value = String::from_utf8_lossy(publish.payload).into_owned();
        (topic.to_owned(), value)
    });
    values.collect()
}

#[test]
fn the_names_are_those_of_mosquitto() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        bed.advance(10_000);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/broker/#", QoS::AtMostOnce);
        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        for load in LOADS {
            for period in ["1min", "5min", "15min"] {
                names.push(format!("load/{load}/{period}"));
            }
        }
        names.sort();
        let told = told(&mut bed, watcher);
        assert!(told.keys().eq(&names), "{:?}", told.keys());
        for (name, value) in told {
            match name.as_str() {
                "version" => assert!(value.starts_with("columba version "), "{value}"),
                "uptime" => assert_eq!(value, "10 seconds"),
                _ if name.starts_with("load/") => {
                    let digits = value.split_once('.').expect("a point").1;
                    assert_eq!(digits.len(), 2, "{name}: {value}");
                }
                _ => assert!(value.parse::<u64>().is_ok(), "{name}: {value}"),
            }
        }
    }
}

#[test]
fn the_values_are_true() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        let watcher = bed.connect(V311, "watcher");
        let sleeper = ConnectOptions::new(V311, "sleeper").clean(false);
        let sleeper = bed.connect_with(&sleeper);
        bed.subscribe(sleeper, "t", QoS::AtLeastOnce);
        bed.subscribe(watcher, "$share/g/s", QoS::AtLeastOnce);
        for number in 0..5 {
            let visitor = bed.connect(V5, &format!("visitor{number}"));
            bed.disconnect(visitor);
        }
        bed.drop_connection(sleeper);
        bed.publish(watcher, "t", b"12345", QoS::AtLeastOnce);
        bed.take(watcher);
        bed.retain(watcher, "r", b"123", QoS::AtMostOnce);
        bed.command(Command::Process {
            heap_bytes: 1234,
            heap_bytes_max: 5678,
            log_lines_lost: 0,
            store: None,
        });
        bed.advance(20_000);
        bed.subscribe(watcher, "$SYS/broker/+/#", QoS::AtMostOnce);
        let told = told(&mut bed, watcher);
        for (name, value) in [
            ("clients/total", "2"),
            ("clients/connected", "1"),
            ("clients/active", "1"),
            ("clients/disconnected", "1"),
            ("clients/inactive", "1"),
            ("clients/maximum", "1"),
            ("clients/expired", "0"),
            ("connections/socket/count", "1"),
            ("publish/messages/received", "2"),
            ("publish/bytes/received", "8"),
            ("publish/messages/sent", "0"),
            ("publish/messages/dropped", "0"),
            ("subscriptions/count", "2"),
            ("shared_subscriptions/count", "1"),
            ("heap/current", "1234"),
            ("heap/maximum", "5678"),
            // CONNECTs 7, SUBSCRIBEs 2, DISCONNECTs 5, PUBLISHes 2.
            ("messages/received", "16"),
            // CONNACKs 7, SUBACKs 2, a PUBACK.
            ("messages/sent", "10"),
        ] {
            assert_eq!(told[name], value, "{name} on {shards}");
        }
        assert!(told["bytes/received"].parse::<u64>().expect("a number") > 100);
        assert!(told["bytes/sent"].parse::<u64>().expect("a number") > 30);
    }
}

#[test]
fn the_most_clients_are_those_that_were_there_at_once() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        for round in 0..10 {
            let clients: Vec<_> = (0..4)
                .map(|number| bed.connect(V311, &format!("client{round}-{number}")))
                .collect();
            bed.advance(20_000);
            for client in clients {
                bed.disconnect(client);
            }
        }
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/broker/clients/maximum", QoS::AtMostOnce);
        assert_eq!(told(&mut bed, watcher)["clients/maximum"], "4");
    }
}

#[test]
fn only_what_has_changed_is_published_again() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        bed.advance(40_000);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/broker/clients/#", QoS::AtMostOnce);
        let all = told(&mut bed, watcher);
        assert_eq!(all["clients/connected"], "0");
        bed.advance(20_000);
        let changed = told(&mut bed, watcher);
        assert_eq!(changed["clients/connected"], "1");
        assert!(!changed.contains_key("clients/expired"));
        bed.advance(60_000);
        assert!(told(&mut bed, watcher).is_empty());
    }
}

#[test]
fn load_averages_approach_the_rate() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        let client = bed.connect(V311, "client");
        for _ in 0..60 * 60 {
            bed.publish(client, "t", b"", QoS::AtMostOnce);
            bed.advance(1_000);
        }
        bed.subscribe(
            client,
            "$SYS/broker/load/publish/received/+",
            QoS::AtMostOnce,
        );
        let told = told(&mut bed, client);
        for (period, least) in [("1min", 59.0), ("5min", 59.0), ("15min", 58.0)] {
            let value = &told[&format!("load/publish/received/{period}")];
            let rate: f64 = value.parse().expect("a number");
            assert!((least..=60.5).contains(&rate), "{period}: {rate}");
        }
    }
}

#[test]
fn outcomes_and_lost_lines_of_the_log_are_counted_below_columba() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/columba/#", QoS::AtMostOnce);
        let told = |bed: &mut Bed| -> Vec<(String, String)> {
            let inbox = bed.take(watcher);
            let told = inbox.publishes();
            let told = told.iter().map(|publish| {
                let topic = publish.topic.strip_prefix("$SYS/columba/").expect("below");
                let value = String::from_utf8_lossy(publish.payload).into_owned();
                (topic.to_owned(), value)
            });
            told.collect()
        };
        let first = [
            ("log/lost", "0"),
            ("outcomes/broker.started", "1"),
            ("queues/bytes", "0"),
            ("queues/bytes_in_memory", "0"),
            ("queues/messages", "0"),
        ];
        let first = first.map(|(topic, value)| (topic.to_owned(), value.to_owned()));
        let mut at_first = told(&mut bed);
        at_first.sort();
        assert_eq!(at_first, first);
        let opened = bed.stats().sockets_opened;
        // What the driver refuses, it tells one shard.
        for count in [3, 2] {
            let outcome = Outcome::ConnectTimeout;
            bed.command_first(Command::Refused { outcome, count });
        }
        bed.command(Command::Process {
            heap_bytes: 1,
            heap_bytes_max: 1,
            log_lines_lost: 7,
            store: Some(StoreFigures {
                recovered_text: "recovered 3 sessions".into(),
                sessions_recovered: 3,
                expired: ExpiredCounts {
                    sessions: 4,
                    queued: 5,
                    retained: 6,
                },
                commits: 12,
                ..StoreFigures::default()
            }),
        });
        assert_eq!(bed.outcome(Outcome::ConnectTimeout), 5);
        assert_eq!(bed.stats().sockets_opened, opened + 5);
        bed.advance(10_000);
        let told: BTreeMap<_, _> = told(&mut bed).into_iter().collect();
        assert_eq!(told["log/lost"], "7");
        assert_eq!(told["store/recovered/sessions"], "3");
        assert_eq!(told["store/expired/sessions"], "4");
        assert_eq!(told["store/expired/messages"], "5");
        assert_eq!(told["store/expired/retained"], "6");
        assert_eq!(told["store/recovered/text"], "recovered 3 sessions");
        assert_eq!(told["store/commits"], "12");
        assert_eq!(told["outcomes/connect.timeout"], "5");
        assert_eq!(told["outcomes/connect.accepted"], "1");
        assert!(!told.contains_key("outcomes/connect.quota"));
        assert_eq!(told["why/P02"], "5");
    }
}

#[test]
fn causes_of_losses_are_counted_by_the_codes_of_verdicts() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/columba/why/#", QoS::AtMostOnce);
        let client = bed.connect(V5, "client");
        for topic in ["nobody/a", "nobody/b", "$SYS/mine"] {
            bed.publish(client, topic, b"", QoS::AtMostOnce);
        }
        bed.advance(10_000);
        let told = |bed: &mut Bed| -> Vec<(String, String)> {
            let inbox = bed.take(watcher);
            let told = inbox.publishes();
            let told = told.iter().map(|publish| {
                let value = String::from_utf8_lossy(publish.payload).into_owned();
                (publish.topic.to_owned(), value)
            });
            told.collect()
        };
        let expected = [("$SYS/columba/why/P06", "1"), ("$SYS/columba/why/R01", "2")];
        let expected = expected.map(|(topic, value)| (topic.to_owned(), value.to_owned()));
        assert_eq!(told(&mut bed), expected);
        // What has not changed is not told again.
        bed.publish(client, "nobody/a", b"", QoS::AtMostOnce);
        bed.advance(10_000);
        let told = told(&mut bed);
        assert_eq!(told, [("$SYS/columba/why/R01".to_owned(), "3".to_owned())]);
    }
}

#[test]
fn nobody_else_publishes_below_sys() {
    for shards in SHARDS {
        let mut bed = bed(shards);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/mine", QoS::AtMostOnce);
        let client = bed.connect(V5, "client");
        for topic in ["$SYS", "$SYS/mine", "$SYS/broker/version"] {
            bed.publish(client, topic, b"", QoS::AtLeastOnce);
            let inbox = bed.take(client);
            let Packet::PubAck(ack) = inbox.one() else {
                panic!("{:?}", inbox.packets());
            };
            assert_eq!(ack.reason, ReasonCode::TopicNameInvalid);
        }
        assert_eq!(bed.outcome(Outcome::PublishBadTopic), 3);
        assert!(bed.take(watcher).bytes.is_empty());
        // It is not $SYS, only called like it.
        bed.publish(client, "$SYSTEM", b"", QoS::AtLeastOnce);
        assert_eq!(bed.outcome(Outcome::PublishBadTopic), 3);
    }
}

#[test]
fn a_new_interval_replaces_the_old_one() {
    // sys_interval_ms
    for shards in SHARDS {
        let mut bed = Bed::new(shards);
        let watcher = bed.connect(V311, "watcher");
        bed.subscribe(watcher, "$SYS/broker/uptime", QoS::AtMostOnce);
        bed.advance(100_000);
        assert!(bed.take(watcher).bytes.is_empty(), "turned off");
        let set = |bed: &mut Bed, sys_interval_ms: u64| {
            let limits = Limits {
                sys_interval_ms,
                ..Limits::default()
            };
            bed.command(Command::SetLimits(limits.into()));
        };
        // On, off, on again before the first deadline, and slower.
        for interval_ms in [10_000, 0, 10_000, 0, 30_000, 20_000] {
            set(&mut bed, interval_ms);
        }
        bed.advance(0);
        assert_eq!(bed.take(watcher).payloads(), ["100 seconds"]);
        bed.advance(60_000);
        let expected = ["120 seconds", "140 seconds", "160 seconds"];
        assert_eq!(bed.take(watcher).payloads(), expected);
        set(&mut bed, 3_600_000);
        set(&mut bed, 5_000);
        bed.advance(11_000);
        let expected = ["165 seconds", "170 seconds"];
        assert_eq!(bed.take(watcher).payloads(), expected);
        set(&mut bed, 0);
        bed.advance(100_000);
        assert!(bed.take(watcher).bytes.is_empty());
    }
}
