//! A sentence that is not yet in a language, and the catalogue that it comes from.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{Language, shell};

/// One sentence of a catalogue.
///
/// In its texts `{name}` stands for a parameter, and `{name|one|many}` for one of two words, the
/// first if the parameter is 1. Braces have no other use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What programs know it by; never changes.
    pub code: &'static str,
    /// The names of its parameters, in order.
    pub parameters: &'static [&'static str],
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// A sentence of a catalogue with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    entry: &'static Entry,
    values: Vec<Param>,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// The same in every language: names, addresses.
    Plain(String),
    /// The same in a command line that people are to type: quoted if a shell needs it.
    Word(String),
    /// A count.
    Number(u64),
    /// A time, shown with a fitting unit.
    Duration(Duration),
    /// A size, shown with a fitting unit.
    Bytes(u64),
    /// A moment, in milliseconds since 1970; shown in UTC, if it is not put into a reader's words with
    /// [`Text::with_moments`].
    Moment(u64),
    /// Another sentence.
    Text(Text),
    /// Several, with commas between.
    List(Vec<Self>),
}

/// Makes a function of every sentence, and a constant with all of them.
///
/// ```
/// columba_speech::catalogue! {
///     pub GREETINGS;
///     /// What one says first.
///     hello(name) { en: "Hello {name}", zh: "你好，{name}" }
/// }
/// let text = hello("Ann");
/// assert_eq!(text.code(), "hello");
/// assert_eq!(text.to_string(columba_speech::Language::Chinese), "你好，Ann");
/// assert!(columba_speech::faults(GREETINGS).is_empty());
/// ```
#[macro_export]
macro_rules! catalogue {
    (
        $(#[$all_doc:meta])*
        $vis:vis $all:ident;
        $(
            $(#[$doc:meta])*
            $code:ident ( $($param:ident),* $(,)? ) { en: $en:literal, zh: $zh:literal $(,)? }
        )*
    ) => {
        $crate::said_elsewhere! {
            $(#[$all_doc])*
            $vis $all;
            $($code($($param),*) { en: $en, zh: $zh })*
        }
        $(
            $(#[$doc])*
            #[doc = $en]
            $vis fn $code($($param: impl Into<$crate::Param>),*) -> $crate::Text {
                static ENTRY: $crate::Entry = $crate::Entry {
                    code: stringify!($code),
                    parameters: &[$(stringify!($param)),*],
                    en: $en,
                    zh: $zh,
                };
                $crate::Text::new(&ENTRY, vec![$($param.into()),*])
            }
        )*
    };
}

/// Makes only the constant with all sentences: for those that are said in English elsewhere, and
/// [recognised](recognise) here.
#[macro_export]
macro_rules! said_elsewhere {
    (
        $(#[$all_doc:meta])*
        $vis:vis $all:ident;
        $(
            $code:ident ( $($param:ident),* $(,)? ) { en: $en:literal, zh: $zh:literal $(,)? }
        )*
    ) => {
        $(#[$all_doc])*
        $vis const $all: &[$crate::Entry] = &[$(
            $crate::Entry {
                code: stringify!($code),
                parameters: &[$(stringify!($param)),*],
                en: $en,
                zh: $zh,
            },
        )*];
    };
}

impl Entry {
    /// Its text in a language.
    pub const fn pattern(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

impl Text {
    /// For [`catalogue!`]: a value for each parameter of the entry, in order.
    ///
    /// # Panics
    /// If there are more or fewer, which the macro rules out.
    pub fn new(entry: &'static Entry, values: Vec<Param>) -> Self {
        assert_eq!(entry.parameters.len(), values.len(), "{}", entry.code);
        Self { entry, values }
    }

    /// What programs know it by.
    pub const fn code(&self) -> &'static str {
        self.entry.code
    }

    /// The parameters by name.
    pub fn params(&self) -> impl Iterator<Item = (&'static str, &Param)> {
        let names = self.entry.parameters.iter().copied();
        names.zip(&self.values)
    }

    /// The same with every moment as a reader's clock has it.
    #[must_use]
    pub fn with_moments(&self, shown: &dyn Fn(u64) -> String) -> Self {
        let values = self.values.iter().map(|value| value.with_moments(shown));
        Self {
            entry: self.entry,
            values: values.collect(),
        }
    }

    /// The sentence.
    pub fn to_string(&self, language: Language) -> String {
        let mut out = String::new();
        for piece in pieces(self.entry.pattern(language)) {
            match piece {
                Piece::Words(words) => out.push_str(words),
                Piece::Hole { name, forms } => {
                    let value = self.params().find(|(known, _)| *known == name);
                    let Some((_, value)) = value else { continue };
                    match (forms, value) {
                        (Some((one, _)), Param::Number(1)) => out.push_str(one),
                        (Some((_, many)), _) => out.push_str(many),
                        (None, value) => out.push_str(&value.to_string(language)),
                    }
                }
            }
        }
        out
    }
}

impl Param {
    /// The value for people.
    pub fn to_string(&self, language: Language) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Word(text) => shell::word(text),
            Self::Number(number) => number.to_string(),
            Self::Duration(duration) => duration_for_people(*duration, language),
            Self::Bytes(bytes) => bytes_for_people(*bytes, language),
            Self::Moment(unix_ms) => moment_in_utc(*unix_ms),
            Self::Text(text) => text.to_string(language),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| item.to_string(language)).collect();
                items.join(match language {
                    Language::English => ", ",
                    Language::Chinese => "、",
                })
            }
        }
    }

    fn with_moments(&self, shown: &dyn Fn(u64) -> String) -> Self {
        match self {
            Self::Moment(unix_ms) => Self::Plain(shown(*unix_ms)),
            Self::Text(text) => Self::Text(text.with_moments(shown)),
            Self::List(items) => {
                Self::List(items.iter().map(|item| item.with_moments(shown)).collect())
            }
            Self::Plain(_)
            | Self::Word(_)
            | Self::Number(_)
            | Self::Duration(_)
            | Self::Bytes(_) => self.clone(),
        }
    }

    /// A word of a command line that people are to type.
    pub fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    /// A list of what the items make.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for Param {
            fn from(number: $number) -> Self {
                // A usize has at most 64 bits wherever this runs.
                Self::Number(number as u64)
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64 usize);

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<Duration> for Param {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}

impl From<Text> for Param {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

fn duration_for_people(duration: Duration, language: Language) -> String {
    let millis = duration.as_secs_f64() * 1_000.0;
    let (value, english, chinese) = if millis < 1_000.0 {
        (millis, "ms", "毫秒")
    } else {
        (millis / 1_000.0, "s", "秒")
    };
    let unit = match language {
        Language::English => english,
        Language::Chinese => chinese,
    };
    if value < 9.95 && value.fract() > 0.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// `2026-11-28T19:14:05.123Z`.
fn moment_in_utc(unix_ms: u64) -> String {
    let (secs, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, secs) = (secs / 86_400, secs % 86_400);
    // Counted in eras of 400 years from 1 March of the year 0, so that a leap day comes last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{secs:02}.{ms:03}Z")
}

fn bytes_for_people(bytes: u64, language: Language) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    if bytes >= MIB && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else if bytes >= KIB && bytes.is_multiple_of(KIB) {
        format!("{} KiB", bytes / KIB)
    } else {
        match language {
            Language::English => format!("{bytes} B"),
            Language::Chinese => format!("{bytes} 字节"),
        }
    }
}

/// The sentence of a catalogue that an English text is, with what it says of its parameters: for
/// texts that came from elsewhere, such as another process, which speaks English alone. A text that
/// several could be is the first of them; a sentence with two forms of a word is not recognised. What
/// stands in a sentence may itself be one of the catalogue.
pub fn recognise(catalogue: &'static [Entry], said: &str) -> Option<Text> {
    catalogue.iter().find_map(|entry| {
        let values = values_in(entry.en, said)?;
        let value = |name: &&str| {
            let (_, value) = values.iter().find(|(known, _)| known == name)?;
            // A pattern that is nothing but a hole would never end.
            let inner = (value.len() < said.len()).then(|| recognise(catalogue, value));
            Some(
                inner
                    .flatten()
                    .map_or_else(|| Param::from(*value), Param::from),
            )
        };
        let values: Option<Vec<_>> = entry.parameters.iter().map(value).collect();
        Some(Text::new(entry, values?))
    })
}

/// What stands in the holes of a pattern, if the text is made of it.
fn values_in<'a, 'b>(pattern: &'a str, said: &'b str) -> Option<Vec<(&'a str, &'b str)>> {
    let mut values = Vec::new();
    let mut rest = said;
    let mut open = None;
    for piece in pieces(pattern) {
        match piece {
            Piece::Words(words) => {
                let at = match open.take() {
                    None => rest.starts_with(words).then_some(0)?,
                    Some(name) => {
                        let at = rest.find(words)?;
                        values.push((name, rest.get(..at)?));
                        at
                    }
                };
                rest = rest.get(at + words.len()..)?;
            }
            Piece::Hole { name, forms: None } => open = Some(name),
            Piece::Hole { forms: Some(_), .. } => return None,
        }
    }
    match open {
        Some(name) => values.push((name, rest)),
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(values)
}

/// What is wrong with a catalogue: a language without text, a parameter that one of them leaves
/// out or makes up, a Chinese text without a Chinese character, a code that is there twice.
pub fn faults(catalogue: &[Entry]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut codes = BTreeSet::new();
    for entry in catalogue {
        let mut fault = |what: String| faults.push(format!("{}: {what}", entry.code));
        if !codes.insert(entry.code) {
            fault("twice".to_owned());
        }
        let wanted: BTreeSet<_> = entry.parameters.iter().copied().collect();
        for language in Language::ALL {
            let pattern = entry.pattern(language);
            let tag = language.tag();
            if pattern.trim().is_empty() {
                fault(format!("no text in {tag}"));
            }
            let holes = pieces(pattern).filter_map(|piece| match piece {
                Piece::Words(_) => None,
                Piece::Hole { name, .. } => Some(name),
            });
            let found: BTreeSet<_> = holes.collect();
            for name in wanted.symmetric_difference(&found) {
                fault(format!(
                    "{tag} and the parameters disagree about {{{name}}}"
                ));
            }
        }
        let is_chinese = |c: char| matches!(c, '\u{3400}'..='\u{9FFF}');
        if !entry.zh.contains(is_chinese) && entry.zh.chars().any(char::is_alphabetic) {
            let bare: String = pieces(entry.zh)
                .filter_map(|piece| match piece {
                    Piece::Words(words) => Some(words),
                    Piece::Hole { .. } => None,
                })
                .collect();
            // Names that are the same everywhere, such as MQTT, need no Chinese.
            if bare != bare.to_uppercase() {
                fault("zh is not Chinese".to_owned());
            }
        }
    }
    faults
}

enum Piece<'a> {
    Words(&'a str),
    Hole {
        name: &'a str,
        forms: Option<(&'a str, &'a str)>,
    },
}

/// A pattern as words and holes. An opening brace without its other half is words.
fn pieces(pattern: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(start) = rest.find('{') else {
            return Some(Piece::Words(std::mem::take(&mut rest)));
        };
        if start > 0 {
            let (words, after) = rest.split_at(start);
            rest = after;
            return Some(Piece::Words(words));
        }
        let Some((hole, after)) = rest.split_at(1).1.split_once('}') else {
            return Some(Piece::Words(std::mem::take(&mut rest)));
        };
        rest = after;
        let (name, forms) = match hole.split_once('|') {
            Some((name, forms)) => (name, forms.split_once('|')),
            None => (hole, None),
        };
        Some(Piece::Hole { name, forms })
    })
}

/// A name of code, such as `NoCipherSuitesInCommon`, as words: `no cipher suites in common`. What is more
/// than a name says nothing to people: `None`.
pub fn words_of(name: &str) -> Option<String> {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    catalogue! {
        ALL;
        found(count, time) {
            en: "{count} address{count||es}, {time}",
            zh: "{count} 个地址，{time}",
        }
        because(why) { en: "because {why}", zh: "因为{why}" }
    }

    #[test]
    fn a_name_of_code_is_words_and_nothing_else_is() {
        let words = words_of("NoCipherSuitesInCommon");
        assert_eq!(words.as_deref(), Some("no cipher suites in common"));
        assert_eq!(words_of("Other(OtherError(1))"), None);
    }

    #[test]
    fn sentences_take_their_parameters_in_both_languages() {
        let text = found(2_u64, Duration::from_micros(850));
        assert_eq!(text.to_string(Language::English), "2 addresses, 0.8 ms");
        assert_eq!(text.to_string(Language::Chinese), "2 个地址，0.8 毫秒");
        let text = because(found(1_u64, Duration::from_secs(3)));
        assert_eq!(text.to_string(Language::English), "because 1 address, 3 s");
        assert_eq!(text.to_string(Language::Chinese), "因为1 个地址，3 秒");
        let text = because(Param::list(["a", "b"]));
        assert_eq!(text.to_string(Language::Chinese), "因为a、b");
        assert_eq!(text.code(), "because");
    }

    #[test]
    fn what_was_said_in_english_is_recognised() {
        let check = |said: &str, expected: Option<&str>| {
            let found = recognise(SAID, said).map(|text| text.to_string(Language::Chinese));
            assert_eq!(found.as_deref(), expected, "{said}");
        };
        check("the disk is full", Some("磁盘已满"));
        check("the disk is full?", None);
        check("denied by etc/acl.toml:14", Some("被 etc/acl.toml:14 拒绝"));
        check("denied by ", Some("被  拒绝"));
        check("7 of 9 bytes wait", Some("9 字节中有 7 字节等待"));
        check("7 bytes wait", None);
        check("denied by the disk is full", Some("被 磁盘已满 拒绝"));
        check("x the disk is full", None);
        check("", None);
        assert_eq!(recognise(ALL, "2 addresses, 3 s"), None);
    }

    said_elsewhere! {
        SAID;
        disk_full() { en: "the disk is full", zh: "磁盘已满" }
        denied(rule) { en: "denied by {rule}", zh: "被 {rule} 拒绝" }
        waits(some, all) { en: "{some} of {all} bytes wait", zh: "{all} 字节中有 {some} 字节等待" }
    }

    #[test]
    fn units_fit_their_values() {
        for (micros, shown) in [
            (40, "0.0 ms"),
            (38_000, "38 ms"),
            (999_400, "999 ms"),
            (2_000_000, "2 s"),
            (2_300_000, "2.3 s"),
            (12_345_000, "12 s"),
        ] {
            let shown_now = duration_for_people(Duration::from_micros(micros), Language::English);
            assert_eq!(shown_now, shown);
        }
        for (bytes, shown) in [
            (100, "100 B"),
            (131_072, "128 KiB"),
            (1 << 20, "1 MiB"),
            (1_025, "1025 B"),
        ] {
            assert_eq!(bytes_for_people(bytes, Language::English), shown);
        }
    }

    #[test]
    fn this_catalogue_is_complete() {
        assert_eq!(faults(ALL), [""; 0]);
    }

    #[test]
    fn faults_of_a_catalogue_are_found() {
        let entry = |en, zh| Entry {
            code: "x",
            parameters: &["a"],
            en,
            zh,
        };
        for (en, zh, fault) in [
            ("", "主{a}", "x: no text in en"),
            ("{a}", "主", "x: zh and the parameters disagree about {a}"),
            (
                "{a} {b}",
                "主{a}",
                "x: en and the parameters disagree about {b}",
            ),
            ("is {a}", "is {a}", "x: zh is not Chinese"),
        ] {
            let found = faults(&[entry(en, zh)]);
            assert!(found.iter().any(|f| f == fault), "{fault}: {found:?}");
        }
        assert_eq!(faults(&[entry("MQTT {a}", "MQTT {a}")]), [""; 0]);
        let twice = entry("{a} x", "{a}主");
        assert_eq!(faults(&[twice, twice]), ["x: twice"]);
    }

    #[test]
    fn a_moment_is_told_in_utc_or_by_the_clock_of_the_reader() {
        for (unix_ms, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let text = because(because(Param::Moment(unix_ms)));
            let told = text.to_string(Language::English);
            assert_eq!(told, format!("because because {shown}"));
            let own = text.with_moments(&|unix_ms| format!("at {unix_ms}"));
            let told = own.to_string(Language::English);
            assert_eq!(told, format!("because because at {unix_ms}"));
        }
    }
}
