//! `columba acl`: the access rules in force and how often each has decided.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::admin_client::{AdminArgs, AdminClient};
use crate::clients::{Output, ago};
use crate::failure::{Failure, end, print, say};
use crate::language::spoken;
use crate::table::{Column, Table};
use crate::words::shown;

/// List the access rules, and how often each has decided
///
/// What counts are messages that clients published, their subscriptions, and copies of messages where a
/// rule denies any. A rule that never decides is not needed, or stands behind one that is wider.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba acl                    # which rule bites?\n\
\x20 columba acl --unused           # which never did?")]
pub struct AclArgs {
    /// Only rules that have decided nothing
    #[arg(long)]
    unused: bool,
    /// How rows are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba acl`.
pub fn run(args: &AclArgs) -> ExitCode {
    end(acl(args))
}

const ACTIONS: [&str; 3] = ["publish", "subscribe", "receive"];

const COLUMNS: [Column; 6] = [
    Column::text(shown::rule, "place"),
    Column::text(shown::says, "says"),
    Column::new(shown::publish, "publish"),
    Column::new(shown::subscribe, "subscribe"),
    Column::new(shown::receive, "receive"),
    Column::new(shown::last, "last_unix_ms").dispensable(1),
];

fn acl(args: &AclArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    let answer = client.get("/acl")?;
    let mut rows = Vec::new();
    for hits in list(&answer, "hits") {
        let mut row = hits.clone();
        if let Some(fields) = row.as_object_mut() {
            let place = hits.get("place").and_then(Value::as_str);
            let says = place.map_or_else(String::new, |place| says(&answer, place));
            fields.insert("says".to_owned(), json!(says));
        }
        rows.push(row);
    }
    if args.unused {
        rows.retain(|row| ACTIONS.iter().all(|action| times(row, action) == 0));
    }
    if args.output == Output::Jsonl {
        for row in &rows {
            print(&format!("{row}\n"));
        }
    } else {
        let mut table = Table::new(&COLUMNS);
        for row in &rows {
            let text = |key| row.get(key).and_then(Value::as_str).unwrap_or_default();
            table.row(cells(text("place"), text("says"), row));
        }
        if !args.unused
            && let Some(by_default) = answer.get("by_default")
        {
            table.row(cells(
                &shown::no_rule().to_string(spoken()),
                &says_default(by_default),
                by_default,
            ));
        }
        table.end();
    }
    if answer.get("is_in_force") == Some(&Value::Bool(false)) {
        let file = answer.get("file").and_then(Value::as_str).unwrap_or("?");
        say(&format!(
            "{file} says something else by now: it is not read again yet, or has errors, which `columba \
             check DIR` shows\n"
        ));
    }
    Ok(())
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    let found = answer.get(key).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

fn times(row: &Value, action: &str) -> u64 {
    let found = row.get(action).and_then(|hits| hits.get("times"));
    found.and_then(Value::as_u64).unwrap_or_default()
}

fn cells(place: &str, says: &str, row: &Value) -> Vec<String> {
    let last = |action: &&str| row.get(*action)?.get("last_unix_ms")?.as_u64();
    let last = ACTIONS.iter().filter_map(last).max();
    let mut cells = vec![place.to_owned(), says.to_owned()];
    cells.extend(ACTIONS.map(|action| times(row, action).to_string()));
    cells.push(last.map_or_else(|| "-".to_owned(), ago));
    cells
}

/// What stands in the file at a place such as `etc/acl.toml:12`, in one line.
fn says(answer: &Value, place: &str) -> String {
    if answer.get("is_in_force") != Some(&Value::Bool(true)) {
        return "-".to_owned();
    }
    let at_place = |row: &&Value| row.get("place").and_then(Value::as_str) == Some(place);
    if let Some(found) = list(answer, "rules").iter().find(at_place) {
        return found.get("rule").map_or_else(String::new, rule_in_words);
    }
    let line = place
        .rsplit_once(':')
        .and_then(|(_, line)| line.parse().ok());
    let text = answer.get("text").and_then(Value::as_str);
    let found = text.zip(line).and_then(|(text, line): (_, usize)| {
        let line = text.lines().nth(line.checked_sub(1)?)?;
        Some(line.trim().to_owned())
    });
    found.unwrap_or_else(|| "-".to_owned())
}

/// A rule of `acl.toml`: `deny publish secret/# users=ann`.
fn rule_in_words(rule: &Value) -> String {
    let texts = |key: &str| {
        let texts = list(rule, key).iter().filter_map(Value::as_str);
        texts.collect::<Vec<_>>().join(",")
    };
    let mut words = Vec::new();
    for key in ["allow", "deny"] {
        if rule.get(key).is_some() {
            words.push(format!("{key} {}", texts(key)));
        }
    }
    words.push(texts("topics"));
    for key in ["users", "groups", "clients", "addresses"] {
        if rule.get(key).is_some() {
            words.push(format!("{key}={}", texts(key)));
        }
    }
    if let Some(anonymous) = rule.get("anonymous") {
        words.push(format!("anonymous={anonymous}"));
    }
    words.join(" ")
}

fn says_default(by_default: &Value) -> String {
    let of = |is_allowed: bool| {
        let is_it = |action: &&str| {
            by_default
                .get(*action)
                .and_then(|one| one.get("is_allowed"))
                == Some(&Value::Bool(is_allowed))
        };
        ACTIONS
            .into_iter()
            .filter(is_it)
            .collect::<Vec<_>>()
            .join(",")
    };
    let parts = [("allow", of(true)), ("deny", of(false))];
    let parts = parts.into_iter().filter(|(_, actions)| !actions.is_empty());
    let parts = parts.map(|(word, actions)| format!("{word} {actions}"));
    parts.collect::<Vec<_>>().join("; ")
}
