//! A SUBSCRIBE that was refused, and what helps against its reason.

use columba_broker::outcome::Outcome;

use super::{Finding, words};
use crate::code::{Code, Confidence};
use crate::evidence::Event;
use crate::history::{History, ends_session, is_refusal};
use crate::near;
use crate::texts::sentences as say;

/// The client asked for a filter, and SUBACK said no.
pub fn refused<'e>(event: &'e Event, client: &str) -> Finding<'e> {
    let text = say::s05(client, &*event.topic, words(event));
    let found = Finding::certain(Code::S05, text).cite([event]);
    match event.outcome {
        Outcome::SubscribeBadFilter => {
            found.fix_alone(vec![say::fix_filter(&*event.topic), say::fix_suback()])
        }
        Outcome::SubscribeQuota | Outcome::SubscribeBytesQuota => {
            found.fix_alone(vec![say::fix_subscribe_less(), say::fix_suback()])
        }
        _ => found,
    }
}

/// A filter that matches nothing because it is none, and was meant for the topic: the last one that the
/// client asked for in the session that it had at a time.
pub fn malformed<'e>(history: &History<'e>, client: &str, unix_ms: u64) -> Option<Finding<'e>> {
    let own = history.of(client).iter().copied();
    let before = own.filter(|event| event.first_unix_ms <= unix_ms);
    let mut since = before
        .rev()
        .take_while(|event| !ends_session(event.outcome))
        .filter(|event| event.outcome == Outcome::SubscribeBadFilter);
    let event = since.find(|event| near::of_filter(&event.topic, history.topic).is_some())?;
    Some(refused(event, client).with(Confidence::Likely))
}

/// Whether a client was refused a filter that matches the topic, or had one granted.
pub fn is_about(history: &History<'_>, event: &Event) -> bool {
    (event.outcome == Outcome::SubscribeGranted || is_refusal(event.outcome))
        && near::matches(&event.topic, history.topic)
}
