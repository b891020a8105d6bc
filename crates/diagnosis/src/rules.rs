//! From evidence to findings, one file for each part of a message's way.

pub mod client;
pub mod copy;
mod kernel;
pub mod own;
pub mod publisher;
pub mod refusals;
pub mod refused_filter;
pub mod routing;
pub mod session_end;
pub mod store;
pub mod unread;
pub mod unsubscribed;

use std::time::Duration;

use columba_speech::{Param, Text};

use crate::code::{Code, Confidence};
use crate::evidence::Event;
use crate::history::History;
use crate::noted::noted;
use crate::operators;
use crate::texts::sentences as say;

/// What a rule found.
#[derive(Clone, Debug)]
pub struct Finding<'e> {
    /// The verdict.
    pub code: Code,
    /// How sure it is.
    pub confidence: Confidence,
    /// What happened, with names and numbers.
    pub text: Text,
    /// What to do in this very case.
    pub fixes: Vec<Text>,
    /// What shows it.
    pub cites: Vec<&'e Event>,
    /// Whether the copy that it is about went out to its client.
    pub was_sent: bool,
    /// Whether its own fixes are all: those of the verdict's page do not fit.
    pub is_fixed_alone: bool,
    /// Whether it is about what came too early for its subscriber alone: what that got later counts more.
    pub is_early: bool,
}

impl<'e> Finding<'e> {
    /// A finding that was recorded when it happened.
    pub fn certain(code: Code, text: Text) -> Self {
        Self {
            code,
            confidence: Confidence::Certain,
            text,
            fixes: Vec::new(),
            cites: Vec::new(),
            was_sent: false,
            is_fixed_alone: false,
            is_early: false,
        }
    }

    /// The same, less sure.
    #[must_use]
    pub fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// With something to do.
    #[must_use]
    pub fn fix(mut self, text: Text) -> Self {
        self.fixes.push(text);
        self
    }

    /// With all that there is to do: the fixes of its page would not help.
    #[must_use]
    pub fn fix_alone(mut self, fixes: Vec<Text>) -> Self {
        self.fixes = fixes;
        self.is_fixed_alone = true;
        self
    }

    /// The same about what came before its subscriber had subscribed.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    /// The same about a copy that went out to its client.
    #[must_use]
    pub fn sent(mut self) -> Self {
        self.was_sent = true;
        self
    }

    /// With events that show it.
    #[must_use]
    pub fn cite(mut self, events: impl IntoIterator<Item = &'e Event>) -> Self {
        self.cites.extend(events);
        self
    }
}

/// A time between two events.
pub fn between(from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(to_ms.saturating_sub(from_ms))
}

/// What an event says in words, or at least what it is called.
pub fn words(event: &Event) -> Param {
    if event.detail.is_empty() {
        event.outcome.name().into()
    } else {
        operators::with(event, noted(&event.detail))
    }
}

/// A finding about a client id that changes hands, and how the broker slows that down.
pub fn with_slowdown<'e>(history: &History<'e>, client: &str, found: Finding<'e>) -> Finding<'e> {
    let Some(wait) = history.takeover_wait(client) else {
        return found;
    };
    let text = say::slowed(found.text.clone(), words(wait));
    Finding { text, ..found }.cite([wait])
}

/// Several connections of one client id within two minutes are a quarrel from so many takeovers on.
const TAKEOVERS_MIN: usize = 3;

/// Machines that one client id is used on, each with the number of its connections.
fn machines(named: Vec<(String, u64)>) -> Param {
    let named = named.into_iter().map(|(address, count)| match count {
        1 => Param::from(address),
        count => say::connections_from(address, count).into(),
    });
    Param::list(named)
}

/// The address of an event.
pub fn peer(event: &Event) -> String {
    event.address().unwrap_or_else(|| "?".to_owned())
}
