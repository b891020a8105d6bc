//! Who may do what in the model: access rules that change, and a user that goes.

use std::collections::BTreeSet;

use columba_broker::access::{Action, Client};
use columba_broker::event::{Command, Report, ReportEvent, UserChange};
use columba_broker::outcome::Outcome;
use columba_codec::packet::Publish;
use columba_codec::{Packet, QoS};

use super::sessions::will_message;
use super::truth::{Refused, What};
use super::{About, Conn, Message, Observation, Oracle, Phase, Session};
use crate::event::LinkId;
use crate::guard::USER;

/// Whether a connection is closed because its user is gone or has another password.
pub(super) fn is_expelled(conn: &Conn, seen: &Observation) -> bool {
    conn.user.is_some() && expels(seen)
}

fn expels(seen: &Observation) -> bool {
    let About::Command(Command::UsersChanged { changes, .. }) = &seen.about else {
        return false;
    };
    let change = changes.get(USER);
    change.is_some_and(|change| !matches!(change, UserChange::Groups(_)))
}

/// A client gets nothing that it was not allowed to receive when that was routed to it.
pub(super) fn check_received(session: &Session, id: u64, message: &Message) -> Result<(), String> {
    let is_once = message.times == 1 && message.extra == 0;
    // By a group it comes to one member after the other, by the rules of the time.
    let is_by_group = session.group_of(&message.topic).is_some();
    let is_denied = |is_allowed_since: &bool| !(is_by_group && *is_allowed_since);
    if is_once && session.forbidden.get(&id).is_some_and(is_denied) {
        return Err(format!("message {id} was denied to it"));
    }
    Ok(())
}

impl Oracle {
    /// Whether the rules of the shard that the present input is for let a client do something.
    pub(super) fn may(
        &self,
        client_id: &str,
        user: Option<&str>,
        action: Action,
        topic: &str,
    ) -> bool {
        let client = Client {
            client_id,
            user,
            groups: &[],
            addr: None,
        };
        let access = &self.settings_here().access;
        access.decide(&client, action, topic).is_allowed
    }

    pub(super) fn may_publish(&self, link: LinkId, topic: &str) -> bool {
        let conn = &self.conns[link];
        self.may(&conn.client_id, conn.user, Action::Publish, topic)
    }

    /// A message is not let in.
    pub(super) fn refuse(&mut self, message: &Message) {
        self.truth.refused.push(Refused {
            at_ms: self.now_ms,
            life: self.truth.life,
            topic: message.topic.clone(),
            publisher: message.publisher.clone(),
        });
    }

    /// A PUBLISH is denied. The broker may know that of a QoS 2 message from before a crash, and says
    /// then that it has it.
    pub(super) fn deny(
        &mut self,
        link: LinkId,
        publish: &Publish<'_>,
        message: &Message,
        is_sure: bool,
    ) {
        if is_sure {
            self.refuse(message);
        }
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        let conn = &mut self.conns[link];
        conn.refused.insert(packet_id.get(), is_sure);
        let is_free = is_sure && publish.qos == QoS::ExactlyOnce && conn.version.has_reason_codes();
        if is_free && let Some(session) = self.sessions.get_mut(&conn.client_id) {
            session.received.remove(&packet_id.get());
        }
    }

    /// The broker answers something that is denied, perhaps.
    pub(super) fn on_refused(&mut self, link: LinkId, packet: &Packet<'_>) {
        let conn = &self.conns[link];
        if let Packet::PubRec(ack) = packet
            && ack.reason.is_error()
            && conn.refused.get(&ack.packet_id.get()) == Some(&false)
            && let Some(session) = self.sessions.get_mut(&conn.client_id)
        {
            session.received.remove(&ack.packet_id.get());
        }
    }

    /// A message is routed: who lives on this shard and may not receive it does not get it.
    pub(super) fn forbid(&mut self, id: u64, message: &Message) {
        // What is retained may come later.
        if message.retain || self.settings_here().access.allows_all() {
            return;
        }
        let all = self.sessions.iter();
        let here = all.filter(|(_, of)| of.home == self.shard && !of.is_loose);
        let denied = here.filter(|(client_id, of)| {
            !self.may(client_id, of.user, Action::Receive, &message.topic)
        });
        let denied: Vec<String> = denied.map(|(client_id, _)| client_id.clone()).collect();
        for client_id in denied {
            if let Some(session) = self.sessions.get_mut(&client_id) {
                session.forbidden.insert(id, false);
            }
        }
    }

    /// What was denied to a client may be allowed now, by other rules or to another user.
    pub(super) fn forgive(&mut self, client_id: &str) {
        let Some(session) = self.sessions.get(client_id) else {
            return;
        };
        let denied = session.forbidden.iter().filter(|(_, is_since)| !**is_since);
        let allowed = denied.map(|(id, _)| *id).filter(|id| {
            let message = self.messages.get(id);
            message.is_none_or(|of| self.may(client_id, session.user, Action::Receive, &of.topic))
        });
        let allowed: Vec<(u64, bool)> = allowed.map(|id| (id, true)).collect();
        if let Some(session) = self.sessions.get_mut(client_id) {
            session.forbidden.extend(allowed);
        }
    }

    /// A copy is said to be withheld from a client.
    pub(super) fn check_denied_read(&mut self, client_id: &str, topic: &str) {
        let Some(session) = self.sessions.get(client_id) else {
            return;
        };
        if self.may(client_id, session.user, Action::Receive, topic) {
            let detail = format!("{client_id} may receive {topic}, which was withheld from it");
            self.fail("access", detail);
        }
    }

    /// Rules or users have changed on a shard.
    pub(super) fn on_guarded(&mut self, seen: &Observation, command: &Command) {
        match command {
            Command::SetAccess(_) => {}
            Command::UsersChanged { changes, .. } => {
                if let Some(change) = changes.get(USER) {
                    self.save_users(matches!(change, UserChange::Removed));
                }
                if expels(seen) {
                    let expelled = &mut self.operators.expelled;
                    expelled.insert(self.shard, self.turn.input);
                }
            }
            _ => return,
        }
        let here = self.sessions.iter().filter(|(_, of)| of.home == self.shard);
        let here: Vec<String> = here.map(|(client_id, _)| client_id.clone()).collect();
        for client_id in here {
            self.forgive(&client_id);
        }
        for report in &seen.reports {
            self.on_revoked(report);
        }
    }

    /// What the store is told of a session says who its user is. Nobody is left who may publish the Wills of
    /// one who is gone.
    fn save_users(&mut self, is_gone: bool) {
        let (shard, saved) = (self.shard, self.now_saved());
        let mut withheld = Vec::new();
        for (client_id, session) in &mut self.sessions {
            if session.user.is_none() || session.home != shard && session.home != usize::MAX {
                continue;
            }
            session.saved = saved;
            session.is_saved_anew = true;
            let Some(will) = session.will.take_if(|_| is_gone) else {
                continue;
            };
            session.past_wills.push(will.clone());
            withheld.push((client_id.clone(), will, session.home == shard));
        }
        for (client_id, will, is_here) in withheld {
            if is_here {
                self.refuse(&will_message(&client_id, &will));
            } else {
                // Its own shard may not know it yet.
                self.maybe_publish(&client_id, &will);
            }
        }
    }

    /// A subscription has ended because the rules do not allow it any more.
    pub(crate) fn on_revoked(&mut self, report: &Report) {
        let ReportEvent::Withheld { outcome, topic, .. } = &report.event else {
            return;
        };
        if *outcome != Outcome::SubscribeRevoked {
            return;
        }
        let client_id = report.client_id.as_deref().unwrap_or_default();
        let session = self.sessions.get(client_id);
        let session = session.or_else(|| self.ghosts.get(client_id));
        let user = match session {
            Some(session) => session.user,
            None => {
                let detail = format!("{client_id} has no session, and {topic} was taken from it");
                return self.fail("access", detail);
            }
        };
        if self.may(client_id, user, Action::Subscribe, topic) {
            let detail = format!("{client_id} may have {topic}, which was taken from it");
            return self.fail("access", detail);
        }
        self.end_subscription(client_id, topic, What::Revoked);
    }

    /// Nobody has a subscription that the rules of its shard, or of all of them, do not allow.
    pub(crate) fn check_subscriptions(&mut self, shard: Option<usize>) {
        let here = self.sessions.iter().filter(|(_, of)| {
            !of.is_doubtful && !of.is_loose && shard.is_none_or(|shard| of.home == shard)
        });
        let mut left = here.filter_map(|(client_id, session)| {
            let mut all = session.subscriptions.keys().chain(session.shared.keys());
            let is_denied =
                |filter: &&String| !self.may(client_id, session.user, Action::Subscribe, filter);
            Some((client_id.clone(), all.find(is_denied)?.clone()))
        });
        if let Some((client_id, filter)) = left.next() {
            let detail = format!("{client_id} keeps {filter}, which it may not have any more");
            self.fail("access", detail);
        }
    }

    /// Nobody has more than the rules of now allow, and whoever is expelled is not there any more.
    pub(super) fn check_guarded(&mut self, seen: &Observation) {
        if let About::Command(Command::SetAccess(_) | Command::UsersChanged { .. }) = seen.about {
            self.check_subscriptions(Some(seen.shard));
        }
        if !expels(seen) {
            return;
        }
        let here = self.sessions.values().filter(|of| of.home == seen.shard);
        let links: BTreeSet<LinkId> = here.filter_map(|session| session.conn).collect();
        let mut open = links.into_iter().filter(|link| {
            let conn = &self.conns[*link];
            conn.phase == Phase::Open && conn.user.is_some()
        });
        if let Some(link) = open.next() {
            let detail = format!("link {link} stays, and its user was expelled");
            self.fail("access", detail);
        }
    }

    /// A client is let in, by credentials that count.
    pub(super) fn check_not_expelled(&mut self, link: LinkId, client_id: &str) {
        let conn = &self.conns[link];
        let expelled = self.operators.expelled.get(&self.shard);
        let expelled = expelled.is_some_and(|input| conn.authenticated < *input);
        if conn.user.is_some() && expelled {
            let detail = format!(
                "link {link} ({client_id}) was let in by credentials of before its user was expelled"
            );
            self.fail("access", detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use columba_broker::access::{AccessRules, Actions};

    use super::*;

    fn denied_to(session: &mut Session) -> Message {
        session.forbidden.insert(7, false);
        let will = crate::oracle::Will {
            topic: "s/a".to_owned(),
            payload: 7_u64.to_be_bytes().to_vec(),
            qos: QoS::AtLeastOnce,
            retain: false,
            delay_secs: 0,
        };
        Message {
            times: 1,
            ..will_message("publisher", &will)
        }
    }

    #[test]
    fn what_was_denied_comes_by_no_subscription() {
        let mut session = Session::new(1, 0);
        let message = denied_to(&mut session);
        session.history.push(("s/+".to_owned(), true));
        session.history.push(("$share/g/t/+".to_owned(), false));
        session.forbidden.insert(7, true);
        let result = check_received(&session, 7, &message);
        assert_eq!(result, Err("message 7 was denied to it".to_owned()));
    }

    #[test]
    fn what_was_denied_may_come_by_a_group_once_it_is_allowed() {
        let mut session = Session::new(1, 0);
        let message = denied_to(&mut session);
        session.history.push(("$share/g/s/+".to_owned(), false));
        let denied = Err("message 7 was denied to it".to_owned());
        assert_eq!(check_received(&session, 7, &message), denied);
        session.forbidden.insert(7, true);
        assert_eq!(check_received(&session, 7, &message), Ok(()));
    }

    /// What is known of a client after an operator or the rules have taken t/# from it.
    fn noted(oracle: &Oracle) -> Vec<String> {
        let changes = oracle.truth.changes_of("c").iter();
        changes.map(|of| format!("{:?}", of.what)).collect()
    }

    /// All is denied, and of the session that c had before a crash nothing is known.
    fn haunted() -> Oracle {
        let swarm = crate::swarm::Swarm::draw(&mut crate::chance::Chance::new(1));
        let mut oracle = Oracle::new(crate::oracle::Settings::of(&swarm), true);
        let nothing = AccessRules::new(Vec::new(), Actions::NONE);
        oracle.settings.access = Arc::new(nothing);
        oracle.ghosts.insert("c".to_owned(), Session::new(1, 0));
        oracle
    }

    fn revoked() -> Report {
        Report {
            event: ReportEvent::Withheld {
                outcome: Outcome::SubscribeRevoked,
                topic: "t/#".to_owned(),
                detail: String::new(),
            },
            client_id: Some("c".into()),
            peer: None,
        }
    }

    #[test]
    fn the_rules_take_a_subscription_from_a_session_that_has_come_back() {
        let mut oracle = haunted();
        oracle.on_revoked(&revoked());
        assert_eq!(noted(&oracle), ["Revoked(\"t/#\")"]);
        // It may be the one, or another one of the same client, that may not have come back.
        let mut oracle = haunted();
        let mut doubtful = Session::new(2, 0);
        doubtful.is_doubtful = true;
        oracle.sessions.insert("c".to_owned(), doubtful);
        oracle.on_revoked(&revoked());
        assert_eq!(noted(&oracle), ["Revoked(\"t/#\")"]);
        assert_eq!(oracle.failure, None);
    }

    #[test]
    fn an_operator_takes_a_subscription_from_a_session_that_has_come_back() {
        let mut oracle = haunted();
        oracle.on_unsubscribe_request("c", "t/#", true);
        assert_eq!(noted(&oracle), ["Unsubscribed(\"t/#\")"]);
        assert_eq!(oracle.failure, None);
    }
}
