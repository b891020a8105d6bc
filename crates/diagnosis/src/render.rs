//! A report as text for a terminal, as Markdown, and as JSON.

use columba_broker::outcome::Outcome;
use columba_broker::recorder::flag;
use columba_codec::QoS;
use columba_speech::{Language, Param, Text, width};
use serde_json::{Map, Value, json};

use crate::code::Fate;
use crate::evidence::{Event, KernelFacts, Question};
use crate::losses::Loss;
use crate::noted::{is_noted, noted};
use crate::restarts::{Damage, End, Restart, START_MS};
use crate::stages::{STAGES, Status};
use crate::texts::pages::{fate_word, page};
use crate::texts::sentences as say;
use crate::verdict::{Judged, Report, Verdict, begins};
use crate::{operators, outcomes};

/// The name of the form that [`json()`] gives; changes with it.
pub const SCHEMA: &str = "columba.why/1";

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// Without characters beyond ASCII, but for names and Chinese.
    pub is_ascii: bool,
    /// Cells of a line.
    pub width: usize,
    /// What the reader's clocks are ahead of UTC, in seconds.
    pub utc_offset_secs: i64,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            language: Language::English,
            is_ascii: false,
            width: 100,
            utc_offset_secs: 0,
        }
    }
}

/// Day and time in UTC.
pub fn date_time(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

/// The reader's clock: everything in one zone, with the day where there is more than one.
struct Clock {
    utc_offset_secs: i64,
    /// The day of all that is shown by its time alone.
    day: Option<u64>,
}

impl Clock {
    fn of(report: &Report, style: &Style) -> Self {
        let mut clock = Self {
            utc_offset_secs: style.utc_offset_secs,
            day: None,
        };
        let Question { from_ms, to_ms, .. } = report.question;
        let day = clock.local_ms(to_ms) / DAY_MS;
        let times = report.timeline.iter().map(|event| event.unix_ms);
        let is_one_day = times
            .chain([from_ms])
            .all(|unix_ms| clock.local_ms(unix_ms) / DAY_MS == day);
        clock.day = is_one_day.then_some(day);
        clock
    }

    const fn local_ms(&self, unix_ms: u64) -> u64 {
        unix_ms.saturating_add_signed(self.utc_offset_secs * 1000)
    }

    fn time(&self, unix_ms: u64) -> String {
        let local_ms = self.local_ms(unix_ms);
        let shown = date_time(local_ms).replace('T', " ").replace('Z', "");
        let is_same_day = self.day == Some(local_ms / DAY_MS);
        match shown.split_once(' ') {
            Some((_, time)) if is_same_day => time.to_owned(),
            _ => shown,
        }
    }

    /// The same in a sentence, which says the zone as well.
    fn moment(&self, unix_ms: u64) -> String {
        let minutes = self.utc_offset_secs / 60;
        let (hours, rest) = ((minutes / 60).abs(), (minutes % 60).abs());
        let sign = if minutes < 0 { '-' } else { '+' };
        let zone = match (minutes, rest) {
            (0, _) => String::new(),
            (_, 0) => format!("{sign}{hours}"),
            _ => format!("{sign}{hours}:{rest:02}"),
        };
        format!("{} UTC{zone}", self.time(unix_ms))
    }
}

const DAY_MS: u64 = 86_400_000;

/// For a terminal. Says everything in words, so that marks and colours may be left out.
pub fn text(report: &Report, style: &Style) -> String {
    let language = style.language;
    let clock = Clock::of(report, style);
    let say = |text: Text| {
        let text = text.with_moments(&|unix_ms| clock.moment(unix_ms));
        text.to_string(language)
    };
    let verdict = &report.verdict;
    let behind = |start: &str, text: &str| width::behind(start, text, style.width);
    let mut out = String::new();
    let fate = mark_of(verdict.fate(), style);
    let head = format!("{fate} {}", headline(verdict, language));
    let tail = format!("{}  {}", verdict.code.name(), say(confidence_word(verdict)));
    let cells = style.width.saturating_sub(width::width(&tail) + 2);
    if width::width(&head) <= cells {
        out.push_str(&format!("{}  {tail}\n", width::pad(&head, cells)));
    } else {
        for line in [head, tail] {
            out.push_str(&behind("", &line));
        }
    }
    out.push_str(&behind("  ", &say(verdict.text.clone())));
    out.push('\n');
    for event in &report.timeline {
        let time = format!("  {}  ", clock.time(event.unix_ms));
        out.push_str(&behind(&time, &event_line(event, style.language)));
    }
    let mut stages = Vec::new();
    for (name, status) in STAGES.iter().zip(report.stages) {
        let word = say(status_word(status));
        stages.push(format!(
            "{} {} {word}",
            say(stage_word(name)),
            mark(status, style)
        ));
    }
    let separator = if style.is_ascii { " > " } else { " → " };
    out.push_str(&behind("  ", &stages.join(separator)));
    out.push('\n');
    for subscriber in &report.subscribers {
        let code = subscriber.verdict.code.name();
        let text = say(subscriber.verdict.text.clone());
        let line = format!("{}  {code}  {text}", subscriber.client);
        out.push_str(&behind("  ", &line));
    }
    let mut section = |word: Text, lines: Vec<String>| {
        let label = width::pad(&say(word), 6);
        for (at, line) in lines.into_iter().enumerate() {
            let start = if at == 0 {
                label.clone()
            } else {
                " ".repeat(width::width(&label))
            };
            out.push_str(&behind(&format!("  {start} "), &line));
        }
    };
    section(
        say::word_fix(),
        report.fixes.iter().map(|fix| say(fix.clone())).collect(),
    );
    section(
        say::word_lost(),
        lost(report).into_iter().map(say).collect(),
    );
    section(say::word_subscribed(), subscriptions(report));
    let also = report.also.iter();
    let also = also.map(|other| {
        let (code, sure) = (other.code.name(), say(confidence_word(other)));
        format!("{code}  {sure}  {}", say(other.text.clone()))
    });
    section(say::word_also(), also.collect());
    section(
        say::word_seen(),
        seen(report).into_iter().map(say).collect(),
    );
    out
}

/// For a ticket or a chat.
pub fn markdown(report: &Report, language: Language) -> String {
    let say = |text: Text| text.to_string(language);
    let verdict = &report.verdict;
    let (code, sure) = (verdict.code.name(), say(confidence_word(verdict)));
    let mut out = format!(
        "## {}{}\n\n{}\n\n",
        headline(verdict, language),
        match language {
            Language::English => format!(" ({code}, {sure})"),
            Language::Chinese => format!("（{code}，{sure}）"),
        },
        say(verdict.text.clone())
    );
    for event in &report.timeline {
        let line = event_line(event, language).replace('`', "'");
        out.push_str(&format!("- `{} {line}`\n", date_time(event.unix_ms)));
    }
    for (word, lines) in [
        (
            say::word_fix(),
            report
                .fixes
                .iter()
                .map(|fix| say(fix.clone()))
                .collect::<Vec<_>>(),
        ),
        (
            say::word_lost(),
            lost(report).into_iter().map(say).collect(),
        ),
        (say::word_subscribed(), subscriptions(report)),
        (
            say::word_also(),
            report
                .also
                .iter()
                .map(|other| {
                    let (code, sure) = (other.code.name(), say(confidence_word(other)));
                    match language {
                        Language::English => {
                            format!("{code} ({sure}): {}", say(other.text.clone()))
                        }
                        Language::Chinese => {
                            format!("{code}（{sure}）：{}", say(other.text.clone()))
                        }
                    }
                })
                .collect(),
        ),
        (
            say::word_seen(),
            seen(report).into_iter().map(say).collect(),
        ),
    ] {
        if !lines.is_empty() {
            out.push_str(&format!("\n**{}**\n\n", say(word)));
        }
        for line in lines {
            out.push_str(&format!("- {line}\n"));
        }
    }
    out
}

/// What became of the message, and why; once where the title says both.
fn headline(verdict: &Verdict, language: Language) -> String {
    let fate = fate_word(verdict.fate()).to_string(language);
    let title = verdict.title().to_string(language);
    if title.starts_with(&fate) {
        return title;
    }
    match language {
        Language::English => format!("{fate}: {title}"),
        Language::Chinese => format!("{fate}：{title}"),
    }
}

fn lost(report: &Report) -> Vec<Text> {
    let losses = report.losses.iter();
    let losses = losses.map(|loss| {
        let why = Param::from(page(loss.code).title());
        let at = Param::Moment(loss.last_ms);
        if loss.topic.is_empty() {
            say::lost_somewhere(loss.times, why, at)
        } else {
            say::lost_on(&*loss.topic, loss.times, why, at)
        }
    });
    losses.collect()
}

fn subscriptions(report: &Report) -> Vec<String> {
    let filters = report.subscriptions.iter();
    filters.map(|filter| printable(filter)).collect()
}

fn seen(report: &Report) -> Vec<Text> {
    let Judged {
        messages,
        delivered,
        not_delivered,
        waiting,
        unknown,
    } = report.judged;
    let coverage = &report.coverage;
    let from = Param::Moment(coverage.from_ms);
    let lost = coverage.left_out + coverage.cut;
    // What a client did in excess is pushed out sooner than what others did.
    let excess_from_ms = coverage.excess_from_ms;
    let lacks_excess = excess_from_ms > coverage.from_ms;
    let mut seen = Vec::new();
    if messages > 0 {
        seen.push(say::judged(
            messages,
            delivered,
            not_delivered,
            waiting,
            unknown,
        ));
    }
    // Where the record begins within the window, or the window with it, the reader is to know why.
    if let Some((since_ms, gap_ms)) = before_gap(report) {
        // Older events are shown: the record does not begin there for them.
        let (since, gap) = (Param::Moment(since_ms), Param::Moment(gap_ms));
        seen.push(say::covered_with_gap(since, gap, from));
        seen.extend((lost > 0).then(|| say::lost(lost)));
    } else if coverage.from_ms >= report.question.from_ms {
        seen.push(begins(coverage));
        seen.extend((lost > 0).then(|| say::lost(lost)));
    } else if lost == 0 && lacks_excess {
        seen.push(say::goes_back(from));
    } else if lost == 0 {
        seen.push(say::covered(from));
    } else {
        seen.push(say::covered_partly(from, lost));
    }
    seen.extend(lacks_excess.then(|| say::excess_covered(Param::Moment(excess_from_ms))));
    seen.extend(report.restarts.iter().flat_map(restart));
    seen.extend(damage(&report.damage));
    seen
}

/// Since when the report shows events from before the broker was killed, and when the gap begins that ends
/// with the whole part of the record.
fn before_gap(report: &Report) -> Option<(u64, u64)> {
    let from_ms = report.coverage.from_ms;
    let oldest = report
        .timeline
        .iter()
        .find(|event| event.unix_ms < from_ms)?;
    let mut killed = report.restarts.iter();
    let killed = killed.rfind(|restart| {
        restart.end == End::Killed && restart.started_ms.abs_diff(from_ms) <= START_MS
    })?;
    (oldest.unix_ms <= killed.stopped_ms).then_some((oldest.unix_ms, killed.stopped_ms))
}

fn restart(restart: &Restart) -> impl Iterator<Item = Text> {
    let stopped = Param::Moment(restart.stopped_ms);
    let started = Param::Moment(restart.started_ms);
    let told = match restart.end {
        End::Stopped => say::restarted(stopped, started),
        End::Whole => say::restarted_after(stopped, started),
        End::Killed => say::killed(stopped, started),
    };
    let is_known = !restart.recovered.is_empty();
    let recovered = is_known.then(|| say::recovered_then(noted(&restart.recovered)));
    [told].into_iter().chain(recovered)
}

/// What starts have found damaged: a message, or a subscription, may have been in it.
fn damage(all: &[Damage]) -> Vec<Text> {
    let told = all.iter().take(DAMAGE_TOLD);
    let mut texts: Vec<Text> = told
        .map(|damage| match &*damage.what {
            "" => say::store_damaged_somewhere(Param::Moment(damage.found_ms)),
            what => say::store_damaged(Param::Moment(damage.found_ms), noted(what)),
        })
        .collect();
    let more = all.len().saturating_sub(DAMAGE_TOLD);
    texts.extend((more > 0).then(|| say::store_damaged_more(more)));
    texts
}

/// Places of the store that are told at most.
const DAMAGE_TOLD: usize = 3;

fn event_line(event: &Event, language: Language) -> String {
    let mut line = outcomes::words(event.outcome, language).to_owned();
    for part in [&event.client, &event.topic] {
        if !part.is_empty() {
            line.push_str(&format!("  {part}"));
        }
    }
    if let Some(address) = event.address() {
        line.push_str(&format!("  {address}"));
    }
    if let Some(qos) = event.qos {
        line.push_str(&format!("  qos {}", qos.as_u8()));
    }
    if event.flags & flag::RETAIN != 0 && event.outcome.name().starts_with("publish.") {
        line.push_str("  retain");
    }
    if event.packet_id != 0 {
        line.push_str(&format!("  id {}", event.packet_id));
    }
    if event.times > 1 {
        line.push_str(&format!("  x{}", event.times));
    }
    if !event.detail.is_empty() {
        let detail = noted(&event.detail).to_string(language);
        line.push_str(&match language {
            Language::English => format!("  ({detail})"),
            Language::Chinese => format!("  （{detail}）"),
        });
    }
    if let Some(who) = operators::named(event.outcome, &event.by) {
        line.push_str(&format!("  {}", operators::by(who).to_string(language)));
    }
    printable(&line)
}

/// A client id or topic may hold anything; a terminal shall not act on it.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}

const fn mark(status: Status, style: &Style) -> &'static str {
    match (status, style.is_ascii) {
        (Status::Pass, false) => "✓",
        (Status::Pass, true) => "+",
        (Status::Fail, false) => "✗",
        (Status::Fail, true) => "x",
        (Status::Wait, false) => "…",
        (Status::Wait, true) => "~",
        (Status::Skip, false) => "·",
        (Status::Skip, true) => "-",
        (Status::Unknown, _) => "?",
    }
}

const fn mark_of(fate: Fate, style: &Style) -> &'static str {
    let status = match fate {
        Fate::Delivered => Status::Pass,
        Fate::NotDelivered => Status::Fail,
        Fate::Waiting => Status::Wait,
        Fate::Unknown => Status::Unknown,
    };
    mark(status, style)
}

fn status_word(status: Status) -> Text {
    match status {
        Status::Pass => say::word_ok(),
        Status::Fail => say::word_failed(),
        Status::Wait => say::word_waits(),
        Status::Skip => say::word_skipped(),
        Status::Unknown => say::word_untold(),
    }
}

fn stage_word(stage: &str) -> Text {
    match stage {
        "publisher" => say::stage_publisher(),
        "accepted" => say::stage_accepted(),
        "routed" => say::stage_routed(),
        "session" => say::stage_session(),
        "sent" => say::stage_sent(),
        _ => say::stage_app(),
    }
}

fn confidence_word(verdict: &Verdict) -> Text {
    use crate::code::Confidence;
    match verdict.confidence {
        Confidence::Certain => say::word_certain(),
        Confidence::Likely => say::word_likely(),
        Confidence::Possible => say::word_possible(),
    }
}

/// For programs. Has codes and parameters, and the sentences in one language.
pub fn json(report: &Report, language: Language) -> Value {
    let stages: Vec<_> = STAGES
        .iter()
        .zip(report.stages)
        .map(|(id, status)| json!({"id": id, "status": status.name()}))
        .collect();
    let fixes: Vec<_> = report
        .fixes
        .iter()
        .map(
            |fix| json!({"id": fix.code(), "params": params(fix), "text": fix.to_string(language)}),
        )
        .collect();
    let subscribers: Vec<_> = report
        .subscribers
        .iter()
        .map(|of| {
            json!({
                "client": of.client,
                "judged": judged(&of.judged),
                "published": of.published_ms.map(date_time),
                "verdict": verdict(&of.verdict, language),
            })
        })
        .collect();
    let coverage = &report.coverage;
    json!({
        "schema": SCHEMA,
        "question": {
            "topic": report.question.topic,
            "publisher": report.question.publisher,
            "subscriber": report.question.subscriber,
            "from": date_time(report.question.from_ms),
            "to": date_time(report.question.to_ms),
        },
        "verdict": verdict(&report.verdict, language),
        "published": report.published_ms.map(date_time),
        "stages": stages,
        "fixes": fixes,
        "timeline": report.timeline.iter().map(event).collect::<Vec<_>>(),
        "also": report.also.iter().map(|of| verdict(of, language)).collect::<Vec<_>>(),
        "judged": judged(&report.judged),
        "subscribers": subscribers,
        "losses": report.losses.iter().map(loss).collect::<Vec<_>>(),
        "subscriptions": report.subscriptions,
        "kernel": report.kernel.as_ref().map(kernel),
        "coverage": {
            "from": date_time(coverage.from_ms),
            "beginning": coverage.beginning.name(),
            "overwritten": coverage.overwritten,
            "left_out": coverage.left_out,
            "cut": coverage.cut,
            "uncompared": coverage.uncompared,
            "boots": coverage.boots,
            "restarts": report.restarts.iter().map(restart_json).collect::<Vec<_>>(),
            "damaged": report.damage.iter().map(damage_json).collect::<Vec<_>>(),
            "complete": coverage.from_ms <= report.question.from_ms
                && coverage.left_out == 0
                && coverage.cut == 0,
        },
    })
}

fn kernel(facts: &KernelFacts) -> Value {
    json!({
        "acknowledged_bytes": facts.acknowledged_bytes,
        "unsent_bytes": facts.unsent_bytes,
        "send_queue_bytes": facts.send_queue_bytes,
        "unsent_in_queue_bytes": facts.unsent_in_queue_bytes,
        "retransmits": facts.retransmits,
    })
}

fn verdict(verdict: &Verdict, language: Language) -> Value {
    json!({
        "code": verdict.code.name(),
        "stage": verdict.code.area().name(),
        "confidence": verdict.confidence.name(),
        "outcome": verdict.fate().name(),
        "title": verdict.title().to_string(language),
        "sentence": verdict.text.code(),
        "params": params(&verdict.text),
        "text": verdict.text.to_string(language),
    })
}

fn damage_json(damage: &Damage) -> Value {
    json!({
        "found": date_time(damage.found_ms),
        "what": damage.what,
    })
}

fn restart_json(restart: &Restart) -> Value {
    json!({
        "stopped": date_time(restart.stopped_ms),
        "clean": restart.end != End::Killed,
        "started": date_time(restart.started_ms),
        "recovered": restart.recovered,
    })
}

fn loss(loss: &Loss) -> Value {
    json!({
        "topic": loss.topic,
        "code": loss.code.name(),
        "times": loss.times,
        "last": date_time(loss.last_ms),
    })
}

fn judged(judged: &Judged) -> Value {
    json!({
        "messages": judged.messages,
        "delivered": judged.delivered,
        "not_delivered": judged.not_delivered,
        "waiting": judged.waiting,
        "unknown": judged.unknown,
    })
}

fn params(text: &Text) -> Value {
    let params = text
        .params()
        .map(|(name, value)| (name.to_owned(), param(value)));
    Value::Object(params.collect())
}

fn param(value: &Param) -> Value {
    match value {
        Param::Plain(text) | Param::Word(text) => json!(text),
        Param::Number(number) | Param::Bytes(number) => json!(number),
        Param::Duration(duration) => json!(duration.as_millis() as u64),
        Param::Moment(unix_ms) => json!(date_time(*unix_ms)),
        // Programs find it as the broker noted it.
        Param::Text(text) if is_noted(text) => json!(text.to_string(Language::English)),
        Param::Text(text) if let Some(said) = operators::for_programs(text) => json!(said),
        Param::Text(text) => json!({"id": text.code(), "params": params(text)}),
        Param::List(items) => items.iter().map(param).collect(),
    }
}

/// An event with what it has.
pub fn event(event: &Event) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_empty = value.is_null() || value == json!("") || value == json!(0);
        if !is_empty {
            out.insert(name.to_owned(), value);
        }
    };
    put("ts", json!(date_time(event.unix_ms)));
    put("kind", json!(event.outcome.name()));
    put("shard", json!(event.shard));
    put("seq", json!(event.sequence));
    put("client", json!(event.client));
    put("by", json!(event.by));
    put("topic", json!(event.topic));
    put("detail", json!(event.detail));
    put("peer", json!(event.address()));
    put("message", json!(event.message));
    put(
        "retain",
        if event.flags & flag::RETAIN != 0 {
            json!(true)
        } else {
            Value::Null
        },
    );
    put("packet_id", json!(event.packet_id));
    let (size, count) = match event.outcome {
        // Where it ends among the bytes of its connection.
        Outcome::DeliverSent | Outcome::DeliverInFlight => ("bytes", "ends_at_bytes"),
        // What CONNECT says.
        Outcome::ConnectAccepted => ("packet_bytes_max", "keep_alive_secs"),
        _ => ("bytes", "count"),
    };
    put(size, json!(event.size_bytes));
    put(count, json!(event.count));
    put("secs", json!(event.secs));
    put("payload", json!(event.payload.map(|kind| kind.name())));
    if event.times > 1 {
        put("times", json!(event.times));
        put("first", json!(date_time(event.first_unix_ms)));
    }
    // QoS 0 is a value too.
    if let Some(qos) = event.qos.map(QoS::as_u8) {
        out.insert("qos".to_owned(), json!(qos));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests;
