//! What the core wants done.

use columba_broker::Effect;
use columba_broker::event::{ConnectionId, Handover, ShardId};

use super::{Driver, Errand, mark, report};

impl Driver {
    /// Does everything that the core wants done.
    pub(super) fn drain(&mut self) {
        while let Some(effect) = self.core.poll() {
            match effect {
                Effect::Transmit { conn } => {
                    if let Some(connection) = self.connections.find(conn) {
                        mark(&mut connection.is_dirty, &mut self.dirty, conn);
                    }
                }
                Effect::Close { conn } => self.begin_close(conn),
                Effect::Authenticate { conn, request } => self.ask(conn, request),
                Effect::Handover { conn, to, handover } => self.hand_over(conn, to, handover),
                Effect::Answer { id, answer } => self.requests.answer(id, *answer),
                Effect::Fetch { positions } => {
                    if let Some(store) = &mut self.store {
                        store.fetch(&positions);
                    }
                }
                Effect::Report(report) => report::log(&report, &self.shared),
            }
        }
    }

    /// Moves a connection, transport and all, to its home.
    fn hand_over(&mut self, id: ConnectionId, to: ShardId, handover: Box<Handover>) {
        let Some(mut connection) = self.connections.remove(id) else {
            return;
        };
        if let Err(error) = self.poll.registry().deregister(&mut connection.socket) {
            tracing::error!(%error, "cannot stop watching a socket");
        }
        let listener = connection.listener;
        let home = self
            .shards
            .get(to.index())
            .zip(self.moved_to.get_mut(to.index()));
        let Some((shard, is_moved_to)) = home else {
            panic!("a connection handed over to {to:?}, which does not exist");
        };
        let connection = Box::new(connection);
        if shard.send_quietly(Errand::Moved {
            connection,
            handover,
        }) {
            *is_moved_to = true;
        } else {
            self.shared.listener(listener).leave();
        }
    }

    /// Wakes the shards that connections were handed over to.
    pub(super) fn wake_homes(&mut self) {
        for (shard, is_moved_to) in self.shards.iter().zip(&mut self.moved_to) {
            if std::mem::take(is_moved_to) {
                shard.wake();
            }
        }
    }
}
