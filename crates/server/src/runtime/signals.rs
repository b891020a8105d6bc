//! Signals of the operating system, and what the service manager is told.

use std::io;

use sd_notify::NotifyState;
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

/// Tells systemd that all listeners are bound, if systemd wants to know.
pub(super) fn notify_ready() {
    notify(NotifyState::Ready);
}

/// Tells systemd that the broker stops.
pub(super) fn notify_stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
