//! A shard's thread: one readiness loop around one [`Shard`].
//!
//! A turn of the loop (a tick) takes what is ready: errands of other threads, letters of other
//! shards, timers, then each readable socket once into a buffer that belongs to the shard. What
//! the core wants done is done after each input. At the end of the tick letters are pushed, one
//! batch for each shard, and each connection with output gets one vectored write, so that many
//! small packets leave together.
//!
//! Sockets are registered once for both directions, edge triggered. A read that fills the buffer
//! puts its connection on the list of the next tick, behind the others.

mod checks;
mod closing;
mod connections;
mod effects;
mod logins;
mod reading;
mod report;
mod requests;
mod storing;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use columba_broker::event::{CloseCause, Command, ConnectionId, Handover, ListenerId, Now, Peer};
use columba_broker::mail::Mail;
use columba_broker::outcome::Outcome;
use columba_broker::query::Request;
use columba_broker::{Input, Shard};
use columba_diagnosis::KernelFacts;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::oneshot;

pub(crate) use checks::{Checked, Checks};
use connections::{Connection, Connections, Phase};
pub(crate) use requests::Reply;
use requests::Requests;
pub(crate) use storing::{Alarm, DiskState, Store, Storing};

use crate::bell::Bell;
use crate::listener::socket::Socket;
use crate::mailbox::{MailCount, Mailboxes};
use crate::runtime::Shared;
use crate::transport::Buffers;

/// What other threads want a shard's thread to do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Serve a new connection.
    Accepted {
        socket: Socket,
        listener: ListenerId,
        address: Option<SocketAddr>,
    },
    /// Note a connection that was not taken, and is counted.
    Refused {
        address: Option<SocketAddr>,
        outcome: Outcome,
        detail: &'static str,
    },
    /// Serve a connection that another shard handed over.
    Moved {
        connection: Box<Connection>,
        handover: Box<Handover>,
    },
    /// Credentials were checked.
    Verdict(Checked),
    /// For the core.
    Command(Command),
    /// Answer what an operator asks.
    Request { request: Box<Request>, reply: Reply },
    /// Tell what the kernel knows of the bytes that went to a connection, if it says anything.
    AskKernel {
        connection: ConnectionId,
        reply: oneshot::Sender<Option<KernelFacts>>,
    },
    /// Tell at the end of the tick how many batches of mail went through.
    CountMail(Sender<MailCount>),
    /// Drop this when what is to be kept by now is on the disk, or may never be.
    Settle(Sender<()>),
    /// End when all connections are closed, or after so many milliseconds.
    Stop { within_ms: u64 },
}

/// Reaches a shard's thread.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    errands: Sender<Errand>,
    bell: Arc<Bell>,
}

impl ShardHandle {
    pub(crate) fn new(errands: Sender<Errand>, bell: Arc<Bell>) -> Self {
        Self { errands, bell }
    }

    /// Leaves an errand and wakes the thread.
    pub(crate) fn send(&self, errand: Errand) {
        if self.send_quietly(errand) {
            self.wake();
        }
    }

    /// Leaves an errand; to be followed by a wake. `false` if the thread has ended.
    pub(crate) fn send_quietly(&self, errand: Errand) -> bool {
        self.errands.send(errand).is_ok()
    }

    /// Wakes the thread.
    pub(crate) fn wake(&self) {
        self.bell.ring();
    }
}

/// What a shard's thread is made with.
pub(crate) struct DriverParts {
    pub(crate) index: usize,
    pub(crate) core: Shard,
    pub(crate) poll: Poll,
    pub(crate) errands: Receiver<Errand>,
    pub(crate) shards: Arc<[ShardHandle]>,
    pub(crate) mail: Mailboxes<Mail>,
    pub(crate) checks: Checks,
    pub(crate) store: Option<Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) connect_timeout_ms: u64,
}

/// A shard's thread.
pub(crate) struct Driver {
    index: usize,
    core: Shard,
    poll: Poll,
    errands: Receiver<Errand>,
    shards: Arc<[ShardHandle]>,
    mail: Mailboxes<Mail>,
    checks: Checks,
    store: Option<Store>,
    shared: Arc<Shared>,
    now: Now,
    connections: Connections,
    /// Connections to read.
    ready: Vec<ConnectionId>,
    /// The other of two lists that take turns, so that neither is allocated again.
    ready_spare: Vec<ConnectionId>,
    /// Connections to write.
    dirty: Vec<ConnectionId>,
    dirty_spare: Vec<ConnectionId>,
    /// Connections whose peer is gone, to be closed at the end of the tick.
    ended: Vec<ConnectionId>,
    /// When greetings have to be done. All get the same time, so the queue is in order.
    greetings: VecDeque<(u64, ConnectionId)>,
    /// When connections that the broker closes are cut off; in order for the same reason.
    closings: VecDeque<(u64, ConnectionId)>,
    /// By shard: whether connections were handed over to it in this tick.
    moved_to: Vec<bool>,
    /// Answers that were there at once.
    verdicts: Vec<Checked>,
    /// Whoever wants to know the mail count at the end of the tick.
    mail_counters: Vec<Sender<MailCount>>,
    /// Whoever waits for the answer to a request.
    requests: Requests,
    connect_timeout_ms: u64,
    /// Where sockets are read into.
    input: Box<[u8]>,
    buffers: Buffers,
    /// Whether errands were left for the next tick.
    has_errands: bool,
    /// When to end at the latest.
    stop_at_ms: Option<u64>,
    /// Until when a stop waits for peers that have been told.
    linger_until_ms: u64,
}

impl Driver {
    pub(crate) fn new(parts: DriverParts) -> Self {
        Self {
            index: parts.index,
            core: parts.core,
            poll: parts.poll,
            errands: parts.errands,
            moved_to: vec![false; parts.shards.len()],
            shards: parts.shards,
            mail: parts.mail,
            checks: parts.checks,
            store: parts.store,
            now: parts.shared.now(),
            shared: parts.shared,
            connections: Connections::default(),
            ready: Vec::new(),
            ready_spare: Vec::new(),
            dirty: Vec::new(),
            dirty_spare: Vec::new(),
            ended: Vec::new(),
            greetings: VecDeque::new(),
            closings: VecDeque::new(),
            verdicts: Vec::new(),
            mail_counters: Vec::new(),
            requests: Requests::default(),
            connect_timeout_ms: parts.connect_timeout_ms,
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            buffers: Buffers::default(),
            has_errands: false,
            stop_at_ms: None,
            linger_until_ms: 0,
        }
    }

    /// Runs until [`Errand::Stop`] is done.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        // Whatever the core wants done before anything happens.
        self.drain();
        while !self.is_done() {
            let timeout = match self.timeout() {
                Some(Duration::ZERO) => Some(Duration::ZERO),
                timeout if self.mail.may_sleep() => timeout,
                _ => Some(Duration::ZERO),
            };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Cannot happen with a descriptor of our own; without events nothing else is left.
                tracing::error!(%error, shard = self.index, "cannot wait for events");
                std::thread::sleep(Duration::from_millis(100));
            }
            self.mail.wake_up();
            self.now = self.shared.now();
            self.note(&events);
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.do_errands();
        self.take_reports();
        self.take_mail();
        self.fire_timers();
        if self.may_read() {
            self.read_ready();
        }
        // The disk, too, works while this one writes.
        self.keep_records();
        // Letters go first: other shards work on them while this one writes.
        self.send_mail();
        self.wake_homes();
        self.write_dirty();
        self.close_ended();
        self.answer_verdicts();
        // Room in an output, or the end of a connection, may have called for letters as well.
        self.send_mail();
        self.wake_homes();
        self.keep_records();
        self.answer_settlers();
        let count = self.mail.count();
        for counter in self.mail_counters.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = counter.send(count);
        }
    }

    /// Whether there is room for what may come of reading.
    fn may_read(&self) -> bool {
        self.mail.room() > 0
    }

    /// How long the thread may sleep.
    fn timeout(&self) -> Option<Duration> {
        let has_room = self.mail.room() > 0;
        // Those whose input waits in the core, for a full disk perhaps, are no work: whatever the core
        // waits for wakes the thread, or has a deadline.
        let may_end = |id: &ConnectionId| !self.core.holds_input(*id);
        let may_go_on = |id: &ConnectionId| self.core.takes_input(*id);
        let has_ended = self.ended.iter().any(may_end);
        let has_work = has_ended || !self.dirty.is_empty() || self.has_errands;
        if has_work || (self.may_read() && self.ready.iter().any(may_go_on)) {
            return Some(Duration::ZERO);
        }
        let mut next = self.core.next_deadline().filter(|_| has_room);
        let others = [
            self.greetings.front().map(|(at, _)| *at),
            self.closings.front().map(|(at, _)| *at),
            self.stop_at_ms,
            self.store
                .as_ref()
                .and_then(|store| store.retry_at_ms(self.now.mono_ms)),
            // The thread that empties a ring does not know that somebody waits for it.
            (!has_room || self.mail.count().has_waiting).then_some(self.now.mono_ms + 1),
            // The stop is over as soon as peers have closed, but no later than this.
            self.stop_at_ms.map(|_| self.now.mono_ms + STOP_STEP_MS),
        ];
        for at in others.into_iter().flatten() {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next.map(|at| Duration::from_millis(at.saturating_sub(self.shared.now().mono_ms)))
    }

    /// Puts connections with events on their lists.
    fn note(&mut self, events: &Events) {
        for event in events {
            let Some((id, connection)) = self.connections.at(event.token().0) else {
                continue;
            };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                connection.has_hung_up |= event.is_read_closed() || event.is_error();
                mark(&mut connection.is_ready, &mut self.ready, id);
            }
            if event.is_writable() && connection.is_blocked {
                connection.is_blocked = false;
                mark(&mut connection.is_dirty, &mut self.dirty, id);
            }
        }
    }

    fn do_errands(&mut self) {
        self.has_errands = true;
        for _ in 0..ERRANDS {
            let Ok(errand) = self.errands.try_recv() else {
                self.has_errands = false;
                return;
            };
            match errand {
                Errand::Accepted {
                    socket,
                    listener,
                    address,
                } => {
                    self.welcome(socket, listener, address);
                }
                Errand::Refused {
                    address: addr,
                    outcome,
                    detail,
                } => {
                    self.shared.end_telling();
                    let refused = Input::Refused {
                        addr,
                        client_id: None,
                        outcome,
                        detail,
                    };
                    self.core.handle(self.now, refused);
                }
                Errand::Moved {
                    connection,
                    handover,
                } => self.adopt(*connection, handover),
                Errand::Verdict(checked) => self.pass_verdict(checked),
                Errand::Command(command) => self.obey(command),
                Errand::Request { request, reply } => self.request(*request, reply),
                Errand::AskKernel { connection, reply } => {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(self.kernel_facts(connection));
                }
                Errand::CountMail(counter) => self.mail_counters.push(counter),
                Errand::Settle(settled) => self.settle(settled),
                Errand::Stop { within_ms } => self.stop(within_ms),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        if let Command::SetLimits(limits) = &command {
            // Those that wait already keep their time, so the queue may be out of order for once;
            // nobody waits longer than the longer of the two times.
            self.connect_timeout_ms = limits.connect_timeout_ms;
        }
        self.core.handle(self.now, Input::Command(command));
        self.drain();
    }

    fn send_mail(&mut self) {
        while let Some((to, mail)) = self.core.poll_mail() {
            self.mail.collect(to, mail);
        }
        self.mail.push();
    }

    /// Sends letters in the middle of a tick, if there are many: the others begin with them now,
    /// while they are warm, in memory that is used again.
    fn send_mail_part(&mut self) -> bool {
        let is_due = self.core.mail_bytes() >= MAIL_PART_BYTES;
        if is_due {
            self.send_mail();
        }
        is_due
    }

    fn take_mail(&mut self) {
        for ring in 0..self.mail.rings() {
            // What comes in meanwhile waits for the next tick, which comes before any sleep.
            for _ in 0..MAIL_BATCHES {
                let Some((from, mail)) = self.mail.take(ring) else {
                    break;
                };
                self.core.handle(self.now, Input::Mail { from, mail });
                self.drain();
                self.keep_many_records();
                self.send_mail_part();
            }
        }
    }

    fn fire_timers(&mut self) {
        let is_due = |at| at <= self.now.mono_ms;
        // Work that was put off makes letters, so it waits for room as reading does.
        if self.core.next_deadline().is_some_and(is_due) && self.mail.room() > 0 {
            self.core.handle(self.now, Input::DeadlineReached);
            self.drain();
        }
        while let Some(&(at, id)) = self.greetings.front()
            && at <= self.now.mono_ms
        {
            self.greetings.pop_front();
            if self.is_greeting(id) {
                let why = "no CONNECT, or no end of the TLS or WebSocket handshake, in time";
                self.refuse(id, None, Outcome::ConnectTimeout, why);
                self.close(id, CloseCause::Broker);
            }
        }
        while let Some(&(at, id)) = self.closings.front()
            && at <= self.now.mono_ms
        {
            self.closings.pop_front();
            self.close(id, CloseCause::Broker);
        }
    }

    fn is_greeting(&mut self, id: ConnectionId) -> bool {
        self.connections
            .find(id)
            .is_some_and(|connection| connection.phase == Phase::Greeting)
    }

    fn welcome(&mut self, socket: Socket, listener: ListenerId, addr: Option<SocketAddr>) {
        let peer = Box::new(Peer {
            addr,
            listener,
            certificate: None,
        });
        let layers = match self.shared.listener(listener).layers() {
            Ok(layers) => layers,
            Err(error) => {
                tracing::error!(%error, "cannot begin a TLS session");
                self.shared.listener(listener).leave();
                return;
            }
        };
        let connection = Connection {
            socket,
            layers,
            pending: Some(peer),
            listener,
            phase: Phase::Greeting,
            is_ready: false,
            is_dirty: false,
            is_blocked: false,
            has_hung_up: false,
            is_checked: false,
            ending: None,
        };
        if let Some(id) = self.register(connection) {
            self.greetings
                .push_back((self.now.mono_ms + self.connect_timeout_ms, id));
        }
    }

    fn adopt(&mut self, mut connection: Connection, handover: Box<Handover>) {
        connection.is_ready = false;
        connection.is_dirty = false;
        let ending = connection.ending;
        let Some(conn) = self.register(connection) else {
            return;
        };
        self.core
            .handle(self.now, Input::Adopted { conn, handover });
        self.drain();
        if let Some(cause) = ending
            && !self.waits_for_verdict(conn)
        {
            self.end(conn, cause);
        }
    }

    /// Gives a connection a place and watches its socket. What is readable already is told by the
    /// first event.
    fn register(&mut self, connection: Connection) -> Option<ConnectionId> {
        let id = self.connections.insert(connection);
        let connection = self.connections.find(id)?;
        let token = Token(id.index as usize);
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut connection.socket, token, both)
        {
            tracing::error!(%error, "cannot watch a socket");
            let listener = connection.listener;
            self.connections.remove(id);
            self.shared.listener(listener).leave();
            return None;
        }
        Some(id)
    }
}

/// Puts a connection on a list, once.
fn mark(is_on: &mut bool, list: &mut Vec<ConnectionId>, id: ConnectionId) {
    if !*is_on {
        *is_on = true;
        list.push(id);
    }
}

/// The token of a shard's waker; no connection has this index.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// What one read takes at most.
const INPUT_BYTES: usize = 64 * 1024;
/// Events taken in one tick.
const EVENTS: usize = 1024;
/// Errands done in one tick.
const ERRANDS: usize = 1024;
/// What goes to a shard in the middle of a tick.
const MAIL_PART_BYTES: usize = 64 * 1024;
/// Batches of mail taken in one tick from one shard.
const MAIL_BATCHES: usize = 64;
/// How often a stopping thread looks whether it is done.
const STOP_STEP_MS: u64 = 20;
