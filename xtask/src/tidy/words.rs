//! Words that must not stand in the repository: unfinished work, sleeping tests, one machine's paths.

use std::fs;
use std::path::Path;

use super::sources;
use crate::source::files_below;

pub(super) fn unfinished(root: &Path) -> anyhow::Result<Vec<String>> {
    let in_code = ["todo!(", "unimplemented!(", "#[ignore"];
    let anywhere = [
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("TO", "DO"),
    ];
    let mut breaches = Vec::new();
    for source in sources(root)? {
        for (number, (code, text)) in source.code.lines().zip(source.text.lines()).enumerate() {
            let found = in_code
                .iter()
                .find(|w| code.contains(**w))
                .or_else(|| anywhere.iter().find(|w| has_word(text, w)));
            if let Some(word) = found {
                breaches.push(format!("{}:{} says {word}", source.path, number + 1));
            }
        }
    }
    Ok(breaches)
}

/// Whether `word` stands in `text` with nothing alphanumeric beside it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    })
}

pub(super) fn sleeping_tests(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for source in sources(root)? {
        // The drivers of foreign clients wait for a message that must not come.
        if source.path.starts_with("tests/clients/") {
            continue;
        }
        let functions = source.functions();
        for (number, line) in source.code.lines().enumerate() {
            if calls_sleep(line) && source.is_test_line(&functions, number) {
                breaches.push(format!("{}:{} sleeps in a test", source.path, number + 1));
            }
        }
    }
    Ok(breaches)
}

fn calls_sleep(line: &str) -> bool {
    line.match_indices("sleep(")
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Paths of one machine and addresses of registries, in every text file.
pub(super) fn places(root: &Path) -> anyhow::Result<Vec<String>> {
    let places = [
        concat!("/wo", "rk/main"),
        concat!("/wo", "rk/shared"),
        concat!("/ro", "ot/."),
        concat!("/Us", "ers/"),
        concat!("\"reso", "lved\":"),
    ];
    let mut breaches = Vec::new();
    for ending in [
        ".rs", ".toml", ".md", ".json", ".py", ".sh", ".cjs", ".mjs", ".lock", "run",
    ] {
        for path in files_below(root, ending)? {
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            for place in places {
                if let Some(at) = text.find(place) {
                    let line = text[..at].lines().count();
                    let shown = path.strip_prefix(root).unwrap_or(&path).display();
                    breaches.push(format!("{shown}:{line} names {place}"));
                }
            }
        }
    }
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_stands_alone() {
        assert!(has_word("// ABC: later", "ABC"));
        assert!(!has_word("let ABCD = 1", "ABC"));
    }
}
