//! Incoming messages: the QoS 2 ids that wait for PUBREL, the numbers of messages that wait for the
//! application's word, and the server's topic aliases.

use std::collections::BTreeMap;

use columba_codec::PacketId;

use crate::outcome::Violation;

/// QoS 2 messages that were handed to the application and whose PUBREL has not come. Part of the
/// session state: it survives the connection (`MQTT-4.3.3-10`).
#[derive(Clone, Debug, Default)]
pub(super) struct ReceivedIds {
    /// Whether the PUBLISH came on this connection, and so counts against the receive maximum.
    ids: BTreeMap<PacketId, bool>,
    counted: usize,
}

impl ReceivedIds {
    /// Notes a PUBLISH and says whether it is new.
    ///
    /// # Errors
    /// [`Violation::ReceiveMaximum`].
    pub(super) fn insert(&mut self, packet_id: PacketId, maximum: u16) -> Result<bool, Violation> {
        let before = self.ids.get(&packet_id).copied();
        if before != Some(true) {
            if self.counted >= usize::from(maximum) {
                // Nobody gets the message, so that it has to be new when it comes again.
                return Err(Violation::ReceiveMaximum);
            }
            self.counted += 1;
            self.ids.insert(packet_id, true);
        }
        Ok(before.is_none())
    }

    /// PUBREL: the id is free again. Says whether it was there.
    pub(super) fn release(&mut self, packet_id: PacketId) -> bool {
        let found = self.ids.remove(&packet_id);
        if found == Some(true) {
            self.counted -= 1;
        }
        found.is_some()
    }

    /// What an earlier process received.
    pub(super) fn restore(&mut self, packet_id: PacketId) {
        self.ids.insert(packet_id, false);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.ids.keys().copied()
    }

    /// A new connection continues the session.
    pub(super) fn resume(&mut self) {
        self.counted = 0;
        self.ids.values_mut().for_each(|counted| *counted = false);
    }

    /// The session is gone.
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.counted = 0;
    }
}

/// Messages at QoS 2 that were handed over and wait for the application's word, with their numbers.
/// Survives the connection, so that a message is known again when the server sends it again.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    numbers: BTreeMap<PacketId, u64>,
    next: u64,
}

impl Arrivals {
    /// None that wait; the next number.
    pub(super) fn from(next: u64) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// The number of a message, and whether it is a new one.
    pub(super) fn insert(&mut self, packet_id: PacketId, dup: bool) -> (u64, bool) {
        if dup && let Some(number) = self.numbers.get(&packet_id) {
            return (*number, false);
        }
        let number = self.next;
        // No end of a run, but a damaged file may say anything.
        self.next = self.next.saturating_add(1);
        self.numbers.insert(packet_id, number);
        (number, true)
    }

    /// What an earlier process handed over.
    pub(super) fn restore(&mut self, packet_id: PacketId, number: u64) {
        self.numbers.insert(packet_id, number);
        self.next = self.next.max(number.saturating_add(1));
    }

    /// It has the application's word, or the server has ended its exchange.
    pub(super) fn remove(&mut self, packet_id: PacketId) {
        self.numbers.remove(&packet_id);
    }

    /// The session is gone. Numbers are not used again.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
    }

    pub(super) fn contains(&self, packet_id: PacketId) -> bool {
        self.numbers.contains_key(&packet_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PacketId, u64)> {
        self.numbers.iter().map(|(id, number)| (*id, *number))
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

/// The topics that the server's aliases stand for, on this connection (`MQTT-3.3.2-7`).
#[derive(Clone, Debug, Default)]
pub(super) struct IncomingAliases {
    topics: BTreeMap<u16, String>,
}

impl IncomingAliases {
    /// The topic of a PUBLISH.
    ///
    /// # Errors
    /// An alias above `maximum`, or one that was never set.
    pub(super) fn resolve(
        &mut self,
        topic: &str,
        alias: Option<u16>,
        maximum: u16,
    ) -> Result<String, Violation> {
        let Some(alias) = alias else {
            return Ok(topic.to_owned());
        };
        if alias > maximum {
            return Err(Violation::TopicAliasAboveMaximum);
        }
        if topic.is_empty() {
            return self
                .topics
                .get(&alias)
                .cloned()
                .ok_or(Violation::TopicAliasUnknown);
        }
        self.topics.insert(alias, topic.to_owned());
        Ok(topic.to_owned())
    }

    pub(super) fn clear(&mut self) {
        self.topics.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_above_the_receive_maximum_is_new_when_it_comes_again() {
        let mut ids = ReceivedIds::default();
        let [one, two] = [1, 2].map(|id| PacketId::new(id).expect("not 0"));
        assert_eq!(ids.insert(one, 1), Ok(true));
        assert_eq!(ids.insert(one, 1), Ok(false));
        assert_eq!(ids.insert(two, 1), Err(Violation::ReceiveMaximum));
        ids.resume();
        assert_eq!(ids.insert(two, 1), Ok(true));
        assert_eq!(ids.insert(one, 1), Err(Violation::ReceiveMaximum));
        ids.resume();
        assert_eq!(ids.insert(one, 1), Ok(false));
    }
}
