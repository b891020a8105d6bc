//! Messages of one publisher on one topic at one QoS arrive in the order in which they were
//! accepted (`MQTT-4.6.0-6`).

use std::collections::BTreeMap;

use columba_codec::QoS;
use columba_codec::packet::Publish;

use crate::oracle::Message;

/// What a session got last, by publisher, topic and QoS.
#[derive(Debug, Default)]
pub(crate) struct Order(BTreeMap<(String, String, QoS), u64>);

impl Order {
    /// A delivery that is not sent again. Retained messages for a new subscription have their own
    /// way.
    pub(crate) fn sent(
        &mut self,
        message: &Message,
        publish: &Publish<'_>,
        is_first: bool,
    ) -> Result<(), String> {
        // After a crash QoS 1 is sent anew, from where it was.
        if publish.dup || publish.retain || !is_first {
            return Ok(());
        }
        let key = (
            message.publisher.clone(),
            message.topic.clone(),
            publish.qos,
        );
        let newest = self.0.entry(key).or_default();
        if message.last < *newest {
            return Err(format!(
                "the message accepted as number {} of {} came after number {newest}",
                message.last, message.publisher
            ));
        }
        *newest = message.first.max(*newest);
        Ok(())
    }
}
