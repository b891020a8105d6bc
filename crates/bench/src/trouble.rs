//! Why a run could not go on, in sentences for the person who started it.

use std::io;
use std::net::SocketAddr;

use columba_codec::{DecodeError, ReasonCode};

use crate::plan::PlanFault;

/// What ended a run, or a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The plan asks for something that does not go together.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// The host has no address.
    #[error("cannot find the address of {host}: {source}")]
    Lookup {
        /// The host as given.
        host: String,
        /// The system's word.
        source: io::Error,
    },
    /// No connection was made.
    #[error("cannot connect to {address}: {}", reason_of(.source))]
    Connect {
        /// The broker.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The broker said no to CONNECT.
    #[error("{address} refused the client {client_id}: {reason}")]
    Refused {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// What CONNACK says.
        reason: ReasonCode,
    },
    /// The broker closed a connection that should have stayed open.
    #[error("{address} closed the connection of the client {client_id}{}", because(.source.as_ref()))]
    Closed {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// The system's word, if it was not an orderly end.
        source: Option<io::Error>,
    },
    /// The broker sent DISCONNECT.
    #[error("{address} disconnected the client {client_id}: {reason}")]
    Disconnected {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// What DISCONNECT says.
        reason: ReasonCode,
    },
    /// The broker refused a subscription.
    #[error("{address} refused the client {client_id} a subscription (code 0x{code:02x})")]
    Subscription {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// The code in SUBACK.
        code: u8,
    },
    /// The broker cannot do what the plan asks for.
    #[error("{address} {what}")]
    Incapable {
        /// The broker.
        address: SocketAddr,
        /// What it lacks, as the end of a sentence.
        what: String,
    },
    /// What came was no MQTT.
    #[error("{address} sent the client {client_id} something that is no MQTT: {source}")]
    Malformed {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// What came was MQTT, and out of place.
    #[error("{address} sent the client {client_id} {what}")]
    OutOfPlace {
        /// The broker.
        address: SocketAddr,
        /// The client.
        client_id: String,
        /// What it sent.
        what: String,
    },
    /// The broker stopped answering.
    #[error("{address} was silent for {secs:.1} s while {waited_for}")]
    Silent {
        /// The broker.
        address: SocketAddr,
        /// How long nothing came.
        secs: f64,
        /// What was missing.
        waited_for: String,
    },
    /// The machine of the generator is at fault.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: String,
        /// The system's word.
        source: io::Error,
    },
    /// Somebody asked for the end before anything was measured.
    #[error("stopped before there was anything to report")]
    Stopped,
}

impl Trouble {
    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Some("is a broker running there? Name it with -h HOST -p PORT".to_owned())
            }
            Self::Refused { reason, .. } => match reason {
                ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized => {
                    Some("log in with -u USER -P PASSWORD".to_owned())
                }
                ReasonCode::UnsupportedProtocolVersion => {
                    Some("choose another version with --mqtt-version".to_owned())
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn system(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

/// The system's word without its number.
fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "it timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn because(error: Option<&io::Error>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}
