//! SIGHUP reads the configuration again, SIGTERM stops.
//!
//! A program of its own, since signals go to the whole process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use columba_server::runtime::signals::Watch;
use signal_hook::consts::signal::{SIGHUP, SIGTERM};
use signal_hook::low_level::raise;

#[test]
fn hangup_reloads_and_terminate_stops() {
    let mut watch = Watch::install().unwrap();
    // Caught even before anybody waits.
    raise(SIGHUP).unwrap();
    let mut reloads = 0;
    watch.wait(|| {
        reloads += 1;
        let next = if reloads < 3 { SIGHUP } else { SIGTERM };
        raise(next).unwrap();
    });
    assert_eq!(reloads, 3);
}
