//! Shards driven from memory, with clients that answer: what the benches measure.
//!
//! Only what the core does runs inside [`metered`], so that a profiler can leave out the clients
//! and this driver.
#![allow(
    dead_code,
    reason = "a module of each bench, of which each uses its own part"
)]

pub(crate) mod crowd;
pub(crate) mod packets;

use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::event::{
    CloseCause, ConnectionId, Effect, Input, ListenerId, Now, Peer, ShardId,
};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::mail::Mail;
use columba_broker::stats::Stats;
use columba_broker::{Shard, ShardConfig};
use columba_codec::packet::Acknowledgement;
use columba_codec::wire::PACKET_BYTES_MAX;
use columba_codec::{Decoded, Packet, PacketId, QoS, Version, decode};
use packets::Greeting;

/// The calls into the core, and marks around what is measured.
///
/// None of these functions is inlined, so that callgrind can be told their names.
pub(crate) mod metered {
    use columba_broker::event::{Effect, Input, Now, ShardId};
    use columba_broker::mail::Mail;
    use columba_broker::shard::Shard;

    /// Hands an input to a shard.
    #[inline(never)]
    pub(crate) fn handle(shard: &mut Shard, now: Now, input: Input<'_>) {
        shard.handle(now, input);
        returned();
    }

    /// Asks a shard what is to be done.
    #[inline(never)]
    pub(crate) fn poll(shard: &mut Shard) -> Option<Effect> {
        let effect = shard.poll();
        returned();
        effect
    }

    /// Asks a shard for its mail.
    #[inline(never)]
    pub(crate) fn poll_mail(shard: &mut Shard) -> Option<(ShardId, Mail)> {
        let mail = shard.poll_mail();
        returned();
        mail
    }

    /// Keeps a call from becoming a jump, after which callgrind does not see the return.
    fn returned() {
        std::hint::black_box(0_u32);
    }

    /// A measurement begins.
    #[inline(never)]
    pub(crate) fn begin() {
        // Another constant than that of `end`, or the linker makes one function of the two.
        std::hint::black_box(1_u32);
    }

    /// A measurement ends.
    #[inline(never)]
    pub(crate) fn end() {
        std::hint::black_box(2_u32);
    }
}

/// A client, as an index.
pub(crate) type ClientIx = usize;

#[derive(Debug)]
struct Client {
    version: Version,
    shard: usize,
    /// Whether it has a connection.
    is_connected: bool,
    generation: u32,
    /// Whether it reads and answers.
    is_reading: bool,
    replies: Vec<u8>,
    /// PUBLISH packets that it received.
    received: u64,
}

/// Some shards and their clients.
#[derive(Debug)]
pub(crate) struct Driver {
    shards: Vec<Shard>,
    now: Now,
    clients: Vec<Client>,
    inbox: Vec<u8>,
    /// Clients that have something to answer.
    replying: Vec<ClientIx>,
    reply: Vec<u8>,
    /// Tells how often the process has allocated.
    allocations: fn() -> u64,
    core_allocations: u64,
}

impl Driver {
    /// Shards with default limits, except that a client may have any number of subscriptions and
    /// of messages waiting, and that there is no `$SYS`.
    pub(crate) fn new(shards: u16) -> Self {
        Self::with(shards, |_| {})
    }

    /// Shards with other limits.
    pub(crate) fn with(shards: u16, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits {
            sys_interval_ms: 0,
            subscriptions_max: usize::MAX,
            subscription_bytes_max: usize::MAX,
            queue_messages_max: usize::MAX,
            queue_bytes_max: usize::MAX,
            retained_messages_max: 2_000_000,
            sessions_max: 2_000_000,
            ..Limits::default()
        };
        change(&mut limits);
        let limits = Arc::new(limits);
        let listeners: Arc<[ListenerSettings]> = Arc::new([ListenerSettings {
            name: "bench".to_owned(),
            anonymous: Anonymous::Always,
            connections_max: 0,
            packet_bytes_max: None,
            certificate_is_user: false,
            promise: Promise::Durable,
        }]);
        let access = Arc::new(AccessRules::allow_all());
        let now = Now {
            mono_ms: 1_000,
            unix_ms: 1_700_000_000_000,
        };
        let shard = |number| {
            let config = ShardConfig {
                id: ShardId(number),
                shards,
                seed: 42,
                id_secret: [42; 16],
                limits: Arc::clone(&limits),
                listeners: Arc::clone(&listeners),
                access: Arc::clone(&access),
                is_durable: false,
            };
            Shard::new(config, now)
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            now,
            clients: Vec::new(),
            inbox: Vec::with_capacity(1 << 20),
            replying: Vec::new(),
            reply: Vec::with_capacity(1 << 20),
            allocations: || 0,
            core_allocations: 0,
        }
    }

    /// Counts the core's allocations with a function that tells those of the process.
    pub(crate) fn count_allocations(&mut self, allocations: fn() -> u64) {
        self.allocations = allocations;
    }

    /// How often the core has allocated since they are counted.
    pub(crate) fn core_allocations(&self) -> u64 {
        self.core_allocations
    }

    /// Connects a client of a clean session.
    pub(crate) fn connect(&mut self, version: Version, client_id: &str) -> ClientIx {
        self.connect_with(Greeting {
            version,
            client_id,
            is_clean: true,
            topic_alias_maximum: 0,
        })
    }

    /// Connects a new client.
    pub(crate) fn connect_with(&mut self, greeting: Greeting<'_>) -> ClientIx {
        let client = self.new_client(greeting.version);
        self.open(client);
        self.send(client, &greeting.bytes());
        client
    }

    /// A client that is not connected.
    pub(crate) fn new_client(&mut self, version: Version) -> ClientIx {
        self.clients.push(Client {
            version,
            shard: 0,
            is_connected: false,
            generation: 0,
            is_reading: true,
            replies: Vec::new(),
            received: 0,
        });
        self.clients.len() - 1
    }

    /// Opens a connection of a client, which sends nothing yet.
    pub(crate) fn open(&mut self, client: ClientIx) {
        let addr = ([127, 0, 0, 1], 40_000).into();
        let place = &mut self.clients[client];
        place.is_connected = true;
        place.generation += 1;
        place.shard = client % self.shards.len();
        let (shard, conn) = self.address(client);
        let peer = Peer {
            addr: Some(addr),
            listener: ListenerId(0),
            certificate: None,
        };
        self.handle(shard, Input::Accepted { conn, peer });
    }

    /// The network of a client fails.
    pub(crate) fn cut(&mut self, client: ClientIx) {
        let (shard, conn) = self.address(client);
        self.clients[client].is_connected = false;
        let cause = CloseCause::Transport;
        self.handle(shard, Input::Closed { conn, cause });
        self.settle();
    }

    /// Sends bytes and brings everything that follows from them to its end.
    pub(crate) fn send(&mut self, client: ClientIx, bytes: &[u8]) {
        self.receive(client, bytes);
        self.settle();
    }

    /// Hands in bytes; their effects wait for [`Self::settle`].
    pub(crate) fn receive(&mut self, client: ClientIx, bytes: &[u8]) {
        let (shard, conn) = self.address(client);
        self.handle(shard, Input::Received { conn, bytes });
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    /// Subscribes a client.
    pub(crate) fn subscribe(&mut self, client: ClientIx, filters: &[String], qos: QoS) {
        let bytes = packets::subscribe(self.clients[client].version, filters, qos, 0);
        self.send(client, &bytes);
    }

    /// The shard where a client's session lives.
    pub(crate) fn home(&self, client: ClientIx) -> usize {
        self.clients[client].shard
    }

    /// PUBLISH packets that a client has received.
    pub(crate) fn received(&self, client: ClientIx) -> u64 {
        self.clients[client].received
    }

    /// PUBLISH packets that all clients have received.
    pub(crate) fn received_by_all(&self) -> u64 {
        self.clients.iter().map(|client| client.received).sum()
    }

    /// The counters of all shards.
    pub(crate) fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.shards {
            sum.add(shard.stats());
        }
        sum
    }

    fn address(&self, client: ClientIx) -> (usize, ConnectionId) {
        let place = &self.clients[client];
        let conn = ConnectionId {
            index: client as u32,
            generation: place.generation,
        };
        (place.shard, conn)
    }

    fn handle(&mut self, shard: usize, input: Input<'_>) {
        let before = (self.allocations)();
        metered::handle(&mut self.shards[shard], self.now, input);
        self.core_allocations += (self.allocations)() - before;
    }

    fn poll(&mut self, shard: usize) -> Option<Effect> {
        let before = (self.allocations)();
        let effect = metered::poll(&mut self.shards[shard]);
        self.core_allocations += (self.allocations)() - before;
        effect
    }

    /// Does what the shards want done and lets the clients answer, until all is quiet.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for shard in 0..self.shards.len() {
                while let Some(effect) = self.poll(shard) {
                    is_quiet = false;
                    self.perform(shard, effect);
                }
                while let Some((to, mail)) = self.poll_mail(shard) {
                    is_quiet = false;
                    let from = ShardId(shard as u16);
                    self.handle(to.index(), Input::Mail { from, mail });
                }
            }
            while let Some(client) = self.replying.pop() {
                is_quiet = false;
                let mut reply = std::mem::take(&mut self.reply);
                reply.clear();
                reply.append(&mut self.clients[client].replies);
                self.receive(client, &reply);
                self.reply = reply;
            }
            for shard in 0..self.shards.len() {
                // Time stands still, so what is due is work to be gone on with.
                let deadline = self.shards[shard].next_deadline();
                if deadline.is_some_and(|at| at <= self.now.mono_ms) {
                    is_quiet = false;
                    self.handle(shard, Input::DeadlineReached);
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn poll_mail(&mut self, shard: usize) -> Option<(ShardId, Mail)> {
        let before = (self.allocations)();
        let mail = metered::poll_mail(&mut self.shards[shard]);
        self.core_allocations += (self.allocations)() - before;
        mail
    }

    fn perform(&mut self, shard: usize, effect: Effect) {
        match effect {
            Effect::Transmit { conn } => self.transmit(shard, conn),
            Effect::Close { conn } => {
                self.transmit(shard, conn);
                self.clients[conn.index as usize].is_connected = false;
                let cause = CloseCause::Broker;
                self.handle(shard, Input::Closed { conn, cause });
            }
            Effect::Authenticate { .. } => panic!("everybody may come in without credentials"),
            Effect::Handover { conn, to, handover } => {
                self.clients[conn.index as usize].shard = to.index();
                self.handle(to.index(), Input::Adopted { conn, handover });
            }
            Effect::Fetch { .. } => panic!("there is no store"),
            Effect::Answer { .. } | Effect::Report(_) => {}
        }
    }

    fn transmit(&mut self, shard: usize, conn: ConnectionId) {
        let index = conn.index as usize;
        if !self.clients[index].is_reading {
            return;
        }
        let Some(output) = self.shards[shard].output(conn) else {
            return;
        };
        self.inbox.clear();
        for chunk in output.chunks() {
            self.inbox.extend_from_slice(chunk);
        }
        let client = &mut self.clients[index];
        let had_replies = !client.replies.is_empty();
        client.answer(&self.inbox);
        if !had_replies && !client.replies.is_empty() {
            self.replying.push(index);
        }
        let len = self.inbox.len();
        self.handle(shard, Input::Sent { conn, len });
    }
}

impl Client {
    /// Plays the client's part of QoS 1 and 2, in both directions.
    fn answer(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(Decoded::Packet(packet, len)) = decode(bytes, self.version, PACKET_BYTES_MAX)
            else {
                panic!("the core sent something else than a packet");
            };
            bytes = &bytes[len..];
            match packet {
                Packet::Publish(publish) => {
                    self.received += 1;
                    match (publish.qos, publish.packet_id) {
                        (QoS::AtLeastOnce, Some(id)) => self.reply(0x40, id),
                        (QoS::ExactlyOnce, Some(id)) => self.reply(0x50, id),
                        _ => {}
                    }
                }
                Packet::PubRec(Acknowledgement { packet_id, .. }) => self.reply(0x62, packet_id),
                Packet::PubRel(Acknowledgement { packet_id, .. }) => self.reply(0x70, packet_id),
                Packet::SubAck(ack) => {
                    let is_refused = ack.codes.iter().any(|code| *code >= 0x80);
                    assert!(!is_refused, "the core refuses a subscription: {ack:?}");
                }
                Packet::Disconnect(disconnect) => {
                    panic!("the core disconnects a client: {disconnect:?}");
                }
                _ => {}
            }
        }
    }

    fn reply(&mut self, first_byte: u8, id: PacketId) {
        let [high, low] = id.get().to_be_bytes();
        self.replies.extend_from_slice(&[first_byte, 2, high, low]);
    }
}

/// What the bench's program was started with.
#[expect(
    clippy::disallowed_methods,
    reason = "the core takes settings as arguments; a program gets its own from here"
)]
pub(crate) fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

/// Whether a criterion bench runs as a test: quick, and once.
pub(crate) fn is_smoke_test() -> bool {
    let arguments = arguments();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    !has("--bench") || has("--test")
}
