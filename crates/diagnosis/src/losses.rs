//! What clients lost, topic by topic: for a question that names clients alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::recorder::{TapeName, flag};

use crate::code::{Code, Fate};
use crate::evidence::{Event, Evidence, Question};
use crate::rules::{copy, publisher};

/// Losses that are told at most, the worst ones.
pub const LOSSES_MAX: usize = 10;

/// What was lost on a topic for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The topic; empty if it is not known.
    pub topic: String,
    /// Why.
    pub code: Code,
    /// How many messages.
    pub times: u64,
    /// When the last of them was lost, in milliseconds since 1970.
    pub last_ms: u64,
}

/// What the clients that were asked about lost in the window, the most first.
pub fn losses(evidence: &Evidence) -> Vec<Loss> {
    let by_topic = counted(evidence, |event| {
        let found = publisher::refused(event).or_else(|| copy::fault(event, &event.client))?;
        // What its client may have is not called lost.
        let is_lost = found.code.fate() == Fate::NotDelivered;
        is_lost.then_some((&*event.topic, found.code))
    });
    let losses = by_topic.into_iter();
    let losses = losses.map(|((topic, code), (times, last_ms))| Loss {
        topic: topic.to_owned(),
        code,
        times,
        last_ms,
    });
    let mut losses: Vec<_> = losses.collect();
    losses.sort_by_key(|loss| Reverse((loss.times, loss.last_ms)));
    losses.truncate(LOSSES_MAX);
    losses
}

/// The topic of which the clients that were asked about lost most in the window; if they lost nothing,
/// that of their last message.
pub(crate) fn worst_topic(evidence: &Evidence) -> Option<&str> {
    let by_topic = counted(evidence, |event| {
        (!event.topic.is_empty()).then_some(&*event.topic)
    });
    let worst = by_topic.into_iter().max_by_key(|(_, lost)| *lost);
    worst.map(|(topic, _)| topic).or_else(|| {
        let mut messages = messages(evidence).filter(|event| !event.topic.is_empty());
        messages.next_back().map(|event| &*event.topic)
    })
}

/// How often something was lost, and when last, in the window, by what `key` makes of it.
fn counted<'e, K: Ord>(
    evidence: &'e Evidence,
    key: impl Fn(&'e Event) -> Option<K>,
) -> BTreeMap<K, (u64, u64)> {
    let mut counts = BTreeMap::new();
    // A loss stands in the ledger as well, if that had room.
    let told = messages(evidence).filter(|event| event.tape != TapeName::Ledger);
    for event in told.filter(|event| is_loss(event)) {
        let Some(key) = key(event) else {
            continue;
        };
        let (times, last_ms): &mut (u64, u64) = counts.entry(key).or_default();
        *times += event.times.max(1);
        *last_ms = event.unix_ms.max(*last_ms);
    }
    counts
}

/// A copy or a PUBLISH that came to nothing. That a client does not get its own message back, which it
/// asked for, is none; nor is a denial that the ledger tells once more.
fn is_loss(event: &Event) -> bool {
    let is_lost =
        event.outcome.is_dropped_copy() || event.outcome.effectively() == Effectively::Denied;
    is_lost && event.outcome != Outcome::DeliverNoLocal
}

/// What happened in the window to messages from the publisher, and to copies for the subscriber.
fn messages(evidence: &Evidence) -> impl DoubleEndedIterator<Item = &Event> {
    let Question {
        publisher,
        subscriber,
        from_ms,
        to_ms,
        ..
    } = &evidence.question;
    evidence.events.iter().filter(move |event| {
        let name = event.outcome.name();
        let whom = if name.starts_with("publish.") {
            publisher
        } else if name.starts_with("deliver.") {
            subscriber
        } else {
            return false;
        };
        whom.as_deref() == Some(&*event.client)
            && event.flags & flag::PRIVATE == 0
            && (*from_ms..=*to_ms).contains(&event.unix_ms)
    })
}
