//! A blocking MQTT client for loads: it encodes with our codec and looks at fixed headers only.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, anyhow, ensure};
use columba_codec::packet::{Connect, Publish, Subscribe};
use columba_codec::packet::{SubscribeFilters, SubscribeOptions};
use columba_codec::{Packet, PacketId, PacketType, Properties, QoS, Version, fixed_header};

const VERSION: Version = Version::V311;
const PACKET_BYTES_MAX: u32 = 1 << 20;

/// A connected client.
pub(super) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// Of a packet that came in: its type, QoS and packet id.
pub(super) struct Seen {
    pub(super) packet: PacketType,
    pub(super) qos: u8,
    pub(super) packet_id: [u8; 2],
}

impl Peer {
    /// Connects with a clean session.
    pub(super) fn connect(port: u16, client_id: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut peer = Self {
            stream,
            buffer: vec![0; 256],
            filled: 0,
        };
        peer.send(&encoded(&Packet::Connect(Connect {
            version: VERSION,
            is_bridge: false,
            clean_start: true,
            keep_alive_secs: 0,
            properties: Properties::default(),
            client_id,
            will: None,
            user_name: None,
            password: None,
        }))?)?;
        peer.expect(PacketType::ConnAck)?;
        Ok(peer)
    }

    /// Subscribes to one topic.
    pub(super) fn subscribe(&mut self, topic: &str, qos: QoS) -> anyhow::Result<()> {
        let mut filters = Vec::new();
        SubscribeFilters::put(&mut filters, topic, SubscribeOptions::from_qos(qos))
            .map_err(|e| anyhow!("{e}"))?;
        let filters =
            SubscribeFilters::from_bytes(&filters, VERSION).map_err(|e| anyhow!("{e}"))?;
        let packet_id = PacketId::new(1).context("packet id")?;
        let properties = Properties::default();
        self.send(&encoded(&Packet::Subscribe(Subscribe {
            packet_id,
            properties,
            filters,
        }))?)?;
        self.expect(PacketType::SubAck)
    }

    /// A second handle on the same connection.
    pub(super) fn split(&self) -> anyhow::Result<TcpStream> {
        Ok(self.stream.try_clone()?)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads once and gives every whole packet to `each`.
    pub(super) fn receive(&mut self, mut each: impl FnMut(Seen)) -> anyhow::Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer
                .resize((self.buffer.len() * 2).max(64 * 1024), 0);
        }
        let count = self.stream.read(&mut self.buffer[self.filled..])?;
        ensure!(count > 0, "the broker closed the connection");
        self.filled += count;
        let mut at = 0;
        loop {
            let rest = &self.buffer[at..self.filled];
            let Some(header) = fixed_header(rest, PACKET_BYTES_MAX).map_err(|e| anyhow!("{e}"))?
            else {
                break;
            };
            let Some(packet) = rest.get(..header.total_len) else {
                break;
            };
            each(seen(
                header.packet,
                header.flags,
                &packet[header.header_len..],
            ));
            at += header.total_len;
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }

    fn expect(&mut self, wanted: PacketType) -> anyhow::Result<()> {
        let mut got = None;
        while got.is_none() {
            self.receive(|seen| got = Some(seen.packet))?;
        }
        ensure!(got == Some(wanted), "{got:?} instead of {wanted:?}");
        Ok(())
    }
}

fn seen(packet: PacketType, flags: u8, body: &[u8]) -> Seen {
    let qos = (flags >> 1) & 3;
    let id_at = match packet {
        // Behind the topic.
        PacketType::Publish => 2 + usize::from(body[0]) * 256 + usize::from(body[1]),
        _ => 0,
    };
    let packet_id = match body.get(id_at..id_at + 2) {
        Some(&[high, low]) => [high, low],
        Some(_) | None => [0, 0],
    };
    Seen {
        packet,
        qos,
        packet_id,
    }
}

/// A PUBLISH whose packet id is filled in later.
pub(super) fn publish(topic: &str, qos: QoS, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    encoded(&Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: if qos == QoS::AtMostOnce {
            None
        } else {
            PacketId::new(1)
        },
        properties: Properties::default(),
        payload,
    }))
}

fn encoded(packet: &Packet<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    packet
        .encode(VERSION, &mut out)
        .map_err(|e| anyhow!("{e}"))?;
    Ok(out)
}
