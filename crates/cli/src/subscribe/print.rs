//! How `columba sub` and `columba rr` print a message.

use std::io::{self, Write as _};

use clap::Args;
use columba_client::Incoming;

use super::format::Format;
use crate::connection::Talk;

/// The options about printing.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    /// Print the topic before the message
    #[arg(short, long)]
    verbose: bool,
    /// How to print a message, for example '%t: %p'; see mosquitto_sub(1)
    #[arg(short = 'F', long = "format", value_name = "FORMAT", value_parser = Format::parse, allow_hyphen_values = true)]
    format: Option<Format>,
    /// Spread the JSON of %j and %J over lines
    #[arg(long)]
    pretty: bool,
    /// No line break after a message
    #[arg(short = 'N')]
    no_line_break: bool,
}

impl OutputArgs {
    /// Prints a message.
    ///
    /// # Errors
    /// Standard output takes no more.
    pub(crate) fn print(&self, incoming: &Incoming, talk: Talk) -> io::Result<()> {
        let mut line = Vec::new();
        match &self.format {
            Some(format) => {
                let now = jiff::ZonedDateTime::now();
                if let Err(sentence) = format.write(incoming, &now, self.pretty, &mut line) {
                    // What the format says before is printed all the same, as Mosquitto does.
                    talk.error(&sentence);
                }
            }
            // A message of no bytes is worth a line only together with its topic.
            None if incoming.message.payload.is_empty() && !self.verbose => return Ok(()),
            None => {
                if self.verbose {
                    line.extend_from_slice(incoming.message.topic.as_bytes());
                    line.push(b' ');
                }
                if incoming.message.payload.is_empty() {
                    line.extend_from_slice(b"(null)");
                }
                line.extend_from_slice(&incoming.message.payload);
            }
        }
        if !self.no_line_break {
            line.push(b'\n');
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()
    }
}
