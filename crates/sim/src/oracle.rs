//! A small model of the broker: what it was told, what it has said, and what it owes to whom.
//!
//! It sees every input and all output of every shard at once, packet by packet, and shares only
//! the codec with the broker, and what a list of access rules says. It knows no queue and no mailbox: what a message may suffer on its
//! way is left open, and what must not happen is said in `checks/`.

mod access;
pub(crate) mod crash;
mod inputs;
mod model;
mod operators;
mod outputs;
mod sessions;
pub(crate) mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use columba_broker::event::{Command, Report, ReportEvent};
use columba_broker::journal::StoreEvent;
use columba_broker::outcome::Outcome;
use columba_broker::query::{Answer, Request, RequestId};
use columba_codec::{QoS, Version};

use crate::checks::effects::Effects;
use crate::checks::held::Stored;
use crate::checks::retained::{Retained, Turn};
use crate::checks::share::Groups;
use crate::checks::will::Wills;
use crate::event::LinkId;
use access::is_expelled;
pub(crate) use model::{
    Conn, Message, Owed as OwedMessage, Phase, Said, Session, Subscribing, Subscription, Unsettled,
    Will, owe,
};
pub(crate) use operators::Settings;
pub(crate) use truth::Ending;

/// What an input was.
#[derive(Clone, Debug)]
pub(crate) enum About {
    Accepted {
        link: LinkId,
    },
    Adopted {
        link: LinkId,
    },
    Received {
        link: LinkId,
        bytes: Vec<u8>,
    },
    Sent {
        link: LinkId,
        len: usize,
    },
    Closed {
        link: LinkId,
    },
    Verdict {
        link: LinkId,
    },
    Mail {
        from: usize,
        letters: usize,
    },
    Deadline,
    Command(Command),
    /// With what was told just before of how things stand.
    Request {
        id: RequestId,
        request: Box<Request>,
        before: Option<Answer>,
    },
    Store(StoreEvent),
    Fetched(usize),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { link } => write!(f, "link {link} accepted"),
            Self::Adopted { link } => write!(f, "link {link} adopted"),
            Self::Received { link, bytes } => {
                let shown = bytes.get(..24).unwrap_or(bytes);
                write!(f, "link {link} received {}: {shown:02x?}", bytes.len())
            }
            Self::Sent { link, len } => write!(f, "link {link} sent {len}"),
            Self::Closed { link } => write!(f, "link {link} closed"),
            Self::Verdict { link } => write!(f, "link {link} verdict"),
            Self::Mail { from, letters } => write!(f, "mail from {from}: {letters} letters"),
            Self::Deadline => write!(f, "deadline"),
            Self::Command(command) => write!(f, "{command:?}"),
            Self::Request { id, request, .. } => write!(f, "{id:?} {request:?}"),
            Self::Store(event) => write!(f, "{event:?}"),
            Self::Fetched(count) => write!(f, "{count} records are read"),
        }
    }
}

/// One input to a shard, and what came of it.
#[derive(Debug)]
pub(crate) struct Observation {
    pub(crate) now_ms: u64,
    pub(crate) unix_ms: u64,
    pub(crate) shard: usize,
    pub(crate) about: About,
    /// What the shard wrote, by connection.
    pub(crate) outputs: Vec<(LinkId, Vec<u8>)>,
    /// Connections told to transmit and to close; `None` for one that the driver does not have.
    pub(crate) transmits: Vec<Option<LinkId>>,
    pub(crate) closes: Vec<Option<LinkId>>,
    pub(crate) reports: Vec<Report>,
    /// Of requests, now or before.
    pub(crate) answers: Vec<(RequestId, Answer)>,
    /// Connections whose input waits for the store.
    pub(crate) held: Vec<LinkId>,
    /// How often the broker has said that a client waits for the store.
    pub(crate) store_waits: u64,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) check: &'static str,
    pub(crate) detail: String,
}

/// The model.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) failure: Option<Failure>,
    pub(crate) now_ms: u64,
    /// The same on the broker's wall clock.
    pub(crate) unix_ms: u64,
    pub(crate) shard: usize,
    /// Which input this is, and whose packets of it are taken in.
    pub(crate) turn: Turn,
    /// What the process began with.
    pub(crate) settings: Settings,
    pub(crate) conns: Vec<Conn>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) groups: Groups,
    pub(crate) retained: Retained,
    pub(crate) wills: Wills,
    pub(crate) effects: Effects,
    pub(crate) truth: truth::Truth,
    /// Drops that were reported, by client id and topic, since the last quiet point.
    pub(crate) drops: BTreeMap<(String, String), u64>,
    /// Clients that ever missed something on a topic: after a crash it may come after all.
    pub(crate) dropped: BTreeSet<(String, String)>,
    /// Whether there is a store, how far it is, and how often the broker has died.
    pub(crate) is_durable: bool,
    pub(crate) progress: crash::Progress,
    pub(crate) shards: usize,
    pub(crate) crashes: u64,
    /// The number of the last message that was accepted before the last crash.
    pub(crate) crashed_at: u64,
    /// Whether the wall clock was ever set.
    pub(crate) has_jumped: bool,
    /// Whether the disk has lied: then little is promised.
    pub(crate) is_lenient: bool,
    /// Sessions that ended in this life of the process, and those that may have come back.
    pub(crate) ended: Vec<(String, crash::Ghost)>,
    pub(crate) ghosts: BTreeMap<String, Session>,
    /// Whether clients that connected now found a session, by what was reported.
    pub(crate) found: BTreeMap<String, bool>,
    pub(crate) stored: Stored,
    /// Connections whose input waits.
    held: BTreeMap<LinkId, usize>,
    /// The client that an operator is closing.
    pub(crate) admin: Option<String>,
    pub(crate) operators: operators::Operators,
    pub(crate) serial: u64,
    pub(crate) sequence: u64,
    pub(crate) accepted: u64,
    pub(crate) emitted: u64,
}

impl Oracle {
    pub(crate) fn new(settings: Settings, is_durable: bool) -> Self {
        Self {
            failure: None,
            now_ms: 0,
            unix_ms: 0,
            shard: 0,
            turn: Turn::default(),
            settings,
            conns: Vec::new(),
            sessions: BTreeMap::new(),
            messages: BTreeMap::new(),
            groups: Groups::default(),
            retained: Retained::default(),
            wills: Wills::default(),
            effects: Effects::default(),
            truth: truth::Truth::default(),
            drops: BTreeMap::new(),
            dropped: BTreeSet::new(),
            is_durable,
            progress: crash::Progress::default(),
            shards: 0,
            crashes: 0,
            crashed_at: 0,
            has_jumped: false,
            is_lenient: false,
            ended: Vec::new(),
            ghosts: BTreeMap::new(),
            found: BTreeMap::new(),
            stored: Stored::default(),
            held: BTreeMap::new(),
            admin: None,
            operators: operators::Operators::default(),
            serial: 0,
            sequence: 0,
            accepted: 0,
            emitted: 0,
        }
    }

    /// Notes the first broken promise; later ones follow from it.
    pub(crate) fn fail(&mut self, check: &'static str, detail: String) {
        // Once the disk has lied, what is left is that nothing else goes wrong.
        if !self.is_lenient || LASTING.contains(&check) {
            self.failure.get_or_insert(Failure { check, detail });
        }
    }

    pub(crate) const fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// A client opened a link.
    pub(crate) fn open(&mut self, link: LinkId, version: Version, listener: usize, addr: IpAddr) {
        debug_assert_eq!(link, self.conns.len());
        self.conns
            .push(Conn::new(version, listener, addr, self.now_ms));
    }

    /// The session that a link is connected with.
    pub(crate) fn session_of(&self, link: LinkId) -> u64 {
        self.conns[link].session
    }

    /// Notes for whom the broker says it has found a session.
    fn note_found(&mut self, seen: &Observation) {
        self.found.clear();
        for report in &seen.reports {
            if let (
                Some(client_id),
                ReportEvent::Connected {
                    session_present, ..
                },
            ) = (&report.client_id, &report.event)
            {
                self.found.insert(client_id.to_string(), *session_present);
            }
        }
    }

    /// Takes in one input and its consequences.
    ///
    /// First a new connection is established, because that may end others; then the client's
    /// packets take effect; then connections and sessions end; then the broker's words are judged.
    pub(crate) fn observe(&mut self, seen: &Observation) {
        self.now_ms = seen.now_ms;
        self.shard = seen.shard;
        self.unix_ms = seen.unix_ms;
        self.turn = Turn {
            input: self.turn.input + 1,
            link: LinkId::MAX,
        };
        if let About::Verdict { link } = &seen.about {
            self.conns[*link].authenticated = self.turn.input;
        }
        let output_links: Vec<LinkId> = seen.outputs.iter().map(|(link, _)| *link).collect();
        self.note_found(seen);
        let result = self.effects.check(seen, &output_links);
        self.judge("effects", result);
        for (link, bytes) in &seen.outputs {
            self.conns[*link].output.extend_from_slice(bytes);
        }
        let mut entered = Vec::new();
        for link in &output_links {
            if self.conns[*link].phase == Phase::Await {
                self.take_connack(*link);
                let is_late = matches!(seen.about, About::Deadline);
                if is_late && self.conns[*link].phase == Phase::Open {
                    entered.push(*link);
                }
            }
        }
        self.take_about(seen);
        // Who was let in long after its CONNECT goes on with what it has sent behind it.
        for link in entered {
            self.conns[link].last_received_ms = self.now_ms;
            self.take_input(link);
        }
        for (link, shard) in std::mem::take(&mut self.held) {
            // What a connection has sent that ends before its turn is read by nobody.
            let is_ended = matches!(seen.about, About::Command(_) | About::Request { .. })
                && seen.closes.contains(&Some(link));
            let is_closed =
                is_ended || matches!(seen.about, About::Closed { link: of } if of == link);
            if shard != seen.shard {
                self.held.insert(link, shard);
            } else if !seen.held.contains(&link) && !is_closed {
                self.conns[link].last_received_ms = self.now_ms;
                self.take_input(link);
            }
        }
        let held = seen.held.iter().map(|link| (*link, seen.shard));
        self.held.extend(held);
        for link in seen.closes.iter().flatten() {
            self.on_close(*link, seen);
        }
        self.end_by_operator(seen);
        self.check_bans(seen);
        self.check_guarded(seen);
        self.admin = None;
        if matches!(seen.about, About::Deadline) {
            self.on_time();
        }
        // Who was thrown out by a client that had waited was sent things before in the same input.
        let (open, ended): (Vec<LinkId>, Vec<LinkId>) = output_links
            .into_iter()
            .partition(|link| self.conns[*link].phase == Phase::Open);
        for link in ended.into_iter().chain(open) {
            self.take_output(link);
        }
        for report in &seen.reports {
            self.on_report(report);
        }
        for (id, answer) in &seen.answers {
            self.on_answer(*id, answer);
        }
    }

    /// What the input itself does.
    fn take_about(&mut self, seen: &Observation) {
        match &seen.about {
            About::Received { link, bytes } => {
                self.conns[*link].input.extend_from_slice(bytes);
                self.conns[*link].last_received_ms = self.now_ms;
                let is_held = seen.held.contains(link);
                // Who waits for its CONNACK has had its CONNECT read.
                if !is_held || self.conns[*link].phase == Phase::Await {
                    self.take_input(*link);
                }
                if is_held {
                    self.leave_behind(*link);
                }
                if is_held && seen.store_waits > 0 && !self.held.contains_key(link) {
                    self.check_held(*link);
                }
            }
            About::Adopted { link } | About::Verdict { link } => {
                if matches!(seen.about, About::Adopted { .. }) {
                    self.promise(*link);
                    self.conns[*link].last_received_ms = self.now_ms;
                }
                self.take_input(*link);
                if seen.held.contains(link) {
                    self.leave_behind(*link);
                }
            }
            About::Closed { link } => {
                self.detach(*link, true);
                self.conns[*link].phase = Phase::Closed;
            }
            About::Command(Command::Disconnect { client_id, .. }) => {
                self.admin = Some(client_id.to_string());
            }
            About::Request {
                id,
                request,
                before,
            } => self.on_request(seen, *id, request, before.as_ref()),
            About::Command(command) => {
                self.on_command(command);
                self.on_guarded(seen, command);
            }
            About::Accepted { link } => self.promise(*link),
            About::Sent { .. } | About::Store(_) | About::Fetched(_) | About::Mail { .. } => {}
            About::Deadline => {
                // Who has waited to take over may have to wait for the disk next.
                for link in &seen.held {
                    if !self.held.contains_key(link) {
                        self.leave_behind(*link);
                    }
                }
            }
        }
    }

    pub(crate) fn judge(&mut self, check: &'static str, result: Result<(), String>) {
        if let Err(detail) = result {
            self.fail(check, detail);
        }
    }

    /// The broker closes a connection: it needs a reason.
    fn on_close(&mut self, link: LinkId, seen: &Observation) {
        let conn = &self.conns[link];
        if conn.phase == Phase::Open {
            let is_silent = conn.keep_alive_secs > 0
                && self.now_ms >= conn.last_received_ms + u64::from(conn.keep_alive_secs) * 1500;
            let is_admin = self.admin.as_ref() == Some(&conn.client_id);
            let is_slow = seen.reports.iter().any(|report| {
                let is_it = report.client_id.as_deref() == Some(conn.client_id.as_str());
                let outcome = Outcome::DisconnectSlow;
                is_it && matches!(&report.event, ReportEvent::Disconnected { outcome: why, .. } if *why == outcome)
            });
            let session = self.sessions.get(&conn.client_id);
            let is_loose = session.is_some_and(|session| session.is_loose);
            let is_put_out = is_admin || self.is_banned_now(link, seen) || is_expelled(conn, seen);
            if !is_loose && !conn.is_garbage && !is_silent && !is_slow && !is_put_out {
                let detail = format!("link {link} ({}) was closed for nothing", conn.client_id);
                self.fail("close", detail);
            }
            self.detach(link, true);
        }
        self.conns[link].phase = Phase::Closed;
    }

    pub(crate) fn on_report(&mut self, report: &Report) {
        // What nobody has at the time goes by no name: a copy on its way from one member of a shared
        // group to another.
        let client_id = report.client_id.as_deref().unwrap_or_default();
        if let ReportEvent::Withheld { outcome, topic, .. } = &report.event
            && outcome.is_dropped_copy()
        {
            self.truth.withheld(client_id, topic, *outcome);
            let key = (client_id.to_string(), topic.clone());
            if self.is_durable {
                self.dropped.insert(key.clone());
            }
            *self.drops.entry(key).or_default() += 1;
            if *outcome == Outcome::DeliverDeniedRead {
                self.check_denied_read(client_id, topic);
            }
        }
    }

    /// A message that was not known before reached its client.
    pub(crate) fn received(&mut self, link: LinkId, payload: &[u8], qos: QoS) {
        let Some(id) = id_of(payload) else { return };
        let conn = &self.conns[link];
        let (client_id, serial) = (conn.client_id.clone(), conn.session);
        let Some(message) = self.messages.get(&id) else {
            return self.fail("delivery", format!("link {link} got a message of nobody"));
        };
        let Some(session) = self.sessions.get_mut(&client_id) else {
            return;
        };
        if session.serial != serial {
            return;
        }
        session.owed.remove(&id);
        session.got.insert(id);
        self.groups.received(session, id);
        let result = crate::checks::exactly_once::received(session, id, message, qos);
        self.judge("exactly_once", result);
    }
}

/// What holds even on a disk that loses what it had.
const LASTING: [&str; 4] = ["effects", "books", "wire", "store"];

/// The number at the start of a payload.
pub(crate) fn id_of(payload: &[u8]) -> Option<u64> {
    let bytes = payload.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*bytes))
}
