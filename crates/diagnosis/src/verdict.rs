//! From evidence to a report: each message and subscriber is judged, one verdict counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use columba_broker::outcome::Outcome;
use columba_speech::{Language, Param, Text};

use crate::chosen::{Item, chosen, early, subject};
use crate::code::{Area, Code, Confidence, Fate};
use crate::evidence::{Beginning, Coverage, Event, Evidence, KernelFacts, Question, order};
use crate::history::{History, MessageKey, Reach, filter_of, is_publication};
use crate::losses::{Loss, losses};
use crate::restarts::{Damage, Restart};
use crate::rules::{
    Finding, client, copy, own, publisher, refusals, routing, session_end, store, unsubscribed,
};
use crate::stages::{Status, stages, stages_of_none};
use crate::texts::{page, sentences as say};
use crate::timeline::timeline;

/// Messages that are judged at most, the last ones.
pub const MESSAGES_MAX: usize = 200;

/// Subscribers that are judged for each message at most.
pub const SUBSCRIBERS_MAX: usize = 50;

/// Things that are noticed beside the verdict at most.
const ALSO_MAX: usize = 4;

/// What is said in the end.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which.
    pub code: Code,
    /// How sure.
    pub confidence: Confidence,
    /// What happened in this case.
    pub text: Text,
}

impl Verdict {
    /// What became of the message.
    pub const fn fate(&self) -> Fate {
        self.code.fate()
    }

    /// In one line.
    pub fn title(&self) -> Text {
        page(self.code).title()
    }
}

impl From<&Finding<'_>> for Verdict {
    fn from(found: &Finding<'_>) -> Self {
        Self {
            code: found.code,
            confidence: found.confidence,
            text: found.text.clone(),
        }
    }
}

/// How the copies went that were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// How many.
    pub messages: u64,
    /// Arrived.
    pub delivered: u64,
    /// Did not arrive.
    pub not_delivered: u64,
    /// Are on their way.
    pub waiting: u64,
    /// Not known.
    pub unknown: u64,
}

/// One subscriber, if the question named none.
#[derive(Clone, Debug)]
pub struct SubscriberSummary {
    /// Whose.
    pub client: String,
    /// How its copies went.
    pub judged: Judged,
    /// About the last one that did not arrive, or the last one.
    pub verdict: Verdict,
    /// When that one was published, if its line is in the record.
    pub published_ms: Option<u64>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked.
    pub question: Question,
    /// What counts.
    pub verdict: Verdict,
    /// When the message was published that the verdict is about, if its line is in the record.
    pub published_ms: Option<u64>,
    /// How far it came: a status for each of [`STAGES`](crate::stages::STAGES).
    pub stages: [Status; 6],
    /// What to do, the most fitting thing first.
    pub fixes: Vec<Text>,
    /// What shows it, the oldest first.
    pub timeline: Vec<Event>,
    /// What else was noticed.
    pub also: Vec<Verdict>,
    /// How all copies went.
    pub judged: Judged,
    /// The same for each subscriber, if the question named none.
    pub subscribers: Vec<SubscriberSummary>,
    /// What those who were asked about lost, topic by topic, the most first; if the question named no
    /// topic.
    pub losses: Vec<Loss>,
    /// What the subscriber is subscribed to, the first filters; if the question named no topic.
    pub subscriptions: Vec<String>,
    /// What the kernel says of the subscriber's connection, if it was asked.
    pub kernel: Option<KernelFacts>,
    /// The last restarts of the broker in the window.
    pub restarts: Vec<Restart>,
    /// What starts of the broker have found damaged in its store.
    pub damage: Vec<Damage>,
    /// How far the record reaches.
    pub coverage: Coverage,
}

impl Report {
    /// What a command exits with.
    pub const fn exit_code(&self) -> u8 {
        self.verdict.code.fate().exit_code()
    }
}

impl<'e> Item<'e> {
    fn published_ms(&self) -> Option<u64> {
        self.publication.map(|publication| publication.unix_ms)
    }

    fn of(event: &Event, found: Finding<'e>) -> Self {
        Self {
            at_ms: event.unix_ms,
            times: event.times.max(1),
            subscriber: None,
            found,
            publication: None,
        }
    }

    /// What is no copy of a message, and does not count.
    fn of_none(found: Finding<'e>) -> Self {
        Self {
            at_ms: 0,
            times: 1,
            subscriber: None,
            found,
            publication: None,
        }
    }
}

/// Says what became of the message that was asked about, or of what went to or came from the clients
/// that were.
pub fn diagnose(evidence: &Evidence) -> Report {
    let found = diagnose_recorded(evidence);
    let is_unsure =
        found.verdict.fate() == Fate::Unknown || found.verdict.confidence == Confidence::Possible;
    if evidence.coverage.beginning != Beginning::IsOff || !is_unsure {
        return found;
    }
    // That nothing is recorded is why nothing is known.
    let text = begins(&evidence.coverage);
    let is_off = Finding::certain(Code::U01, text).fix_alone(vec![say::fix_recorder_on()]);
    let before = found.verdict;
    let mut report = report(evidence, &[Item::of_none(is_off)], Vec::new());
    report
        .also
        .extend((before.code != Code::U01).then_some(before));
    report.subscriptions = found.subscriptions;
    report
}

fn diagnose_recorded(evidence: &Evidence) -> Report {
    let topic = evidence.question.topic.as_deref();
    if evidence.question.from_ms > evidence.now_ms {
        let text = say::u02_not_yet(Param::Moment(evidence.question.from_ms));
        let found = Finding::certain(Code::U02, text).fix_alone(vec![say::fix_past()]);
        return report(evidence, &[Item::of_none(found)], Vec::new());
    }
    if !evidence.is_of_clients {
        return match topic {
            Some(topic) => of_topic(evidence, topic),
            None => of_clients(evidence, None),
        };
    }
    let losses = losses(evidence);
    let of_topic = topic.map(|topic| of_topic(evidence, topic));
    // What was lost before its topic was read is a matter of the client.
    let has_topic = losses.iter().any(|loss| !loss.topic.is_empty());
    let mut report = match of_topic {
        Some(of_topic) if has_topic => of_topic,
        other => of_clients(evidence, other),
    };
    report.losses = losses;
    let filters = evidence.subscriptions.iter().map(filter_of);
    report.subscriptions = filters.take(client::NAMED_MAX).collect();
    report
}

/// What is the matter with those who are asked about, who lost nothing that is known; or else what became
/// of their last message.
fn of_clients(evidence: &Evidence, last: Option<Report>) -> Report {
    let history = History::new(evidence, "");
    let mut found = client::faults(&history);
    let is_fault = |found: &Finding<'_>| found.code.fate() == Fate::NotDelivered;
    if let Some(last) = last
        && !found.iter().any(is_fault)
    {
        return last;
    }
    // What is only possible stays beside what it may explain.
    found.sort_by_key(|found| !is_fault(found) || found.confidence == Confidence::Possible);
    if found.is_empty() {
        let silence = client::silence(&history);
        found.push(silence.unwrap_or_else(|| Finding::certain(Code::U02, say::u02())));
    }
    let first = Item::of_none(found.remove(0));
    let mut report = report(evidence, &[first], found);
    report.question.topic = None;
    report
}

fn of_topic(evidence: &Evidence, topic: &str) -> Report {
    if let Some(filter) = evidence.private.as_deref() {
        let found = Finding::certain(Code::U01, say::u01_private(topic, filter));
        let found = found.fix(say::fix_private(filter));
        return report(evidence, &[Item::of_none(found)], Vec::new());
    }
    let history = History::new(evidence, topic);
    let mut items = items(&history);
    let mut also = publisher::noticed(&history);
    let subscriber = evidence.question.subscriber.as_deref();
    also.extend(store::unacknowledged(&history));
    also.extend(subscriber.and_then(|client| store::held_subscription(&history, client)));
    if items.is_empty() {
        items.extend(held(&history));
    }
    if items.is_empty() && own::is_own(topic) {
        items.push(Item::of_none(own::of_broker(&history)));
    }
    if items.is_empty() {
        let mut found = publisher::nothing_came(&history).into_iter();
        if let Some(first) = found.next() {
            let first = as_far_as_known(evidence, first, &mut also);
            items.push(Item::of_none(first));
        }
        also.extend(found);
    }
    if let Some(subscriber) = evidence.question.subscriber.as_deref()
        && !history.knows(subscriber)
    {
        unknown_subscriber(&history, subscriber, &mut items);
        also.extend(refusals::nameless(&history, Code::S15));
    }
    items.sort_by_key(|item| item.at_ms);
    let counts = chosen(&items);
    if let Some(item) = counts
        && let (Some(publication), Some(client)) = (item.publication, subject(item))
    {
        also.extend(copy::noticed(&history, publication, &item.found, client));
    }
    if let Some(item) = counts
        && let (Some(publication), None) = (item.publication, item.subscriber.as_deref())
        && publication.outcome == Outcome::PublishNoMatch
        && subscriber.is_none()
    {
        also.extend(unsubscribed::judge(&history, publication).1);
    }
    if subscriber.is_none() && counts.is_some_and(|item| item.publication.is_some()) {
        also.extend(routing::nearly_subscribed(&history));
    }
    if let Some(client) = subscriber
        && counts.is_none_or(|item| item.found.code.fate() != Fate::Delivered)
    {
        let at_ms = counts.and_then(Item::published_ms);
        let at_ms = at_ms.unwrap_or(evidence.question.to_ms);
        also.extend(refusals::of_subscriber(&history, client, at_ms));
    }
    report(evidence, &items, also)
}

/// A message that the sessions of subscribers have, though the record does not know it.
fn held<'e>(history: &History<'e>) -> Vec<Item<'e>> {
    let evidence = history.evidence;
    let asked = evidence.subscriber.session();
    let sessions = asked.into_iter().chain(&evidence.holders);
    let items = sessions.filter_map(|session| {
        let client = &*session.row.key.client_id;
        let found = copy::held(history, session, client)?;
        Some(Item {
            at_ms: evidence.question.to_ms,
            times: 1,
            subscriber: Some(client.to_owned()),
            found,
            publication: None,
        })
    });
    items.collect()
}

/// Nothing found in a record with holes is no proof that nothing was there.
fn as_far_as_known<'e>(
    evidence: &Evidence,
    found: Finding<'e>,
    also: &mut Vec<Finding<'e>>,
) -> Finding<'e> {
    let Coverage {
        from_ms,
        left_out,
        cut,
        ..
    } = evidence.coverage;
    // That is so whatever came.
    let is_by_topic = found.code == Code::P06 && found.cites.is_empty();
    let is_uncovered = from_ms > evidence.question.from_ms || cut > 0;
    let is_known = matches!(found.code, Code::U01 | Code::U03 | Code::U04);
    // Connections are recorded whatever the messages are.
    let is_by_connection = found.code == Code::P01;
    let has_left_out = left_out > 0 && !is_by_connection;
    if !is_uncovered && !has_left_out || is_by_topic || is_known {
        return found;
    }
    // What is recorded, perhaps by an earlier process, says more than that something is missing. So does
    // a name that is nearly the right one.
    if !found.cites.is_empty() || found.code == Code::P05 && !found.fixes.is_empty() {
        return found.with(Confidence::Possible);
    }
    let text = if is_uncovered {
        begins(&evidence.coverage)
    } else {
        say::u01_left_out(left_out)
    };
    also.push(found.with(Confidence::Possible));
    Finding::certain(Code::U01, text)
}

/// When the record begins, and why then.
pub(crate) fn begins(coverage: &Coverage) -> Text {
    let from = Param::Moment(coverage.from_ms);
    match coverage.beginning {
        Beginning::Overwritten => say::u01(from),
        Beginning::Started => say::u01_started(from),
        Beginning::Killed => say::u01_killed(from),
        Beginning::Off => say::u01_off(from),
        Beginning::IsOff => say::u01_is_off(),
    }
}

fn unknown_subscriber<'e>(history: &History<'e>, subscriber: &str, items: &mut Vec<Item<'e>>) {
    let found = client::never_seen(history, subscriber);
    // What stopped the message before counts more.
    if items
        .iter()
        .all(|item| item.found.code.area() != Area::Publisher)
    {
        items.clear();
        items.push(Item::of_none(found));
    }
}

/// Every PUBLISH in the window with everybody who could have got it, judged.
fn items<'e>(history: &History<'e>) -> Vec<Item<'e>> {
    let question = &history.evidence.question;
    let publisher = question.publisher.as_deref();
    let is_by = |event: &Event| publisher.is_none_or(|publisher| event.client == publisher);
    let mut items = Vec::new();
    let followed: BTreeMap<MessageKey, &Event> = history
        .window()
        .filter(|event| event.topic == history.topic && event.message != 0)
        .filter(|event| is_publication(event))
        .map(|event| (history.key_of(event), event))
        .collect();
    let mut publications: Vec<&Event> = followed.values().copied().collect();
    // What came before and was delivered, or waited, in the window may be what is missed.
    publications.extend(history.earlier());
    publications.retain(|event| is_by(event));
    publications.sort_by_key(|event| Reverse(order(event)));
    let mut count = 0;
    for publication in publications {
        let before = items.len();
        judge_all(history, publication, &mut items);
        count += usize::from(items.len() > before);
        if count == MESSAGES_MAX {
            break;
        }
    }
    if followed.is_empty() || publisher.is_none() {
        // What an earlier process took in counts once, if the line of that is there.
        let cites = items.iter().flat_map(|item: &Item<'_>| &item.found.cites);
        let told: BTreeSet<_> = cites.map(|event| order(event)).collect();
        let mut alone = alone(history);
        alone.retain(|item| {
            let mut cites = item.found.cites.iter();
            !cites.any(|event| told.contains(&order(event)))
        });
        items.append(&mut alone);
    }
    for event in history
        .window()
        .filter(|event| event.topic == history.topic)
    {
        items.extend(unfollowed(history, event, &followed));
    }
    if items.is_empty() {
        items.extend(counted(history));
    }
    if items.is_empty() {
        // What was refused before its topic was read may have been this message.
        let own = history
            .window()
            .filter(|event| event.topic.is_empty() && publisher == Some(&*event.client));
        for event in own {
            let found = publisher::refused(event);
            let sure = if publisher::is_whole(history) {
                Confidence::Likely
            } else {
                Confidence::Possible
            };
            let found = found.map(|found| found.with(sure));
            items.extend(found.map(|found| Item::of(event, found)));
        }
        // The end of the connection that follows from it is no other message.
        items.dedup_by_key(|item| item.at_ms);
    }
    items
}

/// What was refused again and again before the window and after it, and so in it too, perhaps.
fn counted<'e>(history: &History<'e>) -> Vec<Item<'e>> {
    let publisher = history.evidence.question.publisher.as_deref();
    let is_it = |event: &Event| {
        event.topic == history.topic && publisher.is_none_or(|of| event.client == of)
    };
    let all = history.counted_over_window();
    let items = all.filter(|(event, _)| is_it(event));
    let items = items.filter_map(|(event, is_sure)| {
        let sure = match is_sure {
            true => Confidence::Certain,
            false if publisher::is_whole(history) => Confidence::Likely,
            false => Confidence::Possible,
        };
        let found = publisher::refused(event)?.with(sure);
        Some(Item {
            times: 1,
            ..Item::of(event, found)
        })
    });
    items.collect()
}

/// Copies of messages whose own line is not in the record, because it is older than that or was left
/// out. What was lost of them is told by events, like all that is not followed.
fn alone<'e>(history: &History<'e>) -> Vec<Item<'e>> {
    let question = &history.evidence.question;
    let mut items = Vec::new();
    for copies in history.copies_alone() {
        let mut clients: BTreeSet<&str> = copies.iter().map(|event| &*event.client).collect();
        clients.remove("");
        if let Some(client) = question.subscriber.as_deref() {
            clients.retain(|of| *of == client);
        }
        for client in clients.into_iter().take(SUBSCRIBERS_MAX) {
            let own = copies
                .iter()
                .copied()
                .filter(|event| event.client == client);
            let own: Vec<&Event> = own.collect();
            let reach = history.reach_of(&own, client, 0);
            let found = copy::judge_alone(history, &own, client);
            let Some(found) = found.filter(|found| counts_in_window(found, reach)) else {
                continue;
            };
            // Whose message it was is not told.
            let sure = match question.publisher {
                Some(_) => Confidence::Possible,
                None => found.confidence,
            };
            items.push(Item {
                at_ms: own.last().map_or(0, |event| event.unix_ms),
                times: 1,
                subscriber: Some(client.to_owned()),
                found: found.with(sure),
                publication: None,
            });
        }
    }
    let start = items.len().saturating_sub(MESSAGES_MAX);
    items.split_off(start)
}

/// Whether what became of the copy of a message from before the window is an answer about the window.
fn counts_in_window(found: &Finding<'_>, reach: Reach) -> bool {
    match reach {
        Reach::Happened => true,
        // When it arrived is not known then.
        Reach::Waited => matches!(found.code.fate(), Fate::Waiting | Fate::NotDelivered),
        Reach::Outside => false,
    }
}

/// What an event says of a message that the ledger has not followed.
fn unfollowed<'e>(
    history: &History<'e>,
    event: &'e Event,
    followed: &BTreeMap<MessageKey, &'e Event>,
) -> Option<Item<'e>> {
    let question = &history.evidence.question;
    let subscriber = question.subscriber.as_deref();
    let publisher = question.publisher.as_deref();
    if event.outcome.name().starts_with("deliver.") {
        let is_asked = subscriber.is_none_or(|subscriber| event.client == subscriber);
        // Whose message it was is not told: if somebody is asked about and was followed, it counts not.
        // What was published before the window is no answer either.
        let is_judged = followed.contains_key(&history.key_of(event))
            || publisher.is_some() && !followed.is_empty()
            || history.has_publication(event);
        let found = copy::fault(event, &event.client).filter(|_| is_asked && !is_judged)?;
        let found = match found.code {
            Code::S03 => {
                let end = session_end::at(history, event.unix_ms, &event.client);
                session_end::with_message(end, &event.client)
            }
            _ => found,
        };
        let is_open = found.code.fate() == Fate::NotDelivered && history.may_be_sent_again(event);
        let sure = if publisher.is_some() || is_open {
            Confidence::Possible
        } else {
            Confidence::Certain
        };
        let mut item = Item::of(event, found.with(sure).cite([event]));
        item.subscriber = (!event.client.is_empty()).then(|| event.client.clone());
        return Some(item);
    }
    if publisher.is_some_and(|publisher| event.client != publisher) {
        return None;
    }
    if event.outcome == Outcome::PublishNoMatch && event.message == 0 && followed.is_empty() {
        let found = match subscriber {
            Some(client) => routing::no_copy(history, event, client),
            None => unsubscribed::judge(history, event).0,
        };
        return Some(Item::of(event, found));
    }
    let found = publisher::refused(event).or_else(|| store::held(history, event));
    found.map(|found| Item::of(event, found))
}

/// Judges a message for the subscriber of the question, or for everybody who could have got it.
fn judge_all<'e>(history: &History<'e>, publication: &'e Event, items: &mut Vec<Item<'e>>) {
    let at_ms = publication.unix_ms;
    let mut push = |subscriber: Option<&str>, found| {
        let subscriber = subscriber.map(ToOwned::to_owned);
        let publication = Some(publication);
        items.push(Item {
            at_ms,
            times: 1,
            subscriber,
            found,
            publication,
        });
    };
    let copies = history.copies(publication);
    let is_in_window = history.is_in_window(at_ms);
    let judge = |client: &str| {
        if is_in_window {
            return Some(copy::judge(history, publication, client));
        }
        // Most of what is older has nothing to do with the window, and a record is long.
        let own = copies
            .iter()
            .copied()
            .filter(|event| event.client == client);
        let reach = history.reach_of(&own.collect::<Vec<_>>(), client, publication.secs);
        let found = (reach != Reach::Outside).then(|| copy::judge(history, publication, client));
        found.filter(|found| counts_in_window(found, reach))
    };
    if let Some(client) = history.evidence.question.subscriber.as_deref() {
        if let Some(found) = judge(client) {
            push(Some(client), found);
        }
        return;
    }
    let mut clients: BTreeSet<&str> = copies.iter().map(|event| &*event.client).collect();
    clients.remove("");
    let of_nobody = copies.iter().filter(|event| event.client.is_empty());
    for event in of_nobody.filter(|event| is_in_window || history.is_in_window(event.unix_ms)) {
        if let Some(found) = copy::fault(event, "") {
            push(None, found.cite([*event]));
        }
    }
    if clients.is_empty() && copies.is_empty() && is_in_window {
        let is_left_out = publication.outcome == Outcome::PublishAccepted;
        let found = if is_left_out {
            Finding::certain(
                Code::U01,
                say::u01_left_out(history.evidence.coverage.left_out),
            )
            .cite([publication])
        } else {
            unsubscribed::judge(history, publication).0
        };
        return push(None, found);
    }
    for client in clients.into_iter().take(SUBSCRIBERS_MAX) {
        let Some(found) = judge(client) else {
            continue;
        };
        // That a member of a group handed its copy on is no loss: another one is judged.
        let mut own = copies.iter().filter(|event| event.client == client);
        let last = own.next_back().map(|event| event.outcome);
        let is_handed_on = last == Some(Outcome::DeliverOtherSharedMember);
        if found.code != Code::R05 && !(found.code == Code::D07 && is_handed_on) {
            push(Some(client), found);
        }
    }
}

fn count(items: &[Item<'_>]) -> Judged {
    let mut judged = Judged::default();
    for item in items.iter().filter(|item| item.at_ms > 0) {
        judged.messages += item.times;
        match item.found.code.fate() {
            Fate::Delivered => judged.delivered += item.times,
            Fate::NotDelivered => judged.not_delivered += item.times,
            Fate::Waiting => judged.waiting += item.times,
            Fate::Unknown => judged.unknown += item.times,
        }
    }
    judged
}

fn report(evidence: &Evidence, items: &[Item<'_>], mut noticed: Vec<Finding<'_>>) -> Report {
    let none = Finding::certain(Code::U02, say::u02());
    let counts = chosen(items);
    let mut found = counts.map_or(&none, |item| &item.found);
    let cause = noticed
        .iter()
        .position(|other| is_cause(evidence, other, found));
    let cause = cause.map(|at| {
        let cause = noticed.remove(at);
        // It is no surer that the message was lost by it than that it was lost.
        let sure = cause.confidence.min(found.confidence);
        cause.with(sure)
    });
    let mut also: Vec<Verdict> = Vec::new();
    if let Some(cause) = &cause {
        also.push(Verdict::from(found));
        found = cause;
    }
    also.extend(noticed.iter().map(Verdict::from));
    also.extend(early(items, counts).as_ref().map(Verdict::from));
    // How it went last, if that is something else.
    if let Some(last) = items.last()
        && last.found.code.fate() != found.code.fate()
    {
        also.push(Verdict::from(&last.found));
    }
    also.retain(|other| other.code != found.code);
    let mut codes = BTreeSet::new();
    also.retain(|other| codes.insert(other.code));
    also.truncate(ALSO_MAX);
    let publication = counts.and_then(|item| item.publication);
    let is_unmatched = publication.is_some_and(|of| of.outcome == Outcome::PublishNoMatch);
    let mut fixes = found.fixes.clone();
    if !found.is_fixed_alone {
        fixes.extend(page(found.code).fixes().map(|fix| filled(fix, found)));
    }
    let subscribers = if evidence.question.subscriber.is_none() {
        summaries(items)
    } else {
        Vec::new()
    };
    Report {
        question: evidence.question.clone(),
        verdict: Verdict::from(found),
        published_ms: counts.and_then(Item::published_ms),
        stages: if is_of_message(found, counts) {
            stages(found.code, found.was_sent, is_unmatched)
        } else {
            stages_of_none(found.code)
        },
        fixes,
        timeline: timeline(evidence, (found, &noticed), counts),
        also,
        judged: count(items),
        subscribers,
        losses: Vec::new(),
        subscriptions: Vec::new(),
        kernel: evidence.kernel,
        restarts: evidence.restarts.clone(),
        damage: evidence.damage.clone(),
        coverage: evidence.coverage,
    }
}

/// Whether a message is known that the verdict is about: one that was judged, or that was refused.
fn is_of_message(found: &Finding<'_>, counts: Option<&Item<'_>>) -> bool {
    let is_packet = |event: &&Event| {
        let name = event.outcome.name();
        name.starts_with("publish.") || name.starts_with("deliver.")
    };
    counts.is_some_and(|item| item.at_ms > 0) || found.cites.iter().any(is_packet)
}

/// A fix of a page with the names of this case, where it has room for them.
fn filled(fix: Text, found: &Finding<'_>) -> Text {
    let mut cites = found.cites.iter();
    let denied = cites.find(|event| !event.client.is_empty() && !event.topic.is_empty());
    let Some(event) = denied else {
        return fix;
    };
    let of = |client: &str, topic: &str| {
        [
            say::fix_can_publish(Param::word(client), Param::word(topic)),
            say::fix_can_receive(Param::word(client), Param::word(topic)),
        ]
    };
    let english = |text: &Text| text.to_string(Language::English);
    // A page has the same sentences about any client.
    let any = of("CLIENT", "TOPIC");
    let same = any.iter().position(|any| english(any) == english(&fix));
    let own = same.and_then(|at| of(&event.client, &event.topic).into_iter().nth(at));
    own.unwrap_or(fix)
}

/// Whether what was noticed is the reason of what was found.
fn is_cause(evidence: &Evidence, noticed: &Finding<'_>, found: &Finding<'_>) -> bool {
    match noticed.code {
        // A session that was lost because two programs throw each other out is that fault.
        Code::S04 => matches!(found.code, Code::S01 | Code::S03) && is_by_takeover(evidence, found),
        // Who is not let in cannot subscribe, nor anew.
        Code::S15 if noticed.confidence == Confidence::Certain => {
            matches!(found.code, Code::R01 | Code::R03 | Code::S01 | Code::S03)
        }
        Code::S15 => found.code == Code::R01,
        _ => false,
    }
}

/// Whether what is cited ended with a takeover.
fn is_by_takeover(evidence: &Evidence, found: &Finding<'_>) -> bool {
    let mut takeovers = evidence
        .events
        .iter()
        .filter(|event| event.outcome == Outcome::DisconnectTakenOver);
    takeovers.any(|takeover| {
        let mut cites = found.cites.iter();
        cites.any(|end| end.client == takeover.client && end.unix_ms == takeover.unix_ms)
    })
}

fn summaries(items: &[Item<'_>]) -> Vec<SubscriberSummary> {
    let clients: BTreeSet<_> = items
        .iter()
        .filter_map(|item| item.subscriber.as_deref())
        .collect();
    let summary = |client: &str| {
        let own = items
            .iter()
            .filter(|item| item.subscriber.as_deref() == Some(client));
        let own: Vec<_> = own
            .map(|item| Item {
                at_ms: item.at_ms,
                times: item.times,
                subscriber: item.subscriber.clone(),
                found: item.found.clone(),
                publication: item.publication,
            })
            .collect();
        let counts = chosen(&own)?;
        Some(SubscriberSummary {
            client: client.to_owned(),
            judged: count(&own),
            verdict: Verdict::from(&counts.found),
            published_ms: counts.published_ms(),
        })
    };
    clients
        .into_iter()
        .take(SUBSCRIBERS_MAX)
        .filter_map(summary)
        .collect()
}
