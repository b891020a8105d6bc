//! One run: rounds of faults, each followed by a quiet point where everything is compared, and an
//! end that leaves nothing behind.

use columba_broker::stats::Stats;
use columba_codec::QoS;
use columba_codec::packet::{RetainHandling, SubscribeOptions};

use crate::checks::books;
use crate::client::Outbound;
use crate::oracle::{Failure, id_of};
use crate::planted::Planted;
use crate::why::Verdicts;
use crate::world::{Mode, World};

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print every event to standard error.
    pub is_traced: bool,
    /// Changes a verdict before it is judged, to show that a wrong one is found.
    pub tamper: Option<fn(&mut columba_diagnosis::Report)>,
    /// Let the disk be full again and again, wherever there is one.
    pub is_tight: bool,
    /// Whether the store waits for its disk, wherever there is one; else the seed decides.
    pub is_synced: Option<bool>,
    /// A fault that the oracle is to find.
    pub planted: Option<Planted>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash of all inputs, effects and bytes in order.
    pub trace_hash: u64,
    /// Inputs that shards took.
    pub inputs: u64,
    /// Messages that the broker accepted.
    pub accepted: u64,
    /// PUBLISH packets that it wrote.
    pub delivered: u64,
    /// Verdicts that were asked for.
    pub verdicts: Verdicts,
    /// The check that failed and what it saw, if one did.
    pub failure: Option<(&'static str, String)>,
}

/// Runs a seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(seed, options);
    world.tamper = options.tamper;
    for _ in 0..world.swarm.rounds {
        world.unheal();
        let until_ms = world.now_ms + world.swarm.round_ms;
        world.play(until_ms, false);
        world.ask_all_questions();
        world.rest(Mode::Healing);
        world.ask_all_questions();
        world.probe();
        if world.oracle.has_failed() {
            break;
        }
    }
    world.end();
    world.ask_all_questions();
    let failure = world.oracle.failure.take();
    Report {
        seed,
        trace_hash: world.trace.hash(),
        inputs: world.inputs,
        accepted: world.oracle.accepted,
        delivered: world.oracle.emitted,
        verdicts: world.verdicts,
        failure: failure.map(|Failure { check, detail }| (check, detail)),
    }
}

/// How long everything may take to come to rest once the faults have stopped.
const REST_MS: u64 = 120_000;

impl World {
    /// Asks about messages and about clients; then the recorders write what they have.
    fn ask_all_questions(&mut self) {
        // A shard that stands still answers nobody; once it goes on, it reads its mail before it is asked
        // for a session.
        if !self.shards.iter().any(|shard| shard.is_paused) {
            self.ask_why();
            self.ask_of_clients();
        }
        self.write_record();
    }

    /// Stops the faults and waits for quiet; then nothing may be left undone.
    fn rest(&mut self, mode: Mode) {
        if self.oracle.has_failed() {
            return;
        }
        self.heal(mode);
        self.settle();
        self.check_books();
        self.check_drained();
        self.oracle.check_owed();
        self.oracle.check_answered();
    }

    fn settle(&mut self) {
        let until_ms = self.now_ms + REST_MS;
        self.play(until_ms, true);
        self.oracle.now_ms = self.now_ms;
        if !self.agenda.is_quiet() && !self.oracle.has_failed() {
            let detail = format!("no quiet {REST_MS} ms after the faults stopped");
            self.oracle.fail("drain", detail);
        }
    }

    /// What can be compared between any two inputs.
    pub(crate) fn check_books(&mut self) {
        let stats = self.stats();
        let pending = self.pending();
        let connections = self.shards.iter().map(|node| node.slots.len()).sum();
        let result = books::check(&stats, pending);
        self.oracle.judge("books", result);
        let result = self.oracle.wills.check(&stats);
        self.oracle.judge("will", result);
        let result = self.oracle.check_gauges(&stats, connections);
        self.oracle.judge("gauges", result);
    }

    /// Everybody is there, reads and acknowledges: nothing may wait.
    fn check_drained(&mut self) {
        let stats = self.stats();
        let waiting = [
            ("copies", self.pending()),
            ("queued messages", stats.queued_messages),
            ("queued bytes", stats.queued_bytes),
        ];
        let offline = self.oracle.sessions.iter().find(|(_, s)| s.conn.is_none());
        if let Some((client_id, _)) = offline {
            let detail = format!("{client_id} did not come back");
            return self.oracle.fail("drain", detail);
        }
        for (name, count) in waiting {
            if count > 0 {
                let unsettled = self.oracle.sessions.iter().map(|(client_id, session)| {
                    let ids: Vec<_> = session.unsettled.keys().collect();
                    format!("{client_id} {ids:?}")
                });
                let unsettled: Vec<_> = unsettled.collect();
                let detail = format!(
                    "{count} {name} wait for clients that take everything; unsettled: {unsettled:?}"
                );
                self.oracle.fail("drain", detail);
            }
        }
    }

    fn stats(&self) -> Stats {
        let mut all = Stats::default();
        for node in &self.shards {
            all.add(node.core.stats());
        }
        all
    }

    fn pending(&self) -> u64 {
        let pending = self.shards.iter().map(|node| node.core.pending_copies());
        pending.sum()
    }

    /// Reads all retained messages as a new client would, and compares.
    fn probe(&mut self) {
        if self.oracle.has_failed() {
            return;
        }
        let client = self.swarm.clients;
        self.clients[client].taken.clear();
        self.connect(client, true);
        self.settle();
        let asked_ms = self.now_ms;
        let mut options = SubscribeOptions::from_qos(QoS::AtMostOnce);
        options.retain_handling = RetainHandling::Send;
        let bytes = self.clients[client].subscribe(&[("#".to_owned(), options)]);
        if let Some(link) = self.clients[client].link {
            self.send(link, bytes);
        }
        self.settle();
        let found: Vec<u64> = self.clients[client]
            .taken
            .iter()
            .filter_map(|payload| id_of(payload))
            .collect();
        let result = self.oracle.check_retained(&found, asked_ms);
        self.oracle.judge("retained", result);
        let retained = self.stats().retained_messages;
        // Messages may expire in between.
        let lasting = self.oracle.lasting(&found);
        if !(lasting..=found.len() as u64).contains(&retained) {
            let detail = format!("{retained} retained messages, {} were sent", found.len());
            self.oracle.fail("gauges", detail);
        }
        let bytes = self.clients[client].disconnect(false);
        if let Some(link) = self.clients[client].link {
            self.send(link, bytes);
        }
        self.settle();
    }

    /// Everybody starts clean and leaves: no session, subscription or connection may stay.
    fn end(&mut self) {
        if self.oracle.has_failed() {
            return;
        }
        self.leave_all();
        self.rest(Mode::Ending);
        if self.store.is_some() {
            self.clear_retained();
        }
        self.leave_all();
        if self.oracle.has_failed() {
            return;
        }
        let stats = self.stats();
        let left = stats.sessions + stats.subscriptions + stats.connections;
        if left > 0 {
            self.oracle
                .fail("gauges", format!("{left} things are left at the end"));
        }
        self.check_books();
        self.check_nothing_is_stored();
    }

    /// Nobody has a session any more: nothing may be left in the store but its seed.
    fn check_nothing_is_stored(&mut self) {
        let Some(store) = &mut self.store else { return };
        let records = store.records();
        let counts = self.shards.iter().map(|node| node.core.kept_counts());
        let left: Vec<_> = counts.filter(|counts| *counts != (0, 0)).collect();
        if !left.is_empty() || records > 1 {
            let detail = format!("{records} records are left, and in the shards {left:?}");
            self.oracle.fail("stored", detail);
        }
        if self.oracle.has_failed() {
            return;
        }
        self.restart();
        let counts = self.counts;
        let found = counts.sessions + counts.subscriptions + counts.queued + counts.retained;
        if found > 0 || !counts.expired.is_empty() {
            self.oracle.fail("stored", format!("{counts:?} at the end"));
        }
    }

    fn clear_retained(&mut self) {
        let client = self.swarm.clients;
        self.connect(client, true);
        self.settle();
        for topic in self.topics() {
            let message = Outbound {
                topic,
                payload: Vec::new(),
                qos: QoS::AtLeastOnce,
                retain: true,
                expiry_secs: None,
            };
            let bytes = self.clients[client].publish(message, false);
            if let Some(link) = self.clients[client].link {
                self.send(link, bytes);
            }
        }
        self.settle();
    }

    fn leave_all(&mut self) {
        self.mode = Mode::Leaving;
        for client in 0..self.clients.len() {
            if let Some(link) = self.clients[client].link {
                let bytes = self.clients[client].disconnect(false);
                self.send(link, bytes);
            }
        }
        self.settle();
    }
}
