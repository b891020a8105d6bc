//! What is wrong in a file of the instance: where, what, and what to do about it.

use std::fmt;
use std::ops::Range;

/// How bad a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The broker does not start, or keeps what it had.
    Error,
    /// It works, but perhaps not as wanted.
    Warning,
}

/// Where a setting or rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a text file.
    Text {
        /// The file, as shown to people.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// Character of the line, counted from 1.
        column: usize,
        /// The line.
        source_line: String,
        /// How many characters are meant.
        width: usize,
    },
    /// A file as a whole.
    File(String),
    /// A variable of the environment and its value.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Place {
    /// The first line of a range of bytes in a text.
    pub fn in_text(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end.max(start));
        let line_start = text
            .get(..start)
            .and_then(|s| s.rfind('\n'))
            .map_or(0, |at| at + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        let source_line = rest.lines().next().unwrap_or_default();
        let line_end = line_start + source_line.len();
        let chars = |range| text.get(range).map_or(0, |s: &str| s.chars().count());
        Self::Text {
            file: file.to_owned(),
            line: text
                .get(..line_start)
                .map_or(0, |s| s.matches('\n').count())
                + 1,
            column: chars(line_start..start) + 1,
            source_line: source_line.to_owned(),
            width: chars(start..end.min(line_end).max(start)).max(1),
        }
    }

    /// A whole line, counted from 1.
    pub fn of_line(file: &str, line: usize, source_line: &str) -> Self {
        Self::of_columns(file, line, source_line, source_line)
    }

    /// A part of a line, counted from 1. `part` is a piece of `source_line`.
    pub fn of_columns(file: &str, line: usize, source_line: &str, part: &str) -> Self {
        let at = source_line.find(part).unwrap_or_default();
        let before = source_line.get(..at).unwrap_or_default().chars().count();
        Self::Text {
            file: file.to_owned(),
            line,
            column: before + 1,
            source_line: source_line.to_owned(),
            width: part.trim_end().chars().count().max(1),
        }
    }

    /// What stands there, with a mark below what is meant, in lines of their own; nothing for a file.
    pub fn excerpt(&self) -> String {
        match self {
            Self::Text {
                line,
                column,
                source_line,
                width,
                ..
            } => {
                let margin = " ".repeat(line.to_string().len());
                // Tabs keep their width, so that the mark stands under what it means.
                let before: String = source_line
                    .chars()
                    .take(column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                let mark = "^".repeat(*width);
                format!("{margin} |\n{line} | {source_line}\n{margin} | {before}{mark}\n")
            }
            Self::Variable { name, value } => format!("   {name}={value}\n"),
            Self::File(_) => String::new(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text {
                file, line, column, ..
            } => write!(f, "{file}:{line}:{column}"),
            Self::File(file) => f.write_str(file),
            Self::Variable { name, .. } => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// Where.
    pub place: Place,
    /// What to do about it, if that is known.
    pub fix: Option<String>,
}

impl Fault {
    /// An error.
    pub fn error(place: Place, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            what: what.into(),
            place,
            fix: None,
        }
    }

    /// A warning.
    pub fn warning(place: Place, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(place, what)
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// In one line, for a log.
    pub fn in_one_line(&self) -> String {
        match &self.fix {
            Some(fix) => format!("{}: {} ({fix})", self.place, self.what),
            None => format!("{}: {}", self.place, self.what),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.what)?;
        writeln!(f, "  --> {}", self.place)?;
        f.write_str(&self.place.excerpt())?;
        match &self.fix {
            Some(fix) => writeln!(f, "  = {fix}"),
            None => Ok(()),
        }
    }
}

/// Whether any of the faults is an error.
pub fn has_errors(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}

/// The known word that an unknown one was probably meant to be.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + same);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_few_wrong_letters_are_recognised() {
        let known = ["packet_bytes_max", "bind", "sessions_max", "name"];
        let check = |word, expected| assert_eq!(closest(word, known), expected, "{word}");
        check("packet_byte_max", Some("packet_bytes_max"));
        check("bnid", Some("bind"));
        check("Bind", Some("bind"));
        check("session_max", Some("sessions_max"));
        check("port", None);
        check("certificate", None);
    }

    #[test]
    fn a_place_counts_characters_not_bytes() {
        let text = "a = 1\n# größer\n\"ä\" = oops # x\n";
        let at = text.find("oops").expect("the text");
        let place = Place::in_text("f", text, at..at + 4);
        assert_eq!(place.to_string(), "f:3:7");
        let shown = Fault::error(place, "no").fix("do").to_string();
        let expected =
            "error: no\n  --> f:3:7\n  |\n3 | \"ä\" = oops # x\n  |       ^^^^\n  = do\n";
        assert_eq!(shown, expected);
        // Past the end, and inside a character.
        assert_eq!(Place::in_text("f", "ä", 1..99).to_string(), "f:1:1");
    }
}
