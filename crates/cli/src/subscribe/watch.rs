//! `-w`: the messages of a topic always on the same line of the terminal, as Mosquitto's client
//! does it: the first topic on the second line, and the cursor below the last.

use std::collections::HashMap;
use std::io::{self, Write as _};

use columba_client::Incoming;

use super::print::OutputArgs;
use super::view::View;
use crate::connection::Talk;

/// Lines that topics have; no terminal has as many. All further topics share the last.
const LINES_MAX: usize = 10_000;
/// The first line is left to the prompt.
const FIRST_LINE: usize = 2;

/// See the [module](self).
pub(super) struct Watch {
    output: OutputArgs,
    lines: HashMap<String, usize>,
}

impl Watch {
    pub(super) fn new(output: OutputArgs) -> Self {
        let lines = HashMap::new();
        Self { output, lines }
    }

    fn line(&mut self, topic: &str) -> usize {
        if let Some(line) = self.lines.get(topic) {
            return *line;
        }
        if self.lines.len() == LINES_MAX {
            return FIRST_LINE + LINES_MAX;
        }
        let line = FIRST_LINE + self.lines.len();
        self.lines.insert(topic.to_owned(), line);
        line
    }
}

impl View for Watch {
    fn on_message(&mut self, incoming: &Incoming, talk: Talk) -> io::Result<()> {
        let line = self.line(&incoming.message.topic);
        let last = FIRST_LINE + self.lines.len() - 1;
        let mut out = format!("\x1b[{line};1H").into_bytes();
        self.output.write(incoming, talk, &mut out);
        out.extend_from_slice(format!("\x1b[{last};1H\n").as_bytes());
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_keep_their_lines_and_have_a_limit() {
        let mut watch = Watch::new(OutputArgs::default());
        assert_eq!(watch.line("a"), 2);
        assert_eq!(watch.line("b"), 3);
        assert_eq!(watch.line("a"), 2);
        for topic in 0..LINES_MAX * 2 {
            watch.line(&topic.to_string());
        }
        assert_eq!(watch.lines.len(), LINES_MAX);
        assert_eq!(watch.line("new"), FIRST_LINE + LINES_MAX);
        assert_eq!(watch.line("b"), 3);
    }
}
