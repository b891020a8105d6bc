//! What a session makes good when the server has forgotten it.

use columba_client::{Failure, Input, Message, Output, Session, SessionOptions, Subscription};
use columba_codec::packet::{Acknowledgement, ConnAck, Packet, SubAck, SubscribeOptions, UnsubAck};
use columba_codec::{Decoded, PacketId, Properties, QoS, ReasonCode, Version, decode};

struct Bed {
    session: Session,
}

impl Bed {
    fn new() -> Self {
        Self::with(SessionOptions::default())
    }

    fn with(options: SessionOptions) -> Self {
        let session = Session::new(SessionOptions {
            recovers_lost_session: true,
            ..options
        });
        Self { session }
    }

    fn connect(&mut self, session_present: bool) {
        self.input(Input::TransportOpened { clean_start: false });
        self.sent();
        self.receive(&Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }));
    }

    fn input(&mut self, input: Input<'_>) {
        self.session.handle(0, input);
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).expect("encodes");
        self.input(Input::Received(&bytes));
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    /// Every packet that was sent: its name, its packet id, and filter or payload.
    fn sent(&mut self) -> Vec<(&'static str, Option<PacketId>, String)> {
        let mut bytes = Vec::new();
        self.session.transmit(&mut bytes);
        let mut rest = bytes.as_slice();
        let mut sent = Vec::new();
        while !rest.is_empty() {
            let Ok(Decoded::Packet(packet, len)) = decode(rest, Version::V5, u32::MAX) else {
                panic!("the client sends whole packets");
            };
            rest = &rest[len..];
            sent.push(match packet {
                Packet::Subscribe(subscribe) => {
                    let filters = subscribe.filters.iter().map(|(filter, _)| filter);
                    let names = filters.collect::<Vec<_>>().join(" ");
                    ("SUBSCRIBE", Some(subscribe.packet_id), names)
                }
                Packet::Publish(publish) => {
                    assert!(!publish.dup, "a new session knows no earlier attempt");
                    let payload = String::from_utf8_lossy(publish.payload).into_owned();
                    ("PUBLISH", publish.packet_id, payload)
                }
                Packet::Unsubscribe(unsubscribe) => {
                    ("UNSUBSCRIBE", Some(unsubscribe.packet_id), String::new())
                }
                _ => ("other", None, String::new()),
            });
        }
        sent
    }

    fn subscribe(&mut self, token: u64, filter: &str) {
        let subscription = Subscription {
            filters: vec![(
                filter.to_owned(),
                SubscribeOptions::from_qos(QoS::AtLeastOnce),
            )],
            ..Subscription::default()
        };
        self.input(Input::Subscribe {
            token,
            subscription,
        });
    }

    /// Answers every SUBSCRIBE that was sent, and returns their filters.
    fn grant(&mut self, code: ReasonCode) -> Vec<String> {
        let mut filters = Vec::new();
        for (name, packet_id, filter) in self.sent() {
            if name == "SUBSCRIBE" {
                filters.push(filter);
                self.suback(packet_id.expect("SUBSCRIBE has an id"), code);
            }
        }
        filters
    }

    fn suback(&mut self, packet_id: PacketId, code: ReasonCode) {
        self.receive(&Packet::SubAck(SubAck {
            packet_id,
            properties: Properties::EMPTY,
            codes: &[code as u8],
        }));
    }

    fn publish(&mut self, token: u64, qos: QoS) {
        let message = Message::new("topic", token.to_string()).with_qos(qos);
        self.input(Input::Publish { token, message });
    }
}

#[test]
fn subscriptions_are_asked_for_again_only_if_the_server_lost_them() {
    let mut bed = Bed::new();
    bed.connect(false);
    bed.subscribe(1, "a/#");
    bed.subscribe(2, "b");
    assert_eq!(bed.grant(ReasonCode::Success), ["a/#", "b"]);
    bed.subscribe(3, "forbidden");
    assert_eq!(bed.grant(ReasonCode::NotAuthorized), ["forbidden"]);
    bed.connect(true);
    assert_eq!(bed.grant(ReasonCode::Success), [""; 0]);
    bed.connect(false);
    let before = bed.outputs().len();
    assert!(before > 0);
    assert_eq!(bed.grant(ReasonCode::Success), ["a/#", "b"]);
    let again = |output: &Output| matches!(output, Output::Resubscribed { .. });
    assert_eq!(
        bed.outputs().iter().filter(|output| again(output)).count(),
        2
    );
}

#[test]
fn what_was_lost_while_asking_again_is_asked_for_even_if_the_session_goes_on() {
    let mut bed = Bed::new();
    bed.connect(false);
    bed.subscribe(1, "a");
    bed.grant(ReasonCode::Success);
    bed.connect(false);
    assert_eq!(bed.sent().len(), 1);
    // The SUBSCRIBE may not have arrived, and this session is the one that lacks it.
    bed.connect(true);
    assert_eq!(bed.grant(ReasonCode::Success), ["a"]);
}

#[test]
fn a_refusal_of_the_second_time_ends_the_subscription_with_a_word() {
    let mut bed = Bed::new();
    bed.connect(false);
    bed.subscribe(1, "a");
    bed.grant(ReasonCode::Success);
    bed.connect(false);
    bed.grant(ReasonCode::NotAuthorized);
    let told = bed.outputs().into_iter().any(|output| match output {
        Output::Resubscribed { filters, answer } => {
            filters == ["a"] && answer.codes == [ReasonCode::NotAuthorized]
        }
        _ => false,
    });
    assert!(told);
    bed.connect(false);
    assert_eq!(bed.grant(ReasonCode::Success), [""; 0]);
}

#[test]
fn an_unsubscribed_filter_never_comes_back() {
    let mut bed = Bed::new();
    bed.connect(false);
    bed.subscribe(1, "a");
    // UNSUBSCRIBE goes out before SUBACK has come.
    bed.input(Input::Unsubscribe {
        token: 2,
        filters: vec!["a".to_owned()],
        user_properties: Vec::new(),
    });
    let sent = bed.sent();
    let [
        ("SUBSCRIBE", Some(subscribe), _),
        ("UNSUBSCRIBE", Some(unsubscribe), _),
    ] = sent[..]
    else {
        panic!("unexpected {sent:?}");
    };
    bed.suback(subscribe, ReasonCode::Success);
    bed.receive(&Packet::UnsubAck(UnsubAck {
        packet_id: unsubscribe,
        properties: Properties::EMPTY,
        codes: &[0],
    }));
    bed.connect(false);
    assert_eq!(bed.grant(ReasonCode::Success), [""; 0]);
    assert!(bed.session.is_idle());
}

#[test]
fn a_subscribe_waits_for_the_connection_and_survives_its_loss() {
    let mut bed = Bed::new();
    bed.subscribe(7, "a");
    assert_eq!(bed.outputs(), []);
    bed.connect(false);
    assert_eq!(bed.sent().len(), 1);
    bed.connect(false);
    assert_eq!(bed.grant(ReasonCode::Success), ["a"]);
    let outputs = bed.outputs();
    let mine = |output: &&Output| matches!(output, Output::Subscribed { token: 7, .. });
    assert_eq!(outputs.iter().filter(mine).count(), 1);
}

#[test]
fn remembered_subscriptions_have_a_limit() {
    let mut bed = Bed::with(SessionOptions {
        subscriptions_max: 3,
        ..SessionOptions::default()
    });
    bed.subscribe(1, "a");
    bed.connect(false);
    bed.grant(ReasonCode::Success);
    bed.subscribe(2, "b");
    bed.grant(ReasonCode::Success);
    bed.subscribe(3, "c");
    bed.outputs();
    bed.subscribe(4, "d");
    let failure = Failure::TooManySubscriptions(2);
    assert_eq!(bed.outputs(), [Output::Failed { token: 4, failure }]);
    // One that is there already takes no more room.
    bed.grant(ReasonCode::Success);
    bed.subscribe(5, "a");
    assert_eq!(bed.grant(ReasonCode::Success), ["a"]);
}

#[test]
fn unanswered_messages_go_again_at_qos_1_and_are_unknown_at_qos_2() {
    let mut bed = Bed::new();
    bed.connect(false);
    bed.publish(1, QoS::AtLeastOnce);
    bed.publish(2, QoS::ExactlyOnce);
    bed.publish(3, QoS::AtLeastOnce);
    bed.sent();
    bed.connect(false);
    let payloads = bed.sent().into_iter().map(|(_, _, payload)| payload);
    assert_eq!(payloads.collect::<Vec<_>>(), ["1", "3"]);
    let failure = Failure::SessionLost;
    assert!(
        bed.outputs()
            .contains(&Output::Failed { token: 2, failure })
    );
    assert_eq!(bed.session.unfinished_messages(), 2);
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let mut bed = Bed::new();
    for filter in ["a", "b/#"] {
        bed.subscribe(0, filter);
    }
    let mut sizes = Vec::new();
    for round in 0..10_000_u64 {
        bed.connect(round % 3 == 0);
        bed.publish(round, QoS::AtLeastOnce);
        for (name, packet_id, _) in bed.sent() {
            match (name, packet_id) {
                ("SUBSCRIBE", Some(packet_id)) => bed.suback(packet_id, ReasonCode::Success),
                ("PUBLISH", Some(packet_id)) => {
                    bed.receive(&Packet::PubAck(Acknowledgement::success(packet_id)));
                }
                _ => {}
            }
        }
        bed.outputs();
        assert!(bed.session.is_idle());
        sizes.push(format!("{:?}", bed.session).len());
    }
    // Everything that the session holds is in its Debug text; numbers in it may grow by a digit.
    let (early, late) = (sizes[10], sizes[9_999]);
    assert!(late <= early + 32, "{early} bytes of text became {late}");
}
