//! A shard's thread, turned by hand, beside a shard that takes its letters when the test says so.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use columba_broker::access::AccessRules;
use columba_broker::event::{
    AuthRequest, AuthVerdict, ConnectionId, ListenerId, Now, Peer, ShardId,
};
use columba_broker::journal::StoreEvent;
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::mail::Mail;
use columba_broker::{Effect, Input, Shard, ShardConfig};
use mio::net::UnixStream;
use mio::{Events, Poll, Waker};

use super::{Checks, Driver, DriverParts, Errand, INPUT_BYTES, ShardHandle, WAKER};
use crate::auth::Authenticate;
use crate::bell::Bell;
use crate::listener::socket::Socket;
use crate::listener::{BoundAddress, Listener, ListenerConfig, ListenerKind};
use crate::mailbox::{Mailboxes, WAITING_BYTES_MAX};
use crate::runtime::{Clock, Shared};

struct Nobody;

impl Authenticate for Nobody {
    fn check(&self, _: &AuthRequest) -> AuthVerdict {
        AuthVerdict::BadCredentials
    }
}

/// Shard 0 with its driver, shard 1 without.
struct Bed {
    driver: Driver,
    handle: ShardHandle,
    events: Events,
    other: Shard,
    other_mail: Mailboxes<Mail>,
    _other_poll: Poll,
    /// Client ids at home on each shard.
    client_ids: [Vec<String>; 2],
}

impl Bed {
    fn new() -> Self {
        Self::with(false)
    }

    /// `is_durable`: the cores think that they have a store; the test is the store.
    fn with(is_durable: bool) -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        let settings = ListenerSettings {
            name: "test".to_owned(),
            anonymous: Anonymous::Always,
            connections_max: 0,
            packet_bytes_max: None,
            certificate_is_user: false,
            promise: Promise::Nothing,
        };
        let config = ListenerConfig {
            kind: ListenerKind::Tcp { bind: address },
            settings: settings.clone(),
        };
        let listeners = vec![Listener::load(&config).unwrap()];
        let shared = Shared::new(
            Clock::start(),
            listeners,
            &[config],
            &[BoundAddress::Ip(address)],
        );
        let shared = Arc::new(shared);
        let polls: Vec<_> = (0..2).map(|_| Poll::new().unwrap()).collect();
        let bell = |poll: &Poll| Bell::new(Waker::new(poll.registry(), WAKER).unwrap());
        let bells: Vec<_> = polls.iter().map(|poll| Arc::new(bell(poll))).collect();
        let mut mail = Mailboxes::connect(&bells).into_iter();
        let mut polls = polls.into_iter();
        let (sender, errands) = channel();
        let handle = |bell: &Arc<Bell>| ShardHandle::new(sender.clone(), Arc::clone(bell));
        // Nobody is handed over in these tests, so both may lead to the same place.
        let shards: Arc<[ShardHandle]> = bells.iter().map(handle).collect();
        let authenticator: Arc<dyn Authenticate> = Arc::new(Nobody);
        let (checks, _) = Checks::start(1, 1, &authenticator, &shards).unwrap();
        let limits = Arc::new(Limits::default());
        let core = |number| {
            let config = ShardConfig {
                id: ShardId(number),
                shards: 2,
                seed: 7,
                id_secret: [7; 16],
                limits: Arc::clone(&limits),
                listeners: [settings.clone()].into(),
                access: Arc::new(AccessRules::allow_all()),
                is_durable,
            };
            Shard::new(config, shared.now())
        };
        let is_of = |shard: u16, client_id: &String| {
            let mut core = core(shard);
            accept(&mut core, Now::default(), client_id);
            !matches!(core.poll(), Some(Effect::Handover { .. }))
        };
        let clients_of = |shard| {
            let names = (0..).map(|number| format!("c{number}"));
            names.filter(|name| is_of(shard, name)).take(2).collect()
        };
        let driver = Driver::new(DriverParts {
            index: 0,
            core: core(0),
            poll: polls.next().unwrap(),
            errands,
            shards,
            mail: mail.next().unwrap(),
            checks,
            store: None,
            shared: Arc::clone(&shared),
            connect_timeout_ms: 600_000,
        });
        Self {
            driver,
            handle: handle(&bells[0]),
            events: Events::with_capacity(8),
            other: core(1),
            other_mail: mail.next().unwrap(),
            _other_poll: polls.next().unwrap(),
            client_ids: [clients_of(0), clients_of(1)],
        }
    }

    /// One turn of the driver's loop, without waiting.
    fn turn(&mut self) {
        let driver = &mut self.driver;
        driver
            .poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .unwrap();
        driver.now = driver.shared.now();
        driver.note(&self.events);
        driver.tick();
    }

    /// The other shard takes one batch and answers it; its letters and bytes.
    fn take(&mut self) -> Option<(usize, usize)> {
        let (from, mail) = self.other_mail.take(0)?;
        let taken = (mail.len(), mail.size_bytes());
        self.other(Input::Mail { from, mail });
        Some(taken)
    }

    fn other(&mut self, input: Input<'_>) {
        self.other.handle(self.driver.now, input);
        while self.other.poll().is_some() {}
        while let Some((to, mail)) = self.other.poll_mail() {
            self.other_mail.collect(to, mail);
        }
        self.other_mail.push();
    }

    /// A client of the driver's shard.
    fn connect(&mut self, number: usize) -> UnixStream {
        let (mut client, server) = UnixStream::pair().unwrap();
        self.handle.send(Errand::Accepted {
            socket: Socket::Unix(server),
            listener: ListenerId(0),
            address: None,
        });
        client
            .write_all(&connect(&self.client_ids[0][number]))
            .unwrap();
        self.turn();
        self.turn();
        client
    }

    /// A client of the other shard that subscribes to `t`.
    fn subscribe_elsewhere(&mut self) {
        let conn = accept(&mut self.other, self.driver.now, &self.client_ids[1][0]);
        let bytes = b"\x82\x06\x00\x01\x00\x01t\x00";
        self.other(Input::Received { conn, bytes });
        self.turn();
        while self.take().is_some() {}
    }
}

/// A shard's first connection sends its CONNECT.
fn accept(core: &mut Shard, now: Now, client_id: &str) -> ConnectionId {
    let conn = ConnectionId {
        index: 0,
        generation: 0,
    };
    let peer = Peer {
        addr: None,
        listener: ListenerId(0),
        certificate: None,
    };
    core.handle(now, Input::Accepted { conn, peer });
    let bytes = &connect(client_id);
    core.handle(now, Input::Received { conn, bytes });
    conn
}

fn connect(client_id: &str) -> Vec<u8> {
    let mut packet = vec![0x10, 12 + client_id.len() as u8];
    packet.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    packet.push(client_id.len() as u8);
    packet.extend_from_slice(client_id.as_bytes());
    packet
}

/// A PUBLISH to `t` at QoS 0.
fn publish(payload_len: usize) -> Vec<u8> {
    let rest = payload_len + 3;
    let mut packet = vec![0x30, rest as u8 | 0x80, (rest >> 7) as u8, 0, 1, b't'];
    packet.resize(3 + rest, b'.');
    packet
}

#[test]
fn much_mail_is_sent_in_parts_within_a_tick() {
    let mut bed = Bed::new();
    let mut clients = [bed.connect(0), bed.connect(1)];
    bed.subscribe_elsewhere();
    for client in &mut clients {
        client.write_all(&publish(60).repeat(900)).unwrap();
    }
    bed.turn();
    let parts: Vec<_> = std::iter::from_fn(|| bed.take()).collect();
    let letters: Vec<_> = parts.iter().map(|(letters, _)| *letters).collect();
    assert_eq!(letters, [900, 900]);
}

#[test]
fn clients_are_not_read_while_too_much_waits_for_another_shard() {
    let mut bed = Bed::new();
    let mut client = bed.connect(0);
    bed.subscribe_elsewhere();
    // Copied into the mail, and in it by reference.
    for payload_len in [60, 8000] {
        let packet = publish(payload_len);
        let stream = packet.repeat(4 * WAITING_BYTES_MAX / packet.len());
        let mut sent = 0;
        let mut write = |bed: &mut Bed| {
            let before = sent;
            match client.write(&stream[sent..]) {
                Ok(len) => sent += len,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            bed.turn();
            sent - before
        };
        while write(&mut bed) > 0 {}
        assert_eq!(bed.driver.mail.room(), 0);
        let (mut letters, mut bytes) = (0, 0);
        while let Some(taken) = bed.take() {
            letters += taken.0;
            bytes += taken.1;
        }
        assert!(bytes > WAITING_BYTES_MAX);
        // A letter and its head are a little larger than a packet of 60 bytes.
        assert!(bytes < WAITING_BYTES_MAX + 3 * INPUT_BYTES, "{bytes}");
        // All is read in the end, and nothing is lost.
        let all = stream.len() / packet.len();
        assert!(letters < all);
        while letters < all {
            write(&mut bed);
            while let Some(taken) = bed.take() {
                letters += taken.0;
            }
        }
        assert_eq!(letters, all);
        assert!(bed.take().is_none());
    }
}

/// Its client may send on for as long as the disk is full, and a thread that asked again and again
/// would take a processor meanwhile.
#[test]
fn a_client_whose_input_waits_for_a_full_disk_does_not_keep_the_thread_awake() {
    let mut bed = Bed::with(true);
    let mut client = bed.connect(0);
    let store = |bed: &mut Bed, event| {
        let driver = &mut bed.driver;
        driver.core.handle(driver.now, Input::Store(event));
        driver.drain();
    };
    store(&mut bed, StoreEvent::Full);
    // QoS 1 and retained: it has to be stored. More than is read at a time, so that some is left.
    let packet = b"\x33\x06\x00\x01t\x00\x01x";
    let stream = packet.repeat(3 * INPUT_BYTES / packet.len());
    let sent = client.write(&stream).unwrap();
    assert!(sent > INPUT_BYTES);
    for _ in 0..4 {
        bed.turn();
    }
    assert_eq!(bed.driver.ready.len(), 1, "it is still to be read");
    assert!(bed.driver.timeout() > Some(Duration::ZERO));
    // It hangs up: what it sent before is served first, when there is room.
    drop(client);
    for _ in 0..4 {
        bed.turn();
    }
    assert!(bed.driver.timeout() > Some(Duration::ZERO));
    store(&mut bed, StoreEvent::Room);
    assert_eq!(bed.driver.timeout(), Some(Duration::ZERO));
}
