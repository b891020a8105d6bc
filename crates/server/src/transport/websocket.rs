//! WebSocket as the carrier of MQTT: binary frames in, binary frames out.
//!
//! Payload bytes are passed on as they arrive. Frames and messages are not put together first, for
//! packets may be cut anywhere over frames (`MQTT-6.0.0-2`): no buffer, and no bound for messages
//! is needed, since the core bounds packets.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::packets::PacketCutter;
use super::upgrade::Upgrade;
use super::{Flow, WebSocketSettings};

/// What a peer did wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WebSocketFault {
    #[error("the first bytes are no HTTP request; plain MQTT perhaps")]
    NotHttp,
    #[error("{0}")]
    BadRequest(String),
    #[error("web pages of {0:?} may not connect: allowed_origins of the listener does not have it")]
    Origin(String),
    #[error("a text frame, where MQTT wants binary frames")]
    Text,
    #[error("{0}")]
    Frame(&'static str),
}

/// The server's side of one WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    state: State,
    has_closed: bool,
    packets: PacketCutter,
}

#[derive(Debug)]
enum State {
    Upgrading(Box<Upgrade>),
    Open(FrameReader),
}

impl WebSocket {
    /// Waits for the request.
    pub(crate) fn new(settings: WebSocketSettings) -> Self {
        let upgrade = Box::new(Upgrade::new(settings));
        Self {
            state: State::Upgrading(upgrade),
            has_closed: false,
            packets: PacketCutter::default(),
        }
    }

    /// Whether the connection is upgraded.
    pub(super) fn is_established(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes bytes; payload goes to `app`, what is to be answered to `wire`, also on failure.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        app: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<Flow, WebSocketFault> {
        if let State::Upgrading(upgrade) = &mut self.state {
            let Some(rest) = upgrade.receive(bytes, wire)? else {
                return Ok(Flow::Open);
            };
            self.state = State::Open(FrameReader::default());
            return self.receive(&rest, app, wire);
        }
        let State::Open(reader) = &mut self.state else {
            return Ok(Flow::Open);
        };
        let result = reader.read(bytes, app, wire);
        match &result {
            Ok(Flow::Open) => {}
            Ok(Flow::Ended) => self.close_with(CloseCode::Normal, wire),
            Err(WebSocketFault::Text) => self.close_with(CloseCode::Unsupported, wire),
            Err(_) => self.close_with(CloseCode::Protocol, wire),
        }
        result
    }

    /// Wraps each packet in a binary frame (`MQTT-6.0.0-1`); one that is not whole gets several.
    pub(super) fn send(&mut self, app: &[u8], wire: &mut Vec<u8>) {
        let binary = OpCode::Data(Data::Binary);
        self.packets
            .cut(app, |kept, now| put_frame(binary, &[kept, now], wire));
    }

    /// Appends a Close frame, if the WebSocket is open.
    pub(super) fn close(&mut self, wire: &mut Vec<u8>) {
        if self.is_established() {
            self.close_with(CloseCode::Normal, wire);
        }
    }

    fn close_with(&mut self, code: CloseCode, wire: &mut Vec<u8>) {
        if !self.has_closed {
            self.has_closed = true;
            put_frame(
                OpCode::Control(Control::Close),
                &[&u16::from(code).to_be_bytes()],
                wire,
            );
        }
    }
}

fn put_frame(opcode: OpCode, payload: &[&[u8]], wire: &mut Vec<u8>) {
    let len: usize = payload.iter().map(|piece| piece.len()).sum();
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    // Writing into memory does not fail.
    let written = header.format(len as u64, wire);
    debug_assert!(written.is_ok());
    for piece in payload {
        wire.extend_from_slice(piece);
    }
}

/// Where in the stream of frames the peer is.
#[derive(Debug, Default)]
struct FrameReader {
    /// A frame header as far as it has come.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// Payload bytes of the current frame that are still to come.
    remaining: u64,
    mask: [u8; 4],
    /// Which byte of the mask is next.
    mask_at: u8,
    is_control: bool,
    /// Whether a message of several frames is going on.
    is_fragmented: bool,
    /// The payload of a Ping or Close. Empty, and without memory, most of the time.
    control: Vec<u8>,
    control_code: u8,
}

impl FrameReader {
    fn read(
        &mut self,
        mut bytes: &[u8],
        app: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> Result<Flow, WebSocketFault> {
        loop {
            if self.remaining == 0 {
                let Some(rest) = self.read_header(bytes)? else {
                    return Ok(Flow::Open);
                };
                bytes = rest;
            }
            let len = usize::try_from(self.remaining)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let (payload, rest) = bytes.split_at(len);
            bytes = rest;
            self.remaining -= len as u64;
            let into = if self.is_control {
                &mut self.control
            } else {
                &mut *app
            };
            unmask(payload, self.mask, &mut self.mask_at, into);
            if self.remaining > 0 {
                return Ok(Flow::Open);
            }
            if self.is_control && self.finish_control(wire) == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
    }

    /// Completes the header; `None` if bytes are missing.
    fn read_header<'b>(&mut self, mut bytes: &'b [u8]) -> Result<Option<&'b [u8]>, WebSocketFault> {
        loop {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            bytes = rest;
            let at = usize::from(self.header_len);
            let Some(place) = self.header.get_mut(at) else {
                return Err(WebSocketFault::Frame("a frame header that does not end"));
            };
            *place = byte;
            self.header_len += 1;
            let mut cursor = Cursor::new(self.header.get(..=at).unwrap_or_default());
            match FrameHeader::parse(&mut cursor) {
                Ok(None) => {}
                Ok(Some((header, len))) => {
                    self.header_len = 0;
                    self.begin(&header, len)?;
                    return Ok(Some(bytes));
                }
                Err(_) => return Err(WebSocketFault::Frame("a frame header that is not valid")),
            }
        }
    }

    fn begin(&mut self, header: &FrameHeader, len: u64) -> Result<(), WebSocketFault> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(WebSocketFault::Frame("a frame with reserved bits set"));
        }
        let Some(mask) = header.mask else {
            return Err(WebSocketFault::Frame("a frame that is not masked"));
        };
        match header.opcode {
            OpCode::Data(Data::Binary) if !self.is_fragmented => {
                self.is_fragmented = !header.is_final;
            }
            OpCode::Data(Data::Continue) if self.is_fragmented => {
                self.is_fragmented = !header.is_final;
            }
            OpCode::Data(Data::Text) => return Err(WebSocketFault::Text),
            OpCode::Data(_) => return Err(WebSocketFault::Frame("a data frame out of order")),
            OpCode::Control(Control::Reserved(_)) => {
                return Err(WebSocketFault::Frame("a control frame of an unknown kind"));
            }
            OpCode::Control(_) if !header.is_final || len > CONTROL_BYTES_MAX => {
                return Err(WebSocketFault::Frame(
                    "a control frame that is too long or in parts",
                ));
            }
            OpCode::Control(_) => {}
        }
        self.is_control = matches!(header.opcode, OpCode::Control(_));
        self.control_code = header.opcode.into();
        self.remaining = len;
        self.mask = mask;
        self.mask_at = 0;
        Ok(())
    }

    fn finish_control(&mut self, wire: &mut Vec<u8>) -> Flow {
        let payload = std::mem::take(&mut self.control);
        match OpCode::from(self.control_code) {
            OpCode::Control(Control::Ping) => {
                put_frame(OpCode::Control(Control::Pong), &[&payload], wire);
                Flow::Open
            }
            OpCode::Control(Control::Close) => Flow::Ended,
            // A Pong that nobody asked for is permitted (RFC 6455, 5.5.3) and means nothing.
            OpCode::Control(Control::Pong | Control::Reserved(_)) | OpCode::Data(_) => Flow::Open,
        }
    }
}

fn unmask(payload: &[u8], mask: [u8; 4], at: &mut u8, into: &mut Vec<u8>) {
    let mut turned = mask;
    turned.rotate_left(usize::from(*at));
    let start = into.len();
    into.extend_from_slice(payload);
    let Some(fresh) = into.get_mut(start..) else {
        return;
    };
    let mut words = fresh.chunks_exact_mut(4);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(turned) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(turned) {
        *byte ^= key;
    }
    *at = ((usize::from(*at) + payload.len()) % 4) as u8;
}

/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
const CONTROL_BYTES_MAX: u64 = 125;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::AllowedOrigins;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0xA1, 0x52, 0x03, 0xF4];
        let mut frame = vec![first];
        if payload.len() < 126 {
            frame.push(0x80 | payload.len() as u8);
        } else {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(&mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        frame
    }

    const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn opened() -> WebSocket {
        WebSocket {
            state: State::Open(FrameReader::default()),
            has_closed: false,
            packets: PacketCutter::default(),
        }
    }

    fn check_answer(extra: &str, settings: WebSocketSettings, expected: &str, is_open: bool) {
        let mut websocket = WebSocket::new(settings);
        let mut wire = Vec::new();
        for byte in format!("{REQUEST}{extra}\r\n").bytes() {
            let flow = websocket.receive(&[byte], &mut Vec::new(), &mut wire);
            assert_eq!(flow.is_err(), !wire.is_empty() && !is_open);
        }
        let answer = String::from_utf8(wire).unwrap();
        assert!(answer.contains(expected), "{answer}");
        assert_eq!(websocket.is_established(), is_open);
    }

    #[test]
    fn selects_the_subprotocol() {
        // [MQTT-6.0.0-4] [MQTT-v311-6.0.0-4]
        let any = WebSocketSettings::default;
        let protocol = |list: &str| format!("Sec-WebSocket-Protocol: {list}\r\n");
        check_answer(
            &protocol("mqttv3.1, mqtt"),
            any(),
            "sec-websocket-protocol: mqtt\r\n",
            true,
        );
        check_answer(
            &protocol("mqttv3.1"),
            any(),
            "sec-websocket-protocol: mqttv3.1\r\n",
            true,
        );
        check_answer("", any(), "101 Switching Protocols", true);
        check_answer(&protocol("chat"), any(), "400 Bad Request", false);
    }

    #[test]
    fn serves_only_the_configured_path() {
        let at = |path: &str| WebSocketSettings {
            path: Some(path.to_owned()),
            ..WebSocketSettings::default()
        };
        check_answer("", at("/mqtt"), "101 Switching Protocols", true);
        check_answer("", at("/other"), "404 Not Found", false);
    }

    #[test]
    fn only_web_pages_that_may_are_let_in() {
        let listed = |list: &[&str]| WebSocketSettings {
            origins: AllowedOrigins::new(list.iter().map(|origin| (*origin).to_owned())),
            ..WebSocketSettings::default()
        };
        let check = |settings: &WebSocketSettings, origin: &str, may: bool| {
            let answer = if may { "101 " } else { "HTTP/1.1 403 " };
            let header = format!("Origin: {origin}\r\n");
            check_answer(&header, settings.clone(), answer, may);
        };
        // The request is for the host `h`.
        let same_host = WebSocketSettings::default();
        check(&same_host, "http://h", true);
        check(&same_host, "https://H:8443", true);
        for other in [
            "http://h.evil.example",
            "http://evil.example",
            "null",
            "h",
            "http://",
        ] {
            check(&same_host, other, false);
        }
        check(&same_host, "http://h\r\nOrigin: http://evil.example", false);
        let two = listed(&["https://app.example", "http://localhost:5173"]);
        check(&two, "https://app.example", true);
        check(&two, "https://APP.example", true);
        check(&two, "http://localhost:5173", true);
        for other in [
            "http://app.example",
            "https://app.example:444",
            "http://h",
            "null",
        ] {
            check(&two, other, false);
        }
        check(&listed(&["null"]), "null", true);
        check(&listed(&["*"]), "http://anywhere.example", true);
        // Programs that are no browsers send none.
        check_answer("", two, "101 ", true);
    }

    #[test]
    fn a_refused_web_page_is_told_what_to_set() {
        let mut wire = Vec::new();
        let request = format!("{REQUEST}Origin: http://evil.example\r\n\r\n");
        let mut websocket = WebSocket::new(WebSocketSettings::default());
        let fault = websocket.receive(request.as_bytes(), &mut Vec::new(), &mut wire);
        let origin = "http://evil.example".to_owned();
        assert_eq!(fault, Err(WebSocketFault::Origin(origin)));
        let answer = String::from_utf8(wire).unwrap();
        assert!(answer.contains("allowed_origins"), "{answer}");
    }

    #[test]
    fn a_request_without_upgrade_is_told_what_the_port_is_for() {
        let mut wire = Vec::new();
        let mut websocket = WebSocket::new(WebSocketSettings::default());
        let fault = websocket.receive(
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            &mut Vec::new(),
            &mut wire,
        );
        assert!(matches!(fault, Err(WebSocketFault::BadRequest(_))));
        let answer = String::from_utf8(wire).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
        assert!(answer.contains("MQTT over WebSocket"), "{answer}");
    }

    #[test]
    fn frames_may_cut_packets_anywhere() {
        // [MQTT-6.0.0-2] [MQTT-v311-6.0.0-2]
        let body: Vec<u8> = (0..=255).cycle().take(700).collect();
        let mut stream = frame(0x02, &body[..3]);
        stream.extend(frame(0x89, b"are you there"));
        stream.extend(frame(0x00, &body[3..300]));
        stream.extend(frame(0x80, &body[300..301]));
        stream.extend(frame(0x82, &[]));
        stream.extend(frame(0x82, &body[301..]));
        for step in [1, 2, 3, 7, 64, stream.len()] {
            let (mut app, mut wire) = (Vec::new(), Vec::new());
            let mut websocket = opened();
            for piece in stream.chunks(step) {
                let flow = websocket.receive(piece, &mut app, &mut wire);
                assert_eq!(flow, Ok(Flow::Open), "in steps of {step}");
            }
            assert_eq!(app, body, "in steps of {step}");
            assert_eq!(wire, b"\x8a\x0dare you there");
        }
    }

    #[test]
    fn a_text_frame_ends_the_connection() {
        // [MQTT-6.0.0-1] [MQTT-v311-6.0.0-1]
        let mut wire = Vec::new();
        let fault = opened().receive(&frame(0x81, b"hi"), &mut Vec::new(), &mut wire);
        assert_eq!(fault, Err(WebSocketFault::Text));
        assert_eq!(wire, [0x88, 2, 0x03, 0xEB]);
    }

    #[test]
    fn bad_frames_end_the_connection() {
        let unmasked = vec![0x82, 1, 0];
        let reserved = frame(0xC2, b"x");
        let lone_continuation = frame(0x80, b"x");
        let ping_in_parts = frame(0x09, b"x");
        let long_ping = frame(0x89, &[0; 126]);
        for bytes in [
            unmasked,
            reserved,
            lone_continuation,
            ping_in_parts,
            long_ping,
        ] {
            let mut wire = Vec::new();
            let fault = opened().receive(&bytes, &mut Vec::new(), &mut wire);
            assert!(
                matches!(fault, Err(WebSocketFault::Frame(_))),
                "{bytes:02x?}"
            );
            assert_eq!(wire, [0x88, 2, 0x03, 0xEA]);
        }
    }

    #[test]
    fn a_close_is_answered_once() {
        let mut wire = Vec::new();
        let mut websocket = opened();
        let flow = websocket.receive(&frame(0x88, &[0x03, 0xE8]), &mut Vec::new(), &mut wire);
        assert_eq!(flow, Ok(Flow::Ended));
        websocket.close(&mut wire);
        assert_eq!(wire, [0x88, 2, 0x03, 0xE8]);
    }
}
