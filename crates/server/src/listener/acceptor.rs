//! The thread that accepts connections on all listeners and deals them to the shards in turn.
//!
//! A thread of its own: a shard under load accepts late, and with one queue per shard
//! (`SO_REUSEPORT`) the kernel would let connections wait at a busy shard while others are idle.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use columba_broker::event::{ListenerId, Peer};
use columba_broker::outcome::Outcome;
use mio::net::{TcpListener, UnixListener};
use mio::{Events, Interest, Poll, Token, Waker};

use super::descriptors::{Reserve, for_connections, is_exhausted};
use super::socket::{ListeningSocket, Socket};
use super::{BoundAddress, ListenerConfig, ListenerKind};
use crate::bell::Bell;
use crate::driver::{Errand, ShardHandle};
use crate::runtime::Shared;

/// A listener that is bound, but does not accept yet.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: ListeningSocket,
    pub(crate) address: BoundAddress,
}

impl Bound {
    /// Binds it.
    pub(crate) fn bind(config: &ListenerConfig) -> io::Result<Self> {
        match &config.kind {
            ListenerKind::Tcp { bind }
            | ListenerKind::Tls { bind, .. }
            | ListenerKind::Ws { bind, .. }
            | ListenerKind::Wss { bind, .. } => {
                let listener = TcpListener::bind(*bind)?;
                // Again, with a longer queue than the default 128: when thousands of devices come
                // back at once, each that finds the queue full waits a second or more.
                rustix::net::listen(&listener, BACKLOG)?;
                let address = BoundAddress::Ip(listener.local_addr()?);
                Ok(Self {
                    socket: ListeningSocket::Tcp(listener),
                    address,
                })
            }
            ListenerKind::Unix { path, mode } => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))?;
                let address = BoundAddress::Unix(path.clone());
                Ok(Self {
                    socket: ListeningSocket::Unix(listener),
                    address,
                })
            }
        }
    }
}

/// Removes a socket that nobody listens on any more. Other files stay, and binding fails on them.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) | Err(_) => return Ok(()),
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What stops the thread.
#[derive(Debug)]
pub(crate) struct AcceptorHandle {
    bell: Bell,
    is_stopping: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl AcceptorHandle {
    /// Closes all listeners, removes the sockets of the file system and waits for the thread.
    pub(crate) fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        self.bell.ring();
        if self.thread.join().is_err() {
            tracing::error!("the thread that accepts connections panicked");
        }
    }
}

struct Acceptor {
    poll: Poll,
    sockets: Vec<ListeningSocket>,
    paths: Vec<PathBuf>,
    /// By listener: whether connections may wait that no event will tell of.
    is_pending: Vec<bool>,
    shards: Arc<[ShardHandle]>,
    shared: Arc<Shared>,
    next_shard: usize,
    reserve: Reserve,
    /// The first descriptor that is not for a connection. The system gives out the lowest that is free.
    descriptors_max: u64,
    /// Connections turned away since descriptors ran out; logged once per burst.
    turned_away: u64,
    is_stopping: Arc<AtomicBool>,
}

/// Starts to accept. `descriptors` is how many the process may have.
pub(crate) fn start(
    bound: Vec<Bound>,
    shards: Arc<[ShardHandle]>,
    shared: Arc<Shared>,
    descriptors: Option<u64>,
) -> io::Result<AcceptorHandle> {
    let poll = Poll::new()?;
    let bell = Bell::new(Waker::new(poll.registry(), WAKER)?);
    let is_stopping = Arc::new(AtomicBool::new(false));
    let mut sockets = Vec::new();
    let mut paths = Vec::new();
    for (index, mut bound) in bound.into_iter().enumerate() {
        poll.registry()
            .register(&mut bound.socket, Token(index), Interest::READABLE)?;
        sockets.push(bound.socket);
        if let BoundAddress::Unix(path) = bound.address {
            paths.push(path);
        }
    }
    let mut acceptor = Acceptor {
        poll,
        is_pending: vec![true; sockets.len()],
        sockets,
        paths,
        shards,
        shared,
        next_shard: 0,
        reserve: Reserve::new(),
        descriptors_max: descriptors.map_or(u64::MAX, for_connections),
        turned_away: 0,
        is_stopping: Arc::clone(&is_stopping),
    };
    let thread = std::thread::Builder::new()
        .name("accept".to_owned())
        .spawn(move || acceptor.run())?;
    Ok(AcceptorHandle {
        bell,
        is_stopping,
        thread,
    })
}

impl Acceptor {
    fn run(&mut self) {
        let mut events = Events::with_capacity(64);
        while !self.is_stopping.load(Ordering::Acquire) {
            let is_pending = self.is_pending.iter().any(|pending| *pending);
            let mut woken = vec![false; self.shards.len()];
            let mut is_exhausted = false;
            if is_pending {
                for index in 0..self.sockets.len() {
                    is_exhausted |= self.accept_burst(index, &mut woken);
                }
            }
            self.wake(&woken);
            let timeout = if is_exhausted {
                Some(EXHAUSTED_PAUSE)
            } else if self.is_pending.iter().any(|pending| *pending) {
                Some(Duration::ZERO)
            } else if self.turned_away > 0 {
                Some(BURST_QUIET)
            } else {
                None
            };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "cannot wait for connections");
                std::thread::sleep(EXHAUSTED_PAUSE);
            }
            if events.is_empty() && self.turned_away > 0 && !is_exhausted {
                self.end_burst();
            }
            for event in &events {
                if let Some(pending) = self.is_pending.get_mut(event.token().0) {
                    *pending = true;
                }
            }
        }
        self.sockets.clear();
        for path in &self.paths {
            // Whoever removed it before us did what we want.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Accepts what waits at one listener, up to a bound. Whether descriptors ran out for good.
    fn accept_burst(&mut self, index: usize, woken: &mut [bool]) -> bool {
        for _ in 0..BURST {
            let Some(listening) = self.sockets.get(index) else {
                return false;
            };
            match listening.accept() {
                Ok((socket, address)) => {
                    self.reserve.refill();
                    if socket.descriptor() >= self.descriptors_max {
                        self.count_turned_away(&"the others are kept for files");
                        self.tell(address, NO_DESCRIPTOR, woken);
                        continue;
                    }
                    self.deal(index, socket, address, woken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_pending[index] = false;
                    return false;
                }
                Err(error) if is_exhausted(&error) => {
                    if !self.turn_away(index, &error, woken) {
                        return true;
                    }
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; trying again soon");
                    return true;
                }
            }
        }
        false
    }

    /// Accepts and hangs up, by means of the reserve. Whether that worked.
    fn turn_away(&mut self, index: usize, error: &io::Error, woken: &mut [bool]) -> bool {
        self.count_turned_away(error);
        if !self.reserve.release() {
            self.reserve.refill();
            return false;
        }
        let Some(listening) = self.sockets.get(index) else {
            return false;
        };
        let accepted = listening.accept();
        let is_done = accepted.is_ok();
        if let Ok((_, address)) = &accepted {
            self.tell(*address, NO_DESCRIPTOR, woken);
        }
        if matches!(&accepted, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.is_pending[index] = false;
        }
        drop(accepted);
        self.reserve.refill();
        is_done
    }

    fn count_turned_away(&mut self, why: &dyn std::fmt::Display) {
        if self.turned_away == 0 {
            tracing::error!(
                error = %why,
                "no file descriptor left: new connections are turned away until others end; \
                 raise the limit of open files (LimitNOFILE= in the service, or ulimit -n)"
            );
        }
        self.turned_away += 1;
        self.shared.count_refused(Outcome::ConnectQuota);
    }

    fn end_burst(&mut self) {
        let count = self.turned_away;
        tracing::warn!(
            count,
            "connections turned away for want of file descriptors"
        );
        self.turned_away = 0;
    }

    fn deal(
        &mut self,
        index: usize,
        socket: Socket,
        address: Option<SocketAddr>,
        woken: &mut [bool],
    ) {
        let listener = ListenerId(index as u16);
        let shared = self.shared.listener(listener);
        if !shared.admit() {
            let peer = Peer {
                addr: address,
                listener,
                certificate: None,
            };
            self.shared
                .refused(Outcome::ConnectQuota, None, &peer, LISTENER_FULL);
            // Before the socket closes: who asks because of that finds it.
            self.tell(address, LISTENER_FULL, woken);
            return;
        }
        socket.set_nodelay();
        let shard = self.next_shard;
        self.next_shard = (shard + 1) % self.shards.len();
        let handle = &self.shards[shard];
        if handle.send_quietly(Errand::Accepted {
            socket,
            listener,
            address,
        }) {
            woken[shard] = true;
        } else {
            shared.leave();
        }
    }

    /// Leaves word of a connection that is not taken for the record. Always with the same shard, which
    /// so counts those of one address together.
    fn tell(&self, address: Option<SocketAddr>, detail: &'static str, woken: &mut [bool]) {
        if !self.shared.begin_telling() {
            return;
        }
        let (Some(handle), Some(woken)) = (self.shards.first(), woken.first_mut()) else {
            return self.shared.end_telling();
        };
        let errand = Errand::Refused {
            address,
            outcome: Outcome::ConnectQuota,
            detail,
        };
        if handle.send_quietly(errand) {
            *woken = true;
        } else {
            self.shared.end_telling();
        }
    }

    fn wake(&self, woken: &[bool]) {
        for (handle, woken) in self.shards.iter().zip(woken) {
            if *woken {
                handle.wake();
            }
        }
    }
}

/// Whether an error says only that the peer of one connection is gone already, or unreachable
/// (accept(2) passes on errors of the new socket).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::PermissionDenied
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::TimedOut
    )
}

/// Why a connection is not taken; each is a sentence of `columba_diagnosis::noted`.
const LISTENER_FULL: &str = "the listener has as many connections as its connections_max allows";
const NO_DESCRIPTOR: &str = "the broker has no file descriptor left for it";
/// Connections that the kernel accepts ahead of the broker; it may allow fewer (somaxconn).
const BACKLOG: i32 = 4096;
const WAKER: Token = Token(usize::MAX);
/// Connections accepted at one listener before the others get their turn.
const BURST: usize = 64;
/// Pause after descriptors ran out and even the reserve is gone.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// A burst of turned away connections ends after this long without one.
const BURST_QUIET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use columba_diagnosis::noted::noted;
    use columba_speech::{Language, Text};

    use super::*;

    columba_speech::catalogue! { ALL; it(what) { en: "{what}", zh: "{what}" } }

    #[test]
    fn why_a_connection_is_not_taken_is_said_in_chinese_too() {
        assert_eq!(ALL.len(), 1);
        for english in [LISTENER_FULL, NO_DESCRIPTOR] {
            let text: Text = it(noted(english));
            assert_eq!(text.to_string(Language::English), english);
            assert_ne!(text.to_string(Language::Chinese), english);
        }
    }
}
