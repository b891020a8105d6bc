//! Acknowledgements that are held back while the application has no room for more messages.

use columba_codec::packet::Packet;

use super::Session;

impl Session {
    /// Whether messages that come from now on, at QoS 1 and 2, are acknowledged only once this is called
    /// with `false`: the way to hold back a server by its own limit of unacknowledged messages, and yet to
    /// hear its answers. What is held back goes with its connection, and the messages come again.
    ///
    /// Does nothing to a session that is [acknowledged by
    /// hand](crate::SessionOptions::acknowledges_by_hand).
    pub fn hold_acknowledgements(&mut self, holds: bool) {
        self.holds_acknowledgements = holds;
        if !holds && !self.held.is_empty() {
            self.outgoing.append(&mut self.held);
            self.timers.last_sent_millis = self.timers.now_millis;
        }
    }

    /// Bytes of acknowledgements that are held back.
    pub fn held_acknowledgement_bytes(&self) -> usize {
        self.held.len()
    }

    /// Acknowledges a message, in the order in which they came (`MQTT-4.6.0-2`, `MQTT-4.6.0-3`).
    pub(super) fn send_acknowledgement(&mut self, packet: &Packet<'_>) {
        if !self.holds_acknowledgements {
            self.send(packet);
            return;
        }
        let encoded = packet.encode(self.options.version, &mut self.held);
        assert!(encoded.is_ok(), "a packet without texts always encodes");
    }
}

#[cfg(test)]
mod tests {
    use columba_codec::packet::{Acknowledgement, ConnAck, Publish};
    use columba_codec::{PacketId, Properties, QoS, ReasonCode, Version};

    use super::*;
    use crate::options::SessionOptions;
    use crate::session::{Input, Output};

    fn encoded(packet: &Packet<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.encode(Version::V311, &mut bytes).expect("encodes");
        bytes
    }

    fn publish(qos: QoS, id: PacketId, dup: bool) -> Vec<u8> {
        encoded(&Packet::Publish(Publish {
            dup,
            qos,
            retain: false,
            topic: "t",
            packet_id: Some(id),
            properties: Properties::EMPTY,
            payload: b"x",
        }))
    }

    fn connect(session: &mut Session) {
        session.handle(0, Input::TransportOpened { clean_start: false });
        let connack = encoded(&Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }));
        session.handle(0, Input::Received(&connack));
        sent(session);
    }

    fn sent(session: &mut Session) -> Vec<u8> {
        let mut sent = Vec::new();
        session.transmit(&mut sent);
        sent
    }

    fn messages(session: &mut Session) -> usize {
        let outputs = std::iter::from_fn(|| session.poll());
        outputs
            .filter(|output| matches!(output, Output::Message(_)))
            .count()
    }

    fn session() -> Session {
        let mut session = Session::new(SessionOptions {
            version: Version::V311,
            client_id: "client".to_owned(),
            ..SessionOptions::default()
        });
        connect(&mut session);
        session.hold_acknowledgements(true);
        session
    }

    const QOS_1: PacketId = match PacketId::new(1) {
        Some(id) => id,
        None => panic!("not 0"),
    };

    #[test]
    fn what_was_held_back_goes_out_in_the_order_of_the_messages() {
        let mut session = session();
        let qos_2 = PacketId::new(2).expect("not 0");
        session.handle(0, Input::Received(&publish(QoS::ExactlyOnce, qos_2, false)));
        session.handle(0, Input::Received(&publish(QoS::AtLeastOnce, QOS_1, false)));
        assert_eq!(
            (messages(&mut session), sent(&mut session)),
            (2, Vec::new())
        );
        session.hold_acknowledgements(false);
        let pubrec = encoded(&Packet::PubRec(Acknowledgement::success(qos_2)));
        let puback = encoded(&Packet::PubAck(Acknowledgement::success(QOS_1)));
        assert_eq!(sent(&mut session), [pubrec, puback].concat());
    }

    /// The server sends the message again, and at QoS 2 the application has it once.
    #[test]
    fn what_was_held_back_goes_with_its_connection() {
        let mut session = session();
        session.handle(0, Input::Received(&publish(QoS::ExactlyOnce, QOS_1, false)));
        assert_eq!(messages(&mut session), 1);
        session.handle(0, Input::TransportClosed);
        connect(&mut session);
        session.hold_acknowledgements(false);
        assert_eq!(sent(&mut session), []);
        session.handle(0, Input::Received(&publish(QoS::ExactlyOnce, QOS_1, true)));
        assert_eq!(messages(&mut session), 0);
        let pubrec = encoded(&Packet::PubRec(Acknowledgement::success(QOS_1)));
        assert_eq!(sent(&mut session), pubrec);
    }
}
