//! What an earlier process left in the store, put back in its place.

use std::sync::Arc;

use columba_codec::{PacketId, QoS};

use super::Shard;
use super::lineup::{Trace, id_of, line_up};
use super::recheck::USER_REMOVED;
use crate::hash::{Map, hash_of};
use crate::journal::RecordId;
use crate::limits::QueuePolicy;
use crate::mail::{GroupRef, NewMember};
use crate::now::Now;
use crate::query::InflightStep;
use crate::record::Step;
use crate::recovery::{
    FoundSession, FoundSubscription, RecoveredGroup, RecoveredMessage, RecoveredRetained,
    RecoveredShard,
};
use crate::routing::Subscriber;
use crate::session::handed_on::HandedOn;
use crate::session::queue::{Delivery, Identifiers, QueueLimits};
use crate::session::{
    DurableSession, Identity, Membership, ReceivedId, Session, Will, is_left_behind,
};
use crate::timer::Timer;

/// What a session has up to the last delivery that has begun: what is behind that waits in the queue, and may
/// be much.
#[derive(Debug, Default)]
struct Unfinished {
    /// Deliveries that have begun and are still to come.
    begun: usize,
    /// In the order of the messages, each with a hash of its topic.
    copies: Vec<(u64, Step, Delivery)>,
}

impl Shard {
    /// Takes in what an earlier process left in the store. To be called before any input.
    pub fn restore(&mut self, now: Now, recovered: RecoveredShard) {
        self.now = now;
        let highest = recovered.highest;
        self.next_session = highest.session / u64::from(self.shards) + 1;
        self.next_number = self.next_number.max(u64::from(highest.membership));
        self.retained_version = highest.version;
        for (filter, shard) in recovered.remote {
            self.filters.set_remote(&filter, shard, true, true);
        }
        for position in recovered.releases {
            let record = self.journal.adopt(position);
            self.journal.release(record);
        }
        for found in recovered.retained {
            self.restore_retained(found);
        }
        self.measure_retained();
        self.set_retained_timer();
        let (mut changed, mut left_behind) = (Vec::new(), Vec::new());
        let mut removed = Vec::new();
        for found in recovered.sessions {
            let is_rest = is_left_behind(&found.client_id);
            // One that was connected is without a connection from now on.
            let is_news = found.disconnected_at_unix_ms.is_none() || found.has_other_groups;
            let is_user_removed = found.is_user_removed;
            let slot = self.restore_session(found);
            changed.extend(is_news.then_some(slot));
            removed.extend(is_user_removed.then_some(slot));
            left_behind.extend(is_rest.then_some(slot));
        }
        for group in recovered.groups {
            self.restore_group(&group);
        }
        let mut unfinished: Map<u32, Unfinished> = Map::with_hasher(self.hashing);
        let copies = recovered.messages.iter().flat_map(|found| &found.copies);
        for copy in copies.filter(|copy| copy.recipient.step != Step::Queued) {
            unfinished.entry(copy.slot).or_default().begun += 1;
        }
        for found in recovered.messages {
            self.restore_message(found, &mut unfinished);
        }
        for slot in left_behind {
            self.dissolve(slot);
        }
        for slot in changed {
            self.save_session(slot);
        }
        for slot in removed {
            self.withhold_will_of(slot, USER_REMOVED);
        }
        // The rules may be others than those of the earlier process.
        self.recheck_subscriptions();
        self.stats.queued_bytes_in_memory = self.kept.here_bytes();
    }

    fn restore_retained(&mut self, found: RecoveredRetained) {
        let record = self.journal.adopt(found.position);
        self.retained.restore(found.message, record, found.position);
    }

    fn restore_session(&mut self, found: FoundSession) -> u32 {
        let since_ms = found.since_ms(self.now);
        let slot = self.new_session(&found.client_id);
        let will = found.will.map(|will| {
            Box::new(Will {
                message: will.message,
                expiry_secs: will.expiry_secs,
                delay_secs: will.delay_secs,
            })
        });
        self.replace_will(slot, will);
        let hashing = self.hashing;
        let mut received = Map::with_hasher(hashing);
        for (position, packet_id) in found.received {
            let id = ReceivedId {
                exchange: 0,
                record: Some(self.journal.adopt(position)),
            };
            received.insert(packet_id.get(), id);
        }
        let durable = DurableSession {
            number: found.number,
            record: Some(self.journal.adopt(found.position)),
            subscriptions: Map::with_hasher(hashing),
            memberships: Map::with_hasher(hashing),
            handed_on: HandedOn::default(),
        };
        if let Some(session) = self.session_mut(slot) {
            session.identity = Arc::new(Identity {
                user: found.user,
                groups: found.groups,
            });
            session.addr = found.addr;
            session.expiry_secs = found.expiry_secs;
            session.since_ms = since_ms;
            session.received = (!received.is_empty()).then(|| Box::new(received));
            session.durable = Some(Box::new(durable));
        }
        for subscription in found.subscriptions {
            self.restore_subscription(slot, subscription);
        }
        let serial = self.session(slot).map_or(0, |session| session.me.serial);
        if let Some(at_ms) = self.session(slot).and_then(Session::expires_at_ms) {
            self.timers
                .set(at_ms, Timer::SessionExpiry { slot, serial });
        }
        if let Some(at_ms) = self.session(slot).and_then(Session::will_due_at_ms) {
            self.timers.set(at_ms, Timer::WillDelay { slot, serial });
        }
        slot
    }

    fn restore_subscription(&mut self, slot: u32, found: FoundSubscription) {
        let record = self.journal.adopt(found.position);
        let filter = &*found.filter;
        if let Some((name, number)) = found.share {
            let owner = self.group_owner(filter, &name);
            let hashing = self.hashing;
            self.stats.subscriptions += 1;
            self.stats.shared_subscriptions += 1;
            self.grow_subscriptions(slot, filter.len() + name.len());
            let Some(session) = self.session_mut(slot) else {
                return;
            };
            let membership = Membership {
                number,
                filter: found.filter,
                group: name,
                owner,
                qos: found.qos,
                retain_as_published: found.retain_as_published,
                identifier: found.identifier,
                since_ms: 0,
                taken: 0,
                last_taken_ms: 0,
            };
            // What a session has left behind may have several of one name.
            session.memberships.put(membership, hashing);
            if let Some(durable) = &mut session.durable {
                durable.memberships.insert(number, record);
            }
            return;
        }
        let subscriber = Subscriber {
            session: slot,
            identifier: found.identifier,
            qos: found.qos,
            no_local: found.no_local,
            retain_as_published: found.retain_as_published,
            since_ms: 0,
            matched_before: 0,
        };
        let known = self.filters.id_of(filter);
        let durable = self.session(slot).and_then(|of| of.durable.as_ref());
        if known.is_some_and(|id| durable.is_some_and(|of| of.subscriptions.contains_key(&id))) {
            // A subscription has one record, which a new one takes the place of in one step.
            return self.journal.release(record);
        }
        self.add_subscription(slot, filter, subscriber);
        let Some(id) = self.filters.id_of(filter) else {
            return;
        };
        if let Some(known) = self.filters.get_mut(id) {
            known.is_told_durable = true;
        }
        if let Some(durable) = self.session_mut(slot).and_then(|of| of.durable.as_mut()) {
            durable.subscriptions.insert(id, record);
        }
    }

    fn restore_group(&mut self, group: &RecoveredGroup) {
        let named = GroupRef {
            filter: Arc::clone(&group.filter),
            name: Arc::clone(&group.name),
        };
        self.add_group(&named, group.owner, true);
        for session in &group.members {
            let member = NewMember {
                session: *session,
                is_online: false,
                room: 0,
                is_durable: true,
            };
            self.add_member(&named, member);
        }
    }

    fn restore_message(&mut self, found: RecoveredMessage, unfinished: &mut Map<u32, Unfinished>) {
        let adopt = |position: Option<u64>, journal: &mut crate::journal::Journal| {
            position.map(|position| journal.adopt(position))
        };
        let record = self.journal.adopt(found.position);
        let settled: Option<RecordId> = adopt(found.settled_position, &mut self.journal);
        let kept = self
            .kept
            .restore(record, found.count, found.settled, settled);
        let message_bytes = found.outline.size_bytes() + found.body_bytes as usize;
        for copy in found.copies {
            let recipient = copy.recipient;
            self.kept.lean_out(kept, &found.outline, found.body_bytes);
            let delivery = Delivery {
                membership: recipient.membership,
                identifiers: Identifiers::from_slice(&recipient.identifiers),
                kept: Some(crate::kept::Kept {
                    message: kept,
                    recipient: copy.place,
                }),
                exchange: adopt(copy.exchange, &mut self.journal),
                ..Delivery::leaning(message_bytes, recipient.qos, recipient.retain)
            };
            self.stats.copies += 1;
            let Some(of) = unfinished.get_mut(&copy.slot) else {
                self.restore_queued(copy.slot, delivery);
                continue;
            };
            let topic = hash_of(&self.hashing, found.outline.topic());
            of.copies.push((topic, recipient.step, delivery));
            of.begun -= usize::from(recipient.step != Step::Queued);
            if of.begun == 0
                && let Some(of) = unfinished.remove(&copy.slot)
            {
                self.restore_begun(copy.slot, of.copies);
            }
        }
    }

    fn restore_queued(&mut self, slot: u32, delivery: Delivery) {
        // What was promised is kept, also if limits are lower now.
        let limits = QueueLimits {
            messages_max: usize::MAX,
            bytes_max: usize::MAX,
            policy: QueuePolicy::DropNewest,
        };
        self.stats.queued_messages += 1;
        self.stats.queued_bytes += delivery.size_bytes() as u64;
        if let Some(session) = self.session_mut(slot) {
            let queue = session.queue.get_or_insert_default();
            queue.push(delivery, limits, drop);
        }
    }

    /// Of a session that has exchanges of QoS 2: its window is as it was, with the messages of QoS 1 that
    /// were sent between them, so that all are sent again in their order (`MQTT-4.6.0-1`).
    fn restore_begun(&mut self, slot: u32, copies: Vec<(u64, Step, Delivery)>) {
        let session = self.session(slot);
        // What was sent was settled when it was left behind.
        let is_rest = session.is_some_and(|of| is_left_behind(&of.client_id));
        let traces = copies.iter().map(|(topic, step, delivery)| match step {
            Step::Sent(id) | Step::Released(id) if !is_rest => Trace::Begun {
                id: *id,
                topic: *topic,
            },
            Step::Queued if !is_rest && delivery.qos != QoS::AtMostOnce => {
                Trace::MayHaveId { topic: *topic }
            }
            Step::Queued | Step::Sent(_) | Step::Released(_) => Trace::Waits,
        });
        let numbers = line_up(&traces.collect::<Vec<_>>());
        let mut sent = Vec::new();
        for ((_, step, delivery), number) in copies.into_iter().zip(numbers) {
            let id = number.and_then(id_of);
            match (number, id) {
                (Some(number), Some(id)) => {
                    let (delivery, step) = self.with_id(slot, id, delivery, step);
                    sent.push((number, id, delivery, step));
                }
                _ => self.restore_queued(slot, delivery),
            }
        }
        sent.sort_by_key(|(number, ..)| *number);
        self.stats.inflight_messages += sent.len() as u64;
        if let Some(session) = self.session_mut(slot) {
            let window = session.window.get_or_insert_default();
            for (_, id, delivery, step) in sent {
                window.restore(id, delivery, step);
            }
        }
    }

    /// How far a delivery with an id has come. One of QoS 2 whose id the store does not know is held back
    /// until it does.
    fn with_id(
        &mut self,
        slot: u32,
        packet_id: PacketId,
        mut delivery: Delivery,
        step: Step,
    ) -> (Delivery, InflightStep) {
        let step = match step {
            Step::Released(_) => InflightStep::Released,
            Step::Queued if delivery.qos == QoS::ExactlyOnce => InflightStep::Held,
            Step::Queued | Step::Sent(_) => InflightStep::Sent,
        };
        if step == InflightStep::Held {
            self.note_id(slot, packet_id, &mut delivery);
        }
        (delivery, step)
    }
}
