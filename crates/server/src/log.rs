//! The log: lines of text or JSON, to the standard error stream or a file, written by a thread of
//! its own.

mod handoff;
pub(crate) mod peer_text;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use handoff::Handoff;
use peer_text::Detail;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// Levels, say `info` or `warn,columba_server=debug`.
    pub filter: String,
    /// A file to append to; the standard error stream if there is none.
    pub file: Option<PathBuf>,
    /// Bytes of lines that wait to be written; what comes on top is lost and counted.
    pub buffer_bytes_max: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
            file: None,
            buffer_bytes_max: 1024 * 1024,
        }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter cannot be understood.
    #[error("log filter `{filter}`: {cause}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        cause: String,
    },
    /// The file cannot be opened.
    #[error("log file {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The operating system gives no thread.
    #[error("cannot start the thread of the log: {0}")]
    Thread(io::Error),
    /// There is a log in this process already.
    #[error("the log is set up already")]
    AlreadySetUp,
}

/// The log of the process. Dropping it waits for the last lines to be written, for a short time.
#[derive(Debug)]
pub struct Log(Handoff);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(PATIENCE_AT_END);
        // Having written them, the thread may have found that it has lines lost to tell of.
        self.0.flush(PATIENCE_AT_END);
    }
}

/// Sets up the log of the process, once. Lines are written until the process ends; whoever ends it
/// keeps what is returned for as long as lines may come. A panic is logged too, and waits for its
/// line to be written.
pub fn init(settings: &LogSettings) -> Result<Log, LogError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| LogError::Filter {
        filter: settings.filter.clone(),
        cause: error.to_string(),
    })?;
    let bytes_max = settings.buffer_bytes_max;
    let (handoff, has_colour) = match &settings.file {
        None => (
            Handoff::start(io::stderr(), bytes_max),
            io::stderr().is_terminal(),
        ),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|cause| LogError::File {
                path: path.clone(),
                cause,
            })?;
            (Handoff::start(file, bytes_max), false)
        }
    };
    let handoff = handoff.map_err(LogError::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(handoff.clone());
    let is_done = match settings.format {
        LogFormat::Text => builder.with_ansi(has_colour).with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_target(false)
            .try_init(),
    };
    is_done.map_err(|_| LogError::AlreadySetUp)?;
    log_panics(handoff.clone());
    Ok(Log(handoff))
}

/// Lines of this process that never reached the log: they found no room, or could not be written.
pub fn lines_lost() -> u64 {
    handoff::lines_lost()
}

/// Logs a panic before the process does with it whatever it does: a release aborts.
fn log_panics(handoff: Handoff) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        tracing::error!(thread, "{}", Detail(&panic.to_string()));
        handoff.flush(PATIENCE_AT_END);
        previous(panic);
    }));
}

/// How long the end of the process waits for the last lines to be taken.
const PATIENCE_AT_END: Duration = Duration::from_secs(1);
