//! Acknowledgements that wait for the application.

use std::collections::VecDeque;

use columba_codec::packet::{Acknowledgement, Packet};
use columba_codec::{PacketId, PacketType, Properties, QoS, ReasonCode};

use super::Session;
use super::goodbye::nearest;
use crate::outcome::Violation;

/// Names a message that waits for [`crate::Input::Acknowledge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Acknowledgements belong to the connection on which the message came.
    connection: u64,
    packet_id: PacketId,
    number: Option<u64>,
}

impl Receipt {
    /// The number of a message at QoS 2: rising, never used for another message of the session, and
    /// the same when the message comes again because its acknowledgement was lost with a connection. If
    /// the session outlives the process, so do the numbers: who stores them together with what the
    /// messages did, in one transaction each, and skips what is there, does it exactly once. The last
    /// 65,535 are enough: there are no more packet ids. The highest alone is enough with a server that
    /// sends again in order (`MQTT-4.6.0-1`).
    pub fn number(&self) -> Option<u64> {
        self.number
    }
}

/// Messages of this connection without their PUBACK or PUBREC, in the order in which they came, as
/// they must be acknowledged in it (`MQTT-4.6.0-2`, `MQTT-4.6.0-3`). No more than the client's
/// Receive Maximum.
#[derive(Clone, Debug, Default)]
pub(super) struct Unacknowledged {
    connection: u64,
    messages: VecDeque<Owed>,
}

#[derive(Clone, Debug)]
struct Owed {
    packet_id: PacketId,
    qos: QoS,
    number: Option<u64>,
    /// What the application said of it.
    word: Option<ReasonCode>,
    /// PUBREL came without a PUBREC: the packet id may be another message's by now.
    has_ended: bool,
    /// It had its PUBREC on an earlier connection and was not handed over again.
    is_repeated: bool,
}

impl Session {
    /// A message was handed over, and its acknowledgement waits.
    ///
    /// # Errors
    /// [`Violation::ReceiveMaximum`].
    pub(super) fn owe(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        number: Option<u64>,
    ) -> Result<Receipt, Violation> {
        self.add_owed(Owed {
            packet_id,
            qos,
            number,
            word: None,
            has_ended: false,
            is_repeated: false,
        })?;
        Ok(Receipt {
            connection: self.unacknowledged.connection,
            packet_id,
            number,
        })
    }

    /// A message at QoS 2 came that had its PUBREC on an earlier connection: it gets another one, after
    /// those of the messages before it.
    ///
    /// # Errors
    /// [`Violation::ReceiveMaximum`].
    pub(super) fn owe_again(&mut self, packet_id: PacketId) -> Result<(), Violation> {
        self.add_owed(Owed {
            packet_id,
            qos: QoS::ExactlyOnce,
            number: None,
            word: Some(ReasonCode::Success),
            has_ended: false,
            is_repeated: true,
        })?;
        self.pass_words_on();
        Ok(())
    }

    fn add_owed(&mut self, owed: Owed) -> Result<(), Violation> {
        let messages = &mut self.unacknowledged.messages;
        let maximum = self.options.properties.receive_maximum.unwrap_or(u16::MAX);
        if messages.len() >= usize::from(maximum) {
            return Err(Violation::ReceiveMaximum);
        }
        messages.push_back(owed);
        Ok(())
    }

    /// Whether the acknowledgement of a message with this id still waits.
    pub(super) fn owes(&self, packet_id: PacketId) -> bool {
        let mut messages = self.unacknowledged.messages.iter();
        messages.any(|owed| owed.packet_id == packet_id && !owed.has_ended)
    }

    /// PUBREL: nothing is to be said any more of a message with this id whose PUBREC still waits.
    pub(super) fn owe_no_more(&mut self, packet_id: PacketId) {
        for owed in &mut self.unacknowledged.messages {
            owed.has_ended |= owed.packet_id == packet_id && owed.qos == QoS::ExactlyOnce;
        }
    }

    pub(super) fn acknowledge(&mut self, receipt: Receipt, reason: ReasonCode) {
        if receipt.connection != self.unacknowledged.connection {
            return;
        }
        let mut messages = self.unacknowledged.messages.iter_mut();
        let owed = messages.find(|owed| {
            owed.packet_id == receipt.packet_id
                && owed.number == receipt.number
                && owed.word.is_none()
        });
        if let Some(owed) = owed {
            owed.word = Some(reason);
        }
        self.pass_words_on();
    }

    /// Sends what waits for nothing any more.
    fn pass_words_on(&mut self) {
        let is_due = |owed: &mut Owed| owed.word.is_some();
        while let Some(owed) = self.unacknowledged.messages.pop_front_if(is_due) {
            if let Some(word) = owed.word.filter(|_| !owed.has_ended) {
                self.pass_word_on(&owed, word);
            }
        }
    }

    /// PUBACK or PUBREC with the application's word.
    fn pass_word_on(&mut self, owed: &Owed, word: ReasonCode) {
        let packet_id = owed.packet_id;
        let is_allowed = word.is_allowed_in(acknowledgement_of(owed.qos));
        let reason = if self.options.version.has_reason_codes() {
            nearest(word, is_allowed)
        } else {
            ReasonCode::Success
        };
        let properties = Properties::EMPTY;
        let acknowledgement = Acknowledgement {
            packet_id,
            reason,
            properties,
        };
        if owed.qos != QoS::ExactlyOnce {
            self.send(&Packet::PubAck(acknowledgement));
            return;
        }
        if owed.is_repeated {
            // The session knows of it.
        } else if reason.is_error() {
            // The exchange ends here, and the id is free.
            self.received_ids.release(packet_id);
            self.keep_incoming_ended(packet_id);
        } else {
            self.keep_received(packet_id);
        }
        self.send(&Packet::PubRec(acknowledgement));
    }

    /// The connection has ended: the server sends what was not acknowledged again, and the
    /// application is to have it again.
    pub(super) fn forget_unacknowledged(&mut self) {
        self.unacknowledged.connection += 1;
        for owed in std::mem::take(&mut self.unacknowledged.messages) {
            if owed.qos == QoS::ExactlyOnce && !owed.has_ended && !owed.is_repeated {
                self.received_ids.release(owed.packet_id);
            }
        }
    }
}

/// The packet that acknowledges a message, whose code the application chooses.
pub(crate) const fn acknowledgement_of(qos: QoS) -> PacketType {
    match qos {
        QoS::ExactlyOnce => PacketType::PubRec,
        QoS::AtMostOnce | QoS::AtLeastOnce => PacketType::PubAck,
    }
}
