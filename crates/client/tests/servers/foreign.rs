//! Aedes, NATS and rumqttd: what they do as the standard says, and what they do not.

pub(crate) mod programs;

use columba_client::Failure;
use columba_client::driver::LastingEvent;

use crate::lasting::at_once;
use crate::*;
use programs::{Broker, Kind};

const ALL: [Kind; 4] = [Kind::Aedes, Kind::Nats, Kind::Rumqttd3, Kind::Rumqttd5];

impl Kind {
    /// How often to look whether a retained message is there: NATS acknowledges it before it is.
    const fn attempts(self) -> usize {
        match self {
            Self::Nats | Self::NatsAfterASecond | Self::NatsWithoutQos2 => 20,
            _ => 1,
        }
    }

    fn versions(self) -> &'static [Version] {
        match self {
            Self::Aedes => &[Version::V31, Version::V311],
            Self::Nats | Self::NatsAfterASecond | Self::NatsWithoutQos2 => &[Version::V311],
            Self::Rumqttd3 => &[Version::V311],
            Self::Rumqttd5 => &[Version::V5],
        }
    }

    /// The QoS of a message that was published at `qos` to a subscription at QoS 2.
    fn delivers_at(self, qos: QoS) -> QoS {
        match self {
            Self::Aedes | Self::Nats | Self::NatsAfterASecond | Self::NatsWithoutQos2 => qos,
            // Against MQTT-3.8.4-8.
            Self::Rumqttd3 | Self::Rumqttd5 => QoS::ExactlyOnce,
        }
    }

    /// The newest.
    fn version(self) -> Version {
        *self.versions().last().expect("each has one")
    }
}

async fn connect(broker: &Broker, version: Version, client_id: &str) -> (Client, Events) {
    let connected = Client::connect(options(broker.port, version, client_id)).await;
    connected.expect("connects")
}

#[tokio::test]
async fn messages_arrive_at_every_qos_in_order() {
    in_time(async {
        for kind in ALL {
            let broker = Broker::start(kind).await;
            for version in kind.versions() {
                let (subscriber, mut events) = connect(&broker, *version, "subscriber").await;
                subscribe(&subscriber, "a/+", QoS::ExactlyOnce).await;
                let (publisher, _events) = connect(&broker, *version, "publisher").await;
                for qos in ALL_QOS {
                    for number in 0..100_u8 {
                        let payload = vec![number; usize::from(number) * 200];
                        let message = Message::new("a/b", payload).with_qos(qos);
                        let answer = publisher.publish(message).await.expect("an answer");
                        assert!(!answer.reason.is_error());
                    }
                    for number in 0..100_u8 {
                        let incoming = message(&mut events).await.message;
                        let expected = (usize::from(number) * 200, kind.delivers_at(qos));
                        assert_eq!((incoming.payload.len(), incoming.qos), expected, "{kind:?}");
                    }
                }
                leave(&publisher).await;
                leave(&subscriber).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn retained_messages_are_kept_and_removed() {
    in_time(async {
        for kind in ALL {
            let broker = Broker::start(kind).await;
            let (publisher, _events) = connect(&broker, kind.version(), "publisher").await;
            // A client that leaves may make rumqttd throw out the next one, see below.
            let mut readers = Vec::new();
            for payload in ["on", ""] {
                let lamp = Message::new("lamp", payload).retained();
                let lamp = lamp.with_qos(QoS::AtLeastOnce);
                publish(&publisher, lamp).await;
                let mut incoming = None;
                for attempt in 0..kind.attempts() {
                    let client_id = format!("reader{}-{attempt}", payload.len());
                    let (reader, mut events) = connect(&broker, kind.version(), &client_id).await;
                    subscribe(&reader, "#", QoS::AtLeastOnce).await;
                    let end = Message::new("end", "").with_qos(QoS::AtLeastOnce);
                    publish(&publisher, end).await;
                    let came = message(&mut events).await.message;
                    readers.push((reader, events));
                    let is_kept = came.retain;
                    incoming = Some(came);
                    if is_kept != payload.is_empty() {
                        break;
                    }
                }
                let incoming = incoming.expect("an attempt");
                if payload.is_empty() {
                    assert_eq!(incoming.topic, "end", "{kind:?}");
                } else {
                    assert!(incoming.retain, "{kind:?}");
                    assert_eq!(incoming.payload, b"on");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_will_is_published_when_the_client_is_gone_without_a_word() {
    in_time(async {
        for kind in ALL {
            let broker = Broker::start(kind).await;
            let (watcher, mut events) = connect(&broker, kind.version(), "watcher").await;
            subscribe(&watcher, "wills/#", QoS::AtLeastOnce).await;
            let mut options = options(broker.port, kind.version(), "mortal");
            options.session.will = Some(Will {
                message: Message::new("wills/mortal", "gone").with_qos(QoS::AtLeastOnce),
                delay_secs: None,
            });
            let (mortal, _events) = Client::connect(options).await.expect("connects");
            mortal.abandon().await;
            let incoming = message(&mut events).await;
            assert_eq!(incoming.message.payload, b"gone", "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_delivers_what_came_meanwhile() {
    in_time(async {
        for kind in ALL {
            let broker = Broker::start(kind).await;
            let (publisher, _events) = connect(&broker, kind.version(), "publisher").await;
            let mut options = options(broker.port, kind.version(), "sleeper");
            options.clean_start = false;
            if kind.version() == Version::V5 {
                options.session.properties.session_expiry_secs = Some(600);
            }
            let (sleeper, mut events) = Client::connect(options.clone()).await.expect("connects");
            subscribe(&sleeper, "news/#", QoS::ExactlyOnce).await;
            leave(&sleeper).await;
            let session = ended(&mut events).await.session;
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let news = Message::new("news/x", qos.as_u8().to_string()).with_qos(qos);
                publish(&publisher, news).await;
            }
            // rumqttd 0.20 hears twice of the end of a connection that ends with DISCONNECT, and closes the one that
            // has its place by then; so this one may have to come back.
            let resumed = Client::resume_lasting(options, at_once(), session).await;
            let (sleeper, mut events) = resumed.expect("connects");
            assert!(sleeper.accepted().session_present, "{kind:?}");
            let mut payloads = std::collections::BTreeSet::new();
            while payloads.len() < 2 {
                let event = events.next().await.expect("it goes on");
                if let LastingEvent::Message(incoming) = event {
                    payloads.insert(incoming.message.payload);
                }
            }
            assert!(payloads.iter().eq([b"1", b"2"]), "{kind:?}");
            leave(&sleeper).await;
        }
    })
    .await;
}

#[tokio::test]
async fn properties_travel_through_rumqttd() {
    in_time(async {
        let broker = Broker::start(Kind::Rumqttd5).await;
        let options = options(broker.port, Version::V5, "client");
        for identifiers in properties_travel(options).await {
            assert_eq!(identifiers, [7]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_without_mqtt_5_is_named_as_one() {
    in_time(async {
        // rumqttd closes the connection without a word.
        let doubt = "has this version of MQTT";
        let refusal = "choose another protocol version";
        for (kind, advice) in [
            (Kind::Aedes, refusal),
            (Kind::Nats, refusal),
            (Kind::Rumqttd3, doubt),
        ] {
            let broker = Broker::start(kind).await;
            let connected = Client::connect(options(broker.port, Version::V5, "new")).await;
            let error = connected.expect_err("it has MQTT 5 now").to_string();
            assert!(error.contains(advice), "{error}");
        }
    })
    .await;
}

/// It closes the connection over the first message at QoS 2.
#[tokio::test]
async fn a_server_without_qos_2_is_named_as_one() {
    in_time(async {
        let broker = Broker::start(Kind::NatsWithoutQos2).await;
        let (client, mut events) = connect(&broker, Version::V311, "client").await;
        let granted = subscribe(&client, "x", QoS::ExactlyOnce).await;
        assert_eq!(granted, [ReasonCode::GrantedQos1]);
        let sent = client.publish(Message::new("x", "").with_qos(QoS::ExactlyOnce));
        assert_eq!(sent.await, Err(Failure::ConnectionLost));
        match next(&mut events).await {
            Event::Unanswered(sentence) => assert!(
                matches!(sentence, columba_client::driver::Warning::NoQos2),
                "{sentence}"
            ),
            other => panic!("expected a doubt, got {other:?}"),
        }
        assert_eq!(ended(&mut events).await.cause, CloseCause::Lost);
    })
    .await;
}

/// A server that is known to have QoS 2 is not doubted when it dies.
#[tokio::test]
async fn a_server_with_qos_2_is_not_doubted() {
    in_time(async {
        let broker = Broker::start(Kind::Nats).await;
        let (client, mut events) = connect(&broker, Version::V311, "client").await;
        let message = || Message::new("x", "").with_qos(QoS::ExactlyOnce);
        publish(&client, message()).await;
        let _unanswered = client.start_publish(message()).await.expect("queued");
        drop(broker);
        assert_eq!(ended(&mut events).await.cause, CloseCause::Lost);
    })
    .await;
}

/// A faulty reading of `MQTT-v311-3.2.2-2`: a session without subscriptions is none to it, and a client
/// that only publishes hears that its messages at QoS 2 are unknown.
#[tokio::test]
async fn aedes_knows_a_session_again_only_by_its_subscriptions() {
    in_time(async {
        let broker = Broker::start(Kind::Aedes).await;
        let mut options = options(broker.port, Version::V311, "kept");
        options.clean_start = false;
        for (subscribes, is_known) in [(false, false), (true, false), (false, true)] {
            let (client, _events) = Client::connect(options.clone()).await.expect("connects");
            assert_eq!(client.accepted().session_present, is_known);
            if subscribes {
                subscribe(&client, "x", QoS::AtLeastOnce).await;
            }
            leave(&client).await;
        }
    })
    .await;
}

/// Against `MQTT-v311-4.4.0-1` and the order of messages: what was on its way when the connection was lost comes
/// only after `ack_wait`, which is 30 s unless set.
#[tokio::test]
async fn nats_sends_later_messages_before_those_of_a_lost_connection() {
    in_time(async {
        let broker = Broker::start(Kind::Nats).await;
        let mut options = options(broker.port, Version::V311, "receiver");
        options.clean_start = false;
        options.session.acknowledges_by_hand = true;
        let (receiver, mut events) = Client::connect(options.clone()).await.expect("connects");
        subscribe(&receiver, "x", QoS::AtLeastOnce).await;
        let (publisher, _events) = connect(&broker, Version::V311, "publisher").await;
        let publish = async |payload: &str| {
            let message = Message::new("x", payload).with_qos(QoS::AtLeastOnce);
            publish(&publisher, message).await;
        };
        publish("first").await;
        assert_eq!(message(&mut events).await.message.payload, b"first");
        receiver.abandon().await;
        let session = ended(&mut events).await.session;
        let (_receiver, mut events) = Client::resume(options, session).await.expect("connects");
        publish("second").await;
        assert_eq!(message(&mut events).await.message.payload, b"second");
    })
    .await;
}
