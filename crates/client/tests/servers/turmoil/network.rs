//! A network that cuts, delays, forgets one end of a connection, and lets a CONNECT arrive after a
//! later one. What it does to a connection follows from the seed, the client and how many connections
//! the client had made before; when it does it, from the bytes that pass.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use columba_codec::{Decoded, Version, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::chance::Chance;
use crate::trace::{Trace, Watch};

/// Connections of each client that something happens to.
const DISTURBED_CONNECTIONS: usize = 14;
/// The port of a server that is not there.
const NOWHERE: u16 = 0;
/// A CONNECT that is late waits no longer than this for one that is later still.
const LATE_MS_MAX: u64 = 400;

/// The way from clients to a server.
pub(crate) struct Network(Arc<Shared>);

struct Shared {
    seed: u64,
    version: Version,
    server_port: AtomicU16,
    has_begun: AtomicBool,
    connections: AtomicUsize,
    trace: Trace,
    happened: Mutex<BTreeMap<&'static str, usize>>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Refused,
    /// The client loses it as soon as it has sent CONNECT; that arrives once a newer one is accepted.
    Late {
        lives_ms: u64,
    },
    /// It passes so many bytes of both directions together.
    Passes {
        bytes: usize,
        end: End,
    },
}

/// The end of a connection that passed its bytes.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Both ends are closed.
    Closed,
    /// Both ends are reset.
    Reset,
    /// The client's end is closed, and the server hears so late.
    Forgotten { ms: u64 },
    /// The server's end is closed, and the client hears so late.
    Silent { ms: u64 },
}

impl Fate {
    const WHOLE: Self = Self::Passes {
        bytes: usize::MAX,
        end: End::Closed,
    };

    fn draw(chance: &mut Chance) -> Self {
        let ms = |chance: &mut Chance, to| u64::try_from(chance.between(5, to)).expect("64 bits");
        match chance.below(12) {
            0 => return Self::Refused,
            1 | 2 => {
                let lives_ms = ms(chance, 60);
                return Self::Late { lives_ms };
            }
            _ => {}
        }
        // Some end within CONNECT and CONNACK.
        let to = [60, 1500, 6000][chance.below(3)];
        let bytes = chance.between(1, to);
        let end = match chance.below(8) {
            0..4 => End::Closed,
            4 => End::Reset,
            5 | 6 => End::Forgotten {
                ms: ms(chance, 200),
            },
            // Some are so long that only the client's Keep Alive ends them.
            _ if chance.once_in(4) => End::Silent { ms: 4000 },
            _ => End::Silent {
                ms: ms(chance, 200),
            },
        };
        Self::Passes { bytes, end }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Late { .. } => "late",
            Self::Passes { bytes, .. } if bytes == usize::MAX => "whole",
            Self::Passes { end, .. } => match end {
                End::Closed => "closed",
                End::Reset => "reset",
                End::Forgotten { .. } => "forgotten by the client's end",
                End::Silent { .. } => "forgotten by the server's end",
            },
        }
    }
}

impl Network {
    pub(crate) fn new(seed: u64, version: Version, server_port: u16) -> Self {
        Self(Arc::new(Shared {
            seed,
            version,
            server_port: AtomicU16::new(server_port),
            has_begun: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            trace: Trace::default(),
            happened: Mutex::default(),
        }))
    }

    /// The port for one client.
    pub(crate) async fn way_for(&self, client: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let accepted = Arc::new(watch::Sender::new(0));
            let mut at = 0;
            while let Ok((stream, _)) = listener.accept().await {
                // However often a client tries meanwhile, as many of its connections are disturbed.
                if shared.server_port.load(Ordering::Relaxed) != NOWHERE {
                    let way = Way::new(&shared, client, at, &accepted);
                    tokio::spawn(way.carry(stream));
                    at += 1;
                }
            }
        });
        port
    }

    /// From now on things happen, to connections that are open, too.
    pub(crate) fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
    }

    /// The server is about to end.
    pub(crate) fn lead_nowhere(&self) {
        self.lead_to(NOWHERE);
    }

    /// The server has started again, elsewhere.
    pub(crate) fn lead_to(&self, server_port: u16) {
        self.0.server_port.store(server_port, Ordering::Relaxed);
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// Something happened elsewhere.
    pub(crate) fn count(&self, what: &'static str) {
        self.0.count(what);
    }

    /// What happened, and how often.
    pub(crate) fn happened(&self) -> BTreeMap<&'static str, usize> {
        let happened = self.0.happened.lock();
        happened.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.0.trace.show_if_failed();
    }
}

impl Shared {
    async fn server(&self) -> Option<TcpStream> {
        let port = self.server_port.load(Ordering::Relaxed);
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    }

    fn count(&self, what: &'static str) {
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        *happened.entry(what).or_default() += 1;
    }
}

/// One connection.
struct Way {
    shared: Arc<Shared>,
    fate: Fate,
    chance: Chance,
    up: Watch,
    down: Watch,
    /// How many connections of this client the server has accepted.
    accepted: Arc<watch::Sender<usize>>,
    /// Most bytes that are passed on at once.
    piece_bytes_max: usize,
}

impl Way {
    fn new(
        shared: &Arc<Shared>,
        client: &str,
        at: usize,
        accepted: &Arc<watch::Sender<usize>>,
    ) -> Self {
        let mut chance = Chance::new(shared.seed, client, at);
        let mut fate = Fate::draw(&mut chance);
        if at >= DISTURBED_CONNECTIONS {
            fate = Fate::WHOLE;
        } else if !shared.has_begun.load(Ordering::Relaxed) {
            // The clients are there before it begins, so this one has to pass at first.
            let bytes = chance.between(1, 6000);
            let end = End::Closed;
            fate = Fate::Passes { bytes, end };
        }
        shared.count(fate.name());
        let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Arc::clone(shared),
            fate,
            up: Watch::new(&shared.trace, shared.version, connection, '>'),
            down: Watch::new(&shared.trace, shared.version, connection, '<'),
            accepted: Arc::clone(accepted),
            piece_bytes_max: [7, 100, 1000, 4096][chance.below(4)],
            chance,
        }
    }

    async fn carry(mut self, client: TcpStream) {
        match self.fate {
            Fate::Refused => drop(client),
            Fate::Late { lives_ms } => self.arrive_late(client, lives_ms).await,
            Fate::Passes { bytes, end } => {
                let Some(server) = self.shared.server().await else {
                    return;
                };
                if let Some((client, server)) = self.pass(client, server, bytes).await {
                    self.end(client, server, end).await;
                }
            }
        }
    }

    /// Passes so many bytes. `None` if the connection ended before by itself.
    async fn pass(
        &mut self,
        mut client: TcpStream,
        mut server: TcpStream,
        mut left: usize,
    ) -> Option<(TcpStream, TcpStream)> {
        let most = self.piece_bytes_max;
        let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
        while left > 0 {
            tokio::select! {
                read = client.read(&mut from_client[..most]) => {
                    let read = from_client.get(..read.ok()?)?;
                    let passed = self.passed(read, &mut left).await?;
                    self.up.note(passed);
                    server.write_all(passed).await.ok()?;
                }
                read = server.read(&mut from_server[..most]) => {
                    let read = from_server.get(..read.ok()?)?;
                    if self.down.note(read) {
                        self.accepted.send_modify(|accepted| *accepted += 1);
                    }
                    let passed = self.passed(read, &mut left).await?;
                    client.write_all(passed).await.ok()?;
                }
            }
        }
        Some((client, server))
    }

    /// What still passes of bytes that were read. Some take their time. `None` if there are none, as
    /// the connection has ended.
    async fn passed<'a>(&mut self, read: &'a [u8], left: &mut usize) -> Option<&'a [u8]> {
        let len = read.len().min(*left);
        if self.shared.has_begun.load(Ordering::Relaxed) && *left != usize::MAX {
            *left -= len;
            if self.chance.once_in(16) {
                // The network takes its time.
                sleep_until(Instant::now() + Duration::from_millis(1)).await;
            }
        }
        if len > 0 { read.get(..len) } else { None }
    }

    async fn end(&mut self, mut client: TcpStream, mut server: TcpStream, end: End) {
        match end {
            End::Closed => {}
            End::Reset => {
                reset(client);
                reset(server);
            }
            End::Forgotten { ms } => {
                drop(client);
                let bytes = read_on(&mut server, ms).await;
                self.down.note(&bytes);
            }
            End::Silent { ms } => {
                drop(server);
                read_on(&mut client, ms).await;
            }
        }
    }

    async fn arrive_late(mut self, mut client: TcpStream, lives_ms: u64) {
        let mut connect = Vec::new();
        while !matches!(
            decode(&connect, self.shared.version, u32::MAX),
            Ok(Decoded::Packet(..))
        ) {
            let Ok(1..) = client.read_buf(&mut connect).await else {
                return;
            };
        }
        let mut accepted = self.accepted.subscribe();
        accepted.mark_unchanged();
        drop(client);
        // If no other one is accepted, for instance as the server is down, it arrives all the same.
        let newer = timeout(Duration::from_millis(LATE_MS_MAX), accepted.changed());
        if newer.await.is_ok() {
            self.shared.count("late behind a newer one");
        }
        let Some(mut server) = self.shared.server().await else {
            return;
        };
        self.up.note(&connect);
        if server.write_all(&connect).await.is_ok() {
            let bytes = read_on(&mut server, lives_ms).await;
            self.down.note(&bytes);
        }
    }
}

fn reset(stream: TcpStream) {
    // Without it the end is closed, which is an end as well.
    let _ = stream.set_zero_linger();
}

/// Reads what nobody gets, until the time is over or the other end closes.
async fn read_on(stream: &mut TcpStream, ms: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let until = sleep_until(Instant::now() + Duration::from_millis(ms));
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return bytes,
            read = stream.read_buf(&mut bytes) => {
                if !matches!(read, Ok(1..)) {
                    return bytes;
                }
            }
        }
    }
}
