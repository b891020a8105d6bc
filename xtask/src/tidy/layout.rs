//! Files and functions: names, lengths, first lines, the roots of the libraries.

use std::path::Path;

use super::sources;
use crate::source::Source;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 100;
const NAMELESS: [&str; 6] = ["utils", "util", "common", "types", "helpers", "helper"];

pub(super) fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let nameless = |source: &&Source| {
        source
            .path
            .split('/')
            .any(|part| NAMELESS.contains(&part.trim_end_matches(".rs")))
    };
    let found = sources(root)?;
    Ok(found
        .iter()
        .filter(nameless)
        .map(|s| format!("{} is named by no subject", s.path))
        .collect())
}

pub(super) fn lengths(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for source in sources(root)? {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            breaches.push(format!(
                "{} has {lines} lines, more than {FILE_LINES_MAX}",
                source.path
            ));
        }
        for function in source.functions() {
            let lines = function.end - function.line + 1;
            if lines > FUNCTION_LINES_MAX {
                breaches.push(format!(
                    "{}:{} {} has {lines} lines, more than {FUNCTION_LINES_MAX}",
                    source.path,
                    function.line + 1,
                    function.name
                ));
            }
        }
    }
    Ok(breaches)
}

pub(super) fn first_lines(root: &Path) -> anyhow::Result<Vec<String>> {
    let found = sources(root)?;
    let silent = found
        .iter()
        .filter(|s| !s.text.starts_with("//! ") && !s.text.starts_with("#!["));
    Ok(silent
        .map(|s| format!("{} does not start with a //! sentence", s.path))
        .collect())
}

/// `lib.rs` of the codec and the core: docs, attributes, modules and re-exports.
pub(super) fn library_roots(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for path in ["crates/codec/src/lib.rs", "crates/broker/src/lib.rs"] {
        let source = Source::read(root, &root.join(path))?;
        for word in [
            "fn ",
            "struct ",
            "enum ",
            "trait ",
            "impl ",
            "macro_rules!",
            "static ",
        ] {
            if source
                .code
                .lines()
                .any(|l| l.trim_start_matches("pub ").trim_start().starts_with(word))
            {
                breaches.push(format!("{path} defines something: `{}`", word.trim()));
            }
        }
    }
    Ok(breaches)
}

pub(super) fn documents(root: &Path) -> anyhow::Result<Vec<String>> {
    let wanted = [
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
    ];
    let missing = wanted.iter().filter(|name| !root.join(name).is_file());
    Ok(missing.map(|name| format!("{name} is missing")).collect())
}
