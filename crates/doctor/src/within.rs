//! What a port speaks within another protocol: WebSockets within HTTP, and everything within TLS.

use std::net::SocketAddr;
use std::time::Duration;

use columba_codec::Version;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::port::{self, Answer, Speaks};
use crate::target::Target;
use crate::tls::{self, Identity};

/// Where brokers serve WebSockets, the most usual first.
const WEBSOCKET_PATHS: [&str; 3] = ["/mqtt", "/ws", "/"];

/// How questions get to a port.
pub(crate) struct Way<'a> {
    pub(crate) target: &'a Target,
    pub(crate) address: SocketAddr,
    /// As whom to speak within TLS.
    pub(crate) identity: Option<Identity>,
    pub(crate) patience: Duration,
}

/// What a question travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tcp,
    Tls,
}

/// Asks within TLS; `None` if it cannot be told whether there is any.
pub(crate) async fn look(way: &Way<'_>) -> Option<Speaks> {
    let mut answer = Answer::default();
    for version in [Version::V311, Version::V5] {
        match way.open_tls().await {
            Ok(stream) => {
                answer = port::ask(stream, &port::mqtt_connect(version), way.patience).await;
            }
            Err(error) if error.is_tls() => return Some(Speaks::Tls(None)),
            Err(_) => return None,
        }
        if !matches!(port::classify(&answer), Speaks::Closed | Speaks::Resets) {
            break;
        }
    }
    let inside = told(way, &answer).await;
    Some(Speaks::Tls(
        inside.is_understood().then(|| Box::new(inside)),
    ))
}

/// What is within TLS, by the answer to a first question and, where that leaves it open, to more: a web server
/// may answer a CONNECT with a page or wait for the end of its line, and Columba says in a CONNACK on a port for
/// WebSockets that it has no service.
pub(crate) async fn told(way: &Way<'_>, answer: &Answer) -> Speaks {
    let first = port::classify(answer);
    match first {
        Speaks::Http { .. } => way.websocket(Carrier::Tls, Some(first)).await,
        Speaks::Mqtt if !port::says_unavailable(answer) => first,
        Speaks::Mqtt | Speaks::Unknown | Speaks::Silent | Speaks::Closed | Speaks::Resets => {
            match way.websocket(Carrier::Tls, None).await {
                found @ Speaks::WebSocket { .. } => found,
                page @ Speaks::Http { .. } if first != Speaks::Mqtt => page,
                _ => first,
            }
        }
        // It was asked for at the path of the target.
        Speaks::WebSocket {
            has_subprotocol, ..
        } => Speaks::WebSocket {
            path: way.target.websocket_path.clone().unwrap_or_default(),
            has_subprotocol,
        },
        Speaks::Tls(_) | Speaks::Named(_) | Speaks::Banner(_) => first,
    }
}

impl Way<'_> {
    /// Asks for a WebSocket, at the target's path first; `page` is what an earlier question brought.
    pub(crate) async fn websocket(&self, carrier: Carrier, page: Option<Speaks>) -> Speaks {
        let wanted = self.target.websocket_path.as_deref();
        let others = WEBSOCKET_PATHS
            .into_iter()
            .filter(|path| Some(*path) != wanted);
        let mut page = page;
        for path in wanted.into_iter().chain(others) {
            let question = port::upgrade(self.target, path);
            match self.ask(carrier, &question).await {
                Speaks::WebSocket {
                    has_subprotocol, ..
                } => {
                    let path = path.to_owned();
                    return Speaks::WebSocket {
                        path,
                        has_subprotocol,
                    };
                }
                Speaks::Http { status, server } => page = Some(named(page, status, server)),
                other => return page.unwrap_or(other),
            }
        }
        page.unwrap_or(Speaks::Silent)
    }

    async fn ask(&self, carrier: Carrier, question: &[u8]) -> Speaks {
        match carrier {
            Carrier::Tcp => match timeout(self.patience, TcpStream::connect(self.address)).await {
                Ok(Ok(stream)) => port::classify(&port::ask(stream, question, self.patience).await),
                Ok(Err(error)) => port::of_end(&Err(error)),
                Err(_) => Speaks::Silent,
            },
            Carrier::Tls => match self.open_tls().await {
                Ok(stream) => port::classify(&port::ask(stream, question, self.patience).await),
                Err(_) => Speaks::Closed,
            },
        }
    }

    async fn open_tls(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, tls::TlsError> {
        let (host, identity) = (&self.target.host, self.identity.clone());
        let opened = tls::open(self.address, host, identity, &[], self.patience).await;
        opened.map(|(_, stream)| stream)
    }
}

/// The first page, with the name of the server from the first page that has one.
fn named(first: Option<Speaks>, status: u16, server: Option<String>) -> Speaks {
    match first {
        Some(Speaks::Http {
            status,
            server: known,
        }) => Speaks::Http {
            status,
            server: known.or(server),
        },
        _ => Speaks::Http { status, server },
    }
}
