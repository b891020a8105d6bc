//! PUBLISH.

use super::{PacketId, PacketType, QoS};
use crate::encode::{BodyWriter, EncodeError};
use crate::error::Fault;
use crate::property::{Place, Properties, PropertyId};
use crate::topic::{TopicFault, TopicName};
use crate::version::Version;
use crate::wire::{ReadError, Reader};

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent before.
    pub dup: bool,
    /// How surely it is delivered.
    pub qos: QoS,
    /// As it came: store it. As it goes: it was stored.
    pub retain: bool,
    /// Where to; empty if a topic alias stands for it (MQTT 5).
    pub topic: &'a str,
    /// Present exactly if the QoS is above 0 (`MQTT-2.2.1-2`).
    pub packet_id: Option<PacketId>,
    /// Properties, empty before MQTT 5.
    pub properties: Properties<'a>,
    /// What the application sends.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    #[inline]
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        flags: u8,
        version: Version,
    ) -> Result<Self, ReadError> {
        let Some(qos) = QoS::from_u8(flags >> 1 & 0b11) else {
            return reader.fault_at(0, Fault::QosThree);
        };
        // At QoS 0 only 3.1 lets DUP pass, and there it means nothing.
        let dup = flags & 0b1000 != 0 && qos != QoS::AtMostOnce;
        let topic_at = reader.at();
        let topic = reader.string()?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(read_packet_id(reader)?),
        };
        let properties = if version.has_properties() {
            Properties::read(reader, Place::Packet(PacketType::Publish))?
        } else {
            Properties::EMPTY
        };
        match TopicName::from_field(topic) {
            Ok(_) => {}
            Err(TopicFault::Empty) if properties.u16(PropertyId::TopicAlias).is_some() => {}
            Err(fault) => return reader.fault_at(topic_at, fault.into()),
        }
        let retain = flags & 1 != 0;
        Ok(Self {
            dup,
            qos,
            retain,
            topic,
            packet_id,
            properties,
            payload: reader.take_rest(),
        })
    }

    /// The flags of the fixed header.
    pub(crate) const fn flags(&self) -> u8 {
        (self.dup as u8) << 3 | self.qos.as_u8() << 1 | self.retain as u8
    }

    pub(crate) fn write(
        &self,
        version: Version,
        out: &mut BodyWriter<'_>,
    ) -> Result<(), EncodeError> {
        if self.dup && self.qos == QoS::AtMostOnce {
            return Err(EncodeError::DupAtQosZero);
        }
        out.string(self.topic)?;
        match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, None) => {}
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(packet_id)) => out.u16(packet_id.get()),
            _ => return Err(EncodeError::PacketIdAndQos),
        }
        out.properties(version, self.properties)?;
        out.bytes(self.payload);
        Ok(())
    }
}

/// Reads a packet id, which is never 0 (`MQTT-2.2.1-3`; 3.1.1: `MQTT-2.3.1-1`).
#[inline]
pub(super) fn read_packet_id(reader: &mut Reader<'_>) -> Result<PacketId, ReadError> {
    let at = reader.at();
    match PacketId::new(reader.u16()?) {
        Some(packet_id) => Ok(packet_id),
        None => reader.fault_at(at, Fault::PacketIdZero),
    }
}
