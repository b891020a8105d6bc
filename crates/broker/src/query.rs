//! What an operator can ask a shard, and do to it, as plain data.
//!
//! A [`Request`] goes in as [`Input::Request`](crate::Input::Request); exactly one [`Answer`] comes
//! back as [`Effect::Answer`](crate::Effect::Answer), at once or some turns later. A list is one
//! [`Page`] at a time, in the order of a key that its rows have anyway, so that pages of several
//! shards can be merged and the next one can be asked for when everything has changed meanwhile:
//! what was there all the time is told exactly once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use columba_codec::{PropertiesBuf, QoS, Version};

use crate::access::{AccessRules, Action, RuleHits};
use crate::id::{ConnectionId, ListenerId};
use crate::message::Message;
use crate::now::Now;
use crate::outcome::Outcome;
use crate::recorder::{Recording, Seen, TraceId};
use crate::stats::Stats;

/// Rows of a page at most, whatever is asked for.
pub const PAGE_ROWS_MAX: usize = 1000;

/// Lists that a shard makes at a time; who asks for more is told [`Answer::Busy`].
pub const SCANS_MAX: usize = 32;

/// Rows of the lists inside of a [`SessionDetail`].
pub const DETAIL_ROWS_MAX: usize = 100;

/// Names a request, as the driver numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A question, or something to be done.
#[derive(Clone, Debug)]
pub enum Request {
    /// The counters of the shard.
    Stats,
    /// What its flight recorder holds.
    Recording,
    /// The same without chunks that have nothing new.
    RecordingSince(Seen),
    /// Follows messages of a filter for a time. [`Answer::Busy`]: there are
    /// [`TRACES_MAX`](crate::recorder::TRACES_MAX) already.
    BeginTrace(TraceRequest),
    /// What a trace has seen.
    Trace(TraceId),
    /// Ends a trace, and forgets what it has seen.
    EndTrace(TraceId),
    /// A page of sessions.
    Sessions(SessionsQuery),
    /// All about one session. For its home shard.
    Session {
        /// Whose.
        client_id: Arc<str>,
    },
    /// A page of subscriptions.
    Subscriptions(SubscriptionsQuery),
    /// A page of the shared groups that the shard owns.
    Groups(GroupsQuery),
    /// A page of retained messages.
    Retained(RetainedQuery),
    /// One retained message. For the home shard of its topic.
    RetainedMessage {
        /// Its topic.
        topic: Arc<str>,
    },
    /// A page of topics, with what the shard has taken in and retains.
    Topics(TopicsQuery),
    /// A page of what is below a topic, level by level.
    TopicTree(TopicTreeQuery),
    /// All topics that match a filter and that the shard remembers messages of, in no order. As many as its
    /// table holds.
    TopicTraffic {
        /// The filter.
        filter: Arc<str>,
    },
    /// How each of some topics stands, at most [`PAGE_ROWS_MAX`].
    TopicStandings(Arc<[Arc<str>]>),
    /// What the access rules say. For the home shard of the client id.
    Access(Box<AccessQuery>),
    /// The access rules in force, and how often each has decided.
    AccessHits,
    /// Ends the connection of a client, and perhaps its session. For its home shard.
    Disconnect {
        /// Whose.
        client_id: Arc<str>,
        /// Whether the session ends too.
        end_session: bool,
        /// Who asks for it, for the recorder.
        operator: Arc<str>,
    },
    /// Ends one subscription. For the home shard of the client.
    Unsubscribe {
        /// Whose.
        client_id: Arc<str>,
        /// Its filter, with `$share/NAME/` if it is shared.
        filter: Arc<str>,
        /// Who asks for it, for the recorder.
        operator: Arc<str>,
    },
    /// Publishes a message, as nobody: no access rule is asked. For the home shard of its topic.
    Publish(Box<PublishRequest>),
    /// Clears a retained message; subscribers are not told. For the home shard of its topic.
    ClearRetained {
        /// Its topic.
        topic: Arc<str>,
        /// What has to be there.
        condition: Condition,
        /// Who asks for it, for the recorder.
        operator: Arc<str>,
    },
    /// Clears retained messages, as many as one step allows.
    ClearAllRetained {
        /// Whose topics match this.
        filter: Arc<str>,
        /// The last topic that was looked at before.
        after: Option<Arc<str>>,
        /// Who asks for it, for the recorder.
        operator: Arc<str>,
    },
}

/// What a request came to.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Request::Stats`].
    Stats(Box<Stats>),
    /// To [`Request::Recording`], [`Request::RecordingSince`] and [`Request::Trace`].
    Recording(Box<Recording>),
    /// To [`Request::Sessions`].
    Sessions(Page<SessionRow, SessionKey>),
    /// To [`Request::Session`]; `None` if there is no such session.
    Session(Option<Box<SessionDetail>>),
    /// To [`Request::Subscriptions`].
    Subscriptions(Page<SubscriptionRow, SubscriptionKey>),
    /// To [`Request::Groups`].
    Groups(Page<GroupRow, GroupKey>),
    /// To [`Request::Retained`].
    Retained(RetainedPage),
    /// To [`Request::RetainedMessage`]; `None` if the topic has none.
    RetainedMessage(Option<RetainedRow>),
    /// To [`Request::Topics`].
    Topics(Page<TopicRow, Arc<str>>),
    /// To [`Request::TopicTree`].
    TopicTree(Page<TopicNode, Arc<str>>),
    /// To [`Request::TopicTraffic`].
    TopicTraffic(Vec<(Arc<str>, TopicTraffic)>),
    /// To [`Request::TopicStandings`], in the same order.
    TopicStandings(Vec<TopicStanding>),
    /// To [`Request::Access`].
    Access(Box<AccessAnswer>),
    /// To [`Request::AccessHits`].
    AccessHits(Box<AccessHits>),
    /// It was done, and what had to be written about it is on the disk.
    Done,
    /// There is no such client, subscription, retained message or trace.
    Missing,
    /// A [`Condition`] does not hold.
    Changed,
    /// The message was accepted.
    Published {
        /// Whether anybody subscribes: here or on another shard.
        is_matched: bool,
    },
    /// The message was not accepted.
    Refused {
        /// Why.
        outcome: Outcome,
        /// In words, with the facts.
        detail: String,
    },
    /// To [`Request::ClearAllRetained`].
    Cleared {
        /// How many.
        count: usize,
        /// The last topic that was looked at, to go on behind it; `None` at the end.
        next: Option<Arc<str>>,
    },
    /// Too many lists are being made, or the store does not keep up: ask again later.
    Busy,
}

/// A trace to begin.
#[derive(Clone, Debug)]
pub struct TraceRequest {
    /// Its name.
    pub id: TraceId,
    /// Which topics; a valid filter without `$share`.
    pub filter: Arc<str>,
    /// How long, in seconds, up to [`TRACE_SECS_MAX`](crate::recorder::TRACE_SECS_MAX).
    pub secs: u64,
    /// Bytes of what this shard keeps of it; the oldest goes first.
    pub bytes_max: usize,
}

/// Rows in the order of their key.
#[derive(Clone, Debug)]
pub struct Page<T, K> {
    /// The first ones behind the key that was asked for.
    pub rows: Vec<T>,
    /// The key up to which no row is left out, if there are more behind it; that of the last row, or
    /// of one that is gone since.
    pub next: Option<K>,
}

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionOrder {
    /// By client id.
    #[default]
    ClientId,
    /// By the messages that wait.
    Queued,
    /// By their bytes.
    QueuedBytes,
    /// By unsettled deliveries.
    Inflight,
    /// By the time at which they came to be connected, or not, as they are.
    Since,
    /// By subscriptions.
    Subscriptions,
    /// By the bytes that wait for their sockets.
    OutputBytes,
    /// By how long ago they sent something last, or went.
    Silent,
}

/// Where a session stands in an order.
///
/// What a session is sorted by may change while pages are turned, and then it moves; but where it does not,
/// its place does not change either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// Lower comes first; the same for all in the order by client id.
    pub rank: u64,
    /// Decides between equals: lower comes first.
    pub client_id: Arc<str>,
    /// Whether the higher client id comes first instead.
    pub is_reversed: bool,
}

impl Ord for SessionKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_id = match self.is_reversed {
            false => self.client_id.cmp(&other.client_id),
            true => other.client_id.cmp(&self.client_id),
        };
        self.rank.cmp(&other.rank).then(by_id)
    }
}

impl PartialOrd for SessionKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Which sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionsQuery {
    /// The last one of the page before.
    pub after: Option<SessionKey>,
    /// Rows at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
    /// What they are sorted by.
    pub order: SessionOrder,
    /// Whether the highest comes first.
    pub is_descending: bool,
    /// Only those that are, or are not, connected.
    pub is_online: Option<bool>,
    /// Only client ids that contain this.
    pub client_id_part: Option<Arc<str>>,
    /// Only those of this user.
    pub user: Option<Arc<str>>,
    /// Only those that came from this address.
    pub addr: Option<IpAddr>,
    /// Only those whose messages wait for this.
    pub waiting_on: Option<WaitingOn>,
}

/// What a session's messages wait for, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingOn {
    /// Nothing: no message waits.
    Nothing,
    /// The client, which is not connected.
    Client,
    /// The client's acknowledgements: it has as many messages as it may have unacknowledged.
    Acknowledgement,
    /// The client's socket, which takes no more.
    Socket,
    /// The disk.
    Disk,
    /// The broker, which comes to it soon.
    Broker,
}

impl WaitingOn {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Client,
        Self::Acknowledgement,
        Self::Socket,
        Self::Disk,
        Self::Broker,
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Client => "client",
            Self::Acknowledgement => "acknowledgement",
            Self::Socket => "socket",
            Self::Disk => "disk",
            Self::Broker => "broker",
        }
    }
}

/// A session in a list.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Where it stands in the order that was asked for.
    pub key: SessionKey,
    /// The user it logged in as.
    pub user: Option<Arc<str>>,
    /// Its last address.
    pub addr: Option<IpAddr>,
    /// Since when it has been connected, or has not, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// What it has while it is connected.
    pub connection: Option<ConnectionRow>,
    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    pub expiry_secs: u32,
    /// When it ends, unless its client comes back, in milliseconds since 1970.
    pub expires_unix_ms: Option<u64>,
    /// Subscriptions, shared ones included.
    pub subscriptions: usize,
    /// Messages that wait.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// QoS 1 and 2 messages sent, or about to be, and not settled.
    pub inflight: usize,
    /// What its messages wait for.
    pub waiting_on: WaitingOn,
}

/// A connection in a list.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionRow {
    /// Names it to the driver of its shard.
    pub id: ConnectionId,
    /// The other end; `None` for a Unix socket.
    pub addr: Option<SocketAddr>,
    /// Where it came in.
    pub listener: ListenerId,
    /// The protocol.
    pub version: Version,
    /// Keep alive in force, in seconds; 0 for none.
    pub keep_alive_secs: u32,
    /// How long ago something came last, in milliseconds.
    pub silent_ms: u64,
    /// QoS 1 and 2 messages that it may have unacknowledged.
    pub receive_maximum: u16,
    /// Largest packet in bytes that it takes.
    pub packet_bytes_max: u32,
    /// Bytes of output that wait for its socket.
    pub output_bytes: usize,
}

/// All about a session.
#[derive(Clone, Debug)]
pub struct SessionDetail {
    /// What a list has.
    pub row: SessionRow,
    /// The groups of its user.
    pub groups: Vec<Arc<str>>,
    /// The name in its client certificate.
    pub certificate: Option<Arc<str>>,
    /// Its first subscriptions, in the order of their filters.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Its first unsettled deliveries, the oldest first.
    pub inflight: Vec<InflightRow>,
    /// The message that waits longest.
    pub oldest: Option<QueuedRow>,
    /// QoS 2 messages of the client that it has not released.
    pub unreleased: usize,
    /// Its Will.
    pub will: Option<WillRow>,
    /// Whether it outlives the process.
    pub is_durable: bool,
}

/// A delivery that is not settled.
#[derive(Clone, Debug)]
pub struct InflightRow {
    /// Its packet id.
    pub packet_id: u16,
    /// How far it has come.
    pub step: InflightStep,
    /// The message.
    pub message: QueuedRow,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflightStep {
    /// It is sent as soon as the disk has it.
    Held,
    /// It was sent, and no PUBACK or PUBREC has come.
    Sent,
    /// PUBREC has come, PUBCOMP has not.
    Released,
}

/// A copy of a message in a session.
#[derive(Clone, Debug)]
pub struct QueuedRow {
    /// Its topic.
    pub topic: Arc<str>,
    /// The QoS it is delivered with.
    pub qos: QoS,
    /// Bytes of topic, properties and payload.
    pub size_bytes: usize,
    /// When it expires, in milliseconds since 1970.
    pub expires_unix_ms: Option<u64>,
    /// Whether an earlier process took it in.
    pub is_found: bool,
}

/// A Will.
#[derive(Clone, Debug)]
pub struct WillRow {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its QoS.
    pub qos: QoS,
    /// Its RETAIN.
    pub retain: bool,
    /// Bytes of its payload.
    pub payload_bytes: usize,
    /// How long after the end of the connection it is published, in seconds.
    pub delay_secs: u32,
}

/// Where a subscription stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// Whose.
    pub client_id: Arc<str>,
    /// Its filter, without `$share/NAME/`.
    pub filter: Arc<str>,
    /// The share name.
    pub group: Option<Arc<str>>,
}

/// Which subscriptions.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionsQuery {
    /// The last one of the page before.
    pub after: Option<SubscriptionKey>,
    /// Rows at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
    /// Only those of this client.
    pub client_id: Option<Arc<str>>,
    /// Only those whose filter is this.
    pub filter: Option<Arc<str>>,
    /// Only those whose filter matches this topic.
    pub topic: Option<Arc<str>>,
    /// Only those of shared groups of this name.
    pub group: Option<Arc<str>>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionRow {
    /// Whose, and of what.
    pub key: SubscriptionKey,
    /// Granted QoS.
    pub qos: QoS,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Subscription Identifier; 0 for none.
    pub identifier: u32,
    /// Whether its client is connected.
    pub is_online: bool,
    /// When it was last subscribed, with these options, in milliseconds since 1970; `None` if that was before the broker started.
    pub subscribed_unix_ms: Option<u64>,
    /// Messages that it matched since it began, or since the broker started; of a shared one those that
    /// its group gave to it.
    pub matched: u64,
    /// When the last of them came, in milliseconds since 1970.
    pub last_matched_unix_ms: Option<u64>,
}

/// Where a shared group stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The share name.
    pub name: Arc<str>,
    /// The filter.
    pub filter: Arc<str>,
}

/// Which shared groups.
#[derive(Clone, Debug, Default)]
pub struct GroupsQuery {
    /// The last one of the page before.
    pub after: Option<GroupKey>,
    /// Rows at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
    /// Only those of this name.
    pub name: Option<Arc<str>>,
}

/// A shared group on one filter.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Its name and filter.
    pub key: GroupKey,
    /// Its members.
    pub members: usize,
}

/// Which retained messages.
#[derive(Clone, Debug)]
pub struct RetainedQuery {
    /// Those whose topics match this.
    pub filter: Arc<str>,
    /// The last topic that was looked at before.
    pub after: Option<Arc<str>>,
    /// Messages at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// Retained messages in the order of their topics.
#[derive(Clone, Debug)]
pub struct RetainedPage {
    /// The time that their expiry refers to.
    pub now: Now,
    /// The messages; perhaps fewer than were asked for, or none.
    pub rows: Vec<RetainedRow>,
    /// The last topic that was looked at, to go on behind it; `None` at the end.
    pub next: Option<Arc<str>>,
}

/// A retained message.
#[derive(Clone, Debug)]
pub struct RetainedRow {
    /// The message.
    pub message: Message,
    /// When it expires, in milliseconds since 1970.
    pub expires_unix_ms: Option<u64>,
    /// Changes with the message; good until the process ends.
    pub tag: u64,
}

/// Which topics.
#[derive(Clone, Debug)]
pub struct TopicsQuery {
    /// Those that match this.
    pub filter: Arc<str>,
    /// The last one of the page before.
    pub after: Option<Arc<str>>,
    /// Topics at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// A topic, as one shard knows it.
#[derive(Clone, Debug)]
pub struct TopicRow {
    /// The topic.
    pub topic: Arc<str>,
    /// The messages that the shard has taken in; `None` if it remembers none.
    pub traffic: Option<TopicTraffic>,
    /// Bytes of the payload that the shard retains.
    pub retained_bytes: Option<usize>,
}

/// Messages to a topic since the shard has begun to remember it.
#[derive(Clone, Debug)]
pub struct TopicTraffic {
    /// How many.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Those of them that no subscription matched.
    pub unmatched: u64,
    /// When the first came, in milliseconds since 1970.
    pub first_unix_ms: u64,
    /// When the last came.
    pub last_unix_ms: u64,
    /// When the first came, by the clock that never goes back.
    pub first_ms: u64,
    /// When the last came, by the clock that never goes back.
    pub last_ms: u64,
    /// Which client sent the last, or another message in the same millisecond, if it was one, and its id is
    /// not too long to be kept.
    pub last_publisher: Option<Arc<str>>,
}

/// What a shard has for a topic beside messages that were published to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicStanding {
    /// Subscriptions of its clients that match; those of shared groups are told by the shard that owns the
    /// group.
    pub subscriptions: usize,
    /// Bytes of the payload that the shard retains.
    pub retained_bytes: Option<usize>,
}

/// What is below a topic.
#[derive(Clone, Debug)]
pub struct TopicTreeQuery {
    /// What all topics below it start with: empty, or a topic and `/`.
    pub prefix: Arc<str>,
    /// The last level of the page before.
    pub after: Option<Arc<str>>,
    /// Levels at most, up to [`PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// One level below a topic, with everything below it: sums over one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicNode {
    /// The level; may be empty.
    pub level: Arc<str>,
    /// Messages that were taken in.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Those of them that no subscription matched.
    pub unmatched: u64,
    /// When the last came, in milliseconds since 1970.
    pub last_unix_ms: Option<u64>,
    /// Messages that are retained.
    pub retained: u64,
    /// Whether there is a topic that ends with this level.
    pub is_topic: bool,
    /// Whether its message is retained.
    pub is_retained: bool,
    /// Whether there are topics below it.
    pub has_children: bool,
}

/// What has to be there for a change to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    #[default]
    None,
    /// No message.
    Absent,
    /// Some message.
    Present,
    /// The message with this [`RetainedRow::tag`].
    Tag(u64),
}

/// A message that an operator publishes.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Message Expiry Interval in seconds.
    pub expiry_secs: Option<u32>,
    /// Properties to pass on.
    pub properties: PropertiesBuf,
    /// What has to be retained before.
    pub condition: Condition,
}

/// What the access rules have decided on one shard.
#[derive(Clone, Debug)]
pub struct AccessHits {
    /// The rules.
    pub access: Arc<AccessRules>,
    /// How often each has decided.
    pub hits: RuleHits,
}

/// Whether somebody may do something.
#[derive(Clone, Debug)]
pub struct AccessQuery {
    /// The client id.
    pub client_id: Arc<str>,
    /// What it wants to do.
    pub action: Action,
    /// A topic, or for [`Action::Subscribe`] a filter.
    pub topic: Arc<str>,
    /// Who it is; without, who its session says.
    pub identity: Option<AccessIdentity>,
}

/// A user in a question to the access rules.
#[derive(Clone, Debug, Default)]
pub struct AccessIdentity {
    /// The user name; none for somebody who has not logged in.
    pub user: Option<Arc<str>>,
    /// The groups of the user.
    pub groups: Vec<Arc<str>>,
    /// The address; none is this machine.
    pub addr: Option<IpAddr>,
}

/// The answer to an [`AccessQuery`].
#[derive(Clone, Debug)]
pub struct AccessAnswer {
    /// Whether it may.
    pub is_allowed: bool,
    /// Where the rule stands that decided; `None` if none did and the default counted.
    pub rule: Option<String>,
    /// Who was asked about.
    pub identity: AccessIdentity,
    /// Whether that is what a session says.
    pub is_from_session: bool,
}
