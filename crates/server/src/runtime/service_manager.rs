//! What systemd is told, if it wants to know (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::mailbox::MailCount;

/// All listeners are bound and clients are served.
pub(super) fn notify_ready() {
    notify(&[NotifyState::Ready, NotifyState::Status("Serving clients")]);
}

/// The store is being read, which may take longer than a start usually may.
pub(crate) fn notify_recovering(percent: u64) {
    const MORE_USECS: u32 = 30_000_000;
    let status = format!("Reading the store: {percent} %");
    notify(&[
        NotifyState::ExtendTimeoutUsec(MORE_USECS),
        NotifyState::Status(&status),
    ]);
}

/// The broker stops.
pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("Stopping")]);
}

/// Runs `reload`, which reads the configuration again, and tells the service manager of its begin
/// and its end.
pub fn tell_reload<T>(reload: impl FnOnce() -> T) -> T {
    match NotifyState::monotonic_usec_now() {
        Ok(since) => {
            let status = NotifyState::Status("Reading the files again");
            notify(&[NotifyState::Reloading, since, status]);
        }
        // Without the time systemd would take the reload for failed.
        Err(error) => tracing::warn!(%error, "cannot tell the service manager of a reload"),
    }
    let result = reload();
    notify_ready();
    result
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}

/// Tells the service manager that the broker is alive, as long as every shard answers.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Half of what the service manager waits.
    interval: Duration,
    /// How many have to answer.
    shards: usize,
    asked_at: Option<Instant>,
    /// Where answers come, and how many are missing.
    question: Option<(Receiver<MailCount>, usize)>,
}

impl Watchdog {
    /// If the service manager wants signs of life.
    pub(super) fn from_environment(shards: usize) -> Option<Self> {
        sd_notify::watchdog_enabled().map(|patience| Self::new(patience / 2, shards))
    }

    const fn new(interval: Duration, shards: usize) -> Self {
        Self {
            interval,
            shards,
            asked_at: None,
            question: None,
        }
    }

    /// How often [`step`](Self::step) wants to be called.
    pub(super) fn step_interval(&self) -> Duration {
        (self.interval / 4).max(Duration::from_millis(1))
    }

    /// Asks all shards when it is time to, by `ask`; they answer by the sender that it is given.
    /// When all have answered, it is told. A shard that hangs is asked once.
    pub(super) fn step(&mut self, now: Instant, ask: impl FnOnce(Sender<MailCount>)) {
        if self.have_all_answered() {
            notify(&[NotifyState::Watchdog]);
        }
        let is_due = self
            .asked_at
            .is_none_or(|at| now.duration_since(at) >= self.interval);
        if is_due && self.question.is_none() {
            let (sender, answers) = channel();
            ask(sender);
            self.question = Some((answers, self.shards));
            self.asked_at = Some(now);
        }
    }

    /// Whether all have answered what was asked last; once for each question.
    fn have_all_answered(&mut self) -> bool {
        let Some((answers, missing)) = &mut self.question else {
            return false;
        };
        *missing -= answers.try_iter().take(*missing).count();
        let is_done = *missing == 0;
        if is_done {
            self.question = None;
        }
        is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_does_not_answer_ends_the_signs_of_life() {
        let second = Duration::from_secs(1);
        let mut watchdog = Watchdog::new(second, 2);
        let start = Instant::now();
        let mut asked = Vec::new();
        let ask = |watchdog: &mut Watchdog, at, asked: &mut Vec<_>| {
            watchdog.step(at, |sender| asked.extend([sender.clone(), sender]));
        };
        ask(&mut watchdog, start, &mut asked);
        assert_eq!(asked.len(), 2);
        // One answers, the other hangs.
        asked.pop().unwrap().send(MailCount::default()).unwrap();
        assert!(!watchdog.have_all_answered());
        ask(&mut watchdog, start + 5 * second, &mut asked);
        assert_eq!(asked.len(), 1, "asked again");
        // It comes back.
        asked.pop().unwrap().send(MailCount::default()).unwrap();
        assert!(watchdog.have_all_answered());
        assert!(!watchdog.have_all_answered(), "told twice");
        ask(&mut watchdog, start + 6 * second, &mut asked);
        assert_eq!(asked.len(), 2);
    }
}
