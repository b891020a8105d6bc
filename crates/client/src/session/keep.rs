//! What of a session has to outlive the process, as records, and a session made of them again.
//!
//! A session that keeps says every change of its session state in records ([`Session::take_records`]).
//! Whoever drives it makes them durable *before* it carries out what the session said in the same
//! turn: then no packet is on the wire, and no answer with the application, that the records do
//! not know of. A record is a byte for its kind, and numbers in big endian; a message is written as
//! a PUBLISH of MQTT 5.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::packet::{Packet, Publish};
use columba_codec::{Decoded, PacketId, PropertiesBuf, QoS, Version, decode};

use super::window::{Published, Released};
use super::{Session, Token};
use crate::message::{Incoming, Message};
use crate::options::SessionOptions;
use crate::outcome::Failure;

const HEAD: u8 = 1;
const TAKEN: u8 = 2;
const SENT: u8 = 3;
const UNSENT: u8 = 4;
const RELEASED: u8 = 5;
const DONE: u8 = 6;
const ARRIVED: u8 = 7;
const RECEIVED: u8 = 8;
const INCOMING_ENDED: u8 = 9;
const INCOMING_CLEARED: u8 = 10;

/// Bytes that an exchange counts for after PUBREC, when its message is no longer kept.
const RELEASED_BYTES: usize = 16;

/// Why records make no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Bytes that this version did not write.
    #[error("record {number} is {what}")]
    Malformed {
        /// Records are counted from 0.
        number: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The records begin with no word of whose they are.
    #[error("it does not say whose session it is")]
    NoHead,
    /// They are another client's.
    #[error("it is the session of the client '{0}', not of '{1}'")]
    OtherClient(String, String),
    /// They were made with another version of MQTT.
    #[error("its session speaks MQTT {0}, and the options ask for MQTT {1}")]
    OtherVersion(Version, Version),
}

/// The part of a session that turns changes into records.
#[derive(Clone, Debug, Default)]
pub(super) struct Keep {
    records: Vec<u8>,
    /// Messages that have had no outcome, with the bytes they count for.
    live: BTreeMap<Token, usize>,
    live_bytes: usize,
    taken: u64,
    next_token: Token,
    /// Messages at QoS 2 that were handed over and wait for the application's word, with their
    /// numbers. No more than the client's Receive Maximum.
    arrived: BTreeMap<PacketId, u64>,
    next_arrival: u64,
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
        for number in [keep.taken, keep.next_token, keep.next_arrival] {
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
        for (packet_id, number) in &keep.arrived {
            put_numbered(ARRIVED, *number, Some(*packet_id), out);
        }
        // By hand, an id is also there while the message waits for the application's word.
        let waits = |packet_id: &PacketId| keep.arrived.contains_key(packet_id);
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
        keep.taken += 1;
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
    pub(super) fn keep_arrived(&mut self, packet_id: PacketId, dup: bool) -> Option<u64> {
        let keep = self.keep.as_mut()?;
        if dup && let Some(number) = keep.arrived.get(&packet_id) {
            return Some(*number);
        }
        let number = keep.next_arrival;
        keep.next_arrival += 1;
        keep.arrived.insert(packet_id, number);
        put_numbered(ARRIVED, number, Some(packet_id), &mut keep.records);
        Some(number)
    }

    /// PUBREC goes out for a message at QoS 2: it is not handed over again.
    pub(super) fn keep_received(&mut self, packet_id: PacketId) {
        if let Some(keep) = &mut self.keep {
            keep.arrived.remove(&packet_id);
            put_id(RECEIVED, packet_id, &mut keep.records);
        }
    }

    /// PUBREL, or a refusal: the packet id is free for another message.
    pub(super) fn keep_incoming_ended(&mut self, packet_id: PacketId) {
        if let Some(keep) = &mut self.keep {
            keep.arrived.remove(&packet_id);
            put_id(INCOMING_ENDED, packet_id, &mut keep.records);
        }
    }

    pub(super) fn keep_incoming_cleared(&mut self) {
        if let Some(keep) = &mut self.keep {
            keep.arrived.clear();
            keep.records.push(INCOMING_CLEARED);
        }
    }
}

fn put_id(kind: u8, packet_id: PacketId, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&packet_id.get().to_be_bytes());
}

fn put_numbered(kind: u8, number: u64, packet_id: Option<PacketId>, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
    if let Some(packet_id) = packet_id {
        out.extend_from_slice(&packet_id.get().to_be_bytes());
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A message that has been written before.
fn put_message(token: Token, message: &Message, out: &mut Vec<u8>) {
    let put = try_put_message(token, message, out);
    assert!(put.is_ok(), "a message that was taken has an encoding");
}

fn try_put_message(token: Token, message: &Message, out: &mut Vec<u8>) -> Result<usize, Failure> {
    let mut properties = PropertiesBuf::new();
    message.properties.put(&mut properties)?;
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: &message.topic,
        packet_id: Some(PacketId::MIN),
        properties: properties.as_properties(),
        payload: &message.payload,
    });
    let mut packet = Vec::new();
    publish.encode(Version::V5, &mut packet)?;
    put_numbered(TAKEN, token, None, out);
    put_bytes(&packet, out);
    Ok(packet.len())
}

/// What the records say so far.
#[derive(Default)]
struct Replay {
    head: Option<(String, Version)>,
    taken: u64,
    next_token: Token,
    next_arrival: u64,
    messages: BTreeMap<Token, (Message, usize, Option<PacketId>)>,
    released: Vec<(Token, PacketId)>,
    arrived: BTreeMap<PacketId, u64>,
    received: BTreeSet<PacketId>,
}

impl Replay {
    fn run(&mut self, records: &[u8]) -> Result<(), RecordError> {
        let mut reader = Reader(records);
        let mut number = 0;
        while let Some(kind) = reader.u8() {
            let malformed = |what| RecordError::Malformed { number, what };
            self.record(kind, &mut reader).map_err(malformed)?;
            number += 1;
        }
        Ok(())
    }

    fn record(&mut self, kind: u8, reader: &mut Reader<'_>) -> Result<(), &'static str> {
        const CUT: &str = "cut off";
        match kind {
            HEAD => self.on_head(reader).ok_or(CUT)??,
            TAKEN => {
                let token = reader.u64().ok_or(CUT)?;
                let bytes = reader.bytes().ok_or(CUT)?;
                let message = message(bytes).ok_or("no message")?;
                self.messages.insert(token, (message, bytes.len(), None));
                // A snapshot has counted its messages in its head.
                if token >= self.next_token {
                    self.taken += 1;
                    self.next_token = token.saturating_add(1);
                }
            }
            SENT => {
                let token = reader.u64().ok_or(CUT)?;
                let packet_id = reader.packet_id().ok_or(CUT)?;
                let entry = self.messages.get_mut(&token).ok_or("of no known message")?;
                entry.2 = Some(packet_id);
            }
            UNSENT => {
                let token = reader.u64().ok_or(CUT)?;
                self.messages
                    .get_mut(&token)
                    .ok_or("of no known message")?
                    .2 = None;
            }
            RELEASED => {
                let token = reader.u64().ok_or(CUT)?;
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.messages.remove(&token);
                // A second PUBREC does not change the order of the PUBRELs.
                if !self.released.iter().any(|(other, _)| *other == token) {
                    self.released.push((token, packet_id));
                }
            }
            DONE => {
                let token = reader.u64().ok_or(CUT)?;
                self.messages.remove(&token);
                self.released.retain(|(other, _)| *other != token);
            }
            ARRIVED => {
                let number = reader.u64().ok_or(CUT)?;
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.arrived.insert(packet_id, number);
                self.next_arrival = self.next_arrival.max(number.saturating_add(1));
            }
            RECEIVED => {
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.arrived.remove(&packet_id);
                self.received.insert(packet_id);
            }
            INCOMING_ENDED => {
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.arrived.remove(&packet_id);
                self.received.remove(&packet_id);
            }
            INCOMING_CLEARED => {
                self.arrived.clear();
                self.received.clear();
            }
            _ => return Err("of a kind that this version does not know"),
        }
        Ok(())
    }

    /// Everything before it no longer counts.
    fn on_head(&mut self, reader: &mut Reader<'_>) -> Option<Result<(), &'static str>> {
        let level = reader.u8()?;
        let (taken, next_token, next_arrival) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let client_id = String::from_utf8(reader.bytes()?.to_vec());
        let version = Version::ALL
            .into_iter()
            .find(|version| version.level() == level);
        let (Ok(client_id), Some(version)) = (client_id, version) else {
            return Some(Err("no head"));
        };
        *self = Self {
            head: Some((client_id, version)),
            taken,
            next_token,
            next_arrival,
            ..Self::default()
        };
        Some(Ok(()))
    }

    fn fill(self, session: &mut Session) {
        let mut keep = Keep {
            taken: self.taken,
            next_token: self.next_token,
            next_arrival: self.next_arrival,
            arrived: self.arrived,
            ..Keep::default()
        };
        let mut live = |token, bytes| {
            keep.live.insert(token, bytes);
            keep.live_bytes += bytes;
        };
        for (token, packet_id) in self.released {
            live(token, RELEASED_BYTES);
            session.packet_ids.take_this(packet_id);
            session
                .window
                .restore_released(Released { packet_id, token });
        }
        for (token, (message, bytes, packet_id)) in self.messages {
            live(token, bytes);
            let Some(packet_id) = packet_id else {
                session.backlog.push_back((token, message));
                continue;
            };
            session.packet_ids.take_this(packet_id);
            session.window.push(Published {
                packet_id,
                token,
                message,
            });
        }
        for packet_id in self.received {
            session.received_ids.restore(packet_id);
        }
        session.keep = Some(keep);
    }
}

fn message(bytes: &[u8]) -> Option<Message> {
    match decode(bytes, Version::V5, u32::MAX) {
        Ok(Decoded::Packet(Packet::Publish(publish), len))
            if len == bytes.len() && publish.qos != QoS::AtMostOnce =>
        {
            let topic = publish.topic.to_owned();
            Some(Incoming::from_codec(&publish, topic, None).message)
        }
        _ => None,
    }
}

/// Takes records apart; `None` where they end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn packet_id(&mut self) -> Option<PacketId> {
        self.array().map(u16::from_be_bytes).and_then(PacketId::new)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
}
