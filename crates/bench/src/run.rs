//! The leader: it starts the threads, takes them through the stages of a plan, watches that the
//! broker still answers, and puts the report together.

mod leader;
mod summary;

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::clock::now_ns;
use crate::fleet::Fleet;
use crate::plan::{Amount, Kind, Plan, PlanFault};
use crate::process::raise_open_files;
use crate::report::Report;
use crate::stage::{Connecting, Publishing, Stage, TimeFrom, Who};
use crate::trouble::Trouble;
use leader::{Expected, Leader, Measured};
use summary::Summary;

/// Somebody who looks on while a plan runs.
pub trait Watch {
    /// Whether [`Self::on_progress`] is worth its while. Asked once.
    fn wants_progress(&self) -> bool;

    /// Comes about once a second.
    fn on_progress(&mut self, progress: &Progress);

    /// Whether to publish no more, and report on what there is.
    fn is_stopped(&self) -> bool;
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What happens in the stage.
    pub stage: &'static str,
    /// Since its start.
    pub elapsed: Duration,
    /// Messages sent.
    pub sent: u64,
    /// Messages received, each counted once.
    pub received: u64,
    /// Deliveries a second since the last time, or publishes where nothing is delivered.
    pub per_sec: f64,
    /// 99 % of the times since the last time were at most this, in microseconds.
    pub p99_us: Option<f64>,
    /// How much of the stage is done, where that is known: 0 to 1.
    pub done: Option<f64>,
}

/// Runs a plan to its end.
///
/// # Errors
/// What kept it from measuring anything. What happens while it measures stands in the report.
pub fn run(plan: &Plan, watch: &mut dyn Watch) -> Result<Report, Trouble> {
    plan.check()?;
    let run = run_number();
    let fleet = Fleet::new(plan, run);
    check_open_files(&fleet)?;
    let address = find_broker(plan)?;
    let mut leader = Leader::new(plan, fleet, address, run, watch)?;
    let mut summary = Summary::new(plan, &leader);
    match plan.kind {
        Kind::Conn => conn(&mut leader, &mut summary)?,
        Kind::Sub => listen(&mut leader, &mut summary)?,
        Kind::Pub | Kind::Pair | Kind::FanIn | Kind::FanOut | Kind::Mixed | Kind::Filters => {
            flow(&mut leader, &mut summary)?;
        }
        Kind::Retained => retained(&mut leader, &mut summary)?,
        Kind::Offline => offline(&mut leader, &mut summary)?,
    }
    Ok(summary.report(&mut leader))
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The address of the broker. A name with several is tried out, for a broker may listen on one of
/// them only.
fn find_broker(plan: &Plan) -> Result<SocketAddr, Trouble> {
    let host = plan.host.clone();
    let found = (plan.host.as_str(), plan.port).to_socket_addrs();
    let addresses: Vec<_> = match found {
        Ok(addresses) => addresses.collect(),
        Err(source) => return Err(Trouble::Lookup { host, source }),
    };
    if let [address] = addresses[..] {
        return Ok(address);
    }
    let mut trouble = Trouble::Lookup {
        host,
        source: io::ErrorKind::NotFound.into(),
    };
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
            Ok(_) => return Ok(address),
            Err(source) => trouble = Trouble::Connect { address, source },
        }
    }
    Err(trouble)
}

/// Files that a run needs besides its connections.
const OTHER_FILES: u64 = 64;

fn check_open_files(fleet: &Fleet) -> Result<(), Trouble> {
    let clients = fleet.clients.len() as u64;
    match raise_open_files() {
        Some(limit) if clients + OTHER_FILES > limit => {
            Err(PlanFault::OpenFiles { clients, limit }.into())
        }
        _ => Ok(()),
    }
}

fn run_number() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // The standard library seeds its hashers at random.
    let hasher = std::hash::RandomState::new().build_hasher();
    (hasher.finish() >> 32) as u32
}

fn connecting(plan: &Plan, who: Who) -> Connecting {
    Connecting {
        who,
        start_ns: now_ns(),
        per_sec: plan.connections_per_sec,
        clean_start: true,
        is_persistent: false,
    }
}

/// The same for sessions that outlive their connection, if the plan has such.
fn lasting(plan: &Plan, who: Who) -> Connecting {
    let is_persistent = plan.session_expiry_secs > 0;
    Connecting {
        // MQTT 3 keeps no session that began clean.
        clean_start: !is_persistent,
        is_persistent,
        ..connecting(plan, who)
    }
}

/// Removes what outlived its connection, by a clean start: every version has that. What goes wrong
/// with it is beside what was measured.
fn remove_sessions(leader: &mut Leader<'_>, who: Who) {
    let troubles = std::mem::take(&mut leader.troubles);
    if leader.connect(connecting(leader.plan, who)).is_ok() {
        leader.leave(who);
    }
    leader.troubles = troubles;
}

/// A stage that begins now.
fn stage(time_from: TimeFrom, publishing: Option<Publishing>) -> Stage {
    let now = now_ns();
    Stage {
        start_ns: now,
        valid_from_ns: now,
        time_from,
        publishing,
    }
}

fn conn(leader: &mut Leader<'_>, summary: &mut Summary<'_>) -> Result<(), Trouble> {
    let plan = leader.plan;
    leader.forgives_clients = true;
    let before = leader.begin("connecting", stage(TimeFrom::Due, None))?;
    leader.connect(connecting(plan, Who::All))?;
    leader.hold(plan.hold);
    let measured = leader.end(before)?;
    summary.measured(measured, "connections");
    leader.leave(Who::All);
    Ok(())
}

fn listen(leader: &mut Leader<'_>, summary: &mut Summary<'_>) -> Result<(), Trouble> {
    let plan = leader.plan;
    leader.connect(connecting(plan, Who::All))?;
    // Retained messages follow the answer at once, so counting comes first.
    let before = leader.begin("listening", stage(TimeFrom::Due, None))?;
    leader.subscribe(Who::All)?;
    let (messages, ends) = match plan.amount {
        Amount::Messages(messages) => (messages, None),
        Amount::Time(time) => (u64::MAX, Some(time)),
    };
    leader.follow(Expected::Open(messages), ends);
    summary.measured(leader.end(before)?, "deliveries");
    leader.leave(Who::All);
    Ok(())
}

/// Everything that is publishing and receiving at the same time.
fn flow(leader: &mut Leader<'_>, summary: &mut Summary<'_>) -> Result<(), Trouble> {
    let plan = leader.plan;
    leader.connect(lasting(plan, Who::All))?;
    if plan.kind == Kind::Filters {
        let before = leader.begin("subscribing", stage(TimeFrom::Due, None))?;
        leader.subscribe(Who::Subscribers)?;
        let subscribed = leader.end(before)?;
        let each = plan.matching.max(1);
        summary.kept(
            &subscribed,
            "filters",
            u64::from(plan.subscriptions / each * each),
        );
    } else {
        leader.subscribe(Who::Subscribers)?;
    }
    if let Some(warmup) = plan.warmup {
        let warmed = publish(leader, "warming up", warmup)?;
        summary.stage(&warmed, "messages", warmed.tally.sent);
    }
    let measured = publish(leader, "publishing", plan.amount)?;
    let unit = match plan.kind {
        Kind::Pub | Kind::Filters => "messages",
        _ => "deliveries",
    };
    summary.measured(measured, unit);
    leader.leave(Who::All);
    if plan.session_expiry_secs > 0 {
        remove_sessions(leader, Who::All);
    }
    Ok(())
}

fn publish(
    leader: &mut Leader<'_>,
    name: &'static str,
    amount: Amount,
) -> Result<Measured, Trouble> {
    let plan = leader.plan;
    let messages = match (amount, plan.messages_per_sec) {
        (Amount::Messages(messages), _) => messages,
        (Amount::Time(time), Some(per_sec)) => (time.as_secs_f64() * per_sec).ceil() as u64,
        (Amount::Time(_), None) => u64::MAX,
    };
    let publishing = Publishing {
        messages,
        per_sec: plan.messages_per_sec,
        // Unstamped messages of several publishers cannot be told apart where they arrive.
        is_windowed_by_delivery: plan.messages_per_sec.is_none()
            && (plan.is_verified || matches!(plan.kind, Kind::Pair | Kind::FanOut)),
        is_clearing: false,
    };
    let time_from = match plan.kind {
        Kind::Pub => TimeFrom::DueToAcknowledgement,
        _ => TimeFrom::Due,
    };
    let before = leader.begin(name, stage(time_from, Some(publishing)))?;
    let ends = match (amount, plan.messages_per_sec) {
        (Amount::Time(time), None) => Some(time),
        _ => None,
    };
    leader.follow(Expected::Owed, ends);
    leader.end(before)
}

/// Publishing with nobody there to receive.
fn store(
    leader: &mut Leader<'_>,
    name: &'static str,
    messages: u64,
    is_clearing: bool,
) -> Result<Measured, Trouble> {
    let publishing = Publishing {
        messages,
        per_sec: leader.plan.messages_per_sec,
        is_windowed_by_delivery: false,
        is_clearing,
    };
    let stage = stage(TimeFrom::DueToAcknowledgement, Some(publishing));
    let before = leader.begin(name, stage)?;
    leader.follow(Expected::Deliveries([0; 3]), None);
    leader.end(before)
}

fn messages_of(plan: &Plan) -> u64 {
    match plan.amount {
        Amount::Messages(messages) => messages,
        Amount::Time(_) => 0,
    }
}

fn retained(leader: &mut Leader<'_>, summary: &mut Summary<'_>) -> Result<(), Trouble> {
    let plan = leader.plan;
    let messages = messages_of(plan);
    leader.connect(connecting(plan, Who::All))?;
    // A thread may stamp its first messages with the time at which it was told to begin.
    let first_ns = now_ns();
    let stored = store(leader, "storing", messages, false)?;
    summary.kept(&stored, "messages", stored.tally.sent);
    let mut replay = stage(TimeFrom::StageStart, None);
    replay.valid_from_ns = first_ns;
    let before = leader.begin("replaying", replay)?;
    leader.subscribe(Who::Subscribers)?;
    let mut expected = [0; 3];
    let qos = plan.qos.min(plan.subscribe_qos);
    expected[usize::from(qos.as_u8())] = stored.tally.sent * u64::from(plan.clients);
    leader.follow(Expected::Deliveries(expected), None);
    summary.stored(&stored);
    summary.measured(leader.end(before)?, "deliveries");
    leader.leave(Who::Subscribers);
    if !plan.keeps_retained {
        let cleared = store(leader, "clearing", messages, true)?;
        summary.stage(&cleared, "messages", cleared.tally.sent);
    }
    leader.leave(Who::All);
    Ok(())
}

fn offline(leader: &mut Leader<'_>, summary: &mut Summary<'_>) -> Result<(), Trouble> {
    let plan = leader.plan;
    let mut persistent = connecting(plan, Who::Subscribers);
    (persistent.clean_start, persistent.is_persistent) = (false, true);
    leader.connect(persistent)?;
    leader.subscribe(Who::Subscribers)?;
    leader.disconnect(Who::Subscribers)?;
    leader.connect(lasting(plan, Who::Publishers))?;
    // A thread may stamp its first messages with the time at which it was told to begin.
    let first_ns = now_ns();
    let stored = store(leader, "storing", messages_of(plan), false)?;
    summary.kept(&stored, "messages", stored.tally.sent);
    let mut drain = stage(TimeFrom::StageStart, None);
    drain.valid_from_ns = first_ns;
    persistent.start_ns = drain.start_ns;
    let before = leader.begin("draining", drain)?;
    leader.connect(persistent)?;
    leader.follow(Expected::Deliveries(stored.tally.owed), None);
    summary.stored(&stored);
    summary.measured(leader.end(before)?, "deliveries");
    leader.leave(Who::All);
    let who = match plan.session_expiry_secs {
        0 => Who::Subscribers,
        _ => Who::All,
    };
    remove_sessions(leader, who);
    Ok(())
}
