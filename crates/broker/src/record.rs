//! What a shard writes into the store: one record for each fact, in bytes of its own.
//!
//! A record starts with its kind. Numbers are written in groups of seven bits, lowest first; texts
//! and bytes have their length in front. Times are milliseconds since 1970. A record refers to a
//! session by a number that is never given out again, and to a message by the position of its
//! record. `docs/store-records.md` describes every kind.

mod describe;

use columba_codec::{PacketId, QoS};

use crate::message::{Message, MessageParts, NEVER_MS};

pub use describe::{Description, Field, describe};

/// A session, as records name it. Never given out again while anything may refer to it.
pub(crate) type SessionNumber = u64;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// What hashes are seeded with, so that clients find the same home again.
    Seed(u64),
    /// A session, without its subscriptions and messages.
    Session(SessionRecord<'a>),
    /// A subscription.
    Subscription(SubscriptionRecord<'a>),
    /// A message and the sessions that it is for.
    Message(MessageRecord<'a>, Vec<Recipient>),
    /// The same, written anew behind messages that came later.
    Moved {
        /// The position that says before which messages it came: of the record that it had first.
        place: u64,
        /// The message.
        message: MessageRecord<'a>,
        /// The sessions that it is for.
        recipients: Vec<Recipient>,
    },
    /// A message is about to be sent to a session with a packet id. Written for QoS 2.
    Sent(Exchange),
    /// The session's client has the message, and its PUBREL is about to be sent. Takes the place
    /// of `Sent`.
    Released(Exchange),
    /// Recipients of a message, by their place in its record, that have no more to do with it.
    Settled {
        /// Where the message is.
        message: u64,
        /// Their places.
        recipients: Vec<u32>,
    },
    /// A QoS 2 message came from a session's client and was not released yet.
    Received {
        /// The publisher's session.
        session: SessionNumber,
        /// Its packet id.
        packet_id: PacketId,
    },
    /// A topic's retained message. The one with the highest version counts.
    Retained {
        /// Counts up with every message that any shard retains.
        version: u64,
        /// The message.
        message: MessageRecord<'a>,
    },
    /// A topic has no retained message. Outranks what has a lower version.
    Cleared {
        /// Counts with those of retained messages.
        version: u64,
        /// The topic.
        topic: &'a str,
    },
    /// A session whose own record a damaged store has lost. What names it is kept until an operator
    /// says otherwise.
    Lost {
        /// The session.
        session: SessionNumber,
        /// When a start found that.
        found_at_unix_ms: u64,
    },
}

/// One step of a QoS 2 delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) session: SessionNumber,
    /// Where the message is.
    pub(crate) message: u64,
    pub(crate) packet_id: PacketId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord<'a> {
    pub(crate) number: SessionNumber,
    pub(crate) client_id: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) groups: Vec<&'a str>,
    pub(crate) addr: Option<std::net::IpAddr>,
    pub(crate) expiry_secs: u32,
    /// When it lost its connection; `None` while it is connected.
    pub(crate) disconnected_at_unix_ms: Option<u64>,
    pub(crate) will: Option<WillRecord<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WillRecord<'a> {
    pub(crate) message: MessageRecord<'a>,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) delay_secs: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionRecord<'a> {
    pub(crate) session: SessionNumber,
    pub(crate) filter: &'a str,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// Subscription Identifier; 0 for none.
    pub(crate) identifier: u32,
    /// The share name and the number of the membership, if it is shared.
    pub(crate) share: Option<(&'a str, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageRecord<'a> {
    pub(crate) topic: &'a str,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at_unix_ms: Option<u64>,
    pub(crate) publisher: u64,
}

/// A copy of a message for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    /// The session; 0 if the copy was settled before the record was written.
    pub(crate) session: SessionNumber,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The shared subscription it came by; 0 for none.
    pub(crate) membership: u32,
    /// Subscription Identifiers.
    pub(crate) identifiers: Vec<u32>,
    /// How far a QoS 2 delivery had come when the record was written.
    pub(crate) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not sent; also every copy of QoS 1, which is sent anew.
    Queued,
    /// About to be sent with this packet id.
    Sent(PacketId),
    /// PUBREL is about to be sent.
    Released(PacketId),
}

/// Converts times of the broker's clock, which starts anew with every process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What to add to a time of the broker to get one since 1970.
    offset_ms: i64,
}

impl Clock {
    pub(crate) const fn new(now: crate::now::Now) -> Self {
        Self {
            offset_ms: now.unix_ms as i64 - now.mono_ms as i64,
        }
    }

    pub(crate) const fn to_unix_ms(self, mono_ms: i64) -> u64 {
        let unix_ms = mono_ms.saturating_add(self.offset_ms);
        if unix_ms < 0 { 0 } else { unix_ms as u64 }
    }

    /// May be negative: before the process started.
    pub(crate) const fn to_mono_ms(self, unix_ms: u64) -> i64 {
        (unix_ms as i64).saturating_sub(self.offset_ms)
    }
}

impl<'a> MessageRecord<'a> {
    pub(crate) fn of(message: &'a Message, clock: Clock) -> Self {
        let expires = message.head().expires_at_ms != NEVER_MS;
        Self {
            topic: message.topic(),
            properties: message.properties(),
            payload: message.payload(),
            qos: message.head().qos,
            retain: message.head().retain,
            expires_at_unix_ms: expires
                .then(|| clock.to_unix_ms(message.head().expires_at_ms as i64)),
            publisher: message.head().publisher,
        }
    }

    pub(crate) fn to_message(self, clock: Clock) -> Message {
        let expires_at_ms = match self.expires_at_unix_ms {
            // What expired before the process started is expired at 0.
            Some(unix_ms) => u64::try_from(clock.to_mono_ms(unix_ms)).unwrap_or(0),
            None => NEVER_MS,
        };
        Message::new(MessageParts {
            topic: self.topic,
            properties: &[self.properties],
            payload: self.payload,
            qos: self.qos,
            retain: self.retain,
            expires_at_ms,
            publisher: self.publisher,
            number: 0,
        })
    }

    /// What [`Message::outline_like`] gives of the message.
    pub(crate) fn to_outline(self, clock: Clock, last: &mut Option<Message>) -> Message {
        let outline = Self {
            properties: &[],
            payload: &[],
            ..self
        };
        outline.to_message(clock).outline_like(last)
    }

    /// The message in a record of kind `message` or `moved`, if it is the one with this outline. The
    /// flight recorder follows it by this number.
    pub(crate) fn read_back(record: &'a [u8], outline: &Message, number: u64) -> Option<Message> {
        let mut from = Reader(record);
        match from.byte()? {
            MESSAGE => {}
            MOVED => _ = from.number()?,
            _ => return None,
        }
        let found = Self::read(&mut from)?;
        let head = outline.head();
        if found.topic != outline.topic() || found.publisher != head.publisher {
            return None;
        }
        Some(Message::new(MessageParts {
            topic: found.topic,
            properties: &[found.properties],
            payload: found.payload,
            qos: head.qos,
            retain: head.retain,
            expires_at_ms: head.expires_at_ms,
            publisher: head.publisher,
            number,
        }))
    }

    fn write(&self, out: &mut Vec<u8>) {
        let expires = u8::from(self.expires_at_unix_ms.is_some());
        out.push(self.qos.as_u8() | u8::from(self.retain) << 2 | expires << 3);
        if let Some(unix_ms) = self.expires_at_unix_ms {
            put_number(out, unix_ms);
        }
        out.extend_from_slice(&self.publisher.to_le_bytes());
        put_bytes(out, self.topic.as_bytes());
        put_bytes(out, self.properties);
        put_bytes(out, self.payload);
    }

    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let flags = from.byte()?;
        let expires_at_unix_ms = match flags >> 3 & 1 {
            1 => Some(from.number()?),
            _ => None,
        };
        Some(Self {
            qos: qos_of(flags & 3)?,
            retain: flags & 4 != 0,
            expires_at_unix_ms,
            publisher: from.fixed()?,
            topic: from.text()?,
            properties: from.bytes()?,
            payload: from.bytes()?,
        })
    }
}

const SEED: u8 = 1;
const SESSION: u8 = 2;
const SUBSCRIPTION: u8 = 3;
const MESSAGE: u8 = 4;
const SENT: u8 = 5;
const RELEASED: u8 = 6;
const SETTLED: u8 = 7;
const RECEIVED: u8 = 8;
const RETAINED: u8 = 9;
const MOVED: u8 = 10;
const CLEARED: u8 = 11;
const LOST: u8 = 12;

impl<'a> Record<'a> {
    /// Appends the bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Seed(seed) => {
                out.push(SEED);
                out.extend_from_slice(&seed.to_le_bytes());
            }
            Self::Session(session) => {
                out.push(SESSION);
                session.write(out);
            }
            Self::Subscription(subscription) => {
                out.push(SUBSCRIPTION);
                subscription.write(out);
            }
            Self::Message(message, recipients) => {
                write_message(out, message, recipients);
            }
            Self::Moved {
                place,
                message,
                recipients,
            } => {
                out.push(MOVED);
                put_number(out, *place);
                put_message(out, message, recipients);
            }
            Self::Sent(exchange) => exchange.write(SENT, out),
            Self::Released(exchange) => exchange.write(RELEASED, out),
            Self::Settled {
                message,
                recipients,
            } => {
                out.push(SETTLED);
                put_number(out, *message);
                put_number(out, recipients.len() as u64);
                for recipient in recipients {
                    put_number(out, u64::from(*recipient));
                }
            }
            Self::Received { session, packet_id } => {
                out.push(RECEIVED);
                put_number(out, *session);
                put_number(out, u64::from(packet_id.get()));
            }
            Self::Retained { version, message } => {
                out.push(RETAINED);
                put_number(out, *version);
                message.write(out);
            }
            Self::Cleared { version, topic } => {
                out.push(CLEARED);
                put_number(out, *version);
                put_bytes(out, topic.as_bytes());
            }
            Self::Lost {
                session,
                found_at_unix_ms,
            } => {
                out.push(LOST);
                put_number(out, *session);
                put_number(out, *found_at_unix_ms);
            }
        }
    }

    /// Reads what [`Self::write`] wrote; `None` for anything else.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let record = match from.byte()? {
            SEED => Self::Seed(from.fixed()?),
            SESSION => Self::Session(SessionRecord::read(&mut from)?),
            SUBSCRIPTION => Self::Subscription(SubscriptionRecord::read(&mut from)?),
            MESSAGE => Self::Message(MessageRecord::read(&mut from)?, from.recipients()?),
            MOVED => Self::Moved {
                place: from.number()?,
                message: MessageRecord::read(&mut from)?,
                recipients: from.recipients()?,
            },
            SENT => Self::Sent(Exchange::read(&mut from)?),
            RELEASED => Self::Released(Exchange::read(&mut from)?),
            SETTLED => {
                let message = from.number()?;
                let count = from.number()?;
                let mut recipients = Vec::new();
                for _ in 0..count {
                    recipients.push(from.small()?);
                }
                Self::Settled {
                    message,
                    recipients,
                }
            }
            RECEIVED => Self::Received {
                session: from.number()?,
                packet_id: from.packet_id()?,
            },
            RETAINED => Self::Retained {
                version: from.number()?,
                message: MessageRecord::read(&mut from)?,
            },
            CLEARED => Self::Cleared {
                version: from.number()?,
                topic: from.text()?,
            },
            LOST => Self::Lost {
                session: from.number()?,
                found_at_unix_ms: from.number()?,
            },
            _ => return None,
        };
        from.0.is_empty().then_some(record)
    }
}

/// Appends a [`Record::Message`].
pub(crate) fn write_message(
    out: &mut Vec<u8>,
    message: &MessageRecord<'_>,
    recipients: &[Recipient],
) {
    out.push(MESSAGE);
    put_message(out, message, recipients);
}

fn put_message(out: &mut Vec<u8>, message: &MessageRecord<'_>, recipients: &[Recipient]) {
    message.write(out);
    put_number(out, recipients.len() as u64);
    for recipient in recipients {
        recipient.write(out);
    }
}

impl Exchange {
    fn write(&self, kind: u8, out: &mut Vec<u8>) {
        out.push(kind);
        put_number(out, self.session);
        put_number(out, self.message);
        put_number(out, u64::from(self.packet_id.get()));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            session: from.number()?,
            message: from.number()?,
            packet_id: from.packet_id()?,
        })
    }
}

impl Recipient {
    fn write(&self, out: &mut Vec<u8>) {
        let (step, packet_id) = match self.step {
            Step::Queued => (0, None),
            Step::Sent(packet_id) => (1, Some(packet_id)),
            Step::Released(packet_id) => (2, Some(packet_id)),
        };
        let has_membership = u8::from(self.membership != 0);
        out.push(self.qos.as_u8() | u8::from(self.retain) << 2 | has_membership << 3 | step << 4);
        put_number(out, self.session);
        if self.membership != 0 {
            put_number(out, u64::from(self.membership));
        }
        if let Some(packet_id) = packet_id {
            put_number(out, u64::from(packet_id.get()));
        }
        put_number(out, self.identifiers.len() as u64);
        for identifier in &self.identifiers {
            put_number(out, u64::from(*identifier));
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let flags = from.byte()?;
        let session = from.number()?;
        let membership = if flags & 8 != 0 { from.small()? } else { 0 };
        let step = match flags >> 4 {
            0 => Step::Queued,
            1 => Step::Sent(from.packet_id()?),
            2 => Step::Released(from.packet_id()?),
            _ => return None,
        };
        let count = from.number()?;
        let mut identifiers = Vec::new();
        for _ in 0..count {
            identifiers.push(from.small()?);
        }
        Some(Self {
            session,
            qos: qos_of(flags & 3)?,
            retain: flags & 4 != 0,
            membership,
            identifiers,
            step,
        })
    }
}

impl<'a> SessionRecord<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, self.number);
        put_bytes(out, self.client_id.as_bytes());
        put_option(out, self.user, |out, user| put_bytes(out, user.as_bytes()));
        put_number(out, self.groups.len() as u64);
        for group in &self.groups {
            put_bytes(out, group.as_bytes());
        }
        match self.addr {
            None => put_bytes(out, &[]),
            Some(std::net::IpAddr::V4(addr)) => put_bytes(out, &addr.octets()),
            Some(std::net::IpAddr::V6(addr)) => put_bytes(out, &addr.octets()),
        }
        put_number(out, u64::from(self.expiry_secs));
        put_option(out, self.disconnected_at_unix_ms, put_number);
        put_option(out, self.will.as_ref(), |out, will| {
            put_option(out, will.expiry_secs.map(u64::from), put_number);
            put_number(out, u64::from(will.delay_secs));
            will.message.write(out);
        });
    }

    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let number = from.number()?;
        let client_id = from.text()?;
        let user = from.option(Reader::text)?;
        let count = from.number()?;
        let mut groups = Vec::new();
        for _ in 0..count {
            groups.push(from.text()?);
        }
        let addr = from.bytes()?;
        let addr = match (<[u8; 4]>::try_from(addr), <[u8; 16]>::try_from(addr)) {
            (Ok(octets), _) => Some(octets.into()),
            (_, Ok(octets)) => Some(octets.into()),
            _ if addr.is_empty() => None,
            _ => return None,
        };
        Some(Self {
            number,
            client_id,
            user,
            groups,
            addr,
            expiry_secs: from.small()?,
            disconnected_at_unix_ms: from.option(Reader::number)?,
            will: from.option(|from| {
                Some(WillRecord {
                    expiry_secs: from.option(Reader::small)?,
                    delay_secs: from.small()?,
                    message: MessageRecord::read(from)?,
                })
            })?,
        })
    }
}

impl<'a> SubscriptionRecord<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, self.session);
        put_bytes(out, self.filter.as_bytes());
        let (no_local, as_published) =
            (u8::from(self.no_local), u8::from(self.retain_as_published));
        out.push(self.qos.as_u8() | no_local << 2 | as_published << 3);
        put_number(out, u64::from(self.identifier));
        put_option(out, self.share, |out, (name, number)| {
            put_bytes(out, name.as_bytes());
            put_number(out, u64::from(number));
        });
    }

    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let session = from.number()?;
        let filter = from.text()?;
        let flags = from.byte()?;
        Some(Self {
            session,
            filter,
            qos: qos_of(flags & 3)?,
            no_local: flags & 4 != 0,
            retain_as_published: flags & 8 != 0,
            identifier: from.small()?,
            share: from.option(|from| Some((from.text()?, from.small()?)))?,
        })
    }
}

fn qos_of(number: u8) -> Option<QoS> {
    match number {
        0 => Some(QoS::AtMostOnce),
        1 => Some(QoS::AtLeastOnce),
        2 => Some(QoS::ExactlyOnce),
        _ => None,
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn packet_id(&mut self) -> Option<PacketId> {
        PacketId::new(u16::try_from(self.number()?).ok()?)
    }

    fn recipients(&mut self) -> Option<Vec<Recipient>> {
        let count = self.number()?;
        let mut recipients = Vec::new();
        for _ in 0..count {
            recipients.push(Recipient::read(self)?);
        }
        Some(recipients)
    }

    fn fixed(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
