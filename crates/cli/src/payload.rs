//! What `pub` and `rr` send: the options that say it, and how it is read.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use clap::Args;
use tokio::sync::mpsc;

use crate::connection::{Trouble, read_file};
use crate::words;

/// Lines that are read ahead.
const LINES_MAX: usize = 64;

/// Where the payload comes from. The command that takes these makes a group of them, since it may
/// know more sources.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct PayloadArgs {
    /// The payload
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<OsString>,
    /// A payload of no bytes; retained, it removes the retained message
    #[arg(short, long)]
    null_message: bool,
    /// A file as the payload
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// All of standard input as the payload
    #[arg(short, long)]
    stdin_file: bool,
    /// Every line of standard input as a payload of its own
    #[arg(short = 'l', long)]
    stdin_line: bool,
}

/// What there is to send.
pub(crate) enum Payload {
    /// One message.
    Whole(Vec<u8>),
    /// A message a line, which come from [`stdin_lines`].
    Lines,
}

impl PayloadArgs {
    /// Reads what is read as a whole. Standard input may never end; dropping the future does not
    /// wait for it.
    pub(crate) async fn read(&self) -> Result<Payload, Trouble> {
        if self.stdin_line {
            return Ok(Payload::Lines);
        }
        let payload = if let Some(path) = &self.file {
            read_file(path)?
        } else if self.stdin_file {
            read_stdin().await?
        } else {
            self.message.clone().unwrap_or_default().into_vec()
        };
        Ok(Payload::Whole(payload))
    }
}

/// All of stdin, read on a thread of its own.
async fn read_stdin() -> Result<Vec<u8>, Trouble> {
    let read = tokio::task::spawn_blocking(|| {
        let mut payload = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut payload);
        read.map(|_| payload)
    });
    match read.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(payload) if payload.is_empty() => Err(Trouble::usage(words::stdin_empty())),
        Ok(payload) => Ok(payload),
        Err(error) => Err(stdin_trouble(&error)),
    }
}

/// Standard input cannot be read.
pub(crate) fn stdin_trouble(error: &io::Error) -> Trouble {
    Trouble::usage(words::stdin_unreadable(words::system(error)))
}

/// Reads stdin line by line on a thread of its own, which ends with the program.
pub(crate) fn stdin_lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = stdin.read_until(b'\n', &mut line);
            let item = match read {
                Ok(0) => return,
                Ok(_) => Ok(line.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(line)),
                Err(error) => Err(error),
            };
            let is_error = item.is_err();
            if lines.blocking_send(item).is_err() || is_error {
                return;
            }
        }
    });
    receiver
}
