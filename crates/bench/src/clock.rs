//! The clocks: one that all processes of a machine share, the processor time of a thread, and an
//! alarm that rings on the microsecond.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds in a second.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// The monotonic clock, which all processes since the last boot share.
#[inline]
pub(crate) fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Processor time that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}

#[inline]
fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * SECOND_NS + time.tv_nsec.cast_unsigned()
}

/// A number that tells this boot of this machine from others, so that a stamp of a foreign clock is
/// not taken for one of ours.
pub(crate) fn clock_number() -> u32 {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // FNV-1a: a few bytes, and nobody to defend against.
    boot.iter().fold(0x811C_9DC5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

pub(crate) use alarm::Alarm;

/// A readiness loop counts its patience in milliseconds; a schedule needs better.
#[cfg(target_os = "linux")]
mod alarm {
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    use super::SECOND_NS;

    /// Wakes a readiness loop at a time of the monotonic clock.
    pub(crate) struct Alarm {
        timer: OwnedFd,
        set_for_ns: u64,
    }

    impl Alarm {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self {
                timer,
                set_for_ns: 0,
            })
        }

        /// Sets the alarm; how long the loop may sleep besides.
        pub(crate) fn set(&mut self, at_ns: u64, _now_ns: u64) -> io::Result<Option<Duration>> {
            if self.set_for_ns != at_ns {
                self.set_for_ns = at_ns;
                let at = Timespec {
                    tv_sec: (at_ns / SECOND_NS).cast_signed(),
                    tv_nsec: (at_ns % SECOND_NS).cast_signed(),
                };
                let never = Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                let setting = Itimerspec {
                    it_interval: never,
                    it_value: at,
                };
                timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
            }
            Ok(None)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod alarm {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// Where there is no timer to wait for, the patience of the loop has to do.
    pub(crate) struct Alarm;

    impl Alarm {
        pub(crate) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn set(&mut self, at_ns: u64, now_ns: u64) -> io::Result<Option<Duration>> {
            Ok(Some(Duration::from_nanos(at_ns.saturating_sub(now_ns))))
        }
    }
}
