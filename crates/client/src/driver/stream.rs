//! Messages of one subscription, apart from all others.

use std::pin::Pin;
use std::task::{Context, Poll};

use columba_codec::topic::{TopicFilter, has_wildcard, matches};
use futures_util::Stream;
use tokio::sync::mpsc;

use super::budget::Queued;
use super::{Client, Request};
use crate::message::Incoming;
use crate::outcome::{Failure, FilterAnswer};
use crate::session::{Subscription, Token};

/// The messages of the subscription that [`Client::subscribe_stream`] made, in order.
///
/// It is a [`futures_util::Stream`]. It ends with the connection; a lasting connection carries it
/// over. It also ends when all its filters are unsubscribed from, and when the server has forgotten them and
/// refuses to take them again; the events say why. What has come before is still to be had. While it is full, nothing more is read from the server. Once it is dropped, messages of
/// the subscription come as events; to have no more of them, unsubscribe.
#[derive(Debug)]
pub struct Messages {
    receiver: mpsc::Receiver<Queued<Box<Incoming>>>,
}

/// The way into a stream.
pub(super) type Way = mpsc::Sender<Queued<Box<Incoming>>>;

impl Messages {
    /// The next message; `None` once the stream has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        let queued = self.receiver.recv().await?;
        Some(*queued.into_item())
    }
}

impl Stream for Messages {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let next = self.receiver.poll_recv(context);
        next.map(|queued| queued.map(|queued| *queued.into_item()))
    }
}

impl Client {
    /// Subscribes, with a stream of its own for the messages; at most `messages_max` (at least 1)
    /// wait in it. The answer has a code per filter, and some may be refusals.
    ///
    /// A message goes to every stream with a filter that matches its topic. A server may send a
    /// message once for each of several overlapping subscriptions; each stream then has it as often.
    ///
    /// Not cancel safe: what was dropped before it was done may leave the subscription behind, whose messages
    /// then come as events; unsubscribe if they are not wanted.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn subscribe_stream(
        &self,
        subscription: Subscription,
        messages_max: usize,
    ) -> Result<(FilterAnswer, Messages), Failure> {
        let (sender, receiver) = mpsc::channel(messages_max.max(1));
        let answer = self
            .request(|reply| Request::Subscribe(subscription, Some(sender), reply))
            .await?
            .await?;
        Ok((answer, Messages { receiver }))
    }
}

/// The sending ends of the streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: Vec<Outlet>,
}

#[derive(Debug)]
struct Outlet {
    token: Token,
    /// The topic filters as they were asked for, each with what it matches.
    patterns: Vec<(String, Pattern)>,
    sender: Way,
}

/// A topic filter, prepared for many topics.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    /// This topic.
    Exact(String),
    /// This topic and all below it: a filter whose one wildcard is the `#` at its end.
    Below(String),
    /// Whatever the filter says.
    Any(String),
}

impl Pattern {
    /// `None` if it is no filter; the request for it fails.
    fn new(filter: &str) -> Option<Self> {
        let filter = TopicFilter::parse(filter).ok()?;
        let text = filter.filter();
        Some(match text.strip_suffix("/#") {
            _ if !filter.has_wildcard() => Self::Exact(text.to_owned()),
            Some(above) if !has_wildcard(above) => Self::Below(above.to_owned()),
            Some(_) | None => Self::Any(text.to_owned()),
        })
    }

    fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == topic,
            Self::Below(above) => topic
                .strip_prefix(above)
                .is_some_and(|below| below.is_empty() || below.starts_with('/')),
            Self::Any(filter) => matches(filter, topic),
        }
    }
}

impl Streams {
    /// Adds one before the server has answered: it may send messages before SUBACK
    /// (MQTT 5, 3.8.4, non-normative).
    pub(super) fn add(&mut self, token: Token, filters: &[String], sender: Way) {
        self.streams.retain(|outlet| !outlet.sender.is_closed());
        self.streams.push(Outlet {
            token,
            patterns: filters
                .iter()
                .filter_map(|filter| Some((filter.clone(), Pattern::new(filter)?)))
                .collect(),
            sender,
        });
    }

    /// The request failed, or every filter was refused.
    pub(super) fn remove(&mut self, token: Token) {
        self.streams.retain(|outlet| outlet.token != token);
    }

    /// The server has ended a subscription. A stream ends that has no other.
    pub(super) fn end(&mut self, filter: &str) {
        self.streams.retain_mut(|outlet| {
            outlet.patterns.retain(|(asked, _)| asked != filter);
            !outlet.patterns.is_empty()
        });
    }

    /// The application has ended a subscription. Who asked for it later than that keeps it.
    pub(super) fn end_before(&mut self, token: Token, filter: &str) {
        self.streams.retain_mut(|outlet| {
            if outlet.token < token {
                outlet.patterns.retain(|(asked, _)| asked != filter);
            }
            !outlet.patterns.is_empty()
        });
    }

    /// Whether somebody listens to any of them.
    pub(super) fn has_listener(&self) -> bool {
        let mut streams = self.streams.iter();
        streams.any(|outlet| !outlet.sender.is_closed())
    }

    /// The first from `start` on that wants a message to `topic`.
    pub(super) fn next_match(&self, start: usize, topic: &str) -> Option<usize> {
        let wants = |outlet: &Outlet| {
            !outlet.sender.is_closed() && outlet.patterns.iter().any(|(_, p)| p.matches(topic))
        };
        let later = self.streams.get(start..)?;
        Some(start + later.iter().position(wants)?)
    }

    /// The way into one of them.
    pub(super) fn sender(&self, stream: usize) -> Option<&Way> {
        self.streams.get(stream).map(|outlet| &outlet.sender)
    }

    /// Waits until nobody listens to any of them.
    pub(super) async fn closed(&self) {
        for outlet in &self.streams {
            outlet.sender.closed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsubscribing_ends_the_streams_of_before_and_those_alone_that_have_no_other_filter() {
        let mut streams = Streams::default();
        let mut receivers = Vec::new();
        for (token, filters) in [(1, vec!["a"]), (2, vec!["a", "b"]), (4, vec!["a"])] {
            let filters: Vec<_> = filters.into_iter().map(str::to_owned).collect();
            let (sender, receiver) = mpsc::channel(1);
            streams.add(token, &filters, sender);
            receivers.push(receiver);
        }
        streams.end_before(3, "a");
        assert_eq!(
            receivers.iter().map(|r| r.is_closed()).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert_eq!(streams.next_match(0, "b"), Some(0));
        assert_eq!(streams.next_match(0, "a"), Some(1));
    }

    #[test]
    fn a_prepared_filter_matches_what_the_filter_matches() {
        let filters = [
            "a",
            "a/b",
            "a/#",
            "/#",
            "#",
            "+",
            "+/#",
            "a/+",
            "a/+/#",
            "$SYS/#",
            "$share/g/a/#",
            "$share/g/a",
            "a/b/#",
            "ab/#",
        ];
        let topics = [
            "a", "a/", "a/b", "a/b/c", "ab", "ab/c", "/", "/a", "$SYS", "$SYS/x", "b", "$a/b",
        ];
        for filter in filters {
            let pattern = Pattern::new(filter).expect("a filter");
            let parsed = TopicFilter::parse(filter).expect("a filter");
            for topic in topics {
                assert_eq!(
                    pattern.matches(topic),
                    parsed.matches(topic),
                    "{filter} on {topic}"
                );
            }
        }
        assert_eq!(Pattern::new("a/#/b"), None);
    }
}
