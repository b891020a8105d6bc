//! How `columba sub` and `columba rr` print a message.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use columba_client::Incoming;

use super::decode::{Births, Decoding, Shown, decode, needs_births};
use super::format::{Format, clock};
use super::pretty;
use super::view::View;
use crate::colour::Colour;
use crate::connection::Talk;
use crate::mosquitto;
use crate::record;

/// The options about printing.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutputArgs {
    /// Print the topic before the message
    #[arg(short, long)]
    verbose: bool,
    /// How to print a message, for example '%t: %p'; %t topic, %p payload, %q QoS, %I time, %j JSON
    #[arg(short = 'F', long = "format", value_name = "FORMAT", value_parser = OsStringValueParser::new().try_map(|text| Format::parse(&text)), allow_hyphen_values = true)]
    format: Option<Format>,
    /// Spread the JSON of %j and %J over lines
    #[arg(long)]
    pretty: bool,
    /// No line break after a message
    #[arg(short = 'N')]
    no_line_break: bool,
    /// What the messages are, or are shown as
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "format")]
    decode: Option<Decoding>,
    /// Print every message as a line of JSON: time, topic, QoS, payload, properties
    #[arg(long, conflicts_with_all = ["format", "verbose", "no_line_break", "pretty"])]
    json: bool,
    /// Colours: auto, always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Colour,
    /// What the births of Sparkplug B have said.
    #[arg(skip)]
    births: Births,
}

impl OutputArgs {
    /// Prints a message.
    ///
    /// # Errors
    /// Standard output takes no more.
    pub(crate) fn print(&mut self, incoming: &Incoming, talk: Talk) -> io::Result<()> {
        let mut line = Vec::new();
        self.write(incoming, talk, &mut line);
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()
    }

    /// Appends a message as it is printed.
    pub(super) fn write(&mut self, incoming: &Incoming, talk: Talk, line: &mut Vec<u8>) {
        match &self.format {
            Some(format) => {
                let now = clock::now();
                if let Err(sentence) = format.write(incoming, &now, self.pretty, line) {
                    talk.error(sentence);
                }
            }
            None if self.json => self.write_json(incoming, talk, line),
            // A message of no bytes is worth a line only together with its topic, and is a line or nothing.
            None if incoming.message.payload.is_empty()
                && (!self.verbose || self.no_line_break) =>
            {
                return;
            }
            None => self.write_payload(incoming, talk, line),
        }
        if !self.no_line_break {
            line.push(b'\n');
        }
    }

    fn write_json(&mut self, incoming: &Incoming, talk: Talk, line: &mut Vec<u8>) {
        let decoded = match self.shown(incoming, talk) {
            Some(Shown::Json(json)) => Some(json),
            Some(Shown::Text(_) | Shown::Bytes(_)) | None => None,
        };
        let json = record::line(incoming, jiff::Timestamp::now(), decoded);
        line.extend_from_slice(json.as_bytes());
    }

    /// The payload decoded, if that is wanted and there is one.
    fn shown(&mut self, incoming: &Incoming, talk: Talk) -> Option<Shown> {
        let message = &incoming.message;
        if self.decode.is_some_and(needs_births) {
            self.births.learn(message);
        }
        let decoding = self.decode.filter(|_| !message.payload.is_empty())?;
        let decoded = decode(decoding, message, &self.births);
        let unknown = decoded.unknown_alias;
        if let Some(why) = unknown.and_then(|alias| self.births.explain(message, alias)) {
            talk.warning(why);
        }
        if let Some(fault) = decoded.fault {
            talk.error(fault);
        }
        Some(decoded.shown)
    }

    /// Topic and payload.
    fn write_payload(&mut self, incoming: &Incoming, talk: Talk, line: &mut Vec<u8>) {
        let message = &incoming.message;
        let is_terminal = io::stdout().is_terminal();
        let has_colours = self.has_colours(is_terminal);
        let shown = self.shown(incoming, talk);
        if self.verbose {
            let topic = match is_terminal && shown.is_some() {
                true => pretty::harmless(&message.topic),
                false => message.topic.clone(),
            };
            line.extend_from_slice(pretty::topic(&topic, has_colours).as_bytes());
            // The lines of a dump stand below each other.
            let is_dump = matches!(shown, Some(Shown::Bytes(_)));
            line.push(if is_dump { b'\n' } else { b' ' });
        }
        let text = match shown {
            None if message.payload.is_empty() => "(null)".to_owned(),
            None => return line.extend_from_slice(&message.payload),
            Some(Shown::Json(json)) if is_terminal || has_colours => {
                pretty::json(&json, has_colours)
            }
            Some(Shown::Text(text)) if is_terminal => pretty::harmless(&text),
            Some(Shown::Text(text) | Shown::Json(text) | Shown::Bytes(text)) => text,
        };
        line.extend_from_slice(text.as_bytes());
    }

    /// What the messages are, if that was said.
    pub(super) fn decoding(&self) -> Option<Decoding> {
        self.decode
    }

    /// Mosquitto's clients have no colours of their own.
    pub(super) fn has_colours(&self, is_terminal: bool) -> bool {
        let is_drop_in = mosquitto::called_as().is_some();
        (self.color == Colour::Always || !is_drop_in) && self.color.is_wanted(is_terminal)
    }
}

impl View for OutputArgs {
    fn on_message(&mut self, incoming: &Incoming, talk: Talk) -> io::Result<()> {
        self.print(incoming, talk)
    }
}
