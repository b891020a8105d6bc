//! A PUBLISH whose topic was not read: it was refused, or ended its connection, before that.

use columba_broker::outcome::Outcome;
use columba_broker::recorder::TapeName;

use super::{Finding, publisher, refusals};
use crate::code::Confidence;
use crate::evidence::Event;
use crate::history::{History, is_publication};

/// What a client sent last in the window and was not read, whatever its topic.
pub fn of<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let own = history.of(client).iter().copied();
    let own = own.filter(|event| history.is_in_window(event.unix_ms));
    let taken_ms = own.clone().rfind(|event| is_publication(event));
    let taken_ms = taken_ms.map_or(0, |event| event.unix_ms);
    let lost = own.filter(|event| event.topic.is_empty() && event.tape != TapeName::Ledger);
    let last = last(lost)?;
    // Who has published since has got over the end of a connection; a message that was refused is lost.
    if breaks(last) && taken_ms > last.unix_ms {
        return None;
    }
    publisher::refused(last)
}

/// What anybody sent and was not read, and who was not let in: the last of each may have been about the
/// message.
pub fn of_anybody<'e>(history: &History<'e>) -> (Option<Finding<'e>>, Option<Finding<'e>>) {
    let evidence = history.evidence;
    if evidence.is_concealed {
        return (None, None);
    }
    let mut all = evidence.unread.iter();
    let sent = last(all.clone()).and_then(publisher::refused);
    // Of the subscriber that is told as such.
    let subscriber = evidence.question.subscriber.as_deref();
    let is_other = |event: &Event| subscriber != Some(&*event.client);
    let refused = all.rfind(|event| refusals::is_refused(event) && is_other(event));
    let refused = refused.map(|last| {
        let same = evidence.unread.iter();
        let same = same.filter(|of| of.client == last.client && of.outcome == last.outcome);
        refusals::of_publisher(last, same.map(|of| of.times).sum())
    });
    let possible = |found: Finding<'e>| found.with(Confidence::Possible);
    (sent.map(possible), refused.map(possible))
}

/// Whether a PUBLISH of anybody was not read, so that it may have been any message.
pub fn is_any(history: &History<'_>) -> bool {
    last(history.evidence.unread.iter()).is_some()
}

fn breaks(event: &Event) -> bool {
    matches!(
        event.outcome,
        Outcome::DisconnectMalformed | Outcome::DisconnectProtocol
    )
}

/// The last that was not read. What was wrong says more than that it ended the connection.
fn last<'e>(events: impl DoubleEndedIterator<Item = &'e Event> + Clone) -> Option<&'e Event> {
    let is_publish = |event: &&Event| event.outcome.name().starts_with("publish.");
    let mut lost = events
        .clone()
        .filter(|event| is_publish(event) || breaks(event))
        .filter(|event| publisher::refused(event).is_some());
    let end = lost.next_back()?;
    let mut same =
        events.filter(|event| event.unix_ms == end.unix_ms && event.client == end.client);
    Some(same.rfind(is_publish).unwrap_or(end))
}
