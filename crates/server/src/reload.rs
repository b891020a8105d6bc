//! Reading the files of a running broker again: checked first, applied as a whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use columba_broker::access::AccessRules;
use columba_broker::event::{Command, UserChange};
use columba_broker::limits::{Limits, ListenerSettings};

use crate::auth::Authenticator;
use crate::config::Config;
use crate::config::fault::{Fault, Severity};
use crate::config::key::Applies;
use crate::config::settings::Difference;
use crate::instance::{Instance, Location, Overrides, start};
use crate::runtime::Broker;

/// What a running broker has to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Other bounds.
    pub limits: Option<Arc<Limits>>,
    /// Other settings of the same listeners.
    pub listeners: Option<Arc<[ListenerSettings]>>,
    /// Other access rules.
    pub access: Option<Arc<AccessRules>>,
    /// Whether the users are others.
    pub has_other_users: bool,
    /// What that means for clients that are logged in.
    pub users: BTreeMap<Arc<str>, UserChange>,
    /// The keys that differ.
    pub differences: Vec<Difference>,
}

impl Change {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells a running broker.
    pub fn apply(&self, broker: &Broker) {
        if let Some(limits) = &self.limits {
            broker.set_limits(Arc::clone(limits));
        }
        if let Some(listeners) = &self.listeners {
            broker.set_listeners(Arc::clone(listeners));
        }
        if !self.users.is_empty() {
            broker.command(Command::UsersChanged {
                changes: Arc::new(self.users.clone()),
                access: self.access.clone(),
            });
        } else if let Some(access) = &self.access {
            broker.set_access(Arc::clone(access));
        }
    }
}

/// The configuration in force, for who shows it.
#[derive(Debug)]
pub struct Running {
    location: Location,
    overrides: Overrides,
    at_start: Arc<Config>,
    now: Mutex<Arc<Config>>,
}

impl Running {
    fn new(location: Location, overrides: Overrides, config: Config) -> Self {
        let config = Arc::new(config);
        Self {
            location,
            overrides,
            at_start: Arc::clone(&config),
            now: Mutex::new(config),
        }
    }

    /// As the files were read last.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As they were when the broker started.
    pub fn at_start(&self) -> &Config {
        &self.at_start
    }

    /// The configuration file.
    pub fn config_file(&self) -> &Path {
        &self.location.config_file
    }

    /// What the command line says in place of it.
    pub const fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// What people call a file of the instance.
    pub fn shown(&self, path: &Path) -> String {
        self.location.shown(path)
    }

    /// Checks whether all files could be read again if one of them had another text; the answer is what
    /// is not wrong, but perhaps not wanted. Reads files.
    ///
    /// # Errors
    /// All faults, warnings among them.
    pub fn check(&self, path: &Path, text: &str) -> Result<Vec<Fault>, Vec<Fault>> {
        let replaced = Some((path, text));
        let variables = std::env::vars();
        Instance::load_with(&self.location, &self.overrides, variables, replaced)
            .map(|instance| instance.warnings)
    }

    fn set(&self, config: Config) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// Knows what a running broker was last told, and finds out what to tell it next.
#[derive(Debug)]
pub struct Reloader {
    location: Location,
    overrides: Overrides,
    current: Instance,
    authenticator: Arc<Authenticator>,
    running: Arc<Running>,
    /// Shards that run, whatever the files say now.
    shards: u16,
}

impl Reloader {
    /// For a broker that was started from an instance.
    pub fn new(
        location: Location,
        overrides: Overrides,
        current: Instance,
        authenticator: Arc<Authenticator>,
    ) -> Self {
        let config = current.config.clone();
        let shards = start::shards(&config, start::cores());
        let running = Arc::new(Running::new(location.clone(), overrides.clone(), config));
        Self {
            location,
            overrides,
            running,
            current,
            authenticator,
            shards,
        }
    }

    /// The configuration in force.
    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running)
    }

    /// Whether a file is another one than when this was last asked or read.
    pub fn has_changed(&mut self) -> bool {
        let stamps = self.current.stamps.again();
        let before = std::mem::replace(&mut self.current.stamps, stamps);
        before != self.current.stamps
    }

    /// Reads all files again. Users change at once; everything else is in the answer.
    ///
    /// # Errors
    /// All faults; nothing has changed then.
    pub fn reload(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Change, Vec<Fault>> {
        // Should there be faults, only a later change is worth another look.
        self.current.stamps = self.current.stamps.again();
        let mut new = Instance::load(&self.location, &self.overrides, variables)?;
        start::share_out_recorder(&mut new.config, self.shards);
        let change = self.difference(&new);
        if change.has_other_users {
            self.authenticator.set_users(Arc::clone(&new.users));
        }
        self.running.set(new.config.clone());
        self.current = new;
        Ok(change)
    }

    /// Reads all files again, tells the broker and the log.
    ///
    /// # Errors
    /// What is wrong with the files, in one line; everything stays as it was.
    pub fn reload_and_tell(&mut self, broker: &Broker) -> Result<(), String> {
        match self.reload(std::env::vars()) {
            Ok(change) => {
                for warning in &self.current.warnings {
                    tracing::warn!("{}", warning.in_one_line());
                }
                change.apply(broker);
                log(&change, &self.current);
                Ok(())
            }
            Err(faults) => {
                let is_error = |fault: &&Fault| fault.severity == Severity::Error;
                let errors = faults.iter().filter(is_error).map(Fault::in_one_line);
                let told = errors.collect::<Vec<_>>().join("; ");
                for fault in faults {
                    match fault.severity {
                        Severity::Error => tracing::error!("{}", fault.in_one_line()),
                        Severity::Warning => tracing::warn!("{}", fault.in_one_line()),
                    }
                }
                tracing::error!("the files have errors; everything stays as it was");
                Err(told)
            }
        }
    }

    fn difference(&self, new: &Instance) -> Change {
        let old = &self.current;
        let listeners = |instance: &Instance| -> Arc<[ListenerSettings]> {
            instance
                .config
                .listeners
                .iter()
                .map(|listener| listener.settings.clone())
                .collect()
        };
        let (old_listeners, new_listeners) = (listeners(old), listeners(new));
        // Settings go by position. Where listeners come, go or change places, all wait for the
        // restart, so that none gets what was meant for another.
        let names = |settings: &[ListenerSettings]| -> Vec<String> {
            settings
                .iter()
                .map(|listener| listener.name.clone())
                .collect()
        };
        let are_same = names(&old_listeners) == names(&new_listeners);
        let mut differences = old.config.settings.differences(&new.config.settings);
        for difference in differences
            .iter_mut()
            .filter(|d| d.key.starts_with("listener."))
        {
            if !are_same {
                difference.applies = Applies::AfterRestart;
            }
        }
        Change {
            limits: (old.config.limits != new.config.limits)
                .then(|| Arc::new(new.config.limits.clone())),
            listeners: (are_same && old_listeners != new_listeners).then_some(new_listeners),
            access: (old.access != new.access).then(|| Arc::clone(&new.access)),
            has_other_users: old.users != new.users,
            users: old.users.changes_to(&new.users),
            differences,
        }
    }
}

fn log(change: &Change, current: &Instance) {
    for Difference {
        key,
        from,
        to,
        applies,
    } in &change.differences
    {
        match applies {
            Applies::AtOnce => tracing::info!("changed: {key} was {from}, is {to}"),
            Applies::AfterRestart => {
                tracing::warn!("changed, but only after a restart: {key} was {from}, will be {to}");
            }
        }
    }
    if change.has_other_users {
        tracing::info!(users = current.users.len(), "changed: the users");
    }
    if change.access.is_some() {
        tracing::info!(rules = current.access.len(), "changed: the access rules");
    }
    if change.is_empty() {
        tracing::info!("nothing has changed");
    }
}

#[cfg(test)]
mod tests;
