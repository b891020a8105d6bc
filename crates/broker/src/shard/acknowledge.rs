//! The handshakes of QoS 1 and 2 after the PUBLISH (section 4.3).

use columba_codec::packet::Acknowledgement;
use columba_codec::{PacketId, PacketType, Properties, ReasonCode};

use super::Shard;
use super::exchange::Then;
use super::note::Subject;
use crate::id::ConnectionId;
use crate::outcome::Outcome;
use crate::recorder::Facts;
use crate::session::ReceivedId;
use crate::session::queue::Delivery;
use crate::session::window::{Mismatch, Window};

impl Shard {
    /// QoS 1: the client has the message, or refuses it.
    pub(super) fn on_puback(&mut self, id: ConnectionId, slot: u32, ack: Acknowledgement<'_>) {
        let settled = self.window_step(slot, |window| window.acknowledge(ack.packet_id));
        self.finish(id, slot, "PUBACK", ack, settled);
    }

    /// QoS 2, part 1: the client has the message (PUBREL follows), or refuses it.
    pub(super) fn on_pubrec(&mut self, id: ConnectionId, slot: u32, ack: Acknowledgement<'_>) {
        if ack.reason.is_error() {
            // PUBREC with an error ends the exchange: no PUBREL follows, the id is free at once
            // (MQTT-4.4.0-2).
            let settled = self.window_step(slot, |window| window.refuse(ack.packet_id));
            return self.finish(id, slot, "PUBREC", ack, settled);
        }
        match self.window_step(slot, |window| window.release(ack.packet_id)) {
            Ok(is_first) => self.release_outgoing(id, slot, ack.packet_id, is_first),
            Err(Mismatch::UnknownId) => self.answer_unknown(id, PacketType::PubRel, ack.packet_id),
            Err(Mismatch::WrongStep) => self.close_for_step(id, "PUBREC", ack.packet_id),
        }
    }

    /// QoS 2, part 3: the exchange is over.
    pub(super) fn on_pubcomp(&mut self, id: ConnectionId, slot: u32, ack: Acknowledgement<'_>) {
        let settled = self.window_step(slot, |window| window.complete(ack.packet_id));
        let ack = Acknowledgement {
            reason: ReasonCode::Success,
            ..ack
        };
        self.finish(id, slot, "PUBCOMP", ack, settled);
    }

    /// QoS 2, part 2, from a client that published: its id is free again (`MQTT-4.3.3-11`,
    /// `MQTT-4.3.3-12`).
    pub(super) fn on_pubrel(&mut self, id: ConnectionId, slot: u32, ack: Acknowledgement<'_>) {
        let known = self
            .session_mut(slot)
            .and_then(|session| session.received.as_mut())
            .and_then(|received| received.remove(&ack.packet_id.get()));
        match known {
            // If the id came back after a crash, the next message with it would be taken for this
            // one.
            Some(ReceivedId {
                record: Some(record),
                ..
            }) => {
                self.journal.end(record);
                self.do_when_durable(Then::Acknowledge {
                    conn: id,
                    packet: PacketType::PubComp,
                    packet_id: ack.packet_id,
                    reason: ReasonCode::Success,
                });
            }
            Some(_) => self.write_success(id, PacketType::PubComp, ack.packet_id),
            // It may come again because the connection broke before its PUBCOMP could go.
            None if self.durable_number(slot).is_some() => {
                self.do_when_durable(Then::Acknowledge {
                    conn: id,
                    packet: PacketType::PubComp,
                    packet_id: ack.packet_id,
                    reason: ReasonCode::PacketIdentifierNotFound,
                });
            }
            None => self.answer_unknown(id, PacketType::PubComp, ack.packet_id),
        }
    }

    fn window_step<T>(
        &mut self,
        slot: u32,
        step: impl FnOnce(&mut Window) -> Result<T, Mismatch>,
    ) -> Result<T, Mismatch> {
        match self
            .session_mut(slot)
            .and_then(|session| session.window.as_mut())
        {
            Some(window) => step(window),
            None => Err(Mismatch::UnknownId),
        }
    }

    fn finish(
        &mut self,
        id: ConnectionId,
        slot: u32,
        packet: &str,
        ack: Acknowledgement<'_>,
        settled: Result<Delivery, Mismatch>,
    ) {
        match settled {
            Ok(mut delivery) => {
                self.take_back(&mut delivery);
                self.stats.inflight_messages -= 1;
                if ack.reason.is_error() {
                    self.stats.count(Outcome::DeliverRefused);
                    let detail = format!("the client answered {packet} {}", ack.reason);
                    let topic = delivery.message().topic();
                    let facts = Facts {
                        topic,
                        detail: &detail,
                        message: delivery.message().head().number,
                        packet_id: ack.packet_id.get(),
                        ..Facts::default()
                    };
                    self.withhold(slot, Outcome::DeliverRefused, facts);
                    let subject = Subject::from(delivery.message());
                    self.note_copy(slot, subject, Outcome::DeliverRefused, &detail);
                } else {
                    self.stats.count(Outcome::DeliverAcked);
                    self.note_acknowledged(slot, &delivery, ack.packet_id);
                }
                self.settle(slot, &delivery);
                self.pump(slot);
            }
            // An answer to something that was settled in another way: nothing to do.
            Err(Mismatch::UnknownId) => {}
            Err(Mismatch::WrongStep) => self.close_for_step(id, packet, ack.packet_id),
        }
    }

    fn answer_unknown(&mut self, id: ConnectionId, packet_type: PacketType, packet_id: PacketId) {
        let reason = ReasonCode::PacketIdentifierNotFound;
        let ack = Acknowledgement {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        };
        self.write_ack(id, packet_type, ack);
    }

    fn close_for_step(&mut self, id: ConnectionId, packet: &str, packet_id: PacketId) {
        let detail = format!("{packet} for packet id {packet_id} does not fit its PUBLISH");
        self.close(
            id,
            Outcome::DisconnectProtocol,
            ReasonCode::ProtocolError,
            &detail,
        );
    }
}
