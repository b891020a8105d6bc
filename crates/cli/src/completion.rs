//! `columba completion`: what makes a shell complete this program's command lines.

use std::process::ExitCode;

use clap::{ArgGroup, Args, Command};
use clap_complete::{Shell, generate};

use crate::failure::print;

/// Print a script that makes a shell complete columba's commands and options
///
/// It covers the commands and options of this version: write it anew after an update.
#[derive(Args, Clone, Debug)]
#[command(after_help = HOW_TO)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

const HOW_TO: &str = "\
To install it:
  bash        columba completion bash > ~/.local/share/bash-completion/completions/columba
  zsh         columba completion zsh > DIR/_columba     DIR being one that $fpath names
  fish        columba completion fish > ~/.config/fish/completions/columba.fish
  powershell  columba completion powershell | Out-String | Invoke-Expression    in $PROFILE
  elvish      columba completion elvish > ~/.config/elvish/lib/columba.elv
              and `use columba` in rc.elv";

/// Runs the command; `program` is the whole of this program's commands.
pub fn run(args: &CompletionArgs, program: &Command) -> ExitCode {
    let mut shown = without_hidden(program);
    let name = shown.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut shown, name, &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
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
