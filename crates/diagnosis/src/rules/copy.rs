//! What became of the copy for one subscriber?

use columba_broker::outcome::Outcome;
use columba_broker::query::{InflightStep, QueuedRow, SessionDetail, WaitingOn};
use columba_broker::recorder::{PayloadKind, flag, is_found};
use columba_codec::QoS;
use columba_speech::{Param, Text};

use super::kernel::{self, Whereabouts};
use super::routing::is_about;
use super::{Finding, between, machines, session_end, with_slowdown, words};
use crate::code::{Code, Confidence, Fate};
use crate::evidence::{BETWEEN_SHARDS_MS, Event, Presence};
use crate::history::{History, ends_session, is_waiting};
use crate::texts::sentences as say;

/// How long a connection may have been dead before that was noticed.
const LOST_WITHIN_MS: u64 = 120_000;

/// What became of the copy of a message for a client.
pub fn judge<'e>(history: &History<'e>, publication: &'e Event, client: &str) -> Finding<'e> {
    let copies = history.copies(publication);
    let own: Vec<_> = copies
        .iter()
        .copied()
        .filter(|event| event.client == client)
        .collect();
    let Some(last) = own.last().copied() else {
        return settled(history, publication, client)
            .unwrap_or_else(|| super::routing::no_copy(history, publication, client));
    };
    // Two copies of one message by two subscriptions of a client: one that arrived counts.
    let arrived = own
        .iter()
        .copied()
        .rfind(|event| matches!(event.outcome, Outcome::DeliverAcked | Outcome::DeliverSent));
    // One that was refused was there, too, whatever waits.
    let mut refused = own.iter().copied();
    let refused = refused.rfind(|event| event.outcome == Outcome::DeliverRefused);
    let end = arrived.or(refused).unwrap_or(last);
    let found = of_end(history, publication, &own, end, client);
    // What is retained may have been sent later, in a line that is not there.
    let is_open = found.code.fate() == Fate::NotDelivered
        && publication.flags & flag::RETAIN != 0
        && !history.is_whole_since(publication.unix_ms);
    let found = if is_open {
        found.with(Confidence::Possible)
    } else {
        found
    };
    found.cite(own)
}

/// The same of a message whose own line is not in the record, by its copies for the client. `None`: it was
/// lost, which events tell.
pub fn judge_alone<'e>(
    history: &History<'e>,
    own: &[&'e Event],
    client: &str,
) -> Option<Finding<'e>> {
    let (first, last) = (own.first().copied()?, own.last().copied()?);
    let has_arrived = |event: &&Event| {
        matches!(
            event.outcome,
            Outcome::DeliverAcked | Outcome::DeliverSent | Outcome::DeliverRefused
        )
    };
    let end = own.iter().copied().rfind(has_arrived);
    let end = end.or_else(|| is_waiting(last.outcome).then_some(last))?;
    Some(of_end(history, first, own, end, client).cite(own.iter().copied()))
}

fn of_end<'e>(
    history: &History<'e>,
    publication: &'e Event,
    own: &[&'e Event],
    last: &'e Event,
    client: &str,
) -> Finding<'e> {
    let found = by_end(history, publication, own, last, client);
    let mut sent = own.iter().copied();
    let sent = sent.rfind(|event| event.outcome == Outcome::DeliverInFlight);
    let Some(sent) = sent else {
        return found;
    };
    let sent_at = Param::Moment(sent.unix_ms);
    // What helps next time is to acknowledge it: the page of D07 says so.
    match found.code {
        Code::S13 if has_received(history, sent, client) => Finding {
            text: say::s13_received(client),
            ..found.sent()
        },
        Code::S13 => Finding {
            text: say::s13_sent(client, sent_at),
            ..found.sent()
        },
        Code::D07 => {
            let end = session_end::at(history, last.unix_ms, client);
            let ended = session_end::with_message(end, client);
            Finding {
                text: say::d07(client, sent_at, ended.text),
                ..found
            }
            .cite(end)
        }
        code if code.fate() == Fate::NotDelivered => Finding {
            code: Code::D07,
            text: say::d07(client, sent_at, found.text.clone()),
            is_fixed_alone: false,
            ..found
        },
        _ => found,
    }
}

fn by_end<'e>(
    history: &History<'e>,
    publication: &'e Event,
    own: &[&'e Event],
    last: &'e Event,
    client: &str,
) -> Finding<'e> {
    match last.outcome {
        Outcome::DeliverAcked => {
            let sent = own
                .iter()
                .rfind(|event| event.outcome == Outcome::DeliverInFlight);
            let took = between(
                sent.map_or(last.unix_ms, |event| event.unix_ms),
                last.unix_ms,
            );
            let is_retained = sent.is_some_and(|event| event.flags & flag::RETAIN != 0);
            let text = match (is_found(last.message), is_retained) {
                (true, true) => say::d01_found_retained(client, took),
                (true, false) => say::d01_found(client, took),
                (false, _) => say::d01(client, took),
            };
            Finding::certain(Code::D01, text)
        }
        Outcome::DeliverRefused => Finding::certain(Code::D01, say::d01_refused(client)),
        Outcome::DeliverSent => sent(history, last, client),
        Outcome::DeliverInFlight
        | Outcome::DeliverInflightFull
        | Outcome::DeliverSocketFull
        | Outcome::DeliverOffline => waits(history, publication, last, client),
        Outcome::DeliverOtherSharedMember => {
            let found = handed_on(history, publication, last, client);
            // It may have been sent to this member before that, in a line that is not there.
            match found.code {
                Code::U01 => found,
                _ if history.is_whole_since(publication.unix_ms) => found,
                _ => found.with(Confidence::Possible),
            }
        }
        Outcome::DeliverSessionEnded if last.flags & flag::WAS_SENT == 0 => {
            session_end::with_message(session_end::at(history, last.unix_ms, client), client)
        }
        _ => lost(last, publication, own, client)
            .unwrap_or_else(|| Finding::certain(Code::U01, say::u01_copy(client))),
    }
}

/// A copy that its group was to give to another member.
fn handed_on<'e>(
    history: &History<'e>,
    publication: &'e Event,
    last: &'e Event,
    client: &str,
) -> Finding<'e> {
    let group = &*last.detail;
    let copies = history.copies(publication).iter().copied();
    // Others got copies of their own, or by another group; waiting, they do not say by which.
    let mut since = copies.filter(|event| event.client != client && event.unix_ms >= last.unix_ms);
    let is_of_group = |event: &&Event| match &*event.client {
        "" => is_about(&event.detail, group),
        _ => event.detail == group,
    };
    let known = since
        .clone()
        .rfind(is_of_group)
        .filter(|_| !group.is_empty());
    let Some(end) = known else {
        let other = since.rfind(|event| {
            !event.client.is_empty() && (group.is_empty() || !event.detail.starts_with("$share/"))
        });
        let Some(other) = other else {
            return Finding::certain(Code::U01, say::u01_copy(client)).cite([publication]);
        };
        let group = if group.is_empty() { "$share" } else { group };
        let text = say::r05(group, &*other.client);
        let found = Finding::certain(Code::R05, text).cite([other]);
        return found.with(Confidence::Possible);
    };
    let nobody = Some(end).filter(|end| end.client.is_empty());
    let Some(found) = nobody.and_then(|nobody| fault(nobody, client)) else {
        return Finding::certain(Code::R05, say::r05(group, &*end.client)).cite([end]);
    };
    let found = match session_end::at(history, last.unix_ms, client) {
        // Whoever was the last member took the group along.
        Some(ended) if end.outcome == Outcome::DeliverNoSharedMember => {
            session_end::with_message(Some(ended), client)
        }
        _ => found,
    };
    found.cite([end])
}

/// A copy that was dropped. `None`: this event is none.
fn lost<'e>(
    event: &Event,
    publication: &Event,
    own: &[&'e Event],
    client: &str,
) -> Option<Finding<'e>> {
    let has_waited = own.iter().any(|event| {
        matches!(
            event.outcome,
            Outcome::DeliverOffline | Outcome::DeliverInflightFull | Outcome::DeliverSocketFull
        )
    });
    let found = match event.outcome {
        Outcome::DeliverExpired if !has_waited && publication.unix_ms == event.unix_ms => {
            Finding::certain(Code::P12, say::p12(client))
        }
        Outcome::DeliverQos0Offline => {
            let published = publication.qos.map_or(0, QoS::as_u8);
            // At least one of both is 0; of the subscription it is known if the message has more.
            let text = if published > 0 {
                say::s02(client, published, 0_u8)
            } else {
                say::s02_plain(client)
            };
            Finding::certain(Code::S02, text)
        }
        _ => return fault(event, client),
    };
    Some(found)
}

/// What a recorded loss means, whether or not its message was followed.
pub fn fault<'e>(event: &Event, client: &str) -> Option<Finding<'e>> {
    let (code, text) = match event.outcome {
        Outcome::DeliverDeniedRead if event.client.is_empty() => {
            (Code::S06, say::r05_nobody(words(event)))
        }
        // A record of an older release names no rule of a denial that came again.
        Outcome::DeliverDeniedRead if event.detail.is_empty() => {
            (Code::S06, say::s06_plain(client, &*event.topic))
        }
        Outcome::DeliverDeniedRead => (Code::S06, say::s06(client, &*event.topic, words(event))),
        Outcome::DeliverNoLocal => (Code::R06, say::r06(client)),
        Outcome::DeliverQos0Offline => (Code::S02, say::s02_plain(client)),
        Outcome::DeliverQueueFull => (Code::S07, say::s07(client, words(event))),
        Outcome::DeliverExpired => (Code::S09, say::s09(client)),
        Outcome::DeliverSessionEnded if event.flags & flag::WAS_SENT != 0 => {
            (Code::D07, say::d07_session(client))
        }
        Outcome::DeliverSessionEnded => (Code::S03, say::s03_waiting(client)),
        Outcome::DeliverTooLarge => (Code::S10, say::s10(client, words(event))),
        Outcome::DeliverSocketCongested => (Code::S08, say::s08(client)),
        Outcome::DeliverStoreLost if client.is_empty() => {
            (Code::S14, say::s14_nobody(words(event)))
        }
        Outcome::DeliverStoreLost => (Code::S14, say::s14(client, words(event))),
        Outcome::DeliverNoSharedMember => (Code::R05, say::r05_nobody(words(event))),
        _ => return None,
    };
    Some(Finding::certain(code, text))
}

/// Sent, with QoS 0.
fn sent<'e>(history: &History<'e>, last: &'e Event, client: &str) -> Finding<'e> {
    let later = history.of(client).iter().copied();
    let end = later
        .filter(|event| event.unix_ms >= last.unix_ms)
        .find(|event| event.outcome.name().starts_with("disconnect."));
    if let Some(end) = end.filter(|event| {
        matches!(
            event.outcome,
            Outcome::DisconnectTransport | Outcome::DisconnectKeepAlive | Outcome::DisconnectSlow
        ) && event.unix_ms <= last.unix_ms + LOST_WITHIN_MS
    }) {
        // A connection that is dead and not known to be takes what is sent to it all the same.
        let after = between(last.unix_ms, end.unix_ms);
        let text = say::d02_lost(client, after, words(end));
        return Finding::certain(Code::D02, text)
            .with(Confidence::Possible)
            .cite([end]);
    }
    let (text, sure) = match kernel::whereabouts(history, last, client) {
        Some(Whereabouts::There) => (say::d02_kernel(client), Confidence::Certain),
        Some(Whereabouts::Here(waits)) => return Finding::certain(Code::D06, waits),
        Some(Whereabouts::Perhaps(bytes)) => (say::d02_stuck(client, bytes), Confidence::Possible),
        Some(Whereabouts::OnTheWay) => (say::d02_under_way(client), Confidence::Likely),
        None => (say::d02(client), Confidence::Likely),
    };
    Finding::certain(Code::D02, text).with(sure)
}

/// The last that is known of a copy is that it waits.
fn waits<'e>(
    history: &History<'e>,
    publication: &'e Event,
    last: &'e Event,
    client: &str,
) -> Finding<'e> {
    if let Some(found) = settled(history, publication, client) {
        return found;
    }
    let session = session_of(history, client);
    if session.is_none()
        && let Some(found) = found_as_many(history, last, client)
    {
        return found;
    }
    let later = history
        .of(client)
        .iter()
        .copied()
        .filter(|event| event.unix_ms >= last.unix_ms);
    // A later line of this copy or of its client may be among those that are not there.
    let is_whole = history.is_whole_since(last.unix_ms);
    let came_back =
        |event: &&Event| event.outcome == Outcome::ConnectAccepted && event.unix_ms > last.unix_ms;
    if let Some(end) = later.clone().find(|event| ends_session(event.outcome)) {
        // It may have been settled before: what a client gets that came back is not followed.
        let mut before = later.clone().take_while(|event| !std::ptr::eq(*event, end));
        let sure = if is_whole && !before.any(|event| came_back(&event)) {
            Confidence::Likely
        } else {
            Confidence::Possible
        };
        return session_end::with_message(Some(end), client).with(sure);
    }
    let has_returned = later.clone().any(|event| came_back(&event));
    // What has expired is dropped when its turn to be sent comes, and counts as lost from now on.
    let lives_ms = publication.secs.saturating_mul(1000);
    let expires_ms = publication.unix_ms.saturating_add(lives_ms);
    if last.outcome != Outcome::DeliverInFlight
        && publication.secs > 0
        && expires_ms <= history.evidence.now_ms
    {
        // It may have gone out in time without a line: see below.
        let sure = if has_returned || !is_whole {
            Confidence::Possible
        } else {
            Confidence::Likely
        };
        return Finding::certain(Code::S09, say::s09(client)).with(sure);
    }
    let is_offline = match session {
        Some(session) => Some(session.row.connection.is_none()),
        None => history
            .is_online_at(client, history.evidence.now_ms)
            .map(|is_online| !is_online),
    };
    let has_left = last.outcome == Outcome::DeliverOffline && is_offline.is_none();
    let (code, text) = if has_left || is_offline == Some(true) {
        (Code::S13, say::s13(client))
    } else if last.outcome == Outcome::DeliverInFlight {
        unfinished(history, last, client)
    } else {
        (Code::S11, in_queue(Some(last), session, client))
    };
    let sure = match session {
        // Nothing is left that this could be: it went on, and the record has no line of that.
        Some(session) if session.row.queued == 0 && session.row.inflight == 0 => {
            let unknown = || unaccounted(history, last, client);
            return found_and_settled(history, last, client).unwrap_or_else(unknown);
        }
        // All that is sent and not settled, and not this: it was settled since.
        Some(session)
            if last.outcome == Outcome::DeliverInFlight
                && session.inflight.len() == session.row.inflight
                && !session.inflight.iter().any(|row| {
                    row.packet_id == last.packet_id && &*row.message.topic == history.topic
                }) =>
        {
            return Finding::certain(Code::U01, say::u01_copy(client));
        }
        // It may have been in what is lost.
        _ if history.damage_after(last.unix_ms).next().is_some() => Confidence::Possible,
        // What came back from the disk after a connection was lost is not followed any further.
        _ if has_returned => Confidence::Possible,
        _ if !is_whole => Confidence::Possible,
        Some(_) => Confidence::Certain,
        None if is_offline.is_none() && code != Code::D03 => Confidence::Possible,
        None => Confidence::Likely,
    };
    Finding::certain(code, text).with(sure)
}

/// A copy was sent, and its end has not come.
fn unfinished(history: &History<'_>, last: &Event, client: &str) -> (Code, Text) {
    if has_received(history, last, client) {
        return (Code::D03, say::d03_received(client));
    }
    if session_of(history, client).is_none() && last.qos == Some(QoS::ExactlyOnce) {
        // Whether PUBREC has come stands in the session alone.
        return (Code::D03, say::d03_unfinished(client));
    }
    match kernel::whereabouts(history, last, client) {
        Some(Whereabouts::There) => (Code::D03, say::d03_kernel(client)),
        Some(Whereabouts::Here(waits)) => (Code::D06, waits),
        Some(Whereabouts::OnTheWay | Whereabouts::Perhaps(_)) | None => {
            (Code::D03, say::d03(client))
        }
    }
}

/// A copy that waited when an earlier process ended, in a session that has nothing left: what later ones
/// found of the topic was acknowledged. Which of that it was, no line tells.
fn found_and_settled<'e>(
    history: &History<'e>,
    last: &'e Event,
    client: &str,
) -> Option<Finding<'e>> {
    let (life, _) = history.key_of(last);
    let since = history.of(client).iter().copied();
    let mut since =
        since.filter(|event| event.unix_ms >= last.unix_ms && event.topic == history.topic);
    if since.clone().any(|event| event.outcome.is_dropped_copy()) {
        return None;
    }
    let is_later = |event: &&Event| is_found(event.message) && history.key_of(event).0 > life;
    let acknowledged = since.clone().filter(is_later);
    let acknowledged = acknowledged.filter(|event| event.outcome == Outcome::DeliverAcked);
    let acknowledged: Vec<_> = acknowledged.collect();
    let end = acknowledged.last().copied()?;
    let is_it = |event: &&Event| {
        event.outcome == Outcome::DeliverInFlight && history.key_of(event) == history.key_of(end)
    };
    let sent_ms = since.find(is_it).map_or(end.unix_ms, |sent| sent.unix_ms);
    let coverage = &history.evidence.coverage;
    let is_all_followed = coverage.left_out_until_ms < last.unix_ms && coverage.cut == 0;
    // With damage it may be another one that came through.
    let is_sound = history.damage_after(last.unix_ms).next().is_none();
    let sure = if is_all_followed && is_sound {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let text = say::d01_found(client, between(sent_ms, end.unix_ms));
    let found = Finding::certain(Code::D01, text).with(sure);
    Some(found.cite(acknowledged))
}

/// A copy that waited, in a session that has nothing left, of which there is no later line: a start of
/// the broker may not have found it.
fn unaccounted<'e>(history: &History<'e>, last: &Event, client: &str) -> Finding<'e> {
    let mut damage = history.damage_after(last.unix_ms).peekable();
    if let Some(first) = damage.peek() {
        let text = say::u01_copy_damaged(client, Param::Moment(first.unix_ms));
        return Finding::certain(Code::U01, text).cite(damage);
    }
    let start = history.start_after(last.unix_ms);
    let text = start.map_or_else(
        || say::u01_copy(client),
        |start| say::u01_copy_start(client, Param::Moment(start.unix_ms)),
    );
    Finding::certain(Code::U01, text).cite(start)
}

/// The same without a look at the session: as many were acknowledged as had waited.
fn found_as_many<'e>(history: &History<'e>, last: &'e Event, client: &str) -> Option<Finding<'e>> {
    let found = found_and_settled(history, last, client)?;
    let (life, _) = history.key_of(last);
    let is_all = found.cites.len() >= history.waiting_at_end(client, life);
    is_all.then(|| found.with(Confidence::Possible))
}

/// Whether PUBREC has come for a copy that was sent with QoS 2, as the session of the client shows.
fn has_received(history: &History<'_>, sent: &Event, client: &str) -> bool {
    let session = session_of(history, client);
    session.is_some_and(|session| {
        session.inflight.iter().any(|row| {
            row.step == InflightStep::Released
                && row.packet_id == sent.packet_id
                && &*row.message.topic == history.topic
        })
    })
}

/// A message on the topic that the session of a subscriber holds now, whenever it came.
pub fn held<'e>(
    history: &History<'e>,
    session: &SessionDetail,
    client: &str,
) -> Option<Finding<'e>> {
    let question = &history.evidence.question;
    // It may be one that came after the time that was asked about, or from somebody else.
    let is_others = question.publisher.is_some() && history.has_any();
    if history.came_after(question.to_ms) || is_others {
        return None;
    }
    let is_it = |row: &&QueuedRow| *row.topic == *history.topic;
    let sent = session.inflight.iter();
    let sent = sent.filter(|row| row.step == InflightStep::Sent);
    let sent = sent.map(|row| &row.message).find(is_it);
    let waiting = session.oldest.as_ref().filter(is_it);
    let row = sent.or(waiting)?;
    let found = if session.row.connection.is_none() {
        let text = match row.is_found {
            true => say::s13_found(client),
            false if sent.is_some() => say::s13_sent_before(client),
            false => say::s13(client),
        };
        let found = Finding::certain(Code::S13, text);
        if sent.is_some() { found.sent() } else { found }
    } else if sent.is_some() {
        Finding::certain(Code::D03, say::d03(client))
    } else {
        Finding::certain(Code::S11, in_queue(None, Some(session), client))
    };
    // Who published it is not told, nor whether it is one that came in the window and was not followed.
    let coverage = &history.evidence.coverage;
    let may_be_other =
        question.publisher.is_some() || coverage.left_out > 0 || coverage.from_ms > question.to_ms;
    let came_in_window = history
        .last_before(question.to_ms.saturating_add(1))
        .is_some_and(|(last_ms, _)| last_ms >= question.from_ms);
    let sure = if may_be_other || came_in_window {
        Confidence::Possible
    } else if coverage.from_ms > question.from_ms || coverage.cut > 0 {
        Confidence::Likely
    } else {
        Confidence::Certain
    };
    Some(found.with(sure))
}

/// What a copy waits for whose client is online.
pub(super) fn in_queue(
    last: Option<&Event>,
    session: Option<&SessionDetail>,
    client: &str,
) -> Text {
    match session.map(|session| session.row.waiting_on) {
        Some(WaitingOn::Socket) => say::s11_socket(client),
        Some(WaitingOn::Acknowledgement) => {
            let inflight = session.map_or(0, |session| session.row.inflight);
            say::s11(client, inflight)
        }
        Some(WaitingOn::Disk | WaitingOn::Broker | WaitingOn::Client | WaitingOn::Nothing) => {
            say::s11_turn(client)
        }
        None => match last.map(|last| last.outcome) {
            Some(Outcome::DeliverSocketFull) => say::s11_socket(client),
            Some(Outcome::DeliverInflightFull) => say::s11_plain(client),
            _ => say::s11_turn(client),
        },
    }
}

fn session_of<'h>(history: &'h History<'_>, client: &str) -> Option<&'h SessionDetail> {
    let question = &history.evidence.question;
    let is_asked = question.subscriber.as_deref() == Some(client);
    let presence = if is_asked {
        &history.evidence.subscriber
    } else {
        &Presence::Unknown
    };
    presence.session()
}

/// A session that subscribed and was there all along, that lost nothing and has nothing left to
/// settle, has got everything with QoS 1 and 2: what is acknowledged leaves it, and nothing else does.
fn settled<'e>(history: &History<'e>, publication: &'e Event, client: &str) -> Option<Finding<'e>> {
    if publication.outcome == Outcome::PublishNoMatch {
        return None;
    }
    let session = session_of(history, client)?;
    let is_idle = session.row.queued == 0 && session.row.inflight == 0;
    let since = history
        .of(client)
        .iter()
        .filter(|event| event.unix_ms >= publication.unix_ms);
    let mut since = since.filter(|event| event.message == 0 || event.topic == history.topic);
    let has_lost =
        since.any(|event| ends_session(event.outcome) || event.outcome.is_dropped_copy());
    // That a session ended may stand among what its client did in excess.
    let coverage = &history.evidence.coverage;
    let is_whole =
        coverage.cut == 0 && coverage.from_ms.max(coverage.excess_from_ms) <= publication.unix_ms;
    if !is_idle || has_lost || !is_whole {
        return None;
    }
    let is_copied = history
        .copies(publication)
        .iter()
        .any(|event| event.client == client);
    let coverage = &history.evidence.coverage;
    if !is_copied && (coverage.left_out == 0 || coverage.excess_from_ms > 0) {
        return None;
    }
    let standing = history.standings(client, publication.unix_ms);
    let Some(crate::history::Standing::Subscribed { filter, granted }) = standing.first() else {
        return None;
    };
    if filter.starts_with("$share/") && !is_copied || publication.client == client {
        return None;
    }
    if !is_copied && !has_come(history, publication, client) {
        return None;
    }
    let rows = history.evidence.subscriptions.iter();
    let present = rows.filter(|row| &*row.key.client_id == client);
    let mut present = present
        .filter(|row| crate::history::filter_of(row) == *filter)
        // Later its options may have been others.
        .filter(|row| {
            row.subscribed_unix_ms
                .is_none_or(|at_ms| at_ms < publication.unix_ms)
        });
    let granted = granted
        .and_then(|event| event.qos)
        .or_else(|| present.next().map(|row| row.qos));
    let is_reliable = granted.is_some_and(|qos| qos > QoS::AtMostOnce)
        && publication.qos.is_some_and(|qos| qos > QoS::AtMostOnce);
    let start = history.start_after(publication.unix_ms);
    if start.is_some() && !may_have_survived(history, publication, client) {
        return None;
    }
    is_reliable.then(|| {
        let sure = if start.is_some() {
            Confidence::Possible
        } else if is_copied {
            Confidence::Certain
        } else {
            Confidence::Likely
        };
        Finding::certain(Code::D01, say::d01_settled(client)).with(sure)
    })
}

/// Whether a message of which no copy was followed has come to a client's session by now, and found the
/// subscription there.
fn has_come(history: &History<'_>, publication: &Event, client: &str) -> bool {
    // It may have come before a subscription of the same millisecond.
    if history.has_changed_at(client, publication.unix_ms) {
        return false;
    }
    // To another shard it may be on its way.
    let mut own = history.of(client).iter();
    let came = own.rfind(|event| event.outcome == Outcome::ConnectAccepted);
    let is_of_shard = came.is_some_and(|event| event.shard == publication.shard);
    is_of_shard || history.evidence.now_ms >= publication.unix_ms + BETWEEN_SHARDS_MS
}

/// Whether a message that came before a start of the broker may have been delivered after it: what leaves a
/// session without a line, a start may as well not have found. What it found is followed anew.
fn may_have_survived(history: &History<'_>, publication: &Event, client: &str) -> bool {
    if history.damage_after(publication.unix_ms).next().is_some() {
        return false;
    }
    let (life, _) = history.key_of(publication);
    let mut own = history.of(client).iter();
    let has_come = own.any(|event| {
        let is_later = is_found(event.message) && history.key_of(event).0 > life;
        is_later && event.outcome == Outcome::DeliverInFlight && event.topic == history.topic
    });
    has_come || !history.is_whole_since(publication.unix_ms)
}

/// What else there is to say of a message that arrived.
pub fn noticed<'e>(
    history: &History<'e>,
    publication: &'e Event,
    found: &Finding<'e>,
    client: &str,
) -> Vec<Finding<'e>> {
    let mut also = Vec::new();
    if found.code.fate() == Fate::Delivered
        && let Some(what) = publication.payload.and_then(payload_words)
    {
        let odd = Finding::certain(Code::D04, say::d04(what)).with(Confidence::Likely);
        also.push(odd.cite([publication]));
    }
    let (times, peers) = history.takeovers(client);
    if times >= 2 {
        let peers = machines(peers);
        let shared = if found.code.fate() == Fate::Delivered {
            let text = say::d05(client, peers);
            Finding::certain(Code::D05, text).with(Confidence::Possible)
        } else {
            Finding::certain(Code::S04, say::s04(client, times, peers))
        };
        also.push(with_slowdown(history, client, shared));
    } else if found.code.fate() == Fate::Delivered {
        also.extend(taken_over(history, found, client));
    }
    also
}

/// How near a takeover has to be to a delivery to be worth a word.
const TAKEOVER_NEAR_MS: u64 = 60_000;

/// A single takeover shortly before or after a copy went to a client: by a connection from elsewhere, or a
/// program that was begun again.
fn taken_over<'e>(history: &History<'e>, found: &Finding<'e>, client: &str) -> Option<Finding<'e>> {
    let is_own =
        |event: &&&Event| event.client == client && event.outcome.name().starts_with("deliver.");
    let sent_ms = found.cites.iter().rfind(is_own)?.unix_ms;
    let events = history.of(client).iter().copied();
    let takeovers = events.filter(|event| event.outcome == Outcome::DisconnectTakenOver);
    let takeover = takeovers
        .filter(|event| event.unix_ms.abs_diff(sent_ms) <= TAKEOVER_NEAR_MS)
        .min_by_key(|event| event.unix_ms.abs_diff(sent_ms))?;
    let why = words(takeover);
    let text = if takeover.unix_ms <= sent_ms {
        say::d05_once(client, between(takeover.unix_ms, sent_ms), why)
    } else {
        say::d05_soon(client, between(sent_ms, takeover.unix_ms), why)
    };
    let found = Finding::certain(Code::D05, text).with(Confidence::Possible);
    Some(found.cite([takeover]))
}

fn payload_words(kind: PayloadKind) -> Option<Text> {
    match kind {
        PayloadKind::Empty => Some(say::payload_empty()),
        PayloadKind::JsonCut => Some(say::payload_json_cut()),
        PayloadKind::ByteOrderMark => Some(say::payload_bom()),
        PayloadKind::Nul => Some(say::payload_nul()),
        PayloadKind::Gbk => Some(say::payload_gbk()),
        PayloadKind::Gzip => Some(say::payload_gzip()),
        PayloadKind::Text | PayloadKind::Json | PayloadKind::Binary => None,
    }
}
