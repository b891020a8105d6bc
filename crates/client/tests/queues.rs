//! A server that sends more than the application takes.
//!
//! Over a Unix socket, whose buffers are small: what the server could write is what the client has read.
#![cfg(unix)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Event, Events};
use columba_client::{Message, SessionOptions, Subscription};
use columba_codec::packet::{Packet, Publish};
use columba_codec::{Decoded, Properties, QoS, Version, decode};
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
    /// The topics that the client published to.
    published: mpsc::UnboundedReceiver<String>,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (script, mut to_send) = mpsc::unbounded_channel::<Vec<u8>>();
        let (told, published) = mpsc::unbounded_channel();
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
            published,
        }
    }

    async fn client(&self) -> (Client, Events) {
        let session = SessionOptions {
            client_id: "client".to_owned(),
            keep_alive_secs: 0,
            ..SessionOptions::default()
        };
        let mut options = ConnectOptions::new(Address::Unix(self.path.clone()), session);
        options.events_max = 2 * MESSAGES;
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
            let turn = client.publish(Message::new("turn", "")).await;
            turn.expect("published");
            let published = timeout(PATIENCE, self.published.recv()).await;
            assert_eq!(published.expect("in time").as_deref(), Some("turn"));
        }
    }

    fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }
}

/// Answers CONNECT and SUBSCRIBE, and tells what is published.
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
            Packet::Publish(publish) => {
                // Nobody asks any more when the test is over.
                let _ = told.send(publish.topic.to_owned());
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
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
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
