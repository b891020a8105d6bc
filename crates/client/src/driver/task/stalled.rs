//! What the queues of those who listen have no room for.

use std::collections::VecDeque;

use columba_codec::QoS;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::driver::budget::{Budget, Queued};
use crate::driver::stream::Way;
use crate::driver::{LastingEvent, Warning};
use crate::message::Incoming;

/// Warnings, ends and beginnings of connections that wait for room. Of more, the oldest are only
/// counted: nothing may wait for somebody who keeps the events and does not take them.
const NOTICES_MAX: usize = 256;

type Message = Queued<Box<Incoming>>;

/// Waits for room, in two queues: a stream that is full holds up no event, nor the other way round.
#[derive(Default)]
pub(super) struct Stalled {
    events: VecDeque<Queued<LastingEvent>>,
    /// Those among the events that are no message.
    notices: usize,
    /// Those among the events that are messages at QoS 0.
    droppable: usize,
    /// Notices that were dropped since the last that was taken.
    missed: u64,
    /// Likewise messages at QoS 0.
    missed_messages: u64,
    streams: VecDeque<(Way, Message)>,
}

impl Stalled {
    pub(super) fn is_empty(&self) -> bool {
        !self.has_events() && self.streams.is_empty()
    }

    fn has_events(&self) -> bool {
        !self.events.is_empty() || self.missed_messages > 0
    }

    /// Whether a message at QoS 0 waits among the events.
    pub(super) fn has_droppable_events(&self) -> bool {
        self.droppable > 0
    }

    /// Drops and counts them.
    pub(super) fn drop_droppable_events(&mut self) {
        self.missed_messages += self.droppable as u64;
        self.droppable = 0;
        self.events.retain(|event| !is_droppable(event.item()));
    }

    /// Whether a message waits: those are never dropped, so that no more may come.
    pub(super) fn has_messages(&self) -> bool {
        self.events.len() > self.notices || self.has_stream_messages()
    }

    pub(super) fn has_stream_messages(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(super) fn push_event(&mut self, event: Queued<LastingEvent>) {
        if is_notice(event.item()) {
            self.notices += 1;
            if self.notices > NOTICES_MAX
                && let Some(oldest) = self.events.iter().position(|event| is_notice(event.item()))
            {
                self.events.remove(oldest);
                self.notices -= 1;
                self.missed += 1;
            }
        }
        self.droppable += usize::from(is_droppable(event.item()));
        self.events.push_back(event);
    }

    /// A message at QoS 0 is dropped, and nothing of it is left but that.
    pub(super) fn miss_message(&mut self) {
        self.missed_messages += 1;
    }

    pub(super) fn push_to_stream(&mut self, sender: Way, message: Message) {
        self.streams.push_back((sender, message));
    }

    /// Moves on what there is room for, and says whether an event was among it.
    pub(super) fn pass(
        &mut self,
        events: &mpsc::Sender<Queued<LastingEvent>>,
        budget: &Budget,
    ) -> bool {
        while let Some((sender, message)) = self.streams.pop_front() {
            match sender.try_send(message) {
                Ok(()) => {}
                // Its stream was dropped a moment ago: as without a stream.
                Err(TrySendError::Closed(message)) => {
                    self.push_event(message.into_event());
                }
                Err(TrySendError::Full(message)) => {
                    self.streams.push_front((sender, message));
                    break;
                }
            }
        }
        let mut has_passed_event = false;
        // That nobody is there any more is found out when what was in the queue is given back.
        while self.has_events() && !budget.is_used_up_by_events() {
            match events.try_reserve() {
                Ok(permit) => {
                    if let Some(event) = self.pop_event() {
                        permit.send(event.in_events());
                        has_passed_event = true;
                    }
                }
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => {
                    self.forget_events();
                    break;
                }
            }
        }
        has_passed_event
    }

    /// The next event; what was missed stands before those that were kept.
    fn pop_event(&mut self) -> Option<Queued<LastingEvent>> {
        if self.missed > 0 {
            let events = std::mem::take(&mut self.missed);
            let missed = LastingEvent::Warning(Warning::EventsMissed { events });
            return Some(Queued::free(missed));
        }
        if self.missed_messages > 0 {
            let messages = std::mem::take(&mut self.missed_messages);
            let missed = LastingEvent::Warning(Warning::MessagesMissed { messages });
            return Some(Queued::free(missed));
        }
        let event = self.events.pop_front()?;
        self.notices -= usize::from(is_notice(event.item()));
        self.droppable -= usize::from(is_droppable(event.item()));
        Some(event)
    }

    /// Nobody takes events any more.
    pub(super) fn forget_events(&mut self) {
        self.events.clear();
        self.notices = 0;
        self.droppable = 0;
        self.missed = 0;
        self.missed_messages = 0;
    }

    /// Waits until one of them may have room; for events no longer than `events_have_bytes`, or it would
    /// not wait at all. Cancel safe.
    pub(super) async fn room(
        &self,
        events: &mpsc::Sender<Queued<LastingEvent>>,
        events_have_bytes: bool,
    ) {
        // A receiver that is gone is room too: trying to send finds out.
        let stream = self.streams.front();
        tokio::select! {
            _ = events.reserve(), if self.has_events() && events_have_bytes => {}
            () = stream_room(stream.map(|(sender, _)| sender)), if stream.is_some() => {}
            else => std::future::pending().await,
        }
    }

    /// Hands over all that waits, and `last` as the last events, however long it takes. Each stream ends
    /// once it has its messages, whoever else does not take his.
    pub(super) async fn finish(
        mut self,
        events: mpsc::Sender<Queued<LastingEvent>>,
        last: Vec<LastingEvent>,
    ) {
        // A task for each: who waits for the end of a stream may be the one who takes no events, and
        // streams may be taken one after the other.
        let mut streams: Vec<(Way, Vec<Message>)> = Vec::new();
        for (sender, message) in std::mem::take(&mut self.streams) {
            match streams.iter_mut().find(|(s, _)| s.same_channel(&sender)) {
                Some((_, messages)) => messages.push(message),
                None => streams.push((sender, vec![message])),
            }
        }
        for (sender, messages) in streams {
            tokio::spawn(async move {
                for message in messages {
                    // Nobody there is nobody to tell.
                    if sender.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
        while let Some(event) = self.pop_event() {
            if events.send(event).await.is_err() {
                return;
            }
        }
        for event in last {
            if events.send(Queued::free(event)).await.is_err() {
                return;
            }
        }
    }
}

async fn stream_room(sender: Option<&Way>) {
    if let Some(sender) = sender {
        drop(sender.reserve().await);
    }
}

/// Whether a message is one that may be dropped and counted.
fn is_droppable(event: &LastingEvent) -> bool {
    matches!(event, LastingEvent::Message(incoming) if incoming.message.qos == QoS::AtMostOnce)
}

/// Whether an event may be dropped and counted.
fn is_notice(event: &LastingEvent) -> bool {
    !matches!(event, LastingEvent::Message(_) | LastingEvent::Ended(_))
}
