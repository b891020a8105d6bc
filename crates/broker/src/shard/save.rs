//! What the store is told of sessions and subscriptions that outlive the process.

use super::Shard;
use crate::hash::Map;
use crate::journal::RecordId;
use crate::record::{Clock, MessageRecord, Record, SessionRecord, SubscriptionRecord, WillRecord};
use crate::routing::{FilterId, Subscriber};
use crate::session::handed_on::HandedOn;
use crate::session::{DurableSession, Session};

impl Shard {
    /// Writes down what a session is now, if it outlives its connection.
    pub(super) fn save_session(&mut self, slot: u32) {
        if !self.journal.is_on() {
            return;
        }
        let clock = Clock::new(self.now);
        let (shards, hashing) = (u64::from(self.shards), self.hashing);
        let Self {
            sessions,
            journal,
            next_session,
            id,
            ..
        } = self;
        let Some(session) = sessions.get_mut(slot as usize) else {
            return;
        };
        if session.durable.is_none() {
            // One that begins when the disk has failed is in memory alone, and needs no end there.
            if !session.is_persistent() || journal.has_failed() {
                return;
            }
            // Each shard gives out numbers of its own.
            let number = *next_session * shards + u64::from(id.0);
            *next_session += 1;
            session.durable = Some(Box::new(DurableSession {
                number,
                record: None,
                subscriptions: Map::with_hasher(hashing),
                memberships: Map::with_hasher(hashing),
                handed_on: HandedOn::default(),
            }));
        }
        let Some(mut durable) = session.durable.take() else {
            return;
        };
        let fact = Record::Session(facts_of(session, durable.number, clock));
        journal.replace(&mut durable.record, |out| fact.write(out));
        session.durable = Some(durable);
    }

    /// Writes down a subscription, new or with other options.
    pub(super) fn save_subscription(&mut self, slot: u32, id: FilterId, subscriber: Subscriber) {
        let Self {
            sessions,
            journal,
            filters,
            ..
        } = self;
        let durable = sessions
            .get_mut(slot as usize)
            .and_then(|session| session.durable.as_mut());
        let (Some(durable), Some(filter)) = (durable, filters.get(id)) else {
            return;
        };
        let fact = Record::Subscription(SubscriptionRecord {
            session: durable.number,
            filter: &filter.text,
            qos: subscriber.qos,
            no_local: subscriber.no_local,
            retain_as_published: subscriber.retain_as_published,
            identifier: subscriber.identifier,
            share: None,
        });
        let mut record = durable.subscriptions.get(&id).copied();
        journal.replace(&mut record, |out| fact.write(out));
        durable
            .subscriptions
            .extend(record.map(|record| (id, record)));
    }

    /// The same for a shared subscription.
    pub(super) fn save_membership(&mut self, slot: u32, filter: &str, name: &str) {
        let Self {
            sessions, journal, ..
        } = self;
        let Some(session) = sessions.get_mut(slot as usize) else {
            return;
        };
        let membership = session.memberships.named(filter, name);
        let (Some(durable), Some(membership)) = (&mut session.durable, membership) else {
            return;
        };
        let fact = Record::Subscription(SubscriptionRecord {
            session: durable.number,
            filter,
            qos: membership.qos,
            no_local: false,
            retain_as_published: membership.retain_as_published,
            identifier: membership.identifier,
            share: Some((name, membership.number)),
        });
        let number = membership.number;
        let mut record = durable.memberships.get(&number).copied();
        journal.replace(&mut record, |out| fact.write(out));
        durable
            .memberships
            .extend(record.map(|record| (number, record)));
    }

    /// A subscription has ended.
    pub(super) fn forget_subscription(&mut self, slot: u32, id: FilterId) {
        let durable = self.sessions.get_mut(slot as usize);
        let durable = durable.and_then(|session| session.durable.as_mut());
        if let Some(record) = durable.and_then(|durable| durable.subscriptions.remove(&id)) {
            self.journal.end(record);
        }
    }

    /// A shared subscription has ended.
    pub(super) fn forget_membership(&mut self, slot: u32, number: u32) {
        let durable = self.sessions.get_mut(slot as usize);
        let durable = durable.and_then(|session| session.durable.as_mut());
        if let Some(record) = durable.and_then(|durable| durable.memberships.remove(&number)) {
            self.journal.end(record);
        }
    }

    /// A session has ended: nothing of it is needed any more but for its copies of messages, which
    /// are settled one by one.
    pub(super) fn forget_session(&mut self, session: &mut Session) {
        let received = session.received.take();
        let received = received.iter().flat_map(|of| of.values());
        let mut records: Vec<RecordId> = received.filter_map(|of| of.record).collect();
        let durable = session.durable.take();
        let is_lasting = durable.is_some();
        let mut own = None;
        if let Some(durable) = durable {
            own = durable.record;
            records.extend(durable.subscriptions.into_values());
            records.extend(durable.memberships.into_values());
        }
        // The order of a hash map is nobody's business.
        records.sort_unstable_by_key(|record| record.value());
        match own {
            Some(own) => self.journal.end_with(own, records),
            None => records.into_iter().for_each(|of| self.journal.end(of)),
        }
        if is_lasting {
            self.note_leaving(&session.client_id);
        }
    }
}

fn facts_of(session: &Session, number: u64, clock: Clock) -> SessionRecord<'_> {
    let is_connected = session.connection.is_some();
    let will = session.will.as_ref().map(|will| WillRecord {
        message: MessageRecord::of(&will.message, clock),
        expiry_secs: will.expiry_secs,
        delay_secs: will.delay_secs,
    });
    SessionRecord {
        number,
        client_id: &session.client_id,
        user: session.identity.user.as_deref(),
        groups: session
            .identity
            .groups
            .iter()
            .map(|group| &**group)
            .collect(),
        addr: session.addr,
        expiry_secs: session.expiry_secs,
        disconnected_at_unix_ms: (!is_connected).then(|| clock.to_unix_ms(session.since_ms)),
        will,
    }
}
