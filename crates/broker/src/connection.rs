//! A network connection as the core sees it.

use std::sync::Arc;

use columba_codec::{Version, fixed_header};

use crate::event::Peer;
use crate::id::ConnectionId;
use crate::limits::Promise;
use crate::output::Output;
use crate::session::alias::Aliases;

/// Where a connection is in its life.
///
/// ```text
/// AwaitConnect --CONNECT--> Authenticating --verdict--> Open --> Closing
///       |                          |                               ^
///       +--- refused, timeout -----+-------------------------------+
/// ```
/// A client without credentials goes from `AwaitConnect` to `Open` at once. One that has left a
/// lasting session behind is in `Authenticating`, with its input held, until the disk knows; one that
/// waits to take over is there too. In `Closing` nothing is read any more; output is still sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    AwaitConnect,
    Authenticating,
    Open,
    Closing,
}

/// Acknowledgements of a connection that go out in order when the store is as far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    /// The batch that the last of them waits for.
    pub(crate) ticket: u64,
    /// How many wait for other shards, before they wait for a batch.
    pub(crate) asked: u32,
    /// How many wait longer than for a batch.
    pub(crate) ending: u32,
    /// How many wait for a batch, or longer.
    pub(crate) waiting: u32,
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The verdict on its credentials, its turn to take over, or the end of its session before: the
    /// client id, and whether the server made it up.
    Login(Arc<str>, bool),
    /// The store.
    Answers(Answers),
}

/// What a connection needs besides its session's state. An idle one owns no buffer.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Tells it from those that had its place before.
    pub(crate) generation: u32,
    pub(crate) peer: Peer,
    pub(crate) state: State,
    pub(crate) version: Version,
    /// What acknowledgements to it promise: one thing as long as it lasts, so that none of them
    /// passes another.
    pub(crate) promise: Promise,
    /// The client wants reason strings (`MQTT-3.1.2-29`).
    pub(crate) wants_problem_information: bool,
    /// The peer is a bridge that says so.
    pub(crate) is_bridge: bool,
    /// [`Effect::Transmit`](crate::event::Effect::Transmit) was told and not answered.
    pub(crate) is_transmit_told: bool,
    /// Messages wait in the session because the output is full.
    pub(crate) is_output_full: bool,
    /// `partial` has whole packets, which wait for their turn.
    pub(crate) is_input_held: bool,
    /// The client's Receive Maximum, or ours if lower.
    pub(crate) receive_maximum: u16,
    /// Our Receive Maximum, as the client was told.
    pub(crate) receive_maximum_in: u16,
    /// Our Topic Alias Maximum, as the client was told.
    pub(crate) topic_alias_maximum_in: u16,
    /// Slot of the session, once open.
    pub(crate) session: u32,
    /// Largest packet that it may send, in bytes.
    pub(crate) packet_bytes_max_in: u32,
    /// Largest packet that it takes, in bytes.
    pub(crate) packet_bytes_max_out: u32,
    /// Keep alive in force, in seconds; 0 for none.
    pub(crate) keep_alive_secs: u16,
    /// When bytes came last; before it is open, when its time to become that began.
    pub(crate) last_received_ms: u64,
    /// Bytes that the driver has taken for the socket, from the first on.
    pub(crate) sent_bytes: u64,
    /// The start of a packet that is not whole, or all input that waits.
    pub(crate) partial: Vec<u8>,
    pub(crate) output: Option<Box<Output>>,
    pub(crate) aliases: Option<Box<Aliases>>,
    /// What is rarely there.
    pub(crate) waiting: Option<Box<Waiting>>,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, peer: Peer, packet_bytes_max_in: u32, now_ms: u64) -> Self {
        Self {
            generation: id.generation,
            peer,
            state: State::AwaitConnect,
            version: Version::V311,
            promise: Promise::Durable,
            wants_problem_information: false,
            is_bridge: false,
            is_transmit_told: false,
            is_output_full: false,
            is_input_held: false,
            receive_maximum: u16::MAX,
            receive_maximum_in: u16::MAX,
            topic_alias_maximum_in: 0,
            session: u32::MAX,
            packet_bytes_max_in,
            packet_bytes_max_out: u32::MAX,
            keep_alive_secs: 0,
            last_received_ms: now_ms,
            sent_bytes: 0,
            partial: Vec::new(),
            output: None,
            aliases: None,
            waiting: None,
        }
    }

    /// Silence that ends it, in milliseconds (`MQTT-3.1.2-22`); 0 for none.
    pub(crate) fn silence_max_ms(&self) -> u64 {
        u64::from(self.keep_alive_secs) * 1500
    }

    /// Bytes of its CONNECT, which `partial` begins with while authenticating.
    pub(crate) fn connect_len(&self) -> usize {
        // The same bytes were decoded before.
        match fixed_header(&self.partial, u32::MAX) {
            Ok(Some(header)) => header.total_len,
            Ok(None) | Err(_) => 0,
        }
    }

    /// Whether more than a CONNECT has come while authenticating.
    pub(crate) fn has_input_behind_connect(&self) -> bool {
        self.state == State::Authenticating && self.partial.len() > self.connect_len()
    }

    /// Takes out the client id that waits for a verdict.
    pub(crate) fn take_login(&mut self) -> Option<(Arc<str>, bool)> {
        match *self.waiting.take()? {
            Waiting::Login(client_id, is_assigned) => Some((client_id, is_assigned)),
            Waiting::Answers(_) => None,
        }
    }

    /// Acknowledgements that wait for the store.
    pub(crate) fn answers(&self) -> Answers {
        match self.waiting.as_deref() {
            Some(Waiting::Answers(answers)) => *answers,
            Some(Waiting::Login(..)) | None => Answers::default(),
        }
    }

    /// The same, to change them; `None` before the connection is open.
    pub(crate) fn answers_mut(&mut self) -> Option<&mut Answers> {
        let none = || Box::new(Waiting::Answers(Answers::default()));
        match &mut **self.waiting.get_or_insert_with(none) {
            Waiting::Answers(answers) => Some(answers),
            Waiting::Login(..) => None,
        }
    }

    /// Bytes that wait for its socket.
    pub(crate) fn output_len(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.len())
    }

    /// Where what is written next begins, counted from the connection's first byte.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.sent_bytes + self.output_len() as u64
    }
}
