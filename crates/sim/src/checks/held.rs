//! Who has nothing to store does not wait for the store.

use std::collections::BTreeSet;

use columba_codec::packet::Publish;
use columba_codec::{Decoded, Packet, PropertyId, QoS, decode};

use super::delivery::matches;
use crate::event::LinkId;
use crate::oracle::Oracle;

/// Filters that sessions which outlive the process ever had: a message that matches one may have to be stored.
#[derive(Debug, Default)]
pub(crate) struct Stored(BTreeSet<String>);

/// So many answers to come let the broker wait whatever comes behind them.
const ANSWERS_MAX: usize = 64;

impl Stored {
    /// Somebody subscribes.
    pub(crate) fn note(&mut self, filter: &str, is_lasting: bool) {
        if is_lasting {
            self.0.insert(filter.to_owned());
        }
    }

    fn may_concern(&self, topic: &str) -> bool {
        self.0.iter().any(|filter| matches(filter, topic))
    }
}

impl Oracle {
    /// The packet that just came on a connection, the first that was not taken in, waits for the store.
    pub(crate) fn check_held(&mut self, link: LinkId) {
        let conn = &self.conns[link];
        let decoded = decode(&conn.input, conn.version, u32::MAX);
        let Ok(Decoded::Packet(packet, _)) = decoded else {
            return;
        };
        let session = self.sessions.get(&conn.client_id);
        let Some(session) = session.filter(|session| !session.is_loose) else {
            return;
        };
        let mut held_topic = None;
        let may_wait = match &packet {
            Packet::Publish(publish) => {
                let is_again = publish.packet_id.is_some_and(|id| {
                    session.received.contains(&id.get())
                        || session.received_perhaps.contains(&id.get())
                });
                let topic = self.topic_of_publish(link, publish);
                let may_wait = publish.retain
                    || publish.qos == QoS::ExactlyOnce && is_again
                    || conn.answers.len() >= ANSWERS_MAX
                    || self.stored.may_concern(&topic);
                held_topic = Some(topic);
                may_wait
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => session.has_lasted,
            _ => true,
        };
        let detail =
            (!may_wait).then(|| format!("link {link} waits for the store with {packet:?}"));
        // One that was let in to the same topic just before is not what is asked about then.
        self.truth
            .blank
            .extend(held_topic.map(|topic| (self.now_ms, topic)));
        if let Some(detail) = detail {
            self.fail("held", detail);
        }
    }

    fn topic_of_publish(&self, link: LinkId, publish: &Publish<'_>) -> String {
        let alias = publish.properties.u16(PropertyId::TopicAlias);
        let known = alias.filter(|_| publish.topic.is_empty());
        let known = known.and_then(|alias| self.conns[link].aliases_in.get(&alias));
        known.map_or_else(|| publish.topic.to_owned(), String::clone)
    }
}
