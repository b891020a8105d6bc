//! Sessions in the model: how they begin, lose their connection, and end.

use std::collections::BTreeSet;

use columba_broker::access::Action;
use columba_codec::QoS;

use super::truth::What;
use super::{Ending, Message, Oracle, Phase, Said, Session, Will, id_of, owe};
use crate::checks::delivery;
use crate::event::LinkId;

impl Oracle {
    /// A CONNECT waits for its CONNACK until a session is gone from the disk. The one that it leaves
    /// behind has ended.
    pub(crate) fn leave_behind(&mut self, link: LinkId) {
        let conn = &self.conns[link];
        let Some(connect) = &conn.connect else {
            return;
        };
        let (client_id, is_clean) = (connect.client_id.clone(), connect.clean_start);
        let known = self.sessions.get(&client_id);
        let ends = |of: &Session| of.conn.is_some() && of.expiry_secs == 0;
        if conn.phase != Phase::Await || !(is_clean || known.is_some_and(ends)) {
            return;
        }
        if let Some(old) = self.sessions.get(&client_id).and_then(|known| known.conn) {
            self.detach(old, true);
        }
        if is_clean && self.sessions.contains_key(&client_id) {
            self.end_session(&client_id, Ending::CleanStart);
        }
    }

    /// CONNACK said yes: takes over, starts clean or resumes.
    pub(crate) fn establish(&mut self, link: LinkId, session_present: bool) {
        let Some(connect) = self.conns[link].connect.take() else {
            return self.fail("wire", format!("link {link} got CONNACK without CONNECT"));
        };
        let client_id = connect.client_id.clone();
        self.conns[link].user = connect.user;
        self.check_not_banned(link, &client_id);
        self.check_not_expelled(link, &client_id);
        self.truth.note(&client_id, self.now_ms, What::Connected);
        if let Some(old) = self.sessions.get(&client_id).and_then(|known| known.conn) {
            self.detach(old, true);
        }
        if connect.clean_start && self.sessions.contains_key(&client_id) {
            self.end_session(&client_id, Ending::CleanStart);
        }
        // Whose session was over, and who had to wait until then, come in the order of their timers.
        let is_over = self.sessions.get(&client_id).is_some_and(|of| {
            let end_ms = of.disconnected_ms + u64::from(of.expiry_secs) * 1000;
            of.conn.is_none() && of.expiry_secs != u32::MAX && end_ms <= self.now_ms
        });
        if is_over && self.found.get(&client_id) == Some(&false) {
            self.end_session(&client_id, Ending::Expired);
        }
        // MQTT 3.1 does not say whether there was a session; the broker's report does.
        let found = self.found.get(&client_id).copied();
        self.resolve(&client_id, found.unwrap_or(session_present));
        let is_present = self.sessions.contains_key(&client_id);
        if is_present != session_present && self.conns[link].version.has_session_present() {
            let detail = format!("link {link} ({client_id}): Session Present {session_present}");
            self.fail("session", detail);
        }
        if !is_present {
            // Its client knows that nothing is left of those before.
            self.ended.retain(|(of, _)| *of != client_id);
            self.serial += 1;
            let mut session = Session::new(self.serial, self.shard);
            session.made = self.now_saved();
            self.sessions.insert(client_id.clone(), session);
        }
        if self.is_durable
            && let Some(will) = &connect.will
            && let Some(id) = id_of(&will.payload)
        {
            self.messages
                .entry(id)
                .or_insert_with(|| will_message(&client_id, will));
        }
        let saved = self.now_saved();
        let limits = &self.settings_here().limits;
        let expiry_secs = connect.granted_expiry_secs(limits);
        let keep_alive_secs = connect.granted_keep_alive_secs(limits);
        let receive_maximum = connect.receive_maximum.min(limits.inflight_max);
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return;
        };
        if session.has_crashed && session.conn.is_none() {
            session.home = self.shard;
        }
        if let Some(will) = std::mem::replace(&mut session.will, connect.will) {
            self.wills.cancelled += 1;
            session.past_wills.push(will);
        }
        session.saved = saved;
        session.is_saved_anew = true;
        session.conn = Some(link);
        session.order.reconnected();
        session.user = connect.user;
        session.expiry_secs = expiry_secs;
        session.has_lasted |= expiry_secs > 0;
        let conn = &mut self.conns[link];
        conn.phase = Phase::Open;
        conn.session = session.serial;
        conn.session_present = is_present;
        conn.client_id = client_id.clone();
        conn.keep_alive_secs = keep_alive_secs;
        conn.receive_maximum = receive_maximum;
        conn.packet_bytes_max = connect.packet_bytes_max;
        conn.alias_maximum = connect.alias_maximum;
        if session.home != self.shard {
            let detail = format!("link {link} lives on another shard than its session");
            self.fail("session", detail);
        }
        self.forgive(&client_id);
    }

    /// A connection ends, and the Will with it or after it.
    pub(crate) fn detach(&mut self, link: LinkId, has_will: bool) {
        if self.conns[link].phase != Phase::Open {
            return;
        }
        self.conns[link].phase = Phase::Closed;
        let saved = self.now_saved();
        let client_id = self.conns[link].client_id.clone();
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return;
        };
        if session.conn != Some(link) {
            return;
        }
        session.conn = None;
        session.disconnected_ms = self.now_ms;
        session.saved = saved;
        session.is_saved_anew = true;
        session.owed.retain(|_, owed| owed.qos != QoS::AtMostOnce);
        // What came by a group and was not answered goes to another member.
        session
            .unsettled
            .retain(|_, sent| !(sent.is_shared && sent.qos == QoS::AtLeastOnce));
        self.groups.detached(session);
        if !has_will && let Some(will) = session.will.take() {
            self.wills.discarded += 1;
            session.past_wills.push(will);
        }
        if session.expiry_secs == 0 {
            return self.end_session(&client_id, Ending::WithConnection);
        }
        if session
            .will
            .as_ref()
            .is_some_and(|will| will.delay_secs == 0)
        {
            self.publish_will_of(&client_id);
        }
    }

    pub(crate) fn end_session(&mut self, client_id: &str, why: Ending) {
        let Some(mut session) = self.sessions.remove(client_id) else {
            return;
        };
        let ended = What::Ended(why);
        self.truth.note(client_id, self.now_ms, ended);
        self.leave_groups(&session, client_id);
        if let Some(will) = session.will.take() {
            self.publish_will(client_id, session.user, &will);
            session.past_wills.push(will);
        }
        self.keep_ghost(client_id, session);
    }

    /// A session is no member of any group any more.
    pub(crate) fn leave_groups(&mut self, session: &Session, client_id: &str) {
        let Self {
            messages,
            crashed_at,
            ..
        } = self;
        let is_old = |id: &u64| {
            let known = messages.get(id);
            session.has_crashed && known.is_none_or(|of| of.first <= *crashed_at)
        };
        self.groups
            .ended(session, client_id, &self.sessions, is_old);
    }

    fn publish_will_of(&mut self, client_id: &str) {
        let saved = self.now_saved();
        let session = self.sessions.get_mut(client_id);
        let will = session.and_then(|session| {
            session.saved = saved;
            session.is_saved_anew = true;
            let will = session.will.take()?;
            session.past_wills.push(will.clone());
            Some((session.user, will))
        });
        if let Some((user, will)) = will {
            self.publish_will(client_id, user, &will);
        }
    }

    fn publish_will(&mut self, client_id: &str, user: Option<&str>, will: &Will) {
        if !self.may(client_id, user, Action::Publish, &will.topic) {
            return self.refuse(&will_message(client_id, will));
        }
        self.wills.published += 1;
        self.accept(will_message(client_id, will));
    }

    /// A shard was told that its deadline has come: sessions expire, Wills become due.
    pub(crate) fn on_time(&mut self) {
        let (now_ms, shard) = (self.now_ms, self.shard);
        let is_over = |since_ms: u64, secs: u32| since_ms + u64::from(secs) * 1000 <= now_ms;
        let offline = self
            .sessions
            .iter()
            .filter(|(_, session)| session.home == shard && session.conn.is_none());
        let mut expired = Vec::new();
        let mut due = Vec::new();
        for (client_id, session) in offline {
            let since_ms = session.disconnected_ms;
            if session.expiry_secs != u32::MAX && is_over(since_ms, session.expiry_secs) {
                expired.push(client_id.clone());
            } else if let Some(will) = &session.will
                && is_over(since_ms, will.delay_secs)
            {
                due.push(client_id.clone());
            }
        }
        for client_id in due {
            self.publish_will_of(&client_id);
        }
        for client_id in expired {
            self.end_session(&client_id, Ending::Expired);
        }
    }

    /// The broker has a message now, and owes it to everybody who subscribes.
    /// Gives the number of what is retained.
    pub(crate) fn accept(&mut self, message: Message) -> Option<u64> {
        self.sequence += 1;
        self.accepted += 1;
        let sequence = self.sequence;
        let id = id_of(&message.payload);
        let retained = message.retain.then(|| {
            let (shard, turn) = (self.shard, self.turn);
            self.retained.accepted(&message.topic, id, shard, turn)
        });
        let Some(id) = id else {
            let blank = (self.now_ms, message.topic);
            self.truth.blank.insert(blank);
            return retained;
        };
        let known = self.messages.entry(id).or_insert_with(|| Message {
            first: sequence,
            ..message.clone()
        });
        if known.times == 0 {
            known.first = sequence;
        }
        // Of one that came again, the store may have either.
        known.is_expiry_open |= known.times > 0 && known.expires_ms != message.expires_ms;
        known.last = sequence;
        known.times += 1;
        known.expires_ms = message.expires_ms;
        let told = std::mem::replace(&mut known.acknowledged, Said::Nothing);
        self.groups.accepted(id, &message, &self.sessions, told);
        for (client_id, session) in &mut self.sessions {
            if let Some(owed) = delivery::owed(client_id, session, &message) {
                // What is sent at QoS 0 is not sent again, whatever the subscription has become.
                if owed.qos != QoS::AtMostOnce
                    && let Some(known) = self.messages.get_mut(&id)
                {
                    known.owed_to.insert(session.serial);
                }
                owe(&mut session.owed, id, owed, told);
            }
        }
        self.forbid(id, &message);
        self.note_accepted(id);
        retained
    }
    /// The same for a QoS 2 message that the broker may have from before a crash, or not: whoever
    /// is to have it either way is owed it.
    pub(crate) fn accept_perhaps(&mut self, message: Message) -> Option<u64> {
        let id = id_of(&message.payload);
        if message.retain {
            self.retained.perhaps(&message.topic, id);
        }
        // What is said of this time and topic may be said of this one.
        let blank = (self.now_ms, message.topic.clone());
        self.truth.blank.insert(blank);
        let id = id?;
        let Some(known) = self.messages.get_mut(&id) else {
            return self.accept(message);
        };
        // If it comes anew, it comes behind what was accepted meanwhile.
        self.sequence += 1;
        known.last = self.sequence;
        known.extra += 1;
        known.is_expiry_open = true;
        for (client_id, session) in &mut self.sessions {
            if session.got.contains(&id) || !known.owed_to.contains(&session.serial) {
                continue;
            }
            let owed = delivery::owed(client_id, session, &message);
            match owed.filter(|owed| owed.qos != QoS::AtMostOnce) {
                Some(owed) => {
                    session.owed.insert(id, owed);
                }
                // If the broker takes it now, later tries are repetitions, whatever is subscribed by then.
                None => {
                    known.owed_to.remove(&session.serial);
                }
            }
        }
        None
    }
}

/// The message of a Will that was not published.
pub(super) fn will_message(client_id: &str, will: &Will) -> Message {
    Message {
        topic: will.topic.clone(),
        payload: will.payload.clone(),
        qos: will.qos,
        retain: will.retain,
        publisher: client_id.to_owned(),
        is_will: true,
        expires_ms: None,
        first: 0,
        last: 0,
        times: 0,
        owed_to: BTreeSet::new(),
        extra: 0,
        acknowledged: Said::Nothing,
        is_expiry_open: false,
    }
}
