//! The bytes that wait for one connection's socket.

use std::collections::VecDeque;

use crate::message::Message;

/// Payloads of at least this many bytes are passed on by reference instead of being copied.
pub(crate) const SHARED_PAYLOAD_BYTES_MIN: usize = 4096;

/// A stream of bytes, most of them in one buffer, large payloads by reference in between.
///
/// The driver takes [`chunks`](Self::chunks) in order, writes what the socket takes and reports
/// the number with [`Input::Sent`](crate::event::Input::Sent).
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` are sent.
    at: usize,
    /// Payloads by reference: each goes out before the byte of `bytes` at its position.
    shared: VecDeque<Shared>,
    shared_len: usize,
}

#[derive(Debug)]
struct Shared {
    position: usize,
    message: Message,
    sent: usize,
}

impl Output {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.at + self.shared_len
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unsent bytes in order, in pieces; none of them is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = self.at;
        let mut shared = self.shared.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                if let Some(next) = shared.peek() {
                    if next.position == at {
                        let payload = next.message.payload().get(next.sent..).unwrap_or_default();
                        shared.next();
                        if payload.is_empty() {
                            continue;
                        }
                        return Some(payload);
                    }
                    let piece = self.bytes.get(at..next.position)?;
                    at = next.position;
                    return Some(piece);
                }
                let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
                at = self.bytes.len();
                return Some(rest);
            }
        })
    }

    /// The buffer to append small things to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a message's payload by reference.
    pub(crate) fn push_payload(&mut self, message: Message) {
        self.shared_len += message.payload().len();
        self.shared.push_back(Shared {
            position: self.bytes.len(),
            message,
            sent: 0,
        });
    }

    /// Takes sent bytes off the front. More than there are count as all.
    pub(crate) fn consume(&mut self, mut len: usize) {
        while len > 0 {
            let plain_end = self
                .shared
                .front()
                .map_or(self.bytes.len(), |next| next.position);
            let plain = len.min(plain_end - self.at);
            self.at += plain;
            len -= plain;
            let Some(front) = self.shared.front_mut() else {
                break;
            };
            if len == 0 {
                break;
            }
            let rest = front.message.payload().len() - front.sent;
            let taken = len.min(rest);
            front.sent += taken;
            self.shared_len -= taken;
            len -= taken;
            if taken == rest {
                self.shared.pop_front();
            }
        }
        if self.at == self.bytes.len() && self.shared.is_empty() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at >= COMPACT_BYTES_MIN && self.at * 2 >= self.bytes.len() {
            self.compact();
        }
    }

    /// Moves the unsent bytes to the front, so that a slow reader's buffer stays bounded.
    fn compact(&mut self) {
        self.bytes.drain(..self.at);
        for shared in &mut self.shared {
            shared.position -= self.at;
        }
        self.at = 0;
    }

    /// Bytes of memory that its buffer holds.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.shared.clear();
        self.at = 0;
        self.shared_len = 0;
    }
}

/// Sent bytes that make moving the rest worth it.
const COMPACT_BYTES_MIN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageParts, NEVER_MS};
    use columba_codec::QoS;

    fn message(payload: &[u8]) -> Message {
        Message::new(MessageParts {
            topic: "t",
            properties: &[],
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at_ms: NEVER_MS,
            publisher: 0,
            number: 0,
        })
    }

    fn sample() -> Output {
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"ab");
        output.push_payload(message(b"12345"));
        output.push_payload(message(b"67"));
        output.buffer().extend_from_slice(b"cd");
        output.push_payload(message(b"89"));
        output
    }

    #[test]
    fn bytes_come_out_in_order_however_they_are_taken() {
        for step in 1..=13 {
            let mut output = sample();
            let mut seen = Vec::new();
            while !output.is_empty() {
                let next: Vec<u8> = output.chunks().flatten().copied().take(step).collect();
                output.consume(next.len());
                seen.extend_from_slice(&next);
            }
            assert_eq!(seen, b"ab1234567cd89", "in steps of {step}");
            assert_eq!(output.chunks().count(), 0);
        }
    }
}
