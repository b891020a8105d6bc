//! `--rate` and `--message-rate`: how much comes in every second.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use columba_client::Incoming;
use columba_speech::width::width;
use columba_speech::{Language, Text};

use super::view::View;
use crate::connection::Talk;
use crate::language::spoken;
use crate::store::size;
use crate::words::shown;

/// See the [module](self).
pub(super) struct Rate {
    /// Only a number, as Mosquitto's client prints it.
    is_bare: bool,
    started_at: Instant,
    /// Since the last line.
    messages: u64,
    bytes: u64,
    messages_total: u64,
    bytes_total: u64,
    line_at: Instant,
}

impl Rate {
    pub(super) fn new(is_bare: bool) -> Self {
        let now = Instant::now();
        Self {
            is_bare,
            started_at: now,
            messages: 0,
            bytes: 0,
            messages_total: 0,
            bytes_total: 0,
            line_at: now,
        }
    }
}

impl View for Rate {
    fn on_message(&mut self, incoming: &Incoming, _talk: Talk) -> io::Result<()> {
        self.messages += 1;
        self.bytes += incoming.message.payload.len() as u64;
        Ok(())
    }

    fn tick(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn on_tick(&mut self) -> io::Result<bool> {
        let (messages, bytes) = (
            std::mem::take(&mut self.messages),
            std::mem::take(&mut self.bytes),
        );
        self.messages_total += messages;
        self.bytes_total += bytes;
        let elapsed = std::mem::replace(&mut self.line_at, Instant::now()).elapsed();
        let line = if self.is_bare {
            format!("{messages}\n")
        } else {
            let now = jiff::ZonedDateTime::now().strftime("%H:%M:%S");
            let rates = rates(messages, bytes, elapsed, spoken());
            format!("{now}  {}\n", rates.to_string(spoken()))
        };
        write(&line)?;
        Ok(false)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_bare {
            return Ok(());
        }
        let messages = self.messages_total + self.messages;
        let bytes = self.bytes_total + self.bytes;
        let elapsed = self.started_at.elapsed();
        let language = spoken();
        let text = shown::whole_rate(
            rates(messages, bytes, elapsed, language),
            messages,
            size(bytes),
            format!("{:.1}", elapsed.as_secs_f64()),
        );
        write(&format!("{}\n", text.to_string(language)))
    }
}

fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// Messages and bytes a second, in columns.
fn rates(messages: u64, bytes: u64, elapsed: Duration, language: Language) -> Text {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let (messages, bytes) = (messages as f64 / seconds, bytes as f64 / seconds);
    let bytes = size(bytes as u64).to_string(language);
    let before = " ".repeat(12_usize.saturating_sub(width(&bytes)));
    shown::message_rate(format!("{messages:>10.1}"), format!("{before}{bytes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_time_that_passed() {
        let rates = |messages, bytes, elapsed| {
            let rates = rates(messages, bytes, elapsed, Language::English);
            rates.to_string(Language::English)
        };
        assert_eq!(
            rates(3, 3072, Duration::from_millis(1500)),
            "       2.0 messages/s      2.0 KiB/s"
        );
        assert_eq!(
            rates(0, 0, Duration::ZERO),
            "       0.0 messages/s      0 bytes/s"
        );
    }
}
