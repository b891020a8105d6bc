//! Access rules and users that change, by files that are read again, while clients work and faults
//! happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use columba_broker::access::{
    AccessRules, Actions, ClientMatch, Rule, TopicPattern, UserMatch, Who,
};
use columba_broker::event::{AuthVerdict, Command, UserChange};

use crate::chance::Chance;
use crate::event::Event;
use crate::world::{Mode, World};

/// Who everybody is that logs in.
pub(crate) const USER: &str = "user";

/// What rules are about.
const PATTERNS: [&str; 10] = [
    "t/a", "t/+", "t/#", "+/a", "u/#", "s/#", "s/a", "w/#", "w/%c", "#",
];

/// What a list of all that is allowed names.
const ALLOWED: [&str; 5] = ["t/#", "u/#", "s/#", "w/#", "#"];

/// Who changes them, with a chance of their own: what clients do is the same as without them, as far
/// as it does not follow from what they may do.
#[derive(Debug)]
pub(crate) struct Guard {
    chance: Chance,
    is_user_gone: bool,
}

impl Guard {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            is_user_gone: false,
        }
    }

    /// A verdict of before a change of the users does not count: the driver asks again.
    pub(crate) fn still(&self, verdict: AuthVerdict) -> AuthVerdict {
        match verdict {
            AuthVerdict::Allow { .. } if self.is_user_gone => AuthVerdict::BadCredentials,
            verdict => verdict,
        }
    }

    fn draw_rules(&mut self, clients: usize) -> AccessRules {
        let mut rules = Vec::new();
        let chance = &mut self.chance;
        for _ in 0..chance.below(4) {
            let actions = chance.pick(&[
                (true, false, false),
                (false, true, false),
                (false, false, true),
                (false, true, true),
                (true, true, true),
            ]);
            let topic = chance.pick(&PATTERNS);
            let who = draw_who(clients, chance);
            rules.push(rule(chance.percent(15), actions, who, topic, rules.len()));
        }
        if !chance.percent(40) {
            return AccessRules::new(rules, Actions::ALL);
        }
        for topic in ALLOWED {
            let is_named = if topic == "#" { 30 } else { 70 };
            if chance.percent(is_named) {
                let who = Who::default();
                rules.push(rule(true, (true, true, false), who, topic, rules.len()));
            }
        }
        // What a file of rules falls back to.
        let default = Actions {
            receive: true,
            ..Actions::NONE
        };
        AccessRules::new(rules, default)
    }
}

fn draw_who(clients: usize, chance: &mut Chance) -> Who {
    match chance.below(10) {
        0 | 1 => Who::default(),
        2 | 3 => Who {
            users: chance
                .pick(&[&UserMatch::LoggedIn, &UserMatch::Anonymous])
                .clone(),
            ..Who::default()
        },
        4 => Who {
            users: UserMatch::Named(vec![USER.into()]),
            ..Who::default()
        },
        _ => {
            let client = chance.below(clients as u64);
            Who {
                clients: vec![ClientMatch::Is(format!("c{client}").into())],
                ..Who::default()
            }
        }
    }
}

fn rule(
    is_allow: bool,
    (publish, subscribe, receive): (bool, bool, bool),
    who: Who,
    topic: &str,
    at: usize,
) -> Rule {
    Rule {
        is_allow,
        actions: Actions {
            publish,
            subscribe,
            receive,
        },
        who,
        topics: vec![TopicPattern::parse(topic).expect("a pattern")],
        place: format!("acl.toml:{}", at + 1),
    }
}

impl World {
    /// Files are read again that say something else.
    pub(crate) fn on_guard(&mut self) {
        let Some(guarding) = self.swarm.guards.clone() else {
            return;
        };
        if self.mode != Mode::Faulty {
            return;
        }
        if guarding.has_users && (!guarding.has_rules || self.guard.chance.percent(25)) {
            self.change_users();
        } else {
            self.change_rules();
            let access = Arc::clone(&self.swarm.access);
            self.tell_all(&Command::SetAccess(access));
        }
        let pause_ms = self.guard.chance.range(1, guarding.pause_ms_max);
        self.put(pause_ms, Event::Guard);
    }

    fn change_rules(&mut self) {
        let lifted_percent = self.swarm.guards.as_ref().map_or(0, |of| of.lifted_percent);
        let rules = if self.guard.chance.percent(lifted_percent) {
            AccessRules::allow_all()
        } else {
            self.guard.draw_rules(self.swarm.clients)
        };
        self.swarm.access = Arc::new(rules);
    }

    /// The only user is removed, comes back or has another password; rules may change with it.
    fn change_users(&mut self) {
        if std::mem::take(&mut self.guard.is_user_gone) {
            // Nobody is told of a user who is new.
            return;
        }
        let is_removed = self.guard.chance.percent(50);
        self.guard.is_user_gone = is_removed;
        let change = match is_removed {
            true => UserChange::Removed,
            false => UserChange::Expelled([].into()),
        };
        let has_rules = self.swarm.guards.as_ref().is_some_and(|of| of.has_rules);
        let access = (has_rules && self.guard.chance.percent(30)).then(|| {
            self.change_rules();
            Arc::clone(&self.swarm.access)
        });
        self.tell_all(&Command::UsersChanged {
            changes: Arc::new(BTreeMap::from([(Arc::from(USER), change)])),
            access,
        });
    }

    /// Somebody may change the file of the rules before the broker is started again.
    pub(crate) fn change_while_down(&mut self) {
        let has_rules = self.swarm.guards.as_ref().is_some_and(|of| of.has_rules);
        if has_rules && self.mode == Mode::Faulty && self.guard.chance.percent(30) {
            self.change_rules();
        }
    }

    /// Everybody may do everything again.
    pub(crate) fn allow_all(&mut self) {
        if self.swarm.guards.is_none() {
            return;
        }
        self.guard.is_user_gone = false;
        self.swarm.access = Arc::new(AccessRules::allow_all());
        let access = Arc::clone(&self.swarm.access);
        self.tell_all(&Command::SetAccess(access));
    }
}
