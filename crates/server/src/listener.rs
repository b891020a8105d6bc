//! Listeners: where they are, what they speak, and how many connections they hold.

pub(crate) mod acceptor;
pub(crate) mod descriptors;
pub(crate) mod kernel;
pub(crate) mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use columba_broker::limits::ListenerSettings;

pub use crate::transport::{AllowedOrigins, TlsError, WebSocketSettings};
use crate::transport::{Layers, Tls, TlsListener, WebSocket};

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Where it listens and what it speaks there.
    pub kind: ListenerKind,
    /// What the core and the driver need to know of it.
    pub settings: ListenerSettings,
}

/// Where a listener listens and what it speaks there. Port 0 takes any free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Plain MQTT over TCP.
    Tcp {
        /// Its address.
        bind: SocketAddr,
    },
    /// MQTT over TLS.
    Tls {
        /// Its address.
        bind: SocketAddr,
        /// Its keys.
        tls: TlsFiles,
    },
    /// MQTT over WebSocket.
    Ws {
        /// Its address.
        bind: SocketAddr,
        /// What it accepts.
        websocket: WebSocketSettings,
    },
    /// MQTT over WebSocket over TLS.
    Wss {
        /// Its address.
        bind: SocketAddr,
        /// Its keys.
        tls: TlsFiles,
        /// What it accepts.
        websocket: WebSocketSettings,
    },
    /// Plain MQTT over a Unix socket.
    Unix {
        /// Its path. A socket left behind by a process that is gone is replaced.
        path: PathBuf,
        /// Its permissions, say 0o660.
        mode: u32,
    },
}

impl ListenerKind {
    /// In a word, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Tls { .. } => "tls",
            Self::Ws { .. } => "ws",
            Self::Wss { .. } => "wss",
            Self::Unix { .. } => "unix",
        }
    }

    /// Where it should listen.
    pub(crate) fn address(&self) -> BoundAddress {
        match self {
            Self::Tcp { bind }
            | Self::Tls { bind, .. }
            | Self::Ws { bind, .. }
            | Self::Wss { bind, .. } => BoundAddress::Ip(*bind),
            Self::Unix { path, .. } => BoundAddress::Unix(path.clone()),
        }
    }
}

/// The files of a TLS listener, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those that lead to its authority.
    pub certificate_chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Who signs the certificates of clients; `None` asks for none.
    pub client_authority: Option<ClientAuthority>,
}

/// The authorities of client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    /// Their certificates, in PEM.
    pub file: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub is_required: bool,
}

/// Where a listener ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// On this address and port.
    Ip(SocketAddr),
    /// On this path.
    Unix(PathBuf),
}

impl std::fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What all threads know of one listener.
#[derive(Debug)]
pub(crate) struct Listener {
    name: String,
    kind: ListenerKind,
    pub(crate) tls: Option<TlsListener>,
    /// Open connections, over all shards.
    connections: AtomicUsize,
    connections_max: AtomicUsize,
}

impl Listener {
    /// Reads the keys, if it needs any.
    pub(crate) fn load(config: &ListenerConfig) -> Result<Self, TlsError> {
        let tls = match &config.kind {
            ListenerKind::Tls { tls, .. } | ListenerKind::Wss { tls, .. } => {
                Some(TlsListener::load(tls.clone())?)
            }
            ListenerKind::Tcp { .. } | ListenerKind::Ws { .. } | ListenerKind::Unix { .. } => None,
        };
        Ok(Self {
            name: config.settings.name.clone(),
            kind: config.kind.clone(),
            tls,
            connections: AtomicUsize::new(0),
            connections_max: AtomicUsize::new(config.settings.connections_max),
        })
    }

    /// What it speaks, in a word.
    pub(crate) fn kind_name(&self) -> &'static str {
        self.kind.name()
    }

    /// Connections at most; 0 for no limit.
    pub(crate) fn connections_max(&self) -> usize {
        self.connections_max.load(Ordering::Relaxed)
    }

    /// Its name in the configuration and the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The transport of a new connection; `None` for plain MQTT.
    pub(crate) fn layers(&self) -> Result<Option<Box<Layers>>, rustls::Error> {
        let tls = match &self.tls {
            Some(keys) => Some(Tls::new(keys.current())?),
            None => None,
        };
        let websocket = match &self.kind {
            ListenerKind::Ws { websocket, .. } | ListenerKind::Wss { websocket, .. } => {
                Some(WebSocket::new(websocket.clone()))
            }
            ListenerKind::Tcp { .. } | ListenerKind::Tls { .. } | ListenerKind::Unix { .. } => None,
        };
        if tls.is_none() && websocket.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Layers::new(tls, websocket))))
    }

    /// Counts a connection in, unless that would be one too many.
    pub(crate) fn admit(&self) -> bool {
        let max = self.connections_max.load(Ordering::Relaxed);
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        if max != 0 && before >= max {
            self.leave();
            return false;
        }
        true
    }

    /// Counts a connection out.
    pub(crate) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Open connections, over all shards.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Changes the limit; who is already in stays.
    pub(crate) fn set_connections_max(&self, connections_max: usize) {
        self.connections_max
            .store(connections_max, Ordering::Relaxed);
    }
}
