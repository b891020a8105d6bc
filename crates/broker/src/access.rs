//! Access rules: who may publish, subscribe and receive what. Pure decisions; reading rule files
//! is the server's work.

use std::net::IpAddr;
use std::sync::Arc;

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

/// An ordered list of rules with a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRules {
    default_allow: bool,
}

impl AccessRules {
    /// Everybody may do everything.
    pub fn allow_all() -> Self {
        Self { default_allow: true }
    }

    /// Decides.
    pub fn decide(&self, _client: &Client<'_>, _action: Action, _topic: &str) -> Decision {
        Decision { is_allowed: self.default_allow, rule: None }
    }

    /// Whether any rule can deny [`Action::Receive`]; if not, deliveries need no check.
    pub fn has_receive_rules(&self) -> bool {
        false
    }

    /// Whether everything is allowed to everybody, so that no check is needed.
    pub fn allows_all(&self) -> bool {
        self.default_allow
    }

    /// Where a rule stands, for people: `etc/acl.toml:12`.
    pub fn describe(&self, _rule: RuleId) -> &str {
        ""
    }
}
