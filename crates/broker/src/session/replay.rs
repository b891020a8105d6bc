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
}

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
        self.page.extend(page);
    }

    /// Whether no message is left and no shard to ask.
    pub(crate) fn is_done(&self) -> bool {
        self.page.is_empty() && !self.is_waiting && self.shards_left == 0
    }
}
