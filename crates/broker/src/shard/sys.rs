//! `$SYS/broker/#`, as Mosquitto publishes it, and `$SYS/columba/#`: retained, and only what has
//! changed.

use std::collections::BTreeMap;

use columba_codec::QoS;

use super::Shard;
use crate::event::StoreFigures;
use crate::id::ShardId;
use crate::mail::Letter;
use crate::message::{Message, MessageParts, NEVER_MS};
use crate::now::Now;
use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::timer::Timer;

/// What `$SYS` remembers between two updates. Shard 0 publishes for all.
#[derive(Debug)]
pub(super) struct SysTree {
    started_ms: u64,
    updated_ms: u64,
    /// When the next update is due. Deadlines that say otherwise were set for an interval that has
    /// changed since.
    due_ms: u64,
    /// The most clients that were connected at an update.
    clients_max: u64,
    heap: (u64, u64),
    log_lines_lost: u64,
    store: Option<StoreFigures>,
    /// Whether an update waits for the counters of other shards. Old ones do not do: a client that
    /// has moved would count twice, or not at all.
    is_waiting: bool,
    others: BTreeMap<ShardId, Stats>,
    before: Stats,
    loads: BTreeMap<&'static str, [f64; 3]>,
    published: BTreeMap<String, String>,
}

/// The periods of the load averages: topic level and length in minutes.
const PERIODS: [(&str, f64); 3] = [("1min", 1.0), ("5min", 5.0), ("15min", 15.0)];

impl SysTree {
    pub(super) fn new(now: Now) -> Self {
        Self {
            started_ms: now.mono_ms,
            updated_ms: now.mono_ms,
            due_ms: now.mono_ms,
            clients_max: 0,
            heap: (0, 0),
            log_lines_lost: 0,
            store: None,
            is_waiting: false,
            others: BTreeMap::new(),
            before: Stats::default(),
            loads: BTreeMap::new(),
            published: BTreeMap::new(),
        }
    }

    pub(super) fn set_process(
        &mut self,
        heap: u64,
        heap_max: u64,
        log_lines_lost: u64,
        store: Option<StoreFigures>,
    ) {
        self.heap = (heap, heap_max);
        self.log_lines_lost = log_lines_lost;
        self.store = store;
    }

    /// The topics below `$SYS/` whose values have changed, with their values.
    fn update(&mut self, own: &Stats, now: Now) -> Vec<(String, String)> {
        let mut all = own.clone();
        for other in std::mem::take(&mut self.others).values() {
            all.add(other);
        }
        self.clients_max = self.clients_max.max(all.clients_connected);
        let mut values = self.values(&all, now);
        self.load_values(&all, now, &mut values);
        self.own_values(&all, &mut values);
        self.before = all;
        self.updated_ms = now.mono_ms;
        values.retain(|(topic, value)| self.published.get(topic) != Some(value));
        for (topic, value) in &values {
            self.published.insert(topic.clone(), value.clone());
        }
        values
    }

    fn values(&self, all: &Stats, now: Now) -> Vec<(String, String)> {
        let uptime_secs = (now.mono_ms - self.started_ms) / 1000;
        let disconnected = all.sessions.saturating_sub(all.clients_connected);
        let stored = all.retained_messages + all.queued_messages;
        let numbers = [
            ("clients/total", all.sessions),
            ("clients/maximum", self.clients_max),
            ("clients/connected", all.clients_connected),
            ("clients/active", all.clients_connected),
            ("clients/disconnected", disconnected),
            ("clients/inactive", disconnected),
            ("clients/expired", all.outcome(Outcome::SessionExpired)),
            ("bytes/received", all.bytes_received),
            ("bytes/sent", all.bytes_sent),
            ("messages/received", all.packets_received()),
            ("messages/sent", all.packets_sent()),
            ("messages/stored", stored),
            ("store/messages/count", stored),
            (
                "store/messages/bytes",
                all.retained_bytes + all.queued_bytes,
            ),
            ("publish/messages/received", all.publish_received()),
            ("publish/messages/sent", all.publish_sent()),
            ("publish/messages/dropped", all.dropped_copies()),
            ("publish/bytes/received", all.publish_bytes_received),
            ("publish/bytes/sent", all.publish_bytes_sent),
            ("subscriptions/count", all.subscriptions),
            ("shared_subscriptions/count", all.shared_subscriptions),
            ("retained messages/count", all.retained_messages),
            ("heap/current", self.heap.0),
            ("heap/maximum", self.heap.1),
            ("connections/socket/count", all.connections),
        ];
        let mut values = vec![
            (
                "broker/version".to_owned(),
                format!("columba version {}", env!("CARGO_PKG_VERSION")),
            ),
            ("broker/uptime".to_owned(), format!("{uptime_secs} seconds")),
        ];
        let numbers =
            numbers.map(|(topic, number)| (format!("broker/{topic}"), number.to_string()));
        values.extend(numbers);
        values
    }

    /// What Mosquitto has no topics for: how often each outcome happened, from its first time on, to
    /// which verdicts that adds up, and what is missing in the log.
    fn own_values(&self, all: &Stats, values: &mut Vec<(String, String)>) {
        let happened = Outcome::ALL
            .iter()
            .map(|outcome| (outcome, all.outcome(*outcome)));
        for (outcome, count) in happened.filter(|(_, count)| *count > 0) {
            values.push((format!("columba/outcomes/{outcome}"), count.to_string()));
        }
        let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
        for outcome in Outcome::ALL {
            if let Some(code) = outcome.verdict() {
                *causes.entry(code).or_default() += all.outcome(*outcome);
            }
        }
        for (code, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
            values.push((format!("columba/why/{code}"), count.to_string()));
        }
        let lost = self.log_lines_lost.to_string();
        values.push(("columba/log/lost".to_owned(), lost));
        let queued = [
            ("messages", all.queued_messages),
            ("bytes", all.queued_bytes),
            ("bytes_in_memory", all.queued_bytes_in_memory),
        ];
        let queued =
            queued.map(|(name, value)| (format!("columba/queues/{name}"), value.to_string()));
        values.extend(queued);
        let Some(store) = &self.store else { return };
        let figures = [
            ("recovered/sessions", store.sessions_recovered),
            ("recovered/messages", store.messages_recovered),
            ("recovered/retained", store.retained_recovered),
            ("expired/sessions", store.expired.sessions),
            ("expired/messages", store.expired.queued),
            ("expired/retained", store.expired.retained),
            ("recovered/milliseconds", store.recovery_ms),
            ("damaged", store.damaged),
            ("records", store.records),
            ("bytes/live", store.live_bytes),
            ("bytes/disk", store.disk_bytes),
            ("commits", store.commits),
        ];
        let named =
            figures.map(|(name, value)| (format!("columba/store/{name}"), value.to_string()));
        values.extend(named);
        values.push((
            "columba/store/recovered/text".to_owned(),
            store.recovered_text.to_string(),
        ));
        values.push(("columba/store/disk".to_owned(), store.disk.to_owned()));
    }

    fn load_values(&mut self, all: &Stats, now: Now, values: &mut Vec<(String, String)>) {
        let minutes = (now.mono_ms - self.updated_ms) as f64 / 60_000.0;
        if minutes <= 0.0 {
            return;
        }
        let before = &self.before;
        let grown = [
            (
                "messages/received",
                all.packets_received(),
                before.packets_received(),
            ),
            ("messages/sent", all.packets_sent(), before.packets_sent()),
            (
                "publish/received",
                all.publish_received(),
                before.publish_received(),
            ),
            ("publish/sent", all.publish_sent(), before.publish_sent()),
            (
                "publish/dropped",
                all.dropped_copies(),
                before.dropped_copies(),
            ),
            ("bytes/received", all.bytes_received, before.bytes_received),
            ("bytes/sent", all.bytes_sent, before.bytes_sent),
            (
                "connections",
                all.connects_received(),
                before.connects_received(),
            ),
            ("sockets", all.sockets_opened, before.sockets_opened),
        ];
        for (name, after, before) in grown {
            let rate = after.saturating_sub(before) as f64 / minutes;
            let loads = self.loads.entry(name).or_insert([0.0; 3]);
            for (load, (period, length)) in loads.iter_mut().zip(PERIODS) {
                let fade = (-minutes / length).exp();
                *load = rate + fade * (*load - rate);
                values.push((format!("broker/load/{name}/{period}"), format!("{load:.2}")));
            }
        }
    }
}

impl Shard {
    /// Sets when the next update is due, and makes earlier deadlines void.
    pub(super) fn schedule_sys(&mut self, at_ms: u64) {
        self.sys.due_ms = at_ms;
        self.timers.set(at_ms, Timer::Sys);
    }

    pub(super) fn on_sys(&mut self) {
        let (now_ms, interval_ms) = (self.now.mono_ms, self.limits.sys_interval_ms);
        if interval_ms == 0 || self.sys.due_ms > now_ms {
            return;
        }
        self.schedule_sys(now_ms + interval_ms);
        if self.id != ShardId(0) {
            let stats = Box::new(self.stats.clone());
            return self.post(ShardId(0), Letter::Stats(stats));
        }
        self.sys.is_waiting = true;
        self.update_sys();
    }

    /// Another shard's counters.
    pub(super) fn on_stats(&mut self, from: ShardId, stats: Stats) {
        self.sys.others.insert(from, stats);
        self.update_sys();
    }

    /// Publishes what has changed, once all shards have told their counters.
    fn update_sys(&mut self) {
        if !self.sys.is_waiting || self.sys.others.len() + 1 < usize::from(self.shards) {
            return;
        }
        self.sys.is_waiting = false;
        let changed = self.sys.update(&self.stats, self.now);
        for (topic, value) in changed {
            let message = Message::new(MessageParts {
                topic: &format!("$SYS/{topic}"),
                properties: &[],
                payload: value.as_bytes(),
                qos: QoS::AtMostOnce,
                retain: true,
                expires_at_ms: NEVER_MS,
                publisher: 0,
                number: 0,
            });
            self.publish_message(&message, None);
        }
    }
}
