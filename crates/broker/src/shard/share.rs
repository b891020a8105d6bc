//! Shared subscriptions (section 4.8.2): the owner of a group chooses, the member's home delivers.

use std::sync::Arc;

use columba_codec::QoS;

use super::Shard;
use super::exchange::{Also, Then};
use super::faults::Whose;
use super::handing::Handed;
use super::note::Subject;
use crate::access::Action;
use crate::event::ReportEvent;
use crate::hash::{Map, hash_of, shard_of};
use crate::id::ShardId;
use crate::indexed::Indexed;
use crate::mail::{ExchangeRef, GroupRef, Letter, NewMember, Ticket};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::routing::FilterTable;
use crate::routing::share::{Choice, Group, Member, SessionRef};
use crate::session::queue::{Delivery, Identifiers};
use crate::session::{Membership, Memberships};

/// Members that are asked for one message at most, when the access rules do not let them have it.
const REFUSED_MAX: usize = 64;

impl Shard {
    /// The shard that owns a group.
    pub(super) fn group_owner(&self, filter: &str, name: &str) -> ShardId {
        if self.shards == 1 {
            return self.id;
        }
        shard_of(hash_of(&self.hashing, &(filter, name)), self.shards)
    }

    fn group_mut(&mut self, group: &GroupRef) -> Option<&mut Group> {
        group_in(&mut self.filters, group)
    }

    /// A session joins a group that this shard owns. All shards learn of the group, and answer to
    /// whoever waits for it.
    pub(super) fn on_join(&mut self, group: &GroupRef, new: NewMember, ticket: Ticket) {
        let is_durable = self.add_group(group, self.id, new.is_durable);
        self.add_member(group, new);
        for shard in self.others() {
            let letter = Letter::Group {
                group: group.clone(),
                exists: true,
                is_durable,
                ticket: Some(ticket),
            };
            self.post(shard, letter);
        }
        self.post(
            ticket.shard,
            Letter::Applied {
                number: ticket.number,
            },
        );
    }

    /// Adds a member to a group that this shard owns, if it is not in it.
    pub(super) fn add_member(&mut self, group: &GroupRef, new: NewMember) {
        let NewMember {
            session,
            is_online,
            room,
            is_durable,
        } = new;
        let hashing = self.hashing;
        let Self {
            filters, members, ..
        } = self;
        if let Some(known) = group_in(filters, group)
            && known.members.find(&session).is_none()
        {
            let member = Member {
                session,
                place: members.join(session),
                outstanding: 0,
                is_durable,
            };
            known.members.put(member, hashing);
        }
        members.tell(session, is_online, room);
    }

    /// Adds a group, or notes that what it gets may have to be stored. Returns whether it may.
    pub(super) fn add_group(&mut self, group: &GroupRef, owner: ShardId, is_durable: bool) -> bool {
        let hashing = self.hashing;
        let id = self.filters.id_or_new(&group.filter);
        let Some(filter) = self.filters.get_mut(id) else {
            return is_durable;
        };
        if let Some(known) = filter.groups.find_mut(&group.name) {
            known.is_durable |= is_durable;
            return known.is_durable;
        }
        let name = Arc::clone(&group.name);
        let group = Group {
            name,
            owner,
            is_durable,
            members: Indexed::default(),
            turn: 0,
        };
        filter.groups.put(group, hashing);
        is_durable
    }

    /// The owner of a group tells that it exists, or no longer does.
    pub(super) fn on_group(
        &mut self,
        from: ShardId,
        group: &GroupRef,
        (exists, is_durable): (bool, bool),
        ticket: Option<Ticket>,
    ) {
        if exists {
            self.add_group(group, from, is_durable);
        } else {
            self.forget_group(group);
        }
        if let Some(ticket) = ticket {
            self.post(
                ticket.shard,
                Letter::Applied {
                    number: ticket.number,
                },
            );
        }
    }

    fn forget_group(&mut self, group: &GroupRef) {
        let Some(id) = self.filters.id_of(&group.filter) else {
            return;
        };
        if let Some(filter) = self.filters.get_mut(id) {
            filter.groups.remove(&group.name);
        }
        self.filters.forget_if_unused(id);
    }

    pub(super) fn on_leave(&mut self, group: &GroupRef, session: SessionRef) {
        let Self {
            filters, members, ..
        } = self;
        let Some(known) = group_in(filters, group) else {
            return;
        };
        if let Some(member) = known.members.remove(&session) {
            members.leave(&member);
        }
        if !known.members.is_empty() {
            return;
        }
        self.forget_group(group);
        for shard in self.others() {
            let letter = Letter::Group {
                group: group.clone(),
                exists: false,
                is_durable: false,
                ticket: None,
            };
            self.post(shard, letter);
        }
    }

    /// A message for a group that this shard owns: some member gets it.
    pub(super) fn on_share(
        &mut self,
        group: &GroupRef,
        message: &Message,
        not: Option<SessionRef>,
        exchange: Option<ExchangeRef>,
    ) {
        self.assign(group, message, not, Vec::new(), exchange);
    }

    /// The last of these members may not receive a message: another one gets it.
    pub(super) fn on_refused(
        &mut self,
        group: &GroupRef,
        message: &Message,
        refused: Vec<SessionRef>,
        exchange: Option<ExchangeRef>,
    ) {
        if let Some(last) = refused.last() {
            self.on_settled(group, *last);
        }
        self.assign(group, message, None, refused, exchange);
    }

    fn assign(
        &mut self,
        group: &GroupRef,
        message: &Message,
        not: Option<SessionRef>,
        mut refused: Vec<SessionRef>,
        exchange: Option<ExchangeRef>,
    ) {
        // Accepted by another shard before it had heard of a member that lasts. A copy at QoS 2 would not
        // be written in one step with the packet id of the publisher: see `is_before_subscription`.
        let is_unstored = message.head().qos == QoS::ExactlyOnce
            && exchange.is_none()
            && not.is_none()
            && !self.is_keeping();
        while refused.len() < REFUSED_MAX
            && let Some(session) = self.choose_member(group, message, (not, is_unstored), &refused)
        {
            // Whether a member of another shard may have it, only that shard knows.
            if session.shard == self.id && !self.may_receive_shared(session, message.topic()) {
                self.on_settled(group, session);
                refused.push(session);
                continue;
            }
            // In an exchange that begins here, one more shard has a part, if any member may have it
            // stored: one that may not have the message has another one get it.
            let keeps = session.shard != self.id
                && message.head().qos != QoS::AtMostOnce
                && group_in(&mut self.filters, group).is_some_and(|known| known.is_durable);
            let exchange = match exchange {
                None if keeps => self.expect_answer(),
                known => known,
            };
            let letter = Letter::Assign {
                group: group.clone(),
                message: message.clone(),
                session,
                refused,
                exchange,
            };
            return self.post(session.shard, letter);
        }
        self.answer_nothing(exchange);
        self.stats.copies += 1;
        self.lose_shared(group, message, refused.len());
    }

    /// No member is left that may have a message; so many were asked.
    fn lose_shared(&mut self, group: &GroupRef, message: &Message, asked: usize) {
        let outcome = match asked {
            // The last member left while the message was on its way.
            0 => Outcome::DeliverNoSharedMember,
            _ => Outcome::DeliverDeniedRead,
        };
        self.stats.count(outcome);
        let may_report = asked > 0 && self.may_report(Whose::NOBODY);
        let subject = Subject::from(message);
        // Clients name groups: all of them share the allowance of nobody in particular.
        let whose = (&group.name, &group.filter, subject.topic);
        let place = hash_of(&self.hashing, &whose);
        let is_counted = self.count_lost_by_group(place, outcome);
        if is_counted && !may_report && !subject.is_followed() {
            return;
        }
        let (name, filter) = (&group.name, &group.filter);
        let detail = match asked {
            0 => format!("$share/{name}/{filter} has no member"),
            _ => {
                format!("$share/{name}/{filter} has no member that may receive it ({asked} asked)")
            }
        };
        self.note_lost_by_group((place, is_counted), subject, outcome, &detail);
        if may_report {
            let topic = message.topic().to_owned();
            let event = ReportEvent::Withheld {
                outcome,
                topic,
                detail,
            };
            self.report(None, None, event);
        }
    }

    /// Chooses a member, and counts the message as given to it.
    fn choose_member(
        &mut self,
        group: &GroupRef,
        message: &Message,
        (not, is_unstored): (Option<SessionRef>, bool),
        refused: &[SessionRef],
    ) -> Option<SessionRef> {
        let mut chance = self.chance.clone();
        let Self {
            filters,
            members,
            hashing,
            ..
        } = self;
        let choice = Choice {
            strategy: self.limits.share_strategy,
            members,
            publisher: message.head().publisher,
            not,
            is_unstored,
            refused,
            hashing,
        };
        let chosen = group_in(filters, group).and_then(|known| {
            let position = known.choose(choice, &mut chance)?;
            let session = known.members.get(position)?.session;
            known.members.find_mut(&session)?.outstanding += 1;
            Some(session)
        });
        self.chance = chance;
        chosen
    }

    /// Whether the access rules let a session of this shard receive what its group gets. One that
    /// is gone is another case.
    fn may_receive_shared(&mut self, session: SessionRef, topic: &str) -> bool {
        if !self.access.has_receive_rules()
            || self
                .session(session.slot)
                .is_none_or(|found| found.me != session)
        {
            return true;
        }
        let decision = self.decide(session.slot, Action::Receive, topic);
        // What is allowed is asked for once more when it is delivered, and counted then.
        if !decision.is_allowed {
            self.count_decision(Action::Receive, decision);
        }
        decision.is_allowed
    }

    /// A message for a member that lives here.
    pub(super) fn on_assign(
        &mut self,
        group: &GroupRef,
        message: Message,
        to: SessionRef,
        mut refused: Vec<SessionRef>,
        exchange: Option<ExchangeRef>,
    ) {
        if !self.may_receive_shared(to, message.topic()) {
            let owner = self.group_owner(&group.filter, &group.name);
            refused.push(to);
            let letter = Letter::Refused {
                group: group.clone(),
                message,
                refused,
                exchange,
            };
            return self.post(owner, letter);
        }
        let now_ms = self.now.mono_ms;
        let session = self.session_mut(to.slot).filter(|of| of.me == to);
        let membership =
            session.and_then(|of| of.memberships.named_mut(&group.filter, &group.name));
        let Some(membership) = membership else {
            // It left while the message was on its way: somebody else's turn.
            let group = group.clone();
            let owner = self.group_owner(&group.filter, &group.name);
            return self.post(
                owner,
                Letter::Share {
                    group,
                    message,
                    not: Some(to),
                    exchange,
                },
            );
        };
        membership.taken += 1;
        membership.last_taken_ms = now_ms;
        let identifiers = match membership.identifier {
            0 => Identifiers::None,
            one => Identifiers::One(one),
        };
        let head = *message.head();
        let (qos, retain) = (
            head.qos.min(membership.qos),
            head.retain && membership.retain_as_published,
        );
        let mut delivery = Delivery {
            membership: membership.number,
            identifiers,
            ..Delivery::new(message, qos, retain)
        };
        if exchange.is_none() && self.is_keeping() {
            // This shard routes it right now.
            return self.deliver_part(to.slot, delivery);
        }
        let outer = self.open_keeping(exchange);
        let is_moving = exchange.is_some_and(|of| of.is_moving) && qos == QoS::ExactlyOnce;
        if is_moving && self.durable_number(to.slot).is_none() {
            delivery.exchange = Some(self.draft_mark());
        }
        self.deliver_part(to.slot, delivery);
        self.close_keeping(outer, Also::Nothing, Then::Nothing);
    }

    /// Nobody here has anything to do with another shard's exchange.
    fn answer_nothing(&mut self, exchange: Option<ExchangeRef>) {
        if let Some(ExchangeRef { shard, number, .. }) = exchange {
            let drafts = Vec::new();
            self.post(shard, Letter::Answered { number, drafts });
        }
    }

    /// A delivery is off a session's hands.
    pub(super) fn settle(&mut self, slot: u32, delivery: &Delivery) {
        self.settle_copy(delivery);
        self.settle_shared(slot, delivery);
    }

    /// A delivery that came by a group is off the member's hands: the owner may count on it again.
    pub(super) fn settle_shared(&mut self, slot: u32, delivery: &Delivery) {
        if delivery.membership == 0 {
            return;
        }
        let Some(session) = self.session(slot) else {
            return;
        };
        let Some(membership) = session.membership(delivery.membership) else {
            return;
        };
        let letter = Letter::Settled {
            group: group_of(membership),
            session: session.me,
        };
        self.post(membership.owner, letter);
    }

    pub(super) fn on_settled(&mut self, group: &GroupRef, session: SessionRef) {
        if let Some(known) = self.group_mut(group)
            && let Some(member) = known.members.find_mut(&session)
        {
            member.outstanding = member.outstanding.saturating_sub(1);
        }
    }

    /// Tells the owners of a session's groups whether it is connected.
    pub(super) fn tell_groups(&mut self, slot: u32) {
        let Some(session) = self.session(slot) else {
            return;
        };
        if session.memberships.is_empty() {
            return;
        }
        let is_online = session.is_online();
        let me = session.me;
        let room = self
            .connection_of(slot)
            .map_or(0, |connection| connection.receive_maximum);
        for owner in session.memberships.owners() {
            let letter = Letter::MemberState {
                session: me,
                is_online,
                room: u32::from(room),
            };
            self.post(owner, letter);
        }
    }

    /// A member leaves its group: what it was not sent yet goes to the others. Begun deliveries
    /// are finished (`MQTT-3.10.4-3`).
    pub(super) fn leave(&mut self, slot: u32, membership: Membership) {
        self.stats.subscriptions -= 1;
        self.stats.shared_subscriptions -= 1;
        self.shrink_subscriptions(slot, membership.text_bytes());
        let Some(session) = self.session(slot) else {
            return;
        };
        let me = session.me;
        let letter = Letter::Leave {
            group: group_of(&membership),
            session: me,
        };
        self.post(membership.owner, letter);
        let number = membership.number;
        self.forget_membership(slot, number);
        let (owner, group) = (membership.owner, group_of(&membership));
        let taken = self.take_shared(slot, |_, of| of == number, false);
        let handed = taken.into_iter().map(|delivery| Handed {
            delivery,
            owner,
            group: group.clone(),
        });
        self.hand_on(me, handed.collect());
        let window = self
            .session_mut(slot)
            .and_then(|session| session.window.as_mut());
        if let Some(window) = window {
            window.note_left(membership);
        }
    }

    /// A member is offline but may come back: what it has not got yet goes to the others.
    pub(super) fn give_back_all(&mut self, slot: u32) {
        let hashing = self.hashing;
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let me = session.me;
        let left = session.window.as_mut().map(|window| window.take_left());
        let left = left.unwrap_or_default();
        if session.memberships.is_empty() && left.is_empty() {
            return;
        }
        let mut origins = Map::with_hasher(hashing);
        for of in &left {
            origins.insert(of.number, (of.owner, group_of(of)));
        }
        // Of groups that it left before a crash it is not known whose they were: the client gets them.
        let is_known = |memberships: &Memberships, number: u32| {
            memberships.numbered(number).is_some() || origins.contains_key(&number)
        };
        let mut handed = Vec::new();
        for delivery in self.take_shared(slot, is_known, true) {
            self.settle_shared(slot, &delivery);
            let session = self.session(slot);
            let membership = session.and_then(|session| session.membership(delivery.membership));
            let present = membership.map(|of| (of.owner, group_of(of)));
            let origin = present.or_else(|| origins.get(&delivery.membership).cloned());
            let Some((owner, group)) = origin else {
                unreachable!("a copy is taken whose group is known");
            };
            handed.push(Handed {
                delivery,
                owner,
                group,
            });
        }
        self.hand_on(me, handed);
    }

    /// Takes unfinished deliveries that came by groups out of a session: all that wait, and, if it
    /// has no connection, what was sent and may go to others, and what was held back.
    fn take_shared(
        &mut self,
        slot: u32,
        is_taken: impl Fn(&Memberships, u32) -> bool,
        with_window: bool,
    ) -> Vec<Delivery> {
        let Self {
            sessions, stats, ..
        } = self;
        let Some(session) = sessions.get_mut(slot as usize) else {
            return Vec::new();
        };
        let memberships = &session.memberships;
        let is_taken = |delivery: &Delivery| is_taken(memberships, delivery.membership);
        let mut taken = Vec::new();
        if with_window && let Some(window) = &mut session.window {
            taken.extend(window.take_shared(is_taken));
            stats.inflight_messages -= taken.len() as u64;
        }
        if let Some(queue) = &mut session.queue {
            let (messages, bytes) = (queue.len(), queue.bytes());
            taken.extend(queue.take_shared(is_taken));
            let gone = (messages - queue.len(), bytes - queue.bytes());
            stats.queued_messages -= gone.0 as u64;
            stats.queued_bytes -= gone.1 as u64;
        }
        taken
    }
}

fn group_in<'a>(filters: &'a mut FilterTable, group: &GroupRef) -> Option<&'a mut Group> {
    let id = filters.id_of(&group.filter)?;
    filters.get_mut(id)?.groups.find_mut(&group.name)
}

/// The group of a membership.
pub(super) fn group_of(membership: &Membership) -> GroupRef {
    GroupRef {
        filter: Arc::clone(&membership.filter),
        name: Arc::clone(&membership.group),
    }
}
