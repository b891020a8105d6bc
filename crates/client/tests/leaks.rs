//! Ten thousand connections that end: what the client holds stays what it was, and nothing is lost or
//! comes twice.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests of the driver start servers with ports of their own"
)]
#![expect(unsafe_code, reason = "counts the memory that is held")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use columba_client::driver::{Address, Client, ConnectOptions, Reconnect};
use columba_client::{Message, SessionOptions, Subscription};
use columba_codec::packet::{Acknowledgement, ConnAck, Packet, Publish, SubAck, SubscribeOptions};
use columba_codec::{Decoded, PacketId, Properties, QoS, ReasonCode, Version, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// So many clients at a time, for each waits a millisecond before it connects again.
const CLIENTS: usize = 20;
/// Connections of each.
const CONNECTIONS: usize = 500;
/// Connections of each before what is held is looked at first.
const WARM_UP: usize = 50;
/// Less than four bytes for each of the connections in between.
const GROWTH_BYTES_MAX: isize = 32 * 1024;

struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: it is the system's allocator, and what is counted beside it changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A server with one client, which ends each connection after some bytes.
#[derive(Default)]
struct Server {
    /// Connections that were accepted.
    connections: AtomicUsize,
    /// Packet ids of QoS 2 messages that are not released.
    received: Mutex<BTreeSet<PacketId>>,
    /// Messages that came: QoS 1 ones may come again, QoS 2 ones are counted once.
    at_least_once: AtomicUsize,
    exactly_once: AtomicUsize,
}

impl Server {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let number = self.connections.fetch_add(1, Ordering::Relaxed);
            // One client, one connection at a time.
            self.serve(stream, number).await;
        }
    }

    async fn serve(&self, mut stream: TcpStream, number: usize) {
        let cut_after_bytes = 40 + number * 37 % 300;
        let (mut unread, mut passed_bytes, mut buffer) = (Vec::new(), 0, [0; 256]);
        while let Ok(len @ 1..) = stream.read(&mut buffer).await {
            unread.extend_from_slice(&buffer[..len]);
            let (mut answers, mut at) = (Vec::new(), 0);
            while let Ok(Decoded::Packet(packet, len)) =
                decode(&unread[at..], Version::V5, u32::MAX)
            {
                self.answer(&packet, number, &mut answers);
                (at, passed_bytes) = (at + len, passed_bytes + len);
            }
            unread.drain(..at);
            if passed_bytes > cut_after_bytes && number + 1 < CONNECTIONS {
                // The last answer goes missing, or half of it does.
                answers.truncate(answers.len() / 2);
                let _ = stream.write_all(&answers).await;
                return;
            }
            if stream.write_all(&answers).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, packet: &Packet<'_>, number: usize, out: &mut Vec<u8>) {
        let acknowledgement = |packet_id| Acknowledgement {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        let mut received = self.received.lock().expect("no panic under it");
        let answer = match packet {
            Packet::Connect(_) => Packet::ConnAck(ConnAck {
                session_present: number > 0,
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            }),
            Packet::Subscribe(subscribe) => Packet::SubAck(SubAck {
                packet_id: subscribe.packet_id,
                properties: Properties::EMPTY,
                codes: &[0],
            }),
            Packet::Publish(Publish {
                qos: QoS::ExactlyOnce,
                packet_id: Some(packet_id),
                ..
            }) => {
                if received.insert(*packet_id) {
                    self.exactly_once.fetch_add(1, Ordering::Relaxed);
                }
                Packet::PubRec(acknowledgement(*packet_id))
            }
            Packet::Publish(Publish {
                packet_id: Some(packet_id),
                ..
            }) => {
                self.at_least_once.fetch_add(1, Ordering::Relaxed);
                Packet::PubAck(acknowledgement(*packet_id))
            }
            Packet::PubRel(ack) => {
                received.remove(&ack.packet_id);
                Packet::PubComp(acknowledgement(ack.packet_id))
            }
            _ => return,
        };
        answer.encode(Version::V5, out).expect("it can be said");
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("Linux lists them")
        .count()
}

/// A client whose server ends each of its connections.
struct Pair {
    server: Arc<Server>,
    client: Client,
    /// Messages at QoS 1 and 2 that were acknowledged.
    published: [usize; 2],
}

impl Pair {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let server = Arc::new(Server::default());
        tokio::spawn(Arc::clone(&server).run(listener));
        let session = SessionOptions {
            version: Version::V5,
            client_id: "comes back".to_owned(),
            ..SessionOptions::default()
        };
        let mut options = ConnectOptions::new(Address::tcp("127.0.0.1", port), session);
        options.clean_start = false;
        options.session.properties.session_expiry_secs = Some(3600);
        let reconnect = Reconnect {
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(1),
            jitter_seed: Some(1),
            ..Reconnect::default()
        };
        let connected = Client::connect_lasting(options, reconnect).await;
        let (client, mut events) = connected.expect("connects");
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let subscription = Subscription {
            filters: vec![("x".to_owned(), SubscribeOptions::from_qos(QoS::AtLeastOnce))],
            ..Subscription::default()
        };
        client
            .subscribe(subscription)
            .await
            .expect("subscribes")
            .into_result()
            .expect("not refused");
        Self {
            server,
            client,
            published: [0; 2],
        }
    }

    /// Publishes until there have been so many connections.
    async fn publish_until(&mut self, connections: usize) {
        while self.server.connections.load(Ordering::Relaxed) < connections {
            let all_qos = [QoS::AtLeastOnce, QoS::ExactlyOnce];
            for (count, qos) in self.published.iter_mut().zip(all_qos) {
                let message = Message::new("x", "sixteen bytes .").with_qos(qos);
                let answer = self.client.publish(message).await.expect("acknowledged");
                assert!(!answer.reason.is_error());
                *count += 1;
            }
        }
    }

    fn check(&self) {
        let [at_least_once, exactly_once] = self.published;
        let server = &self.server;
        assert_eq!(server.exactly_once.load(Ordering::Relaxed), exactly_once);
        assert!(server.at_least_once.load(Ordering::Relaxed) >= at_least_once);
    }
}

async fn all_publish_until(pairs: Vec<Pair>, connections: usize) -> Vec<Pair> {
    let mut running = tokio::task::JoinSet::new();
    for mut pair in pairs {
        running.spawn(async move {
            pair.publish_until(connections).await;
            pair
        });
    }
    running.join_all().await
}

#[tokio::test]
async fn ten_thousand_connections_leave_nothing_behind() {
    let mut pairs = Vec::new();
    for _ in 0..CLIENTS {
        pairs.push(Pair::start().await);
    }
    let pairs = all_publish_until(pairs, WARM_UP).await;
    let (bytes, files) = (LIVE_BYTES.load(Ordering::Relaxed), open_files());
    let pairs = all_publish_until(pairs, CONNECTIONS).await;
    let growth_bytes = LIVE_BYTES.load(Ordering::Relaxed) - bytes;
    assert!(growth_bytes < GROWTH_BYTES_MAX, "{growth_bytes} bytes more");
    assert!(open_files() <= files + CLIENTS, "files stay open");
    for pair in &pairs {
        pair.check();
    }
}
