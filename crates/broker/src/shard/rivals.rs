//! Programs that share a client id, and throw each other out again and again.
//!
//! Each CONNECT with the id ends the connection before it (`MQTT-3.1.4-3`), whose program connects
//! again at once. Nothing can make both of them happy, but they can be slowed down: after a few
//! takeovers within two minutes whoever is connected stays for a while, longer each time up to a
//! limit, and a newcomer waits until that is over. It has taken nothing until then: the other one is
//! served as before. When that leaves by itself, nobody waits any longer.
//!
//! The while counts from the last takeover, not from the newcomer's CONNECT: a client that gives up
//! and tries again, or comes again before its dead connection was noticed, loses no time by it, and
//! one that stays longer than that does not wait at all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Shard;
use super::connect::Admission;
use super::faults::Whose;
use crate::connection::{State, Waiting};
use crate::event::{Peer, ReportEvent};
use crate::hash::hash_of;
use crate::id::ConnectionId;
use crate::outcome::Outcome;
use crate::recorder::Facts;
use crate::session::Identity;
use crate::timer::Timer;

/// Takeovers at once, or within [`WINDOW_MS`], that nobody waits for: of a client that comes back
/// before its dead connection was noticed, a few times on a bad network.
const TAKEOVERS_FREE: u64 = 5;

/// How long takeovers are remembered that are as many as are free.
const WINDOW_MS: u64 = 120_000;

/// How long the first one stays that is not thrown out at once; each takeover doubles it.
const STAY_MS_MIN: u64 = 500;

/// The longest, whatever is configured.
const STAY_MS_MAX: u64 = 60_000;

// Nobody waits any more for a client id whose takeovers are all forgotten.
const _: () = assert!(STAY_MS_MAX < (TAKEOVERS_FREE - 1) * TAKEOVER_MS);

/// Client ids of a shard that are watched at a time; those above change hands without a delay.
const RIVALS_MAX: usize = 4096;

/// After this long a takeover counts no more.
const TAKEOVER_MS: u64 = WINDOW_MS / TAKEOVERS_FREE;

/// Takeovers that are counted at most, so that peace is believed in after a while.
const TAKEOVERS_MAX: u64 = TAKEOVERS_FREE + 5;

/// Client ids that have changed hands lately.
#[derive(Debug, Default)]
pub(super) struct Rivals(BTreeMap<Arc<str>, Rivalry>);

/// One of them.
#[derive(Debug, Default)]
struct Rivalry {
    /// When its takeovers are forgotten, all of them: [`TAKEOVER_MS`] for each.
    until_ms: u64,
    /// When it changed hands last.
    last_ms: u64,
    /// The connection that waits to take over, the newest one; it may be gone.
    waiting: Option<(ConnectionId, Arc<Identity>)>,
}

impl Rivalry {
    const fn takeovers(&self, now_ms: u64) -> u64 {
        self.until_ms.saturating_sub(now_ms).div_ceil(TAKEOVER_MS)
    }

    /// How long whoever is connected stays yet.
    fn stay_ms(&self, now_ms: u64, most_ms: u64) -> u64 {
        let until_ms = self.last_ms + stay_ms(self.takeovers(now_ms), most_ms);
        until_ms.saturating_sub(now_ms)
    }
}

/// How long a connection stays, from its CONNACK on, after so many takeovers.
fn stay_ms(takeovers: u64, most_ms: u64) -> u64 {
    match takeovers.checked_sub(TAKEOVERS_FREE) {
        Some(above) => {
            let stay_ms = STAY_MS_MIN << above.min(TAKEOVERS_MAX);
            stay_ms.min(most_ms).min(STAY_MS_MAX)
        }
        None => 0,
    }
}

impl Rivals {
    /// A client id changed hands.
    fn count(&mut self, client_id: &Arc<str>, now_ms: u64) {
        if !self.0.contains_key(client_id) && self.0.len() >= RIVALS_MAX {
            self.0.retain(|_, rivalry| rivalry.until_ms > now_ms);
            if self.0.len() >= RIVALS_MAX {
                return;
            }
        }
        let rivalry = self.0.entry(Arc::clone(client_id)).or_default();
        let until_ms = rivalry.until_ms.max(now_ms) + TAKEOVER_MS;
        rivalry.until_ms = until_ms.min(now_ms + TAKEOVERS_MAX * TAKEOVER_MS);
        rivalry.last_ms = now_ms;
    }

    /// Client ids that change hands so often that the next to come has to wait.
    pub(super) fn loops(&self, now_ms: u64) -> usize {
        let rivals = self.0.values();
        let is_loop = |of: &&Rivalry| of.takeovers(now_ms) >= TAKEOVERS_FREE;
        rivals.filter(is_loop).count()
    }

    /// Who waits, by client id.
    pub(super) fn waiting_mut(
        &mut self,
    ) -> impl Iterator<Item = (&Arc<str>, &mut (ConnectionId, Arc<Identity>))> {
        let rivals = self.0.iter_mut();
        rivals.filter_map(|(client_id, rivalry)| Some((client_id, rivalry.waiting.as_mut()?)))
    }

    /// The connection that waits for a client id, if it is still there.
    fn waiting_for(&self, client_id: &str) -> Option<ConnectionId> {
        let waiting = self.0.get(client_id)?.waiting.as_ref()?;
        Some(waiting.0)
    }
}

impl Shard {
    /// A connection was taken over.
    pub(super) fn count_takeover(&mut self, client_id: &Arc<str>) {
        self.rivals.count(client_id, self.now.mono_ms);
    }

    /// Whether a client waits before it takes over the connection that there is. The caller keeps its
    /// CONNECT; [`Self::on_takeover_due`] goes on with it.
    pub(super) fn waits_to_take_over(
        &mut self,
        id: ConnectionId,
        admission: &Admission<'_>,
    ) -> bool {
        let client_id = &admission.client_id;
        let now_ms = self.now.mono_ms;
        let Some(rivalry) = self.rivals.0.get(client_id) else {
            return false;
        };
        let wait_ms = rivalry.stay_ms(now_ms, self.limits.takeover_delay_ms_max);
        if wait_ms == 0 {
            return false;
        }
        let takeovers = rivalry.takeovers(now_ms);
        let slot = self.slot_of(client_id);
        let Some(rival) = slot.and_then(|slot| self.connection_of(slot)) else {
            return false;
        };
        let Some(own) = self.connection(id) else {
            return false;
        };
        let detail = detail_of(takeovers, wait_ms, &own.peer, &rival.peer);
        // Who is to be refused is refused at once.
        let user = admission.identity.user.as_deref();
        if self.check_ban(id, client_id, user).is_err()
            || self.check_admission(id, admission).is_err()
        {
            return false;
        }
        self.dismiss_rival(client_id, id);
        self.wait_to_take_over(id, admission, wait_ms, detail);
        true
    }

    fn wait_to_take_over(
        &mut self,
        id: ConnectionId,
        admission: &Admission<'_>,
        wait_ms: u64,
        detail: String,
    ) {
        let client_id = &admission.client_id;
        if let Some(rivalry) = self.rivals.0.get_mut(client_id) {
            rivalry.waiting = Some((id, Arc::clone(&admission.identity)));
        }
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.state = State::Authenticating;
        let login = Waiting::Login(Arc::clone(client_id), admission.is_assigned);
        connection.waiting = Some(Box::new(login));
        let peer = connection.peer.clone();
        let outcome = Outcome::ConnectTakeoverWait;
        self.stats.count(outcome);
        self.stats.count_connect(admission.connect.version, outcome);
        let facts = Facts {
            client: client_id,
            peer: peer.addr,
            detail: &detail,
            ..Facts::default()
        };
        // Not counted as a fault that comes again: each has another delay.
        let hash = hash_of(&self.hashing, &**client_id);
        self.recorder.note_event(self.now, outcome, hash, &facts);
        if self.may_report(Whose::client(hash, client_id)) {
            let event = ReportEvent::Delayed { outcome, detail };
            self.report(Some(Arc::clone(client_id)), Some(peer), event);
        }
        self.set_rival_timer(id, self.now.mono_ms + wait_ms);
    }

    /// A client comes on a connection, or is about to: one that waits for the same is older, and goes.
    pub(super) fn dismiss_rival(&mut self, client_id: &str, by: ConnectionId) {
        let Some(older) = self.rivals.waiting_for(client_id) else {
            return;
        };
        if older != by && self.rival_of(older).is_some() {
            // MQTT-3.1.4-3
            let detail = "the client came on another connection".to_owned();
            self.refuse_silently(older, Outcome::ConnectTakenOver, detail);
        }
        if let Some(rivalry) = self.rivals.0.get_mut(client_id) {
            rivalry.waiting = None;
        }
    }

    /// Bans have come: who waits does not wait for nothing.
    pub(super) fn refuse_banned_rivals(&mut self) {
        let rivals = self.rivals.0.iter();
        let refused: Vec<_> = rivals
            .filter_map(|(client_id, rivalry)| {
                let (id, identity) = rivalry.waiting.as_ref()?;
                self.rival_of(*id)?;
                let checked = self.check_ban(*id, client_id, identity.user.as_deref());
                Some((*id, Arc::clone(client_id), checked.err()?))
            })
            .collect();
        for (id, client_id, refusal) in refused {
            self.refuse(id, &client_id, &refusal);
        }
    }

    fn set_rival_timer(&mut self, id: ConnectionId, at_ms: u64) {
        let timer = Timer::Takeover {
            index: id.index,
            generation: id.generation,
        };
        self.set_connection_timer(at_ms, timer);
    }

    /// The client id of a connection that waits to take over.
    pub(super) fn rival_of(&self, id: ConnectionId) -> Option<&Arc<str>> {
        let connection = self.connection(id)?;
        let Waiting::Login(client_id, _) = connection.waiting.as_deref()? else {
            return None;
        };
        let is_waiting = connection.state == State::Authenticating
            && self.rivals.waiting_for(client_id) == Some(id);
        is_waiting.then_some(client_id)
    }

    /// A connection has waited long enough, or has nobody to wait for any more.
    pub(super) fn on_takeover_due(&mut self, id: ConnectionId) {
        let Some(client_id) = self.rival_of(id).map(Arc::clone) else {
            return;
        };
        let rivalry = self.rivals.0.get_mut(&client_id);
        let Some((_, identity)) = rivalry.and_then(|of| of.waiting.take()) else {
            return;
        };
        let now_ms = self.now.mono_ms;
        if let Some(connection) = self.connection_mut(id) {
            // Its time to be established begins: until here it was the broker that took it.
            connection.last_received_ms = now_ms;
        }
        self.set_connect_timer(id, now_ms);
        self.go_on_with_connect(id, |_, _| Ok(identity));
    }

    /// A session has lost its connection: who waits for it need not wait any longer.
    pub(super) fn hurry_rival(&mut self, slot: u32) {
        let Some(session) = self.session(slot) else {
            return;
        };
        if let Some(id) = self.rivals.waiting_for(&session.client_id) {
            self.set_rival_timer(id, self.now.mono_ms);
        }
    }
}

/// Why one waits, in words. Two addresses are two programs; one may be a device on a bad network.
fn detail_of(takeovers: u64, wait_ms: u64, own: &Peer, rival: &Peer) -> String {
    let ip = |peer: &Peer| -> Option<IpAddr> { Some(peer.addr?.ip().to_canonical()) };
    let who = if ip(own) == ip(rival) {
        "both come from one address, so two programs there use it, or one comes back all the time"
    } else {
        "two programs seem to use it"
    };
    format!(
        "the client id has changed hands {takeovers} times lately, and {who}: this one waits \
         {wait_ms} ms, and {rival} stays until then"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_begin_after_some_takeovers_and_end_at_a_limit() {
        let stays = [0, 4, 5, 6, 8, 9, 10, u64::MAX].map(|of| stay_ms(of, 5_000));
        assert_eq!(stays, [0, 0, 500, 1_000, 4_000, 5_000, 5_000, 5_000]);
        assert_eq!(stay_ms(10, 0), 0);
        assert_eq!(stay_ms(u64::MAX, u64::MAX), STAY_MS_MAX);
    }

    #[test]
    fn takeovers_now_and_then_are_forgotten_and_many_at_once_are_not_for_ever() {
        let (id, mut rivals) = (Arc::from("a"), Rivals::default());
        for minute in 0..100 {
            rivals.count(&id, minute * 60_000);
            assert_eq!(rivals.0[&id].takeovers(minute * 60_000), 1);
        }
        for _ in 0..100 {
            rivals.count(&id, 6_000_000);
        }
        assert_eq!(rivals.0[&id].takeovers(6_000_000), TAKEOVERS_MAX);
        let after_ms = 6_000_000 + TAKEOVERS_MAX * TAKEOVER_MS;
        assert_eq!(rivals.0[&id].takeovers(after_ms), 0);
    }

    #[test]
    fn only_so_many_are_watched() {
        let mut rivals = Rivals::default();
        for number in 0..RIVALS_MAX + 100 {
            rivals.count(&Arc::from(number.to_string()), 0);
        }
        assert_eq!(rivals.0.len(), RIVALS_MAX);
        // Those that keep peace make room.
        rivals.count(&Arc::from("new"), WINDOW_MS);
        assert_eq!(rivals.0.len(), 1);
    }
}
