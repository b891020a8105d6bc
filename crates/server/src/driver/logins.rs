//! From the core to the checks of credentials, and back.

use columba_broker::Input;
use columba_broker::event::{AuthRequest, ConnectionId};

use super::{Checked, Driver, Phase, mark};

impl Driver {
    /// Has credentials checked. Until then nothing is read from the connection.
    pub(super) fn ask(&mut self, conn: ConnectionId, request: Box<AuthRequest>) {
        let Some(connection) = self.connections.find(conn) else {
            return;
        };
        connection.is_checked = true;
        let answer = self.checks.ask(self.index, conn, request, &self.shards);
        // Answers wait for the end of the tick: the core is being drained.
        self.verdicts.extend(answer);
    }

    /// Answers what needed no check.
    pub(super) fn answer_verdicts(&mut self) {
        while let Some(checked) = self.verdicts.pop() {
            self.pass_verdict(checked);
        }
    }

    pub(super) fn pass_verdict(&mut self, checked: Checked) {
        let conn = checked.conn;
        let Some(connection) = self.connections.find(conn) else {
            return;
        };
        if connection.phase != Phase::Open {
            return;
        }
        // The users have changed since the check began, and clients that were in were told already:
        // this verdict could let in who has just been expelled.
        if checked.generation != self.checks.generation() {
            return self.ask(conn, checked.request);
        }
        connection.is_checked = false;
        let ending = connection.ending;
        // An event may have gone by while nothing was read.
        mark(&mut connection.is_ready, &mut self.ready, conn);
        let verdict = checked.verdict;
        self.core
            .handle(self.now, Input::Authenticated { conn, verdict });
        self.drain();
        // The transport has ended before, and what came over it is done now.
        if let Some(cause) = ending {
            self.end(conn, cause);
        }
    }

    /// The connection is closing: a check that has not begun need not be done.
    pub(super) fn forget_check(&mut self, conn: ConnectionId) {
        if let Some(connection) = self.connections.find(conn)
            && std::mem::take(&mut connection.is_checked)
        {
            self.checks.forget(self.index, conn);
        }
    }
}
