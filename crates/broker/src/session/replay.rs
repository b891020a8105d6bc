//! Retained messages on their way to a new subscription.

use std::collections::VecDeque;
use std::sync::Arc;

use columba_codec::QoS;

use crate::event::ShardId;
use crate::message::Message;

/// The replays of a session, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Replays(pub(crate) VecDeque<Replay>);

/// Reads the retained messages that match a filter page by page, as the client takes them, so that
/// a subscription to `#` needs no more memory than any other.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Names it within the session; answers of other shards carry it.
    pub(crate) number: u32,
    /// The filter.
    pub(crate) filter: Arc<str>,
    /// Granted QoS.
    pub(crate) qos: QoS,
    /// Subscription Identifier; 0 for none.
    pub(crate) identifier: u32,
    /// The shard that is being asked.
    pub(crate) shard: ShardId,
    /// How many shards are to be asked after this one.
    pub(crate) shards_left: u16,
    /// The last topic that came from this shard.
    pub(crate) after: Option<Arc<str>>,
    /// Whether an answer is on its way.
    pub(crate) is_waiting: bool,
    /// What came and was not sent yet.
    pub(crate) page: VecDeque<Message>,
    /// Topics whose retained message was replaced, and sent live, while an answer is on its way:
    /// what the answer has for them is old.
    pub(crate) replaced: Vec<Box<str>>,
}

/// Topics that are remembered as replaced while one page is on its way, which takes a tick or two.
const REPLACED_MAX: usize = 4096;

/// Messages in one page.
pub(crate) const PAGE_MAX: usize = 64;

impl Replay {
    /// Takes in a page; `more` tells whether the shard has more.
    pub(crate) fn turn_page(&mut self, page: Vec<Message>, more: bool, shards: u16) {
        self.is_waiting = false;
        if more {
            self.after = page.last().map(|message| message.topic().into());
        } else {
            self.after = None;
            self.shard = ShardId((self.shard.0 + 1) % shards.max(1));
            self.shards_left = self.shards_left.saturating_sub(1);
        }
        let replaced = std::mem::take(&mut self.replaced);
        let is_current =
            |message: &Message| !replaced.iter().any(|topic| **topic == *message.topic());
        self.page.extend(page.into_iter().filter(is_current));
    }

    /// A new retained message of a topic went out live.
    pub(crate) fn note_replaced(&mut self, topic: &str) {
        if self.is_waiting && self.replaced.len() < REPLACED_MAX {
            self.replaced.push(topic.into());
        }
    }

    /// Whether no message is left and no shard to ask.
    pub(crate) fn is_done(&self) -> bool {
        self.page.is_empty() && !self.is_waiting && self.shards_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageParts, NEVER_MS};

    fn message(topic: &str) -> Message {
        Message::new(MessageParts {
            topic,
            properties: &[],
            payload: b"old",
            qos: QoS::AtMostOnce,
            retain: true,
            expires_at_ms: NEVER_MS,
            publisher: 0,
        })
    }

    #[test]
    fn a_page_brings_nothing_that_was_replaced_while_it_was_on_its_way() {
        // MQTT-4.6.0-5: the newer message of the topic was delivered already.
        let mut replay = Replay {
            number: 1,
            filter: "r/+".into(),
            qos: QoS::AtMostOnce,
            identifier: 0,
            shard: ShardId(1),
            shards_left: 1,
            after: None,
            is_waiting: true,
            page: VecDeque::new(),
            replaced: Vec::new(),
        };
        replay.note_replaced("r/b");
        replay.turn_page(vec![message("r/a"), message("r/b")], true, 2);
        let topics: Vec<_> = replay.page.iter().map(Message::topic).collect();
        assert_eq!(topics, ["r/a"]);
        assert_eq!(
            replay.after.as_deref(),
            Some("r/b"),
            "the next page starts behind all"
        );
        replay.note_replaced("r/c");
        replay.is_waiting = true;
        replay.turn_page(vec![message("r/c")], false, 2);
        assert_eq!(replay.page.len(), 2, "nothing was on its way then");
    }
}
