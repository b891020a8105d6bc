//! What an examination found.

use columba_speech::Text;

use crate::text::label;

/// What is examined, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The address as it was written.
    Address,
    /// From host name to IP addresses.
    Lookup,
    /// TCP to each of them.
    Tcp,
    /// Which protocol the port speaks.
    Port,
    /// TLS and the certificates.
    Tls,
    /// CONNECT and CONNACK, in MQTT 5 and 3.1.1.
    Connect,
    /// User name and password.
    Login,
    /// What the broker says it is.
    System,
    /// The topic filters as they were written.
    Filter,
    /// SUBSCRIBE and SUBACK.
    Subscribe,
    /// Messages at each QoS from one connection to another.
    Loopback,
    /// Payloads that survive unchanged.
    Payload,
    /// Payloads of growing size.
    Size,
    /// Retained messages.
    Retained,
    /// Messages for a session without a connection.
    Offline,
    /// The Will of a connection that breaks.
    Will,
    /// A connection that is silent for long.
    Idle,
    /// Whether somebody else uses a client id.
    Twin,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// As it should be.
    Pass,
    /// Could not be examined, or the broker offers no such thing and need not.
    Skip,
    /// Works, but not as most people expect.
    Warn,
    /// Does not work.
    Fail,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was examined.
    pub check: Check,
    /// What it means.
    pub mark: Mark,
    /// What was seen, in one sentence.
    pub what: Text,
    /// More evidence, and the likely cause.
    pub notes: Vec<Text>,
    /// What to do, the most likely first.
    pub fixes: Vec<Text>,
}

/// All results of an examination, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The results.
    pub findings: Vec<Finding>,
    /// What could not be examined because of what failed before.
    pub unreached: Vec<Check>,
    /// Whether the user ended the examination before its end.
    pub interrupted: bool,
}

/// Exit code: every check passed.
pub const EXIT_PASSED: u8 = 0;
/// Exit code: usage.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: interrupted.
pub const EXIT_INTERRUPTED: u8 = 3;
/// Exit code: at least one check failed.
pub const EXIT_FAILED: u8 = 10;
/// Exit code: warnings only.
pub const EXIT_WARNED: u8 = 11;

impl Check {
    /// What a table calls it.
    pub fn label(self) -> Text {
        match self {
            Self::Address => label::address(),
            Self::Lookup => label::lookup(),
            Self::Tcp => label::tcp(),
            Self::Port => label::port(),
            Self::Tls => label::tls(),
            Self::Connect => label::connect(),
            Self::Login => label::login(),
            Self::System => label::system(),
            Self::Filter => label::filter(),
            Self::Subscribe => label::subscribe(),
            Self::Loopback => label::loopback(),
            Self::Payload => label::payload(),
            Self::Size => label::size(),
            Self::Retained => label::retained(),
            Self::Offline => label::offline(),
            Self::Will => label::will(),
            Self::Idle => label::idle(),
            Self::Twin => label::twin(),
        }
    }

    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::Address,
        Self::Lookup,
        Self::Tcp,
        Self::Port,
        Self::Tls,
        Self::Connect,
        Self::Login,
        Self::System,
        Self::Filter,
        Self::Subscribe,
        Self::Loopback,
        Self::Payload,
        Self::Size,
        Self::Retained,
        Self::Offline,
        Self::Will,
        Self::Idle,
        Self::Twin,
    ];
}

impl Mark {
    /// What JSON calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn pass(check: Check, what: Text) -> Self {
        Self::new(check, Mark::Pass, what)
    }

    /// Not examined.
    pub fn skip(check: Check, what: Text) -> Self {
        Self::new(check, Mark::Skip, what)
    }

    /// Worth knowing.
    pub fn warn(check: Check, what: Text) -> Self {
        Self::new(check, Mark::Warn, what)
    }

    /// Wrong.
    pub fn fail(check: Check, what: Text) -> Self {
        Self::new(check, Mark::Fail, what)
    }

    fn new(check: Check, mark: Mark, what: Text) -> Self {
        Self {
            check,
            mark,
            what,
            notes: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// With evidence or the likely cause.
    #[must_use]
    pub fn note(mut self, note: impl Into<Option<Text>>) -> Self {
        self.notes.extend(note.into());
        self
    }

    /// With something to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Text>>) -> Self {
        self.fixes.extend(fix.into());
        self
    }
}

impl Report {
    /// How many findings have this mark; what could not be reached counts as skipped.
    pub fn count(&self, mark: Mark) -> usize {
        let found = self.findings.iter().filter(|f| f.mark == mark).count();
        match mark {
            Mark::Skip => found + self.unreached.len(),
            Mark::Pass | Mark::Warn | Mark::Fail => found,
        }
    }

    /// The exit code. `is_strict` makes failures of warnings.
    pub fn exit_code(&self, is_strict: bool) -> u8 {
        if self.interrupted {
            EXIT_INTERRUPTED
        } else if self.count(Mark::Fail) > 0 {
            EXIT_FAILED
        } else if self.count(Mark::Warn) == 0 {
            EXIT_PASSED
        } else if is_strict {
            EXIT_FAILED
        } else {
            EXIT_WARNED
        }
    }
}
