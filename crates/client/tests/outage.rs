//! What a client does while it has no connection.

use std::time::Duration;

use columba_client::driver::{
    Address, Client, ConnectOptions, Event, LastingEvent, Reconnect, Warning,
};
use columba_client::{CloseCause, Failure, Message, SessionOptions, Subscription};
use columba_codec::packet::Packet;
use columba_codec::{Decoded, QoS, Version, decode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// More than the buffers of a connection take, on both sides.
const LARGE_BYTES: usize = 16 << 20;

/// What a lost connection had no time to write is not in the way: requests are looked at, and those that
/// cannot wait fail. The silence is noticed by the keep alive.
#[tokio::test]
async fn requests_are_taken_while_offline_however_much_the_lost_connection_had_to_write() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = [0; 64];
        assert!(stream.read(&mut bytes).await.expect("CONNECT") > 0);
        stream.write_all(b"\x20\x02\0\0").await.expect("CONNACK");
        // It reads the beginning of PUBLISH and no more, as behind a network that swallows everything;
        // nobody listens at its port any more.
        assert!(stream.read(&mut bytes).await.expect("PUBLISH") > 0);
        stream
    });
    let session = SessionOptions {
        version: Version::V311,
        client_id: "client".to_owned(),
        keep_alive_secs: 1,
        response_timeout: Duration::from_millis(50),
        ..SessionOptions::default()
    };
    let address = Address::Network {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        websocket_path: None,
    };
    let options = ConnectOptions::new(address, session);
    let (client, mut events) = Client::connect_lasting(options, Reconnect::default())
        .await
        .expect("connects");
    let large = Message::new("t", vec![0; LARGE_BYTES]).with_qos(QoS::AtLeastOnce);
    let _waiting = client.start_publish(large).await.expect("taken");
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(
        matches!(event, Some(LastingEvent::Disconnected { .. })),
        "{event:?}"
    );
    let published = timeout(PATIENCE, client.publish(Message::new("t", "now"))).await;
    let failure = published.expect("an answer").expect_err("no connection");
    assert_eq!(failure, Failure::NotConnected);
    drop(server.await.expect("a server"));
}

/// The backlog has no room and the server never comes back: nothing else would ever end the task.
#[tokio::test]
async fn a_dropped_client_ends_while_the_server_is_away_however_full_its_backlog_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let stream = accept(&listener).await;
        drop((stream, listener));
    });
    let session = SessionOptions {
        version: Version::V311,
        client_id: "client".to_owned(),
        backlog_messages_max: 1,
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    let connected = Client::connect_lasting(options, Reconnect::default()).await;
    let (client, mut events) = connected.expect("connects");
    server.await.expect("a server");
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(
        matches!(event, Some(LastingEvent::Disconnected { .. })),
        "{event:?}"
    );
    let mut answers = Vec::new();
    for _ in 0..2 {
        let message = Message::new("t", "x").with_qos(QoS::AtLeastOnce);
        answers.push(client.start_publish(message).await.expect("taken"));
    }
    drop((client, events));
    for answer in answers {
        let answer = timeout(PATIENCE, answer).await.expect("it ends");
        assert_eq!(answer, Err(Failure::ConnectionLost));
    }
}

/// Accepts a client that speaks MQTT 3.1.1.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut bytes = [0; 64];
    assert!(stream.read(&mut bytes).await.expect("CONNECT") > 0);
    stream.write_all(b"\x20\x02\0\0").await.expect("CONNACK");
    stream
}

/// Answers two SUBSCRIBEs, and refuses the topic filter `refused` if told to.
async fn answer_two(stream: &mut TcpStream, refuses: bool) {
    let mut unread = Vec::new();
    let mut answered = 0;
    while answered < 2 {
        let decoded = decode(&unread, Version::V311, u32::MAX).expect("packets");
        let Decoded::Packet(packet, len) = decoded else {
            assert!(stream.read_buf(&mut unread).await.expect("SUBSCRIBE") > 0);
            continue;
        };
        let Packet::Subscribe(subscribe) = packet else {
            panic!("unexpected {packet:?}");
        };
        let [high, low] = subscribe.packet_id.get().to_be_bytes();
        let is_refused = subscribe
            .filters
            .iter()
            .any(|(filter, _)| filter == "refused");
        let code = if refuses && is_refused { 0x80 } else { 1 };
        unread.drain(..len);
        answered += 1;
        let suback = [0x90, 3, high, low, code];
        stream.write_all(&suback).await.expect("SUBACK");
    }
}

#[tokio::test]
async fn a_stream_ends_whose_filter_is_refused_after_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (gone, ends) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        answer_two(&mut stream, false).await;
        ends.await.expect("both streams are there");
        drop(stream);
        let mut stream = accept(&listener).await;
        answer_two(&mut stream, true).await;
        let publish = stream.write_all(b"\x30\x05\0\x02okx").await;
        publish.expect("PUBLISH");
        stream
    });
    let session = SessionOptions {
        version: Version::V311,
        client_id: "client".to_owned(),
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    let reconnect = Reconnect {
        first_delay: Duration::from_millis(2),
        ..Reconnect::default()
    };
    let connected = Client::connect_lasting(options, reconnect).await;
    let (client, mut events) = connected.expect("connects");
    let ask = |filter| client.subscribe_stream(Subscription::to(filter, QoS::AtLeastOnce), 4);
    let (_, mut refused) = ask("refused").await.expect("subscribes");
    let (_, mut ok) = ask("ok").await.expect("subscribes");
    gone.send(()).expect("a server");
    let next = timeout(PATIENCE, refused.next()).await;
    assert_eq!(next.expect("in time"), None);
    let next = timeout(PATIENCE, ok.next()).await.expect("in time");
    assert_eq!(next.expect("goes on").message.topic, "ok");
    drop(server.await.expect("a server"));
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("in time");
        match event.expect("goes on") {
            LastingEvent::Warning(Warning::RefusedFilter { filter, .. }) => {
                assert_eq!(filter, "refused");
                break;
            }
            LastingEvent::Disconnected { .. } | LastingEvent::Connected(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// A server that has much to say: a message behind its CONNACK and the end behind that, in one segment.
#[tokio::test]
async fn a_message_between_connack_and_the_end_is_acknowledged_and_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = [0; 64];
        assert!(stream.read(&mut bytes).await.expect("CONNECT") > 0);
        let said = b"\x20\x03\0\0\0\x32\x07\0\x01t\0\x07\0x\xE0\x01\x8B";
        stream.write_all(said).await.expect("all of it");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("the end");
        heard
    });
    let session = SessionOptions {
        version: Version::V5,
        client_id: "client".to_owned(),
        ..SessionOptions::default()
    };
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    let connected = Client::connect(options).await;
    let (_client, mut events) = connected.expect("it was accepted");
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    let Some(Event::Message(incoming)) = event else {
        panic!("unexpected {event:?}");
    };
    assert_eq!(incoming.message.payload, b"x");
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    let Some(Event::Ended(ended)) = event else {
        panic!("unexpected {event:?}");
    };
    assert!(matches!(ended.cause, CloseCause::ByServer(_)), "{ended:?}");
    let heard = timeout(PATIENCE, server).await.expect("in time");
    assert_eq!(heard.expect("a server"), b"\x40\x02\0\x07");
}
