//! Did the message come to the broker at all?

use columba_broker::outcome::Outcome;
use columba_broker::query::WillRow;
use columba_codec::{TopicFault, TopicName};
use columba_speech::Param;

use super::{Finding, machines, refusals, unread, with_slowdown, words};
use crate::code::{Code, Confidence};
use crate::evidence::{Event, Evidence};
use crate::history::{History, changes_connection};
use crate::near;
use crate::noted::noted;
use crate::texts::sentences as say;

/// A PUBLISH that was refused.
pub fn refused<'e>(event: &'e Event) -> Option<Finding<'e>> {
    let (client, topic) = (&*event.client, &*event.topic);
    let found = match event.outcome {
        Outcome::PublishDeniedAcl => {
            Finding::certain(Code::P07, say::p07(client, topic, words(event)))
        }
        Outcome::PublishTooLarge => Finding::certain(Code::P08, say::p08(client, words(event))),
        Outcome::PublishBadTopic if topic.is_empty() => {
            Finding::certain(Code::P06, say::p06_unread(client, words(event)))
        }
        Outcome::PublishAliasInvalid => {
            let text = say::p06_alias(client, words(event));
            Finding::certain(Code::P06, text).fix_alone(vec![say::fix_alias()])
        }
        Outcome::PublishBadTopic => {
            let text = say::p06_refused(client, topic, words(event));
            let found = Finding::certain(Code::P06, text);
            if topic.starts_with("$SYS") {
                found.fix_alone(vec![say::fix_not_sys()])
            } else {
                found
            }
        }
        Outcome::PublishReceiveMaximum
        | Outcome::PublishRetainQuota
        | Outcome::PublishPayloadInvalid => {
            Finding::certain(Code::P09, say::p09(client, words(event)))
        }
        Outcome::DisconnectMalformed | Outcome::DisconnectProtocol => {
            let text = say::p04_broke(client, words(event));
            let found = Finding::certain(Code::P04, text).with(Confidence::Likely);
            found.fix(say::fix_broke())
        }
        _ => return None,
    };
    Some(found.cite([event]))
}

/// Things about the publisher that are worth a word, whatever became of the message.
pub fn noticed<'e>(history: &History<'e>) -> Vec<Finding<'e>> {
    let mut found = Vec::new();
    for event in history.window() {
        if event.outcome == Outcome::PublishDuplicate && event.topic == history.topic {
            let text = say::p11(&*event.client, history.topic, event.times);
            found.push(Finding::certain(Code::P11, text).cite([event]));
        }
    }
    found.truncate(1);
    if let Some(publisher) = history.evidence.question.publisher.as_deref() {
        found.extend(shared_id(history, publisher));
        let session = history.evidence.publisher.session();
        if let Some(session) = session.filter(|session| session.unreleased > 0) {
            let text = say::p10(publisher, session.unreleased);
            found.push(Finding::certain(Code::P10, text));
        }
    }
    found
}

/// Why nothing came, most basic things first. The first one blocks, the others are noticed.
pub fn nothing_came<'e>(history: &History<'e>) -> Vec<Finding<'e>> {
    let mut found = Vec::new();
    let publisher = history.evidence.question.publisher.as_deref();
    let fault = TopicName::parse(history.topic).err();
    if let Some(fault) = fault {
        let text = say::p06(history.topic, fault_words(fault));
        found.push(Finding::certain(Code::P06, text));
    }
    if let Some(publisher) = publisher {
        if !history.knows(publisher) {
            found.extend(never_seen(history, publisher));
            return found;
        }
        found.extend(kept_out(history, publisher));
    }
    found.extend(will_not_sent(history, publisher));
    let is_away = found.iter().any(|other| other.code == Code::P04);
    match came_at_another_time(history) {
        // What it says of the publisher is true, and of a message that came before, beside the point.
        Some(other) if found.iter().all(|other| other.code == Code::P04) => found.insert(0, other),
        Some(other) => found.push(other),
        None if is_away || found.iter().any(|other| other.code == Code::P02) => {}
        // What nobody can publish did not come.
        None if fault.is_some() => {}
        None => {
            let none = no_publish(history, publisher);
            // What is about this topic goes before what may be about any.
            found.push(none);
            let (unread, refused) = unread::of_anybody(history);
            found.extend(unread);
            found.extend(refused);
        }
    }
    found
}

/// A PUBLISH that came all the same: in the window and not followed, or before it.
fn came_at_another_time<'e>(history: &History<'e>) -> Option<Finding<'e>> {
    let evidence = history.evidence;
    let question = &evidence.question;
    let (last_ms, line) = history.last_before(question.to_ms.saturating_add(1))?;
    if last_ms >= question.from_ms {
        let text = say::u01_came(history.topic, Param::Moment(last_ms));
        return Some(Finding::certain(Code::U01, text).cite(line));
    }
    let ago = super::between(last_ms, evidence.now_ms);
    let text = match question.publisher.as_deref() {
        Some(publisher) => say::u04_from(publisher, history.topic, ago),
        None => say::u04(history.topic, ago),
    };
    let minutes = ago.as_secs() / 60 + 1;
    let found = Finding::certain(Code::U04, text).fix(say::fix_since(minutes));
    // In a hole there may have been another one.
    Some(found.with(sure_of_absence(history)).cite(line))
}

/// A Will on the topic, and why it was never published.
fn will_not_sent<'e>(history: &History<'e>, publisher: Option<&str>) -> Option<Finding<'e>> {
    let is_of = |event: &&Event| {
        let is_will = matches!(
            event.outcome,
            Outcome::WillDiscarded | Outcome::WillCancelled
        );
        is_will
            && event.topic == history.topic
            && publisher.is_none_or(|publisher| event.client == publisher)
    };
    let Some(last) = history.window().rfind(is_of) else {
        return will_waits(history, publisher?);
    };
    let client = &*last.client;
    let found = if last.outcome == Outcome::WillCancelled {
        Finding::certain(Code::P05, say::p05_will_back(client, history.topic))
            .fix(say::fix_will_delay())
    } else {
        Finding::certain(Code::P05, say::p05_will(client, history.topic))
            .fix(say::fix_will_reason())
    };
    Some(found.cite([last]))
}

/// A Will that has been due since a time in the window or before, when its delay or its session is over.
fn will_waits<'e>(history: &History<'e>, publisher: &str) -> Option<Finding<'e>> {
    let session = history.evidence.publisher.session()?;
    let is_it = |will: &WillRow| &*will.topic == history.topic;
    let has_gone = session.row.connection.is_none()
        && session.row.since_unix_ms <= history.evidence.question.to_ms;
    let is_due = has_gone && session.will.as_ref().is_some_and(is_it);
    is_due.then(|| {
        let text = say::p05_will_waits(publisher, history.topic);
        let mut gone = history.of(publisher).iter().copied();
        let gone = gone.rfind(|event| event.outcome.name().starts_with("disconnect."));
        let found = Finding::certain(Code::P05, text).fix(say::fix_will_delay());
        // That of a session before may have been refused.
        found.with(sure_of_absence(history)).cite(gone)
    })
}

fn fault_words(fault: TopicFault) -> Param {
    noted(&fault.to_string())
}

pub(super) fn never_seen<'e>(history: &History<'e>, publisher: &str) -> Vec<Finding<'e>> {
    let hole = hole(history);
    let sure = match (has_excess(history), is_covered(history)) {
        // It may have come in it.
        _ if hole.is_some() => Confidence::Possible,
        (true, true) => Confidence::Certain,
        (true, false) => Confidence::Likely,
        // It may have come again and again.
        (false, _) => Confidence::Possible,
    };
    if let Some(other) = like(history, publisher) {
        let mut found = vec![nearly(history, publisher, other).with(sure)];
        found.extend(refusals::nameless(history, Code::P02));
        return found;
    }
    let text = match hole {
        Some((from, to)) => say::p01_hole(publisher, from, to),
        None => say::p01(publisher),
    };
    let mut found = vec![Finding::certain(Code::P01, text).with(sure)];
    found.extend(refusals::nameless(history, Code::P02));
    let others = history.evidence.clients.len();
    if others > 0 {
        let elsewhere = Finding::certain(Code::P13, say::p13(others));
        found.push(elsewhere.with(Confidence::Possible));
    }
    found
}

/// Nobody of this name was seen, and somebody of nearly the same.
pub(super) fn nearly<'e>(history: &History<'e>, client: &str, other: &str) -> Finding<'e> {
    let text = match hole(history) {
        Some((from, to)) => say::u03_near_hole(client, other, from, to),
        None => say::u03_near(client, other),
    };
    Finding::certain(Code::U03, text).fix(say::fix_ask_for(other))
}

/// A client id that is nearly this one. One that differs in its digits alone is another device of a fleet.
pub fn like<'h>(history: &'h History<'_>, client: &str) -> Option<&'h str> {
    let clients = history.evidence.clients.iter().map(String::as_str);
    let near = clients.filter_map(|of| {
        let far = if of.eq_ignore_ascii_case(client) {
            0
        } else {
            near::distance(of, client)
        };
        let is_near = of != client && far <= 2 && client.chars().count() > 2 * far;
        (is_near && !differs_in_digits(of, client)).then_some((far, of))
    });
    near.min().map(|(_, of)| of)
}

/// Whether two names are the same but for their numbers.
fn differs_in_digits(one: &str, other: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    let words = |name| str::split(name, is_digit).filter(|word| !word.is_empty());
    let numbers = |name: &str| name.chars().filter(|c| is_digit(*c)).collect::<String>();
    words(one).eq(words(other)) && numbers(one) != numbers(other)
}

/// What kept a known publisher away.
pub(super) fn kept_out<'e>(history: &History<'e>, publisher: &str) -> Vec<Finding<'e>> {
    let mut found = Vec::new();
    let question = &history.evidence.question;
    let events = history.of(publisher);
    let in_window = || {
        events
            .iter()
            .copied()
            .filter(|event| history.is_in_window(event.unix_ms))
    };
    // Who left was there, also if its coming is older than the record.
    let is_of_connection = |event: &Event| changes_connection(event.outcome).is_some();
    let was_connected = history.is_online_at(publisher, question.from_ms) == Some(true)
        || in_window().any(is_of_connection);
    found.extend(not_let_in(history, publisher, was_connected));
    found.extend(shared_id(history, publisher));
    let is_away = history.is_online_at(publisher, question.from_ms) == Some(false);
    if !was_connected && is_away && found.is_empty() {
        let before = events.iter().copied().rfind(|event| {
            event.unix_ms <= question.to_ms && event.outcome.name().starts_with("disconnect.")
        });
        let away = match before {
            Some(event) => {
                let ago = super::between(event.unix_ms, question.to_ms);
                Finding::certain(Code::P04, say::p04_since(publisher, ago, words(event)))
                    .cite([event])
            }
            None => Finding::certain(Code::P04, say::p04(publisher)),
        };
        // It may have come and gone meanwhile.
        let since_ms = before.map_or(question.from_ms, |event| event.unix_ms);
        let sure = match has_excess(history) && history.hole_since(since_ms).is_none() {
            true => Confidence::Certain,
            false => Confidence::Possible,
        };
        found.push(away.with(sure));
    }
    found
}

/// Refused in the window. Who was connected in a part of it may have published then.
fn not_let_in<'e>(
    history: &History<'e>,
    publisher: &str,
    was_connected: bool,
) -> Option<Finding<'e>> {
    if was_connected {
        let to_ms = history.evidence.question.to_ms;
        let refusals::KeptAway { last, times } = refusals::kept_away_at(history, publisher, to_ms)?;
        let found = refusals::of_publisher(last, times).with(Confidence::Likely);
        return history.is_in_window(last.unix_ms).then_some(found);
    }
    let own = history.of(publisher).iter().copied();
    let refused =
        own.filter(|event| history.is_in_window(event.unix_ms) && refusals::is_refused(event));
    let last = refused.clone().next_back()?;
    let same = refused.filter(|event| event.outcome == last.outcome);
    let times = same.map(|event| event.times).sum();
    Some(refusals::of_publisher(last, times))
}

/// Several programs with the id of the publisher.
fn shared_id<'e>(history: &History<'e>, publisher: &str) -> Option<Finding<'e>> {
    let (times, peers) = history.takeovers(publisher);
    let last = history
        .of(publisher)
        .iter()
        .copied()
        .rfind(|event| event.outcome == Outcome::DisconnectTakenOver);
    (times >= super::TAKEOVERS_MIN).then(|| {
        let text = say::p03(publisher, times, machines(peers));
        let found = Finding::certain(Code::P03, text).cite(last);
        with_slowdown(history, publisher, found)
    })
}

/// Whether the record reaches back to the beginning of the window.
pub fn is_covered(history: &History<'_>) -> bool {
    let coverage = &history.evidence.coverage;
    coverage.from_ms <= history.evidence.question.from_ms && coverage.cut == 0
}

/// The last time of which what clients did is missing within the record, be it before the window.
pub(super) fn hole(history: &History<'_>) -> Option<(Param, Param)> {
    let (from_ms, to_ms) = history.hole_since(history.evidence.coverage.from_ms)?;
    Some((Param::Moment(from_ms), Param::Moment(to_ms)))
}

/// Whether every message in the window is in the record, those that were refused among them.
pub fn is_whole(history: &History<'_>) -> bool {
    is_covered(history) && history.evidence.coverage.left_out == 0 && has_excess(history)
}

/// Whether the record has what clients do in excess in the window and since: to come and go, or to be
/// refused, again and again.
pub fn has_excess(history: &History<'_>) -> bool {
    let Evidence {
        coverage, question, ..
    } = history.evidence;
    coverage.excess_from_ms <= question.from_ms
}

/// How sure it is that what is not recorded did not come: it may be among what was not read.
pub fn sure_of_absence(history: &History<'_>) -> Confidence {
    if is_whole(history) && !unread::is_any(history) {
        Confidence::Certain
    } else {
        Confidence::Possible
    }
}

fn no_publish<'e>(history: &History<'e>, publisher: Option<&str>) -> Finding<'e> {
    let evidence = history.evidence;
    let topics = evidence.topics.iter().map(String::as_str);
    let near = near::topics(history.topic, topics);
    let sure = sure_of_absence(history);
    if let Some(best) = near.first() {
        let text = say::p05_near(history.topic, &*best.name, best.rule.sentence(best.level));
        let found = Finding::certain(Code::P05, text).with(sure);
        let found = found.fix(best.rule.publish_to(history.topic));
        // What was published by mistake is nothing to subscribe to.
        if best.rule.is_odd(&best.name) && !best.rule.is_odd(history.topic) {
            return found;
        }
        return found.fix(best.rule.subscribe_to(&best.name));
    }
    let was_connected = |client: &str| {
        let mut connects = history.of(client).iter();
        history.is_online_at(client, evidence.question.from_ms) == Some(true)
            || connects.any(|event| {
                event.outcome == Outcome::ConnectAccepted && history.is_in_window(event.unix_ms)
            })
    };
    if evidence.is_since_start && sure == Confidence::Certain {
        let at = || Param::Moment(evidence.question.from_ms);
        let text = match publisher {
            Some(publisher) => say::p05_by_since_start(history.topic, publisher, at()),
            None => say::p05_since_start(history.topic, at()),
        };
        return Finding::certain(Code::P05, text).with(Confidence::Likely);
    }
    let text = match publisher {
        Some(publisher) if sure == Confidence::Certain && was_connected(publisher) => {
            say::p05_by(history.topic, publisher)
        }
        Some(publisher) => say::p05_from(history.topic, publisher),
        None if sure == Confidence::Certain => say::p05(history.topic),
        None => say::p05_recorded(history.topic),
    };
    Finding::certain(Code::P05, text).with(sure)
}
