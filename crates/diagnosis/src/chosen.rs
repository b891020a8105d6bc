//! Which of the copies that were judged a report is about.

use std::collections::BTreeSet;

use columba_broker::outcome::Outcome;

use crate::code::{Code, Fate};
use crate::evidence::Event;
use crate::rules::Finding;
use crate::texts::sentences as say;

/// One copy, or a PUBLISH that never became one.
pub(crate) struct Item<'e> {
    pub(crate) at_ms: u64,
    /// For how many messages it stands: what came again is counted in one line.
    pub(crate) times: u64,
    pub(crate) subscriber: Option<String>,
    pub(crate) found: Finding<'e>,
    pub(crate) publication: Option<&'e Event>,
}

/// The copy that the report is about: the last one that did not arrive; without, the last one that
/// waits, or that is not known, or the last one.
pub(crate) fn chosen<'i, 'e>(items: &'i [Item<'e>]) -> Option<&'i Item<'e>> {
    let is_outdated = outdated(items);
    let last = |fate| {
        let mut of_fate = items.iter().zip(&is_outdated);
        let is_it = |(item, is_outdated): &(&Item<'_>, &bool)| {
            item.found.code.fate() == fate && !**is_outdated
        };
        of_fate.rfind(is_it).map(|(item, _)| item)
    };
    last(Fate::NotDelivered)
        .or_else(|| last(Fate::Waiting))
        .or_else(|| last(Fate::Unknown))
        .or_else(|| items.last())
}

/// What is to be said of messages that came too early, if the report is about a later one.
pub(crate) fn early<'e>(items: &[Item<'e>], counts: Option<&Item<'e>>) -> Option<Finding<'e>> {
    if counts?.found.is_early {
        return None;
    }
    let outdated = items.iter().zip(outdated(items));
    let outdated = outdated.filter(|(_, is_outdated)| *is_outdated);
    let outdated: Vec<_> = outdated.map(|(item, _)| item).collect();
    let last = outdated.last()?;
    let mut found = last.found.clone();
    if let Some(granted) = granted(&last.found).filter(|_| found.code == Code::R03) {
        let same = outdated.iter().filter(|item| {
            item.found.code == Code::R03 && subscriber(item) == Some(&*granted.client)
        });
        let count: u64 = same.map(|item| item.times).sum();
        found.text = say::r03_before(&*granted.client, &*granted.topic, count);
    }
    Some(found)
}

/// For each one whether it came before its subscriber had subscribed, which has got a later one since, or
/// will.
fn outdated(items: &[Item<'_>]) -> Vec<bool> {
    let mut served = BTreeSet::new();
    let mut outdated: Vec<bool> = Vec::new();
    for item in items.iter().rev() {
        let is_served = || subscriber(item).is_some_and(|client| served.contains(client));
        outdated.push(item.found.is_early && is_served());
        if matches!(item.found.code.fate(), Fate::Delivered | Fate::Waiting) {
            served.extend(item.subscriber.as_deref());
        }
    }
    outdated.reverse();
    outdated
}

/// Whose copy it is; of a message that nobody had subscribed to, who did so too late.
fn subscriber<'i>(item: &'i Item<'_>) -> Option<&'i str> {
    let granted = || granted(&item.found).map(|granted| &*granted.client);
    item.subscriber.as_deref().or_else(granted)
}

/// Whom a report is about that nobody in particular is asked about for: whose copy it is, or whose session had
/// ended.
pub(crate) fn subject<'i>(item: &'i Item<'_>) -> Option<&'i str> {
    let had_it = || {
        let is_gone = matches!(item.found.code, Code::S01 | Code::S03 | Code::S04);
        let cites = item.found.cites.first().filter(|_| is_gone)?;
        Some(&*cites.client)
    };
    item.subscriber.as_deref().or_else(had_it)
}

fn granted<'e>(found: &Finding<'e>) -> Option<&'e Event> {
    let mut cites = found.cites.iter().copied();
    cites.find(|event| event.outcome == Outcome::SubscribeGranted)
}
