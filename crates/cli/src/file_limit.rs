//! A limit of file sizes is an error of a write, not the end of the process.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Has a write beyond the limit of file sizes (`ulimit -f`, `LimitFSIZE=`) fail with EFBIG, as one on a
/// full disk fails. Left to itself the system ends the process there without a word (SIGXFSZ).
///
/// The signal is caught and not ignored: what is ignored stays so in programs that are started.
pub(crate) fn fail_writes() {
    let caught = signal_hook::flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    debug_assert!(caught.is_ok());
}
