//! Servers that send whatever they like: the session does not panic, and does not grow.

use columba_client::{
    CloseCause, Input, Message, OtherProtocol, Output, Session, SessionOptions, Subscription,
};
use columba_codec::packet::{
    Acknowledgement, Auth, ConnAck, Disconnect, Packet, Publish, SubAck, SubscribeOptions, UnsubAck,
};
use columba_codec::{
    PacketId, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode, Value, Version,
};

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn packet_id(&mut self) -> PacketId {
        let number = u16::try_from(1 + self.below(40)).expect("small");
        PacketId::new(number).expect("not 0")
    }

    fn reason(&mut self) -> ReasonCode {
        const REASONS: [ReasonCode; 4] = [
            ReasonCode::Success,
            ReasonCode::NotAuthorized,
            ReasonCode::ContinueAuthentication,
            ReasonCode::PacketIdentifierNotFound,
        ];
        REASONS[usize::try_from(self.below(4)).expect("small")]
    }
}

/// A well-formed packet with no regard for what the session expects; mostly not its last.
fn packet(random: &mut Random, version: Version) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    if version == Version::V5 && random.below(2) == 0 {
        let alias = u16::try_from(1 + random.below(4)).expect("small");
        let pushed = properties.push(PropertyId::TopicAlias, Value::U16(alias));
        pushed.expect("a property");
    }
    let packet_id = random.packet_id();
    let topic = "t".repeat(usize::try_from(1 + random.below(300)).expect("small"));
    let payload = vec![0; usize::try_from(random.below(500)).expect("small")];
    let acknowledgement = Acknowledgement {
        packet_id,
        reason: random.reason(),
        properties: Properties::EMPTY,
    };
    let codes = vec![1; usize::try_from(1 + random.below(3)).expect("small")];
    let packet = match random.below(64) {
        0..30 => {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
            let qos = qos[usize::try_from(random.below(3)).expect("small")];
            Packet::Publish(Publish {
                dup: false,
                qos,
                retain: false,
                topic: &topic,
                packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
                properties: properties.as_properties(),
                payload: &payload,
            })
        }
        30..38 => Packet::PubAck(acknowledgement),
        38..46 => Packet::PubRec(acknowledgement),
        46..54 => Packet::PubRel(acknowledgement),
        54..58 => Packet::PubComp(acknowledgement),
        58 => Packet::SubAck(SubAck {
            packet_id,
            properties: Properties::EMPTY,
            codes: &codes,
        }),
        59 => Packet::UnsubAck(UnsubAck {
            packet_id,
            properties: Properties::EMPTY,
            codes: &codes,
        }),
        60 => Packet::PingResp,
        61 => Packet::ConnAck(ConnAck {
            session_present: random.below(2) == 0,
            reason: random.reason(),
            properties: Properties::EMPTY,
        }),
        62 => Packet::Auth(Auth {
            reason: random.reason(),
            properties: Properties::EMPTY,
        }),
        _ => Packet::Disconnect(Disconnect {
            reason: ReasonCode::ServerBusy,
            properties: Properties::EMPTY,
        }),
    };
    let mut bytes = Vec::new();
    // What this version cannot say stays unsaid; half a packet is worth a try as well.
    let _ = packet.encode(version, &mut bytes);
    if random.below(200) == 0 {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}

fn options(version: Version, seed: u64) -> SessionOptions {
    let mut options = SessionOptions {
        version,
        inflight_messages_max: 8,
        backlog_messages_max: 8,
        subscriptions_max: 8,
        acknowledges_by_hand: seed.is_multiple_of(2),
        recovers_lost_session: seed.is_multiple_of(3),
        ..SessionOptions::default()
    };
    options.properties.packet_bytes_max = Some(1_024);
    if version == Version::V5 {
        options.properties.receive_maximum = Some(16);
        options.properties.topic_alias_maximum = Some(3);
        options.properties.authentication_method = Some("m".to_owned());
    }
    options
}

/// What an application does: it connects again, publishes, subscribes, acknowledges some.
fn act(session: &mut Session, random: &mut Random, now: u64) {
    while let Some(output) = session.poll() {
        if let Output::Message(incoming) = output
            && let Some(receipt) = incoming.receipt
            && random.below(4) > 0
        {
            let reason = ReasonCode::Success;
            session.handle(now, Input::Acknowledge { receipt, reason });
        }
    }
    session.transmit(&mut Vec::new());
    let message = Message::new("topic", vec![0; 50]).with_qos(QoS::ExactlyOnce);
    let options = SubscribeOptions::from_qos(QoS::AtLeastOnce);
    let subscription = Subscription {
        filters: vec![(format!("f/{}", random.below(20)), options)],
        ..Subscription::default()
    };
    let token = now;
    match random.below(20) {
        0 => session.handle(now, Input::Publish { token, message }),
        1 => session.handle(
            now,
            Input::Subscribe {
                token,
                subscription,
            },
        ),
        2 => session.handle(now, Input::AnswerChallenge { data: b"x" }),
        3 => session.handle(now, Input::Reauthenticate { data: b"x" }),
        4 => session.handle(now, Input::DeadlineReached { listening: true }),
        _ => {}
    }
}

#[test]
fn a_server_that_sends_anything_cannot_make_a_session_grow() {
    for seed in 0..12 {
        for version in Version::ALL {
            let mut random = Random(seed);
            let mut session = Session::new(options(version, seed));
            let mut largest = 0;
            for step in 0..4_000_u64 {
                if session.next_deadline().is_none() {
                    let clean_start = random.below(10) == 0;
                    session.handle(step, Input::TransportOpened { clean_start });
                    let mut connack = Vec::new();
                    let accepted = Packet::ConnAck(ConnAck {
                        session_present: !clean_start && random.below(4) > 0,
                        reason: ReasonCode::Success,
                        properties: Properties::EMPTY,
                    });
                    accepted.encode(version, &mut connack).expect("encodes");
                    session.handle(step, Input::Received(&connack));
                }
                let bytes = packet(&mut random, version);
                session.handle(step, Input::Received(&bytes));
                act(&mut session, &mut random, step);
                if step.is_multiple_of(100) {
                    session.handle(step, Input::DeadlineReached { listening: true });
                    largest = largest.max(format!("{session:?}").len());
                }
            }
            assert!(session.unfinished_messages() <= 2 * 16);
            // All that a session holds is in its Debug text, bytes as numbers with commas.
            assert!(largest < 60_000, "{version}: {largest} bytes of text");
        }
    }
}

/// What a web server and a listener with TLS answer to CONNECT.
#[test]
fn another_protocol_in_the_place_of_connack_is_named() {
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let alert: &[u8] = &[0x15, 0x03, 0x03, 0, 2, 2, 70];
    let check = |bytes: &[u8], version, is_expected: fn(&CloseCause) -> bool| {
        let options = SessionOptions {
            version,
            ..SessionOptions::default()
        };
        let mut session = Session::new(options);
        session.handle(0, Input::TransportOpened { clean_start: true });
        session.handle(0, Input::Received(bytes));
        let closed = std::iter::from_fn(|| session.poll()).find_map(|output| match output {
            Output::Closed(cause) => Some(cause),
            _ => None,
        });
        let cause = closed.expect("no MQTT");
        assert!(is_expected(&cause), "{cause:?}");
        cause.to_string()
    };
    for version in [Version::V31, Version::V311, Version::V5] {
        let said = check(http, version, |cause| {
            *cause == CloseCause::OtherProtocol(OtherProtocol::Http)
        });
        assert!(said.contains("ws://"), "{said}");
        let said = check(alert, version, |cause| {
            *cause == CloseCause::OtherProtocol(OtherProtocol::Tls)
        });
        assert!(said.contains("mqtts://"), "{said}");
        check(b"HTML", version, |cause| {
            matches!(cause, CloseCause::Malformed { .. })
        });
    }
}

/// It is no sign of another port once the server has spoken MQTT.
#[test]
fn another_protocol_behind_connack_is_malformed() {
    let mut session = Session::new(SessionOptions::default());
    session.handle(0, Input::TransportOpened { clean_start: true });
    session.handle(0, Input::Received(b"\x20\x03\0\0\0HTTP/1.1"));
    let is_malformed = std::iter::from_fn(|| session.poll())
        .any(|output| matches!(output, Output::Closed(CloseCause::Malformed { .. })));
    assert!(is_malformed);
}
