//! Connections that come back, through a network that cuts them at random places.

use columba_client::driver::{LastingEvent, LastingEvents, Messages, Reconnect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Passes bytes on to a server, and cuts its first connections after a random number of them.
struct Cutter {
    port: u16,
}

impl Cutter {
    async fn start(server_port: u16, mut seed: u64, cuts: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        tokio::spawn(async move {
            for at in 0.. {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bytes = if at < cuts {
                    usize::try_from(seed >> 33).expect("31 bits") % 1500 + 20
                } else {
                    usize::MAX
                };
                tokio::spawn(pass(client, server_port, bytes));
            }
        });
        Self { port }
    }
}

/// Passes `bytes` bytes of both directions together, and drops the connection.
async fn pass(mut client: tokio::net::TcpStream, server_port: u16, bytes: usize) {
    let server = tokio::net::TcpStream::connect(("127.0.0.1", server_port)).await;
    let Ok(mut server) = server else { return };
    let mut left = bytes;
    let (mut up, mut down) = ([0; 512], [0; 512]);
    while left > 0 {
        let done = tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(len) if len > 0 => {
                    let passed = len.min(left);
                    left -= passed;
                    server.write_all(&up[..passed]).await.is_err()
                }
                _ => true,
            },
            read = server.read(&mut down) => match read {
                Ok(len) if len > 0 => {
                    let passed = len.min(left);
                    left -= passed;
                    client.write_all(&down[..passed]).await.is_err()
                }
                _ => true,
            },
        };
        if done {
            return;
        }
    }
}

fn at_once() -> Reconnect {
    Reconnect {
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(4),
        jitter_seed: Some(1),
        ..Reconnect::default()
    }
}

/// Connects through a network that may cut the first attempts too.
async fn connect(options: &ConnectOptions) -> (Client, LastingEvents) {
    for _ in 0..100 {
        if let Ok(connected) = Client::connect_lasting(options.clone(), at_once()).await {
            return connected;
        }
    }
    panic!("no connection in a hundred attempts");
}

async fn next(messages: &mut Messages) -> String {
    let message = tokio::time::timeout(PATIENCE, messages.next()).await;
    let message = message.expect("in time").expect("the stream goes on");
    String::from_utf8(message.message.payload).expect("text")
}

fn through(server: &Mosquitto, port: u16, version: Version, client_id: &str) -> ConnectOptions {
    let mut options = server.options(version, client_id);
    if let Address::Network { port: to, .. } = &mut options.address {
        *to = port;
    }
    options.clean_start = false;
    if version == Version::V5 {
        options.session.properties.session_expiry_secs = Some(3600);
    }
    options
}

fn to(filter: &str, qos: QoS) -> Subscription {
    let options = SubscribeOptions::from_qos(qos);
    Subscription {
        filters: vec![(filter.to_owned(), options)],
        ..Subscription::default()
    }
}

#[tokio::test]
async fn qos_2_is_exactly_once_through_cuts_with_mqtt_5() {
    exactly_once(11, Version::V5, 64, false).await;
}

// Mosquitto handles 20 incoming messages at a time. It announces that with MQTT 5; MQTT 3 has no way
// to, and there this test keeps to it by itself.
#[tokio::test]
async fn qos_2_is_exactly_once_through_cuts_with_mqtt_3() {
    exactly_once(12, Version::V311, 20, false).await;
}

#[tokio::test]
async fn one_message_at_a_time_keeps_its_order_through_cuts() {
    exactly_once(13, Version::V5, 1, true).await;
}

async fn exactly_once(seed: u64, version: Version, inflight_messages_max: u16, in_order: bool) {
    const MESSAGES: usize = 150;
    let server = Mosquitto::start().await;
    let cutter = Cutter::start(server.port, seed, 40).await;
    let receiver = through(&server, cutter.port, version, "receiver");
    let (receiver, receiver_events) = connect(&receiver).await;
    drop(receiver_events);
    let subscribed = receiver.subscribe_stream(to("x/#", QoS::ExactlyOnce), 4);
    let (_, mut messages) = subscribed.await.expect("subscribes");
    let mut sender = through(&server, cutter.port, version, "sender");
    sender.session.inflight_messages_max = inflight_messages_max;
    let (sender, sender_events) = connect(&sender).await;
    drop(sender_events);
    let publishing = async {
        let mut pending = Vec::new();
        for number in 0..MESSAGES {
            let message = Message::new("x/y", number.to_string());
            let message = message.with_qos(QoS::ExactlyOnce);
            pending.push(sender.start_publish(message).await.expect("queued"));
        }
        for answer in pending {
            let answer = answer.await.expect("an answer");
            assert!(!answer.reason.is_error(), "{answer:?}");
        }
    };
    let receiving = async {
        let mut numbers = Vec::new();
        for _ in 0..MESSAGES {
            numbers.push(
                next(&mut messages)
                    .await
                    .parse::<usize>()
                    .expect("a number"),
            );
        }
        if in_order {
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    };
    tokio::time::timeout(PATIENCE * 2, async { tokio::join!(publishing, receiving) })
        .await
        .expect("all messages in time");
    assert_eq!(sender.disconnect(ReasonCode::Success, PATIENCE).await, 0);
    // Anything twice would come before this one.
    let last = Message::new("x/y", "last").with_qos(QoS::ExactlyOnce);
    let straight = server.options(version, "straight");
    let (straight, _events) = Client::connect(straight).await.expect("connects");
    straight.publish(last).await.expect("taken");
    assert_eq!(next(&mut messages).await, "last");
    receiver.disconnect(ReasonCode::Success, PATIENCE).await;
}

#[tokio::test]
async fn a_server_without_memory_is_asked_for_subscriptions_again() {
    let server = Mosquitto::start().await;
    let options = server.options(Version::V311, "forgotten");
    let (client, mut events) = Client::connect_lasting(options.clone(), at_once())
        .await
        .expect("connects");
    let subscribed = client.subscribe_stream(to("x", QoS::AtLeastOnce), 4);
    let (_, mut messages) = subscribed.await.expect("subscribes");
    // Another client with the same id throws this one out; it leaves, and both sides forget.
    let (other, mut other_events) = Client::connect(options).await.expect("connects");
    let mut was_told = false;
    loop {
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(LastingEvent::Disconnected { .. })) => was_told = true,
            Ok(Some(LastingEvent::Connected(accepted))) => {
                assert!(!accepted.session_present);
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(was_told);
    drop(other);
    while other_events.next().await.is_some() {}
    let message = Message::new("x", "hello").with_qos(QoS::AtLeastOnce);
    client.publish(message).await.expect("taken");
    assert_eq!(next(&mut messages).await, "hello");
    client.disconnect(ReasonCode::Success, PATIENCE).await;
}

#[tokio::test]
async fn leaving_while_the_server_is_gone_ends_in_time_and_says_what_is_left() {
    let server = Mosquitto::start().await;
    let mut options = server.options(Version::V5, "leaves");
    options.session.backlog_messages_max = 1;
    let (client, mut events) = Client::connect_lasting(options, at_once())
        .await
        .expect("connects");
    drop(server);
    loop {
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(LastingEvent::Disconnected { .. })) => break,
            Ok(Some(_)) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    drop(events);
    // The second fills the queue behind a full backlog, where an orderly goodbye waits as well.
    for number in 0..2 {
        let message = Message::new("x", number.to_string()).with_qos(QoS::AtLeastOnce);
        client.start_publish(message).await.expect("queued");
    }
    let left = client.disconnect(ReasonCode::Success, Duration::from_millis(20));
    let left = tokio::time::timeout(PATIENCE, left).await.expect("in time");
    assert_eq!(left, 1);
}
