//! The retained message of a topic is the last one accepted. Between shards there is no order but
//! that of each accepting shard, so the last of each is a candidate until all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::LinkId;
use crate::oracle::{Oracle, Said};

/// By topic.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    topics: BTreeMap<String, Topic>,
    number: u64,
}

/// What was retained on a topic; `None` stands for a message that cleared it.
#[derive(Debug, Default)]
struct Topic {
    /// What it may have been when all was quiet last, or after the last crash.
    before: BTreeSet<Option<u64>>,
    /// What may have come on top of that.
    perhaps: BTreeSet<Option<u64>>,
    /// Since then, by accepting shard.
    since: BTreeMap<usize, Vec<Set>>,
}

#[derive(Debug)]
struct Set {
    number: u64,
    id: Option<u64>,
    turn: Turn,
    acknowledged: Said,
}

/// Which input a message was accepted with, and whose it is. One input may let several connections go
/// on that waited for the store; among those the broker chooses the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Counts the inputs of a run.
    pub(crate) input: u64,
    /// The greatest number stands for the broker itself.
    pub(crate) link: LinkId,
}

impl Turn {
    /// Whether it is not known which of two came first.
    const fn is_beside(self, other: Self) -> bool {
        self.input == other.input && self.link != other.link
    }
}

/// What may be the newest of some sets from one place on: all from there, and what came beside that.
fn newest(sets: &[Set], from: usize) -> impl Iterator<Item = &Set> {
    let (before, left) = sets.split_at(from);
    let at = left.first().map(|set| set.turn);
    let is_beside = move |set: &&Set| at.is_some_and(|turn| set.turn.is_beside(turn));
    before.iter().filter(is_beside).chain(left)
}

impl Topic {
    fn candidates(&self) -> BTreeSet<Option<u64>> {
        let mut all = self.perhaps.clone();
        if self.since.is_empty() {
            all.extend(&self.before);
            if self.before.is_empty() {
                all.insert(None);
            }
        }
        for sets in self.since.values() {
            let lasts = newest(sets, sets.len().saturating_sub(1));
            all.extend(lasts.map(|set| set.id));
        }
        all
    }

    /// The last one that was acknowledged is there, unless one that was accepted later is.
    fn crash(&mut self, least: Said) {
        let mut all = std::mem::take(&mut self.perhaps);
        let mut is_sure = false;
        for sets in self.since.values() {
            let first = sets.iter().rposition(|set| set.acknowledged >= least);
            is_sure |= first.is_some();
            let left = newest(sets, first.unwrap_or(0));
            all.extend(left.map(|set| set.id));
        }
        if !is_sure {
            all.extend(&self.before);
            if self.before.is_empty() {
                all.insert(None);
            }
        }
        self.since.clear();
        self.before = all;
    }
}

impl Retained {
    pub(crate) fn accepted(
        &mut self,
        topic: &str,
        id: Option<u64>,
        shard: usize,
        turn: Turn,
    ) -> u64 {
        self.number += 1;
        let topic = self.topics.entry(topic.to_owned()).or_default();
        topic.since.entry(shard).or_default().push(Set {
            number: self.number,
            id,
            turn,
            acknowledged: Said::Nothing,
        });
        self.number
    }

    /// The broker has said that it has it.
    pub(crate) fn acknowledged(&mut self, topic: &str, number: u64, said: Said) {
        let topic = self.topics.get_mut(topic);
        let sets = topic.into_iter().flat_map(|topic| topic.since.values_mut());
        if let Some(set) = sets.flatten().find(|set| set.number == number) {
            set.acknowledged = said;
        }
    }

    /// Something that may be retained now, or not.
    pub(crate) fn perhaps(&mut self, topic: &str, id: Option<u64>) {
        let topic = self.topics.entry(topic.to_owned()).or_default();
        topic.perhaps.insert(id);
    }

    pub(crate) fn crash(&mut self, least: Said) {
        for topic in self.topics.values_mut() {
            topic.crash(least);
        }
    }
}

impl Oracle {
    /// How many of these messages never expire.
    pub(crate) fn lasting(&self, found: &[u64]) -> u64 {
        let lasting = found.iter().filter(|id| {
            let message = self.messages.get(id);
            message.is_some_and(|message| message.expires_ms.is_none())
        });
        lasting.count() as u64
    }

    /// All is quiet: `found` are the retained messages that a subscription to everything, made at
    /// `asked_ms`, got.
    pub(crate) fn check_retained(&mut self, found: &[u64], asked_ms: u64) -> Result<(), String> {
        for (topic, actual) in self.compare_retained(found, asked_ms)? {
            let known = Topic {
                before: BTreeSet::from([actual]),
                ..Topic::default()
            };
            self.retained.topics.insert(topic, known);
        }
        Ok(())
    }

    /// Whether these retained messages may be there, and no others; which there are, by topic.
    pub(crate) fn compare_retained(
        &self,
        found: &[u64],
        asked_ms: u64,
    ) -> Result<BTreeMap<String, Option<u64>>, String> {
        let mut by_topic: BTreeMap<&str, u64> = BTreeMap::new();
        for id in found {
            let Some(message) = self.messages.get(id) else {
                return Err(format!("message {id} of nobody is retained"));
            };
            if by_topic.insert(&message.topic, *id).is_some() {
                return Err(format!("{} has two retained messages", message.topic));
            }
            let is_over = message.expires_ms.is_some_and(|at_ms| at_ms <= asked_ms);
            if is_over && !message.is_expiry_open {
                return Err(format!("message {id} has expired"));
            }
        }
        let mut all = BTreeMap::new();
        for (topic, known) in &self.retained.topics {
            let actual = by_topic.remove(topic.as_str());
            let is_candidate = |candidate: &Option<u64>| {
                let message = candidate.and_then(|id| self.messages.get(&id));
                let is_expired = message.is_some_and(|message| {
                    message
                        .expires_ms
                        .is_some_and(|at_ms| at_ms <= self.now_ms || message.is_expiry_open)
                });
                *candidate == actual || (actual.is_none() && is_expired)
            };
            let candidates = known.candidates();
            if !candidates.iter().any(is_candidate) {
                return Err(format!("{topic} has {actual:?} of {candidates:?}"));
            }
            all.insert(topic.clone(), actual);
        }
        match by_topic.keys().next() {
            Some(topic) => Err(format!("{topic} has a retained message that was never set")),
            None => Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is retained on a topic after messages of these turns, of which some were acknowledged.
    fn topic(sets: &[(u64, LinkId, bool)]) -> Topic {
        let sets = (1..).zip(sets);
        let sets = sets.map(|(number, (input, link, is_acknowledged))| Set {
            number,
            id: Some(number),
            turn: Turn {
                input: *input,
                link: *link,
            },
            acknowledged: if *is_acknowledged {
                Said::Written
            } else {
                Said::Done
            },
        });
        Topic {
            since: BTreeMap::from([(0, sets.collect())]),
            ..Topic::default()
        }
    }

    fn ids(of: &BTreeSet<Option<u64>>) -> Vec<u64> {
        of.iter().flatten().copied().collect()
    }

    #[test]
    fn connections_that_go_on_with_one_input_may_do_so_in_any_order() {
        let in_order = topic(&[(1, 7, false), (2, 8, false), (3, 7, false), (3, 7, false)]);
        assert_eq!(ids(&in_order.candidates()), [4]);
        let beside = topic(&[(1, 7, false), (2, 8, false), (2, 9, false), (2, 9, false)]);
        assert_eq!(ids(&beside.candidates()), [2, 4]);
    }

    #[test]
    fn after_a_crash_what_went_on_beside_the_last_acknowledged_one_may_be_there() {
        let mut beside = topic(&[(1, 7, true), (2, 8, false), (2, 9, true), (3, 7, false)]);
        beside.crash(Said::Written);
        assert_eq!(ids(&beside.before), [2, 3, 4]);
        let mut in_order = topic(&[(1, 7, true), (2, 9, false), (2, 9, true), (3, 7, false)]);
        in_order.crash(Said::Written);
        assert_eq!(ids(&in_order.before), [3, 4]);
        let mut lost = topic(&[(1, 7, true), (2, 9, false), (2, 9, true), (3, 7, false)]);
        lost.crash(Said::Durable);
        assert_eq!(ids(&lost.before), [1, 2, 3, 4]);
    }
}
