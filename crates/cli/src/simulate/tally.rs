//! What became of a simulation's messages and connections.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use columba_speech::width::{pad, width};
use columba_speech::{Language, Text};
use serde_json::{Value, json};

use super::texts;

/// Different reasons that are kept of one thing; what comes beyond is counted together.
const REASONS_MAX: usize = 24;
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 300;

/// Counts of all devices together.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

/// The counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    /// Of these at QoS 1 and 2.
    pub(super) sent_for_answer: u64,
    pub(super) acknowledged: u64,
    /// Of these with the remark that nobody subscribes.
    pub(super) nobody: u64,
    /// The connection ended first.
    pub(super) unanswered: u64,
    pub(super) received: u64,
    /// Not sent because it was late already.
    pub(super) late: u64,
    pub(super) connected: u64,
    pub(super) opened: u64,
    pub(super) reconnects: u64,
    /// Cut on purpose.
    pub(super) cut: u64,
    pub(super) refused: Reasons,
    pub(super) lost: Reasons,
    pub(super) not_connected: Reasons,
}

/// How often what was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Reasons {
    known: BTreeMap<String, u64>,
    others: u64,
}

impl Tally {
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole after every change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reasons {
    pub(super) fn add(&mut self, reason: &str) {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let has_room = self.known.len() < REASONS_MAX;
        match self.known.get_mut(&reason) {
            Some(count) => *count += 1,
            None if has_room => drop(self.known.insert(reason, 1)),
            None => self.others += 1,
        }
    }

    fn sum(&self) -> u64 {
        self.known.values().sum::<u64>() + self.others
    }

    fn json(&self) -> Value {
        json!({ "count": self.sum(), "reasons": self.known, "other_reasons": self.others })
    }

    fn rows(&self, title: Text, language: Language, rows: &mut Vec<(String, String)>) {
        if self.sum() == 0 {
            return;
        }
        rows.push((title.to_string(language), self.sum().to_string()));
        let mut reasons: Vec<_> = self.known.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut line = |count: u64, reason: &str| {
            // A server chose the words.
            let clean: String = reason
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect();
            rows.push((String::new(), format!("{count:>6}  {clean}")));
        };
        for (reason, count) in reasons {
            line(*count, reason);
        }
        if self.others > 0 {
            line(self.others, &texts::others().to_string(language));
        }
    }
}

impl Counts {
    /// For programs.
    pub(super) fn json(&self, scenario: &str, devices: u32, seed: u64, time: Duration) -> Value {
        json!({
            "scenario": scenario,
            "clients": devices,
            "seed": seed,
            "seconds": time.as_secs_f64(),
            "sent": self.sent,
            "sent_qos_1_and_2": self.sent_for_answer,
            "acknowledged": self.acknowledged,
            "acknowledged_without_subscriber": self.nobody,
            "unanswered": self.unanswered,
            "refused": self.refused.json(),
            "received": self.received,
            "left_out": self.late,
            "connections": self.opened,
            "reconnects": self.reconnects,
            "cut_on_purpose": self.cut,
            "ended_by_the_other_side": self.lost.json(),
            "failed_to_connect": self.not_connected.json(),
        })
    }

    /// For people.
    pub(super) fn summary(
        &self,
        scenario: &str,
        devices: u32,
        time: Duration,
        language: Language,
    ) -> String {
        let mut rows = Vec::new();
        let secs = time.as_secs_f64().max(0.001);
        let rate = self.sent as f64 / secs;
        let mut row = |title: Text, value: String| rows.push((title.to_string(language), value));
        row(texts::sent(), format!("{}  ({rate:.1}/s)", self.sent));
        if self.sent_for_answer > 0 {
            let value = texts::acknowledged_of(self.acknowledged, self.sent_for_answer);
            row(texts::acknowledged(), value.to_string(language));
        }
        for (title, count) in [
            (texts::nobody(), self.nobody),
            (texts::unanswered(), self.unanswered),
            (texts::received(), self.received),
        ] {
            if count > 0 {
                row(title, count.to_string());
            }
        }
        if self.late > 0 {
            row(texts::late(), texts::late_of(self.late).to_string(language));
        }
        let opened = texts::connections_of(self.opened, self.reconnects);
        row(texts::connections(), opened.to_string(language));
        if self.cut > 0 {
            row(texts::cut(), self.cut.to_string());
        }
        self.refused.rows(texts::refused(), language, &mut rows);
        self.lost.rows(texts::lost(), language, &mut rows);
        self.not_connected
            .rows(texts::not_connected(), language, &mut rows);
        let titles = rows.iter().map(|(title, _)| width(title));
        let cells = titles.max().unwrap_or_default();
        let mut text = texts::ended(scenario, u64::from(devices), time).to_string(language);
        text.push('\n');
        for (title, value) in &rows {
            if title.is_empty() {
                text.push_str(&format!("  {value}\n"));
                continue;
            }
            text.push_str(format!("  {}  {value}", pad(title, cells)).trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_kept_up_to_a_bound() {
        let mut reasons = Reasons::default();
        for round in 0..2 * REASONS_MAX {
            reasons.add(&format!("{round} {}", "x".repeat(1_000)));
        }
        reasons.add("0");
        assert_eq!(reasons.known.len(), REASONS_MAX);
        assert_eq!(reasons.sum(), 2 * REASONS_MAX as u64 + 1);
        let chars = reasons.known.keys().map(|reason| reason.chars().count());
        assert_eq!(chars.max(), Some(REASON_CHARS_MAX));
    }

    #[test]
    fn a_summary_lines_up_in_both_languages() {
        let mut counts = Counts {
            sent: 10,
            sent_for_answer: 4,
            acknowledged: 3,
            opened: 2,
            ..Counts::default()
        };
        counts.refused.add("Not authorized (0x87)");
        let time = Duration::from_secs(2);
        let english = counts.summary("fleet", 1, time, Language::English);
        assert_eq!(
            english,
            "fleet: 1 client, 2 s\n  sent          10  (5.0/s)\n  acknowledged  3 of 4 at QoS 1 and \
             2\n  connections   2, 0 of them reconnects\n  refused       1\n       1  Not authorized \
             (0x87)\n"
        );
        let chinese = counts.summary("fleet", 1, time, Language::Chinese);
        assert!(
            chinese.contains("  已发送  10  (5.0/s)\n  已确认  3"),
            "{chinese}"
        );
    }
}
