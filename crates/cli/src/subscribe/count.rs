//! `--count-by-topic`: a table of the topics.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use columba_client::Incoming;
use columba_speech::Language;
use columba_speech::width::{pad, width};

use super::view::View;
use crate::connection::Talk;
use crate::language::spoken;
use crate::screen;
use crate::store::size;
use crate::words::shown;

/// Topics with a row of their own; the messages of all others are counted together.
const TOPICS_MAX: usize = 10_000;
/// Bytes of the topics that have a row: topics may be long.
const TOPIC_BYTES_MAX: usize = 16 << 20;

/// See the [module](self).
pub(super) struct Counts {
    topics: HashMap<String, Count>,
    topic_bytes: usize,
    other: Count,
    /// Lines of the table that is on the terminal now.
    lines_shown: usize,
    is_live: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    messages: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            topics: HashMap::new(),
            topic_bytes: 0,
            other: Count::default(),
            lines_shown: 0,
            is_live: screen::is_movable(&io::stdout()),
        }
    }

    fn add(&mut self, topic: &str, bytes: u64) {
        if let Some(count) = self.topics.get_mut(topic) {
            count.add(bytes);
        } else if self.topics.len() < TOPICS_MAX
            && self.topic_bytes + topic.len() <= TOPIC_BYTES_MAX
        {
            self.topic_bytes += topic.len();
            let mut count = Count::default();
            count.add(bytes);
            self.topics.insert(topic.to_owned(), count);
        } else {
            self.other.add(bytes);
        }
    }

    /// The table with so many rows for topics in so many columns, the busiest first.
    fn table(&self, rows_max: usize, columns: usize, language: Language) -> String {
        let mut topics: Vec<_> = self.topics.iter().collect();
        topics.sort_by(|(left, a), (right, b)| {
            (b.messages, b.bytes, left).cmp(&(a.messages, a.bytes, right))
        });
        let left_out = topics.split_off(rows_max.min(topics.len()));
        let mut other = self.other;
        for (_, count) in &left_out {
            other.messages += count.messages;
            other.bytes += count.bytes;
        }
        let mut rows: Vec<[String; 3]> = topics
            .iter()
            .map(|(topic, count)| cells(count, topic, language))
            .collect();
        let mut total = other;
        for (_, count) in &topics {
            total.messages += count.messages;
            total.bytes += count.bytes;
        }
        if other.messages > 0 {
            let name = if self.other.messages > 0 {
                shown::topics_beyond(self.topics.len())
            } else {
                shown::other_topics(left_out.len())
            };
            rows.push(cells(&other, &name.to_string(language), language));
        }
        let name = if self.other.messages > 0 {
            shown::all_of_more(self.topics.len())
        } else {
            shown::all_topics(self.topics.len())
        };
        rows.push(cells(&total, &name.to_string(language), language));
        let head = [shown::messages(), shown::bytes(), shown::topic()];
        rows.insert(0, head.map(|title| title.to_string(language)));
        let widest = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or_default()
        };
        let (first, second) = (widest(0), widest(1));
        let mut out = String::new();
        for [messages, bytes, topic] in &rows {
            let before = " ".repeat(first - width(messages));
            let line = format!("{before}{messages}  {}  {topic}", pad(bytes, second));
            out.push_str(&screen::cut(&line, columns));
            out.push('\n');
        }
        out
    }

    /// Puts the table in the place of the one before.
    fn show(&mut self, table: &str) -> io::Result<()> {
        let mut out = String::new();
        if self.lines_shown > 0 {
            // Up to its first line, and nothing of it stays.
            out = format!("\x1b[{}A\r\x1b[J", self.lines_shown);
        }
        out.push_str(table);
        self.lines_shown = table.lines().count();
        let mut stdout = io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }
}

fn cells(count: &Count, topic: &str, language: Language) -> [String; 3] {
    [
        count.messages.to_string(),
        size(count.bytes).to_string(language),
        topic.to_owned(),
    ]
}

impl View for Counts {
    fn on_message(&mut self, incoming: &Incoming, _talk: Talk) -> io::Result<()> {
        let message = &incoming.message;
        self.add(&message.topic, message.payload.len() as u64);
        Ok(())
    }

    fn tick(&self) -> Option<Duration> {
        self.is_live.then_some(Duration::from_secs(1))
    }

    fn on_tick(&mut self) -> io::Result<bool> {
        let (columns, rows) = screen::size(io::stdout());
        // Head, other topics, sum, and the line of the cursor.
        let table = self.table(rows.saturating_sub(4), columns, spoken());
        self.show(&table)?;
        Ok(false)
    }

    fn finish(&mut self) -> io::Result<()> {
        let table = self.table(usize::MAX, usize::MAX, spoken());
        self.show(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_topics_are_first_and_all_are_in_the_sum() {
        let mut counts = Counts::new();
        for (topic, bytes) in [("主题", 5), ("b", 2000), ("主题", 5), ("a", 0)] {
            counts.add(topic, bytes);
        }
        assert_eq!(
            counts.table(10, 80, Language::English),
            "MESSAGES  BYTES     TOPIC\n       \
                    2  10 bytes  主题\n       \
                    1  2.0 KiB   b\n       \
                    1  0 bytes   a\n       \
                    4  2.0 KiB   (all, of 3 topics)\n"
        );
        assert_eq!(
            counts.table(1, 25, Language::English),
            "MESSAGES  BYTES     TOPIC\n       \
                    2  10 bytes  主题\n       \
                    2  2.0 KiB   (2 o…\n       \
                    4  2.0 KiB   (all…\n"
        );
    }

    #[test]
    fn topics_have_a_limit_and_the_others_are_counted_together() {
        let mut counts = Counts::new();
        for topic in 0..TOPICS_MAX + 5 {
            counts.add(&topic.to_string(), 1);
        }
        counts.add("0", 1);
        assert_eq!(counts.topics.len(), TOPICS_MAX);
        assert_eq!(counts.other.messages, 5);
        let table = counts.table(2, 80, Language::English);
        assert!(
            table.contains("(other topics, beyond the first 10000)"),
            "{table}"
        );
        assert!(
            table.ends_with("(all, of more than 10000 topics)\n"),
            "{table}"
        );
        assert!(table.contains("10006"), "{table}");

        let mut counts = Counts::new();
        let long = "x".repeat(65_000);
        for topic in 0..1_000 {
            counts.add(&format!("{topic}{long}"), 1);
        }
        assert!(counts.topics.len() < 300, "{}", counts.topics.len());
        assert!(counts.other.messages > 700);
    }
}
