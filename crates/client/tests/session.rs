//! The session machine by hand-made packets: what it sends for what it is told and sent.

use columba_client::{
    CloseCause, Failure, Input, Message, Output, Session, SessionOptions, advice,
};
use columba_codec::packet::{Acknowledgement, ConnAck, Disconnect, Packet, Publish};
use columba_codec::{
    Decoded, PacketId, PacketType, Properties, PropertiesBuf, PropertyId, QoS, ReasonCode,
    TopicFault, Value, Version, decode,
};
use proptest::prelude::*;

/// A session and the server's end of its connection.
struct Bed {
    session: Session,
    version: Version,
    now_millis: u64,
    token: u64,
}

impl Bed {
    fn new(options: SessionOptions) -> Self {
        let version = options.version;
        Self {
            session: Session::new(options),
            version,
            now_millis: 0,
            token: 0,
        }
    }

    /// A session that is connected, with `properties` in CONNACK.
    fn open(options: SessionOptions, properties: &PropertiesBuf) -> Self {
        let mut bed = Self::new(options);
        bed.connect(true, false, properties);
        bed
    }

    fn plain(version: Version) -> Self {
        let options = SessionOptions {
            version,
            ..SessionOptions::default()
        };
        Self::open(options, &PropertiesBuf::new())
    }

    fn connect(&mut self, clean_start: bool, session_present: bool, properties: &PropertiesBuf) {
        self.input(Input::TransportOpened { clean_start });
        assert_eq!(self.sent_types(), [PacketType::Connect]);
        self.receive(&Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        }));
    }

    fn input(&mut self, input: Input<'_>) {
        self.session.handle(self.now_millis, input);
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes).expect("encodes");
        self.input(Input::Received(&bytes));
    }

    fn publish(&mut self, qos: QoS) -> u64 {
        self.token += 1;
        let message = Message::new("topic", self.token.to_string()).with_qos(qos);
        let token = self.token;
        self.input(Input::Publish { token, message });
        token
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    /// Calls `visit` with every packet that the session has sent.
    fn sent(&mut self, mut visit: impl FnMut(&Packet<'_>)) {
        let mut bytes = Vec::new();
        self.session.transmit(&mut bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match decode(rest, self.version, u32::MAX).expect("the client sends packets") {
                Decoded::Packet(packet, len) => {
                    visit(&packet);
                    rest = &rest[len..];
                }
                Decoded::Incomplete { .. } => panic!("the client sends whole packets"),
            }
        }
    }

    fn sent_types(&mut self) -> Vec<PacketType> {
        let mut types = Vec::new();
        self.sent(|packet| types.push(packet.packet_type()));
        types
    }

    /// Payload and DUP of every PUBLISH that was sent.
    fn sent_messages(&mut self) -> Vec<(String, bool)> {
        let mut messages = Vec::new();
        self.sent(|packet| {
            if let Packet::Publish(publish) = packet {
                let payload = String::from_utf8_lossy(publish.payload).into_owned();
                messages.push((payload, publish.dup));
            }
        });
        messages
    }

    fn close_cause(&mut self) -> CloseCause {
        let closed = self.outputs().into_iter().find_map(|output| match output {
            Output::Closed(cause) => Some(cause),
            _ => None,
        });
        closed.expect("the connection is closed")
    }

    /// Tokens and codes of the messages that have their answer.
    fn published(&mut self) -> Vec<(u64, ReasonCode)> {
        let answers = self
            .outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Published { token, answer } => Some((token, answer.reason)),
                _ => None,
            });
        answers.collect()
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not 0")
}

fn success(number: u16) -> Acknowledgement<'static> {
    Acknowledgement::success(id(number))
}

fn refusal(number: u16) -> Acknowledgement<'static> {
    let reason = ReasonCode::NotAuthorized;
    Acknowledgement {
        packet_id: id(number),
        reason,
        properties: Properties::EMPTY,
    }
}

fn incoming(qos: QoS, packet_id: Option<PacketId>, dup: bool) -> Packet<'static> {
    Packet::Publish(Publish {
        dup,
        qos,
        retain: false,
        topic: "t",
        packet_id,
        properties: Properties::EMPTY,
        payload: b"x",
    })
}

#[test]
fn handshakes_are_the_standards_in_every_version() {
    // section 4.3
    for version in Version::ALL {
        let mut bed = Bed::plain(version);
        bed.outputs();
        bed.publish(QoS::AtMostOnce);
        assert_eq!(bed.published(), [(1, ReasonCode::Success)]);
        bed.publish(QoS::AtLeastOnce);
        assert_eq!(bed.published(), []);
        bed.receive(&Packet::PubAck(success(1)));
        assert_eq!(bed.published(), [(2, ReasonCode::Success)]);
        bed.publish(QoS::ExactlyOnce);
        bed.sent(|_| {});
        bed.receive(&Packet::PubRec(success(2)));
        assert_eq!(bed.sent_types(), [PacketType::PubRel]);
        assert_eq!(bed.published(), []);
        bed.receive(&Packet::PubComp(success(2)));
        assert_eq!(bed.published(), [(3, ReasonCode::Success)]);
        assert!(bed.session.is_idle());
    }
}

#[test]
fn a_refusing_pubrec_ends_the_exchange() {
    // MQTT-4.3.3-4
    let mut bed = Bed::plain(Version::V5);
    let token = bed.publish(QoS::ExactlyOnce);
    bed.sent(|_| {});
    bed.receive(&Packet::PubRec(refusal(1)));
    assert_eq!(bed.sent_types(), []);
    assert_eq!(bed.published(), [(token, ReasonCode::NotAuthorized)]);
    assert!(bed.session.is_idle());
}

#[test]
fn that_nobody_subscribes_is_known_of_both_qos_that_are_answered() {
    // section 4.3: PUBCOMP has no word for what PUBREC said.
    let nobody = |number| Acknowledgement {
        reason: ReasonCode::NoMatchingSubscribers,
        ..success(number)
    };
    let mut bed = Bed::plain(Version::V5);
    let token = bed.publish(QoS::AtLeastOnce);
    bed.receive(&Packet::PubAck(nobody(1)));
    assert_eq!(
        bed.published(),
        [(token, ReasonCode::NoMatchingSubscribers)]
    );
    let token = bed.publish(QoS::ExactlyOnce);
    bed.receive(&Packet::PubRec(nobody(2)));
    bed.receive(&Packet::PubComp(success(2)));
    assert_eq!(
        bed.published(),
        [(token, ReasonCode::NoMatchingSubscribers)]
    );
}

#[test]
fn the_reason_string_of_a_refusal_reaches_people() {
    let mut bed = Bed::plain(Version::V5);
    bed.outputs();
    bed.publish(QoS::AtLeastOnce);
    let mut properties = PropertiesBuf::new();
    let text = "rule 3 allows plant/# only";
    properties
        .push(PropertyId::ReasonString, Value::String(text))
        .expect("valid");
    bed.receive(&Packet::PubAck(Acknowledgement {
        properties: properties.as_properties(),
        ..refusal(1)
    }));
    match bed.outputs().as_slice() {
        [Output::Published { answer, .. }] => {
            let sentence = advice::refused_publish("topic", answer);
            assert!(
                sentence.contains(text) && sentence.contains("0x87"),
                "{sentence}"
            );
        }
        other => panic!("expected an answer, got {other:?}"),
    }
}

#[test]
fn a_servers_disconnect_says_what_to_do() {
    // section 3.14, reason code 0x8E
    let mut bed = Bed::plain(Version::V5);
    bed.receive(&Packet::Disconnect(Disconnect {
        reason: ReasonCode::SessionTakenOver,
        properties: Properties::EMPTY,
    }));
    let sentence = bed.close_cause().to_string();
    assert!(
        sentence.contains("0x8e") && sentence.contains("same client id"),
        "{sentence}"
    );
}

#[test]
fn no_more_messages_than_the_receive_maximum_are_in_flight() {
    // MQTT-3.3.4-9
    let mut properties = PropertiesBuf::new();
    properties
        .push(PropertyId::ReceiveMaximum, Value::U16(2))
        .expect("valid");
    let mut bed = Bed::open(SessionOptions::default(), &properties);
    for _ in 0..4 {
        bed.publish(QoS::ExactlyOnce);
    }
    assert_eq!(bed.sent_types(), [PacketType::Publish, PacketType::Publish]);
    bed.receive(&Packet::PubRec(success(1)));
    assert_eq!(bed.sent_types(), [PacketType::PubRel]);
    bed.receive(&Packet::PubComp(success(1)));
    assert_eq!(bed.sent_messages(), [("3".to_owned(), false)]);
    bed.receive(&Packet::PubRec(refusal(2)));
    assert_eq!(bed.sent_messages(), [("4".to_owned(), false)]);
}

#[test]
fn the_backlog_is_bounded() {
    let options = SessionOptions {
        inflight_messages_max: 1,
        backlog_messages_max: 2,
        ..SessionOptions::default()
    };
    let mut bed = Bed::open(options, &PropertiesBuf::new());
    for _ in 0..3 {
        bed.publish(QoS::AtLeastOnce);
    }
    assert!(!bed.session.has_room());
    bed.outputs();
    let token = bed.publish(QoS::AtLeastOnce);
    assert_eq!(
        bed.outputs(),
        [Output::Failed {
            token,
            failure: Failure::BacklogFull(2)
        }]
    );
}

#[test]
fn a_resumed_session_sends_what_is_unacknowledged_in_order() {
    // MQTT-4.4.0-1, MQTT-4.6.0-1
    for version in [Version::V311, Version::V5] {
        let mut bed = Bed::plain(version);
        for qos in [
            QoS::AtLeastOnce,
            QoS::ExactlyOnce,
            QoS::ExactlyOnce,
            QoS::AtLeastOnce,
        ] {
            bed.publish(qos);
        }
        bed.receive(&Packet::PubRec(success(2)));
        bed.input(Input::TransportClosed);
        bed.sent(|_| {});
        let late = bed.publish(QoS::AtLeastOnce);
        bed.connect(false, true, &PropertiesBuf::new());
        let mut seen = Vec::new();
        bed.sent(|packet| match packet {
            Packet::Publish(publish) => seen.push((publish.packet_id.map(u16::from), publish.dup)),
            Packet::PubRel(pubrel) => seen.push((Some(pubrel.packet_id.get()), false)),
            other => panic!("unexpected {other:?}"),
        });
        let expected = [(2, false), (1, true), (3, true), (4, true), (5, false)];
        assert_eq!(seen, expected.map(|(number, dup)| (Some(number), dup)));
        bed.outputs();
        for number in [1, 4, 5] {
            bed.receive(&Packet::PubAck(success(number)));
        }
        assert_eq!(bed.published().last(), Some(&(late, ReasonCode::Success)));
    }
}

#[test]
fn a_lost_session_fails_its_messages() {
    // MQTT-3.2.2-5
    let mut bed = Bed::plain(Version::V5);
    let token = bed.publish(QoS::AtLeastOnce);
    bed.input(Input::TransportClosed);
    bed.outputs();
    bed.sent(|_| {});
    bed.connect(false, false, &PropertiesBuf::new());
    let outputs = bed.outputs();
    assert!(outputs.contains(&Output::Failed {
        token,
        failure: Failure::SessionLost
    }));
    assert_eq!(bed.sent_types(), []);
}

#[test]
fn a_qos_2_message_is_delivered_once_even_across_connections() {
    // MQTT-4.3.3-10
    let mut bed = Bed::plain(Version::V311);
    bed.outputs();
    bed.receive(&incoming(QoS::ExactlyOnce, Some(id(9)), false));
    assert!(matches!(bed.outputs().as_slice(), [Output::Message(_)]));
    bed.input(Input::TransportClosed);
    bed.sent(|_| {});
    bed.connect(false, true, &PropertiesBuf::new());
    bed.outputs();
    bed.receive(&incoming(QoS::ExactlyOnce, Some(id(9)), true));
    assert_eq!(bed.outputs(), []);
    bed.receive(&Packet::PubRel(success(9)));
    assert_eq!(bed.sent_types(), [PacketType::PubRec, PacketType::PubComp]);
    bed.receive(&incoming(QoS::ExactlyOnce, Some(id(9)), false));
    assert!(matches!(bed.outputs().as_slice(), [Output::Message(_)]));
}

#[test]
fn silence_brings_pingreq_and_then_the_end() {
    // MQTT-3.1.2-20
    let mut bed = Bed::plain(Version::V311);
    bed.outputs();
    let due = bed.session.next_deadline().expect("a keep alive");
    assert!(due <= 60_000);
    bed.now_millis = due;
    bed.input(Input::DeadlineReached { listening: true });
    assert_eq!(bed.sent_types(), [PacketType::PingReq]);
    bed.receive(&Packet::PingResp);
    bed.now_millis = bed.session.next_deadline().expect("the next");
    bed.input(Input::DeadlineReached { listening: true });
    assert_eq!(bed.sent_types(), [PacketType::PingReq]);
    bed.now_millis = bed.session.next_deadline().expect("the answer's");
    bed.input(Input::DeadlineReached { listening: true });
    assert_eq!(bed.close_cause(), CloseCause::PingTimeout);
    assert_eq!(bed.session.next_deadline(), None);
}

#[test]
fn an_older_server_refuses_version_5_in_its_own_form() {
    let mut bed = Bed::new(SessionOptions::default());
    bed.input(Input::TransportOpened { clean_start: true });
    bed.input(Input::Received(&[0x20, 2, 0, 1]));
    match bed.close_cause() {
        CloseCause::Refused { answer, .. } => {
            assert_eq!(answer.reason, ReasonCode::UnsupportedProtocolVersion);
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn topic_aliases_stand_for_their_topic_on_this_connection() {
    // MQTT-3.3.2-7, MQTT-3.3.2-10
    let mut options = SessionOptions::default();
    options.properties.topic_alias_maximum = Some(1);
    let mut bed = Bed::open(options, &PropertiesBuf::new());
    let mut alias = PropertiesBuf::new();
    alias
        .push(PropertyId::TopicAlias, Value::U16(1))
        .expect("valid");
    let publish = |topic| {
        let Packet::Publish(publish) = incoming(QoS::AtMostOnce, None, false) else {
            unreachable!("it is a PUBLISH");
        };
        Publish { topic, ..publish }
    };
    let with_alias = |topic| {
        Packet::Publish(Publish {
            properties: alias.as_properties(),
            ..publish(topic)
        })
    };
    bed.receive(&with_alias("long/topic"));
    bed.outputs();
    bed.receive(&with_alias(""));
    match bed.outputs().as_slice() {
        [Output::Message(incoming)] => assert_eq!(incoming.message.topic, "long/topic"),
        other => panic!("expected a message, got {other:?}"),
    }
    bed.input(Input::TransportClosed);
    bed.sent(|_| {});
    bed.connect(false, true, &PropertiesBuf::new());
    bed.outputs();
    bed.receive(&with_alias(""));
    assert!(matches!(bed.close_cause(), CloseCause::Violation(_)));
    assert_eq!(bed.sent_types(), [PacketType::Disconnect]);
}

#[test]
fn limits_of_the_server_are_kept() {
    // MQTT-3.2.2-11, MQTT-3.2.2-14, MQTT-3.2.2-15
    let mut properties = PropertiesBuf::new();
    properties
        .push(PropertyId::MaximumQos, Value::Flag(true))
        .expect("valid");
    properties
        .push(PropertyId::RetainAvailable, Value::Flag(false))
        .expect("valid");
    properties
        .push(PropertyId::MaximumPacketSize, Value::U32(100))
        .expect("valid");
    let mut bed = Bed::open(SessionOptions::default(), &properties);
    bed.outputs();
    let mut check = |message: Message, failure: Failure| {
        bed.input(Input::Publish { token: 1, message });
        assert_eq!(bed.outputs(), [Output::Failed { token: 1, failure }]);
        assert_eq!(bed.sent_types(), []);
    };
    check(
        Message::new("t", "").with_qos(QoS::ExactlyOnce),
        Failure::QosAbove(QoS::AtLeastOnce),
    );
    check(
        Message::new("t", "").retained(),
        Failure::RetainNotAvailable,
    );
    // Fixed header 2, topic 3, properties length 1, packet id 2.
    let too_large = |size| Failure::PacketTooLarge { size, limit: 100 };
    check(Message::new("t", [0; 100]), too_large(106));
    let acknowledged = Message::new("t", [0; 100]).with_qos(QoS::AtLeastOnce);
    check(acknowledged, too_large(108));
}

#[derive(Clone, Debug)]
enum Step {
    Publish(u8),
    Answer(usize),
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3u8).prop_map(Step::Publish),
        5 => any::<usize>().prop_map(Step::Answer),
        1 => Just(Step::Lose),
    ]
}

proptest! {
    /// Whatever order answers come in and however often the connection breaks: every message
    /// has exactly one outcome, no packet id is used twice at a time, and a message whose PUBREC
    /// has come is never sent again (MQTT-4.3.3-6).
    #[test]
    fn every_message_has_one_outcome(steps in prop::collection::vec(step(), 0..120)) {
        let options = SessionOptions { inflight_messages_max: 5, ..SessionOptions::default() };
        let mut bed = Bed::open(options, &PropertiesBuf::new());
        let mut outcomes = Vec::new();
        // What the server has to answer: packet id and the type to answer with.
        let mut due: Vec<(PacketId, PacketType)> = Vec::new();
        let rounds = steps.into_iter().map(Some).chain(std::iter::repeat_n(None, 2_000));
        for step in rounds {
            bed.sent(|packet| match packet {
                Packet::Publish(publish) => if let Some(packet_id) = publish.packet_id {
                    assert!(due.iter().all(|(taken, _)| *taken != packet_id), "id in use");
                    let answer = if publish.qos == QoS::AtLeastOnce { PacketType::PubAck } else { PacketType::PubRec };
                    due.push((packet_id, answer));
                },
                Packet::PubRel(pubrel) => due.push((pubrel.packet_id, PacketType::PubComp)),
                other => panic!("unexpected {other:?}"),
            });
            prop_assert!(due.len() <= 5);
            outcomes.extend(bed.outputs().into_iter().filter_map(|output| match output {
                Output::Published { token, .. } => Some(token),
                Output::Failed { failure, .. } => panic!("{failure}"),
                _ => None,
            }));
            match step {
                Some(Step::Publish(qos)) => {
                    bed.publish(QoS::from_u8(qos).expect("below 3"));
                }
                Some(Step::Lose) => {
                    bed.input(Input::TransportClosed);
                    due.clear();
                    bed.outputs();
                    bed.sent(|_| {});
                    bed.connect(false, true, &PropertiesBuf::new());
                }
                Some(Step::Answer(_)) | None if due.is_empty() => {}
                Some(Step::Answer(_)) | None => {
                    let at = if let Some(Step::Answer(at)) = step { at % due.len() } else { 0 };
                    let (packet_id, answer) = due.remove(at);
                    let acknowledgement = Acknowledgement::success(packet_id);
                    bed.receive(&match answer {
                        PacketType::PubAck => Packet::PubAck(acknowledgement),
                        PacketType::PubRec => Packet::PubRec(acknowledgement),
                        _ => Packet::PubComp(acknowledgement),
                    });
                }
            }
        }
        prop_assert!(bed.session.is_idle());
        outcomes.sort_unstable();
        prop_assert_eq!(outcomes, (1..=bed.token).collect::<Vec<_>>());
    }

    /// Any bytes, cut anywhere: no panic, and cutting changes nothing.
    #[test]
    fn any_bytes_in_any_pieces_end_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1..50usize) {
        let mut whole = Bed::plain(Version::V5);
        let mut pieces = Bed::plain(Version::V5);
        whole.input(Input::Received(&bytes));
        for piece in bytes.chunks(cut) {
            pieces.input(Input::Received(piece));
        }
        prop_assert_eq!(whole.outputs(), pieces.outputs());
        prop_assert_eq!(whole.sent_types(), pieces.sent_types());
    }
}

/// A DISCONNECT cannot say what a CONNACK could.
#[test]
fn a_server_that_sends_a_faulty_connect_is_left_for_breaking_the_protocol() {
    let mut bed = Bed::plain(Version::V5);
    let connect = b"\x10\x0D\0\x04MQTX\x05\0\0\0\0\0\0";
    bed.input(Input::Received(connect));
    assert!(matches!(bed.close_cause(), CloseCause::Malformed { .. }));
    let mut reasons = Vec::new();
    bed.sent(|packet| {
        if let Packet::Disconnect(disconnect) = packet {
            reasons.push(disconnect.reason);
        }
    });
    assert_eq!(reasons, [ReasonCode::ProtocolError]);
}

fn by_hand(receive_maximum: Option<u16>) -> Bed {
    let mut options = SessionOptions {
        acknowledges_by_hand: true,
        ..SessionOptions::default()
    };
    options.properties.receive_maximum = receive_maximum;
    Bed::open(options, &PropertiesBuf::new())
}

impl Bed {
    fn receive_publish(&mut self, number: u16, qos: QoS, dup: bool) {
        self.receive(&Packet::Publish(Publish {
            dup,
            qos,
            retain: false,
            topic: "a",
            packet_id: Some(id(number)),
            properties: Properties::EMPTY,
            payload: b"",
        }));
    }

    /// Packet ids and receipts of the messages that came.
    fn receipts(&mut self) -> Vec<columba_client::Receipt> {
        let outputs = self.outputs().into_iter();
        let receipts = outputs.filter_map(|output| match output {
            Output::Message(incoming) => incoming.receipt,
            _ => None,
        });
        receipts.collect()
    }

    /// Kind, packet id and code of every acknowledgement that was sent.
    fn sent_acknowledgements(&mut self) -> Vec<(PacketType, u16, ReasonCode)> {
        let mut sent = Vec::new();
        self.sent(|packet| match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                sent.push((packet.packet_type(), ack.packet_id.get(), ack.reason));
            }
            _ => {}
        });
        sent
    }
}

#[test]
fn acknowledgements_by_hand_go_out_in_the_order_of_the_messages() {
    let mut bed = by_hand(None);
    bed.receive_publish(1, QoS::AtLeastOnce, false);
    bed.receive_publish(2, QoS::ExactlyOnce, false);
    bed.receive_publish(3, QoS::AtLeastOnce, false);
    let receipts = bed.receipts();
    let reason = ReasonCode::Success;
    for receipt in [receipts[2], receipts[1], receipts[1]] {
        bed.input(Input::Acknowledge { receipt, reason });
        assert_eq!(bed.sent_acknowledgements(), []);
    }
    let refusal = ReasonCode::ImplementationSpecificError;
    bed.input(Input::Acknowledge {
        receipt: receipts[0],
        reason: refusal,
    });
    let all = [
        (PacketType::PubAck, 1, refusal),
        (PacketType::PubRec, 2, reason),
        (PacketType::PubAck, 3, reason),
    ];
    assert_eq!(bed.sent_acknowledgements(), all);
    bed.receive(&Packet::PubRel(success(2)));
    let completed = [(PacketType::PubComp, 2, reason)];
    assert_eq!(bed.sent_acknowledgements(), completed);
}

#[test]
fn what_was_not_acknowledged_by_hand_comes_again_on_the_next_connection() {
    let mut bed = by_hand(None);
    bed.receive_publish(1, QoS::ExactlyOnce, false);
    bed.receive_publish(2, QoS::ExactlyOnce, false);
    let receipts = bed.receipts();
    let reason = ReasonCode::Success;
    bed.input(Input::Acknowledge {
        receipt: receipts[0],
        reason,
    });
    bed.connect(false, true, &PropertiesBuf::new());
    bed.outputs();
    // Too late: the answer belongs to the connection that is gone.
    bed.input(Input::Acknowledge {
        receipt: receipts[1],
        reason,
    });
    assert_eq!(bed.sent_acknowledgements(), []);
    bed.receive_publish(1, QoS::ExactlyOnce, true);
    let again = [(PacketType::PubRec, 1, reason)];
    assert_eq!(
        bed.sent_acknowledgements(),
        again,
        "it was the application's"
    );
    bed.receive_publish(2, QoS::ExactlyOnce, true);
    bed.receive_publish(2, QoS::ExactlyOnce, true);
    assert_eq!(bed.receipts().len(), 1);
    assert_eq!(bed.sent_acknowledgements(), []);
}

/// A server may begin a message anew and have another behind it that had its PUBREC, as Mosquitto 2.0.11
/// does (`MQTT-4.6.0-3`).
#[test]
fn a_repeated_message_is_answered_after_those_before_it() {
    let mut bed = by_hand(None);
    bed.receive_publish(2, QoS::ExactlyOnce, false);
    let receipt = bed.receipts()[0];
    let reason = ReasonCode::Success;
    bed.input(Input::Acknowledge { receipt, reason });
    // The first of these connections ends before the message in front was acknowledged.
    for _ in 0..2 {
        bed.connect(false, true, &PropertiesBuf::new());
        bed.outputs();
        bed.receive_publish(1, QoS::ExactlyOnce, true);
        bed.receive_publish(2, QoS::ExactlyOnce, true);
        bed.receive_publish(2, QoS::ExactlyOnce, true);
        assert_eq!(bed.sent_acknowledgements(), []);
    }
    let receipts = bed.receipts();
    assert_eq!(receipts.len(), 1, "the other one was handed over before");
    let receipt = receipts[0];
    bed.input(Input::Acknowledge { receipt, reason });
    let in_order = [1, 2].map(|number| (PacketType::PubRec, number, reason));
    assert_eq!(bed.sent_acknowledgements(), in_order);
}

#[test]
fn a_server_sends_no_more_than_waits_for_acknowledgement_by_hand() {
    let mut bed = by_hand(Some(2));
    for number in 1..=3 {
        bed.receive_publish(number, QoS::AtLeastOnce, false);
    }
    assert_eq!(bed.receipts().len(), 2);
    let mut bed = by_hand(Some(2));
    for number in 1..=3 {
        bed.receive_publish(number, QoS::AtLeastOnce, false);
    }
    let violation = columba_client::Violation::ReceiveMaximum;
    assert_eq!(bed.close_cause(), CloseCause::Violation(violation));
}

#[test]
fn an_assigned_client_id_is_used_again() {
    let mut options = SessionOptions::default();
    options.properties.session_expiry_secs = Some(60);
    let mut properties = PropertiesBuf::new();
    let id = Value::String("made-up");
    let put = properties.push(PropertyId::AssignedClientIdentifier, id);
    put.expect("a property");
    let mut bed = Bed::open(options, &properties);
    assert_eq!(bed.session.options().client_id, "made-up");
    for clean_start in [false, true] {
        bed.input(Input::TransportClosed);
        bed.input(Input::TransportOpened { clean_start });
        let mut ids = Vec::new();
        bed.sent(|packet| {
            if let Packet::Connect(connect) = packet {
                ids.push(connect.client_id.to_owned());
            }
        });
        assert_eq!(ids, ["made-up"]);
    }
    // A client with a name of its own keeps it: its session file has that one.
    let options = SessionOptions {
        client_id: "own".to_owned(),
        ..SessionOptions::default()
    };
    let bed = Bed::open(options, &properties);
    assert_eq!(bed.session.options().client_id, "own");
}

#[test]
fn a_topic_that_servers_take_amiss_is_refused_before_it_is_sent() {
    let mut bed = Bed::plain(Version::V5);
    bed.outputs();
    let control = |c| Failure::ControlCharacter(c);
    for (topic, refused) in [
        ("a\nb", control('\n')),
        ("a\u{7f}", control('\u{7f}')),
        ("\u{85}", control('\u{85}')),
        ("a/+", Failure::Topic(TopicFault::WildcardInName)),
        ("a/#/b", Failure::Topic(TopicFault::WildcardInName)),
    ] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let message = Message::new(topic, "x").with_qos(qos);
            bed.input(Input::Publish { token: 1, message });
            let failure = refused.clone();
            assert_eq!(bed.outputs(), [Output::Failed { token: 1, failure }]);
            assert_eq!(bed.sent_types(), []);
        }
    }
    let sentence = control('\n').to_string();
    assert!(sentence.contains("U+000A"), "{sentence}");
}
