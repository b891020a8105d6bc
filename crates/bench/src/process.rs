//! What the broker's process uses: processor time and memory.

use std::fs;
use std::io;

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pid: u32,
}

impl Watched {
    /// Watches a process, and has its peak of memory start anew if the system lets us.
    ///
    /// # Errors
    /// There is no such process, or the system does not tell.
    pub(crate) fn new(pid: u32) -> io::Result<Self> {
        let watched = Self { pid };
        watched.cpu_ns()?;
        watched.resident_bytes()?;
        watched.forget_peak();
        Ok(watched)
    }

    /// Processor time of all its threads, dead ones and all.
    #[cfg(target_os = "linux")]
    pub(crate) fn cpu_ns(self) -> io::Result<u64> {
        let pid = nix::unistd::Pid::from_raw(self.pid.cast_signed());
        let clock = nix::time::clock_getcpuclockid(pid)?;
        let time = clock.now()?;
        let secs = time.tv_sec().cast_unsigned();
        Ok(secs * crate::clock::SECOND_NS + time.tv_nsec().cast_unsigned())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn cpu_ns(self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Memory that it holds now.
    pub(crate) fn resident_bytes(self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that it held since [`Self::forget_peak`].
    pub(crate) fn peak_bytes(self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// Has the peak start anew. A process of another user keeps its old one.
    pub(crate) fn forget_peak(self) {
        drop(fs::write(format!("/proc/{}/clear_refs", self.pid), "5"));
    }

    fn status(self, name: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        kibibytes(&status, name).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The value of a line like `VmRSS:    1234 kB`, in bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let value: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(value << 10)
}

/// Raises the limit of open files as far as it goes; what it is then.
pub(crate) fn raise_open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_time_and_memory() {
        let watched = Watched::new(std::process::id()).unwrap();
        let before = watched.cpu_ns().unwrap();
        assert!(before > 0);
        assert!(watched.peak_bytes().unwrap() >= watched.resident_bytes().unwrap() / 2);
        assert!(watched.cpu_ns().unwrap() >= before);
    }

    #[test]
    fn no_process_is_an_error() {
        assert!(Watched::new(u32::MAX >> 1).is_err());
    }

    #[test]
    fn lines_of_the_status_are_found_by_name() {
        let status = "VmPeak:\t  99 kB\nVmRSS:\t     12 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12 << 10));
        assert_eq!(kibibytes(status, "VmHWM:"), None);
    }
}
