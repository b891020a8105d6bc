//! What a seed draws: which kinds of faults are on, how often they come, how small the limits are.

use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::limits::{Limits, Promise, QueuePolicy, ShareStrategy};

use crate::chance::Chance;
use crate::operator::Act;

/// How a stream is cut on its way to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As it was written.
    Whole,
    /// Every few bytes.
    Crumbs,
    /// Anywhere.
    Anywhere,
    /// Writes collected into records, and cut where a record is full, as TLS does.
    Records,
}

/// The choices of one run.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) shards: u16,
    pub(crate) clients: usize,
    pub(crate) rounds: u32,
    pub(crate) round_ms: u64,
    /// The longest pause between two actions of a client.
    pub(crate) turn_ms_max: u64,
    pub(crate) cut: Cut,
    pub(crate) up_ms_max: u64,
    pub(crate) down_ms_max: u64,
    pub(crate) mail_ms_max: u64,
    pub(crate) mailbox_batches_max: usize,
    /// Bytes between the broker's write and the client's read.
    pub(crate) socket_bytes_max: usize,
    pub(crate) reset_per_mille: u32,
    pub(crate) half_open_per_mille: u32,
    pub(crate) second_connection_per_mille: u32,
    pub(crate) storm_per_mille: u32,
    pub(crate) slow_reader_percent: u32,
    pub(crate) late_ack_percent: u32,
    pub(crate) never_ack_percent: u32,
    pub(crate) pause_per_mille: u32,
    pub(crate) clock_jump_per_mille: u32,
    pub(crate) admin_per_mille: u32,
    pub(crate) garbage_per_mille: u32,
    pub(crate) verdict_ms_max: u64,
    pub(crate) refuse_percent: u32,
    pub(crate) qos0_percent: u32,
    pub(crate) payload_bytes_max: u64,
    /// The listeners, by what they promise.
    pub(crate) listeners: Vec<Promise>,
    /// Whether clients do little but what has to outlive the broker, which dies again and again.
    pub(crate) is_deadly: bool,
    /// What there is of a store, if there is one.
    pub(crate) store: Option<Storage>,
    pub(crate) limits: Limits,
    /// What operators do, if there are any.
    pub(crate) operators: Option<Operating>,
    /// Whether access rules and users change, and how.
    pub(crate) guards: Option<Guarding>,
    /// Who may do what now, by the files of the configuration.
    pub(crate) access: Arc<AccessRules>,
}

/// What operators do in a run.
#[derive(Clone, Debug)]
pub(crate) struct Operating {
    pub(crate) pause_ms_max: u64,
    pub(crate) acts: Vec<Act>,
}

/// What changes of access rules and users in a run.
#[derive(Clone, Debug)]
pub(crate) struct Guarding {
    pub(crate) pause_ms_max: u64,
    pub(crate) has_rules: bool,
    pub(crate) has_users: bool,
    /// How often everything is allowed again when rules change.
    pub(crate) lifted_percent: u32,
}

/// The choices of a run with a store.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// Whether commits wait for the disk: `durability = "sync"`, or `"os"`.
    pub(crate) is_synced: bool,
    /// How often a shard's records are taken at once, rather than some time later.
    pub(crate) prompt_percent: u32,
    /// From the moment that something waits to its commit.
    pub(crate) commit_ms_max: u64,
    /// From a commit to its report.
    pub(crate) report_ms_max: u64,
    /// How many batches are committed together.
    pub(crate) group_max: u64,
    /// Crashes a round.
    pub(crate) crashes_max: u64,
    pub(crate) other_shards_percent: u32,
    pub(crate) power_percent: u32,
    pub(crate) full_percent: u32,
    /// How often the disk is full in a round in which it is.
    pub(crate) fulls: u64,
    pub(crate) failed_sync_percent: u32,
    pub(crate) flip_percent: u32,
    pub(crate) segment_bytes: u32,
    /// From asking for a record to getting it.
    pub(crate) fetch_ms_max: u64,
    /// How often a record that is asked for cannot be read.
    pub(crate) unreadable_per_mille: u64,
    /// How often the broker dies in the middle of a commit, and how often right after one has let it
    /// answer somebody.
    pub(crate) death_in_commit_per_mille: u32,
    pub(crate) death_after_answer_per_mille: u32,
}

impl Swarm {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let delay = |chance: &mut Chance| chance.pick(&[0, 1, 5, 40, 300]);
        let up_ms_max = delay(chance);
        let down_ms_max = delay(chance);
        Self {
            shards: chance.range(1, 4) as u16,
            clients: chance.range(3, 9) as usize,
            rounds: chance.range(1, 3) as u32,
            round_ms: chance.pick(&[2_000, 6_000, 15_000]),
            turn_ms_max: chance.pick(&[20, 100, 400]),
            cut: chance.pick(&[Cut::Whole, Cut::Crumbs, Cut::Anywhere, Cut::Records]),
            up_ms_max,
            down_ms_max,
            mail_ms_max: delay(chance),
            mailbox_batches_max: chance.pick(&[1, 2, 8, 64]),
            socket_bytes_max: chance.pick(&[64, 512, 4096, 65_536]),
            reset_per_mille: chance.switched(5, 40),
            half_open_per_mille: chance.switched(5, 40),
            second_connection_per_mille: chance.switched(5, 40),
            storm_per_mille: chance.switched(1, 4),
            slow_reader_percent: chance.switched(10, 70),
            late_ack_percent: chance.switched(10, 60),
            never_ack_percent: chance.switched(5, 30),
            pause_per_mille: chance.switched(1, 10),
            clock_jump_per_mille: chance.switched(1, 10),
            admin_per_mille: chance.switched(1, 10),
            garbage_per_mille: chance.switched(1, 8),
            verdict_ms_max: delay(chance),
            refuse_percent: chance.switched(5, 30),
            qos0_percent: chance.pick(&[0, 20, 60]),
            payload_bytes_max: chance.pick(&[40, 200, 6_000]),
            listeners: vec![Promise::Durable],
            is_deadly: false,
            store: chance.percent(60).then(|| Storage::draw(chance)),
            limits: draw_limits(chance),
            operators: None,
            guards: None,
            access: Arc::new(AccessRules::allow_all()),
        }
    }
}

impl Swarm {
    /// How little of what waits is in memory, and how it is read back.
    pub(crate) fn draw_reading(&mut self, chance: &mut Chance) {
        self.limits.queue_memory_bytes_max = chance.pick(&[0, 100, 1_000, 20_000, 1 << 26]);
        if let Some(storage) = &mut self.store {
            storage.fetch_ms_max = chance.pick(&[0, 2, 20, 300]);
            storage.unreadable_per_mille = chance.pick(&[0, 0, 0, 10, 200]);
        }
    }

    /// What the listeners promise, where there is a store.
    pub(crate) fn draw_listeners(&mut self, chance: &mut Chance) {
        use Promise::{Durable, Nothing, Written};
        if let Some(storage) = &mut self.store {
            let kinds: [&[Promise]; 7] = [
                &[Durable],
                &[Durable],
                &[Durable],
                &[Durable, Written],
                &[Durable, Nothing],
                &[Written, Nothing],
                &[Durable, Written, Nothing],
            ];
            self.listeners = chance.pick(&kinds).to_vec();
            if self.listeners.contains(&Written) {
                // There is a time between the write and the sync, and the machine may live on.
                storage.commit_ms_max = storage.commit_ms_max.max(200);
                storage.power_percent = storage.power_percent.min(50);
            }
        }
    }

    /// How often the disk is full, and how much room its segments leave then: in small ones little
    /// commits fit and others do not, so that batches which only release pass those with records.
    pub(crate) fn draw_filling(&mut self, chance: &mut Chance) {
        if let Some(storage) = &mut self.store
            && storage.full_percent > 0
        {
            storage.fulls = chance.pick(&[1, 3, 6]);
            storage.segment_bytes = chance.pick(&[1_024, 3_000, 8_192, storage.segment_bytes]);
        }
    }

    /// Small segments on a disk that is full again and again; reports take long enough for batches
    /// to meet it in between.
    pub(crate) const fn tighten(&mut self) {
        if let Some(storage) = &mut self.store {
            storage.full_percent = 100;
            storage.fulls = 6;
            storage.segment_bytes = 1_024;
            if storage.report_ms_max < 20 {
                storage.report_ms_max = 20;
            }
        }
    }
}

impl Swarm {
    /// In some worlds the store promises that what it says outlives the process, not a loss of power.
    /// A run may be told which.
    pub(crate) fn draw_durability(&mut self, is_synced: Option<bool>, chance: &mut Chance) {
        let is_unsynced = chance.percent(15);
        let power_percent = chance.pick(&[0, 0, 0, 30]);
        if let Some(storage) = &mut self.store
            && is_synced.map_or(is_unsynced, |of| !of)
        {
            storage.is_synced = false;
            // What comes after a loss of power proves little.
            storage.power_percent = if self.is_deadly { 0 } else { power_percent };
        }
    }
}

impl Swarm {
    /// How much the flight recorder may hold.
    pub(crate) fn draw_recorder(&mut self, chance: &mut Chance) {
        let bytes = [1 << 26, 1 << 26, 1 << 20, 1 << 17, 1 << 14];
        self.limits.recorder_bytes_max = chance.pick(&bytes);
    }
}

impl Swarm {
    /// In some worlds the broker dies where most is at stake: between the writes of a commit, and when
    /// it has just said that something is done. Nothing else goes wrong there, and everything is kept, so
    /// that nothing excuses a loss.
    pub(crate) fn draw_deaths(&mut self, chance: &mut Chance) {
        if !chance.percent(20) {
            return;
        }
        self.is_deadly = true;
        self.shards = chance.range(1, 4) as u16;
        self.rounds = 2;
        self.round_ms = chance.pick(&[2_000, 4_000]);
        self.turn_ms_max = chance.pick(&[20, 60]);
        self.up_ms_max = chance.pick(&[0, 1, 5]);
        self.down_ms_max = chance.pick(&[0, 1, 5]);
        self.mail_ms_max = chance.pick(&[0, 1, 5, 40]);
        self.verdict_ms_max = 1;
        self.socket_bytes_max = 65_536;
        self.listeners = vec![Promise::Durable];
        self.payload_bytes_max = 40;
        for never in [
            &mut self.clock_jump_per_mille,
            &mut self.slow_reader_percent,
            &mut self.never_ack_percent,
            &mut self.garbage_per_mille,
            &mut self.refuse_percent,
            &mut self.pause_per_mille,
            &mut self.qos0_percent,
            &mut self.admin_per_mille,
        ] {
            *never = 0;
        }
        self.store = Some(Storage {
            prompt_percent: chance.pick(&[100, 50]),
            commit_ms_max: chance.pick(&[0, 2, 20]),
            report_ms_max: chance.pick(&[0, 5, 20]),
            group_max: chance.pick(&[1, 3]),
            crashes_max: 2,
            other_shards_percent: 0,
            power_percent: chance.pick(&[0, 50, 100]),
            full_percent: 0,
            failed_sync_percent: 0,
            flip_percent: 0,
            death_in_commit_per_mille: chance.pick(&[0, 10, 40]),
            death_after_answer_per_mille: chance.pick(&[10, 40]),
            ..Storage::draw(chance)
        });
        self.limits = Limits {
            keep_alive_secs_max: 0,
            session_expiry_v3_secs: u32::MAX,
            session_expiry_secs_max: u32::MAX,
            queue_messages_max: 10_000,
            queue_bytes_max: 1 << 24,
            output_bytes_max: 1 << 20,
            ..self.limits.clone()
        };
    }

    /// Whether there are operators, and what they do; the other worlds run as if there were none.
    pub(crate) fn draw_operators(&mut self, chance: &mut Chance) {
        if self.is_deadly || !chance.percent(40) {
            return;
        }
        let mut acts = Act::ALL.to_vec();
        acts.retain(|_| chance.percent(60));
        if acts.is_empty() {
            acts.push(Act::Publish);
        }
        self.operators = Some(Operating {
            pause_ms_max: chance.pick(&[30, 100, 400]),
            acts,
        });
    }
}

impl Swarm {
    /// Whether access rules and users change; the other worlds run as if they could not.
    pub(crate) fn draw_guards(&mut self, chance: &mut Chance) {
        if self.is_deadly || !chance.percent(35) {
            return;
        }
        let has_rules = chance.percent(85);
        self.guards = Some(Guarding {
            pause_ms_max: chance.pick(&[50, 200, 800]),
            has_rules,
            has_users: !has_rules || chance.percent(50),
            lifted_percent: chance.pick(&[20, 50, 80]),
        });
    }
}

impl Storage {
    fn draw(chance: &mut Chance) -> Self {
        Self {
            is_synced: true,
            prompt_percent: chance.pick(&[100, 100, 50, 5]),
            commit_ms_max: chance.pick(&[0, 2, 20, 200]),
            report_ms_max: chance.pick(&[0, 0, 5, 100]),
            group_max: chance.pick(&[1, 3, 1_000]),
            crashes_max: chance.pick(&[0, 1, 2, 4]),
            other_shards_percent: chance.pick(&[0, 30]),
            power_percent: chance.pick(&[0, 50, 100]),
            full_percent: chance.pick(&[0, 0, 60]),
            fulls: 1,
            failed_sync_percent: chance.pick(&[0, 0, 40]),
            flip_percent: chance.pick(&[0, 0, 0, 0, 0, 0, 0, 60]),
            segment_bytes: chance.pick(&[8_192, 65_536, 1 << 20]),
            fetch_ms_max: 0,
            unreadable_per_mille: 0,
            death_in_commit_per_mille: 0,
            death_after_answer_per_mille: 0,
        }
    }

    /// Whether the input of a connection may have to wait for the store.
    pub(crate) const fn may_hold(&self) -> bool {
        self.full_percent > 0 || self.failed_sync_percent > 0
    }
}

pub(crate) fn draw_limits(chance: &mut Chance) -> Limits {
    Limits {
        connect_timeout_ms: chance.pick(&[1_000, 10_000]),
        keep_alive_secs_max: chance.pick(&[0, 0, 5]),
        session_expiry_v3_secs: chance.pick(&[3, 3_600, u32::MAX]),
        session_expiry_secs_max: chance.pick(&[3, 3_600, u32::MAX]),
        receive_maximum: chance.pick(&[1, 3, 20, u16::MAX]),
        inflight_max: chance.pick(&[1, 2, 10, 128]),
        topic_alias_maximum: chance.pick(&[0, 2, 32]),
        topic_alias_out_max: chance.pick(&[0, 2, 32]),
        queue_messages_max: chance.pick(&[0, 1, 5, 50, 10_000]),
        queue_bytes_max: chance.pick(&[300, 5_000, 1 << 24]),
        queue_policy: chance.pick(&[QueuePolicy::DropOldest, QueuePolicy::DropNewest]),
        queue_qos0: chance.percent(30),
        output_bytes_max: chance.pick(&[50, 500, 10_000, 1 << 20]),
        retained_steps_max: chance.pick(&[1, 3, 1_024]),
        match_cache_max: chance.pick(&[0, 2, 1_000]),
        share_strategy: chance.pick(&[
            ShareStrategy::RoundRobin,
            ShareStrategy::Random,
            ShareStrategy::LeastInflight,
            ShareStrategy::Sticky,
        ]),
        sys_interval_ms: 0,
        // The oracle learns from reports why a copy was dropped: none may be left out.
        reports_per_sec_max: u32::MAX,
        ..Limits::default()
    }
}
