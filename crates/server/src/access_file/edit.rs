//! Changes of single rules in the text of an `acl.toml`: everything else in it stays as it is.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use utoipa::ToSchema;

/// A rule as it is written: a `[[rule]]` of `acl.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// What it is for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What it allows: `publish`, `subscribe`, `receive` or `all`; or else `deny` says what it denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// What it denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<String>>,
    /// Topic filters, in which `%u` is the user and `%c` the client id.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Users; `*` for everybody who is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// Groups of users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Client ids; a `*` at the end stands for any end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<String>>,
    /// Addresses or ranges of them; `local` is the broker's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Whether it is for clients that are not logged in, or for those that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<bool>,
}

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRule {
    /// What it says.
    pub rule: RuleText,
    /// The line it begins at, counted from 1.
    pub line: usize,
    /// Its text from the comments above it to its last line.
    whole: Range<usize>,
    /// The same without the comments above it.
    body: Range<usize>,
}

/// Why rules cannot be changed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotEdit {
    /// It is no TOML.
    #[error("the file is no TOML")]
    Syntax,
    /// They are not tables of their own.
    #[error("the rules of the file are not written as [[rule]] tables")]
    Inline,
    /// There are fewer.
    #[error("there is no such rule")]
    Missing,
}

/// The rules of a text in their order.
///
/// # Errors
/// They cannot be told apart.
pub fn rules(text: &str) -> Result<Vec<FoundRule>, CannotEdit> {
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        return Err(CannotEdit::Syntax);
    }
    let Some(rules) = document.get_ref().get("rule") else {
        return Ok(Vec::new());
    };
    let tables = rules.get_ref().as_array().ok_or(CannotEdit::Inline)?;
    tables.iter().map(|table| found(text, table)).collect()
}

fn found(text: &str, value: &Spanned<DeValue<'_>>) -> Result<FoundRule, CannotEdit> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(CannotEdit::Inline);
    };
    let start = value.span().start;
    let is_header = |at| {
        text.get(at..)
            .is_some_and(|rest: &str| rest.starts_with("[["))
    };
    if !is_header(start) {
        return Err(CannotEdit::Inline);
    }
    let ends = table.values().map(|value| value.span().end);
    let last = ends.max().unwrap_or(start).max(start + 2);
    let line_end = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.find('\n').map_or(text.len(), |found| at + found + 1)
    };
    let body_start = line_start(text, start);
    let body = body_start..line_end(last);
    // Comments right above it are about it.
    let mut whole_start = body_start;
    while whole_start > 0 {
        let above = line_start(text, whole_start - 1);
        let line = text.get(above..whole_start).unwrap_or_default();
        if !line.trim_start().starts_with('#') {
            break;
        }
        whole_start = above;
    }
    let before = text.get(..start).unwrap_or_default();
    Ok(FoundRule {
        rule: read(table),
        line: before.matches('\n').count() + 1,
        whole: whole_start..body.end,
        body,
    })
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |found| found + 1)
}

fn read(table: &DeTable<'_>) -> RuleText {
    let texts = |key: &str| {
        let value = table.get(key)?.get_ref();
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        Some(match value.as_array() {
            Some(values) => values.iter().filter_map(|of| text(of.get_ref())).collect(),
            None => text(value).into_iter().collect(),
        })
    };
    let of = |key: &str| table.get(key).map(Spanned::get_ref);
    RuleText {
        comment: of("comment").and_then(|value| value.as_str().map(str::to_owned)),
        allow: texts("allow"),
        deny: texts("deny"),
        topics: texts("topics").unwrap_or_default(),
        users: texts("users"),
        groups: texts("groups"),
        clients: texts("clients"),
        addresses: texts("addresses"),
        anonymous: of("anonymous").and_then(DeValue::as_bool),
    }
}

/// A text with one more rule: as number `number`, counted from 1, or as the last.
///
/// # Errors
/// There is no such place, or the rules cannot be told apart.
pub fn with_rule(text: &str, number: Option<usize>, rule: &RuleText) -> Result<String, CannotEdit> {
    let known = rules(text)?;
    let number = number.unwrap_or(known.len() + 1);
    let mut result = String::with_capacity(text.len() + 256);
    match (known.get(number.wrapping_sub(1)), number == known.len() + 1) {
        (Some(next), _) => {
            result.push_str(text.get(..next.whole.start).unwrap_or_default());
            result.push_str(&written(rule));
            result.push('\n');
            result.push_str(text.get(next.whole.start..).unwrap_or_default());
        }
        (None, true) => {
            result.push_str(text);
            if !text.is_empty() {
                result.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
            }
            result.push_str(&written(rule));
        }
        (None, false) => return Err(CannotEdit::Missing),
    }
    Ok(result)
}

/// A text in which a rule says something else. The comments above it stay.
///
/// # Errors
/// There is no such rule, or the rules cannot be told apart.
pub fn with_other_rule(text: &str, number: usize, rule: &RuleText) -> Result<String, CannotEdit> {
    let known = rules(text)?;
    let old = known
        .get(number.wrapping_sub(1))
        .ok_or(CannotEdit::Missing)?;
    let before = text.get(..old.body.start).unwrap_or_default();
    let behind = text.get(old.body.end..).unwrap_or_default();
    Ok(format!("{before}{}{behind}", written(rule)))
}

/// A text without a rule and the comments right above it.
///
/// # Errors
/// There is no such rule, or the rules cannot be told apart.
pub fn without_rule(text: &str, number: usize) -> Result<String, CannotEdit> {
    let known = rules(text)?;
    let old = known
        .get(number.wrapping_sub(1))
        .ok_or(CannotEdit::Missing)?;
    let before = text.get(..old.whole.start).unwrap_or_default();
    let behind = text.get(old.whole.end..).unwrap_or_default();
    // One empty line between its neighbours is enough.
    let is_apart = before.is_empty() || before.ends_with("\n\n");
    let behind = match behind.strip_prefix('\n') {
        Some(rest) if is_apart => rest,
        _ => behind,
    };
    Ok(format!("{before}{behind}"))
}

fn written(rule: &RuleText) -> String {
    let mut text = "[[rule]]\n".to_owned();
    if let Some(comment) = &rule.comment {
        let _ = writeln!(text, "comment = {}", quoted(comment));
    }
    let lists = [
        ("allow", rule.allow.as_ref()),
        ("deny", rule.deny.as_ref()),
        ("topics", Some(&rule.topics)),
        ("users", rule.users.as_ref()),
        ("groups", rule.groups.as_ref()),
        ("clients", rule.clients.as_ref()),
        ("addresses", rule.addresses.as_ref()),
    ];
    for (key, values) in lists {
        if let Some(values) = values {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            let _ = writeln!(text, "{key} = [{}]", values.join(", "));
        }
    }
    if let Some(anonymous) = rule.anonymous {
        let _ = writeln!(text, "anonymous = {anonymous}");
    }
    text
}

/// A text as TOML writes it in one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Who may do what.

# The staff.
# All of it.
[[rule]]
allow = \"all\" # everything
topics = [
  \"home/#\", # with [[rule]] in it
]
users = [\"ann\"]

[[rule]]
deny = [\"publish\"]
topics = [\"own/%u\"]
anonymous = true
# the end
";

    fn rule(topic: &str) -> RuleText {
        RuleText {
            allow: Some(vec!["publish".to_owned()]),
            topics: vec![topic.to_owned()],
            ..RuleText::default()
        }
    }

    #[test]
    fn rules_are_found_with_what_they_say() {
        let found = rules(TEXT).unwrap();
        let lines: Vec<_> = found.iter().map(|rule| rule.line).collect();
        assert_eq!(lines, [5, 12]);
        assert_eq!(found[0].rule.allow, Some(vec!["all".to_owned()]));
        assert_eq!(found[0].rule.users, Some(vec!["ann".to_owned()]));
        assert_eq!(found[1].rule.anonymous, Some(true));
        assert_eq!(rules("").unwrap(), []);
        assert_eq!(rules("[[rule]"), Err(CannotEdit::Syntax));
        assert_eq!(rules("rule = [{allow = \"all\"}]"), Err(CannotEdit::Inline));
    }

    #[test]
    fn what_is_changed_is_the_rule_alone() {
        let first = with_rule(TEXT, Some(1), &rule("a")).unwrap();
        let expected = "# Who may do what.\n\n[[rule]]\nallow = [\"publish\"]\ntopics = [\"a\"]\n\n# The staff.\n";
        assert!(first.starts_with(expected), "{first}");
        assert_eq!(without_rule(&first, 1).unwrap(), TEXT);
        let last = with_rule(TEXT, None, &rule("a")).unwrap();
        assert_eq!(
            last,
            format!("{TEXT}\n[[rule]]\nallow = [\"publish\"]\ntopics = [\"a\"]\n")
        );
        assert_eq!(rules(&last).unwrap()[2].rule, rule("a"));
        let other = with_other_rule(TEXT, 1, &rule("b")).unwrap();
        let expected =
            "# All of it.\n[[rule]]\nallow = [\"publish\"]\ntopics = [\"b\"]\n\n[[rule]]\ndeny";
        assert!(other.contains(expected), "{other}");
        assert!(other.ends_with("anonymous = true\n# the end\n"), "{other}");
        let without = without_rule(TEXT, 1).unwrap();
        assert!(
            without.starts_with("# Who may do what.\n\n[[rule]]\ndeny"),
            "{without}"
        );
        let without = without_rule(&without, 1).unwrap();
        assert_eq!(without, "# Who may do what.\n\n# the end\n");
        for number in [0, 3, usize::MAX] {
            assert_eq!(without_rule(TEXT, number), Err(CannotEdit::Missing));
            assert_eq!(
                with_other_rule(TEXT, number, &rule("a")),
                Err(CannotEdit::Missing)
            );
        }
        assert_eq!(
            with_rule(TEXT, Some(4), &rule("a")),
            Err(CannotEdit::Missing)
        );
    }

    #[test]
    fn whatever_a_rule_says_is_read_as_it_was_written() {
        let said = RuleText {
            comment: Some("a \"b\" \\ \u{1} \u{7f} 温\n\t]]".to_owned()),
            deny: Some(vec!["all".to_owned()]),
            topics: vec!["a b/%u".to_owned(), "\"/#".to_owned()],
            clients: Some(vec!["esp-*".to_owned()]),
            addresses: Some(vec!["10.0.0.0/8".to_owned()]),
            groups: Some(Vec::new()),
            anonymous: Some(false),
            ..RuleText::default()
        };
        for start in ["", "# x", TEXT] {
            let text = with_rule(start, None, &said).unwrap();
            assert_eq!(rules(&text).unwrap().pop().unwrap().rule, said);
        }
    }
}
