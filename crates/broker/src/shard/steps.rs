//! The steps of a delivery that the store has to know of before the client does.

use columba_codec::{PacketId, PacketType, QoS, ReasonCode};

use super::Shard;
use super::exchange::Then;
use crate::id::ConnectionId;
use crate::journal::RecordId;
use crate::kept::Kept;
use crate::record::{Exchange, Record, Step};
use crate::routing::share::SessionRef;
use crate::session::queue::Delivery;
use crate::session::window::Window;
use crate::timer::Timer;

/// Why a copy of QoS 2 on its way from one member of a group to another is lost.
pub(super) const LOST_ON_THE_WAY: &str =
    "the disk has failed, so nobody else may get it before a restart";

impl Shard {
    /// Whether a delivery that could be sent now has to be held back.
    pub(super) fn must_hold(&self, slot: u32, delivery: &Delivery) -> bool {
        let has_held = |window: &Window| window.has_held();
        let is_exact = delivery.qos == QoS::ExactlyOnce;
        (is_exact && (delivery.kept.is_some() || delivery.exchange.is_some()))
            || self
                .session(slot)
                .and_then(|session| session.window.as_deref())
                .is_some_and(has_held)
    }

    /// Gives a delivery its packet id, and sends it when the store knows of both.
    pub(super) fn hold(&mut self, slot: u32, mut delivery: Delivery) {
        if delivery.mark().is_some() && self.journal.has_failed() {
            return self.drop_lost(slot, &delivery, LOST_ON_THE_WAY);
        }
        let Some(session) = self.session_mut(slot) else {
            return;
        };
        let packet_id = session.window.get_or_insert_default().next_id();
        let is_exact = delivery.qos == QoS::ExactlyOnce;
        if let Some(kept) = delivery.kept.filter(|_| is_exact) {
            match self.kept.record(kept.message) {
                // Its record is about to be written and can say so itself.
                None => {
                    let place = kept.recipient as usize;
                    if let Some(recipient) = self.keeping.recipients.get_mut(place) {
                        recipient.step = Step::Sent(packet_id);
                    }
                }
                Some(_) => self.note_id(slot, packet_id, &mut delivery),
            }
        }
        if let Some(session) = self.session_mut(slot) {
            session.window.get_or_insert_default().push_held(delivery);
        }
        self.stats.inflight_messages += 1;
        self.wait_for_store(slot);
    }

    /// Has the store note the packet id of a delivery whose message it has.
    pub(super) fn note_id(&mut self, slot: u32, packet_id: PacketId, delivery: &mut Delivery) {
        let record = delivery.kept.and_then(|of| self.kept.record(of.message));
        let position = record.and_then(|record| self.journal.position(record));
        if let (Some(session), Some(message)) = (self.durable_number(slot), position) {
            let sent = Record::Sent(Exchange {
                session,
                message,
                packet_id,
            });
            self.journal
                .replace(&mut delivery.exchange, |out| sent.write(out));
        }
    }

    /// What is held back may be sent: nothing has to be waited for any more.
    pub(super) fn forget_mark(&mut self, slot: u32, packet_id: PacketId, delivery: &Delivery) {
        let Some(mark) = delivery.mark() else { return };
        self.release_mark(Some(mark));
        let window = self.session_mut(slot).and_then(|of| of.window.as_mut());
        if let Some(sent) = window.and_then(|window| window.delivery_mut(packet_id)) {
            sent.exchange = None;
        }
    }

    pub(super) fn release_mark(&mut self, mark: Option<RecordId>) {
        if let Some(mark) = mark {
            self.journal.release(mark);
        }
    }

    /// The store has failed: copies that a session holds back because others may have them on disk are
    /// lost. The session, which is in memory alone, goes on without them.
    /// Returns whether there were any.
    pub(super) fn lose_moving(&mut self, me: SessionRef) -> bool {
        let session = self.session_mut(me.slot).filter(|of| of.me == me);
        let Some(window) = session.and_then(|session| session.window.as_mut()) else {
            return false;
        };
        let lost = window.take_held(|delivery| delivery.mark().is_some());
        if lost.is_empty() {
            return false;
        }
        window.go_on();
        for delivery in lost {
            self.stats.inflight_messages -= 1;
            self.drop_lost(me.slot, &delivery, LOST_ON_THE_WAY);
        }
        self.pump(me.slot);
        true
    }

    /// Whether the store has the message of a delivery that waits, so that the next step can be
    /// written down.
    pub(super) fn is_recorded(&self, delivery: &Delivery) -> bool {
        delivery.kept.is_none_or(|kept| {
            let record = self.kept.record(kept.message);
            record.is_some_and(|record| self.journal.position(record).is_some())
        })
    }

    /// Has [`Self::pump`] called again when the store is further.
    pub(super) fn wait_for_store(&mut self, slot: u32) {
        let Some(me) = self.session(slot).map(|session| session.me) else {
            return;
        };
        if self.journal.has_failed() && self.lose_moving(me) {
            return;
        }
        let window = self.session_mut(slot).and_then(|of| of.window.as_mut());
        if window.is_some_and(|window| window.wait()) {
            return;
        }
        self.exchanges.holding.push(me);
    }

    /// The client has a QoS 2 message: PUBREL goes out when the store knows.
    pub(super) fn release_outgoing(
        &mut self,
        conn: ConnectionId,
        slot: u32,
        packet_id: PacketId,
        is_first: bool,
    ) {
        let number = self.durable_number(slot);
        let Self {
            sessions,
            kept,
            journal,
            ..
        } = self;
        let delivery = sessions
            .get_mut(slot as usize)
            .and_then(|session| session.window.as_mut()?.delivery_mut(packet_id));
        let then = Then::Acknowledge {
            conn,
            packet: PacketType::PubRel,
            packet_id,
            reason: ReasonCode::Success,
        };
        let Some(delivery) = delivery else { return };
        let message = delivery
            .kept
            .and_then(|of| journal.position(kept.record(of.message)?));
        let (Some(session), Some(message)) = (number, message) else {
            // Not before those that were asked for earlier (MQTT-4.6.0-4).
            return self.commit_then(false, then);
        };
        if is_first {
            let released = Record::Released(Exchange {
                session,
                message,
                packet_id,
            });
            journal.replace(&mut delivery.exchange, |out| released.write(out));
        }
        let is_durable = delivery
            .exchange
            .is_none_or(|record| journal.position(record).is_some());
        self.commit_then(!is_durable, then);
    }

    /// Nothing of a copy is waited for any more, nor is it in the store.
    pub(super) fn settle_copy(&mut self, delivery: &Delivery) {
        if let Some(kept) = delivery.kept {
            self.settle_kept(kept, delivery.exchange);
        }
        self.release_mark(delivery.mark());
    }

    /// A copy of a kept message is off this shard's hands.
    pub(super) fn settle_kept(&mut self, kept: Kept, exchange: Option<RecordId>) {
        let now_ms = self.now.mono_ms;
        let due = self.kept.settle(kept, exchange, &mut self.journal, now_ms);
        if let Some(due_ms) = due {
            self.timers.set(due_ms, Timer::SaveSettled);
        }
    }

    pub(super) fn on_save_settled(&mut self) {
        // Such notes take room and make none. Without room no delivery of QoS 2 begins either, so that
        // no packet id is used anew before it is noted that its exchange is over.
        let may_write = !self.journal.is_full();
        let now_ms = self.now.mono_ms;
        let due = self.kept.save(&mut self.journal, now_ms, may_write);
        if let Some(due_ms) = due {
            self.timers.set(due_ms, Timer::SaveSettled);
        }
    }
}
