//! How a command ends that did not work: what happened, where, what to do.

use std::io::{self, Write as _};
use std::process::ExitCode;

use columba_server::config::fault::{Fault, Severity};
use columba_server::store::StoreError;
use columba_speech::width::behind;
use columba_speech::{Language, Param, Text};

use crate::language;
use crate::screen::terminal_cells;
use crate::words;

/// Files of the instance or the command line have errors.
pub(crate) const EXIT_FAULTY: u8 = 2;
/// The broker does not answer.
const EXIT_UNREACHABLE: u8 = 3;
/// The broker does not know who asks, or does not let him.
const EXIT_UNAUTHORIZED: u8 = 4;
/// Everything else that went wrong.
pub(crate) const EXIT_FAILED: u8 = 1;

/// Why a command did not work.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    what: Param,
    fix: Option<Param>,
    exit: u8,
}

impl Failure {
    /// What happened.
    pub(crate) fn new(what: impl Into<Param>) -> Self {
        Self {
            what: what.into(),
            fix: None,
            exit: EXIT_FAILED,
        }
    }

    /// What happened, in words.
    pub(crate) fn what(&self) -> &Param {
        &self.what
    }

    /// What happened and what to do, in one sentence.
    pub(crate) fn sentence(&self) -> Param {
        match &self.fix {
            Some(fix) => words::with_fix(self.what.clone(), fix.clone()).into(),
            None => self.what.clone(),
        }
    }

    /// With what to do about it.
    pub(crate) fn fix(mut self, fix: impl Into<Param>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The broker does not answer.
    pub(crate) fn unreachable(mut self) -> Self {
        self.exit = EXIT_UNREACHABLE;
        self
    }

    /// The broker does not know who asks, or does not let him.
    pub(crate) fn unauthorized(mut self) -> Self {
        self.exit = EXIT_UNAUTHORIZED;
        self
    }

    /// Whether the broker does not know who asks, or does not let him.
    pub(crate) const fn is_unauthorized(&self) -> bool {
        self.exit == EXIT_UNAUTHORIZED
    }

    /// The command line or a file is at fault.
    pub(crate) fn faulty(mut self) -> Self {
        self.exit = EXIT_FAULTY;
        self
    }
}

/// Why a store cannot be used.
pub(crate) fn of_store(error: &StoreError) -> Failure {
    let failure = Failure::new(error.text());
    match error.fix() {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}

/// Turns the end of a command into its exit code and says why it failed.
pub(crate) fn end(result: Result<(), Failure>) -> ExitCode {
    end_with(result.map(|()| 0))
}

/// The same for a command whose answer is an exit code.
pub(crate) fn end_with(result: Result<u8, Failure>) -> ExitCode {
    end_in(language::spoken(), result)
}

/// The same for a command with an option for the language.
pub(crate) fn end_in(language: Language, result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let mut text = words::failed(failure.what).to_string(language) + "\n";
            if let Some(fix) = failure.fix {
                text.push_str(&format!("  = {}\n", fix.to_string(language)));
            }
            say(&text);
            ExitCode::from(failure.exit)
        }
    }
}

/// Shows faults, and after them how many there are.
pub(crate) fn show_faults(faults: &[Fault]) {
    for fault in faults {
        let shown = words::faults::shown(fault, language::spoken());
        say(&format!("{shown}\n"));
    }
}

/// How many errors and warnings there are, in words.
pub(crate) fn count_of(faults: &[Fault]) -> Text {
    let count = |severity| {
        let of_it = faults.iter().filter(|fault| fault.severity == severity);
        of_it.count()
    };
    words::faults(count(Severity::Error), count(Severity::Warning))
}

/// Prints a sentence in the language of this process.
pub(crate) fn tell(text: Text) {
    print_wrapped(&text.to_string(language::spoken()));
}

/// Prints a sentence, in as many lines as the terminal takes for it.
pub(crate) fn print_wrapped(text: &str) {
    match terminal_cells() {
        None => print(&format!("{text}\n")),
        Some(cells) => print(&behind("", text, cells)),
    }
}

/// Says a sentence in the language of this process on the standard error output.
pub(crate) fn note(text: Text) {
    say(&format!("{}\n", text.to_string(language::spoken())));
}

/// Writes to the standard error output. That nobody reads there is no reason to fail.
pub(crate) fn say(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

/// Writes to the standard output. That nobody reads there is no reason to fail.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
