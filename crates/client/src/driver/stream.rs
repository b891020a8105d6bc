//! Messages of one subscription, apart from all others.

use std::pin::Pin;
use std::task::{Context, Poll};

use columba_codec::topic::TopicFilter;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::{Client, Request};
use crate::message::Incoming;
use crate::outcome::{Failure, FilterAnswer};
use crate::session::{Subscription, Token};

/// The messages of the subscription that [`Client::subscribe_stream`] made, in order.
///
/// It is a [`futures_util::Stream`]. It ends with the connection; a lasting connection carries it
/// over. While it is full, nothing more is read from the server. Once it is dropped, messages of
/// the subscription come as events; to have no more of them, unsubscribe.
#[derive(Debug)]
pub struct Messages {
    receiver: mpsc::Receiver<Incoming>,
}

impl Messages {
    /// The next message; `None` once the connection is over. Cancel safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.receiver.recv().await
    }
}

impl Stream for Messages {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.receiver.poll_recv(context)
    }
}

impl Client {
    /// Subscribes, with a stream of its own for the messages; at most `messages_max` (at least 1)
    /// wait in it. The answer has a code per filter, and some may be refusals.
    ///
    /// A message goes to every stream with a filter that matches its topic. A server may send a
    /// message once for each of several overlapping subscriptions; each stream then has it as often.
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
    filters: Vec<String>,
    sender: mpsc::Sender<Incoming>,
}

impl Streams {
    /// Adds one before the server has answered: it may send messages before SUBACK
    /// (MQTT 5, 3.8.4, non-normative).
    pub(super) fn add(
        &mut self,
        token: Token,
        filters: Vec<String>,
        sender: mpsc::Sender<Incoming>,
    ) {
        self.streams.retain(|outlet| !outlet.sender.is_closed());
        self.streams.push(Outlet {
            token,
            filters,
            sender,
        });
    }

    /// The request failed, or every filter was refused.
    pub(super) fn remove(&mut self, token: Token) {
        self.streams.retain(|outlet| outlet.token != token);
    }

    /// Those that want a message to `topic`.
    pub(super) fn matching(&self, topic: &str) -> Vec<mpsc::Sender<Incoming>> {
        let wants = |outlet: &&Outlet| {
            !outlet.sender.is_closed()
                && outlet.filters.iter().any(|filter| {
                    TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic))
                })
        };
        let matching = self.streams.iter().filter(wants);
        matching.map(|outlet| outlet.sender.clone()).collect()
    }

    /// Waits until nobody listens to any of them.
    pub(super) async fn closed(&self) {
        for outlet in &self.streams {
            outlet.sender.closed().await;
        }
    }
}
