//! What this shard has begun and others may have a part in, and what follows when it is durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use columba_codec::{PacketId, PacketType, ReasonCode};

use super::drafts::{Drafts, Spares};
use super::line::Line;
use crate::connection::Connection;
use crate::id::{ConnectionId, ShardId};
use crate::journal::{RecordId, Settled};
use crate::kept::Kept;
use crate::limits::Promise;
use crate::mail::{Draft, ExchangeRef};
use crate::query::{Answer, RequestId};
use crate::routing::share::SessionRef;

/// Something that this shard has begun and that is not written yet.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Answers to come.
    pub(super) waiting: usize,
    pub(super) drafts: Drafts,
    pub(super) has_released: bool,
    pub(super) also: Also,
    pub(super) then: Then,
}

/// What goes to the store in the same step as the records of an exchange.
#[derive(Debug, Default)]
pub(super) enum Also {
    #[default]
    Nothing,
    /// That a QoS 2 message was received, if there are records.
    Received {
        session: SessionRef,
        packet_id: PacketId,
    },
    /// A copy that somebody else has now.
    Settle {
        kept: Kept,
        /// The record of its QoS 2 exchange.
        step: Option<RecordId>,
        /// Who had it.
        from: SessionRef,
        /// By which membership.
        membership: u32,
    },
    /// Records that what was written before this makes needless.
    End(Vec<RecordId>),
}

/// What follows when all of it is durable.
#[derive(Debug)]
pub(super) enum Then {
    Nothing,
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledge {
        conn: ConnectionId,
        packet: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
    },
    /// PUBACK or PUBREC that says no. Seldom, and larger than the others.
    Refuse(Box<Refused>),
    /// A session of this client is gone for good.
    Forgotten {
        client_id: Arc<str>,
    },
    /// SUBACK, if nothing else is missing.
    Applied {
        conn: ConnectionId,
        number: u64,
    },
    UnsubAck {
        conn: ConnectionId,
        packet_id: PacketId,
        codes: Vec<u8>,
    },
    /// An operator is answered. Seldom, and larger than the others, which wait by the thousand.
    Tell(Box<(RequestId, Answer)>),
    /// A copy was taken from somebody who had it on disk: whoever has it now may be sent it.
    Moved {
        to: ShardId,
        mark: RecordId,
    },
    /// The shard that began is answered.
    Answer {
        to: ExchangeRef,
        drafts: Vec<Draft>,
    },
}

/// A PUBLISH that is refused, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) conn: ConnectionId,
    pub(super) packet: PacketType,
    pub(super) packet_id: PacketId,
    pub(super) reason: ReasonCode,
    pub(super) detail: String,
}

impl Then {
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Acknowledge { conn, .. } | Self::UnsubAck { conn, .. } => Some(*conn),
            Self::Refuse(refused) => Some(refused.conn),
            Self::Nothing
            | Self::Forgotten { .. }
            | Self::Applied { .. }
            | Self::Tell(_)
            | Self::Moved { .. }
            | Self::Answer { .. } => None,
        }
    }

    /// The connection that is promised something with it.
    pub(super) const fn promised_to(&self) -> Option<ConnectionId> {
        match self {
            Self::Applied { conn, .. } => Some(*conn),
            _ => self.connection(),
        }
    }

    /// What has to be true of the store before it follows, on its connection if that is there.
    pub(super) fn promise_on(&self, connection: Option<&Connection>) -> Promise {
        match self {
            // A client that has heard of a step which is forgotten would take a message twice. One whose
            // packet id is free for it alone would have its next message taken for a repetition.
            Self::Acknowledge {
                packet: PacketType::PubRel | PacketType::PubComp,
                ..
            }
            | Self::Nothing
            | Self::Forgotten { .. }
            | Self::Tell(_)
            | Self::Moved { .. }
            | Self::Answer { .. } => Promise::Durable,
            Self::Acknowledge { .. }
            | Self::Refuse(_)
            | Self::Applied { .. }
            | Self::UnsubAck { .. } => {
                connection.map_or(Promise::Durable, |connection| connection.promise)
            }
        }
    }
}

/// What something that follows has to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) promise: Promise,
    /// The last batch that an earlier answer on the same connection waits for.
    pub(super) ticket: u64,
    /// Whether an earlier answer on the same connection waits longer than for its batch.
    pub(super) is_ending: bool,
}

/// Input that waits for the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldInput {
    /// The length of the packet that waits, the first one.
    pub(super) first_bytes: usize,
    /// So much was looked at for packets that need not wait.
    pub(super) looked_at_bytes: usize,
}

/// Exchanges in the order in which they began, and what waits for the disk.
#[derive(Debug)]
pub(super) struct Exchanges {
    /// Number of the first one in the queue; they count from 1.
    pub(super) first: u64,
    pub(super) queue: VecDeque<Exchange>,
    /// What waits until it is written.
    pub(super) written: Line,
    /// What waits until it is durable.
    pub(super) durable: Line,
    /// Memory for drafts.
    pub(super) spares: Spares,
    /// Memory for the records of other shards in a batch that is durable.
    pub(super) settled: Vec<Settled>,
    /// Sessions that hold messages back until the store has them, once each.
    pub(super) holding: Vec<SessionRef>,
    /// Connections whose input waits for the store.
    pub(super) held: Vec<ConnectionId>,
    /// What is known of that input, by the connection's index.
    pub(super) held_inputs: BTreeMap<u32, HeldInput>,
    /// Whether copies have become free to be sent that sessions hold back.
    pub(super) has_moved: bool,
}

impl Exchanges {
    pub(super) fn new() -> Self {
        Self {
            first: 1,
            queue: VecDeque::new(),
            written: Line::new(Promise::Written),
            durable: Line::new(Promise::Durable),
            spares: Spares::default(),
            settled: Vec::new(),
            holding: Vec::new(),
            held: Vec::new(),
            held_inputs: BTreeMap::new(),
            has_moved: false,
        }
    }

    pub(super) fn push(&mut self, exchange: Exchange) -> u64 {
        self.queue.push_back(exchange);
        self.first + self.queue.len() as u64 - 1
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Exchange> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.queue.get_mut(place)
    }

    /// Lets go of what waits for the store, and gives back what has begun.
    pub(super) fn give_up(&mut self) -> VecDeque<Exchange> {
        self.first += self.queue.len() as u64;
        self.written = Line::new(Promise::Written);
        self.durable = Line::new(Promise::Durable);
        self.holding = Vec::new();
        std::mem::take(&mut self.queue)
    }

    /// What waits for a promise.
    pub(super) const fn line(&mut self, promise: Promise) -> &mut Line {
        match promise {
            Promise::Written => &mut self.written,
            Promise::Durable | Promise::Nothing => &mut self.durable,
        }
    }

    /// How much waits for other shards or for the store.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.written.len() + self.durable.len()
    }

    /// Whether an exchange is not written yet.
    pub(super) fn is_open(&self, number: u64) -> bool {
        (self.first..self.first + self.queue.len() as u64).contains(&number)
    }
}
