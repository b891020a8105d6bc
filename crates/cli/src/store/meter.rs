//! How far a long command is, and how much it is about.

use std::io::stderr;
use std::time::{Duration, Instant};

use columba_speech::{Param, Text};

use crate::failure::note;
use crate::screen;
use crate::words::store as words;

/// Tells people in front of a terminal about every second how far it is.
pub(super) struct Meter {
    what: Text,
    told_at: Instant,
    is_seen: bool,
}

impl Meter {
    pub(super) fn new(what: Text) -> Self {
        Self {
            what,
            told_at: Instant::now(),
            is_seen: screen::is_movable(&stderr()),
        }
    }

    /// So much is done of so much.
    pub(super) fn step(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100) / of.max(1);
        self.tell(|| format!("{} %", percent.min(100)).into());
    }

    /// So many bytes are done.
    pub(super) fn bytes(&mut self, done: u64) {
        self.tell(|| size(done));
    }

    fn tell(&mut self, how_far: impl FnOnce() -> Param) {
        let now = Instant::now();
        if self.is_seen && now.duration_since(self.told_at) >= Duration::from_secs(1) {
            self.told_at = now;
            note(words::so_far(self.what.clone(), how_far()));
        }
    }
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> Param {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut number = bytes as f64;
    let mut unit = None;
    for larger in units {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = Some(larger);
    }
    match unit {
        None => words::bytes(bytes).into(),
        Some(unit) => format!("{number:.1} {unit}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn sizes_are_for_people() {
        let size = |bytes| size(bytes).to_string(Language::English);
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 40), "5.0 TiB");
        let records = |count: u64| words::records(count).to_string(Language::English);
        assert_eq!(records(1), "1 record");
        assert_eq!(records(0), "0 records");
    }
}
