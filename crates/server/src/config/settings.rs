//! The values of a configuration file and of the environment, checked against the table of keys,
//! with the place of each. All faults are found in one go.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place, closest};
use super::key::{Applies, Key, Kind, Section, Value, split};
use super::sections::{KNOWN_ELSEWHERE, SECTIONS};
use super::syntax;

/// Variables of the environment that start so and hold `__` are settings.
const VARIABLE_PREFIX: &str = "COLUMBA_";

/// One setting and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// The settings of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    section: &'static Section,
    /// Where it begins.
    place: Place,
    settings: BTreeMap<&'static str, Setting>,
}

impl Table {
    fn new(section: &'static Section, place: Place) -> Self {
        Self {
            section,
            place,
            settings: BTreeMap::new(),
        }
    }

    /// Where the table begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where a key is set, or else where the table begins.
    pub fn place_of(&self, key: &str) -> &Place {
        self.settings
            .get(key)
            .map_or(&self.place, |setting| &setting.place)
    }

    /// Whether a key is set here.
    pub fn is_set(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    /// The value of a key, set or by default.
    pub fn value(&self, key: &str) -> Option<Value> {
        if let Some(setting) = self.settings.get(key) {
            return Some(setting.value.clone());
        }
        let key = self.section.key(key)?;
        key.kind.parse(key.default?).ok()
    }

    /// The text of a key, if it has one.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Number(_) | Value::Word => None,
        }
    }

    /// The texts of a key that is a list, if it is set.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.text(key)?;
        Some(split(&list).map(str::to_owned).collect())
    }

    /// The number of a key, if it has one.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Number(number) => Some(number),
            Value::Bool(_) | Value::Text(_) | Value::Word => None,
        }
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.value(key) == Some(Value::Bool(true))
    }

    /// All keys with their values.
    fn effective(&self, prefix: &str) -> impl Iterator<Item = Effective> {
        self.section.keys.iter().map(move |key| {
            let default = key.default.and_then(|text| key.kind.parse(text).ok());
            let set = self.settings.get(key.name);
            Effective {
                path: format!("{prefix}.{}", key.name),
                value: self.value(key.name).map(|value| key.kind.show(&value)),
                default: default.map(|value| key.kind.show(&value)),
                place: set.map(|setting| setting.place.clone()),
                applies: key.applies,
                doc: key.doc,
            }
        })
    }

    fn shown(&self, key: &Key) -> String {
        self.value(key.name)
            .map_or_else(|| "not set".to_owned(), |value| key.kind.show(&value))
    }
}

/// A key that has another value than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `limits.packet_bytes_max`, `listener.mqtt.anonymous`.
    pub key: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
    /// When the change takes effect.
    pub applies: Applies,
}

/// A key with the value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// `limits.packet_bytes_max`, `listener.mqtt.anonymous`.
    pub path: String,
    /// The value, set or by default.
    pub value: Option<String>,
    /// The default.
    pub default: Option<String>,
    /// Where it is set.
    pub place: Option<Place>,
    /// When a change takes effect.
    pub applies: Applies,
    /// What it does.
    pub doc: &'static str,
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    single: BTreeMap<&'static str, Table>,
    listeners: Vec<Table>,
}

impl Settings {
    /// Reads a file's text and the variables of the environment.
    ///
    /// What is at fault is left out of the settings and told.
    pub fn read(
        file: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<Fault>) {
        let whole = Place::File(file.to_owned());
        let single = SECTIONS.iter().filter(|section| !section.is_list);
        let mut reader = Reader {
            file,
            text,
            faults: Vec::new(),
            settings: Self {
                single: single
                    .map(|s| (s.name, Table::new(s, whole.clone())))
                    .collect(),
                listeners: Vec::new(),
            },
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        let told = errors.iter().map(|error| syntax::fault(file, text, error));
        reader.faults.extend(told);
        reader.document(document.get_ref());
        if !errors.is_empty() {
            // The rest of a line that is no TOML says nothing.
            let broken: Vec<_> = reader
                .faults
                .iter()
                .take(errors.len())
                .map(|f| line_of(&f.place))
                .collect();
            let mut at = 0;
            reader.faults.retain(|fault| {
                at += 1;
                at <= errors.len() || !broken.contains(&line_of(&fault.place))
            });
        }
        let mut variables: Vec<_> = variables.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            reader.variable(name, value);
        }
        (reader.settings, reader.faults)
    }

    /// A section that is no list.
    pub fn section(&self, name: &str) -> Table {
        let found = self.single.get(name).cloned();
        found.unwrap_or_else(|| Table::new(&SECTIONS[0], Place::File(String::new())))
    }

    /// The listeners, in order.
    pub fn listeners(&self) -> &[Table] {
        &self.listeners
    }

    /// All keys with the values in force, in the order of the manual.
    pub fn effective(&self) -> Vec<Effective> {
        let mut keys = Vec::new();
        for section in SECTIONS.iter() {
            if !section.is_list {
                keys.extend(self.section(section.name).effective(section.name));
                continue;
            }
            for (at, table) in self.listeners.iter().enumerate() {
                let prefix = format!("{}.{}", section.name, listener_name(table, at));
                keys.extend(table.effective(&prefix));
            }
        }
        keys
    }

    /// What differs in newer settings, in the order of the manual.
    pub fn differences(&self, newer: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut compare = |prefix: &str, old: &Table, new: &Table| {
            for key in old.section.keys {
                let (from, to) = (old.shown(key), new.shown(key));
                if from != to {
                    let applies = key.applies;
                    let key = format!("{prefix}.{}", key.name);
                    differences.push(Difference {
                        key,
                        from,
                        to,
                        applies,
                    });
                }
            }
        };
        for section in SECTIONS.iter().filter(|section| !section.is_list) {
            compare(
                section.name,
                &self.section(section.name),
                &newer.section(section.name),
            );
        }
        for (at, (old, new)) in self.listeners.iter().zip(&newer.listeners).enumerate() {
            compare(&format!("listener.{}", listener_name(old, at)), old, new);
        }
        if self.listeners.len() != newer.listeners.len() {
            differences.push(Difference {
                key: "listener".to_owned(),
                from: format!("{} listeners", self.listeners.len()),
                to: newer.listeners.len().to_string(),
                applies: Applies::AfterRestart,
            });
        }
        differences
    }
}

/// The name of a listener, given or after its kind.
pub fn listener_name(table: &Table, at: usize) -> String {
    table.text("name").unwrap_or_else(|| {
        let kind = table.text("kind").unwrap_or_default();
        if at == 0 {
            kind
        } else {
            format!("{kind}-{}", at + 1)
        }
    })
}

/// The line of a place, for sorting: whole files first, the environment last.
pub(super) fn line_of(place: &Place) -> usize {
    match place {
        Place::Text { line, .. } => *line,
        Place::File(_) => 0,
        Place::Variable { .. } => usize::MAX,
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<Fault>,
    settings: Settings,
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place::in_text(self.file, self.text, span)
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let place = self.place(name.span());
            let name: &str = name.get_ref();
            let Some(section) = SECTIONS.iter().find(|section| section.name == name) else {
                let is_section = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
                self.faults.push(unknown_section(place, name, is_section));
                continue;
            };
            match (section.is_list, value.get_ref()) {
                (false, DeValue::Table(table)) => {
                    let table = self.table(section, place, table);
                    self.settings.single.insert(section.name, table);
                }
                (true, DeValue::Array(tables)) => self.list(section, tables),
                (is_list, _) => {
                    let kind = if is_list {
                        "a list of tables"
                    } else {
                        "a table"
                    };
                    let fault = Fault::error(place, format!("`{name}` is {kind}"));
                    self.faults
                        .push(fault.fix(format!("write {}", section.header())));
                }
            }
        }
    }

    fn list(&mut self, section: &'static Section, tables: &[Spanned<DeValue<'_>>]) {
        for value in tables {
            let place = self.place(value.span());
            match value.get_ref() {
                DeValue::Table(table) => {
                    let table = self.table(section, place, table);
                    self.settings.listeners.push(table);
                }
                other => {
                    let what = format!("{} where a table belongs", other.type_str());
                    let fault = Fault::error(place, what);
                    self.faults
                        .push(fault.fix(format!("write {}", section.header())));
                }
            }
        }
    }

    fn table(&mut self, section: &'static Section, place: Place, entries: &DeTable<'_>) -> Table {
        let mut table = Table::new(section, place);
        for (name, value) in entries {
            let Some(key) = section.key(name.get_ref()) else {
                let place = self.place(name.span());
                self.faults
                    .push(unknown_key(place, section, name.get_ref()));
                continue;
            };
            let place = self.place(value.span());
            match read_value(key, value.get_ref()) {
                Ok(value) => {
                    table.settings.insert(key.name, Setting { value, place });
                }
                Err((what, fix)) => {
                    self.faults
                        .push(Fault::error(place, format!("{}: {what}", key.name)).fix(fix));
                }
            }
        }
        table
    }

    /// `COLUMBA_LIMITS__SESSIONS_MAX`, or `COLUMBA_LISTENER__NAME__BIND` for a listener.
    fn variable(&mut self, name: String, value: String) {
        let Some(path) = name
            .strip_prefix(VARIABLE_PREFIX)
            .filter(|path| path.contains("__"))
        else {
            return;
        };
        let path = path.to_lowercase();
        let place = Place::Variable {
            name: name.clone(),
            value: value.clone(),
        };
        let mut parts = path.split("__");
        let first = parts.next().unwrap_or_default();
        let Some(section) = SECTIONS.iter().find(|section| section.name == first) else {
            self.faults.push(unknown_section(place, first, true));
            return;
        };
        let listener = if section.is_list { parts.next() } else { None };
        let key = parts.next().unwrap_or_default();
        let Some(key) = section.key(key).filter(|_| parts.next().is_none()) else {
            self.faults.push(unknown_key(place, section, key));
            return;
        };
        let value = match key.kind.parse(&value) {
            Ok(value) => value,
            Err(fault) => {
                let what = format!("{}: {}", key.name, fault.what);
                self.faults.push(Fault::error(place, what).fix(fault.fix));
                return;
            }
        };
        let table = match listener {
            None => self.settings.single.get_mut(section.name),
            Some(wanted) => {
                let named = |(at, table): &(usize, &mut Table)| {
                    in_variable(&listener_name(table, *at)) == *wanted
                };
                self.settings
                    .listeners
                    .iter_mut()
                    .enumerate()
                    .find(named)
                    .map(|(_, table)| table)
            }
        };
        match table {
            Some(table) => {
                table.settings.insert(key.name, Setting { value, place });
            }
            None => {
                let listener = listener.unwrap_or_default();
                let fault = Fault::error(place, format!("there is no listener `{listener}`"));
                let fix = "write COLUMBA_LISTENER__NAME__KEY with the name of a [[listener]]";
                self.faults.push(fault.fix(fix));
            }
        }
    }
}

/// A listener's name as it stands in the name of a variable, in lower case.
fn in_variable(name: &str) -> String {
    let letter = |c: char| {
        if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().map(letter).collect()
}

pub(super) fn read_value(key: &Key, value: &DeValue<'_>) -> Result<Value, (String, String)> {
    let list = || {
        let texts = value.as_array()?.iter();
        let texts: Option<Vec<_>> = texts.map(|text| text.get_ref().as_str()).collect();
        texts.filter(|texts| texts.iter().all(|text| !text.contains(',')))
    };
    let takes_list = matches!(key.kind, Kind::Texts | Kind::TopicFilters);
    let list = if takes_list { list() } else { None };
    let as_text = match value {
        DeValue::Array(_) if list.is_some() => list.unwrap_or_default().join(","),
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            let what = format!(
                "{} instead of {}",
                with_article(value, key.kind),
                key.kind.expected()
            );
            return Err((what, format!("write {}", key.kind.expected())));
        }
    };
    let parsed = key.kind.parse(&as_text);
    let is_right_type = match value {
        DeValue::String(_) => key.kind.is_quoted() || parsed == Ok(Value::Word),
        DeValue::Integer(_) => matches!(key.kind, Kind::Integer { .. } | Kind::IntegerOr { .. }),
        DeValue::Array(_) => takes_list,
        _ => key.kind == Kind::Bool,
    };
    match parsed {
        Ok(value) if is_right_type => Ok(value),
        // The right value in or without quotes: show how it is written.
        Ok(good) => {
            let what = format!(
                "{} instead of {}",
                with_article(value, key.kind),
                key.kind.expected()
            );
            Err((
                what,
                format!("write {} = {}", key.name, key.kind.show(&good)),
            ))
        }
        Err(fault) if is_right_type => {
            let words = if let Kind::Choice(words) = key.kind {
                words
            } else {
                &[]
            };
            let fix = match closest(&as_text, words.iter().copied()) {
                Some(word) => format!("did you mean \"{word}\"? {}", fault.fix),
                None => fault.fix,
            };
            Err((fault.what, fix))
        }
        Err(fault) => Err((
            format!(
                "{} instead of {}",
                with_article(value, key.kind),
                key.kind.expected()
            ),
            fault.fix,
        )),
    }
}

fn with_article(value: &DeValue<'_>, kind: Kind) -> &'static str {
    let has_unit = matches!(kind, Kind::Duration { .. } | Kind::Size { .. });
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) if has_unit => "a number without a unit",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_section(place: Place, name: &str, is_section: bool) -> Fault {
    let what = if is_section {
        "section"
    } else {
        "key outside of any section:"
    };
    let fault = Fault::error(place, format!("unknown {what} `{name}`"));
    if let Some(section) = SECTIONS.iter().find(|section| section.key(name).is_some()) {
        return fault.fix(format!("`{name}` belongs under {}", section.header()));
    }
    if let Some((_, key)) = KNOWN_ELSEWHERE.iter().find(|(word, _)| *word == name) {
        return fault.fix(format!("here it is called {key}"));
    }
    match closest(name, SECTIONS.iter().map(|section| section.name)) {
        Some(known) => fault.fix(format!("did you mean `{known}`?")),
        None => {
            let known: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
            fault.fix(format!("the sections are {}", known.join(", ")))
        }
    }
}

fn unknown_key(place: Place, section: &'static Section, name: &str) -> Fault {
    let fault = Fault::error(
        place,
        format!("unknown key `{name}` in {}", section.header()),
    );
    let elsewhere = SECTIONS.iter().find(|other| other.key(name).is_some());
    if let Some((_, key)) = KNOWN_ELSEWHERE.iter().find(|(word, _)| *word == name) {
        return fault.fix(format!("here it is called {key}"));
    }
    if let Some(other) = elsewhere {
        return fault.fix(format!("`{name}` belongs under {}", other.header()));
    }
    match closest(name, section.keys.iter().map(|key| key.name)) {
        Some(known) => fault.fix(format!("did you mean `{known}`?")),
        None => fault.fix(format!(
            "`columba config reference` lists the keys of {}",
            section.header()
        )),
    }
}

/// The listener that there is if the file has none.
pub(super) fn default_listener() -> Table {
    let listener = SECTIONS
        .iter()
        .find(|section| section.is_list)
        .unwrap_or(&SECTIONS[0]);
    Table::new(listener, Place::File("the default listener".to_owned()))
}
