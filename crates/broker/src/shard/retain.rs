//! Retained messages: setting, clearing, and sending them for a new subscription.

use std::sync::Arc;

use columba_codec::QoS;

use super::Shard;
use super::exchange::{Also, Then};
use super::note::{NOBODY, Subject};
use super::publish::Publication;
use crate::hash::hash_of;
use crate::journal::RecordId;
use crate::mail::{ExchangeRef, Letter};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::record::{Clock, MessageRecord, Record};
use crate::recorder::Facts;
use crate::retained::{RetainedLimits, is_own};
use crate::routing::share::SessionRef;
use crate::session::queue::{Delivery, Identifiers};
use crate::session::replay::{PAGE_MAX, REMOTE_PAGE_MAX, Replay};
use crate::timer::Timer;
use crate::work::{Find, Steps, Work};

impl Shard {
    /// Stores or clears the retained message of a topic, wherever it is kept.
    pub(super) fn retain(&mut self, publication: &mut Publication<'_>) {
        let owner = self.retained_owner(publication.parts.topic);
        if owner == self.id && publication.parts.payload.is_empty() {
            self.clear_retained(publication.parts.topic);
            return;
        }
        let message = publication.message().clone();
        if owner == self.id {
            return self.on_retain(message);
        }
        // At QoS 0 too the record comes back, although nobody waits for it: what is to be written waits
        // where its publisher is held for that.
        let exchange = if !is_own(publication.parts.topic.as_bytes()) {
            self.expect_answer()
        } else {
            None
        };
        self.post(owner, Letter::Retain { message, exchange });
    }

    /// Returns whether there was a message.
    pub(super) fn clear_retained(&mut self, topic: &str) -> bool {
        // An empty retained message is never stored (MQTT-3.3.1-7).
        let cleared = self.retained.clear(topic);
        if cleared.is_some() {
            self.stats.count(Outcome::RetainedCleared);
        }
        if self.journal.is_on() {
            // Also if it was cleared before: the disk may not know yet.
            if self.journal.clear_topic(topic, cleared.flatten()) {
                self.record_cleared(topic);
            } else {
                self.note_released();
            }
        }
        self.measure_retained();
        cleared.is_some()
    }

    /// Another shard has accepted a message that is retained here.
    pub(super) fn on_retain_of(&mut self, message: Message, exchange: Option<ExchangeRef>) {
        let outer = self.open_keeping(exchange);
        let is_acknowledged = message.head().qos != QoS::AtMostOnce;
        self.on_retain(message);
        if !is_acknowledged {
            self.forget_released();
        }
        self.close_keeping(outer, Also::Nothing, Then::Nothing);
    }

    fn on_retain(&mut self, message: Message) {
        if message.payload().is_empty() {
            self.clear_retained(message.topic());
            return;
        }
        let limits = RetainedLimits {
            messages_max: self.limits.retained_messages_max,
            bytes_max: self.limits.retained_bytes_max,
        };
        if !self
            .retained
            .has_room(message.topic(), message.size_bytes(), limits)
        {
            let outcome = Outcome::PublishRetainQuota;
            let detail = "there is no room for another retained message";
            self.note_lost(NOBODY, Subject::from(&message), outcome, detail);
            return self.stats.count(outcome);
        }
        self.stats.count(Outcome::RetainedSet);
        let record = self.record_retained(&message);
        let kept = message.clone();
        let old = self.retained.set(message, record);
        match (old, record) {
            (Some(old), Some(new)) => self.journal.supersede(kept.topic(), old, new),
            (Some(old), None) => self.journal.release(old),
            (None, _) => {}
        }
        self.measure_retained();
        self.set_retained_timer();
    }

    /// The record of a message that is about to be retained.
    fn record_retained(&mut self, message: &Message) -> Option<RecordId> {
        if !self.journal.is_on() || is_own(message.topic_bytes()) {
            return None;
        }
        let record = self.journal.reserve();
        self.retained_version += 1;
        let fact = Record::Retained {
            version: self.retained_version,
            message: MessageRecord::of(message, Clock::new(self.now)),
        };
        self.draft(record, &fact);
        Some(record)
    }

    /// The record of a topic that was cleared while messages of it are on their way to the disk. It
    /// goes to whoever is to acknowledge the clearing: the shards that write those messages may be
    /// waiting for that one, so it cannot wait for them.
    fn record_cleared(&mut self, topic: &str) {
        let record = self.journal.reserve();
        self.retained_version += 1;
        let version = self.retained_version;
        self.draft(record, &Record::Cleared { version, topic });
        self.journal.outrank(topic, record);
    }

    pub(super) fn measure_retained(&mut self) {
        self.stats.retained_messages = self.retained.len() as u64;
        self.stats.retained_bytes = self.retained.bytes() as u64;
    }

    pub(super) fn set_retained_timer(&mut self) {
        if let Some(at_ms) = self.retained.next_expiry_ms()
            && at_ms < self.retained_timer_ms
        {
            self.retained_timer_ms = at_ms;
            self.timers.set(at_ms, Timer::RetainedExpiry);
        }
    }

    pub(super) fn on_retained_expiry(&mut self) {
        self.retained_timer_ms = u64::MAX;
        self.is_expiring = true;
    }

    fn expire_retained(&mut self) {
        let now_ms = self.now.mono_ms;
        // Steps of their own, so that what expires does not hold up what is asked for.
        let mut steps = Steps::new(self.limits.retained_steps_max);
        let Self {
            now,
            hashing,
            retained,
            journal,
            recorder,
            ..
        } = self;
        let outcome = Outcome::RetainedExpired;
        // Many that expire at once push out nothing else: they share an allowance of their own.
        let nobody = hash_of(hashing, outcome.name());
        let count = retained.expire(now_ms, &mut steps, |topic, record| {
            // One that it took the place of may still be on its way to the disk.
            journal.clear_topic(topic, record);
            let topic_hash = hash_of(hashing, topic);
            let facts = Facts {
                topic,
                ..Facts::default()
            };
            recorder.note_fault(*now, outcome, nobody, topic_hash, &facts);
        });
        self.stats
            .count_many(Outcome::RetainedExpired, count as u64);
        self.measure_retained();
        let next = self.retained.next_expiry_ms();
        self.is_expiring = next.is_some_and(|at_ms| at_ms <= now_ms);
        if !self.is_expiring {
            self.set_retained_timer();
        }
    }

    /// Whether work was put off.
    pub(super) fn has_work(&self) -> bool {
        self.is_expiring
            || !self.work.is_empty()
            || !self.held.is_empty()
            || !self.scans.is_empty()
            || self.has_input_to_go_on()
            || self.has_handings_to_go_on()
            || self.has_moved()
    }

    /// Goes on with work that was put off, session by session and connection by connection, until
    /// the steps are spent.
    pub(super) fn take_turn(&mut self) {
        if self.is_expiring {
            self.expire_retained();
        }
        self.go_on_scanning();
        while !self.steps.is_spent()
            && let Some((session, work)) = self.work.take()
        {
            match work {
                Work::Replay if self.is_here(session) => self.pump(session.slot),
                Work::Replay => {}
                Work::Find(find) => self.on_retained_find(session, find),
            }
        }
        self.go_on_with_moved();
        self.go_on_with_handings();
        self.go_on_with_input();
        while self.matched < self.limits.match_steps_max
            && let Some(id) = self.held.pop_front()
        {
            self.resume_input(id);
        }
    }

    fn is_here(&self, of: SessionRef) -> bool {
        self.session(of.slot)
            .is_some_and(|session| session.me == of)
    }

    /// Another shard asks for a page. It gets what is found with the steps that are left, in one
    /// go: between the look-ups and the answer no topic of the page changes.
    pub(super) fn on_retained_find(&mut self, session: SessionRef, find: Find) {
        if self.steps.is_spent() {
            return self.work.put(session, Work::Find(find));
        }
        let mut page = Vec::new();
        let Find {
            filter,
            after,
            number,
        } = find;
        let steps = &mut self.steps;
        let next = self
            .retained
            .find(&filter, after.as_deref(), REMOTE_PAGE_MAX, steps, &mut page);
        self.follow_retained(&mut page);
        let letter = Letter::RetainedFound {
            session,
            number,
            page,
            next,
        };
        self.post(session.shard, letter);
    }

    pub(super) fn on_retained_found(
        &mut self,
        to: SessionRef,
        number: u32,
        page: Vec<Message>,
        next: Option<Arc<str>>,
    ) {
        let shards = self.shards;
        let Some(session) = self.session_mut(to.slot).filter(|session| session.me == to) else {
            return;
        };
        let replay = session.replays.as_mut().and_then(|of| of.front_mut());
        if let Some(replay) = replay.filter(|replay| replay.number == number) {
            replay.turn_page(page, next, shards);
        }
        // The answer may be for a replay that has ended: the one behind it waited for it.
        self.pump(to.slot);
    }

    /// Sends retained messages for new subscriptions as far as the client takes them and the steps
    /// of this input reach; the work queue brings it back here for the rest.
    pub(super) fn pump_replays(&mut self, slot: u32) {
        // The box is out of the session while it is worked on; an answer of this shard to itself
        // cannot come in between, because pages of this shard are read directly.
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let me = session.me;
        let Some(mut replays) = session.replays.take() else {
            return;
        };
        while let Some(replay) = replays.front_mut() {
            if replay.is_waiting {
                break;
            }
            if self.steps.is_spent() {
                self.work.put(me, Work::Replay);
                break;
            }
            if let Some(message) = replay.page.pop_front() {
                self.steps.spend(0);
                if !self.replay_one(slot, &message, replay.qos, replay.identifier) {
                    replay.page.push_front(message);
                    break;
                }
            } else if replay.is_done() {
                replays.pop_front();
            } else {
                self.next_page(me, replay);
            }
        }
        if !replays.is_empty()
            && let Some(session) = self.session_mut(slot)
        {
            session.replays = Some(replays);
        }
    }

    /// Reads the next page of a replay, or asks the shard that has it.
    fn next_page(&mut self, me: SessionRef, replay: &mut Replay) {
        if replay.shard == self.id {
            let mut page = Vec::new();
            let after = replay.after.as_deref();
            let steps = &mut self.steps;
            let next = self
                .retained
                .find(&replay.filter, after, PAGE_MAX, steps, &mut page);
            self.follow_retained(&mut page);
            return replay.turn_page(page, next, self.shards);
        }
        replay.is_waiting = true;
        let find = Find {
            filter: Arc::clone(&replay.filter),
            after: replay.after.clone(),
            number: replay.number,
        };
        self.post(replay.shard, Letter::RetainedFind { session: me, find });
    }

    /// Retained messages are about to be sent. Those that an earlier process took in get the numbers that
    /// the flight recorder follows them by, once for all their copies.
    fn follow_retained(&mut self, page: &mut [Message]) {
        for message in page {
            let record = match message.head().number {
                0 => self.retained.record(message.topic()),
                _ => None,
            };
            let position = record.and_then(|record| self.journal.position(record));
            if !position.is_some_and(|position| self.retained.is_found(position)) {
                continue;
            }
            let topic_hash = hash_of(&self.hashing, message.topic());
            let number = self
                .recorder
                .follow_found(self.now, message.topic(), topic_hash);
            if number != 0 {
                *message = message.numbered(number);
                self.retained.set(message.clone(), record);
            }
        }
    }

    /// Returns `false` if the client cannot take it now.
    fn replay_one(&mut self, slot: u32, message: &Message, granted: QoS, identifier: u32) -> bool {
        if message.is_expired(self.now.mono_ms) {
            return true;
        }
        let Some(session) = self.session(slot) else {
            return false;
        };
        let Some(id) = session.connection else {
            return false;
        };
        let Some(connection) = self.connection(id) else {
            return false;
        };
        if connection.output_len() >= self.limits.output_bytes_max {
            self.wait_for_output(id);
            return false;
        }
        let qos = message.head().qos.min(granted);
        let window = session.window.as_ref();
        let has_room = window.is_none_or(|window| {
            window.has_room(connection.receive_maximum, self.limits.inflight_bytes_max)
        });
        let has_queue = session.queue.as_ref().is_some_and(|of| !of.is_empty());
        if qos != QoS::AtMostOnce && (!has_room || has_queue) {
            return false;
        }
        self.deliver_kept(slot, delivery_of(message, qos, identifier));
        true
    }

    /// A newer message of a topic is about to be delivered: the retained one that still waits goes
    /// first (`MQTT-4.6.0-5`), or, if it cannot go now and is replaced, not at all.
    pub(super) fn replay_before(&mut self, slot: u32, topic: &str, is_replaced: bool) {
        let takes_at_most_once = self
            .connection_of(slot)
            .is_some_and(|connection| connection.output_len() < self.limits.output_bytes_max);
        let (now_ms, hashing) = (self.now.mono_ms, self.hashing);
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        // Only the first replay has pages.
        let Some(replay) = session.replays.as_mut().and_then(|of| of.front_mut()) else {
            return;
        };
        let position = replay.page.iter().position(|message| {
            let qos = message.head().qos.min(replay.qos);
            message.topic() == topic
                && (is_replaced || qos != QoS::AtMostOnce || takes_at_most_once)
        });
        let message = position.and_then(|position| replay.page.remove(position));
        if is_replaced {
            replay.note_replaced(topic, hashing);
        }
        let (granted, identifier) = (replay.qos, replay.identifier);
        if let Some(message) = message.filter(|message| !message.is_expired(now_ms)) {
            let qos = message.head().qos.min(granted);
            if qos != QoS::AtMostOnce || takes_at_most_once {
                self.deliver_kept(slot, delivery_of(&message, qos, identifier));
            }
        }
    }
}

/// The copy of a retained message for a new subscription.
fn delivery_of(message: &Message, qos: QoS, identifier: u32) -> Delivery {
    let identifiers = match identifier {
        0 => Identifiers::None,
        one => Identifiers::One(one),
    };
    Delivery {
        identifiers,
        ..Delivery::new(message.clone(), qos, true)
    }
}
