//! How connections end.

use columba_broker::Input;
use columba_broker::event::{CloseCause, ConnectionId};
use columba_broker::outcome::Outcome;

use super::{Driver, Phase, mark};

impl Driver {
    /// The peer or the network ended a connection. It goes at the end of the tick: output that is
    /// due may still go out, for a peer that only stopped sending.
    pub(super) fn end(&mut self, id: ConnectionId, cause: CloseCause) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        match connection.phase {
            Phase::Open => connection.phase = Phase::Ended(cause),
            Phase::Greeting => {}
            Phase::Lingering | Phase::Closing { .. } => {}
            Phase::Ended(_) => return,
        }
        self.ended.push(id);
    }

    /// Closes what [`end`](Self::end) collected.
    pub(super) fn close_ended(&mut self) {
        let mut list = std::mem::take(&mut self.ended);
        for id in list.drain(..) {
            if self.core.holds_input(id) {
                // What it sent before its end is still to be served.
                self.ended.push(id);
                continue;
            }
            let cause = match self.connections.find(id).map(|connection| connection.phase) {
                Some(Phase::Ended(cause)) => cause,
                Some(Phase::Greeting | Phase::Open) => CloseCause::Peer,
                Some(Phase::Closing { .. } | Phase::Lingering) => CloseCause::Broker,
                None => continue,
            };
            self.note_probe(id);
            self.close(id, cause);
        }
        // Closing may have ended others, which wait for the next tick.
        if self.ended.is_empty() {
            self.ended = list;
        }
    }

    /// Load balancers connect and close, and so do port scans: that is counted, and nobody is warned of it. Some
    /// clients that do not trust a certificate end the handshake in order and then close, without an alert, so
    /// what closes then stands in the record, as what may be.
    fn note_probe(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let layers = connection.layers.as_ref();
        let is_silent = layers.is_none_or(|layers| layers.is_untouched());
        let is_silent_within_tls = layers.is_some_and(|layers| layers.is_silent_within_tls());
        if connection.phase != Phase::Greeting || !is_silent && !is_silent_within_tls {
            return;
        }
        let peer = connection.pending.as_deref().cloned();
        let addr = peer.as_ref().and_then(|peer| peer.addr);
        let detail = if is_silent { SILENT } else { SILENT_WITHIN_TLS };
        self.shared.probed(peer.as_ref(), detail);
        if is_silent_within_tls {
            let noted = Input::Refused {
                addr,
                client_id: None,
                outcome: Outcome::ConnectProbe,
                detail,
            };
            self.core.handle(self.now, noted);
        }
    }

    /// The broker ends a connection: first its output goes out.
    pub(super) fn begin_close(&mut self, id: ConnectionId) {
        self.forget_check(id);
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        match connection.phase {
            Phase::Greeting => connection.phase = Phase::Closing { is_known: false },
            Phase::Open => connection.phase = Phase::Closing { is_known: true },
            // Gone at the end of this tick in any case, or on its way.
            Phase::Ended(_) | Phase::Closing { .. } | Phase::Lingering => return,
        }
        mark(&mut connection.is_dirty, &mut self.dirty, id);
        self.closings.push_back((self.now.mono_ms + CLOSING_MS, id));
    }

    /// All output is out: says goodbye, tells the core, and waits for the peer to close.
    pub(super) fn finish_close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        let Phase::Closing { is_known } = connection.phase else {
            return;
        };
        if let Some(layers) = &mut connection.layers {
            self.buffers.wire.clear();
            layers.close(&mut self.buffers);
            // A goodbye that finds no room is left unsaid.
            let _ = self.write_wire(id);
        }
        let Some(connection) = self.connections.find(id) else {
            return;
        };
        connection.socket.shutdown_write();
        connection.phase = Phase::Lingering;
        connection.layers = None;
        connection.pending = None;
        mark(&mut connection.is_ready, &mut self.ready, id);
        if is_known {
            self.core.handle(
                self.now,
                Input::Closed {
                    conn: id,
                    cause: CloseCause::Broker,
                },
            );
            self.drain();
        }
    }

    /// Drops a connection, whatever it is doing, and tells the core if it has to know.
    pub(super) fn close(&mut self, id: ConnectionId, cause: CloseCause) {
        self.forget_check(id);
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        self.shared.listener(connection.listener).leave();
        let is_known = match connection.phase {
            Phase::Open | Phase::Ended(_) => true,
            Phase::Closing { is_known } => is_known,
            Phase::Greeting | Phase::Lingering => false,
        };
        // Closing the descriptor ends the watch.
        drop(connection);
        if is_known {
            self.core
                .handle(self.now, Input::Closed { conn: id, cause });
            self.drain();
        }
    }

    /// Begins to stop: whoever is not known to the core goes at once, the others when they are done.
    pub(super) fn stop(&mut self, within_ms: u64) {
        self.stop_at_ms = Some(self.now.mono_ms + within_ms);
        self.linger_until_ms = self.now.mono_ms + LINGER_STOP_MS.min(within_ms);
        for id in self.connections.ids() {
            if self.is_greeting(id) {
                self.close(id, CloseCause::Broker);
            }
        }
    }

    /// Whether the thread may end.
    pub(super) fn is_done(&self) -> bool {
        let Some(stop_at_ms) = self.stop_at_ms else {
            return false;
        };
        if self.now.mono_ms >= stop_at_ms {
            return true;
        }
        if !self.has_handed_over() {
            return false;
        }
        if self.connections.len() == 0 {
            return true;
        }
        // Peers that do not close get a moment to read, not the whole time.
        self.now.mono_ms >= self.linger_until_ms && self.connections.are_all_lingering()
    }
}

const SILENT: &str = "the connection closed before it had said anything";
/// Sentences of `columba_diagnosis::noted`.
const SILENT_WITHIN_TLS: &str = "TLS: the client ended the handshake in order, and closed before its \
     CONNECT; perhaps it does not trust this listener's certificate, or it was a health check or a port scan";
/// How long a connection that the broker closes may take to read its output and to close too.
const CLOSING_MS: u64 = 3000;
/// How long lingering connections hold up a stop.
const LINGER_STOP_MS: u64 = 500;

#[cfg(test)]
mod tests {
    use columba_diagnosis::noted::noted;
    use columba_speech::{Language, Text};

    use super::*;

    columba_speech::catalogue! { ALL; it(what) { en: "{what}", zh: "{what}" } }

    #[test]
    fn what_may_be_no_trust_is_said_in_chinese_too() {
        assert_eq!(ALL.len(), 1);
        let text: Text = it(noted(SILENT_WITHIN_TLS));
        assert_eq!(text.to_string(Language::English), SILENT_WITHIN_TLS);
        let chinese = text.to_string(Language::Chinese);
        assert!(chinese.contains("健康检查"), "{chinese}");
        assert!(chinese.contains("正常完成"), "{chinese}");
    }
}
