//! Messages of one publisher on one topic at one QoS arrive in the order in which they were
//! accepted (`MQTT-4.6.0-6`), at QoS 2 also when they are sent again after a crash, and of what is sent
//! again none at QoS 1 or 2 overtakes one at the other (`MQTT-4.6.0-1`).

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::QoS;
use columba_codec::packet::Publish;

use crate::oracle::Message;

/// What a session got last.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// For the first time, by publisher, topic and QoS.
    first: BTreeMap<(String, String, QoS), u64>,
    /// Again on the present connection, by publisher, topic and QoS.
    again: BTreeMap<(String, String, QoS), u64>,
    /// Messages that were sent for the first time since the last crash, by their number: they come again in
    /// the order in which they were.
    anew: BTreeSet<u64>,
}

impl Order {
    /// All that is not acknowledged comes again.
    pub(crate) fn reconnected(&mut self) {
        self.again.clear();
    }

    /// What was sent is no longer known, but for QoS 2.
    pub(crate) fn crashed(&mut self) {
        self.anew.clear();
    }

    /// A delivery. Retained messages for a new subscription have their own way.
    pub(crate) fn sent(
        &mut self,
        message: &Message,
        publish: &Publish<'_>,
        is_first: bool,
    ) -> Result<(), String> {
        if publish.retain {
            return Ok(());
        }
        let key = |qos| (message.publisher.clone(), message.topic.clone(), qos);
        if publish.dup && self.anew.contains(&message.first) {
            return Ok(());
        }
        if publish.dup {
            let other = match publish.qos {
                QoS::ExactlyOnce => QoS::AtLeastOnce,
                QoS::AtMostOnce | QoS::AtLeastOnce => QoS::ExactlyOnce,
            };
            let newest = self.again.entry(key(publish.qos)).or_default();
            let before = std::mem::replace(newest, message.first.max(*newest));
            if publish.qos == QoS::ExactlyOnce {
                in_order(before, message)?;
            }
            let other = self.again.get(&key(other));
            return other.map_or(Ok(()), |newest| in_order(*newest, message));
        }
        self.anew.insert(message.first);
        // After a crash QoS 1 is sent anew, from where it was.
        if !is_first {
            return Ok(());
        }
        let newest = self.first.entry(key(publish.qos)).or_default();
        let checked = in_order(*newest, message);
        *newest = message.first.max(*newest);
        checked
    }
}

fn in_order(newest: u64, message: &Message) -> Result<(), String> {
    if message.last >= newest {
        return Ok(());
    }
    Err(format!(
        "the message accepted as number {} of {} came after number {newest}",
        message.last, message.publisher
    ))
}
