//! A client byte by byte, for what no library does: it acknowledges when it is told to, breaks the
//! protocol, or falls silent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::lab::Lab;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// First byte of a packet that is awaited.
pub(crate) const PUBLISH: u8 = 0x30;
const CONNACK: u8 = 0x20;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xb0;
const PINGRESP: u8 = 0xd0;

/// What a client says of itself.
pub(crate) struct Hello<'a> {
    pub(crate) id: &'a str,
    /// 4 or 5.
    pub(crate) version: u8,
    pub(crate) is_clean: bool,
    pub(crate) keep_alive_secs: u16,
    /// Of CONNECT, with MQTT 5.
    pub(crate) properties: &'a [u8],
    /// Topic, and properties of MQTT 5.
    pub(crate) will: Option<(&'a str, &'a [u8])>,
}

impl<'a> Hello<'a> {
    /// MQTT 5, a new session that ends with the connection.
    pub(crate) fn v5(id: &'a str) -> Self {
        Self {
            id,
            version: 5,
            is_clean: true,
            keep_alive_secs: 60,
            properties: &[],
            will: None,
        }
    }

    /// The same of MQTT 3.1.1.
    pub(crate) fn v3(id: &'a str) -> Self {
        Self {
            version: 4,
            ..Self::v5(id)
        }
    }
}

pub(crate) struct Raw {
    stream: TcpStream,
    is_v5: bool,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// A packet with its length; bodies of the lab are below 16 KiB.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    assert!(len < 1 << 14, "two bytes of length");
    let mut bytes = vec![first];
    if len < 128 {
        bytes.push(len as u8);
    } else {
        bytes.extend([(len % 128) as u8 | 0x80, (len / 128) as u8]);
    }
    bytes.extend(body);
    bytes
}

impl Raw {
    /// A connection that has said nothing yet.
    pub(crate) fn silent(lab: &Lab) -> Self {
        let stream = TcpStream::connect(format!("127.0.0.1:{}", lab.port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream,
            is_v5: true,
        }
    }

    /// A connection with its CONNACK, whatever that says.
    pub(crate) fn knocks(lab: &Lab, hello: &Hello<'_>) -> (Self, u8) {
        let mut raw = Self::silent(lab);
        raw.is_v5 = hello.version == 5;
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        let will = if hello.will.is_some() { 0x04 } else { 0 };
        body.extend([hello.version, will | u8::from(hello.is_clean) << 1]);
        body.extend(hello.keep_alive_secs.to_be_bytes());
        raw.properties(&mut body, hello.properties);
        text(&mut body, hello.id);
        if let Some((topic, properties)) = hello.will {
            raw.properties(&mut body, properties);
            text(&mut body, topic);
            text(&mut body, "gone");
        }
        raw.send(&packet(0x10, &body));
        let connack = raw.gets(CONNACK);
        let code = connack.get(1).copied().expect("a code");
        (raw, code)
    }

    pub(crate) fn connects(lab: &Lab, hello: &Hello<'_>) -> Self {
        let (raw, code) = Self::knocks(lab, hello);
        assert_eq!(code, 0, "{}", hello.id);
        raw
    }

    fn properties(&self, body: &mut Vec<u8>, properties: &[u8]) {
        if self.is_v5 {
            body.push(properties.len() as u8);
            body.extend(properties);
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// The body of the next packet that begins so; others are passed over. Of a PUBLISH, any.
    pub(crate) fn gets(&mut self, first: u8) -> Vec<u8> {
        loop {
            let (kind, body) = self.packet().expect("a packet");
            if kind & 0xf0 == first {
                return body;
            }
        }
    }

    fn packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        let mut next = || {
            self.stream.read_exact(&mut byte)?;
            std::io::Result::Ok(byte[0])
        };
        let first = next()?;
        let mut len = 0_usize;
        for shift in [0, 7, 14, 21] {
            let digit = next()?;
            len |= usize::from(digit & 0x7f) << shift;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok((first, body))
    }

    /// Waits until the broker has ended the connection.
    pub(crate) fn is_closed(&mut self) {
        while self.packet().is_ok() {}
    }

    /// Subscribes; tells the reason code. `options` as MQTT 5 has them.
    pub(crate) fn subscribes(&mut self, filter: &str, options: u8) -> u8 {
        let mut body = vec![0, 9];
        self.properties(&mut body, &[]);
        text(&mut body, filter);
        body.push(options);
        self.send(&packet(0x82, &body));
        self.gets(SUBACK).last().copied().expect("a code")
    }

    pub(crate) fn unsubscribes(&mut self, filter: &str) {
        let mut body = vec![0, 9];
        self.properties(&mut body, &[]);
        text(&mut body, filter);
        self.send(&packet(0xa2, &body));
        self.gets(UNSUBACK);
    }

    /// Publishes `1` with these bits of the first byte, and properties of MQTT 5. `id` is used from QoS 1
    /// on.
    pub(crate) fn publishes(&mut self, topic: &str, bits: u8, id: u16, properties: &[u8]) {
        let mut body = Vec::new();
        text(&mut body, topic);
        if bits & 0x06 != 0 {
            body.extend(id.to_be_bytes());
        }
        self.properties(&mut body, properties);
        body.push(b'1');
        self.send(&packet(PUBLISH | bits, &body));
    }

    /// What it has sent before has been read.
    pub(crate) fn pings(&mut self) {
        self.send(&packet(0xc0, &[]));
        self.gets(PINGRESP);
    }

    /// Takes a message with QoS 1, and acknowledges it.
    pub(crate) fn acknowledges(&mut self) {
        let body = self.gets(PUBLISH);
        let topic = usize::from(body[0]) << 8 | usize::from(body[1]);
        let id = &body[2 + topic..4 + topic];
        self.send(&packet(0x40, id));
        self.pings();
    }

    /// DISCONNECT, with a reason code if it is not 0.
    pub(crate) fn leaves(mut self, reason: u8) {
        let body = if reason == 0 { vec![] } else { vec![reason, 0] };
        self.send(&packet(0xe0, &body));
        self.is_closed();
    }
}
