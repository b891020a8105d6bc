//! `columba check`: all faults of all files of an instance.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use columba_server::instance::{Instance, Location, Overrides};

use crate::failure::{EXIT_FAULTY, count_of, note, show_faults, tell};
use crate::words::start;

/// Check all files of an instance and report every error at once
///
/// Exits with 0 if the broker would start with these files (warnings do not count), with 2 if not.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba check /srv/mqtt && systemctl reload columba")]
pub struct CheckArgs {
    /// Directory of the instance
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Configuration file, in place of DIR/etc/columba.toml
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> ExitCode {
    let location = match &args.config {
        Some(file) => Location::of_file(file),
        None => Location::of_directory(&args.dir),
    };
    match Instance::load(&location, &Overrides::default(), std::env::vars()) {
        Ok(instance) => {
            show_faults(&instance.warnings);
            tell(start::good(
                location.base.display().to_string(),
                instance.config.listeners.len(),
                instance.users.len(),
                instance.access.len(),
                count_of(&instance.warnings),
            ));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            show_faults(&faults);
            let base = location.base.display().to_string();
            note(start::faulty(base, count_of(&faults)));
            ExitCode::from(EXIT_FAULTY)
        }
    }
}
