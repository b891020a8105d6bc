//! A thread for what is due now and then: certificates that changed, memory in use, signs of life.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use columba_broker::event::Command;
use columba_broker::outcome::Outcome;

use super::Shared;
use super::service_manager::Watchdog;
use crate::driver::{Errand, ShardHandle};
use crate::mailbox::MailCount;

/// The thread.
pub(super) struct Housekeeping {
    /// The thread ends when this is dropped.
    stop: Sender<()>,
    thread: JoinHandle<()>,
    sys_interval_ms: Arc<AtomicU64>,
}

impl Housekeeping {
    pub(super) fn start(
        shards: Arc<[ShardHandle]>,
        shared: Arc<Shared>,
        sys_interval_ms: u64,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let sys_interval_ms = Arc::new(AtomicU64::new(sys_interval_ms));
        let interval = Arc::clone(&sys_interval_ms);
        let mut watchdog = Watchdog::from_environment(shards.len());
        let step = watchdog
            .as_ref()
            .map_or(STEP, |watchdog| watchdog.step_interval().min(STEP));
        let thread = std::thread::Builder::new()
            .name("housekeeping".to_owned())
            .spawn(move || {
                let mut memory_at = Instant::now();
                let mut tls_at = Instant::now();
                let mut refusals = Refusals::default();
                while stopped.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
                    let now = Instant::now();
                    refusals.tell(&shards, &shared);
                    if let Some(watchdog) = &mut watchdog {
                        watchdog.step(now, |sender| ask_all(&shards, &sender));
                    }
                    let interval = interval.load(Ordering::Relaxed);
                    if interval > 0 && now.duration_since(memory_at).as_millis() >= interval.into()
                    {
                        memory_at = now;
                        tell_memory(&shards);
                    }
                    if now.duration_since(tls_at) >= TLS_INTERVAL {
                        tls_at = now;
                        let has_changed = |tls: &crate::transport::TlsListener| tls.has_changed();
                        shared
                            .reload_tls(|listener| listener.tls.as_ref().is_some_and(has_changed));
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread,
            sys_interval_ms,
        })
    }

    pub(super) fn set_sys_interval_ms(&self, sys_interval_ms: u64) {
        self.sys_interval_ms
            .store(sys_interval_ms, Ordering::Relaxed);
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the housekeeping thread panicked");
        }
    }
}

/// Asks every shard for a word.
fn ask_all(shards: &[ShardHandle], sender: &Sender<MailCount>) {
    for shard in shards {
        shard.send(Errand::CountMail(sender.clone()));
    }
}

fn tell_memory(shards: &[ShardHandle]) {
    let Some(first) = shards.first() else { return };
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return;
    };
    let (Some(heap_bytes), Some(heap_bytes_max)) =
        (kilobytes(&status, "VmRSS:"), kilobytes(&status, "VmHWM:"))
    else {
        return;
    };
    first.send(Errand::Command(Command::Process {
        heap_bytes,
        heap_bytes_max,
        log_lines_lost: crate::log::lines_lost(),
    }));
}

/// How many refusals the core has been told of, by outcome.
#[derive(Debug)]
struct Refusals([u64; Outcome::COUNT]);

impl Default for Refusals {
    fn default() -> Self {
        Self([0; Outcome::COUNT])
    }
}

impl Refusals {
    /// Tells one shard what was refused since the last time. A flood is told in as many commands
    /// as a trickle.
    fn tell(&mut self, shards: &[ShardHandle], shared: &Shared) {
        let Some(first) = shards.first() else { return };
        for (told, outcome) in self.0.iter_mut().zip(Outcome::ALL) {
            let outcome = *outcome;
            let count = shared.refused_count(outcome) - *told;
            if count > 0 {
                *told += count;
                first.send(Errand::Command(Command::Refused { outcome, count }));
            }
        }
    }
}

/// A line of `/proc/self/status` in bytes.
fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

const STEP: Duration = Duration::from_millis(500);
const TLS_INTERVAL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_memory_in_use() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1024 * 1024));
        assert_eq!(kilobytes(status, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }
}
