//! How often each rule has decided, so that rules that never do are seen, and the one that bites.

use super::{AccessRules, Action, Actions, Rule, RuleId, Who};
use crate::access::TopicPattern;
use crate::hash::{Hashing, Map};

/// How often something was decided, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970; 0 if never.
    pub last_unix_ms: u64,
}

impl Hits {
    const fn count(&mut self, unix_ms: u64) {
        self.times += 1;
        self.last_unix_ms = unix_ms;
    }

    fn add(&mut self, more: Self) {
        self.times += more.times;
        self.last_unix_ms = self.last_unix_ms.max(more.last_unix_ms);
    }
}

/// What one rule, or the default, has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitsByAction {
    /// Since when it is counted, in milliseconds since 1970: when it came into force in this process.
    pub since_unix_ms: u64,
    /// Messages to publish, Wills among them.
    pub publish: Hits,
    /// Subscriptions; those that were taken back when the rules changed are among them.
    pub subscribe: Hits,
    /// Copies of messages. None are counted where no rule can deny one.
    pub receive: Hits,
}

impl HitsByAction {
    const fn since(unix_ms: u64) -> Self {
        const NEVER: Hits = Hits {
            times: 0,
            last_unix_ms: 0,
        };
        Self {
            since_unix_ms: unix_ms,
            publish: NEVER,
            subscribe: NEVER,
            receive: NEVER,
        }
    }

    const fn of_mut(&mut self, action: Action) -> &mut Hits {
        match action {
            Action::Publish => &mut self.publish,
            Action::Subscribe => &mut self.subscribe,
            Action::Receive => &mut self.receive,
        }
    }

    fn add(&mut self, more: &Self) {
        self.since_unix_ms = self.since_unix_ms.min(more.since_unix_ms);
        self.publish.add(more.publish);
        self.subscribe.add(more.subscribe);
        self.receive.add(more.receive);
    }
}

/// What each of some rules has decided on one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleHits {
    /// In the order of the rules.
    pub rules: Box<[HitsByAction]>,
    /// What no rule decided.
    pub by_default: HitsByAction,
}

impl RuleHits {
    /// For rules that have decided nothing yet.
    pub(crate) fn new(rules: &AccessRules, unix_ms: u64) -> Self {
        let none = HitsByAction::since(unix_ms);
        Self {
            rules: std::iter::repeat_n(none, rules.len()).collect(),
            by_default: none,
        }
    }

    /// For other rules: those that say what one of the old said go on with its counts, wherever they stand
    /// now. What the default decides depends on all rules, so it begins anew.
    pub(crate) fn carried_over(
        &self,
        old: &AccessRules,
        new: &AccessRules,
        hashing: Hashing,
        unix_ms: u64,
    ) -> Self {
        let mut known: Map<Saying<'_>, HitsByAction> = Map::with_hasher(hashing);
        for (rule, hits) in old.rules().iter().zip(&self.rules) {
            // Of two that say the same, only the first ever decides.
            known.entry(Saying::of(rule)).or_insert(*hits);
        }
        let none = HitsByAction::since(unix_ms);
        let rules = new.rules().iter();
        Self {
            rules: rules
                .map(|rule| known.remove(&Saying::of(rule)).unwrap_or(none))
                .collect(),
            by_default: none,
        }
    }

    /// Adds what another shard has counted for the same rules.
    pub fn add(&mut self, more: &Self) {
        for (hits, more) in self.rules.iter_mut().zip(&more.rules) {
            hits.add(more);
        }
        self.by_default.add(&more.by_default);
    }

    /// Counts a decision.
    pub(crate) fn count(&mut self, action: Action, rule: Option<RuleId>, unix_ms: u64) {
        let hits = match rule {
            Some(rule) => self.rules.get_mut(rule.0 as usize),
            None => Some(&mut self.by_default),
        };
        if let Some(hits) = hits {
            hits.of_mut(action).count(unix_ms);
        }
    }
}

/// What a rule says, wherever it stands.
#[derive(PartialEq, Eq, Hash)]
struct Saying<'a> {
    is_allow: bool,
    actions: Actions,
    who: &'a Who,
    topics: &'a [TopicPattern],
}

impl<'a> Saying<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self {
            is_allow: rule.is_allow,
            actions: rule.actions,
            who: &rule.who,
            topics: &rule.topics,
        }
    }
}
