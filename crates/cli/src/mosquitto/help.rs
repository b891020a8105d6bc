//! The help and the faults of a command line by Mosquitto's names: what is refused there is not offered,
//! and an option is named as it was typed.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::spelling::spelling;
use super::{Tool, called_as};

/// What these names refuse, or what is always so there.
const HIDDEN: &[&str] = &[
    "accept_common_name",
    "api",
    "context",
    "dir",
    "explain",
    "lang",
    "token",
    "why",
    "why_for",
];

/// What means something else there.
const OTHERWISE: &[(&str, &str)] = &[
    ("debug", "Print a line for each packet"),
    ("host", "Host to connect to [default: localhost]"),
    ("keepalive", "Keep alive in seconds, 5 at least"),
    ("help", "Print this help"),
];

/// The program with the help that fits the name it was called by.
pub(crate) fn as_called(program: Command) -> Command {
    match called_as() {
        Some(tool) => by_its_name(program, tool),
        None => program,
    }
}

fn by_its_name(program: Command, tool: Tool) -> Command {
    program.mut_subcommand(tool.command(), |command| {
        command.mut_args(|arg| {
            let id = arg.get_id().as_str();
            let otherwise = OTHERWISE.iter().find(|(known, _)| *known == id);
            let is_hidden = HIDDEN.contains(&id);
            match otherwise {
                Some((_, text)) => arg.help(*text),
                None if is_hidden => arg.hide(true),
                None => arg,
            }
        })
    })
}

/// Names an unknown option as it was typed: it was brought into another form before it was read, and
/// what resembles that form is no tip.
pub(crate) fn as_typed(mut error: clap::Error, line: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(ours)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let ours = ours.clone();
    let mut words = line.iter().skip(1).filter_map(|word| word.to_str());
    let typed = words.find(|word| spelling(word).is_some_and(|found| found.ours == ours));
    let is_other = typed.is_some_and(|typed| typed != ours);
    if let Some(typed) = typed.filter(|_| is_other) {
        error.insert(
            ContextKind::InvalidArg,
            ContextValue::String(typed.to_owned()),
        );
    }
    if is_other || called_as().is_some() {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::Suggested);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::PublishArgs;
    use crate::request::RequestArgs;
    use crate::subscribe::SubscribeArgs;
    use clap::Args as _;

    fn commands() -> [(Tool, Command); 3] {
        [
            (
                Tool::Publish,
                PublishArgs::augment_args(Command::new("pub")),
            ),
            (
                Tool::Subscribe,
                SubscribeArgs::augment_args(Command::new("sub")),
            ),
            (Tool::Request, RequestArgs::augment_args(Command::new("rr"))),
        ]
    }

    #[test]
    fn mosquittos_help_offers_nothing_that_is_refused() {
        for (tool, command) in commands() {
            let program = by_its_name(Command::new("columba").subcommand(command), tool);
            let mut command = program
                .find_subcommand(tool.command())
                .expect("the command")
                .clone();
            let help = command.render_help().to_string();
            // Examples of `columba` are left out where it is printed.
            let (help, _) = help.split_once("\nExamples:\n").expect("examples");
            for refused in [
                "--context",
                "--lang",
                "--why",
                "--explain",
                "--token",
                "--api",
                "0 turns it off",
                "that of the context",
                "COLUMBA_LANG",
            ] {
                assert!(!help.contains(refused), "{refused}: {help}");
            }
            assert!(help.contains("5 at least"), "{help}");
        }
    }

    #[test]
    fn every_option_that_is_changed_exists() {
        let known: Vec<_> = (commands().iter())
            .flat_map(|(_, command)| command.get_arguments())
            .map(|arg| arg.get_id().to_string())
            .collect();
        let names = HIDDEN.iter().chain(OTHERWISE.iter().map(|(name, _)| name));
        for name in names {
            assert!(known.iter().any(|id| id == name), "{name}");
        }
    }

    #[test]
    fn an_unknown_option_is_named_as_it_was_typed() {
        for (typed, folded, is_tip) in [("-C", "--count=1", false), ("--contxt", "--contxt", true)]
        {
            let program = Command::new("columba").subcommand(commands()[0].1.clone());
            let read = program.try_get_matches_from(["columba", "pub", folded]);
            let line = ["columba", "pub", typed].map(OsString::from);
            let said = as_typed(read.expect_err("unknown"), &line).to_string();
            assert!(
                said.contains(&format!("unexpected argument '{typed}' found")),
                "{said}"
            );
            assert_eq!(said.contains("tip:"), is_tip, "{said}");
        }
    }
}
