//! Any sequence of inputs leaves the books of one shard and of two in balance, and gives every
//! connection the effects that the driver may expect.
//!
//! Three bytes are an action, its target and its argument. Packets are raw bytes of the input or
//! made from the argument; mail between two shards is carried when the input says so, in order.
//! A store takes what the shards hand over, reports when the input says so, and gives it back after
//! a crash with whatever the input puts among it.
#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use columba_broker::access::AccessRules;
use columba_broker::event::{
    AuthVerdict, CloseCause, Command, ConnectionId, Effect, Handover, Input, ListenerId, Now, Peer,
    ShardId,
};
use columba_broker::journal::{Fetched, Records, StoreEvent};
use columba_broker::limits::{Anonymous, Limits, ListenerSettings, Promise};
use columba_broker::mail::Mail;
use columba_broker::query::{
    Condition, GroupsQuery, PublishRequest, Request, RequestId, RetainedQuery, SessionsQuery,
    SubscriptionsQuery,
};
use columba_broker::recovery::Recovery;
use columba_broker::stats::Stats;
use columba_broker::{Shard, ShardConfig};
use columba_codec::{PropertiesBuf, QoS};
use libfuzzer_sys::fuzz_target;

/// Connections of a shard at a time.
const CONNECTIONS: usize = 6;

fuzz_target!(|input: &[u8]| {
    for shards in [1, 2] {
        for is_durable in [false, true] {
            let mut rig = Rig::new(shards, is_durable);
            rig.play(input);
            rig.finish();
        }
    }
});

/// A packet of MQTT 3.1.1; those of other versions come as raw bytes.
fn packet(kind: u8, argument: u8) -> Vec<u8> {
    let id = 1 + argument % 4;
    let qos = argument >> 4 & 0b11;
    let level = b"ab"[usize::from(argument >> 2 & 1)];
    match kind >> 3 {
        0..=3 => {
            let flags = argument >> 1 & 0b10 | if argument & 8 == 0 { 0 } else { 0b0001_1100 };
            let will: &[u8] = if argument & 8 == 0 {
                b""
            } else {
                b"\0\x01a\0\x01w"
            };
            let mut body = b"\0\x04MQTT\x04".to_vec();
            body.extend([flags, 0, 0, 0, 1, b'A' + argument % 4]);
            body.extend(will);
            frame(0x10, &body)
        }
        4..=9 => match qos {
            0 | 3 => frame(0x30 | argument & 1, &[0, 1, level, b'x']),
            _ => frame(0x30 | qos << 1 | argument & 1, &[0, 1, level, 0, id, b'x']),
        },
        10..=13 => {
            let filters: [&[u8]; 4] = [b"a", b"+", b"#", b"$share/g/+"];
            let filter = filters[usize::from(argument % 4)];
            let mut body = vec![0, 9, 0, filter.len() as u8];
            body.extend(filter);
            if argument & 0x80 != 0 {
                return frame(0xA2, &body);
            }
            body.push(qos % 3);
            frame(0x82, &body)
        }
        14..=16 => frame(0x40, &[0, id]),
        17..=19 => frame(0x50, &[0, id]),
        20..=22 => frame(0x62, &[0, id]),
        23..=25 => frame(0x70, &[0, id]),
        26 | 27 => frame(0xC0, &[]),
        _ => frame(0xE0, &[]),
    }
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, body.len() as u8];
    bytes.extend(body);
    bytes
}

struct Rig {
    shards: Vec<Shard>,
    is_durable: bool,
    /// What is in the store, and what was handed over, by shard.
    live: BTreeMap<u64, Vec<u8>>,
    next_position: u64,
    handed: Vec<VecDeque<Records>>,
    now: Now,
    /// By shard and index: the generation in use.
    open: Vec<[Option<u32>; CONNECTIONS]>,
    next_generation: u32,
    asked: VecDeque<(usize, ConnectionId)>,
    /// Records that shards have asked for.
    reading: VecDeque<(usize, u64)>,
    moving: VecDeque<(usize, Box<Handover>)>,
    mail: VecDeque<(usize, usize, Mail)>,
}

fn make(count: u16, is_durable: bool, now: Now) -> Vec<Shard> {
    let limits = Arc::new(Limits {
        queue_messages_max: 4,
        match_cache_max: 4,
        inflight_max: 2,
        output_bytes_max: 200,
        packet_bytes_max: 1_000,
        sys_interval_ms: 0,
        ..Limits::default()
    });
    let listener = ListenerSettings {
        name: "fuzz".into(),
        anonymous: Anonymous::Always,
        connections_max: 0,
        packet_bytes_max: None,
        certificate_is_user: false,
        promise: Promise::Durable,
    };
    let listeners: Arc<[ListenerSettings]> = Arc::new([listener]);
    let shard = |number| {
        let config = ShardConfig {
            id: ShardId(number),
            shards: count,
            seed: 7,
            id_secret: [7; 16],
            limits: Arc::clone(&limits),
            listeners: Arc::clone(&listeners),
            access: Arc::new(AccessRules::allow_all()),
            is_durable,
        };
        Shard::new(config, now)
    };
    (0..count).map(shard).collect()
}

impl Rig {
    fn new(count: u16, is_durable: bool) -> Self {
        let now = Now::default();
        Self {
            shards: make(count, is_durable, now),
            is_durable,
            live: BTreeMap::new(),
            next_position: 0,
            handed: (0..count).map(|_| VecDeque::new()).collect(),
            now,
            open: vec![[None; CONNECTIONS]; usize::from(count)],
            next_generation: 0,
            asked: VecDeque::new(),
            reading: VecDeque::new(),
            moving: VecDeque::new(),
            mail: VecDeque::new(),
        }
    }

    fn play(&mut self, mut input: &[u8]) {
        while let [action, target, len, rest @ ..] = input {
            let shard = usize::from(*target) % self.shards.len();
            let index = usize::from(target >> 2) % CONNECTIONS;
            let (argument, behind) = rest.split_at(usize::from(*len).min(rest.len()));
            input = if matches!(action % 10, 0..=2 | 9) {
                behind
            } else {
                rest
            };
            match action % 10 {
                0..=2 => self.receive(shard, index, argument),
                3 => self.end(shard, index, CloseCause::Peer),
                4 => self.read(shard, index, usize::from(*len)),
                5 => self.carry(),
                6 => self.wait(u64::from(*len) * 100),
                7 => self.command(shard, *len),
                8 => self.store(shard, *len),
                _ => self.crash(argument),
            }
            self.check();
        }
    }

    fn receive(&mut self, shard: usize, index: usize, bytes: &[u8]) {
        if self.open[shard][index].is_none() {
            let conn = self.occupy(shard, index);
            let peer = Peer {
                addr: None,
                listener: ListenerId(0),
                certificate: None,
            };
            self.input(shard, Input::Accepted { conn, peer });
        }
        if let Some(conn) = self.id(shard, index) {
            self.input(shard, Input::Received { conn, bytes });
        }
    }

    fn occupy(&mut self, shard: usize, index: usize) -> ConnectionId {
        self.next_generation += 1;
        self.open[shard][index] = Some(self.next_generation);
        ConnectionId {
            index: index as u32,
            generation: self.next_generation,
        }
    }

    fn id(&self, shard: usize, index: usize) -> Option<ConnectionId> {
        let generation = self.open[shard][index]?;
        let index = index as u32;
        Some(ConnectionId { index, generation })
    }

    fn end(&mut self, shard: usize, index: usize, cause: CloseCause) {
        if let Some(conn) = self.id(shard, index) {
            self.open[shard][index] = None;
            self.input(shard, Input::Closed { conn, cause });
        }
    }

    fn read(&mut self, shard: usize, index: usize, most: usize) {
        let Some(conn) = self.id(shard, index) else {
            return;
        };
        let len = self.shards[shard].output(conn).map_or(0, |o| o.len());
        let len = len.min(most);
        if len > 0 {
            self.input(shard, Input::Sent { conn, len });
        }
    }

    /// Carries one batch, one verdict and one connection.
    fn carry(&mut self) {
        if let Some((from, to, mail)) = self.mail.pop_front() {
            let from = ShardId(from as u16);
            self.input(to, Input::Mail { from, mail });
        }
        if let Some((shard, position)) = self.reading.pop_front() {
            let record = self.live.get(&position).cloned();
            let record = record.ok_or_else(|| "it is not there".to_owned());
            let fetched = vec![Fetched { position, record }];
            self.input(shard, Input::Fetched(fetched));
        }
        if let Some((shard, conn)) = self.asked.pop_front() {
            let verdict = AuthVerdict::Allow {
                user: None,
                groups: [].into(),
            };
            self.input(shard, Input::Authenticated { conn, verdict });
        }
        if let Some((to, handover)) = self.moving.pop_front() {
            match self.open[to].iter().position(Option::is_none) {
                Some(index) => {
                    let conn = self.occupy(to, index);
                    self.input(to, Input::Adopted { conn, handover });
                }
                None => self.moving.push_back((to, handover)),
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        for shard in 0..self.shards.len() {
            let due = self.shards[shard].next_deadline();
            if due.is_some_and(|due_ms| due_ms <= self.now.mono_ms) {
                self.input(shard, Input::DeadlineReached);
                let next = self.shards[shard].next_deadline();
                assert!(next.is_none_or(|next_ms| next_ms > self.now.mono_ms));
            }
        }
    }

    /// Commits a batch of a shard, or has the store say something else.
    fn store(&mut self, shard: usize, argument: u8) {
        let event = match argument % 16 {
            0 => StoreEvent::Full,
            1 => StoreEvent::Room,
            2 if argument > 128 => StoreEvent::Failed,
            _ => {
                let Some(records) = self.handed[shard].pop_front() else {
                    return;
                };
                let first = self.commit(&records);
                let ticket = records.ticket;
                StoreEvent::Durable { ticket, first }
            }
        };
        self.input(shard, Input::Store(event));
    }

    fn commit(&mut self, records: &Records) -> u64 {
        let first = self.next_position;
        let mut start = 0;
        for end in &records.ends {
            let record = records.bytes[start..*end].to_vec();
            self.live.insert(self.next_position, record);
            self.next_position += 1;
            start = *end;
        }
        for position in &records.releases {
            self.live.remove(position);
        }
        first
    }

    /// Another process finds what was committed, and a record that is made of anything.
    fn crash(&mut self, record: &[u8]) {
        if !self.is_durable {
            return;
        }
        let count = self.shards.len() as u16;
        if !record.is_empty() {
            self.live.insert(self.next_position, record.to_vec());
            self.next_position += 1;
        }
        self.now.mono_ms = 5;
        let recovered = loop {
            let mut recovery = Recovery::new(self.now);
            for (position, record) in &self.live {
                recovery.take(*position, record);
            }
            let mut recovered = recovery.finish(count, 7);
            self.commit(&recovered.repair);
            if recovered.rewrites.is_empty() {
                break recovered;
            }
            for rewrite in std::mem::take(&mut recovered.rewrites) {
                let record = self.live[&rewrite.position].clone();
                let mut batch = Records::default();
                rewrite.write(&record, &mut batch);
                self.commit(&batch);
            }
        };
        *self = Self {
            live: std::mem::take(&mut self.live),
            next_position: self.next_position,
            now: self.now,
            shards: make(count, true, self.now),
            ..Self::new(count, true)
        };
        for (shard, part) in self.shards.iter_mut().zip(recovered.shards) {
            shard.restore(self.now, part);
        }
    }

    fn command(&mut self, shard: usize, argument: u8) {
        if let Some(request) = request_of(argument) {
            let id = RequestId(u64::from(argument));
            return self.input(shard, Input::Request { id, request });
        }
        let command = match argument {
            0 => Command::PublishWills,
            1 => Command::Shutdown,
            _ => Command::Disconnect {
                client_id: String::from(char::from(argument)).into(),
                end_session: argument.is_multiple_of(2),
            },
        };
        self.input(shard, Input::Command(command));
    }

    fn input(&mut self, shard: usize, input: Input<'_>) {
        self.shards[shard].handle(self.now, input);
        while let Some(effect) = self.shards[shard].poll() {
            match effect {
                Effect::Transmit { conn } => self.assert_known(shard, conn),
                Effect::Close { conn } => {
                    self.assert_known(shard, conn);
                    self.end(shard, conn.index as usize, CloseCause::Broker);
                }
                Effect::Authenticate { conn, .. } => {
                    self.assert_known(shard, conn);
                    self.asked.push_back((shard, conn));
                }
                Effect::Handover { conn, to, handover } => {
                    self.assert_known(shard, conn);
                    self.open[shard][conn.index as usize] = None;
                    self.moving.push_back((to.index(), handover));
                }
                Effect::Fetch { positions } => {
                    self.reading.extend(positions.into_iter().map(|at| (shard, at)));
                }
                Effect::Answer { .. } | Effect::Report(_) => {}
            }
        }
        while let Some((to, mail)) = self.shards[shard].poll_mail() {
            self.mail.push_back((shard, to.index(), mail));
        }
        if let Some(records) = self.shards[shard].poll_records() {
            self.handed[shard].push_back(records);
        }
    }

    fn assert_known(&self, shard: usize, conn: ConnectionId) {
        assert_eq!(self.id(shard, conn.index as usize), Some(conn));
    }

    fn check(&self) {
        let mut stats = Stats::default();
        for shard in &self.shards {
            stats.add(shard.stats());
        }
        let pending: u64 = self.shards.iter().map(Shard::pending_copies).sum();
        assert_eq!(stats.copies, stats.settled_copies() + pending);
        let open = self.open.iter().flatten().flatten().count();
        assert_eq!(stats.connections, open as u64);
    }

    /// Everybody goes; what is on its way arrives.
    fn finish(&mut self) {
        for shard in 0..self.shards.len() {
            for index in 0..CONNECTIONS {
                self.end(shard, index, CloseCause::Transport);
            }
        }
        while !self.mail.is_empty() || !self.asked.is_empty() || !self.moving.is_empty() {
            self.carry();
            for shard in 0..self.shards.len() {
                self.end(shard, CONNECTIONS - 1, CloseCause::Peer);
            }
        }
        self.check();
    }
}

/// What an operator asks.
fn request_of(argument: u8) -> Option<Request> {
    let topic = || "a/b".into();
    Some(match argument {
        2 => Request::Stats,
        3 => Request::Sessions(SessionsQuery::default()),
        4 => Request::Subscriptions(SubscriptionsQuery::default()),
        5 => Request::Groups(GroupsQuery::default()),
        6 => Request::Retained(RetainedQuery {
            filter: "#".into(),
            after: None,
            rows_max: 2,
        }),
        7 => Request::ClearAllRetained {
            filter: "+/#".into(),
            after: None,
        },
        8 => Request::Publish(Box::new(PublishRequest {
            topic: topic(),
            payload: b"x".to_vec(),
            qos: QoS::AtLeastOnce,
            retain: true,
            expiry_secs: Some(1),
            properties: PropertiesBuf::new(),
            condition: Condition::None,
        })),
        9 => Request::Unsubscribe {
            client_id: "a".into(),
            filter: topic(),
        },
        10 => Request::Session {
            client_id: "a".into(),
        },
        _ => return None,
    })
}
