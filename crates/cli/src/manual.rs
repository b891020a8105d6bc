//! `columba man`: the manual pages, made from the same text as `--help`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::failure::{Failure, end, print, tell};
use crate::words::{instance, start, system, unwritable};

/// Write the manual pages, one a command
///
/// Without DIR the page of `columba` goes to the standard output: `columba man | man -l -` shows it.
#[derive(Args, Clone, Debug)]
#[command(after_help = HOW_TO)]
pub struct ManArgs {
    /// Directory for all pages, columba.1, columba-pub.1 and so on; it is made if it is not there
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

const HOW_TO: &str = "\
To install them:
  for yourself   columba man ~/.local/share/man/man1
  for all users  sudo columba man /usr/local/share/man/man1
Then `man columba-pub` shows that of `columba pub`.";

/// Runs the command; `program` is the whole of this program's commands.
pub fn run(args: &ManArgs, program: Command) -> ExitCode {
    end(write(args.dir.as_deref(), program))
}

fn write(dir: Option<&Path>, program: Command) -> Result<(), Failure> {
    let version = program.get_version().unwrap_or_default().to_owned();
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let failed = |path: &Path, error: io::Error| {
        Failure::new(unwritable(path.display().to_string(), system(&error)))
            .fix(instance::writable_dir())
    };
    let Some(dir) = dir else {
        let page = page(&program, &version).map_err(|error| failed(Path::new("-"), error))?;
        print(&String::from_utf8_lossy(&page));
        return Ok(());
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let mut waiting = vec![&program];
    let mut count = 0_u64;
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|sub| !sub.is_hide_set()));
        let path = dir.join(format!("{}.1", page_name(command)));
        page(command, &version)
            .and_then(|page| std::fs::write(&path, page))
            .map_err(|error| failed(&path, error))?;
        count += 1;
    }
    tell(start::pages(count, dir.display().to_string()));
    Ok(())
}

/// `columba-store-check` for `columba store check`.
fn page_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, version: &str) -> io::Result<Vec<u8>> {
    // The page leaves no text out that the short help does.
    let whole = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(whole)
        .title(page_name(command).to_uppercase())
        .source(format!("Columba {version}"))
        .manual("Columba");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let notes = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    let notes = notes.map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = with_examples_apart(&notes);
    for (heading, lines) in [("NOTES", notes), ("EXAMPLES", examples)] {
        if lines.is_empty() {
            continue;
        }
        // As they are: examples and tables are written in columns.
        let mut roff = Roff::new();
        roff.control("SH", [heading]).control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []).to_writer(&mut page)?;
    }
    Ok(page)
}

/// The lines of a text, and those that stand indented below a heading for examples.
fn with_examples_apart(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut notes, mut examples) = (Vec::new(), Vec::new());
    let mut is_example = false;
    for line in text.lines() {
        if line == "Examples:" || line == "Example:" {
            is_example = true;
            continue;
        }
        is_example &= line.is_empty() || line.starts_with(' ');
        match is_example {
            true => examples.push(line),
            false => notes.push(line),
        }
    }
    (notes, examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn examples_stand_apart_and_no_option_is_without_text() {
        let command = Command::new("p")
            .arg(
                Arg::new("rare")
                    .long("rare")
                    .help("Seldom needed")
                    .hide_short_help(true),
            )
            .after_help("One note\nExamples:\n  p --rare\nExit codes: 0");
        let page = page(&command, "1").expect("a page");
        let page = String::from_utf8(page).expect("text");
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
        assert!(place("Seldom needed") < place(".SH NOTES"));
        assert!(place("One note") < place("Exit codes"));
        assert!(place("Exit codes") < place(".SH EXAMPLES"));
        assert!(place(".SH EXAMPLES") < place("p \\-\\-rare\n.fi"));
    }
}
