//! One thread of the load: its clients, its readiness loop and its counts.

mod connecting;
mod publishing;
mod receiving;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use columba_codec::EncodeError;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

use crate::clock::{Alarm, SECOND_NS, now_ns, thread_cpu_ns};
use crate::connection::Connection;
use crate::fleet::ClientSpec;
use crate::publisher::Publisher;
use crate::schedule::Walk;
use crate::stage::{Board, Command, Connecting, Gauges, Replies, Reply, Setting, Stage, Who};
use crate::subscriber::Subscriber;
use crate::tally::{Tally, Times};
use crate::trouble::Trouble;

const WAKE: Token = Token(usize::MAX - 1);
const ALARM: Token = Token(usize::MAX - 2);
const EVENTS: usize = 1024;
/// The loop looks at keep alives at least this often.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not connected, and nothing wrong with that.
    Away,
    /// The socket is on its way.
    Connecting,
    /// CONNECT was sent.
    Greeting,
    Connected,
    /// DISCONNECT was sent.
    Leaving,
    /// Something went wrong.
    Failed,
}

#[derive(Debug)]
struct Client {
    spec: ClientSpec,
    standing: Standing,
    connection: Option<Connection>,
    publisher: Option<Publisher>,
    subscriber: Option<Subscriber>,
    /// When its connection was due.
    connect_due_ns: u64,
    /// What its CONNECT asks for.
    clean_start: bool,
    is_persistent: bool,
    /// SUBSCRIBE packets without an answer.
    subscribes: u32,
}

/// What a thread is asked to do with some of its clients, until all of them have.
#[derive(Debug)]
enum Job {
    Connect {
        order: Connecting,
        /// Clients that have not started yet: places, first last.
        waiting: Vec<usize>,
        /// Clients on their way.
        under_way: usize,
    },
    Subscribe {
        under_way: usize,
    },
    Disconnect {
        under_way: usize,
    },
}

/// A part of the clients.
pub(crate) struct Part {
    /// The number of the thread.
    pub(crate) thread: usize,
    pub(crate) setting: Arc<Setting>,
    pub(crate) board: Arc<Board>,
    /// With their numbers in the fleet.
    pub(crate) clients: Vec<(usize, ClientSpec)>,
    pub(crate) wakers: Arc<Vec<Waker>>,
    pub(crate) poll: Poll,
    pub(crate) commands: Receiver<Command>,
    pub(crate) replies: Replies,
}

/// A new readiness loop with its waker.
pub(crate) fn readiness_loop() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKE)?;
    Ok((poll, waker))
}

pub(crate) struct Worker {
    thread: usize,
    setting: Arc<Setting>,
    board: Arc<Board>,
    wakers: Arc<Vec<Waker>>,
    poll: Poll,
    alarm: Alarm,
    commands: Receiver<Command>,
    replies: Replies,
    clients: Vec<Client>,
    /// Places of those clients that publish, in order of their numbers.
    publishers: Vec<usize>,
    /// The number of each client in the fleet.
    numbers: Vec<usize>,
    job: Option<Job>,
    stage: Stage,
    is_staged: bool,
    /// Between [`Command::Publish`] and the end of the stage.
    is_publishing: bool,
    walk: Option<Walk>,
    /// Places of publishers that may have something to send.
    listed: Vec<usize>,
    /// Arrivals that are not on the board yet, by publisher.
    fresh: Vec<u64>,
    fresh_publishers: Vec<u32>,
    buffer: Vec<u8>,
    tally: Tally,
    recent: Option<Times>,
    remaining: u64,
    unanswered: u64,
    connected: u64,
    control: u64,
    cpu_before_ns: u64,
    next_look_ns: u64,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Turn {
    Next,
    Last,
}

impl Worker {
    /// A thread with its clients, none of them connected.
    ///
    /// # Errors
    /// A topic that no packet carries, or the system's refusal of a timer.
    pub(crate) fn new(part: Part) -> Result<Self, Trouble> {
        let system = |error| Trouble::system("cannot make a timer", error);
        let alarm = Alarm::new(part.poll.registry(), ALARM).map_err(system)?;
        let mut clients = Vec::with_capacity(part.clients.len());
        let mut numbers = Vec::with_capacity(part.clients.len());
        for (number, spec) in part.clients {
            let client = Client::new(spec, &part.setting)
                .map_err(|error| Trouble::system("cannot encode", io::Error::other(error)))?;
            clients.push(client);
            numbers.push(number);
        }
        let publishers = clients.iter().enumerate();
        let publishers = publishers.filter(|(_, client)| client.publisher.is_some());
        Ok(Self {
            thread: part.thread,
            publishers: publishers.map(|(place, _)| place).collect(),
            numbers,
            clients,
            alarm,
            fresh: vec![0; part.board.delivered.len()],
            buffer: vec![0; part.setting.packet_bytes_max as usize],
            setting: part.setting,
            board: part.board,
            wakers: part.wakers,
            poll: part.poll,
            commands: part.commands,
            replies: part.replies,
            job: None,
            stage: Stage {
                start_ns: 0,
                valid_from_ns: u64::MAX,
                time_from: crate::stage::TimeFrom::Due,
                publishing: None,
            },
            is_staged: false,
            is_publishing: false,
            walk: None,
            listed: Vec::new(),
            fresh_publishers: Vec::new(),
            tally: Tally::default(),
            recent: None,
            remaining: 0,
            unanswered: 0,
            connected: 0,
            control: 0,
            cpu_before_ns: 0,
            next_look_ns: 0,
        })
    }

    /// Works until it is told to quit, or its leader is gone.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.turn(&mut events) {
                Ok(Turn::Next) => {}
                Ok(Turn::Last) => return,
                Err(error) => {
                    self.fail(Trouble::system("the readiness loop failed", error));
                    return;
                }
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<Turn> {
        while let Ok(command) = self.commands.try_recv() {
            if self.obey(command) == Turn::Last {
                return Ok(Turn::Last);
            }
        }
        let now = now_ns();
        self.open_connections(now);
        self.release_due(now);
        self.publish_listed();
        self.show_gauges();
        let patience = self.patience(now)?;
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Next),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                WAKE => self.list_publishers(),
                ALARM => {}
                Token(place) => self.on_ready(place, event),
            }
        }
        self.post_deliveries();
        self.keep_alive(now);
        Ok(Turn::Next)
    }

    /// How long the loop may sleep.
    fn patience(&mut self, now_ns: u64) -> io::Result<Option<Duration>> {
        if !self.listed.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        let walk = self.walk.as_ref().and_then(Walk::next_ns);
        let connect = self.next_connect_ns();
        let Some(next) = [walk, connect].into_iter().flatten().min() else {
            return Ok(Some(PATIENCE));
        };
        if next <= now_ns {
            return Ok(Some(Duration::ZERO));
        }
        let patience = self.alarm.set(next, now_ns)?;
        Ok(Some(patience.unwrap_or(PATIENCE).min(PATIENCE)))
    }

    fn obey(&mut self, command: Command) -> Turn {
        match command {
            Command::Connect(order) => self.connect(order),
            Command::Subscribe(who) => self.subscribe(who),
            Command::Disconnect(who) => self.disconnect(who),
            Command::Begin(stage) => self.begin(stage),
            Command::Publish(start_ns) => self.start_publishing(start_ns),
            Command::Stop => self.stop_publishing(),
            Command::WriteOff => self.write_off(),
            Command::Recent => {
                let recent = self.recent.replace(Times::default()).unwrap_or_default();
                self.reply(Reply::Recent(Box::new(recent)));
            }
            Command::End => self.end(),
            Command::Quit => return Turn::Last,
        }
        Turn::Next
    }

    fn end(&mut self) {
        self.is_staged = false;
        self.stop_publishing();
        let cpu_ns = thread_cpu_ns() - self.cpu_before_ns;
        self.tally.thread_cpu_ns = cpu_ns;
        self.tally.thread_cpu_ns_max = cpu_ns;
        let subscribers = self.clients.iter().filter_map(|c| c.subscriber.as_ref());
        let missing = subscribers.map(Subscriber::missing).sum();
        let tally = std::mem::take(&mut self.tally);
        self.reply(Reply::Ended(Box::new(tally), missing));
    }

    fn on_ready(&mut self, place: usize, event: &Event) {
        let Some(client) = self.clients.get(place) else {
            return;
        };
        match client.standing {
            Standing::Away | Standing::Failed => return,
            Standing::Connecting => self.on_connect_progress(place),
            Standing::Greeting | Standing::Connected | Standing::Leaving => {}
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(place, event.is_read_closed() || event.is_error());
        }
        if event.is_writable() {
            self.flush(place);
            self.list(place);
        }
    }

    fn flush(&mut self, place: usize) {
        let Some(connection) = self.connection(place) else {
            return;
        };
        if let Err(error) = connection.flush() {
            self.on_closed(place, Some(error));
        }
    }

    fn connection(&mut self, place: usize) -> Option<&mut Connection> {
        self.clients.get_mut(place)?.connection.as_mut()
    }

    /// A client that is asked nothing any more drops out; the leader hears why.
    fn fail_client(&mut self, place: usize, trouble: Trouble) {
        self.lose_connection(place, Standing::Failed);
        self.fail(trouble);
    }

    /// Ends a connection, and what was expected of it.
    fn lose_connection(&mut self, place: usize, standing: Standing) {
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let before = std::mem::replace(&mut client.standing, standing);
        if let Some(connection) = client.connection.take() {
            connection.leave(self.poll.registry());
        }
        if matches!(before, Standing::Connected | Standing::Leaving) {
            self.connected -= 1;
        }
        self.on_job_lost(place, before);
    }

    fn fail(&self, trouble: Trouble) {
        self.reply(Reply::Failed(trouble));
    }

    fn reply(&self, reply: Reply) {
        // A leader that is gone needs no reply.
        drop(self.replies.send(reply));
    }

    fn gauges(&self) -> &Gauges {
        &self.board.gauges[self.thread]
    }

    fn show_gauges(&self) {
        let gauges = self.gauges();
        let set = |gauge: &std::sync::atomic::AtomicU64, value| {
            // What is sent is shown after what it calls for, so that nobody sees less.
            gauge.store(value, Ordering::Release);
        };
        let [_, once, twice] = self.tally.owed;
        set(&gauges.owed_surely, once + twice);
        set(&gauges.owed, self.tally.owed_in_all());
        set(&gauges.unanswered, self.unanswered);
        set(&gauges.received, self.tally.received);
        let [_, once, twice] = self.tally.unique;
        set(&gauges.unique_surely, once + twice);
        set(&gauges.unique, self.tally.unique_in_all());
        set(&gauges.acknowledged, self.tally.acknowledged);
        set(&gauges.connected, self.connected);
        set(&gauges.control, self.control);
        set(&gauges.sent, self.tally.sent);
        set(&gauges.remaining, self.remaining);
    }

    fn places(&self, who: Who) -> Vec<usize> {
        let clients = self.clients.iter().enumerate();
        let included = clients.filter(|(_, client)| who.includes(&client.spec));
        included.map(|(place, _)| place).collect()
    }

    /// Sends PINGREQ where nothing has been written for half the keep alive.
    fn keep_alive(&mut self, now_ns: u64) {
        let keep_alive_ns = u64::from(self.setting.keep_alive_secs) * SECOND_NS;
        if keep_alive_ns == 0 || now_ns < self.next_look_ns {
            return;
        }
        self.next_look_ns = now_ns + keep_alive_ns / 4;
        for place in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(place) else {
                return;
            };
            if client.standing == Standing::Connected
                && let Some(connection) = &mut client.connection
                && connection.last_written_ns + keep_alive_ns / 2 < now_ns
            {
                connection.out.extend_from_slice(&PINGREQ);
                connection.last_written_ns = now_ns;
                self.flush(place);
            }
        }
    }
}

const PINGREQ: [u8; 2] = [0xC0, 0];

impl Client {
    fn new(spec: ClientSpec, setting: &Setting) -> Result<Self, EncodeError> {
        let publisher = spec.publisher.as_ref().map(|publisher| {
            let payload_bytes = setting.payload.len();
            let (version, retain) = (setting.version, setting.retain);
            Publisher::new(publisher, version, retain, setting.window, payload_bytes)
        });
        Ok(Self {
            standing: Standing::Away,
            connection: None,
            publisher: publisher.transpose()?,
            subscriber: spec.subscriber.as_ref().map(Subscriber::new),
            connect_due_ns: 0,
            clean_start: true,
            is_persistent: false,
            subscribes: 0,
            spec,
        })
    }
}
