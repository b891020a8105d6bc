//! What is wrong with a file that is no TOML, above all a table or key that stands in it twice.

use toml::de::Error;

use super::fault::{Fault, Place};
use super::sections::SECTIONS;

/// What the parser says of a table or key that stands there a second time.
const TWICE: &str = "duplicate key";

/// The fault that the parser tells of.
pub(crate) fn fault(file: &str, text: &str, error: &Error) -> Fault {
    let span = error.span().unwrap_or_default();
    let place = Place::in_text(file, text, span.clone());
    if error.message() != TWICE {
        return Fault::error(place, format!("not TOML: {}", error.message()))
            .fix("texts stand in quotes: key = \"text\"");
    }
    let start = text.floor_char_boundary(span.start);
    let line_start = text.get(..start).and_then(|before| before.rfind('\n'));
    let line_start = line_start.map_or(0, |at| at + 1);
    let before: Vec<_> = text.get(..line_start).unwrap_or_default().lines().collect();
    let line = text.get(line_start..).and_then(|rest| rest.lines().next());
    if let Some(name) = line.and_then(header) {
        let shown = format!("[{name}]");
        let first = before.iter().position(|line| header(line) == Some(name));
        let is_list = SECTIONS.iter().any(|of| of.is_list && of.name == name);
        let fix = match is_list {
            true => format!("write [[{name}]] each time"),
            false => format!("put the keys of both under one {shown}"),
        };
        return Fault::error(place, twice(&shown, first)).fix(fix);
    }
    let name = text.get(span).unwrap_or_default();
    let in_table = before.iter().rposition(|line| header(line).is_some());
    let first = before.iter().rposition(|line| key(line) == Some(name));
    let first = first.filter(|first| in_table.is_none_or(|table| table < *first));
    Fault::error(place, twice(name, first)).fix("remove one of the lines")
}

/// What stands twice, and the first time in this line, counted from 0.
fn twice(what: &str, first: Option<usize>) -> String {
    match first {
        Some(first) => format!("`{what}` stands here and in line {}", first + 1),
        None => format!("`{what}` stands here a second time"),
    }
}

/// The name in the header of a table, or of a list of tables.
fn header(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('[')?;
    let (name, _) = rest.strip_prefix('[').unwrap_or(rest).split_once(']')?;
    Some(name.trim())
}

/// The key that a line sets.
fn key(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn check(text: &str, line: usize, what: &str, fix: &str) {
        let (_, errors) = DeTable::parse_recoverable(text);
        let [error] = errors.as_slice() else {
            panic!("not one error in {text}: {errors:?}")
        };
        let fault = fault("f", text, error);
        assert_eq!(
            (fault.what.as_str(), fault.fix.as_deref()),
            (what, Some(fix)),
            "{text}"
        );
        let is_there = matches!(fault.place, Place::Text { line: at, .. } if at == line);
        assert!(is_there, "{:?}", fault.place);
    }

    #[test]
    fn what_stands_twice_is_told_with_both_lines() {
        check(
            "[limits]\nsessions_max = 1\n\n[log]\n[limits] # again\n",
            5,
            "`[limits]` stands here and in line 1",
            "put the keys of both under one [limits]",
        );
        check(
            "[log]\nlevel = \"info\"\n[limits]\nlevel = 1\n# level = 3\nlevel = 2\n",
            6,
            "`level` stands here and in line 4",
            "remove one of the lines",
        );
        check(
            "[[listener]]\nkind = \"tcp\"\n[listener]\nkind = \"ws\"\n",
            3,
            "`[listener]` stands here and in line 1",
            "write [[listener]] each time",
        );
        check(
            "a.b = 1\n[a]\nc = 2\n",
            2,
            "`[a]` stands here a second time",
            "put the keys of both under one [a]",
        );
        check(
            "x = { y = 1, y = 2 }\n",
            1,
            "`y` stands here a second time",
            "remove one of the lines",
        );
    }

    #[test]
    fn other_faults_are_told_as_the_parser_tells_them() {
        check(
            "a = b\n",
            1,
            "not TOML: string values must be quoted, expected literal string",
            "texts stand in quotes: key = \"text\"",
        );
    }
}
