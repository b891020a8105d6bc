//! Letters between shards. Between two shards they keep their order.

use std::sync::Arc;

use crate::event::ShardId;
use crate::message::Message;
use crate::routing::share::SessionRef;
use crate::stats::Stats;
use crate::work::Find;

/// A letter from one shard to another. The driver carries it and never looks inside.
#[derive(Debug)]
pub struct Mail(pub(crate) Letter);

/// A shared group: its filter and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRef {
    pub(crate) filter: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// A SUBSCRIBE that waits for other shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Where it waits.
    pub(crate) shard: ShardId,
    /// Which it is there.
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(crate) enum Letter {
    /// The sender has its first, or no more, subscribers of a filter.
    Interest {
        filter: Arc<str>,
        is_interested: bool,
        ticket: Option<Ticket>,
    },
    /// One shard has taken in what a SUBSCRIBE changed.
    Applied { number: u64 },
    /// A message for the receiver's subscribers.
    Publish { message: Message },
    /// A message to retain, or to clear if its payload is empty.
    Retain { message: Message },
    /// A page of retained messages is wanted for a session.
    RetainedFind { session: SessionRef, find: Find },
    /// Here it is.
    RetainedFound {
        session: SessionRef,
        number: u32,
        page: Vec<Message>,
        /// The topic behind which the next page starts; `None` if there is no more.
        next: Option<Arc<str>>,
    },
    /// A session joins a group that the receiver owns.
    Join {
        group: GroupRef,
        member: NewMember,
        ticket: Ticket,
    },
    /// A session leaves it.
    Leave {
        group: GroupRef,
        session: SessionRef,
    },
    /// A group that the sender owns has its first, or no more, members.
    Group {
        group: GroupRef,
        exists: bool,
        ticket: Option<Ticket>,
    },
    /// A message for a group that the receiver owns; `not` could not keep it.
    Share {
        group: GroupRef,
        message: Message,
        not: Option<SessionRef>,
    },
    /// A message for a member that lives on the receiver. The members in `refused` may not have it.
    Assign {
        group: GroupRef,
        message: Message,
        session: SessionRef,
        refused: Vec<SessionRef>,
    },
    /// A message comes back to its group's owner: the last of these members may not have it either.
    Refused {
        group: GroupRef,
        message: Message,
        refused: Vec<SessionRef>,
    },
    /// A member is connected or not, and takes so many messages at a time.
    MemberState {
        group: GroupRef,
        session: SessionRef,
        is_online: bool,
        room: u32,
    },
    /// A member has settled one message.
    Settled {
        group: GroupRef,
        session: SessionRef,
    },
    /// The sender's counters, for `$SYS`.
    Stats(Box<Stats>),
}

/// A member that joins.
#[derive(Clone, Debug)]
pub(crate) struct NewMember {
    pub(crate) session: SessionRef,
    pub(crate) is_online: bool,
    pub(crate) room: u32,
}
