//! The retained message of a topic is the last one accepted. Between shards there is no order but
//! that of each accepting shard, so the last of each is a candidate until all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::{Message, Oracle};

/// By topic and accepting shard: the last retained message, `None` for one that cleared it.
#[derive(Debug, Default)]
pub(crate) struct Retained(BTreeMap<String, BTreeMap<usize, Option<u64>>>);

impl Retained {
    pub(crate) fn accepted(&mut self, message: &Message, id: Option<u64>, shard: usize) {
        let topic = self.0.entry(message.topic.clone()).or_default();
        topic.insert(shard, id);
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
        let mut by_topic: BTreeMap<&str, u64> = BTreeMap::new();
        for id in found {
            let Some(message) = self.messages.get(id) else {
                return Err(format!("message {id} of nobody is retained"));
            };
            if by_topic.insert(&message.topic, *id).is_some() {
                return Err(format!("{} has two retained messages", message.topic));
            }
            if message.expires_ms.is_some_and(|at_ms| at_ms <= asked_ms) {
                return Err(format!("message {id} has expired"));
            }
        }
        for (topic, candidates) in &mut self.retained.0 {
            let actual = by_topic.remove(topic.as_str());
            let is_candidate = |candidate: &Option<u64>| {
                let message = candidate.and_then(|id| self.messages.get(&id));
                let is_expired = message
                    .and_then(|message| message.expires_ms)
                    .is_some_and(|at_ms| at_ms <= self.now_ms);
                *candidate == actual || (actual.is_none() && is_expired)
            };
            if !candidates.values().any(is_candidate) {
                return Err(format!("{topic} has {actual:?} of {candidates:?}"));
            }
            let all = std::mem::take(candidates);
            let kept: BTreeSet<usize> = all.keys().copied().collect();
            candidates.extend(kept.first().map(|shard| (*shard, actual)));
        }
        match by_topic.keys().next() {
            Some(topic) => Err(format!("{topic} has a retained message that was never set")),
            None => Ok(()),
        }
    }
}
