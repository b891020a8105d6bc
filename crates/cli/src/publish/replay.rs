//! `--replay`: publishes what `sub --record` or `sub --json` wrote, at the pace at which it came.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use columba_client::Message;
use columba_speech::{Param, Text};
use jiff::Timestamp;

use crate::record;
use crate::words::{Said, recording, system, value};

/// A longer line holds no message that fits in a packet.
const LINE_BYTES_MAX: u64 = 512 << 20;

/// How fast messages are replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speed {
    /// So many times as fast as they came.
    Times(f64),
    /// As fast as the server takes them.
    Max,
}

impl Speed {
    /// Reads `2x`, `0.5`, `max`.
    pub(super) fn parse(text: &str) -> Result<Self, Said> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let number = text.strip_suffix('x').unwrap_or(text).parse();
        match number {
            Ok(times) if (1e-3..=1e6).contains(&times) => Ok(Self::Times(times)),
            _ => Err(value::speed().into()),
        }
    }

    /// When something is sent that came so long after the first message.
    pub(super) fn scaled(self, after: Duration) -> Duration {
        match self {
            Self::Times(times) => after.div_f64(times),
            Self::Max => Duration::ZERO,
        }
    }
}

/// A file of messages, all of whose lines are good.
#[derive(Debug)]
pub(super) struct Replay {
    path: PathBuf,
    lines: BufReader<File>,
    /// The line that was read last.
    line: u64,
    /// Lines that were checked; more may be appended meanwhile.
    lines_checked: u64,
    first_at: Option<Timestamp>,
    /// Messages in the file.
    pub(super) messages: u64,
    /// From the first message to the last.
    pub(super) length: Duration,
    /// Whether any message has properties.
    pub(super) has_properties: bool,
}

impl Replay {
    /// Opens a file and checks all of it: half a replay is worth nothing.
    ///
    /// # Errors
    /// A sentence that names the file and the line.
    pub(super) fn open(path: &Path) -> Result<Self, Text> {
        let name = || path.display().to_string();
        let failed = |error: io::Error| recording::unreplayed(name(), system(&error));
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(recording::unreplayed(name(), recording::no_file()));
        }
        let mut replay = Self {
            path: path.to_owned(),
            lines: BufReader::new(file),
            line: 0,
            lines_checked: u64::MAX,
            first_at: None,
            messages: 0,
            length: Duration::ZERO,
            has_properties: false,
        };
        while let Some((after, message)) = replay.next()? {
            replay.messages += 1;
            replay.length = replay.length.max(after);
            replay.has_properties |= message.properties != Default::default();
        }
        replay.lines.seek(SeekFrom::Start(0)).map_err(failed)?;
        replay.lines_checked = replay.line;
        replay.line = 0;
        Ok(replay)
    }

    /// The next message, and how long after the first it came.
    ///
    /// # Errors
    /// A sentence that names the file and the line.
    pub(super) fn next(&mut self) -> Result<Option<(Duration, Message)>, Text> {
        while self.line < self.lines_checked {
            let mut line = Vec::new();
            let mut limited = (&mut self.lines).take(LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut line);
            if read.map_err(|error| self.fault(system(&error)))? == 0 {
                break;
            }
            self.line += 1;
            if line.len() as u64 == LINE_BYTES_MAX {
                return Err(self.fault(recording::line_too_long()));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (time, message) = record::parse(&line).map_err(|what| self.fault(what))?;
            let first = *self.first_at.get_or_insert(time);
            // A clock that was set back is no reason to wait.
            let after = Duration::try_from(time.duration_since(first)).unwrap_or_default();
            return Ok(Some((after, message)));
        }
        Ok(None)
    }

    fn fault(&self, what: impl Into<Param>) -> Text {
        recording::of_line(self.path.display().to_string(), self.line, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, topic: &str) -> String {
        format!(
            "{{\"time\":\"2026-11-28T09:00:{second:02}Z\",\"topic\":\"{topic}\",\"qos\":1,\
             \"payload\":\"x\"}}\n"
        )
    }

    fn english(text: Text) -> String {
        text.to_string(columba_speech::Language::English)
    }

    fn open(text: &str) -> Result<Replay, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("recorded");
        std::fs::write(&path, text).expect("a file");
        Replay::open(&path).map_err(english)
    }

    #[test]
    fn messages_come_as_far_apart_as_they_were() {
        // The third came after the clock was set back.
        let text = line(10, "a") + "\n" + &line(12, "b") + &line(3, "c");
        let mut replay = open(&text).expect("good lines");
        assert_eq!((replay.messages, replay.length.as_secs()), (3, 2));
        let mut times = Vec::new();
        while let Some((after, message)) = replay.next().expect("good lines") {
            times.push((message.topic, after.as_secs()));
        }
        let expected = [("a", 0), ("b", 2), ("c", 0)];
        assert_eq!(
            times,
            expected.map(|(topic, after)| (topic.to_owned(), after))
        );
        assert_eq!(open("").map(|replay| replay.messages), Ok(0));
    }

    #[test]
    fn errors_name_file_and_line_before_anything_is_sent() {
        let text = line(1, "a") + "\n" + &line(2, "a/#");
        let sentence = open(&text)
            .map(|replay| replay.messages)
            .expect_err("a wildcard");
        assert!(
            sentence.contains("recorded, line 3: topic 'a/#'"),
            "{sentence}"
        );
        let directory = Replay::open(Path::new("/")).map(|replay| replay.messages);
        let sentence = english(directory.expect_err("a directory"));
        assert!(sentence.contains("cannot replay /"), "{sentence}");
    }

    #[test]
    fn speeds_are_factors() {
        assert_eq!(Speed::parse("2x"), Ok(Speed::Times(2.0)));
        assert_eq!(Speed::parse("0.5"), Ok(Speed::Times(0.5)));
        assert_eq!(Speed::parse("max"), Ok(Speed::Max));
        for text in ["0", "-1x", "inf", "NaN", "x", "fast"] {
            assert!(Speed::parse(text).is_err(), "{text}");
        }
        let second = Duration::from_secs(1);
        assert_eq!(Speed::Times(2.0).scaled(second), second / 2);
        assert_eq!(Speed::Max.scaled(second), Duration::ZERO);
        // The longest time in the slowest motion.
        let longest = Speed::Times(1e-3).scaled(Duration::from_secs(700_000_000_000));
        assert!(longest > Duration::from_secs(700_000_000_000));
    }
}
