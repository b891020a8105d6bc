//! The running broker: shard threads, the thread that accepts, and what steers them.

mod asker;
mod housekeeping;
pub mod service_manager;
mod shared;
pub mod signals;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use columba_broker::access::AccessRules;
use columba_broker::ban::BanList;
use columba_broker::event::{Command, ShardId};
use columba_broker::limits::{Limits, ListenerSettings};
use columba_broker::mail::Mail;
use columba_broker::outcome::Outcome;
use columba_broker::recovery::RecoveredShard;
use columba_broker::{Shard, ShardConfig};
use columba_store::{Engine, Files};
use mio::{Poll, Waker};

pub use asker::Asker;
pub(crate) use asker::{Facts, NoAnswer};
pub(crate) use shared::{Clock, Shared};

use crate::auth::Authenticate;
use crate::bell::Bell;
use crate::driver::{
    Alarm, Checks, Driver, DriverParts, Errand, ShardHandle, Store, Storing, WAKER,
};
use crate::listener::acceptor::{self, AcceptorHandle, Bound};
use crate::listener::{BoundAddress, Listener, ListenerConfig, TlsError, descriptors};
use crate::mailbox::{MailCount, Mailboxes};
use crate::store::{BootReport, Reading, StoreConfig, StoreError};
use housekeeping::{Housekeeping, StoreWatch};

/// All that a broker is started with.
pub struct RuntimeConfig {
    /// Shards, each with a thread; at least 1.
    pub shards: u16,
    /// Seeds hashing and choices. Secret in production, or peers can flood hash tables.
    pub seed: u64,
    /// The key of the client ids that the server assigns; secret in production.
    pub id_secret: [u8; 16],
    /// The bounds.
    pub limits: Arc<Limits>,
    /// The listeners; their order numbers them.
    pub listeners: Vec<ListenerConfig>,
    /// Who may do what.
    pub access: Arc<AccessRules>,
    /// Who is not let in, whatever the rules say.
    pub bans: Arc<BanList>,
    /// Who may log in.
    pub authenticator: Arc<dyn Authenticate>,
    /// Threads that check credentials; at least 1.
    pub auth_threads: usize,
    /// Credentials that wait for a check at most; who comes on top is told to try again later.
    pub auth_queue_max: usize,
    /// How long a shutdown may take, in milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Where what outlives the process is kept; nothing does without.
    pub store: Option<StoreConfig>,
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("listener {listener}: cannot listen on {address}: {cause}")]
    Bind {
        /// Its name.
        listener: String,
        /// Where it should listen.
        address: String,
        /// Why not.
        cause: io::Error,
    },
    /// The keys of a listener cannot be used.
    #[error("listener {listener}: {cause}")]
    Tls {
        /// Its name.
        listener: String,
        /// Why not.
        cause: Box<TlsError>,
    },
    /// There are more listeners than can be numbered.
    #[error("{0} listeners are too many")]
    TooManyListeners(usize),
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(StoreError),
    /// It was to be stopped before it was ready.
    #[error("stopped while the store was being read")]
    Stopped,
    /// The operating system gives no thread or no poll.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        if error.is_stopped() {
            Self::Stopped
        } else {
            Self::Store(error)
        }
    }
}

/// A running broker. Dropping it without [`Broker::shutdown`] leaves its threads running.
pub struct Broker {
    shards: Arc<[ShardHandle]>,
    shared: Arc<Shared>,
    addresses: Vec<BoundAddress>,
    acceptor: AcceptorHandle,
    shard_threads: Vec<JoinHandle<()>>,
    /// They end when the last shard's thread has ended.
    auth_threads: Vec<JoinHandle<()>>,
    housekeeping: Housekeeping,
    engine: Option<Engine<Box<dyn Files>>>,
    boot_report: Option<BootReport>,
    asker: Asker,
    shutdown_timeout: Duration,
}

impl Broker {
    /// Reads the store, binds all listeners and starts all threads.
    pub fn start(config: RuntimeConfig) -> Result<Self, StartError> {
        Self::start_unless(config, &AtomicBool::new(false))
    }

    /// The same, but gives up with [`StartError::Stopped`] if `stop` is set while the store is being
    /// read, which may take long. Once it is read a start is quick.
    pub fn start_unless(mut config: RuntimeConfig, stop: &AtomicBool) -> Result<Self, StartError> {
        let descriptors = descriptors::raise_limit();
        // First, so that no client waits for it.
        let reading = config.store.take();
        let clock = Clock::start();
        let reading = reading.map(|store| Reading::new(store, config.seed, clock.now(), stop));
        let reading = reading.transpose()?;
        let listeners = load_listeners(&config.listeners)?;
        let bound = bind_listeners(&config.listeners)?;
        let addresses: Vec<_> = bound.iter().map(|bound| bound.address.clone()).collect();
        let shared = Arc::new(Shared::new(clock, listeners, &config.listeners, &addresses));
        for (listener, address) in config.listeners.iter().zip(&addresses) {
            let kind = listener.kind.name();
            tracing::info!(listener = listener.settings.name, kind, %address, "listening");
        }
        let count = usize::from(config.shards.max(1));
        tracing::info!(shards = count, descriptors, "starting");
        let mut kept = Kept::new(reading, count, &config, &shared, stop)?;
        let (shards, parts) = prepare(count)?;
        let (checks, auth_threads) = Checks::start(
            config.auth_threads,
            config.auth_queue_max,
            &config.authenticator,
            &shards,
        )?;
        let settings: Arc<[ListenerSettings]> = config
            .listeners
            .iter()
            .map(|listener| listener.settings.clone())
            .collect();
        let mut shard_threads = Vec::new();
        let notes = kept.report.as_ref().map(BootReport::notes);
        let notes = notes.unwrap_or_default();
        let now = shared.now();
        for (index, (poll, errands, mail)) in parts.into_iter().enumerate() {
            let core = ShardConfig {
                id: ShardId(index as u16),
                shards: count as u16,
                seed: kept.seed,
                id_secret: config.id_secret,
                limits: Arc::clone(&config.limits),
                listeners: Arc::clone(&settings),
                access: Arc::clone(&config.access),
                is_durable: kept.engine.is_some(),
            };
            let mut core = Shard::with_notes(core, now, &notes);
            if let Some(mut recovered) = kept.shards.next() {
                recovered.change_users(|user| config.authenticator.user_now(user));
                core.restore(shared.now(), recovered);
            }
            let parts = DriverParts {
                index,
                core,
                store: kept.store_of(index, &shards),
                poll,
                errands,
                shards: Arc::clone(&shards),
                mail,
                checks: checks.clone(),
                shared: Arc::clone(&shared),
                connect_timeout_ms: config.limits.connect_timeout_ms,
            };
            let thread = std::thread::Builder::new().name(format!("shard-{index}"));
            shard_threads.push(thread.spawn(move || Driver::new(parts).run())?);
        }
        // Before anybody can come in.
        tell_all(&shards, &Command::SetBans(Arc::clone(&config.bans)));
        let acceptor =
            acceptor::start(bound, Arc::clone(&shards), Arc::clone(&shared), descriptors)?;
        let housekeeping = Housekeeping::start(
            Arc::clone(&shards),
            Arc::clone(&shared),
            config.limits.sys_interval_ms,
            kept.watch(),
        )?;
        let facts = Facts {
            addresses: addresses.clone(),
            boot_report: kept.report.clone(),
            store: kept.engine.as_ref().map(|engine| engine.handle(|| ())),
            alarm: Arc::clone(&kept.alarm),
        };
        let asker = Asker::new(Arc::clone(&shards), Arc::clone(&shared), facts, kept.seed);
        service_manager::notify_ready();
        Ok(Self {
            shards,
            shared,
            addresses,
            acceptor,
            shard_threads,
            auth_threads,
            housekeeping,
            engine: kept.engine,
            boot_report: kept.report,
            asker,
            shutdown_timeout: Duration::from_millis(config.shutdown_timeout_ms),
        })
    }

    /// Where the listeners are, in the order of the configuration.
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// What was found in the store, if there is one.
    pub const fn boot_report(&self) -> Option<&BootReport> {
        self.boot_report.as_ref()
    }

    /// Connections of a listener, counted from 0; 0 if there is no such listener.
    pub fn connections(&self, listener: usize) -> usize {
        self.shared
            .listeners()
            .get(listener)
            .map_or(0, Listener::connections)
    }

    /// How often a connection was refused for this reason before the core knew of it.
    pub fn refused_count(&self, outcome: Outcome) -> u64 {
        self.shared.refused_count(outcome)
    }

    /// Reaches the shards, for who answers operators.
    pub const fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Hands a command to every shard.
    pub fn command(&self, command: Command) {
        tell_all(&self.shards, &command);
    }

    /// Uses other access rules from now on.
    pub fn set_access(&self, access: Arc<AccessRules>) {
        self.command(Command::SetAccess(access));
    }

    /// Uses other limits from now on.
    pub fn set_limits(&self, limits: Arc<Limits>) {
        self.housekeeping
            .set_sys_interval_ms(limits.sys_interval_ms);
        self.command(Command::SetLimits(limits));
    }

    /// Uses other listener settings from now on. They go by position; addresses and kinds stay
    /// until a restart, and settings without a listener are ignored.
    pub fn set_listeners(&self, settings: Arc<[ListenerSettings]>) {
        for (listener, settings) in self.shared.listeners().iter().zip(settings.iter()) {
            listener.set_connections_max(settings.connections_max);
        }
        self.command(Command::SetListeners(settings));
    }

    /// Reads the keys of all TLS listeners again; what went wrong, by name. A listener whose files
    /// cannot be used goes on with the keys it has.
    pub fn reload_tls(&self) -> Vec<(String, TlsError)> {
        self.shared.reload_tls(|_| true)
    }

    /// Stops: publishes the Wills, tells the clients, closes and waits for all threads.
    pub fn shutdown(self) {
        service_manager::notify_stopping();
        tracing::info!("stopping");
        let deadline = Instant::now() + self.shutdown_timeout;
        self.acceptor.stop();
        tell_all(&self.shards, &Command::PublishWills);
        if !drain_mail(&self.shards, deadline.min(Instant::now() + MAIL_TIMEOUT)) {
            tracing::warn!("shards still have mail for each other; some Wills may not arrive");
        }
        // What clients wait to be told goes out as long as the disk is quick.
        if !settle_store(&self.shards, deadline.min(Instant::now() + STORE_TIMEOUT)) {
            tracing::warn!("the disk is slow; some clients go without their acknowledgements");
        }
        tell_all(&self.shards, &Command::Shutdown);
        let rest = deadline.saturating_duration_since(Instant::now());
        for shard in self.shards.iter() {
            shard.send(Errand::Stop {
                within_ms: rest.as_millis() as u64,
            });
        }
        for thread in self.shard_threads {
            if thread.join().is_err() {
                tracing::error!("a shard's thread panicked");
            }
        }
        if let Some(engine) = self.engine {
            close_store(engine);
        }
        self.housekeeping.stop();
        for thread in self.auth_threads {
            // A check that hangs (a backend that does not answer) must not hold up the end.
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!("a thread that checks credentials panicked");
            }
        }
        tracing::info!("stopped");
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("shards", &self.shards.len())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

fn tell_all(shards: &[ShardHandle], command: &Command) {
    for shard in shards {
        shard.send(Errand::Command(command.clone()));
    }
}

/// What the store gives to the shards; nothing without one.
struct Kept {
    seed: u64,
    shards: std::vec::IntoIter<RecoveredShard>,
    engine: Option<Engine<Box<dyn Files>>>,
    alarm: Arc<Alarm>,
    report: Option<BootReport>,
}

impl Kept {
    fn new(
        reading: Option<Reading>,
        count: usize,
        config: &RuntimeConfig,
        shared: &Shared,
        stop: &AtomicBool,
    ) -> Result<Self, StartError> {
        let Some(reading) = reading else {
            return Ok(Self {
                seed: config.seed,
                shards: Vec::new().into_iter(),
                engine: None,
                alarm: Arc::new(Alarm::new(String::new())),
                report: None,
            });
        };
        let alarm = Arc::new(Alarm::new(reading.place().to_owned()));
        let ready = reading.finish(count as u16, config.seed, shared.now(), stop)?;
        Ok(Self {
            seed: ready.seed,
            shards: ready.shards.into_iter(),
            engine: Some(Engine::start(ready.log, columba_store::Limits::default())?),
            alarm,
            report: Some(ready.report),
        })
    }

    /// What housekeeping tells of the store.
    fn watch(&self) -> Option<StoreWatch> {
        let (engine, report) = (self.engine.as_ref()?, self.report.clone()?);
        let alarm = Arc::clone(&self.alarm);
        Some(StoreWatch::new(engine.handle(|| ()), report, alarm))
    }

    /// A shard's access to the store.
    fn store_of(&self, index: usize, shards: &Arc<[ShardHandle]>) -> Option<Store> {
        let engine = self.engine.as_ref()?;
        let has_reports = Arc::new(AtomicBool::new(false));
        self.alarm.wakes(shards);
        let (bell, shards) = (Arc::clone(&has_reports), Arc::clone(shards));
        let handle = engine.handle(move || {
            // Once until it has looked.
            if !bell.swap(true, Ordering::AcqRel)
                && let Some(shard) = shards.get(index)
            {
                shard.wake();
            }
        });
        let storing = Storing::new(handle, Arc::clone(&self.alarm));
        Some(Store::new(storing, has_reports))
    }
}

/// What a shard's thread needs of its own: its poll, its errands and its mail.
type ShardEnds = (Poll, Receiver<Errand>, Mailboxes<Mail>);

fn prepare(count: usize) -> io::Result<(Arc<[ShardHandle]>, Vec<ShardEnds>)> {
    let polls = (0..count)
        .map(|_| Poll::new())
        .collect::<io::Result<Vec<_>>>()?;
    let bells = polls
        .iter()
        .map(|poll| Ok(Arc::new(Bell::new(Waker::new(poll.registry(), WAKER)?))))
        .collect::<io::Result<Vec<Arc<Bell>>>>()?;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
    let mail = Mailboxes::connect(&bells);
    let handles = senders
        .into_iter()
        .zip(bells)
        .map(|(sender, bell)| ShardHandle::new(sender, bell));
    let ends = polls.into_iter().zip(receivers).zip(mail);
    let ends = ends
        .map(|((poll, receiver), mail)| (poll, receiver, mail))
        .collect();
    Ok((handles.collect(), ends))
}

fn load_listeners(configs: &[ListenerConfig]) -> Result<Vec<Listener>, StartError> {
    if configs.len() > usize::from(u16::MAX) {
        return Err(StartError::TooManyListeners(configs.len()));
    }
    let load = |config: &ListenerConfig| {
        Listener::load(config).map_err(|cause| StartError::Tls {
            listener: config.settings.name.clone(),
            cause: Box::new(cause),
        })
    };
    configs.iter().map(load).collect()
}

fn bind_listeners(configs: &[ListenerConfig]) -> Result<Vec<Bound>, StartError> {
    let bind = |config: &ListenerConfig| {
        Bound::bind(config).map_err(|cause| StartError::Bind {
            listener: config.settings.name.clone(),
            address: config.kind.address().to_string(),
            cause,
        })
    };
    configs.iter().map(bind).collect()
}

/// Waits until all letters have been read: as many taken as pushed, and the same once more, since a
/// letter may have led to another. Whether it came to that in time.
fn drain_mail(shards: &[ShardHandle], deadline: Instant) -> bool {
    let mut before = None;
    loop {
        let (sender, receiver) = channel();
        for shard in shards {
            shard.send(Errand::CountMail(sender.clone()));
        }
        drop(sender);
        let mut sum = MailCount::default();
        for _ in shards {
            let rest = deadline.saturating_duration_since(Instant::now());
            let Ok(count) = receiver.recv_timeout(rest) else {
                return false;
            };
            sum.pushed += count.pushed;
            sum.taken += count.taken;
            sum.has_waiting |= count.has_waiting;
        }
        let is_even = sum.pushed == sum.taken && !sum.has_waiting;
        if is_even && before == Some(sum) {
            return true;
        }
        before = Some(sum);
    }
}

/// Waits until all shards know that what they have to keep is on the disk, or that it may never be.
/// Whether it came to that in time.
fn settle_store(shards: &[ShardHandle], deadline: Instant) -> bool {
    let (sender, receiver) = channel();
    for shard in shards {
        shard.send(Errand::Settle(sender.clone()));
    }
    drop(sender);
    let rest = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected)
}

fn close_store(engine: Engine<Box<dyn Files>>) {
    match engine.close() {
        None => tracing::error!("the store's thread panicked"),
        Some(log) => match log.failure() {
            None => tracing::info!(commit = log.stats().commit, "the store is closed"),
            Some(error) => tracing::error!(%error, "the store is closed"),
        },
    }
}

/// How long a shutdown waits for the disk before clients are told.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a shutdown waits for mail between shards.
const MAIL_TIMEOUT: Duration = Duration::from_secs(2);
