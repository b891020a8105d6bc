//! Changes of single keys in the text of a `columba.toml`: everything else in it stays as it is.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{Applies, Key, Kind, Section, Value, ValueFault};
use super::sections::SECTIONS;
use super::settings::{Settings, listener_name, read_value};
use crate::access_file::edit::quoted;

/// Why a key cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no such key, or no such listener.
    #[error("there is no such key")]
    Unknown,
    /// A change would count only after a restart.
    #[error(
        "a change of this key counts only after a restart: change the file, then restart the broker"
    )]
    AfterRestart,
    /// The value is not right.
    #[error("{}: {}", .0.what, .0.fix)]
    Value(ValueFault),
    /// The file does not set it.
    #[error("the file does not set this key")]
    NotSet,
    /// It is written in a way that cannot be changed from here.
    #[error("the file is written in a way that cannot be changed here: change it by hand")]
    ByHand,
}

/// Where a key of a path such as `limits.sessions_max` or `listener.mqtt.anonymous` belongs.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    section: &'static Section,
    /// Of a list, the name of the table.
    table: Option<&'a str>,
    key: &'static Key,
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let (first, rest) = path.split_once('.')?;
        let section = SECTIONS.iter().find(|section| section.name == first)?;
        let (table, key) = match section.is_list {
            true => rest
                .rsplit_once('.')
                .map(|(table, key)| (Some(table), key))?,
            false => (None, rest),
        };
        let key = section.key(key)?;
        Some(Self {
            section,
            table,
            key,
        })
    }
}

/// The text in which a key has another value, or with `None` none. `value` is written as in the file, or
/// without its quotes.
///
/// # Errors
/// Why it cannot be changed.
pub fn with_value(text: &str, path: &str, value: Option<&str>) -> Result<String, KeyFault> {
    let target = Target::of(path).ok_or(KeyFault::Unknown)?;
    if target.key.applies != Applies::AtOnce {
        return Err(KeyFault::AfterRestart);
    }
    let written = value.map(|value| written(target.key, value)).transpose()?;
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        return Err(KeyFault::ByHand);
    }
    let (old, _) = Settings::read("", text, []);
    let found = find(text, document.get_ref(), &old, target)?;
    let new = match (&found.entry, found.header_end, written) {
        (Some(entry), _, Some(written)) => replaced(text, entry.value.clone(), &written),
        (Some(entry), _, None) => replaced(text, entry.lines.clone().ok_or(KeyFault::ByHand)?, ""),
        (None, _, None) => return Err(KeyFault::NotSet),
        (None, Some(at), Some(written)) => {
            let gap = match text.get(..at).is_some_and(|before| before.ends_with('\n')) {
                true => "",
                false => "\n",
            };
            let line = format!("{gap}{} = {written}\n", target.key.name);
            replaced(text, at..at, &line)
        }
        (None, None, Some(written)) => {
            let gap = match (text.is_empty(), text.ends_with('\n')) {
                (true, _) => "",
                (false, true) => "\n",
                (false, false) => "\n\n",
            };
            let header = target.section.header();
            format!("{text}{gap}{header}\n{} = {written}\n", target.key.name)
        }
    };
    // Whatever the file looks like: this key has changed and no other.
    let (now, _) = Settings::read("", &new, []);
    let differences = old.differences(&now);
    match differences.iter().all(|difference| difference.key == path) {
        true => Ok(new),
        false => Err(KeyFault::ByHand),
    }
}

/// Where a key stands, or would.
struct Found {
    entry: Option<Entry>,
    /// Behind the header of its table, if that has one.
    header_end: Option<usize>,
}

struct Entry {
    value: Range<usize>,
    /// All its lines, if nothing else stands in them.
    lines: Option<Range<usize>>,
}

fn find(
    text: &str,
    document: &DeTable<'_>,
    settings: &Settings,
    target: Target<'_>,
) -> Result<Found, KeyFault> {
    let section = document
        .iter()
        .find(|(name, _)| *name.get_ref() == target.section.name);
    let (header, table) = match (target.table, section) {
        (None, None) => {
            return Ok(Found {
                entry: None,
                header_end: None,
            });
        }
        (None, Some((name, value))) => (name.span().start, value),
        (Some(wanted), section) => {
            let mut tables = settings.listeners().iter().enumerate();
            let at = tables.position(|(at, table)| listener_name(table, at) == wanted);
            let at = at.ok_or(KeyFault::Unknown)?;
            let tables = section.and_then(|(_, value)| value.get_ref().as_array());
            let value: &Spanned<DeValue<'_>> = tables
                .and_then(|tables| tables.get(at))
                .ok_or(KeyFault::Unknown)?;
            (value.span().start, value)
        }
    };
    let DeValue::Table(table) = table.get_ref() else {
        return Err(KeyFault::ByHand);
    };
    let entry = table
        .iter()
        .find(|(name, _)| *name.get_ref() == target.key.name);
    let entry = entry.map(|(name, value)| Entry {
        value: value.span(),
        lines: lines_of(text, name.span().start..value.span().end),
    });
    let header = line_of(text, header);
    let is_header = text
        .get(header.clone())
        .is_some_and(|line| line.trim_start().starts_with('['));
    if entry.is_none() && !is_header {
        return Err(KeyFault::ByHand);
    }
    Ok(Found {
        entry,
        header_end: Some(header.end),
    })
}

/// The line that a byte stands in, with its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    let rest = text.get(at..).unwrap_or_default();
    start..rest.find('\n').map_or(text.len(), |found| at + found + 1)
}

/// The lines that a range fills, but for space around it and a comment behind.
fn lines_of(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let (first, last) = (line_of(text, range.start), line_of(text, range.end));
    let before = text.get(first.start..range.start)?.trim();
    let behind = text.get(range.end..last.end)?.trim();
    (before.is_empty() && (behind.is_empty() || behind.starts_with('#')))
        .then_some(first.start..last.end)
}

fn replaced(text: &str, range: Range<usize>, new: &str) -> String {
    let before = text.get(..range.start).unwrap_or_default();
    let behind = text.get(range.end..).unwrap_or_default();
    format!("{before}{new}{behind}")
}

/// A value as the file has it.
fn written(key: &Key, value: &str) -> Result<String, KeyFault> {
    let line = format!("value = {value}");
    let (document, faults) = DeTable::parse_recoverable(&line);
    let as_toml = document.get_ref().get("value").filter(|found| {
        // One value alone, to the end of the text: no comment is behind it.
        let is_alone = faults.is_empty() && document.get_ref().len() == 1;
        is_alone && found.span().end == line.trim_end().len()
    });
    let as_toml = as_toml.and_then(|value| read_value(key, value.get_ref()).ok());
    let value = match as_toml {
        Some(value) => value,
        None => key.kind.parse(value).map_err(KeyFault::Value)?,
    };
    Ok(match (key.kind, &value) {
        (Kind::Text | Kind::Path | Kind::Choice(_), Value::Text(text)) => quoted(text),
        (kind, value) => kind.show(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# The broker.
[limits] # all of it
# Larger since May.
packet_bytes_max = \"1MiB\" # enough
queue_messages_max = 500

[[listener]]
name = \"inside\"
bind = \"127.0.0.1:1883\"

[[listener]]
bind = \"127.0.0.1:1884\"
anonymous = \"never\"
";

    fn check(path: &str, value: Option<&str>, from: &str, to: &str) {
        let new = with_value(TEXT, path, value).unwrap();
        assert_eq!(new, TEXT.replacen(from, to, 1), "{path}");
    }

    #[test]
    fn only_the_value_changes() {
        let path = "limits.packet_bytes_max";
        check(path, Some("2MiB"), "\"1MiB\"", "\"2MiB\"");
        check(path, Some("\"2MiB\""), "\"1MiB\"", "\"2MiB\"");
        check("limits.queue_messages_max", Some("1_000"), "500", "1000");
        check(path, None, "packet_bytes_max = \"1MiB\" # enough\n", "");
        let header = "[limits] # all of it\n";
        let added = format!("{header}queue_policy = \"drop_newest\"\n");
        check("limits.queue_policy", Some("drop_newest"), header, &added);
        check(
            "listener.inside.anonymous",
            Some("always"),
            "[[listener]]\n",
            "[[listener]]\nanonymous = \"always\"\n",
        );
        check(
            "listener.tcp-2.anonymous",
            Some("always"),
            "never",
            "always",
        );
    }

    #[test]
    fn a_value_as_it_is_shown_can_be_written_back() {
        let path = "limits.recorder_private_topics";
        for list in [
            r##"["patients/+/#", "home/#"]"##,
            r##"["a/#"]"##,
            r#"["say \"so\"/+", "back\\slash"]"#,
        ] {
            let text = format!("[limits]\nrecorder_private_topics = {list}\n");
            let (settings, _) = Settings::read("", &text, []);
            let shown = settings.effective().into_iter();
            let shown = shown
                .filter(|key| key.path == path)
                .find_map(|key| key.value);
            let shown = shown.expect("a value");
            let new = with_value("", path, Some(&shown));
            assert_eq!(new.as_deref(), Ok(&*text), "{shown}");
        }
        // Without brackets and quotes as well, and a comment is none of it.
        let new = with_value("[limits]\n", path, Some("a/#, b/+")).unwrap();
        assert_eq!(
            new,
            "[limits]\nrecorder_private_topics = [\"a/#\", \"b/+\"]\n"
        );
        let commented = with_value("", path, Some("[\"a/b\"] # all"));
        assert!(
            matches!(commented, Err(KeyFault::Value(_))),
            "{commented:?}"
        );
    }

    #[test]
    fn a_section_that_is_not_there_is_added() {
        for (before, gap) in [("", ""), ("[log]\n", "\n"), ("[log]", "\n\n")] {
            let new = with_value(before, "limits.queue_qos0", Some("true")).unwrap();
            assert_eq!(new, format!("{before}{gap}[limits]\nqueue_qos0 = true\n"));
        }
        // Right behind the last header.
        let new = with_value("[limits]", "limits.queue_qos0", Some("true")).unwrap();
        assert_eq!(new, "[limits]\nqueue_qos0 = true\n");
    }

    #[test]
    fn what_cannot_be_changed_is_told() {
        let fault = |text: &str, path: &str, value| with_value(text, path, value).unwrap_err();
        for path in [
            "",
            "limits",
            "limits.x",
            "planet.x",
            "listener.inside",
            "listener.x.anonymous",
        ] {
            let found = fault(TEXT, path, Some("never"));
            assert_eq!(found, KeyFault::Unknown, "{path}");
        }
        assert_eq!(
            fault(TEXT, "broker.shards", Some("1")),
            KeyFault::AfterRestart
        );
        assert_eq!(fault(TEXT, "limits.sessions_max", None), KeyFault::NotSet);
        let wrong = fault(TEXT, "limits.packet_bytes_max", Some("many"));
        assert!(matches!(wrong, KeyFault::Value(_)), "{wrong}");
        let inline = "limits = {packet_bytes_max = \"1MiB\"}\n";
        assert_eq!(
            fault(inline, "limits.packet_bytes_max", None),
            KeyFault::ByHand
        );
        assert_eq!(
            fault(inline, "limits.queue_messages_max", Some("5")),
            KeyFault::ByHand
        );
        assert_eq!(
            fault("[limits", "limits.queue_messages_max", Some("5")),
            KeyFault::ByHand
        );
        let new = with_value(inline, "limits.packet_bytes_max", Some("2MiB")).unwrap();
        assert_eq!(new, inline.replace("1MiB", "2MiB"));
        // A value brings nothing else along.
        let smuggled = fault(
            TEXT,
            "limits.queue_messages_max",
            Some("5\n[log]\nlevel = \"x\""),
        );
        assert!(matches!(smuggled, KeyFault::Value(_)), "{smuggled}");
    }
}
