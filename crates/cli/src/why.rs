//! `columba why`, `columba explain`, `columba can` and `columba match`: what became of a message, what a
//! verdict means, what the access rules say, and whether a filter matches.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use columba_codec::topic::{TopicFilter, TopicName};
use columba_diagnosis::{Code, explain};
use columba_speech::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::doctor::{language_of_environment, parse_language};
use crate::events::duration;
use crate::failure::{Failure, end_with, print};

/// Exit codes beside 0, delivered; 2 is clap's.
const FAULT_FOUND: u8 = 10;
const CANNOT_TELL: u8 = 11;
const WAITING: u8 = 12;

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
pub struct WhyArgs {
    /// The topic that it was published to
    #[arg(value_name = "TOPIC", required_unless_present_any = ["from", "to"])]
    topic: Option<String>,
    /// Client id of who published it
    #[arg(long, value_name = "CLIENT")]
    from: Option<String>,
    /// Client id of who misses it
    #[arg(long, value_name = "CLIENT")]
    to: Option<String>,
    /// How far back to look: 90s, 15m, 2h, 1d
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    since: Duration,
    /// A moment to look at, with 15 minutes before and 1 after: 2026-11-28T10:41:00Z
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
    #[command(flatten)]
    admin: AdminArgs,
}

/// Explain a verdict, such as R02
#[derive(Args, Clone, Debug)]
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

fn code(text: &str) -> Result<Code, String> {
    let known = || {
        let names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.join(", ")
    };
    Code::from_name(&text.to_uppercase())
        .ok_or_else(|| format!("there is no verdict {text:?}: write one of {}", known()))
}

/// A time, in milliseconds since 1970.
fn moment(text: &str) -> Result<u64, String> {
    let time: Timestamp = text
        .parse()
        .map_err(|error| format!("{error}: write 2026-11-28T10:41:00Z"))?;
    u64::try_from(time.as_millisecond()).map_err(|_| "that is before 1970".to_owned())
}

/// Cells of a line.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok();
    let told = told.and_then(|text| text.parse().ok());
    told.unwrap_or(100).clamp(40, 1000)
}

/// Runs `columba why`.
pub fn run(args: &WhyArgs) -> ExitCode {
    end_with(why(args))
}

fn why(args: &WhyArgs) -> Result<u8, Failure> {
    let client = AdminClient::new(&args.admin)?;
    let language = args.lang.unwrap_or_else(language_of_environment);
    let now = Timestamp::now();
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let (from_ms, to_ms) = match args.at {
        Some(at_ms) => (at_ms.saturating_sub(15 * 60_000), at_ms + 60_000),
        None => (now_ms.saturating_sub(args.since.as_millis() as u64), now_ms),
    };
    let zone = TimeZone::system();
    let offset_secs = zone.to_offset(now).seconds();
    let mut query = format!(
        "/why?since_unix_ms={from_ms}&until_unix_ms={to_ms}&lang={}&ascii={}&utc_offset_secs={offset_secs}&width={}",
        language.tag(),
        args.ascii,
        columns(),
    );
    for (name, text) in [
        ("topic", &args.topic),
        ("from", &args.from),
        ("to", &args.to),
    ] {
        if let Some(text) = text {
            query.push_str(&format!("&{name}={}", encoded(text)));
        }
    }
    match args.output {
        Output::Text => query.push_str("&render=text"),
        Output::Md => query.push_str("&render=markdown"),
        Output::Json => {}
    }
    let answer = client.get(&query)?;
    let report = answer.get("report").unwrap_or(&Value::Null);
    match answer.get("rendered").and_then(Value::as_str) {
        Some(text) => print(text),
        None => print(&format!("{report:#}\n")),
    }
    Ok(
        match report.pointer("/verdict/outcome").and_then(Value::as_str) {
            Some("delivered") => 0,
            Some("not_delivered") => FAULT_FOUND,
            Some("waiting") => WAITING,
            _ => CANNOT_TELL,
        },
    )
}

/// Runs `columba explain`.
pub fn run_explain(args: &ExplainArgs) -> ExitCode {
    let language = args.lang.unwrap_or_else(language_of_environment);
    match args.code {
        Some(code) => print(&explain(code, language)),
        None => {
            for code in Code::ALL {
                let text = explain(*code, language);
                print(&format!("{}\n", text.lines().next().unwrap_or_default()));
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
        Some(user) => format!("{} (user {user})", args.client),
        None => format!("{} (not logged in)", args.client),
    };
    let may = if is_allowed { "may" } else { "may not" };
    let rule = text("rule").map_or_else(
        || "no rule decides it".to_owned(),
        |rule| format!("decided by {rule}"),
    );
    print(&format!(
        "{who} {may} {} {}: {rule}\n",
        args.action, args.topic
    ));
    Ok(if is_allowed { 0 } else { FAULT_FOUND })
}

/// Runs `columba match`.
pub fn run_match(args: &MatchArgs) -> ExitCode {
    let (filter, topic) = (
        TopicFilter::parse(&args.filter),
        TopicName::parse(&args.topic),
    );
    let faults = [
        filter
            .err()
            .map(|fault| format!("{}: {fault}", args.filter)),
        topic.err().map(|fault| format!("{}: {fault}", args.topic)),
    ];
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    if !faults.is_empty() {
        print(&format!("{}\n", faults.join("\n")));
        return ExitCode::from(FAULT_FOUND);
    }
    if filter.is_ok_and(|filter| filter.matches(&args.topic)) {
        print("it matches\n");
        return ExitCode::SUCCESS;
    }
    let language = args.lang.unwrap_or_else(language_of_environment);
    match columba_diagnosis::near::of_filter(&args.filter, &args.topic) {
        Some((rule, level)) => print(&format!(
            "it does not match: {}\n",
            rule.sentence(level).to_string(language)
        )),
        None => print("it does not match\n"),
    }
    ExitCode::from(FAULT_FOUND)
}
