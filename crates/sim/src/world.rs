//! The world of one run: the clock, the queue of events, and everybody in it.

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::sync::Arc;

use columba_broker::event::{CloseCause, ListenerId, Now, Peer, ShardId};
use columba_broker::limits::Anonymous;
use columba_broker::mail::Mail;
use columba_broker::recovery::RecoveredCounts;
use columba_broker::{Input, Shard, ShardConfig};

use crate::ask_clients::Written;
use crate::chance::Chance;
use crate::client::Client;
use crate::event::{Agenda, Event, LinkId, Owed};
use crate::guard::Guard;
use crate::net::{Arrived, Link, Phase, Slots};
use crate::operator::{Operator, address_of, listener_settings};
use crate::oracle::{About, Oracle, Settings};
use crate::persona::{Acknowledges, Persona, Reads};
use crate::planted::Planted;
use crate::run::Options;
use crate::store::Store;
use crate::swarm::{Cut, Swarm};
use crate::trace::Trace;
use crate::why::Verdicts;

/// What the run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Clients work, faults happen.
    Faulty,
    /// No faults: everybody comes back, reads and acknowledges.
    Healing,
    /// Everybody comes back with a clean start, to leave nothing behind.
    Ending,
    /// Everybody leaves for good.
    Leaving,
}

/// A shard and what its driver keeps.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) core: Shard,
    pub(crate) slots: Slots,
    /// The ways to the other shards, by their number.
    pub(crate) lanes: Vec<Lane>,
    /// Whether it stands still; what happens to it meanwhile waits in `deferred`.
    pub(crate) is_paused: bool,
    pub(crate) deferred: VecDeque<Event>,
    pub(crate) deadline_ms: Option<u64>,
    /// The time it was last told of a deadline, and how often before at that time.
    pub(crate) turns: (u64, usize),
}

/// Mail from one shard to another.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// On its way, in order.
    pub(crate) ring: VecDeque<Mail>,
    /// Finds no room in the ring.
    pub(crate) waiting: Mail,
    pub(crate) last_at_ms: u64,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) chance: Chance,
    pub(crate) mode: Mode,
    pub(crate) now_ms: u64,
    /// What to add to the time of the run to get that of the calendar.
    pub(crate) unix_offset_ms: u64,
    /// What to take off it to get that of the broker's clock, which starts with the process.
    pub(crate) base_ms: i64,
    pub(crate) seed: u64,
    /// What the shards of this life find homes by.
    pub(crate) shard_seed: u64,
    pub(crate) operator: Operator,
    pub(crate) guard: Guard,
    pub(crate) planted: Option<Planted>,
    pub(crate) store: Option<Store>,
    /// What the last start found.
    pub(crate) counts: RecoveredCounts,
    /// How many records there were before a bit of the disk changed.
    pub(crate) records: Option<u64>,
    /// How often the broker was started again.
    pub(crate) life: u64,
    /// Steps that it has left to live.
    pub(crate) crash_in: Option<u64>,
    pub(crate) is_dead: bool,
    pub(crate) agenda: Agenda,
    pub(crate) shards: Vec<Node>,
    pub(crate) links: Vec<Link>,
    /// The clients that the swarm asks for, and the probe.
    pub(crate) clients: Vec<Client>,
    /// Payloads made so far.
    pub(crate) messages: u64,
    pub(crate) inputs: u64,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    /// What came of asking why, and what changes a report before it is judged.
    pub(crate) verdicts: Verdicts,
    pub(crate) written: Written,
    pub(crate) tamper: Option<fn(&mut columba_diagnosis::Report)>,
}

impl World {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let mut chance = Chance::new(seed);
        let mut swarm = Swarm::draw(&mut chance);
        swarm.draw_reading(&mut Chance::new(seed ^ 0x7265_6164));
        swarm.draw_recorder(&mut Chance::new(seed ^ 0x7461_7065));
        swarm.draw_listeners(&mut Chance::new(seed ^ 0x7072_6f6d));
        swarm.draw_filling(&mut Chance::new(seed ^ 0x6675_6c6c));
        swarm.draw_deaths(&mut Chance::new(seed ^ 0x6465_6164));
        swarm.draw_operators(&mut Chance::new(seed ^ 0x6f70_6572));
        swarm.draw_guards(&mut Chance::new(seed ^ 0x6775_6172));
        // A fault is planted in worlds that are always the same.
        let is_synced = options.is_synced.or_else(|| options.planted.map(|_| true));
        swarm.draw_durability(is_synced, &mut Chance::new(seed ^ 0x7379_6e63));
        if options.is_tight {
            swarm.tighten();
        }
        let operator = Operator::new(seed ^ 0x626f_7373);
        let guard = Guard::new(seed ^ 0x7275_6c65);
        let seed = chance.next_u64();
        let clients = (0..swarm.clients)
            .map(|number| Persona::draw(number, &swarm, &mut chance))
            .collect::<Vec<_>>()
            .into_iter()
            .chain([Persona::probe()])
            .map(Client::new)
            .collect();
        let trace = Trace::new(options.is_traced);
        trace.note(0, format_args!("{swarm:#?}"));
        let mut world = Self {
            oracle: Oracle::new(Settings::of(&swarm), swarm.store.is_some()),
            swarm,
            chance,
            mode: Mode::Faulty,
            now_ms: 1_000,
            unix_offset_ms: 1_700_000_000_000,
            base_ms: 0,
            seed,
            shard_seed: seed,
            operator,
            guard,
            planted: options.planted,
            store: None,
            counts: RecoveredCounts::default(),
            records: None,
            life: 0,
            crash_in: None,
            is_dead: false,
            agenda: Agenda::default(),
            shards: Vec::new(),
            links: Vec::new(),
            clients,
            messages: 0,
            inputs: 0,
            trace,
            verdicts: Verdicts::default(),
            written: Written::default(),
            tamper: None,
        };
        world.oracle.shards = usize::from(world.swarm.shards);
        world.boot();
        for client in &world.clients {
            world.trace.note(0, format_args!("{:?}", client.persona));
        }
        world
    }

    /// Puts an event on the agenda.
    pub(crate) fn put(&mut self, in_ms: u64, event: Event) {
        self.agenda.put(self.now_ms + in_ms, event);
    }

    pub(crate) fn note(&self, line: Arguments<'_>) {
        self.trace.note(self.now_ms, line);
    }

    pub(crate) const fn now(&self) -> Now {
        Now {
            mono_ms: (self.now_ms as i64 - self.base_ms) as u64,
            unix_ms: self.now_ms + self.unix_offset_ms,
        }
    }

    /// Carries out events until a time, or until nothing but deadlines is left if `is_quiet_enough`.
    pub(crate) fn play(&mut self, until_ms: u64, is_quiet_enough: bool) {
        let mut in_one_ms = 0;
        while !self.oracle.has_failed() {
            if is_quiet_enough && self.is_quiet() {
                return;
            }
            if self.agenda.next_ms().is_none_or(|at_ms| at_ms > until_ms) {
                self.now_ms = until_ms;
                return;
            }
            let Some((at_ms, event)) = self.agenda.next() else {
                return;
            };
            in_one_ms = if at_ms == self.now_ms {
                in_one_ms + 1
            } else {
                0
            };
            if in_one_ms > EVENTS_MAX {
                let detail = format!("{EVENTS_MAX} events at {at_ms} ms, the last {event:?}");
                return self.oracle.fail("drain", detail);
            }
            self.now_ms = at_ms;
            self.happen(event);
            if self.is_dead {
                self.restart();
            }
        }
    }

    /// Whether nothing is left but deadlines of a later time. One that is now is work that a shard has put
    /// off, and the last thing to be told about a disk may be what puts it off.
    fn is_quiet(&self) -> bool {
        let is_now = |at_ms: u64| at_ms <= self.now_ms;
        self.agenda.is_quiet()
            && !self.agenda.next_ms().is_some_and(is_now)
            && !self.awaits_connack()
    }

    /// Whether a client waits for its CONNACK: there may be another one with its id, who stays for a while.
    fn awaits_connack(&self) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|client| client.link.is_some() && !client.is_connected)
    }

    fn happen(&mut self, event: Event) {
        if let Event::Resume { shard } = event {
            self.shards[shard].is_paused = false;
            let deferred = std::mem::take(&mut self.shards[shard].deferred);
            for event in deferred {
                if self.is_dead {
                    return;
                }
                self.happen(event);
            }
            return;
        }
        if let Some(shard) = self.shard_of(&event)
            && self.shards[shard].is_paused
        {
            return self.shards[shard].deferred.push_back(event);
        }
        match event {
            Event::Up { link, bytes } => self.on_arrived(link, Arrived::Bytes(bytes)),
            Event::UpEnd { link, cause } => self.on_arrived(link, Arrived::End(cause)),
            Event::Down { link, bytes } => self.on_down(link, &bytes),
            Event::DownEnd { link } => {
                self.links[link].has_ended = true;
                self.schedule_read(link);
            }
            Event::Read { link } => self.on_read(link),
            Event::Write { link } => self.on_write(link),
            Event::CloseAnyway { link } => self.on_close_anyway(link),
            Event::Mail { from, to } => self.on_mail(from, to),
            Event::Adopt { link, to, handover } => self.on_adopt(link, to, handover),
            Event::Verdict {
                link,
                shard,
                conn,
                verdict,
            } => {
                let verdict = self.guard.still(verdict);
                let input = Input::Authenticated { conn, verdict };
                self.input(shard, input, About::Verdict { link });
            }
            Event::Deadline { shard } => self.on_deadline(shard),
            Event::Command { shard, command } => {
                let about = About::Command(command.clone());
                self.input(shard, Input::Command(command), about);
            }
            Event::Request { shard, id, request } => self.on_request(shard, id, *request),
            Event::Operate => self.on_operate(),
            Event::Guard => self.on_guard(),
            Event::Tick { shard } => self.on_tick(shard),
            Event::Written => self.on_written(),
            Event::Commit => self.on_commit(),
            Event::Stored { shard, event } => self.on_stored(shard, event),
            Event::Fetch { shard, positions } => self.on_fetch(shard, &positions),
            Event::Disk(fault) => self.on_disk(fault),
            Event::Crash => self.on_crash(),
            Event::Resume { .. } => {}
            Event::Turn { client } => self.on_turn(client),
            Event::Ping { client } => self.on_ping(client),
            Event::Owed { link, owed } => self.on_owed(link, owed),
        }
    }

    /// The shard that an event happens to.
    fn shard_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Up { link, .. }
            | Event::UpEnd { link, .. }
            | Event::Write { link }
            | Event::CloseAnyway { link } => Some(self.links[*link].shard),
            Event::Mail { to, .. } | Event::Adopt { to, .. } => Some(*to),
            Event::Verdict { shard, .. }
            | Event::Deadline { shard }
            | Event::Tick { shard }
            | Event::Stored { shard, .. }
            | Event::Fetch { shard, .. }
            | Event::Request { shard, .. }
            | Event::Command { shard, .. } => Some(*shard),
            Event::Down { .. }
            | Event::Written
            | Event::Commit
            | Event::Disk(_)
            | Event::Crash
            | Event::DownEnd { .. }
            | Event::Read { .. }
            | Event::Resume { .. }
            | Event::Operate
            | Event::Guard
            | Event::Turn { .. }
            | Event::Ping { .. }
            | Event::Owed { .. } => None,
        }
    }

    /// A shard stands still for a while.
    pub(crate) fn pause(&mut self, shard: usize, pause_ms: u64) {
        if !self.shards[shard].is_paused {
            self.shards[shard].is_paused = true;
            self.note(format_args!("shard {shard} stands still for {pause_ms} ms"));
            self.put(pause_ms, Event::Resume { shard });
            let standstill = (self.now_ms, self.now_ms + pause_ms);
            self.oracle.truth.standstills.push(standstill);
        }
    }

    // The client's end of a link.

    /// Most often the listener that a client prefers.
    fn listener_of(&mut self, client: usize) -> usize {
        let count = self.swarm.listeners.len();
        let preferred = self.clients[client].persona.listener;
        if count == 1 || self.chance.percent(70) {
            return preferred;
        }
        self.chance.below(count as u64) as usize
    }

    /// A new connection of a client, to any shard.
    pub(crate) fn open_link(&mut self, client: usize) -> LinkId {
        let shard = self.chance.below(self.shards.len() as u64) as usize;
        let link = self.links.len();
        let conn = self.shards[shard].slots.put(link);
        self.links.push(Link::new(client, shard, conn, self.now_ms));
        let listener = self.listener_of(client);
        let port = 10_000 + (link % 50_000) as u16;
        let peer = Peer {
            addr: Some((address_of(client), port).into()),
            listener: ListenerId(listener as u16),
            certificate: None,
        };
        let persona = &self.clients[client].persona;
        let addr = address_of(client).into();
        self.oracle.open(link, persona.version, listener, addr);
        self.input(
            shard,
            Input::Accepted { conn, peer },
            About::Accepted { link },
        );
        link
    }

    /// The client writes bytes.
    pub(crate) fn send(&mut self, link: LinkId, bytes: Vec<u8>) {
        if !self.links[link].is_client_open || self.links[link].is_half_open || bytes.is_empty() {
            return;
        }
        match self.swarm.cut {
            Cut::Whole => self.send_piece(link, bytes),
            Cut::Crumbs => {
                for piece in bytes.chunks((bytes.len() / 40).max(3)) {
                    self.send_piece(link, piece.to_vec());
                }
            }
            Cut::Anywhere => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let at = self.chance.range(1, rest.len() as u64) as usize;
                    let (piece, behind) = rest.split_at(at);
                    self.send_piece(link, piece.to_vec());
                    rest = behind;
                }
            }
            Cut::Records => {
                self.links[link].record.extend(bytes);
                let is_flushed = self.chance.percent(60) || self.mode != Mode::Faulty;
                while self.links[link].record.len() >= RECORD_BYTES || is_flushed {
                    let record = &mut self.links[link].record;
                    let piece: Vec<u8> = record.drain(..record.len().min(RECORD_BYTES)).collect();
                    if piece.is_empty() {
                        break;
                    }
                    self.send_piece(link, piece);
                }
            }
        }
    }

    fn send_piece(&mut self, link: LinkId, bytes: Vec<u8>) {
        let at_ms = self.up_ms(link);
        self.agenda.put(at_ms, Event::Up { link, bytes });
    }

    /// When something that is sent to the broker now arrives.
    fn up_ms(&mut self, link: LinkId) -> u64 {
        let delay_ms = self.delay(self.swarm.up_ms_max);
        let at_ms = (self.now_ms + delay_ms).max(self.links[link].up_at_ms);
        self.links[link].up_at_ms = at_ms;
        at_ms
    }

    /// The client closes its socket, behind what it has written.
    pub(crate) fn hang_up(&mut self, link: LinkId, cause: CloseCause) {
        let record = std::mem::take(&mut self.links[link].record);
        if !record.is_empty() && self.links[link].is_client_open {
            self.send_piece(link, record);
        }
        self.leave(link);
        if !self.links[link].is_half_open {
            let at_ms = self.up_ms(link);
            self.agenda.put(at_ms, Event::UpEnd { link, cause });
        }
    }

    /// The network fails: both ends learn of it, and what is on its way is lost.
    pub(crate) fn reset(&mut self, link: LinkId) {
        self.leave(link);
        self.links[link].is_half_open = true;
        let at_ms = self.now_ms + self.delay(self.swarm.up_ms_max);
        let cause = CloseCause::Transport;
        self.agenda.put(at_ms, Event::UpEnd { link, cause });
        self.note(format_args!("link {link} is reset"));
    }

    /// The client has given up on its broker, which may never learn of it.
    pub(crate) fn abandon(&mut self, link: LinkId) {
        self.hang_up(link, CloseCause::Peer);
    }

    fn leave(&mut self, link: LinkId) {
        self.links[link].is_client_open = false;
        self.links[link].inbox.clear();
        self.links[link].unread = 0;
        let client = self.links[link].client;
        if self.clients[client].link == Some(link) {
            self.clients[client].disconnected();
            if self.mode != Mode::Faulty && client < self.swarm.clients {
                self.put(1, Event::Turn { client });
            }
        }
        self.schedule_write(link, 0);
    }

    fn on_down(&mut self, link: LinkId, bytes: &[u8]) {
        if self.links[link].is_half_open || !self.links[link].is_client_open {
            return;
        }
        self.links[link].inbox.extend_from_slice(bytes);
        self.schedule_read(link);
    }

    pub(crate) fn schedule_read(&mut self, link: LinkId) {
        if self.links[link].is_read_due {
            return;
        }
        let reads = self.clients[self.links[link].client].persona.reads;
        let delay_ms = match (self.mode, reads) {
            (Mode::Healing | Mode::Ending | Mode::Leaving, _) | (_, Reads::Promptly) => 0,
            (Mode::Faulty, Reads::Rarely(ms)) => self.chance.range(1, ms),
            // A connection that cannot even be established tests nothing.
            (Mode::Faulty, Reads::Never) if !self.is_established(link) => 0,
            // Even a client that does not read learns that its socket is closed.
            (Mode::Faulty, Reads::Never) if self.links[link].has_ended => 200,
            (Mode::Faulty, Reads::Never) => return,
        };
        self.links[link].is_read_due = true;
        self.put(delay_ms, Event::Read { link });
    }

    fn is_established(&self, link: LinkId) -> bool {
        self.clients[self.links[link].client].is_connected
    }

    fn on_read(&mut self, link: LinkId) {
        self.links[link].is_read_due = false;
        let bytes = std::mem::take(&mut self.links[link].inbox);
        self.links[link].unread = self.links[link].unread.saturating_sub(bytes.len());
        self.schedule_write(link, 0);
        let client = self.links[link].client;
        let is_current = self.clients[client].link == Some(link) && self.links[link].is_client_open;
        if is_current && !bytes.is_empty() {
            let session = self.oracle.session_of(link);
            let reaction = self.clients[client].read(&bytes, session);
            if let Some(fault) = reaction.fault {
                self.oracle.fail("wire", format!("link {link}: {fault}"));
            }
            for (payload, qos) in &reaction.messages {
                self.oracle.received(link, payload, *qos);
            }
            if client == self.swarm.clients {
                let payloads = reaction.messages.into_iter().map(|(payload, _)| payload);
                self.clients[client].taken.extend(payloads);
            }
            self.send(link, reaction.send);
            for owed in reaction.owed {
                self.owe(link, owed);
            }
            if reaction.is_over {
                self.hang_up(link, CloseCause::Peer);
            }
        }
        if self.links[link].has_ended && self.links[link].is_client_open {
            self.hang_up(link, CloseCause::Peer);
        }
    }

    fn owe(&mut self, link: LinkId, owed: Owed) {
        let client = self.links[link].client;
        match (self.mode, self.clients[client].persona.acknowledges) {
            (Mode::Healing | Mode::Ending | Mode::Leaving, _) | (_, Acknowledges::Promptly) => {
                self.on_owed(link, owed);
            }
            (Mode::Faulty, Acknowledges::Late(ms)) => {
                let delay_ms = self.chance.range(1, ms);
                self.put(delay_ms, Event::Owed { link, owed });
            }
            (Mode::Faulty, Acknowledges::Never) => self.clients[client].kept_back.push(owed),
        }
    }

    pub(crate) fn on_owed(&mut self, link: LinkId, owed: Owed) {
        let client = self.links[link].client;
        if self.clients[client].link == Some(link) {
            let is_refused = self.mode == Mode::Faulty && self.chance.percent(3);
            let bytes = self.clients[client].acknowledge(owed, is_refused);
            self.send(link, bytes);
        }
    }
}

/// How much may happen in one millisecond before it is taken to go on without end.
const EVENTS_MAX: usize = 1_000_000;

/// Half of what the shortest keep alive needs.
const PING_MS: u64 = 500;

/// The longest delay when there are no faults.
const CALM_MS: u64 = 5;

/// Bytes of a record of the transport.
const RECORD_BYTES: usize = 200;

pub(crate) fn new_shards(swarm: &Swarm, seed: u64, now: Now, is_durable: bool) -> Vec<Node> {
    let limits = Arc::new(swarm.limits.clone());
    let listeners = listener_settings(&swarm.listeners, Anonymous::Always, 0);
    let node = |number: u16| {
        let config = ShardConfig {
            id: ShardId(number),
            shards: swarm.shards,
            seed,
            id_secret: u128::from(seed).to_le_bytes(),
            limits: Arc::clone(&limits),
            listeners: Arc::clone(&listeners),
            access: Arc::clone(&swarm.access),
            is_durable,
        };
        Node {
            core: Shard::new(config, now),
            slots: Slots::default(),
            lanes: (0..swarm.shards).map(|_| Lane::default()).collect(),
            is_paused: false,
            deferred: VecDeque::new(),
            deadline_ms: None,
            turns: (0, 0),
        }
    };
    (0..swarm.shards).map(node).collect()
}

impl World {
    /// Stops the faults and brings everybody back.
    pub(crate) fn heal(&mut self, mode: Mode) {
        if self.crash_in.take().is_some() || self.store.as_ref().is_some_and(|of| of.has_failed) {
            self.restart();
        }
        self.mode = mode;
        self.on_disk(crate::event::DiskFault::Room);
        self.agenda
            .retain(|event| !matches!(event, Event::Crash | Event::Disk(_)));
        self.note(format_args!("----- {mode:?}"));
        for shard in 0..self.shards.len() {
            if self.shards[shard].is_paused {
                self.put(0, Event::Resume { shard });
            }
        }
        for link in 0..self.links.len() {
            let is_known = self.links[link].phase != Phase::Gone;
            if self.links[link].is_half_open && (is_known || self.links[link].is_client_open) {
                self.reset(link);
            } else if self.links[link].is_client_open {
                let record = std::mem::take(&mut self.links[link].record);
                if !record.is_empty() {
                    self.send_piece(link, record);
                }
                self.schedule_read(link);
            }
        }
        for client in 0..self.swarm.clients {
            if let Some(link) = self.clients[client].link {
                for owed in std::mem::take(&mut self.clients[client].kept_back) {
                    self.on_owed(link, owed);
                }
            }
            self.put(0, Event::Turn { client });
        }
        self.let_all_in();
        self.allow_all();
        for client in 0..self.clients.len() {
            self.put(PING_MS, Event::Ping { client });
        }
    }

    /// Keeps connections alive while nobody has anything to say.
    fn on_ping(&mut self, client: usize) {
        if self.mode == Mode::Faulty {
            return;
        }
        if let Some(link) = self.clients[client].link
            && self.clients[client].is_connected
        {
            let ping = self.clients[client].ping();
            self.send(link, ping);
        }
        self.put(PING_MS, Event::Ping { client });
    }

    /// The wall clock is set.
    pub(crate) fn jump(&mut self) {
        self.unix_offset_ms = self.chance.range(0, 3_000_000_000_000);
        self.oracle.has_jumped = true;
        self.note(format_args!("the wall clock is set"));
    }

    /// A delay of the network or of mail.
    pub(crate) fn delay(&mut self, most_ms: u64) -> u64 {
        let most_ms = if self.mode == Mode::Faulty {
            most_ms
        } else {
            most_ms.min(CALM_MS)
        };
        self.chance.range(0, most_ms)
    }

    /// The faults begin again.
    pub(crate) fn unheal(&mut self) {
        self.mode = Mode::Faulty;
        self.note(format_args!("----- Faulty"));
        self.plan_crashes();
        if let Some(operating) = &self.swarm.operators {
            self.put(operating.pause_ms_max, Event::Operate);
        }
        if let Some(guarding) = &self.swarm.guards {
            self.put(guarding.pause_ms_max, Event::Guard);
        }
        for client in 0..self.swarm.clients {
            let delay_ms = self.chance.below(50);
            self.put(delay_ms, Event::Turn { client });
        }
    }
}
