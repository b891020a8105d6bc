//! Messages that wait in a session, bounded by count and bytes.

use std::collections::VecDeque;

use columba_codec::QoS;

use crate::journal::RecordId;
use crate::kept::{Kept, KeptId};
use crate::limits::QueuePolicy;
use crate::message::Message;

/// Subscription Identifiers of all subscriptions that matched (`MQTT-3.3.4-4`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Identifiers {
    /// None of them has one.
    #[default]
    None,
    /// One has.
    One(u32),
    /// Several have.
    Many(Box<[u32]>),
}

impl Identifiers {
    pub(crate) fn from_slice(identifiers: &[u32]) -> Self {
        match identifiers {
            [] => Self::None,
            [one] => Self::One(*one),
            many => Self::Many(many.into()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// One copy of a message for one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The message, unless the copy leans on the kept one: see `kept/bodies.rs`.
    pub(crate) message: Option<Message>,
    /// Bytes of its topic, properties and payload.
    pub(crate) message_bytes: u32,
    /// The lower of published and granted QoS (`MQTT-3.8.4-8`).
    pub(crate) qos: QoS,
    /// RETAIN as the subscriber gets it.
    pub(crate) retain: bool,
    /// The shared subscription it came by; 0 for none.
    pub(crate) membership: u32,
    /// Subscription Identifiers.
    pub(crate) identifiers: Identifiers,
    /// Its copy in the store, if the session outlives the process.
    pub(crate) kept: Option<Kept>,
    /// The record of how far its QoS 2 exchange has come. Of a copy that is not in the store: what has
    /// to be reached before it may be sent, see [`Self::mark`].
    pub(crate) exchange: Option<RecordId>,
}

impl Delivery {
    /// A copy by a subscription that is not shared and has no identifiers.
    pub(crate) fn new(message: Message, qos: QoS, retain: bool) -> Self {
        let message_bytes = message.size_bytes();
        Self {
            message: Some(message),
            ..Self::leaning(message_bytes, qos, retain)
        }
    }

    /// A copy that leans on a kept message with so many bytes.
    pub(crate) fn leaning(message_bytes: usize, qos: QoS, retain: bool) -> Self {
        Self {
            message: None,
            message_bytes: message_bytes as u32,
            qos,
            retain,
            membership: 0,
            identifiers: Identifiers::None,
            kept: None,
            exchange: None,
        }
    }

    /// The message of a copy that does not lean on a kept one.
    pub(crate) fn message(&self) -> &Message {
        let Some(message) = &self.message else {
            unreachable!("a copy that leaves its queue has its message");
        };
        message
    }

    /// Whether another member of its shared group may get it instead: not if its exchange of QoS 2
    /// has begun (`MQTT-4.8.2-5`).
    pub(crate) fn may_go_to_others(&self, was_sent: bool) -> bool {
        self.membership != 0 && (!was_sent || self.qos != QoS::ExactlyOnce)
    }

    /// What has to be reached before a copy of QoS 2 may be sent that was taken from a session in the
    /// store and is in memory alone: until then, a crash would leave it with that one.
    pub(crate) fn mark(&self) -> Option<RecordId> {
        self.exchange.filter(|_| self.kept.is_none())
    }

    /// What limits count: the message, and what the copy has of its own.
    pub(crate) fn size_bytes(&self) -> usize {
        self.message_bytes as usize + size_of_val(self.identifiers.as_slice())
    }
}

/// First in, first out.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    /// QoS 0 among them.
    at_most_once: usize,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) policy: QueuePolicy,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Bytes of the messages that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether messages of QoS 0 wait: newer ones have to wait behind them (`MQTT-4.6.0-5`).
    pub(crate) const fn has_at_most_once(&self) -> bool {
        self.at_most_once > 0
    }

    /// Appends a delivery and gives back what had to go, the new one perhaps.
    pub(crate) fn push(
        &mut self,
        delivery: Delivery,
        limits: QueueLimits,
        mut dropped: impl FnMut(Delivery),
    ) {
        let size = delivery.size_bytes();
        let fits = |queue: &Self| {
            queue.deliveries.len() < limits.messages_max && queue.bytes + size <= limits.bytes_max
        };
        if !fits(self) && limits.policy == QueuePolicy::DropNewest {
            return dropped(delivery);
        }
        while !fits(self) {
            match self.pop() {
                Some(oldest) => dropped(oldest),
                // Larger than the whole queue.
                None => return dropped(delivery),
            }
        }
        self.bytes += size;
        self.at_most_once += usize::from(delivery.qos == QoS::AtMostOnce);
        self.deliveries.push_back(delivery);
    }

    pub(crate) fn front(&self) -> Option<&Delivery> {
        self.deliveries.front()
    }

    /// All that wait, first to last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// The one that has so many before it, or the last.
    pub(crate) fn behind(&self, count: usize) -> Option<&Delivery> {
        self.deliveries
            .get(count)
            .or_else(|| self.deliveries.back())
    }

    /// Takes out the copy of a kept message, which stands among the first `count`.
    pub(crate) fn take_one(&mut self, message: KeptId, count: usize) -> Option<Delivery> {
        let is_it = |delivery: &Delivery| delivery.kept.is_some_and(|of| of.message == message);
        let position = self.deliveries.iter().take(count).position(is_it)?;
        let delivery = self.deliveries.remove(position)?;
        self.uncount(&delivery);
        Some(delivery)
    }

    fn uncount(&mut self, delivery: &Delivery) {
        self.bytes -= delivery.size_bytes();
        self.at_most_once -= usize::from(delivery.qos == QoS::AtMostOnce);
    }

    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.deliveries.pop_front()?;
        self.uncount(&delivery);
        if self.deliveries.is_empty() && self.deliveries.capacity() > 64 {
            self.deliveries = VecDeque::new();
        }
        Some(delivery)
    }

    /// Takes out all deliveries that came by a shared subscription.
    pub(crate) fn take_shared(&mut self, is_taken: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let mut taken = Vec::new();
        if !self
            .deliveries
            .iter()
            .any(|delivery| delivery.membership != 0)
        {
            return taken;
        }
        for delivery in std::mem::take(&mut self.deliveries) {
            if delivery.membership != 0 && is_taken(&delivery) {
                self.uncount(&delivery);
                taken.push(delivery);
            } else {
                self.deliveries.push_back(delivery);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageParts, NEVER_MS};

    fn delivery(payload: &str) -> Delivery {
        let message = Message::new(MessageParts {
            topic: "t",
            properties: &[],
            payload: payload.as_bytes(),
            qos: QoS::AtLeastOnce,
            retain: false,
            expires_at_ms: NEVER_MS,
            publisher: 0,
            number: 0,
        });
        Delivery::new(message, QoS::AtLeastOnce, false)
    }

    fn fill(limits: QueueLimits, payloads: &[&str]) -> (Vec<String>, Vec<String>) {
        let text = |delivery: &Delivery| {
            String::from_utf8_lossy(delivery.message().payload()).into_owned()
        };
        let mut queue = Queue::default();
        let mut dropped = Vec::new();
        for payload in payloads {
            queue.push(delivery(payload), limits, |gone| dropped.push(text(&gone)));
        }
        let mut kept = Vec::new();
        while let Some(delivery) = queue.pop() {
            kept.push(text(&delivery));
        }
        assert_eq!(queue.bytes(), 0);
        (kept, dropped)
    }

    #[test]
    fn a_full_queue_drops_what_its_policy_says() {
        // Cause 9: queue limit overflow.
        let limits = |policy| QueueLimits {
            messages_max: 2,
            bytes_max: 100,
            policy,
        };
        let (kept, dropped) = fill(limits(QueuePolicy::DropOldest), &["1", "2", "3"]);
        assert_eq!(
            (kept, dropped),
            (vec!["2".into(), "3".into()], vec!["1".into()])
        );
        let (kept, dropped) = fill(limits(QueuePolicy::DropNewest), &["1", "2", "3"]);
        assert_eq!(
            (kept, dropped),
            (vec!["1".into(), "2".into()], vec!["3".into()])
        );
    }

    #[test]
    fn bytes_are_a_limit_too() {
        let limits = QueueLimits {
            messages_max: 9,
            bytes_max: 10,
            policy: QueuePolicy::DropOldest,
        };
        let (kept, dropped) = fill(limits, &["1234", "1234", "12345678", "123456789012"]);
        assert_eq!(kept, Vec::<String>::new());
        assert_eq!(dropped, ["1234", "1234", "12345678", "123456789012"]);
    }
}
