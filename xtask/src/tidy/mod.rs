//! The house rules of `CONTRIBUTING.md` that a program can check.

mod floors;
mod layout;
mod supply;
mod words;

use std::path::Path;

use crate::source::{Source, files_below};

/// Prints every breach; whether there is none.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let mut breaches = Vec::new();
    for (name, check) in CHECKS {
        let found = check(root)?;
        println!(
            "tidy {name}: {}",
            if found.is_empty() { "ok" } else { "broken" }
        );
        breaches.extend(found);
    }
    for breach in &breaches {
        println!("tidy: {breach}");
    }
    for note in supply::duplicates(root)? {
        println!("tidy note: {note}");
    }
    Ok(breaches.is_empty())
}

type Check = fn(&Path) -> anyhow::Result<Vec<String>>;

const CHECKS: [(&str, Check); 12] = [
    ("edges", floors::edges),
    ("purity", floors::purity),
    ("unsafe", floors::unsafe_code),
    ("names", layout::names),
    ("lengths", layout::lengths),
    ("first lines", layout::first_lines),
    ("lib.rs", layout::library_roots),
    ("documents", layout::documents),
    ("unfinished", words::unfinished),
    ("sleeping tests", words::sleeping_tests),
    ("places", words::places),
    ("supply", supply::check),
];

/// Every Rust file of the workspace.
fn sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    for dir in ["crates", "xtask", "tests", "fuzz"] {
        for path in files_below(&root.join(dir), ".rs")? {
            found.push(Source::read(root, &path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> anyhow::Result<()> {
        let (_, check) = CHECKS
            .iter()
            .find(|(n, _)| *n == name)
            .expect("a check of that name");
        let breaches = check(&crate::root())?;
        assert!(breaches.is_empty(), "{breaches:#?}");
        Ok(())
    }

    #[test]
    fn crates_depend_downwards_only() -> anyhow::Result<()> {
        check("edges")
    }

    #[test]
    fn the_lower_floors_ban_clock_io_threads_and_locks() -> anyhow::Result<()> {
        check("purity")
    }

    #[test]
    fn crates_without_unsafe_code_forbid_it() -> anyhow::Result<()> {
        check("unsafe")
    }

    #[test]
    fn files_are_named_by_their_subject() -> anyhow::Result<()> {
        check("names")
    }

    #[test]
    fn files_and_functions_stay_short() -> anyhow::Result<()> {
        check("lengths")
    }

    #[test]
    fn every_file_says_what_it_is() -> anyhow::Result<()> {
        check("first lines")
    }

    #[test]
    fn library_roots_hold_docs_and_exports() -> anyhow::Result<()> {
        check("lib.rs")
    }

    #[test]
    fn the_documents_exist() -> anyhow::Result<()> {
        check("documents")
    }

    #[test]
    fn nothing_is_left_unfinished() -> anyhow::Result<()> {
        check("unfinished")
    }

    #[test]
    fn tests_do_not_sleep() -> anyhow::Result<()> {
        check("sleeping tests")
    }

    #[test]
    fn no_file_names_a_place_on_one_machine() -> anyhow::Result<()> {
        check("places")
    }

    #[test]
    fn dependencies_are_licensed_and_from_the_registry() -> anyhow::Result<()> {
        check("supply")
    }
}
