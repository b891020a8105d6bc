//! A whole broker on loopback sockets, and clients that speak raw packets to it.
#![allow(
    dead_code,
    reason = "several test programs share this file and none uses all of it"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use columba_broker::access::AccessRules;
use columba_broker::event::{AuthRequest, AuthVerdict};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_codec::packet::{
    Connect, Packet, Publish, Subscribe, SubscribeFilters, SubscribeOptions, Will,
};
use columba_codec::{Decoded, Properties, QoS, ReasonCode, Version, decode};
use columba_server::auth::Authenticate;
use columba_server::listener::{BoundAddress, ListenerConfig, ListenerKind};
use columba_server::{Broker, RuntimeConfig};
use rustix::net::{AddressFamily, SocketType};

/// Long enough for any event on a loaded machine; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Lets everybody in except for the password `wrong`.
struct AnyPassword;

impl Authenticate for AnyPassword {
    fn check(&self, request: &AuthRequest) -> AuthVerdict {
        if request.password.as_deref() == Some(b"wrong") {
            return AuthVerdict::BadCredentials;
        }
        AuthVerdict::Allow {
            user: request.user_name.as_deref().map(Arc::from),
            groups: Arc::new([]),
        }
    }
}

pub(crate) fn settings(name: &str) -> ListenerSettings {
    ListenerSettings {
        name: name.to_owned(),
        anonymous: Anonymous::Always,
        connections_max: 0,
        packet_bytes_max: None,
        certificate_is_user: false,
        promise: Promise::Durable,
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn tcp() -> ListenerConfig {
    ListenerConfig {
        kind: ListenerKind::Tcp { bind: loopback() },
        settings: settings("tcp"),
    }
}

pub(crate) fn broker_with(shards: u16, limits: Limits, listeners: Vec<ListenerConfig>) -> Broker {
    start(shards, limits, listeners, Arc::new(AnyPassword), 16)
}

/// A broker with one thread that checks credentials.
pub(crate) fn start(
    shards: u16,
    limits: Limits,
    listeners: Vec<ListenerConfig>,
    authenticator: Arc<dyn Authenticate>,
    auth_queue_max: usize,
) -> Broker {
    Broker::start(RuntimeConfig {
        shards,
        seed: 7,
        id_secret: [7; 16],
        limits: Arc::new(limits),
        listeners,
        access: Arc::new(AccessRules::allow_all()),
        bans: Arc::default(),
        authenticator,
        auth_threads: 1,
        auth_queue_max,
        shutdown_timeout_ms: 10_000,
        store: None,
    })
    .expect("the broker starts")
}

pub(crate) fn broker(shards: u16) -> Broker {
    broker_with(shards, Limits::default(), vec![tcp()])
}

pub(crate) fn address(broker: &Broker, listener: usize) -> SocketAddr {
    match &broker.addresses()[listener] {
        BoundAddress::Ip(address) => *address,
        BoundAddress::Unix(path) => panic!("{} is no address", path.display()),
    }
}

pub(crate) fn socket(broker: &Broker, listener: usize) -> TcpStream {
    let stream = TcpStream::connect(address(broker, listener)).expect("connects");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("takes a timeout");
    stream.set_nodelay(true).expect("takes the option");
    stream
}

/// A socket that is not connected yet: connecting it later needs no descriptor.
pub(crate) fn unconnected() -> OwnedFd {
    rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket")
}

/// Connects one.
pub(crate) fn connected(broker: &Broker, descriptor: OwnedFd) -> TcpStream {
    rustix::net::connect(&descriptor, &address(broker, 0)).expect("connects");
    let stream = TcpStream::from(descriptor);
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("takes a timeout");
    stream
}

/// Bytes in and out, over whatever transport.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A client of MQTT 5 that blocks.
pub(crate) struct Client {
    pub(crate) wire: Box<dyn Wire>,
    received: Vec<u8>,
}

pub(crate) const VERSION: Version = Version::V5;

pub(crate) fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(VERSION, &mut bytes)
        .expect("a packet that can be encoded");
    bytes
}

pub(crate) fn connect_packet(client_id: &str) -> Vec<u8> {
    connect_with_will(client_id, None)
}

pub(crate) fn connect_with_will(client_id: &str, will: Option<Will<'_>>) -> Vec<u8> {
    encoded(&Packet::Connect(Connect {
        will,
        ..connect(client_id)
    }))
}

/// CONNECT of a client that is called like its user.
pub(crate) fn connect_with_login(user: &str, password: &str) -> Vec<u8> {
    encoded(&Packet::Connect(Connect {
        user_name: Some(user),
        password: Some(password.as_bytes()),
        ..connect(user)
    }))
}

fn connect(client_id: &str) -> Connect<'_> {
    Connect {
        version: VERSION,
        is_bridge: false,
        clean_start: true,
        keep_alive_secs: 0,
        properties: Properties::default(),
        client_id,
        will: None,
        user_name: None,
        password: None,
    }
}

pub(crate) fn publish_packet(topic: &str, payload: &[u8], packet_id: Option<u16>) -> Vec<u8> {
    let packet_id = packet_id.and_then(NonZeroU16::new);
    encoded(&Packet::Publish(Publish {
        dup: false,
        qos: if packet_id.is_some() {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        },
        retain: false,
        topic,
        packet_id,
        properties: Properties::default(),
        payload,
    }))
}

pub(crate) fn subscribe_packet(filter: &str, qos: QoS) -> Vec<u8> {
    let mut filters = Vec::new();
    let options = SubscribeOptions::from_qos(qos);
    SubscribeFilters::put(&mut filters, filter, options).expect("a filter that fits");
    encoded(&Packet::Subscribe(Subscribe {
        packet_id: NonZeroU16::MIN,
        properties: Properties::default(),
        filters: SubscribeFilters::from_bytes(&filters, VERSION).expect("what was just written"),
    }))
}

impl Client {
    pub(crate) fn new(wire: impl Wire + 'static) -> Self {
        Self {
            wire: Box::new(wire),
            received: Vec::new(),
        }
    }

    /// Connects and waits for a CONNACK with success.
    pub(crate) fn connect(wire: impl Wire + 'static, client_id: &str) -> Self {
        let mut client = Self::new(wire);
        client.send(&connect_packet(client_id));
        client.expect_connack();
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).expect("the broker takes bytes");
        self.wire.flush().expect("the broker takes bytes");
    }

    pub(crate) fn expect_connack(&mut self) {
        assert_eq!(self.connack_reason(), ReasonCode::Success);
    }

    /// Waits for a CONNACK.
    pub(crate) fn connack_reason(&mut self) -> ReasonCode {
        self.next(|packet| match packet {
            Some(Packet::ConnAck(connack)) => connack.reason,
            other => panic!("instead of CONNACK: {other:?}"),
        })
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.send(&subscribe_packet(filter, qos));
        self.next(|packet| match packet {
            Some(Packet::SubAck(suback)) => assert_eq!(suback.codes, [qos as u8]),
            other => panic!("instead of SUBACK: {other:?}"),
        });
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.send(&publish_packet(topic, payload, Some(1)));
        self.next(|packet| match packet {
            Some(Packet::PubAck(puback)) => assert_eq!(puback.packet_id, NonZeroU16::MIN),
            other => panic!("instead of PUBACK: {other:?}"),
        });
    }

    /// Waits for a PUBLISH.
    pub(crate) fn expect_publish(&mut self, topic: &str, payload: &[u8]) {
        self.next(|packet| match packet {
            Some(Packet::Publish(publish)) => {
                assert_eq!(publish.topic, topic);
                assert_eq!(publish.payload.len(), payload.len());
                assert!(publish.payload == payload, "another payload");
            }
            other => panic!("instead of PUBLISH: {other:?}"),
        });
    }

    /// Waits for a PUBLISH; its payload.
    pub(crate) fn any_payload(&mut self) -> Vec<u8> {
        self.next(|packet| match packet {
            Some(Packet::Publish(publish)) => publish.payload.to_vec(),
            other => panic!("instead of PUBLISH: {other:?}"),
        })
    }

    /// Waits for a DISCONNECT with this reason, and for the end.
    pub(crate) fn expect_disconnect(&mut self, reason: ReasonCode) {
        self.next(|packet| match packet {
            Some(Packet::Disconnect(disconnect)) => assert_eq!(disconnect.reason, reason),
            other => panic!("instead of DISCONNECT: {other:?}"),
        });
        self.expect_end();
    }

    /// Waits for the broker to close.
    pub(crate) fn expect_end(&mut self) {
        self.next(|packet| assert!(packet.is_none(), "instead of the end: {packet:?}"));
    }

    pub(crate) fn ping(&mut self) {
        self.send(&encoded(&Packet::PingReq));
        self.next(|packet| assert_eq!(packet, Some(Packet::PingResp)));
    }

    /// Waits for the next packet; `None` is the end.
    pub(crate) fn next<T>(&mut self, look: impl FnOnce(Option<Packet<'_>>) -> T) -> T {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match decode(&self.received, VERSION, u32::MAX).expect("the broker's packets are valid")
            {
                Decoded::Packet(packet, len) => {
                    let answer = look(Some(packet));
                    self.received.drain(..len);
                    return answer;
                }
                Decoded::Incomplete { .. } => {}
            }
            match self.wire.read(&mut chunk) {
                Ok(0) => return look(None),
                Ok(len) => self.received.extend_from_slice(&chunk[..len]),
                Err(error) if is_end(&error) => return look(None),
                Err(error) => panic!("nothing came in time: {error}"),
            }
        }
    }
}

pub(crate) fn is_end(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

/// Reads until the other side closes.
pub(crate) fn read_to_end(wire: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match wire.read(&mut chunk) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(&chunk[..len]),
            Err(error) if is_end(&error) => return all,
            Err(error) => panic!("no end in time after {} bytes: {error}", all.len()),
        }
    }
}

/// Asks again and again, where there is nothing to wait for.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// Resident memory of this process.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a line");
    line.trim()
        .trim_end_matches(" kB")
        .trim()
        .parse::<u64>()
        .expect("a number")
        * 1024
}
