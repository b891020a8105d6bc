//! Mosquitto's `acl_file`, with Mosquitto's meaning.
//!
//! Lines before the first `user` are for clients that are not logged in, lines after `user NAME`
//! for that user, `pattern` lines for everybody. What a user's own lines do not decide, patterns
//! do; among each, `deny` goes before everything that grants. `read` is asked when a message is
//! delivered; subscribing is allowed unless it is denied as a whole.

use columba_broker::access::{Actions, Rule, TopicPattern, UserMatch, Who};

use crate::config::fault::{Fault, Place, closest};

/// Rules in the order in which they decide, and the faults.
pub(super) fn read(file: &str, text: &str) -> (Vec<Rule>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut rules: Vec<(u8, Rule)> = Vec::new();
    let mut users = UserMatch::Anonymous;
    for (at, source_line) in (1..).zip(text.lines()) {
        let line = source_line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || Place::of_columns(file, at, source_line, line);
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim_start();
        match word {
            "user" if rest.is_empty() => {
                faults.push(Fault::error(place(), "user without a name").fix("write user NAME"));
                // The lines that follow are for nobody.
                users = UserMatch::Named(Vec::new());
            }
            "user" => users = UserMatch::Named(vec![rest.into()]),
            "topic" | "pattern" => {
                let is_pattern = word == "pattern";
                let users = if is_pattern {
                    UserMatch::Everybody
                } else {
                    users.clone()
                };
                match read_rule(rest, is_pattern, users, format!("{file}:{at}")) {
                    Ok(rule) => {
                        rules.push((2 * u8::from(is_pattern) + u8::from(rule.is_allow), rule));
                    }
                    Err((what, fix)) => faults.push(Fault::error(place(), what).fix(fix)),
                }
            }
            other => {
                let fix = match closest(other, ["user", "topic", "pattern"]) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "a line starts with user, topic, pattern or #".to_owned(),
                };
                faults.push(Fault::error(place(), format!("unknown word `{other}`")).fix(fix));
            }
        }
    }
    rules.sort_by_key(|(order, _)| *order);
    (rules.into_iter().map(|(_, rule)| rule).collect(), faults)
}

fn read_rule(
    rest: &str,
    is_pattern: bool,
    users: UserMatch,
    place: String,
) -> Result<Rule, (String, String)> {
    let publish = Actions {
        publish: true,
        ..Actions::default()
    };
    let receive = Actions {
        receive: true,
        ..Actions::default()
    };
    let both = Actions {
        publish: true,
        receive: true,
        subscribe: false,
    };
    // The word before the topic is optional, and a topic may hold spaces.
    let (is_allow, actions, topic) = match rest.split_once([' ', '\t']) {
        Some(("read", topic)) => (true, receive, topic),
        Some(("write", topic)) => (true, publish, topic),
        Some(("readwrite", topic)) => (true, both, topic),
        Some(("deny", topic)) => (false, Actions::ALL, topic),
        Some((word, _)) => {
            let known = ["read", "write", "readwrite", "deny"];
            let fix = match closest(word, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("write one of {} before the topic", known.join(", ")),
            };
            return Err((format!("`{word}` is no kind of access"), fix));
        }
        None => (true, both, rest),
    };
    let topic = topic.trim_start();
    let parse = if is_pattern {
        TopicPattern::parse
    } else {
        TopicPattern::parse_plain
    };
    let pattern = parse(topic).map_err(|fault| {
        (
            format!("topic `{topic}`: {fault}"),
            "correct the topic filter".to_owned(),
        )
    })?;
    let who = Who {
        users,
        ..Who::default()
    };
    Ok(Rule {
        is_allow,
        actions,
        who,
        topics: vec![pattern],
        place,
    })
}
