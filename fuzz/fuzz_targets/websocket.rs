//! Frames of a WebSocket server, over a socket, into the client with its driver.
//!
//! The first byte picks what the server sends behind the handshake: any bytes, nearly right frames with nearly
//! right packets, or right frames, which have to give the messages of the same bytes without frames. No panic,
//! and the end of the connection is told.
#![no_main]

#[path = "../../crates/client/tests/flood/frames.rs"]
mod frames;
#[path = "../../crates/client/tests/flood/packets.rs"]
mod packets;
#[path = "../../crates/client/tests/flood/server.rs"]
mod server;

use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use columba_client::{Incoming, SessionOptions};
use columba_codec::Version;
use frames::{bearable, framed, script};
use libfuzzer_sys::fuzz_target;
use packets::Choices;
use server::Server;

const PACKET_BYTES_MAX: u32 = 8 * 1024;

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::new(Ipv4Addr::UNSPECIFIED));

fuzz_target!(|input: &[u8]| {
    let [what, input @ ..] = input else {
        return;
    };
    let seed = u64::from(*what / 4);
    match what % 4 {
        0 => {
            send(seed, input.to_vec());
        }
        1 => {
            // A CONNACK first, so that the connection is open.
            let mut frames = framed(&mut Choices(&[]), &[]);
            frames.extend(input);
            send(seed, frames);
        }
        2 => {
            send(seed, script(&mut Choices(input)));
        }
        _ => {
            let (cuts, packets) = input.split_at(input.len().min(256));
            let (stream, expected) = bearable(&mut Choices(packets));
            let came = send(1, framed(&mut Choices(cuts), &stream));
            assert!(came == expected, "{} messages", came.len());
        }
    }
});

fn send(seed: u64, bytes: Vec<u8>) -> Vec<Incoming> {
    /// So that no address runs out of ports: those of connections that have ended stay taken for a minute.
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let host = Ipv4Addr::from(0x7F00_0001 + run % 0x00FF_0000);
    let mut bytes = Some(bytes);
    SERVER.send(host, options(seed), || bytes.take())
}

/// By hand if `seed` is even, as in the test that shares this.
fn options(seed: u64) -> SessionOptions {
    let mut options = SessionOptions {
        version: Version::V5,
        client_id: "client".to_owned(),
        acknowledges_by_hand: seed.is_multiple_of(2),
        ..SessionOptions::default()
    };
    options.properties.packet_bytes_max = Some(PACKET_BYTES_MAX);
    options.properties.receive_maximum = Some(16);
    options.properties.topic_alias_maximum = Some(4);
    options.properties.session_expiry_secs = Some(60);
    options
}
