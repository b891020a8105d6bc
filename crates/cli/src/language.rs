//! Which language this program speaks.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use columba_speech::Language;

use crate::colour::Colour;
use crate::failure::{EXIT_FAULTY, print, say};
use crate::mosquitto;
use crate::screen;
use crate::words::{Said, command_line, help, value};

/// The option that every command has. Who speaks asks `spoken`, which is needed before a command line
/// is understood.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct LanguageArgs {
    /// Language: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language, global = true)]
    lang: Option<Language>,
}

/// Understands a command line, whose help and faults are told in the language of this process.
///
/// # Errors
/// The exit code, when all is said already.
pub fn parse<P: clap::Parser>(line: Vec<OsString>) -> Result<P, ExitCode> {
    let language = spoken();
    let mut program = match language {
        Language::English => mosquitto::help::as_called(P::command()),
        Language::Chinese => help::chinese(P::command()),
    };
    let matches = program.try_get_matches_from_mut(&line);
    let parsed = matches.and_then(|mut matches| P::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| {
        let error = as_without_help(error, &mut program, &line);
        let typed: Vec<_> = std::env::args_os().collect();
        let error = mosquitto::help::as_typed(error, &typed);
        refuse(&error.format(&mut program), language)
    })
}

fn refuse(error: &clap::Error, language: Language) -> ExitCode {
    if let Some(exit) = mosquitto::refuse_arguments(error) {
        return exit;
    }
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    match language {
        Language::English => match error.source().and_then(value::clearer) {
            Some((theirs, ours)) => {
                let is_terminal = std::io::stderr().is_terminal();
                say(&rendered(error, is_terminal).replace(&theirs, &ours.to_string(language)));
            }
            None => {
                // A closed stream leaves nobody to tell.
                let _ = error.print();
            }
        },
        Language::Chinese if is_help => {
            let is_terminal = match error.use_stderr() {
                true => std::io::stderr().is_terminal(),
                false => std::io::stdout().is_terminal(),
            };
            let text = help::in_chinese(&rendered(error, is_terminal), cells_of_help());
            if error.use_stderr() {
                say(&text)
            } else {
                print(&text)
            }
        }
        Language::Chinese if error.use_stderr() => say(&command_line::refused(error, language)),
        Language::Chinese => print(&error.to_string()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_FAULTY))
}

/// The cells of a line of help: those of the terminal, also where a pager reads, or what `COLUMNS` says, as in the
/// English help.
fn cells_of_help() -> usize {
    use std::io::{stderr, stdin, stdout};
    let terminals = [
        stdout().is_terminal().then(|| screen::size(stdout())),
        stderr().is_terminal().then(|| screen::size(stderr())),
        stdin().is_terminal().then(|| screen::size(stdin())),
    ];
    if let Some((cells, _)) = terminals.into_iter().flatten().next() {
        return cells;
    }
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns.unwrap_or(HELP_CELLS)
}

/// Cells of a line of help that nobody sees on a terminal.
const HELP_CELLS: usize = 100;

/// The text of a fault or the help, with colours where they are wanted.
fn rendered(error: &clap::Error, is_terminal: bool) -> String {
    let text = error.render();
    match Colour::Auto.is_wanted(is_terminal) {
        true => text.ansi().to_string(),
        false => text.to_string(),
    }
}

/// The language that the environment asks for.
pub(crate) fn language_of_environment() -> Language {
    Language::from_environment(|name| std::env::var(name).ok())
}

/// The language that an option asks for.
pub(crate) fn parse_language(text: &str) -> Result<Language, Said> {
    Language::from_tag(text).ok_or_else(|| value::language().into())
}

/// The language of this process, before its command line is understood or where a command has no
/// option for it. Called by the names of Mosquitto's clients the program speaks English, as they do.
pub(crate) fn spoken() -> Language {
    if mosquitto::called_as().is_some() {
        return Language::English;
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    named_in(&words).unwrap_or_else(language_of_environment)
}

/// What the last `--lang` of a command line says, if it names a language.
fn named_in(words: &[OsString]) -> Option<Language> {
    let words = words.iter().map(|word| word.to_str().unwrap_or_default());
    let mut words = words.take_while(|word| *word != "--");
    let mut found = None;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--lang") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        found = value.and_then(Language::from_tag).or(found);
    }
    found
}

/// The words of a command line with `--lang` behind the command if it stands before it: which words a
/// command takes is known by its name, which is looked for in front.
pub(crate) fn behind_command(words: Vec<OsString>) -> Vec<OsString> {
    let mut rest = words.iter().skip(1).peekable();
    let mut languages = Vec::new();
    let command = loop {
        let Some(word) = rest.next() else {
            return words;
        };
        let named = word.as_bytes().strip_prefix(b"--lang");
        match named {
            Some(b"") => {
                let Some(language) = rest.next() else {
                    return words;
                };
                languages.push([OsStr::new("--lang="), language].join(OsStr::new("")));
            }
            Some([b'=', ..]) => languages.push(word.clone()),
            _ => break word,
        }
    };
    let mut line: Vec<_> = words.first().cloned().into_iter().collect();
    if command == "help" {
        let names = names_after_help(rest, &mut languages);
        line.extend(languages);
        line.push(command.clone());
        line.extend(names);
        return line;
    }
    // Without a command nothing has to be found.
    if languages.is_empty() || command.as_bytes().starts_with(b"-") {
        return words;
    }
    line.push(command.clone());
    line.extend(languages);
    line.extend(rest.cloned());
    line
}

/// The names of commands behind `help`, which takes nothing else: languages go with the others before it, and
/// that help is wanted is said already.
fn names_after_help<'a>(
    mut words: impl Iterator<Item = &'a OsString>,
    languages: &mut Vec<OsString>,
) -> Vec<OsString> {
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--lang" => match words.next() {
                Some(language) => {
                    languages.push([OsStr::new("--lang="), language].join(OsStr::new("")));
                }
                None => names.push(word.clone()),
            },
            b"-h" | b"--help" => {}
            bytes if bytes.starts_with(b"--lang=") => languages.push(word.clone()),
            _ => names.push(word.clone()),
        }
    }
    names
}

/// What is said of the name of a command behind `help` that there is none of: the same as without `help`, where
/// what resembles it is named.
fn as_without_help(
    error: clap::Error,
    program: &mut clap::Command,
    line: &[OsString],
) -> clap::Error {
    let unknown = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if error.kind() == ErrorKind::InvalidSubcommand => name,
        _ => return error,
    };
    let Some(help) = line.iter().position(|word| word == "help") else {
        return error;
    };
    let Some(at) = line
        .iter()
        .skip(help)
        .position(|word| word == unknown.as_str())
    else {
        return error;
    };
    let words = line
        .iter()
        .take(help)
        .chain(line.iter().skip(help + 1).take(at));
    match program.try_get_matches_from_mut(words.cloned()) {
        Err(other) if other.kind() == ErrorKind::InvalidSubcommand => other.format(program),
        Err(_) | Ok(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_before_the_command_goes_behind_it() {
        let check = |line: &str, expected: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let line = behind_command(words).join(OsStr::new(" "));
            assert_eq!(line, expected);
        };
        check("c --lang zh pub -m -5", "c pub --lang=zh -m -5");
        check("c --lang=zh --lang fr pub", "c pub --lang=zh --lang=fr");
        // `help` takes names of commands alone.
        check("c --lang zh help pub", "c --lang=zh help pub");
        check("c help pub --lang zh", "c --lang=zh help pub");
        check(
            "c help --lang=zh token add -h",
            "c --lang=zh help token add",
        );
        for same in [
            "c",
            "c --lang",
            "c --lang zh",
            "c --lang zh --help",
            "c --lang zh -- pub",
            "c --language zh pub",
            "c pub --lang zh",
            "c help pub --lang",
        ] {
            check(same, same);
        }
    }

    #[test]
    fn the_command_line_may_name_a_language() {
        let check = |line: &str, expected| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(named_in(&words), expected, "{line}");
        };
        check("pub --lang zh -t a", Some(Language::Chinese));
        check("pub --foo --lang=en", Some(Language::English));
        check("pub --lang zh --lang en", Some(Language::English));
        check("pub --language zh", None);
        check("pub --lang", None);
        check("pub --lang fr", None);
        check("pub -- --lang zh", None);
    }
}
