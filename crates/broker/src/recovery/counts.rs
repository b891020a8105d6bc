//! What a start has found, counted for people: what expired while nobody was there is counted by itself.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::QoS;

use super::FoundSession;
use crate::now::Now;
use crate::record::{Recipient, SessionNumber, Step};

/// What was found, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveredCounts {
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions, shared ones included.
    pub subscriptions: u64,
    /// Copies of messages that wait in sessions, unfinished deliveries included.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
    /// What was there as well and is over: the shards end and drop it at once.
    pub expired: ExpiredCounts,
    /// Records that mean nothing to this program.
    pub unusable: u64,
}

/// What expired while the broker was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredCounts {
    /// Sessions.
    pub sessions: u64,
    /// Copies of messages that waited, those in such sessions included.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
}

impl ExpiredCounts {
    /// Whether nothing expired.
    pub const fn is_empty(&self) -> bool {
        let Self {
            sessions,
            queued,
            retained,
        } = *self;
        sessions == 0 && queued == 0 && retained == 0
    }
}

/// Counts what is dealt out, in this order: sessions, messages, retained messages.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: RecoveredCounts,
    ended: BTreeSet<SessionNumber>,
    /// Expired copies of QoS 1, by session, that nothing newer of it has shown to have been sent.
    unsent: BTreeMap<SessionNumber, u64>,
}

impl Tally {
    pub(super) fn session(&mut self, session: &FoundSession, now: Now) {
        if session.has_expired(now) {
            self.ended.insert(session.number);
            self.counts.expired.sessions += 1;
            return;
        }
        self.counts.sessions += 1;
        self.counts.subscriptions += session.subscriptions.len() as u64;
    }

    /// A copy in a session, in the order of the messages.
    pub(super) fn copy(&mut self, recipient: &Recipient, has_expired: bool) {
        let session = recipient.session;
        let RecoveredCounts {
            queued, expired, ..
        } = &mut self.counts;
        if self.ended.contains(&session) {
            expired.queued += 1;
            return;
        }
        match recipient.step {
            Step::Queued if has_expired => {
                expired.queued += 1;
                if recipient.qos == QoS::AtLeastOnce {
                    *self.unsent.entry(session).or_default() += 1;
                }
            }
            Step::Queued => *queued += 1,
            // What has begun goes on whatever the time is, and so does QoS 1 that is older: it was sent
            // before.
            Step::Sent(_) | Step::Released(_) => {
                let sent = self.unsent.remove(&session).unwrap_or_default();
                expired.queued -= sent;
                *queued += 1 + sent;
            }
        }
    }

    pub(super) fn retained(&mut self, has_expired: bool) {
        let RecoveredCounts {
            retained, expired, ..
        } = &mut self.counts;
        *match has_expired {
            true => &mut expired.retained,
            false => retained,
        } += 1;
    }
}
