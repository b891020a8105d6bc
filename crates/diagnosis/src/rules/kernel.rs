//! How far has a copy come that was handed to a connection? What the kernel says of it now.

use columba_speech::{Param, Text};

use crate::evidence::Event;
use crate::history::{History, changes_connection};
use crate::texts::sentences as say;

/// Where a copy is that was written to a connection.
#[derive(Clone, Debug)]
pub(super) enum Whereabouts {
    /// The other end's kernel has acknowledged all of it.
    There,
    /// It has not; why, in words.
    Here(Text),
    /// It was sent a moment ago, and an acknowledgement takes a moment.
    OnTheWay,
    /// It may be among so many bytes that are not acknowledged.
    Perhaps(Param),
}

/// Where a copy is. `None`: the kernel was not asked, or its answer is about another connection than
/// the one that the copy went to.
pub(super) fn whereabouts(
    history: &History<'_>,
    sent: &Event,
    client: &str,
) -> Option<Whereabouts> {
    let facts = history.evidence.kernel?;
    let question = &history.evidence.question;
    if question.subscriber.as_deref() != Some(client) || !is_same_connection(history, sent, client)
    {
        return None;
    }
    let waiting_bytes = facts.unsent_bytes + facts.send_queue_bytes;
    let Some(acknowledged_bytes) = facts.acknowledged_bytes else {
        return Some(Whereabouts::Perhaps(Param::Bytes(waiting_bytes)));
    };
    let ends_at = sent.count;
    if ends_at == 0 || ends_at > acknowledged_bytes + waiting_bytes {
        // A connection that has never been given so many bytes is another one.
        return None;
    }
    // Receivers put acknowledgements off to save packets, up to half a second (RFC 9293, 3.8.6.3).
    let under_way_bytes = facts
        .send_queue_bytes
        .saturating_sub(facts.unsent_in_queue_bytes);
    let is_under_way = ends_at <= acknowledged_bytes + under_way_bytes;
    Some(if ends_at <= acknowledged_bytes {
        Whereabouts::There
    } else if is_under_way && facts.retransmits == 0 {
        Whereabouts::OnTheWay
    } else {
        let bytes = Param::Bytes(waiting_bytes);
        Whereabouts::Here(if facts.retransmits > 0 {
            say::d06_silent(client, bytes, facts.retransmits)
        } else if under_way_bytes == 0 {
            say::d06_unread(client, bytes)
        } else {
            say::d06(client, bytes)
        })
    })
}

/// Whether the connection that a client has now is the one that it had when a copy was sent.
fn is_same_connection(history: &History<'_>, sent: &Event, client: &str) -> bool {
    let session = history.evidence.subscriber.session();
    let is_older = session.is_some_and(|session| {
        session.row.connection.is_some() && session.row.since_unix_ms <= sent.unix_ms
    });
    // What has the same time may have come before or after.
    let mut since = history
        .of(client)
        .iter()
        .filter(|event| event.unix_ms >= sent.unix_ms);
    let is_change = |event: &&Event| changes_connection(event.outcome).is_some();
    is_older && !since.any(is_change)
}
