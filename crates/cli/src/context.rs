//! `columba context`: connections that have a name, so that nobody types host, user and certificates
//! twice.

mod file;
mod place;
mod server;
mod texts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use columba_codec::ReasonCode;
use columba_doctor::address::url_without_secret;
use columba_speech::width::{pad, width};
use columba_speech::{Language, Param, Text};
use serde_json::json;

use crate::admin_client::{AdminArgs, AdminClient, check_url};
use crate::connection::{ConnectionArgs, run_to_end};
use crate::failure::{Failure, end_in, end_with, print};
use crate::language::{language_of_environment, parse_language};
use crate::passwd::{PASSWORD_BYTES_MAX, ask, first_line_of_stdin, is_no_terminal};
use crate::words;
pub(crate) use file::{Context, Secret};
pub(crate) use place::{Chosen, choose};

/// How long a server may take to say goodbye.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Connections that have a name: server, user, certificates, API and token
///
/// A context is a file in ~/.config/columba/contexts (or $XDG_CONFIG_HOME), readable by its owner alone.
/// What counts, from the most to the least: an option of the command, --context NAME,
/// COLUMBA_CONTEXT, the context in use. A command that names its server (-h, -L, --unix; --url, --dir)
/// takes nothing from a context unless --context is given too.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ContextArgs {
    #[command(subcommand)]
    command: ContextCommand,
    /// Language: en or zh [default: COLUMBA_LANG, LC_ALL or LANG]
    #[arg(long, value_name = "LANG", value_parser = parse_language, global = true)]
    lang: Option<Language>,
}

const EXAMPLES: &str = "\
Examples:
  columba context add lab -h 10.0.0.7
  columba context add prod --url mqtts://broker.example -u ann --password --api https://broker.example:61680
  columba context check prod
  columba pub --context prod -t home/door -m open
  columba context use prod";

#[derive(Subcommand, Clone, Debug)]
enum ContextCommand {
    Add(Box<AddArgs>),
    Use(UseArgs),
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show a context, the one in use without NAME; passwords and tokens are not shown
    Show(NameArgs),
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
    /// Connect with a context, the one in use without NAME, and say whether it works
    ///
    /// Exit codes: 0 it works, 1 it does not.
    Check(NameArgs),
}

/// Make a context
// As with pub and sub -h is the host.
#[derive(Args, Clone, Debug)]
#[command(disable_help_flag = true)]
struct AddArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    server: server::ServerArgs,
    /// User name
    #[arg(short, long, visible_alias = "username", value_name = "NAME")]
    user: Option<String>,
    /// Ask for the password on the terminal
    #[arg(short = 'P', long, requires = "user")]
    password: bool,
    /// Take the first line of the standard input as the password
    #[arg(long, requires = "user", conflicts_with = "password")]
    password_stdin: bool,
    /// Read the password from the first line of this file, whenever it is needed
    #[arg(long, requires = "user", value_name = "FILE", conflicts_with_all = ["password", "password_stdin"])]
    password_file: Option<PathBuf>,
    /// Client ids are made from this and the process id
    #[arg(short = 'I', long, value_name = "PREFIX")]
    client_id_prefix: Option<String>,
    /// TLS: PEM file with the certificates to trust; without it those of the system
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// TLS: PEM file with the client's certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// TLS: PEM file with the key to --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// TLS: accept a certificate that names another host, if its authority is trusted
    #[arg(long)]
    insecure: bool,
    /// TLS: accept a certificate of --cafile's authority that names the host in its common name alone
    #[arg(long)]
    accept_common_name: bool,
    /// Management API, such as `https://broker.example:61680`
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Directory of the instance, if it runs on this machine
    #[arg(long, value_name = "DIR", conflicts_with = "api")]
    dir: Option<PathBuf>,
    /// Ask for the token of the API on the terminal
    #[arg(long)]
    token: bool,
    /// Take the first line of the standard input as the token
    #[arg(long, conflicts_with_all = ["token", "password_stdin"])]
    token_stdin: bool,
    /// Read the token from the first line of this file, whenever it is needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "token_stdin"])]
    token_file: Option<PathBuf>,
    /// Replace a context of this name
    #[arg(long)]
    force: bool,
    /// Use it from now on
    #[arg(long = "use")]
    is_to_be_used: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Use a context from now on, for every command that names no server
#[derive(Args, Clone, Debug)]
struct UseArgs {
    /// Its name
    #[arg(value_name = "NAME", required_unless_present = "none")]
    name: Option<String>,
    /// Use none
    #[arg(long, conflicts_with = "name")]
    none: bool,
}

/// List the contexts; a * marks the one in use
#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct NameArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Remove a context
#[derive(Args, Clone, Debug)]
struct RemoveArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Runs the command.
pub fn run(args: ContextArgs) -> ExitCode {
    let language = args.lang.unwrap_or_else(language_of_environment);
    let end = |ended: Result<(), Failure>| end_in(language, ended.map(|()| 0));
    let say = |text: Text| print(&format!("{}\n", text.to_string(language)));
    match args.command {
        ContextCommand::Add(args) => end(add(&args, language, say)),
        ContextCommand::Use(args) => end(make_used(&args, say)),
        ContextCommand::List(args) => end(list(&args, language)),
        ContextCommand::Show(args) => end(show(&args, language)),
        ContextCommand::Remove(args) => end(remove(&args, say)),
        ContextCommand::Check(args) => check(&args, language, say),
    }
}

fn add(args: &AddArgs, language: Language, say: impl Fn(Text)) -> Result<(), Failure> {
    let path = place::path_of(&args.name)?;
    if path.exists() && !args.force {
        return Err(Failure::new(words::context_exists(args.name.as_str()))
            .fix(words::context_replace(path.display().to_string()))
            .faulty());
    }
    let asks_for_tls = args.cafile.is_some() || args.cert.is_some() || args.insecure;
    let url = args.server.url(asks_for_tls);
    let url = url.map_err(|what| Failure::new(what).faulty())?;
    if let Some(url) = &args.api {
        check_url(url).map_err(|what| Failure::new(what).faulty())?;
    }
    let secret = |asks, reads, secret| read_secret(asks, reads, secret, language);
    // Paths are kept whole: the file counts them from its own directory.
    let whole = |path: &Option<PathBuf>| -> Result<Option<PathBuf>, Failure> {
        let whole = path.as_deref().map(std::path::absolute).transpose();
        whole.map_err(|error| Failure::new(texts::no_path(words::system(&error))).faulty())
    };
    let context = Context {
        description: args.description.clone(),
        url,
        unix: whole(&args.server.unix)?,
        user: args.user.clone(),
        password: secret(args.password, args.password_stdin, Asked::Password)?,
        password_file: whole(&args.password_file)?,
        client_id_prefix: args.client_id_prefix.clone(),
        cafile: whole(&args.cafile)?,
        cert: whole(&args.cert)?,
        key: whole(&args.key)?,
        insecure: args.insecure,
        accept_common_name: args.accept_common_name,
        api: args.api.clone(),
        dir: whole(&args.dir)?,
        token: secret(args.token, args.token_stdin, Asked::Token)?,
        token_file: whole(&args.token_file)?,
    };
    let checked = context.check();
    checked.map_err(|what| Failure::new(what).faulty())?;
    context.write(&path)?;
    say(texts::added(args.name.as_str(), path.display().to_string()));
    if args.is_to_be_used {
        place::set_in_use(Some(&args.name))?;
        say(texts::in_use(args.name.as_str(), server_of(&context)));
    } else {
        say(texts::how_to_use(Param::word(args.name.as_str())));
    }
    Ok(())
}

/// What a context keeps to itself.
#[derive(Clone, Copy)]
enum Asked {
    Password,
    Token,
}

impl Asked {
    fn words(self) -> Text {
        match self {
            Self::Password => texts::the_password(),
            Self::Token => texts::the_token(),
        }
    }

    /// What its options begin with.
    const fn option(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }
}

/// Asks for a password or token, or reads it, if that is wanted.
fn read_secret(
    asks: bool,
    reads: bool,
    secret: Asked,
    language: Language,
) -> Result<Option<Secret>, Failure> {
    let what = secret.words();
    let failed =
        |error: std::io::Error| Failure::new(texts::unread(what.clone(), words::system(&error)));
    let bytes = if asks {
        let question = texts::asked(what.clone()).to_string(language);
        ask(&question).map_err(|error| match is_no_terminal(&error) {
            true => Failure::new(texts::no_terminal(what.clone()))
                .fix(texts::give_secret(secret.option()))
                .faulty(),
            false => failed(error),
        })?
    } else if reads {
        first_line_of_stdin().map_err(failed)?
    } else {
        return Ok(None);
    };
    if bytes.is_empty() || bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Failure::new(texts::no_secret(what)).faulty());
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Failure::new(texts::secret_no_utf_8(what.clone())).faulty())?;
    Ok(Some(Secret::new(text)))
}

fn make_used(args: &UseArgs, say: impl Fn(Text)) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        place::set_in_use(None)?;
        say(texts::none_in_use());
        return Ok(());
    };
    let context = place::load(name)?;
    place::set_in_use(Some(name))?;
    say(texts::in_use(name.as_str(), server_of(&context)));
    Ok(())
}

/// What stands above the columns of the list.
fn head(language: Language) -> [String; 6] {
    let titles = [
        texts::head_name(),
        texts::head_server(),
        texts::head_user(),
        texts::head_api(),
    ];
    let [name, server, user, api] = titles.map(|title| title.to_string(language));
    [String::new(), name, server, user, api, String::new()]
}

fn list(args: &ListArgs, language: Language) -> Result<(), Failure> {
    let in_use = place::in_use()?;
    let mut rows = vec![head(language)];
    let mut objects = Vec::new();
    for name in place::names()? {
        let is_in_use = in_use.as_ref() == Some(&name);
        // One that cannot be read must not hide the others.
        let (context, fault) = match place::load(&name) {
            Ok(context) => (context, None),
            Err(failure) => (Context::default(), Some(failure.what().to_string(language))),
        };
        let api = shown_api(&context);
        if args.json {
            objects.push(json!({
                "name": name, "in_use": is_in_use, "description": context.description,
                "server": server_of(&context), "user": context.user, "api": api, "fault": fault,
            }));
            continue;
        }
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        rows.push([
            if is_in_use { "*" } else { " " }.to_owned(),
            name,
            server_of(&context),
            dash(context.user),
            dash(api),
            fault.or(context.description).unwrap_or_default(),
        ]);
    }
    if args.json {
        print(&format!("{:#}\n", serde_json::Value::from(objects)));
    } else if rows.len() == 1 {
        // Who reads the rows from the standard output reads none.
        let told = texts::there_are_none().to_string(language);
        crate::failure::say(&format!("{told}\n"));
    } else {
        print_table(&rows);
    }
    Ok(())
}

fn print_table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) {
    let widths: [usize; COLUMNS] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| width(&row[at]));
        cells.max().unwrap_or_default()
    });
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| pad(cell, width));
        let line = cells.collect::<Vec<_>>().join("  ");
        print(&format!("{}\n", line.trim_end()));
    }
}

fn show(args: &NameArgs, language: Language) -> Result<(), Failure> {
    let name = named_or_in_use(args)?;
    let context = place::load(&name)?;
    let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
    let secret = |secret: Option<Secret>| secret.map(|_| texts::kept_secret().to_string(language));
    let rows = [
        ("name", Some(name.clone())),
        ("file", path(Some(place::path_of(&name)?))),
        ("description", context.description),
        ("url", context.url.as_deref().map(url_without_secret)),
        ("unix", path(context.unix)),
        ("user", context.user),
        ("password", secret(context.password)),
        ("password_file", path(context.password_file)),
        ("client_id_prefix", context.client_id_prefix),
        ("cafile", path(context.cafile)),
        ("cert", path(context.cert)),
        ("key", path(context.key)),
        ("insecure", context.insecure.then(|| "true".to_owned())),
        (
            "accept_common_name",
            context.accept_common_name.then(|| "true".to_owned()),
        ),
        ("api", context.api),
        ("dir", path(context.dir)),
        ("token", secret(context.token)),
        ("token_file", path(context.token_file)),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .filter_map(|(key, value)| Some([key.to_owned(), value?]))
        .collect();
    print_table(&rows);
    Ok(())
}

fn remove(args: &RemoveArgs, say: impl Fn(Text)) -> Result<(), Failure> {
    let path = place::path_of(&args.name)?;
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(place::unknown_to_remove(&args.name));
        }
        Err(error) => {
            let file = path.display().to_string();
            return Err(Failure::new(words::unwritable(file, words::system(&error))));
        }
    }
    if place::in_use()?.as_ref() == Some(&args.name) {
        place::set_in_use(None)?;
    }
    say(texts::removed(args.name.as_str()));
    Ok(())
}

fn check(args: &NameArgs, language: Language, say: impl Fn(Text)) -> ExitCode {
    let loaded = named_or_in_use(args).and_then(|name| Ok((place::load(&name)?, name)));
    let (context, name) = match loaded {
        Ok(found) => found,
        Err(failure) => return end_in(language, Err(failure)),
    };
    let mut works = true;
    if context.url.is_some() || context.unix.is_some() {
        let args = ConnectionArgs::of_context(&name);
        let ended = run_to_end(args.talk(), async {
            let connected = async {
                let mut plan = args.plan()?;
                let started = Instant::now();
                let (client, events) = plan.connect().await?;
                let time = started.elapsed();
                Ok((client, events, plan.version(), time))
            };
            match connected.await {
                Ok((client, _events, version, time)) => {
                    say(texts::connected(
                        server_of(&context),
                        version.to_string(),
                        client.accepted().client_id.as_str(),
                        time,
                    ));
                    client.disconnect(ReasonCode::Success, PATIENCE).await;
                    Ok(0)
                }
                Err(trouble) => {
                    let trouble: crate::connection::Trouble = trouble;
                    say(texts::not_connected(trouble.sentence));
                    Ok(1)
                }
            }
        });
        works = ended == ExitCode::SUCCESS;
    }
    if context.api.is_some() || context.dir.is_some() {
        let answer = AdminClient::new(&AdminArgs::of_context(&name));
        let answer = answer.and_then(|client| client.get("/broker"));
        match answer {
            Ok(broker) => {
                let text = |key| broker.get(key).and_then(|value| value.as_str());
                let broker = format!(
                    "{} {}",
                    shown_api(&context).unwrap_or_default(),
                    text("version").unwrap_or_default()
                );
                say(texts::api_answers(broker.trim_end()));
            }
            Err(failure) => {
                say(texts::api_fails(failure.what().clone()));
                works = false;
            }
        }
    }
    end_with(Ok(u8::from(!works)))
}

/// The names of all contexts, as far as they can be read.
pub(crate) fn known_names() -> Vec<String> {
    place::names().unwrap_or_default()
}

fn named_or_in_use(args: &NameArgs) -> Result<String, Failure> {
    match &args.name {
        Some(name) => Ok(name.clone()),
        None => place::in_use()?.ok_or_else(|| {
            Failure::new(words::context_none_in_use())
                .fix(words::context_name_one())
                .faulty()
        }),
    }
}

/// Where a context leads, without a password.
fn server_of(context: &Context) -> String {
    match (&context.url, &context.unix) {
        (Some(url), _) => url_without_secret(url),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => shown_api(context).unwrap_or_else(|| "-".to_owned()),
    }
}

fn shown_api(context: &Context) -> Option<String> {
    let dir = context.dir.as_ref().map(|dir| dir.display().to_string());
    context.api.clone().or(dir)
}
