//! Two processes with sessions, a broker's core between them, and what becomes of them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::event::{
    AuthVerdict, CloseCause, ConnectionId, Effect, Input as BrokerInput, ListenerId, Now, Peer,
    ShardId,
};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::{Shard, ShardConfig};
use columba_client::journal::{self, FileId};
use columba_client::{
    Incoming, Input, Message, Output, Session, SessionOptions, Subscription, Token,
};
use columba_codec::{QoS, ReasonCode, Version};

use crate::planted::Planted;

const MESSAGES: u64 = 40;
const FAULTY_STEPS: usize = 600;

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("small")
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// A file of which only synced bytes surely survive.
#[derive(Default)]
struct Disk {
    synced: Vec<u8>,
    id: FileId,
    next_batch: u64,
    planted: Option<Planted>,
}

impl Disk {
    fn replace(&mut self, records: &[u8]) {
        self.synced.clear();
        // Each file has another.
        self.id.0[0] = self.id.0[0].wrapping_add(1);
        journal::put_header(self.id, &mut self.synced);
        let records = Planted::spoil_snapshot(self.planted, records);
        journal::put_batch(self.id, 0, &records, &mut self.synced);
        self.next_batch = 1;
    }

    fn append(&mut self, records: &[u8]) {
        let Some(records) = Planted::spoil_batch(self.planted, records) else {
            return;
        };
        journal::put_batch(self.id, self.next_batch, &records, &mut self.synced);
        self.next_batch += 1;
    }

    /// The machine loses power while these records are being written: any part may be there.
    fn lose(&mut self, records: &[u8], random: &mut Random) -> bool {
        let len = random.below(records.len() + 1);
        if self.planted == Some(Planted::PartOfABatch) {
            self.append(Planted::whole_records(records, len));
            return len > 0;
        }
        let mut batch = Vec::new();
        journal::put_batch(self.id, self.next_batch, records, &mut batch);
        batch.truncate(random.below(batch.len() + 1));
        if !batch.is_empty() && random.one_in(3) {
            let from = random.below(batch.len());
            batch[from..].fill(0);
        }
        self.synced.extend_from_slice(&batch);
        let contents = journal::read(&self.synced).expect("no damage but a torn tail");
        let is_torn = contents.end < self.synced.len();
        self.synced.truncate(contents.end);
        self.next_batch = contents.next_batch;
        is_torn
    }
}

/// A process with a session, and its end of a connection.
pub(crate) struct Process {
    options: SessionOptions,
    disk: Disk,
    pub(crate) session: Session,
    /// Said, and not yet on the disk.
    pub(crate) records: Vec<u8>,
    bytes: Vec<u8>,
    pub(crate) outputs: Vec<Output>,
    /// On its way to the broker.
    up: Vec<u8>,
    down: Vec<u8>,
    conn: Option<ConnectionId>,
    is_connected: bool,
}

impl Process {
    pub(crate) fn new(options: SessionOptions, planted: Option<Planted>) -> Self {
        let session = Session::kept(options.clone());
        let mut disk = Disk {
            planted,
            ..Disk::default()
        };
        let mut records = Vec::new();
        session.snapshot(&mut records);
        disk.replace(&records);
        Self {
            options,
            disk,
            session,
            records: Vec::new(),
            bytes: Vec::new(),
            outputs: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            conn: None,
            is_connected: false,
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.session.handle(0, input);
        self.session.take_records(&mut self.records);
        self.session.transmit(&mut self.bytes);
        if self.disk.planted == Some(Planted::EarlyBytes) {
            self.up.append(&mut self.bytes);
        }
        let session = &mut self.session;
        self.outputs.extend(std::iter::from_fn(|| session.poll()));
    }

    /// What was said is on the disk, and leaves.
    fn sync(&mut self, random: &mut Random) -> Vec<Output> {
        if random.one_in(8) {
            let mut snapshot = Vec::new();
            self.session.snapshot(&mut snapshot);
            self.disk.replace(&snapshot);
        } else if !self.records.is_empty() {
            self.disk.append(&self.records);
        }
        self.records.clear();
        self.up.append(&mut self.bytes);
        std::mem::take(&mut self.outputs)
    }

    /// The process dies; another one reads what is left.
    fn die(&mut self, random: &mut Random) -> bool {
        let records = std::mem::take(&mut self.records);
        let is_torn = self.disk.lose(&records, random);
        let contents = journal::read(&self.disk.synced).expect("reads");
        self.session = Session::restore(self.options.clone(), &contents.records).expect("restores");
        self.bytes.clear();
        self.outputs.clear();
        is_torn
    }
}

/// What the runs did, lest one of them proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) deaths: usize,
    pub(crate) torn: usize,
    pub(crate) cuts: usize,
    pub(crate) again_with_the_same_number: usize,
    pub(crate) again_at_once: usize,
}

pub(crate) struct World {
    random: Random,
    shard: Shard,
    connections: u32,
    sender: Process,
    receiver: Process,
    /// Handed over, and not yet looked at. Dies with the process.
    inbox: VecDeque<Incoming>,
    /// What the receiver's database holds, with the number of the last message at QoS 2.
    once: Vec<u64>,
    least_once: Vec<u64>,
    last_number: Option<u64>,
    is_subscribed: bool,
    /// Messages that the sending application has the answer for.
    answered: BTreeSet<Token>,
    tally: Tally,
}

pub(crate) fn options(client_id: &str, version: Version, random: &mut Random) -> SessionOptions {
    let mut options = SessionOptions {
        client_id: client_id.to_owned(),
        version,
        keep_alive_secs: 0,
        inflight_messages_max: u16::try_from(1 + random.below(8)).expect("small"),
        backlog_messages_max: 5,
        acknowledges_by_hand: true,
        recovers_lost_session: true,
        ..SessionOptions::default()
    };
    if version == Version::V5 {
        options.properties.session_expiry_secs = Some(3600);
        options.properties.receive_maximum = Some(options.inflight_messages_max);
    }
    options
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut random = Random(seed);
        let version = Version::ALL[random.below(3)];
        Self {
            shard: shard(seed),
            connections: 0,
            sender: Process::new(options("sender", version, &mut random), planted),
            receiver: Process::new(options("receiver", version, &mut random), planted),
            inbox: VecDeque::new(),
            once: Vec::new(),
            least_once: Vec::new(),
            last_number: None,
            is_subscribed: false,
            answered: BTreeSet::new(),
            tally: Tally::default(),
            random,
        }
    }

    fn process(&mut self, is_sender: bool) -> &mut Process {
        if is_sender {
            &mut self.sender
        } else {
            &mut self.receiver
        }
    }

    fn now() -> Now {
        Now {
            mono_ms: 1_000,
            unix_ms: 1_700_000_000_000,
        }
    }

    fn broker(&mut self, input: BrokerInput<'_>) {
        self.shard.handle(Self::now(), input);
        loop {
            while let Some(effect) = self.shard.poll() {
                self.on_effect(effect);
            }
            if self.shard.next_deadline() != Some(Self::now().mono_ms) {
                return;
            }
            self.shard.handle(Self::now(), BrokerInput::DeadlineReached);
        }
    }

    fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Transmit { conn } => {
                while let Some(output) = self.shard.output(conn) {
                    let bytes = output.chunks().flatten().copied().collect::<Vec<_>>();
                    if bytes.is_empty() {
                        return;
                    }
                    let len = bytes.len();
                    for process in [&mut self.sender, &mut self.receiver] {
                        if process.conn == Some(conn) {
                            process.down.extend_from_slice(&bytes);
                        }
                    }
                    self.shard
                        .handle(Self::now(), BrokerInput::Sent { conn, len });
                }
            }
            Effect::Close { conn } => {
                for process in [&mut self.sender, &mut self.receiver] {
                    assert!(process.conn != Some(conn), "the broker finds no fault");
                }
            }
            Effect::Authenticate { conn, .. } => {
                let verdict = AuthVerdict::Allow {
                    user: None,
                    groups: Arc::new([]),
                };
                let answer = BrokerInput::Authenticated { conn, verdict };
                self.shard.handle(Self::now(), answer);
            }
            Effect::Handover { .. } | Effect::Answer { .. } | Effect::Fetch { .. } => {
                panic!("one shard, no operator, no store")
            }
            Effect::Report(_) => {}
        }
    }

    fn connect(&mut self, is_sender: bool) {
        self.connections += 1;
        let conn = ConnectionId {
            index: self.connections,
            generation: 0,
        };
        let process = self.process(is_sender);
        process.conn = Some(conn);
        process.input(Input::TransportOpened { clean_start: false });
        let peer = Peer {
            addr: None,
            listener: ListenerId(0),
            certificate: None,
        };
        self.broker(BrokerInput::Accepted { conn, peer });
    }

    fn cut(&mut self, is_sender: bool) {
        let process = self.process(is_sender);
        process.up.clear();
        process.down.clear();
        process.bytes.clear();
        process.is_connected = false;
        process.input(Input::TransportClosed);
        if let Some(conn) = process.conn.take() {
            self.tally.cuts += 1;
            let cause = CloseCause::Transport;
            self.broker(BrokerInput::Closed { conn, cause });
        }
    }

    fn die(&mut self, is_sender: bool) {
        self.cut(is_sender);
        let process = if is_sender {
            &mut self.sender
        } else {
            &mut self.receiver
        };
        self.tally.torn += usize::from(process.die(&mut self.random));
        self.tally.deaths += 1;
        if !is_sender {
            self.inbox.clear();
            self.is_subscribed = false;
        }
        let mut unfinished = self.sender.session.unfinished();
        let is_open = |token| !self.answered.contains(&token);
        assert!(
            unfinished.all(|(token, _)| is_open(token)),
            "an answer that was not safe"
        );
    }

    fn carry(&mut self, is_sender: bool) {
        let len = self.random.below(200) + 1;
        let process = self.process(is_sender);
        let Some(conn) = process.conn else { return };
        let up = process.up.drain(..len.min(process.up.len()));
        let up = up.collect::<Vec<_>>();
        let down = process.down.drain(..len.min(process.down.len()));
        let down = down.collect::<Vec<_>>();
        if !down.is_empty() {
            process.input(Input::Received(&down));
        }
        if !up.is_empty() {
            self.broker(BrokerInput::Received { conn, bytes: &up });
        }
    }

    fn sync(&mut self, is_sender: bool) {
        let process = if is_sender {
            &mut self.sender
        } else {
            &mut self.receiver
        };
        let outputs = process.sync(&mut self.random);
        self.pass_on(is_sender, outputs);
    }

    /// The application hears what its session said.
    fn pass_on(&mut self, is_sender: bool, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Connected(_) => self.process(is_sender).is_connected = true,
                Output::Message(incoming) => self.inbox.push_back(*incoming),
                Output::Published { token, answer } => {
                    assert!(!answer.reason.is_error());
                    assert!(self.answered.insert(token), "a second answer");
                }
                Output::Subscribed { .. } => self.is_subscribed = true,
                Output::Closed(columba_client::CloseCause::Lost)
                | Output::Closed(columba_client::CloseCause::LostBeforeAccepted) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The sending application: goes on with the message after those that its session has taken.
    fn publish(&mut self) {
        let number = self.sender.session.taken_messages();
        if number >= MESSAGES || !self.sender.session.has_room() {
            return;
        }
        let qos = [QoS::ExactlyOnce, QoS::AtLeastOnce][usize::from(number % 3 == 2)];
        let message = Message::new("x", number.to_string()).with_qos(qos);
        let token = self.sender.session.next_token();
        self.sender.input(Input::Publish { token, message });
    }

    /// The receiving application: one transaction for what the message does and its number, then the
    /// acknowledgement.
    fn apply(&mut self) {
        let Some(incoming) = self.inbox.pop_front() else {
            return;
        };
        let payload = String::from_utf8(incoming.message.payload).expect("text");
        let number = payload.parse().expect("a number");
        let receipt = incoming.receipt.expect("acknowledged by hand");
        match receipt.number() {
            Some(arrival) if self.last_number.is_some_and(|last| arrival <= last) => {
                self.tally.again_with_the_same_number += 1;
            }
            Some(arrival) => {
                self.once.push(number);
                self.last_number = Some(arrival);
            }
            None => {
                self.tally.again_at_once += usize::from(self.least_once.contains(&number));
                self.least_once.push(number);
            }
        }
        if self.random.one_in(20) {
            // Between its transaction and its word.
            return self.die(false);
        }
        let reason = ReasonCode::Success;
        self.receiver.input(Input::Acknowledge { receipt, reason });
    }

    fn step(&mut self, with_faults: bool) {
        let is_sender = self.random.one_in(2);
        match self.random.below(if with_faults { 64 } else { 60 }) {
            0..14 => self.publish(),
            14..34 => self.carry(is_sender),
            34..48 => self.sync(is_sender),
            48..60 => self.apply(),
            60..62 => self.cut(is_sender),
            _ => self.die(is_sender),
        }
        for is_sender in [true, false] {
            let process = self.process(is_sender);
            if process.disk.planted == Some(Planted::EarlyOutputs) {
                let outputs = std::mem::take(&mut process.outputs);
                self.pass_on(is_sender, outputs);
            }
        }
        for is_sender in [true, false] {
            if self.process(is_sender).conn.is_none() && self.random.one_in(6) {
                self.connect(is_sender);
            }
        }
        if self.receiver.is_connected && !self.is_subscribed && self.random.one_in(4) {
            let subscription = Subscription::to("x", QoS::ExactlyOnce);
            let token = 1_000_000;
            self.receiver.input(Input::Subscribe {
                token,
                subscription,
            });
        }
    }

    fn is_done(&self) -> bool {
        let taken = self.sender.session.taken_messages() == MESSAGES;
        let has = |number: u64| self.once.contains(&number) || self.least_once.contains(&number);
        taken && self.sender.session.is_idle() && (0..MESSAGES).all(has)
    }

    pub(crate) fn run(mut self) -> Tally {
        while !self.is_subscribed {
            self.step_without_messages();
        }
        for _ in 0..FAULTY_STEPS {
            self.step(true);
        }
        for _ in 0..50_000 {
            if self.is_done() && self.inbox.is_empty() {
                break;
            }
            self.step(false);
        }
        assert!(self.is_done(), "something is missing: {:?}", self.once);
        let expected = (0..MESSAGES).filter(|number| number % 3 != 2);
        assert_eq!(self.once, expected.collect::<Vec<_>>());
        self.tally
    }

    fn step_without_messages(&mut self) {
        if self.receiver.conn.is_none() {
            self.connect(false);
        }
        self.sync(false);
        self.carry(false);
        self.sync(false);
        if self.receiver.is_connected {
            let subscription = Subscription::to("x", QoS::ExactlyOnce);
            self.receiver.input(Input::Subscribe {
                token: 1_000_000,
                subscription,
            });
        }
    }
}

fn shard(seed: u64) -> Shard {
    let listener = ListenerSettings {
        name: "test".into(),
        anonymous: Anonymous::Always,
        connections_max: 0,
        packet_bytes_max: None,
        certificate_is_user: false,
        promise: Promise::Durable,
    };
    let limits = Limits {
        sys_interval_ms: 0,
        ..Limits::default()
    };
    let config = ShardConfig {
        id: ShardId(0),
        shards: 1,
        seed,
        id_secret: [1; 16],
        limits: Arc::new(limits),
        listeners: Arc::new([listener]),
        access: Arc::new(AccessRules::allow_all()),
        is_durable: false,
    };
    Shard::new(config, World::now())
}
