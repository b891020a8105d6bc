//! `columba link-mosquitto`: makes the links under which this binary is Mosquitto's clients.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Tool;
use crate::failure::{self, Failure};
use crate::words::{instance, system};

/// Make links named mosquitto_pub, mosquitto_sub and mosquitto_rr to this program in a directory
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba link-mosquitto ~/bin")]
pub struct LinkArgs {
    /// Directory for the links, one that PATH names before Mosquitto's
    directory: PathBuf,
    /// Replace files that have these names
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(args: &LinkArgs) -> ExitCode {
    let linked = std::env::current_exe()
        .map_err(|error| Failure::new(instance::no_own_path(system(&error))))
        .and_then(|target| link(args, &target));
    failure::end(linked)
}

fn link(args: &LinkArgs, target: &Path) -> Result<(), Failure> {
    let paths = Tool::ALL.map(|tool| args.directory.join(tool.program()));
    // All or none: whoever has two of three linked gets a mixture of programs.
    for path in &paths {
        let is_ours = fs::read_link(path).is_ok_and(|found| found == target);
        if !args.force && !is_ours && path.symlink_metadata().is_ok() {
            return Err(Failure::new(instance::is_there(path.display().to_string()))
                .fix(instance::force_replaces()));
        }
    }
    for path in &paths {
        replace(path, target).map_err(|error| {
            let path = path.display().to_string();
            Failure::new(instance::unlinkable(path, system(&error)))
        })?;
        failure::print(&format!("{} -> {}\n", path.display(), target.display()));
    }
    Ok(())
}

/// Makes the link beside its place and moves it there, so that the name is never without a file.
fn replace(path: &Path, target: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.new", std::process::id()));
    symlink(target, &aside)?;
    fs::rename(&aside, path).inspect_err(|_| {
        // The error that counts is that of the move.
        let _ = fs::remove_file(&aside);
    })
}
