//! `cargo xtask`: the tests, the house rules and the figures of Columba.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool reports on standard output"
)]

mod api;
mod bench;
mod conformance;
mod crash;
mod gate;
mod instructions;
mod matrix;
mod process;
mod provision;
mod restart;
mod source;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use matrix::broker::Kind;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let is_fine = match arguments[..] {
        ["test"] => gate::run(&root)?,
        ["test", "--quick"] => gate::run_quick(&root)?,
        ["tidy"] => tidy::run(&root)?,
        ["conformance"] => conformance::run(&root, false)?,
        ["conformance", "--brief"] => conformance::run(&root, true)?,
        ["matrix", ref options @ ..] => run_matrix(&root, options)?,
        ["sim", ref options @ ..] => gate::run_simulator(options)?,
        ["crash", ref options @ ..] => {
            let options = crash::Options::parse(options)?;
            crash::run(
                &root,
                &gate::quick_binary(&root)?,
                &provision::python(&root)?,
                &options,
            )?
        }
        ["api", ref options @ ..] => {
            let search = api::Search::parse(options)?;
            let python = provision::python(&root)?;
            api::run(&root, &gate::quick_binary(&root)?, &python, search)?
        }
        ["instructions"] => instructions::run(&root)?,
        ["brokers", ref options @ ..] => gate::run_brokers(&root, options)?,
        ["faultlab", ref only @ ..] => gate::run_fault_lab(&root, only)?,
        ["restart", ref options @ ..] => restart::run(&root, &restart::Options::parse(options)?)?,
        ["bench", "client", ref options @ ..] => bench::clients::run(&root, options)?,
        ["bench", "durable", ref options @ ..] => bench::durable::run(&root, options)?,
        ["bench", ref options @ ..] => bench::run(&root, &bench::Options::parse(options)?)?,
        _ => {
            println!(
                "{USAGE}\n{}\n{}\n{}\n{}\n{}",
                crash::USAGE,
                bench::USAGE,
                bench::clients::USAGE,
                bench::durable::USAGE,
                restart::USAGE
            );
            false
        }
    };
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const USAGE: &str = "\
cargo xtask test [--quick]                     every check; --quick: the cargo tests alone
cargo xtask tidy                               the house rules
cargo xtask conformance [--brief]              normative statements and the tests that prove them
cargo xtask matrix [--broker mosquitto] [--only TEXT] [--shards N]
                                               client libraries from elsewhere
cargo xtask sim [--seeds N] [--seed N] [--trace] [--minutes M]
                                               the whole-broker simulator
cargo xtask api [SECONDS]                      requests made up from the API's description: always the
                                               same ones, or others for so long
cargo xtask brokers [--seeds N] [--start SEED] the client library against brokers from elsewhere; with
                                               --seeds: through cuts, delays and kills alone
cargo xtask faultlab [TEST]                    causes of lost messages, made by clients, and the verdicts
cargo xtask instructions                       what the core costs in instructions, allocations, bytes";

/// `cargo xtask matrix`: both shard counts of ours unless told otherwise.
fn run_matrix(root: &Path, options: &[&str]) -> anyhow::Result<bool> {
    let (mut only, mut shards, mut is_mosquitto) = ("", vec![1, 2], false);
    for option in options.chunks(2) {
        match option {
            ["--only", text] => only = text,
            ["--shards", count] => shards = vec![count.parse().context("--shards")?],
            ["--broker", "mosquitto"] => is_mosquitto = true,
            _ => bail!("no such option: {}\n{USAGE}", option.join(" ")),
        }
    }
    let drivers = provision::drivers(root)?;
    let kinds = if is_mosquitto {
        provision::programs(&[provision::MOSQUITTO])?;
        vec![Kind::Mosquitto]
    } else {
        let binary = gate::quick_binary(root)?;
        shards
            .into_iter()
            .map(|shards| Kind::Columba {
                binary: binary.clone(),
                shards,
            })
            .collect()
    };
    Ok(matrix::run(root, &drivers, &kinds, only)?.failed == 0)
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}
