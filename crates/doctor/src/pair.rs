//! Two connections that send each other messages: one publishes, the other subscribes.

use std::time::Duration;

use columba_client::Message;
use columba_client::driver::{ConnectError, ConnectOptions};
use columba_codec::QoS;

use crate::line::Line;

/// Both connections, and the topics that are the doctor's own.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) subscriber: Line,
    pub(crate) publisher: Line,
    /// Options for further connections.
    pub(crate) options: ConnectOptions,
    /// What the doctor's topics begin with.
    pub(crate) topic: String,
    /// How long an answer or a message may take.
    pub(crate) patience: Duration,
    /// How long to listen for what should not come.
    pub(crate) settle: Duration,
}

impl Pair {
    /// Takes a connection and opens the second one.
    pub(crate) async fn open(
        subscriber: Line,
        options: ConnectOptions,
        topic: String,
        patience: Duration,
        settle: Duration,
    ) -> Result<Self, ConnectError> {
        let mut second = options.clone();
        second.session.client_id = crate::derived_id(&options.session.client_id, 'p');
        let publisher = Line::open(second, patience).await?;
        Ok(Self {
            subscriber,
            publisher,
            options,
            topic,
            patience,
            settle,
        })
    }

    /// Connects anew whichever is over.
    pub(crate) async fn revive(&mut self) -> Result<(), ConnectError> {
        self.subscriber.revive().await?;
        self.publisher.revive().await
    }

    /// One of the doctor's topics.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.topic)
    }

    /// The highest QoS that the broker takes, but no higher than 1.
    pub(crate) fn sure_qos(&self) -> QoS {
        self.publisher.accepted().maximum_qos.min(QoS::AtLeastOnce)
    }

    /// A message at that QoS.
    pub(crate) fn message(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Message {
        Message::new(topic, payload).with_qos(self.sure_qos())
    }

    /// Options for a third connection.
    pub(crate) fn options_of(&self, suffix: char) -> ConnectOptions {
        let mut options = self.options.clone();
        options.session.client_id = crate::derived_id(&options.session.client_id, suffix);
        options
    }

    /// Ends both.
    pub(crate) async fn leave(self) {
        self.subscriber.leave().await;
        self.publisher.leave().await;
    }
}
