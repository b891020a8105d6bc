//! `columba link-mosquitto`: makes the links under which this binary is Mosquitto's clients.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Tool;
use crate::failure::{self, Failure};
use crate::language;
use crate::words::{self, instance, system};

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
    let directory = args.directory.canonicalize().map_err(|error| {
        let directory = args.directory.display().to_string();
        Failure::new(instance::no_directory_for_links(directory, system(&error)))
    })?;
    let paths = Tool::ALL.map(|tool| directory.join(tool.program()));
    // All or none: whoever has two of three linked gets a mixture of programs.
    let mut others = Vec::new();
    for path in &paths {
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        if found.is_dir() {
            let path = path.display().to_string();
            return Err(Failure::new(instance::is_directory(path)).fix(instance::other_directory()));
        }
        match fs::read_link(path) {
            Ok(there) if there == target => {}
            Ok(there) => others.push(format!("{} -> {}", path.display(), there.display())),
            Err(_) => others.push(path.display().to_string()),
        }
    }
    if !args.force && !others.is_empty() {
        let what = instance::is_there(others.join(", "));
        return Err(Failure::new(what).fix(instance::force_replaces()));
    }
    for path in &paths {
        replace(path, target).map_err(|error| {
            let path = path.display().to_string();
            Failure::new(instance::unlinkable(path, system(&error)))
        })?;
        failure::print(&format!("{} -> {}\n", path.display(), target.display()));
    }
    let first = std::env::var_os("PATH").and_then(|path| first_in(&path, Tool::Subscribe));
    if first.as_deref() != Some(&directory) {
        let directory = directory.display().to_string();
        let note = match first {
            Some(other) => instance::links_are_behind(directory, other.display().to_string()),
            None => instance::links_are_not_found(directory),
        };
        failure::say(&format!(
            "{}\n",
            words::warning(note).to_string(language::spoken())
        ));
    }
    Ok(())
}

/// The first directory of PATH that has this program.
fn first_in(path: &OsStr, tool: Tool) -> Option<PathBuf> {
    let mut directories = std::env::split_paths(path);
    let found = directories.find(|directory| directory.join(tool.program()).is_file())?;
    Some(found.canonicalize().unwrap_or(found))
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
