//! WebSocket frames of a server, made of bytes that decide.

use columba_client::{Incoming, Input, Output, Session};

use super::options;
use super::packets::{CONNACK, Choices, packet};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const BINARY: u8 = 2;
const PING: u8 = 9;
pub(crate) const FIN: u8 = 0x80;

/// A frame as a server sends it. Its length may be written longer than it has to be.
pub(crate) fn frame(first: u8, length_bytes: usize, len: u64, payload: &[u8]) -> Vec<u8> {
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

/// Nearly right frames with nearly right packets.
pub(crate) fn script(choices: &mut Choices<'_>) -> Vec<u8> {
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

/// An accepting CONNACK and `bytes` behind it, in right frames: cut anywhere, in fragments, and with pings in
/// between.
pub(crate) fn framed(cuts: &mut Choices<'_>, bytes: &[u8]) -> Vec<u8> {
    let bytes = [&CONNACK, bytes].concat();
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    let mut opcode = BINARY;
    while !rest.is_empty() {
        if cuts.once_in(4) {
            let payload = vec![0; cuts.below(126)];
            frames.extend(frame(FIN | PING, 0, payload.len() as u64, &payload));
        }
        let len = if cuts.is_over() {
            32 * 1024
        } else {
            let longest = [4, 4 * 1024, 40 * 1024][cuts.below(3)];
            1 + cuts.below(longest)
        };
        let (piece, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        let is_last = rest.is_empty() || !cuts.once_in(3);
        let first = if is_last { FIN | opcode } else { opcode };
        frames.extend(frame(first, 0, piece.len() as u64, piece));
        opcode = if is_last { BINARY } else { CONTINUATION };
    }
    frames
}

/// Of the packets that `choices` decide on, those that a session does not end over, and the messages in them.
pub(crate) fn bearable(choices: &mut Choices<'_>) -> (Vec<u8>, Vec<Incoming>) {
    let mut session = Session::new(options(1));
    session.handle(0, Input::TransportOpened { clean_start: true });
    session.handle(0, Input::Received(&CONNACK));
    let (mut stream, mut messages) = (Vec::new(), Vec::new());
    while !choices.is_over() {
        let packet = packet(choices);
        let mut after = session.clone();
        after.handle(0, Input::Received(&packet));
        if after.is_closed() {
            continue;
        }
        session = after;
        stream.extend(packet);
        while let Some(output) = session.poll() {
            if let Output::Message(incoming) = output {
                messages.push(*incoming);
            }
        }
        session.transmit(&mut Vec::new());
    }
    (stream, messages)
}
