//! What is measured: each workload is one command line of `columba bench`.

/// What a cell of a workload's row shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Processor time for each item, and items a second.
    Throughput,
    /// Processor time for each item, and the times of 99 and 99.9 %.
    Latency,
    /// Processor time for each connection.
    Connections,
    /// Processor time for each message published, and messages published a second.
    Matching,
    /// Memory alone.
    Memory,
}

/// How fast messages are due.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// As fast as the broker takes them, or as the arguments say.
    Given,
    /// Open loop at half the rate that the broker itself reached in the workload of this name.
    HalfOf(&'static str),
}

/// A row of the tables.
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// Arguments of `columba bench` that say what is done.
    pub(super) arguments: &'static str,
    pub(super) measure: Measure,
    /// What the broker is given to keep, if its memory is shown for each of these.
    pub(super) keeps: Option<&'static str>,
    pub(super) pace: Pace,
    /// Whether it needs a broker that speaks MQTT 5.
    pub(super) needs_v5: bool,
}

const fn throughput(name: &'static str, arguments: &'static str) -> Workload {
    Workload {
        name,
        arguments,
        measure: Measure::Throughput,
        keeps: None,
        pace: Pace::Given,
        needs_v5: false,
    }
}

/// The row that the saturation rate is taken from.
const TWENTY_PAIRS: &str = "20 pairs, QoS 1";

/// All rows. MQTT 3.1.1 unless said otherwise, payloads of 64 bytes, every message checked for
/// loss, duplicates and order.
pub(super) const WORKLOADS: &[Workload] = &[
    throughput("1 to 1, QoS 0", "pair -q 0 -w 1000"),
    throughput("1 to 1, QoS 1", "pair -q 1 -w 1000"),
    throughput("1 to 1, QoS 2", "pair -q 2 -w 1000"),
    Workload {
        needs_v5: true,
        ..throughput("1 to 1, QoS 1, MQTT 5", "pair -q 1 -w 1000 -V 5")
    },
    throughput("1 to 1, QoS 0, 1 KiB", "pair -q 0 -w 1000 -s 1024"),
    throughput("50 pairs, QoS 0", "pair -c 50 -q 0 -w 100"),
    throughput("50 pairs, QoS 1", "pair -c 50 -q 1 -w 100"),
    throughput("50 to 1, QoS 0", "fanin -c 50 -q 0 -w 20"),
    throughput("50 to 1, QoS 1", "fanin -c 50 -q 1 -w 20"),
    throughput("1 to 100, QoS 0", "fanout -c 100 -q 0 -w 100"),
    throughput("1 to 100, QoS 1", "fanout -c 100 -q 1 -w 100"),
    throughput(TWENTY_PAIRS, "pair -c 20 -q 1 -w 100"),
    Workload {
        measure: Measure::Latency,
        ..throughput("20 pairs, QoS 0, 5,000/s", "pair -c 20 -q 0 --rate 5000")
    },
    Workload {
        measure: Measure::Latency,
        ..throughput("20 pairs, QoS 1, 5,000/s", "pair -c 20 -q 1 --rate 5000")
    },
    Workload {
        measure: Measure::Latency,
        pace: Pace::HalfOf(TWENTY_PAIRS),
        ..throughput("20 pairs, QoS 1, half load", "pair -c 20 -q 1")
    },
    Workload {
        measure: Measure::Matching,
        keeps: Some("subscription, most filters different"),
        ..throughput(
            "20,000 subscriptions, 1 matches",
            "filters -w 500 --match 1",
        )
    },
    Workload {
        measure: Measure::Matching,
        ..throughput(
            "20,000 subscriptions, 10 match",
            "filters -w 500 --match 10",
        )
    },
    Workload {
        measure: Measure::Matching,
        ..throughput(
            "20,000 subscriptions, none matches",
            "filters -w 500 --match 0",
        )
    },
    Workload {
        measure: Measure::Memory,
        keeps: Some("subscription, 10 subscribers a filter"),
        ..throughput(
            "2,000 filters of 10 subscribers",
            "filters -w 500 --match 10 --exact",
        )
    },
    Workload {
        keeps: Some("retained message"),
        ..throughput("20,000 retained messages", "retained -n 20000")
    },
    Workload {
        keeps: Some("message for a session that is away"),
        ..throughput("20,000 messages kept, QoS 1", "offline -n 20000 -q 1")
    },
    Workload {
        measure: Measure::Connections,
        keeps: Some("idle connection"),
        ..throughput("5,000 idle connections", "conn -c 5000 --hold 1s")
    },
];

impl Workload {
    /// Whether it ends by itself; all others take a duration.
    pub(super) fn is_counted(&self) -> bool {
        self.arguments.contains(" -n ") || self.measure == Measure::Connections
    }
}
