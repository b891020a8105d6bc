//! Bytes in, bytes out: cutting input into packets and filling outputs.

use columba_codec::{Decoded, Packet, PacketId, PacketType, Properties, ReasonCode, decode};

use super::Shard;
use super::exchange::HeldInput;
use crate::connection::{Connection, State};
use crate::event::{CloseCause, Effect, Handover, Peer};
use crate::id::ConnectionId;
use crate::limits::Promise;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::timer::Timer;

/// Outputs kept for the next connection that has something to send.
const SPARE_OUTPUTS_MAX: usize = 256;

/// The largest buffer that is kept.
const SPARE_BUFFER_BYTES_MAX: usize = 256 * 1024;

impl Shard {
    pub(super) fn on_accepted(&mut self, id: ConnectionId, peer: Peer) {
        self.stats.sockets_opened += 1;
        self.add_connection(id, peer);
    }

    pub(super) fn on_adopted(&mut self, id: ConnectionId, handover: Handover) {
        self.add_connection(id, handover.peer);
        self.on_received_first(id, &handover.bytes);
    }

    fn add_connection(&mut self, id: ConnectionId, peer: Peer) {
        let index = id.index as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        let mut packet_bytes_max = self.limits.packet_bytes_max;
        let mut promise = Promise::default();
        if let Some(listener) = self.listeners.get(usize::from(peer.listener.0)) {
            promise = listener.promise;
            packet_bytes_max = packet_bytes_max.min(listener.packet_bytes_max.unwrap_or(u32::MAX));
        }
        let connection = Connection {
            promise,
            ..Connection::new(id, peer, packet_bytes_max, self.now.mono_ms)
        };
        if let Some(place) = self.connections.get_mut(index) {
            *place = Some(connection);
        }
        self.stats.connections += 1;
        self.set_connect_timer(id, self.now.mono_ms);
    }

    /// How long a connection may take from a time on until it is established.
    pub(super) fn set_connect_timer(&mut self, id: ConnectionId, from_ms: u64) {
        let timer = Timer::Connect {
            index: id.index,
            generation: id.generation,
        };
        self.set_connection_timer(from_ms + self.limits.connect_timeout_ms, timer);
    }

    /// Sets a timer that a connection or session owns. Connections that come and go leave timers
    /// behind, those of their sessions too; when most of them are such, they are cleared out.
    pub(super) fn set_connection_timer(&mut self, at_ms: u64, timer: Timer) {
        self.timers.set(at_ms, timer);
        let alive = self.connections.len() + self.sessions.len();
        if self.timers.len() <= 4 * alive + 1024 {
            return;
        }
        let mut timers = std::mem::take(&mut self.timers);
        timers.retain(|at_ms, timer| match timer {
            Timer::Connect { index, generation }
            | Timer::KeepAlive { index, generation }
            | Timer::Takeover { index, generation } => self
                .connection(ConnectionId { index, generation })
                .is_some(),
            // A session that was left several times waits only for what its last end has set.
            Timer::SessionExpiry { slot, serial } => self.session(slot).is_some_and(|session| {
                session.me.serial == serial && session.expires_at_ms() == Some(at_ms)
            }),
            Timer::WillDelay { slot, serial } => self.session(slot).is_some_and(|session| {
                session.me.serial == serial && session.will_due_at_ms() == Some(at_ms)
            }),
            Timer::RetainedExpiry | Timer::Sys | Timer::Reports | Timer::SaveSettled => true,
        });
        self.timers = timers;
    }

    /// Forgets a connection without a word to anybody; gives it back.
    pub(super) fn take_connection(&mut self, id: ConnectionId) -> Option<Connection> {
        self.connection(id)?;
        let connection = self.connections.get_mut(id.index as usize)?.take()?;
        self.stats.connections -= 1;
        self.stats.connections_stalled -= u64::from(connection.is_output_full);
        if connection.is_input_held {
            self.exchanges.held_inputs.remove(&id.index);
        }
        Some(connection)
    }

    pub(super) fn on_closed(&mut self, id: ConnectionId, cause: CloseCause) {
        if self
            .connection(id)
            .is_some_and(|connection| connection.state == State::Open)
        {
            let (outcome, detail) = match cause {
                CloseCause::Peer => (
                    Outcome::DisconnectPeerClosed,
                    "the client closed the socket",
                ),
                CloseCause::Transport => (Outcome::DisconnectTransport, "the network failed"),
                CloseCause::Broker => {
                    (Outcome::DisconnectTransport, "the broker closed the socket")
                }
            };
            self.connection_is_gone(id, outcome, detail);
        }
        if let Some(connection) = self.take_connection(id)
            && let Some(output) = connection.output
        {
            self.keep_spare(output);
        }
    }

    pub(super) fn on_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let now_ms = self.now.mono_ms;
        self.stats.bytes_received += bytes.len() as u64;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        match connection.state {
            State::Open => connection.last_received_ms = now_ms,
            State::AwaitConnect => return self.on_received_first(id, bytes),
            State::Authenticating => return self.on_received_early(id, bytes),
            State::Closing => return,
        }
        let mut bytes = bytes;
        if !connection.partial.is_empty() {
            if connection.is_input_held {
                connection.partial.extend_from_slice(bytes);
                return self.look_behind_held(id);
            }
            let mut partial = std::mem::take(&mut connection.partial);
            bytes = self.finish_partial(id, &mut partial, bytes);
            if let Some(connection) = self.connection_mut(id)
                && connection.state == State::Open
            {
                connection.partial = partial;
                if connection.is_input_held {
                    return self.look_behind_held(id);
                }
            }
        }
        let used = self.consume(id, bytes);
        self.keep_partial(id, bytes.get(used..).unwrap_or_default());
    }

    /// Handles what need not wait of the packets behind one that waits for the store. A client that has
    /// got messages acknowledges them, which makes the room that it waits for; and it is told that the
    /// broker is there when it asks.
    #[cold]
    fn look_behind_held(&mut self, id: ConnectionId) {
        let Some(held) = self.exchanges.held_inputs.get(&id.index).copied() else {
            return;
        };
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let mut bytes = std::mem::take(&mut connection.partial);
        let mut at = held.looked_at_bytes;
        let mut kept = at;
        while let Some(connection) = self.connection(id)
            && connection.state == State::Open
            && let Some(rest) = bytes.get(at..)
            && let Ok(Decoded::Packet(packet, len)) =
                decode(rest, connection.version, connection.packet_bytes_max_in)
        {
            match packet {
                Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) | Packet::PingReq => {
                    if self.must_wait_for_store(id, &packet) {
                        break;
                    }
                    self.on_packet(id, packet);
                }
                // Nothing counts that comes after it.
                Packet::Disconnect(_) => break,
                _ => {
                    bytes.copy_within(at..at + len, kept);
                    kept += len;
                }
            }
            at += len;
        }
        bytes.drain(kept..at);
        if let Some(connection) = self.connection_mut(id)
            && connection.state == State::Open
        {
            connection.partial = bytes;
            let looked_at_bytes = kept;
            let held = HeldInput {
                looked_at_bytes,
                ..held
            };
            self.exchanges.held_inputs.insert(id.index, held);
        }
    }

    /// Whether a connection whose input waits may bring more of it.
    pub(super) fn may_bring_more(&self, id: ConnectionId) -> bool {
        let held = self.exchanges.held_inputs.get(&id.index);
        let connection = self.connection(id);
        held.zip(connection).is_some_and(|(held, connection)| {
            let behind_max = self.held_bytes_max();
            connection.partial.len() < held.first_bytes.saturating_add(behind_max)
        })
    }

    /// Appends to the packet that is not whole yet just what it lacks, and handles it. Returns
    /// the bytes behind it.
    fn finish_partial<'a>(
        &mut self,
        id: ConnectionId,
        partial: &mut Vec<u8>,
        mut bytes: &'a [u8],
    ) -> &'a [u8] {
        while !partial.is_empty() {
            let Some(connection) = self.connection(id) else {
                return &[];
            };
            if connection.state != State::Open {
                return &[];
            }
            let (version, limit) = (connection.version, connection.packet_bytes_max_in);
            match decode(partial, version, limit) {
                Ok(Decoded::Incomplete { needed }) => {
                    let lacking = needed - partial.len();
                    let Some((taken, rest)) = bytes.split_at_checked(lacking) else {
                        partial.extend_from_slice(bytes);
                        return &[];
                    };
                    partial.extend_from_slice(taken);
                    bytes = rest;
                }
                Ok(Decoded::Packet(packet, len)) => {
                    if self.must_wait_for_store(id, &packet) {
                        self.hold_for_store(id, &packet, len);
                        partial.extend_from_slice(bytes);
                        return &[];
                    }
                    self.on_packet(id, packet);
                    partial.clear();
                }
                Err(error) => {
                    self.on_undecodable(id, error);
                    return &[];
                }
            }
        }
        // A large packet's buffer is not for an idle connection to keep.
        *partial = Vec::new();
        bytes
    }

    /// Handles whole packets, as far as the steps of this input reach; returns how many bytes they
    /// took. The caller keeps the rest.
    pub(super) fn consume(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut used = 0;
        loop {
            let Some(connection) = self.connection(id) else {
                return bytes.len();
            };
            if connection.state != State::Open {
                return bytes.len();
            }
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return used;
            }
            match decode(rest, connection.version, connection.packet_bytes_max_in) {
                Ok(Decoded::Packet(packet, len)) => {
                    if self.must_wait_for_store(id, &packet) {
                        self.hold_for_store(id, &packet, len);
                        return used;
                    }
                    used += len;
                    self.on_packet(id, packet);
                    if self.matched != 0 && self.must_wait(used, bytes) {
                        self.hold_input(id);
                        return used;
                    }
                }
                Ok(Decoded::Incomplete { .. }) => return used,
                Err(error) => {
                    self.on_undecodable(id, error);
                    return bytes.len();
                }
            }
        }
    }

    /// Whether the steps of this input are spent and there is more of it.
    fn must_wait(&self, used: usize, bytes: &[u8]) -> bool {
        self.matched >= self.limits.match_steps_max && used < bytes.len()
    }

    /// What is left of a connection's input waits for its turn: others come first.
    #[cold]
    fn hold_input(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id) {
            connection.is_input_held = true;
            self.held.push_back(id);
        }
    }

    /// Goes on with input that has waited.
    pub(super) fn resume_input(&mut self, id: ConnectionId) {
        let now_ms = self.now.mono_ms;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.is_input_held = false;
        // Who waits for the broker is not silent.
        connection.last_received_ms = now_ms;
        let mut bytes = std::mem::take(&mut connection.partial);
        self.exchanges.held_inputs.remove(&id.index);
        let used = self.consume(id, &bytes);
        if !self.holds_input(id) {
            return self.keep_partial(id, bytes.get(used..).unwrap_or_default());
        }
        bytes.drain(..used.min(bytes.len()));
        if let Some(connection) = self.connection_mut(id) {
            connection.partial = bytes;
        }
        self.look_behind_held(id);
    }

    pub(super) fn keep_partial(&mut self, id: ConnectionId, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        if let Some(connection) = self.connection_mut(id)
            && connection.state != State::Closing
        {
            connection.partial.extend_from_slice(rest);
            if connection.is_input_held {
                self.look_behind_held(id);
            }
        }
    }

    /// One packet on an open connection.
    fn on_packet(&mut self, id: ConnectionId, packet: Packet<'_>) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let (slot, waiting) = (connection.session, connection.output_len());
        if waiting > self.answer_bytes_max() {
            let detail = format!("{waiting} bytes wait for the client, and it asks for more");
            return self.lose_connection(id, Outcome::DisconnectSlow, &detail);
        }
        let packet = match packet {
            // Counted by their QoS.
            Packet::Publish(publish) => return self.on_publish(id, slot, &publish),
            Packet::PubAck(ack) => {
                self.stats.count_received(PacketType::PubAck);
                return self.on_puback(id, slot, ack);
            }
            other => other,
        };
        self.stats.count_received(packet.packet_type());
        match packet {
            Packet::Publish(_) | Packet::PubAck(_) => {}
            Packet::PubRec(ack) => self.on_pubrec(id, slot, ack),
            Packet::PubRel(ack) => self.on_pubrel(id, slot, ack),
            Packet::PubComp(ack) => self.on_pubcomp(id, slot, ack),
            Packet::Subscribe(subscribe) => self.on_subscribe(id, slot, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(id, slot, &unsubscribe),
            Packet::PingReq => self.write_raw(id, &[(PacketType::PingResp as u8) << 4, 0]),
            Packet::Disconnect(disconnect) => self.on_disconnect(id, slot, &disconnect),
            Packet::Connect(_) => self.close(
                id,
                Outcome::DisconnectProtocol,
                ReasonCode::ProtocolError,
                "a second CONNECT came on this connection",
            ),
            Packet::Auth(_) => self.close(
                id,
                Outcome::DisconnectProtocol,
                ReasonCode::ProtocolError,
                "AUTH came, but CONNECT had no Authentication Method",
            ),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                let detail = format!("{} is for servers to send", packet.packet_type());
                self.close(
                    id,
                    Outcome::DisconnectProtocol,
                    ReasonCode::ProtocolError,
                    &detail,
                );
            }
        }
    }

    /// Output bytes that may wait for a client when it sends a packet that calls for an answer:
    /// messages up to the limit and one more, and answers as many bytes again.
    fn answer_bytes_max(&self) -> usize {
        let packet_bytes_max = self.limits.packet_bytes_max as usize;
        packet_bytes_max.saturating_add(self.limits.output_bytes_max.saturating_mul(2))
    }

    /// Writes a packet. If it is larger than the client takes, it goes without its properties
    /// (`MQTT-3.2.2-19`, `MQTT-3.4.2-2`, `MQTT-3.9.2-1` and their like); if it is still too large,
    /// it does not go (`MQTT-3.1.2-24`).
    pub(super) fn write_packet(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let (version, limit) = (connection.version, connection.packet_bytes_max_out as usize);
        let Some(output) = self.output_mut(id) else {
            return;
        };
        let buffer = output.buffer();
        let start = buffer.len();
        let fits = matches!(packet.encode(version, buffer), Ok(len) if len <= limit);
        if !fits {
            buffer.truncate(start);
            let plain = without_properties(packet);
            let fits = matches!(plain.encode(version, buffer), Ok(len) if len <= limit);
            if !fits {
                buffer.truncate(start);
                return;
            }
        }
        let first_byte = buffer.get(start).copied().unwrap_or_default();
        self.stats.count_sent(first_byte);
        self.tell_transmit(id);
    }

    /// Writes an encoded packet.
    pub(super) fn write_raw(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(output) = self.output_mut(id) else {
            return;
        };
        output.buffer().extend_from_slice(bytes);
        self.stats
            .count_sent(bytes.first().copied().unwrap_or_default());
        self.tell_transmit(id);
    }

    /// Writes an acknowledgement that says success, the shortest and by far most frequent one.
    pub(super) fn write_success(&mut self, id: ConnectionId, packet: PacketType, of: PacketId) {
        let first = (packet as u8) << 4 | packet.fixed_flags().unwrap_or(0);
        let [high, low] = of.get().to_be_bytes();
        self.write_raw(id, &[first, 2, high, low]);
    }

    /// A connection's output, to append to.
    pub(super) fn output_mut(&mut self, id: ConnectionId) -> Option<&mut Output> {
        let connection = self.connections.get_mut(id.index as usize)?.as_mut()?;
        if connection.generation != id.generation || connection.state == State::Closing {
            return None;
        }
        let spare = &mut self.spare_outputs;
        Some(
            connection
                .output
                .get_or_insert_with(|| spare.pop().unwrap_or_default()),
        )
    }

    /// Tells the driver, once, that there is output.
    pub(super) fn tell_transmit(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if !connection.is_transmit_told {
            connection.is_transmit_told = true;
            self.effects.push_back(Effect::Transmit { conn: id });
        }
    }

    pub(super) fn on_sent(&mut self, id: ConnectionId, len: usize) {
        self.stats.bytes_sent += len as u64;
        let resume_below = self.limits.output_bytes_max / 2;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.sent_bytes += len as u64;
        let Some(output) = &mut connection.output else {
            return;
        };
        output.consume(len);
        let left = output.len();
        let is_resumed = connection.is_output_full && left <= resume_below;
        let slot = connection.session;
        if is_resumed {
            connection.is_output_full = false;
        }
        if left == 0 {
            connection.is_transmit_told = false;
            if let Some(output) = connection.output.take() {
                self.keep_spare(output);
            }
        }
        if is_resumed {
            self.stats.connections_stalled -= 1;
            self.pump(slot);
        }
    }

    fn keep_spare(&mut self, mut output: Box<Output>) {
        if self.spare_outputs.len() < SPARE_OUTPUTS_MAX
            && output.capacity() <= SPARE_BUFFER_BYTES_MAX
        {
            output.clear();
            self.spare_outputs.push(output);
        }
    }
}

fn without_properties<'a>(packet: &Packet<'a>) -> Packet<'a> {
    let mut packet = *packet;
    match &mut packet {
        Packet::ConnAck(ack) => ack.properties = Properties::EMPTY,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties = Properties::EMPTY
        }
        Packet::SubAck(ack) => ack.properties = Properties::EMPTY,
        Packet::UnsubAck(ack) => ack.properties = Properties::EMPTY,
        Packet::Disconnect(disconnect) => disconnect.properties = Properties::EMPTY,
        Packet::Auth(auth) => auth.properties = Properties::EMPTY,
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp => {}
    }
    packet
}
