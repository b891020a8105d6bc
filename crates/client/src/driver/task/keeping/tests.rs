//! Files that fail while a connection uses them: nothing leaves that they do not have, and the end says why.

#![expect(clippy::disallowed_types, reason = "the driver has files")]

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish};
use columba_codec::{Decoded, PacketId, PacketType, Properties, QoS, ReasonCode, Version, decode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::driver::{
    Address, Client, ConnectOptions, Ended, LastingEvent, LastingEvents, Reconnect, SessionFile,
};
use crate::message::Message;
use crate::options::SessionOptions;
use crate::outcome::{CloseCause, Failure};
use crate::session::Subscription;

/// Nothing here takes this long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one connection, which ends with what it was sent. It knows the session, acknowledges at
/// QoS 1, and answers a SUBSCRIBE with a message.
async fn server() -> (u16, JoinHandle<Vec<PacketType>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        // Whoever connects again is refused, which the test would hear of.
        drop(listener);
        serve(socket).await
    });
    (port, serving)
}

async fn serve(mut socket: TcpStream) -> Vec<PacketType> {
    let mut unread = Vec::new();
    let mut types = Vec::new();
    loop {
        let mut answers = Vec::new();
        let mut at = 0;
        while let Ok(Decoded::Packet(packet, len)) = decode(&unread[at..], Version::V5, u32::MAX) {
            at += len;
            types.push(packet.packet_type());
            answer(&packet, &mut answers);
        }
        unread.drain(..at);
        socket.write_all(&answers).await.expect("the client reads");
        match socket.read_buf(&mut unread).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return types,
        }
    }
}

fn answer(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let mut put = |packet: Packet<'_>| {
        packet.encode(Version::V5, out).expect("encodes");
    };
    match packet {
        Packet::Connect(_) => put(Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        })),
        Packet::Subscribe(_) => put(Packet::Publish(Publish {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: false,
            topic: "x",
            packet_id: Some(PacketId::MIN),
            properties: Properties::EMPTY,
            payload: b"hello",
        })),
        Packet::Publish(publish) => {
            let packet_id = publish.packet_id.expect("QoS 1");
            put(Packet::PubAck(Acknowledgement::success(packet_id)));
        }
        _ => {}
    }
}

/// A session file, and whatever its bytes are to go to from the first batch on.
fn session_file(directory: &tempfile::TempDir, broken: Option<File>) -> SessionFile {
    let mut options = SessionOptions {
        client_id: "a".to_owned(),
        acknowledges_by_hand: true,
        ..SessionOptions::default()
    };
    options.properties.session_expiry_secs = Some(60);
    let path = directory.path().join("session");
    let mut file = SessionFile::open(path, options).expect("opens");
    file.write().expect("writes");
    if let Some(broken) = broken {
        file.journal.go_on_in(broken);
    }
    file
}

async fn connect(port: u16, file: SessionFile) -> (Client, LastingEvents) {
    let session = file.session.options().clone();
    let options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
    let connecting = Client::connect_kept(options, Reconnect::default(), file);
    connecting.await.expect("connects")
}

fn message(payload: usize) -> Message {
    Message::new("x", vec![7; payload]).with_qos(QoS::AtLeastOnce)
}

/// The end, which is to be the next thing that happens.
async fn ended(events: &mut LastingEvents) -> Ended {
    let event = tokio::time::timeout(PATIENCE, events.next()).await;
    match event.expect("in time") {
        Some(LastingEvent::Ended(ended)) => *ended,
        other => panic!("expected the end, got {other:?}"),
    }
}

fn cause(ended: &Ended) -> &str {
    match &ended.cause {
        CloseCause::SessionFile(sentence) => sentence,
        other => panic!("expected the file's fault, got {other:?}"),
    }
}

/// Takes what is written to it, and cannot be synced.
fn pipe() -> (File, io::PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (File::from(OwnedFd::from(writer)), reader)
}

fn full() -> File {
    let full = File::options().append(true).open("/dev/full");
    full.expect("a device of Linux")
}

#[tokio::test]
async fn a_message_that_cannot_be_kept_is_not_sent_and_its_answer_is_a_failure() {
    let (unsynced, _reader) = pipe();
    for (broken, what) in [(full(), "No space left"), (unsynced, "Invalid argument")] {
        let directory = tempfile::tempdir().expect("a directory");
        let (port, serving) = server().await;
        let file = session_file(&directory, Some(broken));
        let (client, mut events) = connect(port, file).await;
        let answer = client.publish(message(10)).await;
        assert_eq!(answer, Err(Failure::ConnectionLost));
        let ended = ended(&mut events).await;
        let sentence = cause(&ended);
        let path = directory.path().join("session").display().to_string();
        assert!(
            sentence.contains(&path) && sentence.contains(what),
            "{sentence}"
        );
        assert_eq!(ended.session.unfinished_messages(), 1);
        // Not even DISCONNECT: the server is to keep what it has.
        assert_eq!(serving.await.expect("serves"), [PacketType::Connect]);
        // The lock is free, and the message was never kept.
        let file = session_file(&directory, None);
        assert_eq!(file.taken_messages(), 0);
    }
}

#[tokio::test]
async fn a_message_whose_number_cannot_be_kept_is_neither_handed_over_nor_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let (port, serving) = server().await;
    let (client, mut events) = connect(port, session_file(&directory, Some(full()))).await;
    let subscribed = client.subscribe(Subscription::to("x", QoS::ExactlyOnce));
    assert_eq!(subscribed.await, Err(Failure::ConnectionLost));
    let ended = ended(&mut events).await;
    assert!(cause(&ended).contains("No space left"));
    let subscribe = [PacketType::Connect, PacketType::Subscribe];
    assert_eq!(serving.await.expect("serves"), subscribe);
}

#[tokio::test]
async fn a_file_that_cannot_be_compacted_ends_the_connection_and_stays_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let (port, serving) = server().await;
    let (client, mut events) = connect(port, session_file(&directory, None)).await;
    let fresh = directory.path().join("session.new");
    fs::create_dir(&fresh).expect("in the way of the new file");
    // More than may stand behind a snapshot, so that its end goes into a new one.
    let answer = client.publish(message(1_200_000)).await;
    assert_eq!(answer, Err(Failure::ConnectionLost));
    let ended = ended(&mut events).await;
    let sentence = cause(&ended);
    assert!(sentence.contains("session.new: cannot write"), "{sentence}");
    let publish = [PacketType::Connect, PacketType::Publish];
    assert_eq!(serving.await.expect("serves"), publish);
    fs::remove_dir(fresh).expect("empty");
    assert_eq!(session_file(&directory, None).unfinished().count(), 1);
}
