//! Real clients that load a broker and count what becomes of every message.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The clients, in a process of their own that outlives every broker.
pub(super) struct Clients {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Clients {
    /// `patience_secs`: what everything may take to arrive once the broker is up for good.
    pub(super) fn start(
        root: &Path,
        python: &Path,
        port: u16,
        patience_secs: u64,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(python)
            .arg(root.join("tests/clients/crash_paho.py"))
            .arg(port.to_string())
            .arg(patience_secs.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = child.stdout.take().context("no standard output")?;
        let mut clients = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        clients.answer()?;
        Ok(clients)
    }

    /// Gives an order, and waits for the answer.
    pub(super) fn ask(&mut self, order: &str) -> anyhow::Result<Value> {
        writeln!(self.orders, "{order}")?;
        self.orders.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the clients ended: see above");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
