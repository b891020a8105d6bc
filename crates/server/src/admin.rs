//! The door for operators: the management API, metrics and health over HTTP.
//!
//! One thread with a runtime of its own serves it; it puts requests to the shards as another thread
//! would and holds nothing of theirs. Each resource of the API is a file of its own in this folder,
//! whose `routes` are named in `resources`.
#![expect(
    unused_qualifications,
    reason = "the macros of utoipa write the parameters in full"
)]

mod acl;
mod app;
mod audit;
mod bans;
mod broker;
mod caller;
mod clients;
mod condition;
mod config;
mod event_stream;
mod events;
mod extract;
mod files;
mod groups;
mod guard;
mod health;
mod listeners;
mod me;
mod metrics;
mod page;
mod paged;
mod params;
mod problem;
mod publish;
mod resources;
mod retained;
mod rules;
mod serve;
mod sessions;
mod subscriptions;
mod throttle;
mod tokens;
mod topics;
mod traces;
mod users;
mod view;
mod why;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use columba_broker::ban::BanList;
use tokio::sync::oneshot;

use crate::auth::Authenticator;
use crate::config::Config;
use crate::recorder::Past;
use crate::reload::Running;
use crate::runtime::Asker;
use crate::transport::TlsError;

pub use resources::openapi;

/// What the door wants of whoever runs the broker.
#[derive(Debug)]
pub enum Wish {
    /// Read the files again and tell the broker, then answer; the text is what is wrong with them.
    Reload(oneshot::Sender<Result<(), String>>),
    /// None any more: the broker stops. Whoever runs it sends this to itself.
    End,
}

/// What the door is opened with.
#[derive(Debug)]
pub struct AdminParts {
    /// The configuration at the start.
    pub config: Config,
    /// The configuration in force.
    pub running: Arc<Running>,
    /// Reaches the shards.
    pub asker: Asker,
    /// Checks the passwords of users.
    pub authenticator: Arc<Authenticator>,
    /// Who is not let in.
    pub bans: Arc<BanList>,
    /// What the flight recorders of earlier processes have seen.
    pub past: Past,
    /// Where wishes go.
    pub wishes: Sender<Wish>,
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The port cannot be bound.
    #[error("[admin]: cannot listen on {address}: {cause}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// The Unix socket cannot be bound.
    #[error("[admin]: cannot listen on {}: {cause}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The keys cannot be used.
    #[error("[admin]: {0}")]
    Tls(#[from] Box<TlsError>),
    /// The operating system gives no thread.
    #[error("[admin]: cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The open door.
#[derive(Debug)]
pub struct Admin {
    address: Option<SocketAddr>,
    url: Option<String>,
    socket: Option<PathBuf>,
    /// The thread ends when this is dropped.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Admin {
    /// Opens the door: binds what it has to and starts the thread.
    ///
    /// # Errors
    /// Why it cannot be opened. A port that is taken is one only if the configuration names it.
    pub fn start(parts: AdminParts) -> Result<Self, AdminError> {
        let doors = serve::Doors::open(&parts.config.admin)?;
        let app = app::App::new(parts, doors.tls());
        let (address, url, socket) = (doors.address(), doors.url(), doors.socket());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(app::CHECKS_MAX)
            .thread_keep_alive(std::time::Duration::from_secs(1))
            .build()?;
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = doors.serve(app.clone()) => {}
                        _ = stopped => {}
                    }
                    app.end_streams().await;
                });
                // A password that is being checked must not hold up the end.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            url,
            socket,
            stop,
            thread,
        })
    }

    /// Where it listens, unless another program has the port.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The Unix socket, unless it could not be bound.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Closes it.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the management API panicked");
        }
        if let Some(path) = self.socket {
            drop(std::fs::remove_file(path));
        }
    }
}
