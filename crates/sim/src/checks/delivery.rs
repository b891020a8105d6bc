//! A message that is accepted after a SUBACK reaches the subscriber, at least once if it is above
//! QoS 0, unless a drop with a reason was reported for it; and nobody gets what it did not ask for.

use std::collections::BTreeMap;

use columba_codec::packet::Publish;
use columba_codec::{QoS, TopicFilter};

use crate::oracle::{Message, Oracle, Said, Session};

/// Whether a filter, shared or not, matches a topic.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic))
}

/// What a session is owed of a message that was just accepted.
pub(crate) fn owed(
    client_id: &str,
    session: &Session,
    message: &Message,
) -> Option<crate::oracle::OwedMessage> {
    if session.is_doubtful || session.is_loose {
        return None;
    }
    let is_own = message.publisher == client_id;
    let granted = session
        .subscriptions
        .iter()
        .filter(|(filter, known)| {
            known.is_acknowledged
                && !(known.options.no_local && is_own)
                && matches(filter, &message.topic)
        })
        .map(|(_, known)| known.options.qos)
        .max()?;
    let qos = granted.min(message.qos);
    if qos == QoS::AtMostOnce && session.conn.is_none() {
        return None;
    }
    Some(crate::oracle::OwedMessage {
        topic: message.topic.clone(),
        qos,
        told: Said::Nothing,
    })
}

/// A subscription is gone or has changed: what it matched may or may not come any more.
pub(crate) fn release(session: &mut Session, filter: &str) {
    session.owed.retain(|_, owed| !matches(filter, &owed.topic));
}

/// A message was written for the session's connection.
pub(crate) fn sent(session: &mut Session, id: u64) {
    if session
        .owed
        .get(&id)
        .is_some_and(|owed| owed.qos == QoS::AtMostOnce)
    {
        session.owed.remove(&id);
    }
}

/// A delivery is of the message that was accepted, for somebody who asked for it.
pub(crate) fn check(
    session: &Session,
    message: &Message,
    topic: &str,
    publish: &Publish<'_>,
) -> Result<(), String> {
    if message.topic != topic {
        return Err(format!("published to {}", message.topic));
    }
    if message.payload != publish.payload {
        return Err("the payload has changed".to_owned());
    }
    if publish.qos > message.qos {
        return Err(format!("{:?} of {:?}", publish.qos, message.qos));
    }
    if publish.retain && !message.retain {
        return Err("RETAIN on a message that was not retained".to_owned());
    }
    let is_wanted = |(filter, _): &(String, bool)| matches(filter, topic);
    if session.history.iter().any(is_wanted) {
        return Ok(());
    }
    Err("nobody subscribed to it here".to_owned())
}

impl Oracle {
    /// All is quiet: what is still owed must have been dropped with a report.
    pub(crate) fn check_owed(&mut self) {
        let mut missing: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for (client_id, session) in &mut self.sessions {
            for (id, owed) in std::mem::take(&mut session.owed) {
                let key = (client_id.clone(), owed.topic);
                missing.entry(key).or_default().push(id);
            }
        }
        for (key, ids) in missing {
            let dropped = self.drops.get(&key).copied().unwrap_or(0);
            if ids.len() as u64 > dropped {
                let (client_id, topic) = key;
                let detail = format!(
                    "{client_id} misses messages {ids:?} on {topic}; {dropped} were reported dropped"
                );
                self.fail("delivery", detail);
            }
        }
        let result = self.groups.check_owed(&self.drops);
        self.judge("share", result);
        self.drops.clear();
        for link in 0..self.conns.len() {
            let conn = &self.conns[link];
            if conn.phase == crate::oracle::Phase::Open
                && !(conn.subscribing.is_empty() && conn.answers.is_empty())
            {
                let detail = format!(
                    "link {link} waits for {:?} {:?}",
                    conn.subscribing, conn.answers
                );
                self.fail("acknowledgement", detail);
            }
        }
    }
}
