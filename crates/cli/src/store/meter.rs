//! How far a long command is, and how much it is about.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use crate::failure::say;

/// Tells people in front of a terminal about every second how far it is.
pub(super) struct Meter {
    what: &'static str,
    told_at: Instant,
    is_seen: bool,
}

impl Meter {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            told_at: Instant::now(),
            is_seen: stderr().is_terminal(),
        }
    }

    /// So much is done of so much.
    pub(super) fn step(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100) / of.max(1);
        self.tell(|| format!("{} %", percent.min(100)));
    }

    /// So many bytes are done.
    pub(super) fn bytes(&mut self, done: u64) {
        self.tell(|| size(done));
    }

    fn tell(&mut self, how_far: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.is_seen && now.duration_since(self.told_at) >= Duration::from_secs(1) {
            self.told_at = now;
            say(&format!("{}: {}\n", self.what, how_far()));
        }
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut number = bytes as f64;
    let mut unit = "bytes";
    for larger in units {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    match unit {
        "bytes" if bytes == 1 => "1 byte".to_owned(),
        "bytes" => format!("{bytes} bytes"),
        _ => format!("{number:.1} {unit}"),
    }
}

/// So many of something.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 40), "5.0 TiB");
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(0, "record"), "0 records");
    }
}
