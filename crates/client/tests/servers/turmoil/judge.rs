//! What a run of turmoil must come to, from what the receiver has and the packets that passed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::clients::Applied;
use super::{Kind, Workload};
use crate::exactly_once::{was_lost_by_the_server, was_sent_after_pubrel};
use crate::trace::Line;
use crate::*;

/// Panics if a promise was broken. Says how often messages came again at QoS 1, where that is allowed,
/// and what the server is to blame for.
pub(super) fn judge(workload: &Workload, applied: &[Applied], trace: &[Line]) -> String {
    // What an earlier connection had on its way may pass after what a later one has sent.
    let mut trace = trace.to_vec();
    trace.sort_by_key(|line| line.connection);
    check_sender(&trace);
    check_receiver(workload, &trace);
    let is_faulty = workload.kind != Kind::Columba;
    let mut again_at_qos_1 = 0;
    let (mut lost, mut late, mut twice) = (0, 0, 0);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut seen = BTreeSet::new();
        for Applied { number, .. } in applied {
            if workload.qos(*number) != qos {
                continue;
            }
            if seen.insert(*number) {
                if seen.last() != Some(number) {
                    let is_its_fault = is_faulty && was_sent_late(workload, *number, &trace);
                    assert!(is_its_fault, "{number} came late");
                    late += 1;
                }
            } else if qos == QoS::AtLeastOnce {
                again_at_qos_1 += 1;
            } else {
                let is_its_fault = is_faulty
                    && (was_sent_after_pubrel(*number, &trace)
                        || was_sent_again_as_new(*number, &trace));
                assert!(is_its_fault, "{number} came twice");
                twice += 1;
            }
        }
        for number in workload.all(qos) {
            if !seen.contains(&number) {
                let was_lost = is_faulty && was_lost_by_the_server(number, &trace);
                assert!(was_lost, "{number} is missing");
                lost += 1;
            }
        }
    }
    format!(
        "{again_at_qos_1} again at QoS 1; faults of the server: {lost} lost, {late} late, \
         {twice} twice at QoS 2"
    )
}

/// Whether the server sent a later message of its QoS in a connection in which it had not sent this one so far,
/// although the receiver had not acknowledged it: for the first time, as Mosquitto 2.0.11 does now and then, or
/// again, as Aedes 1.2 does, which goes on with new messages while it sends again what had no answer.
///
/// ```text
/// 17 > PUBLISH 93 '92'   17 > PUBLISH 95 '94'   31 < PUBLISH 93 '94'   31 < PUBLISH 92 '92'
/// 28 < PUBLISH 51403 DUP '6', cut   29 < CONNACK   29 < PUBLISH 53403 '160'   29 < PUBLISH 51403 DUP '6'
/// ```
fn was_sent_late(workload: &Workload, number: u64, trace: &[Line]) -> bool {
    let of_receiver = trace.iter().filter(|line| line.client_id == "receiver");
    let mut packet_id = None;
    let mut connection_with_it = None;
    for line in of_receiver {
        let is_acknowledged =
            line.packet.starts_with("PUBACK") || line.packet.starts_with("PUBREC");
        if is_acknowledged && packet_id == Some(line.packet_id()) {
            return false;
        }
        if !line.packet.starts_with("PUBLISH") || line.packet.ends_with("'last'") {
            continue;
        }
        let sent = number_of(line);
        if sent == number {
            packet_id = Some(line.packet_id());
            connection_with_it = Some(line.connection);
        }
        let is_later = sent > number && workload.qos(sent) == workload.qos(number);
        if is_later && connection_with_it != Some(line.connection) {
            return true;
        }
    }
    false
}

/// Whether the receiver was sent the message more than once without DUP, which is how a client knows a message
/// again that the application has in hand. Aedes 1.2 does so with what it had queued (against `MQTT-3.3.1-1`):
///
/// ```text
/// 31 < CONNACK   31 < PUBLISH 61192 '29', cut   32 < CONNACK   32 < PUBLISH 61192 '29'   32 > PUBREC 61192
/// ```
fn was_sent_again_as_new(number: u64, trace: &[Line]) -> bool {
    let payload = format!("'{number}'");
    let sent = trace.iter().filter(|line| {
        let is_to_receiver = line.client_id == "receiver" && line.direction == '<';
        let is_new = line.packet.starts_with("PUBLISH") && !line.packet.contains(" DUP ");
        is_to_receiver && is_new && line.packet.ends_with(&payload)
    });
    sent.count() > 1
}

/// What the standard asks of the sender: messages go out in order, also when they are sent again
/// (`MQTT-4.6.0-1`), under the same packet id and with DUP (`MQTT-4.4.0-1`, `MQTT-3.3.1-1`), and never
/// after their PUBREL (`MQTT-4.3.3-6`).
fn check_sender(trace: &[Line]) {
    let mut packet_ids = BTreeMap::new();
    let mut released = BTreeSet::new();
    let mut latest = (0, 0);
    let is_sent = |line: &&Line| line.client_id == "sender" && line.direction == '>';
    for line in trace.iter().filter(is_sent) {
        let packet = &line.packet;
        if packet.starts_with("PUBREL") {
            released.insert(line.packet_id());
        }
        if packet.starts_with("PUBLISH") {
            let number = (line.connection, 1 + number_of(line));
            assert!(number > latest, "{packet} is out of order");
            latest = number;
            let before = packet_ids.insert(number.1, line.packet_id());
            if before.is_some() {
                assert_eq!(before, Some(line.packet_id()), "{packet} was another");
                assert!(packet.contains(" DUP "), "{packet} is sent again");
            } else {
                // The packet id of another exchange that is over.
                released.remove(line.packet_id());
            }
            assert!(
                !released.contains(line.packet_id()),
                "{packet} after PUBREL"
            );
        }
    }
}

/// What the standard asks of the receiver: PUBACK and PUBREC in the order of the messages
/// (`MQTT-4.6.0-2`, `MQTT-4.6.0-3`). A PUBREC that still waits when PUBREL comes need not go out any more:
/// Aedes 1.2 sends messages of a connection again in it, and goes on with PUBREL.
fn check_receiver(workload: &Workload, trace: &[Line]) {
    let mut owed = BTreeMap::<_, VecDeque<(&str, bool)>>::new();
    for line in trace.iter().filter(|line| line.client_id == "receiver") {
        let packet = &line.packet;
        let qos = || match packet.ends_with("'last'") {
            true => workload.highest_qos(),
            false => workload.qos(number_of(line)),
        };
        let is_from_server = line.direction == '<';
        let is_publish = is_from_server && packet.starts_with("PUBLISH");
        let is_answer =
            !is_from_server && (packet.starts_with("PUBACK") || packet.starts_with("PUBREC"));
        let is_qos_1 = packet.starts_with("PUBACK") || is_publish && qos() == QoS::AtLeastOnce;
        let owed = owed.entry((line.connection, is_qos_1)).or_default();
        if is_publish {
            // One that comes again before its answer has gone need have no answer of its own.
            let is_again = owed
                .iter()
                .any(|(id, is_due)| *is_due && *id == line.packet_id());
            owed.push_back((line.packet_id(), !is_again));
        } else if is_from_server && packet.starts_with("PUBREL") {
            let ended = owed.iter_mut().filter(|(id, _)| *id == line.packet_id());
            ended.for_each(|(_, is_due)| *is_due = false);
        } else if is_answer {
            let is_it = |(id, is_due): &(&str, bool)| *is_due || *id == line.packet_id();
            let next = owed.iter().position(is_it);
            let next = next.and_then(|next| owed.drain(..=next).next_back());
            let next = next.map(|(id, _)| id);
            assert_eq!(
                next,
                Some(line.packet_id()),
                "{packet} of connection {} is out of order",
                line.connection
            );
        }
    }
}

fn number_of(line: &Line) -> u64 {
    let payload = line.packet.rsplit(' ').next().unwrap_or_default();
    payload.trim_matches('\'').parse().expect("a number")
}
