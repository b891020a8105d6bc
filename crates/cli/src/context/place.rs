//! Where contexts are, and which one counts for a command.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use columba_server::config::fault::closest;
use columba_server::instance::file::{PLAIN_MODE, write_atomically};
use columba_speech::Param;

use super::file::Context;
use crate::failure::Failure;
use crate::mosquitto;
use crate::words;

/// Names the context of a command, as `--context` does.
pub(super) const VARIABLE: &str = "COLUMBA_CONTEXT";
const NAME_BYTES_MAX: usize = 64;

/// A context that counts for a command.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    /// Whether the command line names it.
    pub(crate) is_named: bool,
    pub(crate) context: Context,
}

/// The context that counts: that of `--context`, that of the environment, or the one in use. None
/// but the first counts for a command that names its server itself, and none at all for a program
/// that is called as one of Mosquitto's clients.
pub(crate) fn choose(named: Option<&str>, names_server: bool) -> Result<Option<Chosen>, Failure> {
    if mosquitto::called_as().is_some() {
        return match named {
            None => Ok(None),
            Some(_) => Err(Failure::new(words::mosquitto_context())
                .fix(words::call_columba())
                .faulty()),
        };
    }
    if named.is_none() && names_server {
        return Ok(None);
    }
    let name = match (named, env::var(VARIABLE)) {
        (Some(name), _) => name.to_owned(),
        // Set to nothing, it is the way to do without the one in use.
        (None, Ok(name)) if name.is_empty() => return Ok(None),
        (None, Ok(name)) => name,
        (None, Err(_)) => match in_use()? {
            Some(name) if path_of(&name)?.exists() => name,
            Some(name) => {
                let what = words::context_gone(name);
                return Err(Failure::new(what).fix(words::context_choose()).faulty());
            }
            None => return Ok(None),
        },
    };
    Ok(Some(Chosen {
        context: load(&name)?,
        name,
        is_named: named.is_some(),
    }))
}

/// Reads the context of a name.
pub(super) fn load(name: &str) -> Result<Context, Failure> {
    let path = path_of(name)?;
    if !path.exists() {
        return Err(unknown(name));
    }
    Context::read(&path)
}

/// There is no such context; says which one may be meant.
fn unknown(name: &str) -> Failure {
    let failure = unknown_to_remove(name);
    match names() {
        Ok(known) if !known.is_empty() => failure,
        _ => failure.fix(words::context_make(Param::word(name))),
    }
}

/// The same for who wants it gone, and would not make it first.
pub(super) fn unknown_to_remove(name: &str) -> Failure {
    let known = names().unwrap_or_default();
    let failure = Failure::new(words::context_unknown(name)).faulty();
    match closest(name, known.iter().map(String::as_str)) {
        Some(near) => failure.fix(words::context_near(near)),
        None if known.is_empty() => failure,
        None => failure.fix(words::contexts_known(Param::list(known))),
    }
}

/// The file of a context.
pub(super) fn path_of(name: &str) -> Result<PathBuf, Failure> {
    let is_fitting = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let is_name = name.len() <= NAME_BYTES_MAX
        && !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.chars().all(is_fitting);
    if !is_name {
        return Err(Failure::new(words::context_bad_name(name))
            .fix(words::context_good_name(NAME_BYTES_MAX))
            .faulty());
    }
    Ok(directory()?.join("contexts").join(format!("{name}.toml")))
}

/// All names, in order.
pub(super) fn names() -> Result<Vec<String>, Failure> {
    let dir = directory()?.join("contexts");
    let failed = |error: io::Error| unreadable(&dir, &error).faulty();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".toml"));
        names.extend(
            name.filter(|name| !name.starts_with('.'))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

/// The context that `columba context use` has named.
pub(super) fn in_use() -> Result<Option<String>, Failure> {
    // Without a home there is no context, which is no reason not to publish.
    let Ok(path) = in_use_file() else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|name| !name.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &error)
            .fix(words::context_choose())
            .faulty()),
    }
}

/// Makes a context the one in use, or none.
pub(super) fn set_in_use(name: Option<&str>) -> Result<(), Failure> {
    let path = in_use_file()?;
    let written = match name {
        Some(name) => write_atomically(&path, &format!("{name}\n"), PLAIN_MODE),
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        },
    };
    written.map_err(|error| {
        let file = path.display().to_string();
        Failure::new(words::unwritable(file, words::system(&error))).fix(words::check_permissions())
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let file = path.display().to_string();
    Failure::new(words::unreadable(file, words::system(error)))
}

fn in_use_file() -> Result<PathBuf, Failure> {
    Ok(directory()?.join("context"))
}

fn directory() -> Result<PathBuf, Failure> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty());
    let config = match (given("XDG_CONFIG_HOME"), given("HOME")) {
        (Some(config), _) => PathBuf::from(config),
        (None, Some(home)) => PathBuf::from(home).join(".config"),
        (None, None) => {
            return Err(Failure::new(words::no_home())
                .fix(words::set_home())
                .faulty());
        }
    };
    Ok(config.join("columba"))
}
