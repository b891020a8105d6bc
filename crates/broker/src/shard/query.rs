//! Requests of operators: what is answered at once, and where the rest goes.

use std::sync::Arc;

use super::Shard;
use super::scan::Scan;
use crate::access::Client;
use crate::event::Effect;
use crate::hash::hash_of;
use crate::message::{Message, NEVER_MS};
use crate::query::{
    AccessAnswer, AccessHits, AccessIdentity, AccessQuery, Answer, PAGE_ROWS_MAX, Request,
    RequestId, RetainedPage, RetainedQuery, RetainedRow, SCANS_MAX, TraceRequest,
};

impl Shard {
    pub(super) fn on_request(&mut self, id: RequestId, request: Request) {
        let answer = match request {
            Request::Stats => Answer::Stats(Box::new(self.stats_asked())),
            Request::Recording => Answer::Recording(Box::new(self.recording())),
            Request::RecordingSince(seen) => {
                let recording = self.recorder.recording_since(self.now, seen);
                Answer::Recording(Box::new(recording))
            }
            Request::BeginTrace(trace) => self.on_begin_trace(trace),
            Request::Trace(id) => match self.recorder.recording_of(id) {
                Some(recording) => Answer::Recording(Box::new(recording)),
                None => Answer::Missing,
            },
            Request::EndTrace(id) => match self.recorder.end_trace(id) {
                true => Answer::Done,
                false => Answer::Missing,
            },
            Request::Sessions(query) => return self.begin_scan(Scan::of_sessions(id, query)),
            Request::Subscriptions(query) => {
                let only = query.client_id.clone();
                let Some(client_id) = only else {
                    return self.begin_scan(Scan::of_subscriptions(id, query));
                };
                self.subscriptions_of(&client_id, query)
            }
            Request::Groups(query) => return self.begin_scan(Scan::of_groups(id, query)),
            Request::Session { client_id } => {
                let slot = self.slot_of(&client_id);
                Answer::Session(slot.and_then(|slot| self.detail_of(slot)).map(Box::new))
            }
            Request::Retained(query) => Answer::Retained(self.retained_page(&query)),
            Request::RetainedMessage { topic } => {
                let found = self.retained_now(&topic);
                Answer::RetainedMessage(found.map(|message| self.retained_row(message)))
            }
            Request::Topics(query) => return self.begin_scan(Scan::of_topics(id, query)),
            Request::TopicTree(query) => return self.begin_scan(Scan::of_topic_tree(id, query)),
            Request::TopicTraffic { filter } => {
                return self.begin_scan(Scan::of_topic_traffic(id, filter));
            }
            Request::TopicStandings(topics) => {
                return self.begin_scan(Scan::of_topic_standings(id, topics));
            }
            Request::AccessHits => Answer::AccessHits(Box::new(AccessHits {
                access: Arc::clone(&self.access),
                hits: self.rule_hits.clone(),
            })),
            Request::Access(query) => Answer::Access(Box::new(self.access_answer(*query))),
            Request::Disconnect {
                client_id,
                end_session,
                operator,
            } => return self.on_disconnect_request(id, &client_id, end_session, &operator),
            Request::Unsubscribe {
                client_id,
                filter,
                operator,
            } => {
                return self.on_unsubscribe_request(id, &client_id, &filter, &operator);
            }
            Request::Publish(publish) => return self.on_publish_request(id, &publish),
            Request::ClearRetained {
                topic,
                condition,
                operator,
            } => {
                return self.on_clear_request(id, &topic, condition, &operator);
            }
            Request::ClearAllRetained {
                filter,
                after,
                operator,
            } => {
                return self.on_clear_all_request(id, &filter, after.as_deref(), &operator);
            }
        };
        self.answer(id, answer);
    }

    fn on_begin_trace(&mut self, trace: TraceRequest) -> Answer {
        let room = (trace.bytes_max, self.hashing);
        let what = (trace.id, trace.filter);
        match self.recorder.begin_trace(self.now, what, trace.secs, room) {
            true => Answer::Done,
            false => Answer::Busy,
        }
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        let answer = Box::new(answer);
        self.effects.push_back(Effect::Answer { id, answer });
    }

    /// Begins a list; what is left of it is gone on with in turn.
    fn begin_scan(&mut self, scan: Scan) {
        if self.scans.len() >= SCANS_MAX {
            return self.answer(scan.id(), Answer::Busy);
        }
        let is_alone = self.scans.is_empty();
        self.scans.push_back(scan);
        if is_alone {
            self.go_on_scanning();
        }
    }

    /// A point in time of the broker's clock, in milliseconds since 1970.
    pub(super) fn unix_ms_of(&self, mono_ms: i64) -> u64 {
        let ago_ms = self.now.mono_ms as i64 - mono_ms;
        u64::try_from(self.now.unix_ms as i64 - ago_ms).unwrap_or(0)
    }

    /// The same for an expiry, which may be never.
    pub(super) fn expires_unix_ms(&self, expires_at_ms: u64) -> Option<u64> {
        let at_ms = i64::try_from(expires_at_ms).ok();
        let at_ms = at_ms.filter(|_| expires_at_ms != NEVER_MS)?;
        Some(self.unix_ms_of(at_ms))
    }

    fn retained_page(&mut self, query: &RetainedQuery) -> RetainedPage {
        let rows_max = query.rows_max.clamp(1, PAGE_ROWS_MAX);
        let mut found = Vec::new();
        let Self {
            retained, steps, ..
        } = self;
        let after = query.after.as_deref();
        let next = retained.find(&query.filter, after, rows_max, steps, &mut found);
        let now_ms = self.now.mono_ms;
        let rows = found
            .into_iter()
            .filter(|message| !message.is_expired(now_ms))
            .map(|message| self.retained_row(message))
            .collect();
        RetainedPage {
            now: self.now,
            rows,
            next,
        }
    }

    /// The retained message of a topic, unless it has expired.
    pub(super) fn retained_now(&self, topic: &str) -> Option<Message> {
        let message = self.retained.get(topic)?;
        (!message.is_expired(self.now.mono_ms)).then(|| message.clone())
    }

    fn retained_row(&self, message: Message) -> RetainedRow {
        RetainedRow {
            expires_unix_ms: self.expires_unix_ms(message.head().expires_at_ms),
            tag: self.tag_of(&message),
            message,
        }
    }

    /// Changes with everything that makes a retained message what it is.
    pub(super) fn tag_of(&self, message: &Message) -> u64 {
        let head = message.head();
        let content = (message.properties(), message.payload());
        hash_of(
            &self.hashing,
            &(head.qos as u8, head.expires_at_ms, head.publisher, content),
        )
    }

    fn access_answer(&self, query: AccessQuery) -> AccessAnswer {
        let session = self.slot_of(&query.client_id);
        let session = session.and_then(|slot| self.session(slot));
        let is_from_session = query.identity.is_none() && session.is_some();
        let identity = query.identity.unwrap_or_else(|| {
            let of = |session: &crate::session::Session| AccessIdentity {
                user: session.identity.user.clone(),
                groups: session.identity.groups.clone(),
                addr: session.addr,
            };
            session.map(of).unwrap_or_default()
        });
        let client = Client {
            client_id: &query.client_id,
            user: identity.user.as_deref(),
            groups: &identity.groups,
            addr: identity.addr,
        };
        let decision = self.access.decide(&client, query.action, &query.topic);
        AccessAnswer {
            is_allowed: decision.is_allowed,
            rule: decision
                .rule
                .map(|rule| self.access.describe(rule).to_owned()),
            identity,
            is_from_session,
        }
    }
}

/// A text of a message that is told.
pub(super) fn shared(text: &str) -> Arc<str> {
    text.into()
}
