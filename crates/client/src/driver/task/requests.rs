//! Requests of the application on their way in, and their answers on the way back.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{REQUESTS_A_TURN_MAX, Task};
use crate::driver::{Reply, Request, Warning};
use crate::outcome::{Answer, CloseCause, Failure, FilterAnswer};
use crate::session::{Input, Token};

/// Tokens are never used twice in a process, so a resumed session cannot mix up its requests.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

/// A session of an earlier process has used lower ones.
pub(in crate::driver) fn tokens_from(next: Token) {
    NEXT_TOKEN.fetch_max(next, Ordering::Relaxed);
}

/// Who waits for an answer, and what it is about.
pub(super) enum Waiting {
    Publish(String, Reply<Answer>),
    Subscribe(Vec<String>, Reply<FilterAnswer>),
    Unsubscribe(Vec<String>, Reply<FilterAnswer>),
}

impl Task {
    /// Looks at a request, and at those that wait behind it, so that what they make is written at once.
    pub(super) fn on_requests(&mut self, first: Request) {
        self.on_request(first);
        for _ in 1..REQUESTS_A_TURN_MAX {
            if !self.takes_requests() {
                return;
            }
            let Ok(request) = self.requests.try_recv() else {
                return;
            };
            self.on_request(request);
        }
    }

    pub(super) fn on_request(&mut self, request: Request) {
        let token = NEXT_TOKEN.fetch_add(1, Ordering::Relaxed);
        match request {
            Request::Publish(message, reply) => {
                self.waiting
                    .push(token, Waiting::Publish(message.topic.clone(), reply));
                self.handle(Input::Publish { token, message });
            }
            Request::Subscribe(subscription, stream, reply) => {
                let filters = subscription
                    .filters
                    .iter()
                    .map(|(filter, _)| filter.clone())
                    .collect::<Vec<_>>();
                if let Some(sender) = stream {
                    self.streams.add(token, &filters, sender);
                }
                self.waiting.push(token, Waiting::Subscribe(filters, reply));
                self.handle(Input::Subscribe {
                    token,
                    subscription,
                });
            }
            Request::Unsubscribe(filters, user_properties, reply) => {
                self.waiting
                    .push(token, Waiting::Unsubscribe(filters.clone(), reply));
                self.handle(Input::Unsubscribe {
                    token,
                    filters,
                    user_properties,
                });
            }
            Request::Acknowledge(receipt, reason) => {
                self.handle(Input::Acknowledge { receipt, reason });
            }
            Request::Reauthenticate(reply) => self.on_reauthenticate(reply),
            Request::Abandon => {
                self.abandoned = true;
                self.on_transport_end(None);
                self.closed.get_or_insert(CloseCause::Lost);
            }
            Request::Disconnect {
                reason,
                until,
                reply,
            } => {
                // What was acknowledged before may stand in the other queue.
                while let Ok(request) = self.urgent.try_recv() {
                    self.on_request(request);
                }
                self.start_leaving(reason, until, Some(reply));
            }
        }
    }

    pub(super) fn on_published(&mut self, token: Token, answer: Result<Answer, Failure>) {
        let (topic, unheard) = match self.waiting.remove(token) {
            Some(Waiting::Publish(topic, reply)) => (topic, reply.send(answer).err()),
            _ => ("of an earlier connection".to_owned(), Some(answer)),
        };
        match unheard {
            Some(Ok(answer)) if answer.reason.is_error() => {
                self.unanswered(Warning::RefusedPublish { topic, answer });
            }
            Some(Err(failure)) => {
                self.unanswered(Warning::NotPublished { topic, failure });
            }
            Some(Ok(_)) | None => {}
        }
    }

    pub(super) fn on_filter_answer(&mut self, token: Token, answer: Result<FilterAnswer, Failure>) {
        let granted = answer
            .as_ref()
            .is_ok_and(|answer| answer.codes.iter().any(|code| !code.is_error()));
        if !granted {
            self.streams.remove(token);
        }
        let (filters, unheard) = match self.waiting.remove(token) {
            Some(Waiting::Subscribe(filters, reply)) => (filters, reply.send(answer).err()),
            Some(Waiting::Unsubscribe(filters, reply)) => {
                if let Ok(answer) = &answer {
                    self.end_streams(token, &filters, answer);
                }
                (Vec::new(), reply.send(answer).err())
            }
            Some(Waiting::Publish(..)) | None => return,
        };
        match unheard {
            Some(Ok(answer)) => self.report_refused(&filters, &answer),
            Some(Err(failure)) => {
                self.unanswered(Warning::NotSubscribed(failure));
            }
            None => {}
        }
    }

    /// The server sends nothing more by these filters, and no stream is to wait for it.
    fn end_streams(&mut self, token: Token, filters: &[String], answer: &FilterAnswer) {
        for (filter, code) in filters.iter().zip(&answer.codes) {
            if !code.is_error() {
                self.streams.end_before(token, filter);
            }
        }
    }

    pub(super) fn report_refused(&mut self, filters: &[String], answer: &FilterAnswer) {
        for (filter, code) in filters.iter().zip(&answer.codes) {
            if code.is_error() {
                self.unanswered(Warning::RefusedFilter {
                    filter: filter.clone(),
                    reason: *code,
                    reason_string: answer.reason_string.clone(),
                });
            }
        }
    }
}
