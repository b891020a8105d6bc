//! What a shard says about its clients, and how much of it.

use std::sync::Arc;

use super::Shard;
use super::faults::{Faults, Whose};
use crate::event::{Effect, Peer, Report, ReportEvent};
use crate::outcome::Outcome;
use crate::recorder::Facts;
use crate::timer::Timer;

/// What was said in the present second. Clients that come and go are counted apart from what goes
/// wrong, so that a storm of the one does not hide the other.
#[derive(Debug, Default)]
pub(super) struct ReportBudget {
    second: u64,
    connections: Lines,
    faults: Faults,
}

/// One kind of reports.
#[derive(Debug, Default)]
struct Lines {
    used: u32,
    suppressed: u64,
}

impl Lines {
    /// Whether another one fits.
    const fn take(&mut self, max: u32) -> bool {
        if self.used >= max {
            self.suppressed += 1;
            return false;
        }
        self.used += 1;
        true
    }
}

impl Shard {
    /// Says that a client has come or gone, unless too many have this second.
    pub(super) fn report_connection(&mut self, slot: u32, event: ReportEvent) {
        self.begin_report_second();
        let is_first = self.report_budget.connections.suppressed == 0;
        let max = self.limits.reports_per_sec_max;
        if self.report_budget.connections.take(max) {
            self.report_session(slot, event);
        } else if is_first {
            self.end_report_second_later();
        }
    }

    /// Whether another report of something that went wrong for somebody fits into this second; the
    /// rest is counted.
    pub(super) fn may_report(&mut self, whose: Whose<'_>) -> bool {
        self.begin_report_second();
        let is_first = self.report_budget.faults.suppressed() == 0;
        let max = self.limits.reports_per_sec_max;
        let second = self.report_budget.second;
        let may = self.report_budget.faults.take(whose, second, max);
        if !may && is_first {
            self.end_report_second_later();
        }
        may
    }

    /// Tells how much was left out in a second that is over.
    pub(super) fn begin_report_second(&mut self) {
        let second = self.now.mono_ms / 1000;
        if self.report_budget.second == second {
            return;
        }
        self.report_budget.second = second;
        let connections = std::mem::take(&mut self.report_budget.connections).suppressed;
        let (faults, most) = self.report_budget.faults.end_second();
        if connections + faults > 0 {
            let event = ReportEvent::Suppressed {
                connections,
                faults,
                most,
            };
            self.report(None, None, event);
        }
    }

    /// The same for a client that lives here.
    pub(super) fn may_report_of(&mut self, slot: u32) -> bool {
        let session = self.session(slot);
        let whose = session.map(|of| (of.hash, Arc::clone(&of.client_id)));
        match &whose {
            Some((hash, client_id)) => self.may_report(Whose::client(*hash, client_id)),
            None => self.may_report(Whose::NOBODY),
        }
    }

    /// Sees to it that what was left out is told even if nothing more happens.
    fn end_report_second_later(&mut self) {
        let at_ms = (self.report_budget.second + 1) * 1000;
        self.timers.set(at_ms, Timer::Reports);
    }

    /// Says something about a client that lives here.
    pub(super) fn report_session(&mut self, slot: u32, event: ReportEvent) {
        let Some(session) = self.session(slot) else {
            return;
        };
        let client_id = Some(Arc::clone(&session.client_id));
        let peer = self
            .connection_of(slot)
            .map(|connection| connection.peer.clone());
        self.report(client_id, peer, event);
    }

    /// Something was withheld from a client: the recorder has it in any case, the log unless too much
    /// was said this second.
    pub(super) fn withhold(&mut self, slot: u32, outcome: Outcome, facts: Facts<'_>) {
        self.note_session_fault(slot, outcome, facts);
        if self.may_report_of(slot) {
            let (topic, detail) = (facts.topic.to_owned(), facts.detail.to_owned());
            self.report_session(
                slot,
                ReportEvent::Withheld {
                    outcome,
                    topic,
                    detail,
                },
            );
        }
    }

    /// The same of a message that no member of a shared group has now.
    pub(super) fn report_withheld_of_group(&mut self, outcome: Outcome, topic: &str, detail: &str) {
        if self.may_report(Whose::NOBODY) {
            let (topic, detail) = (topic.to_owned(), detail.to_owned());
            let event = ReportEvent::Withheld {
                outcome,
                topic,
                detail,
            };
            self.report(None, None, event);
        }
    }

    pub(super) fn report(
        &mut self,
        client_id: Option<Arc<str>>,
        peer: Option<Peer>,
        event: ReportEvent,
    ) {
        self.effects.push_back(Effect::Report(Report {
            event,
            client_id,
            peer,
        }));
    }
}
