//! What operators do: publish, clear what is retained, end subscriptions, ban.

use std::sync::Arc;

use columba_codec::topic::{TopicFilter, TopicName};
use columba_codec::{QoS, ReasonCode};

use super::Shard;
use super::exchange::{Also, Then};
use super::publish::{Publication, Scope, expires_at_ms, forwarded_properties};
use super::refuse::Refusal;
use crate::ban::BanList;
use crate::hash::hash_of;
use crate::id::ConnectionId;
use crate::message::MessageParts;
use crate::outcome::Outcome;
use crate::query::{Answer, Condition, PAGE_ROWS_MAX, PublishRequest, RequestId};
use crate::recorder::{Facts, flag};
use crate::retained::{RetainedLimits, is_own};
use crate::session::Session;

/// Who publishes for operators: the hash of no client id that is likely.
const OPERATOR: u64 = 0;

impl Shard {
    pub(super) fn on_disconnect_request(
        &mut self,
        id: RequestId,
        client_id: &str,
        end_session: bool,
        operator: &str,
    ) {
        let answer = match self.on_admin_disconnect(client_id, end_session, operator) {
            true => Answer::Done,
            false => Answer::Missing,
        };
        self.tell_when_durable(id, answer);
    }

    pub(super) fn on_unsubscribe_request(
        &mut self,
        id: RequestId,
        client_id: &str,
        filter: &str,
        operator: &str,
    ) {
        let found = self.slot_of(client_id).zip(TopicFilter::parse(filter).ok());
        let Some((slot, parsed)) = found else {
            return self.tell_when_durable(id, Answer::Missing);
        };
        let mut gone = Vec::new();
        if !self.unsubscribe_one(slot, parsed, &mut gone) {
            return self.tell_when_durable(id, Answer::Missing);
        }
        self.forget_replays(slot, &gone);
        self.stats.count(Outcome::UnsubscribeByAdmin);
        let facts = Facts {
            by: operator,
            topic: filter,
            detail: "an operator ended this subscription",
            ..Facts::default()
        };
        self.withhold(slot, Outcome::UnsubscribeByAdmin, facts);
        self.tell_when_durable(id, Answer::Done);
    }

    /// Answers when all that has happened up to now is on the disk. So does the answer that there is
    /// nothing to end: what has ended just now may be there again after a crash until then.
    fn tell_when_durable(&mut self, request: RequestId, answer: Answer) {
        // Nothing will be durable any more; and that nothing is there need not wait for room.
        let is_nothing = matches!(answer, Answer::Missing);
        if self.journal.has_failed() || is_nothing && self.journal.is_full() {
            return self.answer(request, Answer::Busy);
        }
        let then = Then::Tell(Box::new((request, answer)));
        if self.journal.is_on() {
            return self.do_when_durable(then);
        }
        self.do_then(then);
    }

    pub(super) fn on_publish_request(&mut self, request: RequestId, publish: &PublishRequest) {
        if self.is_store_behind() && self.must_request_wait(publish) {
            // As the input of clients waits; whoever asks here may come back.
            return self.answer(request, Answer::Busy);
        }
        if !self.holds(publish.condition, &publish.topic) {
            return self.answer(request, Answer::Changed);
        }
        if let Err(Refusal {
            outcome, detail, ..
        }) = self.check_publish_request(publish)
        {
            self.stats.count(outcome);
            return self.answer(request, Answer::Refused { outcome, detail });
        }
        let mut filtered = std::mem::take(&mut self.scratch.forwarded);
        let properties = publish.properties.as_properties();
        let forwarded = [forwarded_properties(properties, &mut filtered)];
        let topic_hash = hash_of(&self.hashing, &*publish.topic);
        let parts = MessageParts {
            topic: &publish.topic,
            properties: &forwarded,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expires_at_ms: expires_at_ms(publish.expiry_secs, self.now.mono_ms),
            publisher: OPERATOR,
            number: self.recorder.follow(self.now, &publish.topic, topic_hash),
        };
        let mut publication = Publication::new(parts, topic_hash);
        let outer = self.open_keeping(None);
        if publish.retain {
            self.retain(&mut publication);
        }
        let filters = self.route(&mut publication, Scope::Everywhere, None);
        let is_matched = filters > 0;
        self.conclude_publication(
            ("", None),
            (&parts, topic_hash),
            filters,
            (flag::BY_OPERATOR, 0),
        );
        drop(publication);
        self.scratch.forwarded = filtered;
        let answer = Answer::Published { is_matched };
        self.close_keeping(
            outer,
            Also::Nothing,
            Then::Tell(Box::new((request, answer))),
        );
    }

    #[cold]
    fn must_request_wait(&mut self, publish: &PublishRequest) -> bool {
        publish.retain
            || publish.qos != QoS::AtMostOnce
                && (self.has_answers_enough() || self.message_needs_store(&publish.topic))
    }

    fn check_publish_request(&self, publish: &PublishRequest) -> Result<(), Refusal> {
        let refused = |outcome, detail: String| {
            Err(Refusal::new(ReasonCode::TopicNameInvalid, outcome, detail))
        };
        if let Err(fault) = TopicName::parse(&publish.topic) {
            return refused(Outcome::PublishBadTopic, fault.to_string());
        }
        if let Some(fault) = self.topic_fault(&publish.topic) {
            return refused(Outcome::PublishBadTopic, fault);
        }
        let properties_bytes = publish.properties.as_properties().bytes().len();
        let size = publish.topic.len() + properties_bytes + publish.payload.len();
        let most = self.limits.packet_bytes_max as usize;
        if size > most {
            let detail = format!("the message has {size} bytes, and {most} are the limit");
            return refused(Outcome::PublishTooLarge, detail);
        }
        let limits = RetainedLimits {
            messages_max: self.limits.retained_messages_max,
            bytes_max: self.limits.retained_bytes_max,
        };
        let is_kept = publish.retain
            && !publish.payload.is_empty()
            && self.retained_owner(&publish.topic) == self.id;
        if is_kept && !self.retained.has_room(&publish.topic, size, limits) {
            let detail = "there is no room for another retained message".to_owned();
            return refused(Outcome::PublishRetainQuota, detail);
        }
        Ok(())
    }

    /// Whether a topic has retained what it has to.
    fn holds(&self, condition: Condition, topic: &str) -> bool {
        match (condition, self.retained_now(topic)) {
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => {
                true
            }
            (Condition::Tag(tag), Some(message)) => self.tag_of(&message) == tag,
            (Condition::Absent, Some(_)) | (Condition::Present | Condition::Tag(_), None) => false,
        }
    }

    pub(super) fn on_clear_request(
        &mut self,
        request: RequestId,
        topic: &str,
        condition: Condition,
        operator: &str,
    ) {
        if self.retained_now(topic).is_none() {
            return self.tell_when_durable(request, Answer::Missing);
        }
        if !self.holds(condition, topic) {
            return self.answer(request, Answer::Changed);
        }
        let outer = self.open_keeping(None);
        self.note_cleared_by_operator(topic, operator);
        self.clear_retained(topic);
        let answer = Answer::Done;
        self.close_keeping(
            outer,
            Also::Nothing,
            Then::Tell(Box::new((request, answer))),
        );
    }

    pub(super) fn on_clear_all_request(
        &mut self,
        request: RequestId,
        filter: &str,
        after: Option<&str>,
        operator: &str,
    ) {
        let mut found = Vec::new();
        let Self {
            retained, steps, ..
        } = self;
        let next = retained.find(filter, after, PAGE_ROWS_MAX, steps, &mut found);
        let outer = self.open_keeping(None);
        let mut count = 0;
        // What the broker says of itself is not an operator's to clear: it would not come back.
        for message in found.iter().filter(|of| !is_own(of.topic_bytes())) {
            self.note_cleared_by_operator(message.topic(), operator);
            count += usize::from(self.clear_retained(message.topic()));
        }
        let answer = Answer::Cleared { count, next };
        self.close_keeping(
            outer,
            Also::Nothing,
            Then::Tell(Box::new((request, answer))),
        );
    }

    /// Uses another list of bans, and lets go of those who have come onto it.
    pub(super) fn on_set_bans(&mut self, bans: Arc<BanList>) {
        let new = bans.newer_than(&self.bans);
        self.bans = bans;
        let mut banned: Vec<(ConnectionId, String)> = new
            .clients()
            .filter_map(|id| {
                let (_, ban) = self.bans.find(id, None, None, self.now.unix_ms)?;
                Some((self.session(self.slot_of(id)?)?.connection?, ban.by.clone()))
            })
            .collect();
        if !new.has_clients_only() {
            let now_ms = self.now.unix_ms;
            let found = |session: &Session| {
                let user = session.identity.user.as_deref();
                let (_, ban) = new.find(&session.client_id, user, session.addr, now_ms)?;
                Some((session.connection?, ban.by.clone()))
            };
            banned.extend(self.sessions.iter().filter_map(|(_, of)| found(of)));
        }
        for (id, operator) in banned {
            self.close_by_operator(id, "banned by an operator", &operator);
        }
        self.refuse_banned_rivals();
    }

    /// Whether a ban keeps somebody out.
    pub(super) fn check_ban(
        &self,
        id: ConnectionId,
        client_id: &str,
        user: Option<&str>,
    ) -> Result<(), Refusal> {
        let addr = self.connection(id).and_then(|of| of.peer.addr);
        let addr = addr.map(|addr| addr.ip());
        let Some((what, ban)) = self.bans.find(client_id, user, addr, self.now.unix_ms) else {
            return Ok(());
        };
        let mut detail = format!("{what} is banned");
        if !ban.reason.is_empty() {
            detail = format!("{detail}: {}", ban.reason);
        }
        let refusal = Refusal::new(ReasonCode::Banned, Outcome::ConnectBanned, detail);
        Err(refusal.by(&ban.by))
    }
}
