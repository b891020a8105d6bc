//! A test bed: whole shards on a virtual clock, driven packet by packet.
//!
//! ```ignore
//! let mut bed = Bed::new(1);
//! let a = bed.connect(V5, "a");                  // CONNECT, and the CONNACK taken
//! bed.subscribe(a, "t/#", QoS::AtLeastOnce);     // SUBSCRIBE, and the SUBACK taken
//! bed.publish(b, "t/x", b"payload", QoS::AtLeastOnce);
//! let inbox = bed.take(a);                       // what a received since the last take
//! assert!(matches!(inbox.packets()[..], [Packet::Publish(_)]));
//! ```
//! Everything settles after each call: mail between shards is delivered, outputs are read. Set
//! `bed.reading[a] = false` for a client that does not read.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a module of each test file, of which each uses its own part; a test that goes wrong stops"
)]

pub mod exchange;
pub mod inbox;
pub mod raw;
pub mod store;
pub mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use inbox::Inbox;
use store::Store;

use columba_broker::access::AccessRules;
use columba_broker::event::{
    AuthRequest, AuthVerdict, CloseCause, Command, ConnectionId, Effect, Input, ListenerId, Now,
    Peer, Report, ShardId, UserChange,
};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request, RequestId};
use columba_broker::recorder::Recording;
use columba_broker::stats::Stats;
use columba_broker::{Shard, ShardConfig};
use columba_codec::packet::{
    Acknowledgement, Connect, Disconnect, Publish, Subscribe, SubscribeFilters, SubscribeOptions,
    Unsubscribe, UnsubscribeFilters, Will,
};
use columba_codec::{
    Decoded, Packet, PacketId, Properties, PropertiesBuf, QoS, ReasonCode, Version, decode,
};

pub const V31: Version = Version::V31;
pub const V311: Version = Version::V311;
pub const V5: Version = Version::V5;

/// A client of the bed, as an index.
pub type ClientIx = usize;

#[derive(Debug)]
struct Client {
    version: Version,
    /// Shard and number there, while the socket is open.
    at: Option<(usize, ConnectionId)>,
    inbox: Inbox,
    next_packet_id: u16,
    closed_by_broker: bool,
    peer: Peer,
}

/// Options of a CONNECT.
#[derive(Clone, Debug)]
pub struct ConnectOptions<'a> {
    pub version: Version,
    pub client_id: &'a str,
    pub clean_start: bool,
    pub keep_alive_secs: u16,
    pub properties: PropertiesBuf,
    pub will: Option<WillOptions<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub is_bridge: bool,
}

/// Options of a Will.
#[derive(Clone, Debug)]
pub struct WillOptions<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    pub properties: PropertiesBuf,
}

impl<'a> ConnectOptions<'a> {
    pub fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean_start: true,
            keep_alive_secs: 0,
            properties: PropertiesBuf::new(),
            will: None,
            user_name: None,
            password: None,
            is_bridge: false,
        }
    }

    pub fn clean(mut self, clean_start: bool) -> Self {
        self.clean_start = clean_start;
        self
    }

    pub fn keep_alive(mut self, secs: u16) -> Self {
        self.keep_alive_secs = secs;
        self
    }

    pub fn property(
        mut self,
        id: columba_codec::PropertyId,
        value: columba_codec::Value<'_>,
    ) -> Self {
        self.properties.push(id, value).unwrap();
        self
    }

    pub fn will(mut self, topic: &'a str, payload: &'a [u8], qos: QoS, retain: bool) -> Self {
        let properties = PropertiesBuf::new();
        self.will = Some(WillOptions {
            topic,
            payload,
            qos,
            retain,
            properties,
        });
        self
    }

    pub fn will_property(
        mut self,
        id: columba_codec::PropertyId,
        value: columba_codec::Value<'_>,
    ) -> Self {
        self.will
            .as_mut()
            .unwrap()
            .properties
            .push(id, value)
            .unwrap();
        self
    }

    pub fn login(mut self, user_name: &'a str, password: &'a [u8]) -> Self {
        self.user_name = Some(user_name);
        self.password = Some(password);
        self
    }

    /// Encodes the CONNECT.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let will = self.will.as_ref().map(|will| Will {
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.as_properties(),
            topic: will.topic,
            payload: will.payload,
        });
        let connect = Connect {
            version: self.version,
            is_bridge: self.is_bridge,
            clean_start: self.clean_start,
            keep_alive_secs: self.keep_alive_secs,
            properties: self.properties.as_properties(),
            client_id: self.client_id,
            will,
            user_name: self.user_name,
            password: self.password,
        };
        Packet::Connect(connect)
            .encode(self.version, &mut out)
            .unwrap();
        out
    }
}

/// Shards, clients and a clock.
pub struct Bed {
    pub shards: Vec<Shard>,
    now: Now,
    /// By shard: how far behind its time is, as that of a thread that woke up before the others.
    pub behind_ms: Vec<u64>,
    clients: Vec<Client>,
    /// By shard and index: the client behind a connection.
    owners: Vec<Vec<Option<ClientIx>>>,
    generations: Vec<Vec<u32>>,
    /// Whether a client reads what it is sent.
    pub reading: Vec<bool>,
    /// Answers credentials.
    pub authenticate: fn(&AuthRequest) -> AuthVerdict,
    /// What users have become when the next process begins.
    pub users_at_start: BTreeMap<Arc<str>, UserChange>,
    /// Whether the answers wait for [`Bed::answer_credentials`].
    pub is_authentication_slow: bool,
    unanswered: Vec<(usize, ConnectionId, AuthRequest)>,
    /// Mail between shards stays under way until this is cleared and something else happens.
    pub is_mail_held: bool,
    /// Work that a shard has put off stays undone until [`Bed::turn`] or until this is cleared and
    /// something else happens.
    pub is_work_held: bool,
    mail: VecDeque<(usize, usize, columba_broker::mail::Mail)>,
    config: Box<dyn Fn(u16) -> ShardConfig>,
    /// What the shards have written.
    pub store: Store,
    /// Everything that was reported.
    pub reports: Vec<Report>,
    /// Answers to requests.
    pub answers: Vec<(RequestId, Answer)>,
    next_shard: usize,
    requests: u64,
}

impl Bed {
    /// A bed with default limits, no `$SYS`, and no access rules.
    pub fn new(shards: u16) -> Self {
        Self::with(shards, |_| {})
    }

    /// A bed with changed limits.
    pub fn with(shards: u16, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits {
            sys_interval_ms: 0,
            ..Limits::default()
        };
        if Store::is_wanted() {
            // With everything that waits in the store alone.
            limits.queue_memory_bytes_max = 0;
        }
        change(&mut limits);
        Self::build(shards, limits, AccessRules::allow_all(), Anonymous::Always)
    }

    /// A bed with everything chosen.
    pub fn build(shards: u16, limits: Limits, access: AccessRules, anonymous: Anonymous) -> Self {
        let now = Now {
            mono_ms: 1_000,
            unix_ms: 1_700_000_000_000,
        };
        let is_durable = Store::is_wanted();
        let (limits, access) = (Arc::new(limits), Arc::new(access));
        let listener = ListenerSettings {
            name: "test".into(),
            anonymous,
            connections_max: 0,
            packet_bytes_max: None,
            certificate_is_user: false,
            promise: Promise::Durable,
        };
        let listeners: Arc<[ListenerSettings]> = Arc::new([listener]);
        let config = move |number: u16| ShardConfig {
            id: ShardId(number),
            shards,
            seed: 42,
            id_secret: [42; 16],
            limits: Arc::clone(&limits),
            listeners: Arc::clone(&listeners),
            access: Arc::clone(&access),
            is_durable,
        };
        Self {
            shards: (0..shards)
                .map(|number| Shard::new(config(number), now))
                .collect(),
            config: Box::new(config),
            store: Store::default(),
            now,
            behind_ms: vec![0; usize::from(shards)],
            clients: Vec::new(),
            owners: vec![Vec::new(); usize::from(shards)],
            generations: vec![Vec::new(); usize::from(shards)],
            reading: Vec::new(),
            users_at_start: BTreeMap::new(),
            authenticate: |_| AuthVerdict::Allow {
                user: None,
                groups: Arc::new([]),
            },
            is_authentication_slow: false,
            unanswered: Vec::new(),
            is_mail_held: false,
            is_work_held: false,
            mail: VecDeque::new(),
            reports: Vec::new(),
            answers: Vec::new(),
            next_shard: 0,
            requests: 0,
        }
    }

    /// Opens a connection that has sent nothing.
    pub fn open(&mut self, version: Version) -> ClientIx {
        let addr = format!("127.0.0.1:{}", 40_000 + self.clients.len() % 20_000)
            .parse()
            .unwrap();
        self.open_from(version, Some(addr))
    }

    /// Opens a connection from an address.
    pub fn open_from(&mut self, version: Version, addr: Option<std::net::SocketAddr>) -> ClientIx {
        let peer = Peer {
            addr,
            listener: ListenerId(0),
            certificate: None,
        };
        self.open_as(version, peer)
    }

    /// Opens a connection of a peer.
    pub fn open_as(&mut self, version: Version, peer: Peer) -> ClientIx {
        self.clients.push(Client {
            version,
            at: None,
            inbox: Inbox::default(),
            next_packet_id: 0,
            closed_by_broker: false,
            peer: peer.clone(),
        });
        let client = self.clients.len() - 1;
        self.reading.push(true);
        let shard = self.next_shard % self.shards.len();
        self.next_shard += 1;
        let conn = self.place(client, shard);
        self.input(shard, Input::Accepted { conn, peer });
        client
    }

    fn place(&mut self, client: ClientIx, shard: usize) -> ConnectionId {
        let slots = &mut self.owners[shard];
        let index = slots.iter().position(Option::is_none).unwrap_or_else(|| {
            slots.push(None);
            self.generations[shard].push(0);
            slots.len() - 1
        });
        slots[index] = Some(client);
        self.generations[shard][index] += 1;
        let conn = ConnectionId {
            index: index as u32,
            generation: self.generations[shard][index],
        };
        self.clients[client].at = Some((shard, conn));
        conn
    }

    /// Connects and takes the CONNACK, which must say yes.
    pub fn connect(&mut self, version: Version, client_id: &str) -> ClientIx {
        self.connect_with(&ConnectOptions::new(version, client_id))
    }

    /// Connects with options and takes the CONNACK, which must say yes.
    pub fn connect_with(&mut self, options: &ConnectOptions<'_>) -> ClientIx {
        let client = self.open(options.version);
        self.send_raw(client, &options.bytes());
        let mut inbox = self.take(client);
        match inbox.packets().first() {
            Some(Packet::ConnAck(ack)) => assert_eq!(ack.reason, ReasonCode::Success),
            other => panic!("no CONNACK: {other:?}"),
        }
        // What follows the CONNACK stays to be taken.
        let Ok(Decoded::Packet(_, len)) = decode(&inbox.bytes, options.version, u32::MAX) else {
            panic!("no CONNACK");
        };
        inbox.bytes.drain(..len);
        self.clients[client].inbox.bytes = inbox.bytes;
        client
    }

    /// Connects with options; gives back the client and everything that came.
    pub fn connect_raw(&mut self, options: &ConnectOptions<'_>) -> (ClientIx, Inbox) {
        let client = self.open(options.version);
        self.send_raw(client, &options.bytes());
        let inbox = self.take(client);
        (client, inbox)
    }

    /// Sends bytes.
    pub fn send_raw(&mut self, client: ClientIx, bytes: &[u8]) {
        let Some((shard, conn)) = self.clients[client].at else {
            return;
        };
        self.input(shard, Input::Received { conn, bytes });
    }

    /// Whether the broker may be handed more bytes of a client.
    pub fn takes_input(&self, client: ClientIx) -> bool {
        let (shard, conn) = self.clients[client].at.expect("it is connected");
        self.shards[shard].takes_input(conn)
    }

    /// Sends a packet as the client's version writes it.
    pub fn send(&mut self, client: ClientIx, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet
            .encode(self.clients[client].version, &mut bytes)
            .unwrap();
        self.send_raw(client, &bytes);
    }

    /// What came since the last call.
    pub fn take(&mut self, client: ClientIx) -> Inbox {
        let client = &mut self.clients[client];
        let bytes = std::mem::take(&mut client.inbox.bytes);
        Inbox {
            version: Some(client.version),
            bytes,
        }
    }

    /// Whether the broker has closed the connection.
    pub fn is_closed(&self, client: ClientIx) -> bool {
        self.clients[client].closed_by_broker
    }

    /// The network fails: the broker sees the connection end without DISCONNECT.
    pub fn drop_connection(&mut self, client: ClientIx) {
        self.end_connection(client, CloseCause::Transport);
    }

    /// The client closes its socket without DISCONNECT.
    pub fn close_socket(&mut self, client: ClientIx) {
        self.end_connection(client, CloseCause::Peer);
    }

    fn end_connection(&mut self, client: ClientIx, cause: CloseCause) {
        let Some((shard, conn)) = self.clients[client].at.take() else {
            return;
        };
        self.owners[shard][conn.index as usize] = None;
        self.input(shard, Input::Closed { conn, cause });
    }

    /// Answers the credentials that wait.
    pub fn answer_credentials(&mut self) {
        for (shard, conn, request) in std::mem::take(&mut self.unanswered) {
            let verdict = (self.authenticate)(&request);
            self.input(shard, Input::Authenticated { conn, verdict });
        }
    }

    /// The client says DISCONNECT and closes.
    pub fn disconnect(&mut self, client: ClientIx) {
        self.send(
            client,
            &Packet::Disconnect(Disconnect {
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            }),
        );
    }

    fn next_id(&mut self, client: ClientIx) -> PacketId {
        let next = &mut self.clients[client].next_packet_id;
        *next = next.checked_add(1).unwrap_or(1);
        PacketId::new(*next).unwrap()
    }

    /// Subscribes with a QoS; takes the SUBACK, which must grant it. Retained messages stay.
    pub fn subscribe(&mut self, client: ClientIx, filter: &str, qos: QoS) {
        let codes = self.subscribe_with(
            client,
            filter,
            SubscribeOptions::from_qos(qos),
            Properties::EMPTY,
        );
        assert_eq!(codes, [qos.as_u8()]);
    }

    /// Subscribes; takes the SUBACK and gives its codes.
    pub fn subscribe_with(
        &mut self,
        client: ClientIx,
        filter: &str,
        options: SubscribeOptions,
        properties: Properties<'_>,
    ) -> Vec<u8> {
        let before = self.take(client);
        assert!(
            before.bytes.is_empty(),
            "unread before SUBSCRIBE: {:?}",
            before.packets()
        );
        let packet_id = self.next_id(client);
        let mut filters = Vec::new();
        SubscribeFilters::put(&mut filters, filter, options).unwrap();
        let version = self.clients[client].version;
        let filters = SubscribeFilters::from_bytes(&filters, version).unwrap();
        self.send(
            client,
            &Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters,
            }),
        );
        let mut inbox = self.take(client);
        let Ok(Decoded::Packet(Packet::SubAck(ack), len)) = decode(&inbox.bytes, version, u32::MAX)
        else {
            panic!("no SUBACK but {:?}", inbox.packets());
        };
        assert_eq!(ack.packet_id, packet_id);
        let codes = ack.codes.to_vec();
        inbox.bytes.drain(..len);
        self.clients[client].inbox.bytes = inbox.bytes;
        codes
    }

    /// Unsubscribes; takes the UNSUBACK.
    pub fn unsubscribe(&mut self, client: ClientIx, filter: &str) -> Vec<u8> {
        let packet_id = self.next_id(client);
        let mut filters = Vec::new();
        UnsubscribeFilters::put(&mut filters, filter).unwrap();
        let filters = UnsubscribeFilters::from_bytes(&filters).unwrap();
        let properties = Properties::EMPTY;
        self.send(
            client,
            &Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters,
            }),
        );
        let inbox = self.take(client);
        match inbox.packets().last() {
            Some(Packet::UnsubAck(ack)) => ack.codes.to_vec(),
            other => panic!("no UNSUBACK but {other:?}"),
        }
    }

    /// Publishes; returns the packet id, if any. Acknowledgements stay to be taken.
    pub fn publish(
        &mut self,
        client: ClientIx,
        topic: &str,
        payload: &[u8],
        qos: QoS,
    ) -> Option<PacketId> {
        self.publish_with(client, topic, payload, qos, false, Properties::EMPTY)
    }

    /// Publishes with RETAIN.
    pub fn retain(&mut self, client: ClientIx, topic: &str, payload: &[u8], qos: QoS) {
        self.publish_with(client, topic, payload, qos, true, Properties::EMPTY);
    }

    /// Publishes with everything chosen.
    pub fn publish_with(
        &mut self,
        client: ClientIx,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: Properties<'_>,
    ) -> Option<PacketId> {
        let packet_id = (qos != QoS::AtMostOnce).then(|| self.next_id(client));
        self.send(
            client,
            &Packet::Publish(Publish {
                dup: false,
                qos,
                retain,
                topic,
                packet_id,
                properties,
                payload,
            }),
        );
        packet_id
    }

    /// Acknowledges.
    pub fn puback(&mut self, client: ClientIx, packet_id: PacketId) {
        self.send(client, &Packet::PubAck(Acknowledgement::success(packet_id)));
    }

    /// Lets time pass, deadline by deadline.
    pub fn advance(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        loop {
            let next = self.shards.iter().filter_map(Shard::next_deadline).min();
            let Some(at_ms) = next.filter(|at_ms| *at_ms <= end_ms) else {
                break;
            };
            self.set_time(at_ms.max(self.now.mono_ms));
            for shard in 0..self.shards.len() {
                let due = self.shards[shard].next_deadline();
                if due.is_some_and(|due| due <= self.now.mono_ms) {
                    self.input(shard, Input::DeadlineReached);
                }
            }
        }
        self.set_time(end_ms);
    }

    fn set_time(&mut self, mono_ms: u64) {
        self.now.unix_ms += mono_ms - self.now.mono_ms;
        self.now.mono_ms = mono_ms;
    }

    /// Gives a command to every shard.
    pub fn command(&mut self, command: Command) {
        for shard in 0..self.shards.len() {
            self.input(shard, Input::Command(command.clone()));
        }
    }

    /// Gives a command to the first shard only.
    pub fn command_first(&mut self, command: Command) {
        self.input(0, Input::Command(command));
    }

    /// Asks a shard, or has it do something; the answer comes before time passes.
    pub fn request(&mut self, shard: usize, request: Request) -> Answer {
        let id = self.ask(shard, request);
        let at = self.answers.iter().position(|(of, _)| *of == id);
        self.answers.remove(at.expect("an answer")).1
    }

    /// The same for the home shard of a client or topic.
    pub fn request_home(&mut self, name: &str, request: Request) -> Answer {
        let shard = columba_broker::home_of(42, name, self.shards.len() as u16);
        self.request(shard.index(), request)
    }

    /// Makes a request whose answer is to be looked for.
    pub fn ask(&mut self, shard: usize, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(shard, Input::Request { id, request });
        id
    }

    /// The counters of all shards.
    pub fn stats(&self) -> Stats {
        let mut all = Stats::default();
        for shard in &self.shards {
            all.add(shard.stats());
        }
        all
    }

    /// What the flight recorders hold.
    pub fn recordings(&mut self) -> Vec<Recording> {
        self.shards.iter_mut().map(Shard::recording).collect()
    }

    /// The time.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// How often an outcome happened.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.stats().outcome(outcome)
    }

    /// The books balance: every copy is delivered, dropped with a reason, or waits.
    pub fn check_books(&self) {
        let stats = self.stats();
        let pending: u64 = self.shards.iter().map(Shard::pending_copies).sum();
        assert_eq!(stats.copies, stats.settled_copies() + pending, "{stats:?}");
        assert_eq!(stats.unaccounted_copies(), 0, "{stats:?}");
    }

    /// Lets a client that did not read catch up.
    pub fn read_all(&mut self, client: ClientIx) {
        self.reading[client] = true;
        if let Some((shard, conn)) = self.clients[client].at {
            self.read_output(shard, conn, client);
        }
        self.settle();
    }

    fn input(&mut self, shard: usize, input: Input<'_>) {
        self.give(shard, input);
        self.settle();
    }

    /// Carries out effects until there are none.
    fn settle(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        let mut turns = 0;
        loop {
            let mut is_idle = true;
            for shard in 0..self.shards.len() {
                while let Some(effect) = self.shards[shard].poll() {
                    is_idle = false;
                    self.carry_out(shard, effect);
                }
                while let Some((to, letters)) = self.shards[shard].poll_mail() {
                    is_idle = false;
                    mail.push_back((shard, to.index(), letters));
                }
            }
            if !self.is_mail_held
                && let Some((from, to, letters)) = mail.pop_front()
            {
                is_idle = false;
                let (from, mail) = (ShardId(from as u16), letters);
                self.give(to, Input::Mail { from, mail });
            }
            is_idle &= !self.serve_store();
            if is_idle && !self.is_work_held {
                is_idle = !self.give_turns();
                turns += usize::from(!is_idle);
                assert!(turns < 1_000_000, "a shard has work without end");
            }
            if is_idle {
                self.mail = mail;
                return;
            }
        }
    }

    /// Lets the mail go that was held.
    pub fn release_mail(&mut self) {
        self.is_mail_held = false;
        self.settle();
    }

    fn carry_out(&mut self, shard: usize, effect: Effect) {
        match effect {
            Effect::Transmit { conn } => {
                if let Some(client) = self.owner(shard, conn)
                    && self.reading[client]
                {
                    self.read_output(shard, conn, client);
                }
            }
            Effect::Close { conn } => {
                if let Some(client) = self.owner(shard, conn) {
                    self.read_output(shard, conn, client);
                    self.clients[client].closed_by_broker = true;
                    self.clients[client].at = None;
                    self.owners[shard][conn.index as usize] = None;
                    let cause = CloseCause::Broker;
                    self.give(shard, Input::Closed { conn, cause });
                }
            }
            Effect::Authenticate { conn, request } if self.is_authentication_slow => {
                self.unanswered.push((shard, conn, *request));
            }
            Effect::Authenticate { conn, request } => {
                let verdict = (self.authenticate)(&request);
                self.give(shard, Input::Authenticated { conn, verdict });
            }
            Effect::Handover { conn, to, handover } => {
                let client = self.owner(shard, conn).unwrap();
                assert_eq!(handover.peer, self.clients[client].peer);
                self.owners[shard][conn.index as usize] = None;
                let conn = self.place(client, to.index());
                self.give(to.index(), Input::Adopted { conn, handover });
            }
            Effect::Answer { id, answer } => self.answers.push((id, *answer)),
            Effect::Fetch { positions } => self.ask_store(shard, &positions),
            Effect::Report(report) => self.reports.push(report),
        }
    }

    fn owner(&self, shard: usize, conn: ConnectionId) -> Option<ClientIx> {
        let client = self.owners[shard]
            .get(conn.index as usize)
            .copied()
            .flatten()?;
        (self.clients[client].at == Some((shard, conn))).then_some(client)
    }

    fn read_output(&mut self, shard: usize, conn: ConnectionId, client: ClientIx) {
        loop {
            let Some(output) = self.shards[shard].output(conn) else {
                return;
            };
            let bytes: Vec<u8> = output.chunks().flatten().copied().collect();
            if bytes.is_empty() {
                return;
            }
            self.clients[client].inbox.bytes.extend_from_slice(&bytes);
            self.give(
                shard,
                Input::Sent {
                    conn,
                    len: bytes.len(),
                },
            );
        }
    }
}
