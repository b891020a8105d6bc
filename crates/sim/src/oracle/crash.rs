//! What of the model outlives the broker: what was acknowledged, for sure; what was not, perhaps.

use std::collections::BTreeMap;

use columba_codec::QoS;

use super::truth::What;
use super::{Ending, Oracle, OwedMessage, Phase, Said, Session, Will, id_of};
use crate::checks::effects::Effects;
use crate::checks::will::Wills;

/// How far the records of each shard have come, by ticket.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    taken: Vec<u64>,
    committed: Vec<u64>,
    reported: Vec<u64>,
}

/// A change of a session: what the store is told of it is in this batch of this shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    shard: usize,
    ticket: u64,
}

impl Progress {
    fn next(&self, shard: usize) -> Saved {
        let ticket = self.taken.get(shard).copied().unwrap_or(0) + 1;
        Saved { shard, ticket }
    }

    fn is_reported(&self, saved: Saved) -> bool {
        let reported = self.reported.get(saved.shard).copied().unwrap_or(0);
        reported >= saved.ticket
    }

    fn is_sure(&self, saved: Saved) -> bool {
        let committed = self.committed.get(saved.shard).copied().unwrap_or(0);
        committed >= saved.ticket
    }
}

impl Oracle {
    /// A shard has handed over a batch.
    pub(crate) fn taken(&mut self, shard: usize, ticket: u64) {
        let taken = &mut self.progress.taken;
        taken.resize(taken.len().max(shard + 1), 0);
        taken[shard] = ticket;
    }

    /// A batch and all before it are in the log.
    pub(crate) fn committed(&mut self, shard: usize, ticket: u64) {
        let committed = &mut self.progress.committed;
        committed.resize(committed.len().max(shard + 1), 0);
        committed[shard] = committed[shard].max(ticket);
    }

    /// A shard has heard of a batch.
    pub(crate) fn reported(&mut self, shard: usize, ticket: u64) {
        let reported = &mut self.progress.reported;
        reported.resize(reported.len().max(shard + 1), 0);
        reported[shard] = ticket;
    }

    /// The batch that tells the store of what happens to a session now.
    pub(crate) fn now_saved(&self) -> Saved {
        self.progress.next(self.shard)
    }

    /// A session has ended: until the store knows it may come back.
    pub(crate) fn keep_ghost(&mut self, client_id: &str, session: Session) {
        if self.is_durable && session.has_lasted {
            // What is released before its position is known is released later.
            let is_recorded = self.progress.is_reported(session.saved);
            let ghost = Ghost {
                ended: self.now_saved(),
                is_recorded,
                session,
            };
            self.ended.push((client_id.to_owned(), ghost));
        }
    }

    /// The broker died, and another process goes on with so many shards. What it had said to be less
    /// safe than `least` may be gone.
    pub(crate) fn crash(&mut self, now_ms: u64, shards: u16, least: Said) {
        self.now_ms = now_ms;
        self.crashes += 1;
        self.truth.crash(now_ms);
        self.crashed_at = self.sequence;
        for conn in &mut self.conns {
            conn.phase = Phase::Closed;
        }
        let is_moved = usize::from(shards) != self.shards;
        self.shards = usize::from(shards);
        self.held.clear();
        self.operators.crash();
        self.effects = Effects::default();
        self.wills = Wills::default();
        self.retained.crash(least);
        for message in self.messages.values_mut() {
            message.is_expiry_open |= self.has_jumped;
            // A Will may be published once more, whatever has become of it.
            message.extra += u64::from(message.is_will);
        }
        self.wills.open += (self.sessions.len() + self.ended.len()) as u64;
        let mut ghosts = BTreeMap::new();
        for (client_id, ghost) in std::mem::take(&mut self.ended) {
            if ghost.is_recorded && self.progress.is_sure(ghost.ended) {
                continue;
            }
            ghosts.insert(client_id, ghost.session);
        }
        for (client_id, session) in std::mem::take(&mut self.sessions) {
            if session.expiry_secs == 0 && !session.has_lasted {
                self.groups.gone(&session);
                continue;
            }
            let has_ended = session.expiry_secs == 0;
            let session = self.survive(&client_id, session, is_moved, least);
            if has_ended {
                // What says so may not have come to the disk.
                ghosts.insert(client_id, session);
                continue;
            }
            if !session.is_doubtful {
                ghosts.remove(&client_id);
            }
            self.sessions.insert(client_id, session);
        }
        let mut wills = Vec::new();
        for (client_id, session) in &mut ghosts {
            session.past_wills.extend(session.will.take());
            let all = session.past_wills.iter();
            wills.extend(all.map(|will| (client_id.clone(), will.clone())));
        }
        for (client_id, will) in wills {
            self.maybe_publish(&client_id, &will);
        }
        // Older ghosts may have survived the last crash and not this one: nobody saw them.
        for (client_id, ghost) in std::mem::take(&mut self.ghosts) {
            for will in &ghost.past_wills {
                self.maybe_publish(&client_id, will);
            }
            if self
                .sessions
                .get(&client_id)
                .is_none_or(|of| of.is_doubtful)
            {
                ghosts.entry(client_id).or_insert(ghost);
            }
        }
        self.truth.haunted = ghosts.keys().cloned().collect();
        self.ghosts = ghosts;
        let acknowledged = |id: &u64, owed: &OwedMessage| {
            let message = self.messages.get(id);
            message.is_some_and(|of| of.acknowledged.max(owed.told) >= least)
        };
        self.groups
            .crash(&self.sessions, &self.ghosts, acknowledged);
        self.progress = Progress {
            taken: vec![0; usize::from(shards)],
            committed: vec![0; usize::from(shards)],
            reported: vec![0; usize::from(shards)],
        };
    }

    /// What is left of a session that outlives the process.
    fn survive(
        &mut self,
        client_id: &str,
        mut session: Session,
        is_moved: bool,
        least: Said,
    ) -> Session {
        let is_made = session.subscribed >= least || self.progress.is_sure(session.made);
        let is_saved = is_made && self.progress.is_sure(session.saved);
        let was_online = session.conn.take().is_some();
        let is_finite = session.expiry_secs != u32::MAX;
        let is_short = session.expiry_secs < 60 || self.has_jumped;
        // Whose deadlines are whose is not known while there are other shards.
        let is_time_open = is_moved || (!was_online && self.has_jumped);
        if !is_made || (is_finite && !is_saved && is_short) {
            session.is_doubtful = true;
        }
        if is_finite && is_short && is_time_open {
            session.is_doubtful = true;
        }
        if was_online || session.is_doubtful {
            session.disconnected_ms = self.now_ms;
        }
        // A Will whose fate was open at the last crash is there until the session is saved anew.
        let is_anew = session.is_saved_anew || session.past_wills.is_empty();
        if is_saved && is_anew && !session.is_doubtful && !is_time_open {
            session.past_wills.clear();
        } else {
            session.past_wills.extend(session.will.take());
            for will in session.past_wills.clone() {
                self.maybe_publish(client_id, &will);
            }
        }
        if is_moved {
            session.home = usize::MAX;
        }
        session.made = Saved::default();
        // Who was connected is saved without a connection at once.
        session.saved = Saved {
            shard: session.home,
            ticket: u64::from(was_online || !is_saved),
        };
        session.is_saved_anew = false;
        session.has_crashed = true;
        session.order.crashed();
        // Other rules hold now, until they are set again.
        session
            .forbidden
            .values_mut()
            .for_each(|is_since| *is_since = true);
        // Only what was acknowledged is there for sure.
        let is_doubtful = session.is_doubtful;
        let messages = &self.messages;
        session.owed.retain(|id, owed| {
            !is_doubtful
                && owed.qos != QoS::AtMostOnce
                && messages
                    .get(id)
                    .is_some_and(|of| of.acknowledged.max(owed.told) >= least)
        });
        let all = std::mem::take(&mut session.subscriptions);
        for (filter, subscription) in all {
            if subscription.sure >= least {
                session.subscriptions.insert(filter, subscription);
            } else {
                session.unsure.insert(filter);
            }
        }
        let all = std::mem::take(&mut session.shared);
        for (filter, subscription) in all {
            if subscription.sure >= least {
                session.shared.insert(filter, subscription);
            } else {
                session.unsure.insert(filter);
            }
        }
        session.unsure.append(&mut session.leaving);
        let left = std::mem::take(&mut session.left);
        let back = left.into_iter().filter(|(_, said)| *said < least);
        session.unsure.extend(back.map(|(filter, _)| filter));
        for subscription in session.subscriptions.values_mut() {
            // An option that was about to change may be the old or the new one.
            subscription.is_acknowledged &= subscription.settled >= least;
        }
        // Packet ids of QoS 1 are given out anew; an exchange of QoS 2 may be a step back.
        let unsettled = std::mem::take(&mut session.unsettled);
        let exact = unsettled
            .into_iter()
            .filter(|(_, sent)| sent.qos == QoS::ExactlyOnce);
        session.perhaps.extend(exact);
        let received = std::mem::take(&mut session.received);
        session.received_perhaps.extend(received);
        session
    }

    /// A Will that may or may not be published.
    pub(crate) fn maybe_publish(&mut self, client_id: &str, will: &Will) {
        self.wills.open += 1;
        let id = id_of(&will.payload);
        let message = super::sessions::will_message(client_id, will);
        if will.retain {
            self.retained.perhaps(&message.topic, id);
        }
        let Some(id) = id else { return };
        self.messages.entry(id).or_insert(message).extra += 1;
    }

    /// A session that is not there for sure is there, or not.
    pub(crate) fn resolve(&mut self, client_id: &str, is_present: bool) {
        let ghost = self.ghosts.remove(client_id);
        let Some(session) = self.sessions.get_mut(client_id) else {
            if let Some(mut ghost) = ghost.filter(|_| is_present) {
                // Its client was never told that it had ended, so it still knows it.
                let received = std::mem::take(&mut ghost.received);
                ghost.received_perhaps.extend(received);
                ghost.unsettled.clear();
                ghost.home = self.shard;
                ghost.conn = None;
                ghost.is_loose = true;
                ghost.owed.clear();
                self.sessions.insert(client_id.to_owned(), ghost);
            }
            return;
        };
        if !session.is_doubtful {
            return;
        }
        session.is_doubtful = false;
        session.is_loose |= ghost.is_some();
        if is_present {
            return;
        }
        self.wills.open += 1;
        if let Some(session) = self.sessions.remove(client_id) {
            let ended = What::Ended(Ending::Crash);
            self.truth.note(client_id, self.now_ms, ended);
            self.leave_groups(&session, client_id);
        }
    }
}

/// A session that has ended and may come back.
#[derive(Debug)]
pub(crate) struct Ghost {
    ended: Saved,
    is_recorded: bool,
    pub(super) session: Session,
}
