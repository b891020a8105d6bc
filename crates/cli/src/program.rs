//! The whole command line: which commands there are, and who runs them.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use columba_server::config::reference::reference;

use crate::{
    acl, bench, check, clients, completion, context, create, doctor, events, language, manual,
    mosquitto, passwd, publish, request, run, simulate, store, subscribe, token, top, topics,
    trace, why,
};

const FIRST_STEPS: &str = "\
First steps, each in a terminal of its own:
  columba run                             # makes an instance in ./columba-data, and runs it
  columba sub -v -t 'home/#'
  columba pub -t home/lamp -m on --why    # and says who got it
Later:
  columba why home/lamp                   # why did it not arrive?
  columba doctor broker.example           # is it the network, TLS, the password?
Exit codes: 0 done, 1 failed, 2 faulty files or command line; `columba help COMMAND` names others.";

/// Columba, an MQTT broker
///
/// MQTT 3.1, 3.1.1 and 5 over TCP, TLS, WebSocket and Unix sockets.
#[derive(Parser, Debug)]
#[command(
    name = "columba",
    version,
    arg_required_else_help = true,
    propagate_version = false
)]
#[command(after_help = FIRST_STEPS)]
pub(crate) struct Columba {
    #[command(flatten)]
    language: language::LanguageArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::RunArgs),
    Create(create::CreateArgs),
    Check(check::CheckArgs),
    Passwd(passwd::PasswdArgs),
    Pub(Box<publish::PublishArgs>),
    Sub(Box<subscribe::SubscribeArgs>),
    Rr(Box<request::RequestArgs>),
    LinkMosquitto(mosquitto::link::LinkArgs),
    Bench(Box<bench::BenchArgs>),
    Simulate(Box<simulate::SimulateArgs>),
    Doctor(Box<doctor::DoctorArgs>),
    Store(store::StoreArgs),
    Token(token::TokenArgs),
    Why(why::WhyArgs),
    Explain(why::ExplainArgs),
    Events(events::EventsArgs),
    Trace(trace::TraceArgs),
    Top(top::TopArgs),
    Can(why::CanArgs),
    Match(why::MatchArgs),
    Acl(acl::AclArgs),
    Clients(clients::ClientsArgs),
    Topics(topics::TopicsArgs),
    Retained(clients::RetainedArgs),
    Context(Box<context::ContextArgs>),
    Completion(completion::CompletionArgs),
    Complete(completion::CompleteArgs),
    Man(manual::ManArgs),
    /// About the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Print the reference of all keys, in Markdown
    Reference,
}

/// Does what the command line of this process says. `before_broker` is called before a broker is run.
pub fn run(before_broker: fn()) -> ExitCode {
    let line = match mosquitto::command_line(std::env::args_os().collect()) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let columba: Columba = match language::parse(line) {
        Ok(columba) => columba,
        Err(exit) => return exit,
    };
    match columba.command {
        Command::Run(args) => {
            before_broker();
            run::run(&args)
        }
        Command::Create(args) => create::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Passwd(args) => passwd::run(&args),
        Command::Pub(args) => publish::run(*args),
        Command::Sub(args) => subscribe::run(*args),
        Command::Rr(args) => request::run(*args),
        Command::LinkMosquitto(args) => mosquitto::link::run(&args),
        Command::Bench(args) => bench::run(*args),
        Command::Simulate(args) => simulate::run(*args),
        Command::Doctor(args) => doctor::run(*args),
        Command::Store(args) => store::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Explain(args) => why::run_explain(&args),
        Command::Can(args) => why::run_can(&args),
        Command::Match(args) => why::run_match(&args),
        Command::Acl(args) => acl::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Clients(args) => clients::run_clients(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Retained(args) => clients::run_retained(&args),
        Command::Context(args) => context::run(*args),
        Command::Completion(args) => completion::run(&args, &Columba::command()),
        Command::Complete(args) => completion::complete(&args, Columba::command()),
        Command::Man(args) => manual::run(&args, Columba::command()),
        Command::Config(ConfigCommand::Reference) => {
            use std::io::Write as _;
            // A reader that has seen enough, such as `head`, is no failure.
            drop(std::io::stdout().write_all(reference().as_bytes()));
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line as a shell makes them, up to a comment or the end of a command.
    fn words(line: &str) -> Vec<std::ffi::OsString> {
        let mut words = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() && !rest.starts_with(['#', '|', '>', '<', '&']) {
            let (word, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once('\'').expect("the other quote"),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            words.push(word.into());
            rest = after.trim_start();
        }
        words
    }

    #[test]
    fn every_command_takes_a_language() {
        let mut program = Columba::command();
        program.build();
        let mut commands: Vec<_> = program.get_subcommands().collect();
        let mut seen = 0;
        while let Some(command) = commands.pop() {
            let name = command.get_name();
            if name == "help" {
                continue;
            }
            let mut options = command.get_arguments();
            assert!(options.any(|of| of.get_long() == Some("lang")), "{name}");
            commands.extend(command.get_subcommands());
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn every_example_of_the_help_is_a_command_line() {
        let mut commands = vec![Columba::command()];
        let mut examples = 0;
        while let Some(command) = commands.pop() {
            let help = command.get_after_help().map(ToString::to_string);
            for line in help.iter().flat_map(|help| help.lines()) {
                // What a shell puts in is not known here.
                if !line.trim().starts_with("columba ") || line.contains("$(") {
                    continue;
                }
                let folded = mosquitto::command_line(words(line)).expect(line);
                if let Err(error) = Columba::try_parse_from(folded) {
                    panic!("{line}: {error}");
                }
                examples += 1;
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(examples > 40, "{examples}");
    }
}
