//! The log: lines of text or JSON, to the standard error stream or a file.

pub(crate) mod peer_text;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

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
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
            file: None,
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
    /// There is a log in this process already.
    #[error("the log is set up already")]
    AlreadySetUp,
}

/// Sets up the log of the process, once.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| LogError::Filter {
        filter: settings.filter.clone(),
        cause: error.to_string(),
    })?;
    let (writer, has_colour) = match &settings.file {
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|cause| LogError::File {
                path: path.clone(),
                cause,
            })?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    let is_done = match settings.format {
        LogFormat::Text => builder.with_ansi(has_colour).with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_target(false)
            .try_init(),
    };
    is_done.map_err(|_| LogError::AlreadySetUp)
}
