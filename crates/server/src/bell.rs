//! Wakes a shard's thread, and saves the wake where the thread does not sleep.

use std::sync::atomic::{AtomicBool, Ordering, fence};

use mio::Waker;

/// Wakes one shard's thread.
///
/// A wake is a system call, and a turn of the woken loop that may find nothing. A thread that works
/// looks into its rings before it sleeps, so whoever puts something there needs to
/// [`ring_if_asleep`](Self::ring_if_asleep) only.
#[derive(Debug)]
pub(crate) struct Bell {
    waker: Waker,
    /// Whether the thread sleeps, or is about to, and has not been woken.
    is_asleep: AtomicBool,
}

impl Bell {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self {
            waker,
            is_asleep: AtomicBool::new(false),
        }
    }

    /// Wakes the thread whatever it does.
    pub(crate) fn ring(&self) {
        if let Err(error) = self.waker.wake() {
            // Costs latency only: the thread polls again by itself.
            tracing::error!(%error, "cannot wake a shard thread");
        }
    }

    /// Wakes the thread unless it will look by itself at what was put there for it before this.
    pub(crate) fn ring_if_asleep(&self) {
        // What was put there, then the flag; in `may_sleep` the flag, then what was put there. With a
        // fence between the two on both sides, one side at least sees what the other has written.
        fence(Ordering::SeqCst);
        if self.is_asleep.load(Ordering::Relaxed) && self.is_asleep.swap(false, Ordering::Relaxed) {
            self.ring();
        }
    }

    /// The thread is about to sleep. Whether it may: not if there is anything for it, which is to
    /// be looked up in all places from which [`ring_if_asleep`](Self::ring_if_asleep) is called.
    pub(crate) fn may_sleep(&self, mut is_anything_there: impl FnMut() -> bool) -> bool {
        self.is_asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let is_anything_there = is_anything_there();
        if is_anything_there {
            self.wake_up();
        }
        !is_anything_there
    }

    /// The thread sleeps no more.
    pub(crate) fn wake_up(&self) {
        self.is_asleep.store(false, Ordering::Relaxed);
    }
}
