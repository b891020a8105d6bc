//! A hostile server over WebSocket.

use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::packets::{CONNACK, Choices, packet};
use super::{ALONE, PACKET_BYTES_MAX, decisions, options, peak_bytes};

/// No step takes this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than a client may hold for one connection: a message, twice while it grows, and what the
/// connection needs at all, its buffers and queues included.
const PEAK_BYTES_MAX: isize = 4 * 1024 * 1024;

const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const FIN: u8 = 0x80;

/// A frame as a server sends it. Its length may be written longer than it has to be.
fn frame(first: u8, length_bytes: usize, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (length_bytes, len) {
        (0, 0..126) => frame.push(u8::try_from(len).expect("small")),
        (0 | 2, 0..65_536) => {
            frame.push(126);
            frame.extend(u16::try_from(len).expect("small").to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// What the server sends after the handshake.
fn script(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut script = Vec::new();
    if !choices.once_in(8) {
        script.extend(frame(FIN | BINARY, 0, 5, &CONNACK));
    }
    let mut is_fragmented = false;
    while !choices.is_over() {
        let mut payload = packet(choices);
        if choices.once_in(4) {
            // Frame borders mean nothing.
            payload.truncate(choices.below(payload.len() + 1));
        }
        let opcode = match choices.below(24) {
            0 => 9,
            1 => 10,
            2 if choices.once_in(4) => 8,
            3 if choices.once_in(4) => 1,
            4 if choices.once_in(4) => choices.byte() & 0x0F,
            _ if is_fragmented => CONTINUATION,
            _ => BINARY,
        };
        if opcode >= 8 && !choices.once_in(8) {
            payload.truncate(125);
        }
        let mut first = opcode;
        if opcode >= 8 || !choices.once_in(3) {
            first |= FIN;
        }
        if opcode < 3 {
            is_fragmented = first & FIN == 0;
        }
        if choices.once_in(100) {
            first |= 0x10 << choices.below(3);
        }
        let length_bytes = [0, 0, 0, 2, 8][choices.below(5)];
        let len = payload.len() as u64;
        let len = match choices.below(200) {
            0 => u64::MAX,
            1 => 1 << 32,
            2 => 16 << 20,
            3 => len + 1,
            _ => len,
        };
        script.extend(frame(first, length_bytes, len, &payload));
    }
    script
}

/// Answers the handshake.
async fn shake_hands(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a client");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut request).await;
        assert!(read.is_ok_and(|len| len > 0), "the client asks");
    }
    let request = String::from_utf8(request).expect("text");
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let key = derive_accept_key(key.expect("a key").1.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.expect("sent");
    stream
}

/// Sends what `next` makes until there is no more of it or the client has gone, and reads what it says.
async fn send(listener: &TcpListener, mut next: impl FnMut() -> Option<Vec<u8>>) {
    let mut stream = shake_hands(listener).await;
    let (mut reader, mut writer) = stream.split();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(1..) = reader.read(&mut buffer).await {}
    };
    let writing = async {
        while let Some(bytes) = next() {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // An error says that the client has gone.
        let _ = writer.shutdown().await;
    };
    tokio::join!(reading, writing);
}

/// Connects and takes what comes until the end, which is told.
async fn take(port: u16, seed: u64) {
    let address = Address::Network {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        websocket_path: Some("/mqtt".to_owned()),
    };
    let connected = Client::connect(ConnectOptions::new(address, options(seed))).await;
    let Ok((client, mut events)) = connected else {
        return;
    };
    loop {
        match events.next().await {
            Some(Event::Message(incoming)) => {
                let reason = columba_codec::ReasonCode::Success;
                // The connection may be over by now.
                let _ = client.acknowledge(&incoming, reason).await;
            }
            Some(Event::Unanswered(_)) => {}
            Some(Event::Ended(_)) => return,
            None => panic!("seed {seed}: the task has gone without a word"),
        }
    }
}

fn serve(seed: u64, next: impl FnMut() -> Option<Vec<u8>>) -> isize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let run = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        tokio::join!(send(&listener, next), take(port, seed));
    };
    peak_bytes(|| {
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, run).await });
        ended.unwrap_or_else(|_| panic!("seed {seed}: no end"));
    })
}

#[test]
fn nearly_right_frames_end_in_an_error_that_is_told() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for seed in 0..200 {
        let decisions = decisions(seed, 2 * 1024);
        let mut script = Some(script(&mut Choices(&decisions)));
        let peak = serve(seed, || script.take());
        assert!(peak < PEAK_BYTES_MAX, "seed {seed}: {peak} bytes");
    }
}

/// A message in frames without end, and a frame that says to be the largest there is.
#[test]
fn a_message_without_end_is_cut_off() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = frame(FIN | BINARY, 0, 5, &CONNACK);
    let mut sent = 0;
    let mut opcode = BINARY;
    let peak = serve(1, || {
        if sent == 0 {
            sent = 1;
            return Some(first.clone());
        }
        let payload = vec![0; 64 * 1024];
        sent += payload.len();
        assert!(sent < 512 << 20, "the client takes it for ever");
        let frame = frame(opcode, 0, payload.len() as u64, &payload);
        opcode = CONTINUATION;
        Some(frame)
    });
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes of fragments");
    let mut frames = [first, frame(FIN | BINARY, 8, 15 << 20, &[0x30])].into_iter();
    let peak = serve(1, || frames.next());
    assert!(
        peak < PEAK_BYTES_MAX,
        "{peak} bytes for a frame of {PACKET_BYTES_MAX}"
    );
}
