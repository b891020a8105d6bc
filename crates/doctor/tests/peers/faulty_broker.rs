//! A broker of MQTT that does one thing wrong, and what the doctor says about it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use columba_codec::packet::{
    Acknowledgement, ConnAck, Disconnect, Packet, Publish, SubAck, UnsubAck,
};
use columba_codec::{Decoded, Properties, QoS, ReasonCode, Version, decode};
use columba_doctor::{Check, Mark, Report};

use crate::bed::{PATIENCE, codes, examined, finding, findings, serve, verdict, visit};

/// Long enough to be sure that a message does not come, short enough to wait for in a test.
const UNSURE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
struct Faults {
    connack: ReasonCode,
    /// What a SUBSCRIBE gets instead of success.
    suback: Option<ReasonCode>,
    closes_on_subscribe: bool,
    qos_max: QoS,
    /// Whoever takes this client id loses it at once: CONNACK and DISCONNECT come in one piece.
    taken_back: Option<&'static str>,
    loses_qos_0: bool,
    loses_all: bool,
    doubles: bool,
    damages: bool,
    payload_bytes_max: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            connack: ReasonCode::Success,
            suback: None,
            closes_on_subscribe: false,
            qos_max: QoS::ExactlyOnce,
            taken_back: None,
            loses_qos_0: false,
            loses_all: false,
            doubles: false,
            damages: false,
            payload_bytes_max: usize::MAX,
        }
    }
}

type Subscribers = Mutex<Vec<(String, QoS, Version, TcpStream)>>;

/// Starts one; it keeps no sessions, no retained messages and no Wills.
fn start(faults: Faults) -> u16 {
    let subscribers = Arc::new(Subscribers::default());
    serve(move |stream| {
        // A client that is gone ends its thread.
        let _ = talk(stream, faults, &subscribers);
    })
}

fn talk(mut stream: TcpStream, faults: Faults, subscribers: &Subscribers) -> Option<()> {
    let mut received = Vec::new();
    let mut chunk = [0; 65_536];
    let mut version = Version::V311;
    loop {
        let len = stream.read(&mut chunk).ok().filter(|len| *len > 0)?;
        received.extend_from_slice(&chunk[..len]);
        while let Decoded::Packet(packet, packet_len) = decode(&received, version, u32::MAX).ok()? {
            // CONNECT itself says which version it is.
            if let Packet::Connect(connect) = &packet {
                version = connect.version;
            }
            answer(&packet, version, &mut stream, faults, subscribers)?;
            received.drain(..packet_len);
        }
    }
}

fn send(packet: &Packet<'_>, version: Version, stream: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).ok()?;
    stream.write_all(&bytes).ok()
}

/// Answers one packet; `None` ends the connection.
fn answer(
    packet: &Packet<'_>,
    version: Version,
    stream: &mut TcpStream,
    faults: Faults,
    subscribers: &Subscribers,
) -> Option<()> {
    match packet {
        Packet::Connect(connect) => {
            let connack = ConnAck {
                session_present: false,
                reason: faults.connack,
                properties: Properties::default(),
            };
            if faults.taken_back == Some(connect.client_id) {
                let disconnect = Disconnect {
                    reason: ReasonCode::SessionTakenOver,
                    properties: Properties::default(),
                };
                let mut bytes = Vec::new();
                Packet::ConnAck(connack).encode(version, &mut bytes).ok()?;
                let disconnect = Packet::Disconnect(disconnect);
                disconnect.encode(version, &mut bytes).ok()?;
                stream.write_all(&bytes).ok()?;
                return None;
            }
            send(&Packet::ConnAck(connack), version, stream)?;
            (!faults.connack.is_error()).then_some(())
        }
        Packet::Subscribe(subscribe) => {
            if faults.closes_on_subscribe {
                return None;
            }
            let mut codes = Vec::new();
            for (filter, options) in subscribe.filters.iter() {
                let qos = options.qos.min(faults.qos_max);
                codes.push(faults.suback.map_or(qos as u8, |code| code as u8));
                let to = (filter.to_owned(), qos, version, stream.try_clone().ok()?);
                subscribers.lock().unwrap().push(to);
            }
            let suback = SubAck {
                packet_id: subscribe.packet_id,
                properties: Properties::default(),
                codes: &codes,
            };
            send(&Packet::SubAck(suback), version, stream)
        }
        Packet::Unsubscribe(unsubscribe) => {
            let unsuback = UnsubAck {
                packet_id: unsubscribe.packet_id,
                properties: Properties::default(),
                codes: if version == Version::V5 { &[0] } else { &[] },
            };
            send(&Packet::UnsubAck(unsuback), version, stream)
        }
        Packet::Publish(publish) => {
            if publish.payload.len() > faults.payload_bytes_max {
                return None;
            }
            route(publish, faults, subscribers);
            let id = publish.packet_id;
            match (publish.qos, id) {
                (QoS::AtLeastOnce, Some(id)) => send(
                    &Packet::PubAck(Acknowledgement::success(id)),
                    version,
                    stream,
                ),
                (QoS::ExactlyOnce, Some(id)) => send(
                    &Packet::PubRec(Acknowledgement::success(id)),
                    version,
                    stream,
                ),
                _ => Some(()),
            }
        }
        Packet::PubRec(pubrec) => {
            let pubrel = Acknowledgement::success(pubrec.packet_id);
            send(&Packet::PubRel(pubrel), version, stream)
        }
        Packet::PubRel(pubrel) => {
            let pubcomp = Acknowledgement::success(pubrel.packet_id);
            send(&Packet::PubComp(pubcomp), version, stream)
        }
        Packet::PingReq => send(&Packet::PingResp, version, stream),
        Packet::Disconnect(_) => None,
        _ => Some(()),
    }
}

fn route(publish: &Publish<'_>, faults: Faults, subscribers: &Subscribers) {
    if faults.loses_all || faults.loses_qos_0 && publish.qos == QoS::AtMostOnce {
        return;
    }
    let mut damaged = publish.payload.to_vec();
    if faults.damages {
        damaged.retain(|byte| *byte != 0);
    }
    for (filter, qos, version, stream) in subscribers.lock().unwrap().iter_mut() {
        if filter != publish.topic {
            continue;
        }
        let qos = publish.qos.min(*qos);
        let copy = Publish {
            dup: false,
            qos,
            retain: false,
            topic: publish.topic,
            packet_id: publish.packet_id.filter(|_| qos > QoS::AtMostOnce),
            properties: Properties::default(),
            payload: &damaged,
        };
        for _ in 0..=usize::from(faults.doubles) {
            // Who is gone gets nothing.
            let _ = send(&Packet::Publish(copy), *version, stream);
        }
    }
}

async fn examine(faults: Faults, patience: Duration) -> Report {
    examined(&visit(start(faults), patience)).await
}

#[tokio::test]
async fn a_refused_connection_is_a_matter_of_login() {
    let faults = Faults {
        connack: ReasonCode::NotAuthorized,
        ..Faults::default()
    };
    let report = examine(faults, PATIENCE).await;
    assert_eq!(
        verdict(&report, Check::Login),
        (Mark::Fail, "connect_refused")
    );
    let login = finding(&report, Check::Login);
    assert_eq!(codes(&login.notes), ["anonymous_refused"]);
    assert_eq!(
        codes(&login.fixes),
        ["give_login_fix", "allow_anonymous_fix"]
    );
    let faults = Faults {
        connack: ReasonCode::ServerUnavailable,
        ..Faults::default()
    };
    let report = examine(faults, PATIENCE).await;
    assert_eq!(
        verdict(&report, Check::Connect),
        (Mark::Fail, "connect_refused")
    );
    assert_eq!(
        codes(&finding(&report, Check::Connect).fixes),
        ["try_later_fix"]
    );
}

#[tokio::test]
async fn a_denied_subscription_ends_the_messages() {
    let faults = Faults {
        suback: Some(ReasonCode::UnspecifiedError),
        ..Faults::default()
    };
    let report = examine(faults, PATIENCE).await;
    let expected = (Mark::Fail, "subscription_refused");
    assert_eq!(verdict(&report, Check::Subscribe), expected);
    assert!(findings(&report, Check::Loopback).is_empty());
    assert!(report.unreached.contains(&Check::Loopback));
}

#[tokio::test]
async fn a_broker_that_closes_on_subscribe_is_understood() {
    let faults = Faults {
        closes_on_subscribe: true,
        ..Faults::default()
    };
    let report = examine(faults, PATIENCE).await;
    let expected = (Mark::Fail, "subscription_failed");
    assert_eq!(verdict(&report, Check::Subscribe), expected);
    let notes = codes(&finding(&report, Check::Subscribe).notes);
    assert_eq!(notes, ["subscription_closed"]);
}

#[tokio::test]
async fn a_broker_without_memory_fails_retained_offline_and_will() {
    let report = examine(Faults::default(), UNSURE).await;
    assert_eq!(
        verdict(&report, Check::Loopback),
        (Mark::Pass, "loopback_good")
    );
    assert_eq!(
        verdict(&report, Check::Payload),
        (Mark::Pass, "payload_good")
    );
    assert_eq!(
        verdict(&report, Check::Retained),
        (Mark::Fail, "retained_lost")
    );
    assert_eq!(
        verdict(&report, Check::Offline),
        (Mark::Fail, "offline_no_session")
    );
    assert_eq!(verdict(&report, Check::Will), (Mark::Fail, "will_missing"));
}

#[tokio::test]
async fn lowered_qos_is_told() {
    let faults = Faults {
        qos_max: QoS::AtMostOnce,
        ..Faults::default()
    };
    let report = examine(faults, UNSURE).await;
    let expected = (Mark::Warn, "subscription_lowered");
    assert_eq!(verdict(&report, Check::Subscribe), expected);
    let loopback: Vec<_> = findings(&report, Check::Loopback)
        .iter()
        .map(|f| (f.mark, f.what.code()))
        .collect();
    let lowered = (Mark::Warn, "loopback_lowered");
    assert_eq!(loopback, [(Mark::Pass, "loopback_good"), lowered, lowered]);
}

#[tokio::test]
async fn loss_duplicates_and_damage_are_told() {
    let faults = Faults {
        loses_qos_0: true,
        doubles: true,
        damages: true,
        ..Faults::default()
    };
    let report = examine(faults, UNSURE).await;
    let loopback: Vec<_> = findings(&report, Check::Loopback)
        .iter()
        .map(|f| (f.mark, f.what.code()))
        .collect();
    let lost = (Mark::Fail, "loopback_lost");
    let doubled = (Mark::Warn, "loopback_duplicates");
    // The same packet id twice at QoS 2 is one message.
    let good = (Mark::Pass, "loopback_good");
    assert_eq!(loopback, [good, lost, doubled]);
    let payload = finding(&report, Check::Payload);
    assert_eq!(
        (payload.mark, payload.what.code()),
        (Mark::Fail, "payload_bad")
    );
    assert_eq!(codes(&payload.fixes), ["payload_changed_fix"]);
}

#[tokio::test]
async fn a_size_limit_that_nobody_announced_is_found() {
    let faults = Faults {
        payload_bytes_max: 5_000,
        ..Faults::default()
    };
    let report = examine(faults, UNSURE).await;
    assert_eq!(verdict(&report, Check::Size), (Mark::Warn, "size_failed"));
    assert_eq!(
        codes(&finding(&report, Check::Size).notes),
        ["size_largest"]
    );
}

#[tokio::test]
async fn messages_that_are_acknowledged_and_dropped_are_explained() {
    let faults = Faults {
        loses_all: true,
        ..Faults::default()
    };
    let report = examine(faults, UNSURE).await;
    let notes: Vec<_> = findings(&report, Check::Loopback)
        .iter()
        .map(|f| (f.mark, codes(&f.notes)))
        .collect();
    assert_eq!(
        notes,
        [
            (Mark::Fail, vec!["loss_of_all", "loss_by_acl_file"]),
            (Mark::Fail, vec!["loss_of_all_taken"]),
            (Mark::Fail, vec!["loss_of_all_taken"]),
        ]
    );
    assert!(report.unreached.contains(&Check::Retained));
}

/// Cause 1 of the catalogue, as it looks when the other one is quick.
#[tokio::test]
async fn a_client_id_that_is_taken_back_right_behind_connack_has_a_twin() {
    let faults = Faults {
        taken_back: Some("twin"),
        ..Faults::default()
    };
    let visit = {
        let mut visit = visit(start(faults), UNSURE);
        visit.check_id = Some("twin".to_owned());
        visit.check_id_wait = PATIENCE;
        visit
    };
    let report = examined(&visit).await;
    assert_eq!(verdict(&report, Check::Twin), (Mark::Fail, "twin_certain"));
}
