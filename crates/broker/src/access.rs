//! Access rules: who may publish, subscribe and receive what. Pure decisions; reading rule files
//! is the server's work.

mod hits;
mod pattern;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use hits::{Hits, HitsByAction, RuleHits};
pub use pattern::{PatternFault, TopicPattern};

/// What a client wants to do with a topic or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Publish to a topic.
    Publish,
    /// Subscribe to a filter.
    Subscribe,
    /// Get a message on a topic that one of its filters matched.
    Receive,
}

/// Who wants to do it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// The user it logged in as, if any.
    pub user: Option<&'a str>,
    /// The groups of the user.
    pub groups: &'a [Arc<str>],
    /// Its address, if it is connected over IP.
    pub addr: Option<IpAddr>,
}

/// The rule that decided, to be shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(pub u32);

/// An answer of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub is_allowed: bool,
    /// By which rule; `None` if no rule matched and the default decided.
    pub rule: Option<RuleId>,
}

/// One choice for each [`Action`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions {
    /// For [`Action::Publish`].
    pub publish: bool,
    /// For [`Action::Subscribe`].
    pub subscribe: bool,
    /// For [`Action::Receive`].
    pub receive: bool,
}

impl Actions {
    /// All of them.
    pub const ALL: Self = Self {
        publish: true,
        subscribe: true,
        receive: true,
    };

    /// None of them.
    pub const NONE: Self = Self {
        publish: false,
        subscribe: false,
        receive: false,
    };

    /// The choice for one.
    pub const fn has(self, action: Action) -> bool {
        match action {
            Action::Publish => self.publish,
            Action::Subscribe => self.subscribe,
            Action::Receive => self.receive,
        }
    }
}

/// Addresses that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressRange {
    /// This machine: loopback addresses and Unix sockets.
    Local,
    /// Addresses that share the first `prefix_len` bits with `base`.
    Network {
        /// Any address of the network.
        base: IpAddr,
        /// How many bits count.
        prefix_len: u8,
    },
}

impl AddressRange {
    fn has(self, addr: Option<IpAddr>) -> bool {
        let addr = addr.map(|addr| addr.to_canonical());
        match self {
            Self::Local => addr.is_none_or(|addr| addr.is_loopback()),
            Self::Network { base, prefix_len } => match (base, addr) {
                (IpAddr::V4(base), Some(IpAddr::V4(addr))) => {
                    let differing = base.to_bits() ^ addr.to_bits();
                    differing.leading_zeros() >= u32::from(prefix_len)
                }
                (IpAddr::V6(base), Some(IpAddr::V6(addr))) => {
                    let differing = base.to_bits() ^ addr.to_bits();
                    differing.leading_zeros() >= u32::from(prefix_len)
                }
                (IpAddr::V4(_), Some(IpAddr::V6(_)) | None)
                | (IpAddr::V6(_), Some(IpAddr::V4(_)) | None) => false,
            },
        }
    }
}

/// A client id or the start of client ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientMatch {
    /// Exactly this one.
    Is(Box<str>),
    /// All that start so.
    StartsWith(Box<str>),
}

/// Users that a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserMatch {
    /// Everybody, logged in or not.
    #[default]
    Everybody,
    /// Everybody who is logged in.
    LoggedIn,
    /// Everybody who is not.
    Anonymous,
    /// These.
    Named(Vec<Box<str>>),
}

/// Whom a rule is for: clients that match every part. An empty list matches everybody, any other
/// one matches who is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Who {
    /// The user.
    pub users: UserMatch,
    /// One of the user's groups.
    pub groups: Vec<Arc<str>>,
    /// The client id, which a client chooses freely.
    pub clients: Vec<ClientMatch>,
    /// Where it connects from.
    pub addresses: Vec<AddressRange>,
}

impl Who {
    fn is(&self, client: &Client<'_>) -> bool {
        let is_user = match &self.users {
            UserMatch::Everybody => true,
            UserMatch::LoggedIn => client.user.is_some(),
            UserMatch::Anonymous => client.user.is_none(),
            UserMatch::Named(names) => client
                .user
                .is_some_and(|user| names.iter().any(|name| **name == *user)),
        };
        let is_client = |id: &ClientMatch| match id {
            ClientMatch::Is(id) => **id == *client.client_id,
            ClientMatch::StartsWith(start) => client.client_id.starts_with(&**start),
        };
        is_user
            && (self.groups.is_empty()
                || client
                    .groups
                    .iter()
                    .any(|group| self.groups.contains(group)))
            && (self.clients.is_empty() || self.clients.iter().any(is_client))
            && (self.addresses.is_empty()
                || self.addresses.iter().any(|range| range.has(client.addr)))
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows or denies.
    pub is_allow: bool,
    /// What it is about.
    pub actions: Actions,
    /// Whom it is for.
    pub who: Who,
    /// Which topics it is about.
    pub topics: Vec<TopicPattern>,
    /// Where it stands, for people: `etc/acl.toml:12`.
    pub place: String,
}

impl Rule {
    fn matches(&self, client: &Client<'_>, topic: &str) -> bool {
        self.who.is(client)
            && self
                .topics
                .iter()
                .any(|pattern| pattern.matches(client, topic))
    }

    fn covers(&self, client: &Client<'_>, filter: &str) -> bool {
        self.who.is(client)
            && self
                .topics
                .iter()
                .any(|pattern| pattern.covers(client, filter))
    }
}

/// An ordered list of rules with a default for each action.
///
/// The first rule decides that names the action, is for the client, and
/// - for a publish: has a pattern that matches the topic;
/// - for a subscription: has one pattern that covers the filter, which means that it matches every
///   topic that the filter can match. `$share/NAME/` is taken off before. A rule that covers only
///   a part of a filter says nothing about the subscription; a `deny` of that part holds back its
///   messages instead, as the next point says;
/// - for a delivery: has a pattern that matches the topic. If no rule that names `Receive` does,
///   the first rule decides that names `Subscribe` and matches: who may not subscribe to a topic
///   does not get it through a wider filter either.
///
/// A wildcard or placeholder in the first level matches no topic that starts with `$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRules {
    rules: Box<[Rule]>,
    /// For each user that a rule names: the rules that can be for it, in order.
    by_user: BTreeMap<Box<str>, Box<[u32]>>,
    /// The rules that can be for everybody else, in order.
    for_others: Box<[u32]>,
    default: Actions,
    has_receive_rules: bool,
}

impl AccessRules {
    /// Rules in the order in which they are asked, and what holds where none decides.
    pub fn new(rules: Vec<Rule>, default: Actions) -> Self {
        let mut by_user: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        for rule in &rules {
            if let UserMatch::Named(names) = &rule.who.users {
                by_user.extend(names.iter().map(|name| (name.clone(), Vec::new())));
            }
        }
        let mut for_others = Vec::new();
        for (at, rule) in (0..).zip(&rules) {
            match &rule.who.users {
                UserMatch::Named(names) => {
                    for name in names {
                        // A name that stands twice in a rule is one name.
                        if let Some(list) = by_user.get_mut(name)
                            && list.last() != Some(&at)
                        {
                            list.push(at);
                        }
                    }
                }
                UserMatch::Everybody | UserMatch::LoggedIn | UserMatch::Anonymous => {
                    by_user.values_mut().for_each(|list| list.push(at));
                    for_others.push(at);
                }
            }
        }
        let has_receive_rules = !default.receive
            || rules
                .iter()
                .any(|rule| !rule.is_allow && (rule.actions.receive || rule.actions.subscribe));
        Self {
            rules: rules.into(),
            by_user: by_user
                .into_iter()
                .map(|(name, list)| (name, list.into()))
                .collect(),
            for_others: for_others.into(),
            default,
            has_receive_rules,
        }
    }

    /// Everybody may do everything.
    pub fn allow_all() -> Self {
        Self::new(Vec::new(), Actions::ALL)
    }

    /// Nobody may do anything.
    pub fn deny_all() -> Self {
        Self::new(Vec::new(), Actions::NONE)
    }

    /// Decides. `topic` is the filter, with or without `$share/NAME/`, for [`Action::Subscribe`].
    pub fn decide(&self, client: &Client<'_>, action: Action, topic: &str) -> Decision {
        let topic = match action {
            Action::Subscribe => without_share(topic),
            Action::Publish | Action::Receive => topic,
        };
        let by_default = Decision {
            is_allowed: self.default.has(action),
            rule: None,
        };
        let first = match action {
            Action::Receive if !self.has_receive_rules => None,
            Action::Receive => self
                .first(client, |rule| {
                    rule.actions.receive && rule.matches(client, topic)
                })
                .or_else(|| {
                    self.first(client, |rule| {
                        rule.actions.subscribe && rule.matches(client, topic)
                    })
                }),
            Action::Publish => self.first(client, |rule| {
                rule.actions.publish && rule.matches(client, topic)
            }),
            Action::Subscribe => self.first(client, |rule| {
                rule.actions.subscribe && rule.covers(client, topic)
            }),
        };
        first.unwrap_or(by_default)
    }

    fn first(&self, client: &Client<'_>, decides: impl Fn(&Rule) -> bool) -> Option<Decision> {
        let named = client.user.and_then(|user| self.by_user.get(user));
        let list = named.unwrap_or(&self.for_others);
        list.iter().find_map(|&at| {
            let rule = self.rules.get(at as usize)?;
            decides(rule).then_some(Decision {
                is_allowed: rule.is_allow,
                rule: Some(RuleId(at)),
            })
        })
    }

    /// Whether any rule can deny [`Action::Receive`]; if not, deliveries need no check.
    pub fn has_receive_rules(&self) -> bool {
        self.has_receive_rules
    }

    /// Whether everything is allowed to everybody, so that no check is needed.
    pub fn allows_all(&self) -> bool {
        self.default == Actions::ALL && self.rules.iter().all(|rule| rule.is_allow)
    }

    /// Where a rule stands, for people: `etc/acl.toml:12`.
    pub fn describe(&self, rule: RuleId) -> &str {
        self.rules
            .get(rule.0 as usize)
            .map_or("", |rule| &rule.place)
    }

    /// The rules in the order in which they are asked.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds where no rule decides.
    pub const fn default_for(&self, action: Action) -> bool {
        self.default.has(action)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule, so that the default decides everything.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// The filter behind `$share/NAME/`.
fn without_share(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

#[cfg(test)]
mod tests;
