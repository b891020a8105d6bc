//! A shared subscription gives each message to one member; at QoS 1 to another one as well if the
//! first goes away (section 4.8.2).

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::QoS;
use columba_codec::packet::Publish;

use super::delivery::matches;
use crate::oracle::{Message, Session};

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
    owed: BTreeMap<u64, (String, QoS)>,
    /// Departures when a message was accepted first, and how often it was sent without DUP.
    sent: BTreeMap<u64, (u64, u64)>,
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
    ) {
        for (filter, group) in &mut self.0 {
            if !matches(filter, &message.topic) {
                continue;
            }
            group.sent.entry(id).or_insert((group.departures, 0));
            let granted = group.members.iter().find_map(|member| {
                let session = sessions
                    .get(member)
                    .filter(|of| !of.is_doubtful && !of.is_loose)?;
                let known = session.shared.get(filter)?;
                Some(known.options.qos)
            });
            let Some(granted) = granted else { continue };
            let qos = granted.min(message.qos);
            if qos != QoS::AtMostOnce {
                group.owed.insert(id, (message.topic.clone(), qos));
            }
        }
    }

    /// A member unsubscribed: what it had may end with it.
    pub(crate) fn left(&mut self, filter: &str, client_id: &str) {
        if let Some(group) = self.0.get_mut(filter) {
            group.members.remove(client_id);
            group.departures += 1;
            group.owed.clear();
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

    /// A member's session ended: QoS 2 that it had begun ends with it.
    pub(crate) fn ended(&mut self, session: &Session, client_id: &str) {
        for filter in session.shared.keys().chain(&session.unsure) {
            let Some(group) = self.0.get_mut(filter) else {
                continue;
            };
            group.members.remove(client_id);
            group.departures += 1;
            group.owed.retain(|_, (_, qos)| *qos == QoS::AtLeastOnce);
            if group.members.is_empty() {
                group.owed.clear();
            }
        }
    }

    /// The broker died: messages of members whose sessions go with it may be lost.
    pub(crate) fn crash(
        &mut self,
        sessions: &BTreeMap<String, Session>,
        is_acknowledged: impl Fn(&u64) -> bool,
    ) {
        for (filter, group) in &mut self.0 {
            group.departures += group.known.len() as u64 + 1;
            let is_sure = |member: &String| {
                let session = sessions.get(member).filter(|of| !of.is_doubtful);
                session.is_some_and(|session| session.shared.contains_key(filter))
            };
            let has_lost = !group.known.iter().all(is_sure);
            group.members.retain(|member| sessions.contains_key(member));
            group.owed.retain(|id, _| !has_lost && is_acknowledged(id));
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
            for (id, (topic, _)) in std::mem::take(&mut group.owed) {
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
