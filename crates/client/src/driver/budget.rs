//! How many bytes of messages wait for the application in the queues of one client.

#![expect(
    clippy::disallowed_types,
    reason = "the application drops what waits for it on threads of its own"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::LastingEvent;
use crate::message::Incoming;
use crate::session::Receipt;

/// What the events and the streams of a client hold together.
///
/// Half of it is the events' alone: who takes no events keeps nothing from the streams.
#[derive(Debug)]
pub(super) struct Budget {
    /// In the streams, and before full queues.
    held_bytes: AtomicUsize,
    /// In the queue of the events.
    events_bytes: AtomicUsize,
    /// Of either.
    bytes_max: usize,
    /// For the one task that waits for room.
    room: Notify,
    /// Of messages that wait for their acknowledgement by hand and were dropped with the events. No more
    /// than the client's Receive Maximum.
    untaken: Mutex<Vec<Receipt>>,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            held_bytes: AtomicUsize::new(0),
            events_bytes: AtomicUsize::new(0),
            bytes_max: (bytes_max / 2).max(1),
            room: Notify::new(),
            untaken: Mutex::default(),
        })
    }

    /// Whether the streams may hold no more.
    pub(super) fn is_used_up(&self) -> bool {
        self.held_bytes.load(Ordering::Relaxed) >= self.bytes_max
    }

    /// Whether the queue of the events may hold no more.
    pub(super) fn is_used_up_by_events(&self) -> bool {
        self.events_bytes.load(Ordering::Relaxed) >= self.bytes_max
    }

    /// What nobody will acknowledge since it was dropped with the events.
    pub(super) fn take_untaken(&self) -> Vec<Receipt> {
        std::mem::take(&mut *self.untaken())
    }

    fn untaken(&self) -> MutexGuard<'_, Vec<Receipt>> {
        // Whole whatever panics.
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until either may no longer be used up, or something was dropped with the events. Cancel safe.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    fn take(self: &Arc<Self>, bytes: usize) -> Share {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        Share {
            budget: Arc::clone(self),
            bytes,
            is_in_events: false,
            receipt: None,
        }
    }

    fn give_back(&self, held: &AtomicUsize, bytes: usize) {
        let before = held.fetch_sub(bytes, Ordering::Relaxed);
        if before >= self.bytes_max && before - bytes < self.bytes_max {
            self.room.notify_one();
        }
    }
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
struct Share {
    budget: Arc<Budget>,
    bytes: usize,
    is_in_events: bool,
    /// Of a message among the events, until it is taken.
    receipt: Option<Receipt>,
}

impl Share {
    fn move_to_events(&mut self) {
        let budget = &self.budget;
        budget.events_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        budget.give_back(&budget.held_bytes, self.bytes);
        self.is_in_events = true;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let budget = &self.budget;
        let held = if self.is_in_events {
            &budget.events_bytes
        } else {
            &budget.held_bytes
        };
        budget.give_back(held, self.bytes);
        if let Some(receipt) = self.receipt {
            budget.untaken().push(receipt);
            budget.room.notify_one();
        }
    }
}

/// What waits in a queue. Its part of the budget is given back when the application takes it, and when the
/// queue is dropped with what is in it.
#[derive(Debug)]
pub(super) struct Queued<T> {
    item: T,
    share: Option<Share>,
}

impl Queued<Box<Incoming>> {
    pub(super) fn message(incoming: Box<Incoming>, budget: &Arc<Budget>) -> Self {
        Self {
            share: Some(budget.take(incoming.held_bytes())),
            item: incoming,
        }
    }

    /// The message as an event.
    pub(super) fn into_event(mut self) -> Queued<LastingEvent> {
        if let Some(share) = &mut self.share {
            share.receipt = self.item.receipt;
        }
        Queued {
            item: LastingEvent::Message(self.item),
            share: self.share,
        }
    }
}

impl<T> Queued<T> {
    /// Something that is small, and whose number is bounded in another way.
    pub(super) fn free(item: T) -> Self {
        Self { item, share: None }
    }

    /// Counts it with what is in the queue of the events from now on.
    pub(super) fn in_events(mut self) -> Self {
        if let Some(share) = &mut self.share {
            share.move_to_events();
        }
        self
    }

    pub(super) fn item(&self) -> &T {
        &self.item
    }

    /// Hands it to the application.
    pub(super) fn into_item(mut self) -> T {
        if let Some(share) = &mut self.share {
            share.receipt = None;
        }
        self.item
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::message::{Incoming, Message};

    fn queued(payload_bytes: usize, budget: &Arc<Budget>) -> Queued<Box<Incoming>> {
        let message = Message::new("t", vec![0; payload_bytes]);
        let incoming = Incoming {
            message,
            dup: false,
            packet_id: None,
            subscription_identifiers: Vec::new(),
            topic_alias: None,
            receipt: None,
        };
        Queued::message(Box::new(incoming), budget)
    }

    fn has_room(budget: &Budget) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(budget.room()).poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn what_is_dropped_or_taken_is_given_back_and_makes_room() {
        let budget = Budget::new(20_000);
        let dropped = queued(6_000, &budget);
        assert!(!budget.is_used_up());
        let taken = queued(6_000, &budget).into_event();
        assert!(budget.is_used_up() && !has_room(&budget));
        drop(taken.into_item());
        assert!(!budget.is_used_up() && has_room(&budget));
        drop(dropped);
        assert!(!has_room(&budget), "nobody waited for more");
        assert_eq!(budget.held_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_in_the_events_takes_nothing_from_the_streams() {
        let budget = Budget::new(20_000);
        let event = queued(12_000, &budget);
        assert!(budget.is_used_up());
        let event = event.in_events();
        assert!(budget.is_used_up_by_events() && !budget.is_used_up() && has_room(&budget));
        let in_stream = queued(12_000, &budget);
        assert!(budget.is_used_up() && !has_room(&budget));
        drop(event);
        assert!(!budget.is_used_up_by_events() && budget.is_used_up() && has_room(&budget));
        drop(in_stream);
        assert_eq!(budget.held_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(budget.events_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_message_counts_with_its_properties() {
        let mut incoming = Incoming {
            message: Message::new("t", "p"),
            dup: false,
            packet_id: None,
            subscription_identifiers: Vec::new(),
            topic_alias: None,
            receipt: None,
        };
        let plain = incoming.held_bytes();
        incoming.subscription_identifiers = vec![1; 1_000];
        incoming.message.properties.user_properties = vec![(String::new(), String::new()); 1_000];
        assert!(incoming.held_bytes() >= plain + 1_000 * (4 + 2 * size_of::<String>()));
    }
}
