//! `acl.toml`: a list of `[[rule]]` tables.

use std::net::IpAddr;
use std::ops::Range;

use columba_broker::access::{
    Actions, AddressRange, ClientMatch, Rule, TopicPattern, UserMatch, Who,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::fault::{Fault, Place, closest};

const KEYS: &[&str] = &[
    "allow",
    "deny",
    "topics",
    "users",
    "groups",
    "clients",
    "addresses",
    "anonymous",
    "comment",
];
const ACTIONS: &[&str] = &["publish", "subscribe", "receive", "all"];

/// The rules, the groups they name with the place, and the faults.
pub(super) fn read(file: &str, text: &str) -> (Vec<Rule>, Vec<(String, String)>, Vec<Fault>) {
    let mut reader = Reader {
        file,
        text,
        faults: Vec::new(),
        groups: Vec::new(),
    };
    let (document, syntax) = DeTable::parse_recoverable(text);
    let told = syntax
        .iter()
        .map(|error| crate::config::syntax::fault(file, text, error));
    reader.faults.extend(told);
    let mut rules = Vec::new();
    // What else is wrong in a file that is no TOML is told when it is.
    if syntax.is_empty() {
        for (name, value) in document.get_ref() {
            match (&**name.get_ref(), value.get_ref()) {
                ("rule", DeValue::Array(tables)) => {
                    rules.extend(tables.iter().filter_map(|table| reader.rule(table)));
                }
                (name_text, _) => {
                    let what = format!("unknown section `{name_text}`");
                    reader.fault(name.span(), what, "this file is a list of [[rule]] tables");
                }
            }
        }
    }
    (rules, reader.groups, reader.faults)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
    groups: Vec<(String, String)>,
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, what: impl Into<String>, fix: &str) {
        let fault = Fault::error(Place::in_text(self.file, self.text, span), what);
        self.faults.push(if fix.is_empty() {
            fault
        } else {
            fault.fix(fix)
        });
    }

    fn place(&self, span: Range<usize>) -> String {
        match Place::in_text(self.file, self.text, span) {
            Place::Text { file, line, .. } => format!("{file}:{line}"),
            place => place.to_string(),
        }
    }

    fn rule(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Rule> {
        let DeValue::Table(table) = value.get_ref() else {
            self.fault(value.span(), "a rule is a table", "write [[rule]]");
            return None;
        };
        let faults_before = self.faults.len();
        for name in table.keys() {
            if !KEYS.contains(&&**name.get_ref()) {
                let fix = match closest(name.get_ref(), KEYS.iter().copied()) {
                    Some(key) => format!("did you mean `{key}`?"),
                    None => format!("the keys of a rule are {}", KEYS.join(", ")),
                };
                self.fault(
                    name.span(),
                    format!("unknown key `{}` in [[rule]]", name.get_ref()),
                    &fix,
                );
            }
        }
        let topics = self.topics(table, value.span());
        let who = self.who(table);
        let (is_allow, actions) = self.actions(table, value.span())?;
        let place = self.place(value.span());
        for group in &who.groups {
            self.groups.push((group.to_string(), place.clone()));
        }
        // A rule that is partly understood must not decide.
        (self.faults.len() == faults_before).then_some(Rule {
            is_allow,
            actions,
            who,
            topics,
            place,
        })
    }

    fn actions(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<(bool, Actions)> {
        let (is_allow, key) = match (table.contains_key("allow"), table.contains_key("deny")) {
            (true, false) => (true, "allow"),
            (false, true) => (false, "deny"),
            (has_both, _) => {
                let what = if has_both {
                    "both allow and deny"
                } else {
                    "neither allow nor deny"
                };
                let fix = "write allow = [\"publish\", \"subscribe\"], or deny, once in each rule";
                self.fault(span, format!("a rule with {what}"), fix);
                return None;
            }
        };
        let mut actions = Actions::default();
        for (action, span) in self.texts(table, key) {
            match action.as_str() {
                "publish" => actions.publish = true,
                "subscribe" => actions.subscribe = true,
                "receive" => actions.receive = true,
                "all" => actions = Actions::ALL,
                other => {
                    let fix = match closest(other, ACTIONS.iter().copied()) {
                        Some(action) => format!("did you mean \"{action}\"?"),
                        None => {
                            "write \"publish\", \"subscribe\", \"receive\" or \"all\"".to_owned()
                        }
                    };
                    self.fault(span, format!("`{other}` is no action"), &fix);
                }
            }
        }
        Some((is_allow, actions))
    }

    fn topics(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Vec<TopicPattern> {
        if !table.contains_key("topics") {
            self.fault(span, "a rule without topics", "write topics = [\"home/#\"]");
        }
        let mut topics = Vec::new();
        for (text, span) in self.texts(table, "topics") {
            match TopicPattern::parse(&text) {
                Ok(pattern) => topics.push(pattern),
                Err(fault) => self.fault(span, format!("topic `{text}`: {fault}"), ""),
            }
        }
        topics
    }

    fn who(&mut self, table: &DeTable<'_>) -> Who {
        let users: Vec<_> = self.texts(table, "users");
        let mut who = Who::default();
        if !users.is_empty() {
            who.users = if users.iter().any(|(name, _)| name == "*") {
                UserMatch::LoggedIn
            } else {
                UserMatch::Named(users.iter().map(|(name, _)| name.as_str().into()).collect())
            };
        }
        if let Some(anonymous) = table.get("anonymous") {
            match (anonymous.get_ref(), users.is_empty()) {
                (DeValue::Boolean(true), true) => who.users = UserMatch::Anonymous,
                (DeValue::Boolean(false), true) => who.users = UserMatch::LoggedIn,
                (DeValue::Boolean(_), false) => {
                    let what = "a rule with both users and anonymous";
                    self.fault(anonymous.span(), what, "remove one of them");
                }
                _ => self.fault(anonymous.span(), "anonymous is neither true nor false", ""),
            }
        }
        who.groups = self
            .texts(table, "groups")
            .into_iter()
            .map(|(group, _)| group.into())
            .collect();
        for (client, span) in self.texts(table, "clients") {
            match client.strip_suffix('*') {
                Some(start) if !start.contains('*') => {
                    who.clients.push(ClientMatch::StartsWith(start.into()));
                }
                None if !client.contains('*') => who.clients.push(ClientMatch::Is(client.into())),
                Some(_) | None => {
                    let what = format!("`{client}`: a * stands only at the end of a client id");
                    self.fault(span, what, "write the start of the client id and one *");
                }
            }
        }
        for (address, span) in self.texts(table, "addresses") {
            match parse_range(&address) {
                Some(range) => who.addresses.push(range),
                None => {
                    let what = format!("`{address}` is no range of addresses");
                    let fix = "write \"192.168.1.0/24\", \"fd00::/8\", one address, or \"local\"";
                    self.fault(span, what, fix);
                }
            }
        }
        who
    }

    /// A text or a list of texts, with the place of each. A key that is there holds one at least:
    /// an empty list of users would mean everybody.
    fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.get(key) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        let single = std::slice::from_ref(value);
        let values = value.get_ref().as_array().map_or(single, |array| array);
        if values.is_empty() {
            self.fault(
                value.span(),
                format!("{key} is empty"),
                "name at least one, or remove it",
            );
        }
        for value in values {
            match value.get_ref().as_str() {
                Some(text) if !text.is_empty() => texts.push((text.to_owned(), value.span())),
                Some(_) => self.fault(value.span(), format!("{key}: empty text"), "remove it"),
                None => {
                    let fix = format!("write {key} = [\"...\", \"...\"]");
                    self.fault(
                        value.span(),
                        format!("{key} is a text or a list of texts"),
                        &fix,
                    );
                }
            }
        }
        texts
    }
}

fn parse_range(text: &str) -> Option<AddressRange> {
    if text == "local" {
        return Some(AddressRange::Local);
    }
    let (base, prefix_len) = match text.split_once('/') {
        Some((base, prefix_len)) => (base, Some(prefix_len)),
        None => (text, None),
    };
    let base: IpAddr = base.parse().ok()?;
    let longest = if base.is_ipv4() { 32 } else { 128 };
    let prefix_len = prefix_len.map_or(Ok(longest), str::parse).ok()?;
    (prefix_len <= longest).then_some(AddressRange::Network { base, prefix_len })
}
