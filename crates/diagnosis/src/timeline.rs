//! What happened around a message, line by line.

use crate::chosen::Item;
use crate::code::Code;
use crate::evidence::{Event, Evidence, Question, order};
use crate::rules::Finding;

/// Lines of a timeline at most.
const TIMELINE_MAX: usize = 40;

/// What the verdict rests on, what holds the message up beside it, and the connections of both around it.
pub(crate) fn timeline(
    evidence: &Evidence,
    (found, noticed): (&Finding<'_>, &[Finding<'_>]),
    item: Option<&Item<'_>>,
) -> Vec<Event> {
    let Question {
        publisher,
        subscriber,
        ..
    } = &evidence.question;
    let at_ms = item.map_or(0, |item| item.at_ms);
    let at_ms = if at_ms == 0 {
        evidence.question.to_ms
    } else {
        at_ms
    };
    let mut lines: Vec<Event> = found.cites.iter().map(|event| (*event).clone()).collect();
    let by_disk = noticed.iter().filter(|other| other.code == Code::P14);
    lines.extend(by_disk.flat_map(|other| other.cites.iter().copied().cloned()));
    lines.extend(item.and_then(|item| item.publication).cloned());
    let publication = item.and_then(|item| item.publication);
    let publisher = publisher
        .as_deref()
        .or_else(|| publication.map(|event| &*event.client));
    let subscriber = subscriber
        .as_deref()
        .or_else(|| item.and_then(|item| item.subscriber.as_deref()));
    // What the management API publishes comes from no client, and neither do strangers that never became one.
    let clients = [publisher, subscriber].into_iter().flatten();
    for client in clients.filter(|client| !client.is_empty()) {
        let is_life = |event: &&Event| {
            let name = event.outcome.name();
            let lives = ["connect.", "disconnect.", "session.", "subscribe."];
            event.client == client && lives.iter().any(|start| name.starts_with(start))
        };
        // The last things before the message, and the next ones after it.
        let events = evidence.events.iter().filter(is_life);
        let before = events.clone().filter(|event| event.unix_ms <= at_ms);
        lines.extend(before.rev().take(4).cloned());
        let after = events.filter(|event| event.unix_ms > at_ms);
        lines.extend(after.take(2).cloned());
    }
    let is_mark = |event: &&Event| {
        let mut restarts = evidence.restarts.iter();
        restarts.any(|restart| restart.is_marked_by(event))
    };
    lines.extend(evidence.events.iter().filter(is_mark).cloned());
    lines.sort_by_key(order);
    lines.dedup();
    lines.truncate(TIMELINE_MAX);
    lines
}
