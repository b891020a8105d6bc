//! `columba clients` and `columba retained`: what a running broker holds.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use columba_speech::width::{pad, width};
use serde_json::Value;

use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::failure::{Failure, end, print};

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people
    #[default]
    Table,
    /// One JSON object a line
    Jsonl,
}

/// List connected clients, or show one
///
/// With a client id: all about it as JSON, connected or not: its session, its subscriptions, its
/// messages in flight, and what it waits for.
#[derive(Args, Clone, Debug)]
pub struct ClientsArgs {
    /// Client id
    #[arg(value_name = "CLIENT", conflicts_with_all = ["filter", "sort", "waiting_on", "sessions"])]
    client: Option<String>,
    /// Only client ids that contain this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// What they are sorted by
    #[arg(long, value_name = "KEY", value_parser = ["id", "queued", "queued_bytes", "inflight", "since"])]
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
        print(&format!("{shown:#}\n"));
        return Ok(());
    }
    let mut query = Vec::new();
    if let Some(text) = &args.filter {
        query.push(format!("client={}", encoded(text)));
    }
    if let Some(what) = &args.waiting_on {
        query.push(format!("waiting_on={what}"));
    }
    match args.sort.as_deref() {
        None | Some("id") => {}
        Some(key) => query.push(format!("sort=-{key}")),
    }
    let list = if args.sessions { "sessions" } else { "clients" };
    let columns: &[_] = &[
        ("CLIENT", "id"),
        ("USER", "user"),
        ("ADDRESS", "address"),
        ("SUBSCRIPTIONS", "subscriptions"),
        ("IN FLIGHT", "inflight"),
        ("QUEUED", "queued"),
        ("WAITING ON", "waiting_on"),
    ];
    show(
        &client,
        &format!("/{list}?{}", query.join("&")),
        args.output,
        columns,
    )
}

fn retained(args: &RetainedArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    let path = format!("/retained?topic={}", encoded(&args.filter));
    let columns: &[_] = &[
        ("TOPIC", "topic"),
        ("QOS", "qos"),
        ("BYTES", "payload_bytes"),
        ("PAYLOAD", "payload"),
    ];
    show(&client, &path, args.output, columns)
}

/// Rows of a table that are measured before they are printed.
const ROWS_MEASURED: usize = 1000;

fn show(
    client: &AdminClient,
    path: &str,
    output: Output,
    columns: &[(&str, &str)],
) -> Result<(), Failure> {
    if output == Output::Jsonl {
        return client.rows(path, |row| {
            print(&format!("{row}\n"));
            Ok(())
        });
    }
    // A long list is printed as it comes, with the widths of its first rows.
    let head = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    let mut widths: Option<Vec<usize>> = None;
    client.rows(path, |row| {
        let cells: Vec<_> = columns.iter().map(|(_, key)| cell(row.get(key))).collect();
        match &widths {
            Some(widths) => print_row(&cells, widths),
            None => {
                rows.push(cells);
                if rows.len() > ROWS_MEASURED {
                    widths = Some(print_rows(&std::mem::take(&mut rows)));
                }
            }
        }
        Ok(())
    })?;
    if widths.is_none() {
        print_rows(&rows);
    }
    Ok(())
}

fn print_rows(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| width(cell)).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    for row in rows {
        print_row(row, &widths);
    }
    widths
}

fn print_row(cells: &[String], widths: &[usize]) {
    let padded = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| pad(cell, *width));
    let line = padded.collect::<Vec<_>>().join("  ");
    print(&format!("{}\n", line.trim_end()));
}

/// A value in one line; a peer chose the text.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect(),
        Some(other) => other.to_string(),
    }
}
