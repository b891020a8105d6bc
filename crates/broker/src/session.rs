//! What a client has at the broker, across its connections.

pub(crate) mod alias;
pub(crate) mod handed_on;
pub(crate) mod queue;
pub(crate) mod replay;
pub(crate) mod window;

use std::sync::Arc;

use columba_codec::QoS;
use hashbrown::Equivalent;

use crate::hash::{Hashing, Map};
use crate::id::{ConnectionId, ShardId};
use crate::indexed::{Indexed, Keyed};
use crate::journal::RecordId;
use crate::message::Message;
use crate::record::SessionNumber;
use crate::routing::FilterId;
use crate::routing::share::SessionRef;
use handed_on::HandedOn;
use queue::Queue;
use replay::Replays;
use window::Window;

/// Who a client is, for the access rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: Option<Arc<str>>,
    pub(crate) groups: Vec<Arc<str>>,
}

/// The state of one client id (section 4.1 of the standard).
///
/// Rarely used parts are boxed: a session that only publishes QoS 0 costs little more than its id.
#[derive(Debug)]
pub(crate) struct Session {
    /// The client id: the key of the session (`MQTT-3.1.3-2`).
    pub(crate) client_id: Arc<str>,
    /// Hash of the client id.
    pub(crate) hash: u64,
    /// This session's name for other shards; the serial tells users of a slot apart.
    pub(crate) me: SessionRef,
    /// Who logged in last.
    pub(crate) identity: Arc<Identity>,
    /// The client's last address.
    pub(crate) addr: Option<std::net::IpAddr>,
    /// Its connection, if it is connected.
    pub(crate) connection: Option<ConnectionId>,
    /// Seconds that it outlives its connection; `u32::MAX` for ever.
    pub(crate) expiry_secs: u32,
    /// Since when it has its connection, or has none; before the process started, perhaps.
    pub(crate) since_ms: i64,
    /// Its Will, while there is one to publish.
    pub(crate) will: Option<Box<Will>>,
    /// Subscriptions: where the session stands in the filter's list.
    pub(crate) subscriptions: Option<Box<Map<FilterId, u32>>>,
    /// Shared subscriptions.
    pub(crate) memberships: Memberships,
    /// Bytes of the filters and share names of both.
    pub(crate) subscription_bytes: u32,
    /// QoS 1 and 2 messages sent and not settled.
    pub(crate) window: Option<Box<Window>>,
    /// Messages that wait.
    pub(crate) queue: Option<Box<Queue>>,
    /// QoS 2 messages received and not released, by their packet ids (`MQTT-4.3.3-10`).
    pub(crate) received: Option<Box<Map<u16, ReceivedId>>>,
    /// Retained messages still to be sent.
    pub(crate) replays: Option<Box<Replays>>,
    /// Its SUBSCRIBE packets that wait for other shards, if there are any.
    pub(crate) unanswered: Option<Box<Unanswered>>,
    /// What the store knows of it, if it outlives the process.
    pub(crate) durable: Option<Box<DurableSession>>,
}

/// A session's records.
#[derive(Debug)]
pub(crate) struct DurableSession {
    /// Names it in records.
    pub(crate) number: SessionNumber,
    /// The session itself.
    pub(crate) record: Option<RecordId>,
    /// Its subscriptions.
    pub(crate) subscriptions: Map<FilterId, RecordId>,
    /// Its shared subscriptions, by the number of the membership.
    pub(crate) memberships: Map<u32, RecordId>,
    /// Copies of its groups that it has given away.
    pub(crate) handed_on: HandedOn,
}

/// The packet id of a QoS 2 message that a client has sent and not released.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceivedId {
    /// The exchange that its answer waits for; 0 if for none.
    pub(crate) exchange: u64,
    /// Its record, if the message was stored for anybody.
    pub(crate) record: Option<RecordId>,
}

/// SUBSCRIBE packets of a session that wait until every shard knows of the subscriptions.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// How many.
    pub(crate) count: usize,
    /// Filters that were unsubscribed meanwhile: no retained messages go out for a SUBSCRIBE up to
    /// this number.
    pub(crate) ended: Map<Arc<str>, u64>,
}

/// A shared subscription of a session.
#[derive(Debug)]
pub(crate) struct Membership {
    /// Names it within the session; never used again. Not 0.
    pub(crate) number: u32,
    /// The filter without `$share/NAME/`.
    pub(crate) filter: Arc<str>,
    /// The share name.
    pub(crate) group: Arc<str>,
    /// The shard that owns the group.
    pub(crate) owner: ShardId,
    /// Granted QoS.
    pub(crate) qos: QoS,
    /// Retain As Published.
    pub(crate) retain_as_published: bool,
    /// Subscription Identifier; 0 for none.
    pub(crate) identifier: u32,
    /// When it was last subscribed, by the clock that never goes back; 0 if from before the start.
    pub(crate) since_ms: u64,
    /// Messages that the group gave to it, and when it gave the last one, by the clock that never goes
    /// back.
    pub(crate) taken: u64,
    pub(crate) last_taken_ms: u64,
}

/// The shared subscriptions of a session, which has none most of the time.
#[derive(Debug, Default)]
pub(crate) struct Memberships(Option<Box<Named>>);

#[derive(Debug)]
struct Named {
    by_number: Indexed<Membership>,
    /// Numbers by filter and share name.
    numbers: Map<(Arc<str>, Arc<str>), u32>,
    /// A bit for every shard that owns one of the groups, or did.
    owners: u64,
}

/// A filter and a share name, to look for.
#[derive(Hash)]
struct Name<'a>(&'a str, &'a str);

impl Equivalent<(Arc<str>, Arc<str>)> for Name<'_> {
    fn equivalent(&self, key: &(Arc<str>, Arc<str>)) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1
    }
}

impl Keyed for Membership {
    type Key = u32;

    fn key(&self) -> u32 {
        self.number
    }
}

impl Memberships {
    /// Adds one; the session has none of its filter and share name.
    pub(crate) fn put(&mut self, membership: Membership, hashing: Hashing) {
        let named = self.0.get_or_insert_with(|| {
            Box::new(Named {
                by_number: Indexed::default(),
                numbers: Map::with_hasher(hashing),
                owners: 0,
            })
        });
        named.owners |= 1 << (membership.owner.0 % 64);
        let name = (
            Arc::clone(&membership.filter),
            Arc::clone(&membership.group),
        );
        named.numbers.insert(name, membership.number);
        named.by_number.put(membership, hashing);
    }

    /// The shards that own its groups; perhaps others, which know nothing of the session.
    pub(crate) fn owners(&self) -> impl Iterator<Item = ShardId> + use<> {
        let owners = self.0.as_ref().map_or(0, |named| named.owners);
        (0..64)
            .filter(move |shard| owners >> shard & 1 == 1)
            .map(ShardId)
    }

    /// The one of a filter and a share name.
    pub(crate) fn named(&self, filter: &str, group: &str) -> Option<&Membership> {
        let named = self.0.as_ref()?;
        named
            .by_number
            .find(named.numbers.get(&Name(filter, group))?)
    }

    /// The same, to change all but its names and its number.
    pub(crate) fn named_mut(&mut self, filter: &str, group: &str) -> Option<&mut Membership> {
        let named = self.0.as_mut()?;
        named
            .by_number
            .find_mut(named.numbers.get(&Name(filter, group))?)
    }

    /// The one with a number.
    pub(crate) fn numbered(&self, number: u32) -> Option<&Membership> {
        self.0.as_ref()?.by_number.find(&number)
    }

    /// Takes the one with a number out, if it is there.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Membership> {
        let named = self.0.as_mut()?;
        let removed = named.by_number.remove(&number)?;
        named.numbers.remove(&Name(&removed.filter, &removed.group));
        if named.by_number.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }
}

impl std::ops::Deref for Memberships {
    type Target = [Membership];

    fn deref(&self) -> &[Membership] {
        self.0.as_ref().map_or(&[], |named| &named.by_number)
    }
}

/// A Will, kept until the connection ends badly or well (section 3.1.2.5).
#[derive(Debug)]
pub(crate) struct Will {
    /// Topic, properties, payload, QoS and RETAIN; it does not age before it is published.
    pub(crate) message: Message,
    /// Message Expiry Interval in seconds, counted from its publication.
    pub(crate) expiry_secs: Option<u32>,
    /// Will Delay Interval in seconds.
    pub(crate) delay_secs: u32,
}

impl Will {
    /// Bytes of its topic, properties and payload.
    pub(crate) fn size_bytes(&self) -> usize {
        self.message.size_bytes()
    }
}

impl Membership {
    /// Bytes of its filter and share name.
    pub(crate) fn text_bytes(&self) -> usize {
        self.filter.len() + self.group.len()
    }
}

impl Session {
    /// Whether it is connected.
    pub(crate) const fn is_online(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether it outlives its connection.
    pub(crate) const fn is_persistent(&self) -> bool {
        self.expiry_secs > 0
    }

    /// When it ends, unless its client comes back.
    pub(crate) fn expires_at_ms(&self) -> Option<u64> {
        if self.is_online() {
            return None;
        }
        ends_at_ms(self.since_ms, self.expiry_secs)
    }

    /// When its Will is published, unless its client comes back or the session ends before.
    pub(crate) fn will_due_at_ms(&self) -> Option<u64> {
        let will = self.will.as_ref().filter(|_| !self.is_online())?;
        Some(after(self.since_ms, will.delay_secs))
    }

    /// Its subscriptions, shared ones included.
    pub(crate) fn subscription_count(&self) -> usize {
        self.subscriptions.as_ref().map_or(0, |map| map.len()) + self.memberships.len()
    }

    /// Copies that are neither delivered nor dropped.
    pub(crate) fn pending_copies(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
            + self.window.as_ref().map_or(0, |window| window.len())
    }

    /// The membership with a number.
    pub(crate) fn membership(&self, number: u32) -> Option<&Membership> {
        self.memberships.numbered(number)
    }
}

/// The client id in the record that an ended session leaves behind while its copies are handed over.
/// No client has one with this character (`MQTT-1.5.4-2`).
pub(crate) fn name_left_behind(number: SessionNumber) -> String {
    format!("{LEFT_BEHIND}{number}")
}

/// Whether that is what a session is.
pub(crate) fn is_left_behind(client_id: &str) -> bool {
    client_id.starts_with(LEFT_BEHIND)
}

const LEFT_BEHIND: char = '\0';

/// When a session ends that is without a connection since `since_ms`, unless that is never.
pub(crate) fn ends_at_ms(since_ms: i64, expiry_secs: u32) -> Option<u64> {
    (expiry_secs != u32::MAX).then(|| after(since_ms, expiry_secs))
}

/// The time so many seconds after another one that may lie before the process started.
fn after(at_ms: i64, secs: u32) -> u64 {
    u64::try_from(at_ms.saturating_add(i64::from(secs) * 1000)).unwrap_or(0)
}
