//! Outgoing messages at QoS 1 and 2 that the server has not finished acknowledging.

use std::collections::VecDeque;
use std::fmt;

use columba_codec::{PacketId, QoS, ReasonCode};

use crate::message::Message;
use crate::session::Token;

/// Everything the client must remember of its own messages when a connection ends
/// (`MQTT-3.1.2-23`: the client's part of the session state).
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Sent, and without PUBACK or PUBREC; in first-sent order (`MQTT-4.6.0-1`).
    published: VecDeque<Published>,
    /// PUBREC has come, PUBCOMP not; in the order of the PUBRECs (`MQTT-4.6.0-4`).
    released: VecDeque<Released>,
    /// How many of `published`, from the front, still wait to be sent again.
    resend: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) packet_id: PacketId,
    pub(super) token: Token,
    pub(super) message: Message,
}

#[derive(Clone, Debug)]
pub(super) struct Released {
    pub(super) packet_id: PacketId,
    pub(super) token: Token,
    /// What PUBREC said: PUBCOMP has no word for it.
    pub(super) reason: ReasonCode,
}

/// What an acknowledgement found.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// The exchange it belongs to.
    It(T),
    /// An exchange that takes another kind of acknowledgement now.
    OtherKind,
    /// Nothing.
    Nothing,
}

impl Window {
    /// Exchanges that are not finished.
    pub(super) fn len(&self) -> usize {
        self.published.len() + self.released.len()
    }

    /// Exchanges that count against the server's receive maximum on this connection.
    pub(super) fn in_use(&self) -> usize {
        self.len() - self.resend
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether messages of an earlier connection still go first.
    pub(super) fn is_resending(&self) -> bool {
        self.resend > 0
    }

    pub(super) fn push(&mut self, published: Published) {
        assert!(
            self.resend == 0,
            "a new message never overtakes a resent one"
        );
        self.published.push_back(published);
    }

    /// A session goes on: all that was published is due again, with DUP.
    pub(super) fn resume(&mut self) -> impl Iterator<Item = PacketId> {
        self.resend = self.published.len();
        self.released.iter().map(|released| released.packet_id)
    }

    /// What an earlier process left after PUBREC.
    pub(super) fn restore_released(&mut self, released: Released) {
        self.released.push_back(released);
    }

    pub(super) fn published(&self) -> impl Iterator<Item = &Published> {
        self.published.iter()
    }

    pub(super) fn released(&self) -> impl Iterator<Item = &Released> {
        self.released.iter()
    }

    /// The next message to send again.
    pub(super) fn next_resend(&self) -> Option<&Published> {
        let at = self.published.len().checked_sub(self.resend)?;
        if self.resend == 0 {
            None
        } else {
            self.published.get(at)
        }
    }

    /// The message of [`Self::next_resend`] went out.
    pub(super) fn resent(&mut self) {
        self.resend = self.resend.saturating_sub(1);
    }

    /// The message of [`Self::next_resend`] cannot go out on this connection or any like it.
    pub(super) fn drop_resend(&mut self) -> Option<Published> {
        let at = self.published.len().checked_sub(self.resend)?;
        let dropped = self.published.remove(at)?;
        self.resend = self.resend.saturating_sub(1);
        Some(dropped)
    }

    /// PUBACK ends a QoS 1 exchange.
    pub(super) fn on_puback(&mut self, packet_id: PacketId) -> Found<Published> {
        self.take_published(packet_id, QoS::AtLeastOnce)
    }

    /// PUBREC: the message is the server's. It leaves the window if the server refused it, or
    /// else waits for PUBCOMP.
    pub(super) fn on_pubrec(&mut self, packet_id: PacketId, reason: ReasonCode) -> Found<Token> {
        let refused = reason.is_error();
        match self.take_published(packet_id, QoS::ExactlyOnce) {
            Found::It(Published { token, .. }) => {
                if !refused {
                    let released = Released {
                        packet_id,
                        token,
                        reason,
                    };
                    self.released.push_back(released);
                }
                Found::It(token)
            }
            Found::OtherKind => Found::OtherKind,
            Found::Nothing => self.on_pubrec_again(packet_id, refused),
        }
    }

    /// A second PUBREC for the same message: the PUBREL is sent again, or the refusal stands.
    fn on_pubrec_again(&mut self, packet_id: PacketId, refused: bool) -> Found<Token> {
        let Some(at) = self
            .released
            .iter()
            .position(|entry| entry.packet_id == packet_id)
        else {
            return Found::Nothing;
        };
        let token = self.released.get(at).map(|entry| entry.token);
        if refused {
            self.released.remove(at);
        }
        token.map_or(Found::Nothing, Found::It)
    }

    /// PUBCOMP ends a QoS 2 exchange.
    pub(super) fn on_pubcomp(&mut self, packet_id: PacketId) -> Found<Released> {
        if let Some(at) = self
            .released
            .iter()
            .position(|entry| entry.packet_id == packet_id)
        {
            return match self.released.remove(at) {
                Some(released) => Found::It(released),
                None => Found::Nothing,
            };
        }
        if self
            .published
            .iter()
            .any(|entry| entry.packet_id == packet_id)
        {
            Found::OtherKind
        } else {
            Found::Nothing
        }
    }

    /// Forgets everything and says what it was; with the message if PUBREC had not come.
    pub(super) fn clear(&mut self) -> Vec<(PacketId, Token, Option<Message>)> {
        self.resend = 0;
        let released = self
            .released
            .drain(..)
            .map(|entry| (entry.packet_id, entry.token, None));
        let published = self
            .published
            .drain(..)
            .map(|entry| (entry.packet_id, entry.token, Some(entry.message)));
        released.chain(published).collect()
    }

    fn take_published(&mut self, packet_id: PacketId, qos: QoS) -> Found<Published> {
        let sent = self.published.len() - self.resend;
        let Some(at) = self
            .published
            .iter()
            .position(|entry| entry.packet_id == packet_id)
        else {
            return Found::Nothing;
        };
        if self
            .published
            .get(at)
            .is_none_or(|entry| entry.message.qos != qos)
        {
            return Found::OtherKind;
        }
        // An acknowledgement that overtakes the resending spares it.
        if at >= sent {
            self.resend -= 1;
        }
        match self.published.remove(at) {
            Some(published) => Found::It(published),
            None => Found::Nothing,
        }
    }
}

/// The packet ids that are taken, by messages and by requests alike.
#[derive(Clone)]
pub(super) struct PacketIds {
    /// A bit for each id, as far as ids were used: 8 KiB at most.
    taken: Vec<u64>,
    taken_len: usize,
    next: u16,
}

impl fmt::Debug for PacketIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.taken.iter().enumerate();
        let taken = bits.flat_map(|(at, word)| {
            let is_taken = move |bit: &usize| word >> bit & 1 == 1;
            (0..64).filter(is_taken).map(move |bit| 64 * at + bit)
        });
        f.debug_struct("PacketIds")
            .field("taken", &taken.collect::<Vec<_>>())
            .field("next", &self.next)
            .finish()
    }
}

impl Default for PacketIds {
    fn default() -> Self {
        Self {
            taken: Vec::new(),
            taken_len: 0,
            next: 1,
        }
    }
}

impl PacketIds {
    /// Takes a free id (`MQTT-2.2.1-3`), going round so that an id rests before it is used again.
    pub(super) fn take(&mut self) -> Option<PacketId> {
        if self.taken_len >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            let candidate = PacketId::new(self.next);
            self.next = self.next.wrapping_add(1);
            if let Some(packet_id) = candidate
                && self.insert(packet_id)
            {
                return Some(packet_id);
            }
        }
    }

    /// Takes an id that an earlier process took.
    pub(super) fn take_this(&mut self, packet_id: PacketId) {
        self.insert(packet_id);
        self.next = packet_id.get().wrapping_add(1);
    }

    pub(super) fn free(&mut self, packet_id: PacketId) {
        let (at, bit) = place(packet_id);
        if let Some(word) = self.taken.get_mut(at)
            && *word & bit != 0
        {
            *word &= !bit;
            self.taken_len -= 1;
        }
    }

    /// Whether it was free.
    fn insert(&mut self, packet_id: PacketId) -> bool {
        let (at, bit) = place(packet_id);
        if self.taken.len() <= at {
            self.taken.resize(at + 1, 0);
        }
        match self.taken.get_mut(at) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.taken_len += 1;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Which word of the bits, and which of its bits.
fn place(packet_id: PacketId) -> (usize, u64) {
    let number = usize::from(packet_id.get());
    (number / 64, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_taken_once_and_a_freed_one_again() {
        let mut ids = PacketIds::default();
        for expected in 1..=u16::MAX {
            assert_eq!(ids.take().map(PacketId::get), Some(expected));
        }
        assert_eq!(ids.take(), None);
        assert_eq!(ids.taken.len(), 1024);
        for number in [65_535, 7, 64] {
            ids.free(PacketId::new(number).expect("not 0"));
            // Freeing it twice frees one.
            ids.free(PacketId::new(number).expect("not 0"));
            assert_eq!(ids.take().map(PacketId::get), Some(number));
            assert_eq!(ids.take(), None);
        }
    }

    #[test]
    fn an_id_of_an_earlier_process_is_not_given_out() {
        let mut ids = PacketIds::default();
        ids.take_this(PacketId::new(u16::MAX).expect("not 0"));
        assert_eq!(ids.take().map(PacketId::get), Some(1));
        ids.take_this(PacketId::new(2).expect("not 0"));
        assert_eq!(ids.take().map(PacketId::get), Some(3));
        let shown = "PacketIds { taken: [1, 2, 3, 65535], next: 4 }";
        assert_eq!(format!("{ids:?}"), shown);
    }
}
