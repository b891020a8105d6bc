//! `cargo xtask instructions`: what the core costs in instructions, allocations and bytes.
//!
//! Counted, not timed, so that a busy machine gives the same figures as a quiet one.

mod callgrind;
mod memory;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
pub(crate) use page::grouped;

use crate::process::{cargo, output_of};
use crate::provision;

/// Subscriptions around the measured ones, in growing tables.
const SCALES: [&str; 3] = ["1000", "100000", "1000000"];

/// Measures everything and writes the page.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    provision::programs(&[provision::VALGRIND])?;
    let memory = memory::run(&bench(root, "memory")?)?;
    let program = bench(root, "instructions")?;
    let measurements = callgrind::run(root, &program, &["measure"])?;
    let scaled: Vec<_> = SCALES
        .iter()
        .map(|count| callgrind::run(root, &program, &["scale", count]))
        .collect::<Result<_, _>>()?;
    let recorder = callgrind::run(root, &program, &["recorder"])?;
    let path = root.join("docs/instructions.md");
    let page = page::write(&measurements, &recorder, &scaled, &memory);
    fs::write(&path, page)?;
    println!("{}", path.display());
    Ok(true)
}

/// Builds a bench of the core; its path.
fn bench(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let words = ["bench", "--package", "columba-broker", "--bench", name];
    let mut build = cargo(words);
    build.args(["--no-run", "--locked"]);
    build.arg("--message-format=json-render-diagnostics");
    let text = output_of(build.current_dir(root))?;
    let (_, rest) = text
        .rsplit_once("\"executable\":\"")
        .with_context(|| format!("cargo built no bench {name}"))?;
    let path = PathBuf::from(rest.split('"').next().unwrap_or_default());
    ensure!(path.is_file(), "{} is no file", path.display());
    Ok(path)
}
