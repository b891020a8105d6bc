//! An application message as the broker keeps it: one allocation, shared by all who wait for it.

use columba_codec::QoS;
use triomphe::ThinArc;

/// The fixed part of a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of the topic in bytes.
    topic_len: u16,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published with RETAIN.
    pub retain: bool,
    /// Length of the properties in bytes.
    properties_len: u32,
    /// When it expires, in milliseconds of the broker's clock; `u64::MAX` for never.
    pub expires_at_ms: u64,
    /// Which client published it, as a hash of its client id that is the same on every shard.
    pub publisher: u64,
    /// The number that the flight recorder follows it by; 0 if it does not.
    pub number: u64,
}

/// A message: topic, properties that are passed on, payload, expiry and origin.
///
/// Cloning counts a reference. The properties hold what every subscriber gets (payload format,
/// content type, response topic, correlation data, user properties) in the order of receipt
/// (`MQTT-3.3.2-18`), and none of what differs from subscriber to subscriber.
#[derive(Clone, Debug)]
pub struct Message(ThinArc<Head, u8>);

/// What a [`Message`] is made from.
#[derive(Clone, Copy, Debug)]
pub struct MessageParts<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// Encoded properties to pass on, in pieces.
    pub properties: &'a [&'a [u8]],
    /// The payload.
    pub payload: &'a [u8],
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published with RETAIN.
    pub retain: bool,
    /// When it expires; `u64::MAX` for never.
    pub expires_at_ms: u64,
    /// Hash of the publishing client's id.
    pub publisher: u64,
    /// The number that the flight recorder follows it by; 0 if it does not.
    pub number: u64,
}

/// Messages up to this size are put together on the stack; larger ones cost a second allocation.
const SMALL_BYTES_MAX: usize = 512;

/// No expiry.
pub const NEVER_MS: u64 = u64::MAX;

/// The bytes of a message, cut into what they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut<'a> {
    pub(crate) topic: &'a str,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Head {
    /// The fixed part of a message that is made from parts.
    pub(crate) fn new(parts: &MessageParts<'_>) -> Self {
        Self {
            // A topic that came in a packet has at most 65,535 bytes.
            topic_len: parts.topic.len() as u16,
            qos: parts.qos,
            retain: parts.retain,
            properties_len: parts.properties_len() as u32,
            expires_at_ms: parts.expires_at_ms,
            publisher: parts.publisher,
            number: parts.number,
        }
    }

    /// Cuts the bytes that [`MessageParts::write`] wrote.
    pub(crate) fn cut<'a>(&self, bytes: &'a [u8]) -> Cut<'a> {
        let (topic, rest) = bytes
            .split_at_checked(usize::from(self.topic_len))
            .unwrap_or_default();
        let (properties, payload) = rest
            .split_at_checked(self.properties_len as usize)
            .unwrap_or_default();
        Cut {
            topic: std::str::from_utf8(topic).unwrap_or_default(),
            properties,
            payload,
        }
    }

    /// The parts of a message that has this fixed part; `properties` are those of `cut`.
    pub(crate) const fn parts<'a>(
        &self,
        cut: Cut<'a>,
        properties: &'a [&'a [u8]; 1],
    ) -> MessageParts<'a> {
        MessageParts {
            topic: cut.topic,
            properties,
            payload: cut.payload,
            qos: self.qos,
            retain: self.retain,
            expires_at_ms: self.expires_at_ms,
            publisher: self.publisher,
            number: self.number,
        }
    }
}

impl MessageParts<'_> {
    fn properties_len(&self) -> usize {
        self.properties.iter().map(|piece| piece.len()).sum()
    }

    fn len(&self) -> usize {
        self.topic.len() + self.properties_len() + self.payload.len()
    }

    /// Topic, properties and payload.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let properties = self.properties.iter().copied();
        std::iter::once(self.topic.as_bytes())
            .chain(properties)
            .chain(std::iter::once(self.payload))
    }

    /// Appends topic, properties and payload.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.len());
        for piece in self.pieces() {
            out.extend_from_slice(piece);
        }
    }
}

impl Message {
    /// Copies the parts into one allocation.
    pub fn new(parts: MessageParts<'_>) -> Self {
        let head = Head::new(&parts);
        if head.properties_len == 0 && parts.payload.is_empty() {
            return Self(ThinArc::from_header_and_slice(head, parts.topic.as_bytes()));
        }
        let len = parts.len();
        if len <= SMALL_BYTES_MAX {
            // Put together on the stack: the one allocation is the message itself.
            let mut bytes = [0; SMALL_BYTES_MAX];
            let mut at = 0;
            for piece in parts.pieces() {
                if let Some(place) = bytes.get_mut(at..at + piece.len()) {
                    place.copy_from_slice(piece);
                }
                at += piece.len();
            }
            let bytes = bytes.get(..len).unwrap_or_default();
            return Self(ThinArc::from_header_and_slice(head, bytes));
        }
        let mut bytes = Vec::new();
        parts.write(&mut bytes);
        Self(ThinArc::from_header_and_slice(head, &bytes))
    }

    /// Its bytes, cut.
    pub(crate) fn cut(&self) -> Cut<'_> {
        self.head().cut(&self.0.slice)
    }

    /// The fixed part.
    pub fn head(&self) -> &Head {
        &self.0.header.header
    }

    /// The topic name.
    pub fn topic(&self) -> &str {
        std::str::from_utf8(self.topic_bytes()).unwrap_or_default()
    }

    /// The bytes of the topic name, which sort as the name does.
    pub(crate) fn topic_bytes(&self) -> &[u8] {
        let topic_len = usize::from(self.head().topic_len);
        self.0.slice.get(..topic_len).unwrap_or_default()
    }

    /// The encoded properties to pass on.
    pub fn properties(&self) -> &[u8] {
        let start = usize::from(self.head().topic_len);
        self.0
            .slice
            .get(start..start + self.head().properties_len as usize)
            .unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        let start = usize::from(self.head().topic_len) + self.head().properties_len as usize;
        self.0.slice.get(start..).unwrap_or_default()
    }

    /// Bytes of topic, properties and payload: what queue limits count.
    pub fn size_bytes(&self) -> usize {
        self.0.slice.len()
    }

    /// The same without properties and payload: what is known of a message that is not in memory.
    pub(crate) fn outline(&self) -> Self {
        let head = self.head();
        Self::new(MessageParts {
            topic: self.topic(),
            properties: &[],
            payload: &[],
            qos: head.qos,
            retain: head.retain,
            expires_at_ms: head.expires_at_ms,
            publisher: head.publisher,
            number: head.number,
        })
    }

    /// The same with a number that the flight recorder follows it by.
    pub(crate) fn numbered(&self, number: u64) -> Self {
        let head = Head {
            number,
            ..*self.head()
        };
        let cut = Cut {
            topic: self.topic(),
            properties: self.properties(),
            payload: self.payload(),
        };
        Self::new(head.parts(cut, &[cut.properties]))
    }

    /// Its outline, in one allocation with the last one that was made if they are alike.
    pub(crate) fn outline_like(&self, last: &mut Option<Self>) -> Self {
        let is_like = |other: &&mut Self| {
            let (mine, theirs) = (self.head(), other.head());
            let key = |head: &Head| (head.qos, head.retain, head.expires_at_ms, head.publisher);
            key(mine) == key(theirs)
                && mine.number == theirs.number
                && self.topic_bytes() == other.topic_bytes()
        };
        match last.as_mut().filter(is_like) {
            Some(other) => other.clone(),
            None => last.insert(self.outline()).clone(),
        }
    }

    /// Whether nobody else keeps it.
    #[cfg(test)]
    pub(crate) fn is_only_here(&self) -> bool {
        ThinArc::strong_count(&self.0) == 1
    }

    /// Bytes of properties and payload: what is not in its [outline](Self::outline).
    pub(crate) fn body_bytes(&self) -> u32 {
        (self.size_bytes() - usize::from(self.head().topic_len)) as u32
    }

    /// Whether it has expired at a time.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.head().expires_at_ms <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_size_is_what_it_was_made_from_here_and_in_the_mail() {
        // Around the size from which it is no longer put together on the stack, and around none.
        for payload_len in [0, 1, 480, 500, 505, 506, 507, 508, 512, 600, 5000] {
            let payload: Vec<u8> = (0..payload_len).map(|at| at as u8).collect();
            for properties in [&[][..], &[&b"a"[..], b"bc"]] {
                let parts = MessageParts {
                    topic: "t/é",
                    properties,
                    payload: &payload,
                    qos: QoS::AtLeastOnce,
                    retain: true,
                    expires_at_ms: 7,
                    publisher: 9,
                    number: 11,
                };
                let message = Message::new(parts);
                let mut bytes = Vec::new();
                parts.write(&mut bytes);
                let head = Head::new(&parts);
                let mailed = head.cut(&bytes);
                assert_eq!(*message.head(), head);
                assert_eq!((message.topic(), mailed.topic), ("t/é", "t/é"));
                assert_eq!(message.properties(), properties.concat());
                assert_eq!(mailed.properties, properties.concat());
                assert!(message.payload() == payload && mailed.payload == payload);
                assert_eq!(message.size_bytes(), bytes.len());
            }
        }
    }
}
