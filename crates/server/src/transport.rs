//! What lies between the socket and MQTT: TLS, WebSocket, both or nothing.
//!
//! Everything here works on bytes in memory; sockets are the driver's business.

mod certificate;
pub(crate) mod greeting;
mod handshake;
mod origin;
mod packets;
mod tls;
mod upgrade;
mod websocket;

use std::sync::Arc;

use greeting::{Carrier, Greeting, Stranger};

pub use origin::AllowedOrigins;
pub(crate) use origin::is_origin;
pub use tls::TlsError;
pub(crate) use tls::{Tls, TlsListener};
pub use upgrade::WebSocketSettings;
pub(crate) use websocket::{WebSocket, WebSocketFault};

/// Why a transport gave up on its peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("TLS: {}", handshake::said(.0))]
    Tls(#[from] rustls::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] WebSocketFault),
    /// Where a WebSocket was to begin within TLS.
    #[error("TLS holds another protocol than WebSocket")]
    Within(Stranger),
    #[error("the peer does not read the answers of the transport")]
    Flooded,
}

impl TransportError {
    /// What happened, and what is to be done about it where that is known.
    pub(crate) fn describe(&self) -> String {
        let advice = match self {
            Self::Tls(error) => handshake::advice(error),
            Self::WebSocket(_) | Self::Within(_) | Self::Flooded => None,
        };
        match advice {
            Some(advice) => format!("{self}; {advice}"),
            None => self.to_string(),
        }
    }
}

/// Whether more can come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It can.
    Open,
    /// The peer said goodbye in the transport's own words.
    Ended,
}

/// Scratch space that a shard lends to its transports.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Bytes for MQTT.
    pub(crate) app: Vec<u8>,
    /// Bytes for the socket.
    pub(crate) wire: Vec<u8>,
    /// Bytes between TLS and WebSocket.
    middle: Vec<u8>,
}

/// The layers of one connection that is not plain TCP.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    tls: Option<Tls>,
    websocket: Option<WebSocket>,
    /// Bytes for the socket that it did not take yet.
    unsent: Vec<u8>,
    unsent_at: usize,
    /// The first bytes, until they tell whether the peer speaks the protocol of the port.
    first: Vec<u8>,
    is_greeted: bool,
    /// The same of those within TLS that are to begin a WebSocket.
    first_within: Vec<u8>,
    is_greeted_within: bool,
    /// Whether anything came within TLS.
    has_spoken: bool,
}

impl Layers {
    /// The layers of a new connection.
    pub(crate) fn new(tls: Option<Tls>, websocket: Option<WebSocket>) -> Self {
        Self {
            tls,
            websocket,
            ..Self::default()
        }
    }

    /// Judges the first bytes of a connection. Those that do not tell yet are kept for
    /// [`receive`](Self::receive).
    pub(crate) fn greet(&mut self, wire: &[u8]) -> Greeting {
        if self.is_greeted {
            return Greeting::Expected;
        }
        let greeting = if self.first.is_empty() {
            Greeting::of(wire, self.carrier())
        } else {
            self.first.extend_from_slice(wire);
            Greeting::of(&self.first, self.carrier())
        };
        match greeting {
            Greeting::Expected => self.is_greeted = true,
            Greeting::Undecided if self.first.is_empty() => self.first.extend_from_slice(wire),
            Greeting::Undecided | Greeting::Strange(_) => {}
        }
        greeting
    }

    /// All that has come, while that is judged.
    pub(crate) fn first_bytes<'a>(&'a self, wire: &'a [u8]) -> &'a [u8] {
        if self.first.is_empty() {
            wire
        } else {
            &self.first
        }
    }

    /// What carries MQTT on it.
    pub(crate) const fn carrier(&self) -> Carrier {
        match (&self.tls, &self.websocket) {
            (None, None) => Carrier::Plain,
            (Some(_), None) => Carrier::Tls,
            (None, Some(_)) => Carrier::WebSocket,
            (Some(_), Some(_)) => Carrier::SecureWebSocket,
        }
    }

    /// Whether the handshakes are done, so that MQTT may flow.
    pub(crate) fn is_established(&self) -> bool {
        self.tls.as_ref().is_none_or(Tls::is_established)
            && self
                .websocket
                .as_ref()
                .is_none_or(WebSocket::is_established)
    }

    /// Whether nothing has come yet.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.is_greeted && self.first.is_empty()
    }

    /// Whether the peer agreed on TLS, and has said nothing since.
    pub(crate) fn is_silent_within_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::is_established) && !self.has_spoken
    }

    /// The identity in the peer's verified certificate.
    pub(crate) fn certificate(&self) -> Option<Arc<str>> {
        self.tls.as_ref().and_then(Tls::certificate)
    }

    /// Takes bytes from the socket; what they hold for MQTT is appended to `buffers.app`, what is
    /// to be answered to `buffers.wire`, also when this fails.
    pub(crate) fn receive(
        &mut self,
        wire: &[u8],
        buffers: &mut Buffers,
    ) -> Result<Flow, TransportError> {
        let first = std::mem::take(&mut self.first);
        let wire = if first.is_empty() { wire } else { &first };
        let Some(tls) = &mut self.tls else {
            let Some(websocket) = &mut self.websocket else {
                buffers.app.extend_from_slice(wire);
                return Ok(Flow::Open);
            };
            return Ok(websocket.receive(wire, &mut buffers.app, &mut buffers.wire)?);
        };
        let Some(websocket) = &mut self.websocket else {
            let flow = tls.receive(wire, &mut buffers.app, &mut buffers.wire)?;
            self.has_spoken |= !buffers.app.is_empty();
            return Ok(flow);
        };
        buffers.middle.clear();
        let flow = tls.receive(wire, &mut buffers.middle, &mut buffers.wire)?;
        self.has_spoken |= !buffers.middle.is_empty();
        if !self.is_greeted_within {
            self.first_within.extend_from_slice(&buffers.middle);
            match Greeting::of(&self.first_within, Carrier::WebSocket) {
                Greeting::Undecided => return Ok(flow),
                Greeting::Strange(stranger) => return Err(TransportError::Within(stranger)),
                Greeting::Expected => {
                    self.is_greeted_within = !self.first_within.is_empty();
                    buffers.middle = std::mem::take(&mut self.first_within);
                }
            }
        }
        let mut frames = Vec::new();
        let inner = websocket.receive(&buffers.middle, &mut buffers.app, &mut frames);
        if !frames.is_empty() {
            tls.send(&frames, &mut buffers.wire);
        }
        Ok(if inner? == Flow::Ended {
            Flow::Ended
        } else {
            flow
        })
    }

    /// What came within TLS, while that is judged.
    pub(crate) fn first_within(&self) -> &[u8] {
        &self.first_within
    }

    /// Wraps bytes for the socket that are not within a WebSocket.
    pub(crate) fn send_within_tls(&mut self, bytes: &[u8], buffers: &mut Buffers) {
        match &mut self.tls {
            Some(tls) => tls.send(bytes, &mut buffers.wire),
            None => buffers.wire.extend_from_slice(bytes),
        }
    }

    /// Wraps bytes of MQTT for the socket.
    pub(crate) fn send(&mut self, app: &[u8], buffers: &mut Buffers) {
        match (&mut self.tls, &mut self.websocket) {
            (None, None) => buffers.wire.extend_from_slice(app),
            (None, Some(websocket)) => websocket.send(app, &mut buffers.wire),
            (Some(tls), None) => tls.send(app, &mut buffers.wire),
            (Some(tls), Some(websocket)) => {
                buffers.middle.clear();
                websocket.send(app, &mut buffers.middle);
                tls.send(&buffers.middle, &mut buffers.wire);
            }
        }
    }

    /// Says goodbye in the transport's own words.
    pub(crate) fn close(&mut self, buffers: &mut Buffers) {
        let mut farewell = Vec::new();
        if let Some(websocket) = &mut self.websocket {
            websocket.close(&mut farewell);
        }
        match &mut self.tls {
            Some(tls) => {
                if !farewell.is_empty() {
                    tls.send(&farewell, &mut buffers.wire);
                }
                tls.close(&mut buffers.wire);
            }
            None => buffers.wire.extend_from_slice(&farewell),
        }
    }

    /// Bytes for the socket from an earlier turn; they go out before anything else.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.unsent.get(self.unsent_at..).unwrap_or_default()
    }

    /// Takes sent bytes off the front. The buffer is given back when nothing is left.
    pub(crate) fn consume_unsent(&mut self, len: usize) {
        self.unsent_at += len;
        if self.unsent_at >= self.unsent.len() {
            self.unsent = Vec::new();
            self.unsent_at = 0;
        }
    }

    /// Keeps bytes that the socket did not take.
    pub(crate) fn keep_unsent(&mut self, wire: &[u8]) -> Result<(), TransportError> {
        if self.unsent().len() + wire.len() > UNSENT_BYTES_MAX {
            return Err(TransportError::Flooded);
        }
        // What has gone out makes room first, or a peer that never lets it run dry keeps it all.
        self.unsent.drain(..std::mem::take(&mut self.unsent_at));
        self.unsent.extend_from_slice(wire);
        Ok(())
    }
}

/// More than one turn's output with its wrapping, so that only a peer that provokes answers (pings,
/// key updates) without reading them gets here.
const UNSENT_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_nobody_reads_are_bounded() {
        let mut layers = Layers::default();
        assert!(layers.keep_unsent(&vec![0; UNSENT_BYTES_MAX]).is_ok());
        assert!(matches!(
            layers.keep_unsent(b"x"),
            Err(TransportError::Flooded)
        ));
        layers.consume_unsent(UNSENT_BYTES_MAX - 1);
        assert_eq!(layers.unsent().len(), 1);
        layers.consume_unsent(1);
        assert_eq!((layers.unsent.capacity(), layers.unsent_at), (0, 0));
    }

    #[test]
    fn what_has_gone_out_is_forgotten_although_more_always_waits() {
        let mut layers = Layers::default();
        layers.keep_unsent(b"0123456789").unwrap();
        for _ in 0..1000 {
            layers.consume_unsent(9);
            layers.keep_unsent(b"123456789").unwrap();
        }
        assert_eq!(layers.unsent.len(), layers.unsent().len());
    }
}
