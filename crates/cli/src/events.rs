//! `columba events`: what the flight recorder of a running broker holds.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use columba_broker::outcome::Outcome;
use columba_diagnosis::noted::noted;
use columba_diagnosis::{operators, outcomes};
use columba_speech::width::{behind, pad, width};
use columba_speech::{Language, Text};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde_json::Value;

use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::failure::{Failure, end, note, print, say};
use crate::language::spoken;
use crate::screen::terminal_cells;
use crate::texts;
use crate::words::{Said, broker, shown as words, value};

/// How long to wait before a connection that has broken is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// How events are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line an event, for people
    #[default]
    Text,
    /// One JSON object a line
    Jsonl,
}

/// Show what happened: connections, sessions, subscriptions, refusals, drops
///
/// The broker records this all the time; nothing has to be switched on before.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba events --client lamp-1 --since 1h\n\
\x20 columba events --outcome publish.denied_acl -f\n\
\x20 columba events -t 'home/#' -o jsonl")]
pub struct EventsArgs {
    /// Only events of this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Only events of topics that this filter matches
    #[arg(short, long, value_name = "FILTER")]
    topic: Option<String>,
    /// Only this outcome, publish.denied_acl, or all of a stage, publish
    #[arg(long, value_name = "NAME")]
    outcome: Option<String>,
    /// How far back: 90s, 15m, 2h, 1d
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    since: Duration,
    /// Every message and every copy of it as well, as far as they were followed
    #[arg(long)]
    ledger: bool,
    /// Go on with what happens from now on
    #[arg(short, long)]
    follow: bool,
    /// Times in UTC
    #[arg(long)]
    utc: bool,
    /// How events are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba events`.
pub fn run(args: &EventsArgs) -> ExitCode {
    end(show(args))
}

/// A number with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, Said> {
    let wrong = || Said::from(value::time(format!("{text:?}")));
    let (number, unit) =
        text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let secs = number.checked_mul(secs).ok_or_else(wrong)?;
    Ok(Duration::from_secs(secs))
}

fn show(args: &EventsArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    let zone = if args.utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let mut query = format!("/events?ledger={}", args.ledger);
    let texts = [
        ("client", &args.client),
        ("topic", &args.topic),
        ("outcome", &args.outcome),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            query.push_str(&format!("&{name}={}", encoded(text)));
        }
    }
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let since_ms = now_ms.saturating_sub(args.since.as_millis() as u64);
    query.push_str(&format!("&since_unix_ms={since_ms}"));
    let cells = terminal_cells();
    let language = spoken();
    let show = |row: &Value| match args.output {
        Output::Jsonl => print(&format!("{row}\n")),
        Output::Text => print(&shown(&line(row, &zone, language), cells)),
    };
    if args.follow {
        return follow(&client, &query, (since_ms, &zone), show);
    }
    let mut is_any = false;
    client.rows(&query, |row| {
        is_any = true;
        show(row);
        Ok(())
    })?;
    if !is_any && args.output == Output::Text {
        note(words::none());
    }
    Ok(())
}

/// Shows what happens until the broker stops. A connection that breaks is opened again, and what has
/// happened meanwhile is shown; a broker that does not answer ends it.
fn follow(
    client: &AdminClient,
    query: &str,
    (since_ms, zone): (u64, &TimeZone),
    show: impl Fn(&Value),
) -> Result<(), Failure> {
    let language = spoken();
    let note = |text: &Text| say(&format!("{}\n", text.to_string(language)));
    let mut id: Option<String> = None;
    loop {
        let mut stream = client.stream(query, id.as_deref())?;
        while let Some(event) = stream.next_event() {
            let number = |name: &str| event.data.get(name).and_then(Value::as_u64);
            match event.name.as_str() {
                "" => show(&event.data),
                "begin" => {
                    let started_ms = number("process_started_unix_ms").unwrap_or_default();
                    if id.is_none() && since_ms < started_ms {
                        note(&texts::begins(clock(started_ms, zone, "%m-%d %H:%M:%S")));
                    }
                }
                "missed" => match number("entries") {
                    Some(entries) => note(&texts::overwritten(entries)),
                    None => note(&texts::begun_anew()),
                },
                "left_out" => {
                    note(&texts::left_out(number("messages").unwrap_or_default()));
                }
                "end" => {
                    let why = event.data.get("why").and_then(Value::as_str);
                    return Err(Failure::new(broker::announced(why)).unreachable());
                }
                // Of a later version.
                _ => {}
            }
        }
        // Without one, what was shown would be shown again.
        let Some(last) = stream.last_id() else {
            return Err(Failure::new(broker::stream_ended_at_once()).unreachable());
        };
        id = Some(last.to_owned());
        std::thread::sleep(PAUSE);
    }
}

/// Cells of a time, under which a line that is too long for the terminal does not go on.
const TIME_CELLS: usize = 20;

/// An event as a person sees it: in as many lines as it takes.
fn shown(line: &str, cells: Option<usize>) -> String {
    match (cells, line.char_indices().nth(TIME_CELLS)) {
        (Some(cells), Some((at, _))) if width(line) > cells => {
            let (time, rest) = line.split_at(at);
            behind(time, rest, cells)
        }
        _ => format!("{line}\n"),
    }
}

/// An event in one line.
fn line(row: &Value, zone: &TimeZone, language: Language) -> String {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut parts = vec![
        clock(number("at_unix_ms"), zone, "%m-%d %H:%M:%S%.3f"),
        pad(name_of(text("outcome"), language), NAME_CELLS),
    ];
    parts.extend(["client", "topic", "address"].map(|name| printable(text(name))));
    if let Some(qos) = row.get("qos").and_then(Value::as_u64) {
        parts.push(format!("QoS {qos}"));
    }
    if row.get("size_bytes").is_some() {
        parts.push(words::size(number("size_bytes")).to_string(language));
    }
    if !text("detail").is_empty() {
        let detail = words::detail(noted(text("detail")));
        parts.push(printable(&detail.to_string(language)));
    }
    if let Some(outcome) = Outcome::from_name(text("outcome"))
        && let Some(who) = operators::named(outcome, text("by"))
    {
        parts.push(printable(&operators::by(who).to_string(language)));
    }
    if number("times") > 1 {
        let since = clock(number("first_unix_ms"), zone, "%H:%M:%S%.3f");
        parts.push(words::times_since(number("times"), since).to_string(language));
    }
    if language == Language::Chinese {
        // What `--outcome` takes.
        parts.push(text("outcome").to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ").trim_end().to_owned()
}

/// Cells of what happened.
const NAME_CELLS: usize = 24;

/// What happened, in words.
pub(crate) fn name_of(outcome: &str, language: Language) -> &str {
    Outcome::from_name(outcome).map_or(outcome, |known| outcomes::words(known, language))
}

pub(crate) fn clock(unix_ms: u64, zone: &TimeZone, format: &str) -> String {
    let at = i64::try_from(unix_ms).ok();
    let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let text = at.map(|at| {
        let at = ZonedDateTime::new(at, zone.clone());
        jiff::fmt::strtime::format(format, &at)
    });
    text.and_then(Result::ok).unwrap_or_default()
}

/// A text that a peer chose, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for wrong in [
            "",
            "s",
            "15",
            "1.5h",
            "-1m",
            "15分",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_a_peer_has_put_into_it() {
        let row = serde_json::json!({
            "at_unix_ms": 1_700_000_000_123_u64, "times": 3, "first_unix_ms": 1_700_000_000_000_u64,
            "outcome": "publish.denied_acl", "client": "dev\n7", "topic": "iot/\u{1b}[2J", "qos": 1,
            "detail": "denied by etc/acl.toml:14",
        });
        assert_eq!(
            line(&row, &TimeZone::UTC, Language::English),
            "11-14 22:13:20.123  publish.denied_acl        dev\u{fffd}7  iot/\u{fffd}[2J  QoS 1  \
             (denied by etc/acl.toml:14)  3 times since 22:13:20.000"
        );
        assert_eq!(
            line(&row, &TimeZone::UTC, Language::Chinese),
            "11-14 22:13:20.123  发布被规则拒绝            dev\u{fffd}7  iot/\u{fffd}[2J  QoS 1  \
             （被 etc/acl.toml:14 拒绝）  自 22:13:20.000 起 3 次  publish.denied_acl"
        );
    }
}
