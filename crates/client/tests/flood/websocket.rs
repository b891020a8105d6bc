//! A hostile server over WebSocket.

use std::net::Ipv4Addr;

use super::frames::{BINARY, CONTINUATION, FIN, bearable, frame, framed, script};
use super::packets::{CONNACK, Choices};
use super::server::Server;
use super::{ALONE, PACKET_BYTES_MAX, decisions, options, peak_bytes};

/// More than a client may hold for one connection: a message, twice while it grows, and what the
/// connection needs at all, its buffers and queues included.
const PEAK_BYTES_MAX: isize = 4 * 1024 * 1024;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn serve(seed: u64, next: impl FnMut() -> Option<Vec<u8>>) -> isize {
    peak_bytes(|| {
        Server::new(HERE).send(HERE, options(seed), next);
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

/// [MQTT-6.0.0-2]: a client assumes nothing about where packets lie in frames.
#[test]
fn frame_borders_mean_nothing() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = Server::new(HERE);
    let mut messages = 0;
    for seed in 0..200 {
        let decisions = decisions(seed, 2 * 1024);
        let (cuts, packets) = decisions.split_at(256);
        let (stream, expected) = bearable(&mut Choices(packets));
        messages += expected.len();
        let mut frames = Some(framed(&mut Choices(cuts), &stream));
        let came = server.send(HERE, options(1), || frames.take());
        assert!(came == expected, "seed {seed}: {} messages", came.len());
    }
    assert!(messages > 500, "{messages} messages");
}
