//! Who subscribed when the message came?

use std::time::Duration;

use columba_broker::outcome::Outcome;
use columba_broker::recorder::flag;
use columba_codec::topic::{TopicFilter, TopicName};
use columba_speech::Text;

use super::{Finding, TAKEOVERS_MIN, between, refused_filter, session_end, with_slowdown, words};
use crate::code::{Code, Confidence};
use crate::evidence::{BETWEEN_SHARDS_MS, Event};
use crate::history::{History, Standing, filter_of};
use crate::near::{self, Near, Rule};
use crate::operators;
use crate::texts::sentences as say;

/// Why a message has no copy for a subscriber.
///
/// What happened in the same millisecond may have happened before the publish or after it.
pub fn no_copy<'e>(history: &History<'e>, publication: &'e Event, client: &str) -> Finding<'e> {
    let found = by_standing(history, publication, client);
    // Who got no copy of its own message had taken over before it published.
    let is_own = found.code == Code::S04;
    let is_close = !is_own && history.has_changed_at(client, publication.unix_ms)
        // What is retained may have been sent later, by a subscription or in a line that is not there.
        || publication.flags & flag::RETAIN != 0 && !history.is_whole_since(publication.unix_ms);
    if found.code != Code::U01 && (is_close || history.has_lost_of(client, publication.unix_ms)) {
        return found.with(Confidence::Possible);
    }
    found
}

fn by_standing<'e>(history: &History<'e>, publication: &'e Event, client: &str) -> Finding<'e> {
    let at_ms = publication.unix_ms;
    // Either all that it did is known, or who got a copy is.
    let has_all = publication.outcome == Outcome::PublishNoMatch || history.is_whole_since(at_ms);
    let is_sure = has_all || history.is_all_known(client, at_ms);
    let sure = if is_sure {
        Confidence::Certain
    } else {
        Confidence::Possible
    };
    let standings = history.standings(client, at_ms);
    match standings.first() {
        Some(Standing::Subscribed { .. }) => subscribed(history, publication, client, &standings),
        Some(Standing::Unknown { filter: _ }) => {
            Finding::certain(Code::U01, say::u01_copy(client)).cite([publication])
        }
        Some(Standing::Refused(event)) => refused_filter::refused(event, client).with(sure),
        Some(Standing::Ended(event)) => {
            let found = ended(history, publication, event, client);
            let sure = found.confidence.min(sure);
            found.with(sure)
        }
        Some(Standing::Later(event)) => {
            let found = later(history, publication, event, client);
            // What came from another shard meanwhile has met the subscription: a copy of it may be in a line that
            // is not there.
            let is_late = event.unix_ms > at_ms + BETWEEN_SHARDS_MS;
            match found.code {
                Code::U01 => found,
                _ if is_late || has_all => found.with(sure),
                _ => found.with(Confidence::Possible),
            }
        }
        None => {
            let found = never(history, publication, Some(client));
            let malformed = refused_filter::malformed(history, client, at_ms);
            let found = match malformed {
                Some(malformed) if found.code == Code::R01 => return malformed.cite([publication]),
                _ => found,
            };
            // A session that has ended since may have had a subscription from before the record.
            let is_gone = publication.outcome != Outcome::PublishNoMatch
                && history.has_ended_unknown(client, at_ms);
            found.with(if is_gone { Confidence::Possible } else { sure })
        }
    }
}

/// It subscribed, and there is no copy of its own: by which of its filters one was due.
fn subscribed<'e>(
    history: &History<'e>,
    publication: &'e Event,
    client: &str,
    standings: &[Standing<'e>],
) -> Finding<'e> {
    let filters = standings.iter().filter_map(|standing| match standing {
        Standing::Subscribed { filter, granted } => Some((&**filter, *granted)),
        Standing::Later(_)
        | Standing::Refused(_)
        | Standing::Ended(_)
        | Standing::Unknown { .. } => None,
    });
    let is_shared = |filter: &str| filter.starts_with("$share/");
    let is_held_back = |granted: Option<&Event>| {
        publication.client == client
            && granted.is_some_and(|event| event.flags & flag::NO_LOCAL != 0)
    };
    // What No Local holds back, or a group gives to another member, comes by another filter all the same.
    let due = filters
        .clone()
        .find(|(filter, granted)| !is_shared(filter) && !is_held_back(*granted));
    if let Some((filter, granted)) = due {
        return missing(history, publication, client, filter, granted);
    }
    if let Some((filter, _)) = filters.clone().find(|(filter, _)| is_shared(filter)) {
        return of_group(history, publication, filter);
    }
    // Its options may be others since, or it may have another filter, in what is not there.
    let mut granted = filters.filter_map(|(_, granted)| granted);
    let is_known = granted
        .all(|event| history.has_no_hole_between(event.unix_ms, publication.unix_ms))
        && !standings
            .iter()
            .any(|standing| matches!(standing, Standing::Unknown { .. }));
    let sure = if is_known {
        Confidence::Certain
    } else {
        Confidence::Possible
    };
    let found = Finding::certain(Code::R06, say::r06(client)).with(sure);
    found.cite([publication])
}

/// A copy was due, and there is no line of it.
fn missing<'e>(
    history: &History<'e>,
    publication: &'e Event,
    client: &str,
    filter: &str,
    granted: Option<&'e Event>,
) -> Finding<'e> {
    let coverage = &history.evidence.coverage;
    // Its copies may still be on their way to another shard.
    let is_fresh = publication.outcome != Outcome::PublishNoMatch
        && history.evidence.question.to_ms < publication.unix_ms + BETWEEN_SHARDS_MS;
    let is_whole = coverage.left_out == 0 && coverage.cut == 0 && !is_fresh;
    if is_whole
        && let Some(found) = at_about_that_time(history, publication, client, filter, granted)
    {
        return found;
    }
    if is_whole && granted.is_some_and(|event| event.unix_ms < publication.unix_ms) {
        let text = say::r08(client, filter);
        return Finding::certain(Code::R08, text)
            .with(Confidence::Possible)
            .cite([publication]);
    }
    Finding::certain(Code::U01, say::u01_copy(client)).cite([publication])
}

/// What another shard noted so near to the message that it may have been the other way round: the end of
/// the subscription came before, or its beginning after.
fn at_about_that_time<'e>(
    history: &History<'e>,
    publication: &'e Event,
    client: &str,
    filter: &str,
    granted: Option<&'e Event>,
) -> Option<Finding<'e>> {
    let is_near = |event: &Event| event.may_be_simultaneous_with(publication);
    let found = if let Some(event) = history
        .end_after(client, filter, publication.unix_ms)
        .filter(|event| is_near(event))
    {
        ended(history, publication, event, client)
    } else {
        let granted =
            granted.filter(|event| event.unix_ms < publication.unix_ms && is_near(event))?;
        later(history, publication, granted, client)
    };
    Some(found.with(Confidence::Possible))
}

/// Whether a sentence about a shared group names this one. Filters have blanks at times, and one may begin
/// as another does.
pub(super) fn is_about(detail: &str, group: &str) -> bool {
    let mut places = detail.match_indices(group);
    places.any(|(at, _)| {
        let behind = detail.get(at + group.len()..).unwrap_or_default();
        let before = detail.get(..at).unwrap_or_default();
        (before.is_empty() || before.ends_with(' '))
            && (behind.is_empty() || behind.starts_with(' '))
    })
}

fn of_group<'e>(history: &History<'e>, publication: &'e Event, group: &str) -> Finding<'e> {
    let copies = history.copies(publication);
    let nobody = copies
        .iter()
        .copied()
        .find(|event| event.client.is_empty() && is_about(&event.detail, group));
    if let Some(event) = nobody {
        let code = if event.outcome == Outcome::DeliverDeniedRead {
            Code::S06
        } else {
            Code::R05
        };
        return Finding::certain(code, say::r05_nobody(words(event))).cite([event]);
    }
    let by_group = copies.iter().copied().rfind(|event| event.detail == group);
    if let Some(event) = by_group {
        let text = say::r05(group, &*event.client);
        return Finding::certain(Code::R05, text).cite([event]);
    }
    // A copy that waits does not say by which group it came: somebody else's has to be from it, unless
    // it is known to be from another.
    let may_be = |event: &&Event| {
        let mut own = copies.iter().filter(|copy| copy.client == event.client);
        // A line about its sending would name the group.
        let is_by_itself = own.any(|copy| {
            let is_sent = matches!(
                copy.outcome,
                Outcome::DeliverSent | Outcome::DeliverInFlight
            );
            is_sent && copy.detail.is_empty()
        });
        !event.client.is_empty() && !event.detail.starts_with("$share/") && !is_by_itself
    };
    let sure = match history.evidence.coverage.left_out_since {
        0 => Confidence::Likely,
        _ => Confidence::Possible,
    };
    match copies.iter().copied().rfind(may_be) {
        Some(event) => Finding::certain(Code::R05, say::r05(group, &*event.client))
            .with(sure)
            .cite([event]),
        None => Finding::certain(
            Code::U01,
            say::u01_left_out(history.evidence.coverage.left_out),
        ),
    }
}

/// The subscription had ended before.
fn ended<'e>(
    history: &History<'e>,
    publication: &'e Event,
    event: &'e Event,
    client: &str,
) -> Finding<'e> {
    let at_ms = publication.unix_ms;
    let ago = between(event.unix_ms, at_ms);
    if let Some(takeover) = session_end::takeover(history, event, client) {
        let found = if publication.client == client {
            by_own_rival(history, takeover, client, ago)
        } else {
            let text = say::s03_taken_over(client, ago, words(takeover));
            Finding::certain(Code::S03, text).fix(say::fix_own_id(client))
        };
        return found.cite([event, takeover]);
    }
    let is_online = history.is_online_at(client, at_ms);
    let (code, text) = match event.outcome {
        Outcome::UnsubscribeDone => (Code::S12, say::s12(client, &*event.topic, ago)),
        Outcome::UnsubscribeByAdmin => (
            Code::S12,
            say::s12_admin(operators::aside(event), client, &*event.topic, ago),
        ),
        Outcome::SubscribeRevoked => (
            Code::S05,
            say::s05_revoked(client, &*event.topic, words(event)),
        ),
        Outcome::SessionExpired => (Code::S03, say::s03_expired(client, ago)),
        Outcome::SessionReplaced => (Code::S03, say::s03_clean(client, ago)),
        Outcome::SessionEndedByAdmin => (
            Code::S03,
            say::s03_admin(operators::aside(event), client, ago),
        ),
        _ if is_online == Some(false) => {
            let gone = session_end::disconnect(history, event, client);
            let text = match gone {
                Some(gone) => say::s01_after(client, ago, words(gone)),
                None => say::s01(client, ago),
            };
            let found = Finding::certain(Code::S01, text).cite([event]).cite(gone);
            let fixes = gone.map(|gone| session_end::fixes_of_loss(gone, client));
            return fixes.into_iter().flatten().fold(found, Finding::fix);
        }
        // It is back; or whether it is, is not told.
        _ => (Code::S03, say::s03_connection(client, ago)),
    };
    let found = Finding::certain(code, text).cite([event]);
    if event.outcome == Outcome::SessionEndedByAdmin {
        return found.fix_alone(session_end::by_operator(client));
    }
    found
}

/// A client took over the client id of a subscriber, and published to its topic: the subscriber went with
/// its session. It may also be one program that came back and has not subscribed yet.
fn by_own_rival<'e>(
    history: &History<'e>,
    takeover: &'e Event,
    client: &str,
    ago: Duration,
) -> Finding<'e> {
    let text = say::s04_own(client, ago, words(takeover));
    let sure = match history.takeovers(client).0 {
        TAKEOVERS_MIN.. => Confidence::Certain,
        2.. => Confidence::Likely,
        _ => Confidence::Possible,
    };
    let found = Finding::certain(Code::S04, text).with(sure);
    with_slowdown(history, client, found)
}

/// The subscription came after the message.
fn later<'e>(
    history: &History<'e>,
    publication: &'e Event,
    granted: &'e Event,
    client: &str,
) -> Finding<'e> {
    let filter = &*granted.topic;
    let late = between(publication.unix_ms, granted.unix_ms);
    let cites = [publication, granted];
    if publication.flags & flag::RETAIN == 0 {
        let text = say::r03(client, filter, late);
        return Finding::certain(Code::R03, text).cite(cites).early();
    }
    let (group, bare) = group_and_filter(filter);
    if !group.is_empty() {
        // MQTT 5.0, 4.8.2: none are sent to a shared subscription, whatever its options.
        let found = Finding::certain(Code::R04, say::r04_shared(client, filter)).cite(cites);
        return found.fix_alone(vec![say::fix_unshared(client, bare)]);
    }
    let handling = match granted.flags {
        flags if flags & flag::RETAINED_NEVER != 0 => Some(2_u64),
        flags if flags & flag::RETAINED_IF_NEW != 0 && flags & flag::EXISTED != 0 => Some(1),
        _ => None,
    };
    if let Some(handling) = handling {
        let text = say::r04_handling(client, filter, handling);
        let found = Finding::certain(Code::R04, text).cite(cites);
        return found.fix_alone(vec![say::fix_handling()]);
    }
    let between = publication.unix_ms..=granted.unix_ms;
    let gone = history.evidence.events.iter().rfind(|event| {
        let is_other = event.message != publication.message;
        event.topic == history.topic
            && between.contains(&event.unix_ms)
            && match event.outcome {
                Outcome::PublishRetainQuota => !is_other,
                Outcome::RetainedCleared | Outcome::RetainedExpired => true,
                // Without a number it is this one once more, as something that nobody subscribed to.
                _ => is_other && event.message != 0 && is_retained_publication(event),
            }
    });
    let (how, fix) = match gone {
        Some(event) if event.outcome == Outcome::PublishRetainQuota => {
            (say::r04_no_room(), say::fix_retained_room())
        }
        Some(event) if event.outcome == Outcome::RetainedExpired => {
            (say::r04_expired(), say::fix_retained_expiry())
        }
        Some(event) if event.outcome != Outcome::RetainedCleared && event.size_bytes > 0 => {
            let text = say::r04_replaced(client, history.topic);
            let found = Finding::certain(Code::R04, text).cite(cites).cite(gone);
            return found.early().fix_alone(vec![say::fix_each_value(client)]);
        }
        Some(event) if event.flags & flag::BY_OPERATOR != 0 => (
            say::r04_cleared_by_operator(operators::aside(event)),
            say::fix_retain_again(history.topic),
        ),
        Some(event) => (
            say::r04_cleared(&*event.client),
            say::fix_cleared(&*event.client, history.topic),
        ),
        None if publication.secs > 0 && late.as_secs() >= publication.secs => {
            (say::r04_expired(), say::fix_retained_expiry())
        }
        None => return Finding::certain(Code::U01, say::u01_copy(client)).cite(cites),
    };
    let text = say::r04_gone(client, history.topic, how);
    let found = Finding::certain(Code::R04, text).cite(cites).cite(gone);
    found.fix_alone(vec![fix])
}

fn is_retained_publication(event: &Event) -> bool {
    matches!(
        event.outcome,
        Outcome::PublishAccepted | Outcome::PublishNoMatch
    ) && event.flags & flag::RETAIN != 0
}

/// Nobody subscribed, or this client never did.
pub fn never<'e>(
    history: &History<'e>,
    publication: &'e Event,
    client: Option<&str>,
) -> Finding<'e> {
    let evidence = history.evidence;
    let rows = evidence.subscriptions.iter();
    let own: Vec<_> = rows.map(filter_of).collect();
    let asked = evidence
        .events
        .iter()
        .filter(|event| event.outcome == Outcome::SubscribeGranted);
    let asked: Vec<_> = asked
        .filter(|event| client.is_none_or(|client| event.client == client))
        .map(|event| &*event.topic)
        .collect();
    let near = match client {
        Some(_) => near::filters(history.topic, own.iter().map(String::as_str).chain(asked)),
        None => near::filters(
            history.topic,
            evidence.filters.iter().map(String::as_str).chain(asked),
        ),
    };
    let missed = near
        .first()
        .map(|best| near_miss(history.topic, client, best));
    let found = missed.unwrap_or_else(|| {
        let text = client.map_or_else(
            || say::r01(history.topic),
            |client| say::r01_of(client, history.topic),
        );
        Finding::certain(Code::R01, text).fix(say::fix_subscribe_to(history.topic))
    });
    found.cite([publication])
}

/// A filter that nearly matches, and what to do on either side.
pub(super) fn near_miss<'e>(topic: &str, client: Option<&str>, best: &Near) -> Finding<'e> {
    if best.rule == Rule::DollarTopic {
        let level = topic.split('/').next().unwrap_or_default();
        let found = Finding::certain(Code::R07, say::r07(&*best.name, topic));
        return found.fix(say::fix_subscribe_to(format!("{level}/#")));
    }
    let why: Text = best.rule.sentence(best.level);
    let text = match client {
        Some(client) => say::r02_of(client, topic, &*best.name, why),
        None => say::r02(topic, &*best.name, why),
    };
    let found = Finding::certain(Code::R02, text);
    near_fixes(topic, best)
        .into_iter()
        .fold(found, Finding::fix)
}

/// A filter that nearly matches, though others do: who has it may be who misses the message. Levels more or less,
/// or a word that is like another, are no such news where somebody is subscribed.
pub fn nearly_subscribed<'e>(history: &History<'e>) -> Option<Finding<'e>> {
    let evidence = history.evidence;
    let filters = evidence.filters.iter().map(String::as_str);
    let best = near::filters(history.topic, filters).into_iter().next()?;
    if matches!(
        best.rule,
        Rule::PlusSpansOne | Rule::LevelCount | Rule::Typo
    ) {
        return None;
    }
    let why = best.rule.sentence(best.level);
    let text = match evidence.owners.get(&best.name) {
        Some(client) => say::r02_beside(&**client, &*best.name, history.topic, why),
        None => say::r02_beside_any(&*best.name, history.topic, why),
    };
    Some(Finding::certain(Code::R02, text).with(Confidence::Possible))
}

/// What to do about a filter that nearly matches: on both sides, if either may be meant; if one of them cannot
/// be, on that one.
fn near_fixes(topic: &str, best: &Near) -> Vec<Text> {
    let (rule, name) = (best.rule, &*best.name);
    let (group, bare) = group_and_filter(name);
    if rule == Rule::PlusSpansOne {
        let (start, _) = bare.rsplit_once('+').unwrap_or((bare, ""));
        let levels = |text: &str| text.split('/').count();
        let missing = (levels(topic) + 1).saturating_sub(levels(bare)).max(1);
        let plus = vec!["+"; missing].join("/");
        return [plus.as_str(), "#"]
            .map(|rest| say::fix_subscribe_to(format!("{group}{start}{rest}")))
            .to_vec();
    }
    let is_filter_odd = rule == Rule::ShareSyntax || rule.is_odd(bare);
    let is_topic_odd = rule.is_odd(topic);
    let mut fixes = Vec::new();
    if (is_topic_odd || !is_filter_odd)
        && let Some(other) = topic_for(bare, topic)
    {
        fixes.push(rule.publish_to(&other));
    }
    if is_filter_odd || !is_topic_odd || fixes.is_empty() {
        fixes.push(rule.subscribe_to(&format!("{group}{topic}")));
    }
    fixes
}

/// A filter in two: `$share/NAME/`, if it is shared, and the rest.
fn group_and_filter(filter: &str) -> (&str, &str) {
    let bare = TopicFilter::parse(filter).map_or(filter, TopicFilter::filter);
    (filter.strip_suffix(bare).unwrap_or_default(), bare)
}

/// The topic that the publisher should have used for a filter to match: its levels, with those of the topic
/// in the place of wildcards. `None`: there is none, or it cannot be told.
fn topic_for(filter: &str, topic: &str) -> Option<String> {
    if filter.contains(['$', '*', '>']) {
        return None;
    }
    let given: Vec<&str> = topic.split('/').collect();
    let mut wanted: Vec<&str> = filter.split('/').collect();
    let is_open = wanted.last() == Some(&"#");
    wanted.truncate(wanted.len() - usize::from(is_open));
    let has_wildcard = is_open || wanted.contains(&"+");
    let fits = given.len() == wanted.len() || is_open && given.len() > wanted.len();
    if has_wildcard && !fits {
        return None;
    }
    let rest = given.iter().copied().skip(wanted.len());
    let rest = rest.filter(|_| is_open);
    let levels = wanted.iter().enumerate().map(|(at, level)| match *level {
        "+" => given.get(at).copied().unwrap_or_default(),
        level => level,
    });
    let levels: Vec<&str> = levels.chain(rest).collect();
    let other = levels.join("/");
    (other != topic && TopicName::parse(&other).is_ok()).then_some(other)
}
