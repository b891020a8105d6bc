//! What an entry of the recorder says, and its bytes.
//!
//! ```text
//! entry  := outcome:text age_ms:varint mask:varint field*      fields in the order of the mask's bits
//! text   := varint                                             index of a text of the chunk
//! ```
//! A text that a chunk has not had yet stands in a line of its own before the entry (see `tape`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use columba_codec::QoS;

use super::payload::PayloadKind;
use crate::outcome::Outcome;

/// What is known of something that happened. What does not apply is empty, 0 or `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The client id of whom it happened to: who published, who gets a copy, who came or went.
    pub client: &'a str,
    /// Somebody else who is part of it: the publisher of a copy, the user of a login, who took
    /// over, the operator who did it.
    pub by: &'a str,
    /// A topic, or a filter.
    pub topic: &'a str,
    /// In words, with the rule or limit.
    pub detail: &'a str,
    /// The client's address; its port is 0 if it stands for several. See [`Facts::address`].
    pub peer: Option<SocketAddr>,
    /// The number of the message that the ledger follows; 0 for none.
    pub message: u64,
    /// QoS: of a PUBLISH as published, of a copy as delivered, of a subscription as granted.
    pub qos: Option<QoS>,
    /// See [`flag`].
    pub flags: u16,
    /// The packet id of a copy, or of a PUBLISH of a client.
    pub packet_id: u16,
    /// Bytes of a payload. Of a login: the largest packet that the client takes. Of a session's end:
    /// copies that were lost.
    pub size_bytes: u64,
    /// Of a PUBLISH: filters that matched. Of a session's end: subscriptions that ended with it. Of a
    /// login: keep alive in seconds. Of a subscription: its identifier. Of a copy that waits: how many
    /// waited already. Of a copy that was sent: where it ends, counted from the first byte that its
    /// connection was given. Of an acknowledgement that waits: how many to PUBLISH of its client do.
    pub count: u64,
    /// Seconds. Of a PUBLISH: its Message Expiry Interval. Of a login: session expiry. Of a session's
    /// end: how long it had no connection.
    pub secs: u64,
    /// What the payload looks like.
    pub payload: Option<PayloadKind>,
}

impl Facts<'_> {
    /// The client's address in words, without a port if it stands for several.
    pub fn address(&self) -> Option<String> {
        self.peer.map(address_of)
    }
}

/// An address of [`Facts::peer`] in words.
pub fn address_of(peer: SocketAddr) -> String {
    match peer.port() {
        SEVERAL_PORTS => peer.ip().to_string(),
        _ => peer.to_string(),
    }
}

/// Nobody connects from it.
const SEVERAL_PORTS: u16 = 0;

/// Bits of [`Facts::flags`].
pub mod flag {
    /// RETAIN of a PUBLISH or a copy; Retain As Published of a subscription.
    pub const RETAIN: u16 = 1;
    /// CONNACK said that there is a session.
    pub const SESSION_PRESENT: u16 = 2;
    /// CONNECT asked for a clean start.
    pub const CLEAN_START: u16 = 4;
    /// CONNECT had a Will.
    pub const WILL: u16 = 8;
    /// The client speaks MQTT 5.
    pub const V5: u16 = 16;
    /// The client speaks MQTT 3.1.
    pub const V31: u16 = 32;
    /// No Local of a subscription.
    pub const NO_LOCAL: u16 = 64;
    /// Retain Handling 1 of a subscription: retained messages for new subscriptions only.
    pub const RETAINED_IF_NEW: u16 = 128;
    /// Retain Handling 2 of a subscription: no retained messages.
    pub const RETAINED_NEVER: u16 = 256;
    /// The subscription was there before.
    pub const EXISTED: u16 = 512;
    /// The message is a retained one, sent for a new subscription.
    pub const REPLAYED: u16 = 1024;
    /// The message is a Will.
    pub const IS_WILL: u16 = 2048;
    /// An operator did it: published, or cleared what was retained.
    pub const BY_OPERATOR: u16 = 8192;
    /// The topic is private: the filter that says so stands in its place.
    pub const PRIVATE: u16 = 16384;
    /// It is sent again on another connection.
    pub const AGAIN: u16 = 4096;
    /// What was lost had been sent, and was not acknowledged.
    pub const WAS_SENT: u16 = 32768;
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Counts the entries of a tape, those that are gone included.
    pub sequence: u64,
    /// When, in milliseconds since 1970; if it happened several times, the last time.
    pub unix_ms: u64,
    /// The same in milliseconds since the broker started, which never goes back.
    pub mono_ms: u64,
    /// How often, for a fault that came again.
    pub times: u64,
    /// The first of these times, in milliseconds since 1970.
    pub first_unix_ms: u64,
    /// What.
    pub outcome: Outcome,
    /// What is known of it.
    pub facts: Facts<'a>,
}

/// Facts that own their texts.
#[derive(Clone, Debug)]
pub(super) struct OwnedFacts {
    /// Client, by, topic and detail behind one another.
    texts: Box<str>,
    ends: [u32; 3],
    rest: Facts<'static>,
}

impl From<&Facts<'_>> for OwnedFacts {
    fn from(facts: &Facts<'_>) -> Self {
        let texts = [facts.client, facts.by, facts.topic, facts.detail].concat();
        let mut end = 0;
        let ends = [facts.client, facts.by, facts.topic].map(|text| {
            end += text.len() as u32;
            end
        });
        Self {
            texts: texts.into(),
            ends,
            rest: Facts {
                client: "",
                by: "",
                topic: "",
                detail: "",
                ..*facts
            },
        }
    }
}

impl OwnedFacts {
    pub(super) fn borrow(&self) -> Facts<'_> {
        let [first, second, third] = self.ends.map(|end| end as usize);
        let text = |range| self.texts.get(range).unwrap_or_default();
        Facts {
            client: text(0..first),
            by: text(first..second),
            topic: text(second..third),
            detail: text(third..self.texts.len()),
            ..self.rest
        }
    }

    pub(super) const fn set_peer(&mut self, peer: SocketAddr) {
        self.rest.peer = Some(peer);
    }

    /// The same for one more time: what stands for several addresses is the last one without its port.
    pub(super) fn add_peer(&mut self, peer: SocketAddr) {
        let is_other = self.rest.peer.is_some_and(|known| known != peer);
        self.rest.peer = Some(peer);
        if is_other {
            self.forget_port();
        }
    }

    /// It stands for others whose ports are not known.
    pub(super) const fn forget_port(&mut self) {
        if let Some(peer) = &mut self.rest.peer {
            peer.set_port(SEVERAL_PORTS);
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.texts.len()
    }
}

/// Which fields an entry has; bits in the order of the fields.
mod mask {
    pub(super) const CLIENT: u64 = 1;
    pub(super) const BY: u64 = 1 << 1;
    pub(super) const TOPIC: u64 = 1 << 2;
    pub(super) const DETAIL: u64 = 1 << 3;
    pub(super) const PEER4: u64 = 1 << 4;
    pub(super) const PEER6: u64 = 1 << 5;
    pub(super) const MESSAGE: u64 = 1 << 6;
    pub(super) const FLAGS: u64 = 1 << 7;
    pub(super) const PACKET_ID: u64 = 1 << 8;
    pub(super) const SIZE: u64 = 1 << 9;
    pub(super) const COUNT: u64 = 1 << 10;
    pub(super) const SECS: u64 = 1 << 11;
    pub(super) const PAYLOAD: u64 = 1 << 12;
    pub(super) const REPEATED: u64 = 1 << 13;
    /// Two bits: 0 for none, else QoS + 1.
    pub(super) const QOS_SHIFT: u32 = 14;
}

/// How often and since when, relative to the entry's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) times: u64,
    pub(super) span_ms: u64,
}

/// Makes the bytes of an entry: a head, and the fields behind it. `texts` are the indexes of its texts.
pub(super) fn write(
    (head, fields): (&mut Bytes, &mut Bytes),
    facts: &Facts<'_>,
    repeated: Option<Repeated>,
    age_ms: u64,
    outcome: u64,
    texts: [u64; 4],
) {
    let mut bits = facts.qos.map_or(0, |qos| u64::from(qos.as_u8()) + 1) << mask::QOS_SHIFT;
    let [client, by, topic, detail] = texts;
    fields.clear();
    for (bit, text, index) in [
        (mask::CLIENT, facts.client, client),
        (mask::BY, facts.by, by),
        (mask::TOPIC, facts.topic, topic),
        (mask::DETAIL, facts.detail, detail),
    ] {
        if !text.is_empty() {
            bits |= bit;
            fields.put_varint(index);
        }
    }
    match facts.peer {
        Some(SocketAddr::V4(peer)) => {
            bits |= mask::PEER4;
            fields.put(&peer.ip().octets());
            fields.put(&peer.port().to_be_bytes());
        }
        Some(SocketAddr::V6(peer)) => {
            bits |= mask::PEER6;
            fields.put(&peer.ip().octets());
            fields.put(&peer.port().to_be_bytes());
        }
        None => {}
    }
    let numbers = [
        (mask::MESSAGE, facts.message),
        (mask::FLAGS, u64::from(facts.flags)),
        (mask::PACKET_ID, u64::from(facts.packet_id)),
        (mask::SIZE, facts.size_bytes),
        (mask::COUNT, facts.count),
        (mask::SECS, facts.secs),
        (mask::PAYLOAD, facts.payload.map_or(0, |kind| kind as u64)),
    ];
    for (bit, number) in numbers {
        if number != 0 {
            bits |= bit;
            fields.put_varint(number);
        }
    }
    if let Some(repeated) = repeated {
        bits |= mask::REPEATED;
        fields.put_varint(repeated.times);
        fields.put_varint(repeated.span_ms);
    }
    head.clear();
    head.put_varint(outcome);
    head.put_varint(age_ms);
    head.put_varint(bits);
}

/// An entry as its bytes say it: texts by their index, its time as an age.
pub(super) struct Raw<'a> {
    pub(super) outcome: u64,
    pub(super) age_ms: u64,
    pub(super) facts: Facts<'a>,
    pub(super) repeated: Option<Repeated>,
}

/// Reads an entry. `None`: these bytes are none.
pub(super) fn read<'a>(bytes: &[u8], text: impl Fn(u64) -> Option<&'a str>) -> Option<Raw<'a>> {
    let rest = &mut &*bytes;
    let outcome = take_varint(rest)?;
    let age_ms = take_varint(rest)?;
    let bits = take_varint(rest)?;
    let has = |bit: u64| bits & bit != 0;
    let mut texts = [""; 4];
    for (at, of) in texts.iter_mut().enumerate() {
        if bits >> at & 1 == 1 {
            *of = text(take_varint(rest)?)?;
        }
    }
    let [client, by, topic, detail] = texts;
    let mut peer = None;
    if has(mask::PEER4) {
        let ip = Ipv4Addr::from(take::<4>(rest)?);
        peer = Some(SocketAddr::new(IpAddr::V4(ip), take_port(rest)?));
    }
    if has(mask::PEER6) {
        let ip = Ipv6Addr::from(take::<16>(rest)?);
        peer = Some(SocketAddr::new(IpAddr::V6(ip), take_port(rest)?));
    }
    let mut number = |bit: u64| if has(bit) { take_varint(rest) } else { Some(0) };
    let message = number(mask::MESSAGE)?;
    let flags = number(mask::FLAGS)?.try_into().ok()?;
    let packet_id = number(mask::PACKET_ID)?.try_into().ok()?;
    let size_bytes = number(mask::SIZE)?;
    let count = number(mask::COUNT)?;
    let secs = number(mask::SECS)?;
    let payload = u8::try_from(number(mask::PAYLOAD)?).ok()?;
    let mut repeated = None;
    if has(mask::REPEATED) {
        repeated = Some(Repeated {
            times: take_varint(rest)?,
            span_ms: take_varint(rest)?,
        });
    }
    let qos = match bits >> mask::QOS_SHIFT {
        0 => None,
        qos => Some(QoS::from_u8(u8::try_from(qos - 1).ok()?)?),
    };
    rest.is_empty().then_some(Raw {
        outcome,
        age_ms,
        facts: Facts {
            client,
            by,
            topic,
            detail,
            peer,
            message,
            qos,
            flags,
            packet_id,
            size_bytes,
            count,
            secs,
            payload: PayloadKind::from_u8(payload),
        },
        repeated,
    })
}

/// A few bytes that are being written, without the allocator. An entry has room: it takes four texts, an
/// address and nine numbers, of ten bytes at most.
#[derive(Debug)]
pub(super) struct Bytes {
    bytes: [u8; BYTES_MAX],
    len: u8,
}

/// As many as the length can count, so that no place is looked for outside.
const BYTES_MAX: usize = u8::MAX as usize + 1;

impl Default for Bytes {
    fn default() -> Self {
        Self {
            bytes: [0; BYTES_MAX],
            len: 0,
        }
    }
}

impl Bytes {
    fn clear(&mut self) {
        self.len = 0;
    }

    /// What was written.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
            *place = byte;
        }
        self.len = self.len.wrapping_add(1);
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// Appends a number in groups of seven bits, the lowest first.
    #[inline]
    pub(super) fn put_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }
}

/// Takes such a number off the front.
pub(super) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

fn take_port(rest: &mut &[u8]) -> Option<u16> {
    take::<2>(rest).map(u16::from_be_bytes)
}
