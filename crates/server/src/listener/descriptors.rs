//! File descriptors: how many there may be, and what to do when there are no more.

use std::fs::File;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the process's limit of open files as far as it goes; what it is then (`None`: unlimited).
pub(crate) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, ?current, "cannot raise the limit of open files");
            current
        }
    }
}

/// How many descriptors connections may take of `limit`: the rest is for files, the store's above all. A
/// broker whose clients have all of them can keep nothing for them.
pub(crate) fn for_connections(limit: u64) -> u64 {
    limit - FILES_MAX.min(limit / 8)
}

/// Descriptors that are kept for files: beside those that are open from the start, 1 GiB of store and a
/// few for configuration, the flight recorder and the like.
const FILES_MAX: u64 = 48;

/// One descriptor kept back. When there are no others, giving it up for a moment lets the broker
/// accept a connection and hang up, so that the peer learns of it and the queue does not stand.
#[derive(Debug)]
pub(crate) struct Reserve(Option<File>);

impl Reserve {
    /// Takes one.
    pub(crate) fn new() -> Self {
        let mut reserve = Self(None);
        reserve.refill();
        reserve
    }

    /// Gives it up. Whether there was one.
    pub(crate) fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one again, if it can be had.
    pub(crate) fn refill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}

/// Whether an error says that the process or the machine has no descriptor left.
pub(crate) fn is_exhausted(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}
