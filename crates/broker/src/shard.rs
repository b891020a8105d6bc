//! The only entrance to the core: [`Shard::handle`], then [`Shard::poll`] until it is empty.

mod acknowledge;
mod connack;
mod connect;
mod deliver;
mod drafts;
mod drain;
mod end;
mod exchange;
mod faults;
mod fetch;
mod foreign;
mod handing;
mod inspect;
mod io;
mod keep;
mod leaving;
mod letters;
mod line;
mod lineup;
mod needs_store;
mod note;
mod operate;
mod publish;
mod query;
mod recheck;
mod recount;
mod refuse;
mod refuse_publish;
mod report;
mod restore;
mod retain;
mod rivals;
mod save;
mod scan;
mod share;
mod steps;
mod store;
mod subscribe;
mod sys;
mod topics;
mod unanswered;

use std::collections::VecDeque;
use std::sync::Arc;

use columba_codec::PublishTemplate;
use hashbrown::HashTable;
use slab::Slab;

use crate::access::{AccessRules, Action, Client, Decision, RuleHits};
use crate::ban::BanList;
use crate::connection::{Connection, State};
use crate::event::{Command, Effect, Input};
use crate::hash::{Chance, ClientIds, Hashing, Map, hash_of};
use crate::id::{ConnectionId, ShardId};
use crate::journal::{Journal, Records};
use crate::kept::KeptMessages;
use crate::limits::{Limits, ListenerSettings};
use crate::mail::{Letter, Mail};
use crate::now::Now;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::recorder::{Facts, Recorder};
use crate::recovery::StartNotes;
use crate::retained::RetainedStore;
use crate::routing::share::Members;
use crate::routing::{FilterId, FilterTable};
use crate::session::{Identity, Session};
use crate::stats::Stats;
use crate::timer::{Timer, Timers};
use crate::work::{Steps, WorkQueue};
use deliver::Target;
use exchange::Exchanges;
use fetch::Fetches;
use handing::Handings;
use keep::Keeping;
use leaving::Leaving;
use report::ReportBudget;
use rivals::Rivals;
use scan::Scan;
use subscribe::WaitingSubscribe;
use sys::SysTree;

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Which shard this is.
    pub id: ShardId,
    /// How many there are; at most 64.
    pub shards: u16,
    /// Seeds hashing and choices. Secret in production, fixed in tests; the same for all shards.
    pub seed: u64,
    /// The key of the client ids that the server assigns. Secret in production and used for nothing
    /// else; the same for all shards.
    pub id_secret: [u8; 16],
    /// The bounds.
    pub limits: Arc<Limits>,
    /// The listeners, by [`ListenerId`](crate::id::ListenerId).
    pub listeners: Arc<[ListenerSettings]>,
    /// Who may do what.
    pub access: Arc<AccessRules>,
    /// Whether there is a store: then what has to outlive the process is handed out by
    /// [`Shard::poll_records`], and what says that it was taken waits for [`Input::Store`].
    pub is_durable: bool,
}

/// One shard of the broker: a deterministic state machine.
///
/// The same configuration and the same inputs at the same times give the same effects, byte for
/// byte.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    shards: u16,
    hashing: Hashing,
    chance: Chance,
    client_ids: ClientIds,
    limits: Arc<Limits>,
    listeners: Arc<[ListenerSettings]>,
    access: Arc<AccessRules>,
    /// What each of the access rules has decided.
    rule_hits: RuleHits,
    bans: Arc<BanList>,
    now: Now,
    /// By the index of [`ConnectionId`].
    connections: Vec<Option<Connection>>,
    sessions: Slab<Session>,
    /// Slots of `sessions` by client id.
    by_client: HashTable<u32>,
    next_serial: u32,
    nobody: Arc<Identity>,
    filters: FilterTable,
    /// The members of the shared groups that this shard owns.
    members: Members,
    retained: RetainedStore,
    /// When [`Timer::RetainedExpiry`] is set for.
    retained_timer_ms: u64,
    timers: Timers,
    /// Work that was put off, to go on with when [`Input::DeadlineReached`] comes.
    work: WorkQueue,
    /// What this input may still do of such work.
    steps: Steps,
    /// Lists that are being made for operators, in turn.
    scans: VecDeque<Scan>,
    /// Connections with packets that wait for their turn, in order.
    held: VecDeque<ConnectionId>,
    /// What this input has looked at so far to match topics; nothing, most of the time.
    matched: usize,
    /// Whether retained messages have expired that are still in the store.
    is_expiring: bool,
    effects: VecDeque<Effect>,
    /// Letters for the other shards, by their number.
    outbox: Vec<Mail>,
    has_mail: bool,
    /// Emptied mail, to write the next into.
    spare_mail: Vec<Mail>,
    journal: Journal,
    kept: KeptMessages,
    keeping: Keeping,
    exchanges: Exchanges,
    leaving: Leaving,
    rivals: Rivals,
    fetches: Fetches,
    handings: Handings,
    next_session: u64,
    /// Counts what is retained.
    retained_version: u64,
    waiting_subscribes: Map<u64, WaitingSubscribe>,
    next_number: u64,
    stats: Stats,
    recorder: Recorder,
    scratch: Scratch,
    #[expect(
        clippy::vec_box,
        reason = "the boxes are what is kept: connections own their outputs"
    )]
    spare_outputs: Vec<Box<Output>>,
    sys: SysTree,
    report_budget: ReportBudget,
    is_stopping: bool,
}

/// Buffers that are kept from message to message.
#[derive(Debug, Default)]
struct Scratch {
    /// One template a variant: version below 5 or not, packet id or not; and one for copies that
    /// are like no other.
    templates: [PublishTemplate; 5],
    /// Which of the first four are made from the present message.
    is_made: [bool; 4],
    filters: Vec<FilterId>,
    targets: Vec<Target>,
    /// Subscription Identifiers of targets, each with the position of the next one.
    identifiers: Vec<(u32, u32)>,
    /// For each session slot: the message it was last seen for, and its target.
    marks: Vec<(u64, u32)>,
    mark: u64,
    properties: Vec<u8>,
    forwarded: Vec<u8>,
}

impl Shard {
    /// A shard without clients.
    pub fn new(config: ShardConfig, now: Now) -> Self {
        Self::with_notes(config, now, &StartNotes::default())
    }

    /// The same of a broker that has read a store. What it found there is in the flight recorder of the
    /// first shard. All shards of a broker begin at one time, so that their records agree to the millisecond.
    pub fn with_notes(config: ShardConfig, now: Now, notes: &StartNotes) -> Self {
        let hashing = Hashing::with_seed(config.seed);
        let sys_interval_ms = config.limits.sys_interval_ms;
        let mut recorder = Recorder::new(config.id, config.limits.recorder_bytes_max, hashing);
        recorder.keep_private(&config.limits.recorder_private_topics);
        recorder.set_clock(now);
        let mut stats = Stats::default();
        note_start(config.id, now, notes, &mut recorder, &mut stats);
        let mut timers = Timers::default();
        if sys_interval_ms > 0 {
            timers.set(now.mono_ms, Timer::Sys);
        }
        Self {
            id: config.id,
            shards: config.shards.clamp(1, 64),
            hashing,
            chance: Chance::new(config.seed ^ u64::from(config.id.0).rotate_left(48)),
            client_ids: ClientIds::new(config.id_secret, config.id),
            listeners: config.listeners,
            rule_hits: RuleHits::new(&config.access, now.unix_ms),
            access: config.access,
            bans: Arc::default(),
            now,
            connections: Vec::new(),
            sessions: Slab::new(),
            by_client: HashTable::new(),
            next_serial: 0,
            nobody: Arc::default(),
            filters: FilterTable::new(hashing, config.limits.match_cache_max),
            members: Members::new(hashing),
            retained: RetainedStore::default(),
            retained_timer_ms: u64::MAX,
            timers,
            work: WorkQueue::new(hashing),
            steps: Steps::new(0),
            scans: VecDeque::new(),
            held: VecDeque::new(),
            matched: 0,
            is_expiring: false,
            effects: VecDeque::new(),
            outbox: (0..config.shards).map(|_| Mail::default()).collect(),
            has_mail: false,
            spare_mail: Vec::new(),
            journal: Journal::new(config.is_durable),
            kept: KeptMessages::default(),
            keeping: Keeping::default(),
            exchanges: Exchanges::new(),
            leaving: Leaving::default(),
            rivals: Rivals::default(),
            fetches: Fetches::new(hashing),
            handings: Handings::new(hashing),
            next_session: 1,
            retained_version: 0,
            waiting_subscribes: Map::with_hasher(hashing),
            next_number: 0,
            stats,
            recorder,
            scratch: Scratch::default(),
            spare_outputs: Vec::new(),
            sys: SysTree::new(now),
            report_budget: ReportBudget::default(),
            is_stopping: false,
            limits: config.limits,
        }
    }

    /// Takes one input. Drain [`poll`](Self::poll) before waiting for the next; several inputs
    /// may be handed in before, their effects keep their order.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        // Letters may have brought a later time than the driver's.
        self.now = now.or_later(self.now);
        self.steps = Steps::new(self.limits.retained_steps_max);
        self.matched = 0;
        match input {
            Input::Received { conn, bytes } => self.on_received(conn, bytes),
            Input::Sent { conn, len } => self.on_sent(conn, len),
            Input::Mail { from, mail } => self.on_mail(from, mail),
            Input::Accepted { conn, peer } => self.on_accepted(conn, peer),
            Input::Refused {
                addr,
                client_id,
                outcome,
                detail,
            } => self.note_refused(client_id, addr, (outcome, detail, "")),
            Input::Adopted { conn, handover } => self.on_adopted(conn, *handover),
            Input::Closed { conn, cause } => self.on_closed(conn, cause),
            Input::Authenticated { conn, verdict } => self.on_authenticated(conn, verdict),
            Input::DeadlineReached => self.on_deadline(),
            Input::Store(event) => self.on_store(event),
            Input::Fetched(fetched) => self.on_fetched(fetched),
            Input::Command(command) => self.on_command(command),
            Input::Request { id, request } => self.on_request(id, request),
        }
        self.stats.queued_bytes_in_memory = self.kept.here_bytes();
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The letters for the next shard that there are any for, until `None`. Letters of several
    /// inputs may be taken together; to one shard they keep their order.
    pub fn poll_mail(&mut self) -> Option<(ShardId, Mail)> {
        if !self.has_mail {
            return None;
        }
        let waiting = self
            .outbox
            .iter_mut()
            .enumerate()
            .find(|(_, outbox)| !outbox.is_empty());
        let Some((to, outbox)) = waiting else {
            self.has_mail = false;
            return None;
        };
        let spare = self.spare_mail.pop().unwrap_or_default();
        let mut mail = std::mem::replace(outbox, spare);
        mail.sent = self.now;
        Some((ShardId(to as u16), mail))
    }

    /// What is to be kept on disk since the last call, if anything: one batch for the store. Take
    /// it once a tick, after the inputs; it is answered by [`Input::Store`], batches in order.
    pub fn poll_records(&mut self) -> Option<Records> {
        self.journal.take_batch()
    }

    /// Bytes that [`poll_records`](Self::poll_records) has.
    pub fn records_bytes(&self) -> usize {
        self.journal.batch_bytes()
    }

    /// Gives the memory of a batch back that the store needs no more, for a later one.
    pub fn reuse_records(&mut self, records: Records) {
        self.journal.reuse(records);
    }

    /// Bytes of the letters that [`poll_mail`](Self::poll_mail) has for the shard that gets most.
    pub fn mail_bytes(&self) -> usize {
        if !self.has_mail {
            return 0;
        }
        let bytes = self.outbox.iter().map(Mail::size_bytes);
        bytes.max().unwrap_or_default()
    }

    /// When [`Input::DeadlineReached`] is due, in `mono_ms`.
    ///
    /// The present time while there is work that was put off: each such input does a bounded part
    /// of it, so that other inputs can come in between.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.has_work() {
            return Some(self.now.mono_ms);
        }
        self.timers.next_ms()
    }

    /// What waits to be sent to a connection, if anything does.
    pub fn output(&self, conn: ConnectionId) -> Option<&Output> {
        self.connection(conn)?.output.as_deref()
    }

    /// How many bytes of a connection's output the driver has taken, from the first on.
    pub fn sent_bytes(&self, conn: ConnectionId) -> Option<u64> {
        Some(self.connection(conn)?.sent_bytes)
    }

    /// Whether a client has sent more than its CONNECT while its credentials are checked. Who has
    /// hung up since may go without the verdict only if it has not.
    pub fn has_input_behind_connect(&self, conn: ConnectionId) -> bool {
        self.connection(conn)
            .is_some_and(Connection::has_input_behind_connect)
    }

    /// Whether packets that a connection has sent wait: for their turn, because those before them
    /// took long to match, or for the store. Do not hand in its end meanwhile, and more bytes of it only
    /// if it [takes](Self::takes_input) them: the deadline, which is now, or the store goes on with them.
    pub fn holds_input(&self, conn: ConnectionId) -> bool {
        self.connection(conn).is_some_and(|connection| {
            let is_served = matches!(connection.state, State::Open | State::Authenticating);
            connection.is_input_held && is_served
        })
    }

    /// Whether more bytes of a connection may be handed in. Behind what waits for the store a bounded
    /// number may: acknowledgements among them make room there.
    pub fn takes_input(&self, conn: ConnectionId) -> bool {
        !self.holds_input(conn) || self.may_bring_more(conn)
    }

    /// The counters.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Copies that wait in sessions, counted one by one: what the books are checked against.
    /// Takes time in proportion to the sessions.
    pub fn pending_copies(&self) -> u64 {
        let sessions = self.sessions.iter();
        let pending: usize = sessions.map(|(_, session)| session.pending_copies()).sum();
        pending as u64 + self.handings.size().0
    }

    /// Deadlines that are set, over ones included: what their bound is checked against.
    pub fn pending_timers(&self) -> usize {
        self.timers.len()
    }

    fn on_deadline(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now.mono_ms) {
            match timer {
                Timer::Connect { index, generation } => {
                    self.on_connect_timeout(ConnectionId { index, generation });
                }
                Timer::KeepAlive { index, generation } => {
                    self.on_keep_alive(ConnectionId { index, generation });
                }
                Timer::SessionExpiry { slot, serial } => self.on_session_expiry(slot, serial),
                Timer::WillDelay { slot, serial } => self.on_will_delay(slot, serial),
                Timer::RetainedExpiry => self.on_retained_expiry(),
                Timer::Sys => self.on_sys(),
                Timer::Reports => self.begin_report_second(),
                Timer::SaveSettled => self.on_save_settled(),
                Timer::Takeover { index, generation } => {
                    self.on_takeover_due(ConnectionId { index, generation });
                }
            }
        }
        self.take_turn();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::SetAccess(access) => {
                self.note_broker(Outcome::BrokerSettings, "other access rules");
                self.on_set_access(access);
            }
            Command::UsersChanged { changes, access } => {
                self.note_broker(Outcome::BrokerSettings, "other users");
                self.on_users_changed(&changes, access);
            }
            Command::SetBans(bans) => self.on_set_bans(bans),
            Command::SetLimits(limits) => {
                let is_new_interval = self.limits.sys_interval_ms != limits.sys_interval_ms;
                self.limits = limits;
                self.recorder
                    .resize(self.now, self.limits.recorder_bytes_max, self.hashing);
                self.recorder
                    .keep_private(&self.limits.recorder_private_topics);
                self.note_broker(Outcome::BrokerSettings, "other limits");
                self.put_out();
                if is_new_interval {
                    self.schedule_sys(self.now.mono_ms);
                }
            }
            Command::SetListeners(listeners) => self.listeners = listeners,
            Command::Disconnect {
                client_id,
                end_session,
            } => {
                let _ = self.on_admin_disconnect(&client_id, end_session, "");
            }
            Command::Process {
                heap_bytes,
                heap_bytes_max,
                log_lines_lost,
                store,
            } => {
                self.sys
                    .set_process(heap_bytes, heap_bytes_max, log_lines_lost, store);
            }
            Command::Refused { outcome, count } => {
                self.stats.sockets_opened += count;
                self.stats.count_many(outcome, count);
            }
            Command::PublishWills => self.on_publish_wills(),
            Command::Shutdown => self.on_shutdown(),
        }
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.connections.get(id.index as usize)?.as_ref()?;
        (connection.generation == id.generation).then_some(connection)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.index as usize)?.as_mut()?;
        (connection.generation == id.generation).then_some(connection)
    }

    fn session(&self, slot: u32) -> Option<&Session> {
        self.sessions.get(slot as usize)
    }

    fn session_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.sessions.get_mut(slot as usize)
    }

    /// The connection of a session, if it is connected.
    fn connection_of(&self, slot: u32) -> Option<&Connection> {
        self.connection(self.session(slot)?.connection?)
    }

    /// The slot of a client's session.
    fn slot_of(&self, client_id: &str) -> Option<u32> {
        let hash = hash_of(&self.hashing, client_id);
        let is_it = |slot: &u32| {
            self.session(*slot)
                .is_some_and(|session| *session.client_id == *client_id)
        };
        self.by_client.find(hash, is_it).copied()
    }

    /// Sends a letter; to this shard itself at once.
    fn post(&mut self, to: ShardId, letter: Letter) {
        if to == self.id {
            return self.on_letter(to, letter);
        }
        if let Some(outbox) = self.outbox.get_mut(to.index()) {
            outbox.push(letter);
            self.has_mail = true;
        }
    }

    /// The other shards.
    fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.id;
        (0..self.shards)
            .map(ShardId)
            .filter(move |shard| *shard != me)
    }

    /// A number that is never used again on this shard.
    const fn new_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Decides and counts: what a client wants is asked here, once.
    fn judge(&mut self, slot: u32, action: Action, topic: &str) -> Decision {
        let decision = self.decide(slot, action, topic);
        self.count_decision(action, decision);
        decision
    }

    fn count_decision(&mut self, action: Action, decision: Decision) {
        self.stats.count_access_check(action, decision.is_allowed);
        self.rule_hits
            .count(action, decision.rule, self.now.unix_ms);
    }

    /// Decides without counting.
    fn decide(&self, slot: u32, action: Action, topic: &str) -> Decision {
        if self.access.allows_all() {
            return Decision {
                is_allowed: true,
                rule: None,
            };
        }
        let Some(session) = self.session(slot) else {
            return Decision {
                is_allowed: false,
                rule: None,
            };
        };
        let client = Client {
            client_id: &session.client_id,
            user: session.identity.user.as_deref(),
            groups: &session.identity.groups,
            addr: session.addr,
        };
        self.access.decide(&client, action, topic)
    }

    /// Names the rule behind a denial, for people.
    fn explain(&self, decision: Decision) -> String {
        match decision.rule {
            Some(rule) => format!("denied by {}", self.access.describe(rule)),
            None => "denied: no access rule allows it".to_owned(),
        }
    }
}

/// Each shard notes the start; what was found then is noted and counted once.
fn note_start(
    id: ShardId,
    now: Now,
    notes: &StartNotes,
    recorder: &mut Recorder,
    stats: &mut Stats,
) {
    let is_first = id == ShardId(0);
    let mut note = |outcome, detail: &str| {
        let facts = Facts {
            detail,
            ..Facts::default()
        };
        recorder.note_event(now, outcome, 0, &facts);
        stats.count_many(outcome, u64::from(is_first));
    };
    if !is_first {
        return note(Outcome::BrokerStarted, "");
    }
    note(Outcome::BrokerStarted, &notes.recovered);
    for damage in &notes.damage {
        note(Outcome::BrokerStoreDamaged, damage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Peer;
    use crate::id::ListenerId;
    use crate::limits::{Anonymous, Promise};

    const CONN: ConnectionId = ConnectionId {
        index: 0,
        generation: 0,
    };

    /// A shard with one connection that has sent nothing.
    fn with_connection() -> Shard {
        let listener = ListenerSettings {
            name: "test".to_owned(),
            anonymous: Anonymous::Always,
            connections_max: 0,
            packet_bytes_max: None,
            certificate_is_user: false,
            promise: Promise::Durable,
        };
        let config = ShardConfig {
            id: ShardId(0),
            shards: 1,
            seed: 1,
            id_secret: [1; 16],
            limits: Arc::new(Limits::default()),
            listeners: Arc::new([listener]),
            access: Arc::new(AccessRules::allow_all()),
            is_durable: false,
        };
        let mut shard = Shard::new(config, Now::default());
        let peer = Peer {
            addr: None,
            listener: ListenerId(0),
            certificate: None,
        };
        shard.handle(Now::default(), Input::Accepted { conn: CONN, peer });
        shard
    }

    /// Hands in a packet byte by byte; how often what is there of it was moved in memory.
    fn moves_of_a_trickle(shard: &mut Shard, packet: &[u8]) -> usize {
        let mut moves = 0;
        let mut place = std::ptr::null();
        for byte in packet {
            let bytes = std::slice::from_ref(byte);
            shard.handle(Now::default(), Input::Received { conn: CONN, bytes });
            while shard.poll().is_some() {}
            let partial = &shard.connection(CONN).unwrap().partial;
            moves += usize::from(partial.as_ptr() != place);
            place = partial.as_ptr();
        }
        assert!(shard.connection(CONN).unwrap().partial.is_empty());
        moves
    }

    /// Copying it for every byte would let a client keep a shard busy with a few thousand packets.
    #[test]
    fn a_packet_that_trickles_in_is_moved_only_when_its_buffer_grows() {
        let body = |fields: &[&[u8]]| {
            let rest = fields.concat();
            let len = rest.len();
            assert!((1 << 14..1 << 21).contains(&len));
            let len = [len & 0x7f | 0x80, len >> 7 & 0x7f | 0x80, len >> 14].map(|byte| byte as u8);
            [&len[..], &rest].concat()
        };
        let long = [b'x'; 30_000];
        let id_len = 30_000_u16.to_be_bytes();
        let connect = body(&[b"\0\x04MQTT\x04\x02\0\0", &id_len, &long]);
        let publish = body(&[b"\0\x01t", &long]);
        let mut shard = with_connection();
        for (first, rest) in [(0x10, connect), (0x30, publish)] {
            let packet = [&[first], &rest[..]].concat();
            let moves = moves_of_a_trickle(&mut shard, &packet);
            // From 8 bytes to 32 KiB by doubling, and the end.
            assert!(moves <= 16, "{first:#x}: {moves} moves");
        }
        assert_eq!(shard.stats.outcome(Outcome::PublishNoMatch), 1);
    }

    /// Most connections of a broker are idle: what they own decides how many fit into memory.
    #[test]
    fn an_idle_client_costs_little_memory() {
        let sizes = (size_of::<Option<Connection>>(), size_of::<Session>());
        assert!(
            sizes.0 <= 152 && sizes.1 <= 168,
            "connection and session: {sizes:?} bytes"
        );
    }
}
