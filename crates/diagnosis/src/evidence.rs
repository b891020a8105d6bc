//! What a verdict is made of: a question, what was recorded about it, and how things stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use columba_broker::event::Now;
use columba_broker::outcome::{Effectively, Outcome};
use columba_broker::query::{SessionDetail, SubscriptionRow, TopicRow};
use columba_broker::recorder::{Entry, Line, Recording, TapeName, flag};

use crate::event::owned;
pub use crate::event::{BETWEEN_SHARDS_MS, Event, order};
use crate::history::{ends_session, filter_of};
use crate::losses::worst_topic;
use crate::names::Names;
use crate::near;
use crate::restarts::{Damage, Restart, START_MS, damage, restarts};
use crate::verdict::SUBSCRIBERS_MAX;

/// Entries that evidence has at most; of more, the last ones.
pub const ENTRIES_MAX: usize = 50_000;

/// Client ids that are remembered for "did you mean" at most.
pub const NAMES_MAX: usize = 5_000;

/// Filters that are looked through for one that nearly matches, at most.
pub const FILTERS_MAX: usize = 5_000;

/// Sessions that are looked through for a message that waits, at most.
pub const HOLDERS_MAX: usize = 20;

/// Packets that were not read, and connections that were not let in, that are remembered at most: the
/// last ones.
pub const UNREAD_MAX: usize = 1_000;

/// Whose message, to whom, when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The topic that it was published to. [`Evidence::from_recordings`] fills it in, if it is not
    /// given, with that of which those who are asked about lost most.
    pub topic: Option<String>,
    /// The client id of who published it.
    pub publisher: Option<String>,
    /// The client id of who misses it.
    pub subscriber: Option<String>,
    /// The window, in milliseconds since 1970.
    pub from_ms: u64,
    /// Its end, included.
    pub to_ms: u64,
}

/// What is known about somebody who was asked about.
#[derive(Clone, Debug, Default)]
pub enum Presence {
    /// Nobody asked, or it could not be found out.
    #[default]
    Unknown,
    /// There is no such session.
    Absent,
    /// There is.
    Session(Box<SessionDetail>),
}

impl Presence {
    /// The session.
    pub fn session(&self) -> Option<&SessionDetail> {
        match self {
            Self::Session(detail) => Some(detail),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// What the kernel says of a subscriber's connection at the time of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFacts {
    /// How far the bytes of MQTT, counted from the connection's first, have got to the other end's
    /// kernel. `None`: not all of them have, and encryption or WebSocket hides which.
    pub acknowledged_bytes: Option<u64>,
    /// Bytes that wait in the broker, because the socket takes no more.
    pub unsent_bytes: u64,
    /// Bytes in the socket that the other end's kernel has not acknowledged, sent or not.
    pub send_queue_bytes: u64,
    /// Those of them that were not sent. If that is all, the other end's kernel takes no more.
    pub unsent_in_queue_bytes: u64,
    /// How often in a row the oldest segment was sent again, and nothing came back.
    pub retransmits: u64,
}

/// Why a record begins when it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// What was before has made room for what came later.
    #[default]
    Overwritten,
    /// The broker started.
    Started,
    /// The broker started, and the process before it was killed or crashed.
    Killed,
    /// The recorder was off until then, or had no room.
    Off,
    /// The recorder is off at the time of asking.
    IsOff,
}

impl Beginning {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Started => "started",
            Self::Killed => "killed",
            Self::Off | Self::IsOff => "off",
        }
    }
}

/// How far the record reaches, and what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Since when there is a record without a hole, in milliseconds since 1970.
    pub from_ms: u64,
    /// Why it begins then.
    pub beginning: Beginning,
    /// Events that were pushed out before that.
    pub overwritten: u64,
    /// Messages in the window that were not followed one by one.
    pub left_out: u64,
    /// The same from the beginning of the window until now.
    pub left_out_since: u64,
    /// The last time, in the window or not, at which a line may have been left out; 0 if none was.
    pub left_out_until_ms: u64,
    /// Since when all is recorded that clients did in excess; what others did is, from `from_ms` on.
    pub excess_from_ms: u64,
    /// Starts of the broker in the window.
    pub boots: u64,
    /// Entries that this evidence has no room for.
    pub cut: u64,
    /// Publications whose topics were too many to be compared with the filters of the subscriber.
    pub uncompared: u64,
}

/// Everything that a verdict is made of.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What was asked.
    pub question: Question,
    /// When it was asked, in milliseconds since 1970.
    pub now_ms: u64,
    /// What was recorded about it, the oldest first.
    pub events: Vec<Event>,
    /// What may have been the message, if the question names no publisher: a PUBLISH in the window of
    /// which the topic was not read, and who was not let in. These are not among the events.
    pub unread: Vec<Event>,
    /// The publisher's session.
    pub publisher: Presence,
    /// The subscriber's session.
    pub subscriber: Presence,
    /// Sessions of subscribers whose filters match the topic, up to [`HOLDERS_MAX`]; if the question names no
    /// subscriber, and no message on the topic is recorded that a copy could be of.
    pub holders: Vec<SessionDetail>,
    /// All subscriptions of the subscriber.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Subscriptions of anybody that match the topic.
    pub matching: Vec<SubscriptionRow>,
    /// Filters of anybody, to look for one that nearly matches: up to [`FILTERS_MAX`].
    pub filters: Vec<String>,
    /// A client for each of them, the first one that has it.
    pub owners: BTreeMap<String, String>,
    /// The subscriber's connection, as the kernel sees it.
    pub kernel: Option<KernelFacts>,
    /// What the shards know of the topic.
    pub topic_rows: Vec<TopicRow>,
    /// Topics that were published to and are nearly that of the question, or match or nearly match a filter
    /// of the subscriber: up to 1,000.
    pub topics: Vec<String>,
    /// Client ids that were seen, up to [`NAMES_MAX`].
    pub clients: Vec<String>,
    /// The filter of private topics that stands in the record where this topic may have been.
    pub private: Option<String>,
    /// Whether the question named no topic: that in it was found.
    pub is_of_clients: bool,
    /// Whether the window begins with the process, and one before it may have left nothing.
    pub is_since_start: bool,
    /// Whether what others did was taken out: see [`Evidence::conceal`].
    pub is_concealed: bool,
    /// The last restarts of the broker in the window.
    pub restarts: Vec<Restart>,
    /// What starts of the broker have found damaged in its store.
    pub damage: Vec<Damage>,
    /// From when until when nothing is recorded, up to the end of the window, and before it too.
    pub holes: Vec<(u64, u64)>,
    /// How far the record reaches.
    pub coverage: Coverage,
}

impl Evidence {
    /// What recordings say about a question, and about somebody with these subscriptions. How else things
    /// stand is for the caller to add, for the topic that [`Evidence::question`] then names.
    pub fn from_recordings(
        question: Question,
        subscriptions: Vec<SubscriptionRow>,
        now: Now,
        recordings: &[Recording],
    ) -> Self {
        let is_of_clients = question.topic.is_none();
        let evidence = Self::gathered(question, subscriptions, now, recordings);
        let topic = is_of_clients.then(|| worst_topic(&evidence)).flatten();
        let Some(topic) = topic.map(ToOwned::to_owned) else {
            return Self {
                is_of_clients,
                ..evidence
            };
        };
        let question = Question {
            topic: Some(topic),
            ..evidence.question
        };
        Self {
            is_of_clients,
            ..Self::gathered(question, evidence.subscriptions, now, recordings)
        }
    }

    fn gathered(
        question: Question,
        subscriptions: Vec<SubscriptionRow>,
        now: Now,
        recordings: &[Recording],
    ) -> Self {
        let mut gathered = Gathered::new(&question, &subscriptions);
        for recording in recordings {
            gathered.read(recording);
        }
        let gone = gathered.gone();
        for recording in recordings.iter().filter(|_| !gone.is_empty()) {
            gathered.read_connections(recording, &gone);
        }
        let Gathered {
            mut events,
            mut unread,
            names,
            clients,
            private,
            mut coverage,
            boots_ms,
            holes,
            off,
            is_off,
            ends_ms,
            ..
        } = gathered;
        coverage.beginning = if is_off {
            Beginning::IsOff
        } else {
            beginning_of(&coverage, &boots_ms, &holes, &off)
        };
        let (topics, uncompared) = names.found();
        coverage.uncompared = uncompared;
        events.sort_by_key(order);
        unread.sort_by_key(order);
        unread.drain(..unread.len().saturating_sub(UNREAD_MAX));
        let restarts = restarts(&question, &events, &holes, &off, &ends_ms);
        let damage = damage(&question, &events);
        let cut = events.len().saturating_sub(ENTRIES_MAX);
        events.drain(..cut);
        coverage.cut += cut as u64;
        if coverage.cut > 0 {
            let from_ms = events.first().map_or(0, |event| event.unix_ms);
            if from_ms > coverage.from_ms {
                coverage.from_ms = from_ms;
                coverage.beginning = Beginning::Overwritten;
            }
        }
        Self {
            question,
            now_ms: now.unix_ms,
            events,
            unread,
            subscriptions,
            topics,
            clients: clients.into_iter().collect(),
            private,
            restarts,
            damage,
            holes,
            coverage,
            ..Self::default()
        }
    }

    /// For a question that named no beginning: lets the window begin with the broker, if that has started
    /// in it. Where something may have come that is not in the record, it stays as it is. Without a record
    /// that `outlives` its process, nobody knows whether there was one before.
    pub fn clip_to_start(&mut self, outlives: bool) {
        let begins_ms = self.coverage.from_ms;
        let is_within = (self.question.from_ms..=self.question.to_ms).contains(&begins_ms);
        if is_within && self.coverage.beginning == Beginning::Started {
            self.question.from_ms = begins_ms;
            self.is_since_start = !outlives;
        }
    }

    /// The clients whose sessions are to be looked at for a message that waits since before this record: those
    /// that subscribe to the topic, if the question names none of them. Where messages were followed, the
    /// record knows better.
    pub fn wanted_holders(&self) -> Vec<Arc<str>> {
        let Question {
            topic, subscriber, ..
        } = &self.question;
        let topic = topic.as_deref().unwrap_or_default();
        let is_followed = |event: &Event| event.message != 0 && event.topic == topic;
        if subscriber.is_some() || topic.is_empty() || self.events.iter().any(is_followed) {
            return Vec::new();
        }
        let clients = self.matching.iter().map(|row| &row.key.client_id);
        let clients: BTreeSet<_> = clients.collect();
        clients.into_iter().take(HOLDERS_MAX).cloned().collect()
    }
}

fn beginning_of(
    coverage: &Coverage,
    boots_ms: &[u64],
    holes: &[(u64, u64)],
    off: &[(u64, u64)],
) -> Beginning {
    if off.iter().any(|(_, end_ms)| *end_ms == coverage.from_ms) {
        return Beginning::Off;
    }
    let mut boots = boots_ms.iter();
    let is_boot = boots.any(|boot_ms| boot_ms.abs_diff(coverage.from_ms) <= START_MS);
    let mut holes = holes.iter();
    let is_behind_hole = holes.any(|(_, end_ms)| *end_ms == coverage.from_ms);
    match (is_behind_hole, is_boot) {
        (true, true) => Beginning::Killed,
        (true, false) => Beginning::Off,
        (false, true) if coverage.overwritten == 0 => Beginning::Started,
        (false, _) => Beginning::Overwritten,
    }
}

/// How far a tape goes back.
struct Reach {
    /// The number and the time of its first entry.
    first: u64,
    first_ms: u64,
    /// The number that comes next.
    next: u64,
    /// The time behind a loss.
    behind_ms: u64,
}

/// Evidence on its way out of the recordings.
struct Gathered<'q> {
    question: &'q Question,
    events: Vec<Event>,
    unread: Vec<Event>,
    names: Names,
    clients: BTreeSet<String>,
    private: Option<String>,
    coverage: Coverage,
    /// When processes began.
    boots_ms: Vec<u64>,
    /// From when until when it is not known what happened.
    holes: Vec<(u64, u64)>,
    /// Those of them in which the recorder was off, and whether it is.
    off: Vec<(u64, u64)>,
    is_off: bool,
    /// When each chunk was written to last, but for the start of its process.
    ends_ms: Vec<u64>,
}

impl<'q> Gathered<'q> {
    fn new(question: &'q Question, subscriptions: &[SubscriptionRow]) -> Self {
        let filters: Vec<_> = subscriptions.iter().map(filter_of).collect();
        let filters = filters.iter().map(String::as_str);
        Self {
            question,
            names: Names::new(question.topic.as_deref(), filters, None),
            events: Vec::new(),
            unread: Vec::new(),
            clients: BTreeSet::new(),
            private: None,
            coverage: Coverage::default(),
            boots_ms: Vec::new(),
            holes: Vec::new(),
            off: Vec::new(),
            is_off: false,
            ends_ms: Vec::new(),
        }
    }

    fn read(&mut self, recording: &Recording) {
        self.coverage.overwritten += recording.overwritten;
        self.off.extend(&recording.off);
        self.is_off |= recording.is_off;
        let until_end = recording.holes.iter();
        for hole in until_end.filter(|hole| hole.0 <= self.question.to_ms) {
            if hole.1 > self.question.from_ms {
                self.coverage.from_ms = self.coverage.from_ms.max(hole.1);
            }
            self.holes.push(*hole);
        }
        self.read_reach(recording);
        // When each tape was written to last: what was left out, was after that.
        let mut ledger_ms = 0;
        for chunk in &recording.chunks {
            let is_ledger = chunk.tape() == TapeName::Ledger;
            let mut end_ms = 0;
            for line in chunk.entries() {
                match line {
                    Ok(Line::Entry(entry)) => {
                        if entry.outcome != Outcome::BrokerStarted {
                            end_ms = entry.unix_ms.max(end_ms);
                        }
                        if is_ledger {
                            ledger_ms = entry.unix_ms;
                        }
                        self.see(recording.shard, chunk.tape(), &entry);
                    }
                    Ok(Line::Gap { unix_ms, left_out }) => {
                        self.leave_out(ledger_ms, unix_ms, left_out);
                        ledger_ms = unix_ms;
                    }
                    // The rest of the chunk cannot be read, and is as good as overwritten.
                    Err(_) => {
                        self.coverage.overwritten += 1;
                        self.coverage.from_ms = self.coverage.from_ms.max(chunk.unix_ms());
                    }
                }
            }
            if end_ms > 0 {
                self.ends_ms.push(end_ms);
            }
        }
    }

    /// Messages were left out between two lines of a ledger.
    fn leave_out(&mut self, from_ms: u64, to_ms: u64, count: u64) {
        let until_ms = &mut self.coverage.left_out_until_ms;
        *until_ms = to_ms.max(*until_ms);
        if to_ms < self.question.from_ms {
            return;
        }
        self.coverage.left_out_since += count;
        if from_ms <= self.question.to_ms {
            self.coverage.left_out += count;
        }
    }

    /// How far the tapes of a shard go back. A tape that lost nothing goes back to the start, whenever
    /// its first entry was; one that did, to the first chunk behind the loss.
    fn read_reach(&mut self, recording: &Recording) {
        let mut tapes = [const { None }; 3];
        for chunk in &recording.chunks {
            // Entries count whose outcomes only another version knows.
            let next = chunk.end();
            let Some(tape) = tapes.get_mut(chunk.tape() as usize) else {
                continue;
            };
            let reach = tape.get_or_insert_with(|| Reach {
                first: chunk.sequence(),
                first_ms: chunk.unix_ms(),
                next: chunk.sequence(),
                behind_ms: 0,
            });
            // Each process counts from 0. What was lost may be of the same millisecond.
            if chunk.sequence() != reach.next && chunk.sequence() != 0 {
                reach.behind_ms = chunk.unix_ms() + 1;
            }
            reach.next = next;
        }
        let [events, excess, ledger] = tapes;
        let lost = [&events, &excess].into_iter().flatten();
        let lost: u64 = lost.map(|reach| reach.first).sum();
        // Files of earlier processes are gone, and what they held of each tape is not known.
        let is_cut = recording.overwritten > lost;
        let reach_of = |reach: Option<Reach>| {
            reach.map_or(0, |reach| {
                let is_whole = reach.first == 0 && !is_cut;
                let first_ms = if is_whole { 0 } else { reach.first_ms + 1 };
                first_ms.max(reach.behind_ms)
            })
        };
        let chunks = recording.chunks.iter();
        let start_ms = chunks.map(|chunk| chunk.unix_ms()).min();
        let from_ms = reach_of(events).max(reach_of(ledger));
        let coverage = &mut self.coverage;
        coverage.from_ms = coverage
            .from_ms
            .max(from_ms.max(start_ms.unwrap_or_default()));
        coverage.excess_from_ms = coverage.excess_from_ms.max(reach_of(excess));
    }

    fn see(&mut self, shard: u16, tape: TapeName, entry: &Entry<'_>) {
        let facts = &entry.facts;
        let is_private = facts.flags & flag::PRIVATE != 0;
        if is_private {
            self.see_private(entry);
        }
        let is_publication = entry.outcome.name().starts_with("publish.") && !is_private;
        if is_publication && !facts.topic.is_empty() {
            self.names.see(facts.topic);
        }
        if !facts.client.is_empty() && self.clients.len() < NAMES_MAX {
            self.clients.insert(facts.client.to_owned());
        }
        let is_in_window = (self.question.from_ms..=self.question.to_ms).contains(&entry.unix_ms);
        if entry.outcome == Outcome::BrokerStarted {
            self.boots_ms.push(entry.unix_ms);
            self.coverage.boots += u64::from(is_in_window && shard == 0);
        }
        if self.is_relevant(tape, entry) {
            self.events.push(owned(shard, tape, entry));
        }
        if is_in_window && self.question.publisher.is_none() && is_unread(tape, entry) {
            self.unread.push(owned(shard, tape, entry));
            if self.unread.len() >= 2 * UNREAD_MAX {
                self.unread.sort_by_key(order);
                self.unread.drain(..UNREAD_MAX);
            }
        }
        self.keep_bounded();
    }

    /// Keeps the memory of a long record bounded while it is read.
    fn keep_bounded(&mut self) {
        if self.events.len() >= 2 * ENTRIES_MAX {
            self.events.sort_by_key(order);
            self.events.drain(..ENTRIES_MAX);
            self.coverage.cut += ENTRIES_MAX as u64;
        }
    }

    /// What was recorded without the name of its topic may be about the one that was asked about: a message
    /// in the window, what became of one since, or at any time a subscription or what was retained.
    fn see_private(&mut self, entry: &Entry<'_>) {
        let filter = entry.facts.topic;
        let name = entry.outcome.name();
        let Question { from_ms, to_ms, .. } = *self.question;
        let may_be_it = if name.starts_with("publish.") {
            (from_ms..=to_ms).contains(&entry.unix_ms)
        } else if name.starts_with("deliver.") {
            from_ms <= entry.unix_ms
        } else {
            true
        };
        if may_be_it && self.covers(filter) {
            self.private = Some(filter.to_owned());
        }
    }

    fn is_relevant(&self, tape: TapeName, entry: &Entry<'_>) -> bool {
        let Question {
            topic,
            publisher,
            subscriber,
            ..
        } = self.question;
        let facts = &entry.facts;
        let is = |of: &Option<String>, text: &str| of.as_deref() == Some(text);
        // Without a topic, all that they published and got may be it.
        let is_of_topic = match topic {
            Some(topic) => topic == facts.topic,
            None => self.is_about_them(facts.client),
        };
        if tape == TapeName::Ledger {
            return is_of_topic;
        }
        let name = entry.outcome.name();
        if name.starts_with("publish.") || name.starts_with("deliver.") {
            return is_of_topic || facts.topic.is_empty() && self.is_about_them(facts.client)
                // Too large, or full for all topics alike.
                || is(subscriber, facts.client)
                || is(publisher, facts.client);
        }
        let is_subscription = name.starts_with("subscribe.") || name.starts_with("unsubscribe.");
        self.is_about_them(facts.client)
            || name.starts_with("broker.")
            || name.starts_with("connect.") && facts.client.is_empty()
            || (name.starts_with("retained.") || name.starts_with("will.")) && is_of_topic
            // Who subscribes to the topic, if nobody in particular is asked about; and when their
            // sessions ended.
            || subscriber.is_none() && (is_subscription && self.covers(facts.topic))
            || subscriber.is_none() && name.starts_with("session.")
    }

    /// If nobody in particular misses the message: those who had subscribed to the topic, and whose session
    /// ended. Whether they are back is of interest then.
    fn gone(&self) -> BTreeSet<String> {
        if self.question.subscriber.is_some() {
            return BTreeSet::new();
        }
        let had_it = self.events.iter().filter(|event| {
            event.outcome == Outcome::SubscribeGranted && self.covers(&event.topic)
        });
        let had_it: BTreeSet<&str> = had_it.map(|event| &*event.client).collect();
        let ended = self.events.iter().filter(|event| {
            ends_session(event.outcome)
                && had_it.contains(&*event.client)
                && !self.is_about_them(&event.client)
        });
        let ended: BTreeSet<&str> = ended.map(|event| &*event.client).collect();
        let gone = ended.into_iter().take(SUBSCRIBERS_MAX);
        gone.map(ToOwned::to_owned).collect()
    }

    /// When these clients came and went.
    fn read_connections(&mut self, recording: &Recording, clients: &BTreeSet<String>) {
        let tapes = recording.chunks.iter();
        for chunk in tapes.filter(|chunk| chunk.tape() != TapeName::Ledger) {
            for line in chunk.entries() {
                let Ok(Line::Entry(entry)) = line else {
                    continue;
                };
                let is_of_connection = is_of_connection(entry.outcome);
                if is_of_connection && clients.contains(entry.facts.client) {
                    self.events
                        .push(owned(recording.shard, chunk.tape(), &entry));
                    self.keep_bounded();
                }
            }
        }
    }

    fn is_about_them(&self, client: &str) -> bool {
        let Question {
            publisher,
            subscriber,
            ..
        } = self.question;
        !client.is_empty()
            && (publisher.as_deref() == Some(client) || subscriber.as_deref() == Some(client))
    }

    fn covers(&self, filter: &str) -> bool {
        let topic = self.question.topic.as_deref();
        topic.is_some_and(|topic| near::matches(filter, topic))
    }
}

/// Whether somebody came or went with this.
pub(crate) fn is_of_connection(outcome: Outcome) -> bool {
    let name = outcome.name();
    name.starts_with("connect.") || name.starts_with("disconnect.")
}

/// Whether a client was not let in, or sent a PUBLISH of which the topic was not read.
fn is_unread(tape: TapeName, entry: &Entry<'_>) -> bool {
    let facts = &entry.facts;
    if tape == TapeName::Ledger || facts.client.is_empty() || facts.flags & flag::PRIVATE != 0 {
        return false;
    }
    let is_denied = entry.outcome.effectively() == Effectively::Denied;
    let name = entry.outcome.name();
    match entry.outcome {
        Outcome::DisconnectMalformed | Outcome::DisconnectProtocol => {
            facts.detail.contains("PUBLISH")
        }
        _ if name.starts_with("publish.") => is_denied && facts.topic.is_empty(),
        _ => is_denied && name.starts_with("connect."),
    }
}
