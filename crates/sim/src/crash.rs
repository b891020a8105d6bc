//! The death of the broker at any moment, and its next life.

use columba_broker::event::Now;
use columba_broker::query::{Answer, PAGE_ROWS_MAX, Request, RetainedQuery};
use columba_broker::recovery::Recovery;
use columba_store::{Faults, Name};

use crate::event::{DiskFault, Event};
use crate::net::Phase;
use crate::operator::Act;
use crate::oracle::id_of;
use crate::oracle::{About, Observation, Said, Settings};
use crate::planted::Planted;
use crate::store::{Commit, Store};
use crate::world::{Mode, World, new_shards};

/// How often the broker dies of what it has just done.
const LIVES_MAX: u64 = 60;

impl World {
    /// The first start.
    pub(crate) fn boot(&mut self) {
        if let Some(storage) = &self.swarm.store {
            self.store = Some(Store::new(self.seed, storage, self.planted));
        }
        self.start();
    }

    /// Decides when the broker dies and what the disk does in a round.
    pub(crate) fn plan_crashes(&mut self) {
        let Some(storage) = self.swarm.store.clone() else {
            return;
        };
        let round_ms = self.swarm.round_ms;
        for _ in 0..self.chance.range(0, storage.crashes_max) {
            let at_ms = self.chance.below(round_ms);
            self.put(at_ms, Event::Crash);
        }
        let is_full = self.chance.percent(storage.full_percent);
        let fulls = if is_full { storage.fulls } else { 0 };
        for _ in 0..fulls {
            let at_ms = self.chance.below(round_ms);
            self.put(at_ms, Event::Disk(DiskFault::Full));
            let more_ms = self.chance.pick(&[100, 1_000]);
            self.put(at_ms + more_ms, Event::Disk(DiskFault::Room));
        }
        if self.chance.percent(storage.failed_sync_percent) {
            let at_ms = self.chance.below(round_ms);
            self.put(at_ms, Event::Disk(DiskFault::FailedSync));
        }
    }

    /// The broker dies: some steps later, or in the middle of an operation of the disk.
    pub(crate) fn on_crash(&mut self) {
        let Some(store) = &self.store else { return };
        if store.has_failed {
            self.is_dead = true;
            return;
        }
        if self.chance.percent(30) {
            let operations = store.disk.operations() + self.chance.below(8);
            store.disk.set_faults(Faults {
                crash_at: Some(operations),
                ..Faults::default()
            });
        } else {
            self.crash_in = Some(self.chance.below(24));
        }
    }

    /// One of the steps between which the broker may die. Whether it is dead.
    pub(crate) const fn dies_here(&mut self) -> bool {
        match self.crash_in {
            Some(0) => self.is_dead = true,
            Some(ref mut steps) => *steps -= 1,
            None => {}
        }
        self.is_dead
    }

    /// Whether the broker dies now, when what the store has told has let it answer somebody.
    pub(crate) fn dies_of_answer(&mut self, seen: &Observation) -> bool {
        let Some(storage) = &self.swarm.store else {
            return false;
        };
        let per_mille = storage.death_after_answer_per_mille;
        let is_answer = matches!(seen.about, About::Store(_)) && !seen.outputs.is_empty();
        if is_answer && self.may_die_anew() && self.chance.per_mille(per_mille) {
            self.is_dead = true;
        }
        self.is_dead
    }

    /// Perhaps the broker dies between two operations of the commit that begins.
    pub(crate) fn may_die_in_commit(&mut self) {
        let Some(storage) = &self.swarm.store else {
            return;
        };
        let per_mille = storage.death_in_commit_per_mille;
        if per_mille == 0 || !self.may_die_anew() || !self.chance.per_mille(per_mille) {
            return;
        }
        let operations = self.chance.below(8);
        if let Some(store) = &self.store {
            store.disk.set_faults(Faults {
                crash_at: Some(store.disk.operations() + operations),
                ..Faults::default()
            });
        }
    }

    fn may_die_anew(&self) -> bool {
        self.mode == Mode::Faulty && self.life < LIVES_MAX
    }

    /// The broker is gone, with all that was in memory; then it starts again.
    pub(crate) fn restart(&mut self) {
        self.is_dead = false;
        self.crash_in = None;
        let Some(storage) = self.swarm.store.clone() else {
            return;
        };
        let Some(store) = &mut self.store else { return };
        let had_failed = store.has_failed;
        // Where nothing is synced, a disk that stops in the middle of something is a process that died there.
        let is_power_lost = (storage.is_synced && store.disk.is_down())
            || self.chance.percent(storage.power_percent);
        self.keep_written(is_power_lost);
        let Some(store) = &mut self.store else { return };
        let records = store.records();
        store.die();
        let forgets = !storage.is_synced && self.planted == Some(Planted::Unwritten);
        if is_power_lost || forgets {
            store.disk.restart();
        } else {
            store.disk.restart_process();
        }
        self.trace.line(
            self.now_ms,
            format_args!("----- the broker dies; power lost: {is_power_lost}"),
        );
        // That was never promised: what is left is that it starts, and goes on as it should.
        self.oracle.is_lenient |= is_power_lost && !storage.is_synced;
        self.records = None;
        if self.chance.percent(storage.flip_percent) {
            self.flip();
            self.records = (!is_power_lost && !had_failed).then_some(records);
        }
        self.copy_remains();
        self.end_record();
        self.lose_connections();
        if self.chance.percent(storage.other_shards_percent) {
            self.swarm.shards = self.chance.range(1, 4) as u16;
        }
        if self.swarm.clock_jump_per_mille > 0 && self.chance.percent(20) {
            self.jump();
        }
        self.life += 1;
        // The clock of a process starts anywhere.
        let began_ms = self.chance.pick(&[0, 10, 5_000]);
        self.base_ms = self.now_ms as i64 - began_ms;
        let least = if is_power_lost || had_failed {
            Said::Durable
        } else {
            Said::Written
        };
        self.operator.crash();
        self.change_while_down();
        self.oracle.crash(self.now_ms, self.swarm.shards, least);
        self.oracle.settings = Settings::of(&self.swarm);
        for (client_id, session) in &self.oracle.sessions {
            self.note(format_args!("{client_id}: {session:?}"));
        }
        for client_id in self.oracle.ghosts.keys() {
            self.note(format_args!("{client_id} may come back"));
        }
        self.start();
    }

    /// What is written and not synced is there if the machine lives on; if not, as much of it as the
    /// disk has taken by itself.
    fn keep_written(&mut self, is_power_lost: bool) {
        let Some(store) = &self.store else { return };
        let written = store.written();
        if written == 0 || store.has_failed || store.disk.is_down() {
            return;
        }
        let most = if is_power_lost {
            self.chance.range(0, written)
        } else if self.planted == Some(Planted::Unwritten) {
            0
        } else {
            written
        };
        store.disk.set_faults(Faults::default());
        if self.commit_written(most) != Commit::Done {
            self.oracle
                .fail("store", "what was written cannot be kept".to_owned());
        }
    }

    /// Somebody copies what a broker has left that has died.
    fn copy_remains(&mut self) {
        let operating = self.swarm.operators.as_ref();
        let is_copied = operating.is_some_and(|of| of.acts.contains(&Act::BackUp));
        if let Some(store) = &mut self.store
            && is_copied
            && !self.oracle.is_lenient
        {
            let result = store.copy_remains();
            self.oracle.judge("backup", result);
        }
    }

    /// A bit of what is on the disk changes.
    fn flip(&mut self) {
        let Some(store) = &self.store else { return };
        let segments: Vec<Name> = store.disk.names();
        let segments: Vec<Name> = segments
            .into_iter()
            .filter(|name| matches!(name, Name::Segment(_)))
            .collect();
        if segments.is_empty() {
            return;
        }
        let name = self.chance.pick(&segments);
        let content = store.disk.content(name).unwrap_or_default();
        let used = content.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        let at = self.chance.below(used as u64 + 1) as usize;
        let bit = self.chance.below(8);
        store.disk.damage(name, |content| {
            if let Some(byte) = content.get_mut(at) {
                *byte ^= 1 << bit;
            }
        });
        self.note(format_args!("bit {bit} of byte {at} of {name} flips"));
        self.oracle.is_lenient = true;
    }

    fn lose_connections(&mut self) {
        for id in 0..self.links.len() {
            self.links[id].shard = 0;
            if self.links[id].phase == Phase::Gone {
                continue;
            }
            self.links[id].phase = Phase::Gone;
            self.links[id].held.clear();
            self.links[id].tail.clear();
            if self.links[id].is_client_open && !self.links[id].is_half_open {
                let at_ms = self.down_ms(id);
                self.agenda.put(at_ms, Event::DownEnd { link: id });
            }
        }
        self.agenda.retain(|event| match event {
            Event::Mail { .. }
            | Event::Adopt { .. }
            | Event::Verdict { .. }
            | Event::Deadline { .. }
            | Event::Command { .. }
            | Event::Request { .. }
            | Event::Resume { .. }
            | Event::Tick { .. }
            | Event::Written
            | Event::Commit
            | Event::Stored { .. }
            | Event::Fetch { .. }
            | Event::Disk(_)
            | Event::Write { .. }
            | Event::CloseAnyway { .. } => false,
            Event::Up { .. }
            | Event::UpEnd { .. }
            | Event::Down { .. }
            | Event::DownEnd { .. }
            | Event::Read { .. }
            | Event::Crash
            | Event::Operate
            | Event::Guard
            | Event::Turn { .. }
            | Event::Ping { .. }
            | Event::Owed { .. } => true,
        });
        for link in &mut self.links {
            link.is_write_due = false;
        }
    }

    /// What has to have outlived the last process is there, before anybody comes.
    fn check_recovered(&mut self) {
        if self.life == 0 || self.oracle.has_failed() {
            return;
        }
        self.check_books();
        let query = RetainedQuery {
            filter: "#".into(),
            after: None,
            rows_max: PAGE_ROWS_MAX,
        };
        let mut found = Vec::new();
        for shard in 0..self.shards.len() {
            let mut query = query.clone();
            while let Some(Answer::Retained(page)) =
                self.inquire(shard, Request::Retained(query.clone()))
            {
                let payloads = page.rows.iter().map(|row| id_of(row.message.payload()));
                found.extend(payloads.flatten());
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
        }
        let result = self.oracle.compare_retained(&found, self.now_ms);
        self.oracle.judge("retained", result.map(|_| ()));
    }

    /// Reads the store, repairs it and makes the shards.
    fn start(&mut self) {
        let now = self.now();
        let shards = self.swarm.shards;
        let mut parts = Vec::new();
        let mut seed = self.seed;
        // A repair may be cut short by another crash.
        let mut tries = 0;
        while self.store.is_some() {
            tries += 1;
            if tries > 8 {
                return self.oracle.fail("store", "no start in 8 tries".to_owned());
            }
            let may_crash = tries == 1
                && self.records.is_none()
                && self.mode == Mode::Faulty
                && self.chance.percent(20);
            let operations = self.chance.below(8);
            let Some(store) = &mut self.store else { return };
            if may_crash && self.life > 0 {
                store.disk.set_faults(Faults {
                    crash_at: Some(operations),
                    ..Faults::default()
                });
            }
            match recover(store, now, shards, self.seed) {
                Ok(Some((found, of, damage, records))) => {
                    if self.records.is_some_and(|before| records < before) && damage.is_empty() {
                        let detail = "records are gone, and no damage was reported".to_owned();
                        return self.oracle.fail("store", detail);
                    }
                    if found.counts.unusable > 0 {
                        let detail = format!("{:?}", found.counts);
                        return self.oracle.fail("store", detail);
                    }
                    if !damage.is_empty() && !self.oracle.is_lenient {
                        let detail = format!("damage on a sound disk: {damage:?}");
                        return self.oracle.fail("store", detail);
                    }
                    store.disk.set_faults(Faults::default());
                    self.trace
                        .line(self.now_ms, format_args!("found {:?}", found.counts));
                    self.counts = found.counts;
                    parts = found.shards;
                    seed = of;
                    break;
                }
                Ok(None) => continue,
                Err(error) => {
                    if !store.disk.is_down() {
                        return self.oracle.fail("store", error);
                    }
                    store.die();
                    if store.options().is_synced {
                        store.disk.restart();
                    } else {
                        store.disk.restart_process();
                    }
                }
            }
        }
        self.shard_seed = seed;
        self.shards = new_shards(&self.swarm, seed, now, self.store.is_some());
        for (shard, part) in parts.into_iter().enumerate() {
            self.shards[shard].core.restore(now, part);
        }
        for shard in 0..self.shards.len() {
            self.after_restore(shard);
        }
        self.oracle.check_subscriptions(None);
        self.begin_with_bans();
        self.check_recovered();
    }
}

type Found = (
    columba_broker::recovery::Recovered,
    u64,
    Vec<columba_store::Damage>,
    u64,
);

/// What is in the store, repaired; nothing if that has to be read once more.
fn recover(store: &mut Store, now: Now, shards: u16, seed: u64) -> Result<Option<Found>, String> {
    let mut damage = store.open(shards)?;
    let records = store.records();
    for _ in 0..3 {
        let mut recovery = Recovery::new(now);
        let more = store
            .read(&mut recovery)
            .map_err(|error| error.to_string())?;
        damage.extend(more);
        let seed = recovery.seed().unwrap_or(seed);
        let mut found = recovery.finish(shards, seed);
        if !store.repair(&found) {
            return Err("the repair was refused".to_owned());
        }
        if found.rewrites.is_empty() {
            return Ok(Some((found, seed, damage, records)));
        }
        for rewrite in found.rewrites.drain(..) {
            store.rewrite(rewrite)?;
        }
    }
    Err("recovery repairs without end".to_owned())
}
