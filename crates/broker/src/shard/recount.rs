//! The gauges counted anew, to check the ones that are kept up.

use super::Shard;
use crate::connection::State;
use crate::stats::Stats;

impl Shard {
    /// The gauges of [`Stats`], counted one by one from what is there; its counters are 0.
    ///
    /// A subscription counts if its filter knows the session, and a client if its connection knows
    /// the session. Takes time in proportion to everything the shard holds.
    pub fn recount(&self) -> Stats {
        let connections = self.connections.iter().flatten();
        let stalled = connections.filter(|connection| connection.is_output_full);
        let mut stats = Stats {
            connections: self.connections.iter().flatten().count() as u64,
            connections_stalled: stalled.count() as u64,
            sessions: self.sessions.len() as u64,
            retained_messages: self.retained.len() as u64,
            retained_bytes: self.retained.bytes() as u64,
            queued_bytes_in_memory: self.kept.recount_here_bytes(),
            ..Stats::default()
        };
        (stats.queued_messages, stats.queued_bytes) = self.handings.size();
        for (slot, session) in &self.sessions {
            let slot = slot as u32;
            let is_connected = self.connection_of(slot).is_some_and(|connection| {
                connection.state == State::Open && connection.session == slot
            });
            stats.clients_connected += u64::from(is_connected);
            let is_known = |(id, position): (_, &u32)| {
                let subscriber = self
                    .filters
                    .get(id)
                    .and_then(|filter| filter.local.get(*position as usize));
                subscriber.is_some_and(|subscriber| subscriber.session == slot)
            };
            let subscriptions = session.subscriptions.iter().flat_map(|map| map.iter());
            let known = subscriptions.filter(|(id, position)| is_known((**id, *position)));
            let shared = session.memberships.len() as u64;
            stats.subscriptions += known.count() as u64 + shared;
            stats.shared_subscriptions += shared;
            let texts = session.subscriptions.iter().flat_map(|map| map.keys());
            let texts = texts.filter_map(|id| Some(self.filters.get(*id)?.text.len()));
            let shared_texts = session.memberships.iter().map(|of| of.text_bytes());
            stats.subscription_bytes += texts.chain(shared_texts).sum::<usize>() as u64;
            stats.will_bytes += session.will.as_ref().map_or(0, |will| will.size_bytes()) as u64;
            if let Some(window) = &session.window {
                stats.inflight_messages += window.len() as u64;
            }
            if let Some(queue) = &session.queue {
                stats.queued_messages += queue.len() as u64;
                stats.queued_bytes += queue.bytes() as u64;
            }
        }
        stats
    }
}
