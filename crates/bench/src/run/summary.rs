//! From counts to a report: rates, what was lost, and what MQTT promises.

use std::sync::Arc;

use columba_codec::QoS;

use super::leader::{Leader, Measured};
use crate::plan::{Kind, Plan};
use crate::report::{BrokerUse, Counts, GeneratorUse, Latency, Report, StageReport};
use crate::tally::{Tally, Times};

/// A report that grows with the stages.
pub(super) struct Summary<'a> {
    plan: &'a Plan,
    report: Report,
    /// What another stage sent for the measured one to receive.
    stored: Option<u64>,
    /// Memory that the broker gained for each thing that it was given to keep.
    rss_bytes_per_kept: Option<f64>,
    /// Messages that should have arrived in any case, by QoS.
    lost_surely: [u64; 3],
}

impl<'a> Summary<'a> {
    pub(super) fn new(plan: &'a Plan, leader: &Leader<'_>) -> Self {
        Self {
            plan,
            stored: None,
            rss_bytes_per_kept: None,
            lost_surely: [0; 3],
            report: Report {
                kind: plan.kind.name(),
                broker: leader.address.to_string(),
                mqtt_version: plan.version.to_string(),
                run: format!("{:08x}", leader.run),
                connections: leader.connections,
                publishers: leader.publishers,
                qos: plan.qos.as_u8(),
                subscribe_qos: plan.subscribe_qos.as_u8(),
                payload_bytes: plan.payload_bytes,
                messages_per_sec: plan.messages_per_sec,
                stages: Vec::new(),
                counts: Counts::default(),
                latency: None,
                acknowledgement: None,
                broker_use: None,
                generator: GeneratorUse::default(),
                is_complete: true,
                troubles: Vec::new(),
                broken_promises: Vec::new(),
                notes: Vec::new(),
                times: Times::default(),
            },
        }
    }

    /// Notes a stage beside the measured one.
    pub(super) fn stage(&mut self, measured: &Measured, unit: &'static str, count: u64) {
        let secs = self.secs(measured);
        self.report.stages.push(StageReport {
            name: measured.name,
            unit,
            count,
            secs,
            per_sec: count as f64 / secs,
            broker_cpu_us_per_item: measured
                .broker_cpu_ns
                .map(|ns| ns as f64 / 1e3 / count.max(1) as f64),
        });
        self.report.counts.refused += measured.tally.refused;
        self.report.counts.unacknowledged += measured.unanswered;
    }

    /// Notes a stage in which the broker was given so much to keep.
    pub(super) fn kept(&mut self, measured: &Measured, unit: &'static str, count: u64) {
        self.stage(measured, unit, count);
        let memory = measured
            .broker_rss_bytes_after
            .zip(measured.broker_rss_bytes_before);
        self.rss_bytes_per_kept =
            memory.map(|(after, before)| after.saturating_sub(before) as f64 / count.max(1) as f64);
    }

    /// The measured stage receives what this one sent.
    pub(super) fn stored(&mut self, measured: &Measured) {
        self.stored = Some(measured.tally.sent);
        self.acknowledged(&measured.tally);
    }

    fn acknowledged(&mut self, tally: &Tally) {
        let of = "publish to acknowledgement";
        self.report.acknowledgement = Latency::new(of, &tally.acknowledgements);
    }

    /// Enters the measured stage.
    pub(super) fn measured(&mut self, measured: Measured, unit: &'static str) {
        let items = match self.plan.kind {
            Kind::Conn => measured.tally.connects.histogram().len(),
            Kind::Pub | Kind::Filters => measured.tally.sent,
            _ => measured.tally.unique_in_all(),
        };
        self.stage(&measured, unit, items);
        let secs = self.secs(&measured);
        let tally = &measured.tally;
        let expected: u64 = measured.expected.iter().sum();
        let received = tally.unique_in_all();
        let sent = self.stored.unwrap_or(tally.sent);
        let missing = self.missing(&measured);
        let counts = &mut self.report.counts;
        *counts = Counts {
            secs,
            sent,
            sent_per_sec: tally.sent as f64 / secs,
            expected,
            received,
            received_per_sec: received as f64 / secs,
            lost: expected.saturating_sub(received) + missing,
            duplicated: tally.duplicated,
            reordered: if self.plan.kind == Kind::Retained {
                0
            } else {
                tally.reordered
            },
            refused: counts.refused,
            unacknowledged: counts.unacknowledged,
            foreign: tally.foreign,
            received_bytes: tally.payload_bytes,
            connected: measured.connected,
            failed_clients: 0,
        };
        self.report.broker_use = self.broker_use(&measured, secs, items);
        let broker_use = self.report.broker_use.as_ref();
        self.report.generator = GeneratorUse::new(self.plan, tally, secs, items, broker_use);
        self.keep_promises(&measured);
        let (of, times) = match self.plan.kind {
            Kind::Conn => ("connect to CONNACK", &tally.connects),
            Kind::Pub => ("publish to acknowledgement", &tally.latency),
            Kind::Retained => ("SUBSCRIBE to arrival", &tally.latency),
            Kind::Offline => ("CONNECT to arrival", &tally.latency),
            Kind::Sub | Kind::Pair | Kind::FanIn | Kind::FanOut | Kind::Mixed | Kind::Filters => {
                ("publish to arrival", &tally.latency)
            }
        };
        self.report.latency = Latency::new(of, times);
        if self.stored.is_none() {
            self.acknowledged(tally);
        }
        self.report.times = times.clone();
    }

    /// A listener listens to the end; other stages last until the last thing that happens in them.
    fn secs(&self, measured: &Measured) -> f64 {
        let listens = self.plan.kind == Kind::Sub;
        let end_ns = if listens {
            measured.end_ns
        } else {
            measured.last_ns()
        };
        end_ns.saturating_sub(measured.start_ns).max(1) as f64 / 1e9
    }

    /// Only a listener that does not know what was sent goes by gaps.
    fn missing(&self, measured: &Measured) -> u64 {
        if self.plan.kind == Kind::Sub {
            measured.missing
        } else {
            0
        }
    }

    fn broker_use(&self, measured: &Measured, secs: f64, items: u64) -> Option<BrokerUse> {
        let cpu_secs = measured.broker_cpu_ns? as f64 / 1e9;
        let before = measured.broker_rss_bytes_before?;
        let after = measured.broker_rss_bytes_after?;
        let is_conn = self.plan.kind == Kind::Conn && items > 0;
        Some(BrokerUse {
            cpu_secs,
            cpu_us_per_item: cpu_secs * 1e6 / items.max(1) as f64,
            cores: cpu_secs / secs,
            rss_bytes_before: before,
            rss_bytes_after: after,
            rss_bytes_peak: measured.broker_rss_bytes_peak?,
            rss_bytes_per_connection: is_conn
                .then(|| after.saturating_sub(before) as f64 / items as f64),
            rss_bytes_per_kept: self.rss_bytes_per_kept,
        })
    }

    fn keep_promises(&mut self, measured: &Measured) {
        let promises = &mut self.report.broken_promises;
        let tally = &measured.tally;
        for qos in [1, 2] {
            self.lost_surely[qos] = measured.expected[qos].saturating_sub(tally.unique[qos]);
        }
        let delivered_at = self.plan.qos.min(self.plan.subscribe_qos);
        let is_one_qos = !matches!(self.plan.kind, Kind::Mixed | Kind::Sub);
        if tally.duplicated > 0 && is_one_qos && delivered_at != QoS::AtLeastOnce {
            promises.push(format!(
                "{} messages of QoS {} arrived more than once",
                tally.duplicated,
                delivered_at.as_u8()
            ));
        }
        if self.report.counts.reordered > 0 {
            promises.push(format!(
                "{} messages arrived after a later one of the same publisher and topic",
                tally.reordered
            ));
        }
        if self.plan.kind == Kind::Offline && tally.sessions_present < u64::from(self.plan.clients)
        {
            promises.push(format!(
                "{} of {} sessions were gone when their clients came back",
                u64::from(self.plan.clients) - tally.sessions_present,
                self.plan.clients
            ));
        }
        if self.plan.kind == Kind::Retained && tally.retained < tally.received {
            promises.push(format!(
                "{} retained messages arrived without the RETAIN flag",
                tally.received - tally.retained
            ));
        }
        if tally.refused > 0 {
            self.report.notes.push(format!(
                "the broker refused {} messages, with reason code 0x{:02x}",
                tally.refused, tally.refused_code
            ));
        }
    }

    /// The whole report.
    pub(super) fn report(mut self, leader: &mut Leader<'_>) -> Report {
        let report = &mut self.report;
        report.counts.failed_clients = leader.failed_clients;
        report.is_complete = leader.failed_clients == 0 && !leader.is_stalled;
        for qos in [1, 2] {
            let lost = self.lost_surely[qos];
            // What a broker that is gone did not deliver is no promise broken.
            if lost > 0 && report.is_complete {
                let promise = format!("{lost} messages of QoS {qos} did not arrive");
                report.broken_promises.push(promise);
            }
        }
        if leader.is_stopped {
            report.notes.push("the run was stopped early".to_owned());
        }
        let lost_surely = self.lost_surely.iter().sum::<u64>();
        if leader.is_stalled && lost_surely > 0 && report.counts.unacknowledged == 0 {
            report.notes.push(
                "the broker acknowledged every message and did not deliver some: its queue for a \
                 subscriber may have been full; look at its limits, or try a smaller --window"
                    .to_owned(),
            );
        }
        if leader.write_offs > 0 {
            report.notes.push(format!(
                "publishers waited {} times for messages that never came, and went on without them",
                leader.write_offs
            ));
        }
        if report.counts.foreign > 0 {
            report.notes.push(format!(
                "{} messages of others arrived and were left out",
                report.counts.foreign
            ));
        }
        if report.counts.failed_clients > 0 && self.plan.kind == Kind::Conn {
            report.notes.push(format!(
                "{} of {} clients were refused or cut off",
                report.counts.failed_clients, report.connections
            ));
        }
        if report.generator.is_limit {
            report.notes.push(limit_note(report));
        }
        report.troubles = leader.troubles.drain(..).map(Arc::new).collect();
        self.report
    }
}

fn limit_note(report: &Report) -> String {
    let generator = &report.generator;
    if let Some(lag) = generator.lag_p99_us.filter(|lag| *lag > 1000.0) {
        return format!(
            "the generator itself was late by up to {:.1} ms (99 %): latencies include that; try a \
             lower rate or more --threads",
            lag / 1000.0
        );
    }
    let busy = generator.busiest_thread * 100.0;
    match &report.broker_use {
        Some(broker) => format!(
            "the generator was the limit: its thread was busy {busy:.0} % of the time, the broker \
             {:.0} %; try more --threads",
            broker.cores * 100.0
        ),
        None => format!(
            "the generator may have been the limit: its thread was busy {busy:.0} % of the time; \
             --broker-pid tells, more --threads help"
        ),
    }
}

impl Measured {
    /// The last thing that happened in the stage.
    fn last_ns(&self) -> u64 {
        let tally = &self.tally;
        let last = [
            tally.last_sent_ns,
            tally.last_acknowledged_ns,
            tally.last_arrival_ns,
            tally.last_connect_ns,
        ]
        .into_iter()
        .max();
        last.filter(|last| *last > 0).unwrap_or(self.end_ns)
    }
}
