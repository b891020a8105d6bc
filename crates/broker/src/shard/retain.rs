//! Retained messages: setting, clearing, and sending them for a new subscription.

use std::sync::Arc;

use columba_codec::QoS;

use super::Shard;
use super::publish::Publication;
use crate::event::ShardId;
use crate::mail::Letter;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::retained::RetainedLimits;
use crate::routing::share::SessionRef;
use crate::session::queue::{Delivery, Identifiers};
use crate::session::replay::PAGE_MAX;
use crate::timer::Timer;

impl Shard {
    /// Stores or clears the retained message of a topic, wherever it is kept.
    pub(super) fn retain(&mut self, publication: &mut Publication<'_>) {
        let owner = self.retained_owner(publication.parts.topic);
        if owner == self.id && publication.parts.payload.is_empty() {
            return self.clear_retained(publication.parts.topic);
        }
        let message = publication.message().clone();
        self.post(owner, Letter::Retain { message });
    }

    fn clear_retained(&mut self, topic: &str) {
        // An empty retained message is never stored (MQTT-3.3.1-7).
        if self.retained.clear(topic) {
            self.stats.count(Outcome::RetainedCleared);
        }
        self.measure_retained();
    }

    pub(super) fn on_retain(&mut self, message: Message) {
        if message.payload().is_empty() {
            return self.clear_retained(message.topic());
        }
        let limits = RetainedLimits {
            messages_max: self.limits.retained_messages_max,
            bytes_max: self.limits.retained_bytes_max,
        };
        if !self
            .retained
            .has_room(message.topic(), message.size_bytes(), limits)
        {
            return self.stats.count(Outcome::PublishRetainQuota);
        }
        self.stats.count(Outcome::RetainedSet);
        self.retained.set(message);
        self.measure_retained();
        self.set_retained_timer();
    }

    fn measure_retained(&mut self) {
        self.stats.retained_messages = self.retained.len() as u64;
        self.stats.retained_bytes = self.retained.bytes() as u64;
    }

    fn set_retained_timer(&mut self) {
        if let Some(at_ms) = self.retained.next_expiry_ms()
            && at_ms < self.retained_timer_ms
        {
            self.retained_timer_ms = at_ms;
            self.timers.set(at_ms, Timer::RetainedExpiry);
        }
    }

    pub(super) fn on_retained_expiry(&mut self) {
        self.retained_timer_ms = u64::MAX;
        let count = self.retained.expire(self.now.mono_ms);
        self.stats
            .count_many(Outcome::RetainedExpired, count as u64);
        self.measure_retained();
        self.set_retained_timer();
    }

    pub(super) fn on_retained_find(
        &mut self,
        from: ShardId,
        filter: &str,
        after: Option<&str>,
        session: SessionRef,
        number: u32,
    ) {
        let mut page = Vec::new();
        let more = self.retained.find(filter, after, PAGE_MAX, &mut page);
        self.post(
            from,
            Letter::RetainedFound {
                session,
                number,
                page,
                more,
            },
        );
    }

    pub(super) fn on_retained_found(
        &mut self,
        to: SessionRef,
        number: u32,
        page: Vec<Message>,
        more: bool,
    ) {
        let shards = self.shards;
        let Some(session) = self.session_mut(to.slot).filter(|session| session.me == to) else {
            return;
        };
        let Some(replays) = &mut session.replays else {
            return;
        };
        if let Some(replay) = replays.0.iter_mut().find(|replay| replay.number == number) {
            replay.turn_page(page, more, shards);
        }
        self.pump(to.slot);
    }

    /// Sends retained messages for new subscriptions as far as the client takes them.
    pub(super) fn pump_replays(&mut self, slot: u32) {
        // The box is out of the session while it is worked on; an answer of this shard to itself
        // cannot come in between, because pages of this shard are read directly.
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let Some(mut replays) = session.replays.take() else {
            return;
        };
        while let Some(replay) = replays.0.front_mut() {
            while let Some(message) = replay.page.pop_front() {
                if !self.replay_one(slot, &message, replay.qos, replay.identifier) {
                    replay.page.push_front(message);
                    break;
                }
            }
            if !replay.page.is_empty() || replay.is_waiting {
                break;
            }
            if replay.is_done() {
                replays.0.pop_front();
                continue;
            }
            if replay.shard == self.id {
                let mut page = Vec::new();
                let after = replay.after.as_deref();
                let more = self
                    .retained
                    .find(&replay.filter, after, PAGE_MAX, &mut page);
                replay.turn_page(page, more, self.shards);
                continue;
            }
            replay.is_waiting = true;
            let Some(me) = self.session(slot).map(|session| session.me) else {
                break;
            };
            let letter = Letter::RetainedFind {
                filter: Arc::clone(&replay.filter),
                after: replay.after.clone(),
                session: me,
                number: replay.number,
            };
            let shard = replay.shard;
            self.post(shard, letter);
        }
        if !replays.0.is_empty()
            && let Some(session) = self.session_mut(slot)
        {
            session.replays = Some(replays);
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
        let Some(connection) = session.connection.and_then(|id| self.connection(id)) else {
            return false;
        };
        let id = connection.id;
        if connection.output_len() >= self.limits.output_bytes_max {
            self.wait_for_output(id);
            return false;
        }
        let qos = message.head().qos.min(granted);
        let window = session.window.as_ref();
        let has_room = window.is_none_or(|window| {
            window.has_room(connection.receive_maximum, self.limits.inflight_bytes_max)
        });
        let has_queue = session.queue.is_some();
        if qos != QoS::AtMostOnce && (!has_room || has_queue) {
            return false;
        }
        self.deliver_kept(slot, delivery_of(message, qos, identifier));
        true
    }

    /// A newer message of a topic is about to be delivered: the retained one that still waits goes
    /// first (`MQTT-4.6.0-5`).
    pub(super) fn replay_before(&mut self, slot: u32, topic: &str, is_replaced: bool) {
        let takes_at_most_once = self
            .connection_of(slot)
            .is_some_and(|connection| connection.output_len() < self.limits.output_bytes_max);
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let mut earlier = Vec::new();
        for replay in session.replays.iter_mut().flat_map(|of| of.0.iter_mut()) {
            let position = replay.page.iter().position(|message| {
                let qos = message.head().qos.min(replay.qos);
                message.topic() == topic && (qos != QoS::AtMostOnce || takes_at_most_once)
            });
            let message = position.and_then(|position| replay.page.remove(position));
            if is_replaced {
                replay.note_replaced(topic);
            }
            earlier.extend(message.map(|message| {
                let qos = message.head().qos.min(replay.qos);
                delivery_of(&message, qos, replay.identifier)
            }));
        }
        let now_ms = self.now.mono_ms;
        for delivery in earlier {
            if !delivery.message.is_expired(now_ms) {
                self.deliver_kept(slot, delivery);
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
        message: message.clone(),
        qos,
        retain: true,
        membership: 0,
        identifiers,
    }
}
