//! `--tree`: the topics as a tree with the last value of each, on a terminal while messages come,
//! elsewhere once at the end.

mod node;
mod terminal;

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use columba_client::Incoming;
use columba_speech::width::{pad, width};

use super::decode::{Births, Decoding, Shown, decode, needs_births};
use super::view::View;
use crate::connection::Talk;
use crate::failure::say;
use crate::language::spoken;
use crate::screen;
use crate::words::{self, shown};
use node::{Nodes, Row};
use terminal::{Key, Terminal};

/// Between two looks at the keys.
const TICK: Duration = Duration::from_millis(100);
/// So long a new value stands out.
const NEW: Duration = Duration::from_secs(1);
/// Of a larger payload only the size is shown.
const PAYLOAD_BYTES_MAX: usize = 4 << 10;
/// Cells of a value that are kept.
const VALUE_CELLS_MAX: usize = 200;
/// Sentences that are kept until the terminal is free again.
const SENTENCES_MAX: usize = 100;
/// Cells between two columns.
const GAP: usize = 2;

/// See the [module](self).
pub(super) struct Tree {
    nodes: Nodes,
    decoding: Decoding,
    births: Births,
    has_colours: bool,
    /// None where people do not see it grow.
    terminal: Option<Terminal>,
    started_at: Instant,
    /// The levels of the topic that is marked.
    marked: Vec<String>,
    /// The row at the top of the screen.
    first_row: usize,
    is_dirty: bool,
    drawn_at: Instant,
    size: (usize, usize),
    sentences: Vec<String>,
}

impl Tree {
    /// Takes the terminal over, if standard output is one.
    pub(super) fn new(decoding: Option<Decoding>, has_colours: bool) -> io::Result<Self> {
        let terminal = if screen::is_movable(&io::stdout()) {
            Some(Terminal::enter()?)
        } else {
            None
        };
        Ok(Self {
            terminal,
            ..Self::unseen(decoding, has_colours)
        })
    }

    fn unseen(decoding: Option<Decoding>, has_colours: bool) -> Self {
        let now = Instant::now();
        Self {
            nodes: Nodes::default(),
            decoding: decoding.unwrap_or(Decoding::Auto),
            births: Births::default(),
            has_colours,
            terminal: None,
            started_at: now,
            marked: Vec::new(),
            first_row: 0,
            is_dirty: true,
            drawn_at: now,
            size: (0, 0),
            sentences: Vec::new(),
        }
    }

    fn take(&mut self, incoming: &Incoming, now: Instant) {
        if needs_births(self.decoding) {
            self.births.learn(&incoming.message);
        }
        let value = value(incoming, self.decoding, &self.births);
        self.nodes.add(&incoming.message.topic, value, now);
        self.is_dirty = true;
    }

    fn on_key(&mut self, key: Key, page: usize) {
        let rows = self.nodes.rows(true);
        let at = index(&rows, &self.marked);
        let last = rows.len().saturating_sub(1);
        let (target, opens) = match key {
            Key::Up => (at.saturating_sub(1), None),
            Key::Down => ((at + 1).min(last), None),
            Key::PageUp => (at.saturating_sub(page), None),
            Key::PageDown => ((at + page).min(last), None),
            Key::Open => (at, Some(true)),
            Key::Close => {
                let row = rows.get(at);
                let is_open = row.is_some_and(|row| row.node.is_open && row.node.has_children());
                // Of what is closed already, its parent.
                let parent = row.and_then(|row| row.parent).filter(|_| !is_open);
                (parent.unwrap_or(at), is_open.then_some(false))
            }
            Key::Toggle => (at, rows.get(at).map(|row| !row.node.is_open)),
            Key::Quit => (at, None),
        };
        self.marked = path(&rows, target);
        if let Some(is_open) = opens {
            self.nodes.open(&self.marked, is_open);
        }
        self.is_dirty = true;
    }

    /// The lines of a screen.
    fn frame(&mut self, (columns, rows_max): (usize, usize), now: Instant) -> Vec<String> {
        let rows = self.nodes.rows(true);
        let marked = index(&rows, &self.marked);
        // A head and a foot.
        let room = rows_max.saturating_sub(2).max(1);
        self.first_row = self
            .first_row
            .min(marked)
            .max((marked + 1).saturating_sub(room))
            .min(rows.len().saturating_sub(1));
        let shown = rows.iter().skip(self.first_row).take(room);
        let names: Vec<_> = shown.clone().map(name).collect();
        let most = columns / 2;
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let widest = widest.min(most);
        let mut lines = vec![screen::cut(&self.head(now), columns)];
        for (index, (row, name)) in shown.zip(names).enumerate() {
            let name = pad(&screen::cut(&name, widest), widest);
            let count = format!("{:>8}", row.node.below);
            let used = widest + GAP + width(&count) + GAP;
            let value = row.node.value.as_ref();
            let text = value.map(|value| value.text.as_str()).unwrap_or_default();
            let text = screen::cut(text, columns.saturating_sub(used));
            let is_new = value.is_some_and(|value| now.duration_since(value.at) < NEW);
            let is_marked = self.first_row + index == marked;
            let line = format!("{name}  {count}  {text}");
            lines.push(if is_marked {
                format!(
                    "\x1b[7m{}\x1b[0m",
                    pad(&screen::cut(&line, columns), columns)
                )
            } else if is_new && self.has_colours {
                format!("{name}  {count}  \x1b[1;32m{text}\x1b[0m")
            } else {
                screen::cut(&line, columns)
            });
        }
        if rows_max > 2 {
            let foot = match self.sentences.last() {
                Some(sentence) => sentence.clone(),
                None => self.marked.join("/"),
            };
            lines.push(screen::cut(&foot, columns));
        }
        lines
    }

    fn head(&self, now: Instant) -> String {
        let seconds = now.duration_since(self.started_at).as_secs_f64().max(1.0);
        let rate = self.nodes.messages as f64 / seconds;
        let rate = format!("{rate:.1}");
        let mut parts = vec![shown::tree_head(
            self.nodes.messages,
            self.nodes.topics,
            rate,
        )];
        if self.nodes.others > 0 {
            parts.push(shown::tree_others(self.nodes.others));
        }
        parts.push(shown::tree_keys());
        let language = spoken();
        parts.iter().map(|part| part.to_string(language)).collect()
    }

    /// Everything, without a screen.
    fn whole(&self) -> String {
        let mut out = String::new();
        for row in self.nodes.rows(false) {
            let indent = "  ".repeat(row.depth);
            let name = screen::cut(row.name, usize::MAX);
            let name = if name.is_empty() {
                shown::empty().to_string(spoken())
            } else {
                name
            };
            out.push_str(&format!("{indent}{name}"));
            if let Some(value) = &row.node.value {
                let count = row.node.messages;
                let count = shown::message_count(count).to_string(spoken());
                out.push_str(&format!("  {count}  {}", value.text));
            }
            out.push('\n');
        }
        if self.nodes.others > 0 {
            let others = self.nodes.others;
            let others = shown::tree_beyond(others).to_string(spoken());
            out.push_str(&format!("{others}\n"));
        }
        out
    }
}

/// A row's indentation, whether it is open, and its level.
fn name(row: &Row<'_>) -> String {
    let mark = match (row.node.has_children(), row.node.is_open) {
        (true, true) => "▾",
        (true, false) => "▸",
        (false, _) => " ",
    };
    // A topic may begin with a slash, or have two in a row.
    let empty = shown::empty().to_string(spoken());
    let name = if row.name.is_empty() {
        &*empty
    } else {
        row.name
    };
    format!("{}{mark} {name}", "  ".repeat(row.depth))
}

/// The row with this path, or the first.
fn index(rows: &[Row<'_>], path: &[String]) -> usize {
    let (mut at, mut parent) = (0, None);
    for level in path {
        let mut children = rows.iter().enumerate().skip(at);
        let found = children.find(|(_, row)| row.parent == parent && row.name == level);
        let Some((index, _)) = found else {
            // It is inside of something that was closed.
            return at;
        };
        at = index;
        parent = Some(index);
    }
    at
}

fn path(rows: &[Row<'_>], index: usize) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = rows.get(index);
    while let Some(row) = at {
        path.push(row.name.to_owned());
        at = row.parent.and_then(|parent| rows.get(parent));
    }
    path.reverse();
    path
}

/// A payload in one line.
fn value(incoming: &Incoming, decoding: Decoding, births: &Births) -> String {
    let payload = &incoming.message.payload;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return format!("({} bytes)", payload.len());
    }
    let text = match decode(decoding, &incoming.message, births).shown {
        Shown::Text(text) => text,
        Shown::Json(json) => super::pretty::json_line(&json),
        Shown::Bytes(_) => {
            let digits = payload.iter().take(32).map(|byte| format!("{byte:02x}"));
            format!("0x{}", digits.collect::<String>())
        }
    };
    screen::cut(text.trim_end(), VALUE_CELLS_MAX)
}

impl View for Tree {
    fn on_message(&mut self, incoming: &Incoming, _talk: Talk) -> io::Result<()> {
        self.take(incoming, Instant::now());
        Ok(())
    }

    fn tick(&self) -> Option<Duration> {
        self.terminal.is_some().then_some(TICK)
    }

    fn on_tick(&mut self) -> io::Result<bool> {
        let keys = self.terminal.as_ref().map(Terminal::keys);
        let size = screen::size(io::stdout());
        for key in keys.unwrap_or_default() {
            if key == Key::Quit {
                return Ok(true);
            }
            self.on_key(key, size.1.saturating_sub(3).max(1));
        }
        let now = Instant::now();
        // What was new grows old, and what others wrote to the terminal has to go.
        let is_old = now.duration_since(self.drawn_at) >= NEW;
        if !self.is_dirty && size == self.size && !is_old {
            return Ok(false);
        }
        (self.is_dirty, self.size, self.drawn_at) = (false, size, now);
        let lines = self.frame(size, now).join("\x1b[K\r\n");
        let mut stdout = io::stdout().lock();
        // All at once, on terminals that know how.
        write!(stdout, "\x1b[?2026h\x1b[H{lines}\x1b[K\x1b[J\x1b[?2026l")?;
        stdout.flush()?;
        Ok(false)
    }

    fn takes_sentence(&mut self, sentence: &str) -> bool {
        let is_taken = self.terminal.is_some() && self.sentences.len() < SENTENCES_MAX;
        if is_taken {
            self.sentences.push(sentence.to_owned());
            self.is_dirty = true;
        }
        is_taken
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(mut terminal) = self.terminal.take() {
            terminal.leave();
            for sentence in self.sentences.drain(..) {
                let warning = words::warning(sentence).to_string(spoken());
                say(&format!("{warning}\n"));
            }
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(self.whole().as_bytes())?;
        stdout.flush()
    }
}

#[cfg(test)]
mod tests;
