//! Signals of the operating system.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Catches signals from now on; [`Watch::wait`] tells of them.
#[derive(Debug)]
pub struct Watch {
    signals: Signals,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Catches SIGTERM, SIGINT and SIGHUP. To be called before the broker starts, so that a signal
    /// that comes early is not lost.
    pub fn install() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self {
            signals: Signals::new([SIGTERM, SIGINT, SIGHUP])?,
            stop,
        })
    }

    /// Is set as soon as SIGTERM or SIGINT has come: for what takes long before anybody
    /// [waits](Self::wait).
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Waits until the broker has to stop (SIGTERM or SIGINT); calls `reload` on every SIGHUP.
    pub fn wait(&mut self, mut reload: impl FnMut()) {
        for signal in &mut self.signals {
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
