//! An instance: the directory with the configuration, the users, the access rules and the data of
//! one broker.

pub(crate) mod bans;
pub mod create;
pub mod file;
mod stamps;
pub(crate) mod start;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::ban::BanList;
use columba_speech::shell::word;

use crate::access_file::{self, AccessFile};
use crate::auth::Users;
use crate::auth::tokens::Tokens;
use crate::config::fault::{Fault, Place, has_errors};
use crate::config::{AclFormat, Bind, Config, ListenerKind};
pub use bans::BANS;
pub(crate) use stamps::Stamps;

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its configuration file.
    pub config_file: PathBuf,
    /// The directory that paths are relative to.
    pub base: PathBuf,
}

impl Location {
    /// The instance in a directory.
    pub fn of_directory(dir: &Path) -> Self {
        Self {
            config_file: dir.join("etc/columba.toml"),
            base: dir.to_owned(),
        }
    }

    /// The instance of a configuration file: the directory of the file, or the one above if that
    /// is called `etc`.
    pub fn of_file(file: &Path) -> Self {
        let here = || PathBuf::from(".");
        let parent = |path: &Path| match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Some(here()),
            parent => parent.map(Path::to_owned),
        };
        let dir = parent(file).unwrap_or_else(here);
        let base = if dir.file_name().is_some_and(|name| name == "etc") {
            parent(&dir).unwrap_or_else(here)
        } else {
            dir
        };
        Self {
            config_file: file.to_owned(),
            base,
        }
    }

    /// What people call a file of the instance: its path inside of it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.base)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// What a command line says in place of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The one address for MQTT over TCP, in place of all listeners.
    pub listen: Option<SocketAddr>,
    /// The level of the log.
    pub log_level: Option<String>,
}

/// All files of an instance, read and checked.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The configuration.
    pub config: Config,
    /// Who may log in.
    pub users: Arc<Users>,
    /// Who may do what.
    pub access: Arc<AccessRules>,
    /// Who is not let in.
    pub bans: Arc<BanList>,
    /// What is not wrong, but perhaps not wanted.
    pub warnings: Vec<Fault>,
    /// What the files looked like right before they were read.
    pub(crate) stamps: Stamps,
}

/// What comes to light while files are read.
#[derive(Debug, Default)]
struct Findings<'a> {
    faults: Vec<Fault>,
    stamps: Stamps,
    /// A file that is to have this text, whatever it has now.
    replaced: Option<(&'a Path, &'a str)>,
}

impl Instance {
    /// Reads all files and the variables of the environment.
    ///
    /// # Errors
    /// All faults of all files, warnings among them.
    pub fn load(
        location: &Location,
        overrides: &Overrides,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Fault>> {
        Self::load_with(location, overrides, variables, None)
    }

    /// The same as if a file had another text, to see whether it may.
    ///
    /// # Errors
    /// All faults of all files, warnings among them.
    pub fn load_with(
        location: &Location,
        overrides: &Overrides,
        variables: impl IntoIterator<Item = (String, String)>,
        replaced: Option<(&Path, &str)>,
    ) -> Result<Self, Vec<Fault>> {
        let mut findings = Findings {
            replaced,
            ..Findings::default()
        };
        let name = location.shown(&location.config_file);
        let fix = format!(
            "`columba create {}` makes an instance",
            word(&location.base.display().to_string())
        );
        let text = read_text(&location.config_file, &name, &fix, &mut findings);
        let (mut config, config_faults) =
            Config::read(&name, &text.unwrap_or_default(), &location.base, variables);
        findings.faults.extend(config_faults);
        apply_overrides(&mut config, overrides);
        let shards = start::shards(&config, start::cores());
        start::share_out_recorder(&mut config, shards);
        let users = load_users(location, &config, &mut findings);
        let access = load_access(location, &config, &users, &mut findings);
        let bans = load_bans(location, &config, &mut findings);
        check_tokens(location, &config, &mut findings);
        let Findings { faults, stamps, .. } = findings;
        if has_errors(&faults) {
            return Err(faults);
        }
        Ok(Self {
            config,
            users: Arc::new(users),
            access: Arc::new(access),
            bans: Arc::new(bans),
            warnings: faults,
            stamps,
        })
    }
}

fn apply_overrides(config: &mut Config, overrides: &Overrides) {
    if let Some(addr) = overrides.listen
        && let Some(mut listener) = config.listeners.first().cloned()
    {
        let first_tcp = config
            .listeners
            .iter()
            .find(|l| l.kind == ListenerKind::Tcp);
        listener = first_tcp.cloned().unwrap_or(listener);
        listener.kind = ListenerKind::Tcp;
        listener.tls = None;
        listener.settings.certificate_is_user = false;
        listener.bind = Bind::Ip(addr);
        config.listeners = vec![listener];
    }
    if let Some(level) = &overrides.log_level {
        config.log.level.clone_from(level);
    }
}

fn load_users(location: &Location, config: &Config, findings: &mut Findings<'_>) -> Users {
    let Some(path) = &config.users else {
        return Users::default();
    };
    let name = location.shown(path);
    let fix = {
        let dir = word(&location.base.display().to_string());
        format!("`columba passwd {dir} NAME` makes it")
    };
    let Some(text) = read_text(path, &name, &fix, findings) else {
        return Users::default();
    };
    if file::is_readable_by_all(path) {
        let what = "everybody on this machine can read the password hashes";
        let fault = Fault::warning(Place::File(name.clone()), what);
        findings
            .faults
            .push(fault.fix(format!("run: chmod 600 {}", path.display())));
    }
    let (users, user_faults) = Users::read(&name, &text);
    findings.faults.extend(user_faults);
    users
}

fn load_access(
    location: &Location,
    config: &Config,
    users: &Users,
    findings: &mut Findings<'_>,
) -> AccessRules {
    let Some((path, format)) = &config.acl else {
        return AccessRules::allow_all();
    };
    let name = location.shown(path);
    let fix = "write the rules, or remove `acl` from [access]";
    let Some(text) = read_text(path, &name, fix, findings) else {
        return AccessRules::new(Vec::new(), columba_broker::access::Actions::default());
    };
    let AccessFile {
        rules,
        groups,
        faults: rule_faults,
    } = access_file::read(&name, &text, *format);
    if rules.is_empty() && rule_faults.is_empty() {
        let what = "no rule: nobody may publish or receive anything";
        let fix = match format {
            AclFormat::Columba => "write [[rule]] tables",
            AclFormat::Mosquitto => "write `topic` or `pattern` lines",
        };
        findings
            .faults
            .push(Fault::warning(Place::File(name), what).fix(fix));
    }
    findings.faults.extend(rule_faults);
    for (group, place) in groups {
        if !users.groups().any(|known| known == group) {
            let what = format!("the rule is for group `{group}`, but no user is in it");
            let fix = format!(
                "add a user: columba passwd {} NAME --groups {}",
                word(&location.base.display().to_string()),
                word(&group)
            );
            findings
                .faults
                .push(Fault::warning(Place::File(place), what).fix(fix));
        }
    }
    rules
}

/// The bans of the data directory. One that says nothing sensible would let in who is not to come
/// in.
fn load_bans(location: &Location, config: &Config, findings: &mut Findings<'_>) -> BanList {
    let path = config.data_dir.join(BANS);
    let read = match std::fs::read_to_string(&path) {
        Ok(text) => bans::read(&text),
        // That the data directory is a file is for the store to say.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(BanList::default())
        }
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|what| {
        let place = Place::File(location.shown(&path));
        let fault = Fault::error(place, format!("the bans cannot be read: {what}"));
        findings
            .faults
            .push(fault.fix("correct the file, or remove it: then nobody is banned"));
        BanList::default()
    })
}

/// The tokens are read again by whoever needs them; here they are checked only.
fn check_tokens(location: &Location, config: &Config, findings: &mut Findings<'_>) {
    let path = &config.admin.tokens;
    if !config.admin.is_enabled || !path.exists() {
        return;
    }
    let name = location.shown(path);
    let fix = "`columba token add` makes it";
    let Some(text) = read_text(path, &name, fix, findings) else {
        return;
    };
    let (_, faults) = Tokens::read(&name, &text);
    findings.faults.extend(faults);
}

fn read_text(path: &Path, name: &str, fix: &str, findings: &mut Findings<'_>) -> Option<String> {
    findings.stamps.look(path);
    if let Some((_, text)) = findings.replaced.filter(|(replaced, _)| *replaced == path) {
        return Some(text.to_owned());
    }
    let what = match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = error
                    .as_bytes()
                    .iter()
                    .take(good)
                    .filter(|b| **b == b'\n')
                    .count()
                    + 1;
                format!("line {line} is not UTF-8 text")
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fault = Fault::error(Place::File(name.to_owned()), "the file is missing");
            findings.faults.push(fault.fix(fix));
            return None;
        }
        Err(error) => format!("cannot be read: {error}"),
    };
    findings
        .faults
        .push(Fault::error(Place::File(name.to_owned()), what));
    None
}

#[cfg(test)]
mod tests;
