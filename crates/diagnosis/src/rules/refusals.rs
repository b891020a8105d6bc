//! Connections that were refused, and whom that kept away.

use columba_broker::outcome::{Effectively, Outcome};

use super::{Finding, peer, words};
use crate::code::{Code, Confidence};
use crate::evidence::Event;
use crate::history::History;
use crate::texts::sentences as say;

/// Whether a connection was not let in. That a second program with the client id was quicker is no refusal:
/// somebody of that name is there.
pub fn is_refused(event: &Event) -> bool {
    event.outcome.name().starts_with("connect.")
        && event.outcome.effectively() == Effectively::Denied
        && event.outcome != Outcome::ConnectTakenOver
}

/// What kept a client away at a time.
pub struct KeptAway<'e> {
    /// The last refusal until then.
    pub last: &'e Event,
    /// How often it was refused with that since it was there last.
    pub times: u64,
}

/// The refusals of a client since which it had no connection until a time, if that is how it stood then.
pub fn kept_away_at<'e>(history: &History<'e>, client: &str, unix_ms: u64) -> Option<KeptAway<'e>> {
    if history.is_online_at(client, unix_ms) == Some(true) {
        return None;
    }
    let own = history.of(client).iter().copied();
    // One that came again is told by its last time.
    let before = own.filter(|event| event.first_unix_ms <= unix_ms);
    let was_there = |event: &&Event| {
        event.outcome == Outcome::ConnectAccepted || event.outcome.name().starts_with("disconnect.")
    };
    let since = before.rev().take_while(|event| !was_there(event));
    let refusals = since.filter(|event| is_refused(event));
    let last = refusals.clone().next()?;
    let same = refusals.filter(|event| event.outcome == last.outcome);
    let times = same.map(|event| event.times.max(1)).sum();
    Some(KeptAway { last, times })
}

/// What kept a subscriber away at a time, or would have.
pub fn of_subscriber<'e>(history: &History<'e>, client: &str, unix_ms: u64) -> Option<Finding<'e>> {
    let to_ms = history.evidence.question.to_ms;
    let (kept, sure) = match kept_away_at(history, client, unix_ms) {
        Some(kept) => (kept, Confidence::Certain),
        // It came later only.
        None if history.is_online_at(client, unix_ms) == Some(true) => return None,
        None => (kept_away_at(history, client, to_ms)?, Confidence::Likely),
    };
    let KeptAway { last, times } = kept;
    let text = say::s15(client, times, words(last), peer(last));
    let found = Finding::certain(Code::S15, text).with(sure);
    Some(found.cite([last]))
}

/// A publisher that was not let in.
pub fn of_publisher<'e>(last: &'e Event, times: u64) -> Finding<'e> {
    let text = say::p02(&*last.client, times, words(last), peer(last));
    Finding::certain(Code::P02, text).cite([last])
}
