//! A broker that forwards what it gets and misbehaves on request. It knows no wildcards, no
//! sessions and nothing of order between its clients; each connection is a thread.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use columba_codec::packet::{Acknowledgement, ConnAck, Connect, Publish, SubAck};
use columba_codec::{Decoded, Packet, PacketId, Properties, QoS, ReasonCode, Version, decode};

/// What the broker does wrong. Messages are counted from 1 over all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// Drops every so many-th delivery.
    Lose(u32),
    /// Delivers every so many-th twice.
    Duplicate(u32),
    /// Delivers every so many-th after the one that follows it.
    Swap(u32),
    /// Acknowledges, and stops reading and delivering after so many messages.
    FallSilent(u32),
    /// Closes all connections after so many messages.
    Die(u32),
    /// Answers CONNECT with a refusal.
    Refuse,
    /// Answers CONNECT with nothing.
    IgnoreConnect,
    /// Refuses messages with a reason code.
    RefuseMessages,
    /// Sends bytes that are no MQTT after so many messages.
    Babble(u32),
    /// Acknowledges what was not sent after so many messages.
    AcknowledgeTooMuch(u32),
}

/// A running broker.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    fault: Fault,
    is_over: AtomicBool,
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    clients: Vec<Client>,
    seen: u32,
    held: Option<(usize, Vec<u8>)>,
}

struct Client {
    socket: TcpStream,
    version: Version,
    filters: Vec<(String, QoS)>,
    packet_id: u16,
}

/// Whether a connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Close,
    Stall,
}

impl Broker {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            fault,
            is_over: AtomicBool::new(false),
            routes: Mutex::default(),
        });
        let of_acceptor = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &of_acceptor));
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for socket in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            break;
        }
        let socket = socket.expect("a connection");
        let shared = Arc::clone(shared);
        threads.push(std::thread::spawn(move || serve(socket, &shared)));
    }
    shared.routes.lock().expect("no panic before").close_all();
    for thread in threads {
        drop(thread.join());
    }
}

fn serve(mut socket: TcpStream, shared: &Shared) {
    let place = {
        let mut routes = shared.routes.lock().expect("no panic before");
        routes.clients.push(Client {
            socket: socket.try_clone().expect("a second handle"),
            version: Version::V5,
            filters: Vec::new(),
            packet_id: 0,
        });
        routes.clients.len() - 1
    };
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let len = match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(len) => len,
        };
        bytes.extend_from_slice(&buffer[..len]);
        loop {
            let mut routes = shared.routes.lock().expect("no panic before");
            let version = routes.clients[place].version;
            let Decoded::Packet(packet, used) = decode(&bytes, version, u32::MAX).expect("MQTT")
            else {
                break;
            };
            match routes.on_packet(place, packet, shared.fault) {
                Next::Read => {}
                Next::Close => {
                    drop(socket.shutdown(Shutdown::Both));
                    return;
                }
                Next::Stall => {
                    drop(routes);
                    // Until the peer has had enough.
                    while socket.read(&mut buffer).is_ok_and(|len| len > 0) {}
                    return;
                }
            }
            drop(routes);
            bytes.drain(..used);
        }
    }
    drop(socket.shutdown(Shutdown::Both));
}

impl Routes {
    fn close_all(&self) {
        for client in &self.clients {
            drop(client.socket.shutdown(Shutdown::Both));
        }
    }

    fn on_packet(&mut self, place: usize, packet: Packet<'_>, fault: Fault) -> Next {
        match packet {
            Packet::Connect(connect) => return self.on_connect(place, &connect, fault),
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter();
                let filters: Vec<_> = filters.map(|(f, o)| (f.to_owned(), o.qos)).collect();
                let codes: Vec<u8> = filters.iter().map(|(_, qos)| qos.as_u8()).collect();
                self.clients[place].filters.extend(filters);
                self.send(
                    place,
                    &Packet::SubAck(SubAck {
                        packet_id: subscribe.packet_id,
                        properties: Properties::EMPTY,
                        codes: &codes,
                    }),
                );
            }
            Packet::Publish(publish) => return self.on_publish(place, &publish, fault),
            Packet::PubRec(ack) => {
                let release = Acknowledgement::success(ack.packet_id);
                self.send(place, &Packet::PubRel(release));
            }
            Packet::PubRel(ack) => {
                let complete = Acknowledgement::success(ack.packet_id);
                self.send(place, &Packet::PubComp(complete));
            }
            Packet::PingReq => self.send(place, &Packet::PingResp),
            Packet::Disconnect(_) => return Next::Close,
            _ => {}
        }
        Next::Read
    }

    fn on_connect(&mut self, place: usize, connect: &Connect<'_>, fault: Fault) -> Next {
        self.clients[place].version = connect.version;
        let reason = match fault {
            Fault::IgnoreConnect => return Next::Read,
            Fault::Refuse => ReasonCode::NotAuthorized,
            _ => ReasonCode::Success,
        };
        self.send(
            place,
            &Packet::ConnAck(ConnAck {
                session_present: false,
                reason,
                properties: Properties::EMPTY,
            }),
        );
        if reason.is_error() {
            Next::Close
        } else {
            Next::Read
        }
    }

    fn on_publish(&mut self, place: usize, publish: &Publish<'_>, fault: Fault) -> Next {
        self.seen += 1;
        let is_nth = |nth: u32| self.seen.is_multiple_of(nth);
        let is_now = |after: u32| self.seen > after;
        match fault {
            Fault::FallSilent(after) if is_now(after) => return Next::Stall,
            Fault::Die(after) if is_now(after) => {
                self.close_all();
                return Next::Close;
            }
            Fault::Babble(after) if is_now(after) => {
                // PUBLISH with QoS 3.
                drop(self.clients[place].socket.write_all(&[0x36, 2, 0, 0]));
                return Next::Stall;
            }
            Fault::AcknowledgeTooMuch(after) if is_now(after) => {
                let ack = Acknowledgement::success(PacketId::MAX);
                self.send(place, &Packet::PubAck(ack));
                return Next::Stall;
            }
            _ => {}
        }
        let (times, is_late) = match fault {
            Fault::Lose(nth) if is_nth(nth) => (0, false),
            Fault::Duplicate(nth) if is_nth(nth) => (2, false),
            Fault::Swap(nth) if is_nth(nth) => (1, true),
            Fault::RefuseMessages => (0, false),
            _ => (1, false),
        };
        self.acknowledge(place, publish, fault);
        let subscribers = self.clients.iter().enumerate();
        let matching = subscribers.filter_map(|(place, client)| {
            let filters = client.filters.iter();
            let mut matching =
                filters.filter(|(filter, _)| columba_codec::topic::matches(filter, publish.topic));
            matching.next().map(|(_, qos)| (place, *qos))
        });
        let matching: Vec<_> = matching.collect();
        for (to, qos) in matching {
            for _ in 0..times {
                self.deliver(to, qos, publish, is_late);
            }
        }
        Next::Read
    }

    fn acknowledge(&mut self, place: usize, publish: &Publish<'_>, fault: Fault) {
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        let mut ack = Acknowledgement::success(packet_id);
        if fault == Fault::RefuseMessages {
            ack.reason = ReasonCode::NotAuthorized;
        }
        let packet = match publish.qos {
            QoS::ExactlyOnce => Packet::PubRec(ack),
            _ => Packet::PubAck(ack),
        };
        self.send(place, &packet);
    }

    fn deliver(&mut self, to: usize, qos: QoS, publish: &Publish<'_>, is_late: bool) {
        let client = &mut self.clients[to];
        let qos = qos.min(publish.qos);
        client.packet_id = client.packet_id.checked_add(1).unwrap_or(1);
        let packet = Packet::Publish(Publish {
            qos,
            packet_id: (qos != QoS::AtMostOnce)
                .then(|| PacketId::new(client.packet_id))
                .flatten(),
            ..*publish
        });
        let mut bytes = Vec::new();
        packet
            .encode(client.version, &mut bytes)
            .expect("a packet that can be encoded");
        if is_late {
            self.held = Some((to, bytes));
            return;
        }
        drop(client.socket.write_all(&bytes));
        if let Some((to, bytes)) = self.held.take() {
            drop(self.clients[to].socket.write_all(&bytes));
        }
    }

    fn send(&mut self, place: usize, packet: &Packet<'_>) {
        let client = &mut self.clients[place];
        let mut bytes = Vec::new();
        packet
            .encode(client.version, &mut bytes)
            .expect("a packet that can be encoded");
        // A client that is gone needs no answer.
        drop(client.socket.write_all(&bytes));
    }
}
