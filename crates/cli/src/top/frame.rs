//! One picture of a broker: two looks at its counters, and what has changed between them.

use std::time::Instant;

use columba_broker::outcome::{Effectively, Outcome};
use columba_speech::width::{pad, width};
use columba_speech::{Language, Param, Text};
use serde_json::Value;

use crate::admin_client::AdminClient;
use crate::bench::print::{bytes, grouped};
use crate::events::{name_of, printable};
use crate::failure::Failure;
use crate::texts;
use crate::words::shown;

/// Queues that are shown.
const QUEUES: usize = 10;

/// Cells between columns.
const GAP: usize = 2;

/// Cells that the first column of a table has at least.
const FIRST_CELLS_MIN: usize = 12;

/// Lines of what was lost or refused.
const REASONS: usize = 12;

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) lines: usize,
    pub(super) cells: usize,
}

/// How things stand at a time.
#[derive(Debug)]
pub(super) struct Sample {
    at: Instant,
    broker: Value,
    metrics: Value,
    queues: Value,
}

impl Sample {
    /// Asks the broker.
    pub(super) fn take(client: &AdminClient) -> Result<Self, Failure> {
        Ok(Self {
            at: Instant::now(),
            broker: client.get("/broker")?,
            metrics: client.get("/metrics")?,
            queues: client.get(&format!("/sessions?sort=-queued&limit={QUEUES}"))?,
        })
    }

    fn counter(&self, name: &str) -> u64 {
        number(&self.metrics, name)
    }

    fn outcome(&self, outcome: Outcome) -> u64 {
        let all = self.metrics.get("outcomes").unwrap_or(&Value::Null);
        number(all, outcome.name())
    }
}

/// A size for people.
fn size_of(size: f64) -> Param {
    match size {
        _ if size < 10_000.0 => shown::size(size as u64).into(),
        _ => bytes(size).into(),
    }
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The lines of a picture, as many and as wide as there is room for.
pub(super) fn frame(
    before: &Sample,
    now: &Sample,
    time: &str,
    size: Size,
    language: Language,
) -> Vec<String> {
    let picture = Picture {
        cells: size.cells,
        before,
        now,
        secs: now.at.saturating_duration_since(before.at).as_secs_f64(),
        language,
    };
    let mut lines = picture.head(time);
    lines.push(String::new());
    lines.extend(picture.traffic());
    lines.push(String::new());
    lines.extend(picture.reasons());
    lines.push(String::new());
    lines.extend(picture.queues());
    lines.truncate(size.lines);
    for line in &mut lines {
        *line = cut(line, size.cells);
    }
    lines
}

struct Picture<'a> {
    cells: usize,
    before: &'a Sample,
    now: &'a Sample,
    secs: f64,
    language: Language,
}

impl Picture<'_> {
    fn say(&self, text: &Text) -> String {
        text.to_string(self.language)
    }

    fn head(&self, time: &str) -> Vec<String> {
        let broker = &self.now.broker;
        let secs = number(broker, "uptime_secs");
        let up = format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
        let version = printable(text(broker, "version"));
        let first = texts::top_head(version, up, number(broker, "shards"), time.to_owned());
        let count = |name: &str| grouped(number(broker, name));
        let second = texts::top_counts(
            count("clients"),
            count("sessions"),
            count("subscriptions"),
            count("retained_messages"),
        );
        let third = texts::top_waiting(
            count("queued_messages"),
            size_of(self.now.counter("queued_bytes") as f64),
            count("inflight_messages"),
        );
        let mut lines = vec![self.say(&first), self.say(&second), self.say(&third)];
        let unaccounted = broker.get("unaccounted_messages").and_then(Value::as_i64);
        if let Some(lost @ 1..) = unaccounted {
            lines.push(self.say(&texts::top_unaccounted(lost as u64)));
        }
        let store = broker.get("store").unwrap_or(&Value::Null);
        match text(store, "disk") {
            "full" => {
                let waiting = number(store, "clients_waiting");
                lines.push(self.say(&texts::top_disk_full(waiting)));
            }
            "failed" => lines.push(self.say(&texts::top_disk_failed())),
            _ => {}
        }
        lines
    }

    /// How many a second since the last look. Counters that have gone back were begun anew.
    fn rate(&self, before: u64, now: u64) -> String {
        let rate = now.saturating_sub(before) as f64 / self.secs.max(0.001);
        if rate > 0.0 && rate < 10.0 {
            format!("{rate:.1}")
        } else {
            grouped(rate.round() as u64)
        }
    }

    fn traffic(&self) -> Vec<String> {
        let rate = |name: &str| self.rate(self.before.counter(name), self.now.counter(name));
        let rate_bytes = |name: &str| {
            let more = (self.now.counter(name)).saturating_sub(self.before.counter(name));
            let size = size_of((more as f64 / self.secs.max(0.001)).round());
            size.to_string(self.language)
        };
        let head = [
            String::new(),
            self.say(&texts::top_received()),
            self.say(&texts::top_sent()),
        ];
        let rows = [
            (
                texts::top_messages(),
                rate("publish_received"),
                rate("publish_sent"),
            ),
            (
                texts::top_packets(),
                rate("packets_received"),
                rate("packets_sent"),
            ),
            (
                texts::top_bytes(),
                rate_bytes("bytes_received"),
                rate_bytes("bytes_sent"),
            ),
        ];
        let rows = rows.map(|(what, received, sent)| [self.say(&what), received, sent]);
        table(std::iter::once(head).chain(rows).collect(), self.cells)
    }

    /// What was lost, refused or dropped since the start, what goes on first.
    fn reasons(&self) -> Vec<String> {
        let counts =
            |outcome: &Outcome| (self.before.outcome(*outcome), self.now.outcome(*outcome));
        let mut found: Vec<(&Outcome, (u64, u64))> = Outcome::ALL
            .iter()
            .filter(|outcome| {
                matches!(
                    outcome.effectively(),
                    Effectively::Denied | Effectively::Dropped
                )
            })
            .map(|outcome| (outcome, counts(outcome)))
            .filter(|(_, (_, now))| *now > 0)
            .collect();
        if found.is_empty() {
            return vec![self.say(&texts::top_no_reasons())];
        }
        found.sort_by_key(|(_, (before, now))| {
            std::cmp::Reverse((now.saturating_sub(*before), *now))
        });
        let head = [
            self.say(&texts::top_reasons()),
            self.say(&texts::top_per_sec()),
            self.say(&texts::top_total()),
        ];
        let rows = found.iter().take(REASONS).map(|(outcome, (before, now))| {
            let words = texts::of_outcome(outcome.name());
            let words = words.map(|words| self.say(&words));
            let words = words.or_else(|| {
                let own = name_of(outcome.name(), self.language);
                (own != outcome.name()).then(|| own.to_owned())
            });
            let words = words.map(|words| format!("  {words}"));
            let name = format!("{}{}", outcome.name(), words.unwrap_or_default());
            [name, self.rate(*before, *now), grouped(*now)]
        });
        table(std::iter::once(head).chain(rows).collect(), self.cells)
    }

    fn queues(&self) -> Vec<String> {
        let rows = self.now.queues.get("data").and_then(Value::as_array);
        let waiting = rows
            .into_iter()
            .flatten()
            .filter(|row| number(row, "queued") + number(row, "inflight") > 0);
        let rows: Vec<[String; 5]> = waiting
            .map(|row| {
                [
                    printable(text(row, "id")),
                    grouped(number(row, "queued")),
                    size_of(number(row, "queued_bytes") as f64).to_string(self.language),
                    grouped(number(row, "inflight")),
                    match shown::waiting(text(row, "waiting_on")) {
                        Some(what) => what.to_string(self.language),
                        None => printable(text(row, "waiting_on")),
                    },
                ]
            })
            .collect();
        if rows.is_empty() {
            return vec![self.say(&texts::top_no_queues())];
        }
        let head = [
            texts::top_queues(),
            texts::top_queued(),
            texts::top_queued_size(),
            texts::top_inflight(),
            texts::top_waiting_on(),
        ];
        let head = head.map(|title| self.say(&title));
        table(std::iter::once(head).chain(rows).collect(), self.cells)
    }
}

/// Rows in columns; all but the first and a last one with words are numbers.
fn table<const COLUMNS: usize>(rows: Vec<[String; COLUMNS]>, room: usize) -> Vec<String> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| width(cell)).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..COLUMNS).map(widest).collect();
    // What somebody chose makes room for the numbers behind it.
    let excess = (widths.iter().sum::<usize>() + GAP * (COLUMNS - 1)).saturating_sub(room);
    if let Some(first) = widths.first_mut() {
        *first = first
            .saturating_sub(excess)
            .max(FIRST_CELLS_MIN.min(*first));
    }
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(at, (cell, cells))| match at {
            1..=3 => format!("{}{cell}", " ".repeat(cells - width(cell))),
            0 => pad(&cut(cell, *cells), *cells),
            _ => pad(cell, *cells),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What of a line fits.
fn cut(line: &str, cells: usize) -> String {
    if width(line) <= cells {
        return line.to_owned();
    }
    let mut end = line.len();
    while width(line.get(..end).unwrap_or_default()) >= cells.max(1) {
        end = line.floor_char_boundary(end.saturating_sub(1));
    }
    format!("{}…", line.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn sample(at: Instant, published: u64, full: u64) -> Sample {
        Sample {
            at,
            broker: json!({
                "version": "0.1.0", "uptime_secs": 7200, "shards": 2, "clients": 3,
                "sessions": 4, "subscriptions": 1234, "retained_messages": 5,
                "queued_messages": 1204, "inflight_messages": 2, "unaccounted_messages": 0,
            }),
            metrics: json!({
                "publish_received": published, "publish_sent": 0, "packets_received": published,
                "packets_sent": 0, "bytes_received": published * 100, "bytes_sent": 0,
                "queued_bytes": 52_000, "outcomes": {"deliver.queue_full": full},
            }),
            queues: json!({"data": [
                {"id": "手机", "queued": 1204, "queued_bytes": 52_000, "inflight": 0, "waiting_on": "client"},
                {"id": "idle\u{1b}", "queued": 0, "queued_bytes": 0, "inflight": 0, "waiting_on": "nothing"},
            ]}),
        }
    }

    #[test]
    fn a_picture_shows_rates_reasons_and_the_longest_queues() {
        let begun = Instant::now();
        let (before, now) = (
            sample(begun, 0, 0),
            sample(begun + Duration::from_secs(2), 3000, 9),
        );
        let size = Size {
            lines: 50,
            cells: 100,
        };
        let lines = frame(&before, &now, "10:41:09", size, Language::English);
        let expected = [
            "columba 0.1.0   up 2:00:00   2 shards   10:41:09",
            "clients 3   sessions 4   subscriptions 1,234   retained 5",
            "queued 1,204 (52.0 kB)   in flight 2",
            "",
            "          RECEIVED/s   SENT/s",
            "messages       1,500        0",
            "packets        1,500        0",
            "bytes       150.0 kB  0 bytes",
            "",
            "LOST OR REFUSED                                           /s  SINCE THE START",
            "deliver.queue_full  dropped: the client's queue is full  4.5                9",
            "",
            "LONGEST QUEUES  QUEUED     SIZE  IN FLIGHT  WAITING ON",
            "手机             1,204  52.0 kB          0  client",
        ];
        assert_eq!(lines, expected);
        let small = Size {
            lines: 3,
            cells: 20,
        };
        let cut = frame(&before, &now, "10:41:09", small, Language::Chinese);
        assert_eq!(cut.len(), 3);
        assert!(cut.iter().all(|line| width(line) <= 20), "{cut:?}");
    }

    #[test]
    fn a_broker_that_has_begun_anew_has_no_rates_below_zero() {
        let begun = Instant::now();
        let (before, now) = (
            sample(begun, 3000, 9),
            sample(begun + Duration::from_secs(2), 0, 0),
        );
        let size = Size {
            lines: 50,
            cells: 100,
        };
        let lines = frame(&before, &now, "10:41:09", size, Language::Chinese);
        assert!(lines.iter().all(|line| !line.contains('-')), "{lines:#?}");
    }

    #[test]
    fn what_does_not_fit_is_cut_by_cells() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("主题主题", 5), "主题…");
        assert_eq!(cut("主题主题", 6), "主题…");
    }
}
