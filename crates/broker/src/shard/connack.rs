//! What CONNACK tells a client of the broker's limits.

use columba_codec::packet::{ConnAck, Connect};
use columba_codec::wire::VARINT_MAX;
use columba_codec::{Packet, Properties, PropertiesBuf, PropertyId, ReasonCode, Value, Version};

use super::Shard;
use super::connect::Admission;
use super::refuse::Refusal;
use crate::id::ConnectionId;
use crate::outcome::Outcome;

/// The largest packet that MQTT can express: nothing to announce.
pub(super) const PACKET_BYTES_UNLIMITED: u32 = VARINT_MAX + 5;

impl Shard {
    /// The keep alive in force, in seconds (`MQTT-3.2.2-22`).
    pub(super) fn keep_alive_secs(&self, connect: &Connect<'_>) -> u16 {
        let asked = connect.keep_alive_secs;
        let most = self.limits.keep_alive_secs_max;
        let can_be_told = connect.version >= Version::V5;
        if most > 0 && can_be_told && (asked == 0 || asked > most) {
            most
        } else {
            asked
        }
    }

    pub(super) fn session_expiry_secs(&self, connect: &Connect<'_>) -> u32 {
        if connect.version >= Version::V5 {
            let asked = connect
                .properties
                .u32(PropertyId::SessionExpiryInterval)
                .unwrap_or(0);
            return asked.min(self.limits.session_expiry_secs_max);
        }
        // Clean session 0 of MQTT 3 keeps the session, for as long as the broker is configured to.
        if connect.clean_start {
            0
        } else {
            self.limits.session_expiry_v3_secs
        }
    }

    /// Everything that CONNACK tells has to reach the client: limits that it would break, a client
    /// id that it needs, a keep alive that it would miss.
    pub(super) fn check_connack(
        &self,
        id: ConnectionId,
        properties: Properties<'_>,
    ) -> Result<(), Refusal> {
        let most = self.connection(id).map_or(0, |c| c.packet_bytes_max_out);
        let packet = Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::Success,
            properties,
        });
        let size = packet.encode(Version::V5, &mut Vec::new());
        if size.is_ok_and(|size| size <= most as usize) {
            return Ok(());
        }
        Err(Refusal::new(
            ReasonCode::PacketTooLarge,
            Outcome::ConnectAnswerTooLarge,
            format!("the client takes packets of {most} bytes, and CONNACK is larger"),
        ))
    }

    pub(super) fn fill_connack(
        &self,
        id: ConnectionId,
        admission: &Admission<'_>,
        properties: &mut PropertiesBuf,
    ) {
        let connect = &admission.connect;
        let mut put = |property, value| {
            // Every value below fits its property.
            let _ = properties.push(property, value);
        };
        let asked = connect
            .properties
            .u32(PropertyId::SessionExpiryInterval)
            .unwrap_or(0);
        let granted = self.session_expiry_secs(connect);
        if asked != granted {
            put(PropertyId::SessionExpiryInterval, Value::U32(granted));
        }
        if self.limits.receive_maximum < u16::MAX {
            let receive_maximum = self.limits.receive_maximum.max(1);
            put(PropertyId::ReceiveMaximum, Value::U16(receive_maximum));
        }
        let packet_bytes_max = self
            .connection(id)
            .map_or(u32::MAX, |connection| connection.packet_bytes_max_in);
        if packet_bytes_max < PACKET_BYTES_UNLIMITED {
            put(
                PropertyId::MaximumPacketSize,
                Value::U32(packet_bytes_max.max(1)),
            );
        }
        if admission.is_assigned {
            put(
                PropertyId::AssignedClientIdentifier,
                Value::String(&admission.client_id),
            );
        }
        if self.limits.topic_alias_maximum > 0 {
            put(
                PropertyId::TopicAliasMaximum,
                Value::U16(self.limits.topic_alias_maximum),
            );
        }
        let keep_alive_secs = self.keep_alive_secs(connect);
        if keep_alive_secs != connect.keep_alive_secs {
            put(PropertyId::ServerKeepAlive, Value::U16(keep_alive_secs));
        }
        let wants_response = connect
            .properties
            .flag(PropertyId::RequestResponseInformation)
            == Some(true);
        if wants_response && !admission.client_id.contains(['+', '#']) {
            let response = format!("response/{}/", admission.client_id);
            put(PropertyId::ResponseInformation, Value::String(&response));
        }
    }
}
