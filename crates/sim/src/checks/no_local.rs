//! No Local keeps a client's own messages from it (`MQTT-3.8.3-3`).

use columba_codec::packet::Publish;

use super::delivery::matches;
use crate::oracle::{Message, Session};

pub(crate) fn check(
    client_id: &str,
    session: &Session,
    message: &Message,
    publish: &Publish<'_>,
) -> Result<(), String> {
    // Retained messages for a new subscription are not forwarded, and a Will is published by the
    // broker. A copy that is sent again, or waited, was made under older options.
    if message.is_will || message.publisher != client_id || publish.retain || publish.dup {
        return Ok(());
    }
    let asked = session
        .local
        .iter()
        .any(|filter| matches(filter, &message.topic));
    if asked {
        return Ok(());
    }
    Err("its own message, in spite of No Local".to_owned())
}
