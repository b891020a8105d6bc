//! What a client has received.

use columba_codec::packet::Publish;
use columba_codec::{Decoded, Packet, Version, decode};

use super::V311;

/// Bytes that a client received, to be looked at as packets.
#[derive(Debug, Default)]
pub struct Inbox {
    pub version: Option<Version>,
    pub bytes: Vec<u8>,
}

impl Inbox {
    /// All whole packets.
    pub fn packets(&self) -> Vec<Packet<'_>> {
        let version = self.version.unwrap_or(V311);
        let mut packets = Vec::new();
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match decode(rest, version, u32::MAX).expect("the broker sends valid packets") {
                Decoded::Packet(packet, len) => {
                    packets.push(packet);
                    rest = &rest[len..];
                }
                Decoded::Incomplete { .. } => panic!("the broker sent half a packet"),
            }
        }
        packets
    }

    /// The PUBLISH packets among them.
    pub fn publishes(&self) -> Vec<Publish<'_>> {
        self.packets()
            .into_iter()
            .filter_map(|packet| match packet {
                Packet::Publish(publish) => Some(publish),
                _ => None,
            })
            .collect()
    }

    /// The payloads of the PUBLISH packets as text.
    pub fn payloads(&self) -> Vec<String> {
        self.publishes()
            .iter()
            .map(|publish| String::from_utf8_lossy(publish.payload).into_owned())
            .collect()
    }

    /// The only packet.
    pub fn one(&self) -> Packet<'_> {
        let packets = self.packets();
        assert_eq!(packets.len(), 1, "{packets:?}");
        packets[0]
    }

    /// The only packet, a PUBLISH.
    pub fn one_publish(&self) -> Publish<'_> {
        match self.one() {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?}"),
        }
    }
}
