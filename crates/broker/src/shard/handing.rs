//! Copies that are to go to other members of their shared groups and cannot yet: they have to be
//! read back before, or are of QoS 2 and not durable, so that they could not be taken from their member
//! and given to another one in one step.
//!
//! They are off their member's hands, but stay its copies in the store until they have a new owner.
//! So that a crash in between loses none, a session that ends leaves its record and those of its shared
//! subscriptions behind, under a name that no client can have, until all are handed over: also where
//! nothing has to be waited for but another shard. What it was sent is settled in the same step, so
//! of the copies that are found under that name none has been sent, whatever packet ids they have.

use std::collections::VecDeque;
use std::sync::Arc;

use columba_codec::QoS;

use super::Shard;
use super::exchange::Also;
use super::note::{NOBODY, Subject};
use super::steps::LOST_ON_THE_WAY;
use crate::hash::{Hashing, Map, Set, hash_of};
use crate::id::ShardId;
use crate::journal::RecordId;
use crate::kept::KeptId;
use crate::limits::Promise;
use crate::mail::{GroupRef, Letter};
use crate::outcome::Outcome;
use crate::record::{Record, SessionRecord, SubscriptionRecord};
use crate::routing::share::SessionRef;
use crate::session::handed_on::HandedOn;
use crate::session::queue::Delivery;
use crate::session::{Session, is_left_behind, name_left_behind};

/// Copies that are read for one session at a time.
const HANDED_MAX: usize = 256;

/// What is to be handed over, by the session that had it.
#[derive(Debug)]
pub(super) struct Handings {
    of: Map<SessionRef, Handing>,
    /// Those that wait until the store takes more, or has more.
    stalled: Vec<SessionRef>,
    /// Whether one of them waits until the store takes more. The last thing that it waited for may have
    /// been an answer of another shard, after which the store has nothing to tell.
    is_store_behind: bool,
}

#[derive(Debug, Default)]
struct Handing {
    copies: VecDeque<Handed>,
    bytes: u64,
    is_stalled: bool,
    /// The client, if its session has ended, and what that has left behind.
    client: Option<(Arc<str>, u64)>,
    records: Vec<RecordId>,
}

/// A copy and where it goes.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) delivery: Delivery,
    pub(super) owner: ShardId,
    pub(super) group: GroupRef,
}

impl Handings {
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            of: Map::with_hasher(hashing),
            stalled: Vec::new(),
            is_store_behind: false,
        }
    }

    /// Copies that are to be handed over, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let each = self.of.values();
        each.fold((0, 0), |(copies, bytes), handing| {
            (copies + handing.copies.len() as u64, bytes + handing.bytes)
        })
    }
}

impl Shard {
    /// Hands copies over, in order and behind those that wait: now as far as others can have them, then as
    /// they can.
    pub(super) fn hand_on(&mut self, me: SessionRef, copies: Vec<Handed>) {
        let durable = self.journal.reached(Promise::Durable);
        if let Some(handed_on) = self.handed_on_mut(me) {
            handed_on.forget(durable);
        }
        let mut copies = copies.into_iter().peekable();
        let waiting = self.handings.of.get(&me);
        let is_first = waiting.is_none_or(|handing| handing.copies.is_empty());
        while is_first
            && let Some(mut handed) = copies.next_if(|of| self.can_be_handed_on(&of.delivery))
        {
            self.take_back(&mut handed.delivery);
            self.give_back(me, handed);
        }
        let later: Vec<Handed> = copies.collect();
        if !later.is_empty() {
            self.add_handed(me, later);
        }
        self.hand_over_rest(me);
    }

    fn add_handed(&mut self, me: SessionRef, copies: Vec<Handed>) {
        let bytes = copies.iter().map(|of| of.delivery.size_bytes() as u64);
        let bytes: u64 = bytes.sum();
        self.stats.queued_messages += copies.len() as u64;
        self.stats.queued_bytes += bytes;
        let handing = self.handings.of.entry(me).or_default();
        handing.copies.extend(copies);
        handing.bytes += bytes;
    }

    /// Goes on with what a session, that may have ended, has to hand over.
    pub(super) fn hand_over_rest(&mut self, me: SessionRef) {
        loop {
            let Some(handing) = self.handings.of.get(&me) else {
                return;
            };
            let Some(front) = handing.copies.front() else {
                break;
            };
            if !self.is_on_disk(&front.delivery) {
                if self.journal.has_failed() {
                    self.lose_handed_at(me, 0, LOST_ON_THE_WAY);
                    continue;
                }
                return self.stall_handing(me);
            }
            if !self.kept.has(&front.delivery) {
                return self.read_handed(me);
            }
            if self.is_store_behind() && !self.journal.has_failed() {
                // Whoever gets it writes it anew.
                self.handings.is_store_behind = true;
                return self.stall_handing(me);
            }
            let Some(mut handed) = self.take_handed(me, 0) else {
                return;
            };
            self.take_back(&mut handed.delivery);
            self.give_back(me, handed);
        }
        if let Some(handing) = self.handings.of.remove(&me) {
            self.do_behind_exchanges(Also::End(handing.records));
        }
    }

    /// Hands a copy on: here it is settled, whoever gets it has a new one.
    fn give_back(&mut self, me: SessionRef, handed: Handed) {
        let Handed {
            delivery,
            owner,
            group,
        } = handed;
        self.stats.count(Outcome::DeliverOtherSharedMember);
        self.note_handed_on(me, Subject::from(delivery.message()), &group);
        self.release_mark(delivery.mark());
        let message = delivery.message().clone();
        if delivery.kept.is_some()
            && let Some(handed_on) = self.handed_on_mut(me)
        {
            handed_on.give(delivery.membership, &group, delivery.qos);
        }
        let letter = Letter::Share {
            group,
            message,
            not: Some(me),
            exchange: self.begin_handing_on(me, &delivery),
        };
        self.post(owner, letter);
    }

    fn handed_on_mut(&mut self, me: SessionRef) -> Option<&mut HandedOn> {
        let session = self.session_mut(me.slot).filter(|of| of.me == me)?;
        Some(&mut session.durable.as_mut()?.handed_on)
    }

    /// What the new owner of a copy has is in the batch that is gathered, if it has anything on disk.
    pub(super) fn note_handed_on_written(&mut self, from: SessionRef, membership: u32) {
        let ticket = self.journal.ticket();
        if let Some(handed_on) = self.handed_on_mut(from) {
            handed_on.note_written(membership, ticket);
        }
    }

    /// A session, that may have ended, lost a copy to its group.
    fn note_handed_on(&mut self, me: SessionRef, subject: Subject<'_>, group: &GroupRef) {
        let ended = self.handings.of.get(&me).and_then(|of| of.client.clone());
        let present = || {
            let session = self.session(me.slot).filter(|of| of.me == me)?;
            Some((Arc::clone(&session.client_id), session.hash))
        };
        let Some((client_id, hash)) = ended.or_else(present) else {
            return;
        };
        let outcome = Outcome::DeliverOtherSharedMember;
        // Most are one of many, and only counted.
        let topic_hash = hash_of(&self.hashing, subject.topic);
        let is_counted = self
            .recorder
            .count_fault(self.now, outcome, hash, topic_hash);
        if is_counted && !subject.is_followed() {
            return;
        }
        let whose = format!("$share/{}/{}", group.name, group.filter);
        self.note_lost_counted(
            (&client_id, hash),
            (topic_hash, is_counted),
            subject,
            outcome,
            &whose,
        );
    }

    fn stall_handing(&mut self, me: SessionRef) {
        let Handings { of, stalled, .. } = &mut self.handings;
        if let Some(handing) = of.get_mut(&me)
            && !std::mem::replace(&mut handing.is_stalled, true)
        {
            stalled.push(me);
        }
    }

    /// Whether something can be handed over that waited until the store takes more.
    pub(super) fn has_handings_to_go_on(&self) -> bool {
        self.handings.is_store_behind && !self.is_store_behind()
    }

    /// Hands it over.
    pub(super) fn go_on_with_handings(&mut self) {
        if self.has_handings_to_go_on() {
            self.resume_handings();
        }
    }

    /// The store takes more, or has more.
    pub(super) fn resume_handings(&mut self) {
        self.handings.is_store_behind = false;
        for me in std::mem::take(&mut self.handings.stalled) {
            if let Some(handing) = self.handings.of.get_mut(&me) {
                handing.is_stalled = false;
            }
            self.hand_over_rest(me);
        }
    }

    fn read_handed(&mut self, me: SessionRef) {
        let Some(handing) = self.handings.of.get(&me) else {
            return;
        };
        let next = handing.copies.iter().take(HANDED_MAX);
        let out = next.filter(|of| !self.kept.has(&of.delivery));
        let wanted: Vec<KeptId> = out
            .filter_map(|of| Some(of.delivery.kept?.message))
            .collect();
        self.read(me, &wanted, true);
    }

    fn take_handed(&mut self, me: SessionRef, at: usize) -> Option<Handed> {
        let handing = self.handings.of.get_mut(&me)?;
        let handed = handing.copies.remove(at)?;
        let bytes = handed.delivery.size_bytes() as u64;
        handing.bytes -= bytes;
        self.stats.queued_messages -= 1;
        self.stats.queued_bytes -= bytes;
        Some(handed)
    }

    /// A message that is to be handed over cannot be read.
    pub(super) fn lose_handed(&mut self, me: SessionRef, id: KeptId, detail: &str) {
        let Some(handing) = self.handings.of.get(&me) else {
            return;
        };
        let mut copies = handing.copies.iter().take(HANDED_MAX);
        let is_it = |of: &Handed| of.delivery.kept.is_some_and(|kept| kept.message == id);
        let Some(at) = copies.position(is_it) else {
            return;
        };
        self.lose_handed_at(me, at, detail);
    }

    fn lose_handed_at(&mut self, me: SessionRef, at: usize, detail: &str) {
        let Some(mut handed) = self.take_handed(me, at) else {
            return;
        };
        self.take_back(&mut handed.delivery);
        let outcome = Outcome::DeliverStoreLost;
        self.stats.count(outcome);
        let topic = handed.delivery.message().topic();
        self.report_withheld_of_group(outcome, topic, detail);
        self.settle_copy(&handed.delivery);
    }

    /// Whether a copy can go to somebody else now.
    fn can_be_handed_on(&self, delivery: &Delivery) -> bool {
        self.kept.has(delivery) && self.is_on_disk(delivery) && !self.is_store_overfull()
    }

    /// Whether a copy that others may get only once, if it is of QoS 2, can be taken from its session.
    pub(super) fn is_on_disk(&self, delivery: &Delivery) -> bool {
        if let Some(mark) = delivery.mark() {
            return self.journal.is_durable(mark);
        }
        let is_recorded = || self.is_recorded(delivery) && !self.journal.has_failed();
        delivery.qos != QoS::ExactlyOnce || delivery.kept.is_none() || is_recorded()
    }

    /// Memberships by which a session had copies that are on their way to new owners: after a crash
    /// they may be its own.
    fn copies_on_the_way(&self, session: &Session) -> Vec<(u32, GroupRef, QoS)> {
        let durable = self.journal.reached(Promise::Durable);
        let gathered = self.journal.gathered();
        let handed_on = session.durable.iter().map(|of| &of.handed_on);
        handed_on
            .flat_map(|of| of.may_come_back(durable, gathered))
            .map(|(membership, of)| (membership, of.group.clone(), of.qos))
            .collect()
    }

    /// A session has ended: what it has to hand over outlives it. What it has left behind says, after a
    /// crash, whose that is.
    pub(super) fn leave_behind(&mut self, session: &mut Session, copies: &[Handed]) {
        let is_rest = self.handings.of.contains_key(&session.me);
        let on_the_way = self.copies_on_the_way(session);
        if copies.is_empty() && !is_rest && on_the_way.is_empty() {
            return;
        }
        let handing = self.handings.of.entry(session.me).or_default();
        let (nobody, no_hash) = NOBODY;
        handing.client = Some(match is_left_behind(&session.client_id) {
            true => (nobody.into(), no_hash),
            false => (Arc::clone(&session.client_id), session.hash),
        });
        let is_stored =
            is_rest || !on_the_way.is_empty() || copies.iter().any(|of| of.delivery.kept.is_some());
        let Some(durable) = session.durable.as_mut().filter(|_| is_stored) else {
            return;
        };
        let name = name_left_behind(durable.number);
        let fact = Record::Session(SessionRecord {
            number: durable.number,
            client_id: &name,
            user: None,
            groups: Vec::new(),
            addr: None,
            expiry_secs: 1,
            disconnected_at_unix_ms: Some(self.now.unix_ms),
            will: None,
        });
        let mut records = vec![self.journal.append(|out| fact.write(out))];
        // Groups that it left before it ended are not among its records any more.
        let mut named: Set<u32> = Set::with_hasher(self.hashing);
        named.extend(durable.memberships.keys());
        let waiting = handing.copies.iter().chain(copies);
        let waiting = waiting.map(|of| (of.delivery.membership, &of.group, of.delivery.qos));
        let on_the_way = on_the_way
            .iter()
            .map(|(number, group, qos)| (*number, group, *qos));
        for (membership, group, qos) in waiting.chain(on_the_way) {
            if named.insert(membership) {
                let fact = Record::Subscription(SubscriptionRecord {
                    session: durable.number,
                    filter: &group.filter,
                    qos,
                    no_local: false,
                    retain_as_published: false,
                    identifier: 0,
                    share: Some((&group.name, membership)),
                });
                records.push(self.journal.append(|out| fact.write(out)));
            }
        }
        records.extend(durable.memberships.drain().map(|(_, record)| record));
        handing.records.extend(records);
        self.kept.save_all(&mut self.journal);
    }
}
