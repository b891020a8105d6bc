//! `columba topics`: what was published to which topic lately, as a table or as a tree.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::admin_client::{AdminArgs, AdminClient, encoded};
use crate::clients::{Output, ago, cell, direction, show, show_rows};
use crate::failure::{Failure, end, print};
use crate::table::{Column, Table};
use crate::words::shown;

/// List topics that were published to lately or have a retained message
///
/// The broker remembers the sums of each topic, so nobody has to subscribe to anything. With --tree the
/// levels below a topic, with the sums of everything below each.
#[derive(Args, Clone, Debug)]
pub struct TopicsArgs {
    /// Topic filter, all topics but those that start with $ without it; with --tree the topic to begin
    /// below
    #[arg(value_name = "FILTER")]
    topic: Option<String>,
    /// Level by level
    #[arg(short, long)]
    tree: bool,
    /// Levels that are shown at a time
    #[arg(long, value_name = "LEVELS", default_value_t = 2, requires = "tree",
          value_parser = clap::value_parser!(u8).range(1..=128))]
    depth: u8,
    /// What they are sorted by, the largest or latest first; by `topic`, and with `+` before the key, the
    /// lowest first
    ///
    /// Keys are topic, messages, payload_bytes, unmatched, first_unix_ms, last_unix_ms, rate (messages by the
    /// time since the first) and subscriptions.
    #[arg(long, value_name = "KEY", conflicts_with = "tree")]
    sort: Option<String>,
    /// How rows are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `columba topics`.
pub fn run(args: &TopicsArgs) -> ExitCode {
    end(topics(args))
}

fn topics(args: &TopicsArgs) -> Result<(), Failure> {
    let client = AdminClient::new(&args.admin)?;
    if args.tree {
        let mut tree = Tree {
            client,
            args,
            table: Table::new(&TREE_COLUMNS),
        };
        tree.walk(args.topic.as_deref(), 0)?;
        if args.output == Output::Table {
            tree.table.end();
        }
        return Ok(());
    }
    let filter = args.topic.as_deref().unwrap_or("#");
    let sort = args.sort.as_deref().unwrap_or("topic");
    let mut path = format!("/topics?topic={}", encoded(filter));
    let columns = &[
        Column::text(shown::topic, "topic"),
        Column::new(shown::messages, "messages"),
        Column::new(shown::bytes, "payload_bytes").dispensable(2),
        Column::new(shown::unmatched, "unmatched").dispensable(4),
        Column::new(shown::last, "last_unix_ms"),
        Column::text(shown::last_by, "last_publisher").dispensable(1),
        Column::new(shown::retained_bytes, "retained_bytes").dispensable(5),
        Column::new(shown::subscriptions, "subscriptions").dispensable(3),
    ];
    // How many subscriptions match is counted for the rows of a page alone.
    if sort == "subscriptions" {
        let mut rows = Vec::new();
        client.rows(&path, |row| {
            rows.push(row.clone());
            Ok(())
        })?;
        let count = |row: &Value| row.get(sort).and_then(Value::as_u64);
        rows.sort_by_key(|row| std::cmp::Reverse(count(row)));
        return show_rows(|take| rows.iter().try_for_each(take), args.output, columns);
    }
    path.push_str(&format!("&sort={}", encoded(&direction(sort, "topic"))));
    show(&client, &path, args.output, columns)
}

const TREE_COLUMNS: [Column; 5] = [
    Column::text(shown::topic, "topic"),
    Column::new(shown::messages, "messages"),
    Column::new(shown::last, "last_unix_ms"),
    Column::new(shown::retained, "retained").dispensable(1),
    Column::new(shown::subscriptions, "subscriptions").dispensable(2),
];

/// The levels that are shown, in the order of a tree.
struct Tree<'a> {
    client: AdminClient,
    args: &'a TopicsArgs,
    table: Table<'static>,
}

impl Tree<'_> {
    /// Takes the levels below a topic, and what is below them as far as that is wanted.
    fn walk(&mut self, prefix: Option<&str>, depth: u8) -> Result<(), Failure> {
        let path = match prefix {
            None => "/topics/tree".to_owned(),
            Some(prefix) => format!("/topics/tree?prefix={}", encoded(prefix)),
        };
        let mut nodes = Vec::new();
        self.client.rows(&path, |node| {
            nodes.push(node.clone());
            Ok(())
        })?;
        for node in nodes {
            match self.args.output {
                Output::Jsonl => print(&format!("{node}\n")),
                Output::Table => self.table.row(Self::row(&node, depth)),
            }
            let has_children = node.get("has_children") == Some(&Value::Bool(true));
            let topic = node.get("topic").and_then(Value::as_str);
            if let Some(topic) = topic.filter(|_| has_children && depth + 1 < self.args.depth) {
                self.walk(Some(topic), depth + 1)?;
            }
        }
        Ok(())
    }

    fn row(node: &Value, depth: u8) -> Vec<String> {
        let text = |key| cell(node.get(key));
        let is = |key| node.get(key) == Some(&Value::Bool(true));
        let mark = if is("has_children") { "/" } else { "" };
        let level = format!("{}{}{mark}", "  ".repeat(usize::from(depth)), text("level"));
        let last = node.get("last_unix_ms").and_then(Value::as_u64);
        let subscriptions = if is("is_topic") {
            text("subscriptions")
        } else {
            "-".to_owned()
        };
        vec![
            level,
            text("messages"),
            last.map_or_else(|| "-".to_owned(), ago),
            text("retained"),
            subscriptions,
        ]
    }
}
