//! Sessions whose own record a damaged store has lost: what names them is kept, and told.
//!
//! Records name a session by a number, and which client that is stands in the session's record alone.
//! Without it nobody can be given the subscriptions and messages, but an operator can export them.
//! Without damage, what names a session that is not there is left over from one that has ended.

use std::collections::{BTreeMap, BTreeSet};

use super::deal::Parts;
use super::{Recovered, Recovery};
use crate::id::ShardId;
use crate::journal::Records;
use crate::record::{Record, SessionNumber};
use crate::routing::share::SessionRef;

/// A session whose record is gone, and what is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostSession {
    /// How records name it.
    pub number: u64,
    /// Filters of its subscriptions, as its client wrote them, sorted.
    pub subscriptions: BTreeSet<String>,
    /// Copies of messages that waited in it, unfinished deliveries included.
    pub messages: u64,
    /// Whether an operator lets go of it now.
    pub(super) is_discarded: bool,
}

/// Stands for the shard of sessions that no shard has.
pub(super) const NO_SHARD: ShardId = ShardId(u16::MAX);

const NOWHERE: SessionRef = SessionRef {
    shard: NO_SHARD,
    slot: 0,
    serial: 0,
};

impl Recovery {
    /// Tells that records were lost that may have been those of sessions: what names a session that
    /// is not there is kept then.
    pub fn expect_lost(&mut self) {
        self.is_damaged = true;
    }

    /// What is to be committed before damage goes that no start has seen: that the sessions are lost
    /// which it has cost. How many these are, too.
    pub fn mark_lost(mut self) -> (usize, Records) {
        let mut parts = Parts::new(1, 0, self.now);
        self.is_damaged = true;
        self.find_lost(&mut parts);
        let marks = Records {
            releases: Vec::new(),
            ..parts.repair
        };
        (parts.lost.len(), marks)
    }

    /// Lets go of what earlier starts have kept of lost sessions: gives these, and what is to be
    /// committed for it.
    pub fn discard_lost(mut self) -> Recovered {
        self.discards_lost = true;
        let seed = self.seed();
        let mut recovered = self.finish(1, seed.unwrap_or_default());
        recovered.lost.retain(|lost| lost.is_discarded);
        recovered
    }

    /// Finds the sessions that are named and not there.
    pub(super) fn find_lost(&mut self, parts: &mut Parts) {
        let marked = std::mem::take(&mut self.lost);
        if !self.is_damaged && marked.is_empty() {
            return;
        }
        let named = self.named_sessions().into_iter();
        let gone = named.filter(|number| *number != 0 && !self.sessions.contains_key(number));
        for number in gone.filter(|of| self.is_damaged || marked.contains_key(of)) {
            let is_discarded = self.discards_lost && marked.contains_key(&number);
            if !is_discarded {
                parts.places.insert(number, NOWHERE);
            }
            let lost = LostSession {
                number,
                is_discarded,
                ..LostSession::default()
            };
            parts.lost.insert(number, lost);
            if !marked.contains_key(&number) {
                parts.write(&Record::Lost {
                    session: number,
                    found_at_unix_ms: self.now.unix_ms,
                });
            }
        }
        let is_over = |of: &SessionNumber| parts.lost.get(of).is_none_or(|lost| lost.is_discarded);
        let over = marked.into_iter().filter(|(number, _)| is_over(number));
        parts
            .repair
            .releases
            .extend(over.map(|(_, position)| position));
    }

    /// The sessions that subscriptions and open copies of messages name.
    fn named_sessions(&mut self) -> BTreeSet<SessionNumber> {
        let subscriptions = self.subscriptions.iter();
        let mut named: BTreeSet<_> = subscriptions.map(|of| of.session).collect();
        for (_, settled) in self.settled.values_mut() {
            settled.sort_unstable();
        }
        let messages = self.messages.iter().map(|(at, message)| (*at, message));
        let moved = self.moved.iter().map(|((_, at), message)| (*at, message));
        for (position, message) in messages.chain(moved) {
            let settled = self.settled.get(&position);
            for (place, recipient) in (0u32..).zip(&message.recipients) {
                if settled.is_none_or(|(_, done)| done.binary_search(&place).is_err()) {
                    named.insert(recipient.session);
                }
            }
        }
        named
    }
}

/// Notes a record of a session: whether it is a lost one whose records stay.
pub(super) fn keeps(
    lost: &mut BTreeMap<SessionNumber, LostSession>,
    session: SessionNumber,
    filter: Option<String>,
) -> bool {
    let Some(lost) = lost.get_mut(&session) else {
        return false;
    };
    lost.subscriptions.extend(filter);
    !lost.is_discarded
}
