//! The packets that pass a network, as a test reads them.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use columba_codec::packet::Packet;
use columba_codec::{Decoded, PacketId, Version, decode};
use tokio::sync::watch;

/// A packet that passed whole.
#[derive(Clone)]
pub(crate) struct Line {
    /// Connections are numbered in the order in which they came.
    pub(crate) connection: usize,
    /// Of the CONNECT, once it has passed.
    pub(crate) client_id: String,
    /// `>` to the server, `<` from it, whether or not the client was still there to read it.
    pub(crate) direction: char,
    /// Name, packet id, DUP and the payload up to its first space.
    pub(crate) packet: String,
}

impl Line {
    /// The packet id of a packet that has one.
    pub(crate) fn packet_id(&self) -> &str {
        self.packet.split(' ').nth(1).unwrap_or_default()
    }
}

/// Packets in the order in which they passed. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    lines: Arc<Mutex<Vec<Line>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Trace {
    /// What has passed so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lock().clone()
    }

    /// Waits until so many packets have passed.
    pub(crate) async fn reaches(&self, count: usize) {
        let mut counting = self.count.subscribe();
        let reached = counting.wait_for(|passed| *passed >= count).await;
        reached.expect("its sender is here");
    }

    /// Shows all of it, if the test has failed.
    pub(crate) fn show_if_failed(&self) {
        if std::thread::panicking() {
            for line in self.lines() {
                let (connection, client_id) = (line.connection, line.client_id);
                let (direction, packet) = (line.direction, line.packet);
                eprintln!("{connection} {client_id} {direction} {packet}");
            }
        }
    }

    fn push(&self, connection: usize, direction: char, packet: &Packet<'_>) {
        let mut lines = self.lock();
        let client_id = match packet {
            Packet::Connect(connect) => connect.client_id.to_owned(),
            _ => {
                let mut of_connection = lines.iter().rev();
                let last = of_connection.find(|line| line.connection == connection);
                last.map_or_else(String::new, |line| line.client_id.clone())
            }
        };
        lines.push(Line {
            connection,
            client_id,
            direction,
            packet: text(packet),
        });
        self.count.send_replace(lines.len());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One direction of one connection.
pub(crate) struct Watch {
    trace: Trace,
    version: Version,
    connection: usize,
    direction: char,
    unread: Vec<u8>,
}

impl Watch {
    pub(crate) fn new(trace: &Trace, version: Version, connection: usize, direction: char) -> Self {
        Self {
            trace: trace.clone(),
            version,
            connection,
            direction,
            unread: Vec::new(),
        }
    }

    /// Bytes have passed. Says whether they completed a CONNACK.
    pub(crate) fn note(&mut self, bytes: &[u8]) -> bool {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        let mut has_connack = false;
        while let Ok(Decoded::Packet(packet, len)) =
            decode(&self.unread[at..], self.version, u32::MAX)
        {
            has_connack |= matches!(packet, Packet::ConnAck(_));
            self.trace.push(self.connection, self.direction, &packet);
            at += len;
        }
        self.unread.drain(..at);
        has_connack
    }
}

fn text(packet: &Packet<'_>) -> String {
    let id = |name: &str, id: PacketId| format!("{name} {id:?}");
    match packet {
        Packet::Connect(connect) => format!("CONNECT '{}'", connect.client_id),
        Packet::ConnAck(connack) => {
            format!("CONNACK session present: {}", connack.session_present)
        }
        Packet::Publish(publish) => {
            let mut text = String::from("PUBLISH");
            if let Some(packet_id) = publish.packet_id {
                write!(text, " {packet_id:?}").expect("a string grows");
            }
            if publish.dup {
                text.push_str(" DUP");
            }
            let payload = String::from_utf8_lossy(publish.payload);
            let payload = payload.split(' ').next().unwrap_or_default();
            write!(text, " '{payload}'").expect("a string grows");
            text
        }
        Packet::PubAck(ack) => id("PUBACK", ack.packet_id),
        Packet::PubRec(ack) => id("PUBREC", ack.packet_id),
        Packet::PubRel(ack) => id("PUBREL", ack.packet_id),
        Packet::PubComp(ack) => id("PUBCOMP", ack.packet_id),
        other => format!("{:?}", other.packet_type()),
    }
}
