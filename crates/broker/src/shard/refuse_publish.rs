//! PUBLISH that is refused.

use columba_codec::packet::{Acknowledgement, Publish};
use columba_codec::{PacketType, PropertiesBuf, QoS, ReasonCode};

use super::Shard;
use super::exchange::{Refused, Then};
use super::refuse::Refusal;
use crate::id::ConnectionId;
use crate::outcome::Outcome;
use crate::recorder::{Facts, flag};

impl Shard {
    /// Says no to a PUBLISH in the only way that its QoS and version leave (`MQTT-3.3.5-2` of
    /// 3.1.1: an unauthorised PUBLISH is acknowledged normally there).
    pub(super) fn refuse_publish(
        &mut self,
        id: ConnectionId,
        slot: u32,
        publish: &Publish<'_>,
        topic: &str,
        refused: &Refusal,
    ) {
        self.stats.count(refused.outcome);
        let facts = Facts {
            topic,
            detail: &refused.detail,
            qos: Some(publish.qos),
            flags: if publish.retain { flag::RETAIN } else { 0 },
            size_bytes: publish.payload.len() as u64,
            ..Facts::default()
        };
        self.withhold(slot, refused.outcome, facts);
        let Some(connection) = self.connection(id) else {
            return;
        };
        let has_codes = connection.version.has_reason_codes();
        let is_denied = refused.outcome == Outcome::PublishDeniedAcl;
        if !has_codes && is_denied && self.limits.denied_v3_disconnects {
            let outcome = Outcome::DisconnectDenied;
            return self.close(id, outcome, refused.reason, &refused.detail);
        }
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        let packet_type = match publish.qos {
            QoS::ExactlyOnce => PacketType::PubRec,
            QoS::AtLeastOnce | QoS::AtMostOnce => PacketType::PubAck,
        };
        if !has_codes {
            return self.acknowledge_in_turn(Then::Acknowledge {
                conn: id,
                packet: packet_type,
                packet_id,
                reason: ReasonCode::Success,
            });
        }
        if publish.qos == QoS::ExactlyOnce
            && let Some(session) = self.session_mut(slot)
            && let Some(received) = &mut session.received
        {
            // MQTT-4.3.3-9: after this PUBREC the id is free for a new message.
            received.remove(&packet_id.get());
        }
        self.acknowledge_in_turn(Then::Refuse(Box::new(Refused {
            conn: id,
            packet: packet_type,
            packet_id,
            reason: refused.reason,
            detail: refused.detail.clone(),
        })));
    }

    pub(super) fn write_refusal(&mut self, refused: &Refused) {
        let mut properties = PropertiesBuf::new();
        self.put_reason_string(refused.conn, &mut properties, &refused.detail);
        let ack = Acknowledgement {
            packet_id: refused.packet_id,
            reason: refused.reason,
            properties: properties.as_properties(),
        };
        self.write_ack(refused.conn, refused.packet, ack);
    }
}
