//! What was recorded of messages, put together message by message.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use columba_diagnosis::noted::noted;
use columba_speech::width::{pad, width};
use columba_speech::{Language, Text};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::events::{clock, name_of, printable};
use crate::texts;
use crate::words::shown;

/// How long a message is held back, so that lines about its copies stand below it: those of all shards
/// come in one go, and acknowledgements soon after.
const SETTLED_AFTER: Duration = Duration::from_millis(300);
/// The same for one whose copies have not all come to an end.
const UNSETTLED_AFTER: Duration = Duration::from_millis(1500);

/// Messages that are known by their number; what comes later of older ones stands alone.
const MESSAGES_MAX: usize = 10_000;

/// Copies of a message that are told one by one; the rest are counted.
const COPIES_MAX: usize = 100;

/// How it is told.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) language: Language,
    pub(crate) is_ascii: bool,
    /// Whether messages have numbers; one that is alone needs none.
    pub(crate) is_numbered: bool,
    pub(crate) zone: TimeZone,
}

/// All messages that were seen.
#[derive(Debug)]
pub(crate) struct Ledger {
    look: Look,
    /// Counts those that were told or are to be told.
    seen: u64,
    messages: HashMap<u64, Message>,
    /// In the order in which they came.
    order: VecDeque<u64>,
    /// Those that were not told yet, in order.
    waiting: VecDeque<u64>,
    /// Lines of messages that had to make room before their time.
    early: Vec<String>,
    /// What was refused, and has no number.
    refused: Vec<Value>,
}

#[derive(Debug)]
struct Message {
    /// Its number here, for people.
    ordinal: u64,
    came: Instant,
    topic: String,
    publication: Option<Value>,
    /// Why it was not retained, which keeps it from nobody; until it is told.
    retaining: Option<Value>,
    /// The last line of each copy since it was told, by client and shared subscription.
    copies: BTreeMap<(String, String), Value>,
    was_told: bool,
    /// Whether there is something to tell of it.
    is_waiting: bool,
}

impl Message {
    /// Whether all that is known of it has come to an end.
    fn is_settled(&self) -> bool {
        self.publication.is_some()
            && self
                .copies
                .values()
                .all(|copy| text(copy, "effect") != "delayed")
    }

    /// Which copy a line is about: a client may get one of its own and one of each shared subscription.
    fn copy_of(&self, row: &Value) -> (String, String) {
        let client = text(row, "client");
        let group = Some(text(row, "detail")).filter(|of| of.starts_with("$share/"));
        let exact = (client.to_owned(), group.unwrap_or_default().to_owned());
        // Acknowledgements do not name the shared subscription.
        if text(row, "outcome") != "deliver.acked" {
            return exact;
        }
        let mut copies = self.copies.iter().filter(|(of, _)| of.0 == client);
        let waiting = copies.find(|(_, last)| text(last, "outcome") != "deliver.acked");
        waiting.map_or(exact, |(of, _)| of.clone())
    }

    fn due_after(&self) -> Duration {
        if self.is_settled() {
            SETTLED_AFTER
        } else {
            UNSETTLED_AFTER
        }
    }
}

impl Ledger {
    pub(crate) fn new(look: Look) -> Self {
        Self {
            look,
            seen: 0,
            messages: HashMap::new(),
            order: VecDeque::new(),
            waiting: VecDeque::new(),
            early: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Messages that were published or refused.
    pub(crate) const fn messages(&self) -> u64 {
        self.seen
    }

    /// Takes a line of the record.
    pub(crate) fn take(&mut self, row: &Value, now: Instant) {
        let Some(number) = row.get("message").and_then(Value::as_u64) else {
            self.seen += 1;
            self.refused.push(row.clone());
            return;
        };
        if !self.messages.contains_key(&number) {
            self.begin(number, row, now);
        }
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        match text(row, "outcome") {
            "publish.retain_quota" => message.retaining = Some(row.clone()),
            outcome if outcome.starts_with("publish.") => {
                message.publication = Some(row.clone());
                return;
            }
            _ => {
                let copy = message.copy_of(row);
                message.copies.insert(copy, row.clone());
            }
        }
        if !std::mem::replace(&mut message.is_waiting, true) {
            message.came = now;
            self.waiting.push_back(number);
        }
    }

    fn begin(&mut self, number: u64, row: &Value, now: Instant) {
        if self.order.len() >= MESSAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            let mut lines = std::mem::take(&mut self.early);
            self.tell(oldest, &mut lines);
            self.early = lines;
            self.messages.remove(&oldest);
        }
        self.seen += 1;
        self.order.push_back(number);
        self.waiting.push_back(number);
        let message = Message {
            ordinal: self.seen,
            came: now,
            topic: text(row, "topic").to_owned(),
            publication: None,
            retaining: None,
            copies: BTreeMap::new(),
            was_told: false,
            is_waiting: true,
        };
        self.messages.insert(number, message);
    }

    /// Adds the lines that are to be shown now.
    pub(crate) fn due(&mut self, now: Instant, lines: &mut Vec<String>) {
        lines.append(&mut self.early);
        for row in std::mem::take(&mut self.refused) {
            self.tell_refused(&row, lines);
        }
        while let Some(number) = self.waiting.front().copied() {
            let is_due = self.messages.get(&number).is_none_or(|message| {
                now.saturating_duration_since(message.came) >= message.due_after()
            });
            if !is_due {
                return;
            }
            self.waiting.pop_front();
            self.tell(number, lines);
        }
    }

    /// Adds the lines of everything that was not shown yet.
    pub(crate) fn rest(&mut self, lines: &mut Vec<String>) {
        lines.append(&mut self.early);
        for row in std::mem::take(&mut self.refused) {
            self.tell_refused(&row, lines);
        }
        while let Some(number) = self.waiting.pop_front() {
            self.tell(number, lines);
        }
    }

    fn tell_refused(&self, row: &Value, lines: &mut Vec<String>) {
        lines.push(self.head("", row, text(row, "topic")));
        lines.push(format!("   {}", self.state(row, None)));
    }

    fn tell(&mut self, number: u64, lines: &mut Vec<String>) {
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        if !std::mem::take(&mut message.is_waiting) {
            return;
        }
        let is_again = std::mem::replace(&mut message.was_told, true);
        // What is told is not told again.
        let copies = std::mem::take(&mut message.copies);
        let retaining = message.retaining.take();
        let Some(message) = self.messages.get(&number) else {
            return;
        };
        let mark = if self.look.is_numbered {
            format!("#{} ", message.ordinal)
        } else {
            String::new()
        };
        let publication = message.publication.as_ref();
        lines.push(match publication {
            Some(row) if !is_again => self.head(&mark, row, &message.topic),
            _ => self.head_again(&mark, &message.topic, is_again),
        });
        let since_ms = publication.map(unix_ms);
        if let Some(row) = publication.filter(|row| text(row, "outcome") != "publish.accepted") {
            lines.push(format!("   {}", self.state(row, None)));
        }
        if let Some(row) = &retaining {
            lines.push(format!("   {}", self.state(row, None)));
        }
        let name = |(client, group): &(String, String)| {
            let group = if group.is_empty() {
                String::new()
            } else {
                format!(" ({})", printable(group))
            };
            format!("{}{group}", printable(client))
        };
        let told = copies.iter().take(COPIES_MAX);
        let cells = told.clone().map(|(of, _)| width(&name(of))).max();
        let arrow = if self.look.is_ascii { "->" } else { "→" };
        for (of, row) in told {
            let name = pad(&name(of), cells.unwrap_or_default());
            lines.push(format!("   {arrow} {name}  {}", self.state(row, since_ms)));
        }
        if copies.len() > COPIES_MAX {
            let more = texts::more_copies(copies.len() - COPIES_MAX);
            lines.push(format!("   {arrow} {}", self.say(&more)));
        }
    }

    fn say(&self, text: &Text) -> String {
        text.to_string(self.look.language)
    }

    /// The first line of a message.
    fn head(&self, mark: &str, row: &Value, topic: &str) -> String {
        let time = clock(unix_ms(row), &self.look.zone, "%H:%M:%S%.3f");
        let mut parts = vec![format!("{mark}{}", printable(topic))];
        let client = text(row, "client");
        parts.push(if client.is_empty() {
            self.say(&texts::from_operator())
        } else {
            self.say(&texts::from_client(printable(client)))
        });
        if let Some(qos) = row.get("qos").and_then(Value::as_u64) {
            parts.push(format!("QoS {qos}"));
        }
        if let Some(size) = row.get("size_bytes").and_then(Value::as_u64) {
            let kind = row.get("payload").and_then(Value::as_str);
            let size = texts::bytes(size);
            let said = match kind {
                Some(kind) => texts::size_and_kind(size, texts::payload_kind(kind)),
                None => size,
            };
            parts.push(printable(&self.say(&said)));
        }
        if row.get("retain").and_then(Value::as_bool) == Some(true) {
            parts.push("RETAIN".to_owned());
        }
        format!("{time}  {}", parts.join("  "))
    }

    /// The first line when there is more to say of a message, or its publication was not seen.
    fn head_again(&self, mark: &str, topic: &str, is_again: bool) -> String {
        let why = if is_again {
            texts::goes_on()
        } else {
            texts::no_publication()
        };
        let blank = " ".repeat("00:00:00.000".len());
        format!("{blank}  {mark}{}  {}", printable(topic), self.say(&why))
    }

    /// What became of a message or a copy, and how long after the publication.
    fn state(&self, row: &Value, since_ms: Option<u64>) -> String {
        let outcome = text(row, "outcome");
        let (good, bad, waits) = if self.look.is_ascii {
            ("+", "x", "~")
        } else {
            ("✓", "✗", "…")
        };
        let mark = match (outcome, text(row, "effect")) {
            ("publish.no_match", _) => bad,
            (_, "accepted") => good,
            (_, "delayed") => waits,
            _ => bad,
        };
        let words = texts::of_outcome(outcome).map(|words| self.say(&words));
        let mut line = match words {
            Some(words) => format!("{mark} {words}"),
            None => format!("{mark} {}", printable(name_of(outcome, self.look.language))),
        };
        if let Some(since_ms) = since_ms {
            let after = Duration::from_millis(unix_ms(row).saturating_sub(since_ms));
            line.push_str(&format!("  +{}", self.say(&texts::time(after))));
        }
        let detail = text(row, "detail");
        if !detail.is_empty() && !detail.starts_with("$share/") {
            let detail = shown::detail(noted(detail));
            line.push_str(&format!("  {}", printable(&self.say(&detail))));
        }
        line
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn unix_ms(row: &Value) -> u64 {
    row.get("at_unix_ms")
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ledger(language: Language) -> Ledger {
        Ledger::new(Look {
            language,
            is_ascii: false,
            is_numbered: true,
            zone: TimeZone::UTC,
        })
    }

    fn row(message: u64, outcome: &str, client: &str, ms: u64) -> Value {
        let effect = match outcome {
            "publish.denied_acl" => "denied",
            "deliver.offline" | "deliver.in_flight" => "delayed",
            "deliver.queue_full" => "dropped",
            _ => "accepted",
        };
        let mut row = json!({
            "at_unix_ms": 1_700_000_000_000 + ms, "outcome": outcome, "effect": effect,
            "client": client, "topic": "home/hum", "qos": 1, "size_bytes": 24, "payload": "json",
        });
        if message > 0 {
            row["message"] = json!(message);
        }
        row
    }

    #[test]
    fn a_message_is_told_with_all_its_copies_and_what_comes_later_is_added() {
        let mut ledger = ledger(Language::English);
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        for row in [
            row(7, "deliver.in_flight", "homeassistant", 0),
            row(7, "deliver.offline", "手机", 0),
            row(7, "publish.accepted", "esp", 0),
            row(7, "deliver.acked", "homeassistant", 3),
        ] {
            ledger.take(&row, begun);
        }
        let mut lines = Vec::new();
        ledger.due(after(500), &mut lines);
        assert_eq!(lines, [""; 0]);
        ledger.due(after(1500), &mut lines);
        let told = [
            "22:13:20.000  #1 home/hum  from esp  QoS 1  24 bytes, json",
            "   → homeassistant  ✓ acknowledged  +3 ms",
            "   → 手机           … waits: the client is not connected  +0 ms",
        ];
        assert_eq!(lines, told);
        lines.clear();
        ledger.take(&row(7, "deliver.acked", "手机", 2900), after(3000));
        ledger.due(after(5000), &mut lines);
        let told = [
            "              #1 home/hum  goes on:",
            "   → 手机  ✓ acknowledged  +2.9 s",
        ];
        assert_eq!(lines, told);
        assert_eq!(ledger.messages(), 1);
    }

    #[test]
    fn a_copy_of_each_subscription_and_what_is_not_retained_stand_apart() {
        let mut ledger = ledger(Language::English);
        let now = Instant::now();
        let mut shared = row(7, "deliver.in_flight", "hub", 0);
        shared["detail"] = json!("$share/g/home/#");
        let mut quota = row(7, "publish.retain_quota", "", 1);
        quota["effect"] = json!("dropped");
        for row in [
            row(7, "publish.accepted", "esp", 0),
            row(7, "deliver.in_flight", "hub", 0),
            shared,
            row(7, "deliver.acked", "hub", 2),
            row(7, "deliver.acked", "hub", 3),
            quota,
        ] {
            ledger.take(&row, now);
        }
        let mut lines = Vec::new();
        ledger.rest(&mut lines);
        assert_eq!(
            lines,
            [
                "22:13:20.000  #1 home/hum  from esp  QoS 1  24 bytes, json",
                "   ✗ not retained: there is no room for another retained message",
                "   → hub                    ✓ acknowledged  +2 ms",
                "   → hub ($share/g/home/#)  ✓ acknowledged  +3 ms",
            ]
        );
    }

    #[test]
    fn what_nobody_gets_is_told_with_the_reason_in_both_languages() {
        let mut ledger = ledger(Language::Chinese);
        let now = Instant::now();
        ledger.take(&row(1, "publish.no_match", "esp", 0), now);
        let mut denied = row(0, "publish.denied_acl", "dev\u{1b}[2J", 0);
        denied["detail"] = json!("denied by etc/acl.toml:14");
        ledger.take(&denied, now);
        let mut lines = Vec::new();
        ledger.rest(&mut lines);
        assert_eq!(
            lines,
            [
                "22:13:20.000  home/hum  来自 dev\u{fffd}[2J  QoS 1  24 字节，json",
                "   ✗ 已拒绝：访问规则不允许发布  （被 etc/acl.toml:14 拒绝）",
                "22:13:20.000  #1 home/hum  来自 esp  QoS 1  24 字节，json",
                "   ✗ 没有订阅者",
            ]
        );
        assert_eq!(ledger.messages(), 2);
    }

    #[test]
    fn messages_that_are_held_are_limited() {
        let mut ledger = ledger(Language::English);
        let now = Instant::now();
        let mut lines = Vec::new();
        for number in 1..=3 * MESSAGES_MAX as u64 {
            ledger.take(&row(number, "publish.no_match", "esp", 0), now);
            ledger.due(now + SETTLED_AFTER, &mut lines);
        }
        assert_eq!(ledger.messages.len(), MESSAGES_MAX);
        assert_eq!(lines.len(), 6 * MESSAGES_MAX);
    }

    #[test]
    fn a_flood_is_told_early_and_none_of_it_is_lost() {
        let mut ledger = ledger(Language::English);
        let now = Instant::now();
        let mut lines = Vec::new();
        for number in 1..=3 * MESSAGES_MAX as u64 {
            ledger.take(&row(number, "publish.no_match", "esp", 0), now);
            ledger.due(now, &mut lines);
        }
        assert_eq!(ledger.messages.len(), MESSAGES_MAX);
        assert_eq!(lines.len(), 4 * MESSAGES_MAX);
        ledger.rest(&mut lines);
        assert_eq!(lines.len(), 6 * MESSAGES_MAX);
    }
}
