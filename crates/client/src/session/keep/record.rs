//! Records as bytes: a byte for the kind, and numbers in big endian; a message is written as a PUBLISH of
//! MQTT 5.

use columba_codec::packet::{Packet, Publish};
use columba_codec::{Decoded, PacketId, PropertiesBuf, QoS, Version, decode};

use crate::message::{Incoming, Message};
use crate::outcome::Failure;
use crate::session::Token;

pub(super) const HEAD: u8 = 1;
pub(super) const TAKEN: u8 = 2;
pub(super) const SENT: u8 = 3;
pub(super) const UNSENT: u8 = 4;
pub(super) const RELEASED: u8 = 5;
pub(super) const DONE: u8 = 6;
pub(super) const ARRIVED: u8 = 7;
pub(super) const RECEIVED: u8 = 8;
pub(super) const INCOMING_ENDED: u8 = 9;
pub(super) const INCOMING_CLEARED: u8 = 10;

pub(super) fn put_id(kind: u8, packet_id: PacketId, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&packet_id.get().to_be_bytes());
}

pub(super) fn put_numbered(kind: u8, number: u64, packet_id: Option<PacketId>, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
    if let Some(packet_id) = packet_id {
        out.extend_from_slice(&packet_id.get().to_be_bytes());
    }
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A message that has been written before.
pub(super) fn put_message(token: Token, message: &Message, out: &mut Vec<u8>) {
    let put = try_put_message(token, message, out);
    assert!(put.is_ok(), "a message that was taken has an encoding");
}

pub(super) fn try_put_message(
    token: Token,
    message: &Message,
    out: &mut Vec<u8>,
) -> Result<usize, Failure> {
    let mut properties = PropertiesBuf::new();
    message.properties.put(&mut properties)?;
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: &message.topic,
        packet_id: Some(PacketId::MIN),
        properties: properties.as_properties(),
        payload: &message.payload,
    });
    let mut packet = Vec::new();
    publish.encode(Version::V5, &mut packet)?;
    put_numbered(TAKEN, token, None, out);
    put_bytes(&packet, out);
    Ok(packet.len())
}

/// The message that [`put_message`] wrote.
pub(super) fn message(bytes: &[u8]) -> Option<Message> {
    match decode(bytes, Version::V5, u32::MAX) {
        Ok(Decoded::Packet(Packet::Publish(publish), len))
            if len == bytes.len() && publish.qos != QoS::AtMostOnce =>
        {
            let topic = publish.topic.to_owned();
            Some(Incoming::from_codec(&publish, topic, None).message)
        }
        _ => None,
    }
}

/// Takes records apart; `None` where they end too early.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn packet_id(&mut self) -> Option<PacketId> {
        self.array().map(u16::from_be_bytes).and_then(PacketId::new)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
}
