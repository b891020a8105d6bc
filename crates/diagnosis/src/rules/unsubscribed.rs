//! A message that nobody was subscribed to: whom it may have been meant for.

use std::collections::BTreeSet;

use super::{Finding, refused_filter, routing};
use crate::code::Code;
use crate::evidence::Event;
use crate::history::{History, Standing};
use crate::verdict::SUBSCRIBERS_MAX;

/// Nobody subscribed when this message came: that, and what else there is to say of it.
pub fn judge<'e>(
    history: &History<'e>,
    publication: &'e Event,
) -> (Finding<'e>, Option<Finding<'e>>) {
    let events = history.evidence.events.iter();
    let clients: BTreeSet<_> = events
        .filter(|event| refused_filter::is_about(history, event))
        .map(|event| &*event.client)
        .collect();
    // Of those who had subscribed before, or did later, the one that is nearest in time.
    let mut best: Option<(u64, &str, bool)> = None;
    for client in clients.into_iter().take(SUBSCRIBERS_MAX) {
        let standings = history.standings(client, publication.unix_ms);
        let (event, is_over) = match standings.first() {
            Some(Standing::Ended(event)) => (event, true),
            // Who looks at everything may be refused that, and misses nothing in particular.
            Some(Standing::Refused(event)) => (event, looked_on(history, client)),
            Some(Standing::Later(event)) => (event, false),
            Some(Standing::Subscribed { .. } | Standing::Unknown { .. }) | None => continue,
        };
        let far_ms = event.unix_ms.abs_diff(publication.unix_ms);
        if best.is_none_or(|(least, ..)| far_ms < least) {
            best = Some((far_ms, client, is_over));
        }
    }
    let never = routing::never(history, publication, None);
    let Some((_, client, is_over)) = best else {
        return (never, None);
    };
    let other = routing::no_copy(history, publication, client);
    let is_near_miss = never.code != Code::R01;
    // Who left is seldom who was to get it if somebody is there who nearly does, and never if all topics
    // were its own; who asks for it too late, or is refused, is.
    if is_over && (is_near_miss || looked_on(history, client)) {
        return (never, Some(other));
    }
    (other, is_near_miss.then_some(never))
}

/// Whether a client subscribed to the topic by wildcards alone, as who looks at everything does.
fn looked_on(history: &History<'_>, client: &str) -> bool {
    let own = history.of(client).iter();
    let mut asked = own.filter(|event| refused_filter::is_about(history, event));
    asked.all(|event| {
        event
            .topic
            .split('/')
            .all(|level| matches!(level, "#" | "+"))
    })
}
