//! The conformance table: normative statements against the tests that cite them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::source::{Source, files_below};

/// The tables, with what their tags start with.
const TABLES: [(&str, &str, &str); 2] = [
    ("MQTT 5.0", "docs/conformance/mqtt-5.0.md", ""),
    ("MQTT 3.1.1", "docs/conformance/mqtt-3.1.1.md", "v311-"),
];

/// One row of a table.
struct Statement {
    /// As a tag names it, without `MQTT-`: `3.3.1-8`, `v311-3.3.1-12`.
    tag: String,
    side: String,
    text: String,
    reason: String,
}

impl Statement {
    /// Whether it binds a client alone.
    fn is_client_only(&self) -> bool {
        self.side == "C"
    }
}

/// A test that cites a statement.
struct Citation {
    test: String,
    /// It shows what our client library does, so it says nothing about the broker.
    is_of_client: bool,
}

/// A version's statements with the tests that prove each.
struct Chapter {
    title: &'static str,
    rows: Vec<(Statement, Vec<String>)>,
}

/// The whole map, and what is wrong with it.
pub(crate) struct Conformance {
    chapters: Vec<Chapter>,
    /// Rows with neither test nor reason.
    pub(crate) gaps: Vec<String>,
    /// Rows with both, tags that name nothing, rows that do not parse.
    pub(crate) faults: Vec<String>,
}

impl Conformance {
    /// Reads the tables and scans the tests.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut citations = citations(root)?;
        let mut found = Self {
            chapters: Vec::new(),
            gaps: Vec::new(),
            faults: Vec::new(),
        };
        for (title, path, prefix) in TABLES {
            let text = fs::read_to_string(root.join(path))?;
            let mut rows = Vec::new();
            for statement in statements(&text, prefix) {
                let cited = citations.remove(&statement.tag).unwrap_or_default();
                let counts = |c: &Citation| c.is_of_client == statement.is_client_only();
                let tests: Vec<_> = cited.into_iter().filter(counts).map(|c| c.test).collect();
                match (tests.is_empty(), statement.reason.is_empty()) {
                    (true, true) if !statement.is_client_only() => {
                        found
                            .gaps
                            .push(format!("MQTT-{}: {}", statement.tag, statement.text));
                    }
                    (false, false) => found.faults.push(format!(
                        "MQTT-{} has a reason for no test, and {} cites it",
                        statement.tag,
                        tests.join(", ")
                    )),
                    (true, true | false) | (false, true) => {}
                }
                rows.push((statement, tests));
            }
            found.chapters.push(Chapter { title, rows });
        }
        for (tag, cited) in citations {
            let tests: Vec<_> = cited.into_iter().map(|c| c.test).collect();
            found.faults.push(format!(
                "MQTT-{tag} in {} names no statement",
                tests.join(", ")
            ));
        }
        Ok(found)
    }

    /// The table as Markdown, a row a statement.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        for chapter in &self.chapters {
            let _ = writeln!(
                out,
                "# {}\n\n| id | side | statement | proof |\n|---|---|---|---|",
                chapter.title
            );
            for (statement, tests) in &chapter.rows {
                let proof = match (tests.is_empty(), statement.reason.is_empty()) {
                    (false, _) => tests
                        .iter()
                        .map(|t| format!("`{t}`"))
                        .collect::<Vec<_>>()
                        .join(" "),
                    (true, false) => statement.reason.clone(),
                    (true, true) if statement.is_client_only() => "binds clients alone".into(),
                    (true, true) => "**none**".into(),
                };
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {proof} |",
                    statement.tag, statement.side, statement.text
                );
            }
            out.push('\n');
        }
        out
    }

    /// One line a version: how many statements are proven, excused, open.
    pub(crate) fn summary(&self) -> String {
        let mut out = String::new();
        for chapter in &self.chapters {
            let ours: Vec<_> = chapter
                .rows
                .iter()
                .filter(|(s, _)| !s.is_client_only())
                .collect();
            let proven = ours.iter().filter(|(_, tests)| !tests.is_empty()).count();
            let excused = ours.iter().filter(|(s, _)| !s.reason.is_empty()).count();
            let open = ours.len() - proven - excused;
            let _ = writeln!(
                out,
                "{}: {} statements for a server, {proven} proven by tests, {excused} with a reason, {open} open",
                chapter.title,
                ours.len()
            );
        }
        out
    }
}

/// Prints the table and its faults; whether it is complete.
pub(crate) fn run(root: &Path, is_brief: bool) -> anyhow::Result<bool> {
    let found = Conformance::read(root)?;
    if !is_brief {
        println!("{}", found.render());
    }
    for line in found.faults.iter().chain(&found.gaps) {
        println!("conformance: {line}");
    }
    print!("{}", found.summary());
    Ok(found.faults.is_empty() && found.gaps.is_empty())
}

fn statements(text: &str, prefix: &str) -> Vec<Statement> {
    let mut rows = Vec::new();
    for line in text.lines() {
        let Some(inner) = line.strip_prefix("| ").and_then(|l| l.strip_suffix('|')) else {
            continue;
        };
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        if let [id, side, text, reason] = cells[..]
            && id.starts_with(|c: char| c.is_ascii_digit())
        {
            rows.push(Statement {
                tag: format!("{prefix}{id}"),
                side: side.into(),
                text: text.into(),
                reason: reason.into(),
            });
        }
    }
    rows
}

/// Which tests name which tag.
fn citations(root: &Path) -> anyhow::Result<BTreeMap<String, Vec<Citation>>> {
    let mut found: BTreeMap<String, Vec<Citation>> = BTreeMap::new();
    for path in files_below(&root.join("crates"), ".rs")? {
        let source = Source::read(root, &path)?;
        if !(source.path.contains("/src/") || source.path.contains("/tests/")) {
            continue;
        }
        let is_of_client = source.path.starts_with("crates/client/");
        for (tag, test) in cited_by(&source) {
            let cited = found.entry(tag).or_default();
            if !cited.iter().any(|c| c.test == test) {
                cited.push(Citation { test, is_of_client });
            }
        }
    }
    Ok(found)
}

fn cited_by(source: &Source) -> Vec<(String, String)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for function in source.functions().into_iter().filter(|f| f.is_test) {
        let end = function.end.min(lines.len().saturating_sub(1));
        for line in &lines[function.top..=end] {
            for tag in tags(line) {
                found.push((tag, format!("{}::{}", source.path, function.name)));
            }
        }
    }
    found
}

/// The tags in a line, without `MQTT-`.
fn tags(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in line.match_indices("MQTT-") {
        let rest = &line[at + start.len()..];
        let (prefix, rest) = match rest.strip_prefix("v311-") {
            Some(rest) => ("v311-", rest),
            None => ("", rest),
        };
        let section: String = rest
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let Some(rest) = rest[section.len()..].strip_prefix('-') else {
            continue;
        };
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if section.contains('.') && !number.is_empty() {
            found.push(format!("{prefix}{section}-{number}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_both_versions_are_told_apart() {
        assert_eq!(
            tags("// [MQTT-3.3.1-8] MQTT-v311-3.3.1-12, MQTT-4.2-1; MQTT-5 is no tag"),
            ["3.3.1-8", "v311-3.3.1-12", "4.2-1"]
        );
    }

    #[test]
    fn a_tag_counts_above_beside_and_inside_a_test_only() {
        let text = "/// MQTT-1.1.1-9\nfn plain() {}\n\n// MQTT-1.1.1-1\n#[test]\nfn a() { // MQTT-1.1.1-2\n    \
                    // MQTT-1.1.1-3\n}\n";
        let source = Source::new("crates/x/src/a.rs".into(), text.into());
        let found: Vec<_> = cited_by(&source).into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(found, ["1.1.1-1", "1.1.1-2", "1.1.1-3"]);
    }

    #[test]
    fn the_tables_hold_every_server_side_statement() -> anyhow::Result<()> {
        let root = crate::root();
        for (path, prefix, count) in [(TABLES[0].1, "", 230), (TABLES[1].1, "v311-", 133)] {
            let rows = statements(&fs::read_to_string(root.join(path))?, prefix);
            let ours = rows.iter().filter(|s| !s.is_client_only()).count();
            assert_eq!(ours, count, "{path}");
        }
        Ok(())
    }

    #[test]
    fn every_tag_names_a_statement() -> anyhow::Result<()> {
        let found = Conformance::read(&crate::root())?;
        assert!(found.faults.is_empty(), "{:#?}", found.faults);
        Ok(())
    }
}
