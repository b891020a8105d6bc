//! Reads a table of TOML past its faults, so that all of them are told and not the first alone.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

/// What could be read of a text.
pub(super) struct Read<T> {
    /// The table, with what was put in the place of what is missing; `None` if too much is wrong.
    pub(super) table: Option<T>,
    /// What is wrong, where it stands.
    pub(super) faults: Vec<(Range<usize>, String)>,
    /// Where something stands in for what is missing or of the wrong type.
    pub(super) gaps: Vec<Range<usize>>,
}

/// Reads a text. A key that is not known is left out, and one that is missing or has a value of the wrong
/// type gets an empty text, or no elements if it is among `arrays`, until the rest is a table.
pub(super) fn read<T: DeserializeOwned>(text: &str, arrays: &[&str]) -> Read<T> {
    let (mut document, syntax) = DeTable::parse_recoverable(text);
    let mut found = Read {
        table: None,
        faults: syntax.iter().map(told).collect(),
        gaps: Vec::new(),
    };
    if !found.faults.is_empty() {
        // What a line means that is no TOML is a guess.
        return found;
    }
    while found.faults.len() < FAULTS_MAX {
        let error = match T::deserialize(Deserializer::from(document.clone())) {
            Ok(table) => {
                found.table = Some(table);
                return found;
            }
            Err(error) => error,
        };
        let (span, message) = told(&error);
        let mut repair = Repair::of(&message, &span, arrays);
        found.faults.push((span.clone(), message));
        if !matches!(repair, Repair::TakeOut) {
            found.gaps.push(span.clone());
        }
        if document.span() == span
            && let Repair::Add(key, value) = repair
        {
            add(document.get_mut(), key, value);
        } else if !in_tables(document.get_mut(), &span, &mut repair) {
            return found;
        }
    }
    found
}

/// How to go on past a fault.
enum Repair<'i> {
    /// A key that is missing gets a value.
    Add(String, Spanned<DeValue<'i>>),
    /// A value of another type gets one of the right type.
    Replace(Spanned<DeValue<'i>>),
    /// A key that is not known, or a value that may be missing, goes.
    TakeOut,
}

impl Repair<'_> {
    fn of(message: &str, span: &Range<usize>, arrays: &[&str]) -> Self {
        let text = DeValue::String(Cow::Borrowed(""));
        let array = DeValue::Array(DeArray::new());
        if let Some(key) = message.strip_prefix("missing field `") {
            let key = key.trim_end_matches('`');
            let value = if arrays.contains(&key) { array } else { text };
            return Self::Add(key.to_owned(), Spanned::new(span.clone(), value));
        }
        match message.rsplit_once(", expected ") {
            Some((_, "a string")) => Self::Replace(Spanned::new(span.clone(), text)),
            Some((_, "a sequence")) => Self::Replace(Spanned::new(span.clone(), array)),
            Some(_) | None => Self::TakeOut,
        }
    }
}

fn told(error: &Error) -> (Range<usize>, String) {
    (error.span().unwrap_or_default(), error.message().to_owned())
}

fn add<'i>(table: &mut DeTable<'i>, key: String, value: Spanned<DeValue<'i>>) {
    table.insert(Spanned::new(value.span(), Cow::Owned(key)), value);
}

/// Repairs what stands there.
fn in_tables<'i>(table: &mut DeTable<'i>, span: &Range<usize>, repair: &mut Repair<'i>) -> bool {
    let mut wrong = None;
    for (key, value) in table.iter_mut() {
        if key.span() == *span || value.span() == *span {
            if !mend(value, repair) {
                wrong = Some(key.clone());
                break;
            }
            return true;
        }
        if in_value(value.get_mut(), span, repair) {
            return true;
        }
    }
    wrong.is_some_and(|key| table.remove(&key).is_some())
}

/// Repairs a value that stands there, if it need not go.
fn mend<'i>(value: &mut Spanned<DeValue<'i>>, repair: &mut Repair<'i>) -> bool {
    match (std::mem::replace(repair, Repair::TakeOut), value.get_mut()) {
        (Repair::Add(key, added), DeValue::Table(table)) => add(table, key, added),
        (Repair::Replace(other), _) => *value = other,
        (Repair::Add(..) | Repair::TakeOut, _) => return false,
    }
    true
}

fn in_value<'i>(value: &mut DeValue<'i>, span: &Range<usize>, repair: &mut Repair<'i>) -> bool {
    match value {
        DeValue::Table(inner) => in_tables(inner, span, repair),
        DeValue::Array(elements) => {
            let at = elements.iter().position(|of| of.span() == *span);
            let Some(at) = at else {
                return elements
                    .iter_mut()
                    .any(|of| in_value(of.get_mut(), span, repair));
            };
            if !elements.get_mut(at).is_some_and(|of| mend(of, repair)) {
                take_out(elements, at);
            }
            true
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    }
}

fn take_out(elements: &mut DeArray<'_>, at: usize) {
    let mut rest = DeArray::new();
    for (index, element) in elements.iter().enumerate() {
        if index != at {
            rest.push(element.clone());
        }
    }
    *elements = rest;
}

/// Nobody reads more.
const FAULTS_MAX: usize = 100;
