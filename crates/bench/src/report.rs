//! What a run found out.

use std::io;
use std::sync::Arc;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::plan::Plan;
use crate::tally::{Tally, Times};
use crate::trouble::Trouble;

/// Everything that a run found out. Its serialized form is the one that programs read.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The shape of the load.
    pub kind: &'static str,
    /// The broker.
    pub broker: String,
    /// The version of MQTT.
    pub mqtt_version: String,
    /// The number of the run, as it stands in topics and client ids.
    pub run: String,
    /// Connections of the run.
    pub connections: usize,
    /// Publishers among them.
    pub publishers: u32,
    /// QoS of publishing.
    pub qos: u8,
    /// QoS of subscribing.
    pub subscribe_qos: u8,
    /// Length of a payload.
    pub payload_bytes: usize,
    /// Open loop: messages a second that were asked for.
    pub messages_per_sec: Option<f64>,
    /// The stages of the run in order, the measured one marked.
    pub stages: Vec<StageReport>,
    /// The measured stage.
    #[serde(flatten)]
    pub counts: Counts,
    /// Times of the measured stage, in microseconds.
    pub latency: Option<Latency>,
    /// From publishing to the end of the handshake (PUBACK, PUBCOMP); of the stage that stores, where
    /// another is measured.
    pub acknowledgement: Option<Latency>,
    /// What the broker used in the measured stage.
    pub broker_use: Option<BrokerUse>,
    /// What this generator used in the measured stage.
    pub generator: GeneratorUse,
    /// Whether the run went on to its end.
    pub is_complete: bool,
    /// Why it did not, and what happened to single clients.
    #[serde(serialize_with = "as_sentences")]
    pub troubles: Vec<Arc<Trouble>>,
    /// What MQTT promises and the broker did not keep.
    pub broken_promises: Vec<String>,
    /// What to know when reading the figures.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(crate) times: Times,
}

/// How many messages, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Length of the measured stage.
    pub secs: f64,
    /// Messages sent.
    pub sent: u64,
    /// Messages a second.
    pub sent_per_sec: f64,
    /// Deliveries that these call for.
    pub expected: u64,
    /// Deliveries that came, each counted once.
    pub received: u64,
    /// Deliveries a second.
    pub received_per_sec: f64,
    /// Deliveries that did not come.
    pub lost: u64,
    /// Deliveries that came again.
    pub duplicated: u64,
    /// Deliveries that came after a later one of the same publisher and topic.
    pub reordered: u64,
    /// Messages that the broker refused.
    pub refused: u64,
    /// Messages at QoS 1 and 2 without the end of their handshake.
    pub unacknowledged: u64,
    /// Messages that belong to others.
    pub foreign: u64,
    /// Payload that came.
    pub received_bytes: u64,
    /// Connections that were made.
    pub connected: u64,
    /// Clients that were refused, cut off or never connected.
    pub failed_clients: u64,
}

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// What was timed.
    pub of: &'static str,
    /// How many.
    pub count: u64,
    /// The shortest, in microseconds, as all of these.
    pub min_us: f64,
    /// The mean.
    pub mean_us: f64,
    /// Half took no longer.
    pub p50_us: f64,
    /// 90 % took no longer.
    pub p90_us: f64,
    /// 99 % took no longer.
    pub p99_us: f64,
    /// 99.9 % took no longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// One stage of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// What happened in it.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many.
    pub count: u64,
    /// How long it took.
    pub secs: f64,
    /// How many a second.
    pub per_sec: f64,
    /// Processor time of the broker for each of them, if its process is watched.
    pub broker_cpu_us_per_item: Option<f64>,
}

/// What the broker used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BrokerUse {
    /// Processor time.
    pub cpu_secs: f64,
    /// Processor time for each delivery; for each publish or connection where nothing is delivered,
    /// and for each publish where many subscriptions are looked through.
    pub cpu_us_per_item: f64,
    /// Processors in use on average.
    pub cores: f64,
    /// Memory before.
    pub rss_bytes_before: u64,
    /// Memory after.
    pub rss_bytes_after: u64,
    /// The most memory in between.
    pub rss_bytes_peak: u64,
    /// Memory gained for each connection, in a run of connections.
    pub rss_bytes_per_connection: Option<f64>,
    /// Memory gained for each subscription, or for each message that was stored, in the stage
    /// before the measured one.
    pub rss_bytes_per_kept: Option<f64>,
}

/// What the generator used, and whether it held the run up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct GeneratorUse {
    /// Threads.
    pub threads: usize,
    /// Processor time.
    pub cpu_secs: f64,
    /// Processor time for each delivery, or publish or connection where nothing is delivered.
    pub cpu_us_per_item: f64,
    /// How busy its busiest thread was, 1 being always.
    pub busiest_thread: f64,
    /// Open loop: how late 99 % of the messages were handed to their connection at most.
    pub lag_p99_us: Option<f64>,
    /// Whether it, and not the broker, set the pace.
    pub is_limit: bool,
}

/// A thread busier than this sets the pace.
const BUSY: f64 = 0.9;
/// Messages that are handed over later than this make the generator part of what is measured.
const LAG_US_MAX: f64 = 1000.0;

impl Report {
    /// Writes the distribution of times as HdrHistogram's tools read it, in microseconds.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_histogram(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let histogram = self.times.histogram();
        writeln!(
            out,
            "       Value     Percentile TotalCount 1/(1-Percentile)\n"
        )?;
        let mut count = 0;
        for step in histogram.iter_quantiles(5) {
            count += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            let value = us(step.value_iterated_to());
            write!(out, "{value:12.3} {quantile:2.12} {count:10}")?;
            if quantile < 1.0 {
                writeln!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
            } else {
                writeln!(out)?;
            }
        }
        let (mean, deviation) = (histogram.mean() / 1000.0, histogram.stdev() / 1000.0);
        writeln!(
            out,
            "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]"
        )?;
        let (max, total) = (us(histogram.max()), histogram.len());
        writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]")
    }

    /// The time that this share of all took at most, in microseconds.
    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        self.latency.as_ref()?;
        Some(us(self.times.histogram().value_at_quantile(quantile)))
    }
}

impl Latency {
    /// The distribution, if there is anything in it.
    pub(crate) fn new(of: &'static str, times: &Times) -> Option<Self> {
        let histogram: &Histogram<u64> = times.histogram();
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        Some(Self {
            of,
            count: histogram.len(),
            min_us: us(histogram.min()),
            mean_us: histogram.mean() / 1000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: us(histogram.max()),
        })
    }
}

impl GeneratorUse {
    /// What the threads used over a stage of `secs` with so many `items`.
    pub(crate) fn new(
        plan: &Plan,
        tally: &Tally,
        secs: f64,
        items: u64,
        broker: Option<&BrokerUse>,
    ) -> Self {
        let cpu_secs = tally.thread_cpu_ns as f64 / 1e9;
        let busiest_thread = (tally.thread_cpu_ns_max as f64 / 1e9 / secs).min(1.0);
        let lag = tally.lag.histogram();
        let lag_p99_us = (!lag.is_empty()).then(|| us(lag.value_at_quantile(0.99)));
        let is_busy = busiest_thread > BUSY && broker.is_none_or(|b| b.cores < busiest_thread);
        Self {
            threads: plan.threads,
            cpu_secs,
            cpu_us_per_item: cpu_secs * 1e6 / items.max(1) as f64,
            busiest_thread,
            lag_p99_us,
            is_limit: is_busy || lag_p99_us.is_some_and(|lag| lag > LAG_US_MAX),
        }
    }
}

fn as_sentences<S: Serializer>(troubles: &[Arc<Trouble>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(troubles.iter().map(ToString::to_string))
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
