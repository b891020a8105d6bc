//! The books balance: every copy made is delivered, dropped for a reason, or waits.

use columba_broker::stats::Stats;

pub(crate) fn check(stats: &Stats, pending: u64) -> Result<(), String> {
    let settled = stats.settled_copies();
    if stats.copies == settled + pending && stats.unaccounted_copies() == 0 {
        return Ok(());
    }
    let copies = stats.copies;
    Err(format!(
        "{copies} copies, but {settled} settled and {pending} waiting; by the gauges {} are unaccounted",
        stats.unaccounted_copies()
    ))
}
