//! The gauges tell the truth.

use columba_broker::stats::Stats;

use crate::oracle::Oracle;

impl Oracle {
    /// Gauges that the model knows at any time; `connections` is what the driver has.
    pub(crate) fn check_gauges(&self, stats: &Stats, connections: usize) -> Result<(), String> {
        let sessions = || self.sessions.values();
        let count = |shared: bool| -> usize {
            let each = sessions().map(|session| {
                session.shared.len()
                    + if shared {
                        0
                    } else {
                        session.subscriptions.len()
                    }
            });
            each.sum()
        };
        let online = sessions().filter(|session| session.conn.is_some()).count();
        let gauges = [
            ("connections", stats.connections, connections),
            ("sessions", stats.sessions, self.sessions.len()),
            ("clients connected", stats.clients_connected, online),
            ("subscriptions", stats.subscriptions, count(false)),
            (
                "shared subscriptions",
                stats.shared_subscriptions,
                count(true),
            ),
        ];
        for (name, actual, expected) in gauges {
            if actual != expected as u64 {
                return Err(format!("{name}: {actual} instead of {expected}"));
            }
        }
        Ok(())
    }
}
