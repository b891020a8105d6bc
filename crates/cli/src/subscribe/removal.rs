//! What `sub --remove-retained` has yet to remove.

use std::time::Duration;

use columba_client::Message;
use columba_client::driver::Client;
use columba_codec::QoS;
use columba_speech::Text;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::words;

/// Topics that may wait. Retained messages come as fast as the server sends them, and are removed
/// as fast as it answers.
const TOPICS_MAX: usize = 100_000;
/// How long the removals that wait may take once no more messages are wanted.
const PATIENCE: Duration = Duration::from_secs(30);

/// Removes retained messages beside the messages that come: the connection takes no removal while
/// nobody takes its messages.
pub(super) struct Removals {
    topics: mpsc::Sender<String>,
    task: JoinHandle<()>,
    is_full_told: bool,
}

impl Removals {
    pub(super) fn new(client: Client) -> Self {
        let (topics, receiver) = mpsc::channel(TOPICS_MAX);
        Self {
            topics,
            task: tokio::spawn(remove(client, receiver)),
            is_full_told: false,
        }
    }

    /// Removes the message of this topic as soon as the connection takes it. Returns what to tell
    /// when it does not get its turn.
    pub(super) fn push(&mut self, topic: &str) -> Option<Text> {
        match self.topics.try_send(topic.to_owned()) {
            Ok(()) => None,
            // The connection is over, which is told by itself.
            Err(TrySendError::Closed(_)) => None,
            Err(TrySendError::Full(_)) if self.is_full_told => None,
            Err(TrySendError::Full(topic)) => {
                self.is_full_told = true;
                let waiting = self.topics.max_capacity();
                Some(words::removals_full(topic, waiting))
            }
        }
    }

    /// Waits until the connection has taken what waits.
    pub(super) async fn finish(self) {
        drop(self.topics);
        let mut task = self.task;
        if timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn remove(client: Client, mut topics: mpsc::Receiver<String>) {
    while let Some(topic) = topics.recv().await {
        let removal = Message::new(topic, Vec::new())
            .retained()
            .with_qos(QoS::AtLeastOnce);
        // A refusal comes back as an event, because the answer is not waited for.
        if client.start_publish(removal).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_room_is_told_once() {
        let (topics, mut waiting) = mpsc::channel(2);
        let task = tokio::spawn(async {});
        let mut removals = Removals {
            topics,
            task,
            is_full_told: false,
        };
        assert_eq!([removals.push("a"), removals.push("b")], [None, None]);
        let told = removals.push("c").expect("no room");
        let told = told.to_string(columba_speech::Language::English);
        assert!(
            told.contains("cannot remove 'c' and others: 2 removals"),
            "{told}"
        );
        assert_eq!(removals.push("d"), None);
        assert_eq!(waiting.recv().await.as_deref(), Some("a"));
        assert_eq!(removals.push("e"), None);
        removals.finish().await;
        let mut rest = Vec::new();
        while let Some(topic) = waiting.recv().await {
            rest.push(topic);
        }
        assert_eq!(rest, ["b", "e"]);
    }
}
