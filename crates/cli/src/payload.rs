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

/// No packet carries more, whatever its topic.
pub(crate) const PAYLOAD_BYTES_MAX: u64 = 268_435_455;

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
    let read = tokio::task::spawn_blocking(|| read_whole(io::stdin().lock()));
    match read.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(payload) if payload.is_empty() => Err(Trouble::usage(words::stdin_empty())),
        Ok(payload) => Ok(payload),
        Err(error) => Err(stdin_trouble(&error)),
    }
}

/// All of what may never end, as long as a packet can carry it.
pub(crate) fn read_whole(from: impl io::Read) -> io::Result<Vec<u8>> {
    read_up_to(from, PAYLOAD_BYTES_MAX)
}

fn read_up_to(from: impl io::Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    from.take(limit + 1).read_to_end(&mut payload)?;
    within(limit, payload)
}

/// A line without its line break, nothing at the end.
fn read_line_up_to(from: impl io::BufRead, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if from.take(limit + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\n');
    within(limit, line).map(Some)
}

fn within(limit: u64, payload: Vec<u8>) -> io::Result<Vec<u8>> {
    match payload.len() as u64 > limit {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(payload),
    }
}

/// Standard input cannot be read.
pub(crate) fn stdin_trouble(error: &io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Trouble::usage(words::stdin_too_large(PAYLOAD_BYTES_MAX));
    }
    Trouble::usage(words::stdin_unreadable(words::system(error)))
}

/// Reads stdin line by line on a thread of its own, which ends with the program.
pub(crate) fn stdin_lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let line = read_line_up_to(&mut stdin, PAYLOAD_BYTES_MAX);
            let Some(item) = line.transpose() else {
                return;
            };
            let is_error = item.is_err();
            if lines.blocking_send(item).is_err() || is_error {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_read_up_to_the_limit() {
        assert_eq!(
            read_up_to(&b"abc"[..], 3).ok().as_deref(),
            Some(&b"abc"[..])
        );
        for error in [
            read_up_to(&b"abcd"[..], 3).err(),
            read_up_to(io::repeat(0), 3).err(),
            read_line_up_to(io::BufReader::new(io::repeat(0)), 3).err(),
        ] {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::FileTooLarge));
        }
    }

    #[test]
    fn a_line_ends_with_its_break_or_with_the_input() {
        let mut input = &b"ab\n\nabc\nxy"[..];
        let mut next = || read_line_up_to(&mut input, 3).expect("readable");
        for line in [&b"ab"[..], b"", b"abc", b"xy"] {
            assert_eq!(next().as_deref(), Some(line));
        }
        assert_eq!(next(), None);
    }
}
