//! Signals of the operating system.

use std::io;

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Catches signals from now on; [`Watch::wait`] tells of them.
#[derive(Debug)]
pub struct Watch(Signals);

impl Watch {
    /// Catches SIGTERM, SIGINT and SIGHUP. To be called before the broker starts, so that a signal
    /// that comes early is not lost.
    pub fn install() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Self)
    }

    /// Waits until the broker has to stop (SIGTERM or SIGINT); calls `reload` on every SIGHUP.
    pub fn wait(&mut self, mut reload: impl FnMut()) {
        for signal in &mut self.0 {
            if signal == SIGHUP {
                tracing::info!("SIGHUP: reading the configuration again");
                reload();
            } else {
                let name = if signal == SIGINT {
                    "SIGINT"
                } else {
                    "SIGTERM"
                };
                tracing::info!(signal = name, "asked to stop");
                return;
            }
        }
    }
}
