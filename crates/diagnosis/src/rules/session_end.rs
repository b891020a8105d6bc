//! What ended a session in which a message waited, and what helps against that.

use columba_broker::outcome::Outcome;
use columba_speech::{Param, Text};

use super::Finding;
use crate::code::Code;
use crate::evidence::Event;
use crate::history::{History, ends_session};
use crate::operators;
use crate::texts::sentences as say;

/// What ended the session of a client in the millisecond in which it lost a copy, if that is recorded.
pub fn at<'e>(history: &History<'e>, unix_ms: u64, client: &str) -> Option<&'e Event> {
    let own = history.of(client).iter().copied();
    let mut own = own.filter(|event| event.unix_ms == unix_ms);
    own.find(|event| ends_session(event.outcome))
}

/// The end of the connection with which a session ended, if it did with one.
pub fn disconnect<'e>(history: &History<'e>, end: &Event, client: &str) -> Option<&'e Event> {
    let is_ended = matches!(
        end.outcome,
        Outcome::SessionEndedWithConnection | Outcome::SessionReplaced
    );
    let own = history.of(client).iter().copied();
    let mut gone = own.filter(|event| event.outcome.name().starts_with("disconnect."));
    gone.find(|event| is_ended && event.unix_ms == end.unix_ms)
}

/// The takeover by another connection that ended a session, if one did.
pub fn takeover<'e>(history: &History<'e>, end: &Event, client: &str) -> Option<&'e Event> {
    let gone = disconnect(history, end, client);
    gone.filter(|event| event.outcome == Outcome::DisconnectTakenOver)
}

/// What is to be done about the way in which a client lost its connection.
pub fn fixes_of_loss(gone: &Event, client: &str) -> Vec<Text> {
    match gone.outcome {
        Outcome::DisconnectKeepAlive => vec![say::fix_silent(client)],
        Outcome::DisconnectAdmin => vec![say::fix_kicked(client)],
        _ => Vec::new(),
    }
}

/// A message was in a session, and went with it.
pub fn with_message<'e>(end: Option<&'e Event>, client: &str) -> Finding<'e> {
    let text = match end.map(|end| end.outcome) {
        Some(Outcome::SessionExpired) => say::s03_waiting_expired(client),
        Some(Outcome::SessionReplaced) => say::s03_waiting_clean(client),
        Some(Outcome::SessionEndedByAdmin) => {
            say::s03_waiting_admin(client, end.map_or_else(|| "".into(), operators::aside))
        }
        Some(Outcome::SessionEndedWithConnection) => say::s03_waiting_connection(client),
        _ => say::s03_waiting(client),
    };
    let found = Finding::certain(Code::S03, text).cite(end);
    match end.map(|end| fixes(end.outcome, client)) {
        Some(fixes) if !fixes.is_empty() => found.fix_alone(fixes),
        _ => found,
    }
}

/// What is to be done about the end of a session; nothing if the page of the verdict says it all.
fn fixes(outcome: Outcome, client: &str) -> Vec<Text> {
    match outcome {
        Outcome::SessionExpired => vec![say::fix_expiry(client)],
        Outcome::SessionReplaced => vec![say::fix_clean(client)],
        Outcome::SessionEndedByAdmin => by_operator(client),
        Outcome::SessionEndedWithConnection => vec![say::fix_keep(client)],
        _ => Vec::new(),
    }
}

/// What is to be done where an operator has ended a session.
pub fn by_operator(client: &str) -> Vec<Text> {
    vec![
        say::fix_ended_by(Param::word(client)),
        say::fix_subscribe_anew(client),
    ]
}
