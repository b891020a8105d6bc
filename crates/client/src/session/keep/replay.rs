//! A session made of records.

use std::collections::{BTreeMap, BTreeSet};

use columba_codec::{PacketId, ReasonCode, Version};

use super::record::{
    ARRIVED, DONE, HEAD, INCOMING_CLEARED, INCOMING_ENDED, RECEIVED, RELEASED, Reader, SENT, TAKEN,
    UNSENT, message,
};
use super::{Keep, RELEASED_BYTES};
use crate::message::Message;
use crate::session::inbound::Arrivals;
use crate::session::window::{Published, Released};
use crate::session::{Session, Token};

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

/// What the records say so far.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) head: Option<(String, Version)>,
    taken: u64,
    next_token: Token,
    arrivals: Arrivals,
    messages: BTreeMap<Token, (Message, usize, Option<PacketId>)>,
    released: Vec<(Token, PacketId)>,
    received: BTreeSet<PacketId>,
}

impl Replay {
    pub(super) fn run(&mut self, records: &[u8]) -> Result<(), RecordError> {
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
                    self.taken = self.taken.saturating_add(1);
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
                self.arrivals.restore(packet_id, number);
            }
            RECEIVED => {
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.arrivals.remove(packet_id);
                self.received.insert(packet_id);
            }
            INCOMING_ENDED => {
                let packet_id = reader.packet_id().ok_or(CUT)?;
                self.arrivals.remove(packet_id);
                self.received.remove(&packet_id);
            }
            INCOMING_CLEARED => {
                self.arrivals.clear();
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
            arrivals: Arrivals::from(next_arrival),
            ..Self::default()
        };
        Some(Ok(()))
    }

    pub(super) fn fill(self, session: &mut Session) {
        let mut keep = Keep {
            taken: self.taken,
            next_token: self.next_token,
            ..Keep::default()
        };
        let mut live = |token, bytes| {
            keep.live.insert(token, bytes);
            keep.live_bytes += bytes;
        };
        for (token, packet_id) in self.released {
            live(token, RELEASED_BYTES);
            session.packet_ids.take_this(packet_id);
            session.window.restore_released(Released {
                packet_id,
                token,
                reason: ReasonCode::Success,
            });
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
        session.arrivals = self.arrivals;
        session.keep = Some(keep);
    }
}
