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
pub(crate) fn release(
    client_id: &str,
    session: &mut Session,
    filter: &str,
    messages: &mut BTreeMap<u64, Message>,
) {
    session.owed.retain(|_, owed| !matches(filter, &owed.topic));
    // If the broker has it from before a crash, it comes for no later subscription either.
    let serial = session.serial;
    let meant = messages
        .values_mut()
        .filter(|of| of.owed_to.contains(&serial) && matches(filter, &of.topic));
    for message in meant {
        let left = owed(client_id, session, message);
        if left.is_none_or(|left| left.qos == QoS::AtMostOnce) {
            message.owed_to.remove(&serial);
        }
    }
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

#[cfg(test)]
mod tests {
    use columba_codec::packet::{RetainHandling, SubscribeOptions};

    use super::*;
    use crate::oracle::Subscription;

    fn subscription(qos: QoS) -> Subscription {
        Subscription {
            options: SubscribeOptions {
                qos,
                no_local: false,
                retain_as_published: false,
                retain_handling: RetainHandling::Send,
            },
            number: 1,
            last: 1,
            is_acknowledged: true,
            sure: Said::Durable,
            settled: Said::Durable,
        }
    }

    /// Whether a session with these subscriptions is to get a message on t/a in any case once the first
    /// of them has changed.
    fn is_still_owed(subscriptions: &[(&str, QoS)]) -> bool {
        let mut session = Session::new(1, 0);
        session.conn = Some(0);
        for (filter, qos) in subscriptions {
            let new = subscription(*qos);
            session.subscriptions.insert((*filter).to_owned(), new);
        }
        let message = Message {
            topic: "t/a".to_owned(),
            payload: Vec::new(),
            qos: QoS::ExactlyOnce,
            retain: false,
            publisher: "publisher".to_owned(),
            is_will: false,
            expires_ms: None,
            first: 1,
            last: 1,
            times: 1,
            owed_to: [session.serial].into(),
            extra: 0,
            acknowledged: Said::Nothing,
            is_expiry_open: false,
        };
        let mut messages = BTreeMap::from([(7, message)]);
        release("c", &mut session, subscriptions[0].0, &mut messages);
        messages[&7].owed_to.contains(&session.serial)
    }

    #[test]
    fn a_subscription_that_falls_to_qos_0_may_have_done_so_before_the_message_came_to_it() {
        assert!(!is_still_owed(&[("t/#", QoS::AtMostOnce)]));
        assert!(!is_still_owed(&[
            ("t/#", QoS::AtMostOnce),
            ("u", QoS::ExactlyOnce)
        ]));
    }

    #[test]
    fn what_comes_above_qos_0_all_the_same_is_still_owed() {
        assert!(is_still_owed(&[("t/#", QoS::AtLeastOnce)]));
        assert!(is_still_owed(&[
            ("t/#", QoS::AtMostOnce),
            ("t/+", QoS::ExactlyOnce)
        ]));
        assert!(is_still_owed(&[
            ("u", QoS::AtMostOnce),
            ("t/+", QoS::ExactlyOnce)
        ]));
    }
}
