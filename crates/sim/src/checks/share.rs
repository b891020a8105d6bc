//! A shared subscription gives each message to one member; at QoS 1 to another one as well if the
//! first goes away (section 4.8.2). What its member was not sent goes to another one when it leaves or
//! its session ends, whatever the broker suffers meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::QoS;
use columba_codec::packet::Publish;

use super::delivery::matches;
use crate::oracle::{Message, OwedMessage, Said, Session, id_of, owe};

/// All groups, by `$share/NAME/FILTER`.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<String, Group>);

#[derive(Debug, Default)]
struct Group {
    /// Members whose SUBACK was sent.
    members: BTreeSet<String>,
    /// Everybody who ever was one.
    known: BTreeSet<String>,
    /// How often a member went away, for good or not.
    departures: u64,
    /// Messages that some member has to get.
    owed: BTreeMap<u64, OwedMessage>,
    /// Departures when a message was accepted first, and how often it was sent without DUP.
    sent: BTreeMap<u64, (u64, u64)>,
    /// Whether a session that does not outlive its connection had a part since the last crash.
    has_fleeting: bool,
}

impl Group {
    /// A member that is there for sure: what it is granted.
    fn granted(&self, filter: &str, sessions: &BTreeMap<String, Session>) -> Option<QoS> {
        self.members.iter().find_map(|member| {
            let session = sessions
                .get(member)
                .filter(|of| !of.is_doubtful && !of.is_loose)?;
            Some(session.shared.get(filter)?.options.qos)
        })
    }

    /// A member is one no more: the others get what it had, if there are any.
    fn part(&mut self, filter: &str, client_id: &str, sessions: &BTreeMap<String, Session>) {
        self.members.remove(client_id);
        self.departures += 1;
        if self.granted(filter, sessions).is_none() {
            self.owed.clear();
        }
    }
}

impl Groups {
    /// A client asked to be a member: from now on it may be given messages.
    pub(crate) fn asked(&mut self, filter: &str, client_id: &str) {
        let group = self.0.entry(filter.to_owned()).or_default();
        group.known.insert(client_id.to_owned());
    }

    pub(crate) fn joined(&mut self, filter: &str, client_id: &str) {
        let group = self.0.entry(filter.to_owned()).or_default();
        group.members.insert(client_id.to_owned());
    }

    pub(crate) fn accepted(
        &mut self,
        id: u64,
        message: &Message,
        sessions: &BTreeMap<String, Session>,
        told: Said,
    ) {
        for (filter, group) in &mut self.0 {
            if !matches(filter, &message.topic) {
                continue;
            }
            group.sent.entry(id).or_insert((group.departures, 0));
            let Some(granted) = group.granted(filter, sessions) else {
                continue;
            };
            let qos = granted.min(message.qos);
            if qos != QoS::AtMostOnce {
                let topic = message.topic.clone();
                let owed = OwedMessage {
                    topic,
                    qos,
                    told: Said::Nothing,
                };
                owe(&mut group.owed, id, owed, told);
            }
        }
    }

    /// A member unsubscribed.
    pub(crate) fn left(
        &mut self,
        filter: &str,
        client_id: &str,
        sessions: &BTreeMap<String, Session>,
    ) {
        if let Some(group) = self.0.get_mut(filter) {
            group.part(filter, client_id, sessions);
        }
    }

    /// A member, perhaps, lost its connection.
    pub(crate) fn detached(&mut self, session: &Session) {
        for filter in session.shared.keys().chain(&session.unsure) {
            if let Some(group) = self.0.get_mut(filter) {
                group.departures += 1;
            }
        }
    }

    /// A member's session ended: QoS 2 that it had begun ends with it. `is_old` tells what may have been
    /// begun before a crash, as far as the broker knows.
    pub(crate) fn ended(
        &mut self,
        session: &Session,
        client_id: &str,
        sessions: &BTreeMap<String, Session>,
        is_old: impl Fn(&u64) -> bool,
    ) {
        let sent = session.unsettled.values().chain(session.perhaps.values());
        let begun: BTreeSet<u64> = sent.filter_map(|sent| id_of(&sent.payload)).collect();
        let is_loose = session.is_loose || session.is_doubtful;
        for (filter, _) in &session.history {
            let Some(group) = self.0.get_mut(filter) else {
                continue;
            };
            group.has_fleeting |= session.expiry_secs == 0;
            group.owed.retain(|id, owed| {
                let may_be_begun = is_loose || begun.contains(id) || is_old(id);
                owed.qos == QoS::AtLeastOnce || !may_be_begun
            });
        }
        for filter in session.shared.keys().chain(&session.unsure) {
            if let Some(group) = self.0.get_mut(filter) {
                group.part(filter, client_id, sessions);
            }
        }
    }

    /// The broker died, and with it a session that does not outlive its connection.
    pub(crate) fn gone(&mut self, session: &Session) {
        for (filter, _) in &session.history {
            if let Some(group) = self.0.get_mut(filter) {
                group.has_fleeting = true;
            }
        }
    }

    /// The broker died. Messages may be lost that sessions had which went with it, or that are with
    /// one whose end is not sure.
    pub(crate) fn crash(
        &mut self,
        sessions: &BTreeMap<String, Session>,
        ghosts: &BTreeMap<String, Session>,
        is_acknowledged: impl Fn(&u64, &OwedMessage) -> bool,
    ) {
        for (filter, group) in &mut self.0 {
            group.departures += group.known.len() as u64 + 1;
            let is_sure = |member: &String| match sessions.get(member) {
                Some(session) => !session.is_doubtful && session.shared.contains_key(filter),
                // It has ended: what it had is other members', or is to be.
                None => !ghosts.contains_key(member),
            };
            let has_lost = group.has_fleeting || !group.known.iter().all(is_sure);
            group.has_fleeting = false;
            group.members.retain(|member| sessions.contains_key(member));
            group
                .owed
                .retain(|id, owed| !has_lost && is_acknowledged(id, owed));
            if group.granted(filter, sessions).is_none() {
                group.owed.clear();
            }
        }
    }

    /// A delivery to a member was written.
    pub(crate) fn sent(
        &mut self,
        session: &Session,
        id: u64,
        message: &Message,
        publish: &Publish<'_>,
    ) -> Result<(), String> {
        let group = session.group_of(&message.topic).map(str::to_owned);
        let Some(group) = group.and_then(|filter| self.0.get_mut(&filter)) else {
            return Ok(());
        };
        if publish.dup {
            return Ok(());
        }
        let departures = group.departures;
        let (since, times) = group.sent.entry(id).or_insert((departures, 0));
        *times += 1;
        let again = if publish.qos == QoS::AtLeastOnce {
            departures - *since
        } else {
            0
        };
        // Whoever goes away may have had every copy.
        let is_anew = session.has_crashed && publish.qos != QoS::ExactlyOnce;
        if is_anew || *times <= (message.times + message.extra) * (1 + again) {
            return Ok(());
        }
        Err(format!(
            "message {id} was sent to {times} members at {:?}",
            publish.qos
        ))
    }

    /// A member has a message.
    pub(crate) fn received(&mut self, session: &Session, id: u64) {
        for (filter, _) in &session.history {
            if let Some(group) = self.0.get_mut(filter) {
                group.owed.remove(&id);
            }
        }
    }

    /// All is quiet: what no member got must have been dropped with a report.
    pub(crate) fn check_owed(
        &mut self,
        drops: &BTreeMap<(String, String), u64>,
    ) -> Result<(), String> {
        for (filter, group) in &mut self.0 {
            let mut missing: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for (id, OwedMessage { topic, .. }) in std::mem::take(&mut group.owed) {
                missing.entry(topic).or_default().push(id);
            }
            for (topic, ids) in missing {
                let of = |member: &String| drops.get(&(member.clone(), topic.clone()));
                let nobody = String::new();
                let known = group.known.iter().chain([&nobody]);
                let dropped: u64 = known.filter_map(of).sum();
                if ids.len() as u64 > dropped {
                    return Err(format!("no member of {filter} got {ids:?} on {topic}"));
                }
            }
        }
        Ok(())
    }
}
