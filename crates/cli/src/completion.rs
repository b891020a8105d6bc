//! `columba completion`: what makes a shell complete this program's command lines, and
//! `columba complete`, which those scripts ask what fits.

mod line;
mod values;

use std::process::ExitCode;

use clap::{Arg, ArgGroup, Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use crate::failure::print;
use line::Place;

/// Print a script that makes a shell complete columba's command lines
///
/// In bash, zsh and fish it asks the program itself: for commands and options, names of contexts and
/// verdicts, and of the broker that runs on this machine for client ids and topics. In powershell and
/// elvish it covers the commands and options of this version: write it anew after an update.
#[derive(Args, Clone, Debug)]
#[command(after_help = HOW_TO)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Say what fits where the cursor stands, for the scripts of `columba completion`
#[derive(Args, Clone, Debug)]
#[command(hide = true)]
pub struct CompleteArgs {
    #[arg(long, value_enum)]
    shell: Asking,
    /// Bytes of the line before the cursor
    #[arg(long)]
    point: Option<usize>,
    /// The words up to the cursor, or for bash the line as it stands
    #[arg(last = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// A shell whose script asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Asking {
    Bash,
    Zsh,
    Fish,
}

const HOW_TO: &str = "\
To install it:
  bash        columba completion bash > ~/.local/share/bash-completion/completions/columba
  zsh         columba completion zsh > DIR/_columba     DIR being one that $fpath names
  fish        columba completion fish > ~/.config/fish/completions/columba.fish
  powershell  columba completion powershell | Out-String | Invoke-Expression    in $PROFILE
  elvish      columba completion elvish > ~/.config/elvish/lib/columba.elv
              and `use columba` in rc.elv";

/// Runs `columba completion`; `program` is the whole of this program's commands.
pub fn run(args: &CompletionArgs, program: &Command) -> ExitCode {
    let own = match args.shell {
        Shell::Bash => include_str!("completion/columba.bash"),
        Shell::Zsh => include_str!("completion/columba.zsh"),
        Shell::Fish => include_str!("completion/columba.fish"),
        _ => {
            let mut shown = without_hidden(program);
            let name = shown.get_name().to_owned();
            let mut script = Vec::new();
            generate(args.shell, &mut shown, name, &mut script);
            print(&String::from_utf8_lossy(&script));
            return ExitCode::SUCCESS;
        }
    };
    print(own);
    ExitCode::SUCCESS
}

/// Runs `columba complete`: a line for each word that fits, with a tab and what it is behind it;
/// `:files` asks the shell for those.
pub fn complete(args: &CompleteArgs, mut program: Command) -> ExitCode {
    program.build();
    let line = args.words.first().map(String::as_str).unwrap_or_default();
    let line = args
        .point
        .and_then(|point| line.get(..point))
        .unwrap_or(line);
    let words = match args.shell {
        Asking::Bash => line::split(line),
        Asking::Zsh | Asking::Fish => args.words.clone(),
    };
    let place = Place::find(&program, words.get(1..).unwrap_or_default());
    let whole = words.last().map(String::as_str).unwrap_or_default();
    let mut lines = String::new();
    let mut has_files = false;
    for (word, about) in offers(&place, &mut has_files) {
        // A broker's clients choose their names; a shell must not obey them.
        if word.contains(|c: char| c.is_control()) {
            continue;
        }
        let word = match args.shell {
            Asking::Bash => bash_word(&word, line, whole),
            Asking::Zsh | Asking::Fish => word,
        };
        let about = about.lines().next().unwrap_or_default();
        lines += &match about {
            "" => format!("{word}\n"),
            _ => format!("{word}\t{about}\n"),
        };
    }
    if has_files {
        lines += ":files\n";
    }
    print(&lines);
    ExitCode::SUCCESS
}

/// What may be written there, and what each is.
fn offers(place: &Place<'_>, has_files: &mut bool) -> Vec<(String, String)> {
    let mut offers = Vec::new();
    let is_option = place.written.starts_with('-') && !place.is_value && !place.is_behind_dashes;
    if is_option {
        let shown = place
            .command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set());
        offers.extend(shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), about(arg)))));
    } else {
        if !place.is_value && !place.is_behind_dashes {
            let commands = place
                .command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set());
            offers.extend(commands.map(|sub| {
                let about = sub.get_about().map(ToString::to_string);
                (sub.get_name().to_owned(), about.unwrap_or_default())
            }));
        }
        if let Some(arg) = place.argument {
            let values = values::of(place, arg);
            *has_files = values.has_files;
            offers.extend(values.words);
        }
    }
    offers.retain(|(word, _)| word.starts_with(&place.written));
    for (word, _) in &mut offers {
        word.insert_str(0, &place.before);
    }
    offers
}

fn about(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// A word as it is to stand in a line of bash, without what bash keeps before it.
fn bash_word(word: &str, line: &str, written: &str) -> String {
    let word = line::of_bash(word, line, written);
    let is_quoted = line::is_quoted(line);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%,:=".contains(c);
    let mut safe = String::new();
    for c in word.chars() {
        if !is_quoted && !is_plain(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// The same command without what `--help` does not show: scripts would offer it.
fn without_hidden(command: &Command) -> Command {
    let is_shown = |id: &clap::Id| {
        let mut args = command.get_arguments();
        args.any(|arg| arg.get_id() == id && !arg.is_hide_set())
    };
    let mut shown = Command::new(command.get_name().to_owned())
        .disable_help_flag(command.is_disable_help_flag_set())
        .disable_version_flag(command.is_disable_version_flag_set())
        .visible_aliases(
            command
                .get_visible_aliases()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
        .args(
            command
                .get_arguments()
                .filter(|arg| !arg.is_hide_set())
                .cloned(),
        );
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    for group in command.get_groups() {
        let members = group.get_args().filter(|id| is_shown(id)).cloned();
        shown = shown.group(ArgGroup::new(group.get_id().clone()).args(members));
    }
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.subcommands(subcommands.map(without_hidden))
}
