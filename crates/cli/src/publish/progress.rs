//! A line on the terminal that says how far a long publication is.

use std::io;
use std::time::{Duration, Instant};

use columba_speech::Text;

use crate::failure::say;
use crate::language::spoken;
use crate::mosquitto;
use crate::screen;
use crate::words::shown;

/// Between two lines.
const PERIOD: Duration = Duration::from_millis(250);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Progress {
    is_seen: bool,
    has_line: bool,
    started_at: Instant,
    shown_at: Instant,
    sent: u64,
    /// How many messages there will be, and how long they take at least, if that is known.
    all: Option<(u64, Duration)>,
}

impl Progress {
    /// Progress that is seen if people see standard error; Mosquitto's clients show none.
    pub(super) fn new(is_quiet: bool) -> Self {
        let now = Instant::now();
        let is_seen =
            screen::is_movable(&io::stderr()) && !is_quiet && mosquitto::called_as().is_none();
        Self {
            is_seen,
            has_line: false,
            started_at: now,
            shown_at: now,
            sent: 0,
            all: None,
        }
    }

    pub(super) fn expect(&mut self, messages: u64, length: Duration) {
        self.all = Some((messages, length));
    }

    pub(super) fn sent(&mut self) {
        self.sent += 1;
        self.show();
    }

    /// Shows the line, if it was not shown just now.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        if !self.is_seen || now.duration_since(self.shown_at) < PERIOD {
            return;
        }
        self.shown_at = now;
        self.has_line = true;
        let line = line(self.sent, self.all, now.duration_since(self.started_at));
        say(&format!("\r{}\x1b[K", line.to_string(spoken())));
    }

    /// Takes the line away, so that something else can be said.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.has_line) {
            say("\r\x1b[K");
        }
    }
}

fn line(sent: u64, all: Option<(u64, Duration)>, elapsed: Duration) -> Text {
    let rate = sent as f64 / elapsed.as_secs_f64().max(1e-3);
    let shown_rate = format!("{rate:.0}");
    let Some((all, length)) = all else {
        return shown::sent(sent, shown_rate);
    };
    let percent = sent.saturating_mul(100) / all.max(1);
    // Neither earlier than the times say, nor faster than it went up to now.
    let by_rate = Duration::try_from_secs_f64(all.saturating_sub(sent) as f64 / rate.max(1e-3));
    let by_rate = by_rate.unwrap_or(Duration::ZERO);
    let left = match length.saturating_sub(elapsed) {
        Duration::ZERO => by_rate,
        by_time => by_time,
    };
    let seconds = left.as_secs();
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let left = format!("{minutes}:{seconds:02}");
    shown::sent_of(percent, sent, all, shown_rate, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use columba_speech::Language;

    #[test]
    fn a_line_says_how_far_it_is() {
        let seconds = Duration::from_secs;
        let line = |sent, all, elapsed| line(sent, all, elapsed).to_string(Language::English);
        assert_eq!(line(1_000, None, seconds(2)), "1000 messages, 500/s");
        assert_eq!(
            line(10, Some((40, seconds(100))), seconds(20)),
            "25 %: 10 of 40 messages, 0/s, 1:20 left"
        );
        // As fast as the server takes them.
        assert_eq!(
            line(1_000, Some((4_000, seconds(0))), seconds(10)),
            "25 %: 1000 of 4000 messages, 100/s, 0:30 left"
        );
        assert_eq!(
            line(0, Some((0, seconds(0))), seconds(0)),
            "0 %: 0 of 0 messages, 0/s, 0:00 left"
        );
    }
}
