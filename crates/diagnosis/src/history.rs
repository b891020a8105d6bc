//! Questions to the evidence about a time that is over: who was connected, who subscribed to what.

use std::collections::{BTreeMap, BTreeSet};

use columba_broker::outcome::Outcome;
use columba_broker::query::SubscriptionRow;
use columba_broker::recorder::{BURST, REFILL_SECS, TapeName, address_of, flag};

use crate::evidence::{Beginning, Event, Evidence};
use crate::near;
use crate::restarts::{START_MS, is_start};

/// Takeovers that are so near to each other are of one quarrel.
const TAKEOVERS_MS: u64 = 120_000;

/// Evidence, sorted by client and message.
#[derive(Debug)]
pub struct History<'e> {
    /// All of it.
    pub evidence: &'e Evidence,
    /// The topic that it is about.
    pub topic: &'e str,
    by_client: BTreeMap<&'e str, Vec<&'e Event>>,
    copies: BTreeMap<MessageKey, Vec<&'e Event>>,
    publications: BTreeMap<MessageKey, &'e Event>,
    /// When the processes began whose record there is.
    starts_ms: Vec<u64>,
    /// When the last session of a client ended that had ended before the window.
    ended_before_ms: BTreeMap<&'e str, u64>,
}

/// Which process of the record, and the number that it gave a message: each process counts anew.
pub type MessageKey = (usize, u64);

/// How a client stood to a topic at a time.
#[derive(Clone, Debug)]
pub enum Standing<'e> {
    /// It subscribed.
    Subscribed {
        /// With this filter.
        filter: String,
        /// SUBACK, if that is in the record.
        granted: Option<&'e Event>,
    },
    /// It subscribed later only.
    Later(&'e Event),
    /// It had asked, and was refused.
    Refused(&'e Event),
    /// The subscription had ended.
    Ended(&'e Event),
    /// It may have, and the record does not say.
    Unknown {
        /// The filter that it has or had.
        filter: String,
    },
}

/// How a copy of a message from before the window stood to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Something happened to it in the window.
    Happened,
    /// It was on its way, and nothing happened.
    Waited,
    /// It had come to its end, or did not exist yet.
    Outside,
}

/// Whether a session ended with this.
pub fn ends_session(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::SessionExpired
            | Outcome::SessionEndedWithConnection
            | Outcome::SessionReplaced
            | Outcome::SessionEndedByAdmin
    )
}

/// Whether this is the line of a message that was taken in.
pub fn is_publication(event: &Event) -> bool {
    matches!(
        event.outcome,
        Outcome::PublishAccepted | Outcome::PublishNoMatch
    )
}

/// Whether a copy of which this is the last line is still on its way.
pub fn is_waiting(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::DeliverInFlight
            | Outcome::DeliverInflightFull
            | Outcome::DeliverSocketFull
            | Outcome::DeliverOffline
    )
}

/// Whether a subscription was refused with this.
pub fn is_refusal(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::SubscribeDeniedAcl
            | Outcome::SubscribeBadFilter
            | Outcome::SubscribeQuota
            | Outcome::SubscribeBytesQuota
    )
}

/// Whether a subscription ended with this.
pub fn ends_subscription(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::UnsubscribeDone | Outcome::UnsubscribeByAdmin | Outcome::SubscribeRevoked
    )
}

/// Whether a client is connected after this, if it came or went with it.
pub fn changes_connection(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::ConnectAccepted => Some(true),
        _ if outcome.name().starts_with("disconnect.") => Some(false),
        _ => None,
    }
}

/// What ended a subscription first since it was granted last: what its client went through later did not.
/// The events are those about it, and the ends of its sessions.
fn first_end<'e>(about: &[&'e Event]) -> Option<&'e Event> {
    let is_sign = |event: &&Event| {
        event.outcome == Outcome::SubscribeGranted || ends_subscription(event.outcome)
    };
    let had_it = about.iter().rposition(is_sign)?;
    let mut since = about.iter().skip(had_it).copied();
    since.find(|event| ends_subscription(event.outcome) || ends_session(event.outcome))
}

/// The filter of a subscription as its client wrote it.
pub fn filter_of(row: &SubscriptionRow) -> String {
    match &row.key.group {
        Some(group) => format!("$share/{group}/{}", row.key.filter),
        None => row.key.filter.to_string(),
    }
}

impl<'e> History<'e> {
    /// Sorts the evidence about a topic.
    pub fn new(evidence: &'e Evidence, topic: &'e str) -> Self {
        let mut by_client: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        let mut copies: BTreeMap<MessageKey, Vec<&Event>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let starts = evidence.events.iter().filter(|event| is_start(event));
        let starts_ms: Vec<u64> = starts.map(|event| event.unix_ms).collect();
        let key = |event: &Event| {
            let life = starts_ms.partition_point(|start_ms| *start_ms <= event.unix_ms);
            (life, event.message)
        };
        let published = evidence
            .events
            .iter()
            .filter(|event| is_publication(event) && event.message != 0 && event.topic == topic);
        let publications = published.map(|event| (key(event), event)).collect();
        let mut ended_before_ms = BTreeMap::new();
        for event in &evidence.events {
            if ends_session(event.outcome) && event.unix_ms < evidence.question.from_ms {
                ended_before_ms.insert(&*event.client, event.unix_ms);
            }
        }
        for event in &evidence.events {
            by_client.entry(&event.client).or_default().push(event);
            if event.message != 0
                && event.tape == TapeName::Ledger
                && event.outcome.name().starts_with("deliver.")
            {
                seen.insert((key(event), &*event.client, event.outcome));
                copies.entry(key(event)).or_default().push(event);
            }
        }
        // A fault stands on both tapes; the ledger may have been full.
        for event in &evidence.events {
            if event.message != 0
                && event.tape != TapeName::Ledger
                && event.outcome.name().starts_with("deliver.")
                && !seen.contains(&(key(event), &*event.client, event.outcome))
            {
                let list = copies.entry(key(event)).or_default();
                list.push(event);
                list.sort_by_key(|event| event.unix_ms);
            }
        }
        Self {
            evidence,
            topic,
            by_client,
            copies,
            publications,
            starts_ms,
            ended_before_ms,
        }
    }

    /// Which message an event is about.
    pub fn key_of(&self, event: &Event) -> MessageKey {
        let starts = &self.starts_ms;
        let life = starts.partition_point(|start_ms| *start_ms <= event.unix_ms);
        (life, event.message)
    }

    /// What happened to a client, the oldest first.
    pub fn of(&self, client: &str) -> &[&'e Event] {
        self.by_client.get(client).map_or(&[], Vec::as_slice)
    }

    /// What became of the copies of the message that an event is about.
    pub fn copies(&self, event: &Event) -> &[&'e Event] {
        let found = self.copies.get(&self.key_of(event));
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether the record has the line of the message that an event is about, in the window or not.
    pub fn has_publication(&self, event: &Event) -> bool {
        event.message != 0 && self.publications.contains_key(&self.key_of(event))
    }

    /// When a PUBLISH to the topic came last before a time, and its line if the record has it; of the
    /// publisher that was asked about, if one was.
    pub fn last_before(&self, unix_ms: u64) -> Option<(u64, Option<&'e Event>)> {
        let publisher = self.evidence.question.publisher.as_deref();
        let is_by = |client: Option<&str>| publisher.is_none() || client == publisher;
        let mut events = self.evidence.events.iter();
        let last = events.rfind(|event| {
            is_publication(event)
                && event.topic == self.topic
                && event.unix_ms < unix_ms
                && is_by(Some(&event.client))
        });
        let traffic = self.evidence.topic_rows.iter();
        let traffic = traffic.filter_map(|row| row.traffic.as_ref());
        let known_ms = traffic
            .filter(|traffic| is_by(traffic.last_publisher.as_deref()))
            .map(|traffic| traffic.last_unix_ms)
            .filter(|last_ms| *last_ms < unix_ms)
            .max();
        match (last, known_ms) {
            (Some(event), Some(known_ms)) if known_ms > event.unix_ms => Some((known_ms, None)),
            (Some(event), _) => Some((event.unix_ms, Some(event))),
            (None, known_ms) => known_ms.map(|known_ms| (known_ms, None)),
        }
    }

    /// Whether the record has the line of any message on the topic.
    pub fn has_any(&self) -> bool {
        !self.publications.is_empty()
    }

    /// Whether anybody published to the topic after a time.
    pub fn came_after(&self, unix_ms: u64) -> bool {
        let mut events = self.evidence.events.iter();
        let mut traffic = self
            .evidence
            .topic_rows
            .iter()
            .filter_map(|row| row.traffic.as_ref());
        traffic.any(|traffic| traffic.last_unix_ms > unix_ms)
            || events.any(|event| {
                is_publication(event) && event.topic == self.topic && event.unix_ms > unix_ms
            })
    }

    /// Messages on the topic that were published before the window.
    pub fn earlier(&self) -> impl Iterator<Item = &'e Event> {
        let from_ms = self.evidence.question.from_ms;
        let all = self.publications.values().copied();
        all.filter(move |event| event.unix_ms < from_ms)
    }

    /// Copies on the topic of messages whose own line is not in the record, message by message.
    pub fn copies_alone(&self) -> impl Iterator<Item = &[&'e Event]> {
        let alone = self
            .copies
            .iter()
            .filter(|(key, _)| !self.publications.contains_key(key));
        let alone = alone.map(|(_, events)| events.as_slice());
        alone.filter(|events| events.iter().all(|event| event.topic == self.topic))
    }

    /// How many messages on the topic waited for a client when a process ended.
    pub fn waiting_at_end(&self, client: &str, life: usize) -> usize {
        let copies = self.copies.iter().filter(|((of, _), _)| *of == life);
        let is_own = |event: &&&Event| event.client == client && event.topic == self.topic;
        let ends = copies.filter_map(|(_, events)| events.iter().rfind(is_own));
        ends.filter(|end| is_waiting(end.outcome)).count()
    }

    /// How the copy of a message for a client stood to the window, by what is recorded of it and the
    /// seconds that the message lives, 0 for ever.
    pub fn reach_of(&self, own: &[&'e Event], client: &str, secs: u64) -> Reach {
        let question = &self.evidence.question;
        if own.iter().any(|event| self.is_in_window(event.unix_ms)) {
            return Reach::Happened;
        }
        let mut before = own.iter().filter(|event| event.unix_ms < question.from_ms);
        let Some(last) = before.next_back() else {
            return Reach::Outside;
        };
        let first_ms = own.first().map_or(0, |event| event.unix_ms);
        let has_expired =
            secs > 0 && first_ms.saturating_add(secs.saturating_mul(1000)) < question.from_ms;
        let ended_ms = self.ended_before_ms.get(client).copied();
        let has_ended = ended_ms.is_some_and(|ended_ms| ended_ms >= last.unix_ms);
        if is_waiting(last.outcome) && !has_expired && !has_ended {
            Reach::Waited
        } else {
            Reach::Outside
        }
    }

    /// Whether a time is in the window.
    pub fn is_in_window(&self, unix_ms: u64) -> bool {
        let question = &self.evidence.question;
        (question.from_ms..=question.to_ms).contains(&unix_ms)
    }

    /// Events in the window.
    pub fn window(&self) -> impl DoubleEndedIterator<Item = &'e Event> + Clone {
        let question = &self.evidence.question;
        let range = question.from_ms..=question.to_ms;
        let events = self.evidence.events.iter();
        events.filter(move |event| range.contains(&event.unix_ms))
    }

    /// What was counted, and came for the last time after the window, but before that in it, or before it:
    /// with whether one was in the window for sure. Of what is counted the first and the last time are
    /// known.
    pub fn counted_over_window(&self) -> impl Iterator<Item = (&'e Event, bool)> {
        let question = &self.evidence.question;
        let (from_ms, to_ms) = (question.from_ms, question.to_ms);
        let events = self.evidence.events.iter();
        events
            .filter(move |event| event.first_unix_ms <= to_ms && event.unix_ms > to_ms)
            .map(move |event| (event, event.first_unix_ms >= from_ms))
    }

    /// Whether anything about a client is known.
    pub fn knows(&self, client: &str) -> bool {
        let Evidence {
            question,
            publisher,
            subscriber,
            matching,
            ..
        } = self.evidence;
        let has_session = question.publisher.as_deref() == Some(client)
            && publisher.session().is_some()
            || question.subscriber.as_deref() == Some(client) && subscriber.session().is_some();
        has_session
            || !self.of(client).is_empty()
            || self.evidence.clients.iter().any(|of| of == client)
            || matching.iter().any(|row| &*row.key.client_id == client)
    }

    /// Whether a client had a connection. `None`: the record does not say.
    pub fn is_online_at(&self, client: &str, unix_ms: u64) -> Option<bool> {
        let change = |event: &&&Event| changes_connection(event.outcome);
        let events = self.of(client);
        let before = events.iter().filter(|event| event.unix_ms <= unix_ms);
        // Within one millisecond of a takeover the order of both is not told by the time alone, but
        // both are written to one tape.
        let mut states = before.filter_map(|event| Some((change(&event)?, *event)));
        if let Some((state, event)) = states.next_back() {
            return Some(state && self.start_behind(event, unix_ms).is_none());
        }
        let after = events.iter().filter(|event| event.unix_ms > unix_ms);
        if let Some(state) = after.filter_map(|event| change(&event)).next() {
            return Some(!state);
        }
        let Evidence {
            question,
            publisher,
            subscriber,
            ..
        } = self.evidence;
        let session = if question.subscriber.as_deref() == Some(client) {
            subscriber.session()
        } else if question.publisher.as_deref() == Some(client) {
            publisher.session()
        } else {
            None
        };
        session.map(|session| {
            let is_online = session.row.connection.is_some();
            is_online == (session.row.since_unix_ms <= unix_ms)
        })
    }

    /// Whether a client came or went in this very millisecond.
    pub fn has_come_or_gone_at(&self, client: &str, unix_ms: u64) -> bool {
        let mut events = self.of(client).iter();
        events.any(|event| event.unix_ms == unix_ms && changes_connection(event.outcome).is_some())
    }

    /// How a client stood to the topic at a time, filter by filter, what says most first.
    pub fn standings(&self, client: &str, unix_ms: u64) -> Vec<Standing<'e>> {
        let mut filters = BTreeSet::new();
        for event in self.of(client) {
            let is_about = event.outcome == Outcome::SubscribeGranted
                || is_refusal(event.outcome)
                || ends_subscription(event.outcome);
            if is_about && near::matches(&event.topic, self.topic) {
                filters.insert(event.topic.clone());
            }
        }
        let present = self.present_filters(client, unix_ms);
        filters.extend(present.iter().cloned());
        let standings = filters.into_iter().filter_map(|filter| {
            let is_present = present.contains(&filter);
            self.standing(client, filter, is_present, unix_ms)
        });
        let mut standings: Vec<_> = standings.collect();
        standings.sort_by_key(|standing| match standing {
            Standing::Subscribed { .. } => (0, 0),
            Standing::Unknown { .. } => (1, 0),
            // What happened last explains most.
            Standing::Refused(event) | Standing::Ended(event) => (2, u64::MAX - event.unix_ms),
            Standing::Later(event) => (3, event.unix_ms),
        });
        standings
    }

    /// Whether the record lacks nothing from a time on.
    pub fn is_whole_since(&self, unix_ms: u64) -> bool {
        let coverage = &self.evidence.coverage;
        let from_ms = coverage.from_ms.max(coverage.excess_from_ms);
        // The time may be before the window.
        let is_all_followed = coverage.left_out_since == 0 && coverage.left_out_until_ms < unix_ms;
        from_ms <= unix_ms && is_all_followed && coverage.cut == 0
    }

    /// The last time, if there is one, of which what clients did is not recorded: who came and went in it is
    /// not known. It is over after a time, and may be before the window.
    pub fn hole_since(&self, unix_ms: u64) -> Option<(u64, u64)> {
        let Evidence {
            coverage, holes, ..
        } = self.evidence;
        let holes = holes.iter().copied();
        let hole = holes.filter(|(_, end_ms)| *end_ms > unix_ms).max();
        hole.or_else(|| (coverage.from_ms > unix_ms).then_some((unix_ms, coverage.from_ms)))
    }

    /// Whether all is recorded that clients did between two times, but for what some of them did in excess.
    pub fn has_no_hole_between(&self, from_ms: u64, to_ms: u64) -> bool {
        let mut holes = self.evidence.holes.iter();
        let is_between = |hole: &(u64, u64)| hole.0 < to_ms && hole.1 > from_ms;
        self.evidence.coverage.from_ms <= from_ms && !holes.any(is_between)
    }

    /// The same of what some clients did in excess, too.
    pub fn hole_or_excess_since(&self, unix_ms: u64) -> Option<(u64, u64)> {
        let excess_from_ms = self.evidence.coverage.excess_from_ms;
        let is_lost = excess_from_ms > unix_ms;
        let hole = self.hole_since(unix_ms);
        hole.or_else(|| is_lost.then_some((unix_ms, excess_from_ms)))
    }

    /// The first start of the broker after a time: what it did not find in its store is gone.
    pub fn start_after(&self, unix_ms: u64) -> Option<&'e Event> {
        let mut own = self.of("").iter().copied();
        own.find(|event| is_start(event) && event.unix_ms > unix_ms)
    }

    /// The start of the broker that came after something that a client did, until a time: with the process before it
    /// all connections ended. Of other shards the times are not to be compared to the millisecond.
    pub fn start_behind(&self, event: &Event, until_ms: u64) -> Option<&'e Event> {
        let mut own = self.of("").iter().copied();
        own.find(|start| {
            let is_of_shard = start.shard == event.shard;
            let least_ms = if is_of_shard { 0 } else { START_MS };
            start.outcome == Outcome::BrokerStarted
                && start.unix_ms <= until_ms
                && start.unix_ms > event.unix_ms + least_ms
        })
    }

    /// What starts after a time have found damaged in the store.
    pub fn damage_after(&self, unix_ms: u64) -> impl Iterator<Item = &'e Event> {
        let own = self.of("").iter().copied();
        own.filter(move |event| {
            event.outcome == Outcome::BrokerStoreDamaged && event.unix_ms > unix_ms
        })
    }

    /// Whether something that a client did before a time is lost, among what it did in excess.
    pub fn has_lost_of(&self, client: &str, unix_ms: u64) -> bool {
        self.evidence.coverage.excess_from_ms > 0
            && self.may_have_excess(client)
            && self.of(client).iter().any(|event| event.unix_ms <= unix_ms)
    }

    /// Whether a copy that was lost may have come as a retained message after that, in a line that is not there:
    /// the client has asked for such since, as far as is known.
    pub fn may_be_sent_again(&self, lost: &Event) -> bool {
        let asks_for_retained = |event: &Event| {
            event.outcome == Outcome::SubscribeGranted
                && event.unix_ms >= lost.unix_ms
                && event.flags & flag::RETAINED_NEVER == 0
                && near::matches(&event.topic, self.topic)
        };
        let mut own = self.of(&lost.client).iter();
        !self.is_whole_since(lost.unix_ms)
            && (own.any(|event| asks_for_retained(event))
                || self.has_lost_of(&lost.client, lost.unix_ms))
    }

    /// Whether a client did something in excess, if only such as is lost since: then it has used up what it has
    /// of the common history.
    fn may_have_excess(&self, client: &str) -> bool {
        let events = self.of(client).iter();
        let is_in_excess = |event: &&&Event| event.tape == TapeName::Excess;
        if events.clone().any(|event| is_in_excess(&event)) {
            return true;
        }
        let Evidence {
            coverage, now_ms, ..
        } = self.evidence;
        let burst = u64::from(BURST);
        let used = events.filter(|event| event.tape == TapeName::Events);
        let used_up = match coverage.beginning {
            Beginning::Started => burst,
            // Its burst may have been before that.
            Beginning::Overwritten | Beginning::Killed | Beginning::Off | Beginning::IsOff => {
                let secs = now_ms.saturating_sub(coverage.from_ms) / 1000;
                burst.min(secs / REFILL_SECS)
            }
        };
        used.count() as u64 >= used_up
    }

    /// Whether a subscription of a client that matches the topic, or its session, changed in this very
    /// millisecond.
    pub fn has_changed_at(&self, client: &str, unix_ms: u64) -> bool {
        let mut events = self.of(client).iter();
        events.any(|event| {
            let is_about = event.outcome == Outcome::SubscribeGranted
                || is_refusal(event.outcome)
                || ends_subscription(event.outcome);
            let is_change =
                is_about && near::matches(&event.topic, self.topic) || ends_session(event.outcome);
            is_change && (event.first_unix_ms == unix_ms || event.unix_ms == unix_ms)
        })
    }

    /// Its filters that are there now and were at a time, as far as is known: one whose SUBSCRIBE is not
    /// answered yet is there, and not in the record.
    fn present_filters(&self, client: &str, unix_ms: u64) -> BTreeSet<String> {
        let Evidence {
            subscriptions,
            matching,
            ..
        } = self.evidence;
        let rows = subscriptions.iter().chain(matching);
        rows.filter(|row| &*row.key.client_id == client)
            .filter(|row| row.subscribed_unix_ms.is_none_or(|at_ms| at_ms <= unix_ms))
            .map(filter_of)
            .filter(|filter| near::matches(filter, self.topic))
            .collect()
    }

    fn standing(
        &self,
        client: &str,
        filter: String,
        is_present: bool,
        unix_ms: u64,
    ) -> Option<Standing<'e>> {
        let concerns = |event: &&&Event| {
            let is_of_filter = event.topic == filter
                && (event.outcome == Outcome::SubscribeGranted
                    || is_refusal(event.outcome)
                    || ends_subscription(event.outcome));
            is_of_filter || ends_session(event.outcome)
        };
        let events = self.of(client);
        let before: Vec<_> = events
            .iter()
            .filter(concerns)
            // A refusal that came again is told by its last time.
            .filter(|event| event.first_unix_ms <= unix_ms)
            .copied()
            .collect();
        // Who ended a subscription had it, if only from before the record.
        let had_it = before.iter().any(|event| {
            event.outcome == Outcome::SubscribeGranted || ends_subscription(event.outcome)
        });
        let is_grant =
            |event: &&&Event| event.outcome == Outcome::SubscribeGranted && event.topic == filter;
        let refused = before
            .iter()
            .copied()
            .rfind(|event| is_refusal(event.outcome));
        if !had_it
            && refused.is_none()
            && self.has_begun_before(client, unix_ms)
            && (!is_present || events.iter().any(|event| is_grant(&event)))
        {
            // All that its session did is in the record.
            let mut later = events.iter().filter(is_grant);
            return later.next().map(|event| Standing::Later(event));
        }
        let mut after = events.iter().filter(concerns);
        let after = after.find(|event| event.first_unix_ms > unix_ms);
        match before.last() {
            Some(last) if last.outcome == Outcome::SubscribeGranted => Some(Standing::Subscribed {
                filter,
                granted: Some(last),
            }),
            Some(last) if is_refusal(last.outcome) => Some(Standing::Refused(last)),
            Some(last) if ends_subscription(last.outcome) => Some(Standing::Ended(last)),
            Some(last) if had_it => Some(Standing::Ended(first_end(&before).unwrap_or(last))),
            // Its last word about the filter, in a session before: it has not asked again.
            Some(_) if refused.is_some() => refused.map(Standing::Refused),
            // A session ended that may have had the subscription from before the record.
            _ => match after {
                Some(next) if next.outcome == Outcome::SubscribeGranted => {
                    if next.flags & flag::EXISTED != 0 {
                        let granted = None;
                        return Some(Standing::Subscribed { filter, granted });
                    }
                    Some(Standing::Later(next))
                }
                Some(next) if ends_subscription(next.outcome) => {
                    let granted = None;
                    Some(Standing::Subscribed { filter, granted })
                }
                Some(next) if is_refusal(next.outcome) => None,
                Some(_) => Some(Standing::Unknown { filter }),
                None if is_present && before.is_empty() => {
                    let granted = None;
                    Some(Standing::Subscribed { filter, granted })
                }
                None if is_present => Some(Standing::Unknown { filter }),
                None => None,
            },
        }
    }

    /// What ended a client's subscription, or its session, first after a time.
    pub fn end_after(&self, client: &str, filter: &str, unix_ms: u64) -> Option<&'e Event> {
        let is_end = |event: &Event| {
            ends_session(event.outcome) || ends_subscription(event.outcome) && event.topic == filter
        };
        let mut events = self.of(client).iter().copied();
        events.find(|event| event.first_unix_ms > unix_ms && is_end(event))
    }

    /// Whether the record shows all that a client did until a time.
    pub fn is_all_known(&self, client: &str, unix_ms: u64) -> bool {
        self.has_begun_before(client, unix_ms) && self.evidence.coverage.excess_from_ms == 0
    }

    /// Whether the record has the beginning of the session that a client had at a time, or shows that
    /// it had none.
    fn has_begun_before(&self, client: &str, unix_ms: u64) -> bool {
        let is_new = |event: &Event| {
            event.outcome == Outcome::ConnectAccepted && event.flags & flag::SESSION_PRESENT == 0
        };
        let mut changes = self
            .of(client)
            .iter()
            .filter(|event| {
                event.outcome == Outcome::ConnectAccepted || ends_session(event.outcome)
            })
            .peekable();
        // A clean start does not tell what was before it.
        let is_covered = self.evidence.coverage.from_ms <= unix_ms;
        let starts_new = changes
            .peek()
            .is_some_and(|first| is_new(first) && (is_covered || first.unix_ms <= unix_ms));
        starts_new
            || changes
                .take_while(|event| event.unix_ms <= unix_ms)
                .any(|event| is_new(event) || ends_session(event.outcome))
    }

    /// Whether a session of a client ended at a time or later of which the record does not have the
    /// beginning.
    pub fn has_ended_unknown(&self, client: &str, unix_ms: u64) -> bool {
        let mut events = self.of(client).iter();
        let has_ended = events.any(|event| ends_session(event.outcome) && event.unix_ms >= unix_ms);
        has_ended && !self.has_begun_before(client, unix_ms)
    }

    /// The last time that a connection of a client had to wait before it took over.
    pub fn takeover_wait(&self, client: &str) -> Option<&'e Event> {
        let question = &self.evidence.question;
        let mut own = self.of(client).iter().copied();
        own.rfind(|event| {
            event.outcome == Outcome::ConnectTakeoverWait
                && event.unix_ms + TAKEOVERS_MS >= question.from_ms
                && event.unix_ms <= question.to_ms
        })
    }

    /// The most takeovers of a client within two minutes, and the machines that took part: each by its address,
    /// with the number of its connections, the most first.
    pub fn takeovers(&self, client: &str) -> (usize, Vec<(String, u64)>) {
        let question = &self.evidence.question;
        let is_near = |event: &&&Event| {
            event.unix_ms + TAKEOVERS_MS >= question.from_ms && event.unix_ms <= question.to_ms
        };
        let all: Vec<_> = self
            .of(client)
            .iter()
            .filter(|event| event.outcome == Outcome::DisconnectTakenOver)
            .filter(is_near)
            .collect();
        let most = (0..all.len()).map(|start| {
            let from = all.get(start).map_or(0, |event| event.unix_ms);
            let rest = all.get(start..).unwrap_or_default();
            let near = rest
                .iter()
                .take_while(|event| event.unix_ms <= from + TAKEOVERS_MS);
            near.count()
        });
        let most = most.max().unwrap_or_default();
        let from_ms = all.first().map_or(0, |event| event.unix_ms);
        let to_ms = all.last().map_or(0, |event| event.unix_ms);
        let own = self.of(client).iter();
        let connects = own.filter(|event| {
            let since_ms = from_ms.saturating_sub(TAKEOVERS_MS);
            event.outcome == Outcome::ConnectAccepted && (since_ms..=to_ms).contains(&event.unix_ms)
        });
        let connections = all.iter().copied().chain(connects);
        let connections: BTreeSet<_> = connections.filter_map(|event| event.peer).collect();
        let mut machines: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for peer in connections {
            machines.entry(peer.ip()).or_default().push(peer);
        }
        let mut machines: Vec<_> = machines.into_iter().collect();
        machines.sort_by_key(|(_, peers)| std::cmp::Reverse(peers.len()));
        let machines = machines.into_iter().take(MACHINES_MAX);
        let named = machines.map(|(ip, peers)| match peers.as_slice() {
            [one] => (address_of(*one), 1),
            several => (ip.to_string(), several.len() as u64),
        });
        (most, named.collect())
    }
}

/// Machines that are named at most of those who have one client id.
const MACHINES_MAX: usize = 4;
