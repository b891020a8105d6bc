//! Connections that were refused, and whom that kept away.

use columba_broker::outcome::{Effectively, Outcome};

use super::{Finding, peer, words};
use crate::code::{Code, Confidence};
use crate::evidence::Event;
use crate::history::{History, changes_connection};
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
    let was_there = |event: &&Event| changes_connection(event.outcome).is_some();
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
        // It may have been there still when the message came.
        Some(kept) if history.has_come_or_gone_at(client, unix_ms) => (kept, Confidence::Possible),
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

/// Connections that ended before anybody knew a client id: another protocol, or no agreement on TLS.
/// One of them may have been that of the publisher (P02) or the subscriber (S15), of whom nothing else is
/// known. Those that closed of themselves come last: nearly all of them are health checks.
pub fn nameless<'e>(history: &History<'e>, code: Code) -> Option<Finding<'e>> {
    let refused = history
        .window()
        .filter(|event| event.client.is_empty() && is_refused(event));
    let probes = history.window().filter(|event| is_probe(event)).rev();
    // Each kind by its last one, and how many it stands for.
    let mut kinds: Vec<(&Event, u64)> = Vec::new();
    for event in refused.rev().chain(probes) {
        let is_same = |of: &Event| of.outcome == event.outcome && of.detail == event.detail;
        if let Some((_, times)) = kinds.iter_mut().find(|(last, _)| is_same(last)) {
            *times += event.times;
        } else if kinds.len() < KINDS_MAX {
            kinds.push((event, event.times));
        }
    }
    let mut others = kinds.iter();
    let (last, times) = others.next()?;
    let (why, from) = (words(last), peer(last));
    let mut text = match (code, is_probe(last)) {
        (Code::S15, false) => say::s15_nameless(*times, why, from),
        (Code::S15, true) => say::s15_probes(*times, why, from),
        (_, false) => say::p02_nameless(*times, why, from),
        (_, true) => say::p02_probes(*times, why, from),
    };
    for (other, times) in others {
        let (why, from) = (words(other), peer(other));
        text = if is_probe(other) {
            say::probes_besides(text, *times, why, from)
        } else {
            say::nameless_besides(text, *times, why, from)
        };
    }
    let found = Finding::certain(code, text).with(Confidence::Possible);
    Some(found.cite(kinds.iter().map(|(event, _)| *event)))
}

/// Whether a connection closed of itself before it had told a client id.
fn is_probe(event: &Event) -> bool {
    event.outcome == Outcome::ConnectProbe
}

/// Kinds of refusals of nobody in particular that are told at most, the last ones.
const KINDS_MAX: usize = 4;
