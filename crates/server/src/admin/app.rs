//! What all handlers share.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use columba_broker::ban::BanList;
use columba_broker::event::Now;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, oneshot, watch};

use super::audit::Audit;
use super::problem::Problem;
use super::throttle::Throttle;
use super::traces::Traces;
use super::{AdminParts, Wish};
use crate::auth::Authenticator;
use crate::auth::tokens::TokenFile;
use crate::config::Config;
use crate::recorder::Past;
use crate::reload::Running;
use crate::runtime::Asker;
use crate::transport::TlsListener;

/// Passwords that are checked at a time: clients of MQTT log in with the same processor.
pub(super) const CHECKS_MAX: usize = 2;

/// Large bodies that are read at a time.
const BODIES_MAX: usize = 4;

/// Lists at a time whose rows are all held before they are sorted.
const SORTED_MAX: usize = 2;

/// Streams of events at a time.
pub(super) const STREAMS_MAX: usize = 16;

/// How long readers of streams have at the end to take what says that it is the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all handlers share; cloning counts a reference.
#[derive(Clone, Debug)]
pub(super) struct App(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) asker: Asker,
    /// The keys of the management API itself.
    pub(super) tls: Option<Arc<TlsListener>>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) running: Arc<Running>,
    pub(super) tokens: TokenFile,
    pub(super) audit: Audit,
    pub(super) throttle: Throttle,
    /// Room for password checks.
    pub(super) checks: Semaphore,
    /// Room for large bodies.
    pub(super) bodies: Arc<Semaphore>,
    /// Room for lists whose rows are all held before they are sorted.
    pub(super) sorting: Semaphore,
    /// Room for streams of events.
    pub(super) streams: Arc<Semaphore>,
    /// The traces.
    pub(super) traces: Traces,
    /// Whether the door is closing.
    pub(super) ending: watch::Sender<bool>,
    /// Held while a file is read, changed and written, so that changes do not get lost.
    pub(super) editing: AsyncMutex<()>,
    pub(super) started: (Instant, Now),
    /// What the flight recorders of earlier processes have seen.
    pub(super) past: Past,
    bans: Mutex<Arc<BanList>>,
    wishes: Mutex<std::sync::mpsc::Sender<Wish>>,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    pub(super) fn new(parts: AdminParts, tls: Option<Arc<TlsListener>>) -> Self {
        let started = (Instant::now(), parts.asker.shared.now());
        Self(Arc::new(Inner {
            asker: parts.asker,
            tls,
            authenticator: parts.authenticator,
            running: parts.running,
            tokens: TokenFile::new(parts.config.admin.tokens.clone()),
            audit: Audit::default(),
            throttle: Throttle::default(),
            checks: Semaphore::new(CHECKS_MAX),
            bodies: Arc::new(Semaphore::new(BODIES_MAX)),
            sorting: Semaphore::new(SORTED_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            traces: Traces::default(),
            ending: watch::Sender::new(false),
            editing: AsyncMutex::new(()),
            started,
            past: parts.past,
            bans: Mutex::new(parts.bans),
            wishes: Mutex::new(parts.wishes),
        }))
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.running.config()
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        self.asker.shared.now()
    }

    /// Tells the readers of streams that the door closes, and waits for them, but not for long.
    pub(super) async fn end_streams(&self) {
        self.ending.send_replace(true);
        let all = self.streams.acquire_many(STREAMS_MAX as u32);
        drop(tokio::time::timeout(FAREWELL, all).await);
    }

    /// Who is not let in.
    pub(super) fn bans(&self) -> Arc<BanList> {
        Arc::clone(&self.bans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses other bans; whoever calls holds `editing`.
    pub(super) fn set_bans(&self, bans: Arc<BanList>) {
        *self.bans.lock().unwrap_or_else(PoisonError::into_inner) = bans;
    }

    /// Has the files read again, and waits for it.
    pub(super) async fn reload(&self) -> Result<(), Problem> {
        let (reply, answer) = oneshot::channel();
        let is_told = {
            let wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
            wishes.send(Wish::Reload(reply)).is_ok()
        };
        let answer = if is_told { answer.await.ok() } else { None };
        match answer {
            Some(Ok(())) => Ok(()),
            Some(Err(faults)) => Err(Problem::conflict(format!(
                "the files have errors, and everything stays as it was: {faults}"
            ))),
            None => Err(Problem::busy("the broker is stopping")),
        }
    }
}
