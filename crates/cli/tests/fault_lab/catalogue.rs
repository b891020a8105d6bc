//! `docs/causes.md` says what is in the lab, and every verdict is in it or has a reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use columba_diagnosis::Code;

/// A row of the page.
struct Cause {
    number: u32,
    codes: BTreeSet<String>,
    scenarios: BTreeSet<String>,
    has_reason: bool,
}

fn names_in_backticks(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(Into::into).collect()
}

fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| {
        row.trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect()
    })
    .collect()
}

fn causes(page: &str) -> Vec<Cause> {
    let rows = rows(page).into_iter();
    rows.filter_map(|row| {
        let [number, _, codes, place] = row[..] else {
            return None;
        };
        let number = number.parse().ok()?;
        let has_reason = place.starts_with('*');
        Some(Cause {
            number,
            codes: codes
                .split(", ")
                .map(Into::into)
                .filter(|code: &String| !code.is_empty())
                .collect(),
            scenarios: if has_reason {
                BTreeSet::new()
            } else {
                names_in_backticks(place)
            },
            has_reason,
        })
    })
    .collect()
}

/// Every scenario of the lab: its doc comment and what it does.
fn scenarios() -> BTreeMap<String, (String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault_lab");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("the sources") {
        let path = entry.expect("an entry").path();
        let source = std::fs::read_to_string(path).expect("a source");
        let mut doc = String::new();
        let mut parts = source.split("\n#[test]\n");
        let mut before = parts.next().unwrap_or_default();
        for part in parts {
            doc.clear();
            let lines = before.lines().rev();
            let comment: Vec<_> = lines.take_while(|line| line.starts_with("///")).collect();
            doc.extend(comment.into_iter().rev());
            let name = part
                .strip_prefix("fn ")
                .and_then(|part| part.split('(').next());
            let body = part.split("\n}\n").next().unwrap_or_default();
            let name = name.unwrap_or_default().to_owned();
            all.insert(name, (doc.clone(), body.to_owned()));
            before = part;
        }
    }
    all
}

/// The numbers behind `Cause` or `Causes` at the beginning of a comment.
fn numbers(doc: &str) -> BTreeSet<u32> {
    let words = doc
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let list = words
        .skip(1)
        .take_while(|word| *word == "and" || word.parse::<u32>().is_ok());
    if !doc.starts_with("/// Cause") {
        return BTreeSet::new();
    }
    list.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_page_of_causes_says_what_is_in_the_lab() {
    let page = include_str!("../../../../docs/causes.md");
    let (causes, scenarios) = (causes(page), scenarios());
    assert_eq!(
        causes.iter().map(|of| of.number).collect::<Vec<_>>(),
        (1..=58).collect::<Vec<_>>()
    );
    for Cause {
        number,
        codes,
        scenarios: names,
        has_reason,
    } in &causes
    {
        assert_eq!(
            *has_reason,
            names.is_empty(),
            "cause {number} is in the lab or has a reason"
        );
        let mut left = codes.clone();
        for name in names {
            let found = scenarios.get(name);
            let (doc, body) = found.unwrap_or_else(|| panic!("cause {number}: no scenario {name}"));
            assert!(
                numbers(doc).contains(number),
                "{name} does not name cause {number}: {doc}"
            );
            // A word of a match on an answer counts as well as one that is expected.
            left.retain(|code| {
                !body.contains(&format!("{code}\"")) && !body.contains(&format!("{code}\\\""))
            });
        }
        assert!(
            *has_reason || left.is_empty(),
            "cause {number}: no scenario asserts {left:?}"
        );
    }
    // And the other way round.
    for (name, (doc, _)) in &scenarios {
        for number in numbers(doc) {
            let cause = causes.iter().find(|cause| cause.number == number);
            let is_named = cause.is_some_and(|cause| cause.scenarios.contains(name));
            assert!(is_named, "{name} is not named with cause {number}");
        }
    }
}

#[test]
fn every_verdict_is_in_the_lab_or_has_a_reason() {
    let page = include_str!("../../../../docs/causes.md");
    let scenarios = scenarios();
    let (_, exceptions) = page
        .split_once("Codes that no line")
        .expect("the second table");
    let excepted: BTreeSet<_> = rows(exceptions)
        .iter()
        .map(|row| row[0].to_owned())
        .collect();
    let mut missing = Vec::new();
    for code in Code::ALL.iter().map(|code| code.name()) {
        let quoted = [format!("\"{code}\""), format!("\"\\\"{code}\\\"\"")];
        let is_asserted = scenarios
            .values()
            .any(|(_, body)| quoted.iter().any(|of| body.contains(of)));
        if is_asserted == excepted.contains(code) {
            missing.push(code);
        }
    }
    assert!(
        missing.is_empty(),
        "in the lab and not, or in neither: {missing:?}"
    );
}
