//! A client for MQTT 3.1, 3.1.1 and 5.0 that tells you what became of every message.
//!
//! ```sh
//! cargo add --git https://github.com/columba-mqtt/columba columba-client --features tokio
//! cargo add tokio --features macros,rt-multi-thread
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use columba_client::driver::{Address, Client, ConnectOptions, Reconnect};
//! use columba_client::{Message, QoS, SessionOptions, Subscription};
//!
//! let session = SessionOptions { client_id: "kitchen".into(), ..SessionOptions::default() };
//! let options = ConnectOptions::new(Address::tls("broker.example.org", 8883), session);
//! // Wrong addresses and passwords show here; afterwards it comes back by itself.
//! let (client, events) = Client::connect_lasting(options, Reconnect::default()).await?;
//! drop(events); // or take them: losses, refusals and warnings, each with a sentence
//!
//! let lamps = Subscription::to("lamp/+/state", QoS::AtLeastOnce);
//! let (granted, mut states) = client.subscribe_stream(lamps, 100).await?;
//! granted.into_result()?; // a refusal is an answer, and so an error
//!
//! let message = Message::new("lamp/1/set", "on").with_qos(QoS::ExactlyOnce);
//! let answer = client.publish(message).await?; // waits for PUBCOMP
//! answer.into_result()?;
//!
//! while let Some(state) = states.next().await {
//!     println!("{}: {:?}", state.message.topic, state.message.payload);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - **No silence.** A refused connection, message or filter, a DISCONNECT, a takeover, a packet that is
//!   too large for the server: each comes back with reason code, reason string and a sentence that
//!   says what to do ([`advice`]). A refusal that nobody waits for is an event.
//! - **Exactly once across reconnects.** QoS 2 is tested with 64 messages in flight through a network
//!   that cuts every few packets: each message arrives once and in order.
//! - **Nothing grows without bound.** Queues, backlog, in-flight window, aliases and remembered
//!   subscriptions have limits in [`SessionOptions`] and `ConnectOptions`, that of queues also in bytes;
//!   a full queue waits.
//! - **The server may forget; the client does not.** Subscriptions are asked for again, and unanswered
//!   messages at QoS 1 published again, when the session is gone.
//! - **MQTT 5 whole**: typed properties, topic aliases by itself, flow control, requests with a time
//!   limit (`Client::requester`), enhanced authentication, acknowledgement by hand.
//! - **Light.** Publishing and receiving many messages takes less processor time than with the clients
//!   that it was measured beside (`cargo xtask bench client`).
//! - **TCP, TLS (rustls), WebSocket, Unix sockets, SOCKS5.** No OpenSSL.
//!
//! There is no event loop to poll: connecting leaves a tokio task behind that runs the connection, and takes
//! messages as fast as they are taken from it.
//!
//! # Where to look
//!
//! | To | look at |
//! |---|---|
//! | connect once, or for good | `driver::Client::connect`, `connect_lasting` |
//! | log in, leave a Will, speak MQTT 3.1.1 | [`SessionOptions::user_name`], [`will`](SessionOptions::will), [`version`](SessionOptions::version) |
//! | trust an authority of one's own, show a certificate | `driver::TlsOptions` |
//! | publish and wait for the answer, or go on meanwhile | `Client::publish`, `start_publish` |
//! | receive | `Client::subscribe_stream`, `driver::Events` |
//! | ask another client | `Client::requester`, [`Incoming::answer`] |
//! | acknowledge once it is safe | [`SessionOptions::acknowledges_by_hand`], `Client::acknowledge` |
//! | leave in order | `Client::disconnect`, which says how many messages had no answer |
//! | keep a session between connections | `clean_start: false`, [`ConnectProperties::session_expiry_secs`] |
//! | go on after the program was killed, exactly once | `driver::SessionFile`, `Client::connect_kept` |
//!
//! The folder `examples` has whole programs: `publish`, `subscribe`, `request`, `retained`, `batch`,
//! `presence` (a Will), `worker` (acknowledging by hand), `kept` (a session in a file), `resume` (one by
//! hand), `tls` and `websocket`.
//!
//! # Two layers
//!
//! [`Session`] is the protocol as a state machine without IO or clock: whoever has a transport and a
//! sense of time can drive it, a simulator as well as a socket. With the feature `tokio`, `driver`
//! drives it.
//!
//! `tokio` is the only feature, and none is on by default. Needs Rust 1.95.
#![forbid(unsafe_code)]

/// Holds the program in the README to what compiles.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod advice;
pub mod backoff;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod journal;
pub mod message;
pub mod options;
pub mod outcome;
pub mod session;

/// The packets, which some signatures here name parts of. What is used most stands here as well.
pub use columba_codec;
pub use columba_codec::packet::{RetainHandling, SubscribeOptions};
pub use columba_codec::{PacketId, QoS, ReasonCode, TopicFault, Version};
/// TLS, whose names [`driver::TlsOptions`] and [`driver::tls_config`] use.
#[cfg(feature = "tokio")]
pub use rustls;

pub use backoff::{Backoff, EndedConnections, Story};
pub use message::{Incoming, Message, MessageProperties, Will};
pub use options::{ConnectProperties, DisconnectProperties, SessionOptions};
pub use outcome::{
    Accepted, Answer, CloseCause, Failure, FilterAnswer, OtherProtocol, Refusal, Violation,
};
pub use session::{
    Input, Output, PacketWatcher, Receipt, RecordError, Session, Subscription, Token,
};
