//! An application that keeps the events of its connection and does not take them.

use std::time::Duration;

use columba_client::driver::{
    Address, Client, ConnectOptions, Event, LastingEvent, Reconnect, Warning,
};
use columba_client::{Message, SessionOptions, Subscription};
use columba_codec::packet::Packet;
use columba_codec::{Decoded, QoS, Version, decode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Messages of which nobody wants to know what became of them.
const FORGOTTEN: usize = 2_000;

fn options(port: u16) -> ConnectOptions {
    let session = SessionOptions {
        client_id: "client".to_owned(),
        ..SessionOptions::default()
    };
    let mut options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    options.events_max = 1;
    options
}

fn at_once() -> Reconnect {
    Reconnect {
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(4),
        ..Reconnect::default()
    }
}

fn message(topic: &str) -> Message {
    Message::new(topic, "x").with_qos(QoS::AtLeastOnce)
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Answers the packets of one connection, until a message to `end` comes or the client is gone. Refuses
/// messages to `forbidden`.
async fn serve(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut unread = Vec::new();
    loop {
        let decoded = decode(&unread, Version::V5, u32::MAX).expect("packets");
        let Decoded::Packet(packet, len) = decoded else {
            if stream.read_buf(&mut unread).await.expect("bytes") == 0 {
                return stream;
            }
            continue;
        };
        let answer = match packet {
            Packet::Connect(_) => b"\x20\x03\0\0\0".to_vec(),
            Packet::Publish(publish) if publish.topic == "end" => return stream,
            Packet::Publish(publish) => match publish.packet_id {
                Some(id) => {
                    let code = if publish.topic == "forbidden" {
                        0x87
                    } else {
                        0
                    };
                    let id = id.get().to_be_bytes();
                    vec![0x40, 4, id[0], id[1], code, 0]
                }
                None => Vec::new(),
            },
            Packet::Subscribe(subscribe) => {
                let id = subscribe.packet_id.get().to_be_bytes();
                vec![0x90, 4, id[0], id[1], 0, 1]
            }
            _ => Vec::new(),
        };
        unread.drain(..len);
        stream.write_all(&answer).await.expect("written");
    }
}

/// Has the server refuse more than the queue of events takes.
async fn fill_events(client: &Client) {
    for _ in 0..3 {
        drop(client.start_publish(message("forbidden")).await);
    }
}

#[tokio::test]
async fn answers_are_heard_though_nobody_takes_events() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { serve(&listener).await });
    let (client, mut events) = Client::connect(options(port)).await.expect("connects");
    fill_events(&client).await;
    for _ in 0..3 {
        let published = timeout(PATIENCE, client.publish(message("x"))).await;
        let answer = published.expect("in time").expect("an answer");
        assert!(!answer.reason.is_error());
    }
    // None of so few was dropped.
    drop(client.start_publish(message("end")).await);
    drop(server.await.expect("a server"));
    let mut refused = 0;
    while let Some(event) = events.next().await {
        if let Event::Unanswered(Warning::RefusedPublish { .. }) = event {
            refused += 1;
        }
    }
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn a_stream_ends_though_nobody_takes_events() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { serve(&listener).await });
    let (client, _events) = Client::connect(options(port)).await.expect("connects");
    let subscription = Subscription::to("x", QoS::AtLeastOnce);
    let subscribed = client.subscribe_stream(subscription, 1).await;
    let (_, mut messages) = subscribed.expect("subscribes");
    fill_events(&client).await;
    drop(client.start_publish(message("end")).await);
    drop(server.await.expect("a server"));
    let next = timeout(PATIENCE, messages.next()).await;
    assert_eq!(next.expect("in time"), None);
}

/// One message at QoS 0 to each of these topics.
fn messages(topics: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for topic in topics {
        let len = u8::try_from(topic.len()).expect("short");
        bytes.extend([0x30, len + 3, 0, len]);
        bytes.extend(topic.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[tokio::test]
async fn a_stream_is_not_held_up_for_good_by_messages_that_nobody_takes() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { serve(&listener).await });
    let (client, mut events) = Client::connect(options(port)).await.expect("connects");
    let subscription = Subscription::to("x", QoS::AtLeastOnce);
    let subscribed = client.subscribe_stream(subscription, 1).await;
    let (_, mut stream) = subscribed.expect("subscribes");
    let end = client.publish(Message::new("end", "x")).await;
    end.expect("published").into_result().expect("not refused");
    let mut server = server.await.expect("a server");
    for _ in 0..2 {
        // Each behind more than one read takes.
        let others = messages(&["other"; 20_000]);
        server.write_all(&others).await.expect("written");
        server.write_all(&messages(&["x"])).await.expect("written");
        let next = timeout(PATIENCE, stream.next()).await.expect("in time");
        assert_eq!(next.expect("a message").message.topic, "x");
    }
    // Once somebody takes them, none is lost without being counted.
    drop(server);
    let (mut taken, mut missed) = (0, 0);
    while let Some(event) = events.next().await {
        match event {
            Event::Message(incoming) => taken += u64::from(incoming.message.topic == "other"),
            Event::Unanswered(Warning::MessagesMissed { messages }) => missed += messages,
            Event::Unanswered(_) | Event::Ended(_) => {}
        }
    }
    assert_eq!(taken + missed, 40_000);
    assert!(taken > 0);
}

/// What fails without a connection is a warning each; they are counted once they are too many, and the
/// connection comes back.
#[tokio::test]
async fn warnings_that_nobody_takes_are_counted_and_the_connection_comes_back() {
    let (listener, port) = listen().await;
    let (connected, (mut stream, _)) =
        tokio::join!(Client::connect_lasting(options(port), at_once()), async {
            let (mut stream, from) = listener.accept().await.expect("a client");
            let mut bytes = [0; 256];
            assert!(stream.read(&mut bytes).await.expect("CONNECT") > 0);
            stream.write_all(b"\x20\x03\0\0\0").await.expect("CONNACK");
            (stream, from)
        });
    let (client, mut events) = connected.expect("connects");
    drop(listener);
    stream.shutdown().await.expect("closed");
    drop(stream);
    // Once this one has failed, there is no connection, and none comes before there is a listener.
    while client.publish(Message::new("x", "x")).await.is_ok() {}
    for _ in 0..FORGOTTEN {
        let pending = timeout(PATIENCE, client.start_publish(Message::new("x", "x"))).await;
        drop(pending.expect("in time"));
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.expect("the same port");
    let server = tokio::spawn(async move { serve(&listener).await });
    let published = timeout(PATIENCE, client.publish(message("x"))).await;
    published
        .expect("in time")
        .expect("an answer")
        .into_result()
        .expect("not refused");
    drop(client.start_publish(message("end")).await);

    let (mut told, mut missed) = (0, 0);
    loop {
        match timeout(PATIENCE, events.next()).await.expect("in time") {
            Some(LastingEvent::Warning(Warning::NotPublished { .. })) => told += 1,
            Some(LastingEvent::Warning(Warning::EventsMissed { events })) => missed += events,
            Some(LastingEvent::Connected(_)) => break,
            Some(_) => {}
            None => panic!("the connection goes on"),
        }
    }
    let told_or_missed = told + usize::try_from(missed).expect("a number");
    assert!(told < 300, "{told} warnings were kept");
    assert!(told_or_missed >= FORGOTTEN, "{told} and {missed}");
    drop(server);
}
