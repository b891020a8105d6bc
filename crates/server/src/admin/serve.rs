//! The sockets of the door: who may connect, how many, and for how long.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::AdminError;
use super::app::App;
use super::caller::Origin;
use super::problem::Problem;
use super::resources;
use crate::config::Admin;
use crate::transport::TlsListener;

/// How long a peer may take for the handshake of TLS, for the head of a request, and for the next
/// request.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of the head of a request, and of what is read ahead.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Bound sockets that nobody serves yet.
pub(super) struct Doors {
    tcp: Option<std::net::TcpListener>,
    tls: Option<Arc<TlsListener>>,
    unix: Option<(std::os::unix::net::UnixListener, PathBuf)>,
    connections_max: usize,
}

impl Doors {
    pub(super) fn open(config: &Admin) -> Result<Self, AdminError> {
        let tls = config.tls.clone().map(TlsListener::load).transpose();
        let tls = tls.map_err(Box::new)?.map(Arc::new);
        let tcp = match std::net::TcpListener::bind(config.bind) {
            Ok(listener) => Some(listener),
            Err(cause) if config.is_bind_set || cause.kind() != io::ErrorKind::AddrInUse => {
                let address = config.bind;
                return Err(AdminError::Bind { address, cause });
            }
            Err(_) => {
                tracing::warn!(
                    "another program listens on {}: the management API is at the socket {} alone \
                     (write another port as `bind` under [admin])",
                    config.bind,
                    config.socket.display()
                );
                None
            }
        };
        let unix = bind_unix(&config.socket).map_err(|cause| AdminError::Socket {
            path: config.socket.clone(),
            cause,
        });
        let unix = match unix {
            Ok(listener) => Some((listener, config.socket.clone())),
            // Paths of sockets are short, and directories may be deep: there is the port.
            Err(error) if tcp.is_some() => {
                tracing::warn!("{error}");
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(listener) = &tcp {
            listener.set_nonblocking(true)?;
        }
        Ok(Self {
            tcp,
            tls,
            unix,
            connections_max: config.connections_max,
        })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// The keys, if it speaks TLS.
    pub(super) fn tls(&self) -> Option<Arc<TlsListener>> {
        self.tls.clone()
    }

    pub(super) fn url(&self) -> Option<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{}", self.address()?))
    }

    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.unix.as_ref().map(|(_, path)| path.clone())
    }

    /// Serves all of them until it is dropped.
    pub(super) async fn serve(self, app: App) {
        let router = resources::router(app);
        let room = || Arc::new(Semaphore::new(self.connections_max));
        let tcp = self.tcp.and_then(|tcp| TcpListener::from_std(tcp).ok());
        let unix = self.unix.map(|(unix, _)| UnixListener::from_std(unix));
        let unix = unix.and_then(Result::ok);
        tokio::join!(
            serve_tcp(tcp, self.tls, room(), router.clone()),
            serve_unix(unix, room(), router),
        );
    }
}

/// Binds a Unix socket that its owner alone can connect to; one that is left over is replaced.
fn bind_unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    // Who connects before this is turned away for its user id.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve_tcp(
    listener: Option<TcpListener>,
    tls: Option<Arc<TlsListener>>,
    room: Arc<Semaphore>,
    router: Router,
) {
    let Some(listener) = listener else { return };
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let (stream, addr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            // What is told without TLS is no answer to somebody who speaks it.
            if tls.is_none()
                && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
            {
                tokio::spawn(turn_away(stream, permit));
            }
            continue;
        };
        drop(stream.set_nodelay(true));
        // Who does not read an answer does not keep a place for ever.
        let patience_ms = PATIENCE.as_millis() as u32;
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, patience_ms);
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            let origin = Origin::Ip(addr);
            match tls {
                None => serve_one(stream, origin, router, permit).await,
                Some(tls) => {
                    let acceptor = TlsAcceptor::from(current_keys(&tls));
                    let shaken = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        serve_one(stream, origin, router, permit).await;
                    }
                }
            }
        });
    }
}

/// The keys as the files have them, unless they cannot be used.
fn current_keys(tls: &TlsListener) -> Arc<rustls::ServerConfig> {
    if tls.has_changed() {
        match tls.reload() {
            Ok(()) => tracing::info!("[admin]: certificate loaded"),
            Err(error) => tracing::error!(
                %error, "[admin]: the new certificate cannot be used; the one in use stays"
            ),
        }
    }
    tls.current()
}

async fn serve_unix(listener: Option<UnixListener>, room: Arc<Semaphore>, router: Router) {
    let Some(listener) = listener else { return };
    let own = rustix::process::geteuid().as_raw();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let uid = match stream.peer_cred() {
            Ok(peer) if peer.uid() == own || peer.uid() == 0 => peer.uid(),
            Ok(peer) => {
                let uid = peer.uid();
                tracing::warn!(uid, "somebody else may not use the socket for operators");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot tell who uses the socket for operators");
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let router = router.clone();
        tokio::spawn(serve_one(stream, Origin::Socket { uid }, router, permit));
    }
}

/// Too many open files, say: the others are served meanwhile.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "[admin]: cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Tells that there are too many, and waits for the peer to close: it would not see the answer if the
/// connection were closed with its request unread.
async fn turn_away(mut stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let told = async {
        let what = "too many connections are open, by connections_max under [admin]: try again";
        let problem = Problem::busy(what).after_secs(1);
        stream.write_all(&problem.into_last_words()).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    drop(tokio::time::timeout(Duration::from_secs(1), told).await);
}

/// Connections that are told so at a time; others are just closed.
const REFUSALS_MAX: usize = 16;

async fn serve_one(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    origin: Origin,
    router: Router,
    _permit: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(router.layer(Extension(origin)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "[admin]: a connection has failed");
    }
}
