//! What a key of `columba.toml` is: its name, what its value looks like, and what it does.

use columba_codec::topic::TopicFilter;

use super::quantity::{parse_duration_ms, parse_size_bytes, show_duration_ms, show_size_bytes};
use crate::access_file::edit::quoted;

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A list of texts without commas; its value is one text with commas between them.
    Texts,
    /// The same of topic filters, up to 64.
    TopicFilters,
    /// A file or directory, relative to the instance directory.
    Path,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Integer {
        /// Lowest.
        min: u64,
        /// Highest.
        max: u64,
    },
    /// A whole number within bounds, or a word.
    IntegerOr {
        /// Lowest.
        min: u64,
        /// Highest.
        max: u64,
        /// The word.
        word: &'static str,
    },
    /// A duration with a unit, within bounds, or a word.
    Duration {
        /// Shortest, in milliseconds.
        min_ms: u64,
        /// Longest, in milliseconds.
        max_ms: u64,
        /// What the value must be a multiple of, in milliseconds.
        step_ms: u64,
        /// The word, if there is one.
        word: Option<&'static str>,
    },
    /// A size with a unit, within bounds.
    Size {
        /// Least, in bytes.
        min: u64,
        /// Most, in bytes.
        max: u64,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, path or word of a choice.
    Text(String),
    /// A switch.
    Bool(bool),
    /// A number, milliseconds or bytes.
    Number(u64),
    /// The word in place of a number.
    Word,
}

/// When a change of a key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// When the file is read again.
    AtOnce,
    /// When the broker is started again.
    AfterRestart,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The value if it is not set, as one writes it without quotes; `None` if there is none.
    pub default: Option<&'static str>,
    /// When a change takes effect.
    pub applies: Applies,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// A table of the file, or a list of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Whether it is a list of tables, `[[name]]`.
    pub is_list: bool,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

impl Section {
    /// The key with a name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// How it is written: `[limits]`, `[[listener]]`.
    pub fn header(&self) -> String {
        if self.is_list {
            format!("[[{}]]", self.name)
        } else {
            format!("[{}]", self.name)
        }
    }
}

/// A value that is not right, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFault {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl Kind {
    /// Whether the value stands in quotes in the file.
    pub fn is_quoted(self) -> bool {
        match self {
            Self::Text
            | Self::Texts
            | Self::TopicFilters
            | Self::Path
            | Self::Duration { .. }
            | Self::Size { .. }
            | Self::Choice(_) => true,
            Self::Bool | Self::Integer { .. } | Self::IntegerOr { .. } => false,
        }
    }

    /// What is expected, in words.
    pub fn expected(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Texts => "a list of texts in quotes".to_owned(),
            Self::TopicFilters => "a list of topic filters in quotes".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a number from {min} to {max}"),
            Self::IntegerOr { min, max, word } => {
                format!("a number from {min} to {max}, or \"{word}\"")
            }
            Self::Duration {
                min_ms,
                max_ms,
                word,
                ..
            } => {
                let (min, max) = (show_duration_ms(min_ms), show_duration_ms(max_ms));
                let or = word.map_or_else(String::new, |word| format!(", or \"{word}\""));
                format!("a duration from \"{min}\" to \"{max}\"{or}")
            }
            Self::Size { min, max } => {
                format!(
                    "a size from \"{}\" to \"{}\"",
                    show_size_bytes(min),
                    show_size_bytes(max)
                )
            }
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        format!("{} or {last}", rest.join(", "))
                    }
                    Some(_) | None => words.join(""),
                }
            }
        }
    }

    /// Reads a value from its text, without quotes.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn parse(self, text: &str) -> Result<Value, ValueFault> {
        let expected = |what: String| ValueFault {
            what,
            fix: format!("write {}", self.expected()),
        };
        let out_of_range = || expected(format!("`{text}` is out of range"));
        match self {
            Self::Text | Self::Path if text.is_empty() => Err(expected("empty text".to_owned())),
            Self::Text | Self::Path => Ok(Value::Text(text.to_owned())),
            Self::Texts | Self::TopicFilters => {
                let texts: Vec<_> = split(text).collect();
                if texts.is_empty() {
                    return Err(expected("empty list".to_owned()));
                }
                if self == Self::TopicFilters {
                    check_filters(&texts)?;
                }
                Ok(Value::Text(texts.join(", ")))
            }
            Self::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(expected(format!("`{text}` is neither true nor false"))),
            },
            Self::IntegerOr { word, .. } if text == word => Ok(Value::Word),
            Self::Duration {
                word: Some(word), ..
            } if text == word => Ok(Value::Word),
            Self::Integer { min, max } | Self::IntegerOr { min, max, .. } => {
                let digits = text.replace('_', "");
                let number: u64 = digits.parse().map_err(|_| {
                    match digits.bytes().all(|b| b.is_ascii_digit()) {
                        true if !digits.is_empty() => out_of_range(),
                        _ => expected(format!("`{text}` is not a whole number")),
                    }
                })?;
                let is_inside = (min..=max).contains(&number);
                if is_inside {
                    Ok(Value::Number(number))
                } else {
                    Err(out_of_range())
                }
            }
            Self::Duration {
                min_ms,
                max_ms,
                step_ms,
                ..
            } => {
                let ms = parse_duration_ms(text).map_err(|fix| ValueFault {
                    what: format!("`{text}` is no duration"),
                    fix,
                })?;
                if !(min_ms..=max_ms).contains(&ms) {
                    return Err(out_of_range());
                }
                if !ms.is_multiple_of(step_ms) {
                    let step = show_duration_ms(step_ms);
                    return Err(expected(format!("`{text}` is no multiple of {step}")));
                }
                Ok(Value::Number(ms))
            }
            Self::Size { min, max } => {
                let bytes = parse_size_bytes(text).map_err(|fix| ValueFault {
                    what: format!("`{text}` is no size"),
                    fix,
                })?;
                let is_inside = (min..=max).contains(&bytes);
                if is_inside {
                    Ok(Value::Number(bytes))
                } else {
                    Err(out_of_range())
                }
            }
            Self::Choice(words) => match words.iter().find(|word| **word == text) {
                Some(word) => Ok(Value::Text((*word).to_owned())),
                None => Err(expected(format!("`{text}` is not a choice here"))),
            },
        }
    }

    /// A value as one writes it in the file.
    pub fn show(self, value: &Value) -> String {
        let text = match (self, value) {
            (_, Value::Bool(bool)) => return bool.to_string(),
            (Self::Texts | Self::TopicFilters, Value::Text(text)) => {
                let texts: Vec<_> = split(text).map(quoted).collect();
                return format!("[{}]", texts.join(", "));
            }
            (_, Value::Text(text)) => text.clone(),
            (Self::Duration { .. }, Value::Number(ms)) => show_duration_ms(*ms),
            (Self::Size { .. }, Value::Number(bytes)) => show_size_bytes(*bytes),
            (_, Value::Number(number)) => return number.to_string(),
            (
                Self::Duration {
                    word: Some(word), ..
                }
                | Self::IntegerOr { word, .. },
                _,
            ) => word.to_owned(),
            (_, Value::Word) => String::new(),
        };
        quoted(&text)
    }
}

/// Topic filters that a list has at most: each may be compared with each message.
const FILTERS_MAX: usize = 64;

fn check_filters(filters: &[&str]) -> Result<(), ValueFault> {
    if filters.len() > FILTERS_MAX {
        return Err(ValueFault {
            what: format!("{} topic filters", filters.len()),
            fix: format!("write {FILTERS_MAX} or fewer; `+` and `#` stand for many topics"),
        });
    }
    for filter in filters {
        match TopicFilter::parse(filter) {
            Err(fault) => {
                return Err(ValueFault {
                    what: format!("`{filter}` is no topic filter: {fault}"),
                    fix: "write one such as \"patients/+/#\"".to_owned(),
                });
            }
            Ok(parsed) if parsed.share().is_some() => {
                return Err(ValueFault {
                    what: format!("`{filter}` names a shared group"),
                    fix: format!("write \"{}\"", parsed.filter()),
                });
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The texts of a [`Kind::Texts`] or a [`Kind::TopicFilters`].
pub(super) fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let check = |kind: Kind, text: &str, expected: Result<Value, &str>| {
            let value = kind.parse(text);
            assert_eq!(
                value.as_ref().map_err(|fault| fault.what.as_str()),
                expected.as_ref().map_err(|text| *text)
            );
        };
        let shards = Kind::IntegerOr {
            min: 1,
            max: 8,
            word: "auto",
        };
        check(shards, "auto", Ok(Value::Word));
        check(shards, "8", Ok(Value::Number(8)));
        check(shards, "9", Err("`9` is out of range"));
        check(shards, "many", Err("`many` is not a whole number"));
        check(
            shards,
            "99999999999999999999",
            Err("`99999999999999999999` is out of range"),
        );
        let whole = Kind::Duration {
            min_ms: 1000,
            max_ms: 5000,
            step_ms: 1000,
            word: None,
        };
        check(whole, "1500ms", Err("`1500ms` is no multiple of 1s"));
        check(whole, "6s", Err("`6s` is out of range"));
        let filters = "a/+, b/#".to_owned();
        check(Kind::TopicFilters, "a/+,b/#", Ok(Value::Text(filters)));
        check(
            Kind::TopicFilters,
            "a, b/#/c",
            Err("`b/#/c` is no topic filter: # stands alone in the last level of a topic filter"),
        );
        check(
            Kind::TopicFilters,
            "$share/g/a",
            Err("`$share/g/a` names a shared group"),
        );
        check(
            Kind::TopicFilters,
            &["a"; FILTERS_MAX + 1].join(","),
            Err("65 topic filters"),
        );
        check(Kind::Bool, "yes", Err("`yes` is neither true nor false"));
        check(
            Kind::Choice(&["a", "b"]),
            "c",
            Err("`c` is not a choice here"),
        );
        assert_eq!(
            Kind::Choice(&["a", "b", "c"]).expected(),
            "\"a\", \"b\" or \"c\""
        );
    }
}
