//! The driver against real servers: Debian's Mosquitto, Aedes, NATS and rumqttd, which read the standard in their
//! own ways, and Columba.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests of the driver start real servers with files and ports of their own"
)]

mod authentication;
mod columba;
mod cutter;
mod exactly_once;
mod foreign;
mod lasting;
mod mosquitto;
mod requests;
mod secure;
mod trace;
mod turmoil;

use std::time::Duration;

use columba_client::driver::{
    Address, Client, ConnectError, ConnectOptions, Ended, Event, Events, TlsOptions,
};
use columba_client::{
    CloseCause, Incoming, Message, MessageProperties, SessionOptions, Subscription, Will,
};
use columba_codec::packet::SubscribeOptions;
use columba_codec::{QoS, ReasonCode, Version};

use mosquitto::Mosquitto;

/// No answer of a local server takes this long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test that fails in place of standing still, whatever it waits for.
async fn in_time(test: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(PATIENCE * 3, test).await;
    ended.expect("the test comes to its end");
}

const ALL_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Options for a server on this machine.
fn options(port: u16, version: Version, client_id: &str) -> ConnectOptions {
    let address = Address::Network {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        websocket_path: None,
    };
    let client_id = client_id.to_owned();
    ConnectOptions::new(
        address,
        SessionOptions {
            version,
            client_id,
            ..SessionOptions::default()
        },
    )
}

async fn subscribe(client: &Client, filter: &str, qos: QoS) -> Vec<ReasonCode> {
    let filters = vec![(filter.to_owned(), SubscribeOptions::from_qos(qos))];
    let subscription = Subscription {
        filters,
        ..Subscription::default()
    };
    client
        .subscribe(subscription)
        .await
        .expect("an answer")
        .codes
}

/// Publishes what the server takes.
async fn publish(client: &Client, message: Message) {
    let answer = client.publish(message).await.expect("an answer");
    answer.into_result().expect("not refused");
}

async fn next(events: &mut Events) -> Event {
    let event = tokio::time::timeout(PATIENCE, events.next()).await;
    event
        .expect("an event in time")
        .expect("an event before the end")
}

async fn message(events: &mut Events) -> Incoming {
    match next(events).await {
        Event::Message(incoming) => *incoming,
        other => panic!("expected a message, got {other:?}"),
    }
}

async fn ended(events: &mut Events) -> Ended {
    match next(events).await {
        Event::Ended(ended) => *ended,
        other => panic!("expected the end, got {other:?}"),
    }
}

async fn leave(client: &Client) {
    assert_eq!(client.disconnect(ReasonCode::Success, PATIENCE).await, 0);
}

#[tokio::test]
async fn every_version_delivers_at_every_qos_in_order() {
    in_time(async {
        let server = Mosquitto::start().await;
        for version in Version::ALL {
            let (subscriber, mut events) = server.connect(version, "subscriber").await;
            subscribe(&subscriber, "a/+", QoS::ExactlyOnce).await;
            let (publisher, _events) = server.connect(version, "publisher").await;
            for qos in ALL_QOS {
                for number in 0..200u8 {
                    let answer = publisher
                        .publish(Message::new("a/b", [number]).with_qos(qos))
                        .await;
                    assert!(!answer.expect("an answer").reason.is_error());
                }
                for number in 0..200u8 {
                    let incoming = message(&mut events).await;
                    assert_eq!(
                        (incoming.message.payload, incoming.message.qos),
                        (vec![number], qos)
                    );
                }
            }
            leave(&publisher).await;
            leave(&subscriber).await;
            assert_eq!(ended(&mut events).await.cause, CloseCause::Requested);
        }
    })
    .await;
}

#[tokio::test]
async fn many_messages_in_flight_all_arrive_and_disconnect_waits_for_them() {
    in_time(async {
        let server = Mosquitto::start().await;
        let (subscriber, mut events) = server.connect(Version::V5, "subscriber").await;
        subscribe(&subscriber, "load", QoS::AtLeastOnce).await;
        let (publisher, _events) = server.connect(Version::V5, "publisher").await;
        let published = tokio::spawn(async move {
            for number in 0..5_000u32 {
                let message = Message::new("load", number.to_be_bytes()).with_qos(QoS::AtLeastOnce);
                drop(publisher.start_publish(message).await.expect("room"));
            }
            leave(&publisher).await;
        });
        for number in 0..5_000u32 {
            assert_eq!(
                message(&mut events).await.message.payload,
                number.to_be_bytes()
            );
        }
        published.await.expect("all published");
    })
    .await;
}

#[tokio::test]
async fn a_retained_message_comes_with_retain() {
    in_time(async {
        let server = Mosquitto::start().await;
        let (client, mut events) = server.connect(Version::V311, "client").await;
        let lamp = Message::new("lamp", "on")
            .retained()
            .with_qos(QoS::AtLeastOnce);
        publish(&client, lamp).await;
        subscribe(&client, "lamp", QoS::AtMostOnce).await;
        let incoming = message(&mut events).await;
        assert!(incoming.message.retain);
        assert_eq!(incoming.message.payload, b"on");
    })
    .await;
}

#[tokio::test]
async fn the_will_is_published_when_the_client_asks_for_it() {
    in_time(async {
        // MQTT-3.14.4-3 and reason code 0x04
        let server = Mosquitto::start().await;
        let (watcher, mut events) = server.connect(Version::V5, "watcher").await;
        subscribe(&watcher, "wills/#", QoS::AtLeastOnce).await;
        let mut options = server.options(Version::V5, "mortal");
        options.session.will = Some(Will {
            message: Message::new("wills/mortal", "gone"),
            delay_secs: None,
        });
        let (mortal, _events) = Client::connect(options).await.expect("connects");
        mortal
            .disconnect(ReasonCode::DisconnectWithWill, PATIENCE)
            .await;
        assert_eq!(message(&mut events).await.message.payload, b"gone");
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_delivers_what_came_meanwhile() {
    in_time(async {
        let server = Mosquitto::start().await;
        for version in [Version::V311, Version::V5] {
            let client_id = format!("sleeper-{version}");
            let mut options = server.options(version, &client_id);
            options.clean_start = false;
            if version == Version::V5 {
                options.session.properties.session_expiry_secs = Some(600);
            }
            let (sleeper, mut events) = Client::connect(options.clone()).await.expect("connects");
            assert!(!sleeper.accepted().session_present);
            subscribe(&sleeper, "news", QoS::ExactlyOnce).await;
            leave(&sleeper).await;
            let session = ended(&mut events).await.session;
            let (publisher, _events) = server.connect(version, "publisher").await;
            for payload in ["one", "two"] {
                let news = Message::new("news", payload).with_qos(QoS::ExactlyOnce);
                publish(&publisher, news).await;
            }
            let (sleeper, mut events) = Client::resume(options, session).await.expect("connects");
            assert!(sleeper.accepted().session_present);
            assert_eq!(message(&mut events).await.message.payload, b"one");
            assert_eq!(message(&mut events).await.message.payload, b"two");
            leave(&sleeper).await;
        }
    })
    .await;
}

#[tokio::test]
async fn properties_travel_with_a_message() {
    in_time(async {
        let server = Mosquitto::start().await;
        for identifiers in properties_travel(server.options(Version::V5, "client")).await {
            assert_eq!(identifiers, [7]);
        }
    })
    .await;
}

/// Publishes two messages with every property to a server that has to send them back as they are, and gives
/// back with which Subscription Identifiers they came.
async fn properties_travel(mut options: ConnectOptions) -> Vec<Vec<u32>> {
    options.session.properties.topic_alias_maximum = Some(10);
    options.session.outgoing_topic_aliases_max = 10;
    let (client, mut events) = Client::connect(options).await.expect("connects");
    let mut subscription = Subscription::to("p", QoS::AtLeastOnce);
    subscription.identifier = Some(7);
    client
        .subscribe(subscription)
        .await
        .expect("granted")
        .into_result()
        .expect("not refused");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let properties = MessageProperties {
        payload_is_utf8: Some(true),
        message_expiry_secs: None,
        content_type: Some("text/plain".to_owned()),
        response_topic: Some("answer".to_owned()),
        correlation_data: Some(vec![0, 1, 2]),
        user_properties: vec![pair("a", "1"), pair("b", "2"), pair("a", "3")],
    };
    let mut identifiers = Vec::new();
    // The second one goes out under the topic alias of the first, if the server takes any.
    for payload in ["first", "second"] {
        let mut sent = Message::new("p", payload).with_qos(QoS::AtLeastOnce);
        sent.properties = properties.clone();
        publish(&client, sent.clone()).await;
        let incoming = message(&mut events).await;
        assert_eq!(incoming.message, sent);
        identifiers.push(incoming.subscription_identifiers);
    }
    identifiers
}

#[tokio::test]
async fn refusals_are_answers_and_events() {
    in_time(async {
        let server = Mosquitto::start_with(|port, directory| {
            let rules = directory.join("acl");
            std::fs::write(&rules, "topic read open/#\n").expect("a file with rules");
            let rules = rules.display();
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {rules}\n")
        })
        .await;
        let (client, mut events) = server.connect(Version::V5, "client").await;
        let secret = Message::new("secret", "x").with_qos(QoS::AtLeastOnce);
        let answer = client.publish(secret.clone()).await.expect("an answer");
        assert_eq!(answer.reason, ReasonCode::NotAuthorized);
        drop(client.start_publish(secret).await.expect("room"));
        match next(&mut events).await {
            Event::Unanswered(warning) => {
                assert!(warning.to_string().contains("Not authorized"), "{warning}")
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_says_why() {
    in_time(async {
        let server = Mosquitto::start_with(|port, _| {
            format!("listener {port} 127.0.0.1\nallow_anonymous false\n")
        })
        .await;
        for version in Version::ALL {
            match Client::connect(server.options(version, "client")).await {
                Err(ConnectError::Mqtt(CloseCause::Refused { answer, .. })) => {
                    assert_eq!(answer.reason, ReasonCode::NotAuthorized);
                }
                other => panic!("expected a refusal, got {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_taken_over_session_ends_with_an_event() {
    in_time(async {
    // MQTT-3.1.4-3
    let server = Mosquitto::start().await;
    let (_first, mut events) = server.connect(Version::V5, "same").await;
    let (_second, _events) = server.connect(Version::V5, "same").await;
    let cause = ended(&mut events).await.cause;
    // Mosquitto 2.0 closes without the DISCONNECT of MQTT 5 in some of its releases.
    assert!(
        matches!(&cause, CloseCause::ByServer(answer) if answer.reason == ReasonCode::SessionTakenOver)
            || cause == CloseCause::Lost,
        "{cause}"
    );
}).await;
}

#[tokio::test]
async fn a_server_that_dies_fails_what_waits() {
    in_time(async {
        let mut server = Mosquitto::start().await;
        let (client, mut events) = server.connect(Version::V311, "client").await;
        server.process.kill().expect("killed");
        assert_eq!(ended(&mut events).await.cause, CloseCause::Lost);
        let failed = client
            .publish(Message::new("a", "b").with_qos(QoS::AtLeastOnce))
            .await;
        assert!(failed.is_err());
    })
    .await;
}

#[tokio::test]
async fn unix_sockets_and_websockets_carry_mqtt() {
    in_time(async {
        // Started by root, Mosquitto becomes another user that cannot write here, unless told not to.
        let server = Mosquitto::start_with(|port, directory| {
            let socket = directory.join("socket");
            let socket = socket.display();
            format!(
                "listener {port} 127.0.0.1\nprotocol websockets\nlistener 0 {socket}\n\
             allow_anonymous true\nuser root\n"
            )
        })
        .await;
        let mut options = server.options(Version::V5, "over-websocket");
        if let Address::Network { websocket_path, .. } = &mut options.address {
            *websocket_path = Some("/mqtt".to_owned());
        }
        let (receiver, mut events) = Client::connect(options.clone()).await.expect("connects");
        subscribe(&receiver, "x", QoS::AtLeastOnce).await;
        options.address = Address::Unix(server.directory.path().join("socket"));
        options.session.client_id = "over-unix".to_owned();
        let (sender, _events) = Client::connect(options).await.expect("connects");
        let large = Message::new("x", vec![7; 60_000]).with_qos(QoS::AtLeastOnce);
        publish(&sender, large).await;
        assert_eq!(message(&mut events).await.message.payload.len(), 60_000);
        leave(&receiver).await;
    })
    .await;
}
