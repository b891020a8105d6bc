//! From sockets to the core.

use std::io::{self, Read};

use columba_broker::Input;
use columba_broker::event::{CloseCause, ConnectionId, Peer};
use columba_broker::outcome::Outcome;

use super::{Driver, Phase, mark};
use crate::transport::greeting::{Carrier, Greeting, Stranger};
use crate::transport::{Flow, TransportError, WebSocketFault};

impl Driver {
    /// Reads each connection on the list once, as long as there is room for the letters to other
    /// shards that come of it. The others keep their place, before those that have more to say.
    pub(super) fn read_ready(&mut self) {
        let mut room = self.mail.room();
        let spare = std::mem::take(&mut self.ready_spare);
        let mut list = std::mem::replace(&mut self.ready, spare);
        let mut read = 0;
        while let Some(id) = list.get(read)
            && self.core.mail_bytes() < room
        {
            self.read(*id);
            read += 1;
            self.keep_many_records();
            if self.send_mail_part() {
                room = self.mail.room();
            }
        }
        self.ready.splice(..0, list.drain(read..));
        list.clear();
        self.ready_spare = list;
    }

    fn read(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        connection.is_ready = false;
        let discards = match connection.phase {
            Phase::Greeting | Phase::Open => false,
            Phase::Lingering => true,
            Phase::Ended(_) | Phase::Closing { .. } => return,
        };
        if connection.is_checked {
            // Whoever has hung up does not wait for the verdict, unless it has sent more than its
            // CONNECT: a message that it wants delivered.
            if connection.has_hung_up
                && !connection.socket.has_input()
                && !self.core.has_input_behind_connect(id)
            {
                self.end(id, CloseCause::Peer);
            }
            return;
        }
        if !self.core.takes_input(id) {
            // What it sent before comes first; the rest waits in the socket.
            mark(&mut connection.is_ready, &mut self.ready, id);
            return;
        }
        match (&connection.socket).read(&mut self.input) {
            Ok(0) => self.end(id, CloseCause::Peer),
            Ok(len) => {
                if len == self.input.len() || connection.has_hung_up {
                    mark(&mut connection.is_ready, &mut self.ready, id);
                }
                if !discards {
                    self.deliver(id, len);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                mark(&mut connection.is_ready, &mut self.ready, id);
            }
            Err(_) => self.end(id, CloseCause::Transport),
        }
    }

    /// Hands what was read to the core, through the transport if there is one.
    fn deliver(&mut self, id: ConnectionId, len: usize) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let bytes = self.input.get(..len).unwrap_or_default();
        if connection.layers.is_some() {
            self.deliver_layered(id, len);
            return;
        }
        if connection.phase == Phase::Greeting {
            if let Greeting::Strange(stranger) = Greeting::of(bytes, Carrier::Plain) {
                return self.answer_stranger(id, stranger, len);
            }
            self.introduce(id);
        }
        self.pass_input(id, len);
    }

    fn pass_input(&mut self, id: ConnectionId, len: usize) {
        // The core may have closed it or handed it over on being told of it.
        if self
            .connections
            .find(id)
            .is_none_or(|connection| connection.phase != Phase::Open)
        {
            return;
        }
        let bytes = self.input.get(..len).unwrap_or_default();
        self.core
            .handle(self.now, Input::Received { conn: id, bytes });
        self.drain();
    }

    fn deliver_layered(&mut self, id: ConnectionId, len: usize) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let Some(layers) = &mut connection.layers else {
            return;
        };
        let bytes = self.input.get(..len).unwrap_or_default();
        match layers.greet(bytes) {
            Greeting::Expected => {}
            Greeting::Undecided => return,
            Greeting::Strange(stranger) => return self.answer_stranger(id, stranger, len),
        }
        self.buffers.app.clear();
        self.buffers.wire.clear();
        let received = layers.receive(bytes, &mut self.buffers);
        let is_established = layers.is_established();
        let is_greeting = connection.phase == Phase::Greeting;
        let certificate = if is_greeting {
            layers.certificate()
        } else {
            None
        };
        // Answers go out at once: they are rare, and handshakes wait for them.
        let answered = self.write_wire(id);
        // As on a plain port, the core need not know of it before it has said something.
        if is_greeting && is_established && !self.buffers.app.is_empty() {
            if let Some(stranger) = self.stranger_inside(id) {
                return self.answer_stranger_inside(id, stranger);
            }
            if let Some(connection) = self.connections.find(id)
                && let Some(peer) = &mut connection.pending
            {
                peer.certificate = certificate;
            }
            self.introduce(id);
        }
        if is_established && !self.buffers.app.is_empty() {
            if let Some(connection) = self.connections.find(id) {
                connection.ending = match &received {
                    Ok(Flow::Open) if answered.is_ok() => None,
                    Ok(Flow::Ended) => Some(CloseCause::Peer),
                    Ok(Flow::Open) | Err(_) => Some(CloseCause::Transport),
                };
            }
            self.pass_app(id);
        }
        match received {
            Ok(Flow::Open) if answered.is_ok() => {}
            Ok(Flow::Open) => self.end(id, CloseCause::Transport),
            Ok(Flow::Ended) if self.waits_for_verdict(id) => {}
            Ok(Flow::Ended) => self.end(id, CloseCause::Peer),
            Err(TransportError::Within(stranger)) => self.answer_stranger_within(id, stranger),
            Err(error) => self.fail(id, len, &error),
        }
    }

    /// Whether a connection that has ended stays until its credentials are checked, for what the
    /// peer sent behind its CONNECT.
    pub(super) fn waits_for_verdict(&mut self, id: ConnectionId) -> bool {
        let is_checked = self
            .connections
            .find(id)
            .is_some_and(|connection| connection.is_checked);
        is_checked && self.core.has_input_behind_connect(id)
    }

    fn pass_app(&mut self, id: ConnectionId) {
        if self
            .connections
            .find(id)
            .is_none_or(|connection| connection.phase != Phase::Open)
        {
            return;
        }
        // Draining may need the buffers for another connection, so the bytes move out meanwhile.
        let app = std::mem::take(&mut self.buffers.app);
        self.core.handle(
            self.now,
            Input::Received {
                conn: id,
                bytes: &app,
            },
        );
        self.drain();
        self.buffers.app = app;
    }

    /// Tells the core of a connection.
    fn introduce(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let Some(peer) = connection.pending.take() else {
            return;
        };
        connection.phase = Phase::Open;
        self.core.handle(
            self.now,
            Input::Accepted {
                conn: id,
                peer: *peer,
            },
        );
        self.drain();
    }

    /// Tells a peer that began with another protocol, in that, what the port is for.
    fn answer_stranger(&mut self, id: ConnectionId, stranger: Stranger, len: usize) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        // What it began with is not what the layers speak: they have no say any more.
        let layers = connection.layers.take();
        let port = self.shared.port(connection.listener);
        let carrier = layers.as_ref().map_or(Carrier::Plain, |of| of.carrier());
        let bytes = self.input.get(..len).unwrap_or_default();
        let first = layers.as_ref().map_or(bytes, |of| of.first_bytes(bytes));
        let answer = stranger.answer(carrier, first, self.shared.websocket_at());
        let client_id = stranger.client_id(first);
        let detail = stranger.describe(carrier, port);
        self.refuse(
            id,
            client_id.as_deref(),
            Outcome::ConnectWrongProtocol,
            &detail,
        );
        self.buffers.wire.clear();
        self.buffers.wire.extend_from_slice(&answer);
        // A peer that does not take the answer does without.
        let _ = self.write_wire(id);
        self.begin_close(id);
    }

    /// The other protocol that a peer speaks within TLS, such as a browser's. What comes within a
    /// WebSocket is for the core to judge: there is nobody who would read an answer.
    fn stranger_inside(&mut self, id: ConnectionId) -> Option<Stranger> {
        let layers = self.connections.find(id)?.layers.as_ref()?;
        match Greeting::of(&self.buffers.app, Carrier::Plain) {
            Greeting::Strange(stranger) if layers.carrier() == Carrier::Tls => Some(stranger),
            Greeting::Strange(_) | Greeting::Undecided | Greeting::Expected => None,
        }
    }

    fn answer_stranger_inside(&mut self, id: ConnectionId, stranger: Stranger) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let port = self.shared.port(connection.listener);
        let detail = stranger.describe(Carrier::Tls, port);
        self.refuse(id, None, Outcome::ConnectWrongProtocol, &detail);
        let answer = stranger.answer(Carrier::Tls, &[], self.shared.websocket_at());
        self.buffers.wire.clear();
        if let Some(connection) = self.connections.find(id)
            && let Some(layers) = &mut connection.layers
        {
            layers.send(&answer, &mut self.buffers);
        }
        // A peer that does not take the answer does without.
        let _ = self.write_wire(id);
        self.begin_close(id);
    }

    /// Tells a peer that speaks another protocol within TLS than the WebSocket of the port.
    fn answer_stranger_within(&mut self, id: ConnectionId, stranger: Stranger) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let port = self.shared.port(connection.listener);
        let layers = connection.layers.as_ref();
        let first = layers.map_or_else(Vec::new, |layers| layers.first_within().to_vec());
        let carrier = Carrier::SecureWebSocket;
        let detail = stranger.describe_within_tls(carrier, port);
        let client_id = stranger.client_id(&first);
        let outcome = Outcome::ConnectWrongProtocol;
        self.refuse(id, client_id.as_deref(), outcome, &detail);
        let answer = stranger.answer(carrier, &first, self.shared.websocket_at());
        self.buffers.wire.clear();
        if let Some(connection) = self.connections.find(id)
            && let Some(layers) = &mut connection.layers
        {
            layers.send_within_tls(&answer, &mut self.buffers);
        }
        // A peer that does not take the answer does without.
        let _ = self.write_wire(id);
        self.begin_close(id);
    }

    /// The transport gave up on the peer. Its last words are written already.
    fn fail(&mut self, id: ConnectionId, len: usize, error: &TransportError) {
        if self.is_greeting(id) {
            let first = self.input.get(..len).and_then(<[u8]>::first).copied();
            let outcome = match error {
                TransportError::WebSocket(
                    WebSocketFault::NotHttp | WebSocketFault::BadRequest(_),
                ) => Outcome::ConnectWrongProtocol,
                TransportError::WebSocket(WebSocketFault::Origin(_)) => Outcome::ConnectOrigin,
                TransportError::Tls(rustls::Error::InvalidMessage(_)) if first != Some(0x16) => {
                    Outcome::ConnectWrongProtocol
                }
                TransportError::Within(_) => Outcome::ConnectWrongProtocol,
                TransportError::Tls(_) | TransportError::WebSocket(_) | TransportError::Flooded => {
                    Outcome::ConnectHandshake
                }
            };
            self.refuse(id, None, outcome, &error.describe());
            self.begin_close(id);
            return;
        }
        if let Some(connection) = self.connections.find(id) {
            let listener = self.shared.listener(connection.listener).name();
            tracing::info!(
                listener,
                "a connection breaks its transport's rules: {error}"
            );
        }
        self.end(id, CloseCause::Transport);
    }

    /// Logs and counts a connection that the core never sees, of a client that has perhaps said its name.
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        client_id: Option<&str>,
        outcome: Outcome,
        detail: &str,
    ) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let listener = connection.listener;
        let addr = connection
            .pending
            .as_deref()
            .and_then(|peer: &Peer| peer.addr);
        let peer = Peer {
            addr,
            listener,
            certificate: None,
        };
        self.shared.refused(outcome, client_id, &peer, detail);
        let refused = Input::Refused {
            addr,
            client_id,
            outcome,
            detail,
        };
        self.core.handle(self.now, refused);
    }
}
