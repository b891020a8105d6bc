//! Letters between shards. Between two shards they keep their order.

use std::sync::Arc;

use crate::id::ShardId;
use crate::journal::{Owner, RecordId};
use crate::message::{Head, Message};
use crate::now::Now;
use crate::routing::share::SessionRef;
use crate::stats::Stats;
use crate::work::Find;

/// Letters from one shard to another, in the order they were written. The driver carries them and
/// never looks inside.
///
/// Messages that nobody has kept so far lie in one buffer behind one another: carrying one costs
/// a copy and no allocation, and its memory is not freed by another thread than took it.
#[derive(Debug, Default)]
pub struct Mail {
    pub(crate) letters: Vec<Letter>,
    /// The bytes of [`Letter::PublishCopied`] and [`Letter::AnsweredCopied`], in order.
    pub(crate) bytes: Vec<u8>,
    /// What [`Letter::Stored`] tells, in order: records of the receiver, and where they are.
    pub(crate) stored: Vec<(RecordId, u64)>,
    /// Bytes of what the letters refer to, as often as they do.
    pub(crate) referred_bytes: usize,
    /// The sender's time when it was handed out: what it tells had happened by then.
    pub(crate) sent: Now,
}

impl Mail {
    /// Letters in it.
    pub const fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Bytes of its letters and of the messages, filters and names that they carry or refer to.
    pub const fn size_bytes(&self) -> usize {
        self.letters.len() * size_of::<Letter>()
            + self.bytes.len()
            + self.stored.len() * size_of::<(RecordId, u64)>()
            + self.referred_bytes
    }

    /// Adds later letters of the same sender to the same receiver.
    pub fn append(&mut self, mut later: Self) {
        self.letters.append(&mut later.letters);
        self.bytes.append(&mut later.bytes);
        self.stored.append(&mut later.stored);
        self.referred_bytes += later.referred_bytes;
        self.sent = self.sent.or_later(later.sent);
    }

    /// Adds a letter whose bytes, if it has any, are in [`Mail::bytes`] already.
    pub(crate) fn push(&mut self, letter: Letter) {
        self.referred_bytes += letter.referred_bytes();
        self.letters.push(letter);
    }

    /// Tells the receiver where a record is that the sender wrote for it.
    pub(crate) fn push_stored(&mut self, record: RecordId, position: u64) {
        self.stored.push((record, position));
        if let Some(Letter::Stored { count }) = self.letters.last_mut() {
            *count += 1;
        } else {
            self.push(Letter::Stored { count: 1 });
        }
    }

    /// Makes it empty and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.letters.clear();
        self.bytes.clear();
        self.stored.clear();
        self.referred_bytes = 0;
    }

    /// Bytes of memory that it holds.
    pub(crate) const fn capacity_bytes(&self) -> usize {
        self.letters.capacity() * size_of::<Letter>()
            + self.bytes.capacity()
            + self.stored.capacity() * size_of::<(RecordId, u64)>()
    }
}

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

/// Something that a shard has begun and others have a part in: what they want to be written is
/// written by the shard that began it, in one step with its own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeRef {
    /// The shard that began it.
    pub(crate) shard: ShardId,
    /// Which it is there.
    pub(crate) number: u64,
    /// Whether it takes a copy of QoS 2 from a session that has it on disk: nobody may be sent it before
    /// the disk knows.
    pub(crate) is_moving: bool,
}

/// A record that another shard than its owner writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Whose it is.
    pub(crate) owner: Owner,
    /// What to write. Nothing, if the owner has no record but is to be told when all of the exchange is
    /// durable.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Letter {
    /// The sender has its first, or no more, subscribers of a filter.
    Interest {
        filter: Arc<str>,
        is_interested: bool,
        /// Whether a session that outlives the process is among them.
        is_durable: bool,
        ticket: Option<Ticket>,
    },
    /// One shard has taken in what a SUBSCRIBE changed.
    Applied { number: u64 },
    /// A message for the receiver's subscribers.
    Publish {
        message: Message,
        exchange: Option<ExchangeRef>,
    },
    /// The same, its topic, properties and payload being the next `len_bytes` of [`Mail::bytes`].
    PublishCopied {
        head: Head,
        len_bytes: u32,
        exchange: Option<ExchangeRef>,
    },
    /// A message to retain, or to clear if its payload is empty.
    Retain {
        message: Message,
        exchange: Option<ExchangeRef>,
    },
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
        /// Whether a session that outlives the process is, or was, among them.
        is_durable: bool,
        ticket: Option<Ticket>,
    },
    /// A message for a group that the receiver owns; `not` could not keep it.
    Share {
        group: GroupRef,
        message: Message,
        not: Option<SessionRef>,
        exchange: Option<ExchangeRef>,
    },
    /// A message for a member that lives on the receiver. The members in `refused` may not have it.
    Assign {
        group: GroupRef,
        message: Message,
        session: SessionRef,
        refused: Vec<SessionRef>,
        exchange: Option<ExchangeRef>,
    },
    /// A message comes back to its group's owner: the last of these members may not have it either.
    Refused {
        group: GroupRef,
        message: Message,
        refused: Vec<SessionRef>,
        exchange: Option<ExchangeRef>,
    },
    /// A member of groups that the receiver owns is connected or not, and takes so many messages at
    /// a time.
    MemberState {
        session: SessionRef,
        is_online: bool,
        room: u32,
    },
    /// A member has settled one message.
    Settled {
        group: GroupRef,
        session: SessionRef,
    },
    /// What the sender's part in an exchange wants to be written; perhaps nothing.
    Answered { number: u64, drafts: Vec<Draft> },
    /// The same, if that is one record of the sender's, which is the next `len_bytes` of
    /// [`Mail::bytes`].
    AnsweredCopied {
        number: u64,
        record: RecordId,
        len_bytes: u32,
    },
    /// Records of the receiver that the sender wrote are durable: the next `count` of
    /// [`Mail::stored`].
    Stored { count: u32 },
    /// What a copy of the receiver was taken from is gone from the disk.
    Moved { mark: RecordId },
    /// The sender's counters, for `$SYS`.
    Stats(Box<Stats>),
}

impl Letter {
    /// Bytes of the messages, filters and names behind it, shared or not.
    fn referred_bytes(&self) -> usize {
        let group_bytes = |group: &GroupRef| group.filter.len() + group.name.len();
        match self {
            Self::Publish { message, .. } | Self::Retain { message, .. } => message.size_bytes(),
            Self::Interest { filter, .. } => filter.len(),
            Self::RetainedFind { find, .. } => {
                find.filter.len() + find.after.as_deref().map_or(0, str::len)
            }
            Self::RetainedFound { page, next, .. } => {
                let page: usize = page.iter().map(Message::size_bytes).sum();
                page + next.as_deref().map_or(0, str::len)
            }
            Self::Join { group, .. }
            | Self::Leave { group, .. }
            | Self::Group { group, .. }
            | Self::Settled { group, .. } => group_bytes(group),
            Self::Share { group, message, .. } => group_bytes(group) + message.size_bytes(),
            Self::Assign {
                group,
                message,
                refused,
                ..
            }
            | Self::Refused {
                group,
                message,
                refused,
                ..
            } => {
                group_bytes(group) + message.size_bytes() + refused.len() * size_of::<SessionRef>()
            }
            Self::Answered { drafts, .. } => {
                let drafts = drafts.iter().map(|draft| draft.bytes.len());
                drafts.map(|bytes| bytes + size_of::<Draft>()).sum()
            }
            Self::Stats(_) => size_of::<Stats>(),
            Self::PublishCopied { .. }
            | Self::AnsweredCopied { .. }
            | Self::Stored { .. }
            | Self::Applied { .. }
            | Self::Moved { .. }
            | Self::MemberState { .. } => 0,
        }
    }
}

/// A member that joins.
#[derive(Clone, Debug)]
pub(crate) struct NewMember {
    pub(crate) session: SessionRef,
    pub(crate) is_online: bool,
    pub(crate) room: u32,
    /// Whether it outlives the process.
    pub(crate) is_durable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    #[test]
    fn records_that_are_durable_are_told_in_few_letters_and_keep_their_order() {
        let mut journal = Journal::new(true);
        let records: Vec<RecordId> = (0..5).map(|_| journal.reserve()).collect();
        let told = |records: &[RecordId]| {
            let mut mail = Mail::default();
            for record in records {
                mail.push_stored(*record, u64::from(record.value()));
            }
            mail
        };
        let (first, later) = records.split_at(3);
        let mut mail = told(first);
        let size_bytes = mail.size_bytes();
        assert!(size_bytes > 3 * size_of::<(RecordId, u64)>());
        mail.append(told(later));
        assert!(mail.size_bytes() > size_bytes);
        let counts = mail.letters.iter().map(|letter| match letter {
            Letter::Stored { count } => *count,
            other => panic!("{other:?}"),
        });
        assert!(counts.eq([3, 2]));
        assert!(mail.stored.iter().map(|(record, _)| *record).eq(records));
        mail.clear();
        assert_eq!((mail.size_bytes(), mail.is_empty()), (0, true));
    }
}
