//! Sessions that have ended and may be on disk still, and clients that wait until they are not.
//!
//! CONNACK says that there is no session of before. A crash must not bring one back after that: with
//! it would come packet ids of QoS 2 messages that its client does not know of any more, and a new
//! message with such an id would be taken for a repetition. So it waits whatever its listener promises:
//! what was acknowledged may be lost, but not what comes after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Shard;
use super::connect::Admission;
use super::exchange::Then;
use crate::connection::{State, Waiting};
use crate::id::ConnectionId;
use crate::outcome::Outcome;
use crate::session::Identity;

/// By client id.
#[derive(Debug, Default)]
pub(super) struct Leaving(BTreeMap<Arc<str>, Left>);

impl Leaving {
    /// Clients whose sessions have ended and may be on disk.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Who waits, by client id.
    pub(super) fn waiting_mut(
        &mut self,
    ) -> impl Iterator<Item = (&Arc<str>, &mut (ConnectionId, Arc<Identity>))> {
        let all = self.0.iter_mut();
        all.filter_map(|(client_id, left)| Some((client_id, left.waiting.as_mut()?)))
    }
}

/// What a client has left behind.
#[derive(Debug, Default)]
struct Left {
    /// Sessions that the disk does not know the end of.
    sessions: u32,
    /// The connection that waits for that, the newest one.
    waiting: Option<(ConnectionId, Arc<Identity>)>,
}

impl Shard {
    /// A lasting session has ended, and all of it was released.
    pub(super) fn note_leaving(&mut self, client_id: &Arc<str>) {
        let left = self.leaving.0.entry(Arc::clone(client_id)).or_default();
        left.sessions += 1;
        let client_id = Arc::clone(client_id);
        self.do_when_durable(Then::Forgotten { client_id });
    }

    /// Whether a client has to wait for its CONNACK, because a session that it leaves behind, or that
    /// has ended before, is not gone from the disk. The one that it leaves behind ends now;
    /// [`Self::on_forgotten`] goes on with the client.
    pub(super) fn waits_to_leave(&mut self, id: ConnectionId, admission: &Admission<'_>) -> bool {
        let client_id = &admission.client_id;
        let existing = self.slot_of(client_id);
        if existing.is_some_and(|slot| !self.leaves_behind(slot, admission)) {
            return false;
        }
        let existing = existing.filter(|slot| self.durable_number(*slot).is_some());
        if existing.is_none() && !self.leaving.0.contains_key(client_id) {
            return false;
        }
        // Who is to be refused ends nothing.
        if self.check_admission(id, admission).is_err() {
            return false;
        }
        self.dismiss_rival(client_id, id);
        if let Some(slot) = existing {
            self.take_over(slot, id);
        }
        // It may have ended with the connection that was taken over.
        if let Some(slot) = self.slot_of(client_id) {
            self.end_session(slot, Outcome::SessionReplaced);
        }
        let Some(left) = self.leaving.0.get_mut(client_id) else {
            return false;
        };
        let waiting = (id, Arc::clone(&admission.identity));
        let older = left.waiting.replace(waiting);
        self.stats.count(Outcome::ConnectStoreWait);
        let version = admission.connect.version;
        self.stats.count_connect(version, Outcome::ConnectStoreWait);
        if let Some(connection) = self.connection_mut(id) {
            let login = Waiting::Login(Arc::clone(client_id), admission.is_assigned);
            connection.state = State::Authenticating;
            connection.waiting = Some(Box::new(login));
            connection.is_input_held = true;
        }
        if let Some((older, _)) = older.filter(|(older, _)| self.is_leaving(*older)) {
            // It has changed hands, as if the older one had been let in.
            self.count_takeover(client_id);
            // MQTT-3.1.4-3
            let detail = "the client came on another connection".to_owned();
            self.refuse_silently(older, Outcome::ConnectTakenOver, detail);
        }
        true
    }

    /// Whether a connection waits for the end of a session.
    pub(super) fn is_leaving(&self, id: ConnectionId) -> bool {
        self.connection(id).is_some_and(|connection| {
            connection.state == State::Authenticating && connection.is_input_held
        })
    }

    /// A session is gone from the disk.
    pub(super) fn on_forgotten(&mut self, client_id: &Arc<str>) {
        let Some(left) = self.leaving.0.get_mut(client_id) else {
            return;
        };
        left.sessions -= 1;
        if left.sessions > 0 {
            return;
        }
        let waiting = self.leaving.0.remove(client_id).and_then(|of| of.waiting);
        let Some((id, identity)) = waiting.filter(|(id, _)| self.is_leaving(*id)) else {
            return;
        };
        let now_ms = self.now.mono_ms;
        if let Some(connection) = self.connection_mut(id) {
            connection.is_input_held = false;
            // Who waits for the broker is not silent.
            connection.last_received_ms = now_ms;
        }
        self.go_on_with_connect(id, |_, _| Ok(identity));
    }
}
