//! Deals out what was found in a store: each session, message and retained message to the shard that has
//! it from now on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::counts::Tally;
use super::lost::{LostSession, NO_SHARD};
use super::{
    FoundExchange, FoundMessage, FoundRetained, FoundSession, RecoveredCopy, RecoveredGroup,
    RecoveredMessage, RecoveredRetained, RecoveredShard, Rewrite,
};
use crate::hash::{Hashing, hash_of, shard_of};
use crate::id::ShardId;
use crate::journal::Records;
use crate::now::Now;
use crate::record::{Record, SessionNumber, Step};
use crate::routing::share::SessionRef;
use crate::session::is_left_behind;

/// What is dealt out.
pub(super) struct Parts {
    hashing: Hashing,
    now: Now,
    pub(super) shards: Vec<RecoveredShard>,
    /// Where each session lives now.
    pub(super) places: BTreeMap<SessionNumber, SessionRef>,
    pub(super) lost: BTreeMap<SessionNumber, LostSession>,
    pub(super) tally: Tally,
    pub(super) repair: Records,
    pub(super) rewrites: Vec<Rewrite>,
}

impl Parts {
    pub(super) fn new(shards: u16, seed: u64, now: Now) -> Self {
        Self {
            hashing: Hashing::with_seed(seed),
            now,
            shards: (0..shards).map(|_| RecoveredShard::default()).collect(),
            places: BTreeMap::new(),
            lost: BTreeMap::new(),
            tally: Tally::default(),
            repair: Records::default(),
            rewrites: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, fact: &Record<'_>) {
        fact.write(&mut self.repair.bytes);
        self.repair.ends.push(self.repair.bytes.len());
    }

    fn home_of<T: std::hash::Hash + ?Sized>(&self, value: &T) -> ShardId {
        shard_of(hash_of(&self.hashing, value), self.shards.len() as u16)
    }

    pub(super) fn deal_sessions(&mut self, sessions: BTreeMap<SessionNumber, FoundSession>) {
        let mut interests: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        let mut groups: BTreeMap<(Arc<str>, Arc<str>), Vec<SessionRef>> = BTreeMap::new();
        for (number, session) in sessions {
            let home = self.home_of(&*session.client_id);
            let Some(shard) = self.shards.get_mut(home.index()) else {
                continue;
            };
            let slot = shard.sessions.len() as u32;
            let me = SessionRef {
                shard: home,
                slot,
                serial: slot + 1,
            };
            self.places.insert(number, me);
            if is_left_behind(&session.client_id) {
                shard.sessions.push(session);
                continue;
            }
            self.tally.session(&session, self.now);
            for subscription in &session.subscriptions {
                let filter = Arc::clone(&subscription.filter);
                match &subscription.share {
                    Some((name, _)) => {
                        let group = groups.entry((filter, Arc::clone(name))).or_default();
                        group.push(me);
                    }
                    None => *interests.entry(filter).or_default() |= 1 << home.0,
                }
            }
            shard.sessions.push(session);
        }
        for (filter, homes) in interests {
            for (at, shard) in self.shards.iter_mut().enumerate() {
                let others = (0..64u16).filter(|home| homes >> home & 1 == 1);
                let others = others.filter(|home| usize::from(*home) != at);
                shard
                    .remote
                    .extend(others.map(|home| (Arc::clone(&filter), ShardId(home))));
            }
        }
        for ((filter, name), members) in groups {
            let owner = self.home_of(&(&*filter, &*name));
            for (at, shard) in self.shards.iter_mut().enumerate() {
                shard.groups.push(RecoveredGroup {
                    filter: Arc::clone(&filter),
                    name: Arc::clone(&name),
                    owner,
                    members: if at == owner.index() {
                        members.clone()
                    } else {
                        Vec::new()
                    },
                });
            }
        }
    }

    pub(super) fn deal_messages(
        &mut self,
        messages: impl Iterator<Item = (u64, FoundMessage)>,
        mut exchanges: BTreeMap<(u64, SessionNumber), FoundExchange>,
        mut settled: BTreeMap<u64, (u64, Vec<u32>)>,
    ) {
        for (
            position,
            FoundMessage {
                outline,
                body_bytes,
                recipients,
            },
        ) in messages
        {
            let count = recipients.len() as u32;
            let (settled_position, mut gone) = match settled.remove(&position) {
                Some((at, gone)) => (Some(at), gone),
                None => (None, Vec::new()),
            };
            gone.sort_unstable();
            let mut by_shard: BTreeMap<ShardId, Vec<RecoveredCopy>> = BTreeMap::new();
            let mut places = Vec::new();
            for (place, mut recipient) in (0u32..).zip(recipients) {
                let is_open = gone.binary_search(&place).is_err();
                if let Some(lost) = self.lost.get_mut(&recipient.session).filter(|_| is_open) {
                    lost.messages += 1;
                }
                let exchange = exchanges.remove(&(position, recipient.session));
                let home = self.places.get(&recipient.session);
                let Some(home) = home.filter(|_| is_open) else {
                    places.push(place);
                    self.repair
                        .releases
                        .extend(exchange.map(|exchange| exchange.position));
                    continue;
                };
                if let Some(exchange) = exchange {
                    recipient.step = match exchange.is_released {
                        true => Step::Released(exchange.packet_id),
                        false => Step::Sent(exchange.packet_id),
                    };
                }
                let copies = by_shard
                    .entry(home.shard)
                    .or_insert_with(|| Vec::with_capacity(1));
                copies.push(RecoveredCopy {
                    slot: home.slot,
                    place,
                    recipient,
                    exchange: exchange.map(|exchange| exchange.position),
                });
            }
            let here = by_shard.iter().filter(|(home, _)| **home != NO_SHARD);
            let has_expired = outline.is_expired(self.now.mono_ms);
            for copy in here.flat_map(|(_, copies)| copies) {
                self.tally.copy(&copy.recipient, has_expired);
            }
            if by_shard.len() != 1 {
                self.rewrite(position, settled_position, by_shard);
                continue;
            }
            for (home, copies) in by_shard {
                if let Some(shard) = self.shards.get_mut(home.index()) {
                    shard.messages.push(RecoveredMessage {
                        position,
                        outline: outline.clone(),
                        body_bytes,
                        count,
                        settled: std::mem::take(&mut places),
                        settled_position,
                        copies,
                    });
                }
            }
        }
        let orphans = exchanges.into_values().map(|exchange| exchange.position);
        let notes = settled.into_values().map(|(position, _)| position);
        self.repair.releases.extend(orphans.chain(notes));
    }

    /// A message whose copies are nobody's, or are to be on several shards: each of those gets a
    /// record of its own, which says where it came, since it stands behind all others now.
    fn rewrite(
        &mut self,
        position: u64,
        settled_position: Option<u64>,
        by_shard: BTreeMap<ShardId, Vec<RecoveredCopy>>,
    ) {
        let mut releases: Vec<u64> = settled_position.into_iter().collect();
        let copies = by_shard.values().flatten();
        releases.extend(copies.filter_map(|copy| copy.exchange));
        if by_shard.is_empty() {
            self.repair.releases.push(position);
            return self.repair.releases.extend(releases);
        }
        let recipients = by_shard.into_values();
        let recipients =
            recipients.map(|copies| copies.into_iter().map(|copy| copy.recipient).collect());
        self.rewrites.push(Rewrite {
            position,
            releases,
            recipients: recipients.collect(),
        });
    }

    pub(super) fn deal_retained(&mut self, retained: BTreeMap<String, FoundRetained>) {
        for (topic, found) in retained {
            let position = found.position;
            let Some(message) = found.message else {
                // What it outranks is released in the same step.
                self.repair.releases.push(position);
                continue;
            };
            self.tally.retained(message.is_expired(self.now.mono_ms));
            let owner = self.home_of(topic.as_str());
            if let Some(shard) = self.shards.get_mut(owner.index()) {
                shard.retained.push(RecoveredRetained { position, message });
            }
        }
    }
}
