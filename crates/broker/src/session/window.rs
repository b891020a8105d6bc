//! Outgoing QoS 1 and 2 messages that the client has not settled.

use std::collections::VecDeque;

use columba_codec::{PacketId, QoS};

use super::Membership;
use super::queue::Delivery;
use crate::kept::KeptId;
use crate::query::InflightStep;

/// Sent and unsettled messages in first-sent order.
///
/// Packet ids are given out in a ring, so an id tells its place in the window: acknowledging is
/// one index, in whatever order the client does it. The window spans at most 65,534 ids from its
/// oldest message on, so an id is never used twice at a time (`MQTT-2.2.1-4`).
///
/// ```text
/// QoS 1:  Sent --PUBACK--> settled
/// QoS 2:  Sent --PUBREC--> Released (PUBREL sent) --PUBCOMP--> settled
///              \-PUBREC >= 0x80--> settled
/// ```
///
/// Where the store has to know of a QoS 2 message and its id before the client does, the message is
/// `Held` before it is `Sent`, and everything behind it waits in order.
///
/// Survives the connection: on resume, messages and PUBRELs go out again in first-sent order
/// (`MQTT-4.4.0-1`, `MQTT-4.6.0-1`).
#[derive(Debug, Default)]
pub(crate) struct Window {
    slots: VecDeque<Slot>,
    /// Number of the first slot, counted from the session's start.
    first: u64,
    /// Slots that are not settled.
    open: usize,
    /// Number of the first slot that was not sent on the present connection.
    unsent: u64,
    /// Number of the first slot whose PUBREL was not sent on the present connection.
    unreleased: u64,
    /// Unsettled slots whose PUBLISH was sent on the present connection: what the client's Receive
    /// Maximum counts.
    on_air: usize,
    /// Slots at the end that were held and never sent.
    held: usize,
    /// Bytes of all unsettled messages.
    bytes: usize,
    /// Whether something is to be sent when the store is further.
    is_waiting: bool,
    /// Shared subscriptions that the client has left while messages of theirs are in the window:
    /// if it goes without acknowledging them, their groups get them.
    left: Vec<Membership>,
}

#[derive(Debug)]
enum Slot {
    Settled,
    /// Never sent: its turn comes when the store has it.
    Held(Delivery),
    Sent(Delivery),
    Released {
        delivery: Delivery,
        /// Whether its PUBLISH was sent on the present connection.
        is_on_air: bool,
    },
}

impl Slot {
    /// The message, if it came by a shared subscription and may go to another member: a delivery
    /// of QoS 2 that has begun may not (`MQTT-4.8.2-5`).
    fn for_others(&self) -> Option<&Delivery> {
        let (delivery, was_sent) = match self {
            Self::Held(delivery) => (delivery, false),
            Self::Sent(delivery) => (delivery, true),
            Self::Settled | Self::Released { .. } => return None,
        };
        delivery.may_go_to_others(was_sent).then_some(delivery)
    }
}

/// The most slots that a window spans, so that ids stay unique.
pub(crate) const SPAN_MAX: usize = 65_534;

/// A step of the client that does not fit what was sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// No message with this packet id is open.
    UnknownId,
    /// The message is at another step or another QoS.
    WrongStep,
}

/// What is sent again on resume.
#[derive(Debug)]
pub(crate) enum Resend {
    /// The PUBLISH, with DUP.
    Publish(PacketId, Delivery),
    /// The PUBLISH, for the first time.
    First(PacketId, Delivery),
    /// The PUBREL.
    PubRel(PacketId),
    /// Nothing before its message is read back.
    Read,
    /// Nothing before the store is as far.
    Wait,
}

impl Window {
    /// Messages that are not settled.
    pub(crate) const fn len(&self) -> usize {
        self.open
    }

    /// Whether another message may be sent to a client with this Receive Maximum
    /// (`MQTT-3.3.4-9`): there is quota, the unsettled ones are not too many bytes, and nothing
    /// older waits to be sent again.
    pub(crate) fn has_room(&self, receive_maximum: u16, bytes_max: usize) -> bool {
        (self.open == 0 || self.bytes < bytes_max)
            && self.on_air + self.held < usize::from(receive_maximum)
            && self.slots.len() < SPAN_MAX
            && self.unsent + self.held as u64 == self.end()
    }

    /// Whether messages are held: others have to stand behind them.
    pub(crate) const fn has_held(&self) -> bool {
        self.held > 0
    }

    /// Something is to be sent when the store is further. Returns whether that was known.
    pub(crate) const fn wait(&mut self) -> bool {
        std::mem::replace(&mut self.is_waiting, true)
    }

    /// The store is further.
    pub(crate) const fn go_on(&mut self) {
        self.is_waiting = false;
    }

    /// Starts over on a new connection: everything open is to be sent again.
    pub(crate) fn reconnected(&mut self) {
        self.unsent = self.first;
        self.unreleased = self.first;
        self.on_air = 0;
        self.held = 0;
        for slot in &mut self.slots {
            if let Slot::Released { is_on_air, .. } = slot {
                *is_on_air = false;
            }
        }
    }

    /// The next thing to send again, or at last, in first-sent order; it counts as sent. The
    /// client's Receive Maximum holds back PUBLISH packets and nothing else (`MQTT-3.3.4-10`).
    ///
    /// `is_stored` tells whether the store has what it has to know before the next step, `is_here`
    /// whether a message is in memory.
    pub(crate) fn resend_next(
        &mut self,
        receive_maximum: u16,
        is_stored: impl Fn(&Delivery) -> bool,
        is_here: impl Fn(&Delivery) -> bool,
    ) -> Option<Resend> {
        while self.unsent < self.end() {
            let number = self.unsent;
            match self.slots.get_mut((number - self.first) as usize) {
                Some(slot @ Slot::Held(_)) => {
                    if self.on_air >= usize::from(receive_maximum) {
                        break;
                    }
                    let Slot::Held(delivery) = slot else { break };
                    if !is_stored(delivery) {
                        return Some(Resend::Wait);
                    }
                    if !is_here(delivery) {
                        return Some(Resend::Read);
                    }
                    let delivery = delivery.clone();
                    *slot = Slot::Sent(delivery.clone());
                    self.held = self.held.saturating_sub(1);
                    self.unsent += 1;
                    self.on_air += 1;
                    return Some(Resend::First(id_of(number), delivery));
                }
                Some(Slot::Sent(delivery)) => {
                    if self.on_air >= usize::from(receive_maximum) {
                        break;
                    }
                    if !is_here(delivery) {
                        return Some(Resend::Read);
                    }
                    self.unsent += 1;
                    self.on_air += 1;
                    return Some(Resend::Publish(id_of(number), delivery.clone()));
                }
                Some(Slot::Released { delivery, .. }) => {
                    if number >= self.unreleased && !is_stored(delivery) {
                        return Some(Resend::Wait);
                    }
                    self.unsent += 1;
                    if number >= self.unreleased {
                        self.unreleased = number + 1;
                        return Some(Resend::PubRel(id_of(number)));
                    }
                }
                Some(Slot::Settled) | None => self.unsent += 1,
            }
        }
        self.unreleased = self.unreleased.max(self.unsent);
        while self.unreleased < self.end() {
            let number = self.unreleased;
            let slot = self.slots.get((number - self.first) as usize);
            if let Some(Slot::Released { delivery, .. }) = slot {
                if !is_stored(delivery) {
                    return Some(Resend::Wait);
                }
                self.unreleased += 1;
                return Some(Resend::PubRel(id_of(number)));
            }
            self.unreleased += 1;
        }
        None
    }

    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// The id that the next message gets.
    pub(crate) fn next_id(&self) -> PacketId {
        id_of(self.first + self.slots.len() as u64)
    }

    /// Adds a message that is about to be sent with [`Self::next_id`].
    pub(crate) fn push(&mut self, delivery: Delivery) -> PacketId {
        let id = self.next_id();
        self.bytes += delivery.size_bytes();
        self.slots.push_back(Slot::Sent(delivery));
        self.open += 1;
        self.on_air += 1;
        self.unsent = self.end();
        self.unreleased = self.unsent;
        id
    }

    /// Adds a message that is to be sent with [`Self::next_id`] when the store has it, behind others
    /// of this kind. [`Self::resend_next`] does it.
    pub(crate) fn push_held(&mut self, delivery: Delivery) -> PacketId {
        let id = self.next_id();
        self.bytes += delivery.size_bytes();
        self.slots.push_back(Slot::Held(delivery));
        self.open += 1;
        self.held += 1;
        id
    }

    /// Adds an unfinished delivery that was found in the store, in the order of their ids.
    pub(crate) fn restore(&mut self, id: PacketId, delivery: Delivery, step: InflightStep) {
        if self.slots.is_empty() {
            self.first = u64::from(id.get()) - 1;
        }
        while self.next_id() != id && self.slots.len() < SPAN_MAX {
            self.slots.push_back(Slot::Settled);
        }
        self.bytes += delivery.size_bytes();
        self.open += 1;
        self.slots.push_back(match step {
            InflightStep::Released => Slot::Released {
                delivery,
                is_on_air: false,
            },
            InflightStep::Sent => Slot::Sent(delivery),
            InflightStep::Held => Slot::Held(delivery),
        });
        self.reconnected();
    }

    /// The delivery that has a packet id.
    pub(crate) fn delivery_mut(&mut self, id: PacketId) -> Option<&mut Delivery> {
        match self.slot_mut(id).ok()? {
            Slot::Held(delivery) | Slot::Sent(delivery) | Slot::Released { delivery, .. } => {
                Some(delivery)
            }
            Slot::Settled => None,
        }
    }

    /// What is not settled, oldest first, with how far it has come.
    pub(crate) fn open(&self) -> impl Iterator<Item = (PacketId, &Delivery, InflightStep)> {
        self.slots
            .iter()
            .zip(self.first..)
            .filter_map(|(slot, number)| {
                let (delivery, step) = match slot {
                    Slot::Settled => return None,
                    Slot::Held(delivery) => (delivery, InflightStep::Held),
                    Slot::Sent(delivery) => (delivery, InflightStep::Sent),
                    Slot::Released { delivery, .. } => (delivery, InflightStep::Released),
                };
                Some((id_of(number), delivery, step))
            })
    }

    /// The next messages to be sent again that lean on kept ones, up to `count`.
    pub(crate) fn leaning(&self, count: usize) -> impl Iterator<Item = KeptId> {
        let unsent = (self.unsent - self.first) as usize;
        let slots = self.slots.iter().skip(unsent).take(count);
        slots.filter_map(|slot| match slot {
            Slot::Held(delivery) | Slot::Sent(delivery) if delivery.message.is_none() => {
                Some(delivery.kept?.message)
            }
            Slot::Sent(_) | Slot::Settled | Slot::Held(_) | Slot::Released { .. } => None,
        })
    }

    /// The packet id of a message that leans on a kept one, was not sent again, and stands among the
    /// next `count`.
    pub(crate) fn id_of_leaning(&self, message: KeptId, count: usize) -> Option<PacketId> {
        let unsent = (self.unsent - self.first) as usize;
        let mut slots = self.slots.iter().enumerate().skip(unsent).take(count);
        let position = slots.find_map(|(position, slot)| match slot {
            Slot::Held(delivery) | Slot::Sent(delivery) => {
                let is_it = delivery.kept.is_some_and(|of| of.message == message);
                (is_it && delivery.message.is_none()).then_some(position)
            }
            Slot::Settled | Slot::Released { .. } => None,
        })?;
        Some(id_of(self.first + position as u64))
    }

    /// PUBACK: settles a QoS 1 message.
    pub(crate) fn acknowledge(&mut self, id: PacketId) -> Result<Delivery, Mismatch> {
        let slot = self.slot_mut(id)?;
        match slot {
            Slot::Sent(delivery) if delivery.qos == QoS::AtLeastOnce => self.settle(id),
            Slot::Sent(_) | Slot::Released { .. } => Err(Mismatch::WrongStep),
            Slot::Settled | Slot::Held(_) => Err(Mismatch::UnknownId),
        }
    }

    /// PUBREC without an error: the message is released. A PUBREC that comes again is answered
    /// again. Returns whether it is the first.
    pub(crate) fn release(&mut self, id: PacketId) -> Result<bool, Mismatch> {
        let is_on_air = self.was_sent(id);
        let slot = self.slot_mut(id)?;
        match std::mem::replace(slot, Slot::Settled) {
            Slot::Sent(delivery) if delivery.qos == QoS::ExactlyOnce => {
                *slot = Slot::Released {
                    delivery,
                    is_on_air,
                };
                Ok(true)
            }
            released @ Slot::Released { .. } => {
                *slot = released;
                Ok(false)
            }
            other @ Slot::Sent(_) => {
                *slot = other;
                Err(Mismatch::WrongStep)
            }
            held @ Slot::Held(_) => {
                *slot = held;
                Err(Mismatch::UnknownId)
            }
            Slot::Settled => Err(Mismatch::UnknownId),
        }
    }

    /// PUBREC with an error: ends the exchange; no PUBREL follows, the id is free at once.
    pub(crate) fn refuse(&mut self, id: PacketId) -> Result<Delivery, Mismatch> {
        let slot = self.slot_mut(id)?;
        match slot {
            Slot::Sent(delivery) if delivery.qos == QoS::ExactlyOnce => self.settle(id),
            Slot::Sent(_) | Slot::Released { .. } => Err(Mismatch::WrongStep),
            Slot::Settled | Slot::Held(_) => Err(Mismatch::UnknownId),
        }
    }

    /// A message that nobody gets is settled, whether it was sent before or not.
    pub(crate) fn lose(&mut self, id: PacketId) -> Result<Delivery, Mismatch> {
        match self.slot_mut(id)? {
            Slot::Held(_) => {
                self.held = self.held.saturating_sub(1);
                self.settle(id)
            }
            Slot::Sent(_) => self.settle(id),
            Slot::Released { .. } => Err(Mismatch::WrongStep),
            Slot::Settled => Err(Mismatch::UnknownId),
        }
    }

    /// PUBCOMP: settles a released QoS 2 message.
    pub(crate) fn complete(&mut self, id: PacketId) -> Result<Delivery, Mismatch> {
        let slot = self.slot_mut(id)?;
        match slot {
            Slot::Released { .. } => self.settle(id),
            Slot::Sent(_) => Err(Mismatch::WrongStep),
            Slot::Settled | Slot::Held(_) => Err(Mismatch::UnknownId),
        }
    }

    /// All unsettled messages with how far they have come, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Delivery, InflightStep)> {
        self.open = 0;
        self.bytes = 0;
        self.on_air = 0;
        self.held = 0;
        self.first = self.end();
        self.unsent = self.first;
        self.unreleased = self.first;
        std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Settled => None,
                Slot::Held(delivery) => Some((delivery, InflightStep::Held)),
                Slot::Sent(delivery) => Some((delivery, InflightStep::Sent)),
                Slot::Released { delivery, .. } => Some((delivery, InflightStep::Released)),
            })
    }

    /// Takes out what came by a shared subscription and may go to others. The client is gone:
    /// [`Self::reconnected`] follows before anything is sent.
    pub(crate) fn take_shared(&mut self, is_taken: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let mut taken = Vec::new();
        let sent = self.unsent - self.first;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            if slot.for_others().is_some_and(&is_taken)
                && let Slot::Held(delivery) | Slot::Sent(delivery) =
                    std::mem::replace(slot, Slot::Settled)
            {
                self.bytes -= delivery.size_bytes();
                taken.push(delivery);
                self.open -= 1;
                self.on_air -= usize::from((position as u64) < sent);
            }
        }
        self.trim();
        taken
    }

    /// Takes out some of what is held back.
    pub(crate) fn take_held(&mut self, is_taken: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let mut taken = Vec::new();
        for slot in &mut self.slots {
            if matches!(slot, Slot::Held(delivery) if is_taken(delivery))
                && let Slot::Held(delivery) = std::mem::replace(slot, Slot::Settled)
            {
                self.bytes -= delivery.size_bytes();
                taken.push(delivery);
                self.open -= 1;
                self.held = self.held.saturating_sub(1);
            }
        }
        self.trim();
        taken
    }

    /// Notes that the client has left a shared subscription, if messages of it are in the window
    /// that may go to others. There are never more notes than such messages.
    pub(crate) fn note_left(&mut self, membership: Membership) {
        let Self { slots, left, .. } = self;
        let has_messages = |membership: &Membership| {
            let mut others = slots.iter().filter_map(Slot::for_others);
            others.any(|delivery| delivery.membership == membership.number)
        };
        if !has_messages(&membership) {
            return;
        }
        if left.len() >= self.open {
            left.retain(has_messages);
        }
        left.push(membership);
    }

    /// The shared subscriptions that the client has left; forgets them.
    pub(crate) fn take_left(&mut self) -> Vec<Membership> {
        std::mem::take(&mut self.left)
    }

    /// Whether the PUBLISH with an id was sent on the present connection.
    fn was_sent(&self, id: PacketId) -> bool {
        self.first + u64::from(self.position(id)) < self.unsent
    }

    /// Ids run from 1 to 65,535 and around.
    fn position(&self, id: PacketId) -> u32 {
        let first_id = id_of(self.first).get();
        (u32::from(id.get()) + 65_535 - u32::from(first_id)) % 65_535
    }

    fn slot_mut(&mut self, id: PacketId) -> Result<&mut Slot, Mismatch> {
        let position = self.position(id);
        self.slots
            .get_mut(position as usize)
            .ok_or(Mismatch::UnknownId)
    }

    fn settle(&mut self, id: PacketId) -> Result<Delivery, Mismatch> {
        let was_sent = self.was_sent(id);
        let slot = self.slot_mut(id)?;
        let (delivery, is_on_air) = match std::mem::replace(slot, Slot::Settled) {
            Slot::Held(delivery) | Slot::Sent(delivery) => (delivery, was_sent),
            Slot::Released {
                delivery,
                is_on_air,
            } => (delivery, is_on_air),
            Slot::Settled => return Err(Mismatch::UnknownId),
        };
        self.bytes -= delivery.size_bytes();
        self.open -= 1;
        self.on_air -= usize::from(is_on_air);
        self.trim();
        Ok(delivery)
    }

    fn trim(&mut self) {
        while matches!(self.slots.front(), Some(Slot::Settled)) {
            self.slots.pop_front();
            self.first += 1;
        }
        self.unsent = self.unsent.max(self.first);
        self.unreleased = self.unreleased.max(self.first);
        if self.slots.is_empty() {
            self.left = Vec::new();
        }
        if self.slots.is_empty() && self.slots.capacity() > 256 {
            self.slots = VecDeque::new();
        }
    }
}

fn id_of(number: u64) -> PacketId {
    PacketId::new((number % 65_535) as u16 + 1).unwrap_or(PacketId::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, MessageParts, NEVER_MS};

    fn delivery(qos: QoS) -> Delivery {
        let message = Message::new(MessageParts {
            topic: "t",
            properties: &[],
            payload: b"",
            qos,
            retain: false,
            expires_at_ms: NEVER_MS,
            publisher: 0,
            number: 0,
        });
        Delivery::new(message, qos, false)
    }

    #[test]
    fn ids_are_unique_and_come_around() {
        // MQTT-2.2.1-4, MQTT-4.3.2-1
        let mut window = Window::default();
        let stuck = window.push(delivery(QoS::AtLeastOnce));
        let mut last = stuck;
        while window.has_room(u16::MAX, usize::MAX) {
            last = window.push(delivery(QoS::AtLeastOnce));
            assert_ne!(last, stuck);
            window.acknowledge(last).expect("open");
        }
        assert_eq!(window.len(), 1);
        assert_eq!(last.get(), 65_534);
        window.acknowledge(stuck).expect("open");
        assert!(window.has_room(u16::MAX, usize::MAX));
        assert_eq!(window.push(delivery(QoS::AtLeastOnce)).get(), 65_535);
        assert_eq!(window.push(delivery(QoS::AtLeastOnce)).get(), 1);
    }

    #[test]
    fn acknowledgements_in_any_order_settle_their_own_message() {
        let mut window = Window::default();
        let ids: Vec<_> = (0..5)
            .map(|_| window.push(delivery(QoS::AtLeastOnce)))
            .collect();
        for id in [ids[3], ids[0], ids[4], ids[2]] {
            assert!(window.acknowledge(id).is_ok());
            assert_eq!(window.acknowledge(id).err(), Some(Mismatch::UnknownId));
        }
        window.reconnected();
        assert!(
            matches!(window.resend_next(9, |_| true, |_| true), Some(Resend::Publish(id, _)) if id == ids[1])
        );
        assert!(window.resend_next(9, |_| true, |_| true).is_none());
    }

    #[test]
    fn a_lower_receive_maximum_after_reconnecting_is_kept() {
        // MQTT-4.4.0-1, MQTT-4.9.0-2
        let mut window = Window::default();
        let ids: Vec<_> = (0..3)
            .map(|_| window.push(delivery(QoS::AtLeastOnce)))
            .collect();
        window.reconnected();
        assert!(
            matches!(window.resend_next(1, |_| true, |_| true), Some(Resend::Publish(id, _)) if id == ids[0])
        );
        assert!(window.resend_next(1, |_| true, |_| true).is_none());
        assert!(!window.has_room(9, usize::MAX), "older messages go first");
        window.acknowledge(ids[0]).expect("open");
        assert!(
            matches!(window.resend_next(1, |_| true, |_| true), Some(Resend::Publish(id, _)) if id == ids[1])
        );
        window.acknowledge(ids[1]).expect("open");
        assert!(
            matches!(window.resend_next(1, |_| true, |_| true), Some(Resend::Publish(id, _)) if id == ids[2])
        );
        window.acknowledge(ids[2]).expect("open");
        assert!(window.has_room(1, usize::MAX));
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn qos_2_goes_step_by_step() {
        // MQTT-4.3.3-4, MQTT-4.3.3-5, MQTT-4.3.3-6
        let mut window = Window::default();
        let id = window.push(delivery(QoS::ExactlyOnce));
        assert_eq!(window.acknowledge(id).err(), Some(Mismatch::WrongStep));
        assert_eq!(window.complete(id).err(), Some(Mismatch::WrongStep));
        assert_eq!(window.release(id), Ok(true));
        assert_eq!(
            window.release(id),
            Ok(false),
            "a repeated PUBREC is answered again"
        );
        window.reconnected();
        assert!(
            matches!(window.resend_next(9, |_| true, |_| true), Some(Resend::PubRel(again)) if again == id)
        );
        assert!(window.complete(id).is_ok());
        assert_eq!(window.complete(id).err(), Some(Mismatch::UnknownId));
    }

    #[test]
    fn receive_maximum_is_a_bound() {
        // MQTT-3.3.4-9, MQTT-4.9.0-2
        let mut window = Window::default();
        for _ in 0..3 {
            assert!(window.has_room(3, usize::MAX));
            window.push(delivery(QoS::AtLeastOnce));
        }
        assert!(!window.has_room(3, usize::MAX));
    }

    #[test]
    fn bytes_are_a_bound_that_never_holds_up_a_single_message() {
        let mut window = Window::default();
        assert!(window.has_room(9, 0));
        let id = window.push(delivery(QoS::AtLeastOnce));
        assert!(!window.has_room(9, 1) && window.has_room(9, 2));
        window.acknowledge(id).expect("open");
        assert!(window.has_room(9, 0));
    }
}
