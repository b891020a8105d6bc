//! What the session says, to the queues of those who want to hear it.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Task;
use super::requests::Waiting;
use crate::driver::{LastingEvent, Warning};
use crate::message::Incoming;
use crate::outcome::Failure;
use crate::session::Output;

/// Something on its way out, and where to.
pub(super) enum Parcel {
    Event(LastingEvent),
    Message(mpsc::Sender<Box<Incoming>>, Box<Incoming>),
}

impl Task {
    pub(super) fn on_output(&mut self, output: Output) {
        match output {
            Output::Connected(accepted) => self.accepted = Some(*accepted),
            Output::Message(incoming) => self.on_message(incoming),
            Output::Published { token, answer } => self.on_published(token, Ok(answer)),
            Output::Subscribed { token, answer } | Output::Unsubscribed { token, answer } => {
                self.on_filter_answer(token, Ok(answer));
            }
            Output::Resubscribed { filters, answer } => {
                self.report_refused(&filters, &answer);
            }
            Output::NotResubscribed { filters, failure } => {
                self.unanswered(Warning::NotResubscribed { filters, failure });
            }
            Output::Failed { token, failure } => match self.waiting.get(token) {
                Some(Waiting::Subscribe(..) | Waiting::Unsubscribe(_)) => {
                    self.on_filter_answer(token, Err(failure));
                }
                Some(Waiting::Publish(..)) | None => self.on_published(token, Err(failure)),
            },
            Output::Challenged { data } => self.on_challenged(data),
            Output::Authenticated { data } => self.on_authenticated(data.as_deref()),
            Output::NotReauthenticated(failure) => self.fail_reauthentication(failure),
            Output::Closed(cause) => {
                self.fail_reauthentication(Failure::ConnectionLost);
                self.closed = Some(cause);
            }
        }
    }

    pub(super) fn on_message(&mut self, incoming: Box<Incoming>) {
        let topic = &incoming.message.topic;
        let Some(mut at) = self.streams.next_match(0, topic) else {
            self.event(LastingEvent::Message(incoming));
            return;
        };
        while let Some(next) = self.streams.next_match(at + 1, &incoming.message.topic) {
            self.offer(at, incoming.clone());
            at = next;
        }
        self.offer(at, incoming);
    }

    /// Hands a message to a stream, or keeps it until there is room and nothing is before it.
    fn offer(&mut self, stream: usize, mut incoming: Box<Incoming>) {
        let Some(sender) = self.streams.sender(stream) else {
            return;
        };
        if self.stalled.is_empty() {
            incoming = match sender.try_send(incoming) {
                Ok(()) => return,
                Err(TrySendError::Full(incoming) | TrySendError::Closed(incoming)) => incoming,
            };
        }
        self.stalled
            .push_back(Parcel::Message(sender.clone(), incoming));
    }

    pub(super) fn unanswered(&mut self, warning: Warning) {
        self.event(LastingEvent::Warning(warning));
    }

    pub(super) fn event(&mut self, event: LastingEvent) {
        self.stalled.push_back(Parcel::Event(event));
    }

    pub(super) fn pass_events(&mut self) {
        while let Some(parcel) = self.stalled.pop_front() {
            if let Some(parcel) = parcel.try_send(&self.events) {
                self.stalled.push_front(parcel);
                return;
            }
        }
    }

    pub(super) fn forget_unwanted_events(&mut self) {
        if self.events.is_closed() {
            self.stalled
                .retain(|parcel| matches!(parcel, Parcel::Message(..)));
        }
    }
}

impl Parcel {
    /// Gives the parcel back if there is no room for it.
    pub(super) fn try_send(self, events: &mpsc::Sender<LastingEvent>) -> Option<Self> {
        match self {
            Self::Event(event) => match events.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => None,
                Err(TrySendError::Full(event)) => Some(Self::Event(event)),
            },
            Self::Message(sender, incoming) => match sender.try_send(incoming) {
                Ok(()) => None,
                // Its stream was dropped a moment ago: as without a stream.
                Err(TrySendError::Closed(incoming)) => {
                    Self::Event(LastingEvent::Message(incoming)).try_send(events)
                }
                Err(TrySendError::Full(incoming)) => Some(Self::Message(sender, incoming)),
            },
        }
    }
}

/// Waits until the first parcel has room where it goes.
pub(super) async fn room(events: &mpsc::Sender<LastingEvent>, parcel: Option<&Parcel>) {
    // A receiver that is gone is room too: trying to send finds out.
    match parcel {
        Some(Parcel::Message(sender, _)) => drop(sender.reserve().await),
        Some(Parcel::Event(_)) | None => drop(events.reserve().await),
    }
}
