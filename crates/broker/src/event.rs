//! What goes into a [`Shard`](crate::Shard) and what comes out: plain data.
//!
//! The driver hands in one [`Input`], then drains effects until there is none. Everything that
//! touches the world (sockets, clocks, password hashing, other shards) is on the driver's side of
//! these types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::access::AccessRules;
use crate::ban::BanList;
use crate::journal::{Fetched, StoreEvent};
use crate::limits::{Limits, ListenerSettings};
use crate::mail::Mail;
use crate::outcome::Outcome;
use crate::query::{Answer, Request, RequestId};
use crate::recovery::ExpiredCounts;

pub use crate::id::{ConnectionId, ListenerId, ShardId};
pub use crate::now::Now;

/// The other end of a connection, as the listener knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` for a Unix socket.
    pub addr: Option<SocketAddr>,
    /// Where it came in.
    pub listener: ListenerId,
    /// The name in its verified client certificate, whether or not the listener takes it for a login.
    pub certificate: Option<Arc<str>>,
}

impl Peer {
    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        self.addr
            .is_none_or(|addr| addr.ip().to_canonical().is_loopback())
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.addr {
            Some(addr) => write!(f, "{}:{}", addr.ip().to_canonical(), addr.port()),
            None => f.write_str("unix"),
        }
    }
}

/// Why a connection ended, as the driver saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The peer closed its side.
    Peer,
    /// The network or the transport failed (reset, TLS alert, WebSocket rule).
    Transport,
    /// The shard asked for it with [`Effect::Close`].
    Broker,
}

/// Everything that can happen to a shard.
#[derive(Debug)]
pub enum Input<'a> {
    /// A listener accepted a connection; its transport handshake is done.
    Accepted {
        /// The connection.
        conn: ConnectionId,
        /// Who.
        peer: Peer,
    },
    /// The driver refused a connection before it came to an [`Accepted`](Self::Accepted): another protocol,
    /// no agreement on TLS, or no room. It is noted for who asks later; the driver has counted it.
    Refused {
        /// From where.
        addr: Option<SocketAddr>,
        /// Who it says it is, if it came as far as to say so.
        client_id: Option<&'a str>,
        /// Why.
        outcome: Outcome,
        /// In words.
        detail: &'a str,
    },
    /// Another shard read the CONNECT and found that this shard is the client's home.
    Adopted {
        /// The connection, as this shard's driver numbers it.
        conn: ConnectionId,
        /// What the other shard knows.
        handover: Box<Handover>,
    },
    /// Bytes arrived, cut anywhere.
    Received {
        /// From whom.
        conn: ConnectionId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The driver passed on this many bytes of the connection's output.
    Sent {
        /// To whom.
        conn: ConnectionId,
        /// How many.
        len: usize,
    },
    /// The connection is gone. Ends every connection exactly once, whoever asked for it.
    Closed {
        /// Which.
        conn: ConnectionId,
        /// Why.
        cause: CloseCause,
    },
    /// The answer to [`Effect::Authenticate`].
    Authenticated {
        /// Whose.
        conn: ConnectionId,
        /// The answer.
        verdict: AuthVerdict,
    },
    /// A batch from another shard, in the order it was sent.
    Mail {
        /// The sender.
        from: ShardId,
        /// Its letters.
        mail: Mail,
    },
    /// What became of records that were handed to the store.
    Store(StoreEvent),
    /// Answers to [`Effect::Fetch`], each position once, in any order.
    Fetched(Vec<Fetched>),
    /// The time that [`Shard::next_deadline`](crate::Shard::next_deadline) told has come.
    DeadlineReached,
    /// Somebody in charge wants something.
    Command(Command),
    /// An operator wants to know or to do something; [`Effect::Answer`] follows.
    Request {
        /// Names it in the answer.
        id: RequestId,
        /// What.
        request: Request,
    },
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Effect {
    /// The connection has output ([`Shard::output`](crate::Shard::output)). Told once until the
    /// driver reports [`Input::Sent`].
    Transmit {
        /// Whose.
        conn: ConnectionId,
    },
    /// Send what output there is, then close; read no more. [`Input::Closed`] follows.
    Close {
        /// Which.
        conn: ConnectionId,
    },
    /// Check credentials off the shard's thread; [`Input::Authenticated`] follows.
    Authenticate {
        /// For whom.
        conn: ConnectionId,
        /// What to check.
        request: Box<AuthRequest>,
    },
    /// Move the connection to its home shard. The shard has forgotten it; no `Closed` follows here.
    Handover {
        /// The connection, as this shard's driver numbers it.
        conn: ConnectionId,
        /// Its home.
        to: ShardId,
        /// For [`Input::Adopted`] there.
        handover: Box<Handover>,
    },
    /// What became of an [`Input::Request`].
    Answer {
        /// Of which.
        id: RequestId,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Something that an operator may want to read. The driver logs it.
    Report(Report),
    /// Read records back from the store, off the shard's thread; [`Input::Fetched`] follows, in one
    /// or several pieces. Records of which the shard releases one meanwhile need not be there any
    /// more.
    Fetch {
        /// Where they are, in the order in which they are needed.
        positions: Vec<u64>,
    },
}

/// A connection on its way from the shard that accepted it to its home.
#[derive(Debug)]
pub struct Handover {
    /// Who.
    pub peer: Peer,
    /// All bytes received so far: a whole CONNECT and perhaps more.
    pub bytes: Vec<u8>,
}

/// Credentials to check.
#[derive(Debug)]
pub struct AuthRequest {
    /// Who asks.
    pub peer: Peer,
    /// The client id, as assigned if it came empty.
    pub client_id: Arc<str>,
    /// The user name, if given.
    pub user_name: Option<String>,
    /// The password, if given.
    pub password: Option<Vec<u8>>,
}

/// The answer to an [`AuthRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthVerdict {
    /// Let in.
    Allow {
        /// The user that the access rules see.
        user: Option<Arc<str>>,
        /// The groups of the user.
        groups: Arc<[Arc<str>]>,
    },
    /// Refused: user unknown or password wrong. Not told apart to the peer.
    BadCredentials,
    /// Refused: the check itself failed (backend unreachable).
    Unavailable,
    /// Refused: too many other credentials wait for a check.
    Busy,
}

/// What an operator or the driver can ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Use other access rules from now on. Subscriptions that they do not allow end.
    SetAccess(Arc<AccessRules>),
    /// Users have changed. Rules that were changed with them come along: what a client may do is
    /// never judged by new groups and old rules.
    UsersChanged {
        /// What changed; users that are not named have not.
        changes: Arc<BTreeMap<Arc<str>, UserChange>>,
        /// Other access rules to use from now on.
        access: Option<Arc<AccessRules>>,
    },
    /// Let others in, and others not, from now on. Clients that are banned and connected are
    /// disconnected.
    SetBans(Arc<BanList>),
    /// Use other limits from now on. What is over a lowered limit stays until it ends by itself.
    SetLimits(Arc<Limits>),
    /// Use other listener settings from now on.
    SetListeners(Arc<[ListenerSettings]>),
    /// End the session of a client, or only its connection.
    Disconnect {
        /// Whose.
        client_id: Arc<str>,
        /// Whether the session ends too.
        end_session: bool,
    },
    /// What the process uses, for `$SYS`.
    Process {
        /// Bytes of heap in use.
        heap_bytes: u64,
        /// The most it has been.
        heap_bytes_max: u64,
        /// Lines of the log that were lost so far.
        log_lines_lost: u64,
        /// What the store says of itself, if there is one.
        store: Option<StoreFigures>,
    },
    /// The driver refused connections before a shard knew of them. One shard is told.
    Refused {
        /// Why.
        outcome: Outcome,
        /// How many since it was last told.
        count: u64,
    },
    /// First step of a shutdown: take no connection any more and publish every Will.
    PublishWills,
    /// Second step: tell the clients and close.
    Shutdown,
}

/// What a store holds and what was found in it when the broker started, for `$SYS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// What was found at the start, in a sentence.
    pub recovered_text: Arc<str>,
    /// Sessions that were found.
    pub sessions_recovered: u64,
    /// Copies of messages that waited in them.
    pub messages_recovered: u64,
    /// Retained messages that were found.
    pub retained_recovered: u64,
    /// What had expired while the broker was down.
    pub expired: ExpiredCounts,
    /// How long all of it took.
    pub recovery_ms: u64,
    /// Places that are damaged.
    pub damaged: u64,
    /// Live records.
    pub records: u64,
    /// Their bytes on disk.
    pub live_bytes: u64,
    /// Bytes of all files.
    pub disk_bytes: u64,
    /// Commits so far.
    pub commits: u64,
    /// How the disk is, in a word.
    pub disk: &'static str,
}

/// What changed for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// It is gone. Its clients are disconnected, and their Wills are not published: there is no
    /// user left who may publish them.
    Removed,
    /// It has another password: its clients have to log in again. Its groups are these.
    Expelled(Arc<[Arc<str>]>),
    /// It is in other groups now.
    Groups(Arc<[Arc<str>]>),
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What happened.
    pub event: ReportEvent,
    /// The client, if known.
    pub client_id: Option<Arc<str>>,
    /// Its address, if connected.
    pub peer: Option<Peer>,
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportEvent {
    /// A client is connected.
    Connected {
        /// The protocol.
        version: columba_codec::Version,
        /// Whether a session was resumed.
        session_present: bool,
        /// Keep alive in force.
        keep_alive_secs: u16,
        /// The user it logged in as.
        user: Option<Arc<str>>,
    },
    /// A connection was refused before it was established.
    Refused {
        /// Why.
        outcome: Outcome,
        /// In words, with the facts.
        detail: String,
    },
    /// A connection waits before it is established.
    Delayed {
        /// Why.
        outcome: Outcome,
        /// In words, with the facts.
        detail: String,
    },
    /// An established connection ended.
    Disconnected {
        /// Why.
        outcome: Outcome,
        /// In words, with the facts.
        detail: String,
    },
    /// A publish, a subscription or a delivery was denied, dropped or delayed.
    Withheld {
        /// Why.
        outcome: Outcome,
        /// Topic or filter.
        topic: String,
        /// In words, with the facts.
        detail: String,
    },
    /// Reports were left out of the second before because there were too many.
    Suppressed {
        /// Clients that came or went.
        connections: u64,
        /// Connections that were refused, and messages and subscriptions that were withheld.
        faults: u64,
        /// The client of whose faults most were left out, and how many.
        most: Option<(Arc<str>, u64)>,
    },
}
