//! Bytes that a shard holds for each session, subscription and message.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::page::grouped;
use crate::process::output_of;

/// What one thing takes.
#[derive(Debug)]
pub(super) struct Memory {
    name: String,
    resident_bytes: f64,
    allocated_bytes: f64,
    blocks: f64,
}

/// Runs each case in a process of its own.
pub(super) fn run(program: &Path) -> anyhow::Result<Vec<Memory>> {
    let names = output_of(Command::new(program).arg("list"))?;
    names.lines().map(|name| measure(program, name)).collect()
}

fn measure(program: &Path, name: &str) -> anyhow::Result<Memory> {
    let mut command = Command::new(program);
    // As the broker's program sets it for itself.
    command.env("MALLOC_MMAP_THRESHOLD_", "1048576");
    let text = output_of(command.args(["measure", name]))?;
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| text.clone())?;
    let [resident_bytes, allocated_bytes, blocks] = numbers[..] else {
        bail!("{name}: {text}");
    };
    Ok(Memory {
        name: name.to_owned(),
        resident_bytes,
        allocated_bytes,
        blocks,
    })
}

impl Memory {
    /// Its row of the table.
    pub(super) fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {:.2} |\n",
            self.name,
            grouped(self.resident_bytes.round() as u64),
            grouped(self.allocated_bytes.round() as u64),
            self.blocks
        )
    }
}
