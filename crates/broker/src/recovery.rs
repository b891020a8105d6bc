//! From the records of a store back to what the shards knew.
//!
//! The driver hands in every live record in the order of positions, then takes one part for each
//! shard. How many shards wrote the records does not matter. The payloads of messages that wait stay
//! in the store: shards read them back when they need them.

mod counts;
mod deal;
mod lost;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use columba_codec::{PacketId, QoS};

use crate::chunks::Chunks;
use crate::id::ShardId;
use crate::journal::Records;
use crate::message::Message;
use crate::now::Now;
use crate::record::{
    Clock, Exchange, MessageRecord, Recipient, Record, SessionNumber, SessionRecord,
    SubscriptionRecord,
};
use crate::routing::share::SessionRef;
use crate::session::{ends_at_ms, is_left_behind};

pub use counts::{ExpiredCounts, RecoveredCounts};
use deal::Parts;
pub use lost::LostSession;

/// Gathers records.
#[derive(Debug)]
pub struct Recovery {
    clock: Clock,
    seed: Option<(u64, u64)>,
    sessions: BTreeMap<SessionNumber, FoundSession>,
    subscriptions: Vec<FoundSubscription>,
    /// By position, which is the order in which they came.
    messages: Chunks<(u64, FoundMessage)>,
    /// Those that were written anew, by the place at which they came, and position.
    moved: BTreeMap<(u64, u64), FoundMessage>,
    last_outline: Option<Message>,
    /// By message and session.
    exchanges: BTreeMap<(u64, SessionNumber), FoundExchange>,
    /// By message.
    settled: BTreeMap<u64, (u64, Vec<u32>)>,
    received: Vec<(u64, SessionNumber, PacketId)>,
    /// By topic.
    retained: BTreeMap<String, FoundRetained>,
    /// Records that others have taken the place of.
    outdated: Vec<u64>,
    /// Sessions that earlier starts have found to be lost, and the records that say so.
    lost: BTreeMap<SessionNumber, u64>,
    is_damaged: bool,
    discards_lost: bool,
    now: Now,
    highest: Highest,
    unusable: u64,
}

/// The highest numbers that were given out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Highest {
    pub(crate) session: SessionNumber,
    pub(crate) membership: u32,
    pub(crate) version: u64,
}

/// What a start has found in a store, for the flight recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartNotes {
    /// What was recovered.
    pub recovered: String,
    /// A sentence for each place that is damaged and each session that has lost its record.
    pub damage: Vec<String>,
}

/// What one shard starts with; see [`Shard::restore`](crate::Shard::restore).
#[derive(Debug, Default)]
pub struct RecoveredShard {
    /// In the order of their slots, from 0 on.
    pub(crate) sessions: Vec<FoundSession>,
    pub(crate) messages: Chunks<RecoveredMessage>,
    pub(crate) retained: Vec<RecoveredRetained>,
    /// Filters that other shards have subscribers of.
    pub(crate) remote: Vec<(Arc<str>, ShardId)>,
    pub(crate) groups: Vec<RecoveredGroup>,
    /// Positions that nobody needs any more and that are not released yet.
    pub(crate) releases: Vec<u64>,
    pub(crate) highest: Highest,
}

impl RecoveredShard {
    /// Has the shard release what the start had no room for.
    pub fn release(&mut self, positions: Vec<u64>) {
        self.releases = positions;
    }
}

/// All that was found.
#[derive(Debug)]
pub struct Recovered {
    /// By shard.
    pub shards: Vec<RecoveredShard>,
    /// For the report.
    pub counts: RecoveredCounts,
    /// Sessions whose records a damaged store has lost. What is kept of them is nobody's.
    pub lost: Vec<LostSession>,
    /// To be committed before the shards start: the seed of a new store, and positions that nobody
    /// needs any more. Empty most of the time.
    pub repair: Records,
    /// Records that have to be written anew, because there is another number of shards. If there are
    /// any, what `shards` holds is not whole: carry them out and recover once more.
    pub rewrites: Vec<Rewrite>,
}

/// A message whose copies are on several shards now: each of those gets a record of its own.
#[derive(Debug)]
pub struct Rewrite {
    /// The present record.
    pub position: u64,
    releases: Vec<u64>,
    /// By shard.
    recipients: Vec<Vec<Recipient>>,
}

impl Rewrite {
    /// Adds what takes the place of `record`, which is what lies at the position, to a batch.
    pub fn write(self, record: &[u8], batch: &mut Records) {
        let (place, message) = match Record::read(record) {
            Some(Record::Message(message, _)) => (self.position, message),
            Some(Record::Moved { place, message, .. }) => (place, message),
            // It was read before; what cannot be read any more is left alone.
            _ => return,
        };
        batch.releases.push(self.position);
        batch.releases.extend(self.releases);
        for recipients in self.recipients {
            let moved = Record::Moved {
                place,
                message,
                recipients,
            };
            moved.write(&mut batch.bytes);
            batch.ends.push(batch.bytes.len());
        }
    }
}

#[derive(Debug)]
pub(crate) struct FoundSession {
    pub(crate) position: u64,
    pub(crate) number: SessionNumber,
    pub(crate) client_id: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) groups: Vec<Arc<str>>,
    pub(crate) is_user_removed: bool,
    pub(crate) has_other_groups: bool,
    pub(crate) addr: Option<IpAddr>,
    pub(crate) expiry_secs: u32,
    pub(crate) disconnected_at_unix_ms: Option<u64>,
    pub(crate) will: Option<FoundWill>,
    pub(crate) subscriptions: Vec<FoundSubscription>,
    pub(crate) received: Vec<(u64, PacketId)>,
}

impl FoundSession {
    /// When it was without a connection first. May be negative: before the process started.
    pub(crate) fn since_ms(&self, now: Now) -> i64 {
        let now_ms = now.mono_ms as i64;
        let since_ms = self
            .disconnected_at_unix_ms
            .map(|at| Clock::new(now).to_mono_ms(at));
        // Clocks jump: nobody left later than now.
        since_ms.map_or(now_ms, |at_ms| at_ms.min(now_ms))
    }

    /// Whether it has ended while nobody was there to end it.
    fn has_expired(&self, now: Now) -> bool {
        let ends_at_ms = ends_at_ms(self.since_ms(now), self.expiry_secs);
        ends_at_ms.is_some_and(|at_ms| at_ms <= now.mono_ms)
    }
}

#[derive(Debug)]
pub(crate) struct FoundWill {
    pub(crate) message: Message,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) delay_secs: u32,
}

#[derive(Debug)]
pub(crate) struct FoundSubscription {
    pub(crate) position: u64,
    session: SessionNumber,
    pub(crate) filter: Arc<str>,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: u32,
    pub(crate) share: Option<(Arc<str>, u32)>,
}

/// What there is one of at a time: a filter of a session, or a filter and share name, or, of a session
/// that has left copies behind, a membership.
type SubscriptionKey = (SessionNumber, Arc<str>, Option<(Arc<str>, u32)>);

impl FoundSubscription {
    fn key(&self, is_left_behind: bool) -> SubscriptionKey {
        let share = self.share.as_ref().map(|(name, membership)| {
            let membership = if is_left_behind { *membership } else { 0 };
            (Arc::clone(name), membership)
        });
        (self.session, Arc::clone(&self.filter), share)
    }

    /// As the client wrote it.
    fn text(&self) -> String {
        match &self.share {
            Some((name, _)) => format!("$share/{name}/{}", self.filter),
            None => self.filter.to_string(),
        }
    }
}

#[derive(Debug)]
struct FoundMessage {
    outline: Message,
    body_bytes: u32,
    recipients: Vec<Recipient>,
}

#[derive(Clone, Copy, Debug)]
struct FoundExchange {
    position: u64,
    packet_id: PacketId,
    is_released: bool,
}

#[derive(Debug)]
struct FoundRetained {
    position: u64,
    version: u64,
    /// `None` if the topic was cleared.
    message: Option<Message>,
}

/// The retained message of a topic.
#[derive(Debug)]
pub(crate) struct RecoveredRetained {
    pub(crate) position: u64,
    pub(crate) message: Message,
}

/// A message with the copies that one shard has of it.
#[derive(Debug)]
pub(crate) struct RecoveredMessage {
    pub(crate) position: u64,
    /// The message without properties and payload.
    pub(crate) outline: Message,
    /// Bytes of those.
    pub(crate) body_bytes: u32,
    /// Copies that the record names.
    pub(crate) count: u32,
    /// Places of those that are settled.
    pub(crate) settled: Vec<u32>,
    /// The record that says so.
    pub(crate) settled_position: Option<u64>,
    pub(crate) copies: Vec<RecoveredCopy>,
}

#[derive(Debug)]
pub(crate) struct RecoveredCopy {
    pub(crate) slot: u32,
    /// Its place in the record.
    pub(crate) place: u32,
    pub(crate) recipient: Recipient,
    /// The record of its QoS 2 exchange.
    pub(crate) exchange: Option<u64>,
}

/// A shared group, as every shard has to know it.
#[derive(Debug)]
pub(crate) struct RecoveredGroup {
    pub(crate) filter: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) owner: ShardId,
    /// Its members, on the owner.
    pub(crate) members: Vec<SessionRef>,
}

impl Recovery {
    /// Nothing so far. `now` is the time from which clocks run on.
    pub fn new(now: Now) -> Self {
        Self {
            clock: Clock::new(now),
            seed: None,
            sessions: BTreeMap::new(),
            subscriptions: Vec::new(),
            messages: Chunks::default(),
            moved: BTreeMap::new(),
            last_outline: None,
            exchanges: BTreeMap::new(),
            settled: BTreeMap::new(),
            received: Vec::new(),
            retained: BTreeMap::new(),
            outdated: Vec::new(),
            lost: BTreeMap::new(),
            is_damaged: false,
            discards_lost: false,
            now,
            highest: Highest::default(),
            unusable: 0,
        }
    }

    /// The seed that the shards of this store were made with. Shards that are made with it again
    /// find their own messages; with another one they are found too, but many are written anew.
    pub fn seed(&self) -> Option<u64> {
        self.seed.map(|(_, seed)| seed)
    }

    /// Takes in a record. What it cannot read is counted as unusable and left alone.
    pub fn take(&mut self, position: u64, record: &[u8]) {
        match Record::read(record) {
            None => self.unusable += 1,
            Some(Record::Seed(seed)) => {
                let older = self.seed.replace((position, seed));
                self.outdated.extend(older.map(|(position, _)| position));
            }
            Some(Record::Session(session)) => self.take_session(position, &session),
            Some(Record::Subscription(subscription)) => {
                self.take_subscription(position, &subscription);
            }
            Some(Record::Message(message, recipients)) => {
                let found = self.found(message, recipients);
                self.messages.push((position, found));
            }
            Some(Record::Moved {
                place,
                message,
                recipients,
            }) => {
                let found = self.found(message, recipients);
                self.moved.insert((place, position), found);
            }
            Some(Record::Sent(exchange)) => self.take_exchange(position, exchange, false),
            Some(Record::Released(exchange)) => self.take_exchange(position, exchange, true),
            Some(Record::Settled {
                message,
                recipients,
            }) => {
                let older = self.settled.insert(message, (position, recipients));
                self.outdated.extend(older.map(|(position, _)| position));
            }
            Some(Record::Received { session, packet_id }) => {
                self.highest.session = self.highest.session.max(session);
                self.received.push((position, session, packet_id));
            }
            Some(Record::Retained { version, message }) => {
                let topic = message.topic;
                let message = Some(message.to_message(self.clock));
                self.take_retained(
                    topic,
                    FoundRetained {
                        position,
                        version,
                        message,
                    },
                );
            }
            Some(Record::Cleared { version, topic }) => {
                let message = None;
                self.take_retained(
                    topic,
                    FoundRetained {
                        position,
                        version,
                        message,
                    },
                );
            }
            Some(Record::Lost { session, .. }) => {
                self.highest.session = self.highest.session.max(session);
                let older = self.lost.insert(session, position);
                self.outdated.extend(older);
            }
        }
    }

    fn take_session(&mut self, position: u64, session: &SessionRecord<'_>) {
        self.highest.session = self.highest.session.max(session.number);
        let clock = self.clock;
        let will = session.will.as_ref().map(|will| FoundWill {
            message: will.message.to_message(clock),
            expiry_secs: will.expiry_secs,
            delay_secs: will.delay_secs,
        });
        let found = FoundSession {
            position,
            number: session.number,
            client_id: session.client_id.into(),
            user: session.user.map(Arc::from),
            groups: session
                .groups
                .iter()
                .map(|group| Arc::from(*group))
                .collect(),
            is_user_removed: false,
            has_other_groups: false,
            addr: session.addr,
            expiry_secs: session.expiry_secs,
            disconnected_at_unix_ms: session.disconnected_at_unix_ms,
            will,
            subscriptions: Vec::new(),
            received: Vec::new(),
        };
        let older = self.sessions.insert(session.number, found);
        self.outdated.extend(older.map(|older| older.position));
    }

    fn take_subscription(&mut self, position: u64, found: &SubscriptionRecord<'_>) {
        self.highest.session = self.highest.session.max(found.session);
        if let Some((_, number)) = found.share {
            self.highest.membership = self.highest.membership.max(number);
        }
        self.subscriptions.push(FoundSubscription {
            position,
            session: found.session,
            filter: found.filter.into(),
            qos: found.qos,
            no_local: found.no_local,
            retain_as_published: found.retain_as_published,
            identifier: found.identifier,
            share: found.share.map(|(name, number)| (name.into(), number)),
        });
    }

    fn found(
        &mut self,
        message: MessageRecord<'_>,
        mut recipients: Vec<Recipient>,
    ) -> FoundMessage {
        // There may be millions of them, with one recipient each.
        recipients.shrink_to_fit();
        for recipient in &recipients {
            self.highest.session = self.highest.session.max(recipient.session);
            self.highest.membership = self.highest.membership.max(recipient.membership);
        }
        FoundMessage {
            outline: message.to_outline(self.clock, &mut self.last_outline),
            body_bytes: (message.properties.len() + message.payload.len()) as u32,
            recipients,
        }
    }

    fn take_exchange(&mut self, position: u64, exchange: Exchange, is_released: bool) {
        let found = FoundExchange {
            position,
            packet_id: exchange.packet_id,
            is_released,
        };
        let key = (exchange.message, exchange.session);
        let older = self.exchanges.insert(key, found);
        self.outdated.extend(older.map(|older| older.position));
    }

    fn take_retained(&mut self, topic: &str, found: FoundRetained) {
        self.highest.version = self.highest.version.max(found.version);
        if let Some(known) = self.retained.get(topic)
            && known.version > found.version
        {
            return self.outdated.push(found.position);
        }
        let older = self.retained.insert(topic.to_owned(), found);
        self.outdated.extend(older.map(|older| older.position));
    }

    /// Deals out what was found to shards that are made with this seed, which is noted in the store.
    pub fn finish(mut self, shards: u16, seed: u64) -> Recovered {
        let mut parts = Parts::new(shards, seed, self.now);
        parts.tally.counts.unusable = self.unusable;
        parts.repair.releases = std::mem::take(&mut self.outdated);
        // A store whose seed is lost gets another one from a start.
        if self.seed() != Some(seed) && !self.discards_lost {
            parts.write(&Record::Seed(seed));
            let older = self.seed.take();
            parts
                .repair
                .releases
                .extend(older.map(|(position, _)| position));
        }
        self.find_lost(&mut parts);
        self.attach(&mut parts);
        parts.deal_sessions(self.sessions);
        let messages = in_order(self.messages, self.moved);
        parts.deal_messages(messages, self.exchanges, self.settled);
        parts.deal_retained(self.retained);
        for shard in &mut parts.shards {
            shard.highest = self.highest;
        }
        Recovered {
            shards: parts.shards,
            counts: parts.tally.counts,
            lost: parts.lost.into_values().collect(),
            repair: parts.repair,
            rewrites: parts.rewrites,
        }
    }

    /// Gives subscriptions and packet ids to their sessions; what has none is not needed, unless
    /// damage has cost the session.
    fn attach(&mut self, parts: &mut Parts) {
        let (releases, lost) = (&mut parts.repair.releases, &mut parts.lost);
        // A client has one session: the one that was made last.
        let mut newest: BTreeMap<Arc<str>, SessionNumber> = BTreeMap::new();
        for session in self.sessions.values() {
            newest.insert(Arc::clone(&session.client_id), session.number);
        }
        let shared = self.subscriptions.iter().filter(|of| of.share.is_some());
        let sharing: BTreeSet<SessionNumber> = shared.map(|of| of.session).collect();
        self.sessions.retain(|number, session| {
            // One that was to end with its connection has ended with the broker. What it has of its groups is
            // for their other members: it ends as one that has expired.
            let has_ended = session.expiry_secs == 0;
            if has_ended {
                session.will = None;
            }
            let is_newest = newest.get(&session.client_id) == Some(number);
            let is_kept = is_newest && (!has_ended || sharing.contains(number));
            if !is_kept {
                releases.push(session.position);
            }
            is_kept
        });
        // What takes the place of a record that is not durable yet may be there beside it.
        let sessions = &mut self.sessions;
        let key = |of: &FoundSubscription, session: &FoundSession| {
            of.key(is_left_behind(&session.client_id))
        };
        let newest: BTreeMap<_, u64> = self
            .subscriptions
            .iter()
            .filter_map(|of| Some((key(of, sessions.get(&of.session)?), of.position)))
            .collect();
        for found in std::mem::take(&mut self.subscriptions) {
            match sessions.get_mut(&found.session) {
                Some(session) if newest.get(&key(&found, session)) == Some(&found.position) => {
                    session.subscriptions.push(found);
                }
                None if lost::keeps(lost, found.session, Some(found.text())) => {}
                Some(_) | None => releases.push(found.position),
            }
        }
        let received = self.received.iter();
        let newest: BTreeMap<_, u64> = received
            .map(|(position, session, id)| ((*session, *id), *position))
            .collect();
        for (position, number, packet_id) in std::mem::take(&mut self.received) {
            match self.sessions.get_mut(&number) {
                Some(session) if newest.get(&(number, packet_id)) == Some(&position) => {
                    session.received.push((position, packet_id));
                }
                None if lost::keeps(lost, number, None) => {}
                Some(_) | None => releases.push(position),
            }
        }
    }
}

/// All messages in the order in which they came, with their positions.
fn in_order(
    messages: Chunks<(u64, FoundMessage)>,
    moved: BTreeMap<(u64, u64), FoundMessage>,
) -> impl Iterator<Item = (u64, FoundMessage)> {
    let mut messages = messages.into_iter().peekable();
    let mut moved = moved.into_iter().peekable();
    std::iter::from_fn(move || {
        let next = messages.peek().map(|(position, _)| *position);
        match moved.next_if(|((place, _), _)| next.is_none_or(|next| *place < next)) {
            Some(((_, position), message)) => Some((position, message)),
            None => messages.next(),
        }
    })
}
