//! `columba clients` and `columba retained`: what a running broker holds.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use columba_speech::Text;
use serde_json::Value;

use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::client_page;
use crate::failure::{Failure, end, print};
use crate::language::spoken;
use crate::screen::terminal_cells;
use crate::table::{Column, Table};
use crate::words::shown;

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people
    #[default]
    Table,
    /// One JSON object a line
    #[value(alias = "json")]
    Jsonl,
}

/// List connected clients, or show one
///
/// With a client id: all about it, connected or not: its session, its subscriptions, its messages in
/// flight, and what it waits for. `-o json` has all fields.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n\
\x20 columba clients --sort queued            # whose messages pile up?\n\
\x20 columba clients lamp-1")]
pub struct ClientsArgs {
    /// Client id
    #[arg(value_name = "CLIENT", conflicts_with_all = ["filter", "sort", "waiting_on", "sessions"])]
    client: Option<String>,
    /// Only client ids that contain this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// What they are sorted by, the highest first; by `id`, and with `+` before the key, the lowest first
    ///
    /// Keys are id, queued, queued_bytes, inflight, since, subscriptions, output_bytes and silent.
    #[arg(long, value_name = "KEY")]
    sort: Option<String>,
    /// Only those whose messages wait for this
    #[arg(long, value_name = "WHAT", value_parser = ["nothing", "client", "acknowledgement", "socket", "disk", "broker"])]
    waiting_on: Option<String>,
    /// Sessions that are not connected as well
    #[arg(long)]
    sessions: bool,
    /// How rows are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

/// List retained messages
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n\
\x20 columba retained 'home/#'")]
pub struct RetainedArgs {
    /// Topic filter; all topics but those that start with $ without it
    #[arg(value_name = "FILTER", default_value = "#")]
    filter: String,
    /// How rows are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba clients`.
pub fn run_clients(args: &ClientsArgs) -> ExitCode {
    end(clients(args))
}

/// Runs `columba retained`.
pub fn run_retained(args: &RetainedArgs) -> ExitCode {
    end(retained(args))
}

fn clients(args: &ClientsArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    if let Some(id) = &args.client {
        let shown = client.get(&format!("/clients/{}", encoded(id)))?;
        return match args.output {
            Output::Table => shown_all(&client_page::page(&shown, spoken(), terminal_cells())),
            Output::Jsonl => shown_all(&format!("{shown:#}\n")),
        };
    }
    let mut query = Vec::new();
    if let Some(text) = &args.filter {
        query.push(format!("client={}", encoded(text)));
    }
    if let Some(what) = &args.waiting_on {
        query.push(format!("waiting_on={what}"));
    }
    if let Some(key) = &args.sort {
        query.push(format!("sort={}", encoded(&direction(key, "id"))));
    }
    let list = if args.sessions { "sessions" } else { "clients" };
    let columns = &[
        Column::text(shown::client, "id"),
        Column::text(shown::user, "user").dispensable(1),
        Column::text(shown::address, "address").dispensable(3),
        Column::new(shown::subscriptions, "subscriptions").dispensable(4),
        Column::new(shown::inflight, "inflight").dispensable(2),
        Column::new(shown::queued, "queued"),
        Column::new(shown::waiting_on, "waiting_on"),
    ];
    show(
        &client,
        &format!("/{list}?{}", query.join("&")),
        args.output,
        columns,
    )
}

fn shown_all(text: &str) -> Result<(), Failure> {
    print(text);
    Ok(())
}

/// A key as the API knows it: the highest first, but for the key of names.
pub(crate) fn direction(key: &str, name: &str) -> String {
    match key.strip_prefix('+') {
        Some(key) => key.to_owned(),
        None if key == name || key.starts_with('-') => key.to_owned(),
        None => format!("-{key}"),
    }
}

fn retained(args: &RetainedArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    let path = format!("/retained?topic={}", encoded(&args.filter));
    let columns = &[
        Column::text(shown::topic, "topic"),
        Column::new(shown::qos, "qos"),
        Column::new(shown::bytes, "payload_bytes"),
        Column::text(shown::payload, "payload"),
    ];
    show(&client, &path, args.output, columns)
}

/// Prints the rows of a list as they come.
pub(crate) fn show(
    client: &AdminClient,
    path: &str,
    output: Output,
    columns: &[Column],
) -> Result<(), Failure> {
    show_rows(|take| client.rows(path, take), output, columns)
}

/// What takes one row after the other.
type Take<'a> = &'a mut dyn FnMut(&Value) -> Result<(), Failure>;

/// Prints rows as something brings them.
pub(crate) fn show_rows(
    each: impl FnOnce(Take<'_>) -> Result<(), Failure>,
    output: Output,
    columns: &[Column],
) -> Result<(), Failure> {
    if output == Output::Jsonl {
        return each(&mut |row| {
            print(&format!("{row}\n"));
            Ok(())
        });
    }
    let mut table = Table::new(columns);
    let language = spoken();
    each(&mut |row| {
        let shown = |column: &Column| {
            let value = row.get(column.key);
            let waits = (column.key == "waiting_on").then(|| shown::waiting(value?.as_str()?));
            if let Some(what) = waits.flatten() {
                return what.to_string(language);
            }
            match value.and_then(Value::as_u64) {
                Some(unix_ms) if column.key.ends_with("_unix_ms") => ago(unix_ms),
                _ => cell(value),
            }
        };
        table.row(columns.iter().map(shown).collect());
        Ok(())
    })?;
    table.end();
    Ok(())
}

/// How long ago a time of the broker is, as this machine sees it.
pub(crate) fn ago(unix_ms: u64) -> String {
    time_since(unix_ms).to_string(spoken())
}

/// The same, in whatever language it is then told.
pub(crate) fn time_since(unix_ms: u64) -> Text {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let secs = now.unwrap_or_default().as_secs();
    match secs.saturating_sub(unix_ms / 1000) {
        secs @ 0..120 => shown::seconds_ago(secs),
        secs @ 120..7200 => shown::minutes_ago(secs / 60),
        secs @ 7200..172_800 => shown::hours_ago(secs / 3600),
        secs => shown::days_ago(secs / 86_400),
    }
}

/// A value in one line; a peer chose the text.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect(),
        Some(other) => other.to_string(),
    }
}
