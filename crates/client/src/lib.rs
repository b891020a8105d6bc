//! A client for MQTT 3.1, 3.1.1 and 5.0 with one API for the three.
//!
//! Two layers. [`Session`] is the protocol as a state machine without IO or clock: whoever has a
//! transport and a sense of time can drive it, a simulator as well as a socket. With the feature
//! `tokio`, [`driver`] drives it over TCP, TLS, WebSocket and Unix sockets.
//!
//! Nothing that the server says is swallowed: a refused connection, message or filter and a
//! DISCONNECT come back with their reason code, reason string and a sentence (see [`advice`]).
#![forbid(unsafe_code)]

pub mod advice;
pub mod backoff;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod message;
pub mod options;
pub mod outcome;
pub mod session;

pub use backoff::{Backoff, EndedConnections};
pub use message::{Incoming, Message, MessageProperties, Will};
pub use options::{ConnectProperties, SessionOptions};
pub use outcome::{Accepted, Answer, CloseCause, Failure, FilterAnswer, Violation};
pub use session::{Input, Output, Receipt, Session, Subscription, Token};
