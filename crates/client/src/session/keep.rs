//! What of a session has to outlive the process, as records, and a session made of them again.
//!
//! A session that keeps says every change of its session state in records ([`Session::take_records`]).
//! Whoever drives it makes them durable *before* it carries out what the session said in the same
//! turn: then no packet is on the wire, and no answer with the application, that the records do
//! not know of.

mod record;
mod replay;

use std::collections::BTreeMap;

use columba_codec::PacketId;

use super::{Session, Token};
use crate::message::Message;
use crate::options::SessionOptions;
use crate::outcome::Failure;
use record::{
    ARRIVED, DONE, HEAD, INCOMING_CLEARED, INCOMING_ENDED, RECEIVED, RELEASED, SENT, UNSENT,
    put_bytes, put_id, put_message, put_numbered, try_put_message,
};
pub use replay::RecordError;
use replay::Replay;

/// Bytes that an exchange counts for after PUBREC, when its message is no longer kept.
const RELEASED_BYTES: usize = 16;

/// The part of a session that turns changes into records.
#[derive(Clone, Debug, Default)]
pub(super) struct Keep {
    records: Vec<u8>,
    /// Messages that have had no outcome, with the bytes they count for.
    live: BTreeMap<Token, usize>,
    live_bytes: usize,
    taken: u64,
    next_token: Token,
}

impl Session {
    /// A session without a past that says its changes in records.
    ///
    /// Tokens of messages must rise, from [`Self::next_token`] on.
    pub fn kept(options: SessionOptions) -> Self {
        let mut session = Self::new(options);
        session.keep = Some(Keep::default());
        session
    }

    /// The session that earlier records make, in the order in which they were taken.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn restore(options: SessionOptions, records: &[u8]) -> Result<Self, RecordError> {
        let mut replay = Replay::default();
        replay.run(records)?;
        let (client_id, version) = replay.head.take().ok_or(RecordError::NoHead)?;
        if client_id != options.client_id {
            return Err(RecordError::OtherClient(client_id, options.client_id));
        }
        if version != options.version {
            return Err(RecordError::OtherVersion(version, options.version));
        }
        let mut session = Self::new(options);
        replay.fill(&mut session);
        Ok(session)
    }

    /// Moves the records of what changed since the last call to the end of `out`. They are to be
    /// durable, all of them or none, before any byte or output of the same turn leaves.
    pub fn take_records(&mut self, out: &mut Vec<u8>) {
        if let Some(keep) = &mut self.keep {
            out.append(&mut keep.records);
        }
    }

    /// Appends records that make this session as it is, whatever records there were before.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        let Some(keep) = &self.keep else { return };
        out.push(HEAD);
        out.push(self.options.version.level());
        for number in [keep.taken, keep.next_token, self.arrivals.next()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        put_bytes(self.options.client_id.as_bytes(), out);
        for released in self.window.released() {
            put_numbered(RELEASED, released.token, Some(released.packet_id), out);
        }
        for published in self.window.published() {
            put_message(published.token, &published.message, out);
            put_numbered(SENT, published.token, Some(published.packet_id), out);
        }
        for (token, message) in &self.backlog {
            put_message(*token, message, out);
        }
        for (packet_id, number) in self.arrivals.iter() {
            put_numbered(ARRIVED, number, Some(packet_id), out);
        }
        // By hand, an id is also there while the message waits for the application's word.
        let waits = |packet_id: &PacketId| self.arrivals.contains(*packet_id);
        for packet_id in self.received_ids.iter().filter(|id| !waits(id)) {
            put_id(RECEIVED, packet_id, out);
        }
    }

    /// Says no more records: from here on the session ends with the process.
    #[cfg(feature = "tokio")]
    pub(crate) fn end_keeping(&mut self) {
        self.keep = None;
    }

    /// Ends a message that waits to be sent, as the server's answer does.
    #[cfg(all(test, feature = "tokio"))]
    pub(crate) fn forget_message(&mut self, token: Token) {
        self.backlog.retain(|(other, _)| *other != token);
        self.keep_done(token);
    }

    /// Whether it says its changes in records.
    pub fn is_kept(&self) -> bool {
        self.keep.is_some()
    }

    /// How many messages at QoS 1 and 2 a kept session has ever taken, those of earlier processes
    /// included. An application that publishes from a list goes on with the entry after these.
    pub fn taken_messages(&self) -> u64 {
        self.keep.as_ref().map_or(0, |keep| keep.taken)
    }

    /// The least token that a message of a kept session may have next.
    pub fn next_token(&self) -> Token {
        self.keep.as_ref().map_or(0, |keep| keep.next_token)
    }

    /// Messages at QoS 1 and 2 without an outcome, in the order in which they were taken, except
    /// those whose last step alone is missing (PUBCOMP): these come first and without the message.
    pub fn unfinished(&self) -> impl Iterator<Item = (Token, Option<&Message>)> {
        let released = self.window.released().map(|entry| (entry.token, None));
        let published = self.window.published();
        let published = published.map(|entry| (entry.token, Some(&entry.message)));
        let backlog = self.backlog.iter();
        let backlog = backlog.map(|(token, message)| (*token, Some(message)));
        released.chain(published).chain(backlog)
    }

    /// A message at QoS 1 or 2 is this session's from here on.
    pub(super) fn keep_taken(&mut self, token: Token, message: &Message) -> Result<(), Failure> {
        let Some(keep) = &mut self.keep else {
            return Ok(());
        };
        assert!(
            token >= keep.next_token,
            "the tokens of a kept session rise"
        );
        let start = keep.records.len();
        let bytes = try_put_message(token, message, &mut keep.records)?;
        if keep.live_bytes.saturating_add(bytes) > self.options.kept_bytes_max {
            keep.records.truncate(start);
            return Err(Failure::KeptFull(self.options.kept_bytes_max));
        }
        keep.live.insert(token, bytes);
        keep.live_bytes += bytes;
        keep.taken = keep.taken.saturating_add(1);
        keep.next_token = token.saturating_add(1);
        Ok(())
    }

    pub(super) fn keep_sent(&mut self, token: Token, packet_id: PacketId) {
        if let Some(keep) = &mut self.keep {
            put_numbered(SENT, token, Some(packet_id), &mut keep.records);
        }
    }

    /// The server has forgotten it, and it is sent as a new message.
    pub(super) fn keep_unsent(&mut self, token: Token) {
        if let Some(keep) = &mut self.keep {
            put_numbered(UNSENT, token, None, &mut keep.records);
        }
    }

    pub(super) fn keep_released(&mut self, token: Token, packet_id: PacketId) {
        if let Some(keep) = &mut self.keep {
            put_numbered(RELEASED, token, Some(packet_id), &mut keep.records);
            if let Some(bytes) = keep.live.insert(token, RELEASED_BYTES) {
                keep.live_bytes = keep.live_bytes - bytes + RELEASED_BYTES;
            }
        }
    }

    /// A message has its outcome; other tokens are no concern of the records.
    pub(super) fn keep_done(&mut self, token: Token) {
        if let Some(keep) = &mut self.keep
            && let Some(bytes) = keep.live.remove(&token)
        {
            keep.live_bytes -= bytes;
            put_numbered(DONE, token, None, &mut keep.records);
        }
    }

    /// A message at QoS 2 is handed over and waits for the application's word. Says its number,
    /// which is an earlier one if the server sends the message again.
    pub(super) fn keep_arrived(&mut self, packet_id: PacketId, dup: bool) -> u64 {
        let (number, is_new) = self.arrivals.insert(packet_id, dup);
        if is_new && let Some(keep) = &mut self.keep {
            put_numbered(ARRIVED, number, Some(packet_id), &mut keep.records);
        }
        number
    }

    /// PUBREC goes out for a message at QoS 2: it is not handed over again.
    pub(super) fn keep_received(&mut self, packet_id: PacketId) {
        self.arrivals.remove(packet_id);
        if let Some(keep) = &mut self.keep {
            put_id(RECEIVED, packet_id, &mut keep.records);
        }
    }

    /// PUBREL, or a refusal: the packet id is free for another message.
    pub(super) fn keep_incoming_ended(&mut self, packet_id: PacketId) {
        self.arrivals.remove(packet_id);
        if let Some(keep) = &mut self.keep {
            put_id(INCOMING_ENDED, packet_id, &mut keep.records);
        }
    }

    pub(super) fn keep_incoming_cleared(&mut self) {
        self.arrivals.clear();
        if let Some(keep) = &mut self.keep {
            keep.records.push(INCOMING_CLEARED);
        }
    }
}
