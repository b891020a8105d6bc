//! Retained messages on their way to a new subscription.

use std::collections::VecDeque;
use std::sync::Arc;

use columba_codec::QoS;

use crate::hash::{Hashing, Map, Set};
use crate::id::ShardId;
use crate::message::Message;

/// The replays of a session, one after the other and one for a filter. Only the first one reads.
#[derive(Debug)]
pub(crate) struct Replays {
    order: VecDeque<Replay>,
    /// The number of each filter's replay. Others of that filter in `order` were called off, and go
    /// when their turn comes or when they are most of it.
    current: Map<Arc<str>, u32>,
}

impl Replays {
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self {
            order: VecDeque::new(),
            current: Map::with_hasher(hashing),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Adds a replay in place of the filter's old one, which it starts over.
    pub(crate) fn push(&mut self, replay: Replay) {
        self.current
            .insert(Arc::clone(&replay.filter), replay.number);
        self.order.push_back(replay);
        let Self { order, current } = self;
        if order.len() > 2 * current.len() + 16 {
            order.retain(|replay| current.get(&replay.filter) == Some(&replay.number));
        }
    }

    /// Calls off the replay of a filter.
    pub(crate) fn remove(&mut self, filter: &str) {
        self.current.remove(filter);
    }

    /// The replay that is at work.
    pub(crate) fn front_mut(&mut self) -> Option<&mut Replay> {
        let Self { order, current } = self;
        let is_current = |replay: &Replay| current.get(&replay.filter) == Some(&replay.number);
        while order.front().is_some_and(|first| !is_current(first)) {
            order.pop_front();
        }
        order.front_mut()
    }

    /// Ends the replay that is at work.
    pub(crate) fn pop_front(&mut self) {
        if self.front_mut().is_some()
            && let Some(done) = self.order.pop_front()
        {
            self.current.remove(&done.filter);
        }
    }
}

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
    /// The last topic that this shard has looked at.
    pub(crate) after: Option<Arc<str>>,
    /// Whether an answer is on its way.
    pub(crate) is_waiting: bool,
    /// What came and was not sent yet.
    pub(crate) page: VecDeque<Message>,
    /// What was replaced while the answer is on its way.
    pub(crate) replaced: Option<Box<Replaced>>,
}

/// Topics whose retained message was replaced, and sent live, while a page is on its way: what the
/// page has for them is old.
#[derive(Debug)]
pub(crate) struct Replaced {
    topics: Set<Box<str>>,
    bytes: usize,
    /// There were too many to remember: nothing in the page can be trusted.
    is_over: bool,
}

/// Topics that are remembered as replaced while one page is on its way, which takes a tick or two.
const REPLACED_MAX: usize = 4096;

/// Bytes of their names.
const REPLACED_BYTES_MAX: usize = 256 * 1024;

/// Messages in one page of the session's own shard.
pub(crate) const PAGE_MAX: usize = 64;

/// Messages in one page of another shard: asking for it wakes two threads, which costs as much as
/// some hundred messages.
pub(crate) const REMOTE_PAGE_MAX: usize = 256;

impl Replay {
    /// Takes in a page; `next` tells where the shard's next one starts, if it has more.
    pub(crate) fn turn_page(&mut self, page: Vec<Message>, next: Option<Arc<str>>, shards: u16) {
        self.is_waiting = false;
        let replaced = self.replaced.take();
        if replaced.as_ref().is_some_and(|replaced| replaced.is_over) {
            // Asked for once more from where it started, the page comes with what is new.
            return;
        }
        if next.is_none() {
            self.shard = ShardId((self.shard.0 + 1) % shards.max(1));
            self.shards_left = self.shards_left.saturating_sub(1);
        }
        self.after = next;
        let is_old = |message: &Message| {
            replaced
                .as_ref()
                .is_some_and(|replaced| replaced.topics.contains(message.topic()))
        };
        self.page
            .extend(page.into_iter().filter(|message| !is_old(message)));
    }

    /// A new retained message of a topic went out live.
    pub(crate) fn note_replaced(&mut self, topic: &str, hashing: Hashing) {
        let is_behind = self.after.as_deref().is_none_or(|after| topic > after);
        if !self.is_waiting || !is_behind || !columba_codec::topic::matches(&self.filter, topic) {
            return;
        }
        let replaced = self.replaced.get_or_insert_with(|| {
            Box::new(Replaced {
                topics: Set::with_hasher(hashing),
                bytes: 0,
                is_over: false,
            })
        });
        if replaced.is_over || replaced.topics.contains(topic) {
            return;
        }
        replaced.bytes += topic.len();
        if replaced.topics.len() < REPLACED_MAX && replaced.bytes <= REPLACED_BYTES_MAX {
            replaced.topics.insert(topic.into());
        } else {
            replaced.is_over = true;
            replaced.topics = Set::with_hasher(hashing);
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
            number: 0,
        })
    }

    fn waiting(filter: &str, number: u32) -> Replay {
        Replay {
            number,
            filter: filter.into(),
            qos: QoS::AtMostOnce,
            identifier: 0,
            shard: ShardId(1),
            shards_left: 1,
            after: None,
            is_waiting: true,
            page: VecDeque::new(),
            replaced: None,
        }
    }

    fn topics(replay: &Replay) -> Vec<&str> {
        replay.page.iter().map(Message::topic).collect()
    }

    #[test]
    fn a_page_brings_nothing_that_was_replaced_while_it_was_on_its_way() {
        // MQTT-4.6.0-5: the newer message of the topic was delivered already.
        let hashing = Hashing::with_seed(1);
        let mut replay = waiting("r/+", 1);
        replay.note_replaced("r/b", hashing);
        let next = Some(Arc::from("r/b"));
        replay.turn_page(vec![message("r/a"), message("r/b")], next, 2);
        assert_eq!(topics(&replay), ["r/a"]);
        assert_eq!(
            replay.after.as_deref(),
            Some("r/b"),
            "the next page starts behind all"
        );
        replay.note_replaced("r/c", hashing);
        replay.is_waiting = true;
        replay.turn_page(vec![message("r/c")], None, 2);
        assert_eq!(replay.page.len(), 2, "nothing was on its way then");
    }

    #[test]
    fn a_page_is_asked_for_again_when_too_much_was_replaced_meanwhile() {
        // MQTT-4.6.0-5
        let hashing = Hashing::with_seed(1);
        let long = "l".repeat(60_000);
        let many: Vec<String> = (0..=REPLACED_MAX).map(|n| format!("r/{n}")).collect();
        let large: Vec<String> = (0..5).map(|n| format!("r/{long}{n}")).collect();
        for replaced in [many, large] {
            let mut replay = waiting("r/+", 1);
            for topic in &replaced {
                replay.note_replaced(topic, hashing);
            }
            let page = || vec![message("r/5"), message("r/z")];
            replay.turn_page(page(), None, 2);
            assert_eq!((topics(&replay), replay.shards_left), (vec![], 1));
            assert!(!replay.is_waiting && !replay.is_done());
            replay.is_waiting = true;
            replay.turn_page(page(), None, 2);
            assert_eq!(topics(&replay), ["r/5", "r/z"]);
        }
    }

    #[test]
    fn only_what_can_be_in_the_page_is_remembered() {
        let hashing = Hashing::with_seed(1);
        let mut replay = waiting("r/+", 1);
        replay.after = Some("r/5".into());
        for _ in 0..2 * REPLACED_MAX {
            for topic in ["r/4", "s/7", "r/7"] {
                replay.note_replaced(topic, hashing);
            }
        }
        let replaced = replay.replaced.expect("some");
        assert_eq!((replaced.topics.len(), replaced.bytes), (1, 3));
    }

    #[test]
    fn a_filter_has_one_replay_and_those_called_off_do_not_pile_up() {
        let mut replays = Replays::new(Hashing::with_seed(1));
        for number in 0..10_000 {
            replays.push(waiting("a", 2 * number));
            replays.push(waiting("b", 2 * number + 1));
            replays.remove("b");
        }
        assert!(replays.order.len() <= 20, "{}", replays.order.len());
        assert_eq!(
            replays.front_mut().map(|replay| replay.number),
            Some(19_998)
        );
        replays.pop_front();
        assert!(replays.is_empty() && replays.front_mut().is_none());
    }
}
