//! `columba run`: the broker.

mod welcome;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use columba_broker::ban::BanList;
use columba_server::admin::{Admin, AdminError, AdminParts, Wish};
use columba_server::auth::Authenticator;
use columba_server::config::{Config, Durability, parse_addr};
use columba_server::instance::file::lock_data_dir;
use columba_server::instance::{Instance, Location, Overrides};
use columba_server::recorder::{Past, RecorderFiles, note_none};
use columba_server::reload::Reloader;
use columba_server::runtime::service_manager::tell_reload;
use columba_server::runtime::signals::Watch;
use columba_server::{Broker, StartError, log};
use columba_store::DiskFiles;

use crate::create::{make, quoted};
use crate::failure::{Failure, count_of, end, note, of_store, print, show_faults};
use crate::presence::Presence;
use crate::words::{self, Said, start, store, value};

/// The instance that is made where none is named.
const DEFAULT_DIR: &str = "columba-data";
/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Run the broker
///
/// Without DIR it runs the instance in ./columba-data, and makes it first if there is none.
///
/// SIGHUP makes it read its files again, certificates among them; SIGTERM and Ctrl-C stop it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba run                    # in ./columba-data, which is made if there is none\n\
\x20 columba run /srv/mqtt --log-level debug\n\
\x20 columba run --listen 127.0.0.1:1884")]
pub struct RunArgs {
    /// Directory of the instance
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Configuration file, in place of DIR/etc/columba.toml
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Listen for MQTT at this address only, in place of the listeners of the configuration
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Least important lines of the log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: Option<String>,
}

fn listen_address(text: &str) -> Result<SocketAddr, Said> {
    parse_addr(text, LISTEN_PORT).map_err(|_| value::address(LISTEN_PORT).into())
}

/// The port of MQTT.
const LISTEN_PORT: u16 = 1883;

/// Runs the command.
pub fn run(args: &RunArgs) -> ExitCode {
    end(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let location = locate(args)?;
    let overrides = Overrides {
        listen: args.listen,
        log_level: args.log_level.clone(),
    };
    let instance = match Instance::load(&location, &overrides, std::env::vars()) {
        Ok(instance) => instance,
        Err(faults) => {
            show_faults(&faults);
            return Err(Failure::new(store::faulty_instance(count_of(&faults)))
                .fix(store::correct_and_start())
                .faulty());
        }
    };
    show_faults(&instance.warnings);
    let failed = |error: &dyn std::error::Error| Failure::new(error.to_string());
    // Dropped last: it waits for the last lines.
    let _log = log::init(&instance.log_settings())
        .map_err(|error| Failure::new(start::log(&error)).faulty())?;
    let _lock = lock(&instance.config)?;
    let authenticator = Authenticator::new(Arc::clone(&instance.users));
    let authenticator = Arc::new(authenticator.map_err(|error| failed(&error))?);
    let config = instance
        .runtime_config(authenticator.clone())
        .map_err(|error| explain(&error))?;
    let mut signals = Watch::install().map_err(|error| failed(&error))?;
    let broker = match Broker::start_unless(config, signals.stop()) {
        Ok(broker) => broker,
        Err(StartError::Stopped) => {
            tracing::info!("asked to stop while reading the store: it is as it was");
            return Ok(());
        }
        Err(error) => return Err(explain(&error)),
    };
    let (base, bans) = (location.base.clone(), Arc::clone(&instance.bans));
    let config = instance.config.clone();
    let reloader = Reloader::new(location, overrides, instance, Arc::clone(&authenticator));
    let (wishes, wished) = channel();
    let recorder = keep_record(&broker, &config);
    let past = recorder.as_ref().map(RecorderFiles::past);
    let door = (authenticator, bans, past.unwrap_or_default());
    let admin = open_admin(&broker, &reloader, door, wishes.clone());
    let admin = match admin {
        Ok(admin) => admin,
        Err(error) => {
            broker.shutdown();
            return Err(explain_admin(&error));
        }
    };
    let _presence = admin.as_ref().and_then(announce);
    let report = broker.boot_report();
    print(&welcome::text(
        &base,
        &config,
        &broker,
        report,
        admin.as_ref(),
    ));
    serve_until_stopped(
        &broker,
        Mutex::new(reloader),
        &mut signals,
        (wishes, wished),
    );
    if let Some(admin) = admin {
        admin.stop();
    }
    if let Some(recorder) = recorder {
        recorder.stop();
    }
    broker.shutdown();
    Ok(())
}

/// Has what the flight recorders see written beside the store. Without it they do their work all the
/// same, so that it cannot be is no reason not to start.
fn keep_record(broker: &Broker, config: &Config) -> Option<RecorderFiles> {
    let bytes_max = config.store.recorder_bytes_max;
    let dir = config.data_dir.join("recorder");
    if config.store.durability == Durability::Memory || bytes_max == 0 {
        // What is there is left as it is, but for a few bytes that say that something is missing behind it.
        let noted = note_none(&dir, broker.asker());
        if let Err(error) = noted {
            tracing::warn!(
                directory = %dir.display(), %error,
                "that the flight recorder keeps no files cannot be noted beside those of earlier processes"
            );
        }
        return None;
    }
    let started = RecorderFiles::start(&dir, bytes_max, broker.asker().clone());
    started
        .inspect_err(|error| {
            tracing::warn!(
                directory = %dir.display(), %error,
                "what the flight recorder sees is not kept beyond the end of the broker"
            );
        })
        .ok()
}

/// Opens the door for operators, if there is to be one.
fn open_admin(
    broker: &Broker,
    reloader: &Reloader,
    (authenticator, bans, past): (Arc<Authenticator>, Arc<BanList>, Past),
    wishes: Sender<Wish>,
) -> Result<Option<Admin>, AdminError> {
    let running = reloader.running();
    let config = running.config();
    if !config.admin.is_enabled {
        return Ok(None);
    }
    Admin::start(AdminParts {
        config: Config::clone(&config),
        running,
        asker: broker.asker().clone(),
        authenticator,
        bans,
        past,
        wishes,
    })
    .map(Some)
}

/// Lets the commands on this machine find the broker. Without it they find it by its directory.
fn announce(admin: &Admin) -> Option<Presence> {
    Presence::announce(admin.socket()?)
        .inspect_err(|error| tracing::debug!(%error, "commands find this broker by --dir alone"))
        .ok()
}

fn explain_admin(error: &AdminError) -> Failure {
    let failure = Failure::new(start::admin(error));
    match error {
        AdminError::Bind { .. } => failure.fix(start::other_bind()),
        AdminError::Socket { .. } => failure.fix(start::other_socket()),
        _ => failure,
    }
}

/// Reads the files again when they change and when asked to, until asked to stop.
fn serve_until_stopped(
    broker: &Broker,
    reloader: Mutex<Reloader>,
    signals: &mut Watch,
    (wishes, wished): (Sender<Wish>, Receiver<Wish>),
) {
    let lock = || reloader.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                match wished.recv_timeout(LOOK_INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => {
                        let mut reloader = lock();
                        if reloader.has_changed() {
                            tracing::info!("a file has changed: reading all of them again");
                            // What is wrong is in the log.
                            tell_reload(|| drop(reloader.reload_and_tell(broker)));
                        }
                    }
                    Ok(Wish::Reload(reply)) => {
                        let mut told = Ok(());
                        tell_reload(|| told = lock().reload_and_tell(broker));
                        // Whoever asked may have stopped waiting.
                        drop(reply.send(told));
                    }
                    Ok(Wish::End) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        signals.wait(|| {
            tell_reload(|| {
                drop(lock().reload_and_tell(broker));
                for (listener, error) in broker.reload_tls() {
                    tracing::error!(listener, %error, "the certificate stays as it was");
                }
            });
        });
        drop(wishes.send(Wish::End));
    });
}

fn locate(args: &RunArgs) -> Result<Location, Failure> {
    if let Some(file) = &args.config {
        return Ok(Location::of_file(file));
    }
    let dir = args
        .dir
        .as_deref()
        .unwrap_or_else(|| Path::new(DEFAULT_DIR));
    let location = Location::of_directory(dir);
    if location.config_file.exists() {
        return Ok(location);
    }
    if args.dir.is_some() {
        let what = start::no_instance(dir.display().to_string());
        let fix = words::instance::make_one(quoted(dir));
        return Err(Failure::new(what).fix(fix).faulty());
    }
    note(start::no_instance_yet(format!("./{DEFAULT_DIR}")));
    make(dir)?;
    Ok(location)
}

/// Locks the data directory, unless the store is there and locks it itself.
fn lock(config: &Config) -> Result<Option<DiskFiles>, Failure> {
    let store = &config.store;
    let has_store = store.durability != Durability::Memory;
    if has_store && without_links(&store.directory) == without_links(&config.data_dir) {
        return Ok(None);
    }
    let lock = lock_data_dir(&config.data_dir);
    lock.map(Some).map_err(|error| of_store(&error))
}

/// A directory by its one true path. It may be about to be made.
fn without_links(dir: &Path) -> PathBuf {
    let of_parent = || {
        let parent = dir.parent()?;
        let is_here = parent.as_os_str().is_empty();
        let parent = if is_here { Path::new(".") } else { parent };
        Some(parent.canonicalize().ok()?.join(dir.file_name()?))
    };
    let path = dir.canonicalize().ok().or_else(of_parent);
    path.unwrap_or_else(|| dir.to_owned())
}

fn explain(error: &StartError) -> Failure {
    if let StartError::Store(error) = error {
        return of_store(error);
    }
    let failure = Failure::new(start::start(error));
    let StartError::Bind { address, cause, .. } = error else {
        return failure;
    };
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            let port = address
                .parse::<SocketAddr>()
                .map(|address| address.port())
                .ok();
            match port.and_then(columba_doctor::listeners::owner) {
                Some(owner) => failure.fix(start::port_taken(&owner)),
                None => failure.fix(start::another_listens()),
            }
        }
        io::ErrorKind::PermissionDenied => failure.fix(start::low_port()),
        io::ErrorKind::AddrNotAvailable => failure.fix(start::no_such_address()),
        _ => failure,
    }
}
