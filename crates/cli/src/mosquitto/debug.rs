//! What `-d` shows under Mosquitto's names: a line for each packet, on standard output and in
//! Mosquitto's words, for scripts that look for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use columba_client::{Incoming, PacketWatcher};
use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish, SubAck};
use columba_codec::{PropertyId, Version};

use super::{Tool, called_as};
use crate::events::printable;
use crate::failure;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct DebugLines {
    tool: Tool,
    is_quiet: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    client_id: String,
    version: Version,
    /// Of the last packet of this client that has one. Mosquitto's clients count messages at QoS 0 along
    /// with the others.
    number: u16,
}

impl DebugLines {
    /// Nothing, unless this program was called by one of Mosquitto's names.
    pub(crate) fn under_that_name(is_quiet: bool) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            tool: called_as()?,
            is_quiet,
            state: Mutex::new(State {
                client_id: String::new(),
                version: Version::V5,
                number: 0,
            }),
        }))
    }

    /// A message that is about to be printed: the line stands before it, and behind the one before.
    pub(crate) fn message(&self, incoming: &Incoming) {
        let message = &incoming.message;
        self.state().publish(
            "received",
            incoming.dup,
            message.qos.as_u8(),
            message.retain,
            incoming.packet_id.map_or(0, |packet_id| packet_id.get()),
            &message.topic,
            message.payload.len(),
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_suback(&self, suback: &SubAck<'_>) {
        self.state().line("received SUBACK");
        if self.tool == Tool::Subscribe && !self.is_quiet {
            let codes = suback.codes.iter().map(u8::to_string);
            let codes = codes.collect::<Vec<_>>().join(", ");
            let packet_id = suback.packet_id;
            failure::print(&format!("Subscribed (mid: {packet_id}): {codes}\n"));
        }
    }
}

impl State {
    fn line(&self, what: &str) {
        let client_id = match self.client_id.as_str() {
            "" => "(null)",
            client_id => client_id,
        };
        // The server chose some client ids, and others the topics.
        let line = printable(&format!("Client {client_id} {what}"));
        failure::print(&format!("{line}\n"));
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of the line, in its order"
    )]
    fn publish(
        &self,
        way: &str,
        dup: bool,
        qos: u8,
        retain: bool,
        packet_id: u16,
        topic: &str,
        len: usize,
    ) {
        let (dup, retain) = (u8::from(dup), u8::from(retain));
        let topic = if topic.is_empty() { "(null)" } else { topic };
        self.line(&format!(
            "{way} PUBLISH (d{dup}, q{qos}, r{retain}, m{packet_id}, '{topic}', ... ({len} bytes))"
        ));
    }

    fn on_sent_publish(&mut self, publish: &Publish<'_>) {
        let packet_id = match publish.packet_id {
            Some(packet_id) if publish.dup => packet_id.get(),
            Some(packet_id) => self.count(packet_id.get()),
            None => self.count(self.number.wrapping_add(1).max(1)),
        };
        self.publish(
            "sending",
            publish.dup,
            publish.qos.as_u8(),
            publish.retain,
            packet_id,
            publish.topic,
            publish.payload.len(),
        );
    }

    fn count(&mut self, number: u16) -> u16 {
        self.number = number;
        number
    }

    /// PUBACK or PUBREC.
    fn on_sent_word(&self, name: &str, word: &Acknowledgement<'_>) {
        let (packet_id, code) = (word.packet_id, word.reason as u8);
        self.line(&format!("sending {name} (m{packet_id}, rc{code})"));
    }

    /// PUBACK or PUBCOMP.
    fn on_received_word(&self, name: &str, word: &Acknowledgement<'_>) {
        let (packet_id, code) = (word.packet_id, word.reason as u8);
        self.line(&format!("received {name} (Mid: {packet_id}, RC:{code})"));
    }

    fn on_connack(&mut self, connack: &ConnAck<'_>) {
        let assigned = PropertyId::AssignedClientIdentifier;
        if let Some(client_id) = connack.properties.string(assigned) {
            client_id.clone_into(&mut self.client_id);
        }
        let reason = connack.reason;
        let code = match reason.to_v3_connack() {
            Some(code) if !self.version.has_reason_codes() => code,
            _ => reason as u8,
        };
        self.line(&format!("received CONNACK ({code})"));
    }
}

impl PacketWatcher for DebugLines {
    fn on_sent(&self, packet: &Packet<'_>) {
        let mut state = self.state();
        match packet {
            Packet::Connect(connect) => {
                connect.client_id.clone_into(&mut state.client_id);
                state.version = connect.version;
                state.line("sending CONNECT");
            }
            Packet::Publish(publish) => state.on_sent_publish(publish),
            Packet::PubAck(word) => state.on_sent_word("PUBACK", word),
            Packet::PubRec(word) => state.on_sent_word("PUBREC", word),
            Packet::PubRel(word) => state.line(&format!("sending PUBREL (m{})", word.packet_id)),
            Packet::PubComp(word) => state.line(&format!("sending PUBCOMP (m{})", word.packet_id)),
            Packet::Subscribe(subscribe) => {
                let packet_id = state.count(subscribe.packet_id.get());
                for (filter, options) in subscribe.filters.iter() {
                    let (qos, others) = (options.qos.as_u8(), options.as_u8() & !3);
                    state.line(&format!(
                        "sending SUBSCRIBE (Mid: {packet_id}, Topic: {filter}, QoS: {qos}, Options: \
                         0x{others:02x})"
                    ));
                }
            }
            Packet::Unsubscribe(unsubscribe) => {
                let packet_id = state.count(unsubscribe.packet_id.get());
                for filter in unsubscribe.filters.iter() {
                    state.line(&format!(
                        "sending UNSUBSCRIBE (Mid: {packet_id}, Topic: {filter})"
                    ));
                }
            }
            Packet::PingReq => state.line("sending PINGREQ"),
            Packet::Disconnect(_) => state.line("sending DISCONNECT"),
            // Mosquitto's clients have no AUTH to send, and the others are the server's.
            Packet::Auth(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {}
        }
    }

    fn on_received(&self, packet: &Packet<'_>) {
        if let Packet::SubAck(suback) = packet {
            return self.on_suback(suback);
        }
        let mut state = self.state();
        match packet {
            Packet::ConnAck(connack) => state.on_connack(connack),
            // Those that are printed are told of where they are.
            Packet::Publish(publish) if self.tool == Tool::Publish => state.publish(
                "received",
                publish.dup,
                publish.qos.as_u8(),
                publish.retain,
                publish.packet_id.map_or(0, |packet_id| packet_id.get()),
                publish.topic,
                publish.payload.len(),
            ),
            Packet::PubAck(word) => state.on_received_word("PUBACK", word),
            Packet::PubComp(word) => state.on_received_word("PUBCOMP", word),
            Packet::PubRec(word) => {
                state.line(&format!("received PUBREC (Mid: {})", word.packet_id))
            }
            Packet::PubRel(word) => {
                state.line(&format!("received PUBREL (Mid: {})", word.packet_id))
            }
            Packet::UnsubAck(_) => state.line("received UNSUBACK"),
            Packet::PingResp => state.line("received PINGRESP"),
            Packet::Auth(_) => state.line("received AUTH"),
            Packet::Disconnect(disconnect) => {
                let code = disconnect.reason as u8;
                failure::print(&format!("Received DISCONNECT ({code})\n"));
            }
            Packet::SubAck(_)
            | Packet::Publish(_)
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => {}
        }
    }
}
