//! A report as text for a terminal and as JSON for programs.

use columba_speech::width::pad;
use columba_speech::{Language, Param, Text, width};
use serde_json::{Map, Value, json};

use crate::report::{Check, Finding, Mark, Report};
use crate::text::summary;

/// How a report is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// Words in brackets instead of marks that an old terminal may not have.
    pub is_ascii: bool,
    /// Whether the marks are coloured.
    pub has_colour: bool,
    /// Cells of a line; longer sentences go on below their beginning.
    pub cells: Option<usize>,
}

/// What JSON calls its own shape.
pub const SCHEMA: &str = "columba.doctor/1";

/// A finding, with its line break.
pub fn finding(finding: &Finding, style: Style) -> String {
    let language = style.language;
    let label = pad(
        &finding.check.label().to_string(language),
        label_cells(language),
    );
    let mark = mark(finding.mark, style);
    let indent = " ".repeat(mark_cells(style) + 1 + label_cells(language) + 1);
    let mut start = format!("{mark} {label} ");
    let mut out = String::new();
    let mut add = |text: &Text, colour: Option<Colour>| {
        for line in lines(&text.to_string(language), width::width(&indent), style) {
            let line = colour.map_or_else(|| line.clone(), |colour| paint(&line, colour, style));
            out.push_str(&format!("{start}{line}\n"));
            start.clone_from(&indent);
        }
    };
    add(&finding.what, None);
    finding.notes.iter().for_each(|note| add(note, None));
    for fix in &finding.fixes {
        add(&summary::fix(fix.clone()), Some(Colour::Bold));
    }
    out
}

/// A sentence in lines that stand behind so many cells.
fn lines(text: &str, behind: usize, style: Style) -> Vec<String> {
    match style.cells {
        None => vec![text.to_owned()],
        Some(cells) => width::wrapped(text, cells.saturating_sub(behind)),
    }
}

/// What stands below the findings: what was not reached, the counts, the exit code.
pub fn ending(report: &Report, is_strict: bool, style: Style) -> String {
    let language = style.language;
    let mut out = String::new();
    if !report.unreached.is_empty() {
        let names = Param::list(report.unreached.iter().map(|check| check.label()));
        let line = summary::unreached(names).to_string(language);
        let cells = mark_cells(style) + 1;
        let mut start = format!("{} ", mark(Mark::Skip, style));
        for line in lines(&line, cells, style) {
            out.push_str(&format!("{start}{line}\n"));
            start = " ".repeat(cells);
        }
    }
    if report.interrupted {
        for line in lines(&summary::interrupted().to_string(language), 0, style) {
            out.push_str(&format!("{line}\n"));
        }
    }
    let counts = summary::counts(
        report.count(Mark::Fail),
        report.count(Mark::Warn),
        report.count(Mark::Pass),
        report.count(Mark::Skip),
        report.exit_code(is_strict),
    );
    for line in lines(&counts.to_string(language), 0, style) {
        out.push_str(&format!("{line}\n"));
    }
    out
}

/// The whole report.
pub fn text(report: &Report, is_strict: bool, style: Style) -> String {
    let findings = report.findings.iter().map(|found| finding(found, style));
    findings.collect::<String>() + &ending(report, is_strict, style)
}

/// The report for programs: codes and parameters, and the sentences beside them.
pub fn json(report: &Report, target: &str, is_strict: bool, language: Language) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "check": check_name(finding.check),
            "mark": finding.mark.name(),
            "what": sentence(&finding.what, language),
            "notes": finding.notes.iter().map(|note| sentence(note, language)).collect::<Vec<_>>(),
            "fixes": finding.fixes.iter().map(|fix| sentence(fix, language)).collect::<Vec<_>>(),
        })
    });
    json!({
        "schema": SCHEMA,
        "target": target,
        "findings": findings.collect::<Vec<_>>(),
        "unreached": report.unreached.iter().copied().map(check_name).collect::<Vec<_>>(),
        "interrupted": report.interrupted,
        "failed": report.count(Mark::Fail),
        "warned": report.count(Mark::Warn),
        "passed": report.count(Mark::Pass),
        "skipped": report.count(Mark::Skip),
        "exit": report.exit_code(is_strict),
    })
}

/// A check's name for programs: the code of its label.
fn check_name(check: Check) -> &'static str {
    check.label().code()
}

fn sentence(text: &Text, language: Language) -> Value {
    let params = text
        .params()
        .map(|(name, value)| (name.to_owned(), param(value, language)));
    json!({
        "code": text.code(),
        "params": params.collect::<Map<_, _>>(),
        "text": text.to_string(language),
    })
}

fn param(value: &Param, language: Language) -> Value {
    match value {
        Param::Plain(text) | Param::Word(text) => Value::from(text.as_str()),
        Param::Number(number) | Param::Bytes(number) | Param::Moment(number) => {
            Value::from(*number)
        }
        // In milliseconds, with their fraction.
        Param::Duration(duration) => Value::from(duration.as_micros() as f64 / 1_000.0),
        Param::Text(text) => sentence(text, language),
        Param::List(items) => items.iter().map(|item| param(item, language)).collect(),
    }
}

fn label_cells(language: Language) -> usize {
    let labels = Check::ALL.map(|check| width::width(&check.label().to_string(language)));
    labels.into_iter().max().unwrap_or_default()
}

fn mark(mark: Mark, style: Style) -> String {
    let (sign, word, colour) = match mark {
        Mark::Pass => ("✓", "[ok]  ", Colour::Green),
        Mark::Skip => ("·", "[skip]", Colour::Grey),
        Mark::Warn => ("!", "[warn]", Colour::Yellow),
        Mark::Fail => ("✗", "[FAIL]", Colour::Red),
    };
    paint(if style.is_ascii { word } else { sign }, colour, style)
}

const fn mark_cells(style: Style) -> usize {
    if style.is_ascii { 6 } else { 1 }
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Green,
    Grey,
    Yellow,
    Red,
}

fn paint(text: &str, colour: Colour, style: Style) -> String {
    if !style.has_colour {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Bold => "1",
        Colour::Green => "32",
        Colour::Grey => "90",
        Colour::Yellow => "33",
        Colour::Red => "31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
