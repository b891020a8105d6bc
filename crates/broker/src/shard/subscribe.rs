//! SUBSCRIBE and UNSUBSCRIBE.

use std::sync::Arc;

use columba_codec::packet::{RetainHandling, SubAck, Subscribe, SubscribeOptions, Unsubscribe};
use columba_codec::{Packet, PacketId, PropertiesBuf, PropertyId, QoS, ReasonCode, TopicFilter};

use super::Shard;
use super::exchange::Then;
use super::refuse::Refusal;
use crate::access::Action;
use crate::hash::Map;
use crate::id::ConnectionId;
use crate::mail::{GroupRef, Letter, NewMember, Ticket};
use crate::outcome::Outcome;
use crate::recorder::{Facts, flag};
use crate::routing::share::SessionRef;
use crate::routing::{FilterId, Subscriber};
use crate::session::replay::{Replay, Replays};
use crate::session::{Membership, Unanswered};

/// A subscription as it was granted.
#[derive(Clone, Copy)]
struct Granted {
    options: SubscribeOptions,
    is_new: bool,
}

/// A SUBSCRIBE whose SUBACK waits until every shard knows of the subscriptions: from the SUBACK
/// on, no message accepted anywhere may miss them.
#[derive(Debug)]
pub(super) struct WaitingSubscribe {
    conn: ConnectionId,
    session: SessionRef,
    packet_id: PacketId,
    codes: Vec<u8>,
    /// Why the first refused filter was refused.
    detail: Option<String>,
    replays: Vec<Replay>,
    /// Answers to come.
    waiting: usize,
}

impl Shard {
    pub(super) fn on_subscribe(&mut self, id: ConnectionId, slot: u32, subscribe: &Subscribe<'_>) {
        if subscribe.filters.iter().count() > self.limits.subscriptions_max {
            return self.close_for_filters(id, Outcome::SubscribeQuota);
        }
        let breaks_rule = |(text, options): (&str, SubscribeOptions)| {
            options.no_local && text.starts_with("$share/")
        };
        if subscribe.filters.iter().any(breaks_rule) {
            // MQTT-3.8.3-4
            return self.close(
                id,
                Outcome::DisconnectProtocol,
                ReasonCode::ProtocolError,
                "a shared subscription cannot be No Local",
            );
        }
        let identifier = subscribe
            .properties
            .u32(PropertyId::SubscriptionIdentifier)
            .unwrap_or(0);
        let number = self.new_number();
        let hashing = self.hashing;
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let unanswered = session.unanswered.get_or_insert_with(|| {
            Box::new(Unanswered {
                count: 0,
                ended: Map::with_hasher(hashing),
            })
        });
        unanswered.count += 1;
        let waiting = WaitingSubscribe {
            conn: id,
            session: session.me,
            packet_id: subscribe.packet_id,
            codes: Vec::new(),
            detail: None,
            replays: Vec::new(),
            waiting: 1,
        };
        self.waiting_subscribes.insert(number, waiting);
        for (text, options) in subscribe.filters.iter() {
            let granted = self.subscribe_one(id, slot, text, options, identifier, number);
            let code = match granted {
                Ok(granted) => {
                    self.stats.count(Outcome::SubscribeGranted);
                    self.note_granted(slot, text, granted, identifier);
                    granted.options.qos.as_u8()
                }
                Err(refused) => {
                    self.stats.count(refused.outcome);
                    let facts = Facts {
                        topic: text,
                        detail: &refused.detail,
                        qos: Some(options.qos),
                        ..Facts::default()
                    };
                    self.withhold(slot, refused.outcome, facts);
                    let detail = format!("{text}: {}", refused.detail);
                    if let Some(waiting) = self.waiting_subscribes.get_mut(&number) {
                        waiting.detail.get_or_insert(detail);
                    }
                    refused.reason as u8
                }
            };
            if let Some(waiting) = self.waiting_subscribes.get_mut(&number) {
                waiting.codes.push(code);
            }
        }
        if self.durable_number(slot).is_some() && self.is_promised(id) {
            self.expect_answers(number, 1);
            self.do_when_durable(Then::Applied { conn: id, number });
        }
        self.on_applied(number);
    }

    fn note_granted(&mut self, slot: u32, text: &str, granted: Granted, identifier: u32) {
        let Granted { options, is_new } = granted;
        let mut flags = 0;
        for (is_set, bit) in [
            (options.no_local, flag::NO_LOCAL),
            (options.retain_as_published, flag::RETAIN),
            (!is_new, flag::EXISTED),
        ] {
            flags |= if is_set { bit } else { 0 };
        }
        flags |= match options.retain_handling {
            RetainHandling::Send => 0,
            RetainHandling::SendIfNew => flag::RETAINED_IF_NEW,
            RetainHandling::DoNotSend => flag::RETAINED_NEVER,
        };
        let facts = Facts {
            topic: text,
            qos: Some(options.qos),
            flags,
            count: u64::from(identifier),
            ..Facts::default()
        };
        self.note_session(slot, Outcome::SubscribeGranted, facts);
    }

    /// A packet with more filters than a client may have subscriptions: work without end.
    fn close_for_filters(&mut self, id: ConnectionId, outcome: Outcome) {
        self.stats.count(outcome);
        let most = self.limits.subscriptions_max;
        let detail = format!("more than {most} filters in one packet");
        let reason = ReasonCode::QuotaExceeded;
        self.close(id, Outcome::DisconnectProtocol, reason, &detail);
    }

    /// One shard, or this one itself, is done with a SUBSCRIBE.
    pub(super) fn on_applied(&mut self, number: u64) {
        let Some(waiting) = self.waiting_subscribes.get_mut(&number) else {
            return;
        };
        waiting.waiting -= 1;
        if waiting.waiting > 0 {
            return;
        }
        let Some(mut waiting) = self.waiting_subscribes.remove(&number) else {
            return;
        };
        let slot = waiting.session.slot;
        let Some(session) = self
            .session_mut(slot)
            .filter(|session| session.me == waiting.session)
        else {
            return;
        };
        if let Some(unanswered) = &mut session.unanswered {
            let ended = &unanswered.ended;
            waiting
                .replays
                .retain(|replay| ended.get(&*replay.filter).is_none_or(|end| *end < number));
            unanswered.count -= 1;
            if unanswered.count == 0 {
                session.unanswered = None;
            }
        }
        if session.connection != Some(waiting.conn) {
            return;
        }
        let mut properties = PropertiesBuf::new();
        if let Some(detail) = &waiting.detail {
            self.put_reason_string(waiting.conn, &mut properties, detail);
        }
        let packet = Packet::SubAck(SubAck {
            packet_id: waiting.packet_id,
            properties: properties.as_properties(),
            codes: &waiting.codes,
        });
        self.write_packet(waiting.conn, &packet);
        self.begin_replays(slot, waiting.replays);
        self.pump(slot);
    }

    /// Queues retained messages for new subscriptions. What an older subscription to the same
    /// filter has not got yet comes with them, so a client has at most one replay a filter.
    fn begin_replays(&mut self, slot: u32, replays: Vec<Replay>) {
        if replays.is_empty() {
            return;
        }
        let hashing = self.hashing;
        if let Some(session) = self.session_mut(slot) {
            let of = session
                .replays
                .get_or_insert_with(|| Box::new(Replays::new(hashing)));
            for replay in replays {
                of.push(replay);
            }
        }
    }

    /// Sends no more retained messages for subscriptions that are gone. What is on its way from
    /// another shard finds nobody and is dropped.
    pub(super) fn forget_replays(&mut self, slot: u32, filters: &[Arc<str>]) {
        if filters.is_empty() {
            return;
        }
        let last_number = self.next_number;
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        if let Some(replays) = &mut session.replays {
            for filter in filters {
                replays.remove(filter);
            }
            if replays.is_empty() {
                session.replays = None;
            }
        }
        if let Some(unanswered) = &mut session.unanswered {
            let ended = filters
                .iter()
                .map(|filter| (Arc::clone(filter), last_number));
            unanswered.ended.extend(ended);
        }
    }

    /// Adds answers to wait for.
    fn expect_answers(&mut self, number: u64, count: usize) {
        if let Some(waiting) = self.waiting_subscribes.get_mut(&number) {
            waiting.waiting += count;
        }
    }

    fn subscribe_one(
        &mut self,
        id: ConnectionId,
        slot: u32,
        text: &str,
        mut options: SubscribeOptions,
        identifier: u32,
        number: u64,
    ) -> Result<Granted, Refusal> {
        let filter = self.check_filter(slot, text)?;
        if self
            .connection(id)
            .is_some_and(|connection| connection.is_bridge)
        {
            // What the bridge flag of MQTT 3 stands for.
            options.no_local = filter.share().is_none();
            options.retain_as_published = true;
        }
        let is_new = match filter.share() {
            Some(name) => self.join(slot, filter.filter(), name, options, identifier, number),
            None => self.subscribe_here(slot, filter.filter(), options, identifier, number),
        }?;
        Ok(Granted { options, is_new })
    }

    fn check_filter<'a>(&mut self, slot: u32, text: &'a str) -> Result<TopicFilter<'a>, Refusal> {
        let filter = TopicFilter::parse(text).map_err(|fault| {
            Refusal::new(
                ReasonCode::TopicFilterInvalid,
                Outcome::SubscribeBadFilter,
                fault.to_string(),
            )
        })?;
        let levels_max = self.limits.topic_levels_max;
        if filter.filter().split('/').count() > levels_max {
            return Err(Refusal::new(
                ReasonCode::TopicFilterInvalid,
                Outcome::SubscribeBadFilter,
                format!("the filter has more than {levels_max} levels"),
            ));
        }
        let decision = self.judge(slot, Action::Subscribe, filter.filter());
        if !decision.is_allowed {
            return Err(Refusal::new(
                ReasonCode::NotAuthorized,
                Outcome::SubscribeDeniedAcl,
                self.explain(decision),
            ));
        }
        Ok(filter)
    }

    /// Whether a client may have another subscription, whose filter and share name are so long.
    fn check_quota(&self, slot: u32, text_bytes: usize) -> Result<(), Refusal> {
        let Some(session) = self.session(slot) else {
            return Ok(());
        };
        let count = session.subscription_count();
        if count >= self.limits.subscriptions_max {
            return Err(Refusal::new(
                ReasonCode::QuotaExceeded,
                Outcome::SubscribeQuota,
                format!("the client has its limit of {count} subscriptions"),
            ));
        }
        let bytes = session.subscription_bytes as usize;
        let most = self.limits.subscription_bytes_max;
        if bytes + text_bytes > most {
            return Err(Refusal::new(
                ReasonCode::QuotaExceeded,
                Outcome::SubscribeBytesQuota,
                format!("the client's filters have {bytes} bytes, and {most} are its limit"),
            ));
        }
        Ok(())
    }

    /// Counts the text of a new subscription.
    pub(super) fn grow_subscriptions(&mut self, slot: u32, text_bytes: usize) {
        if let Some(session) = self.session_mut(slot) {
            session.subscription_bytes += text_bytes as u32;
            self.stats.subscription_bytes += text_bytes as u64;
        }
    }

    /// Counts the text of a subscription that is gone, while its session is there.
    pub(super) fn shrink_subscriptions(&mut self, slot: u32, text_bytes: usize) {
        if let Some(session) = self.session_mut(slot) {
            session.subscription_bytes -= text_bytes as u32;
            self.stats.subscription_bytes -= text_bytes as u64;
        }
    }

    /// Adds or replaces a subscription (`MQTT-3.8.4-3`); returns whether it is new.
    fn subscribe_here(
        &mut self,
        slot: u32,
        filter: &str,
        options: SubscribeOptions,
        identifier: u32,
        number: u64,
    ) -> Result<bool, Refusal> {
        let subscriber = Subscriber {
            session: slot,
            identifier,
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            since_ms: self.now.mono_ms,
            matched_before: 0,
        };
        let old = self.filters.id_of(filter).and_then(|filter_id| {
            let subscriptions = self.session(slot)?.subscriptions.as_ref()?;
            subscriptions
                .get(&filter_id)
                .map(|position| (filter_id, *position))
        });
        let is_new = old.is_none();
        let is_first = match old {
            Some((filter_id, position)) => {
                self.filters.replace(filter_id, position, subscriber);
                false
            }
            None => {
                self.check_quota(slot, filter.len())?;
                self.add_subscription(slot, filter, subscriber)
            }
        };
        let is_durable = self.durable_number(slot).is_some();
        let mut is_news = is_first;
        if let Some(filter_id) = self.filters.id_of(filter) {
            self.save_subscription(slot, filter_id, subscriber);
            if let Some(known) = self.filters.get_mut(filter_id).filter(|_| is_durable) {
                is_news |= !std::mem::replace(&mut known.is_told_durable, true);
            }
        }
        // While another SUBSCRIBE waits, the others may not know of this filter yet either.
        if is_news || self.waiting_subscribes.len() > 1 {
            self.announce(filter, number, is_durable);
        }
        let wants_retained = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained {
            let replay = self.new_replay(filter, options.qos, identifier);
            if let Some(waiting) = self.waiting_subscribes.get_mut(&number) {
                waiting.replays.push(replay);
            }
        }
        Ok(is_new)
    }

    /// Returns whether this shard has no other subscriber of the filter.
    pub(super) fn add_subscription(
        &mut self,
        slot: u32,
        filter: &str,
        subscriber: Subscriber,
    ) -> bool {
        let added = self.filters.add(filter, subscriber);
        let hashing = self.hashing;
        if let Some(session) = self.session_mut(slot) {
            let subscriptions = session
                .subscriptions
                .get_or_insert_with(|| Box::new(Map::with_hasher(hashing)));
            subscriptions.insert(added.id, added.position);
        }
        self.stats.subscriptions += 1;
        self.grow_subscriptions(slot, filter.len());
        added.is_first
    }

    /// Tells the other shards that there are subscribers of a filter here; SUBACK waits for their
    /// answers.
    fn announce(&mut self, filter: &str, number: u64, is_durable: bool) {
        if self.shards == 1 {
            return;
        }
        let filter: Arc<str> = filter.into();
        self.expect_answers(number, usize::from(self.shards) - 1);
        for shard in self.others() {
            let ticket = Some(Ticket {
                shard: self.id,
                number,
            });
            let filter = Arc::clone(&filter);
            self.post(
                shard,
                Letter::Interest {
                    filter,
                    is_interested: true,
                    is_durable,
                    ticket,
                },
            );
        }
    }

    fn new_replay(&mut self, filter: &str, qos: QoS, identifier: u32) -> Replay {
        let is_exact = !columba_codec::topic::has_wildcard(filter);
        let (shard, shards) = if is_exact {
            (self.retained_owner(filter), 1)
        } else {
            (self.id, self.shards)
        };
        Replay {
            number: self.new_number() as u32,
            filter: filter.into(),
            qos,
            identifier,
            shard,
            shards_left: shards,
            after: None,
            is_waiting: false,
            page: std::collections::VecDeque::new(),
            replaced: None,
        }
    }

    /// Joins a shared group, or changes the options of a member; returns whether it is new.
    fn join(
        &mut self,
        slot: u32,
        filter: &str,
        name: &str,
        options: SubscribeOptions,
        identifier: u32,
        number: u64,
    ) -> Result<bool, Refusal> {
        let owner = self.group_owner(filter, name);
        let Some(session) = self.session(slot) else {
            return Ok(false);
        };
        let is_new = session.memberships.named(filter, name).is_none();
        if is_new {
            self.check_quota(slot, filter.len() + name.len())?;
        }
        let membership_number = self.new_number() as u32;
        let hashing = self.hashing;
        let now_ms = self.now.mono_ms;
        let room = u32::from(
            self.connection_of(slot)
                .map_or(1, |connection| connection.receive_maximum),
        );
        let Some(session) = self.session_mut(slot) else {
            return Ok(false);
        };
        if let Some(membership) = session.memberships.named_mut(filter, name) {
            membership.qos = options.qos;
            membership.retain_as_published = options.retain_as_published;
            membership.identifier = identifier;
            membership.since_ms = now_ms;
        } else {
            let membership = Membership {
                number: membership_number,
                filter: filter.into(),
                group: name.into(),
                owner,
                qos: options.qos,
                retain_as_published: options.retain_as_published,
                identifier,
                since_ms: now_ms,
                taken: 0,
                last_taken_ms: 0,
            };
            session.memberships.put(membership, hashing);
        }
        let member = NewMember {
            session: session.me,
            is_online: true,
            room,
            is_durable: session.durable.is_some(),
        };
        self.save_membership(slot, filter, name);
        if is_new {
            self.stats.subscriptions += 1;
            self.stats.shared_subscriptions += 1;
            self.grow_subscriptions(slot, filter.len() + name.len());
        }
        let group = GroupRef {
            filter: filter.into(),
            name: name.into(),
        };
        let ticket = Ticket {
            shard: self.id,
            number,
        };
        self.expect_answers(number, usize::from(self.shards));
        self.post(
            owner,
            Letter::Join {
                group,
                member,
                ticket,
            },
        );
        Ok(is_new)
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        id: ConnectionId,
        slot: u32,
        unsubscribe: &Unsubscribe<'_>,
    ) {
        if unsubscribe.filters.iter().count() > self.limits.subscriptions_max {
            return self.close_for_filters(id, Outcome::UnsubscribeQuota);
        }
        let mut codes = Vec::new();
        let mut gone = Vec::new();
        for text in unsubscribe.filters.iter() {
            let code = match TopicFilter::parse(text) {
                Err(_) => ReasonCode::TopicFilterInvalid,
                Ok(filter) if self.unsubscribe_one(slot, filter, &mut gone) => {
                    self.stats.count(Outcome::UnsubscribeDone);
                    let facts = Facts {
                        topic: text,
                        ..Facts::default()
                    };
                    self.note_session(slot, Outcome::UnsubscribeDone, facts);
                    ReasonCode::Success
                }
                Ok(_) => {
                    self.stats.count(Outcome::UnsubscribeUnknown);
                    ReasonCode::NoSubscriptionExisted
                }
            };
            codes.push(code as u8);
        }
        self.forget_replays(slot, &gone);
        let then = Then::UnsubAck {
            conn: id,
            packet_id: unsubscribe.packet_id,
            codes,
        };
        if self.durable_number(slot).is_some() {
            return self.do_when_durable(then);
        }
        self.do_then(then);
    }

    /// Returns whether there was such a subscription (`MQTT-3.10.4-1`); notes its filter if
    /// retained messages may be on their way for it.
    pub(super) fn unsubscribe_one(
        &mut self,
        slot: u32,
        filter: TopicFilter<'_>,
        gone: &mut Vec<Arc<str>>,
    ) -> bool {
        let text = filter.filter();
        if let Some(name) = filter.share() {
            let Some(session) = self.session_mut(slot) else {
                return false;
            };
            let number = session.memberships.named(text, name).map(|of| of.number);
            let Some(membership) = number.and_then(|number| session.memberships.remove(number))
            else {
                return false;
            };
            self.leave(slot, membership);
            return true;
        }
        let Some(filter_id) = self.filters.id_of(text) else {
            return false;
        };
        let Some(session) = self.session_mut(slot) else {
            return false;
        };
        let Some(subscriptions) = &mut session.subscriptions else {
            return false;
        };
        let Some(position) = subscriptions.remove(&filter_id) else {
            return false;
        };
        if subscriptions.is_empty() {
            session.subscriptions = None;
        }
        if let Some(filter) = self.filters.get(filter_id) {
            gone.push(Arc::clone(&filter.text));
        }
        self.shrink_subscriptions(slot, text.len());
        self.forget_subscription(slot, filter_id);
        self.remove_subscription(filter_id, position);
        true
    }

    /// Takes a subscriber out of a filter's list, and tells whoever has to know.
    pub(super) fn remove_subscription(&mut self, filter_id: FilterId, position: u32) {
        self.stats.subscriptions -= 1;
        let removed = self.filters.remove(filter_id, position);
        if let Some(moved) = removed.moved_session
            && let Some(session) = self.session_mut(moved)
            && let Some(subscriptions) = &mut session.subscriptions
        {
            subscriptions.insert(filter_id, position);
        }
        if !removed.is_last {
            return;
        }
        let text = self
            .filters
            .get(filter_id)
            .map(|filter| Arc::clone(&filter.text));
        if let Some(text) = text {
            for shard in self.others() {
                let filter = Arc::clone(&text);
                let letter = Letter::Interest {
                    filter,
                    is_interested: false,
                    is_durable: false,
                    ticket: None,
                };
                self.post(shard, letter);
            }
        }
        self.filters.forget_if_unused(filter_id);
    }
}
