//! The examination: every check in order, as far as the ones before let it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use columba_client::driver::{Address, ConnectOptions, TlsOptions};
use columba_speech::Text;

use crate::certificate::{self, Viewpoint};
use crate::connect::{self, Attempt, is_about_login};
use crate::line::{Line, connect_text};
use crate::login::{self, Anonymous};
use crate::loopback::{self, Surroundings};
use crate::pair::Pair;
use crate::report::{Check, Finding, Mark, Report};
use crate::target::Target;
use crate::text::{broker, message, network, tls as tls_text};
use crate::tls::TlsError;
use crate::within::Way;
use crate::{
    address, filter, idle, listeners, lookup, offline, payload, port, retained, subscribe, system,
    tcp, tls, twin, will, within,
};

/// What to examine, and how.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Where to and as whom. The Will in it is not used.
    pub connect: ConnectOptions,
    /// Whether the version in it is the only one to try.
    pub has_fixed_version: bool,
    /// Topic filters of the user.
    pub filters: Vec<String>,
    /// What the doctor's own topics begin with.
    pub test_topic: String,
    /// How the command line names that, for advice.
    pub test_topic_option: &'static str,
    /// A client id to take over, to see whether somebody else uses it.
    pub check_id: Option<String>,
    /// How long to wait for somebody to take it back.
    pub check_id_wait: Duration,
    /// How long to keep a connection silent.
    pub idle: Option<Duration>,
    /// How long an answer or a message may take.
    pub patience: Duration,
    /// How long to listen for what should not come.
    pub settle: Duration,
    /// Ports of the same host that are asked whether they speak MQTT, if the right one does not.
    pub nearby_ports: Vec<u16>,
}

impl Visit {
    /// A visit with the usual times.
    pub fn new(connect: ConnectOptions) -> Self {
        Self {
            connect,
            has_fixed_version: false,
            filters: Vec::new(),
            test_topic: "columba/doctor".to_owned(),
            test_topic_option: "--test-topic",
            check_id: None,
            check_id_wait: Duration::from_secs(10),
            idle: None,
            patience: Duration::from_secs(5),
            settle: Duration::from_millis(300),
            nearby_ports: vec![1883, 8883, 61613],
        }
    }
}

/// Examines. Every finding is told at once and kept in `report`, which so is good for use even when
/// this is dropped on its way.
pub async fn examine(visit: &Visit, report: &mut Report, tell: &mut (dyn FnMut(&Finding) + Send)) {
    let mut examination = Examination {
        visit,
        report,
        tell,
    };
    examination.run().await;
}

struct Examination<'a> {
    visit: &'a Visit,
    report: &'a mut Report,
    tell: &'a mut (dyn FnMut(&Finding) + Send),
}

/// What cannot be examined where no message comes through.
const NEED_MESSAGES: &[Check] = &[
    Check::Payload,
    Check::Size,
    Check::Retained,
    Check::Offline,
    Check::Will,
];

/// A check failed whose success everything after it needs.
struct Stop;

impl Examination<'_> {
    async fn run(&mut self) {
        if self.steps().await.is_ok() {
            return;
        }
        let wanted = Check::ALL.into_iter().filter(|check| match check {
            Check::Address => false,
            Check::Lookup | Check::Tcp | Check::Port => {
                matches!(self.visit.connect.address, Address::Network { .. })
            }
            Check::Tls => Target::of(&self.visit.connect.address).is_some_and(|t| t.is_tls),
            Check::Filter => !self.visit.filters.is_empty(),
            Check::Idle => self.visit.idle.is_some(),
            Check::Twin => self.visit.check_id.is_some(),
            _ => true,
        });
        let is_reached = |check: &Check| self.report.findings.iter().any(|f| f.check == *check);
        self.report.unreached = wanted.filter(|check| !is_reached(check)).collect();
    }

    fn add(&mut self, finding: Finding) -> Mark {
        (self.tell)(&finding);
        let mark = finding.mark;
        self.report.findings.push(finding);
        mark
    }

    fn must(&mut self, finding: Finding) -> Result<(), Stop> {
        match self.add(finding) {
            Mark::Fail => Err(Stop),
            Mark::Pass | Mark::Skip | Mark::Warn => Ok(()),
        }
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        // What is wrong with a filter can be told without any broker.
        for name in &self.visit.filters {
            self.add(filter::judge(name));
        }
        match Target::of(&self.visit.connect.address) {
            Some(target) => self.network(&target).await?,
            None => {
                let shown = self.visit.connect.address.to_string();
                self.add(Finding::pass(Check::Address, broker::unix_socket(shown)));
            }
        }
        let line = self.connect().await?;
        let mut options = self.visit.connect.clone();
        options.session.version = line.version();
        options.session.will = None;
        let (patience, settle) = (self.visit.patience, self.visit.settle);
        let name = system::look(&options, patience, settle).await;
        self.add(system::judge(name.as_deref()));
        let name = name.as_deref();
        let topic = format!("{}/{:08x}", self.visit.test_topic, crate::nonce() as u32);
        let is_open = self.subscribe(&options, &topic).await;
        if is_open {
            self.messages(line, &options, &topic, name).await;
        } else {
            line.leave().await;
            self.report.unreached = [&[Check::Loopback], NEED_MESSAGES].concat();
        }
        if let Some(id) = &self.visit.check_id {
            let wait = self.visit.check_id_wait;
            let seen = twin::look(&options, id, wait, patience).await;
            self.add(twin::judge(id, &seen, wait));
        }
        Ok(())
    }

    /// Name, TCP, what the port speaks, TLS.
    async fn network(&mut self, target: &Target) -> Result<(), Stop> {
        let patience = self.visit.patience;
        let found = lookup::look(&target.host, target.port, patience).await;
        let (finding, addresses) = lookup::judge(&target.host, found);
        self.must(finding)?;
        let attempts = tcp::look(&addresses, patience).await;
        let is_own = addresses
            .iter()
            .all(|address| listeners::is_own(address.ip()));
        let own = is_own.then(listeners::all);
        let mut finding = tcp::judge(&attempts, own.as_deref());
        let open = attempts
            .iter()
            .find_map(|(address, outcome)| match outcome {
                tcp::Outcome::Open(_) => Some(*address),
                _ => None,
            });
        let Some(open) = open else {
            let is_in_container = Path::new("/.dockerenv").exists();
            finding
                .notes
                .extend(address::hints(target, is_in_container));
            finding.notes.extend(self.nearby(target, &addresses).await);
            self.add(finding);
            return Err(Stop);
        };
        if finding.mark == Mark::Pass && !open.ip().is_loopback() {
            finding = finding.note(mtu(open).map(network::mtu));
        }
        self.add(finding);
        let hints = address::hints(target, false);
        match &self.visit.connect.address {
            Address::Network {
                tls: Some(options), ..
            } => self.tls(target, open, options, hints).await,
            _ => {
                let speaks = port::look(target, open, patience).await;
                let finding = port::judge(target, &speaks, hints, patience);
                self.port(finding, target, &addresses).await
            }
        }
    }

    async fn port(
        &mut self,
        mut finding: Finding,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<(), Stop> {
        if finding.mark == Mark::Fail && finding.fixes.is_empty() {
            let nearby = self.nearby(target, addresses).await;
            finding.notes.extend(nearby);
        }
        // A broker that closes on a CONNECT without credentials may still take one with them.
        let is_mute = matches!(finding.what.code(), "port_closes" | "port_resets");
        if is_mute && self.visit.connect.session.user_name.is_some() {
            finding.mark = Mark::Warn;
        }
        self.must(finding)
    }

    /// Where else on the host MQTT is spoken.
    async fn nearby(&self, target: &Target, addresses: &[SocketAddr]) -> Option<Text> {
        let ports = self
            .visit
            .nearby_ports
            .iter()
            .filter(|port| **port != target.port);
        for &port in ports {
            for address in addresses {
                let address = SocketAddr::new(address.ip(), port);
                let patience = self.visit.patience.min(Duration::from_secs(1));
                let attempts = tcp::look(&[address], patience).await;
                if !matches!(attempts.as_slice(), [(_, tcp::Outcome::Open(_))]) {
                    continue;
                }
                let plain = target.other(port, false, None);
                match port::look(&plain, address, patience).await {
                    port::Speaks::Mqtt => return Some(network::nearby(plain.url())),
                    port::Speaks::Tls(Some(inside)) if *inside == port::Speaks::Mqtt => {
                        return Some(network::nearby(plain.with_tls(true).url()));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    async fn tls(
        &mut self,
        target: &Target,
        open: SocketAddr,
        options: &TlsOptions,
        hints: Vec<Text>,
    ) -> Result<(), Stop> {
        let patience = self.visit.patience;
        let (roots, identity) = match (tls::roots(options), tls::identity(options)) {
            (Ok(roots), Ok(identity)) => (roots, identity),
            (Err(why), _) | (_, Err(why)) => return self.must(Finding::fail(Check::Tls, why)),
        };
        let has_certificate = identity.is_some();
        let way = Way {
            target,
            address: open,
            identity: identity.clone(),
            patience,
        };
        let handshake = tls::open(open, &target.host, identity, &[], patience).await;
        let (facts, stream) = match handshake {
            Ok(opened) => opened,
            Err(error) if error.is_tls() => {
                let speaks = network::port_speaks("TLS");
                self.add(Finding::pass(Check::Port, speaks));
                let finding = certificate::judge_failure(&error, has_certificate, patience);
                return self.must(finding);
            }
            Err(TlsError::Name) => {
                return self.must(Finding::fail(Check::Tls, tls_text::name_unusable()));
            }
            Err(error) => {
                let speaks = port::look(target, open, patience).await;
                if let port::Speaks::Tls(_) = speaks {
                    let finding = certificate::judge_failure(&error, has_certificate, patience);
                    return self.must(finding);
                }
                let finding = port::judge(target, &speaks, hints, patience);
                return self.port(finding, target, &[open]).await;
            }
        };
        let answer = port::inside(target, stream, patience).await;
        let cut = cut_off(answer.end.as_ref());
        if let Some(error) = cut {
            self.add(Finding::pass(Check::Port, network::port_speaks("TLS")));
            let finding = certificate::judge_failure(&error, has_certificate, patience);
            return self.must(finding);
        }
        let inside = within::told(&way, &answer).await;
        let inside = port::Speaks::Tls(Some(Box::new(inside)));
        let finding = port::judge(target, &inside, hints, patience);
        self.port(finding, target, &[open]).await?;
        let viewpoint = Viewpoint {
            host: &target.host,
            roots: &roots,
            has_ca_file: options.ca_file.is_some(),
            accepts_any_name: options.accept_any_host_name,
            accepts_common_name: options.accept_common_name,
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        };
        let mut findings = certificate::judge(&facts, viewpoint);
        if facts.wants_certificate
            && !has_certificate
            && let Some(first) = findings.first_mut()
        {
            first.notes.push(tls_text::client_certificate_optional());
        }
        let mut result = Ok(());
        for finding in findings {
            if self.must(finding).is_err() {
                result = Err(Stop);
            }
        }
        result
    }

    async fn connect(&mut self) -> Result<Line, Stop> {
        let patience = self.visit.patience;
        let mut options = self.visit.connect.clone();
        options.session.will = None;
        options.clean_start = true;
        let (line, attempts) =
            connect::look(&options, self.visit.has_fixed_version, patience).await;
        let session = &options.session;
        let has_login = session.user_name.is_some() || session.password.is_some();
        if let Some((version, Attempt::Refused(answer))) = attempts.last()
            && line.is_none()
            && is_about_login(answer.reason)
        {
            let anonymous = if has_login {
                options.session.version = *version;
                login::look_anonymous(&options, patience).await
            } else {
                Anonymous::Refused(answer.reason)
            };
            let login = login::judge_refused(&options.session, answer, *version, &anonymous);
            self.must(login)?;
        }
        let mut finding = connect::judge(&attempts);
        if line.is_none() && self.is_mute() {
            finding = finding.fix(network::port_closes_fix());
        }
        self.must(finding)?;
        let line = line.ok_or(Stop)?;
        let anonymous = if has_login {
            options.session.version = line.version();
            login::look_anonymous(&options, patience).await
        } else {
            Anonymous::Accepted
        };
        let login = login::judge_accepted(&options.session, &anonymous, self.is_open_wire());
        self.add(login);
        Ok(line)
    }

    fn is_mute(&self) -> bool {
        let port = self.report.findings.iter().find(|f| f.check == Check::Port);
        port.is_some_and(|finding| finding.mark != Mark::Pass)
    }

    /// Whether what is sent can be read by others on its way.
    fn is_open_wire(&self) -> bool {
        let Some(target) = Target::of(&self.visit.connect.address) else {
            return false;
        };
        let is_loopback = target.host == "localhost"
            || target
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        !target.is_tls && !is_loopback
    }

    /// The user's filters and the doctor's own topic; whether the latter can be used.
    async fn subscribe(&mut self, options: &ConnectOptions, topic: &str) -> bool {
        let patience = self.visit.patience;
        for name in &self.visit.filters {
            if columba_codec::topic::TopicFilter::parse(name).is_err() {
                continue;
            }
            let outcome = subscribe::look(options, name, patience).await;
            self.add(subscribe::judge(name, &outcome, None));
        }
        let outcome = subscribe::look(options, topic, patience).await;
        let option = Some(self.visit.test_topic_option);
        let mark = self.add(subscribe::judge(topic, &outcome, option));
        mark != Mark::Fail
    }

    async fn messages(
        &mut self,
        line: Line,
        options: &ConnectOptions,
        topic: &str,
        broker: Option<&str>,
    ) {
        let (patience, settle) = (self.visit.patience, self.visit.settle);
        let opened = Pair::open(line, options.clone(), topic.to_owned(), patience, settle).await;
        let mut pair = match opened {
            Ok(pair) => pair,
            Err(error) => {
                let what = message::second_connection(connect_text(&error));
                self.add(Finding::fail(Check::Loopback, what));
                self.report.unreached = NEED_MESSAGES.to_vec();
                return;
            }
        };
        let rounds = loopback::look(&mut pair).await;
        let surroundings = Surroundings {
            version: pair.publisher.version(),
            broker,
            test_topic: &self.visit.test_topic,
        };
        for finding in loopback::judge(&rounds, surroundings) {
            self.add(finding);
        }
        if loopback::is_deaf(&rounds) {
            pair.leave().await;
            self.report.unreached = NEED_MESSAGES.to_vec();
            return;
        }
        let fates = payload::look(&mut pair).await;
        self.add(payload::judge(&fates));
        let ladder = payload::look_sizes(&mut pair).await;
        self.add(payload::judge_sizes(&ladder));
        let seen = retained::look(&mut pair).await;
        self.add(retained::judge(&seen));
        let seen = offline::look(&mut pair).await;
        self.add(offline::judge(&seen));
        let seen = will::look(&mut pair).await;
        self.add(will::judge(&seen, patience));
        if let Some(time) = self.visit.idle {
            let seen = idle::look(&mut pair, time).await;
            self.add(idle::judge(&seen, time));
        }
        pair.leave().await;
    }
}

/// The alert that ended a connection after its handshake, as TLS 1.3 does with client certificates.
fn cut_off(end: Option<&std::io::Result<()>>) -> Option<TlsError> {
    let error = end?.as_ref().err()?;
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match inner {
        rustls::Error::AlertReceived(alert) => Some(TlsError::Alert(*alert)),
        _ => None,
    }
}

/// The largest packet that the way to an address carries, as far as the system knows.
#[cfg(target_os = "linux")]
fn mtu(address: SocketAddr) -> Option<u32> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    // Connecting a datagram socket sends nothing, but chooses the way.
    socket.connect(address).ok()?;
    match address {
        SocketAddr::V4(_) => rustix::net::sockopt::ip_mtu(&socket).ok(),
        SocketAddr::V6(_) => rustix::net::sockopt::ipv6_mtu(&socket).ok(),
    }
}

#[cfg(not(target_os = "linux"))]
fn mtu(_: SocketAddr) -> Option<u32> {
    None
}
