//! What the value of an option or argument may be: fixed words, names of this machine, and what a
//! running broker knows.

use std::path::PathBuf;
use std::time::Duration;

use clap::Arg;
use columba_diagnosis::Code;
use serde_json::Value;

use super::line::Place;
use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::context;
use crate::simulate;

/// Who presses the key waits no longer than this for a broker.
const PATIENCE: Duration = Duration::from_millis(700);
/// More are of no use to anybody.
const ROWS_MAX: usize = 200;

/// What may be written, and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) words: Vec<(String, String)>,
    /// Files of this machine as well; the shell knows them better.
    pub(super) has_files: bool,
}

impl Values {
    fn words<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Self {
        let words = words.into_iter().map(|word| (word.into(), String::new()));
        Self {
            words: words.collect(),
            has_files: false,
        }
    }

    fn files() -> Self {
        Self {
            words: Vec::new(),
            has_files: true,
        }
    }
}

/// What the value at a place may be.
pub(super) fn of(place: &Place<'_>, arg: &Arg) -> Values {
    let fixed = arg.get_possible_values();
    if !fixed.is_empty() {
        let shown = fixed.iter().filter(|value| !value.is_hide_set());
        let words = shown.map(|value| {
            let help = value.get_help().map(ToString::to_string);
            (value.get_name().to_owned(), help.unwrap_or_default())
        });
        return Values {
            words: words.collect(),
            has_files: false,
        };
    }
    let id = arg.get_id().as_str();
    let name = arg.get_value_names().and_then(|names| names.first());
    let name = name.map_or("", |name| name.as_str());
    match (id, name) {
        ("context", _) => Values::words(context::known_names()),
        (_, "NAME")
            if place.path.first() == Some(&"context") && place.path != ["context", "add"] =>
        {
            Values::words(context::known_names())
        }
        (_, "CLIENT") => Values::words(clients(place)),
        (_, "TOPIC" | "FILTER") => Values::words(topics(place)),
        (_, "CODE") => Values::words(Code::ALL.iter().map(|code| code.name())),
        (_, "LANG") => Values::words(["en", "zh"]),
        ("qos" | "will_qos", _) => Values::words(["0", "1", "2"]),
        ("scenario" | "named", _) => Values {
            has_files: true,
            ..Values::words(simulate::names())
        },
        ("show", _) if place.path == ["simulate"] => Values::words(simulate::names()),
        (_, "FILE" | "PATH" | "DIR" | "DIRECTORY" | "TARGET" | "STORE") => Values::files(),
        _ => Values::default(),
    }
}

/// Client ids, connected or not, that begin as is written.
fn clients(place: &Place<'_>) -> Vec<String> {
    let path = format!(
        "/sessions?limit={ROWS_MAX}&client={}",
        encoded(&place.written)
    );
    texts(ask(place, &path), "id")
}

/// Topics, level by level: those that go on end with a slash.
fn topics(place: &Place<'_>) -> Vec<String> {
    let path = match place.written.rfind('/') {
        Some(end) => {
            let above = place.written.get(..end).unwrap_or_default();
            format!("/topics/tree?limit={ROWS_MAX}&prefix={}", encoded(above))
        }
        None => format!("/topics/tree?limit={ROWS_MAX}"),
    };
    let answer = ask(place, &path);
    let nodes = answer.as_ref().and_then(|answer| answer.get("data"));
    let mut topics = Vec::new();
    for node in nodes.and_then(Value::as_array).into_iter().flatten() {
        let Some(topic) = node.get("topic").and_then(Value::as_str) else {
            continue;
        };
        let is = |key| node.get(key) == Some(&Value::Bool(true));
        if is("has_children") {
            topics.push(format!("{topic}/"));
        }
        if !is("has_children") || is("is_topic") {
            topics.push(topic.to_owned());
        }
    }
    topics
}

fn texts(answer: Option<Value>, key: &str) -> Vec<String> {
    let rows = answer.as_ref().and_then(|answer| answer.get("data"));
    let rows = rows.and_then(Value::as_array).into_iter().flatten();
    let texts = rows.filter_map(|row| row.get(key).and_then(Value::as_str));
    texts.map(str::to_owned).collect()
}

/// What the broker of the command line says, over its socket; nothing if there is none.
fn ask(place: &Place<'_>, path: &str) -> Option<Value> {
    let given = |id: &str| {
        let mut given = place.given.iter().rev();
        given
            .find(|(of, _)| *of == id)
            .map(|(_, value)| value.clone())
    };
    let args = AdminArgs {
        dir: given("dir").map(PathBuf::from),
        context: given("context"),
        ..AdminArgs::default()
    };
    // Another machine is not asked with every key that is pressed.
    if given("url").is_some() || given("api").is_some() {
        return None;
    }
    let client = AdminClient::of_socket(&args, PATIENCE)?;
    client.get(path).ok()
}
