//! What of the broker's own messages, those below `$SYS`, which are not recorded one by one?

use columba_codec::topic::TopicFilter;

use super::{Finding, routing, words};
use crate::code::{Code, Confidence};
use crate::history::{History, Standing};
use crate::near;
use crate::texts::sentences as say;

/// Whether the broker alone publishes to a topic, or to what a filter names.
pub fn is_own(topic_or_filter: &str) -> bool {
    let bare = TopicFilter::parse(topic_or_filter);
    let bare = bare.map_or(topic_or_filter, TopicFilter::filter);
    bare == "$SYS" || bare.starts_with("$SYS/")
}

/// What there is to say of a message of the broker: who is subscribed is known, and what came is not.
pub fn of_broker<'e>(history: &History<'e>) -> Finding<'e> {
    let question = &history.evidence.question;
    let plain = || Finding::certain(Code::U01, say::u01_sys(history.topic)).fix(say::fix_sys());
    let Some(client) = question.subscriber.as_deref() else {
        return plain();
    };
    let sure = if history.is_all_known(client, question.to_ms) {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    match history.standings(client, question.to_ms).first() {
        Some(Standing::Refused(event)) => {
            let text = say::s05(client, &*event.topic, words(event));
            Finding::certain(Code::S05, text).cite([*event]).with(sure)
        }
        Some(Standing::Subscribed { filter, granted }) => {
            let text = say::u01_sys_for(client, history.topic, &**filter);
            let found = Finding::certain(Code::U01, text).fix(say::fix_sys());
            found.cite(*granted)
        }
        Some(Standing::Unknown { .. } | Standing::Ended(_) | Standing::Later(_)) => plain(),
        None => {
            let rows = history.evidence.subscriptions.iter();
            let filters: Vec<_> = rows.map(crate::history::filter_of).collect();
            let near = near::filters(history.topic, filters.iter().map(String::as_str));
            let found = match near.first() {
                Some(best) => routing::near_miss(history.topic, Some(client), best),
                None => Finding::certain(Code::R01, say::r01_of(client, history.topic))
                    .fix(say::fix_subscribe_to(history.topic)),
            };
            found.with(sure)
        }
    }
}
