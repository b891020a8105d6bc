//! `columba why`, `columba explain`, `columba can` and `columba match`: what became of a message, what a
//! verdict means, what the access rules say, and whether a filter matches.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueEnum};
use columba_codec::topic::{TopicFilter, TopicName};
use columba_diagnosis::near::{self, Difference};
use columba_diagnosis::{Code, explain};
use columba_speech::{Language, Param, Text};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::admin_client::{AdminArgs, AdminClient, Login, encoded};
use crate::bundle::{self, Subjects};
use crate::context::Secret;
use crate::events::{clock, duration, printable};
use crate::failure::{Failure, end_with, print, print_wrapped, say};
use crate::language::{language_of_environment, parse_language, spoken};
use crate::screen::size;
use crate::texts;
use crate::words::{Said, client, shown, value};

/// Exit codes beside 0, delivered; 2 is clap's.
pub(crate) const FAULT_FOUND: u8 = 10;
pub(crate) const CANNOT_TELL: u8 = 11;
pub(crate) const WAITING: u8 = 12;

/// How far back, if nothing is said.
const WINDOW_MS: u64 = 15 * 60_000;

/// How often a watch asks at most.
const PAUSE: Duration = Duration::from_secs(1);

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For a terminal
    #[default]
    Text,
    /// For programs
    Json,
    /// Markdown, for a ticket or a chat
    Md,
}

/// Say why a message did not arrive
///
/// Looks back at what the broker has recorded anyway. Names what stopped the message, with the evidence
/// and what to do.
///
/// Exit codes: 0 delivered, 10 not delivered, 11 cannot tell, 12 waiting, 2 faulty command line, 3 the
/// broker cannot be asked.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("asked").args(["topic", "from", "to"]).required(true).multiple(true)))]
#[command(after_help = "Examples:\n\
\x20 columba why home/lamp                        # nobody got it: why?\n\
\x20 columba why home/lamp --to lamp-1 --since 2h\n\
\x20 columba why --to lamp-1                      # all that this client misses")]
pub struct WhyArgs {
    /// The topic that it was published to
    #[arg(value_name = "TOPIC", value_parser = named_topic)]
    topic: Option<String>,
    /// Client id of who published it
    #[arg(long, value_name = "CLIENT")]
    from: Option<String>,
    /// Client id of who misses it
    #[arg(long, value_name = "CLIENT")]
    to: Option<String>,
    /// How far back to look: 90s, 15m, 2h, 1d; without it 15m, or since the broker started
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// A moment to look at, with 15 minutes before and 1 after: 19:14, 2026-11-28T19:14 or
    /// 2026-11-28T10:41:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "since", value_parser = moment)]
    at: Option<u64>,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Language of the answer: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
    /// No marks that are not ASCII
    #[arg(long)]
    ascii: bool,
    /// Go on asking, and show what becomes of messages that are published from now on
    #[arg(long, conflicts_with = "at")]
    watch: bool,
    /// Write the answer with its evidence, the version and the configuration into a new file, for a bug
    /// report: no payloads, no passwords
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    bundle: Option<PathBuf>,
    /// Ask as this user of the broker, who may ask about clients of its own; without it, a token or the
    /// context says who asks
    #[arg(
        short,
        long,
        value_name = "NAME",
        requires = "pw",
        conflicts_with = "token"
    )]
    username: Option<String>,
    /// Its password; better in a context, where other users cannot see it
    #[arg(
        short = 'P',
        long,
        value_name = "PASSWORD",
        requires = "username",
        allow_hyphen_values = true
    )]
    pw: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

impl WhyArgs {
    fn admin(&self) -> AdminArgs {
        let login = self.username.clone().zip(self.pw.clone());
        let login = login.map(|(user, password)| Login {
            user,
            password: Secret::new(password),
        });
        AdminArgs {
            login,
            ..self.admin.clone()
        }
    }
}

/// Explain a verdict, such as R02
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba explain R02")]
pub struct ExplainArgs {
    /// Its code; all of them in one line each without it
    #[arg(value_name = "CODE", value_parser = code)]
    code: Option<Code>,
    /// Language: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
}

/// Ask whether a client may publish, subscribe or receive, and which rule says so
///
/// Exit codes: 0 it may, 10 it may not, 3 the broker cannot be asked.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba can lamp-1 publish home/lamp/state\n\
\x20 columba can lamp-1 subscribe 'home/#' --user ann")]
pub struct CanArgs {
    /// Client id
    #[arg(value_name = "CLIENT")]
    client: String,
    /// What it wants to do
    #[arg(value_name = "ACTION", value_parser = ["publish", "subscribe", "receive"])]
    action: String,
    /// A topic; for subscribe a filter
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Who it is, if it is not connected
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Say whether a filter matches a topic, and if not, where they differ
///
/// Exit codes: 0 it does, 10 it does not.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba match 'home/+/door' home/kitchen/door/state")]
pub struct MatchArgs {
    /// Topic filter, with $share/NAME/ or without
    #[arg(value_name = "FILTER")]
    filter: String,
    /// Topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Language: en or zh
    #[arg(long, value_name = "LANG", value_parser = parse_language)]
    lang: Option<Language>,
}

fn code(text: &str) -> Result<Code, Said> {
    let known = || Param::list(Code::ALL.iter().map(|code| code.name()));
    Code::from_name(&text.to_uppercase())
        .ok_or_else(|| value::no_verdict(format!("{text:?}"), known()).into())
}

/// A topic that one can ask about.
fn named_topic(text: &str) -> Result<String, Said> {
    if text.is_empty() {
        return Err(value::no_topic().into());
    }
    Ok(text.to_owned())
}

/// A time that something can have happened in.
fn span(text: &str) -> Result<Duration, Said> {
    let span = duration(text)?;
    if span.is_zero() {
        return Err(value::a_second().into());
    }
    Ok(span)
}

/// A time, in milliseconds since 1970.
fn moment(text: &str) -> Result<u64, Said> {
    moment_in(text, Timestamp::now(), &TimeZone::system())
}

/// A time with an offset from UTC, or one of the clock in a zone; without a date the last such time.
fn moment_in(text: &str, now: Timestamp, zone: &TimeZone) -> Result<u64, Said> {
    let time = timestamp_in(text, now, zone).map_err(|_| value::moment())?;
    u64::try_from(time.as_millisecond()).map_err(|_| value::before_1970().into())
}

fn timestamp_in(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // Before the time alone, which is read from a text with a date as well.
    if let Ok(time) = text.parse::<DateTime>() {
        return zone.to_timestamp(time);
    }
    let time: Time = text.parse()?;
    let today = zone.to_datetime(now).date();
    let found = zone.to_timestamp(DateTime::from_parts(today, time))?;
    if found <= now {
        return Ok(found);
    }
    // It is not that late yet.
    zone.to_timestamp(DateTime::from_parts(today.yesterday()?, time))
}

/// Cells of a line.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok();
    let told = told.and_then(|text| text.parse().ok());
    let terminal = || {
        let stdout = std::io::stdout();
        stdout.is_terminal().then(|| size(stdout).0)
    };
    told.or_else(terminal).unwrap_or(100).clamp(40, 1000)
}

/// Runs `columba why`.
pub fn run(args: &WhyArgs) -> ExitCode {
    end_with(why(args))
}

fn why(args: &WhyArgs) -> Result<u8, Failure> {
    let inquiry = Inquiry::new(args)?;
    let now_ms = now_ms();
    let (from_ms, to_ms) = match (args.at, args.since) {
        (Some(at_ms), _) => (Some(at_ms.saturating_sub(WINDOW_MS)), at_ms + 60_000),
        (None, Some(since)) => {
            let since_ms = since.as_millis() as u64;
            (Some(now_ms.saturating_sub(since_ms)), now_ms)
        }
        // The broker knows how far back it can tell.
        (None, None) => (None, now_ms),
    };
    let answer = inquiry.ask(from_ms, to_ms)?;
    inquiry.show(&answer);
    if let Some(file) = &args.bundle {
        let from_ms = from_ms.unwrap_or_else(|| to_ms.saturating_sub(WINDOW_MS));
        let count = inquiry.write_bundle(&answer, (from_ms, to_ms), file)?;
        let file = printable(&file.display().to_string());
        let told = texts::bundle(file, count).to_string(inquiry.language);
        say(&format!("{told}\n"));
    }
    if args.watch {
        inquiry.watch(now_ms)?;
    }
    Ok(exit_code(&answer))
}

/// The exit code that says what an answer says.
pub(crate) fn exit_code(answer: &Value) -> u8 {
    match answer
        .pointer("/report/verdict/outcome")
        .and_then(Value::as_str)
    {
        Some("delivered") => 0,
        Some("not_delivered") => FAULT_FOUND,
        Some("waiting") => WAITING,
        _ => CANNOT_TELL,
    }
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// A question that can be asked again.
struct Inquiry<'a> {
    args: &'a WhyArgs,
    client: AdminClient,
    language: Language,
}

impl<'a> Inquiry<'a> {
    fn new(args: &'a WhyArgs) -> Result<Self, Failure> {
        Ok(Self {
            args,
            client: AdminClient::new(&args.admin())?,
            language: args.lang.unwrap_or_else(language_of_environment),
        })
    }

    /// What is asked about, as a part of a query.
    fn subjects(&self) -> Vec<(&'static str, &'a str)> {
        let args = self.args;
        let texts = [
            ("topic", &args.topic),
            ("from", &args.from),
            ("to", &args.to),
        ];
        let texts = texts.into_iter();
        texts
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
            .collect()
    }

    /// Asks about a time, in milliseconds since 1970.
    fn ask(&self, from_ms: Option<u64>, to_ms: u64) -> Result<Value, Failure> {
        let offset_secs = TimeZone::system().to_offset(Timestamp::now()).seconds();
        let mut query = format!(
            "/why?until_unix_ms={to_ms}&lang={}&ascii={}&utc_offset_secs={offset_secs}&width={}",
            self.language.tag(),
            self.args.ascii,
            columns(),
        );
        if let Some(from_ms) = from_ms {
            query.push_str(&format!("&since_unix_ms={from_ms}"));
        }
        for (name, text) in self.subjects() {
            query.push_str(&format!("&{name}={}", encoded(text)));
        }
        match self.args.output {
            Output::Text => query.push_str("&render=text"),
            Output::Md => query.push_str("&render=markdown"),
            Output::Json => {}
        }
        self.client.get(&query)
    }

    fn show(&self, answer: &Value) {
        let report = answer.get("report").unwrap_or(&Value::Null);
        match answer.get("rendered").and_then(Value::as_str) {
            Some(text) => print(text),
            // One a line, so that a program can tell them apart.
            None if self.args.watch => print(&format!("{report}\n")),
            None => print(&format!("{report:#}\n")),
        }
    }

    /// Shows what becomes of messages from a time on, whenever that changes; ends with the broker.
    fn watch(&self, mut from_ms: u64) -> Result<(), Failure> {
        let is_json = self.args.output == Output::Json;
        if !is_json {
            say(&format!("{}\n", texts::watching().to_string(self.language)));
        }
        // What would be said if nothing happened: it was told in the first answer.
        let mut known = gist(&self.ask(Some(from_ms), from_ms)?);
        loop {
            let asked = Instant::now();
            let to_ms = now_ms();
            let answer = self.ask(Some(from_ms), to_ms)?;
            let new = gist(&answer);
            if new != known {
                known = new;
                if !is_json {
                    let time = clock(now_ms(), &TimeZone::system(), "%H:%M:%S");
                    let told = texts::changed(time).to_string(self.language);
                    print(&format!("\n{told}\n"));
                }
                self.show(&answer);
                if is_settled(&answer) {
                    // The next message is to be judged alone.
                    from_ms = to_ms;
                    known = gist(&self.ask(Some(from_ms), from_ms)?);
                }
            }
            // A long record takes long to look through: the broker is to have other things to do.
            std::thread::sleep(PAUSE.max(asked.elapsed() * 10));
        }
    }

    /// Writes an answer with its evidence into a file; returns how many events are in it.
    fn write_bundle(
        &self,
        answer: &Value,
        (from_ms, to_ms): (u64, u64),
        file: &Path,
    ) -> Result<usize, Failure> {
        let report = answer.get("report").unwrap_or(&Value::Null);
        let wanted = Subjects {
            topic: self.args.topic.as_deref(),
            clients: [self.args.from.as_deref(), self.args.to.as_deref()],
            from_ms,
            to_ms,
        };
        bundle::write(&self.client, report, &wanted, file)
    }
}

/// Whether nothing more is to come of the messages that an answer is about.
fn is_settled(answer: &Value) -> bool {
    let number = |name: &str| {
        let found = answer.pointer(&format!("/report/judged/{name}"));
        found.and_then(Value::as_u64).unwrap_or_default()
    };
    matches!(exit_code(answer), 0 | FAULT_FOUND)
        && number("messages") > 0
        && number("waiting") == 0
        && number("unknown") == 0
}

/// What makes an answer another one.
fn gist(answer: &Value) -> [Value; 3] {
    let parts = ["verdict/code", "judged", "subscribers"];
    parts.map(|part| {
        let found = answer.pointer(&format!("/report/{part}"));
        found.cloned().unwrap_or_default()
    })
}

/// Runs `columba explain`.
pub fn run_explain(args: &ExplainArgs) -> ExitCode {
    let language = args.lang.unwrap_or_else(language_of_environment);
    match args.code {
        Some(code) => print(&explain(code, language, columns())),
        None => {
            for code in Code::ALL {
                let text = explain(*code, language, columns());
                let title = text.split("\n\n").next().unwrap_or_default();
                print(&format!("{title}\n"));
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs `columba can`.
pub fn run_can(args: &CanArgs) -> ExitCode {
    end_with(can(args))
}

fn can(args: &CanArgs) -> Result<u8, Failure> {
    let client = AdminClient::new(&args.admin)?;
    let mut question = json!({"client": args.client, "action": args.action, "topic": args.topic});
    if let (Some(user), Some(fields)) = (&args.user, question.as_object_mut()) {
        fields.insert("user".to_owned(), json!(user));
    }
    let answer = client.request("POST", "/acl/check", Some(&question))?;
    let is_allowed = answer.get("is_allowed").and_then(Value::as_bool) == Some(true);
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let who = match text("user") {
        Some(user) => shown::with_user(&*args.client, user),
        None => shown::not_logged_in(&*args.client),
    };
    let rule = text("rule").map_or_else(shown::undecided, shown::decided_by);
    let may = if is_allowed {
        shown::may
    } else {
        shown::may_not
    };
    let told = may(who, shown::action(&args.action), args.topic.as_str(), rule);
    print_wrapped(&printable(&told.to_string(spoken())));
    Ok(if is_allowed { 0 } else { FAULT_FOUND })
}

/// Runs `columba match`.
pub fn run_match(args: &MatchArgs) -> ExitCode {
    let language = args.lang.unwrap_or_else(language_of_environment);
    let told = |text: Text| print_wrapped(&text.to_string(language));
    let (filter, topic) = (
        TopicFilter::parse(&args.filter),
        TopicName::parse(&args.topic),
    );
    let filter_fault = filter.err().map(|fault| (&args.filter, fault));
    let topic_fault = topic.err().map(|fault| (&args.topic, fault));
    if filter_fault.is_some() || topic_fault.is_some() {
        for (text, fault) in filter_fault.into_iter().chain(topic_fault) {
            told(shown::unusable(&**text, client::topic(fault)));
        }
        return ExitCode::from(FAULT_FOUND);
    }
    if filter.is_ok_and(|filter| filter.matches(&args.topic)) {
        told(shown::matches());
        return ExitCode::SUCCESS;
    }
    told(match difference(&args.filter, &args.topic) {
        Some(how) => shown::differs_in(how),
        None => shown::differs(),
    });
    ExitCode::from(FAULT_FOUND)
}

/// What keeps a filter from matching a topic: the one thing if there is one, or else the first.
fn difference(filter: &str, topic: &str) -> Option<Text> {
    if let Some((rule, level)) = near::of_filter(filter, topic) {
        return Some(rule.sentence(level));
    }
    Some(match near::first_difference(filter, topic)? {
        Difference::Level(level, of_filter, of_topic) => {
            shown::differs_at(level, of_filter, of_topic)
        }
        Difference::TopicEnds(filter, topic) | Difference::FilterEnds(topic, filter) => {
            shown::other_count(filter, topic)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_topic_or_none() {
        assert_eq!(named_topic("a/+"), Ok("a/+".to_owned()));
        assert!(named_topic("").is_err());
    }

    #[test]
    fn a_time_without_length_is_none_to_ask_about() {
        assert!(span("0s").is_err());
        assert!(span("0d").is_err());
        assert_eq!(span("1s").ok(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_moment_may_be_written_as_on_the_clock() {
        let now: Timestamp = "2026-11-28T19:00:00Z".parse().expect("a time");
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, means) in [
            ("19:14", "2026-11-28T18:14:00Z"),
            ("19:14:05", "2026-11-28T18:14:05Z"),
            ("20:00", "2026-11-28T19:00:00Z"),
            // Not yet today.
            ("21:30", "2026-11-27T20:30:00Z"),
            ("2026-11-28T19:14", "2026-11-28T18:14:00Z"),
            ("2026-11-20T19:14", "2026-11-20T18:14:00Z"),
            ("2026-11-28T19:14:00Z", "2026-11-28T19:14:00Z"),
            ("2026-11-28T19:14:00+02:00", "2026-11-28T17:14:00Z"),
        ] {
            let means: Timestamp = means.parse().expect("a time");
            let found = moment_in(text, now, &zone).ok();
            assert_eq!(found, Some(means.as_millisecond() as u64), "{text}");
        }
        for text in ["soon", "25:00", "1969-12-31T12:00", ""] {
            assert!(moment_in(text, now, &zone).is_err(), "{text}");
        }
    }
}
