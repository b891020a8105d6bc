//! Copies that are to go to other members of their shared groups and cannot yet: they have to be
//! read back before, or are of QoS 2 and not durable, so that they could not be taken from their member
//! and given to another one in one step.
//!
//! They are off their member's hands, but stay its copies in the store until they have a new owner.
//! So that a crash in between loses none, a session that ends meanwhile leaves its record and those of
//! its shared subscriptions behind, under a name that no client can have, until all are handed over.

use std::collections::VecDeque;

use columba_codec::QoS;

use super::Shard;
use super::exchange::Also;
use crate::event::ShardId;
use crate::hash::{Hashing, Map, Set};
use crate::journal::RecordId;
use crate::kept::KeptId;
use crate::mail::GroupRef;
use crate::outcome::Outcome;
use crate::record::{Record, SessionRecord, SubscriptionRecord};
use crate::routing::share::SessionRef;
use crate::session::queue::Delivery;
use crate::session::{Session, name_left_behind};

/// Copies that are read for one session at a time.
const HANDED_MAX: usize = 256;

/// What is to be handed over, by the session that had it.
#[derive(Debug)]
pub(super) struct Handings {
    of: Map<SessionRef, Handing>,
    /// Those that wait until the store takes more, or has more.
    stalled: Vec<SessionRef>,
}

#[derive(Debug, Default)]
struct Handing {
    copies: VecDeque<Handed>,
    bytes: u64,
    is_stalled: bool,
    /// What the session has left behind, if it has ended.
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
    /// Hands copies over as they are read back, in order.
    pub(super) fn hand_over_later(&mut self, me: SessionRef, copies: Vec<Handed>) {
        if copies.is_empty() {
            return;
        }
        let bytes = copies.iter().map(|of| of.delivery.size_bytes() as u64);
        let bytes: u64 = bytes.sum();
        self.stats.queued_messages += copies.len() as u64;
        self.stats.queued_bytes += bytes;
        let handing = self.handings.of.entry(me).or_default();
        handing.copies.extend(copies);
        handing.bytes += bytes;
        self.hand_over_rest(me);
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
                return self.stall_handing(me);
            }
            if !self.kept.has(&front.delivery) {
                return self.read_handed(me);
            }
            if self.is_store_behind() {
                // Whoever gets it writes it anew.
                return self.stall_handing(me);
            }
            let Some(mut handed) = self.take_handed(me, 0) else {
                return;
            };
            self.take_back(&mut handed.delivery);
            self.give_back(me, handed.owner, handed.group, &handed.delivery);
        }
        if let Some(handing) = self.handings.of.remove(&me) {
            self.do_behind_exchanges(Also::End(handing.records));
        }
    }

    fn stall_handing(&mut self, me: SessionRef) {
        let Handings { of, stalled } = &mut self.handings;
        if let Some(handing) = of.get_mut(&me)
            && !std::mem::replace(&mut handing.is_stalled, true)
        {
            stalled.push(me);
        }
    }

    /// The store takes more, or has more.
    pub(super) fn resume_handings(&mut self) {
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
    pub(super) fn lose_handed(&mut self, me: SessionRef, id: KeptId, position: u64, why: &str) {
        let Some(handing) = self.handings.of.get(&me) else {
            return;
        };
        let mut copies = handing.copies.iter().take(HANDED_MAX);
        let is_it = |of: &Handed| of.delivery.kept.is_some_and(|kept| kept.message == id);
        let Some(at) = copies.position(is_it) else {
            return;
        };
        let Some(mut handed) = self.take_handed(me, at) else {
            return;
        };
        self.take_back(&mut handed.delivery);
        let outcome = Outcome::DeliverStoreLost;
        self.stats.count(outcome);
        let detail = format!("record {position} of the store cannot be read back: {why}");
        let topic = handed.delivery.message().topic();
        self.report_withheld_of_group(outcome, topic, &detail);
        if let Some(kept) = handed.delivery.kept {
            self.settle_kept(kept, handed.delivery.exchange);
        }
    }

    /// Whether a copy of a session that ends can go to somebody else now.
    pub(super) fn can_be_handed_on(&self, delivery: &Delivery) -> bool {
        self.kept.has(delivery) && self.is_on_disk(delivery)
    }

    /// Whether a copy that others may get only once, if it is of QoS 2, can be taken from its session.
    fn is_on_disk(&self, delivery: &Delivery) -> bool {
        delivery.qos != QoS::ExactlyOnce || self.is_recorded(delivery)
    }

    /// Whether a session has copies that others cannot have yet.
    pub(super) fn must_leave_behind(&self, session: &Session) -> bool {
        self.handings.of.contains_key(&session.me)
            || session
                .queue
                .iter()
                .flat_map(|queue| queue.iter())
                .any(|delivery| {
                    !self.can_be_handed_on(delivery)
                        && session.membership(delivery.membership).is_some()
                })
    }

    /// A session has ended whose copies are not handed over yet: it leaves behind what says, after a
    /// crash, whose they are.
    pub(super) fn leave_behind(&mut self, session: &mut Session) {
        let Some(durable) = session.durable.as_mut() else {
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
        let handing = self.handings.of.entry(session.me).or_default();
        // Groups that it left before it ended are not among its records any more.
        let mut named: Set<u32> = Set::with_hasher(self.hashing);
        named.extend(durable.memberships.keys());
        for of in &handing.copies {
            if named.insert(of.delivery.membership) {
                let fact = Record::Subscription(SubscriptionRecord {
                    session: durable.number,
                    filter: &of.group.filter,
                    qos: of.delivery.qos,
                    no_local: false,
                    retain_as_published: false,
                    identifier: 0,
                    share: Some((&of.group.name, of.delivery.membership)),
                });
                records.push(self.journal.append(|out| fact.write(out)));
            }
        }
        records.extend(durable.memberships.drain().map(|(_, record)| record));
        handing.records.extend(records);
    }
}
