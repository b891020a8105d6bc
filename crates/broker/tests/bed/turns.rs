//! When shards are told something: work that they have put off, turn by turn, and times that differ.

use columba_broker::Shard;
use columba_broker::event::{Input, Now};

use super::Bed;

impl Bed {
    /// Lets time pass without telling the shards.
    pub fn pass(&mut self, ms: u64) {
        self.set_time(self.now.mono_ms + ms);
    }

    /// Tells every shard whose deadline has come; returns whether there was one.
    pub(super) fn give_turns(&mut self) -> bool {
        let mut has_any = false;
        for shard in &mut self.shards {
            if shard
                .next_deadline()
                .is_some_and(|due| due <= self.now.mono_ms)
            {
                has_any = true;
                shard.handle(self.now, Input::DeadlineReached);
            }
        }
        has_any
    }

    /// One turn of the work that shards have put off; returns whether there was any.
    pub fn turn(&mut self) -> bool {
        let has_any = self.give_turns();
        self.settle();
        has_any
    }

    /// Deadlines that are set on all shards.
    pub fn timers(&self) -> usize {
        self.shards.iter().map(Shard::pending_timers).sum()
    }

    /// Letters that are held.
    pub fn letters_held(&self) -> usize {
        self.mail.iter().map(|(_, _, mail)| mail.len()).sum()
    }

    /// Gives a shard an input at its own time.
    pub(super) fn give(&mut self, shard: usize, input: Input<'_>) {
        let now = self.now_of(shard);
        self.shards[shard].handle(now, input);
    }

    fn now_of(&self, shard: usize) -> Now {
        let behind_ms = self.behind_ms.get(shard).copied().unwrap_or_default();
        Now {
            mono_ms: self.now.mono_ms - behind_ms,
            unix_ms: self.now.unix_ms - behind_ms,
        }
    }
}
