//! The reference of all keys for the manual, made from the table of keys.

use std::fmt::Write as _;

use super::key::{Applies, Key};
use super::sections::SECTIONS;

/// The text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in SECTIONS {
        // Writing into a String never fails.
        let _ = write!(text, "\n## {}\n\n{}\n\n", section.header(), section.doc);
        text.push_str("| Key | Value | Default | A change applies | What it does |\n");
        text.push_str("|---|---|---|---|---|\n");
        for key in section.keys {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                key.name,
                key.kind.expected(),
                default(key),
                match key.applies {
                    Applies::AtOnce => "at once",
                    Applies::AfterRestart => "after a restart",
                },
                key.doc,
            );
        }
    }
    text
}

fn default(key: &Key) -> String {
    match key.default {
        None => "none".to_owned(),
        Some(default) => match key.kind.parse(default) {
            Ok(value) => format!("`{}`", key.kind.show(&value)),
            Err(_) => format!("`{default}`"),
        },
    }
}

const INTRODUCTION: &str = "\
# Configuration

This page is made by `columba config reference` from the table that the broker checks its
configuration with.

An instance is a directory: `columba create DIR` makes one. Its settings stand in
`DIR/etc/columba.toml`. Everything has a default; an empty file is a valid configuration. Paths are
relative to the instance directory. `columba check DIR` reports every fault of every file at once,
with its line and what to write instead.

Durations are numbers with the units `ms`, `s`, `m`, `h`, `d` and `w` (`\"90s\"`, `\"1h30m\"`). Sizes
are numbers with the units `B`, `KiB`, `MiB` and `GiB`, or `kB`, `MB` and `GB` (`\"16MiB\"`).

A variable of the environment overrides the file: `COLUMBA_SECTION__KEY`, with two underscores, such
as `COLUMBA_LIMITS__PACKET_BYTES_MAX=1MiB`. For a listener its name stands between:
`COLUMBA_LISTENER__MQTT__BIND=0.0.0.0:1884`, where characters of the name other than letters and
digits become `_`. Values are written without quotes.

The broker reads its files again when they change, within two seconds, and on SIGHUP. New files are
checked first. If they have a fault, the broker keeps what it has and the log names file and line.
The log names every key that changed, and those that wait for a restart.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let manual = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            manual == reference(),
            "run: cargo run -- config reference > docs/configuration.md"
        );
    }
}
