//! What the workspace is built from: banned packages, sources and licences of dependencies.
//!
//! `deny.toml` says the same to cargo-deny; this check needs no more than cargo, so it always runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// One crypto provider (aws-lc-rs), and no C library that the system must bring.
const BANNED: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "async-std"];

/// Licences that may be linked into the broker; the same list as in `deny.toml`.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut breaches = Vec::new();
    for package in packages(&fs::read_to_string(root.join("Cargo.lock"))?) {
        if package
            .source
            .as_deref()
            .is_some_and(|s| !s.starts_with("registry+"))
        {
            breaches.push(format!("{} comes from outside the registry", package.name));
        }
    }
    // The lock file also names packages that no feature turns on; what is built counts.
    for (package, licence) in licences(root)? {
        if package
            .split(' ')
            .next()
            .is_some_and(|name| BANNED.contains(&name))
        {
            breaches.push(format!("{package} is banned"));
        }
        if !is_allowed(&licence) {
            breaches.push(format!("{package} is licensed {licence:?}"));
        }
    }
    Ok(breaches)
}

/// Packages that are there in more than one version.
pub(super) fn duplicates(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages(&fs::read_to_string(root.join("Cargo.lock"))?) {
        versions
            .entry(package.name)
            .or_default()
            .push(package.version);
    }
    let twice = versions.into_iter().filter(|(_, v)| v.len() > 1);
    Ok(twice
        .map(|(name, v)| format!("{name} in {} versions: {}", v.len(), v.join(", ")))
        .collect())
}

struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

fn packages(lock: &str) -> Vec<Package> {
    let field = |block: &str, key: &str| {
        let line = block
            .lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| {
            Some(Package {
                name: field(block, "name")?,
                version: field(block, "version")?,
                source: field(block, "source"),
            })
        })
        .collect()
}

fn licences(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--target",
            "all",
            "--edges",
            "normal,build",
        ])
        .args(["--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(root)
        .output()
        .context("cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(package, licence)| {
            (
                package.to_owned(),
                licence.trim_end_matches(" (*)").trim().to_owned(),
            )
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether the list satisfies a licence expression.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = any_of(&words, &mut at);
    verdict && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all_of(words, at);
    }
    verdict
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let verdict = any_of(words, at);
        *at += 1;
        return verdict;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH")
        && let Some(exception) = words.get(*at + 1)
    {
        name = format!("{name} WITH {exception}");
        *at += 2;
    }
    LICENCES.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn licence_expressions_are_weighed() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("ISC AND (Apache-2.0 OR GPL-3.0)", true),
            ("(GPL-3.0 OR LGPL-2.1) AND MIT", false),
            ("Unlicense/MIT", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }
}
