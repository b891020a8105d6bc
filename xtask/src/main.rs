//! `cargo xtask`: the tests, the house rules and the figures of Columba.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool reports on standard output"
)]

mod conformance;
mod source;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let is_fine = match arguments[..] {
        ["tidy"] => tidy::run(&root)?,
        ["conformance"] => conformance::run(&root, false)?,
        ["conformance", "--brief"] => conformance::run(&root, true)?,
        _ => {
            println!("{USAGE}");
            false
        }
    };
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const USAGE: &str = "cargo xtask tidy | conformance [--brief]";

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}
