//! Every request is answered once, at once and in order (`MQTT-4.6.0-2` to `MQTT-4.6.0-4`); only
//! SUBACK may take its time.

use columba_codec::{Packet, PacketId, ReasonCode};

use crate::oracle::Conn;

/// An answer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    PubAck(PacketId),
    PubRec(PacketId),
    PubRel(PacketId),
    PubComp(PacketId),
    UnsubAck(PacketId),
    PingResp,
}

impl Answer {
    const fn has_no_order(self) -> bool {
        matches!(self, Self::PubComp(_) | Self::UnsubAck(_))
    }

    pub(crate) const fn is_pubrel(self, packet_id: u16) -> bool {
        matches!(self, Self::PubRel(id) if id.get() == packet_id)
    }
}

/// A packet that answers something.
///
/// With a store, answers wait for it that have to, and keep their order among their kind.
pub(crate) fn check(conn: &mut Conn, packet: &Packet<'_>, is_durable: bool) -> Result<(), String> {
    let given = match packet {
        Packet::PubAck(ack) => Answer::PubAck(ack.packet_id),
        Packet::PubRec(ack) => Answer::PubRec(ack.packet_id),
        Packet::PubRel(ack) => Answer::PubRel(ack.packet_id),
        Packet::PubComp(ack) => Answer::PubComp(ack.packet_id),
        Packet::UnsubAck(ack) => Answer::UnsubAck(ack.packet_id),
        Packet::PingResp => Answer::PingResp,
        _ => return Ok(()),
    };
    if let Packet::PubAck(ack) | Packet::PubRec(ack) = packet {
        let refused = conn.refused.remove(&ack.packet_id.get());
        let is_taken = matches!(
            ack.reason,
            ReasonCode::Success | ReasonCode::NoMatchingSubscribers
        );
        // MQTT 3 has no word for it.
        let is_told = conn.version.has_reason_codes();
        match (refused, is_taken) {
            (None, false) => return Err(format!("a message was refused: {packet:?}")),
            (Some(true), true) if is_told => return Err(format!("not refused: {packet:?}")),
            _ => {}
        }
    }
    if is_durable {
        let mut alike = conn.answers.iter().enumerate().filter(|(_, due)| {
            std::mem::discriminant(*due) == std::mem::discriminant(&given)
                && (!given.has_no_order() || **due == given)
        });
        let first = alike.next().map(|(at, due)| (at, *due));
        if let Some((at, due)) = first
            && due == given
        {
            conn.answers.remove(at);
            return Ok(());
        }
        return Err(format!("{given:?} where {first:?} was due"));
    }
    let due = conn.answers.pop_front();
    if due == Some(given) {
        return Ok(());
    }
    Err(format!("{given:?} where {due:?} was due"))
}
