//! A Will is published exactly if it is due (`MQTT-3.1.2-8`, `MQTT-3.1.2-10`, `MQTT-3.1.3-9`).

use columba_broker::outcome::Outcome;
use columba_broker::stats::Stats;

/// What became of all Wills, by the model.
#[derive(Debug, Default)]
pub(crate) struct Wills {
    pub(crate) published: u64,
    pub(crate) discarded: u64,
    pub(crate) cancelled: u64,
    /// Wills whose fate is not known since a crash.
    pub(crate) open: u64,
}

impl Wills {
    pub(crate) fn check(&self, stats: &Stats) -> Result<(), String> {
        let pairs = [
            (Outcome::WillPublished, self.published),
            (Outcome::WillDiscarded, self.discarded),
            (Outcome::WillCancelled, self.cancelled),
        ];
        for (outcome, expected) in pairs {
            let actual = stats.outcome(outcome);
            if !(expected..=expected + self.open).contains(&actual) {
                return Err(format!("{outcome}: {actual} instead of {expected}"));
            }
        }
        Ok(())
    }
}
