//! A server that sends more than the application takes.
//!
//! Over a Unix socket, whose buffers are small: what the server could write is what the client has read.
#![cfg(unix)]

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Event, Events, Messages, Warning};
use columba_client::{Failure, Message, SessionOptions, Subscription};
use columba_codec::packet::{Packet, Publish};
use columba_codec::{
    Decoded, EncodeError, PacketId, PacketType, Properties, QoS, ReasonCode, Version, decode,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const QUEUED_BYTES_MAX: usize = 1 << 20;
const PAYLOAD_BYTES: usize = 256 << 10;
/// Sixteen times what may be queued.
const MESSAGES: usize = 64;
/// One message on its way, and the buffers of socket and task.
const ON_ITS_WAY_BYTES: usize = 1 << 20;

/// A server that sends what it is told to, whatever the client says.
struct Server {
    _directory: TempDir,
    path: PathBuf,
    /// What to send.
    script: mpsc::UnboundedSender<Vec<u8>>,
    /// What the client took.
    taken_bytes: Arc<AtomicUsize>,
    /// The topics that the client published to, and the packet ids that it acknowledged.
    heard: mpsc::UnboundedReceiver<String>,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (script, mut to_send) = mpsc::unbounded_channel::<Vec<u8>>();
        let (told, heard) = mpsc::unbounded_channel();
        let taken_bytes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken_bytes);
        let answers = script.clone();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let (reader, mut writer) = stream.into_split();
            let reading = tokio::spawn(read(reader, answers, told));
            while let Some(bytes) = to_send.recv().await {
                for piece in bytes.chunks(16 << 10) {
                    if writer.write_all(piece).await.is_err() {
                        return;
                    }
                    counter.fetch_add(piece.len(), Ordering::Relaxed);
                }
            }
            drop(reading);
        });
        Self {
            _directory: directory,
            path,
            script,
            taken_bytes,
            heard,
        }
    }

    async fn client(&self) -> (Client, Events) {
        self.client_with_room(2 * MESSAGES).await
    }

    async fn client_with_room(&self, events_max: usize) -> (Client, Events) {
        self.client_that_acknowledges(false, events_max).await
    }

    async fn client_that_acknowledges(&self, by_hand: bool, events_max: usize) -> (Client, Events) {
        let session = SessionOptions {
            client_id: "client".to_owned(),
            keep_alive_secs: 0,
            acknowledges_by_hand: by_hand,
            ..SessionOptions::default()
        };
        let mut options = ConnectOptions::new(Address::Unix(self.path.clone()), session);
        options.events_max = events_max;
        options.queued_bytes_max = QUEUED_BYTES_MAX;
        Client::connect(options).await.expect("connects")
    }

    fn send(&self, bytes: Vec<u8>) {
        self.script.send(bytes).expect("a server");
    }

    fn send_large_messages(&self, topic: &str) {
        for number in 0..MESSAGES {
            self.send(publish(topic, &numbered(number)));
        }
    }

    /// The client gets so many turns, in each of which it would read if it meant to.
    async fn give_turns(&mut self, client: &Client) {
        for _ in 0..4_000 {
            assert_eq!(self.heard_before_turn(client).await, [""; 0]);
        }
    }

    /// What the client has sent until now.
    async fn heard_before_turn(&mut self, client: &Client) -> Vec<String> {
        publish_in_time(client, Message::new("turn", "")).await;
        let mut heard = Vec::new();
        loop {
            let next = self.next_heard().await;
            if next == "turn" {
                return heard;
            }
            heard.push(next);
        }
    }

    async fn next_heard(&mut self) -> String {
        let heard = timeout(PATIENCE, self.heard.recv()).await;
        heard.expect("in time").expect("a server")
    }

    fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }
}

/// Answers CONNECT, SUBSCRIBE and PUBLISH, behind what is being sent, and tells what is published and
/// acknowledged.
async fn read(
    mut reader: OwnedReadHalf,
    answers: mpsc::UnboundedSender<Vec<u8>>,
    told: mpsc::UnboundedSender<String>,
) {
    let mut unread = Vec::new();
    loop {
        let decoded = decode(&unread, Version::V5, u32::MAX).expect("packets");
        let Decoded::Packet(packet, len) = decoded else {
            if reader.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let answer = match packet {
            Packet::Connect(_) => b"\x20\x03\0\0\0".to_vec(),
            Packet::Subscribe(subscribe) => {
                let id = subscribe.packet_id.get().to_be_bytes();
                vec![0x90, 4, id[0], id[1], 0, 2]
            }
            // It refuses what comes with a User Property.
            Packet::Unsubscribe(unsubscribe) => {
                let id = unsubscribe.packet_id.get().to_be_bytes();
                let code = match unsubscribe.properties.is_empty() {
                    true => 0,
                    false => 0x87,
                };
                vec![0xB0, 4, id[0], id[1], 0, code]
            }
            Packet::Publish(publish) => {
                // Nobody asks any more when the test is over.
                let _ = told.send(publish.topic.to_owned());
                let id = publish.packet_id.map(|id| id.get().to_be_bytes());
                id.map_or_else(Vec::new, |id| vec![0x40, 2, id[0], id[1]])
            }
            Packet::PubAck(puback) => {
                let word = if puback.reason.is_error() {
                    "refused"
                } else {
                    "PUBACK"
                };
                let _ = told.send(format!("{word} {}", puback.packet_id.get()));
                Vec::new()
            }
            _ => Vec::new(),
        };
        unread.drain(..len);
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// A PUBLISH at QoS 0.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    publish_at(QoS::AtMostOnce, None, topic, payload)
}

/// PUBLISHs at QoS 1 with these packet ids.
fn publish_acknowledged(topic: &str, packet_ids: RangeInclusive<u16>) -> Vec<u8> {
    packet_ids
        .flat_map(|id| publish_at(QoS::AtLeastOnce, PacketId::new(id), topic, b"x"))
        .collect()
}

fn publish_at(qos: QoS, packet_id: Option<PacketId>, topic: &str, payload: &[u8]) -> Vec<u8> {
    let packet = Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id,
        properties: Properties::EMPTY,
        payload,
    });
    let mut bytes = Vec::new();
    packet.encode(Version::V5, &mut bytes).expect("a packet");
    bytes
}

fn numbered(number: usize) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD_BYTES];
    payload[0] = u8::try_from(number).expect("small");
    payload
}

#[tokio::test]
async fn a_stream_holds_no_more_bytes_than_it_may_and_loses_nothing() {
    let mut server = Server::start();
    let (client, _events) = server.client().await;
    let subscription = Subscription::to("x", QoS::AtMostOnce);
    let subscribed = client.subscribe_stream(subscription, 2 * MESSAGES).await;
    let (_, mut messages) = subscribed.expect("subscribes");
    server.send_large_messages("x");
    server.give_turns(&client).await;
    let taken_bytes = server.taken_bytes();
    assert!(
        taken_bytes <= QUEUED_BYTES_MAX + ON_ITS_WAY_BYTES,
        "{taken_bytes} bytes were read"
    );
    for number in 0..MESSAGES {
        let next = timeout(PATIENCE, messages.next()).await.expect("in time");
        let payload = next.expect("a message").message.payload;
        assert_eq!(payload, numbered(number));
    }
}

#[tokio::test]
async fn events_hold_no_more_bytes_than_they_may_and_lose_nothing() {
    let mut server = Server::start();
    let (client, mut events) = server.client().await;
    server.send_large_messages("x");
    server.give_turns(&client).await;
    let taken_bytes = server.taken_bytes();
    assert!(
        taken_bytes <= QUEUED_BYTES_MAX + ON_ITS_WAY_BYTES,
        "{taken_bytes} bytes were read"
    );
    for number in 0..MESSAGES {
        let next = timeout(PATIENCE, events.next()).await.expect("in time");
        let Some(Event::Message(incoming)) = next else {
            panic!("unexpected {next:?}");
        };
        assert_eq!(incoming.message.payload, numbered(number));
    }
}

/// The events have room for all of them but for their bytes.
#[tokio::test]
async fn large_messages_that_nobody_takes_hold_up_no_stream_for_good() {
    let server = Server::start();
    let (client, mut events) = server.client().await;
    let mut messages = subscribe(&client, 1).await;
    server.send_large_messages("other");
    server.send(publish("x", b"here"));
    assert_eq!(next(&mut messages).await, b"here");
    // Who takes them has those that were kept, and learns how many were not.
    client.abandon().await;
    let (mut taken, mut missed) = (0, 0);
    while let Some(event) = timeout(PATIENCE, events.next()).await.expect("in time") {
        match event {
            Event::Message(incoming) => {
                assert_eq!(incoming.message.payload, numbered(taken));
                taken += 1;
            }
            Event::Unanswered(Warning::MessagesMissed { messages }) => missed += messages,
            Event::Unanswered(_) | Event::Ended(_) => {}
        }
    }
    assert!(taken > 0);
    assert_eq!(taken as u64 + missed, MESSAGES as u64);
}

/// What a stream held that nobody wants any more holds up no other.
#[tokio::test]
async fn a_stream_that_is_dropped_gives_back_what_it_held() {
    let mut server = Server::start();
    let (client, events) = server.client().await;
    drop(events);
    let subscribe = |filter| {
        let subscription = Subscription::to(filter, QoS::AtMostOnce);
        client.subscribe_stream(subscription, 2 * MESSAGES)
    };
    let (_, unwanted) = subscribe("x").await.expect("subscribes");
    let (_, mut messages) = subscribe("y").await.expect("subscribes");
    server.send_large_messages("x");
    server.send(publish("y", b"here"));
    server.give_turns(&client).await;
    drop(unwanted);
    let next = timeout(PATIENCE, messages.next()).await.expect("in time");
    assert_eq!(next.expect("a message").message.payload, b"here");
}

/// Publishes what the server takes, in time.
async fn publish_in_time(client: &Client, message: Message) {
    let answer = timeout(PATIENCE, client.publish(message)).await;
    let answer = answer.expect("in time").expect("an answer");
    answer.into_result().expect("not refused");
}

async fn subscribe(client: &Client, messages_max: usize) -> Messages {
    let subscription = Subscription::to("x", QoS::AtLeastOnce);
    let subscribing = client.subscribe_stream(subscription, messages_max);
    let subscribed = timeout(PATIENCE, subscribing).await.expect("in time");
    subscribed.expect("subscribes").1
}

fn acknowledged(topic: &str) -> Message {
    Message::new(topic, "x").with_qos(QoS::AtLeastOnce)
}

async fn next(messages: &mut Messages) -> Vec<u8> {
    let next = timeout(PATIENCE, messages.next()).await.expect("in time");
    next.expect("a message").message.payload
}

/// Whoever publishes in the loop that takes the messages, takes none while it waits for the answer.
#[tokio::test]
async fn an_answer_is_heard_behind_more_messages_than_the_stream_has_room_for() {
    let server = Server::start();
    let (client, _events) = server.client().await;
    let mut messages = subscribe(&client, 1).await;
    for number in 0..MESSAGES {
        server.send(publish("x", &[u8::try_from(number).expect("small"); 1]));
    }
    for number in 0..MESSAGES {
        assert_eq!(usize::from(next(&mut messages).await[0]), number);
        publish_in_time(&client, acknowledged("y")).await;
    }
}

/// A server sends what waited for the client right behind CONNACK, before it is asked for anything.
#[tokio::test]
async fn a_subscription_is_answered_behind_more_messages_than_the_events_have_room_for() {
    let server = Server::start();
    let (client, mut events) = server.client_with_room(1).await;
    server.send(publish_acknowledged("earlier", 1..=200));
    let _messages = subscribe(&client, 1).await;
    for id in 1..=200 {
        let next = timeout(PATIENCE, events.next()).await.expect("in time");
        let Some(Event::Message(incoming)) = next else {
            panic!("unexpected {next:?}");
        };
        assert_eq!(incoming.packet_id, PacketId::new(id));
    }
}

/// So that its own window holds the server back, which may send no more than that (`MQTT-4.9.0-1`).
#[tokio::test]
async fn what_is_read_past_a_full_queue_is_acknowledged_when_there_is_room_again() {
    let mut server = Server::start();
    let (client, _events) = server.client().await;
    let mut messages = subscribe(&client, 1).await;
    server.send(publish_acknowledged("x", 1..=2));
    for id in 1..=2 {
        assert_eq!(server.next_heard().await, format!("PUBACK {id}"));
    }
    server.send(publish_acknowledged("x", 3..=10));
    publish_in_time(&client, acknowledged("y")).await;
    assert_eq!(server.heard_before_turn(&client).await, ["y"]);
    for _ in 1..=10 {
        assert_eq!(next(&mut messages).await, b"x");
    }
    for id in 3..=10 {
        assert_eq!(server.next_heard().await, format!("PUBACK {id}"));
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_filter_is_unsubscribed_and_no_sooner() {
    let server = Server::start();
    let (client, _events) = server.client().await;
    let mut messages = subscribe(&client, 8).await;
    let filters = || vec!["x".to_owned()];
    let property = vec![("refuse".to_owned(), String::new())];
    let unsubscribed = timeout(PATIENCE, client.unsubscribe_with(filters(), property)).await;
    let answer = unsubscribed.expect("in time").expect("an answer");
    assert_eq!(answer.codes, [ReasonCode::NotAuthorized]);
    server.send(publish("x", b"last"));
    let unsubscribed = timeout(PATIENCE, client.unsubscribe(filters())).await;
    let answer = unsubscribed.expect("in time").expect("an answer");
    assert_eq!(answer.codes, [ReasonCode::Success]);
    assert_eq!(next(&mut messages).await, b"last");
    let end = timeout(PATIENCE, messages.next()).await.expect("in time");
    assert_eq!(end, None);
}

/// Acknowledgements go out in the order of the messages, and nobody will give those of the events.
#[tokio::test]
async fn messages_dropped_with_the_events_hold_up_no_acknowledgement_by_hand() {
    let mut server = Server::start();
    // One waits in the events and one before them.
    let (client, events) = server.client_that_acknowledges(true, 1).await;
    let mut messages = subscribe(&client, 8).await;
    server.send(publish_acknowledged("x", 1..=1));
    server.send(publish_acknowledged("other", 2..=3));
    let first = timeout(PATIENCE, messages.next()).await.expect("in time");
    publish_in_time(&client, acknowledged("y")).await;
    assert_eq!(server.heard_before_turn(&client).await, ["y"]);
    drop(events);
    server.send(publish_acknowledged("x", 4..=4));
    let last = timeout(PATIENCE, messages.next()).await.expect("in time");
    server.send(publish_acknowledged("other", 5..=5));
    for incoming in [first, last] {
        let incoming = incoming.expect("a message");
        let given = client.acknowledge(&incoming, ReasonCode::Success).await;
        given.expect("connected");
    }
    for word in [
        "PUBACK 1",
        "refused 2",
        "refused 3",
        "PUBACK 4",
        "refused 5",
    ] {
        assert_eq!(server.next_heard().await, word);
    }
}

/// No code ends the connection: one that PUBACK does not have is given back, and the message still waits
/// (`MQTT-3.4.2-1`).
#[tokio::test]
async fn a_code_that_no_acknowledgement_has_is_a_failure() {
    let mut server = Server::start();
    let (client, _events) = server.client_that_acknowledges(true, 8).await;
    let mut messages = subscribe(&client, 8).await;
    server.send(publish_acknowledged("x", 1..=2));
    for word in ["refused 1", "PUBACK 2"] {
        let message = timeout(PATIENCE, messages.next()).await.expect("in time");
        let incoming = message.expect("a message");
        for reason in [
            ReasonCode::ServerBusy,
            ReasonCode::MessageRateTooHigh,
            ReasonCode::QosNotSupported,
            ReasonCode::GrantedQos1,
        ] {
            let given = client.acknowledge(&incoming, reason).await;
            let packet = PacketType::PubAck;
            let failure = Failure::Encode(EncodeError::ReasonCode { packet, reason });
            assert_eq!(given, Err(failure));
        }
        let reason = match word {
            "PUBACK 2" => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::QuotaExceeded,
        };
        let given = client.acknowledge(&incoming, reason).await;
        given.expect("connected");
        assert_eq!(server.next_heard().await, word);
    }
    let left = client.disconnect(ReasonCode::ServerUnavailable, PATIENCE);
    assert_eq!(left.await, 0, "it leaves");
}

/// The server may send no more before it hears of the first ones, and the application may do nothing more.
#[tokio::test]
async fn dropping_the_events_is_heard_of_at_once() {
    let mut server = Server::start();
    let (client, events) = server.client_that_acknowledges(true, 8).await;
    let _messages = subscribe(&client, 8).await;
    server.send(publish_acknowledged("other", 1..=2));
    publish_in_time(&client, acknowledged("y")).await;
    assert_eq!(server.next_heard().await, "y");
    drop(events);
    for word in ["refused 1", "refused 2"] {
        assert_eq!(server.next_heard().await, word);
    }
}

/// Who drops its events on the way out is to have them again.
#[tokio::test]
async fn messages_dropped_with_the_events_are_not_refused_without_a_stream() {
    let mut server = Server::start();
    let (client, events) = server.client_that_acknowledges(true, 8).await;
    server.send(publish_acknowledged("other", 1..=2));
    for _ in 0..2 {
        publish_in_time(&client, acknowledged("y")).await;
    }
    drop(events);
    assert_eq!(server.heard_before_turn(&client).await, ["y", "y"]);
    assert_eq!(server.heard_before_turn(&client).await, [""; 0]);
}

/// Behind more bytes than may wait, an answer is heard at the price of messages at QoS 0, which are counted.
#[tokio::test]
async fn messages_at_qos_0_give_way_to_an_answer_and_are_counted() {
    let server = Server::start();
    let (client, mut events) = server.client().await;
    let mut messages = subscribe(&client, 2 * MESSAGES).await;
    server.send_large_messages("x");
    publish_in_time(&client, acknowledged("y")).await;
    server.send(publish("x", b"last"));
    let mut taken = 0;
    while next(&mut messages).await != b"last" {
        taken += 1;
    }
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    let Some(Event::Unanswered(Warning::MessagesMissed {
        messages: mut missed,
    })) = event
    else {
        panic!("unexpected {event:?}");
    };
    assert!(taken > 0 && missed > 0);
    client.abandon().await;
    while let Some(event) = events.next().await {
        if let Event::Unanswered(Warning::MessagesMissed { messages }) = event {
            missed += messages;
        }
    }
    assert_eq!(taken + missed, MESSAGES as u64);
}

/// At QoS 1 none gives way: not even an answer is heard before there is room.
#[tokio::test]
async fn messages_at_qos_1_do_not_give_way_to_an_answer() {
    let server = Server::start();
    let (client, _events) = server.client().await;
    let mut messages = subscribe(&client, 2 * MESSAGES).await;
    for id in 1..=MESSAGES {
        let packet_id = PacketId::new(u16::try_from(id).expect("small"));
        let payload = numbered(id);
        server.send(publish_at(QoS::AtLeastOnce, packet_id, "x", &payload));
    }
    let pending = client.start_publish(acknowledged("y")).await;
    for id in 1..=MESSAGES {
        assert_eq!(next(&mut messages).await, numbered(id));
    }
    let answer = timeout(PATIENCE, pending.expect("taken")).await;
    answer
        .expect("in time")
        .expect("an answer")
        .into_result()
        .expect("not refused");
}
