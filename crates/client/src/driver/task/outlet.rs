//! What the session says, to the queues of those who want to hear it.

use std::time::Duration;

use columba_codec::{QoS, ReasonCode};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::Task;
use super::requests::Waiting;
use crate::driver::budget::Queued;
use crate::driver::{LastingEvent, Warning};
use crate::message::Incoming;
use crate::outcome::Failure;
use crate::session::{Input, Output};

/// How long an application that has streams may leave full events alone before messages at QoS 0 among them
/// are dropped.
const EVENTS_PATIENCE: Duration = Duration::from_secs(10);

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
                for (filter, code) in filters.iter().zip(&answer.codes) {
                    if code.is_error() {
                        self.streams.end(filter);
                    }
                }
            }
            Output::NotResubscribed { filters, failure } => {
                for filter in &filters {
                    self.streams.end(filter);
                }
                self.unanswered(Warning::NotResubscribed { filters, failure });
            }
            Output::Failed { token, failure } => match self.waiting.get(token) {
                Some(Waiting::Subscribe(..) | Waiting::Unsubscribe(..)) => {
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
        self.is_overfull = self.budget.is_used_up();
        if self.is_overfull && incoming.message.qos == QoS::AtMostOnce && self.awaits_answer() {
            self.is_overfull = false;
            self.stalled.miss_message();
            return;
        }
        let topic = &incoming.message.topic;
        let Some(mut at) = self.streams.next_match(0, topic) else {
            let queued = Queued::message(incoming, &self.budget);
            self.stalled.push_event(queued.into_event());
            return;
        };
        while let Some(next) = self.streams.next_match(at + 1, &incoming.message.topic) {
            self.offer(at, incoming.clone());
            at = next;
        }
        self.offer(at, incoming);
    }

    /// Hands a message to a stream, or keeps it until there is room and nothing is before it.
    fn offer(&mut self, stream: usize, incoming: Box<Incoming>) {
        let Some(sender) = self.streams.sender(stream) else {
            return;
        };
        let mut queued = Queued::message(incoming, &self.budget);
        if !self.stalled.has_stream_messages() {
            queued = match sender.try_send(queued) {
                Ok(()) => return,
                Err(TrySendError::Full(queued) | TrySendError::Closed(queued)) => queued,
            };
        }
        self.stalled.push_to_stream(sender.clone(), queued);
    }

    pub(super) fn unanswered(&mut self, warning: Warning) {
        self.event(LastingEvent::Warning(warning));
    }

    pub(super) fn event(&mut self, event: LastingEvent) {
        self.stalled.push_event(Queued::free(event));
    }

    pub(super) fn pass_events(&mut self) {
        if self.stalled.pass(&self.events, &self.budget) {
            self.ignored_since = None;
        }
        if self.stalled.has_droppable_events() {
            let now = Instant::now();
            self.ignored_since.get_or_insert(now);
            if self.patience_ends().is_some_and(|end| now >= end) {
                self.stalled.drop_droppable_events();
            }
        }
        self.release_acknowledgements();
    }

    /// When the messages at QoS 0 that wait among the events hold up the streams no longer.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        let holds_up = self.stalled.has_droppable_events() && self.streams.has_listener();
        let since = self.ignored_since.filter(|_| holds_up);
        Some(since? + EVENTS_PATIENCE)
    }

    /// Acknowledges what was taken past full queues, once they have room.
    fn release_acknowledgements(&mut self) {
        if self.stalled.has_messages() {
            return;
        }
        self.session.hold_acknowledgements(false);
        if self.keeping.is_some() {
            self.keep();
        } else {
            self.session.transmit(&mut self.outgoing);
        }
    }

    pub(super) fn forget_unwanted_events(&mut self) {
        if self.events.is_closed() {
            self.stalled.forget_events();
            self.release_acknowledgements();
            self.refuse_untaken();
        }
    }

    /// Refuses messages that were dropped with the events, as those in streams are acknowledged behind
    /// them. If nobody listens to a stream, the application is leaving, and they are to come again.
    fn refuse_untaken(&mut self) {
        if !self.streams.has_listener() {
            return;
        }
        for receipt in self.budget.take_untaken() {
            let reason = ReasonCode::ImplementationSpecificError;
            self.handle(Input::Acknowledge { receipt, reason });
        }
    }
}
