//! Packets as they come and go, for those who want to see them.

use std::fmt::Debug;

use columba_codec::packet::Packet;
use columba_codec::{Decoded, decode};

use super::Session;

/// Sees every packet of a session, on all of its connections. It goes into
/// [`crate::SessionOptions::watcher`].
///
/// It is asked on the way of the packets and should be quick; it may not wait.
pub trait PacketWatcher: Debug + Send + Sync {
    /// A packet leaves for the transport. One that the transport loses was seen all the same.
    fn on_sent(&self, packet: &Packet<'_>);

    /// A whole packet has come, and has not been acted on yet. Bytes that are no packet are not seen.
    fn on_received(&self, packet: &Packet<'_>);
}

impl Session {
    pub(super) fn show_received(&self, packet: &Packet<'_>) {
        if let Some(watcher) = &self.options.watcher {
            watcher.on_received(packet);
        }
    }

    /// Shows what is about to be transmitted: whole packets, in the order in which they leave.
    pub(super) fn show_sent(&self) {
        let Some(watcher) = &self.options.watcher else {
            return;
        };
        let mut bytes = self.outgoing.as_slice();
        while let Ok(Decoded::Packet(packet, len)) = decode(bytes, self.options.version, u32::MAX) {
            watcher.on_sent(&packet);
            bytes = bytes.get(len..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};

    use columba_codec::packet::{ConnAck, Publish};
    use columba_codec::{PacketId, Properties, QoS, ReasonCode};

    use super::*;
    use crate::message::Message;
    use crate::options::SessionOptions;
    use crate::session::Input;

    #[derive(Debug)]
    struct Seen(Sender<String>);

    impl Seen {
        fn note(&self, way: &str, packet: &Packet<'_>) {
            let kind = packet.packet_type();
            self.0.send(format!("{way} {kind:?}")).expect("a reader");
        }
    }

    impl PacketWatcher for Seen {
        fn on_sent(&self, packet: &Packet<'_>) {
            self.note("sent", packet);
        }

        fn on_received(&self, packet: &Packet<'_>) {
            self.note("received", packet);
        }
    }

    #[test]
    fn every_packet_is_seen_once_whole_and_in_order() {
        let (sender, seen) = channel();
        let mut session = Session::new(SessionOptions {
            watcher: Some(Arc::new(Seen(sender))),
            ..SessionOptions::default()
        });
        let version = session.options().version;
        let mut sent = Vec::new();
        let mut handle = |input: Input<'_>| {
            session.handle(0, input);
            session.transmit(&mut sent);
        };
        handle(Input::TransportOpened { clean_start: true });
        let mut bytes = Vec::new();
        let properties = Properties::EMPTY;
        let connack = Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::Success,
            properties,
        });
        connack.encode(version, &mut bytes).expect("encodes");
        let publish = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: PacketId::new(7),
            properties,
            payload: b"x",
        });
        publish.encode(version, &mut bytes).expect("encodes");
        // Cut in the midst of a packet.
        let (first, second) = bytes.split_at(7);
        handle(Input::Received(first));
        handle(Input::Received(second));
        for token in [1, 2] {
            let message = Message::new("t", "y");
            handle(Input::Publish { token, message });
        }
        handle(Input::Disconnect {
            reason: ReasonCode::Success,
        });
        let expected = "sent Connect, received ConnAck, received Publish, sent PubAck, sent Publish, \
                        sent Publish, sent Disconnect";
        let seen: Vec<_> = seen.try_iter().collect();
        assert_eq!(seen.join(", "), expected);
    }
}
