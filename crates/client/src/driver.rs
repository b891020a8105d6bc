//! Drives a [`Session`] over a real transport with tokio.
//!
//! [`Client::connect`] opens the transport, waits for CONNACK and leaves a task behind that owns
//! the connection. [`Client`] is the way in, [`Events`] the way out; both queues are bounded. Warnings
//! that nobody takes are dropped and counted. When nobody takes messages, the task stops reading from the
//! server, and with it acknowledgements stop; it goes on while the server owes an answer, for which
//! messages at QoS 0, and no others, are dropped once too many bytes wait.

mod authentication;
mod budget;
mod key_file;
mod lasting;
mod requester;
mod route;
mod session_file;
mod stream;
mod task;
mod tls;
mod transport;
mod warning;
mod websocket;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use columba_codec::{EncodeError, ReasonCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::message::{Incoming, Message};
use crate::options::SessionOptions;
use crate::outcome::{Accepted, Answer, CloseCause, Failure, FilterAnswer};
use crate::session::{Receipt, Session, Subscription, acknowledgement_of};
pub use authentication::{Authentication, Exchange};
use budget::Queued;
pub use columba_certificates::Fault as CertificateFault;
pub use lasting::{LastingEvent, LastingEvents, Reconnect};
pub use requester::{RequestError, Requester, RequesterOptions};
pub use route::{Proxy, Route};
pub use session_file::{SessionFile, SessionFileError};
pub use stream::Messages;
pub use tls::{TlsFault, TlsFile, certificate_fault, tls_config};
pub use warning::Warning;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a connection, and nearly all are over the network"
)]
pub enum Address {
    /// Over the network.
    Network {
        /// Name or IP address.
        host: String,
        /// TCP port.
        port: u16,
        /// TLS, if wanted.
        tls: Option<TlsOptions>,
        /// WebSocket and the path to ask for, if wanted.
        websocket_path: Option<String>,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file with the certificates to trust; without this and `ca_directory` those of the
    /// operating system.
    pub ca_file: Option<PathBuf>,
    /// Directory of PEM files with certificates to trust, all of which are read.
    pub ca_directory: Option<PathBuf>,
    /// PEM files with the client's certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether the server's certificate may name another host. It must still be signed by a
    /// trusted authority.
    pub accept_any_host_name: bool,
    /// Whether the common name of the server's certificate may name the host, if the certificate has no
    /// subjectAltName that does and its authority is in `ca_file` or `ca_directory`.
    ///
    /// Many certificates made by hand are like this. It is not safe with an authority that gives out
    /// certificates to clients under names that they choose: one that is called as the server is could
    /// be taken for it. A certificate that is in `ca_file` itself needs no leave.
    pub accept_common_name: bool,
    /// Application protocols to offer (ALPN, RFC 7301), the best first.
    pub application_protocols: Vec<String>,
    /// Whether TLS 1.2 is not good enough.
    pub only_tls_1_3: bool,
    /// Cipher suites of TLS 1.2 that may be used; empty for all that there are. Those of TLS 1.3 are
    /// always.
    pub cipher_suites: Vec<rustls::CipherSuite>,
    /// File that the secrets of every connection are appended to, in the format that Wireshark
    /// reads. Whoever has it reads what was said.
    pub key_log: Option<PathBuf>,
}

/// Everything [`Client::connect`] needs.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Where to.
    pub address: Address,
    /// By which way, if over the network.
    pub route: Route,
    /// As whom, and how.
    pub session: SessionOptions,
    /// Clean Start.
    pub clean_start: bool,
    /// How long name lookup, TCP, TLS and WebSocket may take together.
    pub transport_timeout: Duration,
    /// Enhanced authentication (MQTT 5), if wanted. It takes the place of the method and data in
    /// [`crate::ConnectProperties`], also for a session that is resumed.
    pub authentication: Option<std::sync::Arc<dyn Authentication>>,
    /// Most events that wait to be taken; at least 1. Messages count as one each, whatever their
    /// size; `queued_bytes_max` bounds that.
    pub events_max: usize,
    /// Memory that messages may take which wait to be taken: half of it in the events, half in all
    /// streams together. While the streams' half is used up, nothing more is read from the server, unless
    /// that owes an answer: then messages at QoS 0 are dropped ([`Warning::MessagesMissed`]) until the
    /// answer is found. While the events' half is used up, they are full. A message larger than all of it
    /// comes, too, but then it is the last before some are taken; to refuse those, lower
    /// [`crate::ConnectProperties::packet_bytes_max`].
    pub queued_bytes_max: usize,
    /// Most requests that wait for the task; at least 1.
    pub requests_max: usize,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No transport to the server.
    #[error("cannot connect to {address}: {source}{}", transport::advice(.source))]
    Transport {
        /// Where to.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy did not let the connection through.
    #[error("cannot connect to {address} through the proxy {proxy}: {message}")]
    Proxy {
        /// Where to.
        address: String,
        /// The proxy.
        proxy: String,
        /// What it said.
        message: String,
    },
    /// A file or name that TLS needs is not usable.
    #[error("{0}")]
    TlsSetup(TlsFault),
    /// The TLS handshake failed.
    #[error("no TLS connection to {address}: {}{}", tls::said(.source), tls::advice(.source))]
    Tls {
        /// Where to.
        address: String,
        /// What TLS said.
        source: io::Error,
    },
    /// The WebSocket handshake failed.
    #[error("no WebSocket connection to {address}: {message}")]
    WebSocket {
        /// Where to.
        address: String,
        /// What the handshake said.
        message: String,
    },
    /// The transport was not there in time.
    #[error("cannot connect to {address}: no answer in time; check host, port and firewall")]
    Timeout {
        /// Where to.
        address: String,
    },
    /// The MQTT part of connecting failed.
    #[error("{0}")]
    Mqtt(CloseCause),
}

/// What happens without having been asked for.
#[derive(Debug)]
pub enum Event {
    /// A message of a subscription.
    Message(Box<Incoming>),
    /// The server refused, or the connection lost, a request whose answer nobody waits for any
    /// more.
    Unanswered(Warning),
    /// The connection is over. Always the last event.
    Ended(Box<Ended>),
}

/// The end of a connection.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub cause: CloseCause,
    /// What the transport said, if it failed.
    pub transport_error: Option<io::Error>,
    /// The session, to go on with in [`Client::resume`]. One that was in a file goes on from the
    /// file; this is its last state, in memory.
    pub session: Session,
}

/// A handle to a connection. Clones share it. The connection ends when all handles, the [`Events`] and
/// the streams are gone.
///
/// It does not wait for answers then: messages at QoS 1 and 2 without one are dropped, if the session is not in
/// a file. [`Self::disconnect`] waits for them.
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    /// Past the requests that wait.
    urgent: mpsc::Sender<Request>,
    accepted: std::sync::Arc<Accepted>,
}

/// The events of a connection, in order. What dropping them means is said at [`LastingEvents`].
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Queued<LastingEvent>>,
}

/// The answer to a request that is under way.
#[derive(Debug)]
pub struct Pending<T> {
    receiver: oneshot::Receiver<Result<T, Failure>>,
}

/// [`ConnectOptions::queued_bytes_max`] unless set: messages of half a megabyte in every place of the events, and
/// some hundred thousand small ones in streams with room for them. What is large for a small device is
/// then its to say.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

type Reply<T> = oneshot::Sender<Result<T, Failure>>;

#[derive(Debug)]
enum Request {
    Publish(Message, Reply<Answer>),
    Subscribe(Subscription, Option<stream::Way>, Reply<FilterAnswer>),
    Unsubscribe(Vec<String>, Vec<(String, String)>, Reply<FilterAnswer>),
    Acknowledge(Receipt, ReasonCode),
    Reauthenticate(Reply<()>),
    Abandon,
    Disconnect {
        reason: ReasonCode,
        until: Instant,
        reply: oneshot::Sender<usize>,
    },
}

impl Address {
    /// Over TCP; the usual port is 1883.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Network {
            host: host.into(),
            port,
            tls: None,
            websocket_path: None,
        }
    }

    /// Over TLS, trusting whom the operating system trusts; the usual port is 8883.
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Self::Network {
            host: host.into(),
            port,
            tls: Some(TlsOptions::default()),
            websocket_path: None,
        }
    }
}

impl ConnectOptions {
    /// Options with small queues and ten seconds for the transport.
    pub fn new(address: Address, session: SessionOptions) -> Self {
        Self {
            address,
            route: Route::default(),
            session,
            clean_start: true,
            transport_timeout: Duration::from_secs(10),
            authentication: None,
            events_max: 64,
            queued_bytes_max: QUEUED_BYTES_MAX,
            requests_max: 64,
        }
    }
}

impl Client {
    /// Connects with a new session.
    ///
    /// # Errors
    /// [`ConnectError`], whose text is a sentence for people.
    pub async fn connect(options: ConnectOptions) -> Result<(Self, Events), ConnectError> {
        let session = Session::new(options.session.clone());
        Self::resume(options, session).await
    }

    /// Connects with a session that an earlier connection left in [`Ended`]. The session's own
    /// options stay in force; those in `options` are not looked at. Who wants to try again when it
    /// fails, keeps a clone of the session.
    ///
    /// # Errors
    /// [`ConnectError`], whose text is a sentence for people.
    pub async fn resume(
        options: ConnectOptions,
        session: Session,
    ) -> Result<(Self, Events), ConnectError> {
        let (client, receiver) = Self::open(options, session, None, None).await?;
        Ok((client, Events { receiver }))
    }

    /// What the server said when it accepted the connection.
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Publishes and waits: at QoS 0 for the packet to be queued for the socket, else for the
    /// server's answer, which may be a refusal: [`Answer::into_result`] makes an error of it.
    ///
    /// Not cancel safe: what was dropped before it was done may have published the message or publish it
    /// still, so that another try may make it two.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn publish(&self, message: Message) -> Result<Answer, Failure> {
        self.start_publish(message).await?.await
    }

    /// Publishes and waits only for room in the queue; the answer comes later.
    ///
    /// Cancel safe: what was dropped before it was done has published nothing. Dropping the [`Pending`] takes
    /// nothing back; a refusal is then an event.
    ///
    /// # Errors
    /// [`Failure::NotConnected`].
    pub async fn start_publish(&self, message: Message) -> Result<Pending<Answer>, Failure> {
        self.request(|reply| Request::Publish(message, reply)).await
    }

    /// Subscribes and waits for the server's answer: a code per filter, some may be refusals
    /// ([`FilterAnswer::into_result`]).
    ///
    /// Not cancel safe: what was dropped before it was done may have subscribed or subscribe still.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn subscribe(&self, subscription: Subscription) -> Result<FilterAnswer, Failure> {
        self.request(|reply| Request::Subscribe(subscription, None, reply))
            .await?
            .await
    }

    /// Unsubscribes and waits for the server's answer.
    ///
    /// Not cancel safe: what was dropped before it was done may have unsubscribed or unsubscribe still.
    /// Asking once more does no harm.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn unsubscribe(&self, filters: Vec<String>) -> Result<FilterAnswer, Failure> {
        self.unsubscribe_with(filters, Vec::new()).await
    }

    /// [`Self::unsubscribe`] with User Properties (MQTT 5).
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn unsubscribe_with(
        &self,
        filters: Vec<String>,
        user_properties: Vec<(String, String)>,
    ) -> Result<FilterAnswer, Failure> {
        self.request(|reply| Request::Unsubscribe(filters, user_properties, reply))
            .await?
            .await
    }

    /// Acknowledges a message, if [`SessionOptions::acknowledges_by_hand`]; else it does nothing.
    /// With a code that is an error it refuses the message (MQTT 5).
    ///
    /// Acknowledgements go out in the order in which the messages came, so acknowledge every one.
    ///
    /// These codes exist for it: Success, No matching subscribers, Unspecified error, Implementation
    /// specific error, Not authorized, Topic Name invalid, Packet Identifier in use, Quota exceeded and
    /// Payload format invalid.
    ///
    /// Cancel safe: what was dropped before it was done has acknowledged nothing.
    ///
    /// # Errors
    /// [`Failure::NotConnected`] if the connection is over for good; [`Failure::Encode`] for a code that an
    /// acknowledgement cannot carry: the message then still waits for its acknowledgement.
    pub async fn acknowledge(
        &self,
        incoming: &Incoming,
        reason: ReasonCode,
    ) -> Result<(), Failure> {
        let Some(receipt) = incoming.receipt else {
            return Ok(());
        };
        let packet = acknowledgement_of(incoming.message.qos);
        if !reason.is_allowed_in(packet) {
            return Err(Failure::Encode(EncodeError::ReasonCode { packet, reason }));
        }
        // Past requests that wait for room: this one needs none, and may make some.
        let sent = self.urgent.send(Request::Acknowledge(receipt, reason));
        sent.await.map_err(|_| Failure::NotConnected)
    }

    /// Leaves: waits until all earlier requests are answered, but no longer than `patience`, sends
    /// DISCONNECT and waits until it is written. Returns how many messages at QoS 1 and 2 were
    /// left without an answer.
    ///
    /// MQTT 5 has these codes for clients that leave: Success; Disconnect with Will Message; and
    /// Unspecified error, Malformed Packet, Protocol Error, Implementation specific error, Topic Name
    /// invalid, Receive Maximum exceeded, Topic Alias invalid, Packet too large, Message rate too high,
    /// Quota exceeded, Administrative action and Payload format invalid, with all of which the server
    /// publishes the Will. In the place of another one Unspecified error goes out, or Success if it is no error.
    ///
    /// Not cancel safe: what was dropped before it was done may leave all the same, after no more than
    /// `patience`.
    pub async fn disconnect(&self, reason: ReasonCode, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        let leave = |reply| Request::Disconnect {
            reason,
            until,
            reply,
        };
        let (reply, answer) = oneshot::channel();
        let mut orderly = pin!(async {
            self.requests.send(leave(reply)).await.ok()?;
            answer.await.ok()
        });
        if let Ok(unfinished) = timeout_at(until, &mut orderly).await {
            return unfinished.unwrap_or_default();
        }
        // Requests that wait for a connection or for room stand before this one: past them. If the
        // task has begun to leave meanwhile, the first question is the one that it answers.
        let (reply, answer) = oneshot::channel();
        if self.urgent.send(leave(reply)).await.is_err() {
            return orderly.await.unwrap_or_default();
        }
        tokio::select! {
            Some(unfinished) = &mut orderly => unfinished,
            Ok(unfinished) = answer => unfinished,
            else => 0,
        }
    }

    /// Ends the connection without a DISCONNECT, as if the network had failed: the server publishes
    /// the Will. Ends in [`Event::Ended`] with [`CloseCause::Lost`].
    ///
    /// Goes past requests that wait to be looked at; await their answers first if they matter. A
    /// lasting connection does not come back from it.
    pub async fn abandon(&self) {
        // A connection that is over needs no end.
        let _ = self.urgent.send(Request::Abandon).await;
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<Pending<T>, Failure> {
        let (reply, receiver) = oneshot::channel();
        let sent = self.requests.send(request(reply)).await;
        sent.map_err(|_| Failure::NotConnected)?;
        Ok(Pending { receiver })
    }
}

impl Events {
    /// The next event; `None` after [`Event::Ended`]. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            return Some(match self.receiver.recv().await?.into_item() {
                LastingEvent::Message(incoming) => Event::Message(incoming),
                LastingEvent::Warning(warning) => Event::Unanswered(warning),
                LastingEvent::Ended(ended) => Event::Ended(ended),
                // Only a connection that comes back has these.
                LastingEvent::Connected(_) | LastingEvent::Disconnected { .. } => continue,
            });
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.receiver).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(Failure::ConnectionLost)))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
