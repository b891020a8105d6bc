//! A network that cuts connections at random places, and remembers the packets that passed.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use columba_codec::packet::Packet;
use columba_codec::{Decoded, PacketId, Version, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on to a server, and cuts its first connections after a random number of them.
pub(crate) struct Cutter {
    pub(crate) port: u16,
    trace: Trace,
}

/// A packet that passed whole.
#[derive(Clone)]
pub(crate) struct Line {
    /// Connections are numbered in the order in which they came.
    pub(crate) connection: usize,
    /// Of the CONNECT, once it has passed.
    pub(crate) client_id: String,
    /// `>` to the server, `<` from it.
    pub(crate) direction: char,
    /// Name, packet id, DUP and payload.
    pub(crate) packet: String,
}

/// In the order in which they passed.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<Line>>>);

impl Cutter {
    pub(crate) async fn start(
        server_port: u16,
        mut seed: u64,
        cuts: usize,
        version: Version,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let trace = Trace::default();
        let lines = trace.clone();
        tokio::spawn(async move {
            for at in 0.. {
                let Ok((client, _)) = listener.accept().await else {
                    return;
                };
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bytes = if at < cuts {
                    usize::try_from(seed >> 33).expect("31 bits") % 1500 + 20
                } else {
                    usize::MAX
                };
                let up = Watch::new(&lines, version, at, '>');
                let down = Watch::new(&lines, version, at, '<');
                tokio::spawn(pass(client, server_port, bytes, up, down));
            }
        });
        Self { port, trace }
    }

    /// What has passed so far.
    pub(crate) fn trace(&self) -> Vec<Line> {
        let lines = self.trace.0.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.trace() {
                let (connection, direction, packet) =
                    (line.connection, line.direction, line.packet);
                eprintln!("{connection} {direction} {packet}");
            }
        }
    }
}

impl Line {
    /// The packet id of a packet that has one.
    pub(crate) fn packet_id(&self) -> &str {
        self.packet.split(' ').nth(1).unwrap_or_default()
    }
}

impl Trace {
    fn push(&self, connection: usize, direction: char, packet: &Packet<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client_id = match packet {
            Packet::Connect(connect) => connect.client_id.to_owned(),
            _ => {
                let mut earlier = lines.iter().filter(|line| line.connection == connection);
                earlier
                    .next()
                    .map_or_else(String::new, |line| line.client_id.clone())
            }
        };
        lines.push(Line {
            connection,
            client_id,
            direction,
            packet: text(packet),
        });
    }
}

/// Passes `left` bytes of both directions together, and drops the connection.
async fn pass(
    mut client: TcpStream,
    server_port: u16,
    mut left: usize,
    mut up: Watch,
    mut down: Watch,
) {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await;
    let Ok(mut server) = server else { return };
    while left > 0 {
        let done = tokio::select! {
            read = client.read(&mut up.buffer) => {
                up.pass(read, &mut left, &mut server).await
            }
            read = server.read(&mut down.buffer) => {
                down.pass(read, &mut left, &mut client).await
            }
        };
        if done {
            return;
        }
    }
}

/// One direction of one connection.
struct Watch {
    trace: Trace,
    version: Version,
    connection: usize,
    direction: char,
    buffer: [u8; 512],
    unread: Vec<u8>,
}

impl Watch {
    fn new(trace: &Trace, version: Version, connection: usize, direction: char) -> Self {
        Self {
            trace: trace.clone(),
            version,
            connection,
            direction,
            buffer: [0; 512],
            unread: Vec::new(),
        }
    }

    /// Passes on what was read, and says whether that was the last of it.
    async fn pass(
        &mut self,
        read: std::io::Result<usize>,
        left: &mut usize,
        to: &mut TcpStream,
    ) -> bool {
        let Ok(len @ 1..) = read else { return true };
        let passed = len.min(*left);
        *left -= passed;
        let bytes = &self.buffer[..passed];
        self.unread.extend_from_slice(bytes);
        self.note();
        to.write_all(&self.buffer[..passed]).await.is_err()
    }

    fn note(&mut self) {
        let mut at = 0;
        while let Ok(Decoded::Packet(packet, len)) =
            decode(&self.unread[at..], self.version, u32::MAX)
        {
            self.trace.push(self.connection, self.direction, &packet);
            at += len;
        }
        self.unread.drain(..at);
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
