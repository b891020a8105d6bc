//! Leaving with a DISCONNECT, and which codes a client may leave with.

use columba_codec::packet::{Disconnect, Packet};
use columba_codec::{Properties, PropertiesBuf, ReasonCode};

use super::{Limits, Session, State};
use crate::outcome::{CloseCause, Failure};

impl Session {
    pub(super) fn disconnect(&mut self, reason: ReasonCode) {
        let reason = nearest(reason, may_leave_with(reason));
        if let State::Open(limits) = self.state
            && self.say_goodbye(reason, limits).is_err()
        {
            // Leaving matters more than what was to be said with it.
            self.send(&Packet::Disconnect(Disconnect {
                reason,
                properties: Properties::EMPTY,
            }));
        }
        if !matches!(self.state, State::Closed) {
            self.close(CloseCause::Requested);
        }
    }

    fn say_goodbye(&mut self, reason: ReasonCode, limits: Limits) -> Result<(), Failure> {
        let properties = match self.options.version.has_properties() {
            true => self.options.disconnect_properties.encode()?,
            false => PropertiesBuf::new(),
        };
        let properties = properties.as_properties();
        self.send_within(
            &Packet::Disconnect(Disconnect { reason, properties }),
            limits,
        )
    }
}

/// The code itself if it is allowed, else the one that says no more than whether something failed.
pub(super) const fn nearest(reason: ReasonCode, is_allowed: bool) -> ReasonCode {
    if is_allowed {
        reason
    } else if reason.is_error() {
        ReasonCode::UnspecifiedError
    } else {
        ReasonCode::Success
    }
}

/// Whether the standard lists the code for a DISCONNECT by a client (`MQTT-3.14.2-1`); the others in
/// a DISCONNECT are a server's.
const fn may_leave_with(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWill
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
    )
}

#[cfg(test)]
mod tests {
    use columba_codec::{Decoded, PacketType, Version, decode};

    use super::*;
    use crate::options::SessionOptions;
    use crate::session::{Input, Output};

    const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

    fn open(version: Version) -> Session {
        let mut session = Session::new(SessionOptions {
            version,
            acknowledges_by_hand: true,
            ..SessionOptions::default()
        });
        session.handle(0, Input::TransportOpened { clean_start: true });
        let connack: &[u8] = match version {
            Version::V5 => b"\x20\x03\0\0\0",
            Version::V31 | Version::V311 => b"\x20\x02\0\0",
        };
        session.handle(0, Input::Received(connack));
        assert!(session.is_open());
        session.transmit(&mut Vec::new());
        session
    }

    /// Kind and code of the packet that was sent.
    fn sent(session: &mut Session, version: Version) -> (PacketType, ReasonCode) {
        let mut bytes = Vec::new();
        session.transmit(&mut bytes);
        match decode(&bytes, version, u32::MAX) {
            Ok(Decoded::Packet(packet, len)) => {
                assert_eq!(len, bytes.len(), "one packet");
                let reason = match packet {
                    Packet::Disconnect(disconnect) => disconnect.reason,
                    Packet::PubAck(ack) | Packet::PubRec(ack) => ack.reason,
                    other => panic!("unexpected {other:?}"),
                };
                (packet.packet_type(), reason)
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    fn expected(reason: ReasonCode, is_allowed: bool, version: Version) -> ReasonCode {
        match version {
            Version::V5 if is_allowed => reason,
            Version::V5 if reason.is_error() => ReasonCode::UnspecifiedError,
            _ => ReasonCode::Success,
        }
    }

    /// A code of another packet ends no connection task (`MQTT-3.14.2-1`).
    #[test]
    fn every_code_leaves_with_a_disconnect() {
        let of_servers = [
            0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
            0xA1, 0xA2,
        ];
        for version in VERSIONS {
            for reason in ReasonCode::ALL {
                let mut session = open(version);
                session.handle(0, Input::Disconnect { reason: *reason });
                let is_allowed = reason.is_allowed_in(PacketType::Disconnect)
                    && !of_servers.contains(&(*reason as u8));
                let code = expected(*reason, is_allowed, version);
                let leaves = (PacketType::Disconnect, code);
                assert_eq!(sent(&mut session, version), leaves, "{reason}");
                let closed = Output::Closed(CloseCause::Requested);
                assert!(std::iter::from_fn(|| session.poll()).any(|output| output == closed));
            }
        }
    }

    /// `MQTT-3.4.2-1`, `MQTT-3.5.2-1`.
    #[test]
    fn every_code_acknowledges_a_message() {
        let (qos_1, qos_2) = (PacketType::PubAck, PacketType::PubRec);
        for version in VERSIONS {
            for (first_byte, packet) in [(0x32, qos_1), (0x34, qos_2)] {
                for reason in ReasonCode::ALL {
                    let mut session = open(version);
                    let publish: &[u8] = match version {
                        Version::V5 => &[first_byte, 6, 0, 1, b't', 0, 7, 0],
                        Version::V31 | Version::V311 => &[first_byte, 5, 0, 1, b't', 0, 7],
                    };
                    session.handle(0, Input::Received(publish));
                    let mut outputs = std::iter::from_fn(|| session.poll());
                    let receipt = outputs.find_map(|output| match output {
                        Output::Message(incoming) => incoming.receipt,
                        _ => None,
                    });
                    let receipt = receipt.expect("it waits for its acknowledgement");
                    let reason = *reason;
                    session.handle(0, Input::Acknowledge { receipt, reason });
                    let code = expected(reason, reason.is_allowed_in(packet), version);
                    assert_eq!(sent(&mut session, version), (packet, code), "{reason}");
                    assert!(session.is_open());
                }
            }
        }
    }
}
