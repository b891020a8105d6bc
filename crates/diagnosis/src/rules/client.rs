//! What is the matter with a client, whatever the topic?

use std::collections::BTreeSet;

use columba_broker::outcome::Outcome;
use columba_broker::query::SessionDetail;
use columba_broker::recorder::flag;
use columba_speech::Param;

use super::{
    Finding, TAKEOVERS_MIN, between, copy, machines, own, publisher, refusals, refused_filter,
    routing, session_end, store, unread, with_slowdown, words,
};
use crate::code::{Code, Confidence};
use crate::evidence::{Event, Presence};
use crate::history::{
    History, changes_connection, ends_session, ends_subscription, filter_of, is_refusal,
};
use crate::near;
use crate::operators;
use crate::texts::sentences as say;

/// How the session stands says something of a window that ends so near to the time of asking.
const NOW_MS: u64 = 60_000;

/// Subscriptions that are named at most.
pub const NAMED_MAX: usize = 20;

/// What keeps those who are asked about from publishing or receiving anything, the most telling first.
pub fn faults<'e>(history: &History<'e>) -> Vec<Finding<'e>> {
    let question = &history.evidence.question;
    let mut found = Vec::new();
    if let Some(client) = question.publisher.as_deref() {
        if history.knows(client) {
            found.extend(publisher::kept_out(history, client));
            found.extend(unread::of(history, client));
        } else {
            found.extend(publisher::never_seen(history, client));
        }
    }
    if let Some(client) = question.subscriber.as_deref() {
        if history.knows(client) {
            found.extend(of_subscriber(history, client));
        } else {
            found.push(never_seen(history, client));
            found.extend(refusals::nameless(history, Code::S15));
        }
    }
    found
}

/// The subscriber is in order, or the publisher, and nothing is recorded of its messages.
pub fn silence<'e>(history: &History<'e>) -> Option<Finding<'e>> {
    let question = &history.evidence.question;
    if let Some(client) = question.publisher.as_deref() {
        let sure = publisher::sure_of_absence(history);
        return Some(Finding::certain(Code::P05, say::p05_nothing(client)).with(sure));
    }
    let client = question.subscriber.as_deref()?;
    nothing_for(history, client)
}

/// A subscriber of which nothing is known.
pub fn never_seen<'e>(history: &History<'e>, client: &str) -> Finding<'e> {
    let found = match publisher::like(history, client) {
        Some(other) => publisher::nearly(history, client, other),
        None => {
            let text = match publisher::hole(history) {
                Some((from, to)) => say::u03_hole(client, from, to),
                None => say::u03(client),
            };
            Finding::certain(Code::U03, text)
        }
    };
    // It may stand in what is missing, such as what a broker that was killed had noted last.
    let is_all = publisher::is_covered(history)
        && publisher::has_excess(history)
        && publisher::hole(history).is_none();
    found.with(if is_all {
        Confidence::Certain
    } else {
        Confidence::Possible
    })
}

fn of_subscriber<'e>(history: &History<'e>, client: &str) -> Vec<Finding<'e>> {
    let mut found = Vec::new();
    found.extend(shared_id(history, client));
    found.extend(refused_subscription(history, client));
    let held = store::held_subscription(history, client);
    let waits_for_disk = held.is_some();
    found.extend(held);
    let to_ms = history.evidence.question.to_ms;
    let is_now = to_ms.saturating_add(NOW_MS) >= history.evidence.now_ms;
    let presence = match &history.evidence.subscriber {
        presence if is_now => presence,
        _ => &Presence::Unknown,
    };
    let is_online = history.is_online_at(client, to_ms);
    match (presence, is_online) {
        (Presence::Session(session), _) if session.row.connection.is_some() => {
            if !waits_for_disk {
                found.extend(without_subscriptions(history, session, client));
            }
            if session.row.queued > 0 {
                let text = copy::in_queue(None, Some(session), client);
                found.push(Finding::certain(Code::S11, text));
            }
        }
        (Presence::Session(session), _) => {
            found.extend(refusals::of_subscriber(history, client, to_ms));
            if session.row.queued > 0 {
                let text = say::s13_many(client, session.row.queued);
                found.push(Finding::certain(Code::S13, text));
            }
        }
        (_, Some(true)) => {}
        (Presence::Absent, _) | (_, Some(false)) => {
            found.extend(refusals::of_subscriber(history, client, to_ms));
            found.extend(session_over(history, presence, client));
        }
        (Presence::Unknown, None) => {
            found.extend(refusals::of_subscriber(history, client, to_ms));
        }
    }
    found
}

fn shared_id<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let (times, peers) = history.takeovers(client);
    let mut own = history.of(client).iter().copied();
    let last = own.rfind(|event| event.outcome == Outcome::DisconnectTakenOver);
    (times >= TAKEOVERS_MIN).then(|| {
        let text = say::s04(client, times, machines(peers));
        let found = Finding::certain(Code::S04, text).cite(last);
        with_slowdown(history, client, found)
    })
}

/// The last subscription that was refused, or taken away, and stayed so.
fn refused_subscription<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let to_ms = history.evidence.question.to_ms;
    let filters: BTreeSet<String> = history
        .evidence
        .subscriptions
        .iter()
        .map(filter_of)
        .collect();
    let is_held = |filter: &str| filters.contains(filter);
    let before = |event: &&&Event| event.unix_ms <= to_ms;
    let own = history.of(client).iter().filter(before);
    let mut since: Vec<&'e Event> = Vec::new();
    for event in own.copied().rev() {
        let is_new =
            event.outcome == Outcome::ConnectAccepted && event.flags & flag::SESSION_PRESENT == 0;
        if ends_session(event.outcome) || is_new {
            return None;
        }
        let is_denial = is_refusal(event.outcome) || event.outcome == Outcome::SubscribeRevoked;
        if is_denial && !since.iter().any(|later| later.topic == event.topic) {
            if is_held(&event.topic) {
                return None;
            }
            let found = if is_refusal(event.outcome) {
                refused_filter::refused(event, client)
            } else {
                let text = say::s05_revoked(client, &*event.topic, words(event));
                Finding::certain(Code::S05, text).cite([event])
            };
            // It may have asked again, and got it.
            let is_sure = history.hole_or_excess_since(event.unix_ms).is_none();
            return Some(match is_sure {
                true => found,
                false => found.with(Confidence::Possible),
            });
        }
        if event.outcome == Outcome::SubscribeGranted || ends_subscription(event.outcome) {
            since.push(event);
        }
    }
    None
}

/// It is gone, and nothing is kept for it.
fn session_over<'e>(
    history: &History<'e>,
    presence: &Presence,
    client: &str,
) -> Option<Finding<'e>> {
    let to_ms = history.evidence.question.to_ms;
    let own = history.of(client).iter().copied();
    let mut before = own.filter(|event| event.unix_ms <= to_ms);
    if matches!(presence, Presence::Absent)
        && let Some(found) = ended_with_broker(history, client)
    {
        return Some(found);
    }
    let gone = before
        .clone()
        .rfind(|event| event.outcome.name().starts_with("disconnect."))?;
    let over = before.rfind(|event| ends_session(event.outcome));
    let over = over.filter(|over| over.unix_ms >= gone.unix_ms);
    if over.is_none() && !matches!(presence, Presence::Absent) {
        return None;
    }
    let Some((since_ms, until_ms)) = history.hole_or_excess_since(gone.unix_ms) else {
        let text = say::s01_now(client, between(gone.unix_ms, to_ms), words(gone));
        let found = Finding::certain(Code::S01, text).cite([gone]).cite(over);
        let fixes = session_end::fixes_of_loss(gone, client);
        return Some(fixes.into_iter().fold(found, Finding::fix));
    };
    // It may have come back since, and have left anew, and got its messages meanwhile. That it is gone
    // now is what the sessions say; without them it may be there.
    if !matches!(presence, Presence::Absent) {
        return None;
    }
    let at = Param::Moment;
    let text = say::s01_hole(
        client,
        at(gone.unix_ms),
        words(gone),
        at(since_ms),
        at(until_ms),
    );
    let found = Finding::certain(Code::S01, text).with(Confidence::Possible);
    Some(found.cite([gone]).cite(over))
}

/// It was connected when a process of the broker ended, and has not come back to the next one, nor has its session.
fn ended_with_broker<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let to_ms = history.evidence.question.to_ms;
    let own = history.of(client).iter().copied();
    let mut changes =
        own.filter(|event| event.unix_ms <= to_ms && changes_connection(event.outcome).is_some());
    let last = changes.next_back()?;
    if last.outcome != Outcome::ConnectAccepted {
        return None;
    }
    let start = history.start_behind(last, to_ms)?;
    let mut marks = history.of("").iter().copied();
    let stopping = marks.find(|event| {
        let between = last.unix_ms..=start.unix_ms;
        event.outcome == Outcome::BrokerStopping && between.contains(&event.unix_ms)
    });
    let at = Param::Moment(start.unix_ms);
    let text = match stopping {
        Some(stopping) => say::s01_stopped(client, Param::Moment(stopping.unix_ms), at),
        None => say::s01_ended(client, at),
    };
    let sure = match history.hole_or_excess_since(last.unix_ms) {
        None => Confidence::Certain,
        // It may have got its messages in what is missing.
        Some(_) => Confidence::Possible,
    };
    let found = Finding::certain(Code::S01, text).with(sure).cite([last]);
    Some(found.cite(stopping).cite([start]))
}

/// It is connected and has no subscription, and why.
fn without_subscriptions<'e>(
    history: &History<'e>,
    session: &SessionDetail,
    client: &str,
) -> Option<Finding<'e>> {
    if session.row.subscriptions > 0 {
        return None;
    }
    let now_ms = history.evidence.now_ms;
    let own = history.of(client).iter().copied();
    // What ended its session before it ever subscribed says nothing.
    let own = own.skip_while(|event| event.outcome != Outcome::SubscribeGranted);
    let is_end = |event: &Event| ends_subscription(event.outcome) || ends_session(event.outcome);
    let last = own
        .filter(|event| event.outcome == Outcome::SubscribeGranted || is_end(event))
        .last();
    // What it had subscribed to since may have gone in another way, of which the record has nothing.
    let last =
        last.filter(|last| is_end(last) && history.hole_or_excess_since(last.unix_ms).is_none());
    let Some(last) = last else {
        return Some(Finding::certain(Code::R01, say::r01_empty(client)));
    };
    let ago = between(last.unix_ms, now_ms);
    let (code, text) = match last.outcome {
        Outcome::UnsubscribeByAdmin => (
            Code::S12,
            say::s12_empty_admin(client, &*last.topic, operators::aside(last), ago),
        ),
        Outcome::SessionEndedByAdmin => (
            Code::S03,
            say::s03_empty_admin(client, operators::aside(last), ago),
        ),
        Outcome::UnsubscribeDone => (Code::S12, say::s12_empty(client, &*last.topic, ago)),
        Outcome::SubscribeRevoked => (
            Code::S05,
            say::s05_revoked(client, &*last.topic, words(last)),
        ),
        _ => (Code::S03, say::s03_empty(client, ago)),
    };
    Some(Finding::certain(code, text).cite([last]))
}

/// Nothing is recorded of copies for a client that is subscribed.
fn nothing_for<'e>(history: &History<'e>, client: &str) -> Option<Finding<'e>> {
    let evidence = history.evidence;
    let filters: Vec<String> = evidence.subscriptions.iter().map(filter_of).collect();
    if filters.is_empty() {
        return None;
    }
    let named = || Param::list(filters.iter().take(NAMED_MAX).cloned());
    let topics = evidence.topics.iter().map(String::as_str);
    let mut is_matched = topics
        .clone()
        .flat_map(|topic| filters.iter().map(move |filter| (filter, topic)));
    let subscribed = || Finding::certain(Code::U02, say::u02_subscribed(client, named()));
    if is_matched.any(|(filter, topic)| near::matches(filter, topic)) {
        return Some(subscribed());
    }
    if filters.iter().any(|filter| own::is_own(filter)) {
        let text = say::u02_sys(client, named());
        return Some(Finding::certain(Code::U02, text));
    }
    let mut missed = topics.filter_map(|topic| {
        let best = near::filters(topic, filters.iter().map(String::as_str));
        Some((topic, best.into_iter().next()?))
    });
    if let Some((topic, best)) = missed.next() {
        // Whether it is this topic that is missed is not known.
        let found = routing::near_miss(topic, Some(client), &best);
        return Some(found.with(Confidence::Possible));
    }
    if evidence.is_concealed {
        return Some(subscribed());
    }
    let text = say::p05_for(client, named());
    let found = Finding::certain(Code::P05, text).with(publisher::sure_of_absence(history));
    Some(match evidence.coverage.uncompared {
        0 => found,
        count => {
            let text = say::uncompared(found.text.clone(), count);
            Finding { text, ..found }.with(Confidence::Possible)
        }
    })
}
