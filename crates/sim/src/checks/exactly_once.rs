//! QoS 2 arrives exactly once, and nothing is sent twice without DUP. A retained message may come
//! once more for each SUBSCRIBE.

use columba_codec::QoS;
use columba_codec::packet::Publish;

use crate::oracle::{Message, Session};

fn allowed(session: &Session, message: &Message) -> u64 {
    let replays = if message.retain {
        session.replays_of(&message.topic)
    } else {
        0
    };
    message.times + message.extra + replays
}

/// The broker wrote a delivery.
pub(crate) fn sent(
    session: &mut Session,
    id: u64,
    message: &Message,
    publish: &Publish<'_>,
) -> Result<(), String> {
    let allowed = allowed(session, message);
    let times = session.sent.entry(id).or_default();
    if publish.dup {
        return Ok(());
    }
    if session.has_crashed && publish.qos != QoS::ExactlyOnce {
        // It is sent anew, and what was not acknowledged is published anew.
        return Ok(());
    }
    *times += 1;
    if *times <= allowed {
        return Ok(());
    }
    Err(format!(
        "message {id} was sent {times} times without DUP at {:?}, {allowed} are due",
        publish.qos
    ))
}

/// A client took a message as new.
pub(crate) fn received(
    session: &mut Session,
    id: u64,
    message: &Message,
    qos: QoS,
) -> Result<(), String> {
    if qos != QoS::ExactlyOnce || session.is_loose {
        return Ok(());
    }
    let mut allowed = allowed(session, message);
    if !message.is_will {
        // It was stored with the packet id of its publisher, or not at all.
        allowed -= message.extra;
    }
    let times = session.taken.entry(id).or_default();
    *times += 1;
    if *times <= allowed {
        return Ok(());
    }
    Err(format!(
        "message {id} arrived {times} times at QoS 2, {allowed} are due"
    ))
}
