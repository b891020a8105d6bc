//! Brokers that lose, repeat, swap, refuse, fall silent and die, and what a run says about them.

mod broker;

use std::time::Duration;

use broker::{Broker, Fault};
use columba_bench::{Amount, Kind, Plan, Progress, Report, Trouble, Watch};
use columba_codec::{QoS, Version};

struct Nobody;

impl Watch for Nobody {
    fn wants_progress(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _progress: &Progress) {}

    fn is_stopped(&self) -> bool {
        false
    }
}

fn plan(broker: &Broker, kind: Kind, qos: QoS, messages: u64) -> Plan {
    let mut plan = Plan::new(kind);
    plan.host = broker.address.ip().to_string();
    plan.port = broker.address.port();
    plan.qos = qos;
    plan.clients = 2;
    plan.amount = Amount::Messages(messages);
    plan.quiet = Duration::from_secs(2);
    plan.stall_timeout = Duration::from_secs(60);
    plan
}

fn try_run(plan: &Plan) -> Result<Report, Trouble> {
    columba_bench::run(plan, &mut Nobody)
}

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[test]
fn a_broker_without_faults_gets_none_told() {
    for kind in [
        Kind::Pair,
        Kind::FanIn,
        Kind::FanOut,
        Kind::Mixed,
        Kind::Filters,
        Kind::Pub,
    ] {
        for qos in ALL_QOS {
            for version in [Version::V311, Version::V5] {
                for threads in [1, 3] {
                    let broker = Broker::start(Fault::Nothing);
                    let mut plan = plan(&broker, kind, qos, 500);
                    (plan.version, plan.threads) = (version, threads);
                    plan.subscriptions = 60;
                    let report = try_run(&plan).unwrap();
                    let counts = report.counts;
                    assert_eq!(counts.sent, 500, "{plan:?}: {report:?}");
                    assert_eq!(counts.received, counts.expected, "{plan:?}: {report:?}");
                    let faults = (counts.lost, counts.duplicated, counts.reordered);
                    assert_eq!(faults, (0, 0, 0), "{plan:?}: {report:?}");
                    assert!(report.is_complete && report.broken_promises.is_empty());
                }
            }
        }
    }
}

#[test]
fn lost_messages_are_counted_and_a_closed_loop_goes_on_without_them() {
    for threads in [1, 2] {
        let broker = Broker::start(Fault::Lose(10));
        let mut plan = plan(&broker, Kind::Pair, QoS::AtMostOnce, 200);
        plan.threads = threads;
        // Of each publisher fewer than are lost, so that the loop gets stuck.
        plan.window = 8;
        plan.quiet = Duration::from_millis(300);
        let report = try_run(&plan).unwrap();
        assert_eq!((report.counts.sent, report.counts.lost), (200, 20));
        assert_eq!(report.counts.received, 180);
        // QoS 0 promises nothing.
        assert!(report.broken_promises.is_empty() && report.is_complete);
        assert!(report.notes.iter().any(|note| note.contains("never came")));
    }
}

#[test]
fn messages_lost_at_qos_1_and_2_end_the_run_with_what_was_missing() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let broker = Broker::start(Fault::Lose(50));
        let mut plan = plan(&broker, Kind::Pair, qos, 200);
        plan.stall_timeout = Duration::from_secs(2);
        let report = try_run(&plan).unwrap();
        assert_eq!(report.counts.lost, 4);
        assert!(!report.is_complete);
        assert!(
            report.troubles[0]
                .to_string()
                .contains("4 deliveries and 0 acknowledgements were missing"),
            "{:?}",
            report.troubles
        );
    }
}

#[test]
fn duplicates_are_counted_and_are_a_fault_except_at_qos_1() {
    for qos in ALL_QOS {
        let broker = Broker::start(Fault::Duplicate(20));
        let report = try_run(&plan(&broker, Kind::FanIn, qos, 200)).unwrap();
        assert_eq!((report.counts.received, report.counts.lost), (200, 0));
        // The copy of the very last message may come after the end.
        assert!((9..=10).contains(&report.counts.duplicated), "{report:?}");
        let is_fault = !report.broken_promises.is_empty();
        assert_eq!(is_fault, qos != QoS::AtLeastOnce, "{report:?}");
    }
}

#[test]
fn swapped_messages_are_counted_as_reordered() {
    for qos in ALL_QOS {
        let broker = Broker::start(Fault::Swap(20));
        let mut plan = plan(&broker, Kind::FanOut, qos, 205);
        plan.clients = 1;
        let report = try_run(&plan).unwrap();
        let counts = report.counts;
        assert_eq!(
            (counts.received, counts.lost, counts.duplicated),
            (205, 0, 0)
        );
        assert_eq!(counts.reordered, 10);
        assert!(report.broken_promises[0].contains("after a later one"));
    }
}

#[test]
fn swapped_messages_of_different_topics_are_in_order() {
    let broker = Broker::start(Fault::Swap(20));
    let mut plan = plan(&broker, Kind::FanOut, QoS::AtLeastOnce, 205);
    (plan.clients, plan.topics) = (1, 5);
    let report = try_run(&plan).unwrap();
    assert_eq!((report.counts.received, report.counts.reordered), (205, 0));
}

#[test]
fn refused_messages_are_counted_with_their_code() {
    let broker = Broker::start(Fault::RefuseMessages);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let report = try_run(&plan(&broker, Kind::Pub, qos, 100)).unwrap();
        assert_eq!((report.counts.sent, report.counts.refused), (100, 100));
        assert!(report.notes[0].contains("0x87"), "{:?}", report.notes);
    }
}

#[test]
fn a_refused_connect_names_the_reason() {
    let broker = Broker::start(Fault::Refuse);
    let trouble = try_run(&plan(&broker, Kind::Pair, QoS::AtMostOnce, 1)).unwrap_err();
    let sentence = trouble.to_string();
    assert!(sentence.contains("refused the client"), "{sentence}");
    assert!(sentence.contains("Not authorized"), "{sentence}");
    assert!(trouble.advice().unwrap().contains("-u USER"));
}

#[test]
fn refused_connections_are_what_a_run_of_connections_counts() {
    let broker = Broker::start(Fault::Refuse);
    let mut plan = plan(&broker, Kind::Conn, QoS::AtMostOnce, 1);
    (plan.clients, plan.hold) = (5, Duration::ZERO);
    let report = try_run(&plan).unwrap();
    assert_eq!(
        (report.counts.connected, report.counts.failed_clients),
        (0, 5)
    );
    assert!(!report.is_complete);
}

#[test]
fn a_broker_that_ignores_connect_ends_the_run_by_the_stall_timeout() {
    let broker = Broker::start(Fault::IgnoreConnect);
    let mut plan = plan(&broker, Kind::Pair, QoS::AtMostOnce, 1);
    plan.stall_timeout = Duration::from_millis(500);
    let sentence = try_run(&plan).unwrap_err().to_string();
    assert!(sentence.contains("was silent for"), "{sentence}");
    assert!(
        sentence.contains("0 of 4 clients are connected"),
        "{sentence}"
    );
}

#[test]
fn a_broker_that_falls_silent_ends_the_run_with_what_was_missing() {
    let broker = Broker::start(Fault::FallSilent(50));
    let mut plan = plan(&broker, Kind::Pair, QoS::AtLeastOnce, 1000);
    plan.stall_timeout = Duration::from_secs(1);
    let report = try_run(&plan).unwrap();
    assert!(!report.is_complete);
    assert!(
        report.troubles[0].to_string().contains("were missing"),
        "{report:?}"
    );
    assert!(report.counts.unacknowledged > 0);
}

#[test]
fn a_broker_that_dies_is_told_with_its_address() {
    let broker = Broker::start(Fault::Die(50));
    let report = try_run(&plan(&broker, Kind::Pair, QoS::AtLeastOnce, 1_000_000)).unwrap();
    assert!(!report.is_complete);
    assert_eq!(report.counts.failed_clients, 4);
    let sentence = report.troubles[0].to_string();
    assert!(sentence.contains(&broker.address.to_string()), "{sentence}");
    assert!(sentence.contains("closed the connection"), "{sentence}");
    // What was on its way is no promise broken.
    assert!(report.broken_promises.is_empty(), "{report:?}");
}

#[test]
fn bytes_that_are_no_mqtt_are_told() {
    let broker = Broker::start(Fault::Babble(5));
    let report = try_run(&plan(&broker, Kind::Pub, QoS::AtLeastOnce, 1000)).unwrap();
    let sentence = report.troubles[0].to_string();
    assert!(sentence.contains("no MQTT"), "{sentence}");
}

#[test]
fn an_acknowledgement_of_nothing_is_told() {
    let broker = Broker::start(Fault::AcknowledgeTooMuch(5));
    let report = try_run(&plan(&broker, Kind::Pub, QoS::AtLeastOnce, 1000)).unwrap();
    let sentence = report.troubles[0].to_string();
    assert!(sentence.contains("not in flight"), "{sentence}");
}

#[test]
fn nobody_at_the_port_is_told() {
    let broker = Broker::start(Fault::Nothing);
    let plan = plan(&broker, Kind::Pair, QoS::AtMostOnce, 1);
    drop(broker);
    let trouble = try_run(&plan).unwrap_err();
    assert!(trouble.to_string().contains("connection refused"));
    assert!(trouble.advice().is_some());
}

#[test]
fn an_open_loop_sends_everything_that_is_due() {
    let broker = Broker::start(Fault::Nothing);
    let mut plan = plan(&broker, Kind::Pair, QoS::AtLeastOnce, 300);
    plan.messages_per_sec = Some(3000.0);
    plan.warmup = Some(Amount::Messages(100));
    let report = try_run(&plan).unwrap();
    assert_eq!((report.counts.sent, report.counts.received), (300, 300));
    assert!(report.generator.lag_p99_us.is_some());
    // It takes its time whatever the broker can do.
    assert!(report.counts.secs >= 299.0 / 3000.0, "{report:?}");
    assert_eq!(report.stages.len(), 2);
}

#[test]
fn a_duration_ends_a_closed_loop() {
    let broker = Broker::start(Fault::Nothing);
    for qos in ALL_QOS {
        let mut plan = plan(&broker, Kind::Pair, qos, 1);
        plan.amount = Amount::Time(Duration::from_millis(200));
        let report = try_run(&plan).unwrap();
        assert!(report.is_complete && report.counts.sent > 0);
        assert_eq!(report.counts.received, report.counts.sent);
    }
}

#[test]
fn small_payloads_go_unchecked() {
    for kind in [Kind::Pair, Kind::FanIn, Kind::FanOut] {
        let broker = Broker::start(Fault::Nothing);
        let mut plan = plan(&broker, kind, QoS::AtMostOnce, 2000);
        (plan.payload_bytes, plan.is_verified) = (1, false);
        let report = try_run(&plan).unwrap();
        assert_eq!(report.counts.received, report.counts.expected);
        assert_eq!(report.counts.received_bytes, report.counts.received);
    }
}

#[test]
fn the_distribution_is_written_up_to_the_last_time() {
    let broker = Broker::start(Fault::Nothing);
    let report = try_run(&plan(&broker, Kind::Pair, QoS::AtMostOnce, 100)).unwrap();
    let mut text = Vec::new();
    report.write_histogram(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("1.000000000000        100"), "{text}");
}
