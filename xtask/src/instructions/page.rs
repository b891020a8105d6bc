//! The page that shows the figures.

use std::fmt::Write as _;

use super::callgrind::Measurement;
use super::memory::Memory;

/// Writes the page.
pub(super) fn write(
    measurements: &[Measurement],
    recorder: &[Measurement],
    scaled: &[Vec<Measurement>],
    memory: &[Memory],
) -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for measurement in measurements {
        if measurement.group != group {
            group = &measurement.group;
            let _ = write!(page, "\n## {group}\n\n{COLUMNS}");
        }
        page.push_str(&row(measurement));
    }
    page.push_str(RECORDER);
    page.push_str(&off_and_on(recorder));
    page.push_str(SCALE);
    page.push_str(&scale(scaled));
    page.push_str(MEMORY);
    for memory in memory {
        page.push_str(&memory.row());
    }
    page
}

fn row(measurement: &Measurement) -> String {
    let Measurement {
        name,
        unit,
        count,
        allocations,
        profile,
        ..
    } = measurement;
    let allocations = *allocations as f64 / *count as f64;
    let owners = profile.allocators();
    let mut owners: Vec<(&String, f64)> = owners
        .iter()
        .map(|(name, share)| (name, share * allocations))
        .filter(|(_, each)| *each >= SHOWN_MIN)
        .collect();
    owners.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let owners: Vec<String> = owners
        .into_iter()
        .map(|(name, each)| format!("`{}` {each:.1}", short(name)))
        .collect();
    format!(
        "| {name} | {unit} | {} | {allocations:.2} | {} |\n",
        grouped((profile.instructions as f64 / *count as f64).round() as u64),
        owners.join(", ")
    )
}

/// One row a workload: the first half of the measurements is without the recorder, the second with it.
fn off_and_on(measurements: &[Measurement]) -> String {
    let mut text = String::new();
    let (off, on) = measurements.split_at(measurements.len() / 2);
    for (off, on) in off.iter().zip(on) {
        let each = |of: &Measurement| of.profile.instructions as f64 / of.count as f64;
        let (without, with) = (each(off), each(on));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:+.1} % |",
            off.name,
            grouped(without.round() as u64),
            grouped(with.round() as u64),
            (with / without - 1.0) * 100.0
        );
    }
    text
}

/// One row a workload, one column a size of the table.
fn scale(scaled: &[Vec<Measurement>]) -> String {
    let mut text = String::from("| workload |");
    for column in scaled {
        let group = column.first().map_or("", |first| &first.group);
        let _ = write!(text, " {group} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(scaled.len()));
    text.push('\n');
    let rows = scaled.first().map_or(0, Vec::len);
    for at in 0..rows {
        let cells: Vec<&Measurement> = scaled.iter().filter_map(|column| column.get(at)).collect();
        let name = cells.first().map_or("", |first| &first.name);
        let _ = write!(text, "| {name} |");
        for cell in cells {
            let each = cell.profile.instructions as f64 / cell.count as f64;
            let _ = write!(text, " {} |", grouped(each.round() as u64));
        }
        text.push('\n');
    }
    text
}

/// Our part of a function's path: `shard::deliver::send_reliably`.
fn short(name: &str) -> String {
    name.replace("columba_broker::", "")
        .replace("columba_codec::", "codec::")
        .replace("<impl shard::Shard>::", "")
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Allocations for each unit that are named.
const SHOWN_MIN: f64 = 0.05;

const COLUMNS: &str =
    "| workload | for each | instructions | allocations | by |\n|---|---|---:|---:|---|\n";

const HEAD: &str = "\
# What the core costs

`cargo xtask instructions` writes this page. It runs `crates/broker/benches/instructions` under
valgrind's callgrind and counts what happens inside `Shard::handle` and the two polls: decoding,
permissions, matching, sessions, encoding. Sockets, TLS and threads are not in it, nor the clients,
which the bench plays. Counts do not depend on how busy the machine is; they do depend on compiler,
C library and processor type, so that two of them compare only if they come from the same machine.

A message is one PUBLISH on its whole way: read from the publisher, sent to the subscriber, and
acknowledged on both sides. In a pipe the publisher's socket brings 100 messages a read (fewer
large ones: 64 KiB), between pairs one. Where one message goes to many, the figure is for each
copy. An allocation is a call of malloc, calloc or realloc; the last column says about whose they
are. Counting one takes a few instructions, which are in the figures, and valgrind counts each byte
of a `rep movsb`, by which the C library copies more than 2 KiB, as an instruction. In the first
table everything is warm: tables and buffers have the size that they keep. The flight recorder is on
and time stands still but in the table about it, so that short workloads fit into its ledger's share of
a second, line by line.
";

const RECORDER: &str = "
## The flight recorder

The same messages of 64 bytes, 3.1.1, with the recorder off and on, while time passes: at 200,000 of them a
second, where its ledger takes a share of each second and counts the rest, and at 500 a second, where
it has every one of them with each of its copies. A whole broker spends several times as much on
sockets, above all where each message is a read of its own: `cargo xtask bench --recorder` measures that.

| workload | off | on | |
|---|---:|---:|---:|
";

const SCALE: &str = "
## Growing tables

Instructions for each packet with more and more subscriptions of others in the table: half of them
without a wildcard, a quarter with `+`, a quarter with `#`, all on topics of their own below common
first levels, in the sessions of 10 clients. The price of a match grows with the matches and with
the levels of the topic, not with the subscriptions. A new topic is one that the match cache does
not hold. Larger tables miss the processor's caches more often, which instructions do not show.

";

const MEMORY: &str = "
## Memory

What a shard holds for each of 1,000,000 things, in a process of its own: growth of resident memory,
bytes that were asked of the allocator, and blocks.

| thing | resident bytes | allocated bytes | blocks |
|---|---:|---:|---:|
";

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
