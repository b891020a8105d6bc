//! A thread for what is due now and then: certificates that changed, memory in use, signs of life.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use columba_broker::event::{Command, StoreFigures};
use columba_broker::outcome::Outcome;
use columba_store::Handle;

use super::Shared;
use super::service_manager::Watchdog;
use crate::driver::{Alarm, Errand, ShardHandle};
use crate::mailbox::MailCount;
use crate::store::BootReport;
use crate::transport::{TlsError, TlsListener};

/// Where the figures of the store come from.
pub(super) struct StoreWatch {
    handle: Handle,
    report: BootReport,
    alarm: Arc<Alarm>,
}

impl StoreWatch {
    pub(super) const fn new(handle: Handle, report: BootReport, alarm: Arc<Alarm>) -> Self {
        Self {
            handle,
            report,
            alarm,
        }
    }

    fn figures(&self) -> StoreFigures {
        let (stats, report) = (self.handle.stats(), &self.report);
        StoreFigures {
            recovered_text: report.to_string().into(),
            sessions_recovered: report.counts.sessions,
            messages_recovered: report.counts.queued,
            retained_recovered: report.counts.retained,
            expired: report.counts.expired,
            recovery_ms: report.took.as_millis() as u64,
            damaged: report.damage.len() as u64,
            records: stats.records,
            live_bytes: stats.live_bytes,
            disk_bytes: stats.disk_bytes,
            commits: stats.commit,
            disk: self.alarm.state().name(),
        }
    }
}

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
        store: Option<StoreWatch>,
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
                        tell_process(&shards, store.as_ref().map(StoreWatch::figures));
                    }
                    if now.duration_since(tls_at) >= TLS_INTERVAL {
                        tls_at = now;
                        reload_changed_certificates(&shared);
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

/// Reads the keys again of listeners whose files have changed; what went wrong, by name.
fn reload_changed_certificates(shared: &Shared) -> Vec<(String, TlsError)> {
    shared.reload_tls(|listener| listener.tls.as_ref().is_some_and(TlsListener::has_changed))
}

/// Asks every shard for a word.
fn ask_all(shards: &[ShardHandle], sender: &Sender<MailCount>) {
    for shard in shards {
        shard.send(Errand::CountMail(sender.clone()));
    }
}

fn tell_process(shards: &[ShardHandle], store: Option<StoreFigures>) {
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
        store,
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
    use std::fs;
    use std::path::Path;
    use std::time::SystemTime;

    use crate::runtime::Clock;
    use columba_broker::event::ListenerId;
    use columba_broker::limits::{Anonymous, ListenerSettings, Promise};
    use rcgen::{CertificateParams, KeyPair};

    use crate::listener::{
        BoundAddress, ClientAuthority, Listener, ListenerConfig, ListenerKind, TlsFiles,
    };

    /// Writes a new pair, at a time of its own: two writes may fall into one tick of the clock.
    fn write_keys(files: &TlsFiles, at_secs: u64) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(&files.certificate_chain, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        let file = fs::File::options().append(true).open(&files.key).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at_secs))
            .unwrap();
    }

    fn shared_with(files: &TlsFiles) -> Shared {
        let bind = ([127, 0, 0, 1], 0).into();
        let config = ListenerConfig {
            kind: ListenerKind::Tls {
                bind,
                tls: files.clone(),
            },
            settings: ListenerSettings {
                name: "tls".to_owned(),
                anonymous: Anonymous::Never,
                connections_max: 0,
                packet_bytes_max: None,
                certificate_is_user: false,
                promise: Promise::Durable,
            },
        };
        let listener = Listener::load(&config).unwrap();
        Shared::new(
            Clock::start(),
            vec![listener],
            &[config],
            &[BoundAddress::Ip(bind)],
        )
    }

    /// Puts a file of the same text, length and time in the place of another, as `cp -p` and a
    /// rename do.
    fn replace_by_twin(path: &Path) {
        let twin = path.with_extension("new");
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        fs::copy(path, &twin).unwrap();
        let file = fs::File::options().append(true).open(&twin).unwrap();
        file.set_modified(modified).unwrap();
        fs::rename(&twin, path).unwrap();
    }

    #[test]
    fn certificates_are_read_again_when_a_file_has_changed_and_only_then() {
        let directory = tempfile::tempdir().unwrap();
        let authorities = directory.path().join("clients.pem");
        let files = TlsFiles {
            certificate_chain: directory.path().join("server.pem"),
            key: directory.path().join("server.key"),
            client_authority: Some(ClientAuthority {
                file: authorities.clone(),
                is_required: false,
            }),
        };
        write_keys(&files, 1);
        fs::copy(&files.certificate_chain, &authorities).unwrap();
        let shared = shared_with(&files);
        let current = || {
            let tls = shared.listener(ListenerId(0)).tls.as_ref();
            tls.unwrap().current()
        };
        // Whether there are other keys now, and how many listeners have failed.
        let check = || {
            let before = current();
            let failed = reload_changed_certificates(&shared);
            (!Arc::ptr_eq(&before, &current()), failed.len())
        };
        assert_eq!(check(), (false, 0));
        write_keys(&files, 2);
        assert_eq!(check(), (true, 0));
        assert_eq!(check(), (false, 0));
        fs::write(&authorities, "no certificate at all").unwrap();
        assert_eq!(check(), (false, 1));
        // It is told once, not every three seconds.
        assert_eq!(check(), (false, 0));
        fs::remove_file(&authorities).unwrap();
        assert_eq!(check(), (false, 1));
        fs::copy(&files.certificate_chain, &authorities).unwrap();
        assert_eq!(check(), (true, 0));
        replace_by_twin(&files.certificate_chain);
        assert_eq!(check(), (true, 0));
        assert_eq!(check(), (false, 0));
    }

    #[test]
    fn reads_memory_in_use() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1024 * 1024));
        assert_eq!(kilobytes(status, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }
}
