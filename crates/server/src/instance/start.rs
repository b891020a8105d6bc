//! From a checked instance to what the runtime is started with.

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::Instance;
use crate::auth::Authenticate;
use crate::config::{self, Bind, ClientCertificate, Config, Durability};
use crate::listener::{
    AllowedOrigins, ClientAuthority, ListenerConfig, ListenerKind, TlsFiles, WebSocketSettings,
};
use crate::log::{LogFormat, LogSettings};
use crate::runtime::{RuntimeConfig, StartError};
use crate::store::StoreConfig;

/// The most threads that serve clients.
const SHARDS_MAX: usize = 64;
/// What a check of a password is taken to cost: one of argon2id is 20 to 50 ms on a server.
const CHECK_MS: u64 = 50;
/// Passwords that wait for a check at most, however long the timeout is.
const AUTH_QUEUE_MAX: usize = 10_000;
/// How long a shutdown may take.
const SHUTDOWN_TIMEOUT_MS: u64 = 10_000;
/// Permissions of a Unix socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

impl Instance {
    /// What the runtime is started with.
    ///
    /// # Errors
    /// If the operating system gives no random bytes, or the directory of the store cannot be made
    /// or opened.
    pub fn runtime_config(
        &self,
        authenticator: Arc<dyn Authenticate>,
    ) -> Result<RuntimeConfig, StartError> {
        let cores = cores();
        let (mut seed, mut id_secret) = ([0; 8], [0; 16]);
        for secret in [&mut seed[..], &mut id_secret[..]] {
            aws_lc_rs::rand::fill(secret).map_err(|_| io::Error::other("no random bytes"))?;
        }
        // Each check keeps a core busy; more threads than cores only wait for each other.
        let auth_threads = cores.clamp(1, 8);
        Ok(RuntimeConfig {
            shards: shards(&self.config, cores),
            seed: u64::from_le_bytes(seed),
            id_secret,
            limits: Arc::new(self.config.limits.clone()),
            listeners: self.config.listeners.iter().map(listener_config).collect(),
            access: Arc::clone(&self.access),
            bans: Arc::clone(&self.bans),
            authenticator,
            auth_threads,
            auth_queue_max: self.auth_queue_max(auth_threads),
            shutdown_timeout_ms: SHUTDOWN_TIMEOUT_MS,
            store: self.store_config()?,
        })
    }

    fn store_config(&self) -> Result<Option<StoreConfig>, StartError> {
        let config::Store {
            durability,
            directory,
            recorder_bytes_max: _,
        } = &self.config.store;
        let is_synced = match durability {
            Durability::Sync => true,
            Durability::Os => false,
            Durability::Memory => return Ok(None),
        };
        Ok(Some(StoreConfig::in_directory(directory, is_synced)?))
    }

    /// Who waits longer than `connect_timeout` is closed without an answer, so that no more may
    /// wait than are checked by then, with as much time again for a slow machine.
    pub(super) fn auth_queue_max(&self, threads: usize) -> usize {
        self.config.auth_queue_max.unwrap_or_else(|| {
            let in_time = self.config.limits.connect_timeout_ms / 2 / CHECK_MS;
            usize::try_from(in_time)
                .unwrap_or(usize::MAX)
                .saturating_mul(threads)
                .clamp(1, AUTH_QUEUE_MAX)
        })
    }

    /// How the log is set up.
    pub fn log_settings(&self) -> LogSettings {
        log_settings(&self.config)
    }
}

/// Gives each flight recorder its part of what all have together, unless it is told what it has.
pub(crate) fn share_out_recorder(config: &mut Config, shards: u16) {
    if let Some(size) = config.recorder {
        config.limits.recorder_bytes_max = size.bytes_of_shard(shards);
    }
}

pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Shards of a broker that is started with this configuration.
pub(crate) fn shards(config: &Config, cores: usize) -> u16 {
    let has_store = config.store.durability != Durability::Memory;
    config.shards.unwrap_or_else(|| shards_of(cores, has_store))
}

/// Threads that serve clients, if nothing is said: one a core, but for the one that the store's thread
/// has to itself. Two that share a core with it wait for each other, and are slower than one.
fn shards_of(cores: usize, has_store: bool) -> u16 {
    cores
        .saturating_sub(usize::from(has_store))
        .clamp(1, SHARDS_MAX) as u16
}

fn log_settings(config: &Config) -> LogSettings {
    LogSettings {
        format: if config.log.is_json {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        filter: config.log.level.clone(),
        file: config.log.file.clone(),
        buffer_bytes_max: config.log.buffer_bytes_max,
    }
}

fn listener_config(listener: &config::Listener) -> ListenerConfig {
    let tls = listener.tls.as_ref().map(|tls| TlsFiles {
        certificate_chain: tls.certificate.clone(),
        key: tls.key.clone(),
        client_authority: tls.client_ca.clone().and_then(|file| {
            let is_required = tls.client_certificate == ClientCertificate::Required;
            (tls.client_certificate != ClientCertificate::None)
                .then_some(ClientAuthority { file, is_required })
        }),
    });
    let websocket = listener.kind.has_websocket().then(|| WebSocketSettings {
        path: Some(listener.websocket_path.clone()),
        origins: match &listener.allowed_origins {
            Some(origins) => AllowedOrigins::new(origins.iter().cloned()),
            None => AllowedOrigins::SameHost,
        },
    });
    let kind = match (&listener.bind, tls, websocket) {
        (Bind::Ip(bind), None, None) => ListenerKind::Tcp { bind: *bind },
        (Bind::Ip(bind), Some(tls), None) => ListenerKind::Tls { bind: *bind, tls },
        (Bind::Ip(bind), None, Some(websocket)) => ListenerKind::Ws {
            bind: *bind,
            websocket,
        },
        (Bind::Ip(bind), Some(tls), Some(websocket)) => ListenerKind::Wss {
            bind: *bind,
            tls,
            websocket,
        },
        (Bind::Unix(path), _, _) => ListenerKind::Unix {
            path: path.clone(),
            mode: SOCKET_MODE,
        },
    };
    ListenerConfig {
        kind,
        settings: listener.settings.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_has_a_core_of_its_own_where_there_are_two() {
        let cores = [1, 2, 3, 8, 64, 200];
        assert_eq!(
            cores.map(|cores| shards_of(cores, true)),
            [1, 1, 2, 7, 63, 64]
        );
        assert_eq!(
            cores.map(|cores| shards_of(cores, false)),
            [1, 2, 3, 8, 64, 64]
        );
    }
}
