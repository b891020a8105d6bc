//! What all threads of a broker share: the clock, the listeners and the counters of refusals.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use columba_broker::event::{ListenerId, Now, Peer};
use columba_broker::outcome::Outcome;

use crate::listener::{BoundAddress, Listener, ListenerConfig, ListenerKind, TlsError};
use crate::log::peer_text::{Detail, name};

/// The time, from the start of the broker on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono_ms: self.0.elapsed().as_millis() as u64,
            unix_ms: unix.as_millis() as u64,
        }
    }
}

/// Shared by all threads; nothing in it is touched on a message's way.
#[derive(Debug)]
pub(crate) struct Shared {
    clock: Clock,
    listeners: Vec<Listener>,
    /// By listener; those of the file system have none.
    ports: Vec<Option<u16>>,
    /// Where WebSocket is served, to tell those that ask at the wrong port.
    websocket_at: Option<String>,
    /// By outcome.
    refused: [AtomicU64; Outcome::COUNT],
    /// The second that `lines` belongs to.
    lines_second: AtomicU64,
    lines: AtomicU64,
    /// Refusals on their way to the record.
    telling: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(
        clock: Clock,
        listeners: Vec<Listener>,
        configs: &[ListenerConfig],
        addresses: &[BoundAddress],
    ) -> Self {
        let websocket_at = configs.iter().zip(addresses).find_map(|(config, address)| {
            let (scheme, websocket) = match &config.kind {
                ListenerKind::Ws { websocket, .. } => ("ws", websocket),
                ListenerKind::Wss { websocket, .. } => ("wss", websocket),
                ListenerKind::Tcp { .. } | ListenerKind::Tls { .. } | ListenerKind::Unix { .. } => {
                    return None;
                }
            };
            let BoundAddress::Ip(address) = address else {
                return None;
            };
            let path = websocket.path.as_deref().unwrap_or("/mqtt");
            Some(format!("{scheme}, port {}, path {path}", address.port()))
        });
        let port = |address: &BoundAddress| match address {
            BoundAddress::Ip(address) => Some(address.port()),
            BoundAddress::Unix(_) => None,
        };
        Self {
            clock,
            listeners,
            ports: addresses.iter().map(port).collect(),
            websocket_at,
            refused: [const { AtomicU64::new(0) }; Outcome::COUNT],
            lines_second: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            telling: AtomicUsize::new(0),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// All listeners.
    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// A listener. Ids are made by the broker itself, one for each listener.
    pub(crate) fn listener(&self, id: ListenerId) -> &Listener {
        &self.listeners[usize::from(id.0)]
    }

    /// The port of a listener that has one.
    pub(crate) fn port(&self, id: ListenerId) -> Option<u16> {
        self.ports.get(usize::from(id.0)).copied().flatten()
    }

    /// Where WebSocket is served, in words.
    pub(crate) fn websocket_at(&self) -> Option<&str> {
        self.websocket_at.as_deref()
    }

    /// Counts a connection that the core never saw.
    pub(crate) fn count_refused(&self, outcome: Outcome) {
        self.refused[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs a connection that the core never saw. A flood of them is counted in full,
    /// but logged in part.
    pub(crate) fn refused(
        &self,
        outcome: Outcome,
        client_id: Option<&str>,
        peer: &Peer,
        detail: &str,
    ) {
        self.count_refused(outcome);
        let second = self.clock.now().mono_ms / 1000;
        if self.lines_second.swap(second, Ordering::Relaxed) != second {
            let count = self
                .lines
                .swap(0, Ordering::Relaxed)
                .saturating_sub(LINES_PER_SEC);
            if count > 0 {
                tracing::warn!(count, "refused connections left out of the log, too many");
            }
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) >= LINES_PER_SEC {
            return;
        }
        let client = client_id.map(name);
        let client = client.as_deref();
        let listener = self.listener(peer.listener).name();
        tracing::warn!(client, %peer, listener, %outcome, "refused: {}", Detail(detail));
    }

    /// Counts a connection that closed without a word.
    pub(crate) fn probed(&self, peer: Option<&Peer>, detail: &str) {
        let outcome = Outcome::ConnectProbe;
        self.count_refused(outcome);
        if let Some(peer) = peer {
            let listener = self.listener(peer.listener).name();
            tracing::debug!(%peer, listener, %outcome, "{detail}");
        }
    }

    /// Whether the record may be told of one more refusal. A flood that is quicker than the shard is
    /// counted in full, but told in part.
    pub(crate) fn begin_telling(&self) -> bool {
        let may = self.telling.fetch_add(1, Ordering::Relaxed) < TELLING_MAX;
        if !may {
            self.end_telling();
        }
        may
    }

    /// The record has one of them.
    pub(crate) fn end_telling(&self) {
        self.telling.fetch_sub(1, Ordering::Relaxed);
    }

    /// How often.
    pub(crate) fn refused_count(&self, outcome: Outcome) -> u64 {
        self.refused[outcome as usize].load(Ordering::Relaxed)
    }

    /// Reads the keys again of the TLS listeners that are to be; what went wrong, by name.
    pub(crate) fn reload_tls(&self, which: impl Fn(&Listener) -> bool) -> Vec<(String, TlsError)> {
        let mut failed = Vec::new();
        for listener in self.listeners.iter().filter(|listener| which(listener)) {
            let Some(tls) = &listener.tls else { continue };
            let name = listener.name();
            match tls.reload() {
                Ok(()) => tracing::info!(listener = name, "certificate loaded"),
                Err(error) => {
                    tracing::error!(
                        listener = name, %error,
                        "the new certificate cannot be used; the one in use stays"
                    );
                    failed.push((name.to_owned(), error));
                }
            }
        }
        failed
    }
}

/// Refusals that wait for a shard to note them.
const TELLING_MAX: usize = 1024;
/// Lines of refused connections in one second.
const LINES_PER_SEC: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_told_in_part() {
        let shared = Shared::new(Clock::start(), Vec::new(), &[], &[]);
        assert!((0..TELLING_MAX).all(|_| shared.begin_telling()));
        assert!(!shared.begin_telling());
        assert!(!shared.begin_telling());
        // Each that was told makes room for one.
        shared.end_telling();
        assert!(shared.begin_telling());
        assert!(!shared.begin_telling());
    }
}
