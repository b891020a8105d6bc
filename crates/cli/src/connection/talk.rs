//! What a command that connects says to people on standard error.

use columba_client::Accepted;
use columba_speech::{Language, Param};

use super::{EXIT_USAGE, before_answer};
use crate::failure;
use crate::mosquitto;
use crate::words;

/// What is said on stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    debug: bool,
    quiet: bool,
    pub(crate) language: Language,
}

/// A failure with its sentence and exit code.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// A text of a catalogue, or one that exists in English alone.
    pub(crate) sentence: Param,
    pub(crate) exit: u8,
    /// Whether the command line is at fault, which is told even if errors are not.
    pub(crate) is_usage: bool,
}

impl Trouble {
    /// What happened, and the exit code.
    pub(crate) fn new(sentence: impl Into<Param>, exit: u8) -> Self {
        Self {
            sentence: sentence.into(),
            exit,
            is_usage: false,
        }
    }

    /// The command line asks for what cannot be done.
    pub(crate) fn usage(sentence: impl Into<Param>) -> Self {
        Self {
            is_usage: true,
            ..Self::new(sentence, before_answer(EXIT_USAGE))
        }
    }

    /// The same as a fault of the command line, except under the names of Mosquitto's clients: to them
    /// `--quiet` means this too.
    pub(super) fn native_usage(self) -> Self {
        Self {
            is_usage: mosquitto::called_as().is_none(),
            ..self
        }
    }
}

impl Talk {
    /// What the options say.
    pub(super) fn new(debug: bool, quiet: bool, language: Language) -> Self {
        Self {
            debug,
            quiet,
            language,
        }
    }

    /// What ends a command.
    pub(super) fn end(self, trouble: Trouble) {
        match trouble.is_usage {
            true => self.fault(trouble.sentence),
            false => self.error(trouble.sentence),
        }
    }

    /// A fault of the command line. Who asked for no errors meant those of the connection: without this
    /// he would never find out.
    pub(crate) fn fault(self, sentence: impl Into<Param>) {
        say_line(&words::error(sentence).to_string(self.language));
    }

    /// An error or refusal.
    pub(crate) fn error(self, sentence: impl Into<Param>) {
        if !self.quiet {
            self.fault(sentence);
        }
    }

    /// Something that is no failure but should be known.
    pub(crate) fn warning(self, sentence: impl Into<Param>) {
        if !self.quiet {
            say_line(&words::warning(sentence).to_string(self.language));
        }
    }

    /// Something that was asked for beside the output.
    pub(crate) fn note(self, sentence: &str) {
        if !self.quiet {
            say_line(sentence);
        }
    }

    /// What `-d` shows of a connection that the server has accepted.
    pub(crate) fn accepted(self, accepted: &Accepted) {
        self.debug(|| {
            format!(
                "Connected as '{}', session present: {}, keep alive: {} s",
                accepted.client_id, accepted.session_present, accepted.keep_alive_secs
            )
        });
    }

    /// What `-d` shows.
    pub(crate) fn debug(self, sentence: impl FnOnce() -> String) {
        if self.debug {
            say_line(&sentence());
        }
    }
}

/// In one piece, so that what others write at the same time does not come in between.
fn say_line(line: &str) {
    failure::say(&format!("{line}\n"));
}
