//! What waits in a session's queue goes to its client, as far as that takes it.

use columba_codec::QoS;

use super::Shard;
use crate::outcome::Outcome;

impl Shard {
    /// Returns whether the first that waits has to be read back before it can go.
    pub(super) fn pump_queue(&mut self, slot: u32) -> bool {
        let now_ms = self.now.mono_ms;
        loop {
            let Some(session) = self.session(slot) else {
                return false;
            };
            let Some(front) = session.queue.as_ref().and_then(|queue| queue.front()) else {
                return false;
            };
            let Some(id) = session.connection else {
                return false;
            };
            let Some(connection) = self.connection(id) else {
                return false;
            };
            if self
                .outline_of(front)
                .is_some_and(|message| message.is_expired(now_ms))
            {
                // MQTT-3.3.2-5
                self.drop_front(slot, Outcome::DeliverExpired);
                continue;
            }
            if connection.output_len() >= self.limits.output_bytes_max {
                self.wait_for_output(id);
                return false;
            }
            let receive_maximum = connection.receive_maximum;
            let window = session.window.as_ref();
            let has_room = window.is_none_or(|window| {
                window.has_room(receive_maximum, self.limits.inflight_bytes_max)
            });
            if front.qos != QoS::AtMostOnce && !has_room {
                return false;
            }
            if front.qos == QoS::ExactlyOnce && !self.is_recorded(front) {
                self.wait_for_store(slot);
                return false;
            }
            if !self.kept.has(front) {
                return true;
            }
            let Some(mut delivery) = self.pop_queue(slot) else {
                return false;
            };
            if delivery.mark().is_some() && self.is_on_disk(&delivery) {
                self.release_mark(delivery.mark());
                delivery.exchange = None;
            }
            match delivery.qos {
                QoS::AtMostOnce => self.send_kept_at_most_once(slot, &delivery),
                QoS::AtLeastOnce | QoS::ExactlyOnce if self.must_hold(slot, &delivery) => {
                    self.hold(slot, delivery);
                }
                QoS::AtLeastOnce | QoS::ExactlyOnce => {
                    self.send_reliably(id, slot, delivery, None);
                }
            }
        }
    }

    fn drop_front(&mut self, slot: u32, outcome: Outcome) {
        if let Some(delivery) = self.pop_queue(slot) {
            let message = delivery.message().clone();
            self.drop_delivery_of(slot, &delivery, outcome, &message);
        }
    }
}
