//! By which way a server is reached over the network.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_socks::tcp::Socks5Stream;

use super::ConnectError;

/// By which way a server is reached over the network. The usual one, unless something is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Name or IP address of this machine to connect from.
    pub local_address: Option<String>,
    /// Proxy to connect through.
    pub proxy: Option<Proxy>,
}

/// A SOCKS5 proxy (RFC 1928). It looks up the server's name.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name and password (RFC 1929), which travel unencrypted.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Proxy({self})")
    }
}

/// Without the credentials.
impl std::fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl Route {
    /// Opens a TCP connection; `address` is how errors name the server.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        address: &str,
    ) -> Result<TcpStream, ConnectError> {
        let Some(proxy) = &self.proxy else {
            let tcp = self.dial(host, port).await;
            return tcp.map_err(|source| ConnectError::Transport {
                address: address.to_owned(),
                source,
            });
        };
        let failed = |message: String| ConnectError::Proxy {
            address: address.to_owned(),
            proxy: proxy.to_string(),
            message,
        };
        let tcp = self.dial(&proxy.host, proxy.port).await;
        let tcp = tcp.map_err(|error| failed(error.to_string()))?;
        let target = (host, port);
        let stream = match &proxy.credentials {
            Some((user_name, password)) => {
                Socks5Stream::connect_with_password_and_socket(tcp, target, user_name, password)
                    .await
            }
            None => Socks5Stream::connect_with_socket(tcp, target).await,
        };
        let stream = stream.map_err(|error| failed(error.to_string()))?;
        Ok(stream.into_inner())
    }

    /// Tries the addresses of a name one after the other.
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let Some(local) = &self.local_address else {
            return TcpStream::connect((host, port)).await;
        };
        let locals: Vec<_> = lookup_host((local.as_str(), 0)).await?.collect();
        let mut last_error = None;
        for remote in lookup_host((host, port)).await? {
            let is_of_a_kind = |local: &&SocketAddr| local.is_ipv4() == remote.is_ipv4();
            let Some(local) = locals.iter().find(is_of_a_kind) else {
                continue;
            };
            match dial_from(*local, remote).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| {
            let message =
                format!("{local} and {host} have no addresses of the same kind, IPv4 or IPv6");
            io::Error::new(io::ErrorKind::AddrNotAvailable, message)
        }))
    }
}

async fn dial_from(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = match remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(local).map_err(|error| {
        let message = format!("cannot connect from {}: {error}", local.ip());
        io::Error::new(error.kind(), message)
    })?;
    socket.connect(remote).await
}
