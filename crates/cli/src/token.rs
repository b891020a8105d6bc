//! `columba token`: tokens of the management API.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use columba_server::auth::tokens::{Scopes, Token, Tokens, with_token, without_token};
use columba_server::auth::users::check_name;
use columba_server::config::Config;
use columba_server::config::quantity::parse_duration_ms;
use columba_server::instance::Location;
use columba_server::instance::file::{SECRET_MODE, write_atomically};
use columba_speech::{Param, Text};

use crate::create::quoted;
use crate::failure::{Failure, end, note, print, tell};
use crate::language::spoken;
use crate::words::{self, Said, broker, instance, start, system, value};

/// Tokens of the management API
///
/// A token stands in the header `Authorization: Bearer TOKEN`. A running broker knows of a change at
/// once.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba token add /srv/mqtt dashboard --scopes read")]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum TokenCommand {
    /// Make a token and print it, once
    Add {
        /// Directory of the instance
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// What it is good for: read, publish, operate, admin, with commas between them
        #[arg(long, value_name = "SCOPES", default_value = "read")]
        scopes: Scopes,
        /// When it ends, such as 12h or 90d; never without this
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<u64>,
    },
    /// List the tokens
    List {
        /// Directory of the instance
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Revoke a token
    Revoke {
        /// Directory of the instance
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

fn duration(text: &str) -> Result<u64, Said> {
    let ms = parse_duration_ms(text).map_err(|_| value::time_of_units())?;
    match ms / 1000 {
        0 => Err(value::a_second().into()),
        secs => Ok(secs),
    }
}

/// Runs the command.
pub fn run(args: &TokenArgs) -> ExitCode {
    end(match &args.command {
        TokenCommand::Add {
            dir,
            name,
            scopes,
            expires,
        } => add(dir, name, *scopes, *expires),
        TokenCommand::List { dir } => list(dir),
        TokenCommand::Revoke { dir, name } => revoke(dir, name),
    })
}

fn add(dir: &Path, name: &str, scopes: Scopes, expires: Option<u64>) -> Result<(), Failure> {
    check_name(name, "token name")
        .map_err(|why| Failure::new(instance::name(instance::token_name(), &why)).faulty())?;
    let (path, text) = read(dir)?;
    let (tokens, _) = Tokens::read("", &text);
    if tokens.named(name).is_some() {
        return Err(Failure::new(instance::token_exists(name))
            .fix(instance::revoke_first(quoted(dir), Param::word(name)))
            .faulty());
    }
    let until = expires.map(|secs| now_secs().saturating_add(secs));
    let made = Token::new(scopes, until);
    let (token, secret) =
        made.map_err(|error| Failure::new(instance::token_unmade(error.to_string())))?;
    write(&path, &with_token(&text, name, &token))?;
    print(&format!("{secret}\n"));
    note(start::token_made(name, scopes.to_string()));
    Ok(())
}

fn list(dir: &Path) -> Result<(), Failure> {
    let (_, text) = read(dir)?;
    let (tokens, _) = Tokens::read("", &text);
    if tokens.iter().next().is_none() {
        note(start::no_tokens(quoted(dir)));
    }
    let now_secs = now_secs();
    for (name, token) in tokens.iter() {
        let end = match token.expires_unix_secs {
            None => start::never_ends(),
            Some(_) if !token.is_good_at(now_secs) => start::has_ended(),
            Some(end) => start::ends_in(in_words(end - now_secs)),
        };
        let end = end.to_string(spoken());
        print(&format!(
            "{name:24}  {:24}  {end}\n",
            token.scopes.to_string()
        ));
    }
    Ok(())
}

/// A duration in its largest unit.
fn in_words(secs: u64) -> Text {
    match secs {
        0..120 => start::seconds(secs),
        120..7200 => start::minutes(secs / 60),
        7200..172_800 => start::hours(secs / 3600),
        _ => start::days(secs / 86_400),
    }
}

fn revoke(dir: &Path, name: &str) -> Result<(), Failure> {
    let (path, text) = read(dir)?;
    let Some(text) = without_token(&text, name) else {
        return Err(Failure::new(instance::no_token(name))
            .fix(instance::list_tokens(quoted(dir)))
            .faulty());
    };
    write(&path, &text)?;
    tell(start::token_revoked(name));
    Ok(())
}

/// The tokens file that the configuration names, and its text.
fn read(dir: &Path) -> Result<(PathBuf, String), Failure> {
    let location = Location::of_directory(dir);
    let text = std::fs::read_to_string(&location.config_file).map_err(|error| {
        let what = broker::no_instance(dir.display().to_string(), system(&error));
        Failure::new(what)
            .fix(instance::make_one(quoted(dir)))
            .faulty()
    })?;
    let name = location.config_file.display().to_string();
    let (config, _) = Config::read(&name, &text, &location.base, std::env::vars());
    let path = config.admin.tokens;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, String::new())),
        Err(error) => Err(Failure::new(instance::file(&path, &error))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = write_atomically(path, text, SECRET_MODE);
    written.map_err(|error| {
        Failure::new(words::unwritable(
            path.display().to_string(),
            system(&error),
        ))
    })
}

fn now_secs() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
