//! The gauges tell the truth.

use columba_broker::stats::Stats;

use crate::oracle::{Oracle, Session};

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
        let open = || sessions().filter(|session| session.is_doubtful);
        let of = |session: &Session| {
            (session.shared.len() + session.subscriptions.len() + session.unsure.len()) as u64
        };
        let (mut fewer, mut more) = (0, 0);
        for session in sessions() {
            let unsure = session.unsure.len() as u64;
            more += unsure;
            if session.is_doubtful {
                fewer += of(session);
            }
        }
        let ever = |ghost: &Session| ghost.history.len() as u64;
        more += self.ghosts.values().map(ever).sum::<u64>();
        if sessions().any(|session| session.is_loose) || !self.ghosts.is_empty() {
            (fewer, more) = (1 << 40, 1 << 40);
        }
        let ghosts = self.ghosts.len() as u64;
        let doubtful = open().count() as u64;
        let online = sessions().filter(|session| session.conn.is_some()).count();
        let gauges = [
            ("connections", stats.connections, connections, 0, 0),
            (
                "sessions",
                stats.sessions,
                self.sessions.len(),
                doubtful,
                ghosts,
            ),
            ("clients connected", stats.clients_connected, online, 0, 0),
            (
                "subscriptions",
                stats.subscriptions,
                count(false),
                fewer,
                more,
            ),
            (
                "shared subscriptions",
                stats.shared_subscriptions,
                count(true),
                fewer,
                more,
            ),
        ];
        for (name, actual, expected, fewer, more) in gauges {
            let expected = expected as u64;
            let range = expected.saturating_sub(fewer)..=expected + more;
            if !range.contains(&actual) {
                let online = sessions().filter_map(|session| session.conn);
                let online: Vec<_> = online.collect();
                return Err(format!(
                    "{name}: {actual} instead of {expected}; connected are links {online:?}"
                ));
            }
        }
        Ok(())
    }
}
