//! Threads and the orders to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::Waker;

use super::{Progress, Watch};
use crate::clock::{SECOND_NS, clock_number, now_ns};
use crate::fleet::{ClientSpec, Fleet};
use crate::payload::Payload;
use crate::plan::{Kind, Plan};
use crate::process::Watched;
use crate::stage::{Board, Command, Connecting, Gauges, Reply, Setting, Stage, Who};
use crate::tally::{Tally, Times};
use crate::trouble::Trouble;
use crate::worker::{Part, Worker, readiness_loop};

/// How often the leader looks at the gauges.
const LOOK: Duration = Duration::from_millis(5);
const PROGRESS_NS: u64 = SECOND_NS;
/// After clients failed, a stage ends when nothing has moved for this long.
const BROKEN_NS: u64 = SECOND_NS;
/// How long a broker may take to close connections at the end.
const GOODBYE: Duration = Duration::from_secs(1);
/// Troubles that are kept in words; all are counted.
const TROUBLES_MAX: usize = 10;

/// Deliveries that a stage waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Those that the messages of the stage call for.
    Owed,
    /// So many, by QoS.
    Deliveries([u64; 3]),
    /// Nobody knows; so many are enough.
    Open(u64),
}

/// Where things stood when a stage began.
pub(super) struct Before {
    name: &'static str,
    start_ns: u64,
    broker_cpu_ns: Option<u64>,
    broker_rss_bytes: Option<u64>,
}

/// A stage that is over.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) tally: Tally,
    /// Clients that were connected at the end.
    pub(super) connected: u64,
    /// Deliveries that the stage called for, by QoS.
    pub(super) expected: [u64; 3],
    /// Gaps that a listener has seen.
    pub(super) missing: u64,
    pub(super) unanswered: u64,
    pub(super) broker_cpu_ns: Option<u64>,
    pub(super) broker_rss_bytes_before: Option<u64>,
    pub(super) broker_rss_bytes_after: Option<u64>,
    pub(super) broker_rss_bytes_peak: Option<u64>,
}

/// Leads the threads.
pub(super) struct Leader<'a> {
    pub(super) plan: &'a Plan,
    pub(super) address: SocketAddr,
    pub(super) run: u32,
    pub(super) connections: usize,
    pub(super) publishers: u32,
    /// Clients that fail are counted and do not end the run.
    pub(super) forgives_clients: bool,
    pub(super) troubles: Vec<Trouble>,
    pub(super) failed_clients: u64,
    pub(super) is_stopped: bool,
    pub(super) is_stalled: bool,
    /// How often a closed loop at QoS 0 was stuck on messages that never came.
    pub(super) write_offs: u64,
    process: Option<Watched>,
    board: Arc<Board>,
    commands: Vec<Sender<Command>>,
    wakers: Arc<Vec<Waker>>,
    replies: Receiver<Reply>,
    threads: Vec<JoinHandle<()>>,
    watch: &'a mut dyn Watch,
    wants_progress: bool,
    expected: Expected,
    stage: &'static str,
    stage_start_ns: u64,
    recent: Times,
    last_progress: (u64, u64),
}

impl<'a> Leader<'a> {
    /// Starts the threads, with the clients dealt out to them.
    pub(super) fn new(
        plan: &'a Plan,
        fleet: Fleet,
        address: SocketAddr,
        run: u32,
        watch: &'a mut dyn Watch,
    ) -> Result<Self, Trouble> {
        let process = plan.broker_process.map(|pid| {
            let watched = Watched::new(pid);
            watched.map_err(|e| Trouble::system(format!("cannot watch process {pid}"), e))
        });
        let process = process.transpose()?;
        let setting = Arc::new(setting(plan, address, run));
        let (connections, publishers) = (fleet.clients.len(), fleet.publishers);
        let parts = deal(fleet.clients, plan.threads);
        let board = Arc::new(board(&parts, publishers, fleet.publisher_of));
        let mut loops = Vec::new();
        let mut wakers = Vec::new();
        for _ in 0..plan.threads {
            let made = readiness_loop();
            let (poll, waker) =
                made.map_err(|e| Trouble::system("cannot make a readiness loop", e))?;
            loops.push(poll);
            wakers.push(waker);
        }
        let wakers = Arc::new(wakers);
        let (reply_to, replies) = channel();
        let mut commands = Vec::new();
        let mut threads = Vec::new();
        for (thread, (clients, poll)) in parts.into_iter().zip(loops).enumerate() {
            let (command_to, commands_in) = channel();
            let part = Part {
                thread,
                setting: Arc::clone(&setting),
                board: Arc::clone(&board),
                clients,
                wakers: Arc::clone(&wakers),
                poll,
                commands: commands_in,
                replies: reply_to.clone(),
            };
            commands.push(command_to);
            threads.push(spawn(part)?);
        }
        let wants_progress = watch.wants_progress();
        Ok(Self {
            plan,
            address,
            run,
            connections,
            publishers,
            forgives_clients: false,
            troubles: Vec::new(),
            failed_clients: 0,
            is_stopped: false,
            is_stalled: false,
            write_offs: 0,
            process,
            board,
            commands,
            wakers,
            replies,
            threads,
            watch,
            wants_progress,
            expected: Expected::Owed,
            stage: "starting",
            stage_start_ns: now_ns(),
            recent: Times::default(),
            last_progress: (now_ns(), 0),
        })
    }

    fn order(&self, command: impl Fn() -> Command) {
        for (commands, waker) in self.commands.iter().zip(self.wakers.iter()) {
            // A thread that is gone has said why.
            drop(commands.send(command()));
            drop(waker.wake());
        }
    }

    pub(super) fn connect(&mut self, order: Connecting) -> Result<(), Trouble> {
        self.order(|| Command::Connect(order));
        self.wait_until_done("connecting")
    }

    pub(super) fn subscribe(&mut self, who: Who) -> Result<(), Trouble> {
        self.order(|| Command::Subscribe(who));
        self.wait_until_done("subscribing")
    }

    pub(super) fn disconnect(&mut self, who: Who) -> Result<(), Trouble> {
        self.order(|| Command::Disconnect(who));
        self.wait_until_done("disconnecting")
    }

    /// Disconnects at the end of a run, when nothing depends on it any more.
    pub(super) fn leave(&mut self, who: Who) {
        self.order(|| Command::Disconnect(who));
        let end_ns = now_ns() + GOODBYE.as_nanos() as u64;
        let mut done = 0;
        while done < self.threads.len() && now_ns() < end_ns {
            match self.replies.recv_timeout(LOOK) {
                Ok(Reply::Done) => done += 1,
                Ok(Reply::Recent(_) | Reply::Ended(..) | Reply::Failed(_)) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits until every thread has done what it was told, as long as there is progress.
    fn wait_until_done(&mut self, doing: &'static str) -> Result<(), Trouble> {
        let mut done = 0;
        let mut last = (now_ns(), self.movement());
        while done < self.threads.len() {
            match self.replies.recv_timeout(LOOK) {
                Ok(Reply::Done) => done += 1,
                Ok(reply) => self.on_reply(reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.no_threads()),
            }
            if !self.forgives_clients && !self.troubles.is_empty() {
                return Err(self.troubles.remove(0));
            }
            if self.watch.is_stopped() {
                return Err(Trouble::Stopped);
            }
            let now = now_ns();
            let moved = self.movement();
            if moved != last.1 {
                last = (now, moved);
            } else if now - last.0 > self.stall_ns() {
                let connected = self.board.sum(|g| &g.connected);
                return Err(Trouble::Silent {
                    address: self.address,
                    secs: (now - last.0) as f64 / 1e9,
                    waited_for: format!(
                        "{doing}: {connected} of {} clients are connected",
                        self.connections
                    ),
                });
            }
        }
        Ok(())
    }

    fn no_threads(&self) -> Trouble {
        Trouble::system(
            "the threads are gone",
            io::Error::from(io::ErrorKind::Other),
        )
    }

    fn stall_ns(&self) -> u64 {
        self.plan.stall_timeout.as_nanos() as u64
    }

    /// Changes whenever anything comes from the broker, or goes out.
    fn movement(&self) -> u64 {
        let sums = [
            self.board.sum(|g| &g.control),
            self.board.sum(|g| &g.sent),
            self.board.sum(|g| &g.received),
            self.board.sum(|g| &g.acknowledged),
            self.failed_clients,
        ];
        sums.iter()
            .fold(0, |sum: u64, value| sum.wrapping_add(*value))
    }

    fn on_reply(&mut self, reply: Reply) {
        match reply {
            Reply::Failed(trouble) => {
                self.failed_clients += 1;
                if self.troubles.len() < TROUBLES_MAX {
                    self.troubles.push(trouble);
                }
            }
            Reply::Recent(times) => self.recent.add(&times),
            // Of a stage or an order that is over.
            Reply::Done | Reply::Ended(..) => {}
        }
    }

    /// Has every thread begin a stage.
    pub(super) fn begin(&mut self, name: &'static str, stage: Stage) -> Result<Before, Trouble> {
        if let Some(process) = self.process {
            process.forget_peak();
        }
        self.stage = name;
        self.stage_start_ns = stage.start_ns;
        self.last_progress = (stage.start_ns, 0);
        self.expected = Expected::Owed;
        let mut before = Before {
            name,
            start_ns: stage.start_ns,
            broker_cpu_ns: self.process.and_then(|p| p.cpu_ns().ok()),
            broker_rss_bytes: self.process.and_then(|p| p.resident_bytes().ok()),
        };
        self.order(|| Command::Begin(stage));
        self.wait_until_done(name)?;
        if stage.publishing.is_some() {
            before.start_ns = now_ns();
            self.stage_start_ns = before.start_ns;
            self.order(|| Command::Publish(before.start_ns));
        }
        Ok(before)
    }

    /// Waits until a stage is over: everything has come, or nothing comes any more.
    pub(super) fn follow(&mut self, expected: Expected, ends: Option<Duration>) {
        self.expected = expected;
        let ends_ns = ends.map(|time| self.stage_start_ns + time.as_nanos() as u64);
        let mut has_stopped = false;
        let mut last = (now_ns(), self.movement());
        loop {
            self.take_replies(LOOK);
            let now = now_ns();
            let is_due = ends_ns.is_some_and(|ends| now >= ends);
            self.is_stopped |= self.watch.is_stopped();
            if !has_stopped && (is_due || self.is_stopped) {
                has_stopped = true;
                self.order(|| Command::Stop);
            }
            let moved = self.movement();
            if moved != last.1 {
                last = (now, moved);
            }
            self.show_progress(now, ends_ns);
            if self.is_over(has_stopped, now - last.0) {
                return;
            }
            if self.write_off_if_stuck(now - last.0) {
                last.0 = now;
            }
        }
    }

    fn take_replies(&mut self, patience: Duration) {
        if let Ok(reply) = self.replies.recv_timeout(patience) {
            self.on_reply(reply);
        }
        while let Ok(reply) = self.replies.try_recv() {
            self.on_reply(reply);
        }
    }

    /// Whether a stage is over, when nothing has moved for `still_ns`.
    fn is_over(&mut self, has_stopped: bool, still_ns: u64) -> bool {
        // What is left to send is looked at first: the other gauges are at least as new.
        let remaining = self.board.sum(|g| &g.remaining);
        let unanswered = self.board.sum(|g| &g.unanswered);
        let unique = self.board.sum(|g| &g.unique);
        let (expected, expected_surely) = match self.expected {
            Expected::Owed => (
                self.board.sum(|g| &g.owed),
                self.board.sum(|g| &g.owed_surely),
            ),
            Expected::Deliveries(by_qos) => (by_qos.iter().sum(), by_qos[1] + by_qos[2]),
            Expected::Open(messages) => {
                let received = self.board.sum(|g| &g.received);
                let is_dead = self.failed_clients as usize >= self.connections;
                if messages != u64::MAX && received < messages && still_ns > self.stall_ns() {
                    let missing = messages - received;
                    self.stall(
                        still_ns,
                        format!("{missing} of {messages} messages were missing"),
                    );
                    return true;
                }
                return has_stopped || is_dead || received >= messages;
            }
        };
        let is_sent = remaining == 0 && unanswered == 0;
        if is_sent && unique >= expected {
            return true;
        }
        if self.failed_clients > 0 && still_ns > BROKEN_NS {
            return true;
        }
        let unique_surely = self.board.sum(|g| &g.unique_surely);
        let quiet_ns = self.plan.quiet.as_nanos() as u64;
        if is_sent && unique_surely >= expected_surely && still_ns > quiet_ns {
            // All that is missing may be lost.
            return true;
        }
        if still_ns > self.stall_ns() {
            let missing = expected.saturating_sub(unique);
            self.stall(
                still_ns,
                format!("{missing} deliveries and {unanswered} acknowledgements were missing"),
            );
            return true;
        }
        false
    }

    fn stall(&mut self, still_ns: u64, waited_for: String) {
        self.is_stalled = true;
        self.troubles.push(Trouble::Silent {
            address: self.address,
            secs: still_ns as f64 / 1e9,
            waited_for,
        });
    }

    /// A closed loop whose window is full of messages that may be lost goes on without them.
    fn write_off_if_stuck(&mut self, still_ns: u64) -> bool {
        let is_closed_loop = self.plan.messages_per_sec.is_none();
        let is_owed = matches!(self.expected, Expected::Owed);
        let surely_missing =
            self.board.sum(|g| &g.owed_surely) > self.board.sum(|g| &g.unique_surely);
        if !is_closed_loop
            || !is_owed
            || surely_missing
            || still_ns <= self.plan.quiet.as_nanos() as u64
            || self.board.sum(|g| &g.unanswered) > 0
        {
            return false;
        }
        self.write_offs += 1;
        self.order(|| Command::WriteOff);
        true
    }

    fn show_progress(&mut self, now: u64, ends_ns: Option<u64>) {
        let (last_ns, last_items) = self.last_progress;
        if !self.wants_progress || now - last_ns < PROGRESS_NS {
            return;
        }
        let sent = self.board.sum(|g| &g.sent);
        let received = self.board.sum(|g| &g.unique);
        let items = if self.plan.kind == Kind::Pub || self.stage == "storing" {
            sent
        } else {
            received
        };
        let recent = std::mem::take(&mut self.recent);
        let recent = recent.histogram();
        let remaining = self.board.sum(|g| &g.remaining);
        let elapsed_ns = now - self.stage_start_ns;
        let done = match (ends_ns, self.expected) {
            (Some(ends), _) => Some(elapsed_ns as f64 / (ends - self.stage_start_ns).max(1) as f64),
            (None, Expected::Deliveries(by_qos)) if by_qos != [0; 3] => {
                Some(received as f64 / by_qos.iter().sum::<u64>() as f64)
            }
            (None, Expected::Open(_)) => None,
            (None, _) if remaining > u64::MAX / 4 => None,
            (None, _) => Some(sent as f64 / (sent + remaining).max(1) as f64),
        };
        self.watch.on_progress(&Progress {
            stage: self.stage,
            elapsed: Duration::from_nanos(elapsed_ns),
            sent,
            received,
            per_sec: items.saturating_sub(last_items) as f64 * 1e9 / (now - last_ns) as f64,
            p99_us: (!recent.is_empty()).then(|| recent.value_at_quantile(0.99) as f64 / 1000.0),
            done: done.map(|done| done.clamp(0.0, 1.0)),
        });
        self.last_progress = (now, items);
        self.order(|| Command::Recent);
    }

    /// Leaves everything as it is for a while.
    pub(super) fn hold(&mut self, time: Duration) {
        let ends_ns = now_ns() + time.as_nanos() as u64;
        while now_ns() < ends_ns && !self.watch.is_stopped() {
            self.take_replies(LOOK);
        }
    }

    /// Ends a stage and takes the counts.
    pub(super) fn end(&mut self, before: Before) -> Result<Measured, Trouble> {
        let broker_cpu_ns = self.process.and_then(|p| p.cpu_ns().ok());
        let broker_rss = self.process.and_then(|p| p.resident_bytes().ok());
        let broker_peak = self.process.and_then(|p| p.peak_bytes().ok());
        let unanswered = self.board.sum(|g| &g.unanswered);
        let connected = self.board.sum(|g| &g.connected);
        let end_ns = now_ns();
        self.order(|| Command::End);
        let mut tally = Tally::default();
        let mut missing = 0;
        let mut ended = 0;
        while ended < self.threads.len() {
            match self.replies.recv() {
                Ok(Reply::Ended(part, missed)) => {
                    tally.add(&part);
                    missing += missed;
                    ended += 1;
                }
                Ok(reply) => self.on_reply(reply),
                Err(_) => return Err(self.no_threads()),
            }
        }
        let expected = match self.expected {
            Expected::Owed => tally.owed,
            Expected::Deliveries(by_qos) => by_qos,
            Expected::Open(_) => tally.unique,
        };
        Ok(Measured {
            name: before.name,
            start_ns: before.start_ns,
            end_ns,
            tally,
            connected,
            expected,
            missing,
            unanswered,
            broker_cpu_ns: broker_cpu_ns
                .zip(before.broker_cpu_ns)
                .map(|(after, before)| after.saturating_sub(before)),
            broker_rss_bytes_before: before.broker_rss_bytes,
            broker_rss_bytes_after: broker_rss,
            broker_rss_bytes_peak: broker_peak,
        })
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.order(|| Command::Quit);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

const BUFFER_BYTES: usize = 256 << 10;
/// What a packet may have around its payload.
const AROUND_BYTES: usize = 64 << 10;

/// Of sessions that have to outlive their connection where the plan says nothing.
const OFFLINE_EXPIRY_SECS: u32 = 3600;

fn setting(plan: &Plan, address: SocketAddr, run: u32) -> Setting {
    let clock = clock_number();
    let buffer_bytes = BUFFER_BYTES.max(plan.payload_bytes * 2 + AROUND_BYTES);
    Setting {
        address,
        version: plan.version,
        password: plan.credentials.password.clone(),
        keep_alive_secs: plan.keep_alive_secs,
        session_expiry_secs: match plan.session_expiry_secs {
            0 => OFFLINE_EXPIRY_SECS,
            secs => secs,
        },
        window: plan.window,
        retain: plan.retain || plan.kind == Kind::Retained,
        payload: Payload::new(clock, run, plan.payload_bytes),
        clock,
        run,
        is_verified: plan.is_verified,
        connecting_max: plan.connecting_max as usize,
        packet_bytes_max: u32::try_from(buffer_bytes).unwrap_or(u32::MAX),
    }
}

/// Clients with their numbers, a list for each thread. A pair stays together where it can, for a
/// message then wakes one thread only.
fn deal(clients: Vec<ClientSpec>, threads: usize) -> Vec<Vec<(usize, ClientSpec)>> {
    let mut parts: Vec<_> = (0..threads).map(|_| Vec::new()).collect();
    let (mut publishers, mut others) = (0, 0);
    for (number, client) in clients.into_iter().enumerate() {
        let turn = if client.publisher.is_some() {
            &mut publishers
        } else {
            &mut others
        };
        parts[*turn % threads].push((number, client));
        *turn += 1;
    }
    parts
}

fn board(parts: &[Vec<(usize, ClientSpec)>], publishers: u32, publisher_of: Vec<u32>) -> Board {
    let mut thread_of = vec![0; publishers as usize];
    for (thread, part) in parts.iter().enumerate() {
        let numbers = part.iter().filter_map(|(_, c)| c.publisher.as_ref());
        for publisher in numbers {
            thread_of[publisher.number as usize] = thread;
        }
    }
    Board {
        gauges: parts.iter().map(|_| Gauges::default()).collect(),
        delivered: (0..publishers).map(|_| AtomicU64::new(0)).collect(),
        publisher_of,
        thread_of,
    }
}

fn spawn(part: Part) -> Result<JoinHandle<()>, Trouble> {
    let name = format!("bench-{}", part.thread);
    let worker = Worker::new(part)?;
    let spawned = std::thread::Builder::new()
        .name(name)
        .spawn(move || worker.run());
    spawned.map_err(|error| Trouble::system("cannot start a thread", error))
}
