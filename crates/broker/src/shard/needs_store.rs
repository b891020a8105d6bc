//! Whether something that is not taken yet needs the store. Asked only while that does not keep up.

use std::sync::Arc;

use columba_codec::packet::Publish;
use columba_codec::{Packet, PropertyId, QoS};

use super::Shard;
use crate::hash::hash_of;
use crate::id::ConnectionId;
use crate::routing::{Filter, FilterId};

impl Shard {
    /// Whether a packet would put a record into the journal, or have an answer that waits for one,
    /// here or on another shard. Yes where that is not known.
    pub(super) fn needs_store(&mut self, id: ConnectionId, packet: &Packet<'_>) -> bool {
        let Some(slot) = self.connection(id).map(|connection| connection.session) else {
            return false;
        };
        match packet {
            Packet::Publish(publish) => self.publish_needs_store(id, slot, publish),
            // One that lasts and began when the disk had failed is in memory alone: SUBACK would promise
            // what is not so.
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => self
                .session(slot)
                .is_some_and(|session| session.durable.is_some() || session.is_persistent()),
            _ => false,
        }
    }

    /// Of QoS 0 only what is retained does, which nobody has to ask here.
    fn publish_needs_store(&mut self, id: ConnectionId, slot: u32, publish: &Publish<'_>) -> bool {
        if publish.retain {
            return true;
        }
        // The packet id of QoS 2 is stored with the message, if that is. One that comes again is answered
        // when the first may be.
        if let Some(packet_id) = publish
            .packet_id
            .filter(|_| publish.qos == QoS::ExactlyOnce)
            && let Some(session) = self.session(slot)
            && let Some(received) = &session.received
            && let Some(known) = received.get(&packet_id.get())
        {
            return known.record.is_some() || self.exchanges.is_open(known.exchange);
        }
        let alias = publish.properties.u16(PropertyId::TopicAlias);
        let Some(alias) = alias.filter(|_| publish.topic.is_empty()) else {
            return self.message_needs_store(publish.topic);
        };
        // An alias that was not set ends the connection.
        self.topic_of_alias(id, alias)
            .is_some_and(|topic| self.message_needs_store(&topic))
    }

    fn topic_of_alias(&self, id: ConnectionId, alias: u16) -> Option<Arc<str>> {
        let aliases = self.connection(id)?.aliases.as_ref();
        aliases?.incoming(alias)
    }

    /// The same of a message of QoS 1 or 2 that is not retained.
    ///
    /// A "no" holds for every subscription that was acknowledged: SUBACK goes out when all shards have
    /// taken in that a session that outlives the process is among a filter's subscribers.
    pub(super) fn message_needs_store(&mut self, topic: &str) -> bool {
        if self.topic_fault(topic).is_some() {
            // Refused.
            return false;
        }
        let mut found = std::mem::take(&mut self.scratch.filters);
        found.clear();
        let topic_hash = hash_of(&self.hashing, topic);
        self.matched += self.filters.find(topic_hash, topic, &mut found);
        let is_needed = found.iter().any(|filter| self.filter_needs_store(*filter));
        self.scratch.filters = found;
        is_needed
    }

    fn filter_needs_store(&mut self, id: FilterId) -> bool {
        let Some(filter) = self.filters.get(id) else {
            return false;
        };
        let mut steps = 1;
        let is_needed = filter.remote_durable != 0
            || self.is_stored_here(filter, &mut steps)
            || self.is_stored_by_groups(filter, &mut steps);
        self.matched += steps;
        is_needed
    }

    fn is_stored_here(&self, filter: &Filter, steps: &mut usize) -> bool {
        // Set as long as the first one that outlives the process, or another subscriber, is there.
        filter.is_told_durable
            && filter.local.iter().any(|subscriber| {
                *steps += 1;
                subscriber.qos != QoS::AtMostOnce
                    && self.durable_number(subscriber.session).is_some()
            })
    }

    /// Only the owner of a group knows the members, and what those of other shards are as long as they are in
    /// it; a group stays one that may store as long as it is there.
    fn is_stored_by_groups(&self, filter: &Filter, steps: &mut usize) -> bool {
        filter.groups.iter().any(|group| {
            *steps += 1;
            let mut members = group.members.iter();
            // Another shard that has a part in it answers in an exchange, which comes to its end only if
            // the store does not fail.
            group.is_durable
                && (group.owner != self.id
                    || members.any(|member| {
                        *steps += 1;
                        member.is_durable || member.session.shard != self.id
                    }))
        })
    }
}
