//! Does the disk hold a message up?

use columba_broker::outcome::Outcome;
use columba_codec::QoS;

use super::Finding;
use crate::code::Code;
use crate::evidence::Event;
use crate::history::{History, changes_connection, is_publication};
use crate::texts::sentences as say;

/// Lines of what comes again are written this much later at most.
const COUNTED_MS: u64 = 10_000;

/// A PUBLISH that waits for room on the disk, or for a restart after the disk has failed. Where the disk
/// merely does not keep up, input goes on within a moment, which nothing tells.
pub fn held<'e>(history: &History<'e>, event: &'e Event) -> Option<Finding<'e>> {
    let disk = waits_for(history, event)?;
    let (client, topic) = (&*event.client, &*event.topic);
    let own = history.of(client);
    let mut since = own.iter().filter(|other| other.unix_ms >= event.unix_ms);
    let gone = since.find(|other| other.outcome.name().starts_with("disconnect."));
    let has_failed = disk.outcome == Outcome::BrokerDiskFailed;
    let text = match gone {
        // Nobody sends it again.
        Some(_) if event.qos == Some(QoS::AtMostOnce) => say::p14_lost(client, topic),
        Some(_) => say::p14_again(client, topic),
        None if has_failed => say::p14_failed(client, topic),
        None => say::p14(client, topic),
    };
    let found = Finding::certain(Code::P14, text).cite([disk, event]);
    Some(found.cite(gone.copied()))
}

/// A PUBLISH that was taken before the disk was full or had failed: its acknowledgement waits for it.
pub fn unacknowledged<'e>(history: &History<'e>) -> Option<Finding<'e>> {
    let publisher = history.evidence.question.publisher.as_deref();
    let mut events = history.evidence.events.iter().rev();
    let (event, disk) = events.find_map(|event| {
        let is_it = event.outcome == Outcome::PublishAnswerWait
            && event.topic == history.topic
            && publisher.is_none_or(|of| event.client == of);
        let disk = bad_disk(history, event).filter(|_| is_it)?;
        Some((event, disk))
    })?;
    let (client, topic) = (&*event.client, &*event.topic);
    let mut since = history.of(client).iter();
    let gone = since.find(|other| {
        other.unix_ms >= event.unix_ms && changes_connection(other.outcome) == Some(false)
    });
    let text = match gone {
        Some(_) => say::p14_answer_again(client, topic),
        None if disk.outcome == Outcome::BrokerDiskFailed => say::p14_answer_failed(client, topic),
        None => say::p14_answer(client, topic),
    };
    let key = history.key_of(event);
    let mut own = history.of(client).iter().copied();
    let publication = own.find(|other| is_publication(other) && history.key_of(other) == key);
    let found = Finding::certain(Code::P14, text).cite(publication);
    Some(found.cite([disk, event]).cite(gone.copied()))
}

/// How the detail of an answer that waits began while that was `publish.store_wait` as well.
const ANSWER_WAITS: &str = "its answer waits: ";

/// The same of a SUBSCRIBE or UNSUBSCRIBE of a client.
pub fn held_subscription<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let own = history.of(client).iter().copied();
    let mut own = own.rev().take_while(|event| {
        let name = event.outcome.name();
        !name.starts_with("subscribe.") && !name.starts_with("disconnect.")
    });
    // What was sent before is taken, whatever it was: its answer alone waits.
    let is_held =
        |event: &&Event| event.topic.is_empty() && !event.detail.starts_with(ANSWER_WAITS);
    let event = own.find(|event| event.outcome == Outcome::PublishStoreWait && is_held(event))?;
    let disk = waits_for(history, event)?;
    let text = if disk.outcome == Outcome::BrokerDiskFailed {
        say::p14_subscribe_failed(client)
    } else {
        say::p14_subscribe(client)
    };
    Some(Finding::certain(Code::P14, text).cite([disk, event]))
}

/// What is the matter with the disk that this waits for; `None` if it went on or came again.
fn waits_for<'e>(history: &History<'e>, event: &Event) -> Option<&'e Event> {
    if event.outcome != Outcome::PublishStoreWait {
        return None;
    }
    let went_on = |other: &Event| {
        let is_later = (other.unix_ms, other.sequence) > (event.unix_ms, event.sequence);
        let is_its = other.topic == event.topic
            && (is_publication(other) || other.outcome == Outcome::PublishStoreWait);
        is_later && is_its
    };
    if history.of(&event.client).iter().any(|other| went_on(other)) {
        return None;
    }
    bad_disk(history, event)
}

/// What is the matter with the disk since something had to wait for it, if it is still.
fn bad_disk<'e>(history: &History<'e>, event: &Event) -> Option<&'e Event> {
    // Each shard hears how the disk is, not all at one moment.
    let own = history.of("").iter().copied();
    let disk = own
        .filter(|other| other.shard == event.shard)
        .rfind(|other| {
            matches!(
                other.outcome,
                Outcome::BrokerDiskFull
                    | Outcome::BrokerDiskRoom
                    | Outcome::BrokerDiskFailed
                    | Outcome::BrokerStarted
            )
        })?;
    let is_bad = matches!(
        disk.outcome,
        Outcome::BrokerDiskFull | Outcome::BrokerDiskFailed
    );
    (is_bad && event.unix_ms.saturating_add(COUNTED_MS) >= disk.unix_ms).then_some(disk)
}
