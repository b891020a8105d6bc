//! From an address to a stream of bytes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{Address, ConnectError, Route, tls, websocket};

/// A stream of bytes to the server, whatever it is made of.
pub(super) type Transport = Box<dyn Stream>;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn open(
    address: &Address,
    route: &Route,
    patience: Duration,
    packet_bytes_max: u32,
) -> Result<Transport, ConnectError> {
    match timeout(
        patience,
        open_without_limit(address, route, packet_bytes_max),
    )
    .await
    {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout {
            address: address.to_string(),
        }),
    }
}

async fn open_without_limit(
    address: &Address,
    route: &Route,
    packet_bytes_max: u32,
) -> Result<Transport, ConnectError> {
    let error = |source| ConnectError::Transport {
        address: address.to_string(),
        source,
    };
    let (host, port, tls_options, websocket_path) = match address {
        Address::Network {
            host,
            port,
            tls,
            websocket_path,
        } => (
            host.as_str(),
            *port,
            tls.as_ref(),
            websocket_path.as_deref(),
        ),
        Address::Unix(path) => return unix(path).await.map_err(error),
    };
    let handshake = tls_options.map(|options| tls::Handshake::prepare(host, options));
    let handshake = handshake.transpose()?;
    let tcp = route.connect(host, port, &address.to_string()).await?;
    tcp.set_nodelay(true).map_err(error)?;
    let stream: Transport = match handshake {
        Some(handshake) => handshake.perform(tcp, address).await?,
        None => Box::new(tcp),
    };
    match websocket_path {
        Some(path) => {
            let is_tls = tls_options.is_some();
            websocket::open(stream, address, path, is_tls, packet_bytes_max).await
        }
        None => Ok(stream),
    }
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> io::Result<Transport> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    Ok(Box::new(stream))
}

#[cfg(not(unix))]
async fn unix(_path: &std::path::Path) -> io::Result<Transport> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no Unix sockets",
    ))
}

/// What to do about a transport that does not open.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "; no server listens there, check host and port",
        io::ErrorKind::NotFound => "; check the path of the socket",
        io::ErrorKind::PermissionDenied => "; this user may not open it",
        io::ErrorKind::TimedOut => "; check host, port and firewall",
        _ if is_lookup(error) => "; check how the host is spelled, and the DNS of this machine",
        _ => "",
    }
}

/// Whether a name has no address: the standard library has no kind for it.
fn is_lookup(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address")
}
